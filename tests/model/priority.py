# SPDX-License-Identifier: MIT
"""priority: the obviously correct reference. Everything is a list that is searched and sorted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

CLASSES = 5
NEVER = (1 << 64) - 1
MINUTE = 60 * 10**9


@dataclasses.dataclass
class Rules:
    """[queue]."""

    weights: tuple[int, ...] = (16, 8, 4, 2, 1)
    cap: int = 60
    servers: int = 0
    depth: int = 256
    displace: bool = True
    earliest_deadline: bool = False

    @property
    def bound(self) -> int:
        """R of the starvation law."""
        return -(-sum(self.weights) * 100 // (100 - self.cap))


@dataclasses.dataclass
class Request:
    """One that waits."""

    id: int
    service: int
    priority: int
    arrival: int
    deadline: int
    ticket: int
    width: int
    origin: int
    not_before: int = 0
    delayed: bool = False


@dataclasses.dataclass
class Queue:
    """One service's turn, quantum, debt and servers."""

    turn: int = 0
    left: int = 0
    debt: int = 0
    busy: int = 0
    service_ns: int = 0

    def chosen(self, filled: Sequence[bool], rules: Rules) -> tuple[int, bool]:
        """The class that is served next, and whether it is Critical out of turn, by which classes
        have somebody who waits; one has."""
        if filled[0] and self.debt < rules.cap:
            return 0, True
        if self.left and filled[self.turn]:
            return self.turn, False
        order = [(self.turn + step) % CLASSES for step in range(1, CLASSES + 1)]
        return next(priority for priority in order if filled[priority]), False

    def charge(self, chosen: tuple[int, bool], rules: Rules) -> None:
        """Books that dispatch."""
        priority, out_of_turn = chosen
        if out_of_turn:
            self.debt += 100 - rules.cap
            return
        if priority != self.turn or self.left == 0:
            self.turn, self.left = priority, rules.weights[priority]
        self.left -= 1
        self.debt = max(0, self.debt - rules.cap)


class Model:
    """Queues of all services, one flow each."""

    def __init__(self, services: int, pool: int) -> None:
        self.services, self.pool = services, pool
        self.rules = Rules()
        self.own: dict[int, tuple[int, int]] = {}
        self.sla: dict[int, tuple[int, int, int]] = {}  # p95, deadline, class
        self.queue = [Queue() for _ in range(services)]
        self.waiting: list[Request] = []
        self.ticket = 0
        self.turn = 0
        self.counts = dict.fromkeys(("queued", "sent", "left", "direct", "denied"), 0)

    # -- rules ----------------------------------------------------------------------------------
    def servers(self, service: int) -> int:
        """Its own, or [queue]'s."""
        return self.own[service][0] if service in self.own else self.rules.servers

    def depth(self, service: int) -> int:
        """How many may wait."""
        return self.own[service][1] if service in self.own else self.rules.depth

    def set_rules(self, rules: Rules) -> None:
        """New weights or another cap begin the turns' debts anew."""
        if (rules.weights, rules.cap) != (self.rules.weights, self.rules.cap):
            for queue in self.queue:
                queue.debt = 0
        self.rules = rules
        for queue in self.queue:
            queue.left = min(queue.left, rules.weights[queue.turn])

    # -- who stands where -----------------------------------------------------------------------
    def of(self, service: int) -> list[Request]:
        """Everybody of one queue."""
        return [one for one in self.waiting if one.service == service]

    def lane(self, service: int, priority: int) -> list[Request]:
        """One class in the order it is served."""
        found = [one for one in self.of(service) if one.priority == priority and not one.delayed]
        by_deadline = self.rules.earliest_deadline
        return sorted(found, key=lambda one: (one.deadline if by_deadline else 0, one.ticket))

    def fits(self, service: int, width: int) -> bool:
        """Whether that many servers are free; one that no queue has servers for goes alone."""
        servers, busy = self.servers(service), self.queue[service].busy
        return servers == 0 or busy == 0 or busy + width <= servers

    def victim(self, service: int, by: int) -> Request | None:
        """The newest of the lowest class below `by`."""
        lower = [one for one in self.of(service) if one.priority > by]
        return max(lower, key=lambda one: (one.priority, one.ticket), default=None)

    # -- requests -------------------------------------------------------------------------------
    def enqueue(self, id: int, service: int, priority: int, now: int, **terms: Any) -> Any:
        """("direct" | "queued" | "full", displaced)."""
        width, not_before = terms.get("width", 1) or 1, terms.get("not_before", 0)
        limit = terms.get("deadline", 0) or NEVER
        if service in self.sla:
            p95, deadline, _ = self.sla[service]
            limit = min(limit, now + (deadline or p95))
        queued = [one for one in self.of(service) if not one.delayed]
        delayed = not_before > now
        free = self.servers(service) == 0 or (not queued and self.fits(service, width))
        if not delayed and free and terms.get("at_once"):
            self.queue[service].busy += width
            self.counts["direct"] += 1
            return "direct", None
        displaced = None
        if len(self.of(service)) >= self.depth(service) or len(self.waiting) >= self.pool:
            over = len(self.of(service)) > self.depth(service)
            victim = self.victim(service, priority) if self.rules.displace and not over else None
            if victim is None:
                self.counts["denied"] += 1
                return "full", None
            displaced = victim.id
            self.leave(victim)
        self.ticket += 1
        self.counts["queued"] += 1
        self.waiting.append(
            Request(id, service, priority, now, limit, self.ticket, width,
                    terms.get("origin", 0), not_before if delayed else 0, delayed)
        )  # fmt: skip
        return "queued", displaced

    def leave(self, request: Request) -> None:
        """Without being sent."""
        self.waiting.remove(request)
        self.counts["left"] += 1

    def tick(self, now: int) -> None:
        """Delayed ones whose time has come stand in their lane."""
        for one in self.waiting:
            if one.delayed and one.not_before <= now:
                one.delayed, one.not_before = False, 0

    def chosen(self, service: int) -> tuple[int, bool] | None:
        """The class that is served next, and whether it is Critical out of turn."""
        filled = [bool(self.lane(service, priority)) for priority in range(CLASSES)]
        return self.queue[service].chosen(filled, self.rules) if any(filled) else None

    def next(self, service: int) -> Request | None:
        """Who is sent next, if a server is free."""
        chosen = self.chosen(service)
        if chosen is None:
            return None
        servers, queue = self.servers(service), self.queue[service]
        if servers and queue.busy >= servers:
            return None
        first = self.lane(service, chosen[0])[0]
        return first if self.fits(service, first.width) else None

    def next_of_any(self) -> Request | None:
        """Round robin over the services."""
        for step in range(1, self.services + 1):
            found = self.next((self.turn + step) % self.services)
            if found is not None:
                return found
        return None

    def send(self, request: Request) -> None:
        """It leaves its lane and occupies servers."""
        queue = self.queue[request.service]
        chosen = self.chosen(request.service)
        assert chosen is not None and chosen[0] == request.priority
        queue.charge(chosen, self.rules)
        queue.busy += request.width
        self.waiting.remove(request)
        self.counts["sent"] += 1
        self.turn = request.service

    def finish(self, service: int, width: int, took: int) -> None:
        """Servers are free again; the service time moves an eighth of the way."""
        queue = self.queue[service]
        queue.busy -= min(width, queue.busy)
        known = queue.service_ns
        step = abs(took - known) // 8
        queue.service_ns = took if known == 0 else known + (step if took >= known else -step)


@dataclasses.dataclass
class Minutes:
    """An SLA's outcomes, all of them kept."""

    p95_ns: int
    error_bp: int
    outcomes: list[tuple[int, int, bool]] = dataclasses.field(default_factory=list)

    def add(self, now: int, latency: int, failed: bool) -> None:
        """One outcome."""
        self.outcomes.append((now // MINUTE, latency, failed))

    def breaches(self, before: int) -> list[tuple[int, bool, bool]]:
        """(minute, errors, latency) of every minute before the one of `before` that broke it."""
        found = []
        for minute in sorted({one[0] for one in self.outcomes if one[0] < before // MINUTE}):
            of = [one for one in self.outcomes if one[0] == minute]
            ranked = sorted(one[1] for one in of)
            slow = ranked[-(-95 * len(of) // 100) - 1] > self.p95_ns
            errors = sum(one[2] for one in of) * 10_000 > self.error_bp * len(of)
            if slow or errors:
                found.append((minute, errors, slow))
        return found
