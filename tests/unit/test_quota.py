# SPDX-License-Identifier: MIT
"""quota: a tenant never uses more than its limit inside one period, and all of it is known."""

from __future__ import annotations

import pytest

from host_sim.errors import ArgumentError, FullError, RangeError, UnknownError
from host_sim.modules.quota import (
    NEVER,
    EnforcementMode,
    QuotaManager,
    QuotaMode,
    QuotaType,
    ResetPolicy,
)

S = 1_000_000_000
REQUESTS, BYTES, COMPUTE, CUSTOM, COST = QuotaType
OK, NO_LIMIT, EXCEEDED, TOO_MUCH = 1, 2, 300, 301


@pytest.fixture
def quota() -> QuotaManager:
    """A manager of its own in the default profile."""
    return QuotaManager()


def used(manager: QuotaManager, quota_id: int, **who: int | str | None) -> int:
    return manager.get_quota_status(quota_id, **who).usage.current_usage  # type: ignore[arg-type]


# -- the phase document's tests -------------------------------------------------------------------
def test_quota_allocation(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(
        7, limit=1_000, quota_type=BYTES, window_size_sec=60, name="acme-bytes", rollover_bp=500
    )
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
    for units, granted, left in [
        (3, True, 10),
        (5, True, 7),
        (3, False, 2),
        (2, True, 2),
        (1, False, 0),
    ]:
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
    assert (usage.current_usage, usage.carry, usage.available, usage.requests_count) == (
        0,
        0,
        10,
        0,
    )
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
def test_soft_admits_counts_and_flags_where_hard_denies_and_counts_nothing(
    quota: QuotaManager,
) -> None:
    ids = [
        quota.allocate_quota(t, limit=5, enforcement_mode=mode)
        for t, mode in enumerate(EnforcementMode)
    ]
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
@pytest.mark.parametrize(
    ("bp", "use", "carries"),
    [
        # used in each period -> carry at the start of the next, limit 1000
        (1_000, [0, 0, 0], [100, 100, 100]),  # never compounds
        (1_000, [950, 0, 0], [50, 100, 100]),  # only what was unused
        (1_000, [1_000, 1_000], [0, 0]),
        (
            1_000,
            [900, 1_050, 30],
            [100, 50, 100],
        ),  # old carry is spent first: 1050 - 100 = 950 of 1000
        (1_000, [900, 1_100, 0], [100, 0, 100]),
        (500, [0, 1_049], [50, 1]),
        (1, [0], [0]),  # a ten-thousandth of 1000 rounds down
        (0, [0, 0], [0, 0]),
    ],
)
def test_rollover_is_exactly_the_rule(
    quota: QuotaManager, bp: int, use: list[int], carries: list[int]
) -> None:
    quota_id = quota.allocate_quota(0, limit=1_000, window_size_sec=60, rollover_bp=bp)
    for period, (units, carry) in enumerate(zip(use, carries, strict=True)):
        lease = quota.reserve_quota(quota_id, 1, ttl_ns=S, now_ns=period * 60 * S)
        assert quota.release_reservation(lease.handle, now_ns=period * 60 * S), "opens the period"
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
    debtor = quota.allocate_quota(
        0, limit=100, window_size_sec=60, carry_overage=True, enforcement_mode=soft
    )
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


# -- several dimensions, several quotas -----------------------------------------------------------
def test_all_dimensions_are_consumed_together_or_not_at_all(quota: QuotaManager) -> None:
    ids = {
        kind: quota.allocate_quota(
            0,
            limit=10,
            quota_type=kind,
            window_size_sec=60,
            **({"custom": "events"} if kind is CUSTOM else {}),
        )
        for kind in QuotaType
    }
    fits = {REQUESTS: 1, BYTES: 10, COMPUTE: 3, CUSTOM: 2, COST: 4}
    assert quota.consume_quota(None, fits, tenant_id=0).count == 5
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
    assert quota.check_quota(None, tenant_id=0, user="ada").by == user, (
        "without the plan only the user's"
    )
    assert [used(quota, org), used(quota, team, tenant_id=0)] == [20, 20]
    assert [used(quota, user, tenant_id=0, user=name) for name in ("ada", "dan", "eve")] == [
        5,
        5,
        0,
    ]
    assert not quota.consume_quota(None, {REQUESTS: 101}, **asked).granted
    assert quota.consume_quota(None, {REQUESTS: 101}, **asked).by == org, (
        "never beats any wait; the first"
    )


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


# -- limits that change ---------------------------------------------------------------------------
def test_a_limit_below_the_usage_denies_until_the_reset_and_edits_nothing(
    quota: QuotaManager,
) -> None:
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
    assert [quota.consume_quota(quota_id, units).granted for units in (6, 5, 1)] == [
        False,
        True,
        False,
    ]


def test_the_largest_limit_is_two_to_the_63(quota: QuotaManager) -> None:
    quota_id = quota.allocate_quota(0, limit=1)
    quota.update_limit(quota_id, 1 << 63)
    assert quota.consume_quota(quota_id, (1 << 63) - 1).granted
    assert quota.get_quota_status(quota_id).usage.available == 1


def test_one_instance_is_reset_alone(quota: QuotaManager) -> None:
    each = quota.allocate_quota(None, limit=5, per_user=True)
    for tenant, user in [(0, "ada"), (0, "bob"), (1, "ada")]:
        quota.consume_quota(each, 3, tenant_id=tenant, user=user)
    quota.reset_quota(each, tenant_id=0, user="ada")
    left = [used(quota, each, tenant_id=t, user=u) for t, u in [(0, "ada"), (0, "bob"), (1, "ada")]]
    assert left == [0, 3, 3]
    before = quota.snapshot()
    with pytest.raises(UnknownError):
        quota.reset_quota(each, tenant_id=0, user="eve")
    assert quota.snapshot() == before
    quota.reset_quota(each)
    assert used(quota, each, tenant_id=1, user="ada") == 0
