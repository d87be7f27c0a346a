# SPDX-License-Identifier: MIT
"""cost: the C core and a list of bookings in fractions agree on every amount and every invoice."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from host_sim.config.week import parse_week
from host_sim.errors import (
    ExistsError,
    FullError,
    RangeError,
    RaygateError,
    StateError,
    UnknownError,
)
from host_sim.modules.cost import (
    BillingPeriod,
    BillingSchedule,
    CostCollector,
    CostMetric,
    CostModel,
    CostMultiplier,
    CostTier,
)
from tests.model import cost as model

S = model.NS
DAY = model.DAY
START = 1_767_225_600 * S  # 2026-01-01, a Thursday
TENANTS: list[int | None] = [0, 1, 2, 3, None]
LIVE = 1 | 1 << 16  # a service made live at the slot of service 1
SERVICES = [0, 1, 2, LIVE]
PRICES = ["0", "0.0004", "0.000000000001", "0.333333333333", "7", "1000000"]
TIMES = [None, "Sat-Sun", "22:00-06:00", "Thu 00:00-00:01"]

prices = st.sampled_from(PRICES)
multipliers = st.builds(
    CostMultiplier,
    by=st.sampled_from(["0.8", "1.25", "0", "1", "2.5", "0.3333"]),
    plan_id=st.sampled_from([None, 0, 1]),
    priority=st.sampled_from([None, 0, 2]),
    time=st.sampled_from(TIMES),
    utc_offset_minutes=st.sampled_from([0, 330, -720]),
)
tiers = st.builds(
    CostTier,
    metric=st.sampled_from(list(CostMetric)),
    above=st.sampled_from([1, 2, 3, 10, 1000, 1024, 5 * S]),
    price=prices,
)


@st.composite
def models(draw: st.DrawFn) -> CostModel:
    rows = draw(st.lists(tiers, max_size=3, unique_by=lambda row: (row.metric, row.above)))
    hit = draw(st.sampled_from(["0", "-0.0001", "-3", "0.5"]))
    return CostModel(
        base_cost=draw(prices), per_kilobyte=draw(prices), per_second=draw(prices),
        per_access=draw(prices), per_hit=hit,
        multipliers=tuple(draw(st.lists(multipliers, max_size=2))),
        tiers=tuple(sorted(rows, key=lambda row: (row.metric, row.above))),
        measured=draw(st.sampled_from([(), (CostMetric.BYTES_PROCESSED,)])),
    )


def book_of(said: CostModel) -> model.Book:
    return model.Book(
        prices=tuple(Fraction(price) for price in said.prices()),
        multipliers=tuple(
            model.Multiplier(
                Fraction(row.by), row.plan_id, row.priority,
                tuple(parse_week(row.time)) if row.time else (), row.utc_offset_minutes,
            )
            for row in said.multipliers
        ),
        tiers=tuple((int(row.metric), row.above, Fraction(row.price)) for row in said.tiers),
        measured=frozenset(int(metric) for metric in said.measured),
    )


units = st.sampled_from(
    [0, 0, 0, 1, 1, 1, 2, 2, 3, 5, 10, 11, 999, 1000, 1023, 1024, 333_333_333, S, 5 * S, 2**60]
)
huge = st.sampled_from([0, 0, 0, 1, 2**63, 2**64 - 1])
amounts_of = st.one_of(*[st.lists(units, min_size=5, max_size=5)] * 4,
                       st.lists(huge, min_size=5, max_size=5))
schedules = st.builds(
    BillingSchedule,
    period=st.sampled_from(list(BillingPeriod)),
    anchor=st.sampled_from([1, 15, 29, 31]),
    invoice_generation=st.sampled_from([0, 3600 * S]),
    anchor_ns=st.sampled_from([0, 6 * 3600 * S, DAY - 1]),
    utc_offset_minutes=st.sampled_from([0, -300, 840]),
    digits=st.sampled_from([0, 2, 2, 4, 9]),
)


class Costs(RuleBasedStateMachine):
    """The tiny profile (8 cells, 2 kept periods, 2 event ids) against the ledger."""

    @initialize(
        wall_offset=st.sampled_from([0, START, -3 * S]),
        books=st.lists(models(), min_size=3, max_size=3),
    )
    def begin(self, wall_offset: int, books: list[CostModel]) -> None:
        self.now = START if wall_offset <= 0 else 100 * S
        self.offset = wall_offset
        self.real, self.twin = (
            CostCollector(profile="tiny", now_ns=self.now, wall_offset_ns=wall_offset)
            for _ in range(2)
        )
        lib = self.real.lib
        self.model = model.Ledger(
            cells=lib.RAY_COST_CELL_MAX,
            kept=lib.RAY_COST_PERIOD_MAX,
            events=lib.RAY_COST_EVENT_MAX,
        )
        for service, said in enumerate(books):
            self.define_both(service, said)

    @property
    def wall(self) -> int:
        return self.now + self.offset

    def both(self, call: str, *args: Any, **said: Any) -> Any:
        """The same on the core and on a twin that is looked at and ticked more often; an error is
        the same error, and changes no byte but the counters of refusals."""
        self.real.tick(self.now)
        before = self.real.snapshot()
        self.twin.tick(self.now)
        self.twin.get_cost_trends(now_ns=self.now + 40 * DAY)
        answers = []
        for collector in (self.real, self.twin):
            try:
                answers.append(getattr(collector, call)(*args, now_ns=self.now, **said))
            except RaygateError as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
        assert self.real.snapshot() == self.twin.snapshot(), "ticks and reads change nothing"
        if isinstance(answers[0], type) and call not in ("attribute_cost", "adjust_cost"):
            assert self.real.snapshot() == before, "an error changes no byte"
        return answers[0]

    # -- time ---------------------------------------------------------------------------------
    @rule(
        step=st.sampled_from([0, 1, S, 61 * S, 3600 * S, DAY, 3 * DAY, 31 * DAY, 100 * DAY]),
        between=st.integers(0, 3),
    )
    def pass_time(self, step: int, between: int) -> None:
        for n in range(1, between + 1):
            self.twin.tick(self.now + step * n // (between + 1))
        self.now += step

    # -- control ------------------------------------------------------------------------------
    @rule(service=st.sampled_from(SERVICES), said=models())
    def define(self, service: int, said: CostModel) -> None:
        self.define_both(service, said)

    def define_both(self, service: int, said: CostModel) -> None:
        answer = self.both("define_cost_model", service, said)
        if answer is None:
            self.model.books[service & 0xFFFF] = (service, book_of(said))
        else:
            assert answer.__name__ in ("FullError", "ArgumentError", "RateError"), answer

    @rule(service=st.sampled_from(SERVICES))
    def remove(self, service: int) -> None:
        answer = self.both("remove_cost_model", service)
        known = self.model.books.get(service & 0xFFFF, (None,))[0] == service
        assert answer is (None if known else UnknownError)
        if known:
            del self.model.books[service & 0xFFFF]

    @rule(schedule=schedules)
    def reschedule(self, schedule: BillingSchedule) -> None:
        assert self.both("set_billing_schedule", schedule) is None
        monthly = schedule.period is BillingPeriod.MONTHLY
        self.model.set_schedule(
            self.wall,
            model.Schedule(
                int(schedule.period), schedule.anchor if monthly else 0, schedule.anchor_ns,
                schedule.utc_offset_minutes, schedule.invoice_generation, schedule.digits,
            ),
        )

    @rule()
    def close(self) -> None:
        can = self.model.can_close(self.wall)
        self.model.roll(self.wall)
        answer = self.both("reset_cost_window")
        if self.model.placed and self.wall > self.model.start:
            assert answer is None
            self.model.end_now(self.wall)
        else:
            assert answer is StateError
        assert can or answer is StateError

    # -- charging -----------------------------------------------------------------------------
    @rule(
        tenant=st.sampled_from(TENANTS), service=st.sampled_from([0, 0, *SERVICES]),
        amounts=amounts_of, plan=st.sampled_from([None, 0, 1]),
        priority=st.sampled_from([0, 2]), event=st.sampled_from([0, 0, 0, 1, 2, 3]),
        late=st.booleans(),
    )
    def attribute(
        self, tenant: int | None, service: int, amounts: list[int], plan: int | None,
        priority: int, event: int, late: bool,
    ) -> None:
        self.model.roll(self.wall)
        happened = max(1, self.wall - 40 * DAY) if late else 0
        said = dict(zip(("requests", "bytes", "compute_ns", "accesses", "hits"), amounts,
                        strict=True))
        answer = self.both(
            "attribute_cost", service, tenant_id=tenant, plan_id=plan, priority=priority,
            event_id=event, event_unix_ns=happened, **said,
        )
        seen = [row for row in self.model.events[-self.model.event_room :]
                if event and row[:2] == (event, tenant)]
        if seen:
            assert answer.duplicate and answer.cost_amount.exact == seen[0][2]
            return
        try:
            wanted = self.model.price(self.wall, tenant, service, amounts, plan, priority)
        except model.RangeRefused:
            assert answer is RangeError
            return
        assert not answer.duplicate and answer.priced == (wanted is not None)
        total = sum((wanted or {}).values(), Fraction(0))
        assert answer.cost_amount.exact == total
        for metric in CostMetric:
            assert answer.metric_breakdown[metric].exact == (wanted or {}).get(metric, 0)
        before = model.Fraction(0)
        if wanted:
            is_late = self.model.placed and 0 < happened < self.model.start
            assert answer.late == is_late
            self.model.settle(self.wall, tenant, service)
            before = self.model.sum(tenant=tenant, period=self.model.now)
            self.model.book(tenant, service, wanted, amounts, is_late)
            nano = (before + total) * S // 1 - before * S // 1
            assert answer.charged_nano == nano, "what was charged adds up to the balance"
        if event:
            self.model.events.append((event, tenant, total))

    @rule(
        tenant=st.sampled_from(TENANTS), service=st.sampled_from([*SERVICES, None]),
        metric=st.sampled_from(list(CostMetric)),
        amount=st.sampled_from(["-0.5", "0.000000001", "-7", "123.456", "9223372036"]),
    )
    def adjust(
        self, tenant: int | None, service: int | None, metric: CostMetric, amount: str
    ) -> None:
        self.model.roll(self.wall)
        answer = self.both("adjust_cost", tenant, amount, service_id=service, metric=metric)
        value = Fraction(amount)
        if self.model.gross + abs(value) >= model.ROOM:
            assert answer is RangeError
            return
        assert answer is None
        self.model.asked_gross = abs(value)
        self.model.settle(self.wall, tenant, service)
        self.model.book(tenant, service, {int(metric): value}, [0] * 5, True)

    @rule(
        tenant=st.sampled_from(TENANTS), service=st.sampled_from(SERVICES),
        amounts=amounts_of,
    )
    def quote(self, tenant: int | None, service: int, amounts: list[int]) -> None:
        before = self.real.snapshot()
        said = dict(zip(("requests", "bytes", "compute_ns", "accesses", "hits"), amounts,
                        strict=True))
        try:
            wanted = self.model.price(self.wall, tenant, service, amounts, None, 2)
        except model.RangeRefused:
            with pytest.raises(RangeError):
                self.real.quote_cost(service, tenant_id=tenant, now_ns=self.now, **said)
        else:
            nano = None if wanted is None else -(-sum(wanted.values(), Fraction(0)) * S // 1)
            assert self.real.quote_cost(
                service, tenant_id=tenant, now_ns=self.now, **said
            ) == nano
        assert self.real.snapshot() == before, "asking changes nothing"

    # -- alerts -------------------------------------------------------------------------------
    @rule(
        name=st.sampled_from(["a", "b"]), threshold=st.sampled_from(["0.001", "1", "500", "5000"]),
        tenant=st.sampled_from([None, 0, 1]), service=st.sampled_from([None, 0, 1]),
    )
    def add_alert(
        self, name: str, threshold: str, tenant: int | None, service: int | None
    ) -> None:
        self.model.roll(self.wall)
        answer = self.both(
            "set_cost_alert", name, threshold=threshold, tenant_id=tenant, service_id=service
        )
        value = Fraction(threshold)
        if any((row.name, row.threshold) == (name, value) for row in self.model.alerts):
            assert answer is ExistsError
        elif len(self.model.alerts) == self.real.lib.RAY_COST_ALERT_MAX:
            assert answer is FullError
        else:
            assert answer is None
            self.model.add_alert(model.Alert(name, value, tenant, service))

    @rule(name=st.sampled_from(["a", "b"]))
    def remove_alert(self, name: str) -> None:
        self.model.roll(self.wall)
        answer = self.both("remove_cost_alert", name)
        kept = [row for row in self.model.alerts if row.name != name]
        assert answer is (UnknownError if len(kept) == len(self.model.alerts) else None)
        self.model.alerts = kept

    # -- what must be true --------------------------------------------------------------------
    @invariant()
    def laws_hold(self) -> None:
        assert self.real.valid() == 0, self.real.valid()

    @invariant()
    def sums_agree_at_every_instant(self) -> None:
        """C2, C4 and C5: the balance is the fold of all bookings, and the four sums are one."""
        totals, ledger = self.real.totals(), self.model
        assert totals.tenants == totals.services == totals.metrics == totals.grand
        assert totals.grand.exact == ledger.sum() and totals.gross.exact == ledger.gross

    @invariant()
    def readers_agree(self) -> None:
        ledger, at = self.model, {"now_ns": self.now}
        ledger.roll(self.wall)
        for tenant in TENANTS:
            assert self.real.get_tenant_cost(tenant, **at).exact == ledger.sum(
                tenant=tenant, period=ledger.now
            )
            assert self.real.get_tenant_cost(tenant, period=None, **at).exact == ledger.sum(
                tenant=tenant
            )
        for service in (0, 1, 2, LIVE, None):
            assert self.real.get_service_cost(service, period=None, **at).exact == ledger.sum(
                service=service
            )
        for metric, money in self.real.get_cost_breakdown(**at).items():
            assert money.exact == ledger.sum(metric=metric, period=ledger.now)
        alerts = self.real.get_cost_alerts()
        kept = ledger.notices[-self.real.lib.RAY_COST_NOTICE_MAX :]
        assert [(row.name, row.threshold_nano, row.spent_nano) for row in alerts] == [
            (name, threshold * S, spent * S // 1) for name, threshold, spent in kept
        ]
        assert self.real.stats().folded_count == ledger.folded

    @precondition(lambda self: self.model.placed)
    @rule(tenant=st.sampled_from(TENANTS))
    def invoices_agree(self, tenant: int | None) -> None:
        """C6: lines add up, rounded once, and what rounding left is less than a unit."""
        ledger = self.model
        ledger.roll(self.wall)
        for back in range(min(ledger.now, ledger.kept) + 1):
            period = ledger.now - back
            bill = self.real.calculate_bill(tenant, period=back, now_ns=self.now)
            exact, billed = ledger.bill(tenant, period)
            assert (bill.total_cost.exact, Fraction(bill.billed_nano, S)) == (exact, billed)
            if back == 0:
                assert (bill.period.start_ns, bill.period.end_ns or model.FOREVER) == (
                    ledger.start, ledger.end
                )
            else:
                span = ledger.closed[period]
                assert (bill.period.start_ns, bill.period.end_ns) == (span.start, span.end)
                assert bill.invoice_ready == (self.wall >= span.end + span.grace)
            if back <= 1:
                lines = [[row.amount.exact, Fraction(row.billed_nano, S)] for row in bill.lines]
                assert lines == ledger.lines(tenant, period)
                assert sum(row[1] for row in lines) == billed
        trends = self.real.get_cost_trends(tenant, now_ns=self.now)
        assert trends.folded_count == ledger.now - len(trends.periods)
        spent = [ledger.sum(tenant=tenant, period=p) for p in range(ledger.now)]
        assert [money.exact for _, money in trends.periods] == spent[trends.folded_count :]
        assert trends.folded.exact == sum(spent[: trends.folded_count], Fraction(0))

    @invariant()
    def nothing_is_negative_without_a_reason(self) -> None:
        """C7: only hits, refunds and credits."""
        breakdown = self.real.get_cost_breakdown(now_ns=self.now)
        for metric, money in breakdown.items():
            adjusted = self.model.sum(metric=metric, adjustment=True, period=self.model.now)
            assert metric is CostMetric.CACHE_HIT or money.exact >= min(adjusted, 0) or adjusted


TestCosts = Costs.TestCase
