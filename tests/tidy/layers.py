# SPDX-License-Identifier: MIT
"""Laws of the house: who may include whom (TABLE below), and no cycles."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator

from .law import Path, Place, law, relative, text_of, written

COMMON = ["ray/status.h", "ray/types.h", "ray/text.h", "ray/limits.h", "ray/reason.h",
          "ray/format.h", "ray/crypto.h"]
NUMBERS = ["<stdint.h>", "<stddef.h>", "<stdbool.h>"]
WORDS = (
    "gateway auth mediator lb resilience apimon "
    "ratelimit quota priority policy cost governance"
).split()

# folder of the including file -> what it may include; {word} is the module's own name, OWN its
# own folder. The first row that matches the path decides.
TABLE: list[tuple[str, list[str]]] = [
    ("kernel/profiles/*", []),
    ("kernel/include/ray/ray.h", [*NUMBERS, "ray/*.h"]),
    ("kernel/include/ray/transform.h", [*NUMBERS, *COMMON, "ray/ray.h"]),  # the pipeline's too
    ("kernel/include/ray/*", [*NUMBERS, *COMMON]),
    ("kernel/base/crypto.c", [*NUMBERS, *COMMON, "base/*.h", "bearssl.h"]),
    ("kernel/base/*", [*NUMBERS, *COMMON, "base/*.h", "OWN"]),
    ("kernel/pipeline/*", [*NUMBERS, "ray/*.h", "kernel/*"]),
    *(
        (f"kernel/{word}/*", [*NUMBERS, *COMMON, f"ray/{word}.h", "base/*.h", "OWN"])
        for word in WORDS
    ),
    ("kernel/*", [*NUMBERS, "ray/*.h", "kernel/*"]),
    ("shell/*", [*NUMBERS, "ray/*.h", "OWN"]),
    ("boot/*", [*NUMBERS, "ray/*.h", "shell.h", "OWN"]),
    ("host_sim/*", ["<*>", "ray/*.h", "shell.h", "OWN"]),
    ("examples/*", ["<*>", "ray/*.h", "shell.h", "OWN"]),
]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"][^>"]+[>"])')
TOPS = ("kernel", "shell", "boot", "host_sim", "examples")


def inclusions(root: Path, path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of each include; `<x>` for the system's, `kernel/...` where it resolves so."""
    for number, line in enumerate(text_of(path).splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] if match[1][0] == "<" else match[1][1:-1]


def resolved(root: Path, path: Path, name: str) -> str:
    """The file an include names, relative to the root; the name itself when none is there."""
    for top in (path.parent, root / "kernel/include", root / "kernel/profiles/seed",
                root / "kernel", root / "shell"):
        if (top / name).is_file():
            return relative(root, (top / name).resolve())
    return name


def is_allowed(root: Path, path: Path, name: str, allowed: list[str]) -> bool:
    """Whether one of the row's words covers the include."""
    target = resolved(root, path, name)
    for word in allowed:
        if word == "OWN":
            if target.startswith(relative(root, path.parent) + "/"):
                return True
        elif fnmatch.fnmatch(name, word) or fnmatch.fnmatch(target, word):
            return True
    return False


@law("layers", "each folder includes only what the table of the house lets it")
def layers(root: Path) -> Iterator[Place]:
    """Includes that cross a wall of the house."""
    for path in written(root, ".c", ".h", ".S", under=TOPS):
        name = relative(root, path)
        allowed = next((row for pattern, row in TABLE if fnmatch.fnmatch(name, pattern)), None)
        if allowed is None:
            yield name, 0, "no row of the include table covers this folder"
            continue
        for line, included in inclusions(root, path):
            if not is_allowed(root, path, included, allowed):
                yield name, line, f"may not include {included}"


@law("cycles", "no header includes itself, directly or around a corner")
def cycles(root: Path) -> Iterator[Place]:
    """Include cycles, each reported where it closes."""
    graph: dict[str, list[tuple[int, str]]] = {}
    for path in written(root, ".h", under=TOPS):
        graph[relative(root, path)] = [
            (line, resolved(root, path, name)) for line, name in inclusions(root, path)
        ]
    done: set[str] = set()

    def walk(name: str, trail: list[str]) -> Iterator[Place]:
        for line, target in graph.get(name, []):
            if target in trail:
                yield name, line, " > ".join([*trail[trail.index(target):], target])
            elif target in graph and target not in done:
                yield from walk(target, [*trail, target])
        done.add(name)

    for name in graph:
        if name not in done:
            yield from walk(name, [name])
