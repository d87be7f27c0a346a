# SPDX-License-Identifier: MIT
"""Scenarios: the real core in trouble that is simulated, with what must come of it stated."""

from __future__ import annotations

from host_sim.scenarios.balance import killed_instance, lose_one_of_n
from host_sim.scenarios.guards import probe_never_answers, retry_storm
from host_sim.scenarios.run import Expectation, Result, Scenario

__all__ = ["SCENARIOS", "Expectation", "Result", "Scenario"]

SCENARIOS: dict[str, Scenario] = {
    "probe-never-answers": probe_never_answers,
    "killed-instance": killed_instance,
    "lose-one-of-n": lose_one_of_n,
    "retry-storm": retry_storm,
}
