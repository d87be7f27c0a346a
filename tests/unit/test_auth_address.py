# SPDX-License-Identifier: MIT
"""An address over its limit is turned away before its credentials are looked at."""

from __future__ import annotations

import random
from typing import Any

import pytest

from host_sim.kernel import Kernel, Verdict
from host_sim.modules.auth import AuthenticationManager
from tests.jose import verifier
from tests.unit.test_jwt import HEAD, SECRET, tagged

S = 10**9
LIMIT = """[[limit]]
name = "per-address"
scope = "ip"
algorithm = "token_bucket"
rate = "1/s"
burst = 2
"""
GOOD = tagged(HEAD, b'{"sub":"u","exp":3600,"role":"user"}').decode()
FORGED = tagged(HEAD, secret=b"x" * 32).decode()


def gateway(more: str = LIMIT) -> AuthenticationManager:
    return verifier("HS256", SECRET, "k1", 'claims = { role = "role" }\n' + more)


def ask(auth: AuthenticationManager, token: str, *, at_s: float = 1, ip: str = "192.0.2.1",
        **more: Any) -> Any:
    assert auth.kernel is not None
    answer = auth.kernel.admit("/x", at_ns=int(at_s * S), ip=ip,
                               headers={"Authorization": f"Bearer {token}"}, **more)
    assert auth.kernel.valid() == 0
    return answer


def test_an_address_over_its_limit_costs_no_signature() -> None:
    auth = gateway()
    assert [ask(auth, GOOD).verdict for _ in range(2)] == [Verdict.ALLOW] * 2
    for token in (FORGED, GOOD, "nonsense"):
        denied = ask(auth, token)
        assert (denied.verdict, denied.reason, denied.http_status) == (
            Verdict.DENY, "rate-limited", 429)
        assert (denied.by, denied.retry_after_ns) == ("per-address", S)
    stats = auth.stats()
    assert (stats.asked_count, stats.denied_count, stats.penalty_count) == (2, 0, 0)
    assert auth.kernel is not None and auth.kernel.stats()["denied_count"] == 3
    assert ask(auth, FORGED, ip="192.0.2.2").reason == "auth-signature"
    assert ask(auth, GOOD, at_s=2).verdict == Verdict.ALLOW
    assert ask(auth, FORGED, at_s=3).reason == "auth-signature"


def test_what_is_refused_so_is_counted_by_the_limit_and_books_nothing() -> None:
    auth = gateway()
    for _ in range(2):
        ask(auth, GOOD)
    assert auth.kernel is not None
    book = auth.kernel.digest().book
    said = auth.kernel.shell("ratelimit status --json").text
    ask(auth, FORGED)
    assert auth.kernel.digest().book == book
    after = auth.kernel.shell("ratelimit status --json").text
    assert '"denied":0' in said and '"denied":1' in after


def test_explain_says_which_stage_it_was() -> None:
    auth = gateway()
    for _ in range(2):
        ask(auth, GOOD)
    assert auth.kernel is not None
    head = {"Authorization": f"Bearer {GOOD}"}
    said = auth.kernel.explain("/x", headers=head, ip="192.0.2.1", as_json=True)
    assert "auth" not in said and [row["granted"] for row in said["ratelimit"]] == [False]
    assert (said["reason"], said["by"]) == ("rate-limited", "per-address")
    text = auth.kernel.explain("/x", headers=head, ip="192.0.2.1")
    assert "ratelimit" in text and "quota" not in text and "auth" not in text
    other = auth.kernel.explain("/x", headers=head, ip="192.0.2.9", as_json=True)
    assert other["auth"]["granted"] and len(other["ratelimit"]) == 1


@pytest.mark.parametrize("more", [
    LIMIT + 'mode = "shadow"\n',
    LIMIT.replace('"ip"', '"user"'),
    LIMIT.replace('"ip"', '"service"'),
], ids=["shadow", "user", "service"])
def test_only_an_enforced_limit_of_addresses_comes_first(more: str) -> None:
    auth = gateway(more)
    for _ in range(3):
        ask(auth, GOOD)
    assert ask(auth, FORGED).reason == "auth-signature"


def test_a_plan_with_a_rate_of_its_own_is_not_guessed_at() -> None:
    more = LIMIT + 'plan = { gold = { rate = "9/s", burst = 5 } }\n[tenant.rich]\nplan = "gold"\n'
    auth = gateway('tenant = "rich"\n' + more)
    assert [ask(auth, GOOD).verdict for _ in range(5)] == [Verdict.ALLOW] * 5
    assert ask(auth, FORGED).reason == "auth-signature"
    assert ask(auth, GOOD).reason == "rate-limited" and auth.stats().asked_count == 7


def test_who_is_vouched_for_is_asked_in_full() -> None:
    auth = gateway()
    assert auth.kernel is not None
    rows = [auth.kernel.admit("/x", at_ns=S, ip="192.0.2.1", user="u", vouched=True)
            for _ in range(3)]
    assert [row.reason for row in rows][-1] == "rate-limited"
    assert auth.stats().schemes == {"vouched": auth.stats().asked_count}


def test_an_early_no_is_a_no_whoever_it_is() -> None:
    """Of two gateways in the same state one is asked with credentials, the other for the one they
    name: what the first turns away by its address the second refuses too, and no other."""
    more = LIMIT + """reserve = { low = "50%", batch = "50%" }
[[limit]]
name = "per-net"
scope = "ip"
algorithm = "fixed_window"
rate = "15/4s"
prefix = { v4 = 24 }
"""
    dice = random.Random(19)
    auth = gateway(more)
    assert auth.kernel is not None
    kernel, early = auth.kernel, 0
    for step in range(400):
        at_s, ip = 1 + step * 0.11, f"192.0.2.{dice.randrange(4)}"
        twin: Kernel = kernel.fork()
        asked = auth.stats().asked_count
        more_of = {"priority": dice.randrange(5)}
        answer = ask(auth, GOOD, at_s=at_s, ip=ip, **more_of)
        vouched = twin.admit("/x", at_ns=int(at_s * S), ip=ip, user="u", role=3, vouched=True,
                             **more_of)
        assert (answer.verdict, answer.http_status) == (vouched.verdict, vouched.http_status)
        if answer.verdict == Verdict.ALLOW:
            kernel.complete(kernel.last_id, at_ns=int(at_s * S))
        if auth.stats().asked_count == asked:
            early += 1
            assert vouched.http_status == 429
    assert 50 < early < 350
