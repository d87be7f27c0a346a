# SPDX-License-Identifier: MIT
"""`raygate simulate`: clients and upstreams that do not exist, around the core that does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from host_sim.commands_support import (
    BAD,
    DONE,
    FINDINGS,
    IMAGE_FAILED,
    Interrupt,
    fail,
    progress_bar,
    spare_inputs,
    tell,
)
from host_sim.config import ConfigError
from host_sim.errors import RaygateError
from host_sim.printing import json_text, printable
from host_sim.replay.program import FormatError
from host_sim.simulation import Result, Simulation, named
from host_sim.simulation.engine import SEED_MAX
from host_sim.simulation.plan import arrivals_expected

if TYPE_CHECKING:
    from host_sim.simulation.scenario import Scenario

ANNOUNCED = 100_000_000  # requests from which on a run says that it is long


def _list(as_json: bool) -> None:
    found = {name: named.find(name).head.what for name in named.names()}
    if as_json:
        click.echo(json_text(found, indent=2))
        return
    width = max(map(len, found))
    for name, what in found.items():
        click.echo(f"{name:<{width}}  {what}")


def _announced(scenario: Scenario) -> Scenario:
    """Says before it begins that a run is long."""
    by_group = arrivals_expected(scenario)
    expected = sum(by_group.values())
    if expected > ANNOUNCED:
        most = max(by_group, key=lambda name: by_group[name])
        click.echo(f"warning: about {expected:,} requests are to come, most of them "
                   f"({by_group[most]:,}) from {printable(most)}: this takes long. Ctrl-C ends it, "
                   "and what is known by then is told", err=True)
    return scenario


def _scenario(word: str) -> Scenario:
    try:
        return _announced(named.find(word))
    except ConfigError as error:
        click.echo(str(error), err=True)
        fail(BAD, f"{word} cannot be used; nothing was simulated")
    except OSError as error:
        fail(BAD, f"cannot read {error.filename or word}: {error.strerror or error}")
    except RaygateError as error:
        fail(BAD, str(error))


def _known(result: Result, interrupt: Interrupt) -> Result:
    interrupt.over(known=result.core["asked_count"])
    return result


def _run(scenario: Scenario, seed: int | None, engine: str) -> Result:
    interrupt = Interrupt()
    try:
        with progress_bar("simulate", "rows", timed=True) as progress, interrupt.armed():
            made = Simulation(scenario, seed=seed, progress=progress, stopping=interrupt)
            if engine == "host":
                return _known(made.run(), interrupt)
            from host_sim.commands.replay import booted
            from shell.wire import ImageError

            try:
                with booted() as link:
                    return _known(made.run_image(link), interrupt)
            except (ImageError, OSError, RaygateError) as error:
                fail(IMAGE_FAILED, f"the image failed: {error}")
    except OSError as error:
        fail(BAD, f"{error.filename or scenario.name}: {error.strerror or error}")
    except (FormatError, RaygateError, MemoryError) as error:
        fail(BAD, str(error))


@click.command("simulate", short_help="Run a scenario of clients and upstreams through the core.")
@click.argument("scenario", required=False)
@click.option("--list", "listing", is_flag=True, help="Say which scenarios are shipped.")
@click.option("--seed", type=click.IntRange(0, SEED_MAX),
              help="What everything random is drawn from; the scenario's own unless told.")
@click.option("--engine", type=click.Choice(["host", "image"]), default="host", show_default=True,
              help="image: every row once more through the image booted under QEMU, and whether "
                   "it decided the same.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a page.")
@click.option("--html", metavar="FILE", help="Write the report as one page that opens offline.")
def command(
    scenario: str | None, listing: bool, seed: int | None, engine: str, as_json: bool,
    html: str | None,
) -> None:
    """Lets the clients of SCENARIO (a path, or the name of a shipped one) ask the real core for as
    long as it says, its upstreams work and fail, and says what came of it and whether that is what
    the scenario expects.

    Ends with 0 when every expectation holds, 1 when one does not, 2 for bad usage or a bad file,
    3 when the image failed or decided otherwise.
    """
    if listing or scenario is None:
        _list(as_json)
        return
    found = _scenario(scenario)
    spare_inputs(found.files(), html=html)
    result = _run(found, seed, engine)
    tell(result, as_json=as_json, html=html)
    if not result.same_bits:
        click.echo(f"error: the image decided otherwise: {printable(result.name)}", err=True)
        sys.exit(IMAGE_FAILED)
    sys.exit(DONE if result.holds else FINDINGS)
