# SPDX-License-Identifier: MIT
"""Timing: CPU time of this thread, pinned to a core, minimum of several rounds."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib
import subprocess
import time
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "bench"
ROUNDS = 9


@dataclasses.dataclass(frozen=True)
class Result:
    """One line of the table."""

    name: str
    ns: float  # of one item
    unit: str = "decision"
    most_xr: float | None = None  # the ratio it should not pass
    note: str = ""


def peak_kib() -> int:
    """Peak resident size of this program alone, in KiB; rusage keeps its parent's."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    raise RuntimeError("the kernel does not tell a process's peak memory")


def ratio(ns: float) -> float:
    """A requirement in nanoseconds as a ratio: its reference loop took 1.16 ns where it was set."""
    return ns / 1.16


def pin() -> None:
    """Keeps this process and its children on one core, so that caches and clocks stay the same."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def timed(run: Callable[[], object], items: int, rounds: int = ROUNDS) -> float:
    """CPU nanoseconds of one item of `run`, the best of the rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.thread_time_ns()
        run()
        best = min(best, time.thread_time_ns() - began)
    return best / items


@functools.cache
def built(name: str, *variables: str) -> pathlib.Path:
    """A program of the benchmark, build/NAME, as its sources are when it is asked for first."""
    path = ROOT / "build" / name
    made = subprocess.run(
        ["make", "-s", *variables, str(path.relative_to(ROOT))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )
    if made.returncode:
        raise RuntimeError(f"the benchmark does not build:\n{made.stderr}")
    return path


def program(profile: str) -> pathlib.Path:
    """The C side of the benchmark for a capacity profile."""
    return built(f"bench-{profile}", f"PROFILE={profile}")


def in_c(profile: str, *words: str | int | pathlib.Path) -> tuple[float, int]:
    """Runs one measurement of core.c: nanoseconds of an item, and how many were granted."""
    return _run([str(program(profile)), *map(str, words)])


def _run(command: list[str]) -> tuple[float, int]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    picoseconds, granted = done.stdout.split()
    return int(picoseconds) / 1000, int(granted)


def alone(name: str, *words: str | int | pathlib.Path) -> tuple[float, int]:
    """Runs a program that measures one thing by itself, build/bench-NAME: nanoseconds of an item,
    and how many were granted. Raises where it refuses anything."""
    return _run([str(built(f"bench-{name}")), *map(str, words)])


def reference() -> float:
    """The unit of every ratio: one dependent multiply and add, in ns."""
    return in_c("seed", "ref")[0]
