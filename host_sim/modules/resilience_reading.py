# SPDX-License-Identifier: MIT
"""resilience: the part of ResilienceManager that only reads."""

from __future__ import annotations

from typing import Any

from host_sim.decision import NEVER, NONE
from host_sim.errors import RangeError, UnknownError, check
from host_sim.modules.exposition import Named, Names
from host_sim.modules.resilience_types import (
    Budget,
    BulkheadPool,
    CallState,
    Cause,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitState,
    Force,
    GuardMetrics,
    Held,
    Jitter,
    Outcome,
    ResilienceMetrics,
    RetryPolicy,
    Transition,
)

U32 = 1 << 32
BREAKER, BULKHEAD, RETRY = 1, 2, 4
TALLIES = (
    "call_count breaker_denied_count bulkhead_denied_count deadline_denied_count would_deny_count "
    "late_count acquired_count released_count queued_count called_count left_count wait_sum_ns "
    "wait_max_ns opened_count half_opened_count closed_count retry_count retry_attempts_count "
    "retry_budget_count retry_deadline_count retry_method_count retry_breaker_count"
).split()


def handle_of(service_id: int) -> int:
    """A service's number as the core takes it."""
    if isinstance(service_id, bool) or not isinstance(service_id, int):
        raise UnknownError(f"a service is named by its number, not {service_id!r}")
    if not 0 <= service_id < U32:
        raise RangeError(f"a service's number fits 32 bits, not {service_id}")
    return service_id


class ResilienceReader(Named):
    """Reading guards: alone with a state of their own, or a Kernel's."""

    _word = "resilience"

    # -- specs ----------------------------------------------------------------------------------
    def _spec(self, service_id: int, part: int = 0, what: str = "guard") -> Any:
        """The guard's rules. Raises UnknownError when it has no such part."""
        spec = self.ffi.new("ray_guard_spec *")
        status = self.lib.ray_resilience_spec_read(self._state, handle_of(service_id), spec)
        if status == 0 and part and not spec.parts & part:
            status = self.lib.RAY_E_UNKNOWN
        check(status, f"service {service_id} has no {what}")
        return spec

    def _stats(self, service_id: int, now_ns: int | None) -> Any:
        out = self.ffi.new("ray_guard_stats *")
        status = self.lib.ray_resilience_guard_read(
            self._state, self._at(now_ns), handle_of(service_id), out
        )
        check(status, f"service {service_id} has no guard")
        return out

    def guards(self) -> tuple[int, ...]:
        """Services before which something stands, by place."""
        out, found = self.ffi.new("uint32_t *"), []
        for place in range(self.lib.RAY_SERVICE_MAX):
            if self.lib.ray_resilience_at(self._state, place, out) == 0:
                found.append(int(out[0]))
        return tuple(found)

    # -- breakers -------------------------------------------------------------------------------
    def get_breaker(self, service_id: int, *, now_ns: int | None = None) -> CircuitBreaker:
        """A breaker as it is at `now_ns`. Raises UnknownError."""
        spec = self._spec(service_id, BREAKER, "breaker")
        stats = self._stats(service_id, now_ns)  # a part of a struct does not keep the whole alive
        view = stats.breaker
        return CircuitBreaker(
            service_id=service_id,
            config=self._breaker_config(spec),
            state=CircuitState(view.state),
            forced=Force(view.forced),
            generation=int(view.generation),
            since=int(view.since_ns),
            open_until=int(view.open_until_ns) or None,
            successes=int(view.success_count),
            failures=int(view.failure_count),
            consecutive_successes=int(view.row_successes),
            consecutive_failures=int(view.row_failures),
            probing=int(view.probing),
            reopened=int(view.reopened),
            rate_ppm=int(view.rate_ppm),
        )

    def _outcomes(self, outcomes: Any) -> tuple[tuple[Outcome, ...], tuple[int, ...]]:
        kinds = tuple(one for one in Outcome if outcomes.kinds >> one & 1)
        return kinds, tuple(int(outcomes.status[i]) for i in range(outcomes.status_count))

    def _breaker_config(self, spec: Any) -> CircuitBreakerConfig:
        breaker = spec.breaker
        counts, statuses = self._outcomes(breaker.counts)
        grows = breaker.open_max_ns != breaker.open_ns
        return CircuitBreakerConfig(
            failure_threshold=int(breaker.failures),
            success_threshold=int(breaker.successes),
            timeout_duration=int(spec.timeout_ns),
            reset_timeout=int(breaker.open_ns),
            reset_timeout_max=int(breaker.open_max_ns) if grows else None,
            jitter_ppm=int(breaker.jitter_ppm),
            probes=int(breaker.probes),
            rate_ppm=int(breaker.rate_ppm),
            volume=int(breaker.volume),
            window=int(breaker.window_ns),
            fixed_window=bool(breaker.fixed_window),
            counts=counts,
            statuses=statuses,
        )

    def is_circuit_open(self, service_id: int, *, now_ns: int | None = None) -> bool:
        """Whether every call is refused at `now_ns`: open and its time not over, or forced open.
        Raises UnknownError."""
        breaker = self.get_breaker(service_id, now_ns=now_ns)
        if breaker.forced is not Force.NONE:
            return breaker.forced is Force.OPEN
        return breaker.state is CircuitState.OPEN

    def get_failure_rate(self, service_id: int, *, now_ns: int | None = None) -> int:
        """Failures of the window's outcomes in parts per million, rounded down; 0 of none. Raises
        UnknownError."""
        return self.get_breaker(service_id, now_ns=now_ns).rate_ppm

    def get_transitions(self, service_id: int | None = None) -> tuple[Transition, ...]:
        """Changes of state that are still kept, oldest first; of one service, or of all."""
        out, found = self.ffi.new("ray_breaker_event *"), []
        total = self.get_metrics().event_count
        first = max(1, total - self.lib.RAY_BREAKER_EVENT_MAX + 1)
        for id in range(first, total + 1):
            check(self.lib.ray_resilience_event_read(self._state, id, out))
            if service_id is None or out.service == service_id:
                found.append(
                    Transition(
                        id=int(out.id),
                        at=int(out.at_ns),
                        service_id=None if out.service == NONE else int(out.service),
                        generation=int(out.generation),
                        before=CircuitState(getattr(out, "from")),
                        after=CircuitState(out.to),
                        cause=Cause(out.cause),
                    )
                )
        return tuple(found)

    # -- bulkheads and retries ------------------------------------------------------------------
    def get_bulkhead(self, service_id: int) -> BulkheadPool:
        """A bulkhead and who is in it. Raises UnknownError."""
        spec = self._spec(service_id, BULKHEAD, "bulkhead")
        stats = self._stats(service_id, None)
        return BulkheadPool(
            max_concurrent=int(spec.bulkhead.concurrent),
            waiting_queue=int(spec.bulkhead.waiting),
            isolation=service_id,
            max_wait=int(spec.bulkhead.max_wait_ns),
            in_use=int(stats.in_use_count),
            waiting=int(stats.waiting_count),
        )

    def get_retry(self, service_id: int) -> RetryPolicy:
        """How a service's attempts are repeated. Raises UnknownError."""
        spec = self._spec(service_id, RETRY, "retry")
        retry = spec.retry
        on, statuses = self._outcomes(retry.on)
        word = self.lib.ray_method_word
        methods = [i for i in range(1, self.lib.RAY_METHOD_MAX) if retry.methods >> i & 1]
        return RetryPolicy(
            attempts=int(retry.attempts),
            base=int(retry.base_ns),
            max_delay=int(retry.max_ns),
            jitter=Jitter(retry.jitter),
            on=on,
            statuses=statuses,
            methods=tuple(self.ffi.string(word(i)).decode() for i in methods),
            budget=Budget(retry.budget),
            deposit=int(retry.deposit),
            cost=int(retry.cost),
            reserve=int(retry.reserve),
            ttl=int(retry.ttl_ns),
            capacity=int(retry.capacity),
            refund=int(retry.refund),
        )

    def backoff(self, service_id: int, attempt: int) -> int:
        """What the retry after `attempt` waits at most, in nanoseconds: min(max_delay, base *
        2^(attempt-1)). Raises UnknownError, RangeError."""
        spec = self._spec(service_id, RETRY, "retry")
        if not 1 <= attempt < U32:
            raise RangeError(f"an attempt is at least 1 and fits 32 bits, not {attempt}")
        retry = self.ffi.addressof(spec, "retry")
        return int(self.lib.ray_resilience_backoff(retry, attempt))

    # -- permits --------------------------------------------------------------------------------
    def get_permit(self, call: int) -> Held:
        """A permit that is out. Raises StaleError for one that was given back or has lapsed."""
        out = self.ffi.new("ray_call_view *")
        check(self.lib.ray_resilience_call_read(self._state, call, out), f"permit {call}")
        return Held(
            call=call,
            service_id=int(out.service),
            attempt=int(out.attempt),
            state=CallState(out.state),
            began=int(out.began_ns),
            lapses=None if out.lapses_ns == NEVER else int(out.lapses_ns),
            probe=bool(out.probe),
            in_bulkhead=bool(out.held),
        )

    def permits(self) -> tuple[Held, ...]:
        """Every permit that is out, by place."""
        out, found = self.ffi.new("uint32_t *"), []
        for place in range(self.lib.RAY_CALL_MAX):
            if self.lib.ray_resilience_call_at(self._state, place, out) == 0:
                found.append(self.get_permit(int(out[0])))
        return tuple(found)

    # -- counters -------------------------------------------------------------------------------
    def get_metrics(self) -> ResilienceMetrics:
        """The module's counters."""
        return self._counters(ResilienceMetrics)

    def get_guard_metrics(self, service_id: int, *, now_ns: int | None = None) -> GuardMetrics:
        """One guard's counters and what it holds. Raises UnknownError."""
        stats = self._stats(service_id, now_ns)
        left = int(stats.budget_left)
        counts = {name: int(getattr(stats.tally, name)) for name in TALLIES}
        return GuardMetrics(
            **counts,
            ended={one: int(stats.tally.ended_count[one]) for one in Outcome},
            running_count=int(stats.running_count),
            in_use_count=int(stats.in_use_count),
            in_use_bound=int(stats.in_use_bound),
            waiting_count=int(stats.waiting_count),
            budget_left=None if left == NEVER else left,
        )

    def _export(self, write: Any, services: Names | None, now_ns: int | None) -> str:
        """What `write(state, now, names, text)` writes; names are a Kernel's own unless given."""
        rows, keep = self._rows(self._service_names() if services is None else services)
        now = self._at(now_ns)
        text = self._written(lambda out: write(self._state, now, rows, out), "export")
        del keep
        return text

    def export_csv(self, *, services: Names | None = None, now_ns: int | None = None) -> str:
        """Every guard, by place: fixed columns, words and whole numbers. Names by id are a
        Kernel's own, or those given here."""
        return self._export(self.lib.ray_resilience_export_csv, services, now_ns)

    def export_json(self, *, services: Names | None = None, now_ns: int | None = None) -> str:
        """The same as a JSON array."""
        return self._export(self.lib.ray_resilience_export_json, services, now_ns)

    def export_openmetrics(
        self, *, services: Names | None = None, now_ns: int | None = None
    ) -> str:
        """Module and guards as OpenMetrics 1.0 text; equal states give equal bytes."""
        write, form = self.lib.ray_resilience_export_metrics, self.lib.RAY_EXPOSITION_OPENMETRICS
        return self._export(lambda *first: write(*first[:3], form, first[3]), services, now_ns)

    def export_prometheus(
        self, *, services: Names | None = None, now_ns: int | None = None
    ) -> str:
        """The same as Prometheus text format 0.0.4."""
        write, form = self.lib.ray_resilience_export_metrics, self.lib.RAY_EXPOSITION_PROMETHEUS
        return self._export(lambda *first: write(*first[:3], form, first[3]), services, now_ns)
