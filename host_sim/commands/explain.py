# SPDX-License-Identifier: MIT
"""`raygate explain`: why one request of a log is decided as it is."""

from __future__ import annotations

import contextlib

import click

from host_sim.commands_support import (
    BAD,
    Interrupt,
    LogOptions,
    blaming,
    fail,
    load_config,
    log_options,
    progress_bar,
)
from host_sim.plan.explain import Explanation, NoDecisionError, explain
from host_sim.plan.logs import Log
from host_sim.printing import json_text


@click.command("explain", short_help="Explain one decision of a replay, stage by stage.")
@click.argument("config", type=click.Path(dir_okay=False))
@click.argument("log", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--seq", type=click.IntRange(0), metavar="N",
              help="The decision's number, as --decisions and --flips say it.")
@click.option("--line", type=click.IntRange(1), metavar="N", help="Or the log's line, from 1.")
@log_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a page.")
def command(
    config: str, log: str, seq: int | None, line: int | None, reading: LogOptions, as_json: bool,
) -> None:
    """Replays LOG through CONFIG as far as one request and prints its whole journey: what every
    stage said, with the balances it found, and the log's own line.

    Ends with 0 when done, 2 for bad usage, a bad file, or when there is no such decision.
    """
    if (seq is None) == (line is None):
        raise click.UsageError("say which decision: --seq N or --line N")
    try:
        with blaming(log):
            told = _explain(config, log, seq, line, reading)
    except NoDecisionError as error:
        fail(BAD, f"{log}: {error}")
    click.echo(json_text(told.as_json(), indent=2) if as_json else "\n".join(told.lines()))


def _explain(
    config: str, log: str, seq: int | None, line: int | None, reading: LogOptions
) -> Explanation:
    loaded = load_config(config, reading.profile)
    source, reader, interrupt = Log(log), Interrupt(), Interrupt()
    with contextlib.ExitStack() as stack:
        with reader.armed(source):
            stack.enter_context(source)
        progress = stack.enter_context(progress_bar("explain"))
        stack.enter_context(interrupt.armed())
        return explain(loaded, source, seq=seq, line=line, options=reading.replay(),
                       profile=reading.profile, progress=progress, stopping=interrupt)
