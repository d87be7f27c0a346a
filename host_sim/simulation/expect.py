# SPDX-License-Identifier: MIT
"""What a scenario expects: a small language of numbers that came out, and a comparison.

    denied_ppm of group "good" <= 1%
    sent of instance "10.0.0.2:80" == 0
    p99_wait of class "critical" <= 250ms
    bill of tenant "acme" - cost of group "nightly" >= 12.50
    moved from 15s to 25s == sent of instance "10.0.0.2:80" from 0s to 15s
    most sent of instance <= 2 * least sent of instance

Numbers are integers in base units: 250ms is nanoseconds, 1% is 10,000 ppm, 12.50 is money.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Protocol

from host_sim.config import units
from host_sim.config.diagnostics import did_you_mean

KINDS = ("group", "class", "service", "instance", "tenant", "rule", "reason")
COUNTERS = (
    "requests", "offered", "allowed", "delayed", "queued", "denied", "dropped", "sent", "retried",
    "timeouts", "expired", "cancelled", "cached", "ok", "failed", "again", "gave_up", "moved",
    "opened", "reopened", "closed", "response_bytes",
)  # fmt: skip
OF_SERVICES = ("opened", "reopened", "closed")  # what breakers did: services alone count it
EXTREMES = {"least": min, "most": max}
SHARES = ("denied", "dropped", "ok", "failed", "gave_up", "queued")
TIMES = ("latency", "wait")
QUANTILES = {"p50": 500_000, "p90": 900_000, "p95": 950_000, "p99": 990_000, "p999": 999_000}
METRICS = (
    *COUNTERS,
    *(f"{name}_ppm" for name in SHARES),
    *(f"{q}_{t}" for t in TIMES for q in (*QUANTILES, "mean", "max")),
    "cost",
)
TOTALS = ("passed_by", "passed_by_bound", "held", "lost", "rows", "errors", "breaches")
OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b, "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
}  # fmt: skip
DEPTH_MAX = 32
TOKEN = re.compile(
    r'\s*(?:(?P<number>[0-9][0-9A-Za-z_.]*%?)|(?P<word>[a-z][a-z0-9_]*)|"(?P<text>[^"]*)"'
    r"|(?P<sign><=|>=|==|!=|[<>+\-*/()]))")


class BadCheck(ValueError):
    """Why a check cannot be read; a sentence that says what to write."""


class Numbers(Protocol):
    """Where a check's numbers come from."""

    def number(self, term: Term) -> int:
        """The term's metric of the group, class, ... of its name; `kind` "" is the whole run, and
        with an extreme it is the least or most of the kind."""


@dataclasses.dataclass(frozen=True)
class Term:
    """A number, a metric, or an operation on two terms; `text` is how it was written. `during`:
    only what was counted from the one instant to the other, nanoseconds after the start."""

    text: str
    number: int = 0
    metric: str = ""
    kind: str = ""
    name: str = ""
    extreme: str = ""
    during: tuple[int, int] | None = None
    operator: str = ""
    parts: tuple[Term, ...] = ()

    def value(self, numbers: Numbers) -> int:
        """Divisions round down; by nothing they are nothing."""
        if self.metric:
            return numbers.number(self)
        if not self.parts:
            return self.number
        a, b = (part.value(numbers) for part in self.parts)
        if self.operator == "/":
            return a // b if b else 0
        return a + b if self.operator == "+" else a - b if self.operator == "-" else a * b

    def metrics(self) -> Iterator[Term]:
        """Every metric in it."""
        if self.metric:
            yield self
        for part in self.parts:
            yield from part.metrics()


@dataclasses.dataclass(frozen=True)
class Check:
    """A comparison of two terms."""

    left: Term
    operator: str
    right: Term

    def metrics(self) -> Iterator[Term]:
        """Every metric on either side."""
        yield from self.left.metrics()
        yield from self.right.metrics()

    def holds(self, numbers: Numbers) -> tuple[bool, int, int]:
        """Whether it does, and the two numbers."""
        a, b = self.left.value(numbers), self.right.value(numbers)
        return OPERATORS[self.operator](a, b), a, b


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            found = TOKEN.match(text, at)
            if found is None:
                raise BadCheck(f'cannot read {text[at:].strip()[:20]!r} in the check')
            kind = found.lastgroup or ""
            self.tokens.append((kind, found[kind]))
            at = found.end()
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def sums(self, depth: int) -> Term:
        term = self.products(depth)
        while self.peek() in (("sign", "+"), ("sign", "-")):
            sign = self.take()[1]
            other = self.products(depth)
            term = Term(f"{term.text} {sign} {other.text}", operator=sign, parts=(term, other))
        return term

    def products(self, depth: int) -> Term:
        term = self.atom(depth)
        while self.peek() in (("sign", "*"), ("sign", "/")):
            sign = self.take()[1]
            other = self.atom(depth)
            term = Term(f"{term.text} {sign} {other.text}", operator=sign, parts=(term, other))
        return term

    def atom(self, depth: int) -> Term:
        if depth > DEPTH_MAX:
            raise BadCheck(f"more than {DEPTH_MAX} brackets inside one another")
        kind, text = self.take()
        if (kind, text) == ("sign", "("):
            inner = self.sums(depth + 1)
            if self.take() != ("sign", ")"):
                raise BadCheck('a bracket is not closed; add ")"')
            return dataclasses.replace(inner, text=f"({inner.text})")
        if kind == "number":
            return Term(text, number=number_of(text))
        if kind != "word":
            raise BadCheck(f"a number or a metric belongs where {text or 'the check ends'!r} is")
        return self.during(self.extreme(text) if text in EXTREMES else self.metric(text))

    def extreme(self, word: str) -> Term:
        metric = self.known(self.take()[1])
        if self.take() != ("word", "of"):
            raise BadCheck(f'"{word}" is of a metric of a kind, as in "{word} sent of instance"')
        kind = self.kind()
        return Term(f"{word} {metric} of {kind}", metric=metric, kind=kind, extreme=word)

    def during(self, term: Term) -> Term:
        if self.peek() != ("word", "from"):
            return term
        self.take()
        (_, begin), between, (_, end) = self.take(), self.take(), self.take()
        if between != ("word", "to"):
            raise BadCheck(f'write "{term.text} from 10s to 20s"')
        stretch = instant_of(begin), instant_of(end)
        if stretch[0] >= stretch[1]:
            raise BadCheck(f'"from {begin} to {end}" ends before it begins')
        return dataclasses.replace(term, text=f"{term.text} from {begin} to {end}",
                                   during=stretch)

    def kind(self) -> str:
        kind = self.take()[1]
        if kind not in KINDS:
            raise BadCheck(f'no kind "{kind}"; {did_you_mean(kind, KINDS)}')
        return kind

    def known(self, metric: str) -> str:
        if metric not in (*METRICS, *TOTALS, "bill"):
            raise BadCheck(f'no metric "{metric}"; '
                           + did_you_mean(metric, (*METRICS, *TOTALS, "bill")))
        return metric

    def metric(self, metric: str) -> Term:
        self.known(metric)
        if self.peek() != ("word", "of"):
            return Term(metric, metric=metric)
        self.take()
        kind, (what, name) = self.kind(), self.take()
        if what != "text":
            raise BadCheck(f'a name in quotes belongs after "{kind}"')
        return Term(f'{metric} of {kind} "{name}"', metric=metric, kind=kind, name=name)


def number_of(text: str) -> int:
    """1_000, 250ms, 1%, 12.50."""
    try:
        if text.endswith("%"):
            return units.parse_ppm(text)
        if re.fullmatch(r"[0-9_]+", text):
            return int(text)
        if re.fullmatch(r"[0-9]+\.[0-9]+", text):
            return units.parse_money(text, units.NANO)
        return units.parse_duration(text)
    except (units.UnitError, ValueError) as error:
        raise BadCheck(f'"{text}" is no number: {error}') from None


def instant_of(text: str) -> int:
    """Nanoseconds after the start."""
    try:
        return units.parse_duration(text)
    except units.UnitError as error:
        raise BadCheck(f'"{text}" is no instant: {error}') from None


def read(text: str) -> Check:
    """A check; BadCheck says what is wrong with it."""
    reader = _Reader(text)
    left = reader.sums(0)
    kind, operator = reader.take()
    if kind != "sign" or operator not in OPERATORS:
        raise BadCheck(f"a comparison belongs after {left.text!r}: one of {' '.join(OPERATORS)}")
    right = reader.sums(0)
    if reader.peek()[0] != "end":
        raise BadCheck(f"the check goes on after {right.text!r}; leave the rest out")
    return Check(left, operator, right)
