# SPDX-License-Identifier: MIT
"""HTTP questions of the host that end: one deadline for all of an answer, and a size that no answer
is longer than. Sockets only; no redirect is followed and no proxy asked."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from host_sim.errors import ArgumentError

ANSWER_BYTES_MAX = 65_536
HEAD_BYTES_MAX = 16_384
NS_PER_S = 1_000_000_000
FAILURES = (OSError, ValueError, http.client.HTTPException)   # of a peer, whatever it says


def web_address(url: str) -> urllib.parse.SplitResult:
    """A URL's parts. Raises ArgumentError when it is no http or https URL with a host, and a port
    of 1 to 65535 where it has one."""
    try:
        parts = urllib.parse.urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ArgumentError(f"who is asked by HTTP has an http or https URL, not {url!r}")
    return parts


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
        raise TimeoutError("the answer takes too long")
    return left_ns / NS_PER_S


def _opened(url: urllib.parse.SplitResult, context: ssl.SSLContext | None,
            until_ns: int) -> socket.socket:
    """A connection to the server, made within the time (looking its name up apart)."""
    host = url.hostname or ""
    held = reached(host, url.port or (443 if context else 80), until_ns)
    if context is None:
        return held
    held.settimeout(_left(until_ns))
    try:
        return context.wrap_socket(held, server_hostname=host)
    except OSError:
        held.close()
        raise


def reached(host: str, port: int, until_ns: int) -> socket.socket:
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


def ask(
    url: urllib.parse.SplitResult, method: str, data: bytes | None, head: Mapping[str, str], *,
    until_ns: int, wants_body: bool = True,
) -> tuple[int, bytes]:
    """Status and body (of a 200 alone, where it is wanted) of one question, whole before the
    monotonic instant `until_ns`. Raises one of FAILURES: late, longer than 64 KiB, cut short, no
    connection, no HTTP."""
    host, context = url.hostname or "", None
    link = http.client.HTTPConnection(host, url.port)
    if url.scheme == "https":
        context = ssl.create_default_context()
        link = http.client.HTTPSConnection(host, url.port, context=context)
    path = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
    with contextlib.closing(_opened(url, context, until_ns)) as held:
        link.sock = _Socket(held, until_ns)
        link.request(method, path, data, {**head, "Connection": "close"})
        answer = link.getresponse()
        if answer.status != 200 or not wants_body:
            return answer.status, b""
        body = answer.read(ANSWER_BYTES_MAX + 1)
        if answer.length or len(body) > ANSWER_BYTES_MAX:
            raise OSError("the answer is cut short or too long")
        return answer.status, body
