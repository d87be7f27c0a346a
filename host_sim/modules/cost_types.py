# SPDX-License-Identifier: MIT
"""cost: the words and records CostCollector speaks in; import them from host_sim.modules.cost."""

from __future__ import annotations

import dataclasses
import decimal
import enum
import functools
from collections.abc import Mapping
from fractions import Fraction

from host_sim.errors import ArgumentError, RangeError

GRAINS = 8_000_000_000_000_000_000  # to 10^-9 units, as in ray/cost.h
NANO = 1_000_000_000
PICO = 1_000_000_000_000
FOREVER_NS = 0x7FFFFFFFFFFFFFFF
ALL = 0xFFFFFFFE
Amount = str | int | decimal.Decimal


class CostMetric(enum.IntEnum):
    """What is priced (enum ray_cost_metric): requests each, bytes by 1024, compute nanoseconds by
    the second, storage accesses and cache hits each."""

    REQUEST_COUNT = 0
    BYTES_PROCESSED = 1
    COMPUTE_TIME = 2
    STORAGE_ACCESS = 3
    CACHE_HIT = 4


class BillingPeriod(enum.IntEnum):
    """How often periods close (enum ray_cost_every)."""

    NEVER = 0
    DAILY = 1
    MONTHLY = 2


class LineKind(enum.IntEnum):
    """What an invoice line is about (enum ray_cost_line_kind)."""

    USAGE = 0
    ADJUSTMENT = 1
    ROUNDING = 2


def scaled(value: Amount, per_unit: int, what: str) -> int:
    """`value`, a decimal number of units, in whole 1/`per_unit`; refused when it is finer."""
    if isinstance(value, bool) or not isinstance(value, (str, int, decimal.Decimal)):
        raise ArgumentError(f"{what} is a decimal number in text, not {value!r}")
    try:
        exact = Fraction(value) * per_unit
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"{what} is a decimal number, not {value!r}") from error
    if exact.denominator != 1:
        raise RangeError(f"{what} {value} is finer than {Fraction(1, per_unit)} units")
    return int(exact)


@functools.total_ordering
@dataclasses.dataclass(frozen=True, slots=True)
class Money:
    """An exact amount: a whole number of grains, 8 * 10^18 to 10^-9 units."""

    grains: int = 0

    @property
    def nano(self) -> int:
        """Whole 10^-9 units, rounded down."""
        return self.grains // GRAINS

    @property
    def pico(self) -> int:
        """Whole 10^-12 units, rounded down."""
        return self.grains * 1000 // GRAINS

    @property
    def exact(self) -> Fraction:
        """The amount in units, without rounding."""
        return Fraction(self.grains, GRAINS * NANO)

    @property
    def decimal(self) -> decimal.Decimal:
        """The amount in units to twelve decimals, rounded down."""
        return decimal.Decimal(self.pico).scaleb(-12, context=decimal.Context(prec=60))

    def __add__(self, other: Money) -> Money:
        return Money(self.grains + other.grains)

    def __sub__(self, other: Money) -> Money:
        return Money(self.grains - other.grains)

    def __lt__(self, other: Money) -> bool:
        return self.grains < other.grains

    def __bool__(self) -> bool:
        return self.grains != 0

    def __str__(self) -> str:
        return format(self.decimal, "f")


@dataclasses.dataclass(frozen=True, slots=True)
class CostMultiplier:
    """What a request costs is multiplied by `by` (0 to 100, four decimals) when every condition
    holds; all multipliers that hold apply, in the order declared. `time` is text such as
    "Sat-Sun" at `utc_offset_minutes`."""

    by: Amount
    plan_id: int | None = None
    priority: int | None = None
    time: str | None = None
    utc_offset_minutes: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class CostTier:
    """Beyond `above` units of `metric` in a period, `price` holds; unit `above` itself is still the
    lower tier's. Units are requests, bytes, nanoseconds, accesses, hits."""

    metric: CostMetric
    above: int
    price: Amount


@dataclasses.dataclass(frozen=True, slots=True)
class CostModel:
    """A service's price book, decimal units to 10^-12: `base_cost` a request, `per_kilobyte` 1024
    bytes, `per_second` of service time, `per_access`, `per_hit` (the one that may be negative).

    Metrics in `measured` are kept in units even where their price is 0."""

    base_cost: Amount = "0"
    per_kilobyte: Amount = "0"
    per_second: Amount = "0"
    per_hit: Amount = "0"
    multipliers: tuple[CostMultiplier, ...] = ()
    per_access: Amount = "0"
    tiers: tuple[CostTier, ...] = ()
    measured: tuple[CostMetric, ...] = ()

    def prices(self) -> tuple[Amount, ...]:
        """The five prices by metric."""
        return (self.base_cost, self.per_kilobyte, self.per_second, self.per_access, self.per_hit)


@dataclasses.dataclass(frozen=True, slots=True)
class CostAttribution:
    """One recorded use: exactly what it cost, in all and by metric. `timestamp` is Unix
    nanoseconds. `duplicate`: this event id was charged before, nothing was now; `late`: it happened
    before the open period and is an adjustment of it; not `priced`: the service has no prices."""

    service_id: int
    tenant_id: int | None
    cost_amount: Money
    timestamp: int
    metric_breakdown: Mapping[CostMetric, Money]
    charged_nano: int
    priced: bool
    duplicate: bool
    late: bool


@dataclasses.dataclass(frozen=True, slots=True)
class BillingSchedule:
    """When periods close. `anchor` is the day of the month, 1 to 31 (a shorter month clamps),
    `anchor_ns` the time into the day, both at `utc_offset_minutes`. `invoice_generation` is the
    grace in nanoseconds from a period's end until its invoice is ready, `digits` the decimals an
    invoice line is rounded to."""

    period: BillingPeriod = BillingPeriod.MONTHLY
    anchor: int = 1
    invoice_generation: int = 0
    anchor_ns: int = 0
    utc_offset_minutes: int = 0
    digits: int = 2
    currency: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class BillingSpan:
    """One period, Unix nanoseconds, half-open; `back` periods before the open one. `end_ns` and
    `ready_ns` are None where there is no end."""

    back: int
    start_ns: int
    end_ns: int | None
    ready_ns: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class BillingLine:
    """One invoice line: `amount` exactly, `billed_nano` rounded so that the lines add up.
    `service_id` None: none in particular, or with `folded` several whose detail found no room."""

    kind: LineKind
    service_id: int | None
    metric: CostMetric | None
    units: int
    amount: Money
    billed_nano: int
    folded: bool


@dataclasses.dataclass(frozen=True, slots=True)
class BillingEntry:
    """A tenant's period: exact `total_cost` with what was `carried` in by rounding the invoice
    before, `billed_nano` in 10^-9 units, metrics, lines (open period and the one before it)."""

    tenant_id: int | None
    period: BillingSpan
    total_cost: Money
    metrics: Mapping[CostMetric, Money]
    invoice_ready: bool
    billed_nano: int
    carried: Money
    lines: tuple[BillingLine, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class CostTrends:
    """Closed periods, oldest first, as far back as they are kept; older ones only as `folded`,
    their sum, and `folded_count`. `slope_nano`: least squares, 10^-9 units per period, None for
    fewer than two."""

    periods: tuple[tuple[BillingSpan, Money], ...]
    folded: Money
    folded_count: int
    slope_nano: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class CostProjection:
    """What the open period will cost at its rate so far: spent * length / elapsed, towards zero;
    None while nothing has elapsed or the period has no end."""

    projected_nano: int | None
    spent_nano: int
    elapsed_ns: int
    length_ns: int


@dataclasses.dataclass(frozen=True, slots=True)
class CostAlert:
    """A threshold that was reached: once per period, by `spent_nano` of `threshold_nano`."""

    id: int
    name: str
    at_ns: int
    spent_nano: int
    threshold_nano: int
    percent: Fraction | None
    tenant_id: int | None
    service_id: int | None
    period_start: int
    acknowledged: bool


@dataclasses.dataclass(frozen=True, slots=True)
class CostTotals:
    """The same money four times, open and closed together, and `gross`, every amount without its
    sign, which must stay below 2^63 of 10^-9 units."""

    tenants: Money
    services: Money
    metrics: Money
    grand: Money
    gross: Money


@dataclasses.dataclass(frozen=True, slots=True)
class Repriced:
    """What a tenant's open period would cost by another price book. Not `exact` where the book has
    conditions that a total of units cannot answer, or units that were not kept."""

    tenant_id: int | None
    before: Money
    after: Fraction
    exact: bool

    @property
    def difference(self) -> Fraction:
        """`after` less `before`, in units."""
        return self.after - self.before.exact


@dataclasses.dataclass(frozen=True, slots=True)
class CostStats:
    """The module's counters (ray_cost_stats); asked = granted + denied."""

    asked_count: int
    granted_count: int
    denied_count: int
    error_count: int
    unpriced_count: int
    adjusted_count: int
    late_count: int
    folded_count: int
    closed_count: int
    duplicate_count: int
    event_count: int
    notice_count: int
    notice_overwritten_count: int
    book_count: int
    cell_count: int
    alert_count: int
    unacknowledged_count: int
