# SPDX-License-Identifier: MIT
"""Rules of [transform.NAME] and route.transform: references, formats that fit, room for all, and no
schema inside itself."""

from __future__ import annotations

from host_sim.config.compile_schema import CycleError, Tables, schema_tables
from host_sim.config.model_transform import Side
from host_sim.config.positions import Path
from host_sim.config.rules import Ground, check_time, hold
from host_sim.config.rules_header import check_edited
from host_sim.config.rules_schema import check_carried, check_schema

VALUE_BYTES = 80
READ = ("json", "protobuf", "xml", "form", "multipart")     # formats with members of their own


def check_mediator(ground: Ground) -> None:
    """Schemas first, then who uses them."""
    for name, fields in ground.file.schema_.items():
        check_schema(ground, name, fields)
    _check_room(ground)
    for name, transform in ground.file.transform.items():
        if transform.cache is not None:
            check_time(ground, ("transform", name, "cache", "ttl"), transform.cache.ttl)
        for key, side in (("request", transform.request), ("response", transform.response)):
            if side is not None:
                _check_side(ground, ("transform", name, key), side)
    for index, route in enumerate(ground.file.route):
        if route is not None and route.transform is not None:
            ground.refer(
                ("route", index, "transform"), route.transform, ground.file.transform, "transform"
            )


def _whole(ground: Ground, name: str) -> Tables | None:
    try:
        return schema_tables(ground.file.schema_, name)
    except CycleError as error:
        ground.say(
            ("schema", name), "cycle", f"a schema inside itself ({error}); take one of them out",
            key=True,
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
                ("schema",), "too-many-rows",
                f"{used} {what}, but profile {room.name} has room for {most}; remove some or "
                "choose another with --profile",
                key=True,
            )  # fmt: skip
    hold(
        ground, [("transform", name) for name in ground.names_of("transform")], "transforms",
        "transform",
    )  # fmt: skip


def _check_side(ground: Ground, path: Path, side: Side) -> None:
    to = side.to or side.from_
    if side.schema_ is not None:
        ground.refer((*path, "schema"), side.schema_, ground.file.schema_, "schema")
    plain = {side.from_, to} & {"binary", "any"}
    if side.from_ != to and plain:
        ground.say(
            path, "conflict",
            f"{min(plain)} is not read, so it converts into nothing; name two of "
            f"{', '.join(READ)}",
        )  # fmt: skip
    elif side.from_ != to and side.schema_ is None:
        ground.say(
            path, "conflict",
            f'{side.from_} becomes {to} by a schema that says what is in it; add schema = "..."',
        )  # fmt: skip
    elif plain and side.schema_ is not None:
        ground.say(
            path, "conflict",
            f"{side.from_} has no members a schema could name; remove schema, or write from = one "
            f"of {', '.join(READ)}",
        )  # fmt: skip
    elif side.schema_ is not None:
        check_carried(ground, (*path, "from"), side.from_, side.schema_)
        if to != side.from_:
            check_carried(ground, (*path, "to"), to, side.schema_)
    if side.schema_ is None and "unknown" in side.model_fields_set:
        ground.say(
            (*path, "unknown"), "conflict",
            'no schema names any members here; add schema = "...", or remove unknown', key=True,
        )  # fmt: skip
    elif side.unknown == "keep" and side.from_ != to:
        ground.say(
            (*path, "unknown"), "conflict",
            f"what the schema does not name cannot become {to}; write reject or drop",
        )  # fmt: skip
    if to == "multipart" and side.from_ != to:
        ground.say(
            (*path, "to"), "conflict",
            "multipart is read and passed on, but not written; convert to json, protobuf, xml or "
            "form",
        )  # fmt: skip
    elif to == "multipart" and side.unknown == "drop":
        ground.say(
            (*path, "unknown"), "conflict",
            "multipart goes on as it came, so nothing can be dropped from it; write reject or keep",
        )  # fmt: skip
    if side.grpc and "protobuf" not in (side.from_, to):
        ground.say(
            (*path, "grpc"), "conflict", "gRPC frames are around protobuf; remove grpc, or write "
            'from or to = "protobuf"',
        )  # fmt: skip
    for key in ("add_headers", "set_headers", "remove_headers"):
        _check_edits(ground, (*path, key), getattr(side, key))


def _check_edits(ground: Ground, path: Path, edits: dict[str, str] | list[str]) -> None:
    for place, name in enumerate(edits):
        if not isinstance(edits, dict):
            check_edited(ground, (*path, place), name)
            continue
        check_edited(ground, (*path, name), name, key=True)
        value = edits[name]
        if len(value) > VALUE_BYTES or not (value.isascii() and value.isprintable() or not value):
            ground.say(
                (*path, name), "bad-header",
                f"a value is at most {VALUE_BYTES} visible bytes; shorten it",
            )
