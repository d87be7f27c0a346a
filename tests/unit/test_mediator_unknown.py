# SPDX-License-Identifier: MIT
"""mediator: what becomes of a member no schema names, and that every other member is checked
whatever that is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim.formats import Formats
from host_sim.modules.mediator import (
    ContentType,
    Converted,
    HttpMethod,
    Refusal,
    RefusedError,
    RequestMediator,
    Unknown,
)

ITEM: dict[str, dict[str, Any]] = {
    "sku": {"type": "string", "field": 1, "required": True},
    "qty": {"type": "int64", "field": 2, "minimum": 1, "maximum": 99},
}
JSON, PROTOBUF = ContentType.JSON, ContentType.PROTOBUF
XML, FORM = ContentType.XML, ContentType.FORM_DATA
SCHEMA_INVALID, MALFORMED, LOSSY = 900, 901, 904

# The same body per format: a member nobody named comes first, then a quantity above the limit.
WRONG = {
    JSON: b'{"other":{"deep":[1]},"sku":"a","qty":100}',
    PROTOBUF: b"\x1a\x01x\x0a\x01a\x10\x64",
    XML: b"<item><other>x</other><sku>a</sku><qty>100</qty></item>",
    FORM: b"other=1&sku=a&qty=100",
}
RIGHT = {
    JSON: b'{"other":{"deep":[1]},"sku":"a","qty":99}',
    PROTOBUF: b"\x1a\x01x\x0a\x01a\x10\x63",
    XML: b"<item><other>x</other><sku>a</sku><qty>99</qty></item>",
    FORM: b"other=1&sku=a&qty=99",
}


@pytest.fixture
def mediator() -> RequestMediator:
    made = RequestMediator(profile="tiny", seed=bytes(range(16)))
    made.register_schema("item", ITEM)
    return made


def passing(
    mediator: RequestMediator, source: ContentType, target: ContentType, unknown: Unknown,
    strict: bool = False,
) -> int:  # fmt: skip
    return mediator.register_transform(
        "t", input_format=source, output_format=target, schema="item", unknown=unknown,
        strict=strict,
    ).transformation_id  # fmt: skip


@pytest.mark.parametrize("unknown", [Unknown.DROP, Unknown.KEEP])
@pytest.mark.parametrize("target", [JSON, PROTOBUF])
@pytest.mark.parametrize("source", [JSON, PROTOBUF, XML, FORM])
def test_members_behind_an_unknown_one_are_checked(
    mediator: RequestMediator, source: ContentType, target: ContentType, unknown: Unknown
) -> None:
    t = passing(mediator, source, target, unknown)
    said = mediator.parse_request(t, WRONG[source])
    assert said is not None
    assert (said.reason, said.pointer, said.keyword) == (SCHEMA_INVALID, "/qty", "maximum")
    with pytest.raises(RefusedError) as refused:
        mediator.transform_request(t, WRONG[source])
    assert refused.value.refusal == said
    assert mediator.parse_request(t, RIGHT[source]) is None


@pytest.mark.parametrize("unknown", [Unknown.DROP, Unknown.KEEP])
@pytest.mark.parametrize(
    "body, reason, pointer",
    [
        (b'{"other":1,"qty":1}', SCHEMA_INVALID, "/sku"),          # one that is missing
        (b'{"other":1,"sku":"a","sku":"b"}', MALFORMED, "/sku"),
        (b'{"other":1,"sku":"a","other":2}', MALFORMED, None),
        (b'{"other":{"a":1,"a":2},"sku":"a"}', MALFORMED, None),
        (b'{"other":1,"sku":"a"', MALFORMED, None),
        (b'{"sku":"a","other":' + b"[" * 40 + b"]" * 40 + b"}", MALFORMED, None),
        (b'{"sku":"a","other":"\xc0\xaf"}', MALFORMED, None),
    ],
)
def test_what_is_behind_or_inside_an_unknown_member_still_counts(
    mediator: RequestMediator, unknown: Unknown, body: bytes, reason: int, pointer: str | None
) -> None:
    said = mediator.parse_request(passing(mediator, JSON, JSON, unknown), body)
    assert said is not None and said.reason == reason
    assert pointer is None or said.pointer == pointer


def converted(
    mediator: RequestMediator, source: ContentType, target: ContentType, unknown: Unknown,
    strict: bool = False,
) -> Converted | Refusal:  # fmt: skip
    t = passing(mediator, source, target, unknown, strict)
    asked = mediator.parse_request(t, RIGHT[source])
    try:
        made = mediator.transform_request(t, RIGHT[source])
    except RefusedError as error:
        assert asked == error.refusal  # denied when it is asked, not on its way
        return error.refusal
    assert asked is None
    return made


@pytest.mark.parametrize("source", [JSON, PROTOBUF, XML, FORM])
def test_keep_in_the_same_format_keeps_every_byte(
    mediator: RequestMediator, source: ContentType
) -> None:
    for strict in (False, True):
        assert converted(mediator, source, source, Unknown.KEEP, strict) == Converted(
            RIGHT[source], None
        )
        mediator.remove_transform(mediator.find_transform("t"))


@pytest.mark.parametrize("source", [JSON, PROTOBUF, XML, FORM])
@pytest.mark.parametrize("unknown", [Unknown.DROP, Unknown.KEEP])
def test_what_another_format_cannot_carry_is_dropped_and_said(
    mediator: RequestMediator, source: ContentType, unknown: Unknown
) -> None:
    target = PROTOBUF if source == JSON else JSON
    made = converted(mediator, source, target, unknown)
    assert isinstance(made, Converted) and made.lossy is not None
    if target == JSON:
        assert json.loads(made.body) == {"sku": "a", "qty": "99"}
    else:
        assert made.body == b"\x0a\x01a\x10\x63" and made.lossy == "/other"
    mediator.remove_transform(mediator.find_transform("t"))
    strict = converted(mediator, source, target, unknown, strict=True)
    assert isinstance(strict, Refusal) and strict.reason == LOSSY


def test_drop_in_the_same_format_leaves_it_out(mediator: RequestMediator) -> None:
    made = converted(mediator, JSON, JSON, Unknown.DROP)
    assert isinstance(made, Converted)
    assert (json.loads(made.body), made.lossy) == ({"sku": "a", "qty": "99"}, "/other")


@pytest.mark.parametrize("source", [JSON, PROTOBUF, XML, FORM])
def test_reject_names_it(mediator: RequestMediator, source: ContentType) -> None:
    said = mediator.parse_request(passing(mediator, source, JSON, Unknown.REJECT), RIGHT[source])
    assert said is not None
    assert (said.reason, said.keyword) == (SCHEMA_INVALID, "additionalProperties")


def test_an_attribute_nobody_named_is_a_member_like_others(mediator: RequestMediator) -> None:
    body = b'<item a="1"><sku b="/&gt;">a</sku><qty c=""/></item>'
    dropping = passing(mediator, XML, JSON, Unknown.DROP)
    said = mediator.parse_request(dropping, body)
    assert said is not None and said.pointer == "/qty"  # empty is no number
    made = mediator.transform_request(dropping, body.replace(b'c=""/>', b'c="">7</qty>'))
    assert json.loads(made.body) == {"sku": "a", "qty": "7"} and made.lossy is not None
    mediator.remove_transform(dropping)
    rejecting = passing(mediator, XML, JSON, Unknown.REJECT)
    said = mediator.parse_request(rejecting, b'<item><sku b="">a</sku></item>')
    assert said is not None and said.reason == SCHEMA_INVALID and said.pointer == "/sku"


def test_the_ask_refuses_what_hides_behind_an_unknown_member(mediator: RequestMediator) -> None:
    t = passing(mediator, JSON, JSON, Unknown.KEEP)
    answer = mediator.cache_get(
        t, "/x", method=HttpMethod.POST, headers=(("content-type", "application/json"),),
        body=WRONG[JSON],
    )  # fmt: skip
    assert (answer.reason, answer.http_status) == (SCHEMA_INVALID, 400)


def test_from_json_to_json_a_kept_member_is_written_as_it_was() -> None:
    formats = Formats(
        {"type": "object", "additionalProperties": False, "maxProperties": 3, "properties": {
            "n": {"x-wire": "int64", "x-number": 1}}}, profile="tiny",
    )  # fmt: skip
    body = b'{"a\\u0062":{"n":[1.50,null]},"n":7}'
    assert formats.convert("json", "json", body, flags=4)[0] == b'{"ab":{"n":[1.50,null]},"n":"7"}'
    assert formats.convert("json", "json", body, flags=2)[0] == b'{"n":"7"}'
    made, said = formats.convert("json", "json", body, flags=5)  # keep and strict: nothing is lost
    assert said.status == 0 and not said.lossy and made.startswith(b'{"ab"')
    # Kept members are members, dropped ones are none.
    many = b'{"a":1,"b":2,"c":3,"n":7}'
    assert formats.validate("json", many, flags=4).keyword == "maxProperties"
    assert formats.validate("json", many, flags=2).status == 0
    assert formats.validate("protobuf", b"\x18\x01", flags=3).pointer == "/3"
