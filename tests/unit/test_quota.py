# SPDX-License-Identifier: MIT
"""quota: a tenant never uses more than its limit inside one period, and everything it used is known."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest

from host_sim.errors import (
    ArgumentError,
    ExistsError,
    FullError,
    RangeError,
    StaleError,
    UnbuiltError,
    UnknownError,
)
from host_sim.modules.quota import (
    NEVER,
    DepletionKind,
    EnforcementMode,
    QuotaDimension,
    QuotaManager,
    QuotaMode,
    QuotaType,
    ResetPolicy,
)

S = 1_000_000_000
REQUESTS, BYTES, COMPUTE, CUSTOM = QuotaType
OK, NO_LIMIT, EXCEEDED, TOO_MUCH, GUARD, TABLE_FULL = 1, 2, 300, 301, 302, 303


@pytest.fixture
def quota() -> QuotaManager:
    """A manager of its own in the default profile."""
    return QuotaManager()


@pytest.fixture
def small() -> QuotaManager:
    """4 allocations, 8 active quotas, 8 leases, 8 event ids, 8 alerts."""
    return QuotaManager(profile="tiny")


def used(manager: QuotaManager, quota_id: int, **who: int | str | None) -> int:
    return manager.get_quota_status(quota_id, **who).usage.current_usage  # type: ignore[arg-type]


# -- the phase document's tests -------------------------------------------------------------------
def test_quota_allocation(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(
        7, limit=1_000, quota_type=BYTES, window_size_sec=60, name="acme-bytes", rollover_bp=500)
    allocation = quota.get_allocation(quota_id)
    assert (allocation.quota_id, allocation.tenant_id, allocation.limit) == (quota_id, 7, 1_000)
    assert (allocation.window_size_sec, allocation.reset_policy) == (60, ResetPolicy.FIXED)
    assert (allocation.name, allocation.quota_type) == ("acme-bytes", BYTES)
    assert quota.find_quota("acme-bytes") == quota_id
    bucket = quota.get_quota_status(quota_id, now_ns=61 * S)
    assert (bucket.enforcement_mode, bucket.usage.current_usage) == (EnforcementMode.HARD, 0)
    assert (bucket.usage.window_start_time, bucket.usage.available) == (60 * S, 1_000)
    for place in range(1, 256):
        quota.allocate_quota(place % 64, limit=place)
    before = quota.snapshot()
    with pytest.raises(FullError):
        quota.allocate_quota(200, limit=1)
    assert quota.snapshot() == before and quota.stats().allocation_count == 256
    assert len(quota.allocations()) == 256 and quota.valid() == 0


def test_quota_consumption(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=10, window_size_sec=60)
    for units, granted, left in [(3, True, 10), (5, True, 7), (3, False, 2), (2, True, 2), (1, False, 0)]:
        before = quota.snapshot()
        assert quota.check_quota(quota_id, units).granted is granted
        assert quota.snapshot() == before
        outcome = quota.consume_quota(quota_id, units)
        assert (outcome.granted, outcome.left) == (granted, left)
        assert outcome.reason == (OK if granted else EXCEEDED)
        assert outcome.retry_after_ns == (0 if granted else 60 * S)
        assert outcome.by == (None if granted else quota_id)
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.available, usage.requests_count) == (10, 0, 3)
    assert (usage.denied_count, usage.peak_usage) == (2, 10)
    stats = quota.stats()
    assert (stats.asked_count, stats.granted_count, stats.denied_count) == (5, 3, 2)


def test_quota_reset(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=10, window_size_sec=60, rollover_bp=1_000)
    quota.consume_quota(quota_id, 8, now_ns=10 * S)
    assert not quota.consume_quota(quota_id, 12, now_ns=70 * S).granted
    assert quota.consume_quota(quota_id, 11).granted, "one was carried"
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.carry, usage.peak_ever) == (11, 1, 11)
    quota.reset_quota(quota_id, now_ns=80 * S)
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.carry, usage.available, usage.requests_count) == (0, 0, 10, 0)
    assert (usage.window_start_time, usage.peak_ever) == (60 * S, 11), "start and peak stay"
    assert quota.consume_quota(quota_id, 10).granted
    with pytest.raises(UnknownError):
        quota.reset_quota(99)


# -- hollow answers -------------------------------------------------------------------------------
def test_a_soft_quota_with_300_used_of_100_says_300_percent_and_300(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=100, enforcement_mode=EnforcementMode.SOFT)
    for _ in range(300):
        outcome = quota.consume_quota(quota_id)
        assert outcome.granted
    assert outcome.over and outcome.left == 0
    assert quota.get_quota_utilization(quota_id) == 30_000
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.requests_count, usage.overage) == (300, 300, 200)


# -- hard and soft --------------------------------------------------------------------------------
def test_soft_admits_counts_and_flags_where_hard_denies_and_counts_nothing(quota: QuotaManager) -> None:
    ids = [quota.allocate_quota(t, limit=5, enforcement_mode=mode) for t, mode in enumerate(EnforcementMode)]
    hard, soft = (quota.consume_quota(quota_id, 6) for quota_id in ids)
    assert (hard.granted, hard.over, used(quota, ids[0])) == (False, False, 0)
    assert (soft.granted, soft.over, used(quota, ids[1])) == (True, True, 6)


def test_set_enforcement_mode_toggles_what_happens_from_now_on(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=1, window_size_sec=60)
    quota.consume_quota(quota_id)
    assert not quota.consume_quota(quota_id).granted
    quota.set_enforcement_mode(quota_id, EnforcementMode.SOFT)
    assert quota.consume_quota(quota_id).over
    quota.set_enforcement_mode(quota_id, EnforcementMode.HARD)
    assert not quota.consume_quota(quota_id, 0).granted, "already over: not even nothing fits"
    assert used(quota, quota_id) == 2


def test_a_request_larger_than_limit_and_carry_can_never_be(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=100, window_size_sec=60, rollover_bp=1_000)
    for units in (111, 101):
        outcome = quota.consume_quota(quota_id, units)
        assert (outcome.granted, outcome.reason, outcome.retry_after_ns) == (False, TOO_MUCH, NEVER)
    quota.consume_quota(quota_id, 1)
    assert quota.check_quota(quota_id, 111).reason == TOO_MUCH
    outcome = quota.check_quota(quota_id, 110)
    assert (outcome.granted, outcome.reason, outcome.retry_after_ns) == (False, EXCEEDED, 60 * S)
    assert quota.consume_quota(quota_id, 110, now_ns=60 * S).granted


# -- rollover -------------------------------------------------------------------------------------
@pytest.mark.parametrize(("bp", "use", "carries"), [
    # used in each period -> carry at the start of the next, limit 1000
    (1_000, [0, 0, 0], [100, 100, 100]),        # never compounds
    (1_000, [950, 0, 0], [50, 100, 100]),       # only what was unused
    (1_000, [1_000, 1_000], [0, 0]),
    (1_000, [900, 1_050, 30], [100, 50, 100]),  # old carry is spent first: 1050 - 100 = 950 of 1000
    (1_000, [900, 1_100, 0], [100, 0, 100]),
    (500, [0, 1_049], [50, 1]),
    (1, [0], [0]),                              # a ten-thousandth of 1000 rounds down
    (0, [0, 0], [0, 0]),
])
def test_rollover_is_exactly_the_rule(
    quota: QuotaManager, bp: int, use: list[int], carries: list[int]
) -> None:
    quota_id = quota.allocate_quota(0, limit=1_000, window_size_sec=60, rollover_bp=bp)
    for period, (units, carry) in enumerate(zip(use, carries, strict=True)):
        assert quota.consume_quota(quota_id, units, now_ns=period * 60 * S).granted
        before = quota.snapshot()
        usage = quota.get_quota_status(quota_id, now_ns=(period + 1) * 60 * S).usage
        assert (usage.carry, usage.current_usage, usage.closed_usage) == (carry, 0, units)
        assert quota.snapshot() == before, "reading closes nothing"


def test_rollover_unused_changes_the_share_from_the_running_period_on(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=100, window_size_sec=60)
    quota.consume_quota(quota_id, 1)
    quota.rollover_unused(quota_id, rollover_bp=1_000, now_ns=61 * S)  # the period before is closed
    assert quota.get_quota_status(quota_id, now_ns=61 * S).usage.carry == 0
    assert quota.get_quota_status(quota_id, now_ns=121 * S).usage.carry == 10
    before = quota.snapshot()
    for bp in (1_001, -1, 1 << 32):
        with pytest.raises(RangeError):
            quota.rollover_unused(quota_id, rollover_bp=bp)
    assert quota.snapshot() == before
    endless = quota.allocate_quota(0, limit=100)
    with pytest.raises(ArgumentError):
        quota.rollover_unused(endless, rollover_bp=1)


# -- debt -----------------------------------------------------------------------------------------
def test_overage_is_carried_as_debt_when_asked_and_forgotten_otherwise(quota: QuotaManager) -> None:
    soft = EnforcementMode.SOFT
    debtor = quota.allocate_quota(0, limit=100, window_size_sec=60, carry_overage=True, enforcement_mode=soft)
    free = quota.allocate_quota(1, limit=100, window_size_sec=60, enforcement_mode=soft)
    for quota_id in (debtor, free):
        quota.consume_quota(quota_id, 350)
    seen = [quota.get_quota_status(debtor, now_ns=n * 60 * S).usage.current_usage for n in range(6)]
    assert seen == [350, 250, 150, 50, 0, 0]
    assert used_at(quota, free, 60 * S) == 0
    quota.set_enforcement_mode(debtor, EnforcementMode.HARD)
    outcome = quota.check_quota(debtor, 80, now_ns=0)
    assert outcome.retry_after_ns == 240 * S, "the first period with room for 80"


def used_at(manager: QuotaManager, quota_id: int, now_ns: int) -> int:
    return manager.get_quota_status(quota_id, now_ns=now_ns).usage.current_usage


# -- reserve and settle ---------------------------------------------------------------------------
def test_a_reservation_counts_until_it_is_settled_with_what_was_really_used(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=100, quota_type=BYTES)
    lease = quota.reserve_quota(quota_id, 60, ttl_ns=10 * S)
    assert lease.granted and lease.handle != 0
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.reserved, usage.available) == (0, 60, 40)
    denied = quota.reserve_quota(quota_id, 41, ttl_ns=10 * S)
    assert (denied.granted, denied.handle) == (False, 0)
    assert quota.settle_reservation(lease.handle, 150, quota_type=BYTES), "may overrun, never denies"
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.reserved, usage.available) == (150, 0, 0)
    after = quota.snapshot()
    assert not quota.settle_reservation(lease.handle, 5, quota_type=BYTES), "settling twice is nothing"
    assert not quota.release_reservation(lease.handle)
    assert quota.snapshot() == after


def test_a_reservation_expires_at_its_own_due_time(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=10, window_size_sec=60)
    lease = quota.reserve_quota(quota_id, 10, ttl_ns=5 * S, now_ns=S)
    assert not quota.consume_quota(quota_id, now_ns=6 * S - 1).granted
    assert quota.consume_quota(quota_id, now_ns=6 * S).granted
    stats = quota.stats()
    assert (stats.expired_count, stats.reservation_count) == (1, 0)
    assert not quota.settle_reservation(lease.handle, 3)
    assert used(quota, quota_id) == 1


def test_release_gives_everything_back(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=10)
    lease = quota.reserve_quota(quota_id, 10, ttl_ns=S)
    assert quota.release_reservation(lease.handle)
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.reserved, usage.requests_count) == (0, 0, 0)
    with pytest.raises(UnknownError):
        quota.release_reservation(lease.handle + 1)


def test_a_lease_over_a_reset_leaves_the_closed_period_as_it_closed(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=100, window_size_sec=60)
    first, second, third = (quota.reserve_quota(quota_id, 10, ttl_ns=600 * S).handle for _ in range(3))
    assert quota.settle_reservation(first, 25, now_ns=61 * S), "10 closed as used, 15 are late"
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.closed_usage, usage.current_usage, usage.reserved) == (30, 15, 0)
    quota.settle_reservation(second, 4)
    quota.release_reservation(third)
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.closed_usage, usage.current_usage) == (30, 15), "a closed period gives nothing back"
    stats = quota.stats()
    assert (stats.late_count, stats.closed_refund_count) == (1, 1)


def test_every_lease_can_be_held_and_the_next_is_refused(small: QuotaManager) -> None:
    quota_id = small.allocate_quota(0, limit=100)
    handles = [small.reserve_quota(quota_id, ttl_ns=S).handle for _ in range(8)]
    assert len(set(handles)) == 8
    before = small.stats()
    with pytest.raises(FullError):
        small.reserve_quota(quota_id, ttl_ns=S)
    assert small.stats().error_count == before.error_count + 1
    small.tick(S)
    assert small.stats().reservation_count == 0 and small.get_quota_status(quota_id).usage.reserved == 0
    assert small.reserve_quota(quota_id, ttl_ns=S).handle not in handles, "a handle is never given twice"


# -- several dimensions, several quotas -----------------------------------------------------------
def test_all_dimensions_are_consumed_together_or_not_at_all(quota: QuotaManager) -> None:
    ids = {kind: quota.allocate_quota(0, limit=10, quota_type=kind, window_size_sec=60,
                                      **({"custom": "events"} if kind is CUSTOM else {}))
           for kind in QuotaType}
    fits = {REQUESTS: 1, BYTES: 10, COMPUTE: 3, CUSTOM: 2}
    assert quota.consume_quota(None, fits, tenant_id=0).count == 4
    assert {kind: used(quota, quota_id) for kind, quota_id in ids.items()} == fits
    outcome = quota.consume_quota(None, {REQUESTS: 1, BYTES: 1, COMPUTE: 1}, tenant_id=0)
    assert (outcome.granted, outcome.by) == (False, ids[BYTES])
    assert {kind: used(quota, quota_id) for kind, quota_id in ids.items()} == fits


def test_the_most_restrictive_of_org_team_and_user_binds_and_is_named(quota: QuotaManager) -> None:
    org = quota.allocate_quota(0, limit=100, window_size_sec=3_600)
    team = quota.allocate_quota(None, limit=20, window_size_sec=600, plan_id=1)
    user = quota.allocate_quota(None, limit=5, window_size_sec=60, per_user=True)
    asked = {"tenant_id": 0, "plan_id": 1}
    for name in ("ada", "bob", "cyd", "dan"):
        assert quota.consume_quota(None, {REQUESTS: 5}, user=name, **asked).granted
        outcome = quota.consume_quota(None, user=name, **asked)
        assert not outcome.granted
    assert outcome.by == team and outcome.retry_after_ns == 600 * S, "the longest wait binds"
    assert quota.check_quota(None, tenant_id=0, user="ada").by == user, "without the plan only the user's"
    assert [used(quota, org), used(quota, team, tenant_id=0)] == [20, 20]
    assert [used(quota, user, tenant_id=0, user=name) for name in ("ada", "dan", "eve")] == [5, 5, 0]
    assert not quota.consume_quota(None, {REQUESTS: 101}, **asked).granted
    assert quota.consume_quota(None, {REQUESTS: 101}, **asked).by == org, "never beats any wait; the first"


def test_quotas_apply_by_tenant_plan_and_service_only(quota: QuotaManager) -> None:
    quota.allocate_quota(0, limit=1)
    quota.allocate_quota(0, limit=1, service_id=3)
    quota.allocate_quota(None, limit=1, plan_id=2)
    assert quota.check_quota(None, tenant_id=0).count == 1
    assert quota.check_quota(None, tenant_id=0, service_id=3).count == 2
    assert quota.check_quota(None, tenant_id=1, plan_id=2, service_id=3).count == 1
    assert quota.check_quota(None, tenant_id=1).reason == NO_LIMIT
    assert quota.check_quota(None).count == 0, "nobody has no tenant quota"


def test_each_tenant_and_user_has_an_instance_of_its_own(quota: QuotaManager) -> None:
    shared = quota.allocate_quota(None, limit=2, per_user=True)
    for tenant in (0, 1):
        for user in ("", "ada", b"\x00", "x" * 300):
            assert quota.consume_quota(shared, 2, tenant_id=tenant, user=user).granted
            assert not quota.consume_quota(shared, tenant_id=tenant, user=user).granted
    assert quota.stats().active_count == 8, "the nameless user has one budget too, never none"
    with pytest.raises(ArgumentError):
        quota.consume_quota(shared)


def test_more_quotas_than_fit_never_meet_in_one_request(quota: QuotaManager) -> None:
    most = quota.lib.RAY_REQUEST_QUOTA_MAX
    for n in range(most):
        quota.allocate_quota(0, limit=n)
    before = quota.snapshot()
    for tenant, terms in [(0, {}), (None, {}), (None, {"plan_id": 3}), (0, {"service_id": 200})]:
        with pytest.raises(FullError):
            quota.allocate_quota(tenant, limit=1, **terms)
    assert quota.snapshot() == before
    quota.allocate_quota(1, limit=1)
    other = QuotaManager()
    for n in range(40):
        other.allocate_quota(0, limit=n, service_id=n)
    for plan in range(16):
        other.allocate_quota(None, limit=1, plan_id=plan)
    for _ in range(most - 2):
        other.allocate_quota(None, limit=1)
    with pytest.raises(FullError):
        other.allocate_quota(None, limit=1)  # one of the service, one of the plan, the rest of all
    with pytest.raises(FullError):
        other.allocate_quota(0, limit=1, service_id=39)
    assert other.check_quota(None, tenant_id=0, plan_id=1, service_id=5).count == most


# -- shadow and off -------------------------------------------------------------------------------
def test_a_shadow_quota_reports_and_never_decides(quota: QuotaManager) -> None:
    shadow = quota.allocate_quota(0, limit=2, mode=QuotaMode.SHADOW)
    real = quota.allocate_quota(0, limit=4)
    seen = [quota.consume_quota(None, tenant_id=0) for _ in range(5)]
    assert [outcome.granted for outcome in seen] == [True] * 4 + [False]
    assert [outcome.shadow_denied_count for outcome in seen] == [0, 0, 1, 1, 1]
    assert (used(quota, shadow), used(quota, real)) == (2, 4), "it books when it says yes"
    assert seen[-1].by == real
    quota.set_mode(real, QuotaMode.OFF)
    assert quota.consume_quota(None, tenant_id=0).granted and used(quota, real) == 4


# -- thresholds -----------------------------------------------------------------------------------
def test_thresholds_fire_once_per_period_ascending_and_several_at_once(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(3, limit=200, window_size_sec=60)
    fired: Callable[[], list[int]] = lambda: [a.percent for a in quota.get_quota_alerts(quota_id)]  # noqa: E731
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
    quota.consume_quota(quota_id, 0)
    assert fired()[7:] == [], "nothing was used since"
    quota.set_enforcement_mode(quota_id, EnforcementMode.SOFT)
    quota.consume_quota(quota_id, 1)
    assert fired()[7:] == [80, 95, 100], "and a changed limit"
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
    quota_id = quota.allocate_quota(0, limit=10, window_size_sec=60, alerts=(),
                                    enforcement_mode=EnforcementMode.SOFT)
    for units in (10, 1, 1, 50):
        quota.consume_quota(quota_id, units)
    over = quota.get_quota_alerts(overage=True)
    assert [(alert.percent, alert.used) for alert in over] == [(0, 11)]
    assert quota.get_quota_alerts() == ()


# -- limits that change ---------------------------------------------------------------------------
def test_a_limit_below_the_usage_denies_until_the_reset_and_edits_nothing(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=100, window_size_sec=60)
    quota.consume_quota(quota_id, 80)
    quota.update_limit(quota_id, 50)
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.available, usage.overage) == (80, 0, 30)
    assert quota.get_quota_utilization(quota_id) == 16_000
    assert quota.consume_quota(quota_id).retry_after_ns == 60 * S
    assert quota.consume_quota(quota_id, 50, now_ns=60 * S).granted
    with pytest.raises(RangeError):
        quota.update_limit(quota_id, (1 << 63) + 1)


def test_a_raised_limit_leaves_exactly_the_difference(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=10, window_size_sec=60)
    quota.consume_quota(quota_id, 10)
    quota.update_limit(quota_id, 15)
    assert [quota.consume_quota(quota_id, units).granted for units in (6, 5, 1)] == [False, True, False]


# -- peaks, utilization, depletion ----------------------------------------------------------------
def test_the_peak_of_all_time_outlives_periods_and_resets(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=100, window_size_sec=60)
    for now, units in [(0, 70), (60, 20), (120, 30)]:
        quota.consume_quota(quota_id, units, now_ns=now * S)
    assert quota.get_peak_usage(quota_id) == 70
    assert quota.get_quota_status(quota_id).usage.peak_usage == 30
    quota.reset_quota(quota_id)
    assert quota.get_peak_usage(quota_id) == 70


@pytest.mark.parametrize(("limit", "units", "bp"), [
    (100, 300, 30_000), (3, 1, 3_333), (3, 2, 6_666), (7, 0, 0), (0, 0, 0), (0, 1, NEVER),
    (1 << 63, (1 << 63) - 1, 9_999), (1, (1 << 63) - 1, NEVER)])
def test_utilization_is_floored_and_not_clamped(quota: QuotaManager, limit: int, units: int, bp: int) -> None:
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


# -- exactly once ---------------------------------------------------------------------------------
def test_an_event_id_is_counted_once_and_answers_the_first_outcome_again(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=10)
    first = quota.consume_quota(quota_id, 4, event_id=77)
    for n in range(1_000):
        again = quota.consume_quota(quota_id, 4, event_id=77, now_ns=n * S)
        assert again.duplicate and (again.granted, again.left) == (first.granted, first.left)
    assert not first.duplicate and quota.stats().duplicate_count == 1_000
    assert used(quota, quota_id) == 4
    assert quota.consume_quota(quota_id, 4, event_id=78).left == 6
    denied = quota.consume_quota(quota_id, 4, event_id=79)
    quota.update_limit(quota_id, 100)
    again = quota.consume_quota(quota_id, 4, event_id=79)
    assert again == dataclasses.replace(denied, duplicate=True), "even when it would fit by now"


def test_event_ids_are_remembered_as_far_as_the_ring_goes_and_by_tenant(small: QuotaManager) -> None:
    quota_id = small.allocate_quota(None, limit=1_000)
    for event in range(1, 10):
        assert not small.consume_quota(quota_id, tenant_id=0, event_id=event).duplicate
    assert not small.consume_quota(quota_id, tenant_id=1, event_id=9).duplicate, "another tenant's"
    assert small.consume_quota(quota_id, tenant_id=0, event_id=9).duplicate
    assert small.consume_quota(quota_id, tenant_id=0, event_id=3).duplicate
    assert not small.consume_quota(quota_id, tenant_id=0, event_id=2).duplicate, "the ring holds 8"
    assert not small.consume_quota(quota_id, tenant_id=0).duplicate and small.valid() == 0


def test_a_late_event_is_charged_to_the_open_period_and_flagged(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=10, window_size_sec=60)
    quota.consume_quota(quota_id, 5, now_ns=30 * S)
    late = quota.consume_quota(quota_id, 3, now_ns=70 * S, event_unix_ns=59 * S)
    on_time = quota.consume_quota(quota_id, 3, now_ns=70 * S, event_unix_ns=60 * S)
    assert (late.late, on_time.late) == (True, False)
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.closed_usage) == (6, 5), "the closed period stays as it closed"
    assert quota.stats().late_count == 1


# -- guards ---------------------------------------------------------------------------------------
def test_guards_look_at_the_last_full_second_and_consume_nothing(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=1_000, guards={QuotaDimension.REQUESTS_PER_SEC: 3})
    seen = [quota.consume_quota(quota_id, now_ns=n * S // 4).granted for n in range(4)]
    assert all(seen), "the running second is not full yet"
    guarded = quota.consume_quota(quota_id, now_ns=S)
    assert (guarded.granted, guarded.reason, guarded.retry_after_ns) == (False, GUARD, S)
    assert not quota.check_quota(quota_id, now_ns=2 * S - 1).granted
    assert quota.check_quota(quota_id, now_ns=2 * S).granted
    assert used(quota, quota_id) == 4


def test_a_byte_guard_counts_what_was_settled_whatever_the_quota_counts(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=100, guards={QuotaDimension.BYTES_PER_SEC: 1_000})
    lease = quota.reserve_quota(quota_id, 1, ttl_ns=10 * S)
    quota.settle_reservation(lease.handle, {REQUESTS: 1, BYTES: 1_000}, now_ns=S // 2)
    assert quota.check_quota(quota_id, now_ns=S - 1).granted
    assert quota.check_quota(quota_id, now_ns=S).reason == GUARD
    assert quota.check_quota(quota_id, now_ns=2 * S).granted


@pytest.mark.parametrize("guard", [QuotaDimension.ERRORS_PER_MIN, QuotaDimension.LATENCY_P99])
def test_guards_on_monitoring_are_refused_until_it_exists(quota: QuotaManager, guard: QuotaDimension) -> None:
    before = quota.snapshot()
    with pytest.raises(UnbuiltError):
        quota.allocate_quota(0, limit=1, guards={guard: 5})
    assert quota.snapshot() == before


# -- costs of L1 ----------------------------------------------------------------------------------
def test_impossible_costs_are_refused_and_nothing_is_a_peek(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=1 << 63, window_size_sec=60)
    quota.consume_quota(quota_id, 5)
    for cost in (-1, 1 << 63, (1 << 64) - 1, 1 << 64):
        before = quota.get_quota_status(quota_id)
        for call in (quota.consume_quota, quota.check_quota):
            with pytest.raises(RangeError):
                call(quota_id, cost)
        assert quota.get_quota_status(quota_id) == before
    assert quota.stats().error_count == 2, "what reached the core is counted"
    assert quota.consume_quota(quota_id, 0).granted and used(quota, quota_id) == 5
    assert quota.consume_quota(quota_id, 1 << 31).granted
    with pytest.raises(ArgumentError):
        quota.consume_quota(quota_id, 1.5)  # type: ignore[arg-type]


# -- tables that fill -----------------------------------------------------------------------------
def test_a_full_table_denies_and_counts_and_evicts_only_what_holds_nothing(small: QuotaManager) -> None:
    quota_id = small.allocate_quota(None, limit=5, window_size_sec=60, per_user=True)
    for n in range(8):
        assert small.consume_quota(quota_id, tenant_id=0, user=f"u{n}").granted
    book = [usage for _, usage in small.active_quotas()]
    denied = small.consume_quota(quota_id, tenant_id=0, user="u8")
    assert (denied.granted, denied.reason, denied.retry_after_ns) == (False, TABLE_FULL, 60 * S)
    assert [usage for _, usage in small.active_quotas()] == book
    assert small.stats().table_full_count == 1
    assert small.consume_quota(quota_id, tenant_id=0, user="u3").granted, "who is in stays in"
    assert small.consume_quota(quota_id, tenant_id=0, user="u8", now_ns=60 * S).granted
    stats = small.stats()
    assert (stats.evicted_count, stats.active_count) == (1, 8) and small.valid() == 0


def test_an_attacker_with_many_names_never_pushes_out_a_victim(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(None, limit=2, window_size_sec=3_600, per_user=True)
    assert quota.consume_quota(quota_id, 2, tenant_id=0, user="victim").granted
    outcomes = [quota.consume_quota(quota_id, tenant_id=0, user=f"bot{n}").granted for n in range(3_000)]
    assert sum(outcomes) == 511 and not any(outcomes[511:])
    assert not quota.consume_quota(quota_id, tenant_id=0, user="victim").granted
    stats = quota.stats()
    assert (stats.table_full_count, stats.evicted_count, stats.active_count) == (2_489, 0, 512)
    assert quota.valid() == 0


def test_a_released_reservation_makes_its_place_free_again(small: QuotaManager) -> None:
    quota_id = small.allocate_quota(None, limit=5, per_user=True)
    leases = [small.reserve_quota(quota_id, tenant_id=0, user=f"u{n}", ttl_ns=S) for n in range(8)]
    assert small.consume_quota(quota_id, tenant_id=0, user="late").reason == TABLE_FULL
    small.release_reservation(leases[5].handle)
    assert small.consume_quota(quota_id, tenant_id=0, user="late").granted
    assert small.stats().evicted_count == 1 and small.valid() == 0


# -- names, handles -------------------------------------------------------------------------------
def test_removed_ids_are_stale_for_ever_and_names_free_again(quota: QuotaManager) -> None:
    first = quota.allocate_quota(0, limit=5, name="x")
    with pytest.raises(ExistsError):
        quota.allocate_quota(1, limit=5, name="x")
    lease = quota.reserve_quota(first, 5, ttl_ns=S)
    quota.remove_quota(first)
    second = quota.allocate_quota(0, limit=7, name="x")
    assert second != first and used(quota, second) == 0, "added again, it begins anew"
    for call in (quota.remove_quota, quota.get_allocation, quota.get_quota_status, quota.consume_quota):
        with pytest.raises(StaleError):
            call(first)
    assert quota.settle_reservation(lease.handle, 5) and used(quota, second) == 0
    assert quota.stats().stale_hold_count == 1 and quota.valid() == 0
    with pytest.raises(UnknownError):
        quota.find_quota("y")


@pytest.mark.parametrize(("error", "terms"), [
    (ArgumentError, {"name": ""}), (ArgumentError, {"name": "a" * 48}), (ArgumentError, {"name": "a b"}),
    (RangeError, {"limit": (1 << 63) + 1}), (RangeError, {"limit": -1}),
    (RangeError, {"window_size_sec": 0, "reset_policy": ResetPolicy.FIXED}),
    (RangeError, {"period_ns": 11, "reset_policy": ResetPolicy.ROLLING}),
    (RangeError, {"period_ns": (1 << 61) + 1}), (ArgumentError, {"period_ns": 5, "reset_policy": ResetPolicy.DAY}),
    (RangeError, {"reset_policy": ResetPolicy.DAY, "anchor_ns": 86_400 * S}),
    (RangeError, {"reset_policy": ResetPolicy.DAY, "anchor_ns": -1}),
    (ArgumentError, {"anchor_ns": 1}), (RangeError, {"reset_policy": ResetPolicy.WEEK, "anchor_day": 8}),
    (RangeError, {"reset_policy": ResetPolicy.MONTH, "anchor_day": 0}),
    (RangeError, {"reset_policy": ResetPolicy.MONTH, "anchor_day": 32}), (ArgumentError, {"anchor_day": 1}),
    (RangeError, {"utc_offset_minutes": 1_440}), (RangeError, {"utc_offset_minutes": -1_440}),
    (RangeError, {"window_size_sec": 60, "rollover_bp": 1_001}), (ArgumentError, {"rollover_bp": 1}),
    (ArgumentError, {"window_size_sec": 60, "reset_policy": ResetPolicy.ROLLING, "rollover_bp": 1}),
    (ArgumentError, {"carry_overage": True}), (ArgumentError, {"quota_type": CUSTOM}),
    (ArgumentError, {"custom": "events"}), (ArgumentError, {"alerts": (95, 80)}),
    (ArgumentError, {"alerts": (80, 80)}), (ArgumentError, {"alerts": (1, 2, 3, 4, 5)}),
    (RangeError, {"alerts": (0,)}), (RangeError, {"alerts": (256,)}), (ArgumentError, {"service_id": 256}),
    (ArgumentError, {"plan_id": 16}), (RangeError, {"rollover_bp": 1 << 32}),
])
def test_what_no_rule_allows_is_refused_and_changes_nothing(
    quota: QuotaManager, error: type[Exception], terms: dict[str, object]
) -> None:
    before = quota.snapshot()
    with pytest.raises(error):
        quota.allocate_quota(0, **{"limit": 1, **terms})  # type: ignore[arg-type]
    assert quota.snapshot() == before


def test_a_tenant_past_the_table_is_refused(quota: QuotaManager) -> None:
    with pytest.raises(ArgumentError):
        quota.allocate_quota(256, limit=1)
    with pytest.raises(UnknownError):
        quota.check_quota(None, tenant_id=256)


# -- exports --------------------------------------------------------------------------------------
def test_exports_are_sorted_have_fixed_columns_and_the_same_bytes(quota: QuotaManager) -> None:
    bucket = quota.allocate_quota(None, limit=10, window_size_sec=60, name="each", per_user=True)
    quota.allocate_quota(5, limit=7, quota_type=BYTES, name="idle")
    for tenant, user in [(2, "b"), (0, "z"), (2, "a"), (0, "y"), (1, "")]:
        quota.consume_quota(bucket, 3, tenant_id=tenant, user=user)
    text = quota.export_usage("csv")
    rows = [line.split(",") for line in text.splitlines()]
    assert rows[0][:5] == ["id", "name", "tenant", "user_key", "type"] and len(set(map(len, rows))) == 1
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


# -- time -----------------------------------------------------------------------------------------
def test_time_never_runs_backwards(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=5, window_size_sec=60, now_ns=120 * S)
    quota.consume_quota(quota_id, 5)
    assert not quota.consume_quota(quota_id, now_ns=0).granted
    assert quota.get_quota_status(quota_id, now_ns=10).usage.window_start_time == 120 * S


def test_the_end_of_time_is_harmless(quota: QuotaManager) -> None:
    for policy in ResetPolicy:
        sized = policy in (ResetPolicy.FIXED, ResetPolicy.ROLLING)
        quota.allocate_quota(0, limit=5, reset_policy=policy, window_size_sec=60 if sized else 0)
    for now in (0, 1, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
        assert quota.consume_quota(None, 0, tenant_id=0, now_ns=now).granted
        assert quota.valid() == 0
    assert quota.consume_quota(None, 5, tenant_id=0).granted
    assert not quota.consume_quota(None, 1, tenant_id=0).granted
    with pytest.raises(RangeError):
        quota.reserve_quota(None, 1, tenant_id=0, ttl_ns=1)


def test_two_seeds_differ_in_keys_only() -> None:
    answers = []
    for seed in (bytes(16), bytes(range(16))):
        quota = QuotaManager(seed=seed)
        each = quota.allocate_quota(None, limit=3, per_user=True)
        answers.append([quota.consume_quota(each, 2, tenant_id=0, user=u) for u in "abcab"])
    assert answers[0] == answers[1]


def test_a_seed_has_16_bytes() -> None:
    with pytest.raises(ArgumentError):
        QuotaManager(seed=b"short")
