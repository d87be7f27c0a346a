# SPDX-License-Identifier: MIT
"""gateway: what becomes of a request whose service, transport, caller or configuration does what
it should not: its client gets an answer that is true, and nothing of it stays behind."""

from __future__ import annotations

import gc
import json
import re
import weakref
from typing import Any

import pytest

from host_sim.config import loads
from host_sim.errors import ArgumentError
from host_sim.kernel import Kernel
from host_sim.modules.apimon import ApiMonitor
from host_sim.modules.gateway import (
    ApiGateway,
    ApiRequest,
    ApiResponse,
    DispatchRecord,
    Outcome,
    QueuedRequest,
)
from tests.doors import FILE, FRAMED, ITEM, JSON, KEY, S, Service, answered, item, opened

ONE = FILE.replace("servers = 2", "servers = 1")
NO_HTTP = [ApiResponse(0), ApiResponse(100), ApiResponse(101), ApiResponse(199), ApiResponse(600),
           ApiResponse(99_999), ApiResponse(-1), ApiResponse(200, {"X-A": "\u20ac"}),
           ApiResponse(200, {"\u20ac": "a"}), ApiResponse(200, {"X-A": "a" * 65_536})]  # fmt: skip
WRONG: Any = 5  # where a type checker would not let it stand
NO_RESPONSE: list[Any] = [
    None, b"", ApiResponse(200, (), WRONG), ApiResponse(*["200"]), ApiResponse(200, WRONG),
    ApiResponse(200, {"a": WRONG}), ApiResponse(200, *["ab"]), ApiResponse(200, *[(("a",),)]),
]  # fmt: skip
GRPC_CALL = """[transform.call]
request = { from = "protobuf", to = "json", schema = "item", grpc = true }
response = { from = "json", to = "protobuf", schema = "item", grpc = true }
"""
RPC = FILE[: FILE.index("[transform.call]")] + GRPC_CALL


def why(response: object) -> tuple[int, str]:
    """The status and the reason of a no."""
    assert isinstance(response, ApiResponse)
    kind = json.loads(response.body)["type"]
    return response.status, str(kind).rpartition(":")[2]


def sent(turn: object) -> DispatchRecord:
    assert isinstance(turn, DispatchRecord)
    return turn


def free(kernel: Kernel) -> None:
    assert kernel.stats()["inflight_count"] == 0 and kernel.valid() == 0


# -- answers nobody can use --
@pytest.mark.parametrize("bad", NO_HTTP, ids=lambda bad: f"{bad.status}-{len(bad.headers)}")
def test_what_is_no_response_of_https_is_a_failed_attempt(bad: ApiResponse) -> None:
    gateway, kernel = opened(ONE)
    back = gateway.dispatch_request(item(), transport=Service(bad))
    assert why(back) == (502, "response-invalid")
    free(kernel)
    later = gateway.dispatch_request(item(), transport=Service(answered()))
    assert later.status == 200 and kernel.tick(0) == S     # nobody had to wait for a deadline
    plain = gateway.dispatch_request(ApiRequest("GET", "/slow"), transport=Service(bad))
    assert why(plain) == (502, "response-invalid")


def test_a_bad_answer_is_tried_again_where_the_rules_say_so() -> None:
    gateway, kernel = opened(FILE.replace('on = ["503",', 'on = ["502", "503",'))
    service = Service(ApiResponse(0), answered())
    back = gateway.dispatch_request(item(idempotent=True), transport=service)
    assert back.status == 200 and [r.attempt for r in service.got] == [1, 2]
    free(kernel)


@pytest.mark.parametrize("bad", NO_RESPONSE, ids=str)
def test_a_transport_that_returns_something_else_is_told_and_the_request_cancelled(
    bad: Any,
) -> None:
    gateway, kernel = opened(ONE)
    with pytest.raises(ArgumentError, match="what came back is|a response's"):
        gateway.dispatch_request(item(), transport=lambda record: bad)
    free(kernel)
    record = sent(gateway.dispatch_request(item()))
    with pytest.raises(ArgumentError):
        gateway.complete_request(record, bad)
    done = gateway.complete_request(record, answered())    # refused, it had changed nothing
    assert isinstance(done, ApiResponse) and done.status == 200
    free(kernel)


def test_an_outcome_that_only_a_response_has_is_no_outcome() -> None:
    gateway, kernel = opened()
    record = sent(gateway.dispatch_request(item()))
    for outcome in (Outcome.OK, Outcome.CLIENT_4XX, Outcome.LIMITED_429):
        with pytest.raises(ArgumentError, match=f"{outcome!s} is what a response"):
            gateway.complete_request(record, outcome)
    assert kernel.request(record.request_id) is not None
    assert why(gateway.complete_request(record, Outcome.CONNECTION)) == (502, "service-unhealthy")
    free(kernel)


# -- a reload meanwhile --
BARE = """version = 1
[service.page]
at = "10.0.0.9:8080"
[[route]]
name = "page"
service = "page"
path = { prefix = "/page" }
"""


def swapped() -> str:
    """FILE with the transforms page and items in each other's place."""
    first = FILE.index("[transform.items]")
    page = '[transform.page]\ncache = { ttl = "30s" }\n'
    return FILE[:first] + page + FILE[first:].replace(page, "")


def dropped(*names: str) -> str:
    """FILE without these transforms."""
    text = FILE
    for name in names:
        text = text.replace(f'transform = "{name}"\n', "")
        text = re.sub(rf"\[transform.{name}\]\n(?:[a-z].*\n)*", "", text)
    return text


@pytest.mark.parametrize("other", [BARE, dropped("items"), dropped("items", "page", "call"),
                                   FILE.replace("transform.items]", "transform.other]").replace(
                                       'transform = "items"', 'transform = "other"')])
def test_an_answer_whose_transform_a_reload_took_is_not_passed_unconverted(other: str) -> None:
    gateway, kernel = opened()
    record = sent(gateway.dispatch_request(item()))
    kernel.configure(loads(other, profile="tiny"))
    assert kernel.request(record.request_id) is not None
    back = gateway.complete_request(record, answered())
    assert why(back) == (502, "response-invalid")
    free(kernel)


def test_a_transform_that_a_reload_put_elsewhere_still_converts_the_answer() -> None:
    gateway, kernel = opened()
    record = sent(gateway.dispatch_request(item()))
    waits = [gateway.dispatch_request(item()) for _ in range(2)][1]
    kernel.configure(loads(swapped(), profile="tiny"))
    assert kernel.transform_handle("items") == 1           # page has its place
    back = gateway.complete_request(record, answered())
    assert isinstance(back, ApiResponse) and json.loads(back.body) == {"sku": "abc", "qty": "3"}
    assert isinstance(waits, QueuedRequest)
    assert why(gateway.dispatch_queued()[waits.request_id]) == (503, "service-gone")


def test_an_answer_whose_transform_moved_is_not_kept_and_a_heads_is_nobodys_fault() -> None:
    gateway, kernel = opened()
    ask = ApiRequest("GET", "/page/1")
    page = answered(ITEM, headers=[("Cache-Control", "public, max-age=60")])
    record = sent(gateway.dispatch_request(ask))
    look = ApiRequest("HEAD", "/items/7", headers=(KEY,))
    head = sent(gateway.dispatch_request(look))
    kernel.configure(loads(swapped(), profile="tiny"))
    back = gateway.complete_request(record, page)
    assert isinstance(back, ApiResponse) and (back.status, back.body) == (200, ITEM)
    service = Service(page)
    for _ in range(2):
        assert gateway.dispatch_request(ask, transport=service).body == ITEM
    assert len(service.got) == 1                           # the second is kept, the first was not
    failed = ApiMonitor(kernel=kernel).get_error_rate()
    lost = gateway.complete_request(head, answered(b""))
    assert isinstance(lost, ApiResponse) and (lost.status, lost.body) == (502, b"")
    assert failed == ApiMonitor(kernel=kernel).get_error_rate() == 0
    free(kernel)


def test_an_answer_without_a_transform_outlives_its_service() -> None:
    gateway, kernel = opened()
    record = sent(gateway.dispatch_request(ApiRequest("GET", "/slow")))
    kernel.configure(loads(BARE.replace("page", "other"), profile="tiny"))
    back = gateway.complete_request(record, answered(b"hi"))
    assert isinstance(back, ApiResponse) and (back.status, back.body) == (200, b"hi")
    free(kernel)


def test_what_waited_is_not_sent_unconverted() -> None:
    gateway, kernel = opened(ONE)
    turns = [gateway.dispatch_request(item()) for _ in range(2)]
    kernel.configure(loads(dropped("items").replace("servers = 2", "servers = 1"), profile="tiny"))
    gateway.complete_request(sent(turns[0]), answered())
    ((id, turn),) = gateway.dispatch_queued().items()
    assert isinstance(turns[1], QueuedRequest) and id == turns[1].request_id
    assert why(turn) == (503, "service-gone")
    free(kernel)


# -- clients that speak gRPC --
def test_a_grpc_client_gets_trailers_whatever_went_wrong() -> None:
    gateway, kernel = opened(RPC)
    call = ApiRequest("POST", "/call", headers=(("Content-Type", "application/grpc+proto"),),
                      body=FRAMED)  # fmt: skip
    fine = gateway.dispatch_request(
        call, transport=Service(answered(b'{"sku":"abc","qty":3}', headers=[JSON])))
    assert (fine.status, fine.body, dict(fine.headers)["grpc-status"]) == (200, FRAMED, "0")
    broken = answered(b"{", headers=[JSON])
    codes = ((TimeoutError(), "4"), (ConnectionError(), "14"), (ApiResponse(0), "13"),
             (broken, "13"))  # fmt: skip
    for failed, code in codes:
        back = gateway.dispatch_request(call, transport=Service(failed))
        said = {name.lower(): value for name, value in back.headers}
        assert (back.status, back.body) == (200, b"") and said["content-type"].startswith(
            "application/grpc")
        assert said["grpc-status"] == code
    record = sent(gateway.dispatch_request(call))
    late = gateway.complete_request(record, Outcome.TIMEOUT, now_ns=90 * S)
    assert isinstance(late, ApiResponse) and dict(late.headers)["grpc-status"] == "4"
    free(kernel)


# -- two gateways on one Kernel --
def test_gateways_on_one_kernel_do_not_lose_each_others_requests() -> None:
    first, kernel = opened(ONE)
    second = ApiGateway(kernel=kernel)
    a, b, c = (gate.dispatch_request(item()) for gate in (first, first, second))
    assert isinstance(b, QueuedRequest) and isinstance(c, QueuedRequest)
    first.complete_request(sent(a), answered())
    ((id, record),) = second.dispatch_queued().items()
    assert id == b.request_id and first.dispatch_queued() == {}
    second.complete_request(sent(record), answered())
    ((id, record),) = first.dispatch_queued().items()
    assert id == c.request_id
    first.complete_request(sent(record), answered())
    free(kernel)


def test_a_request_of_another_gateway_goes_on_where_it_is_looked_for() -> None:
    first, kernel = opened(ONE)
    second = ApiGateway(kernel=kernel)
    a, b = (first.dispatch_request(item()) for _ in range(2))
    assert isinstance(b, QueuedRequest)
    first.complete_request(sent(a), answered())
    back = second.dispatch_request(item(), transport=Service(answered()))
    assert isinstance(back, ApiResponse)                   # b had its turn, its time ran out
    assert list(first.dispatch_queued()) == [b.request_id]
    free(kernel)


def test_a_kernel_is_let_go_with_its_gateways() -> None:
    gateway, kernel = opened()
    gateway.dispatch_request(item())
    seen = weakref.ref(kernel)
    del gateway, kernel
    gc.collect()
    assert seen() is None


# -- requests that are none --
@pytest.mark.parametrize(("request_", "what"), [
    (ApiRequest(WRONG), "method"), (ApiRequest(headers={"a": WRONG}), "headers"),
    (ApiRequest(headers=(("a", WRONG),)), "headers"), (ApiRequest(host=WRONG), "host"),
    (ApiRequest(path=WRONG), "path"), (ApiRequest(body=WRONG), "body"),
    (ApiRequest(client=WRONG), "client"),
])  # fmt: skip
def test_a_field_of_another_type_is_named(request_: ApiRequest, what: str) -> None:
    gateway, kernel = opened()
    with pytest.raises(ArgumentError, match=what):
        gateway.dispatch_request(request_)
    free(kernel)


# -- what the client and the caller read --
def test_the_request_id_is_said_once_whatever_the_service_echoes() -> None:
    gateway, _ = opened()
    for name in ("X-Request-ID", "x-request-id"):
        back = gateway.dispatch_request(
            item(), transport=Service(answered(ITEM, headers=[(name, "77"), ("X-Kept", "1")])))
        said = [value for field, value in back.headers if field.lower() == "x-request-id"]
        assert len(said) == 1 and said != ["77"] and ("X-Kept", "1") in [
            (field.title(), value) for field, value in back.headers]


def test_an_ipv6_host_has_no_brackets_with_or_without_a_pool() -> None:
    gateway, _ = opened(FILE.replace('at = "10.0.0.9:8080"', 'at = "[2001:db8::9]:9000"').replace(
        '"10.0.0.1:81"', '"[2001:db8::1]:81"').replace('"10.0.0.2:82"', '"[2001:db8::1]:82"'))
    page = sent(gateway.dispatch_request(ApiRequest("GET", "/page")))
    assert (page.host, page.port) == ("2001:db8::9", 9000)
    assert sent(gateway.dispatch_request(item())).host == "2001:db8::1"
