# SPDX-License-Identifier: MIT
"""How far a replay can be believed: what the log does not say, and what comes of that."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from host_sim.printing import printable
from host_sim.replay.program import Program
from host_sim.replay.reader import ReaderStats, headers_wanted

if TYPE_CHECKING:
    from host_sim.config import Config

UNITS = {3_600_000_000_000: "hours", 60_000_000_000: "minutes", 1_000_000_000: "seconds",
         1_000_000: "milliseconds", 1_000: "microseconds", 1: "nanoseconds"}
NAMES_MAX = 4  # RAY_READER_UNKNOWN_MAX: more may have been seen
ABSENT = {
    "ip": "the client's address: limits and identities by address see one client",
    "user": "the user: limits and quotas by user see one user",
    "host": "the host: routes that name one match nothing",
    "method": "the method: every request counts as GET",
    "path": "the path: every request asks for /",
    "status": "the answer's status: every answer counts as good",
    "bytes": "the answer's size: bytes count as 0",
    "duration": "durations: requests end as they are sent; do not believe waits and queues",
}


@dataclasses.dataclass(frozen=True)
class Trust:
    """What stands between the log and the truth. `missing` names what the configuration looks at
    and the log does not have: `header X-Plan`, or a key of ABSENT."""

    rows: int = 0
    resolution_ns: int = 0
    shared: int = 0                 # rows at the same instant as another of their log
    instant_max: int = 0            # most of them at one instant
    spread: str = "none"
    spread_seed: int = 0
    spread_rows: int = 0
    durations: int = 0              # rows with one
    named_clients: int = 0
    throttled: int = 0              # answered 429 when the log was written
    failed: int = 0                 # answered 5xx
    missing: tuple[str, ...] = ()
    unknown_services: tuple[str, ...] = ()
    unknown_tenants: tuple[str, ...] = ()


def of(
    stats: ReaderStats, missing: tuple[str, ...], *, shared: int, instant_max: int, spread: str,
    spread_seed: int, spread_rows: int,
) -> Trust:
    """What the reader and the replay counted, as statements."""
    return Trust(
        rows=stats.row_count, resolution_ns=stats.resolution_ns, shared=shared,
        instant_max=instant_max, spread=spread, spread_seed=spread_seed, spread_rows=spread_rows,
        durations=stats.duration_count, named_clients=stats.named_client_count,
        throttled=stats.throttled_count, failed=stats.failed_count, missing=missing,
        unknown_services=stats.unknown_services, unknown_tenants=stats.unknown_tenants)


def missing(config: Config, programs: Sequence[Program]) -> tuple[str, ...]:
    """What `config` looks at and at least one of the logs does not have."""
    def lacks(*targets: str) -> bool:
        return any(not any(program.has(target) for target in targets) for program in programs)

    found = [f"header {name}" for name in headers_wanted(config)
             if any(not _has_header(program, name) for program in programs)]
    wanted = {
        "ip": _looks_at_address(config) and lacks("ip"),
        "user": _looks_at_users(config) and lacks("user"),
        "host": any(route.host for route in config.file.route) and lacks("host", "request", "path"),
        "method": any(route.methods for route in config.file.route) and lacks("method", "request"),
        "path": bool(config.file.route) and lacks("path", "request", "service"),
        "status": bool(config.file.sla or config.file.resilience) and lacks("status", "error"),
        "bytes": _counts_bytes(config) and lacks("bytes"),
        "duration": lacks("duration", "end"),
    }
    return (*found, *(what for what, is_missing in wanted.items() if is_missing))


def _has_header(program: Program, name: str) -> bool:
    return any(field.header.lower() == name.lower() for field in program.fields)


def _looks_at_address(config: Config) -> bool:
    return (any(limit.scope == "ip" for limit in config.file.limit)
            or any(rule.networks or rule.user_from == "ip" for rule in config.identity.rules))


def _looks_at_users(config: Config) -> bool:
    told = any(rule.user_from != "log_user" for rule in config.identity.rules)
    return not told and (any(limit.scope == "user" for limit in config.file.limit)
                         or any(quota.per_user for quota in config.file.quota))


def _counts_bytes(config: Config) -> bool:
    return (any(quota.type == "bytes" for quota in config.file.quota)
            or any(cost.per_kilobyte is not None for cost in config.file.cost.values()))


# -- as sentences -------------------------------------------------------------------------------


def lines(trust: Trust) -> Iterator[str]:
    """One statement a line, the plainest first; nothing where there is nothing to say."""
    from host_sim.replay.summary import count, share

    if not trust.rows:
        return
    yield from _clock(trust)
    if trust.durations < trust.rows and "duration" not in trust.missing:
        without = trust.rows - trust.durations
        yield (f"{count(without, 'row')} {'has' if without == 1 else 'have'} no duration: over as "
               "soon as sent")
    if trust.named_clients:
        gives = "gives its" if trust.named_clients == 1 else "give their"
        yield (f"{count(trust.named_clients, 'row')} {gives} client by name, not by address: "
               "networks do not hold them")
    if trust.throttled:
        yield (f"{count(trust.throttled, 'request')} ({share(trust.throttled, trust.rows)}) "
               "throttled when the log was written: what that kept away is not in it")
    if trust.failed:
        yield (f"{count(trust.failed, 'request')} ({share(trust.failed, trust.rows)}) "
               "failed (5xx) when it was written")
    headers = [printable(what.removeprefix("header ")) for what in trust.missing
               if what.startswith("header ")]
    if headers:
        yield (f"The log does not have the header{'s'[: len(headers) > 1]} {', '.join(headers)}: "
               "rules see it absent")
    yield from (f"The log does not have {ABSENT[what]}" for what in trust.missing if what in ABSENT)


def some(names: tuple[str, ...]) -> str:
    """The first names of those that are unknown: ` (a, b, ...)`."""
    if not names:
        return ""
    more = ", ..." if len(names) >= NAMES_MAX else ""
    return f" ({', '.join(printable(name) for name in names[:NAMES_MAX])}{more})"


def _clock(trust: Trust) -> Iterator[str]:
    from host_sim.replay.summary import count, share

    unit = UNITS.get(trust.resolution_ns, "nanoseconds")
    if not trust.shared:
        yield f"Times are whole {unit}; no two rows have the same one"
        return
    yield (f"Times are whole {unit}: {count(trust.shared, 'row')} "
           f"({share(trust.shared, trust.rows)}) share theirs, at most {trust.instant_max:,} "
           "at once")
    if trust.spread != "none":
        how = f"at random (seed {trust.spread_seed})" if trust.spread == "poisson" else "evenly"
        yield f"  {count(trust.spread_rows, 'row')} put {how} into theirs (--spread {trust.spread})"
    elif trust.resolution_ns >= 1_000_000_000:
        yield "  here they arrive as one burst, in truth they did not: see --spread"
