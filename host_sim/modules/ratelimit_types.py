# SPDX-License-Identifier: MIT
"""ratelimit: the words and records RateLimiter speaks in; import them from
host_sim.modules.ratelimit."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import TypedDict

NEVER_MS = 0xFFFFFFFF
SECOND_NS = 1_000_000_000


class RateLimitAlgorithm(enum.IntEnum):
    """How a limit counts (ray/ratelimit.h, enum ray_limit_algorithm)."""

    TOKEN_BUCKET = 0
    LEAKY_BUCKET = 1
    FIXED_WINDOW = 2
    SLIDING_WINDOW = 3


class LimitScope(enum.IntEnum):
    """What a limit counts: a service, each user, each network, or whoever is sent to it."""

    SERVICE = 0
    USER = 1
    IP = 2
    NAMED = 3


class LimitMode(enum.IntEnum):
    """Enforce decides, shadow only reports, off is not asked."""

    ENFORCE = 0
    SHADOW = 1
    OFF = 2


class Priority(enum.IntEnum):
    """The class of a request; a limit may keep a share of its capacity from lower ones."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3
    BATCH = 4


class LimitTerms(TypedDict, total=False):
    """What a limit may say besides its service, rate and size; everything has a default.

    `name` (default limit-1, limit-2 ...), `scope` (default the service's own bucket), `user_id`
    pins a user limit to one user, `mode`, `excess` tokens of a second bucket, `reserve` the parts
    per million of the capacity that a class may not draw, `instead_of` the limit a shadow stands in
    for, `debt` admits from a positive balance and blocks until repaid, `deny_when_full` closes
    instead of folding when the key table is full, `prefix_v4` (32) and `prefix_v6` (64) bits of an
    address that count.
    """

    name: str
    scope: LimitScope
    user_id: str | bytes
    mode: LimitMode
    excess: int
    reserve: Mapping[Priority, int]
    instead_of: int
    debt: bool
    deny_when_full: bool
    prefix_v4: int
    prefix_v6: int


@dataclasses.dataclass(frozen=True, slots=True)
class RateLimitRequest:
    """One request as the limits see it.

    `service_id` None is a request to no service; `user_id` empty is the anonymous user, a key of
    its own; `client_ip` an address, `client` a name where there is none; `tokens_required` 0 only
    looks; `limits` are ids of named limits a route or policy adds.
    """

    service_id: int | None = None
    user_id: str | bytes = b""
    tokens_required: int = 1
    priority: Priority = Priority.NORMAL
    client_ip: str | None = None
    client: str | bytes = b""
    plan_id: int | None = None
    limits: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class LimitAnswer:
    """What one limit said: whole tokens left before the request, waits in nanoseconds."""

    limit_id: int
    allowed: bool
    reason: int
    tokens_left: int
    retry_after_ns: int
    start_at_ns: int
    shadow: bool
    yellow: bool
    overflow: bool


@dataclasses.dataclass(frozen=True, slots=True)
class RateLimitResponse:
    """What all limits that applied said together.

    `tokens_remaining` the least any enforced limit has left after this request, NEVER when none
    applied; `retry_after_ms` rounded up, NEVER_MS when waiting does not help; `retry_after_ns`
    exact; `by` the limit that denies for longest, the smaller id among equals; `start_at_ns` when a
    leaky queue lets it begin, 0 at once; `answers` every limit that was asked.
    """

    allowed: bool
    tokens_remaining: int
    retry_after_ms: int
    retry_after_ns: int
    by: int | None
    reason: int
    start_at_ns: int
    shadow_denied_count: int
    answers: tuple[LimitAnswer, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket as it stands: whole tokens, nanoseconds.

    `key` is the identity of a keyed bucket, 0 for a limit's own; `next_ns` until one more token can
    be granted, `full_ns` until nothing is missing, `held_ns` until a drain's hold ends.
    """

    limit_id: int
    key: int
    left_tokens: int
    used_tokens: int
    capacity: int
    next_ns: int
    full_ns: int
    held_ns: int
    hold_count: int
    plan_id: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class TokenBucket:
    """A token bucket: `refill_rate` tokens per `per_ns`, `current_tokens` whole ones,
    `last_refill_time` when it was last brought up to date; `excess` tokens of its second bucket."""

    capacity: int
    refill_rate: int
    current_tokens: int
    last_refill_time: int
    per_ns: int
    excess: int
    name: str
    mode: LimitMode


@dataclasses.dataclass(frozen=True, slots=True)
class LeakyBucket:
    """A leaky bucket: `leak_rate` per `per_ns`, `pending_requests` in it (rounded up),
    `drain_time` nanoseconds until it is empty; `max_delay_ns` None for a meter."""

    capacity: int
    leak_rate: int
    pending_requests: int
    drain_time: int
    per_ns: int
    max_delay_ns: int | None
    name: str
    mode: LimitMode


@dataclasses.dataclass(frozen=True, slots=True)
class WindowLimit:
    """A fixed or sliding window: `limit` per `window_ns`, `used` of it, `window_start_time` where
    the current window begins (wall clock for fixed windows without an anchor)."""

    limit: int
    window_ns: int
    used: int
    window_start_time: int
    exact: bool
    algorithm: RateLimitAlgorithm
    name: str
    mode: LimitMode


@dataclasses.dataclass(frozen=True, slots=True)
class LimitInfo:
    """One limit as configured."""

    limit_id: int
    name: str
    scope: LimitScope
    algorithm: RateLimitAlgorithm
    mode: LimitMode
    rate: int
    per_ns: int
    capacity: int
    excess: int
    service_id: int | None
    instead_of: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class LimitStats:
    """One limit's counters: its own answers, whatever the other stages said."""

    asked_count: int
    granted_count: int
    denied_count: int
    token_count: int
    refunded_count: int
    overflow_count: int
    evicted_count: int
    delayed_count: int
    yellow_count: int
    key_count: int


@dataclasses.dataclass(frozen=True, slots=True)
class LimiterStats:
    """Counters of the whole module; the `_key_count`, log and limit counts are of now."""

    asked_count: int
    granted_count: int
    denied_count: int
    error_count: int
    shadow_denied_count: int
    overflow_count: int
    evicted_count: int
    refund_count: int
    refunded_token_count: int
    stale_hold_count: int
    folded_hold_count: int
    user_key_count: int
    ip_key_count: int
    exact_log_count: int
    limit_count: int


@dataclasses.dataclass(frozen=True, slots=True)
class Hold:
    """What an open, refundable take booked; end it once, with `release` or `refund`."""

    holds: bytes
    count: int
