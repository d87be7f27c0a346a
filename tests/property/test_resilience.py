# SPDX-License-Identifier: MIT
"""resilience: the core against the reference, step by step; and the laws RS1 to RS6."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from host_sim.errors import FullError, RaygateError, StaleError
from host_sim.modules.resilience import (
    Budget,
    CallState,
    CircuitBreakerConfig,
    Force,
    Jitter,
    Outcome,
    ResilienceManager,
    RetryPolicy,
)
from tests.model.resilience import NEVER, Breaker, Model

SERVICES, RING, CALLS, BULKHEADS = 4, 4, 8, 2
SERVICE = st.sampled_from([0, 0, 0, 1, 1, 3])
PICK = st.integers(0, 99)
OUTCOME = st.sampled_from([*Outcome, *[Outcome.FAIL_5XX] * 4, *[Outcome.OK] * 4])
STEP = st.sampled_from([0, 0, 1, 1, 2, 3, 7, 20, 90])
REASONS = {
    "deadline": "DEADLINE", "full": "BULKHEAD_FULL", "open": "BREAKER_OPEN",
    "forced": "BREAKER_FORCED", "probing": "BREAKER_PROBING", "wait": "BULKHEAD_WAITS",
    "ok": "OK", "probe": "OK",
}  # fmt: skip
VERDICTS = {
    "retry": "OK", "ok": "OK", "none": "RETRY_NONE", "outcome": "RETRY_OUTCOME",
    "method": "RETRY_METHOD", "attempts": "RETRY_ATTEMPTS", "deadline": "RETRY_DEADLINE",
    "breaker": "BREAKER_OPEN", "budget": "RETRY_BUDGET",
}  # fmt: skip
LEGAL = {(0, 1), (1, 2), (2, 0), (2, 1)}
CONFIG = st.builds(
    CircuitBreakerConfig,
    failure_threshold=st.sampled_from([0, 1, 2, 4]), success_threshold=st.integers(1, 3),
    timeout_duration=st.integers(1, 30), reset_timeout=st.integers(1, 12),
    reset_timeout_max=st.none() | st.integers(12, 40), probes=st.integers(1, 3),
    rate_ppm=st.sampled_from([1, 333_333, 500_000, 10**6]), volume=st.integers(1, 6),
    window=st.sampled_from([0, 1, 7, 16, 40]), fixed_window=st.booleans(),
    counts=st.sampled_from([(Outcome.FAIL_5XX,), (Outcome.TIMEOUT, Outcome.FAIL_5XX),
                            (Outcome.CLIENT_4XX, Outcome.LIMITED_429)]),
)  # fmt: skip
RETRY = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 4), base=st.integers(1, 9), max_delay=st.integers(9, 40),
    jitter=st.just(Jitter.NONE), statuses=st.just(()), methods=st.just(("GET",)),
    on=st.sampled_from([(Outcome.CONNECTION,), (Outcome.FAIL_5XX, Outcome.LIMITED_429)]),
    budget=st.sampled_from(list(Budget)), deposit=st.integers(0, 3), cost=st.integers(1, 5),
    reserve=st.sampled_from([0, 100, 10**6]), ttl=st.sampled_from([1, 16, 100, 10**4]),
    capacity=st.integers(0, 20), refund=st.integers(0, 5),
)  # fmt: skip


class ResilienceAgainstModel(RuleBasedStateMachine):
    """Every call on both; tiny tables, so that they fill; times of a few nanoseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.real = ResilienceManager(profile="tiny")
        self.model = Model(SERVICES, RING, CALLS)
        self.now = 0
        self.ended: list[int] = []
        self.seen = 0

    def pass_time(self, step: int) -> None:
        """What is due happens on both."""
        self.now += step
        self.model.tick(self.now)
        self.real._pass(self.now)

    # -- rules ----------------------------------------------------------------------------------
    @rule(service=SERVICE, config=CONFIG)
    def breaker(self, service: int, config: Any) -> None:
        """A breaker begins, or its rules change: its state stays, its counts do not."""
        guard = self.model.guard[service]
        if guard.breaker is None:
            self.real.create_circuit_breaker(service, config, now_ns=self.now)
            guard.breaker = Breaker(config, since=self.now)
        else:
            before = dataclasses.replace(guard.breaker.config, timeout_duration=0)
            self.real.update_circuit_breaker(service, config, now_ns=self.now)
            guard.breaker.config = config
            if before != dataclasses.replace(config, timeout_duration=0):
                guard.breaker.forget()
        guard.timeout = config.timeout_duration
        self.model.pump(service, self.now)

    @rule(service=SERVICE, concurrent=st.integers(1, 3), waiting=st.integers(0, 3),
          max_wait=st.integers(0, 9))  # fmt: skip
    def bulkhead(self, service: int, concurrent: int, waiting: int, max_wait: int) -> None:
        """Permits begin, become more or fewer; a third bulkhead finds no room."""
        guard = self.model.guard[service]
        terms = dict(waiting_queue=waiting, max_wait_ns=max_wait, now_ns=self.now)
        if guard.concurrent:
            self.real.update_bulkhead(service, max_concurrent=concurrent, **terms)
        elif sum(one.concurrent > 0 for one in self.model.guard) == BULKHEADS:
            before = self.real.snapshot()
            with pytest.raises(FullError):
                self.real.create_bulkhead(service, concurrent, **terms)
            assert self.real.snapshot() == before
            return
        else:
            self.real.create_bulkhead(service, concurrent, **terms)
        guard.concurrent, guard.waiting, guard.max_wait = concurrent, waiting, max_wait
        self.model.pump(service, self.now)

    @rule(service=SERVICE, policy=RETRY)
    def retry(self, service: int, policy: Any) -> None:
        """Retries begin, or other ones: their budget begins anew."""
        guard, same = self.model.guard[service], False
        if guard.retry is not None:
            same = self.real.get_retry(service) == self.real.set_retry(
                service, policy, now_ns=self.now
            )
        else:
            self.real.set_retry(service, policy, now_ns=self.now)
        guard.retry = self.real.get_retry(service)
        if not same:
            guard.deposits, guard.retries = [], []
            guard.bank = policy.capacity if policy.budget is Budget.BANK else 0
        self.model.pump(service, self.now)

    @rule(service=SERVICE, config=st.sampled_from([
        {"probes": 0}, {"failure_threshold": 0, "rate_ppm": 0}, {"timeout_duration": 0},
        {"reset_timeout": 0}, {"counts": (Outcome.OK,)}, {"volume": 0}]))  # fmt: skip
    def refused(self, service: int, config: Any) -> None:
        """Rules no law allows change no byte."""
        before = self.real.snapshot()
        make = self.real.create_circuit_breaker
        if self.model.guard[service].breaker is not None:
            make = self.real.update_circuit_breaker  # type: ignore[assignment]
        with pytest.raises(RaygateError):
            make(service, CircuitBreakerConfig(**config))
        assert self.real.snapshot() == before

    @rule(service=SERVICE, force=st.sampled_from([Force.NONE, Force.NONE, *Force]))
    def force(self, service: int, force: Any) -> None:
        """An operator's word over the state."""
        breaker = self.model.guard[service].breaker
        if breaker is not None:
            self.real.force(service, force, now_ns=self.now)
            breaker.forced = int(force)

    @rule(service=SERVICE)
    def half_open(self, service: int) -> None:
        """Open breakers try before their time; others refuse, and no byte changes."""
        breaker = self.model.guard[service].breaker
        if breaker is None or breaker.state != 1:
            before = self.real.snapshot()
            with pytest.raises(RaygateError):
                self.real.attempt_reset(service, now_ns=self.now)
            assert self.real.snapshot() == before
            return
        self.real.attempt_reset(service, now_ns=self.now)
        breaker.change(2, self.now)

    # -- attempts -------------------------------------------------------------------------------
    @rule(service=SERVICE, step=STEP, attempt=st.sampled_from([1, 1, 1, 2, 3]),
          timeout=st.sampled_from([0, 0, 3, 15]), deadline=st.sampled_from([0, 0, 0, 2, 9, 60]),
          post=st.booleans())  # fmt: skip
    def begin(self, service: int, step: int, attempt: int, timeout: int, deadline: int,
              post: bool) -> None:  # fmt: skip
        """An attempt: goes, waits, or is refused, and why, as the reference says."""
        self.pass_time(step)
        until = self.now + deadline - 1 if deadline else 0
        terms = dict(attempt=attempt, timeout_ns=timeout, deadline_ns=until, now_ns=self.now,
                     method="POST" if post else "GET")  # fmt: skip
        if len(self.model.calls) == CALLS:
            before = self.real.snapshot()
            with pytest.raises(FullError):
                self.real.acquire_permit(service, **terms)
            assert self.real.snapshot() == before
            return
        word = self.model.ask(service, self.now, until, called=False)
        left = self.model.time_left(service, self.now, timeout, until)
        got = self.real.acquire_permit(service, **terms)
        assert got.reason == getattr(self.real.lib, f"RAY_REASON_{REASONS[word]}"), word
        assert (got.granted, got.waits, got.probe) == (
            word in ("ok", "probe", "wait"), word == "wait", word == "probe")  # fmt: skip
        breaker = self.model.guard[service].breaker
        if word == "open":
            assert breaker is not None and got.retry_after_ns == breaker.until - self.now > 0
        if word != "deadline":
            assert (got.timeout_ns or NEVER) == left
        if got.call is not None:
            self.model.begin(got.call, service, self.now, attempt, timeout, until, word)
            self.model.calls[got.call].repeatable = not post  # type: ignore[attr-defined]

    @precondition(lambda self: self.model.calls)
    @rule(pick=PICK, outcome=OUTCOME, step=STEP, marked=st.booleans())
    def end(self, pick: int, outcome: Any, step: int, marked: bool) -> None:
        """An attempt ends: learned, given back, and a retry decided, on both."""
        self.pass_time(step)
        if not self.model.calls:
            return
        id = sorted(self.model.calls)[pick % len(self.model.calls)]
        if self.model.calls[id].waits:
            outcome = Outcome.CANCELLED
        got = self.real.release_permit(id, outcome, idempotent=marked, now_ns=self.now)
        repeatable = marked or self.model.calls[id].repeatable  # type: ignore[attr-defined]
        call = self.model.end(id, int(outcome), self.now)
        word = self.model.judge(call, int(outcome), self.now, repeatable)
        assert got.retry == (word == "retry"), word
        assert got.reason == getattr(self.real.lib, f"RAY_REASON_{VERDICTS[word]}"), word
        if got.retry:  # RS6: without jitter exactly the backoff, between base and cap
            policy = self.model.guard[call.service].retry
            assert got.delay_ns == min(policy.max_delay, policy.base << call.attempt - 1)
        self.model.pump(call.service, self.now)
        self.ended.append(id)

    @precondition(lambda self: self.ended)
    @rule(pick=PICK)
    def twice(self, pick: int) -> None:
        """RS4, RS5: who reports twice is told so, and changes nothing."""
        id = self.ended[pick % len(self.ended)]
        before = self.real.snapshot()
        with pytest.raises(StaleError):
            self.real.release_permit(id, Outcome.FAIL_5XX, now_ns=self.now)
        assert self.real.snapshot() == before

    @rule(service=SERVICE, failed=st.booleans())
    def record(self, service: int, failed: bool) -> None:
        """An outcome seen elsewhere."""
        breaker = self.model.guard[service].breaker
        if breaker is None:
            return
        if failed:
            self.real.record_failure(service, now_ns=self.now)
        else:
            self.real.record_success(service, now_ns=self.now)
        if breaker.state != 1:
            counts = Outcome.FAIL_5XX in breaker.config.counts
            breaker.learn(self.now, failed and counts, RING)

    # -- laws -----------------------------------------------------------------------------------
    @invariant()
    def laws(self) -> None:
        """valid() is 0; every guard and every call is where the reference has it."""
        real, model = self.real, self.model
        assert real.valid() == 0
        out = {one.call: one for one in real.permits()}
        assert set(out) == set(model.calls)
        for id, call in model.calls.items():
            assert out[id].state is (CallState.WAITING if call.waits else CallState.RUNNING)
            assert (out[id].lapses or NEVER) == call.lapses
            assert (out[id].probe, out[id].in_bulkhead) == (call.probe, call.held)
        for service, guard in enumerate(model.guard):
            if guard.breaker is not None:
                self.breaker_agrees(service, guard.breaker)
            if guard.concurrent:  # RS4
                pool, metrics = real.get_bulkhead(service), real.get_guard_metrics(service)
                assert pool.in_use == model.in_use(service)
                assert pool.waiting == len(model.waiters(service))
                assert metrics.acquired_count - metrics.released_count == pool.in_use
                assert pool.in_use <= metrics.in_use_bound
            if guard.retry is not None:
                left = real.get_guard_metrics(service, now_ns=self.now).budget_left
                assert (NEVER if left is None else left) == model.budget_left(service, self.now)
        self.transitions_are_legal()

    def breaker_agrees(self, service: int, breaker: Breaker) -> None:
        """State and counts; RS3: no more probes than there may be."""
        got, counted = self.real.get_breaker(service), breaker.counted(self.now, RING)
        assert (int(got.state), int(got.forced)) == (breaker.state, breaker.forced)
        got = self.real.get_breaker(service, now_ns=self.now)
        assert (got.failures, got.requests) == (sum(counted), len(counted))
        assert (got.consecutive_failures, got.consecutive_successes) == (
            breaker.row(True), breaker.row(False))  # fmt: skip
        assert got.probing == breaker.probing <= breaker.config.probes
        assert got.since == breaker.since and got.reopened == breaker.reopened
        assert got.open_until == (breaker.until if breaker.state == 1 else None)

    def transitions_are_legal(self) -> None:
        """RS1: closed to open, open to half-open, half-open to either, each with a cause."""
        kept = self.real.get_transitions()
        for one in kept:
            assert (int(one.before), int(one.after)) in LEGAL and one.cause
            assert one.at <= self.now
        last = self.real.get_metrics().event_count
        assert [one.id for one in kept] == list(range(last - len(kept) + 1, last + 1))


TestResilienceAgainstModel = ResilienceAgainstModel.TestCase


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_long_runs_agree_with_the_reference(seed: int) -> None:
    """Hundreds of steps of busy traffic, where breakers flap and lines are full."""
    dice, both = random.Random(seed), ResilienceAgainstModel()
    for service in (0, 1):
        both.breaker(service, CircuitBreakerConfig(
            failure_threshold=dice.choice((1, 2, 3)), rate_ppm=dice.choice((400_000, 10**6)),
            volume=dice.randint(2, 9), window=dice.choice((0, 12, 40)),
            fixed_window=dice.random() < 0.5, reset_timeout=dice.randint(1, 9),
            reset_timeout_max=dice.choice((None, 30)), timeout_duration=dice.randint(2, 20),
            probes=dice.randint(1, 2), success_threshold=dice.randint(1, 3)))  # fmt: skip
        both.bulkhead(service, dice.randint(1, 3), dice.randint(0, 3), dice.choice((0, 4)))
        both.retry(service, RetryPolicy(
            base=2, max_delay=9, jitter=Jitter.NONE, statuses=(), on=(Outcome.FAIL_5XX,),
            reserve=0, deposit=dice.randint(1, 3), ttl=dice.choice((20, 400)),
            budget=dice.choice(list(Budget))))  # fmt: skip
    outcomes = [Outcome.OK] * 5 + [Outcome.FAIL_5XX] * 4 + [Outcome.TIMEOUT, Outcome.CANCELLED]
    for _ in range(300):
        if dice.random() < 0.55:
            both.begin(dice.choice((0, 1)), dice.choice((0, 0, 1, 2)), dice.choice((1, 1, 2)),
                       dice.choice((0, 3)), dice.choice((0, 0, 9)), post=False)  # fmt: skip
        elif both.model.calls:
            both.end(dice.randint(0, 99), dice.choice(outcomes), dice.choice((0, 0, 1)), False)
        both.laws()


@settings(max_examples=100)
@given(steps=st.lists(st.tuples(st.integers(0, 30), OUTCOME), max_size=60),
       ticks=st.lists(st.integers(0, 2000), max_size=60))  # fmt: skip
def test_ticks_between_events_change_no_byte(steps: Any, ticks: Any) -> None:
    """Whatever is due happens at its own instant, looked at or not."""
    twins = [ResilienceManager(profile="tiny") for _ in range(2)]
    config = CircuitBreakerConfig(failure_threshold=2, reset_timeout=9, timeout_duration=25,
                                  window=40, rate_ppm=10**6, volume=50)  # fmt: skip
    for real in twins:
        real.create_circuit_breaker(0, config)
        real.create_bulkhead(0, 2, waiting_queue=1, max_wait_ns=11)
    now, extra, open_calls = 0, sorted(ticks), []
    for step, outcome in steps:
        for at in extra:
            if now < at < now + step:
                twins[1]._pass(at)
        now += step
        permits = [real.acquire_permit(0, now_ns=now) for real in twins]
        assert permits[0] == permits[1]
        if permits[0].call is not None:
            open_calls.append(permits[0].call)
        if open_calls and outcome is not Outcome.UNSENT:
            call, ends = open_calls.pop(0), []
            for real in twins:
                try:
                    ends.append(real.release_permit(call, outcome, now_ns=now))
                except RaygateError as error:
                    ends.append(type(error))  # type: ignore[arg-type]
            assert ends[0] == ends[1]
        assert twins[0].snapshot() == twins[1].snapshot()


@settings(max_examples=200)
@given(places=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)),
                       min_size=1, max_size=6))  # fmt: skip
def test_bytes_of_a_snapshot_are_judged_without_harm(places: Any) -> None:
    """Whatever stands in a restored state, valid() ends, and says 0 only where all laws hold."""
    real = ResilienceManager(profile="tiny")
    real.create_circuit_breaker(0, CircuitBreakerConfig(failure_threshold=1))
    real.create_bulkhead(0, 1, waiting_queue=3)
    real.set_retry(1)
    for _ in range(3):
        real.acquire_permit(0)
    real.record_failure(0)
    memory = real.ffi.cast("uint8_t *", real._state)
    for place, value in places:
        memory[place % real._bytes] = value
    assert 0 <= real.valid() <= 11
