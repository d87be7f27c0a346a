# SPDX-License-Identifier: MIT
"""Rules of [[limit]]: which keys belong to which scope and algorithm, exact rates, and at most 8
for one request."""

from __future__ import annotations

from collections import Counter

from host_sim.config import rates, units
from host_sim.config.compiler import BUCKETS, capacity_of, mode_of, plan_rate_of
from host_sim.config.diagnostics import some
from host_sim.config.model import Limit
from host_sim.config.positions import Path
from host_sim.config.rules import Ground


def check_limits(ground: Ground) -> None:
    """Every limit alone, then all of them for one request."""
    used = {name for route in ground.file.route if route is not None for name in route.limits}
    used |= {policy.limit for policy in ground.file.policy if policy is not None and policy.limit}
    logs = 0
    for index, limit in enumerate(ground.file.limit):
        if limit is None:
            continue
        path: Path = ("limit", index)
        ground.refer((*path, "service"), limit.service, ground.names_of("service"), "service")
        _check_keys(ground, path, limit)
        _check_shadow(ground, path, limit)
        _check_rates(ground, path, limit)
        logs += _check_exact(ground, path, limit)
        if logs > ground.room.limit_exact_max // ground.room.limit_exact_each:
            ground.say(
                (*path, "exact"),
                "too-many-rows",
                f"more exact limits than profile {ground.room.name} keeps logs for "
                f"({logs - 1}); use exact = false on some",
            )
            logs = 0
        if limit.scope == "named" and limit.name not in used:
            ground.note(
                (*path, "name"),
                "note-unused",
                f'no route and no policy names the limit "{limit.name}", so it never applies; '
                f'add limits = ["{limit.name}"] to a route, or a policy that throttles',
            )
        _add_notes(ground, path, limit)
    _check_per_request(ground)


def _is_keyed(limit: Limit) -> bool:
    return limit.scope == "ip" or (limit.scope == "user" and limit.user is None)


def _needs(limit: Limit) -> list[tuple[str, object, bool, str]]:
    """(key, what is stated, whether it has effect, where it belongs)."""
    algorithm, keyed = limit.algorithm, _is_keyed(limit)
    rows: list[tuple[str, object, bool, str]] = [
        ("burst", limit.burst, algorithm in BUCKETS, "token_bucket and leaky_bucket"),
        ("capacity", limit.capacity, algorithm in BUCKETS, "token_bucket and leaky_bucket"),
        ("queue", limit.queue, algorithm == "leaky_bucket", "leaky_bucket"),
        ("max_delay", limit.max_delay, limit.queue, "queue = true"),
        ("debt", limit.debt, algorithm == "token_bucket", "token_bucket"),
        ("exact", limit.exact, algorithm == "sliding_window", "sliding_window"),
        ("anchor", limit.anchor is not None, algorithm == "fixed_window", "fixed_window"),
        ("excess", limit.excess, algorithm == "token_bucket", "token_bucket"),
    ]
    if limit.scope is not None:
        rows += [
            ("user", limit.user, limit.scope == "user", 'scope = "user"'),
            ("prefix", limit.prefix, limit.scope == "ip", 'scope = "ip"'),
            ("table_full", limit.table_full, keyed, 'scope = "ip" and "user" without a pinned one'),
            ("service", limit.service, limit.scope != "named", "limits no route has to name"),
        ]
    return rows


def _check_keys(ground: Ground, path: Path, limit: Limit) -> None:
    """Keys without effect are errors: whoever wrote them expects something."""
    for key, is_stated, has_effect, where in _needs(limit):
        if is_stated and not has_effect:
            text = f'"{key}" has no effect here: it belongs to {where}; remove it'
            ground.say((*path, key), "conflict", text, key=True)
    pairs = (
        ("capacity", limit.burst, "burst and capacity are two words for one number; keep one"),
        ("excess", limit.debt, "debt and a second bucket exclude each other; keep one"),
        ("excess", _is_keyed(limit), "only an unkeyed limit has a second bucket; remove it"),
    )
    for key, other, text in pairs:
        if getattr(limit, key) and other:
            ground.say((*path, key), "conflict", text, key=True)
    if limit.queue and limit.algorithm == "leaky_bucket" and not limit.max_delay:
        text = 'queue = true needs max_delay, for example max_delay = "2s"'
        ground.say((*path, "queue"), "missing-key", text)


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
    if limit.plan and limit.scope in ("service", "named"):
        ground.say(
            (*path, "plan"),
            "conflict",
            f'scope "{limit.scope}" is one bucket for everybody, so it has one rate; rates by plan '
            'are for scope "user" and "ip"',
            key=True,
        )
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
        rate.count, rate.period_ns, capacity + (limit.excess or 0)
    ):
        return
    near = rates.nearest(rate.count, rate.period_ns, capacity + (limit.excess or 0))
    advice = f'the nearest that can is "{near}"' if near else "lower the burst"
    ground.say(
        here,
        "rate-not-exact",
        f'"{rate.text}" with room for {capacity} cannot be held without rounding; {advice}',
    )


def _check_exact(ground: Ground, path: Path, limit: Limit) -> int:
    """1 for a limit that keeps a log, which is for small limits only."""
    if not limit.exact or limit.algorithm != "sliding_window" or limit.rate is None:
        return 0
    plans = (plan_rate_of(limit, value)[0].count for value in limit.plan.values())
    largest = max(limit.rate.count, *plans, 0)
    if largest > ground.room.limit_exact_each:
        ground.say(
            (*path, "exact"),
            "out-of-range",
            f"an exact log is for limits up to {ground.room.limit_exact_each}, this one is "
            f"{largest}; use exact = false",
        )
    return 1


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
    """The worst request, as the core counts it: the limits of a service and of all services, the
    pinned user with the most limits anywhere, and the route that names the most."""
    most = ground.room.request_limit_max
    rows = [
        (index, row)
        for index, row in enumerate(ground.file.limit)
        if row is not None and row.scope not in (None, "named")
    ]
    users = Counter(row.user for _, row in rows if row.scope == "user" and row.user is not None)
    user = min(users, key=lambda name: (-users[name], name)) if users else None
    for service in [None, *ground.names_of("service")]:
        applying = [
            (index, row)
            for index, row in rows
            if (row.user == user if row.user is not None else row.service in (None, service))
        ]
        named = _most_named(ground, service)
        total = len(applying) + len(named)
        if total > most:
            _too_many(ground, applying, named, (service, user))
            return


def _most_named(ground: Ground, service: str | None) -> list[str]:
    routes = (row.limits for row in ground.file.route if row is not None and row.service == service)
    return max(routes, key=len, default=[])


def _too_many(
    ground: Ground,
    applying: list[tuple[int, Limit]],
    named: list[str],
    whose: tuple[str | None, str | None],
) -> None:
    most, (service, user) = ground.room.request_limit_max, whose
    who = f'of service "{service}"' if service else "of any service"
    by = f' by user "{user}"' if user else ""
    names = some([*(row.name or "?" for _, row in applying), *named], most=12)
    ground.say(
        ("limit", applying[min(most, len(applying) - 1)][0]),
        "too-many-limits",
        f"{len(applying) + len(named)} limits may apply to one request {who}{by}, at most {most} "
        f"can: {names}; remove some or give them a service",
        key=True,
    )
