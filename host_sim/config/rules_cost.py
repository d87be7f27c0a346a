# SPDX-License-Identifier: MIT
"""Rules of [cost.SERVICE], [billing] and [[alert]] with metric = "cost"."""

from __future__ import annotations

import math
from fractions import Fraction

from host_sim.config import units
from host_sim.config.compile_cost import PRICES, above_of, billing_anchor, thresholds_of
from host_sim.config.layout import WEEK_RANGES
from host_sim.config.model import CLASSES
from host_sim.config.model_cost import Cost, CostMultiplier
from host_sim.config.positions import Path
from host_sim.config.rules import Ground, hold
from host_sim.config.week import parse_week

PRICE_MAX = 10**18  # in 10^-12 units
GRACE_MAX_NS = 366 * 86_400 * units.NS_PER_S
TOGETHER_MAX = 1_000
# What is left of a grain for multipliers: powers of 2 and 5 by metric (kernel/cost/price.c).
SPARE = ((18, 15), (8, 15), (9, 6), (18, 15), (18, 15))


def check_costs(ground: Ground) -> None:
    """References, prices, multipliers that meet, tiers, the schedule, alerts and table sizes."""
    _check_billing(ground)
    multipliers: list[Path] = []
    tiers: list[Path] = []
    for name, cost in ground.file.cost.items():
        path: Path = ("cost", name)
        if ground.refer(path, name, ground.names_of("service"), "service"):
            pass
        _check_prices(ground, path, cost)
        _check_multipliers(ground, path, cost)
        _check_tiers(ground, path, cost)
        multipliers += [(*path, "multipliers", i) for i in range(len(cost.multipliers))]
        tiers += [(*path, "tiers", i) for i in range(len(cost.tiers))]
    hold(ground, multipliers, "multipliers", "cost_multiplier")
    hold(ground, tiers, "tiers", "cost_tier")
    _check_alerts(ground)


def _check_prices(ground: Ground, path: Path, cost: Cost) -> None:
    for word in PRICES:
        price = getattr(cost, word)
        if price is None:
            continue
        if price < 0 and word != "per_hit":
            ground.say((*path, word), "bad-money", "only per_hit may be negative")
        if abs(price) > PRICE_MAX:
            ground.say((*path, word), "out-of-range", "a price is at most 1000000")


def _check_multipliers(ground: Ground, path: Path, cost: Cost) -> None:
    whole = True
    for i, row in enumerate(cost.multipliers):
        here: Path = (*path, "multipliers", i)
        whole &= row is not None
        if row is None or row.when is None:
            continue
        ground.refer((*here, "when", "plan"), row.when.plan, ground.plans(), "plan")
        if row.when.time is not None:
            _check_time(ground, (*here, "when", "time"), row.when.time)
        elif row.when.timezone is not None:
            ground.say(
                (*here, "when", "timezone"), "conflict", 'no "time" to be in it', key=True
            )
    if whole:
        _check_together(ground, path, cost)


def _check_time(ground: Ground, path: Path, text: str) -> None:
    try:
        ranges = parse_week(text)
    except units.UnitError as error:
        ground.say(path, error.code, error.message)
        return
    if len(ranges) > WEEK_RANGES:
        ground.say(
            path, "out-of-range", f"{len(ranges)} ranges of the week; at most {WEEK_RANGES}"
        )


def _meeting(rows: list[CostMultiplier], plan: str | None, word: str) -> list[CostMultiplier]:
    return [
        row
        for row in rows
        if row.when.plan in (None, plan) and row.when.class_ in (None, word)
    ]


def _check_together(ground: Ground, path: Path, cost: Cost) -> None:
    """Multipliers whose conditions can hold together: exact, and not absurd."""
    plans = [None, *dict.fromkeys(row.when.plan for row in cost.multipliers if row.when.plan)]
    used = [
        metric
        for metric, word in enumerate(PRICES)
        if getattr(cost, word) is not None or any(tier and tier.of == word for tier in cost.tiers)
    ]
    for plan in plans:
        for word in CLASSES:
            rows = _meeting(cost.multipliers, plan, word)
            product = math.prod(max(Fraction(1), Fraction(row.by, 10_000)) for row in rows)
            below = math.prod(Fraction(row.by, 10_000).denominator for row in rows)
            fine = [m for m in used if (2 ** SPARE[m][0] * 5 ** SPARE[m][1]) % below]
            if product > TOGETHER_MAX:
                ground.say(
                    (*path, "multipliers"), "out-of-range",
                    f"multipliers that may meet make {float(product):g} together; at most "
                    f"{TOGETHER_MAX}", key=True,
                )
            elif fine:
                ground.say(
                    (*path, "multipliers"), "price-not-exact",
                    f"multipliers that may meet are too fine together for {PRICES[fine[0]]}; "
                    "write them with fewer decimals, or give them conditions that exclude each "
                    "other", key=True,
                )
            else:
                continue
            return


def _check_tiers(ground: Ground, path: Path, cost: Cost) -> None:
    seen: dict[tuple[str, int], int] = {}
    for i, tier in enumerate(cost.tiers):
        if tier is None or tier.of is None or tier.above is None:
            continue
        here: Path = (*path, "tiers", i)
        try:
            above = above_of(tier)
        except units.UnitError as error:
            ground.say((*here, "above"), error.code, error.message)
            continue
        if not 1 <= above <= 0x0FFF_FFFF_FFFF_FFFF:
            ground.say((*here, "above"), "out-of-range", "a tier begins above at least one unit")
        if (tier.of, above) in seen:
            ground.say((*here, "above"), "duplicate-name", "two tiers begin at the same unit")
        seen[tier.of, above] = i
        if tier.price is not None and tier.price < 0 and tier.of != "per_hit":
            ground.say((*here, "price"), "bad-money", "only per_hit may be negative")
        if tier.price is not None and abs(tier.price) > PRICE_MAX:
            ground.say((*here, "price"), "out-of-range", "a price is at most 1000000")


def _check_billing(ground: Ground) -> None:
    billing = ground.file.billing
    if billing is None:
        return
    try:
        billing_anchor(billing)
    except units.UnitError as error:
        ground.say(("billing", "anchor"), error.code, error.message)
    if billing.grace > GRACE_MAX_NS:
        ground.say(("billing", "grace"), "out-of-range", "grace is at most 366 days")


def _check_alerts(ground: Ground) -> None:
    rows: list[Path] = []
    for i, alert in enumerate(ground.file.alert):
        if alert is None or alert.metric != "cost":
            continue
        path: Path = ("alert", i)
        ground.refer((*path, "tenant"), alert.tenant, ground.names_of("tenant"), "tenant")
        ground.refer((*path, "service"), alert.service, ground.names_of("service"), "service")
        if not alert.thresholds:
            ground.say((*path, "thresholds"), "out-of-range", "say at least one threshold")
        try:
            found = thresholds_of(alert)
        except units.UnitError as error:
            ground.say((*path, "thresholds"), error.code, error.message)
            continue
        if len({nano for nano, _ in found}) != len(found):
            ground.say((*path, "thresholds"), "duplicate-name", "the same threshold twice")
        if alert.of is not None and not any(ppm for _, ppm in found):
            ground.say((*path, "of"), "conflict", '"of" has no effect beside amounts', key=True)
        rows += [path] * len(found)
    hold(ground, rows, "thresholds of what is spent", "cost_alert")
