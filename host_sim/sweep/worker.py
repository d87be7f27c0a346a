# SPDX-License-Identifier: MIT
"""One process of a sweep: `python -m host_sim.sweep.worker`. A line of JSON in asks for a point, a
line of JSON out tells what came of it; the end of the input ends it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from typing import Any

from host_sim.config import ConfigError, loads
from host_sim.errors import RaygateError
from host_sim.replay.engine import Options, Replay
from host_sim.replay.mapping import parse_maps
from host_sim.replay.program import FormatError
from host_sim.replay.source import Source, opened
from host_sim.replay.summary import Summary


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Replays the logs through one configuration; `error` says why there is no result."""
    try:
        config = loads(asked["toml"], name=asked["name"], profile=asked["profile"])
    except ConfigError as error:
        return {"error": "; ".join(finding.message for finding in error.diagnostics[:3])}
    options = Options(asked["order"], asked["window"], asked["form"],
                      parse_maps(tuple(asked["maps"])), spread=asked["spread"],
                      spread_seed=asked["spread_seed"])
    try:
        with (
            contextlib.ExitStack() as stack,
            Replay(config, [stack.enter_context(_named(log, name, options))
                            for log, name in zip(asked["logs"], asked["names"], strict=True)],
                   profile=asked["profile"], options=options) as replay,
        ):
            return _told(replay.run_host())
    except OSError as error:
        return {"error": f"{error.filename or asked['logs'][0]}: {error.strerror or error}"}
    except (FormatError, RaygateError, MemoryError) as error:
        return {"error": str(error) or "memory ran out"}


def _named(log: str, name: str, options: Options) -> Source:
    """A log under the name it is told by: standard input is kept in a file of another."""
    source = opened(log, options.maps)
    source.name = name
    return source


def _told(summary: Summary) -> dict[str, Any]:
    governed = summary.governed
    return {
        "requests": summary.requests, "denied": summary.verdicts.get("deny", 0),
        "delayed": summary.verdicts.get("delay", 0), "dropped": summary.dropped,
        "expired": summary.expired, "would_deny": summary.would_deny, "queued": summary.queued,
        "queues": [dataclasses.asdict(queue) for queue in governed.queues],
        "bills": {bill.tenant: bill.nano for bill in governed.bills},
        "rules": {f"{rule.kind} {rule.name}": rule.denied for rule in summary.rules},
        "config_hash": summary.config_hash, "decision_digest": summary.decision_digest,
        "state_digest": summary.state_digest, "book_digest": summary.book_digest,
        "elapsed_ns": summary.elapsed_ns, "findings": summary.findings(),
    }


def main() -> None:
    """Serves points until the input ends. What anything else prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        out.write(json.dumps(run(json.loads(line))) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
