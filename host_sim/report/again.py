# SPDX-License-Identifier: MIT
"""What makes a report again: its logs, the engine and the command line, as rows of its proof."""

from __future__ import annotations

import importlib.metadata
import shlex
from collections.abc import Iterator, Sequence

import click

from host_sim.printing import printable


def log_rows(logs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each log's name and SHA-256."""
    for name, sha256 in logs:
        yield f"log {name}" if len(logs) > 1 else "log (SHA-256)", sha256


def engine_rows(engine: str, profile: str, command: str) -> Iterator[tuple[str, str]]:
    """What decided, of which version, and the command line where there was one."""
    yield "engine", f"{engine}, profile {profile}"
    yield "raygate", importlib.metadata.version("raygate")
    if command:
        yield "made by", printable(command)


def command_line(context: click.Context) -> str:
    """The running command as one would type it, with every option that is not at its default."""
    words = ["raygate", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if isinstance(parameter, click.Argument):
            words += [str(one) for one in (value if isinstance(value, tuple) else (value,))
                      if one is not None]
        elif value != parameter.get_default(context) and value not in (None, ()):
            words += _option(parameter, value)
    return shlex.join(words)


def _option(parameter: click.Parameter, value: object) -> list[str]:
    name = max(parameter.opts, key=len)
    if isinstance(value, bool):
        return [name if value else max(parameter.secondary_opts, key=len)]
    values = value if isinstance(value, tuple) else (value,)
    return [word for one in values for word in (name, str(one))]
