# SPDX-License-Identifier: MIT
"""OAuth2 token introspection (RFC 7662): asking the server, outside the core. No answer in time, or
one that does not parse, is no answer: the request is denied and nothing is kept."""

from __future__ import annotations

import http.client
import json
import urllib.parse
import urllib.request
from collections.abc import Callable

from host_sim.modules.auth_types import NOTHING, Introspection, Permission, Role

Resolver = Callable[[str], Introspection | None]
ANSWER_BYTES_MAX = 65_536
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
    if not isinstance(user, str) or not 0 < len(user.encode()) <= 64:
        return None
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
    """A resolver that posts `token=...` to `url`, with an Authorization header where the server
    wants one. None for no answer: time out, refused connection, another status than 200, nonsense.
    """

    def resolve(token: str) -> Introspection | None:
        data = urllib.parse.urlencode({"token": token}).encode()
        head = {"Accept": "application/json"}
        if authorization is not None:
            head["Authorization"] = authorization
        request = urllib.request.Request(url, data, head)
        try:
            with urllib.request.urlopen(request, timeout=timeout_ns / NS_PER_S) as answer:
                body = answer.read(ANSWER_BYTES_MAX + 1)
            return of_answer(json.loads(body)) if len(body) <= ANSWER_BYTES_MAX else None
        except (OSError, ValueError, RecursionError, http.client.HTTPException):
            return None

    return resolve
