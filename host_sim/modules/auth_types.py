# SPDX-License-Identifier: MIT
"""auth: what goes in and comes out, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag


class TokenType(IntEnum):
    """How somebody proves who they are (enum ray_scheme)."""

    API_KEY = 1
    BASIC = 2
    BEARER = 3
    JWT = 4
    INTROSPECT = 5
    VOUCHED = 6


class Role(IntEnum):
    """enum ray_role."""

    NONE = 0
    ADMIN = 1
    SERVICE_ACCOUNT = 2
    USER = 3
    GUEST = 4


class Permission(IntFlag):
    """enum ray_permission; Admin implies all of them."""

    READ = 1
    WRITE = 2
    EXECUTE = 4
    ADMIN = 8


EVERYTHING = Permission(15)
NOTHING = Permission(0)


class Need(IntEnum):
    """What a route asks for (enum ray_auth_need)."""

    NONE = 0
    OPTIONAL = 1
    REQUIRED = 2


@dataclass(frozen=True)
class AuthToken:
    """A token: `expiry` is Unix nanoseconds, `permissions` the most it gives. `text` is the token
    itself where it was just issued, else ""."""

    token_id: str
    user_id: str
    role: Role
    permissions: Permission
    expiry: int
    tenant: str | None = None
    issued: int = 0
    family: str = ""
    state: str = "issued"
    text: str = field(default="", repr=False)


@dataclass(frozen=True)
class ApiKeyEntry:
    """A credential. `key` is its id; `secret` what a client sends, `ID.SECRET` of an API key, shown
    once when it is made, else None; `service_name` None is any service; no `permissions` is
    whatever its role has."""

    key: str
    secret: str | None = field(repr=False)
    service_name: str | None
    permissions: Permission
    role: Role = Role.USER
    user: str = ""
    tenant: str | None = None
    kind: TokenType = TokenType.API_KEY
    expires: int = 0
    disabled: bool = False
    live_secrets: int = 1


@dataclass(frozen=True)
class Identity:
    """What the core says of a credential. `reason` is a word of ray/reason.h; `permissions` are the
    effective ones on the service that was asked about."""

    granted: bool
    reason: str
    http_status: int
    user_id: str = ""
    tenant: str | None = None
    role: Role = Role.NONE
    permissions: Permission = NOTHING
    scheme: TokenType | None = None
    retry_after_ns: int = 0
    token_id: str = ""
    expiry: int = 0
    cached: bool = False
    challenge: str = ""


@dataclass(frozen=True)
class Introspection:
    """What an introspection server said of a token (RFC 7662), `expiry` in Unix nanoseconds, 0 when
    it did not say."""

    active: bool
    user_id: str = ""
    role: Role = Role.USER
    permissions: Permission = NOTHING
    tenant: str | None = None
    expiry: int = 0


@dataclass(frozen=True)
class AuthStats:
    """Counters, as in ray_auth_stats; `reasons` and `schemes` by word, those that are not 0."""

    asked_count: int
    granted_count: int
    denied_count: int
    error_count: int
    unspent_count: int
    anonymous_count: int
    cache_hit_count: int
    cache_fill_count: int
    cache_evicted_count: int
    penalty_count: int
    penalty_evicted_count: int
    penalty_full_count: int
    issued_count: int
    refreshed_count: int
    revoked_count: int
    reused_count: int
    introspected_count: int
    introspect_evicted_count: int
    credential_count: int
    jwt_count: int
    key_count: int
    grant_count: int
    reasons: dict[str, int] = field(default_factory=dict)
    schemes: dict[str, int] = field(default_factory=dict)
