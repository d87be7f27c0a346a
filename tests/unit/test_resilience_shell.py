# SPDX-License-Identifier: MIT
"""resilience at the console: what it says, what it changes, and how it answers a wrong word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim import config
from host_sim.kernel import Kernel
from host_sim.modules.resilience import CircuitState, Force, ResilienceManager

S = 1_000_000_000
START = 1_767_225_600 * S  # 2026-01-01
ARGUMENT, UNKNOWN, RANGE, STATE, SYNTAX = -1, -2, -7, -9, -13
FILE = """version = 1
[service.orders]
timeout = "2s"
[service.search]
[resilience.orders]
breaker = { failures = 3, rate = "50%", open = "30s", counts = ["5xx", "timeout", "404"] }
bulkhead = { concurrent = 4, waiting = 2 }
retry = { attempts = 3, budget = "20%" }
"""


@pytest.fixture
def kernel() -> Kernel:
    """Two services, one guarded."""
    kernel = Kernel(config=config.loads(FILE))
    kernel.tick(START)
    return kernel


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


def test_status_list_and_show_say_what_stands_and_how(kernel: Kernel) -> None:
    manager = ResilienceManager(kernel=kernel)
    for _ in range(3):
        manager.record_failure(0)
    status = told(kernel, "resilience status")
    assert (status["breakers"], status["open"], status["bulkheads"]) == (1, 1, 1)
    assert "of 256" in said(kernel, "resilience status")
    rows = told(kernel, "resilience list")["guards"]
    assert [(row["service"], row["state"], row["concurrent"]) for row in rows] == [
        ("orders", "open", 4)]  # fmt: skip
    text = said(kernel, "resilience list")
    assert "open" in text and "0/4" in text and "0/2" in text and "search" not in text
    shown = told(kernel, "resilience show orders")
    assert shown["timeout_ns"] == 2 * S and shown["breaker"]["opened"] == 1
    assert shown["breaker"]["counts"] == ["5xx", "timeout", 404]
    assert shown["retry"]["budget_left"] == 500 and shown["bulkhead"]["waiting_max"] == 2
    text = said(kernel, "resilience show orders")
    for words in ("half-open in 30s", "3 failures in a row, or 50.00% of at least 10",
                  "5xx, timeout, 404", "0 of 4", "100"):  # fmt: skip
        assert words in text, words
    events = told(kernel, "resilience events")["events"]
    assert [(e["from"], e["to"], e["cause"]) for e in events] == [("closed", "open", "failures")]
    assert "2026-01-01T00:00:00Z" in said(kernel, "resilience events")


def test_test_says_what_would_become_of_a_request(kernel: Kernel) -> None:
    assert "would go: ok; at most 2s" in said(kernel, "resilience test orders")
    assert "at most 500ms" in said(kernel, "resilience test orders --deadline=500ms")
    assert "deadline" in said(kernel, "resilience test orders --deadline=0s")
    assert "would go: ok\n" in said(kernel, "resilience test search")
    said(kernel, "confirm resilience force orders open")
    row = told(kernel, "resilience test orders")
    assert (row["granted"], row["reason"], row["by"]) == (False, "breaker-forced", "breaker")
    said(kernel, "resilience mode orders shadow")
    assert "enforced it would be refused" in said(kernel, "resilience test orders")


def test_an_operator_forces_half_opens_and_resets_and_all_of_it_is_audited(kernel: Kernel) -> None:
    manager = ResilienceManager(kernel=kernel)
    before = kernel.digest()
    asked = kernel.shell("resilience force orders open")
    assert asked.status == STATE and "confirm resilience force orders open" in asked.text
    assert kernel.digest() == before
    assert "forced open" in said(kernel, "confirm resilience force orders open")
    assert manager.get_breaker(0).forced is Force.OPEN
    assert "closed (forced open)" in said(kernel, "resilience list")
    said(kernel, "resilience force orders closed")
    said(kernel, "resilience force orders none")
    for _ in range(3):
        manager.record_failure(0)
    assert "half-open" in said(kernel, "resilience half-open orders")
    assert kernel.shell("resilience half-open orders").status == STATE
    assert kernel.shell("resilience reset orders").status == STATE
    said(kernel, "confirm resilience reset orders")
    assert manager.get_breaker(0).state is CircuitState.CLOSED
    records = json.loads(said(kernel, "audit 6 --json"))["records"]
    assert [row["by"] for row in records if row["by_kind"] == "breaker"] == ["orders"] * 5


def test_guards_are_begun_changed_and_removed(kernel: Kernel) -> None:
    manager = ResilienceManager(kernel=kernel)
    text = said(kernel, "resilience breaker search --failures=7 --open=5s --rate=25%")
    assert "opens at 7 failures in a row or at 25.00%, for 5s" in text
    made = manager.get_breaker(1).config
    assert (made.failure_threshold, made.reset_timeout, made.rate_ppm) == (7, 5 * S, 250_000)
    assert made.timeout_duration == 30 * S
    said(kernel, "resilience breaker search --probes=2 --successes=3")
    assert manager.get_breaker(1).config.failure_threshold == 7
    assert manager.get_breaker(1).config.probes == 2
    assert "9 at once, 3 may wait" in said(kernel, "resilience bulkhead search 9 3")
    assert manager.get_bulkhead(1).max_concurrent == 9
    assert kernel.shell("resilience remove search").status == STATE
    said(kernel, "confirm resilience remove search")
    assert manager.guards() == (0,) and kernel.valid() == 0
    csv = said(kernel, "resilience export")
    assert csv.splitlines()[0].startswith("service,state") and len(csv.splitlines()) == 2
    assert json.loads(said(kernel, "resilience export json"))[0]["service"] == "orders"


WRONG = [
    ("resilience show orderz", UNKNOWN, "orders"), ("resilience show search", UNKNOWN, "nothing"),
    ("resilience force orders shut", ARGUMENT, "open, closed or none"),
    ("resilience force search open", UNKNOWN, "nothing stands"),
    ("resilience mode orders on", ARGUMENT, "enforce, shadow or off"),
    ("resilience half-open orders", STATE, "not open"),
    ("resilience bulkhead orders x", SYNTAX, "permits"),
    ("resilience bulkhead orders 0", RANGE, "at least one"),
    ("resilience bulkhead orders 70000", RANGE, "permits"),
    ("resilience breaker orders --rate=x", SYNTAX, "percentage"),
    ("resilience breaker orders --probes=0", RANGE, "at least 1"),
    ("resilience export xml", ARGUMENT, "csv, json, prometheus or"),
    ("resilience shw", UNKNOWN, "show"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "status", "words"), WRONG)
def test_a_wrong_word_changes_nothing_and_says_what_is_right(
    kernel: Kernel, line: str, status: int, words: str
) -> None:
    before = kernel.digest()
    answer = kernel.shell(line)
    assert (answer.status, words in answer.text) == (status, True), answer.text
    assert kernel.digest() == before
