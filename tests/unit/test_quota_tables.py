# SPDX-License-Identifier: MIT
"""quota: names, handles, full tables and the end of time."""

from __future__ import annotations

import pytest

from host_sim.errors import ArgumentError, ExistsError, RangeError, StaleError, UnknownError
from host_sim.modules.quota import QuotaManager, QuotaType, ResetPolicy

S = 1_000_000_000
CUSTOM = QuotaType.CUSTOM_METRIC
TABLE_FULL = 303


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


# -- tables that fill -----------------------------------------------------------------------------
def test_a_full_table_denies_and_counts_and_evicts_only_what_holds_nothing(
    small: QuotaManager,
) -> None:
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
    outcomes = [
        quota.consume_quota(quota_id, tenant_id=0, user=f"bot{n}").granted for n in range(3_000)
    ]
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
    for call in (
        quota.remove_quota,
        quota.get_allocation,
        quota.get_quota_status,
        quota.consume_quota,
    ):
        with pytest.raises(StaleError):
            call(first)
    assert quota.settle_reservation(lease.handle, 5) and used(quota, second) == 0
    assert quota.stats().stale_hold_count == 1 and quota.valid() == 0
    with pytest.raises(UnknownError):
        quota.find_quota("y")


@pytest.mark.parametrize(
    ("error", "terms"),
    [
        (ArgumentError, {"name": ""}),
        (ArgumentError, {"name": "a" * 48}),
        (ArgumentError, {"name": "a b"}),
        (RangeError, {"limit": (1 << 63) + 1}),
        (RangeError, {"limit": -1}),
        (RangeError, {"window_size_sec": 0, "reset_policy": ResetPolicy.FIXED}),
        (RangeError, {"period_ns": 11, "reset_policy": ResetPolicy.ROLLING}),
        (RangeError, {"period_ns": (1 << 61) + 1}),
        (ArgumentError, {"period_ns": 5, "reset_policy": ResetPolicy.DAY}),
        (RangeError, {"reset_policy": ResetPolicy.DAY, "anchor_ns": 86_400 * S}),
        (RangeError, {"reset_policy": ResetPolicy.DAY, "anchor_ns": -1}),
        (ArgumentError, {"anchor_ns": 1}),
        (RangeError, {"reset_policy": ResetPolicy.WEEK, "anchor_day": 8}),
        (RangeError, {"reset_policy": ResetPolicy.MONTH, "anchor_day": 0}),
        (RangeError, {"reset_policy": ResetPolicy.MONTH, "anchor_day": 32}),
        (ArgumentError, {"anchor_day": 1}),
        (RangeError, {"utc_offset_minutes": 1_440}),
        (RangeError, {"utc_offset_minutes": -1_440}),
        (RangeError, {"window_size_sec": 60, "rollover_bp": 1_001}),
        (ArgumentError, {"rollover_bp": 1}),
        (
            ArgumentError,
            {"window_size_sec": 60, "reset_policy": ResetPolicy.ROLLING, "rollover_bp": 1},
        ),
        (ArgumentError, {"carry_overage": True}),
        (ArgumentError, {"quota_type": CUSTOM}),
        (ArgumentError, {"custom": "events"}),
        (ArgumentError, {"alerts": (95, 80)}),
        (ArgumentError, {"alerts": (80, 80)}),
        (ArgumentError, {"alerts": (1, 2, 3, 4, 5)}),
        (RangeError, {"alerts": (0,)}),
        (RangeError, {"alerts": (256,)}),
        (ArgumentError, {"service_id": 256}),
        (ArgumentError, {"plan_id": 16}),
        (RangeError, {"rollover_bp": 1 << 32}),
    ],
)
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


def test_the_peak_of_an_evicted_instance_stays_with_its_allocation(small: QuotaManager) -> None:
    quota_id = small.allocate_quota(None, limit=50, window_size_sec=60, per_user=True)
    for n in range(8):
        small.consume_quota(quota_id, 10 + n, tenant_id=0, user=f"u{n}")
    for n in range(8):
        assert small.consume_quota(quota_id, tenant_id=0, user=f"v{n}", now_ns=60 * S).granted
    counts = small.quota_counts(quota_id)
    assert (counts.peak_evicted_units, counts.active_count) == (17, 8)
    assert (counts.asked_count, counts.granted_count, counts.denied_count) == (16, 16, 0)


def test_places_are_walked_to_the_last_and_no_further(small: QuotaManager) -> None:
    lib, out = small.lib, small.ffi.new("uint32_t *")
    usage = small.ffi.new("ray_quota_usage *")
    ids = [small.allocate_quota(0, limit=1) for _ in range(4)]
    assert [lib.ray_quota_at(small._state, place, out) or out[0] for place in range(4)] == ids
    small.remove_quota(ids[3])
    assert [lib.ray_quota_at(small._state, place, out) for place in (3, 4, 5)] == [-2, -7, -7]
    small.consume_quota(None, tenant_id=0)
    read = [lib.ray_quota_active_read(small._state, 0, 0, place, usage) for place in range(10)]
    assert read == [0] * 3 + [-2] * 5 + [-7] * 2


def test_a_whole_table_of_yesterday_makes_room_for_a_whole_table_of_today(
    quota: QuotaManager,
) -> None:
    quota_id = quota.allocate_quota(None, limit=2, window_size_sec=60, per_user=True)
    for n in range(512):
        assert quota.consume_quota(quota_id, tenant_id=0, user=f"old{n}").granted
    for n in range(512):
        assert quota.consume_quota(quota_id, tenant_id=0, user=f"new{n}", now_ns=60 * S).granted
    assert not quota.consume_quota(quota_id, tenant_id=0, user="one more").granted
    stats = quota.stats()
    assert (stats.evicted_count, stats.active_count, stats.table_full_count) == (512, 512, 1)
    assert quota.valid() == 0
