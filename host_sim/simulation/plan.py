# SPDX-License-Identifier: MIT
"""What happens when, worked out before the run: the events of a scenario as those of
native/simulate.h, and what the host does at its own stops."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from host_sim.config.model_pool import Health
from host_sim.config.units import duration_text
from host_sim.simulation.expect import Check
from host_sim.simulation.model import Client, Event, Expect
from host_sim.simulation.scenario import Scenario

TROUBLE = {"recover": 1, "fail": 2, "refuse": 3, "hang": 4, "slow": 5}  # ray_simulate_event_kind
STOP, RATE, CLOCK = 0, 6, 7
PPM = 1_000_000


@dataclasses.dataclass(frozen=True)
class Act:
    """What the host does at a stop: console lines, the instance that a name now stands for, and
    whether counters are kept."""

    lines: tuple[str, ...] = ()
    joins: str = ""
    mark: int | None = None  # the instant after the start


@dataclasses.dataclass(frozen=True)
class Planned:
    """One event: `at_ns` after the start; STOP has an act."""

    at_ns: int
    kind: int
    target: int = 0
    argument: int = 0
    other: int = 0
    act: Act = Act()


def plan(scenario: Scenario) -> list[Planned]:
    """Everything that happens, in order; at one instant: the file's events first, then probes, then
    counters."""
    places = {name: at for at, (_, name) in enumerate(scenario.instances())}
    planned = [Planned(0, STOP)]
    for event in scenario.events:
        planned += _of(scenario, event, places)
    if scenario.head.probes:
        planned += _probes(scenario)
    marks = {at for row, check in zip(scenario.expects, scenario.checks, strict=True)
             for at in instants(row, check)}
    planned += [Planned(at, STOP, act=Act(mark=at)) for at in sorted(marks)]
    return sorted(planned, key=lambda one: one.at_ns)


def instants(row: Expect, check: Check) -> set[int]:
    """When an expectation wants the counters."""
    found = set(row.during or ())
    for term in check.metrics():
        found |= set(term.during or ())
    return found


def _of(scenario: Scenario, event: Event, places: dict[str, int]) -> Iterator[Planned]:
    if event.line is not None:
        yield Planned(event.at, STOP, act=Act((event.line,)))
    elif event.clock is not None:
        yield Planned(event.at, CLOCK, argument=event.clock & (1 << 64) - 1)
    elif event.client is not None and event.rate is not None:
        target = [one.name for one in scenario.clients].index(event.client)
        yield Planned(event.at, RATE, target, event.rate.count, event.rate.period_ns)
    elif event.instance is not None and event.does is not None:
        pool = scenario.pool_of(event.instance)
        if event.does == "join":
            line = f"lb add {pool} {event.instance}"
            yield Planned(event.at, STOP, act=Act((line,), joins=event.instance))
        elif event.does == "leave":
            line = f"confirm lb remove {pool} {event.instance}"
            yield Planned(event.at, STOP, act=Act((line,)))
        else:
            yield Planned(event.at, TROUBLE[event.does], places[event.instance],
                          event.factor * PPM)


DOES = {"fail": "answers with errors", "refuse": "refuses connections", "hang": "answers nothing",
        "recover": "works again", "join": "joins its pool", "leave": "leaves its pool"}


def moments(scenario: Scenario) -> tuple[tuple[int, str], ...]:
    """What the file lets happen, in words; nanoseconds after the start."""
    found = []
    for one in scenario.events:
        if one.line is not None:
            said = f"console: {one.line}"
        elif one.clock is not None:
            way = "forward" if one.clock > 0 else "back"
            said = f"the gateway's clock jumps {way} {duration_text(abs(one.clock))}"
        elif one.rate is not None:
            said = f"{one.client} asks {one.rate.text}"
        elif one.does == "slow":
            said = f"{one.instance} takes {one.factor} times as long"
        else:
            said = f"{one.instance} {DOES[one.does or 'recover']}"
        found.append((one.at, said))
    return tuple(sorted(found))


# -- how much is to come ---------------------------------------------------------------------------
def arrivals_expected(scenario: Scenario) -> dict[str, int]:
    """How many requests each group of a known rate makes on the average; a closed loop asks as
    fast as it is answered and a log as often as it has lines: they are left out."""
    found = {one.name: sum(_arriving(scenario, one, *stretch) for stretch in _stretches(
        scenario, one)) for one in scenario.clients}
    return {name: int(number) for name, number in found.items() if number}


def _stretches(scenario: Scenario, client: Client) -> Iterator[tuple[int, int, Any]]:
    """From when to when it asks at which rate."""
    begin, rate = client.from_, client.arrivals.poisson or client.arrivals.uniform
    end = min(client.until or scenario.head.duration, scenario.head.duration)
    for event in sorted((one for one in scenario.events if one.client == client.name),
                        key=lambda one: one.at):
        at = min(max(event.at, begin), end)
        yield begin, at, rate
        begin, rate = at, event.rate
    yield begin, max(begin, end), rate


def _arriving(scenario: Scenario, client: Client, begin: int, end: int, rate: Any) -> Fraction:
    arrivals, lasts = client.arrivals, end - begin
    if rate is not None:
        return Fraction(lasts * rate.count, rate.period_ns)
    if arrivals.bursts is not None:
        return Fraction(-(-lasts // max(arrivals.bursts.every, 1)) * arrivals.bursts.size)
    if arrivals.diurnal is not None:
        both = arrivals.diurnal.low, arrivals.diurnal.high
        return sum((Fraction(lasts * one.count, 2 * one.period_ns) for one in both), Fraction())
    return Fraction()


# -- probes ----------------------------------------------------------------------------------------
def _probes(scenario: Scenario) -> Iterator[Planned]:
    for name, pool in scenario.config.file.pool.items():
        if pool.health is None:
            continue
        joined = [one.instance for one in scenario.events
                  if one.does == "join" and scenario.pool_of(one.instance or "") == name]
        for instance in (*scenario.pools()[name], *filter(None, joined)):
            yield from _probed(scenario, name, instance, pool.health)


def _probed(scenario: Scenario, pool: str, instance: str, health: Health) -> Iterator[Planned]:
    """Probes each `every`. One that says what enough before it said changes nothing and is left
    out, so that a year without trouble costs nothing."""
    own = [one for one in scenario.events if one.instance == instance and one.does]
    every, enough = health.every, max(health.rise, health.fall)
    begins = next((one.at for one in own if one.does == "join"), 0)
    ends = next((one.at for one in own if one.does == "leave"), scenario.head.duration)
    turns = [(begins, True)]
    for one in own:
        if one.does in TROUBLE and begins <= one.at < ends:
            turns.append((one.at, one.does in ("recover", "slow")))
    turns.append((ends, True))
    for (since, passes), (until, _) in zip(turns, turns[1:], strict=False):
        first = -(-since // every) * every
        word = "pass" if passes else "fail"
        for at in range(first, min(until, first + every * enough), every):
            yield Planned(at, STOP, act=Act((f"lb health {pool} {instance} {word}",)))
