# SPDX-License-Identifier: MIT
"""What a sweep came to: a point for each configuration, as numbers and as a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from host_sim.config.units import UnitError, parse_duration, parse_rate, parse_size
from host_sim.replay.summary import count
from host_sim.report.again import engine_rows, log_rows
from host_sim.report.model import (
    Cell,
    Chart,
    Column,
    Fact,
    Line,
    Mark,
    Report,
    Section,
    Series,
    Table,
    Unit,
)
from host_sim.report.units import duration, percent
from host_sim.sweep.grid import Value

PPM = 1_000_000
ROWS_MAX = 60
NUMBERS = ("requests", "denied", "delayed", "dropped", "expired", "would_deny", "queued")


@dataclasses.dataclass(frozen=True)
class Waited:
    """One class that waited in a queue."""

    priority: str
    queued: int
    wait_ns_mean: int
    wait_ns_max: int


@dataclasses.dataclass(frozen=True)
class Point:
    """What the logs came to with these values. `error` says why there is nothing; `current` marks
    the file as it stands."""

    values: tuple[Value, ...]
    current: bool
    error: str = ""
    requests: int = 0
    denied: int = 0
    delayed: int = 0
    dropped: int = 0
    expired: int = 0
    would_deny: int = 0
    queued: int = 0
    waits: tuple[Waited, ...] = ()
    bills: tuple[tuple[str, int], ...] = ()
    rules: tuple[tuple[str, int], ...] = ()
    config_hash: str = ""
    decision_digest: str = ""
    state_digest: str = ""
    book_digest: str = ""
    findings: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: tuple[Value, ...], current: bool, answer: dict[str, Any]) -> Point:
        """From what a process answered."""
        if answer.get("error"):
            return cls(values, current, str(answer["error"]))
        numbers: dict[str, Any] = {name: int(answer[name]) for name in NUMBERS}
        return cls(
            values, current, **numbers,
            waits=tuple(Waited(q["priority"], q["queued"], q["wait_ns_mean"], q["wait_ns_max"])
                        for q in answer["queues"]),
            bills=tuple(sorted(answer["bills"].items())),
            rules=tuple(sorted(answer["rules"].items())), config_hash=answer["config_hash"],
            decision_digest=answer["decision_digest"], state_digest=answer["state_digest"],
            book_digest=answer["book_digest"], findings=tuple(answer["findings"]))

    @property
    def lost(self) -> int:
        """Requests that were not served: denied, or dropped from a queue."""
        return self.denied + self.dropped

    @property
    def lost_ppm(self) -> int:
        """The same of a million."""
        return self.lost * PPM // self.requests if self.requests else 0

    @property
    def wait_ns_mean(self) -> int:
        """Of those that waited, over all classes."""
        waited = sum(wait.queued for wait in self.waits)
        return sum(w.queued * w.wait_ns_mean for w in self.waits) // waited if waited else 0

    @property
    def wait_ns_max(self) -> int:
        """The longest of all."""
        return max((wait.wait_ns_max for wait in self.waits), default=0)

    @property
    def bill_nano(self) -> int:
        """Over all tenants, in 10^-9 units."""
        return sum(nano for _, nano in self.bills)


@dataclasses.dataclass(frozen=True)
class Swept:
    """Every point that was finished, in the grid's order."""

    config: str
    logs: tuple[str, ...]
    paths: tuple[str, ...]
    current: tuple[Value | None, ...]
    planned: int
    points: tuple[Point, ...]
    interrupted: bool
    processes: int
    elapsed_ns: int
    base_hash: str = ""             # of the file as it stands
    log_sha256: dict[str, str] = dataclasses.field(default_factory=dict)    # by the log's name
    problem: str = ""               # what of standard input is not there
    profile: str = "seed"
    command: str = ""

    @property
    def good(self) -> tuple[Point, ...]:
        """Those that were replayed."""
        return tuple(point for point in self.points if not point.error)

    def knee(self) -> Point | None:
        """Where a little more of one varied number stops paying: the point farthest below the line
        between the ends of the curve of lost requests, and of mean waits where there are any; of
        both, as shares of what they fall by in all."""
        drawn = self.curve()
        if len(drawn) < 3:
            return None
        (x0, first), (x1, last) = drawn[0], drawn[-1]
        falls = [(name, getattr(first, name) - getattr(last, name))
                 for name in ("lost", "wait_ns_mean")]
        falls = [(name, fall) for name, fall in falls if fall > 0]
        if not falls:
            return None

        def below(at: tuple[Fraction, Point]) -> Fraction:
            fallen = sum((Fraction(getattr(first, name) - getattr(at[1], name), fall)
                          for name, fall in falls), Fraction(0))
            return fallen / len(falls) - (at[0] - x0) / (x1 - x0)

        best = max(drawn, key=below)
        return best[1] if below(best) > 0 else None

    def curve(self) -> list[tuple[Fraction, Point]]:
        """The points by the one varied number, rising; empty where that is no number, or where
        several values vary."""
        if len(self.paths) != 1:
            return []
        found = [(number_of(point.values[0]), point) for point in self.good]
        drawn = [(number, point) for number, point in found if number is not None]
        return sorted(drawn, key=lambda one: one[0]) if len(drawn) == len(found) else []

    def flat(self) -> bool:
        """True where every point decided everything alike."""
        digests = {point.decision_digest for point in self.good}
        return len(digests) == 1 < len(self.good) and "" not in digests

    def pareto(self) -> tuple[Point, ...]:
        """Points that no other beats: fewer lost without longer waits, or the other way round.
        Empty where nothing waits, or all points are alike."""
        good = self.good
        if self.flat() or not any(point.wait_ns_max for point in good):
            return ()

        def beaten(point: Point) -> bool:
            mine = (point.lost, point.wait_ns_mean)
            return any(theirs[0] <= mine[0] and theirs[1] <= mine[1] and theirs != mine
                       for theirs in ((o.lost, o.wait_ns_mean) for o in good))

        return tuple(point for point in good if not beaten(point))

    def findings(self) -> list[str]:
        """What makes the answer less than what was asked for."""
        failed = len(self.points) - len(self.good)
        found = [self.problem] if self.problem else []
        if self.interrupted:
            found.append(f"interrupted: {len(self.points):,} of {count(self.planned, 'point')} "
                         "were finished")
        if failed:
            found.append(f"{count(failed, 'point')} of {self.planned:,} could not be replayed")
        return found + list(dict.fromkeys(said for p in self.good for said in p.findings))

    def as_json(self) -> dict[str, Any]:
        """Plain data; waits in ns, bills in 10^-9 units, shares in ppm."""
        knee, pareto = self.knee(), self.pareto()
        return {
            "config": self.config, "base_hash": self.base_hash, "logs": list(self.logs),
            "log_sha256": self.log_sha256, "command": self.command, "paths": list(self.paths),
            "current": list(self.current), "planned": self.planned,
            "interrupted": self.interrupted, "elapsed_ns": self.elapsed_ns,
            "points": [{**dataclasses.asdict(point), "bills": dict(point.bills),
                        "rules": dict(point.rules), "lost_ppm": point.lost_ppm,
                        "wait_ns_mean": point.wait_ns_mean, "wait_ns_max": point.wait_ns_max,
                        "bill_nano": point.bill_nano, "knee": point is knee,
                        "pareto": point in pareto} for point in self.points],
            "findings": self.findings(),
        }

    def report(self) -> Report:
        """The document that the terminal and a page show."""
        sections: list[Section] = [_table(self), *_charts(self)]
        if any(point.waits for point in self.good):
            sections.append(_classes(self))
        return Report(
            title=f"sweep {self.config} over {', '.join(self.paths)}", headline=headline(self),
            facts=(Fact("points", len(self.points), Unit.COUNT),
                   *(Fact("requests in each", one.requests, Unit.COUNT) for one in self.good[:1]),
                   Fact("processes", self.processes, Unit.COUNT),
                   Fact("time", self.elapsed_ns, Unit.DURATION)),
            sections=tuple(sections), trust=tuple(self.findings()),
            proof=tuple(_proof(self)))


def _proof(swept: Swept) -> Iterator[tuple[str, str]]:
    if swept.base_hash:
        yield "configuration", swept.base_hash
    yield from log_rows(list(swept.log_sha256.items()))
    for point in swept.good:
        if point.current:
            yield "decision digest now", point.decision_digest
            yield "state digest now", point.state_digest
            yield "book digest now", point.book_digest
    yield from engine_rows("host", swept.profile, swept.command)


def number_of(value: Value) -> Fraction | None:
    """A value as a number to draw and to sort by: a rate is one a second."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Fraction(value)
    for parse in (parse_size, parse_duration):
        try:
            return Fraction(parse(value))
        except UnitError:
            continue
    try:
        rate = parse_rate(value)
    except UnitError:
        return None
    return Fraction(rate.count * 1_000_000_000, rate.period_ns)


def _short(path: str) -> str:
    """The last two words of a path: what a narrow column can hold."""
    return ".".join(path.split(".")[-2:])


def _said(paths: tuple[str, ...], values: tuple[Value, ...]) -> str:
    """`2/s`; of several `rate 2/s with burst 20`, each value by the last word of its path, or by
    all of it where two end alike."""
    if len(values) == 1:
        return str(values[0])
    names = [path.split(".")[-1] for path in paths]
    names = names if len(set(names)) == len(names) else list(paths)
    return " with ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


def headline(swept: Swept) -> str:
    """The answer in one sentence."""
    if not swept.interrupted:
        return _answer(swept)
    if not swept.points:
        return f"interrupted: none of {count(swept.planned, 'point')} was finished"
    return f"interrupted; so far {_answer(swept)}"


def _answer(swept: Swept) -> str:
    good = swept.good
    if not good:
        return "no point could be replayed"

    def said(point: Point) -> str:
        return _said(swept.paths, point.values)

    least = min(good, key=lambda point: (point.lost, point.wait_ns_mean))
    most = max(good, key=lambda point: (point.lost, point.wait_ns_mean))
    now = next((point for point in good if point.current), None)
    if swept.flat():
        return (f"all {count(len(good), 'point')} decide every request alike: no value between "
                f"{said(good[0])} and {said(good[-1])} binds on this traffic")
    knee = swept.knee()
    text = f"{count(len(good), 'point')}: {percent(least.lost_ppm)} of {least.requests:,} requests "
    if least.lost == most.lost and len(good) > 1:
        text += "lost at each of them"
        if least.wait_ns_mean != most.wait_ns_mean:
            text += (f"; a mean wait of {duration(least.wait_ns_mean)} at {said(least)}, "
                     f"{duration(most.wait_ns_mean)} at {said(most)}")
    else:
        text += f"lost at {said(least)}"
        text += f", {percent(most.lost_ppm)} at {said(most)}" if most is not least else ""
        if now is not None and len(good) > 1:
            text += f"; {percent(now.lost_ppm)} now, at {said(now)}"
    return text + (f"; more than {said(knee)} pays little" if knee else "")


def _marks(swept: Swept, point: Point, knee: Point | None, pareto: tuple[Point, ...]) -> str:
    words = [word for word, holds in (
        ("now", point.current), ("knee", point is knee), ("unbeaten", point in pareto)) if holds]
    return ", ".join(words)


def _table(swept: Swept) -> Table:
    knee, pareto = swept.knee(), swept.pareto()
    waits = any(point.waits for point in swept.good)
    bills = any(point.bills for point in swept.good)
    columns = [*(Column(_short(path)) for path in swept.paths), Column("denied", Unit.COUNT),
               Column("dropped", Unit.COUNT), Column("lost", Unit.PPM, bar=True)]
    columns += [Column("mean wait", Unit.DURATION), Column("longest", Unit.DURATION)] * waits
    columns += [Column("bill", Unit.MONEY)] * bills
    rows: list[tuple[Cell, ...]] = []
    for point in swept.points:
        said: list[Cell] = [str(value) for value in point.values]
        if point.error:
            blank = len(columns) - len(said)
            rows.append((*said, *[None] * blank, f"failed: {point.error[:60]}"))
            continue
        said += [point.denied, point.dropped, point.lost_ppm]
        said += [point.wait_ns_mean, point.wait_ns_max] * waits
        said += [point.bill_nano] * bills
        rows.append((*said, _marks(swept, point, knee, pareto)))
    note = "lost: denied, or dropped from a queue."
    if knee:
        note += " knee: beyond it the same step saves less than before."
    if pareto:
        note += " unbeaten: no point loses fewer without longer waits."
    return Table("What each value would have done", (*columns, Column("")),
                 tuple(rows[:ROWS_MAX]), note=note, more=max(0, len(rows) - ROWS_MAX))


def _charts(swept: Swept) -> list[Section]:
    drawn = swept.curve()
    if len(drawn) < 2:
        return []
    scale = max(number.denominator for number, _ in drawn)   # whole numbers to draw
    unit = "per second" if "/" in str(drawn[0][1].values[0]) else "value"
    if scale > 1:
        scale, unit = 1000, f"{unit}, thousandths"
    xs = [round(number * scale) for number, _ in drawn]
    points = [point for _, point in drawn]
    lines = tuple(Line(word, x, vertical=True) for x, point in zip(xs, points, strict=True)
                  for word, holds in (("now", point.current), ("knee", point is swept.knee()))
                  if holds)
    x_column = Column(f"{swept.paths[0]} ({unit})", Unit.COUNT)
    charts: list[Section] = [Chart(
        "Lost requests", x_column, Column("lost", Unit.PPM),
        (Series("lost", xs, [point.lost_ppm for point in points], bad=True),), lines)]
    if any(point.waits for point in points):
        charts.append(Chart(
            "Queue waits", x_column, Column("wait", Unit.DURATION),
            (Series("mean", xs, [point.wait_ns_mean for point in points]),
             Series("longest", xs, [point.wait_ns_max for point in points], Mark.LINE)), lines))
    if any(point.bills for point in points):
        charts.append(Chart("Bill", x_column, Column("bill", Unit.MONEY),
                            (Series("all tenants", xs, [p.bill_nano for p in points]),), lines,
                            from_zero=False))
    return charts


def _classes(swept: Swept) -> Table:
    """Waits by class, a row a point."""
    names = list(dict.fromkeys(w.priority for p in swept.good for w in p.waits))
    rows = []
    for point in swept.good:
        by = {wait.priority: wait for wait in point.waits}
        rows.append((_said(swept.paths, point.values), *(
            f"{duration(by[n].wait_ns_mean)} / {duration(by[n].wait_ns_max)}" if n in by else "-"
            for n in names)))
    return Table("Mean and longest wait by class",
                 (Column(", ".join(map(_short, swept.paths))), *(Column(name) for name in names)),
                 tuple(rows[:ROWS_MAX]), more=max(0, len(rows) - ROWS_MAX))
