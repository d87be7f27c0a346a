# SPDX-License-Identifier: MIT
"""gateway: a request goes in at the door with all that it is, and what comes out is what every
stage of the pipeline made of it."""

from __future__ import annotations

import json

import pytest

from host_sim.errors import StateError, UnknownError
from host_sim.kernel import NEVER
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

JSON_ITEM = b'{"sku":"abc","qty":"3"}'


def fields(response: ApiResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers}


# -- what goes to the service --
def test_the_service_gets_the_transformed_request_without_the_credential() -> None:
    gateway, kernel = opened()
    service = Service(answered(headers=[("Server", "x"), ("X-Kept", "1")]))
    back = gateway.dispatch_request(
        item(headers=(KEY, JSON, ("Connection", "X-Hop"), ("X-Hop", "1"), ("X-Own", "2"))),
        transport=service,
    )
    (got,) = service.got
    assert got.body == ITEM
    said = dict(got.headers)
    assert "X-API-Key" not in said and "X-Hop" not in said and "Connection" not in said
    assert (said["X-Own"], said["x-tier"]) == ("2", "gold")
    assert (said["content-type"], said["content-length"]) == ("application/x-protobuf", "7")
    assert said["accept"] == "application/x-protobuf"
    assert (back.status, back.body) == (200, JSON_ITEM)
    said = fields(back)
    assert "server" not in said and said["x-kept"] == "1"
    assert (said["content-type"], said["content-length"]) == ("application/json", "23")
    assert kernel.stats()["inflight_count"] == 0 and kernel.valid() == 0


def test_a_credential_nobody_looked_at_goes_on() -> None:
    gateway, _ = opened()
    service = Service(answered(b"hi"))
    gateway.dispatch_request(
        ApiRequest("GET", "/page", headers=(KEY, ("Authorization", "Bearer x"))),
        transport=service,
    )
    said = dict(service.got[0].headers)
    assert said["X-API-Key"] == KEY[1] and said["Authorization"] == "Bearer x"


def test_the_picked_instance_and_its_time_come_with_the_record() -> None:
    gateway, _ = opened()
    service = Service(answered())
    for _ in range(2):
        gateway.dispatch_request(item(), transport=service)
    assert {(r.instance, r.host, r.port) for r in service.got} == {
        ("10.0.0.1:81", "10.0.0.1", 81), ("10.0.0.2:82", "10.0.0.2", 82)}  # fmt: skip
    assert all((r.attempt, r.timeout_ns) == (1, S // 2) for r in service.got)
    gateway.dispatch_request(ApiRequest("GET", "/page/own"), transport=service)
    assert (service.got[-1].host, service.got[-1].port) == ("10.0.0.9", 8080)


def test_the_clients_address_decides_whose_lockout_it_is() -> None:
    gateway, _ = opened()
    wrong = (("X-API-Key", "k1.wrong"), JSON)
    service = Service(answered())
    for _ in range(4):
        last = gateway.dispatch_request(item(headers=wrong, ip="192.0.2.66"), transport=service)
    assert last.status == 429 and service.got == []
    assert gateway.dispatch_request(item(ip="192.0.2.66"), transport=service).status == 429
    assert gateway.dispatch_request(item(ip="192.0.2.1"), transport=service).status == 200


# -- what is refused --
def test_a_body_that_breaks_its_schema_goes_nowhere() -> None:
    gateway, _ = opened()
    service = Service(answered())
    back = gateway.dispatch_request(item(b'{"sku":"abc","qty":300}'), transport=service)
    assert (back.status, service.got) == (400, [])
    assert fields(back)["content-type"] == "application/problem+json"
    assert json.loads(back.body) == {
        "type": "urn:raygate:reason:schema-invalid", "title": "The body breaks its schema",
        "status": 400}
    assert gateway.dispatch_request(item(b""), transport=service).status in (400, 415)


def test_a_no_is_a_problem_with_the_fields_that_belong_to_it() -> None:
    gateway, _ = opened()
    nobody = gateway.dispatch_request(item(headers=(JSON,)), transport=Service())
    assert nobody.status == 401 and "www-authenticate" in fields(nobody)
    assert json.loads(nobody.body) == {
        "type": "urn:raygate:reason:auth-required", "title": "Unauthorized", "status": 401}
    lost = gateway.dispatch_request(ApiRequest("GET", "/nowhere"), transport=Service())
    assert (lost.status, json.loads(lost.body)["title"]) == (404, "Not found")
    wrong = gateway.dispatch_request(ApiRequest("PUT", "/call"), transport=Service())
    assert (wrong.status, fields(wrong)["allow"]) == (405, "POST")
    plain, _ = opened(FILE.replace("[headers]\n", "[headers]\nproblem_json = false\n"))
    back = plain.dispatch_request(ApiRequest("GET", "/nowhere"), transport=Service())
    assert (fields(back)["content-type"], back.body) == ("text/plain", b"no-route\n")


def test_every_answer_says_its_limits_and_which_request_it_was() -> None:
    gateway, _ = opened()
    service = Service(answered())
    said = fields(gateway.dispatch_request(
        item(headers=(KEY, JSON, ("X-Request-ID", "the-client's"))), transport=service))
    assert "ratelimit" in said and "ratelimit-policy" in said
    assert said["x-request-id"].isdigit()
    upstream = [value for name, value in service.got[0].headers if name.lower() == "x-request-id"]
    assert upstream == [said["x-request-id"]]      # the client does not choose it
    lost = fields(gateway.dispatch_request(ApiRequest("GET", "/nowhere"), transport=service))
    assert int(lost["x-request-id"]) > int(said["x-request-id"])


# -- what comes back --
def test_a_response_that_breaks_its_schema_is_refused_and_counted() -> None:
    gateway, kernel = opened()
    back = gateway.dispatch_request(item(), transport=Service(answered(b"\x10\x64")))
    assert back.status == 502 and b"abc" not in back.body
    assert json.loads(back.body)["type"] == "urn:raygate:reason:response-invalid"
    shown = json.loads(kernel.shell("mediator status --json").text)
    assert shown["refused"] == 1
    assert json.loads(kernel.shell("mediator show items --json").text)["refused"] == 1
    assert kernel.stats()["inflight_count"] == 0


def test_grpc_is_framed_timed_and_its_trailer_is_the_outcome() -> None:
    gateway, kernel = opened()
    post = ApiRequest("POST", "/call", headers=(JSON,), body=b'{"sku":"abc","qty":3}')
    ok = Service(answered(FRAMED, headers=[("grpc-status", "0")]))
    back = gateway.dispatch_request(post, transport=ok)
    said = dict(ok.got[0].headers)
    assert (ok.got[0].body, said["content-type"]) == (FRAMED, "application/grpc+proto")
    assert (said["te"], said["grpc-timeout"]) == ("trailers", "30000000u")
    assert (back.status, back.body, "grpc-status" in fields(back)) == (200, JSON_ITEM, False)
    cut = gateway.dispatch_request(post, transport=Service(answered(FRAMED)))
    assert cut.status == 500 and b"abc" not in cut.body
    gone = gateway.dispatch_request(
        post, transport=Service(answered(b"", headers=[("grpc-status", "14")])))
    assert gone.status == 503
    # two of three calls failed, though HTTP said 200 each time
    assert ApiMonitor(kernel=kernel).get_error_rate() == 666_666 and kernel.valid() == 0


def test_a_failed_attempt_is_made_again_elsewhere_in_its_time() -> None:
    gateway, kernel = opened()
    service = Service(answered(b"", 503), answered())
    back = gateway.dispatch_request(item(idempotent=True), transport=service)
    assert (back.status, back.body) == (200, JSON_ITEM)
    first, second = service.got
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.instance != second.instance and second.start_at_ns > first.start_at_ns
    assert second.body == first.body == ITEM
    stats = kernel.stats()
    assert (stats["retried_count"], stats["inflight_count"]) == (1, 0)


def test_no_connection_and_no_answer_in_time_are_outcomes() -> None:
    gateway, kernel = opened()
    service = Service(ConnectionError(), TimeoutError(), answered())
    back = gateway.dispatch_request(item(idempotent=True), transport=service)
    assert back.status == 200 and [r.attempt for r in service.got] == [1, 2, 3]
    lost = gateway.dispatch_request(item(), transport=Service(ConnectionError()))
    assert (lost.status, json.loads(lost.body)["status"]) == (502, 502)
    late = gateway.dispatch_request(item(), transport=Service(TimeoutError()))
    assert late.status == 504 and kernel.stats()["inflight_count"] == 0


# -- what waits --
def test_what_is_queued_is_not_sent_before_its_turn() -> None:
    gateway, kernel = opened()
    turns = [gateway.dispatch_request(item()) for _ in range(7)]
    kinds = [type(turn).__name__ for turn in turns]
    assert kinds == ["DispatchRecord"] * 2 + ["QueuedRequest"] * 4 + ["ApiResponse"]
    assert kernel.stats()["queued_count"] == 4
    waiting = [turn.request_id for turn in turns if isinstance(turn, QueuedRequest)]
    assert gateway.dispatch_queued() == {}
    with pytest.raises(StateError):
        kernel.transform_request(waiting[0])       # it was not dispatched
    assert isinstance(turns[0], DispatchRecord)
    done = gateway.complete_request(turns[0], answered())
    assert isinstance(done, ApiResponse) and done.body == JSON_ITEM
    ((id, record),) = gateway.dispatch_queued().items()
    assert id == waiting[0] and isinstance(record, DispatchRecord) and record.body == ITEM
    late = gateway.dispatch_queued(now_ns=60 * S)   # the others' time is over
    assert sorted(late) == waiting[1:]
    assert all(isinstance(turn, ApiResponse) and turn.status == 504 for turn in late.values())
    assert kernel.stats()["queued_count"] == 0 and kernel.valid() == 0


def test_with_a_transport_time_runs_until_it_is_its_turn() -> None:
    gateway, kernel = opened()
    held = [gateway.dispatch_request(item()) for _ in range(2)]
    service = Service(answered())
    back = gateway.dispatch_request(item(), transport=service)
    # Nobody completed those two: their attempts' time had to pass.
    assert back.status == 200 and service.got[0].start_at_ns >= S + S // 2
    assert isinstance(held[0], DispatchRecord)
    late = gateway.complete_request(held[0], answered())
    assert isinstance(late, ApiResponse) and late.status == 504
    with pytest.raises(UnknownError):
        gateway.complete_request(held[0], answered())
    assert kernel.stats()["inflight_count"] == 0


def test_a_limits_delay_is_waited_out_and_named() -> None:
    gateway, _ = opened()
    service, ask = Service(answered(b"hi")), ApiRequest("GET", "/slow")
    starts = []
    for _ in range(3):
        record = gateway.dispatch_request(ask)
        assert isinstance(record, DispatchRecord)
        starts.append(record.start_at_ns)
    assert starts == [S, 2 * S, 3 * S]
    back = gateway.dispatch_request(ask, transport=service)
    assert back.status == 200 and gateway.kernel is not None
    assert service.got[0].start_at_ns == 4 * S == gateway.kernel.tick(0)


def test_a_retry_without_a_transport_comes_back_when_it_may() -> None:
    gateway, _ = opened()
    first = gateway.dispatch_request(item(idempotent=True))
    assert isinstance(first, DispatchRecord)
    later = gateway.complete_request(first, Outcome.CONNECTION)
    assert isinstance(later, QueuedRequest) and later.reason == "retry"
    assert gateway.dispatch_queued(now_ns=later.not_before_ns - 1) == {}
    again = gateway.dispatch_queued(now_ns=later.not_before_ns)[first.request_id]
    assert isinstance(again, DispatchRecord) and again.attempt == 2
    assert again.instance != first.instance
    assert isinstance(gateway.complete_request(again, answered()), ApiResponse)


# -- what is kept --
def test_a_kept_answer_needs_no_service() -> None:
    gateway, kernel = opened()
    service = Service(answered(b"page", headers=[("Cache-Control", "public, max-age=60"),
                                                 ("Content-Type", "text/plain")]))  # fmt: skip
    ask = ApiRequest("GET", "/page/1")
    first = gateway.dispatch_request(ask, transport=service)
    second = gateway.dispatch_request(ask, transport=service, now_ns=3 * S)
    assert len(service.got) == 1 and first.body == second.body == b"page"
    assert fields(second)["age"] == "2" and fields(second)["content-type"] == "text/plain"
    assert fields(second)["x-request-id"] != fields(first)["x-request-id"]
    assert kernel.stats()["cached_count"] == 1
    head = gateway.dispatch_request(ApiRequest("HEAD", "/page/1"), transport=service)
    assert (head.status, head.body, len(service.got)) == (200, b"", 1)


# -- alone --
def test_without_a_kernel_nothing_waits() -> None:
    gateway = ApiGateway()
    gateway.register_service("one", host="10.0.0.1", port=80)
    gateway.add_route("/", service_id=0)
    record = gateway.dispatch_request(ApiRequest("GET", "/a", headers=(KEY,)))
    assert isinstance(record, DispatchRecord)
    assert (record.host, record.port, record.headers) == ("10.0.0.1", 80, (KEY,))
    with pytest.raises(StateError):
        gateway.dispatch_queued()


def test_the_kernel_says_where_a_request_stands() -> None:
    gateway, kernel = opened()
    assert kernel.request(1) is None and kernel.next_due() <= NEVER
    records = [gateway.dispatch_request(item()) for _ in range(3)]
    assert isinstance(records[0], DispatchRecord) and isinstance(records[2], QueuedRequest)
    sent, waits = (kernel.request(one.request_id) for one in (records[0], records[2]))
    assert sent is not None and (sent.stage, sent.due_ns) == ("sent", S + S // 2)
    assert waits is not None and waits.stage == "waits"
    assert kernel.next_due() == S + S // 2
