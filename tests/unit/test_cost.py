# SPDX-License-Identifier: MIT
"""cost: every use is worth exactly what its prices say, and the sums are one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from host_sim.errors import ArgumentError, FullError, RangeError, RateError, UnknownError
from host_sim.modules.cost import (
    BillingPeriod,
    BillingSchedule,
    CostCollector,
    CostMetric,
    CostModel,
    CostMultiplier,
    CostTier,
    LineKind,
)

S = 1_000_000_000
DAY = 86_400 * S
START = 1_767_225_600 * S  # 2026-01-01, a Thursday
BOOK = CostModel(
    base_cost="0.000400", per_kilobyte="0.000012", per_second="0.000900",
    per_access="0.000002", per_hit="-0.000100",
)


@pytest.fixture
def cost() -> CostCollector:
    collector = CostCollector(now_ns=START)
    collector.define_cost_model(0, BOOK)
    return collector


def conserved(cost: CostCollector) -> Fraction:
    totals = cost.totals()
    assert totals.tenants == totals.services == totals.metrics == totals.grand
    assert cost.valid() == 0
    return totals.grand.exact


def test_cost_tracker_creation() -> None:
    cost = CostCollector()
    assert (cost.valid(), cost.stats().asked_count, conserved(cost)) == (0, 0, 0)
    assert cost.lib.RAY_COST_CELL_MAX == 512
    assert cost.get_billing_schedule().period is BillingPeriod.MONTHLY
    assert cost.due() is None, "nothing was charged, so no period has a place in time"
    assert CostCollector(profile="tiny").snapshot().count(0) > 0


def test_cost_attribution(cost: CostCollector) -> None:
    said = {"bytes": 1500, "compute_ns": 20_000_000, "accesses": 1, "hits": 1}
    quote = cost.quote_cost(0, tenant_id=1, **said)
    use = cost.attribute_cost(0, tenant_id=1, **said)
    parts = {
        CostMetric.REQUEST_COUNT: Fraction("0.0004"),
        CostMetric.BYTES_PROCESSED: Fraction(1500, 1024) * Fraction("0.000012"),
        CostMetric.COMPUTE_TIME: Fraction("0.02") * Fraction("0.0009"),
        CostMetric.STORAGE_ACCESS: Fraction("0.000002"),
        CostMetric.CACHE_HIT: Fraction("-0.0001"),
    }
    assert {m: money.exact for m, money in use.metric_breakdown.items()} == parts
    assert use.cost_amount.exact == sum(parts.values()) == cost.get_tenant_cost(1).exact
    assert quote == -(-sum(parts.values()) * S // 1), "a quote is rounded up"
    assert (use.service_id, use.tenant_id, use.timestamp) == (0, 1, START)
    assert cost.get_service_cost(0).exact == conserved(cost) == sum(parts.values())
    assert cost.get_cost_breakdown(tenant_id=1, service_id=0) == use.metric_breakdown


def test_billing_calculation(cost: CostCollector) -> None:
    cost.set_billing_schedule(
        BillingSchedule(invoice_generation=3600 * S, digits=2, currency="USD"), now_ns=START
    )
    for tenant, requests in ((1, 12), (2, 100_000)):
        cost.attribute_cost(0, tenant_id=tenant, requests=requests, bytes=5_000)
    end = cost.due()
    assert end == START + 31 * DAY
    draft = cost.calculate_bill(2)
    assert not draft.invoice_ready and draft.billed_nano == 40_000_000_000
    closed = cost.calculate_bill(2, period=1, now_ns=end)
    assert closed.total_cost == draft.total_cost and not closed.invoice_ready
    assert cost.calculate_bill(2, period=1, now_ns=end + 3600 * S).invoice_ready
    assert cost.get_tenant_cost(2, now_ns=end).exact == 0
    before = cost.export_bill(2, "csv", period=1, now_ns=end)
    cost.attribute_cost(0, tenant_id=2, now_ns=end + 1, event_unix_ns=end - 1)
    after = cost.calculate_bill(2, period=1)
    assert cost.export_bill(2, "csv", period=1) == before, "a closed entry is immutable"
    late = cost.calculate_bill(2).lines
    assert [line.kind for line in late] == [LineKind.ADJUSTMENT, LineKind.ROUNDING]
    assert after.metrics == closed.metrics and cost.stats().late_count == 1


# -- answers that prove an implementation hollow ------------------------------------------------
def test_600_cost_events_are_all_in_the_total(cost: CostCollector) -> None:
    for event in range(600):
        cost.attribute_cost(0, tenant_id=event % 7, event_id=event + 1)
    assert conserved(cost) == 600 * Fraction("0.0004")


def test_a_full_table_of_cells_loses_detail_and_never_money() -> None:
    cost = CostCollector(profile="tiny", now_ns=START)
    for service in range(4):
        cost.define_cost_model(service, BOOK)
    for tenant in (0, 1, 2, 3, None):
        for service in range(4):
            cost.attribute_cost(service, tenant_id=tenant, bytes=1024)
    assert cost.stats().cell_count == 8 and cost.stats().folded_count == 32
    assert conserved(cost) == 20 * Fraction("0.000412")
    for tenant in (0, 1, 2, 3, None):
        assert cost.get_tenant_cost(tenant).exact == 4 * Fraction("0.000412")
        bill = cost.calculate_bill(tenant)
        assert sum(line.amount.exact for line in bill.lines) == bill.total_cost.exact
        assert any(line.folded for line in bill.lines) == (tenant != 0)
    for service in range(4):
        assert cost.get_service_cost(service).exact == 5 * Fraction("0.000412")


# -- rounding and range -------------------------------------------------------------------------
def test_a_million_thirds_add_up_exactly() -> None:
    cost = CostCollector(now_ns=START)
    cost.define_cost_model(0, CostModel(per_second="0.000001"))
    one = cost.attribute_cost(0, requests=0, compute_ns=333_333_333).cost_amount
    for _ in range(999):
        cost.attribute_cost(0, requests=0, compute_ns=333_333_333)
    cost.attribute_cost(0, requests=0, compute_ns=333_333_333 * 999_000)
    assert one.exact == Fraction(333_333_333, 10**15)
    assert conserved(cost) == 10**6 * Fraction(333_333_333, 10**15)


def test_bytes_carry_their_remainder() -> None:
    cost = CostCollector(now_ns=START)
    cost.define_cost_model(0, CostModel(per_kilobyte="0.000000000001"))
    for _ in range(1024):
        cost.attribute_cost(0, requests=0, bytes=1)
    assert cost.get_tenant_cost(None).pico == 1 and conserved(cost) == Fraction(1, 10**12)


def test_what_no_balance_can_hold_is_refused_and_counted(cost: CostCollector) -> None:
    cost.define_cost_model(1, CostModel(base_cost="1000000"))
    cost.adjust_cost(1, "9223371036.854775807")
    cost.attribute_cost(1, tenant_id=1, requests=0, bytes=1)
    before, stats = cost.totals(), cost.stats()
    for call in (
        lambda: cost.attribute_cost(1, tenant_id=1),
        lambda: cost.attribute_cost(1, tenant_id=2, requests=2**64 - 1),
        lambda: cost.adjust_cost(2, "1000001"),
        lambda: cost.adjust_cost(2, "-1000001"),
    ):
        with pytest.raises(RangeError):
            call()
    assert cost.totals() == before
    assert cost.stats().error_count == stats.error_count + 4
    cost.adjust_cost(1, "1000")
    assert cost.totals().gross.nano == 2**63 - 1 and cost.valid() == 0


def test_price_0_is_free_and_measured_when_it_is_said() -> None:
    cost = CostCollector(now_ns=START)
    cost.define_cost_model(0, CostModel(measured=(CostMetric.BYTES_PROCESSED,)))
    use = cost.attribute_cost(0, tenant_id=1, bytes=77)
    assert use.priced and use.cost_amount.exact == 0
    assert [line.units for line in cost.calculate_bill(1).lines] == [77]
    assert not cost.attribute_cost(3, tenant_id=1).priced and cost.stats().unpriced_count == 1
    assert cost.quote_cost(3) is None


def test_a_refund_may_pass_the_balance(cost: CostCollector) -> None:
    cost.attribute_cost(0, tenant_id=1)
    cost.adjust_cost(1, "-5", service_id=0, metric=CostMetric.REQUEST_COUNT)
    assert cost.get_tenant_cost(1).exact == Fraction("-4.9996") == conserved(cost)
    assert str(cost.get_tenant_cost(1)) == "-4.999600000000"
    kinds = [(line.kind, line.amount.exact) for line in cost.calculate_bill(1).lines]
    assert kinds == [(LineKind.USAGE, Fraction("0.0004")), (LineKind.ADJUSTMENT, Fraction(-5))]


# -- multipliers and tiers ----------------------------------------------------------------------
def test_multipliers_apply_by_plan_class_and_time() -> None:
    cost = CostCollector(now_ns=START)  # Thursday midnight
    cost.define_cost_model(
        0,
        CostModel(
            base_cost="1",
            multipliers=(
                CostMultiplier("0.80", plan_id=0),
                CostMultiplier("1.25", time="Sat-Sun"),
                CostMultiplier("3", priority=0),
                CostMultiplier("0.5", time="Thu 00:30-01:00", utc_offset_minutes=60),
            ),
        ),
    )

    def price(now: int, **said: Any) -> Fraction:
        return cost.attribute_cost(0, now_ns=now, **said).cost_amount.exact

    assert price(START) == Fraction(1), "01:00 at +01:00 is past the half-open end"
    assert price(START, plan_id=0) == Fraction("0.8")
    assert price(START, plan_id=1, priority=0) == 3
    saturday = START + 2 * DAY
    assert price(saturday - 1) == 1 and price(saturday) == Fraction("1.25")
    assert price(saturday, plan_id=0, priority=0) == 3
    assert price(saturday + 2 * DAY) == 1


def test_multipliers_that_no_grain_holds_are_refused() -> None:
    cost = CostCollector()
    fine = tuple(CostMultiplier(by) for by in ("0.8333", "0.7777"))
    with pytest.raises(RateError):
        cost.define_cost_model(0, CostModel(per_second="1", multipliers=fine))
    cost.define_cost_model(0, CostModel(base_cost="1", multipliers=fine))
    apart = (CostMultiplier("0.8333", plan_id=0), CostMultiplier("0.7777", plan_id=1))
    cost.define_cost_model(0, CostModel(per_second="1", multipliers=apart))
    with pytest.raises(RangeError):
        cost.define_cost_model(
            0, CostModel(base_cost="1", multipliers=(CostMultiplier("100"),) * 2)
        )
    before = cost.snapshot()
    with pytest.raises(ArgumentError):
        cost.define_cost_model(0, CostModel(base_cost="-1"))
    with pytest.raises(RangeError):
        cost.define_cost_model(0, CostModel(base_cost="0.0000000000001"))
    with pytest.raises(UnknownError):
        cost.define_cost_model(256, CostModel(base_cost="1"))
    assert cost.snapshot() == before


@pytest.mark.parametrize("steps", [[1, 1, 1, 1, 1], [5], [2, 3], [3, 2], [4, 1]])
def test_the_boundary_unit_belongs_to_the_lower_tier(steps: list[int]) -> None:
    cost = CostCollector(now_ns=START)
    tiers = tuple(CostTier(CostMetric.REQUEST_COUNT, above, price)
                  for above, price in ((2, "10"), (4, "100")))
    cost.define_cost_model(0, CostModel(base_cost="1", tiers=tiers))
    for requests in steps:
        cost.attribute_cost(0, tenant_id=1, requests=requests)
    assert cost.get_tenant_cost(1).exact == 1 + 1 + 10 + 10 + 100
    assert cost.attribute_cost(0, tenant_id=2).cost_amount.exact == 1, "each tenant from its own"
    later = cost.due()
    assert cost.quote_cost(0, tenant_id=1, now_ns=later - 1) == 100 * S
    assert cost.quote_cost(0, tenant_id=1, now_ns=later) == S, "asked before anybody ticked"
    assert cost.attribute_cost(0, tenant_id=1, now_ns=later).cost_amount.exact == 1


# -- exactly once -------------------------------------------------------------------------------
def test_an_event_is_charged_once(cost: CostCollector) -> None:
    first = cost.attribute_cost(0, tenant_id=1, bytes=9, event_id=7)
    for _ in range(1000):
        again = cost.attribute_cost(0, tenant_id=1, bytes=999, event_id=7)
        assert again.duplicate and again.cost_amount == first.cost_amount
        assert again.metric_breakdown == first.metric_breakdown
    assert conserved(cost) == first.cost_amount.exact and cost.stats().duplicate_count == 1000
    assert not cost.attribute_cost(0, tenant_id=2, event_id=7).duplicate, "ids are a tenant's own"
    twin = CostCollector()
    twin.ffi.memmove(twin.ffi.cast("uint8_t *", twin._state), cost.snapshot(), twin._bytes)
    assert twin.attribute_cost(0, tenant_id=1, event_id=7).duplicate, "after a restart too"
    kept = cost.lib.RAY_COST_EVENT_MAX
    for event in range(1, kept + 1):
        cost.attribute_cost(0, tenant_id=3, event_id=event)
    assert cost.stats().event_count == kept + 2
    assert not cost.attribute_cost(0, tenant_id=1, event_id=7).duplicate, "past the window"


# -- alerts and projection ----------------------------------------------------------------------
def test_alerts_fire_once_a_period_when_reached(cost: CostCollector) -> None:
    cost.define_cost_model(1, CostModel(base_cost="1"))
    for percent in ("50", "90", "100"):
        cost.set_cost_alert("budget", percent=percent, of="10", tenant_id=1)
    cost.set_cost_alert("pair", threshold="2", tenant_id=1, service_id=1)
    cost.set_cost_alert("service", threshold="7", service_id=1)
    cost.set_cost_alert("all", threshold="8.0004")
    cost.attribute_cost(0, tenant_id=2)
    for _ in range(8):
        cost.attribute_cost(1, tenant_id=1)
    assert [row.name for row in cost.get_cost_alerts()] == ["pair", "budget", "service", "all"]
    cost.attribute_cost(1, tenant_id=1, requests=5)
    names = [(row.name, row.percent) for row in cost.get_cost_alerts()[4:]]
    assert names == [("budget", 90), ("budget", 100)], "one charge may pass several, ascending"
    cost.adjust_cost(1, "-13")
    cost.attribute_cost(1, tenant_id=1, requests=50)
    assert len(cost.get_cost_alerts()) == 6, "an edge, not a level"
    cost.acknowledge_alert(1)
    assert [row.id for row in cost.get_cost_alerts(unacknowledged=True)] == [2, 3, 4, 5, 6]
    cost.reset_cost_window(now_ns=START + DAY)
    cost.attribute_cost(1, tenant_id=1, requests=6)
    assert [row.name for row in cost.get_cost_alerts()[6:]] == ["pair", "budget"]
    cost.set_cost_alert("late", threshold="3", tenant_id=1)
    assert cost.get_cost_alerts()[-1].name == "late", "what is spent already fires at once"
    assert cost.valid() == 0
    full = CostCollector(profile="tiny")
    for threshold in ("1", "2"):
        full.set_cost_alert("a", threshold=threshold)
    with pytest.raises(FullError):
        full.set_cost_alert("a", threshold="3")


def test_a_projection_is_unknown_until_time_has_passed(cost: CostCollector) -> None:
    assert cost.project_cost().projected_nano is None
    cost.attribute_cost(0, tenant_id=1, requests=1000)
    assert cost.project_cost(1, now_ns=START).projected_nano is None
    half = cost.project_cost(1, now_ns=START + 31 * DAY // 2)
    assert (half.spent_nano, half.projected_nano) == (400_000_000, 800_000_000)
    assert cost.project_cost(2, now_ns=START + 1).projected_nano == 0


def test_what_if_another_price_book(cost: CostCollector) -> None:
    for tenant, requests in ((1, 10), (2, 30)):
        cost.attribute_cost(0, tenant_id=tenant, requests=requests, bytes=2048)
    dearer = CostModel(
        base_cost="0.0004", per_kilobyte="0.000024",
        tiers=(CostTier(CostMetric.REQUEST_COUNT, 20, "0.0001"),),
    )
    one, two = cost.reprice({0: dearer})
    assert (one.difference, one.exact) == (Fraction("0.000024"), True)
    assert two.difference == Fraction("0.000024") - 10 * Fraction("0.0003")
    timed = CostModel(base_cost="1", multipliers=(CostMultiplier("2", time="Sat-Sun"),))
    assert [row.exact for row in cost.reprice({0: timed})] == [False, False]
