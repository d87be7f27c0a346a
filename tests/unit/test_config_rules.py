# SPDX-License-Identifier: MIT
"""config: each mistake has its own code, said where it stands and once."""

import pytest

from host_sim import config as compiler
from host_sim.config.capacities import PROFILES
from tests.configs import HEAD, codes, expectation, identity, limit, quota, route
from tests.data import ROOT

ROUTES = [
    (route(path="{}"), "conflict"),
    (route(path='{ exact = "/a", prefix = "/a" }'), "conflict"),
    (route(path='{ prefix = "x" }'), "bad-path"),
    (route(path='{ prefix = "/a/../b" }'), "bad-path"),
    (route(path='{ exact = "/a b" }'), "bad-path"),
    (route(path='{ exact = "/a%2Fb" }'), "bad-path"),
    (route(path='{ wildcard = "/a/b*" }'), "bad-path"),
    (route(path='{ wildcard = "/**/a" }'), "bad-path"),
    (route(path='{ wildcard = "/a" }'), "bad-path"),
    (route(path=f'{{ wildcard = "{"/*" * 9}" }}'), "bad-path"),
    (route(path=f'{{ exact = "/{"x" * 256}" }}'), "bad-path"),
    (route(path='{ regex = "/(a" }'), "bad-regex"),
    (route(transform="items"), "unknown-reference"),
    (route(auth="none", permission="write"), "conflict"),
    (route(methods=[]), "conflict"),
    (route(methods=["GET", "GET"]), "conflict"),
    (route(methods=["FETCH"]), "bad-choice"),
    (route(limits=["no"]), "unknown-reference"),
    (limit() + route(limits=["x"]), "conflict"),
    (route(service="c"), "unknown-reference"),
    (route(host="*"), "bad-host"),
    (route(host="a..b"), "bad-host"),
    (route(headers='{ a_b = "1" }'), "bad-header"),
    (route(headers='{ a = " 1" }'), "bad-header"),
    (route(headers='{ a = "1", A = "2" }'), "conflict"),
    (route(headers='{ a = { prefix = "" } }'), "conflict"),
    (route(headers='{ a = { exact = "1", prefix = "1" } }'), "conflict"),
    (route(headers='{ a = "1", b = "1", c = "1", d = "1", e = "1" }'), "out-of-range"),
    (route(queries='{ "a b" = "1" }'), "bad-header"),
    (route(weight=0), "out-of-range"),
    (route(weight=2**32), "out-of-range"),
    (route(priority=2**31), "out-of-range"),
    (route() + route(name="again"), "conflict"),
]
SERVICES = [
    ('[service."a b"]\n', "bad-name"),
    ('[service.c]\ntimeout = "0s"\n', "out-of-range"),
    ('[service.c]\nmax_body = "4GiB"\n', "out-of-range"),
    ('[service.c]\npool = "c"\n', "unknown-reference"),
    ('[service.c]\nat = "c"\n', "bad-host"),
    ('[service.c]\nat = "c:0"\n', "bad-host"),
    ('[service.c]\nmode = "shadow"\n', "bad-choice"),
    ('[trust]\nproxies = ["10.0.0.0/8"]\n', "conflict"),
    ('[trust]\nclient_ip = "x-forwarded-for"\n', "conflict"),
    ('[defaults]\nmax_step = "0s"\n', "out-of-range"),
    ('[headers]\nrequest_id = "a b"\n', "bad-name"),
    ('[[policy]]\nname = "p"\n', "missing-key"),
    ('[[polcy]]\nname = "p"\n', "unknown-section"),
]
PEOPLE = [
    (identity(), "conflict"),
    (identity(user="me"), "bad-choice"),
    (identity(user='{ header = "a", path_segment = 1 }'), "conflict"),
    (identity(user="{ path_segment = 0 }"), "out-of-range"),
    (identity(tenant="nobody"), "unknown-reference"),
    (identity(when="{ ip = [] }", tenant="acme"), "bad-network"),
    (identity(when='{ ip = "10.0.0.1/8" }', tenant="acme"), "bad-network"),
    (identity(when='{ agent = "bot" }', tenant="acme"), "unknown-key"),
    (identity(tenant="acme") + identity(tenant="acme"), "conflict"),
    (expectation("{}"), "conflict"),
    (expectation('{ by = "nobody" }'), "unknown-reference"),
    (expectation('{ verdict = "yes" }'), "bad-choice"),
    (expectation('{ retry_after = "soon" }'), "bad-duration"),
]
LIMITS = [
    (limit(rate="0/s"), "bad-rate"),
    (limit(rate="1/0s"), "bad-rate"),
    (limit(rate=5), "wrong-type"),
    (limit(burst=0), "out-of-range"),
    (limit(burst="7"), "wrong-type"),
    (limit(burst=2**64), "out-of-range"),
    (limit(name=None), "missing-key"),
    (limit(name=""), "bad-name"),
    (limit(name="x" * 48), "bad-name"),
    (limit(burst=3, capacity=4), "conflict"),
    (limit(algorithm="sliding_window", burst=3), "conflict"),
    (limit(algorithm="fixed_window", exact=True), "conflict"),
    (limit(algorithm="sliding_window", exact=True, rate="65/s"), "out-of-range"),
    (limit(algorithm="leaky_bucket", queue=True), "missing-key"),
    (limit(max_delay="1s"), "conflict"),
    (limit(anchor="2026-01-01T00:00:00Z"), "conflict"),
    (limit(scope="ip", user="web"), "conflict"),
    (limit(prefix="{ v4 = 24 }"), "conflict"),
    (limit(scope="ip", prefix="{ v4 = 33 }"), "out-of-range"),
    (limit(scope="service", table_full="deny"), "conflict"),
    (limit(excess=3), "conflict"),
    (limit(scope="service", excess=3, debt=True), "conflict"),
    (limit(scope="service", plan='{ gold = "2/s" }'), "conflict"),
    (limit(scope="named", service="a"), "conflict"),
    (limit(plan='{ golf = "2/s" }'), "unknown-reference"),
    (limit(plan="{ gold = 3 }"), "wrong-type"),
    (limit(plan='{ gold = { rate = "2/s", burst = 0 } }'), "out-of-range"),
    (limit(instead_of="y"), "unknown-reference"),
    (limit(name="y") + limit(instead_of="y"), "conflict"),
    (limit(mode="shadow", instead_of="x"), "conflict"),
    (limit(rate="999999999/999999937ns", burst=999_999_999_999), "rate-not-exact"),
    (limit(reserve='{ low = "101%" }'), "out-of-range"),
    (limit(reserve='{ lowest = "1%" }'), "unknown-key"),
    (limit() + limit(), "duplicate-name"),
]
QUOTAS = [
    (quota(tenant="acm"), "unknown-reference"),
    (quota(type="custom"), "bad-choice"),
    (quota(type="custom:a b"), "bad-name"),
    (quota(type="request"), "bad-choice"),
    (quota(limit="1KiB"), "bad-size"),
    (quota(limit=-1), "bad-size"),
    (quota(limit=2**63 + 1), "out-of-range"),
    (quota(limit=None), "missing-key"),
    (quota(window="0s"), "bad-window"),
    (quota(window="100000w"), "bad-window"),
    (quota(window="5000w"), "out-of-range"),
    (quota(window="month", anchor=32), "bad-choice"),
    (quota(window="week", anchor="someday"), "bad-choice"),
    (quota(window="day", anchor="25:00"), "bad-time"),
    (quota(window="rolling 1h", anchor=1), "conflict"),
    (quota(window="never", rollover="1%"), "conflict"),
    (quota(window="rolling 1h", carry_overage=True), "conflict"),
    (quota(rollover="11%"), "out-of-range"),
    (quota(alerts=["90%", "80%"]), "conflict"),
    (quota(alerts=["0.5%"]), "bad-percent"),
    (quota(alerts=["1%", "2%", "3%", "4%", "5%"]), "out-of-range"),
    (quota(guards='{ errors = "1/h" }'), "rate-not-exact"),
    (quota(guards='{ latency_p99 = "soon" }'), "bad-duration"),
    (quota(guards='{ requests = "1/3s" }'), "rate-not-exact"),
    (quota(plan="gold"), "conflict"),
    (quota(timezone="CET"), "bad-offset"),
]
ROWS = [*ROUTES, *SERVICES, *PEOPLE, *LIMITS, *QUOTAS]


@pytest.mark.parametrize(("text", "code"), ROWS)
def test_each_mistake_has_its_code_and_nothing_else_is_said(text, code):
    assert codes(HEAD + text) == [code]


def test_codes_that_are_said_are_documented():
    said = {code for _, code in ROWS} | {"syntax", "duplicate-key"}
    assert said <= set(compiler.CODES)
    page = (ROOT / "docs" / "config.md").read_text()
    assert all(f"| `{code}` |" in page for code in {**compiler.CODES, **compiler.NOTES})


# -- how many for one request, and table sizes -----------------------------------------------------
def test_eight_limits_for_one_request_are_fine_and_nine_are_refused():
    eight = "".join(limit(name=f"l{i}", scope=("service", "user", "ip")[i % 3]) for i in range(8))
    assert codes(HEAD + eight) == []
    assert codes(HEAD + eight + limit(name="ninth", service="a")) == ["too-many-limits"]
    elsewhere = eight[: eight.index('[[limit]]\nname = "l7"')]
    apart = limit(name="l7", service="a") + limit(name="l8", service="b")
    assert codes(HEAD + elsewhere + apart) == []


def test_limits_a_route_names_count_for_its_requests():
    rows = "".join(limit(name=f"l{i}") for i in range(6))
    named = "".join(limit(name=f"n{i}", scope="named") for i in range(3))
    assert codes(HEAD + rows + named + route(limits=["n0", "n1"])) == []
    assert codes(HEAD + rows + named + route(limits=["n0", "n1", "n2"])) == ["too-many-limits"]


def test_limits_pinned_to_one_user_count_together():
    rows = "".join(limit(name=f"l{i}") for i in range(6))
    mine = "".join(limit(name=f"m{i}", user="web") for i in range(2))
    assert codes(HEAD + rows + mine + limit(name="other", user="cli")) == []
    assert codes(HEAD + rows + mine + limit(name="third", user="web")) == ["too-many-limits"]


def test_six_quotas_for_one_request_are_fine_and_seven_are_refused():
    six = "".join(quota(name=f"q{i}", tenant=None) for i in range(6))
    assert codes(HEAD + six) == []
    seventh = quota(name="q6", tenant=None, service="b")
    assert codes(HEAD + six + seventh) == ["too-many-quotas"]


TABLES = [  # what, room, row by number
    ("services", "service_max", lambda i: f"[service.s{i}]\n"),
    ("tenants", "tenant_max", lambda i: f"[tenant.t{i}]\n"),
    ("plans", "plan_max", lambda i: f'[tenant.p{i}]\nplan = "p{i}"\n'),
    ("limits of scope named", "limit_named_max", lambda i: limit(name=f"n{i}", scope="named")),
]


@pytest.mark.parametrize(("what", "room", "row"), TABLES)
@pytest.mark.parametrize("profile", ["seed", "tiny"])
def test_a_table_holds_its_limit_and_one_more_is_refused_whole(what, room, row, profile):
    most = getattr(PROFILES[profile], room)
    text = "version = 1\n" + "".join(row(i) for i in range(most))
    assert codes(text, room=PROFILES[profile]) == []
    one_more = compiler.examine((text + row(most)).encode(), room=PROFILES[profile]).findings
    assert [one.code for one in one_more] == ["too-many-rows"]
    assert what in one_more[0].message and str(most) in one_more[0].message
