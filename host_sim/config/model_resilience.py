# SPDX-License-Identifier: MIT
"""What stands between a request and a service that may be failing, as pydantic models:
[resilience.SERVICE]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from host_sim.config.fields import BY_SHAPE, Duration, MethodWord, Mode, Model, Percent
from host_sim.config.units import NS_PER_S

MS = NS_PER_S // 1000
COUNT_MAX = 1_000_000


class Breaker(Model):
    """Opens when the service fails, lets a few probes through after a while, closes when they
    succeed."""

    failures: int | None = Field(
        None, ge=1, le=COUNT_MAX, description="So many in a row open it; 5 when `rate` is absent."
    )
    rate: Percent | None = Field(
        None, description="Such a share of the window's outcomes opens it, once there are `volume`."
    )
    volume: int = Field(
        10, ge=1, le=COUNT_MAX, description="Outcomes below which no rate opens it."
    )
    window: Duration | None = Field(
        None, description="What is counted while closed; 10s with `rate`, else since it closed."
    )
    window_kind: Literal["sliding", "fixed"] = Field(
        "sliding", description="Forgets by tenths of the window, or all of it at its end."
    )
    successes: int = Field(
        1, ge=1, le=COUNT_MAX, description="Good probes that close it; one bad one opens it again."
    )
    open: Duration = Field(30 * NS_PER_S, description="From open to half-open, the first time.")
    open_max: Duration | None = Field(
        None, description="Doubles with each reopening up to this; `open` when absent: it stays."
    )
    jitter: Percent = Field(
        0, description="Up to this share is added to the open time, by the seed."
    )
    probes: int = Field(1, ge=1, le=COUNT_MAX, description="In flight at most while half-open.")
    counts: list[str] = Field(
        default_factory=lambda: ["timeout", "connection", "5xx"],
        description="What is a failure: timeout, connection, 5xx, 4xx, 429, or single statuses.",
    )


class Bulkhead(Model):
    """So many requests at once; others wait in line, or are refused."""

    concurrent: int = Field(ge=1, le=65_536, description="Permits.")
    waiting: int = Field(0, ge=0, le=65_536, description="Who may wait for one, first come first.")
    max_wait: Duration | None = Field(
        None, description="Longest wait; the request's own deadline when absent."
    )


class RetryBudget(Model):
    """What keeps retries from multiplying the load of a service that is down."""

    kind: Literal["window", "bank"] = Field(
        "window",
        description="What was deposited in the last `ttl`; or one balance that successes refill.",
    )
    deposit: int = Field(
        1, ge=0, le=COUNT_MAX, description="By each request; bank: by a success at first."
    )
    cost: int = Field(5, ge=1, le=COUNT_MAX, description="Of one retry.")
    reserve: int = Field(
        10, ge=0, le=COUNT_MAX, description="window: retries a second that are always there."
    )
    ttl: Duration = Field(10 * NS_PER_S, description="window: how long a deposit counts.")
    capacity: int = Field(
        500, ge=0, le=1_000 * COUNT_MAX, description="bank: begins with it, never holds more."
    )
    refund: int = Field(5, ge=0, le=COUNT_MAX, description="bank: by a success after a retry.")


BudgetValue = Annotated[
    Annotated[RetryBudget, Tag("<table>")] | Annotated[str, Tag("<text>")], BY_SHAPE
]


def _idempotent() -> list[MethodWord]:
    return ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]


class Retry(Model):
    """Whether one more attempt is made, and when: never past the request's deadline."""

    attempts: int = Field(3, ge=1, le=100, description="The first included.")
    base: Duration = Field(50 * MS, description="The n-th waits at most base * 2^(n-1).")
    max: Duration = Field(NS_PER_S, description="And never longer than this.")
    jitter: Literal["full", "equal", "none"] = Field(
        "full", description="Anywhere up to that, in its upper half, or exactly that."
    )
    on: list[str] = Field(
        default_factory=lambda: ["connection", "429", "502", "503", "504"],
        description="After which outcomes: timeout, connection, 5xx, 4xx, 429, or single statuses.",
    )
    methods: list[MethodWord] = Field(
        default_factory=_idempotent,
        description="That may be repeated; others only when the caller marks them so.",
    )
    budget: BudgetValue = Field(
        default_factory=RetryBudget.model_construct,
        description='`"20%"` of the requests, `{ ... }`, or `"none"`.',
    )


class Resilience(Model):
    """What stands before the service NAME."""

    timeout: Duration | None = Field(
        None, description="Of one attempt; the service's own when absent."
    )
    mode: Mode | None = Field(
        None, description="Of breaker and bulkhead; the file's mode when absent."
    )
    breaker: Breaker | None = Field(None, description="Circuit breaker.")
    bulkhead: Bulkhead | None = Field(None, description="At most 128 in all.")
    retry: Retry | None = Field(None, description="One more attempt.")
