# SPDX-License-Identifier: MIT
"""The command line that makes a report again."""

from __future__ import annotations

import shlex

import click


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
