# SPDX-License-Identifier: MIT
"""terminal: a console given to a person, or to a pipe, and the exit code it ends with."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

from shell.machine import EXIT_CLEAN
from shell.wire import DROP, PROMPT, FdWire, ImageError

if TYPE_CHECKING:
    from shell.console import Console

LEAVE_KEY = b"\x1d"                        # Ctrl-]


def _show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def interact(console: Console) -> None:
    """Keys to the machine, its bytes to the terminal, until it ends or Ctrl-] is pressed."""
    import termios
    import tty

    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    watched = [keyboard, *([console.wire.fileno()] if isinstance(console.wire, FdWire) else [])]
    shown = 0
    try:
        tty.setraw(keyboard)
        while not console.wire.closed:
            _show(bytes(console.transcript[shown:]))
            shown = len(console.transcript)
            if keyboard in select.select(watched, [], [], 0.05)[0]:
                keys = os.read(keyboard, 1024)
                if not keys or LEAVE_KEY in keys:
                    break
                console.wire.write(keys)
            console.receive(0.0)
        if not console.wire.closed and console.machine is not None:
            console.wire.write(DROP + b"poweroff\r")
            console.ended(5.0)
        _show(bytes(console.transcript[shown:]) + b"\r\n")
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def feed_lines(console: Console, lines: Iterable[str]) -> None:
    """Each line as a command, shown as a person would see it; the last one leaves."""
    if console.wire.closed:
        return                              # a script ended the machine: the report shows it whole
    _show(bytes(console.transcript[:-len(PROMPT)]).replace(b"\r", b""))
    for line in chain(lines, ["poweroff"] if console.machine is not None else []):
        words = line.split()
        if console.wire.closed:
            break
        _show(PROMPT + line.strip("\r\n").encode("ascii", "backslashreplace") + b"\n")
        if not words or words[0].startswith("#"):
            continue
        if words[-1] == "reboot":
            _show(console.reboot().encode()[:-len(PROMPT)])
            continue
        try:
            answer = console.execute(line.strip("\r\n"), timeout_s=600.0)
        except ImageError:
            if console.machine is None or console.ended(5.0).code is None:
                raise
            break                           # it ended meanwhile: the report shows its last words
        _show(answer.text.encode())
        if words[-1] == "poweroff":
            break


def report(console: Console) -> int:
    """0 for a clean end, else 3 with what is known about the other kind of end."""
    if console.machine is None:
        return 0
    seen = console.answered
    end = console.ended(10.0)
    rest = bytes(console.transcript[seen:]).replace(b"\r", b"")
    _show(rest)
    if end.clean:
        return 0
    said = "said goodbye" if end.marker else "did not say goodbye"
    code = "still runs" if end.code is None else f"ended with code {end.code}"
    print(f"raygate: the machine {said} and {code} (wanted {EXIT_CLEAN})", file=sys.stderr)
    complaint = console.machine.complaint()
    if complaint:
        print(complaint, file=sys.stderr)
    return 3
