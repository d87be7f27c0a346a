# SPDX-License-Identifier: MIT
"""resilience: tables that fill, rules nobody may set, and what is read back."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from host_sim.config import loads
from host_sim.errors import ExistsError, FullError, RaygateError, UnknownError
from host_sim.kernel import Kernel
from host_sim.modules.resilience import (
    Budget,
    CallState,
    CircuitBreakerConfig,
    ResilienceManager,
    RetryPolicy,
)
from tests.guards import (
    CANCELLED,
    CLOSED,
    CONNECTION,
    FAIL,
    HALF_OPEN,
    LIMITED,
    OK,
    OPEN,
    UNSENT,
    S,
    manager_of,
    opened,
    retried,
)


# -- tables, rules, reading -----------------------------------------------------------------------
def test_c2_tables_are_full_when_they_are_full() -> None:
    manager = ResilienceManager()
    for _ in range(256):
        manager.create_circuit_breaker()
    before = manager.snapshot()
    with pytest.raises(FullError):
        manager.create_circuit_breaker()
    with pytest.raises(UnknownError):
        manager.create_circuit_breaker(256)
    assert manager.snapshot() == before and manager.get_metrics().breaker_count == 256
    for service in range(128):
        manager.create_bulkhead(service, 1)
    before = manager.snapshot()
    with pytest.raises(FullError):
        manager.create_bulkhead(128, 1)
    assert manager.snapshot() == before and manager.get_metrics().bulkhead_count == 128
    free = ResilienceManager()
    assert all(free.acquire_permit(0).granted for _ in range(1024))
    before = free.snapshot()
    with pytest.raises(FullError):
        free.acquire_permit(0)
    assert free.snapshot() == before


BAD: list[dict[str, Any]] = [
    {"failure_threshold": 0}, {"failure_threshold": -1}, {"failure_threshold": 2**20},
    {"success_threshold": 0}, {"probes": 0}, {"reset_timeout": 0}, {"reset_timeout": 2**63},
    {"reset_timeout_max": 1}, {"timeout_duration": 0}, {"jitter_ppm": 1_000_001},
    {"rate_ppm": 1_000_001}, {"volume": 0}, {"window": 2**63}, {"counts": ()},
    {"counts": (OK,)}, {"counts": (CANCELLED,)}, {"counts": (UNSENT,)}, {"statuses": (399,)},
    {"statuses": (600,)}, {"statuses": (70_000,)}, {"statuses": tuple(range(500, 507))},
]  # fmt: skip


@pytest.mark.parametrize("config", BAD)
def test_c3_a_breaker_no_rule_allows_changes_nothing(config: dict[str, Any]) -> None:
    manager = ResilienceManager()
    with pytest.raises(RaygateError):
        manager.create_circuit_breaker(0, CircuitBreakerConfig(**config))
    assert manager.snapshot() == ResilienceManager().snapshot()


BAD_RETRIES: list[dict[str, Any]] = [
    {"attempts": 0}, {"attempts": 101}, {"base": 0}, {"base": 2 * S}, {"max_delay": 2**63},
    {"on": (), "statuses": ()}, {"on": (OK,)}, {"cost": 0}, {"deposit": 2**20}, {"ttl": 0},
    {"reserve": 2**20}, {"methods": ("FETCH",)}, {"jitter": 3},
    {"budget": Budget.BANK, "capacity": 2**31},
]  # fmt: skip


@pytest.mark.parametrize("policy", BAD_RETRIES)
def test_c3_a_retry_no_rule_allows_changes_nothing(policy: dict[str, Any]) -> None:
    manager = ResilienceManager()
    with pytest.raises(RaygateError):
        manager.set_retry(0, RetryPolicy(**policy))
    assert manager.snapshot() == ResilienceManager().snapshot()
    for concurrent, waiting in ((0, 0), (65_537, 0), (1, 65_537), (-1, 0)):
        with pytest.raises(RaygateError):
            manager.create_bulkhead(0, concurrent, waiting_queue=waiting)
    assert manager.snapshot() == ResilienceManager().snapshot()


def test_what_was_set_is_read_back() -> None:
    manager = ResilienceManager()
    config = CircuitBreakerConfig(
        failure_threshold=7, success_threshold=2, timeout_duration=3, reset_timeout=4,
        reset_timeout_max=9, jitter_ppm=5, probes=6, rate_ppm=8, volume=9, window=10,
        fixed_window=True, counts=(FAIL, LIMITED), statuses=(404, 599),
    )  # fmt: skip
    assert manager.create_circuit_breaker(3, config).config == config
    policy = RetryPolicy(attempts=2, methods=("GET", "POST"), statuses=(500,))
    assert manager.set_retry(3, policy) == RetryPolicy(
        attempts=2, methods=("GET", "POST"), statuses=(500,), capacity=0, refund=0
    )
    assert manager.create_bulkhead(3, 4, waiting_queue=5, max_wait_ns=6).max_wait == 6
    assert manager.get_retry(3).attempts == 2 and manager.guards() == (3,)
    for make in (lambda: manager.create_circuit_breaker(3), lambda: manager.create_bulkhead(3, 1)):
        with pytest.raises(ExistsError):
            make()
    assert manager.update_circuit_breaker(3, CircuitBreakerConfig()).config.probes == 1
    manager.remove_guard(3)
    for read in (manager.get_breaker, manager.get_bulkhead, manager.get_retry, manager.remove_guard,
                 manager.get_guard_metrics, manager.reset, manager.attempt_reset):  # fmt: skip
        with pytest.raises(UnknownError):
            read(3)
    assert manager.valid() == 0 and manager.guards() == ()


def test_a_guard_that_is_gone_learns_nothing_more() -> None:
    manager = manager_of(failure_threshold=1)
    manager.create_bulkhead(0, 1, waiting_queue=1)
    held, waits = manager.acquire_permit(0), manager.acquire_permit(0)
    manager.remove_guard(0)
    assert manager.get_permit(waits.call or 0).state is CallState.RUNNING  # nothing to wait for
    manager.create_circuit_breaker(0, CircuitBreakerConfig(failure_threshold=1))
    manager.create_bulkhead(0, 1)
    assert manager.acquire_permit(0).granted
    manager.release_permit(held, FAIL)
    manager.release_permit(waits, FAIL)
    assert manager.get_breaker(0).state is CLOSED and manager.get_bulkhead(0).in_use == 1
    assert manager.get_metrics().late_count == 1 and manager.valid() == 0


def test_rules_that_change_keep_the_state_and_count_anew() -> None:
    manager = opened()
    config = CircuitBreakerConfig(failure_threshold=9, reset_timeout=99 * S)
    breaker = manager.update_circuit_breaker(0, config)
    assert breaker.state is OPEN and breaker.open_until == 10 * S
    probe = manager.acquire_permit(0, now_ns=10 * S)
    assert probe.probe
    manager.update_circuit_breaker(0, CircuitBreakerConfig(probes=2))
    manager.release_permit(probe, FAIL)  # of the rules before
    assert manager.get_breaker(0).state is HALF_OPEN and manager.get_breaker(0).probing == 0
    assert manager.valid() == 0


def test_exports_are_one_row_per_guard_and_the_same_for_the_same_state() -> None:
    manager = opened()
    manager.create_bulkhead(4, 2)
    rows = list(csv.DictReader(io.StringIO(manager.export_csv(now_ns=S))))
    assert [row["service"] for row in rows] == ["0", "4"]
    assert (rows[0]["state"], rows[0]["forced"], rows[0]["opened_count"]) == ("open", "none", "1")
    assert (rows[1]["state"], rows[0]["fail_5xx_count"]) == ("", "3")
    words = ("state", "forced")
    assert json.loads(manager.export_json(now_ns=S)) == [
        {key: (value or None) if key in words else int(value) for key, value in row.items()}
        for row in rows
    ]
    named = csv.DictReader(io.StringIO(manager.export_csv(services={4: "orders"}, now_ns=S)))
    assert [row["service"] for row in named] == ["0", "orders"]
    assert manager.export_csv(now_ns=S) == manager.export_csv(now_ns=S)
    metrics = manager.get_metrics()
    assert metrics.asked_count == metrics.granted_count + metrics.denied_count
    assert (metrics.open_count, metrics.closed_count, metrics.call_count) == (1, 0, 3)


def test_transitions_overwritten_are_counted() -> None:
    manager = ResilienceManager(profile="tiny")
    manager.create_circuit_breaker(0, CircuitBreakerConfig(failure_threshold=1, reset_timeout=1))
    for now in range(0, 40, 2):
        manager.record_failure(0, now_ns=now)
    kept, metrics = manager.get_transitions(), manager.get_metrics()
    assert len(kept) == 4 and kept[-1].id == metrics.event_count
    assert metrics.event_overwritten_count == metrics.event_count - 4 and manager.valid() == 0
    assert manager.get_transitions(1) == ()


def test_same_seed_same_bytes_and_time_never_runs_backwards() -> None:
    def run(seed: int) -> bytes:
        manager = ResilienceManager(seed=bytes([seed]) * 16, now_ns=5)
        manager.create_circuit_breaker(0, CircuitBreakerConfig(jitter_ppm=10**6))
        manager.set_retry(0)
        for now in (9, 3, 20, 7):
            retried(manager, CONNECTION, now_ns=now)
        return manager.snapshot()

    assert run(1) == run(1) != run(2)


def test_an_export_says_nothing_of_a_budget_that_has_no_bound():
    kernel = Kernel(config=loads("""version = 1
[service.a]
[service.b]
[resilience.a]
retry = { attempts = 2, budget = "none" }
[resilience.b]
retry = { attempts = 2 }
"""))
    rows = json.loads(kernel.shell("resilience export json").text)
    assert [row["budget_left"] is None for row in rows] == [True, False]
    cells = list(csv.DictReader(io.StringIO(kernel.shell("resilience export csv").text)))
    assert [row["budget_left"] == "" for row in cells] == [True, False]
