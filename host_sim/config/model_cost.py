# SPDX-License-Identifier: MIT
"""The sections [cost.SERVICE] and [billing], as pydantic models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from host_sim.config.fields import (
    ClassWord,
    Duration,
    Factor,
    Model,
    Name,
    Offset,
    Price,
)

PriceWord = Literal["base", "per_kilobyte", "per_second", "per_access", "per_hit"]


class CostWhen(Model):
    """When a multiplier applies: every key that is stated must hold; `{}` is always."""

    plan: Name | None = Field(None, description="The tenant's plan.")
    class_: ClassWord | None = Field(None, alias="class", description="The request's class.")
    time: str | None = Field(
        None, description='Times of the week: "Sat-Sun", "Mon-Fri 22:00-06:00", several by comma.'
    )
    timezone: Offset | None = Field(None, description="Of `time`; the file's when absent.")


class CostMultiplier(Model):
    """What a request's cost is multiplied by; all that hold apply, with one exact product."""

    when: CostWhen = Field(description="Conditions; `{}` is always.")
    by: Factor = Field(description="0 to 100, at most four decimals.")


class CostTier(Model):
    """Another price beyond so many units in a billing period, by tenant and service."""

    of: PriceWord = Field(description="Which price it replaces.")
    above: str | int = Field(
        description="Units that are still the lower tier's: a count, a size for `per_kilobyte`, a "
        "duration for `per_second`."
    )
    price: Price = Field(description="Per the same unit as the price it replaces.")


class Cost(Model):
    """What a service's use costs, in decimal units of the currency to 10^-12."""

    base: Price | None = Field(None, description="A request.")
    per_kilobyte: Price | None = Field(None, description="1024 bytes of request and response.")
    per_second: Price | None = Field(None, description="A second of service time.")
    per_access: Price | None = Field(None, description="An access to storage.")
    per_hit: Price | None = Field(None, description="A cache hit; may be negative.")
    multipliers: list[CostMultiplier] = Field(
        default_factory=list, description="In order; all whose conditions hold apply."
    )
    tiers: list[CostTier] = Field(
        default_factory=list, description="Ascending by `above` for each price."
    )


class Billing(Model):
    """When periods close and how invoices round."""

    currency: Name = Field("USD", description="Its name on invoices.")
    every: Literal["day", "month", "never"] = Field("month", description="How often.")
    anchor: int | str | None = Field(
        None, description="Month: the day 1 to 31. Day: `hh:mm`. 1 and midnight when absent."
    )
    grace: Duration = Field(0, description="From a period's end until its invoice is ready.")
    digits: int = Field(2, ge=0, le=9, description="Decimals an invoice line is rounded to.")
    timezone: Offset | None = Field(None, description="The file's when absent.")
