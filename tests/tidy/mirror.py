# SPDX-License-Identifier: MIT
"""The mirror law: one word names a module everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .law import Path, Place, law, text_of, written
from .layers import WORDS

# What a built module has; {word} is its name.
PLACES = {
    "kernel/include/ray/{word}.h": "its public header",
    "kernel/{word}/{word}_state.h": "its state header",
    "kernel/{word}/{word}.c": "its implementation",
    "shell/cmd_{word}.c": "its shell commands",
    "host_sim/modules/{word}.py": "its Python class",
    "tests/unit/test_{word}.py": "its unit tests",
    "tests/model/{word}.py": "its reference model",
    "tests/property/test_{word}.py": "its property tests",
}


def built(root: Path) -> list[str]:
    """Words of the modules that exist in any form in the core."""
    return [
        word for word in WORDS
        if (root / f"kernel/include/ray/{word}.h").exists() or (root / f"kernel/{word}").is_dir()
    ]


@law("mirror", "a module's word has its header, folder, command, class, tests, model and heading")
def mirror(root: Path) -> Iterator[Place]:
    """Places a built module's word is missing from, and module folders with no word."""
    pages = "\n".join(text_of(page) for page in written(root, ".md", under=("docs",)))
    for word in built(root):
        for place, what in PLACES.items():
            path = place.format(word=word)
            if not (root / path).is_file():
                yield path, 0, f"{word} lacks {what}"
        if not re.search(rf"^#+ .*\b{word}\b", pages, re.M | re.I):
            yield "docs/", 0, f"{word} has no heading in any page"
    known = {"base", "include", "profiles", "pipeline", *WORDS}
    for folder in sorted((root / "kernel").iterdir()):
        if folder.is_dir() and folder.name not in known:
            yield f"kernel/{folder.name}", 0, "is no module's word and no part of the core"
