# SPDX-License-Identifier: MIT
"""resilience: breakers that open and recover by themselves, permits that come back, retries that
somebody pays for."""

from __future__ import annotations

import pytest

from host_sim.errors import ArgumentError, StateError, UnknownError
from host_sim.modules.resilience import (
    Budget,
    Cause,
    CircuitBreakerConfig,
    FailureReason,
    Force,
    Jitter,
    Outcome,
    ResilienceManager,
    RetryPolicy,
)
from tests.guards import (
    CANCELLED,
    CLIENT,
    CLOSED,
    CONNECTION,
    FAIL,
    HALF_OPEN,
    LIMITED,
    MS,
    OK,
    OPEN,
    TIMEOUT,
    UNSENT,
    S,
    call,
    manager_of,
    opened,
    reason,
)


# -- the phase document's tests -------------------------------------------------------------------
def test_circuit_breaker_state_transitions() -> None:
    manager = manager_of(success_threshold=2)
    rows = [  # outcome, at, state behind it
        (FAIL, 0, CLOSED), (FAIL, 1 * S, CLOSED), (OK, 2 * S, CLOSED), (FAIL, 3 * S, CLOSED),
        (FAIL, 4 * S, CLOSED), (FAIL, 5 * S, OPEN), (OK, 15 * S, HALF_OPEN), (OK, 16 * S, CLOSED),
        (FAIL, 17 * S, CLOSED), (FAIL, 17 * S, CLOSED), (FAIL, 17 * S, OPEN), (FAIL, 27 * S, OPEN),
        (OK, 37 * S, HALF_OPEN),
    ]  # fmt: skip
    for outcome, at, state in rows:
        assert call(manager, outcome, at).granted
        assert manager.get_breaker(0).state is state, at
        assert manager.valid() == 0
    passed = [(one.before, one.after, one.cause) for one in manager.get_transitions(0)]
    assert passed == [
        (CLOSED, OPEN, Cause.FAILURES), (OPEN, HALF_OPEN, Cause.TIME),
        (HALF_OPEN, CLOSED, Cause.PROBES_GOOD), (CLOSED, OPEN, Cause.FAILURES),
        (OPEN, HALF_OPEN, Cause.TIME), (HALF_OPEN, OPEN, Cause.PROBE_FAILED),
        (OPEN, HALF_OPEN, Cause.TIME),
    ]  # fmt: skip
    assert [one.at for one in manager.get_transitions(0)][:2] == [5 * S, 15 * S]


def test_retry_backoff_calculation() -> None:
    manager = ResilienceManager()
    manager.set_retry(0, RetryPolicy(base=50 * MS, max_delay=S, jitter=Jitter.NONE, attempts=9))
    delays = [manager.backoff(0, n) // MS for n in range(1, 8)]
    assert delays == [50, 100, 200, 400, 800, 1000, 1000]
    for attempt in (1, 2, 3):
        permit = manager.acquire_permit(0, attempt=attempt, now_ns=attempt * S)
        decision = manager.release_permit(permit, CONNECTION, now_ns=attempt * S)
        assert decision.retry and decision.delay_ns == 50 * MS << attempt - 1
        assert decision.start_at_ns == attempt * S + decision.delay_ns
    for jitter, least in ((Jitter.FULL, 0), (Jitter.EQUAL, 100 * MS)):
        manager.set_retry(0, RetryPolicy(base=200 * MS, jitter=jitter, budget=Budget.NONE))
        drawn = []
        for _ in range(200):
            permit = manager.acquire_permit(0)
            drawn.append(manager.release_permit(permit, CONNECTION).delay_ns)
        assert all(least <= one <= 200 * MS for one in drawn) and len(set(drawn)) > 190
        assert min(drawn) < least + 20 * MS and max(drawn) > 180 * MS


def test_bulkhead_isolation() -> None:
    manager = ResilienceManager()
    pool = manager.create_bulkhead(0, 5)
    manager.create_bulkhead(1, 2)
    assert (pool.max_concurrent, pool.waiting_queue, pool.isolation) == (5, 0, 0)
    permits = [manager.acquire_permit(0) for _ in range(100)]
    assert [one.granted for one in permits] == [True] * 5 + [False] * 95
    assert permits[5].reason == reason(manager, "BULKHEAD_FULL") and permits[5].http_status == 503
    assert manager.get_bulkhead(0).in_use == 5 and manager.get_bulkhead(1).in_use == 0
    assert all(manager.acquire_permit(1).granted for _ in range(2))
    assert not manager.acquire_permit(1).granted
    manager.release_permit(permits[3])
    assert manager.acquire_permit(0).granted and not manager.acquire_permit(0).granted
    assert manager.valid() == 0


# -- answers that prove an implementation hollow --------------------------------------------------
def test_a_million_later_calls_past_its_time_find_an_open_breaker_half_open() -> None:
    manager = opened()
    lib, state = manager.lib, manager._state
    query, answer = manager._query(0, 0, 0, "GET", 1), manager.ffi.new("ray_resilience_answer *")
    for at in range(1_000_000):
        lib.ray_resilience_ask(state, at, query, answer)
        if answer.granted:
            raise AssertionError(f"let through at {at}")
    assert manager.is_circuit_open(0, now_ns=10 * S - 1)
    assert manager.get_breaker(0, now_ns=10 * S).state is HALF_OPEN
    assert not manager.is_circuit_open(0, now_ns=10 * S)
    assert call(manager, OK, 10 * S).probe and manager.get_breaker(0).state is CLOSED


@pytest.mark.parametrize("probes", [1, 3, 17])
def test_of_a_thousand_callers_of_a_half_open_breaker_so_many_pass(probes: int) -> None:
    manager = opened(probes=probes, success_threshold=probes)
    permits = [manager.acquire_permit(0, now_ns=10 * S) for _ in range(1000)]
    assert sum(one.granted for one in permits) == probes
    assert {one.reason for one in permits if not one.granted} == {
        reason(manager, "BREAKER_PROBING")
    }
    assert manager.get_breaker(0).probing == probes and manager.valid() == 0


# -- breakers -------------------------------------------------------------------------------------
def test_open_lets_nothing_through_before_its_time_and_says_when() -> None:
    manager = opened(now=7)
    for now in (7, 8, 5 * S, 10 * S + 6):
        refused = manager.acquire_permit(0, now_ns=now)
        assert not refused.granted and refused.reason == reason(manager, "BREAKER_OPEN")
        assert refused.retry_after_ns == 10 * S + 7 - now and refused.http_status == 503
    assert manager.acquire_permit(0, now_ns=10 * S + 7).granted


def test_rate_trips_by_whole_numbers_and_not_below_its_volume() -> None:
    manager = manager_of(failure_threshold=0, rate_ppm=600_000, volume=5, window=10 * S)
    for outcome in (FAIL, FAIL, OK, FAIL):
        call(manager, outcome, 0)
    assert manager.get_failure_rate(0) == 750_000 and manager.get_breaker(0).state is CLOSED
    call(manager, OK, 0)  # 3 of 5 is 60 %, but a success trips nothing
    assert manager.get_breaker(0).state is CLOSED
    call(manager, OK, 0)
    call(manager, FAIL, 0)  # 4 of 7: 57.1 %
    assert manager.get_breaker(0).state is CLOSED
    call(manager, FAIL, 0)  # 5 of 8: 62.5 %
    assert manager.get_breaker(0).state is OPEN
    assert manager.get_transitions()[0].cause is Cause.RATE


def test_a_sliding_window_forgets_by_tenths() -> None:
    manager = manager_of(failure_threshold=0, rate_ppm=1_000_000, volume=100, window=10 * S)
    for second in range(20):
        call(manager, FAIL, second * S)
        assert manager.get_breaker(0).failures == min(second + 1, 10)
    assert manager.get_breaker(0, now_ns=24 * S).failures == 5
    before = manager.snapshot()
    assert manager.get_breaker(0, now_ns=10**18).failures == 0
    assert manager.snapshot() == before  # reading rewrites nothing
    call(manager, OK, 10**18)
    assert (manager.get_breaker(0).failures, manager.get_breaker(0).successes) == (0, 1)


def test_a_fixed_window_restarts_at_its_end() -> None:
    manager = manager_of(window=10 * S, fixed_window=True, failure_threshold=100)
    for now, failures in ((0, 1), (9 * S, 2), (10 * S - 1, 3), (10 * S, 1), (30 * S, 1)):
        call(manager, FAIL, now)
        assert manager.get_breaker(0).failures == failures
    assert manager.get_breaker(0, now_ns=40 * S).failures == 0


def test_late_results_of_an_older_state_teach_nothing() -> None:
    manager = manager_of(timeout_duration=60 * S)
    slow = [manager.acquire_permit(0) for _ in range(4)]
    for _ in range(3):
        call(manager, FAIL, S)
    manager.release_permit(slow[0], OK, now_ns=2 * S)
    manager.release_permit(slow[1], FAIL, now_ns=11 * S)  # half-open by now, and not its probe
    assert manager.get_breaker(0).state is HALF_OPEN
    call(manager, OK, 11 * S)
    for one in slow[2:]:
        manager.release_permit(one, FAIL, now_ns=12 * S)
    breaker = manager.get_breaker(0)
    assert (breaker.state, breaker.failures, breaker.requests) == (CLOSED, 0, 0)
    assert manager.get_metrics().late_count == 4 == manager.get_guard_metrics(0).late_count
    assert manager.get_guard_metrics(0).ended[FAIL] == 6  # they count as what they were


def test_a_probe_that_never_answers_gives_its_place_back() -> None:
    manager = opened()
    assert manager.acquire_permit(0, now_ns=10 * S).probe
    assert not manager.acquire_permit(0, now_ns=11 * S - 1).granted
    assert manager.get_breaker(0, now_ns=11 * S - 1).state is HALF_OPEN
    refused = manager.acquire_permit(0, now_ns=11 * S)  # its second is over: it has failed
    assert not refused.granted and refused.retry_after_ns == 10 * S
    assert manager.acquire_permit(0, now_ns=21 * S).probe
    assert manager.get_guard_metrics(0).ended[TIMEOUT] == 1
    assert manager.get_transitions()[-2].at == 11 * S


@pytest.mark.parametrize(
    ("outcome", "trips"),
    [(TIMEOUT, True), (CONNECTION, True), (FAIL, True), (CLIENT, False), (LIMITED, False),
     (CANCELLED, False), (UNSENT, False), (OK, False)],
)  # fmt: skip
def test_what_is_a_failure(outcome: Outcome, trips: bool) -> None:
    manager = manager_of()
    for _ in range(10):
        call(manager, outcome, 0)
    assert (manager.get_breaker(0).state is OPEN) is trips
    neutral = outcome in (CANCELLED, UNSENT)
    assert trips or manager.get_breaker(0).successes == (0 if neutral else 10)


def test_the_table_of_failures_is_configured() -> None:
    manager = manager_of(counts=(LIMITED,), statuses=(404, 503))
    rows = [(FAIL, 500, 0), (FAIL, 503, 1), (CLIENT, 400, 0), (CLIENT, 404, 1), (TIMEOUT, 504, 0),
            (LIMITED, 429, 1)]  # fmt: skip
    for outcome, status, failed in rows:
        call(manager, outcome, 0, http_status=status)
        assert manager.get_breaker(0).consecutive_failures == failed
    refused = manager_of(failure_threshold=1)
    pool = refused.create_bulkhead(0, 1)
    held = refused.acquire_permit(0)
    for _ in range(9):  # a bulkhead's refusal says nothing about the service
        assert not refused.acquire_permit(0).granted
    assert refused.get_breaker(0).state is CLOSED and pool.max_concurrent == 1
    refused.release_permit(held, CLIENT)
    assert refused.get_breaker(0).state is CLOSED


def test_open_time_doubles_with_each_reopening_up_to_its_cap() -> None:
    manager, now = opened(reset_timeout_max=50 * S), 0
    for length in (10, 20, 40, 50, 50):
        breaker = manager.get_breaker(0)
        assert breaker.open_until == now + length * S
        now += length * S
        assert call(manager, FAIL, now).probe
    now += 50 * S
    call(manager, OK, now)
    for _ in range(3):
        call(manager, FAIL, now)
    assert manager.get_breaker(0).open_until == now + 10 * S  # begun anew


def test_jitter_is_the_seeds_and_stays_in_its_share() -> None:
    def opening(seed: int) -> list[int]:
        manager = ResilienceManager(seed=bytes([seed]) * 16)
        config = CircuitBreakerConfig(failure_threshold=1, jitter_ppm=200_000)
        times = []
        for service in range(20):
            manager.create_circuit_breaker(service, config)
            until = manager.record_failure(service).open_until
            assert until is not None
            times.append(until)
        return times

    assert opening(1) == opening(1) != opening(2)
    assert all(30 * S <= one <= 36 * S for one in opening(1)) and len(set(opening(1))) == 20


def test_an_operator_forces_a_breaker_and_lets_it_go() -> None:
    manager = manager_of()
    assert manager.force(0, Force.OPEN).forced is Force.OPEN
    assert manager.is_circuit_open(0)
    refused = manager.acquire_permit(0)
    assert refused.reason == reason(manager, "BREAKER_FORCED") and refused.retry_after_ns == 0
    manager.force(0, Force.CLOSED)
    for _ in range(9):
        assert call(manager, FAIL, 0).granted
    assert manager.get_breaker(0).state is CLOSED and manager.get_metrics().forced_count == 1
    manager.force(0, Force.NONE)
    call(manager, FAIL, 0)
    assert manager.get_breaker(0).state is OPEN
    assert manager.attempt_reset(0).state is HALF_OPEN
    with pytest.raises(StateError):
        manager.attempt_reset(0)
    manager.reset(0)
    assert manager.get_breaker(0).state is CLOSED
    assert [one.cause for one in manager.get_transitions()[-2:]] == [Cause.OPERATOR] * 2
    assert [one.after for one in manager.get_transitions()[-2:]] == [HALF_OPEN, CLOSED]


def test_outcomes_seen_elsewhere_are_learned() -> None:
    manager = manager_of()
    for _ in range(2):
        manager.record_failure(0, FailureReason.TIMEOUT)
    assert manager.record_success(0).consecutive_failures == 0
    for why in (FailureReason.CONNECTION_ERROR, FailureReason.RESPONSE_ERROR):
        assert manager.record_failure(0, why).state is CLOSED
    assert manager.record_failure(0, FailureReason.RATE_LIMITED).consecutive_failures == 0
    for _ in range(3):
        manager.record_failure(0)
    assert manager.is_circuit_open(0)
    assert manager.record_success(0, now_ns=10 * S).state is CLOSED
    with pytest.raises(UnknownError):
        manager.record_failure(1)


def test_a_shadow_breaker_says_what_it_would_do_and_refuses_nothing() -> None:
    manager = opened()
    manager.set_mode(0, "shadow")
    permit = manager.acquire_permit(0)
    assert permit.granted and permit.would_reason == reason(manager, "BREAKER_OPEN")
    assert manager.get_metrics().would_deny_count == 1
    manager.release_permit(permit)
    assert manager.get_breaker(0).state is OPEN  # nothing learned from what it did not let through
    manager.create_bulkhead(0, 1)
    manager.set_mode(0, "shadow")
    assert all(manager.acquire_permit(0).granted for _ in range(5))
    assert manager.get_bulkhead(0).in_use == 1
    manager.set_mode(0, "off")
    assert manager.acquire_permit(0).would_reason == 0 and manager.valid() == 0
    with pytest.raises(ArgumentError):
        manager.set_mode(0, "on")
