# SPDX-License-Identifier: MIT
"""ratelimit: how fast a service, a user, an address or a named pool may be asked.

Rates are whole tokens per whole nanoseconds and exact for ever: a bucket of 1 000 000 per 3 days
grants exactly that after a century. No floats anywhere. Rules: SEMANTICS.md, "ratelimit"; the C
core behind it: ray/ratelimit.h.
"""

from __future__ import annotations

from typing import Any, Unpack

from host_sim.decision import NEVER, NONE
from host_sim.errors import ArgumentError, RangeError, RateError, RaygateError, check
from host_sim.modules.base import u64
from host_sim.modules.ratelimit_reading import Key
from host_sim.modules.ratelimit_try import Batch, RateLimitTry
from host_sim.modules.ratelimit_types import (
    NEVER_MS,
    SECOND_NS,
    Bucket,
    Hold,
    LeakyBucket,
    LimitAnswer,
    LimiterStats,
    LimitInfo,
    LimitMode,
    LimitScope,
    LimitStats,
    LimitTerms,
    Priority,
    RateLimitAlgorithm,
    RateLimitRequest,
    RateLimitResponse,
    TokenBucket,
    WindowLimit,
)

__all__ = [
    "NEVER",
    "NEVER_MS",
    "Batch",
    "Bucket",
    "Hold",
    "LeakyBucket",
    "LimitAnswer",
    "LimitInfo",
    "LimitMode",
    "LimitScope",
    "LimitStats",
    "LimitTerms",
    "LimiterStats",
    "Priority",
    "RateLimitAlgorithm",
    "RateLimitRequest",
    "RateLimitResponse",
    "RateLimiter",
    "TokenBucket",
    "WindowLimit",
]


class RateLimiter(RateLimitTry):
    """256 service limits and 512 user limits (profile seed), decided by the C core.

    Alone it owns a state of its own, seeded by 16 bytes; with `kernel` it works on that Kernel's,
    and every control call is audited there. Time is `now_ns`, nanoseconds that never run backwards
    (an earlier one counts as the latest seen; None is the latest seen); the wall clock, which only
    fixed windows follow, is now + `wall_offset_ns`.
    """

    # -- control --------------------------------------------------------------------------------
    def add_token_bucket(
        self,
        service_id: int | None = None,
        *,
        capacity: int,
        refill_rate: int,
        per_ns: int = SECOND_NS,
        now_ns: int | None = None,
        **terms: Unpack[LimitTerms],
    ) -> int:
        """Registers a token bucket, full, of `refill_rate` tokens per `per_ns`; returns its id.

        `service_id` None counts every service's requests. Raises FullError when its table is full
        or requests would meet more than eight limits, ExistsError for a taken name, RateError for
        a rate that cannot be held exactly (naming the nearest that can), RangeError and
        ArgumentError for what no rule allows; then nothing has changed."""
        fields = {"algorithm": RateLimitAlgorithm.TOKEN_BUCKET,
                  "capacity": u64(capacity, "capacity")}
        return self._add(service_id, refill_rate, per_ns, fields, terms, now_ns)

    def add_leaky_bucket(
        self,
        service_id: int | None = None,
        *,
        capacity: int,
        leak_rate: int,
        per_ns: int = SECOND_NS,
        max_delay_ns: int | None = None,
        now_ns: int | None = None,
        **terms: Unpack[LimitTerms],
    ) -> int:
        """Registers a leaky bucket, empty, that leaks `leak_rate` per `per_ns`; returns its id.

        As a meter it admits what fits; with `max_delay_ns` it is a queue: what must wait is
        admitted with a `start_at_ns`, and refused when the wait would be longer. Raises as
        add_token_bucket."""
        fields = {"algorithm": RateLimitAlgorithm.LEAKY_BUCKET,
                  "capacity": u64(capacity, "capacity"), "queue": int(max_delay_ns is not None),
                  "max_delay_ns": u64(max_delay_ns or 0, "max_delay_ns")}
        return self._add(service_id, leak_rate, per_ns, fields, terms, now_ns)

    def add_fixed_window(
        self,
        service_id: int | None = None,
        *,
        limit: int,
        window_ns: int,
        anchor_ns: int = 0,
        now_ns: int | None = None,
        **terms: Unpack[LimitTerms],
    ) -> int:
        """Registers `limit` tokens per window of `window_ns`, windows starting at the wall-clock
        instant `anchor_ns` and every window after; returns its id. Up to twice the limit may pass
        in a window's length across a boundary. Raises as add_token_bucket."""
        fields = {"algorithm": RateLimitAlgorithm.FIXED_WINDOW, "anchor_ns": anchor_ns}
        return self._add(service_id, limit, window_ns, fields, terms, now_ns)

    def add_sliding_window(
        self,
        service_id: int | None = None,
        *,
        limit: int,
        window_ns: int,
        exact: bool = False,
        now_ns: int | None = None,
        **terms: Unpack[LimitTerms],
    ) -> int:
        """Registers `limit` tokens per sliding `window_ns`; returns its id. Weighted: the window
        before counts by the part of it that still overlaps. `exact` keeps every instant, for limits
        up to 64: never more than the limit in any window. Raises as add_token_bucket."""
        fields = {"algorithm": RateLimitAlgorithm.SLIDING_WINDOW, "exact": int(exact)}
        return self._add(service_id, limit, window_ns, fields, terms, now_ns)

    def _add(self, service_id: int | None, rate: int, per_ns: int, fields: dict[str, Any],
             terms: LimitTerms, now_ns: int | None) -> int:
        spec = self.ffi.new("ray_limit_spec *")
        scope = terms.get("scope", LimitScope.SERVICE)
        name = terms.get("name") or self._next_name(self.lib.ray_ratelimit_find, "limit")
        self._set_name(spec.name, name, "name")
        self._set_name(spec.user, terms.get("user_id", b""), "user_id")
        for priority, ppm in terms.get("reserve", {}).items():
            if not 0 <= ppm <= 1_000_000:
                raise RangeError(f"a reserve is 0 to 1000000 parts per million, not {ppm}")
            spec.reserve_ppm[int(priority)] = ppm
        ip = scope == LimitScope.IP
        self._fill(spec, {
            **fields,
            "rate_tokens": u64(rate, "rate"),
            "rate_period_ns": u64(per_ns, "per_ns"),
            "excess": u64(terms.get("excess", 0), "excess"),
            "service": NONE if service_id is None else service_id,
            "instead_of": terms.get("instead_of", NONE),
            "scope": int(scope),
            "mode": int(terms.get("mode", LimitMode.ENFORCE)),
            "debt": int(terms.get("debt", False)),
            "deny_when_full": int(terms.get("deny_when_full", False)),
            "prefix_v4": terms.get("prefix_v4", 32) if ip else 0,
            "prefix_v6": terms.get("prefix_v6", 64) if ip else 0,
        })
        out, now = self.ffi.new("uint32_t *"), self._pass(now_ns)
        status = self.lib.ray_ratelimit_add(self._state, now, spec, out)
        if status == RateError.status:
            raise self._rate_error(spec)
        check(status, f"add limit {name!r}, {rate} per {per_ns} ns")
        self._edited("ADD", "LIMIT", out[0], 0, rate)
        return int(out[0])

    def _rate_error(self, spec: Any) -> RaygateError:
        tokens, period = self.ffi.new("uint64_t *"), self.ffi.new("uint64_t *")
        check(self.lib.ray_ratelimit_nearest(spec, tokens, period), "no rate fits this capacity")
        return RateError(f"{spec.rate_tokens} per {spec.rate_period_ns} ns with capacity "
                         f"{spec.capacity} cannot be held exactly; the nearest rate that can is "
                         f"{tokens[0]} per {period[0]} ns")

    def update_rate(
        self,
        limit_id: int,
        refill_rate: int,
        *,
        per_ns: int = SECOND_NS,
        capacity: int | None = None,
        plan_id: int | None = None,
        now_ns: int | None = None,
    ) -> None:
        """Changes a limit's rate, and its capacity unless None, or with `plan_id` those of a plan
        (users and addresses only). Accrues at the old rate, then clamps: a token bucket keeps its
        tokens, a leaky bucket its level, a window its count; nothing is minted. Raises RateError,
        RangeError, ArgumentError, UnknownError, StaleError."""
        before = self.ffi.new("ray_limit_rate_spec *")
        plan = NONE if plan_id is None else plan_id
        check(self.lib.ray_ratelimit_read_rate(self._state, limit_id, plan, before),
              f"no limit {limit_id}")
        rate = self.ffi.new("ray_limit_rate_spec *")
        self._fill(rate, {
            "rate_tokens": u64(refill_rate, "refill_rate"),
            "rate_period_ns": u64(per_ns, "per_ns"),
            "capacity": before.capacity if capacity is None else u64(capacity, "capacity"),
            "plan": plan,
        })
        status = self.lib.ray_ratelimit_set_rate(self._state, self._pass(now_ns), limit_id, rate)
        check(status, f"limit {limit_id}: {refill_rate} per {per_ns} ns")
        self._edited("SET", "LIMIT", limit_id, before.rate_tokens, refill_rate)

    def handle_burst(self, limit_id: int, excess: int, *, now_ns: int | None = None) -> None:
        """Supports brief bursts above the baseline: a second bucket of `excess` tokens that only
        what overflows the first one fills (RFC 2697); 0 takes it away. A new one begins empty.
        Unkeyed token buckets only: ArgumentError; UnknownError, StaleError."""
        before = self.limit(limit_id).excess
        now = self._pass(now_ns)
        check(self.lib.ray_ratelimit_set_excess(self._state, now, limit_id, u64(excess, "excess")),
              f"limit {limit_id}: excess {excess}")
        self._edited("SET", "LIMIT", limit_id, before, excess)

    def set_mode(self, limit_id: int, mode: LimitMode, *, now_ns: int | None = None) -> None:
        """Enforce, shadow or off. Raises StateError for one that stands in for another,
        UnknownError, StaleError."""
        before = self.limit(limit_id).mode
        check(self.lib.ray_ratelimit_set_mode(self._state, self._pass(now_ns), limit_id, mode),
              f"limit {limit_id}: mode {mode}")
        self._edited("SET", "LIMIT", limit_id, int(before), int(mode))

    def remove_limit(self, limit_id: int, *, now_ns: int | None = None) -> None:
        """Forgets a limit and its keys; its id is stale from then on. Raises UsedError while a
        shadow stands in for it, UnknownError, StaleError."""
        check(self.lib.ray_ratelimit_remove(self._state, self._pass(now_ns), limit_id),
              f"remove limit {limit_id}")
        self._edited("REMOVE", "LIMIT", limit_id, 0, 0)

    def reset_bucket(
        self,
        limit_id: int | None = None,
        *,
        user_id: Key | None = None,
        client: Key | None = None,
        client_ip: str | None = None,
        now_ns: int | None = None,
    ) -> None:
        """As newly created, full: one limit with all its keys, one key of it, or every limit
        (None). Raises UnknownError for a key without a bucket, StaleError."""
        now = self._pass(now_ns)
        who = self._who(user_id, client, client_ip)
        if limit_id is None:
            self.lib.ray_ratelimit_reset_all(self._state, now)
        elif who == self.ffi.NULL:
            check(self.lib.ray_ratelimit_reset(self._state, now, limit_id), f"limit {limit_id}")
        else:
            check(self.lib.ray_ratelimit_reset_key(self._state, now, limit_id, who),
                  f"limit {limit_id}: this key")
        self._edited("RESET", "LIMIT", NONE if limit_id is None else limit_id, 0, 0)

    def drain_bucket(
        self,
        limit_id: int,
        *,
        hold_ns: int = 0,
        user_id: Key | None = None,
        client: Key | None = None,
        client_ip: str | None = None,
        now_ns: int | None = None,
    ) -> None:
        """Emergency stop: nothing is left, for keys not yet seen too, and it refills from now on.
        With `hold_ns` nothing is granted before that has passed, with NEVER until reset_bucket; a
        hold is for a whole limit. Raises ArgumentError, FullError, UnknownError, StaleError."""
        who = self._who(user_id, client, client_ip)
        if who != self.ffi.NULL and hold_ns:
            raise ArgumentError("a hold shuts a whole limit, not one key")
        now = self._pass(now_ns)
        if who == self.ffi.NULL:
            status = self.lib.ray_ratelimit_drain(self._state, now, limit_id,
                                                  u64(hold_ns, "hold_ns"))
        else:
            status = self.lib.ray_ratelimit_drain_key(self._state, now, limit_id, who)
        check(status, f"drain limit {limit_id}")
        self._edited("DRAIN", "LIMIT", limit_id, 0, hold_ns)

    # -- requests -------------------------------------------------------------------------------
    def _asked(self, request: RateLimitRequest, now: int) -> Any:
        """The core's answer; a request that cannot be asked is counted and raised."""
        try:
            query = self._ask_of(request)
            check(self.lib.ray_ratelimit_ask(self._state, now, query, self._answer),
                  f"ask for {request}")
        except RaygateError:
            self.lib.ray_ratelimit_count_error(self._state)
            raise
        return self._answer

    def allow_request(
        self, request: RateLimitRequest, *, now_ns: int | None = None
    ) -> RateLimitResponse:
        """Asks every limit that applies and books all of them or none.

        A denial is an answer, not an exception, and takes nothing. `tokens_required` 0 only looks.
        Raises RangeError for a negative cost or one beyond 64 bits, ArgumentError and UnknownError
        for named limits that are not; such a request is counted as an error and changes nothing
        else."""
        response, _hold = self._allow(request, now_ns, False)
        return response

    def allow_refundable(
        self, request: RateLimitRequest, *, now_ns: int | None = None
    ) -> tuple[RateLimitResponse, Hold | None]:
        """As `allow_request`; when it is allowed the Hold can give back what was taken."""
        return self._allow(request, now_ns, True)

    def _allow(self, request: RateLimitRequest, now_ns: int | None,
               hold: bool) -> tuple[RateLimitResponse, Hold | None]:
        lib, now = self.lib, self._pass(now_ns)
        answer = self._asked(request, now)
        holds, count = self.ffi.NULL, 0
        if hold:
            holds = self.ffi.new("ray_limit_hold[]", lib.RAY_REQUEST_LIMIT_MAX)
        count = lib.ray_ratelimit_take(self._state, now, answer, 1, holds)
        lib.ray_ratelimit_note(self._state, now, answer, answer.granted)
        kept = Hold(bytes(self.ffi.buffer(holds)), count) if hold and count else None
        return self._response(answer), kept

    def refund(self, hold: Hold, *, now_ns: int | None = None) -> None:
        """Gives back what a take booked, or as much of it as a twin without the request would have
        by now: never more. Once for each hold; a bucket that was reset, changed or evicted since
        gives nothing and counts it."""
        holds = self.ffi.from_buffer("ray_limit_hold[]", hold.holds)
        self.lib.ray_ratelimit_refund(self._state, self._pass(now_ns), holds, hold.count)

    def release(self, hold: Hold, *, now_ns: int | None = None) -> None:
        """Keeps what a take booked; it cannot be refunded any more."""
        holds = self.ffi.from_buffer("ray_limit_hold[]", hold.holds)
        self.lib.ray_ratelimit_release(self._state, self._pass(now_ns), holds, hold.count)

    # -- one limit, directly --------------------------------------------------------------------
    def fork(self) -> RateLimiter:
        """A second limiter that begins with the same bytes; alone, even if this one has a
        Kernel."""
        twin = RateLimiter(profile=self.profile,
                           now_ns=self._at(None), wall_offset_ns=self.wall_offset_ns)
        self.ffi.memmove(twin._state, self._state, self._bytes)
        return twin
