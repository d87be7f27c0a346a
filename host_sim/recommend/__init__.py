# SPDX-License-Identifier: MIT
"""The smallest limit that would have denied so little of what a log shows, and the proof.

    from host_sim.recommend import Shape, Wanted, recommend

    made = recommend(["access.log"], Wanted(1000, Shape(key="client")))
    print(made.fragment, made.findings())
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {"Recommendation": "result", "Wanted": "engine", "recommend": "engine",
          "Shape": "trace", "Trace": "trace", "Burst": "search", "Curve": "curve",
          "Candidate": "curve"}

__all__ = ["Burst", "Candidate", "Curve", "Recommendation", "Shape", "Trace", "Wanted", "recommend"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
