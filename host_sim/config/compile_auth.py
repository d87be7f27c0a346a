# SPDX-License-Identifier: MIT
"""Credentials, roles and issuers as rows; their keys as rows of the secrets."""

from __future__ import annotations

from typing import Any

from host_sim.config import keys, layout
from host_sim.config.model import File
from host_sim.config.model_auth import Auth, Credential, JwtKey
from host_sim.config.positions import Path
from host_sim.config.rules_auth import KINDS, SCOPE, keys_of, kid_of

ROLES = ("none", "admin", "service-account", "user", "guest")
PERMISSIONS = {"read": 1, "write": 2, "execute": 4, "admin": 8}
ALGS = {"HS256": 1, "RS256": 2, "ES256": 3}


def _auth(file: File) -> dict[str, Any]:
    auth = file.auth
    lockout, asked = auth.lockout, auth.introspection
    return dict(
        lockout_ns=lockout.per if lockout else 0,
        lifetime_ns=auth.lifetime,
        family_ns=auth.refresh,
        introspect_ttl_ns=asked.ttl if asked else 60_000_000_000,
        inactive_ttl_ns=asked.inactive_ttl if asked else 5_000_000_000,
        failures=lockout.failures if lockout else 0,
        key_failures=lockout.key_failures if lockout else 0,
        introspects=int(asked is not None),
        trusts_names=int(file.trust.api_keys),
        header=auth.header,
    )


def _roles(file: File, services: list[str]) -> list[dict[str, Any]]:
    rows = []
    for role, word in enumerate(("service_account", "user", "guest"), 2):
        stated = getattr(file.role, word)
        if stated is None:
            continue
        rights: dict[int, int] = {layout.NONE: 0}
        for scope in stated:
            found = SCOPE.fullmatch(scope)
            assert found is not None
            place = layout.NONE if found[1] == "*" else services.index(found[1])
            rights[place] = rights.get(place, 0) | PERMISSIONS[found[2]]
        rows += [dict(service=place, role=role, permissions=rights[place])
                 for place in sorted(rights)]
    return rows


def _place(names: list[str], name: str | None) -> int:
    return layout.NONE if name is None else names.index(name)


def _credential(scheme: int, row: Credential, tenants: list[str],
                services: list[str]) -> dict[str, Any]:
    digests = [bytes.fromhex(digest) for digest in row.sha256] + [bytes(32)] * 2
    return dict(
        name=row.name,
        user=row.user or "",
        digest=digests[:2],
        expires_ns=row.expires or 0,
        tenant=_place(tenants, row.tenant),
        service=_place(services, row.service),
        scheme=scheme,
        role=ROLES.index(row.role),
        permissions=sum({PERMISSIONS[word] for word in row.permissions}),
        disabled=int(row.disabled),
    )


def _jwts(file: File, tenants: list[str]) -> list[dict[str, Any]]:
    return [
        dict(
            name=jwt.name,
            issuer=jwt.issuer.encode(),
            audience=jwt.audience.encode(),
            claim_user=jwt.claims.user,
            claim_tenant=jwt.claims.tenant or "",
            claim_role=jwt.claims.role or "",
            leeway_ns=jwt.leeway,
            lifetime_max_ns=jwt.max_lifetime,
            tenant=_place(tenants, jwt.tenant),
            issuer_length=len(jwt.issuer),
            audience_length=len(jwt.audience),
            role=ROLES.index(jwt.role),
            signs=int(jwt.signs),
        )
        for jwt in file.jwt
    ]


def _keys(file: File, material: dict[Path, keys.Material]) -> list[dict[str, Any]]:
    rows = []
    for index, jwt in enumerate(file.jwt):
        for inner, source in keys_of(jwt):
            kid = kid_of(source).encode()
            dated = source if isinstance(source, JwtKey) else None
            rows.append(
                dict(
                    kid=kid,
                    not_before_ns=(dated.not_before or 0) if dated else 0,
                    not_after_ns=(dated.not_after or 0) if dated else 0,
                    jwt=index,
                    kid_length=len(kid),
                    alg=ALGS[jwt.alg],
                    private_known=int(material["jwt", index, *inner].private),
                )
            )
    return rows


def auth_rows(file: File, tenants: list[str], services: list[str],
              material: dict[Path, keys.Material]) -> dict[int, list[dict[str, Any]]]:
    """The sections of auth; [auth] is left out where it says what holds anyway."""
    plain = file.auth == Auth.model_construct() and not file.trust.api_keys
    credentials = [
        _credential(scheme, row, tenants, services)
        for scheme, kind in enumerate(KINDS, 1)
        for row in getattr(file, kind)
    ]
    return {
        layout.AUTH: [] if plain else [_auth(file)],
        layout.ROLE: _roles(file, services),
        layout.CREDENTIAL: credentials,
        layout.JWT: _jwts(file, tenants),
        layout.JWT_KEY: _keys(file, material),
    }


def secrets_of(file: File, material: dict[Path, keys.Material]) -> bytes:
    """The keys behind the seed, in the order of the key rows."""
    return b"".join(
        layout.Secret.build(material["jwt", index, *inner].row())
        for index, jwt in enumerate(file.jwt)
        for inner, _ in keys_of(jwt)
    )
