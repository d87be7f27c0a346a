# SPDX-License-Identifier: MIT
"""priority: who is sent next, who waits how long, and who must go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim.errors import (
    ArgumentError,
    ExistsError,
    RangeError,
    StaleError,
    StateError,
    UnknownError,
)
from host_sim.modules.priority import (
    Breach,
    FlowBy,
    Leave,
    Origin,
    PriorityScheduler,
    RequestPriority,
)

MS, S = 10**6, 10**9
CRITICAL, HIGH, NORMAL, LOW, BATCH = RequestPriority
QUEUED, QUEUE_FULL = 400, 401


@pytest.fixture
def queue() -> PriorityScheduler:
    """A scheduler of its own, with the defaults."""
    return PriorityScheduler()


def drain(queue: PriorityScheduler, now_ns: int | None = None, **where: Any) -> list[int]:
    """Ids in the order they are sent."""
    found = []
    while (got := queue.dequeue_next(now_ns=now_ns, **where)) is not None:
        found.append(got.request_id)
    assert queue.valid() == 0
    return found


def test_priority_queue_creation(queue: PriorityScheduler) -> None:
    rules = queue.get_rules()
    assert rules.weights == (16, 8, 4, 2, 1) and rules.critical_cap == 60
    assert rules.bound == 78  # ceil(31 * 100 / 40)
    assert (rules.servers, rules.depth, rules.flows) == (0, 256, 1)
    assert rules.displace and not rules.earliest_deadline and rules.flow_by is FlowBy.USER
    for service in range(256):
        assert queue.get_queue(service).lanes == (0, 0, 0, 0, 0)
    with pytest.raises(UnknownError):
        queue.get_queue(256)
    assert queue.dequeue_next() is None and queue.queued() == ()
    assert queue.stats().waiting_count == 0 and queue.valid() == 0
    assert queue.enforce_fairness() and queue.get_queue_stats().depth == 0


def test_request_enqueue(queue: PriorityScheduler) -> None:
    first = queue.enqueue_request(11, 3, HIGH, origin=Origin.RETRY, width=2, now_ns=5 * S)
    assert first.accepted and first.queued and first.reason == QUEUED and first.ahead == 0
    second = queue.enqueue_request(12, 3, HIGH, now_ns=7 * S)
    assert second.ahead == 1 and second.displaced is None
    waiting = queue.get_request(11)
    assert (waiting.priority, waiting.origin, waiting.width) == (HIGH, Origin.RETRY, 2)
    assert (waiting.arrival_time, waiting.sla_deadline, waiting.service_id) == (5 * S, None, 3)
    assert queue.get_queue(3).lanes == (0, 2, 0, 0, 0)
    stats = queue.get_queue_stats(3, now_ns=8 * S)
    assert (stats.depth, stats.oldest_request_age, stats.rejection_count) == (2, 3 * S, 0)
    got = queue.dequeue_next(3, now_ns=9 * S)
    assert got is not None and (got.request_id, got.wait_ns, got.width) == (11, 4 * S, 2)
    assert queue.get_queue_stats(3).avg_wait_time == 4 * S
    with pytest.raises(ExistsError):
        queue.enqueue_request(12, 3, now_ns=9 * S)
    with pytest.raises(UnknownError):
        queue.get_request(11)


def test_sla_enforcement(queue: PriorityScheduler) -> None:
    """Deadline, error rate and p95: each breaks the promise alone."""
    sla = queue.define_sla(
        2, p95_latency_ms=150, error_rate_threshold=500, priority_level=CRITICAL, deadline_ms=1000
    )
    assert (sla.p95_latency_ms, sla.error_rate_threshold, sla.priority_level) == (
        150, 500, CRITICAL)  # fmt: skip
    assert sla.deadline_ns == S and queue.get_sla(2) == sla

    queue.enqueue_request(1, 2, now_ns=0)
    queue.enqueue_request(2, 2, now_ns=1)
    assert queue.get_request(1).priority is CRITICAL  # it named no class
    assert queue.get_request(1).sla_deadline == S
    got = queue.dequeue_next(2, now_ns=S)  # 1 is expired exactly at its deadline
    assert got is not None and got.request_id == 2
    assert queue.stats().left[Leave.DEADLINE] == 1

    def minute(at: int, total: int, failed: int, slow: int) -> None:
        for i in range(total):
            arrival = at * 60 * S + i
            queue.enqueue_request(1000 + i, 2, now_ns=arrival)
            sent = queue.dequeue_next(2, now_ns=arrival)
            assert sent is not None
            latency = 151 * MS if i < slow else 150 * MS
            queue.complete_request(sent, failed=i < failed, now_ns=arrival + latency)
            queue._now_ns = 0  # arrivals of one minute overlap

    minute(1, 100, 5, 5)  # 5.00 % failed and 5 of 100 slow: both exactly kept
    minute(2, 100, 6, 5)
    minute(3, 100, 5, 6)
    minute(4, 19, 0, 1)  # the p95 of 19 is the 19th
    report = queue.get_sla_report(2, now_ns=300 * S)
    assert (report.minute_count, report.breach_count) == (5, 4)
    assert (report.errors_breach_count, report.latency_breach_count) == (2, 3)
    assert report.missed_count == 1 and report.outcome_count == 320
    minute(6, 1, 0, 0)  # the next outcome closes and raises
    alerts = queue.get_sla_alerts()
    assert [(a.minute, a.breach) for a in alerts] == [
        (0, Breach.ERRORS | Breach.LATENCY), (2, Breach.ERRORS), (3, Breach.LATENCY),
        (4, Breach.LATENCY)]  # fmt: skip
    queue.acknowledge_sla_alert(alerts[0].id)
    assert len(queue.get_sla_alerts(unacknowledged=True)) == 3


def test_same_class_is_served_in_order_of_arrival(queue: PriorityScheduler) -> None:
    for id in (5, 3, 9, 1):
        queue.enqueue_request(id, 0, LOW, now_ns=100)
    assert drain(queue) == [5, 3, 9, 1]


def test_critical_goes_first_up_to_its_cap_and_then_takes_its_turn(
    queue: PriorityScheduler,
) -> None:
    for i in range(200):
        queue.enqueue_request(i, 0, CRITICAL if i % 2 else BATCH)
    order = [queue.dequeue_next(0) for _ in range(78)]
    classes = [one.priority for one in order if one is not None]
    # out of turn twice, then Batch's turn; out of turn once, then Critical's own turn of sixteen
    assert classes[:4] == [CRITICAL, CRITICAL, BATCH, CRITICAL]
    assert 1 <= classes.count(BATCH) <= 3
    assert classes.count(CRITICAL) == 78 - classes.count(BATCH)


def test_without_a_cap_critical_is_one_of_five(queue: PriorityScheduler) -> None:
    queue.configure(critical_cap=0, weights=(1, 1, 1, 1, 1))
    for i in range(50):
        queue.enqueue_request(i, 0, RequestPriority(i % 5))
    order = drain(queue)
    assert all(sorted(i % 5 for i in order[at : at + 5]) == [0, 1, 2, 3, 4] for at in range(45))


def test_the_bound_is_a_printed_number_and_holds_under_saturation(
    queue: PriorityScheduler,
) -> None:
    queue.configure(depth=4096)
    served: list[int] = []
    for i in range(5 * 50):
        queue.enqueue_request(i, 0, RequestPriority(i % 5))
    for i in range(1000, 1000 + 78 * 4):
        got = queue.dequeue_next(0)
        assert got is not None
        served.append(int(got.priority))
        queue.enqueue_request(i, 0, got.priority)
    for priority, weight in enumerate((16, 8, 4, 2, 1)):
        for at in range(len(served) - 78):
            assert served[at : at + 78].count(priority) >= weight
    report = queue.enforce_fairness()
    assert report and report.bound == 78 and report.starved is None
    assert all(gap <= most for gap, most in zip(report.gap_max, report.gap_bound, strict=True))


def test_a_class_passed_by_too_often_breaks_the_law(queue: PriorityScheduler) -> None:
    """The check is not blind: a queue dispatched by hand out of turn is caught."""
    queue.configure(weights=(1, 1, 1, 1, 1), critical_cap=0, depth=4096)  # bound 5
    queue.enqueue_request(0, 0, BATCH)
    for i in range(1, 40):
        queue.enqueue_request(i, 0, HIGH)
    ffi, lib = queue.ffi, queue.lib
    pick = ffi.new("ray_priority_pick *")
    for i in range(1, 8):
        one = queue.get_request(i)
        pick.entry, pick.service, pick.priority, pick.width = one.entry, 0, int(HIGH), 1
        lib.ray_priority_send(queue._state, 0, pick)
    report = queue.enforce_fairness()
    assert not report and report.starved is BATCH and queue.valid() == 11


def test_full_queue_displaces_the_newest_of_the_lowest_class(queue: PriorityScheduler) -> None:
    queue.set_service(0, depth=3)
    for id, priority in ((1, LOW), (2, BATCH), (3, BATCH)):
        assert queue.enqueue_request(id, 0, priority).accepted
    same = queue.enqueue_request(4, 0, BATCH)
    assert not same.accepted and same.reason == QUEUE_FULL and same.displaced is None
    assert queue.enqueue_request(5, 0, HIGH).displaced == 3
    assert queue.enqueue_request(6, 0, CRITICAL).displaced == 2
    assert queue.enqueue_request(7, 0, CRITICAL).displaced == 1
    assert queue.enqueue_request(8, 0, CRITICAL).displaced == 5
    assert not queue.enqueue_request(9, 0, CRITICAL).accepted  # Critical is never displaced
    stats = queue.stats()
    assert stats.left[Leave.DISPLACED] == 4 and stats.denied_count == 2
    assert queue.get_queue_stats(0).rejection_count == 2
    assert drain(queue) == [6, 7, 8]


def test_on_full_reject_displaces_nobody(queue: PriorityScheduler) -> None:
    queue.configure(displace=False, depth=1)
    queue.enqueue_request(1, 0, BATCH)
    assert not queue.enqueue_request(2, 0, CRITICAL).accepted
    assert [one.request_id for one in queue.queued()] == [1]


def test_depth_is_per_service_and_the_pool_is_shared() -> None:
    queue = PriorityScheduler(profile="tiny")  # 8 entries
    queue.configure(depth=5)
    for i in range(5):
        assert queue.enqueue_request(i, 0, NORMAL).accepted
    assert not queue.enqueue_request(5, 0, NORMAL).accepted
    for i in range(6, 9):
        assert queue.enqueue_request(i, 1, BATCH).accepted
    assert not queue.enqueue_request(9, 2, CRITICAL).accepted  # nobody of its own queue to displace
    assert queue.enqueue_request(10, 1, CRITICAL).displaced == 8
    assert queue.stats().waiting_count == 8 and queue.valid() == 0


def test_deadline_is_the_slas_or_the_requests_own_whichever_is_first(
    queue: PriorityScheduler,
) -> None:
    queue.define_sla(0, p95_latency_ms=100)  # no deadline stated: the p95
    assert queue.enqueue_request(1, 0, now_ns=S).deadline == S + 100 * MS
    assert queue.enqueue_request(2, 0, deadline_ns=S + 1, now_ns=S).deadline == S + 1
    assert queue.enqueue_request(3, 0, deadline_ns=9 * S, now_ns=S).deadline == S + 100 * MS
    assert drain(queue, now_ns=S + 100 * MS - 1) == [1, 3]
    assert queue.get_sla_report(0).missed_count == 1


def test_expired_requests_make_room_before_anybody_is_displaced(queue: PriorityScheduler) -> None:
    queue.set_service(0, depth=2)
    queue.enqueue_request(1, 0, LOW, deadline_ns=5)
    queue.enqueue_request(2, 0, LOW)
    got = queue.enqueue_request(3, 0, HIGH, now_ns=5)
    assert got.accepted and got.displaced is None
    assert queue.stats().left == {**dict.fromkeys(Leave, 0), Leave.DEADLINE: 1}


def test_earliest_deadline_first_inside_a_class(queue: PriorityScheduler) -> None:
    queue.configure(earliest_deadline=True)
    for id, deadline in ((1, 900), (2, 300), (3, 0), (4, 300)):
        queue.enqueue_request(id, 0, NORMAL, deadline_ns=deadline)
    queue.enqueue_request(5, 0, BATCH, deadline_ns=1 * S)
    assert drain(queue, now_ns=1) == [2, 4, 1, 3, 5]


def test_changing_the_order_moves_those_who_wait_already(queue: PriorityScheduler) -> None:
    for id, deadline in ((1, 900), (2, 300), (3, 600)):
        queue.enqueue_request(id, 0, NORMAL, deadline_ns=deadline)
    queue.configure(earliest_deadline=True)
    assert queue.valid() == 0
    queue.configure(earliest_deadline=True, flows=4)
    assert queue.valid() == 0 and drain(queue, now_ns=1) == [2, 3, 1]


def test_preempt_takes_only_what_waits_and_is_of_a_lower_class(queue: PriorityScheduler) -> None:
    queue.enqueue_request(1, 0, NORMAL)
    queue.enqueue_request(2, 0, CRITICAL)
    before = queue.snapshot()
    with pytest.raises(StateError):
        queue.preempt_request(1, by=NORMAL)
    with pytest.raises(StateError):
        queue.preempt_request(2)  # nobody is above Critical
    with pytest.raises(UnknownError):
        queue.preempt_request(3)
    assert queue.snapshot() == before
    assert queue.preempt_request(1, by=HIGH).priority is NORMAL
    assert queue.stats().left[Leave.PREEMPTED] == 1
    sent = queue.dequeue_next()
    assert sent is not None
    with pytest.raises(UnknownError):
        queue.preempt_request(sent.request_id)  # what was sent cannot be recalled


def test_requeue_keeps_arrival_deadline_and_origin(queue: PriorityScheduler) -> None:
    queue.define_sla(0, p95_latency_ms=1000)
    queue.enqueue_request(1, 0, HIGH, now_ns=10)
    queue.enqueue_request(2, 0, LOW, origin=Origin.INTERNAL, now_ns=20)
    queue.enqueue_request(3, 0, HIGH, now_ns=30)
    moved = queue.requeue_request(2, HIGH, now_ns=40)
    assert (moved.arrival_time, moved.sla_deadline) == (20, S + 20)
    assert moved.origin is Origin.INTERNAL and queue.stats().requeued_count == 1
    assert drain(queue) == [1, 2, 3]  # by its original arrival


def test_origins_are_counted_apart(queue: PriorityScheduler) -> None:
    for id, origin in enumerate((Origin.CLIENT, Origin.RETRY, Origin.RETRY, Origin.INTERNAL)):
        queue.enqueue_request(id, 0, origin=origin)
    assert list(queue.stats().origins.values()) == [1, 2, 0, 1]
    assert [one.origin for one in queue.queued()][1] is Origin.RETRY


def test_wait_estimate_is_dispatches_ahead_times_service_time_by_servers(
    queue: PriorityScheduler,
) -> None:
    queue.set_service(0, servers=2)
    first = queue.enqueue_request(1, 0, at_once=True)
    assert first.accepted and not first.queued and first.wait_ns == 0
    queue.enqueue_request(2, 0)
    sent = queue.dequeue_next(0)
    assert sent is not None
    queue.complete_request(sent, now_ns=80 * MS)  # the first time is believed
    assert queue.get_queue(0).service_ns == 80 * MS
    for id in range(3, 8):
        queue.enqueue_request(id, 0)
    sent = queue.dequeue_next(0)
    assert sent is not None
    queue.complete_request(sent, now_ns=240 * MS)  # took 160: an eighth of the way
    assert queue.get_queue(0).service_ns == 90 * MS
    estimate = queue.estimate_queue_time(0)
    assert (estimate.ahead, estimate.service_ns, estimate.servers) == (4, 90 * MS, 2)
    assert estimate.wait_ns == 4 * 90 * MS // 2 and estimate.accepted
    assert queue.estimate_queue_time(0, BATCH).ahead == 4
    assert queue.estimate_queue_time(0, CRITICAL).ahead == 1


@pytest.mark.parametrize("mine", list(RequestPriority))
def test_dispatches_ahead_are_those_that_come_before_it(mine: RequestPriority) -> None:
    """Against the dispatches themselves, from a fresh queue: off by less than one round."""
    queue = PriorityScheduler()
    for i in range(200):
        queue.enqueue_request(i, 0, RequestPriority(i % 5))
    ahead = queue.enqueue_request(999, 0, mine).ahead
    assert abs(ahead - drain(queue).index(999)) <= 31


def test_not_before_joins_its_lane_then_by_arrival(queue: PriorityScheduler) -> None:
    queue.enqueue_request(1, 0, HIGH, not_before_ns=100, now_ns=10)
    queue.enqueue_request(2, 0, HIGH, now_ns=20)
    assert queue.get_request(1).not_before == 100 and queue.stats().delayed_count == 1
    assert queue.dequeue_next(0, now_ns=99).request_id == 2  # type: ignore[union-attr]
    queue.enqueue_request(3, 0, HIGH, now_ns=99)
    assert drain(queue, now_ns=100) == [1, 3]
    assert queue.enqueue_request(4, 0, not_before_ns=150, at_once=True).wait_ns == 50


def test_servers_hold_back_what_does_not_fit(queue: PriorityScheduler) -> None:
    queue.set_service(0, servers=3)
    for id, width in ((1, 2), (2, 2), (3, 1), (4, 9)):
        queue.enqueue_request(id, 0, width=width)
    first = queue.dequeue_next(0)
    assert first is not None and queue.get_queue(0).busy == 2
    assert queue.dequeue_next(0) is None  # 2 does not fit, and 3 does not overtake it
    queue.complete_request(first)
    assert drain(queue, service_id=0) == [2, 3]
    assert queue.get_queue(0).busy == 3 and [r.request_id for r in queue.queued()] == [4]


def test_a_request_wider_than_all_servers_goes_alone(queue: PriorityScheduler) -> None:
    queue.set_service(0, servers=3)
    assert not queue.enqueue_request(1, 0, width=9, at_once=True).queued
    assert queue.get_queue(0).busy == 9
    assert queue.enqueue_request(2, 0, at_once=True).queued


def test_services_with_work_take_turns(queue: PriorityScheduler) -> None:
    for id in range(9):
        queue.enqueue_request(id, (0, 70, 255)[id // 3])
    assert drain(queue) == [3, 6, 0, 4, 7, 1, 5, 8, 2]


def test_flows_share_a_class_by_width(queue: PriorityScheduler) -> None:
    queue.configure(flows=8)
    for id in range(60):
        queue.enqueue_request(id, 0, flow="greedy", width=1)
    flow = queue.get_request(0).flow
    other = next(n for n in range(1, 99) if _flow_of(queue, n) != flow)
    for id in range(100, 110):
        queue.enqueue_request(id, 0, flow=other, width=2)
    order = drain(queue, service_id=0)
    assert order[:6] == [0, 100, 1, 2, 101, 3] or order[1] == 100
    until = order.index(109)
    assert 18 <= sum(id < 60 for id in order[:until]) <= 20  # two narrow for each wide one


def _flow_of(queue: PriorityScheduler, identity: int) -> int:
    queue.enqueue_request(5000, 0, flow=identity)
    flow = queue.get_request(5000).flow
    queue.cancel_request(5000)
    return flow


def test_another_number_of_flows_moves_only_who_must(queue: PriorityScheduler) -> None:
    """Rendezvous hashing: from 7 to 8 flows whoever moves, moves to the new one."""
    queue.configure(flows=7)
    before = [_flow_of(queue, n) for n in range(1, 300)]
    queue.configure(flows=8)
    after = [_flow_of(queue, n) for n in range(1, 300)]
    moved = [b for a, b in zip(before, after, strict=True) if a != b]
    assert set(moved) == {7} and 15 <= len(moved) <= 70
    assert set(after) == set(range(8))


def test_fair_share_is_what_the_law_promises(queue: PriorityScheduler) -> None:
    shares = queue.get_fair_share()
    assert [share.weight for share in shares.values()] == [16, 8, 4, 2, 1]
    assert shares[HIGH].share_ppm == 8 * 10**6 // 78
    assert shares[BATCH].gap_bound == 77 and shares[BATCH].bound == 78
    assert queue.divide_fairly([3, 7, 9, 1], 14) == (3, 5, 5, 1)
    assert queue.divide_fairly([5, 5, 5], 8) == (3, 3, 2)
    assert queue.divide_fairly([], 8) == ()
    assert queue.divide_fairly([2**63, 2**63], 2**64 - 1) == (2**63, 2**63 - 1)


def test_reject_says_what_an_overloaded_queue_says(queue: PriorityScheduler) -> None:
    queue.set_service(0, servers=1, depth=1)
    with pytest.raises(StateError):
        queue.reject_request(0)
    queue.enqueue_request(1, 0)
    refusal = queue.reject_request(0)
    assert (refusal.reason, refusal.http_status) == (QUEUE_FULL, 503)
    assert queue.get_queue_stats(0).rejection_count == 1


def test_update_sla_changes_what_it_says_and_keeps_the_counts(queue: PriorityScheduler) -> None:
    queue.define_sla(1, p95_latency_ms=10)
    queue.enqueue_request(1, 1, now_ns=0)
    assert queue.update_sla(1, p95_latency_ms=20, priority_level=LOW).p95_latency_ms == 20
    assert queue.get_sla(1).error_rate_threshold == 10_000
    assert queue.get_request(1).sla_deadline == 10 * MS
    with pytest.raises(ExistsError):
        queue.define_sla(1, p95_latency_ms=10)
    with pytest.raises(UnknownError):
        queue.update_sla(2, p95_latency_ms=10)
    queue.remove_sla(1)
    with pytest.raises(UnknownError):
        queue.get_sla(1)
    assert queue.slas() == ()


BAD = [
    (lambda q: q.enqueue_request(1, 256), UnknownError),
    (lambda q: q.enqueue_request(1, -1), RangeError),
    (lambda q: q.enqueue_request(1, 0, width=65_537), RangeError),
    (lambda q: q.enqueue_request(1, 0, width=-1), RangeError),
    (lambda q: q.enqueue_request(1, 0, 5), ArgumentError),
    (lambda q: q.enqueue_request(1, 0, origin=4), ArgumentError),
    (lambda q: q.enqueue_request(1, 0, not_before_ns=2**64 - 1), RangeError),
    (lambda q: q.configure(weights=(0, 1, 1, 1, 1)), RangeError),
    (lambda q: q.configure(weights=(1001, 1, 1, 1, 1)), RangeError),
    (lambda q: q.configure(critical_cap=91), RangeError),
    (lambda q: q.configure(servers=65_537), RangeError),
    (lambda q: q.configure(depth=0), RangeError),
    (lambda q: q.configure(flows=9), RangeError),
    (lambda q: q.configure(flow_by=3), ArgumentError),
    (lambda q: q.set_service(256, servers=1), UnknownError),
    (lambda q: q.set_service(0, depth=0), RangeError),
    (lambda q: q.unset_service(0), UnknownError),
    (lambda q: q.define_sla(0, p95_latency_ms=0), RangeError),
    (lambda q: q.define_sla(0, p95_latency_ms=2**60), RangeError),
    (lambda q: q.define_sla(0, p95_latency_ms=1, error_rate_threshold=10_001), RangeError),
    (lambda q: q.define_sla(0, p95_latency_ms=1, priority_level=7), ArgumentError),
    (lambda q: q.acknowledge_sla_alert(1), UnknownError),
    (lambda q: q.export_queues("xml"), ArgumentError),
]


@pytest.mark.parametrize("at", range(len(BAD)))
def test_an_error_changes_no_byte(queue: PriorityScheduler, at: int) -> None:
    call, kind = BAD[at]
    queue.enqueue_request(77, 0)
    before = queue.snapshot()
    with pytest.raises(kind):
        call(queue)
    assert queue.snapshot() == before


def test_an_entry_that_left_is_stale_and_a_free_one_unknown(queue: PriorityScheduler) -> None:
    lib, out = queue.lib, queue.ffi.new("uint32_t *")
    queue.enqueue_request(1, 0)
    entry = queue.get_request(1).entry
    queue.cancel_request(1)
    for handle, status in ((entry, StaleError.status), (entry + 65_536, UnknownError.status),
                           (4095, UnknownError.status), (0xFFFFFFFF, UnknownError.status)):
        assert lib.ray_priority_request_of(queue._state, handle, out) == status
        assert lib.ray_priority_leave(queue._state, 0, handle, 0) == status
        assert lib.ray_priority_requeue(queue._state, 0, handle, 0) == status


def test_everything_left_returns_the_state_but_for_counters(queue: PriorityScheduler) -> None:
    """No lease stays: nobody waits, no server is busy."""
    queue.configure(flows=8, servers=2)
    for id in range(100):
        queue.enqueue_request(id, id % 3, RequestPriority(id % 5), flow=id, width=id % 3)
    sent = []
    while (got := queue.dequeue_next()) is not None:
        sent.append(got)
    for got in sent:
        queue.complete_request(got)
    for one in queue.queued():
        queue.cancel_request(one.request_id)
    stats = queue.stats()
    assert (stats.waiting_count, stats.busy_count, stats.queue_count) == (0, 0, 0)
    assert stats.queued_count == stats.sent_count + sum(stats.left.values()) == 100
    assert queue.valid() == 0


def test_exports_are_equal_for_equal_states(queue: PriorityScheduler) -> None:
    for scheduler in (queue, twin := PriorityScheduler()):
        scheduler.define_sla(7, p95_latency_ms=5)
        scheduler.enqueue_request(1, 7, now_ns=10)
        scheduler.enqueue_request(2, 1, BATCH, now_ns=20)
    lines = queue.export_queues(now_ns=30).splitlines()
    assert lines[0].startswith("service,servers,busy,depth_max,flows,waiting,delayed,critical,")
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "7"]
    rows = json.loads(queue.export_queues("json", now_ns=30))
    assert [row["service"] for row in rows] == [1, 7] and rows[1]["oldest_ns"] == 20
    assert rows[1]["sla_p95_latency_ns"] == 5 * MS and rows[0]["batch"] == 1
    assert queue.export_queues(now_ns=30) == twin.export_queues(now_ns=30)
    assert queue.snapshot() == twin.snapshot()
