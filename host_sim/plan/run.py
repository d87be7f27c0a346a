# SPDX-License-Identifier: MIT
"""Runs a plan: two whole replays of one log in step, their answers compared in C row by row, and a
second pass up to the first victim of each changed rule."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from host_sim.config import Config
from host_sim.config.identity import address_text
from host_sim.plan import budget, structure
from host_sim.plan.logs import Logs, close
from host_sim.plan.result import (
    ALLOWED,
    CHANGES,
    DENIED,
    Course,
    Group,
    Outcome,
    Pair,
    Person,
    Plan,
    Victim,
    bills_of,
    judge,
    plan_names,
    total,
)
from host_sim.replay.engine import Options, Progress, Replay, Sink
from host_sim.replay.program import FormatError
from host_sim.replay.summary import Summary

VICTIMS = 12  # rules whose first victim is explained
KINDS = ("tenant", "service", "route")


def _never() -> bool:
    return False


@dataclasses.dataclass
class Runner:
    """How a plan is run. `threads` 2 lets the two replays run at once; the result is the same."""

    old: Config
    new: Config
    log: Logs
    options: Options = Options()
    profile: str = "seed"
    budgets: Sequence[budget.Budget] = ()
    flips: Sink | None = None
    progress: Progress | None = None
    stopping: Callable[[], bool] = _never
    threads: int = 2

    waiting = False  # a signal handler may never interrupt a step

    def run(self) -> Plan:
        """Both passes. Raises OSError and FormatError for a log that cannot be read, BudgetError
        for a budget about something neither file has."""
        configs = (self.old, self.new)
        budget.check_names(self.budgets, {
            kind: sorted({name for one in configs for name in getattr(one, f"{kind}s")})
            for kind in budget.SUBJECTS})
        with (
            self._replay(self.old, hashing=True, progress=self.progress) as old,
            self._replay(self.new) as new,
            _Comparison(old, new, self.flips) as comparison,
        ):
            self._step_both(old, new, comparison)
            plan = self._plan(comparison, old.end(), new.end())
        if not plan.requests:
            raise FormatError(f"{self.log.name}: there is nothing to compare: no line became a "
                              "request on both sides")
        return self._with_victims(plan)

    @contextlib.contextmanager
    def _replay(
        self, config: Config, *, hashing: bool = False, progress: Progress | None = None,
        notes: bool = True,
    ) -> Iterator[Replay]:
        sources = self.log.open(hashing=hashing)
        try:
            with Replay(config, sources, profile=self.profile, options=self.options,
                        progress=progress, notes=notes) as replay:
                yield replay
        finally:
            close(sources)

    def _step_both(self, old: Replay, new: Replay, comparison: _Comparison) -> None:
        """Advances the side that has read less, both where they have read the same, so that they
        stay together and what waits for its partner stays little."""
        alive = {old: True, new: True}
        old.begin()
        new.begin()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            while any(alive.values()):
                if self.stopping() and not old.stopped:
                    old.stop()  # both have decided as many rows: every step is as long
                    new.stop()
                ready = [side for side in alive if alive[side]]
                least = min(side.fed_count for side in ready)
                ready = [side for side in ready if side.fed_count == least]
                if len(ready) == 2 and self.threads > 1:
                    other = pool.submit(new.advance)
                    alive[old] = old.advance()
                    alive[new] = other.result()
                else:
                    for side in ready:
                        alive[side] = side.advance()
                comparison.take()
        comparison.end()

    # -- the result -----------------------------------------------------------------------------
    def _plan(self, comparison: _Comparison, old: Summary, new: Summary) -> Plan:
        stats, top = comparison.stats(), self.options.top
        groups = {kind: comparison.groups(number) for number, kind in enumerate(KINDS)}
        whole = Group("", int(stats.pair_count), 0, 0, *_changes(stats))
        people = {(users, change): comparison.people(users, change, top)
                  for users in (0, 1) for change in (DENIED, ALLOWED)}
        return Plan(
            logs=self.log.names, log_sha256=self.log.hashes(),
            requests=whole.requests, newly_denied=whole.newly_denied,
            newly_allowed=whole.newly_allowed, other=whole.other,
            only=(int(stats.only_count[0]), int(stats.only_count[1])),
            only_line=(int(stats.only_line[0]), int(stats.only_line[1])),
            verdicts=comparison.verdicts(stats), pairs=tuple(comparison.pairs()),
            course=comparison.course(),
            tenants=groups["tenant"], services=groups["service"], routes=groups["route"],
            clients_denied=people[0, DENIED], clients_allowed=people[0, ALLOWED],
            users_denied=people[1, DENIED], users_allowed=people[1, ALLOWED],
            client_count=int(stats.key_count[0]), user_count=int(stats.key_count[1]),
            victims=(), victims_left_out=0, edits=self._edits(),
            budgets=judge(self.budgets, groups, whole, bills_of(old, new),
                          plan_names(self.old, self.new),
                          priced=bool(self.old.file.cost or self.new.file.cost)),
            old=old, new=new,
            folded=int(stats.folded_pair_count + sum(stats.folded_key_count)),
            problem=self.log.problem, top=top)

    def _edits(self) -> tuple[structure.Edit, ...]:
        files = [pathlib.Path(config.path) for config in (self.old, self.new)]
        if not all(file.is_file() for file in files):
            return ()  # made from text
        return structure.compare(*(file.read_bytes() for file in files))

    # -- the second pass ------------------------------------------------------------------------
    def _with_victims(self, plan: Plan) -> Plan:
        blamed = [(change, outcome.rule, min(pairs, key=lambda one: one.position), total(pairs))
                  for change in CHANGES[1:] for outcome, pairs in plan.blamed(change)]
        chosen = sorted(blamed, key=lambda one: -one[3])[:VICTIMS]
        if self.stopping():
            return dataclasses.replace(plan, victims_left_out=len(blamed))
        told = [self._explain(config, sorted({first.position[side] for _, _, first, _ in chosen}))
                for side, config in enumerate((self.old, self.new))]
        victims = []
        for change, rule, first, requests in chosen:
            old, new = (told[side].get(first.position[side]) for side in (0, 1))
            if old is not None and new is not None:
                victims.append(Victim(
                    change, rule, requests, first.line, first.at_ns, old.client, old.user,
                    self.log.line(first.line), old.text, new.text))
        return dataclasses.replace(plan, victims=tuple(victims),
                                   victims_left_out=len(blamed) - len(victims))

    def _explain(self, config: Config, positions: Sequence[int]) -> dict[int, _Told]:
        """The rows at these running numbers, each by the state just before it: the same replay
        again, as far as the last of them."""
        told = {}
        with self._replay(config, notes=False, progress=self.progress) as replay:
            replay.begin()
            for position in positions:
                here = None if self.stopping() else replay.walk_to(position, self.stopping)
                if here is None:
                    break
                told[position] = _Told(here.client(), here.text("user").decode("utf-8", "replace"),
                                       here.explain())
        return told


@dataclasses.dataclass(frozen=True)
class _Told:
    client: str
    user: str
    text: str


class _Comparison:
    """`ray_compare` from Python."""

    def __init__(self, old: Replay, new: Replay, flips: Sink | None) -> None:
        self._sides, self._flips = (old, new), flips
        self._ffi, self._lib = old.ffi, old.lib
        self._raw = self._lib.ray_compare_open(self._ffi.new("ray_compare_spec *", {
            "names": [old.kernel.ray, new.kernel.ray],
            "hash_key": int.from_bytes(os.urandom(8), "little"), "flips": flips is not None}))
        if self._raw == self._ffi.NULL:
            raise MemoryError("no memory for a comparison")

    def __enter__(self) -> _Comparison:
        return self

    def __exit__(self, *_: object) -> None:
        self._lib.ray_compare_close(self._raw)
        self._raw = self._ffi.NULL

    def take(self) -> None:
        """Pairs what both sides answered since."""
        old, new = (side.raw_replay for side in self._sides)
        if not self._lib.ray_compare_take(self._raw, old, new):
            raise MemoryError("memory ran out while answers were compared")
        self._write()

    def end(self) -> None:
        """Both sides are at their end."""
        self._lib.ray_compare_end(self._raw, *(side.raw_replay for side in self._sides))
        self._write()

    def _write(self) -> None:
        if self._flips is None:
            return
        length = self._ffi.new("uint64_t *")
        at = self._lib.ray_compare_text(self._raw, length)
        if length[0]:
            self._flips.write(self._ffi.buffer(at, length[0]))
            self._lib.ray_compare_text_clear(self._raw)

    # -- reading --------------------------------------------------------------------------------
    def stats(self) -> Any:
        """A `ray_compare_stats *`."""
        out = self._ffi.new("ray_compare_stats *")
        self._lib.ray_compare_read(self._raw, out)
        return out

    def _word(self, word: Any) -> str:
        return bytes(self._ffi.string(word)).decode()

    def _verdict(self, number: int) -> str:
        return self._word(self._lib.ray_verdict_word(number)) if number else "error"

    def verdicts(self, stats: Any) -> dict[str, dict[str, int]]:
        """The matrix, old by new, without its empty rows and places."""
        out: dict[str, dict[str, int]] = {}
        size = int(self._lib.RAY_COMPARE_VERDICT_MAX)
        for place, number in enumerate(stats.verdict_count):
            if number:
                row = out.setdefault(self._verdict(place // size), {})
                row[self._verdict(place % size)] = int(number)
        return out

    def pairs(self) -> Iterator[Pair]:
        """Every pair of outcomes."""
        row, index = self._ffi.new("ray_compare_pair *"), 0
        while self._lib.ray_compare_pair_read(self._raw, index, row):
            old, new = (self._outcome(row, side) for side in (0, 1))
            yield Pair(old, new, _change(old, new), int(row.request_count), int(row.waited_count),
                       int(row.line), int(row.at_ns), (int(row.seq[0]), int(row.seq[1])),
                       (int(row.position[0]), int(row.position[1])))
            index += 1

    def _outcome(self, row: Any, side: int) -> Outcome:
        told = row.outcome[side]
        kind = self._word(self._lib.ray_by_word(told.by_kind)) if told.by_kind else ""
        return Outcome(self._verdict(told.verdict),
                       self._word(self._lib.ray_reason_word(told.reason)), kind,
                       self._word(row.by[side].at))

    def course(self) -> Course:
        """The changes over time."""
        first, width = self._ffi.new("uint64_t *"), self._ffi.new("uint64_t *")
        rows = self._ffi.new("ray_compare_bucket[]", self._lib.RAY_COMPARE_BUCKET_MAX)
        count = self._lib.ray_compare_series(self._raw, first, width, rows)
        counts = [[int(number) for number in row.change_count] for row in rows[0:count]]
        parts = [tuple(row[change] for row in counts) for change in range(4)]
        return Course(int(first[0]), int(width[0]), tuple(map(sum, counts)), *parts[1:])

    def groups(self, kind: int) -> tuple[Group, ...]:
        """Tenants, services or routes, joined by name, most new denials first."""
        row, index = self._ffi.new("ray_compare_group *"), 0
        found: dict[str, Group] = {}
        while self._lib.ray_compare_group_read(self._raw, kind, index, row):
            name = self._word(row.name.at)
            group = Group(name, int(row.request_count), int(row.refused_count[0]),
                          int(row.refused_count[1]), *_changes(row), int(row.first_denied_ns),
                          int(row.first_denied_line))
            found[name] = _joined(found[name], group) if name in found else group
            index += 1
        return tuple(sorted(found.values(), key=lambda g: (
            -g.newly_denied, -g.newly_allowed, -g.other, -g.requests, g.name)))

    def people(self, users: int, change: int, most: int) -> tuple[Person, ...]:
        """Clients (users: 1) with the most flips of a kind."""
        rows = self._ffi.new("ray_compare_key[]", max(most, 1))
        count = self._lib.ray_compare_top(self._raw, users, change, most, rows)
        return tuple(self._person(row, users) for row in rows[0:count])

    def _person(self, row: Any, users: int) -> Person:
        asked = max(self._lib.ray_replay_requests_of(side.raw_replay, users, row.name, row.length,
                                                     row.address) for side in self._sides)
        raw = bytes(self._ffi.buffer(row.name, row.length))
        name = address_text(raw) if row.address else raw.decode("utf-8", "backslashreplace")
        return Person(name, int(asked), *_changes(row), int(row.first_ns))


def _changes(row: Any) -> tuple[int, int, int]:
    """Newly denied, newly allowed, other."""
    return tuple(int(number) for number in row.change_count)[1:]  # type: ignore[return-value]


def _change(old: Outcome, new: Outcome) -> str:
    """As enum ray_compare_change has it."""
    if old.verdict == new.verdict:
        return "same"
    refused = [side.verdict in ("deny", "dropped", "error") for side in (old, new)]
    if refused[0] == refused[1]:
        return "other"
    return "newly-denied" if refused[1] else "newly-allowed"


def _joined(one: Group, other: Group) -> Group:
    first = min((group for group in (one, other) if group.newly_denied), default=one,
                key=lambda group: group.first_denied_ns)
    sums = {field.name: getattr(one, field.name) + getattr(other, field.name)
            for field in dataclasses.fields(Group) if field.name != "name"}
    sums["first_denied_ns"] = first.first_denied_ns
    sums["first_denied_line"] = first.first_denied_line
    return Group(one.name, **sums)
