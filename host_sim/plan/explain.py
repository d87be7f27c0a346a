# SPDX-License-Identifier: MIT
"""One decision of a replay with its whole journey: a first pass finds the row, a second one stops
just before it and asks the core why."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

from host_sim.config import Config
from host_sim.errors import UnknownError
from host_sim.plan.logs import LINE_BITS, Logs, close, place_of
from host_sim.printing import printable
from host_sim.replay.engine import Options, Progress, Replay, Sink
from host_sim.report.units import instant


class NoDecisionError(UnknownError):
    """There is no decision of this number, or of this line; says which there are."""


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A decision and how it came about. `decision` is the line of --decisions, `journey` what the
    core says of each stage, `page` the same for a person."""

    log: str
    config: str
    config_hash: str
    decision: dict[str, Any]
    position: int
    client: str
    user: str
    text: str
    journey: dict[str, Any]
    page: str

    def as_json(self) -> dict[str, Any]:
        """Everything but the page."""
        out = dataclasses.asdict(self)
        del out["page"]
        return out

    def lines(self) -> Iterator[str]:
        """A page for a person."""
        told = self.decision
        number = "not decided" if told["seq"] is None else f"decision {told['seq']:,}"
        by = f", by {printable(told['by'])}" if told["by"] else ""
        yield (f"{printable(self.log)} through {printable(self.config)}, {number}: "
               f"{told['verdict']}, {told['reason']}{by}")
        who = f"client {printable(self.client) or '(unknown)'}"
        if self.user and self.user != self.client:
            who += f", user {printable(self.user)}"
        where = f" of log {told['source']}" if "source" in told else ""
        yield f"line {told['line']:,}{where} at {instant(told['t_ns'])}, {who}"
        yield f"  {printable(self.text.replace(chr(9), ' '))}"
        yield ""
        yield from self.page.rstrip().split("\n")
        yield ""
        yield f"configuration    {self.config_hash}"


class _Finder:
    """Takes the decisions and keeps the one that is looked for, or its neighbours."""

    def __init__(self, seq: int | None, line: int | None) -> None:
        self.seq, self.line = seq, line
        self.found: dict[str, Any] | None = None
        self.position = self.count = 0
        self.before: dict[str, Any] | None = None
        self.after: dict[str, Any] | None = None
        self._needle = (b'{"seq":%d,' % seq if seq is not None
                        else b',"line":%d' % place_of(line or 0)[1])

    @property
    def over(self) -> bool:
        """Found, or passed: decisions come in the order of their numbers."""
        return self.found is not None or self.after is not None

    def write(self, data: bytes, /) -> None:
        """Whole lines."""
        if self.over:
            return
        data = bytes(data)
        at = data.find(self._needle)
        while at >= 0 and self.found is None:
            start = data.rfind(b"\n", 0, at) + 1
            row = json.loads(data[start : data.index(b"\n", at)])
            if self._is_it(row):
                self.found = row
                self.position = self.count + data.count(b"\n", 0, start) + 1
            at = data.find(self._needle, at + 1)
        if self.found is None and self.seq is not None:
            self._look_around(data)
        self.count += data.count(b"\n")

    def _is_it(self, row: dict[str, Any]) -> bool:
        if self.seq is not None:
            return bool(row["seq"] == self.seq)
        return bool(self.line == row.get("source", 0) << LINE_BITS | row["line"])

    def _look_around(self, data: bytes) -> None:
        rows = data.rstrip(b"\n").split(b"\n")
        last = json.loads(rows[-1])
        if last["seq"] is not None and last["seq"] < (self.seq or 0):
            self.before = last
            return
        for row in map(json.loads, rows):
            if row["seq"] is None:
                continue
            if row["seq"] > (self.seq or 0):
                self.after = row
                return
            self.before = row


def explain(
    config: Config, log: Logs, *, seq: int | None = None, line: int | None = None,
    options: Options | None = None, profile: str = "seed", progress: Progress | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Explanation:
    """Decision `seq` of the replay of `log` through `config`, or the one of its `line`, from 1 and
    with the log's number from 0 above bit 48 where there are several.

    Raises NoDecisionError when there is none, OSError and FormatError as a replay does.
    """
    finder = _Finder(seq, line)

    @contextlib.contextmanager
    def replay(sink: Sink | None = None) -> Iterator[Replay]:
        sources = log.open()
        try:
            with Replay(config, sources, profile=profile, options=options, decisions=sink,
                        progress=progress, stopping=stopping) as run:
                run.begin()
                yield run
        finally:
            close(sources)

    with replay(finder) as run:
        while run.advance() and not finder.over:
            pass
        run.flush()
        lines = _lines_of(run, place_of(line or 0)[0])
    if finder.found is None:
        raise NoDecisionError(_why_not(finder, stopping(), lines, len(log.paths)))
    with replay() as run:
        here = run.walk_to(finder.position, stopping)
        if here is None:
            raise NoDecisionError("interrupted before the decision was reached")
        page, journey = here.explain(), json.loads(here.explain(as_json=True))
        return Explanation(
            log.name, config.path, config.hash, finder.found, finder.position, here.client(),
            here.text("user").decode("utf-8", "backslashreplace"), log.line(here.line), journey,
            page)


def _lines_of(run: Replay, place: int) -> int:
    """How many lines one of the logs has."""
    if place >= len(run.inputs.readers):
        return 0
    return run.inputs.readers[place].stats().line_count + run.inputs.programs[place].skip_lines


def _why_not(finder: _Finder, stopped: bool, lines: int, logs: int) -> str:
    if stopped:
        return "interrupted before the decision was found"
    if finder.seq is None:
        place, number = place_of(finder.line or 0)
        if place >= logs:
            return (f"there is no log {place}: {logs} was given, which is log 0" if logs == 1
                    else f"there is no log {place}: {logs} were given, log 0 to {logs - 1}")
        return (f"line {number} became no request (a header, blank, or it could not be read); "
                f"the log has {lines:,} lines" if number <= lines
                else f"the log has no line {number}: it has {lines:,}")
    if finder.before is None and finder.after is None:
        return "no request was decided: there is nothing to explain"
    if finder.after is None and finder.before is not None:
        return (f"decision {finder.seq} is past the end: the last request's is "
                f"{finder.before['seq']}, of line {finder.before['line']}")
    near = " and ".join(f"{row['seq']} (line {row['line']})"
                        for row in (finder.before, finder.after) if row is not None)
    return (f"decision {finder.seq} is of no request: records also count what was sent and what "
            f"completed; the requests beside it are {near}")
