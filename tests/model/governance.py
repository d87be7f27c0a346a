# SPDX-License-Identifier: MIT
"""governance, obviously correct: keep every number ever told and add it all up when asked.

Only what decides an answer is modelled on the core: which key gets a row or a series when there is
no more room, and which value a bucket of a histogram reports.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict

NONE = 0xFFFFFFFF
SECOND = 1_000_000_000
FIELDS = (
    "offered", "denied", "dropped", "preempted", "dispatched", "queued", "violation", "done",
    "failed", "tokens", "bytes", "wait", "cost",
)  # fmt: skip
REQUESTS, DENIED, SENT, FAILED, DONE, COST = range(6)
GRAIN_SECONDS = (1, 60, 3600)
INACTIVE, PENDING, FIRING, RESOLVED = range(4)
# alert metric -> (series summed, its amount?, series counted below the line, parts per million?)
LAWS = {
    0: (REQUESTS, False, None, False),
    1: (DENIED, False, None, False),
    2: (DENIED, True, None, False),
    3: (FAILED, True, None, False),
    4: (FAILED, False, None, False),
    5: (REQUESTS, True, None, False),
    6: (DONE, True, None, False),
    7: (DENIED, False, REQUESTS, True),
    8: (FAILED, False, DONE, True),
    9: (SENT, True, SENT, False),
}
LATENCY_P95, QUEUED = 10, 11


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What a profile has room for."""

    services: int
    tenants: int
    series: int
    rings: tuple[int, int, int]
    bits: int
    window_bits: int
    top_bits: int
    waits: int
    events: int


def reported(value: int, bits: int, top_bits: int, least: int, most: int) -> int:
    """What a bucket says of a value in it: its middle, within what was seen."""
    if value >> top_bits:
        return most
    shift = max(value.bit_length() - bits - 1, 0)
    middle = (value >> shift << shift) + (1 << shift) // 2
    return min(max(middle, least), most)


def quantile(values: list[int], ppm: int, bits: int, top_bits: int) -> int:
    """The nearest rank of a sorted list, as its bucket reports it."""
    if not values:
        return 0
    ordered = sorted(values)
    rank = max(1, -(-ppm * len(values) // 1_000_000))
    return reported(ordered[rank - 1], bits, top_bits, ordered[0], ordered[-1])


def correlation(x: list[int], y: list[int]) -> int | None:
    """Pearson's coefficient times 1000, towards zero."""
    n = len(x)
    vx, vy = (n * sum(a * a for a in c) - sum(c) ** 2 for c in (x, y))
    both = n * sum(a * b for a, b in zip(x, y, strict=True)) - sum(x) * sum(y)
    if n < 3 or not vx or not vy:
        return None
    size = math.isqrt(1_000_000 * both * both // (vx * vy))
    return -size if both < 0 else size


class Table:
    """Rows by key; full, the key with the fewest requests leaves."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.rows: dict[int, dict[str, int]] = {}
        self.errors: dict[int, list[int]] = {}
        self.other = dict.fromkeys(FIELDS, 0)
        self.floor = [0, 0, 0]
        self.evicted = 0

    def values(self, key: int) -> list[int]:
        """Requests, cost and violations as a ranking sees them."""
        row = self.rows[key]
        counted = (row["offered"], max(row["cost"], 0), row["violation"])
        return [a + b for a, b in zip(counted, self.errors[key], strict=True)]

    def take(self, key: int) -> dict[str, int]:
        """The key's row, made when it has none."""
        if key not in self.rows:
            if len(self.rows) == self.capacity:
                victim = min(self.rows, key=lambda k: (self.values(k)[0], k))
                self.floor = [
                    max(pair) for pair in zip(self.floor, self.values(victim), strict=True)
                ]
                self.fold(victim)
                self.evicted += 1
            self.rows[key] = dict.fromkeys(FIELDS, 0)
            self.errors[key] = list(self.floor)
        return self.rows[key]

    def fold(self, key: int) -> None:
        """The row goes to `other`."""
        row = self.rows.pop(key)
        del self.errors[key]
        for field in FIELDS:
            self.other[field] += row[field]

    def holder(self, key: int) -> dict[str, int] | None:
        """Where what leaves a queue now was admitted."""
        row = self.take(key)
        return row if row["queued"] else self.other if self.other["queued"] else None

    def top(self, by: int, count: int) -> list[tuple[int, int, int]]:
        """(key, value, error) by value, then key."""
        rows = [(key, self.values(key)[by], self.errors[key][by]) for key in self.rows]
        return sorted(rows, key=lambda row: (-row[1], row[0]))[:count]


@dataclasses.dataclass
class Alert:
    """One alert, judged at every end of its windows."""

    metric: int
    above: int
    clear_below: int
    for_ns: int
    window_ns: int
    service: int
    tenant: int
    sum: int = 0
    of: int = 0
    state: int = INACTIVE
    since: int = 0
    pending: int = 0
    fired: int = 0

    def watches(self, service: int, tenant: int) -> bool:
        """Whether a step of this pair counts."""
        return self.service in (NONE, service) and self.tenant in (NONE, tenant)


class Governance:
    """The whole module."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.now = 0
        self.total = dict.fromkeys(FIELDS, 0)
        self.services, self.tenants = Table(sizes.services), Table(sizes.tenants)
        self.reasons: dict[int, int] = defaultdict(int)
        self.errors = self.folded = 0
        self.alerts: dict[int, Alert] = {}
        self.notifications: list[tuple[int, int, int, int]] = []  # at, place, state, value
        self.histograms: dict[int, list[int]] = {}  # waits by service that has a histogram
        self.clear()
        self.waits: list[int] = []

    def clear(self) -> None:
        """A reset."""
        self.pairs: list[tuple[int, int]] = []
        self.series: dict[tuple[int, int, int], dict[int, list[int]]] = {}
        self.folds: list[dict[int, list[int]]] = [defaultdict(lambda: [0, 0]) for _ in range(6)]
        self.latencies: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.waits = []
        self.histograms = {service: [] for service in getattr(self, "histograms", {})}
        for alert in self.alerts.values():
            alert.sum = alert.of = 0

    # -- time -----------------------------------------------------------------------------------
    def step(self, now: int) -> None:
        """Judges every alert at every end of a window up to now."""
        ends = sorted(
            (end, place)
            for place, alert in self.alerts.items()
            for end in range(
                (self.now // alert.window_ns + 1) * alert.window_ns, now + 1, alert.window_ns
            )
        )
        for end, place in ends:
            self._judge(place, end)
        self.now = now

    def _value(self, alert: Alert, end: int) -> int:
        if alert.metric == QUEUED:
            if alert.service != NONE:
                return self.services.rows.get(alert.service, {}).get("queued", 0)
            if alert.tenant != NONE:
                return self.tenants.rows.get(alert.tenant, {}).get("queued", 0)
            return self.total["queued"]
        if alert.metric == LATENCY_P95:
            return self.p95(alert.service, (end - alert.window_ns) // SECOND, end // SECOND) or 0
        over, ppm = LAWS[alert.metric][2:]
        if over is None:
            return alert.sum
        return alert.sum * (1_000_000 if ppm else 1) // alert.of if alert.of else 0

    def _judge(self, place: int, end: int) -> None:
        alert = self.alerts[place]
        value = self._value(alert, end)
        alert.sum = alert.of = 0
        held, before = value > alert.above, alert.state
        if alert.state in (INACTIVE, RESOLVED) and held:
            alert.pending = end
            alert.state = PENDING if alert.for_ns else FIRING
        elif alert.state == PENDING and not held:
            alert.state = INACTIVE
        elif alert.state == PENDING and end - alert.pending >= alert.for_ns:
            alert.state = FIRING
        elif alert.state == FIRING and value < alert.clear_below:
            alert.state = RESOLVED
        if alert.state == before:
            return
        alert.since = end
        alert.fired += alert.state == FIRING
        if alert.state in (FIRING, RESOLVED):
            self.notifications.append((end, place, alert.state, value))

    # -- steps ----------------------------------------------------------------------------------
    def _pair(self, service: int, tenant: int) -> bool:
        if (service, tenant) in self.pairs:
            return True
        room = self.sizes.series - 6
        if len(self.pairs) == room or len(self.series) == room:
            self.folded += 1
            return False
        self.pairs.append((service, tenant))
        if service not in self.histograms and service != NONE:
            if len(self.histograms) < self.sizes.waits - 1:
                self.histograms[service] = []
        return True

    def _count(self, metric: int, service: int, tenant: int, count: int, amount: int) -> None:
        key = (metric, service, tenant)
        windows = self.folds[metric]
        if (service, tenant) in self.pairs:
            if key not in self.series and len(self.series) < self.sizes.series - 6:
                self.series[key] = defaultdict(lambda: [0, 0])
            windows = self.series.get(key, windows)
        window = windows[self.now // SECOND]
        window[0] += count
        window[1] += amount
        for alert in self.alerts.values():
            law = LAWS.get(alert.metric)
            if law is None or not alert.watches(service, tenant):
                continue
            if law[0] == metric:
                alert.sum += amount if law[1] else count
            if law[2] == metric:
                alert.of += count

    def note(self, now: int, kind: int, service: int, tenant: int, **of: int) -> None:
        """One step of a request."""
        self.step(now)
        own = self._pair(service, tenant)
        rows = [self.total, self.services.take(service), self.tenants.take(tenant)]
        if kind == 1:
            self._admit(rows, service, tenant, of)
        elif kind == 5:
            self._done(rows, service, tenant, own, of)
        else:
            self._leave(kind, service, tenant, own, of)

    def _admit(
        self, rows: list[dict[str, int]], service: int, tenant: int, of: dict[str, int]
    ) -> None:
        denied = int(of["verdict"] in (2, 4))
        violation = int(denied and of["reason"] >= 200)
        for row in rows:
            row["offered"] += 1
            row["denied"] += denied
            row["queued"] += 1 - denied
            row["violation"] += violation
            row["tokens"] += of["tokens"]
        self._count(REQUESTS, service, tenant, 1, of["tokens"])
        if denied:
            self.reasons[of["reason"]] += 1
            self._count(DENIED, service, tenant, 1, violation)

    def _leave(self, kind: int, service: int, tenant: int, own: bool, of: dict[str, int]) -> None:
        rows = [
            self.total if self.total["queued"] else None,
            self.services.holder(service),
            self.tenants.holder(tenant),
        ]
        if None in rows:
            self.errors += 1
            return
        field = {2: "dispatched", 3: "dropped", 4: "preempted"}[kind]
        for row in rows:
            assert row is not None
            row["queued"] -= 1
            row[field] += 1
            row["wait"] += of["wait"] if kind == 2 else 0
        if kind != 2:
            self._count(FAILED, service, tenant, 0, 1)
            return
        self._count(SENT, service, tenant, 1, of["wait"])
        self.waits.append(of["wait"])
        if own and service in self.histograms:
            self.histograms[service].append(of["wait"])

    def _done(
        self, rows: list[dict[str, int]], service: int, tenant: int, own: bool, of: dict[str, int]
    ) -> None:
        failed = int(of["http_status"] >= 500 or of["verdict"] == 9)
        for row in rows:
            row["done"] += 1
            row["failed"] += failed
            row["bytes"] += of["bytes"]
            row["cost"] += of["cost"]
        second = self.now // SECOND
        self.latencies[NONE][second].append(of["latency"])
        if own and service in self.histograms:
            self.latencies[service][second].append(of["latency"])
        self._count(DONE, service, tenant, 1, of["bytes"])
        if failed:
            self._count(FAILED, service, tenant, 1, 0)
        if of["cost"]:
            self._count(COST, service, tenant, 1, of["cost"])

    # -- reading --------------------------------------------------------------------------------
    def windows(self, grain: int, now: int) -> list[int]:
        """Starts in seconds of the windows a timeline shows."""
        seconds = GRAIN_SECONDS[grain]
        open_ = now // SECOND // seconds
        return [i * seconds for i in range(max(open_ - self.sizes.rings[grain] + 1, 0), open_ + 1)]

    def window(
        self, metric: int, service: int, tenant: int, start: int, seconds: int
    ) -> tuple[int, int]:
        """Count and amount of every series asked for in [start, start + seconds)."""
        every = service == NONE and tenant == NONE
        chosen = [self.folds[metric]] if every else []
        chosen += [
            windows
            for (m, s, t), windows in self.series.items()
            if m == metric and service in (NONE, s) and tenant in (NONE, t)
        ]
        found = [
            number
            for windows in chosen
            for second, number in windows.items()
            if start <= second < start + seconds
        ]
        return sum(n[0] for n in found), sum(n[1] for n in found)

    def p95(self, service: int, start: int, end: int) -> int | None:
        """95th percentile of the latencies in seconds [start, end); None: no histogram."""
        if service != NONE and service not in self.histograms:
            return None
        values = [
            value
            for second, some in self.latencies[service].items()
            if start <= second < end
            for value in some
        ]
        return quantile(values, 950_000, self.sizes.window_bits, self.sizes.top_bits)
