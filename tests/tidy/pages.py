# SPDX-License-Identifier: MIT
"""Laws of the pages: links lead somewhere, generated pages are what their sources say."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from .law import Path, Place, law, relative, run, text_of, written

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


@law("links", "every relative link in a page leads to a file that is there")
def links(root: Path) -> Iterator[Place]:
    """Links to nothing."""
    for page in written(root, ".md"):
        for number, line in enumerate(text_of(page).splitlines(), 1):
            for target in LINK.findall(line):
                if "://" not in target and not (page.parent / target).exists():
                    yield relative(root, page), number, f"links to {target}, which is not there"


@law("docs", "generated pages are what `make docs` would write")
def docs(root: Path) -> Iterator[Place]:
    """Pages older than what they are made from."""
    done = run(root, sys.executable, "tools/docs.py", "--check")
    for line in done.stdout.splitlines():
        name, _, text = line.partition(": ")
        yield name, 0, text
    if done.returncode and not done.stdout:
        yield "tools/docs.py", 0, (done.stderr.strip().splitlines() or ["cannot run"])[-1]
