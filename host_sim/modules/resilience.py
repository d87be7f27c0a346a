# SPDX-License-Identifier: MIT
"""resilience: what stands between a request and a service that may be failing.

A bulkhead, a circuit breaker, a time limit for each attempt, and retries on a budget, one of each
per service. Instants and durations are whole nanoseconds, rates parts per million: no floats.
Rules: SEMANTICS.md, "resilience"; the C core behind it: ray/resilience.h.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from host_sim.decision import NEVER, NONE
from host_sim.errors import ArgumentError, StaleError, StateError, check, shown
from host_sim.modules.base import u64
from host_sim.modules.resilience_control import ResilienceControl
from host_sim.modules.resilience_reading import handle_of
from host_sim.modules.resilience_types import (
    OUTCOME_OF,
    Budget,
    BulkheadPool,
    CallResult,
    CallState,
    Cause,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitState,
    FailureReason,
    Force,
    GuardMetrics,
    Held,
    Jitter,
    Outcome,
    Permit,
    ResilienceMetrics,
    RetryDecision,
    RetryPolicy,
    Transition,
)

__all__ = [
    "Budget", "BulkheadPool", "CallResult", "CallState", "Cause", "CircuitBreaker",
    "CircuitBreakerConfig", "CircuitState", "FailureReason", "Force", "GuardMetrics", "Held",
    "Jitter", "Outcome", "Permit", "ResilienceManager", "ResilienceMetrics", "RetryDecision",
    "RetryPolicy", "Transition",
]  # fmt: skip

T = TypeVar("T")
GATEWAY_TIMEOUT, UNAVAILABLE, TOO_MANY = 504, 503, 429
STATUS_OF = {
    Outcome.OK: 200,
    Outcome.FAIL_5XX: UNAVAILABLE,
    Outcome.TIMEOUT: GATEWAY_TIMEOUT,
    Outcome.CONNECTION: 502,
    Outcome.CLIENT_4XX: 400,
    Outcome.LIMITED_429: TOO_MANY,
}


class ResilienceManager(ResilienceControl):
    """256 breakers and 128 bulkheads, each before one service (profile seed).

    Alone it owns a state of its own: attempts begin by `acquire_permit` and end by
    `release_permit`, or both around a callable by `call_with_breaker` and `retry_with_backoff`.
    With `kernel` it reads and controls that Kernel's guards, which requests pass by the Kernel's
    rows. Time is `now_ns`, which never runs backwards.
    """

    def _expire(self, now: int) -> None:
        self.lib.ray_resilience_tick(self._state, now)

    def _alone(self, what: str) -> None:
        if self.kernel is not None:
            raise StateError(f"a Kernel's attempts {what} by its rows")

    def _method(self, method: str) -> int:
        number = int(self.lib.ray_method_of(method.encode(), len(method.encode())))
        if number == self.lib.RAY_METHOD_OTHER:
            raise ArgumentError(f"{method!r} is no method")
        return number

    # -- attempts -------------------------------------------------------------------------------
    def acquire_permit(
        self,
        service_id: int,
        *,
        deadline_ns: int = 0,
        timeout_ns: int = 0,
        method: str = "GET",
        attempt: int = 1,
        now_ns: int | None = None,
    ) -> Permit:
        """May an attempt go? A refusal is an outcome, not an exception.

        Guards are asked in their order: deadline, bulkhead, breaker. What is granted is a lease:
        not given back within its time limit (the least of `timeout_ns`, the guard's and what
        `deadline_ns` leaves) it has failed with a timeout. Raises UnknownError, ArgumentError,
        FullError when 1024 are out."""
        self._alone("begin")
        query = self._query(service_id, deadline_ns, timeout_ns, method, attempt)
        answer, call = self.ffi.new("ray_resilience_answer *"), self.ffi.new("uint32_t *")
        what = f"attempt {attempt} of service {service_id}"
        check(self.lib.ray_resilience_ask(self._state, self._at(now_ns), query, answer), what)
        now = self._pass(now_ns)
        check(self.lib.ray_resilience_begin(self._state, now, query, answer, call), what)
        return Permit(
            call=None if call[0] == NONE else int(call[0]),
            service_id=service_id,
            granted=bool(answer.granted),
            waits=bool(answer.waits),
            probe=bool(answer.probe),
            reason=int(answer.reason),
            http_status=int(answer.http_status),
            retry_after_ns=int(answer.retry_after_ns),
            timeout_ns=None if answer.timeout_ns == NEVER else int(answer.timeout_ns),
            would_reason=int(answer.would_reason),
        )

    def _query(
        self, service_id: int, deadline_ns: int, timeout_ns: int, method: str, attempt: int
    ) -> Any:
        query = self.ffi.new("ray_resilience_query *")
        self._fill(
            query,
            {
                "deadline_ns": u64(deadline_ns, "deadline_ns"),
                "timeout_ns": u64(timeout_ns, "timeout_ns"),
                "service": handle_of(service_id),
                "method": self._method(method),
                "attempt": attempt,
                "ticket": NONE,
            },
        )
        return query

    def release_permit(
        self,
        permit: Permit | int,
        outcome: Outcome = Outcome.OK,
        *,
        http_status: int | None = None,
        retry_after_ns: int = 0,
        idempotent: bool = False,
        now_ns: int | None = None,
    ) -> RetryDecision:
        """The attempt ended: its permits go back, the breaker learns, and the answer says whether
        to try again; such a retry is booked.

        `http_status` None is a usual one of the outcome's kind. `retry_after_ns` is what the
        upstream asked for, `idempotent` that the request may be done twice whatever its method.
        Raises StaleError for a permit given back before or lapsed, StateError for one that waits
        and was not CANCELLED, UnknownError."""
        self._alone("end")
        call = permit.call if isinstance(permit, Permit) else permit
        if call is None:
            raise StateError("the attempt was refused: there is nothing to give back")
        report = self.ffi.new("ray_outcome_report *")
        status = STATUS_OF.get(outcome, 0) if http_status is None else http_status
        self._fill(
            report,
            {
                "retry_after_ns": u64(retry_after_ns, "retry_after_ns"),
                "http_status": status,
                "outcome": int(outcome),
                "idempotent": int(bool(idempotent)),
            },
        )
        verdict = self.ffi.new("ray_resilience_verdict *")
        now = self._pass(now_ns)
        ended = self.lib.ray_resilience_end(self._state, now, call, report, verdict)
        check(ended, f"permit {call}")
        return RetryDecision(
            retry=bool(verdict.retry),
            delay_ns=int(verdict.delay_ns),
            start_at_ns=int(verdict.start_at_ns),
            reason=int(verdict.reason),
            retry_after_ns=int(verdict.retry_after_ns),
            failed=bool(verdict.failed),
        )

    def outcome_of(self, http_status: int) -> Outcome:
        """The kind of an HTTP status."""
        return Outcome(self.lib.ray_resilience_outcome_of(http_status))

    # -- outcomes seen elsewhere ----------------------------------------------------------------
    def record_success(self, service_id: int, *, now_ns: int | None = None) -> CircuitBreaker:
        """A success the caller saw without a permit: the breaker learns it. Raises UnknownError."""
        return self._record(service_id, Outcome.OK, STATUS_OF[Outcome.OK], now_ns)

    def record_failure(
        self,
        service_id: int,
        reason: FailureReason = FailureReason.RESPONSE_ERROR,
        *,
        now_ns: int | None = None,
    ) -> CircuitBreaker:
        """A failure the caller saw without a permit. RATE_LIMITED proves the service alive and
        counts as a success, unless the breaker's `counts` say otherwise. Raises UnknownError."""
        outcome = OUTCOME_OF[FailureReason(reason)]
        return self._record(service_id, outcome, STATUS_OF[outcome], now_ns)

    def _record(
        self, service_id: int, outcome: Outcome, http_status: int, now_ns: int | None
    ) -> CircuitBreaker:
        self.get_breaker(service_id)
        now, service = self._pass(now_ns), handle_of(service_id)
        status = self.lib.ray_resilience_record(
            self._state, now, service, int(outcome), http_status
        )
        check(status, f"service {service_id} has no breaker")
        return self.get_breaker(service_id)

    # -- around a callable ----------------------------------------------------------------------
    def enforce_timeout(
        self,
        service_id: int,
        *,
        timeout_ns: int = 0,
        deadline_ns: int = 0,
        now_ns: int | None = None,
    ) -> int | None:
        """How long an attempt that begins at `now_ns` may take: the least of `timeout_ns`, the
        guard's and what `deadline_ns` leaves; 0 when nothing is left, None when nothing limits it.
        Changes nothing. Raises UnknownError past the table."""
        query = self._query(service_id, deadline_ns, timeout_ns, "GET", 1)
        answer = self.ffi.new("ray_resilience_answer *")
        status = self.lib.ray_resilience_ask(self._state, self._at(now_ns), query, answer)
        check(status, f"time limit of service {service_id}")
        return None if answer.timeout_ns == NEVER else int(answer.timeout_ns)

    def call_with_breaker(
        self,
        service_id: int,
        operation: Callable[[], T],
        *,
        status_of: Callable[[T], int] | None = None,
        clock: Callable[[], int] | None = None,
        deadline_ns: int = 0,
        method: str = "GET",
        attempt: int = 1,
    ) -> CallResult[T]:
        """Runs `operation` between acquire and release, once.

        `clock` gives nanoseconds; without one no time passes. `status_of` reads an HTTP status from
        a value; without one a value is a success. TimeoutError and ConnectionError are outcomes of
        their kinds, any other Exception is FAIL_5XX; what is none (KeyboardInterrupt) cancels and
        goes on. A value that comes after the time limit is a TIMEOUT. An operation that would have
        to wait for its permit is refused: nobody here waits."""
        return self._call(service_id, operation, status_of, clock, deadline_ns, method, attempt)[0]

    def _call(
        self,
        service_id: int,
        operation: Callable[[], T],
        status_of: Callable[[T], int] | None,
        clock: Callable[[], int] | None,
        deadline_ns: int,
        method: str,
        attempt: int,
        idempotent: bool = False,
    ) -> tuple[CallResult[T], RetryDecision | None]:
        if not callable(operation):  # else it would count as a failure of the service
            raise ArgumentError(f"operation is what is called, not {shown(operation)}")
        now = clock or (lambda: self._at(None))
        permit = self.acquire_permit(
            service_id, deadline_ns=deadline_ns, method=method, attempt=attempt, now_ns=now()
        )
        if permit.waits:
            self.release_permit(permit, Outcome.CANCELLED, now_ns=now())
        if not permit.granted or permit.waits:
            refused: CallResult[T] = CallResult(
                None, None, None, permit.reason, permit.retry_after_ns, attempt, ()
            )
            return refused, None
        value: T | None = None
        error: Exception | None = None
        status: int | None = None
        try:
            value = operation()
            status = None if status_of is None else status_of(value)
            outcome = Outcome.OK if status is None else self.outcome_of(status)
        except TimeoutError as raised:
            outcome, error = Outcome.TIMEOUT, raised
        except ConnectionError as raised:
            outcome, error = Outcome.CONNECTION, raised
        except Exception as raised:
            outcome, error = Outcome.FAIL_5XX, raised
        except BaseException:
            self.release_permit(permit, Outcome.CANCELLED, now_ns=now())
            raise
        decision = None
        try:
            decision = self.release_permit(
                permit, outcome, http_status=status, idempotent=idempotent, now_ns=now()
            )
        except StaleError:  # it lapsed meanwhile, and was counted then
            outcome, value = Outcome.TIMEOUT, None
        reason = self.lib.RAY_REASON_DEADLINE if decision is None else decision.reason
        after = 0 if decision is None else decision.retry_after_ns
        return CallResult(value, outcome, error, int(reason), after, attempt, ()), decision

    def retry_with_backoff(
        self,
        service_id: int,
        operation: Callable[[], T],
        *,
        status_of: Callable[[T], int] | None = None,
        clock: Callable[[], int] | None = None,
        sleep: Callable[[int], None] | None = None,
        deadline_ns: int = 0,
        method: str = "GET",
        idempotent: bool = False,
    ) -> CallResult[T]:
        """`call_with_breaker` again and again, as the service's RetryPolicy says.

        `sleep` waits so many nanoseconds; without one the module's own time is moved by them. Each
        attempt passes the guards again; a refusal ends it."""
        attempt, delays = 1, list[int]()
        wait = sleep or (lambda ns: void(self._pass(self._at(None) + ns)))
        while True:
            result, decision = self._call(
                service_id, operation, status_of, clock, deadline_ns, method, attempt, idempotent
            )
            if decision is None or not decision.retry:
                return CallResult(
                    result.value, result.outcome, result.error, result.reason,
                    result.retry_after_ns, attempt, tuple(delays),
                )  # fmt: skip
            delays.append(decision.delay_ns)
            wait(decision.delay_ns)
            attempt += 1


def void(_: object) -> None:
    """Drops a value where none may be returned."""
