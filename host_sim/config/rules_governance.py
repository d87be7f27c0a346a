# SPDX-License-Identifier: MIT
"""Rules of [[alert]], but for metric = "cost": units, windows, lines, and what may be combined."""

from __future__ import annotations

from host_sim.config import units
from host_sim.config.alerts import value_of
from host_sim.config.model_alert import Alert
from host_sim.config.positions import Path
from host_sim.config.rules import Ground

WINDOW_MAX_NS = 3_600 * units.NS_PER_S
FOR_MAX_NS = 2**61
GRAINS_NS = tuple(seconds * units.NS_PER_S for seconds in (1, 60, 3_600))


def check_alerts(ground: Ground) -> None:
    """Every alert alone, then the table."""
    rows: list[Path] = []
    for index, alert in enumerate(ground.file.alert):
        if alert is None or alert.metric is None or alert.metric == "cost":
            continue
        path: Path = ("alert", index)
        rows.append(path)
        ground.refer((*path, "tenant"), alert.tenant, ground.names_of("tenant"), "tenant")
        ground.refer((*path, "service"), alert.service, ground.names_of("service"), "service")
        _check_keys(ground, path, alert)
        _check_line(ground, path, alert)
        _check_window(ground, path, alert)
    most = ground.room.alert_rule_max
    if len(rows) > most:
        ground.say(
            rows[most],
            "too-many-rows",
            f"{len(rows)} alerts, but profile {ground.room.name} has room for {most}; remove "
            "some or choose another with --profile",
            key=True,
        )


def _check_keys(ground: Ground, path: Path, alert: Alert) -> None:
    for key in ("thresholds", "of"):
        if getattr(alert, key):
            ground.say(
                (*path, key),
                "conflict",
                f'"{key}" belongs to metric = "cost"; of "{alert.metric}" say above',
                key=True,
            )
    if alert.metric == "latency_p95" and alert.tenant is not None:
        ground.say(
            (*path, "tenant"),
            "conflict",
            "latencies are kept by service, not by tenant; remove the tenant",
            key=True,
        )
    if alert.metric == "queued" and None not in (alert.tenant, alert.service):
        ground.say(
            (*path, "tenant"),
            "conflict",
            "a queue is counted by service or by tenant, not by both; keep one",
            key=True,
        )


def _number(ground: Ground, path: Path, alert: Alert, key: str) -> int | None:
    try:
        return value_of(alert.metric, getattr(alert, key))
    except units.UnitError as error:
        ground.say((*path, key), error.code, error.message)
        return None


def _check_line(ground: Ground, path: Path, alert: Alert) -> None:
    if alert.above is None:
        ground.say(
            path,
            "missing-key",
            f'"above" is missing: say where "{alert.metric}" is too much; add it',
        )
        return
    above = _number(ground, path, alert, "above")
    if alert.clear_below is None or above is None:
        return
    clear = _number(ground, path, alert, "clear_below")
    if clear is not None and not 1 <= clear <= above + 1:
        ground.say(
            (*path, "clear_below"),
            "out-of-range",
            "an alert cannot resolve above its own line, or below 0; write at most the value of "
            "above",
        )


def _check_window(ground: Ground, path: Path, alert: Alert) -> None:
    if alert.window % units.NS_PER_S or not 0 < alert.window <= WINDOW_MAX_NS:
        ground.say(
            (*path, "window"),
            "out-of-range",
            f'"{units.duration_text(alert.window)}": a window is whole seconds, 1s to 1h',
        )
    elif alert.metric == "latency_p95" and alert.window not in GRAINS_NS:
        ground.say(
            (*path, "window"),
            "out-of-range",
            "percentiles are kept for windows of 1s, 1min and 1h; use one of them",
        )
    if alert.for_ > FOR_MAX_NS:
        ground.say((*path, "for"), "out-of-range", "an alert waits at most 73 years")
