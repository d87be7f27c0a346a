# SPDX-License-Identifier: MIT
"""The obviously correct limiter: fractions, dictionaries and plain loops, written from the rules
alone.

Token buckets hold tokens, leaky ones a level, windows counts, exact logs a list of instants. Time
is whole nanoseconds, floored to the tick the rules prescribe. Only the order in which a full key
table is used is taken from the core's answers, because only a full bucket can be pushed out and a
full bucket is the same as none.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from fractions import Fraction

TICKS = (1, 1000, 1_000_000)
LIMIT = 2**63


@dataclass
class Rule:
    """A rate with a size; `grain` is the smallest part of a token its credits can express."""

    algorithm: str
    rate: int
    per: int
    capacity: int
    excess: int = 0
    max_delay: int = 0
    anchor: int = 0
    debt: bool = False
    reserve: dict[int, int] = field(default_factory=dict)
    tick: int = 1
    grain: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.algorithm in ("token", "meter", "queue"):
            for tick in TICKS:
                speed = Fraction(self.rate * tick, self.per)
                if (self.capacity + self.excess) * speed.denominator < LIMIT:
                    self.tick, self.grain = tick, Fraction(1, speed.denominator)
                    return
            raise ValueError("no tick holds this rate")

    def __deepcopy__(self, memo: dict[int, object]) -> Rule:
        """A rule is who it is: two buckets run by one rule when it is the same object."""
        return self

    @property
    def speed(self) -> Fraction:
        """Tokens per nanosecond."""
        return Fraction(self.rate, self.per)

    @property
    def size(self) -> int:
        return self.rate if self.algorithm in ("fixed", "sliding", "exact") else self.capacity

    def ceiling(self, priority: int) -> Fraction:
        """How much may be missing after a grant to this class."""
        grain = self.grain
        kept = math.ceil(Fraction(self.size * self.reserve.get(priority, 0), 1_000_000) / grain)
        return self.size - kept * grain

    def down(self, tokens: Fraction) -> Fraction:
        return math.floor(tokens / self.grain) * self.grain

    def up(self, tokens: Fraction) -> Fraction:
        return math.ceil(tokens / self.grain) * self.grain


@dataclass
class Bucket:
    """What one key, or one limit, has used up."""

    rule: Rule
    missing: Fraction = Fraction(0)
    excess_missing: Fraction = Fraction(0)
    at: int = 0
    before: int = 0
    log: list[int] = field(default_factory=list)
    low: Fraction | None = None
    excess_low: Fraction | None = None
    open_holds: int = 0
    serial: int = 0

    # -- time -----------------------------------------------------------------------------------
    def settle(self, now: int, wall: int) -> None:
        rule = self.rule
        if rule.algorithm in ("token", "meter", "queue"):
            tick = now // rule.tick * rule.tick
            if tick > self.at:
                gain = (tick - self.at) * rule.speed
                spill = max(gain - self.missing, Fraction(0))
                self.missing = max(self.missing - gain, Fraction(0))
                self.excess_missing = max(self.excess_missing - spill, Fraction(0))
                self.at = tick
        elif rule.algorithm == "fixed":
            start = (wall - rule.anchor) // rule.per
            if start != self.at:
                self.missing, self.at, self.serial = Fraction(0), start, self.serial + 1
        elif rule.algorithm == "sliding":
            start = now // rule.per
            if start > self.at:
                self.before = int(self.missing) if start == self.at + 1 else 0
                self.missing, self.serial = Fraction(0), self.serial + start - self.at
                self.at = start
        else:
            self.log = [instant for instant in self.log if now - instant < rule.per]
            self.missing = Fraction(len(self.log))

    def part_left(self, now: int) -> int:
        return self.rule.per - (now - self.at * self.rule.per)

    def full(self, now: int, wall: int) -> bool:
        self.settle(now, wall)
        return self.missing == 0 and self.excess_missing == 0 and self.before == 0

    # -- asking ---------------------------------------------------------------------------------
    def left(self, now: int) -> int:
        rule, fade = self.rule, 0
        if self.before:
            fade = math.ceil(Fraction(self.before * self.part_left(now), rule.per))
        main = max(math.floor(rule.size - self.missing - fade), 0)
        return main + math.floor(rule.excess - self.excess_missing)

    def start(self, now: int) -> int:
        """When a leaky queue would let the next request begin; 0 at once."""
        rule = self.rule
        ticks = math.ceil(self.missing / (rule.speed * rule.tick))
        instant = (max(now // rule.tick * rule.tick, self.at) // rule.tick + ticks) * rule.tick
        return instant if self.missing and instant > now else 0

    def allows(self, now: int, wall: int, tokens: int, priority: int) -> str:
        """no, green or yellow."""
        self.settle(now, wall)
        rule, ceiling = self.rule, self.rule.ceiling(priority)
        if tokens == 0:
            return "green"
        if rule.debt:
            most = (LIMIT - 1 - rule.capacity / rule.grain) // (1 / rule.grain)
            return "green" if self.missing < ceiling and tokens <= most else "no"
        if rule.algorithm == "sliding" and self.before:
            weighted = (self.missing + tokens) * rule.per + self.before * self.part_left(now)
            return "green" if weighted <= ceiling * rule.per else "no"
        if self.missing + tokens <= ceiling:
            start = self.start(now) if rule.algorithm == "queue" else 0
            return "green" if start == 0 or start - now <= rule.max_delay else "no"
        return "yellow" if self.excess_missing + tokens <= rule.excess else "no"

    # -- booking --------------------------------------------------------------------------------
    def take(self, now: int, tokens: int, colour: str, hold: bool) -> None:
        if self.open_holds:
            self.low = min(self.low, self.missing)  # type: ignore[type-var]
            self.excess_low = min(self.excess_low, self.excess_missing)  # type: ignore[type-var]
        if colour == "yellow":
            self.excess_missing += tokens
        else:
            self.missing += tokens
        self.log += [now] * tokens if self.rule.algorithm == "exact" else []
        if self.rule.algorithm == "queue":
            self.serial += 1
        if hold and self.rule.algorithm in ("token", "meter"):
            if self.open_holds == 0:
                self.low, self.excess_low = self.missing, self.excess_missing
            self.open_holds += 1

    def refund(self, now: int, wall: int, tokens: int, colour: str, serial: int) -> None:
        """Gives back what the rules allow; `serial` is what the bucket said when it was taken."""
        self.settle(now, wall)
        kind = self.rule.algorithm
        if kind in ("token", "meter"):
            if serial != self.serial:
                return
            assert self.low is not None and self.excess_low is not None
            self.low = min(self.low, self.missing)
            self.excess_low = min(self.excess_low, self.excess_missing)
            if colour == "yellow":
                back = min(Fraction(tokens), self.excess_low)
                self.excess_missing, self.excess_low = (self.excess_missing - back,
                                                        self.excess_low - back)
            else:
                back = min(Fraction(tokens), self.low)
                self.missing, self.low = self.missing - back, self.low - back
            self.close()
        elif kind == "queue" and serial == self.serial:
            self.missing -= min(Fraction(tokens), self.missing)
            self.serial += 1
        elif kind == "fixed" and serial == self.serial:
            self.missing -= min(Fraction(tokens), self.missing)
        elif kind == "sliding" and serial == self.serial:
            self.missing -= min(Fraction(tokens), self.missing)
        elif kind == "sliding" and serial == self.serial - 1:
            self.before -= min(tokens, self.before)

    def close(self) -> None:
        self.open_holds -= 1
        if self.open_holds == 0:
            self.low = self.excess_low = None

    # -- control --------------------------------------------------------------------------------
    def convert(self, rule: Rule, now: int, wall: int) -> None:
        """Another rule of the same kind: accrued at the old one, then clamped."""
        self.settle(now, wall)
        self.serial += 1000
        old, self.rule = self.rule, rule
        self.open_holds, self.low, self.excess_low = 0, None, None
        if rule.algorithm == "token":
            left = old.capacity - self.missing
            if left >= 0:
                self.missing = rule.capacity - min(rule.down(left), Fraction(rule.capacity))
            else:
                self.missing = rule.capacity + (rule.up(-left) if rule.debt else 0)
            extra = rule.down(old.excess - self.excess_missing)
            self.excess_missing = rule.excess - min(extra, Fraction(rule.excess))
        elif rule.algorithm == "meter":
            self.missing = min(rule.up(self.missing), Fraction(rule.capacity))
        elif rule.algorithm == "queue":
            self.missing = rule.up(self.missing)
        elif rule.algorithm in ("fixed", "sliding") and old.per != rule.per:
            fade = 0
            if self.before:
                fade = math.ceil(Fraction(self.before * (old.per - (now - self.at * old.per)),
                                          old.per))
            self.at, self.before = 0, 0
            spent = min(self.missing + fade, Fraction(rule.rate))
            self.settle(now, wall)
            self.missing = spent
        if rule.algorithm in ("token", "meter", "queue"):
            self.at = -(-self.at // rule.tick) * rule.tick

    def empty(self, now: int, wall: int) -> None:
        """Drained."""
        self.open_holds, self.low, self.excess_low = 0, None, None
        self.settle(now, wall)
        self.serial += 1000
        self.before = 0
        self.missing, self.excess_missing = Fraction(self.rule.size), Fraction(self.rule.excess)
        if self.rule.algorithm in ("token", "meter", "queue"):
            self.at = -(-now // self.rule.tick) * self.rule.tick
        self.log = [now] * self.rule.size if self.rule.algorithm == "exact" else []


@dataclass
class Limit:
    """A limit with its own bucket and those of its keys."""

    rule: Rule
    own: Bucket
    keyed: str = ""
    mode: str = "enforce"
    plans: dict[int, Rule] = field(default_factory=dict)
    deny_when_full: bool = False
    held_until: int = 0
    drained: int | None = None


class Limiter:
    """Limits and one key table of `places` for all of them."""

    def __init__(self, places: int = 8) -> None:
        self.limits: dict[int, Limit] = {}
        self.table: dict[tuple[int, str], Bucket] = {}
        self.places = places

    def rule_of(self, limit: Limit, plan: int | None) -> Rule:
        return limit.plans.get(plan, limit.rule) if plan is not None else limit.rule

    def newborn(self, limit: Limit, rule: Rule, now: int, wall: int) -> Bucket:
        bucket = Bucket(rule)
        if limit.drained is not None:
            bucket.empty(limit.drained, wall - (now - limit.drained))
        return bucket

    def may_go(self, place: tuple[int, str], now: int, wall: int) -> bool:
        limit, bucket = self.limits[place[0]], copy.deepcopy(self.table[place])
        newborn = self.newborn(limit, bucket.rule, now, wall)
        return bucket.full(now, wall) and newborn.full(now, wall)

    def ask(self, order: list[int], now: int, wall: int, tokens: int, priority: int, key: str,
            plan: int | None) -> dict[int, tuple[str, int, Bucket | None, str]]:
        """For each limit: its answer, what is left, the bucket that would be booked (a copy) and
        where: own, found, new or full. `order` is the order in which limits are asked."""
        said: dict[int, tuple[str, int, Bucket | None, str]] = {}
        kept = {(i, key) for i in order if (i, key) in self.table}
        free = self.places - len(self.table)
        loose = [p for p in self.table if p not in kept and self.may_go(p, now, wall)]
        for i in order:
            limit = self.limits[i]
            rule = self.rule_of(limit, plan)
            if not limit.keyed:
                bucket, where = copy.deepcopy(limit.own), "own"
            elif (i, key) in self.table:
                bucket, where = copy.deepcopy(self.table[i, key]), "found"
            elif free or loose:
                free, loose = (free - 1, loose) if free else (0, loose[1:])
                bucket, where = self.newborn(limit, rule, now, wall), "new"
            elif limit.deny_when_full:
                said[i] = ("no", 0, None, "full")
                continue
            else:
                bucket, where, rule = copy.deepcopy(limit.own), "own", limit.rule
            if bucket.rule is not rule:
                bucket.convert(rule, now, wall)
            colour = bucket.allows(now, wall, tokens, priority)
            left = bucket.left(now)
            if limit.held_until > now:
                colour = "no"
            said[i] = (colour, left, bucket, where)
        return said

    def take(self, said: dict[int, tuple[str, int, Bucket | None, str]], now: int, wall: int,
             tokens: int, key: str, hold: bool) -> list[tuple[int, str, int]]:
        """Books every enforced limit when all of them allow, shadows when all and they do; returns
        what a refund needs of each: limit, colour, serial."""
        if tokens == 0:
            return []
        agreed = all(colour != "no" for i, (colour, _l, _b, _w) in said.items()
                     if self.limits[i].mode == "enforce")
        booked = []
        for i, (colour, _left, bucket, where) in said.items():
            if not agreed or colour == "no" or bucket is None:
                continue
            if where == "own":
                self.limits[i].own = bucket
            else:
                if where == "new" and len(self.table) == self.places:
                    victims = [p for p in self.table if (p[0], key) != p or p[0] not in said]
                    gone = next(p for p in victims if self.may_go(p, now, wall))
                    del self.table[gone]
                self.table[i, key] = bucket
            bucket.take(now, tokens, colour, hold)
            booked.append((i, colour, bucket.serial))
        return booked
