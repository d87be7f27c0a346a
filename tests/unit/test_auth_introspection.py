# SPDX-License-Identifier: MIT
"""An introspection server that does not want to be waited for: one deadline for the whole answer,
and no more of it than an answer has."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from host_sim.errors import ArgumentError
from host_sim.modules.auth import Introspection, http_resolver

MS, S = 10**6, 10**9
OK = b"HTTP/1.1 200 OK\r\n"
GOOD = json.dumps({"active": True, "sub": "anna", "exp": 40}).encode()


class Peer:
    """A TCP server that reads one question and then does as `say` likes; `sent` counts the bytes
    that it got rid of."""

    def __init__(self, say: Callable[[Peer], None], question: bytes) -> None:
        self.say, self.sent, self.asked, self.over = say, 0, b"", threading.Event()
        self.question = question    # what the last of it has inside
        self.door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.door.getsockname()[1]}/introspect?realm=x"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            self.link, _ = self.door.accept()
            with self.link:
                while self.question not in self.asked:
                    self.asked += self.link.recv(65536)
                self.say(self)

    def send(self, data: bytes) -> None:
        self.link.sendall(data)
        self.sent += len(data)

    def drip(self, data: bytes, every_s: float = 0.02) -> None:
        for at in range(len(data)):
            if self.over.wait(every_s):
                return
            self.send(data[at:at + 1])

    def close(self) -> None:
        self.over.set()
        self.door.close()
        self.thread.join(5)


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[Peer], None]], Peer]]:
    made: list[Peer] = []

    def begin(say: Callable[[Peer], None], question: bytes = b"token=") -> Peer:
        made.append(Peer(say, question))
        return made[-1]

    yield begin
    for each in made:
        each.close()


def endless(peer: Peer) -> None:
    while not peer.over.is_set():
        peer.send(b"x" * 65536)


def in_header(peer: Peer) -> None:
    peer.send(OK + b"X: ")
    endless(peer)


def in_chunks(peer: Peer) -> None:
    peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while not peer.over.is_set():
        peer.send(b"8000\r\n" + b" " * 0x8000 + b"\r\n")


SLOW = {
    "says nothing": lambda peer: peer.over.wait(9),
    "drips its status": lambda peer: peer.drip(OK * 40),
    "drips headers": lambda peer: (peer.send(OK), peer.drip(b"X-A: b\r\n" * 90)),
    "drips its body": lambda peer: (
        peer.send(OK + b"Content-Length: 900\r\n\r\n"), peer.drip(b" " * 900)),
    "drips chunks": lambda peer: (
        peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n"), peer.drip(b"1\r\n \r\n" * 90)),
    "stops in the middle": lambda peer: (
        peer.send(OK + b"Content-Length: 900\r\n\r\n" + GOOD), peer.over.wait(9)),
}


@pytest.mark.parametrize("say", SLOW.values(), ids=SLOW.keys())
def test_a_slow_server_is_waited_for_until_the_deadline_and_no_longer(say, peer) -> None:
    server = peer(say)
    began = time.monotonic_ns()
    assert http_resolver(server.url, timeout_ns=250 * MS)("t") is None
    took = time.monotonic_ns() - began
    assert 250 * MS <= took < 1500 * MS  # dripping alone would take 6 seconds and more


@pytest.mark.parametrize("say", [
    lambda peer: peer.over.wait(9),
    lambda peer: (peer.send(b"\x16\x03\x03\x40\x00"), peer.drip(bytes(0x4000)))],
    ids=["says nothing", "drips"])
def test_a_handshake_is_within_the_deadline_too(say, peer) -> None:
    server = peer(say, b"\x16\x03")
    began = time.monotonic_ns()
    assert http_resolver(server.url.replace("http:", "https:"), timeout_ns=250 * MS)("t") is None
    assert 250 * MS <= time.monotonic_ns() - began < 1500 * MS


@pytest.mark.parametrize("say", [
    lambda peer: (peer.send(OK + b"\r\n"), endless(peer)), in_header, in_chunks,
    lambda peer: (peer.send(OK + b"Content-Length: 99999999\r\n\r\n"), endless(peer)),
    endless], ids=["body", "header", "chunks", "length", "status"])
def test_an_endless_answer_is_given_up_by_its_size(say, peer) -> None:
    server = peer(say)
    began = time.monotonic_ns()
    assert http_resolver(server.url, timeout_ns=30 * S)("t") is None
    assert time.monotonic_ns() - began < 10 * S  # not by the deadline
    server.thread.join(10)
    assert server.sent < 16 * 2**20  # what the system's buffers took; the server saw us go


@pytest.mark.parametrize("length", [b"Content-Length: %d\r\n" % len(GOOD), b""])
def test_a_good_answer_is_taken_even_from_a_slow_server(length, peer) -> None:
    server = peer(lambda peer: (peer.send(OK + length + b"\r\n"), peer.drip(GOOD, 0.001)))
    said = http_resolver(server.url, timeout_ns=20 * S, authorization="Basic abc")("t&x=1")
    assert said == Introspection(True, "anna", expiry=40 * S)
    head, _, body = server.asked.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /introspect?realm=x HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Basic abc" in head and body == b"token=t%26x%3D1"


@pytest.mark.parametrize("said", [
    b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD,
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
    OK + b"Content-Length: 0\r\n\r\n", OK + b"Content-Length: 900\r\n\r\n" + GOOD, b"", b"\0" * 99,
    OK + b"Content-Length: 65537\r\n\r\n" + b" " * (65537 - len(GOOD)) + GOOD])
def test_anything_else_is_no_answer(said, peer) -> None:
    server = peer(lambda peer: peer.send(said))
    assert http_resolver(server.url, timeout_ns=20 * S)("t") is None


@pytest.mark.parametrize("url", ["", "ftp://a/", "file:///etc/passwd", "http:///x", "//a/b",
                                 "http:x", "http://:80/", "http://a:0/", "http://a:70000/",
                                 "http://[::1"])
def test_only_an_http_address_is_asked(url: str) -> None:
    with pytest.raises(ArgumentError, match="http or https URL"):
        http_resolver(url)
