# SPDX-License-Identifier: MIT
"""Laws of the Python side: ruff and mypy, as pyproject.toml configures them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from .law import Path, Place, law, run

SAID = re.compile(r"^(?P<path>[^:\s][^:]*):(?P<line>\d+):(?:\d+:)? (?:error: )?(?P<text>.+)$")


def said(output: str) -> Iterator[Place]:
    """A tool's one-line complaints."""
    for line in output.splitlines():
        match = SAID.match(line)
        if match and not match["text"].startswith("note:"):
            yield match["path"], int(match["line"]), match["text"]


@law("ruff", "Python is clean under ruff")
def ruff(root: Path) -> Iterator[Place]:
    """What ruff says."""
    options = ("check", "--output-format=concise", "--quiet", ".")
    done = run(root, sys.executable, "-m", "ruff", *options)
    found = list(said(done.stdout))
    yield from found
    if done.returncode and not found:
        yield "pyproject.toml", 0, f"ruff could not run: {(done.stderr or done.stdout)[:200]}"


@law("mypy", "host_sim and shell are typed, mypy strict")
def mypy(root: Path) -> Iterator[Place]:
    """What mypy says."""
    done = run(root, sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context")
    found = list(said(done.stdout))
    yield from found
    if done.returncode and not found:
        yield "pyproject.toml", 0, f"mypy could not run: {(done.stderr or done.stdout)[:200]}"
