# SPDX-License-Identifier: MIT
"""Reports made by hand for the tests of their renderers."""
from host_sim.report.model import (
    Chart,
    Column,
    Fact,
    Line,
    Mark,
    Report,
    Series,
    Table,
    Text,
    Unit,
)

S = 1_000_000_000
START = 807_256_800 * S
EVIL = "</script><img src=x onerror=alert(1)>\"'&\u2028\x1b[31m{{ [red]x[/red] @{y0}"


def small() -> Report:
    """One of everything."""
    xs = tuple(START + place * 60 * S for place in range(10))
    allowed, denied = (9, 9, 8, 7, 5, 4, 4, 6, 9, 9), (0, 0, 1, 2, 5, 8, 9, 3, 1, 0)
    waits = (0, None, 5_000_000, 9_000_000, 30_000_000, 70_000_000, 64_000_000, 8_000_000, 0, 0)
    return Report(
        "replay web.toml access.log",
        "29 of 99 requests would have been denied, most by limit per-address.",
        (Fact("requests", 99, Unit.COUNT), Fact("denied", 292_929, Unit.PPM, bad=True),
         Fact("billed", 1_500_000_000, Unit.MONEY)),
        (Chart("Requests over time", Column("time", Unit.INSTANT),
               Column("requests a minute", Unit.COUNT),
               (Series("allowed", xs, allowed, Mark.STACK),
                Series("denied", xs, denied, Mark.STACK, bad=True)), note="A point is a minute."),
         Chart("Longest wait", Column("time", Unit.INSTANT), Column("wait", Unit.DURATION),
               (Series("normal", xs, waits, Mark.BAR),), (Line("bound", 100_000_000),)),
         Table("Hurt most", (Column("who"), Column("first denied", Unit.INSTANT),
                             Column("denied", Unit.COUNT, bar=True),
                             Column("charged", Unit.MONEY)),
               (("10.0.0.7", START + 120 * S, 20, 1_500_000_000), ("mallory", None, 9, 5_000_000)),
               note="Of all clients.", more=3),
         Text("One decision", ("ratelimit   yes per-address: 4 left",))),
        ("99 of 99 lines were read.",),
        (("configuration", "ab" * 32), ("seed", "0" * 32)))


def hostile() -> Report:
    """The same with a hostile name wherever there is a name."""
    xs, unit = (1, 2, 3), Unit.COUNT
    marks = tuple(Series(f"{EVIL}{mark.value}", xs, (1, None, 3), mark) for mark in Mark)
    return Report(
        EVIL, EVIL, (Fact(EVIL, EVIL), Fact(EVIL, 1, unit, bad=True)),
        (Chart(EVIL, Column(EVIL, Unit.INSTANT), Column(EVIL, unit), marks,
               (Line(EVIL, 2), Line(EVIL, 2, vertical=True)), note=EVIL),
         Table(EVIL, (Column(EVIL), Column(EVIL, unit, bar=True)), ((EVIL, 1), (EVIL, EVIL)),
               note=EVIL, more=1),
         Text(EVIL, (EVIL, EVIL), note=EVIL)),
        (EVIL,), ((EVIL, EVIL),))


def large(points: int, charts: int, rows: int) -> Report:
    """More than a page may hold."""
    xs = tuple(range(points))
    ys = tuple(place * 7919 % 1000 * S + 1 for place in range(points))
    return Report("large", "Large.", (), (
        *(Chart(f"chart {place}", Column("x", Unit.COUNT), Column("wait", Unit.DURATION),
                (Series("one", xs, ys), Series("two", xs, ys[::-1]))) for place in range(charts)),
        Table("rows", (Column("name"),), tuple((f"name {place} " + "x" * 80,)
                                               for place in range(rows))),
        Text("lines", tuple(f"line {place} " + "y" * 60 for place in range(rows)))))
