# SPDX-License-Identifier: MIT
"""Replaying a log: its bytes, its lines, its order, and what a configuration makes of it.

    from host_sim import config
    from host_sim.replay import replay

    summary = replay(config.load("shop.toml"), "access.log.gz")
    print(summary.text(), summary.decision_digest)
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from host_sim.config import Config
    from host_sim.replay.engine import Options
    from host_sim.replay.summary import Summary

__all__ = ["image_replay", "replay"]


def replay(
    config: Config, *logs: str | os.PathLike[str], profile: str = "seed",
    options: Options | None = None, link: Any = None,
) -> Summary:
    """Replays a log (plain, gzip, zstd or Parquet, "-" for standard input), or several merged by
    time, through a configuration.

    `link` is a shell.Link: then the core at its other end decides, with the same digests as here.
    Raises OSError and FormatError for a log that cannot be read.
    """
    from host_sim.replay.engine import Options, Replay
    from host_sim.replay.source import opened

    options = options or Options()
    with (
        contextlib.ExitStack() as stack,
        Replay(config, [stack.enter_context(opened(os.fspath(log), options.maps)) for log in logs],
               profile=profile, options=options) as run,
    ):
        return run.run_host() if link is None else run.run_image(link)


def image_replay(link: Any, log: str, config: str | None) -> str:
    """The summary of a replay in a running image, whose clock goes on from the log's end.

    `config` is a TOML file, examples/rayos.toml when it is None.
    """
    from pathlib import Path

    from host_sim.config import load

    frozen = Path(__file__).resolve().parents[2] / "examples" / "rayos.toml"
    summary = replay(load(config or frozen), log, link=link)
    link.clock(0, virtual=False)
    return summary.text()
