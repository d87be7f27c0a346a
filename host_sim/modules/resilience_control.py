# SPDX-License-Identifier: MIT
"""resilience: the part of ResilienceManager that changes rules; every error changes nothing."""

from __future__ import annotations

from typing import Any

from host_sim.errors import ArgumentError, ExistsError, FullError, check
from host_sim.modules.resilience_reading import (
    BREAKER,
    BULKHEAD,
    RETRY,
    ResilienceReader,
    handle_of,
)
from host_sim.modules.resilience_types import (
    Budget,
    BulkheadPool,
    CircuitBreaker,
    CircuitBreakerConfig,
    Force,
    Outcome,
    RetryPolicy,
)

MODES = ("enforce", "shadow", "off")


class ResilienceControl(ResilienceReader):
    """Breakers, bulkheads and retries of services; a service has one of each."""

    # -- specs ----------------------------------------------------------------------------------
    def _draft(self, service_id: int) -> Any:
        """The guard's rules as they are, or a guard without any."""
        spec = self.ffi.new("ray_guard_spec *")
        service = handle_of(service_id)
        if self.lib.ray_resilience_spec_read(self._state, service, spec) < 0:
            spec.service = service
        return spec

    def _set(self, spec: Any, kind: str, now_ns: int | None, what: str) -> None:
        """Puts rules into force. A spec that would guard nothing removes the guard."""
        now, service = self._pass(now_ns), int(spec.service)
        held = self.ffi.new("ray_guard_spec *")
        known = self.lib.ray_resilience_spec_read(self._state, service, held) == 0
        check(self.lib.ray_resilience_set(self._state, now, spec), what)
        self._edited("SET" if known else "ADD", kind, service, held.parts, spec.parts)

    def _fill_outcomes(self, field: Any, kinds: tuple[Outcome, ...], statuses: Any) -> None:
        most = self.lib.RAY_OUTCOME_STATUS_MAX
        if len(statuses) > most:
            raise ArgumentError(f"at most {most} single statuses, not {len(statuses)}")
        box = self.ffi.new("ray_outcome_set *")
        for place, status in enumerate(sorted(set(statuses))):
            whole = self.ffi.new("ray_outcome_report *")
            self._fill(whole, {"http_status": status})
            box.status[place] = whole.http_status
        box.status_count = len(set(statuses))
        box.kinds = sum(1 << int(kind) for kind in set(kinds))
        self.ffi.memmove(self.ffi.addressof(field), box, self.ffi.sizeof("ray_outcome_set"))

    def _free_service(self) -> int:
        for place in range(self.lib.RAY_SERVICE_MAX):
            if place not in self.guards():
                return place
        raise FullError(f"all {self.lib.RAY_SERVICE_MAX} breakers are in use")

    # -- breakers -------------------------------------------------------------------------------
    def create_circuit_breaker(
        self,
        service_id: int | None = None,
        config: CircuitBreakerConfig | None = None,
        *,
        now_ns: int | None = None,
    ) -> CircuitBreaker:
        """Puts a breaker before a service, or (None) before the first without a guard.

        Raises ExistsError when it has one, FullError, UnknownError past the table, RangeError or
        ArgumentError for a configuration no rule allows."""
        service = self._free_service() if service_id is None else service_id
        spec = self._draft(service)
        if spec.parts & BREAKER:
            raise ExistsError(f"service {service} has a breaker")
        return self._set_breaker(spec, config or CircuitBreakerConfig(), now_ns)

    def update_circuit_breaker(
        self, service_id: int, config: CircuitBreakerConfig, *, now_ns: int | None = None
    ) -> CircuitBreaker:
        """Other rules for a breaker: its state stays, its counts begin anew. Raises UnknownError,
        RangeError, ArgumentError."""
        spec = self._spec(service_id, BREAKER, "breaker")
        return self._set_breaker(spec, config, now_ns)

    def _set_breaker(
        self, spec: Any, config: CircuitBreakerConfig, now_ns: int | None
    ) -> CircuitBreaker:
        most = config.reset_timeout_max
        self._fill(spec, {"timeout_ns": config.timeout_duration})
        self._fill(
            spec.breaker,
            {
                "open_ns": config.reset_timeout,
                "open_max_ns": config.reset_timeout if most is None else most,
                "window_ns": config.window,
                "failures": config.failure_threshold,
                "rate_ppm": config.rate_ppm,
                "volume": config.volume,
                "successes": config.success_threshold,
                "probes": config.probes,
                "jitter_ppm": config.jitter_ppm,
                "fixed_window": int(config.fixed_window),
            },
        )
        self._fill_outcomes(spec.breaker.counts, config.counts, config.statuses)
        spec.parts |= BREAKER
        self._set(spec, "BREAKER", now_ns, f"breaker of service {spec.service}")
        return self.get_breaker(int(spec.service))

    def attempt_reset(self, service_id: int, *, now_ns: int | None = None) -> CircuitBreaker:
        """An open breaker half-opens now, before its time. Raises StateError when it is not open,
        UnknownError."""
        now = self._pass(now_ns)
        status = self.lib.ray_resilience_half_open(self._state, now, handle_of(service_id))
        check(status, f"breaker of service {service_id}")
        self._edited("RESET", "BREAKER", service_id, 1, 2)
        return self.get_breaker(service_id)

    def force(
        self, service_id: int, force: Force, *, now_ns: int | None = None
    ) -> CircuitBreaker:
        """Refuses everything, lets everything pass, or ends either. Raises UnknownError."""
        before, now = self.get_breaker(service_id).forced, self._pass(now_ns)
        status = self.lib.ray_resilience_force(
            self._state, now, handle_of(service_id), int(force)
        )
        check(status, f"force {force!r}")
        self._edited("SET", "BREAKER", service_id, int(before), int(force))
        return self.get_breaker(service_id)

    def reset(self, service_id: int, *, now_ns: int | None = None) -> None:
        """Closed, nothing counted, nothing forced, the retry budget as begun; permits stay out.
        Raises UnknownError."""
        now = self._pass(now_ns)
        status = self.lib.ray_resilience_reset(self._state, now, handle_of(service_id))
        check(status, f"service {service_id} has no guard")
        self._edited("RESET", "BREAKER", service_id, 0, 0)

    # -- bulkheads ------------------------------------------------------------------------------
    def create_bulkhead(
        self,
        service_id: int,
        max_concurrent: int,
        *,
        waiting_queue: int = 0,
        max_wait_ns: int = 0,
        now_ns: int | None = None,
    ) -> BulkheadPool:
        """At most `max_concurrent` attempts of a service at once; `waiting_queue` more may wait, at
        most `max_wait_ns` (0: until their deadline). Raises ExistsError, FullError for one more
        than 128, UnknownError, RangeError."""
        spec = self._draft(service_id)
        if spec.parts & BULKHEAD:
            raise ExistsError(f"service {service_id} has a bulkhead")
        return self._set_bulkhead(spec, max_concurrent, waiting_queue, max_wait_ns, now_ns)

    def update_bulkhead(
        self,
        service_id: int,
        *,
        max_concurrent: int | None = None,
        waiting_queue: int | None = None,
        max_wait_ns: int | None = None,
        now_ns: int | None = None,
    ) -> BulkheadPool:
        """Changes what is not None. Permits that are out stay out; nobody new gets one until they
        are fewer. Raises UnknownError, RangeError."""
        spec = self._spec(service_id, BULKHEAD, "bulkhead")
        now = spec.bulkhead
        return self._set_bulkhead(
            spec,
            int(now.concurrent) if max_concurrent is None else max_concurrent,
            int(now.waiting) if waiting_queue is None else waiting_queue,
            int(now.max_wait_ns) if max_wait_ns is None else max_wait_ns,
            now_ns,
        )

    def _set_bulkhead(
        self, spec: Any, concurrent: int, waiting: int, max_wait_ns: int, now_ns: int | None
    ) -> BulkheadPool:
        self._fill(
            spec.bulkhead,
            {"concurrent": concurrent, "waiting": waiting, "max_wait_ns": max_wait_ns},
        )
        spec.parts |= BULKHEAD
        self._set(spec, "BULKHEAD", now_ns, f"bulkhead of service {spec.service}")
        return self.get_bulkhead(int(spec.service))

    # -- retries, mode, and the end of a guard --------------------------------------------------
    def set_retry(
        self, service_id: int, policy: RetryPolicy | None = None, *, now_ns: int | None = None
    ) -> RetryPolicy:
        """How a service's attempts are repeated; its budget begins anew. Raises UnknownError,
        RangeError, ArgumentError."""
        spec, policy = self._draft(service_id), policy or RetryPolicy()
        window, bank = policy.budget is Budget.WINDOW, policy.budget is Budget.BANK
        methods = 0
        for method in policy.methods:
            number = self.lib.ray_method_of(method.encode(), len(method))
            if number == self.lib.RAY_METHOD_OTHER:
                raise ArgumentError(f"{method!r} is no method")
            methods |= 1 << number
        self._fill(
            spec.retry,
            {
                "base_ns": policy.base,
                "max_ns": policy.max_delay,
                "ttl_ns": policy.ttl if window else 0,
                "attempts": policy.attempts,
                "methods": methods,
                "deposit": policy.deposit if window or bank else 0,
                "cost": policy.cost if window or bank else 0,
                "reserve": policy.reserve if window else 0,
                "capacity": policy.capacity if bank else 0,
                "refund": policy.refund if bank else 0,
                "jitter": int(policy.jitter),
                "budget": int(policy.budget),
            },
        )
        self._fill_outcomes(spec.retry.on, policy.on, policy.statuses)
        spec.parts |= RETRY
        self._set(spec, "SERVICE", now_ns, f"retry of service {spec.service}")
        return self.get_retry(int(spec.service))

    def set_mode(self, service_id: int, mode: str, *, now_ns: int | None = None) -> None:
        """enforce; shadow watches and refuses nothing; off is not asked. Raises UnknownError,
        ArgumentError."""
        if mode not in MODES:
            raise ArgumentError(f"a mode is {', '.join(MODES)}, not {mode!r}")
        spec = self._spec(service_id)
        spec.mode = MODES.index(mode)
        self._set(spec, "SERVICE", now_ns, f"mode of service {service_id}")

    def remove_guard(self, service_id: int, *, now_ns: int | None = None) -> None:
        """Nothing stands before the service any more; outcomes still to come teach nothing. Raises
        UnknownError."""
        before = self._spec(service_id).parts
        now = self._pass(now_ns)
        status = self.lib.ray_resilience_unset(self._state, now, handle_of(service_id))
        check(status, f"service {service_id} has no guard")
        self._edited("REMOVE", "BREAKER", service_id, before, 0)
