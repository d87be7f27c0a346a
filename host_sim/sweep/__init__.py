# SPDX-License-Identifier: MIT
"""A configuration with one value changed, again and again: what each would have done.

    from host_sim.sweep import Sweep, parse_vary

    swept = Sweep("shop.toml", ["access.log"], [parse_vary("limit.api.rate=50..500/min")]).run()
    print([(point.values, point.lost_ppm) for point in swept.points])
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {"Sweep": "engine", "Reading": "engine", "Swept": "result", "Point": "result",
          "Vary": "grid", "parse_vary": "grid", "GridError": "grid", "PatchError": "patch"}

__all__ = ["GridError", "PatchError", "Point", "Reading", "Sweep", "Swept", "Vary", "parse_vary"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
