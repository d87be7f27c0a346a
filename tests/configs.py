# SPDX-License-Identifier: MIT
"""Configuration texts for tests: a small file to add rows to, and rows by keyword."""

from __future__ import annotations

import json
import struct
from typing import Any

from host_sim import config as compiler
from host_sim.config import layout
from host_sim.config.blob import crc32c

HEAD = 'version = 1\n[tenant.acme]\nplan = "gold"\n[service.a]\n[service.b]\n'


def _row(section: str, keys: dict[str, Any]) -> str:
    """A row; text that starts with a brace is an inline table, None leaves the key out."""
    lines = [f"[[{section}]]\n"]
    for key, value in keys.items():
        is_table = isinstance(value, str) and value[:1] == "{"
        if value is not None:
            lines.append(f"{key} = {value if is_table else json.dumps(value)}\n")
    return "".join(lines)


def limit(**keys: Any) -> str:
    """A limit "x" of scope user at 1/s, but for what is given."""
    return _row("limit", {"name": "x", "scope": "user", "rate": "1/s", **keys})


def route(**keys: Any) -> str:
    """A route "r" of service a for every path, but for what is given."""
    return _row("route", {"name": "r", "service": "a", "path": '{ prefix = "/" }', **keys})


def quota(**keys: Any) -> str:
    """A quota "q" of one request a month for tenant acme, but for what is given."""
    return _row("quota", {"name": "q", "tenant": "acme", "limit": 1, **keys})


def alert(**keys: Any) -> str:
    """An alert "n" on denials above 5 a minute, but for what is given."""
    return _row("alert", {"name": "n", "metric": "denied", "above": 5, **keys})


def identity(**keys: Any) -> str:
    """An identity rule that is always, but for what is given."""
    return _row("identity", {"when": "{}", **keys})


def expectation(expect: str) -> str:
    """An expectation for a request to /."""
    return _row("test", {"request": '{ path = "/" }', "expect": expect})


def found(text: str, **more: Any) -> list[tuple[int, int, str]]:
    """(line, column, code) of every finding."""
    findings = compiler.examine(text.encode(), **more).findings
    return [(one.line, one.column, one.code) for one in findings]


def codes(text: str, **more: Any) -> list[str]:
    """The codes alone."""
    return [code for _, _, code in found(text, **more)]


# -- bytes: two services, two routes ---------------------------------------------------------------
TWO = (
    'version = 1\n[service.a]\n[service.b]\n[[route]]\nname = "a"\nservice = "a"\n'
    'path = { prefix = "/a" }\n[[route]]\nname = "b"\nservice = "b"\npath = { prefix = "/b" }\n'
)
BUCKET = '[[limit]]\nname = "%s"\nscope = "service"\nrate = "1/h"\nburst = %d\n'
TENANTS = '[tenant.x]\nplan = "p"\n[tenant.y]\nplan = "q"\n'
QUOTA = '[[quota]]\nname = "all"\nlimit = 10\nwindow = "never"\n'


def compiled(text: str, **more: Any) -> bytes:
    """The bytes of a file that is fine."""
    return compiler.loads(text, **more).blob


def sealed(blob: bytes) -> bytes:
    """The blob with its length and checksum made right again."""
    out = bytearray(blob.ljust(24, b"\0"))
    out[8:16] = struct.pack("<II", len(out), 0)
    out[12:16] = struct.pack("<I", crc32c(bytes(out)))
    return bytes(out)


def rows_of(blob: bytes) -> dict[int, tuple[int, int, int]]:
    """(offset, row bytes, rows) of each section."""
    count = struct.unpack_from("<I", blob, 16)[0]
    entries = (layout.Section.parse(blob[24 + 16 * i : 40 + 16 * i]) for i in range(count))
    return {one.kind: (one.offset, one.row_bytes, one.row_count) for one in entries}


def with_sections(text: str, rows: dict[int, list[dict[str, Any]]]) -> bytes:
    """The blob of `text` with other rows in some of its sections; those before the first of them
    and the secrets stay, what is between goes."""
    blob = compiler.loads(text).blob
    places = rows_of(blob)
    first = min(places[kind][0] for kind in rows)
    out, moved = bytearray(blob[:first]), {}
    for kind in sorted(rows, key=lambda kind: places[kind][0]):
        moved[kind] = (len(out), places[kind][1], len(rows[kind]))
        out += b"".join(layout.ROWS[kind].build(row) for row in rows[kind])
    moved[layout.SECRETS] = (len(out), 1, 16)
    out += blob[places[layout.SECRETS][0] :]
    for at in range(24, first, 16):
        entry = layout.Section.parse(bytes(out[at : at + 16]))
        if entry.kind in moved:
            offset, size, count = moved[entry.kind]
            out[at : at + 16] = layout.Section.build(
                dict(kind=entry.kind, row_bytes=size, row_count=count, offset=offset)
            )
        if entry.kind == layout.SECRETS:
            break
    return sealed(bytes(out))


def refused(kernel: Any, blob: bytes) -> Any:
    """The core's report about a blob that must change nothing where it is refused."""
    report = kernel.ffi.new("ray_config_report *")
    before = kernel.digest()
    memory = kernel.ffi.new("uint64_t[]", len(blob) // 8 + 1)
    kernel.ffi.memmove(memory, blob, len(blob))
    at = kernel.ffi.cast("uint8_t *", memory)
    kernel.lib.ray_config_check(at, len(blob), report)
    if report.status:
        kernel.lib.ray_config_load(kernel.ray, kernel.ffi.NULL, 0, at, len(blob), report)
        assert kernel.digest() == before
    return report


def grants(kernel: Any, target: str, count: int, **more: Any) -> int:
    """How many of so many requests at one instant are allowed."""
    return sum(kernel.admit(target, exchange=True, **more).allowed for _ in range(count))
