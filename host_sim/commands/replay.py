# SPDX-License-Identifier: MIT
"""`raygate replay`: yesterday's access log through tomorrow's configuration."""

from __future__ import annotations

import contextlib
import gzip
import signal
import sys
import time
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

import click

from host_sim.config import Config, ConfigError, load
from host_sim.errors import RaygateError
from host_sim.printing import json_text, printable
from host_sim.replay.engine import (
    ORDERS,
    SPREADS,
    TOP,
    WINDOW,
    Options,
    Progress,
    Replay,
    StopReading,
)
from host_sim.replay.mapping import parse_maps
from host_sim.replay.program import FormatError
from host_sim.replay.source import opened

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
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("replay"), BarColumn(), TextColumn("{task.fields[requests]:,} requests"),
               TextColumn("{task.fields[rate]:,}/s"), TimeElapsedColumn(), TextColumn("left"),
               TimeRemainingColumn())
    started = time.perf_counter_ns()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=None, requests=0, rate=0)

        def update(done: int, total: int, requests: int) -> None:
            elapsed = max(1, time.perf_counter_ns() - started)
            bar.update(task, completed=done, total=total or None, requests=requests,
                       rate=requests * 1_000_000_000 // elapsed)

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
@click.argument("logs", metavar="LOG...", nargs=-1, required=True,
                type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--engine", type=click.Choice(["host", "image"]), default="host", show_default=True,
              help="The core in this process, or in the image booted under QEMU.")
@click.option("--profile", type=click.Choice(["seed", "edge"]), default="seed", show_default=True,
              help="Capacities; the image has those of seed.")
@click.option("--order", type=click.Choice(ORDERS), default="sort", show_default=True,
              help="What to do with a row whose time is before the one above it.")
@click.option("--window", type=click.IntRange(0, 1 << 24), default=WINDOW, show_default=True,
              help="How many rows late a row may come with --order sort; 0 holds the whole log.")
@click.option("--format", "form", default="auto", show_default=True, metavar="FORMAT",
              help="What the log is, where its first lines do not tell: common, combined, "
                   "vhost_combined, envoy, istio, haproxy, alb, w3c, csv, tsv, jsonl; a format "
                   "string of Apache, Envoy, HAProxy (%) or nginx ($); or the path of an "
                   "nginx.conf or httpd.conf, with :NAME of the format where it has several.")
@click.option("--map", "maps", multiple=True, metavar="FIELD=COLUMN,...",
              help="Which column or key is what: time, ip, user, path, method, status, bytes, "
                   "duration, weight, tenant, service and more; a unit as in time=ts:ms.")
@click.option("--spread", type=click.Choice(SPREADS), default="none", show_default=True,
              help="Requests that share a second (or what the log's clock counts in): all at once, "
                   "evenly over it, or at random times in it.")
@click.option("--spread-seed", type=click.IntRange(0, (1 << 64) - 1), default=0,
              show_default=True, help="Of --spread poisson: the same seed, the same times.")
@click.option("--decisions", metavar="FILE", help="Write one JSON line per request; - is stdout.")
@click.option("--top", type=click.IntRange(0, 1000), default=TOP, show_default=True,
              help="How many clients and users to list.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a page.")
def command(
    config: str, logs: tuple[str, ...], engine: str, profile: str, order: str, window: int,
    form: str, maps: tuple[str, ...], spread: str, spread_seed: int, decisions: str | None,
    top: int, as_json: bool,
) -> None:
    """Sends every request of LOG (a file, plain, gzip, zstd or Parquet, or - for standard input)
    through CONFIG and says who would have been allowed, denied or delayed, by which rule, and for
    how long. Several logs are merged by time.

    Ends with 0 when done, 1 with findings, 2 for bad usage or a bad file, 3 when the image failed.
    """
    if engine == "image" and profile != "seed":
        raise click.UsageError("the image has the capacities of profile seed")
    if logs.count("-") > 1:
        raise click.UsageError("standard input can be read once")
    if decisions == "-" and as_json:
        raise click.UsageError("--decisions - and --json both want standard output")
    try:
        options = Options(order, window, form, parse_maps(maps), top, spread, spread_seed)
        summary = _replay(_config(config, profile), logs, engine, profile, options, decisions)
    except DecisionsError as error:
        fail(BAD, str(error))
    except OSError as error:
        fail(BAD, f"{error.filename or ', '.join(logs)}: {error.strerror or error}")
    except FormatError as error:
        fail(BAD, str(error))
    except MemoryError as error:
        fail(BAD, str(error))
    if as_json:
        click.echo(json_text(summary.as_json(), indent=2))
    else:
        click.echo(summary.text(), nl=False, err=decisions == "-")
    sys.exit(FINDINGS if summary.findings() else DONE)


def _replay(
    config: Config, logs: tuple[str, ...], engine: str, profile: str, options: Options,
    decisions: str | None,
) -> Summary:
    interrupt = Interrupt()
    with (
        contextlib.ExitStack() as stack,
        contextlib.nullcontext() if decisions is None else Decisions(decisions) as sink,
        progress_bar() as progress,
        Replay(config, [stack.enter_context(opened(log, options.maps)) for log in logs],
               profile=profile, options=options, decisions=sink, progress=progress,
               stopping=interrupt) as replay,
        interrupt.armed(replay),
    ):
        return _run(replay, engine)
