# SPDX-License-Identifier: MIT
"""A scenario's TOML file as pydantic models: its head, [[client]], [[upstream]], [[event]],
[[expect]]."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from host_sim.config import units
from host_sim.config.fields import (
    ClassWord,
    Duration,
    MethodWord,
    Model,
    Name,
    NetworkText,
    Percent,
    RateText,
    Size,
    Time,
    fail,
)

Role = Literal["admin", "service-account", "user", "guest"]
DAY_NS = 24 * 3600 * units.NS_PER_S
START_NS = 1_767_225_600 * units.NS_PER_S  # 2026-01-01T00:00:00Z


def _shift(value: object) -> int:
    """+1h, -30s: signed nanoseconds."""
    found = re.fullmatch(r"([+-])(.+)", value) if isinstance(value, str) else None
    if found is None:
        raise fail("bad-duration", 'a clock steps by "+1h" or "-30s"')
    try:
        ns = units.parse_duration(found[2])
    except units.UnitError as error:
        raise fail(error.code, error.message) from None
    return -ns if found[1] == "-" else ns


Shift = Annotated[int, PlainValidator(_shift)]


class Head(Model):
    """What a scenario is, and over how long."""

    version: Literal[1] = Field(description="Of the format: 1.")
    title: str = Field(description="A few words.")
    what: str = Field(description="A sentence: what happens, and what there is to see.")
    config: str = Field(description="The raygate configuration, a path beside this file.")
    duration: Duration = Field(description="How long requests arrive.")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="What everything random is drawn from.")
    start: Time = Field(START_NS, description="The instant it begins.")
    profile: Literal["seed", "edge"] = Field("seed", description="Capacities of the core.")
    probes: bool = Field(
        True, description="Pools with [pool.NAME.health] are probed, as their keys say."
    )
    reports_timeouts: bool = Field(
        True, description="The core is told of attempts that were given up; false: its own time "
        "limits end them.")  # fmt: skip


class Path(Model):
    """One request of a client's mix."""

    path: str = Field(description="Its target.")
    method: MethodWord = Field("GET", description="Its method.")
    share: int = Field(1, ge=1, le=1_000_000, description="How many of all shares.")
    bytes: Size = Field(0, description="Of a good answer.")
    request_bytes: Size = Field(0, description="Of its own body.")
    host: str | None = Field(None, description="Its Host header.")


class Takes(Model):
    """How long something takes: exactly one key, and sigma beside lognormal."""

    constant: Duration | None = Field(None, description="Always so long.")
    uniform: list[Duration] | None = Field(
        None, min_length=2, max_length=2, description="Anything between two."
    )
    exponential: Duration | None = Field(None, description="Memoryless, with this mean.")
    lognormal: Duration | None = Field(None, description="Most short, some long; the median.")
    sigma: Percent = Field(500_000, description="lognormal: its shape, 50% unless told.")


class Bursts(Model):
    """So many at one instant, again and again."""

    size: int = Field(ge=1, le=1_000_000, description="Requests.")
    every: Duration = Field(description="From one burst to the next.")


class Diurnal(Model):
    """Poisson, at a rate that follows a sine from `low` to `high` and back."""

    low: RateText = Field(description="At the beginning, and after each period.")
    high: RateText = Field(description="Half a period later.")
    period: Duration = Field(DAY_NS, description="A day unless told.")


class Loop(Model):
    """So many clients, each with one request at a time."""

    count: int = Field(ge=1, le=1_000_000, description="Clients.")
    think: Takes = Field(description="Between an answer and the next request.")


class Log(Model):
    """The requests of an access log, at their times; who asks is what the log says."""

    file: str = Field(description="The log, a path beside this file, plain or gzip.")
    speed: int = Field(1, ge=1, le=1_000_000, description="How many times faster.")
    format: str = Field("auto", description="As --format of `raygate replay`.")
    map: list[str] = Field(default_factory=list, description="As its --map.")


class Arrivals(Model):
    """When requests come: exactly one key."""

    poisson: RateText | None = Field(None, description="At random, so many on the average.")
    uniform: RateText | None = Field(None, description="At equal distances.")
    bursts: Bursts | None = Field(None, description="Many at once.")
    diurnal: Diurnal | None = Field(None, description="By the time of the day.")
    clients: Loop | None = Field(None, description="A closed loop.")
    log: Log | None = Field(None, description="As they came, from an access log.")


class Again(Model):
    """What a client does when it is told no, and asking again might help: 429, 5xx, no answer."""

    how: Literal["honour", "fixed", "back-off"] = Field(
        description="Wait the seconds Retry-After says; a fixed time; or a random one that doubles."
    )
    tries: int = Field(3, ge=1, le=1000, description="In all, the first included.")
    delay: Duration = Field(
        100_000_000, ge=1_000, description="fixed: the time; back-off: its first bound; honour: "
        "where no Retry-After is given.")  # fmt: skip
    longest: Duration = Field(
        60 * units.NS_PER_S, description="back-off: no bound above it; honour: who is told to wait "
        "longer gives up.")  # fmt: skip


class Client(Model):
    """A group of clients that behave alike."""

    name: Name = Field(description="Of the group.")
    tenant: str | None = Field(None, description="Whose they are.")
    user: str | None = Field(
        None, description='Their user; "web-{n}" has one for each, from 1 to `users`.'
    )
    users: int = Field(1, ge=1, le=1_000_000_000, description="How many there are.")
    role: Role | None = Field(None, description="Their role.")
    class_: ClassWord | None = Field(None, alias="class", description="Their priority.")
    ip: NetworkText | None = Field(
        None, description="Their address; the n-th has the n-th of the network."
    )
    paths: list[Path] = Field(default_factory=list, description="What they ask.")
    arrivals: Arrivals = Field(description="When.")
    again: Again | None = Field(None, description="What they do with a no; nothing when absent.")
    patience: Duration | None = Field(
        None, ge=1_000, description="They go away when there is no answer by then."
    )
    from_: Duration = Field(0, alias="from", description="After the start: their first moment.")
    until: Duration | None = Field(None, description="After the start: their last moment.")


class Upstream(Model):
    """What does the work: a service without a pool, or the instances of a pool."""

    service: str | None = Field(None, description="A service without a pool.")
    pool: str | None = Field(None, description="A pool: each of its instances, or")
    instance: str | None = Field(None, description="this one of them.")
    time: Takes = Field(description="How long one request takes it.")
    concurrent: int = Field(8, ge=1, le=1_000_000, description="At once.")
    queue: int = Field(1_000, ge=0, le=1_000_000, description="That wait inside it; 503 beyond.")
    errors: Percent = Field(0, le=1_000_000, description="Of its answers that are `status`.")
    status: int = Field(500, ge=500, le=599, description="Of a bad answer.")
    refuse: Percent = Field(0, le=1_000_000, description="Of the connections it does not take.")


class Event(Model):
    """Something that happens at an instant: to an instance, a client, the clock, or by hand."""

    at: Duration = Field(description="After the start.")
    instance: str | None = Field(None, description="Of which instance (or service without a pool).")
    does: Literal["fail", "refuse", "hang", "slow", "recover", "join", "leave"] | None = Field(
        None, description="What it does from then on.")
    factor: int = Field(10, ge=1, le=1_000_000, description="slow: times as long.")
    client: str | None = Field(None, description="Whose rate changes.")
    rate: RateText | None = Field(None, description="Its new rate.")
    clock: Shift | None = Field(None, description="By how much the gateway's clock jumps.")
    line: str | None = Field(None, description="A console line, as in `raygate shell`.")


class Expect(Model):
    """A sentence, and the comparison that it stands for."""

    says: str = Field(description="What a reader is to believe.")
    check: str = Field(description="The comparison, see docs/simulate.md.")
    during: list[Duration] | None = Field(
        None, min_length=2, max_length=2, description="Counted from the one instant to the other."
    )


LISTS: dict[str, type[Model]] = {
    "client": Client, "upstream": Upstream, "event": Event, "expect": Expect}
