# SPDX-License-Identifier: MIT
"""resilience: permits, who waits for one, and time limits."""

from __future__ import annotations

import pytest

from host_sim.errors import StaleError, StateError, UnknownError
from host_sim.modules.resilience import CallState, ResilienceManager
from tests.guards import (
    CANCELLED,
    FAIL,
    HALF_OPEN,
    OK,
    TIMEOUT,
    S,
    manager_of,
    opened,
    reason,
)


# -- bulkheads ------------------------------------------------------------------------------------
def test_who_waits_goes_first_come_first_served() -> None:
    manager = ResilienceManager()
    manager.create_bulkhead(0, 1, waiting_queue=3)
    first = manager.acquire_permit(0)
    line = [manager.acquire_permit(0) for _ in range(4)]
    assert [one.waits for one in line] == [True, True, True, False] and not line[3].granted
    assert line[0].reason == reason(manager, "BULKHEAD_WAITS")
    states = [manager.get_permit(one.call or 0).state for one in line[:3]]
    assert states == [CallState.WAITING] * 3
    with pytest.raises(StateError):
        manager.release_permit(line[0])
    manager.release_permit(line[1], CANCELLED)
    manager.release_permit(first, now_ns=5)
    assert manager.get_permit(line[0].call or 0).state is CallState.RUNNING
    assert manager.get_permit(line[2].call or 0).state is CallState.WAITING
    late = manager.acquire_permit(0)
    assert late.waits  # nobody overtakes
    manager.release_permit(line[0])
    assert manager.get_permit(line[2].call or 0).state is CallState.RUNNING
    metrics = manager.get_guard_metrics(0)
    assert (metrics.queued_count, metrics.called_count, metrics.left_count) == (4, 2, 1)
    assert metrics.waiting_count == 1 and metrics.wait_max_ns == 5 and manager.valid() == 0


def test_a_wait_ends_at_its_deadline() -> None:
    manager = ResilienceManager()
    manager.create_bulkhead(0, 1, waiting_queue=9, max_wait_ns=3 * S)
    held = manager.acquire_permit(0)
    waits = [manager.acquire_permit(0, deadline_ns=one * S) for one in (2, 0, 9)]
    assert [manager.get_permit(one.call or 0).lapses for one in waits] == [2 * S, 3 * S, 3 * S]
    with pytest.raises(StaleError):
        manager.release_permit(waits[0], CANCELLED, now_ns=2 * S)
    manager.release_permit(held, now_ns=2 * S)
    assert manager.get_permit(waits[1].call or 0).state is CallState.RUNNING
    manager.acquire_permit(1, now_ns=3 * S)
    with pytest.raises(StaleError):
        manager.get_permit(waits[2].call or 0)
    assert manager.get_guard_metrics(0).left_count == 2 and manager.valid() == 0


def test_a_permit_that_nobody_gives_back_comes_back_by_itself() -> None:
    manager = ResilienceManager()
    manager.create_bulkhead(0, 2)
    lost = [manager.acquire_permit(0, timeout_ns=5 * S) for _ in range(2)]
    assert not manager.acquire_permit(0, now_ns=5 * S - 1).granted
    assert manager.acquire_permit(0, now_ns=5 * S).granted
    assert manager.get_guard_metrics(0).ended[TIMEOUT] == 2
    for one in lost:  # its owner is late, and is told so
        with pytest.raises(StaleError):
            manager.release_permit(one)
    assert manager.get_bulkhead(0).in_use == 1 and manager.valid() == 0


def test_r4_a_second_release_is_refused_and_never_counts_below_zero() -> None:
    manager = ResilienceManager()
    manager.create_bulkhead(0, 3)
    permit = manager.acquire_permit(0)
    manager.release_permit(permit)
    before = manager.snapshot()
    for _ in range(3):
        with pytest.raises(StaleError):
            manager.release_permit(permit)
    with pytest.raises(UnknownError):
        manager.release_permit(77)
    assert manager.snapshot() == before and manager.get_bulkhead(0).in_use == 0
    other = manager.acquire_permit(0)  # the same place, another owner
    with pytest.raises(StaleError):
        manager.release_permit(permit)
    assert manager.get_permit(other.call or 0).state is CallState.RUNNING


def test_permits_out_stay_out_when_their_number_is_lowered() -> None:
    manager = ResilienceManager()
    manager.create_bulkhead(0, 4, waiting_queue=2)
    permits = [manager.acquire_permit(0) for _ in range(4)]
    assert manager.update_bulkhead(0, max_concurrent=2).in_use == 4
    assert manager.get_guard_metrics(0).in_use_bound == 4
    for one in permits[:2]:
        manager.release_permit(one)
        assert manager.valid() == 0
    assert manager.get_guard_metrics(0).in_use_bound == 2
    waits = manager.acquire_permit(0)
    assert waits.waits
    assert manager.update_bulkhead(0, max_concurrent=3).waiting == 0  # it went at once
    assert manager.get_permit(waits.call or 0).state is CallState.RUNNING


def test_r2_permits_return_to_zero_whatever_becomes_of_their_owners() -> None:
    manager = ResilienceManager(profile="tiny")
    manager.create_bulkhead(0, 3, waiting_queue=2, max_wait_ns=7)
    now, ends = 0, [OK, FAIL, CANCELLED, None, TIMEOUT]
    for turn in range(100_000 // 5):
        held = [manager.acquire_permit(0, timeout_ns=5, now_ns=now) for _ in range(5)]
        for place, one in enumerate(held):
            how = ends[(turn + place) % 5]
            if how is None or one.call is None:
                continue
            how = CANCELLED if manager.get_permit(one.call).state is CallState.WAITING else how
            manager.release_permit(one, how, now_ns=now)
        now += 10
    manager.acquire_permit(1, now_ns=now)
    assert manager.get_bulkhead(0).in_use == 0 == manager.get_bulkhead(0).waiting
    metrics = manager.get_guard_metrics(0)
    assert metrics.acquired_count == metrics.released_count == metrics.call_count
    assert metrics.call_count >= 60_000 and manager.valid() == 0


def test_r3_nine_callers_of_a_half_open_breaker() -> None:
    manager = opened(probes=2, success_threshold=2)
    nine = [manager.acquire_permit(0, now_ns=10 * S) for _ in range(9)]
    assert sum(one.granted for one in nine) == 2
    manager.release_permit(nine[0], CANCELLED, now_ns=10 * S + 1)  # neither good nor bad
    assert manager.get_breaker(0).probing == 1 and manager.get_breaker(0).state is HALF_OPEN
    assert manager.acquire_permit(0, now_ns=10 * S + 2).granted
    assert not manager.acquire_permit(0, now_ns=10 * S + 3).granted


# -- time limits ----------------------------------------------------------------------------------
def test_an_attempt_gets_the_least_of_what_limits_it() -> None:
    manager = manager_of(timeout_duration=4 * S)
    rows = [  # route, deadline, at: left
        (0, 0, 0, 4 * S), (3 * S, 0, 0, 3 * S), (5 * S, 0, 0, 4 * S), (3 * S, 2 * S, 0, 2 * S),
        (0, 9 * S, 6 * S, 3 * S), (0, 9 * S, 9 * S - 1, 1), (0, 9 * S, 9 * S, 0),
    ]  # fmt: skip
    before = manager.snapshot()
    for timeout, deadline, now, left in rows:
        got = manager.enforce_timeout(0, timeout_ns=timeout, deadline_ns=deadline, now_ns=now)
        assert got == left
    assert manager.enforce_timeout(1) is None and manager.snapshot() == before
    gone = manager.acquire_permit(0, deadline_ns=S, now_ns=S)
    assert gone.reason == reason(manager, "DEADLINE") and gone.http_status == 504
    with pytest.raises(UnknownError):
        manager.enforce_timeout(256)


def test_guards_are_asked_in_their_order() -> None:
    manager = opened()
    manager.create_bulkhead(0, 1)
    manager.attempt_reset(0)
    assert manager.acquire_permit(0).probe
    rows = [(1, "DEADLINE"), (9 * S, "BULKHEAD_FULL")]
    for deadline, word in rows:
        got = manager.acquire_permit(0, deadline_ns=deadline, now_ns=1)
        assert got.reason == reason(manager, word)
    manager.update_bulkhead(0, max_concurrent=2)
    assert manager.acquire_permit(0).reason == reason(manager, "BREAKER_PROBING")
    assert manager.get_bulkhead(0).in_use == 1  # refused by the breaker, it holds no permit
