# SPDX-License-Identifier: MIT
"""`raygate replay`: yesterday's access log through tomorrow's configuration."""

from __future__ import annotations

import contextlib
import dataclasses
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
    spare_inputs,
)
from host_sim.errors import RaygateError
from host_sim.printing import json_text
from host_sim.replay.engine import TOP, Options, Replay
from host_sim.replay.source import opened
from host_sim.report import html, terminal
from host_sim.report.again import command_line

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
@click.option("--report", "as_report", is_flag=True,
              help="The report of --html on the terminal, in place of the page.")
@click.option("--html", "page", metavar="FILE",
              help="Write a report too: one HTML file with charts that opens offline.")
@click.pass_context
def command(
    context: click.Context, config: str, logs: tuple[str, ...], engine: str,
    reading: LogOptions, decisions: str | None, top: int, as_json: bool, as_report: bool,
    page: str | None,
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
    if as_report and as_json:
        raise click.UsageError("--json and --report are two ways to print one result: choose one")
    spare_inputs((config, *logs, *reading.inputs()), decisions=decisions, html=page)
    try:
        if page is not None:
            with blaming(page):
                html.check(page)
        with blaming(", ".join(logs)):
            summary = _replay(load_config(config, reading.profile), logs, engine, reading.profile,
                              reading.replay(top), decisions,
                              digest=page is not None or as_json or as_report)
        summary = dataclasses.replace(summary, command=command_line(context))
        if page is not None:
            with blaming(page):
                html.write(summary.report(), page)
    except (OutputFailed, RaygateError) as error:
        fail(BAD, str(error))
    if as_json:
        click.echo(json_text(summary.as_json(), indent=2))
    elif as_report:
        terminal.show(summary.report(), sys.stderr if decisions == "-" else sys.stdout)
    else:
        click.echo(summary.text(), nl=False, err=decisions == "-")
    sys.exit(FINDINGS if summary.findings() else DONE)


def _replay(
    config: Config, logs: tuple[str, ...], engine: str, profile: str, options: Options,
    decisions: str | None, *, digest: bool,
) -> Summary:
    interrupt = Interrupt()
    with (
        contextlib.ExitStack() as stack,
        contextlib.nullcontext() if decisions is None else Output(decisions) as sink,
        progress_bar("replay") as progress,
        Replay(config, [stack.enter_context(opened(log, options.maps, digest=digest))
                        for log in logs],
               profile=profile, options=options, decisions=sink, progress=progress,
               stopping=interrupt) as replay,
        interrupt.armed(replay),
    ):
        summary = _run(replay, engine)
        interrupt.over(known=summary.requests)
        return summary
