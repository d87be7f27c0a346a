# SPDX-License-Identifier: MIT
"""Which token bucket throttled what a log says was throttled.

A log tells when somebody's limiter said no, but not why. Every bucket of a grid is run over the
same requests and its denials are compared with the recorded ones, second by second: in a second the
smaller number of both agrees. From that follow precision (of what the bucket denies, how much was
throttled) and recall (of what was throttled, how much the bucket denies). A bucket of the shape
the provider used agrees best; buckets about as good say how far that can be trusted.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from host_sim.recommend.curve import Candidate, Curve, Tried
from host_sim.recommend.search import Burst, Task, search
from host_sim.recommend.trace import Facts, Group, Trace
from host_sim.sweep.grid import spread

PERIOD_NS = 60_000_000_000  # rates of a minute are fine enough: 1/min to 3,600/min and more
GRID_MAX = 48               # rates, and bursts, of one round
GRID_MIN = 8
ROUNDS = 3
WORK = 1_000_000_000        # questions to the limiter, at most about: some 30 s
AS_MANY_PERCENT = 20        # of what is rarer, throttled or served: how many more or fewer denials
INFERRED_MAX = 32           # groups


@dataclasses.dataclass(frozen=True)
class Bucket:
    """`rate` tokens a minute, `burst` at once."""

    rate: int
    burst: int


@dataclasses.dataclass(frozen=True)
class Inferred:
    """The bucket that agrees best with a group's throttled requests, and the ranges of those that
    agree nearly as well. `at_as_many` is the smallest rate, with the same burst, that denies at
    most as many requests as were throttled."""

    group: Group
    best: Bucket
    denied: int
    matched: int
    rate_low: int
    rate_high: int
    burst_low: int
    burst_high: int
    at_as_many: int | None
    resolution_ns: int

    @property
    def precision_ppm(self) -> int:
        """Of the bucket's denials, those in a second that recorded one."""
        return self.matched * 1_000_000 // self.denied if self.denied else 0

    @property
    def recall_ppm(self) -> int:
        """Of the recorded ones, those the bucket denies in the same second."""
        return self.matched * 1_000_000 // self.group.throttled


@dataclasses.dataclass(frozen=True)
class Common:
    """One size of bucket, each group with one of its own, that agrees best with all together."""

    best: Bucket
    denied: int
    matched: int
    throttled: int


def per_second(rate: int) -> str:
    """A rate a minute as one a second, to a tenth where that says enough."""
    tenths = rate * 10 // 60
    return f"{tenths // 10}.{tenths % 10}/s" if tenths >= 5 else f"{rate}/min"


def wrong(tried: Tried, recorded: int) -> int:
    """Denials that do not agree, of both sides."""
    return tried.denied + recorded - 2 * tried.matched


def infer(trace: Trace, facts: Facts, curve: Curve) -> list[Inferred]:
    """One answer for each group that was throttled, most throttled first."""
    groups = sorted((group for group in trace.groups() if group.throttled),
                    key=lambda group: (-group.throttled, group.place))
    groups = groups[:INFERRED_MAX]
    asked = sum(group.requests for group in groups) * ROUNDS
    grid = min(GRID_MAX, max(GRID_MIN, math.isqrt(WORK // max(asked, 1))))
    found = []
    for place, group in enumerate(groups):
        curve.course.expect("infer", sum(
            ROUNDS * grid * grid * curve.weight(other.place) for other in groups[place + 1:]))
        found.append(_infer(facts, curve, group, grid))
    return found


def common(curve: Curve, found: Sequence[Inferred]) -> Common | None:
    """The one size that would do for every group; None where there is one group only."""
    if len(found) < 2:
        return None
    asked = sum(one.group.requests for one in found)
    grid = min(GRID_MAX, max(GRID_MIN, math.isqrt(WORK // max(asked, 1))))
    sizes = [Bucket(rate, burst)
             for rate in spread(min(one.rate_low for one in found),
                                max(one.rate_high for one in found), grid)
             for burst in spread(min(one.burst_low for one in found),
                                 max(one.burst_high for one in found), grid)]
    tried = curve.run([Candidate(size.rate, PERIOD_NS, size.burst, one.group.place)
                       for size in sizes for one in found])
    best: tuple[int, Common] | None = None
    for place, size in enumerate(sizes):
        row = tried[place * len(found):(place + 1) * len(found)]
        off = sum(wrong(one, of.group.throttled) for one, of in zip(row, found, strict=True))
        if best is None or off < best[0]:
            best = off, Common(size, sum(one.denied for one in row),
                               sum(one.matched for one in row),
                               sum(of.group.throttled for of in found))
    return best and best[1]


def _infer(facts: Facts, curve: Curve, group: Group, grid: int) -> Inferred:
    per_second = PERIOD_NS // 1_000_000_000
    rates = spread(1, group.busiest * per_second * 2, grid)
    bursts = spread(1, group.busiest * 4, grid)
    best, near = None, []
    for _ in range(ROUNDS):
        near = _near(curve, group, rates, bursts)
        best = near[0]
        rates = spread(*_around(rates, [tried.candidate.rate for tried in near]), grid)
        bursts = spread(*_around(bursts, [tried.candidate.capacity for tried in near]), grid)
    assert best is not None
    as_many = search(curve, facts, [Task(
        group, "token_bucket", PERIOD_NS, Burst("", tokens=best.candidate.capacity),
        group.throttled, group.requests)])[0]
    return Inferred(
        group, Bucket(best.candidate.rate, best.candidate.capacity), best.denied, best.matched,
        min(t.candidate.rate for t in near), max(t.candidate.rate for t in near),
        min(t.candidate.capacity for t in near), max(t.candidate.capacity for t in near),
        as_many.best.candidate.rate if as_many.best and as_many.done else None, facts.finest_ns)


def _near(curve: Curve, group: Group, rates: Sequence[int], bursts: Sequence[int]) -> list[Tried]:
    """The buckets of a grid that deny about as many and cannot be told from the best, the best
    first: denials that disagree are a count, and its own uncertainty is its square root, twice that
    is the usual range. Between equals the nearest number of denials, then the smaller bucket."""
    tried = curve.run([Candidate(rate, PERIOD_NS, burst, group.place)
                       for rate in rates for burst in bursts])
    recorded = group.throttled

    def off(one: Tried) -> int:
        return abs(one.denied - recorded)

    rarer = min(recorded, group.requests - recorded) or recorded
    room = max(rarer * AS_MANY_PERCENT // 100, min(off(one) for one in tried))
    tried = [one for one in tried if off(one) <= room]
    tried.sort(key=lambda one: (wrong(one, recorded), off(one), one.candidate.capacity,
                                one.candidate.rate))
    least = wrong(tried[0], recorded)
    most = least + max(1, 2 * math.isqrt(least))
    return [one for one in tried if wrong(one, recorded) <= most]


def _around(grid: Sequence[int], chosen: Sequence[int]) -> tuple[int, int]:
    """The chosen ones and a neighbour on either side."""
    low, high = grid.index(min(chosen)), grid.index(max(chosen))
    return grid[max(0, low - 1)], grid[min(len(grid) - 1, high + 1)]
