# SPDX-License-Identifier: MIT
"""The phase document's smoke test: request, authenticate, route, balance, mediate, transform,
respond. And the promise: all twelve modules decide the same on both machines.
"""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from host_sim.kernel import Kernel, Verdict
from host_sim.modules.apimon import ApiMonitor
from host_sim.modules.lb import LoadBalancer
from tests.full_stack import S, config_in, rows_of, step, token_of
from tests.image import vm

JSON = {"Content-Type": "application/json", "Accept": "application/json"}


def test_smoke_full_stack(tmp_path: pathlib.Path) -> None:
    kernel = Kernel(config=config_in(tmp_path))
    balancer, monitor = LoadBalancer(kernel=kernel), ApiMonitor(kernel=kernel)
    ask: dict[str, Any] = {"method": "POST", "body": b'{"sku":"a-1","qty":"3"}', "at_ns": S,
                           "ip": "192.0.2.1"}

    nobody = kernel.admit("/orders", headers=JSON, **ask)
    assert (nobody.verdict, nobody.http_status) == (Verdict.DENY, 401)
    guest = {**JSON, "Authorization": "Bearer " + token_of("bob", "guest", "guest")}
    refused = kernel.admit("/orders", headers=guest, **ask)
    assert (refused.verdict, refused.http_status) == (Verdict.DENY, 403)

    user = {**JSON, "Authorization": "Bearer " + token_of("ann", "user", "acme")}
    sent = kernel.admit("/orders", headers=user, **ask)
    assert (sent.verdict, sent.route, sent.service, sent.attempt) == (
        Verdict.ALLOW, "orders", "orders", 1)
    assert sent.instance == "10.0.1.1:80" and sent.transform == "orders"
    assert (sent.tenant, sent.role) == ("acme", "user")
    there = kernel.transform_request(kernel.last_id, headers=user, body=ask["body"])
    body = there.body
    assert body == b"\x0a\x03a-1\x10\x03"                        # what the instance reads
    assert dict(there.headers) == {
        "accept": "application/x-protobuf", "accept-encoding": "identity",
        "content-type": "application/x-protobuf", "content-length": "7"}
    back = kernel.transform_response(kernel.last_id, 200, headers={"Server": "x"},
                                     body=body)
    assert (back.status, back.outcome_status, back.body) == (200, 200, b'{"sku":"a-1","qty":"3"}')
    assert all(name.lower() != "server" for name, _ in back.headers)
    done = kernel.complete(kernel.last_id, at_ns=S + 20_000_000, http_status=back.outcome_status,
                           response_bytes=len(body))
    assert done.verdict == Verdict.COMPLETE and done.cost_nano > 400_000
    assert balancer.get_connection_count() == 0
    assert monitor.get_total_requests() == 3 and kernel.valid() == 0

    bad = kernel.admit("/orders", headers=user, **{**ask, "body": b'{"sku":"a","qty":"100"}'})
    assert (bad.verdict, bad.reason) == (Verdict.DROPPED, "schema-invalid")

    get: dict[str, Any] = {"headers": user, "ip": "192.0.2.1"}
    miss = kernel.admit("/orders/7", at_ns=2 * S, **get)
    kernel.complete(kernel.last_id, at_ns=2 * S + 1, body=body,  # protobuf, as the instance wrote
                    headers={"Cache-Control": "max-age=60, public",
                             "Content-Type": "application/x-protobuf"})
    hit = kernel.admit("/orders/7", at_ns=2 * S + 2, **get)
    assert miss.cached is None and hit.verdict == Verdict.ALLOW and hit.cached is not None
    assert kernel.cached_response(hit.cached).body == back.body
    assert kernel.stats()["cached_count"] == 1 and kernel.stats()["inflight_count"] == 0
    said = kernel.explain("/orders/7", as_json=True, **get)
    assert said["auth"]["user"] == "ann" and said["mediator"]["cached"]


def test_traffic_meets_all_twelve_modules_and_keeps_their_laws(tmp_path: pathlib.Path) -> None:
    kernel = Kernel(config=config_in(tmp_path))
    for part in range(40):
        step(kernel, *rows_of(kernel, 50, seed=part))
        assert kernel.valid() == 0
    stats = kernel.stats()
    assert stats["asked_count"] == (stats["denied_count"] + stats["dropped_count"]
                                    + stats["preempted_count"] + stats["dispatched_count"]
                                    + stats["queued_count"])
    assert min(stats[key] for key in ("denied_count", "dropped_count", "dispatched_count",
                                      "completed_count", "retried_count", "cached_count")) > 0
    kernel.settle()
    assert kernel.stats()["inflight_count"] == 0
    assert LoadBalancer(kernel=kernel).get_connection_count() == 0


@pytest.mark.qemu
def test_all_twelve_modules_decide_the_same_in_the_image(tmp_path: pathlib.Path) -> None:
    config = config_in(tmp_path)
    with vm.boot(machine="microvm", link="ctl") as console:
        link, kernel = console.link, Kernel(config=config)
        link.reset(bytes(16))
        assert link.config(config.blob).status == 0
        for part in range(30):
            rows, data, count = rows_of(kernel, 60, seed=part)
            assert link.rows(rows, data) == step(kernel, rows, data, count)
        for line in ("convert orders '{\"sku\":\"a-1\",\"qty\":3}' --header x-a:1",
                     "convert orders 0a03612d31 --hex --response --header server:x --json",
                     "convert orders 1064 --hex --response"):
            said = kernel.shell(f"mediator {line}")
            assert link.run(f"mediator {line}") == (said.status, said.text)
        ours, theirs = kernel.digest(), link.digest()
        assert (ours.decision, ours.state, ours.book, ours.config) == (
            theirs.decision, theirs.state, theirs.book, theirs.config)
        assert console.poweroff().clean
