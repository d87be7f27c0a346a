# SPDX-License-Identifier: MIT
"""`raygate remote`: a machine at the end of a serial line, driven by programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from host_sim.config import ConfigError
from host_sim.errors import RaygateError
from host_sim.printing import printable, printable_lines
from shell.console import Answer, Console, compiled
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
        _fail(FAILED, f"raygate: {error}")
    except UnicodeDecodeError:
        _fail(FAILED, "raygate: the machine sent bytes that are no text")
    except ConfigError as error:
        _fail(BAD, str(error))
    except (RaygateError, ValueError) as error:
        _fail(BAD, f"raygate: {error}")


def _fail(code: int, what: str) -> NoReturn:
    click.echo(printable_lines(what), err=True)
    sys.exit(code)


def _ask(console: Console, text: str) -> tuple[Answer, bool]:
    """A command's answer, and whether the machine then said goodbye, as after `poweroff`."""
    answer = console.execute(text)
    ends = answer.status >= 0 and text.split()[:1] == ["poweroff"]
    if ends and not console.ended().marker:
        click.echo(printable_lines(answer.text), nl=False)
        raise ImageError("the machine was told to end, but did not say goodbye")
    return answer, ends


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


@command.command(
    "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_(line: tuple[str, int], words: tuple[str, ...]) -> None:
    """Runs one command, its own options included, and prints what it says.

    For example: exec request GET / --user web --explain. After poweroff the machine's totals are
    printed.
    """
    with _line(*line) as console:
        answer, _ = _ask(console, " ".join(words))
    click.echo(printable_lines(answer.text), nl=False)
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
            answer, ended = _ask(console, text)
            click.echo(f"rayos> {printable(text)}\n{printable_lines(answer.text)}", nl=False)
            if ended:
                break
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
        click.echo(printable_lines(console.soft_reset()), nl=False)
