# SPDX-License-Identifier: MIT
"""Clients and upstreams that do not exist, around the core that does.

    result = Simulation("noisy-neighbour").run()
    result.holds, result.total.number("denied_ppm")
"""

from host_sim.simulation.engine import Simulation
from host_sim.simulation.result import Result
from host_sim.simulation.scenario import Scenario, load, loads

__all__ = ["Result", "Scenario", "Simulation", "load", "loads"]
