# SPDX-License-Identifier: MIT
"""OAuth2 token introspection (RFC 7662): asking the server, outside the core. No answer in time, or
one that does not parse, is no answer: the request is denied and nothing is kept."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

from host_sim.errors import ArgumentError
from host_sim.modules.auth_types import NOTHING, Introspection, Permission, Role

Resolver = Callable[[str], Introspection | None]
ANSWER_BYTES_MAX = 65_536
HEAD_BYTES_MAX = 16_384
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


class _Answer(io.RawIOBase):
    """What a socket says, until an instant and no more than so many bytes. A timeout of the socket
    alone begins anew with every byte, so a server that drips would be waited for as long as it
    likes."""

    def __init__(self, held: socket.socket, until_ns: int) -> None:
        self._held, self._until_ns, self._room = held, until_ns, HEAD_BYTES_MAX + ANSWER_BYTES_MAX

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._held.settimeout(_left(self._until_ns))
        count = self._held.recv_into(buffer)
        self._room -= count
        if self._room < 0:
            raise OSError("the answer is too long")
        return count


class _Socket:
    """A socket as http.client uses one, its answer bounded."""

    def __init__(self, held: socket.socket, until_ns: int) -> None:
        self._held, self._until_ns = held, until_ns

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Answer(self._held, self._until_ns))

    def sendall(self, data: bytes) -> None:
        self._held.settimeout(_left(self._until_ns))
        self._held.sendall(data)    # its timeout is one for all of the bytes

    def close(self) -> None:
        """Left to whoever opened it: http.client closes before it has read the answer."""


def _left(until_ns: int) -> float:
    """Seconds until then, for a socket; raises TimeoutError when there are none."""
    left_ns = until_ns - time.monotonic_ns()
    if left_ns <= 0:
        raise TimeoutError("the introspection server takes too long")
    return left_ns / NS_PER_S


def _opened(url: urllib.parse.SplitResult, until_ns: int) -> socket.socket:
    """A connection to the server, made within the time (looking its name up apart)."""
    secure, host = url.scheme == "https", url.hostname or ""
    held = _reached(host, url.port or (443 if secure else 80), until_ns)
    if not secure:
        return held
    held.settimeout(_left(until_ns))
    try:
        return ssl.create_default_context().wrap_socket(held, server_hostname=host)
    except OSError:
        held.close()
        raise


def _reached(host: str, port: int, until_ns: int) -> socket.socket:
    """The first of its addresses that takes a connection, all of them within the time."""
    refused: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0,
                                                                 socket.SOCK_STREAM):
        held = socket.socket(family, kind, protocol)
        try:
            held.settimeout(_left(until_ns))
            held.connect(address)
            return held
        except OSError as error:
            held.close()
            refused = error
    raise refused


def http_resolver(
    url: str, *, timeout_ns: int = 2 * NS_PER_S, authorization: str | None = None
) -> Resolver:
    """A resolver that posts `token=...` to `url` (http or https), with an Authorization header
    where the server wants one. None for no answer: not whole within `timeout_ns` of the question,
    longer than 64 KiB, a refused connection, another status than 200 (a redirect is one: the token
    goes nowhere else), nonsense. Raises ArgumentError for another scheme or no host."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ArgumentError(f"an introspection server has an http or https URL, not {url!r}")
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    head = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded",
            "Connection": "close"}
    if authorization is not None:
        head["Authorization"] = authorization

    def resolve(token: str) -> Introspection | None:
        until_ns = time.monotonic_ns() + timeout_ns
        data = urllib.parse.urlencode({"token": token}).encode()
        try:
            with contextlib.closing(_opened(parts, until_ns)) as held:
                link = kind(parts.hostname or "", parts.port)
                link.sock = _Socket(held, until_ns)
                link.request("POST", path, data, head)
                answer = link.getresponse()
                body = answer.read(ANSWER_BYTES_MAX + 1) if answer.status == 200 else b""
                cut = bool(answer.length)   # of what it said it would say
            return None if cut or len(body) > ANSWER_BYTES_MAX else of_answer(json.loads(body))
        except (OSError, ValueError, RecursionError, http.client.HTTPException):
            return None

    return resolve
