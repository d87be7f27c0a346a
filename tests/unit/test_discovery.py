# SPDX-License-Identifier: MIT
"""Discovery: a small DNS server of the test's own says what a pool's instances are."""
from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from host_sim import config
from host_sim.discovery import Answer, DiscoveryError, Found, Lookup, Resolver, watch
from host_sim.kernel import Kernel
from host_sim.modules.lb import LoadBalancer

S = 1_000_000_000


class Zone:
    """Answers on 127.0.0.1 from `records`: (name, type) to (ttl, texts), or to an rcode's word."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[int, list[str]] | str] = {}
        self.asked: list[tuple[str, str]] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, client = self.socket.recvfrom(4096)
                if not wire:
                    return
                self.socket.sendto(self.answer(dns.message.from_wire(wire)).to_wire(), client)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        known = self.records.get((name, kind))
        if isinstance(known, str):
            reply.set_rcode(dns.rcode.from_text(known))
        elif known is not None:
            ttl, texts = known
            reply.answer.append(dns.rrset.from_text(question.name, ttl, "IN", kind, *texts))
        elif not any(name == other for other, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply


@pytest.fixture
def zone() -> Iterator[Zone]:
    zone = Zone()
    thread = threading.Thread(target=zone.serve, daemon=True)
    thread.start()
    yield zone
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
        last.sendto(b"", ("127.0.0.1", zone.port))
    thread.join(5)
    zone.socket.close()


def lookup(zone: Zone) -> Lookup:
    return Lookup(servers=["127.0.0.1"], port=zone.port, timeout_s=1)


def test_addresses_of_both_families_at_the_port_asked_for(zone: Zone) -> None:
    zone.records["api.test.", "A"] = 30, ["10.0.0.2", "10.0.0.1"]
    zone.records["api.test.", "AAAA"] = 20, ["2001:db8::1"]
    answer = lookup(zone).ask("api.test", port=8080)
    assert [one.at for one in answer.found] == [
        "10.0.0.1:8080", "10.0.0.2:8080", "[2001:db8::1]:8080"]
    assert answer.ttl_s == 20  # the shortest


def test_srv_brings_ports_and_weights_of_the_lowest_priority(zone: Zone) -> None:
    zone.records["_http._tcp.api.test.", "SRV"] = 60, [
        "10 3 8080 a.test.", "10 0 8081 b.test.", "20 9 8082 c.test."]
    zone.records["a.test.", "A"] = 300, ["10.0.0.1"]
    zone.records["b.test.", "A"] = 45, ["10.0.0.2"]
    zone.records["c.test.", "A"] = 1, ["10.0.0.3"]
    answer = lookup(zone).ask("_http._tcp.api.test")
    assert answer.found == (Found("10.0.0.1", 8080, 3), Found("10.0.0.2", 8081, 1))
    assert answer.ttl_s == 45


def test_srv_that_says_no_such_service_is_empty(zone: Zone) -> None:
    zone.records["_http._tcp.api.test.", "SRV"] = 60, ["0 0 0 ."]
    with pytest.raises(DiscoveryError, match="no address"):
        lookup(zone).ask("_http._tcp.api.test")


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED"])
def test_half_an_answer_is_none(zone: Zone, rcode: str) -> None:
    """AAAA failed: those instances must not go because only A was heard."""
    zone.records["api.test.", "A"] = 30, ["10.0.0.1"]
    zone.records["api.test.", "AAAA"] = rcode
    with pytest.raises(DiscoveryError):
        lookup(zone).ask("api.test")


def test_an_unknown_name_and_a_bad_port_are_told(zone: Zone) -> None:
    with pytest.raises(DiscoveryError, match="NXDOMAIN"):
        lookup(zone).ask("nobody.test")
    with pytest.raises(DiscoveryError, match="port"):
        lookup(zone).ask("nobody.test", port=0)


def test_a_silent_server_is_given_up(zone: Zone) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        asks = Lookup(servers=["127.0.0.1"], port=silent.getsockname()[1], timeout_s=1)
        with pytest.raises(DiscoveryError, match="Timeout"):
            asks.ask("api.test")


def test_an_answer_is_kept_for_its_ttl_and_no_longer_than_asked(zone: Zone) -> None:
    zone.records["api.test.", "A"] = 10, ["10.0.0.1"]
    resolver = Resolver("api.test", lookup=lookup(zone), every_ns=30 * S)
    assert resolver.refresh(0) and resolver.due_ns == 10 * S
    asked = len(zone.asked)
    assert not resolver.refresh(10 * S - 1) and len(zone.asked) == asked
    zone.records["api.test.", "A"] = 600, ["10.0.0.2"]
    assert resolver.refresh(10 * S) and resolver.due_ns == 40 * S
    assert resolver.found == (Found("10.0.0.2", 80),)


def test_a_failed_or_empty_answer_keeps_the_last_set_and_is_counted(zone: Zone) -> None:
    zone.records["api.test.", "A"] = 1, ["10.0.0.1"]
    resolver = Resolver("api.test", lookup=lookup(zone), every_ns=5 * S)
    assert resolver.refresh(0)
    zone.records["api.test.", "A"] = "SERVFAIL"
    assert not resolver.refresh(S) and resolver.due_ns == 6 * S and resolver.error
    zone.records = {("api.test.", "TXT"): (1, ['"here, but without an address"'])}
    assert not resolver.refresh(6 * S)
    assert (resolver.found, resolver.kept_count) == ((Found("10.0.0.1", 80),), 2)
    zone.records["api.test.", "A"] = 1, ["10.0.0.9"]
    assert resolver.refresh(11 * S) and (resolver.error, resolver.answer_count) == ("", 2)


def test_a_rhythm_of_nothing_is_refused(zone: Zone) -> None:
    with pytest.raises(ValueError, match="every_ns"):
        Resolver("api.test", lookup=lookup(zone), every_ns=0)


# -- a configuration's pools ----------------------------------------------------------------------
WATCHED = """version = 1
[pool.plain]
[pool.web]
instances = [{ at = "10.0.0.9:80" }]
discover = { dns = "web.internal", every = "30s", port = 8080 }
[pool.api]
discover = { dns = "_api._tcp.internal", every = "10s" }
"""


class Book(Lookup):
    """Answers from a table; None is a failure. What was asked is kept."""

    def __init__(self, table: dict[str, tuple[Found, ...] | None]) -> None:
        self.table = table
        self.asked: list[tuple[str, int]] = []

    def ask(self, name: str, *, port: int = 80) -> Answer:
        self.asked.append((name, port))
        found = self.table[name]
        if found is None:
            raise DiscoveryError(name)
        return Answer(found, 3_600)


def test_pools_of_a_file_follow_what_their_names_stand_for() -> None:
    second = 10**9
    read = config.loads(WATCHED)
    kernel = Kernel(config=read)
    lb = LoadBalancer(kernel=kernel)
    book = Book({"web.internal": (Found("10.0.0.1", 8080),), "_api._tcp.internal": None})
    watcher = watch(read, kernel, lookup=book)  # type: ignore[arg-type]
    assert watcher.due_ns == 0 and watcher.refresh(0) == ["web"]
    assert book.asked == [("web.internal", 8080), ("_api._tcp.internal", 80)]

    def keys(pool: str) -> list[str]:
        found = [lb.get_instance(id) for id in lb.get_pool(lb.find_pool(pool)).instances]
        return [f"{one.address}:{one.port}" for one in found]

    assert keys("web") == ["10.0.0.1:8080"] and keys("api") == [] == keys("plain")
    assert watcher.due_ns == 10 * second and watcher.refresh(9 * second) == []
    book.table["_api._tcp.internal"] = (Found("10.0.1.1", 1, 5), Found("10.0.1.2", 2, 7))
    assert watcher.refresh(10 * second) == ["api"]
    assert keys("api") == ["10.0.1.1:1", "10.0.1.2:2"]
    book.table["web.internal"] = None
    assert watcher.refresh(30 * second) == ["api"] and keys("web") == ["10.0.0.1:8080"]
    stats = lb.ffi.new("ray_lb_stats *")
    lb.lib.ray_lb_read(lb._state, stats)
    assert (stats.discovered_count, stats.discovery_kept_count) == (3, 2) and kernel.valid() == 0


def test_a_file_without_names_watches_nothing() -> None:
    read = config.loads("version = 1\n[pool.plain]\n")
    watcher = watch(read, Kernel(config=read))
    assert watcher.due_ns is None and watcher.refresh(0) == []
