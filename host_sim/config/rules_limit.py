# SPDX-License-Identifier: MIT
"""Rules of [[limit]]: which keys belong to which scope and algorithm, exact rates, and at most 8
for one request."""

from __future__ import annotations

from collections import Counter

from host_sim.config import rates, units
from host_sim.config.compiler import BUCKETS, capacity_of, mode_of, plan_rate_of
from host_sim.config.model import Limit
from host_sim.config.positions import Path
from host_sim.config.rules import Ground


def check_limits(ground: Ground) -> None:
    """Every limit alone, then all of them for one request."""
    used = {name for route in ground.file.route if route is not None for name in route.limits}
    instants = 0
    for index, limit in enumerate(ground.file.limit):
        if limit is None:
            continue
        path: Path = ("limit", index)
        ground.refer((*path, "service"), limit.service, ground.names_of("service"), "service")
        _check_keys(ground, path, limit)
        _check_shadow(ground, path, limit)
        _check_rates(ground, path, limit)
        instants += _check_exact(ground, path, limit)
        if instants > ground.room.limit_exact_max:
            ground.say(
                (*path, "exact"),
                "too-many-rows",
                f"exact logs up to here keep {instants} instants, profile "
                f"{ground.room.name} has room for {ground.room.limit_exact_max}; use exact = "
                "false on some",
            )
            instants = 0
        if limit.scope == "named" and limit.name not in used:
            ground.note(
                (*path, "name"),
                "note-unused",
                f'no route names the limit "{limit.name}", so it never applies; '
                f'add limits = ["{limit.name}"] to a route',
            )
        _add_notes(ground, path, limit)
    _check_per_request(ground)


def _is_keyed(limit: Limit) -> bool:
    return limit.scope == "ip" or (limit.scope == "user" and limit.user is None)


def _check_keys(ground: Ground, path: Path, limit: Limit) -> None:
    """Keys without effect are errors: whoever wrote them expects something."""

    def without_effect(key: str, is_stated: object, needs: bool, where: str) -> None:
        if is_stated and not needs:
            ground.say(
                (*path, key),
                "conflict",
                f'"{key}" has no effect here: it belongs to {where}; remove it',
                key=True,
            )

    algorithm, scope = limit.algorithm, limit.scope
    without_effect("burst", limit.burst, algorithm in BUCKETS, "token_bucket and leaky_bucket")
    without_effect(
        "capacity", limit.capacity, algorithm in BUCKETS, "token_bucket and leaky_bucket"
    )
    if limit.burst and limit.capacity:
        ground.say(
            (*path, "capacity"),
            "conflict",
            "burst and capacity are two words for one number; keep one",
            key=True,
        )
    without_effect("queue", limit.queue, algorithm == "leaky_bucket", "leaky_bucket")
    without_effect("max_delay", limit.max_delay, limit.queue, "queue = true")
    if limit.queue and algorithm == "leaky_bucket" and not limit.max_delay:
        ground.say(
            (*path, "queue"),
            "missing-key",
            'queue = true needs max_delay, for example max_delay = "2s"',
        )
    without_effect("debt", limit.debt, algorithm == "token_bucket", "token_bucket")
    without_effect("exact", limit.exact, algorithm == "sliding_window", "sliding_window")
    without_effect("anchor", limit.anchor is not None, algorithm == "fixed_window", "fixed_window")
    without_effect("excess", limit.excess, algorithm == "token_bucket", "token_bucket")
    if scope is None:
        return
    without_effect("user", limit.user, scope == "user", 'scope = "user"')
    without_effect("prefix", limit.prefix, scope == "ip", 'scope = "ip"')
    if scope == "named" and limit.service is not None:
        ground.say(
            (*path, "service"),
            "conflict",
            "a named limit is asked wherever a route names it; remove service",
            key=True,
        )
    if limit.excess and limit.debt:
        ground.say(
            (*path, "excess"), "conflict", "debt and a second bucket exclude each other", key=True
        )
    keyed = _is_keyed(limit)
    without_effect(
        "table_full",
        limit.table_full,
        keyed,
        'scope = "ip" and scope = "user" without a pinned user',
    )
    if limit.excess and keyed:
        ground.say(
            (*path, "excess"),
            "conflict",
            'a second bucket belongs to unkeyed limits: scope = "service", '
            '"named", or a pinned user; remove it',
            key=True,
        )


def _check_shadow(ground: Ground, path: Path, limit: Limit) -> None:
    if limit.instead_of is None:
        return
    here = (*path, "instead_of")
    if not ground.refer(here, limit.instead_of, ground.names_of("limit"), "limit"):
        return
    if limit.instead_of == limit.name:
        ground.say(
            here, "conflict", "a limit cannot stand in for itself; name the limit that is in force"
        )
    if mode_of(ground.file, limit) != "shadow":
        ground.say(
            here,
            "conflict",
            'instead_of tries a value beside the one in force; add mode = "shadow"',
        )


def _check_rates(ground: Ground, path: Path, limit: Limit) -> None:
    if limit.rate is not None:
        _check_rate(ground, (*path, "rate"), limit, limit.rate, capacity_of(limit))
    plans = ground.plans()
    for name, value in limit.plan.items():
        here = (*path, "plan", name)
        if not ground.refer(here, name, plans, "plan of a tenant") or limit.rate is None:
            continue
        rate, capacity = plan_rate_of(limit, value)
        if not isinstance(value, units.Rate) and value.burst and limit.algorithm not in BUCKETS:
            ground.say(
                (*here, "burst"),
                "conflict",
                f'"burst" has no effect on {limit.algorithm}; remove it',
                key=True,
            )
        _check_rate(ground, here, limit, rate, capacity)


def _check_rate(ground: Ground, here: Path, limit: Limit, rate: units.Rate, capacity: int) -> None:
    if limit.algorithm not in BUCKETS or rates.is_exact(
        rate.count, rate.period_ns, max(capacity, limit.excess or 0)
    ):
        return
    near = rates.nearest(rate.count, rate.period_ns, max(capacity, limit.excess or 0))
    advice = f'the nearest that can is "{near}"' if near else "lower the burst"
    ground.say(
        here,
        "rate-not-exact",
        f'"{rate.text}" with room for {capacity} cannot be held without rounding; {advice}',
    )


def _check_exact(ground: Ground, path: Path, limit: Limit) -> int:
    """Instants the limit keeps; keyed ones keep a log for each key, which the core accounts for
    itself."""
    if not limit.exact or limit.algorithm != "sliding_window" or limit.rate is None:
        return 0
    counts = [
        limit.rate.count,
        *(plan_rate_of(limit, value)[0].count for value in limit.plan.values()),
    ]
    if max(counts) > ground.room.limit_exact_each:
        ground.say(
            (*path, "exact"),
            "out-of-range",
            f"an exact log is for limits up to {ground.room.limit_exact_each}, "
            f"this one is {max(counts)}; use exact = false, whose error is bounded by the docs",
        )
        return 0
    return max(counts)


def _add_notes(ground: Ground, path: Path, limit: Limit) -> None:
    if limit.algorithm == "fixed_window" and limit.rate is not None:
        ground.note(
            (*path, "algorithm"),
            "note-boundary",
            f'"{limit.name}": up to {2 * limit.rate.count} may pass within '
            f"{units.duration_text(limit.rate.period_ns)} around a boundary of its windows; "
            "sliding_window has no such seam",
        )
    if mode_of(ground.file, limit) == "shadow":
        ground.note(path, "note-shadow", f'limit "{limit.name}" only watches')
    if limit.rate is None or limit.debt or limit.scope is None:
        return
    largest = capacity_of(limit) if limit.algorithm in BUCKETS else limit.rate.count
    for place, route in enumerate(ground.file.route):
        if route is None or not _applies(limit, route.service, route.limits):
            continue
        if route.weight > largest + (limit.excess or 0):
            ground.note(
                ("route", place, "weight"),
                "note-never",
                f'route "{route.name}" takes {route.weight} tokens, '
                f'limit "{limit.name}" holds {largest}: it denies every such request for ever',
            )


def _applies(limit: Limit, service: str | None, named: list[str]) -> bool:
    return limit.service in (None, service) and (limit.scope != "named" or limit.name in named)


def _check_per_request(ground: Ground) -> None:
    """The worst request: for each service the limits of all scopes, its route with most names, the
    most pinned user."""
    most = ground.room.request_limit_max
    limits = [
        (index, row)
        for index, row in enumerate(ground.file.limit)
        if row is not None and row.scope is not None
    ]
    routes = [row for row in ground.file.route if row is not None]
    for service in [*ground.names_of("service"), None]:
        here = [
            (index, row)
            for index, row in limits
            if row.service in (None, service) and row.scope != "named"
        ]
        users = Counter(row.user for _, row in here if row.user is not None)
        user = min(users, key=lambda name: (-users[name], name)) if users else None
        applying = [(index, row) for index, row in here if row.user in (None, user)]
        scoped = {
            row.name for _, row in limits if row.scope == "named" and row.service in (None, service)
        }
        named = max(
            (
                [name for name in route.limits if name in scoped]
                for route in routes
                if route.service == service
            ),
            key=len,
            default=[],
        )
        total = len(applying) + len(named)
        if total > most:
            who = f'service "{service}"' if service else "no service"
            by = f' by user "{user}"' if user else ""
            names = ", ".join([row.name or "?" for _, row in applying] + named)
            index = (
                applying[most][0] if len(applying) > most else (applying[-1][0] if applying else 0)
            )
            ground.say(
                ("limit", index),
                "too-many-limits",
                f"{total} limits apply to one request of {who}{by}, at most "
                f"{most} can: {names}; remove some or give them a service",
                key=True,
            )
            return
