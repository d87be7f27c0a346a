# SPDX-License-Identifier: MIT
"""mediator against its model: a hit is what was stored under the same key and before its time
(ME4), every law holds after every step, and asking again changes no more than counters."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from host_sim.modules.mediator import RequestMediator
from tests.model.mediator import Cache

S = 10**9
KEYS = st.sampled_from([f"/{letter}" for letter in "abcdefg"])


class KeptAnswers(RuleBasedStateMachine):
    """One transform that keeps answers for 60 s."""

    def __init__(self) -> None:
        super().__init__()
        self.real = RequestMediator(profile="tiny", seed=bytes(range(16)))
        self.id = self.real.register_transform("t", cache_ttl=60 * S).transformation_id
        self.model = Cache(int(self.real.lib.RAY_CACHE_ENTRY_MAX))
        self.now, self.fills = 0, dict[str, int]()

    @rule(seconds=st.integers(0, 40))
    def wait(self, seconds: int) -> None:
        self.now += seconds * S

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        self.model.tick(self.now)
        body, leased, busy = self.model.get(self.now, key)
        said = self.real.cache_get(self.id, key, now_ns=self.now)
        assert (said.body if said.hit else None) == body
        assert (said.fill is not None, said.busy) == (leased, busy)
        if said.fill is not None:
            self.fills[key] = said.fill

    @rule(key=KEYS, age=st.sampled_from([None, 0, 7, 600]), body=st.none() | st.binary(max_size=64))
    def put(self, key: str, age: int | None, body: bytes | None) -> None:
        self.model.tick(self.now)
        if key not in self.fills:
            return
        live = any(one[0] == key for one in self.model.leases)
        ttl = 60 * S if age is None else min(age, 60) * S
        stays = self.model.put(self.now, key, ttl, body) if live else False
        headers = () if age is None else (("cache-control", f"max-age={age}"),)
        fill = self.fills.pop(key)
        assert self.real.cache_set(fill, 200, headers, body, now_ns=self.now) == stays

    @rule(key=KEYS, status=st.sampled_from([199, 200, 204, 399, 400, 503]))
    def change(self, key: str, status: int) -> None:
        """RFC 9111 4.4."""
        self.model.tick(self.now)
        went = self.model.change(key) if 200 <= status < 400 else 0
        assert self.real.changed(key, status, now_ns=self.now) == went

    @rule()
    def wrong_call(self) -> None:
        before = self.real.snapshot()
        out = self.real.ffi.new("uint32_t *")
        spec = self.real.ffi.new("ray_transform_spec *")
        assert self.real.lib.ray_mediator_transform_add(self.real._state, spec, out) < 0
        assert self.real.snapshot() == before

    @invariant()
    def laws_hold(self) -> None:
        assert self.real.valid() == 0
        stats = self.real.stats()
        room = self.real.lib.RAY_CACHE_ENTRY_MAX * self.real.lib.RAY_CACHE_ENTRY_BYTES
        assert stats.kept_bytes <= room


KeptAnswers.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_kept_answers = KeptAnswers.TestCase
