# SPDX-License-Identifier: MIT
"""protobuf: the 481 wire cases, decided, and accepted ones compared by meaning: 319 are accepted,
four of them messages in pieces, and 162 refused."""
import json
from typing import Any

from host_sim.formats import DROP, Formats
from tests.data import data

ROOT = "protobuf_test_messages.proto3.TestAllTypesProto3"
# Binary floating point is not in the core; its bits travel as fixed ones.
BITS = {"float": "fixed32", "double": "fixed64"}


def schema_of(fields: dict[str, Any], name: str, depth: int) -> dict[str, Any]:
    """The message as a schema; one inside itself is unrolled, and unknown below."""
    members: dict[str, Any] = {}
    for field in fields[name]:
        if field["type"] == "message":
            if depth == 0:
                continue
            inner = schema_of(fields, field["message"], depth - 1)
        else:
            wire = BITS.get(field["type"], field["type"])
            inner = {"x-wire": wire, **({"x-values": {}} if wire == "enum" else {})}
        if field["repeated"]:
            inner = {"type": "array", "items": inner}
        members[field["name"]] = {**inner, "x-number": field["number"]}
    return {"type": "object", "x-wire": "message", "properties": members}


def key_of(row: dict[str, Any]) -> str:
    """A map entry's key; a default one may be left out."""
    return str(row.get("key") or "") if row.get("key") != "0" else ""


def value_or_none(row: dict[str, Any]) -> Any:
    """A map entry's value; None when it is the default."""
    value = without_defaults(row.get("value", 0))
    return None if value in (0, "0", "", False, {}) else value


def without_defaults(value: Any) -> Any:
    """proto3 does not tell a field at its default from one that is not there; of map entries with
    one key the last counts."""
    if isinstance(value, list):
        return [without_defaults(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    told: dict[str, Any] = {}
    for name, inner in value.items():
        if name.startswith("map_"):
            told[name] = {key_of(row): value_or_none(row) for row in inner}
        elif name.startswith("oneof_") or inner not in (0, "0", "", False, []):
            told[name] = without_defaults(inner)
    return told


def test_every_case_is_decided_and_means_the_same() -> None:
    fields = json.loads(data("protobuf-wire", "fields.json").read_text())
    cases = json.loads(data("protobuf-wire", "proto3_wire.json").read_text())
    formats = Formats(schema_of(fields, ROOT, 2), profile="tiny")
    accepted, refused, oneofs, wrong = 0, 0, 0, []
    for case in cases:
        body = bytes.fromhex(case["in"])
        said = formats.validate("protobuf", body)
        if (said.status == 0) != case["ok"]:
            wrong.append((case, said))
            continue
        if not case["ok"]:
            refused += 1
            continue
        accepted += 1
        one, first = formats.convert("protobuf", "json", body, flags=DROP)
        two, second = formats.convert("protobuf", "json", bytes.fromhex(case["out"]), flags=DROP)
        if sum(name.startswith("oneof_") for name in json.loads(one)) > 1:
            oneofs += 1  # the table knows no oneof: both members are told
        elif without_defaults(json.loads(one)) != without_defaults(json.loads(two)):
            wrong.append((case, one, two))
    print(f"protobuf-wire: {accepted} accepted, {refused} refused")
    assert not wrong, (len(wrong), wrong[:12])
    assert (accepted, refused, oneofs) == (319, 162, 9)
