# SPDX-License-Identifier: MIT
"""Candidate limits over a trace: what each would have denied, decided by the core's limiter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from host_sim import _raw
from host_sim.decision import NONE
from host_sim.errors import BY_STATUS
from host_sim.recommend.course import KEYED, PASS, PLAIN, Course
from host_sim.recommend.trace import PROFILE, Trace
from host_sim.replay.program import FormatError

ALGORITHMS = ("token_bucket", "leaky_bucket", "fixed_window", "sliding_window")
BUCKETS = ("token_bucket", "leaky_bucket")
SECOND_NS = 1_000_000_000


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A limit that is tried: `rate` per `period_ns`, `capacity` tokens at once (windows: 0), on the
    requests of `group` (None: on all)."""

    rate: int
    period_ns: int
    capacity: int
    group: int | None = None
    algorithm: str = "token_bucket"


@dataclasses.dataclass(frozen=True)
class Tried:
    """What came of a candidate. `matched`: denials that the log recorded too, counted per second as
    the smaller number of both. `refused` says why the core takes no such limit, else empty. `hurt`:
    how many keys were denied at least once, None where there are too many to tell apart."""

    candidate: Candidate
    asked: int
    denied: int
    matched: int
    first_denied_ns: int
    refused: str = ""
    hurt: int | None = None


class Curve:
    """Tries candidates on a trace, as many at once as one state holds.

    `overflow` counts answers of a full key table: more keys than a million or so at once.
    """

    def __init__(
        self, trace: Trace, *, drop_throttled: bool = False, match_ns: int = SECOND_NS,
        course: Course | None = None, stopping: Callable[[], bool] | None = None,
    ) -> None:
        self.course = course or Course(None)
        self._trace, self._drop, self._match_ns = trace, drop_throttled, match_ns
        self._stopping = stopping or (lambda: False)
        self._raw = _raw.load(PROFILE)
        self._groups: list[int] | None = None
        self.keyed = trace.shape.key != "all"
        self.passes = self.tried = self.overflow = 0

    def room(self) -> int:
        """How many candidates one pass takes."""
        lib = self._raw.lib
        return int(lib.RAY_CURVE_KEYED_MAX if self.keyed else lib.RAY_CURVE_PLAIN_MAX)

    def weight(self, group: int | None) -> float:
        """What one more limit on a group's requests costs a pass, in ns a request of the log."""
        if self._groups is None:
            self._groups = [found.requests for found in self._trace.groups()]
        cost = KEYED if self.keyed else PLAIN
        events = self._trace.facts().events
        return cost * (1.0 if group is None or not events else self._groups[group] / events)

    def run(self, candidates: Sequence[Candidate]) -> list[Tried]:
        """What each would have denied, in the order given."""
        room = self.room()
        return [tried for first in range(0, len(candidates), room)
                for tried in self._pass(candidates[first:first + room])]

    def _pass(self, candidates: Sequence[Candidate]) -> list[Tried]:
        ffi, lib = self._raw.ffi, self._raw.lib
        self.course.part(PASS + sum(self.weight(c.group) for c in candidates))
        rows = ffi.new("ray_curve_candidate[]", [{
            "rate_tokens": c.rate, "rate_period_ns": c.period_ns,
            "capacity": c.capacity if c.algorithm in BUCKETS else 0,
            "group": NONE if c.group is None else c.group,
            "algorithm": ALGORITHMS.index(c.algorithm)} for c in candidates])
        curve = lib.ray_curve_open(ffi.new("ray_curve_spec *", {
            "candidates": rows, "match_ns": self._match_ns, "count": len(candidates),
            "keyed": self.keyed, "drop_throttled": self._drop, "fd": self._trace.file.fileno()}))
        if curve == ffi.NULL:
            raise MemoryError("no memory to try limits")
        try:
            events, state = self._trace.facts().events, lib.RAY_CURVE_MORE
            while state == lib.RAY_CURVE_MORE:
                state = lib.ray_curve_run(curve)
                done = int(lib.ray_curve_event_count(curve))
                self.course(done, events, done)
                if state == lib.RAY_CURVE_MORE and self._stopping():
                    raise Interrupted
            if state != lib.RAY_CURVE_DONE:
                raise FormatError("the temporary trace cannot be read back")
            overflow = int(lib.ray_curve_overflow_count(curve))
        finally:
            lib.ray_curve_close(curve)
        self.passes += 1
        self.tried += len(candidates)
        if overflow and len(candidates) > 1:
            half = len(candidates) // 2
            return [*self._pass(candidates[:half]), *self._pass(candidates[half:])]
        self.overflow = max(self.overflow, overflow)
        return [Tried(candidate, int(row.asked_count), int(row.denied_count),
                      int(row.matched_count), int(row.first_denied_ns),
                      "" if row.status == 0 else BY_STATUS[int(row.status)].__name__,
                      None if row.hurt_more else int(row.hurt_count))
                for candidate, row in zip(candidates, rows, strict=True)]


class Interrupted(Exception):
    """Ctrl-C was pressed while limits were tried."""
