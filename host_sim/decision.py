# SPDX-License-Identifier: MIT
"""What goes into a Kernel and what comes out of it: rows' words, decisions, digests; frozen."""

from __future__ import annotations

import dataclasses
import enum
import functools
import ipaddress
import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from host_sim.errors import ArgumentError

NONE = 0xFFFFFFFF
NEVER = 0xFFFFFFFFFFFFFFFF


class Verdict(enum.IntEnum):
    """What happened to a request (ray/verdict.h)."""

    NONE = 0
    ALLOW = 1
    DENY = 2
    DELAY = 3
    REDIRECT = 4
    SENT = 5
    DROPPED = 6
    PREEMPTED = 7
    COMPLETE = 8
    EXPIRED = 9
    CANCELLED = 10
    RETRY = 11


class RowKind(enum.IntEnum):
    """The kinds of event a batch is made of (ray/ray.h)."""

    ADMIT = 1
    DISPATCH = 2
    COMPLETE = 3
    TICK = 4
    CANCEL = 5
    EXCHANGE = 6
    REFUND = 7
    SETTLE = 8


class RowFlag(enum.IntFlag):
    """What else a row says (ray/ray.h)."""

    ADDRESS = 1
    REFUNDABLE = 2
    NOW = 4
    QUIET = 8
    WEIGHT = 16
    VOUCHED = 32
    BODY = 64
    IDEMPOTENT = 128


@dataclasses.dataclass(frozen=True, slots=True)
class Shadow:
    """A limit or quota in shadow mode that would have denied the request."""

    by: str
    by_kind: str
    reason: str
    retry_after_ns: int


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What the core says to one event.

    Times are nanoseconds; `retry_after_ns` is 0 when there is nothing to wait for and NEVER when no
    wait helps; `by` names the route, policy, limit, quota or queue that bound the verdict, "" when
    none did. `request` is the id of the request it is about. `queued`: it was admitted and waits,
    for about `wait_ns`, under the handle `entry`; of a request that was sent, `wait_ns` is how long
    it waited. `cost_nano` is what its completion was charged, in 10^-9 units. `location` is where a
    redirect leads, `allow` the methods a 405 names (bits 1 << HttpMethod), `reason_code` the
    reason's number. `tenant` and `role` name whom it counts for, by its credentials or its row,
    None where nobody said. Of a request that was sent: `instance` is where to ("" without a pool),
    `attempt` which one, and `timeout_ns` how long that may take; verdict RETRY means it failed and
    may be dispatched again at `start_at_ns`. `transform` names what its bodies go through; `cached`
    is the handle of the stored answer that served it, for `Kernel.cached_response`: then it is
    complete. `busy`: another request is fetching the same answer; this one goes to its service as
    well unless its caller rather asks again later.
    """

    id: int
    at_ns: int
    verdict: Verdict
    reason: str
    by: str
    by_kind: str
    by_id: int
    retry_after_ns: int
    start_at_ns: int
    http_status: int
    service: str
    route: str
    epoch: int
    audit_id: int
    would_deny_count: int
    shadow: tuple[Shadow, ...]
    request: int = 0
    entry: int = NONE
    queued: bool = False
    priority: int = 0
    wait_ns: int = 0
    cost_nano: int = 0
    location: str = ""
    tenant: str | None = None
    role: str | None = None
    instance: str = ""
    attempt: int = 0
    timeout_ns: int = 0
    transform: str = ""
    cached: int | None = None
    busy: bool = False
    allow: int = 0
    reason_code: int = 0

    @property
    def allowed(self) -> bool:
        """True when the request may go on, now or after `start_at_ns`."""
        return self.verdict in (Verdict.ALLOW, Verdict.DELAY)


@dataclasses.dataclass(frozen=True, slots=True)
class Digests:
    """The digests of DESIGN.md section 9 as lower-case hexadecimal."""

    decision: str
    state: str
    book: str
    config: str


@dataclasses.dataclass(frozen=True, slots=True)
class LoadReport:
    """What a configuration swap did: rules that kept their balance, rules that began anew."""

    hash: str
    kept_count: int
    reset_count: int


@dataclasses.dataclass(frozen=True, slots=True)
class ShellResult:
    """Text of a shell command, its status (0 or negative) and the action it asks of the port."""

    text: str
    status: int
    action: int

    def json(self) -> Any:
        """The text parsed as JSON, for commands that were given --json."""
        return json.loads(self.text)


class RequestFields(TypedDict, total=False):
    """What a request may say besides its target; everything has a default.

    `method` GET, `host` "", `headers` a mapping or pairs, `ip` the peer's address, `client` the
    peer's name where its address is not known, `user` and `tenant` who asks, `service` instead of a
    route, `weight` tokens (absent: the route's; 0 takes none), `priority` 0 critical .. 4 batch
    (255: the default), sizes in bytes and units as integers. `role` is 0 unknown, 1 admin,
    2 service-account, 3 user, 4 guest; `origin` 0 client, 1 retry, 2 requeue, 3 internal; `width`
    the servers it occupies. An exchange says what will come of it too: `duration_ns` in the
    service, `response_bytes`, `http_status`, `access_count` and `hit_count` for their prices.
    `body` is its whole body, for the mediator (its length is `request_bytes` then). `vouched`: the
    caller answers for tenant, user and role and no credential is looked for; by default it does
    where it names one of them. `idempotent`: it may be repeated whatever its method.
    """

    method: str
    host: str
    headers: Mapping[str, str] | Iterable[tuple[str, str]]
    ip: str | None
    client: str
    user: str
    tenant: str | None
    service: str | None
    weight: int
    priority: int
    request_bytes: int
    response_bytes: int
    compute_units: int
    custom_units: int
    role: int
    origin: int
    width: int
    duration_ns: int
    http_status: int
    access_count: int
    hit_count: int
    body: bytes
    vouched: bool
    idempotent: bool


NUMBERS = frozenset((
    "weight", "priority", "request_bytes", "response_bytes", "compute_units", "custom_units",
    "role", "origin", "width", "duration_ns", "http_status", "access_count", "hit_count"))


def pack_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> bytes:
    """A header block as the core reads it: u16 name length, u16 value length, bytes, repeated."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    out = bytearray()
    for name, value in pairs:
        key, text = name.encode("latin-1"), value.encode("latin-1")
        if len(key) > 0xFFFF or len(text) > 0xFFFF:
            raise ArgumentError(f"header {name[:40]!r} is longer than 65535 bytes")
        out += struct.pack("<HH", len(key), len(text)) + key + text
    return bytes(out)


@functools.lru_cache(maxsize=4096)
def pack_address(address: str) -> bytes:
    """An address as 16 bytes, IPv4 as ::ffff:a.b.c.d. Raises ArgumentError for other text."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError as error:
        raise ArgumentError(f"no IPv4 or IPv6 address: {address!r}") from error
    return ip.packed if ip.version == 6 else b"\0" * 10 + b"\xff\xff" + ip.packed
