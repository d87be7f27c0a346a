# SPDX-License-Identifier: MIT
"""link: a snapshot that was tampered with is refused whole, or runs without doing harm."""

import functools
import struct

from hypothesis import given
from hypothesis import strategies as st

from host_sim.config import loads
from tests.shell_rig import Rig

RICH = loads(rb"""
version = 1
[service.web]
at = "127.0.0.1:80"
[service.api]
at = "127.0.0.1:81"
[[route]]
name = "star"
service = "api"
path = { wildcard = "/a/*/b/**" }
limits = ["pool"]
[[route]]
name = "digits"
service = "api"
path = { regex = '/n/\d+' }
[[route]]
name = "host"
service = "api"
host = "*.example.org"
path = { prefix = "/" }
headers = { X-A = "1" }
[[route]]
name = "all"
service = "web"
path = { prefix = "/" }
[tenant.acme]
plan = "gold"
[tenant.other]
[[limit]]
name = "bucket"
scope = "service"
service = "web"
algorithm = "token_bucket"
rate = "50/s"
burst = 60
reserve = { low = "20%" }
[[limit]]
name = "slow"
scope = "user"
algorithm = "token_bucket"
rate = "2/s"
burst = 5
plan = { gold = "20/s" }
[[limit]]
name = "exact"
scope = "user"
algorithm = "sliding_window"
rate = "30/min"
exact = true
[[limit]]
name = "address"
scope = "ip"
algorithm = "leaky_bucket"
rate = "20/s"
capacity = 20
[[limit]]
name = "queue"
scope = "service"
service = "api"
algorithm = "leaky_bucket"
rate = "5/s"
capacity = 20
queue = true
max_delay = "2s"
[[limit]]
name = "pool"
scope = "named"
algorithm = "sliding_window"
rate = "40/min"
[[quota]]
name = "few"
tenant = "acme"
type = "requests"
limit = 50
window = "day"
rollover = "10%"
alerts = ["50%", "100%"]
[[quota]]
name = "roll"
plan = "gold"
type = "bytes"
limit = "1MiB"
window = "rolling 1h"
enforcement = "soft"
[[quota]]
name = "month"
tenant = "other"
type = "compute"
limit = 500
window = "month"
per_user = true
""", profile="tiny").blob
AFTERWARDS = """
demo 40 --seed 5
clock advance 3h
request GET /x --tenant acme --user u --explain
request GET /n/12 --host a.example.org --header X-A:1
request GET /a/7/b/c/d --ip 192.0.2.3
request GET /x --service api --tenant other --user z
confirm quota reset few
confirm ratelimit reset slow
gateway test GET /n/3
gateway list
gateway remove-service api --cascade
ratelimit limits
ratelimit buckets
ratelimit set bucket --rate 40/s
quota usage
quota export
audit 50
mem
status
digest
poweroff
""".split("\n")[1:-1]


@functools.cache
def good():
    """A state with something in every table, and where it is not zero."""
    rig = Rig("tiny", config=RICH)
    for line in ("clock virtual 2026-01-01", "demo 60", "request GET /n/12", "request GET /a/1/b/2",
                 "request GET /x --tenant acme --user u"):
        rig.ok(line)
    row = rig.ffi.new("ray_row *", {"kind": 1, "id": 9, "method": 1, "tenant": 0, "service": 0,
                                    "priority": 255, "flags": 2 | 4})
    rows = rig.ffi.new("ray_rows *", {"row": row, "bytes": rig.aligned(8), "bytes_length": 0,
                                      "scratch": rig.aligned(8192)})
    answer = rig.ffi.new("ray_answer *")
    assert rig.lib.ray_step_batch(rig.ray, rows, 1, answer) == 0 and answer.status == 0
    state = rig.state()
    return state, [place for place, byte in enumerate(state) if byte]


def restore(rig, state):
    for seq, at in enumerate(range(0, len(state), 65520)):
        head = struct.pack("<QQ", len(state), at)
        frame = rig.ask(10, head + state[at:at + 65520], 100 + seq)
    return frame.type == 10 + 64


CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 3), st.integers(1, 255)),
                   min_size=1, max_size=4)


@given(CHANGES)
def test_a_tampered_snapshot_is_refused_or_runs_without_harm(changes):
    state, places = good()
    broken = bytearray(state)
    for place, beside, mask in changes:
        broken[(places[place % len(places)] + beside) % len(state)] ^= mask
    rig = Rig("tiny")
    before = rig.state()
    if not restore(rig, bytes(broken)):
        assert rig.state() == before
        return
    for line in AFTERWARDS:
        rig.run(line)


def test_the_snapshot_itself_is_taken():
    state, _ = good()
    rig = Rig("tiny")
    assert restore(rig, state)
    assert rig.state() == state
    for line in AFTERWARDS:
        assert rig.run(line).status == 0, line
    assert rig.valid()
