# SPDX-License-Identifier: MIT
"""A proposed limit replayed through the whole core: what it denies, and who is hurt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from host_sim.config import Config, loads
from host_sim.plan.logs import close
from host_sim.plan.result import Plan
from host_sim.plan.run import Runner
from host_sim.recommend.curve import Interrupted
from host_sim.recommend.propose import Proposal, whole
from host_sim.recommend.trace import PROFILE, Trace
from host_sim.replay.engine import Progress, Replay
from host_sim.replay.summary import Key, Summary

VICTIMS = 1000
SERVED = ("ok", "none", "no-limit", "queued")     # reasons of requests that nobody refused


@dataclasses.dataclass(frozen=True)
class Proof:
    """One replay: denials by the name of the limit, whom these limits denied most (at most 1,000),
    how many keys there are in all, and what the replay can be traced to. Of a configuration that
    was there before, only requests that it did not deny itself. `refused` counts by reason what is
    denied without any limit: what no gateway takes."""

    requests: int
    denied: dict[str, int]
    hurt: tuple[Key, ...]
    keys: int
    who: str            # "client" or "user"
    config_hash: str
    decision_digest: str
    elapsed_ns: int
    refused: dict[str, int] = dataclasses.field(default_factory=dict)


def compiled(trace: Trace, proposals: Sequence[Proposal], base: str | None, why: str) -> Config:
    """The configuration that has these limits; ConfigError where it cannot be."""
    name = trace.config.path if trace.config else "<recommended>"
    mode = trace.config.file.mode if trace.config else "enforce"
    return loads(whole(trace.shape, proposals, base, why, mode), name=name, profile=PROFILE)


def prove(
    trace: Trace, config: Config, progress: Progress | None = None,
    stopping: Callable[[], bool] | None = None,
) -> Proof:
    """Replays the trace's logs through `config`, beside the configuration it grew out of, so that
    only what is newly denied counts. Without one that is a file with no limit, which is run only
    where requests were denied by other than limits: else nothing is to be told apart. Interrupted:
    half a replay proves nothing."""
    options = dataclasses.replace(trace.options, maps=trace.maps, top=VICTIMS)
    stopping = stopping or (lambda: False)
    logs = trace.logs.read_by(trace.maps)

    def beside(base: Config) -> Plan:
        return Runner(base, config, logs, options, PROFILE, progress=progress,
                      stopping=stopping).run()

    if trace.config is not None:
        proof = _compared(trace, beside(trace.config))
    else:
        sources = logs.open()
        try:
            with Replay(config, sources, profile=PROFILE, options=options, progress=progress,
                        stopping=stopping) as replay:
                proof = _alone(trace, replay.run_host())
        finally:
            close(sources)
        if proof.refused and any(proof.denied.values()) and not stopping():
            bare = compiled(trace, (), None, "without a limit")
            proof = dataclasses.replace(proof, hurt=_compared(trace, beside(bare)).hurt)
    if stopping():
        raise Interrupted
    return proof


def _by_user(trace: Trace) -> bool:
    return trace.shape.key == "user" or (trace.shape.key == "all" and trace.has_user)


def _alone(trace: Trace, summary: Summary) -> Proof:
    users = _by_user(trace)
    keys = summary.users if users else summary.clients
    denied = {rule.name: rule.denied for rule in summary.rules if rule.kind == "limit"}
    return Proof(
        summary.requests, denied,
        tuple(key for key in keys if key.denied) if any(denied.values()) else (),
        summary.user_count if users
        else summary.client_count, "user" if users else "client", summary.config_hash,
        summary.decision_digest, summary.elapsed_ns,
        {reason: number for reason, number in summary.reasons.items()
         if reason not in SERVED and not reason.startswith("rate-")})


def _compared(trace: Trace, told: Plan) -> Proof:
    users = _by_user(trace)
    denied: dict[str, int] = {}
    for pair in told.pairs:
        if pair.change == "newly-denied" and pair.new.kind == "limit":
            denied[pair.new.name] = denied.get(pair.new.name, 0) + pair.requests
    people = told.users_denied if users else told.clients_denied
    return Proof(
        told.requests, denied,
        tuple(Key(one.name, one.requests, one.newly_denied, 0, 0) for one in people
              if one.newly_denied), told.new.user_count if users
        else told.new.client_count,
        "user" if users else "client", told.new.config_hash, told.new.decision_digest,
        told.new.elapsed_ns)
