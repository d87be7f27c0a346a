# SPDX-License-Identifier: MIT
"""auth: nobody's name has a control character, whichever way it comes in."""

from __future__ import annotations

import base64
import hashlib
import pathlib

import pytest

from host_sim.config import loads
from host_sim.errors import ArgumentError
from host_sim.kernel import Kernel, Verdict
from host_sim.modules.auth import AuthenticationManager, Introspection, Permission
from host_sim.modules.auth_introspection import of_answer
from tests.full_stack import S, config_in, token_of

CONTROLS = ["\0", "a\0b", "a\x1b[31m", "a\n", "\ta", "a\x7f", "a\x80", "a\x9b31m"]
PLAIN = ["ann", "ünï", "a b", "a\u00a0b", "Â", "\u0780", "日本", "~"]
FILE = f"""version = 1
[service.s]
[[route]]
name = "r"
service = "s"
path = {{ prefix = "/" }}
auth = "required"
[auth]
introspection = {{ url = "http://idp.example/" }}
[[api_key]]
name = "a"
sha256 = "{hashlib.sha256(b"secret").hexdigest()}"
[[basic]]
name = "a"
sha256 = "{hashlib.sha256(b"a:word").hexdigest()}"
[[bearer]]
name = "b"
sha256 = "{hashlib.sha256(b"b").hexdigest()}"
"""


@pytest.mark.parametrize("user", CONTROLS)
def test_a_token_about_a_control_character_is_refused(user: str, tmp_path: pathlib.Path) -> None:
    kernel = Kernel(config=config_in(tmp_path))
    for at_s in (1, 2):     # the second time no cache knows better
        answer = kernel.admit("/orders/1", at_ns=at_s * S, headers={
            "Authorization": f"Bearer {token_of(user, 'user', 'acme')}"})
        assert (answer.verdict, answer.reason, answer.http_status) == (
            Verdict.DENY, "auth-claim-bad", 401)
    assert kernel.valid() == 0


@pytest.mark.parametrize("user", PLAIN)
def test_a_token_about_any_other_text_is_good(user: str, tmp_path: pathlib.Path) -> None:
    kernel = Kernel(config=config_in(tmp_path))
    token = {"Authorization": f"Bearer {token_of(user, 'user', 'acme')}"}
    said = kernel.explain("/orders/1", as_json=True, headers=token)["auth"]
    assert (said["granted"], said["user"]) == (True, user)
    assert kernel.admit("/orders/1", at_ns=S, headers=token).verdict == Verdict.ALLOW


def ask(kernel: Kernel, name: str, value: str) -> str:
    answer = kernel.admit("/", at_ns=S, headers={name: value})
    return "ok" if answer.verdict == Verdict.ALLOW else answer.reason


@pytest.mark.parametrize("name", CONTROLS)
def test_keys_and_basic_names_of_control_characters_do_not_parse(name: str) -> None:
    kernel = Kernel(config=loads(FILE))
    basic = "Basic " + base64.b64encode(f"{name}:word".encode()).decode()
    assert ask(kernel, "Authorization", basic) == "auth-malformed"
    key = f"x{name}x.secret".encode().decode("latin-1")     # a header's bytes, as they are sent
    refused = any(c != "\t" and (c < " " or c == "\x7f") for c in name)
    assert ask(kernel, "X-API-Key", key) == ("headers-bad" if refused else "auth-malformed")
    assert ask(kernel, "X-API-Key", "a.secret") == "ok" == ask(
        kernel, "Authorization", "Basic " + base64.b64encode(b"a:word").decode())


@pytest.mark.parametrize("user", CONTROLS)
def test_an_introspected_user_of_control_characters_is_no_answer(user: str) -> None:
    auth = AuthenticationManager(kernel=Kernel(config=loads(FILE)))
    for key in ("sub", "username"):
        assert of_answer({"active": True, key: user}) is None
    with pytest.raises(ArgumentError):
        auth.introspected("t", Introspection(True, user))
    with pytest.raises(ArgumentError):
        auth.grant_permission(user, Permission.READ)
    assert auth.kernel is not None
    assert ask(auth.kernel, "Authorization", "Bearer t") == "auth-introspect"


@pytest.mark.parametrize("user", [*PLAIN, "\udc80"])
def test_an_introspected_user_of_other_text_is_one(user: str) -> None:
    auth = AuthenticationManager(kernel=Kernel(config=loads(FILE)))
    said = of_answer({"active": True, "sub": user})
    assert (said is None) == (user == "\udc80")    # half a surrogate pair is no character
    if said is not None:
        auth.introspected("t", said)
        assert auth.kernel is not None
        assert ask(auth.kernel, "Authorization", "Bearer t") == "ok"
