# SPDX-License-Identifier: MIT
"""lb: who is picked, who is not, and what is counted, straight from the core."""
from __future__ import annotations

import pytest

from tests.balancers import DEGRADED, HEALTHY, NEVER, NONE, UNHEALTHY, UNKNOWN, Balancer

S = 1_000_000_000


def shares(real: Balancer, pool: int, handles: list[int], keys: int) -> list[int]:
    seen = [real.would(pool, key=key) for key in range(1, keys + 1)]
    return [seen.count(handle) for handle in handles]


def test_hundred_and_twenty_eight_pools_share_256_instances_in_any_split() -> None:
    real = Balancer("seed")
    pools = [real.pool(f"p{i}") for i in range(128)]
    before = real.snapshot()
    assert real.try_pool(real.pool_spec("one-more"))[0] == -4 and real.snapshot() == before
    for i in range(256):
        real.instance(pools[0] if i < 200 else pools[i % 128], f"10.0.{i // 250}.{i % 250}:80")
    before = real.snapshot()
    assert real.try_instance(pools[1], "10.9.9.9:80")[0] == -4 and real.snapshot() == before
    assert len(real.instances(pools[0])) >= 200 and real.valid() == 0


def test_unhealthy_is_picked_0_of_10() -> None:
    real = Balancer()
    pool = real.pool()
    a, b = real.fill(pool, [1, 1])
    real.lib.ray_lb_set_health(real.at, 0, a, UNHEALTHY)
    assert [real.once(pool) for _ in range(10)] == [b] * 10


def test_unknown_is_picked_only_without_healthy_or_degraded() -> None:
    real = Balancer()
    pool = real.pool(health_every_ns=S)
    a, b = real.fill(pool, [1, 1])
    assert {real.once(pool) for _ in range(4)} == {a, b}
    real.lib.ray_lb_set_health(real.at, 0, b, DEGRADED)
    assert {real.once(pool) for _ in range(4)} == {b}


def test_degraded_has_half_its_weight() -> None:
    real = Balancer()
    pool = real.pool(strategy="weighted_round_robin")
    a, b = real.fill(pool, [4, 4])
    real.lib.ray_lb_set_health(real.at, 0, b, DEGRADED)
    picks = [real.once(pool) for _ in range(12)]
    assert (picks.count(a), picks.count(b)) == (8, 4)


def test_slow_start_is_a_linear_ramp_and_never_at_first_boot() -> None:
    real = Balancer()
    pool = real.pool(slow_start_ns=10 * S, slow_start_percent=10)
    a, _ = real.fill(pool, [10, 10])
    assert real.read_instance(a).weight_ppm == 1_000_000  # first boot
    real.lib.ray_lb_set_health(real.at, S, a, UNHEALTHY)
    real.lib.ray_lb_set_health(real.at, 2 * S, a, HEALTHY)
    ramp = [real.read_instance(a, 2 * S + t * S).weight_ppm for t in (0, 5, 10, 11)]
    assert ramp == [100_000, 550_000, 1_000_000, 1_000_000]


def test_ejection_grows_ends_by_itself_and_keeps_one() -> None:
    real = Balancer()
    pool = real.pool(eject_after=1, eject_ns=S, eject_percent=100)
    a, b = real.fill(pool, [1, 1])
    for _ in range(4):
        instance, lease = real.pick(pool)
        real.done(lease, failed=1)
    out = [real.read_instance(h).ejected_until_ns for h in (a, b)]
    assert sorted(out) == [0, S]  # one always stays
    first = a if out[0] else b
    assert {real.once(pool, now=S - 1) for _ in range(3)} == {a, b} - {first}
    assert real.once(pool, now=S, avoid=b if first == a else a) == first  # back by itself
    instance, lease = real.pick(pool, now=2 * S, avoid=b if first == a else a)
    assert instance == first


def test_pool_full_and_reused_connections_are_counted() -> None:
    real = Balancer()
    pool = real.pool(connections_max=1, idle_max=1, idle_ttl_ns=S)
    (a,) = real.fill(pool, [1])
    _, lease = real.pick(pool)
    assert real.pick(pool) == (NONE, NONE)
    status, _, answer = real.ask(pool)
    assert (status, answer.reason, answer.http_status) == (0, 1001, 503)
    real.done(lease)
    assert real.read().idle_count == 1 and real.ask(pool)[2].reused == 1
    assert real.ask(pool, now=S)[2].reused == 0  # too old
    real.once(pool)
    stats = real.read()
    assert (stats.reused_count, stats.full_count) == (1, 1)
    assert real.read_instance(a).picked_count == 2


def test_a_lease_nobody_ends_is_reclaimed_once() -> None:
    real = Balancer()
    pool = real.pool()
    real.fill(pool, [1])
    _, lease = real.pick(pool, until=S)
    assert real.lib.ray_lb_due(real.at) == S
    real.lib.ray_lb_tick(real.at, S)
    assert real.done(lease, now=S) == -3
    assert (real.read().connection_count, real.read().lapsed_count) == (0, 1)
    assert real.lib.ray_lb_due(real.at) == NEVER


def test_draining_gets_nothing_new_and_finishes_what_it_has() -> None:
    real = Balancer()
    pool = real.pool()
    a, b = real.fill(pool, [1, 1])
    first, lease = real.pick(pool)
    real.lib.ray_lb_drain(real.at, 0, first, 1)
    assert {real.once(pool) for _ in range(4)} == {a, b} - {first}
    assert real.done(lease) == 0 and real.read_instance(first).connection_count == 0


def test_panic_counts_only_those_not_draining() -> None:
    """An operator who drains most of a pool has not broken the rest of it."""
    real = Balancer()
    pool = real.pool(panic_percent=50)
    handles = real.fill(pool, [1, 1, 1, 1])
    for handle in handles[1:]:
        real.lib.ray_lb_drain(real.at, 0, handle, 1)
    assert real.ask(pool)[2].panic == 0


def test_sticky_survives_a_dead_target() -> None:
    real = Balancer()
    pool = real.pool(sticky=2, key_name="SESS")
    handles = real.fill(pool, [1, 1, 1])
    key = 77
    target = real.would(pool, key=key)
    assert {real.once(pool, key=key) for _ in range(6)} == {target}
    real.lib.ray_lb_set_health(real.at, 0, target, UNHEALTHY)
    other = real.would(pool, key=key)
    assert other in handles and other != target
    real.lib.ray_lb_remove_instance(real.at, 0, target, 0)
    assert real.would(pool, key=key) == other


def test_bounded_load_spreads_one_hot_key() -> None:
    real = Balancer()
    pool = real.pool(strategy="ip_hash", load_percent=125)
    handles = real.fill(pool, [1, 1, 1, 1])
    for _ in range(8):
        assert real.pick(pool, key=5)[1] != NONE
    assert max(real.read_instance(h).connection_count for h in handles) <= 3  # ceil(8 * 1.25 / 4)


@pytest.mark.parametrize("weights", [[1] * 3, [1000] * 3, [1000, 500, 500], [1, 2, 3, 4]])
def test_maglev_shares_are_the_weights(weights: list[int]) -> None:
    """Within 2 % of all keys, however large the weights are."""
    real = Balancer("seed")
    pool = real.pool(strategy="maglev")
    handles = real.fill(pool, weights)
    for share, weight in zip(shares(real, pool, handles, 2039), weights, strict=True):
        assert abs(share - 2039 * weight / sum(weights)) <= 2039 * 0.02


def test_maglev_serves_a_pool_of_256_from_its_table() -> None:
    real = Balancer("seed")
    pool = real.pool(strategy="maglev")
    handles = real.fill(pool, [1] * 200)
    got = shares(real, pool, handles, 2039)
    assert min(got) >= 10 and max(got) <= 11  # 2039 / 200


def test_maglev_moves_little_when_one_leaves() -> None:
    real = Balancer("seed")
    pool = real.pool(strategy="maglev")
    handles = real.fill(pool, [1] * 10)
    before = [real.would(pool, key=key) for key in range(1, 2040)]
    real.lib.ray_lb_remove_instance(real.at, 0, handles[3], 0)
    after = [real.would(pool, key=key) for key in range(1, 2040)]
    moved = sum(a != b and a != handles[3] for a, b in zip(before, after, strict=True))
    assert moved <= 2039 * 0.10 and handles[3] not in after


def test_discovery_that_does_not_fit_changes_nothing() -> None:
    """A ring with no room for the whole answer keeps the last set; half an answer is none."""
    real = Balancer()
    pool = real.pool(strategy="ketama", discovered=1)
    assert real.discover(pool, [("10.0.0.1:80", 1)]) == 0
    before = real.snapshot()
    assert real.discover(pool, [("10.0.0.1:80", 1), ("10.0.0.2:80", 1), ("10.0.0.3:80", 1)]) == -4
    assert real.snapshot() == before and real.valid() == 0


def test_unknown_never_wins_while_one_is_fit_even_when_avoided() -> None:
    real = Balancer()
    pool = real.pool(health_every_ns=S)
    a, _ = real.fill(pool, [1, 1])
    real.lib.ray_lb_set_health(real.at, 0, a, HEALTHY)
    assert real.would(pool, avoid=a) == a
    assert UNKNOWN == 2
