# SPDX-License-Identifier: MIT
"""mediator's kept answers in the Kernel: what a client gets is what is kept, what changes a target
lets its answers go (RFC 9111 4.4), and who asks for what another one is fetching is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim import config
from host_sim.decision import Verdict
from host_sim.kernel import Kernel
from host_sim.modules.mediator import RequestMediator

S = 10**9
TIMEOUT = 2  # enum ray_outcome
XML = {"content-type": "application/xml", "cache-control": "max-age=60", "age": "7",
       "server": "x", "connection": "x-hop", "x-hop": "1"}
FILE = """version = 1
[service.shop]
timeout = "60s"
[tenant.acme]
plan = "gold"
[tenant.other]
plan = "gold"
[[route]]
name = "read"
service = "shop"
methods = ["GET", "HEAD", "OPTIONS"]
path = { prefix = "/items" }
transform = "items"
[[route]]
name = "write"
service = "shop"
path = { prefix = "/items" }
[schema.item]
sku = { type = "string", field = 1, required = true }
qty = { type = "int64", field = 2 }
[transform.items]
response = { from = "xml", to = "json", schema = "item", remove_headers = ["server"], \
set_headers = { x-via = "gate" } }
cache = { ttl = "30s" }
"""
BODY = b"<item><sku>a</sku><qty>3</qty></item>"


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(config=config.loads(FILE, profile="seed"))


def stats(kernel: Kernel) -> Any:
    assert kernel.valid() == 0
    return RequestMediator(kernel=kernel).stats()


def filled(kernel: Kernel, target: str = "/items", at_ns: int = S, **more: Any) -> None:
    assert kernel.admit(target, at_ns=at_ns, **more).cached is None
    kernel.complete(kernel.last_id, at_ns=at_ns, headers=XML, body=BODY)


def is_kept(kernel: Kernel, target: str = "/items", **more: Any) -> bool:
    return bool(kernel.admit(target, method="HEAD", at_ns=2 * S, **more).cached is not None)


# -- what is kept is what the client gets ---------------------------------------------------------
def test_a_hit_is_the_converted_answer_not_the_services(kernel: Kernel) -> None:
    filled(kernel)
    mediator = RequestMediator(kernel=kernel)
    first = mediator.transform_response(0, 200, tuple(XML.items()), BODY)
    hit = mediator.cache_get(0, "/items", now_ns=3 * S)
    assert hit.hit and (hit.status, hit.age) == (200, 9)
    assert json.loads(hit.body) == {"sku": "a", "qty": "3"} and hit.body == first.body
    assert hit.headers == tuple(one for one in first.headers if one[0] != "age")
    fields = dict(hit.headers)
    assert fields["content-type"] == "application/json" and fields["x-via"] == "gate"
    assert int(fields["content-length"]) == len(hit.body)
    assert not {"server", "x-hop", "connection", "age"} & set(fields)


@pytest.mark.parametrize("body", [b"<item><sku>a</sku>", b"<item/>", b'{"sku":"a"}', b""])
def test_an_answer_that_does_not_convert_is_not_kept(kernel: Kernel, body: bytes) -> None:
    kernel.admit("/items", at_ns=S)
    kernel.complete(kernel.last_id, at_ns=S, headers=XML, body=body)
    counted = stats(kernel)
    if body:
        assert (counted.unkept_count, counted.large_count, counted.kept_count) == (1, 0, 0)
    else:  # nothing to convert
        assert (counted.unkept_count, counted.kept_count) == (0, 1)


def test_an_answer_that_grows_past_its_entry_is_counted_large(kernel: Kernel) -> None:
    room = int(kernel.lib.RAY_CACHE_ENTRY_BYTES)
    kernel.admit("/items", at_ns=S)
    body = b"<item><sku>" + b"&#34;" * (room // 2) + b"</sku></item>"  # two bytes each in JSON
    kernel.complete(kernel.last_id, at_ns=S, headers=XML, body=body)
    assert (stats(kernel).unkept_count, stats(kernel).large_count) == (1, 1)


# -- RFC 9111 4.4 ---------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_an_unsafe_method_lets_its_target_go(kernel: Kernel, method: str) -> None:
    filled(kernel, "/items?b=2&a=1")
    filled(kernel, "/items/2")
    kernel.admit("/items?a=1&b=2", method=method, at_ns=2 * S)
    assert is_kept(kernel, "/items?b=2&a=1")  # not before it is answered
    kernel.complete(kernel.last_id - 1, at_ns=2 * S, http_status=204)
    assert not is_kept(kernel, "/items?b=2&a=1") and is_kept(kernel, "/items/2")
    assert (stats(kernel).invalidated_count, stats(kernel).kept_count) == (1, 1)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_safe_method_lets_nothing_go(kernel: Kernel, method: str) -> None:
    filled(kernel)
    kernel.admit("/items", method=method, at_ns=2 * S, headers={"cache-control": "no-cache"})
    kernel.complete(kernel.last_id, at_ns=2 * S, headers={"cache-control": "no-store"}, body=BODY)
    assert is_kept(kernel) and stats(kernel).invalidated_count == 0


@pytest.mark.parametrize(("status", "outcome", "stays"), [
    (200, 0, False), (303, 0, False), (304, 0, False), (199, 0, True), (400, 0, True),
    (404, 0, True), (500, 0, True), (700, 0, True), (0, TIMEOUT, True), (200, TIMEOUT, True)])
def test_an_error_lets_nothing_go(kernel: Kernel, status: int, outcome: int, stays: bool) -> None:
    filled(kernel)
    kernel.admit("/items", method="PUT", at_ns=2 * S)
    kernel.complete(kernel.last_id, at_ns=2 * S, http_status=status, outcome=outcome)
    assert is_kept(kernel) is stays


def test_neither_a_denied_nor_a_cancelled_one_lets_anything_go(kernel: Kernel) -> None:
    filled(kernel)
    kernel.admit("/items", method="PUT", at_ns=2 * S)
    kernel.cancel(kernel.last_id, at_ns=2 * S)
    put = kernel.admit("/items", method="PUT", at_ns=2 * S, tenant="other")
    assert put.verdict is Verdict.ALLOW
    kernel.complete(kernel.last_id, at_ns=2 * S)  # within its own tenant
    assert is_kept(kernel)
    filled(kernel, at_ns=2 * S, tenant="acme")
    kernel.admit("/items", method="PUT", at_ns=2 * S, tenant="other")
    kernel.complete(kernel.last_id, at_ns=2 * S)
    assert stats(kernel).invalidated_count == 0


def test_what_is_being_read_while_it_changes_is_not_kept(kernel: Kernel) -> None:
    kernel.admit("/items", at_ns=S)
    reader = kernel.last_id
    kernel.admit("/items", method="POST", at_ns=S)
    kernel.complete(kernel.last_id, at_ns=S)
    assert (stats(kernel).released_count, stats(kernel).filling_count) == (1, 0)
    kernel.complete(reader, at_ns=S, headers=XML, body=BODY)
    assert (stats(kernel).stale_count, stats(kernel).kept_count) == (1, 0)


@pytest.mark.parametrize("duration_ns", [0, S // 10])
def test_an_exchange_changes_its_target_too(kernel: Kernel, duration_ns: int) -> None:
    filled(kernel)
    kernel.admit("/items", exchange=True, method="DELETE", at_ns=2 * S, duration_ns=duration_ns,
                 http_status=200)
    kernel.tick(3 * S)
    assert stats(kernel).kept_count == 0 and stats(kernel).invalidated_count == 1


def test_a_reload_that_moves_the_tenant_makes_the_change_one_of_all(kernel: Kernel) -> None:
    other, acme = '[tenant.other]\nplan = "gold"\n', '[tenant.acme]\nplan = "gold"\n'
    kernel.admit("/items", method="PUT", at_ns=S, tenant="other")
    writer = kernel.last_id
    kernel.configure(config.loads(FILE.replace(other, "").replace(acme, other + acme)))
    filled(kernel, at_ns=2 * S)
    kernel.complete(writer, at_ns=2 * S)
    assert stats(kernel).kept_count == 0 and stats(kernel).invalidated_count == 1


# -- one fill per key -----------------------------------------------------------------------------
def test_who_asks_for_what_another_is_fetching_is_told_and_sent(kernel: Kernel) -> None:
    first = kernel.admit("/items", at_ns=S)
    second = kernel.admit("/items", at_ns=S)
    assert (first.busy, second.busy) == (False, True)
    assert second.verdict is Verdict.ALLOW and not second.queued and second.cached is None
    assert kernel.explain("/items", as_json=True)["mediator"]["busy"]
    kernel.complete(kernel.last_id, at_ns=S, headers=XML, body=BODY)
    assert (stats(kernel).busy_count, stats(kernel).kept_count) == (1, 0)
    kernel.complete(first.request, at_ns=S, headers=XML, body=BODY)
    assert is_kept(kernel) and not kernel.admit("/items", at_ns=2 * S).busy
