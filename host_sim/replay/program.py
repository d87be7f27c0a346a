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
    "date": "DATE",
    "end": "END",
    "error": "ERROR",
    "duration_2": "DURATION_2",
    "duration_3": "DURATION_3",
    "header": "HEADER",
}
UNITS = {
    "": "AUTO", "s": "SECONDS", "ms": "MILLISECONDS", "us": "MICROSECONDS", "ns": "NANOSECONDS",
    "port": "PORT",
}
# How a log writes down the bytes it cannot write as they are (enum ray_reader_escape).
ESCAPES = {"plain": "PLAIN", "backslash": "BACKSLASH", "json": "JSON_TEXT", "percent": "PERCENT",
           "hash": "HASH"}
TIMED = ("time", "end", "duration", "duration_2", "duration_3")  # what a unit may follow


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
    escape: str = "plain"


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
    comment: str = ""               # lines that begin with it are no rows
    needs_path: bool = False        # lines without a path are no requests

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
                    unit = f":{field.unit}" if field.unit and target in TIMED else ""
                    words.append(f"{kind}={source}{unit}" if source else kind)
        return " ".join(words)
