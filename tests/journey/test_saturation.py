# SPDX-License-Identifier: MIT
"""More is asked than can be served, of all five classes at once: nobody waits past the printed
bound, Critical keeps its promise, every request is accounted for, and the image says the same.
"""

from __future__ import annotations

import pathlib
import random

import pytest

from host_sim.config import loads
from host_sim.kernel import Kernel
from host_sim.modules.cost_reading import money_of
from host_sim.replay.engine import Options, Replay
from host_sim.replay.mapping import parse_maps
from host_sim.replay.source import Source
from tests.image import vm

S = 10**9
CLASSES = ("critical", "high", "normal", "low", "batch")
CONFIG = """
version = 1
[service.shop]
timeout = "30s"
[[route]]
name = "all"
service = "shop"
path = { prefix = "/" }
[queue]
critical_cap = "60%"
[queue.service.shop]
servers = 4
depth = 256
[sla.shop]
p95_latency = "600ms"
deadline = "20s"
error_rate = "1%"
[cost.shop]
base = "0.001"
per_second = "0.01"
"""


def traffic(seconds: int = 20) -> str:
    """A log of 4/3 of what four servers of 20 ms serve: Critical asks for a fifth of it."""
    drawn = random.Random(7)
    lines, at_ms = ["time,path,priority,duration,bytes"], 1_000_000_000_000
    for number in range(seconds * 266):
        at_ms += drawn.choice((1, 2, 3, 4, 5, 7))
        word = CLASSES[drawn.randrange(5)]
        lines.append(f"{at_ms},/{number},{word},{drawn.randrange(15, 26)},{drawn.randrange(4096)}")
    return "\n".join(lines) + "\n"


def replayed(path: pathlib.Path, link=None):
    config = loads(CONFIG)
    options = Options(maps=parse_maps(("time=time:ms,duration=duration:ms",)))
    with Source(str(path)) as source, Replay(config, source, options=options) as replay:
        summary = replay.run_host() if link is None else replay.run_image(link)
        return summary, replay.kernel.fork()


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("saturation") / "log.csv"
    path.write_text(traffic())
    return path


def test_no_class_waits_past_the_printed_bound_and_critical_keeps_its_promise(log):
    summary, kernel = replayed(log)
    said = kernel.shell("priority classes --json").json()
    assert kernel.valid() == 0 and said["fair"]
    assert summary.queued > 1000
    for row in said["classes"]:
        assert row["sent"] > 0
        assert row["passed_by"] <= row["passed_by_bound"] == said["bound"] - row["weight"]
    waits = {row["class"]: row["max_wait_ns"] for row in said["classes"]}
    assert waits["critical"] < 600_000_000 < waits["batch"]


def test_every_request_and_every_unit_is_accounted_for(log):
    summary, kernel = replayed(log)
    stats = kernel.stats()
    assert stats["queued_count"] == stats["inflight_count"] == 0
    assert stats["asked_count"] == summary.requests == (
        stats["denied_count"] + stats["dropped_count"] + stats["preempted_count"]
        + stats["dispatched_count"])
    assert stats["dispatched_count"] == stats["completed_count"] + stats["expired_count"]
    queue = kernel.shell("priority stats --json").json()
    assert queue["busy_servers"] == queue["waiting"] == 0
    total = kernel.ffi.new("ray_cost_totals *")
    kernel.lib.ray_cost_totals_read(kernel.lib.ray_cost_of(kernel.ray), total)
    sums = (total.tenants, total.services, total.metrics, total.grand)
    assert len({(money.high, money.low) for money in sums}) == 1 and money_of(total.grand).nano > 0


EXPORTS = ("governance export csv", "governance export json", "governance export prometheus",
           "priority export csv", "cost services", "priority classes --json")


@pytest.mark.qemu
def test_the_image_decides_and_exports_the_same_bits(log):
    here, kernel = replayed(log)
    mine = [kernel.shell(line).text for line in EXPORTS]
    with vm.boot() as console:
        there, kernel = replayed(log, console.link)
        theirs = [console.link.run(line)[1] for line in EXPORTS]
        assert console.poweroff().clean
    assert kernel.valid() == 0
    assert mine == theirs and all(len(text) > 40 for text in mine)
    assert (here.decision_digest, here.state_digest, here.book_digest) == (
        there.decision_digest, there.state_digest, there.book_digest)


def test_a_kernel_of_its_own_queues_sends_and_settles():
    kernel = Kernel(config=loads(CONFIG))
    first = [kernel.admit("/", at_ns=S, id=n) for n in range(1, 5)]
    assert not any(one.queued for one in first)
    waiting = kernel.admit("/", id=5)
    assert (waiting.queued, waiting.reason) == (True, "queued")
    assert kernel.dispatch().verdict.name == "NONE"            # every server is busy
    kernel.complete(1, at_ns=2 * S)
    sent = kernel.dispatch()
    assert (sent.verdict.name, sent.request, sent.wait_ns) == ("SENT", 5, S)
    kernel.complete(5, at_ns=3 * S)
    assert kernel.settle() == 31 * S                           # the others' timeout
    assert kernel.stats()["expired_count"] == 3
