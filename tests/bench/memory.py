# SPDX-License-Identifier: MIT
"""Peak memory of a replay by the log's length, each length in a process of its own.

    python -m tests.bench.memory

A replay holds a window of rows (two blocks of it at most); once the log is longer than that the
peak stays where it is. With --window 4096 it is flat from the shortest log on.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator

from host_sim import config
from host_sim.replay.engine import WINDOW, Options, Replay
from host_sim.replay.source import Source

from . import replay as logs
from .measure import ROOT, WORK

LINES = (30_000, 100_000, 300_000, 600_000, 1_000_000, 1_500_000)
WINDOWS = (WINDOW, 4_096)
FLAT_PERMILLE = 1_100   # a 50 times longer log may take a tenth more, of what the allocator keeps


def child(path: str, window: int) -> None:
    """Replays one log here; prints the process's peak and the digest."""
    rules = config.load(ROOT / "examples" / "web.toml")
    with Source(path) as source, Replay(rules, source, options=Options(window=window)) as run:
        digest = run.run_host().decision_digest
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"peak_kib": peak, "digest": digest}))


def peak_kib(lines: int, window: int) -> int:
    """Peak resident size of a replay of so many lines."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.memory", str(logs.table(lines)), str(window)],
        cwd=ROOT, check=True, capture_output=True, text=True)
    return int(json.loads(done.stdout)["peak_kib"])


def curve(window: int) -> Iterator[tuple[int, int]]:
    """(lines, KiB) from the shortest log to the longest."""
    for lines in LINES:
        yield lines, peak_kib(lines, window)


def main() -> int:
    """Prints both curves; 1 when the peak grows with the log past the window."""
    if len(sys.argv) == 3:
        child(sys.argv[1], int(sys.argv[2]))
        return 0
    if not logs.logs().exists():
        print(f"no recorded logs in {logs.logs()}: nothing to replay", file=sys.stderr)
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    grows = 0
    for window in WINDOWS:
        print(f"\nreplay, peak memory with --window {window:,}")
        points = list(curve(window))
        most = max(kib for _, kib in points)
        for lines, kib in points:
            print(f"  {lines:>12,} lines {kib / 1024:>8.1f} MiB {'#' * max(1, 40 * kib // most)}")
        filled = [kib for lines, kib in points if lines >= 2 * window]
        grows |= filled[-1] * 1000 > filled[0] * FLAT_PERMILLE
    return grows


if __name__ == "__main__":
    sys.exit(main())
