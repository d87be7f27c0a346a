# SPDX-License-Identifier: MIT
"""What a plan's page says of its budgets."""

from __future__ import annotations

from host_sim.plan import budget
from host_sim.plan.result import Plan
from host_sim.replay.summary import share
from host_sim.report.model import Column, Fact, Table


def fact(plan: Plan) -> Fact:
    """Whether the gate is open, in a few words; the headline says what was not seen."""
    words = [_word(plan, one) for one in plan.budgets]
    if words.count("kept") == len(words):
        return Fact("budgets", f"all {len(words)} kept")
    return Fact("budgets", ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words))),
                bad=True)


def table(plan: Plan) -> Table:
    """Each budget with its verdict and what it was judged by."""
    rows = tuple((one.budget.text, _shown(_word(plan, one)), _found(one),
                  f"{one.whole:,}" if one.budget.measure != "bill" else budget.money(one.whole))
                 for one in plan.budgets)
    return Table("Budgets", (Column("budget"), Column("verdict"), Column("found"), Column("of")),
                 rows)


def _word(plan: Plan, one: budget.Verdict) -> str:
    """A budget is kept by what was seen: where that is not all, it is not known to be kept."""
    if one.lack or one.exceeded:
        return one.lack or "exceeded"
    return "kept in part" if plan.unseen else "kept"


def _shown(word: str) -> str:
    return word if word.startswith("kept") else word.upper()


def _found(one: budget.Verdict) -> str:
    if one.budget.measure == "bill":
        return budget.money(one.found)
    return f"{one.found:,} ({share(one.found, one.whole)})" if one.whole else "0"
