# SPDX-License-Identifier: MIT
"""Metrics of a module as text: what the classes of the modules that have them do alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host_sim.decision import NONE
from host_sim.errors import check
from host_sim.modules.base import Module, text_bytes

Names = Mapping[int, str | bytes]


class Named(Module):
    """A module whose exports show names that are not its own: a Kernel's, or those given."""

    def _rows(self, names: Names) -> tuple[Any, Any]:
        """A ray_names, and the memory it points into."""
        memory = self.ffi.new("ray_name[]", max(names, default=0) + 1)
        for place, name in names.items():
            self._set_name(memory[place], text_bytes(name), f"the name of {place}")
        out = self.ffi.new("ray_names *")
        out.at, out.stride = self.ffi.cast("uint8_t *", memory), self.ffi.sizeof("ray_name")
        out.count = len(memory)
        return out, memory

    def _service_names(self) -> dict[int, bytes]:
        """The names of a Kernel's services by place."""
        found: dict[int, bytes] = {}
        if self.kernel is None:
            return found
        gateway = self.lib.ray_gateway_of(self.kernel.ray)
        row = self.ffi.new("ray_service_row *")
        place = self.lib.ray_gateway_next_service(gateway, NONE)
        while place != NONE:
            check(self.lib.ray_gateway_read_service(gateway, place, row), f"service {place}")
            found[place & 0xFFFF] = self.ffi.string(row.spec.name.at)
            place = self.lib.ray_gateway_next_service(gateway, place)
        return found

    def _tenant_names(self) -> dict[int, bytes]:
        """The names of a Kernel's tenants by place."""
        if self.kernel is None:
            return {}
        ray, found, spec = self.kernel.ray, {}, self.ffi.new("ray_tenant_spec *")
        for place in range(self.lib.ray_tenant_count(ray)):
            check(self.lib.ray_tenant_read(ray, place, spec), f"tenant {place}")
            found[place] = self.ffi.string(spec.name.at)
        return found


class Exposed(Module):
    """A module with metrics that need no names but its own."""

    def _expose(self, now: int, form: int, text: Any) -> int:
        """`ray_<word>_export_metrics`; a module that passes more or less overrides it."""
        return int(self._core("export_metrics")(self._state, now, form, text))

    def export_openmetrics(self, *, now_ns: int | None = None) -> str:
        """Its metrics as OpenMetrics 1.0 text; equal states give equal bytes."""
        now, form = self._at(now_ns), self.lib.RAY_EXPOSITION_OPENMETRICS
        return self._written(lambda text: self._expose(now, form, text), "export")

    def export_prometheus(self, *, now_ns: int | None = None) -> str:
        """The same as Prometheus text format 0.0.4."""
        now, form = self._at(now_ns), self.lib.RAY_EXPOSITION_PROMETHEUS
        return self._written(lambda text: self._expose(now, form, text), "export")
