# SPDX-License-Identifier: MIT
"""The kept answers, obviously: a list of leases and a list of answers in order of use."""

from __future__ import annotations

from dataclasses import dataclass, field

FILL_NS = 30 * 10**9


@dataclass
class Cache:
    """`room` places; every entry is [key, due, body], kept ones the least recently used first."""

    room: int
    leases: list[list[object]] = field(default_factory=list)
    kept: list[list[object]] = field(default_factory=list)

    def tick(self, now: int) -> None:
        """What is due is gone."""
        self.leases = [one for one in self.leases if int(str(one[1])) > now]
        self.kept = [one for one in self.kept if int(str(one[1])) > now]

    def get(self, now: int, key: str) -> tuple[object | None, bool, bool]:
        """(body or None, a lease was taken, somebody else has it)."""
        for one in self.kept:
            if one[0] == key:
                self.kept.remove(one)
                self.kept.append(one)
                return one[2], False, False
        if any(one[0] == key for one in self.leases):
            return None, False, True
        if len(self.leases) + len(self.kept) == self.room:
            if not self.kept:
                return None, False, False
            self.kept.pop(0)
        self.leases.append([key, now + FILL_NS, None])
        return None, True, False

    def change(self, key: str) -> int:
        """An unsafe method was answered: how many answers went; leases on the key end."""
        count = sum(one[0] == key for one in self.kept)
        self.leases = [one for one in self.leases if one[0] != key]
        self.kept = [one for one in self.kept if one[0] != key]
        return count

    def put(self, now: int, key: str, ttl: int, body: bytes | None) -> bool:
        """The lease goes back; True when the answer stays."""
        self.leases = [one for one in self.leases if one[0] != key]
        if body is None or ttl == 0:
            return False
        self.kept.append([key, now + ttl, body])
        return True
