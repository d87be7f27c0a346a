# SPDX-License-Identifier: MIT
"""One request spends a token, a quota unit and money, or none of them."""

from __future__ import annotations

import pytest

from host_sim.config import loads
from host_sim.kernel import Kernel, Verdict
from host_sim.modules.cost import CostCollector

S = 10**9
CONFIG = """
version = 1
[tenant.acme]
[service.shop]
[[route]]
name = "all"
service = "shop"
path = { prefix = "/" }
[[limit]]
name = "pace"
scope = "service"
service = "shop"
rate = "1/s"
burst = 3
[[quota]]
name = "month"
tenant = "acme"
type = "requests"
limit = 2
window = "month"
[[policy]]
name = "no-posts"
type = "authorization"
when = { method = ["POST"] }
action = "deny"
[policies]
default = { authorization = "allow" }
[cost.shop]
base = "0.25"
"""


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(config=loads(CONFIG))


def spent(kernel: Kernel) -> tuple[int, int, int]:
    """Tokens gone, quota units used, nano-units charged."""
    buckets = kernel.shell("ratelimit buckets pace --json").json()
    usage = kernel.shell("quota usage --json").json()["usage"]
    left = buckets[0]["buckets"][0]["left_tokens"]
    money = CostCollector(kernel=kernel).get_tenant_cost(0)
    return 3 - left, sum(row["used_units"] for row in usage), money.nano


def test_ratelimit_quota_cost(kernel):
    assert spent(kernel) == (0, 0, 0)
    for n in (1, 2):
        done = kernel.admit("/", at_ns=S, exchange=True, tenant="acme")
        assert (done.verdict, done.cost_nano) == (Verdict.ALLOW, 250_000_000)
        assert spent(kernel) == (n, n, n * 250_000_000)


def test_what_the_quota_denies_spends_no_token_and_no_money(kernel):
    for _ in range(2):
        kernel.admit("/", at_ns=S, exchange=True, tenant="acme")
    before, book = spent(kernel), kernel.digest().book
    denied = kernel.admit("/", at_ns=S, exchange=True, tenant="acme")
    assert (denied.verdict, denied.by, denied.cost_nano) == (Verdict.DENY, "month", 0)
    assert spent(kernel) == before == (2, 2, 500_000_000)
    assert kernel.digest().book == book


def test_what_the_limit_denies_spends_no_unit_and_no_money(kernel):
    for _ in range(3):
        kernel.admit("/", at_ns=S, exchange=True)          # of no tenant: no quota, but money
    before, book = spent(kernel), kernel.digest().book
    denied = kernel.admit("/", at_ns=S, exchange=True, tenant="acme")
    assert (denied.verdict, denied.by) == (Verdict.DENY, "pace")
    assert spent(kernel) == before == (3, 0, 0)
    assert kernel.digest().book == book


def test_what_a_policy_denies_spends_nothing_at_all(kernel):
    book = kernel.digest().book
    denied = kernel.admit("/", method="POST", at_ns=S, exchange=True, tenant="acme")
    assert (denied.verdict, denied.by, denied.http_status) == (Verdict.DENY, "no-posts", 403)
    assert spent(kernel) == (0, 0, 0)
    assert kernel.digest().book == book


def test_two_configurations_that_differ_in_a_policy_differ_where_explain_says():
    """The streams of decisions differ exactly at the requests the rule matches."""
    with_rule, without = Kernel(config=loads(CONFIG)), Kernel(
        config=loads(CONFIG.replace('action = "deny"', 'action = "log"')))
    for n in range(40):
        method = "POST" if n % 3 == 0 else "GET"
        said = with_rule.explain("/", method=method, as_json=True, tenant="acme")
        matched = {row["rule"] for row in said["policy"]["rules"] if row["stands"] == "decides"}
        a = with_rule.admit("/", method=method, at_ns=S * (n + 1), exchange=True)
        b = without.admit("/", method=method, at_ns=S * (n + 1), exchange=True)
        differs = (a.verdict, a.by) != (b.verdict, b.by)
        assert differs == (matched == {"no-posts"}) == (method == "POST")


def test_a_money_quota_reserves_the_quote_and_settles_the_bill():
    text = CONFIG.replace("limit = 2\n", "limit = 100\n") + (
        '[[quota]]\nname = "budget"\ntenant = "acme"\ntype = "cost"\nlimit = "0.60"\n'
        'window = "month"\n')
    kernel = Kernel(config=loads(text))
    verdicts = [kernel.admit("/", at_ns=S, exchange=True, tenant="acme") for _ in range(3)]
    assert [one.verdict for one in verdicts] == [Verdict.ALLOW, Verdict.ALLOW, Verdict.DENY]
    assert verdicts[2].by == "budget"                       # 0.75 would pass 0.60
    assert CostCollector(kernel=kernel).get_tenant_cost(0).nano == 500_000_000
