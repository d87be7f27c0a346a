# SPDX-License-Identifier: MIT
"""raygate on the host: the core as a Python package, log readers, replay and reports.

    from host_sim import Replay

    replay = Replay("shop.toml", "access.log.gz")
    replay.decisions.arrow()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from host_sim.kernel import Kernel
    from host_sim.plan import Plan
    from host_sim.replay.front import Replay
    from host_sim.simulation import Simulation
    from host_sim.testing import Gate

__all__ = ["Gate", "Kernel", "Plan", "Replay", "Simulation"]

# Loaded when they are asked for: an image is built before there is a compiled extension.
_HOMES = {"Gate": "host_sim.testing", "Kernel": "host_sim.kernel", "Plan": "host_sim.plan",
          "Replay": "host_sim.replay.front", "Simulation": "host_sim.simulation"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
