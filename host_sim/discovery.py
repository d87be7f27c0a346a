# SPDX-License-Identifier: MIT
"""Discovery on the host: names of DNS become the instances of a pool (A, AAAA, SRV).

The core resolves nothing. A Resolver asks, keeps an answer for as long as its TTL says, and hands
over a whole set; an empty or failed answer is counted and keeps the last set. Instants are whole
nanoseconds, given by the caller.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from host_sim import endpoint
from host_sim.config.model_pool import Pool
from host_sim.errors import ArgumentError
from host_sim.modules.lb import LoadBalancer

if TYPE_CHECKING:
    from host_sim.config import Config
    from host_sim.kernel import Kernel

NS_PER_S = 1_000_000_000
PORT_MAX = 65_535
WEIGHT_MAX = 1_000
# What an answer may do to the rhythm: never asked more often, never kept for longer.
TTL_MIN_S = 1
TTL_MAX_S = 86_400


class DiscoveryError(Exception):
    """A name that gave no set: no such name, no records, no server, or no address in any answer."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Found:
    """One instance DNS names: address, port, and weight 1 to 1000 (SRV's, else 1)."""

    address: str
    port: int
    weight: int = 1

    @property
    def at(self) -> str:
        """HOST:PORT, the key under which a pool knows it; an IPv6 address in brackets."""
        return endpoint.join(self.address, self.port)


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One set, sorted by key, and the seconds for which it holds."""

    found: tuple[Found, ...]
    ttl_s: int


class Lookup:
    """Asks DNS servers; the system's own when `servers` is empty. `timeout_s` is for all of it."""

    def __init__(
        self, *, servers: Sequence[str] = (), port: int = 53, timeout_s: int = 2
    ) -> None:
        self._resolver = dns.resolver.Resolver(configure=not servers)
        if servers:
            self._resolver.nameservers = list(servers)
            self._resolver.port = port
        self._resolver.lifetime = timeout_s
        self._resolver.cache = None  # the TTL is kept by Resolver, by the caller's clock

    def ask(self, name: str, *, port: int = 80) -> Answer:
        """The set `name` stands for: an SRV name (its first label begins with `_`) brings ports,
        weights and the targets' addresses; any other its A and AAAA records at `port`.

        Of SRV records only those of the lowest priority count (RFC 2782). Raises DiscoveryError.
        """
        try:
            found, ttl_s = self._srv(name) if name.startswith("_") else self._hosts(name, port, 1)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise DiscoveryError(f"{name}: {type(error).__name__}: {error}") from error
        if not found:
            raise DiscoveryError(f"{name}: no address in the answer")
        return Answer(tuple(sorted(found.values())), min(max(ttl_s, TTL_MIN_S), TTL_MAX_S))

    def _srv(self, name: str) -> tuple[dict[str, Found], int]:
        records = self._resolver.resolve(name, dns.rdatatype.SRV, search=False)
        ttl_s = int(records.rrset.ttl) if records.rrset is not None else TTL_MIN_S
        first = min(int(record.priority) for record in records)
        found: dict[str, Found] = {}
        for record in records:
            target, port = record.target, int(record.port)
            # A target of "." says that there is decidedly no such service.
            if int(record.priority) != first or target == dns.name.root or not port:
                continue
            weight = min(max(int(record.weight), 1), WEIGHT_MAX)
            hosts, host_ttl_s = self._hosts(target.to_text(), port, weight)
            ttl_s = min(ttl_s, host_ttl_s)
            for at, one in hosts.items():
                found.setdefault(at, one)
        return found, ttl_s

    def _hosts(self, name: str, port: int, weight: int) -> tuple[dict[str, Found], int]:
        if not 1 <= port <= PORT_MAX:
            raise ValueError(f"a port is 1 to {PORT_MAX}, not {port}")
        found: dict[str, Found] = {}
        ttl_s, failed = TTL_MAX_S, None
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            try:
                records = self._resolver.resolve(name, kind, search=False)
            except dns.resolver.NoAnswer:
                continue
            except dns.exception.DNSException as error:
                # Half an answer would take the other half's instances away.
                failed = error
                break
            ttl_s = min(ttl_s, int(records.rrset.ttl) if records.rrset is not None else TTL_MIN_S)
            for record in records:
                one = Found(record.address, port, weight)
                found[one.at] = one
        if failed is not None:
            raise failed
        return found, ttl_s


class Resolver:
    """What one name stood for last, for as long as DNS said.

    `every_ns` is the longest a set is kept; a shorter TTL asks sooner. Failures keep the last set,
    are counted, and are tried again after `every_ns`.
    """

    def __init__(self, name: str, *, lookup: Lookup, every_ns: int, port: int = 80) -> None:
        if every_ns < 1:
            raise ValueError(f"every_ns is at least 1, not {every_ns}")
        self.name, self.port, self.every_ns = name, port, every_ns
        self._lookup = lookup
        self.found: tuple[Found, ...] = ()
        self.due_ns = 0
        self.answer_count = 0
        self.kept_count = 0
        self.error = ""

    def refresh(self, now_ns: int) -> bool:
        """Asks when it is time to; True when there is a set to hand over (the same one again
        included). After False the last set holds."""
        if now_ns < self.due_ns:
            return False
        try:
            answer = self._lookup.ask(self.name, port=self.port)
        except DiscoveryError as error:
            self.error, self.kept_count = str(error), self.kept_count + 1
            self.due_ns = now_ns + self.every_ns
            return False
        self.found, self.error = answer.found, ""
        self.answer_count += 1
        self.due_ns = now_ns + min(self.every_ns, answer.ttl_s * NS_PER_S)
        return True


class Watch:
    """The resolvers of a configuration's pools, each with its own rhythm.

    `pools` is the file's `[pool.NAME]` tables (Config.file.pool); what DNS says goes to the pools
    of the same name.
    """

    def __init__(self, balancer: LoadBalancer, pools: Mapping[str, Pool], lookup: Lookup) -> None:
        self._balancer = balancer
        self.resolvers = {
            name: Resolver(
                pool.discover.dns,
                lookup=lookup,
                every_ns=pool.discover.every,
                port=pool.discover.port,
            )
            for name, pool in pools.items()
            if pool.discover is not None
        }

    @property
    def due_ns(self) -> int | None:
        """When the next one wants to ask; None when no pool is found by name."""
        return min((one.due_ns for one in self.resolvers.values()), default=None)

    def refresh(self, now_ns: int) -> list[str]:
        """Asks whose time has come and hands the sets over; names of the pools that got one.

        A failed answer keeps the pool's last set and is counted by the core too. Raises
        UnknownError for a pool the core does not have, FullError for a set it has no room for.
        """
        taken = []
        for name, resolver in self.resolvers.items():
            if now_ns < resolver.due_ns:
                continue
            pool = self._balancer.find_pool(name)
            if resolver.refresh(now_ns):
                found = [(one.address, one.port, one.weight) for one in resolver.found]
                self._balancer.discover(pool, found, now_ns=now_ns)
                taken.append(name)
                continue
            # ArgumentError is how the core says that it counted the answer and kept the set.
            with contextlib.suppress(ArgumentError):
                self._balancer.discover(pool, [], now_ns=now_ns)
        return taken


def watch(config: Config, kernel: Kernel, *, lookup: Lookup | None = None) -> Watch:
    """What `discover` of a loaded configuration's pools asks for, handed to the kernel's pools. The
    system's own DNS servers without a `lookup`. Call `refresh(now_ns)` at the start and whenever
    `due_ns` has come."""
    return Watch(LoadBalancer(kernel=kernel), config.file.pool, lookup or Lookup())
