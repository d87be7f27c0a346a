# SPDX-License-Identifier: MIT
"""resilience: [resilience.SERVICE] from the file to the core; no hostile row gets past the check;
guards keep what they know when rules or the services' places change."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from host_sim import config
from host_sim.config import layout
from host_sim.errors import FullError, StateError
from host_sim.kernel import Kernel
from host_sim.modules.resilience import (
    Budget,
    CircuitBreakerConfig,
    CircuitState,
    Jitter,
    Outcome,
    ResilienceManager,
    RetryPolicy,
)
from tests.configs import refused, with_sections

MS, S = 10**6, 10**9
ARGUMENT, UNKNOWN, FULL, EXISTS, RANGE = -1, -2, -4, -5, -7

FILE = """version = 1
[service.orders]
[service.search]
timeout = "2s"
[resilience.search]
bulkhead = { concurrent = 3 }
retry = { }
[resilience.orders]
timeout = "900ms"
mode = "shadow"
breaker = { failures = 4, rate = "12.5%", volume = 20, window = "1min", window_kind = "fixed", \
successes = 2, open = "30s", open_max = "5min", jitter = "10%", probes = 3, \
counts = ["timeout", "429", "503", "404"] }
bulkhead = { concurrent = 64, waiting = 32, max_wait = "250ms" }
retry = { attempts = 4, base = "20ms", max = "2s", jitter = "equal", on = ["connection", "503"], \
methods = ["GET", "POST"], budget = "20%" }
"""


# -- the file -------------------------------------------------------------------------------------
def test_every_key_of_the_file_reaches_the_core() -> None:
    kernel = Kernel(config=config.loads(FILE).blob)
    manager = ResilienceManager(kernel=kernel)
    assert manager.guards() == (0, 1)
    assert manager.get_breaker(0).config == CircuitBreakerConfig(
        failure_threshold=4, success_threshold=2, timeout_duration=900 * MS,
        reset_timeout=30 * S, reset_timeout_max=300 * S, jitter_ppm=100_000, probes=3,
        rate_ppm=125_000, volume=20, window=60 * S, fixed_window=True,
        counts=(Outcome.TIMEOUT, Outcome.LIMITED_429), statuses=(404, 503),
    )  # fmt: skip
    pool = manager.get_bulkhead(0)
    assert (pool.max_concurrent, pool.waiting_queue, pool.max_wait) == (64, 32, 250 * MS)
    assert manager.get_retry(0) == RetryPolicy(
        attempts=4, base=20 * MS, max_delay=2 * S, jitter=Jitter.EQUAL, on=(Outcome.CONNECTION,),
        statuses=(503,), methods=("GET", "POST"), deposit=1, cost=5, capacity=0, refund=0,
    )  # fmt: skip
    assert manager.get_retry(1) == RetryPolicy(capacity=0, refund=0)
    assert manager.enforce_timeout(1) == 2 * S  # the service's own
    assert manager.get_metrics().bulkhead_count == 2 and kernel.valid() == 0
    kernel.configure(config.loads("version = 1\n[service.orders]\n").blob)
    assert manager.guards() == () and kernel.valid() == 0


def test_defaults_of_a_breaker_and_budgets_in_words() -> None:
    def read(guard: str) -> ResilienceManager:
        text = f"version = 1\n[service.a]\n[resilience.a]\n{guard}\n"
        return ResilienceManager(kernel=Kernel(config=config.loads(text).blob))

    breaker = read("breaker = {}").get_breaker(0).config
    assert breaker == CircuitBreakerConfig()
    rated = read("breaker = { rate = '50%' }").get_breaker(0).config
    assert (rated.failure_threshold, rated.window, rated.fixed_window) == (0, 10 * S, False)
    rows = [  # budget, deposit, cost
        ('"20%"', 1, 5), ('"100%"', 1, 1), ('"12.5%"', 1, 8), ('"0%"', 0, 1), ('"33%"', 33, 100),
    ]  # fmt: skip
    for text, deposit, cost in rows:
        retry = read(f"retry = {{ budget = {text} }}").get_retry(0)
        assert (retry.deposit, retry.cost, retry.budget) == (deposit, cost, Budget.WINDOW)
    assert read('retry = { budget = "none" }').get_retry(0).budget is Budget.NONE
    bank = read("retry = { budget = { kind = 'bank', capacity = 9 } }").get_retry(0)
    assert (bank.budget, bank.capacity, bank.refund, bank.ttl) == (Budget.BANK, 9, 5, 0)


BAD = [
    ("[resilience.order]\nbreaker = {}", "unknown-reference", 'no service "order"'),
    ("[resilience.orders]", "conflict", "nothing stands"),
    ("[resilience.orders]\nmode = 'shadow'", "conflict", "nothing stands"),
    ("[resilience.orders]\ntimeout = '0s'", "out-of-range", "longer than 0"),
    ("[resilience.orders]\nbreaker = { failures = 0 }", "out-of-range", "at least 1"),
    ("[resilience.orders]\nbreaker = { rate = '0%' }", "out-of-range", "more than 0%"),
    ("[resilience.orders]\nbreaker = { open = '0s' }", "out-of-range", "longer than 0"),
    ("[resilience.orders]\nbreaker = { open_max = '1s' }", "out-of-range", "at least open"),
    ("[resilience.orders]\nbreaker = { counts = ['6xx'] }", "bad-choice", '"5xx"'),
    ("[resilience.orders]\nbreaker = { counts = ['cancelled'] }", "bad-choice", "no outcome"),
    ("[resilience.orders]\nbreaker = { counts = ['200'] }", "bad-choice", "400 to 599"),
    ("[resilience.orders]\nbreaker = { counts = [] }", "conflict", "empty"),
    ("[resilience.orders]\nbreaker = { probes = 0 }", "out-of-range", "at least 1"),
    ("[resilience.orders]\nbreaker = { probe = 1 }", "unknown-key", '"probes"'),
    ("[resilience.orders]\nbulkhead = { waiting = 1 }", "missing-key", "concurrent"),
    ("[resilience.orders]\nbulkhead = { concurrent = 0 }", "out-of-range", "at least 1"),
    ("[resilience.orders]\nbulkhead = { concurrent = 1, max_wait = '1s' }", "conflict", "waiting"),
    ("[resilience.orders]\nretry = { attempts = 101 }", "out-of-range", "at most 100"),
    ("[resilience.orders]\nretry = { base = '2s' }", "out-of-range", "at least base"),
    ("[resilience.orders]\nretry = { budget = '120%' }", "out-of-range", "100%"),
    ("[resilience.orders]\nretry = { budget = 'all' }", "bad-percent", '"none"'),
    ("[resilience.orders]\nretry = { methods = ['FETCH'] }", "bad-choice", "PATCH"),
    ("[resilience.orders]\nretry = { on = ['500','501','502','503','504','505','506'] }",
     "out-of-range", "at most 6"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "words"), BAD)
def test_what_is_wrong_is_named_where_it_stands(text: str, code: str, words: str) -> None:
    found = config.examine(f"version = 1\n[service.orders]\n{text}\n".encode()).findings
    assert [one.code for one in found] == [code], found
    assert words in found[0].message and found[0].line >= 3


def test_one_bulkhead_too_many_is_named_and_a_post_that_is_repeated_is_pointed_out() -> None:
    services = "".join(f"[service.s{i}]\n" for i in range(129))
    guards = "".join(f"[resilience.s{i}]\nbulkhead = {{ concurrent = 1 }}\n" for i in range(129))
    found = config.examine(f"version = 1\n{services}{guards}".encode()).findings
    assert [one.code for one in found] == ["too-many-rows"] and "128" in found[0].message
    text = "version = 1\n[service.a]\n[resilience.a]\nretry = { methods = ['POST'] }\n"
    assert "note-not-idempotent" in [one.code for one in config.examine(text.encode()).notes]


# -- hostile rows ---------------------------------------------------------------------------------
SET = dict(status=[503, 504, 0, 0, 0, 0], kinds=2, status_count=2)
GUARD: dict[str, Any] = dict(
    timeout_ns=1, service=0, parts=7, mode=0,
    breaker=dict(open_ns=1, open_max_ns=1, window_ns=0, failures=1, rate_ppm=0, volume=1,
                 successes=1, probes=1, jitter_ppm=0, counts=SET, fixed_window=0),
    bulkhead=dict(max_wait_ns=0, concurrent=1, waiting=0),
    retry=dict(base_ns=1, max_ns=1, ttl_ns=1, on=SET, attempts=1, methods=2, deposit=0, cost=1,
               reserve=0, capacity=0, refund=0, jitter=0, budget=0),
)  # fmt: skip
MAX = 2**63
HOSTILE: list[tuple[str, Any, int]] = [
    ("service", 1, UNKNOWN), ("service", 0xFFFF_FFFF, UNKNOWN), ("timeout_ns", 0, RANGE),
    ("timeout_ns", MAX, RANGE), ("parts", 8, ARGUMENT), ("parts", 6, ARGUMENT),
    ("parts", 5, ARGUMENT), ("parts", 3, ARGUMENT), ("mode", 3, ARGUMENT),
    ("breaker.open_ns", 0, RANGE), ("breaker.open_ns", 2, RANGE),
    ("breaker.open_max_ns", MAX, RANGE), ("breaker.window_ns", MAX, RANGE),
    ("breaker.failures", 0, RANGE),
    ("breaker.failures", 1_000_001, RANGE), ("breaker.rate_ppm", 1_000_001, RANGE),
    ("breaker.volume", 0, RANGE), ("breaker.volume", 1_000_001, RANGE),
    ("breaker.successes", 0, RANGE), ("breaker.successes", 1_000_001, RANGE),
    ("breaker.probes", 0, RANGE), ("breaker.probes", 1_000_001, RANGE),
    ("breaker.jitter_ppm", 1_000_001, RANGE), ("breaker.fixed_window", 2, ARGUMENT),
    *(("breaker.counts", SET | bad, ARGUMENT) for bad in (
        dict(kinds=1), dict(kinds=64), dict(kinds=128), dict(status_count=7), dict(status_count=1),
        dict(status=[504, 503, 0, 0, 0, 0]), dict(status=[503, 503, 0, 0, 0, 0]),
        dict(status=[399, 504, 0, 0, 0, 0]), dict(status=[503, 600, 0, 0, 0, 0]),
        dict(kinds=0, status_count=0, status=[0] * 6))),
    ("bulkhead.max_wait_ns", MAX, RANGE), ("bulkhead.concurrent", 0, RANGE),
    ("bulkhead.concurrent", 65_537, RANGE), ("bulkhead.waiting", 65_537, RANGE),
    ("retry.base_ns", 0, RANGE), ("retry.base_ns", 2, RANGE), ("retry.max_ns", MAX, RANGE),
    ("retry.ttl_ns", 0, RANGE), ("retry.ttl_ns", MAX, RANGE), ("retry.attempts", 0, RANGE),
    ("retry.attempts", 101, RANGE), ("retry.methods", 1 << 8, ARGUMENT), ("retry.cost", 0, RANGE),
    ("retry.cost", 1_000_001, RANGE), ("retry.deposit", 1_000_001, RANGE),
    ("retry.reserve", 1_000_001, RANGE), ("retry.capacity", 1_000_000_001, RANGE),
    ("retry.refund", 1_000_001, RANGE), ("retry.jitter", 3, ARGUMENT), ("retry.budget", 3, RANGE),
    ("retry.on", SET | dict(kinds=128), ARGUMENT),
]  # fmt: skip


def with_rows(rows: list[dict[str, Any]]) -> bytes:
    """A blob of one service whose guard section has these rows."""
    text = "version = 1\n[service.a]\n[resilience.a]\ntimeout = '1s'\n"
    return with_sections(text, {layout.GUARD: rows})


@pytest.mark.parametrize(("field", "value", "status"), HOSTILE)
def test_a_hostile_row_is_refused_and_its_field_is_named(
    field: str, value: Any, status: int
) -> None:
    kernel, row = Kernel(), copy.deepcopy(GUARD)
    assert refused(kernel, with_rows([row])).status == 0
    part, _, name = field.partition(".")
    if name:
        row[part][name] = value
    else:
        row[part] = value
    report = refused(kernel, with_rows([row]))
    assert (report.status, report.section, report.row) == (status, layout.GUARD, 0)
    text = kernel.ffi.new("ray_text *")
    memory = kernel.ffi.new("char[]", 200)
    kernel.lib.ray_text_init(text, memory, 200)
    kernel.lib.ray_config_reason_text(report, text)
    assert kernel.ffi.string(memory).decode().startswith("resilience, row 0, ")


def test_two_rows_of_one_service_and_rows_past_the_table_are_refused() -> None:
    kernel = Kernel(profile="tiny")
    assert refused(kernel, with_rows([GUARD, GUARD])).status == EXISTS
    assert refused(kernel, with_rows([GUARD] * 5)).status == FULL
    bulkheads = [GUARD | dict(service=i) for i in range(3)]
    assert refused(kernel, with_rows(bulkheads)).status == UNKNOWN
    manager = ResilienceManager(profile="tiny")
    for service in range(2):
        manager.create_bulkhead(service, 1)
    with pytest.raises(FullError):
        manager.create_bulkhead(2, 1)


# -- reload ---------------------------------------------------------------------------------------
HEAD = "version = 1\n"
A = "[service.a]\n"
B = "[service.b]\n"
GUARD_A = "[resilience.a]\nbreaker = { failures = 2, open = '10s' }\nretry = {}\n"
GUARD_B = "[resilience.b]\nbreaker = { failures = 3 }\nbulkhead = { concurrent = 2, waiting = 2 }\n"


def loaded(text: str) -> tuple[Kernel, ResilienceManager]:
    """A Kernel with this configuration, and its guards."""
    kernel = Kernel(config=config.loads(text))
    return kernel, ResilienceManager(kernel=kernel)


def test_guards_follow_their_service_to_its_new_place() -> None:
    kernel, manager = loaded(HEAD + A + B + GUARD_A + GUARD_B)
    for _ in range(2):
        manager.record_failure(0)
    manager.record_failure(1)
    assert manager.is_circuit_open(0)
    report = kernel.configure(config.loads(HEAD + B + "[service.c]\n" + A + GUARD_A + GUARD_B))
    assert report is not None and kernel.valid() == 0
    assert manager.guards() == (0, 2)
    moved = manager.get_breaker(2)
    assert moved.state is CircuitState.OPEN and moved.open_until == 10 * S
    assert manager.get_breaker(0).consecutive_failures == 1
    assert [one.service_id for one in manager.get_transitions()] == [2]
    kernel.tick(10 * S)
    assert manager.get_breaker(2).state is CircuitState.HALF_OPEN


def test_a_thousand_reloads_keep_what_did_not_change() -> None:
    text = HEAD + A + B + GUARD_A + GUARD_B
    kernel, manager = loaded(text)
    manager.record_failure(0)
    before = manager.get_breaker(0)
    blobs = [config.loads(text).blob, config.loads(HEAD + B + A + GUARD_B + GUARD_A).blob]
    for turn in range(1000):
        kernel.configure(blobs[turn % 2 ^ 1])
    assert manager.get_breaker(0) == before and kernel.valid() == 0
    kernel.configure(config.loads(text.replace("failures = 2", "failures = 9")).blob)
    assert manager.get_breaker(0).consecutive_failures == 0
    kernel.configure(config.loads(HEAD + B + GUARD_B).blob)
    assert manager.guards() == (0,) and kernel.valid() == 0


def permit_of(kernel: Kernel, service: int, ticket: int) -> tuple[Any, Any]:
    """Asks and takes as the pipeline does."""
    manager = ResilienceManager(kernel=kernel)
    ffi, lib, now = manager.ffi, manager.lib, int(manager.lib.ray_clock_now(kernel.ray))
    query = ffi.new("ray_resilience_query *",
                    {"service": service, "attempt": 1, "method": 1, "ticket": ticket})  # fmt: skip
    answer, permit = ffi.new("ray_resilience_answer *"), ffi.new("ray_permit *")
    assert lib.ray_resilience_ask(manager._state, now, query, answer) == 0
    if answer.granted:
        lib.ray_resilience_take(manager._state, now, query, answer, permit)
    lib.ray_resilience_note(manager._state, now, query, answer, answer.granted)
    return answer, permit


def test_permits_and_who_waits_survive_a_reload_of_the_rules() -> None:
    kernel, manager = loaded(HEAD + A + B + GUARD_B)
    permits = [permit_of(kernel, 1, ticket) for ticket in range(5)]
    assert [(a.granted, a.waits) for a, _ in permits] == [(1, 0)] * 2 + [(1, 1)] * 2 + [(0, 0)]
    smaller = GUARD_B.replace("concurrent = 2", "concurrent = 1")
    kernel.configure(config.loads(HEAD + B + smaller).blob)
    pool = manager.get_bulkhead(0)
    assert (pool.in_use, pool.waiting, kernel.valid()) == (2, 2, 0)
    lib, ticket = manager.lib, manager.ffi.new("uint32_t *")
    report = manager.ffi.new("ray_outcome_report *", {"service": 0, "attempt": 1, "method": 1})
    assert lib.ray_resilience_next(manager._state, 0, 0, ticket) == UNKNOWN
    for _, permit in permits[:2]:
        lib.ray_resilience_done(manager._state, 0, permit, report, manager.ffi.NULL)
    assert lib.ray_resilience_next(manager._state, 0, 0, ticket) == 0 and ticket[0] == 2
    assert lib.ray_resilience_leave(manager._state, 0, 0, 2) == UNKNOWN
    assert lib.ray_resilience_leave(manager._state, 0, 0, 3) == 0
    assert manager.get_bulkhead(0).in_use == 0 == manager.get_bulkhead(0).waiting
    assert kernel.valid() == 0


def test_who_waits_for_a_service_that_is_gone_waits_no_more() -> None:
    kernel, manager = loaded(HEAD + A + B + GUARD_B)
    permits = [permit_of(kernel, 1, ticket)[1] for ticket in range(4)]
    kernel.configure(config.loads(HEAD + A).blob)
    assert manager.get_metrics().waiting_count == 0 and kernel.valid() == 0
    report = manager.ffi.new("ray_outcome_report *", {"service": 0xFFFF_FFFF, "attempt": 1})
    verdict = manager.ffi.new("ray_resilience_verdict *")
    manager.lib.ray_resilience_done(manager._state, 0, permits[0], report, verdict)
    assert not verdict.retry and manager.get_metrics().late_count == 1 and kernel.valid() == 0


def test_a_kernels_attempts_begin_and_end_by_its_rows() -> None:
    kernel, manager = loaded(HEAD + A + GUARD_A)
    with pytest.raises(StateError):
        manager.acquire_permit(0)
    with pytest.raises(StateError):
        manager.release_permit(0)
    before = kernel.digest()
    manager.get_breaker(0, now_ns=10**15)
    manager.enforce_timeout(0, now_ns=10**15)
    assert kernel.digest() == before
