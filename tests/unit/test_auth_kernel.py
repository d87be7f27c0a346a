# SPDX-License-Identifier: MIT
"""auth in the pipeline: who the credentials name is who limits, quotas and prices count for."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from host_sim.kernel import Kernel, Verdict
from tests.full_stack import S, config_in, token_of


@pytest.fixture
def kernel(tmp_path: pathlib.Path) -> Kernel:
    return Kernel(config=config_in(tmp_path))


def ask(kernel: Kernel, token: str | None = None, at_s: float = 1, **more: Any) -> Any:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = kernel.admit("/orders/1", at_ns=int(at_s * S), headers=headers, ip="192.0.2.1", **more)
    assert kernel.valid() == 0
    return answer


ANN = token_of("ann", "user", "acme")


def test_the_identity_of_a_token_is_the_identity_of_the_request(kernel: Kernel) -> None:
    answer = ask(kernel, ANN)
    assert (answer.verdict, answer.tenant, answer.role) == (
        Verdict.ALLOW, "acme", "user")
    said = kernel.explain("/orders/1", as_json=True, headers={"Authorization": f"Bearer {ANN}"})
    assert said["auth"] == {"granted": True, "reason": said["auth"]["reason"], "known": True,
                            "user": "ann", "tenant": "acme", "role": "user"}
    assert said["quota"][0]["left_units"] == 149            # acme's day, one request gone


def test_a_denied_credential_spends_nothing_but_its_penalty(kernel: Kernel) -> None:
    before = kernel.explain("/orders/1", as_json=True, tenant="acme", user="ann")
    for token, reason, status in (
        (None, "auth-required", 401), (ANN[:-3] + "AAA", "auth-signature", 401),
        (token_of("ann", "user", "acme", exp=1), "auth-expired", 401),
    ):
        answer = ask(kernel, token)
        assert (answer.verdict, answer.reason, answer.http_status) == (
            Verdict.DENY, reason, status)
    after = kernel.explain("/orders/1", as_json=True, tenant="acme", user="ann")
    assert before["quota"] == after["quota"] and before["ratelimit"] == after["ratelimit"]


def test_a_guest_may_read_and_not_write(kernel: Kernel) -> None:
    bob = token_of("bob", "guest", "guest")
    assert ask(kernel, bob).verdict == Verdict.ALLOW
    assert ask(kernel, bob, method="DELETE").reason == "auth-permission"


def test_who_is_vouched_for_needs_no_credential_and_claims_none(kernel: Kernel) -> None:
    assert ask(kernel, tenant="acme", user="ann", role=3).verdict == Verdict.ALLOW
    assert ask(kernel, user="ann", vouched=False).reason == "auth-required"


def test_a_token_seen_before_is_decided_the_same_and_ends_on_time(kernel: Kernel) -> None:
    short = token_of("ann", "user", "acme", exp=10)
    assert [ask(kernel, short, at).verdict for at in (1, 2, 9.9)] == [Verdict.ALLOW] * 3
    assert ask(kernel, short, 10).reason == "auth-expired"


def test_the_client_is_told_how_to_ask_better(kernel: Kernel) -> None:
    said = kernel.shell("request GET /orders/1").text
    assert "auth-required" in said and "header      WWW-Authenticate: Bearer" in said
    said = kernel.shell("request GET /orders/1 --tenant acme --user ann --role user").text
    assert "WWW-Authenticate" not in said and said.startswith("allow")


def test_no_secret_is_in_the_state_or_in_what_is_said(kernel: Kernel) -> None:
    from tests.full_stack import KEY
    ask(kernel, ANN)
    texts = [kernel.snapshot()] + [kernel.shell(line).text.encode() for line in (
        "auth status", "auth list", "auth keys", "audit", "explain GET /orders/1", "status")]
    for at in range(len(KEY) - 8):
        assert all(KEY[at : at + 8] not in text for text in texts)
