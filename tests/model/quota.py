# SPDX-License-Identifier: MIT
"""quota, the obviously correct way: Python integers, calendars from datetime, one period at a time.

Nothing is lazy and nothing is clever here: periods close one by one, a rolling window is a list of
what was booked, guards are a table of seconds. What the C core answers must be what this answers.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime
from typing import Any

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
EPOCH = datetime.date(1970, 1, 1)
PARTS = 12
NEVER, FIXED, ROLLING, DAILY, WEEKLY, MONTHLY = range(6)
OK, EXCEEDED, TOO_MUCH, GUARD, TABLE_FULL = 1, 300, 301, 302, 303
NO_LIMIT = 2
INFINITE = 2**64 - 1


@dataclasses.dataclass
class Row:
    """One allocation, in the words of ray_quota_spec."""

    id: int
    limit: int
    type: int = 0
    reset: int = NEVER
    period: int = 0
    anchor: int = 0
    anchor_day: int = 0
    offset_minutes: int = 0
    tenant: int | None = None
    plan: int | None = None
    service: int | None = None
    rollover_bp: int = 0
    soft: bool = False
    mode: int = 0
    per_user: bool = False
    carry_overage: bool = False
    alerts: tuple[int, ...] = (80, 95, 100)
    guard_requests: int = 0
    guard_bytes: int = 0
    born: int = 0

    @property
    def slot(self) -> int:
        return self.id & 0xFFFF

    @property
    def step(self) -> int:
        return -(-self.period // PARTS)


def date_ns(date: datetime.date, row: Row) -> int:
    """The instant at which a period that begins on `date` begins."""
    return (date - EPOCH).days * DAY + row.anchor - row.offset_minutes * 60 * SECOND


def clamped(year: int, month: int, day: int) -> datetime.date:
    """`day` of a month, or the month's last."""
    following = datetime.date(year + month // 12, month % 12 + 1, 1)
    return datetime.date(year, month, min(day, (following - datetime.timedelta(1)).day))


def bounds(row: Row, wall: int) -> tuple[int, int]:
    """The half-open period, or the step of a rolling window, that holds `wall`."""
    if row.reset in (FIXED, ROLLING):
        length = row.period if row.reset == FIXED else row.step
        start = wall - (wall - row.anchor) % length
        return start, start + length
    local = wall + row.offset_minutes * 60 * SECOND
    today = EPOCH + datetime.timedelta(local // DAY)
    starts = [today + datetime.timedelta(n) for n in range(-8, 9)]
    if row.reset == WEEKLY:
        starts = [date for date in starts if date.isoweekday() == row.anchor_day]
    if row.reset == MONTHLY:
        months = [divmod(today.year * 12 + today.month - 1 + n, 12) for n in range(-2, 3)]
        starts = [clamped(year, month + 1, row.anchor_day) for year, month in months]
    instants = [date_ns(date, row) for date in starts]
    return (max(ns for ns in instants if ns <= wall), min(ns for ns in instants if ns > wall))


class Instance:
    """What one (allocation, tenant, user) has used."""

    def __init__(self, row: Row, wall: int) -> None:
        self.used = self.reserved = self.carry = 0
        self.peak = self.peak_ever = self.closed = self.admitted = self.denied = 0
        self.fired: set[int] = set()
        self.booked: list[tuple[int, int]] = []  # rolling: (start of step, units)
        self.seconds: dict[int, list[int]] = {}  # guards: second -> [requests, bytes]
        self.gone = False
        self.end: int | None
        self.start, self.end = min(row.born, wall), None
        if row.reset != NEVER:
            self.start, self.end = bounds(row, wall)

    def span(self, row: Row, start: int) -> int:
        """Which run of PARTS steps a step belongs to."""
        return ((start - row.anchor % row.step) // row.step) // PARTS

    def begin(self) -> None:
        """Alerts, peak and count of a new period or span."""
        self.peak, self.admitted = self.used, 0
        self.fired.clear()

    def close(self, row: Row) -> None:
        """One calendar period ends; what is still reserved counts as used."""
        used = self.used + self.reserved
        unused = max(0, row.limit - max(0, used - self.carry))
        debt = max(0, used - row.limit - self.carry) if row.carry_overage else 0
        self.peak_ever = max(self.peak_ever, used)
        self.carry = min(unused, row.limit * row.rollover_bp // 10_000)
        self.used, self.reserved, self.closed = debt, 0, used
        self.begin()

    def step(self, row: Row, start: int) -> None:
        """A rolling window moves on to the step that begins at `start`."""
        oldest = start - PARTS * row.step
        self.booked = [(at, units) for at, units in self.booked if at >= oldest]
        self.used = sum(units for _, units in self.booked)
        if self.span(row, start) != self.span(row, start - row.step):
            self.closed = self.peak
            self.begin()

    def roll(self, row: Row, wall: int) -> None:
        """Ends every period that ended by `wall`, one after the other."""
        while self.end is not None and wall >= self.end:
            start = self.end
            if row.reset == ROLLING:
                self.step(row, start)
            else:
                self.close(row)
            self.start, self.end = bounds(row, start)

    def left(self, row: Row) -> int:
        return max(0, row.limit + self.carry - self.used - self.reserved)

    def fits(self, row: Row, units: int) -> bool:
        return self.used + self.reserved + units <= row.limit + self.carry

    def last_second(self, wall: int) -> list[int]:
        return self.seconds.get(wall // SECOND - 1, [0, 0])

    def guarded(self, row: Row, wall: int) -> bool:
        requests, size = self.last_second(wall)
        return bool((row.guard_requests and requests >= row.guard_requests)
                    or (row.guard_bytes and size >= row.guard_bytes))

    def guard_count(self, row: Row, wall: int, requests: int, size: int) -> None:
        if row.guard_requests or row.guard_bytes:
            counts = self.seconds.setdefault(wall // SECOND, [0, 0])
            counts[0] += requests
            counts[1] += size

    def idle(self, wall: int) -> bool:
        """Carries no information: may go when the table is full."""
        recent = [self.seconds.get(wall // SECOND - n, [0, 0]) for n in (0, 1)]
        return not (self.used or self.reserved or self.carry or self.peak or self.admitted
                    or any(any(counts) for counts in recent))


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
        self.late = self.stale = self.closed_refunds = 0

    # -- asking -------------------------------------------------------------------------------
    def applying(self, query: dict[str, Any], only: int | None) -> list[Row]:
        """Rows that apply: the tenant's, the plan's, everybody's; each by place."""
        met = [row for row in self.rows.values()
               if only in (None, row.id) and row.mode != 2
               and row.tenant in (None, query["tenant"])
               and row.plan in (None, query.get("plan"))
               and row.service in (None, query.get("service"))]
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
            if ((row.guard_requests and counts[0] >= row.guard_requests)
                    or (row.guard_bytes and counts[1] >= row.guard_bytes)):
                second += 1
            if answer.granted:
                answer.granted, answer.reason = False, GUARD
            answer.retry = max(answer.retry, second * SECOND - wall)
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
    def consume(self, query: dict[str, Any], wall: int, now: int, only: int | None = None,
                event: int = 0) -> dict[str, Any]:
        self.tick(wall, now)
        key = (event, query["tenant"])
        answers = self.ask(query, wall, only)
        for seen, first in self.events[-self.event_max:]:
            if event and seen == key:
                return {**first, "duplicate": True}
        outcome = {**self.outcome(answers), "duplicate": False}
        if outcome["granted"]:
            self.settle(self.take(answers, wall), query["units"], wall, now)
        self.deny(answers)
        if event:
            self.events.append((key, outcome))
        return outcome

    def reserve(self, query: dict[str, Any], wall: int, now: int, ttl: int, handle: int,
                only: int | None = None) -> dict[str, Any]:
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
        self, row: Row, wall: int, *, limit: int | None = None, bp: int | None = None
    ) -> None:
        for instance in self.of(row):
            instance.roll(row, wall)
            if limit is not None:
                instance.fired.clear()
        row.limit = row.limit if limit is None else limit
        row.rollover_bp = row.rollover_bp if bp is None else bp

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
