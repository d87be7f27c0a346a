# SPDX-License-Identifier: MIT
"""Budgets: how much a new configuration may change before a gate says no.

    [SUBJECT ]MEASURE<=BOUND

SUBJECT is tenant:NAME, plan:NAME, service:NAME or route:NAME, all requests without one. MEASURE is
newly-denied, newly-allowed, changed or bill. BOUND is a count or a share of the subject's requests
(`100`, `0.1%`); for the bill what it may grow by (`+10.00`, `+5%` of the old one). Comparisons are
exact: nothing is rounded.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from host_sim.errors import ArgumentError

SUBJECTS = ("tenant", "plan", "service", "route")
MEASURES = ("newly-denied", "newly-allowed", "changed", "bill")
NANO = 10**9
NO_TRAFFIC, NO_PRICE = "no traffic", "no price"

_FORM = re.compile(r"(?:(?P<kind>[a-z]+):(?P<name>.+?)\s+)?(?P<measure>[a-z-]+)\s*<=\s*"
                   r"(?P<sign>[+-]?)(?P<whole>[0-9]{1,18})(?:\.(?P<part>[0-9]{1,9}))?"
                   r"\s*(?P<percent>%?)\s*")  # fmt: skip


class BudgetError(ArgumentError):
    """A budget that cannot be meant; says what one looks like."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """One budget as it was written. `bound` is in 10^-9 of a request, a unit of money, or a
    percent."""

    text: str
    kind: str       # "" for everything
    name: str
    measure: str
    bound: int
    percent: bool

    def keeps(self, found: int, whole: int) -> bool:
        """Is `found` (requests, or growth in 10^-9 of money) within the bound? `whole` is what a
        percentage is of."""
        if self.percent:
            return found * 100 * NANO <= self.bound * whole
        return found * (1 if self.measure == "bill" else NANO) <= self.bound


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a budget came out: what was found, of how many requests or how much money (10^-9).
    `lack` is what it cannot be judged without, NO_TRAFFIC or NO_PRICE; empty where it can."""

    budget: Budget
    found: int
    whole: int
    lack: str = ""

    @property
    def exceeded(self) -> bool:
        """Was more found than it allows?"""
        return not self.lack and not self.budget.keeps(self.found, self.whole)

    @property
    def kept(self) -> bool:
        """False when it was exceeded, or cannot be judged."""
        return not self.lack and not self.exceeded

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"budget": self.budget.text, "found": self.found, "of": self.whole,
                "kept": self.kept, "lack": self.lack}


def parse(text: str) -> Budget:
    """One budget; BudgetError says which word is wrong."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise BudgetError(f"budget {text!r} is not [SUBJECT ]MEASURE<=BOUND, as in "
                          "'newly-denied<=0.1%', 'tenant:acme newly-denied<=100' or 'bill<=+5%'")
    kind, measure = found["kind"] or "", found["measure"]
    if measure not in MEASURES:
        raise BudgetError(f"budget {text!r} measures {measure!r}{_near(measure, MEASURES)}")
    if kind and kind not in SUBJECTS:
        raise BudgetError(f"budget {text!r} is about a {kind!r}{_near(kind, SUBJECTS)}")
    money = measure == "bill"
    if money and kind not in ("", "tenant", "plan"):
        raise BudgetError(f"budget {text!r}: a bill is a tenant's, not a {kind}'s")
    if not money and (found["sign"] or (found["part"] and not found["percent"])):
        raise BudgetError(f"budget {text!r}: a bound is a whole number or a percentage")
    part = (found["part"] or "").ljust(9, "0")
    bound = int(found["whole"]) * NANO + int(part)
    return Budget(text.strip(), kind, found["name"] or "", measure,
                  -bound if found["sign"] == "-" else bound, bool(found["percent"]))


def money(nano: int) -> str:
    """`+1.25`, `-0.00004`: signed, without zeros at the end."""
    whole, rest = divmod(abs(nano), NANO)
    digits = f"{rest:09}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano < 0 else '+'}{whole:,}.{digits}"


def check_names(budgets: Sequence[Budget], known: Mapping[str, Sequence[str]]) -> None:
    """BudgetError when one is about a tenant, plan, service or route that neither file has."""
    for budget in budgets:
        if budget.kind and budget.name not in known[budget.kind]:
            raise BudgetError(f"budget {budget.text!r}: neither file has a {budget.kind} "
                              f"{budget.name!r}{_near(budget.name, known[budget.kind])}")


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there is {', '.join(known[:12])}" if known else "; there are none"
