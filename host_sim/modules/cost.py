# SPDX-License-Identifier: MIT
"""cost: what a service's use is worth, whose it was, and the invoice at the end of the period.

Money is exact: prices are decimals to 10^-12 units, amounts whole grains of 1/(8 * 10^18) of
10^-9 units, and nothing is rounded before an invoice. Rules: SEMANTICS.md, "cost"; the C core
behind it: ray/cost.h.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from host_sim.config.units import UnitError
from host_sim.config.week import parse_week
from host_sim.decision import NONE
from host_sim.errors import ArgumentError, RangeError, check
from host_sim.modules.base import u64
from host_sim.modules.cost_reading import CostReader, handle, money_of
from host_sim.modules.cost_types import (
    ALL,
    NANO,
    PICO,
    Amount,
    BillingEntry,
    BillingLine,
    BillingPeriod,
    BillingSchedule,
    BillingSpan,
    CostAlert,
    CostAttribution,
    CostMetric,
    CostModel,
    CostMultiplier,
    CostProjection,
    CostStats,
    CostTier,
    CostTotals,
    CostTrends,
    LineKind,
    Money,
    Repriced,
    scaled,
)

__all__ = [
    "ALL", "BillingEntry", "BillingLine", "BillingPeriod", "BillingSchedule", "BillingSpan",
    "CostAlert", "CostAttribution", "CostCollector", "CostMetric", "CostModel", "CostMultiplier",
    "CostProjection", "CostStats", "CostTier", "CostTotals", "CostTrends", "LineKind", "Money",
    "Repriced",
]  # fmt: skip

I64_MAX = 2**63 - 1
CLASS_DEFAULT = 255


class CostCollector(CostReader):
    """512 cells of (tenant, service, metric) in profile seed; tenants and services have accounts of
    their own, so a full table loses detail and never money.

    Alone it owns a state of its own whose periods are monthly, seeded by 16 bytes; with `kernel` it
    works on that Kernel's, and every control call is audited there. Time is `now_ns`, nanoseconds
    that never run backwards; the wall clock is now + `wall_offset_ns`.
    """

    def _init(self, seed: bytes) -> None:
        super()._init(seed)
        self._schedule(BillingSchedule())

    # -- control --------------------------------------------------------------------------------
    def define_cost_model(
        self, service_id: int, model: CostModel, *, now_ns: int | None = None
    ) -> None:
        """Sets or replaces the price book of a service, from here on.

        Raises ArgumentError for a negative price other than per_hit and for tiers out of order,
        RangeError for what no amount can hold, RateError for multipliers that meet and are too fine
        together to be held exactly, FullError when the tables are full, UnknownError."""
        now = self._pass(now_ns)
        spec = self.ffi.new("ray_cost_spec *")
        names = ("base_cost", "per_kilobyte", "per_second", "per_access", "per_hit")
        prices = [
            _signed(scaled(price, PICO, name), name)
            for name, price in zip(names, model.prices(), strict=True)
        ]
        measured = sum(1 << metric for metric in set(model.measured))
        self._fill(spec, {"price_pico": prices, "service": service_id, "measured": measured})
        terms, _keep = self._terms(model)
        before = self.stats().book_count
        check(self.lib.ray_cost_define(self._state, spec, terms), f"prices of {service_id}")
        self._edited("SET", "SERVICE", service_id, before, self.stats().book_count)
        del now

    def _terms(self, model: CostModel) -> tuple[Any, Any]:
        rows = self.ffi.new("ray_cost_multiplier_spec[]", max(1, len(model.multipliers)))
        for row, multiplier in zip(rows, model.multipliers, strict=False):
            self._multiplier(row, multiplier)
        tiers = self.ffi.new("ray_cost_tier_spec[]", max(1, len(model.tiers)))
        for row, tier in zip(tiers, model.tiers, strict=False):
            price = _signed(scaled(tier.price, PICO, "tier price"), "tier price")
            fields = {"above_units": u64(tier.above, "above"), "price_pico": price}
            self._fill(row, {**fields, "metric": int(tier.metric)})
        counts = (len(model.multipliers), len(model.tiers))
        terms = self.ffi.new("ray_cost_terms *", [rows, tiers, *counts])
        return terms, (rows, tiers)

    def _multiplier(self, row: Any, multiplier: CostMultiplier) -> None:
        by = scaled(multiplier.by, 10_000, "by")
        if not 0 <= by <= self.lib.RAY_COST_BY_MAX:
            raise RangeError(f"a multiplier is 0 to 100, not {multiplier.by}")
        try:
            ranges = parse_week(multiplier.time) if multiplier.time is not None else []
        except UnitError as error:
            raise ArgumentError(error.message) from error
        if len(ranges) > self.lib.RAY_COST_RANGE_MAX:
            raise ArgumentError(f"at most {self.lib.RAY_COST_RANGE_MAX} ranges of a week")
        for place, (start, end) in enumerate(ranges):
            getattr(row, "from")[place], row.to[place] = start, end
        priority = CLASS_DEFAULT if multiplier.priority is None else multiplier.priority
        self._fill(
            row,
            {
                "by_bp": by,
                "plan": handle(multiplier.plan_id),
                "utc_offset_minutes": multiplier.utc_offset_minutes,
                "priority": priority,
                "range_count": len(ranges),
            },
        )

    def remove_cost_model(self, service_id: int, *, now_ns: int | None = None) -> None:
        """The service's traffic is free from here on; what was charged stays. UnknownError."""
        self._pass(now_ns)
        check(self.lib.ray_cost_remove(self._state, service_id), f"prices of {service_id}")
        self._edited("REMOVE", "SERVICE", service_id, 1, 0)

    def _schedule(self, schedule: BillingSchedule, now_ns: int | None = None) -> None:
        spec = self.ffi.new("ray_billing_spec *")
        self._set_name(spec.currency, schedule.currency, "currency")
        monthly = schedule.period is BillingPeriod.MONTHLY
        self._fill(
            spec,
            {
                "grace_ns": u64(schedule.invoice_generation, "invoice_generation"),
                "anchor_ns": schedule.anchor_ns,
                "anchor_day": schedule.anchor if monthly else 0,
                "utc_offset_minutes": schedule.utc_offset_minutes,
                "every": int(schedule.period),
                "digits": schedule.digits,
            },
        )
        check(
            self.lib.ray_cost_schedule(
                self._state, self._at(now_ns), self.wall_offset_ns, spec
            ),
            f"billing {schedule}",
        )

    def set_billing_schedule(
        self, schedule: BillingSchedule, *, now_ns: int | None = None
    ) -> None:
        """Sets when periods close. Moves the end of the open period; nothing is closed but what had
        ended. Raises RangeError, ArgumentError."""
        before = self.get_billing_schedule().period
        self._pass(now_ns)
        self._schedule(schedule, now_ns)
        self._edited("SET", "NONE", NONE, int(before), int(schedule.period))

    def reset_cost_window(self, *, now_ns: int | None = None) -> None:
        """Moves to the next billing period: the open one ends now, its entries are immutable from
        here on. Raises StateError when it has no length yet."""
        now = self._pass(now_ns)
        check(
            self.lib.ray_cost_close(self._state, now, self.wall_offset_ns), "close the period"
        )
        self._edited("RESET", "NONE", NONE, 0, self.stats().closed_count)

    def set_cost_alert(
        self,
        name: str,
        *,
        threshold: Amount | None = None,
        percent: Amount | None = None,
        of: Amount | None = None,
        tenant_id: int | None = None,
        service_id: int | None = None,
        now_ns: int | None = None,
    ) -> None:
        """Alerts once a period when what is spent reaches `threshold` units, or `percent` of `of`.

        Of one tenant, one service, both, or all together. What is spent already fires at once.
        Raises ArgumentError, RangeError, ExistsError (same name and threshold), FullError."""
        if (threshold is None) == (percent is None) or (percent is None) != (of is None):
            raise ArgumentError("say a threshold, or a percent and what it is of")
        spec = self.ffi.new("ray_cost_alert_spec *")
        self._set_name(spec.name, name, "alert")
        ppm, of_nano = 0, 0
        if percent is not None and of is not None:
            ppm, of_nano = scaled(percent, 10_000, "percent"), scaled(of, NANO, "of")
            threshold = str(Fraction(of_nano * ppm, 1_000_000 * NANO))
        assert threshold is not None
        nano = scaled(threshold, NANO, "threshold")
        self._fill(
            spec,
            {
                "threshold_nano": _signed(nano, "threshold"),
                "of_nano": _signed(of_nano, "of"),
                "ppm": ppm,
                "tenant": handle(tenant_id),
                "service": handle(service_id),
            },
        )
        now = self._pass(now_ns)
        check(self.lib.ray_cost_alert_add(self._state, now, spec), f"alert {name}")
        self._edited("ADD", "NONE", NONE, 0, nano)

    def remove_cost_alert(self, name: str, *, now_ns: int | None = None) -> None:
        """Removes every threshold of that name. Raises UnknownError."""
        raw = name.encode("utf-8", "replace")
        self._pass(now_ns)
        check(self.lib.ray_cost_alert_remove(self._state, raw, len(raw)), f"alert {name!r}")
        self._edited("REMOVE", "NONE", NONE, 0, 0)

    def acknowledge_alert(self, alert_id: int) -> None:
        """Marks an alert as seen. UnknownError for one not raised, StaleError for one gone."""
        check(
            self.lib.ray_cost_notice_acknowledge(self._state, u64(alert_id, "alert")),
            f"alert {alert_id}",
        )

    # -- charging -------------------------------------------------------------------------------
    def _query(self, units: tuple[int, ...], **who: int | None) -> dict[str, Any]:
        words = ("requests", "bytes", "compute_ns", "accesses", "hits")
        return {
            "units": [u64(value, word) for value, word in zip(units, words, strict=True)],
            "wall_offset_ns": self.wall_offset_ns,
            **{key: handle(value) for key, value in who.items()},
        }

    def attribute_cost(
        self,
        service_id: int,
        *,
        tenant_id: int | None = None,
        requests: int = 1,
        bytes: int = 0,
        compute_ns: int = 0,
        accesses: int = 0,
        hits: int = 0,
        plan_id: int | None = None,
        priority: int = 2,
        event_id: int = 0,
        event_unix_ns: int = 0,
        now_ns: int | None = None,
    ) -> CostAttribution:
        """Records what one use cost, exactly, in the open period.

        An `event_id` other than 0 is charged once among the last RAY_COST_EVENT_MAX of them: a
        duplicate answers the first outcome. `event_unix_ns` before the open period makes it an
        adjustment. Raises RangeError when no balance can hold it (counted, nothing else changes),
        UnknownError."""
        event = self.ffi.new("ray_cost_event *")
        self._fill(
            event.query,
            self._query(
                (requests, bytes, compute_ns, accesses, hits),
                tenant=tenant_id,
                service=service_id,
                plan=plan_id,
                priority=priority,
            ),
        )
        event.id, event.unix_ns = u64(event_id, "event_id"), u64(event_unix_ns, "event_unix_ns")
        now, out = self._pass(now_ns), self.ffi.new("ray_cost_outcome *")
        check(
            self.lib.ray_cost_record(self._state, now, event, out),
            f"cost of {requests} requests, {bytes} bytes, {compute_ns} ns",
        )
        return CostAttribution(
            service_id=service_id,
            tenant_id=tenant_id,
            cost_amount=money_of(out.total),
            timestamp=event_unix_ns or now + self.wall_offset_ns,
            metric_breakdown={m: money_of(out.amount[m]) for m in CostMetric},
            charged_nano=int(out.nano),
            priced=bool(out.priced),
            duplicate=bool(out.flags & self.lib.RAY_COST_DUPLICATE),
            late=bool(out.flags & self.lib.RAY_COST_LATE),
        )

    def quote_cost(
        self,
        service_id: int,
        *,
        tenant_id: int | None = None,
        requests: int = 1,
        bytes: int = 0,
        compute_ns: int = 0,
        accesses: int = 0,
        hits: int = 0,
        plan_id: int | None = None,
        priority: int = 2,
        now_ns: int | None = None,
    ) -> int | None:
        """What that would cost now, in 10^-9 units rounded up, changing no byte; None for a service
        without prices. Raises RangeError, UnknownError."""
        query = self.ffi.new("ray_cost_query *")
        units = (requests, bytes, compute_ns, accesses, hits)
        who = {"tenant": tenant_id, "service": service_id, "plan": plan_id, "priority": priority}
        self._fill(query, self._query(units, **who))
        out = self.ffi.new("ray_cost_quote *")
        check(
            self.lib.ray_cost_ask(self._state, self._at(now_ns), query, out),
            f"quote for service {service_id}",
        )
        return int(out.nano) if out.priced else None

    def adjust_cost(
        self,
        tenant_id: int | None,
        amount: Amount,
        *,
        service_id: int | None = None,
        metric: CostMetric = CostMetric.REQUEST_COUNT,
        now_ns: int | None = None,
    ) -> None:
        """A refund or credit (negative) or a supplement, in its own line of the open period. Raises
        RangeError, UnknownError."""
        nano = _signed(scaled(amount, NANO, "amount"), "amount")
        now = self._pass(now_ns)
        check(
            self.lib.ray_cost_adjust(
                self._state,
                now,
                self.wall_offset_ns,
                handle(tenant_id),
                handle(service_id),
                metric,
                nano,
            ),
            f"adjust tenant {tenant_id} by {amount}",
        )
        self._edited("CONSUME", "NONE", handle(tenant_id), 0, nano & 0xFFFFFFFFFFFFFFFF)


def _signed(value: int, what: str) -> int:
    if not -I64_MAX <= value <= I64_MAX:
        raise RangeError(f"{what} does not fit")
    return value
