# SPDX-License-Identifier: MIT
"""What every test may ask for: a core in a profile, and how hard Hypothesis tries."""

from __future__ import annotations

import os
import shutil
from typing import Any

import hypothesis
import pytest

# A run in CI finds the same examples every time; at a desk new ones are looked for each time.
# HYPOTHESIS_PROFILE=hard looks long.
hypothesis.settings.register_profile(
    "ci", max_examples=150, stateful_step_count=40, derandomize=True, deadline=None, database=None
)
hypothesis.settings.register_profile(
    "desk", max_examples=50, stateful_step_count=30, deadline=None
)
hypothesis.settings.register_profile(
    "hard", max_examples=5000, stateful_step_count=100, deadline=None
)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "desk")
)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests of the image skip, and say so, where there is no QEMU."""
    if item.get_closest_marker("qemu") and not shutil.which("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64 is not installed (apt-get install qemu-system-x86)")


@pytest.fixture(params=["seed", "edge", "tiny"])
def profile(request: pytest.FixtureRequest) -> str:
    """Each capacity profile in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def raw() -> Any:
    """The cffi layer of the default profile: .ffi and .lib."""
    from host_sim import _raw

    return _raw.load("seed")


@pytest.fixture
def kernel() -> Any:
    """A fresh core of the default profile."""
    from host_sim.kernel import Kernel

    return Kernel()


@pytest.fixture
def tiny() -> Any:
    """A fresh core with two to eight of everything, where tables fill quickly."""
    from host_sim.kernel import Kernel

    return Kernel(profile="tiny")
