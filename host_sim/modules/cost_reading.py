# SPDX-License-Identifier: MIT
"""cost: the half of CostCollector that only reads."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar, Literal

from host_sim.decision import NONE
from host_sim.errors import ArgumentError, UnknownError, check
from host_sim.modules.base import Module, u64
from host_sim.modules.cost_types import (
    ALL,
    FOREVER_NS,
    NANO,
    BillingEntry,
    BillingLine,
    BillingPeriod,
    BillingSchedule,
    BillingSpan,
    CostAlert,
    CostMetric,
    CostModel,
    CostProjection,
    CostStats,
    CostTotals,
    CostTrends,
    LineKind,
    Money,
    Repriced,
    scaled,
)

DIVISORS = (1, 1024, NANO, 1, 1)
FORMATS = {"csv": "CSV", "json": "JSON", "focus": "FOCUS"}


def money_of(out: Any) -> Money:
    """A ray_money as Money."""
    return Money((int(out.high) << 64) + int(out.low))


def id_of(value: int) -> int | None:
    """A handle, or None for RAY_NONE."""
    return None if value == NONE else int(value)


def handle(value: int | None) -> int:
    """The other way."""
    return NONE if value is None else value


class CostReader(Module):
    """Reading a cost state: alone with one of its own, or a Kernel's."""

    _word: ClassVar[str] = "cost"

    def _expire(self, now: int) -> None:
        self.lib.ray_cost_tick(self._state, now, self._wall_offset_ns)

    def tick(self, now_ns: int) -> int:
        """Closes what ended by `now_ns` and nothing else; returns the instant."""
        return self._pass(now_ns)

    # -- sums -----------------------------------------------------------------------------------
    def _sum(self, tenant: int, service: int, metric: int, back: int, now_ns: int | None) -> Money:
        which = self.ffi.new("ray_cost_which *", [tenant, service, metric, back])
        out = self.ffi.new("ray_money *")
        check(
            self.lib.ray_cost_sum(
                self._state, self._at(now_ns), self.wall_offset_ns, which, out
            ),
            f"cost of tenant {tenant}, service {service}, {back} periods back",
        )
        return money_of(out)

    def get_service_cost(
        self, service_id: int | None, *, period: int | None = 0, now_ns: int | None = None
    ) -> Money:
        """What a service's use cost all tenants together. `period` counts back: 0 the open one, 1
        the one before, None all of them. Raises StaleError for a period older than the last."""
        back = ALL if period is None else period
        return self._sum(ALL, handle(service_id), ALL, back, now_ns)

    def get_tenant_cost(
        self,
        tenant_id: int | None,
        *,
        service_id: int | None = None,
        period: int | None = 0,
        now_ns: int | None = None,
    ) -> Money:
        """What a tenant spent, on one service when it is named; None is nobody in particular.
        Periods as in `get_service_cost`, as far back as they are kept. Raises StaleError."""
        back = ALL if period is None else period
        service = ALL if service_id is None else service_id
        return self._sum(handle(tenant_id), service, ALL, back, now_ns)

    def get_cost_breakdown(
        self,
        *,
        tenant_id: int | None = ALL,
        service_id: int | None = ALL,
        period: int = 0,
        now_ns: int | None = None,
    ) -> Mapping[CostMetric, Money]:
        """The cost by metric: of all, of a tenant, of a service (open period), or of the two
        together."""
        return {
            metric: self._sum(handle(tenant_id), handle(service_id), metric, period, now_ns)
            for metric in CostMetric
        }

    def totals(self) -> CostTotals:
        """Conservation: sum over tenants = over services = over metrics = grand total."""
        out = self.ffi.new("ray_cost_totals *")
        self.lib.ray_cost_totals_read(self._state, out)
        names = ("tenants", "services", "metrics", "grand", "gross")
        return CostTotals(*(money_of(getattr(out, name)) for name in names))

    # -- invoices -------------------------------------------------------------------------------
    def _bill(self, tenant_id: int | None, period: int, now_ns: int | None) -> Any:
        out = self.ffi.new("ray_cost_bill *")
        check(
            self.lib.ray_cost_bill_read(
                self._state,
                self._at(now_ns),
                self.wall_offset_ns,
                handle(tenant_id),
                period,
                out,
            ),
            f"invoice of tenant {tenant_id}, {period} periods back",
        )
        return out

    def calculate_bill(
        self, tenant_id: int | None, *, period: int = 0, now_ns: int | None = None
    ) -> BillingEntry:
        """A tenant's invoice: of a closed period, or with period 0 a draft of the open one. Raises
        UnknownError for a period that never was, StaleError for one no longer kept."""
        bill = self._bill(tenant_id, period, now_ns)
        return BillingEntry(
            tenant_id=tenant_id,
            period=_span_of(bill.period),
            total_cost=money_of(bill.total),
            metrics={metric: money_of(bill.metric[metric]) for metric in CostMetric},
            invoice_ready=bool(bill.period.ready),
            billed_nano=int(bill.billed_nano),
            carried=money_of(bill.carried),
            lines=tuple(self._lines(bill)),
        )

    def _lines(self, bill: Any) -> list[BillingLine]:
        line, found = self.ffi.new("ray_cost_line *"), []
        while self.lib.ray_cost_line_next(self._state, bill, line):
            metric = None if line.metric == ALL else CostMetric(line.metric)
            found.append(
                BillingLine(
                    kind=LineKind(line.kind),
                    service_id=id_of(line.service),
                    metric=metric,
                    units=int(line.units),
                    amount=money_of(line.amount),
                    billed_nano=int(line.billed_nano),
                    folded=bool(line.folded),
                )
            )
        return found

    def export_bill(
        self,
        tenant_id: int | None,
        format: Literal["csv", "json", "focus"] = "csv",
        *,
        period: int = 0,
        now_ns: int | None = None,
    ) -> str:
        """The invoice as CSV, JSON, or CSV in the shape of FOCUS 1.0; the same state gives the same
        bytes. On a Kernel tenants and services stand by name, else by id."""
        if format not in FORMATS:
            raise ArgumentError(f"the formats are csv, json and focus, not {format!r}")
        number = getattr(self.lib, f"RAY_BILL_{FORMATS[format]}")
        bill = self._bill(tenant_id, period, now_ns)

        def write(text: Any) -> Any:
            if self.kernel is not None:
                return self.lib.ray_bill_export(self.kernel.ray, bill, number, text)
            return self.lib.ray_cost_export(self._state, bill, number, self.ffi.NULL, text)

        return self._written(write, f"export of tenant {tenant_id}")

    def get_billing_schedule(self) -> BillingSchedule:
        """When periods close, and how invoices round."""
        out = self.ffi.new("ray_billing_spec *")
        self.lib.ray_cost_billing_read(self._state, out)
        return BillingSchedule(
            period=BillingPeriod(out.every),
            anchor=int(out.anchor_day),
            invoice_generation=int(out.grace_ns),
            anchor_ns=int(out.anchor_ns),
            utc_offset_minutes=int(out.utc_offset_minutes),
            digits=int(out.digits),
            currency=self._text(out.currency),
        )

    def get_cost_trends(
        self, tenant_id: int | None = ALL, *, now_ns: int | None = None
    ) -> CostTrends:
        """The closed periods of a tenant, or of all together, and their slope."""
        out, span = self.ffi.new("ray_cost_trend *"), self.ffi.new("ray_cost_period *")
        now, offset = self._at(now_ns), self.wall_offset_ns
        check(
            self.lib.ray_cost_trend_read(self._state, now, offset, handle(tenant_id), out),
            f"trend of tenant {tenant_id}",
        )
        periods = []
        for back in range(out.count, 0, -1):
            check(self.lib.ray_cost_period_read(self._state, now, offset, back, span), "period")
            spent = self._sum(handle(tenant_id), ALL, ALL, back, now_ns)
            periods.append((_span_of(span), spent))
        return CostTrends(
            periods=tuple(periods),
            folded=money_of(out.folded),
            folded_count=int(out.folded_count),
            slope_nano=int(out.slope_nano) if out.slope_known else None,
        )

    def project_cost(
        self, tenant_id: int | None = ALL, *, now_ns: int | None = None
    ) -> CostProjection:
        """What the open period will cost at its rate so far; unknown while nothing has elapsed."""
        out = self.ffi.new("ray_cost_projection *")
        check(
            self.lib.ray_cost_project(
                self._state, self._at(now_ns), self.wall_offset_ns, handle(tenant_id), out
            ),
            f"projection of tenant {tenant_id}",
        )
        return CostProjection(
            projected_nano=int(out.nano) if out.known else None,
            spent_nano=int(out.spent_nano),
            elapsed_ns=int(out.elapsed_ns),
            length_ns=int(out.length_ns),
        )

    # -- alerts and counters --------------------------------------------------------------------
    def get_cost_alerts(self, *, unacknowledged: bool = False) -> tuple[CostAlert, ...]:
        """Thresholds that were reached, oldest first, as far back as the ring goes."""
        stats, out, found = self.stats(), self.ffi.new("ray_cost_notice *"), []
        for notice in range(stats.notice_overwritten_count + 1, stats.notice_count + 1):
            check(self.lib.ray_cost_notice_read(self._state, notice, out), f"alert {notice}")
            if unacknowledged and out.acknowledged:
                continue
            alert = out.alert
            found.append(
                CostAlert(
                    id=int(out.id),
                    name=self._text(alert.name),
                    at_ns=int(out.at_ns),
                    spent_nano=int(out.spent_nano),
                    threshold_nano=int(alert.threshold_nano),
                    percent=Fraction(alert.ppm, 10_000) if alert.ppm else None,
                    tenant_id=id_of(alert.tenant),
                    service_id=id_of(alert.service),
                    period_start=int(out.period_unix_ns),
                    acknowledged=bool(out.acknowledged),
                )
            )
        return tuple(found)

    def stats(self) -> CostStats:
        """The module's counters."""
        return self._counters(CostStats)

    def due(self) -> int | None:
        """When the open period ends, on the scale of `now_ns`; None when nothing is due."""
        at = int(self.lib.ray_cost_due(self._state, self.wall_offset_ns))
        return None if at == u64(0xFFFFFFFFFFFFFFFF, "never") else at

    # -- what if --------------------------------------------------------------------------------
    def reprice(
        self, books: Mapping[int, CostModel], *, now_ns: int | None = None
    ) -> tuple[Repriced, ...]:
        """Every tenant's open period by other price books, from the units that were kept.

        A service missing from `books` costs nothing. Exact where every multiplier holds always and
        every unit has a cell of its own; multipliers with a condition are left out and say so."""
        found = []
        for tenant_id in [*range(self.lib.RAY_TENANT_MAX), None]:
            try:
                entry = self.calculate_bill(tenant_id, now_ns=now_ns)
            except UnknownError:
                return ()
            usage = [line for line in entry.lines if line.kind is LineKind.USAGE]
            if not usage:
                continue
            after, exact = Fraction(0), True
            for line in usage:
                worth, sure = _worth(line, books)
                after, exact = after + worth, exact and sure
            before = Money(sum(line.amount.grains for line in usage))
            found.append(Repriced(tenant_id, before, after, exact))
        return tuple(found)


def _worth(line: BillingLine, books: Mapping[int, CostModel]) -> tuple[Fraction, bool]:
    """What a usage line's units cost by `books`, and whether that is certain."""
    if line.folded or line.service_id is None or line.metric is None:
        return line.amount.exact, False
    book = books.get(line.service_id)
    if book is None:
        return Fraction(0), True
    price, used, worth = Fraction(book.prices()[line.metric]), 0, Fraction(0)
    for tier in sorted((t for t in book.tiers if t.metric is line.metric), key=lambda t: t.above):
        part = max(0, min(line.units, tier.above) - used)
        worth, used, price = worth + part * price, used + part, Fraction(tier.price)
    worth = (worth + (line.units - used) * price) / DIVISORS[line.metric]
    always = [m for m in book.multipliers if (m.plan_id, m.priority, m.time) == (None, None, None)]
    for multiplier in always:
        worth *= Fraction(scaled(multiplier.by, 10_000, "by"), 10_000)
    return worth, len(always) == len(book.multipliers)


def _span_of(out: Any) -> BillingSpan:
    end, ready = int(out.end_unix_ns), int(out.ready_unix_ns)
    return BillingSpan(
        back=int(out.back),
        start_ns=int(out.start_unix_ns),
        end_ns=None if end == FOREVER_NS else end,
        ready_ns=None if ready == FOREVER_NS else ready,
    )


