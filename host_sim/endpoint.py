# SPDX-License-Identifier: MIT
"""HOST:PORT, the key under which a pool knows an instance, and back again."""

from __future__ import annotations

import ipaddress


def join(host: str, port: int) -> str:
    """HOST:PORT. An IPv6 address, bracketed or not, stands in brackets (RFC 3986 section 3.2.2) as
    RFC 5952 spells it, so that one instance has one key; one that holds an IPv4 address is that
    address. Raises ValueError for a host with a colon that is no IPv6 address."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare:
        address = ipaddress.IPv6Address(bare)
        host = f"[{address}]" if address.ipv4_mapped is None else str(address.ipv4_mapped)
    return f"{host}:{port}"


def split(at: str) -> tuple[str, int]:
    """(host, port) of a key; an IPv6 address without its brackets."""
    host, _, port = at.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)
