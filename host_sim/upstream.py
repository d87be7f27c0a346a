# SPDX-License-Identifier: MIT
"""A simulated upstream: instances that take their time, queue, fail on a schedule and recover.

Everything is whole nanoseconds and drawn from a seed: the same seed and the same sendings give the
same answers on every machine. Distributions are tables of integers made by correctly rounded
decimal arithmetic; no float decides anything.
"""

from __future__ import annotations

import dataclasses
import decimal
import functools
import hashlib
import heapq
from collections.abc import Callable, Mapping, Sequence

S = 10**9
PPM = 1_000_000
POINTS = 4096  # quantiles of a table; between two of them the draw is linear
UNIT = 1 << 20  # a table's 1
DRAW_BITS = 64


# -- distributions --------------------------------------------------------------------------------
def _quantiles(at: Callable[[decimal.Decimal], decimal.Decimal]) -> tuple[int, ...]:
    """A table of `at` over the middles of POINTS equal parts, in UNITs."""
    with decimal.localcontext(decimal.Context(prec=30)):
        parts = (decimal.Decimal(2 * i + 1) / (2 * POINTS) for i in range(POINTS))
        return tuple(int((at(part) * UNIT).to_integral_value()) for part in parts)


@functools.cache
def _exponential_table() -> tuple[int, ...]:
    """Quantiles of the exponential distribution with mean 1: -ln(1 - p)."""
    return _quantiles(lambda p: -(1 - p).ln())


def _normal_quantile(p: decimal.Decimal) -> decimal.Decimal:
    """Of the standard normal distribution, to 4.5e-4 (Abramowitz and Stegun 26.2.23)."""
    d = decimal.Decimal
    low = min(p, 1 - p)
    t = (-2 * low.ln()).sqrt()
    above = d("2.515517") + d("0.802853") * t + d("0.010328") * t * t
    below = 1 + d("1.432788") * t + d("0.189269") * t * t + d("0.001308") * t * t * t
    z = t - above / below
    return z if p > low else -z


@functools.cache
def _lognormal_table(sigma_ppm: int) -> tuple[int, ...]:
    """Quantiles of the lognormal distribution with median 1: exp(sigma * z)."""
    sigma = decimal.Decimal(sigma_ppm) / PPM
    return _quantiles(lambda p: (sigma * _normal_quantile(p)).exp())


def _from_table(table: Sequence[int], draw: int) -> int:
    """The value at a 64-bit draw, in UNITs, linear between the middles of the parts."""
    place = draw * POINTS  # in 2^-64 of a part
    at, into = place >> DRAW_BITS, place & ((1 << DRAW_BITS) - 1)
    half = 1 << (DRAW_BITS - 1)
    low, high = (at - 1, at) if into < half else (at, at + 1)
    rest = into + half if into < half else into - half
    first, last = table[max(low, 0)], table[min(high, POINTS - 1)]
    return first + ((last - first) * rest >> DRAW_BITS)


@dataclasses.dataclass(frozen=True, slots=True)
class Latency:
    """How long an instance works on one request.

    `fixed` takes `low_ns`; `uniform` anything from `low_ns` to `high_ns`; `exponential` has the
    mean `low_ns`; `lognormal` the median `low_ns` and the shape `sigma_ppm`."""

    kind: str = "fixed"
    low_ns: int = 10_000_000
    high_ns: int = 0
    sigma_ppm: int = 500_000

    def __post_init__(self) -> None:
        if self.kind not in ("fixed", "uniform", "exponential", "lognormal"):
            raise ValueError(f"{self.kind!r} is no distribution")
        if self.low_ns < 0 or (self.kind == "uniform" and self.high_ns < self.low_ns):
            raise ValueError(f"a latency is at least 0 and its end not before its start: {self}")

    def draw(self, number: int) -> int:
        """Nanoseconds for a 64-bit number."""
        if self.kind == "uniform":
            return self.low_ns + (number * (self.high_ns - self.low_ns + 1) >> DRAW_BITS)
        if self.kind == "exponential":
            return self.low_ns * _from_table(_exponential_table(), number) // UNIT
        if self.kind == "lognormal":
            return self.low_ns * _from_table(_lognormal_table(self.sigma_ppm), number) // UNIT
        return self.low_ns


@dataclasses.dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with an instance from `begin_ns` until `end_ns`, when it has recovered.

    `error`: `ppm` of the requests are answered `status`. `refuse`: no connection (status 0), at
    once. `hang`: `ppm` of the requests are never answered, and hold a server until the end.
    `slow`: each takes `factor` times as long."""

    kind: str
    begin_ns: int
    end_ns: int
    ppm: int = PPM
    status: int = 500
    factor: int = 10

    def __post_init__(self) -> None:
        if self.kind not in ("error", "refuse", "hang", "slow"):
            raise ValueError(f"{self.kind!r} is no trouble: error, refuse, hang or slow")
        if not 0 <= self.begin_ns < self.end_ns or not 0 <= self.ppm <= PPM:
            raise ValueError(f"trouble ends after it begins, and is at most {PPM} ppm: {self}")


@dataclasses.dataclass(frozen=True, slots=True)
class Instance:
    """One instance: `servers` requests at once, others queue inside it, at most `queue` of them
    (then 503 at once); `status` is what a good answer says."""

    latency: Latency = Latency()
    servers: int = 8
    queue: int = 1_000_000
    status: int = 200
    troubles: tuple[Trouble, ...] = ()


CONNECTION_REFUSED, OVERLOADED = 0, 503


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """When an answer comes (None: never) and what it says; status 0: there was no connection."""

    at_ns: int | None
    status: int


class Upstream:
    """Instances by name, and what each is doing. Sendings must come in the order of their time."""

    def __init__(self, instances: Mapping[str, Instance], *, seed: bytes = bytes(16)) -> None:
        if len(seed) != 16:
            raise ValueError(f"the seed has 16 bytes, not {len(seed)}")
        self.instances = dict(instances)
        self._seed = seed
        self._busy: dict[str, list[int]] = {name: [] for name in self.instances}
        self._sent = dict.fromkeys(self.instances, 0)
        self._now = 0

    def _draw(self, instance: str, what: str) -> int:
        """64 bits for the next sending to an instance: other instances' sendings do not move it."""
        text = f"{instance}\0{self._sent[instance]}\0{what}".encode()
        return int.from_bytes(hashlib.blake2b(text, key=self._seed, digest_size=8).digest(), "big")

    def _hits(self, trouble: Trouble, instance: str) -> bool:
        return self._draw(instance, trouble.kind) * PPM >> DRAW_BITS < trouble.ppm

    def sent_count(self, instance: str) -> int:
        """Requests ever sent to an instance."""
        return self._sent[instance]

    def in_hand(self, instance: str, now_ns: int) -> int:
        """Requests an instance works on or has queued at `now_ns`."""
        return sum(end > now_ns for end in self._busy[instance])

    def probe(self, instance: str, now_ns: int) -> bool:
        """Whether a health probe at `now_ns` is answered well. It is apart from the requests: it
        holds no server and moves no draw of theirs."""
        for one in self.instances[instance].troubles:
            if one.kind == "slow" or not one.begin_ns <= now_ns < one.end_ns:
                continue
            text = f"{instance}\0{now_ns}\0probe".encode()
            drawn = hashlib.blake2b(text, key=self._seed, digest_size=DRAW_BITS // 8).digest()
            if one.kind == "refuse" or (
                int.from_bytes(drawn, "big") * PPM >> DRAW_BITS < one.ppm
            ):
                return False
        return True

    def send(self, instance: str, request_id: int, now_ns: int) -> Answer:
        """Sends a request; the answer says when it will come. `request_id` is for the reader of a
        trace alone. Raises KeyError for no instance, ValueError for an earlier time."""
        spec = self.instances[instance]
        if now_ns < self._now:
            raise ValueError(f"request {request_id} is sent at {now_ns}, before {self._now}")
        self._now = now_ns
        self._sent[instance] += 1
        active = [one for one in spec.troubles if one.begin_ns <= now_ns < one.end_ns]
        if any(one.kind == "refuse" for one in active):
            return Answer(now_ns, CONNECTION_REFUSED)
        busy = self._busy[instance]
        while busy and busy[0] <= now_ns:
            heapq.heappop(busy)
        if len(busy) >= spec.servers + spec.queue:
            return Answer(now_ns, OVERLOADED)
        start = now_ns
        if len(busy) >= spec.servers:  # it starts when enough of those before it are done
            start = sorted(busy)[len(busy) - spec.servers]
        for one in active:
            if one.kind == "hang" and self._hits(one, instance):
                heapq.heappush(busy, max(start, one.end_ns))
                return Answer(None, CONNECTION_REFUSED)
        took = spec.latency.draw(self._draw(instance, "latency"))
        for one in active:
            took *= one.factor if one.kind == "slow" else 1
        heapq.heappush(busy, start + took)
        for one in active:
            if one.kind == "error" and self._hits(one, instance):
                return Answer(start + took, one.status)
        return Answer(start + took, spec.status)
