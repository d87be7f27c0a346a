# SPDX-License-Identifier: MIT
"""mediator: no row of a blob is believed: each field of each section is refused by name, and what
is refused changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim import config
from host_sim.config import layout
from host_sim.kernel import Kernel
from tests.configs import rows_of, sealed

ARGUMENT, UNKNOWN, FULL, EXISTS, RANGE = -1, -2, -4, -5, -7
NONE, ANY = 0xFFFFFFFF, 0xFFFFFFFF

FILE = """version = 1
[service.a]
[[route]]
name = "r"
service = "a"
path = { prefix = "/r" }
transform = "t"
[[route]]
name = "s"
service = "a"
path = { prefix = "/s" }
transform = "u"
[schema.inner]
word = { type = "string", field = 1, values = ["x", "y"] }
[schema.item]
sku = { type = "string", field = 1, required = true }
qty = { type = "int64", field = 2, minimum = 1, maximum = 99 }
in = { schema = "inner", field = 3 }
[transform.t]
request = { from = "json", to = "protobuf", schema = "item", set_headers = { "x-a" = "b" } }
response = { from = "protobuf", to = "json", schema = "item", remove_headers = ["server"] }
cache = { ttl = "30s" }
[transform.u]
"""
BLOB = config.loads(FILE, profile="tiny").blob
KERNEL = Kernel(profile="tiny")
ROWS = {
    layout.SCHEMA: "ray_schema_spec", layout.SCHEMA_NODE: "ray_format_node",
    layout.SCHEMA_PROPERTY: "ray_format_property", layout.SCHEMA_VALUE: "ray_format_value",
    layout.TRANSFORM: "ray_transform_spec", layout.HEADER_EDIT: "ray_header_edit_spec",
    layout.ROUTE_TRANSFORM: "ray_route_transform_spec",
}  # fmt: skip
S, N, P, V = layout.SCHEMA, layout.SCHEMA_NODE, layout.SCHEMA_PROPERTY, layout.SCHEMA_VALUE
T, H, R = layout.TRANSFORM, layout.HEADER_EDIT, layout.ROUTE_TRANSFORM


def refused(blob: bytes) -> Any:
    """What the check and the load say about a blob; a refused one changes no byte."""
    ffi, lib = KERNEL.ffi, KERNEL.lib
    report, before = ffi.new("ray_config_report *"), KERNEL.digest()
    memory = ffi.new("uint64_t[]", len(blob) // 8 + 1)
    ffi.memmove(memory, blob, len(blob))
    at = ffi.cast("uint8_t *", memory)
    lib.ray_config_check(at, len(blob), report)
    if report.status:
        assert lib.ray_config_load(KERNEL.ray, ffi.NULL, 0, at, len(blob), report) < 0
        assert KERNEL.digest() == before
    return report


def spoiled(section: int, row: int, path: str, value: Any) -> bytes:
    """The blob with one field of one row changed and its checksum made right again."""
    offset, size, count = rows_of(BLOB)[section]
    assert row < count
    out = bytearray(BLOB)
    part = memoryview(out)[offset : offset + size * count]
    rows = KERNEL.ffi.from_buffer(f"{ROWS[section]}[]", part)
    target: Any = rows[row]
    *way, last = path.split(".")
    for word in way:
        target = target[int(word)] if word.isdigit() else getattr(target, word)
    if last.isdigit():
        target[int(last)] = value
    else:
        setattr(target, last, value)
    made = bytes(out)
    del rows, target, part
    return sealed(made)


def offset_of(section: int, path: str) -> int:
    """Where in its row a field is."""
    words = [int(word) if word.isdigit() else word for word in path.split(".")]
    return int(KERNEL.ffi.offsetof(ROWS[section], *words))


# section, row, field, value, status, the field that is named ("": the one that was changed)
HOSTILE: list[tuple[int, int, str, Any, int, str]] = [
    (S, 1, "name.at", b"inner", EXISTS, "name"), (S, 0, "name.at", b"", ARGUMENT, "name"),
    (S, 0, "name.at", b"a b", ARGUMENT, "name"), (S, 0, "name.at.47", b"x", ARGUMENT, "name"),
    (S, 0, "first_node", 1, RANGE, ""), (S, 1, "first_node", 0, RANGE, ""),
    (S, 0, "node_count", 0, RANGE, "first_node"), (S, 1, "node_count", 99, RANGE, "first_node"),
    (S, 1, "node_count", NONE, RANGE, "first_node"), (S, 0, "first_property", 1, RANGE, ""),
    (S, 1, "property_count", NONE, RANGE, "first_property"), (S, 0, "first_value", 1, RANGE, ""),
    (S, 0, "value_count", NONE, RANGE, "first_value"), (S, 1, "text_at", 0, RANGE, ""),
    (S, 1, "text_length", NONE, RANGE, "text_at"), (S, 0, "name_at", NONE, RANGE, ""),
    (S, 0, "name_length", NONE, RANGE, "name_at"),
    (N, 0, "items", 0, ARGUMENT, ""), (N, 0, "items", 99, ARGUMENT, ""),
    (N, 0, "additional", 0, ARGUMENT, ""), (N, 0, "additional", 99, ARGUMENT, ""),
    (N, 0, "property_count", 193, RANGE, ""),
    (N, 0, "property_count", 2, ARGUMENT, "first_property"),
    (N, 0, "first_property", NONE, ARGUMENT, ""), (N, 0, "first_value", NONE, ARGUMENT, ""),
    (N, 0, "value_count", NONE, ARGUMENT, "first_value"), (N, 0, "wire", 16, ARGUMENT, ""),
    (N, 0, "wire", 17, ARGUMENT, ""), (N, 0, "wire", 18, ARGUMENT, ""),
    (N, 0, "types", 128, ARGUMENT, ""), (N, 0, "types", 16, ARGUMENT, ""),
    (N, 0, "bounds", 64, ARGUMENT, ""), (N, 0, "reserved", 1, ARGUMENT, ""),
    *((N, 0, f"{limit}.{part}", bad, ARGUMENT, limit)
      for limit in ("minimum", "maximum", "above", "below")
      for part, bad in (("negative", 2), ("exponent", 10**9), ("exponent", -(10**9)))),
    (P, 0, "name_at", NONE, ARGUMENT, ""), (P, 0, "name_length", NONE, ARGUMENT, "name_at"),
    (P, 0, "node", 0, ARGUMENT, ""), (P, 0, "node", 99, ARGUMENT, ""),
    (P, 0, "number", 1 << 29, ARGUMENT, ""), (P, 2, "number", 1, ARGUMENT, ""),
    (P, 0, "flags", 16, ARGUMENT, ""), (P, 0, "flags", 6, ARGUMENT, ""),
    (P, 0, "reserved", 1, ARGUMENT, ""),
    (V, 0, "decimal.negative", 2, ARGUMENT, "decimal"),
    (V, 1, "decimal.exponent", 10**9, ARGUMENT, "decimal"), (V, 0, "text_at", NONE, ARGUMENT, ""),
    (V, 1, "text_length", NONE, ARGUMENT, "text_at"), (V, 0, "reserved", 1, ARGUMENT, ""),
    (V, 0, "type", 3, ARGUMENT, ""), (V, 0, "type", 128, ARGUMENT, ""),
    (T, 1, "name.at", b"t", EXISTS, "name"), (T, 0, "name.at", b"", ARGUMENT, "name"),
    (T, 0, "cache_ttl_ns", 2**63, RANGE, ""),
    *((T, 0, f"side.{side}.{part}", bad, status, "")
      for side in (0, 1) for part, bad, status in (
          ("schema", 2, UNKNOWN), ("from", 7, RANGE), ("to", 7, RANGE), ("unknown", 3, RANGE),
          ("flags", 4, RANGE), ("to", 4, ARGUMENT), ("to", 5, ARGUMENT), ("to", 6, ARGUMENT))),
    (T, 0, "side.0.schema", NONE, ARGUMENT, "side.0.to"),
    (T, 1, "side.0.schema", 0, ARGUMENT, ""), (T, 1, "side.1.flags", 2, ARGUMENT, ""),
    (H, 0, "name.at", b"", ARGUMENT, "name"), (H, 0, "name.at", b"X-A", ARGUMENT, "name"),
    (H, 0, "name.at", b"host", ARGUMENT, "name"), (H, 0, "name.at", b"te", ARGUMENT, "name"),
    (H, 0, "value.0", b"\n", ARGUMENT, "value"), (H, 0, "value.1", b"x", ARGUMENT, "value"),
    (H, 0, "value_length", 81, RANGE, ""), (H, 0, "value_length", 0, ARGUMENT, "value"),
    (H, 0, "how", 2, ARGUMENT, "value"), (H, 0, "how", 3, RANGE, ""), (H, 0, "side", 2, RANGE, ""),
    (H, 1, "transform", 2, UNKNOWN, ""), (H, 0, "reserved", 1, ARGUMENT, ""),
    (R, 0, "route", 2, UNKNOWN, ""), (R, 0, "transform", 2, UNKNOWN, ""),
    (R, 1, "route", 0, EXISTS, ""), (R, 0, "route", 1, EXISTS, ""),
]  # fmt: skip


@pytest.mark.parametrize(("section", "row", "path", "value", "status", "named"), HOSTILE)
def test_a_hostile_row_is_refused_and_its_field_is_named(
    section: int, row: int, path: str, value: Any, status: int, named: str
) -> None:
    assert refused(BLOB).status == 0
    report = refused(spoiled(section, row, path, value))
    if section == R and status == EXISTS:
        row = 1  # out of order is seen at the second
    assert (report.status, report.section, report.row) == (status, section, row)
    assert report.field == offset_of(section, named or path)


def test_a_name_twice_in_one_object_is_refused() -> None:
    offset, size, _ = rows_of(BLOB)[P]
    first = layout.SchemaProperty.parse(BLOB[offset + size : offset + 2 * size])
    for member in ("name_at", "name_length"):
        assert first[member] is not None
    out = bytearray(BLOB)
    second = layout.SchemaProperty.parse(BLOB[offset + 2 * size : offset + 3 * size])
    second["name_at"], second["name_length"] = first["name_at"], first["name_length"]
    out[offset + 2 * size : offset + 3 * size] = layout.SchemaProperty.build(second)
    report = refused(sealed(bytes(out)))
    assert (report.status, report.section, report.row) == (ARGUMENT, P, 2)


def test_every_flipped_bit_is_refused_or_another_legal_file() -> None:
    """A load of what the check let through keeps the state valid, whatever it says."""
    kernel, refusals, flips = Kernel(profile="tiny"), 0, 0
    ffi, lib = kernel.ffi, kernel.lib
    report = ffi.new("ray_config_report *")
    for section in (*ROWS, layout.SCHEMA_TEXT):
        offset, size, count = rows_of(BLOB)[section]
        for bit in range(0, 8 * size * count, 5):
            out = bytearray(BLOB)
            out[offset + bit // 8] ^= 1 << bit % 8
            blob = sealed(bytes(out))
            memory = ffi.new("uint64_t[]", len(blob) // 8 + 1)
            ffi.memmove(memory, blob, len(blob))
            at = ffi.cast("uint8_t *", memory)
            flips += 1
            if lib.ray_config_load(kernel.ray, ffi.NULL, 0, at, len(blob), report) < 0:
                refusals += 1
            assert kernel.valid() == 0, (section, bit)
    assert refusals > flips // 3, (refusals, flips)


def test_more_rows_than_the_tables_hold_are_refused() -> None:
    offset, size, count = rows_of(BLOB)[T]
    for section in (S, N, P, V, T, H, R):
        out = bytearray(BLOB)
        for at in range(24, len(BLOB), 16):
            entry = layout.Section.parse(BLOB[at : at + 16])
            if entry.kind == section:
                out[at : at + 16] = layout.Section.build(
                    dict(kind=section, row_bytes=entry.row_bytes, row_count=60_000,
                         offset=entry.offset)
                )  # fmt: skip
                break
        assert refused(sealed(bytes(out))).status < 0
    assert (offset, size, count) == rows_of(BLOB)[T]
