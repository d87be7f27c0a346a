# SPDX-License-Identifier: MIT
"""governance: the words and records GovernanceCollector speaks in; import them from
host_sim.modules.governance."""

from __future__ import annotations

import dataclasses
import enum


class GovernanceMetric(enum.IntEnum):
    """The four kinds of event that are recorded."""

    RATE_LIMIT_EVENTS = 0
    QUOTA_VIOLATIONS = 1
    POLICY_ENFORCEMENTS = 2
    COST_TRACKING = 3


class EventKind(enum.IntEnum):
    """One step of a request (enum ray_governance_kind)."""

    ADMIT = 1
    SENT = 2
    DROPPED = 3
    PREEMPTED = 4
    DONE = 5


class SeriesMetric(enum.IntEnum):
    """What a window's count and amount are (enum ray_series_metric)."""

    REQUESTS = 0
    DENIED = 1
    SENT = 2
    FAILED = 3
    DONE = 4
    COST = 5


class Grain(enum.IntEnum):
    """How long a window is (enum ray_grain)."""

    SECOND = 0
    MINUTE = 1
    HOUR = 2


class TopBy(enum.IntEnum):
    """What a ranking is by (enum ray_top_by); usage of a tenant is its requests."""

    REQUESTS = 0
    USAGE = 0
    COST = 1
    VIOLATIONS = 2


class AlertMetric(enum.IntEnum):
    """What an alert watches (enum ray_alert_metric). Ratios are parts per million, waits and
    latencies nanoseconds."""

    REQUESTS = 0
    DENIED = 1
    VIOLATIONS = 2
    DROPPED = 3
    ERRORS = 4
    TOKENS = 5
    BYTES = 6
    DENIED_RATIO = 7
    ERROR_RATIO = 8
    WAIT = 9
    LATENCY_P95 = 10
    QUEUED = 11


class AlertState(enum.IntEnum):
    """Where an alert is (enum ray_alert_state)."""

    INACTIVE = 0
    PENDING = 1
    FIRING = 2
    RESOLVED = 3


class QuantileOf(enum.IntEnum):
    """Which latencies (enum ray_quantile_of)."""

    WAIT = 0
    ENFORCEMENT = 1


@dataclasses.dataclass(frozen=True, slots=True)
class RateLimitMetric:
    """Decisions of a limiter: `allowed` and `denied` requests, `tokens_used` by them together,
    `wait_time` in ns of each allowed one, `timestamp` in ns. Ids of None: nobody in particular."""

    service_id: int | None
    timestamp: int
    allowed: int
    denied: int
    tokens_used: int
    wait_time: int
    tenant_id: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class QuotaMetric:
    """One look at a quota: `usage` above `limit` is a violation of the tenant's.

    `quota_type` is 0 requests, 1 bytes, 2 compute, 3 custom, 4 cost; `percent_utilized` is whole
    percent of the limit, rounded down, not clamped, None of a limit of 0."""

    tenant_id: int | None
    quota_type: int
    usage: int
    limit: int
    percent_utilized: int | None = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        percent = self.usage * 100 // self.limit if self.limit else None
        object.__setattr__(self, "percent_utilized", percent)


@dataclasses.dataclass(frozen=True, slots=True)
class PolicyMetric:
    """Matches of one rule; `enforcement_time` in ns of one evaluation, None when it was not
    measured."""

    policy_id: int
    matches: int
    denials: int
    alerts: int
    enforcement_time: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CostMetric:
    """A charge of `cost_amount` nano-units, below 0 a credit; `metric_type` is 0 requests, 1 bytes,
    2 compute, 3 storage, 4 cache."""

    service_id: int | None
    tenant_id: int | None
    cost_amount: int
    metric_type: int


@dataclasses.dataclass(frozen=True, slots=True)
class GovernanceEvent:
    """One step of a request; what a kind does not use is 0. `verdict` and `reason` are numbers of
    ray/verdict.h and ray/reason.h."""

    kind: EventKind
    service_id: int | None = None
    tenant_id: int | None = None
    verdict: int = 1
    reason: int = 1
    tokens: int = 0
    wait_ns: int = 0
    bytes: int = 0
    latency_ns: int = 0
    cost_nano: int = 0
    http_status: int = 0
    queued: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class GovernanceCounts:
    """What was counted in total, of a service or of a tenant: never reset (ray_governance_counts).

    offered = denied + dropped + preempted + dispatched + queued, at every instant."""

    offered_count: int
    denied_count: int
    dropped_count: int
    preempted_count: int
    dispatched_count: int
    queued_count: int
    violation_count: int
    done_count: int
    failed_count: int
    tokens: int
    bytes: int
    wait_ns: int
    cost_nano: int


@dataclasses.dataclass(frozen=True, slots=True)
class GovernanceStats:
    """The module's counters (ray_governance_stats)."""

    asked_count: int
    granted_count: int
    denied_count: int
    error_count: int
    folded_count: int
    evicted_count: int
    untracked_count: int
    policy_count: int
    quota_event_count: int
    quota_violation_count: int
    notification_count: int
    notification_overwritten_count: int
    reset_count: int
    series_count: int
    service_count: int
    tenant_count: int
    alert_count: int
    pending_count: int
    firing_count: int
    unacknowledged_count: int


@dataclasses.dataclass(frozen=True, slots=True)
class RateLimitStats:
    """Decisions together: `wait_time` is the sum in ns, `percentiles` by parts per million."""

    allowed: int
    denied: int
    tokens_used: int
    wait_time: int
    percentiles: dict[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class QuotaEventStats:
    """Looks at quotas of a type, or of all; the largest share in basis points (None: usage of a
    limit of 0)."""

    events: int
    violations: int
    utilization_bp_max: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class PolicyStats:
    """Matches of a rule, or of all; `enforcement_time` is the sum in ns."""

    matches: int
    denials: int
    alerts: int
    enforcement_time: int


@dataclasses.dataclass(frozen=True, slots=True)
class CostStats:
    """Nano-units charged, and how much of all by type of metric (of what was recorded by type)."""

    cost_amount: int
    by_type: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class TimelineWindow:
    """One window from `start_ns` on; see SeriesMetric for what the two numbers are."""

    start_ns: int
    count: int
    amount: int


@dataclasses.dataclass(frozen=True, slots=True)
class TopEntry:
    """A place of a ranking. The true value lies in [value - error, value]; error is 0 while no key
    ever lost its row. `id` None: nobody in particular."""

    id: int | None
    value: int
    error: int


@dataclasses.dataclass(frozen=True, slots=True)
class Correlation:
    """Closed windows in which anything happened, and how two columns move together: Pearson's
    coefficient times 1000 towards zero, None where it is not defined."""

    start_ns: tuple[int, ...]
    denied: tuple[int, ...]
    cost: tuple[int, ...]
    p95: tuple[int, ...]
    errors: tuple[int, ...]
    milli: dict[tuple[str, str], int | None]


@dataclasses.dataclass(frozen=True, slots=True)
class AlertCondition:
    """When an alert holds: `metric` above the threshold in a window of `window_ns`, for `for_ns`;
    firing, until it is less than `clear_below`."""

    metric: AlertMetric
    service_id: int | None
    tenant_id: int | None
    window_ns: int
    for_ns: int
    clear_below: int


@dataclasses.dataclass(frozen=True, slots=True)
class AlertNotification:
    """An alert fired or resolved. `alert_id` None: the alert is gone since."""

    id: int
    at_ns: int
    value: int
    alert_id: int | None
    state: AlertState
    acknowledged: bool


@dataclasses.dataclass(frozen=True, slots=True)
class GovernanceAlerts:
    """One alert: its threshold, its condition, where it is, and its latest notification that is
    still kept."""

    id: int
    name: str
    threshold: int
    condition: AlertCondition
    notification: AlertNotification | None
    state: AlertState
    value: int
    since_ns: int
    fired_count: int
    acknowledged: bool
