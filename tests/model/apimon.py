# SPDX-License-Identifier: MIT
"""apimon, obviously: every event is kept, every number is counted from the events when asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

S = 10**9
CLIENT, SERVER, TIMEOUT, AUTH, VALIDATION, GOVERNED, NONE = range(7)
STARTED, FINISHED, ERRORED, TIMED_OUT, CANCELLED, REFUSED = range(6)
PASSED = {0, 1, 2, 5, 6, 7, 8, 203, 400}  # reasons that are no answer of raygate's own
STATUS = {400: VALIDATION, 422: VALIDATION, 401: AUTH, 403: AUTH, 407: AUTH, 408: TIMEOUT,
          504: TIMEOUT}  # fmt: skip
BY_HUNDRED = {0: GOVERNED, 1: CLIENT, 8: AUTH, 9: VALIDATION,
              **dict.fromkeys(range(2, 8), GOVERNED)}  # fmt: skip


def of_status(status: int) -> int:
    """Of an answer the service gave."""
    rest = SERVER if status >= 500 or status == 0 else CLIENT if status >= 400 else NONE
    return STATUS.get(status, rest)


def type_of(kind: int, status: int, reason: int) -> int:
    """What a way to end counts as."""
    if kind == TIMED_OUT or reason == 5:
        return TIMEOUT
    if kind == CANCELLED or reason == 6:
        return CLIENT
    if reason not in PASSED:
        if status in (429, 503):
            return GOVERNED
        return BY_HUNDRED.get(reason // 100, of_status(status))
    found = of_status(status)
    return SERVER if kind == ERRORED and found == NONE else found


@dataclasses.dataclass
class End:
    """One request that ended."""

    at: int
    kind: int
    type: int
    latency: int | None  # None: not timed

    @property
    def failed(self) -> bool:
        """Whether it is an error."""
        return self.type < GOVERNED


@dataclasses.dataclass
class Row:
    """Whatever happened to one service."""

    started: int = 0
    ends: list[End] = dataclasses.field(default_factory=list)
    fresh: list[End] = dataclasses.field(default_factory=list)  # since the last reset
    samples: list[int] = dataclasses.field(default_factory=list)

    @property
    def inflight(self) -> int:
        """Begun and not ended."""
        return self.started - len(self.ends)

    def latencies(self) -> list[int]:
        """Since the last reset, ascending."""
        return sorted(end.latency for end in self.fresh if end.latency is not None)

    def quantile(self, ppm: int) -> int:
        """Nearest rank, exactly."""
        values = self.latencies()
        return values[max(1, -(-ppm * len(values) // 10**6)) - 1] if values else 0

    def window(self, now: int, period: int) -> tuple[int, int]:
        """Ended and failed in the last whole period."""
        inside = [end for end in self.fresh if end.at // period == now // period - 1]
        return len(inside), sum(end.failed for end in inside)


class Model:
    """Rows by id, `other`, all of it, and the pairs."""

    def __init__(self, rows: int, edges: int) -> None:
        self.most, self.edges_most = rows, edges
        self.all, self.other = Row(), Row()
        self.rows: dict[int, Row] = {}
        self.edges: dict[tuple[int | None, int | None], list[int]] = {}
        self.edge_other = [0, 0, 0]
        self.recent: list[tuple[int, int, int | None, int]] = []

    def fold(self, service: int) -> None:
        """What was counted of a service goes to `other`."""
        gone = self.rows.pop(service)
        self.other.started += gone.started
        self.other.ends += gone.ends
        self.other.fresh += gone.fresh

    def take(self, service: int | None) -> Row:
        """The row a start of `service` is counted in."""
        if service is None:
            return self.other
        for known in list(self.rows):
            if known & 0xFFFF == service & 0xFFFF and known != service:
                if known > service:
                    return self.other
                self.fold(known)
        if service not in self.rows and len(self.rows) == self.most:
            return self.other
        return self.rows.setdefault(service, Row())

    def open(self, service: int | None) -> Row | None:
        """The row where an end of `service` is counted."""
        own = self.rows.get(service) if service is not None else None
        for row in (own, self.other):
            if row is not None and row.inflight:
                return row
        return None

    def start(self, service: int | None) -> None:
        """A request begins."""
        self.take(service).started += 1
        self.all.started += 1

    def end(self, row: Row, now: int, kind: int, service: int | None, caller: int | None,
            status: int, reason: int, latency: int) -> None:  # fmt: skip
        """It ends."""
        found = type_of(kind, status, reason)
        timed = kind != REFUSED and found != GOVERNED
        end = End(now, kind, found, latency if timed else None)
        for each in (row, self.all):
            each.ends.append(end)
            each.fresh.append(end)
            if timed:
                each.samples.append(latency)
        if timed:
            self.recent.append((now, latency, service, status))
        self.edge((caller, service), [1, int(end.failed), latency if timed else 0])

    def edge(self, pair: tuple[int | None, int | None], more: list[int]) -> None:
        """A pair's cell, or the one of all others."""
        cell = self.edges.get(pair)
        if cell is None and len(self.edges) < self.edges_most:
            cell = self.edges[pair] = [0, 0, 0]
        target = self.edge_other if cell is None else cell
        target[:] = [a + b for a, b in zip(target, more, strict=True)]

    def reset(self) -> None:
        """Windows, percentiles and samples begin anew."""
        for row in (self.all, self.other, *self.rows.values()):
            row.fresh, row.samples = [], []
        self.recent = []

    def move(self, before: Sequence[str], after: Sequence[str], of_service: bool) -> None:
        """Names have other places."""

        def follow(id: int | None) -> int | None:
            if id is None or id & 0xFFFF >= len(before):
                return None
            name = before[id & 0xFFFF]
            return after.index(name) if name in after else None

        if of_service:
            rows = {}
            for service in list(self.rows):
                to = follow(service)
                if to is None:
                    self.fold(service)
                else:
                    rows[to] = self.rows.pop(service)
            self.rows = rows
            self.recent = [(at, ns, follow(id), status) for at, ns, id, status in self.recent]
        edges, self.edges = self.edges, {}
        for (caller, service), cell in edges.items():
            was = service if of_service else caller
            to = follow(was)
            if to is None and was is not None:
                self.edge_other = [a + b for a, b in zip(self.edge_other, cell, strict=True)]
            else:
                self.edge((caller, to) if of_service else (to, service), cell)
