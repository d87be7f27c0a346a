# SPDX-License-Identifier: MIT
"""The simulator: arrivals through guards to an upstream in trouble; nothing is lost, and the same
seed gives the same table."""

from __future__ import annotations

import pytest

from host_sim.modules.resilience import (
    CircuitBreakerConfig,
    CircuitState,
    Outcome,
    ResilienceManager,
    RetryPolicy,
)
from host_sim.simulate import Guarded, Report, Simulation, arrivals
from host_sim.upstream import Instance, Latency, Trouble, Upstream

S, MS = 10**9, 10**6
FAILING = (Outcome.FAIL_5XX, Outcome.CONNECTION, Outcome.TIMEOUT)


def run(
    trouble: Trouble | None,
    *,
    breaker: bool = True,
    seed: int = 0,
    seconds: int = 60,
    concurrent: int = 0,
    rate: int = 40,
) -> tuple[Report, ResilienceManager]:
    """One service of one instance for a minute, in trouble from 10 s to 40 s."""
    manager = ResilienceManager(seed=bytes([seed]) * 16)
    config = CircuitBreakerConfig(
        failure_threshold=5 if breaker else 10**6, reset_timeout=2 * S, timeout_duration=S,
        success_threshold=2,
    )  # fmt: skip
    manager.create_circuit_breaker(0, config)
    manager.set_retry(0, RetryPolicy(on=FAILING, statuses=(), reserve=0))
    if concurrent:
        manager.create_bulkhead(0, concurrent, waiting_queue=10, max_wait_ns=200 * MS)
    troubles = (trouble,) if trouble is not None else ()
    instance = Instance(Latency("exponential", 20 * MS), servers=64, troubles=troubles)
    upstream = Upstream({"a": instance}, seed=bytes([seed]) * 16)
    requests = arrivals(rate, seconds, seed=bytes([seed]) * 16, deadline_ns=5 * S)
    return Simulation(Guarded(manager, ["a"]), upstream).run(requests), manager


def conserved(report: Report, manager: ResilienceManager) -> None:
    """Everything that arrived has ended, exactly once, and nothing is held."""
    ended = report.total("ok") + report.total("failed") + report.total("refused")
    assert report.total("offered") == ended
    assert manager.permits() == () and manager.valid() == 0
    assert report.total("retries") == manager.get_guard_metrics(0).retry_count
    assert report.total("attempts") == manager.get_guard_metrics(0).call_count


def test_a_sound_upstream_answers_everybody() -> None:
    report, manager = run(None)
    conserved(report, manager)
    assert report.total("ok") == report.total("offered") and abs(report.total("ok") - 2400) < 150
    p50 = sorted(w for one in report.seconds for w in one.waits_ns)[report.total("ok") // 2]
    assert abs(p50 - 13_863_000) < 1_500_000  # 20 ms * ln 2


@pytest.mark.parametrize("kind", ["error", "refuse", "hang"])
def test_a_breaker_spares_an_upstream_in_trouble_and_closes_when_it_recovers(kind: str) -> None:
    trouble = Trouble(kind, 10 * S, 40 * S)
    report, manager = run(trouble)
    conserved(report, manager)
    bare, unguarded = run(trouble, breaker=False)
    conserved(bare, unguarded)
    assert report.between(15, 40, "attempts") * 10 < bare.between(15, 40, "attempts")
    assert report.between(15, 40, "ok") == 0 and report.between(15, 40, "refused") > 900
    assert report.between(45, 61, "ok") > 500
    assert report.between(45, 61, "failed") + report.between(45, 61, "refused") == 0
    assert manager.get_breaker(0).state is CircuitState.CLOSED
    states = [(one.before, one.after) for one in manager.get_transitions(0)]
    assert states[0] == (CircuitState.CLOSED, CircuitState.OPEN)
    assert states[-1] == (CircuitState.HALF_OPEN, CircuitState.CLOSED)
    assert states.count((CircuitState.HALF_OPEN, CircuitState.OPEN)) >= 8  # a probe every 2 s


def test_retries_stay_a_fifth_of_the_requests_when_everything_fails() -> None:
    report, manager = run(Trouble("error", 0, 60 * S), breaker=False)
    conserved(report, manager)
    retries, offered = report.total("retries"), report.total("offered")
    assert offered // 6 < retries <= offered // 5
    assert report.total("attempts") == offered + retries


def test_a_share_of_errors_is_hidden_by_retries() -> None:
    report, manager = run(Trouble("error", 0, 60 * S, ppm=50_000))
    conserved(report, manager)
    assert report.total("retries") > 60
    assert report.total("failed") + report.total("refused") < report.total("retries") // 4


def test_a_bulkhead_bounds_what_a_slow_upstream_holds() -> None:
    report, manager = run(Trouble("slow", 10 * S, 40 * S, factor=20), concurrent=4, rate=60)
    conserved(report, manager)
    metrics = manager.get_guard_metrics(0)
    assert metrics.queued_count == metrics.called_count + metrics.left_count > 0
    assert metrics.left_count > 0 and metrics.wait_max_ns <= 200 * MS
    assert report.between(15, 40, "refused") > 100
    assert report.between(45, 61, "ok") > 700
    assert report.between(45, 61, "failed") + report.between(45, 61, "refused") == 0


def test_the_same_seed_gives_the_same_table() -> None:
    trouble = Trouble("error", 3 * S, 6 * S)
    one, same, other = (run(trouble, seed=seed, seconds=12)[0] for seed in (1, 1, 2))
    assert one.table() == same.table() != other.table()
    lines = one.table().splitlines()
    assert len(lines) >= 13 and lines[0].split()[:3] == ["second", "offered", "attempts"]


def test_arrivals_come_as_often_as_said() -> None:
    uniform = list(arrivals(10, 3, kind="uniform"))
    assert [one.at_ns for one in uniform[:3]] == [S // 10, S // 5, 3 * S // 10]
    assert len(uniform) == 29 and uniform[0].id == 1
    poisson = list(arrivals(1000, 20, deadline_ns=5))
    assert abs(len(poisson) - 20_000) < 500
    assert all(one.deadline_ns == one.at_ns + 5 for one in poisson)
    assert [one.at_ns for one in poisson] == sorted(one.at_ns for one in poisson)
    with pytest.raises(ValueError, match="poisson or uniform"):
        list(arrivals(10, 1, kind="bursty"))
