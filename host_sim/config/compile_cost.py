# SPDX-License-Identifier: MIT
"""Prices, schedules and alerts on what is spent as rows of the blob."""

from __future__ import annotations

from typing import Any

from host_sim.config import layout, units
from host_sim.config.model import CLASSES, File
from host_sim.config.model_alert import Alert
from host_sim.config.model_cost import Billing, CostMultiplier, CostTier
from host_sim.config.week import parse_week

PRICES = ("base", "per_kilobyte", "per_second", "per_access", "per_hit")
EVERY = {"never": 0, "day": 1, "month": 2}
CLASS_DEFAULT = 255


def above_of(tier: CostTier) -> int:
    """The tier's bound in units of its metric: requests, bytes, nanoseconds, accesses, hits."""
    if tier.of == "per_second":
        if isinstance(tier.above, int):
            return tier.above * units.NS_PER_S
        return units.parse_duration(tier.above)
    if tier.of == "per_kilobyte" or isinstance(tier.above, int):
        return units.parse_size(tier.above)
    return units.parse_count(tier.above)


def billing_anchor(billing: Billing) -> tuple[int, int]:
    """(anchor_day, anchor_ns); UnitError with what the period takes."""
    anchor = billing.anchor
    if billing.every == "month":
        day = 1 if anchor is None else anchor
        if isinstance(day, bool) or not isinstance(day, int) or not 1 <= day <= 31:
            raise units.UnitError(
                "bad-choice", f"a month's anchor is the day 1 to 31, not {anchor!r}"
            )
        return day, 0
    if anchor is None:
        return 0, 0
    if billing.every == "never":
        raise units.UnitError("conflict", 'every = "never" has no anchor; remove it')
    if not isinstance(anchor, str):
        raise units.UnitError(
            "bad-time", f'a day\'s anchor is a time of day, for example "06:00", not {anchor!r}'
        )
    return 0, units.parse_time_of_day(anchor)


def thresholds_of(alert: Alert) -> list[tuple[int, int]]:
    """(threshold in 10^-9 units, parts per million of `of` or 0), as stated; UnitError."""
    found = []
    for text in alert.thresholds:
        if not text.endswith("%"):
            nano = units.parse_money(text, units.NANO)
            found.append((nano, 0))
        else:
            number = units.parse_money(text[:-1], 10_000)
            if alert.of is None:
                raise units.UnitError("missing-key", f'"{text}" is a share; say of what with "of"')
            nano, rest = divmod(alert.of * number, 1_000_000)
            if rest:
                raise units.UnitError("bad-percent", f'"{text}" of it is finer than 10^-9')
            found.append((nano, number))
        if nano == 0:
            raise units.UnitError("out-of-range", f'"{text}": a threshold is more than nothing')
    return found


def _billing(file: File) -> list[dict[str, Any]]:
    if file.billing is None and not file.cost:
        return []
    billing = file.billing or Billing.model_construct()
    day, anchor_ns = billing_anchor(billing)
    offset = billing.timezone if billing.timezone is not None else file.timezone
    return [
        dict(
            currency=billing.currency,
            grace_ns=billing.grace,
            anchor_ns=anchor_ns,
            anchor_day=day,
            utc_offset_minutes=offset,
            every=EVERY[billing.every],
            digits=billing.digits,
        )
    ]


def _multiplier(file: File, row: CostMultiplier, book: int, plans: list[str]) -> dict[str, Any]:
    ranges = parse_week(row.when.time) if row.when.time is not None else []
    empty = [0] * (layout.WEEK_RANGES - len(ranges))
    offset = row.when.timezone if row.when.timezone is not None else file.timezone
    word = row.when.class_
    fields = dict(
        to=[end for _, end in ranges] + empty,
        book=book,
        by_bp=row.by,
        plan=layout.NONE if row.when.plan is None else plans.index(row.when.plan),
        utc_offset_minutes=offset,
        priority=CLASS_DEFAULT if word is None else CLASSES.index(word),
        range_count=len(ranges),
    )
    return {"from": [start for start, _ in ranges] + empty, **fields}


def cost_rows(
    file: File, services: list[str], tenants: list[str], plans: list[str]
) -> dict[int, list[dict[str, Any]]]:
    """The five sections' rows, books in the order of the services."""
    rows: dict[int, list[dict[str, Any]]] = {
        layout.BILLING: _billing(file),
        layout.COST: [],
        layout.COST_MULTIPLIER: [],
        layout.COST_TIER: [],
        layout.COST_ALERT: [],
    }
    for book, name in enumerate(sorted(file.cost, key=services.index)):
        cost = file.cost[name]
        stated = [getattr(cost, word) for word in PRICES]
        measured = sum(1 << metric for metric, price in enumerate(stated) if price is not None)
        row = dict(price_pico=[price or 0 for price in stated], service=services.index(name))
        rows[layout.COST].append({**row, "measured": measured})
        for multiplier in cost.multipliers:
            rows[layout.COST_MULTIPLIER].append(_multiplier(file, multiplier, book, plans))
        ordered = sorted(cost.tiers, key=lambda tier: (PRICES.index(tier.of), above_of(tier)))
        for tier in ordered:
            fields = dict(above_units=above_of(tier), price_pico=tier.price, book=book)
            rows[layout.COST_TIER].append({**fields, "metric": PRICES.index(tier.of)})
    for alert in file.alert:
        if alert.metric != "cost":
            continue
        for nano, ppm in thresholds_of(alert):
            rows[layout.COST_ALERT].append(
                dict(
                    name=alert.name,
                    threshold_nano=nano,
                    of_nano=alert.of if ppm and alert.of is not None else 0,
                    ppm=ppm,
                    tenant=layout.NONE if alert.tenant is None else tenants.index(alert.tenant),
                    service=layout.NONE if alert.service is None else services.index(alert.service),
                )
            )
    return rows
