# SPDX-License-Identifier: MIT
"""`raygate recommend`: the smallest limit that would have denied so little of what a log shows."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path

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
from host_sim.config.units import UnitError, parse_duration
from host_sim.plan.logs import Logs
from host_sim.recommend.curve import ALGORITHMS
from host_sim.recommend.engine import PERIODS, Wanted, recommend
from host_sim.recommend.result import Recommendation
from host_sim.recommend.search import Burst
from host_sim.recommend.trace import EACH, KEYS, PROFILE, Shape
from host_sim.report.again import command_line

TOKENS_MAX = 1 << 40


def _burst(said: str | None) -> Burst | None:
    """`30s` is what the rate brings in that time, `30` are tokens."""
    if said is None:
        return None
    if said.isdecimal():
        if int(said) > TOKENS_MAX:
            raise click.BadParameter(f"a bucket holds at most {TOKENS_MAX:,} tokens",
                                     param_hint="--burst")
        if int(said) == 0:
            raise click.BadParameter("a bucket holds at least one token", param_hint="--burst")
        return Burst(said, tokens=int(said))
    try:
        span_ns = parse_duration(said)
    except UnitError as error:
        raise click.BadParameter(f"{error.message}; or a number of tokens",
                                 param_hint="--burst") from error
    if span_ns == 0:
        raise click.BadParameter("a bucket holds at least one token", param_hint="--burst")
    return Burst(said, span_ns=span_ns)


@click.command("recommend", short_help="Find the smallest limit that would have hurt so few.")
@click.option("--log", "logs", multiple=True, required=True, metavar="LOG",
              type=click.Path(dir_okay=False, allow_dash=True),
              help="An access log, plain or packed, - is standard input; several are merged by "
                   "time.")
@click.option("--deny-at-most", "ppm", required=True, type=click.IntRange(0, 1_000_000),
              metavar="PPM", help="How many of a million requests may be denied; 0: nobody is.")
@click.option("--for", "key", type=click.Choice(KEYS), default=None,
              help="Who has a bucket of his own: each user, each client, or all share one. "
                   "Default: client, with --each all.")
@click.option("--each", metavar="CLASS,...", default="",
              help=f"What has a limit of its own: {', '.join(EACH)}, or two of them with a comma.")
@click.option("--depth", type=click.IntRange(1, 16), default=1, show_default=True,
              help="How many segments of a path count for --each path.")
@click.option("--per", type=click.Choice(tuple(PERIODS)), default="min", show_default=True,
              help="The unit of the rate; for windows the window.")
@click.option("--burst", default=None, metavar="SECONDS|TOKENS",
              help="What a bucket holds: 30s of its rate, or a number of tokens; without it what "
                   "the rate brings in its own unit.")
@click.option("--algorithm", type=click.Choice(ALGORITHMS), default="token_bucket",
              show_default=True, help="How the rate is held.")
@click.option("--throttled", type=click.Choice(["keep", "drop"]), default="keep",
              show_default=True,
              help="Requests that the log says were throttled: traffic like any other, or none.")
@click.option("--config", "base", type=click.Path(dir_okay=False), metavar="BASE",
              help="A configuration whose services, tenants, routes and identities name the "
                   "classes; what it denies by itself is left out.")
@click.option("--write", "target", type=click.Path(dir_okay=False), metavar="FILE",
              help="Write the whole configuration with the limits in it; FILE must not exist.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a page.")
@click.option("--html", metavar="FILE", help="Write the page as one HTML file that opens offline.")
@log_options
@click.pass_context
def command(
    context: click.Context, logs: tuple[str, ...], ppm: int, key: str | None, each: str,
    depth: int, per: str, burst: str | None, algorithm: str, throttled: str, base: str | None,
    target: str | None, as_json: bool, html: str | None, reading: LogOptions,
) -> None:
    """Finds the smallest limit that would have denied at most PPM of a million requests of LOG,
    proves it by a replay through the whole core, and says who would be hurt.

    Ends with 0 when done, 1 with findings, 2 for bad usage or a bad file.
    """
    if target is not None and Path(target).exists():
        fail(BAD, f"{target} exists; nothing was written or read")
    spare_inputs((base, *logs, *reading.inputs()), write=target, html=html)
    parts = tuple(part.strip() for part in each.split(",") if part.strip())
    if len(parts) > 2 or len(set(parts)) != len(parts):
        raise click.BadParameter("one class, or two different ones", param_hint="--each")
    if logs.count("-") > 1:
        raise click.UsageError("standard input can be read once")
    config = load_config(base, PROFILE, "nothing was recommended") if base else None
    with blaming(", ".join(logs)), contextlib.ExitStack() as stack:
        wanted = Wanted(ppm, Shape(parts, key or ("all" if parts else "client"), depth), algorithm,
                        PERIODS[per], _burst(burst), throttled == "drop")
        options = reading.replay()
        kept = Logs(*logs, maps=options.maps)
        interrupt = keep(kept, stack)
        progress = stack.enter_context(progress_bar("recommend", "requests in all passes"))
        stack.enter_context(interrupt.armed())
        made = recommend(kept, wanted, config=config, options=options, progress=progress,
                         stopping=interrupt)
        interrupt.over(known=made.facts.requests)
    made = dataclasses.replace(made, command=command_line(context))
    tell(made, as_json=as_json, html=html)
    if target is not None:
        _write(target, made)
    sys.exit(FINDINGS if made.findings() else DONE)


def _write(target: str, made: Recommendation) -> None:
    if not made.toml:
        fail(BAD, f"no limit was found and proven; {target} was not written")
    with blaming(target), open(target, "x") as file:
        file.write(made.toml)
