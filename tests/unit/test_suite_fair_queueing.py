# SPDX-License-Identifier: MIT
"""priority against the fair-queueing suite: 5 max-min divisions, 4 closed loops of threads.

A client of the suite is a flow here; its own queue of `queue_limit` requests is a share of the one
queue's depth. The suite states no hash, so the clients' names are such that they fall into flows
of their own.
"""

from __future__ import annotations

import heapq
import json
from typing import Any

import pytest

from host_sim.modules.priority import PriorityScheduler
from tests.data import data

FLOWS = 8
SUITE = ("fair-queueing",)


def scenarios() -> Any:
    """The closed loops."""
    return json.loads(data(*SUITE, "scenarios.json").read_text())


def test_max_min_divisions_of_the_suite() -> None:
    """Every case, to the unit."""
    cases = json.loads(data(*SUITE, "max_min_allocation.json").read_text())
    scheduler = PriorityScheduler()
    for case in cases:
        assert scheduler.divide_fairly(case["demands"], case["capacity"]) == tuple(case["shares"])
    assert len(cases) == 5


def clients_in_flows_of_their_own(scheduler: PriorityScheduler, count: int) -> list[int]:
    """Identities, one per flow."""
    found: dict[int, int] = {}
    for identity in range(1, 1000):
        if len(found) == count:
            break
        scheduler.enqueue_request(identity, 1, flow=identity)
        flow = scheduler.get_request(identity).flow
        scheduler.cancel_request(identity)
        found.setdefault(flow, identity)
    return list(found.values())


def run(scenario: Any) -> tuple[list[float], int, int]:
    """Drives a scenario to its end: average seats by client, refusals, requests served."""
    scheduler, clients = PriorityScheduler(), scenario["clients"]
    scheduler.configure(flows=FLOWS)
    depth = scenario["queue_limit"] * len(clients)
    scheduler.set_service(0, servers=scenario["seats_total"], depth=depth)
    identities = clients_in_flows_of_their_own(scheduler, len(clients))
    left = {(i, j): client["calls_per_thread"]
            for i, client in enumerate(clients) for j in range(client["threads"])}  # fmt: skip
    events: list[tuple[int, int, Any]] = []
    order = 0
    for i, j in left:
        order += 1
        heapq.heappush(events, (90 * j + 20 * i, order, ("send", i, j)))
    end = scenario["eval_s"] * 10**9
    held, refused, served, id = [0] * len(clients), 0, 0, 0
    threads: dict[int, tuple[int, int]] = {}
    while events:
        now, _, (what, i, rest) = heapq.heappop(events)
        client = clients[i]
        if what == "send":
            id += 1
            threads[id] = (i, rest)
            placed = scheduler.enqueue_request(
                id, 0, width=client["seats"], flow=identities[i], now_ns=now
            )
            refused += not placed.accepted
        else:
            dispatch, j = rest
            scheduler.complete_request(dispatch, now_ns=now)
            left[i, j] -= 1
            served += 1
            if left[i, j]:
                order += 1
                heapq.heappush(events, (now + client["think_ns"], order, ("send", i, j)))
        while (got := scheduler.dequeue_next(0, now_ns=now)) is not None:
            i, j = threads.pop(got.request_id)
            until = now + clients[i]["service_ns"]
            held[i] += got.width * (min(until, end) - min(now, end))
            order += 1
            heapq.heappush(events, (until, order, ("done", i, (got, j))))
        assert scheduler.get_queue(0).busy <= scenario["seats_total"]
    assert scheduler.valid() == 0
    return [seats / end for seats in held], refused, served


@pytest.mark.parametrize("at", range(4))
def test_closed_loops_of_the_suite(at: int) -> None:
    """Average seats within the suite's own tolerance, nobody refused, everybody served."""
    scenario = scenarios()[at]
    seats, refused, served = run(scenario)
    assert refused == 0
    assert served == sum(c["threads"] * c["calls_per_thread"] for c in scenario["clients"])
    for got, fair in zip(seats, scenario["fair_share_seats"], strict=True):
        assert abs(got - fair) <= fair * scenario["fair_within"], scenario["name"]
