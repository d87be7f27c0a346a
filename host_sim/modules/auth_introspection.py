# SPDX-License-Identifier: MIT
"""OAuth2 token introspection (RFC 7662): asking the server, outside the core. No answer in time, or
one that does not parse, is no answer: the request is denied and nothing is kept."""

from __future__ import annotations

import json
import time
import unicodedata
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING

from host_sim import bounded
from host_sim.modules.auth_types import NOTHING, Introspection, Permission, Role

if TYPE_CHECKING:
    from host_sim.config import Config

Resolver = Callable[[str], Introspection | None]
NS_PER_S = 1_000_000_000
ROLES = {role.name.lower().replace("_", "-"): role for role in Role}
SCOPES = {p.name.lower(): p for p in Permission if p.name}


def of_answer(answer: object) -> Introspection | None:
    """An answer's JSON as an Introspection; None when it is not what RFC 7662 says."""
    if not isinstance(answer, dict) or not isinstance(answer.get("active"), bool):
        return None
    if not answer["active"]:
        return Introspection(False)
    user, expiry = answer.get("sub", answer.get("username")), answer.get("exp", 0)
    if not isinstance(user, str) or not 0 < len(user.encode(errors="replace")) <= 64:
        return None
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in user):
        return None     # the core would refuse it: no control character is part of a name
    if isinstance(expiry, bool) or not isinstance(expiry, int) or not 0 <= expiry < 9_000_000_000:
        return None
    most = NOTHING
    if "scope" in answer:
        scope = answer["scope"]
        for word in scope.split() if isinstance(scope, str) else []:
            most |= SCOPES.get(word, NOTHING)   # one service's scope is no scope of every service
        if most == NOTHING:
            return Introspection(False)         # it may nothing here; NOTHING would say no bound
    tenant = answer.get("tenant")
    return Introspection(
        True,
        user,
        ROLES.get(str(answer.get("role", "user")), Role.NONE),
        most,
        tenant if isinstance(tenant, str) else None,
        expiry * NS_PER_S,
    )


def http_resolver(
    url: str, *, timeout_ns: int = 2 * NS_PER_S, authorization: str | None = None
) -> Resolver:
    """A resolver that posts `token=...` to `url` (http or https), with an Authorization header
    where the server wants one. None for no answer: not whole within `timeout_ns` of the question,
    longer than 64 KiB, a refused connection, another status than 200 (a redirect is one: the token
    goes nowhere else), nonsense. Raises ArgumentError for another scheme or no host."""
    parts = bounded.web_address(url)
    head = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    if authorization is not None:
        head["Authorization"] = authorization

    def resolve(token: str) -> Introspection | None:
        until_ns = time.monotonic_ns() + timeout_ns
        data = urllib.parse.urlencode({"token": token}).encode()
        try:
            status, body = bounded.ask(parts, "POST", data, head, until_ns=until_ns)
            return of_answer(json.loads(body)) if status == 200 else None
        except (*bounded.FAILURES, RecursionError):
            return None

    return resolve


def introspection_resolver(config: Config, *, authorization: str | None = None) -> Resolver | None:
    """The resolver that `[auth] introspection` of a loaded configuration states: its `url`, its
    `timeout`. None where the file introspects nothing, as `authenticate` takes it. The server's
    credential stands in no file: `authorization` is the whole header, from wherever it is kept."""
    asked = config.file.auth.introspection
    if asked is None:
        return None
    return http_resolver(asked.url, timeout_ns=asked.timeout, authorization=authorization)
