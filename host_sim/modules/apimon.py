# SPDX-License-Identifier: MIT
"""apimon: what came, how it ended and how long it took, by service and by caller.

started = finished + errored + in flight; each failure is of one ErrorType; percentiles are nearest
rank, off by at most 2^-7. Rules: SEMANTICS.md, "apimon"; the C core behind it: ray/apimon.h.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from host_sim.decision import NONE
from host_sim.errors import check
from host_sim.modules.apimon_reading import ApiMonitorReader, Service, handle
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

__all__ = [
    "ApiMetrics", "ApiMonitor", "ApiMonitorStats", "Dependency", "Duration", "ErrorType",
    "Gauges", "HistogramBucket", "LatencyBucket", "LatencySample",
    "Service", "ServiceMetrics", "Throughput",
]  # fmt: skip

STARTED, FINISHED, ERRORED, TIMEOUT, CANCELLED, REFUSED = range(6)
HOW: dict[ErrorType, tuple[int, int]] = {
    ErrorType.CLIENT_ERROR: (ERRORED, 404),
    ErrorType.SERVER_ERROR: (ERRORED, 0),
    ErrorType.TIMEOUT: (TIMEOUT, 0),
    ErrorType.AUTH_ERROR: (ERRORED, 401),
    ErrorType.VALIDATION_ERROR: (ERRORED, 400),
}


class ApiMonitor(ApiMonitorReader):
    """256 service rows, 1024 recent latencies, 256 dependencies (profile seed); by the C core.

    Alone it owns a state of its own; with `kernel` it reads what the Kernel's requests left there.
    Time is `now_ns`, nanoseconds that never run backwards. Where a service is asked for, None is
    all of them together and "other" what has no row. What ends must have begun: else StateError.
    """

    # -- recording ------------------------------------------------------------------------------
    def _note(self, now_ns: int | None, fields: Mapping[str, Any]) -> None:
        event = self.ffi.new("ray_apimon_event *")
        self._fill(event, {"wall_offset_ns": self.wall_offset_ns, **fields})
        check(self.lib.ray_apimon_fits(self._state, event), f"{dict(fields)}")
        self.lib.ray_apimon_note(self._state, self._pass(now_ns), event)

    def record_request(self, service_id: int | None, *, now_ns: int | None = None) -> None:
        """Tracks the start of a request; None where no service was found. Raises RangeError."""
        self._note(now_ns, {"kind": STARTED, "service": handle(service_id)})

    def record_response(
        self,
        service_id: int | None,
        *,
        http_status: int = 200,
        latency_ns: int,
        wait_ns: int = 0,
        upstream_ns: int = 0,
        late_ns: int = 0,
        request_bytes: int = 0,
        response_bytes: int = 0,
        caller_id: int | None = None,
        reason: int = 1,
        now_ns: int | None = None,
    ) -> None:
        """Tracks a response. `latency_ns` is from arrival to end, `wait_ns` and `upstream_ns` are
        parts of it; `late_ns` is how much later than intended its caller could send it, and counts
        as latency. `reason` is raygate's own where raygate answered. Raises StateError for what has
        not begun, RangeError for a status outside 100 to 599."""
        self._note(
            now_ns,
            {
                "kind": FINISHED,
                "service": handle(service_id),
                "http_status": http_status,
                "latency_ns": latency_ns,
                "wait_ns": wait_ns,
                "upstream_ns": upstream_ns,
                "late_ns": late_ns,
                "request_bytes": request_bytes,
                "response_bytes": response_bytes,
                "caller": handle(caller_id),
                "reason": reason,
            },
        )

    def record_error(
        self,
        service_id: int | None,
        error: ErrorType,
        *,
        latency_ns: int = 0,
        late_ns: int = 0,
        caller_id: int | None = None,
        now_ns: int | None = None,
    ) -> None:
        """Logs that a request ended with an error and without a response of its service. Raises
        StateError for what has not begun."""
        kind, status = HOW[ErrorType(error)]
        self._note(
            now_ns,
            {
                "kind": kind,
                "service": handle(service_id),
                "http_status": status,
                "latency_ns": latency_ns,
                "late_ns": late_ns,
                "caller": handle(caller_id),
            },
        )

    def record_cancel(
        self, service_id: int | None, *, latency_ns: int = 0, now_ns: int | None = None
    ) -> None:
        """The client went away: a ClientError. Raises StateError for what has not begun."""
        fields = {"kind": CANCELLED, "service": handle(service_id), "latency_ns": latency_ns}
        self._note(now_ns, {**fields, "caller": NONE})

    def record_refusal(
        self,
        service_id: int | None,
        *,
        reason: int,
        http_status: int = 0,
        caller_id: int | None = None,
        now_ns: int | None = None,
    ) -> None:
        """A request that began and ended at the gate, for a reason of reason.h; it is not timed."""
        self._note(
            now_ns,
            {
                "kind": REFUSED,
                "service": handle(service_id),
                "http_status": http_status,
                "reason": reason,
                "caller": handle(caller_id),
            },
        )

    def reset_metrics(self) -> None:
        """Clears windows, percentiles and samples. Counters and exported histograms stay."""
        before = self.stats().sample_count
        self.lib.ray_apimon_reset(self._state)
        self._edited("RESET", "NONE", NONE, before, 0)

    def _move(self, kind: str, before: Sequence[str], after: Sequence[str]) -> None:
        rows, _keep = zip(*(self._rows(dict(enumerate(x))) for x in (before, after)), strict=True)
        self._core(f"{kind}_move")(self._state, rows[0], rows[1])

    def move_services(self, before: Sequence[str], after: Sequence[str]) -> None:
        """Services have other ids from now on: what was counted follows its name; of a name that
        is gone it goes to "other"."""
        self._move("services", before, after)

    def move_callers(self, before: Sequence[str], after: Sequence[str]) -> None:
        """The same of callers."""
        self._move("tenants", before, after)
