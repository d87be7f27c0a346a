# SPDX-License-Identifier: MIT
"""Who may ask: [auth], [role], [[api_key]], [[basic]], [[bearer]], [[jwt]] as pydantic models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from host_sim.config import units
from host_sim.config.fields import BY_SHAPE, Duration, Model, Name, Time, Words

RoleWord = Literal["admin", "service-account", "user", "guest"]
PermissionWord = Literal["read", "write", "execute", "admin"]
Alg = Literal["HS256", "RS256", "ES256"]


class Lockout(Model):
    """Failures are counted before any secret is looked at."""

    failures: int = Field(10, ge=1, le=1_000_000, description="Of one source, per this time.")
    per: Duration = Field(60 * units.NS_PER_S, description="The time; one failure is forgiven "
                          "each `per / failures`.")
    key_failures: int = Field(
        0, ge=0, le=1_000_000, description="The same of one credential; 0 counts sources alone."
    )


class Introspection(Model):
    """An unknown opaque bearer is asked about (RFC 7662). The core asks nobody: the host does, by
    `introspection_resolver(config)`."""

    url: str = Field(description="The host: whom it asks, http or https.")
    timeout: Duration = Field(2 * units.NS_PER_S, description="The host: no whole answer by then "
                              "is none, and the request is denied.")
    ttl: Duration = Field(60 * units.NS_PER_S, description="An active answer is believed so long, "
                          "and never past the token's `exp`.")
    inactive_ttl: Duration = Field(5 * units.NS_PER_S, description="And an inactive one.")


class Auth(Model):
    """What holds for every credential."""

    header: Name = Field("X-API-Key", description="Header that carries API keys, `NAME.SECRET`.")
    lockout: Lockout | None = Field(None, description="No lockout when absent.")
    lifetime: Duration = Field(3_600 * units.NS_PER_S, description="Of tokens issued.")
    refresh: Duration = Field(
        30 * 86_400 * units.NS_PER_S,
        description="A token is refreshed at most until this after the first was issued.",
    )
    introspection: Introspection | None = Field(None, description="OAuth2 token introspection.")


class Role(Model):
    """What a role may, as `service:permission`; `*` is every service. A role that is stated has
    what stands here and nothing else; admin may everything."""

    service_account: list[str] | None = Field(
        None, alias="service-account", description="Else read, write, execute."
    )
    user: list[str] | None = Field(None, description="Else read, write.")
    guest: list[str] | None = Field(None, description="Else read.")


class Credential(Model):
    """A secret is written as its SHA-256, one or (while clients change over) two."""

    name: Name = Field(description="Unique among rows of its kind.")
    sha256: Words = Field(description="64 hexadecimal digits, one text or a list of two.")
    tenant: Name | None = Field(None, description="Whose; none when absent.")
    user: Name | None = Field(None, description="Who it is; its name when absent.")
    role: RoleWord = Field("user", description="What it may.")
    service: Name | None = Field(None, description="Good for this service alone.")
    permissions: list[PermissionWord] = Field(
        default_factory=list, description="No more than these; whatever its role has when absent."
    )
    expires: Time | None = Field(None, description="Good before this instant.")
    disabled: bool = Field(False, description="Kept, and refused.")


class ApiKey(Credential):
    """`NAME.SECRET` in the header of [auth]; the digest is of SECRET."""

    header: Name | None = Field(None, description="The header of [auth], where it helps a reader.")


class Basic(Credential):
    """RFC 7617. The digest is of `name:password`; the password should be long and random."""


class Bearer(Credential):
    """An opaque token after `Bearer `; the digest is of all of it."""


class KeyFrom(Model):
    """Where a key is read when the file is compiled; never in the file. Exactly one of env, file.
    """

    env: str | None = Field(None, description="This environment variable.")
    file: str | None = Field(None, description="This file, beside the configuration.")
    encoding: Literal["raw", "base64url"] = Field(
        "raw", description="Of an HS256 secret: the bytes themselves, or base64url of them."
    )


class JwtKey(KeyFrom):
    """One of at most 8 keys of an issuer."""

    kid: str = Field("", description="What a token's `kid` must be; tokens without one when empty.")
    not_before: Time | None = Field(None, description="Verifies and signs from here.")
    not_after: Time | None = Field(None, description="Until here.")


class Claims(Model):
    """Which claims say who it is."""

    user: Name = Field("sub", description="Must be there.")
    tenant: Name | None = Field(None, description="Names a tenant of this file.")
    role: Name | None = Field(None, description="Names a role.")


KeyValue = Annotated[Annotated[KeyFrom, Tag("<table>")] | Annotated[str, Tag("<text>")], BY_SHAPE]


class Jwt(Model):
    """An issuer of signed tokens."""

    name: Name = Field(description="Unique among issuers.")
    alg: Alg = Field(description="Of its keys, whatever a token says.")
    issuer: str = Field("", description="`iss` must be this; not looked at when empty.")
    audience: str = Field("", description="`aud` must hold this; not looked at when empty.")
    key: KeyValue | None = Field(None, description="Its only key: `{ env = }` or `{ file = }`.")
    keys: list[JwtKey] = Field(default_factory=list, description="Or up to 8, to rotate them.")
    leeway: Duration = Field(0, description="Clocks may differ by this, at most 1h.")
    max_lifetime: Duration = Field(
        86_400 * units.NS_PER_S, description="Longer-lived tokens are refused; `0s`: not looked at."
    )
    claims: Claims = Field(default_factory=Claims.model_construct, description="Who it is.")
    tenant: Name | None = Field(None, description="Of tokens that name none.")
    role: RoleWord = Field("user", description="Of tokens that name none.")
    signs: bool = Field(False, description="Tokens are issued with its newest active key.")
