# SPDX-License-Identifier: MIT
"""governance: what was decided adds up, in total, by service, by tenant and by window."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim import _raw
from host_sim.errors import ArgumentError, RangeError
from host_sim.modules.governance import (
    CostMetric,
    EventKind,
    GovernanceCollector,
    GovernanceEvent,
    GovernanceMetric,
    Grain,
    PolicyMetric,
    QuantileOf,
    QuotaMetric,
    RateLimitMetric,
    SeriesMetric,
    TopBy,
)

S = 1_000_000_000
ALLOW, DENY, REDIRECT = 1, 2, 4


@pytest.fixture
def governance() -> GovernanceCollector:
    """A collector of its own in the default profile."""
    return GovernanceCollector()


def admit(governance: GovernanceCollector, now_ns: int = 0, **of: int | None) -> None:
    fields: dict[str, Any] = {"service_id": 1, "tenant_id": 2, **of}
    governance.note(GovernanceEvent(EventKind.ADMIT, **fields), now_ns=now_ns)


def step(governance: GovernanceCollector, kind: EventKind, now_ns: int = 0, **of: int) -> None:
    fields: dict[str, Any] = {"service_id": 1, "tenant_id": 2, **of}
    governance.note(GovernanceEvent(kind, **fields), now_ns=now_ns)


def limiter(allowed: int = 1, denied: int = 0, **of: int) -> RateLimitMetric:
    row = {"service_id": 1, "timestamp": 0, "tokens_used": allowed, "wait_time": 0, **of}
    return RateLimitMetric(allowed=allowed, denied=denied, **row)


# -- the phase document's tests -------------------------------------------------------------------
def test_metrics_collector_creation(governance: GovernanceCollector) -> None:
    stats = governance.stats()
    assert (stats.asked_count, stats.series_count, stats.alert_count) == (0, 0, 0)
    assert governance.valid() == 0 and governance.due_ns() is None
    assert governance.lib.RAY_SERIES_MAX == 1024
    assert governance.get_timeline() == governance.get_timeline(now_ns=0)
    assert governance.get_pending_alerts() == () and governance.get_top_services() == ()
    assert [metric.name for metric in GovernanceMetric] == [
        "RATE_LIMIT_EVENTS", "QUOTA_VIOLATIONS", "POLICY_ENFORCEMENTS", "COST_TRACKING",
    ]  # fmt: skip


def test_metric_recording(governance: GovernanceCollector) -> None:
    governance.record_rate_limit(limiter(3, 2, tokens_used=7, wait_time=10, timestamp=5 * S))
    governance.record_quota_event(QuotaMetric(tenant_id=2, quota_type=1, usage=300, limit=100))
    governance.record_policy_event(PolicyMetric(4, 5, 2, 1, enforcement_time=900))
    governance.record_cost_event(CostMetric(1, 2, 400_000, 0))
    limits = governance.get_rate_limit_stats(service_id=1)
    assert (limits.allowed, limits.denied, limits.tokens_used) == (3, 2, 7)
    assert limits.wait_time == 30 and limits.percentiles[500_000] == 10
    assert QuotaMetric(2, 1, 300, 100).percent_utilized == 300
    assert QuotaMetric(2, 1, 300, 0).percent_utilized is None
    quotas = governance.get_quota_stats(1)
    assert (quotas.events, quotas.violations, quotas.utilization_bp_max) == (1, 1, 30_000)
    policies = governance.get_policy_stats(4)
    assert (policies.matches, policies.denials, policies.alerts) == (5, 2, 1)
    assert policies.enforcement_time == 900
    assert governance.get_cost_stats(tenant_id=2).cost_amount == 400_000
    assert governance.get_cost_stats().by_type == (400_000, 0, 0, 0, 0)
    assert governance.valid() == 0


def test_stats_aggregation(governance: GovernanceCollector) -> None:
    for service in range(3):
        for tenant in range(4):
            governance.record_rate_limit(limiter(service, 1, service_id=service, tenant_id=tenant))
    total = governance.counts()
    assert (total.offered_count, total.denied_count, total.dispatched_count) == (24, 12, 12)
    for dimension in ("service", "tenant"):
        rows = governance.rows(dimension).values()  # type: ignore[arg-type]
        assert sum(row.offered_count for row in rows) == 24
    assert governance.get_rate_limit_stats(tenant_id=3).allowed == 3
    assert governance.get_policy_stats().matches == 0 and governance.get_quota_stats().events == 0


# -- hollow answers -------------------------------------------------------------------------------
def test_p99_of_one_to_a_hundred_recorded_in_descending_order_is_99(
    governance: GovernanceCollector,
) -> None:
    for wait in range(100, 0, -1):
        governance.record_rate_limit(limiter(wait_time=wait))
    found = governance.get_metric_percentiles(ppm=(0, 500_000, 950_000, 990_000, 1_000_000))
    assert list(found.values()) == [1, 50, 95, 99, 100]


def test_600_cost_events_are_all_in_the_total(governance: GovernanceCollector) -> None:
    for event in range(600):
        governance.record_cost_event(CostMetric(event % 7, event, 1_000_003, event % 5))
    assert governance.get_cost_stats().cost_amount == 600 * 1_000_003
    rows = governance.rows("tenant")
    lost = governance.other("tenant").cost_nano
    assert sum(row.cost_nano for row in rows.values()) + lost == 600 * 1_000_003


# -- conservation ---------------------------------------------------------------------------------
def test_offered_is_denied_dropped_preempted_dispatched_and_queued(
    governance: GovernanceCollector,
) -> None:
    for verdict, reason in ((ALLOW, 1), (ALLOW, 1), (DENY, 200), (REDIRECT, 503), (ALLOW, 1)):
        admit(governance, verdict=verdict, reason=reason, tokens=2)
    step(governance, EventKind.SENT, wait_ns=5)
    step(governance, EventKind.DROPPED)
    for counts in (governance.counts(), governance.counts(service_id=1)):
        assert (counts.offered_count, counts.denied_count) == (5, 2)
        assert (counts.dispatched_count, counts.dropped_count) == (1, 1)
        assert (counts.queued_count, counts.preempted_count) == (1, 0)
    assert governance.reasons() == {200: 1, 503: 1} and governance.valid() == 0
    step(governance, EventKind.PREEMPTED)
    assert governance.counts().queued_count == 0
    step(governance, EventKind.SENT)  # of a request nobody admitted
    assert governance.stats().error_count == 1 and governance.counts().dispatched_count == 1


def test_what_waits_is_found_where_it_was_admitted_after_its_row_was_lost() -> None:
    governance = GovernanceCollector(profile="tiny")
    admit(governance, service_id=100)
    for service in range(5):
        for _ in range(3):
            admit(governance, service_id=service, verdict=DENY, reason=200)
    assert 100 not in governance.rows("service")
    assert governance.other("service").queued_count == 1
    step(governance, EventKind.SENT, service_id=100)
    assert governance.other("service").dispatched_count == 1 and governance.valid() == 0


# -- windows --------------------------------------------------------------------------------------
def test_an_hour_is_the_sum_of_its_minutes_and_a_minute_of_its_seconds(
    governance: GovernanceCollector,
) -> None:
    for second in range(0, 3_600, 7):
        admit(governance, second * S, tokens=second)
    now = 3_599 * S
    (hour,) = governance.get_timeline(grain=Grain.HOUR, now_ns=now)
    minutes = governance.get_timeline(grain=Grain.MINUTE, now_ns=now)
    seconds = governance.get_timeline(grain=Grain.SECOND, now_ns=now)
    assert len(minutes) == 60 and len(seconds) == 60
    assert hour.count == sum(window.count for window in minutes) == 515
    assert hour.amount == sum(window.amount for window in minutes)
    last = minutes[-1]
    assert last.start_ns == 3_540 * S
    assert (last.count, last.amount) == (
        sum(window.count for window in seconds),
        sum(window.amount for window in seconds),
    )


def test_windows_roll_in_the_answer_and_not_in_the_state(governance: GovernanceCollector) -> None:
    admit(governance, 10 * S)
    before = governance.snapshot()
    assert governance.get_timeline(now_ns=69 * S)[0].count == 1
    assert sum(window.count for window in governance.get_timeline(now_ns=70 * S)) == 0
    hours = governance.get_timeline(grain=Grain.HOUR, now_ns=47 * 3_600 * S)
    assert [window.count for window in hours] == [1] + [0] * 47
    assert governance.snapshot() == before


def test_the_1025th_series_folds_into_other_and_is_counted(
    governance: GovernanceCollector,
) -> None:
    for tenant in range(2_000):
        admit(governance, tenant_id=tenant, tokens=1)
    stats, own = governance.stats(), governance.lib.RAY_SERIES_MAX - 6
    assert stats.series_count == own and stats.folded_count == 2_000 - own
    assert governance.get_timeline(tenant_id=own - 1)[0].count == 1
    assert governance.get_timeline(tenant_id=own)[0].count == 0
    assert governance.get_timeline()[0].count == 2_000 and governance.valid() == 0


def test_reset_clears_windows_and_percentiles_and_no_counter(
    governance: GovernanceCollector,
) -> None:
    governance.record_rate_limit(limiter(3, 1, wait_time=50))
    before = governance.counts()
    governance.reset_windows()
    assert governance.counts() == before and governance.stats().series_count == 0
    assert governance.get_timeline()[0].count == 0
    assert set(governance.get_metric_percentiles().values()) == {0}
    assert governance.valid() == 0 and governance.stats().reset_count == 1


# -- rankings -------------------------------------------------------------------------------------
def test_top_is_exact_while_keys_fit_and_ties_go_by_id(governance: GovernanceCollector) -> None:
    for service, requests in ((7, 5), (3, 9), (5, 5), (1, 1)):
        governance.record_rate_limit(limiter(requests - 1, 1, service_id=service))
    governance.record_cost_event(CostMetric(1, 2, 9, 0))
    governance.record_cost_event(CostMetric(3, 2, -4, 0))
    top = governance.get_top_services("requests", 3)
    assert [(entry.id, entry.value, entry.error) for entry in top] == [
        (3, 9, 0), (5, 5, 0), (7, 5, 0),
    ]  # fmt: skip
    assert [entry.id for entry in governance.get_top_services(TopBy.VIOLATIONS)] == [1, 3, 5, 7]
    assert governance.get_top_services("cost", 1)[0].value == 9
    assert governance.get_top_tenants("usage")[0].value == 20


def test_beyond_the_table_every_place_says_its_error(governance: GovernanceCollector) -> None:
    """Space-Saving: the heavy ones stay, and a true value is within its bounds."""
    true: dict[int, int] = {}
    for event in range(20_000):
        tenant = event % 5 if event % 2 else 1_000 + event % 701
        true[tenant] = true.get(tenant, 0) + 1
        governance.record_rate_limit(limiter(tenant_id=tenant))
    top = governance.get_top_tenants("usage", 5)
    assert [entry.id for entry in top] == [0, 1, 2, 3, 4]
    assert governance.stats().evicted_count > 0
    for entry in governance.get_top_tenants("usage", 300):
        assert entry.value - entry.error <= true[entry.id or 0] <= entry.value
    rows = sum(row.offered_count for row in governance.rows("tenant").values())
    assert rows + governance.other("tenant").offered_count == 20_000 and governance.valid() == 0


# -- correlation ----------------------------------------------------------------------------------
def test_correlation_needs_three_windows_and_something_that_changes(
    governance: GovernanceCollector,
) -> None:
    for second, denied in enumerate((1, 2, 4)):
        for _ in range(denied):
            admit(governance, second * S, verdict=DENY, reason=200)
            step(governance, EventKind.DONE, second * S, cost_nano=-3, latency_ns=100 * denied)
        if second < 2:
            assert governance.correlate_metrics(now_ns=3 * S).milli[("denied", "cost")] is None
    found = governance.correlate_metrics(now_ns=3 * S)
    assert (found.denied, found.cost, found.errors) == ((1, 2, 4), (-3, -6, -12), (0, 0, 0))
    assert found.p95 == (100, 200, 400)
    assert found.milli[("denied", "cost")] == -1000 and found.milli[("denied", "p95")] == 1000
    assert found.milli[("denied", "errors")] is None
    assert governance.correlate_metrics(service_id=9, now_ns=3 * S).denied == ()


# -- what is refused ------------------------------------------------------------------------------
def test_records_out_of_range_are_counted_and_change_nothing_else(
    governance: GovernanceCollector,
) -> None:
    before = governance.stats()
    for call in (
        lambda: governance.record_rate_limit(limiter(1 << 31)),
        lambda: governance.record_rate_limit(limiter(1 << 20, wait_time=(1 << 48) - 1)),
        lambda: governance.record_rate_limit(limiter(tokens_used=1 << 48)),
        lambda: governance.record_quota_event(QuotaMetric(1, 0, 1 << 48, 1)),
        lambda: governance.record_policy_event(PolicyMetric(1, 1 << 31, 0, 0)),
    ):
        with pytest.raises(RangeError):
            call()
    for call in (
        lambda: governance.record_quota_event(QuotaMetric(1, 5, 1, 1)),
        lambda: governance.record_cost_event(CostMetric(1, 1, 1, 5)),
    ):
        with pytest.raises(ArgumentError):
            call()
    after = governance.stats()
    assert after.error_count == before.error_count + 7
    assert (after.asked_count, after.series_count, after.quota_event_count) == (0, 0, 0)
    with pytest.raises(ArgumentError):
        governance.get_metric_percentiles(QuantileOf.ENFORCEMENT, service_id=1)
    with pytest.raises(ArgumentError):
        governance.counts(service_id=1, tenant_id=1)


def test_a_million_tenants_take_no_more_room() -> None:
    """O1: series within their cap, the rest in `other`, sums exact."""
    governance = GovernanceCollector(profile="tiny")
    ffi, lib = _raw.load("tiny").ffi, governance.lib
    event = ffi.new("ray_governance_event *")
    event.kind, event.verdict, event.reason = EventKind.ADMIT, DENY, 200
    for tenant in range(1_000_000):
        event.tenant, event.service = tenant, tenant >> 3
        lib.ray_governance_note(governance._state, tenant, event)
    stats = governance.stats()
    assert stats.series_count <= lib.RAY_SERIES_MAX and stats.asked_count == 1_000_000
    for dimension in ("service", "tenant"):
        rows = governance.rows(dimension).values()  # type: ignore[arg-type]
        other = governance.other(dimension).offered_count  # type: ignore[arg-type]
        assert sum(row.offered_count for row in rows) + other == 1_000_000
    assert governance.get_timeline(SeriesMetric.DENIED)[0].count == 1_000_000
    assert governance.valid() == 0
