# SPDX-License-Identifier: MIT
"""What a search for a limit costs: a log into a trace, and a candidate over a line of it."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator

from host_sim.recommend.curve import Candidate, Curve
from host_sim.recommend.trace import Shape, Trace

from .measure import ROOT, Result, timed
from .replay import LINES, logs, table

MINUTE_NS = 60_000_000_000
CANDIDATES = (1, 8, 64)
GATHER_XR = 862.0       # of a line, as a replay's: the trace must not be what one waits for
LINE_XR = 170.0         # of a line and candidate with a bucket for each client: 200 ns
GROWTH_KIB_MAX = 16_384     # from a million lines to three
PEAK = """
import sys
from tests.bench.measure import peak_kib
from host_sim.recommend.curve import Candidate, Curve
from host_sim.recommend.trace import Shape, Trace
with Trace([sys.argv[1]], Shape(key="client")) as trace:
    trace.gather()
    Curve(trace).run([Candidate(n, 60 * 10**9, n) for n in range(1, 9)])
print(peak_kib())
"""


def gathered(lines: int) -> None:
    """A log into a trace."""
    with Trace([str(table(lines))], Shape(key="client")) as trace:
        trace.gather()


def peak_kib(lines: int) -> int:
    """The most memory a process held that gathered a log and tried eight limits on it."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(table(lines))], cwd=ROOT, check=True,
                          capture_output=True, text=True)
    return int(done.stdout)


def results() -> Iterator[Result]:
    """Gathering, trying, and what it holds of memory."""
    if not logs().exists():
        print(f"no recorded logs in {logs()}: nothing to recommend", file=sys.stderr)
        return
    yield Result("recommend, a log into a trace", timed(lambda: gathered(LINES), LINES, 3), "line",
                 GATHER_XR)
    for key in ("all", "client"):
        with Trace([str(table(LINES))], Shape(key=key)) as trace:
            trace.gather()
            for count in CANDIDATES:
                many = [Candidate(n + 1, MINUTE_NS, n + 1) for n in range(count)]
                run = functools.partial(Curve(trace).run, many)
                yield Result(f"recommend, candidates for {key} at {count}",
                             timed(run, LINES * count, 1), "line and candidate",
                             LINE_XR if key == "client" else None)
    small, large = peak_kib(LINES), peak_kib(3 * LINES)
    if large - small > GROWTH_KIB_MAX:
        raise RuntimeError(f"memory grows with the log: {small:,} KiB at {LINES:,} lines, "
                           f"{large:,} KiB at {3 * LINES:,}")
    print(f"recommend holds {small:,} KiB at {LINES:,} lines, {large:,} KiB at {3 * LINES:,}",
          file=sys.stderr)
