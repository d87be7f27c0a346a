# SPDX-License-Identifier: MIT
"""What commands that work through a log share: how they say that something is wrong, show how far
they are, end on Ctrl-C, load a configuration, and the options that say how a log is read."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import click

from host_sim.config import Config, ConfigError, load
from host_sim.printing import json_text, printable
from host_sim.replay.engine import ORDERS, TOP, WINDOW, Options, Progress, StopReading
from host_sim.replay.mapping import parse_maps
from host_sim.replay.program import FormatError

if TYPE_CHECKING:
    from host_sim.report.model import Report

DONE, FINDINGS, BAD, IMAGE_FAILED = 0, 1, 2, 3


def fail(code: int, what: str) -> NoReturn:
    """Says what is wrong in one line and ends with `code`."""
    click.echo(f"error: {printable(what)}", err=True)
    sys.exit(code)


def load_config(path: str, profile: str, undone: str = "nothing was replayed") -> Config:
    """A configuration; one that cannot be read or used ends the command with BAD and names it.
    `undone` says what therefore did not happen."""
    try:
        return load(path, profile=profile)
    except OSError as error:
        fail(BAD, f"cannot read {path}: {error.strerror}")
    except ConfigError as error:
        click.echo(str(error), err=True)
        fail(BAD, f"{path} cannot be used; {undone}")


@contextlib.contextmanager
def blaming(log: str) -> Iterator[None]:
    """What goes wrong with `log` meanwhile ends the command with BAD and one line that says it."""
    try:
        yield
    except OSError as error:
        fail(BAD, f"{error.filename or log}: {error.strerror or error}")
    except FormatError as error:
        fail(BAD, f"{log}: {error}")
    except MemoryError as error:
        fail(BAD, str(error) or "memory ran out")


# -- what came of it -------------------------------------------------------------------------------
class Told(Protocol):
    """A result: plain data for programs, a document for people."""

    def as_json(self) -> dict[str, Any]:
        """Integers in base units."""

    def report(self) -> Report:
        """What the terminal and the page show."""


def tell(told: Told, *, as_json: bool, html: str | None) -> None:
    """Prints a result, as JSON or for people, and writes its page where `html` names a file."""
    if html is not None:
        from host_sim.report.html import page

        with blaming(html):
            Path(html).write_text(page(told.report()), encoding="utf-8")
    if as_json:
        click.echo(json_text(told.as_json(), indent=2))
    else:
        from host_sim.report.terminal import show

        show(told.report(), sys.stdout)


# -- long work -------------------------------------------------------------------------------------
class Work(Protocol):
    """Something long: `waiting` is true while it waits for input, which a signal handler may then
    end with StopReading."""

    waiting: bool


class Interrupt:
    """Ctrl-C asks for an orderly end; a second one does not wait for it."""

    def __init__(self) -> None:
        self.asked = False
        self._work: Work | None = None

    def __call__(self) -> bool:
        """True once Ctrl-C was pressed."""
        return self.asked

    def _handle(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        if self._work is not None and self._work.waiting:
            raise StopReading

    @contextlib.contextmanager
    def armed(self, work: Work | None = None) -> Iterator[None]:
        """Catches SIGINT meanwhile."""
        self._work = work
        before = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def progress_bar(what: str, things: str = "requests") -> Iterator[Progress | None]:
    """A progress line on standard error, where that is a terminal. Its function is called with what
    is done, what there is in all (0: not known), and how many `things` that were."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(what), BarColumn(), TextColumn(f"{{task.fields[things]:,}} {things}"),
               TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, things=0)

        def update(done: int, total: int, count: int) -> None:
            bar.update(task, completed=done, total=total or None, things=count)

        yield update


# -- how a log is read -----------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class LogOptions:
    """What the options of `log_options` said."""

    profile: str
    order: str
    window: int
    form: str
    maps: tuple[str, ...]

    def replay(self, top: int = TOP) -> Options:
        """The same for a replay; FormatError names the word of --map that is wrong."""
        return Options(self.order, self.window, self.form, parse_maps(self.maps), top)


_LOG_OPTIONS = (
    click.option("--profile", type=click.Choice(["seed", "edge"]), default="seed",
                 show_default=True, help="Capacities; the image has those of seed."),
    click.option("--order", type=click.Choice(ORDERS), default="sort", show_default=True,
                 help="What to do with a row whose time is before the one above it."),
    click.option("--window", type=click.IntRange(0, 1 << 24), default=WINDOW, show_default=True,
                 help="How many rows late a row may come with --order sort; 0 holds the whole "
                      "log."),
    click.option("--format", "form", default="auto", show_default=True, metavar="FORMAT",
                 help="common, combined, vhost_combined, csv, tsv, jsonl, an Apache LogFormat (%) "
                      "or an nginx log_format ($)."),
    click.option("--map", "maps", multiple=True, metavar="FIELD=COLUMN,...",
                 help="Which column or key is what: time, ip, user, path, method, status, bytes, "
                      "duration, weight, tenant, service and more; a unit as in time=ts:ms."),
)


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options that say how a log is read, as one argument `reading`."""
    names = [field.name for field in dataclasses.fields(LogOptions)]

    @functools.wraps(command)
    def call(*args: Any, **named: Any) -> Any:
        reading = LogOptions(**{name: named.pop(name) for name in names})
        return command(*args, reading=reading, **named)

    for option in reversed(_LOG_OPTIONS):
        call = option(call)
    return call
