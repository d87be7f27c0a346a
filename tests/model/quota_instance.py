# SPDX-License-Identifier: MIT
"""quota's model, the lower half: calendars from datetime, and one instance, period by period."""

from __future__ import annotations

import dataclasses
import datetime

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
EPOCH = datetime.date(1970, 1, 1)
PARTS = 12
NEVER, FIXED, ROLLING, DAILY, WEEKLY, MONTHLY = range(6)
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
    guard_errors: int = 0
    guard_p99: int = 0
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
        return bool(
            (row.guard_requests and requests >= row.guard_requests)
            or (row.guard_bytes and size >= row.guard_bytes)
        )

    def guard_count(self, row: Row, wall: int, requests: int, size: int) -> None:
        if row.guard_requests or row.guard_bytes:
            counts = self.seconds.setdefault(wall // SECOND, [0, 0])
            counts[0] += requests
            counts[1] += size

    def idle(self, wall: int) -> bool:
        """Carries no information: may go when the table is full."""
        recent = [self.seconds.get(wall // SECOND - n, [0, 0]) for n in (0, 1)]
        return not (
            self.used
            or self.reserved
            or self.carry
            or self.peak
            or self.admitted
            or any(any(counts) for counts in recent)
        )
