# SPDX-License-Identifier: MIT
"""focus-billing: a thousand rows of real cloud bills, exact to 10^-12.

Every row's BilledCost is charged as a price for one use (credits through the one price that may be
negative), every sub-account is a tenant, every service a service; then every quantity times its
list price is charged too, as so many 10^-11 units.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from fractions import Fraction

from host_sim.modules.cost import BillingPeriod, BillingSchedule, CostCollector, CostModel
from tests.data import data

S = 1_000_000_000
START = 1_725_148_800 * S  # 2024-09-01


def rows() -> list[dict[str, str]]:
    with gzip.open(data("focus-billing", "focus_sample_1000.csv.gz"), "rt") as text:
        return list(csv.DictReader(text))


def test_the_bill_adds_up_to_the_last_digit_by_tenant_service_and_in_all() -> None:
    bill = rows()
    cost = CostCollector(now_ns=START)
    cost.set_billing_schedule(BillingSchedule(digits=9, currency="USD"))
    tenants = {name: i for i, name in enumerate(sorted({row["SubAccountId"] for row in bill}))}
    services = {name: i for i, name in enumerate(sorted({row["ServiceName"] for row in bill}))}
    by_tenant: dict[int, Fraction] = defaultdict(Fraction)
    by_service: dict[int, Fraction] = defaultdict(Fraction)
    for event, row in enumerate(bill, 1):
        tenant, service = tenants[row["SubAccountId"]], services[row["ServiceName"]]
        cost.define_cost_model(service, CostModel(per_hit=row["BilledCost"]))
        use = cost.attribute_cost(service, tenant_id=tenant, hits=1, event_id=event)
        assert use.cost_amount.exact == Fraction(row["BilledCost"])
        by_tenant[tenant] += Fraction(row["BilledCost"])
        by_service[service] += Fraction(row["BilledCost"])
    assert len(bill) == 1000 and (len(tenants), len(services)) == (73, 33)
    assert cost.totals().grand.exact == Fraction("20.52022672899") == cost.totals().tenants.exact
    for tenant, total in by_tenant.items():
        assert cost.get_tenant_cost(tenant).exact == total
        entry = cost.calculate_bill(tenant)
        assert sum(line.billed_nano for line in entry.lines) == entry.billed_nano
        assert abs(Fraction(entry.billed_nano, S) - total) <= Fraction(1, 2 * S)
    for service, total in by_service.items():
        assert cost.get_service_cost(service).exact == total
    assert cost.valid() == 0 and cost.stats().duplicate_count == 0
    end = cost.due()
    assert end == 1_727_740_800 * S, "2024-10-01, as the bill says"


def test_quantity_times_price_is_exact() -> None:
    cost = CostCollector(now_ns=START)
    cost.set_billing_schedule(BillingSchedule(period=BillingPeriod.NEVER, anchor=0))
    equal, near, other = 0, 0, 0
    for row in rows():
        if "NULL" in (row["ListUnitPrice"], row["PricingQuantity"]):
            other += 1
            continue
        quantity, price = Fraction(row["PricingQuantity"]), Fraction(row["ListUnitPrice"])
        units = abs(quantity) * 10**11  # use is never negative; a credit's sign is put back below
        assert units.denominator == 1
        # per_second divides by 10^9, so a price per 10^11 is a hundredth of it
        cost.define_cost_model(0, CostModel(per_second=decimal_of(price / 100)))
        use = cost.attribute_cost(0, requests=0, compute_ns=int(units))
        charged = use.cost_amount.exact if quantity >= 0 else -use.cost_amount.exact
        assert charged == quantity * price, "exact, not to 10^-12 alone"
        listed = Fraction(row["ListCost"])
        equal += charged == listed
        near += 0 < abs(charged - listed) <= Fraction(1, 10**10)
    assert (equal, near) == (509, 459), "as the suite's own page counts them"
    assert other == 1


def decimal_of(value: Fraction) -> str:
    pico = value * 10**12
    assert pico.denominator == 1
    return f"{int(pico) // 10**12}.{int(pico) % 10**12:012}"
