# SPDX-License-Identifier: MIT
"""priority: who is sent next when more is asked of a service than it serves at once.

Five classes per service, weighted deficit round robin between them, Critical out of turn up to a
cap, fair flows inside a class, deadlines from the service's SLA. Instants are whole nanoseconds,
ratios basis points or parts per million: no floats. Rules: SEMANTICS.md, "priority"; the C core
behind it: ray/priority.h.
"""

from __future__ import annotations

from typing import Any

from host_sim.decision import NEVER, NONE
from host_sim.errors import ArgumentError, ExistsError, StateError, check
from host_sim.modules.base import u64
from host_sim.modules.priority_control import PriorityControl
from host_sim.modules.priority_reading import Flow, handle_of
from host_sim.modules.priority_types import (
    SLA,
    Breach,
    ClassShare,
    Dispatch,
    Estimate,
    Fairness,
    FlowBy,
    Leave,
    Origin,
    Placement,
    PriorityQueue,
    PriorityStats,
    QueuedRequest,
    QueueMetrics,
    QueueRules,
    QueueTerms,
    Rejection,
    RequestPriority,
    SLAAlert,
    SLAReport,
)

__all__ = [
    "SLA", "Breach", "ClassShare", "Dispatch", "Estimate", "Fairness", "FlowBy", "Leave", "Origin",
    "Placement", "PriorityQueue", "PriorityScheduler", "PriorityStats", "QueueMetrics",
    "QueueRules", "QueueTerms", "QueuedRequest", "Rejection", "RequestPriority", "SLAAlert",
    "SLAReport",
]  # fmt: skip

OVERLOADED = 503


class PriorityScheduler(PriorityControl):
    """256 queues, one per service, over one pool of 4 096 entries (profile seed).

    Alone it owns a state of its own: requests enter by `enqueue_request` under ids of the caller's
    and wait for `dequeue_next`. With `kernel` it reads and controls that Kernel's queues, which
    requests enter and leave by the Kernel's rows. Time is `now_ns`, which never runs backwards.
    """

    # -- requests -------------------------------------------------------------------------------
    def _expire(self, now: int) -> None:
        while self.lib.ray_priority_tick(self._state, now) != NONE:
            pass

    def _alone(self, what: str) -> None:
        if self.kernel is not None:
            raise StateError(f"a Kernel's requests {what} by its rows")

    def enqueue_request(
        self,
        request_id: int,
        service_id: int = 0,
        priority: RequestPriority | None = None,
        *,
        origin: Origin = Origin.CLIENT,
        width: int = 1,
        flow: Flow | None = None,
        not_before_ns: int = 0,
        deadline_ns: int = 0,
        at_once: bool = False,
        now_ns: int | None = None,
    ) -> Placement:
        """Adds a request to the queue of its class, or says why not; a refusal is an outcome, not
        an exception, and changes nothing but counters.

        `priority` None takes the SLA's class, else Normal. `flow` says whom it is from. `at_once`
        sends it without waiting when a server is free and nobody waits. Before a full queue turns
        it away or displaces anybody, requests past their deadline are dropped. Raises ExistsError
        for an id that waits, UnknownError, RangeError."""
        self._alone("enter")
        if not isinstance(request_id, int):
            raise ArgumentError(f"a request's id is a whole number, not {request_id!r}")
        u64(request_id, "request_id")
        if request_id in self._entries:
            raise ExistsError(f"request {request_id} waits already")
        if priority is None:
            chosen = int(self.lib.ray_priority_class(self._state, handle_of(service_id)))
            default = chosen == self.lib.RAY_CLASS_DEFAULT
            priority = RequestPriority.NORMAL if default else RequestPriority(chosen)
        query = self._query(
            service_id,
            priority,
            origin=int(origin),
            width=width,
            flow=self.flow_of(flow),
            not_before_ns=u64(not_before_ns, "not_before_ns"),
            deadline_ns=u64(deadline_ns, "deadline_ns"),
            hold=int(not at_once),
        )
        answer = self.ffi.new("ray_priority_answer *")
        what = f"enqueue {request_id} for service {service_id}"
        check(self.lib.ray_priority_ask(self._state, self._at(now_ns), query, answer), what)
        now = self._pass(now_ns)
        check(self.lib.ray_priority_ask(self._state, now, query, answer), what)
        if (not answer.granted or answer.victim != NONE) and self.drop_expired(
            service_id, now_ns=now
        ):
            check(self.lib.ray_priority_ask(self._state, now, query, answer), what)
        displaced = None
        if answer.granted:
            if answer.victim != NONE:
                displaced = self._leave(int(answer.victim), Leave.DISPLACED, now)
            self._take(request_id, query, answer, now)
        self.lib.ray_priority_note(self._state, now, query, answer, answer.granted)
        return Placement(
            accepted=bool(answer.granted),
            queued=bool(answer.queued),
            reason=int(answer.reason),
            ahead=int(answer.ahead),
            wait_ns=int(answer.wait_ns),
            deadline=None if answer.deadline_ns == NEVER else int(answer.deadline_ns),
            displaced=displaced,
        )

    def _take(self, request_id: int, query: Any, answer: Any, now: int) -> None:
        while self._number in self._numbers:
            self._number = (self._number + 1) & 0xFFFFFFFF
        number = self._number
        self._number = (self._number + 1) & 0xFFFFFFFF
        entry = self.lib.ray_priority_take(self._state, now, query, answer, number)
        if entry != NONE:
            self._numbers[number], self._entries[request_id] = request_id, int(entry)

    def _forget(self, number: int) -> int:
        request_id = self._numbers.pop(number)
        del self._entries[request_id]
        return request_id

    def _leave(self, entry: int, why: Leave, now: int) -> int:
        number = self.ffi.new("uint32_t *")
        check(self.lib.ray_priority_request_of(self._state, entry, number))
        check(self.lib.ray_priority_leave(self._state, now, entry, int(why)))
        return self._forget(int(number[0]))

    def drop_expired(
        self, service_id: int | None = None, *, now_ns: int | None = None
    ) -> tuple[int, ...]:
        """Drops every request whose deadline has come (reason DEADLINE); returns their ids."""
        self._alone("expire")
        now, found = self._pass(now_ns), self.ffi.new("uint32_t *")
        service = NONE if service_id is None else handle_of(service_id)
        dropped = []
        while self.lib.ray_priority_overdue(self._state, now, service, found) == 0:
            dropped.append(self._leave(int(found[0]), Leave.DEADLINE, now))
        return tuple(dropped)

    def dequeue_next(
        self, service_id: int | None = None, *, now_ns: int | None = None
    ) -> Dispatch | None:
        """The next request of a service, or of any in turn, by class, weight and fairness; None
        when nothing waits or no server is free. What is past its deadline is dropped on the way,
        never dispatched."""
        self._alone("leave")
        now, pick = self._pass(now_ns), self.ffi.new("ray_priority_pick *")
        service = NONE if service_id is None else handle_of(service_id)
        while self.lib.ray_priority_next(self._state, now, service, pick) == 0:
            deadline = self._request_of(int(pick.entry)).sla_deadline
            if deadline is not None and deadline <= now:
                self._leave(int(pick.entry), Leave.DEADLINE, now)
                continue
            self.lib.ray_priority_send(self._state, now, pick)
            return Dispatch(
                request_id=self._forget(int(pick.request)),
                priority=RequestPriority(pick.priority),
                arrival_time=int(pick.arrival_ns),
                sent_time=now,
                wait_ns=int(pick.wait_ns),
                service_id=int(pick.service),
                origin=Origin(pick.origin),
                width=int(pick.width),
            )
        return None

    def complete_request(
        self, dispatch: Dispatch, *, failed: bool = False, now_ns: int | None = None
    ) -> None:
        """The outcome of a dispatch: frees its servers, teaches the service time, counts for the
        SLA's minute."""
        self._alone("end")
        if not isinstance(dispatch, Dispatch):
            raise ArgumentError(f"what dequeue_next returned is completed, not {dispatch!r}")
        done = self.ffi.new("ray_priority_done *")
        self._fill(
            done,
            {
                "arrival_ns": dispatch.arrival_time,
                "sent_ns": dispatch.sent_time,
                "service": dispatch.service_id,
                "priority": int(dispatch.priority),
                "width": dispatch.width,
                "failed": int(failed),
            },
        )
        self.lib.ray_priority_finish(self._state, self._pass(now_ns), done)

    def reject_request(
        self,
        service_id: int = 0,
        priority: RequestPriority = RequestPriority.NORMAL,
        *,
        now_ns: int | None = None,
    ) -> Rejection:
        """The error an overloaded queue answers a request of this class, counted as refused.

        Raises StateError while the queue has a place for it."""
        self._alone("are refused")
        now, answer = self._pass(now_ns), self.ffi.new("ray_priority_answer *")
        query = self._query(service_id, priority, hold=1)
        check(self.lib.ray_priority_ask(self._state, now, query, answer), "reject")
        if answer.granted:
            raise StateError(f"the queue of service {service_id} has a place for {priority.name}")
        self.lib.ray_priority_note(self._state, now, query, answer, 0)
        queue = self.get_queue(service_id)
        return Rejection(
            reason=int(answer.reason),
            http_status=OVERLOADED,
            retry_after_ns=queue.service_ns // queue.servers if queue.servers else 0,
        )

    def requeue_request(
        self, request_id: int, priority: RequestPriority, *, now_ns: int | None = None
    ) -> QueuedRequest:
        """Moves a request to another class, by its original arrival; deadline and origin stay.
        Raises UnknownError, ArgumentError."""
        entry, now = self._entry(request_id), self._pass(now_ns)
        before = self._request_of(entry)
        check(
            self.lib.ray_priority_requeue(self._state, now, entry, int(priority)),
            f"requeue {request_id}",
        )
        self._noted("SET", before.service_id, int(before.priority), int(priority))
        return self._request_of(entry)

    def preempt_request(
        self,
        request_id: int,
        *,
        by: RequestPriority = RequestPriority.CRITICAL,
        now_ns: int | None = None,
    ) -> QueuedRequest:
        """Takes a request that waits out of its queue in favour of a strictly higher class.

        What was sent cannot be recalled. Raises UnknownError, and StateError for one that is not
        below `by`. A Kernel's requests end, and are refunded, through the Kernel."""
        self._alone("are preempted")
        entry, now = self._entry(request_id), self._pass(now_ns)
        victim = self._request_of(entry)
        check(
            self.lib.ray_priority_preempt_check(self._state, entry, int(by)),
            f"request {request_id} is {victim.priority.name}, not below {by.name}",
        )
        self._leave(entry, Leave.PREEMPTED, now)
        return victim

    def cancel_request(self, request_id: int, *, now_ns: int | None = None) -> QueuedRequest:
        """The client of a request that waits went away. Raises UnknownError."""
        self._alone("are cancelled")
        entry, now = self._entry(request_id), self._pass(now_ns)
        request = self._request_of(entry)
        self._leave(entry, Leave.CANCELLED, now)
        return request

    def _noted(self, what: str, service_id: int, before: int, after: int) -> None:
        if self.kernel is None:
            return
        record = self.ffi.new("ray_audit_record *")
        record.seq, record.before, record.after, record.by_id = NEVER, before, after, service_id
        record.what, record.who = getattr(self.lib, f"RAY_AUDIT_{what}"), self.lib.RAY_WHO_HOST
        record.by_kind = self.lib.RAY_BY_QUEUE
        self.lib.ray_noted(self.kernel.ray, self._at(None), record)
