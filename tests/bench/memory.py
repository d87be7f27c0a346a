# SPDX-License-Identifier: MIT
"""Peak memory of a replay by the log's length, each length in a process of its own.

    python -m tests.bench.memory

A replay holds a window of rows (two blocks of it at most); once the log is longer than that the
peak stays where it is. With --window 4096 it is flat from the shortest log on. Logs that are merged
share the window: what each adds is its buffers.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

from host_sim import config
from host_sim.replay.engine import WINDOW, Options, Replay
from host_sim.replay.source import Source

from . import replay as logs
from .measure import ROOT, WORK
from .measure import peak_kib as own_peak_kib

LINES = (30_000, 100_000, 300_000, 600_000, 1_000_000, 1_500_000)
WINDOWS = (WINDOW, 4_096)
LOGS = (1, 4, 16, 64, 256)
FLAT_PERMILLE = 1_100   # a 50 times longer log may take a tenth more, of what the allocator keeps


def child(path: str, window: int, count: int) -> None:
    """Replays a log here, `count` times over as so many logs; prints the process's peak."""
    rules = config.load(ROOT / "examples" / "web.toml")
    with contextlib.ExitStack() as stack:
        sources = [stack.enter_context(Source(path)) for _ in range(count)]
        run = stack.enter_context(Replay(rules, sources, options=Options(window=window)))
        digest = run.run_host().decision_digest
    print(json.dumps({"peak_kib": own_peak_kib(), "digest": digest}))


def peak_kib(lines: int, window: int, count: int = 1) -> int:
    """Peak resident size of a replay of so many lines, in each of so many logs."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.memory", str(logs.table(lines)), str(window),
         str(count)], cwd=ROOT, check=True, capture_output=True, text=True)
    return int(json.loads(done.stdout)["peak_kib"])


def show(title: str, what: str, points: list[tuple[int, int]]) -> None:
    """A curve as bars."""
    print(f"\nreplay, peak memory {title}")
    most = max(kib for _, kib in points)
    for number, kib in points:
        bar = "#" * max(1, 40 * kib // most)
        print(f"  {number:>12,} {what} {kib / 1024:>8.1f} MiB {bar}")


def main() -> int:
    """Prints the curves; 1 when the peak grows with the log past the window."""
    if len(sys.argv) == 4:
        child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        return 0
    if not logs.logs().exists():
        print(f"no recorded logs in {logs.logs()}: nothing to replay", file=sys.stderr)
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    grows = 0
    for window in WINDOWS:
        points = [(lines, peak_kib(lines, window)) for lines in LINES]
        show(f"with --window {window:,}", "lines", points)
        filled = [kib for lines, kib in points if lines >= 2 * window]
        grows |= filled[-1] * 1000 > filled[0] * FLAT_PERMILLE
    merged = [(count, peak_kib(LINES[0], WINDOW, count)) for count in LOGS]
    show(f"of logs of {LINES[0]:,} lines, merged", "logs", merged)
    return grows


if __name__ == "__main__":
    sys.exit(main())
