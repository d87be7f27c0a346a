# SPDX-License-Identifier: MIT
"""Pools of a Kernel by name: made, bound to a service, probed and read, as a scenario needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from host_sim.errors import check
from host_sim.kernel import Kernel


@dataclasses.dataclass(frozen=True, slots=True)
class Balanced:
    """One instance as it is now."""

    picked_count: int
    failed_count: int
    connection_count: int
    health: str
    ejection_count: int
    fit: bool


class Pools:
    """One pool of a Kernel, by its instances' names; edits as the console's `lb` makes them."""

    def __init__(
        self, kernel: Kernel, service: str, instances: Sequence[str], *,
        strategy: str = "ROUND_ROBIN", **terms: int,
    ) -> None:
        self.kernel, self.lb = kernel, kernel.lib.ray_lb_of(kernel.ray)
        spec = kernel.ffi.new("ray_pool_spec *")
        spec.name.at = service.encode()
        spec.strategy = getattr(kernel.lib, f"RAY_BALANCE_{strategy}")
        asked = {"rise": 1, "fall": 1, "eject_percent": 50, "slow_start_percent": 100, **terms}
        for term, value in asked.items():
            setattr(spec, term, value)
        out = kernel.ffi.new("uint32_t *")
        check(kernel.lib.ray_lb_add_pool(self.lb, self._now(), spec, out), f"pool {service!r}")
        self.pool = int(out[0])
        self._ids: dict[str, int] = {}
        for name in instances:
            self.add(name)
        handle = kernel.service_id(service)
        check(kernel.lib.ray_lb_bind(self.lb, handle, self.pool), f"pool of {service!r}")

    def _now(self) -> int:
        return int(self.kernel.lib.ray_clock_now(self.kernel.ray))

    def instances(self) -> tuple[str, ...]:
        """Names, in the order they came."""
        return tuple(self._ids)

    def add(self, name: str, *, weight: int = 1) -> None:
        """One more instance."""
        spec = self.kernel.ffi.new("ray_instance_spec *", {"pool": self.pool, "weight": weight})
        spec.at.at = name.encode()
        out = self.kernel.ffi.new("uint32_t *")
        check(self.kernel.lib.ray_lb_add_instance(self.lb, self._now(), spec, out), name)
        self._ids[name] = int(out[0])

    def remove(self, name: str) -> None:
        """One less; it must be idle."""
        id = self._ids[name]
        check(self.kernel.lib.ray_lb_remove_instance(self.lb, self._now(), id, 0), name)
        del self._ids[name]

    def probe(self, name: str, passed: bool) -> None:
        """What a prober saw, now."""
        check(self.kernel.lib.ray_lb_probe(self.lb, self._now(), self._ids[name], passed), name)

    def read(self, name: str) -> Balanced:
        """An instance's counters and health."""
        lib, ffi = self.kernel.lib, self.kernel.ffi
        spec, out = ffi.new("ray_instance_spec *"), ffi.new("ray_instance_stats *")
        id = self._ids[name]
        check(lib.ray_lb_instance_read(self.lb, self._now(), id, spec, out), name)
        return Balanced(
            out.picked_count, out.failed_count, out.connection_count,
            bytes(ffi.string(lib.ray_health_word(out.health))).decode(), out.ejection_count,
            bool(out.fit))  # fmt: skip


def connection_count(kernel: Kernel) -> int:
    """Connections that all pools of a Kernel hold now."""
    out: Any = kernel.ffi.new("ray_lb_stats *")
    kernel.lib.ray_lb_read(kernel.lib.ray_lb_of(kernel.ray), out)
    return int(out.connection_count)
