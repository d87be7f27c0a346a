# SPDX-License-Identifier: MIT
"""Schemas and transforms to rows. A schema that stands inside another is written out there, so each
is whole in itself: nodes point only to later ones, and nothing can be inside itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from host_sim.config import layout
from host_sim.config.model_transform import SchemaField, Side, Transform

NULL, BOOL, INTEGER, NUMBER, STRING, ARRAY, OBJECT = (1 << bit for bit in range(7))
ANY, NOTHING, UNSET = 0xFFFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFF
WIRES = {
    "int32": 1, "int64": 2, "uint32": 3, "uint64": 4, "sint32": 5, "sint64": 6, "fixed32": 7,
    "fixed64": 8, "sfixed32": 9, "sfixed64": 10, "bool": 11, "enum": 12, "string": 13,
    "bytes": 14, "object": 15, "number": 0,
}  # fmt: skip
TYPES = {"bool": BOOL, "string": STRING, "bytes": STRING, "enum": STRING, "object": OBJECT,
         "number": NUMBER | INTEGER}  # fmt: skip
CONTENTS = ("json", "protobuf", "xml", "form", "binary", "any", "multipart")
UNKNOWN = ("reject", "drop", "keep")
MINIMUM, MAXIMUM, ENUM = 1, 2, 16
Fields = Mapping[str, SchemaField]


class CycleError(ValueError):
    """A schema inside itself; `names` is the way round."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(" > ".join(names))
        self.names = names


def decimal(value: int) -> dict[str, int]:
    """A whole number as the core holds it: no trailing zeros in the mantissa."""
    mantissa, exponent = abs(value), 0
    while mantissa and mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    return dict(mantissa=mantissa, exponent=exponent, negative=int(value < 0))


@dataclass
class Tables:
    """One schema's part: its nodes, properties, values and text."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    properties: list[dict[str, Any]] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    text: bytearray = field(default_factory=bytearray)

    def put(self, word: str) -> tuple[int, int]:
        """Where the bytes of `word` begin, and how many they are."""
        raw, at = word.encode(), len(self.text)
        self.text += raw
        return at, len(raw)

    def node(self, **said: Any) -> int:
        """A new node; what is not said is unset."""
        zero = decimal(0)
        self.nodes.append(
            dict(
                minimum=zero, maximum=zero, above=zero, below=zero, types=0, wire=0, bounds=0,
                min_length=0, max_length=UNSET, min_items=0, max_items=UNSET, min_properties=0,
                max_properties=UNSET, first_property=0, property_count=0, additional=ANY,
                items=ANY, first_value=0, value_count=0,
            ) | said
        )  # fmt: skip
        return len(self.nodes) - 1


def _scalar(tables: Tables, kind: str, one: SchemaField) -> int:
    said: dict[str, Any] = dict(
        types=TYPES.get(kind, INTEGER), wire=WIRES[kind], min_length=one.min_length or 0,
        max_length=UNSET if one.max_length is None else one.max_length,
    )  # fmt: skip
    bounds = 0
    if one.minimum is not None:
        bounds, said["minimum"] = bounds | MINIMUM, decimal(one.minimum)
    if one.maximum is not None:
        bounds, said["maximum"] = bounds | MAXIMUM, decimal(one.maximum)
    if one.values is not None:
        said["first_value"], said["value_count"] = len(tables.values), len(one.values)
        bounds |= ENUM
        for number, word in enumerate(one.values):
            at, length = tables.put(word)
            worth = decimal(number if kind == "enum" else 0)
            tables.values.append(
                dict(decimal=worth, type=STRING, text_at=at, text_length=length)
            )
    if one.nullable:
        said["types"] |= NULL
    return tables.node(bounds=bounds, **said)


def _member(
    tables: Tables, schemas: Mapping[str, Fields], one: SchemaField, way: tuple[str, ...]
) -> int:
    kind = one.type or "object"
    array = -1
    if one.repeated:
        array = tables.node(
            types=ARRAY, wire=0, min_items=one.min_items or 0,
            max_items=UNSET if one.max_items is None else one.max_items,
        )  # fmt: skip
    if one.schema_ is not None:
        inner = _object(tables, schemas, one.schema_, way, nullable=one.nullable)
    else:
        inner = _scalar(tables, kind, one)
    if array < 0:
        return inner
    tables.nodes[array]["items"] = inner
    return array


def _object(
    tables: Tables,
    schemas: Mapping[str, Fields],
    name: str,
    way: tuple[str, ...],
    *,
    nullable: bool = False,
) -> int:
    if name in way:
        raise CycleError((*way, name))
    fields = schemas[name]
    own = tables.node(types=OBJECT | (NULL if nullable else 0), wire=WIRES["object"])
    first = len(tables.properties)
    tables.nodes[own] |= dict(
        first_property=first, property_count=len(fields), additional=NOTHING
    )
    for word, one in fields.items():
        at, length = tables.put(word)
        flags = int(one.required) | 2 * one.attribute | 4 * one.text
        tables.properties.append(
            dict(name_at=at, name_length=length, node=0, number=one.field, flags=flags)
        )
    for index, one in enumerate(fields.values()):
        tables.properties[first + index]["node"] = _member(tables, schemas, one, (*way, name))
    return own


def schema_tables(schemas: Mapping[str, Fields], name: str) -> Tables:
    """One schema with all it holds. Raises CycleError for one inside itself, KeyError for a name
    that is none."""
    tables = Tables()
    tables.put(name)
    _object(tables, schemas, name, ())
    return tables


def schema_rows(schemas: Mapping[str, Fields], names: list[str]) -> dict[int, Any]:
    """The rows of the five sections of these schemas."""
    specs: list[dict[str, Any]] = []
    whole = Tables()
    for name in names:
        one = schema_tables(schemas, name)
        specs.append(
            dict(
                name=name, first_node=len(whole.nodes), node_count=len(one.nodes),
                first_property=len(whole.properties), property_count=len(one.properties),
                first_value=len(whole.values), value_count=len(one.values),
                text_at=len(whole.text), text_length=len(one.text), name_at=0,
                name_length=len(name),
            )
        )  # fmt: skip
        whole.nodes += one.nodes
        whole.properties += one.properties
        whole.values += one.values
        whole.text += one.text
    return {
        layout.SCHEMA: specs, layout.SCHEMA_NODE: whole.nodes,
        layout.SCHEMA_PROPERTY: whole.properties, layout.SCHEMA_VALUE: whole.values,
        layout.SCHEMA_TEXT: bytes(whole.text),
    }  # fmt: skip


def side_row(side: Side, schemas: list[str]) -> dict[str, Any]:
    """One way of a transform."""
    return dict(
        schema=layout.NONE if side.schema_ is None else schemas.index(side.schema_),
        **{"from": CONTENTS.index(side.from_)},
        to=CONTENTS.index(side.to or side.from_),
        unknown=UNKNOWN.index(side.unknown),
        flags=int(side.strict) | 2 * side.grpc,
    )


def edit_rows(transform: int, index: int, side: Side) -> list[dict[str, Any]]:
    """Header edits of one way, in the order they are done: removed, set, added."""
    out = [(2, name, "") for name in side.remove_headers]
    out += [(1, name, value) for name, value in side.set_headers.items()]
    out += [(0, name, value) for name, value in side.add_headers.items()]
    return [
        dict(name=name.lower(), value=value, transform=transform, value_length=len(value),
             side=index, how=how)
        for how, name, value in out
    ]  # fmt: skip


def mediator_rows(
    schemas: Mapping[str, Fields], transforms: Mapping[str, Transform],
    routes: list[str | None],
) -> dict[int, Any]:
    """Every section of the mediator; `routes` is each route's transform, in file order."""
    names, order = list(schemas), list(transforms)
    edits: list[dict[str, Any]] = []
    for place, one in enumerate(transforms.values()):
        edits += edit_rows(place, 0, one.request) + edit_rows(place, 1, one.response)
    return {
        **schema_rows(schemas, names),
        layout.TRANSFORM: [
            dict(name=name, cache_ttl_ns=one.cache.ttl if one.cache else 0,
                 side=[side_row(one.request, names), side_row(one.response, names)])
            for name, one in transforms.items()
        ],
        layout.HEADER_EDIT: edits,
        layout.ROUTE_TRANSFORM: [
            dict(route=place, transform=order.index(name))
            for place, name in enumerate(routes) if name is not None
        ],
    }  # fmt: skip
