# SPDX-License-Identifier: MIT
"""Probing: what an instance really answers is what the core is told, at the rhythm of the file."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from host_sim import config
from host_sim.kernel import Kernel
from host_sim.modules.lb import HealthStatus, LoadBalancer
from host_sim.probing import Probe, prober

S = 1_000_000_000
UNKNOWN, HEALTHY, UNHEALTHY = HealthStatus.UNKNOWN, HealthStatus.HEALTHY, HealthStatus.UNHEALTHY


class Door:
    """A server on 127.0.0.1 that answers each question with `says`, or with nothing for b""."""

    def __init__(self, says: bytes = b"") -> None:
        self.says, self.asked = says, list[bytes]()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.at = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.links: list[socket.socket] = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self.socket.accept()
                self.links.append(link)   # held open: a server that says nothing is no closed one
                if self.says:
                    self.asked.append(link.recv(65536))
                    link.sendall(self.says)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)   # else the accept that waits takes one more
        for held in (self.socket, *self.links):
            held.close()


@pytest.fixture
def doors() -> Iterator[list[Door]]:
    made = [Door() for _ in range(2)]
    yield made
    for door in made:
        door.close()


def loaded(health: str, *at: str) -> tuple[config.Config, Kernel]:
    instances = ", ".join(f'{{ at = "{one}" }}' for one in at)
    found = config.loads(f"""version = 1
[service.s]
pool = "p"
[[route]]
name = "r"
service = "s"
path = {{ prefix = "/" }}
[pool.p]
health = {{ {health} }}
instances = [{instances}]
[pool.unprobed]
instances = [{{ at = "10.0.0.9:80" }}]
""", profile="tiny")
    return found, Kernel(profile="tiny", config=found)


def test_rise_and_fall_of_real_connections(doors: list[Door]) -> None:
    up, down = doors[0].at, "127.0.0.1:1"
    found, kernel = loaded('every = "5s", rise = 2, fall = 3', up, down)
    asks = prober(found, kernel)
    assert asks.due_ns == 0
    assert asks.refresh(0) == [Probe("p", up, True, UNKNOWN), Probe("p", down, False, UNKNOWN)]
    assert asks.due_ns == 5 * S and asks.refresh(5 * S - 1) == []
    assert [row.health for row in asks.refresh(5 * S)] == [HEALTHY, UNKNOWN]
    assert [row.health for row in asks.refresh(10 * S)] == [HEALTHY, UNHEALTHY]
    assert {kernel.admit("/", at_ns=10 * S, ip=f"192.0.2.{n}").instance for n in range(4)} == {up}
    doors[0].close()
    for at in (15, 20, 25):
        said = asks.refresh(at * S)
    assert said[0] == Probe("p", up, False, UNHEALTHY)
    assert kernel.admit("/", at_ns=26 * S).reason == "no-instance"
    assert kernel.valid() == 0


@pytest.mark.parametrize(("says", "passes"), [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", True),      # its body is not waited for
    (b"HTTP/1.1 204 No Content\r\n\r\n", True), (b"HTTP/1.0 399 x\r\n\r\n", True),
    (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", True),
    (b"HTTP/1.1 400 x\r\n\r\n", False), (b"HTTP/1.1 503 x\r\n\r\n", False),
    (b"nonsense\r\n\r\n", False), (b"HTTP/1.1 200", False), (b"x" * 99_999, False)])
def test_a_path_wants_a_status_of_200_to_399(
    doors: list[Door], says: bytes, passes: bool
) -> None:
    doors[0].says = says
    found, kernel = loaded('path = "/healthz?deep=1", timeout = "300ms"', doors[0].at)
    assert [row.passed for row in prober(found, kernel).refresh(0)] == [passes]
    head = doors[0].asked[0]
    assert head.startswith(b"GET /healthz?deep=1 HTTP/1.1\r\n")
    assert f"Host: {doors[0].at}\r\n".encode() in head


def test_one_that_never_answers_takes_its_timeout_and_no_other_ones(doors: list[Door]) -> None:
    found, kernel = loaded('path = "/", timeout = "400ms", every = "1s"',
                           *(door.at for door in doors))
    began = time.monotonic_ns()
    assert [row.passed for row in prober(found, kernel).refresh(0)] == [False, False]
    assert 0.4 * S <= time.monotonic_ns() - began < 0.8 * S     # both at once


def test_found_instances_are_probed_and_outcomes_come_in_the_pools_order(doors: list[Door]) -> None:
    found, kernel = loaded('rise = 1, fall = 1', doors[0].at)
    balancer = LoadBalancer(kernel=kernel)
    ports = [int(door.at.rpartition(":")[2]) for door in doors]
    balancer.discover(balancer.find_pool("p"), [("127.0.0.1", port, 1) for port in ports])

    def slow_first(instance, health):  # type: ignore
        time.sleep(0.05 * (instance.port == ports[0]))
        return instance.port == ports[1]

    said = prober(found, kernel, asks=slow_first).refresh(S)
    assert [(row.at, row.health) for row in said] == [
        (doors[0].at, UNHEALTHY), (doors[1].at, HEALTHY)]


def test_a_file_without_health_asks_nobody() -> None:
    found = config.loads("version = 1\n[pool.p]\ninstances = [{ at = \"10.0.0.9:80\" }]\n")
    asks = prober(found, Kernel(config=found))
    assert asks.due_ns is None and asks.refresh(0) == []
