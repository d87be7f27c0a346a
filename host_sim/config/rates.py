# SPDX-License-Identifier: MIT
"""Which rates the core can hold exactly, in the same integers it uses (DESIGN.md section 4).

A bucket counts credits of 1/period token in ticks of 1 ns, 1 us or 1 ms; capacity x period must
stay under 2^63. The core's own check has the last word and tests compare the two.
"""

from __future__ import annotations

import math
from fractions import Fraction

from host_sim.config import units
from host_sim.config.model import Guards

TICKS_NS = (1, 1_000, 1_000_000)
ROOM = 2**63 - 1


def reduced(count: int, period_ns: int, tick_ns: int) -> tuple[int, int]:
    """Tokens and period in ticks, without a common divisor; None of the rate is lost."""
    tokens = count * tick_ns
    common = math.gcd(tokens, period_ns)
    return tokens // common, period_ns // common


def is_exact(count: int, period_ns: int, capacity: int) -> bool:
    """True when some tick leaves room for `capacity` tokens of `period` credits each."""
    for tick_ns in TICKS_NS:
        tokens, period = reduced(count, period_ns, tick_ns)
        if capacity * period <= ROOM and tokens <= ROOM:
            return True
    return False


def nearest(count: int, period_ns: int, capacity: int) -> str | None:
    """The nearest rate of the same capacity that is exact, as text; None when the capacity itself
    is too large."""
    finest = min(ROOM // capacity, ROOM // TICKS_NS[-1])
    if finest == 0 or count * TICKS_NS[-1] // math.gcd(TICKS_NS[-1], period_ns) > ROOM:
        return None
    best = Fraction(count * TICKS_NS[-1], period_ns).limit_denominator(finest)
    best = best or Fraction(1, finest)
    return f"{best.numerator}/{units.duration_text(best.denominator * TICKS_NS[-1])}"


def guards_of(guards: Guards | None) -> dict[str, int]:
    """A quota's guards as fields of its row; 0 is none."""
    said = guards if guards is not None else Guards(
        requests=None, bytes=None, errors=None, latency_p99=None
    )  # fmt: skip
    return {
        "guard_requests_per_s": units.per_second(said.requests) if said.requests else 0,
        "guard_bytes_per_s": units.per_second(said.bytes) if said.bytes else 0,
        "guard_errors_per_min": units.per_minute(said.errors) if said.errors else 0,
        "guard_latency_p99_ns": said.latency_p99 or 0,
    }
