# SPDX-License-Identifier: MIT
"""What a log's lines look like, compiled once: the fields the C reader takes them apart by."""

from __future__ import annotations

import dataclasses

# What --map and the format compilers call a field -> the reader's name for it (enum
# ray_reader_target without its prefix). "header" carries a header's name besides.
TARGETS = {
    "skip": "SKIP",
    "time": "TIME",
    "ip": "CLIENT",
    "user": "USER",
    "request": "REQUEST",
    "method": "METHOD",
    "path": "PATH",
    "query": "QUERY",
    "status": "HTTP_STATUS",
    "bytes": "RESPONSE_BYTES",
    "request_bytes": "REQUEST_BYTES",
    "duration": "DURATION",
    "weight": "WEIGHT",
    "tenant": "TENANT",
    "service": "SERVICE",
    "host": "HOST",
    "compute": "COMPUTE",
    "custom": "CUSTOM",
    "priority": "PRIORITY",
    "error": "ERROR",
    "header": "HEADER",
}
UNITS = {
    "": "AUTO", "s": "SECONDS", "ms": "MILLISECONDS", "us": "MICROSECONDS", "ns": "NANOSECONDS",
}


class FormatError(ValueError):
    """A format, a mapping or a log's shape that cannot be used; says what to do instead."""


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a line.

    `name` is the literal before it (format), its column's name (table) or its dotted key (JSON).
    """

    target: str
    name: str = ""
    unit: str = ""
    header: str = ""
    quoted: bool = False
    last: bool = False
    also: str = ""


@dataclasses.dataclass(frozen=True)
class Program:
    """How lines are taken apart, and what that was worked out from."""

    shape: str                      # "FORMAT", "TABLE" or "JSON"
    fields: tuple[Field, ...]
    label: str                      # "combined", "CSV", "JSON lines", "log_format"
    delimiter: str = ""
    quotes: bool = False
    skip_lines: int = 0
    time_is_end: bool = False

    def has(self, target: str) -> bool:
        """True when a field of the line is for `target`."""
        return any(target in (field.target, field.also) for field in self.fields)

    def said(self) -> str:
        """Which column is read as what: `time=time ip=host path=url`."""
        words = []
        for field in self.fields:
            for target in filter(None, (field.target, field.also)):
                if target != "skip":
                    kind = f"header:{field.header}" if target == "header" else target
                    source = field.name if self.shape != "FORMAT" else ""
                    unit = f":{field.unit}" if field.unit else ""
                    words.append(f"{kind}={source}{unit}" if source else kind)
        return " ".join(words)
