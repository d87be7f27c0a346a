# SPDX-License-Identifier: MIT
"""python -m tests.bench [--json] [--quick] [PART ...]: how fast, as ratios to a reference loop.

xR is the ratio to one dependent 64-bit multiply and add, timed in the same run on the same core:
absolute times move with the machine's other guests, ratios of small working sets hardly do.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator

from . import (
    core_side,
    formats,
    image,
    measure,
    picks,
    policy,
    python_side,
    recommend,
    simulate,
    tokens,
)
from .measure import Result

PARTS: dict[str, Callable[[], Iterator[Result]]] = {
    "core": core_side.decisions,
    "admit": core_side.admits,
    "routes": core_side.routes,
    "queues": core_side.queues,
    "policies": policy.policies,
    "governance": core_side.governance,
    "tokens": tokens.tokens,
    "formats": formats.formats,
    "picks": picks.picks,
    "python": python_side.scalars,
    "batch": python_side.batches,
    "replay": python_side.replays,
    "recommend": recommend.results,
    "simulate": simulate.simulations,
    "image": image.images,
}


def row(result: Result, reference_ns: float) -> str:
    """One line of the table."""
    ratio = result.ns / reference_ns
    target = "" if result.most_xr is None else f"<= {result.most_xr:g}"
    most = result.most_xr or ratio
    mark = "" if result.most_xr is None else "ok" if ratio <= most else f"over {ratio / most:.2f}x"
    return (
        f"{result.name:46} {result.ns:11.1f} {ratio:9.1f} {target:>9} {mark:10} {result.note}"
    ).rstrip()


def curve(results: list[Result], reference_ns: float) -> Iterator[str]:
    """Sweeps as bars: results whose names end in ` at N`, one group after the other."""
    groups: dict[str, list[tuple[str, float]]] = {}
    for result in results:
        name, _, size = result.name.rpartition(" at ")
        if name and size.replace(" ", "").isdigit():
            groups.setdefault(name, []).append((size, result.ns / reference_ns))
    for name, points in groups.items():
        if len(points) < 3:
            continue
        most = max(ratio for _, ratio in points)
        yield f"\n{name}, xR"
        for size, ratio in points:
            yield f"  {size:>10} {ratio:8.1f} {'#' * max(1, round(40 * ratio / most))}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"only these: {' '.join(PARTS)}")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args()
    unknown = [name for name in options.part if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {' '.join(unknown)}; there are {' '.join(PARTS)}")
    measure.WORK.mkdir(parents=True, exist_ok=True)
    measure.pin()
    reference_ns = measure.reference()
    results: list[Result] = []
    if not options.json:
        print(f"reference: {reference_ns:.3f} ns per dependent multiply and add = 1 xR\n")
        print(f"{'':46} {'ns':>11} {'xR':>9} {'target':>9}")
    for name in options.part or PARTS:
        for result in PARTS[name]():
            results.append(result)
            if not options.json:
                print(row(result, reference_ns), flush=True)
    if options.json:
        rows = [
            {**dataclasses.asdict(r), "xr": round(r.ns / reference_ns, 3)} for r in results
        ]
        print(json.dumps({"reference_ns": reference_ns, "results": rows}, indent=1))
    else:
        print(*curve(results, reference_ns), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
