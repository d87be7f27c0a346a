# SPDX-License-Identifier: MIT
"""The fastest way from Python into one keyed limit: a function of one argument.

    limiter = RateLimiter(profile="edge")
    per_user = limiter.add_token_bucket(capacity=20, refill_rate=10, scope=LimitScope.USER)
    allowed = decider(limiter, per_user)
    if not allowed("user-7"):
        ...                                   # 429

Same core, same state, same counters as `RateLimiter.allow_key`; only the way in is shorter.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from host_sim.errors import ArgumentError, check

if TYPE_CHECKING:
    from host_sim.modules.ratelimit import RateLimiter


@functools.cache
def _module(path: str) -> Any:
    """The second module inside an extension's file."""
    loader = importlib.machinery.ExtensionFileLoader("host_sim._ext._decide", path)
    spec = importlib.util.spec_from_file_location("host_sim._ext._decide", path, loader=loader)
    if spec is None:
        raise ImportError(f"{path} holds no _decide")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def decider(limiter: RateLimiter, limit_id: int) -> Callable[[str | bytes], bool]:
    """A function that takes one token of a keyed limit for a key, now: True when granted.

    Now is the monotonic clock, read inside, so use `time.monotonic_ns()` wherever else this
    limiter is told the time. The limiter must own its state: on a Kernel's, another thread may be
    inside a batch, which only the Kernel can see (ArgumentError). Raises UnknownError, StaleError
    and ArgumentError for limits that are not, are no more, or have no keys.
    """
    if limiter.kernel is not None:
        raise ArgumentError("a decider works on a limiter of its own, not on a Kernel's")
    names = {1: "seed", 2: "edge", 3: "tiny"}
    extension = sys.modules[f"host_sim._ext._{names[limiter.lib.RAY_PROFILE]}"]
    address = int(limiter.ffi.cast("uintptr_t", limiter._state))

    def refused(status: int) -> None:
        check(status, f"limit {limit_id}")

    bound: Callable[[str | bytes], bool] = _module(str(extension.__file__)).bind(
        address, limit_id, limiter, refused
    )
    return bound
