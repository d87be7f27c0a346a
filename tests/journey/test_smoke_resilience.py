# SPDX-License-Identifier: MIT
"""The phase document's smoke test of resilience: open the circuit, half-open, close it; on a
Kernel as an operator sees it."""

from __future__ import annotations

import json

from host_sim import config
from host_sim.kernel import Kernel
from host_sim.modules.resilience import Cause, CircuitState, ResilienceManager

S = 10**9
FILE = """version = 1
[service.orders]
timeout = "2s"
[resilience.orders]
breaker = { failures = 3, successes = 2, open = "30s", probes = 1 }
"""


def shown(kernel: Kernel) -> dict[str, object]:
    """What the console says of the breaker."""
    answer = kernel.shell("resilience show orders --json")
    assert answer.status == 0, answer.text
    breaker: dict[str, object] = json.loads(answer.text)["breaker"]
    return breaker


def test_smoke_resilience() -> None:
    """Three failures open it, thirty seconds half-open it, two good probes close it."""
    kernel = Kernel(config=config.loads(FILE))
    manager = ResilienceManager(kernel=kernel)
    start = kernel.tick(1_767_225_600 * S)
    for _ in range(3):
        assert shown(kernel)["state"] == "closed"
        manager.record_failure(0)
    assert shown(kernel)["state"] == "open" and manager.is_circuit_open(0)
    assert "again in 30s" in kernel.shell("resilience test orders").text
    kernel.tick(start + 30 * S - 1)
    assert manager.is_circuit_open(0)
    kernel.tick(start + 30 * S)
    assert shown(kernel)["state"] == "half-open" and not manager.is_circuit_open(0)
    assert "as a probe" in kernel.shell("resilience test orders").text
    assert manager.record_success(0).state is CircuitState.HALF_OPEN
    assert manager.record_success(0).state is CircuitState.CLOSED
    assert shown(kernel)["state"] == "closed" and kernel.valid() == 0
    assert [one.cause for one in manager.get_transitions(0)] == [
        Cause.FAILURES, Cause.TIME, Cause.PROBES_GOOD]  # fmt: skip
