# SPDX-License-Identifier: MIT
"""`raygate replay`: yesterday's access log through tomorrow's configuration."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import signal
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

import click

from host_sim.config import Config, ConfigError, load
from host_sim.errors import RaygateError
from host_sim.printing import json_text, printable
from host_sim.replay.engine import ORDERS, TOP, WINDOW, Options, Progress, Replay, StopReading
from host_sim.replay.mapping import parse_maps
from host_sim.replay.program import FormatError
from host_sim.replay.source import Source
from host_sim.report import html, terminal
from host_sim.report.again import command_line

if TYPE_CHECKING:
    from host_sim.replay.summary import Summary

DONE, FINDINGS, BAD, IMAGE_FAILED = 0, 1, 2, 3


def fail(code: int, what: str) -> NoReturn:
    """Says what is wrong in one line and ends with `code`."""
    click.echo(f"error: {printable(what)}", err=True)
    sys.exit(code)


class Interrupt:
    """Ctrl-C asks for an orderly end; a second one does not wait for it."""

    def __init__(self) -> None:
        self.asked = False
        self.replay: Replay | None = None

    def __call__(self) -> bool:
        """True once Ctrl-C was pressed."""
        return self.asked

    def _handle(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        if self.replay is not None and self.replay.waiting:
            raise StopReading

    @contextlib.contextmanager
    def armed(self, replay: Replay) -> Iterator[None]:
        """Catches SIGINT meanwhile."""
        self.replay = replay
        before = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A progress line on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("replay"), BarColumn(), TextColumn("{task.fields[requests]:,} requests"),
               TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=None, requests=0)

        def update(done: int, total: int, requests: int) -> None:
            bar.update(task, completed=done, total=total or None, requests=requests)

        yield update


class DecisionsError(Exception):
    """The decisions could not be written: the log is not to blame."""


class Decisions:
    """Where decisions go: standard output for -, else a file, gzip when it ends in .gz."""

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
            raise DecisionsError(f"{self._name}: {error.strerror or error}") from error

    def write(self, data: bytes, /) -> None:
        """Takes all of `data`; DecisionsError names the file."""
        with self._blamed():
            self._file.write(data)

    def __enter__(self) -> Decisions:
        return self

    def __exit__(self, *_: object) -> None:
        with self._blamed():
            if self._file is sys.stdout.buffer:
                self._file.flush()
            else:
                self._file.close()


@contextlib.contextmanager
def booted() -> Iterator[Any]:
    """The machine link of an image started for this replay.

    A terminal's Ctrl-C goes to QEMU too; it is started with SIGINT blocked, or it would end before
    the replay does.
    """
    from shell.console import Console

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        console = Console.boot()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with console:
        yield console.link
        ended = console.poweroff()
        if not ended.clean:
            from shell.wire import ImageError

            raise ImageError(f"the image did not end cleanly (code {ended.code})")


def _run(replay: Replay, engine: str) -> Summary:
    if engine == "host":
        return replay.run_host()
    from shell.wire import ImageError

    try:
        with booted() as link:
            return replay.run_image(link)
    except (ImageError, OSError, RaygateError) as error:
        fail(IMAGE_FAILED, f"the image failed: {error}")


def _config(path: str, profile: str) -> Config:
    try:
        return load(path, profile=profile)
    except OSError as error:
        fail(BAD, f"cannot read {path}: {error.strerror}")
    except ConfigError as error:
        click.echo(str(error), err=True)
        fail(BAD, f"{path} cannot be used; nothing was replayed")


@click.command("replay", short_help="Replay an access log through a configuration.")
@click.argument("config", type=click.Path(dir_okay=False))
@click.argument("log", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--engine", type=click.Choice(["host", "image"]), default="host", show_default=True,
              help="The core in this process, or in the image booted under QEMU.")
@click.option("--profile", type=click.Choice(["seed", "edge"]), default="seed", show_default=True,
              help="Capacities; the image has those of seed.")
@click.option("--order", type=click.Choice(ORDERS), default="sort", show_default=True,
              help="What to do with a row whose time is before the one above it.")
@click.option("--window", type=click.IntRange(0, 1 << 24), default=WINDOW, show_default=True,
              help="How many rows late a row may come with --order sort; 0 holds the whole log.")
@click.option("--format", "form", default="auto", show_default=True, metavar="FORMAT",
              help="common, combined, vhost_combined, csv, tsv, jsonl, an Apache LogFormat (%) or "
                   "an nginx log_format ($).")
@click.option("--map", "maps", multiple=True, metavar="FIELD=COLUMN,...",
              help="Which column or key is what: time, ip, user, path, method, status, bytes, "
                   "duration, weight, tenant, service and more; a unit as in time=ts:ms.")
@click.option("--decisions", metavar="FILE", help="Write one JSON line per request; - is stdout.")
@click.option("--top", type=click.IntRange(0, 1000), default=TOP, show_default=True,
              help="How many clients and users to list.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a page.")
@click.option("--report", "as_report", is_flag=True,
              help="The report of --html on the terminal, in place of the page.")
@click.option("--html", "page", metavar="FILE",
              help="Write a report too: one HTML file with charts that opens offline.")
@click.pass_context
def command(
    context: click.Context, config: str, log: str, engine: str, profile: str, order: str,
    window: int, form: str, maps: tuple[str, ...], decisions: str | None, top: int, as_json: bool,
    as_report: bool, page: str | None,
) -> None:
    """Sends every request of LOG (a file, plain or gzip, or - for standard input) through CONFIG
    and says who would have been allowed, denied or delayed, by which rule, and for how long.

    Ends with 0 when done, 1 with findings, 2 for bad usage or a bad file, 3 when the image failed.
    """
    if engine == "image" and profile != "seed":
        raise click.UsageError("the image has the capacities of profile seed")
    if decisions == "-" and as_json:
        raise click.UsageError("--decisions - and --json both want standard output")
    if as_report and as_json:
        raise click.UsageError("--json and --report are two ways to print one result: choose one")
    try:
        options = Options(order, window, form, parse_maps(maps), top)
        if page is not None:
            html.check(page)
        summary = _replay(_config(config, profile), log, engine, profile, options, decisions,
                          digest=page is not None or as_json or as_report)
        summary = dataclasses.replace(summary, command=command_line(context))
        if page is not None:
            html.write(summary.report(), page)
    except DecisionsError as error:
        fail(BAD, str(error))
    except OSError as error:
        fail(BAD, f"{error.filename or log}: {error.strerror or error}")
    except FormatError as error:
        fail(BAD, f"{log}: {error}")
    except (MemoryError, RaygateError) as error:
        fail(BAD, str(error))
    if as_json:
        click.echo(json_text(summary.as_json(), indent=2))
    elif as_report:
        terminal.show(summary.report(), sys.stderr if decisions == "-" else sys.stdout)
    else:
        click.echo(summary.text(), nl=False, err=decisions == "-")
    sys.exit(FINDINGS if summary.findings() else DONE)


def _replay(
    config: Config, log: str, engine: str, profile: str, options: Options, decisions: str | None,
    *, digest: bool
) -> Summary:
    interrupt = Interrupt()
    with (
        Source(log, digest=digest) as source,
        contextlib.nullcontext() if decisions is None else Decisions(decisions) as sink,
        progress_bar() as progress,
        Replay(config, source, profile=profile, options=options, decisions=sink,
               progress=progress, stopping=interrupt) as replay,
        interrupt.armed(replay),
    ):
        return _run(replay, engine)
