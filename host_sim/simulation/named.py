# SPDX-License-Identifier: MIT
"""The scenarios that are shipped, by name."""

from __future__ import annotations

import os
from pathlib import Path

from host_sim.config.diagnostics import did_you_mean
from host_sim.errors import UnknownError
from host_sim.simulation import scenario

FOLDER = Path(__file__).resolve().parent.parent / "scenarios"


def names() -> list[str]:
    """Every shipped scenario."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find(wanted: str | os.PathLike[str]) -> scenario.Scenario:
    """A scenario by its path, or by the name of a shipped one.

    Raises UnknownError for a word that is neither; ConfigError and OSError as scenario.load.
    """
    word = os.fspath(wanted)
    if Path(word).suffix == ".toml" or os.sep in word:
        return scenario.load(word)
    if word not in names():
        raise UnknownError(f'no scenario "{word}"; {did_you_mean(word, names())}')
    return scenario.load(FOLDER / f"{word}.toml")
