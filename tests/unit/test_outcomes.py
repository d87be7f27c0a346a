# SPDX-License-Identifier: MIT
"""How an attempt ended, as its row says it: what is no status is the service's failure (RFC 9110
section 15), an outcome has the word over the status, and an end without either is refused."""

from __future__ import annotations

import pytest

from host_sim import config
from host_sim.decision import Verdict
from host_sim.errors import ArgumentError
from host_sim.kernel import Kernel
from host_sim.modules.apimon import ApiMonitor
from host_sim.modules.lb import LoadBalancer
from host_sim.modules.resilience import CircuitState, ResilienceManager

S = 10**9
TIMEOUT, CONNECTION = 2, 3  # enum ray_outcome
FILE = """version = 1
[service.orders]
pool = "orders"
timeout = "10s"
[[route]]
name = "all"
service = "orders"
path = { prefix = "/" }
[pool.orders]
instances = [{ at = "a:1" }]
[resilience.orders]
timeout = "1s"
breaker = { failures = 2 }
"""
ROWS = [  # status, outcome, is a failure of the service
    (100, 0, False), (200, 0, False), (304, 0, False), (404, 0, False), (429, 0, False),
    (499, 0, False), (500, 0, True), (503, 0, True), (599, 0, True),
    (1, 0, True), (99, 0, True), (600, 0, True), (700, 0, True), (999, 0, True), (65535, 0, True),
    (0, TIMEOUT, True), (0, CONNECTION, True), (200, TIMEOUT, True), (404, TIMEOUT, True),
]  # fmt: skip


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(config=config.loads(FILE, profile="tiny"), profile="tiny")


def seen(kernel: Kernel) -> tuple[int, CircuitState, int]:
    """Failures at the instance, the breaker, and errors of the service that monitoring counts."""
    lb = LoadBalancer(kernel=kernel)
    failed = lb.get_instance(lb.get_pool(0).instances[0]).failed_count
    assert kernel.valid() == 0
    return (failed, ResilienceManager(kernel=kernel).get_breaker(0).state,
            ApiMonitor(kernel=kernel).get_service_metrics(0).error_count)


@pytest.mark.parametrize(("status", "outcome", "failure"), ROWS)
def test_every_part_sees_the_same_failure(
    kernel: Kernel, status: int, outcome: int, failure: bool
) -> None:
    for at in (1, 2):
        assert kernel.admit("/", at_ns=at * S).verdict is Verdict.ALLOW
        done = kernel.complete(kernel.last_id, at_ns=at * S, http_status=status, outcome=outcome)
        assert done.verdict is Verdict.COMPLETE
    failed, breaker, errors = seen(kernel)
    assert failed == (2 if failure else 0)
    assert breaker is (CircuitState.OPEN if failure else CircuitState.CLOSED)
    # A client's own error is one that monitoring counts as well.
    assert errors == (2 if failure or 400 <= status < 500 else 0)


@pytest.mark.parametrize(("status", "failure"), [(0, False), (200, False), (99, True), (700, True)])
@pytest.mark.parametrize("duration_ns", [0, S // 10])
def test_a_line_of_a_log_may_leave_its_status_out(
    kernel: Kernel, status: int, failure: bool, duration_ns: int
) -> None:
    for at in (1, 2):
        kernel.admit("/", exchange=True, at_ns=at * S, http_status=status, duration_ns=duration_ns)
    kernel.tick(3 * S)
    assert seen(kernel) == (
        (2, CircuitState.OPEN, 2) if failure else (0, CircuitState.CLOSED, 0))


def test_an_end_that_says_nothing_is_refused_and_changes_nothing(kernel: Kernel) -> None:
    kernel.admit("/", at_ns=S)
    before, errors = kernel.digest(), kernel.stats()["error_count"]
    with pytest.raises(ArgumentError):
        kernel.complete(kernel.last_id, at_ns=5 * S, http_status=0)
    assert kernel.digest().book == before.book and kernel.stats()["error_count"] == errors + 1
    assert kernel.stats()["now_ns"] == S and kernel.stats()["inflight_count"] == 1
    assert kernel.complete(kernel.last_id, at_ns=S, http_status=200).verdict is Verdict.COMPLETE
