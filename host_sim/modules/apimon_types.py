# SPDX-License-Identifier: MIT
"""apimon: the words and records ApiMonitor speaks in; import them from host_sim.modules.apimon."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping


class LatencyBucket(enum.Enum):
    """A figure of a distribution of latencies; percentiles are nearest rank."""

    P50 = "p50"
    P95 = "p95"
    P99 = "p99"
    MAX = "max"
    MIN = "min"
    AVG = "avg"


class ErrorType(enum.IntEnum):
    """The one type a failed request is of (enum ray_error_type)."""

    CLIENT_ERROR = 0
    SERVER_ERROR = 1
    TIMEOUT = 2
    AUTH_ERROR = 3
    VALIDATION_ERROR = 4


class Duration(enum.IntEnum):
    """Which time a histogram is of (enum ray_apimon_duration)."""

    TOTAL = 0
    WAIT = 1
    UPSTREAM = 2


@dataclasses.dataclass(frozen=True)
class ApiMetrics:
    """All services together; latencies in nanoseconds, rounded down. What governance refused is
    neither successful nor failed."""

    total_requests: int
    successful_requests: int
    failed_requests: int
    avg_latency: int
    governed_requests: int
    inflight_requests: int
    cancelled_requests: int
    refused_requests: int
    errors: Mapping[ErrorType, int]
    request_bytes: int
    response_bytes: int
    latency_ns: int
    wait_ns: int
    upstream_ns: int


@dataclasses.dataclass(frozen=True)
class ServiceMetrics:
    """One service, or what has no row of its own (service_id None). `latency_samples` are the
    last 128 latencies (profile seed), oldest first; no percentile is made of them."""

    service_id: int | None
    request_count: int
    error_count: int
    latency_samples: tuple[int, ...]
    metrics: ApiMetrics


@dataclasses.dataclass(frozen=True)
class HistogramBucket:
    """How many took at most `le_ns`; None is no bound."""

    le_ns: int | None
    count: int


@dataclasses.dataclass(frozen=True)
class Throughput:
    """Requests that ended, and errors of them, in the last whole second and minute. Their number
    in the second is the rate; nothing is smoothed."""

    second_count: int
    minute_count: int
    second_error_count: int
    minute_error_count: int
    minute_p99_ns: int

    @property
    def rps(self) -> int:
        """Requests per second."""
        return self.second_count


@dataclasses.dataclass(frozen=True)
class LatencySample:
    """One of the recent latencies of all services. `error` None: none, or refused."""

    at_ns: int
    latency_ns: int
    service_id: int | None
    http_status: int
    error: ErrorType | None


@dataclasses.dataclass(frozen=True)
class Dependency:
    """What a caller got from a service; `other` of pairs beyond the table."""

    caller_id: int | None
    service_id: int | None
    ended_count: int
    error_count: int
    latency_ns: int
    other: bool


@dataclasses.dataclass(frozen=True)
class Gauges:
    """What guards of quotas look at: the last whole minute of a service."""

    errors_per_minute: int
    latency_p99_ns: int


@dataclasses.dataclass(frozen=True)
class ApiMonitorStats:
    """`ray_apimon_stats`."""

    asked_count: int
    granted_count: int
    denied_count: int
    error_count: int
    errored_count: int
    inflight_count: int
    folded_count: int
    edge_folded_count: int
    sample_count: int
    reset_count: int
    service_count: int
    edge_count: int
