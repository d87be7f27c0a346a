# SPDX-License-Identifier: MIT
"""Rules of [queue] and [sla.NAME]: services, shares in whole steps, and what has no effect."""

from __future__ import annotations

from host_sim.config.diagnostics import did_you_mean
from host_sim.config.positions import Path
from host_sim.config.rules import Ground

CAP_MAX_PPM = 900_000
INSTANT_MAX_NS = 2**63 - 1


def check_priority(ground: Ground) -> None:
    """The queue, each service's own part of it, then each promise."""
    _check_queue(ground)
    for name in _stated(ground):
        _refer_to_service(ground, ("queue", "service", name), name)
    for name, own in ground.file.queue.service.items():
        path: Path = ("queue", "service", name)
        _check_flows(ground, (*path, "flows"), own.flows)
        if not own.model_fields_set:
            ground.say(path, "conflict", "the service says nothing itself; remove it", key=True)
    for name in ground.file.sla:
        _check_sla(ground, name)


def _stated(ground: Ground) -> list[str]:
    """Services with a table of their own, those with errors in it too."""
    queue = ground.raw.get("queue")
    service = queue.get("service") if isinstance(queue, dict) else None
    return list(service) if isinstance(service, dict) else []


def _refer_to_service(ground: Ground, path: Path, name: str) -> None:
    known = ground.names_of("service")
    if name not in known:
        advice = did_you_mean(name, known, what="service")
        ground.say(path, "unknown-reference", f'no service "{name}"; {advice}', key=True)


def _check_flows(ground: Ground, path: Path, flows: int | None) -> None:
    most = ground.room.queue_flow_max
    if flows is not None and flows > most:
        ground.say(path, "out-of-range", f"at most {most} flows in profile {ground.room.name}")


def _check_queue(ground: Ground) -> None:
    queue = ground.file.queue
    if queue.critical_cap > CAP_MAX_PPM or queue.critical_cap % 10_000:
        ground.say(
            ("queue", "critical_cap"),
            "out-of-range",
            "the cap is a whole percentage from 0% to 90%: what is left keeps the others alive",
        )
    _check_flows(ground, ("queue", "flows"), queue.flows)
    waits = queue.servers or any(own.servers for own in queue.service.values())
    delays = any(limit is not None and limit.queue for limit in ground.file.limit)
    whole = len(_stated(ground)) == len(queue.service)
    if "queue" in ground.raw and whole and not waits and not delays:
        ground.note(
            ("queue",),
            "note-no-wait",
            "no service says how many requests it serves at once, so nothing ever waits; write "
            "servers here or in [queue.service.NAME]",
        )


def _check_sla(ground: Ground, name: str) -> None:
    path: Path = ("sla", name)
    sla = ground.file.sla[name]
    _refer_to_service(ground, path, name)
    for key in ("p95_latency", "deadline"):
        value = getattr(sla, key, None)
        if value is not None and not 0 < value <= INSTANT_MAX_NS:
            ground.say((*path, key), "out-of-range", f'"{key}" is longer than 0, at most 292 years')
    if sla.error_rate > 1_000_000 or sla.error_rate % 100:
        ground.say(
            (*path, "error_rate"), "out-of-range", "an error rate is 0% to 100% in steps of 0.01%"
        )
