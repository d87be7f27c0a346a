# SPDX-License-Identifier: MIT
"""JSON Schema (a subset of draft 2020-12) compiled to the core's schema table.

A keyword outside the subset is an error: nothing is ever validated more loosely than it was
written. Annotations (title, description, ...) say nothing and are passed over.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from typing import Any

TYPES = {"null": 1, "boolean": 2, "integer": 4, "number": 12, "string": 16, "array": 32,
         "object": 64}
ALL = 127
ANY, NOTHING, UNSET = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF
WIRES = ("", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64",
         "sfixed32", "sfixed64", "bool", "enum", "string", "bytes", "message", "float", "double")
WIRE_TYPES = {**dict.fromkeys(WIRES[1:11], 12), "bool": 2, "enum": 20, "string": 16, "bytes": 16,
              "message": 64, "float": 12, "double": 12}
NOTES = {"$schema", "$id", "$comment", "title", "description", "default", "examples",
         "deprecated", "readOnly", "writeOnly"}
COUNTS = {"minLength": "min_length", "maxLength": "max_length", "minItems": "min_items",
          "maxItems": "max_items", "minProperties": "min_properties",
          "maxProperties": "max_properties"}
BOUNDS = {"minimum": ("minimum", 1), "maximum": ("maximum", 2), "exclusiveMinimum": ("above", 4),
          "exclusiveMaximum": ("below", 8)}
OURS = {"x-wire", "x-number", "x-xml", "x-unpacked", "x-values"}
KNOWN = {"type", "properties", "required", "additionalProperties", "items", "enum", "const",
         *COUNTS, *BOUNDS, *NOTES, *OURS}


class UnsupportedError(ValueError):
    """A keyword or value that the table cannot hold."""


def decimal_of(number: Any) -> tuple[int, int, int]:
    """A number as (mantissa, exponent, negative), the mantissa without zeros at its end."""
    exact = number if isinstance(number, decimal.Decimal) else decimal.Decimal(str(number))
    sign, digits, exponent = exact.as_tuple()
    if not isinstance(exponent, int):
        raise UnsupportedError(f"not a number: {number}")
    mantissa = int("".join(map(str, digits)))
    while mantissa and mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    if mantissa >= 2**64 or abs(exponent) > 999999999:
        raise UnsupportedError(f"{number} needs more than 64 bits")
    return (mantissa, exponent if mantissa else 0, sign)


class Table:
    """A schema's rows: nodes (a node comes before those it refers to), properties, values, text."""

    def __init__(self, schema: Mapping[str, Any] | bool, root: str = "root") -> None:
        self.nodes: list[dict[str, Any]] = []
        self.properties: list[dict[str, int]] = []
        self.values: list[dict[str, Any]] = []
        self.text = bytearray()
        self.name_at, self.name_length = self.word(root)
        self.node(schema, 0)

    def word(self, text: str) -> tuple[int, int]:
        """Where a text is in the table, and how long."""
        raw = text.encode()
        at = len(self.text)
        self.text += raw
        return at, len(raw)

    def node(self, schema: Mapping[str, Any] | bool, depth: int) -> int:
        """Adds a schema and all in it; returns its number."""
        if depth > 32:
            raise UnsupportedError("nested deeper than 32")
        if schema is True:
            schema = {}
        if schema is False:
            schema = {"type": []}
        if not isinstance(schema, Mapping):
            raise UnsupportedError("a schema is an object or a boolean")
        if unknown := sorted(set(schema) - KNOWN):
            raise UnsupportedError(f"keyword {unknown[0]!r}")
        wire = str(schema.get("x-wire", ""))
        row: dict[str, Any] = {"types": ALL, "wire": WIRES.index(wire), "bounds": 0,
                               "max_length": UNSET, "max_items": UNSET, "max_properties": UNSET,
                               "additional": ANY, "items": ANY}
        at = len(self.nodes)
        self.nodes.append(row)
        if "type" in schema:
            words = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            row["types"] = 0
            for word in words:
                row["types"] |= TYPES[word]
            if row["types"] & 12 == 4 and wire == "":
                row["types"] = row["types"] & ~8
        elif wire:
            row["types"] = WIRE_TYPES[wire]
        for word, field in COUNTS.items():
            if word in schema:
                row[field] = int(schema[word])
        for word, (field, bit) in BOUNDS.items():
            if word in schema:
                row[field] = decimal_of(schema[word])
                row["bounds"] |= bit
        self.choices(schema, row)
        if "items" in schema:
            row["items"] = self.node(schema["items"], depth + 1)
        self.members(schema, row, depth)
        return at

    def choices(self, schema: Mapping[str, Any], row: dict[str, Any]) -> None:
        """The values of enum, const and of protobuf's enums."""
        if "enum" in schema and "const" in schema:
            raise UnsupportedError("enum and const together")
        row["first_value"] = len(self.values)
        for name, number in schema.get("x-values", {}).items():
            at, length = self.word(name)
            self.values.append({"type": 16, "text_at": at, "text_length": length,
                                "decimal": decimal_of(number)})
        listed = [schema["const"]] if "const" in schema else schema.get("enum", [])
        if "const" in schema or "enum" in schema:
            row["bounds"] |= 32 if "const" in schema else 16
        for value in listed:
            self.values.append(self.value(value))
        row["value_count"] = len(self.values) - row["first_value"]

    def value(self, value: Any) -> dict[str, Any]:
        """One value of enum or const; objects and arrays are outside the subset."""
        if isinstance(value, (dict, list)):
            raise UnsupportedError("an object or array in enum or const")
        if value is None:
            return {"type": 1}
        if isinstance(value, bool):
            return {"type": 2, "decimal": (int(value), 0, 0)}
        if isinstance(value, str):
            at, length = self.word(value)
            return {"type": 16, "text_at": at, "text_length": length}
        return {"type": 8, "decimal": decimal_of(value)}

    def members(self, schema: Mapping[str, Any], row: dict[str, Any], depth: int) -> None:
        """Properties, those that are only required too, and what else may be there."""
        extra = schema.get("additionalProperties", True)
        extra_node = (
            ANY if extra is True else NOTHING if extra is False else self.node(extra, depth + 1)
        )
        row["additional"] = extra_node
        required = schema.get("required", [])
        named = dict(schema.get("properties", {}))
        listed = [*named, *(name for name in required if name not in named)]
        if len(listed) > 192:
            raise UnsupportedError("more than 192 properties")
        row["first_property"] = len(self.properties)
        row["property_count"] = len(listed)
        rows = [dict[str, int]() for _ in listed]
        self.properties += rows
        for name, into in zip(listed, rows, strict=True):
            of = named.get(name)
            notes = of if isinstance(of, Mapping) else {}
            into["name_at"], into["name_length"] = self.word(name)
            into["flags"] = (name in required) | {"attribute": 2, "text": 4}.get(
                str(notes.get("x-xml", "")), 0) | 8 * bool(notes.get("x-unpacked"))
            into["number"] = int(notes.get("x-number", 0))
            into["node"] = extra_node if of is None else self.node(of, depth + 1)
