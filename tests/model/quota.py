# SPDX-License-Identifier: MIT
"""quota, the obviously correct way: Python integers, calendars from datetime, one period at a time.

Nothing is lazy and nothing is clever here: periods close one by one, a rolling window is a list of
what was booked, guards are a table of seconds. What the C core answers must be what this answers.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from tests.model.quota_instance import (
    DAY,
    FIXED,
    INFINITE,
    MONTHLY,
    NEVER,
    PARTS,
    ROLLING,
    SECOND,
    Instance,
    Row,
    bounds,
)

__all__ = [
    "DAY",
    "FIXED",
    "INFINITE",
    "MONTHLY",
    "NEVER",
    "PARTS",
    "ROLLING",
    "SECOND",
    "Answer",
    "Hold",
    "Instance",
    "QuotaModel",
    "Row",
    "bounds",
]

OK, EXCEEDED, TOO_MUCH, GUARD, TABLE_FULL = 1, 300, 301, 302, 303
NO_LIMIT = 2

MINUTE = 60 * SECOND


@dataclasses.dataclass
class Answer:
    """What one allocation says."""

    row: Row
    key: tuple[int, int, bytes]
    instance: Instance | None
    units: int
    left: int
    granted: bool = True
    reason: int = OK
    retry: int = 0
    over: bool = False


@dataclasses.dataclass
class Hold:
    """A reservation with one instance, in the period it was booked in."""

    row: Row
    instance: Instance
    start: int
    units: int


class QuotaModel:
    """Allocations, instances, leases, remembered events and alerts."""

    def __init__(self, *, active_max: int, lease_max: int, event_max: int) -> None:
        self.active_max, self.lease_max, self.event_max = active_max, lease_max, event_max
        self.rows: dict[int, Row] = {}
        self.instances: dict[tuple[int, int, bytes], Instance] = {}
        self.leases: dict[int, tuple[int, list[Hold]]] = {}
        self.events: list[tuple[tuple[int, int], dict[str, Any]]] = []
        self.alerts: list[tuple[int, int, int, int, int]] = []  # at, id, percent, used, limit
        self.offset = 0  # of the wall clock
        self.observed = (0, 0)  # errors and p99 of the last minute, by monitoring
        self.late = self.stale = self.closed_refunds = 0

    # -- asking -------------------------------------------------------------------------------
    def applying(self, query: dict[str, Any], only: int | None) -> list[Row]:
        """Rows that apply: the tenant's, the plan's, everybody's; each by place."""
        met = [
            row
            for row in self.rows.values()
            if only in (None, row.id)
            and row.mode != 2
            and row.tenant in (None, query["tenant"])
            and row.plan in (None, query.get("plan"))
            and row.service in (None, query.get("service"))
        ]
        return sorted(met, key=lambda row: (self.which_list(row), row.slot))

    @staticmethod
    def which_list(row: Row) -> int:
        """0 a tenant's, 1 a plan's, 2 everybody's."""
        return 0 if row.tenant is not None else 1 if row.plan is not None else 2

    def wait(self, row: Row, instance: Instance, wall: int, units: int) -> int:
        """Until it fits, trying every boundary in turn; INFINITE after a thousand."""
        if row.reset == NEVER:
            return INFINITE
        later = copy.deepcopy(instance)
        for count in range(1, 1_000):
            assert later.end is not None
            at = later.end
            later.roll(row, at)
            if later.fits(row, units) or (row.reset == ROLLING and count == PARTS + 1):
                return at - wall
        return INFINITE

    def ask_one(self, row: Row, query: dict[str, Any], wall: int) -> Answer:
        key = (row.id, query["tenant"], query.get("user", b"") if row.per_user else b"")
        known = self.instances.get(key)
        now = copy.deepcopy(known) if known is not None else Instance(row, wall)
        now.roll(row, wall)
        units = query["units"][row.type]
        answer = Answer(row, key, known, units, now.left(row))
        if not now.fits(row, units):
            answer.over = row.soft
            # What a denial does not make will have no carry later either.
            carried = row.limit * row.rollover_bp // 10_000 if known is not None else 0
            most = row.limit + carried
            if not row.soft and units > most and units > row.limit + now.carry:
                answer.granted, answer.reason, answer.retry = False, TOO_MUCH, INFINITE
            elif not row.soft:
                answer.granted, answer.reason = False, EXCEEDED
                answer.retry = self.wait(row, now, wall, units)
        if now.guarded(row, wall):
            second = wall // SECOND + 1
            counts = now.seconds.get(wall // SECOND, [0, 0])
            if (row.guard_requests and counts[0] >= row.guard_requests) or (
                row.guard_bytes and counts[1] >= row.guard_bytes
            ):
                second += 1
            if answer.granted:
                answer.granted, answer.reason = False, GUARD
            answer.retry = max(answer.retry, second * SECOND - wall)
        errors, p99 = self.observed
        if 0 < row.guard_errors <= errors or 0 < row.guard_p99 <= p99:
            if answer.granted:
                answer.granted, answer.reason = False, GUARD
            answer.retry = max(answer.retry, MINUTE - (wall - self.offset) % MINUTE)
        return answer

    def ask(self, query: dict[str, Any], wall: int, only: int | None = None) -> list[Answer]:
        answers = [self.ask_one(row, query, wall) for row in self.applying(query, only)]
        mine = {id(answer.instance) for answer in answers}
        room = self.active_max - len(self.instances)
        for key, instance in self.instances.items():
            if id(instance) in mine or instance.reserved:
                continue
            now = copy.deepcopy(instance)
            now.roll(self.rows[key[0]], wall)
            room += now.idle(wall)
        for answer in answers:
            if answer.instance is not None or not answer.granted:
                continue
            if room > 0:
                room -= 1
                continue
            fresh = Instance(answer.row, wall)
            answer.granted, answer.reason = False, TABLE_FULL
            answer.retry = INFINITE if fresh.end is None else fresh.end - wall
        return answers

    def outcome(self, answers: list[Answer]) -> dict[str, Any]:
        """The answers as one: the most restrictive binds and is named."""
        enforced = [answer for answer in answers if answer.row.mode == 0]
        denied = [answer for answer in enforced if not answer.granted]
        by = min(denied, key=lambda answer: (-answer.retry, answer.row.slot), default=None)
        return {
            "granted": not denied,
            "by": by.row.id if by else None,
            "reason": by.reason if by else OK if answers else NO_LIMIT,
            "retry": by.retry if by else 0,
            "left": min((answer.left for answer in enforced), default=None),
            "count": len(answers),
            "over": not denied and any(answer.over for answer in enforced),
            "shadow_denied": sum(not a.granted for a in answers if a.row.mode == 1),
        }

    # -- booking ------------------------------------------------------------------------------
    def take(self, answers: list[Answer], wall: int) -> list[Hold]:
        holds = []
        for answer in answers:
            if not answer.granted:
                continue
            instance = answer.instance
            if instance is None:
                instance = self.instances[answer.key] = Instance(answer.row, wall)
            instance.roll(answer.row, wall)
            instance.reserved += answer.units
            instance.admitted += 1
            instance.guard_count(answer.row, wall, 1, 0)
            holds.append(Hold(answer.row, instance, instance.start, answer.units))
        return holds

    def deny(self, answers: list[Answer]) -> None:
        for answer in answers:
            if not answer.granted and answer.instance is not None:
                answer.instance.denied += 1

    def settle(self, holds: list[Hold], units: list[int], wall: int, now: int) -> None:
        for hold in holds:
            row, instance = hold.row, hold.instance
            if instance.gone:
                self.stale += 1
                continue
            instance.roll(row, wall)
            actual, before = units[row.type], instance.used
            beyond = max(0, actual - hold.units)
            open_step = row.reset == ROLLING and hold.start >= instance.start - PARTS * row.step
            if row.reset == ROLLING:
                instance.reserved -= hold.units
                booked = (hold.start, actual) if open_step else (instance.start, beyond)
                instance.booked.append(booked)
                instance.used = sum(amount for _, amount in instance.booked)
                self.late += not open_step and beyond > 0
            elif hold.start == instance.start:
                instance.reserved -= hold.units
                instance.used += actual
            else:
                instance.used += beyond
                self.late += beyond > 0
            instance.guard_count(row, wall, 0, units[1])
            instance.peak = max(instance.peak, instance.used)
            instance.peak_ever = max(instance.peak_ever, instance.peak)
            if instance.used > before:
                self.alert(row, instance, now)

    def alert(self, row: Row, instance: Instance, now: int) -> None:
        for percent in row.alerts:
            if percent not in instance.fired and instance.used * 100 >= percent * row.limit:
                instance.fired.add(percent)
                self.alerts.append((now, row.id, percent, instance.used, row.limit))
        if 0 not in instance.fired and instance.used > row.limit + instance.carry:
            instance.fired.add(0)
            self.alerts.append((now, row.id, 0, instance.used, row.limit))

    def refund(self, holds: list[Hold], wall: int) -> None:
        for hold in holds:
            row, instance = hold.row, hold.instance
            if instance.gone:
                self.stale += 1
                continue
            instance.roll(row, wall)
            same = hold.start == instance.start
            if row.reset == ROLLING:
                same = instance.span(row, hold.start) == instance.span(row, instance.start)
            if row.reset == ROLLING or same:
                instance.reserved -= hold.units
            instance.admitted = max(0, instance.admitted - same)  # 0 after a manual reset
            self.closed_refunds += not same

    # -- events -------------------------------------------------------------------------------
    def consume(
        self, query: dict[str, Any], wall: int, now: int, only: int | None = None, event: int = 0
    ) -> dict[str, Any]:
        self.tick(wall, now)
        key = (event, query["tenant"])
        answers = self.ask(query, wall, only)
        for seen, first in self.events[-self.event_max :]:
            if event and seen == key:
                return {**first, "duplicate": True}
        outcome = {**self.outcome(answers), "duplicate": False}
        if answers and not any(answer.units for answer in answers):
            return outcome  # nothing asked for is only a look
        if outcome["granted"]:
            self.settle(self.take(answers, wall), query["units"], wall, now)
        self.deny(answers)
        if event:
            self.events.append((key, outcome))
        return outcome

    def reserve(
        self,
        query: dict[str, Any],
        wall: int,
        now: int,
        ttl: int,
        handle: int,
        only: int | None = None,
    ) -> dict[str, Any]:
        answers = self.ask(query, wall, only)
        outcome = self.outcome(answers)
        if outcome["granted"]:
            self.leases[handle] = (now + ttl, self.take(answers, wall))
        self.deny(answers)
        return outcome

    def end_lease(self, handle: int, units: list[int] | None, wall: int, now: int) -> bool:
        self.tick(wall, now)
        if handle not in self.leases:
            return False
        _, holds = self.leases.pop(handle)
        if units is None:
            self.refund(holds, wall)
        else:
            self.settle(holds, units, wall, now)
        return True

    def tick(self, wall: int, now: int) -> None:
        """Expires what is due, each at its own due time; `wall` is the wall clock at `now`."""
        due = sorted((at, handle & 0xFFFFFFFF, handle) for handle, (at, _) in self.leases.items())
        for at, _, handle in due:
            if at <= now:
                self.refund(self.leases.pop(handle)[1], wall - (now - at))

    # -- control ------------------------------------------------------------------------------
    def of(self, row: Row) -> list[Instance]:
        return [instance for key, instance in self.instances.items() if key[0] == row.id]

    def change(
        self, row: Row, wall: int, now: int, *, limit: int | None = None, bp: int | None = None
    ) -> None:
        for instance in self.of(row):
            instance.roll(row, wall)
        row.rollover_bp = row.rollover_bp if bp is None else bp
        if limit is None:
            return
        row.limit = limit
        for instance in self.of(row):
            instance.fired.clear()
            if instance.used:
                self.alert(row, instance, now)

    def reset(self, row: Row, wall: int) -> None:
        for instance in self.of(row):
            instance.roll(row, wall)
            instance.used = instance.carry = instance.admitted = 0
            instance.booked.clear()
            instance.fired.clear()

    def remove(self, row: Row) -> None:
        for key in [key for key in self.instances if key[0] == row.id]:
            self.instances.pop(key).gone = True
        del self.rows[row.id]
