# SPDX-License-Identifier: MIT
"""What a simulated request costs, with a queue and an upstream: admitted, dispatched, served,
completed; and how memory and cost stay as the simulation grows longer.

Each length runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from .measure import ROOT, WORK, Result, peak_kib, ratio

LENGTHS_S = (20, 200, 1000)            # at 1000 requests a second
ROUNDS = 3
NS_MAX = 400                            # of a request with queue and upstream
CONFIG = """version = 1
[service.s]
timeout = "5s"
[[route]]
name = "r"
service = "s"
path = { prefix = "/" }
[queue]
servers = 16
depth = 200
"""
SCENARIO = """version = 1
title = "bench"
what = "bench"
config = "simulate-bench-config.toml"
duration = "{seconds}s"
[[client]]
name = "c"
paths = [{{ path = "/a" }}]
arrivals = {{ poisson = "1000/s" }}
[[upstream]]
service = "s"
time = {{ exponential = "{mean_ms}ms" }}
concurrent = 16
"""
LOADS = {"one in eight waits": 10, "seven in ten wait": 15}   # mean of a service, in ms


def one(seconds: int, mean_ms: int) -> tuple[int, int, int]:
    """CPU ns of the run, requests, KiB of peak memory; in this process."""
    from host_sim.simulation import Simulation, loads, tables

    made = Simulation(loads(SCENARIO.format(seconds=seconds, mean_ms=mean_ms),
                            name=str(WORK / "simulate-bench.toml")))
    tables.exponential()                # made once a process
    began = time.thread_time_ns()
    result = made.run()
    took = time.thread_time_ns() - began
    if result.lost or result.total.number("failed") or not result.total.number("queued"):
        raise RuntimeError("this is not what was to be measured")
    return took, result.total.number("requests"), peak_kib()


def measured(seconds: int, mean_ms: int) -> tuple[float, float]:
    """Nanoseconds a request, the best of some processes, and MiB of peak memory."""
    best, mib = float("inf"), 0.0
    for _ in range(ROUNDS if seconds < LENGTHS_S[-1] else 2):
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.simulate", str(seconds), str(mean_ms)], cwd=ROOT,
            capture_output=True, text=True, check=True)
        took, requests, peak = map(int, done.stdout.split())
        best, mib = min(best, took / requests), max(mib, peak / 1024)
    return best, mib


def simulations() -> Iterator[Result]:
    """By load, then by length."""
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "simulate-bench-config.toml").write_text(CONFIG)
    for words, mean_ms in LOADS.items():
        ns, _ = measured(LENGTHS_S[1], mean_ms)
        yield Result(f"simulate, {words}", ns, "request", ratio(NS_MAX), f"{1000 / ns:.2f} M/s")
    lengths = [(seconds, *measured(seconds, LOADS["one in eight waits"])) for seconds in LENGTHS_S]
    for seconds, ns, mib in lengths:
        yield Result(f"simulate, requests at {seconds * 1000}", ns, "request", None,
                     f"{mib:.1f} MiB at most")
    if lengths[-1][2] > lengths[0][2] * 1.1:
        raise RuntimeError("memory grows with the length of a simulation")


if __name__ == "__main__":
    print(*one(int(sys.argv[1]), int(sys.argv[2])))
