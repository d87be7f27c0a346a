# SPDX-License-Identifier: MIT
"""Planning: what another configuration would have decided on the same traffic.

    from host_sim.plan import plan

    told = plan("shop.toml", "shop-tighter.toml", "access.log.gz")
    print(told.newly_denied, told.report().headline)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from host_sim.plan.result import Plan

if TYPE_CHECKING:
    from host_sim.config import Config
    from host_sim.replay.engine import Options, Sink

__all__ = ["Plan", "plan"]


def plan(
    old: str | os.PathLike[str] | Config, new: str | os.PathLike[str] | Config,
    *logs: str | os.PathLike[str], profile: str = "seed", options: Options | None = None,
    budgets: Sequence[str] = (), flips: Sink | None = None, gather: bool = False,
) -> Plan:
    """The decisions of two configurations on one log (as a replay reads them, "-" for standard
    input), or on several merged by time.

    `budgets` are texts as in --budget; `flips` takes an NDJSON line for each request whose verdict
    differs, `gather` keeps them for Plan.flips. Raises ConfigError, OSError, FormatError and
    BudgetError.
    """
    import dataclasses
    import io

    from host_sim.config import Config, load
    from host_sim.plan import budget
    from host_sim.plan.logs import Logs
    from host_sim.plan.run import Runner
    from host_sim.replay.engine import Options

    sides = [side if isinstance(side, Config) else load(side, profile=profile)
             for side in (old, new)]
    options = options or Options()
    sink = io.BytesIO() if gather else flips
    with Logs(*logs, maps=options.maps) as source:
        told = Runner(sides[0], sides[1], source, options, profile,
                      [budget.parse(text) for text in budgets], sink).run()
    if not isinstance(sink, io.BytesIO) or not gather:
        return told
    if flips is not None:
        flips.write(sink.getvalue())
    return dataclasses.replace(told, gathered=sink.getvalue())
