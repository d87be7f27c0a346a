# SPDX-License-Identifier: MIT
"""Gates: a configuration under virtual time, and the pytest fixture that makes them."""

from __future__ import annotations

import decimal
import importlib.metadata
import pathlib
import re
from typing import Any

import pytest

from host_sim.errors import ArgumentError, UnknownError
from host_sim.testing import Gate

pytest_plugins = ["pytester"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = """version = 1
[service.orders]
[[route]]
name = "orders"
service = "orders"
path = { prefix = "/orders" }
[tenant.acme]
plan = "gold"
[[identity]]
when = { ip = "10.0.0.0/8" }
tenant = "acme"
user = "log_user"
[[limit]]
name = "per-user"
scope = "user"
algorithm = "token_bucket"
rate = "10/s"
burst = 3
[[limit]]
name = "per-user-tighter"
scope = "user"
algorithm = "token_bucket"
rate = "1/s"
burst = 1
mode = "shadow"
[queue.service.orders]
servers = 1
[cost.orders]
base = "0.25"
"""


@pytest.fixture
def gate() -> Gate:
    return Gate(RULES)


def test_a_burst_is_allowed_to_its_size_and_refilled_by_virtual_time(gate: Gate) -> None:
    ann = {"client": "10.0.0.7", "user": "ann"}
    replies = gate.burst(5, "/orders/7", **ann)
    assert (replies.allowed, replies.denied) == (3, 2)
    assert replies.reasons == {"ok": 3, "rate-limited": 2}
    assert (replies[3].status, replies[3].by, replies[3].retry_after) == (429, "per-user", "100ms")
    gate.advance("99ms")
    assert not gate.get("/orders/7", **ann)
    gate.advance("1ms")
    assert gate.get("/orders/7", **ann)
    assert gate.get("/orders/7", client="10.0.0.7", user="bob").allowed


def test_what_a_shadow_would_have_said_is_told_and_nothing_is_spent_by_explaining(
    gate: Gate,
) -> None:
    ann = {"client": "10.0.0.7", "user": "ann"}
    assert gate.get("/orders", **ann).would_deny == ()
    before = gate.kernel.digest()
    assert "per-user: 2 left before" in gate.explain("/orders", **ann)
    assert gate.kernel.digest() == before
    assert gate.get("/orders", **ann).would_deny == ("per-user-tighter",)


def test_a_request_that_lasts_holds_its_server_and_is_billed_when_it_ends(gate: Gate) -> None:
    ann = {"client": "10.0.0.7", "user": "ann"}
    assert not gate.get("/orders", duration="2s", **ann).queued
    assert gate.get("/orders", **ann).queued
    assert gate.bill("acme") == 0
    gate.settle()
    assert gate.bill("acme") == decimal.Decimal("0.5")
    assert gate.bill() == 0


def test_a_burst_with_gaps_lets_time_pass(gate: Gate) -> None:
    start = gate.now_ns
    assert gate.burst(8, "/orders", every="100ms", user="x").allowed == 8
    assert gate.now_ns - start == 700_000_000
    gate.until("2026-01-05T12:00:01Z")
    assert gate.now_ns - start == 1_000_000_000


@pytest.mark.parametrize(("said", "words"), [
    ({"clinet": "10.0.0.7"}, "no field 'clinet': did you mean 'client'?"),
    ({"zzz": 1}, "there are host, headers, client"),
    ({"duration": "5 minutes"}, "no duration"),
    ({"duration": 5}, "duration"),
])
def test_a_field_that_cannot_be_is_named(gate: Gate, said: dict[str, object], words: str) -> None:
    before = gate.kernel.digest()
    with pytest.raises(ArgumentError, match=re.escape(words)):
        gate.get("/orders", **said)
    assert gate.kernel.digest() == before


def test_names_and_times_that_are_not_raise(gate: Gate) -> None:
    with pytest.raises(UnknownError, match="no tenant is called 'acmee'"):
        gate.get("/orders", tenant="acmee")
    with pytest.raises(UnknownError, match="no tenant is called 'x'"):
        gate.bill("x")
    with pytest.raises(ArgumentError, match="is past"):
        gate.until("2020-01-01T00:00:00Z")
    with pytest.raises(ArgumentError, match="no time"):
        Gate(RULES, at="yesterday")


# -- the fixture, as somebody else's tests use it --------------------------------------------------
def arguments() -> list[str]:
    """-p, unless the installed package has told pytest already."""
    known = importlib.metadata.entry_points(group="pytest11").names
    return [] if "raygate" in known else ["-p", "host_sim.pytest_plugin"]


def test_the_page_s_example_passes(pytester: pytest.Pytester) -> None:
    page = (ROOT / "docs/testing.md").read_text()
    tests = [block for block in re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
             if "def test_" in block]
    assert tests
    for name in ("shop.toml",):
        (pytester.path / name).write_text((ROOT / "examples" / name).read_text())
    (pytester.path / "keys").symlink_to(ROOT / "examples" / "keys")
    pytester.makepyfile("\n\n".join(tests))
    done = pytester.runpytest_subprocess(*arguments(), "-q")
    assert done.ret == 0, done.stdout.str()
    done.assert_outcomes(passed="".join(tests).count("def test_"))


def test_a_test_that_fails_says_what_its_gate_decided(pytester: pytest.Pytester) -> None:
    (pytester.path / "rules.toml").write_text(RULES)
    pytester.makepyfile("""
        def test_four_at_once(raygate):
            gate = raygate("rules.toml")
            assert gate.burst(4, "/orders", user="ann").allowed == 4
    """)
    done = pytester.runpytest_subprocess(*arguments())
    done.assert_outcomes(failed=1)
    said = done.stdout.str()
    assert "3 of 4 allowed" in said
    assert "GET /orders: deny 429, rate-limited by limit per-user, retry after 100ms" in said
    assert "per-user: 0 left before" in said


def test_what_is_no_duration_instant_or_number_is_said_with_what_to_write(gate: Gate) -> None:
    wrong: list[tuple[Any, Any, str]] = [
        (gate.advance, 5, '5 is no duration: write it as text, "5s"'),
        (gate.advance, 0.5, '"0.5s"'), (gate.advance, None, 'None is no duration'),
        (gate.advance, "5", '"5s"'), (gate.advance, "-5s", "no duration"),
        (gate.until, 1767614400, 'no instant: write it as text, "2026-01-05T12:00:00Z"'),
        (gate.until, "noon", "noon"),
        (gate.burst, -1, "-1 is no number of requests: write burst(20"),
        (gate.burst, "5", "'5' is no number"), (gate.burst, True, "True is no number"),
        (gate.burst, 2.0, "2.0 is no number"),
        (lambda every: gate.burst(2, "/orders", every=every), 5, 'write it as text, "5s"'),
    ]
    before = gate.now_ns
    for call, argument, said in wrong:
        with pytest.raises(ArgumentError, match=re.escape(said)):
            call(argument)
    assert gate.now_ns == before and gate.burst(0) == ()
