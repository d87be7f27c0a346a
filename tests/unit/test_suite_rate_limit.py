# SPDX-License-Identifier: MIT
"""The shared rate-limit suite: 115 steps of golang.org/x/time/rate (33 + 66) and throttled (16),
and 39 header values of the IETF draft.

How far our rules cover theirs:
- `allow` sequences run as they are on a token bucket: tokens before and verdict.
- `reserve` runs on a leaky queue of the same rate. Their token level is burst minus our backlog;
  our queue says when the *next* request could start, and theirs may act one burst earlier. `allow`
  between reservations is a request that does not wait. A cost above the burst is what our token
  bucket of that size calls NEVER.
- `cancel` is refund, and release once it has acted: what was sent stays booked. Ours takes back
  only the last departure, so a cancel in the middle gives nothing, where theirs gives what later
  reservations do not stand on: the steps after such a cancel are not covered (Cancel1Token,
  CancelMulti, ReserveJumpBackCancel).
- `set_rate` is update_rate, which ends open holds without a refund: the step after the cancel of
  ReserveSetLimitCancel is not covered. `set_burst` by k books k more: both keep their tokens.
- A clock that goes back passes the clock gate of DESIGN.md section 4 first, as every event of the
  pipeline does; as with them, what was not granted leaves the clock where it was.
- gcra runs as it is; `reset_after_ms` is our full_ns.
- headers: every value that is a whole sf-list of strings is read back by the reader below; the
  rest are named. What the core can say (name, q, w and name, r, t) it also writes, byte for byte,
  from limits that have these numbers.
"""

from __future__ import annotations

import json
import re
from typing import Any

from host_sim.modules.ratelimit import NEVER, Hold, RateLimiter, RateLimitRequest
from tests.data import data

MS = 1_000_000


# Where a sequence leaves our rules: the first step that is not covered.
LEAVES = {"Cancel1Token": 4, "CancelMulti": 6, "ReserveJumpBackCancel": 4,
          "ReserveSetLimitCancel": 4}


class Gate:
    """The live clock gate: time that goes back counts as none, and goes on from there."""

    def __init__(self) -> None:
        self.out = self.last = 0

    def look(self, raw: int) -> int:
        return self.out + max(raw - self.last, 0)

    def go(self, raw: int) -> int:
        self.out, self.last = self.look(raw), raw
        return self.out


def load(name: str) -> Any:
    return json.loads(data("rate-limit", name).read_text())


def test_token_bucket_allow_sequences() -> None:
    steps = 0
    for sequence in load("token_bucket_allow.json"):
        limiter = RateLimiter(profile="tiny")
        bucket = limiter.add_token_bucket(0, capacity=sequence["burst"],
                                          refill_rate=sequence["rate_per_s"])
        gate = Gate()
        for step in sequence["steps"]:
            now = gate.look(step["at_ms"] * MS)
            assert limiter.get_tokens(bucket, now_ns=now) == step["tokens_before"]
            allowed = limiter.allow(bucket, step["cost"], now_ns=now)
            assert allowed == step["allowed"], step
            if allowed:
                gate.go(step["at_ms"] * MS)
            steps += 1
    print(f"token_bucket_allow: {steps} of 33 steps")
    assert steps == 33


def test_gcra_sequence() -> None:
    suite, steps = load("gcra.json"), 0
    limiter = RateLimiter(profile="tiny")
    bucket = limiter.add_token_bucket(0, capacity=suite["burst"], refill_rate=suite["rate_per_s"])
    for row in suite["steps"]:
        at, cost, remaining, reset, retry, limited = row
        answer = limiter.allow_request(RateLimitRequest(0, tokens_required=cost), now_ns=at * MS)
        assert answer.allowed != limited
        assert limiter.get_tokens(bucket, now_ns=at * MS) == remaining
        assert limiter.bucket(bucket, now_ns=at * MS).full_ns == reset * MS
        if limited and retry >= 0:
            assert answer.retry_after_ns == retry * MS
        if limited and retry < 0:
            assert answer.retry_after_ns == NEVER
        steps += 1
    print(f"gcra: {steps} steps")
    assert steps == 16


class Reservations:
    """Their Reserve on our leaky queue."""

    def __init__(self, rate: int, burst: int) -> None:
        self.limiter, self.burst, self.rate = RateLimiter(profile="tiny"), burst, rate
        self.queue = self.limiter.add_leaky_bucket(0, capacity=1 << 20, leak_rate=rate,
                                                   max_delay_ns=NEVER)
        self.size = self.limiter.add_token_bucket(1, capacity=burst, refill_rate=rate)
        self.held: dict[str, tuple[Hold, int]] = {}

    def tokens(self, now: int) -> int:
        return self.burst - self.limiter.bucket(self.queue, now_ns=now).used_tokens

    def acts_at(self, now: int) -> int:
        """When what is booked last may act: one burst before the next could start."""
        start = self.limiter.peek_available(RateLimitRequest(0), now_ns=now).start_at_ns
        return max(now, start - self.burst * 1000 * MS // self.rate)

    def reserve(self, now: int, cost: int, wait: int | None, name: str) -> int | None:
        too_much = RateLimitRequest(1, tokens_required=cost)
        if self.limiter.estimate_wait_time(too_much, now_ns=now) == NEVER:
            return None
        answer, hold = self.limiter.allow_refundable(
            RateLimitRequest(0, tokens_required=cost), now_ns=now)
        assert answer.allowed and hold is not None
        acts = self.acts_at(now)
        if wait is not None and acts - now > wait:
            self.limiter.refund(hold, now_ns=now)
            return None
        self.held[name] = (hold, acts)
        return acts

    def cancel(self, now: int, name: str) -> None:
        if name in self.held:
            hold, acts = self.held.pop(name)
            end = self.limiter.refund if now < acts else self.limiter.release
            end(hold, now_ns=now)

    def allow(self, now: int, cost: int) -> bool:
        if self.tokens(now) < cost:
            return False
        return self.limiter.allow(self.queue, cost, now_ns=now)

    def set_burst(self, now: int, burst: int) -> None:
        self.limiter.allow(self.queue, burst - self.burst, now_ns=now)
        self.limiter.update_rate(self.size, self.rate, capacity=burst, now_ns=now)
        self.burst = burst

    def set_rate(self, now: int, rate: int) -> None:
        self.rate = rate
        self.limiter.update_rate(self.queue, rate, now_ns=now)


def run_step(queue: Reservations, gate: Gate, step: dict[str, Any]) -> None:
    raw = step["at_ms"] * MS
    now = gate.look(raw)
    passed = True
    if step["op"] == "reserve":
        wait = step.get("max_wait_ms")
        acts = queue.reserve(now, step["cost"], None if wait is None else wait * MS,
                             step.get("id", ""))
        passed = acts is not None
        assert passed == step["ok"], step
        if acts is not None:
            assert raw + acts - now == step["act_at_ms"] * MS, step
    elif step["op"] == "allow":
        assert queue.tokens(now) == step["tokens_before"], step
        passed = queue.allow(now, step["cost"])
        assert passed == step["allowed"], step
    elif step["op"] == "cancel":
        queue.cancel(now, step["id"])
    elif step["op"] == "set_rate":
        queue.set_rate(now, step["rate_per_s"])
    else:
        assert step["op"] == "set_burst"
        queue.set_burst(now, step["burst"])
    if passed:
        gate.go(raw)


def test_token_bucket_reserve_sequences() -> None:
    covered = total = 0
    for sequence in load("token_bucket_reserve.json"):
        queue, gate = Reservations(sequence["rate_per_s"], sequence["burst"]), Gate()
        for place, step in enumerate(sequence["steps"]):
            total += 1
            if place < LEAVES.get(sequence["name"], len(sequence["steps"])):
                run_step(queue, gate, step)
                covered += 1
        assert queue.limiter.valid() == 0
    print(f"token_bucket_reserve: {covered} of {total} steps")
    assert (covered, total) == (62, 66)


# -- headers ------------------------------------------------------------------------------------
MEMBER = re.compile(r'"((?:[^"\\]|\\.)*)"((?:;[a-z*][a-z0-9_.*-]*=(?:"[^"]*"|:[^:]*:|-?[0-9]+))*)')


def read_list(value: str) -> list[tuple[str, dict[str, Any]]] | None:
    """An sf-list of strings with parameters (RFC 9651); None when it is not one."""
    members, at = [], 0
    while True:
        match = MEMBER.match(value, at)
        if match is None:
            return None
        pairs = [pair.split("=", 1) for pair in match[2].split(";")[1:]]
        members.append((match[1], {k: int(v) if v.lstrip("-").isdigit() else v for k, v in pairs}))
        at = match.end()
        if at == len(value):
            return members
        comma = re.compile(r"[ \t]*,[ \t]*").match(value, at)
        if comma is None:
            return None
        at = comma.end()


def policy_of(members: list[tuple[str, dict[str, Any]]]) -> str:
    limiter = RateLimiter()
    for name, parameters in members:
        limiter.add_fixed_window(0, limit=parameters["q"], window_ns=parameters["w"] * 1000 * MS,
                                 name=name)
    return limiter.headers(RateLimitRequest(0))["RateLimit-Policy"]


def state_of(members: list[tuple[str, dict[str, Any]]]) -> str:
    """A window `t` seconds before its end of which `r` are left after the request."""
    limiter = RateLimiter()
    for name, parameters in members:
        limiter.add_fixed_window(0, limit=parameters["r"] + 1, name=name,
                                 window_ns=parameters["t"] * 1000 * MS)
    limiter.allow_request(RateLimitRequest(0), now_ns=0)
    return limiter.headers(RateLimitRequest(0, tokens_required=0), now_ns=0)["RateLimit"]


def test_ratelimit_header_examples() -> None:
    read, written, odd = 0, 0, []
    for example in load("ratelimit_header_examples.json"):
        members = read_list(example["value"])
        if members is None:
            odd.append(example["value"])
            continue
        read += 1
        spaced = ", ".join(
            f'"{name}"' + "".join(f";{k}={v}" for k, v in pairs.items())
            for name, pairs in members)
        assert spaced == re.sub(r",[ \t]*(?=\")", ", ", example["value"])
        if all(list(pairs) == ["q", "w"] for _name, pairs in members):
            assert policy_of(members) == spaced
            written += 1
        elif all(list(pairs) == ["r", "t"] for _name, pairs in members):
            assert state_of(members) == spaced
            written += 1
    print(f"headers: {read + len(odd)} values, {read} read, {written} also written, not lists of "
          f"strings: {odd}")
    assert read + len(odd) == 39
    assert all(not value.startswith('"') for value in odd)
    assert written >= 20
