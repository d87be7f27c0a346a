# SPDX-License-Identifier: MIT
"""Where the shared suites and logs are; a test that needs an absent one skips and says so."""
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def data(*parts: str) -> pathlib.Path:
    """Path of a shared file; skips the calling test, visibly, where it is absent."""
    base = pathlib.Path(os.environ.get("RAYGATE_DATA", ROOT.parent / "shared" / "data"))
    path = base.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"shared data absent: {'/'.join(parts)}")
    return path
