# SPDX-License-Identifier: MIT
"""ratelimit: the half of RateLimiter that only reads."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator
from typing import Any

from host_sim.decision import NEVER, NONE
from host_sim.errors import ArgumentError, UnknownError, check
from host_sim.modules.base import Module, row_of, text_bytes, u64
from host_sim.modules.ratelimit_types import (
    NEVER_MS,
    Bucket,
    LeakyBucket,
    LimitAnswer,
    LimiterStats,
    LimitInfo,
    LimitMode,
    LimitScope,
    LimitStats,
    RateLimitAlgorithm,
    RateLimitRequest,
    RateLimitResponse,
    TokenBucket,
    WindowLimit,
)

Key = str | bytes


def milliseconds(ns: int) -> int:
    """Nanoseconds as whole milliseconds, rounded up: rounding down would make callers retry too
    early. NEVER_MS for never and for what does not fit 32 bits."""
    return NEVER_MS if ns == NEVER else min(-(-ns // 1_000_000), NEVER_MS)


class RateLimitReader(Module):
    """Reading a ratelimit state; see RateLimiter."""

    _word = "ratelimit"

    def _init(self, seed: bytes) -> None:
        super()._init(seed)
        self.lib.ray_ratelimit_set_wall(self._state, self._wall_offset_ns)

    @property
    def _limits(self) -> Any:
        """The state, by the name host_sim/decide.py knows it."""
        return self._state

    @functools.cached_property
    def _query(self) -> Any:
        return self.ffi.new("ray_ratelimit_query *")

    @functools.cached_property
    def _answer(self) -> Any:
        return self.ffi.new("ray_ratelimit_answer *")

    # -- queries --------------------------------------------------------------------------------
    def _set_address(self, query: Any, text: str) -> None:
        address = ipaddress.ip_address(text)
        packed = address.packed
        if len(packed) == 4:
            packed = bytes(10) + b"\xff\xff" + packed
        self.ffi.memmove(query.address.at, packed, 16)
        query.address_known = 1

    def _ask_of(self, request: RateLimitRequest) -> Any:
        """The core's query for a request; the bytes it points to are kept by `self`."""
        query = self._query
        self.ffi.memmove(query, self.ffi.new("ray_ratelimit_query *"), self.ffi.sizeof(query[0]))
        user, client = text_bytes(request.user_id), text_bytes(request.client)
        self._kept = (self.ffi.from_buffer("uint8_t[]", user),
                      self.ffi.from_buffer("uint8_t[]", client))
        query.user.at, query.user.length = self._kept[0], len(user)
        query.client.at, query.client.length = self._kept[1], len(client)
        if request.client_ip is not None:
            self._set_address(query, request.client_ip)
        if len(request.limits) > self.lib.RAY_ROUTE_LIMIT_MAX:
            raise ArgumentError(f"at most {self.lib.RAY_ROUTE_LIMIT_MAX} limits are named at once")
        self._fill(
            query,
            {
                "tokens": u64(request.tokens_required, "tokens_required"),
                "wall_offset_ns": self.wall_offset_ns,
                "service": NONE if request.service_id is None else request.service_id,
                "plan": NONE if request.plan_id is None else request.plan_id,
                "priority": int(request.priority),
                "named_count": len(request.limits),
            },
        )
        for place, limit_id in enumerate(request.limits):
            query.named[place] = limit_id
        return query

    def _response(self, answer: Any) -> RateLimitResponse:
        lib, answers, remaining = self.lib, [], NEVER
        for one in answer.at[0 : answer.count]:
            flags = one.flags
            shadow = bool(flags & lib.RAY_LIMIT_SHADOW)
            if not shadow:
                spent = answer.tokens if answer.granted else 0
                remaining = min(remaining, max(one.left_tokens - spent, 0))
            answers.append(
                LimitAnswer(
                    limit_id=one.limit,
                    allowed=bool(one.granted),
                    reason=one.reason,
                    tokens_left=one.left_tokens,
                    retry_after_ns=one.retry_after_ns,
                    start_at_ns=one.start_at_ns,
                    shadow=shadow,
                    yellow=bool(flags & lib.RAY_LIMIT_YELLOW),
                    overflow=bool(flags & lib.RAY_LIMIT_OVERFLOW),
                )
            )
        by = None if answer.by == NONE else answers[answer.by]
        delayed = lib.RAY_REASON_RATE_DELAYED if answer.start_at_ns else lib.RAY_REASON_OK
        return RateLimitResponse(
            allowed=bool(answer.granted),
            tokens_remaining=remaining,
            retry_after_ms=milliseconds(answer.retry_after_ns),
            retry_after_ns=answer.retry_after_ns,
            by=by.limit_id if by else None,
            reason=by.reason if by else delayed if answers else lib.RAY_REASON_NO_LIMIT,
            start_at_ns=answer.start_at_ns,
            shadow_denied_count=answer.shadow_denied_count,
            answers=tuple(answers),
        )

    # -- asking ---------------------------------------------------------------------------------
    def peek_available(
        self, request: RateLimitRequest, *, now_ns: int | None = None
    ) -> RateLimitResponse:
        """What `allow_request` would say, taking nothing and changing no byte. Raises as it does,
        but counts no error."""
        query = self._ask_of(request)
        status = self.lib.ray_ratelimit_ask(self._state, self._at(now_ns), query, self._answer)
        check(status, f"ask for {request}")
        return self._response(self._answer)

    def estimate_wait_time(
        self, request: RateLimitRequest, *, now_ns: int | None = None
    ) -> int:
        """Nanoseconds until the request would be allowed with no other traffic: exact, one less is
        refused. 0 now, NEVER when waiting does not help."""
        return self.peek_available(request, now_ns=now_ns).retry_after_ns

    # -- reading --------------------------------------------------------------------------------
    def find_limit(self, name: str) -> int:
        """The id of the limit called `name`. Raises UnknownError."""
        return self._find(self.lib.ray_ratelimit_find, name, "no limit")

    def _spec(self, limit_id: int) -> tuple[Any, Any]:
        spec, stats = self.ffi.new("ray_limit_spec *"), self.ffi.new("ray_limit_stats *")
        check(
            self.lib.ray_ratelimit_read_limit(self._state, limit_id, spec, stats),
            f"no limit {limit_id}",
        )
        return spec, stats

    def limit(self, limit_id: int) -> LimitInfo:
        """One limit as configured. Raises UnknownError, StaleError."""
        spec, _stats = self._spec(limit_id)
        return LimitInfo(
            limit_id=limit_id,
            name=self._text(spec.name),
            scope=LimitScope(spec.scope),
            algorithm=RateLimitAlgorithm(spec.algorithm),
            mode=LimitMode(spec.mode),
            rate=spec.rate_tokens,
            per_ns=spec.rate_period_ns,
            capacity=spec.capacity,
            excess=spec.excess,
            service_id=None if spec.service == NONE else spec.service,
            instead_of=None if spec.instead_of == NONE else spec.instead_of,
        )

    def limits(self) -> tuple[LimitInfo, ...]:
        """Every limit, by id's place."""
        slot, out = self.ffi.new("uint32_t *"), self.ffi.new("uint32_t *")
        found = []
        while self.lib.ray_ratelimit_next(self._state, slot, out) == 0:
            found.append(self.limit(out[0]))
        return tuple(found)

    def _who(self, user_id: Key | None, client: Key | None, client_ip: str | None,
             plan_id: int | None = None) -> Any:
        if user_id is None and client is None and client_ip is None:
            return self.ffi.NULL
        return self._ask_of(RateLimitRequest(user_id=user_id or b"", client=client or b"",
                                             client_ip=client_ip, plan_id=plan_id))

    def bucket(
        self,
        limit_id: int,
        *,
        user_id: Key | None = None,
        client: Key | None = None,
        client_ip: str | None = None,
        now_ns: int | None = None,
    ) -> Bucket:
        """A limit's own bucket, or the one of a user or a client; a key that has none reads as
        newly created. Raises UnknownError, StaleError."""
        out = self.ffi.new("ray_bucket_state *")
        who = self._who(user_id, client, client_ip)
        check(
            self.lib.ray_ratelimit_read_bucket(self._state, self._at(now_ns), limit_id, who, out),
            f"no limit {limit_id}",
        )
        return _bucket_of(limit_id, out)

    def buckets(self, limit_id: int, *, now_ns: int | None = None) -> Iterator[Bucket]:
        """Every keyed bucket of a limit, in table order; their keys are identities, not names."""
        place, out, now = self.ffi.new("uint32_t *"), self.ffi.new("ray_bucket_state *"), \
            self._at(now_ns)
        while self.lib.ray_ratelimit_next_bucket(self._state, now, limit_id, place, out) == 0:
            yield _bucket_of(limit_id, out)

    def get_tokens(
        self,
        limit_id: int,
        *,
        user_id: Key | None = None,
        client: Key | None = None,
        client_ip: str | None = None,
        now_ns: int | None = None,
    ) -> int:
        """Whole tokens, or room, that are left now. Raises UnknownError, StaleError."""
        return self.bucket(
            limit_id, user_id=user_id, client=client, client_ip=client_ip, now_ns=now_ns
        ).left_tokens

    def get_bucket(
        self, limit_id: int, *, now_ns: int | None = None
    ) -> TokenBucket | LeakyBucket | WindowLimit:
        """A limit's configuration and own bucket, in the words of its algorithm. Raises
        UnknownError, StaleError."""
        spec, _stats = self._spec(limit_id)
        out = self.ffi.new("ray_bucket_state *")
        self.lib.ray_ratelimit_read_bucket(
            self._state, self._at(now_ns), limit_id, self.ffi.NULL, out
        )
        name, mode = self._text(spec.name), LimitMode(spec.mode)
        if spec.algorithm == RateLimitAlgorithm.TOKEN_BUCKET:
            return TokenBucket(spec.capacity, spec.rate_tokens, out.left_tokens, out.updated_ns,
                               spec.rate_period_ns, spec.excess, name, mode)
        if spec.algorithm == RateLimitAlgorithm.LEAKY_BUCKET:
            delay = spec.max_delay_ns if spec.queue else None
            return LeakyBucket(spec.capacity, spec.rate_tokens, out.used_tokens, out.full_ns,
                               spec.rate_period_ns, delay, name, mode)
        return WindowLimit(spec.rate_tokens, spec.rate_period_ns, out.used_tokens, out.updated_ns,
                           bool(spec.exact), RateLimitAlgorithm(spec.algorithm), name, mode)

    def get_limit_stats(self, limit_id: int) -> LimitStats:
        """One limit's counters and its number of keys. Raises UnknownError, StaleError."""
        _spec, stats = self._spec(limit_id)
        return row_of(LimitStats, stats)

    def stats(self) -> LimiterStats:
        """The module's counters: asked = granted + denied."""
        return self._counters(LimiterStats)

    def refill_tokens(self, *, now_ns: int | None = None) -> int:
        """How many buckets still miss something. Buckets refill when they are looked at, so this
        changes nothing, however often it is called: timer jitter cannot change a decision."""
        return int(self.lib.ray_ratelimit_tick(self._state, self._at(now_ns)))

    def export(self, form: str = "json", *, now_ns: int | None = None) -> str:
        """Every limit with counters and own bucket: "json" or "csv", the same bytes for the same
        state."""
        forms = {"json": self.lib.RAY_RATELIMIT_JSON, "csv": self.lib.RAY_RATELIMIT_CSV}
        if form not in forms:
            raise ArgumentError(f"exports are json or csv, not {form!r}")
        now = self._at(now_ns)
        return self._written(
            lambda text: self.lib.ray_ratelimit_export(self._state, now, forms[form], text),
            "export limits",
        )

    def headers(self, request: RateLimitRequest, *, now_ns: int | None = None) -> dict[str, str]:
        """The RateLimit, RateLimit-Policy and Retry-After fields a request would be answered with
        now, before it takes anything (draft-ietf-httpapi-ratelimit-headers-10)."""
        now, query = self._at(now_ns), self._ask_of(request)
        check(self.lib.ray_ratelimit_ask(self._state, now, query, self._answer), "ask")
        text = self._written(
            lambda text: self.lib.ray_ratelimit_headers(self._state, now, self._answer, text),
            "headers",
        )
        lines = text.splitlines()
        return {name: value for name, _, value in (line.partition(": ") for line in lines)}

    def nearest_rate(self, rate: int, *, per_ns: int, capacity: int) -> tuple[int, int]:
        """The rate itself when it can be held exactly, else the nearest that can: (tokens, ns).
        Raises RangeError when no rate fits the capacity."""
        spec = self.ffi.new("ray_limit_spec *")
        self.ffi.memmove(spec.name.at, b"x", 1)
        self._fill(spec, {"rate_tokens": u64(rate, "rate"), "rate_period_ns": u64(per_ns, "per_ns"),
                          "capacity": u64(capacity, "capacity"), "service": NONE,
                          "instead_of": NONE})
        tokens, period = self.ffi.new("uint64_t *"), self.ffi.new("uint64_t *")
        check(self.lib.ray_ratelimit_nearest(spec, tokens, period), f"rate {rate} per {per_ns} ns")
        return int(tokens[0]), int(period[0])

    def reason(self, reason: int) -> str:
        """A reason code's word. Raises UnknownError."""
        word = str(self.ffi.string(self.lib.ray_reason_word(reason)).decode())
        if word == "?":
            raise UnknownError(f"no reason {reason}")
        return word


def _bucket_of(limit_id: int, out: Any) -> Bucket:
    return Bucket(
        limit_id=limit_id,
        key=out.key,
        left_tokens=out.left_tokens,
        used_tokens=out.used_tokens,
        capacity=out.capacity_tokens,
        next_ns=out.next_ns,
        full_ns=out.full_ns,
        held_ns=out.held_ns,
        hold_count=out.hold_count,
        plan_id=None if out.plan == NONE else out.plan,
    )
