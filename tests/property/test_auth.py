# SPDX-License-Identifier: MIT
"""auth against its model: whatever is issued, refreshed, revoked and granted, in any order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from host_sim.errors import FullError, StateError
from host_sim.modules.auth import AuthenticationManager, AuthToken, Permission, Role
from tests.model.auth import Model

S = 1_000_000_000
USERS = st.sampled_from(["anna", "bob", "cy", "dee", "eve", "fay"])
ROLES = st.sampled_from(list(Role)[1:])
BITS = st.sampled_from([1, 2, 4, 8, 3, 15])


class Auth(RuleBasedStateMachine):
    """The real one and the model, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.real = AuthenticationManager(profile="tiny", key=b"k" * 32, entropy=b"e" * 32)
        self.model = Model()
        self.text: dict[int, AuthToken] = {}

    def refused(self, act: object, error: type[Exception], match: str = "") -> None:
        before, errors = self.real.snapshot(), self.real.stats().error_count
        with pytest.raises(error, match=match or None):
            act()  # type: ignore[operator]
        counted = self.real.stats().error_count - errors
        if counted == 0:
            assert self.real.snapshot() == before
        elif match != "auth-rotated":  # which revokes a family
            assert counted == 1 and self.differs(before) <= 8  # bytes of the counter

    def differs(self, before: bytes) -> int:
        return sum(a != b for a, b in zip(before, self.real.snapshot(), strict=True))

    @rule(user=USERS, role=ROLES, lifetime=st.integers(1, 120))
    def issue(self, user: str, role: Role, lifetime: int) -> None:
        number = self.model.issue(user, int(role), lifetime)
        at = self.model.now * S

        def act() -> AuthToken:
            return self.real.issue_token(user, role, lifetime_ns=lifetime * S, now_ns=at)
        if number is None:
            self.refused(act, FullError)
        else:
            self.text[number] = act()

    @precondition(lambda self: self.text)
    @rule(data=st.data())
    def refresh(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.text)))
        found = self.model.refresh(number)

        def act() -> AuthToken:
            return self.real.refresh_token(self.text[number], now_ns=self.model.now * S)
        errors = self.real.stats().error_count
        if found is None:
            self.refused(act, FullError)
        elif isinstance(found, str):
            self.refused(act, StateError, found)
        else:
            self.text[found] = act()
        assert self.real.stats().error_count == errors + (not isinstance(found, int))

    @precondition(lambda self: self.text)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.text)))

        def act() -> None:
            self.real.revoke_token(self.text[number], now_ns=self.model.now * S)
        if self.model.revoke(number):
            act()
        else:
            self.refused(act, StateError)

    @rule(user=USERS, bits=BITS, gives=st.booleans())
    def grant(self, user: str, bits: int, gives: bool) -> None:
        done = self.model.grant(user, bits * gives, bits * (not gives))

        def act() -> None:
            change = self.real.grant_permission if gives else self.real.revoke_permission
            change(user, Permission(bits))
        if done:
            act()
        else:
            self.refused(act, FullError)

    @rule(seconds=st.integers(0, 90))
    def wait(self, seconds: int) -> None:
        self.model.now += seconds

    @invariant()
    def agree(self) -> None:
        assert self.real.valid() == 0
        at = self.model.now * S
        assert self.real.get_token_count(now_ns=at) == len(self.model.kept())
        for number, token in self.text.items():
            head = {"Authorization": f"Bearer {token.text}"}
            for found in (self.real.validate_token(token, now_ns=at),
                          self.real.authenticate(head, now_ns=at)):  # the cache changes no answer
                assert found.reason == self.model.reason(number)
                if found.granted:
                    held = self.model.tokens[number]
                    assert (found.user_id, int(found.role)) == (held.user, held.role)
                    assert found.permissions == self.model.rights(held.user, held.role)
        for user in ("anna", "fay"):
            for role in Role:
                assert self.real.permissions_of(user, role=role) == self.model.rights(user, role)
        stats = self.real.stats()
        assert stats.asked_count == stats.granted_count + stats.denied_count


Auth.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAuth = Auth.TestCase
