# SPDX-License-Identifier: MIT
"""Bodies and requests made to hurt: rows M1 to M7 of the bad-input list, one test each."""

from __future__ import annotations

import time
from typing import Any

import pytest

from host_sim import config
from host_sim.formats import Formats
from host_sim.modules.mediator import ContentType, HttpMethod, RequestMediator
from tests.unit.test_format_rows import CYCLE, Table

JSON = (("content-type", "application/json"),)
ITEM: dict[str, dict[str, Any]] = {
    "sku": {"type": "string", "field": 1},
    "qty": {"type": "int64", "field": 2, "repeated": True},
}
SCHEMA = {"type": "object", "x-wire": "message", "additionalProperties": False, "properties": {
    "name": {"x-wire": "string", "x-number": 1},
    "id": {"x-wire": "int64", "x-number": 2},
    "list": {"type": "array", "items": {"x-wire": "int32"}, "x-number": 3}}}  # fmt: skip
FORMATS, PLAIN = Formats(SCHEMA, profile="tiny"), Formats(None, profile="tiny")


def fault(form: str, body: bytes, formats: Formats = FORMATS, boundary: bytes = b"") -> str:
    """Why a body is refused; within a second, however large it is or claims to be."""
    begin = time.monotonic()
    said = formats.validate(form, body, boundary=boundary)
    assert said.status < 0 and time.monotonic() - begin < 1
    return said.fault


def test_m1_duplicate_keys_are_refused_and_names_are_byte_exact() -> None:
    twice = "a member named twice"
    assert fault("json", b'{"name":"a","name":"b"}') == twice
    assert fault("json", b'{"name":"a","n\\u0061me":"b"}') == twice
    assert fault("json", b'{"a":{"b":1,"b":2}}', PLAIN) == twice
    assert fault("json", b'{"name":"a","Name":"b"}') == "an unknown member"
    assert PLAIN.validate("json", b'{"name":"a","Name":"b"}').status == 0


def test_m2_nesting_of_ten_thousand_and_of_33_is_refused() -> None:
    for count in (33, 10_000, 100_000):
        assert fault("json", b"[" * count, PLAIN) == "nested too deep"
        assert fault("json", b'{"a":' * count, PLAIN) == "nested too deep"
    assert PLAIN.validate("json", b"[" * 32 + b"]" * 32).status == 0


def test_m2_overlong_utf8_and_half_surrogates_are_refused() -> None:
    for raw in (b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80",
                b"\xf4\x90\x80\x80", b"\xff"):  # fmt: skip
        assert fault("json", b'{"name":"' + raw + b'"}') == "not UTF-8"
        assert fault("xml", b"<x><name>" + raw + b"</name></x>") == "not UTF-8"
        assert fault("protobuf", b"\x0a" + bytes([len(raw)]) + raw) == "not UTF-8"
        assert fault("form", b"name=" + b"".join(b"%%%02x" % c for c in raw)) == "not UTF-8"
    assert fault("json", b'{"name":"\\ud800"}') == "not UTF-8"


def test_m2_numbers_at_and_over_their_edges() -> None:
    assert FORMATS.validate("json", b'{"id":-9223372036854775808}').status == 0
    for number in (b"9223372036854775808", b"1e999", b"99999999999999999999", b"0.5"):
        assert FORMATS.validate("json", b'{"id":' + number + b"}").status < 0, number
    assert FORMATS.convert("json", "protobuf", b'{"id":-0}')[0] == b"\x10\x00"


def test_m3_a_varint_of_eleven_bytes_or_a_tenth_above_one_is_refused() -> None:
    assert FORMATS.validate("protobuf", b"\x10" + b"\xff" * 9 + b"\x01").status == 0
    assert fault("protobuf", b"\x10" + b"\xff" * 10 + b"\x01") == "not well formed"
    assert fault("protobuf", b"\x10" + b"\xff" * 9 + b"\x02") == "not well formed"
    assert fault("protobuf", b"\x10" + b"\x80" * 9 + b"\x7f") == "not well formed"


def test_m3_a_claim_of_a_hundred_megabytes_is_refused_at_once() -> None:
    claim = b"\x80\xc2\xd7\x2f"  # 100 000 000
    assert fault("protobuf", b"\x0a" + claim + b"abc") == "not well formed"
    assert fault("protobuf", b"\x1a" + claim) == "not well formed"
    assert fault("protobuf", b"\x1a\x80\x80\x80\x80\x08" + b"\1" * 64) == "not well formed"


def test_m3_groups_field_zero_and_reserved_wire_types_are_refused() -> None:
    for body in (b"\x0b" * 10_000, b"\x0b" * 33 + b"\x0c" * 33, b"\x0b\x14", b"\x0c",
                 b"\x00\x01", b"\x0e", b"\x0f", b"\x08"):  # fmt: skip
        assert fault("protobuf", body) == "not well formed"
    # One that is whole is no field of proto3: unknown, even under a number that is known.
    assert fault("protobuf", b"\x0b\x0c") == "an unknown member"


def test_m3_messages_in_pieces_are_merged_up_to_33_of_them() -> None:
    numbers = {"type": "array", "items": {"x-wire": "sint32"}, "x-number": 2}
    leaf = {"type": "object", "x-wire": "message", "x-number": 3, "properties": {
        "n": {"x-wire": "string", "x-number": 1}, "m": numbers}}  # fmt: skip
    inner = {**leaf, "properties": {**leaf["properties"], "leaf": leaf}}  # type: ignore[dict-item]
    pieces = Formats({"type": "object", "x-wire": "message", "properties": {
        "a": {**inner, "x-number": 1}, "b": {**inner, "x-number": 2}}}, profile="tiny")  # fmt: skip
    # Packed and not, across pieces of pieces, with another field between: by hand.
    one, two = b"\x0a\x01x\x12\x01\x02\x1a\x02\x10\x04", b"\x1a\x05\x0a\x01y\x10\x06\x0a\x01z"
    body = b"\x0a" + bytes([len(one)]) + one + b"\x12\x00" + b"\x0a" + bytes([len(two)]) + two
    made, said = pieces.convert("protobuf", "json", body)
    assert said.status == 0
    assert made == b'{"a":{"n":"z","m":[1],"leaf":{"m":[2,3],"n":"y"}},"b":{}}'
    many = "a message in too many pieces"
    assert pieces.validate("protobuf", b"\x0a\x00" * 33).status == 0
    assert fault("protobuf", b"\x0a\x00" * 34, pieces) == many
    assert fault("protobuf", b"\x0a\x00\x12\x00" * 500_000, pieces) == many
    assert fault("protobuf", b"\x0a\x02\x1a\x00" * 18, pieces) == many   # 17 more of a, and of leaf
    assert pieces.validate("protobuf", b"\x0a\x02\x1a\x00" * 17 + b"\x12\x00" * 33).status == 0
    # Every piece has to be whole, and a text that does not count has to be text.
    assert fault("protobuf", b"\x0a\x00\x0a\x01\x0a", pieces) == "not well formed"
    assert fault("protobuf", b"\x0a\x03\x0a\x01\xff\x0a\x03\x0a\x01x", pieces) == "not UTF-8"


def test_m4_billion_laughs_and_every_other_dtd_is_refused_before_it_is_read() -> None:
    laughs = b'<!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY b%d "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">' % n for n in range(30)
    ) + b"]><x>&b29;</x>"  # fmt: skip
    assert fault("xml", laughs) == "a document type"
    assert fault("xml", b'<!DOCTYPE x SYSTEM "http://evil/">' + b"<x/>") == "a document type"
    assert fault("xml", b"<x><name>&laugh;</name></x>") == "an unknown entity"
    five = b"<root><name>&lt;&amp;&gt;&quot;&apos;</name></root>"
    made, said = FORMATS.convert("xml", "json", five)
    assert said.status == 0 and made == b'{"name":"<&>\\"\'"}'


def test_m4_ten_thousand_nested_tags_and_attributes_are_refused() -> None:
    assert fault("xml", b"<x>" * 10_000) == "nested too deep"
    assert fault("xml", b"<x>" * 10_000 + b"</x>" * 10_000) == "nested too deep"
    many = b"".join(b' a%d="1"' % n for n in range(10_000))
    assert fault("xml", b"<x" + many + b"/>") == "too many members"


def test_m5_a_hundred_thousand_fields_and_cut_escapes() -> None:
    assert fault("form", b"name=1&" * 100_000) == "too many members"
    assert fault("form", b"name=1&name=2") == "a member named twice"
    assert FORMATS.convert("form", "json", b"list=1&list=2")[0] == b'{"list":[1,2]}'
    assert FORMATS.convert("form", "json", b"name=%4")[0] == b'{"name":"%4"}'
    assert FORMATS.convert("form", "json", b"name")[0] == b'{"name":""}'
    # '+' of base64 is a blank in a form unless it is escaped.
    raw = Formats({"type": "object", "properties": {"raw": {"x-wire": "bytes"}}}, profile="tiny")
    form = raw.convert("json", "form", b'{"raw":"+/++/w=="}')[0]
    assert form == b"raw=%2B%2F%2B%2B%2Fw%3D%3D"
    assert raw.convert("form", "json", form)[0] == b'{"raw":"+/++/w=="}'


@pytest.fixture
def mediator() -> RequestMediator:
    return RequestMediator(profile="tiny", seed=bytes(range(16)))


def keeping(mediator: RequestMediator) -> int:
    return mediator.register_transform("plain", cache_ttl=30 * 10**9).transformation_id


def test_m6_an_error_forced_by_an_8_kb_header_is_not_kept_for_others(
    mediator: RequestMediator,
) -> None:
    t = keeping(mediator)
    poison = (("x-oversized", "a" * 8192),)
    first = mediator.cache_get(t, "/x", headers=poison)
    assert first.fill is not None
    assert not mediator.cache_set(first.fill, 431, JSON, b"too large")
    second = mediator.cache_get(t, "/x")
    assert not second.hit and second.fill is not None and mediator.stats().kept_count == 0
    assert mediator.cache_set(second.fill, 200, JSON, b"fine")
    assert mediator.cache_get(t, "/x", headers=poison).body == b"fine"


def test_m6_head_never_fills_what_get_is_answered_from(mediator: RequestMediator) -> None:
    t = keeping(mediator)
    head = mediator.cache_get(t, "/x", method=HttpMethod.HEAD)
    assert not head.hit and head.fill is None and not head.busy
    get = mediator.cache_get(t, "/x")
    assert get.fill is not None and mediator.cache_set(get.fill, 200, JSON, b"body")
    told = mediator.cache_get(t, "/x", method=HttpMethod.HEAD)
    assert (told.hit, told.body, dict(told.headers)["content-type"]) == (
        True, b"", "application/json",
    )  # fmt: skip
    for method in (HttpMethod.POST, HttpMethod.PUT, HttpMethod.DELETE, HttpMethod.PATCH):
        assert not mediator.cache_get(t, "/x", method=method).hit


def test_m6_another_tenant_is_never_answered_from_it(mediator: RequestMediator) -> None:
    t = keeping(mediator)
    mine = mediator.cache_get(t, "/me", tenant=1)
    assert mine.fill is not None and mediator.cache_set(mine.fill, 200, JSON, b"mine")
    assert mediator.cache_get(t, "/me", tenant=1).body == b"mine"
    for tenant in (None, 0, 2, 1 | 1 << 16):
        assert not mediator.cache_get(t, "/me", tenant=tenant, method=HttpMethod.HEAD).hit


def test_m6_an_answer_to_credentials_is_kept_for_nobody(mediator: RequestMediator) -> None:
    t = keeping(mediator)
    for ask in ({"headers": (("cookie", "s=1"),)}, {"headers": (("authorization", "Basic x"),)},
                {"authorized": True}):  # fmt: skip
        mine = mediator.cache_get(t, "/me/x.css", **ask)  # type: ignore[arg-type]
        assert mine.fill is not None and not mediator.cache_set(mine.fill, 200, JSON, b"mine")
        assert not mediator.cache_get(t, "/me/x.css", method=HttpMethod.HEAD).hit


def test_m7_a_schema_inside_itself_is_refused_in_the_file_and_in_the_blob() -> None:
    text = 'version = 1\n[schema.a]\nb = { schema = "b", field = 1 }\n[schema.b]\n' \
           'a = { schema = "a", field = 1 }\n'
    assert "cycle" in [one.code for one in config.examine(text.encode()).findings]
    table = Table()
    table.nodes[2].items = 2
    assert table.check()[1] == CYCLE


def test_a_bad_body_of_each_row_is_one_refusal_of_the_mediator(mediator: RequestMediator) -> None:
    mediator.register_schema("item", ITEM)
    for content, body in (
        (ContentType.JSON, b'{"sku":"a","sku":"b"}'), (ContentType.JSON, b"{" * 10_000),
        (ContentType.PROTOBUF, b"\x10" + b"\xff" * 11), (ContentType.XML, b"<!DOCTYPE x><x/>"),
        (ContentType.FORM_DATA, b"sku=1&" * 100_000),
    ):  # fmt: skip
        t = mediator.register_transform(
            "t", input_format=content, output_format=content, schema="item"
        ).transformation_id
        said = mediator.parse_request(t, body)
        assert said is not None and (said.reason, said.http_status) == (901, 400)
        mediator.remove_transform(t)
    assert mediator.valid() == 0
