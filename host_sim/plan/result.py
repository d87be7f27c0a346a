# SPDX-License-Identifier: MIT
"""What a plan says: two configurations' answers to the same requests, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from host_sim.plan import budget
from host_sim.plan.structure import Edit
from host_sim.replay.summary import Summary

if TYPE_CHECKING:
    import pyarrow

    from host_sim.config import Config
    from host_sim.report.model import Report

SAME, DENIED, ALLOWED, OTHER = range(4)  # enum ray_compare_change
NANO = budget.NANO
CHANGES = ("same", "newly-denied", "newly-allowed", "other")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One side's answer: verdict and reason as in --decisions; `kind` and `name` of the rule that
    decided, empty where none did."""

    verdict: str
    reason: str
    kind: str
    name: str

    @property
    def rule(self) -> str:
        """`limit per-address`; the reason where no rule is to blame."""
        return f"{self.kind} {self.name}" if self.name else self.reason


@dataclasses.dataclass(frozen=True)
class Pair:
    """Requests that the old file answered so and the new one so. `line` (its log's number above bit
    48), `at_ns`, `seq` and `position` (running number) are of the first; the last two by side.
    `rewaited` counts those that were told another wait."""

    old: Outcome
    new: Outcome
    change: str
    requests: int
    rewaited: int
    line: int
    at_ns: int
    seq: tuple[int, int]
    position: tuple[int, int]

    @property
    def flips(self) -> bool:
        """Is it another verdict?"""
        return self.change != "same"

    @property
    def waits(self) -> bool:
        """Allowed by both, and queued or delayed otherwise: no flip, and yet a change."""
        return (not self.flips and self.old.verdict in ("allow", "delay")
                and (self.old.reason != self.new.reason or bool(self.rewaited)))


@dataclasses.dataclass(frozen=True)
class Group:
    """A tenant, service or route: the old file's, the new one's where the old knows none. `name` is
    empty for requests of none."""

    name: str
    requests: int = 0
    old_refused: int = 0
    new_refused: int = 0
    newly_denied: int = 0
    newly_allowed: int = 0
    other: int = 0
    first_denied_ns: int = 0
    first_denied_line: int = 0

    @property
    def changed(self) -> int:
        """Requests with another verdict."""
        return self.newly_denied + self.newly_allowed + self.other

    def count(self, measure: str) -> int:
        """What a budget of this measure counts."""
        return {"newly-denied": self.newly_denied, "newly-allowed": self.newly_allowed,
                "changed": self.changed}[measure]


@dataclasses.dataclass(frozen=True)
class Course:
    """Requests over time, in stretches of `width_ns` from `first_ns`: how many in all, newly
    denied, newly allowed and decided otherwise."""

    first_ns: int
    width_ns: int
    requests: tuple[int, ...]
    newly_denied: tuple[int, ...]
    newly_allowed: tuple[int, ...]
    other: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Person:
    """A client or user whose requests flip; `first_ns` is when the first did."""

    name: str
    requests: int
    newly_denied: int
    newly_allowed: int
    other: int
    first_ns: int


@dataclasses.dataclass(frozen=True)
class Victim:
    """The first request that a rule decides otherwise, explained stage by stage on both sides."""

    change: str
    rule: str
    requests: int       # that this rule flips
    line: int
    at_ns: int
    client: str
    user: str
    text: str           # the line of the log
    old: str
    new: str


@dataclasses.dataclass(frozen=True)
class Bill:
    """A tenant's charge by each file, exact in 10^-9; `tenant` is empty for nobody in
    particular."""

    tenant: str
    old_nano: int
    new_nano: int

    @property
    def growth_nano(self) -> int:
        """New less old."""
        return self.new_nano - self.old_nano


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything a plan tells. `old` and `new` are the summaries of the two replays, with their
    digests; `only` counts rows that one side alone took, by side."""

    logs: tuple[str, ...]
    log_sha256: dict[str, str]  # by the log's name
    requests: int
    newly_denied: int
    newly_allowed: int
    other: int
    only: tuple[int, int]
    only_line: tuple[int, int]
    verdicts: dict[str, dict[str, int]]
    pairs: tuple[Pair, ...]
    course: Course
    tenants: tuple[Group, ...]
    services: tuple[Group, ...]
    routes: tuple[Group, ...]
    clients_denied: tuple[Person, ...]
    clients_allowed: tuple[Person, ...]
    users_denied: tuple[Person, ...]
    users_allowed: tuple[Person, ...]
    client_count: int
    user_count: int
    victims: tuple[Victim, ...]
    victims_left_out: int
    edits: tuple[Edit, ...]
    budgets: tuple[budget.Verdict, ...]
    old: Summary
    new: Summary
    folded: int = 0             # requests that are in the totals and in no table
    problem: str = ""
    top: int = 10
    gathered: bytes | None = dataclasses.field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, old: Any, new: Any, *logs: Any, **how: Any) -> Plan:
        """Runs one, see host_sim.plan.plan: `Plan.of("old.toml", "new.toml", "access.log")`. It
        gathers the flips unless told otherwise."""
        from host_sim.plan import plan

        return plan(old, new, *logs, **{"gather": True, **how})

    @property
    def flips(self) -> pyarrow.Table:
        """Every request with another verdict, a row each; see host_sim.plan.flips. Raises
        ValueError when they were not gathered."""
        if self.gathered is None:
            raise ValueError("the flips were not gathered: ask for gather=True")
        from host_sim.plan.flips import table

        return table(self.gathered)

    @property
    def changed(self) -> int:
        """Requests with another verdict."""
        return self.newly_denied + self.newly_allowed + self.other

    @property
    def users_differ(self) -> bool:
        """False where each client is its own user."""
        return (self.users_denied, self.users_allowed) != (
            self.clients_denied, self.clients_allowed)

    @property
    def bills(self) -> tuple[Bill, ...]:
        """Of each tenant that pays on either side, the largest difference first."""
        return bills_of(self.old, self.new)

    @property
    def outcomes_differ(self) -> bool:
        """Do other numbers complete, expire or leave their queue unsent, or does the same number
        wait for another time?"""
        return (any(getattr(self.old, word) != getattr(self.new, word)
                    for word in ("completed", "expired", "dropped", "queued"))
                or self._waits(self.old) != self._waits(self.new))

    @staticmethod
    def _waits(side: Summary) -> dict[str, tuple[int, int, int]]:
        return {one.priority: (one.queued, one.wait_ns_mean, one.wait_ns_max)
                for one in side.governed.queues}

    @property
    def changes(self) -> bool:
        """Is anything that a client or a payer would notice different: a verdict, a wait, an
        outcome or a bill? Another rule behind the same answer is not."""
        return (bool(self.changed) or any(pair.waits for pair in self.pairs)
                or self.outcomes_differ or any(bill.growth_nano for bill in self.bills))

    @property
    def incomplete(self) -> bool:
        """Was the log not read to its end?"""
        return bool(self.problem or self.old.interrupted or self.old.problem)

    @property
    def unseen(self) -> tuple[str, ...]:
        """What of the log was not seen, or not as it happened, a sentence without its stop each:
        whatever is a finding of a replay by either file."""
        old = self.old.findings()
        new = dataclasses.replace(self.new, interrupted=False).findings()  # both are, or neither
        return (*([self.problem] if self.problem else []), *old,
                *(f"by the new file {finding}" for finding in new if finding not in old))

    @property
    def exit_code(self) -> int:
        """0 or 1, as the command ends: with budgets 1 when one is not kept, else 1 for any change;
        1 when something of the log was not seen, whatever the rest says."""
        over = any(not verdict.kept for verdict in self.budgets)
        return int(bool(self.unseen) or (over if self.budgets else self.changes))

    def blamed(self, change: str) -> list[tuple[Outcome, list[Pair]]]:
        """Who did it, most requests first: the new file's rule for new denials, the old one's for
        what is newly allowed, the new outcome for the rest."""
        found: dict[Outcome, list[Pair]] = {}
        for pair in self.pairs:
            if pair.change == change:
                found.setdefault(pair.old if change == "newly-allowed" else pair.new,
                                 []).append(pair)
        return sorted(found.items(), key=lambda item: (-total(item[1]), item[0].rule))

    def as_json(self) -> dict[str, Any]:
        """The same content as plain data; times in nanoseconds, money in 10^-9."""
        skip = ("old", "new", "budgets", "gathered")
        out = {field.name: _plain(getattr(self, field.name))
               for field in dataclasses.fields(self) if field.name not in skip}
        return {
            "headline": self.report().headline, "changed": self.changed,
            "changes": self.changes, "unseen": list(self.unseen), "exit_code": self.exit_code,
            **out,
            "bills": [{**dataclasses.asdict(bill), "growth_nano": bill.growth_nano}
                      for bill in self.bills],
            "budgets": [verdict.as_json() for verdict in self.budgets],
            "old": self.old.as_json(), "new": self.new.as_json()}

    def report(self) -> Report:
        """The same content as a document."""
        from host_sim.plan.document import report

        return report(self)

    def _repr_html_(self) -> str:
        from host_sim.report.notebook import cell

        return cell(self.report())


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(one) for key, one in dataclasses.asdict(value).items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


def total(pairs: Iterable[Pair]) -> int:
    """Requests of all of them."""
    return sum(pair.requests for pair in pairs)


def bills_of(old: Summary, new: Summary) -> tuple[Bill, ...]:
    """The two bills joined."""
    sides = [{bill.tenant: bill.nano for bill in side.governed.bills} for side in (old, new)]
    rows = [Bill(tenant, sides[0].get(tenant, 0), sides[1].get(tenant, 0))
            for tenant in dict.fromkeys((*sides[0], *sides[1]))]
    return tuple(sorted(rows, key=lambda bill: (-abs(bill.growth_nano), bill.tenant)))


def judge(
    budgets: Sequence[budget.Budget], groups: dict[str, tuple[Group, ...]], whole: Group,
    bills: tuple[Bill, ...], plan_of: Callable[[str], str], *, priced: bool,
) -> tuple[budget.Verdict, ...]:
    """Each budget's verdict. `groups` are by tenant, service and route; `plan_of` is a tenant's
    plan; `priced` says that one of the files has a price."""
    verdicts = []
    for one in budgets:
        def counts(name: str, one: budget.Budget = one) -> bool:
            """Is it of the budget's subject?"""
            known = plan_of(name) if one.kind == "plan" else name
            return not one.kind or known == one.name

        kind = "tenant" if one.kind == "plan" else one.kind
        found = [row for row in groups[kind] if counts(row.name)] if kind else [whole]
        requests = sum(row.requests for row in found)
        lack = "" if requests else budget.NO_TRAFFIC
        if one.measure == "bill":
            rows = [bill for bill in bills if counts(bill.tenant)]
            verdicts.append(budget.Verdict(one, sum(bill.growth_nano for bill in rows),
                                           sum(bill.old_nano for bill in rows),
                                           lack if priced else budget.NO_PRICE))
        else:
            verdicts.append(budget.Verdict(one, sum(row.count(one.measure) for row in found),
                                           requests, lack))
    return tuple(verdicts)


def plan_names(old: Config, new: Config) -> Callable[[str], str]:
    """A tenant's plan by its name: by the old file, by the new one for a tenant it adds; "" for
    none."""
    plans = {name: tenant.plan or "" for config in (new, old)
             for name, tenant in config.file.tenant.items()}
    return lambda tenant: plans.get(tenant, "")
