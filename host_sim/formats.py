# SPDX-License-Identifier: MIT
"""Bodies checked against a schema, and written in another format, by the core."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from host_sim import _raw
from host_sim.format_schema import Table

FORMATS = ("raw", "json", "protobuf", "xml", "form", "multipart")
STRICT, DROP, KEEP, AS_IS = 1, 2, 4, 8


@dataclasses.dataclass(frozen=True)
class Report:
    """What the core said: status 0 is success; `pointer` is RFC 6901."""

    status: int
    fault: str
    keyword: str
    pointer: str
    place: int
    lossy: bool


class Formats:
    """The core's readers and writers with one schema, or none."""

    def __init__(self, schema: Mapping[str, Any] | bool | None, profile: str = "seed",
                 root: str = "root") -> None:
        raw = _raw.load(profile)
        self._ffi, self._lib = raw.ffi, raw.lib
        self._kept: list[Any] = []
        self._last: list[Any] = []
        self._schema = self._ffi.NULL
        if schema is not None:
            self._fill(Table(schema, root))

    def _fill(self, table: Table) -> None:
        ffi = self._ffi
        made = ffi.new("ray_format_schema *")
        for field, rows, kind in (("nodes", table.nodes, "ray_format_node"),
                                  ("properties", table.properties, "ray_format_property"),
                                  ("values", table.values, "ray_format_value")):
            array = ffi.new(f"{kind}[]", max(1, len(rows)))
            for index, row in enumerate(rows):
                for name, value in row.items():
                    setattr(array[index], name, value)
            self._kept.append(array)
            setattr(made, field, array)
        text = ffi.from_buffer("uint8_t[]", bytes(table.text) or b"\0")
        self._kept += [text, made]
        made.text, made.text_length = text, len(table.text)
        made.node_count, made.property_count = len(table.nodes), len(table.properties)
        made.value_count = len(table.values)
        made.name_at, made.name_length = table.name_at, table.name_length
        report = ffi.new("ray_format_report *")
        status = self._lib.ray_format_check_schema(made, report)
        if status != 0:
            raise ValueError(self._read(status, report).fault)
        self._schema = made

    def _read(self, status: int, report: Any) -> Report:
        said = self._ffi.string(self._lib.ray_format_fault_text(report.fault)).decode()
        word = self._ffi.string(self._lib.ray_format_keyword_text(report.keyword)).decode()
        pointer = bytes(self._ffi.buffer(report.pointer))[: report.pointer_length]
        return Report(status, said, word, pointer.decode("utf-8", "replace"), report.place,
                      bool(report.lossy))

    def _view(self, body: bytes) -> Any:
        at = self._ffi.from_buffer("uint8_t[]", body)
        self._last = [*self._last[-1:], at]    # the core borrows both: body and boundary
        return self._ffi.new("ray_view *", {"at": at, "length": len(body)})[0]

    def _source(self, form: str, body: bytes, flags: int, boundary: bytes) -> Any:
        return self._ffi.new("ray_format_source *", {
            "body": self._view(body), "boundary": self._view(boundary),
            "format": FORMATS.index(form), "flags": flags})  # fmt: skip

    def boundary(self, content_type: bytes) -> bytes | None:
        """What divides a body of this Content-Type; None when it is not multipart/form-data, or
        says no boundary of RFC 2046, or two."""
        out = self._ffi.new("ray_view *")
        found = self._lib.ray_format_boundary(self._view(content_type), out)
        return bytes(self._ffi.buffer(out.at, out.length)) if found else None

    def validate(self, form: str, body: bytes, *, flags: int = 0, boundary: bytes = b"") -> Report:
        """Is the body one of the format that the schema allows? `boundary`: of a multipart one."""
        report = self._ffi.new("ray_format_report *")
        source = self._source(form, body, flags, boundary)
        status = self._lib.ray_format_validate(self._schema, source, report)
        return self._read(status, report)

    def convert(self, source: str, target: str, body: bytes, *, flags: int = 0,
                limit: int = 65536, boundary: bytes = b"") -> tuple[bytes, Report]:
        """The body in another format, at most `limit` bytes; b"" when it is refused."""
        report = self._ffi.new("ray_format_report *")
        room = self._ffi.new("char[]", max(1, limit))
        out = self._ffi.new("ray_text *", {"at": room, "capacity": limit})
        read = self._source(source, body, flags, boundary)
        status = self._lib.ray_format_convert(
            self._schema, read, FORMATS.index(target), out, report)
        return bytes(self._ffi.buffer(room, out.length)), self._read(status, report)
