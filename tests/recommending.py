# SPDX-License-Identifier: MIT
"""What the tests of recommend and sweep share: small logs, and the obvious limiter."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from fractions import Fraction

S = 10**9
MIN = 60 * S
HEAD = "time,ip,user,service,path,status,weight\n"
BURST = [(n // 4, f"10.0.0.{n % 3}", f"u{n % 2}", "ab"[n % 5 == 0], f"/x/{n % 2}", 200)
         for n in range(60)]
BASE = """
version = 1
[service.a]
[service.b]
[tenant.gold]
[[route]]
name = "xs"
service = "a"
path = { prefix = "/x" }
weight = 2
[[policy]]
name = "no-b"
when = { service = "b" }
action = "deny"
[[policy]]
name = "others"
when = {}
action = "allow"
"""


def log_file(folder: pathlib.Path, rows: Iterable[tuple[object, ...]],
             name: str = "log.csv") -> str:
    """A log of (second, address, user, service, path, status, weight); what is left out is -."""
    lines = (",".join(str(cell) for cell in (*row, *["-"] * (7 - len(row)))) for row in rows)
    path = folder / name
    path.write_text(HEAD + "\n".join(lines) + "\n")
    return str(path)


def denied_by_bucket(
    events: Iterable[tuple[int, object]], rate: int, period_ns: int, capacity: int
) -> int:
    """How many (ns, key) events one token bucket per key denies, in fractions."""
    buckets: dict[object, tuple[Fraction, int]] = {}
    denied = 0
    for at, key in events:
        held, last = buckets.get(key, (Fraction(capacity), at))
        held = min(Fraction(capacity), held + Fraction(rate * (at - last), period_ns))
        if held >= 1:
            held -= 1
        else:
            denied += 1
        buckets[key] = (held, at)
    return denied


def denied_by_window(events: Iterable[tuple[int, object]], limit: int, window_ns: int) -> int:
    """The same for a fixed window that begins at 1970."""
    counts: dict[tuple[object, int], int] = {}
    denied = 0
    for at, key in events:
        window = (key, at // window_ns)
        if counts.get(window, 0) < limit:
            counts[window] = counts.get(window, 0) + 1
        else:
            denied += 1
    return denied
