# SPDX-License-Identifier: MIT
"""The real Kernel as the gateway of a simulation: every arrival, sending and outcome is a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from host_sim.decision import Decision, Verdict
from host_sim.kernel import Kernel
from host_sim.modules.resilience import Outcome
from host_sim.scenarios.pools import Pools
from host_sim.simulate import Kind, Move, Request
from host_sim.upstream import CONNECTION_REFUSED, Upstream


@dataclasses.dataclass(frozen=True, slots=True)
class Probing:
    """A prober: it looks at every instance of the pools each `every_ns` and tells the balancer."""

    every_ns: int
    upstream: Upstream
    pools: Pools


class KernelGateway:
    """A Kernel whose service answers within `timeout_ns` or never.

    `tells` False: its caller loses what times out and never reports it, so that only the core's
    leases end it. `only` names the instance of a service without a pool. `fields` says what else a
    request's row says.
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        timeout_ns: int,
        tells: bool = True,
        only: str = "",
        probing: Probing | None = None,
        fields: Callable[[Request], dict[str, Any]] = lambda request: {},
    ) -> None:
        self.kernel, self.probing = kernel, probing
        self.picks: list[tuple[int, str]] = []  # of every sending: when and to which instance
        self.refusals: dict[str, int] = {}
        self._timeout_ns, self._tells, self._only, self._fields = timeout_ns, tells, only, fields
        self._waiting: dict[int, int] = {}  # until when
        self._probed_ns = 0

    def _pass(self, now_ns: int) -> None:
        """Probes that are due by now, each at its own instant."""
        if self.probing is None:
            return
        while self._probed_ns <= now_ns:
            self.kernel.tick(self._probed_ns)
            for instance in self.probing.pools.instances():
                passed = self.probing.upstream.probe(instance, self._probed_ns)
                self.probing.pools.probe(instance, passed)
            self._probed_ns += self.probing.every_ns

    def _sent(self, decision: Decision, now_ns: int) -> Move:
        """On its way; who reports does so in the last instant of its time, before the core."""
        instance = decision.instance or self._only
        self.picks.append((now_ns, instance))
        return Move(Kind.SEND, instance, now_ns + decision.timeout_ns - self._tells)

    def _refused(self, reason: str) -> Move:
        self.refusals[reason] = self.refusals.get(reason, 0) + 1
        return Move(Kind.REFUSED, reason=reason)

    def admit(self, request: Request, now_ns: int) -> Move:
        """ADMIT. Raises ValueError for a verdict that no scenario's rules may lead to."""
        self._pass(now_ns)
        decision = self.kernel.admit(
            "/", at_ns=now_ns, id=request.id, method=request.method, **self._fields(request)
        )
        if decision.verdict in (Verdict.DENY, Verdict.DROPPED):
            return self._refused(decision.reason)
        if decision.verdict != Verdict.ALLOW:
            raise ValueError(f"a scenario's rules let in or refuse, no {decision.verdict!r}")
        if decision.queued:
            self._waiting[request.id] = now_ns + self._timeout_ns
            return Move(Kind.WAIT, at_ns=now_ns + self._timeout_ns)
        return self._sent(decision, now_ns)

    def dispatch(self, request_id: int, now_ns: int) -> Move:
        """DISPATCH of a request whose RETRY named this instant."""
        self._pass(now_ns)
        decision = self.kernel.dispatch(request_id, at_ns=now_ns)
        if decision.verdict == Verdict.SENT:
            return self._sent(decision, now_ns)
        return self._refused(decision.reason)

    def complete(self, request_id: int, now_ns: int, status: int | None) -> Move:
        """COMPLETE; or, of an attempt that nobody reports, the passing of its time."""
        self._pass(now_ns)
        if status is None and not self._tells:
            self.kernel.tick(now_ns)
            return Move(Kind.DONE)
        outcome = 0
        if status is None:
            outcome = Outcome.TIMEOUT
        elif status == CONNECTION_REFUSED:
            outcome = Outcome.CONNECTION
        decision = self.kernel.complete(
            request_id, at_ns=now_ns, http_status=status or 0, outcome=outcome
        )
        if decision.verdict == Verdict.RETRY:
            return Move(Kind.RETRY, at_ns=decision.start_at_ns)
        return Move(Kind.DONE)

    def ready(self, now_ns: int) -> list[tuple[int, Move]]:
        """DISPATCH while one that waits may go; those whose time is over were dropped."""
        self._pass(now_ns)
        moves: list[tuple[int, Move]] = []
        while self._waiting:
            decision = self.kernel.dispatch(at_ns=now_ns)
            if decision.verdict == Verdict.NONE:
                break
            del self._waiting[decision.request]
            sent = decision.verdict == Verdict.SENT
            moves.append((decision.request, self._sent(decision, now_ns) if sent
                          else self._refused(decision.reason)))
        for id in [id for id, until in self._waiting.items() if until <= now_ns]:
            del self._waiting[id]
            moves.append((id, self._refused("deadline")))
        return moves
