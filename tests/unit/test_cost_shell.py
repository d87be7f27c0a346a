# SPDX-License-Identifier: MIT
"""cost at the console: what it says, what it changes, and how it answers a wrong word."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim import config
from host_sim.kernel import Kernel
from host_sim.modules.cost import CostCollector

S = 1_000_000_000
START = 1_767_225_600 * S
FILE = """version = 1
[tenant.acme]
[tenant.blue]
[service.shop]
[service.search]
[[route]]
name = "shop"
service = "shop"
path = { prefix = "/" }
[cost.shop]
base = "0.10"
per_kilobyte = "0.01"
multipliers = [{ when = { time = "Sat-Sun", class = "batch" }, by = "0.5" }]
tiers = [{ of = "base", above = 100, price = "0.05" }]
[billing]
grace = "1h"
"""


@pytest.fixture
def kernel() -> Kernel:
    kernel = Kernel(config=config.loads(FILE))
    kernel.tick(START + S)
    cost = CostCollector(kernel=kernel)
    for tenant, requests in ((0, 3), (1, 5)):
        cost.attribute_cost(0, tenant_id=tenant, requests=requests, bytes=1024)
    return kernel


def said(kernel: Kernel, line: str) -> str:
    answer = kernel.shell(line)
    assert answer.status == 0, answer.text
    return str(answer.text)


def told(kernel: Kernel, line: str) -> Any:
    """The JSON of a reading command, which changes no byte."""
    before = kernel.digest()
    answer = kernel.shell(f"{line} --json")
    assert answer.status == 0 and kernel.digest() == before, answer.text
    return answer.json()


def test_reading_commands_say_the_same_in_text_and_json(kernel: Kernel) -> None:
    status = told(kernel, "cost status")
    assert status["sum_tenants"] == status["sum_services"] == status["grand_total"]
    assert status["grand_total"] == status["sum_metrics"] == "0.820000000000"
    assert "grand_total         0.820000000000" in said(kernel, "cost status")
    tenants = told(kernel, "cost tenants")["tenants"]
    assert [(row["tenant"], row["open"]) for row in tenants] == [
        ("acme", "0.310000000000"), ("blue", "0.510000000000")]
    assert tenants[0]["metrics"]["bytes"] == "0.010000000000"
    assert "acme                0.310000000" in said(kernel, "cost tenants")
    services = told(kernel, "cost services")["services"]
    assert [(row["service"], row["ever"]) for row in services] == [
        ("shop", "0.820000000000"), ("search", "0.000000000000")]
    models = told(kernel, "cost models")["models"]
    assert models == told(kernel, "cost show shop")["models"]
    assert models[0]["base"] == "0.100000000000"
    text = said(kernel, "cost models")
    assert "times             0.5000 class batch minutes 7200-10080" in text
    assert "beyond            100 requests: 0.050000000000" in text
    assert told(kernel, "cost bill acme")["exact"] == "0.310000000000"
    assert "total so far" in said(kernel, "cost bill acme")
    assert said(kernel, "cost help").startswith("cost: prices, budgets, invoices")


def test_periods_trends_and_projections(kernel: Kernel) -> None:
    assert told(kernel, "cost project acme")["spent"] == "0.310000000"
    assert told(kernel, "cost trends")["periods"] == []
    assert kernel.shell("cost close").status != 0, "it wants to be confirmed"
    assert said(kernel, "confirm cost close") == "closed\n"
    assert kernel.shell("confirm cost close").text.startswith("error: the period has no length")
    (closed,) = told(kernel, "cost trends acme")["periods"]
    assert (closed["cost"], closed["invoice_ready"]) == ("0.310000000000", False)
    assert "invoice             not ready" in said(kernel, "cost bill acme --back=1")
    kernel.tick(START + 2 * 3600 * S)
    assert "invoice             ready" in said(kernel, "cost bill acme --back=1")
    assert "slope per period" in said(kernel, "cost trends")
    assert kernel.shell("cost bill acme --back=2").text.startswith("error: no such period")


def test_alerts_are_set_seen_and_removed(kernel: Kernel) -> None:
    said(kernel, "cost alert all 0.80")
    said(kernel, "cost alert acme 5 --tenant=acme --service=shop")
    (one,) = told(kernel, "cost alerts")["alerts"]
    assert (one["name"], one["threshold"], one["spent"]) == ("all", "0.800000000", "0.820000000")
    assert said(kernel, "cost alerts").startswith("1     all")
    said(kernel, "cost ack 1")
    assert said(kernel, "cost alerts") == "none\n" and "seen" in said(kernel, "cost alerts --all")
    said(kernel, "cost unalert all")
    assert kernel.shell("cost unalert all").status != 0
    assert kernel.valid() == 0


def test_money_is_moved_and_audited(kernel: Kernel) -> None:
    assert said(kernel, "cost adjust acme -0.25 --service=shop --metric=bytes") == (
        "booked -0.250000000\n")
    assert told(kernel, "cost tenants")["tenants"][0]["open"] == "0.060000000000"
    said(kernel, "cost adjust - 1")
    assert told(kernel, "cost tenants")["tenants"][2]["tenant"] == ""
    said(kernel, "cost set shop base 0.2")
    book = told(kernel, "cost models shop")["models"][0]
    assert (book["base"], book["multipliers_bp"], len(book["tiers"])) == (
        "0.200000000000", [5000], 1), "the rest of the book stays"
    said(kernel, "cost set search per_hit -0.001")
    assert kernel.valid() == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("cost bill acmee", 'did you mean "acme"?'),
        ("cost models shopp", 'did you mean "shop"?'),
        ("cost set shop bace 1", 'did you mean "base"?'),
        ("cost set shop base -1", "only per_hit may be negative"),
        ("cost set shop base x", "an amount is a decimal such as 12.50"),
        ("cost adjust acme 1.0000000001", "an amount is a decimal such as 12.50"),
        ("cost adjust acme 1 --metric=water", "--metric is requests, bytes"),
        ("cost adjust acme 1 --service=shpo", 'did you mean "shop"?'),
        ("cost export acme pdf", "an invoice is csv, json or focus"),
        ("cost bill acme --back=x", "--back is a number of periods"),
        ("cost alert x 0", "a threshold is an amount above 0"),
        ("cost alert a\\b 1", "a name is 1 to 47"),
        ("cost ack 9", "no such alert"),
        ("cost tenant", 'did you mean "tenants"?'),
    ],
)
def test_a_wrong_word_is_named_and_changes_nothing(kernel: Kernel, line: str, text: str) -> None:
    before = kernel.digest()
    answer = kernel.shell(line)
    assert answer.status != 0 and answer.text.startswith("error: ") and text in answer.text
    assert kernel.digest() == before
