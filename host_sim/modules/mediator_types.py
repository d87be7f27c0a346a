# SPDX-License-Identifier: MIT
"""mediator: the words and records RequestMediator speaks in; import them from
host_sim.modules.mediator."""

from __future__ import annotations

import dataclasses
import enum

Headers = tuple[tuple[str, str], ...]


class ContentType(enum.IntEnum):
    """Formats of a body (enum ray_content)."""

    JSON = 0
    PROTOBUF = 1
    XML = 2
    FORM_DATA = 3
    BINARY = 4
    ANY = 5
    MULTIPART = 6


class HttpMethod(enum.IntEnum):
    """Methods by number (enum ray_method)."""

    GET = 1
    HEAD = 2
    POST = 3
    PUT = 4
    DELETE = 5
    PATCH = 6
    OPTIONS = 7


class Unknown(enum.IntEnum):
    """What becomes of members that the schema does not name."""

    REJECT = 0
    DROP = 1
    KEEP = 2


@dataclasses.dataclass(frozen=True, slots=True)
class RequestTransform:
    """What a registered transform does to requests."""

    input_format: ContentType
    output_format: ContentType
    transformation_id: int


@dataclasses.dataclass(frozen=True, slots=True)
class ResponseTransform:
    """A response as it goes to the client: HTTP status, format, headers, and the body's bytes."""

    status: int
    format: ContentType
    headers: Headers
    body: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class MediationPolicy:
    """How a transform's exchanges are treated. `cache_ttl` nanoseconds, 0 keeps nothing. `timeout`
    (nanoseconds) and `retry_count` belong to resilience and are only shown here: None where nobody
    says them."""

    timeout: int | None = None
    retry_count: int | None = None
    cache_ttl: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """Why a body was refused: reason code, HTTP status, JSON pointer to where, and the schema's
    keyword (empty when the body does not even parse)."""

    reason: int
    http_status: int
    pointer: str = ""
    keyword: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Converted:
    """A body in its other format; `lossy` is the pointer to what was left out first, else None."""

    body: bytes
    lossy: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class CacheAnswer:
    """What is kept for a request. `hit`: `status`, `headers`, `body` are the kept response's and
    `age` its age in seconds. Otherwise `fill` is the lease to give to `cache_set`, None when the
    answer would not be kept or `busy`: another request is filling it, and nobody waits for that."""

    hit: bool
    status: int
    headers: Headers
    body: bytes
    age: int
    fill: int | None
    busy: bool
    reason: int
    http_status: int


@dataclasses.dataclass(frozen=True, slots=True)
class MediatorStats:
    """The module's counters (ray_mediator_stats)."""

    asked_count: int
    granted_count: int
    denied_count: int
    error_count: int
    unspent_count: int
    hit_count: int
    miss_count: int
    busy_count: int
    fill_count: int
    stored_count: int
    unkept_count: int
    large_count: int
    released_count: int
    lapsed_count: int
    stale_count: int
    full_count: int
    evicted_count: int
    expired_count: int
    dropped_count: int
    invalidated_count: int
    refused_count: int
    kept_bytes: int
    kept_count: int
    filling_count: int
    transform_count: int
    edit_count: int
    route_count: int
    schema_count: int
