# SPDX-License-Identifier: MIT
"""`raygate sweep`: a configuration with one value changed, again and again."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tomllib

import click

from host_sim.commands_support import (
    BAD,
    DONE,
    FINDINGS,
    LogOptions,
    blaming,
    fail,
    keep,
    load_config,
    log_options,
    progress_bar,
    spare_inputs,
    tell,
)
from host_sim.plan.logs import Logs
from host_sim.replay.mapping import parse_maps
from host_sim.report.again import command_line
from host_sim.sweep.engine import Reading, Sweep
from host_sim.sweep.grid import STEPS, GridError, parse_vary
from host_sim.sweep.patch import PatchError


@click.command("sweep", short_help="Replay a log over a range of a configuration's values.")
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--log", "logs", multiple=True, required=True, metavar="LOG",
              type=click.Path(dir_okay=False, allow_dash=True),
              help="An access log, plain or packed, - is standard input; several are merged by "
                   "time.")
@click.option("--vary", "varies", multiple=True, required=True, metavar="PATH=LOW..HIGH",
              help="One value by its path, and a range with a unit (limit.api.rate=50..500/min) or "
                   "a list (queue.servers=2,4,8). Several make every combination.")
@click.option("--steps", type=click.IntRange(2, 1000), default=STEPS, show_default=True,
              help="How many values of a range are tried.")
@click.option("--scale", type=click.Choice(["auto", "linear", "geometric"]), default="auto",
              show_default=True, help="Equal steps or equal ratios; auto: ratios from 1 to 10 on.")
@click.option("--processes", type=click.IntRange(1, 256), default=None,
              help="How many points run at once; all cores when absent.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a page.")
@click.option("--html", metavar="FILE", help="Write the page as one HTML file that opens offline.")
@log_options
@click.pass_context
def command(
    context: click.Context, config: str, logs: tuple[str, ...], varies: tuple[str, ...],
    steps: int, scale: str, processes: int | None, as_json: bool, html: str | None,
    reading: LogOptions,
) -> None:
    """Replays LOG through CONFIG once for each value, in parallel, and shows what each would have
    denied, how long requests would have waited and what it would have billed.

    Ends with 0 when done, 1 with findings (a point failed, Ctrl-C), 2 for bad usage or a bad file.
    """
    spare_inputs((config, *logs, *reading.inputs()), html=html)
    if logs.count("-") > 1:
        raise click.UsageError("standard input can be read once")
    load_config(config, reading.profile)
    try:
        with blaming(", ".join(logs)), contextlib.ExitStack() as stack:
            kept = Logs(*logs, maps=parse_maps(reading.maps))
            sweep = Sweep(
                config, kept, [parse_vary(one, steps, scale) for one in varies],
                processes=processes, reading=Reading(
                    reading.maps, reading.form, reading.order, reading.window, reading.profile,
                    reading.spread, reading.spread_seed))
            interrupt = keep(kept, stack)
            progress = stack.enter_context(progress_bar("sweep", "requests"))
            stack.enter_context(interrupt.armed())
            swept = sweep.run(progress=progress, stopping=interrupt)
            interrupt.over(known=swept.points)
    except (GridError, PatchError, tomllib.TOMLDecodeError) as error:
        fail(BAD, str(error))
    swept = dataclasses.replace(swept, command=command_line(context))
    tell(swept, as_json=as_json, html=html)
    sys.exit(FINDINGS if swept.findings() else DONE)
