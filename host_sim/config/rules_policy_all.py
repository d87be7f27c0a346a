# SPDX-License-Identifier: MIT
"""What policies do to one another: rules that can never match, that contradict each other or never
decide anything, requests that slip through a stated default, and too many names for one request."""

from __future__ import annotations

from collections.abc import Callable

from host_sim.config.diagnostics import some
from host_sim.config.model_policy import Policy
from host_sim.config.policy_sets import (
    Box,
    Dimension,
    Unsure,
    dimensions,
    left_over,
    meet,
    most_together,
)
from host_sim.config.rules import Ground

CLOSED = ("authentication", "authorization")  # types whose default denies unless stated
Row = tuple[int, Policy, Box]


def check_together(ground: Ground) -> None:
    """Says what rows alone cannot show; a question too long to answer is left open, noted once."""
    file = ground.file
    if ground.findings or not all(rule is not None and rule.name for rule in file.policy):
        return  # of a rule that is only half read nothing true can be said
    live = [
        (index, rule)
        for index, rule in enumerate(file.policy)
        if rule.enabled and (rule.mode or file.mode) == "enforce"
    ]
    _check_unevaluated(ground, [rule for _, rule in live])
    if not live or not file.service:
        return
    space = dimensions(file, [rule for _, rule in live])
    rows = [(index, rule, tuple(d.box(rule) for d in space)) for index, rule in live]
    _check_reachable(ground, space, rows)
    rows = sorted((row for row in rows if all(row[2])), key=lambda row: (row[1].priority, row[0]))
    _check_opposites(ground, space, rows)
    for check in (_check_shadowed, _check_holes, _check_names):
        _try(ground, check, space, rows)


def _try(
    ground: Ground,
    check: Callable[[Ground, list[Dimension], list[Row]], None],
    space: list[Dimension],
    rows: list[Row],
) -> None:
    try:
        check(ground, space, rows)
    except Unsure:
        ground.note(
            ("policy", rows[0][0]),
            "note-unsure",
            "these policies overlap in too many ways to compare them all",
        )


def _check_unevaluated(ground: Ground, live: list[Policy]) -> None:
    for index, rule in enumerate(ground.file.policy):
        stated = getattr(ground.file.policies.default, rule.type)
        first = all(other.type != rule.type for other in ground.file.policy[:index])
        if (
            first
            and rule.type in CLOSED
            and stated is None
            and all(other.type != rule.type for other in live)
        ):
            ground.note(
                ("policy", index),
                "note-hole",
                f"no rule of type {rule.type} is enforced and no default is stated, so the type is "
                f'not evaluated; write default = {{ {rule.type} = "deny" }} in [policies] to close',
            )


def _check_reachable(ground: Ground, space: list[Dimension], rows: list[Row]) -> None:
    for index, rule, _ in rows:
        empty = [d.word for d in space if not d.can_hold(rule)]
        if empty:
            ground.say(
                ("policy", index, "when"),
                "conflict",
                f'policy "{rule.name}" never matches: no request fits its {some(empty)}',
                key=True,
            )


def _check_opposites(ground: Ground, space: list[Dimension], rows: list[Row]) -> None:
    seen: dict[tuple[str, Box], Policy] = {}
    for index, rule, _ in rows:
        if rule.action not in ("allow", "deny"):
            continue
        key = (rule.type, tuple(d.plain_box(rule) for d in space))
        other = seen.setdefault(key, rule)
        if other.action != rule.action:
            ground.say(
                ("policy", index, "action"),
                "conflict",
                f'policy "{other.name}" matches the same requests and says {other.action}; '
                "keep one of the two",
            )


# -- shadowed --------------------------------------------------------------------------------------
def _earlier(rows: list[Row], place: int, actions: tuple[str, ...]) -> list[Row]:
    rule = rows[place][1]
    return [row for row in rows[:place] if row[1].type == rule.type and row[1].action in actions]


def _covers(ground: Ground, rows: list[Row], place: int) -> list[tuple[list[Row], str]]:
    """Sets of rules, each of which would leave this one nothing to do, and what to say then."""
    rule = rows[place][1]
    out: list[tuple[list[Row], str]] = []
    if ground.file.policies.combine == "first-match":
        if rule.action in ("allow", "deny"):
            out.append((_earlier(rows, place, ("allow", "deny")), "stand before it"))
        return out
    if rule.action in ("allow", "throttle", "redirect"):
        out.append(([row for row in rows if row[1].action == "deny"], "deny them"))
    if rule.action in ("allow", "deny"):
        word = f"{rule.action} them already"
        out.append((_earlier(rows, place, (rule.action,)), word))
    return out


def _obliges(rule: Policy) -> bool:
    return bool(
        rule.alert or rule.audit or rule.quota or rule.set_header or rule.set_priority is not None
    )


def _check_shadowed(ground: Ground, _space: list[Dimension], rows: list[Row]) -> None:
    for place, (index, rule, box) in enumerate(rows):
        for covers, why in _covers(ground, rows, place):
            touching = [row for row in covers if meet(box, row[2]) is not None]
            if not touching or (_obliges(rule) and why != "deny them"):
                continue
            if left_over(box, [row[2] for row in touching]) is None:
                names = some([row[1].name for row in touching])
                ground.note(
                    ("policy", index, "name"),
                    "note-shadowed",
                    f'policy "{rule.name}" never decides: for every request it matches, others '
                    f"{why}: {names}",
                )
                break


# -- holes -----------------------------------------------------------------------------------------
def _example(space: list[Dimension], box: Box) -> str:
    words = []
    for dimension, atoms in zip(space[:4], box[:4], strict=True):
        if len(atoms) == len(dimension.atoms):
            continue
        atom = dimension.atoms[min(atoms)]
        if isinstance(atom, tuple):
            atom = atom[1] or atom[0]
        words.append(f"{dimension.word} {atom or 'unknown'}")
    return ", ".join(words) or "any request"


def _check_holes(ground: Ground, space: list[Dimension], rows: list[Row]) -> None:
    whole = tuple(frozenset(range(len(d.atoms))) for d in space)
    for kind in CLOSED:
        if getattr(ground.file.policies.default, kind) != "allow":
            continue
        own = [
            box for _, rule, box in rows if rule.type == kind and rule.action in ("allow", "deny")
        ]
        found = left_over(whole, own)
        if found is not None:
            ground.note(
                ("policies", "default", kind),
                "note-hole",
                f"no {kind} rule decides about some requests, and the default lets them pass, for "
                f"example: {_example(space, found)}",
            )


# -- names for one request ------------------------------------------------------------------------
def _check_names(ground: Ground, _space: list[Dimension], rows: list[Row]) -> None:
    for key, most, code in (
        ("limit", ground.room.policy_limit_max, "too-many-limits"),
        ("quota", ground.room.policy_quota_max, "too-many-quotas"),
    ):
        groups: dict[str, list[Box]] = {}
        last: dict[str, int] = {}
        for index, rule, box in rows:
            name = getattr(rule, key)
            if name is not None:
                groups.setdefault(name, []).append(box)
                last[name] = index
        names = most_together(list(groups.items()), most)
        if names:
            ground.say(
                ("policy", last[names[-1]], key),
                code,
                f"policies name {len(names)} {key}s for one request, at most {most} can: "
                f"{some(names)}; narrow their conditions",
            )
