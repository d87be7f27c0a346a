# SPDX-License-Identifier: MIT
"""mediator in the Kernel: a body that breaks its schema goes nowhere, an answer is kept once and
given out until its time, and one request fills a key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim import config
from host_sim.decision import Verdict
from host_sim.kernel import Kernel
from host_sim.modules.mediator import RefusedError, RequestMediator

S = 10**9
JSON = {"content-type": "application/json"}
FILE = """version = 1
[service.shop]
timeout = "60s"
[[route]]
name = "items"
service = "shop"
path = { prefix = "/items" }
transform = "items"
[[route]]
name = "shop"
service = "shop"
path = { prefix = "/" }
transform = "plain"
[[limit]]
name = "all"
scope = "service"
algorithm = "token_bucket"
rate = "1/h"
burst = 5
[schema.item]
sku = { type = "string", field = 1, required = true }
qty = { type = "int64", field = 2, minimum = 1, maximum = 99 }
[transform.items]
request = { from = "json", to = "protobuf", schema = "item" }
response = { from = "protobuf", to = "json", schema = "item" }
[transform.plain]
cache = { ttl = "30s" }
"""


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(config=config.loads(FILE, profile="tiny"), profile="tiny")


def stats(kernel: Kernel) -> Any:
    assert kernel.valid() == 0
    return RequestMediator(kernel=kernel).stats()


def filled(kernel: Kernel, body: bytes = b"kept") -> None:
    first = kernel.admit("/x", at_ns=S)
    assert (first.verdict, first.cached) == (Verdict.ALLOW, None)
    kernel.complete(kernel.last_id, at_ns=S + 1, headers=JSON, body=body)


def test_a_bad_body_is_dropped_and_its_token_stays_spent(kernel: Kernel) -> None:
    post: dict[str, Any] = {"method": "POST", "headers": JSON, "at_ns": S}
    bad = kernel.admit("/items", body=b'{"sku":"a","qty":100}', **post)
    assert (bad.verdict, bad.reason, bad.http_status) == (Verdict.DROPPED, "schema-invalid", 400)
    assert (bad.by_kind, bad.by) == ("transform", "items")
    broken = kernel.admit("/items", body=b'{"sku":', **post)
    assert (broken.verdict, broken.http_status) == (Verdict.DROPPED, 400)
    # Five tokens: two are spent on what was dropped.
    good = [kernel.admit("/items", body=b'{"sku":"a"}', **post).verdict for _ in range(4)]
    assert good == [Verdict.ALLOW] * 3 + [Verdict.DENY]
    assert stats(kernel).denied_count == 2


def test_the_first_get_fills_and_the_second_is_complete_at_once(kernel: Kernel) -> None:
    filled(kernel)
    counted = stats(kernel)
    assert (counted.miss_count, counted.fill_count, counted.stored_count) == (1, 1, 1)
    before = kernel.stats()
    hit = kernel.admit("/x", at_ns=2 * S)
    assert hit.verdict is Verdict.ALLOW and hit.cached is not None and hit.http_status == 200
    after = kernel.stats()
    assert after["completed_count"] == before["completed_count"] + 1
    assert after["cached_count"] == before["cached_count"] + 1
    assert stats(kernel).hit_count == 1
    gone = kernel.admit("/x", at_ns=32 * S)
    assert gone.cached is None and stats(kernel).expired_count == 1


def test_two_gets_at_once_are_one_fill(kernel: Kernel) -> None:
    kernel.admit("/x", at_ns=S)
    first = kernel.last_id
    kernel.admit("/x", at_ns=S)
    second = kernel.last_id
    counted = stats(kernel)
    assert (counted.fill_count, counted.busy_count, counted.filling_count) == (1, 1, 1)
    kernel.complete(second, headers=JSON, body=b"second")
    assert stats(kernel).stored_count == 0  # it had no lease
    kernel.complete(first, headers=JSON, body=b"first")
    assert stats(kernel).stored_count == 1 and stats(kernel).filling_count == 0


def test_a_client_that_goes_away_gives_the_lease_back(kernel: Kernel) -> None:
    kernel.admit("/x", at_ns=S)
    kernel.cancel(kernel.last_id)
    assert (stats(kernel).released_count, stats(kernel).filling_count) == (1, 0)


def test_a_lease_nobody_gives_back_lapses_with_time(kernel: Kernel) -> None:
    kernel.admit("/x", at_ns=S)
    kernel.tick(31 * S - 1)
    assert stats(kernel).filling_count == 1
    kernel.tick(31 * S)
    assert (stats(kernel).lapsed_count, stats(kernel).filling_count) == (1, 0)
    kernel.complete(kernel.last_id, headers=JSON, body=b"late")
    assert (stats(kernel).stale_count, stats(kernel).stored_count) == (1, 0)


def test_another_file_drops_what_was_kept_and_the_same_file_does_not(kernel: Kernel) -> None:
    filled(kernel)
    kernel.configure(config.loads(FILE, profile="tiny"))
    assert kernel.admit("/x", at_ns=2 * S).cached is not None
    kernel.configure(config.loads(FILE.replace('timeout = "60s"', 'timeout = "50s"'),
                                  profile="tiny"))  # fmt: skip
    assert kernel.admit("/x", at_ns=2 * S).cached is None
    assert stats(kernel).kept_count == 0


def test_bodies_convert_by_the_transform_the_decision_names(kernel: Kernel) -> None:
    decision = kernel.admit("/items", at_ns=S, method="POST", headers=JSON, body=b'{"sku":"a"}')
    assert (decision.verdict, decision.transform) == (Verdict.ALLOW, "items")
    mediator = RequestMediator(kernel=kernel)
    t = mediator.find_transform(decision.transform)
    sent = mediator.transform_request(t, b'{"sku":"a","qty":"7"}')
    assert sent.body == b"\x0a\x01a\x10\x07"
    back = mediator.transform_response(t, 200, (), sent.body)
    assert json.loads(back.body) == {"sku": "a", "qty": "7"}
    with pytest.raises(RefusedError):
        mediator.transform_request(t, b'{"sku":"a","qty":100}')


@pytest.mark.parametrize(("body", "says", "told"), [
    (b'{"sku":"a","qty":100}', "schema-invalid: maximum at /qty", ("/qty", "maximum")),
    (b'{"qty":1}', "schema-invalid: required at /sku", ("/sku", "required")),
    (b'{"sku":', "body-malformed: does not parse at /sku", ("/sku", "")),
    (b"", "body-malformed: does not parse at the top", ("", "")),
    (b'{"sku":"a"}', "yes transform items\n", None),
    (None, "yes transform items, the body is not shown, so nobody looked at it", None),
])
def test_explain_says_where_a_body_breaks_what(kernel: Kernel, body: bytes | None, says: str,
                                               told: tuple[str, str] | None) -> None:
    fields: dict[str, Any] = {"method": "POST", "headers": JSON, "at_ns": S, "body": body}
    assert says in kernel.explain("/items", **fields)
    said = kernel.explain("/items", as_json=True, **fields)["mediator"]
    assert said["body_shown"] is (body is not None)
    assert told == ((said["pointer"], said["keyword"]) if "pointer" in said else None)
