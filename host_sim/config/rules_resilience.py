# SPDX-License-Identifier: MIT
"""Rules of [resilience.SERVICE]: services, words of outcomes, times that fit one another."""

from __future__ import annotations

from host_sim.config import units
from host_sim.config.compile_resilience import (
    KINDS,
    STATUS_MAX,
    open_max_of,
    outcomes_of,
    share_of,
)
from host_sim.config.diagnostics import did_you_mean
from host_sim.config.model import Service
from host_sim.config.model_resilience import Breaker, Resilience, Retry
from host_sim.config.positions import Path
from host_sim.config.rules import Ground, check_time, stated_keys

IDEMPOTENT = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}


def check_resilience(ground: Ground) -> None:
    """Each guard, then how many bulkheads there are."""
    bulkheads = 0
    for name, guard in ground.file.resilience.items():
        path: Path = ("resilience", name)
        _refer_to_service(ground, path, name)
        _check_guard(ground, path, guard)
        bulkheads += guard.bulkhead is not None
        if guard.bulkhead is not None and bulkheads == ground.room.bulkhead_max + 1:
            most = ground.room.bulkhead_max
            ground.say(
                (*path, "bulkhead"),
                "too-many-rows",
                f"profile {ground.room.name} has room for {most} bulkheads; remove some or choose "
                "another with --profile",
                key=True,
            )


def _refer_to_service(ground: Ground, path: Path, name: str) -> None:
    known = ground.names_of("service")
    if name not in known:
        advice = did_you_mean(name, known, what="service")
        ground.say(path, "unknown-reference", f'no service "{name}"; {advice}', key=True)


def _check_outcomes(ground: Ground, path: Path, words: list[str]) -> None:
    if not words:
        ground.say(path, "conflict", "an empty list names no outcome; name one or remove the key")
        return
    for place, word in enumerate(words):
        try:
            outcomes_of([word])
        except ValueError:
            advice = did_you_mean(word, list(KINDS), what="outcome")
            ground.say(
                (*path, place),
                "bad-choice",
                f'"{word}" is no outcome: {", ".join(KINDS)}, or a status 400 to 599; {advice}',
            )
            return
    if len(outcomes_of(words)[1]) > STATUS_MAX:
        ground.say(
            path, "out-of-range", f"at most {STATUS_MAX} single statuses; or name 5xx or 4xx"
        )


def _check_guard(ground: Ground, path: Path, guard: Resilience) -> None:
    if not stated_keys(ground, path) - {"mode"}:
        ground.say(path, "conflict", "nothing stands before the service; remove the table",
                   key=True)  # fmt: skip
    service = ground.file.service.get(path[1]) if isinstance(path[1], str) else None
    if check_time(ground, (*path, "timeout"), guard.timeout):
        _note_timeout(ground, path, guard, service)
    if guard.breaker is not None:
        _check_breaker(ground, (*path, "breaker"), guard.breaker)
        if guard.timeout is None and service is not None and service.timeout == 0:
            ground.say((*path, "breaker"), "conflict",
                       "its probes need a time limit: write timeout here or for the service",
                       key=True)  # fmt: skip
    if guard.bulkhead is not None:
        check_time(ground, (*path, "bulkhead", "max_wait"), guard.bulkhead.max_wait)
        if guard.bulkhead.max_wait is not None and guard.bulkhead.waiting == 0:
            ground.say((*path, "bulkhead", "max_wait"), "conflict",
                       "nobody may wait; write waiting too", key=True)  # fmt: skip
    if guard.retry is not None:
        _check_retry(ground, (*path, "retry"), guard.retry)


def _note_timeout(
    ground: Ground, path: Path, guard: Resilience, service: Service | None
) -> None:
    whole = service.timeout if service is not None else None
    if guard.timeout is not None and whole and guard.timeout >= whole:
        ground.note(
            (*path, "timeout"),
            "note-no-effect",
            f"an attempt never lasts so long: the request's own deadline is "
            f"{units.duration_text(whole)}, the service's timeout; write less, or raise that",
        )


def _check_breaker(ground: Ground, path: Path, breaker: Breaker) -> None:
    right = check_time(ground, (*path, "open"), breaker.open)
    right &= check_time(ground, (*path, "open_max"), breaker.open_max)
    check_time(ground, (*path, "window"), breaker.window)
    if right and open_max_of(breaker) < breaker.open:
        ground.say((*path, "open_max"), "out-of-range",
                   "open_max is at least open; write a longer one, or remove it")
    if breaker.rate is not None and not 0 < breaker.rate <= 1_000_000:
        ground.say((*path, "rate"), "out-of-range",
                   'a rate is more than 0% and at most 100%; write for example "50%"')
    if breaker.jitter > 1_000_000:
        ground.say((*path, "jitter"), "out-of-range",
                   'a jitter is at most 100%; write for example "10%"')
    _check_outcomes(ground, (*path, "counts"), breaker.counts)


def _check_retry(ground: Ground, path: Path, retry: Retry) -> None:
    right = check_time(ground, (*path, "base"), retry.base)
    right &= check_time(ground, (*path, "max"), retry.max)
    if right and retry.max < retry.base:
        ground.say((*path, "max"), "out-of-range",
                   "max is at least base; write a longer max, or a shorter base")
    _check_outcomes(ground, (*path, "on"), retry.on)
    if isinstance(retry.budget, str):
        _check_share(ground, (*path, "budget"), retry.budget)
    else:
        check_time(ground, (*path, "budget", "ttl"), retry.budget.ttl)
    unsafe = [method for method in retry.methods or () if method not in IDEMPOTENT]
    if unsafe:
        ground.note(
            (*path, "methods"),
            "note-not-idempotent",
            f"{', '.join(unsafe)} may be done twice: a request that timed out may have been "
            "carried out",
        )


def _check_share(ground: Ground, path: Path, text: str) -> None:
    if text == "none":
        return
    try:
        deposit, cost = share_of(text)
    except units.UnitError as error:
        ground.say(path, error.code, f'{error.message}; or "none"')
        return
    if deposit > cost:
        ground.say(path, "out-of-range",
                   'a budget is at most 100% of the requests; write for example "20%"')
