# SPDX-License-Identifier: MIT
"""ratelimit: a configuration is checked whole and swapped in one go, and nobody gains by it."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim.modules.ratelimit import LimitScope, RateLimiter, RateLimitRequest

S = 1_000_000_000
NONE = 0xFFFFFFFF


class Rows:
    """Rows of a configuration as the core reads them."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter, self.ffi, self.lib = limiter, limiter.ffi, limiter.lib
        self.limits: list[dict[str, Any]] = []
        self.rates: list[dict[str, int]] = []

    def add(self, name: str, **fields: Any) -> int:
        self.limits.append({"name": name, "rate_tokens": 1, "rate_period_ns": S, "capacity": 10,
                            "service": NONE, "instead_of": NONE, **fields})
        return len(self.limits) - 1

    def pack(self) -> tuple[Any, Any, Any]:
        specs = self.ffi.new("ray_limit_spec[]", max(len(self.limits), 1))
        for spec, row in zip(specs, self.limits, strict=False):
            for field, value in row.items():
                if field in ("name", "user"):
                    self.ffi.memmove(getattr(spec, field).at, value.encode(), len(value))
                elif field == "reserve_ppm":
                    for place, ppm in enumerate(value):
                        spec.reserve_ppm[place] = ppm
                else:
                    setattr(spec, field, value)
        rates = self.ffi.new("ray_limit_rate_spec[]", max(len(self.rates), 1))
        for rate, row in zip(rates, self.rates, strict=False):
            for field, number in row.items():
                setattr(rate, field, number)
        counts = self.ffi.new("ray_config_counts *")
        counts.plan_count, counts.service_count = 2, 4
        counts.limit_count, counts.limit_rate_count = len(self.limits), len(self.rates)
        return specs, rates, counts

    def check(self) -> tuple[int, int, int]:
        specs, rates, counts = self.pack()
        report = self.ffi.new("ray_config_report *")
        before = self.limiter.snapshot()
        status = self.lib.ray_ratelimit_check(specs, rates, counts, report)
        assert self.limiter.snapshot() == before
        return status, report.section, report.row

    def load(self, now_ns: int) -> tuple[int, int]:
        assert self.check()[0] == 0
        specs, rates, counts = self.pack()
        report = self.ffi.new("ray_config_report *")
        self.lib.ray_ratelimit_load(self.limiter._state, now_ns, 0, specs, rates, counts, report)
        assert self.limiter.valid() == 0
        return report.kept_count, report.reset_count


@pytest.fixture
def limiter() -> RateLimiter:
    return RateLimiter(profile="tiny", seed=b"0123456789abcdef")


def take(limiter: RateLimiter, tokens: int, at_ns: int, user: str = "ann") -> bool:
    return limiter.allow_request(RateLimitRequest(0, user, tokens), now_ns=at_ns).allowed


# -- hostile rows -------------------------------------------------------------------------------
@pytest.mark.parametrize(("fields", "status"), [
    ({"rate_tokens": 0}, "RANGE"), ({"rate_tokens": 2**63}, "RANGE"),
    ({"rate_period_ns": 0}, "RANGE"), ({"rate_period_ns": 2**63}, "RANGE"),
    ({"capacity": 0}, "RANGE"), ({"capacity": 2**63}, "RANGE"),
    ({"capacity": 2**40, "rate_period_ns": 2**62 + 1}, "RATE"),
    ({"service": 4}, "UNKNOWN"), ({"instead_of": 0}, "ARGUMENT"),
    ({"instead_of": 0, "mode": 1}, "UNKNOWN"), ({"instead_of": 7, "mode": 1}, "UNKNOWN"),
    ({"scope": 4}, "RANGE"), ({"algorithm": 4}, "RANGE"), ({"mode": 3}, "RANGE"),
    ({"queue": 1}, "ARGUMENT"), ({"exact": 1}, "ARGUMENT"),
    ({"algorithm": 3, "exact": 1, "rate_tokens": 65}, "RANGE"),
    ({"algorithm": 1, "debt": 1}, "ARGUMENT"), ({"deny_when_full": 1}, "ARGUMENT"),
    ({"scope": 2}, "RANGE"), ({"scope": 2, "prefix_v4": 33, "prefix_v6": 64}, "RANGE"),
    ({"scope": 1, "excess": 1}, "ARGUMENT"), ({"user": "ann"}, "ARGUMENT"),
    ({"scope": 3, "service": 0}, "ARGUMENT"), ({"reserve_ppm": [0, 0, 0, 0, 1_000_001]}, "RANGE"),
    ({"max_delay_ns": 1}, "ARGUMENT"), ({"anchor_ns": 1}, "ARGUMENT")])
def test_a_row_that_no_rule_allows_is_refused_and_named(
    limiter: RateLimiter, fields: dict[str, Any], status: str
) -> None:
    rows = Rows(limiter)
    rows.add("bad", **fields)
    assert rows.check() == (getattr(limiter.lib, f"RAY_E_{status}"), 20, 0)


def test_names_tables_and_references_are_checked_over_the_whole_file(limiter: RateLimiter) -> None:
    lib = limiter.lib
    twice = Rows(limiter)
    twice.add("a")
    twice.add("a")
    assert twice.check() == (lib.RAY_E_EXISTS, 20, 1)
    many = Rows(limiter)
    for k in range(lib.RAY_LIMIT_SERVICE_MAX + 1):
        many.add(f"s{k}", service=k % 4)
    assert many.check() == (lib.RAY_E_FULL, 20, lib.RAY_LIMIT_SERVICE_MAX)
    crowd = Rows(limiter)
    for k in range(4):
        crowd.add(f"s{k}")
        crowd.add(f"u{k}", scope=1)
    crowd.add("ip", scope=2, prefix_v4=32, prefix_v6=64)
    assert crowd.check()[0] == lib.RAY_E_FULL
    for rate, status in (({"limit": 1, "plan": 0}, "UNKNOWN"), ({"limit": 0, "plan": 2}, "UNKNOWN"),
                         ({"limit": 0, "plan": 0, "rate_tokens": 0}, "RANGE")):
        rated = Rows(limiter)
        rated.add("u", scope=1)
        rated.rates.append({"rate_tokens": 1, "rate_period_ns": 1, "capacity": 1, **rate})
        assert rated.check()[:2] == (getattr(lib, f"RAY_E_{status}"), 21)
    rated.rates = [
        {"rate_tokens": 1, "rate_period_ns": 1, "capacity": 1, "limit": 0, "plan": 0}
    ] * 2
    assert rated.check() == (lib.RAY_E_EXISTS, 21, 1)


# -- reloads ------------------------------------------------------------------------------------
def test_an_unchanged_limit_keeps_its_level_over_a_thousand_reloads(limiter: RateLimiter) -> None:
    rows = Rows(limiter)
    rows.add("total", rate_period_ns=3600 * S)
    rows.add("user", scope=1, rate_period_ns=3600 * S)
    rows.load(0)
    assert take(limiter, 4, 0)
    for k in range(1000):
        before = limiter.snapshot()
        assert rows.load(k) == (2, 0)
        assert limiter.snapshot() == before
    assert limiter.get_tokens(0, now_ns=1000) == 6
    assert limiter.get_tokens(1, user_id="ann", now_ns=1000) == 6


def test_a_changed_limit_is_clamped_and_never_refilled(limiter: RateLimiter) -> None:
    rows = Rows(limiter)
    rows.add("total", rate_period_ns=3600 * S)
    rows.add("user", scope=1, rate_period_ns=3600 * S)
    rows.load(0)
    assert take(limiter, 3, 0)
    for capacity, left in ((20, 7), (5, 5), (40, 5), (2, 2), (10, 2)):
        for row in rows.limits:
            row["capacity"] = capacity
        assert rows.load(0) == (0, 2)
        assert limiter.get_tokens(0, now_ns=0) == left
        assert limiter.get_tokens(1, user_id="ann", now_ns=0) == left


def test_rows_may_move_and_holds_of_moved_limits_end(limiter: RateLimiter) -> None:
    rows = Rows(limiter)
    rows.add("a", rate_period_ns=3600 * S)
    rows.add("b", rate_period_ns=3600 * S)
    rows.load(0)
    answer, hold = limiter.allow_refundable(RateLimitRequest(0, tokens_required=4), now_ns=0)
    assert answer.allowed and hold is not None
    limiter.allow(1, 2, now_ns=0)
    rows.limits.reverse()
    assert rows.load(0) == (2, 0)
    assert [limiter.limit(k).name for k in (0, 1)] == ["b", "a"]
    assert [limiter.get_tokens(k, now_ns=0) for k in (0, 1)] == [4, 6]
    limiter.refund(hold, now_ns=0)
    assert [limiter.get_tokens(k, now_ns=0) for k in (0, 1)] == [4, 6]
    assert limiter.stats().stale_hold_count == 2


def test_a_limit_that_left_and_came_back_begins_full(limiter: RateLimiter) -> None:
    rows, empty = Rows(limiter), Rows(limiter)
    rows.add("user", scope=1, rate_period_ns=3600 * S)
    rows.load(0)
    assert take(limiter, 10, 0)
    empty.load(0)
    assert limiter.stats().user_key_count == 0
    assert limiter.limits() == ()
    rows.load(0)
    assert limiter.get_tokens(0, user_id="ann", now_ns=0) == 10


@pytest.mark.parametrize("old", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("new", [0, 1, 2, 3, 4])
def test_a_limit_that_changes_its_algorithm_gives_no_more_than_was_left(
    limiter: RateLimiter, old: int, new: int
) -> None:
    kinds = [{"algorithm": 0}, {"algorithm": 1}, {"algorithm": 2}, {"algorithm": 3},
             {"algorithm": 3, "exact": 1}]
    for scope in (0, 1):
        rows = Rows(limiter)
        rows.add("x", scope=scope, rate_tokens=10, rate_period_ns=3600 * S, **kinds[old])
        rows.load(S)
        assert take(limiter, 7, S)
        rows.limits[0] |= {"algorithm": 0, "exact": 0, **kinds[new]}
        assert rows.load(S) == ((1, 0) if old == new else (0, 1))
        assert limiter.get_tokens(0, user_id="ann", now_ns=S) == 3
        assert not take(limiter, 4, S)
        assert take(limiter, 3, S)
        Rows(limiter).load(S)


def test_plans_are_loaded_and_changed_by_file(limiter: RateLimiter) -> None:
    rows = Rows(limiter)
    rows.add("user", scope=1, rate_period_ns=3600 * S)
    rows.rates.append({"rate_tokens": 100, "rate_period_ns": 3600 * S, "capacity": 100, "limit": 0,
                       "plan": 1})
    rows.load(0)

    def ask(plan: int | None, tokens: int) -> tuple[bool, int]:
        answer = limiter.allow_request(RateLimitRequest(0, "ann", tokens, plan_id=plan), now_ns=0)
        return answer.allowed, answer.tokens_remaining

    assert ask(1, 40) == (True, 60)
    rows.rates[0]["capacity"] = 50
    assert rows.load(0) == (0, 1)
    assert ask(1, 0) == (True, 50)
    rows.rates.clear()
    rows.load(0)
    assert ask(1, 0) == (True, 10)


def test_a_handle_from_before_a_reload_is_the_place_in_the_new_file(limiter: RateLimiter) -> None:
    first = limiter.add_token_bucket(0, capacity=1, refill_rate=1, name="live")
    limiter.remove_limit(first)
    second = limiter.add_token_bucket(0, capacity=1, refill_rate=1, name="live")
    rows = Rows(limiter)
    rows.add("live", service=0, capacity=1)
    rows.load(0)
    assert second != 0
    assert limiter.limit(0).name == "live"
    limiter.remove_limit(0)
    third = limiter.add_token_bucket(0, capacity=1, refill_rate=1, name="live",
                                     scope=LimitScope.SERVICE)
    assert third not in (0, first, second)
