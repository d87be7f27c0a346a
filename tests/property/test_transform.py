# SPDX-License-Identifier: MIT
"""transform: whatever bytes come, nothing is written past a buffer, an error leaves nothing, and
what goes on can be believed by the next server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.config import loads
from host_sim.decision import NONE, pack_headers
from host_sim.kernel import Kernel
from host_sim.modules.mediator import RequestMediator
from host_sim.modules.mediator_bodies import unpacked
from tests.doors import FRAMED, ITEM
from tests.unit.test_transform import TEXT

KERNEL = Kernel(config=loads(TEXT, profile="tiny"), profile="tiny")
FFI, LIB = KERNEL.ffi, KERNEL.lib
TRANSFORMS = [NONE] + [RequestMediator(kernel=KERNEL).find_transform(name)
                       for name in ("items", "call", "rpc", "both")]  # fmt: skip
HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
       "upgrade", "proxy-authorization", "proxy-authenticate"}  # fmt: skip
MARK = b"\xa5" * 16

names = st.sampled_from([*sorted(HOP), "content-type", "content-length", "accept", "x-a", "etag",
                         "content-encoding", "grpc-status", "grpc-timeout", "retry-after", "range",
                         "x-request-id", "Server", "a b", ""])  # fmt: skip
values = st.sampled_from(["0", "14", "7", "x-a", "close, x-a", "gzip", "identity", "chunked",
                          "application/json", "application/grpc", "", "\xff", "a\r\nb: c"])
blocks = st.lists(st.tuples(names, values), max_size=5).map(pack_headers) | st.binary(max_size=9)
items = st.fixed_dictionaries(
    {"sku": st.text(max_size=20)}, optional={"qty": st.integers(-5, 200)})  # fmt: skip


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


bodies = (st.binary(max_size=40).flatmap(lambda b: st.sampled_from([b, framed(b)]))
          | st.sampled_from([ITEM, FRAMED, b'{"sku":"abc"}', b""])
          | items.map(lambda item: json.dumps(item).encode()))  # fmt: skip


def stepped(
    response: bool, transform: int, status: int, block: bytes, body: bytes, room: tuple[int, int]
) -> tuple[int, bytes, bytes, Any]:
    """(status, headers, body, report) of one call with that much room; checks the guard bytes."""
    call, report = FFI.new("ray_transform_call *"), FFI.new("ray_mediator_report *")
    held = [FFI.from_buffer("uint8_t[]", block), FFI.from_buffer("uint8_t[]", body)]
    call.transform, call.http_status = transform, status
    call.headers.at, call.headers.length = held[0], len(block)
    call.body.at, call.body.length = held[1], len(body)
    texts, memory = [], []
    for size in room:
        memory.append(FFI.new("uint8_t[]", bytes(size) + MARK))
        texts.append(FFI.new("ray_text *"))
        LIB.ray_text_init(texts[-1], FFI.cast("char *", memory[-1]), size)
    step = LIB.ray_transform_response if response else LIB.ray_transform_request
    done = int(step(KERNEL.ray, 0, call, texts[0], texts[1], report))
    out = []
    for text, at, size in zip(texts, memory, room, strict=True):
        assert bytes(at)[size : size + len(MARK)] == MARK and text.length <= size
        out.append(bytes(at)[: text.length])
    return done, out[0], out[1], report


def check_block(response: bool, status: int, block: bytes, body: bytes) -> None:
    """What goes on says nothing about a connection and nothing untrue."""
    said = unpacked(block)
    keys = [name.lower() for name, _ in said]
    assert not (HOP - {"te"}) & set(keys)
    assert ("te", "gzip") not in said and keys.count("content-length") <= 1
    for name, value in said:
        assert name and not set("\r\n\0:") & set(name) and not set("\r\n\0") & set(value)
    lengths = [value for name, value in said if name.lower() == "content-length"]
    if lengths:
        assert lengths == [str(len(body))]
    else:
        assert body == b"" or (response and status == 200)


@given(response=st.booleans(), transform=st.sampled_from(TRANSFORMS),
       status=st.sampled_from([200, 201, 204, 304, 404, 503]), block=blocks, body=bodies,
       room=st.tuples(st.integers(0, 200), st.integers(0, 80)))  # fmt: skip
def test_any_bytes_give_a_message_or_nothing(
    response: bool, transform: int, status: int, block: bytes, body: bytes, room: tuple[int, int]
) -> None:
    large = (4096, 4096)
    done, head, out, report = stepped(response, transform, status, block, body, large)
    assert stepped(response, transform, status, block, body, large)[:3] == (done, head, out)
    if done != 0:
        assert (head, out) == (b"", b"")
        assert report.reason > 1 or (not response and done == LIB.RAY_E_ARGUMENT)
        assert report.http_status == 502 or not response
    else:
        check_block(response, int(report.http_status), head, out)
    less, small_head, small_out, _ = stepped(response, transform, status, block, body, room)
    if less == 0:
        assert (small_head, small_out) == (head, out)
    else:
        assert (small_head, small_out) == (b"", b"")
        assert less == done or less in (LIB.RAY_E_TRUNCATED, LIB.RAY_E_SYNTAX)
    assert KERNEL.valid() == 0


@pytest.mark.parametrize("transform", [1, 2])
@given(sku=st.text(max_size=30), qty=st.integers(1, 99))
def test_what_goes_there_comes_back(transform: int, sku: str, qty: int) -> None:
    body = json.dumps({"sku": sku, "qty": qty}).encode()
    trailer = pack_headers((("grpc-status", "0"),))
    done, _, there, _ = stepped(False, TRANSFORMS[transform], 0, b"", body, (512, 4096))
    back, _, here, _ = stepped(True, TRANSFORMS[transform], 200, trailer, there, (512, 4096))
    assert (done, back) == (0, 0)
    assert json.loads(here) == {"sku": sku, "qty": str(qty)}
