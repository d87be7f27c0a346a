# SPDX-License-Identifier: MIT
"""cost, the obviously correct way: a list of every booking, fractions, and sums over the list.

Nothing is carried, folded or kept apart here: what a tenant spent is the sum of its entries. Only
which pairs have a cell of their own is followed, because tiers and invoice lines go by that.
"""

from __future__ import annotations

import calendar
import dataclasses
import datetime
from collections.abc import Iterator
from fractions import Fraction

NS = 10**9
MINUTE = 60 * NS
DAY = 86_400 * NS
FOREVER = 2**63 - 1
NEVER, DAILY, MONTHLY = 0, 1, 2
DIVISORS = (1, 1024, NS, 1, 1)
METRICS = range(5)
ROOM = Fraction(2**63, 10**9)  # all amounts together, in units
EPOCH = datetime.datetime(1970, 1, 1)


@dataclasses.dataclass(frozen=True)
class Multiplier:
    """Applies when plan, class and minute of the week fit."""

    by: Fraction
    plan: int | None = None
    priority: int | None = None
    ranges: tuple[tuple[int, int], ...] = ()
    offset_minutes: int = 0

    def holds(self, plan: int | None, priority: int, wall: int) -> bool:
        minute = (wall // MINUTE + self.offset_minutes + 3 * 1440) % 10080
        return (
            self.plan in (None, plan)
            and self.priority in (None, priority)
            and (not self.ranges or any(_inside(minute, *pair) for pair in self.ranges))
        )


def _inside(minute: int, start: int, end: int) -> bool:
    return start <= minute < end if start < end else minute >= start or minute < end


@dataclasses.dataclass(frozen=True)
class Book:
    """Prices by metric, multipliers, and (metric, above, price) tiers."""

    prices: tuple[Fraction, ...]
    multipliers: tuple[Multiplier, ...] = ()
    tiers: tuple[tuple[int, int, Fraction], ...] = ()
    measured: frozenset[int] = frozenset()

    def measures(self, metric: int) -> bool:
        return (
            self.prices[metric] != 0
            or metric in self.measured
            or any(tier[0] == metric for tier in self.tiers)
        )

    def pieces(self, metric: int, used: int, units: int) -> Iterator[Fraction]:
        """What units used + 1 ... used + units cost, price by price."""
        bounds = sorted((above, price) for m, above, price in self.tiers if m == metric)
        price, position, end = self.prices[metric], used, used + units
        for above, higher in bounds:
            upto = min(end, above)
            if upto > position:
                yield (upto - position) * price / DIVISORS[metric]
                position = upto
            price = higher
        yield (end - position) * price / DIVISORS[metric]

    def factor(self, plan: int | None, priority: int, wall: int) -> Fraction:
        product = Fraction(1)
        for multiplier in self.multipliers:
            if multiplier.holds(plan, priority, wall):
                product *= multiplier.by
        return product


@dataclasses.dataclass(frozen=True)
class Schedule:
    """When periods end."""

    every: int = MONTHLY
    anchor_day: int = 1
    anchor_ns: int = 0
    offset_minutes: int = 0
    grace: int = 0
    digits: int = 2

    def starts(self, wall: int) -> Iterator[int]:
        """Every start from well before `wall` on, ascending."""
        shift = self.anchor_ns - self.offset_minutes * MINUTE
        if self.every == DAILY:
            day = (wall - shift) // DAY - 2
            while True:
                yield day * DAY + shift
                day += 1
        around = EPOCH + datetime.timedelta(days=wall // DAY - 70)
        year, month = around.year, around.month
        while True:
            day = min(self.anchor_day, calendar.monthrange(year, month)[1])
            yield (datetime.datetime(year, month, day) - EPOCH).days * DAY + shift
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)

    def start_at(self, wall: int) -> int:
        if self.every == NEVER:
            return wall
        last = None
        for start in self.starts(wall):
            if start > wall:
                assert last is not None
                return last
            last = start
        raise AssertionError

    def end_after(self, wall: int) -> int:
        if self.every == NEVER:
            return FOREVER
        return next(start for start in self.starts(wall) if start > wall)


@dataclasses.dataclass
class Entry:
    """One metric of one booking."""

    period: int
    tenant: int | None
    service: int | None
    metric: int
    amount: Fraction
    units: int
    adjustment: bool
    cell: bool


@dataclasses.dataclass
class Alert:
    """One threshold."""

    name: str
    threshold: Fraction
    tenant: int | None
    service: int | None
    fired: bool = False
    spent: Fraction = Fraction(0)  # of a pair


@dataclasses.dataclass
class Span:
    """A closed period."""

    start: int
    end: int
    digits: int
    grace: int


class RangeRefused(Exception):
    """No balance can hold it."""


class Ledger:
    """Every booking there ever was."""

    def __init__(self, *, cells: int, kept: int, events: int) -> None:
        self.room, self.kept, self.event_room = cells, kept, events
        self.entries: list[Entry] = []
        self.books: dict[int, tuple[int, Book]] = {}  # by slot
        self.cells: dict[tuple[int | None, int | None, int, bool], list[bool]] = {}
        self.closed: list[Span] = []
        self.schedule = Schedule()
        self.start = self.end = 0
        self.placed = False
        self.gross = Fraction(0)
        self.owner: dict[int, int] = {}  # slot: handle with an account
        self.events: list[tuple[int, int | None, dict[str, object]]] = []
        self.alerts: list[Alert] = []
        self.notices: list[tuple[str, Fraction, Fraction]] = []
        self.billed: dict[tuple[int | None, int], Fraction] = {}
        self.known: set[int | None] = set()
        self.folded = 0

    # -- periods --------------------------------------------------------------------------------
    @property
    def now(self) -> int:
        return len(self.closed)

    def roll(self, wall: int) -> None:
        while self.placed and wall >= self.end:
            self.close(self.end)
            self.end = self.schedule.end_after(self.end)

    def close(self, at: int) -> None:
        for tenant in self.known:
            exact = self.carried(tenant, self.now) + self.sum(tenant=tenant, period=self.now)
            self.billed[tenant, self.now] = rounded(exact, self.schedule.digits)
        for key, used in list(self.cells.items()):
            if not any(used):
                del self.cells[key]
            else:
                used[:] = [False, used[0]]
        self.closed.append(Span(self.start, at, self.schedule.digits, self.schedule.grace))
        self.start = at
        for alert in self.alerts:
            alert.fired, alert.spent = False, Fraction(0)

    def set_schedule(self, wall: int, schedule: Schedule) -> None:
        self.roll(wall)
        if schedule != self.schedule:
            self.schedule = schedule
            if self.placed:
                self.end = schedule.end_after(max(wall, self.start))

    def can_close(self, wall: int) -> bool:
        return self.placed and (wall >= self.end or wall > self.start)

    def end_now(self, wall: int) -> None:
        self.roll(wall)
        if wall > self.start:
            self.close(wall)

    # -- sums -----------------------------------------------------------------------------------
    def sum(self, **which: object) -> Fraction:
        return sum(
            (
                entry.amount
                for entry in self.entries
                if all(getattr(entry, key) == value for key, value in which.items())
            ),
            Fraction(0),
        )

    def carried(self, tenant: int | None, period: int) -> Fraction:
        """What rounding every invoice before this period left."""
        return sum(
            (
                self.sum(tenant=tenant, period=before) - self.billed.get((tenant, before), 0)
                for before in range(period)
            ),
            Fraction(0),
        )

    def bill(self, tenant: int | None, period: int) -> tuple[Fraction, Fraction]:
        """(exact with what was carried in, rounded)."""
        exact = self.carried(tenant, period) + self.sum(tenant=tenant, period=period)
        if period == self.now:
            return exact, rounded(exact, self.schedule.digits)
        return exact, self.billed.get((tenant, period), Fraction(0))

    def lines(self, tenant: int | None, period: int) -> list[list[Fraction | int]]:
        """[exact, rounded] of every line, in order: cells, folded rests by metric, the carry."""
        digits = self.schedule.digits if period == self.now else self.closed[period].digits
        mine = [e for e in self.entries if e.tenant == tenant and e.period == period]
        groups: dict[tuple[int, ...], list[Fraction | int]] = {}
        for entry in mine:
            key = (
                (0, 2**40 if entry.service is None else entry.service, entry.metric,
                 int(entry.adjustment))
                if entry.cell
                else (1, entry.metric)
            )
            row = groups.setdefault(key, [Fraction(0), 0])
            row[0] += entry.amount
            row[1] += entry.units if entry.cell else 0
        if carry := self.carried(tenant, period):
            groups[(2,)] = [carry, 0]
        rows = [groups[key] for key in sorted(groups) if any(groups[key])]
        total = rounded(sum((Fraction(row[0]) for row in rows), Fraction(0)), digits)
        if period != self.now:
            total = self.billed.get((tenant, period), Fraction(0))
        unit = Fraction(1, 10**digits)
        plain = [rounded(Fraction(row[0]), digits) for row in rows]
        spread = int((total - sum(plain)) / unit)
        sign = -1 if spread < 0 else 1
        order = sorted(range(len(rows)), key=lambda i: (-sign * (rows[i][0] - plain[i]), i))
        for i in order[: abs(spread)]:
            plain[i] += sign * unit
        return [[row[0], value] for row, value in zip(rows, plain, strict=True)]

    # -- booking --------------------------------------------------------------------------------
    def used(self, tenant: int | None, service: int, metric: int) -> int:
        if (tenant, service, metric, False) not in self.cells:
            return 0
        return sum(
            e.units
            for e in self.entries
            if (e.tenant, e.service, e.metric, e.period, e.adjustment, e.cell)
            == (tenant, service, metric, self.now, False, True)
        )

    def price(
        self, wall: int, tenant: int | None, service: int, units: list[int],
        plan: int | None, priority: int,
    ) -> dict[int, Fraction] | None:
        """What it costs by metric, None without a book; RangeRefused when nothing can hold it."""
        handle, book = self.books.get(service & 0xFFFF, (-1, None))
        if book is None or handle != service:
            return None
        factor, gross, out = book.factor(plan, priority, wall), Fraction(0), {}
        past = self.placed and wall >= self.end
        for metric in METRICS:
            if not units[metric] or not book.measures(metric):
                continue
            used = 0 if past else self.used(tenant, service, metric)
            pieces = [piece * factor for piece in book.pieces(metric, used, units[metric])]
            out[metric] = sum(pieces, Fraction(0))
            gross += sum(map(abs, pieces), Fraction(0))
        if self.gross + gross >= ROOM:
            raise RangeRefused
        self.asked_gross = gross
        return out

    def settle(self, wall: int, tenant: int | None, service: int | None) -> None:
        """Time passes and accounts come into being, as every booking makes them."""
        if not self.placed:
            self.placed = True
            self.start, self.end = self.schedule.start_at(wall), self.schedule.end_after(wall)
        self.roll(wall)
        self.known.add(tenant)
        if service is None:
            return
        before = self.owner.get(service & 0xFFFF, service)
        if before != service:
            for entry in self.entries:
                if entry.service == before:
                    entry.service, entry.cell = None, False
            self.cells = {key: used for key, used in self.cells.items() if key[1] != before}
        self.owner[service & 0xFFFF] = service

    def book(
        self, tenant: int | None, service: int | None, amounts: dict[int, Fraction],
        units: list[int], adjustment: bool,
    ) -> None:
        for metric, amount in amounts.items():
            key = (tenant, service, metric, adjustment)
            if key not in self.cells and len(self.cells) < self.room:
                self.cells[key] = [False, False]
            cell = key in self.cells
            self.folded += not cell
            counted = units[metric]
            if cell:
                self.cells[key][0] |= bool(amount) or bool(counted)
            self.entries.append(
                Entry(self.now, tenant, service, metric, amount, counted, adjustment, cell)
            )
        self.gross += self.asked_gross
        for alert in self.alerts:
            if (alert.tenant, alert.service) == (tenant, service) and None not in (tenant, service):
                alert.spent += sum(amounts.values(), Fraction(0))
        self.fire()

    # -- alerts ---------------------------------------------------------------------------------
    def spent(self, alert: Alert) -> Fraction:
        if alert.tenant is not None and alert.service is not None:
            return alert.spent
        which = {
            key: value
            for key, value in (("tenant", alert.tenant), ("service", alert.service))
            if value is not None
        }
        return self.sum(period=self.now, **which)

    def add_alert(self, alert: Alert) -> None:
        alert.spent = sum(
            (
                e.amount
                for e in self.entries
                if (e.tenant, e.service, e.period, e.cell)
                == (alert.tenant, alert.service, self.now, True)
            ),
            Fraction(0),
        )
        self.alerts.append(alert)
        self.fire()

    def fire(self) -> None:
        reached = [
            alert for alert in self.alerts
            if not alert.fired and self.spent(alert) >= alert.threshold
        ]
        for alert in sorted(reached, key=lambda alert: alert.threshold):
            alert.fired = True
            self.notices.append((alert.name, alert.threshold, self.spent(alert)))


def rounded(value: Fraction, digits: int) -> Fraction:
    """Half-even to `digits` decimals."""
    return Fraction(round(value * 10**digits), 10**digits)
