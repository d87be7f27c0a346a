# SPDX-License-Identifier: MIT
"""A request's way through a Kernel as steps: each row's verdict, and what its caller does next.

ApiGateway carries one request with it from door to door.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from host_sim.decision import Decision, Verdict
from host_sim.kernel import Kernel

__all__ = ["Exchanges", "Next", "Step"]


class Next(enum.Enum):
    """What the caller of a request does with it now."""

    SEND = "send"  # it was dispatched: carry it, not before `at_ns`
    WAIT = "wait"  # it waits in its service's queue: see `ready`
    AGAIN = "again"  # it failed and may be dispatched again from `at_ns` on: see `again`
    REFUSED = "refused"  # it goes nowhere: its client gets a no, or a redirect
    DONE = "done"  # it is complete; by a kept answer where the decision says `cached`


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """`decision` is the verdict this comes from, None for a request that was dropped while it
    waited: nobody asked then. `reason` says why; `lines` are header fields its response owes."""

    next: Next
    request: int
    at_ns: int
    reason: str
    decision: Decision | None = None
    lines: tuple[tuple[str, str], ...] = ()


class Exchanges:
    """The requests of one caller on `kernel`. Nothing here waits: each call is one instant."""

    def __init__(self, kernel: Kernel, waiting: dict[int, int] | None = None) -> None:
        self.kernel = kernel
        # the numbers of their admissions, by id; `waiting`: of all callers that share them
        self.waiting: dict[int, int] = {} if waiting is None else waiting

    # -- one row each ---------------------------------------------------------------------------
    def admit(
        self, target: str | bytes, *, at_ns: int, id: int | None = None, tell: bool = False,
        **fields: Any,
    ) -> Step:  # fmt: skip
        """ADMIT; `tell` asks for the header lines too. `fields` are RequestFields."""
        if tell:
            decision, lines = self.kernel.admit_telling(target, at_ns=at_ns, id=id, **fields)
        else:
            decision, lines = self.kernel.admit(target, at_ns=at_ns, id=id, **fields), ()
        return dataclasses.replace(self._step(decision, self.kernel.last_id), lines=lines)

    def again(self, id: int, at_ns: int) -> Step:
        """DISPATCH of a request that failed, at or after the instant its AGAIN named."""
        return self._step(self.kernel.dispatch(id, at_ns=at_ns), id)

    def complete(self, id: int, *, at_ns: int | None = None, **outcome: Any) -> Step:
        """COMPLETE; `outcome` is what Kernel.complete takes."""
        return self._step(self.kernel.complete(id, at_ns=at_ns, **outcome), id)

    def ready(self, at_ns: int) -> list[Step]:
        """Those that waited and may go now, and those whose time was over, in that order."""
        steps: list[Step] = []
        if not self.waiting:
            return steps
        self.kernel.tick(at_ns)
        while self.waiting:
            decision = self.kernel.dispatch()
            if decision.verdict == Verdict.NONE:
                break
            self.waiting.pop(decision.request, None)
            steps.append(self._step(decision, decision.request))
        for id, number in list(self.waiting.items()):
            if self.kernel.request(id) is None:
                del self.waiting[id]
                steps.append(Step(Next.REFUSED, id, at_ns, self._ended(number)))
        return steps

    # -- reading verdicts -----------------------------------------------------------------------
    def _step(self, decision: Decision, id: int) -> Step:
        at, verdict = decision.at_ns, decision.verdict
        if verdict == Verdict.RETRY:
            return Step(Next.AGAIN, id, decision.start_at_ns, decision.reason, decision)
        if verdict not in (Verdict.ALLOW, Verdict.DELAY, Verdict.SENT, Verdict.COMPLETE):
            return Step(Next.REFUSED, id, at, decision.reason, decision)
        if verdict == Verdict.COMPLETE:
            # before a later attempt, a guard's no completes the request with its own reason
            kind = Next.DONE if decision.reason == "ok" else Next.REFUSED
            return Step(kind, id, at, decision.reason, decision)
        if decision.cached is not None:
            return Step(Next.DONE, id, at, decision.reason, decision)
        if decision.queued:
            self.waiting[id] = decision.id
            return Step(Next.WAIT, id, at, decision.reason, decision)
        return Step(Next.SEND, id, max(at, decision.start_at_ns), decision.reason, decision)

    def _ended(self, number: int) -> str:
        """Why a request that waited is gone: the audit knows, unless its ring went round since."""
        lib = self.kernel.lib
        for record in reversed(self.kernel.audit(256)):
            if record["before"] == number and record["what"] in (
                lib.RAY_AUDIT_EXPIRE, lib.RAY_AUDIT_REFUND
            ):  # fmt: skip
                return self.kernel.reason_word(record["reason"])
        return "deadline"
