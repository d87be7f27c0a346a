# SPDX-License-Identifier: MIT
"""Logs that name their own columns in a `#Fields:` line: CloudFront, IIS, and others.

Sources: W3C Extended Log File Format (WD-logfile-960323), the user guides of CloudFront's standard
logs and of IIS logging.
"""

from __future__ import annotations

import dataclasses

from host_sim.replay.mapping import Mapping, Maps, fields_for
from host_sim.replay.program import Field, FormatError, Program

FIELDS = b"#Fields:"
_TEXTS = ("path", "query", "host", "header", "user")


def is_w3c(lines: list[bytes]) -> bool:
    """True when the first lines name their columns."""
    return lines[0].startswith(b"#") and any(line.startswith(FIELDS) for line in lines)


def w3c(lines: list[bytes], maps: Maps) -> Program:
    """The program of a log that begins with these lines.

    The time is when the answer had left (CloudFront and IIS say so), so time-taken is taken off:
    seconds, but milliseconds where IIS writes. CloudFront writes unusual bytes as %HH, once.
    """
    said = next((line for line in lines if line.startswith(FIELDS)), None)
    if said is None:
        raise FormatError("a W3C log names its columns in a #Fields: line, and this has none in "
                          "its first lines")
    rows = [line for line in lines if not line.startswith(b"#")]
    names = said[len(FIELDS):].decode("utf-8", "replace").split()
    cloudfront = "x-edge-location" in names
    iis = any(line.startswith(b"#Software: Microsoft") for line in lines)
    given = {m.target for m in maps.maps}
    extra = []
    if "date" in names and "time" in names and not given & {"time", "date"}:
        extra = [Mapping("date", "date"), Mapping("time", "time")]
    if "time-taken" in names and "duration" not in given:
        extra.append(Mapping("duration", "time-taken", unit="ms" if iis else "s"))
    fields = fields_for(names, dataclasses.replace(maps, maps=(*maps.maps, *extra)))
    if not any("time" in (field.target, field.also) for field in fields):
        raise FormatError("no column is known as the time; say which with --map time=COLUMN. "
                          f"The columns are: {', '.join(names[:40])}")
    if cloudfront:
        fields = tuple(_percent(field) for field in fields)
    label = "CloudFront" if cloudfront else "IIS" if iis else "W3C"
    delimiter = "\t" if any(b"\t" in row for row in rows) else " "
    return Program("TABLE", fields, label, delimiter=delimiter, comment="#",
                   time_is_end=True if maps.time_is_end or not given & {"time"} else False)


def _percent(field: Field) -> Field:
    texts = field.target in _TEXTS or field.also in _TEXTS
    return dataclasses.replace(field, escape="percent") if texts else field
