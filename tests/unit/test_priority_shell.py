# SPDX-License-Identifier: MIT
"""priority at the console: what it says, what it changes, and how it answers a wrong word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim import config
from host_sim.kernel import Kernel
from host_sim.modules.priority import PriorityScheduler

S = 1_000_000_000
START = 1_767_225_600 * S  # 2026-01-01
FILE = """version = 1
[service.orders]
[service.search]
[sla.orders]
priority = "critical"
p95_latency = "150ms"
deadline = "1s"
error_rate = "0.5%"
[queue]
servers = 2
"""


@pytest.fixture
def kernel() -> Kernel:
    kernel = Kernel(config=config.loads(FILE))
    kernel.tick(START)
    return kernel


def put(kernel: Kernel, service: int, priority: int, **fields: Any) -> int:
    """Lets a request wait, as the pipeline does; returns its entry."""
    queue = PriorityScheduler(kernel=kernel)
    ffi, lib, now = queue.ffi, queue.lib, int(queue.lib.ray_clock_now(kernel.ray))
    query = ffi.new("ray_priority_query *",
                    {"service": service, "priority": priority, "hold": 1, **fields})  # fmt: skip
    answer = ffi.new("ray_priority_answer *")
    assert lib.ray_priority_ask(queue._state, now, query, answer) == 0 and answer.granted
    entry = int(lib.ray_priority_take(queue._state, now, query, answer, 7))
    lib.ray_priority_note(queue._state, now, query, answer, 1)
    return entry


def said(kernel: Kernel, line: str) -> str:
    """The text of a command that succeeds."""
    answer = kernel.shell(line)
    assert answer.status == 0, answer.text
    return answer.text


def told(kernel: Kernel, line: str) -> Any:
    """The JSON of a reading command, which changes no byte."""
    before = kernel.digest()
    answer = kernel.shell(f"{line} --json")
    assert answer.status == 0 and kernel.digest() == before, answer.text
    return json.loads(answer.text)


def test_queues_shows_who_waits_by_service_and_class(kernel: Kernel) -> None:
    put(kernel, 0, 0)
    put(kernel, 0, 4, origin=1)
    put(kernel, 1, 2, not_before_ns=START + 5 * S)
    kernel.tick(START + 2 * S)
    rows = told(kernel, "priority queues")["queues"]
    assert [row["service"] for row in rows] == ["orders", "search"]
    assert (rows[0]["critical"], rows[0]["batch"], rows[0]["waiting"]) == (1, 1, 2)
    assert (rows[1]["delayed"], rows[1]["servers"], rows[0]["oldest_ns"]) == (1, 2, 2 * S)
    text = said(kernel, "priority queues")
    assert "orders" in text and "2/256" in text and "0/2" in text
    entries = told(kernel, "priority queues orders")["entries"]
    assert [entry["origin"] for entry in entries] == ["client", "retry"]
    assert [entry["class"] for entry in entries] == ["critical", "batch"]
    assert entries[0]["deadline_ns"] == START + S
    assert "retry" in said(kernel, "priority queues orders")
    assert "delayed" in said(kernel, "priority queues search")


def test_sla_shows_what_is_promised_and_how_it_is_kept(kernel: Kernel) -> None:
    queue = PriorityScheduler(kernel=kernel)
    done = queue.ffi.new(
        "ray_priority_done *", {"arrival_ns": START, "sent_ns": START, "failed": 1}
    )
    queue.lib.ray_priority_finish(queue._state, START + S, done)
    row = told(kernel, "priority sla")["slas"][0]
    assert (row["service"], row["p95_latency_ns"], row["priority"]) == (
        "orders", 150_000_000, "critical")  # fmt: skip
    assert (row["running_outcomes"], row["running_failed"], row["running_slow"]) == (1, 1, 1)
    kernel.tick(START + 61 * S)
    row = told(kernel, "priority sla orders")
    assert (row["breaches"], row["minutes"], row["last_minute"]) == (1, 1, "errors+latency")
    assert "150ms" in said(kernel, "priority sla")
    assert "0.50%" in said(kernel, "priority sla orders")
    assert told(kernel, "priority alerts")["alerts"] == []  # closed by the next outcome
    queue.lib.ray_priority_finish(queue._state, START + 61 * S, done)
    alerts = told(kernel, "priority alerts")["alerts"]
    assert [(a["id"], a["service"], a["breach"]) for a in alerts] == [
        (1, "orders", "errors+latency")]  # fmt: skip
    assert "2026-01-01T00:00:00Z" in said(kernel, "priority alerts")
    said(kernel, "priority ack 1")
    assert told(kernel, "priority alerts")["alerts"] == []
    assert len(told(kernel, "priority alerts --all")["alerts"]) == 1
    assert kernel.shell("priority ack 2").status < 0 and said(kernel, "priority ack all")


def test_stats_and_classes_print_the_bound_as_a_number(kernel: Kernel) -> None:
    put(kernel, 0, 1)
    stats = told(kernel, "priority stats")
    assert (stats["waiting"], stats["queued"], stats["starvation_bound"]) == (1, 1, 78)
    assert told(kernel, "priority status") == stats
    assert "1 of 4096" in said(kernel, "priority stats")
    classes = told(kernel, "priority classes")
    assert classes["bound"] == 78 and classes["fair"] is True
    assert [row["weight"] for row in classes["classes"]] == [16, 8, 4, 2, 1]
    assert classes["classes"][4]["passed_by_bound"] == 77
    assert "any 78 dispatches in a row" in said(kernel, "priority classes")


def test_estimate_says_what_it_was_made_of(kernel: Kernel) -> None:
    assert said(kernel, "priority estimate orders") == "would be sent at once\n"
    for _ in range(3):
        put(kernel, 0, 2)
    queue = PriorityScheduler(kernel=kernel)
    done = queue.ffi.new("ray_priority_done *", {"sent_ns": START})
    queue.lib.ray_priority_finish(queue._state, START + S, done)
    text = said(kernel, "priority estimate orders normal")
    assert text == "would wait 1.5s: 3 dispatches ahead x 1s / 2 servers\n"
    assert told(kernel, "priority estimate orders")["wait_ns"] == 3 * S // 2
    said(kernel, "priority service orders --depth=3")
    assert "turned away" in said(kernel, "priority estimate orders")


def test_rules_change_and_are_audited(kernel: Kernel) -> None:
    epoch = kernel.stats()["epoch"]
    assert "bound is 155" in said(kernel, "priority set cap 80%")
    said(kernel, "priority weight batch 4")
    said(kernel, "priority set servers 9")
    said(kernel, "priority set on-full reject")
    said(kernel, "priority set order deadline")
    said(kernel, "priority set flow-by address")
    said(kernel, "priority set flows 3")
    said(kernel, "priority set depth 12")
    said(kernel, "priority service search --servers=1 --flows=2")
    rules = PriorityScheduler(kernel=kernel).get_rules()
    assert rules.weights[4] == 4 and rules.critical_cap == 80 and rules.servers == 9
    assert not rules.displace and rules.earliest_deadline and rules.flow_by == 2
    search = PriorityScheduler(kernel=kernel).get_queue(1)
    assert (search.servers, search.depth, search.flows, search.own) == (1, 12, 2, True)
    said(kernel, "priority unset search")
    assert PriorityScheduler(kernel=kernel).get_queue(1).servers == 9
    assert kernel.stats()["epoch"] == epoch + 10
    assert "set" in said(kernel, "audit 3") and kernel.valid() == 0


def test_promises_begin_change_and_end(kernel: Kernel) -> None:
    said(kernel, "priority sla-set search 20ms --deadline=80ms --priority=low --error-rate=1%")
    sla = PriorityScheduler(kernel=kernel).get_sla(1)
    assert (sla.p95_latency_ms, sla.deadline_ns, sla.error_rate_threshold, sla.priority_level) == (
        20, 80_000_000, 100, 3)  # fmt: skip
    said(kernel, "priority sla-set search 30ms")
    sla = PriorityScheduler(kernel=kernel).get_sla(1)
    assert (sla.p95_latency_ms, sla.deadline_ns, sla.priority_level) == (30, 80_000_000, 3)
    refused = kernel.shell("priority sla-remove search")
    assert refused.status < 0 and "confirm priority sla-remove search" in refused.text
    said(kernel, "confirm priority sla-remove search")
    assert [one.service_id for one in PriorityScheduler(kernel=kernel).slas()] == [0]


def test_requeue_moves_one_that_waits(kernel: Kernel) -> None:
    entry = put(kernel, 0, 4)
    assert said(kernel, f"priority requeue {entry} high") == "moved from batch to high\n"
    assert told(kernel, "priority queues orders")["entries"][0]["class"] == "high"
    assert kernel.valid() == 0


WRONG = [
    ("priority queus", 'did you mean "queues"?'),
    ("priority queues order", 'did you mean "orders"?'),
    ("priority sla search", "promises nothing"),
    ("priority sla ordrs", 'did you mean "orders"?'),
    ("priority estimate orders crit", 'did you mean "critical"?'),
    ("priority set dept 3", 'did you mean "depth"?'),
    ("priority set depth 0", "1 to 65536"),
    ("priority set depth many", "1 to 65536"),
    ("priority set cap 95%", "0% to 90%"),
    ("priority set cap 1.5%", "0% to 90%"),
    ("priority set flows 9", "as many as this profile has"),
    ("priority set on-full drop", "displace or reject"),
    ("priority weight hig 3", 'did you mean "high"?'),
    ("priority weight high 0", "1 to 1000"),
    ("priority weight high 1001", "1 to 1000"),
    ("priority service orders --depth=0", "a depth 1 to 65536"),
    ("priority service orders --dept=3", 'did you mean "--depth"?'),
    ("priority unset orders", "says nothing itself"),
    ("priority sla-set orders soon", "150ms"),
    ("priority sla-set orders 0ms", "longer than 0"),
    ("priority sla-set orders 1s --error-rate=200%", "percentage"),
    ("priority sla-set orders 1s --priority=urgent", "a class is"),
    ("priority sla-remove search", "promises nothing"),
    ("priority requeue 0 high", "no such entry"),
    ("priority requeue x high", "no such entry"),
    ("priority export xml", "csv or json"),
    ("priority ack 1", "no alert"),
]


@pytest.mark.parametrize(("line", "words"), WRONG)
def test_a_wrong_word_is_named_and_changes_no_byte(kernel: Kernel, line: str, words: str) -> None:
    before = kernel.digest()
    answer = kernel.shell(line)
    assert answer.status < 0 and words in answer.text, answer.text
    assert kernel.digest() == before


def test_export_is_what_python_exports(kernel: Kernel) -> None:
    put(kernel, 1, 3)
    queue = PriorityScheduler(kernel=kernel)
    assert said(kernel, "priority export") == queue.export_queues()
    assert said(kernel, "priority export json") == queue.export_queues("json") + "\n"


def test_help_lists_the_subcommands(kernel: Kernel) -> None:
    text = said(kernel, "priority help")
    for word in ("queues", "sla", "stats", "classes", "estimate", "requeue", "weight"):
        assert word in text
