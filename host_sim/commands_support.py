# SPDX-License-Identifier: MIT
"""What commands that work through a log share: how they say that something is wrong, show how far
they are, end on Ctrl-C, load a configuration, and the options that say how a log is read."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gzip
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, Protocol, cast

import click

from host_sim.config import Config, ConfigError, load
from host_sim.errors import UnknownError
from host_sim.printing import json_text, printable
from host_sim.replay.directives import split_form
from host_sim.replay.engine import (
    ORDERS,
    SPREADS,
    TOP,
    WINDOW,
    Options,
    Progress,
    StopReading,
)
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
    except FormatError as error:  # it names the log itself
        fail(BAD, str(error))
    except MemoryError as error:
        fail(BAD, str(error) or "memory ran out")


# -- what is read is not written over -------------------------------------------------------------
def spare_inputs(inputs: Sequence[str | None], **outputs: str | None) -> None:
    """To be called before anything is opened: ends the command with BAD where an output (named by
    its option) is the same file as an input, or as another output. - is a standard stream."""
    taken = {_same(path): path for path in inputs if path}
    for option, path in outputs.items():
        if path is None or path == "-":
            continue
        other = taken.get(_same(path, writing=True))
        if other is not None:
            fail(BAD, f"--{option} {path} would write over {_called(other)}: name another file; "
                      "nothing was read or written")
        taken[_same(path, writing=True)] = path


def _same(path: str, *, writing: bool = False) -> object:
    """What two names of one file share. What is no file can be named any number of times."""
    try:
        found = os.fstat(sys.stdin.fileno()) if path == "-" and not writing else os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else object()


def _called(path: str) -> str:
    return "what standard input comes from" if path == "-" else path


# -- lines for programs ---------------------------------------------------------------------------
class OutputFailed(Exception):
    """Lines could not be written: the log is not to blame."""


class Output:
    """Where lines for programs go: standard output for -, else a file, gzip when it ends in .gz."""

    def __init__(self, path: str) -> None:
        self._name = "standard output" if path == "-" else path
        with self._blamed():
            if path == "-":
                self._file: IO[bytes] = sys.stdout.buffer
            elif path.endswith(".gz"):
                self._file = cast("IO[bytes]", gzip.open(path, "wb", compresslevel=1))
            else:
                self._file = open(path, "wb")

    @contextlib.contextmanager
    def _blamed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputFailed(f"{self._name}: {error.strerror or error}") from error

    def write(self, data: bytes, /) -> None:
        """Takes all of `data`; OutputFailed names the file."""
        with self._blamed():
            self._file.write(data)

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        with self._blamed():
            if self._file is sys.stdout.buffer:
                self._file.flush()
            else:
                self._file.close()


# -- what came of it -------------------------------------------------------------------------------
class Told(Protocol):
    """A result: plain data for programs, a document for people."""

    def as_json(self) -> dict[str, Any]:
        """Integers in base units."""

    def report(self) -> Report:
        """What the terminal and the page show."""


def tell(told: Told, *, as_json: bool, html: str | None, err: bool = False) -> None:
    """Prints a result, as JSON or for people (with `err` on standard error), and writes its page
    where `html` names a file."""
    if html is not None:
        from host_sim.report.html import page

        with blaming(html):
            Path(html).write_text(page(told.report()), encoding="utf-8")
    if as_json:
        click.echo(json_text(told.as_json(), indent=2))
    else:
        from host_sim.report.terminal import show

        show(told.report(), sys.stderr if err else sys.stdout)


# -- long work -------------------------------------------------------------------------------------
class Work(Protocol):
    """Something long: `waiting` is true while it waits for input, which a signal handler may then
    end with StopReading."""

    waiting: bool


class Interrupt:
    """Ctrl-C asks for an orderly end; a second one does not wait for it. One that follows `before`
    is told what became of that one too."""

    def __init__(self, before: Interrupt | None = None) -> None:
        self.asked = False
        self._before = before
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
        """Catches SIGINT meanwhile. After it, what is not there was not reached: that a log has
        nothing, or not what is looked for, is then no error of its own."""
        self._work = work
        before = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        except (FormatError, UnknownError):
            self.over(known=False)
            raise
        finally:
            signal.signal(signal.SIGINT, before)

    def over(self, *, known: object) -> None:
        """To be called when the work has ended: KeyboardInterrupt where Ctrl-C ended it and
        nothing is known that could be told."""
        if not known and (self.asked or (self._before is not None and self._before.asked)):
            raise KeyboardInterrupt


class Kept(Work, contextlib.AbstractContextManager[Any], Protocol):
    """Logs that are read more than once: entering them may wait for standard input."""


def keep(logs: Kept, stack: contextlib.ExitStack) -> Interrupt:
    """Enters `logs`, which Ctrl-C may end; returns the interrupt of the work that follows, which
    is told what became of the waiting."""
    reader = Interrupt()
    with reader.armed(logs):
        stack.enter_context(logs)
    return Interrupt(reader)


@contextlib.contextmanager
def progress_bar(
    what: str, things: str = "requests", *, timed: bool = False
) -> Iterator[Progress | None]:
    """A progress line on standard error, where that is a terminal. Its function is called with what
    is done, what there is in all (0: not known), and how many `things` that were. With `timed`
    the first two are nanoseconds of virtual time, and shown."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from host_sim.report.units import duration

    columns = (TextColumn(what), BarColumn(), TextColumn("{task.fields[at]}"),
               TextColumn(f"{{task.fields[things]:,}} {things}"),
               TextColumn("{task.fields[rate]:,}/s"), TimeElapsedColumn(), TextColumn("left"),
               TimeRemainingColumn())
    started = time.perf_counter_ns()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, things=0, rate=0, at="")

        def update(done: int, total: int, count: int) -> None:
            elapsed = max(1, time.perf_counter_ns() - started)
            at = f"{duration(done)} of {duration(total)}" if timed else ""
            bar.update(task, completed=done, total=total or None, things=count, at=at,
                       rate=count * 1_000_000_000 // elapsed)

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
    spread: str
    spread_seed: int

    def inputs(self) -> tuple[str, ...]:
        """The server's configuration, where --format names one."""
        found = split_form(self.form)
        return (str(found[0]),) if found else ()

    def replay(self, top: int = TOP) -> Options:
        """The same for a replay; FormatError names the word of --map that is wrong."""
        return Options(self.order, self.window, self.form, parse_maps(self.maps), top, self.spread,
                       self.spread_seed)


_LOG_OPTIONS = (
    click.option("--profile", type=click.Choice(["seed", "edge"]), default="seed",
                 show_default=True, help="Capacities; the image has those of seed."),
    click.option("--order", type=click.Choice(ORDERS), default="sort", show_default=True,
                 help="What to do with a row whose time is before the one above it."),
    click.option("--window", type=click.IntRange(0, 1 << 24), default=WINDOW, show_default=True,
                 help="How many rows late a row may come with --order sort; 0 holds the whole "
                      "log."),
    click.option("--format", "form", default="auto", show_default=True, metavar="FORMAT",
                 help="What the log is, where its first lines do not tell: common, combined, "
                      "vhost_combined, envoy, istio, haproxy, alb, w3c, csv, tsv, jsonl; a format "
                      "string of Apache, Envoy, HAProxy (%) or nginx ($); or the path of an "
                      "nginx.conf or httpd.conf, with :NAME of the format where it has several."),
    click.option("--map", "maps", multiple=True, metavar="FIELD=COLUMN,...",
                 help="Which column or key is what: time, ip, user, path, method, status, bytes, "
                      "duration, weight, tenant, service and more; a unit as in time=ts:ms."),
    click.option("--spread", type=click.Choice(SPREADS), default="none", show_default=True,
                 help="Requests that share a second (or what the log's clock counts in): all at "
                      "once, evenly over it, or at random times in it."),
    click.option("--spread-seed", type=click.IntRange(0, (1 << 64) - 1), default=0,
                 show_default=True, help="Of --spread poisson: the same seed, the same times."),
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
