# SPDX-License-Identifier: MIT
"""Allocations to try: every kind of period, small enough for its edges to be met."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from host_sim.modules.quota import (
    EnforcementMode,
    QuotaDimension,
    QuotaMode,
    QuotaType,
    ResetPolicy,
)
from tests.model import quota as model

S = model.SECOND
DAY = model.DAY
START = 1_767_225_600 * S  # 2026-01-01, a Thursday
USERS = [b"", b"ada", b"bob"]
TYPES = list(QuotaType)


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    """An allocation that some rule allows, small enough for its edges to be met."""
    policy = draw(st.sampled_from(list(ResetPolicy)))
    resets = policy not in (ResetPolicy.NEVER, ResetPolicy.ROLLING)
    out: dict[str, Any] = {
        "reset_policy": policy,
        "quota_type": draw(st.sampled_from([*TYPES[:2], TYPES[0], TYPES[3], TYPES[4]])),
        "limit": draw(st.sampled_from([0, 1, 5, 10, 10, 20, 100])),
        "enforcement_mode": draw(st.sampled_from(list(EnforcementMode))),
        "mode": draw(st.sampled_from([*[QuotaMode.ENFORCE] * 4, QuotaMode.SHADOW, QuotaMode.OFF])),
        "per_user": draw(st.booleans()),
        "alerts": draw(st.sampled_from([(), (80, 95, 100), (50, 200)])),
        "plan_id": draw(st.sampled_from([None, None, 0])),
    }
    if policy in (ResetPolicy.FIXED, ResetPolicy.ROLLING):
        out["period_ns"] = draw(st.sampled_from([12, 10 * S, 60 * S, 100 * S + 7]))
        out["anchor_ns"] = draw(st.sampled_from([0, 3 * S, -5 * S, START + 1]))
    elif policy is not ResetPolicy.NEVER:
        out["anchor_ns"] = draw(st.sampled_from([0, 6 * 3600 * S, DAY - 1]))
        out["utc_offset_minutes"] = draw(st.sampled_from([0, -300, 765, 1439]))
    if policy is ResetPolicy.WEEK:
        out["anchor_day"] = draw(st.integers(1, 7))
    if policy is ResetPolicy.MONTH:
        out["anchor_day"] = draw(st.integers(1, 31))
    if resets:
        out["rollover_bp"] = draw(st.sampled_from([0, 500, 1000]))
        out["carry_overage"] = draw(st.booleans())
    if draw(st.integers(0, 3)) == 0:
        out["guards"] = {
            QuotaDimension.REQUESTS_PER_SEC: draw(st.integers(1, 3)),
            QuotaDimension.BYTES_PER_SEC: draw(st.integers(1, 20)),
            QuotaDimension.ERRORS_PER_MIN: draw(st.integers(0, 2)),
            QuotaDimension.LATENCY_P99: draw(st.integers(0, 2)),
        }
    if out["quota_type"] is QuotaType.CUSTOM_METRIC:
        out["custom"] = "events"
    return {key: value for key, value in out.items() if value is not None}


def row_of(quota_id: int, tenant: int | None, said: dict[str, Any], born: int) -> model.Row:
    guards = said.get("guards", {})
    return model.Row(
        id=quota_id,
        limit=said["limit"],
        type=said["quota_type"],
        reset=said["reset_policy"],
        period=said.get("period_ns", 0),
        anchor=said.get("anchor_ns", 0),
        anchor_day=said.get("anchor_day", 0),
        offset_minutes=said.get("utc_offset_minutes", 0),
        tenant=tenant,
        plan=said.get("plan_id"),
        rollover_bp=said.get("rollover_bp", 0),
        soft=said["enforcement_mode"] is EnforcementMode.SOFT,
        mode=said["mode"],
        per_user=said["per_user"],
        carry_overage=said.get("carry_overage", False),
        alerts=said["alerts"],
        born=born,
        guard_requests=guards.get(QuotaDimension.REQUESTS_PER_SEC, 0),
        guard_bytes=guards.get(QuotaDimension.BYTES_PER_SEC, 0),
        guard_errors=guards.get(QuotaDimension.ERRORS_PER_MIN, 0),
        guard_p99=guards.get(QuotaDimension.LATENCY_P99, 0),
    )


amounts = st.sampled_from([0, 1, 1, 2, 3, 5, 8, 9, 10, 11, 40])
units = st.lists(amounts, min_size=5, max_size=5)
# Mostly moments, sometimes months; a period of 12 ns would close too often to follow one by one.
steps = st.sampled_from([0, 0, 1, S - 1, S, S, 5 * S, 10 * S, 61 * S, 3600 * S, DAY, 31 * DAY])
