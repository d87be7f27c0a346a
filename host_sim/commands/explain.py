# SPDX-License-Identifier: MIT
"""`raygate explain`: why one request of a log is decided as it is."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from host_sim.commands_support import (
    BAD,
    LogOptions,
    blaming,
    fail,
    keep,
    load_config,
    log_options,
    progress_bar,
)
from host_sim.plan.explain import Explanation, NoDecisionError, explain
from host_sim.plan.logs import LINE_BITS, Logs
from host_sim.printing import json_text


class LineType(click.ParamType[int]):
    """`287`, or `1:287` for a line of the second log; its log's number comes above bit 48."""

    name = "line"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """The number as the core counts lines."""
        log, _, number = str(value).rpartition(":")
        if not (number.isdecimal() and 0 < int(number) < 1 << LINE_BITS
                and (not log or log.isdecimal()) and int(log or 0) < 256):
            raise click.BadParameter(f"{value!r} is no line's number, as 287 or 1:287 is")
        return int(log or 0) << LINE_BITS | int(number)


@click.command("explain", short_help="Explain one decision of a replay, stage by stage.")
@click.argument("config", type=click.Path(dir_okay=False))
@click.argument("logs", metavar="LOG...", nargs=-1, required=True,
                type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--seq", type=click.IntRange(0), metavar="N",
              help="The decision's number, as --decisions and --flips say it.")
@click.option("--line", type=LineType(), metavar="[LOG:]N",
              help="Or the log's line, from 1; of several logs LOG counts them, from 0.")
@log_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a page.")
def command(
    config: str, logs: tuple[str, ...], seq: int | None, line: int | None, reading: LogOptions,
    as_json: bool,
) -> None:
    """Replays the logs through CONFIG as far as one request and prints its whole journey: what
    every stage said, with the balances it found, and the log's own line.

    Ends with 0 when done, 2 for bad usage, a bad file, or when there is no such decision, 130 when
    Ctrl-C came before it was reached.
    """
    if (seq is None) == (line is None):
        raise click.UsageError("say which decision: --seq N or --line N")
    try:
        with blaming(", ".join(logs)):
            told = _explain(config, logs, seq, line, reading)
    except NoDecisionError as error:
        fail(BAD, f"{', '.join(logs)}: {error}")
    click.echo(json_text(told.as_json(), indent=2) if as_json else "\n".join(told.lines()))


def _explain(
    config: str, logs: tuple[str, ...], seq: int | None, line: int | None, reading: LogOptions
) -> Explanation:
    loaded = load_config(config, reading.profile)
    options = reading.replay()
    source = Logs(*logs, maps=options.maps)
    with contextlib.ExitStack() as stack:
        interrupt = keep(source, stack)
        progress = stack.enter_context(progress_bar("explain"))
        stack.enter_context(interrupt.armed())
        return explain(loaded, source, seq=seq, line=line, options=options,
                       profile=reading.profile, progress=progress, stopping=interrupt)
