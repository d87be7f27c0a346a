# SPDX-License-Identifier: MIT
"""What is revoked before anybody saw it, and what a token that is remembered is still asked."""

from __future__ import annotations

import json

import pytest

from host_sim import config as compiler
from host_sim.errors import ArgumentError, FullError, RangeError, StateError, UnknownError
from host_sim.kernel import Kernel
from host_sim.modules.auth import AuthenticationManager, Permission, Role
from tests.shell_rig import Rig
from tests.unit.test_auth import BODY, HEAD, KEY, S, manager, reason_of, signed

READ, WRITE, EXECUTE, ADMIN = Permission
FOREIGN = signed(HEAD, {**BODY, "jti": "from-elsewhere"})
TWO = """version = 1
[service.orders]
[[route]]
name = "r"
service = "orders"
path = { prefix = "/" }
[auth]
lockout = { failures = 2, per = "1m" }
[[jwt]]
name = "idp"
alg = "HS256"
key = { env = "TEST_KEY" }
issuer = "raygate"
max_lifetime = "1h"
claims = { role = "role" }
signs = true
[[jwt]]
name = "other"
alg = "HS256"
keys = [{ env = "TEST_KEY", kid = "other" }]
claims = { role = "role" }
"""


# -- revoking by id --------------------------------------------------------------------------------
def test_a_token_is_revoked_by_its_id() -> None:
    auth = manager()
    token = auth.issue_token("anna", lifetime_ns=60 * S, now_ns=0)
    auth.revoke_token(token.token_id)
    assert auth.validate_token(token).reason == "auth-revoked"
    assert auth.get_token_count() == 1
    with pytest.raises(UnknownError):
        auth.revoke_token("anything", issuer=3)


def test_an_id_nobody_issued_takes_no_place() -> None:
    auth = manager()
    token = auth.issue_token("anna", lifetime_ns=60 * S, now_ns=0)
    before = auth.snapshot()
    typo = token.token_id[:-1] + ("0" if token.token_id[-1] != "0" else "1")
    for word in (typo, "from-elsewhere", token.token_id.upper()):
        with pytest.raises(UnknownError):
            auth.revoke_token(word)
    with pytest.raises(ArgumentError):
        auth.revoke_token("x" * 129, foreign_ns=S)
    with pytest.raises(RangeError):
        auth.revoke_token("from-elsewhere", foreign_ns=2**63)
    assert auth.snapshot() == before
    with pytest.raises(UnknownError):  # its own, but it has ended: nothing to end
        auth.revoke_token(token.token_id, now_ns=60 * S)


def test_a_foreign_id_is_revoked_before_it_is_seen_and_only_so_long() -> None:
    auth = manager()
    assert reason_of(auth, FOREIGN, S) == "ok"
    auth.revoke_token("from-elsewhere", foreign_ns=3600 * S, now_ns=S)
    assert reason_of(auth, FOREIGN, S) == "auth-revoked"
    assert reason_of(auth, FOREIGN, 3599 * S) == "auth-revoked"  # it ends at 3600 by itself
    assert auth.get_token_count(now_ns=3600 * S) == 1
    assert auth.get_token_count(now_ns=3601 * S) == 0
    auth.issue_token("anna", now_ns=3601 * S)
    assert auth.valid() == 0


def test_typos_do_not_fill_the_table_and_foreign_ids_leave_it() -> None:
    auth = manager()  # tiny: four places
    for number in range(50):
        with pytest.raises(UnknownError):
            auth.revoke_token(f"typo-{number}", now_ns=S)
    for number in range(4):
        auth.revoke_token(f"elsewhere-{number}", foreign_ns=60 * S, now_ns=S)
    before = auth.snapshot()
    with pytest.raises(FullError):
        auth.revoke_token("one-too-many", foreign_ns=60 * S, now_ns=S)
    assert auth.snapshot() == before
    auth.revoke_token("elsewhere-0", now_ns=S)  # one that is there needs no place
    auth.revoke_token("after", foreign_ns=60 * S, now_ns=61 * S)
    assert auth.get_token_count(now_ns=61 * S) == 1 and auth.valid() == 0


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> compiler.Config:
    monkeypatch.setenv("TEST_KEY", KEY.decode())
    return compiler.loads(TWO, profile="tiny")


def test_a_foreign_id_needs_its_issuer_and_a_known_one_does_not(two: compiler.Config) -> None:
    auth = AuthenticationManager(kernel=Kernel(profile="tiny", config=two))
    token = auth.issue_token("anna", lifetime_ns=60 * S, now_ns=S)
    with pytest.raises(ArgumentError):
        auth.revoke_token("from-elsewhere", foreign_ns=S)
    with pytest.raises(UnknownError):
        auth.revoke_token(token.token_id, issuer=1)
    auth.revoke_token(token.token_id)
    assert auth.validate_token(token).reason == "auth-revoked"
    auth.revoke_token("from-elsewhere", issuer=0, foreign_ns=10**6 * S, now_ns=S)
    row = next(row for row in auth.list_tokens() if row.token_id != token.token_id)
    assert row.expiry == 3601 * S  # no token of this issuer lives longer than an hour


def test_the_console_says_why_nothing_was_revoked(two: compiler.Config) -> None:
    rig = Rig("tiny", config=two.blob)

    def no(line: str, *words: str) -> None:
        said = rig.run("confirm auth revoke " + line)
        assert said.status < 0 and said.text.startswith("error: ")
        assert all(word in said.text for word in words), said.text
        assert json.loads(rig.run("auth status --json").text)["tokens"] == held

    held = 0
    no("from-elsewhere", "no live token", "--foreign=1h")
    no("from-elsewhere --foreign=1h", "--issuer=NAME")
    no("from-elsewhere --foreign=1h --issuer=nobody", "no [[jwt]] is called", "nobody")
    no("from-elsewhere --foreign=soon", "soon")
    assert rig.run("auth revoke x --foreign=1h --issuer=idp").status == -9  # asked twice
    for held in range(1, 5):
        line = f"confirm auth revoke elsewhere-{held} --foreign=10m --issuer=idp"
        assert rig.run(line).status == 0
    no("elsewhere-5 --foreign=10m --issuer=idp", "has not ended", "free in 10m")
    assert rig.run("confirm auth revoke elsewhere-1").status == 0  # it is there by now


# -- remembered tokens -----------------------------------------------------------------------------
def remembered(auth: AuthenticationManager, token: str) -> dict[str, str]:
    head = {"Authorization": f"Bearer {token}"}
    assert not auth.authenticate(head, now_ns=S, ip="192.0.2.1").cached
    assert auth.authenticate(head, now_ns=2 * S, ip="192.0.2.1").cached
    return head


def test_a_hit_is_still_asked_for_times(two: compiler.Config) -> None:
    auth = AuthenticationManager(kernel=Kernel(profile="tiny", config=two))
    head = remembered(auth, signed(HEAD, {**BODY, "nbf": 1, "exp": 10}))
    found = auth.authenticate(head, now_ns=10 * S - 1)
    assert found.cached and found.granted
    found = auth.authenticate(head, now_ns=10 * S)
    assert (found.cached, found.granted, found.reason) == (True, False, "auth-expired")


def test_a_hit_is_still_asked_for_revocation(two: compiler.Config) -> None:
    auth = AuthenticationManager(kernel=Kernel(profile="tiny", config=two))
    token = auth.issue_token("anna", now_ns=S)
    head = remembered(auth, token.text)
    auth.refresh_token(token, now_ns=3 * S)
    found = auth.authenticate(head, now_ns=3 * S)
    assert (found.cached, found.reason) == (True, "auth-rotated")
    auth.revoke_token(token)
    assert auth.authenticate(head, now_ns=4 * S).reason == "auth-revoked"
    head = remembered_foreign = {"Authorization": f"Bearer {FOREIGN}"}
    assert [auth.authenticate(head, now_ns=at * S).cached for at in (5, 6)] == [False, True]
    auth.revoke_token("from-elsewhere", issuer=0, foreign_ns=60 * S, now_ns=7 * S)
    found = auth.authenticate(remembered_foreign, now_ns=7 * S)
    assert (found.cached, found.reason) == (True, "auth-revoked")


def test_a_hit_is_still_asked_for_lockout(two: compiler.Config) -> None:
    auth = AuthenticationManager(kernel=Kernel(profile="tiny", config=two))
    head = remembered(auth, signed(HEAD, BODY))
    for _ in range(2):
        auth.authenticate({"Authorization": "Bearer a.b.c"}, now_ns=3 * S, ip="192.0.2.1")
    hits = auth.stats().cache_hit_count
    found = auth.authenticate(head, now_ns=3 * S, ip="192.0.2.1")
    assert (found.reason, found.http_status) == ("auth-locked", 429)
    assert auth.stats().cache_hit_count == hits  # it was not even looked up
    assert auth.authenticate(head, now_ns=3 * S, ip="192.0.2.2").granted


def test_a_hit_is_still_asked_for_rights(two: compiler.Config) -> None:
    auth = AuthenticationManager(kernel=Kernel(profile="tiny", config=two))
    head = remembered(auth, signed(HEAD, BODY))

    def rights() -> Permission:
        found = auth.authenticate(head, service_name="orders", now_ns=3 * S)
        assert found.cached and found.granted
        return found.permissions

    assert rights() == READ | WRITE
    auth.grant_permission("anna", EXECUTE)
    assert rights() == READ | WRITE | EXECUTE
    auth.revoke_permission("anna", WRITE, service_name="orders")
    assert rights() == READ | EXECUTE
    found = auth.authenticate(head, service_name="orders", permission=WRITE, now_ns=3 * S)
    assert (found.cached, found.reason) == (True, "auth-permission")
    found = auth.authenticate(head, service_name="orders", role=Role.ADMIN, now_ns=3 * S)
    assert (found.cached, found.reason) == (True, "auth-role")
    auth.set_role(Role.USER, Permission.READ)
    assert rights() == READ | EXECUTE


def test_a_hit_is_still_asked_for_its_key(two: compiler.Config) -> None:
    kernel = Kernel(profile="tiny", config=two)
    auth = AuthenticationManager(kernel=kernel)
    head = remembered(auth, signed(HEAD, BODY))
    kernel.configure(compiler.loads(TWO.replace('keys = [{ env = "TEST_KEY", kid = "other" }]',
                                                'keys = [{ env = "TEST_KEY", kid = "new" }]'),
                                    profile="tiny"), now_ns=3 * S)
    found = auth.authenticate(head, now_ns=3 * S)
    assert found.granted and not found.cached  # rules of before are forgotten with what they let in


def test_the_cache_holds_all_but_as_many_tokens_as_it_has_places() -> None:
    auth = manager("seed")
    heads = [{"Authorization": f"Bearer {signed(HEAD, {**BODY, 'sub': f'u{number}'})}"}
             for number in range(480)]
    cached = []
    for _ in range(6):  # until every one has found its place
        found = [auth.authenticate(head, now_ns=2 * S) for head in heads]
        assert all(each.granted for each in found)
        cached.append(sum(each.cached for each in found))
    assert cached[0] == 0 and cached[-1] == 480, cached


def test_a_refused_token_is_never_remembered() -> None:
    auth = manager()
    head = {"Authorization": f"Bearer {signed(HEAD, BODY, b'x' * 32)}"}
    for at in (1, 2):
        assert auth.authenticate(head, now_ns=at * S).reason == "auth-signature"
    assert auth.stats().cache_fill_count == 0
    with pytest.raises(StateError):
        auth.revoke_token(signed(HEAD, BODY, b"x" * 32))
