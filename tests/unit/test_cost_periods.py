# SPDX-License-Identifier: MIT
"""cost: periods close at their instant, invoices add up, and trends keep what they promise."""

from __future__ import annotations

import csv
import io
import json
from fractions import Fraction

import pytest

from host_sim import config
from host_sim.errors import ArgumentError, RangeError, StaleError, StateError, UnknownError
from host_sim.kernel import Kernel
from host_sim.modules.cost import (
    BillingPeriod,
    BillingSchedule,
    CostCollector,
    CostMetric,
    CostModel,
    LineKind,
)

S = 1_000_000_000
DAY = 86_400 * S
START = 1_767_225_600 * S  # 2026-01-01


def collector(schedule: BillingSchedule, profile: str = "seed", at: int = START) -> CostCollector:
    cost = CostCollector(profile=profile, now_ns=at)
    cost.set_billing_schedule(schedule)
    for service in range(3):
        cost.define_cost_model(service, CostModel(base_cost="1", per_kilobyte="0.001"))
    return cost


@pytest.mark.parametrize(
    ("schedule", "ends_after_days"),
    [
        (BillingSchedule(anchor=31), [30, 58, 89]),  # Jan 31, Feb 28, Mar 31: clamps and returns
        (BillingSchedule(anchor=1), [31, 59, 90]),
        (BillingSchedule(period=BillingPeriod.DAILY, anchor=0), [1, 2, 3]),
        (BillingSchedule(anchor=1, utc_offset_minutes=-60), [1 / 24, 31 + 1 / 24, 59 + 1 / 24]),
    ],
)
def test_periods_end_where_the_schedule_says(
    schedule: BillingSchedule, ends_after_days: list[float]
) -> None:
    cost = collector(schedule)
    for days in ends_after_days:
        cost.attribute_cost(0, tenant_id=1)
        end = cost.due()
        assert end == START + round(days * 86_400) * S
        assert cost.get_tenant_cost(1, now_ns=end - 1).exact == 1
        cost.tick(end - 1)
        assert cost.get_tenant_cost(1).exact == 1
        cost.tick(end)
        assert cost.get_tenant_cost(1).exact == 0
        assert cost.get_tenant_cost(1, period=1).exact == 1
    assert cost.valid() == 0


def test_k_missed_periods_close_as_k_eager_ones() -> None:
    daily = BillingSchedule(period=BillingPeriod.DAILY, anchor=0)
    lazy, eager = collector(daily), collector(daily)
    for cost in (lazy, eager):
        cost.attribute_cost(0, tenant_id=1, requests=3)
    for day in range(1, 1000):
        eager.tick(START + day * DAY)
    for cost in (lazy, eager):
        cost.attribute_cost(0, tenant_id=1, now_ns=START + 1000 * DAY)
    assert lazy.snapshot() == eager.snapshot()
    assert lazy.stats().closed_count == 1000
    trends = lazy.get_cost_trends(1)
    assert (len(trends.periods), trends.folded_count, trends.folded.exact) == (24, 976, 3)


def test_closing_moves_amounts_and_loses_none() -> None:
    cost = collector(BillingSchedule(period=BillingPeriod.DAILY, anchor=0))
    for day in range(40):
        cost.attribute_cost(day % 3, tenant_id=day % 2, requests=day, now_ns=START + day * DAY)
    totals = cost.totals()
    assert totals.grand.exact == sum(range(40)) == totals.tenants.exact == totals.services.exact
    trends = cost.get_cost_trends()
    assert [money.exact for _, money in trends.periods] == list(range(15, 39))
    assert trends.folded.exact == sum(range(15)) and trends.slope_nano == S
    assert cost.get_tenant_cost(0, period=3).exact == 36
    with pytest.raises(StaleError):
        cost.get_tenant_cost(0, period=25)
    with pytest.raises(StaleError):
        cost.get_service_cost(0, period=2)
    with pytest.raises(UnknownError):
        cost.get_tenant_cost(0, period=41)


def test_a_slope_of_one_period_is_unknown_and_of_two_the_difference() -> None:
    cost = collector(BillingSchedule(period=BillingPeriod.DAILY, anchor=0))
    for day, requests in enumerate((5, 2, 0)):
        cost.attribute_cost(0, tenant_id=1, requests=requests, bytes=1024,
                            now_ns=START + day * DAY)
        slope = cost.get_cost_trends(1).slope_nano
        assert slope == (None if day < 2 else -3 * S)


def test_lines_are_rounded_once_and_add_up() -> None:
    cost = collector(BillingSchedule(digits=2))
    for service in range(3):
        cost.define_cost_model(service, CostModel(base_cost="0.335", per_kilobyte="0.335"))
        cost.attribute_cost(service, tenant_id=1, bytes=1024)
    bill = cost.calculate_bill(1)
    assert bill.total_cost.exact == Fraction("2.01") and bill.billed_nano == 2_010_000_000
    assert sum(line.billed_nano for line in bill.lines) == bill.billed_nano
    # 0.335 is half-way: half-even gives 0.34 six times, three cents too many.
    # All lost the same, so the first three lines give them back.
    assert [line.billed_nano for line in bill.lines] == [330_000_000] * 3 + [340_000_000] * 3


@pytest.mark.parametrize(
    ("amount", "digits", "billed"),
    [("0.005", 2, "0.00"), ("0.015", 2, "0.02"), ("0.0150000001", 2, "0.02"), ("2.5", 0, "2"),
     ("-0.005", 2, "0"), ("-0.015", 2, "-0.02"), ("0.0000000005", 9, "0")],
)
def test_halves_round_to_even(amount: str, digits: int, billed: str) -> None:
    cost = collector(BillingSchedule(digits=digits))
    if "0000000005" in amount:
        cost.define_cost_model(0, CostModel(base_cost=amount))
        cost.attribute_cost(0, tenant_id=1)
    else:
        cost.define_cost_model(0, CostModel(per_hit=amount))
        cost.attribute_cost(0, tenant_id=1, hits=1)
    assert Fraction(cost.calculate_bill(1).billed_nano, S) == Fraction(billed)


def test_what_rounding_left_is_carried_into_the_next_invoice() -> None:
    cost = collector(BillingSchedule(period=BillingPeriod.DAILY, anchor=0, digits=2))
    cost.define_cost_model(0, CostModel(base_cost="0.004"))
    billed = []
    for day in range(1, 6):
        cost.attribute_cost(0, tenant_id=1)
        cost.tick(START + day * DAY)
        bill = cost.calculate_bill(1, period=1)
        billed.append(bill.billed_nano // 10_000_000)
        assert sum(line.billed_nano for line in bill.lines) == bill.billed_nano
        assert abs(bill.total_cost.exact - Fraction(bill.billed_nano, S)) <= Fraction("0.005")
    assert billed == [0, 1, 0, 1, 0], "five times 0.004 are two cents"
    assert bill.lines[-1].kind is LineKind.ROUNDING


def test_a_manual_close_ends_the_period_now_and_keeps_the_schedule() -> None:
    cost = collector(BillingSchedule())
    with pytest.raises(StateError):
        cost.reset_cost_window()
    cost.attribute_cost(0, tenant_id=1)
    cost.reset_cost_window(now_ns=START + DAY)
    assert cost.due() == START + 31 * DAY
    assert cost.calculate_bill(1, period=1).period.end_ns == START + DAY
    before = cost.snapshot()
    with pytest.raises(StateError):
        cost.reset_cost_window()
    assert cost.snapshot() == before


def test_a_new_schedule_moves_the_end_of_the_open_period() -> None:
    cost = collector(BillingSchedule())
    cost.attribute_cost(0, tenant_id=1)
    cost.set_billing_schedule(BillingSchedule(period=BillingPeriod.DAILY, anchor=0))
    assert cost.due() == START + DAY and cost.get_tenant_cost(1).exact == 1
    cost.set_billing_schedule(BillingSchedule(period=BillingPeriod.NEVER, anchor=0))
    assert cost.due() is None and cost.calculate_bill(1).period.end_ns is None
    for wrong in (BillingSchedule(anchor=0), BillingSchedule(anchor=32), BillingSchedule(digits=10),
                  BillingSchedule(anchor_ns=DAY)):
        with pytest.raises(RangeError):
            cost.set_billing_schedule(wrong)


def test_nothing_is_due_after_so_many_empty_periods() -> None:
    cost = collector(BillingSchedule(period=BillingPeriod.DAILY, anchor=0), "tiny")
    cost.attribute_cost(0, tenant_id=1)
    ends = []
    while (end := cost.due()) is not None:
        cost.tick(end)
        ends.append((end - START) // DAY)
    assert ends == [1, 2, 3, 4, 5], "the ring is empty: one more empty period changes nothing"
    assert cost.get_cost_trends(1, now_ns=START + 30 * DAY).folded_count == 28
    cost.attribute_cost(0, tenant_id=1, now_ns=START + 30 * DAY)
    assert cost.stats().closed_count == 30 and cost.valid() == 0
    assert cost.due() == START + 31 * DAY, "a charge wakes it"


# -- exports ------------------------------------------------------------------------------------
FILE = """version = 1
[tenant.-1]
[tenant.acme]
[service.shop]
[[route]]
name = "shop"
service = "shop"
path = { prefix = "/" }
[cost.shop]
base = "0.10"
per_hit = "-0.05"
[billing]
currency = "EUR"
"""


def exported(kernel: Kernel, cost: CostCollector, tenant: int, format: str) -> str:
    text = cost.export_bill(tenant, format)  # type: ignore[arg-type]
    name = kernel.shell(f"cost export {'-1' if tenant == 0 else 'acme'} {format}")
    assert name.text == text, "the console writes the same bytes"
    return text


def test_invoices_are_written_with_names_that_no_spreadsheet_runs() -> None:
    kernel = Kernel(config=config.loads(FILE))
    kernel.tick(START)
    cost = CostCollector(kernel=kernel)
    for tenant in (0, 1):
        cost.attribute_cost(0, tenant_id=tenant, requests=3, hits=1)
    for format in ("csv", "json", "focus"):
        assert exported(kernel, cost, 1, format) == exported(kernel, cost, 1, format)
    rows = list(csv.DictReader(io.StringIO(exported(kernel, cost, 0, "csv"))))
    assert {row["tenant"] for row in rows} == {"'-1"}, "quoted: it would be a formula (CWE-1236)"
    assert [row["tenant"].removeprefix("'") for row in rows] == ["-1"] * 3
    assert [(row["service"], row["metric"], row["billed"]) for row in rows] == [
        ("shop", "requests", "0.30"), ("shop", "cache", "-0.05"), ("", "", "0.25")]
    assert {row["currency"] for row in rows} == {"EUR"}
    bill = json.loads(exported(kernel, cost, 1, "json"))
    assert (bill["tenant"], bill["billed"], bill["invoice_ready"]) == ("acme", "0.25", False)
    focus = list(csv.DictReader(io.StringIO(exported(kernel, cost, 1, "focus"))))
    assert [row["BilledCost"] for row in focus] == ["0.30", "-0.05"]
    assert focus[0]["ListUnitPrice"] == "0.100000000000"
    assert list(focus[0]) == sorted(focus[0]), "FOCUS columns stand in the order of the alphabet"
    with pytest.raises(ArgumentError):
        cost.export_bill(1, "pdf")  # type: ignore[arg-type]


def test_a_service_that_stands_at_the_slot_of_another_inherits_nothing() -> None:
    cost = collector(BillingSchedule())
    cost.attribute_cost(1, tenant_id=1)
    later = 1 | 1 << 16
    cost.define_cost_model(later, CostModel(base_cost="7"))
    cost.attribute_cost(later, tenant_id=1)
    assert cost.get_service_cost(later).exact == 7
    assert cost.get_service_cost(None).exact == 1, "what the gone one cost is nobody's now"
    assert cost.get_tenant_cost(1).exact == 8 and cost.valid() == 0
    assert cost.get_cost_breakdown()[CostMetric.REQUEST_COUNT].exact == 8
