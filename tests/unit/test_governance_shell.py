# SPDX-License-Identifier: MIT
"""governance at the console: what it says, what it changes, and how it answers a wrong word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim.kernel import Kernel
from host_sim.modules.governance import EventKind, GovernanceCollector, GovernanceEvent
from tests.configs import HEAD, alert, compiled

S = 1_000_000_000


@pytest.fixture
def kernel() -> Kernel:
    """Two services, one tenant, an alert, five seconds of requests."""
    kernel = Kernel(config=compiled(HEAD + alert(above=0, window="1s")))
    governance = GovernanceCollector(kernel=kernel)
    for second in range(5):
        who = {"service_id": second % 2, "tenant_id": 0}
        now, verdict = second * S, 1 + second % 2
        for event in (
            GovernanceEvent(EventKind.ADMIT, **who, verdict=verdict, reason=200, tokens=3),
            *([GovernanceEvent(EventKind.SENT, **who, wait_ns=3_000_000)] * (verdict == 1)),
            GovernanceEvent(EventKind.DONE, **who, latency_ns=second, cost_nano=4_000 * second),
        ):
            governance.note(event, now_ns=now)
    return kernel


def told(kernel: Kernel, line: str) -> Any:
    """The JSON of a reading command, which changes no byte."""
    before = kernel.digest()
    answer = kernel.shell(f"{line} --json")
    assert answer.status == 0 and kernel.digest() == before, answer.text
    return json.loads(answer.text)


def test_metrics_are_of_everything_a_service_or_a_tenant(kernel: Kernel) -> None:
    total = told(kernel, "governance metrics")
    assert (total["offered"], total["denied"], total["dispatched"]) == (5, 2, 3)
    assert told(kernel, "governance metrics --service=a")["offered"] == 3
    assert told(kernel, "governance status --tenant=acme")["cost_nano"] == 40_000
    assert kernel.shell("governance metrics --service=a --tenant=acme").status == -1
    assert 'did you mean "acme"' in kernel.shell("governance metrics --tenant=acmee").text
    assert "offered                    5\n" in kernel.shell("governance metrics").text


def test_readings_agree_with_the_collector(kernel: Kernel) -> None:
    windows = told(kernel, "governance timeline cost --grain=second")["windows"]
    assert [row["amount"] for row in windows] == [0, 4_000, 8_000, 12_000, 16_000]
    top = told(kernel, "governance top services requests --count=1")["services"]
    assert top == [{"id": 0, "name": "a", "value": 3, "error": 0}]
    waits = told(kernel, "governance percentiles --service=a")
    assert (waits["count"], waits["p99"]) == (3, 3_000_000)
    found = told(kernel, "governance correlate --grain=second")
    assert len(found["windows"]) == 4 and len(found["pairs"]) == 6
    governance = GovernanceCollector(kernel=kernel)
    formats: Any = ("csv", "json", "prometheus", "openmetrics")
    for format in formats:
        said = kernel.shell(f"governance export {format}")
        assert said.status == 0
        assert said.text.strip() == governance.export_metrics(format).strip()


def test_alerts_are_shown_acknowledged_set_and_removed(kernel: Kernel) -> None:
    shown = told(kernel, "governance alerts")
    assert [(row["name"], row["state"]) for row in shown["alerts"]] == [("n", "firing")]
    assert [row["state"] for row in shown["notifications"]] == ["firing", "resolved", "firing"]
    assert kernel.shell("governance ack 2").status == 0
    assert kernel.shell("governance ack n").text == "acknowledged until it fires anew\n"
    assert told(kernel, "governance alerts")["notifications"] == []
    line = "governance alert set slow latency_p95 250ms --window=1s --for=2s --service=b"
    assert kernel.shell(line).status == 0
    row = next(one for one in told(kernel, "governance alerts --all")["alerts"] if one["id"])
    assert (row["above"], row["for_ns"], row["window_ns"]) == (250_000_000, 2 * S, S)
    assert kernel.shell("governance alert remove slow").text == "removed\n"
    assert kernel.shell("governance ack all").status == 0
    edits = json.loads(kernel.shell("audit --json").text)
    assert "alert" in json.dumps(edits)


def test_reset_is_confirmed_and_empties_windows_alone(kernel: Kernel) -> None:
    assert kernel.shell("governance reset").status == -9
    assert kernel.shell("confirm governance reset").status == 0
    assert told(kernel, "governance metrics")["offered"] == 5
    assert told(kernel, "governance percentiles")["count"] == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("exprt", 'did you mean "export"'),
        ("export xml", "csv, json, prometheus or openmetrics"),
        ("timeline requets", "requests, denied, sent"),
        ("timeline --grain=day", "second, minute or hour"),
        ("top people", "services or tenants"),
        ("top services age", "requests, cost or violations"),
        ("percentiles age", "waits or enforcement"),
        ("ack m", 'did you mean "n"'),
        ("ack 99", "no such notification"),
        ("alert add x", "set or remove"),
        ("alert set x", "alert set NAME METRIC ABOVE"),
        ("alert set x age 5", "no alert watches"),
        ("alert set x wait 5", "not a value of that metric"),
        ("alert set x queued 5 --window=1500ms", "whole seconds up to 1h"),
        ("alert set a/b queued 5", "a name is 1 to 47"),
        ("alert remove m", 'did you mean "n"'),
    ],
)
def test_a_wrong_word_changes_nothing_and_says_what_is_right(
    kernel: Kernel, line: str, words: str
) -> None:
    before = kernel.snapshot()
    answer = kernel.shell(f"governance {line}")
    assert answer.status < 0 and words in answer.text
    assert kernel.snapshot() == before
