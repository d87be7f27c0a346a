# SPDX-License-Identifier: MIT
"""The pytest fixture `raygate`: your configuration under virtual time, in your own tests.

    def test_a_user_has_a_burst_of_twenty(raygate):
        gate = raygate("shop.toml")
        assert gate.burst(30, "/orders", user="ann").allowed == 20

pytest finds this plugin by itself once raygate is installed. A test that fails says what its gates
decided last, and why.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from host_sim.config import Config
    from host_sim.testing import Gate


class MakesGates(Protocol):
    """What the fixture is: call it for a gate; see host_sim.testing.Gate for its arguments."""

    def __call__(
        self, config: Config | str | os.PathLike[str], *, at: str = ..., profile: str = ...
    ) -> Gate:
        """A gate with an empty core of its own."""


GATES: pytest.StashKey[list[Any]] = pytest.StashKey()


@pytest.fixture
def raygate(request: pytest.FixtureRequest) -> MakesGates:
    """Makes gates: `raygate("shop.toml", at="2026-01-05T22:00:00Z")`."""
    from host_sim.testing import NOON, Gate

    gates = request.node.stash.setdefault(GATES, [])

    def make(
        config: Config | str | os.PathLike[str], *, at: str = NOON, profile: str = "seed"
    ) -> Gate:
        gates.append(Gate(config, at=at, profile=profile))
        return gates[-1]  # type: ignore[no-any-return]

    return make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds what the gates of a failed test said last."""
    report = yield
    if report.when == "call" and report.failed:
        for gate in item.stash.get(GATES, []):
            report.sections.append(("raygate", gate.said()))
    return report
