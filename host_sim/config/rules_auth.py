# SPDX-License-Identifier: MIT
"""Rules of credentials: references, digests, scopes, and keys that are read, never written."""

from __future__ import annotations

import re

from host_sim.config import keys
from host_sim.config.model_auth import Credential, Jwt, JwtKey, KeyFrom
from host_sim.config.positions import Path
from host_sim.config.rules import Ground, hold

KINDS = ("api_key", "basic", "bearer")
DIGEST = re.compile(r"[0-9a-f]{64}")
TEXT = re.compile(r'[ !#-\[\]-~]*')
SCOPE = re.compile(r"(\*|[A-Za-z0-9._:-]{1,47}):(read|write|execute|admin)")
HOUR_NS, CENTURY_NS = 3_600_000_000_000, 3_155_760_000_000_000_000


def check_auth(ground: Ground) -> None:
    """[auth] and [role], credentials, then issuers and their keys."""
    _check_times(ground)
    _check_roles(ground)
    for kind in KINDS:
        for index, row in enumerate(getattr(ground.file, kind)):
            if row is not None:
                _check_credential(ground, (kind, index), row)
    _check_bearers(ground)
    rows: list[Path] = [(kind, place) for kind in KINDS
                        for place in range(len(getattr(ground.file, kind)))]
    hold(ground, rows, "API keys, Basic and bearer rows", "credential")
    hold(ground, [("jwt", place) for place in range(len(ground.file.jwt))], "issuers", "jwt")
    _check_keys(ground)


def _check_times(ground: Ground) -> None:
    auth = ground.file.auth
    if auth.lifetime < 1_000_000_000 or auth.lifetime > CENTURY_NS:
        ground.say(("auth", "lifetime"), "out-of-range", "a token lives at least 1s")
    if auth.lockout is not None and not 0 < auth.lockout.per <= CENTURY_NS:
        ground.say(("auth", "lockout", "per"), "out-of-range", 'longer than 0, for example "1m"')
    if ground.file.trust.api_keys and ground.file.trust.client_ip == "peer":
        ground.say(
            ("trust", "api_keys"),
            "conflict",
            'only a trusted proxy may name a key without its secret, and client_ip = "peer" trusts '
            "none; name proxies or remove it",
        )


def _check_roles(ground: Ground) -> None:
    services = ground.names_of("service")
    for word in ("service-account", "user", "guest"):
        seen: set[str] = set()
        for place, scope in enumerate(getattr(ground.file.role, word.replace("-", "_")) or ()):
            path: Path = ("role", word, place)
            found = SCOPE.fullmatch(scope)
            if found is None:
                ground.say(path, "bad-choice", f'"{scope}" is no scope; write "service:read", or '
                           "write, execute, admin, and * for every service")
                continue
            if found[1] != "*":
                ground.refer(path, found[1], services, "service")
            if scope in seen:
                ground.say(path, "conflict", f'"{scope}" is listed twice; remove one')
            seen.add(scope)


def _check_credential(ground: Ground, path: Path, row: Credential) -> None:
    ground.refer((*path, "tenant"), row.tenant, ground.names_of("tenant"), "tenant")
    ground.refer((*path, "service"), row.service, ground.names_of("service"), "service")
    digests = row.sha256 or ()
    if len(digests) > 2 or len(set(digests)) != len(digests):
        ground.say((*path, "sha256"), "conflict", "one digest, or two that differ")
    for digest in digests:
        if not DIGEST.fullmatch(digest) or not int(digest, 16):
            ground.say(
                (*path, "sha256"),
                "bad-choice",
                "a SHA-256 is 64 digits of 0-9 a-f: never the secret itself",
            )
    header = getattr(row, "header", None)
    if header is not None and header.lower() != ground.file.auth.header.lower():
        ground.say(
            (*path, "header"),
            "conflict",
            f'API keys come in one header, "{ground.file.auth.header}"; change [auth] header',
        )
    if row.expires is not None and row.expires < 0:
        ground.say((*path, "expires"), "out-of-range", "an instant from 1970 on")


def _check_bearers(ground: Ground) -> None:
    seen: dict[str, str] = {}
    for index, row in enumerate(ground.file.bearer):
        for digest in (row.sha256 or ()) if row is not None else ():
            if digest in seen and seen[digest] != row.name:
                ground.say(("bearer", index, "sha256"), "conflict",
                           f'the token of "{seen[digest]}": one token is one row')
            seen.setdefault(digest, row.name)


def keys_of(jwt: Jwt) -> list[tuple[Path, KeyFrom]]:
    """An issuer's keys and where they stand in its row."""
    own: list[tuple[Path, KeyFrom]] = []
    if isinstance(jwt.key, KeyFrom):
        own.append((("key",), jwt.key))
    return own + [(("keys", place), key) for place, key in enumerate(jwt.keys or ())]


def kid_of(source: KeyFrom) -> str:
    """What a token's kid must be; "" for one without."""
    return source.kid if isinstance(source, JwtKey) else ""


def _check_keys(ground: Ground) -> None:
    seen: dict[tuple[str, str], str] = {}
    places: list[Path] = []
    for index, jwt in enumerate(ground.file.jwt):
        if jwt is None:
            continue
        path: Path = ("jwt", index)
        _check_issuer(ground, path, jwt)
        for inner, source in keys_of(jwt):
            places.append((*path, *inner))
            _check_key(ground, (*path, *inner), jwt, source)
            known = (str(jwt.alg), kid_of(source))
            if known in seen:
                ground.say(
                    (*path, *inner),
                    "conflict",
                    f'a key of {jwt.alg} with the kid "{known[1]}" stands at issuer '
                    f'"{seen[known]}": a token must not choose among keys; give each its kid',
                )
            seen.setdefault(known, str(jwt.name))
    hold(ground, places, "keys of issuers", "jwt_key")


def _check_issuer(ground: Ground, path: Path, jwt: Jwt) -> None:
    ground.refer((*path, "tenant"), jwt.tenant, ground.names_of("tenant"), "tenant")
    for word in ("issuer", "audience"):
        if len(getattr(jwt, word)) > 128 or not TEXT.fullmatch(getattr(jwt, word)):
            ground.say((*path, word), "bad-choice",
                       'at most 128 printable bytes without " and \\')
    if jwt.leeway > HOUR_NS:
        ground.say((*path, "leeway"), "out-of-range", "clocks differ by at most 1h")
    if jwt.max_lifetime > CENTURY_NS:
        ground.say((*path, "max_lifetime"), "out-of-range", "at most 100 years")
    if isinstance(jwt.key, str):
        ground.say(
            (*path, "key"),
            "inline-secret",
            "a key never stands in the file; write key = { env = \"NAME\" } or "
            '{ file = "PATH" }',
        )
    elif bool(jwt.key) == bool(jwt.keys):
        ground.say(path, "conflict", "an issuer has key, or a list of keys", key=True)
    if len(jwt.keys or ()) > 8:
        ground.say((*path, "keys"), "too-many-rows", "an issuer has at most 8 keys")


def _check_key(ground: Ground, path: Path, jwt: Jwt, source: KeyFrom) -> None:
    if (source.env is None) == (source.file is None):
        ground.say(path, "conflict", "name exactly one of env and file")
        return
    kid = kid_of(source)
    if len(kid) > 64 or not TEXT.fullmatch(kid):
        ground.say((*path, "kid"), "bad-choice", 'at most 64 printable bytes without " and \\')
    if isinstance(source, JwtKey) and source.not_after is not None and (
            source.not_after <= (source.not_before or 0)):
        ground.say((*path, "not_after"), "conflict", "it ends before it begins")
    if jwt.alg is None:
        return
    try:
        found = keys.material(jwt.alg, keys.read(source, ground.folder), source.encoding)
    except keys.BadKey as error:
        ground.say(path, "bad-key", str(error))
        return
    ground.material[path] = found
