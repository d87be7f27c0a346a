# SPDX-License-Identifier: MIT
"""quota: periods begin where the calendar says, in every month, leap year and offset."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from host_sim.modules.quota import EnforcementMode, QuotaManager, ResetPolicy
from tests.model import quota as model

S = 1_000_000_000
DAY = 86_400 * S
NEVER, FIXED, ROLLING, DAILY, WEEKLY, MONTHLY = ResetPolicy


def ns(text: str) -> int:
    """Nanoseconds since 1970 of an instant in UTC."""
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    return int(moment.timestamp()) * S


# policy and terms, an instant, start and end of its period
MOMENTS = [
    # months whose anchor day they do not have clamp to the last day, the next returns to it
    (MONTHLY, {"anchor_day": 1}, "2026-01-15", "2026-01-01", "2026-02-01"),
    (MONTHLY, {"anchor_day": 31}, "2026-01-31", "2026-01-31", "2026-02-28"),
    (MONTHLY, {"anchor_day": 31}, "2026-02-27T23:59:59", "2026-01-31", "2026-02-28"),
    (MONTHLY, {"anchor_day": 31}, "2026-02-28", "2026-02-28", "2026-03-31"),
    (MONTHLY, {"anchor_day": 31}, "2026-03-31", "2026-03-31", "2026-04-30"),
    (MONTHLY, {"anchor_day": 31}, "2026-05-01", "2026-04-30", "2026-05-31"),
    (MONTHLY, {"anchor_day": 30}, "2026-02-28", "2026-02-28", "2026-03-30"),
    (MONTHLY, {"anchor_day": 29}, "2026-02-28", "2026-02-28", "2026-03-29"),
    (MONTHLY, {"anchor_day": 28}, "2026-02-27", "2026-01-28", "2026-02-28"),
    # leap years: 2024 and 2000 are, 2100 is not
    (MONTHLY, {"anchor_day": 31}, "2024-02-29", "2024-02-29", "2024-03-31"),
    (MONTHLY, {"anchor_day": 30}, "2024-02-28T23:59:59", "2024-01-30", "2024-02-29"),
    (MONTHLY, {"anchor_day": 29}, "2000-02-29", "2000-02-29", "2000-03-29"),
    (MONTHLY, {"anchor_day": 29}, "2100-02-28", "2100-02-28", "2100-03-29"),
    # the turn of the year, and an anchor later than the day's start
    (MONTHLY, {"anchor_day": 15}, "2026-01-01", "2025-12-15", "2026-01-15"),
    (
        MONTHLY,
        {"anchor_day": 1, "anchor_ns": 6 * 3_600 * S},
        "2026-01-01T05:59:59",
        "2025-12-01T06:00",
        "2026-01-01T06:00",
    ),
    (
        MONTHLY,
        {"anchor_day": 1, "anchor_ns": 6 * 3_600 * S},
        "2026-01-01T06:00",
        "2026-01-01T06:00",
        "2026-02-01T06:00",
    ),
    # offsets: the first of the month begins earlier in the east and later in the west
    (
        MONTHLY,
        {"anchor_day": 1, "utc_offset_minutes": 840},
        "2025-12-31T10:00",
        "2025-12-31T10:00",
        "2026-01-31T10:00",
    ),
    (
        MONTHLY,
        {"anchor_day": 1, "utc_offset_minutes": -720},
        "2026-01-01T11:59:59",
        "2025-12-01T12:00",
        "2026-01-01T12:00",
    ),
    (
        MONTHLY,
        {"anchor_day": 31, "utc_offset_minutes": 330},
        "2024-02-28T18:30",
        "2024-02-28T18:30",
        "2024-03-30T18:30",
    ),
    # days
    (DAILY, {}, "1970-01-01", "1970-01-01", "1970-01-02"),
    (DAILY, {"utc_offset_minutes": 60}, "2026-03-29T23:00", "2026-03-29T23:00", "2026-03-30T23:00"),
    (
        DAILY,
        {"utc_offset_minutes": -345},
        "2026-03-29T05:44:59",
        "2026-03-28T05:45",
        "2026-03-29T05:45",
    ),
    (
        DAILY,
        {"anchor_ns": 9 * 3_600 * S},
        "2026-03-29T08:59:59",
        "2026-03-28T09:00",
        "2026-03-29T09:00",
    ),
    (
        DAILY,
        {"anchor_ns": 9 * 3_600 * S, "utc_offset_minutes": 120},
        "2026-03-29T07:00",
        "2026-03-29T07:00",
        "2026-03-30T07:00",
    ),
    # a day has 24 hours on the days clocks change: offsets are fixed
    (DAILY, {"utc_offset_minutes": 60}, "2026-03-28T23:00", "2026-03-28T23:00", "2026-03-29T23:00"),
    (DAILY, {"utc_offset_minutes": 60}, "2026-10-25T00:00", "2026-10-24T23:00", "2026-10-25T23:00"),
    # weeks: 2026-01-05 is a Monday, 1970-01-01 was a Thursday
    (WEEKLY, {"anchor_day": 1}, "2026-01-05", "2026-01-05", "2026-01-12"),
    (WEEKLY, {"anchor_day": 1}, "2026-01-04T23:59:59", "2025-12-29", "2026-01-05"),
    (WEEKLY, {"anchor_day": 7}, "2026-01-04", "2026-01-04", "2026-01-11"),
    (WEEKLY, {"anchor_day": 4}, "1970-01-01", "1970-01-01", "1970-01-08"),
    (WEEKLY, {"anchor_day": 1}, "1970-01-01", "1969-12-29", "1970-01-05"),
    (
        WEEKLY,
        {"anchor_day": 5, "anchor_ns": 17 * 3_600 * S, "utc_offset_minutes": -300},
        "2026-01-09T21:59:59",
        "2026-01-02T22:00",
        "2026-01-09T22:00",
    ),
    # fixed periods from an anchor, also one in the future of the instant
    (
        FIXED,
        {"period_ns": 7 * S},
        "1970-01-01T00:00:13",
        "1970-01-01T00:00:07",
        "1970-01-01T00:00:14",
    ),
    (
        FIXED,
        {"period_ns": 7 * S, "anchor_ns": 3 * S},
        "1970-01-01T00:00:02",
        "1969-12-31T23:59:56",
        "1970-01-01T00:00:03",
    ),
    (
        FIXED,
        {"period_ns": 90 * DAY, "anchor_ns": ns("2026-01-01")},
        "2025-12-31",
        "2025-10-03",
        "2026-01-01",
    ),
    # a rolling window counts from twelve steps before the running one
    (
        ROLLING,
        {"period_ns": 12 * S},
        "1970-01-01T00:00:59",
        "1970-01-01T00:00:47",
        "1970-01-01T00:01:00",
    ),
]


@pytest.mark.parametrize(("policy", "terms", "at", "start", "end"), MOMENTS)
@pytest.mark.parametrize("wall_offset", [0, 5 * DAY, -3 * DAY])
def test_a_period_begins_and_ends_where_the_calendar_says(
    policy: ResetPolicy, terms: dict[str, Any], at: str, start: str, end: str, wall_offset: int
) -> None:
    now = max(0, ns(at) - wall_offset)
    quota = QuotaManager(now_ns=now, wall_offset_ns=ns(at) - now)
    quota_id = quota.allocate_quota(0, limit=1, reset_policy=policy, **terms)
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.window_start_time, usage.window_end_time) == (ns(start), ns(end))
    assert quota.consume_quota(quota_id).granted
    denied = quota.consume_quota(quota_id)
    assert not denied.granted
    if policy is not ROLLING:
        assert denied.retry_after_ns == ns(end) - ns(at)
    before = quota.get_quota_status(quota_id, now_ns=now + ns(end) - ns(at) - 1).usage
    after = quota.get_quota_status(quota_id, now_ns=now + ns(end) - ns(at)).usage
    assert before.window_end_time == ns(end)
    if policy is not ROLLING:
        assert (before.current_usage, after.current_usage, after.window_start_time) == (
            1,
            0,
            ns(end),
        )


def test_a_month_anchored_on_the_31st_clamps_and_returns_through_a_whole_leap_year() -> None:
    quota = QuotaManager(now_ns=ns("2023-12-31"))
    quota_id = quota.allocate_quota(0, limit=5, reset_policy=MONTHLY, anchor_day=31)
    starts = []
    for _ in range(13):
        usage = quota.get_quota_status(quota_id, now_ns=quota._now_ns).usage
        starts.append(
            datetime.datetime.fromtimestamp(usage.window_start_time // S, datetime.UTC).date()
        )
        assert (
            quota.consume_quota(quota_id, 5).granted and not quota.consume_quota(quota_id).granted
        )
        assert usage.window_end_time is not None
        quota.tick(usage.window_end_time)
    assert [(date.month, date.day) for date in starts] == [
        (12, 31),
        (1, 31),
        (2, 29),
        (3, 31),
        (4, 30),
        (5, 31),
        (6, 30),
        (7, 31),
        (8, 31),
        (9, 30),
        (10, 31),
        (11, 30),
        (12, 31),
    ]


@pytest.mark.parametrize("policy", [DAILY, WEEKLY, MONTHLY])
@pytest.mark.parametrize("offset", [-1_439, -300, 0, 765, 1_439])
def test_every_period_of_eight_years_agrees_with_the_plain_calendar(
    policy: ResetPolicy, offset: int
) -> None:
    days = {DAILY: [0], WEEKLY: [1, 4, 7], MONTHLY: [1, 15, 29, 31]}[policy]
    for anchor_day in days:
        quota = QuotaManager(profile="tiny", now_ns=ns("2023-12-25"))
        terms = {"anchor_day": anchor_day} if anchor_day else {}
        quota_id = quota.allocate_quota(
            0, limit=1, reset_policy=policy, anchor_ns=S, utc_offset_minutes=offset, **terms
        )
        row = model.Row(
            id=0, limit=1, reset=int(policy), anchor=S, anchor_day=anchor_day, offset_minutes=offset
        )
        for step in range(0, 8 * 366, 5):
            at = ns("2023-12-25") + step * DAY + step * 977 * S
            usage = quota.get_quota_status(quota_id, now_ns=at).usage
            assert (usage.window_start_time, usage.window_end_time) == model.bounds(row, at)


# -- rolling --------------------------------------------------------------------------------------
def test_a_rolling_window_never_holds_more_than_its_limit_and_gives_back_within_a_step() -> None:
    quota = QuotaManager()
    quota_id = quota.allocate_quota(0, limit=10, reset_policy=ROLLING, period_ns=120 * S)
    granted: list[int] = []
    for now in range(0, 900):
        while quota.consume_quota(quota_id, now_ns=now * S).granted:
            granted.append(now)
    for first in range(900):
        assert sum(first <= at < first + 120 for at in granted) <= 10
    for earlier, later in zip(granted, granted[10:], strict=False):
        assert 120 <= later - earlier <= 130, "a twelfth late at most"


def test_a_rolling_reservation_settles_into_the_step_it_was_booked_in() -> None:
    quota = QuotaManager()
    quota_id = quota.allocate_quota(0, limit=10, reset_policy=ROLLING, period_ns=120 * S)
    lease = quota.reserve_quota(quota_id, 4, ttl_ns=1_000 * S, now_ns=5 * S)
    quota.settle_reservation(lease.handle, 7, now_ns=100 * S)
    assert quota.get_quota_status(quota_id, now_ns=130 * S - 1).usage.current_usage == 7
    assert quota.get_quota_status(quota_id, now_ns=130 * S).usage.current_usage == 0
    late = quota.reserve_quota(quota_id, 4, ttl_ns=1_000 * S, now_ns=200 * S)
    quota.settle_reservation(late.handle, 6, now_ns=400 * S)
    usage = quota.get_quota_status(quota_id).usage
    assert (usage.current_usage, usage.reserved) == (2, 0), "only what went beyond the estimate"
    assert quota.stats().late_count == 1


def test_a_rolling_window_alerts_once_per_twelve_steps() -> None:
    quota = QuotaManager()
    quota_id = quota.allocate_quota(
        0, limit=10, reset_policy=ROLLING, period_ns=120 * S, alerts=(50,)
    )
    for now, units in [(0, 5), (10, 1), (110, 1), (120, 1), (121, 1)]:
        quota.consume_quota(quota_id, units, now_ns=now * S)
    assert [alert.at_ns // S for alert in quota.get_quota_alerts()] == [0, 120]


# -- many periods at once -------------------------------------------------------------------------
@pytest.mark.parametrize("k", [1, 2, 3, 4, 7, 1_000, 10**9])
@pytest.mark.parametrize(
    "terms",
    [
        {"rollover_bp": 1_000},
        {"carry_overage": True},
        {"rollover_bp": 1_000, "carry_overage": True},
        {},
    ],
)
def test_k_missed_periods_close_in_constant_steps_like_k_eager_ones(
    k: int, terms: dict[str, Any]
) -> None:
    quota = QuotaManager()
    quota_id = quota.allocate_quota(
        0, limit=100, period_ns=7, enforcement_mode=EnforcementMode.SOFT, **terms
    )
    quota.consume_quota(quota_id, 365)
    usage = quota.get_quota_status(quota_id, now_ns=k * 7).usage
    used, carry = 365, 0
    for _ in range(min(k, 12)):
        unused = max(0, 100 - max(0, used - carry))
        debt = max(0, used - 100 - carry) if "carry_overage" in terms else 0
        used, carry = debt, min(unused, 100 * terms.get("rollover_bp", 0) // 10_000)
    assert (usage.current_usage, usage.carry, usage.window_start_time) == (used, carry, k * 7)


def test_debt_of_a_limit_of_nothing_is_never_repaid() -> None:
    quota = QuotaManager()
    quota_id = quota.allocate_quota(
        0, limit=0, period_ns=7, enforcement_mode=EnforcementMode.SOFT, carry_overage=True
    )
    quota.consume_quota(quota_id, 5)
    assert quota.get_quota_status(quota_id, now_ns=7 * 10**12).usage.current_usage == 5
    quota.set_enforcement_mode(quota_id, EnforcementMode.HARD)
    assert quota.consume_quota(quota_id, 0).retry_after_ns == (1 << 64) - 1


def test_a_wall_clock_set_back_keeps_the_period_open() -> None:
    quota = QuotaManager(wall_offset_ns=ns("2026-01-02"))
    quota_id = quota.allocate_quota(0, limit=5, reset_policy=DAILY)
    quota.consume_quota(quota_id, 5)
    quota._wall_offset_ns = ns("2026-01-01")
    assert not quota.consume_quota(quota_id).granted, "yesterday again is no fresh quota"
    assert quota.get_quota_status(quota_id).usage.window_start_time == ns("2026-01-02")
    assert quota.consume_quota(quota_id).retry_after_ns == 2 * DAY
