# SPDX-License-Identifier: MIT
"""formats: a schema's table is anybody's bytes until it is checked; gRPC's five bytes too."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim import _raw

RAW = _raw.load("tiny")
FFI, LIB = RAW.ffi, RAW.lib
OBJECT, ARRAY, STRING, INTEGER = 64, 32, 16, 4
ANY, NOTHING, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF
ARGUMENT, RANGE, TRUNCATED, SYNTAX = -1, -7, -10, -13


class Table:
    """An object {"a": text, "b": [number]} as rows: nodes 0 object, 1 text, 2 array, 3 number."""

    def __init__(self) -> None:
        self.nodes = FFI.new("ray_format_node[4]")
        self.properties = FFI.new("ray_format_property[2]")
        self.values = FFI.new("ray_format_value[1]")
        self.text = FFI.new("uint8_t[2]", b"ab")
        for row, types, wire in ((0, OBJECT, 15), (1, STRING, 13), (2, ARRAY, 0), (3, INTEGER, 1)):
            node = self.nodes[row]
            node.types, node.wire, node.items, node.additional = types, wire, ANY, NOTHING
            node.max_length = node.max_items = node.max_properties = NONE
        self.nodes[0].property_count, self.nodes[2].items = 2, 3
        self.values[0].type = STRING
        for row, node in ((0, 1), (1, 2)):
            one = self.properties[row]
            one.name_at, one.name_length, one.node, one.number = row, 1, node, row + 1
        self.schema = FFI.new("ray_format_schema *")
        self.schema.nodes, self.schema.properties = self.nodes, self.properties
        self.schema.values, self.schema.text = self.values, self.text
        self.schema.node_count, self.schema.property_count = 4, 2
        self.schema.value_count, self.schema.text_length = 1, 2

    def check(self) -> tuple[int, str, int]:
        """Status, fault and row."""
        report = FFI.new("ray_format_report *")
        status = LIB.ray_format_check_schema(self.schema, report)
        words = FFI.string(LIB.ray_format_fault_text(report.fault)).decode()
        return status, words, report.place


CYCLE, FLOAT, ROW = "a schema inside itself", "binary floating point", "a row no rule allows"


def test_the_table_is_sound_and_its_schema_is_followed() -> None:
    table = Table()
    assert table.check() == (0, "fine", 0)
    report, view = FFI.new("ray_format_report *"), FFI.new("ray_view *")
    for body, status in ((b'{"a":"x","b":[1]}', 0), (b'{"a":1}', SYNTAX), (b'{"b":["x"]}', SYNTAX)):
        keep = FFI.from_buffer("uint8_t[]", body)
        view.at, view.length = keep, len(body)
        source = FFI.new("ray_format_source *", {"body": view[0], "format": 1})
        assert LIB.ray_format_validate(table.schema, source, report) == status, body


@pytest.mark.parametrize(
    "path, value, fault, row",
    [
        ("nodes.0.items", 0, CYCLE, 0), ("nodes.2.items", 2, CYCLE, 2),
        ("nodes.2.items", 1, CYCLE, 2), ("nodes.3.additional", 3, CYCLE, 3),
        ("properties.0.node", 0, CYCLE, 0), ("nodes.1.wire", 16, FLOAT, 1),
        ("nodes.3.wire", 17, FLOAT, 3), ("nodes.3.wire", NONE, ROW, 3),
        ("nodes.2.items", 4, ROW, 2), ("nodes.2.items", 0xFFFFFFFD, ROW, 2),
        ("nodes.3.additional", 4, ROW, 3), ("properties.1.node", 4, ROW, 1),
        ("properties.1.node", 0xFFFFFFFD, ROW, 1), ("nodes.0.first_property", 1, ROW, 0),
        ("nodes.0.property_count", 3, ROW, 0), ("nodes.1.first_value", 2, ROW, 1),
        ("nodes.1.value_count", 2, ROW, 1), ("properties.1.name_at", 2, ROW, 1),
        ("properties.1.name_length", 2, ROW, 1), ("properties.1.number", 1 << 29, ROW, 1),
        ("properties.1.flags", 16, ROW, 1), ("values.0.text_at", 3, ROW, 0),
        ("values.0.text_length", 3, ROW, 0), ("values.0.type", 0, ROW, 0),
        ("values.0.type", 32, ROW, 0), ("schema.name_at", 3, ROW, 0),
        ("schema.name_length", 3, ROW, 0), ("schema.node_count", 0, ROW, 0),
        ("schema.node_count", 0xFFFFFFFD, ROW, 0), ("schema.node_count", 2, ROW, 1),
        ("schema.property_count", 1, ROW, 0), ("schema.text_length", 1, ROW, 1),
        ("properties.1.number", 1, "a member named twice", 1),
        ("properties.1.name_at", 0, "a member named twice", 1),
        ("nodes.0.property_count", 193, "too many members", 0),
    ],
)  # fmt: skip
def test_a_row_no_rule_allows_is_refused_and_named(
    path: str, value: int, fault: str, row: int
) -> None:
    table = Table()
    *way, last = path.split(".")
    target: Any = table
    for word in way:
        target = target[int(word)] if word.isdigit() else getattr(target, word)
    setattr(target, last, value)
    status = RANGE if fault == "too many members" else ARGUMENT
    assert table.check() == (status, fault, row)


# -- gRPC -----------------------------------------------------------------------------------------
def taken(body: bytes) -> tuple[int, bytes]:
    """Status and message of a frame."""
    keep = FFI.from_buffer("uint8_t[]", body)
    view, out = FFI.new("ray_view *"), FFI.new("ray_view *")
    view.at, view.length = keep, len(body)
    status = LIB.ray_format_grpc_take(view[0], out)
    return status, b"" if out.at == FFI.NULL else bytes(FFI.buffer(out.at, out.length))


def test_one_whole_message_comes_out_of_its_frame() -> None:
    assert taken(b"\0\0\0\0\3abc") == (0, b"abc")
    assert taken(b"\0\0\0\0\0") == (0, b"")


@pytest.mark.parametrize(
    "body, status",
    [
        *((b"\0\0\0\0\3abc"[:cut], TRUNCATED) for cut in range(8)),          # short
        *((bytes([flag]) + b"\0\0\0\3abc", SYNTAX) for flag in (1, 2, 128, 255)),  # compressed
        (b"\0\0\0\0\2abc", TRUNCATED), (b"\0\0\0\0\4abc", TRUNCATED),        # lies by one
        (b"\0\xff\xff\xff\xffabc", TRUNCATED), (b"\0\x80\0\0\3abc", TRUNCATED),
        (b"\0\0\0\0\1a\0\0\0\0\1b", TRUNCATED),                              # two messages
    ],
)  # fmt: skip
def test_a_frame_that_is_none_is_refused(body: bytes, status: int) -> None:
    assert taken(body) == (status, b"")


def test_a_frame_is_written_whole_or_not_at_all() -> None:
    for length, capacity, status, made in (
        (3, 5, 0, b"\0\0\0\0\3"), (0xFFFFFFFF, 5, 0, b"\0\xff\xff\xff\xff"),
        (3, 4, TRUNCATED, b""), (3, 0, TRUNCATED, b""),
        (0x100000000, 64, TRUNCATED, b""), (2**64 - 1, 64, TRUNCATED, b""),
    ):  # fmt: skip
        room = FFI.new("char[]", max(1, capacity))
        out = FFI.new("ray_text *", {"at": room, "capacity": capacity})
        assert LIB.ray_format_grpc_put(length, out) == status
        assert bytes(FFI.buffer(room, out.length)) == made
