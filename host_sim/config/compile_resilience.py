# SPDX-License-Identifier: MIT
"""[resilience.SERVICE] to rows of ray_guard_spec."""

from __future__ import annotations

import math
from typing import Any

from host_sim.config import units
from host_sim.config.model import METHODS, File
from host_sim.config.model_resilience import Breaker, Bulkhead, Resilience, Retry, RetryBudget

MODES = {"enforce": 0, "shadow": 1, "off": 2}
BREAKER, BULKHEAD, RETRY = 1, 2, 4
KINDS = {"5xx": 1, "timeout": 2, "connection": 3, "4xx": 4, "429": 5}
STATUS_MAX = 6
JITTER = {"full": 0, "equal": 1, "none": 2}
WINDOW, BANK, NO_BUDGET = 0, 1, 2
RATE_WINDOW_NS = 10 * units.NS_PER_S
FAILURES = 5
PPM = 1_000_000


def outcomes_of(words: list[str]) -> tuple[int, tuple[int, ...]]:
    """(bits of enum ray_outcome, statuses ascending); ValueError, saying which word is wrong."""
    kinds, statuses = 0, set()
    for word in words:
        if word in KINDS:
            kinds |= 1 << KINDS[word]
        elif word.isascii() and word.isdigit() and len(word) == 3 and 400 <= int(word) <= 599:
            statuses.add(int(word))
        else:
            raise ValueError(word)
    return kinds, tuple(sorted(statuses))


def _set(words: list[str]) -> dict[str, Any]:
    kinds, statuses = outcomes_of(words)
    spare = [0] * (STATUS_MAX - len(statuses))
    return dict(status=[*statuses, *spare], kinds=kinds, status_count=len(statuses))


def _empty_set() -> dict[str, Any]:
    return dict(status=[0] * STATUS_MAX, kinds=0, status_count=0)


def open_max_of(breaker: Breaker) -> int:
    """Where the open time stops growing."""
    return breaker.open if breaker.open_max is None else breaker.open_max


def _breaker(breaker: Breaker | None) -> dict[str, Any]:
    if breaker is None:
        names = "open_ns open_max_ns window_ns failures rate_ppm volume successes probes jitter_ppm"
        return dict.fromkeys([*names.split(), "fixed_window"], 0) | dict(counts=_empty_set())
    default = 0 if breaker.rate is not None else FAILURES
    window = RATE_WINDOW_NS if breaker.rate is not None else 0
    return dict(
        open_ns=breaker.open,
        open_max_ns=open_max_of(breaker),
        window_ns=window if breaker.window is None else breaker.window,
        failures=default if breaker.failures is None else breaker.failures,
        rate_ppm=breaker.rate or 0,
        volume=breaker.volume,
        successes=breaker.successes,
        probes=breaker.probes,
        jitter_ppm=breaker.jitter,
        counts=_set(breaker.counts),
        fixed_window=int(breaker.window_kind == "fixed"),
    )


def _bulkhead(bulkhead: Bulkhead | None) -> dict[str, Any]:
    if bulkhead is None:
        return dict(max_wait_ns=0, concurrent=0, waiting=0)
    return dict(
        max_wait_ns=bulkhead.max_wait or 0,
        concurrent=bulkhead.concurrent,
        waiting=bulkhead.waiting,
    )


def share_of(text: str) -> tuple[int, int]:
    """"20%" as (deposit, cost) in smallest numbers: 1 and 5. Raises UnitError."""
    ppm = units.parse_ppm(text)
    if ppm == 0:
        return 0, 1
    common = math.gcd(ppm, PPM)
    return ppm // common, PPM // common


def _budget(budget: RetryBudget | str) -> dict[str, Any]:
    """Only what the kind reads is written: the rest is zero."""
    said = RetryBudget.model_construct() if isinstance(budget, str) else budget
    none = dict(ttl_ns=0, deposit=0, cost=0, reserve=0, capacity=0, refund=0, budget=NO_BUDGET)
    if budget == "none":
        return none
    deposit, cost = share_of(budget) if isinstance(budget, str) else (said.deposit, said.cost)
    if said.kind == "bank":
        return none | dict(
            deposit=deposit, cost=cost, capacity=said.capacity, refund=said.refund, budget=BANK
        )
    return none | dict(
        ttl_ns=said.ttl, deposit=deposit, cost=cost, reserve=said.reserve, budget=WINDOW
    )


def _retry(retry: Retry | None) -> dict[str, Any]:
    if retry is None:
        return dict(base_ns=0, max_ns=0, on=_empty_set(), attempts=0, methods=0, jitter=0) | (
            _budget("none") | dict(budget=0)
        )
    return dict(
        base_ns=retry.base,
        max_ns=retry.max,
        on=_set(retry.on),
        attempts=retry.attempts,
        methods=sum(1 << METHODS.index(method) + 1 for method in set(retry.methods)),
        jitter=JITTER[retry.jitter],
        **_budget(retry.budget),
    )


def _row(file: File, service: int, name: str, guard: Resilience) -> dict[str, Any]:
    parts = (guard.breaker, guard.bulkhead, guard.retry)
    bits = (BREAKER, BULKHEAD, RETRY)
    timeout = guard.timeout if guard.timeout is not None else file.service[name].timeout
    return dict(
        timeout_ns=timeout,
        service=service,
        parts=sum(bit for bit, part in zip(bits, parts, strict=True) if part is not None),
        mode=MODES[guard.mode or file.mode],
        breaker=_breaker(guard.breaker),
        bulkhead=_bulkhead(guard.bulkhead),
        retry=_retry(guard.retry),
    )


def guard_rows(file: File, services: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row per [resilience.SERVICE], by the place of its service."""
    return [
        _row(file, services.index(name), name, file.resilience[name])
        for name in sorted(file.resilience, key=services.index)
    ]
