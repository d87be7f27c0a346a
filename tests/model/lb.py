# SPDX-License-Identifier: MIT
"""lb: the obviously correct reference of what is counted and who may be picked.

Plain lists and fractions, no handles, no tables: an instance is a name in a dict. Hash strategies
are not modelled by value (which instance a key draws is the core's business); the model says who
was allowed.
"""
from __future__ import annotations

import dataclasses
from fractions import Fraction

HEALTHY, UNHEALTHY, UNKNOWN, DEGRADED = range(4)
GROWTH = 10


@dataclasses.dataclass
class Instance:
    weight: int
    health: int
    active: int = 0
    draining: int = 0  # 2: leaves with its last connection
    ejected_until: int = 0
    ejections: int = 0
    failed: int = 0
    streak: int = 0
    streak_passed: bool = False
    current: Fraction = Fraction(0)


@dataclasses.dataclass
class Pool:
    """One pool; `rules` are the fields of ray_pool_spec that the test sets."""

    strategy: str
    rules: dict[str, int]
    instances: dict[str, Instance] = dataclasses.field(default_factory=dict)
    opened: int = 0
    closed: int = 0

    def tier(self, name: str, now: int) -> int:
        one = self.instances[name]
        if one.draining or one.health == UNHEALTHY or one.ejected_until > now:
            return 0
        return 2 if one.health == UNKNOWN else 1

    def fit(self, now: int) -> tuple[list[str], bool]:
        """Who may be picked, in order, and whether that is panic."""
        tiers = {name: self.tier(name, now) for name in self.instances}
        best = 1 if 1 in tiers.values() else 2
        fit = [name for name in tiers if tiers[name] == best]
        percent = self.rules.get("panic_percent", 0)
        staying = [name for name, one in self.instances.items() if not one.draining]
        if staying and len(fit) * 100 < percent * len(staying):
            return ([] if self.rules.get("panic_fails") else staying), True
        return fit, False

    def full(self) -> bool:
        most = self.rules.get("connections_max", 0)
        return bool(most) and self.active() >= most

    def active(self) -> int:
        return sum(one.active for one in self.instances.values())

    def weight(self, name: str) -> Fraction:
        one = self.instances[name]
        return Fraction(one.weight, 2 if one.health == DEGRADED else 1)

    def may_win(self, now: int) -> set[str]:
        """Whom the strategy may pick; more than one where ties or a hash decide."""
        fit, _ = self.fit(now)
        if not fit:
            return set()
        if self.strategy == "least_connections":
            loads = {n: (self.instances[n].active + 1) / self.weight(n) for n in fit}
            return {n for n in fit if loads[n] == min(loads.values())}
        if self.strategy == "weighted_round_robin":
            gain = {n: self.instances[n].current + self.weight(n) for n in fit}
            return {n for n in fit if gain[n] == max(gain.values())}
        return set(fit)

    def take(self, name: str, now: int) -> None:
        if self.strategy == "weighted_round_robin":
            fit, _ = self.fit(now)
            for other in fit:
                self.instances[other].current += self.weight(other)
            self.instances[name].current -= sum(self.weight(n) for n in fit)
        self.instances[name].active += 1
        self.opened += 1

    def done(self, name: str, failed: bool, now: int) -> None:
        one = self.instances[name]
        if failed:
            one.failed += 1
            self._eject(one, now)
        else:
            one.failed = 0
            if one.ejected_until <= now:
                one.ejections = 0
        one.active -= 1
        self.closed += 1
        if one.draining == 2 and one.active == 0:
            del self.instances[name]

    def _eject(self, one: Instance, now: int) -> None:
        after = self.rules.get("eject_after", 0)
        if not after or one.failed < after or one.ejected_until > now:
            return
        out = sum(other.ejected_until > now for other in self.instances.values())
        total = len(self.instances)
        if (out + 1) * 100 > self.rules["eject_percent"] * total or out + 1 >= total:
            return
        one.ejections = min(one.ejections + 1, GROWTH)
        one.ejected_until = now + one.ejections * self.rules["eject_ns"]
        one.failed = 0

    def probe(self, name: str, passed: bool) -> None:
        one = self.instances[name]
        one.streak = one.streak + 1 if one.streak and one.streak_passed == passed else 1
        one.streak_passed = passed
        if passed and one.streak >= self.rules["rise"]:
            one.health = HEALTHY
        if not passed and one.streak >= self.rules["fall"]:
            one.health = UNHEALTHY

    def mark(self, name: str, health: int) -> None:
        one = self.instances[name]
        one.health, one.streak, one.failed, one.ejections, one.ejected_until = health, 0, 0, 0, 0

    def born(self) -> int:
        return UNKNOWN if self.rules.get("health_every_ns") else HEALTHY

    def discover(self, rows: list[tuple[str, int]]) -> None:
        wanted = dict(rows)
        for name in list(self.instances):
            one = self.instances[name]
            if name in wanted:
                one.weight = wanted.pop(name)
                one.draining = 0 if one.draining == 2 else one.draining
            elif one.active:
                one.draining = 2
            else:
                del self.instances[name]
        for name, weight in wanted.items():
            self.instances[name] = Instance(weight, self.born())
