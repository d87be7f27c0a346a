# SPDX-License-Identifier: MIT
"""What policies cost in C: the number of rules must not matter."""

from __future__ import annotations

from collections.abc import Iterator

from .core_side import blob
from .measure import Result, in_c

HEAD = "version = 1\n" + "".join(
    f'[tenant.t{i}]\nplan = "p{i % 2}"\n[service.s{i}]\n[[route]]\nname = "r{i}"\n'
    f'service = "s{i}"\npath = {{ prefix = "/{i}" }}\n'
    for i in range(8)
)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
METHODS = ("GET", "POST", "PUT", "DELETE")
ROLES = ("admin", "service-account", "user", "guest")


def ruled(count: int, header: bool = False) -> str:
    """So many rules with a condition on every field: each denies one corner of all requests."""
    rows = []
    for i in range(count):
        more = ', header = { X-Never = "x" }' if header else ""
        rows.append(
            f'[[policy]]\nname = "n{i}"\ntype = "ratelimit"\naction = "deny"\npriority = {i}\n'
            f'when = {{ service = "s{i % 8}", route = "r{i % 8}", '
            f'method = ["{METHODS[i // 8 % 4]}"], '
            f'role = "{ROLES[i // 32 % 4]}", tenant = "t{(i + 1) % 8}", '
            f'ip = "10.{i}.0.0/16", time = "{DAYS[i % 7]} {i % 24:02}:00-{i % 24:02}:59"{more} }}\n'
        )
    return HEAD + "".join(rows)


def policies() -> Iterator[Result]:
    """ray_policy_ask as the rules grow: at most 20 ns (17 xR) whatever their number."""
    for count in (0, 1, 8, 32, 128):
        ns, granted = in_c("seed", "policy", blob(f"policies{count}", ruled(count)))
        if granted < 1 << 19:
            raise RuntimeError(f"policies {count}: only {granted} granted")
        yield Result(f"core, policies at {count}", ns, most_xr=17.0 if count else None)
