# SPDX-License-Identifier: MIT
"""Who waits and what is promised, as pydantic models: [queue] and [sla.NAME]."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from host_sim.config.fields import ClassWord, Duration, Model, Percent


class Weights(Model):
    """Dispatches of each class in one round; no class is ever passed by for long."""

    critical: int = Field(16, ge=1, le=1000, description="Dispatches of critical.")
    high: int = Field(8, ge=1, le=1000, description="Dispatches of high.")
    normal: int = Field(4, ge=1, le=1000, description="Dispatches of normal.")
    low: int = Field(2, ge=1, le=1000, description="Dispatches of low.")
    batch: int = Field(1, ge=1, le=1000, description="Dispatches of batch.")


class QueueService(Model):
    """What one service says itself; the rest is `[queue]`'s."""

    servers: int | None = Field(
        None, ge=0, le=65_536, description="Requests it serves at once; 0: any number."
    )
    depth: int | None = Field(None, ge=1, le=65_536, description="Requests that may wait for it.")
    flows: int | None = Field(None, ge=1, description="Fair sub-queues per class.")


class Queue(Model):
    """Who waits, and who is sent next. Requests wait only for a service with `servers`."""

    weights: Weights = Field(
        default_factory=Weights.model_construct,
        description="Weighted round robin between the classes.",
    )
    critical_cap: Percent = Field(
        600_000, description="Share of dispatches critical may take out of turn, at most 90%."
    )
    servers: int = Field(
        0,
        ge=0,
        le=65_536,
        description="Requests a service serves at once; 0: any number, and nothing waits.",
    )
    depth: int = Field(256, ge=1, le=65_536, description="Requests that may wait for one service.")
    flows: int = Field(
        1, ge=1, description="Fair sub-queues per class; who is in which is a matter of `flow_by`."
    )
    flow_by: Literal["user", "tenant", "address"] = Field(
        "user", description="Whose requests make one flow."
    )
    on_full: Literal["displace", "reject"] = Field(
        "displace",
        description="A higher class displaces the newest request of the lowest, or is turned away.",
    )
    order: Literal["arrival", "deadline"] = Field(
        "arrival", description="Inside a class: first come, or the earliest deadline first."
    )
    service: dict[str, QueueService] = Field(
        default_factory=dict, description="`[queue.service.NAME]`."
    )


class Sla(Model):
    """What the service NAME promises, minute by minute."""

    p95_latency: Duration = Field(description="95 of 100 outcomes of a minute are at most so late.")
    deadline: Duration | None = Field(
        None,
        description="A request not sent so long after its arrival is dropped; "
        "p95_latency when absent.",
    )
    error_rate: Percent = Field(
        1_000_000, description="More failed outcomes in a minute are a breach; steps of 0.01%."
    )
    priority: ClassWord | None = Field(
        None, description="Class of its requests that name none; the file's default when absent."
    )
