# SPDX-License-Identifier: MIT
"""Rules of credentials: references, digests, scopes, and keys that are read, never written."""

from __future__ import annotations

import re

from host_sim import bounded
from host_sim.config import keys, units
from host_sim.config.model_auth import Credential, Introspection, Jwt, JwtKey, KeyFrom, Lockout
from host_sim.config.positions import Path
from host_sim.config.rules import Ground, hold, stated_keys
from host_sim.config.rules_header import FRAMING, check_header
from host_sim.errors import ArgumentError

KINDS = ("api_key", "basic", "bearer")
# Fields that say something else: a key in one of them could not be told from that.
TAKEN = {"authorization", "cookie", "content-type", "x-forwarded-for", *FRAMING}
URL = re.compile(r"https?://[!-.0-~][!-~]*")
URL_BYTES = 2_048
DIGEST = re.compile(r"[0-9a-f]{64}")
TEXT = re.compile(r'[ !#-\[\]-~]*')
SCOPE = re.compile(r"(\*|[A-Za-z0-9._:-]{1,47}):(read|write|execute|admin)")
NS_PER_S = units.NS_PER_S
HOUR_NS, CENTURY_NS = 3_600 * NS_PER_S, 3_155_760_000 * NS_PER_S


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
    _note_no_lockout(ground)


def _note_no_lockout(ground: Ground) -> None:
    """An HMAC costs a hash; RS256 and ES256 cost whoever must verify, not whoever guesses."""
    costly = [place for place, jwt in enumerate(ground.file.jwt)
              if jwt is not None and jwt.alg in ("RS256", "ES256")]
    if costly and ground.file.auth.lockout is None:
        ground.note(
            ("jwt", costly[0], "alg"),
            "note-no-lockout",
            "every bad token costs a signature check, as often as anybody likes; write [auth] "
            'lockout = { failures = 10, per = "1m" }',
        )


def _note_expired(ground: Ground, path: Path, end_ns: int | None) -> None:
    if ground.now_ns is not None and end_ns is not None and 0 <= end_ns <= ground.now_ns:
        ground.note(path, "note-expired", "that is past, so it is refused; write a later instant, "
                    "or remove the row")


def _check_times(ground: Ground) -> None:
    auth = ground.file.auth
    _check_span(ground, ("auth", "lifetime"), auth.lifetime, least_ns=NS_PER_S)
    _check_span(ground, ("auth", "refresh"), auth.refresh)
    if check_header(ground, ("auth", "header"), auth.header) and auth.header.lower() in TAKEN:
        ground.say(
            ("auth", "header"),
            "conflict",
            f'"{auth.header}" is read for something else, so no request could show a key; use '
            'another, for example "X-API-Key"',
        )
    if auth.lockout is not None:
        _check_lockout(ground, auth.lockout)
    if auth.introspection is not None:
        _check_introspection(ground, auth.introspection)
    if ground.file.trust.api_keys and ground.file.trust.client_ip == "peer":
        ground.say(
            ("trust", "api_keys"),
            "conflict",
            'only a trusted proxy may name a key without its secret, and client_ip = "peer" trusts '
            "none; name proxies or remove it",
        )


def _check_span(ground: Ground, path: Path, value: int, *, least_ns: int = 1) -> bool:
    """True when the core keeps a time so long, and it is one at all; says why not otherwise."""
    if least_ns <= value <= CENTURY_NS:
        return True
    least = "longer than 0" if least_ns == 1 else f"at least {units.duration_text(least_ns)}"
    ground.say(
        path,
        "out-of-range",
        f'"{path[-1]}" is {least} and at most 100 years, not {units.duration_text(value)}',
    )
    return False


def _check_lockout(ground: Ground, lockout: Lockout) -> None:
    path: Path = ("auth", "lockout")
    if not _check_span(ground, (*path, "per"), lockout.per):
        return
    for key in ("failures", "key_failures"):
        if getattr(lockout, key) > lockout.per:
            ground.say(
                (*path, key),
                "out-of-range",
                f"{getattr(lockout, key)} failures in {units.duration_text(lockout.per)} are more "
                "than one a nanosecond; write a longer per, or fewer",
            )


def _check_introspection(ground: Ground, asked: Introspection) -> None:
    path: Path = ("auth", "introspection")
    for key in ("timeout", "ttl", "inactive_ttl"):
        _check_span(ground, (*path, key), getattr(asked, key))
    if len(asked.url) > URL_BYTES or not URL.fullmatch(asked.url) or not _is_web(asked.url):
        ground.say(
            (*path, "url"),
            "bad-choice",
            f"the server is asked by HTTP: write a URL of at most {URL_BYTES} visible bytes, for "
            'example "https://idp.example/introspect"',
        )


def _is_web(url: str) -> bool:
    try:
        return bool(bounded.web_address(url))
    except ArgumentError:
        return False


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
        ground.say(
            (*path, "sha256"), "conflict", "write one digest, or a list of two that differ"
        )
    for digest in digests:
        if not DIGEST.fullmatch(digest) or not int(digest, 16):
            ground.say(
                (*path, "sha256"),
                "bad-choice",
                "a SHA-256 is 64 digits of 0-9 a-f; write the secret's digest, never the secret",
            )
    if "permissions" in stated_keys(ground, path) and not row.permissions:
        ground.say(
            (*path, "permissions"),
            "conflict",
            "an empty list bounds nothing; name what it may, or remove the key for all its role "
            "may",
        )
    header = getattr(row, "header", None)
    if header is not None and header.lower() != ground.file.auth.header.lower():
        ground.say(
            (*path, "header"),
            "conflict",
            f'API keys come in one header, "{ground.file.auth.header}"; change [auth] header',
        )
    if row.expires is not None and row.expires < 0:
        ground.say((*path, "expires"), "out-of-range", "an instant is from 1970 on")
    _note_expired(ground, (*path, "expires"), row.expires)


def _check_bearers(ground: Ground) -> None:
    seen: dict[str, str] = {}
    for index, row in enumerate(ground.file.bearer):
        for digest in (row.sha256 or ()) if row is not None else ():
            if digest in seen and seen[digest] != row.name:
                ground.say(("bearer", index, "sha256"), "conflict",
                           f'"{seen[digest]}" has the same token; one token is one row: remove one')
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
        _check_signs(ground, path, jwt)
    hold(ground, places, "keys of issuers", "jwt_key")


def _check_signs(ground: Ground, path: Path, jwt: Jwt) -> None:
    """An issuer that signs has a key to sign with; said only where every key could be read."""
    own = [(*path, *inner) for inner, _ in keys_of(jwt)]
    known = [ground.material[place] for place in own if place in ground.material]
    if jwt.signs and known and len(known) == len(own) and not any(key.private for key in known):
        ground.say(
            own[0],
            "bad-key",
            "a public key signs nothing; name the private key, or remove signs = true",
        )


def _check_issuer(ground: Ground, path: Path, jwt: Jwt) -> None:
    ground.refer((*path, "tenant"), jwt.tenant, ground.names_of("tenant"), "tenant")
    for word in ("issuer", "audience"):
        if len(getattr(jwt, word)) > 128 or not TEXT.fullmatch(getattr(jwt, word)):
            ground.say((*path, word), "bad-choice",
                       f'"{word}" is at most 128 printable bytes without " and \\; it is compared '
                       "as it stands")
    if jwt.leeway > HOUR_NS:
        ground.say((*path, "leeway"), "out-of-range",
                   "a leeway is at most 1h; set the clocks instead")
    if jwt.max_lifetime > CENTURY_NS:
        ground.say((*path, "max_lifetime"), "out-of-range",
                   "a token lives at most 100 years; 0s does not look at it")
    if isinstance(jwt.key, str):
        ground.say(
            (*path, "key"),
            "inline-secret",
            "a key never stands in the file; write key = { env = \"NAME\" } or "
            '{ file = "PATH" }',
        )
    elif bool(jwt.key) == bool(jwt.keys):
        ground.say(path, "conflict", "an issuer has key, or a list of keys; write one of them",
                   key=True)
    if len(jwt.keys or ()) > 8:
        ground.say((*path, "keys"), "too-many-rows",
                   "an issuer has at most 8 keys; remove those that are no longer used")


def _check_key(ground: Ground, path: Path, jwt: Jwt, source: KeyFrom) -> None:
    if (source.env is None) == (source.file is None):
        ground.say(path, "conflict", "name exactly one of env and file")
        return
    kid = kid_of(source)
    if len(kid) > 64 or not TEXT.fullmatch(kid):
        ground.say((*path, "kid"), "bad-choice",
                   'a kid is at most 64 printable bytes without " and \\; it is compared as it '
                   "stands")
    if isinstance(source, JwtKey) and source.not_after is not None and (
            source.not_after <= (source.not_before or 0)):
        ground.say((*path, "not_after"), "conflict",
                   "it ends before it begins; write an instant after not_before")
    if isinstance(source, JwtKey):
        _note_expired(ground, (*path, "not_after"), source.not_after)
    if jwt.alg is None:
        return
    try:
        found = keys.material(jwt.alg, keys.read(source, ground.folder), source.encoding)
    except keys.BadKey as error:
        ground.say(path, "bad-key", str(error))
        return
    ground.material[path] = found
