# SPDX-License-Identifier: MIT
"""Finds the limits, proves them by a replay, and says what is left to know."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from host_sim.config import ConfigError
from host_sim.plan.logs import Logs
from host_sim.recommend import propose
from host_sim.recommend.course import PROOF, READ, Course
from host_sim.recommend.curve import ALGORITHMS, BUCKETS, Curve, Interrupted
from host_sim.recommend.infer import Common, Inferred, common, infer
from host_sim.recommend.proof import Proof, compiled, prove
from host_sim.recommend.propose import Proposal
from host_sim.recommend.result import Answer, Recommendation
from host_sim.recommend.search import Burst, Found, Task, search
from host_sim.recommend.trace import Facts, Group, Shape, Trace
from host_sim.replay.engine import Options, Progress
from host_sim.replay.program import FormatError
from host_sim.report.units import duration

if TYPE_CHECKING:
    from host_sim.config import Config

PPM = 1_000_000
SEARCH = 400        # ns a request that a search takes, before it can tell
INFER = 2000
ADJUST_MAX = 16     # replays that move a limit on where a configuration's own rules interfere
TRADE = ((1, 60), (1, 10), (1, 4), (1, 1), (4, 1))   # bursts that are compared, in periods
PERIODS = {"s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "day": 86400 * 10**9}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What to recommend. `burst` is a duration's worth of the rate, tokens, or None: what one
    period brings. `infer` groups what was throttled by these parts, None: as the log allows."""

    deny_at_most_ppm: int
    shape: Shape = Shape()
    algorithm: str = "token_bucket"
    period_ns: int = 60 * 10**9
    burst: Burst | None = None
    drop_throttled: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.deny_at_most_ppm <= PPM:
            raise FormatError("denied requests per million are 0 to 1,000,000")
        if self.algorithm not in ALGORITHMS:
            raise FormatError(f"unknown algorithm {self.algorithm!r}: use {', '.join(ALGORITHMS)}")
        if self.burst is not None and self.algorithm not in BUCKETS:
            raise FormatError(f"a {self.algorithm.replace('_', ' ')} has no burst: leave --burst "
                              f"out, or use --algorithm {' or '.join(BUCKETS)}")
        propose.check_shape(self.shape)


def recommend(
    logs: Sequence[str] | Logs, wanted: Wanted, *, config: Config | None = None,
    options: Options | None = None, progress: Progress | None = None,
    stopping: Callable[[], bool] | None = None,
) -> Recommendation:
    """The smallest limits that deny at most `wanted.deny_at_most_ppm` of what `logs` show: paths,
    `-` for standard input, or logs that are open already.

    OSError for a log that cannot be read, FormatError for one that is none or a class that it does
    not have.
    """
    started, course = time.perf_counter_ns(), Course(progress)
    for stage, weight in (("search", SEARCH), ("proof", 2 * PROOF), ("trade", len(TRADE) * SEARCH)):
        course.expect(stage, weight)
    with contextlib.ExitStack() as stack:
        if not isinstance(logs, Logs):
            logs = stack.enter_context(Logs(*logs, maps=options.maps if options else None))
        with Trace(logs, wanted.shape, config=config, options=options, progress=course.part(READ),
                   stopping=stopping) as trace:
            facts = trace.gather()
            course.expect("infer", INFER if facts.throttled else 0)
            made = _Making(trace, facts, wanted, course, stopping).make()
        inferred, shared = _inferred(logs, facts, config, options, trace, course, stopping)
    return dataclasses.replace(made, inferred=inferred, common=shared,
                               interrupted=made.interrupted or trace.stopped,
                               elapsed_ns=time.perf_counter_ns() - started)


def _inferred(
    logs: Logs, facts: Facts, config: Config | None, options: Options | None, seen: Trace,
    course: Course, stopping: Callable[[], bool] | None,
) -> tuple[tuple[Inferred, ...], Common | None]:
    """What throttled the log's throttled requests, by service and operation where it has them."""
    if not facts.throttled or seen.stopped:
        return (), None
    for each in (("service", "operation"), ("operation",), ("service",), ()):
        with (
            contextlib.suppress(FormatError),
            Trace(logs, Shape(each), config=config, options=options,
                  progress=course.part(READ), stopping=stopping) as trace,
        ):
            found = trace.gather()
            curve = Curve(trace, course=course, stopping=stopping)
            try:
                answers = tuple(infer(trace, found, curve))
                return answers, common(curve, answers)
            except Interrupted:
                break
    return (), None


class _Making:
    """One recommendation in the making."""

    def __init__(
        self, trace: Trace, facts: Facts, wanted: Wanted, course: Course,
        stopping: Callable[[], bool] | None,
    ) -> None:
        self.trace, self.facts, self.wanted = trace, facts, wanted
        self.course, self.stopping = course, stopping
        self.curve = Curve(trace, drop_throttled=wanted.drop_throttled, course=course,
                           stopping=stopping)
        self.mode = trace.config.file.mode if trace.config else "enforce"
        self.base = Path(trace.config.path).read_text() if trace.config else None
        self.why = (f"raygate recommend: the smallest limits that would have denied at most "
                    f"{wanted.deny_at_most_ppm:,} ppm of the requests")

    def make(self) -> Recommendation:
        """Searches, proposes and proves."""
        groups, left_out = self._groups()
        trade: tuple[Found, ...] = ()
        proof = below = None
        founds = search(self.curve, self.facts, [self._task(group) for group in groups],
                        around=len(groups) == 1)
        proposals = self._proposals(founds)
        if all(found.done for found in founds):
            if proposals:
                proposals, proof, below = self._prove(founds, proposals)
            self.course.expect("proof", 0)
            if len(groups) == 1 and self.wanted.algorithm in BUCKETS:
                trade = self._trade(founds[0])
        names = {proposal.group: proposal for proposal in proposals}
        answers = tuple(Answer(found, names.get(found.task.group)) for found in founds)
        return Recommendation(
            logs=self.trace.logs.names, log_sha256=self.trace.hashes, problems=self._problems(),
            config=self.trace.config.path if self.trace.config else "",
            config_hash=self.trace.config.hash if self.trace.config else "",
            wanted_ppm=self.wanted.deny_at_most_ppm, shape=self.trace.shape,
            dropped_throttled=self.wanted.drop_throttled, facts=self.facts, answers=answers,
            trade=trade, left_out=tuple(left_out), proof=proof, proof_below=below,
            fragment=propose.fragment(self.trace.shape, proposals, self.mode)
            if proof else "",
            toml=propose.whole(self.trace.shape, proposals, self.base, self.why, self.mode)
            if proof else "", passes=self.curve.passes, candidates=self.curve.tried,
            overflow=self.curve.overflow, spread=self.trace.options.spread,
            interrupted=self.stopping is not None and self.stopping())

    def _problems(self) -> tuple[str, ...]:
        """What of the logs is not there."""
        cut = self.trace.problem
        return tuple(filter(None, (
            self.trace.logs.problem, cut and f"{cut}: what came before it was read")))

    def _groups(self) -> tuple[list[Group | None], list[tuple[str, int, str]]]:
        """Whom to find limits for, busiest first, and whom not: name, requests, why."""
        if not self.trace.shape.each:
            return [None], []
        most = propose.most_of(self.trace.shape)
        chosen: list[Group | None] = []
        left: list[tuple[str, int, str]] = []
        for group in sorted(self.trace.groups(), key=lambda g: (-g.requests, g.place)):
            why = propose.can_stand(self.trace.shape, group)
            if not why and len(chosen) == most:
                why = f"more than the {most} that one file takes"
            if why:
                left.append((group.name, group.requests, why))
            else:
                chosen.append(group)
        return chosen, left

    def _task(self, group: Group | None, burst: Burst | None = None) -> Task:
        wanted = self.wanted
        asked = self.facts.events if group is None else group.requests
        if wanted.drop_throttled:
            asked -= self.facts.throttled if group is None else group.throttled
        burst = burst or wanted.burst or Burst("one period", span_ns=wanted.period_ns)
        return Task(group, wanted.algorithm, wanted.period_ns, burst,
                    asked * wanted.deny_at_most_ppm // PPM, asked)

    def _trade(self, found: Found) -> tuple[Found, ...]:
        """The same for other bursts; the one that is answered already is not searched again."""
        self.course.expect("trade", 0)
        spans = [max(1, self.wanted.period_ns * over // under) for over, under in TRADE]
        bursts = [Burst(duration(span), span_ns=span) for span in spans]
        known = {found.task.burst.span_ns: found}
        for other in search(self.curve, self.facts, [
                self._task(found.task.group, b) for b in bursts if b.span_ns not in known]):
            known[other.task.burst.span_ns] = other
        return tuple(dataclasses.replace(known[b.span_ns], task=dataclasses.replace(
            known[b.span_ns].task, burst=b)) for b in bursts if known[b.span_ns].done)

    def _proposals(self, founds: Sequence[Found]) -> list[Proposal]:
        taken = list(self.trace.config.limits + self.trace.config.policies) if (
            self.trace.config) else []
        proposals = []
        for found in founds:
            if found.best is None:
                continue
            name = propose.name_of(self.trace.shape, found.task.group, taken)
            taken.append(name)
            proposals.append(Proposal(name, found.best.candidate, found.task.group))
        return proposals

    def _prove(
        self, founds: Sequence[Found], proposals: list[Proposal]
    ) -> tuple[list[Proposal], Proof | None, Proof | None]:
        """Replays the limits, and the next smaller ones. A configuration's own rules may let
        through to a limit what they denied without it: then the limit is moved up until the replay
        agrees. None for what was interrupted."""
        tasks = {found.task.group: found.task for found in founds}
        for _ in range(ADJUST_MAX):
            proof = self._replay(proposals)
            if proof is None:
                return proposals, None, None
            over = [p for p in proposals
                    if proof.denied.get(p.name, 0) > tasks[p.group].allowed]
            if not over or self.wanted.drop_throttled:
                break
            proposals = [self._moved(p, tasks[p.group], 1 + p.candidate.rate // 64)
                         if p in over else p for p in proposals]
        smaller = [self._moved(p, tasks[p.group], -1) for p in proposals if p.candidate.rate > 1]
        return proposals, proof, self._replay(smaller) if smaller else None

    def _moved(self, proposal: Proposal, task: Task, by: int) -> Proposal:
        return dataclasses.replace(proposal, candidate=task.candidate(proposal.candidate.rate + by))

    def _replay(self, proposals: Sequence[Proposal]) -> Proof | None:
        try:
            config = compiled(self.trace, proposals, self.base, self.why)
        except ConfigError as error:
            raise FormatError(f"the limits cannot stand in one file: {error}") from error
        with contextlib.suppress(Interrupted):
            self.course.expect("proof", PROOF)
            return prove(self.trace, config, self.course.part(PROOF), self.stopping)
        return None
