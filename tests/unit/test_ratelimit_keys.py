# SPDX-License-Identifier: MIT
"""ratelimit: one bucket per user and per network, in tables that never forget what matters."""

from __future__ import annotations

import array
import random
from typing import Any

import pytest

from host_sim.errors import ArgumentError, FullError, UnknownError
from host_sim.modules.ratelimit import (
    NEVER,
    Batch,
    LimitScope,
    RateLimiter,
    RateLimitRequest,
)

S = 1_000_000_000
DAY = 86_400 * S


def user(name: str | bytes, tokens: int = 1, **more: Any) -> RateLimitRequest:
    return RateLimitRequest(user_id=name, tokens_required=tokens, **more)


def ip(address: str, tokens: int = 1) -> RateLimitRequest:
    return RateLimitRequest(client_ip=address, tokens_required=tokens)


def per_user(profile: str = "tiny", **terms: Any) -> tuple[RateLimiter, int]:
    limiter = RateLimiter(profile=profile, seed=b"0123456789abcdef")
    terms = {"capacity": 4, "refill_rate": 1, "scope": LimitScope.USER, **terms}
    return limiter, limiter.add_token_bucket(**terms)


# -- addresses ----------------------------------------------------------------------------------
def test_a_v4_address_and_its_mapped_form_are_one_client_and_no_other() -> None:
    limiter = RateLimiter(profile="tiny")
    limiter.add_token_bucket(capacity=2, refill_rate=1, scope=LimitScope.IP)
    assert limiter.allow_request(ip("1.2.3.4"), now_ns=0).allowed
    assert limiter.allow_request(ip("::ffff:1.2.3.4"), now_ns=0).allowed
    assert not limiter.allow_request(ip("1.2.3.4"), now_ns=0).allowed
    assert limiter.allow_request(ip("1.2.3.5"), now_ns=0).allowed
    assert limiter.allow_request(ip("::1.2.3.4"), now_ns=0).allowed


def test_a_million_addresses_of_one_v6_network_share_one_bucket() -> None:
    limiter = RateLimiter(profile="tiny")
    limit = limiter.add_token_bucket(capacity=5, refill_rate=1, scope=LimitScope.IP)
    picks = random.Random(7)
    passed = sum(
        limiter.allow_request(
            ip(f"2001:db8:1:2:{picks.getrandbits(16):x}::{k:x}"), now_ns=0
        ).allowed
        for k in range(2000)
    )
    assert passed == 5
    assert limiter.get_limit_stats(limit).key_count == 1
    assert limiter.allow_request(ip("2001:db8:1:3::1"), now_ns=0).allowed


@pytest.mark.parametrize(("v4", "v6", "same", "other"), [
    (24, 48, ("10.0.0.1", "10.0.0.255"), ("10.0.0.1", "10.0.1.1")),
    (1, 1, ("10.0.0.1", "127.255.255.255"), ("10.0.0.1", "128.0.0.1")),
    (32, 48, ("2001:db8:5::1", "2001:db8:5:ffff::1"), ("2001:db8:5::1", "2001:db8:6::1")),
    (32, 128, ("2001:db8::1", "2001:db8::1"), ("2001:db8::1", "2001:db8::2")),
    (32, 65, ("2001:db8::1", "2001:db8::7fff:0:0:1"), ("2001:db8::1", "2001:db8::8000:0:0:1"))])
def test_networks_are_cut_at_the_prefix(v4: int, v6: int, same: tuple[str, str],
                                        other: tuple[str, str]) -> None:
    for first, second in (same, other):
        limiter = RateLimiter(profile="tiny")
        limiter.add_token_bucket(capacity=1, refill_rate=1, scope=LimitScope.IP, prefix_v4=v4,
                                 prefix_v6=v6)
        assert limiter.allow_request(ip(first), now_ns=0).allowed
        assert limiter.allow_request(ip(second), now_ns=0).allowed == ((first, second) == other)


def test_a_key_that_is_missing_or_empty_is_a_key_of_its_own_never_no_limit() -> None:
    limiter, limit = per_user()
    assert [limiter.allow_request(user(b""), now_ns=0).allowed for _ in range(5)] == [True] * 4 + [
        False]
    assert limiter.allow_request(user("ann"), now_ns=0).allowed
    limiter = RateLimiter(profile="tiny")
    limiter.add_token_bucket(capacity=1, refill_rate=1, scope=LimitScope.IP)
    nobody = RateLimitRequest()
    assert limiter.allow_request(nobody, now_ns=0).allowed
    assert not limiter.allow_request(nobody, now_ns=0).allowed
    assert limiter.allow_request(RateLimitRequest(client="host"), now_ns=0).allowed
    assert limit is not None


def test_one_user_has_one_budget_over_many_services() -> None:
    limiter, _limit = per_user("seed", capacity=10)
    answers = [limiter.allow_request(user("ann", service_id=n), now_ns=0).allowed
               for n in range(50)]
    assert answers == [True] * 10 + [False] * 40


# -- the table ----------------------------------------------------------------------------------
def test_only_a_full_bucket_makes_way_and_nobody_notices() -> None:
    limiter, limit = per_user()
    for k in range(8):
        assert limiter.allow_request(user(f"u{k}", 1 + k % 4), now_ns=0).allowed
    folded = limiter.allow_request(user("late"), now_ns=0)
    assert folded.allowed and folded.answers[0].overflow
    assert limiter.get_limit_stats(limit).evicted_count == 0
    own = limiter.allow_request(user("late"), now_ns=S)       # u0 and u4 are full again
    assert own.allowed and not own.answers[0].overflow
    assert limiter.get_limit_stats(limit).evicted_count == 1
    for k in (1, 2, 3, 5, 6, 7):
        left = 4 - (1 + k % 4) + 1
        assert limiter.get_tokens(limit, user_id=f"u{k}", now_ns=S) == left
    assert limiter.valid() == 0


def test_a_full_table_that_fails_closed_says_when_a_place_will_be_free() -> None:
    limiter, limit = per_user(deny_when_full=True)
    for k in range(8):
        limiter.allow_request(user(f"u{k}", 2), now_ns=k)
    answer = limiter.allow_request(user("late"), now_ns=10)
    assert (answer.allowed, answer.reason) == (False, limiter.lib.RAY_REASON_RATE_TABLE_FULL)
    wait = answer.retry_after_ns
    assert wait == 2 * S - 10
    assert not limiter.peek_available(user("late"), now_ns=10 + wait - 1).allowed
    assert limiter.peek_available(user("late"), now_ns=10 + wait).allowed
    assert limiter.get_limit_stats(limit).overflow_count == 1


def test_random_keys_neither_free_an_attacker_nor_hurt_a_victim() -> None:
    limiter, limit = per_user("seed", capacity=50, refill_rate=1, per_ns=3600 * S)
    size = len(limiter.snapshot())
    assert limiter.allow_request(user("victim", 20), now_ns=0).allowed
    attacker = sum(limiter.allow_key(limit, "attacker", now_ns=0) for _ in range(60))
    assert attacker == 50
    for k in range(30_000):
        limiter.allow_key(limit, b"key-%d" % k, now_ns=k)
        if k % 1000 == 0:
            assert not limiter.allow_key(limit, "attacker", now_ns=k)
    assert limiter.get_tokens(limit, user_id="victim", now_ns=30_000) == 30
    stats = limiter.stats()
    assert stats.overflow_count > 25_000 and stats.user_key_count <= 512
    assert len(limiter.snapshot()) == size
    assert limiter.valid() == 0


def test_the_sum_of_grants_is_bounded_by_what_the_table_admits_to() -> None:
    limiter, limit = per_user(capacity=2, refill_rate=1, per_ns=S)
    infinite: dict[int, RateLimiter] = {}
    picks, folded, real, ideal = random.Random(3), 0, 0, 0
    for k in range(4000):
        key, now = picks.randrange(30), k * S // 20
        twin = infinite.setdefault(key, per_user(capacity=2, refill_rate=1, per_ns=S)[0])
        answer = limiter.allow_request(user(f"k{key}"), now_ns=now)
        real += answer.allowed
        folded += answer.answers[0].overflow
        ideal += twin.allow_request(user(f"k{key}"), now_ns=now).allowed
    assert real <= ideal + folded * 2
    assert limiter.get_limit_stats(limit).overflow_count == folded > 0


def test_traffic_on_one_key_changes_no_byte_of_another() -> None:
    limiter, limit = per_user("seed")
    limiter.allow_request(user("ann", 2), now_ns=0)
    kept = limiter.bucket(limit, user_id="ann", now_ns=0)
    for k in range(200):
        limiter.allow_request(user("bob"), now_ns=0)
        assert limiter.bucket(limit, user_id="ann", now_ns=0) == kept
        assert k >= 0
    assert {b.key for b in limiter.buckets(limit, now_ns=0)} == {
        kept.key, limiter.bucket(limit, user_id="bob", now_ns=0).key}


def test_two_new_keys_of_one_request_never_get_one_place() -> None:
    limiter, first = per_user()
    second = limiter.add_token_bucket(capacity=9, refill_rate=1, scope=LimitScope.USER)
    for k in range(4):
        assert limiter.allow_request(user(f"u{k}"), now_ns=0).allowed
    assert limiter.get_limit_stats(first).key_count == 4
    assert limiter.get_limit_stats(second).key_count == 4
    assert limiter.valid() == 0


def test_reset_and_drain_of_one_key_leave_the_others_alone() -> None:
    limiter, limit = per_user()
    for name in ("ann", "bob"):
        limiter.allow_request(user(name, 3), now_ns=0)
    limiter.reset_bucket(limit, user_id="ann", now_ns=0)
    assert [limiter.get_tokens(limit, user_id=n, now_ns=0) for n in ("ann", "bob")] == [4, 1]
    limiter.drain_bucket(limit, user_id="ann", now_ns=0)
    assert [limiter.get_tokens(limit, user_id=n, now_ns=0) for n in ("ann", "bob")] == [0, 1]
    before = limiter.snapshot()
    with pytest.raises(UnknownError):
        limiter.reset_bucket(limit, user_id="nobody", now_ns=0)
    with pytest.raises(ArgumentError):
        limiter.drain_bucket(limit, user_id="ann", hold_ns=NEVER, now_ns=0)
    assert limiter.snapshot() == before


# -- exact logs by key --------------------------------------------------------------------------
def test_keys_with_logs_share_the_pool_and_idle_ones_give_theirs_back() -> None:
    limiter = RateLimiter(profile="tiny")
    limit = limiter.add_sliding_window(limit=2, window_ns=S, exact=True, scope=LimitScope.USER,
                                       deny_when_full=True)
    logs = limiter.lib.RAY_LIMIT_EXACT_MAX // limiter.lib.RAY_LIMIT_EXACT_EACH
    names = [f"u{k}" for k in range(logs)]
    seen = [limiter.allow_request(user(name), now_ns=k) for k, name in enumerate(names)]
    assert [one.allowed for one in seen] == [True] * (logs - 1) + [False]   # one is the limit's own
    wait = seen[-1].retry_after_ns
    late = user(names[-1])
    assert not limiter.peek_available(late, now_ns=logs - 1 + wait - 1).allowed
    assert limiter.allow_request(late, now_ns=logs - 1 + wait).allowed
    assert limiter.stats().exact_log_count == logs
    assert limiter.valid() == 0
    with pytest.raises(FullError):
        limiter.add_sliding_window(limit=2, window_ns=S, exact=True)
    limiter.remove_limit(limit)
    assert limiter.stats().exact_log_count == 0
    assert limiter.valid() == 0


# -- seeds --------------------------------------------------------------------------------------
def test_two_seeds_differ_only_in_identities() -> None:
    answers, keys = [], []
    for seed in (bytes(16), b"another-seed-16b"):
        limiter = RateLimiter(profile="seed", seed=seed)
        limit = limiter.add_token_bucket(capacity=3, refill_rate=1, scope=LimitScope.USER)
        answers.append([limiter.allow_request(user(f"u{k % 7}"), now_ns=k * S // 9)
                        for k in range(200)])
        keys.append({b.key for b in limiter.buckets(limit)})
    assert answers[0] == answers[1]
    assert not keys[0] & keys[1]


def test_keys_chosen_against_an_unkeyed_hash_spread_all_the_same() -> None:
    limiter, limit = per_user("seed", capacity=1, per_ns=3600 * S)
    colliding = [(k << 32).to_bytes(8, "little") for k in range(400)]    # equal low bits
    folded = sum(limiter.allow_request(user(key), now_ns=0).answers[0].overflow
                 for key in colliding)
    assert folded < 100
    assert limiter.get_limit_stats(limit).key_count == 400 - folded


# -- batches ------------------------------------------------------------------------------------
def test_a_batch_says_what_the_calls_one_by_one_would() -> None:
    one, two = RateLimiter(), RateLimiter()
    for limiter in (one, two):
        for service in range(4):
            limiter.add_token_bucket(service, capacity=5 + service, refill_rate=1)
        limiter.add_sliding_window(4, limit=3, window_ns=S)
    picks = random.Random(1)
    ids = array.array("I", [picks.randrange(5) for _ in range(300)] + [99])
    tokens = array.array("I", [picks.randrange(3) for _ in ids])
    at = array.array("Q", sorted(picks.randrange(3 * S) for _ in ids))
    out = bytearray(len(ids))
    granted = one.allow_batch(out, limit_ids=ids, tokens=tokens, at_ns=at, now_ns=0)
    expected = [two.allow(i, n, now_ns=t)
                for i, n, t in zip(ids[:-1], tokens[:-1], at[:-1], strict=True)]
    assert [bool(x) for x in out[:-1]] == expected and out[-1] == 255
    assert granted == sum(expected)
    assert one.snapshot() == two.snapshot()


def test_a_batch_of_numbers_counts_them_as_their_eight_bytes() -> None:
    one, limit = per_user("seed", capacity=2)
    two, _same = per_user("seed", capacity=2)
    keys = array.array("Q", [k % 50 for k in range(200)])
    out = bytearray(len(keys))
    batch = one.batch(out=out, keys=keys, limit_id=limit)
    assert isinstance(batch, Batch)
    assert batch.run(now_ns=0) == 100
    for k in keys:
        two.allow_key(limit, k.to_bytes(8, "little"), now_ns=0)
    assert one.snapshot() == two.snapshot()
    with pytest.raises(ArgumentError):
        one.batch(out=bytearray(3), keys=keys, limit_id=limit)
    with pytest.raises(ArgumentError):
        one.batch(out=out)


@pytest.mark.parametrize("rate", [(7, S), (1000, S), (1, DAY), (1_000_000, 3 * DAY)])
@pytest.mark.parametrize("seed", range(4))
def test_the_short_way_of_one_limit_is_ask_take_and_note(rate: tuple[int, int], seed: int) -> None:
    """With an answer wanted, the core takes the long way: same grants, same bytes."""
    picks = random.Random(seed)
    short, long, batch = RateLimiter(), RateLimiter(), RateLimiter()
    for limiter in (short, long, batch):
        ids = [limiter.add_token_bucket(service, capacity=3 + 40 * service, refill_rate=rate[0],
                                        per_ns=rate[1])
               for service in range(3)]
        limiter.drain_bucket(ids[2], now_ns=0, hold_ns=rate[1] // 2)
    answer = long.ffi.new("ray_limit_answer *")
    out, now_ns, seen = bytearray(1), 0, set()
    for _ in range(1500):
        now_ns += picks.choice((0, 0, 1, rate[1] // rate[0] - 1, rate[1] // (3 * rate[0]), rate[1]))
        at_ns = now_ns - picks.choice((0, 0, 0, min(now_ns, 1000)))
        limit, tokens = picks.choice(ids), picks.choice((1, 1, 1, 1, 0, 2, 500))
        granted = long.lib.ray_ratelimit_try(long._state, at_ns, limit, tokens, answer)
        assert granted == answer.granted == short.allow(limit, tokens, now_ns=at_ns)
        more = {} if tokens == 1 else {"tokens": array.array("I", [tokens])}
        row = array.array("I", [limit])
        assert batch.allow_batch(out, limit_ids=row, now_ns=at_ns, **more) == granted
        assert out[0] == granted
        seen.add((tokens, granted))
    assert {(1, 0), (1, 1), (2, 0), (2, 1), (0, 1), (500, 0)} <= seen
    assert short.snapshot() == long.snapshot() == batch.snapshot()
    assert short.valid() == 0
