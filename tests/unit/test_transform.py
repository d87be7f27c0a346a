# SPDX-License-Identifier: MIT
"""transform: the pipeline's step with the bytes, from the core's side: what stays behind, what is
put, and that an error leaves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim.config import loads
from host_sim.decision import NONE, pack_headers
from host_sim.errors import ArgumentError, StateError, TruncatedError, UnknownError
from host_sim.kernel import Kernel
from host_sim.modules.mediator import RefusedError
from host_sim.transforms import Message
from tests.doors import FILE, FRAMED, ITEM, JSON, KEY, S

MORE = """
[[route]]
name = "rpc"
service = "page"
path = { prefix = "/rpc" }
auth = "none"
transform = "rpc"
[[route]]
name = "both"
service = "page"
path = { prefix = "/both" }
auth = "none"
transform = "both"
[transform.rpc]
request = { from = "protobuf", to = "json", schema = "item", grpc = true }
response = { from = "json", to = "protobuf", schema = "item", grpc = true }
[transform.both]
request = { from = "protobuf", to = "protobuf", schema = "item", grpc = true }
response = { from = "protobuf", to = "protobuf", schema = "item", grpc = true }
"""
ROUTE = '[[route]]\nname = "slow"'
PAGE = '[transform.page]\ncache = { ttl = "30s" }\n'
TEXT = FILE.replace(ROUTE, MORE.split("[transform.rpc]")[0] + ROUTE).replace(
    PAGE, "[transform.rpc]" + MORE.split("[transform.rpc]")[1]
).replace('transform = "page"\n', "")
GRPC = ("Content-Type", "application/grpc+proto")
JSON_ITEM = b'{"sku":"abc","qty":"3"}'


@pytest.fixture
def kernel() -> Kernel:
    kernel = Kernel(config=loads(TEXT, profile="tiny"), profile="tiny")
    kernel.tick(S)
    return kernel


def sent(kernel: Kernel, target: str = "/items/1", method: str = "POST", **more: Any) -> int:
    """A request that was dispatched."""
    said: dict[str, Any] = {"headers": (KEY, JSON), "body": b'{"sku":"abc","qty":3}'} | more
    assert kernel.admit(target, method=method, at_ns=S, **said).allowed
    return kernel.last_id


def low(message: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in message.headers}


# -- the request --
def test_a_request_of_no_transform_keeps_its_bytes_and_loses_what_is_hop_by_hop(
    kernel: Kernel,
) -> None:
    id = sent(kernel, "/page/own", "PUT", headers=(), body=b"\x00\xff")
    out = kernel.transform_request(id, body=b"\x00\xff", headers=(
        ("Connection", "close, X-Mine"), ("X-Mine", "1"), ("Keep-Alive", "9"), ("TE", "gzip"),
        ("Trailer", "X"), ("Transfer-Encoding", "chunked"), ("Upgrade", "h2c"),
        ("Proxy-Authorization", "x"), ("X-Stays", "1"), ("Accept-Encoding", "gzip")))  # fmt: skip
    said = low(out)
    assert out.body == b"\x00\xff" and said.pop("x-request-id").isdigit()
    assert said == {"x-stays": "1", "accept-encoding": "gzip", "content-length": "2"}
    empty = kernel.transform_request(sent(kernel, "/page/own", "PUT", headers=(), body=b""))
    assert low(empty)["content-length"] == "0"      # RFC 9110 8.6: PUT says that it has none
    read = kernel.transform_request(sent(kernel, "/page/own", "GET", headers=(), body=b""))
    assert "content-length" not in low(read)


def test_a_request_asks_for_an_answer_that_can_be_read(kernel: Kernel) -> None:
    said = low(kernel.transform_request(sent(kernel), body=b'{"sku":"abc"}', headers=(
        JSON, ("Accept", "application/json"), ("Accept-Encoding", "br"), ("Range", "bytes=0-9"),
        ("If-Range", '"x"'), ("Content-MD5", "x"))))  # fmt: skip
    assert (said["accept"], said["accept-encoding"]) == ("application/x-protobuf", "identity")
    assert not {"range", "if-range", "content-md5"} & set(said)


def test_what_was_not_dispatched_is_not_transformed(kernel: Kernel) -> None:
    ids = [sent(kernel) for _ in range(3)]
    with pytest.raises(StateError):
        kernel.transform_request(ids[2])            # waits for one of two servers
    with pytest.raises(StateError):
        kernel.transform_response(ids[2], 200)
    with pytest.raises(UnknownError):
        kernel.transform_request(99)
    kernel.complete(ids[0])
    with pytest.raises(UnknownError):
        kernel.transform_response(ids[0], 200)
    kernel.tick(2 * S)
    with pytest.raises(UnknownError):
        kernel.transform_request(ids[1])            # its time is over


def test_a_request_that_asks_changes_no_byte(kernel: Kernel) -> None:
    id = sent(kernel)
    before = kernel.snapshot()
    first = kernel.transform_request(id, headers=(KEY, JSON), body=b'{"sku":"abc","qty":3}')
    with pytest.raises(RefusedError) as refused:
        kernel.transform_request(id, body=b'{"sku":"abc","qty":300}')
    assert (refused.value.refusal.pointer, refused.value.refusal.http_status) == ("/qty", 400)
    with pytest.raises(ArgumentError):
        kernel.transform_request(id, headers=(("a b", "x"),), body=b'{"sku":"abc"}')
    assert kernel.transform_request(
        id, headers=(KEY, JSON), body=b'{"sku":"abc","qty":3}') == first
    assert kernel.snapshot() == before


# -- the response --
def test_statuses_without_a_body_say_no_length(kernel: Kernel) -> None:
    for target in ("/items/1", "/page/own"):
        out = kernel.transform_response(sent(kernel, target), 204, headers=(("X-A", "1"),))
        assert (out.status, out.body, "content-length" in low(out)) == (204, b"", False)
        kernel.complete(kernel.last_id)
    head = sent(kernel, "/page/own", "HEAD", headers=(), body=b"")
    out = kernel.transform_response(head, 200, headers=(("Content-Length", "5000"),))
    assert low(out)["content-length"] == "5000"     # the page's, which is not sent
    items = sent(kernel, "/items/1", "HEAD", headers=(KEY,), body=b"")
    out = kernel.transform_response(items, 200, headers=(("Content-Length", "7"),))
    assert "content-length" not in low(out)         # converted it has another, unknown here


def test_a_response_in_another_coding_or_with_a_bad_block_is_refused(kernel: Kernel) -> None:
    id = sent(kernel)
    for headers in ((("Content-Encoding", "gzip"),), (("bad name", "1"),),
                    (("Content-Length", "1"), ("Transfer-Encoding", "chunked"))):  # fmt: skip
        with pytest.raises(RefusedError) as refused:
            kernel.transform_response(id, 200, headers=headers, body=ITEM)
        assert refused.value.refusal.http_status == 502
    page = sent(kernel, "/page/own", headers=(), body=b"x")
    with pytest.raises(RefusedError):
        kernel.transform_response(page, 200, headers=(("bad name", "1"),))
    coded = kernel.transform_response(page, 200, headers=(("Content-Encoding", "gzip"),),
                                      body=b"\x1f\x8b")  # fmt: skip
    assert coded.body == b"\x1f\x8b" and low(coded)["content-encoding"] == "gzip"


def test_our_words_for_an_error_keep_when_to_come_back(kernel: Kernel) -> None:
    out = kernel.transform_response(sent(kernel), 503, headers=(("Retry-After", "7"),),
                                    body=b"stack trace")  # fmt: skip
    assert (out.status, out.outcome_status, low(out)["retry-after"]) == (503, 503, "7")
    assert b"stack" not in out.body


# -- gRPC --
def test_a_client_that_speaks_grpc_gets_trailers_and_its_deadline_counts(kernel: Kernel) -> None:
    id = sent(kernel, "/rpc", headers=(GRPC, ("grpc-timeout", "250m")), body=FRAMED)
    assert kernel.request(id).due_ns == S + S // 4  # type: ignore[union-attr]
    there = kernel.transform_request(id, headers=(GRPC,), body=FRAMED)
    assert (there.body, low(there)["content-type"]) == (JSON_ITEM, "application/json")
    back = kernel.transform_response(id, 200, headers=(JSON,), body=JSON_ITEM)
    assert (back.status, back.body, low(back)["grpc-status"]) == (200, FRAMED, "0")
    assert low(back)["content-type"] == "application/grpc+proto"
    lost = kernel.transform_response(id, 404, headers=(JSON,), body=b"{}")
    assert (lost.status, lost.outcome_status, lost.body) == (200, 404, b"")
    assert low(lost)["grpc-status"] == "12"         # grpc.io, http-grpc-status-mapping
    for value, due in (("99999999H", S + 30 * S), ("7", 31 * S), ("1x", 31 * S), ("0n", S + 1)):
        id = sent(kernel, "/rpc", headers=(GRPC, ("grpc-timeout", value)), body=FRAMED)
        assert kernel.request(id).due_ns == due, value  # type: ignore[union-attr]
    denied = kernel.admit("/rpc", method="POST", at_ns=S, body=FRAMED)
    no = kernel.error_response(denied)
    assert denied.http_status == 415 and no.status == 200 and no.body == b""
    assert low(no)["grpc-status"] == "3"


def test_grpc_on_both_sides_passes_its_status_and_tells_the_core(kernel: Kernel) -> None:
    id = sent(kernel, "/both", headers=(GRPC,), body=FRAMED)
    assert kernel.transform_request(id, headers=(GRPC,), body=FRAMED).body == FRAMED
    ok = kernel.transform_response(id, 200, headers=(GRPC, ("grpc-status", "0")), body=FRAMED)
    assert (ok.body, low(ok)["grpc-status"], ok.outcome_status) == (FRAMED, "0", 200)
    no = kernel.transform_response(
        id, 200, headers=(GRPC, ("grpc-status", "8"), ("grpc-message", "full")))
    assert (no.status, no.outcome_status) == (200, 429)
    assert (low(no)["grpc-status"], low(no)["grpc-message"]) == ("8", "full")


# -- the caller's buffers --
def test_too_small_a_buffer_is_said_and_left_as_it_was(kernel: Kernel) -> None:
    ffi, lib, id = kernel.ffi, kernel.lib, sent(kernel)
    whole = kernel.transform_request(id, headers=(JSON,), body=JSON_ITEM)
    need = (sum(4 + len(name) + len(value) for name, value in whole.headers), len(whole.body))
    block = pack_headers((JSON,))
    held = [ffi.from_buffer("uint8_t[]", block), ffi.from_buffer("uint8_t[]", JSON_ITEM)]
    call, report = ffi.new("ray_transform_call *"), ffi.new("ray_mediator_report *")
    call.id, call.transform = id, NONE
    call.headers.at, call.headers.length = held[0], len(block)
    call.body.at, call.body.length = held[1], len(JSON_ITEM)
    for room in ((need[0] - 1, need[1]), (need[0], need[1] - 1), (0, 0), need):
        memory = [ffi.new("uint8_t[]", b"\xa5" * (size + 8)) for size in room]
        texts = [ffi.new("ray_text *") for _ in room]
        for text, at, size in zip(texts, memory, room, strict=True):
            lib.ray_text_init(text, ffi.cast("char *", at), size)
        status = lib.ray_transform_request(kernel.ray, S, call, texts[0], texts[1], report)
        assert all(bytes(at)[size : size + 8] == b"\xa5" * 8
                   for at, size in zip(memory, room, strict=True))  # fmt: skip
        if room == need:
            assert (status, texts[0].length, texts[1].length) == (0, *need)
        else:
            assert status == TruncatedError.status and texts[0].length == texts[1].length == 0


def test_no_bytes_are_a_protobuf_message_and_not_a_json_one():
    text = """version = 1
[service.a]
[schema.free]
n = { type = "int64", field = 1 }
[schema.bound]
n = { type = "int64", field = 1, required = true }
""" + "".join(f"""
[[route]]
name = "{name}"
service = "a"
path = {{ prefix = "/{name}" }}
transform = "{name}"
[transform.{name}]
response = {{ from = "{begin}", to = "{end}", schema = "{schema}" }}
""" for name, begin, end, schema in (("free", "protobuf", "json", "free"),
                                     ("bound", "protobuf", "json", "bound"),
                                     ("text", "json", "protobuf", "bound")))
    kernel = Kernel(config=loads(text, profile="tiny"), profile="tiny")
    ids = {}
    for name in ("free", "bound", "text"):
        assert kernel.admit(f"/{name}", at_ns=S).allowed
        ids[name] = kernel.last_id
    free = kernel.transform_response(ids["free"], 200)
    assert (free.status, free.body) == (200, b"{}")
    with pytest.raises(RefusedError) as refused:
        kernel.transform_response(ids["bound"], 200)
    assert (refused.value.refusal.http_status, refused.value.refusal.keyword) == (502, "required")
    assert kernel.transform_response(ids["text"], 200).body == b""
