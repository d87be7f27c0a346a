# SPDX-License-Identifier: MIT
"""Rules of [[quota]]: types, windows and anchors, alerts, guards, and at most 6 for one request."""

from __future__ import annotations

import re

from host_sim.config import units
from host_sim.config.compiler import QUOTA_TYPES, anchor_of, mode_of, window_of
from host_sim.config.diagnostics import did_you_mean, some
from host_sim.config.fields import NAME
from host_sim.config.model import Quota
from host_sim.config.positions import Path
from host_sim.config.rules import Ground, check_time

PERIOD_MAX_NS = 2**61  # instants of the period after the next still fit 64 bits
UNITS_MAX = 2**63


def check_quotas(ground: Ground) -> None:
    """Every quota alone, then all of them for one request."""
    for index, quota in enumerate(ground.file.quota):
        if quota is None:
            continue
        path: Path = ("quota", index)
        ground.refer((*path, "tenant"), quota.tenant, ground.names_of("tenant"), "tenant")
        ground.refer((*path, "service"), quota.service, ground.names_of("service"), "service")
        ground.refer((*path, "plan"), quota.plan, ground.plans(), "plan of a tenant")
        if quota.tenant is not None and quota.plan is not None:
            ground.say(
                (*path, "plan"),
                "conflict",
                "a quota is for one tenant or for a plan's tenants; keep one",
                key=True,
            )
        if not ground.names_of("tenant"):
            ground.say(
                path,
                "conflict",
                "the file has no tenant, so no request is ever charged; add [tenant.NAME] "
                "and an [[identity]] rule that names it",
            )
        _check_type(ground, path, quota)
        _check_window(ground, path, quota)
        _check_numbers(ground, path, quota)
        _check_guards(ground, path, quota)
        if mode_of(ground.file, quota) == "shadow":
            ground.note(path, "note-shadow", f'quota "{quota.name}" only watches')
    _check_per_request(ground)


def _check_type(ground: Ground, path: Path, quota: Quota) -> None:
    kind, colon, custom = quota.type.partition(":")
    if kind == "custom" and colon:
        if not NAME.fullmatch(custom):
            ground.say(
                (*path, "type"),
                "bad-name",
                f'"{custom}" is no name; write custom:<name>, for example "custom:reports"',
            )
    elif quota.type not in QUOTA_TYPES or quota.type == "custom":
        known = ["requests", "bytes", "compute", "cost", "custom:<name>"]
        ground.say(
            (*path, "type"),
            "bad-choice",
            f'"{quota.type}" is no type; {did_you_mean(quota.type, known)}',
        )
    raw = ground.raw["quota"][path[1]].get("limit")
    if isinstance(raw, str) and kind not in ("bytes", "cost") and not re.fullmatch("[0-9_]+", raw):
        ground.say(
            (*path, "limit"),
            "bad-size",
            f'"{raw}": sizes belong to type = "bytes"; write a whole number',
        )


def _check_window(ground: Ground, path: Path, quota: Quota) -> None:
    try:
        window = window_of(quota)
    except units.UnitError as error:
        ground.say((*path, "window"), error.code, error.message)
        return
    try:
        anchor_of(ground.file, quota)
    except units.UnitError as error:
        ground.say((*path, "anchor"), error.code, error.message)
    if window.period_ns > PERIOD_MAX_NS:
        ground.say((*path, "window"), "out-of-range", "a window is at most 73 years; use never")
    if window.reset in ("never", "rolling"):
        for key, stated in (("rollover", quota.rollover), ("carry_overage", quota.carry_overage)):
            if stated:
                ground.say(
                    (*path, key),
                    "conflict",
                    f'window = "{quota.window}" never resets, so "{key}" has no effect',
                    key=True,
                )


def _check_numbers(ground: Ground, path: Path, quota: Quota) -> None:
    if quota.limit is not None and quota.limit > UNITS_MAX:
        ground.say((*path, "limit"), "out-of-range", f"a quota is at most {UNITS_MAX} units")
    if quota.rollover > 100_000 or quota.rollover % 100:
        ground.say((*path, "rollover"), "out-of-range", "rollover is 0% to 10% in steps of 0.01%")
    if len(quota.alerts) > ground.room.quota_alert_each:
        ground.say(
            (*path, "alerts"), "out-of-range", f"at most {ground.room.quota_alert_each} thresholds"
        )
    for place, value in enumerate(quota.alerts):
        if value % 10_000 or value == 0:
            ground.say(
                (*path, "alerts", place),
                "bad-percent",
                'a threshold is a whole percentage from "1%" to "100%"',
            )
        elif place and value <= quota.alerts[place - 1]:
            ground.say((*path, "alerts", place), "conflict", "thresholds ascend, each once")


def _check_guards(ground: Ground, path: Path, quota: Quota) -> None:
    if quota.guards is None:
        return
    for key, whole, span in (
        ("requests", units.per_second, "second"),
        ("bytes", units.per_second, "second"),
        ("errors", units.per_minute, "minute"),
    ):
        rate = getattr(quota.guards, key)
        if rate is None:
            continue
        try:
            value = whole(rate)
        except units.UnitError as error:
            ground.say((*path, "guards", key), error.code, error.message)
            continue
        if value > units.U64_MAX:
            ground.say(
                (*path, "guards", key),
                "out-of-range",
                f'"{rate.text}" does not fit 64 bits as {key} a {span}; write less',
            )
    check_time(ground, (*path, "guards", "latency_p99"), quota.guards.latency_p99)


def _check_per_request(ground: Ground) -> None:
    """The worst request: any tenant, plan and service together, as live edits may combine them."""
    most = ground.room.request_quota_max
    rows = [
        (index, row)
        for index, row in enumerate(ground.file.quota)
        if row is not None and not row.named
    ]
    for tenant in [None, *ground.names_of("tenant")]:
        mine = [pair for pair in rows if pair[1].tenant in (None, tenant)]
        if len(mine) <= most:
            continue
        for service in [None, *ground.names_of("service")]:
            here = [pair for pair in mine if pair[1].service in (None, service)]
            for plan in [None, *ground.plans()] if len(here) > most else []:
                applying = [pair for pair in here if pair[1].plan in (None, plan)]
                if len(applying) > most:
                    _too_many(ground, applying, tenant, most)
                    return


def _too_many(
    ground: Ground, applying: list[tuple[int, Quota]], tenant: str | None, most: int
) -> None:
    names = some([row.name or "?" for _, row in applying], most=12)
    who = f'tenant "{tenant}"' if tenant else "any tenant"
    ground.say(
        ("quota", applying[most][0]),
        "too-many-quotas",
        f"{len(applying)} quotas apply to one request of {who}, at most {most} can: {names}; "
        "remove some or give them a service",
        key=True,
    )
