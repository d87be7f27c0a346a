# SPDX-License-Identifier: MIT
"""decider: the one-argument way into a keyed limit decides as allow_key does, on the same state."""

from __future__ import annotations

import gc
import time

import pytest

from host_sim.decide import decider
from host_sim.errors import ArgumentError, StaleError, UnknownError
from host_sim.kernel import Kernel
from host_sim.modules.ratelimit import LimitScope, RateLimiter

DAY_NS = 86_400 * 10**9


@pytest.fixture
def limiter() -> RateLimiter:
    return RateLimiter(now_ns=time.monotonic_ns())


def per_user(limiter: RateLimiter, capacity: int = 3) -> int:
    return limiter.add_token_bucket(
        capacity=capacity, refill_rate=1, per_ns=DAY_NS, scope=LimitScope.USER
    )


def test_each_key_has_its_own_tokens(limiter: RateLimiter) -> None:
    allowed = decider(limiter, per_user(limiter))
    assert [allowed("ann") for _ in range(4)] == [True, True, True, False]
    assert [allowed("bob") for _ in range(4)] == [True, True, True, False]


def test_a_str_and_its_bytes_are_one_key(limiter: RateLimiter) -> None:
    allowed = decider(limiter, per_user(limiter))
    assert [allowed("zoë"), allowed("zoë".encode()), allowed("zoë"), allowed(b"zo\xc3\xab")] == [
        True, True, True, False,
    ]


def test_it_decides_on_the_limiters_own_state(limiter: RateLimiter) -> None:
    limit = per_user(limiter)
    allowed = decider(limiter, limit)
    assert allowed("ann")
    assert limiter.allow_key(limit, "ann", now_ns=time.monotonic_ns())
    assert limiter.allow_key(limit, "ann", now_ns=time.monotonic_ns())
    assert not allowed("ann")
    stats = limiter.get_limit_stats(limit)
    assert (stats.granted_count, stats.denied_count) == (3, 1)


def test_tokens_come_back_with_the_monotonic_clock(limiter: RateLimiter) -> None:
    limit = limiter.add_token_bucket(
        capacity=1, refill_rate=1, per_ns=1_000_000, scope=LimitScope.USER
    )
    allowed = decider(limiter, limit)
    assert allowed("ann")
    time.sleep(0.002)
    assert allowed("ann")


def test_it_keeps_its_limiter_alive() -> None:
    made = RateLimiter(now_ns=time.monotonic_ns())
    allowed = decider(made, per_user(made, capacity=2))
    del made
    gc.collect()
    assert [allowed("ann") for _ in range(3)] == [True, True, False]


def test_what_is_no_keyed_limit_is_refused_when_asked(limiter: RateLimiter) -> None:
    limit = per_user(limiter)
    allowed = decider(limiter, limit)
    unkeyed = limiter.add_token_bucket(0, capacity=1, refill_rate=1)
    with pytest.raises(ArgumentError):
        decider(limiter, unkeyed)("ann")
    with pytest.raises(UnknownError):
        decider(limiter, 77)("ann")
    limiter.remove_limit(limit)
    with pytest.raises(StaleError):
        allowed("ann")


def test_a_key_is_text_or_bytes(limiter: RateLimiter) -> None:
    allowed = decider(limiter, per_user(limiter))
    for key in (7, None, 1.5):
        with pytest.raises(TypeError):
            allowed(key)  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        allowed("\ud800")


def test_a_kernels_limiter_is_refused() -> None:
    with pytest.raises(ArgumentError):
        decider(RateLimiter(kernel=Kernel()), 0)
