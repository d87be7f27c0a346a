# SPDX-License-Identifier: MIT
"""What keys and rows may hold together: references, contradictions, exact rates, table sizes,
limits per request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from host_sim.config.capacities import Capacities
from host_sim.config.diagnostics import Diagnostic, did_you_mean
from host_sim.config.fields import NAME
from host_sim.config.keys import Material
from host_sim.config.model import METHODS, File
from host_sim.config.positions import Path, Positions
from host_sim.config.rules_header import check_edited, check_header

TIME_MAX = 2**63 - 1  # ns


@dataclass
class Ground:
    """One file under examination, and what has been said about it so far."""

    file: File
    raw: dict[str, Any]
    positions: Positions
    room: Capacities
    findings: list[Diagnostic] = field(default_factory=list)
    notes: list[Diagnostic] = field(default_factory=list)
    folder: FilePath = FilePath()  # where files the configuration names are looked for
    now_ns: int | None = None  # Unix time for what lapses; None: nothing is said about that
    material: dict[Path, Material] = field(default_factory=dict, repr=False)  # by place

    def say(self, path: Path, code: str, message: str, *, key: bool = False) -> None:
        """An error at the value of `path`, or at its key."""
        place = self.positions.of_key(path) if key else self.positions.of_value(path)
        self.findings.append(Diagnostic(*place, code, message))

    def note(self, path: Path, code: str, message: str) -> None:
        """Something to know that is no error."""
        self.notes.append(Diagnostic(*self.positions.of_value(path), code, message))

    def refer(self, path: Path, name: str | None, known: Iterable[str], what: str) -> bool:
        """Says so when `name` is no known row of kind `what`; True when it is one."""
        names = list(known)
        if name is None or name in names:
            return name is not None
        self.say(
            path, "unknown-reference", f'no {what} "{name}"; {did_you_mean(name, names, what=what)}'
        )
        return False

    def names_of(self, section: str) -> list[str]:
        """Names in file order; rows with errors elsewhere count, so that no reference to them is
        an error too."""
        rows = self.raw.get(section, {} if section in ("service", "tenant", "sla", "pool") else [])
        if isinstance(rows, dict):
            return [name for name in rows if isinstance(name, str)]
        if not isinstance(rows, list):
            return []
        return [
            row["name"]
            for row in rows
            if isinstance(row, dict) and isinstance(row.get("name"), str)
        ]

    def plans(self) -> list[str]:
        """Plans in order of first mention by a tenant."""
        return list(
            dict.fromkeys(tenant.plan for tenant in self.file.tenant.values() if tenant.plan)
        )


def check_common(ground: Ground) -> None:
    """Version, trust, names, tenants, identity, tests and table sizes."""
    _check_version(ground)
    _check_trust(ground)
    _check_names(ground)
    check_edited(ground, ("headers", "request_id"), ground.file.headers.request_id)
    _check_services(ground)
    _check_identity(ground)
    _check_expectations(ground)
    _check_room(ground)
    if ground.file.mode == "off":
        ground.note(
            ("mode",),
            "note-off",
            'mode = "off": every request passes ungoverned, whatever rows say',
        )


def _check_version(ground: Ground) -> None:
    version = ground.raw.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version != 1:
        ground.say(
            ("version",),
            "version",
            f"this raygate reads version 1, the file says {version}; write version = 1 "
            "after checking the keys against docs/config.md",
        )


def _check_trust(ground: Ground) -> None:
    trust = ground.file.trust
    if trust.client_ip == "peer" and trust.proxies:
        ground.say(
            ("trust", "proxies"),
            "conflict",
            'proxies have no effect while client_ip = "peer"; set '
            'client_ip = "x-forwarded-for" or remove them',
            key=True,
        )
    if (
        trust.client_ip == "x-forwarded-for"
        and not trust.proxies
        and "proxies" not in ground.raw.get("trust", {})
    ):
        ground.say(
            ("trust", "client_ip"),
            "conflict",
            "X-Forwarded-For is believed only from proxies, and none is "
            'named; add proxies = ["10.0.0.0/8"] with your own networks',
        )
    for index, network in enumerate(trust.proxies):
        if network.prefix in (0, 96):
            ground.note(
                ("trust", "proxies", index),
                "note-private",
                f'"{network.text}" trusts X-Forwarded-For from '
                "anybody: a client can choose its own address",
            )


def _check_names(ground: Ground) -> None:
    for section in ("service", "tenant", "pool", "schema", "transform"):
        for name in ground.names_of(section):
            _check_name(ground, (section, name), name)
    for section in ("route", "limit", "quota", "policy", "alert", "api_key", "basic", "bearer",
                    "jwt"):
        first: dict[str, int] = {}
        for index, row in enumerate(getattr(ground.file, section)):
            if row is None or row.name is None:
                continue
            if row.name in first:
                line = ground.positions.of_value((section, first[row.name], "name"))[0]
                ground.say(
                    (section, index, "name"),
                    "duplicate-name",
                    f'a {section} named "{row.name}" stands in line {line} already; rename one',
                )
            first.setdefault(row.name, index)


def _check_name(ground: Ground, path: Path, name: str) -> None:
    if not NAME.fullmatch(name):
        ground.say(
            path, "bad-name", f'"{name}" is no name; use 1 to 47 of A-Z a-z 0-9 . _ : -', key=True
        )


def _check_services(ground: Ground) -> None:
    for name, service in ground.file.service.items():
        if service.timeout == 0:
            ground.say(
                ("service", name, "timeout"),
                "out-of-range",
                'a timeout of 0 ends every request at once; write for example "30s"',
            )
        if service.max_body >= 2**32:
            ground.say(
                ("service", name, "max_body"),
                "out-of-range",
                'a body is at most 4294967295 bytes; write less, for example "8MiB"',
            )
    if ground.file.defaults.max_step == 0:
        ground.say(
            ("defaults", "max_step"), "out-of-range", 'a step is longer than 0, for example "24h"'
        )


def _check_identity(ground: Ground) -> None:
    for index, rule in enumerate(ground.file.identity):
        if rule is None:
            continue
        path: Path = ("identity", index)
        ground.refer((*path, "tenant"), rule.tenant, ground.names_of("tenant"), "tenant")
        if not {"tenant", "user"} & set(ground.raw["identity"][index]):
            ground.say(path, "conflict", "the rule says nothing: name a tenant, a user, or both")
        if rule.user is not None and not isinstance(rule.user, str):
            given = [
                name for name in ("header", "path_segment") if getattr(rule.user, name) is not None
            ]
            if len(given) != 1:
                ground.say(
                    (*path, "user"), "conflict", "name exactly one of header and path_segment"
                )
            check_header(ground, (*path, "user", "header"), rule.user.header)
    always = [
        index
        for index, rule in enumerate(ground.file.identity)
        if rule is not None and rule.when is not None and not rule.when.model_fields_set
    ]
    for index in range(len(ground.file.identity)):
        if always and index > always[0]:
            ground.say(
                ("identity", index),
                "conflict",
                "never reached: an earlier rule has when = {}, which is always; put that one last",
            )


def _check_expectations(ground: Ground) -> None:
    rows = [
        *ground.names_of("limit"),
        *ground.names_of("quota"),
        *ground.names_of("policy"),
        *ground.names_of("route"),
        *ground.names_of("service"),
        *(name for kind in ("api_key", "basic", "bearer") for name in ground.names_of(kind)),
    ]
    shadows = [*ground.names_of("limit"), *ground.names_of("quota"), *ground.names_of("policy")]
    for index, test in enumerate(ground.file.test):
        if test is None:
            continue
        path: Path = ("test", index)
        if test.expect is not None:
            expect = (*path, "expect")
            if not test.expect.model_fields_set:
                ground.say(
                    expect,
                    "conflict",
                    "an expectation names at least one of verdict, by, reason, status, "
                    "route, service, retry_after, shadow",
                )
            ground.refer((*expect, "by"), test.expect.by, rows, "limit, quota, route or service")
            ground.refer((*expect, "route"), test.expect.route, ground.names_of("route"), "route")
            ground.refer(
                (*expect, "service"), test.expect.service, ground.names_of("service"), "service"
            )
            for place, name in enumerate(test.expect.shadow or ()):
                ground.refer((*expect, "shadow", place), name, shadows, "limit or quota")
        if test.request is not None:
            request = (*path, "request")
            ground.refer(
                (*request, "tenant"), test.request.tenant, ground.names_of("tenant"), "tenant"
            )
            ground.refer(
                (*request, "service"), test.request.service, ground.names_of("service"), "service"
            )
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}", test.request.method):
                ground.say(
                    (*request, "method"),
                    "bad-choice",
                    f'"{test.request.method}" is no method; use one of: ' + ", ".join(METHODS),
                )


def _check_room(ground: Ground) -> None:
    """Table sizes of the profile; the row that is one too many is named."""
    hold(ground, [("service", name) for name in ground.names_of("service")], "services", "service")
    hold(ground, [("tenant", name) for name in ground.names_of("tenant")], "tenants", "tenant")
    hold(ground, _places(ground, "route"), "routes", "route")
    hold(ground, _places(ground, "quota"), "quotas", "quota_allocation")
    proxies = len(ground.file.trust.proxies)
    hold(ground, [("trust", "proxies", i) for i in range(proxies)], "trusted networks", "trust")
    first_of = {row.plan: name for name, row in reversed(ground.file.tenant.items())}
    plans: list[Path] = [("tenant", first_of[plan], "plan") for plan in ground.plans()]
    hold(ground, plans, "plans", "plan")
    limits = [(place, row) for place, row in enumerate(ground.file.limit) if row is not None]
    for scope in ("service", "user", "ip", "named"):
        rows: list[Path] = [("limit", place) for place, row in limits if row.scope == scope]
        hold(ground, rows, f"limits of scope {scope}", f"limit_{scope}")
    rates: list[Path] = [
        ("limit", place, "plan", plan) for place, row in limits for plan in row.plan
    ]
    hold(ground, rates, "rates by plan", "limit_rate")
    regexes: list[Path] = [
        ("route", place, "path")
        for place, row in enumerate(ground.file.route)
        if row is not None and row.path is not None and row.path.regex is not None
    ]
    hold(ground, regexes, "regex routes", "dfa")


def _places(ground: Ground, section: str) -> list[Path]:
    return [(section, place) for place in range(len(getattr(ground.file, section)))]


def hold(ground: Ground, rows: list[Path], what: str, table: str) -> None:
    """Says so where there are more rows than the profile has places for."""
    most: int = getattr(ground.room, f"{table}_max")
    if len(rows) > most:
        ground.say(
            rows[most],
            "too-many-rows",
            f"{len(rows)} {what}, but profile {ground.room.name} has room for {most}; remove "
            "some or choose another with --profile",
            key=True,
        )


def stated_keys(ground: Ground, path: Path) -> set[str]:
    """Keys of the table at `path`, those with errors in them too."""
    table = ground.raw[str(path[0])][path[1]]
    return set(table) if isinstance(table, dict) else set()


def check_time(ground: Ground, path: Path, value: int | None) -> bool:
    """True when the time is one that can be used; says why not otherwise."""
    if value is None or 0 < value <= TIME_MAX:
        return True
    ground.say(path, "out-of-range", f'"{path[-1]}" is longer than 0, at most 292 years')
    return False
