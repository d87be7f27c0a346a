# SPDX-License-Identifier: MIT
"""Names of header fields: one that can arrive, and one that somebody other than the gateway may
write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from host_sim.config.positions import Path

if TYPE_CHECKING:
    from host_sim.config.rules import Ground

# RFC 9110 5.6.2 without "_", as the gateway reads field names.
_TOKEN = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")
# What a message is framed and forwarded by (RFC 9110 7.6.1, RFC 9112 6) is the gateway's alone.
FRAMING = {
    "content-length", "host", "connection", "keep-alive", "proxy-connection",
    "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip


def check_header(
    ground: Ground, path: Path, name: str | None, *, most: int = 47, key: bool = False
) -> bool:
    """True when a field of this name can arrive; says why not otherwise. None is no name."""
    if name is None or (len(name) <= most and _TOKEN.fullmatch(name)):
        return True
    ground.say(
        path,
        "bad-header",
        f'"{name}" is no header name: 1 to {most} letters, digits and "-", for example "X-User"',
        key=key,
    )
    return False


def check_edited(
    ground: Ground, path: Path, name: str | None, *, most: int = 47, key: bool = False
) -> None:
    """The same of a field that the file writes or removes."""
    if check_header(ground, path, name, most=most, key=key) and name and name.lower() in FRAMING:
        ground.say(
            path,
            "bad-header",
            f'"{name}" frames the message and is written by the gateway alone; use another header',
            key=key,
        )
