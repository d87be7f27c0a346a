# SPDX-License-Identifier: MIT
"""policy: a reload swaps all rules at once, counters follow names, and no hostile row gets past the
check."""

from __future__ import annotations

import random

import pytest

from host_sim import config
from host_sim.config import layout
from host_sim.errors import RaygateError
from host_sim.kernel import Kernel
from host_sim.modules.policy import PolicyContext, PolicyEngine, RequestInfo
from tests.configs import rows_of, sealed

BASE = """version = 1
[tenant.acme]
plan = "gold"
[service.a]
[[route]]
name = "r"
service = "a"
path = { prefix = "/" }
[[limit]]
name = "pool"
scope = "named"
rate = "1/s"
[[limit]]
name = "own"
scope = "service"
rate = "1/s"
[[quota]]
name = "extra"
named = true
limit = 10
[[quota]]
name = "plain"
limit = 10
"""
RULE = '[[policy]]\nname = "%s"\naction = "deny"\nwhen = { method = ["%s"] }\n'
RICH = (
    BASE
    + """[policies]
default = { authorization = "deny" }
[[policy]]
name = "p"
action = "deny"
when = { service = "a", time = "Mon 10:00-12:00", ip = "10.0.0.0/8", header = { X-A = "b" } }
[[policy]]
name = "q"
type = "ratelimit"
action = "throttle"
limit = "pool"
[[policy]]
name = "s"
type = "quota"
action = "log"
quota = "extra"
[[policy]]
name = "t"
action = "redirect"
location = "/x"
"""
)


def get(engine, method):
    return engine.evaluate_request(PolicyContext(RequestInfo(method)))


def test_counters_follow_a_rules_name_whatever_its_place():
    kernel = Kernel(config=config.loads(BASE + RULE % ("x", "GET") + RULE % ("y", "PUT")))
    engine = PolicyEngine(kernel=kernel)
    for method, count in (("GET", 3), ("PUT", 5)):
        for _ in range(count):
            get(engine, method)
    moved = BASE + RULE % ("new", "HEAD") + RULE % ("y", "PUT") + RULE % ("x", "POST")
    report = kernel.configure(config.loads(moved).blob)
    assert (report.kept_count >= 1, report.reset_count >= 1) == (True, True)
    hits = {engine.get_policy(i).name: engine.get_hits(i).denied_count for i in range(3)}
    assert hits == {"new": 0, "y": 5, "x": 3}
    assert kernel.valid() == 0 and not get(engine, "POST").allowed
    kernel.configure(config.loads(BASE).blob)
    assert engine.list_policies() == {} and kernel.valid() == 0


@pytest.mark.parametrize("seed", range(20))
def test_any_shuffle_of_names_keeps_their_counters(seed):
    chance = random.Random(seed)
    names = [f"n{i}" for i in range(8)]
    kernel = Kernel(config=config.loads(BASE), profile="tiny")
    engine, wanted = PolicyEngine(kernel=kernel), {}
    for _ in range(6):
        chosen = chance.sample(names, chance.randrange(9))
        text = BASE + "".join(f'[[policy]]\nname = "{n}"\naction = "log"\n' for n in chosen)
        kernel.configure(config.loads(text, profile="tiny").blob)
        wanted = {n: wanted.get(n, 0) for n in chosen}
        found = {
            engine.get_policy(i).name: engine.get_hits(i).matched_count
            for i in engine.list_policies()
        }
        assert found == wanted and kernel.valid() == 0
        get(engine, "GET")
        wanted = {n: count + 1 for n, count in wanted.items()}


HOSTILE = [
    (layout.POLICY_SET, 0, "combine", 2), (layout.POLICY_SET, 0, "default_of", [0, 3, 0, 0, 0]),
    (layout.POLICY_SET, 0, "reserved", None),
    (layout.POLICY, 0, "name", ""), (layout.POLICY, 1, "name", "p"), (layout.POLICY, 0, "type", 5),
    (layout.POLICY, 0, "priority", 1_000_001), (layout.POLICY, 0, "limit", 0),
    (layout.POLICY, 1, "limit", 9), (layout.POLICY, 1, "limit", 1),
    (layout.POLICY, 1, "limit", 0xFFFFFFFF), (layout.POLICY, 1, "type", 1),
    (layout.POLICY, 2, "quota", 9), (layout.POLICY, 2, "quota", 1), (layout.POLICY, 2, "type", 1),
    (layout.POLICY, 2, "quota_weight", 0), (layout.POLICY, 2, "quota_weight", 65_536),
    (layout.POLICY, 0, "quota_weight", 1), (layout.POLICY, 0, "term_count", 0),
    (layout.POLICY, 0, "term_count", 9), (layout.POLICY, 0, "header_count", 0),
    (layout.POLICY, 0, "header_count", 2), (layout.POLICY, 0, "http_status", 399),
    (layout.POLICY, 0, "http_status", 600), (layout.POLICY, 1, "http_status", 403),
    (layout.POLICY, 3, "http_status", 304), (layout.POLICY, 0, "action", 6),
    (layout.POLICY, 3, "action", 0), (layout.POLICY, 0, "mode", 3),
    (layout.POLICY, 0, "enabled", 2),
    (layout.POLICY, 0, "set_class", 5), (layout.POLICY, 0, "alert", 2),
    (layout.POLICY, 0, "audit", 2), (layout.POLICY, 0, "reserved", None),
    (layout.POLICY_TERM, 0, "field", 8), (layout.POLICY_TERM, 0, "value", 1),
    (layout.POLICY_TERM, 0, "until", 1), (layout.POLICY_TERM, 0, "negated", 2),
    (layout.POLICY_TERM, 0, "utc_offset_minutes", 1), (layout.POLICY_TERM, 0, "reserved", None),
    (layout.POLICY_TERM, 1, "value", 10_080), (layout.POLICY_TERM, 1, "until", 10_081),
    (layout.POLICY_TERM, 1, "until", 600), (layout.POLICY_TERM, 1, "until", 0),
    (layout.POLICY_TERM, 1, "utc_offset_minutes", 841),
    (layout.POLICY_TERM, 1, "address", b"\1" + bytes(15)),
    (layout.POLICY_TERM, 2, "until", 129), (layout.POLICY_TERM, 2, "until", 0),
    (layout.POLICY_TERM, 2, "value", 1), (layout.POLICY_TERM, 2, "utc_offset_minutes", 1),
    (layout.POLICY_HEADER, 0, "how", 7), (layout.POLICY_HEADER, 0, "how", 3),
    (layout.POLICY_HEADER, 0, "how", 5), (layout.POLICY_HEADER, 0, "how", 6),
    (layout.POLICY_HEADER, 0, "name", "X_A"), (layout.POLICY_HEADER, 0, "name", "X-AB"),
    (layout.POLICY_HEADER, 0, "name_length", 0), (layout.POLICY_HEADER, 0, "name_length", 49),
    (layout.POLICY_HEADER, 0, "value", "\n"), (layout.POLICY_HEADER, 0, "value", "bc"),
    (layout.POLICY_HEADER, 0, "value_length", 129), (layout.POLICY_HEADER, 0, "reserved", None),
    (layout.POLICY_HEADER, 1, "name_length", 1), (layout.POLICY_HEADER, 1, "value", " x"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "row", "field", "value"), HOSTILE)
def test_a_hostile_row_is_refused_whole_and_named(section, row, field, value):
    kernel = Kernel(config=config.loads(RICH))
    good = config.loads(RICH).blob
    offset, row_bytes, count = rows_of(good)[section]
    kind = layout.ROWS[section]
    assert row < count and row_bytes == kind.sizeof()
    at = offset + row * row_bytes
    if field == "reserved":  # padding is no field of the parsed row
        place = sum(c.sizeof() for c in kind.subcons[: [c.name for c in kind.subcons].index(field)])
        bad = bytearray(good)
        bad[at + place] = 1
    else:
        parsed = dict(kind.parse(good[at : at + row_bytes]))
        parsed[field] = value
        bad = bytearray(good)
        bad[at : at + row_bytes] = kind.build(parsed)
    before = kernel.snapshot()
    with pytest.raises(RaygateError) as said:
        kernel.configure(sealed(bytes(bad)))
    assert "policy" in str(said.value) and kernel.snapshot() == before


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes_in_the_sections_never_break_a_law(seed):
    chance = random.Random(seed)
    good = config.loads(RICH).blob
    sections = [rows_of(good)[kind] for kind in (50, 51, 52, 53)]
    kernel = Kernel()
    for _ in range(50):
        bad = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            offset, row_bytes, count = chance.choice(sections)
            bad[offset + chance.randrange(row_bytes * count)] = chance.choice([0, 1, 2, 255, 127])
        try:
            kernel.configure(sealed(bytes(bad)))
        except RaygateError:
            pass
        assert kernel.valid() == 0
