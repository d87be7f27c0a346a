# SPDX-License-Identifier: MIT
"""quota: arguments on their way to the core, checked where C could not hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host_sim.decision import NONE
from host_sim.errors import ArgumentError, RangeError
from host_sim.modules.base import u64
from host_sim.modules.quota_types import (
    SECOND_NS,
    EnforcementMode,
    QuotaDimension,
    QuotaMode,
    QuotaTerms,
    QuotaType,
    ResetPolicy,
)

Units = int | Mapping[QuotaType, int]
User = str | bytes


def _alerts(alerts: tuple[int, ...], most: int) -> list[int]:
    if len(alerts) > most:
        raise ArgumentError(f"at most {most} alerts, not {len(alerts)}")
    if any(not 1 <= percent <= 255 for percent in alerts):
        raise RangeError(f"an alert is 1 to 255 percent, not {alerts}")
    return [*alerts, *[0] * (most - len(alerts))]


def spec_fields(
    terms: QuotaTerms, policy: ResetPolicy, window_size_sec: int, lib: Any
) -> dict[str, Any]:
    """The fields of a ray_quota_spec that `terms` and the period decide."""
    guards, window_ns = terms.get("guards", {}), u64(window_size_sec, "window_size_sec") * SECOND_NS
    has_day = policy in (ResetPolicy.WEEK, ResetPolicy.MONTH)
    return {
        "period_ns": u64(terms.get("period_ns", window_ns), "period_ns"),
        "anchor_ns": terms.get("anchor_ns", 0),
        "guard_requests_per_s": u64(guards.get(QuotaDimension.REQUESTS_PER_SEC, 0), "guard"),
        "guard_bytes_per_s": u64(guards.get(QuotaDimension.BYTES_PER_SEC, 0), "guard"),
        "guard_errors_per_min": u64(guards.get(QuotaDimension.ERRORS_PER_MIN, 0), "guard"),
        "guard_latency_p99_ns": u64(guards.get(QuotaDimension.LATENCY_P99, 0), "guard"),
        "plan": terms.get("plan_id", NONE),
        "service": terms.get("service_id", NONE),
        "rollover_bp": terms.get("rollover_bp", 0),
        "anchor_day": terms.get("anchor_day", int(has_day)),
        "utc_offset_minutes": terms.get("utc_offset_minutes", 0),
        "reset": int(policy),
        "enforcement": int(terms.get("enforcement_mode", EnforcementMode.HARD)),
        "mode": int(terms.get("mode", QuotaMode.ENFORCE)),
        "per_user": int(terms.get("per_user", False)),
        "carry_overage": int(terms.get("carry_overage", False)),
        "named": int(terms.get("named", False)),
        "alert_percent": _alerts(terms.get("alerts", (80, 95, 100)), lib.RAY_QUOTA_ALERT_EACH),
    }
