# SPDX-License-Identifier: MIT
"""Other Python rate limiters, where installed: one call that decides for a key, clock included."""

from __future__ import annotations

from collections.abc import Callable, Iterator

Decide = Callable[[str], object]
MANY = 10**9


def rust_py_rate_limit() -> Decide:
    """Rust over PyO3: a sharded map of fixed windows."""
    from rust_py_rate_limit import RateLimiter  # type: ignore[import-not-found]

    limiter = RateLimiter(limit=MANY, window_seconds=60)
    return limiter.allow  # type: ignore[no-any-return]


def limits() -> Decide:
    """Pure Python, memory storage, fixed window (its fastest strategy)."""
    from limits import RateLimitItemPerMinute, storage, strategies

    limiter = strategies.FixedWindowRateLimiter(storage.MemoryStorage())
    item = RateLimitItemPerMinute(MANY)
    return lambda key: limiter.hit(item, key)


def throttled_py() -> Decide:
    """Pure Python, memory store, token bucket."""
    from throttled import RateLimiterType, Throttled, rate_limiter, store

    quota = rate_limiter.per_sec(MANY, burst=MANY)
    kind = RateLimiterType.TOKEN_BUCKET.value
    memory = store.MemoryStore(options={"MAX_SIZE": 1 << 21})
    return Throttled(using=kind, quota=quota, store=memory).limit


def installed() -> Iterator[tuple[str, Callable[[], Decide]]]:
    """The peers that can be imported, each as a maker of a fresh limiter."""
    for name, make in (
        ("rust-py-rate-limit", rust_py_rate_limit),
        ("limits", limits),
        ("throttled-py", throttled_py),
    ):
        try:
            make()("probe")
        except ImportError:
            continue
        yield name, make
