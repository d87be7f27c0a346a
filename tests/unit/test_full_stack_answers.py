# SPDX-License-Identifier: MIT
"""What one user asks is not another's, and what is foretold is what happens."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from host_sim.kernel import Kernel, Verdict
from host_sim.modules.auth_introspection import http_resolver, of_answer
from tests.full_stack import S, config_in

ANN: dict[str, Any] = {"tenant": "acme", "user": "ann", "role": 3}
BOB: dict[str, Any] = {"tenant": "acme", "user": "bob", "role": 3}
JSON = {"Content-Type": "application/json"}
BODY = b"\x0a\x01a"  # protobuf, as the service writes it


@pytest.fixture
def kernel(tmp_path: pathlib.Path) -> Kernel:
    return Kernel(config=config_in(tmp_path))


def test_an_answer_to_somebody_is_kept_for_nobody_unless_it_is_public(kernel: Kernel) -> None:
    kernel.admit("/orders/1", at_ns=S, **ANN)
    kernel.complete(1, at_ns=S + 9, headers={"Cache-Control": "max-age=30"}, body=BODY)
    assert kernel.admit("/orders/1", at_ns=2 * S, **BOB).cached is None
    kernel.complete(2, at_ns=2 * S + 9, headers={"Cache-Control": "max-age=30, public"}, body=BODY)
    assert kernel.admit("/orders/1", at_ns=2 * S + 10, **ANN).cached is not None


@pytest.mark.parametrize("body", [b"", b"{}", b"{"])
def test_an_empty_body_breaks_a_schema_too(kernel: Kernel, body: bytes) -> None:
    answer = kernel.admit("/orders/1", at_ns=S, method="POST", headers=JSON, body=body, **ANN)
    assert answer.verdict == Verdict.DROPPED and answer.http_status in (400, 422)


def test_what_is_foretold_is_what_happens(kernel: Kernel) -> None:
    def both(**more: Any) -> Any:
        said = kernel.explain("/orders/1", as_json=True, **more)
        done = kernel.admit("/orders/1", **more)
        assert (said["verdict"], said["reason"], said["http_status"]) == (
            done.verdict.name.lower(), done.reason, done.http_status)
        return done
    bad: dict[str, Any] = {"method": "POST", "headers": JSON, "body": b"{}", **ANN}
    assert both(**bad).verdict == Verdict.DROPPED
    kernel.shell("confirm resilience force orders open")
    assert both(**ANN).reason == "breaker-forced"


def test_a_token_that_cannot_be_revoked_is_not_repeated(kernel: Kernel) -> None:
    said = kernel.shell("confirm auth revoke aaa.bbb.cccccccc")
    assert said.status < 0 and said.text.startswith("error: nothing was revoked")
    assert "bbb" not in said.text


@pytest.mark.parametrize("scope", ["openid profile", "orders:read", "", 7])
def test_a_scope_that_gives_nothing_here_lets_nobody_in(scope: Any) -> None:
    said = of_answer({"active": True, "sub": "ann", "scope": scope})
    assert said is not None and not said.active
    plain = of_answer({"active": True, "sub": "ann", "scope": "read openid"})
    assert plain is not None and plain.active


def test_no_server_is_no_answer() -> None:
    assert http_resolver("http://127.0.0.1:9/", timeout_ns=S // 10)("token") is None
