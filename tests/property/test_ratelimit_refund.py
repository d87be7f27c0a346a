# SPDX-License-Identifier: MIT
"""ratelimit: a refund gives back at most what a twin that never saw the request would have."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from host_sim.modules.ratelimit import NEVER, RateLimiter, RateLimitRequest

S = 1_000_000_000
STEPS = st.lists(st.tuples(st.integers(0, 3 * S), st.integers(1, 4)), max_size=12)


def limiter_of(kind: str, rate: int, capacity: int) -> RateLimiter:
    limiter = RateLimiter(profile="tiny")
    add: dict[str, Any] = {"capacity": capacity}
    if kind == "token":
        limiter.add_token_bucket(0, refill_rate=rate, **add)
    elif kind == "excess":
        limiter.add_token_bucket(0, refill_rate=rate, excess=3, **add)
    elif kind == "meter":
        limiter.add_leaky_bucket(0, leak_rate=rate, **add)
    elif kind == "queue":
        limiter.add_leaky_bucket(0, leak_rate=rate, max_delay_ns=NEVER, **add)
    elif kind == "fixed":
        limiter.add_fixed_window(0, limit=capacity, window_ns=2 * S)
    else:
        limiter.add_sliding_window(0, limit=capacity, window_ns=2 * S, exact=kind == "exact")
    return limiter


@given(
    kind=st.sampled_from(["token", "excess", "meter", "queue", "fixed", "sliding", "exact"]),
    rate=st.integers(1, 5), capacity=st.integers(2, 9), before=STEPS, after=STEPS,
    cost=st.integers(1, 5), holds=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_a_refund_never_gives_more_than_a_twin_has(
    kind: str, rate: int, capacity: int, before: list[tuple[int, int]],
    after: list[tuple[int, int]], cost: int, holds: list[bool],
) -> None:
    real, now = limiter_of(kind, rate, capacity), 0
    for step, tokens in before:
        now += step
        real.allow_request(RateLimitRequest(0, tokens_required=tokens), now_ns=now)
    twin = real.fork()
    answer, hold = real.allow_refundable(RateLimitRequest(0, tokens_required=cost), now_ns=now)
    if not answer.allowed:
        return
    assert hold is not None
    for (step, tokens), keep in zip(after, holds, strict=False):
        now += step
        request = RateLimitRequest(0, tokens_required=tokens)
        if keep:
            granted, _other = real.allow_refundable(request, now_ns=now)
        else:
            granted = real.allow_request(request, now_ns=now)
        if granted.allowed:
            # Whatever the real one could still grant, one that spent less can grant too.
            assert twin.allow_request(request, now_ns=now).allowed
    real.refund(hold, now_ns=now)
    assert real.valid() == 0
    for later in (0, 1, S // 3, S, 2 * S, 5 * S):
        assert real.get_tokens(0, now_ns=now + later) <= twin.get_tokens(0, now_ns=now + later)


@given(kind=st.sampled_from(["token", "meter", "queue", "fixed", "sliding", "exact"]),
       cost=st.integers(1, 5), wait=st.integers(0, S // 5))
def test_a_refund_at_once_is_as_if_nothing_had_been(kind: str, cost: int, wait: int) -> None:
    real = limiter_of(kind, 1, 5)
    _answer, hold = real.allow_refundable(RateLimitRequest(0, tokens_required=cost), now_ns=S)
    assert hold is not None
    real.refund(hold, now_ns=S + wait)
    left = real.get_tokens(0, now_ns=S + wait)
    assert left == 5
    assert real.stats().refund_count == 1
