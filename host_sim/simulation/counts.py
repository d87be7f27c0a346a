# SPDX-License-Identifier: MIT
"""The counters of a simulation at an instant, by group, class, service and instance, and the
numbers that follow from them."""

from __future__ import annotations

import dataclasses
from typing import Any

from host_sim.simulation.expect import COUNTERS, QUANTILES, SHARES

PPM = 1_000_000
# A counter's name in a scenario and a report -> its field in ray_simulate_count.
FIELDS = {name: f"{name}_count" for name in COUNTERS} | {
    "requests": "request_count", "timeouts": "timeout_count", "response_bytes": "response_bytes"}
MORE = ("latency_ns_sum", "latency_ns_max", "wait_count", "wait_ns_sum", "wait_ns_max", "cost_nano")
Histogram = dict[int, int]  # by the least value of a bucket, how many


@dataclasses.dataclass(frozen=True)
class Count:
    """One group, class, service or instance; `numbers` has COUNTERS, sums and maxima."""

    kind: str
    name: str
    numbers: dict[str, int]
    latencies: Histogram = dataclasses.field(repr=False)
    waits: Histogram = dataclasses.field(repr=False)

    def number(self, metric: str) -> int:
        """Any metric of the language of checks but what is known of the whole run only."""
        if metric in self.numbers:
            return self.numbers[metric]
        if metric == "cost":
            return self.numbers["cost_nano"]
        first, _, last = metric.rpartition("_")
        if last == "ppm" and first in SHARES:
            whole = "requests" if first == "gave_up" and self.numbers["requests"] else "offered"
            whole = "sent" if self.kind == "instance" else whole
            return ratio(self.numbers[first] * PPM, self.numbers[whole])
        histogram = self.latencies if last == "latency" else self.waits
        if first == "max":
            return self.numbers[f"{last}_ns_max"]
        if first == "mean":
            return ratio(self.numbers[f"{last}_ns_sum"], sum(histogram.values()))
        return quantile(histogram, QUANTILES[first])

    def less(self, before: Count) -> Count:
        """What was counted since `before`; maxima stay those of the whole time."""
        kept = ("latency_ns_max", "wait_ns_max")
        numbers = {key: value - (0 if key in kept else before.numbers[key])
                   for key, value in self.numbers.items()}
        return Count(self.kind, self.name, numbers, *(
            {at: n - then.get(at, 0) for at, n in now.items() if n != then.get(at, 0)}
            for now, then in ((self.latencies, before.latencies), (self.waits, before.waits))))


def ratio(part: int, whole: int) -> int:
    """Rounded down; 0 of nothing."""
    return part // whole if whole else 0


def quantile(histogram: Histogram, ppm: int) -> int:
    """Nearest rank, as the middle of its bucket: at most a 64th off; 0 of nothing."""
    rank = max(-(-ppm * sum(histogram.values()) // PPM), 1)
    at = 0
    for at in sorted(histogram):
        rank -= histogram[at]
        if rank <= 0:
            break
    return at + (1 << max(at.bit_length() - 6, 0)) // 2


def total(counts: list[Count]) -> Count:
    """The sum of groups: the whole run."""
    numbers: dict[str, int] = dict.fromkeys((*COUNTERS, *MORE), 0)
    latencies: Histogram = {}
    waits: Histogram = {}
    for one in counts:
        for key, value in one.numbers.items():
            numbers[key] = max(numbers[key], value) if "_max" in key else numbers[key] + value
        for all_, part in ((latencies, one.latencies), (waits, one.waits)):
            for at, n in part.items():
                all_[at] = all_.get(at, 0) + n
    return Count("", "", numbers, latencies, waits)


class Counters:
    """Reads the counters of a running simulation; `names` in the order of ray_simulate_counts, a
    name of "" is left out."""

    def __init__(self, raw: Any, simulation: Any, names: list[tuple[str, str]]) -> None:
        self._ffi, self._lib, self._simulation, self._names = (
            raw.ffi, raw.lib, simulation, names)
        self._lows = [int(raw.lib.ray_simulate_bucket_low(i))
                      for i in range(raw.lib.RAY_SIMULATE_FINE)]

    def read(self) -> list[Count]:
        """All of them now."""
        length = self._ffi.new("uint32_t *")
        rows = self._lib.ray_simulate_counts(self._simulation, length)
        assert length[0] == len(self._names)
        found = []
        for at, (kind, name) in enumerate(self._names):
            if not name:
                continue
            numbers = {key: int(getattr(rows[at], field)) for key, field in FIELDS.items()}
            numbers |= {field: int(getattr(rows[at], field)) for field in MORE}
            found.append(Count(kind, name, numbers, self._histogram(at, 0), self._histogram(at, 1)))
        return found

    def _histogram(self, at: int, waits: int) -> Histogram:
        start = self._lib.ray_simulate_histogram(self._simulation, at, waits)
        words = memoryview(self._ffi.buffer(start, len(self._lows) * 8)).cast("B").cast("Q")
        return {self._lows[i]: n for i, n in enumerate(words) if n}
