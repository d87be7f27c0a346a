# SPDX-License-Identifier: MIT
"""lb: a pool where everyone is well is not walked to find that out, and whoever is picked is whom
the walk would have picked; what makes it so is checked with the state."""

from __future__ import annotations

import pytest

from tests.balancers import DEGRADED, HEALTHY, STRATEGIES, UNHEALTHY, UNKNOWN, Balancer

S = 10**9
KEYS = [(i * 0x9E3779B97F4A7C15 + 1) & (2**64 - 1) | 1 for i in range(3000)]


def shares(real: Balancer, pool: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for key in KEYS:
        at = real.would(pool, key=key)
        found[at] = found.get(at, 0) + 1
    return found


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("weights", [[1, 1, 1, 1, 1], [1, 2, 3, 1, 2]])
def test_calm_or_not_the_same_is_picked(strategy: str, weights: list[int]) -> None:
    """A sixth one that may not be picked makes the rest be looked at one by one."""
    calm, odd = Balancer("seed"), Balancer("seed")
    pools = []
    for one in (calm, odd):
        pool = one.pool(strategy=strategy)
        handles = one.fill(pool, weights)
        for open_count, handle in enumerate(handles):
            for _ in range(open_count * 3 % 4):
                assert one.lib.ray_lb_open(one.at, 0, handle) == 0
        pools.append(pool)
    last = odd.instance(pools[1], "10.0.0.6:80")
    odd.lib.ray_lb_drain(odd.at, 0, last, 1)
    tables = strategy in ("maglev", "ketama", "nginx_ip_hash")  # they have its place in them
    for key in KEYS[:200]:
        if tables and odd.would(pools[1], key=key) != calm.would(pools[0], key=key):
            continue
        picked = calm.once(pools[0], key=key)
        assert picked == odd.once(pools[1], key=key)
        avoided = [one.would(pool, key=key, avoid=picked)
                   for one, pool in zip((calm, odd), pools, strict=True)]
        assert picked not in avoided and (tables or avoided[0] == avoided[1])
    assert calm.valid() == 0 == odd.valid()


@pytest.mark.parametrize("weights", [[1, 1, 1], [1, 2, 3], [5, 1, 1, 1]])
def test_rendezvous_gives_each_its_share_and_moves_only_the_lost_ones_keys(
    weights: list[int]
) -> None:
    real = Balancer("seed", bytes(range(16)))
    pool = real.pool(strategy="ip_hash")
    handles = real.fill(pool, weights)
    found, before = shares(real, pool), {key: real.would(pool, key=key) for key in KEYS}
    for handle, weight in zip(handles, weights, strict=True):
        wanted = len(KEYS) * weight // sum(weights)
        assert abs(found[handle] - wanted) < 5 * wanted**0.5
    real.lib.ray_lb_remove_instance(real.at, 0, handles[0], 0)
    after = {key: real.would(pool, key=key) for key in KEYS}
    assert all(after[key] == before[key] for key in KEYS if before[key] != handles[0])
    assert len({after[key] for key in KEYS if before[key] == handles[0]}) == len(weights) - 1


def test_every_change_of_who_may_be_picked_is_seen_at_once() -> None:
    real = Balancer()
    pool = real.pool(eject_after=1, eject_ns=S, slow_start_ns=4 * S)
    a, b = real.fill(pool, [1, 1])
    lib, at = real.lib, real.at

    def both(now: int = 0) -> set[int]:
        assert real.valid() == 0
        return {real.once(pool, now=now) for _ in range(4)}

    assert both() == {a, b}
    for off, on in (
        (lambda: lib.ray_lb_set_health(at, S, b, UNHEALTHY),
         lambda: lib.ray_lb_set_health(at, S, b, HEALTHY)),
        (lambda: lib.ray_lb_set_health(at, S, b, UNKNOWN),
         lambda: lib.ray_lb_set_health(at, S, b, DEGRADED)),
        (lambda: lib.ray_lb_probe(at, S, b, 0), lambda: lib.ray_lb_probe(at, S, b, 1)),
        (lambda: lib.ray_lb_drain(at, S, b, 1), lambda: lib.ray_lb_drain(at, S, b, 0)),
    ):
        assert off() == 0 and both(S) == {a}
        assert on() == 0 and both(S) == {a, b}
    while real.pick(pool, now=9 * S)[0] != b:
        pass
    last = real.read().connection_count
    assert real.done(real.pick(pool, now=9 * S)[1], failed=1, now=9 * S) == 0  # ejects a
    assert real.read().ejected_count == 1 and last > 0
    assert both(9 * S) == {b} and both(10 * S - 1) == {b} and both(10 * S) == {a, b}


def test_a_state_that_lies_about_its_calm_is_found() -> None:
    real = Balancer()
    pool = real.pool()
    (a, _) = real.fill(pool, [1, 1])
    before = real.snapshot()
    assert real.lib.ray_lb_set_health(real.at, 0, a, UNHEALTHY) == 0
    sick = real.snapshot()
    spots = [i for i in range(len(before)) if before[i] != sick[i]]
    assert len(spots) == 2  # the health, and that one of the pool is not well
    for i in spots:
        real.ffi.buffer(real.memory)[i : i + 1] = before[i : i + 1]
        assert real.valid() != 0
        real.ffi.buffer(real.memory)[i : i + 1] = sick[i : i + 1]
    assert real.valid() == 0
