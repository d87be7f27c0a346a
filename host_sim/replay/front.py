# SPDX-License-Identifier: MIT
"""A replay as one object, for notebooks and programs."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
from html import escape
from typing import Any

from host_sim import _raw
from host_sim.config import Config, load
from host_sim.errors import ArgumentError
from host_sim.replay.engine import ORDERS, TOP, WINDOW, Options
from host_sim.replay.engine import Replay as Engine
from host_sim.replay.mapping import Maps, parse_maps
from host_sim.replay.source import Source, opened
from host_sim.replay.summary import Summary
from host_sim.tables import Columns, Decisions


class Replay:
    """What a configuration would have done to a log's requests.

        replay = Replay("shop.toml", "access.log.gz")
        print(replay.summary.text())
        replay.decisions.arrow().group_by("by").aggregate([("seq", "count")])

    `config` is a TOML file or a Config, each log a file, plain, packed or Parquet, - for standard
    input, or requests in memory: an Arrow table, a data frame or a dict of columns, read as the
    columns of a file are. Several are merged by time. Nothing is read before it is asked for, and
    it is read once. `decisions` takes about 80 bytes a request and the texts of its user and
    client: `gather=False` leaves it out, and then memory does not grow with the log. The rest is as
    for the command `raygate replay`: `form` is its --format, `maps` its --map.

    Raises ConfigError, and OSError or FormatError for a log that cannot be read.
    """

    def __init__(
        self, config: Config | str | os.PathLike[str], *logs: Any,
        gather: bool = True, profile: str = "seed", order: str = ORDERS[0], window: int = WINDOW,
        form: str = "auto", maps: str | tuple[str, ...] = (), top: int = TOP,
        spread: str = "none", spread_seed: int = 0,
    ) -> None:
        if not logs:
            raise ArgumentError("a replay needs a log")
        self.config = config if isinstance(config, Config) else load(config, profile=profile)
        self.logs = tuple(logs)
        self.profile, self.gather = profile, gather
        self.options = Options(
            order, window, form, parse_maps((maps,) if isinstance(maps, str) else maps), top,
            spread, spread_seed)

    @functools.cached_property
    def _ran(self) -> tuple[Summary, Decisions | None]:
        columns = Columns(_raw.load(self.profile)) if self.gather else None
        with (
            contextlib.ExitStack() as stack,
            Engine(self.config,
                   [stack.enter_context(_source(log, self.options.maps)) for log in self.logs],
                   profile=self.profile, options=self.options, columns=columns) as run,
        ):
            summary = run.run_host()
            kernel = run.kernel
        if columns is None:
            return summary, None
        return summary, Decisions(columns, kernel, self.config)

    @property
    def summary(self) -> Summary:
        """Totals, rules, services, clients, queues, bills, digests."""
        return self._ran[0]

    @property
    def decisions(self) -> Decisions:
        """Every decision, as columns. Raises ValueError when they were not gathered."""
        found = self._ran[1]
        if found is None:
            raise ValueError("the decisions were not gathered: gather=False was asked for")
        return found

    def report(self) -> Any:
        """The document (host_sim.report.model.Report) that `html` and a notebook show."""
        return self.summary.report()

    def html(self, path: str | os.PathLike[str]) -> None:
        """Writes the report as one page that opens offline."""
        from host_sim.report import html

        pathlib.Path(path).write_text(html.page(self.report()), encoding="utf-8")

    def _repr_html_(self) -> str:
        from host_sim.report.notebook import cell

        return f"<pre>{escape(repr(self))}</pre>" if "_ran" not in vars(self) else cell(
            self.report())

    def __repr__(self) -> str:
        if "_ran" not in vars(self):
            logs = ", ".join(log if isinstance(log, str) else type(log).__name__
                             for log in self.logs)
            return f"Replay of {logs} through {self.config.path}, not run yet"
        return self.summary.text()


def _source(log: Any, maps: Maps) -> Source:
    if isinstance(log, str | os.PathLike):
        return opened(os.fspath(log), maps)
    from host_sim.replay.parquet import from_table

    return from_table(log, maps)
