# SPDX-License-Identifier: MIT
"""A checked file to the blob of ray/config.h: names become places, everything is laid out with
construct.

The same file gives the same bytes on every host: rows stand in file order, nothing iterates over a
set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from host_sim.config import alerts, layout, units
from host_sim.config.compile_auth import PERMISSIONS, ROLES, auth_rows
from host_sim.config.compile_cost import cost_rows
from host_sim.config.compile_policy import policy_rows
from host_sim.config.compile_pool import pool_rows
from host_sim.config.compile_resilience import guard_rows
from host_sim.config.compile_schema import mediator_rows
from host_sim.config.fields import Match, match_of
from host_sim.config.keys import Material
from host_sim.config.model import (
    CLASSES,
    METHODS,
    WEEKDAYS,
    File,
    Limit,
    PlanRate,
    Quota,
    Route,
)
from host_sim.config.model_queue import Queue
from host_sim.config.positions import Path
from host_sim.config.rates import guards_of

MODES = {"enforce": 0, "shadow": 1, "off": 2}
SCOPES = {"service": 0, "user": 1, "ip": 2, "named": 3}
ALGORITHMS = {"token_bucket": 0, "leaky_bucket": 1, "fixed_window": 2, "sliding_window": 3}
BUCKETS = ("token_bucket", "leaky_bucket")
ROUTE_KINDS = ("exact", "prefix", "wildcard", "regex")
AUTH = {"none": 0, "optional": 1, "required": 2}
CLASS_DEFAULT = 255
FLOW_BY = {"user": 0, "tenant": 1, "address": 2}
QUOTA_TYPES = {"requests": 0, "bytes": 1, "compute": 2, "custom": 3, "cost": 4}
RESETS = {"never": 0, "fixed": 1, "rolling": 2, "day": 3, "week": 4, "month": 5}


@dataclass(frozen=True)
class Names:
    """Every kind's names in file order; a name's place is its id in the core."""

    services: tuple[str, ...]
    tenants: tuple[str, ...]
    plans: tuple[str, ...]
    routes: tuple[str, ...]
    limits: tuple[str, ...]
    quotas: tuple[str, ...]
    policies: tuple[str, ...]

    @staticmethod
    def of(file: File) -> Names:
        """Names of a file; plans in order of first mention by a tenant."""
        plans = dict.fromkeys(tenant.plan for tenant in file.tenant.values() if tenant.plan)
        return Names(
            tuple(file.service),
            tuple(file.tenant),
            tuple(plans),
            tuple(row.name for row in file.route if row and row.name),
            tuple(row.name for row in file.limit if row and row.name),
            tuple(row.name for row in file.quota if row and row.name),
            tuple(row.name for row in file.policy if row and row.name),
        )


@dataclass(frozen=True)
class Window:
    """A quota's window: how it resets, how long it is where that is a number."""

    reset: str
    period_ns: int = 0


def place(names: Sequence[str], name: str | None) -> int:
    """The place of `name`, RAY_NONE for no name."""
    return layout.NONE if name is None else names.index(name)


def mode_of(file: File, row: Limit | Quota) -> str:
    """A row's own mode, else the file's."""
    return row.mode or file.mode


def capacity_of(limit: Limit) -> int:
    """Tokens the bucket holds: as stated, else the rate's own count; windows have none."""
    if limit.algorithm not in BUCKETS:
        return 0
    return limit.burst or limit.capacity or limit.rate.count


def plan_rate_of(limit: Limit, value: PlanRate | units.Rate) -> tuple[units.Rate, int]:
    """A plan's rate and capacity: a burst the plan does not state is the limit's stated one, else
    the plan's count."""
    rate, burst = (value.rate, value.burst) if isinstance(value, PlanRate) else (value, None)
    if limit.algorithm not in BUCKETS:
        return rate, 0
    return rate, burst or limit.burst or limit.capacity or rate.count


def path_of(route: Route) -> tuple[int, str]:
    """Kind and pattern of a route whose path has exactly one key."""
    for kind, word in enumerate(ROUTE_KINDS):
        pattern = getattr(route.path, word)
        if pattern is not None:
            return kind, pattern
    raise ValueError("a route without a path passed the rules")


def window_of(quota: Quota) -> Window:
    """The window's text in numbers; UnitError when it is none."""
    text = quota.window
    if text in ("never", "day", "week", "month"):
        return Window(text)
    reset, rest = (
        ("rolling", text.removeprefix("rolling").strip())
        if text.startswith("rolling")
        else ("fixed", text)
    )
    try:
        period = units.parse_duration(rest)
    except units.UnitError:
        raise units.UnitError(
            "bad-window",
            f'"{text}" is no window; write never, day, week, month, a duration '
            'as "1h", or "rolling 24h"',
        ) from None
    if period == 0:
        raise units.UnitError("bad-window", f'"{text}": the window must be longer than 0')
    return Window(reset, period)


def anchor_of(file: File, quota: Quota) -> tuple[int, int]:
    """(anchor_day, anchor_ns) of the quota's window; UnitError with what the window takes."""
    reset, anchor = window_of(quota).reset, quota.anchor
    offset = quota.timezone if quota.timezone is not None else file.timezone
    if reset == "month":
        day = 1 if anchor is None else anchor
        if isinstance(day, bool) or not isinstance(day, int) or not 1 <= day <= 31:
            raise units.UnitError(
                "bad-choice", f"a month's anchor is the day 1 to 31, not {anchor!r}"
            )
        return day, 0
    if reset == "week":
        word = "monday" if anchor is None else anchor
        if isinstance(word, int) and not isinstance(word, bool) and 1 <= word <= 7:
            return word, 0
        if not isinstance(word, str) or word.lower() not in WEEKDAYS:
            raise units.UnitError(
                "bad-choice", f'a week\'s anchor is a weekday, for example "monday", not {anchor!r}'
            )
        return WEEKDAYS.index(word.lower()) + 1, 0
    if reset == "day":
        if anchor is None:
            return 0, 0
        if not isinstance(anchor, str):
            raise units.UnitError(
                "bad-time", f'a day\'s anchor is a time of day, for example "06:00", not {anchor!r}'
            )
        return 0, units.parse_time_of_day(anchor)
    if reset == "fixed":
        if isinstance(anchor, int):
            raise units.UnitError(
                "bad-time",
                f"the anchor of a duration is an instant as 2026-01-01T00:00:00Z, not {anchor}",
            )
        return 0, -offset * 60 * units.NS_PER_S if anchor is None else units.parse_time(anchor)
    if anchor is not None:
        raise units.UnitError("conflict", f'the window "{quota.window}" has no anchor; remove it')
    return 0, 0


def _settings(file: File) -> dict[str, Any]:
    return dict(
        max_step_ns=file.defaults.max_step,
        utc_offset_minutes=file.timezone,
        default_class=CLASSES.index(file.defaults.priority),
        no_route_status=file.defaults.no_route,
        mode=MODES[file.mode],
        no_limit_deny=int(file.defaults.no_limit == "deny"),
        client_ip=int(file.trust.client_ip == "x-forwarded-for"),
        ratelimit_headers=int(file.headers.ratelimit == "draft-10"),
        problem_json=int(file.headers.problem_json),
        request_id=file.headers.request_id or "",
    )


def _services(file: File) -> list[dict[str, Any]]:
    rows = []
    for name, service in file.service.items():
        host, port = service.at or ("", 0)
        rows.append(
            dict(
                name=name,
                host=host,
                port=port,
                timeout_ns=service.timeout,
                body_bytes_max=service.max_body,
                healthy=int(service.healthy),
                mode=MODES[service.mode],
            )
        )
    return rows


def auth_of(file: File, route: Route) -> str:
    """Whether somebody must be known: as stated, else as soon as anybody can be."""
    known = file.api_key or file.basic or file.bearer or file.jwt or file.auth.introspection
    return route.auth or ("required" if known else "none")


def _matches(rows: dict[str, Match | str], count: int) -> list[dict[str, Any]]:
    out = []
    for name, value in rows.items():
        how, text = match_of(value)
        out.append(
            dict(name=name, value=text, name_length=len(name), value_length=len(text), how=how)
        )
    empty = dict(name="", value="", name_length=0, value_length=0, how=0)
    return out + [empty] * (count - len(out))


def _routes(file: File, names: Names) -> tuple[list[dict[str, Any]], bytes]:
    rows, tables = [], bytearray()
    regex_count = 0
    for route in file.route:
        kind, pattern = path_of(route)
        dfa = layout.NONE
        if ROUTE_KINDS[kind] == "regex":
            dfa, regex_count = regex_count, regex_count + 1
            tables += regex_table(pattern)
        limits = [names.limits.index(limit) for limit in route.limits]
        methods = sum(1 << (METHODS.index(method) + 1) for method in route.methods or ())
        rows.append(
            dict(
                name=route.name,
                host=route.host or "",
                pattern=pattern,
                headers=_matches(route.headers, 4),
                queries=_matches(route.queries, 4),
                service=names.services.index(route.service),
                priority=route.priority,
                methods=methods,
                weight=route.weight,
                limits=limits + [layout.NONE] * (4 - len(limits)),
                dfa=dfa,
                pattern_length=len(pattern),
                host_length=len(route.host or ""),
                kind=kind,
                header_count=len(route.headers),
                query_count=len(route.queries),
                limit_count=len(limits),
                auth=AUTH[auth_of(file, route)],
                permission=PERMISSIONS[route.permission] if route.permission else 0,
                role=ROLES.index(route.role) if route.role else 0,
                allow_escapes=int(route.allow_escapes),
            )
        )
    return rows, bytes(tables)


def regex_table(pattern: str) -> bytes:
    """The pattern's table; ValueError with the reason when it has none."""
    from host_sim.regex import compile_table  # only files with a regex need the automaton library

    table: bytes = compile_table(pattern)
    return table


def _limits(file: File, names: Names) -> list[dict[str, Any]]:
    rows = []
    for limit in file.limit:
        keyed = limit.scope == "ip" or (limit.scope == "user" and limit.user is None)
        anchor = 0
        if limit.algorithm == "fixed_window":
            anchor = -file.timezone * 60 * units.NS_PER_S if limit.anchor is None else limit.anchor
        reserve = [getattr(limit.reserve, word) if limit.reserve else 0 for word in CLASSES]
        prefix = (limit.prefix.v4, limit.prefix.v6) if limit.prefix else (32, 64)
        rows.append(
            dict(
                name=limit.name,
                user=limit.user or "",
                rate_tokens=limit.rate.count,
                rate_period_ns=limit.rate.period_ns,
                capacity=capacity_of(limit),
                excess=limit.excess or 0,
                max_delay_ns=limit.max_delay or 0,
                anchor_ns=anchor,
                service=place(names.services, limit.service),
                instead_of=place(names.limits, limit.instead_of),
                reserve_ppm=reserve,
                scope=SCOPES[limit.scope],
                algorithm=ALGORITHMS[limit.algorithm],
                mode=MODES[mode_of(file, limit)],
                queue=int(limit.queue),
                exact=int(limit.exact),
                debt=int(limit.debt),
                deny_when_full=int(
                    keyed and (limit.table_full or file.defaults.table_full) == "deny"
                ),
                prefix_v4=prefix[0] if limit.scope == "ip" else 0,
                prefix_v6=prefix[1] if limit.scope == "ip" else 0,
            )
        )
    return rows


def _limit_rates(file: File, names: Names) -> list[dict[str, Any]]:
    rows = []
    for index, limit in enumerate(file.limit):
        for plan in sorted(limit.plan, key=names.plans.index):
            rate, capacity = plan_rate_of(limit, limit.plan[plan])
            rows.append(
                dict(
                    rate_tokens=rate.count,
                    rate_period_ns=rate.period_ns,
                    capacity=capacity,
                    limit=index,
                    plan=names.plans.index(plan),
                )
            )
    return rows


def _quotas(file: File, names: Names) -> list[dict[str, Any]]:
    rows = []
    for quota in file.quota:
        window = window_of(quota)
        anchor_day, anchor_ns = anchor_of(file, quota)
        kind, _, custom = quota.type.partition(":")
        alerts = sorted(value // 10_000 for value in quota.alerts)
        rows.append(
            dict(
                name=quota.name,
                custom=custom,
                limit_units=quota.limit,
                period_ns=window.period_ns,
                anchor_ns=anchor_ns,
                **guards_of(quota.guards),
                tenant=place(names.tenants, quota.tenant),
                plan=place(names.plans, quota.plan),
                service=place(names.services, quota.service),
                rollover_bp=quota.rollover // 100,
                anchor_day=anchor_day,
                utc_offset_minutes=quota.timezone if quota.timezone is not None else file.timezone,
                type=QUOTA_TYPES[kind],
                reset=RESETS[window.reset],
                enforcement=int(quota.enforcement == "soft"),
                mode=MODES[mode_of(file, quota)],
                per_user=int(quota.per_user),
                carry_overage=int(quota.carry_overage),
                named=int(quota.named),
                alert_percent=alerts + [0] * (4 - len(alerts)),
            )
        )
    return rows


def _queue(queue: Queue) -> dict[str, Any]:
    return dict(
        weight=[getattr(queue.weights, word) for word in CLASSES],
        critical_cap=queue.critical_cap // 10_000,
        servers=queue.servers,
        depth=queue.depth,
        flows=queue.flows,
        displace=int(queue.on_full == "displace"),
        earliest_deadline=int(queue.order == "deadline"),
        flow_by=FLOW_BY[queue.flow_by],
    )


def _queues(file: File) -> list[dict[str, Any]]:
    """[queue], left out where it says what holds anyway."""
    row = _queue(file.queue)
    return [] if row == _queue(Queue.model_construct()) else [row]


def _service_queues(file: File, names: Names) -> list[dict[str, Any]]:
    rows = []
    for name in sorted(file.queue.service, key=names.services.index):
        own = file.queue.service[name]
        row: dict[str, Any] = dict(service=names.services.index(name))
        for key in ("servers", "depth", "flows"):
            said = getattr(own, key)
            row[key] = getattr(file.queue, key) if said is None else said
        rows.append(row)
    return rows


def _slas(file: File, names: Names) -> list[dict[str, Any]]:
    return [
        dict(
            p95_latency_ns=file.sla[name].p95_latency,
            deadline_ns=file.sla[name].deadline or 0,
            service=names.services.index(name),
            error_rate_bp=file.sla[name].error_rate // 100,
            priority=CLASSES.index(word) if (word := file.sla[name].priority) else CLASS_DEFAULT,
        )
        for name in sorted(file.sla, key=names.services.index)
    ]


def sections(
    file: File, material: dict[Path, Material] | None = None
) -> list[tuple[int, int, int, bytes]]:
    """(kind, row bytes, row count, bytes) of every section that has rows, without the secrets."""
    names = Names.of(file)
    routes, tables = _routes(file, names)
    rows: dict[int, Any] = {
        layout.SETTINGS: [_settings(file)],
        layout.PLAN: [dict(name=plan) for plan in names.plans],
        layout.TENANT: [
            dict(name=name, plan=place(names.plans, tenant.plan))
            for name, tenant in file.tenant.items()
        ],
        layout.TRUST: [
            dict(address=network.address, prefix=network.prefix) for network in file.trust.proxies
        ],
        layout.SERVICE: _services(file),
        layout.ROUTE: routes,
        layout.LIMIT: _limits(file, names),
        layout.LIMIT_RATE: _limit_rates(file, names),
        layout.QUOTA: _quotas(file, names),
        **policy_rows(file, names),
        layout.QUEUE: _queues(file),
        layout.SERVICE_QUEUE: _service_queues(file, names),
        layout.SLA: _slas(file, names),
        **pool_rows(file, names.services),
        layout.GUARD: guard_rows(file, names.services),
        layout.ALERT: alerts.rows(file, names.services, names.tenants),
        **mediator_rows(file.schema_, file.transform, [route.transform for route in file.route]),
        **auth_rows(file, list(names.tenants), list(names.services), material or {}),
        **cost_rows(file, list(names.services), list(names.tenants), list(names.plans)),
    }
    text = rows.pop(layout.SCHEMA_TEXT)
    out = [
        (
            kind,
            layout.ROWS[kind].sizeof(),
            len(some),
            b"".join(layout.ROWS[kind].build(row) for row in some),
        )
        for kind, some in rows.items()
        if some
    ]
    if text:
        out.append((layout.SCHEMA_TEXT, 1, len(text), text))
    if tables:
        out.append((layout.DFA, 1, len(tables), tables))
    return sorted(out, key=lambda section: section[0])
