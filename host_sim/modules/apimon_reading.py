# SPDX-License-Identifier: MIT
"""apimon: the half of ApiMonitor that only reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from host_sim.decision import NEVER, NONE
from host_sim.errors import ArgumentError, RangeError, check
from host_sim.modules.apimon_types import (
    ApiMetrics,
    ApiMonitorStats,
    Dependency,
    Duration,
    ErrorType,
    Gauges,
    HistogramBucket,
    LatencyBucket,
    LatencySample,
    ServiceMetrics,
    Throughput,
)
from host_sim.modules.base import row_of, u64
from host_sim.modules.exposition import Named, Names

ALL, OTHER, FIRST = range(3)
MILLION = 1_000_000
OTHER_ID: Literal["other"] = "other"
Service = int | Literal["other"] | None
PPM = {
    LatencyBucket.P50: 500_000,
    LatencyBucket.P95: 950_000,
    LatencyBucket.P99: 990_000,
    LatencyBucket.MAX: MILLION,
    LatencyBucket.MIN: 0,
}


class ApiMonitorReader(Named):
    """Reading a monitor's state; see ApiMonitor."""

    _word = "apimon"

    # -- rows -----------------------------------------------------------------------------------
    def _place(self, service_id: Service) -> int:
        if service_id is None:
            return ALL
        if service_id == OTHER_ID:
            return OTHER
        out = self.ffi.new("uint32_t *")
        check(
            self.lib.ray_apimon_find(self._state, handle(service_id), out),
            f"nothing was counted of service {service_id}",
        )
        return int(out[0])

    def _metrics(self, place: int) -> tuple[int | None, ApiMetrics]:
        counts, service = self.ffi.new("ray_apimon_counts *"), self.ffi.new("uint32_t *")
        check(self.lib.ray_apimon_row(self._state, place, service, counts), f"row {place}")
        return _none(service[0]), ApiMetrics(
            total_requests=int(counts.started_count),
            successful_requests=int(counts.finished_count - counts.governed_count),
            failed_requests=int(counts.errored_count),
            avg_latency=int(counts.latency_ns) // max(1, int(counts.timed_count)),
            governed_requests=int(counts.governed_count),
            inflight_requests=int(
                counts.started_count - counts.finished_count - counts.errored_count
            ),
            cancelled_requests=int(counts.cancelled_count),
            refused_requests=int(counts.refused_count),
            errors={kind: int(counts.error_count[kind]) for kind in ErrorType},
            request_bytes=int(counts.request_bytes),
            response_bytes=int(counts.response_bytes),
            latency_ns=int(counts.latency_ns),
            wait_ns=int(counts.wait_ns),
            upstream_ns=int(counts.upstream_ns),
        )

    def get_metrics(self, service_id: Service = None) -> ApiMetrics:
        """Everything counted of a service, of "other", or of all. Raises UnknownError."""
        return self._metrics(self._place(service_id))[1]

    def get_service_metrics(self, service_id: int | Literal["other"]) -> ServiceMetrics:
        """A service's row with its last latencies. Raises UnknownError for one never seen."""
        place = self._place(service_id)
        samples = self.ffi.new("uint64_t[]", self.lib.RAY_APIMON_SAMPLE_EACH)
        count = self.lib.ray_apimon_samples(self._state, place, samples)
        service, metrics = self._metrics(place)
        return ServiceMetrics(
            service_id=service,
            request_count=metrics.total_requests,
            error_count=metrics.failed_requests,
            latency_samples=tuple(int(samples[i]) for i in range(count)),
            metrics=metrics,
        )

    def services(self) -> tuple[int, ...]:
        """Ids of the services that have a row, in the order of their first request."""
        rows = range(FIRST, FIRST + self.stats().service_count)
        return tuple(id for id, _ in map(self._metrics, rows) if id is not None)

    def get_total_requests(self, service_id: Service = None) -> int:
        """Requests that began. Raises UnknownError."""
        return self.get_metrics(service_id).total_requests

    def get_error_rate(self, service_id: Service = None) -> int:
        """Errors of the requests that ended, in parts per million, rounded down; what governance
        refused is not counted. 0 of none. Raises UnknownError."""
        metrics = self.get_metrics(service_id)
        ended = metrics.successful_requests + metrics.failed_requests
        return metrics.failed_requests * MILLION // max(1, ended)

    def get_throughput(
        self, service_id: Service = None, *, now_ns: int | None = None
    ) -> Throughput:
        """Requests that ended in the last whole second (`rps`) and minute. Raises UnknownError."""
        out = self.ffi.new("ray_apimon_rates *")
        place = self._place(service_id)
        check(self.lib.ray_apimon_rates_read(self._state, self._at(now_ns), place, out), "rates")
        return row_of(Throughput, out)

    def gauges(self, service_id: int, *, now_ns: int | None = None) -> Gauges:
        """Errors and 99th percentile of the last whole minute, 0 where there are none; for
        `QuotaManager.observe`."""
        errors, p99 = self.ffi.new("uint64_t *"), self.ffi.new("uint64_t *")
        self.lib.ray_apimon_gauges(
            self._state, self._at(now_ns), handle(service_id), errors, p99
        )
        return Gauges(int(errors[0]), int(p99[0]))

    # -- latencies ------------------------------------------------------------------------------
    def _quantiles(self, place: int, ppm: Sequence[int]) -> tuple[tuple[int, ...], int]:
        if any(not 0 <= at <= MILLION for at in ppm):
            raise RangeError(f"a quantile is 0 to {MILLION} parts per million, not {tuple(ppm)}")
        out, count = self.ffi.new("uint64_t[]", len(ppm)), self.ffi.new("uint64_t *")
        rows = self.ffi.new("uint32_t[]", list(ppm))
        check(
            self.lib.ray_apimon_quantiles(self._state, place, rows, len(ppm), out, count), "row"
        )
        return tuple(int(value) for value in out), int(count[0])

    def calculate_percentile(
        self, which: LatencyBucket | int, service_id: Service = None
    ) -> int:
        """A figure of the latencies since the last reset, nanoseconds; or a quantile in parts per
        million. Nearest rank ceil(q * n), off by at most 2^-7 of itself, within min and max; AVG
        is of all time, rounded down. 0 of none. Raises RangeError, UnknownError."""
        place = self._place(service_id)
        if which is LatencyBucket.AVG:
            return self._metrics(place)[1].avg_latency
        ppm = PPM[which] if isinstance(which, LatencyBucket) else which
        return self._quantiles(place, [ppm])[0][0]

    def get_p95_latency(self, service_id: Service = None) -> int:
        """95th percentile in nanoseconds, as `calculate_percentile`."""
        return self.calculate_percentile(LatencyBucket.P95, service_id)

    def get_p99_latency(self, service_id: Service = None) -> int:
        """99th percentile in nanoseconds, as `calculate_percentile`."""
        return self.calculate_percentile(LatencyBucket.P99, service_id)

    def get_latency_histogram(
        self, service_id: Service = None, *, duration: Duration = Duration.TOTAL
    ) -> tuple[HistogramBucket, ...]:
        """The 32 cumulative buckets that are exported; the last has no bound and holds all.
        Raises UnknownError."""
        place, rows = self._place(service_id), []
        high, count = self.ffi.new("uint64_t *"), self.ffi.new("uint64_t *")
        for index in range(32):
            check(
                self.lib.ray_apimon_bucket(self._state, place, int(duration), index, high, count),
                f"bucket {index}",
            )
            bound = None if high[0] == NEVER else int(high[0])
            rows.append(HistogramBucket(bound, int(count[0])))
        return tuple(rows)

    def recent_samples(self) -> tuple[LatencySample, ...]:
        """The last 1024 latencies of all services (profile seed), oldest first."""
        out = self.ffi.new("ray_apimon_sample *")
        rows: list[LatencySample] = []
        while self.lib.ray_apimon_recent(self._state, len(rows), out) == 0:
            error = ErrorType(out.type) if out.type < len(ErrorType) else None
            rows.append(
                LatencySample(
                    int(out.at_ns), int(out.latency_ns), _none(out.service), out.http_status, error
                )
            )
        return tuple(rows)

    def dependencies(self) -> tuple[Dependency, ...]:
        """Who called what, `other` first."""
        out = self.ffi.new("ray_apimon_edge *")
        rows: list[Dependency] = []
        while self.lib.ray_apimon_edge_read(self._state, len(rows), out) == 0:
            rows.append(
                Dependency(
                    _none(out.caller), _none(out.service), int(out.ended_count),
                    int(out.error_count), int(out.latency_ns), not rows,
                )  # fmt: skip
            )
        return tuple(rows)

    # -- the whole ------------------------------------------------------------------------------
    def stats(self) -> ApiMonitorStats:
        """The module's counters."""
        return self._counters(ApiMonitorStats)

    def _export(self, write: Any, services: Names | None, callers: Names | None) -> str:
        labels = self.ffi.new("ray_apimon_labels *")
        rows, keep = self._rows(self._service_names() if services is None else services)
        more, keep_more = self._rows(self._tenant_names() if callers is None else callers)
        labels.service, labels.tenant = rows[0], more[0]
        text = self._written(lambda out: write(self._state, labels, out), "export")
        del keep, keep_more
        return text

    def _exposition(self, form: int, services: Names | None, callers: Names | None) -> str:
        write = self.lib.ray_apimon_export_metrics
        return self._export(
            lambda state, labels, out: write(state, labels, form, out), services, callers
        )

    def export_openmetrics(
        self, *, services: Names | None = None, callers: Names | None = None
    ) -> str:
        """OpenMetrics 1.0 text; equal states give equal bytes. Names by id are a Kernel's own, or
        those given here. Raises ArgumentError for a name above 47 bytes."""
        return self._exposition(self.lib.RAY_EXPOSITION_OPENMETRICS, services, callers)

    def export_prometheus(
        self, *, services: Names | None = None, callers: Names | None = None
    ) -> str:
        """The same as Prometheus text format 0.0.4."""
        return self._exposition(self.lib.RAY_EXPOSITION_PROMETHEUS, services, callers)

    def export_json(self, *, services: Names | None = None, callers: Names | None = None) -> str:
        """Every row with its samples, dependencies and recent latencies."""
        return self._export(self.lib.ray_apimon_export_json, services, callers)


def handle(id: int | None) -> int:
    """An id as the core takes it."""
    if id is None:
        return NONE
    if isinstance(id, str):
        raise ArgumentError(f"an id is a whole number, not {id!r}")
    if u64(id, "id") >= NONE:
        raise RangeError(f"an id is below {NONE}, not {id}")
    return id


def _none(id: int) -> int | None:
    return None if id == NONE else int(id)
