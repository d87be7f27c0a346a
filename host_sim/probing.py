# SPDX-License-Identifier: MIT
"""Health probes on the host: what `health` of a configuration's pools asks for, told to the core.

The core opens no socket. A Prober asks every instance a pool has now (found by name or not) by TCP,
or by HTTP where the file names a path, and reports passed or failed; `rise` and `fall` are the
core's. Instants are whole nanoseconds, given by the caller.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from host_sim import bounded
from host_sim.config.model_pool import Health, Pool
from host_sim.modules.lb import HealthStatus, LoadBalancer, ServiceInstance

if TYPE_CHECKING:
    from host_sim.config import Config
    from host_sim.kernel import Kernel

AT_ONCE = 16
PASSING = range(200, 400)


@dataclasses.dataclass(frozen=True, slots=True)
class Probe:
    """One probe of a pool's instance: whether it passed, and its health after it."""

    pool: str
    at: str
    passed: bool
    health: HealthStatus


Check = Callable[[ServiceInstance, Health], bool]


def check(instance: ServiceInstance, health: Health) -> bool:
    """Does it take a connection, or answer GET of `path` with 200 to 399, within `timeout`? The
    status is enough: a body is not waited for, a redirect not followed."""
    until_ns = time.monotonic_ns() + health.timeout
    try:
        if health.path is None:
            bounded.reached(instance.address, instance.port, until_ns).close()
            return True
        url = bounded.web_address(f"http://{instance.at}{health.path}")
        status, _ = bounded.ask(url, "GET", None, {}, until_ns=until_ns, wants_body=False)
        return status in PASSING
    except bounded.FAILURES:
        return False


class Prober:
    """The probes of a configuration's pools, each pool with its own rhythm.

    `pools` is the file's `[pool.NAME]` tables (Config.file.pool); those without `health` are never
    asked. `asks` is what one probe does. 16 instances are asked at once, so a round of n that never
    answer takes n / 16 timeouts, rounded up.
    """

    def __init__(
        self, balancer: LoadBalancer, pools: Mapping[str, Pool], *, asks: Check = check
    ) -> None:
        self._balancer, self._asks = balancer, asks
        self._health = {
            name: pool.health for name, pool in pools.items() if pool.health is not None
        }
        self._due_ns = dict.fromkeys(self._health, 0)

    @property
    def due_ns(self) -> int | None:
        """When the next pool wants to be asked; None when none has `health`."""
        return min(self._due_ns.values(), default=None)

    def refresh(self, now_ns: int) -> list[Probe]:
        """Probes the pools whose time has come and reports each outcome, in the order of the file
        and of each pool's table, whichever instance answered first. Raises UnknownError for a pool
        the core does not have."""
        done = []
        for name, health in self._health.items():
            if now_ns < self._due_ns[name]:
                continue
            ids = self._balancer.get_pool(self._balancer.find_pool(name)).instances
            rows = [self._balancer.get_instance(id) for id in ids]
            with ThreadPoolExecutor(max_workers=AT_ONCE) as crew:
                passed = list(crew.map(self._asks, rows, [health] * len(rows)))
            done += [
                Probe(name, row.at, good,
                      self._balancer.health_check(row.id, good, now_ns=now_ns))
                for row, good in zip(rows, passed, strict=True)
            ]
            self._due_ns[name] = now_ns + health.every
        return done


def prober(config: Config, kernel: Kernel, *, asks: Check = check) -> Prober:
    """What `health` of a loaded configuration's pools asks for, told to the kernel's pools. Call
    `refresh(now_ns)` at the start and whenever `due_ns` has come."""
    return Prober(LoadBalancer(kernel=kernel), config.file.pool, asks=asks)
