# SPDX-License-Identifier: MIT
"""Rules of [schema.NAME], [transform.NAME] and route.transform: references, formats that fit, and
no schema inside itself."""

from __future__ import annotations

from collections.abc import Mapping

from host_sim.config.compile_schema import CycleError, Tables, schema_tables
from host_sim.config.model_transform import SchemaField, Side
from host_sim.config.positions import Path
from host_sim.config.rules import Ground

FRAMING = {
    "content-length", "host", "connection", "keep-alive", "proxy-connection",
    "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
VALUE_BYTES, MEMBERS = 80, 64


def check_mediator(ground: Ground) -> None:
    """Schemas first, then who uses them."""
    for name, fields in ground.file.schema_.items():
        _check_schema(ground, name, fields)
    _check_room(ground)
    for name, transform in ground.file.transform.items():
        for key, side in (("request", transform.request), ("response", transform.response)):
            if side is not None:
                _check_side(ground, ("transform", name, key), side)
    for index, route in enumerate(ground.file.route):
        if route is not None and route.transform is not None:
            ground.refer(
                ("route", index, "transform"), route.transform, ground.file.transform, "transform"
            )


def _check_schema(ground: Ground, name: str, fields: Mapping[str, SchemaField]) -> None:
    numbers: dict[int, str] = {}
    if not 1 <= len(fields) <= MEMBERS:
        ground.say(
            ("schema", name), "out-of-range", f"a schema has 1 to {MEMBERS} members", key=True
        )
    for word, one in fields.items():
        path: Path = ("schema", name, word)
        if one.field and one.field in numbers:
            ground.say(
                (*path, "field"), "duplicate", f"{numbers[one.field]} has field {one.field} too"
            )
        numbers.setdefault(one.field, word)
        if 19_000 <= one.field <= 19_999:
            ground.say((*path, "field"), "out-of-range", "19000 to 19999 are protobuf's own")
        if one.schema_ is not None:
            ground.refer((*path, "schema"), one.schema_, ground.file.schema_, "schema")
        if (one.schema_ is None) == (one.type in (None, "object")):
            ground.say(
                path, "conflict", 'write either type = "..." or schema = "..." of an object',
                key=True,
            )  # fmt: skip
        if one.type == "enum" and not one.values:
            ground.say(path, "conflict", "an enum names its values", key=True)
        if one.attribute and one.text:
            ground.say(path, "conflict", "attribute or text, not both", key=True)


def _whole(ground: Ground, name: str) -> Tables | None:
    try:
        return schema_tables(ground.file.schema_, name)
    except CycleError as error:
        ground.say(
            ("schema", name), "cycle", f"a schema inside itself: {error}", key=True
        )
    except KeyError:
        pass  # said where the reference stands
    return None


def _check_room(ground: Ground) -> None:
    tables = [t for name in ground.file.schema_ if (t := _whole(ground, name)) is not None]
    room = ground.room
    for what, used, most in (
        ("schemas", len(ground.file.schema_), room.schema_max),
        ("nodes", sum(len(t.nodes) for t in tables), room.schema_node_max),
        ("properties", sum(len(t.properties) for t in tables), room.schema_property_max),
        ("values", sum(len(t.values) for t in tables), room.schema_value_max),
        ("bytes of text", sum(len(t.text) for t in tables), room.schema_text_bytes),
    ):
        if used > most:
            ground.say(
                ("schema",), "table-full", f"{used} {what}; profile {room.name} has {most}",
                key=True,
            )  # fmt: skip
    if len(ground.file.transform) > room.transform_max:
        name = list(ground.file.transform)[room.transform_max]
        ground.say(
            ("transform", name), "table-full",
            f"at most {room.transform_max} transforms in profile {room.name}", key=True,
        )  # fmt: skip


def _check_side(ground: Ground, path: Path, side: Side) -> None:
    to = side.to or side.from_
    if side.schema_ is not None:
        ground.refer((*path, "schema"), side.schema_, ground.file.schema_, "schema")
    plain = {side.from_, to} & {"binary", "any"}
    if side.from_ != to and (plain or side.schema_ is None):
        ground.say(path, "conflict", "formats convert by a schema; binary and any do not")
    elif plain and side.schema_ is not None:
        ground.say(path, "conflict", f"{side.from_} has no members a schema could name")
    if to == "multipart" and side.from_ != to:
        ground.say((*path, "to"), "conflict", "multipart is read and passed on, but not written: "
                   "convert to json, protobuf, xml or form")  # fmt: skip
    elif to == "multipart" and side.unknown == "drop":
        ground.say((*path, "unknown"), "conflict", "multipart goes on as it came, so nothing can "
                   "be dropped from it: reject or keep")  # fmt: skip
    if side.grpc and "protobuf" not in (side.from_, to):
        ground.say((*path, "grpc"), "conflict", "gRPC frames are around protobuf")
    for key in ("add_headers", "set_headers", "remove_headers"):
        _check_edits(ground, (*path, key), getattr(side, key))


def _check_edits(ground: Ground, path: Path, edits: dict[str, str] | list[str]) -> None:
    for name in edits:
        if name.lower() in FRAMING or not name.replace("-", "").isalnum():
            ground.say(path, "bad-name", f'"{name}" is no header a transform may edit')
        value = edits[name] if isinstance(edits, dict) else ""
        if len(value) > VALUE_BYTES or not (value.isascii() and value.isprintable() or not value):
            ground.say(path, "out-of-range", f"at most {VALUE_BYTES} printable bytes")
