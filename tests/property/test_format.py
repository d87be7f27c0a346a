# SPDX-License-Identifier: MIT
"""formats: what is written is read back as it was, in every format; JSON is accepted exactly when
the reference parser accepts it."""
import base64
import functools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from host_sim.formats import Formats
from tests.model.formats import Part, accepts, divides, merged, multipart

SCHEMA = {"type": "object", "x-wire": "message", "additionalProperties": False, "properties": {
    "id": {"x-wire": "int64", "x-number": 1, "x-xml": "attribute"},
    "name": {"x-wire": "string", "x-number": 2},
    "tags": {"type": "array", "items": {"x-wire": "string"}, "x-number": 3},
    "numbers": {"type": "array", "items": {"x-wire": "sint32"}, "x-number": 4},
    "raw": {"x-wire": "bytes", "x-number": 5},
    "on": {"x-wire": "bool", "x-number": 6},
    "level": {"x-wire": "enum", "x-values": {"LOW": 0, "HIGH": 7}, "x-number": 7}}}
INNER = {**SCHEMA, "properties": {**SCHEMA["properties"], "inner": {  # type: ignore[dict-item]
    "type": "object", "x-wire": "message", "x-number": 8, "properties": {
        "of": {"x-wire": "uint64", "x-number": 1},
        "some": {"type": "array", "items": {"x-wire": "string"}, "x-number": 2},
        "deep": {"type": "object", "x-wire": "message", "x-number": 3, "properties": {
            "a": {"x-wire": "bool", "x-number": 1},
            "b": {"type": "array", "items": {"x-wire": "uint32"}, "x-number": 2}}}}}}}
FLAT, DEEP = Formats(SCHEMA, profile="tiny"), Formats(INNER, profile="tiny")
PLAIN = Formats(None, profile="tiny")

# XML has no way to say most control characters; forms and JSON do.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"),
                             exclude_characters="\ufffe\uffff"), max_size=300)
FIELDS: dict[str, Any] = {
    "id": st.integers(-(2**63), 2**63 - 1).map(str), "name": TEXT,
    "tags": st.lists(TEXT, min_size=1, max_size=5),
    "numbers": st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=5),
    "raw": st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()),
    "on": st.booleans(), "level": st.sampled_from(["LOW", "HIGH", 5])}
BODIES = st.fixed_dictionaries({}, optional=FIELDS)
INNERS = st.fixed_dictionaries({}, optional={
    "of": st.integers(0, 2**64 - 1).map(str), "some": st.lists(TEXT, min_size=1, max_size=3),
    "deep": st.fixed_dictionaries({}, optional={
        "a": st.booleans(), "b": st.lists(st.integers(0, 9), min_size=1, max_size=3)})})


def round_trip(formats: Formats, value: dict[str, Any], target: str) -> None:
    body = json.dumps(value).encode()
    made, said = formats.convert("json", target, body)
    assert said.status == 0 and not said.lossy, said
    assert formats.validate(target, made).status == 0
    back, said = formats.convert(target, "json", made)
    assert said.status == 0, (said, made)
    assert json.loads(back) == value
    again, said = formats.convert("json", target, back)
    assert again == made  # the canonical form stays


@given(BODIES, st.sampled_from(["json", "protobuf", "xml", "form"]))
def test_decoding_gives_back_what_was_encoded(value: dict[str, Any], target: str) -> None:
    round_trip(FLAT, value, target)


@given(BODIES, INNERS, st.sampled_from(["json", "protobuf", "xml"]))
def test_messages_inside_messages_too(
    value: dict[str, Any], inner: dict[str, Any], target: str
) -> None:
    round_trip(DEEP, {**value, "inner": inner}, target)


@given(st.lists(st.fixed_dictionaries({}, optional={**FIELDS, "inner": INNERS}),
                min_size=2, max_size=6))
def test_messages_one_behind_the_other_are_merged(values: list[dict[str, Any]]) -> None:
    body = b"".join(DEEP.convert("json", "protobuf", json.dumps(v).encode())[0] for v in values)
    made, said = DEEP.convert("protobuf", "json", body)
    assert said.status == 0, said
    assert json.loads(made) == functools.reduce(merged, values)


UPLOAD = Formats({"type": "object", "additionalProperties": False, "properties": {
    "text": {"type": "array", "items": {"type": "string"}},
    "file": {"type": "array", "items": {"type": "object", "properties": {
        "filename": {"type": "string"}, "content_type": {"type": "string"},
        "content": {"x-wire": "bytes"}}}}}}, profile="tiny")
LINE = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)
PARTS = st.lists(st.tuples(
    st.sampled_from(["text", "file"]), LINE, st.sampled_from(["a/b", "image/png"]),
    st.one_of(TEXT.map(str.encode), st.sampled_from([b"\r\n--", b"\r\n--B", b"--Bx--\r\n", b"\r"]),
              st.binary(max_size=40))), max_size=8)


@given(PARTS)
def test_parts_are_read_as_they_were_written(drawn: list[tuple[str, str, str, bytes]]) -> None:
    parts: list[Part] = []
    meant: dict[str, list[Any]] = {}
    for name, filename, kind, content in drawn:
        if name == "file":
            parts.append((name, filename, kind, content))
            meant.setdefault(name, []).append({
                "filename": filename, "content_type": kind,
                "content": base64.b64encode(content).decode()})
        else:
            text = content.decode("utf-8", "replace")
            parts.append((name, None, None, text.encode()))
            meant.setdefault(name, []).append(text)
    made, said = UPLOAD.convert("multipart", "json", multipart(parts, b"Bx-y"), boundary=b"Bx-y")
    assert said.status == 0 and not said.lossy, said
    assert json.loads(made) == meant


BROKEN = st.sampled_from([
    b"", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"--Bx-y", b"\r\n--Bx-y", b"\r\n--Bx-y--", b"-",
    b" ", b":", b";", b'"', b"\\", b"name=a", b"; filename*=x", b"\r\nA: b",
    b"\r\nContent-Type: multipart/x", b"\xff"])


@given(PARTS, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), BROKEN), max_size=3))
def test_the_accept_set_of_multipart_is_the_models(
    drawn: list[tuple[str, str, str, bytes]], changes: list[tuple[int, int, bytes]]
) -> None:
    body = multipart([(name, filename, None, content) for name, filename, _, content in drawn],
                     b"Bx-y")
    for at, gone, put in changes:
        body = body[:at] + put + body[at + gone:]
    said = PLAIN.validate("multipart", body, boundary=b"Bx-y")
    assert (said.status == 0) == divides(body, b"Bx-y"), (body, said)


@given(BODIES, st.integers(0, 64))
def test_output_is_bounded_and_an_error_writes_nothing(value: dict[str, Any], limit: int) -> None:
    whole, _ = FLAT.convert("json", "protobuf", json.dumps(value).encode())
    made, said = FLAT.convert("json", "protobuf", json.dumps(value).encode(), limit=limit)
    assert made == (whole if said.status == 0 else b"")
    assert said.status == 0 or said.fault == "too large"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(JSON, st.integers(0, 400), st.binary(max_size=2))
def test_the_accept_set_is_the_reference_parsers(value: Any, at: int, put: bytes) -> None:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for candidate in (body, body[:at] + put + body[at + 1:]):
        assert (PLAIN.validate("json", candidate).status == 0) == accepts(candidate), candidate
