# SPDX-License-Identifier: MIT
"""Policies as sets of requests: what rules do to one another can be decided and not guessed.

A request is a point: a service with its route, a method, a role, a tenant with its plan, an instant
of the week, an address, and for every header that a rule names what it holds. Each of these is cut
into the few atoms that rules can tell apart, so a rule is a box: one set of atoms per dimension.
Header values have no end; their atoms are the values the file names, put together in every way the
conditions could tell apart, once each and twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from host_sim.config.fields import (
    MATCH_ABSENT,
    MATCH_CONTAINS,
    MATCH_EXACT,
    MATCH_PREFIX,
    MATCH_PRESENT,
    match_of,
)
from host_sim.config.model import METHODS, File
from host_sim.config.model_policy import ROLES, Policy
from host_sim.config.week import WEEK_MINUTES, shift

Box = tuple[frozenset[int], ...]
UNKNOWN = None
STEPS = 20_000  # then a question is left open: a file is checked in well under a second


class Unsure(Exception):
    """A question that would take too long."""


@dataclass(frozen=True)
class Dimension:
    """One dimension: its word, its atoms, and which of them are plain (known, and one value)."""

    word: str
    atoms: tuple[Any, ...]
    holds: Callable[[Policy, Any], bool | None] = field(compare=False)
    plain: Callable[[Any], bool] = field(default=lambda atom: atom is not UNKNOWN, compare=False)

    def box(self, policy: Policy) -> frozenset[int]:
        """The atoms that do not rule the policy out; an unknown counts for a denial only."""
        truths = ((place, self.holds(policy, atom)) for place, atom in enumerate(self.atoms))
        denies = policy.action == "deny"
        return frozenset(place for place, truth in truths if truth or (truth is None and denies))

    def can_hold(self, policy: Policy) -> bool:
        """Some atom makes the policy's condition true, not merely unknown."""
        return any(self.holds(policy, atom) for atom in self.atoms)

    def plain_box(self, policy: Policy) -> frozenset[int]:
        """The same among plain atoms."""
        return frozenset(p for p in self.box(policy) if self.plain(self.atoms[p]))


def _listed(wanted: Iterable[Any] | None, others: Iterable[Any] | None, value: Any) -> bool | None:
    if wanted is None and others is None:
        return True
    if value is UNKNOWN:
        return None
    return (wanted is None or value in wanted) and value not in (others or ())


def _both(a: bool | None, b: bool | None) -> bool | None:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def _target(policy: Policy, atom: tuple[str, str | None]) -> bool | None:
    when = policy.when
    return _both(
        _listed(when.service, when.service_not, atom[0]),
        _listed(when.route, when.route_not, atom[1]),
    )


def _tenants(file: File) -> Dimension:
    plan_of = {name: tenant.plan or "" for name, tenant in file.tenant.items()}

    def holds(policy: Policy, tenant: str | None) -> bool | None:
        when = policy.when
        plan = UNKNOWN if tenant is UNKNOWN else plan_of[tenant]
        return _both(
            _listed(when.tenant, when.tenant_not, tenant), _listed(when.plan, when.plan_not, plan)
        )

    return Dimension("tenant and plan", (*plan_of, UNKNOWN), holds)


# -- lines ---------------------------------------------------------------------------------------
def _ranges(file: File, policy: Policy) -> list[tuple[int, int]]:
    offset = file.timezone if policy.timezone is None else policy.timezone
    return shift(list(policy.when.time or ()), -offset)


def _minutes(file: File, rules: Sequence[Policy]) -> Dimension:
    cuts = {edge % WEEK_MINUTES for rule in rules for pair in _ranges(file, rule) for edge in pair}

    def holds(policy: Policy, minute: int) -> bool | None:
        if policy.when.time is None:
            return True
        return any(
            start <= minute < end if start < end else minute >= start or minute < end
            for start, end in _ranges(file, policy)
        )

    return Dimension("time", tuple(sorted({0, *cuts})), holds)


def _addresses(rules: Sequence[Policy]) -> Dimension:
    cuts = {0}
    for rule in rules:
        for network in (*(rule.when.ip or ()), *(rule.when.ip_not or ())):
            first = int.from_bytes(network.address, "big")
            cuts |= {first, (first + (1 << (128 - network.prefix))) % (1 << 128)}

    def holds(policy: Policy, address: int | None) -> bool | None:
        when = policy.when
        if when.ip is None and when.ip_not is None:
            return True
        if address is UNKNOWN:
            return None
        raw = address.to_bytes(16, "big")
        wanted = when.ip is None or any(network.holds(raw) for network in when.ip)
        return wanted and not any(network.holds(raw) for network in when.ip_not or ())

    return Dimension("ip", (*sorted(cuts), UNKNOWN), holds)


# -- headers -------------------------------------------------------------------------------------
def _fits(how: int, text: str, value: str) -> bool:
    if how == MATCH_EXACT:
        return value == text
    if how == MATCH_PREFIX:
        return value.startswith(text)
    return text in value if how == MATCH_CONTAINS else True


def header_holds(how: int, text: str, values: Sequence[str], every: bool) -> bool:
    """What kernel/policy/match.c says of one condition on a header with these values."""
    if how == MATCH_ABSENT:
        return not values
    if how == MATCH_PRESENT:
        return bool(values)
    if every:
        return bool(values) and all(_fits(how, text, value) for value in values)
    members = (part.strip(" \t") for value in values for part in value.split(","))
    return any(_fits(how, text, value) for value in (*values, *members))


def _header(name: str, rules: Sequence[Policy]) -> Dimension:
    conditions = [
        match_of(value)
        for rule in rules
        for key, value in rule.when.header.items()
        if key.lower() == name
    ]
    parts = {how: [text for h, text in conditions if h == how] for how in range(5)}
    values = {"", "\x00", *parts[MATCH_EXACT]}
    for prefix in ["", *parts[MATCH_PREFIX]]:
        for count in range(min(len(parts[MATCH_CONTAINS]), 3) + 1):
            for inner in itertools.combinations(parts[MATCH_CONTAINS], count):
                values.add("\x00".join([prefix, *inner, ""]))
    single = sorted(values)
    pairs = [(a, b) for a, b in itertools.combinations(single, 2)] if len(single) <= 12 else []
    atoms = [(), *((value,) for value in single), *pairs, UNKNOWN]

    def holds(policy: Policy, atom: tuple[str, ...] | None) -> bool | None:
        for key, value in policy.when.header.items():
            if key.lower() == name:
                if atom is UNKNOWN:
                    return None
                how, text = match_of(value)
                return header_holds(how, text, atom, policy.action == "allow")
        return True

    return Dimension(
        f"header {name}", tuple(atoms), holds, lambda atom: atom is not UNKNOWN and len(atom) < 2
    )


# -- space ---------------------------------------------------------------------------------------
def dimensions(file: File, rules: Sequence[Policy]) -> list[Dimension]:
    """Everything that tells the file's requests apart."""
    targets: list[tuple[str, str | None]] = [(name, UNKNOWN) for name in file.service]
    targets += [(route.service, route.name) for route in file.route]
    headers = dict.fromkeys(key.lower() for rule in rules for key in rule.when.header)
    return [
        Dimension("service and route", tuple(targets), _target),
        Dimension(
            "method",
            tuple(METHODS),
            lambda policy, atom: _listed(policy.when.method, policy.when.method_not, atom),
        ),
        Dimension(
            "role",
            (*ROLES, UNKNOWN),
            lambda policy, atom: _listed(policy.when.role, policy.when.role_not, atom),
        ),
        _tenants(file),
        _minutes(file, rules),
        _addresses(rules),
        *(_header(name, rules) for name in headers),
    ]


def meet(a: Box, b: Box) -> Box | None:
    """What two boxes share, None when it is nothing."""
    both = tuple(one & other for one, other in zip(a, b, strict=True))
    return both if all(both) else None


def left_over(box: Box, covers: Sequence[Box], steps: list[int] | None = None) -> Box | None:
    """A part of `box` that no cover holds, None when they hold all of it. Exact; raises Unsure."""
    counter = [STEPS] if steps is None else steps
    counter[0] -= 1
    if counter[0] < 0:
        raise Unsure
    for place, cover in enumerate(covers):
        if meet(box, cover) is None:
            continue
        rest = box
        for d, held in enumerate(cover):
            outside = rest[d] - held
            if outside:
                piece = (*rest[:d], outside, *rest[d + 1 :])
                found = left_over(piece, covers[place + 1 :], counter)
                if found is not None:
                    return found
            rest = (*rest[:d], rest[d] & held, *rest[d + 1 :])
        return None
    return box


def most_together(groups: Sequence[tuple[str, Sequence[Box]]], most: int) -> list[str] | None:
    """Names of more than `most` groups that one request can meet, None when there is no such
    request. Raises Unsure."""
    steps = [STEPS]

    def search(first: int, here: Box | None, names: list[str]) -> list[str] | None:
        if len(names) > most:
            return names
        for place in range(first, len(groups) - (most - len(names))):
            for box in groups[place][1]:
                steps[0] -= 1
                if steps[0] < 0:
                    raise Unsure
                both = box if here is None else meet(here, box)
                found = both and search(place + 1, both, [*names, groups[place][0]])
                if found:
                    return found
        return None

    return search(0, None, [])
