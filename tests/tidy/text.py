# SPDX-License-Identifier: MIT
"""Laws of the text: licence lines, line lengths, unfinished work, words of one machine."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator

from .law import CODE, Path, Place, law, relative, text_of, written

COLUMNS = 100
# Written in halves, so that this file does not break its own laws.
SPDX = "SPDX-License" + "-Identifier: MIT"
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImpl" r"emented(?:Error)?)\b")
PROSE = {".md", ".toml", ".txt", ".mk", ".ld", ".sh", ".cfg", ".ray", ".in", ""}


def lines_of(root: Path, *suffixes: str) -> Iterator[tuple[str, int, str]]:
    """Path, number and text of every line somebody wrote."""
    for path in written(root, *suffixes):
        name = relative(root, path)
        for number, line in enumerate(text_of(path).splitlines(), 1):
            yield name, number, line


@law("spdx", "every source file says its licence once, in its first three lines")
def spdx(root: Path) -> Iterator[Place]:
    """Sources without the line, or with more than one."""
    for path in written(root, *CODE, ".mk", ".ld", ".sh"):
        text = text_of(path)
        if SPDX not in "\n".join(text.splitlines()[:3]):
            yield relative(root, path), 1, f"lacks `{SPDX}`"
        elif text.count(SPDX) > 1:
            yield relative(root, path), 1, "says its licence more than once"


@law("columns", f"no line of code is longer than {COLUMNS} columns, none holds a tab or trails")
def columns(root: Path) -> Iterator[Place]:
    """Long lines, tabs and trailing blanks."""
    for name, number, line in lines_of(root, *CODE):
        if len(line) > COLUMNS:
            yield name, number, f"{len(line)} columns"
        if "\t" in line and not name.endswith(".S"):
            yield name, number, "a tab"
        if line != line.rstrip():
            yield name, number, "blanks at the end"


@law("unfinished", "nothing is left for later in the code: no marks, no placeholders")
def unfinished(root: Path) -> Iterator[Place]:
    """Marks of work that is not done."""
    for name, number, line in lines_of(root, *CODE, *PROSE):
        match = UNFINISHED.search(line)
        if match:
            yield name, number, f"says {match[0]}"


# A path on somebody's machine works on no other one. The digests are of words and pairs of words
# that name tools of our own workplace, which mean nothing to a reader; kept so that the list does
# not say them.
MACHINE = re.compile(r"(?<![\w.$}{*~-])/(?:work|home|root|tmp|Users)(?:/\w|\b(?=[\s'\"`)]))")
PRIVATE = {
    "7472336c960e3c39", "4ea91362a1443499", "946808cf172da424", "1d3bc63a5a465338",
    "c4d75979878287ba", "17075e9bd52a4744", "2733ddfde5a7ba01", "05ee3c2fb5499051",
    "b06493481529746e",
}


@functools.cache
def digest(words: str) -> str:
    """How a private word is written down."""
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def private_words(line: str) -> set[str]:
    """Words and pairs of words of a line that are on the list."""
    words = re.findall(r"[\w.-]+", line)
    said = {*words, *(f"{a} {b}" for a, b in zip(words, words[1:], strict=False))}
    said |= {word.split("-")[0] + "-*" for word in words if "-" in word}
    return {word for word in said if digest(word) in PRIVATE}


@law("private", "nothing in the tree depends on one machine or names what a reader cannot have")
def private(root: Path) -> Iterator[Place]:
    """Absolute paths of a machine, and private tools by name."""
    for name, number, line in lines_of(root, *CODE, *PROSE):
        match = MACHINE.search(line)
        if match:
            yield name, number, f"names a machine's own path: {line[match.start():][:24]}"
        if private_words(line):
            yield name, number, "names a private tool"
