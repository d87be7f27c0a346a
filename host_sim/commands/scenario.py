# SPDX-License-Identifier: MIT
"""`raygate scenario`: the real core before a simulated upstream, and what must come of it."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import click

from host_sim.printing import json_text
from host_sim.scenarios import SCENARIOS, Result

AS_EXPECTED, FINDINGS = 0, 1
SEED_MAX = 2**128 - 1


def _summary(name: str) -> str:
    return (SCENARIOS[name].__doc__ or "").strip().partition("\n")[0]


def _list(as_json: bool) -> None:
    if as_json:
        click.echo(json_text({name: _summary(name) for name in SCENARIOS}, indent=2))
        return
    width = max(map(len, SCENARIOS))
    for name in SCENARIOS:
        click.echo(f"{name:<{width}}  {_summary(name)}")


def _as_json(result: Result) -> dict[str, Any]:
    return dataclasses.asdict(result) | {"holds": result.holds}


def _print(result: Result) -> None:
    """Plain text; only a terminal gets colours, which rich knows how to give it."""
    click.echo(f"{result.name}, seed {result.seed}: {_summary(result.name)}\n")
    click.echo(result.text)
    on_terminal = sys.stdout.isatty()
    for one in result.expectations:
        word = "ok  " if one.holds else "FAIL"
        if on_terminal:
            import rich

            rich.print(f"[{'green' if one.holds else 'bold red'}]{word}[/]", end="  ")
            click.echo(one.says)
        else:
            click.echo(f"{word}  {one.says}")
    for run, digest in result.digests.items():
        click.echo(f"decisions of {run}: {digest}")


@click.command("scenario", short_help="Run the core through simulated trouble.")
@click.argument("name", required=False, type=click.Choice(list(SCENARIOS)))
@click.option("--seed", type=click.IntRange(0, SEED_MAX), default=1, show_default=True,
              help="What everything random is drawn from.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def command(name: str | None, seed: int, as_json: bool) -> None:
    """Runs NAME and says whether it went as expected; without NAME lists what there is.

    Ends with 0 when every expectation holds, 1 when one does not.
    """
    if name is None:
        _list(as_json)
        return
    result = SCENARIOS[name](seed)
    if as_json:
        click.echo(json_text(_as_json(result), indent=2))
    else:
        _print(result)
    sys.exit(AS_EXPECTED if result.holds else FINDINGS)
