# SPDX-License-Identifier: MIT
"""quota: reservations, remembered events and guards: what happens between asking and using."""

from __future__ import annotations

import dataclasses

import pytest

from host_sim.errors import ArgumentError, FullError, RangeError, UnknownError
from host_sim.modules.quota import QuotaDimension, QuotaManager, QuotaType

S = 1_000_000_000
REQUESTS, BYTES = QuotaType.REQUEST_COUNT, QuotaType.BYTES_TRANSFERRED
GUARD = 302


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


# -- reserve and settle ---------------------------------------------------------------------------
def test_a_reservation_counts_until_it_is_settled_with_what_was_really_used(
    quota: QuotaManager,
) -> None:
    quota_id = quota.allocate_quota(0, limit=100, quota_type=BYTES)
    lease = quota.reserve_quota(quota_id, 60, ttl_ns=10 * S)
    assert lease.granted and lease.handle != 0
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.reserved, usage.available) == (0, 60, 40)
    denied = quota.reserve_quota(quota_id, 41, ttl_ns=10 * S)
    assert (denied.granted, denied.handle) == (False, 0)
    assert quota.settle_reservation(lease.handle, 150, quota_type=BYTES), (
        "may overrun, never denies"
    )
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.reserved, usage.available) == (150, 0, 0)
    after = quota.snapshot()
    assert not quota.settle_reservation(lease.handle, 5, quota_type=BYTES), (
        "settling twice is nothing"
    )
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
    first, second, third = (
        quota.reserve_quota(quota_id, 10, ttl_ns=600 * S).handle for _ in range(3)
    )
    assert quota.settle_reservation(first, 25, now_ns=61 * S), "10 closed as used, 15 are late"
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.closed_usage, usage.current_usage, usage.reserved) == (30, 15, 0)
    quota.settle_reservation(second, 4)
    quota.release_reservation(third)
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.closed_usage, usage.current_usage) == (30, 15), (
        "a closed period gives nothing back"
    )
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
    assert (
        small.stats().reservation_count == 0
        and small.get_quota_status(quota_id).usage.reserved == 0
    )
    assert small.reserve_quota(quota_id, ttl_ns=S).handle not in handles, (
        "a handle is never given twice"
    )


# -- exactly once ---------------------------------------------------------------------------------
def test_an_event_id_is_counted_once_and_answers_the_first_outcome_again(
    quota: QuotaManager,
) -> None:
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


def test_event_ids_are_remembered_as_far_as_the_ring_goes_and_by_tenant(
    small: QuotaManager,
) -> None:
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
    assert (usage.current_usage, usage.closed_usage) == (6, 5), (
        "the closed period stays as it closed"
    )
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


def test_a_byte_guard_counts_what_was_settled_whatever_the_quota_counts(
    quota: QuotaManager,
) -> None:
    quota_id = quota.allocate_quota(0, limit=100, guards={QuotaDimension.BYTES_PER_SEC: 1_000})
    lease = quota.reserve_quota(quota_id, 1, ttl_ns=10 * S)
    quota.settle_reservation(lease.handle, {REQUESTS: 1, BYTES: 1_000}, now_ns=S // 2)
    assert quota.check_quota(quota_id, now_ns=S - 1).granted
    assert quota.check_quota(quota_id, now_ns=S).reason == GUARD
    assert quota.check_quota(quota_id, now_ns=2 * S).granted


@pytest.mark.parametrize(
    ("guard", "named"),
    [(QuotaDimension.ERRORS_PER_MIN, "errors_per_minute"),
     (QuotaDimension.LATENCY_P99, "latency_p99_ns")],
)  # fmt: skip
def test_guards_on_monitoring_are_checked_and_never_consumed(
    quota: QuotaManager, guard: QuotaDimension, named: str
) -> None:
    quota_id = quota.allocate_quota(0, limit=10, guards={guard: 100})
    assert quota.get_allocation(quota_id).guards == {guard: 100}
    assert quota.consume_quota(quota_id, now_ns=0).granted, "0 is none, or not known"
    quota.observe(**{named: 99})
    assert quota.consume_quota(quota_id, now_ns=S).granted
    quota.observe(**{named: 100})
    denied = quota.consume_quota(quota_id, now_ns=45 * S)
    assert (denied.granted, denied.reason, denied.retry_after_ns) == (False, GUARD, 15 * S)
    assert used(quota, quota_id) == 2
    quota.observe()
    assert quota.consume_quota(quota_id).granted and quota.valid() == 0


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
