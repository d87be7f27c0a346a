# SPDX-License-Identifier: MIT
"""priority: the words and records PriorityScheduler speaks in; import them from
host_sim.modules.priority."""

from __future__ import annotations

import dataclasses
import enum
from typing import TypedDict

MS_NS = 1_000_000


class RequestPriority(enum.IntEnum):
    """Classes, the most urgent first (enum ray_class)."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3
    BATCH = 4


class Origin(enum.IntEnum):
    """Where a request comes from (enum ray_origin); kept when it is requeued."""

    CLIENT = 0
    RETRY = 1
    REQUEUE = 2
    INTERNAL = 3


class FlowBy(enum.IntEnum):
    """Whom the pipeline takes for one flow (enum ray_flow_by)."""

    USER = 0
    TENANT = 1
    ADDRESS = 2


class Leave(enum.IntEnum):
    """Why a request left its queue without being sent (enum ray_leave)."""

    DEADLINE = 0
    DISPLACED = 1
    PREEMPTED = 2
    CANCELLED = 3
    REFUNDED = 4
    DRAINED = 5
    GONE = 6


class Breach(enum.IntFlag):
    """What a minute broke of its SLA (enum ray_sla_breach)."""

    ERRORS = 1
    LATENCY = 2


class QueueTerms(TypedDict, total=False):
    """What `configure` may change; the rest stays.

    `weights` by class 1 to 1000, `critical_cap` percent 0 to 90, `servers` that serve at once (0
    any number), `depth` that may wait for one service, `flows` per class, `displace` or turn away
    when full, `earliest_deadline` first inside a class, `flow_by` whom the pipeline hashes."""

    weights: tuple[int, int, int, int, int]
    critical_cap: int
    servers: int
    depth: int
    flows: int
    displace: bool
    earliest_deadline: bool
    flow_by: FlowBy


@dataclasses.dataclass(frozen=True, slots=True)
class QueueRules:
    """[queue] as it is in force; `bound` is R of the starvation law, in dispatches."""

    weights: tuple[int, ...]
    critical_cap: int
    servers: int
    depth: int
    flows: int
    displace: bool
    earliest_deadline: bool
    flow_by: FlowBy
    bound: int


@dataclasses.dataclass(frozen=True, slots=True)
class SLA:
    """What a service promises. `p95_latency_ms` is whole milliseconds (exactly: `p95_latency_ns`),
    `error_rate_threshold` basis points of a minute's outcomes, 10 000 for none, `priority_level`
    the class of requests that name none, `deadline_ns` from arrival until sent."""

    service_id: int
    p95_latency_ms: int
    error_rate_threshold: int
    priority_level: RequestPriority | None
    p95_latency_ns: int
    deadline_ns: int


@dataclasses.dataclass(frozen=True, slots=True)
class SLAReport:
    """How the promise was kept, up to the asked instant (ray_sla_stats): counts of outcomes since
    it was defined, of closed minutes, of the running and of the last closed minute."""

    outcome_count: int
    failed_count: int
    slow_count: int
    missed_count: int
    minute_count: int
    breach_count: int
    errors_breach_count: int
    latency_breach_count: int
    minute: int
    running_count: int
    running_failed_count: int
    running_slow_count: int
    last_count: int
    last_failed_count: int
    last_slow_count: int
    last_breach: Breach


@dataclasses.dataclass(frozen=True, slots=True)
class SLAAlert:
    """A minute that broke its promise; `service_id` None when the service is gone since."""

    id: int
    minute: int
    service_id: int | None
    breach: Breach
    outcome_count: int
    failed_count: int
    slow_count: int
    acknowledged: bool


@dataclasses.dataclass(frozen=True, slots=True)
class PriorityQueue:
    """One service's queue: how many wait by class, and what it may hold."""

    service_id: int
    lanes: tuple[int, int, int, int, int]
    delayed: int
    busy: int
    servers: int
    depth: int
    flows: int
    own: bool
    service_ns: int


@dataclasses.dataclass(frozen=True, slots=True)
class QueuedRequest:
    """One request that waits. Instants are `now_ns`; `sla_deadline` None: it may wait for ever;
    `not_before` None: it may start now. `ticket` orders requests by arrival."""

    request_id: int
    priority: RequestPriority
    arrival_time: int
    sla_deadline: int | None
    origin: Origin
    service_id: int
    width: int
    flow: int
    not_before: int | None
    ticket: int
    entry: int


@dataclasses.dataclass(frozen=True, slots=True)
class Placement:
    """What became of an arrival. `queued` False and `accepted` True: it was sent at once.
    `displaced` is the request that left to make room."""

    accepted: bool
    queued: bool
    reason: int
    ahead: int
    wait_ns: int
    deadline: int | None
    displaced: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Dispatch:
    """A request that left its queue towards its service."""

    request_id: int
    priority: RequestPriority
    arrival_time: int
    sent_time: int
    wait_ns: int
    service_id: int
    origin: Origin
    width: int


@dataclasses.dataclass(frozen=True, slots=True)
class Rejection:
    """What an overloaded queue answers: its reason code, the HTTP status, and when a place may be
    free again (0: unknown)."""

    reason: int
    http_status: int
    retry_after_ns: int


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """A wait and what it was made of: floor(ahead * service_ns / servers), at least until
    `not_before`. `accepted` False: the queue would turn it away."""

    wait_ns: int
    ahead: int
    service_ns: int
    servers: int
    accepted: bool


@dataclasses.dataclass(frozen=True, slots=True)
class QueueMetrics:
    """A queue in numbers; times in nanoseconds, `avg_wait_time` rounded down, of what was sent."""

    depth: int
    oldest_request_age: int
    avg_wait_time: int
    rejection_count: int
    queued_count: int
    sent_count: int


@dataclasses.dataclass(frozen=True, slots=True)
class ClassShare:
    """A class's part: `weight` dispatches of any `bound`, so at least `share_ppm` while it waits.
    `gap_max` dispatches in a row passed it by at most so far, `gap_bound` is the law."""

    weight: int
    bound: int
    share_ppm: int
    waiting_count: int
    sent_count: int
    denied_count: int
    wait_sum_ns: int
    wait_max_ns: int
    gap_max: int
    gap_bound: int


@dataclasses.dataclass(frozen=True, slots=True)
class Fairness:
    """Whether every class got what the law promises; true in a condition when it did."""

    holds: bool
    bound: int
    starved: RequestPriority | None
    gap_max: tuple[int, ...]
    gap_bound: tuple[int, ...]

    def __bool__(self) -> bool:
        return self.holds


@dataclasses.dataclass(frozen=True, slots=True)
class PriorityStats:
    """The module's counters (ray_priority_stats); left and taken by why and whence."""

    asked_count: int
    granted_count: int
    denied_count: int
    error_count: int
    unspent_count: int
    direct_count: int
    queued_count: int
    sent_count: int
    requeued_count: int
    finished_count: int
    breach_count: int
    breach_overwritten_count: int
    waiting_count: int
    delayed_count: int
    busy_count: int
    queue_count: int
    sla_count: int
    bound: int
    left: dict[Leave, int]
    origins: dict[Origin, int]
