# SPDX-License-Identifier: MIT
"""Rules of [[quota]]: types, windows and anchors, alerts, guards, and at most 8 for one request."""

from __future__ import annotations

import re

from host_sim.config import units
from host_sim.config.compiler import QUOTA_TYPES, anchor_of, mode_of, window_of
from host_sim.config.diagnostics import did_you_mean
from host_sim.config.fields import NAME
from host_sim.config.model import Quota
from host_sim.config.positions import Path
from host_sim.config.rules import Ground


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
        known = ["requests", "bytes", "compute", "custom:<name>"]
        ground.say(
            (*path, "type"),
            "bad-choice",
            f'"{quota.type}" is no type; {did_you_mean(quota.type, known)}',
        )
    raw = ground.raw["quota"][path[1]].get("limit")
    if isinstance(raw, str) and kind != "bytes" and not re.fullmatch("[0-9_]+", raw):
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
    if window.reset == "never":
        for key, stated in (("rollover", quota.rollover), ("carry_overage", quota.carry_overage)):
            if stated:
                ground.say(
                    (*path, key),
                    "conflict",
                    f'window = "never" never resets, so "{key}" has no effect',
                    key=True,
                )


def _check_numbers(ground: Ground, path: Path, quota: Quota) -> None:
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
    for key in ("requests", "bytes"):
        rate = getattr(quota.guards, key)
        if rate is None:
            continue
        try:
            units.per_second(rate)
        except units.UnitError as error:
            ground.say((*path, "guards", key), error.code, error.message)


def _check_per_request(ground: Ground) -> None:
    most = ground.room.request_quota_max
    rows = [(index, row) for index, row in enumerate(ground.file.quota) if row is not None]
    for tenant, known in ground.file.tenant.items():
        mine = [
            (index, row)
            for index, row in rows
            if row.tenant == tenant or (row.tenant is None and row.plan in (None, known.plan))
        ]
        for service in [*ground.names_of("service"), None]:
            applying = [(index, row) for index, row in mine if row.service in (None, service)]
            if len(applying) > most:
                names = ", ".join(row.name or "?" for _, row in applying)
                ground.say(
                    ("quota", applying[most][0]),
                    "too-many-quotas",
                    f"{len(applying)} quotas apply to one request "
                    f'of tenant "{tenant}", at most {most} can: {names}; remove some or give them '
                    "a service",
                    key=True,
                )
                return
