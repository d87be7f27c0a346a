# SPDX-License-Identifier: MIT
"""ratelimit: the core against the obviously correct limiter, step by step, in the smallest profile.

Every step also holds the module to its laws: asking changes nothing, an error changes no byte, a
retry hint is exact to the nanosecond, and valid() finds nothing.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from host_sim.errors import RaygateError
from host_sim.modules.ratelimit import (
    NEVER,
    Hold,
    LimitMode,
    LimitScope,
    Priority,
    RateLimiter,
    RateLimitRequest,
)
from tests.model.ratelimit import Bucket, Limit, Limiter, Rule

WALL = 1_000_000_007
PERIODS = [1, 7, 1_000, 999_999_937, 10**9, 7 * 10**9, 3 * 86_400 * 10**9]
KINDS = ["token", "meter", "queue", "fixed", "sliding", "exact"]
KEYS = [f"user-{n}" for n in range(10)]
STEPS = st.one_of(
    st.sampled_from([0, 1, 2, 999, 10**3, 10**9, 10**9 + 1, 10**15]),
    st.integers(0, 3 * 10**9),
)


class Machine(RuleBasedStateMachine):
    """One limiter, one model, one clock."""

    @initialize(seed=st.binary(min_size=16, max_size=16), start=st.sampled_from([0, 5, 10**18]),
                kind=st.sampled_from(KINDS))
    def begin(self, seed: bytes, start: int, kind: str) -> None:
        self.real = RateLimiter(profile="tiny", seed=seed, now_ns=start, wall_offset_ns=WALL)
        self.model = Limiter()
        self.now = start
        self.service: dict[int, int | None] = {}
        self.named: set[int] = set()
        self.holds: list[tuple[Hold, list[tuple[int, str, int]], int]] = []
        self.register("token", 3, 10**9, 5, 0, 0, False, LimitScope.USER, None, LimitMode.ENFORCE,
                      {}, False, 0)
        self.register(kind, 4, 7 * 10**9, 6, 0, 10**9, False, LimitScope.SERVICE, None,
                      LimitMode.ENFORCE, {Priority.LOW: 300_000}, False, 3)

    # -- helpers --------------------------------------------------------------------------------
    @property
    def wall(self) -> int:
        return self.now + WALL

    def refused(self, call: Any, *args: Any, **kwargs: Any) -> bool:
        """Runs a control call; an error must have changed no byte."""
        before = self.real.snapshot()
        try:
            call(*args, now_ns=self.now, **kwargs)
        except RaygateError as error:
            note(f"refused: {error!r}")
            assert self.real.snapshot() == before
            return True
        return False

    def some(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.model.limits)), label="limit")

    # -- control --------------------------------------------------------------------------------
    @rule(
        kind=st.sampled_from(KINDS),
        rate=st.integers(1, 40),
        per=st.sampled_from(PERIODS),
        capacity=st.integers(1, 40),
        excess=st.sampled_from([0, 0, 3]),
        delay=st.sampled_from([0, 10**8, 10**10]),
        debt=st.sampled_from([False, False, True]),
        scope=st.sampled_from([LimitScope.SERVICE, LimitScope.USER, LimitScope.NAMED]),
        service=st.sampled_from([None, None, 0, 1]),
        mode=st.sampled_from([LimitMode.ENFORCE, LimitMode.ENFORCE, LimitMode.SHADOW]),
        reserve=st.sampled_from([{}, {}, {Priority.LOW: 300_000, Priority.BATCH: 999_999}]),
        deny=st.booleans(),
        anchor=st.sampled_from([0, 3, 10**8]),
    )
    def add(self, kind: str, rate: int, per: int, capacity: int, excess: int, delay: int,
            debt: bool, scope: LimitScope, service: int | None, mode: LimitMode,
            reserve: dict[Priority, int], deny: bool, anchor: int) -> None:
        self.register(kind, rate, per, capacity, excess, delay, debt, scope, service, mode,
                      reserve, deny, anchor)

    def register(self, kind: str, rate: int, per: int, capacity: int, excess: int, delay: int,
                 debt: bool, scope: LimitScope, service: int | None, mode: LimitMode,
                 reserve: dict[Priority, int], deny: bool, anchor: int) -> None:
        """Adds a limit to both, or to neither when the core refuses it."""
        keyed = scope == LimitScope.USER
        if kind == "exact" and keyed:
            return
        excess = excess if kind == "token" and not keyed and not debt else 0
        debt = debt and kind == "token"
        if scope == LimitScope.NAMED:
            service = None
        terms: dict[str, Any] = {"scope": scope, "mode": mode, "reserve": reserve,
                                 "deny_when_full": deny and keyed}
        call: Any
        if kind == "token":
            call = self.real.add_token_bucket
            terms |= {"capacity": capacity, "refill_rate": rate, "per_ns": per, "excess": excess,
                      "debt": debt}
        elif kind in ("meter", "queue"):
            call = self.real.add_leaky_bucket
            terms |= {"capacity": capacity, "leak_rate": rate, "per_ns": per,
                      "max_delay_ns": delay if kind == "queue" else None}
        elif kind == "fixed":
            call = self.real.add_fixed_window
            terms |= {"limit": rate, "window_ns": per, "anchor_ns": anchor}
        else:
            call = self.real.add_sliding_window
            terms |= {"limit": rate, "window_ns": per, "exact": kind == "exact"}
        known = {info.limit_id for info in self.real.limits()}
        if self.refused(call, service, **terms):
            return
        (made,) = {info.limit_id for info in self.real.limits()} - known
        described = Rule(kind, rate, per, capacity, excess, delay, anchor, debt,
                         {int(k): v for k, v in reserve.items()})
        self.model.limits[made] = Limit(described, Bucket(described), "user" if keyed else "",
                                        mode.name.lower(), deny_when_full=deny)
        self.service[made] = service
        if scope == LimitScope.NAMED:
            self.named.add(made)

    @precondition(lambda self: self.model.limits)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        gone = self.some(data)
        self.real.remove_limit(gone, now_ns=self.now)
        del self.model.limits[gone]
        self.model.table = {p: b for p, b in self.model.table.items() if p[0] != gone}
        self.named.discard(gone)
        with pytest.raises(RaygateError):
            self.real.limit(gone)

    @precondition(lambda self: self.model.limits)
    @rule(data=st.data(), rate=st.integers(1, 60), per=st.sampled_from(PERIODS),
          capacity=st.integers(1, 60), plan=st.sampled_from([None, None, 0, 1]))
    def update_rate(self, data: st.DataObject, rate: int, per: int, capacity: int,
                    plan: int | None) -> None:
        which = self.some(data)
        if self.refused(self.real.update_rate, which, rate, per_ns=per, capacity=capacity,
                        plan_id=plan):
            return
        limit = self.model.limits[which]
        old = self.model.rule_of(limit, plan)
        new = Rule(old.algorithm, rate, per, capacity, old.excess, old.max_delay, old.anchor,
                   old.debt, old.reserve)
        fresh = plan is not None and plan not in limit.plans
        if plan is None:
            limit.rule = new
        else:
            limit.plans[plan] = new
        buckets = [limit.own, *(b for p, b in self.model.table.items() if p[0] == which)]
        for bucket in buckets:
            if bucket.rule is old and not fresh:
                bucket.convert(new, self.now, self.wall)

    @precondition(lambda self: self.model.limits)
    @rule(data=st.data(), mode=st.sampled_from(list(LimitMode)))
    def set_mode(self, data: st.DataObject, mode: LimitMode) -> None:
        which = self.some(data)
        self.real.set_mode(which, mode, now_ns=self.now)
        self.model.limits[which].mode = mode.name.lower()

    @precondition(lambda self: self.model.limits)
    @rule(data=st.data(), key=st.sampled_from([None, *KEYS]))
    def reset(self, data: st.DataObject, key: str | None) -> None:
        which = self.some(data)
        limit = self.model.limits[which]
        if key is not None:
            if not self.refused(self.real.reset_bucket, which, user_id=key):
                self.model.table.pop((which, key), None)
            return
        self.real.reset_bucket(which, now_ns=self.now)
        limit.own = Bucket(limit.rule, serial=limit.own.serial + 1000)
        limit.held_until, limit.drained = 0, None
        self.model.table = {p: b for p, b in self.model.table.items() if p[0] != which}

    @precondition(lambda self: self.model.limits)
    @rule(data=st.data(), hold=st.sampled_from([0, 1, 10**9, NEVER]))
    def drain(self, data: st.DataObject, hold: int) -> None:
        which = self.some(data)
        limit = self.model.limits[which]
        self.real.drain_bucket(which, hold_ns=hold, now_ns=self.now)
        limit.own.empty(self.now, self.wall)
        limit.held_until = self.now + hold if hold else 0
        limit.drained = max(self.now, 1) if limit.keyed else None
        for place, bucket in self.model.table.items():
            if place[0] == which:
                bucket.empty(self.now, self.wall)

    # -- requests -------------------------------------------------------------------------------
    def applies(self, request: RateLimitRequest) -> set[int]:
        return {
            i for i, limit in self.model.limits.items()
            if limit.mode != "off"
            and (i in request.limits if i in self.named
                 else self.service[i] in (None, request.service_id))
        }

    @rule(data=st.data(), tokens=st.sampled_from([0, 1, 1, 1, 2, 5, 41, 2**31, 2**63, NEVER]),
          key=st.sampled_from(KEYS), service=st.sampled_from([None, 0, 1]),
          priority=st.sampled_from(list(Priority)), plan=st.sampled_from([None, 0, 1]),
          hold=st.booleans())
    def request(self, data: st.DataObject, tokens: int, key: str, service: int | None,
                priority: Priority, plan: int | None, hold: bool) -> None:
        names = tuple(data.draw(st.lists(st.sampled_from(sorted(self.named)), max_size=2))
                      if self.named else ())
        ask = RateLimitRequest(service, key, tokens, priority, plan_id=plan, limits=names)
        before = self.real.snapshot()
        answer = self.real.peek_available(ask, now_ns=self.now)
        assert self.real.snapshot() == before
        assert {one.limit_id for one in answer.answers} == self.applies(ask)
        order = [one.limit_id for one in answer.answers]
        said = self.model.ask(order, self.now, self.wall, tokens, int(priority), key, plan)
        for one in answer.answers:
            colour, left, bucket, where = said[one.limit_id]
            note(f"{one} {said[one.limit_id]}")
            assert (one.allowed, one.tokens_left) == (colour != "no", left)
            assert one.yellow == (colour == "yellow")
            assert one.overflow == (where == "full" or (where == "own" and bool(
                self.model.limits[one.limit_id].keyed)))
            if one.allowed and bucket is not None and bucket.rule.algorithm == "queue" and tokens:
                assert one.start_at_ns == bucket.start(self.now)
        self.check_verdict(ask, answer)
        keyed = any(self.model.limits[i].keyed or self.model.limits[i].rule.algorithm == "exact"
                    for i in order)
        if hold and not keyed:
            again, kept = self.real.allow_refundable(ask, now_ns=self.now)
        else:
            again, kept = self.real.allow_request(ask, now_ns=self.now), None
        assert again == answer
        booked = self.model.take(said, self.now, self.wall, tokens, key, hold and not keyed)
        if kept is not None:
            self.holds.append((kept, booked, tokens))
        if not booked:
            assert self.book_of(self.real.snapshot()) == self.book_of(before)

    def book_of(self, snapshot: bytes) -> bytes:
        """All but the counters at the end, of which a denial raises some: nine for each limit and
        ten for the module, up to the next cache line."""
        counters = 8 * (9 * int(self.real.lib.RAY_LIMIT_MAX) + 10)
        return snapshot[: len(snapshot) - counters - 64 + counters % 64]

    def check_verdict(self, ask: RateLimitRequest, answer: Any) -> None:
        """Verdict, binding limit and an exact retry (R7)."""
        denied = [one for one in answer.answers if not one.allowed and not one.shadow]
        assert answer.allowed == (not denied)
        if not denied:
            assert (answer.by, answer.retry_after_ns) == (None, 0)
            return
        longest = min(denied, key=lambda one: (-one.retry_after_ns, one.limit_id))
        assert (answer.by, answer.retry_after_ns) == (longest.limit_id, longest.retry_after_ns)
        wait = answer.retry_after_ns
        if wait == NEVER:
            late = min(self.now + 10**18, 2**63)
            assert not self.real.peek_available(ask, now_ns=late).allowed
            return
        assert wait > 0
        assert self.real.peek_available(ask, now_ns=self.now + wait).allowed
        assert not self.real.peek_available(ask, now_ns=self.now + wait - 1).allowed

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), refund=st.booleans())
    def end_hold(self, data: st.DataObject, refund: bool) -> None:
        place = data.draw(st.integers(0, len(self.holds) - 1))
        kept, booked, tokens = self.holds.pop(place)
        (self.real.refund if refund else self.real.release)(kept, now_ns=self.now)
        for i, colour, serial in booked:
            if i not in self.model.limits:
                continue
            own = self.model.limits[i].own
            if refund:
                own.refund(self.now, self.wall, tokens, colour, serial)
            elif own.rule.algorithm in ("token", "meter") and own.serial == serial:
                own.close()

    # -- time -----------------------------------------------------------------------------------
    @rule(step=STEPS)
    def wait(self, step: int) -> None:
        self.now = min(self.now + step, 2**62)

    @rule()
    def refill(self) -> None:
        before = self.real.snapshot()
        assert self.real.refill_tokens(now_ns=self.now) == self.real.refill_tokens(now_ns=self.now)
        assert self.real.snapshot() == before

    # -- laws -----------------------------------------------------------------------------------
    @invariant()
    def holds_every_law(self) -> None:
        if hasattr(self, "real"):
            assert self.real.valid() == 0

    @invariant()
    def counts_add_up(self) -> None:
        if hasattr(self, "real"):
            stats = self.real.stats()
            assert stats.asked_count == stats.granted_count + stats.denied_count


TestLimiterAgainstModel = Machine.TestCase
