# SPDX-License-Identifier: MIT
"""resilience: the obviously correct reference. Every outcome and every retry is kept in a list
with its instant, and counted when asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

NEVER = (1 << 64) - 1
S = 10**9
OK, FAIL_5XX, TIMEOUT, CONNECTION, CLIENT_4XX, LIMITED_429, CANCELLED, UNSENT = range(8)
CLOSED, OPEN, HALF_OPEN = range(3)


def since_window(at: int, now: int, window: int, ring: int) -> bool:
    """Whether an instant is among the last `ring` parts of the window, which are aligned."""
    part = -(-window // ring)
    return at // part > now // part - ring


@dataclasses.dataclass
class Breaker:
    """One breaker; `config` is a CircuitBreakerConfig."""

    config: Any
    since: int = 0
    state: int = CLOSED
    until: int = 0
    age: int = 0  # changes of state and of rules: an outcome of another age teaches nothing
    probing: int = 0
    reopened: int = 0
    forced: int = 0
    outcomes: list[tuple[int, bool]] = dataclasses.field(default_factory=list)

    def change(self, state: int, now: int) -> None:
        """Another state; nothing is counted in it yet."""
        if state == OPEN:
            self.reopened = self.reopened + 1 if self.state == HALF_OPEN else 0
            most = self.config.reset_timeout_max or self.config.reset_timeout
            self.until = now + min(most, self.config.reset_timeout << self.reopened)
        elif state == CLOSED:
            self.reopened = 0
        self.state, self.since = state, now
        self.forget()

    def forget(self) -> None:
        """Nothing is counted."""
        self.age += 1
        self.probing = 0
        self.outcomes = []

    def counted(self, now: int, ring: int) -> list[bool]:
        """Failed or not, of the outcomes of its window."""
        config = self.config
        if self.state != CLOSED or config.window == 0:
            return [failed for _, failed in self.outcomes]
        if config.fixed_window:
            begin = now - (now - self.since) % config.window
            return [failed for at, failed in self.outcomes if at >= begin]
        return [failed for at, failed in self.outcomes
                if since_window(at, now, config.window, ring)]  # fmt: skip

    def row(self, failed: bool) -> int:
        """How many of the last outcomes in a row were so."""
        count = 0
        for _, one in reversed(self.outcomes):
            if one != failed:
                break
            count += 1
        return count

    def learn(self, now: int, failed: bool, ring: int) -> None:
        """An outcome of this age."""
        self.outcomes.append((now, failed))
        if self.forced == CLOSED + 2:
            return
        counted = self.counted(now, ring)
        if self.state == CLOSED and failed:
            by_row = 0 < self.config.failure_threshold <= self.row(True)
            by_rate = (
                self.config.rate_ppm > 0
                and len(counted) >= self.config.volume
                and sum(counted) * 10**6 >= self.config.rate_ppm * len(counted)
            )
            if by_row or by_rate:
                self.change(OPEN, now)
        elif self.state == HALF_OPEN and failed:
            self.change(OPEN, now)
        elif self.state == HALF_OPEN and counted.count(False) >= self.config.success_threshold:
            self.change(CLOSED, now)


@dataclasses.dataclass
class Call:
    """One attempt under way, or one that waits."""

    service: int
    attempt: int
    deadline: int
    timeout: int
    lapses: int
    waits: bool
    held: bool = False
    probe: bool = False
    age: int | None = None  # of the breaker it counts for


@dataclasses.dataclass
class Guard:
    """What stands before one service."""

    breaker: Breaker | None = None
    timeout: int = 0
    concurrent: int = 0  # 0: no bulkhead
    waiting: int = 0
    max_wait: int = 0
    retry: Any = None
    deposits: list[int] = dataclasses.field(default_factory=list)
    retries: list[int] = dataclasses.field(default_factory=list)
    bank: int = 0


class Model:
    """Guards of all services, and calls by the id the real one gave."""

    def __init__(self, services: int, ring: int, room: int) -> None:
        self.ring, self.room = ring, room
        self.guard = [Guard() for _ in range(services)]
        self.calls: dict[int, Call] = {}
        self.line: list[int] = []  # calls that wait, of all services, by arrival

    # -- time -----------------------------------------------------------------------------------
    def tick(self, now: int) -> None:
        """Whatever is due, each at its own instant; breakers first."""
        while True:
            due = [
                (g.breaker.until, 0, i) for i, g in enumerate(self.guard)
                if g.breaker is not None and g.breaker.state == OPEN
            ] + [(c.lapses, 1, id & 0xFFFF) for id, c in self.calls.items()]  # fmt: skip
            at, kind, who = min(due, default=(NEVER, 0, 0))
            if at > now or at == NEVER:
                return
            if kind == 0:
                breaker = self.guard[who].breaker
                assert breaker is not None
                breaker.change(HALF_OPEN, at)
            else:
                id = next(id for id in self.calls if id & 0xFFFF == who)
                self.pump(self.end(id, TIMEOUT, at).service, at)

    # -- attempts -------------------------------------------------------------------------------
    def in_use(self, service: int) -> int:
        """Permits out."""
        return sum(c.held for c in self.calls.values() if c.service == service)

    def waiters(self, service: int) -> list[int]:
        """The line of one service."""
        return [id for id in self.line if self.calls[id].service == service]

    def time_left(self, service: int, now: int, timeout: int, deadline: int) -> int:
        """The least of what limits an attempt."""
        limits = [timeout or NEVER, self.guard[service].timeout or NEVER]
        return min(*limits, deadline - now if deadline else NEVER)

    def ask(self, service: int, now: int, deadline: int, called: bool) -> str:
        """ok, probe, wait, deadline, full, open, forced or probing."""
        guard, line = self.guard[service], self.waiters(service)
        if deadline and deadline <= now:
            return "deadline"
        if guard.concurrent and (
            self.in_use(service) >= guard.concurrent or (line and not called)
        ):
            return "wait" if len(line) < guard.waiting else "full"
        breaker = guard.breaker
        if breaker is None or breaker.forced == 2:
            return "ok"
        if breaker.forced == 1:
            return "forced"
        if breaker.state == HALF_OPEN:
            return "probe" if breaker.probing < breaker.config.probes else "probing"
        return "ok" if breaker.state == CLOSED else "open"

    def run(self, call: Call, now: int, word: str) -> None:
        """Takes what `ask` granted."""
        guard = self.guard[call.service]
        call.waits = False
        call.lapses = min(
            NEVER, now + self.time_left(call.service, now, call.timeout, call.deadline)
        )
        call.held = guard.concurrent > 0
        if guard.breaker is not None:
            call.age, call.probe = guard.breaker.age, word == "probe"
            guard.breaker.probing += call.probe
        if call.attempt == 1 and guard.retry is not None:
            guard.deposits.append(now)

    def begin(self, id: int, service: int, now: int, attempt: int, timeout: int,
              deadline: int, word: str) -> None:  # fmt: skip
        """A call that was granted, under the real one's id."""
        guard = self.guard[service]
        call = Call(service, attempt, deadline, timeout, NEVER, waits=word == "wait")
        self.calls[id] = call
        if call.waits:
            call.lapses = min(deadline or NEVER, now + guard.max_wait if guard.max_wait else NEVER)
            self.line.append(id)
        else:
            self.run(call, now, word)

    def pump(self, service: int, now: int) -> None:
        """Who waits goes next while a permit is free."""
        guard = self.guard[service]
        while (line := self.waiters(service)) and (
            not guard.concurrent or self.in_use(service) < guard.concurrent
        ):
            self.line.remove(line[0])
            call = self.calls[line[0]]
            word = self.ask(service, now, call.deadline, called=True)
            if word in ("ok", "probe"):
                self.run(call, now, word)
            else:
                del self.calls[line[0]]

    def end(self, id: int, outcome: int, now: int) -> Call:
        """A call ends; the breaker learns, and who waits goes next."""
        call = self.calls.pop(id)
        breaker = self.guard[call.service].breaker
        if id in self.line:
            self.line.remove(id)
        elif breaker is not None and call.age == breaker.age:
            breaker.probing -= call.probe
            if outcome not in (CANCELLED, UNSENT) and breaker.state != OPEN:
                failed = any(int(kind) == outcome for kind in breaker.config.counts)
                breaker.learn(now, failed, self.ring)
        return call

    # -- retries --------------------------------------------------------------------------------
    def budget_left(self, service: int, now: int) -> int:
        """Units a retry may spend."""
        guard, retry = self.guard[service], self.guard[service].retry
        if int(retry.budget) == 1:
            return guard.bank
        if int(retry.budget) == 2:
            return NEVER
        fresh = lambda times: sum(  # noqa: E731
            since_window(at, now, retry.ttl, self.ring) for at in times
        )
        has = fresh(guard.deposits) * retry.deposit + retry.reserve * retry.cost * retry.ttl // S
        return max(0, has - fresh(guard.retries) * retry.cost)

    def judge(self, call: Call, outcome: int, now: int, repeatable: bool) -> str:
        """retry, or why not; books it. Without jitter."""
        guard = self.guard[call.service]
        retry, breaker = guard.retry, guard.breaker
        if retry is None:
            return "ok" if outcome == OK else "none"
        if outcome == OK:
            given = retry.refund if call.attempt > 1 else retry.deposit
            guard.bank = min(retry.capacity, guard.bank + given)
            return "ok"
        if all(int(kind) != outcome for kind in retry.on):
            return "outcome"
        start = now + min(retry.max_delay, retry.base << min(call.attempt - 1, 80))
        if not repeatable:
            return "method"
        if call.attempt >= retry.attempts:
            return "attempts"
        if call.deadline and start >= call.deadline:
            return "deadline"
        if breaker is not None and breaker.forced != 2 and (
            breaker.forced == 1 or (breaker.state == OPEN and start < breaker.until)
        ):
            return "breaker"
        if self.budget_left(call.service, now) < retry.cost and int(retry.budget) != 2:
            return "budget"
        guard.retries.append(now)
        guard.bank -= retry.cost
        return "retry"
