# SPDX-License-Identifier: MIT
"""What came of a simulation: the numbers as one object."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from host_sim.kernel import Digests, Kernel
from host_sim.replay import governed
from host_sim.replay.governed import Governed
from host_sim.replay.inputs import LogRead
from host_sim.replay.summary import UNPARSABLE_FINDING_PPM, count
from host_sim.report.model import Report
from host_sim.simulation.counts import Count, total
from host_sim.simulation.expect import EXTREMES, OF_SERVICES, Check, Numbers, Term

if TYPE_CHECKING:
    from host_sim.tables import Decisions

Marks = dict[int, list[Count]]  # every counter at an instant after the start
WAYS = ("denied", "dropped", "preempted", "dispatched", "queued")


@dataclasses.dataclass(frozen=True)
class Rule:
    """A limit, quota, queue, breaker that said no: how often, and the longest wait it named."""

    kind: str
    name: str
    denied: int
    retry_after_ns_max: int


@dataclasses.dataclass(frozen=True)
class Change:
    """A service's breaker changed its state `at_ns` after the start: words as the console has
    them."""

    at_ns: int
    service: str
    before: str
    after: str
    cause: str

    @property
    def text(self) -> str:
        """As a line of what happened."""
        return f"breaker of {self.service}: {self.before} > {self.after} ({self.cause})"


@dataclasses.dataclass(frozen=True)
class Second:
    """One part of the timeline, from `at_ns` after the start on. `waiting_max` is the longest the
    gateway's queues were together."""

    at_ns: int
    offered: int
    allowed: int
    denied: int
    dropped: int
    ok: int
    failed: int
    sent: int
    waiting_max: int

    @classmethod
    def of(cls, bucket: Any, width_ns: int, index: int) -> Second:
        """From a ray_simulate_bucket."""
        fields = ("offered", "allowed", "denied", "dropped", "ok", "failed", "sent")
        return cls(at_ns=index * width_ns, waiting_max=int(bucket.waiting_count_max),
                   **{name: int(getattr(bucket, f"{name}_count")) for name in fields})


@dataclasses.dataclass(frozen=True)
class Expected:
    """A sentence of the scenario, and whether the run bears it out: the two numbers compared."""

    says: str
    check: str
    holds: bool
    left: int
    right: int

    @classmethod
    def of(cls, says: str, text: str, check: Check, numbers: Numbers) -> Expected:
        """The check on these numbers."""
        return cls(says, " ".join(text.split()), *check.holds(numbers))


@dataclasses.dataclass(frozen=True)
class Machine:
    """The same rows at the other end of a link: how many, and the digests there."""

    rows: int
    digests: Digests


@dataclasses.dataclass(frozen=True)
class Window:
    """Where checks find their numbers: a stretch's counters, or the whole run's."""

    result: Result
    during: Sequence[int] | None = None  # two instants after the start

    def number(self, term: Term) -> int:
        """See host_sim.simulation.expect."""
        known = self.result.known(term.metric, term.kind, term.name)
        if known is not None:
            return known
        counts = self.result.between(term.during or self.during)
        if not term.kind:
            kind = "service" if term.metric in OF_SERVICES else "group"
            return total([one for one in counts if one.kind == kind]).number(term.metric)
        asked = {one.name for one in self.result.counts if one.kind == term.kind}
        names = asked if term.extreme else {term.name}
        found = [one.number(term.metric) for one in counts
                 if one.kind == term.kind and one.name in names]
        return EXTREMES.get(term.extreme, max)(found, default=0)


@dataclasses.dataclass(frozen=True)
class Result:
    """Everything a simulation tells. Times are nanoseconds, instants Unix time, digests lower-case
    hexadecimal. `counts` has every group and instance, and the classes and services in use."""

    name: str
    title: str
    what: str
    seed: int
    start_ns: int
    duration_ns: int
    end_ns: int
    config: str
    scenario_hash: str
    total: Count
    counts: tuple[Count, ...]
    timeline: tuple[Second, ...]
    rules: tuple[Rule, ...]
    reasons: dict[str, int]
    rows: int
    errors: int
    unplaced: int
    held_max: int
    elapsed_ns: int
    interrupted: bool
    profile: str
    classes: tuple[str, ...]
    core: dict[str, int]
    held: dict[str, int]
    digests: Digests
    governed: Governed
    moments: tuple[tuple[int, str], ...] = ()  # ns after the start, and what happened then
    changes: tuple[Change, ...] = ()  # of breakers, the first so many
    marks: Marks = dataclasses.field(default_factory=dict, repr=False, compare=False)
    gathered: Decisions | None = dataclasses.field(default=None, repr=False, compare=False)
    expected: tuple[Expected, ...] = ()
    machine: Machine | None = None
    logs: tuple[LogRead, ...] = ()    # of the groups that are an access log
    command: str = ""                 # the line that makes this again

    @property
    def holds(self) -> bool:
        """Whether it went as the scenario expects, to its end, nothing was lost or kept, and its
        logs were read."""
        return (all(one.holds for one in self.expected) and not self.interrupted
                and not self.findings and self.lost == 0 and not any(self.held.values())
                and self.same_bits)

    @property
    def findings(self) -> tuple[str, ...]:
        """Why its logs say less than the whole truth, a sentence each; as in a replay a few lines
        that cannot be read are none."""
        found = [f"{count(log.unparsable, 'line')} of {log.lines:,} of {log.name} could not be "
                 "read: more than 1 %" for log in self.logs
                 if log.unparsable * 1_000_000 > log.lines * UNPARSABLE_FINDING_PPM]
        return (*found, *(f"{log.problem}: what came before it was simulated"
                          for log in self.logs if log.problem))

    @property
    def lost(self) -> int:
        """Requests offered to the core that are nowhere: 0 by the law of conservation."""
        return self.core["asked_count"] - sum(self.core[f"{way}_count"] for way in WAYS)

    @property
    def same_bits(self) -> bool:
        """False when a machine was fed the same rows and has other digests."""
        return self.machine is None or self.machine.digests == self.digests

    def known(self, metric: str, kind: str, name: str) -> int | None:
        """What is known of the whole run only; None for anything that is counted."""
        if metric == "bill":
            return sum(one.nano for one in self.governed.bills if not kind or one.tenant == name)
        if kind == "rule":
            return sum(one.denied for one in self.rules if one.name == name)
        if kind == "reason":
            return self.reasons.get(name, 0)
        if metric == "breaches":
            return sum(one.breaches for one in self.governed.promises
                       if not kind or one.service == name)
        if metric in ("passed_by", "passed_by_bound"):
            return max((getattr(one, metric) for one in self.governed.queues
                        if not kind or one.priority == name), default=0)
        totals = {"held": sum(self.held.values()), "lost": self.lost, "rows": self.rows,
                  "errors": self.errors}
        return totals.get(metric)

    def between(self, during: Sequence[int] | None) -> Sequence[Count]:
        """What was counted from the one instant to the other, where an expectation asks for both;
        None is the whole run."""
        if during is None:
            return self.counts
        before, after = (self.marks[at] for at in during)
        return [now.less(then) for now, then in zip(after, before, strict=True)]

    @property
    def decisions(self) -> Decisions:
        """What the core said to every try, as columns; `row` is the n-th try of the run. Raises
        ValueError when they were not gathered."""
        if self.gathered is None:
            raise ValueError("the decisions were not gathered: ask for gather=True")
        return self.gathered

    def with_expected(self, expected: tuple[Expected, ...]) -> Result:
        """The same with its expectations."""
        return dataclasses.replace(self, expected=expected)

    def with_machine(self, machine: Machine) -> Result:
        """The same with what another machine made of the rows."""
        return dataclasses.replace(self, machine=machine)

    def report(self) -> Report:
        """The document: for a terminal by host_sim.report.terminal, as a page by its html."""
        from host_sim.simulation import report

        return report.report(self)

    def _repr_html_(self) -> str:
        from host_sim.report.notebook import cell

        return cell(self.report())

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        said = dataclasses.asdict(dataclasses.replace(self, marks={}, gathered=None))
        del said["marks"], said["gathered"]
        for one in (said["total"], *said["counts"]):
            del one["latencies"], one["waits"]
        return said | {"holds": self.holds, "lost": self.lost, "same_bits": self.same_bits,
                       "findings": self.findings}


def identity(source: bytes, logs: Sequence[LogRead]) -> str:
    """Of a scenario: the SHA-256 of its file; where groups are logs, of the file and then the
    hashes of these, hexadecimal, in its order."""
    return hashlib.sha256(
        source + "".join(log.sha256 for log in logs).encode()).hexdigest()


def outcome(kernel: Kernel) -> dict[str, Any]:
    """What the core itself says at the end, as fields of a Result."""
    stats = kernel.stats()
    lib, ffi = kernel.lib, kernel.ffi
    balancer, guards = ffi.new("ray_lb_stats *"), ffi.new("ray_resilience_stats *")
    lib.ray_lb_read(lib.ray_lb_of(kernel.ray), balancer)
    lib.ray_resilience_read(lib.ray_resilience_of(kernel.ray), guards)
    held: Mapping[str, int] = {
        "in flight": stats["inflight_count"], "queued": stats["queued_count"],
        "connections": int(balancer.connection_count), "permits": int(guards.in_use_count)}
    return {"core": stats, "held": dict(held), "digests": kernel.digest(),
            "governed": governed.read(kernel)}
