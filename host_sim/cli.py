# SPDX-License-Identifier: MIT
"""The command `raygate`: one file per subcommand, loaded when it is asked for."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator
from typing import IO, Any

import click

from host_sim import commands
from host_sim.printing import printable_lines


class OutputError(click.ClickException):
    """What was printed cannot be written, for example to a full disk."""

    exit_code = 2


class Interrupted(click.ClickException):
    """Ctrl-C, and nothing had been found out that could be told."""

    exit_code = 130  # as a shell has it of what SIGINT ended

    def __init__(self) -> None:
        super().__init__("interrupted before anything was known")

    def show(self, file: IO[Any] | None = None) -> None:
        """As the commands' own errors."""
        click.echo(f"error: {self.message}", file=file, err=file is None)


@contextlib.contextmanager
def _said_well() -> Iterator[None]:
    """What was printed is out when this ends, and what went wrong is said in printable words.

    click quotes the words it refuses, some of them as they are. Ctrl-C that no command took for an
    orderly end (while it was loaded, say) has one answer.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except click.ClickException as error:
        vars(error)["message"] = printable_lines(error.message)
        raise
    except KeyboardInterrupt:
        raise Interrupted from None
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _drop_output()
        raise OutputError(f"cannot write the output: {error.strerror}") from error


def _drop_output() -> None:
    """What waits in the buffer cannot be written; at exit Python would try again and say so."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Commands(click.Group):
    """Finds `host_sim/commands/<name>.py`; each defines `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the files, sorted."""
        return sorted(found.name for found in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; unknown ones get click's message."""
        name = cmd_name.replace("-", "_")
        if name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{commands.__name__}.{name}")
        found: click.Command = module.command
        return found

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """As click's; what it says of wrong words is printable."""
        with _said_well():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """As click's; an output that takes nothing more is an error, exit code 2."""
        with _said_well():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, and names the nearest command for a wrong word."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="raygate", prog_name="raygate")
def main() -> None:
    """Decides who may ask what, how often and how much, before it is shipped.

    Exit codes: 0 done, 1 findings, 2 bad usage or configuration, 3 the image failed, 130
    interrupted before anything was known.
    """


if __name__ == "__main__":
    sys.exit(main())
