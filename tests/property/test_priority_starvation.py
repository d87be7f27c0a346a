# SPDX-License-Identifier: MIT
"""priority: the law of starvation (P4), against every adversary and over every window.

In any R = ceil(sum(w) * 100 / (100 - cap)) consecutive dispatches of a queue, wherever they begin,
a class that has somebody to send at each of them is sent at least w times. kernel/priority/lane.c
has the proof on paper; here is the one by exhaustion, and the core under traffic of every kind."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim.errors import UnknownError
from host_sim.modules.priority import PriorityScheduler, RequestPriority
from tests.model.priority import CLASSES, Queue, Rules

CRITICAL, HIGH, NORMAL, LOW, BATCH = RequestPriority
State = tuple[int, int, int]  # turn, left, debt
MS = 10**6


# -- by exhaustion ------------------------------------------------------------------------------
def moves(rules: Rules) -> dict[State, list[tuple[tuple[bool, ...], int, State]]]:
    """Every state a queue can come into, and what is sent from there, whoever waits."""
    found: dict[State, list[tuple[tuple[bool, ...], int, State]]] = {}
    todo: list[State] = [(0, 0, 0)]
    while todo:
        state = todo.pop()
        if state in found:
            continue
        found[state] = []
        for filled in itertools.product((False, True), repeat=CLASSES):
            if not any(filled):
                continue
            queue = Queue(*state)
            chosen = queue.chosen(filled, rules)
            queue.charge(chosen, rules)
            found[state].append((filled, chosen[0], (queue.turn, queue.left, queue.debt)))
            todo.append(found[state][-1][2])
    return found


def least_served(rules: Rules, priority: int, dispatches: int) -> int:
    """How often `priority`, which waits all along, is sent at worst in that many dispatches from
    any state, when an adversary decides before each which other classes wait."""
    edges = {
        state: {(sent == priority, after) for filled, sent, after in ways if filled[priority]}
        for state, ways in moves(rules).items()
    }
    worst = dict.fromkeys(edges, 0)
    for _ in range(dispatches):
        worst = {
            state: min(hit + worst[after] for hit, after in ways) for state, ways in edges.items()
        }
    return min(worst.values())


EXHAUSTED = [
    *((weights, cap) for weights in ((1, 1, 1, 1, 1), (1, 2, 1, 1, 3), (4, 2, 1, 1, 1))
      for cap in (0, 1, 10, 33, 50, 75, 83, 90)),
    ((16, 8, 4, 2, 1), 60),
    ((1, 1, 1, 15, 20), 90),
]  # fmt: skip


@pytest.mark.parametrize("weights, cap", EXHAUSTED)
def test_no_adversary_gets_below_the_weight_and_r_is_the_least_such_number(
    weights: Any, cap: int
) -> None:
    rules = Rules(weights, cap)
    for priority, weight in enumerate(weights):
        assert least_served(rules, priority, rules.bound) >= weight
        if priority != CRITICAL:  # what it gets out of turn comes on top of its weight
            assert least_served(rules, priority, rules.bound) == weight
            assert least_served(rules, priority, rules.bound - 1) == weight - 1


# -- the core -----------------------------------------------------------------------------------
class Watched:
    """A queue, who was sent, and which classes had somebody to send each time."""

    def __init__(self, weights: Any, cap: int, profile: str, depth: int) -> None:
        self.real = PriorityScheduler(profile=profile)
        self.weights = weights
        self.bound = self.real.configure(weights=weights, critical_cap=cap, depth=depth).bound
        self.now = self.id = 0
        self.served: list[int] = []
        self.waited: list[tuple[bool, ...]] = []

    def arrive(self, priority: int, life: int = 0) -> bool:
        """One request, with a deadline so many dispatches away."""
        self.id += 1
        return self.real.enqueue_request(
            self.id, 0, RequestPriority(priority), now_ns=self.now,
            deadline_ns=self.now + life * MS if life else 0,
        ).accepted  # fmt: skip

    def send(self) -> int | None:
        """The next one; a class whose last request was dropped on the way did not wait."""
        self.now += MS
        got = self.real.dequeue_next(0, now_ns=self.now)
        if got is None:
            return None
        lanes = self.real.get_queue(0).lanes
        self.served.append(int(got.priority))
        self.waited.append(
            tuple(lanes[priority] + (priority == got.priority) > 0 for priority in range(CLASSES))
        )
        return int(got.priority)

    def least(self, priority: int, length: int) -> int | None:
        """Its fewest dispatches in any window of that length through which it waited."""
        least, run, window = None, 0, 0
        hits = [one == priority for one in self.served]
        for at, waited in enumerate(self.waited):
            run = run + 1 if waited[priority] else 0
            window += hits[at] - (hits[at - length] if at >= length else 0)
            if run >= length and (least is None or window < least):
                least = window
        return least

    def check(self) -> None:
        """The law, for every class and every window; and the core's own account of it."""
        for priority, weight in enumerate(self.weights):
            least = self.least(priority, self.bound)
            assert least is None or least >= weight, f"class {priority}: {least} of {weight}"
        assert self.real.enforce_fairness() and self.real.valid() == 0


ACTS = st.lists(
    st.tuples(
        st.sampled_from(("arrive", "arrive", "arrive", "mortal", "requeue", "cancel")),
        st.integers(0, 4),  # class
        st.integers(0, 30),  # how many of them, or dispatches until they are gone
        st.integers(1, 12),  # dispatches afterwards
    ),
    min_size=1,
    max_size=20,
)


def act(queue: Watched, what: str, priority: int, count: int) -> None:
    """What happens between dispatches: a burst, one that will not wait for long, or the youngest
    moves to another class or goes away."""
    if what == "arrive":
        for _ in range(count):
            queue.arrive(priority)
        return
    if what == "mortal":
        queue.arrive(priority, life=count)
        return
    try:
        if what == "requeue":
            queue.real.requeue_request(queue.id, RequestPriority(priority), now_ns=queue.now)
        else:
            queue.real.cancel_request(queue.id, now_ns=queue.now)
    except UnknownError:
        pass  # it was sent, displaced, or never let in


@settings(max_examples=100)
@given(weights=st.tuples(*[st.integers(1, 20)] * 5), cap=st.integers(0, 90),
       steady=st.sets(st.integers(0, 4), min_size=1), acts=ACTS,
       room=st.sampled_from([("tiny", 8), ("seed", 12), ("seed", 40), ("seed", 4096)]))  # fmt: skip
def test_a_class_that_waits_gets_its_weight_of_any_r_dispatches(
    weights: Any, cap: int, steady: set[int], acts: Any, room: Any
) -> None:
    """Classes come and go, full queues displace, deadlines pass, requests change class; those of
    `steady` come back whenever they are empty, if they are let in."""
    queue = Watched(weights, cap, *room)
    forever = itertools.cycle(acts)
    for _ in range(3 * queue.bound):
        what, priority, count, dispatches = next(forever)
        if priority not in steady or what != "arrive":
            act(queue, what, priority, count)
        for _ in range(dispatches):
            for one in steady:
                if queue.real.get_queue(0).lanes[one] == 0:
                    queue.arrive(one)
            queue.send()
        if len(queue.served) >= 3 * queue.bound:
            break
    queue.check()


def batch_against_critical(profile: str, depth: int, bursts: Iterable[int]) -> Watched:
    """Batch keeps two waiting; thirty Critical arrive before each burst of dispatches."""
    queue = Watched((1, 1, 1, 15, 20), 90, profile, depth)
    for _ in range(2):
        queue.arrive(BATCH)
    for dispatches in bursts:
        for _ in range(30):
            queue.arrive(CRITICAL)
        for _ in range(dispatches):
            if queue.send() == BATCH:
                queue.arrive(BATCH)
    return queue


def test_a_class_that_was_displaced_to_the_last_did_not_wait() -> None:
    """The law speaks of classes that stay non-empty. Here the pool of 4096 is full of Critical
    after 965 dispatches, and an arrival displaces the last of Batch: the last 380 hold 19 of Batch,
    not 20, because it waited for 205 of them only. With room for all the same traffic leaves Batch
    at least 36 of any 380."""
    bursts = [1] * 25 + [2] * 8 + [7] * 157
    full = batch_against_critical("seed", 4096, bursts)
    hits = [one == BATCH for one in full.served]
    assert full.bound == 380 and len(hits) == 1140
    assert min(sum(hits[at : at + 380]) for at in range(len(hits) - 379)) == 19
    waited = [one[BATCH] for one in full.waited]
    assert waited == [True] * 965 + [False] * 175
    assert full.least(BATCH, 380) == 36
    full.check()
    roomy = batch_against_critical("edge", 32768, bursts)
    assert all(one[BATCH] for one in roomy.waited) and roomy.least(BATCH, 380) == 36
    roomy.check()
