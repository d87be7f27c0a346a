# SPDX-License-Identifier: MIT
"""The load balancer of the core by itself, as tests and models drive it: ray/lb.h, call by call."""
from __future__ import annotations

from typing import Any

from host_sim import _raw

NONE, NEVER = 0xFFFF_FFFF, 2**64 - 1
STRATEGIES = ("round_robin", "least_connections", "weighted_round_robin", "ip_hash", "ketama",
              "maglev", "nginx_ip_hash")
HEALTHY, UNHEALTHY, UNKNOWN, DEGRADED = range(4)
DEFAULTS = dict(rise=1, fall=1, eject_percent=50, slow_start_percent=10)


class Balancer:
    """One state of the module, in memory of its own."""

    def __init__(self, profile: str = "tiny", seed: bytes = bytes(16)) -> None:
        raw = _raw.load(profile)
        self.ffi, self.lib = raw.ffi, raw.lib
        self.size = int(self.lib.ray_lb_bytes())
        self.memory = self.ffi.new("uint64_t[]", self.size // 8 + 1)
        self.at = self.ffi.cast("ray_lb *", self.memory)
        self.lib.ray_lb_init(self.at, seed)

    def snapshot(self) -> bytes:
        return bytes(self.ffi.buffer(self.memory, self.size))

    def valid(self) -> int:
        return int(self.lib.ray_lb_valid(self.at))

    def pool_spec(self, name: str, strategy: str = "round_robin", **fields: Any) -> Any:
        spec = self.ffi.new("ray_pool_spec *")
        self.ffi.memmove(spec.name.at, name.encode(), len(name.encode()))
        key_name = str(fields.pop("key_name", "")).encode()
        self.ffi.memmove(spec.key_name.at, key_name, len(key_name))
        spec.strategy = STRATEGIES.index(strategy)
        for field, value in {**DEFAULTS, **fields}.items():
            setattr(spec, field, value)
        return spec

    def instance_spec(self, at: str, weight: int = 1, pool: int = 0) -> Any:
        spec = self.ffi.new("ray_instance_spec *")
        self.ffi.memmove(spec.at.at, at.encode(), len(at.encode()))
        spec.weight, spec.pool = weight, pool
        return spec

    def try_pool(self, spec: Any, now: int = 0) -> tuple[int, int]:
        """(status, handle)."""
        out = self.ffi.new("uint32_t *", NONE)
        return int(self.lib.ray_lb_add_pool(self.at, now, spec, out)), int(out[0])

    def try_instance(self, pool: int, at: str, weight: int = 1, now: int = 0) -> tuple[int, int]:
        out = self.ffi.new("uint32_t *", NONE)
        spec = self.instance_spec(at, weight, pool)
        return int(self.lib.ray_lb_add_instance(self.at, now, spec, out)), int(out[0])

    def pool(self, name: str = "p", strategy: str = "round_robin", **fields: Any) -> int:
        status, handle = self.try_pool(self.pool_spec(name, strategy, **fields))
        assert status == 0, status
        return handle

    def instance(self, pool: int, at: str, weight: int = 1, now: int = 0) -> int:
        status, handle = self.try_instance(pool, at, weight, now)
        assert status == 0, status
        return handle

    def fill(self, pool: int, weights: list[int]) -> list[int]:
        return [self.instance(pool, f"10.0.0.{i + 1}:80", w) for i, w in enumerate(weights)]

    def ask(self, pool: int, *, key: int = 0, avoid: int = NONE, until: int = NEVER,
            now: int = 0) -> tuple[int, Any, Any]:
        """(status, query, answer)."""
        fields = dict(key=key, until_ns=until, pool=pool, avoid=avoid)
        query = self.ffi.new("ray_lb_query *", fields)
        answer = self.ffi.new("ray_lb_answer *")
        return int(self.lib.ray_lb_ask(self.at, now, query, answer)), query, answer

    def would(self, pool: int, **how: Any) -> int:
        """Who would get it; changes nothing."""
        status, _, answer = self.ask(pool, **how)
        assert status == 0, status
        return int(answer.instance)

    def pick(self, pool: int, *, now: int = 0, **how: Any) -> tuple[int, int]:
        """(instance, lease), (NONE, NONE) when nobody was granted."""
        status, query, answer = self.ask(pool, now=now, **how)
        assert status == 0, status
        lease = NONE
        if answer.granted:
            lease = int(self.lib.ray_lb_take(self.at, now, query, answer))
        self.lib.ray_lb_note(self.at, now, query, answer, int(lease != NONE))
        return (int(answer.instance), lease) if lease != NONE else (NONE, NONE)

    def done(self, lease: int, *, failed: int = 0, closed: int = 0, latency: int = 0,
             now: int = 0) -> int:
        outcome = self.ffi.new("ray_lb_outcome *",
                               dict(latency_ns=latency, failed=failed, closed=closed))
        return int(self.lib.ray_lb_done(self.at, now, lease, outcome))

    def once(self, pool: int, **how: Any) -> int:
        """A request that ends at once; who served it."""
        instance, lease = self.pick(pool, **how)
        if lease != NONE:
            assert self.done(lease, now=how.get("now", 0)) == 0
        return instance

    def discover(self, pool: int, rows: list[tuple[str, int]], now: int = 0) -> int:
        specs = self.ffi.new("ray_instance_spec[]", max(len(rows), 1))
        for i, (at, weight) in enumerate(rows):
            specs[i] = self.instance_spec(at, weight)[0]
        return int(self.lib.ray_lb_discover(self.at, now, pool, specs, len(rows)))

    def read(self) -> Any:
        out = self.ffi.new("ray_lb_stats *")
        self.lib.ray_lb_read(self.at, out)
        return out

    def read_pool(self, pool: int, now: int = 0) -> Any:
        spec, out = self.ffi.new("ray_pool_spec *"), self.ffi.new("ray_pool_stats *")
        assert self.lib.ray_lb_pool_read(self.at, now, pool, spec, out) == 0
        return out

    def read_instance(self, instance: int, now: int = 0) -> Any:
        spec, out = self.ffi.new("ray_instance_spec *"), self.ffi.new("ray_instance_stats *")
        assert self.lib.ray_lb_instance_read(self.at, now, instance, spec, out) == 0
        return out

    def instances(self, pool: int) -> list[int]:
        """Handles of the pool's instances, in table order."""
        found, at = [], NONE
        while (at := int(self.lib.ray_lb_next_instance(self.at, pool, at))) != NONE:
            found.append(at)
        return found

    def named(self, instance: int) -> str:
        spec, out = self.ffi.new("ray_instance_spec *"), self.ffi.new("ray_instance_stats *")
        assert self.lib.ray_lb_instance_read(self.at, 0, instance, spec, out) == 0
        return self.ffi.string(spec.at.at).decode()
