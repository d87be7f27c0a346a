# SPDX-License-Identifier: MIT
"""Runs arrivals through a gateway to a simulated upstream, event by event, and counts by second.

The gateway is whatever keeps the small promise of `Gateway` below: a Kernel stepped by rows, or
`Guarded` here, which is a ResilienceManager with instances in turn. Times are whole nanoseconds;
the same seed gives the same table.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

from host_sim.modules.resilience import CallState, Outcome, ResilienceManager
from host_sim.upstream import CONNECTION_REFUSED, DRAW_BITS, Latency, S, Upstream


# -- what a gateway promises ----------------------------------------------------------------------
class Kind(enum.Enum):
    """What is to be done with a request now."""

    SEND = "send"
    WAIT = "wait"
    RETRY = "retry"
    REFUSED = "refused"
    DONE = "done"


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """SEND to `instance`, to be given up at `at_ns` (None: never); RETRY by a dispatch at `at_ns`;
    REFUSED with a `reason`; DONE; or WAIT until `ready` names it."""

    kind: Kind
    instance: str = ""
    at_ns: int | None = None
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One arrival."""

    id: int
    at_ns: int
    method: str = "GET"
    deadline_ns: int = 0


class Gateway(Protocol):
    """Three rows and what they set free."""

    def admit(self, request: Request, now_ns: int) -> Move:
        """A request arrives: ADMIT."""

    def dispatch(self, request_id: int, now_ns: int) -> Move:
        """A retry begins at the instant its RETRY named: DISPATCH with that id."""

    def complete(self, request_id: int, now_ns: int, status: int | None) -> Move:
        """An attempt ended with a status (0: no connection; None: given up): COMPLETE."""

    def ready(self, now_ns: int) -> list[tuple[int, Move]]:
        """Requests that waited and whose turn has come since it was last asked."""


# -- arrivals -------------------------------------------------------------------------------------
def arrivals(
    per_second: int,
    seconds: int,
    *,
    kind: str = "poisson",
    seed: bytes = bytes(16),
    deadline_ns: int = 0,
    method: str = "GET",
) -> Iterator[Request]:
    """Requests of so many seconds: `uniform` at equal distances, `poisson` at exponential ones.
    `deadline_ns` counts from each arrival; 0: none."""
    if kind not in ("poisson", "uniform") or per_second < 1:
        raise ValueError(f"arrivals are poisson or uniform, at least 1/s: {kind!r}, {per_second}")
    gap, at, id = Latency("exponential", S // per_second), 0, 0
    while True:
        id += 1
        if kind == "uniform":
            at = id * S // per_second
        else:
            number = hashlib.blake2b(id.to_bytes(8, "big"), key=seed, digest_size=DRAW_BITS // 8)
            at += gap.draw(int.from_bytes(number.digest(), "big"))
        if at >= seconds * S:
            return
        yield Request(id, at, method, at + deadline_ns if deadline_ns else 0)


# -- the table ------------------------------------------------------------------------------------
@dataclasses.dataclass(slots=True)
class Second:
    """One second: what arrived in it, and what ended in it. `attempts` were sent in it."""

    second: int
    offered: int = 0
    attempts: int = 0
    ok: int = 0
    failed: int = 0
    refused: int = 0
    retries: int = 0
    given_up: int = 0
    waits_ns: list[int] = dataclasses.field(default_factory=list)

    def quantile(self, ppm: int) -> int:
        """Latency of what ended well, by nearest rank; 0 of none."""
        if not self.waits_ns:
            return 0
        rank = -(-ppm * len(self.waits_ns) // 1_000_000)
        return sorted(self.waits_ns)[max(rank, 1) - 1]


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """Every second that something happened in."""

    seconds: tuple[Second, ...]

    def total(self, name: str) -> int:
        """A column's sum."""
        return sum(int(getattr(one, name)) for one in self.seconds)

    def between(self, first: int, last: int, name: str) -> int:
        """A column's sum over the seconds [first, last)."""
        return sum(int(getattr(s, name)) for s in self.seconds if first <= s.second < last)

    def table(self) -> str:
        """A line per second; latencies in whole microseconds."""
        names = ("offered", "attempts", "ok", "failed", "refused", "retries", "given_up")
        lines = ["second " + "".join(f"{name:>9}" for name in names) + "   p50_us   p99_us"]
        for one in self.seconds:
            cells = "".join(f"{getattr(one, name):>9}" for name in names)
            p50, p99 = (one.quantile(ppm) // 1000 for ppm in (500_000, 990_000))
            lines.append(f"{one.second:>6} {cells}{p50:>9}{p99:>9}")
        return "\n".join(lines) + "\n"


# -- the loop -------------------------------------------------------------------------------------
class Simulation:
    """One run: a heap of what happens when; ties in the order they were planned."""

    def __init__(self, gateway: Gateway, upstream: Upstream) -> None:
        self.gateway, self.upstream = gateway, upstream
        self._events: list[tuple[int, int, str, int, int | None]] = []
        self._planned = 0
        self._begun: dict[int, int] = {}  # requests that have not ended: when they arrived
        self._seconds: dict[int, Second] = {}

    def _plan(self, at_ns: int, what: str, id: int, status: int | None = None) -> None:
        self._planned += 1
        heapq.heappush(self._events, (at_ns, self._planned, what, id, status))

    def _second(self, now_ns: int) -> Second:
        return self._seconds.setdefault(now_ns // S, Second(now_ns // S))

    def run(self, requests: Iterator[Request] | Sequence[Request]) -> Report:
        """Runs until every request has ended."""
        known: dict[int, Request] = {}
        source = iter(requests)
        upcoming = next(source, None)
        while upcoming is not None or self._events:
            if upcoming is not None and (
                not self._events or upcoming.at_ns < self._events[0][0]
            ):
                known[upcoming.id] = upcoming
                self._begun[upcoming.id] = upcoming.at_ns
                self._second(upcoming.at_ns).offered += 1
                now, id = upcoming.at_ns, upcoming.id
                move = self.gateway.admit(upcoming, now)
                upcoming = next(source, None)
            else:
                now, _, what, id, status = heapq.heappop(self._events)
                if what == "look":
                    self._ready(now)
                    continue
                move = (
                    self.gateway.dispatch(id, now)
                    if what == "retry"
                    else self.gateway.complete(id, now, status)
                )
                if what == "answer":
                    self._counted(now, id, status, move)
            self._carry_out(now, id, move)
            self._ready(now)
        return Report(tuple(self._seconds[second] for second in sorted(self._seconds)))

    def _ready(self, now: int) -> None:
        for other, its in self.gateway.ready(now):
            self._carry_out(now, other, its)

    def _counted(self, now: int, id: int, status: int | None, move: Move) -> None:
        """How an attempt ended; what is not tried again has ended."""
        second = self._second(now)
        second.given_up += status is None
        if move.kind is Kind.RETRY:
            second.retries += 1
            return
        good = status is not None and 0 < status < 500
        second.ok += good
        second.failed += not good
        begun = self._begun.pop(id)
        if good:
            second.waits_ns.append(now - begun)

    def _carry_out(self, now: int, id: int, move: Move) -> None:
        if move.kind is Kind.SEND:
            self._second(now).attempts += 1
            answer = self.upstream.send(move.instance, id, now)
            if answer.at_ns is None and move.at_ns is None:
                raise ValueError(f"request {id} has no time limit and is never answered")
            late = move.at_ns is not None and (
                answer.at_ns is None or answer.at_ns >= move.at_ns
            )
            if late and move.at_ns is not None:
                self._plan(move.at_ns, "answer", id, None)
            elif answer.at_ns is not None:
                self._plan(answer.at_ns, "answer", id, answer.status)
        elif move.kind is Kind.RETRY and move.at_ns is not None:
            self._plan(move.at_ns, "retry", id)
        elif move.kind is Kind.WAIT and move.at_ns is not None:
            self._plan(move.at_ns, "look", id)
        elif move.kind is Kind.REFUSED:
            self._second(now).refused += 1
            del self._begun[id]


# -- a gateway of guards alone --------------------------------------------------------------------
@dataclasses.dataclass(slots=True)
class _Attempt:
    request: Request
    number: int = 1
    call: int | None = None
    instance: str = ""
    waits_since: int = 0


class Guarded:
    """One service behind a ResilienceManager, its instances in turn; a retry avoids the instance
    that failed."""

    def __init__(
        self, manager: ResilienceManager, instances: Sequence[str], service_id: int = 0
    ) -> None:
        self.manager, self.instances, self.service = manager, list(instances), service_id
        self._turn = 0
        self._attempts: dict[int, _Attempt] = {}
        self._line: deque[int] = deque()

    def _pick(self, avoid: str) -> str:
        for _ in self.instances:
            chosen = self.instances[self._turn % len(self.instances)]
            self._turn += 1
            if chosen != avoid or len(self.instances) == 1:
                break
        return chosen

    def _begin(self, one: _Attempt, now_ns: int) -> Move:
        permit = self.manager.acquire_permit(
            self.service,
            deadline_ns=one.request.deadline_ns,
            method=one.request.method,
            attempt=one.number,
            now_ns=now_ns,
        )
        one.call = permit.call
        if not permit.granted:
            del self._attempts[one.request.id]
            return Move(Kind.REFUSED, reason=str(permit.reason))
        if permit.waits:
            self._line.append(one.request.id)
            assert permit.call is not None
            return Move(Kind.WAIT, at_ns=self.manager.get_permit(permit.call).lapses)
        return self._send(one, permit.timeout_ns, now_ns)

    def _send(self, one: _Attempt, timeout_ns: int | None, now_ns: int) -> Move:
        one.instance = self._pick(one.instance)
        until = None if timeout_ns is None else now_ns + timeout_ns - 1
        return Move(Kind.SEND, one.instance, until)

    def admit(self, request: Request, now_ns: int) -> Move:
        """A first attempt."""
        one = self._attempts[request.id] = _Attempt(request)
        return self._begin(one, now_ns)

    def dispatch(self, request_id: int, now_ns: int) -> Move:
        """One more."""
        one = self._attempts[request_id]
        one.number += 1
        return self._begin(one, now_ns)

    def complete(self, request_id: int, now_ns: int, status: int | None) -> Move:
        """An attempt ended: the guards learn, and say whether to try again."""
        one = self._attempts[request_id]
        assert one.call is not None
        if status is None:
            outcome = Outcome.TIMEOUT
        elif status == CONNECTION_REFUSED:
            outcome = Outcome.CONNECTION
        else:
            outcome = self.manager.outcome_of(status)
        decision = self.manager.release_permit(
            one.call, outcome, http_status=status or 0, now_ns=now_ns
        )
        if decision.retry:
            return Move(Kind.RETRY, at_ns=decision.start_at_ns)
        del self._attempts[request_id]
        return Move(Kind.DONE)

    def ready(self, now_ns: int) -> list[tuple[int, Move]]:
        """Who waited for a permit and has one now, or has left the line."""
        moves: list[tuple[int, Move]] = []
        self.manager._pass(now_ns)
        out = {held.call: held for held in self.manager.permits()} if self._line else {}
        for id in list(self._line):
            one = self._attempts[id]
            held = out.get(one.call) if one.call is not None else None
            if held is not None and held.state is CallState.WAITING:
                continue
            self._line.remove(id)
            if held is None:
                del self._attempts[id]
                moves.append((id, Move(Kind.REFUSED, reason="left the line")))
                continue
            left = None if held.lapses is None else held.lapses - now_ns
            moves.append((id, self._send(one, left, now_ns)))
        return moves
