# SPDX-License-Identifier: MIT
"""A native replay's totals as Python objects: reasons, rules, services, tenants, clients, users."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from host_sim.config.identity import address_text
from host_sim.replay import governed
from host_sim.replay.summary import First, Key, Rule, Service, Tenant

if TYPE_CHECKING:
    from host_sim.kernel import Kernel

RANKED_MIN = 256  # clients and users that are ranked at least, whatever is shown of them


class Tally:
    """The totals of a `ray_replay *` that stepped, or watched, `kernel`; `top` clients are named.
    """

    def __init__(self, kernel: Kernel, replay: Any, top: int) -> None:
        self.kernel, self.ffi, self.lib = kernel, kernel.ffi, kernel.lib
        self._tally, self._top = replay, top

    def _word(self, word: Any) -> str:
        return bytes(self.ffi.string(word)).decode()

    def reasons(self, out: Any) -> dict[str, int]:
        """Reasons and how many requests had each, the most frequent first."""
        found = {self._word(self.lib.ray_reason_word(code)): int(number)
                 for code, number in enumerate(out.reason_count) if number}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def rules(self) -> list[Rule]:
        """Rules that said no or would have, those that did most first."""
        row = self.ffi.new("ray_replay_rule *")
        rules: list[Rule] = []
        while self.lib.ray_replay_rule_read(self._tally, len(rules), row):
            rules.append(Rule(
                self._word(self.lib.ray_by_word(row.by_kind)), self._word(row.name.at),
                int(row.denied_count), int(row.would_deny_count), int(row.retry_after_ns_max),
                int(row.never_count), self._first(row.first), self._first(row.first_would)))
        return sorted(rules, key=lambda r: (-r.denied, -r.would_deny, r.kind, r.name))

    def services(self) -> list[Service]:
        """Services, the busiest first."""
        row = self.ffi.new("ray_replay_service *")
        services: list[Service] = []
        while self.lib.ray_replay_service_read(self._tally, len(services), row):
            services.append(Service(
                self._word(row.name.at), int(row.request_count), int(row.allowed_count),
                int(row.denied_count), int(row.delayed_count), int(row.response_bytes)))
        return sorted(services, key=lambda s: (-s.requests, s.name))

    def keys(self, users: int) -> tuple[Key, ...]:
        """The first keys, more than are shown, ties by name as it is printed (the core's are by its
        bytes). Only those that are shown know their first denial."""
        most = max(RANKED_MIN, 2 * self._top)
        rows = self.ffi.new("ray_replay_key[]", most)
        count = self.lib.ray_replay_top(self._tally, users, most, rows)
        keys = sorted(((self._key(row), row) for row in rows[0:count]),
                      key=lambda found: (*_rank(found[0]), found[0].name))
        return tuple(dataclasses.replace(key, first=self._first(row.first))
                     if place < self._top else key for place, (key, row) in enumerate(keys))

    def hurt(self, users: int) -> tuple[Key, ...]:
        """Clients (users: 1) denied first, in that order."""
        rows = self.ffi.new("ray_replay_key[]", self._top)
        count = self.lib.ray_replay_hurt(self._tally, users, self._top, rows)
        return tuple(dataclasses.replace(self._key(row), first=self._first(row.first))
                     for row in rows[0:count])

    def _key(self, row: Any) -> Key:
        return Key(self._key_name(row), int(row.request_count), int(row.denied_count),
                   int(row.delayed_count), int(row.would_deny_count))

    def _first(self, row: Any) -> First | None:
        if not row.at_ns:
            return None
        by, name = self._word(self.lib.ray_reason_word(row.reason)), self.ffi.new("ray_name *")
        if row.by_kind != self.lib.RAY_BY_NONE:
            self.lib.ray_by_name(self.kernel.ray, row.by_kind, row.by_id, name)
            by = f"{self._word(self.lib.ray_by_word(row.by_kind))} {self._word(name.at)}"
        return First(int(row.at_ns), int(row.seq), by)

    def tenants(self) -> Iterator[Tenant]:
        """Tenants that asked for anything; nobody in particular first."""
        row, place = self.ffi.new("ray_replay_tenant *"), 0
        while self.lib.ray_replay_tenant_read(self._tally, place, row):
            place += 1
            if row.request_count:
                yield Tenant(governed.tenant_name(self.kernel, row.tenant),
                             int(row.request_count), int(row.allowed_count),
                             int(row.denied_count), int(row.delayed_count),
                             int(row.would_deny_count), self._first(row.first))

    def _key_name(self, row: Any) -> str:
        raw = bytes(self.ffi.buffer(row.name, row.length))
        if not row.address:
            return raw.decode("utf-8", "backslashreplace")
        return address_text(raw)


def _rank(key: Key) -> tuple[int, int, int]:
    return -key.denied, -key.would_deny, -key.requests


def firm(keys: tuple[Key, ...], total: int) -> tuple[Key, ...]:
    """The keys whose place a cut did not choose: of a tie that goes on past the end it took any."""
    if len(keys) == total or _rank(keys[0]) == _rank(keys[-1]):
        return keys
    return tuple(key for key in keys if _rank(key) != _rank(keys[-1]))
