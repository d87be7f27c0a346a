# SPDX-License-Identifier: MIT
"""A simulation's result as a Report, and its expectations as lines."""

from __future__ import annotations

from collections.abc import Iterator

from host_sim.replay.summary import count, share
from host_sim.report import again, units
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
    Text,
    Unit,
)
from host_sim.simulation.counts import Count
from host_sim.simulation.expect import METRICS
from host_sim.simulation.result import Expected, Result

WAITS_SHOWN = ("p50_wait", "p99_wait", "max_wait")
LATENCIES = ("p50_latency", "p99_latency", "max_latency")
ALERTS_MAX = 20
HAPPENED_MAX = 60


def report(result: Result) -> Report:
    """The document of one run."""
    return Report(
        title=f"simulate {result.name}, seed {result.seed}",
        headline=headline(result),
        facts=tuple(_facts(result)),
        sections=tuple(_sections(result)),
        trust=tuple(_trust(result)),
        proof=tuple(_proof(result)))


def headline(result: Result) -> str:
    """One sentence: what was to be seen, and whether it was."""
    bad = sum(not one.holds for one in result.expected)
    said = result.what.rstrip(".")
    if result.interrupted:
        return f"{said}: stopped before its end."
    unread = f"; {result.findings[0]}" if result.findings else ""
    if not result.expected:
        return f"{said}{unread}."
    if bad:
        return f"{said}: {bad} of {len(result.expected)} expectations do NOT hold{unread}."
    return f"{said}: as expected{unread}."


def _facts(result: Result) -> Iterator[Fact]:
    whole = result.total
    yield Fact("requests", whole.number("requests"), Unit.COUNT)
    yield Fact("answered well", whole.number("ok"), Unit.COUNT)
    for label, metric in (("tries denied", "denied"), ("dropped", "dropped"),
                          ("failed", "failed"), ("gave up", "gave_up")):
        number = whole.number(metric)
        yield Fact(label, number, Unit.COUNT, bad=number > 0)
    yield Fact("p99 latency", whole.number("p99_latency"), Unit.DURATION)
    if whole.numbers["wait_count"]:
        yield Fact("p99 wait", whole.number("p99_wait"), Unit.DURATION)
    if result.governed.bills:
        yield Fact("billed", sum(bill.nano for bill in result.governed.bills), Unit.MONEY)


def _sections(result: Result) -> Iterator[Section]:
    if result.expected:
        columns = (Column(""), Column("it is expected that"), Column("it came to"))
        yield Table("Expectations", columns,
                    tuple((word(one), one.says, found(one)) for one in result.expected))
    yield _timeline(result)
    yield _queue(result)
    yield from _groups(result)
    yield from _waits(result)
    yield from _instances(result)
    yield from _rules(result)
    yield from _governed(result)


def word(one: Expected) -> str:
    """ok, or NOT."""
    return "ok" if one.holds else "NOT"


def found(one: Expected) -> str:
    """The comparison with the number that came out; two that differ never look equal."""
    operator = next(o for o in ("<=", ">=", "==", "!=", "<", ">") if f" {o} " in one.check)
    left, _, right = one.check.partition(f" {operator} ")
    plain = right.replace("_", "").replace(".", "", 1).removesuffix("%").isalnum()
    came, bound = units.apart(one.left, one.right, _unit(one.check))
    shown = right if plain and right not in METRICS else bound
    return f"{left} = {came}, {operator} {shown}"


def _unit(text: str) -> Unit:
    if "_ppm" in text:
        return Unit.PPM
    if "_latency" in text or "_wait" in text:
        return Unit.DURATION
    if "bill" in text or "cost" in text:
        return Unit.MONEY
    return Unit.COUNT


# -- over time -------------------------------------------------------------------------------------
def _events(result: Result) -> tuple[Line, ...]:
    return tuple(Line(said, result.start_ns + at, vertical=True) for at, said in result.moments)


def _timeline(result: Result) -> Chart:
    xs = [result.start_ns + one.at_ns for one in result.timeline]
    series = [Series(label, xs, [getattr(one, name) for one in result.timeline], Mark.STEP, bad)
              for label, name, bad in (("asked", "offered", False), ("answered well", "ok", False),
                                       ("denied", "denied", True), ("dropped", "dropped", True),
                                       ("failed", "failed", True))
              if name in ("offered", "ok") or any(getattr(one, name) for one in result.timeline)]
    return Chart("What became of requests", Column("time", Unit.INSTANT),
                 Column("requests", Unit.COUNT), tuple(series), _events(result))


def _queue(result: Result) -> Chart:
    xs = [result.start_ns + one.at_ns for one in result.timeline]
    return Chart(
        "Attempts sent, and requests that waited", Column("time", Unit.INSTANT),
        Column("requests", Unit.COUNT),
        (Series("sent", xs, [one.sent for one in result.timeline], Mark.STEP),
         Series("waiting at most", xs, [one.waiting_max for one in result.timeline], Mark.STEP)))


# -- tables ----------------------------------------------------------------------------------------
def _of(result: Result, *kinds: str) -> list[Count]:
    return [one for one in result.counts if one.kind in kinds]


def _table(title: str, counts: list[Count], columns: tuple[tuple[str, str, Unit], ...],
           note: str = "") -> Table:
    return Table(title, (Column(""), *(Column(label, unit) for label, _, unit in columns)),
                 tuple((one.name, *(one.number(metric) for _, metric, _ in columns))
                       for one in counts), note)


def _groups(result: Result) -> Iterator[Table]:
    columns = [("requests", "requests", Unit.COUNT), ("tries", "offered", Unit.COUNT),
               ("answered", "ok", Unit.COUNT), ("denied", "denied", Unit.COUNT),
               ("dropped", "dropped", Unit.COUNT), ("failed", "failed", Unit.COUNT),
               ("gave up", "gave_up_ppm", Unit.PPM), ("p50", "p50_latency", Unit.DURATION),
               ("p99", "p99_latency", Unit.DURATION)]
    yield _table("Clients", _of(result, "group"), tuple(columns),
                 "Latency is from a client's first try to its good answer, waits between tries "
                 "included.")


def _waits(result: Result) -> Iterator[Table]:
    waited = [one for one in _of(result, "class") if one.numbers["wait_count"]]
    if not waited:
        return
    bounds = {one.priority: one for one in result.governed.queues}
    rows: list[tuple[Cell, ...]] = []
    for one in waited:
        queue = bounds.get(one.name)
        rows.append((one.name, one.numbers["queued"], one.numbers["dropped"],
                     *(one.number(metric) for metric in WAITS_SHOWN),
                     None if queue is None else queue.passed_by,
                     None if queue is None else queue.passed_by_bound))
    yield Table("Classes that waited", (
        Column("class"), Column("waited", Unit.COUNT), Column("dropped", Unit.COUNT),
        Column("p50 wait", Unit.DURATION), Column("p99 wait", Unit.DURATION),
        Column("longest", Unit.DURATION), Column("passed by", Unit.COUNT),
        Column("at most", Unit.COUNT)), tuple(rows),
        "Passed by: dispatches of others in a row while one of the class waited; the starvation "
        "law keeps it at or below `at most`.")


def _instances(result: Result) -> Iterator[Table]:
    yield _table("Upstreams", _of(result, "instance"), (
        ("attempts", "sent", Unit.COUNT), ("good", "ok", Unit.COUNT),
        ("failed", "failed", Unit.COUNT), ("given up", "timeouts", Unit.COUNT),
        ("mean", "mean_latency", Unit.DURATION), ("p99", "p99_latency", Unit.DURATION)))


def _rules(result: Result) -> Iterator[Table]:
    if result.rules:
        yield Table("Who said no", (
            Column("kind"), Column("name"), Column("times", Unit.COUNT),
            Column("longest wait named", Unit.DURATION)),
            tuple((one.kind, one.name, one.denied, one.retry_after_ns_max or None)
                  for one in result.rules))


def _governed(result: Result) -> Iterator[Section]:
    if result.governed.bills:
        yield Table("Bill", (Column("tenant"), Column("charged", Unit.MONEY)),
                    tuple((one.tenant or "(nobody)", one.nano) for one in result.governed.bills))
    if result.governed.promises:
        yield Table("Promises", (
            Column("service"), Column("outcomes", Unit.COUNT), Column("late", Unit.COUNT),
            Column("failed", Unit.COUNT), Column("minutes", Unit.COUNT),
            Column("that broke it", Unit.COUNT)),
            tuple((one.service, one.outcomes, one.slow, one.failed, one.minutes, one.breaches)
                  for one in result.governed.promises))
    if result.governed.alerts:
        yield Table("Alerts", (Column("when", Unit.INSTANT), Column("alert"), Column("what")),
                    tuple((one.at_ns, one.alert, f"{one.state} at {one.value}")
                          for one in result.governed.alerts[-ALERTS_MAX:]),
                    more=max(len(result.governed.alerts) - ALERTS_MAX, 0))
    happened = sorted((*result.moments, *((one.at_ns, one.text) for one in result.changes)))
    if happened:
        lines = [f"{units.written(at, Unit.DURATION):>12}  {said}"
                 for at, said in happened[:HAPPENED_MAX]]
        if len(happened) > HAPPENED_MAX:
            lines.append(f"{'':>12}  and {len(happened) - HAPPENED_MAX:,} more")
        yield Text("What happened", tuple(lines))


# -- the foot --------------------------------------------------------------------------------------
def _trust(result: Result) -> Iterator[str]:
    ways = " + ".join(f"{result.core[f'{way}_count']:,} {way}" for way in (
        "denied", "dropped", "preempted", "dispatched", "queued"))
    sign = "=" if result.lost == 0 else "is NOT"
    yield f"Nothing is lost: {result.core['asked_count']:,} offered {sign} {ways}."
    held = ", ".join(f"{count:,} {what}" for what, count in result.held.items())
    yield f"At the end nothing may be held: {held}."
    for log in result.logs:
        yield (f"{log.rows:,} of {count(log.lines, 'line')} of {log.name} were read as {log.form}"
               + (f"; {log.unparsable:,} ({share(log.unparsable, log.lines)}) could not be read"
                  if log.unparsable else "") + ".")
        if log.problem:
            yield f"{log.problem}: what came before it was simulated."
    if result.unplaced:
        yield (f"{result.unplaced:,} attempts went to an instance that the scenario does not "
               "describe, and failed.")
    if result.errors:
        yield f"The core refused {result.errors:,} rows as impossible."
    if result.machine is not None:
        same = "the three digests are equal" if result.same_bits else "the digests DIFFER"
        yield f"{result.machine.rows:,} rows were stepped by the booted image as well: {same}."
    yield ("Every decision is the core's own; arrivals, service times and faults are drawn from "
           "the seed.")


def _proof(result: Result) -> Iterator[tuple[str, str]]:
    yield "scenario", result.scenario_hash
    yield from again.log_rows([(log.name, log.sha256) for log in result.logs])
    yield "configuration", result.digests.config
    yield "seed", str(result.seed)
    yield "decision digest", result.digests.decision
    yield "state digest", result.digests.state
    yield "book digest", result.digests.book
    if result.machine is not None and not result.same_bits:
        for name in ("decision", "state", "book"):
            yield f"image, {name} digest", getattr(result.machine.digests, name)
    yield "rows", f"{result.rows:,}"
    yield from again.engine_rows("host" if result.machine is None else "host and image",
                                 result.profile, result.command)
