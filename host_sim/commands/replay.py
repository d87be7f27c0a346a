# SPDX-License-Identifier: MIT
"""`raygate replay`: yesterday's access log through tomorrow's configuration."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from host_sim.commands_support import (
    BAD,
    DONE,
    FINDINGS,
    IMAGE_FAILED,
    Interrupt,
    LogOptions,
    Output,
    OutputFailed,
    blaming,
    fail,
    load_config,
    log_options,
    progress_bar,
)
from host_sim.errors import RaygateError
from host_sim.printing import json_text
from host_sim.replay.engine import TOP, Options, Replay
from host_sim.replay.source import opened

if TYPE_CHECKING:
    from host_sim.config import Config
    from host_sim.replay.summary import Summary

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


@click.command("replay", short_help="Replay an access log through a configuration.")
@click.argument("config", type=click.Path(dir_okay=False))
@click.argument("logs", metavar="LOG...", nargs=-1, required=True,
                type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--engine", type=click.Choice(["host", "image"]), default="host", show_default=True,
              help="The core in this process, or in the image booted under QEMU.")
@log_options
@click.option("--decisions", metavar="FILE", help="Write one JSON line per request; - is stdout.")
@click.option("--top", type=click.IntRange(0, 1000), default=TOP, show_default=True,
              help="How many clients and users to list.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a page.")
def command(
    config: str, logs: tuple[str, ...], engine: str, reading: LogOptions, decisions: str | None,
    top: int, as_json: bool,
) -> None:
    """Sends every request of LOG (a file, plain, gzip, zstd or Parquet, or - for standard input)
    through CONFIG and says who would have been allowed, denied or delayed, by which rule, and for
    how long. Several logs are merged by time.

    Ends with 0 when done, 1 with findings, 2 for bad usage or a bad file, 3 when the image failed.
    """
    if engine == "image" and reading.profile != "seed":
        raise click.UsageError("the image has the capacities of profile seed")
    if logs.count("-") > 1:
        raise click.UsageError("standard input can be read once")
    if decisions == "-" and as_json:
        raise click.UsageError("--decisions - and --json both want standard output")
    try:
        with blaming(", ".join(logs)):
            summary = _replay(load_config(config, reading.profile), logs, engine, reading.profile,
                              reading.replay(top), decisions)
    except OutputFailed as error:
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
        contextlib.nullcontext() if decisions is None else Output(decisions) as sink,
        progress_bar("replay") as progress,
        Replay(config, [stack.enter_context(opened(log, options.maps)) for log in logs],
               profile=profile, options=options, decisions=sink, progress=progress,
               stopping=interrupt) as replay,
        interrupt.armed(replay),
    ):
        return _run(replay, engine)
