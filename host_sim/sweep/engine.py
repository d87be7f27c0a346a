# SPDX-License-Identifier: MIT
"""Runs a sweep: the grid, a configuration for each point, a replay for each configuration."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import time
import tomllib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from host_sim import _raw
from host_sim.config import ConfigError, loads
from host_sim.plan.logs import Logs, close
from host_sim.replay import detect
from host_sim.replay.engine import Options
from host_sim.replay.mapping import parse_maps
from host_sim.sweep.grid import Value, Vary, product
from host_sim.sweep.patch import dumped, patched, value_at
from host_sim.sweep.pool import Pool
from host_sim.sweep.result import Point, Swept, number_of

WORKER = "host_sim.sweep.worker"

Done = Callable[[int, int, int], None]  # points done, points in all, requests replayed


@dataclasses.dataclass(frozen=True)
class Reading:
    """How the logs are read, as words a process can be told."""

    maps: tuple[str, ...] = ()
    form: str = "auto"
    order: str = Options().order
    window: int = Options().window
    profile: str = "seed"
    spread: str = "none"
    spread_seed: int = 0


class Sweep:
    """A grid over values of one configuration, each point a whole replay of the same logs.

        Sweep("shop.toml", ["access.log"], [parse_vary("limit.api.rate=50..500/min")]).run()

    Points run in `processes` processes (all cores) and come back in the grid's order. One that
    fails says why and costs the others nothing. `logs` are paths, `-` for standard input, or open
    already. OSError and FormatError for a configuration or a
    log that cannot be read, PatchError for a value that the file has no place for.
    """

    def __init__(
        self, config: str | os.PathLike[str], logs: Sequence[str] | Logs, varies: Sequence[Vary], *,
        reading: Reading | None = None, processes: int | None = None,
    ) -> None:
        self.config, self.varies = os.fspath(config), tuple(varies)
        self.reading = reading or Reading()
        self._own = not isinstance(logs, Logs)
        self.logs = logs if isinstance(logs, Logs) else Logs(
            *logs, maps=parse_maps(self.reading.maps))
        self.processes = processes or len(os.sched_getaffinity(0))
        self._text = Path(self.config).read_text()
        self._document: dict[str, Any] = tomllib.loads(self._text)
        self.current = tuple(value_at(self._document, vary.path) for vary in self.varies)
        self.grid = self._grid()
        self._columns = [[_ranked(value) for value in dict.fromkeys(column)]
                         for column in zip(*self.grid, strict=True)]
        self._numeric = [all(isinstance(value, Fraction) for value in column)
                         for column in self._columns]

    def _grid(self) -> list[tuple[Value, ...]]:
        """Every point, and the file as it stands where that is none of them."""
        points = product(self.varies)
        if None not in self.current and self.current not in points:
            points.append(tuple(value for value in self.current if value is not None))
        return points

    def run(
        self, *, progress: Done | None = None, stopping: Callable[[], bool] | None = None
    ) -> Swept:
        """Replays every point. With `stopping` true what is finished by then is the result."""
        started = time.perf_counter_ns()
        with self.logs if self._own else contextlib.nullcontext():
            return self._run(started, progress, stopping or (lambda: False))

    def _run(
        self, started: int, progress: Done | None, stopping: Callable[[], bool]
    ) -> Swept:
        self._look()
        hashes = self._hashes()
        answers: dict[int, dict[str, Any]] = {}
        requests = 0

        def done(place: int, answer: dict[str, Any]) -> None:
            nonlocal requests
            answers[place] = answer
            requests += answer.get("requests", 0)
            if progress is not None:
                progress(len(answers), len(self.grid), requests)

        whole = Pool(WORKER, self.processes).run(
            [self._piece(values) for values in self.grid], done, stopping)
        points = [Point.of(values, values == self.current, answers[place])
                  for place, values in enumerate(self.grid) if place in answers]
        return Swept(
            config=self.config, base_hash=self._base_hash(), logs=self.logs.names,
            log_sha256=hashes, problem=self.logs.problem, profile=self.reading.profile,
            paths=tuple(v.path for v in self.varies),
            current=self.current, planned=len(self.grid), interrupted=not whole,
            points=tuple(sorted(points, key=self._place)), processes=self.processes,
            elapsed_ns=time.perf_counter_ns() - started)

    def _place(self, point: Point) -> tuple[Any, ...]:
        """Where a point stands: by number where all values are numbers, so that the file's own
        stands between its neighbours; else in the order given."""
        return tuple(value if numeric else values.index(value) for value, values, numeric in zip(
            map(_ranked, point.values), self._columns, self._numeric, strict=True))

    def _look(self) -> None:
        """What is wrong with the logs is raised here, once."""
        maps = parse_maps(self.reading.maps)
        sources = self.logs.open()
        try:
            for source in sources:
                detect.program_of(_raw.load(self.reading.profile), source,
                                  form=self.reading.form, maps=maps)
        finally:
            close(sources)

    def _hashes(self) -> dict[str, str]:
        """SHA-256 by the log's name, of the whole file as it is stored."""
        found = {}
        for name, path in zip(self.logs.names, self.logs.files, strict=True):
            with open(path, "rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return found

    def _base_hash(self) -> str:
        """Of the file as it stands; empty where it cannot be used."""
        try:
            return loads(self._text, name=self.config, profile=self.reading.profile).hash
        except ConfigError:
            return ""

    def _piece(self, values: tuple[Value, ...]) -> dict[str, Any]:
        changes = [(vary.path, value) for vary, value in zip(self.varies, values, strict=True)]
        return {
            "toml": dumped(patched(self._document, changes)), "name": self.config,
            "logs": list(self.logs.files), "names": list(self.logs.names),
            **dataclasses.asdict(self.reading)}


def _ranked(value: Value) -> Any:
    """A number where it is one, else the word."""
    number = number_of(value)
    return value if number is None else number
