# SPDX-License-Identifier: MIT
"""quota: thresholds, peaks, depletion and exports say what is so, once, in the same bytes."""

from __future__ import annotations

import json

import pytest

from host_sim.errors import ArgumentError, StaleError, UnknownError
from host_sim.modules.quota import NEVER, DepletionKind, EnforcementMode, QuotaManager, QuotaType

S = 1_000_000_000
BYTES = QuotaType.BYTES_TRANSFERRED


@pytest.fixture
def quota() -> QuotaManager:
    """A manager of its own in the default profile."""
    return QuotaManager()


@pytest.fixture
def small() -> QuotaManager:
    """4 allocations, 8 active quotas, 8 leases, 8 event ids, 8 alerts."""
    return QuotaManager(profile="tiny")


# -- thresholds -----------------------------------------------------------------------------------
def test_thresholds_fire_once_per_period_ascending_and_several_at_once(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(3, limit=200, window_size_sec=60)

    def fired() -> list[int]:
        return [alert.percent for alert in quota.get_quota_alerts(quota_id)]

    quota.consume_quota(quota_id, 159)
    assert fired() == []
    quota.consume_quota(quota_id, 1)
    assert fired() == [80], "at the threshold, not past it"
    quota.consume_quota(quota_id, 20)
    assert fired() == [80]
    quota.consume_quota(quota_id, 20)
    assert fired() == [80, 95, 100]
    quota.consume_quota(quota_id, 0)
    assert fired() == [80, 95, 100]
    quota.consume_quota(quota_id, 200, now_ns=60 * S)
    assert fired() == [80, 95, 100] * 2, "a new period arms them, one consume fires all"
    quota.reset_quota(quota_id)
    quota.consume_quota(quota_id, 160)
    assert fired()[6:] == [80], "so does a reset"
    quota.update_limit(quota_id, 100)
    kept = quota.get_quota_alerts(quota_id)
    assert [alert.percent for alert in kept][-3:] == [80, 95, 100], "a limit under the use tells"
    assert (kept[-1].used, kept[-1].limit) == (160, 100)
    quota.set_enforcement_mode(quota_id, EnforcementMode.SOFT)
    quota.consume_quota(quota_id, 1)
    assert len(quota.get_quota_alerts(quota_id)) == len(kept), "once"
    alert = quota.get_quota_alerts(quota_id)[0]
    assert (alert.at_ns, alert.tenant_id, alert.used, alert.limit) == (0, 3, 160, 200)


def test_alerts_are_acknowledged_and_the_ring_overwrites_the_oldest(small: QuotaManager) -> None:
    quota_id = small.allocate_quota(0, limit=100, window_size_sec=1)
    for period in range(4):
        small.consume_quota(quota_id, 100, now_ns=period * S)
    stats = small.stats()
    assert (stats.alert_count, stats.alert_overwritten_count) == (12, 4)
    assert [alert.id for alert in small.get_quota_alerts()] == list(range(5, 13))
    small.acknowledge_alert(6)
    assert [alert.id for alert in small.get_quota_alerts(unacknowledged=True)] == [5, *range(7, 13)]
    assert small.stats().unacknowledged_count == 7
    with pytest.raises(StaleError):
        small.acknowledge_alert(4)
    with pytest.raises(UnknownError):
        small.acknowledge_alert(13)
    small.remove_quota(quota_id)
    assert {alert.quota_id for alert in small.get_quota_alerts()} == {None}
    assert small.valid() == 0


def test_passing_the_limit_is_reported_once_per_period(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(
        0, limit=10, window_size_sec=60, alerts=(), enforcement_mode=EnforcementMode.SOFT
    )
    for units in (10, 1, 1, 50):
        quota.consume_quota(quota_id, units)
    over = quota.get_quota_alerts(overage=True)
    assert [(alert.percent, alert.used) for alert in over] == [(0, 11)]
    assert quota.get_quota_alerts() == ()


# -- peaks, utilization, depletion ----------------------------------------------------------------
def test_the_peak_of_all_time_outlives_periods_and_resets(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=100, window_size_sec=60)
    for now, units in [(0, 70), (60, 20), (120, 30)]:
        quota.consume_quota(quota_id, units, now_ns=now * S)
    assert quota.get_peak_usage(quota_id) == 70
    assert quota.get_quota_status(quota_id).usage.peak_usage == 30
    quota.reset_quota(quota_id)
    assert quota.get_peak_usage(quota_id) == 70


@pytest.mark.parametrize(
    ("limit", "units", "bp"),
    [
        (100, 300, 30_000),
        (3, 1, 3_333),
        (3, 2, 6_666),
        (7, 0, 0),
        (0, 0, 0),
        (0, 1, NEVER),
        (1 << 63, (1 << 63) - 1, 9_999),
        (1, (1 << 63) - 1, NEVER),
    ],
)
def test_utilization_is_floored_and_not_clamped(
    quota: QuotaManager, limit: int, units: int, bp: int
) -> None:
    quota_id = quota.allocate_quota(0, limit=limit, enforcement_mode=EnforcementMode.SOFT)
    quota.consume_quota(quota_id, units)
    assert quota.get_quota_utilization(quota_id) == bp


def test_depletion_says_when_or_not_before_the_reset_or_never(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=100, window_size_sec=100)
    assert quota.estimate_depletion(quota_id, now_ns=10 * S).kind is DepletionKind.NEVER
    quota.consume_quota(quota_id, 20, now_ns=10 * S)
    depletion = quota.estimate_depletion(quota_id)
    assert (depletion.kind, depletion.in_ns) == (DepletionKind.AT, 40 * S), "80 left at 20 in 10 s"
    depletion = quota.estimate_depletion(quota_id, now_ns=21 * S)
    assert (depletion.kind, depletion.in_ns) == (DepletionKind.NOT_BEFORE_RESET, None)
    quota.consume_quota(quota_id, 80, now_ns=21 * S)
    assert quota.estimate_depletion(quota_id).in_ns == 0
    endless = quota.allocate_quota(0, limit=1 << 63, now_ns=21 * S)
    quota.consume_quota(endless, 1 << 60, now_ns=22 * S)
    assert quota.estimate_depletion(endless).in_ns == 7 * S, "in 128 bits"
    distant = quota.allocate_quota(0, limit=1 << 63, now_ns=22 * S)
    quota.consume_quota(distant, 1, now_ns=23 * S)
    assert quota.estimate_depletion(distant).in_ns is None, "later than any clock can show"


# -- exports --------------------------------------------------------------------------------------
def test_exports_are_sorted_have_fixed_columns_and_the_same_bytes(quota: QuotaManager) -> None:
    bucket = quota.allocate_quota(None, limit=10, window_size_sec=60, name="each", per_user=True)
    quota.allocate_quota(5, limit=7, quota_type=BYTES, name="idle")
    for tenant, user in [(2, "b"), (0, "z"), (2, "a"), (0, "y"), (1, "")]:
        quota.consume_quota(bucket, 3, tenant_id=tenant, user=user)
    text = quota.export_usage("csv")
    rows = [line.split(",") for line in text.splitlines()]
    assert (
        rows[0][:5] == ["id", "name", "tenant", "user_key", "type"]
        and len(set(map(len, rows))) == 1
    )
    keys = [(row[1], int(row[2]), row[3]) for row in rows[1:]]
    assert keys == sorted(keys[:5]) + [("idle", 5, "0" * 16)]
    assert text == quota.export_usage("csv") and text.endswith("\n")
    found = json.loads(quota.export_usage("json"))
    assert [row["used_units"] for row in found] == [3] * 5 + [0]
    assert [[str(value) for value in row.values()] for row in found] == rows[1:]
    assert list(found[0]) == rows[0]
    twin = QuotaManager()
    bucket = twin.allocate_quota(None, limit=10, window_size_sec=60, name="each", per_user=True)
    twin.allocate_quota(5, limit=7, quota_type=BYTES, name="idle")
    for tenant, user in [(1, ""), (0, "y"), (0, "z"), (2, "a"), (2, "b")]:
        twin.consume_quota(bucket, 3, tenant_id=tenant, user=user)
    assert twin.export_usage("csv") == text, "the order of arrival does not show"
    with pytest.raises(ArgumentError):
        quota.export_usage("xml")  # type: ignore[arg-type]


def test_an_export_larger_than_its_first_buffer_is_whole() -> None:
    quota = QuotaManager()
    each = quota.allocate_quota(None, limit=10, per_user=True)
    for n in range(512):
        quota.consume_quota(each, tenant_id=n % 256, user=str(n))
    assert len(quota.export_usage("csv").splitlines()) == 513
    assert len(json.loads(quota.export_usage("json"))) == 512
