# SPDX-License-Identifier: MIT
"""governance: an alert is judged where its window ends, and says so once a crossing."""

from __future__ import annotations

import pytest

from host_sim.errors import ArgumentError, FullError, RangeError, StaleError, StateError
from host_sim.modules.governance import (
    AlertMetric,
    AlertState,
    EventKind,
    GovernanceCollector,
    GovernanceEvent,
)

S = 1_000_000_000
DENY = 2
INACTIVE, PENDING, FIRING, RESOLVED = AlertState


@pytest.fixture
def governance() -> GovernanceCollector:
    """A collector of its own in the profile with two alerts and four notifications."""
    return GovernanceCollector(profile="tiny")


def deny(governance: GovernanceCollector, at_s: int, times: int) -> None:
    for _ in range(times):
        event = GovernanceEvent(EventKind.ADMIT, 1, 2, verdict=DENY, reason=200)
        governance.note(event, now_ns=at_s * S)


def state(governance: GovernanceCollector, alert_id: int) -> AlertState:
    return governance.get_alert(alert_id).state


# denied in the second before, state at its end: above 3, below 2, for 2 s
ROWS = [
    (3, INACTIVE), (4, PENDING), (0, INACTIVE), (4, PENDING), (5, PENDING), (4, FIRING),
    (3, FIRING), (2, FIRING), (1, RESOLVED), (3, RESOLVED), (9, PENDING), (9, PENDING), (9, FIRING),
    (0, RESOLVED),
]  # fmt: skip


def test_an_alert_waits_fires_stays_and_resolves(governance: GovernanceCollector) -> None:
    alert = governance.set_alert_threshold(
        "denials", AlertMetric.DENIED, 3, window_ns=S, for_ns=2 * S, clear_below=2
    )
    for second, (times, wanted) in enumerate(ROWS):
        deny(governance, second, times)
        governance.tick((second + 1) * S)
        assert state(governance, alert) == wanted, second
        assert governance.valid() == 0
    said = [(note.state, note.at_ns // S, note.value) for note in governance.notifications()]
    assert said == [(FIRING, 6, 4), (RESOLVED, 9, 1), (FIRING, 13, 9), (RESOLVED, 14, 0)]
    assert governance.get_alert(alert).fired_count == 2
    assert governance.get_alert(alert).notification == governance.notifications()[-1]


def test_one_long_silence_says_what_a_tick_a_second_says() -> None:
    """Ticks change nothing: the state after the next event is equal, byte for byte."""
    states = []
    for every in (1, 10_000):
        governance = GovernanceCollector(profile="tiny")
        governance.set_alert_threshold("a", AlertMetric.DENIED, 1, window_ns=S, for_ns=S)
        governance.set_alert_threshold("b", AlertMetric.QUEUED, 0, window_ns=2 * S, for_ns=5 * S)
        governance.note(GovernanceEvent(EventKind.ADMIT, 1, 2), now_ns=0)
        for second in (0, 1, 2):
            deny(governance, second, 3)
        for second in range(3, 10_000, every):
            governance.tick(second * S)
        deny(governance, 10_000, 1)
        states.append((governance.snapshot(), governance.notifications()))
    assert states[0] == states[1]
    assert [note.at_ns // S for note in states[0][1]] == [2, 4, 8]


@pytest.mark.parametrize(
    ("metric", "above", "fires"),
    [
        (AlertMetric.REQUESTS, 3, True), (AlertMetric.REQUESTS, 4, False),
        (AlertMetric.DENIED, 0, True), (AlertMetric.DENIED, 1, False),
        (AlertMetric.VIOLATIONS, 0, True), (AlertMetric.DROPPED, 0, True),
        (AlertMetric.ERRORS, 0, True), (AlertMetric.ERRORS, 1, False),
        (AlertMetric.TOKENS, 7, True), (AlertMetric.TOKENS, 8, False),
        (AlertMetric.BYTES, 99, True), (AlertMetric.BYTES, 100, False),
        (AlertMetric.DENIED_RATIO, 249_999, True), (AlertMetric.DENIED_RATIO, 250_000, False),
        (AlertMetric.ERROR_RATIO, 999_999, True), (AlertMetric.ERROR_RATIO, 1_000_000, False),
        (AlertMetric.WAIT, 29, True), (AlertMetric.WAIT, 30, False),
        (AlertMetric.LATENCY_P95, 39, True), (AlertMetric.LATENCY_P95, 40, False),
        (AlertMetric.QUEUED, 0, True), (AlertMetric.QUEUED, 1, False),
    ],
)  # fmt: skip
def test_each_metric_by_its_unit(metric: AlertMetric, above: int, fires: bool) -> None:
    governance = GovernanceCollector()
    alert = governance.set_alert_threshold("a", metric, above, window_ns=S, service_id=1)
    for event in (
        GovernanceEvent(EventKind.ADMIT, 1, 2, tokens=2),
        GovernanceEvent(EventKind.ADMIT, 1, 3, tokens=2),
        GovernanceEvent(EventKind.ADMIT, 1, 4, tokens=2),
        GovernanceEvent(EventKind.ADMIT, 1, 2, tokens=2, verdict=DENY, reason=300),
        GovernanceEvent(EventKind.ADMIT, 5, 2, tokens=9, verdict=DENY, reason=300),
        GovernanceEvent(EventKind.SENT, 1, 2, wait_ns=30),
        GovernanceEvent(EventKind.DROPPED, 1, 3),
        GovernanceEvent(EventKind.DONE, 1, 2, bytes=100, http_status=503, latency_ns=40),
    ):
        governance.note(event, now_ns=S // 2)
    governance.tick(S)
    assert (state(governance, alert) == FIRING) == fires


def test_acknowledging_lasts_until_it_fires_anew(governance: GovernanceCollector) -> None:
    alert = governance.set_alert_threshold("a", AlertMetric.DENIED, 0, window_ns=S)
    with pytest.raises(StateError):
        governance.acknowledge_alert(alert)
    deny(governance, 0, 1)
    governance.tick(S)
    assert [one.name for one in governance.get_pending_alerts()] == ["a"]
    governance.acknowledge_alert(alert)
    assert governance.get_alert(alert).acknowledged
    assert governance.notifications(unacknowledged=True) == ()
    governance.tick(2 * S)
    deny(governance, 5, 1)
    governance.tick(6 * S)
    assert not governance.get_alert(alert).acknowledged
    assert [note.id for note in governance.notifications(unacknowledged=True)] == [2, 3]
    governance.acknowledge_notification(2)
    assert governance.stats().unacknowledged_count == 1


def test_the_ring_keeps_the_last_and_counts_the_rest(governance: GovernanceCollector) -> None:
    governance.set_alert_threshold("a", AlertMetric.DENIED, 0, window_ns=S)
    for second in range(0, 20, 4):
        deny(governance, second, 1)
    governance.tick(30 * S)
    assert [note.id for note in governance.notifications()] == [7, 8, 9, 10]
    assert governance.stats().notification_overwritten_count == 6
    with pytest.raises(StaleError):
        governance.acknowledge_notification(6)


def test_what_no_rule_allows_changes_no_byte(governance: GovernanceCollector) -> None:
    for name in ("a", "b"):
        governance.set_alert_threshold(name, AlertMetric.DENIED, 0)
    removed = governance.find_alert("b")
    governance.remove_alert(removed)
    governance.set_alert_threshold("c", AlertMetric.DENIED, 0)
    before = governance.snapshot()
    with pytest.raises(StaleError):
        governance.get_alert(removed)
    with pytest.raises(FullError):
        governance.set_alert_threshold("d", AlertMetric.DENIED, 0)
    rows: list[tuple[type[Exception], dict[str, int]]] = [
        (RangeError, {"threshold": 1 << 63}), (RangeError, {"clear_below": 0}),
        (RangeError, {"clear_below": 7}), (RangeError, {"window_ns": S + 1}),
        (RangeError, {"window_ns": 0}), (RangeError, {"window_ns": 3_601 * S}),
        (RangeError, {"for_ns": 1 << 62}),
        (ArgumentError, {"metric": 10, "tenant_id": 1, "window_ns": S}),
        (RangeError, {"metric": 10}),
        (ArgumentError, {"metric": 11, "tenant_id": 1, "service_id": 1}),
    ]  # fmt: skip
    for kind, wrong in rows:
        keys = {"metric": 1, "threshold": 5, "window_ns": 2 * S, **wrong}
        metric, above = AlertMetric(keys.pop("metric")), keys.pop("threshold")
        with pytest.raises(kind):
            governance.set_alert_threshold("a", metric, above, **keys)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError):
        governance.set_alert_threshold("no name", AlertMetric.DENIED, 0)
    assert governance.snapshot() == before


def test_alerts_watch_what_was_folded_too(governance: GovernanceCollector) -> None:
    alert = governance.set_alert_threshold("a", AlertMetric.DENIED, 0, window_ns=S, service_id=77)
    for service in range(20):
        event = GovernanceEvent(EventKind.ADMIT, service, 1, verdict=DENY, reason=200)
        governance.note(event, now_ns=0)
    event = GovernanceEvent(EventKind.ADMIT, 77, 1, verdict=DENY, reason=200)
    governance.note(event, now_ns=0)
    governance.tick(S)
    assert governance.stats().folded_count > 0 and state(governance, alert) == FIRING
