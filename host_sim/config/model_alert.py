# SPDX-License-Identifier: MIT
"""[[alert]] as a pydantic model, shared by governance and cost: `metric` says whose an alert is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from host_sim.config import units
from host_sim.config.fields import Duration, Model, Money, Name

ALERT_METRICS: tuple[str, ...] = (
    "requests", "denied", "violations", "dropped", "errors", "tokens", "bytes", "denied_ratio",
    "error_ratio", "wait", "latency_p95", "queued",
)  # fmt: skip


class Alert(Model):
    """When to say something: a number in a window is above a line, for a while."""

    name: Name = Field(description="Unique among alerts.")
    metric: Literal[
        "requests",
        "denied",
        "violations",
        "dropped",
        "errors",
        "tokens",
        "bytes",
        "denied_ratio",
        "error_ratio",
        "wait",
        "latency_p95",
        "queued",
        "cost",
    ] = Field(
        description="What is watched: counts in a window, shares of it, the mean queue wait, the "
        "95th percentile of the latencies, requests that wait at its end, or what was spent."
    )
    tenant: Name | None = Field(None, description="Only this tenant's; all when absent.")
    service: Name | None = Field(None, description="Only this service's; all when absent.")
    thresholds: list[str] = Field(
        default_factory=list,
        description='cost: amounts ("100.00") or percentages of `of` ("80%") that alert once a '
        "period each.",
    )
    of: Money | None = Field(None, description="cost: what percentages are of.")
    above: int | str | None = Field(
        None,
        description="The line: a count, a share as 5%, or a duration; it holds where the value is "
        "greater.",
    )
    for_: Duration = Field(
        0, alias="for", description="How long it must hold, at every window's end, before it fires."
    )
    clear_below: int | str | None = Field(
        None,
        description="A firing alert resolves where the value is less; not above the line when "
        "absent.",
    )
    window: Duration = Field(
        60 * units.NS_PER_S,
        description="Whole seconds up to 1h; of latency_p95 one of 1s, 1min and 1h.",
    )
