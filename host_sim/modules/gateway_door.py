# SPDX-License-Identifier: MIT
"""gateway: a request with its bytes from the client to its service and back, through every stage of
a Kernel. Import ApiGateway from host_sim.modules.gateway."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from host_sim.decision import NONE, pack_headers
from host_sim.endpoint import split
from host_sim.errors import ArgumentError, TruncatedError, UnknownError, shown
from host_sim.exchanges import Exchanges, Next, Step
from host_sim.kernel import Kernel
from host_sim.modules.gateway_types import (
    ApiRequest,
    ApiResponse,
    DispatchRecord,
    QueuedRequest,
    RouteMatch,
    ServiceEndpoint,
)
from host_sim.modules.mediator_bodies import RefusedError
from host_sim.modules.mediator_types import Refusal
from host_sim.modules.resilience_types import Outcome
from host_sim.transforms import Message

Turn = ApiResponse | DispatchRecord | QueuedRequest
Transport = Callable[[DispatchRecord], ApiResponse]
ASKED_MAX = 4096  # from here on, requests that ended unseen are forgotten now and then
ANSWERS = (Outcome.OK, Outcome.CLIENT_4XX, Outcome.LIMITED_429)  # outcomes only a response has


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What the core does not keep of a request in flight."""

    request: ApiRequest
    match: RouteMatch
    service: ServiceEndpoint | None
    lines: tuple[tuple[str, str], ...]
    number: int  # of its admission: what the field headers.request_id says
    transform: str  # what its bodies go through, "" for nothing
    handle: int  # that transform's then; another transform may have it after a reload


class Held:
    """What the doors of one Kernel hold in common: whoever asks what may go now is told of every
    door's requests, and the core says it once."""

    def __init__(self) -> None:
        self.asked: dict[int, Asked] = {}
        self.again: dict[int, int] = {}  # not before
        self.parked: dict[int, Turn] = {}  # went on while another request was waited for
        self.waiting: dict[int, int] = {}  # see Exchanges
        self.asked_max = ASKED_MAX


HELD: weakref.WeakKeyDictionary[Kernel, Held] = weakref.WeakKeyDictionary()


class Door:
    """The bytes of the requests of every ApiGateway on one Kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._held = HELD.setdefault(kernel, Held())
        self.kernel, self.exchanges = kernel, Exchanges(kernel, self._held.waiting)
        self._asked, self._again = self._held.asked, self._held.again
        self._parked = self._held.parked

    # -- events ---------------------------------------------------------------------------------
    def admit(
        self, request: ApiRequest, match: RouteMatch, service: ServiceEndpoint | None, now: int
    ) -> Turn:
        """ADMIT with all that the request says."""
        fields: dict[str, Any] = {
            "method": request.method, "host": request.host, "headers": request.headers,
            "body": request.body, "client": request.client, "idempotent": request.idempotent,
        }  # fmt: skip
        if request.ip is not None:
            fields["ip"] = request.ip
        if request.service_id is not None and service is not None:
            fields["service"] = service.name
        step = self.exchanges.admit(request.path, at_ns=now, tell=True, **fields)
        if len(self._asked) >= self._held.asked_max:
            self._forget()
        assert step.decision is not None
        through = step.decision.transform
        handle = self.kernel.transform_handle(through)
        self._asked[step.request] = Asked(
            request, match, service, step.lines, step.decision.id, through, handle
        )
        return self._turn(step)

    def ready(self, now: int) -> dict[int, Turn]:
        """By request: what waited and goes on by now, or was dropped."""
        now = self.kernel.tick(now)
        turns = dict(self._parked)
        self._parked.clear()
        for step in self.exchanges.ready(now):
            if step.request in self._asked:
                turns[step.request] = self._turn(step)
        for id in [id for id, at in self._again.items() if at <= now]:
            turns[id] = self._retry(id, now)
        return turns

    def finish(self, record: DispatchRecord, response: ApiResponse, now: int | None) -> Turn:
        """What came back: transformed for the client, told to the core as it came. What is no
        response of HTTP's is a service's bad answer, 502; what is no ApiResponse raises."""
        id = self._known(record)
        final, gone = is_final(response), self._gone(id, now)
        if gone is not None:
            return gone
        bad = Refusal(self.kernel.lib.RAY_REASON_RESPONSE_INVALID, 502)
        if not final:
            return self._turn(self.exchanges.complete(id, http_status=502), bad)
        asked = self._asked[id]
        handle = self.kernel.transform_handle(asked.transform)
        moved = handle != asked.handle
        if moved and (handle == NONE or asked.request.method == "HEAD"):
            # the service did what it was asked, but nobody can read it any more
            step = self.exchanges.complete(
                id, http_status=response.status, headers=response.headers
            )
            return self._turn(step, bad)
        message: Message | Refusal
        try:
            message = self.kernel.transform_response(
                0 if moved else id, response.status, headers=response.headers,
                body=response.body, transform=handle if moved else NONE,
            )  # fmt: skip
            status = message.outcome_status
        except RefusedError as error:
            message, status = error.refusal, error.refusal.http_status
        except (ArgumentError, TruncatedError):  # more than anybody has room for
            return self._turn(self.exchanges.complete(id, http_status=502), bad)
        step = self.exchanges.complete(
            id, http_status=status, response_bytes=len(response.body), headers=response.headers,
            body=None if moved else response.body,
        )  # fmt: skip
        return self._turn(step, message)

    def fail(self, record: DispatchRecord, outcome: Outcome, now: int | None = None) -> Turn:
        """Nothing came back: the attempt's time is over, or there was no connection."""
        id = self._known(record)
        if outcome in ANSWERS:
            raise ArgumentError(f"{outcome!s} is what a response says: complete with the response")
        gone = self._gone(id, now)
        if gone is not None:
            return gone
        late = outcome == Outcome.TIMEOUT
        code = self.kernel.lib.RAY_REASON_DEADLINE if late else (
            self.kernel.lib.RAY_REASON_SERVICE_UNHEALTHY)  # fmt: skip
        status = 504 if late else 502
        step = self.exchanges.complete(id, http_status=status, outcome=int(outcome))
        return self._turn(step, Refusal(code, status))

    # -- one request to its end -----------------------------------------------------------------
    def carry(self, turn: Turn, transport: Transport) -> ApiResponse:
        """Until its client has an answer; time passes where the request has to wait. Whatever is
        raised on the way, nothing of the request stays behind."""
        while not isinstance(turn, ApiResponse):
            id = turn.request_id
            try:
                if isinstance(turn, QueuedRequest):
                    turn = self._await(turn)
                else:
                    turn = self._attempt(turn, transport)
            except BaseException:
                self._cancel(id)
                raise
        return turn

    def _attempt(self, record: DispatchRecord, transport: Transport) -> Turn:
        if record.start_at_ns > self._now():
            self.kernel.tick(record.start_at_ns)
        try:
            response = transport(record)
        except TimeoutError:
            last = max(self._now(), record.start_at_ns + record.timeout_ns - 1)
            return self.fail(record, Outcome.TIMEOUT, last)
        except ConnectionError:
            return self.fail(record, Outcome.CONNECTION)
        return self.finish(record, response, None)

    def _cancel(self, id: int) -> None:
        self._asked.pop(id, None)
        self._again.pop(id, None)
        if self.kernel.request(id) is not None:
            self.kernel.cancel(id)

    def _await(self, queued: QueuedRequest) -> Turn:
        """Lets time run to where this request goes on; what others may do then is kept for them."""
        id = queued.request_id
        if id in self._again:
            return self._retry(id, self.kernel.tick(self._again[id]))
        while True:
            self._parked.update(self.ready(self._now()))
            if id in self._parked:
                return self._parked.pop(id)
            self.kernel.tick(self.kernel.next_due())

    # -- turns ----------------------------------------------------------------------------------
    def _retry(self, id: int, now: int) -> Turn:
        del self._again[id]
        gone = self._gone(id)
        return gone if gone is not None else self._turn(self.exchanges.again(id, now))

    def _turn(self, step: Step, message: Message | Refusal | None = None) -> Turn:
        """What a step means to whoever holds the bytes."""
        id, decision = step.request, step.decision
        if step.next in (Next.WAIT, Next.AGAIN):
            if step.next is Next.AGAIN:
                self._again[id] = step.at_ns
            wait = decision.wait_ns if decision is not None else 0
            return QueuedRequest(id, step.reason, wait, step.at_ns)
        if step.next is Next.SEND:
            return self._record(step)
        if message is None or step.next is Next.REFUSED:
            if decision is not None and decision.cached is not None:
                message = self.kernel.cached_response(decision.cached)
            elif decision is not None:
                message = self.kernel.error_response(decision)
            else:
                message = Refusal(self.kernel.reason_code(step.reason), 0)
        if isinstance(message, Refusal):
            message = self._refused(id, message)
        return self._answer(id, message)

    def _refused(self, id: int, refusal: Refusal) -> Message:
        """As the client of this request understands a no: in trailers where it speaks gRPC."""
        return self.kernel.error_response(refusal, transform=self._asked[id].transform)

    def _is_moved(self, id: int) -> bool:
        """Did a reload take away the transform that this request is to go through, or put it in
        another place? The core knows it by its place, and another one may be there now."""
        asked = self._asked[id]
        return self.kernel.transform_handle(asked.transform) != asked.handle

    def _record(self, step: Step) -> Turn:
        id, decision = step.request, step.decision
        assert decision is not None
        asked, flight = self._asked[id], self.kernel.request(id)
        if self._is_moved(id):
            gone = Refusal(self.kernel.lib.RAY_REASON_SERVICE_GONE, 503)
            return self._unsent(id, gone)
        try:
            message = self.kernel.transform_request(
                id, headers=asked.request.headers, body=asked.request.body
            )
        except RefusedError as error:  # what its admission could not see: it grew, or loses
            return self._unsent(id, error.refusal)
        assert flight is not None and asked.service is not None
        host, port = split(decision.instance) if decision.instance else (
            asked.service.host.strip("[]"), asked.service.port)  # fmt: skip
        timeout_ns = decision.timeout_ns or flight.due_ns - step.at_ns
        return DispatchRecord(
            service=asked.service, method=asked.request.method, path=asked.match.path,
            query=asked.match.query, headers=message.headers, body=message.body,
            deadline_ns=flight.due_ns, match=asked.match, request_id=id, host=host, port=port,
            instance=decision.instance, attempt=max(decision.attempt, 1), timeout_ns=timeout_ns,
            start_at_ns=step.at_ns,
        )  # fmt: skip

    def _unsent(self, id: int, refusal: Refusal) -> Turn:
        outcome = int(Outcome.UNSENT)
        step = self.exchanges.complete(id, http_status=refusal.http_status, outcome=outcome)
        return self._turn(step, refusal)

    def _answer(self, id: int, message: Message) -> ApiResponse:
        """To the client: what the step gave, and the fields its admission owes. The request id is
        the last of those, and a service that echoes its own does not say it again."""
        asked = self._asked.pop(id)
        own = {name.lower() for name, value in asked.lines[-1:] if value == str(asked.number)}
        fields = tuple(pair for pair in message.headers if pair[0].lower() not in own)
        said = {name.lower() for name, _ in fields}
        owed = tuple(
            (name, value) for name, value in asked.lines
            if name.lower() not in said or name.lower() not in ("retry-after", "location")
        )  # fmt: skip
        body = b"" if asked.request.method == "HEAD" else message.body
        return ApiResponse(message.status, (*fields, *owed), body)

    def _gone(self, id: int, now: int | None = None) -> ApiResponse | None:
        """What its client is told where its time ran out before anybody said what came of it."""
        if now is not None:
            self.kernel.tick(now)
        if self.kernel.request(id) is not None:
            return None
        self._again.pop(id, None)
        late = Refusal(self.kernel.lib.RAY_REASON_DEADLINE, 504)
        return self._answer(id, self._refused(id, late))

    def _now(self) -> int:
        return int(self.kernel.lib.ray_clock_now(self.kernel.ray))

    def _known(self, record: DispatchRecord) -> int:
        if record.request_id not in self._asked:
            raise UnknownError(f"request {record.request_id} was answered already")
        return record.request_id

    def _forget(self) -> None:
        for id in [id for id in self._asked if self.kernel.request(id) is None]:
            if id not in self._parked:
                del self._asked[id]
        self._held.asked_max = max(ASKED_MAX, 2 * len(self._asked))


def is_final(response: object) -> bool:
    """Can it be a final response of HTTP's (RFC 9110 15)? A status of 200 to 599, 1xx comes before
    one; and fields of bytes, that fit a packed block. Raises ArgumentError for what no service
    said: another type than an ApiResponse, or in one of its fields."""
    if not isinstance(response, ApiResponse):
        raise ArgumentError(f"what came back is an ApiResponse, not {shown(response)}")
    status, headers, body = response.status, response.headers, response.body
    if not isinstance(status, int):
        raise ArgumentError(f"a response's status is a whole number, not {shown(status)}")
    if not isinstance(body, bytes):
        raise ArgumentError(f"a response's body is bytes, not {shown(body)}")
    try:
        if not isinstance(headers, Mapping | Sequence):
            raise TypeError
        pack_headers(headers)
    except (UnicodeEncodeError, ArgumentError):
        return False
    except (AttributeError, TypeError, ValueError):
        raise ArgumentError(
            f"a response's headers are texts by name, or pairs, not {shown(headers)}"
        ) from None
    return 200 <= status <= 599
