# SPDX-License-Identifier: MIT
"""lb: which instance of a service gets the next request, and which of them are fit to.

Rules: SEMANTICS.md, "lb"; the C core behind it: ray/lb.h.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any

from host_sim import endpoint
from host_sim.decision import NEVER, NONE
from host_sim.errors import ArgumentError, RangeError, check
from host_sim.modules.base import u64
from host_sim.modules.exposition import Exposed

__all__ = [
    "BalancingStrategy", "HealthStatus", "LoadBalancer", "Selection", "ServiceInstance",
    "ServicePool",
]  # fmt: skip


class BalancingStrategy(enum.IntEnum):
    """How a pool chooses (enum ray_balance)."""

    ROUND_ROBIN = 0
    LEAST_CONNECTIONS = 1
    WEIGHTED_ROUND_ROBIN = 2
    IP_HASH = 3
    KETAMA = 4
    MAGLEV = 5
    NGINX_IP_HASH = 6


class HealthStatus(enum.IntEnum):
    """What is known of an instance (enum ray_health)."""

    HEALTHY = 0
    UNHEALTHY = 1
    UNKNOWN = 2
    DEGRADED = 3


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceInstance:
    """One instance; `connections` are open now, `fit` is whether it may be picked. `at` is its key
    HOST:PORT, where an IPv6 `address` stands in brackets."""

    id: int
    address: str
    port: int
    weight: int
    health: HealthStatus
    connections: int
    pool: int
    fit: bool
    draining: bool
    picked_count: int
    failed_count: int
    ejected_until_ns: int

    @property
    def at(self) -> str:
        """HOST:PORT, as the console and exports write it."""
        return endpoint.join(self.address, self.port)


@dataclasses.dataclass(frozen=True, slots=True)
class ServicePool:
    """One pool: its instances in table order, the place picked last, connections open now."""

    id: int
    name: str
    instances: tuple[int, ...]
    current_index: int
    strategy: BalancingStrategy
    connection_count: int
    fit_count: int
    idle_count: int


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """Who was picked under which lease; a refusal has a reason and neither."""

    instance: int | None
    lease: int | None
    reason: int
    panic: bool
    reused: bool
    retry_after_ns: int


class LoadBalancer(Exposed):
    """128 pools that share 256 instances (profile seed), alone or a Kernel's."""

    _word = "lb"

    def _expire(self, now: int) -> None:
        self.lib.ray_lb_tick(self._state, now)

    def register_pool(
        self,
        name: str,
        strategy: BalancingStrategy = BalancingStrategy.ROUND_ROBIN,
        *,
        now_ns: int | None = None,
        **fields: int,
    ) -> int:
        """Creates a pool; `fields` are those of ray_pool_spec. Returns its id. Raises ExistsError,
        FullError, RangeError, ArgumentError."""
        spec, out = self.ffi.new("ray_pool_spec *"), self.ffi.new("uint32_t *")
        self._set_name(spec.name, name, "a pool's name")
        begin = dict(rise=1, fall=1, eject_percent=50, slow_start_percent=10)
        try:
            self._fill(spec, {**begin, **fields, "strategy": int(strategy)})
        except AttributeError as error:
            raise ArgumentError(f"no such field of a pool: {error}") from error
        check(self.lib.ray_lb_add_pool(self._state, self._pass(now_ns), spec, out), f"pool {name}")
        self._edited("SET", "POOL", int(out[0]), 0, int(strategy))
        return int(out[0])

    def _spec(self, pool: int, address: str, port: int, weight: int) -> Any:
        if not 1 <= port <= 65_535:
            raise RangeError(f"a port is 1 to 65535, not {port}")
        spec = self.ffi.new("ray_instance_spec *")
        try:
            at = endpoint.join(address, port)
        except ValueError as error:
            raise ArgumentError(f"no address of an instance: {error}") from error
        self._set_name(spec.at, at, "an instance's address and port")
        self._fill(spec, {"pool": pool, "weight": weight})
        return spec

    def register_instance(
        self, pool: int, address: str, port: int, *, weight: int = 1, now_ns: int | None = None
    ) -> int:
        """Adds an instance to a pool; returns its id. `address` is a name, an IPv4 address or an
        IPv6 address, with or without brackets. Raises as register_pool, UnknownError."""
        spec, out = self._spec(pool, address, port, weight), self.ffi.new("uint32_t *")
        now = self._pass(now_ns)
        check(self.lib.ray_lb_add_instance(self._state, now, spec, out), self._text(spec.at))
        self._edited("SET", "INSTANCE", int(out[0]), 0, weight)
        return int(out[0])

    def discover(
        self, pool: int, found: Sequence[tuple[str, int, int]], *, now_ns: int | None = None
    ) -> None:
        """The whole set of (address, port, weight): known ones keep their counts, others drain and
        go. An empty set keeps the last one and is counted: ArgumentError."""
        rows = self.ffi.new("ray_instance_spec[]", max(len(found), 1))
        for i, (address, port, weight) in enumerate(found):
            rows[i] = self._spec(pool, address, port, weight)[0]
        now = self._pass(now_ns)
        check(self.lib.ray_lb_discover(self._state, now, pool, rows, len(found)), f"pool {pool}")

    def select_instance(
        self,
        pool: int,
        *,
        key: int = 0,
        avoid: int | None = None,
        lease_ns: int | None = None,
        now_ns: int | None = None,
    ) -> Selection:
        """Chooses and opens a connection, to be ended by `release`; after `lease_ns` it is given
        up. Nobody fit is an outcome, not an exception."""
        now = self._pass(now_ns)
        query, answer = self.ffi.new("ray_lb_query *"), self.ffi.new("ray_lb_answer *")
        query.pool, query.key = pool, u64(key, "key")
        query.avoid = NONE if avoid is None else avoid
        query.until_ns = NEVER if lease_ns is None else now + u64(lease_ns, "lease_ns")
        check(self.lib.ray_lb_ask(self._state, now, query, answer), f"pool {pool}")
        lease = self.lib.ray_lb_take(self._state, now, query, answer) if answer.granted else NONE
        self.lib.ray_lb_note(self._state, now, query, answer, int(lease != NONE))
        taken = lease != NONE
        return Selection(
            int(answer.instance) if taken else None,
            int(lease) if taken else None,
            int(answer.reason),
            bool(answer.panic),
            bool(answer.reused),
            int(answer.retry_after_ns),
        )

    def release(
        self, lease: int, *, failed: bool = False, latency_ns: int = 0, now_ns: int | None = None
    ) -> None:
        """Ends a selection's connection, once. Raises StaleError, UnknownError."""
        now, outcome = self._pass(now_ns), self.ffi.new("ray_lb_outcome *")
        outcome.failed, outcome.latency_ns = int(failed), u64(latency_ns, "latency_ns")
        check(self.lib.ray_lb_done(self._state, now, lease, outcome), f"lease {lease}")

    def _mark(self, instance: int, health: HealthStatus, now_ns: int | None) -> None:
        before = self.get_instance(instance).health
        now = self._pass(now_ns)
        check(self.lib.ray_lb_set_health(self._state, now, instance, int(health)))
        self._edited("SET", "INSTANCE", instance, int(before), int(health))

    def mark_healthy(self, instance: int, *, now_ns: int | None = None) -> None:
        """Healthy at once, ejection over. Raises UnknownError, StaleError."""
        self._mark(instance, HealthStatus.HEALTHY, now_ns)

    def mark_unhealthy(self, instance: int, *, now_ns: int | None = None) -> None:
        """Unhealthy at once. Raises UnknownError, StaleError."""
        self._mark(instance, HealthStatus.UNHEALTHY, now_ns)

    def health_check(
        self, instance: int, passed: bool, *, now_ns: int | None = None
    ) -> HealthStatus:
        """What a probe saw; `rise` and `fall` in a row decide. Returns the health after it."""
        check(self.lib.ray_lb_probe(self._state, self._pass(now_ns), instance, int(passed)))
        return self.get_instance(instance).health

    def find_pool(self, name: str) -> int:
        """The id of the pool of this name. Raises UnknownError."""
        out, text = self.ffi.new("uint32_t *"), name.encode()
        check(self.lib.ray_lb_find_pool(self._state, text, len(text), out), f"pool {name}")
        return int(out[0])

    def get_pool(self, pool: int, *, now_ns: int | None = None) -> ServicePool:
        """A pool as it is. Raises UnknownError, StaleError."""
        spec, out = self.ffi.new("ray_pool_spec *"), self.ffi.new("ray_pool_stats *")
        now = self._at(now_ns)
        check(self.lib.ray_lb_pool_read(self._state, now, pool, spec, out), f"pool {pool}")
        ids, at = [], NONE
        while (at := int(self.lib.ray_lb_next_instance(self._state, pool, at))) != NONE:
            ids.append(at)
        return ServicePool(
            pool, self._text(spec.name), tuple(ids), int(out.cursor),
            BalancingStrategy(spec.strategy), int(out.connection_count), int(out.fit_count),
            int(out.idle_count),
        )  # fmt: skip

    def get_instance(self, instance: int, *, now_ns: int | None = None) -> ServiceInstance:
        """An instance as it is. Raises UnknownError, StaleError."""
        spec, out = self.ffi.new("ray_instance_spec *"), self.ffi.new("ray_instance_stats *")
        now = self._at(now_ns)
        check(self.lib.ray_lb_instance_read(self._state, now, instance, spec, out), "instance")
        address, port = endpoint.split(self._text(spec.at))
        return ServiceInstance(
            instance, address, port, int(spec.weight), HealthStatus(out.health),
            int(out.connection_count), int(out.pool), bool(out.fit), bool(out.draining),
            int(out.picked_count), int(out.failed_count), int(out.ejected_until_ns),
        )  # fmt: skip

    def reset_index(self, pool: int, *, now_ns: int | None = None) -> None:
        """Round robin begins anew. Raises UnknownError, StaleError."""
        check(self.lib.ray_lb_reset(self._state, self._pass(now_ns), pool), f"pool {pool}")
        self._edited("RESET", "POOL", pool, 0, 0)

    def get_connection_count(self, pool: int | None = None) -> int:
        """Connections open now, of a pool or of all."""
        if pool is not None:
            return self.get_pool(pool).connection_count
        out = self.ffi.new("ray_lb_stats *")
        self.lib.ray_lb_read(self._state, out)
        return int(out.connection_count)

    def increment_connections(self, instance: int, *, now_ns: int | None = None) -> int:
        """One connection more, of a caller without leases; returns how many there are."""
        check(self.lib.ray_lb_open(self._state, self._pass(now_ns), instance), "open")
        return self.get_instance(instance).connections

    def decrement_connections(self, instance: int, *, now_ns: int | None = None) -> int:
        """One less; StateError when none is open but under leases."""
        check(self.lib.ray_lb_close(self._state, self._pass(now_ns), instance), "close")
        return self.get_instance(instance).connections
