# SPDX-License-Identifier: MIT
"""mediator: bodies in both formats, one table of errors, and answers that are kept for nobody
else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim import config
from host_sim.errors import ArgumentError, ExistsError, StateError, UnknownError, UsedError
from host_sim.kernel import Kernel
from host_sim.modules.mediator import (
    ContentType,
    HttpMethod,
    MediationPolicy,
    RefusedError,
    RequestMediator,
)

S = 10**9
JSON = (("content-type", "application/json"),)
ITEM: dict[str, dict[str, Any]] = {
    "sku": {"type": "string", "field": 1, "required": True},
    "qty": {"type": "int64", "field": 2, "minimum": 1, "maximum": 99},
}


@pytest.fixture
def mediator() -> RequestMediator:
    return RequestMediator(profile="tiny", seed=bytes(range(16)))


def items(mediator: RequestMediator, **more: Any) -> int:
    """The transform of the example file: JSON outside, protobuf inside."""
    mediator.register_schema("item", ITEM)
    return mediator.register_transform(
        "items", input_format=ContentType.JSON, output_format=ContentType.PROTOBUF,
        response_input=ContentType.PROTOBUF, response_output=ContentType.JSON, schema="item",
        response_schema="item", **more,
    ).transformation_id  # fmt: skip


def kept(mediator: RequestMediator, ttl: int = 30 * S) -> int:
    return mediator.register_transform("plain", cache_ttl=ttl).transformation_id


def filled(mediator: RequestMediator, t: int, body: bytes, *more: tuple[str, str],
           status: int = 200, **ask: Any) -> bool:  # fmt: skip
    answer = mediator.cache_get(t, "/x", **ask)
    assert answer.fill is not None
    return mediator.cache_set(answer.fill, status, (*JSON, *more), body)


# -- the phase document's own ---------------------------------------------------------------------
def test_request_transformation(mediator: RequestMediator) -> None:
    t = items(mediator)
    done = mediator.transform_request(t, b'{"sku":"a-1","qty":"3"}')
    assert done.body == b"\x0a\x03a-1\x10\x03" and done.lossy is None
    mediator.edit_header(t, "set", "X-Tier", "gold")
    mediator.edit_header(t, "remove", "X-Debug")
    headers = mediator.edit_headers(
        t, (("x-debug", "1"), ("x-tier", "lead"), ("connection", "x-hop"), ("x-hop", "1"),
            *JSON), len(done.body),
    )  # fmt: skip
    assert dict(headers) == {
        "x-tier": "gold", "content-type": "application/x-protobuf", "content-length": "7",
        "accept": "application/x-protobuf", "accept-encoding": "identity",
    }  # fmt: skip
    assert mediator.valid() == 0


def test_response_marshaling(mediator: RequestMediator) -> None:
    t = items(mediator)
    out = mediator.transform_response(t, 200, (("server", "x"),), b"\x0a\x03a-1\x10\x03")
    assert (out.status, out.format) == (200, ContentType.JSON)
    assert json.loads(out.body) == {"sku": "a-1", "qty": "3"}
    assert dict(out.headers)["content-type"] == "application/json"
    assert dict(out.headers)["content-length"] == str(len(out.body))
    said = mediator.marshal_json({"b": [1, None, True], "a": "ä"})
    assert said == '{"b":[1,null,true],"a":"ä"}'.encode()
    assert mediator.unmarshal_json(b'{"b":[1,null,true]}') == {"b": [1, None, True]}
    with pytest.raises(RefusedError):
        mediator.unmarshal_json(b'{"a":1,"a":2}')
    with pytest.raises(ArgumentError):
        mediator.marshal_json({"a": 0.5})


def test_schema_validation(mediator: RequestMediator) -> None:
    t = items(mediator)
    assert mediator.parse_request(t, b'{"sku":"a","qty":99}') is None
    for body, reason, pointer, keyword in (
        (b'{"sku":"a","qty":100}', 900, "/qty", "maximum"),
        (b'{"qty":1}', 900, "/sku", "required"),
        (b'{"sku":1}', 900, "/sku", "type"),
        (b'{"sku":"a"', 901, "", ""),
    ):
        said = mediator.parse_request(t, body)
        assert said is not None and (said.reason, said.http_status) == (reason, 400)
        assert said.keyword == keyword
        if keyword:
            assert said.pointer == pointer
    bad = mediator.validate_response(t, b"\x10\x64")
    assert bad is not None and (bad.reason, bad.http_status) == (905, 502)
    with pytest.raises(RefusedError):
        mediator.transform_request(t, b'{"sku":"a","other":1}')


# -- gRPC -----------------------------------------------------------------------------------------
def test_unary_frames_go_around_the_message_and_come_off(mediator: RequestMediator) -> None:
    t = items(mediator, grpc=True)
    sent = mediator.transform_request(t, b'{"sku":"a"}').body
    assert sent == b"\0\0\0\0\x03\x0a\x01a"
    back = mediator.transform_response(t, 200, (("grpc-status", "0"),), sent)
    assert back.body == b'{"sku":"a"}'
    for broken in (b"\1" + sent[1:], sent[:-1], sent + b"x", b""):
        with pytest.raises(RefusedError):
            mediator.transform_response(t, 200, (("grpc-status", "0"),), broken)
    # A stream that was cut before its trailers: nobody knows what became of the call.
    assert mediator.transform_response(t, 200, (), sent).status == 500


def test_a_grpc_error_becomes_our_own_words(mediator: RequestMediator) -> None:
    t = items(mediator, grpc=True)
    for code, status in ((5, 404), (7, 403), (8, 429), (14, 503), (16, 401), (3, 400), (99, 500)):
        out = mediator.transform_response(
            t, 200, (("grpc-status", str(code)), ("grpc-message", "secret stack")), b""
        )
        assert out.status == status and b"secret" not in out.body
        assert json.loads(out.body)["status"] == status


# -- errors ---------------------------------------------------------------------------------------
def test_errors_carry_what_rfc_9110_asks_for(mediator: RequestMediator) -> None:
    limited = mediator.get_error_response(200, retry_after_ns=1_500_000_000)
    assert limited.status == 429 and dict(limited.headers)["retry-after"] == "2"
    assert json.loads(limited.body) == {
        "type": "urn:raygate:reason:rate-limited", "title": "Too many requests", "status": 429,
        "retry_after_ns": 1_500_000_000,
    }  # fmt: skip
    not_allowed = mediator.get_error_response(101, methods=[HttpMethod.GET, HttpMethod.PUT])
    assert dict(not_allowed.headers)["allow"] == "GET, PUT"
    unread = mediator.get_error_response(902, accepts=ContentType.JSON)
    assert unread.status == 415 and dict(unread.headers)["accept"] == "application/json"
    trailers = mediator.get_error_response(200, grpc=True)
    assert trailers.status == 200 and dict(trailers.headers)["grpc-status"] == "8"
    assert trailers.body == b""


def test_negotiation_is_checked(mediator: RequestMediator) -> None:
    t = items(mediator)
    post: dict[str, Any] = {"method": HttpMethod.POST, "body": b'{"sku":"a"}'}
    assert mediator.cache_get(t, "/x", headers=JSON, **post).reason == 1
    for headers, status in (
        ((("content-type", "text/plain"),), 415),
        ((), 415),
        ((*JSON, ("content-encoding", "gzip")), 415),
        ((*JSON, ("accept", "text/html")), 406),
        ((*JSON, ("accept", "application/json;q=0, */*")), 406),
        ((*JSON, ("accept", "text/html, */*;q=0.1")), 0),
    ):
        assert mediator.cache_get(t, "/x", headers=headers, **post).http_status == status


# -- cache ----------------------------------------------------------------------------------------
def test_a_hit_is_what_was_stored_until_its_time(mediator: RequestMediator) -> None:
    t = kept(mediator)
    assert filled(mediator, t, b"one", now_ns=S)
    hit = mediator.cache_get(t, "/x", now_ns=30 * S)
    assert (hit.hit, hit.status, hit.body, hit.age) == (True, 200, b"one", 29)
    assert not mediator.cache_get(t, "/x", now_ns=31 * S).hit and mediator.valid() == 0
    assert mediator.stats().expired_count == 1


def test_m6_every_part_of_the_key_counts(mediator: RequestMediator) -> None:
    t = kept(mediator)
    assert filled(mediator, t, b"one", query="b=2&a=1", host="Shop", tenant=1)
    ask: dict[str, Any] = {"query": "b=2&a=1", "host": "shop", "tenant": 1}
    assert mediator.cache_get(t, "/x", **ask).hit
    assert mediator.cache_get(t, "/x", **ask | {"query": "a=1&b=2"}).hit
    for other in ({"tenant": 2}, {"host": "evil"}, {"query": "a=1"}, {"route": 1},
                  {"tenant": None}):  # fmt: skip
        assert not mediator.cache_get(t, "/x", **ask | other, method=HttpMethod.HEAD).hit
    assert not mediator.cache_get(t, "/x/", **ask, method=HttpMethod.HEAD).hit
    head = mediator.cache_get(t, "/x", **ask, method=HttpMethod.HEAD)
    assert head.hit and head.body == b""


@pytest.mark.parametrize(
    ("status", "headers", "ask", "stays"),
    [
        (200, (), {}, True),
        (500, (), {}, False),
        (404, (), {}, False),
        (206, (), {}, False),
        (200, (("cache-control", "no-store"),), {}, False),
        (200, (("cache-control", 'private="x, y"'),), {}, False),
        (200, (("cache-control", "max-age=0"),), {}, False),
        (200, (("cache-control", "max-age=1, max-age=99"),), {}, False),
        (200, (("cache-control", 'ext="a, no-store"'),), {}, True),
        (200, (("set-cookie", "a=b"),), {}, False),
        (200, (("vary", "*"),), {}, False),
        (200, (("vary", "X-Unknown"),), {}, False),
        (200, (("expires", "0"),), {}, False),
        (200, (), {"authorized": True}, False),
        (200, (), {"headers": (("cookie", "id=1"),)}, False),
        (200, (("cache-control", "public"),), {"authorized": True}, True),
        (200, (("cache-control", "s-maxage=9"),), {"authorized": True}, True),
        (200, (("age", "10"), ("cache-control", "max-age=9")), {}, False),
        (200, (("x", "y" * 300),), {}, False),
    ],
)
def test_m6_what_may_not_be_kept_is_not(
    mediator: RequestMediator, status: int, headers: Any, ask: Any, stays: bool
) -> None:
    t = kept(mediator)
    assert filled(mediator, t, b"one", *headers, status=status, **ask) is stays
    assert mediator.cache_get(t, "/x").hit is stays and mediator.valid() == 0


def test_answers_vary_by_what_they_say(mediator: RequestMediator) -> None:
    t = kept(mediator)
    english, german = (("accept-language", "en"),), (("accept-language", "de"),)
    assert filled(mediator, t, b"hello", ("vary", "Accept-Language"), headers=english)
    assert filled(mediator, t, b"hallo", ("vary", "Accept-Language"), headers=german)
    assert mediator.cache_get(t, "/x", headers=english).body == b"hello"
    assert mediator.cache_get(t, "/x", headers=german).body == b"hallo"
    assert not mediator.cache_get(t, "/x").hit


def test_one_fills_the_others_are_told_and_the_lease_lapses(mediator: RequestMediator) -> None:
    t = kept(mediator)
    first = mediator.cache_get(t, "/x", now_ns=S)
    assert first.fill is not None and not first.busy
    second = mediator.cache_get(t, "/x", now_ns=S)
    assert second.busy and second.fill is None
    third = mediator.cache_get(t, "/x", now_ns=31 * S)
    assert third.fill is not None and mediator.stats().lapsed_count == 1
    assert not mediator.cache_set(first.fill, 200, JSON, b"late")
    assert mediator.stats().stale_count == 1 and mediator.valid() == 0


def test_the_least_recently_used_gives_way(mediator: RequestMediator) -> None:
    t = kept(mediator)
    room = mediator.lib.RAY_CACHE_ENTRY_MAX
    for number in range(room + 1):
        if number == room:
            assert mediator.cache_get(t, "/0").hit
        answer = mediator.cache_get(t, f"/{number}")
        assert answer.fill is not None and mediator.cache_set(answer.fill, 200, JSON, b"x")
    assert mediator.cache_get(t, "/0").hit and mediator.stats().evicted_count == 1
    assert not mediator.cache_get(t, "/1", method=HttpMethod.HEAD).hit


def test_policy_caps_and_purge_let_go(mediator: RequestMediator) -> None:
    t = kept(mediator)
    filled(mediator, t, b"one", now_ns=S)
    assert mediator.set_caching_policy(t, MediationPolicy(cache_ttl=5 * S)).cache_ttl == 5 * S
    assert not mediator.cache_get(t, "/x", now_ns=6 * S, method=HttpMethod.HEAD).hit
    with pytest.raises(StateError):
        mediator.set_caching_policy(t, MediationPolicy(timeout=1))
    filled(mediator, t, b"two")
    assert mediator.purge(t) == 1 and not mediator.cache_get(t, "/x").hit
    only = mediator.cache_get(t, "/y", headers=(("cache-control", "only-if-cached"),))
    assert (only.reason, only.http_status) == (907, 504)


def test_control_errors_change_no_byte(mediator: RequestMediator) -> None:
    t = items(mediator)
    mediator.set_route(2, t)
    before = mediator.snapshot()
    for wrong, error in (
        (lambda: mediator.register_schema("item", ITEM), ExistsError),
        (lambda: mediator.register_transform("items"), ExistsError),
        (lambda: mediator.remove_transform(t), UsedError),
        (lambda: mediator.remove_transform(3), UnknownError),
        (lambda: mediator.edit_header(t, "set", "Content-Length", "1"), ArgumentError),
        (lambda: mediator.edit_header(t, "set", "X-A", "a\r\nb"), ArgumentError),
    ):
        with pytest.raises(error):
            wrong()
        assert mediator.snapshot() == before
    assert mediator.transform_of(2) == t and mediator.transform_of(1) is None
    mediator.set_route(2, None)
    mediator.remove_transform(t)
    assert mediator.valid() == 0


# -- the file -------------------------------------------------------------------------------------
FILE = """version = 1
[service.a]
[[route]]
name = "r"
service = "a"
path = { prefix = "/" }
transform = "items"
[schema.item]
sku = { type = "string", field = 1, required = true }
qty = { type = "int64", field = 2, minimum = 1, maximum = 99 }
[transform.items]
request = { from = "json", to = "protobuf", schema = "item" }
response = { from = "protobuf", to = "json", schema = "item", remove_headers = ["Server"] }
cache = { ttl = "30s" }
"""


def test_the_file_reaches_the_core_and_a_change_drops_what_was_kept() -> None:
    kernel = Kernel(config=config.loads(FILE, profile="tiny"), profile="tiny")
    mediator = RequestMediator(kernel=kernel)
    t = mediator.find_transform("items")
    assert mediator.transform_of(0) == t and mediator.get_policy(t).cache_ttl == 30 * S
    assert mediator.transform_request(t, b'{"sku":"a"}').body == b"\x0a\x01a"
    assert filled(mediator, t, b"\x0a\x01a")
    assert mediator.cache_get(t, "/x").body == b'{"sku":"a"}'
    kernel.configure(config.loads(FILE, profile="tiny"))
    assert mediator.cache_get(t, "/x").hit and kernel.valid() == 0
    kernel.configure(config.loads(FILE.replace("30s", "31s"), profile="tiny"))
    assert not mediator.cache_get(t, "/x").hit and kernel.valid() == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (('sku = { type = "string"', 'sku = { schema = "item"'), "cycle"),
        (('schema = "item" }\nresponse', 'schema = "itm" }\nresponse'), "unknown-reference"),
        (('transform = "items"', 'transform = "item"'), "unknown-reference"),
        (("field = 2", "field = 1"), "duplicate-name"),
        (('from = "json", to = "protobuf", schema = "item"', 'from = "json", to = "xml"'),
         "conflict"),
        (('["Server"]', '["Content-Length"]'), "bad-header"),
    ],
)
def test_m7_what_the_file_may_not_say(change: tuple[str, str], code: str) -> None:
    text = FILE.replace(*change)
    assert text != FILE
    assert code in [one.code for one in config.examine(text.encode()).findings]
