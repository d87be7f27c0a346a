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
ROLES = ("admin", "service-account", "user", "guest")  # enum ray_role, from 1


@dataclass(frozen=True)
class Request:
    """What a log line or an expectation tells about its sender; "" is unknown."""

    client: str = ""  # an address or a host name, as the log has it
    user: str = ""  # the log's user column
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One rule: `networks` None is always; `user_from` is log_user, ip, header or path_segment."""

    networks: tuple[units.Network, ...] | None
    tenant: int  # place in the file, RAY_NONE for none
    user_from: str
    user_header: str
    user_segment: int
    role: int = 0  # place in ROLES, from 1; 0 for none

    def matches(self, address: bytes | None) -> bool:
        """True when the client's address lies in a network; an unknown one lies in none."""
        if self.networks is None:
            return True
        return address is not None and any(network.holds(address) for network in self.networks)

    def user_of(self, request: Request, address: bytes | None) -> str:
        """The user's name by this rule, "" for the anonymous one."""
        if self.user_from == "ip":
            return request.client if address is None else address_text(address)
        if self.user_from == "header":
            wanted = self.user_header.lower()
            found = (value for name, value in request.headers.items() if name.lower() == wanted)
            return next(found, "")
        if self.user_from == "path_segment":
            segments = request.path.partition("?")[0].split("/")[1:]
            return segments[self.user_segment - 1] if self.user_segment <= len(segments) else ""
        return request.user


@dataclass(frozen=True)
class Identity:
    """The rules in file order; the first that matches answers, none means the log's user alone."""

    rules: tuple[Rule, ...]

    def resolve(self, request: Request) -> tuple[int, str, int]:
        """(tenant id, user, role). The id is the tenant's place in the file, RAY_NONE for none; the
        role is enum ray_role, 0 for none."""
        address = address_of(request.client)
        for rule in self.rules:
            if rule.matches(address):
                return rule.tenant, rule.user_of(request, address), rule.role
        return NONE, request.user, 0

    @staticmethod
    def of(rows: list[IdentityRule], tenants: tuple[str, ...]) -> Identity:
        """Rules of a checked file."""
        return Identity(tuple(_rule(row, tenants) for row in rows))


def _rule(row: IdentityRule, tenants: tuple[str, ...]) -> Rule:
    tenant = NONE if row.tenant is None else tenants.index(row.tenant)
    role = ROLES.index(row.role) + 1 if row.role else 0
    if isinstance(row.user, UserFrom):
        source = "header" if row.user.header is not None else "path_segment"
        return Rule(row.when.ip, tenant, source, row.user.header or "", row.user.path_segment or 0,
                    role)
    return Rule(row.when.ip, tenant, row.user or "log_user", "", 0, role)


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
