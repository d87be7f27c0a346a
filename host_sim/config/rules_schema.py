# SPDX-License-Identifier: MIT
"""Rules of [schema.NAME]: members that can hold a value, limits that belong to their type, and
whether a format can carry the whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from host_sim.config.compile_schema import WIRES
from host_sim.config.model_transform import SchemaField
from host_sim.config.positions import Path
from host_sim.config.rules import Ground

Fields = Mapping[str, SchemaField]
MEMBERS = 64
XML_NAME = re.compile(r"[A-Za-z_\u00c0-\U0010ffff][A-Za-z0-9_.\u0080-\U0010ffff-]*")
TEXTS = ("string", "bytes")
# What is a range; which types have one says _has.
PAIRS = (
    ("minimum", "maximum"),
    ("min_length", "max_length"),
    ("min_items", "max_items"),
)


def check_schema(ground: Ground, name: str, fields: Fields) -> None:
    """The schema's own members; what is inside others is said there."""
    if not 1 <= len(fields) <= MEMBERS:
        ground.say(
            ("schema", name), "out-of-range",
            f"a schema has 1 to {MEMBERS} members, this one {len(fields)}; add one, or put some "
            "into an object of their own",
            key=True,
        )  # fmt: skip
    numbers: dict[int, str] = {}
    text: str | None = None
    for word, one in fields.items():
        path: Path = ("schema", name, word)
        if one.field and one.field in numbers:
            ground.say(
                (*path, "field"), "duplicate-name",
                f'"{numbers[one.field]}" has field {one.field} too; give each its own number',
            )  # fmt: skip
        numbers.setdefault(one.field, word)
        if 19_000 <= one.field <= 19_999:
            ground.say(
                (*path, "field"), "out-of-range",
                "19000 to 19999 are protobuf's own; use another number",
            )  # fmt: skip
        if one.text and text is not None:
            ground.say(
                (*path, "text"), "conflict",
                f'"{text}" is the characters of the element already; make one of them an '
                "attribute or an element",
            )  # fmt: skip
        text = word if one.text and text is None else text
        _check_kind(ground, path, one)
        _check_limits(ground, path, one)
        _check_values(ground, path, one)


def _check_kind(ground: Ground, path: Path, one: SchemaField) -> None:
    if one.schema_ is not None:
        ground.refer((*path, "schema"), one.schema_, ground.file.schema_, "schema")
    if (one.schema_ is None) == (one.type in (None, "object")):
        ground.say(
            path, "conflict", 'write either type = "..." or schema = "..." of an object', key=True
        )
    if one.type == "enum" and not one.values:
        ground.say(
            path, "conflict", 'an enum names its values; add values = ["A", "B"]', key=True
        )
    if one.attribute and one.text:
        ground.say(path, "conflict", "attribute or text, not both; remove one", key=True)
    for key in ("attribute", "text"):
        if getattr(one, key) and (one.repeated or one.schema_ is not None):
            ground.say(
                (*path, key), "conflict",
                f"{'an array' if one.repeated else 'an object'} is elements in XML; remove {key}",
            )  # fmt: skip


def _range_of(kind: str | None) -> tuple[int, int]:
    """The least and the most a number of this type can be."""
    bits = 32 if kind in ("enum", "bool") or (kind or "").endswith("32") else 64
    if kind in ("uint32", "uint64", "fixed32", "fixed64"):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2**64 - 1 if kind == "number" else 2 ** (bits - 1) - 1


def _has(one: SchemaField, key: str) -> bool:
    if key in ("minimum", "maximum"):
        return one.schema_ is None and one.type not in (*TEXTS, "bool", "enum", None)
    return one.repeated if key.endswith("items") else one.schema_ is None and one.type in TEXTS


def _check_limits(ground: Ground, path: Path, one: SchemaField) -> None:
    owner = {"minimum": "numbers", "min_length": "string and bytes",
             "min_items": "members with repeated = true"}  # fmt: skip
    for low, high in PAIRS:
        for key in (low, high):
            if getattr(one, key) is not None and not _has(one, key):
                ground.say(
                    (*path, key), "conflict",
                    f'"{key}" belongs to {owner[low]}; remove it', key=True,
                )  # fmt: skip
        least, most = getattr(one, low), getattr(one, high)
        if low == "minimum" and _has(one, low):
            lowest, highest = _range_of(one.type)
            for key, value in ((low, least), (high, most)):
                if value is not None and not lowest <= value <= highest:
                    ground.say(
                        (*path, key), "out-of-range",
                        f"{one.type} holds {lowest} to {highest}, not {value}; write a number of "
                        "these",
                    )  # fmt: skip
        if least is not None and most is not None and least > most:
            ground.say(
                (*path, high), "conflict",
                f"nothing is at least {least} and at most {most}; write a {high} from {least} up",
            )  # fmt: skip


def _check_values(ground: Ground, path: Path, one: SchemaField) -> None:
    if one.values is None:
        return
    if one.schema_ is not None or one.type not in ("string", "enum"):
        ground.say(
            (*path, "values"), "conflict", '"values" belongs to string and enum; remove it',
            key=True,
        )  # fmt: skip
    elif not one.values and one.type == "string":
        ground.say(
            (*path, "values"), "conflict", "an empty list allows no text; remove it for any"
        )
    for place, word in enumerate(one.values):
        if word in one.values[:place]:
            ground.say(
                (*path, "values", place), "conflict", f'"{word}" is listed twice; remove one'
            )


# -- what a format can carry ---------------------------------------------------------------------
def _members(schemas: Mapping[str, Fields], name: str) -> Iterator[tuple[str, str, SchemaField]]:
    """(schema, word, member) of a schema and all that stands inside it, each schema once."""
    todo, seen = [name], {name}
    while todo:
        inside = todo.pop(0)
        for word, one in schemas.get(inside, {}).items():
            yield inside, word, one
            if one.schema_ is not None and one.schema_ not in seen:
                seen.add(one.schema_)
                todo.append(one.schema_)


def _fault(content: str, one: SchemaField, word: str) -> str | None:
    """Why a body of this format cannot hold the member, and what to do."""
    if content == "protobuf" and not one.field:
        return "has no number, and protobuf knows members by nothing else; write field = N, from 1"
    if content == "protobuf" and one.schema_ is None and not WIRES.get(one.type or "object"):
        return f"is a {one.type}, which protobuf has no type for; use int64 or string"
    if content == "form" and one.schema_ is not None:
        return "is an object, and a form is pairs of names and texts; use json or xml"
    if content == "xml" and not one.text and not XML_NAME.fullmatch(word):
        return "is no name of an XML element; begin it with a letter, without blanks and colons"
    return None


def check_carried(ground: Ground, path: Path, content: str, schema: str) -> None:
    """Says so where bodies of format `content` cannot hold what `schema` describes; `path` is the
    key that names the format."""
    if content == "xml" and not XML_NAME.fullmatch(schema):
        ground.say(
            path, "conflict",
            f'the root of an XML body is named as its schema, and "{schema}" is no name of an '
            "element; rename the schema",
        )  # fmt: skip
    for inside, word, one in _members(ground.file.schema_, schema):
        fault = _fault(content, one, word)
        if fault is not None:
            line = ground.positions.of_key(("schema", inside, word))[0]
            ground.say(
                path, "conflict",
                f'{content} cannot carry schema "{schema}": "{word}" (line {line}) {fault}',
            )  # fmt: skip
            return
