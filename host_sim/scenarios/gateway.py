# SPDX-License-Identifier: MIT
"""The real Kernel as the gateway of a simulation: every arrival, sending and outcome is a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from host_sim.exchanges import Exchanges, Next, Step
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
        self.exchanges = Exchanges(kernel)
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

    def _moved(self, step: Step, now_ns: int) -> Move:
        """A step as the simulation's. Who reports does so in the last instant of an attempt's time,
        before the core."""
        if step.next is Next.REFUSED:
            self.refusals[step.reason] = self.refusals.get(step.reason, 0) + 1
            return Move(Kind.REFUSED, reason=step.reason)
        if step.next is Next.AGAIN:
            return Move(Kind.RETRY, at_ns=step.at_ns)
        if step.next is Next.WAIT:
            return Move(Kind.WAIT, at_ns=now_ns + self._timeout_ns)
        if step.next is Next.DONE:
            return Move(Kind.DONE)
        assert step.decision is not None
        instance = step.decision.instance or self._only
        self.picks.append((now_ns, instance))
        return Move(Kind.SEND, instance, now_ns + step.decision.timeout_ns - self._tells)

    def admit(self, request: Request, now_ns: int) -> Move:
        """ADMIT. Raises ValueError for a verdict that no scenario's rules may lead to."""
        self._pass(now_ns)
        step = self.exchanges.admit(
            "/", at_ns=now_ns, id=request.id, method=request.method, **self._fields(request)
        )
        if step.at_ns > now_ns or step.next is Next.DONE:
            raise ValueError(f"a scenario's rules let in or refuse, no {step.reason}")
        return self._moved(step, now_ns)

    def dispatch(self, request_id: int, now_ns: int) -> Move:
        """DISPATCH of a request whose RETRY named this instant."""
        self._pass(now_ns)
        return self._moved(self.exchanges.again(request_id, now_ns), now_ns)

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
        step = self.exchanges.complete(
            request_id, at_ns=now_ns, http_status=status or 0, outcome=outcome
        )
        return self._moved(step, now_ns)

    def ready(self, now_ns: int) -> list[tuple[int, Move]]:
        """DISPATCH while one that waits may go; those whose time is over were dropped."""
        self._pass(now_ns)
        return [(step.request, self._moved(step, now_ns)) for step in self.exchanges.ready(now_ns)]
