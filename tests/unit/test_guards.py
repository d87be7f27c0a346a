# SPDX-License-Identifier: MIT
"""pipeline: what stands between an admitted request and its service, and what its end does."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from host_sim.config import load
from host_sim.errors import StateError, UnknownError
from host_sim.kernel import Kernel, Verdict

S = 10**9
TEXT = """version = 1
[tenant.acme]
[service.orders]
timeout = "10s"
[[route]]
name = "orders"
service = "orders"
path = {{ prefix = "/" }}
[[limit]]
name = "total"
scope = "service"
service = "orders"
algorithm = "token_bucket"
rate = "1/h"
burst = 1000
[[quota]]
name = "month"
tenant = "acme"
type = "requests"
limit = 1000
window = "month"
[resilience.orders]
{rules}
"""
BREAKER = 'breaker = { failures = 3, successes = 2, open = "30s", probes = 1, jitter = "0%" }\n'
TIMEOUT = 'timeout = "2s"\n'


@pytest.fixture
def guarded(tmp_path: pathlib.Path) -> Any:
    """A Kernel whose one service has these rules."""
    def made(rules: str) -> Kernel:
        path = tmp_path / "guards.toml"
        path.write_text(TEXT.format(rules=rules))
        return Kernel(config=load(path))
    return made


def ask(kernel: Kernel, at_s: float, **more: Any) -> Any:
    answer = kernel.admit("/x", at_ns=int(at_s * S), tenant="acme", **more)
    assert kernel.valid() == 0
    return answer


def done(kernel: Kernel, id: int, at_s: float, status: int = 200, **more: Any) -> Any:
    answer = kernel.complete(id, at_ns=int(at_s * S), http_status=status, **more)
    assert kernel.valid() == 0
    return answer


def left(kernel: Kernel) -> tuple[int, int]:
    """Tokens and quota units that are left."""
    journey = kernel.explain("/x", as_json=True, tenant="acme")
    return (journey["ratelimit"][0]["left_tokens"], journey["quota"][0]["left_units"])


def fail(kernel: Kernel, count: int, at_s: float) -> None:
    for _ in range(count):
        assert ask(kernel, at_s).verdict == Verdict.ALLOW
        assert done(kernel, kernel.last_id, at_s, 503).verdict == Verdict.COMPLETE


def test_an_open_breaker_lets_nothing_through_and_gives_back_what_was_taken(guarded: Any) -> None:
    kernel = guarded(BREAKER + TIMEOUT)
    fail(kernel, 3, 1)
    before = left(kernel)
    answer = ask(kernel, 2)
    assert (answer.verdict, answer.reason, answer.http_status) == (
        Verdict.DROPPED, "breaker-open", 503)
    assert answer.by == "orders" and answer.by_kind == "breaker"
    assert answer.retry_after_ns == 29 * S
    assert left(kernel) == before
    stats = kernel.stats()
    assert (stats["dropped_count"], stats["dispatched_count"]) == (1, 3)
    with pytest.raises(UnknownError):
        kernel.complete(kernel.last_id)


def test_a_breaker_whose_probe_never_answers_recovers_by_itself(guarded: Any) -> None:
    kernel = guarded(BREAKER + TIMEOUT)
    fail(kernel, 3, 1)
    assert ask(kernel, 31).verdict == Verdict.ALLOW             # the probe
    assert ask(kernel, 31.5).reason == "breaker-probing"
    assert ask(kernel, 33).reason == "breaker-open"             # it timed out after 2 s: a failure
    again = ask(kernel, 93 + 1)                                  # twice as long this time
    assert again.verdict == Verdict.ALLOW
    done(kernel, kernel.last_id, 94.1)
    assert ask(kernel, 94.2).verdict == Verdict.ALLOW
    done(kernel, kernel.last_id, 94.3)
    for _ in range(5):
        assert ask(kernel, 95).verdict == Verdict.ALLOW          # closed: any number at once


def test_a_time_limit_alone_is_one_too(guarded: Any) -> None:
    kernel = guarded(TIMEOUT)
    answer = ask(kernel, 1)
    assert (answer.verdict, answer.timeout_ns, answer.attempt) == (Verdict.ALLOW, 2 * S, 1)
    kernel.tick(at_ns=3 * S - 1)
    assert kernel.stats()["inflight_count"] == 1
    kernel.tick(at_ns=3 * S)
    stats = kernel.stats()
    assert (stats["inflight_count"], stats["expired_count"]) == (0, 1) and kernel.valid() == 0


def test_a_bulkhead_lets_so_many_run_and_so_many_wait(guarded: Any) -> None:
    kernel = guarded('bulkhead = { concurrent = 2, waiting = 1 }\n')
    first, second = ask(kernel, 1), ask(kernel, 1)
    assert not first.queued and not second.queued
    waits = ask(kernel, 1)
    waiting = kernel.last_id
    assert waits.verdict == Verdict.ALLOW and waits.queued
    full = ask(kernel, 1)
    assert (full.verdict, full.reason) == (Verdict.DROPPED, "bulkhead-full")
    assert kernel.dispatch(at_ns=2 * S).verdict == Verdict.NONE   # no permit is free
    done(kernel, 1, 3)
    sent = kernel.dispatch(at_ns=3 * S)
    assert (sent.verdict, sent.request, sent.wait_ns) == (Verdict.SENT, waiting, 2 * S)
    done(kernel, 2, 4)
    done(kernel, waiting, 4)
    stats = kernel.stats()
    assert (stats["completed_count"], stats["dropped_count"], stats["queued_count"]) == (3, 1, 0)


def test_an_exchange_waits_for_its_permit_and_runs_by_itself(guarded: Any) -> None:
    kernel = guarded('bulkhead = { concurrent = 1, waiting = 8 }\n')
    for _ in range(4):
        ask(kernel, 1, exchange=True, duration_ns=S, http_status=200)
    assert kernel.stats()["queued_count"] == 3
    assert kernel.settle() == 5 * S                              # one after the other
    assert kernel.stats()["completed_count"] == 4 and kernel.valid() == 0


RETRY = ('retry = { attempts = 3, base = "100ms", max = "1s", jitter = "none", '
         'on = ["503", "timeout"], methods = ["GET"], budget = "none" }\n')


def test_a_retry_that_finds_the_bulkhead_full_has_nowhere_to_wait(guarded: Any) -> None:
    kernel = guarded('bulkhead = { concurrent = 1, waiting = 4 }\n' + RETRY)
    ask(kernel, 1)
    failed = kernel.last_id
    assert done(kernel, failed, 1, 503).verdict == Verdict.RETRY
    ask(kernel, 1)                                               # takes the permit meanwhile
    running = kernel.last_id
    refused = kernel.dispatch(failed, at_ns=2 * S)
    assert (refused.verdict, refused.reason, refused.http_status) == (
        Verdict.COMPLETE, "bulkhead-full", 503)
    assert (refused.by_kind, refused.by) == ("bulkhead", "orders")
    done(kernel, running, 3)
    stats = kernel.stats()
    assert (stats["dispatched_count"], stats["inflight_count"]) == (2, 0)


def test_a_failed_attempt_is_tried_again_after_its_delay(guarded: Any) -> None:
    kernel = guarded(RETRY)
    first = ask(kernel, 1)
    id = kernel.last_id
    assert first.attempt == 1
    failed = done(kernel, id, 1.2, 503)
    assert (failed.verdict, failed.start_at_ns, failed.attempt) == (
        Verdict.RETRY, int(1.3 * S), 1)
    with pytest.raises(StateError):
        kernel.dispatch(id, at_ns=int(1.25 * S))
    with pytest.raises(StateError):
        kernel.complete(id)                                      # nothing is under way
    sent = kernel.dispatch(id, at_ns=int(1.3 * S))
    assert (sent.verdict, sent.attempt) == (Verdict.SENT, 2)
    failed = done(kernel, id, 1.4, 503)
    assert (failed.verdict, failed.start_at_ns) == (Verdict.RETRY, int(1.6 * S))
    kernel.dispatch(id, at_ns=int(1.6 * S))
    given_up = done(kernel, id, 1.7, 503)
    assert (given_up.verdict, given_up.attempt) == (Verdict.COMPLETE, 3)
    stats = kernel.stats()
    assert (stats["dispatched_count"], stats["retried_count"], stats["completed_count"]) == (
        1, 2, 1)


def test_what_the_upstream_asks_for_delays_a_retry_and_reaches_the_client(guarded: Any) -> None:
    kernel = guarded(RETRY)
    ask(kernel, 1)
    failed = done(kernel, kernel.last_id, 1.2, 503, headers={"Retry-After": "3"})
    assert failed.start_at_ns == int(4.2 * S)
    kernel.dispatch(kernel.last_id, at_ns=int(4.2 * S))
    done(kernel, kernel.last_id, 4.3, 503)
    kernel.dispatch(kernel.last_id, at_ns=int(4.5 * S))
    last = done(kernel, kernel.last_id, 4.6, 503, headers={"Retry-After": "7"})
    assert (last.verdict, last.retry_after_ns) == (Verdict.COMPLETE, 7 * S)


def test_no_retry_past_the_deadline_of_the_request(guarded: Any) -> None:
    kernel = guarded(RETRY)
    ask(kernel, 1)
    assert done(kernel, kernel.last_id, 10.95, 503).verdict == Verdict.COMPLETE
    ask(kernel, 20)
    id = kernel.last_id
    assert done(kernel, id, 21, 503).verdict == Verdict.RETRY
    kernel.tick(40 * S)                                          # nobody dispatched it
    assert kernel.stats()["expired_count"] == 1 and kernel.valid() == 0


def test_a_post_is_repeated_only_when_it_is_marked(guarded: Any) -> None:
    kernel = guarded(RETRY)
    ask(kernel, 1, method="POST")
    assert done(kernel, kernel.last_id, 2, 503).verdict == Verdict.COMPLETE
    ask(kernel, 3, method="POST", idempotent=True)
    assert done(kernel, kernel.last_id, 4, 503).verdict == Verdict.RETRY


def test_a_refundable_request_is_sent_by_name_and_is_refundable_no_more(guarded: Any) -> None:
    kernel = guarded(BREAKER + TIMEOUT)
    ask(kernel, 1, refundable=True)
    id = kernel.last_id
    assert kernel.dispatch(id, at_ns=2 * S).verdict == Verdict.SENT
    with pytest.raises(StateError):
        kernel.refund(id)
    assert done(kernel, id, 3).verdict == Verdict.COMPLETE


def test_explain_says_what_the_guards_would_say(guarded: Any) -> None:
    kernel = guarded(BREAKER + TIMEOUT)
    said = kernel.explain("/x", as_json=True, tenant="acme")["resilience"]
    assert (said["granted"], said["timeout_ns"]) == (True, 2 * S)
    fail(kernel, 3, 1)
    before = kernel.snapshot()
    said = kernel.explain("/x", as_json=True, tenant="acme")["resilience"]
    assert (said["granted"], said["reason"]) == (False, "breaker-open")
    assert kernel.snapshot() == before
