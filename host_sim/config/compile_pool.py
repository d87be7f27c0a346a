# SPDX-License-Identifier: MIT
"""[pool.NAME] and service.pool to rows of ray_pool_spec, ray_instance_spec and
ray_service_pool_spec."""

from __future__ import annotations

from typing import Any

from host_sim import endpoint
from host_sim.config import layout
from host_sim.config.model import File
from host_sim.config.model_pool import Connections, Eject, Instance, Pool, Sticky

STRATEGIES = (
    "round_robin", "least_connections", "weighted_round_robin", "ip_hash", "ketama", "maglev",
    "nginx_ip_hash",
)  # fmt: skip
KEY_NONE, KEY_ADDRESS, KEY_COOKIE, KEY_HEADER = 0, 1, 2, 3
PPM_OF_PERCENT = 10_000
EJECT_PERCENT, SLOW_START_PERCENT = 50, 10  # of pools that say neither: never looked at


def key_of(instance: Instance) -> str:
    """HOST:PORT, the name a pool knows it by."""
    return endpoint.join(*instance.at)


def _sticky(sticky: Sticky | None) -> tuple[int, str]:
    if sticky is None:
        return KEY_NONE, ""
    if sticky.cookie is not None:
        return KEY_COOKIE, sticky.cookie
    if sticky.header is not None:
        return KEY_HEADER, sticky.header
    return KEY_ADDRESS, ""


def _eject(eject: Eject | None) -> dict[str, int]:
    if eject is None:
        return dict(eject_ns=0, eject_after=0, eject_percent=EJECT_PERCENT)
    return dict(eject_ns=eject.for_, eject_after=eject.after, eject_percent=eject.percent)


def _connections(connections: Connections | None) -> dict[str, int]:
    said = Connections.model_construct() if connections is None else connections
    return dict(
        idle_ttl_ns=said.idle_ttl if said.idle_max else 0,
        connections_max=said.max,
        idle_max=said.idle_max,
    )


def _pool(name: str, pool: Pool) -> dict[str, Any]:
    sticky, key_name = _sticky(pool.sticky)
    health, panic, slow = pool.health, pool.panic, pool.slow_start
    return dict(
        name=name,
        key_name=key_name,
        health_every_ns=health.every if health else 0,
        health_timeout_ns=health.timeout if health else 0,
        slow_start_ns=slow.over if slow else 0,
        rise=health.rise if health else 1,
        fall=health.fall if health else 1,
        panic_percent=panic.below // PPM_OF_PERCENT if panic else 0,
        load_percent=pool.load or 0,
        slow_start_percent=slow.from_ // PPM_OF_PERCENT if slow else SLOW_START_PERCENT,
        strategy=STRATEGIES.index(pool.strategy),
        sticky=sticky,
        panic_fails=int(panic is not None and panic.fail),
        discovered=int(pool.discover is not None),
        **_eject(pool.eject),
        **_connections(pool.connections),
    )


def pool_rows(file: File, services: tuple[str, ...]) -> dict[int, list[dict[str, Any]]]:
    """The rows of the three sections; a pool's place in the file is its id."""
    names = list(file.pool)
    return {
        layout.POOL: [_pool(name, pool) for name, pool in file.pool.items()],
        layout.INSTANCE: [
            dict(at=key_of(instance), pool=place, weight=instance.weight)
            for place, pool in enumerate(file.pool.values())
            for instance in pool.instances
        ],
        layout.SERVICE_POOL: [
            dict(service=place, pool=names.index(pool))
            for place, name in enumerate(services)
            if (pool := file.service[name].pool) is not None
        ],
    }
