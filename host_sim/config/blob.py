# SPDX-License-Identifier: MIT
"""Sections to one blob: table, alignment, checksum, hash and seed, as ray/config.h lays it out."""

from __future__ import annotations

import hashlib

from host_sim.config import layout
from host_sim.config.compile_auth import secrets_of
from host_sim.config.compiler import sections
from host_sim.config.keys import Material
from host_sim.config.model import File
from host_sim.config.positions import Path


def compile_file(
    file: File, seed: bytes | None = None, material: dict[Path, Material] | None = None
) -> tuple[bytes, bytes]:
    """(blob, hash). The hash is SHA-256 over everything before the secrets with length and
    checksum zero; the 16-byte hash seed in the secrets is `seed`, or the first 16 bytes of that
    hash, and behind it the issuers' keys. Every key takes the same room, so that the hash tells
    nothing of them but their number."""
    rows, hidden = sections(file, material), secrets_of(file, material or {})
    frame = layout.Header.sizeof() + layout.Section.sizeof() * (len(rows) + 1)
    offset = _aligned(frame)
    table, body = bytearray(), bytearray(offset - frame)
    for kind, row_bytes, row_count, content in rows:
        table += layout.Section.build(
            dict(kind=kind, row_bytes=row_bytes, row_count=row_count, offset=offset)
        )
        body += content.ljust(_aligned(len(content)), b"\0")
        offset += _aligned(len(content))
    table += layout.Section.build(
        dict(kind=layout.SECRETS, row_bytes=1, row_count=16 + len(hidden), offset=offset)
    )

    def header(length: int, checksum: int) -> bytes:
        built: bytes = layout.Header.build(
            dict(length=length, checksum=checksum, section_count=len(rows) + 1)
        )
        return built

    public = bytes(table + body)
    digest = hashlib.sha256(header(0, 0) + public).digest()
    secrets = (digest[:16] if seed is None else seed) + hidden
    length = offset + len(secrets)
    checksum = crc32c(header(length, 0) + public + secrets)
    return header(length, checksum) + public + secrets, digest


def _aligned(size: int) -> int:
    return size + 7 & ~7


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F6_3B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_CRC = _crc_table()


def crc32c(data: bytes) -> int:
    """Castagnoli, reflected, as in RFC 3720 appendix B.4."""
    crc, table = 0xFFFF_FFFF, _CRC
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFF_FFFF
