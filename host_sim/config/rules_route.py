# SPDX-License-Identifier: MIT
"""Rules of [[route]]: a pattern that requests can have, references, and routes that can never
win."""

from __future__ import annotations

import re
from typing import Any

from host_sim.config.compiler import path_of, regex_table
from host_sim.config.fields import match_of
from host_sim.config.model import Route
from host_sim.config.paths import PathError, canonical
from host_sim.config.positions import Path
from host_sim.config.rules import Ground
from host_sim.config.rules_header import check_header


def check_routes(ground: Ground) -> None:
    """Every route alone, then against the ones before it."""
    seen: dict[Any, str] = {}
    table_bytes = 0
    for index, route in enumerate(ground.file.route):
        if route is None:
            continue
        path: Path = ("route", index)
        ground.refer((*path, "service"), route.service, ground.names_of("service"), "service")
        _check_methods(ground, path, route)
        _check_limits(ground, path, route)
        _check_matches(ground, path, route)
        if route.auth == "none" and (route.permission or route.role):
            ground.say(
                (*path, "auth"),
                "conflict",
                "nobody is known here, so no permission and no role can be asked for",
            )
        if route.auth == "optional" and route.permission:
            ground.say(
                (*path, "permission"), "conflict",
                'auth = "optional" lets in who shows nothing, so the permission would bind only '
                'those who do; write auth = "required", or remove permission',
            )  # fmt: skip
        if route.path is None or not _check_one_path(ground, path, route):
            continue
        table_bytes += _check_pattern(ground, path, route)
        if table_bytes > ground.room.dfa_pool_bytes:
            ground.say(
                (*path, "path"),
                "bad-regex",
                f"the tables of all expressions up to here take {table_bytes} "
                f"bytes, the pool has {ground.room.dfa_pool_bytes}; simplify or remove some",
            )
            table_bytes = 0
        _check_twin(ground, path, route, seen)


def _check_methods(ground: Ground, path: Path, route: Route) -> None:
    if route.methods is not None and not route.methods:
        ground.say(
            (*path, "methods"),
            "conflict",
            "an empty list matches nothing; remove the key for any method",
        )
    for place, method in enumerate(route.methods or ()):
        if method in (route.methods or ())[:place]:
            ground.say(
                (*path, "methods", place), "conflict", f'"{method}" is listed twice; remove one'
            )


def _check_limits(ground: Ground, path: Path, route: Route) -> None:
    if len(route.limits) > ground.room.route_limit_max:
        ground.say(
            (*path, "limits"),
            "too-many-limits",
            f"a route names at most {ground.room.route_limit_max} limits",
        )
    scopes = {row.name: row.scope for row in ground.file.limit if row is not None}
    for place, name in enumerate(route.limits):
        here = (*path, "limits", place)
        if not ground.refer(here, name, ground.names_of("limit"), "limit"):
            continue
        if scopes.get(name) not in (None, "named"):
            ground.say(
                here,
                "conflict",
                f'"{name}" has scope "{scopes[name]}" and is asked anyway; a route names '
                'limits of scope "named"',
            )
        if name in route.limits[:place]:
            ground.say(here, "conflict", f'"{name}" is listed twice; remove one')


def _check_matches(ground: Ground, path: Path, route: Route) -> None:
    for section, most in (
        ("headers", ground.room.route_header_max),
        ("queries", ground.room.route_query_max),
    ):
        rows = getattr(route, section)
        lowered: dict[str, str] = {}
        if len(rows) > most:
            ground.say(
                (*path, section), "out-of-range", f"a route compares at most {most} {section}"
            )
        for name, value in rows.items():
            here = (*path, section, name)
            if section == "headers":
                check_header(ground, here, name, key=True)
            if section == "queries" and not re.fullmatch(r"[!-~]{1,47}", name):
                ground.say(
                    here,
                    "bad-header",
                    f'"{name}" is no parameter name of at most 47 visible bytes',
                    key=True,
                )
            if section == "headers" and name.lower() in lowered:
                ground.say(
                    here,
                    "conflict",
                    f'"{name}" is "{lowered[name.lower()]}" again: names compare without '
                    "case; remove one",
                    key=True,
                )
            lowered[name.lower()] = name
            _check_value(ground, here, value)


def _check_value(ground: Ground, here: Path, value: Any) -> None:
    given = (
        []
        if isinstance(value, str)
        else [word for word in ("exact", "prefix", "contains") if getattr(value, word) is not None]
    )
    if not isinstance(value, str) and len(given) != 1:
        ground.say(here, "conflict", "name exactly one of exact, prefix, contains")
        return
    how, text = match_of(value)
    most = ground.room.match_value_bytes
    if not re.fullmatch(r"[ -~]*", text) or len(text) > most:
        ground.say(
            here, "bad-header", f"a compared value is at most {most} bytes from 0x20 to 0x7e"
        )
    elif text != text.strip():
        ground.say(
            here, "bad-header", "values arrive without blanks around them; remove the blanks"
        )
    elif how in (1, 2) and not text:
        ground.say(here, "conflict", f'an empty {given[0]} matches everything; write "present"')


def _check_one_path(ground: Ground, path: Path, route: Route) -> bool:
    given = [
        word
        for word in ("exact", "prefix", "wildcard", "regex")
        if getattr(route.path, word) is not None
    ]
    if len(given) != 1:
        ground.say(
            (*path, "path"),
            "conflict",
            "name exactly one of exact, prefix, wildcard, regex"
            + (f", not {' and '.join(given)}" if given else ""),
        )
    return len(given) == 1


def _check_pattern(ground: Ground, path: Path, route: Route) -> int:
    """Says what is wrong with the pattern; returns the bytes of its table."""
    kind, pattern = path_of(route)
    here = (*path, "path", ("exact", "prefix", "wildcard", "regex")[kind])
    if len(pattern.encode("utf-8", "replace")) > ground.room.route_pattern_bytes:
        ground.say(
            here,
            "bad-path",
            f"a pattern is at most {ground.room.route_pattern_bytes} bytes; nothing is cut",
        )
        return 0
    if not pattern:
        ground.say(here, "bad-path", 'an empty pattern matches nothing; write "/" for the root')
        return 0
    if kind == 3:
        return _check_regex(ground, here, pattern)
    try:
        form = canonical(pattern, allow_escapes=route.allow_escapes)
    except PathError as error:
        ground.say(here, "bad-path", f'"{pattern}" can never match: {error}')
        return 0
    if form != pattern:
        ground.say(
            here,
            "bad-path",
            f'"{pattern}" can never match; requests have the form "{form}": write that',
        )
    if kind == 2:
        _check_wildcard(ground, here, pattern)
    return 0


def _check_regex(ground: Ground, here: Path, pattern: str) -> int:
    try:
        table = regex_table(pattern)
    except ValueError as error:
        ground.say(here, "bad-regex", f"{error}")
        return 0
    if len(table) > ground.room.dfa_table_bytes:
        ground.say(
            here,
            "bad-regex",
            f"its table takes {len(table)} bytes, profile {ground.room.name} allows "
            f"{ground.room.dfa_table_bytes}; simplify it or use wildcard",
        )
    return len(table)


def _check_wildcard(ground: Ground, here: Path, pattern: str) -> None:
    segments = pattern.split("/")[1:]
    if sum("*" in segment for segment in segments) > ground.room.capture_max:
        ground.say(here, "bad-path", f'at most {ground.room.capture_max} segments may be "*"')
    if not any("*" in segment for segment in segments):
        ground.say(here, "bad-path", f'"{pattern}" has no "*"; write exact = "{pattern}"')
    for index, segment in enumerate(segments):
        if "*" in segment and segment not in ("*", "**"):
            ground.say(
                here,
                "bad-path",
                f'"{segment}": "*" stands for a whole segment; use regex for parts of one',
            )
        if segment == "**" and index != len(segments) - 1:
            ground.say(
                here,
                "bad-path",
                '"**" stands for the rest, so it must be last; use "*" for one segment',
            )


def _check_twin(ground: Ground, path: Path, route: Route, seen: dict[Any, str]) -> None:
    """A route equal to an earlier one but in name can never win."""

    def frozen(rows: dict[str, Any], fold: bool) -> frozenset[Any]:
        return frozenset(
            (name.lower() if fold else name, match_of(value)) for name, value in rows.items()
        )

    key = (
        path_of(route),
        route.host,
        frozenset(route.methods or ()),
        frozen(route.headers, True),
        frozen(route.queries, False),
        route.priority,
    )
    if key in seen:
        ground.say(
            (*path, "path"),
            "conflict",
            f'never reached: route "{seen[key]}" asks for exactly the same and '
            "stands first; remove one or set priority",
        )
    seen.setdefault(key, route.name)
