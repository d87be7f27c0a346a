# SPDX-License-Identifier: MIT
"""priority: the part of PriorityScheduler that changes rules and promises."""

from __future__ import annotations

from typing import Any, Unpack

from host_sim.decision import NONE
from host_sim.errors import check
from host_sim.modules.base import u64
from host_sim.modules.priority_reading import PriorityReader, handle_of
from host_sim.modules.priority_types import (
    MS_NS,
    SLA,
    PriorityQueue,
    QueueRules,
    QueueTerms,
    RequestPriority,
)


class PriorityControl(PriorityReader):
    """[queue], what a service says itself, and the SLAs; every error changes nothing."""

    # -- rules ----------------------------------------------------------------------------------
    def configure(self, **terms: Unpack[QueueTerms]) -> QueueRules:
        """Changes what `terms` say of [queue] and returns all of it; requests stay where they are.

        New weights or a new cap begin the law's count anew. Raises RangeError, ArgumentError."""
        now, spec = self.get_rules(), self.ffi.new("ray_queue_spec *")
        for place, weight in enumerate(terms.get("weights", now.weights)):
            self._fill_at(spec.weight, place, weight)
        names = ("critical_cap", "servers", "depth", "flows", "displace", "earliest_deadline")
        values: dict[str, Any] = {**terms}
        self._fill(spec, {name: int(values.get(name, getattr(now, name))) for name in names})
        self._fill(spec, {"flow_by": int(terms.get("flow_by", now.flow_by))})
        check(self.lib.ray_priority_set(self._state, spec), f"configure {terms}")
        self._edited("SET", "QUEUE", NONE, now.bound, self.lib.ray_priority_bound(self._state))
        return self.get_rules()

    def _fill_at(self, array: Any, place: int, value: int) -> None:
        box = self.ffi.new("ray_service_queue_spec *")
        self._fill(box, {"depth": value})
        array[place] = box.depth

    def set_service(
        self,
        service_id: int,
        *,
        servers: int | None = None,
        depth: int | None = None,
        flows: int | None = None,
    ) -> PriorityQueue:
        """One service's own servers, depth and flows; what is None stays as it is. Raises
        RangeError, UnknownError."""
        now = self.get_queue(service_id)
        spec = self.ffi.new("ray_service_queue_spec *")
        self._fill(
            spec,
            {
                "service": service_id,
                "servers": now.servers if servers is None else servers,
                "depth": now.depth if depth is None else depth,
                "flows": now.flows if flows is None else flows,
            },
        )
        check(self.lib.ray_priority_service_set(self._state, spec), f"set service {service_id}")
        self._edited("SET", "QUEUE", service_id, now.servers, spec.servers)
        return self.get_queue(service_id)

    def unset_service(self, service_id: int) -> None:
        """[queue] holds for the service again. Raises UnknownError when it has nothing of its
        own."""
        check(
            self.lib.ray_priority_service_unset(self._state, handle_of(service_id)),
            f"service {service_id} has nothing of its own",
        )
        self._edited("REMOVE", "QUEUE", service_id, 0, 0)

    # -- promises -------------------------------------------------------------------------------
    def _sla(self, service_id: int, fields: dict[str, Any]) -> Any:
        spec = self.ffi.new("ray_sla_spec *")
        self._fill(spec, {"service": handle_of(service_id), **fields})
        return spec

    def define_sla(
        self,
        service_id: int,
        *,
        p95_latency_ms: int,
        error_rate_threshold: int = 10_000,
        priority_level: RequestPriority | None = None,
        deadline_ms: int | None = None,
    ) -> SLA:
        """Registers what a service promises: 95 of 100 outcomes of a minute within
        `p95_latency_ms`, at most `error_rate_threshold` basis points of them failed.

        Requests must be sent within `deadline_ms` of their arrival (default the p95) or are
        dropped; those that name no class get `priority_level`. Raises ExistsError, UnknownError,
        RangeError."""
        spec = self._sla(
            service_id,
            {
                "p95_latency_ns": u64(p95_latency_ms, "p95_latency_ms") * MS_NS,
                "deadline_ns": u64(deadline_ms or 0, "deadline_ms") * MS_NS,
                "error_rate_bp": error_rate_threshold,
                "priority": (
                    self.lib.RAY_CLASS_DEFAULT if priority_level is None else int(priority_level)
                ),
            },
        )
        check(self.lib.ray_priority_sla_define(self._state, spec), f"SLA of service {service_id}")
        self._edited("ADD", "SERVICE", service_id, 0, spec.p95_latency_ns)
        return self.get_sla(service_id)

    def update_sla(
        self,
        service_id: int,
        *,
        p95_latency_ms: int | None = None,
        error_rate_threshold: int | None = None,
        priority_level: RequestPriority | None = None,
        deadline_ms: int | None = None,
    ) -> SLA:
        """Changes what is not None; counts stay, and requests that wait keep their deadline. Raises
        UnknownError, RangeError."""
        spec = self.ffi.new("ray_sla_spec *")
        check(
            self.lib.ray_priority_sla_spec_read(self._state, handle_of(service_id), spec),
            f"service {service_id} has no SLA",
        )
        before = int(spec.p95_latency_ns)
        if p95_latency_ms is not None:
            self._fill(spec, {"p95_latency_ns": u64(p95_latency_ms, "p95_latency_ms") * MS_NS})
        if deadline_ms is not None:
            self._fill(spec, {"deadline_ns": u64(deadline_ms, "deadline_ms") * MS_NS})
        if error_rate_threshold is not None:
            self._fill(spec, {"error_rate_bp": error_rate_threshold})
        if priority_level is not None:
            spec.priority = int(priority_level)
        check(self.lib.ray_priority_sla_update(self._state, spec), f"SLA of service {service_id}")
        self._edited("SET", "SERVICE", service_id, before, spec.p95_latency_ns)
        return self.get_sla(service_id)

    def remove_sla(self, service_id: int) -> None:
        """The service promises nothing from here on. Raises UnknownError."""
        check(
            self.lib.ray_priority_sla_remove(self._state, handle_of(service_id)),
            f"service {service_id} has no SLA",
        )
        self._edited("REMOVE", "SERVICE", service_id, 0, 0)

    def acknowledge_sla_alert(self, alert_id: int) -> None:
        """Marks an alert as seen. Raises UnknownError for one not raised, StaleError for one
        gone."""
        status = self.lib.ray_priority_alert_acknowledge(self._state, u64(alert_id, "alert"))
        check(status, f"alert {alert_id}")
