# SPDX-License-Identifier: MIT
"""What the plan's tests share: two configurations, logs that both read differently, and the flips
as two separate replays say them."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

from host_sim.config import Config, loads
from host_sim.replay.engine import Options, Replay
from host_sim.replay.source import Source

OLD = """
version = 1
[service.web]
[service.api]
[[route]]
name = "api"
service = "api"
path = { prefix = "/api" }
[[route]]
name = "all"
service = "web"
path = { prefix = "/" }
[tenant.near]
plan = "gold"
[tenant.far]
plan = "free"
[[identity]]
when = { ip = "10.0.0.0/8" }
tenant = "near"
user = "ip"
[[identity]]
when = {}
tenant = "far"
[[limit]]
name = "per-client"
scope = "ip"
algorithm = "token_bucket"
rate = "1/s"
burst = 2
[[quota]]
name = "near-day"
tenant = "near"
type = "requests"
limit = 12
window = "day"
enforcement = "hard"
[queue.service.api]
servers = 1
depth = 3
[cost.web]
base = "0.10"
"""
# Another burst and limit, a longer queue, another price; and users by a header, so that a line
# whose header is too long for a name is no row here.
NEW = OLD.replace("burst = 2", "burst = 1").replace("limit = 12", "limit = 20").replace(
    'user = "ip"', 'user = { header = "X-User" }').replace("depth = 3", "depth = 8").replace(
    '"0.10"', '"0.12"')
HEAD = "time,ip,path,duration_ms,x_user\n"
MAPS = ("time=time,ip=ip,path=path,duration=duration_ms:ms,header:X-User=x_user",)
LONG = "u" * 1100


def log_of(rows: list[tuple[Any, ...]]) -> bytes:
    """A log of (second, address, path, milliseconds, user)."""
    return (HEAD + "".join(",".join(map(str, row)) + "\n" for row in rows)).encode()


def decisions(
    config: Config, paths: str | list[str], options: Options, profile: str = "tiny"
) -> dict[tuple[int, int], dict[str, Any]]:
    """A replay's decisions by source and line."""
    sink = io.BytesIO()
    logs = [paths] if isinstance(paths, str) else paths
    with contextlib.ExitStack() as stack:
        sources = [stack.enter_context(Source(path)) for path in logs]
        stack.enter_context(Replay(config, sources, profile=profile, options=options,
                                   decisions=sink)).run_host()
    rows = [json.loads(line) for line in sink.getvalue().splitlines()]
    return {(row.get("source", 0), row["line"]): row for row in rows}


def separate_flips(
    old: Config, new: Config, paths: str | list[str], options: Options, profile: str = "tiny"
) -> dict[tuple[int, int], dict[str, Any]]:
    """Line by line, where two separate replays say another verdict: what `--flips` must write."""
    sides = [decisions(config, paths, options, profile) for config in (old, new)]
    found = {}
    for line in sides[0].keys() & sides[1].keys():
        one, other = sides[0][line], sides[1][line]
        if one["verdict"] != other["verdict"]:
            found[line] = {"t_ns": one["t_ns"], "old": _told(one), "new": _told(other)}
    return found


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("seq", "verdict", "reason", "by", "retry_after_ns")}


def written_flips(text: bytes) -> dict[tuple[int, int], dict[str, Any]]:
    """The same of what a plan wrote; each line is told once."""
    rows = [json.loads(line) for line in text.splitlines()]
    found = {(row.get("source", 0), row["line"]):
             {key: row[key] for key in ("t_ns", "old", "new")} for row in rows}
    assert len(found) == len(rows)
    return found


def both() -> tuple[Config, Config]:
    """The two configurations, for the profile tiny: there a core is made at once."""
    return loads(OLD, profile="tiny"), loads(NEW, profile="tiny")
