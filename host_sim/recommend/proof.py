# SPDX-License-Identifier: MIT
"""A proposed limit replayed through the whole core: what it denies, and who is hurt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from host_sim.config import Config, loads
from host_sim.recommend.curve import Interrupted
from host_sim.recommend.propose import Proposal, whole
from host_sim.recommend.trace import PROFILE, Trace
from host_sim.replay.engine import Progress, Replay
from host_sim.replay.source import Source
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


class Chain(Source):
    """Logs of one format one after the other, the later ones without their header lines."""

    def __init__(self, paths: Sequence[str], skip_lines: int) -> None:
        self._paths, self._skip_lines = list(paths[1:]), skip_lines
        super().__init__(paths[0])

    def read(self, size: int) -> bytes:
        """The next bytes, 1 to `size`; empty at the end of the last log."""
        data = super().read(size)
        while not data and self._paths and not self.problem:
            self.close()
            name = self._paths.pop(0)
            super().__init__(name)
            for _ in range(self._skip_lines):
                while b"\n" not in self._ahead and (more := self._next(1 << 20)):
                    self._ahead += more
                self._ahead = self._ahead.partition(b"\n")[2]
            self._ahead = b"\n" + self._ahead   # the log before may end without one
            data = super().read(size)
        return data


def compiled(trace: Trace, proposals: Sequence[Proposal], base: str | None, why: str) -> Config:
    """The configuration that has these limits; ConfigError where it cannot be."""
    name = trace.config.path if trace.config else "<recommended>"
    return loads(whole(trace.shape, proposals, base, why), name=name, profile=PROFILE)


def prove(
    trace: Trace, config: Config, progress: Progress | None = None,
    stopping: Callable[[], bool] | None = None,
) -> Proof:
    """Replays the trace's logs through `config`. Interrupted: half a replay proves nothing."""
    options = dataclasses.replace(trace.options, maps=trace.maps, top=VICTIMS)
    with (
        Chain(trace.logs, trace.skip_lines) as source,
        Replay(config, source, profile=PROFILE, options=options, progress=progress,
               stopping=stopping) as replay,
    ):
        summary = replay.run_host()
    if summary.interrupted:
        raise Interrupted
    return _proof(trace, summary)


def _proof(trace: Trace, summary: Summary) -> Proof:
    users = trace.shape.key == "user" or (trace.shape.key == "all" and trace.has.get("user", False))
    keys = summary.users if users else summary.clients
    return Proof(
        summary.requests,
        {rule.name: rule.denied for rule in summary.rules if rule.kind == "limit"},
        tuple(key for key in keys if key.denied), summary.user_count if users
        else summary.client_count, "user" if users else "client", summary.config_hash,
        summary.decision_digest, summary.elapsed_ns)
