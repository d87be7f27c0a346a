# SPDX-License-Identifier: MIT
"""The smallest rate that denies at most so much: halved between two bounds until it is one integer,
by ratios while they are far apart. Trying a limit costs more than the pass it is tried in, so one a
pass is the least work in all. Denials fall with the rate where every request takes one token; that
is checked, not believed. Where they take several, a grid is narrowed instead."""

from __future__ import annotations

import contextlib
import dataclasses

from host_sim.recommend.course import PASS
from host_sim.recommend.curve import BUCKETS, Candidate, Curve, Interrupted, Tried
from host_sim.recommend.trace import Facts, Group
from host_sim.sweep.grid import spread

AROUND = ((1, 4), (1, 2), (2, 3), (3, 4), (4, 5), (9, 10), (1, 1), (11, 10), (5, 4), (3, 2), (2, 1))
WEIGHTED_POINTS = 24 # of one grid, where a larger rate need not deny less
RATE_MAX = 1 << 40   # what no log asks for


@dataclasses.dataclass(frozen=True)
class Burst:
    """How many tokens a bucket holds: `tokens`, or what the rate brings in `span_ns`, rounded up.
    `text` is how it was asked for."""

    text: str
    tokens: int = 0
    span_ns: int = 0

    def capacity(self, rate: int, period_ns: int) -> int:
        """Tokens of a bucket at this rate, at least one."""
        return self.tokens or max(1, -(-rate * self.span_ns // period_ns))


@dataclasses.dataclass(frozen=True)
class Task:
    """One limit to find: for the requests of `group` (None: all), which are `asked`."""

    group: Group | None
    algorithm: str
    period_ns: int
    burst: Burst
    allowed: int    # denials at most
    asked: int

    @property
    def group_place(self) -> int | None:
        """The group's place in the trace, None for all."""
        return None if self.group is None else self.group.place

    def candidate(self, rate: int) -> Candidate:
        """The limit at this rate."""
        capacity = self.burst.capacity(rate, self.period_ns) if self.algorithm in BUCKETS else 0
        return Candidate(rate, self.period_ns, capacity,
                         self.group_place, self.algorithm)


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search came to. `tried` is every limit that was run, by rate; `best` None where no
    rate denies so little. Not `monotone`: somewhere a larger limit denied more, so a smaller rate
    than `best` may do as well. Not `done`: interrupted, and `best` is the smallest so far."""

    task: Task
    best: Tried | None
    below: Tried | None
    tried: tuple[Tried, ...]
    monotone: bool
    done: bool = True


@dataclasses.dataclass
class _State:
    task: Task
    high: int                   # denies little enough, or the end of what is tried
    low: int = 0                # denies too much, or 0
    tried: dict[int, Tried] = dataclasses.field(default_factory=dict)

    def grid(self, points: int) -> list[int]:
        """Rates between the bounds, and a bound that was not tried."""
        return [rate for rate in spread(max(self.low, 1), self.high, points + 2)
                if self.low < rate and rate not in self.tried]

    def passes(self) -> int:
        """How many more passes, about."""
        if self.over():
            return 0
        ratio = (self.high // max(self.low, 1)).bit_length()
        if ratio <= 3:
            return (self.high - self.low).bit_length()
        return ratio.bit_length() + (self.high.bit_length() + self.low.bit_length()) // 2

    def narrow(self) -> None:
        """Takes the tightest bounds that what was tried allows."""
        good = [rate for rate, tried in self.tried.items() if self.fine(tried)]
        self.high = min(good, default=self.high)
        self.low = max((rate for rate, tried in self.tried.items()
                        if rate < self.high and not self.fine(tried)), default=0)

    def fine(self, tried: Tried) -> bool:
        """Does it deny little enough?"""
        return not tried.refused and tried.denied <= self.task.allowed

    def over(self) -> bool:
        """True when the answer stands: the rate below the upper bound denies too much."""
        return self.high in self.tried and (self.high - self.low <= 1
                                     or not self.fine(self.tried[self.high]))


def rate_max(task: Task, facts: Facts) -> int:
    """A rate no request of the log is denied at, or the fastest that makes sense: a bucket that is
    full again at the log's next instant."""
    tokens = max(facts.tokens, 1)
    if task.algorithm not in BUCKETS:
        return min(tokens, RATE_MAX)
    if task.burst.tokens:
        return min(max(1, -(-task.burst.tokens * task.period_ns // facts.finest_ns)), RATE_MAX)
    return min(tokens * -(-task.period_ns // task.burst.span_ns), RATE_MAX)


def search(
    curve: Curve, facts: Facts, tasks: list[Task], *, around: bool = False
) -> list[Found]:
    """The smallest rate of every task, all of them refined side by side in passes of the trace;
    with `around` more points about each. Interrupted, what is known by then."""
    states = [_State(task, rate_max(task, facts)) for task in tasks]
    with contextlib.suppress(Interrupted):
        _refine(curve, states, WEIGHTED_POINTS if facts.weighted else 1)
        if around or facts.weighted:
            _around(curve, states)
    curve.course.expect("search", 0)
    return [_found(state) for state in states]


def _refine(curve: Curve, states: list[_State], most: int) -> None:
    while open_states := [state for state in states if not state.over()]:
        left = [state.passes() - 1 for state in open_states]
        curve.course.expect("search", PASS * max(left) + sum(
            passes * curve.weight(state.task.group_place)
            for passes, state in zip(left, open_states, strict=True)))
        points = max(1, min(most, curve.room() // len(open_states) - 1))
        plan = [(state, rate) for state in open_states for rate in state.grid(points)]
        for (state, rate), tried in zip(
                plan, curve.run([state.task.candidate(rate) for state, rate in plan]), strict=True):
            state.tried[rate] = tried
        for state in open_states:
            state.narrow()


def _around(curve: Curve, states: list[_State]) -> None:
    """More points of each curve about its answer, so that there is something to look at."""
    plan = [(state, rate) for state in states
            for rate in sorted({max(1, state.high * over // under) for over, under in AROUND})
            if rate not in state.tried]
    for (state, rate), tried in zip(
            plan, curve.run([state.task.candidate(rate) for state, rate in plan]), strict=True):
        state.tried[rate] = tried


def _found(state: _State) -> Found:
    tried = tuple(state.tried[rate] for rate in sorted(state.tried))
    falling = [one.denied for one in tried if not one.refused]
    best = state.tried.get(state.high)
    return Found(state.task, best if best and state.fine(best) else None,
                 state.tried.get(state.high - 1), tried,
                 falling == sorted(falling, reverse=True), state.over())
