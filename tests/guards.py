# SPDX-License-Identifier: MIT
"""What the tests of resilience share: a breaker before service 0, and attempts to pass it."""

from __future__ import annotations

from typing import Any

from host_sim.modules.resilience import (
    CircuitBreakerConfig,
    CircuitState,
    Outcome,
    Permit,
    ResilienceManager,
)

S, MS = 10**9, 10**6
CLOSED, OPEN, HALF_OPEN = CircuitState
OK, FAIL, TIMEOUT, CONNECTION, CLIENT, LIMITED, CANCELLED, UNSENT = Outcome


def manager_of(profile: str = "seed", **config: Any) -> ResilienceManager:
    """A breaker before service 0: 3 failures in a row, 10 s open, 1 s for a call."""
    manager = ResilienceManager(profile=profile)
    terms = dict(failure_threshold=3, reset_timeout=10 * S, timeout_duration=S) | config
    manager.create_circuit_breaker(0, CircuitBreakerConfig(**terms))
    return manager


def call(manager: ResilienceManager, outcome: Outcome, now: int, **more: Any) -> Permit:
    """One attempt at one instant; given back only when it was let through."""
    permit = manager.acquire_permit(0, now_ns=now)
    if permit.granted:
        manager.release_permit(permit, outcome, now_ns=now, **more)
    return permit


def opened(now: int = 0, **config: Any) -> ResilienceManager:
    """A breaker that opened at `now`."""
    manager = manager_of(**config)
    for _ in range(3):
        call(manager, FAIL, now)
    assert manager.get_breaker(0).state is OPEN
    return manager


def reason(manager: ResilienceManager, word: str) -> int:
    """A reason's number."""
    return int(getattr(manager.lib, f"RAY_REASON_{word}"))


def retried(manager: ResilienceManager, outcome: Outcome, **more: Any) -> Any:
    """What is decided about one attempt that ended so."""
    begin = {key: more.pop(key) for key in ("method", "attempt", "deadline_ns") if key in more}
    permit = manager.acquire_permit(0, now_ns=more.get("now_ns"), **begin)
    return manager.release_permit(permit, outcome, **more)


class Clock:
    """Nanoseconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def sleep(self, ns: int) -> None:
        """Passes."""
        self.now += ns
