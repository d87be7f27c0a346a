# SPDX-License-Identifier: MIT
"""`raygate plan`: what changes for whom when a new configuration replaces the old one."""

from __future__ import annotations

import contextlib
import sys

import click

from host_sim.commands_support import (
    BAD,
    LogOptions,
    Output,
    OutputFailed,
    blaming,
    fail,
    keep,
    load_config,
    log_options,
    progress_bar,
    spare_inputs,
    tell,
)
from host_sim.plan import budget
from host_sim.plan.logs import Logs
from host_sim.plan.result import Plan
from host_sim.plan.run import Runner
from host_sim.replay.engine import TOP


@click.command("plan", short_help="Say what a new configuration would change.")
@click.argument("old", type=click.Path(dir_okay=False))
@click.argument("new", type=click.Path(dir_okay=False))
@click.option("--log", "logs", required=True, multiple=True,
              type=click.Path(dir_okay=False, allow_dash=True),
              help="The access log, - is standard input; several are merged by time.")
@log_options
@click.option("--budget", "budgets", multiple=True, metavar="BUDGET",
              help="A gate: 'newly-denied<=0.1%', 'tenant:acme newly-denied<=100', "
                   "'plan:gold changed<=0', 'service:web newly-allowed<=1%', 'bill<=+5%'. "
                   "May be given several times.")
@click.option("--flips", metavar="FILE",
              help="Write one JSON line for each request with another verdict; - is stdout.")
@click.option("--top", type=click.IntRange(0, 1000), default=TOP, show_default=True,
              help="How many rows a table has.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a page.")
@click.option("--html", metavar="FILE", help="Write the page as one HTML file.")
def command(
    old: str, new: str, logs: tuple[str, ...], reading: LogOptions, budgets: tuple[str, ...],
    flips: str | None, top: int, as_json: bool, html: str | None,
) -> None:
    """Replays the logs through OLD and through NEW, request by request, and says which requests
    would be decided otherwise, who is hurt, by which rule, and what it costs.

    Ends with 0 when no verdict, wait or bill changes, 1 when something does, 2 for bad usage or a
    bad file. With budgets: 0 when all are kept, 1 when one is exceeded or has nothing to be judged
    by. Always 1 when the log could not be read as a whole.
    """
    if logs.count("-") > 1:
        raise click.UsageError("standard input can be read once")
    if flips == "-" and as_json:
        raise click.UsageError("--flips - and --json both want standard output")
    spare_inputs((old, new, *logs, *reading.inputs()), flips=flips, html=html)
    try:
        wanted = [budget.parse(one) for one in budgets]
        with blaming(", ".join(logs)):
            told = _plan(old, new, logs, reading, wanted, flips, top)
    except (budget.BudgetError, OutputFailed) as error:
        fail(BAD, str(error))
    tell(told, as_json=as_json, html=html, err=flips == "-")
    sys.exit(told.exit_code)


def _plan(
    old: str, new: str, logs: tuple[str, ...], reading: LogOptions, budgets: list[budget.Budget],
    flips: str | None, top: int,
) -> Plan:
    sides = [load_config(path, reading.profile, f"it is the {word} side: nothing was planned")
             for path, word in ((old, "old"), (new, "new"))]
    options = reading.replay(top)
    source = Logs(*logs, maps=options.maps)
    with contextlib.ExitStack() as stack:
        interrupt = keep(source, stack)
        sink = None if flips is None else stack.enter_context(Output(flips))
        progress = stack.enter_context(progress_bar("plan"))
        runner = Runner(sides[0], sides[1], source, options, reading.profile, budgets, sink,
                        progress, interrupt)
        stack.enter_context(interrupt.armed(runner))
        return runner.run()
