# SPDX-License-Identifier: MIT
"""lb: real against model under every order of requests, probes, failures and discovery.

Laws: counts are never negative, sum of instances = pool = opened - closed (L1); who is not fit is
never picked (L2); least connections is the argmin (L4); a hash is constant while the set is, and
names no instance that is gone (L5); a second close is refused (R4); the table's edges hold whole
(C2); asking changes no byte, an error changes no byte, and the state is valid after every step.
"""
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.balancers import NEVER, NONE, Balancer
from tests.model import lb as model

S = 1_000_000_000
E_STALE, E_FULL, E_EXISTS, E_USED, E_ARGUMENT = -3, -4, -5, -6, -1
NAMES = [f"10.0.0.{i}:80" for i in range(1, 7)]
PROFILE = {"pools": 4, "instances": 8, "leases": 8}
RULES = [
    dict(rise=1, fall=1),
    dict(rise=2, fall=3, health_every_ns=S),
    dict(eject_after=2, eject_ns=10 * S, eject_percent=50),
    dict(eject_after=1, eject_ns=S, eject_percent=100, panic_percent=60),
    dict(panic_percent=50, panic_fails=1, connections_max=3),
    dict(connections_max=4, idle_max=2, idle_ttl_ns=5 * S),
]
DEFAULTS = dict(rise=1, fall=1, eject_percent=50)
PLAIN = ("round_robin", "least_connections", "weighted_round_robin", "ip_hash", "maglev")


class Balancing(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.real, self.now = Balancer("tiny"), 0
        self.leases: dict[int, tuple[str, int]] = {}  # lease -> (instance, until)
        self.drawn: dict[int, tuple[object, str]] = {}  # key -> (the set it was drawn from, who)

    @initialize(strategy=st.sampled_from(PLAIN), rules=st.sampled_from(RULES))
    def begin(self, strategy: str, rules: dict[str, int]) -> None:
        self.handle = self.real.pool("p", strategy, **rules)
        self.pool = model.Pool(strategy, {**DEFAULTS, **rules})

    # -- helpers --------------------------------------------------------------------------------
    def unchanged(self, status: int, before: bytes) -> None:
        assert status < 0 and self.real.snapshot() == before

    def at(self, name: str) -> int:
        return next(h for h in self.real.instances(self.handle) if self.real.named(h) == name)

    def lapse(self) -> None:
        """What the model does when leases run out, in the order of their instants."""
        due = [(until, lease) for lease, (_, until) in self.leases.items() if until <= self.now]
        for until, lease in sorted(due, key=lambda row: (row[0], row[1] & 0xFFFF)):
            name, _ = self.leases.pop(lease)
            self.pool.done(name, True, until)

    # -- time -----------------------------------------------------------------------------------
    @rule(ns=st.sampled_from([1, S // 2, S, 7 * S, 100 * S]))
    def wait(self, ns: int) -> None:
        self.now += ns
        self.lapse()
        self.real.lib.ray_lb_tick(self.real.at, self.now)

    # -- requests -------------------------------------------------------------------------------
    @rule(key=st.integers(0, 5), life=st.sampled_from([NEVER, S, 10 * S]))
    def request(self, key: int, life: int) -> None:
        before = self.real.snapshot()
        status, query, answer = self.real.ask(self.handle, key=key, now=self.now)
        assert status == 0 and self.real.snapshot() == before  # asking changes nothing
        fit, panic = self.pool.fit(self.now)
        allowed = set() if self.pool.full() else self.pool.may_win(self.now)
        assert bool(answer.granted) == bool(allowed)
        if not allowed:
            assert answer.reason == (1001 if self.pool.full() else 1000)
            assert (answer.instance, answer.http_status) == (NONE, 503)
            self.real.lib.ray_lb_note(self.real.at, self.now, query, answer, 0)
            return
        name = self.real.named(answer.instance)
        assert name in allowed and bool(answer.panic) == panic
        hashed = self.pool.strategy in ("ip_hash", "maglev") and key
        seen = tuple((n, str(self.pool.weight(n))) for n in fit), tuple(self.pool.instances)
        if hashed:
            old, who = self.drawn.get(key, (seen, name))
            assert old != seen or who == name  # L5
            self.drawn[key] = seen, name
        until = NEVER if life == NEVER else self.now + life
        instance, lease = self.real.pick(self.handle, key=key, until=until, now=self.now)
        if len(self.leases) == PROFILE["leases"]:
            assert lease == NONE
            return
        assert self.real.named(instance) == name
        self.pool.take(name, self.now)
        self.leases[lease] = name, until

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), failed=st.booleans())
    def end(self, data: st.DataObject, failed: bool) -> None:
        lease = data.draw(st.sampled_from(sorted(self.leases)))
        name, _ = self.leases.pop(lease)
        assert self.real.done(lease, failed=int(failed), now=self.now) == 0
        self.pool.done(name, failed, self.now)
        before = self.real.snapshot()
        self.unchanged(self.real.done(lease, now=self.now), before)  # R4: not twice

    @rule(name=st.sampled_from(NAMES))
    def close_without_open(self, name: str) -> None:
        if name not in self.pool.instances:
            return
        before = self.real.snapshot()
        # Everything open is under a lease, which alone may end it.
        self.unchanged(self.real.lib.ray_lb_close(self.real.at, self.now, self.at(name)), before)

    # -- control --------------------------------------------------------------------------------
    @rule(name=st.sampled_from(NAMES), weight=st.integers(1, 5))
    def add(self, name: str, weight: int) -> None:
        before = self.real.snapshot()
        status, _ = self.real.try_instance(self.handle, name, weight, self.now)
        if name in self.pool.instances:
            self.unchanged(status, before)
            assert status == E_EXISTS
            return
        assert status == 0
        self.pool.instances[name] = model.Instance(weight, self.pool.born())

    @rule(name=st.sampled_from(NAMES), cascade=st.booleans())
    def remove(self, name: str, cascade: bool) -> None:
        if name not in self.pool.instances:
            return
        before, one = self.real.snapshot(), self.pool.instances[name]
        status = self.real.lib.ray_lb_remove_instance(
            self.real.at, self.now, self.at(name), int(cascade))
        if one.active and not cascade:
            assert status == E_USED
            self.unchanged(status, before)
        elif one.active:
            one.draining = 2
        else:
            assert status == 0
            del self.pool.instances[name]

    @rule(name=st.sampled_from(NAMES), draining=st.booleans())
    def drain(self, name: str, draining: bool) -> None:
        one = self.pool.instances.get(name)
        if one is None or one.draining == 2:
            return
        lib = self.real.lib
        assert lib.ray_lb_drain(self.real.at, self.now, self.at(name), int(draining)) == 0
        one.draining = int(draining)

    @rule(name=st.sampled_from(NAMES), health=st.integers(0, 4))
    def mark(self, name: str, health: int) -> None:
        if name not in self.pool.instances:
            return
        before = self.real.snapshot()
        status = self.real.lib.ray_lb_set_health(self.real.at, self.now, self.at(name), health)
        if health == 4:
            assert status == E_ARGUMENT
            self.unchanged(status, before)
        else:
            self.pool.mark(name, health)

    @rule(name=st.sampled_from(NAMES), passed=st.booleans())
    def probe(self, name: str, passed: bool) -> None:
        if name in self.pool.instances:
            lib = self.real.lib
            assert lib.ray_lb_probe(self.real.at, self.now, self.at(name), int(passed)) == 0
            self.pool.probe(name, passed)

    @rule(rows=st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 5)), max_size=6,
                        unique_by=lambda row: row[0]))
    def discover(self, rows: list[tuple[str, int]]) -> None:
        kept = self.real.read().discovery_kept_count
        status = self.real.discover(self.handle, rows, self.now)
        if not rows:
            assert status == E_ARGUMENT
            assert self.real.read().discovery_kept_count == kept + 1  # counted, and the set stays
            return
        assert status == 0
        self.pool.discover(rows)

    @rule()
    def begin_anew(self) -> None:
        assert self.real.lib.ray_lb_reset(self.real.at, self.now, self.handle) == 0
        for one in self.pool.instances.values():
            one.current = model.Fraction(0)

    # -- laws -----------------------------------------------------------------------------------
    @invariant()
    def the_same_as_the_model(self) -> None:
        assert self.real.valid() == 0
        if not hasattr(self, "pool"):
            return
        seen = {}
        for handle in self.real.instances(self.handle):
            stats = self.real.read_instance(handle, self.now)
            assert stats.connection_count < 2**31  # R4: never below 0
            seen[self.real.named(handle)] = (stats.connection_count, stats.health, stats.draining)
        assert seen == {name: (one.active, one.health, one.draining)
                        for name, one in self.pool.instances.items()}
        stats = self.real.read()
        total = self.real.read_pool(self.handle, self.now).connection_count
        assert total == sum(row[0] for row in seen.values()) == len(self.leases)  # L1
        assert stats.opened_count - stats.closed_count == total
        assert stats.asked_count == stats.granted_count + stats.denied_count
        for name, one in self.pool.instances.items():
            until = self.real.read_instance(self.at(name), self.now).ejected_until_ns
            assert max(until, self.now) == max(one.ejected_until, self.now)


TestBalancing = Balancing.TestCase


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(0, 40))
def test_any_cycle_of_weighted_picks_gives_each_its_weight(weights: list[int], lead: int) -> None:
    """L3, from wherever the cycle begins; and no three in a row for a weight below the rest."""
    real = Balancer("tiny")
    pool = real.pool("p", "weighted_round_robin")
    handles = real.fill(pool, weights)
    for _ in range(lead):
        real.once(pool)
    picks = [handles.index(real.once(pool)) for _ in range(sum(weights))]
    assert [picks.count(i) for i in range(len(weights))] == weights
    for i, weight in enumerate(weights):
        if weight * 2 <= sum(weights):
            assert all(picks[at : at + 3] != [i] * 3 for at in range(len(picks)))


@given(st.integers(1, 6), st.integers(0, 20), st.integers(1, 30))
def test_round_robin_picks_differ_by_at_most_one(count: int, lead: int, picks: int) -> None:
    real = Balancer("tiny")
    pool = real.pool()
    handles = real.fill(pool, [1] * count)
    for _ in range(lead):
        real.once(pool)
    seen = [real.once(pool) for _ in range(picks)]
    counts = [seen.count(handle) for handle in handles]
    assert max(counts) - min(counts) <= 1


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=6), st.data())
@settings(max_examples=30)
def test_losing_one_moves_only_its_keys(weights: list[int], data: st.DataObject) -> None:
    """Rendezvous: nobody else's keys move, whatever the weights."""
    real = Balancer("tiny", bytes(range(16)))
    pool = real.pool("p", "ip_hash")
    handles = real.fill(pool, weights)
    before = {key: real.would(pool, key=key) for key in range(1, 200)}
    gone = data.draw(st.sampled_from(handles))
    assert real.lib.ray_lb_remove_instance(real.at, 0, gone, 0) == 0
    for key, who in before.items():
        assert real.would(pool, key=key) == who or who == gone
