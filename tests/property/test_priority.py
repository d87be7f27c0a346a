# SPDX-License-Identifier: MIT
"""priority: the core against the reference, step by step; and the laws P1 to P7, but for P4, which
is in test_priority_starvation.py."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from host_sim.errors import RaygateError
from host_sim.modules.priority import Origin, PriorityScheduler, RequestPriority
from tests.model.priority import NEVER, Minutes, Model, Rules

SERVICES, POOL = 4, 8
CLASS = st.sampled_from(list(RequestPriority))
SERVICE = st.sampled_from([0, 0, 0, 1, 1, 3])
PICK = st.integers(0, 99)
WEIGHTS = st.tuples(*[st.integers(1, 9)] * 5)
BAD_RULES = st.tuples(WEIGHTS, st.integers(91, 200)) | st.tuples(
    st.sampled_from([(0, 1, 1, 1, 1), (1, 1, 1, 1, 1001)]), st.integers(0, 90)
)
MS = 10**6


class PriorityAgainstModel(RuleBasedStateMachine):
    """Every call on both; tiny tables, so that they fill."""

    def __init__(self) -> None:
        super().__init__()
        self.real = PriorityScheduler(profile="tiny")
        self.model = Model(SERVICES, POOL)
        self.now = 0
        self.id = 0
        self.sent: list[Any] = []
        self.gone: list[int] = []

    # -- rules ----------------------------------------------------------------------------------
    @rule(weights=WEIGHTS, cap=st.integers(0, 90), servers=st.integers(0, 3),
          depth=st.integers(1, 9), displace=st.booleans(), edf=st.booleans(),
          flows=st.integers(1, 1))  # fmt: skip
    def configure(self, weights: Any, cap: int, servers: int, depth: int, displace: bool,
                  edf: bool, flows: int) -> None:
        """Rules change while requests wait."""
        rules = self.real.configure(
            weights=weights, critical_cap=cap, servers=servers, depth=depth, displace=displace,
            earliest_deadline=edf, flows=flows,
        )  # fmt: skip
        self.model.set_rules(Rules(weights, cap, servers, depth, displace, edf))
        assert rules.bound == self.model.rules.bound

    @rule(service=SERVICE, servers=st.integers(0, 3), depth=st.integers(1, 9))
    def own(self, service: int, servers: int, depth: int) -> None:
        """A service says something itself."""
        self.real.set_service(service, servers=servers, depth=depth)
        self.model.own[service] = (servers, depth)

    @rule(service=SERVICE, p95=st.integers(1, 20), deadline=st.integers(0, 20),
          priority=st.none() | CLASS)  # fmt: skip
    def promise(self, service: int, p95: int, deadline: int, priority: Any) -> None:
        """An SLA begins, or begins anew."""
        if service in self.model.sla:
            self.real.remove_sla(service)
        self.real.define_sla(
            service, p95_latency_ms=p95, deadline_ms=deadline or None, priority_level=priority
        )
        self.model.sla[service] = (p95 * MS, deadline * MS, priority)

    @rule(rules=BAD_RULES)
    def refused(self, rules: Any) -> None:
        """Rules no law allows change no byte."""
        weights, cap = rules
        before = self.real.snapshot()
        with pytest.raises(RaygateError):
            self.real.configure(weights=weights, critical_cap=cap)
        assert self.real.snapshot() == before

    # -- requests -------------------------------------------------------------------------------
    @rule(service=SERVICE, priority=CLASS, width=st.integers(0, 3), step=st.integers(0, 5),
          at_once=st.booleans(), delay=st.integers(0, 6), deadline=st.integers(0, 9),
          origin=st.sampled_from(list(Origin)))  # fmt: skip
    def enqueue(self, service: int, priority: Any, width: int, step: int, at_once: bool,
                delay: int, deadline: int, origin: Any) -> None:
        """An arrival: sent at once, put behind its class, or turned away, displacing the same."""
        self.pass_time(step)
        self.id += 1
        terms = dict(
            width=width, at_once=at_once, not_before=self.now + delay * MS if delay > 3 else 0,
            deadline=self.now + deadline * MS if deadline else 0, origin=int(origin),
        )  # fmt: skip
        trial = copy.deepcopy(self.model)
        expected = trial.enqueue(self.id, service, int(priority), self.now, **terms)
        if expected[0] == "full" or expected[1] is not None:
            self.model.waiting, before = (
                [w for w in self.model.waiting
                 if w.service != service or w.deadline > self.now], self.model.waiting,
            )  # fmt: skip
            self.model.counts["left"] += len(before) - len(self.model.waiting)
        expected = self.model.enqueue(self.id, service, int(priority), self.now, **terms)
        estimate = self.real.snapshot()
        ahead = self.real.estimate_queue_time(service, priority, now_ns=self.now)
        assert self.real.snapshot() == estimate
        assert ahead.wait_ns == (
            ahead.ahead * ahead.service_ns // ahead.servers if ahead.servers else 0
        )
        got = self.real.enqueue_request(
            self.id, service, priority, origin=origin, width=width, at_once=at_once,
            not_before_ns=terms["not_before"], deadline_ns=terms["deadline"], now_ns=self.now,
        )  # fmt: skip
        word = "full" if not got.accepted else "queued" if got.queued else "direct"
        assert (word, got.displaced) == expected

    def pass_time(self, step: int) -> None:
        """Milliseconds."""
        self.now += step * MS
        self.model.tick(self.now)

    @rule(service=st.none() | SERVICE, step=st.integers(0, 3))
    def dequeue(self, service: int | None, step: int) -> None:
        """The same request, or none, on both; P7: never one past its deadline."""
        self.pass_time(step)
        while True:
            one = self.model.next_of_any() if service is None else self.model.next(service)
            if one is None or one.deadline > self.now:
                break
            self.model.leave(one)
        if one is not None:
            self.model.send(one)
        got = self.real.dequeue_next(service, now_ns=self.now)
        assert (got and got.request_id) == (one and one.id)
        if one is not None:
            assert got is not None and got.wait_ns == self.now - one.arrival
            assert (got.origin, got.priority, got.width) == (one.origin, one.priority, one.width)
            self.sent.append((got, one))

    @precondition(lambda self: self.sent)
    @rule(pick=PICK, failed=st.booleans())
    def complete(self, pick: int, failed: bool) -> None:
        """An outcome frees servers and teaches the service time."""
        got, one = self.sent.pop(pick % len(self.sent))
        self.real.complete_request(got, failed=failed, now_ns=self.now)
        self.model.finish(one.service, one.width, self.now - got.sent_time)

    @precondition(lambda self: self.model.waiting)
    @rule(pick=PICK, priority=CLASS)
    def requeue(self, pick: int, priority: Any) -> None:
        """P5: id, arrival, deadline and origin stay; its place is by arrival."""
        one = self.model.waiting[pick % len(self.model.waiting)]
        one.priority = int(priority)
        got = self.real.requeue_request(one.id, priority, now_ns=self.now)
        assert (got.request_id, got.arrival_time, got.ticket) == (one.id, one.arrival, one.ticket)
        assert (got.sla_deadline or NEVER, got.origin) == (one.deadline, one.origin)

    @precondition(lambda self: self.model.waiting)
    @rule(pick=PICK, by=CLASS)
    def preempt(self, pick: int, by: Any) -> None:
        """P6: only of a strictly lower class; a refusal changes no byte."""
        one = self.model.waiting[pick % len(self.model.waiting)]
        before = self.real.snapshot()
        if one.priority <= by:
            with pytest.raises(RaygateError):
                self.real.preempt_request(one.id, by=by, now_ns=self.now)
            assert self.real.snapshot() == before
            return
        assert self.real.preempt_request(one.id, by=by, now_ns=self.now).request_id == one.id
        self.model.leave(one)

    # -- laws -----------------------------------------------------------------------------------
    @invariant()
    def laws(self) -> None:
        """valid() is 0; everybody is where the reference has them (P1, P2, P3)."""
        assert self.real.valid() == 0
        stats, counts = self.real.stats(), self.model.counts
        assert stats.queued_count == counts["queued"] == (
            counts["sent"] + counts["left"] + len(self.model.waiting)
        )
        assert (stats.sent_count, sum(stats.left.values())) == (counts["sent"], counts["left"])
        assert (stats.direct_count, stats.denied_count) == (counts["direct"], counts["denied"])
        assert {one.request_id: one.priority for one in self.real.queued()} == {
            one.id: one.priority for one in self.model.waiting
        }
        for service in range(SERVICES):
            queue = self.real.get_queue(service)
            assert queue.lanes == tuple(
                len(self.model.lane(service, priority)) for priority in range(5)
            )
            assert queue.service_ns == self.model.queue[service].service_ns
            assert queue.busy == self.model.queue[service].busy
        assert self.real.enforce_fairness()


TestPriorityAgainstModel = PriorityAgainstModel.TestCase


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_long_runs_agree_with_the_reference(seed: int) -> None:
    """Hundreds of steps of busy traffic, where turns, debts and full queues matter."""
    dice, both = random.Random(seed), PriorityAgainstModel()
    service = lambda: dice.choice((0, 0, 0, 1))  # noqa: E731
    priority = lambda: dice.choice(list(RequestPriority))  # noqa: E731
    both.configure(
        weights=tuple(dice.randint(1, 4) for _ in range(5)), cap=dice.choice((0, 35, 60, 90)),
        servers=dice.choice((0, 3)), depth=dice.randint(4, 7), displace=dice.random() < 0.7,
        edf=dice.random() < 0.3, flows=1,
    )  # fmt: skip
    for _ in range(300):
        act = dice.random()
        if act < 0.5:
            both.enqueue(
                service=service(), priority=priority(), width=dice.choice((0, 1, 1, 2)),
                step=dice.choice((0, 0, 1)), at_once=dice.random() < 0.2,
                delay=dice.choice((0, 0, 0, 5)), deadline=dice.choice((0, 0, 0, 7)),
                origin=dice.choice(list(Origin)),
            )  # fmt: skip
        elif act < 0.85:
            both.dequeue(service=dice.choice((None, 0, 1)), step=dice.choice((0, 0, 1)))
        elif act < 0.95 and both.sent:
            both.complete(pick=dice.randint(0, 99), failed=dice.random() < 0.5)
        elif both.model.waiting:
            move = both.requeue if act < 0.98 else both.preempt
            move(dice.randint(0, 99), priority())
        both.laws()


@settings(max_examples=60)
@given(outcomes=st.lists(st.tuples(st.integers(0, 150), st.integers(0, 30), st.booleans()),
                         max_size=120),
       p95=st.integers(1, 25), bp=st.integers(0, 10_000))  # fmt: skip
def test_minutes_break_their_promise_exactly_when_the_sorted_list_says_so(
    outcomes: Any, p95: int, bp: int
) -> None:
    """Breach by nearest rank and by error rate, against every outcome kept and sorted."""
    real = PriorityScheduler(profile="seed")
    real.define_sla(0, p95_latency_ms=p95, error_rate_threshold=bp, deadline_ms=10**6)
    model = Minutes(p95 * MS, bp)
    now = 10 * MS
    for step, latency, failed in outcomes:
        now += step * 700 * MS
        real.enqueue_request(1, 0, now_ns=now)
        got = real.dequeue_next(0, now_ns=now)
        assert got is not None
        now += latency * MS
        real.complete_request(got, failed=failed, now_ns=now)
        model.add(now, latency * MS, failed)
    expected = model.breaches(now + 60_000 * MS)
    report = real.get_sla_report(0, now_ns=now + 60_000 * MS)
    assert report.breach_count == len(expected)
    assert report.errors_breach_count == sum(one[1] for one in expected)
    assert report.latency_breach_count == sum(one[2] for one in expected)
    raised = [(a.minute, bool(a.breach & 1), bool(a.breach & 2)) for a in real.get_sla_alerts()]
    assert raised == model.breaches(now)[-64:] and real.valid() == 0


@settings(max_examples=40)
@given(widths=st.lists(st.integers(1, 9), min_size=2, max_size=8), data=st.data())
def test_flows_that_wait_are_served_by_width_within_one_request(widths: Any, data: Any) -> None:
    """Start-time fair queuing: between any two flows that wait all along, at most the two widest
    requests of difference, in every prefix; inside a flow by arrival."""
    real = PriorityScheduler(profile="seed")
    real.configure(flows=8, depth=4096)
    flows: dict[int, int] = {}
    for identity in range(1, 400):
        if len(flows) < len(widths):
            real.enqueue_request(1, 0, flow=identity)
            flows.setdefault(real.get_request(1).flow, identity)
            real.cancel_request(1)
    served = dict.fromkeys(flows.values(), 0)
    width_of = dict(zip(flows.values(), widths, strict=True))
    for at in range(40):
        for identity in flows.values():
            real.enqueue_request(identity * 1000 + at, 0, flow=identity, width=width_of[identity])
    last = dict.fromkeys(served, -1)
    for _ in range(40 * len(widths)):
        got = real.dequeue_next(0)
        assert got is not None
        identity, at = divmod(got.request_id, 1000)
        assert at == last[identity] + 1
        last[identity] = at
        served[identity] += got.width
        if at == 39:  # one flow is empty: the others no longer compete with it
            break
        for one in served:
            for other in served:
                assert abs(served[one] - served[other]) <= width_of[one] + width_of[other]
    assert real.valid() == 0


@settings(max_examples=150)
@given(places=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)),
                       min_size=1, max_size=6))  # fmt: skip
def test_bytes_of_a_snapshot_are_judged_without_harm(places: Any) -> None:
    """Whatever stands in a restored state, valid() ends, and says 0 only where all laws hold."""
    real = PriorityScheduler(profile="tiny")
    real.configure(flows=2, servers=1)
    real.define_sla(1, p95_latency_ms=5)
    for id in range(7):
        real.enqueue_request(id, id % 2, RequestPriority(id % 5), flow=id,
                             not_before_ns=50 if id == 3 else 0)  # fmt: skip
    assert real.dequeue_next() is not None
    memory = real.ffi.cast("uint8_t *", real._state)
    for place, value in places:
        memory[place % real._bytes] = value
    assert 0 <= real.valid() <= 12
