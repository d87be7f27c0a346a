# SPDX-License-Identifier: MIT
"""priority: the half of PriorityScheduler that only reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from host_sim.decision import NEVER, NONE
from host_sim.errors import ArgumentError, RangeError, UnknownError, check
from host_sim.modules.base import Module, text_bytes, u64
from host_sim.modules.priority_types import (
    MS_NS,
    SLA,
    Breach,
    ClassShare,
    Estimate,
    Fairness,
    FlowBy,
    Leave,
    Origin,
    PriorityQueue,
    PriorityStats,
    QueuedRequest,
    QueueMetrics,
    QueueRules,
    RequestPriority,
    SLAAlert,
    SLAReport,
)

Flow = str | bytes | int
U32 = 1 << 32


class PriorityReader(Module):
    """Reading a queue state: alone with one of its own, or a Kernel's."""

    _word = "priority"

    def __init__(self, **owner: Any) -> None:
        super().__init__(**owner)
        self._numbers: dict[int, int] = {}  # the core's number of a request: its id
        self._entries: dict[int, int] = {}  # a request's id: its entry
        self._number = 0

    # -- rules ----------------------------------------------------------------------------------
    def get_rules(self) -> QueueRules:
        """[queue] as it is in force, and R of the starvation law."""
        spec = self.ffi.new("ray_queue_spec *")
        self.lib.ray_priority_spec_read(self._state, spec)
        return QueueRules(
            weights=tuple(int(weight) for weight in spec.weight),
            critical_cap=int(spec.critical_cap),
            servers=int(spec.servers),
            depth=int(spec.depth),
            flows=int(spec.flows),
            displace=bool(spec.displace),
            earliest_deadline=bool(spec.earliest_deadline),
            flow_by=FlowBy(spec.flow_by),
            bound=int(self.lib.ray_priority_bound(self._state)),
        )

    # -- queues ---------------------------------------------------------------------------------
    def _queue_stats(self, service_id: int, now_ns: int | None) -> Any:
        out = self.ffi.new("ray_queue_stats *")
        check(
            self.lib.ray_priority_queue_read(
                self._state, self._at(now_ns), handle_of(service_id), out
            ),
            f"no service {service_id}",
        )
        return out

    def get_queue(self, service_id: int = 0) -> PriorityQueue:
        """The queue of a service. Raises UnknownError past the table."""
        out = self._queue_stats(service_id, None)
        critical, high, normal, low, batch = (int(depth) for depth in out.depth)
        return PriorityQueue(
            service_id=service_id,
            lanes=(critical, high, normal, low, batch),
            delayed=int(out.delayed_count),
            busy=int(out.busy_count),
            servers=int(out.servers),
            depth=int(out.depth_max),
            flows=int(out.flows),
            own=bool(out.own),
            service_ns=int(out.service_ns),
        )

    def get_queue_stats(
        self, service_id: int | None = None, *, now_ns: int | None = None
    ) -> QueueMetrics:
        """Depth, age of the oldest, mean wait and refusals of one queue, or of all together."""
        places = range(self.lib.RAY_SERVICE_MAX) if service_id is None else (service_id,)
        all_of = [self._queue_stats(place, now_ns) for place in places]
        sent = sum(int(one.sent_count) for one in all_of)
        waited = sum(int(one.wait_sum_ns) for one in all_of)
        return QueueMetrics(
            depth=sum(int(one.waiting_count) for one in all_of),
            oldest_request_age=max(int(one.oldest_ns) for one in all_of),
            avg_wait_time=waited // sent if sent else 0,
            rejection_count=sum(int(one.denied_count) for one in all_of),
            queued_count=sum(int(one.queued_count) for one in all_of),
            sent_count=sent,
        )

    def _request_of(self, entry: int) -> QueuedRequest:
        out = self.ffi.new("ray_queued *")
        check(self.lib.ray_priority_entry_read(self._state, entry, out), f"no entry {entry}")
        number = int(out.request)
        return QueuedRequest(
            request_id=self._numbers.get(number, number),
            priority=RequestPriority(out.priority),
            arrival_time=int(out.arrival_ns),
            sla_deadline=None if out.deadline_ns == NEVER else int(out.deadline_ns),
            origin=Origin(out.origin),
            service_id=int(out.service),
            width=int(out.width),
            flow=int(out.flow),
            not_before=int(out.not_before_ns) if out.delayed else None,
            ticket=int(out.ticket),
            entry=entry,
        )

    def queued(self, service_id: int | None = None) -> tuple[QueuedRequest, ...]:
        """Every request that waits, by arrival."""
        out, found = self.ffi.new("uint32_t *"), []
        for place in range(self.lib.RAY_QUEUE_ENTRY_MAX):
            if self.lib.ray_priority_at(self._state, place, out) == 0:
                request = self._request_of(int(out[0]))
                if service_id in (None, request.service_id):
                    found.append(request)
        return tuple(sorted(found, key=lambda request: request.ticket))

    def get_request(self, request_id: int) -> QueuedRequest:
        """A request that waits. Raises UnknownError for one that does not (any more)."""
        return self._request_of(self._entry(request_id))

    def _entry(self, request_id: int) -> int:
        if self.kernel is None:
            entry = self._entries.get(request_id)
        else:  # a Kernel's requests are known by their place among those in flight
            entry = next(
                (one.entry for one in self.queued() if one.request_id == request_id), None
            )
        if entry is None:
            raise UnknownError(f"no request {request_id} waits")
        return entry

    def estimate_queue_time(
        self,
        service_id: int = 0,
        priority: RequestPriority = RequestPriority.NORMAL,
        *,
        not_before_ns: int = 0,
        now_ns: int | None = None,
    ) -> Estimate:
        """How long a new request of this class would wait, and from what that was computed.

        `ahead` dispatches by the weights if nobody else arrives, times the moving average of the
        service time (weight 1/8), by the number of servers. Changes nothing."""
        query = self._query(service_id, priority, not_before_ns=not_before_ns, hold=False)
        answer = self.ffi.new("ray_priority_answer *")
        status = self.lib.ray_priority_ask(self._state, self._at(now_ns), query, answer)
        check(status, f"estimate for service {service_id}")
        queue = self.get_queue(service_id)
        return Estimate(
            wait_ns=int(answer.wait_ns),
            ahead=int(answer.ahead),
            service_ns=queue.service_ns,
            servers=queue.servers,
            accepted=bool(answer.granted),
        )

    def _query(self, service_id: int, priority: int, **fields: Any) -> Any:
        query = self.ffi.new("ray_priority_query *")
        self._fill(
            query, {"service": handle_of(service_id), "priority": int(priority), **fields}
        )
        return query

    def flow_of(self, flow: Flow | None) -> int:
        """The identity a query carries for whom a request is from: a number as it is, text by its
        first eight bytes of SHA-256, None for nobody."""
        if flow is None or isinstance(flow, int):
            return u64(flow or 0, "flow")
        import hashlib

        return int.from_bytes(hashlib.sha256(text_bytes(flow)).digest()[:8], "little") or 1

    # -- fairness -------------------------------------------------------------------------------
    def get_fair_share(self) -> dict[RequestPriority, ClassShare]:
        """By class: the weight, the share of dispatches it cannot fall below while it waits, and
        what it got."""
        out, found = self.ffi.new("ray_class_stats *"), {}
        for priority in RequestPriority:
            check(self.lib.ray_priority_class_read(self._state, int(priority), out))
            found[priority] = ClassShare(
                weight=int(out.weight),
                bound=int(self.lib.ray_priority_bound(self._state)),
                share_ppm=int(out.share_ppm),
                waiting_count=int(out.waiting_count),
                sent_count=int(out.sent_count),
                denied_count=int(out.denied_count),
                wait_sum_ns=int(out.wait_sum_ns),
                wait_max_ns=int(out.wait_max_ns),
                gap_max=int(out.gap_max),
                gap_bound=int(out.gap_bound),
            )
        return found

    def enforce_fairness(self) -> Fairness:
        """Checks the law of starvation against what was dispatched since the weights were set: no
        class that waited was passed by more than bound - weight times in a row."""
        shares = self.get_fair_share().values()
        starved = int(self.lib.ray_priority_fairness(self._state))
        return Fairness(
            holds=starved == 0,
            bound=int(self.lib.ray_priority_bound(self._state)),
            starved=RequestPriority(starved - 1) if starved else None,
            gap_max=tuple(share.gap_max for share in shares),
            gap_bound=tuple(share.gap_bound for share in shares),
        )

    def divide_fairly(self, demands: Sequence[int], capacity: int) -> tuple[int, ...]:
        """Max-min fair division of whole units: nobody gets more than demanded, what is left is
        split evenly among those who want more, a rest goes to the first ones."""
        wanted = self.ffi.new("uint64_t[]", [u64(demand, "demand") for demand in demands] or 1)
        share = self.ffi.new("uint64_t[]", len(demands) or 1)
        self.lib.ray_priority_divide(wanted, len(demands), u64(capacity, "capacity"), share)
        return tuple(int(one) for one in share)[: len(demands)]

    # -- promises -------------------------------------------------------------------------------
    def get_sla(self, service_id: int) -> SLA:
        """What a service promises. Raises UnknownError when it promises nothing."""
        spec = self.ffi.new("ray_sla_spec *")
        check(
            self.lib.ray_priority_sla_spec_read(self._state, handle_of(service_id), spec),
            f"service {service_id} has no SLA",
        )
        priority = int(spec.priority)
        return SLA(
            service_id=service_id,
            p95_latency_ms=int(spec.p95_latency_ns) // MS_NS,
            error_rate_threshold=int(spec.error_rate_bp),
            priority_level=(
                None if priority == self.lib.RAY_CLASS_DEFAULT else RequestPriority(priority)
            ),
            p95_latency_ns=int(spec.p95_latency_ns),
            deadline_ns=int(spec.deadline_ns or spec.p95_latency_ns),
        )

    def slas(self) -> tuple[SLA, ...]:
        """Every promise, by service (those of a configuration file)."""
        out = self.ffi.new("ray_sla_spec *")
        return tuple(
            self.get_sla(place)
            for place in range(self.lib.RAY_SERVICE_MAX)
            if self.lib.ray_priority_sla_spec_read(self._state, place, out) == 0
        )

    def get_sla_report(self, service_id: int, *, now_ns: int | None = None) -> SLAReport:
        """How the promise was kept; minutes that ended by `now_ns` are closed in the answer only.
        Raises UnknownError."""
        out = self.ffi.new("ray_sla_stats *")
        check(
            self.lib.ray_priority_sla_read(
                self._state, self._at(now_ns), handle_of(service_id), out
            ),
            f"service {service_id} has no SLA",
        )
        names = [name for name in SLAReport.__slots__ if name != "last_breach"]
        fields = {name: int(getattr(out, name)) for name in names}
        return SLAReport(**fields, last_breach=Breach(int(out.last_breach)))

    def get_sla_alerts(self, *, unacknowledged: bool = False) -> tuple[SLAAlert, ...]:
        """The minutes that broke their promise and are still kept, the oldest first. A minute is
        closed by the first outcome after it."""
        stats, out, found = self.stats(), self.ffi.new("ray_sla_alert *"), []
        for alert_id in range(stats.breach_overwritten_count + 1, stats.breach_count + 1):
            check(self.lib.ray_priority_alert_read(self._state, alert_id, out))
            if unacknowledged and out.acknowledged:
                continue
            found.append(
                SLAAlert(
                    id=int(out.id),
                    minute=int(out.minute),
                    service_id=None if out.service == NONE else int(out.service),
                    breach=Breach(int(out.breach)),
                    outcome_count=int(out.outcome_count),
                    failed_count=int(out.failed_count),
                    slow_count=int(out.slow_count),
                    acknowledged=bool(out.acknowledged),
                )
            )
        return tuple(found)

    def stats(self) -> PriorityStats:
        """The module's counters; asked = granted + denied, queued = sent + left + waiting."""
        out = self.ffi.new("ray_priority_stats *")
        self.lib.ray_priority_read(self._state, out)
        plain = [name for name in PriorityStats.__slots__ if name not in ("left", "origins")]
        return PriorityStats(
            **{name: int(getattr(out, name)) for name in plain},
            left={why: int(out.left_count[why]) for why in Leave},
            origins={origin: int(out.origin_count[origin]) for origin in Origin},
        )

    def export_queues(
        self, format: Literal["csv", "json"] = "csv", *, now_ns: int | None = None
    ) -> str:
        """Every queue in use and its SLA, by service, in fixed columns of whole numbers; the same
        state gives the same bytes."""
        if format not in ("csv", "json"):
            raise ArgumentError(f"the formats are csv and json, not {format!r}")
        lib = self.lib
        write = lib.ray_priority_export_csv if format == "csv" else lib.ray_priority_export_json
        now = self._at(now_ns)
        return self._written(lambda text: write(self._state, now, text), "export")


def handle_of(service_id: int) -> int:
    """A service's handle, when it is one. Raises ArgumentError, RangeError."""
    if isinstance(service_id, bool) or not isinstance(service_id, int):
        raise ArgumentError(f"service_id is a whole number, not {service_id!r}")
    if not 0 <= service_id < U32:
        raise RangeError(f"no service {service_id}")
    return service_id
