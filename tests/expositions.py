# SPDX-License-Identifier: MIT
"""A strict reader of expositions, Prometheus text and OpenMetrics."""

from __future__ import annotations

import re

SAMPLE = re.compile(
    r'(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>[^{}]*|(?:[^"{}]|"(?:\\.|[^"\\])*")*)\})? '
    r"(?P<value>[-+0-9.eInf]+)"
)
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:\\.|[^"\\])*)",?')
UNESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda found: UNESCAPED[found[0]], text)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], str]:
    """Every sample by name and labels; asserts one HELP and TYPE a family, the samples of one
    together, and no sample twice."""
    out: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
    types: dict[str, str] = {}
    ended: set[str] = set()
    family = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            ended.add(family)
            family = line.split(" ")[2]
            assert family not in ended, line
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types and name == family
            types[name] = kind
        if line.startswith("#"):
            continue
        match = SAMPLE.fullmatch(line)
        assert match and match["name"].startswith(family), line
        labels = tuple((k, unescaped(v)) for k, v in LABEL.findall(match["labels"] or ""))
        assert (match["name"], labels) not in out
        out[match["name"], labels] = match["value"]
    return out
