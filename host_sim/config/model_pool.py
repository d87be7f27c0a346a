# SPDX-License-Identifier: MIT
"""Which instances serve, and which of them gets the next request, as pydantic models:
[pool.NAME]."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from host_sim.config.fields import Duration, Endpoint, LoadPercent, Model, Name, Percent
from host_sim.config.units import NS_PER_S

STREAK_MAX = 1_000  # RAY_LB_STREAK_MAX
WEIGHT_MAX = 1_000  # RAY_LB_WEIGHT_MAX


class Sticky(Model):
    """What keeps a caller at one instance while that may be picked; exactly one of cookie, header
    and address."""

    cookie: Name | None = Field(None, description="Callers with the same value of this cookie.")
    header: Name | None = Field(None, description="Callers with the same value of this header.")
    address: bool = Field(False, description="Callers of the same address.")
    ttl: Duration | None = Field(
        None,
        description="For whoever sets the cookie. The choice is computed from the value and never "
        "stored, so it has no effect here.",
    )


class Health(Model):
    """Probes. An instance is Unknown until they say otherwise; without probes it counts as
    Healthy until an operator says otherwise. The core opens no socket: the host probes, by
    `host_sim.probing`, or whoever says `lb health POOL INSTANCE pass|fail`."""

    every: Duration = Field(10 * NS_PER_S, description="The host: from one probe to the next.")
    timeout: Duration = Field(
        NS_PER_S, description="The host: a probe that takes longer failed."
    )
    path: str | None = Field(
        None,
        description="The host: GET of this, where a status of 200 to 399 passes; a connection "
        "alone passes when absent.",
    )
    rise: int = Field(
        2, ge=1, le=STREAK_MAX, description="Probes in a row that must pass to be Healthy."
    )
    fall: int = Field(
        3, ge=1, le=STREAK_MAX, description="Probes in a row that must fail to be Unhealthy."
    )


class Eject(Model):
    """Takes an instance out after its own requests failed, whatever probes say. One always
    stays."""

    after: int = Field(5, ge=1, le=STREAK_MAX, description="Failed requests in a row.")
    for_: Duration = Field(
        30 * NS_PER_S,
        alias="for",
        description="How long, the first time; n times as long the n-th time in a row, at most 10.",
    )
    percent: int = Field(
        50, ge=1, le=100, description="Of the pool that may be out at once, in percent."
    )


class Panic(Model):
    """When so few instances are fit that picking only those would break them too."""

    below: Percent = Field(description="Share of fit instances below which health is ignored.")
    fail: bool = Field(False, description="Nobody is picked then, instead of anybody.")


class SlowStart(Model):
    """An instance that comes back, or joins a pool at work, gets its weight little by little."""

    over: Duration = Field(description="From coming back to its full weight.")
    from_: Percent = Field(
        100_000, alias="from", description="Share of its weight to begin with, 1% to 100%."
    )


class Connections(Model):
    """Connections of the pool at once, and those kept open between requests."""

    max: int = Field(0, ge=0, description="At once; `pool-full` beyond. 0: any number.")
    idle_max: int = Field(0, ge=0, description="Idle ones that are kept for the next request.")
    idle_ttl: Duration = Field(90 * NS_PER_S, description="An idle one is closed after this.")


class Instance(Model):
    """One instance; where it is reached is its name."""

    at: Endpoint = Field(description="`host:port`, at most 47 bytes.")
    weight: int = Field(1, ge=1, le=WEIGHT_MAX, description="Its share beside the others'.")


class Discover(Model):
    """Instances that are found by name; an empty or failed answer keeps the last. The core
    resolves nothing: the host does, by `host_sim.discovery.watch(config, kernel)`, or whoever says
    `lb discover POOL HOST:PORT...`."""

    dns: str = Field(
        description="The host: a name; one that begins with `_` is an SRV name and brings ports "
        "and weights."
    )
    every: Duration = Field(
        30 * NS_PER_S,
        description="The host: an answer is kept at most so long; a shorter TTL asks sooner.",
    )
    port: int = Field(
        80, ge=1, le=65_535, description="The host: of addresses; SRV names bring their own."
    )


Strategy = Literal[
    "round_robin", "least_connections", "weighted_round_robin", "ip_hash", "ketama", "maglev",
    "nginx_ip_hash",
]  # fmt: skip


class Pool(Model):
    """Instances that serve the same; a service names its pool with `pool`."""

    strategy: Strategy = Field("round_robin", description="Who gets the next request.")
    sticky: Sticky | None = Field(None, description="Keeps a caller at one instance.")
    health: Health | None = Field(None, description="Probes.")
    eject: Eject | None = Field(None, description="Out after failed requests in a row.")
    panic: Panic | None = Field(None, description="What holds when hardly anybody is fit.")
    slow_start: SlowStart | None = Field(None, description="Weight little by little.")
    load: LoadPercent | None = Field(
        None,
        description="Hashes: most of the mean load that one instance takes, 125% to 200%; any when "
        "absent.",
    )
    connections: Connections | None = Field(None, description="How many, and which are kept.")
    instances: list[Instance] = Field(default_factory=list, description="Its instances.")
    discover: Discover | None = Field(
        None, description="They are found by name; until the first answer `instances` serve."
    )
