# SPDX-License-Identifier: MIT
"""resilience: retries, their budget, and both around a callable."""

from __future__ import annotations

import pytest

from host_sim.errors import ArgumentError, RangeError
from host_sim.modules.resilience import Budget, Jitter, ResilienceManager, RetryPolicy
from tests.guards import (
    CANCELLED,
    CLIENT,
    CLOSED,
    CONNECTION,
    FAIL,
    LIMITED,
    OK,
    TIMEOUT,
    UNSENT,
    Clock,
    S,
    manager_of,
    reason,
    retried,
)


# -- retries --------------------------------------------------------------------------------------
def test_only_what_may_be_done_twice_is_retried() -> None:
    manager = ResilienceManager()
    manager.set_retry(0)
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        assert retried(manager, CONNECTION, method=method).retry
    for method in ("POST", "PATCH"):
        refused = retried(manager, CONNECTION, method=method)
        assert not refused.retry and refused.reason == reason(manager, "RETRY_METHOD")
        assert retried(manager, CONNECTION, method=method, idempotent=True).retry
    with pytest.raises(ArgumentError):
        manager.acquire_permit(0, method="FETCH")


def test_only_named_outcomes_are_retried() -> None:
    manager = ResilienceManager()
    manager.set_retry(0, RetryPolicy(on=(CONNECTION,), statuses=(503,), budget=Budget.NONE))
    rows = [(CONNECTION, 502, 1), (FAIL, 503, 1), (FAIL, 500, 0), (CLIENT, 404, 0), (OK, 200, 0),
            (TIMEOUT, 504, 0), (CANCELLED, 0, 0), (LIMITED, 429, 0), (UNSENT, 0, 0)]  # fmt: skip
    for outcome, status, again in rows:
        decision = retried(manager, outcome, http_status=status)
        assert decision.retry == bool(again), outcome
        if not again and outcome is not OK:
            assert decision.reason == reason(manager, "RETRY_OUTCOME")


def test_r1_a_late_attempt_waits_for_the_cap_and_never_less() -> None:
    manager = ResilienceManager()
    manager.set_retry(0, RetryPolicy(base=1, max_delay=2**62, jitter=Jitter.NONE))
    rows = [(31, 2**30), (32, 2**31), (62, 2**61), (63, 2**62), (64, 2**62), (65, 2**62),
            (2**31 - 1, 2**62), (2**32 - 1, 2**62)]  # fmt: skip
    for attempt, delay in rows:
        assert manager.backoff(0, attempt) == delay
    manager.set_retry(0, RetryPolicy(base=3, max_delay=S))
    assert all(manager.backoff(0, attempt) == S for attempt in (31, 32, 63, 64, 65, 2**31 - 1))
    with pytest.raises(RangeError):
        manager.backoff(0, 0)


def test_no_retry_begins_at_or_past_its_deadline() -> None:
    manager = ResilienceManager()
    manager.set_retry(0, RetryPolicy(base=100, max_delay=100, jitter=Jitter.NONE))
    assert retried(manager, CONNECTION, deadline_ns=101).retry
    refused = retried(manager, CONNECTION, deadline_ns=100)
    assert not refused.retry and refused.reason == reason(manager, "RETRY_DEADLINE")
    assert manager.get_guard_metrics(0).retry_deadline_count == 1


def test_the_upstreams_retry_after_is_waited_for_or_passed_on() -> None:
    manager = ResilienceManager()
    manager.set_retry(0, RetryPolicy(base=S, max_delay=S, jitter=Jitter.NONE))
    patient = retried(manager, LIMITED, retry_after_ns=7 * S)
    assert patient.delay_ns == 7 * S and patient.retry_after_ns == 0
    assert retried(manager, LIMITED, retry_after_ns=S // 2).delay_ns == S
    given_up = retried(manager, LIMITED, retry_after_ns=7 * S, deadline_ns=7 * S)
    assert not given_up.retry and given_up.retry_after_ns == 7 * S
    spent = retried(manager, LIMITED, retry_after_ns=3 * S, attempt=3)
    assert spent.reason == reason(manager, "RETRY_ATTEMPTS") and spent.retry_after_ns == 3 * S


def test_the_budget_is_on_by_default_a_fifth_of_the_requests_and_a_reserve() -> None:
    manager = ResilienceManager()
    manager.set_retry(0, RetryPolicy(reserve=0))
    assert [retried(manager, CONNECTION).retry for _ in range(15)] == [
        False, False, False, False, True] * 3  # fmt: skip
    policy = manager.set_retry(0)
    assert (policy.budget, policy.deposit, policy.cost, policy.ttl) == (Budget.WINDOW, 1, 5, 10 * S)
    assert manager.get_guard_metrics(0).budget_left == 10 * 10 * 5
    granted = sum(retried(manager, CONNECTION).retry for _ in range(1000))
    assert granted == 300  # 100 of the reserve, and a fifth of the 1000
    refused = retried(manager, CONNECTION)
    assert refused.reason == reason(manager, "RETRY_BUDGET")
    assert retried(manager, CONNECTION, now_ns=20 * S).retry  # all of it is forgotten by then


def test_no_retry_is_booked_towards_a_breaker_that_will_be_open() -> None:
    manager = manager_of(failure_threshold=1)
    manager.set_retry(0, RetryPolicy(base=S, max_delay=S, jitter=Jitter.NONE))
    left = manager.get_guard_metrics(0).budget_left
    decision = retried(manager, CONNECTION)
    assert not decision.retry and decision.reason == reason(manager, "BREAKER_OPEN")
    assert manager.get_guard_metrics(0).budget_left == (left or 0) + 1


# -- around a callable ----------------------------------------------------------------------------
def test_call_with_breaker_reports_what_became_of_the_call() -> None:
    manager, clock = manager_of(), Clock()

    def broken() -> int:
        raise ConnectionError("refused")

    assert manager.call_with_breaker(0, lambda: 42, clock=clock).value == 42
    result = manager.call_with_breaker(0, broken, clock=clock)
    assert result.outcome is CONNECTION and isinstance(result.error, ConnectionError)
    assert manager.call_with_breaker(0, lambda: 500, status_of=int, clock=clock).outcome is FAIL

    def slow() -> int:
        clock.now += 2 * S
        return 1

    late = manager.call_with_breaker(0, slow, clock=clock)
    assert late.outcome is TIMEOUT and late.value is None
    refused = manager.call_with_breaker(0, slow, clock=clock)
    assert refused.outcome is None and not refused.ok
    assert refused.reason == reason(manager, "BREAKER_OPEN")
    clock.now = refused.retry_after_ns + clock.now
    assert manager.call_with_breaker(0, lambda: 1, clock=clock).ok
    assert manager.get_breaker(0).state is CLOSED and not manager.permits()


def test_call_with_breaker_leaves_nothing_held_when_it_is_interrupted() -> None:
    manager = manager_of()
    manager.create_bulkhead(0, 1, waiting_queue=1)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager.call_with_breaker(0, interrupted)
    assert manager.get_bulkhead(0).in_use == 0
    assert manager.get_guard_metrics(0).ended[CANCELLED] == 1
    manager.acquire_permit(0)
    assert manager.call_with_breaker(0, interrupted).outcome is None  # nobody here waits
    assert manager.get_bulkhead(0).waiting == 0


def test_retry_with_backoff_tries_again_until_it_works_or_is_given_up() -> None:
    manager, clock = ResilienceManager(), Clock()
    manager.set_retry(0, RetryPolicy(attempts=4, base=S, max_delay=3 * S, jitter=Jitter.NONE))
    answers = [503, 502, 200]
    result = manager.retry_with_backoff(
        0, lambda: answers.pop(0), status_of=int, clock=clock, sleep=clock.sleep
    )
    assert result.ok and result.value == 200 and result.attempts == 3
    assert result.delays_ns == (S, 2 * S) and clock.now == 3 * S
    result = manager.retry_with_backoff(0, lambda: 503, status_of=int, clock=clock,
                                        sleep=clock.sleep)  # fmt: skip
    assert result.attempts == 4 and result.delays_ns == (S, 2 * S, 3 * S)
    assert result.reason == reason(manager, "RETRY_ATTEMPTS")
    posted = manager.retry_with_backoff(0, lambda: 503, status_of=int, method="POST")
    assert posted.attempts == 1
    marked = manager.retry_with_backoff(0, lambda: 503, status_of=int, method="POST",
                                        idempotent=True)  # fmt: skip
    assert marked.attempts == 4  # time moved by itself
