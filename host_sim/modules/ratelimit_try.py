# SPDX-License-Identifier: MIT
"""ratelimit: decided, booked and counted in one call, for programs that use the core as a limiter.
Import RateLimiter from host_sim.modules.ratelimit."""

from __future__ import annotations

from typing import Any

from host_sim.arguments import RAW, direct, refusal
from host_sim.decision import NONE
from host_sim.errors import ArgumentError, check
from host_sim.modules.ratelimit_reading import Key, RateLimitReader


class RateLimitTry(RateLimitReader):
    """What a RateLimiter says with one call of the core; these are its hot paths."""

    @direct
    def allow(self, limit_id: int, tokens: int = 1, *, now_ns: int) -> bool:
        """One unkeyed limit, decided, booked and counted. `now_ns` must not fall."""
        try:
            granted = self.lib.ray_ratelimit_try(self._state, now_ns, limit_id, tokens,
                                                 self.ffi.NULL)
        except RAW as error:
            raise refusal(RateLimitTry.allow, self, limit_id, tokens, now_ns=now_ns,
                          error=error) from error
        if granted < 0:
            check(granted, f"limit {limit_id}")
        return bool(granted)

    @direct
    def allow_key(self, limit_id: int, key: Key, tokens: int = 1, *, now_ns: int) -> bool:
        """One keyed limit for one key: a user's or a client's bytes. `now_ns` must not fall."""
        try:
            raw = key.encode() if isinstance(key, str) else key
            granted = self.lib.ray_ratelimit_try_key(self._state, now_ns, limit_id, raw, len(raw),
                                                     tokens, self.ffi.NULL)
        except RAW as error:
            raise refusal(RateLimitTry.allow_key, self, limit_id, key, tokens, now_ns=now_ns,
                          error=error) from error
        if granted < 0:
            check(granted, f"limit {limit_id}")
        return bool(granted)

    def batch(
        self,
        *,
        out: Any,
        limit_ids: Any = None,
        keys: Any = None,
        limit_id: int = NONE,
        tokens: Any = None,
        at_ns: Any = None,
    ) -> Batch:
        """Pins buffers for many decisions at once; see Batch."""
        return Batch(self, out=out, limit_ids=limit_ids, keys=keys, limit_id=limit_id,
                     tokens=tokens, at_ns=at_ns)

    def allow_batch(self, out: Any, *, now_ns: int, **buffers: Any) -> int:
        """One batch, buffers pinned for this call only: see `batch`. Returns how many passed."""
        return self.batch(out=out, **buffers).run(now_ns=now_ns)


class Batch:
    """Many decisions through buffers that stay where they are, strictly in order.

    Either `limit_ids` (u32, unkeyed limits) or `keys` (u64, of the keyed limit `limit_id`);
    `tokens` (u32, 1 each when None), `at_ns` (u64, all at `now_ns` when None) and `out` (u8: 1
    granted, 0 denied, 255 no such limit) have one item a row. Anything with the buffer protocol
    serves; it must not be resized while pinned.
    """

    def __init__(self, limiter: RateLimitTry, *, out: Any, limit_ids: Any, keys: Any, limit_id: int,
                 tokens: Any, at_ns: Any) -> None:
        ffi = limiter.ffi
        if (limit_ids is None) == (keys is None):
            raise ArgumentError("a batch has either limit_ids or keys")
        rows = ffi.new("ray_ratelimit_batch *")
        self._kept = []
        self._lib, self._state, self._rows = limiter.lib, limiter._state, rows
        fields = {"limits": ("uint32_t[]", limit_ids), "keys": ("uint64_t[]", keys),
                  "tokens": ("uint32_t[]", tokens), "at_ns": ("uint64_t[]", at_ns),
                  "out": ("uint8_t[]", out)}
        sizes = set()
        for field, (kind, memory) in fields.items():
            if memory is None:
                continue
            pinned = ffi.from_buffer(kind, memory, require_writable=field == "out")
            self._kept.append(pinned)
            setattr(rows, field, pinned)
            sizes.add(len(pinned))
        if len(sizes) != 1:
            raise ArgumentError(f"the buffers differ in length: {sorted(sizes)}")
        rows.count, rows.limit = sizes.pop(), limit_id

    def run(self, *, now_ns: int) -> int:
        """Decides every row; returns how many were granted. `now_ns` must not fall."""
        return int(self._lib.ray_ratelimit_try_batch(self._state, now_ns, self._rows))
