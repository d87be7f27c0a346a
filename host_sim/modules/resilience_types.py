# SPDX-License-Identifier: MIT
"""resilience: the words and records ResilienceManager speaks in; import them from
host_sim.modules.resilience."""

from __future__ import annotations

import dataclasses
import enum
from typing import Generic, TypeVar

S_NS = 1_000_000_000
MS_NS = 1_000_000
T = TypeVar("T")


class CircuitState(enum.IntEnum):
    """A breaker's state (enum ray_breaker_state)."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


class FailureReason(enum.IntEnum):
    """Why an attempt failed. RATE_LIMITED proves the service alive: it backs off, and trips
    nothing."""

    TIMEOUT = 0
    CONNECTION_ERROR = 1
    RESPONSE_ERROR = 2
    RATE_LIMITED = 3


class Outcome(enum.IntEnum):
    """How an attempt ended (enum ray_outcome): exactly one of these."""

    OK = 0
    FAIL_5XX = 1
    TIMEOUT = 2
    CONNECTION = 3
    CLIENT_4XX = 4
    LIMITED_429 = 5
    CANCELLED = 6
    UNSENT = 7


OUTCOME_OF = {
    FailureReason.TIMEOUT: Outcome.TIMEOUT,
    FailureReason.CONNECTION_ERROR: Outcome.CONNECTION,
    FailureReason.RESPONSE_ERROR: Outcome.FAIL_5XX,
    FailureReason.RATE_LIMITED: Outcome.LIMITED_429,
}


class Force(enum.IntEnum):
    """What an operator says over a breaker's state (enum ray_breaker_force)."""

    NONE = 0
    OPEN = 1
    CLOSED = 2


class Cause(enum.IntEnum):
    """Why a breaker changed its state (enum ray_breaker_cause)."""

    FAILURES = 1
    RATE = 2
    TIME = 3
    PROBE_FAILED = 4
    PROBES_GOOD = 5
    OPERATOR = 6


class Jitter(enum.IntEnum):
    """Anywhere in [0, backoff], in its upper half, or exactly it (enum ray_retry_jitter)."""

    FULL = 0
    EQUAL = 1
    NONE = 2


class Budget(enum.IntEnum):
    """What pays for retries (enum ray_retry_budget)."""

    WINDOW = 0
    BANK = 1
    NONE = 2


class CallState(enum.IntEnum):
    """Where a permit stands (enum ray_call_state); FREE: it was given back."""

    FREE = 0
    RUNNING = 1
    WAITING = 2


FAILURES = (Outcome.FAIL_5XX, Outcome.TIMEOUT, Outcome.CONNECTION)


@dataclasses.dataclass(frozen=True, slots=True)
class CircuitBreakerConfig:
    """When a breaker opens and closes; times in nanoseconds.

    `failure_threshold` failures in a row open it (0: not by a row), `rate_ppm` of at least `volume`
    outcomes of `window` too (0: not by rate; window 0: since it closed; `fixed_window`: counts
    restart at its end). `timeout_duration` is one call's time limit, after which a probe has
    failed. Half-open comes after `reset_timeout`, doubled at each reopening up to
    `reset_timeout_max` (None: it stays) and up to `jitter_ppm` longer; then `probes` may be in
    flight and `success_threshold` successes close it. `counts` and `statuses` are failures."""

    failure_threshold: int = 5
    success_threshold: int = 1
    timeout_duration: int = 30 * S_NS
    reset_timeout: int = 30 * S_NS
    reset_timeout_max: int | None = None
    jitter_ppm: int = 0
    probes: int = 1
    rate_ppm: int = 0
    volume: int = 10
    window: int = 0
    fixed_window: bool = False
    counts: tuple[Outcome, ...] = FAILURES
    statuses: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """One breaker at an instant. Counts are its window's; `open_until` None unless open;
    `rate_ppm` is failures of all outcomes, rounded down."""

    service_id: int
    config: CircuitBreakerConfig
    state: CircuitState
    forced: Force
    generation: int
    since: int
    open_until: int | None
    successes: int
    failures: int
    consecutive_successes: int
    consecutive_failures: int
    probing: int
    reopened: int
    rate_ppm: int

    @property
    def requests(self) -> int:
        """Outcomes of its window."""
        return self.successes + self.failures


@dataclasses.dataclass(frozen=True, slots=True)
class BulkheadPool:
    """One service's permits: `max_concurrent` at once, `waiting_queue` may wait for one, at most
    `max_wait` nanoseconds (0: until their deadline). `isolation` is the service it isolates."""

    max_concurrent: int
    waiting_queue: int
    isolation: int
    max_wait: int
    in_use: int
    waiting: int


@dataclasses.dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Whether one more attempt is made and when; times in nanoseconds.

    Attempt n waits min(max_delay, base * 2^(n-1)) before jitter. WINDOW: each request deposits
    `deposit`, a retry costs `cost`, `reserve` retries a second are always there, all of it counts
    for `ttl`. BANK: begins with `capacity`, a retry costs `cost`, a success gives back `deposit`,
    or `refund` after a retry. `methods` are words; others are repeated only when marked."""

    attempts: int = 3
    base: int = 50 * MS_NS
    max_delay: int = S_NS
    jitter: Jitter = Jitter.FULL
    on: tuple[Outcome, ...] = (Outcome.CONNECTION, Outcome.LIMITED_429)
    statuses: tuple[int, ...] = (502, 503, 504)
    methods: tuple[str, ...] = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
    budget: Budget = Budget.WINDOW
    deposit: int = 1
    cost: int = 5
    reserve: int = 10
    ttl: int = 10 * S_NS
    capacity: int = 500
    refund: int = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Permit:
    """What became of an attempt that asked to go. `granted` False: `reason` says why, and
    `retry_after_ns` when it would be let through (0: unknown). `waits`: it stands in the
    bulkhead's line until `lapses`. `timeout_ns` None: nothing limits it."""

    call: int | None
    service_id: int
    granted: bool
    waits: bool
    probe: bool
    reason: int
    http_status: int
    retry_after_ns: int
    timeout_ns: int | None
    would_reason: int

    def __bool__(self) -> bool:
        return self.granted


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """A permit that is out: RUNNING or WAITING until `lapses` (None: until it is given back)."""

    call: int
    service_id: int
    attempt: int
    state: CallState
    began: int
    lapses: int | None
    probe: bool
    in_bulkhead: bool


@dataclasses.dataclass(frozen=True, slots=True)
class RetryDecision:
    """Whether to try again, when, and why not. `retry_after_ns` is for the client when nobody
    tries again (0: nothing to say)."""

    retry: bool
    delay_ns: int
    start_at_ns: int
    reason: int
    retry_after_ns: int
    failed: bool

    def __bool__(self) -> bool:
        return self.retry


@dataclasses.dataclass(frozen=True, slots=True)
class CallResult(Generic[T]):
    """What a guarded call came to. `outcome` None: it was refused and not made. `delays_ns` are
    the waits between its attempts."""

    value: T | None
    outcome: Outcome | None
    error: Exception | None
    reason: int
    retry_after_ns: int
    attempts: int
    delays_ns: tuple[int, ...]

    @property
    def ok(self) -> bool:
        """It was made and succeeded."""
        return self.outcome is Outcome.OK


@dataclasses.dataclass(frozen=True, slots=True)
class Transition:
    """One change of a breaker's state; `service_id` None: gone since."""

    id: int
    at: int
    service_id: int | None
    generation: int
    before: CircuitState
    after: CircuitState
    cause: Cause


@dataclasses.dataclass(frozen=True, slots=True)
class GuardMetrics:
    """What one service's guard has seen (ray_guard_tally), and holds now."""

    call_count: int
    breaker_denied_count: int
    bulkhead_denied_count: int
    deadline_denied_count: int
    would_deny_count: int
    late_count: int
    acquired_count: int
    released_count: int
    queued_count: int
    called_count: int
    left_count: int
    wait_sum_ns: int
    wait_max_ns: int
    opened_count: int
    half_opened_count: int
    closed_count: int
    retry_count: int
    retry_attempts_count: int
    retry_budget_count: int
    retry_deadline_count: int
    retry_method_count: int
    retry_breaker_count: int
    ended: dict[Outcome, int]
    running_count: int
    in_use_count: int
    in_use_bound: int
    waiting_count: int
    budget_left: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class ResilienceMetrics:
    """The module's counters (ray_resilience_stats)."""

    asked_count: int
    granted_count: int
    denied_count: int
    error_count: int
    unspent_count: int
    would_deny_count: int
    late_count: int
    call_count: int
    ended_count: int
    retry_count: int
    event_count: int
    event_overwritten_count: int
    breaker_count: int
    bulkhead_count: int
    retry_rule_count: int
    closed_count: int
    open_count: int
    half_open_count: int
    forced_count: int
    in_use_count: int
    waiting_count: int
    running_count: int
    held_call_count: int
