# SPDX-License-Identifier: MIT
"""`raygate remote`: a machine at the end of a serial line, driven by programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from host_sim.config import ConfigError
from host_sim.errors import RaygateError
from shell.console import Console, compiled
from shell.wire import ImageError

DONE, BAD, FAILED = 0, 2, 3


@contextmanager
def _line(port: str, baud: int) -> Iterator[Console]:
    """The console at `port`; what goes wrong ends the program with its exit code."""
    try:
        with Console.attach(port, baud=baud) as console:
            yield console
            console.leave_raw()
    except ImageError as error:
        click.echo(f"raygate: {error}", err=True)
        sys.exit(FAILED)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(BAD)
    except RaygateError as error:
        click.echo(f"raygate: {error}", err=True)
        sys.exit(BAD)


def _commands(path: str) -> list[str]:
    """The lines of a script that are commands."""
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@click.group()
@click.argument("port")
@click.option("--baud", type=int, default=115200, show_default=True)
@click.pass_context
def command(context: click.Context, port: str, baud: int) -> None:
    """Drives the machine at PORT: /dev/ttyUSB0, COM3, socket://host:port, rfc2217://host:port.

    The console's raw mode is used, so answers are exact, and left again at the end. Exit codes: 0
    done, 2 a command or configuration was refused, 3 the machine did not answer.
    """
    context.obj = (port, baud)


@command.command("exec")
@click.argument("words", nargs=-1, required=True)
@click.pass_obj
def exec_(line: tuple[str, int], words: tuple[str, ...]) -> None:
    """Runs one command and prints what it says."""
    with _line(*line) as console:
        answer = console.execute(" ".join(words))
    click.echo(answer.text, nl=False)
    sys.exit(DONE if answer.status >= 0 else BAD)


@command.command()
@click.argument("script", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--keep-going", is_flag=True, help="Do not stop at the first refused command.")
@click.pass_obj
def run(line: tuple[str, int], script: str, keep_going: bool) -> None:
    """Runs a script's commands one by one and prints prompt, command and answer of each."""
    worst = DONE
    commands = _commands(script)
    with _line(*line) as console:
        for text in commands:
            answer = console.execute(text)
            click.echo(f"rayos> {text}\n{answer.text}", nl=False)
            if answer.status < 0:
                worst = BAD
                if not keep_going:
                    break
    sys.exit(worst)


@command.command("put-config")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.pass_obj
def put_config(line: tuple[str, int], file: str) -> None:
    """Compiles FILE (or takes a blob) and loads it; unchanged rules keep their balance."""
    with _line(*line) as console:
        blob = compiled(file)
        report = console.link.config(blob)
        console.leave_link()
    click.echo(f"{len(blob)} bytes loaded, {report.kept_count} rules kept their balance, "
               f"{report.reset_count} began anew\nhash {report.hash}")


@command.command()
@click.pass_obj
def reset(line: tuple[str, int]) -> None:
    """Soft reset: the core begins anew with its seed and start configuration."""
    with _line(*line) as console:
        click.echo(console.soft_reset(), nl=False)
