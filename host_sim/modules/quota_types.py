# SPDX-License-Identifier: MIT
"""quota: the words and records QuotaManager speaks in; import them from host_sim.modules.quota."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import TypedDict

SECOND_NS = 1_000_000_000
FOREVER_NS = 0x7FFFFFFFFFFFFFFF


class QuotaType(enum.IntEnum):
    """What is consumed (ray/quota.h, enum ray_quota_type)."""

    REQUEST_COUNT = 0
    BYTES_TRANSFERRED = 1
    COMPUTE_UNITS = 2
    CUSTOM_METRIC = 3
    COST = 4


class QuotaDimension(enum.Enum):
    """Guards: gauges that are checked and never consumed."""

    REQUESTS_PER_SEC = "requests/sec"
    BYTES_PER_SEC = "bytes/sec"
    ERRORS_PER_MIN = "errors/min"
    LATENCY_P99 = "latency_p99"


class ResetPolicy(enum.IntEnum):
    """When a period ends (enum ray_quota_reset)."""

    NEVER = 0
    FIXED = 1
    ROLLING = 2
    DAY = 3
    WEEK = 4
    MONTH = 5


class EnforcementMode(enum.IntEnum):
    """Hard denies what does not fit; soft admits, counts and flags it."""

    HARD = 0
    SOFT = 1


class QuotaMode(enum.IntEnum):
    """Enforce decides, shadow only reports, off is not asked."""

    ENFORCE = 0
    SHADOW = 1
    OFF = 2


class DepletionKind(enum.IntEnum):
    """How sure the end is (enum ray_quota_depletion)."""

    AT = 0
    NOT_BEFORE_RESET = 1
    NEVER = 2


class QuotaTerms(TypedDict, total=False):
    """What an allocation may say besides whom, how much and when; everything has a default.

    `name` (default quota-1, quota-2 ...), `custom` the name of a custom metric, `plan_id` and
    `service_id` narrow it, `period_ns` instead of whole seconds, `anchor_ns` an instant (fixed,
    rolling) or the time of day, `anchor_day` 1 Monday .. 7 or 1 .. 31 (default 1),
    `utc_offset_minutes`, `rollover_bp` 0 to 1000, `per_user` an instance per user, `carry_overage`
    a reset carries overage as debt, `named` charged only where a policy names it, `alerts` up to
    four ascending percentages (default 80, 95, 100), `guards` units per second that are checked and
    never consumed.
    """

    name: str
    custom: str
    plan_id: int
    service_id: int
    period_ns: int
    anchor_ns: int
    anchor_day: int
    utc_offset_minutes: int
    rollover_bp: int
    enforcement_mode: EnforcementMode
    mode: QuotaMode
    per_user: bool
    carry_overage: bool
    named: bool
    alerts: tuple[int, ...]
    guards: Mapping[QuotaDimension, int]


class QuotaWho(TypedDict, total=False):
    """Whom a charge is for: the tenant, its plan, the service, the user; what is not stated is not
    known."""

    tenant_id: int | None
    plan_id: int | None
    service_id: int | None
    user: str | bytes


@dataclasses.dataclass(frozen=True, slots=True)
class QuotaAllocation:
    """One plan row. `tenant_id` None: every tenant (of `plan_id`) has an instance of its own.

    `limit` in units, `window_size_sec` whole seconds of a fixed or rolling period (`period_ns`
    exactly), 0 for calendar periods, which have no size."""

    quota_id: int
    tenant_id: int | None
    limit: int
    window_size_sec: int
    reset_policy: ResetPolicy
    name: str
    quota_type: QuotaType
    custom: str
    plan_id: int | None
    service_id: int | None
    period_ns: int
    anchor_ns: int
    anchor_day: int
    utc_offset_minutes: int
    rollover_bp: int
    enforcement_mode: EnforcementMode
    mode: QuotaMode
    per_user: bool
    carry_overage: bool
    named: bool
    alerts: tuple[int, ...]
    guards: Mapping[QuotaDimension, int]


@dataclasses.dataclass(frozen=True, slots=True)
class QuotaUsage:
    """One instance as it is at the asked instant; instants are wall-clock nanoseconds since 1970.

    `requests_count` counts admitted requests of this period, `denied_count` denials since the
    instance was made. `window_end_time` is None for a period that never ends. `utilization_bp` is
    10 000 for all of the limit and is not clamped."""

    current_usage: int
    peak_usage: int
    window_start_time: int
    requests_count: int
    window_end_time: int | None
    reserved: int
    carry: int
    available: int
    overage: int
    peak_ever: int
    closed_usage: int
    denied_count: int
    utilization_bp: int
    tenant_id: int | None
    user_key: int
    active: bool


@dataclasses.dataclass(frozen=True, slots=True)
class QuotaBucket:
    """An allocation with the usage of one of its instances."""

    allocation: QuotaAllocation
    usage: QuotaUsage
    enforcement_mode: EnforcementMode


@dataclasses.dataclass(frozen=True, slots=True)
class QuotaOutcome:
    """What a quota said. `left` is what the most restrictive one had before, None when none
    applied; `by` is the quota that denied; `handle` names a reservation, 0 when there is none."""

    granted: bool
    reason: int
    left: int | None
    retry_after_ns: int
    by: int | None
    count: int
    shadow_denied_count: int
    over: bool
    late: bool
    duplicate: bool
    handle: int


@dataclasses.dataclass(frozen=True, slots=True)
class Depletion:
    """When a quota runs out at its present rate: `in_ns` from now, or None with the reason why
    not."""

    kind: DepletionKind
    in_ns: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class QuotaAlert:
    """A threshold was crossed: `percent` of the limit, or 0 when usage passed limit and carry."""

    id: int
    at_ns: int
    quota_id: int | None
    tenant_id: int
    user_key: int
    percent: int
    used: int
    limit: int
    period_start_time: int
    acknowledged: bool


@dataclasses.dataclass(frozen=True, slots=True)
class QuotaStats:
    """The module's counters (ray_quota_stats)."""

    asked_count: int
    granted_count: int
    denied_count: int
    error_count: int
    unspent_count: int
    shadow_denied_count: int
    table_full_count: int
    evicted_count: int
    late_count: int
    closed_refund_count: int
    stale_hold_count: int
    duplicate_count: int
    expired_count: int
    event_count: int
    alert_count: int
    alert_overwritten_count: int
    allocation_count: int
    active_count: int
    reservation_count: int
    unacknowledged_count: int


@dataclasses.dataclass(frozen=True, slots=True)
class QuotaCounts:
    """One allocation over all its instances (ray_quota_counts); `peak_evicted_units` is the largest
    all-time peak among instances that made room for others."""

    asked_count: int
    granted_count: int
    denied_count: int
    peak_evicted_units: int
    active_count: int
