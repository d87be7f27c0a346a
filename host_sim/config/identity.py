# SPDX-License-Identifier: MIT
"""Who a request is from, by the [[identity]] rules: logs carry no credentials, so the host decides.

The rules never reach the core: it is handed a tenant and a user with every row.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from host_sim.config import units
from host_sim.config.model import IdentityRule, UserFrom

NONE = 0xFFFF_FFFF


@dataclass(frozen=True)
class Request:
    """What a log line or an expectation tells about its sender; "" and None are unknown."""

    client: str = ""  # an address or a host name, as the log has it
    user: str = ""  # the log's user column
    path: str = "/"
    service: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    address: bytes | None = None  # 16 bytes, where `client` is not the address itself


@dataclass(frozen=True)
class Rule:
    """One rule with its networks parsed; None asks nothing."""

    networks: tuple[units.Network, ...] | None
    clients: tuple[str, ...] | None
    users: tuple[str, ...] | None
    service: str | None
    path: str | None
    headers: tuple[tuple[str, str], ...]
    tenant: int
    user_from: str
    user_header: str
    user_segment: int

    def matches(self, request: Request, address: bytes | None) -> bool:
        """True when everything the rule names holds; what is unknown does not hold."""
        if self.networks is not None and (
            address is None or not any(net.holds(address) for net in self.networks)
        ):
            return False
        if self.clients is not None and not any(
            _is_client(request.client, known) for known in self.clients
        ):
            return False
        if self.users is not None and request.user not in self.users:
            return False
        if self.service is not None and request.service != self.service:
            return False
        if self.path is not None and not _is_below(request.path, self.path):
            return False
        return all(_header(request.headers, name) == value for name, value in self.headers)

    def user_of(self, request: Request, address: bytes | None) -> str:
        """The user's name by this rule, "" for the anonymous one."""
        if self.user_from == "log_user":
            return request.user
        if self.user_from == "client":
            return request.client
        if self.user_from == "ip":
            return request.client if address is None else address_text(address)
        if self.user_from == "header":
            return _header(request.headers, self.user_header) or ""
        if self.user_from == "path_segment":
            segments = request.path.partition("?")[0].split("/")[1:]
            return segments[self.user_segment - 1] if self.user_segment <= len(segments) else ""
        return ""


@dataclass(frozen=True)
class Identity:
    """The rules in file order; the first that matches answers, none means no tenant and the log's
    user.

    `depends` says which fields of Request any rule looks at, so that a reader can remember answers
    by those alone.
    """

    rules: tuple[Rule, ...]
    depends: frozenset[str]

    def resolve(self, request: Request) -> tuple[int, str]:
        """(tenant id, user). The id is the tenant's place in the file, RAY_NONE for none."""
        address = request.address if request.address is not None else address_of(request.client)
        for rule in self.rules:
            if rule.matches(request, address):
                return rule.tenant, rule.user_of(request, address)
        return NONE, request.user

    @staticmethod
    def of(rows: list[IdentityRule], tenants: tuple[str, ...]) -> Identity:
        """Rules of a checked file."""
        rules = tuple(_rule(row, tenants) for row in rows)
        depends = {"user"}
        for rule in rules:
            depends |= (
                {"client", "address"}
                if rule.networks or rule.clients or rule.user_from in ("ip", "client")
                else set()
            )
            depends |= {"path"} if rule.path or rule.user_from == "path_segment" else set()
            depends |= {"service"} if rule.service else set()
            depends |= {"headers"} if rule.headers or rule.user_from == "header" else set()
        return Identity(rules, frozenset(depends))


def _rule(row: IdentityRule, tenants: tuple[str, ...]) -> Rule:
    when, user = row.when, row.user
    source: str = user if isinstance(user, str) else ""
    header, segment = "", 0
    if isinstance(user, UserFrom):
        source = "header" if user.header is not None else "path_segment"
        header, segment = user.header or "", user.path_segment or 0
    return Rule(
        when.ip,
        _listed(when.client),
        _listed(when.user),
        when.service,
        when.path,
        tuple(sorted((when.header or {}).items())),
        NONE if row.tenant is None else tenants.index(row.tenant),
        source or "log_user",
        header,
        segment,
    )


def _listed(value: str | list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else (value,) if isinstance(value, str) else tuple(value)


def _is_client(client: str, known: str) -> bool:
    """Host names compare without case; `*.nasa.gov` is every name below nasa.gov."""
    name, wanted = client.lower(), known.lower()
    return name.endswith(wanted[1:]) if wanted.startswith("*.") else name == wanted


def _is_below(path: str, prefix: str) -> bool:
    path = path.partition("?")[0]
    return prefix == "/" or path == prefix.rstrip("/") or path.startswith(prefix.rstrip("/") + "/")


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for known, value in headers.items() if known.lower() == name.lower()), None)


def address_of(client: str) -> bytes | None:
    """The 16 bytes of an address, None for a host name."""
    try:
        return units.mapped(ipaddress.ip_address(client))
    except ValueError:
        return None


def address_text(address: bytes) -> str:
    """a.b.c.d for mapped addresses, the RFC 5952 form otherwise."""
    ip = ipaddress.IPv6Address(address)
    return str(ip.ipv4_mapped or ip)
