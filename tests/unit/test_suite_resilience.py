# SPDX-License-Identifier: MIT
"""resilience against two suites: 6 retry scenarios with 19 responses, 2 breaker sequences.

The retries are the core's BANK budget without jitter: begun full, 5 for a retry, 5 back for a
success after one. The breakers count in a row, or by rate in a fixed window.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim.modules.resilience import (
    Budget,
    CircuitBreakerConfig,
    CircuitState,
    Jitter,
    Outcome,
    ResilienceManager,
    RetryPolicy,
)
from tests.data import data

S, MS = 10**9, 10**6
STATES = {
    "closed": CircuitState.CLOSED,
    "open": CircuitState.OPEN,
    "half-open": CircuitState.HALF_OPEN,
}
FIELDS = {
    "requests": "requests",
    "successes": "successes",
    "failures": "failures",
    "consecutive_failures": "consecutive_failures",
    "consecutive_successes": "consecutive_successes",
}


# -- retries --------------------------------------------------------------------------------------
def policy_of(given: Any) -> RetryPolicy:
    """The scenario's terms in ours; its power is 2, as ours always is."""
    assert given["exponential_power"] == 2
    return RetryPolicy(
        attempts=given["max_attempts"], base=given["exponential_base"] * S,
        max_delay=given["max_backoff_time"] * S, jitter=Jitter.NONE, on=(Outcome.FAIL_5XX,),
        statuses=(), budget=Budget.BANK, capacity=given["initial_retry_tokens"], cost=5, refund=5,
        deposit=0,
    )  # fmt: skip


def outcome_word(manager: ResilienceManager, outcome: Outcome, decision: Any) -> str:
    """The suite's word for what we decided."""
    reasons = {
        manager.lib.RAY_REASON_RETRY_ATTEMPTS: "max_attempts_exceeded",
        manager.lib.RAY_REASON_RETRY_BUDGET: "retry_quota_exceeded",
    }
    if outcome is Outcome.OK:
        return "success"
    return "retry_request" if decision.retry else reasons[decision.reason]


def test_retry_scenarios_of_the_suite() -> None:
    """Every response: the decision, the delay to the nanosecond, what is left of the budget."""
    suite = json.loads(data("resilience", "retry_quota.json").read_text())
    assert suite["rules"]["retry_cost"] == suite["rules"]["success_after_retry_refund"] == 5
    responses = 0
    for case in suite["cases"]:
        manager = ResilienceManager()
        manager.set_retry(0, policy_of(case["given"]))
        for attempt, step in enumerate(case["responses"], 1):
            status, expected = step["response"]["status_code"], step["expected"]
            outcome = manager.outcome_of(status)
            permit = manager.acquire_permit(0, attempt=attempt)
            decision = manager.release_permit(permit, outcome, http_status=status)
            assert outcome_word(manager, outcome, decision) == expected["outcome"], case["name"]
            assert manager.get_guard_metrics(0).budget_left == expected["retry_quota"]
            assert decision.delay_ns == expected.get("delay", 0) * S
            assert manager.valid() == 0
            responses += 1
    assert (len(suite["cases"]), responses) == (6, 19)


# -- breakers -------------------------------------------------------------------------------------
def config_of(config: Any) -> CircuitBreakerConfig:
    """The sequence's terms in ours."""
    terms: dict[str, Any] = dict(
        success_threshold=config["max_requests_half_open"],
        probes=config["max_requests_half_open"],
        reset_timeout=config["open_timeout_ms"] * MS,
    )
    if config["trip"] == "more than 5 consecutive failures":
        return CircuitBreakerConfig(failure_threshold=6, **terms)
    assert config["trip"] == "requests >= 3 and failures/requests >= 0.6"
    return CircuitBreakerConfig(
        failure_threshold=0, rate_ppm=600_000, volume=3, window=config["window_ms"] * MS,
        fixed_window=True, **terms,
    )  # fmt: skip


class Sequence:
    """One breaker and its clock."""

    def __init__(self, config: Any) -> None:
        self.manager = ResilienceManager()
        self.manager.create_circuit_breaker(0, config_of(config))
        self.now = 0

    def call(self, outcome: Outcome | None) -> bool:
        """One call, if it is let through."""
        permit = self.manager.acquire_permit(0, now_ns=self.now)
        if permit.granted and outcome is not None:
            self.manager.release_permit(permit, outcome, now_ns=self.now)
        return permit.granted

    def step(self, step: Any) -> None:
        """One line of the suite."""
        acts = {
            "fail": (Outcome.FAIL_5XX,),
            "succeed": (Outcome.OK,),
            "succeed_then_fail": (Outcome.OK, Outcome.FAIL_5XX),
        }
        if step["op"] == "advance_ms":
            self.now += step["by"] * MS
        elif step["op"] == "call":
            assert self.call(None) is not step["rejected"]
        elif step["op"] == "expect":
            breaker = self.manager.get_breaker(0, now_ns=self.now)
            assert breaker.state is STATES[step["state"]], step
            for key, field in FIELDS.items():
                if key in step:
                    assert getattr(breaker, field) == step[key], step
        else:
            for _ in range(step["times"]):
                assert all(self.call(outcome) for outcome in acts[step["op"]])
        assert self.manager.valid() == 0


@pytest.mark.parametrize("index", range(2))
def test_breaker_sequences_of_the_suite(index: int) -> None:
    """State and counters after every step."""
    suite = json.loads(data("resilience", "circuit_breaker.json").read_text())
    assert len(suite) == 2
    sequence = Sequence(suite[index]["config"])
    for step in suite[index]["steps"]:
        sequence.step(step)
