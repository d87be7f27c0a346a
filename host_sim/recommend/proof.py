# SPDX-License-Identifier: MIT
"""A proposed limit replayed through the whole core: what it denies, and who is hurt."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence

from host_sim.config import Config, loads
from host_sim.recommend.curve import Interrupted
from host_sim.recommend.propose import Proposal, whole
from host_sim.recommend.trace import PROFILE, Trace
from host_sim.replay.engine import Progress, Replay
from host_sim.replay.source import opened
from host_sim.replay.summary import Key, Summary

VICTIMS = 1000


@dataclasses.dataclass(frozen=True)
class Proof:
    """One replay: denials by the name of the limit, who was denied most (at most 1,000), how many
    there are in all, and what the replay can be traced to."""

    requests: int
    denied: dict[str, int]
    hurt: tuple[Key, ...]
    keys: int
    who: str            # "client" or "user"
    config_hash: str
    decision_digest: str
    elapsed_ns: int


def compiled(trace: Trace, proposals: Sequence[Proposal], base: str | None, why: str) -> Config:
    """The configuration that has these limits; ConfigError where it cannot be."""
    name = trace.config.path if trace.config else "<recommended>"
    mode = trace.config.file.mode if trace.config else "enforce"
    return loads(whole(trace.shape, proposals, base, why, mode), name=name, profile=PROFILE)


def prove(
    trace: Trace, config: Config, progress: Progress | None = None,
    stopping: Callable[[], bool] | None = None,
) -> Proof:
    """Replays the trace's logs through `config`. Interrupted: half a replay proves nothing."""
    options = dataclasses.replace(trace.options, maps=trace.maps, top=VICTIMS)
    with (
        contextlib.ExitStack() as stack,
        Replay(config, [stack.enter_context(opened(log, trace.maps)) for log in trace.logs],
               profile=PROFILE, options=options, progress=progress, stopping=stopping) as replay,
    ):
        summary = replay.run_host()
    if summary.interrupted:
        raise Interrupted
    return _proof(trace, summary)


def _proof(trace: Trace, summary: Summary) -> Proof:
    users = trace.shape.key == "user" or (trace.shape.key == "all" and trace.has_user)
    keys = summary.users if users else summary.clients
    return Proof(
        summary.requests,
        {rule.name: rule.denied for rule in summary.rules if rule.kind == "limit"},
        tuple(key for key in keys if key.denied), summary.user_count if users
        else summary.client_count, "user" if users else "client", summary.config_hash,
        summary.decision_digest, summary.elapsed_ns)
