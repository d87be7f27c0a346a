# SPDX-License-Identifier: MIT
"""cost: what a file may say about prices, schedules and alerts, and what a reload keeps."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from host_sim import config
from host_sim.config import layout
from host_sim.kernel import Kernel
from host_sim.modules.cost import BillingPeriod, CostCollector, CostMetric
from host_sim.modules.quota import QuotaManager, QuotaType

S = 1_000_000_000
START = 1_767_225_600 * S
NONE = 0xFFFFFFFF
HEAD = """version = 1
timezone = "+01:00"
[tenant.acme]
plan = "gold"
[tenant.blue]
[service.orders]
[service.search]
[[route]]
name = "r"
service = "orders"
path = { prefix = "/" }
"""
COST = """[cost.orders]
base = "0.000400"
per_kilobyte = "0.000012"
per_second = "0.000900"
per_access = "0.000002"
per_hit = "-0.000100"
multipliers = [
  { when = { plan = "gold" }, by = "0.80" },
  { when = { time = "Sat-Sun" }, by = "1.25" },
  { when = { class = "critical" }, by = "2" }]
tiers = [
  { of = "base", above = 1000, price = "0.0003" },
  { of = "per_kilobyte", above = "1KiB", price = "0.00001" },
  { of = "per_second", above = "1h", price = "0" }]
"""
BILLING = '[billing]\ncurrency = "EUR"\nevery = "month"\nanchor = 31\ngrace = "1h"\ndigits = 4\n'
ALERT = """[[alert]]
name = "budget"
metric = "cost"
tenant = "acme"
thresholds = ["50%", "0.0004", "200%"]
of = "500.00"
"""


def found(text: str) -> list[tuple[int, str]]:
    result = config.examine(text.encode())
    return [(one.line, one.code) for one in result.findings]


def test_a_file_says_prices_periods_and_alerts() -> None:
    kernel = Kernel(config=config.loads(HEAD + COST + BILLING + ALERT))
    kernel.tick(START)
    cost = CostCollector(kernel=kernel)
    assert kernel.valid() == 0
    schedule = cost.get_billing_schedule()
    assert (schedule.period, schedule.anchor, schedule.invoice_generation) == (
        BillingPeriod.MONTHLY, 31, 3600 * S)
    assert (schedule.currency, schedule.digits, schedule.utc_offset_minutes) == ("EUR", 4, 60)
    use = cost.attribute_cost(0, tenant_id=0, plan_id=0, bytes=2048)
    assert use.metric_breakdown[CostMetric.REQUEST_COUNT].exact == Fraction("0.00032")
    assert use.metric_breakdown[CostMetric.BYTES_PROCESSED].exact == Fraction("0.8") * Fraction(
        "0.000022"), "a tier is crossed inside the request"
    assert not cost.attribute_cost(1).priced
    assert cost.get_cost_alerts() == ()
    cost.attribute_cost(0, tenant_id=0, plan_id=0)
    assert [row.threshold_nano for row in cost.get_cost_alerts()] == [400_000]


def test_prices_without_a_schedule_are_billed_monthly_and_none_without_prices() -> None:
    kinds = {kind: count for kind, _, count, _ in _sections(HEAD + COST)}
    assert kinds[layout.BILLING] == 1 and kinds[layout.COST_MULTIPLIER] == 3
    assert layout.COST_ALERT not in kinds
    assert not {k for k, *_ in _sections(HEAD)} & {
        layout.BILLING, layout.COST, layout.COST_TIER, layout.COST_ALERT}


def _sections(text: str) -> list[tuple[int, int, int, bytes]]:
    from host_sim.config.compiler import sections

    file = config.examine(text.encode()).file
    assert file is not None
    return sections(file)


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ('[cost.nobody]\nbase = "1"\n', 12, "unknown-reference"),
        ("[cost.orders]\nbase = 1\n", 13, "wrong-type"),
        ('[cost.orders]\nbase = "1e3"\n', 13, "bad-money"),
        ('[cost.orders]\nbase = "-1"\n', 13, "bad-money"),
        ('[cost.orders]\nbase = "0.0000000000001"\n', 13, "bad-money"),
        ('[cost.orders]\nbase = "1000001"\n', 13, "out-of-range"),
        ('[cost.orders]\nper_gigabyte = "1"\n', 13, "unknown-key"),
        ('[cost.orders]\nmultipliers = [{ when = { plan = "tin" }, by = "1" }]\n', 13,
         "unknown-reference"),
        ('[cost.orders]\nmultipliers = [{ when = { time = "Someday" }, by = "1" }]\n', 13,
         "bad-time"),
        ('[cost.orders]\nmultipliers = [{ when = { class = "vip" }, by = "1" }]\n', 13,
         "bad-choice"),
        ('[cost.orders]\nmultipliers = [{ by = "1" }]\n', 13, "missing-key"),
        ('[cost.orders]\nmultipliers = [{ when = {}, by = "101" }]\n', 13, "out-of-range"),
        ('[cost.orders]\nmultipliers = [{ when = {}, by = "0.12345" }]\n', 13, "bad-money"),
        ('[cost.orders]\nper_second = "1"\nmultipliers = [{ when = {}, by = "0.8333" }, '
         '{ when = {}, by = "0.7777" }]\n', 14, "price-not-exact"),
        ('[cost.orders]\nbase = "1"\nmultipliers = [{ when = {}, by = "100" }, '
         '{ when = {}, by = "100" }]\n', 14, "out-of-range"),
        ('[cost.orders]\ntiers = [{ of = "base", above = 0, price = "1" }]\n', 13, "out-of-range"),
        ('[cost.orders]\ntiers = [{ of = "basis", above = 1, price = "1" }]\n', 13, "bad-choice"),
        ('[cost.orders]\ntiers = [{ of = "base", above = 1, price = "-1" }]\n', 13, "bad-money"),
        ('[cost.orders]\ntiers = [{ of = "base", above = 1, price = "1" }, '
         '{ of = "base", above = 1, price = "2" }]\n', 13, "duplicate-name"),
        ('[billing]\nevery = "week"\n', 13, "bad-choice"),
        ("[billing]\nanchor = 32\n", 13, "bad-choice"),
        ('[billing]\nevery = "day"\nanchor = 3\n', 14, "bad-time"),
        ('[billing]\nevery = "never"\nanchor = 3\n', 14, "conflict"),
        ("[billing]\ndigits = 10\n", 13, "out-of-range"),
        ('[billing]\ngrace = "400d"\n', 13, "out-of-range"),
        (ALERT.replace('"acme"', '"acmee"'), 15, "unknown-reference"),
        (ALERT.replace('of = "500.00"\n', ""), 16, "missing-key"),
        (ALERT.replace('"0.0004"', '"0"'), 16, "out-of-range"),
        (ALERT.replace('"0.0004"', '"250"'), 16, "duplicate-name"),
        (ALERT.replace('["50%", "0.0004", "200%"]', "[]"), 16, "out-of-range"),
        ('[[quota]]\nname = "q"\ntype = "cost"\nlimit = 5\n', 15, "wrong-type"),
        ('[[quota]]\nname = "q"\ntype = "cost"\nlimit = "5GiB"\n', 15, "bad-money"),
        ('[[quota]]\nname = "q"\ntype = "cost"\nlimit = "-5"\n', 15, "bad-money"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: int, code: str) -> None:
    assert (line, code) in found(HEAD + text)


def test_a_hard_budget_is_a_quota_of_money() -> None:
    text = '[[quota]]\nname = "hard"\ntenant = "acme"\ntype = "cost"\nlimit = "0.50"\n'
    kernel = Kernel(config=config.loads(HEAD + COST + text))
    quotas = QuotaManager(kernel=kernel)
    row = quotas.get_allocation(quotas.find_quota("hard"))
    assert (row.quota_type, row.limit) == (QuotaType.COST, 500_000_000)
    budget = {QuotaType.COST: 400_000_000}
    assert quotas.consume_quota(None, budget, tenant_id=0, now_ns=START).granted
    assert not quotas.consume_quota(None, budget, tenant_id=0, now_ns=START).granted
    said = kernel.shell("quota set hard limit 1.25")
    assert said.status == 0 and quotas.get_allocation(0).limit == 1_250_000_000


# -- reload -------------------------------------------------------------------------------------
def test_a_reload_keeps_every_balance_by_name() -> None:
    kernel = Kernel(config=config.loads(HEAD + COST + BILLING + ALERT))
    kernel.tick(START)
    cost = CostCollector(kernel=kernel)
    cost.attribute_cost(0, tenant_id=0)
    cost.attribute_cost(0, tenant_id=1, bytes=1024, event_id=9)
    spent = [cost.get_tenant_cost(tenant) for tenant in (0, 1)]
    alerts, totals = cost.get_cost_alerts(), cost.totals()
    book = kernel.digest().book
    kernel.configure(config.loads(HEAD + COST + BILLING + ALERT))
    assert kernel.digest().book == book and cost.get_cost_alerts() == alerts
    turned = HEAD.replace("[tenant.blue]\n", "").replace(
        "[tenant.acme]", "[tenant.blue]\n[tenant.acme]"
    ).replace("[service.orders]\n[service.search]", "[service.search]\n[service.orders]")
    kernel.configure(config.loads(turned + COST.replace("0.000400", "9") + BILLING + ALERT))
    assert [cost.get_tenant_cost(tenant) for tenant in (1, 0)] == spent
    assert cost.get_service_cost(1) == totals.grand and cost.totals() == totals
    assert cost.attribute_cost(1, tenant_id=0, event_id=9).duplicate, "ids follow their tenant"
    assert cost.get_cost_alerts()[0].tenant_id == 1
    assert len(cost.get_cost_alerts()) == len(alerts), "an alert that fired stays fired"
    assert kernel.valid() == 0


def test_a_tenant_and_a_service_that_are_gone_leave_their_money() -> None:
    kernel = Kernel(config=config.loads(HEAD + COST + BILLING + ALERT))
    kernel.tick(START)
    cost = CostCollector(kernel=kernel)
    cost.attribute_cost(0, tenant_id=0, requests=3)
    cost.attribute_cost(0, tenant_id=1)
    totals = cost.totals()
    rest = HEAD.replace("[service.orders]\n", "").replace('"orders"', '"search"')
    kernel.configure(config.loads(rest.replace("[tenant.blue]\n", "")))
    assert cost.totals() == totals and kernel.valid() == 0
    assert cost.get_tenant_cost(None).exact == Fraction("0.0004")
    assert cost.get_service_cost(None).exact == 4 * Fraction("0.0004")
    assert cost.get_tenant_cost(0).exact == 3 * Fraction("0.0004")


# -- hostile rows -------------------------------------------------------------------------------
def rows(**changed: dict[str, Any]) -> tuple[int, int, int, int]:
    """The core's check of five good sections of which one row has one field changed: status,
    section, row, field."""
    cost = CostCollector(profile="tiny")
    ffi, lib = cost.ffi, cost.lib
    billing = ffi.new("ray_billing_spec *", {"every": 2, "anchor_day": 1, "digits": 2})
    books = ffi.new("ray_cost_spec[2]", [{"service": 0}, {"service": 1}])
    for book in books:
        book.price_pico = [1, 2, 3, 4, -5]
    times = ffi.new("ray_cost_multiplier_spec[2]")
    for place, row in enumerate(times):
        row.book, row.by_bp, row.plan, row.priority = place, 8000, NONE, 255
    tiers = ffi.new("ray_cost_tier_spec[2]", [[5, 1, 0, 0], [9, 1, 0, 0]])
    alerts = ffi.new("ray_cost_alert_spec[2]")
    for place, alert in enumerate(alerts):
        alert.name.at = b"a"
        alert.threshold_nano, alert.tenant, alert.service = 10 + place, NONE, NONE
    sections = {"billing": [billing], "books": books, "times": times, "tiers": tiers,
                "alerts": alerts}
    for section, change in changed.items():
        row = sections[section][change.pop("row", 0)]
        for field, value in change.items():
            if isinstance(value, tuple):
                getattr(row, field.rstrip("_"))[value[0]] = value[1]
            elif field == "name":
                row.name.at = value
            elif field == "reserved" and section != "alerts":
                row.reserved[5] = value
            else:
                setattr(row, field, value)
    counts = ffi.new("ray_config_counts *", {
        "tenant_count": 2, "plan_count": 2, "service_count": 2, "billing_count": 1,
        "cost_count": 2, "cost_multiplier_count": 2, "cost_tier_count": 2, "cost_alert_count": 2})
    all_rows = ffi.new("ray_cost_rows *", [billing, books, times, tiers, alerts])
    report = ffi.new("ray_config_report *")
    status = lib.ray_cost_check(all_rows, counts, report)
    assert status == report.status
    return status, report.section, report.row, report.field


ARGUMENT, UNKNOWN, EXISTS, RANGE, RATE = -1, -2, -5, -7, -8


@pytest.mark.parametrize(
    ("section", "change", "status"),
    [
        ("billing", {"grace_ns": 367 * 86_400 * S}, RANGE),
        ("billing", {"anchor_ns": -1}, RANGE),
        ("billing", {"anchor_ns": 86_400 * S}, RANGE),
        ("billing", {"anchor_day": 0}, RANGE),
        ("billing", {"anchor_day": 32}, RANGE),
        ("billing", {"every": 1}, RANGE),
        ("billing", {"every": 3}, ARGUMENT),
        ("billing", {"digits": 10}, RANGE),
        ("billing", {"utc_offset_minutes": 1440}, RANGE),
        ("billing", {"reserved": 1}, ARGUMENT),
        ("books", {"price_pico": (0, 10**18 + 1)}, RANGE),
        ("books", {"price_pico": (4, -(10**18) - 1)}, RANGE),
        ("books", {"price_pico": (1, -1)}, ARGUMENT),
        ("books", {"service": 2}, UNKNOWN),
        ("books", {"service": 1 << 16}, UNKNOWN),
        ("books", {"service": 0, "row": 1}, EXISTS),
        ("books", {"measured": 32}, ARGUMENT),
        ("times", {"by_bp": 1_000_001}, RANGE),
        ("times", {"by_bp": 1_000_000}, None),
        ("times", {"plan": 2}, UNKNOWN),
        ("times", {"priority": 5}, ARGUMENT),
        ("times", {"range_count": 15}, RANGE),
        ("times", {"from_": (0, 1)}, RANGE),
        ("times", {"range_count": 1, "from_": (0, 10_080)}, RANGE),
        ("times", {"range_count": 1, "to": (0, 10_081)}, RANGE),
        ("times", {"book": 2}, UNKNOWN),
        ("times", {"book": 1}, None),
        ("times", {"book": 0, "row": 1}, None),
        ("times", {"utc_offset_minutes": -1440}, RANGE),
        ("times", {"reserved": 1}, ARGUMENT),
        ("tiers", {"above_units": 0}, RANGE),
        ("tiers", {"above_units": 1 << 60}, RANGE),
        ("tiers", {"above_units": 9}, ARGUMENT),
        ("tiers", {"metric": 5}, ARGUMENT),
        ("tiers", {"metric": 1}, ARGUMENT),
        ("tiers", {"price_pico": -1, "row": 1}, ARGUMENT),
        ("tiers", {"book": 2, "row": 1}, UNKNOWN),
        ("alerts", {"name": b""}, ARGUMENT),
        ("alerts", {"name": b"a b"}, ARGUMENT),
        ("alerts", {"threshold_nano": 0}, RANGE),
        ("alerts", {"threshold_nano": -1}, RANGE),
        ("alerts", {"threshold_nano": 11}, EXISTS),
        ("alerts", {"of_nano": 5}, ARGUMENT),
        ("alerts", {"ppm": 5}, ARGUMENT),
        ("alerts", {"ppm": 500_000, "of_nano": 21}, ARGUMENT),
        ("alerts", {"ppm": 500_000, "of_nano": 20}, None),
        ("alerts", {"tenant": 2}, UNKNOWN),
        ("alerts", {"service": 2}, UNKNOWN),
        ("alerts", {"reserved": 1}, ARGUMENT),
    ],
)
def test_a_hostile_row_is_refused_with_its_section(
    section: str, change: dict[str, Any], status: int | None
) -> None:
    sections = {"billing": 60, "books": 61, "times": 62, "tiers": 63, "alerts": 64}
    got = rows(**{section: dict(change)})
    if status is None:
        assert got[0] == 0
    else:
        assert got[:2] == (status, sections[section])


def test_rows_that_nobody_changed_pass() -> None:
    assert rows() == (0, 0, 0, 0)
