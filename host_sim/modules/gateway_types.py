# SPDX-License-Identifier: MIT
"""What ApiGateway takes and gives: enums with the core's numbers, frozen dataclasses."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Headers = Mapping[str, str] | Sequence[tuple[str, str]]
"""Header fields: a mapping, or pairs where a name comes several times."""


class RoutePattern(enum.IntEnum):
    """How a pattern is read (ray/gateway.h). Lower goes first where priorities are equal."""

    EXACT = 0
    PREFIX = 1
    WILDCARD = 2
    REGEX = 3


class MatchHow(enum.IntEnum):
    """What a route asks of one header or query parameter."""

    EXACT = 0
    PREFIX = 1
    CONTAINS = 2
    PRESENT = 3
    ABSENT = 4


class HttpMethod(enum.IntEnum):
    """Methods the gateway routes; every other is answered with 501."""

    OTHER = 0
    GET = 1
    HEAD = 2
    POST = 3
    PUT = 4
    DELETE = 5
    PATCH = 6
    OPTIONS = 7


class ServiceMode(enum.IntEnum):
    """ENFORCE: governed. OFF: the service's traffic passes ungoverned."""

    ENFORCE = 0
    OFF = 2


class ExportFormat(enum.IntEnum):
    """What `ApiGateway.export` writes."""

    JSON = 0
    ROUTES_CSV = 1
    SERVICES_CSV = 2


@dataclass(frozen=True, slots=True)
class Match:
    """One header or query match of a route. Header names compare without case; one of several
    values that fits is enough; `""` is not the same as absent."""

    name: str
    value: str = ""
    how: MatchHow = MatchHow.EXACT


@dataclass(frozen=True, slots=True)
class ServiceEndpoint:
    """A registered service. Times in nanoseconds, sizes in bytes; counters count requests."""

    name: str
    host: str
    port: int
    health_status: bool
    id: int
    timeout_ns: int
    body_bytes_max: int
    mode: ServiceMode
    route_count: int
    asked_count: int
    granted_count: int
    denied_count: int


@dataclass(frozen=True, slots=True)
class Route:
    """A routing rule; `rank` is its place in the order of precedence, 0 first."""

    id: int
    name: str
    service_id: int
    kind: RoutePattern
    pattern: str
    host: str
    methods: tuple[HttpMethod, ...]
    headers: tuple[Match, ...]
    queries: tuple[Match, ...]
    priority: int
    weight: int
    limits: tuple[int, ...]
    allow_escapes: bool
    rank: int
    dfa_states: int
    asked_count: int
    granted_count: int
    denied_count: int


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request. `path` is the request target: path and query as received."""

    method: str = "GET"
    path: str | bytes = "/"
    headers: Headers = ()
    body: bytes = b""
    host: str = ""
    service_id: int | None = None
    """Given by the caller: routing is skipped."""
    ip: str | None = None
    """The peer's address; limits, lockouts and policies by address count for it."""
    client: str = ""
    """The peer's name where its address is not known."""
    idempotent: bool = False
    """It may be tried again whatever its method."""


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An answer: a service's, or the gateway's own refusal."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """What the gateway says of a request. `path` is what is matched and forwarded; `route_id` and
    `service_id` are None where there is none; `allow` is filled for 405."""

    granted: bool
    status: int
    reason: str
    path: bytes
    query: bytes
    route_id: int | None
    service_id: int | None
    weight: int
    limits: tuple[int, ...]
    allow: tuple[HttpMethod, ...]
    captures: tuple[bytes, ...]
    rewritten: bool
    service_off: bool
    timeout_ns: int


@dataclass(frozen=True, slots=True)
class DispatchRecord:
    """An order to send one request to one service; whoever carries it out reports the answer.

    `request_id` is the kernel's, for `ApiGateway.complete_request`; 0 without a kernel. On a Kernel
    `headers` and `body` are what the service is to get, `host` and `port` the picked instance's
    (without a pool the service's), `attempt` counts from 1, `timeout_ns` is how long this one may
    take, and it is not to be sent before `start_at_ns`.
    """

    service: ServiceEndpoint
    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    deadline_ns: int
    match: RouteMatch
    request_id: int = 0
    host: str = ""
    port: int = 0
    instance: str = ""
    attempt: int = 1
    timeout_ns: int = 0
    start_at_ns: int = 0


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """Admitted, but not to be sent now: it waits for its turn (`reason` queued, for about
    `wait_ns`) or to be tried again (retry, from `not_before_ns` on). `ApiGateway.dispatch_queued`
    hands it out when it may go."""

    request_id: int
    reason: str
    wait_ns: int = 0
    not_before_ns: int = 0


@dataclass(frozen=True, slots=True)
class RouteExpectation:
    """A request and where it must go: a route's or service's name, or a status; None: any."""

    request: ApiRequest
    route: str | None = None
    service: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class RouteTestReport:
    """What became of expectations: one line per failure, and which routes no request reached."""

    run_count: int
    failures: tuple[str, ...] = ()
    covered: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = field(default=())
