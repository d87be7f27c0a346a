# SPDX-License-Identifier: MIT
"""Rules of [pool.NAME]: names, instances that are there once, times, shares in whole percent, what
has no effect, and how much this profile has room for."""

from __future__ import annotations

import re

from host_sim.config.capacities import NAME_BYTES
from host_sim.config.compile_pool import key_of
from host_sim.config.model_pool import Connections, Discover, Health, Panic, Pool, SlowStart, Sticky
from host_sim.config.positions import Path
from host_sim.config.rules import Ground, check_time, hold, stated_keys
from host_sim.config.rules_header import check_header

PERCENT = 10_000  # of parts per million
HASHES = ("ip_hash", "ketama", "maglev", "nginx_ip_hash")
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
DNS_NAME = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(\.{_LABEL})*\.?")
PROBE_PATH = re.compile(r'/(?!/)[!"$-~]{0,1023}')
RING_POINTS = 160  # of one ketama instance


def check_pools(ground: Ground) -> None:
    """Each pool, what services refer to, then the tables."""
    for name, service in ground.file.service.items():
        ground.refer(("service", name, "pool"), service.pool, ground.names_of("pool"), "pool")
        if service.pool is not None and service.at is not None:
            ground.say(
                ("service", name, "at"),
                "conflict",
                "its pool says where it is reached; remove at, or pool",
                key=True,
            )
    for name, pool in ground.file.pool.items():
        _check_pool(ground, ("pool", name), pool)
    _check_room(ground)


def _check_percent(ground: Ground, path: Path, ppm: int | None, least: int, most: int) -> None:
    if ppm is not None and (ppm % PERCENT or not least <= ppm // PERCENT <= most):
        ground.say(
            path, "out-of-range", f'"{path[-1]}" is a whole percentage from {least}% to {most}%'
        )


def _check_pool(ground: Ground, path: Path, pool: Pool) -> None:
    stated = stated_keys(ground, path)
    if not stated & {"instances", "discover"}:
        ground.note(
            path,
            "note-empty-pool",
            "nobody is in this pool until an instance is added: its services answer 503",
        )
    _check_instances(ground, path, pool)
    if pool.sticky is not None:
        _check_sticky(ground, (*path, "sticky"), pool.sticky)
    if pool.health is not None:
        _check_health(ground, (*path, "health"), pool.health)
    if pool.eject is not None:
        check_time(ground, (*path, "eject", "for"), pool.eject.for_)
    if pool.panic is not None:
        _check_panic(ground, (*path, "panic"), pool.panic)
    if pool.slow_start is not None:
        _check_slow_start(ground, (*path, "slow_start"), pool.slow_start)
    if pool.load is not None and pool.strategy not in HASHES and pool.sticky is None:
        ground.say(
            (*path, "load"),
            "conflict",
            f"load is for hashes ({', '.join(HASHES)}) and sticky pools: {pool.strategy} "
            "spreads by itself",
            key=True,
        )
    if pool.connections is not None:
        _check_connections(ground, (*path, "connections"), pool.connections)
    if pool.discover is not None:
        _check_discover(ground, (*path, "discover"), pool.discover)


def _check_instances(ground: Ground, path: Path, pool: Pool) -> None:
    first: dict[str, int] = {}
    for place, instance in enumerate(pool.instances or ()):
        where = (*path, "instances", place, "at")
        key = key_of(instance)
        if len(key) >= NAME_BYTES:
            ground.say(where, "bad-host", f'"{key}" is longer than {NAME_BYTES - 1} bytes')
        if key in first:
            line = ground.positions.of_value((*path, "instances", first[key], "at"))[0]
            ground.say(
                where, "duplicate-name", f'"{key}" stands in line {line} already; remove one'
            )
        first.setdefault(key, place)


def _check_sticky(ground: Ground, path: Path, sticky: Sticky) -> None:
    given = [name for name in ("cookie", "header") if getattr(sticky, name) is not None]
    given += ["address"] if sticky.address else []
    if len(given) != 1:
        ground.say(path, "conflict", "name exactly one of cookie, header and address = true")
    check_header(ground, (*path, "header"), sticky.header)
    check_time(ground, (*path, "ttl"), sticky.ttl)
    if sticky.ttl is not None:
        ground.note(
            (*path, "ttl"),
            "note-no-effect",
            "a choice is computed from the value and never stored, so it cannot lapse; ttl is for "
            "whoever sets the cookie",
        )


def _check_health(ground: Ground, path: Path, health: Health) -> None:
    right = check_time(ground, (*path, "every"), health.every)
    right &= check_time(ground, (*path, "timeout"), health.timeout)
    if right and health.timeout > health.every:
        ground.say(
            (*path, "timeout"),
            "out-of-range",
            "a probe ends before the next begins: timeout is at most every",
            key="timeout" not in health.model_fields_set,
        )
    if health.path is not None and not PROBE_PATH.fullmatch(health.path):
        ground.say(
            (*path, "path"),
            "bad-path",
            'it is asked for as it stands: write "/" and visible ASCII without #, at most 1 KiB',
        )


def _check_panic(ground: Ground, path: Path, panic: Panic) -> None:
    _check_percent(ground, (*path, "below"), panic.below, 1, 100)


def _check_slow_start(ground: Ground, path: Path, slow: SlowStart) -> None:
    check_time(ground, (*path, "over"), slow.over)
    _check_percent(ground, (*path, "from"), slow.from_, 1, 100)


def _check_connections(ground: Ground, path: Path, connections: Connections) -> None:
    for key, value, most in (
        ("max", connections.max, ground.room.lease_max),
        ("idle_max", connections.idle_max, ground.room.idle_max),
    ):
        if value > most:
            ground.say(
                (*path, key), "out-of-range", f"at most {most} in profile {ground.room.name}"
            )
    if connections.max and connections.idle_max > connections.max:
        ground.say(
            (*path, "idle_max"), "conflict", "more would be kept than there may be: at most max"
        )
    check_time(ground, (*path, "idle_ttl"), connections.idle_ttl)
    if "idle_ttl" in connections.model_fields_set and connections.idle_max == 0:
        ground.say((*path, "idle_ttl"), "conflict", "none is kept; write idle_max too", key=True)


def _check_discover(ground: Ground, path: Path, discover: Discover) -> None:
    if not DNS_NAME.fullmatch(discover.dns):
        ground.say(
            (*path, "dns"),
            "bad-host",
            f'"{discover.dns}" is no name of DNS; write for example "_http._tcp.search.internal"',
        )
    check_time(ground, (*path, "every"), discover.every)
    if discover.dns.startswith("_") and "port" in discover.model_fields_set:
        ground.say((*path, "port"), "conflict", "an SRV name brings its own ports", key=True)


def _check_room(ground: Ground) -> None:
    pools = ground.file.pool
    hold(ground, [("pool", name) for name in ground.names_of("pool")], "pools", "pool")
    rows: list[Path] = [
        ("pool", name, "instances", place, "at")
        for name, pool in pools.items()
        for place in range(len(pool.instances or ()))
    ]
    hold(ground, rows, "instances of all pools together", "instance")
    tables: list[Path] = [
        ("pool", name, "strategy") for name, pool in pools.items() if pool.strategy == "maglev"
    ]
    hold(ground, tables, "pools of strategy maglev", "maglev")
    most = ground.room.ring_max // RING_POINTS
    count = 0
    for name, pool in pools.items():
        if pool.strategy == "ketama":
            count += len(pool.instances or ())
            if count > most:
                ground.say(
                    ("pool", name, "strategy"),
                    "too-many-rows",
                    f"{count} instances of strategy ketama, but the rings of profile "
                    f"{ground.room.name} have room for {most}; maglev or ip_hash need none",
                )
                return
