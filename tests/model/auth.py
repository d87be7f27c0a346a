# SPDX-License-Identifier: MIT
"""The obviously correct auth: dictionaries and lists, whole seconds, no table but a count."""

from __future__ import annotations

from dataclasses import dataclass

ROLES = {0: 0, 1: 15, 2: 7, 3: 3, 4: 1}


@dataclass
class Token:
    """One token of the table."""

    user: str
    role: int
    family: int
    first: int
    issued: int
    expiry: int
    state: str = "issued"


class Model:
    """Tokens, grants and failures, by the rules of SEMANTICS.md."""

    def __init__(self, *, room: int = 4, grants: int = 4, refresh: int = 30 * 86_400) -> None:
        self.room, self.grant_room, self.refresh_s = room, grants, refresh
        self.tokens: dict[int, Token] = {}
        self.grants: dict[str, tuple[int, int]] = {}
        self.now = self.count = 0

    def kept(self) -> list[Token]:
        """Those that have not ended: a revoked one takes its place until then."""
        return [token for token in self.tokens.values() if token.expiry > self.now]

    def issue(self, user: str, role: int, lifetime: int) -> int | None:
        """The number of the token; None when the table is full."""
        if len(self.kept()) >= self.room:
            return None
        self.count += 1
        self.tokens[self.count] = Token(user, role, self.count, self.now, self.now,
                                        self.now + lifetime)
        return self.count

    def reason(self, number: int) -> str:
        """Why it is not good, "ok" when it is."""
        token = self.tokens[number]
        if self.now >= token.expiry:
            return "auth-expired"
        return {"issued": "ok", "revoked": "auth-revoked", "rotated": "auth-rotated"}[token.state]

    def revoke(self, number: int) -> bool:
        """False when it has ended by itself."""
        if self.now >= self.tokens[number].expiry:
            return False
        self.tokens[number].state = "revoked"
        return True

    def refresh(self, number: int) -> int | str | None:
        """The new one's number, why not, or None when the table is full."""
        old = self.tokens[number]
        why = self.reason(number)
        if why == "auth-rotated":
            for token in self.kept():
                if token.family == old.family:
                    token.state = "revoked"
        if why != "ok":
            return why
        lifetime = min(old.expiry - old.issued, old.first + self.refresh_s - self.now)
        if lifetime < 1:
            return "auth-lifetime"
        if len(self.kept()) >= self.room:
            return None
        self.count += 1
        self.tokens[self.count] = Token(old.user, old.role, old.family, old.first, self.now,
                                        self.now + lifetime)
        old.state = "rotated"
        return self.count

    def grant(self, user: str, granted: int, revoked: int) -> bool:
        """False when there is no room for one more user."""
        if user not in self.grants and len(self.grants) >= self.grant_room:
            return False
        plus, minus = self.grants.get(user, (0, 0))
        self.grants[user] = ((plus | granted) & ~revoked, (minus | revoked) & ~granted)
        return True

    def rights(self, user: str, role: int) -> int:
        """(role + granted) - revoked, Admin being everything."""
        plus, minus = self.grants.get(user, (0, 0))
        held = ROLES[role] | plus
        return (15 if held & 8 else held) & ~minus
