# SPDX-License-Identifier: MIT
"""ratelimit: what each algorithm grants, to the nanosecond and to the token."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim.errors import ArgumentError, ExistsError, FullError, RangeError, RateError, StaleError
from host_sim.modules.ratelimit import (
    NEVER,
    NEVER_MS,
    LeakyBucket,
    LimitMode,
    LimitScope,
    Priority,
    RateLimiter,
    RateLimitRequest,
    RateLimitResponse,
    TokenBucket,
    WindowLimit,
)

S = 1_000_000_000
DAY = 86_400 * S
YEAR = 31_556_952 * S


@pytest.fixture
def limiter() -> RateLimiter:
    return RateLimiter(seed=bytes(range(16)))


def ask(limiter: RateLimiter, at_ns: int, tokens: int = 1, **more: Any) -> RateLimitResponse:
    more.setdefault("service_id", 0)
    return limiter.allow_request(RateLimitRequest(tokens_required=tokens, **more), now_ns=at_ns)


def granted(limiter: RateLimiter, limit: int, at_ns: int, calls: int) -> int:
    return sum(limiter.allow(limit, now_ns=at_ns) for _ in range(calls))


# -- the phase document's tests -----------------------------------------------------------------
def test_token_bucket_creation(limiter: RateLimiter) -> None:
    bucket = limiter.add_token_bucket(3, capacity=10, refill_rate=5, name="orders")
    assert limiter.get_bucket(bucket) == TokenBucket(10, 5, 10, 0, S, 0, "orders",
                                                     LimitMode.ENFORCE)
    assert limiter.find_limit("orders") == bucket
    assert limiter.get_tokens(bucket) == 10
    assert (limiter.limit(bucket).service_id, limiter.limit(bucket).capacity) == (3, 10)
    assert limiter.valid() == 0


def test_token_refill(limiter: RateLimiter) -> None:
    bucket = limiter.add_token_bucket(0, capacity=10, refill_rate=10)
    assert ask(limiter, 0, 10).allowed
    rows = [(S // 10 - 1, 0), (S // 10, 1), (S // 4, 2), (S - 1, 9), (S, 10), (DAY, 10)]
    for at_ns, left in rows:
        before = limiter.snapshot()
        limiter.refill_tokens(now_ns=at_ns)
        assert limiter.snapshot() == before
        assert limiter.get_tokens(bucket, now_ns=at_ns) == left
    assert limiter.refill_tokens(now_ns=S - 1) == 1
    assert limiter.refill_tokens(now_ns=S) == 0


def test_request_allowed(limiter: RateLimiter) -> None:
    bucket = limiter.add_token_bucket(0, capacity=2, refill_rate=1)
    first = ask(limiter, 0)
    assert (first.allowed, first.tokens_remaining, first.retry_after_ms, first.by) == (
        True, 1, 0, None)
    assert ask(limiter, 0).allowed
    denied = ask(limiter, 0)
    assert (denied.allowed, denied.by, denied.reason) == (
        False, bucket, limiter.lib.RAY_REASON_RATE_LIMITED)
    assert (denied.retry_after_ns, denied.retry_after_ms) == (S, 1000)
    stats = limiter.get_limit_stats(bucket)
    assert (stats.asked_count, stats.granted_count, stats.denied_count) == (3, 2, 1)


# -- answers that would prove it hollow ---------------------------------------------------------
def test_a_hundred_thousand_calls_at_one_instant_get_exactly_the_capacity(
    limiter: RateLimiter,
) -> None:
    bucket = limiter.add_token_bucket(0, capacity=10, refill_rate=10)
    assert granted(limiter, bucket, 0, 100_000) == 10
    assert granted(limiter, bucket, S, 100_000) == 10


def test_the_257th_service_bucket_is_a_capacity_error_and_changes_nothing(
    limiter: RateLimiter,
) -> None:
    for service in range(256):
        limiter.add_token_bucket(service, capacity=10, refill_rate=1)
    before = limiter.snapshot()
    for service in range(256, 300):
        with pytest.raises(FullError):
            limiter.add_token_bucket(service, capacity=10, refill_rate=1)
    assert limiter.snapshot() == before
    assert limiter.stats().limit_count == 256
    assert limiter.valid() == 0


def test_a_leaky_bucket_alone_answers_from_itself(limiter: RateLimiter) -> None:
    bucket = limiter.add_leaky_bucket(0, capacity=1, leak_rate=1)
    assert [ask(limiter, 0).allowed for _ in range(5)] == [True] + [False] * 4
    assert ask(limiter, S).allowed
    assert limiter.get_bucket(bucket, now_ns=S) == LeakyBucket(
        1, 1, 1, S, S, None, "limit-1", LimitMode.ENFORCE)


# -- token bucket -------------------------------------------------------------------------------
def test_a_million_per_three_days_is_exact_after_a_century(limiter: RateLimiter) -> None:
    rate, per = 1_000_000, 3 * DAY
    bucket = limiter.add_token_bucket(0, capacity=1_000_000, refill_rate=rate, per_ns=per)
    now, taken = 0, 0
    assert ask(limiter, now, 1_000_000).allowed
    step = 217_111_111_111_117                       # some 2.5 days, prime to everything
    for _ in range(100 * YEAR // step):
        now += step
        left = limiter.get_tokens(bucket, now_ns=now)
        assert left == rate * now // per - taken
        assert limiter.allow(bucket, left, now_ns=now)
        taken += left
    assert now > 99 * YEAR
    assert taken == rate * now // per
    assert limiter.valid() == 0


@pytest.mark.parametrize(("rate", "per", "step"), [
    (1, 3600 * S, 1_000), (3, 7 * S, 999_999), (2**32 - 1, S, 1), (1, 2**40, 3), (7, 13, 5)])
def test_no_fraction_is_lost_however_often_it_is_polled(
    limiter: RateLimiter, rate: int, per: int, step: int
) -> None:
    bucket = limiter.add_token_bucket(0, capacity=100, refill_rate=rate, per_ns=per)
    limiter.allow(bucket, 100, now_ns=0)
    now = taken = 0
    for _ in range(20_000):
        now += step
        taken += limiter.allow(bucket, now_ns=now)
    assert taken == min(rate * now // per, 20_000)


def test_idle_time_fills_to_the_capacity_and_never_wraps() -> None:
    for capacity in (1, 2**31 - 1):
        for rate in (1, 2**32 - 1):
            for idle in (S, 12 * 3600 * S, 6 * DAY, 2**64 - 1):
                limiter = RateLimiter(profile="tiny")
                bucket = limiter.add_token_bucket(0, capacity=capacity, refill_rate=rate)
                assert limiter.allow(bucket, capacity, now_ns=0)
                assert limiter.get_tokens(bucket, now_ns=idle) == min(capacity, rate * idle // S)
                assert limiter.valid() == 0


def test_a_rate_that_no_tick_holds_is_refused_with_the_nearest_that_one_does(
    limiter: RateLimiter,
) -> None:
    before = limiter.snapshot()
    rate, per, capacity = 999_999_937, 2**62 + 1, 2**20
    with pytest.raises(RateError, match="nearest rate that can is"):
        limiter.add_token_bucket(0, capacity=capacity, refill_rate=rate, per_ns=per)
    assert limiter.snapshot() == before
    tokens, period = limiter.nearest_rate(rate, per_ns=per, capacity=capacity)
    assert limiter.nearest_rate(tokens, per_ns=period, capacity=capacity) == (tokens, period)
    limiter.add_token_bucket(0, capacity=capacity, refill_rate=tokens, per_ns=period)
    error = abs(rate * period - tokens * per)        # over per * period
    for a in range(max(tokens - 3, 1), tokens + 4):
        for b in range(period // 10**6 - 3, min(period // 10**6 + 4, (2**63 - 1) // capacity + 1)):
            assert error * b * 10**6 <= abs(rate * b * 10**6 - a * per) * period


def test_costs_beyond_the_capacity_are_never_and_leave_the_bucket_alone(
    limiter: RateLimiter,
) -> None:
    bucket = limiter.add_token_bucket(0, capacity=5, refill_rate=1)
    assert ask(limiter, 0, 3).allowed
    for cost in (6, 10**6, 2**31, 2**63, 2**64 - 1):
        answer = ask(limiter, 0, cost)
        assert (answer.allowed, answer.retry_after_ns, answer.retry_after_ms) == (
            False, NEVER, NEVER_MS)
        assert answer.reason == limiter.lib.RAY_REASON_RATE_NEVER
    denied = ask(limiter, 0, 5)
    assert (denied.allowed, denied.retry_after_ns) == (False, 3 * S)
    assert limiter.get_tokens(bucket, now_ns=0) == 2


def test_a_cost_that_is_no_number_of_tokens_is_counted_and_changes_nothing_else(
    limiter: RateLimiter,
) -> None:
    bucket = limiter.add_token_bucket(0, capacity=5, refill_rate=1)
    for cost in (-1, 2**64):
        with pytest.raises(RangeError):
            ask(limiter, 0, cost)
    with pytest.raises(ArgumentError):
        ask(limiter, 0, 1.5)  # type: ignore[arg-type]
    assert limiter.stats().error_count == 3
    assert limiter.stats().asked_count == 0
    assert limiter.get_tokens(bucket) == 5


def test_a_cost_of_nothing_only_looks(limiter: RateLimiter) -> None:
    bucket = limiter.add_token_bucket(0, capacity=1, refill_rate=1)
    assert ask(limiter, 0, 0).tokens_remaining == 1
    assert ask(limiter, 0, 1).allowed
    assert ask(limiter, 0, 0).allowed
    assert limiter.get_tokens(bucket) == 0


def test_debt_admits_from_a_positive_balance_and_blocks_until_it_is_repaid(
    limiter: RateLimiter,
) -> None:
    limiter.add_token_bucket(0, capacity=2, refill_rate=1, debt=True)
    assert ask(limiter, 0, 10).allowed               # 8 owed
    answer = ask(limiter, 0, 1)
    assert (answer.allowed, answer.retry_after_ns) == (False, 8 * S + 1)
    assert not ask(limiter, 8 * S, 1).allowed
    assert ask(limiter, 8 * S + 1, 1).allowed


def test_reserve_keeps_the_last_part_for_higher_classes(limiter: RateLimiter) -> None:
    limiter.add_token_bucket(0, capacity=10, refill_rate=1,
                             reserve={Priority.LOW: 200_000, Priority.BATCH: 500_000})
    assert [ask(limiter, 0, priority=Priority.BATCH).allowed for _ in range(6)] == [True] * 5 + [
        False]
    assert [ask(limiter, 0, priority=Priority.LOW).allowed for _ in range(4)] == [True] * 3 + [
        False]
    held = ask(limiter, 0, priority=Priority.LOW)
    assert held.reason == limiter.lib.RAY_REASON_RATE_RESERVED
    assert held.retry_after_ns == S
    assert [ask(limiter, 0).allowed for _ in range(3)] == [True, True, False]
    assert ask(limiter, 0, 6, priority=Priority.BATCH).retry_after_ns == NEVER


def test_a_burst_is_paid_from_what_overflowed_green_then_yellow_then_red(
    limiter: RateLimiter,
) -> None:
    bucket = limiter.add_token_bucket(0, capacity=2, refill_rate=1, excess=3)
    seen = [ask(limiter, 0).answers[0] for _ in range(6)]
    assert [(one.allowed, one.yellow) for one in seen] == (
        [(True, False)] * 2 + [(True, True)] * 3 + [(False, False)])
    assert limiter.get_tokens(bucket, now_ns=2 * S) == 2   # the main one fills first
    assert limiter.get_tokens(bucket, now_ns=4 * S) == 4   # then what overflows it
    assert limiter.get_tokens(bucket, now_ns=9 * S) == 5
    assert limiter.get_limit_stats(bucket).yellow_count == 3


def test_handle_burst_adds_an_empty_second_bucket_and_takes_it_away(limiter: RateLimiter) -> None:
    bucket = limiter.add_token_bucket(0, capacity=2, refill_rate=1)
    limiter.handle_burst(bucket, 3)
    assert limiter.get_tokens(bucket, now_ns=0) == 2       # nothing is minted
    assert limiter.get_tokens(bucket, now_ns=3 * S) == 5
    limiter.handle_burst(bucket, 0, now_ns=3 * S)
    assert limiter.get_tokens(bucket, now_ns=3 * S) == 2
    keyed = limiter.add_token_bucket(capacity=2, refill_rate=1, scope=LimitScope.USER)
    with pytest.raises(ArgumentError):
        limiter.handle_burst(keyed, 1)
    assert limiter.valid() == 0


# -- leaky bucket -------------------------------------------------------------------------------
def test_a_leaky_meter_admits_what_fits_and_shows_what_is_pending(limiter: RateLimiter) -> None:
    bucket = limiter.add_leaky_bucket(0, capacity=3, leak_rate=2)
    rows = [(0, 2, True), (0, 2, False), (0, 1, True), (S // 2 - 1, 1, False), (S // 2, 1, True)]
    for at_ns, tokens, allowed in rows:
        assert ask(limiter, at_ns, tokens).allowed == allowed
    shown = limiter.get_bucket(bucket, now_ns=S // 2 + 1)
    assert isinstance(shown, LeakyBucket)
    assert (shown.pending_requests, shown.drain_time) == (3, 3 * S // 2 - 1)


def test_a_leaky_queue_delays_and_refuses_what_would_wait_too_long(limiter: RateLimiter) -> None:
    bucket = limiter.add_leaky_bucket(0, capacity=10, leak_rate=10, max_delay_ns=S // 4)
    starts = [ask(limiter, 0).start_at_ns for _ in range(3)]
    assert starts == [0, S // 10, 2 * S // 10]
    refused = ask(limiter, 0)
    assert (refused.allowed, refused.retry_after_ns) == (False, S // 20)
    assert refused.reason == limiter.lib.RAY_REASON_RATE_QUEUE_FULL
    assert ask(limiter, S // 20).start_at_ns == 3 * S // 10
    assert limiter.get_limit_stats(bucket).delayed_count == 3


def test_departures_of_a_leaky_queue_keep_their_distance(limiter: RateLimiter) -> None:
    limiter.add_leaky_bucket(0, capacity=100, leak_rate=3, max_delay_ns=NEVER)
    starts = [ask(limiter, 0).start_at_ns for _ in range(50)]
    assert starts == [-(-k * S // 3) for k in range(50)]
    assert all(starts[k] * 3 >= k * S for k in range(50))


def test_a_leaky_meter_and_a_token_bucket_are_duals() -> None:
    token, leaky = RateLimiter(profile="tiny"), RateLimiter(profile="tiny")
    token.add_token_bucket(0, capacity=7, refill_rate=3)
    leaky.add_leaky_bucket(0, capacity=7, leak_rate=3)
    now = 0
    for k in range(500):
        now += (k * 7919) % 700_000_007
        a, b = ask(token, now, k % 4), ask(leaky, now, k % 4)
        assert (a.allowed, a.retry_after_ns, a.tokens_remaining) == (
            b.allowed, b.retry_after_ns, b.tokens_remaining)


# -- windows ------------------------------------------------------------------------------------
def test_a_fixed_window_follows_the_wall_clock_half_open() -> None:
    limiter = RateLimiter(profile="tiny", wall_offset_ns=10 * S - 3)
    bucket = limiter.add_fixed_window(0, limit=2, window_ns=10 * S)
    assert [ask(limiter, 0).allowed for _ in range(3)] == [True, True, False]
    assert ask(limiter, 2).retry_after_ns == 1             # the window ends at 10 s of the wall
    assert [ask(limiter, 3).allowed for _ in range(3)] == [True, True, False]
    assert ask(limiter, 3).retry_after_ns == 10 * S
    shown = limiter.get_bucket(bucket, now_ns=3)
    assert isinstance(shown, WindowLimit)
    assert (shown.used, shown.window_start_time) == (2, 10 * S)


def test_a_fixed_window_starts_at_its_anchor() -> None:
    for anchor in (3 * S, -7 * S, 13 * S):
        limiter = RateLimiter(profile="tiny")
        limiter.add_fixed_window(0, limit=1, window_ns=10 * S, anchor_ns=anchor)
        assert ask(limiter, 3 * S).allowed
        assert ask(limiter, 13 * S - 1).retry_after_ns == 1
        assert ask(limiter, 13 * S).allowed


def test_twice_the_limit_may_pass_around_a_fixed_boundary_and_no_more() -> None:
    limiter = RateLimiter(profile="tiny")
    limiter.add_fixed_window(0, limit=5, window_ns=S)
    passed = sum(ask(limiter, at).allowed for at in [S - 1] * 20 + [S] * 20)
    assert passed == 10


@pytest.mark.parametrize(("at", "tokens", "allowed"), [
    (10 * S, 1, False), (11 * S - 1, 1, False), (11 * S, 1, True), (11 * S, 2, False),
    (15 * S, 5, True), (15 * S, 6, False), (20 * S, 10, True)])
def test_a_sliding_window_weighs_the_one_before(at: int, tokens: int, allowed: bool) -> None:
    limiter = RateLimiter(profile="tiny")
    limiter.add_sliding_window(0, limit=10, window_ns=10 * S)
    assert ask(limiter, 0, 10).allowed
    assert ask(limiter, at, tokens).allowed == allowed


def test_a_limiter_never_counts_its_own_denials(limiter: RateLimiter) -> None:
    limiter.add_sliding_window(0, limit=1, window_ns=S)
    assert ask(limiter, 0).allowed
    assert not any(ask(limiter, at).allowed for at in range(0, S, S // 100))
    assert ask(limiter, 2 * S).allowed


def test_an_exact_window_holds_in_every_window_of_its_length() -> None:
    limiter = RateLimiter(profile="tiny")
    bucket = limiter.add_sliding_window(0, limit=5, window_ns=S, exact=True)
    passed: list[int] = []
    for k in range(3000):
        at = k * 7_919_003
        if ask(limiter, at).allowed:
            passed.append(at)
    assert len(passed) > 100
    assert all(b - a >= S for a, b in zip(passed, passed[5:], strict=False))
    assert all(at - passed[k - 1] < S for k, at in enumerate(passed) if k % 5)
    assert limiter.valid() == 0
    with pytest.raises(RangeError):
        limiter.add_sliding_window(0, limit=65, window_ns=S, exact=True)
    assert limiter.get_bucket(bucket, now_ns=at).used <= 5  # type: ignore[union-attr]


# -- several limits -----------------------------------------------------------------------------
def test_a_narrow_limit_that_denies_leaves_the_broad_one_untouched(limiter: RateLimiter) -> None:
    broad = limiter.add_token_bucket(capacity=1000, refill_rate=1)
    narrow = limiter.add_token_bucket(0, capacity=1, refill_rate=1, per_ns=DAY)
    assert ask(limiter, 0).allowed
    for _ in range(10_000):
        answer = ask(limiter, 0)
        assert (answer.allowed, answer.by) == (False, narrow)
    assert limiter.get_tokens(broad, now_ns=0) == 999


def test_the_binding_limit_is_the_longest_wait_and_then_the_smaller_id(
    limiter: RateLimiter,
) -> None:
    first = limiter.add_token_bucket(0, capacity=1, refill_rate=1)
    second = limiter.add_token_bucket(0, capacity=1, refill_rate=1, per_ns=2 * S)
    third = limiter.add_token_bucket(0, capacity=1, refill_rate=1, per_ns=2 * S)
    assert ask(limiter, 0).allowed
    answer = ask(limiter, 0)
    assert (answer.by, answer.retry_after_ns) == (second, 2 * S)
    assert {one.limit_id for one in answer.answers} == {first, second, third}
    assert not ask(limiter, 2 * S - 1).allowed
    assert ask(limiter, 2 * S).allowed


def test_a_request_without_a_limit_is_allowed_and_says_so(limiter: RateLimiter) -> None:
    limiter.add_token_bucket(1, capacity=1, refill_rate=1)
    answer = ask(limiter, 0)
    assert (answer.allowed, answer.answers) == (True, ())
    assert answer.reason == limiter.lib.RAY_REASON_NO_LIMIT


def test_no_request_may_come_to_meet_more_than_eight_limits(limiter: RateLimiter) -> None:
    for _ in range(8):
        limiter.add_token_bucket(capacity=1, refill_rate=1)
    before = limiter.snapshot()
    for add in (dict(service_id=None), dict(service_id=7), dict(scope=LimitScope.USER),
                dict(scope=LimitScope.USER, user_id="ann"), dict(scope=LimitScope.NAMED)):
        with pytest.raises(FullError):
            limiter.add_token_bucket(capacity=1, refill_rate=1, **add)  # type: ignore[arg-type]
    assert limiter.snapshot() == before
    assert len(ask(limiter, 0).answers) == 8


def test_a_named_limit_counts_only_what_is_sent_to_it(limiter: RateLimiter) -> None:
    pool = limiter.add_token_bucket(capacity=1, refill_rate=1, scope=LimitScope.NAMED)
    assert ask(limiter, 0, limits=(pool, pool)).allowed
    assert ask(limiter, 0).allowed
    assert ask(limiter, 0, limits=(pool,)).by == pool
    service = limiter.add_token_bucket(0, capacity=1, refill_rate=1)
    with pytest.raises(ArgumentError):
        ask(limiter, 0, limits=(service,))
    limiter.remove_limit(pool)
    assert ask(limiter, 0, limits=(pool,)).allowed         # a limit that is gone is none


def test_a_pinned_user_has_a_bucket_beside_the_one_of_every_user(limiter: RateLimiter) -> None:
    everyone = limiter.add_token_bucket(capacity=5, refill_rate=1, scope=LimitScope.USER)
    ann = limiter.add_token_bucket(capacity=2, refill_rate=1, scope=LimitScope.USER, user_id="ann")
    assert [ask(limiter, 0, user_id="ann").allowed for _ in range(3)] == [True, True, False]
    assert ask(limiter, 0, user_id="ann").by == ann
    assert [ask(limiter, 0, user_id="bob").allowed for _ in range(6)] == [True] * 5 + [False]
    assert ask(limiter, 0, user_id="bob").by == everyone


# -- shadow -------------------------------------------------------------------------------------
def test_a_shadow_limit_reports_and_never_decides(limiter: RateLimiter) -> None:
    real = limiter.add_token_bucket(0, capacity=5, refill_rate=1)
    shadow = limiter.add_token_bucket(0, capacity=2, refill_rate=1, mode=LimitMode.SHADOW)
    seen = [ask(limiter, 0) for _ in range(6)]
    assert [one.allowed for one in seen] == [True] * 5 + [False]
    assert [one.shadow_denied_count for one in seen] == [0, 0, 1, 1, 1, 1]
    assert limiter.get_tokens(shadow, now_ns=0) == 0
    assert limiter.stats().shadow_denied_count == 4
    assert seen[5].by == real


def test_a_shadow_books_only_what_everything_else_allows(limiter: RateLimiter) -> None:
    limiter.add_token_bucket(0, capacity=2, refill_rate=1)
    shadow = limiter.add_token_bucket(0, capacity=9, refill_rate=1, mode=LimitMode.SHADOW)
    assert [ask(limiter, 0).allowed for _ in range(5)] == [True, True] + [False] * 3
    assert limiter.get_tokens(shadow, now_ns=0) == 7


def test_a_shadow_in_place_of_a_limit_leaves_only_that_answer_out(limiter: RateLimiter) -> None:
    old = limiter.add_token_bucket(0, capacity=2, refill_rate=1, name="old")
    new = limiter.add_token_bucket(0, capacity=4, refill_rate=1, mode=LimitMode.SHADOW,
                                   instead_of=old)
    other = limiter.add_token_bucket(capacity=3, refill_rate=1)
    assert [ask(limiter, 0).allowed for _ in range(9)] == [True, True] + [False] * 7
    assert limiter.get_tokens(new, now_ns=0) == 0          # four times, though old said no twice
    assert limiter.get_tokens(other, now_ns=0) == 1        # and nothing else was spent
    ask(limiter, 0, 2, service_id=1)
    assert limiter.get_tokens(other, now_ns=0) == 1


# -- change -------------------------------------------------------------------------------------
def test_update_rate_accrues_at_the_old_rate_then_clamps_and_mints_nothing(
    limiter: RateLimiter,
) -> None:
    bucket = limiter.add_token_bucket(0, capacity=10, refill_rate=1)
    assert ask(limiter, 0, 10).allowed
    limiter.update_rate(bucket, 5, capacity=100, now_ns=3 * S)
    assert limiter.get_tokens(bucket, now_ns=3 * S) == 3
    assert limiter.get_tokens(bucket, now_ns=4 * S) == 8
    limiter.update_rate(bucket, 5, capacity=4, now_ns=4 * S)
    assert limiter.get_tokens(bucket, now_ns=4 * S) == 4
    limiter.update_rate(bucket, 1, per_ns=7, capacity=4, now_ns=4 * S)
    assert limiter.get_tokens(bucket, now_ns=4 * S) == 4
    before = limiter.snapshot()
    with pytest.raises(RangeError):
        limiter.update_rate(bucket, 0, now_ns=4 * S)
    assert limiter.snapshot() == before


def test_a_coarser_tick_credits_no_instant_twice() -> None:
    limiter = RateLimiter(profile="tiny")
    bucket = limiter.add_token_bucket(0, capacity=10, refill_rate=1, per_ns=10)
    limiter.allow(bucket, 10, now_ns=0)
    slow = dict(per_ns=2**43 * 1000, capacity=2**20)       # only a coarse tick holds this
    for k in range(1, 50):
        now = k * 7
        limiter.update_rate(bucket, 1, now_ns=now, **slow)
        limiter.update_rate(bucket, 1, per_ns=10, capacity=10, now_ns=now)
        assert limiter.get_tokens(bucket, now_ns=now) <= now // 10
        assert limiter.valid() == 0


def test_a_plan_has_its_own_rate_and_a_bucket_that_changes_plan_is_clamped(
    limiter: RateLimiter,
) -> None:
    limit = limiter.add_token_bucket(capacity=10, refill_rate=1, scope=LimitScope.USER)
    limiter.update_rate(limit, 100, capacity=100, plan_id=1)
    limiter.update_rate(limit, 1, capacity=3, plan_id=0)
    assert [ask(limiter, 0, n, user_id="g", plan_id=1).allowed for n in (60, 41)] == [True, False]
    down = ask(limiter, 0, 0, user_id="g", plan_id=0)
    assert down.tokens_remaining == 3
    assert ask(limiter, 0, 1, user_id="g", plan_id=0).allowed
    assert ask(limiter, 0, 0, user_id="g", plan_id=1).tokens_remaining == 2
    service = limiter.add_token_bucket(0, capacity=1, refill_rate=1)
    with pytest.raises(ArgumentError):
        limiter.update_rate(service, 1, plan_id=1)


def test_reset_and_drain(limiter: RateLimiter) -> None:
    bucket = limiter.add_token_bucket(0, capacity=10, refill_rate=10)
    limiter.drain_bucket(bucket)
    assert ask(limiter, 0).retry_after_ns == S // 10
    limiter.reset_bucket(bucket)
    assert limiter.get_tokens(bucket, now_ns=0) == 10
    limiter.drain_bucket(bucket, hold_ns=5 * S)
    held = ask(limiter, S)
    assert held.reason == limiter.lib.RAY_REASON_RATE_HELD
    assert (held.allowed, held.retry_after_ns) == (False, 4 * S)
    assert ask(limiter, 5 * S).allowed
    limiter.drain_bucket(bucket, hold_ns=NEVER)
    assert ask(limiter, YEAR).retry_after_ns == NEVER
    limiter.reset_bucket(None)
    assert ask(limiter, YEAR).allowed


def test_a_drained_limit_is_drained_for_keys_nobody_has_seen(limiter: RateLimiter) -> None:
    limit = limiter.add_token_bucket(capacity=4, refill_rate=1, scope=LimitScope.USER)
    assert ask(limiter, 0, user_id="seen").allowed
    limiter.drain_bucket(limit, now_ns=S)
    for user in ("seen", "new"):
        assert ask(limiter, S, user_id=user).retry_after_ns == S
    assert ask(limiter, 3 * S, 2, user_id="new").allowed
    limiter.reset_bucket(limit, user_id="seen", now_ns=3 * S)
    assert limiter.valid() == 0


def test_removed_ids_are_stale_and_names_are_unique(limiter: RateLimiter) -> None:
    first = limiter.add_token_bucket(0, capacity=1, refill_rate=1, name="a")
    with pytest.raises(ExistsError):
        limiter.add_token_bucket(0, capacity=1, refill_rate=1, name="a")
    limiter.remove_limit(first)
    second = limiter.add_token_bucket(0, capacity=1, refill_rate=1, name="a")
    assert second != first
    with pytest.raises(StaleError):
        limiter.get_bucket(first)


# -- refund -------------------------------------------------------------------------------------
def test_a_refund_gives_back_what_a_twin_without_the_request_would_have(
    limiter: RateLimiter,
) -> None:
    bucket = limiter.add_token_bucket(0, capacity=10, refill_rate=1)
    _answer, hold = limiter.allow_refundable(RateLimitRequest(0, tokens_required=6), now_ns=0)
    assert hold is not None
    limiter.refund(hold, now_ns=2 * S)
    assert limiter.get_tokens(bucket, now_ns=2 * S) == 10
    _answer, hold = limiter.allow_refundable(RateLimitRequest(0, tokens_required=6), now_ns=2 * S)
    assert hold is not None
    limiter.refund(hold, now_ns=100 * S)                   # long full again: nothing to give
    assert limiter.get_tokens(bucket, now_ns=100 * S) == 10
    limiter.refund(hold, now_ns=100 * S)
    assert limiter.stats().stale_hold_count == 1


def test_a_refund_after_the_bucket_was_full_in_between_gives_nothing(
    limiter: RateLimiter,
) -> None:
    bucket = limiter.add_token_bucket(0, capacity=4, refill_rate=1)
    _answer, hold = limiter.allow_refundable(RateLimitRequest(0, tokens_required=3), now_ns=0)
    assert ask(limiter, 10 * S, 4).allowed                 # full at 3 s, emptied at 10 s
    assert hold is not None
    limiter.refund(hold, now_ns=10 * S)
    assert limiter.get_tokens(bucket, now_ns=10 * S) == 0


def test_windows_refund_only_into_the_window_that_was_booked() -> None:
    for exact in (None, False, True):
        limiter = RateLimiter(profile="tiny")
        if exact is None:
            bucket = limiter.add_fixed_window(0, limit=4, window_ns=S)
        else:
            bucket = limiter.add_sliding_window(0, limit=4, window_ns=S, exact=exact)
        for at, left in ((0, 4), (5 * S, 4)):
            request = RateLimitRequest(0, tokens_required=3)
            _answer, hold = limiter.allow_refundable(request, now_ns=at)
            assert hold is not None
            limiter.refund(hold, now_ns=at + S // 2)
            assert limiter.get_tokens(bucket, now_ns=at + S // 2) == left
            _answer, hold = limiter.allow_refundable(request, now_ns=at + S // 2)
            assert hold is not None
            limiter.refund(hold, now_ns=at + 3 * S)
            assert limiter.get_tokens(bucket, now_ns=at + 3 * S) == 4
        assert limiter.valid() == 0


def test_a_leaky_queue_refunds_only_its_last_departure(limiter: RateLimiter) -> None:
    limiter.add_leaky_bucket(0, capacity=10, leak_rate=1, max_delay_ns=NEVER)
    holds = [limiter.allow_refundable(RateLimitRequest(0), now_ns=0)[1] for _ in range(3)]
    assert holds[1] is not None and holds[2] is not None
    limiter.refund(holds[1], now_ns=0)
    assert ask(limiter, 0, 0).tokens_remaining == 7
    limiter.refund(holds[2], now_ns=0)
    assert ask(limiter, 0, 0).tokens_remaining == 8


# -- headers and exports ------------------------------------------------------------------------
def test_headers_say_every_policy_and_no_earlier_retry_than_reset(limiter: RateLimiter) -> None:
    limiter.add_token_bucket(0, capacity=20, refill_rate=10, name="orders-total")
    limiter.add_fixed_window(limit=2, window_ns=60 * S, name="per-minute")
    limiter.add_token_bucket(capacity=1, refill_rate=1, mode=LimitMode.SHADOW, name="tried")
    request = RateLimitRequest(0)
    assert limiter.headers(request, now_ns=0) == {
        "RateLimit-Policy": '"orders-total";q=20;w=2, "per-minute";q=2;w=60',
        "RateLimit": '"orders-total";r=19;t=0, "per-minute";r=1;t=0'}
    for _ in range(2):
        limiter.allow_request(request, now_ns=S // 2)
    denied = limiter.headers(request, now_ns=S // 2)
    assert denied["Retry-After"] == "60"
    assert denied["RateLimit"] == '"orders-total";r=18;t=1, "per-minute";r=0;t=60'
    assert limiter.headers(request, now_ns=60 * S - 1)["Retry-After"] == "1"


def test_exports_are_the_same_bytes_for_the_same_state(limiter: RateLimiter) -> None:
    limiter.add_token_bucket(0, capacity=2, refill_rate=1, name="a")
    limiter.add_leaky_bucket(1, capacity=2, leak_rate=1, name="b")
    ask(limiter, 0)
    twin = limiter.fork()
    assert limiter.export("json") == twin.export("json")
    assert limiter.export("csv") == twin.export("csv")
    rows = limiter.export("csv").splitlines()
    assert [row.split(",")[:4] for row in rows[1:]] == [
        ["0", "a", "service", "token_bucket"], ["1", "b", "service", "leaky_bucket"]]
    with pytest.raises(ArgumentError):
        limiter.export("xml")


# -- waiting ------------------------------------------------------------------------------------
def test_estimate_wait_time_and_peek_are_exact_and_change_nothing(limiter: RateLimiter) -> None:
    limiter.add_token_bucket(0, capacity=3, refill_rate=3, per_ns=7 * S)
    limiter.add_sliding_window(0, limit=3, window_ns=11 * S)
    assert ask(limiter, 0, 3).allowed
    for tokens in (1, 2, 3):
        request = RateLimitRequest(0, tokens_required=tokens)
        before = limiter.snapshot()
        wait = limiter.estimate_wait_time(request, now_ns=1)
        assert not limiter.peek_available(request, now_ns=wait).allowed
        assert limiter.peek_available(request, now_ns=1 + wait).allowed
        assert limiter.snapshot() == before
    assert limiter.estimate_wait_time(RateLimitRequest(0, tokens_required=4)) == NEVER


def test_waits_in_milliseconds_are_rounded_up(limiter: RateLimiter) -> None:
    limiter.add_token_bucket(0, capacity=1, refill_rate=1, per_ns=1_000_001)
    assert ask(limiter, 0).allowed
    assert ask(limiter, 0).retry_after_ms == 2
    assert ask(limiter, 1).retry_after_ms == 1


# -- time ---------------------------------------------------------------------------------------
def test_time_that_goes_back_or_stands_still_refills_nothing_and_loses_nothing(
    limiter: RateLimiter,
) -> None:
    bucket = limiter.add_token_bucket(0, capacity=10, refill_rate=1)
    assert limiter.allow(bucket, 10, now_ns=100 * S)
    for at in (99 * S, 0, 100 * S, 50 * S, 100 * S):
        assert not limiter.allow(bucket, now_ns=at)
    assert limiter.allow(bucket, now_ns=101 * S)
    grants = sum(limiter.allow(bucket, now_ns=(110 - 5 * (k % 2)) * S) for k in range(1000))
    assert grants == 9
    assert limiter.valid() == 0
