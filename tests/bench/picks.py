# SPDX-License-Identifier: MIT
"""The choice of an instance by every strategy, as a pool grows, beside a Python library's."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from .measure import Result, alone, timed

STRATEGIES = ("round_robin", "least_connections", "weighted_round_robin", "ip_hash", "ketama",
              "maglev", "nginx_ip_hash")  # fmt: skip
SIZES = (2, 8, 64, 256)
RING_SIZE_MAX = 102  # instances whose ketama points fit the profile's ring
PICK_XR, LOOKUP_XR = 8.6, 2.6  # 10 ns at n = 8, and 3 ns for maglev whatever n


def most_xr(strategy: str, size: int) -> float | None:
    """PERFORMANCE.md: pick an instance."""
    if strategy == "maglev":
        return LOOKUP_XR
    return PICK_XR if size == 8 else None


def peer(size: int) -> tuple[float, str] | None:
    """Nanoseconds uhashring takes for a key on a ring of as many nodes; None where it is not
    installed."""
    try:
        uhashring: Any = importlib.import_module("uhashring")
    except ImportError:
        return None
    ring = uhashring.HashRing([f"10.0.0.{i}:80" for i in range(size)], hash_fn="ketama")
    keys = [f"10.1.{i // 250}.{i % 250}" for i in range(1000)]
    return timed(lambda: [ring.get_node(key) for key in keys], len(keys)), "uhashring"


def picks() -> Iterator[Result]:
    """A pick changes nothing; a lease is what one request costs: ask, take, note, done."""
    for strategy in STRATEGIES:
        for size in SIZES:
            if strategy == "ketama" and size > RING_SIZE_MAX:
                continue
            ns = alone("picks", strategy, size, "ask")[0]
            note = ""
            if strategy == "ketama" and (theirs := peer(size)) is not None:
                note = f"{theirs[1]} takes {theirs[0] / ns:.0f} times as long"
            yield Result(f"core, pick, {strategy} at {size}", ns, "pick",
                         most_xr(strategy, size), note)
    for strategy in STRATEGIES:
        yield Result(f"core, lease, {strategy}, n = 8", alone("picks", strategy, 8, "lease")[0],
                     "lease")
    for size in SIZES:
        yield Result(f"core, pick, ip_hash, weights 1 to 3 at {size}",
                     alone("picks", "ip_hash", size, "ask", 3)[0], "pick")
