# SPDX-License-Identifier: MIT
"""[[alert]] in numbers: what is watched, where its line is, in which unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from host_sim.config import layout, units
from host_sim.config.model import File
from host_sim.config.model_alert import ALERT_METRICS, Alert

RATIOS = ("denied_ratio", "error_ratio")
DURATIONS = ("wait", "latency_p95")
ABOVE_MAX = 2**63 - 1


def value_of(metric: str, value: int | str) -> int:
    """A line in the unit of its metric: counts as they are, shares in parts per million, durations
    in ns. UnitError with what the metric takes."""
    if metric in RATIOS:
        if not isinstance(value, str):
            raise units.UnitError(
                "bad-percent", f'a share is text as "5%", not {value}; write for example "5%"'
            )
        return units.parse_ppm(value)
    if metric in DURATIONS:
        if not isinstance(value, str):
            raise units.UnitError(
                "bad-duration", f'a time is text as "250ms", not {value}; say the unit'
            )
        return units.parse_duration(value)
    if isinstance(value, str) and metric != "bytes":
        raise units.UnitError(
            "bad-choice", f'"{metric}" is counted; write a whole number without quotes'
        )
    number = units.parse_size(value)
    if number > ABOVE_MAX:
        raise units.UnitError("out-of-range", f"a line is at most {ABOVE_MAX}")
    return number


def line_of(alert: Alert) -> tuple[int, int]:
    """(above, clear_below) in numbers; UnitError when one is none."""
    above = value_of(alert.metric, alert.above if alert.above is not None else 0)
    if alert.clear_below is None:
        return above, above + 1
    return above, value_of(alert.metric, alert.clear_below)


def rows(file: File, services: Sequence[str], tenants: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the blob's alert section: every alert but those on what is spent."""
    found = []
    for alert in file.alert:
        if alert.metric == "cost":
            continue
        above, clear_below = line_of(alert)
        found.append(
            dict(
                name=alert.name,
                above=above,
                clear_below=clear_below,
                for_ns=alert.for_,
                window_ns=alert.window,
                service=layout.NONE if alert.service is None else services.index(alert.service),
                tenant=layout.NONE if alert.tenant is None else tenants.index(alert.tenant),
                metric=ALERT_METRICS.index(alert.metric),
            )
        )
    return found
