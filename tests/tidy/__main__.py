# SPDX-License-Identifier: MIT
"""Runs the laws: python -m tests.tidy [LAW ...] [--list] [--write].

One line per finding, `file:line: law: message`; exit status 1 when there is one. --write brings
the golden files (tests/limits.txt, tests/tidy/ratchet.txt) up to date, to be read before commit.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from . import abi, core, layers, mirror, pages, python, size, text  # noqa: F401  (registered)
from .law import LAWS, Finding, Law

ROOT = pathlib.Path(__file__).resolve().parents[2]


def timed(law: Law) -> tuple[Law, list[Finding], float]:
    """One law's findings and how long it looked."""
    began = time.perf_counter()
    return law, law.findings(ROOT), time.perf_counter() - began


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.tidy", description=__doc__)
    parser.add_argument("law", nargs="*", help="only these")
    parser.add_argument("--list", action="store_true", help="the laws and what they say")
    parser.add_argument("--write", action="store_true", help="bring the golden files up to date")
    parser.add_argument("--times", action="store_true", help="how long each law took")
    options = parser.parse_args()
    unknown = [name for name in options.law if name not in LAWS]
    if unknown:
        parser.error(f"no such law: {' '.join(unknown)}; there are {' '.join(LAWS)}")
    if options.list:
        for law in LAWS.values():
            print(f"{law.name:12} {law.sentence}")
        return 0
    if options.write:
        abi.write_limits(ROOT)
        size.write_ratchet(ROOT)
    chosen = [LAWS[name] for name in (options.law or LAWS)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(timed, chosen))
    found = [finding for _, findings, _ in results for finding in findings]
    for finding in found:
        print(finding)
    if options.times:
        for law, _, seconds in results:
            print(f"{law.name:12} {seconds:6.2f} s", file=sys.stderr)
    kept = len(chosen) - len({finding.law for finding in found})
    print(f"tidy: {kept} of {len(chosen)} laws hold, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
