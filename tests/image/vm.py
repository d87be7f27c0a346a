# SPDX-License-Identifier: MIT
"""The image harness: machines that cannot hang a test or pass it by accident.

Every machine is a shell.Console, so it has a wall timeout at every wait, dumps its registers on an
NMI before it is given up, and is ended by process id. Success is the marker line and the exit code
together; codes 0 and 1 are failures, because QEMU ends with them after a triple fault and a bad
option.
"""

from __future__ import annotations

import bisect
import functools
import subprocess
from pathlib import Path
from typing import Any

from shell.console import Console, Exit
from shell.machine import IMAGE, ROOT, Boot

DEBUG_IMAGE = IMAGE.with_name("raygate.debug.elf")
PANIC, FAULT = 85, 87
WALL_NS = 1_767_600_000_000_000_000


@functools.cache
def built(*targets: str) -> None:
    """Makes sure that the image is there and current; `make test` has built it already."""
    command = ["make", "-s", "-f", "boot/boot.mk", *(targets or ("image",))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def boot(**options: Any) -> Console:
    """A console at its prompt; options are those of Console.boot."""
    built()
    return Console.boot(**options)


def end(console: Console, timeout_s: float = 20.0) -> tuple[str, Exit]:
    """Everything a machine said, CR taken out, and how it ended."""
    ended = console.ended(timeout_s)
    return console.transcript.replace(b"\r", b"").decode("ascii"), ended


def script(text: str, **options: Any) -> str:
    """Runs a script that powers off, under instruction count; its transcript."""
    with boot(script=text, icount=True, wall_ns=WALL_NS, seed=bytes(16), **options) as console:
        said, ended = end(console)
    assert ended.clean, (ended, said[-2000:])
    return said


@functools.cache
def _symbols() -> tuple[list[int], list[str]]:
    listed = subprocess.run(["nm", DEBUG_IMAGE], capture_output=True, text=True, check=True)
    rows = sorted((int(line.split()[0], 16), line.split()[2])
                  for line in listed.stdout.splitlines())
    return [at for at, _ in rows], [name for _, name in rows]


def symbol(name: str) -> int:
    """Where the image has `name`."""
    places, names = _symbols()
    return places[names.index(name)]


def function_at(address: int) -> str:
    """The function an address of a backtrace is in."""
    places, names = _symbols()
    return names[bisect.bisect_right(places, address) - 1]


def scratch_blob(path: Path, *, flip_bit: int) -> bytes:
    """The bytes of `path` with one bit the other way."""
    data = bytearray(path.read_bytes())
    data[flip_bit // 8] ^= 1 << (flip_bit % 8)
    return bytes(data)


__all__ = ["FAULT", "PANIC", "WALL_NS", "Boot", "Console", "Exit", "boot", "built", "end",
           "function_at", "script", "scratch_blob", "symbol"]
