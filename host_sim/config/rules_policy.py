# SPDX-License-Identifier: MIT
"""Rules of [[policy]]: each alone, what it names, and how many fit. What rules do to one another is
in rules_policy_all.py."""

from __future__ import annotations

import re
from typing import Any

from host_sim.config.capacities import POLICY_VALUE_BYTES
from host_sim.config.compile_policy import headers_of, terms_of
from host_sim.config.compiler import Names
from host_sim.config.fields import match_of
from host_sim.config.model_policy import ROLES, Policy
from host_sim.config.positions import Path
from host_sim.config.rules import Ground
from host_sim.config.rules_header import check_edited, check_header
from host_sim.config.rules_policy_all import check_together

_VALUE = re.compile(r"[ -~\t]*")
REDIRECTS = (301, 302, 303, 307, 308)
LISTS = ("service", "route", "method", "role", "tenant", "plan")


def check_policies(ground: Ground) -> None:
    """Every rule alone, then all of them."""
    before = len(ground.findings)
    for index, policy in enumerate(ground.file.policy):
        if policy is None:
            continue
        path: Path = ("policy", index)
        _check_references(ground, path, policy)
        _check_lists(ground, path, policy)
        _check_action(ground, path, policy)
        _check_headers(ground, path, policy)
        _check_effects(ground, path, policy)
        if (policy.mode or ground.file.mode) == "shadow" and policy.enabled:
            ground.note(path, "note-shadow", f'policy "{policy.name}" only watches')
        raw = ground.raw["policy"][index]
        if policy.enabled and isinstance(raw, dict) and not raw.get("when"):
            ground.note(
                path,
                "note-everything",
                f'policy "{policy.name}" has no condition: it holds for every request',
            )
    _check_unused_quotas(ground)
    if len(ground.findings) == before and not any(
        finding.code in ("missing-key", "bad-choice", "wrong-type") for finding in ground.findings
    ):
        _check_room(ground)
        if None not in ground.file.policy:
            check_together(ground)


def _check_references(ground: Ground, path: Path, policy: Policy) -> None:
    known = {
        "service": (ground.names_of("service"), "service"),
        "route": (ground.names_of("route"), "route"),
        "role": (list(ROLES), "role"),
        "tenant": (ground.names_of("tenant"), "tenant"),
        "plan": (ground.plans(), "plan of a tenant"),
    }
    for field, (names, what) in known.items():
        for key in (field, f"{field}_not"):
            for place, name in enumerate(getattr(policy.when, key) or ()):
                here: Path = (*path, "when", key)
                if isinstance(ground.raw["policy"][path[1]]["when"][key], list):
                    here = (*here, place)
                ground.refer(here, name, names, what)


def _check_lists(ground: Ground, path: Path, policy: Policy) -> None:
    for field in LISTS:
        wanted, others = (getattr(policy.when, key) for key in (field, f"{field}_not"))
        for key, words in ((field, wanted), (f"{field}_not", others)):
            if words is not None and not words:
                ground.say(
                    (*path, "when", key),
                    "conflict",
                    "an empty list matches nothing; remove the key for any",
                )
            for place, word in enumerate(words or ()):
                if word in (words or ())[:place]:
                    ground.say(
                        (*path, "when", key),
                        "conflict",
                        f'"{word}" is listed twice; remove one',
                    )
        if wanted and set(wanted) <= set(others or ()):
            ground.say(
                (*path, "when", field),
                "conflict",
                f'never matches: every {field} it names is in "{field}_not" too',
                key=True,
            )


def _check_action(ground: Ground, path: Path, policy: Policy) -> None:
    status, action = policy.status, policy.action
    if action == "deny" and status is not None and not 400 <= status <= 599:
        ground.say((*path, "status"), "out-of-range", f"a denial is 400 to 599, not {status}")
    elif action == "redirect" and status is not None and status not in REDIRECTS:
        ground.say(
            (*path, "status"),
            "bad-choice",
            f"a redirect is 301, 302, 303, 307 or 308, not {status}",
        )
    elif action not in ("deny", "redirect", None) and status is not None:
        ground.say(
            (*path, "status"),
            "conflict",
            f'action = "{action}" answers nothing itself; remove "status"',
            key=True,
        )
    pairs = (("throttle", "limit", policy.limit), ("redirect", "location", policy.location))
    for word, key, value in pairs:
        if action == word and value is None:
            ground.say((*path, "action"), "conflict", f'action = "{word}" needs the key "{key}"')
        elif action not in (word, None) and value is not None:
            ground.say((*path, key), "conflict", f'"{key}" belongs to action = "{word}"', key=True)
    if action == "throttle" and policy.type not in ("ratelimit", None):
        ground.say((*path, "type"), "conflict", 'action = "throttle" is of type = "ratelimit"')
    scopes = {row.name: row.scope for row in ground.file.limit if row is not None}
    known = ground.refer((*path, "limit"), policy.limit, ground.names_of("limit"), "limit")
    if known and scopes.get(policy.limit or "") not in (None, "named"):
        ground.say(
            (*path, "limit"),
            "conflict",
            f'"{policy.limit}" has scope "{scopes[policy.limit or ""]}" and is asked anyway; a '
            'policy names limits of scope "named"',
        )


def _check_effects(ground: Ground, path: Path, policy: Policy) -> None:
    if policy.quota is not None:
        named = {row.name: row.named for row in ground.file.quota if row is not None}
        known = ground.refer((*path, "quota"), policy.quota, ground.names_of("quota"), "quota")
        if known and named.get(policy.quota) is False:
            ground.say(
                (*path, "quota"),
                "conflict",
                f'"{policy.quota}" is charged anyway; a policy names quotas with named = true',
            )
        if policy.type != "quota" or policy.action in ("deny", "redirect"):
            ground.say(
                (*path, "quota"),
                "conflict",
                'a quota is charged by a rule of type = "quota" that neither denies nor redirects',
                key=True,
            )
    elif policy.weight is not None:
        ground.say((*path, "weight"), "conflict", '"weight" needs the key "quota"', key=True)
    if policy.set_header and (policy.type != "transformation" or len(policy.set_header) > 1):
        ground.say(
            (*path, "set_header"),
            "conflict",
            'a rule of type = "transformation" sets one header; others none',
            key=True,
        )
    texts = [*policy.set_header.values(), *([policy.location] if policy.location else [])]
    most = POLICY_VALUE_BYTES
    for text in texts:
        if not _VALUE.fullmatch(text) or len(text) > most or text != text.strip():
            ground.say(
                path, "bad-header", f'"{text}" is no header value of at most {most} visible bytes'
            )
    if policy.location is not None and (not policy.location or " " in policy.location):
        ground.say((*path, "location"), "bad-header", "a location is a URL without blanks")
    if policy.timezone is not None and policy.when.time is None:
        ground.say(
            (*path, "timezone"), "conflict", '"timezone" has no effect without "time"', key=True
        )


def _check_headers(ground: Ground, path: Path, policy: Policy) -> None:
    lowered: dict[str, str] = {}
    for section, rows in (("when", policy.when.header), ("set_header", policy.set_header)):
        for name, value in rows.items():
            here: Path = (
                (*path, "when", "header", name) if section == "when" else (*path, section, name)
            )
            if section == "set_header":
                check_edited(ground, here, name, most=48, key=True)
            elif check_header(ground, here, name, most=48, key=True):
                if name.lower() in lowered:
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
        ["text"]
        if isinstance(value, str)
        else [word for word in ("exact", "prefix", "contains") if getattr(value, word) is not None]
    )
    if len(given) != 1:
        ground.say(here, "conflict", "name exactly one of exact, prefix, contains")
        return
    how, text = match_of(value)
    most = POLICY_VALUE_BYTES
    if not _VALUE.fullmatch(text) or len(text) > most:
        ground.say(here, "bad-header", f"a compared value is at most {most} bytes, 0x20 to 0x7e")
    elif text != (text.strip() if how == 0 else text.lstrip() if how == 1 else text):
        ground.say(
            here, "bad-header", "values arrive without blanks around them; remove the blanks"
        )
    elif how in (1, 2) and not text:
        ground.say(here, "conflict", f'an empty {given[0]} matches everything; write "present"')


def _check_unused_quotas(ground: Ground) -> None:
    used = {row.quota for row in ground.file.policy if row is not None}
    for index, quota in enumerate(ground.file.quota):
        if quota is not None and quota.named and quota.name not in used:
            ground.note(
                ("quota", index, "name"),
                "note-unused",
                f'no policy names the quota "{quota.name}", so it is never charged; add a policy '
                f'with type = "quota" and quota = "{quota.name}"',
            )


def _check_room(ground: Ground) -> None:
    names = Names.of(ground.file)
    terms = headers = 0
    if len(ground.file.policy) > ground.room.policy_max:
        _full(ground, ground.room.policy_max, len(ground.file.policy), "policies", "policy_max")
        return
    for index, policy in enumerate(row for row in ground.file.policy if row is not None):
        terms += len(terms_of(policy, names, 0))
        headers += len(headers_of(policy))
        if terms > ground.room.policy_term_max:
            _full(ground, index, terms, "conditions up to this policy", "policy_term_max")
            return
        if headers > ground.room.policy_header_max:
            _full(ground, index, headers, "headers up to this policy", "policy_header_max")
            return


def _full(ground: Ground, index: int, count: int, what: str, table: str) -> None:
    ground.say(
        ("policy", index),
        "too-many-rows",
        f"{count} {what}, but profile {ground.room.name} has room for "
        f"{getattr(ground.room, table)}; remove some or choose another with --profile",
        key=True,
    )
