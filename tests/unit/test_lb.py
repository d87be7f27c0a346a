# SPDX-License-Identifier: MIT
"""lb: the class of the phase document, method by method."""
from __future__ import annotations

import pathlib

import pytest

from host_sim.errors import ArgumentError, ExistsError, RangeError, StaleError, StateError
from host_sim.modules.lb import BalancingStrategy, HealthStatus, LoadBalancer


def filled(strategy: BalancingStrategy, weights: list[int]) -> tuple[LoadBalancer, int, list[int]]:
    lb = LoadBalancer(profile="tiny")
    pool = lb.register_pool("api", strategy)
    return lb, pool, [lb.register_instance(pool, f"10.0.0.{i + 1}", 80, weight=w)
                      for i, w in enumerate(weights)]


def test_instance_selection_strategies() -> None:
    lb, pool, ids = filled(BalancingStrategy.ROUND_ROBIN, [1, 1, 1])
    assert [lb.select_instance(pool).instance for _ in range(6)] == ids * 2
    lb, pool, ids = filled(BalancingStrategy.WEIGHTED_ROUND_ROBIN, [3, 1])
    picks = [ids.index(lb.select_instance(pool).instance or 0) for _ in range(8)]
    assert picks.count(0) == 6 and picks.count(1) == 2
    lb, pool, ids = filled(BalancingStrategy.LEAST_CONNECTIONS, [1, 1])
    lb.increment_connections(ids[0])
    assert lb.select_instance(pool).instance == ids[1]
    lb, pool, ids = filled(BalancingStrategy.IP_HASH, [1, 1, 1])
    owner = {key: lb.select_instance(pool, key=key, lease_ns=1, now_ns=key * 2).instance
             for key in range(1, 30)}
    assert set(owner.values()) == set(ids)
    lb.mark_unhealthy(ids[0])
    for key, who in owner.items():
        now = lb.select_instance(pool, key=key, lease_ns=1, now_ns=100 + key * 2).instance
        assert now == who or who == ids[0]


def test_health_check_updates() -> None:
    lb = LoadBalancer(profile="tiny")
    pool = lb.register_pool("api", rise=2, fall=3, health_every_ns=1_000_000_000)
    one, two = (lb.register_instance(pool, "10.0.0.1", p) for p in (80, 81))
    assert lb.get_instance(one).health is HealthStatus.UNKNOWN
    seen = [lb.health_check(one, passed) for passed in (True, True, False, False, False)]
    assert seen == [HealthStatus.UNKNOWN] + [HealthStatus.HEALTHY] * 3 + [HealthStatus.UNHEALTHY]
    lb.mark_healthy(two)
    lb.mark_unhealthy(one)
    picks = [lb.select_instance(pool, lease_ns=1, now_ns=i * 2).instance for i in range(10)]
    assert picks == [two] * 10 and lb.get_pool(pool).fit_count == 1


def test_connection_tracking() -> None:
    lb, pool, ids = filled(BalancingStrategy.ROUND_ROBIN, [1, 1])
    chosen = lb.select_instance(pool)
    assert (lb.get_connection_count(), lb.get_connection_count(pool)) == (1, 1)
    with pytest.raises(StateError):
        lb.decrement_connections(ids[0])  # its lease alone may end it
    assert chosen.lease is not None
    lb.release(chosen.lease)
    with pytest.raises(StaleError):
        lb.release(chosen.lease)
    assert lb.increment_connections(ids[1]) == 1 and lb.decrement_connections(ids[1]) == 0
    lb.select_instance(pool, lease_ns=10, now_ns=0)
    lb.select_instance(pool, lease_ns=99, now_ns=10)
    assert lb.get_connection_count() == 1 and lb.valid() == 0


def test_reset_index_begins_anew() -> None:
    lb, pool, ids = filled(BalancingStrategy.ROUND_ROBIN, [1, 1, 1])
    assert [lb.select_instance(pool).instance for _ in range(2)] == ids[:2]
    assert lb.get_pool(pool).current_index == 1  # the place picked last
    lb.reset_index(pool)
    assert lb.select_instance(pool).instance == ids[0]


def test_discovery_keeps_counts_by_key_and_an_empty_answer_the_set() -> None:
    lb, pool, ids = filled(BalancingStrategy.ROUND_ROBIN, [1, 1])
    lb.select_instance(pool)
    lb.discover(pool, [("10.0.0.1", 80, 2), ("10.0.0.9", 80, 1)])
    assert lb.get_instance(ids[0]).connections == 1 and lb.get_instance(ids[0]).weight == 2
    with pytest.raises(StaleError):
        lb.get_instance(ids[1])
    before = lb.get_pool(pool).instances
    with pytest.raises(ArgumentError):
        lb.discover(pool, [])
    assert lb.get_pool(pool).instances == before


def test_what_no_pool_may_be_changes_nothing() -> None:
    lb, pool, _ = filled(BalancingStrategy.ROUND_ROBIN, [1])
    before = lb.snapshot()
    with pytest.raises(ExistsError):
        lb.register_pool("api")
    with pytest.raises(RangeError):
        lb.register_instance(pool, "10.0.0.7", 80, weight=0)
    with pytest.raises(RangeError):
        lb.register_instance(pool, "10.0.0.7", 0)
    with pytest.raises(ArgumentError):
        lb.register_pool("x", wieght=1)
    assert lb.snapshot() == before


# docs/lb.md shows these numbers: of 10,000 callers, whose instance goes and who moves.
MOVED = {
    BalancingStrategy.IP_HASH: {3: (3409, 3409), 5: (2069, 2069), 12: (846, 846), 50: (198, 198)},
    BalancingStrategy.KETAMA: {3: (3350, 3350), 5: (1768, 1768), 12: (671, 671), 50: (187, 187)},
    BalancingStrategy.MAGLEV: {3: (3340, 3358), 5: (1998, 2047), 12: (837, 1016), 50: (203, 524)},
}


@pytest.mark.parametrize("strategy", MOVED, ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("count", [3, 5, 12, 50])
def test_who_moves_when_an_instance_goes(strategy: BalancingStrategy, count: int) -> None:
    def owners(lb: LoadBalancer, pool: int) -> list[int | None]:
        picked = []
        for number in range(1, 10_001):
            found = lb.select_instance(pool, key=number * 0x9E3779B97F4A7C15 % 2**64)
            assert found.lease is not None
            lb.release(found.lease)
            picked.append(found.instance)
        return picked

    owned, moved = MOVED[strategy][count]
    for removed in (False, True):
        lb = LoadBalancer()
        pool = lb.register_pool("p", strategy)
        ids = [lb.register_instance(pool, f"10.0.0.{n}", 80) for n in range(count)]
        before = owners(lb, pool)
        if removed:
            rest = [(f"10.0.0.{n}", 80, 1) for n in range(count) if n != 1]
            lb.discover(pool, rest)
        else:
            lb.mark_unhealthy(ids[1])
        after = owners(lb, pool)
        assert before.count(ids[1]) == owned and ids[1] not in after
        others = sum(a != b for a, b in zip(before, after, strict=True))
        assert others == (moved if removed else owned)      # ill, it takes its own alone with it
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "lb.md").read_text()
    cells = " | ".join("{}, {}".format(*MOVED[each][count]) for each in MOVED)
    assert f"| {count} | {cells} |" in page
