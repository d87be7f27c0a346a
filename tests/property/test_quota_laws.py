# SPDX-License-Identifier: MIT
"""quota: retry-after is exact, sleeping through periods is seeing them, sums never wrap."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim.modules.quota import EnforcementMode, QuotaManager, QuotaMode
from tests.model import quota as model
from tests.property.quota_terms import DAY, START, terms


@settings(max_examples=60)
@given(
    said=terms(), first=st.integers(0, 12), more=st.integers(1, 12), later=st.integers(0, 40 * DAY)
)
def test_retry_after_is_the_smallest_wait_that_helps(
    said: dict[str, Any], first: int, more: int, later: int
) -> None:
    said = {
        **said,
        "enforcement_mode": EnforcementMode.HARD,
        "mode": QuotaMode.ENFORCE,
        "limit": 10,
    }
    quota = QuotaManager(profile="tiny", now_ns=START)
    quota_id = quota.allocate_quota(0, **said)
    later = later if said.get("period_ns") != 12 else later % 100
    quota.consume_quota(quota_id, first, now_ns=START)
    at = START + later
    denied = quota.check_quota(quota_id, more, now_ns=at)
    if denied.granted:
        assert denied.retry_after_ns == 0
    elif denied.retry_after_ns == model.INFINITE:
        assert not quota.check_quota(quota_id, more, now_ns=at + 4_000 * DAY).granted
    else:
        wait = denied.retry_after_ns
        assert quota.check_quota(quota_id, more, now_ns=at + wait).granted
        assert not quota.check_quota(quota_id, more, now_ns=at + wait - 1).granted


@settings(max_examples=60)
@given(
    said=terms(),
    used=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    periods=st.integers(0, 30),
    stops=st.sets(st.integers(0, 30)),
)
def test_k_missed_periods_close_like_k_periods_seen(
    said: dict[str, Any], used: list[int], periods: int, stops: set[int]
) -> None:
    """One manager sleeps through all periods, the other is looked at in some of them."""
    said = {
        **said,
        "enforcement_mode": EnforcementMode.SOFT,
        "mode": QuotaMode.ENFORCE,
        "guards": {},
    }
    length = said.get("period_ns") or 31 * DAY
    sleeper, waker = (QuotaManager(profile="tiny", now_ns=START) for _ in range(2))
    ids = [manager.allocate_quota(0, **said) for manager in (sleeper, waker)]
    for n, amount in enumerate(used):
        for manager, quota_id in zip((sleeper, waker), ids, strict=True):
            manager.consume_quota(quota_id, amount, now_ns=START + n * length // 5)
    for stop in sorted(stop for stop in stops if stop < periods):
        waker.update_limit(ids[1], said["limit"], now_ns=START + length + stop * length)
    end = START + length + periods * length
    real, wanted = (
        manager.get_quota_status(quota_id, now_ns=end).usage
        for manager, quota_id in zip((sleeper, waker), ids, strict=True)
    )
    assert dataclasses.replace(real) == wanted


@settings(max_examples=40)
@given(amounts=st.lists(st.sampled_from([0, 1, 2**31, 2**62, 2**63 - 1]), min_size=1, max_size=12))
def test_sums_past_64_bits_saturate_and_never_wrap(amounts: list[int]) -> None:
    quota = QuotaManager(profile="tiny")
    quota_id = quota.allocate_quota(0, limit=1 << 63, enforcement_mode=EnforcementMode.SOFT)
    for amount in amounts:
        assert quota.consume_quota(quota_id, amount).granted
        assert quota.valid() == 0
    usage = quota.get_quota_status(quota_id).usage
    assert usage.current_usage == min(sum(amounts), 2**64 - 1)
    assert usage.utilization_bp == min(usage.current_usage * 10_000 >> 63, 2**64 - 1)
