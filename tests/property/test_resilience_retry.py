# SPDX-License-Identifier: MIT
"""resilience: law RS6, of backoff and budget."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim.modules.resilience import Budget, Jitter, Outcome, ResilienceManager, RetryPolicy


@settings(max_examples=60)
@given(base=st.integers(1, 10**9), extra=st.integers(0, 10**12),
       attempts=st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=20),
       jitter=st.sampled_from([Jitter.FULL, Jitter.EQUAL]))  # fmt: skip
def test_backoff_never_falls_and_jitter_stays_inside(
    base: int, extra: int, attempts: Any, jitter: Any
) -> None:
    """RS6: base <= delay_n <= cap, never less for a later attempt; jitter in [0, delay_n]."""
    real = ResilienceManager(profile="tiny", seed=base.to_bytes(16, "big"))
    real.set_retry(0, RetryPolicy(base=base, max_delay=base + extra, jitter=jitter, attempts=100,
                                  budget=Budget.NONE))  # fmt: skip
    delays = [real.backoff(0, attempt) for attempt in sorted(attempts)]
    assert delays == sorted(delays) and all(base <= one <= base + extra for one in delays)
    for attempt in attempts:
        permit = real.acquire_permit(0, attempt=min(attempt, 99))
        got = real.release_permit(permit, Outcome.CONNECTION)
        most = real.backoff(0, min(attempt, 99))
        assert got.retry and (most // 2 if jitter is Jitter.EQUAL else 0) <= got.delay_ns <= most


@settings(max_examples=60)
@given(outcomes=st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=300),
       deposit=st.integers(0, 3), cost=st.integers(1, 9), reserve=st.integers(0, 3))  # fmt: skip
def test_retries_never_pass_their_share_of_the_requests(
    outcomes: Any, deposit: int, cost: int, reserve: int
) -> None:
    """RS6: in all, cost * retries <= deposit * requests + what the reserve gives while it ran."""
    real, now, requests, retries, ttl = ResilienceManager(profile="tiny"), 0, 0, 0, 10**9
    real.set_retry(0, RetryPolicy(deposit=deposit, cost=cost, reserve=reserve, ttl=ttl))
    for step, failed in outcomes:
        now += step * 10**6
        permit = real.acquire_permit(0, now_ns=now)
        requests += 1
        got = real.release_permit(
            permit, Outcome.CONNECTION if failed else Outcome.OK, now_ns=now
        )
        retries += got.retry
        windows = now // ttl + 1
        assert cost * retries <= deposit * requests + reserve * cost * (windows + 1)
    assert real.valid() == 0
