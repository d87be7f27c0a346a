# SPDX-License-Identifier: MIT
"""gateway: a request with its bytes from the client to its service and back, through every stage of
a Kernel. Import ApiGateway from host_sim.modules.gateway."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from host_sim.errors import UnknownError
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


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What the core does not keep of a request in flight."""

    request: ApiRequest
    match: RouteMatch
    service: ServiceEndpoint | None
    lines: tuple[tuple[str, str], ...]


class Door:
    """The bytes of the requests of one ApiGateway on one Kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.exchanges = kernel, Exchanges(kernel)
        self._asked: dict[int, Asked] = {}
        self._again: dict[int, int] = {}  # not before
        self._parked: dict[int, Turn] = {}  # went on while another request was waited for
        self._asked_max = ASKED_MAX

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
        if len(self._asked) >= self._asked_max:
            self._forget()
        asked = Asked(request, match, service, step.lines)
        self._asked[step.request] = asked
        return self._turn(step)

    def ready(self, now: int) -> dict[int, Turn]:
        """By request: what waited and goes on by now, or was dropped."""
        now = self.kernel.tick(now)
        turns, self._parked = self._parked, {}
        for step in self.exchanges.ready(now):
            if step.request in self._asked:
                turns[step.request] = self._turn(step)
        for id in [id for id, at in self._again.items() if at <= now]:
            turns[id] = self._retry(id, now)
        return turns

    def finish(self, record: DispatchRecord, response: ApiResponse, now: int | None) -> Turn:
        """What came back: transformed for the client, told to the core as it came."""
        id = self._known(record)
        if now is not None:
            self.kernel.tick(now)
        message: Message | Refusal
        try:
            message = self.kernel.transform_response(
                id, response.status, headers=response.headers, body=response.body
            )
            status = message.outcome_status
        except RefusedError as error:
            message, status = error.refusal, error.refusal.http_status
        except UnknownError:
            return self._expired(id)
        step = self.exchanges.complete(
            id, http_status=status, response_bytes=len(response.body), headers=response.headers,
            body=response.body,
        )  # fmt: skip
        return self._turn(step, message)

    def fail(self, record: DispatchRecord, outcome: Outcome, now: int | None = None) -> Turn:
        """Nothing came back: the attempt's time is over, or there was no connection."""
        id = self._known(record)
        if now is not None:
            self.kernel.tick(now)
        if self.kernel.request(id) is None:
            return self._expired(id)
        late = outcome == Outcome.TIMEOUT
        code = self.kernel.lib.RAY_REASON_DEADLINE if late else (
            self.kernel.lib.RAY_REASON_SERVICE_UNHEALTHY)  # fmt: skip
        status = 504 if late else 502
        step = self.exchanges.complete(id, http_status=status, outcome=int(outcome))
        return self._turn(step, Refusal(code, status, "", ""))

    # -- one request to its end -----------------------------------------------------------------
    def carry(self, turn: Turn, transport: Transport) -> ApiResponse:
        """Until its client has an answer; time passes where the request has to wait."""
        while not isinstance(turn, ApiResponse):
            if isinstance(turn, QueuedRequest):
                turn = self._await(turn)
                continue
            record = turn
            if record.start_at_ns > self.kernel.lib.ray_clock_now(self.kernel.ray):
                self.kernel.tick(record.start_at_ns)
            try:
                response = transport(record)
            except TimeoutError:
                began = int(self.kernel.lib.ray_clock_now(self.kernel.ray))
                last = max(began, record.start_at_ns + record.timeout_ns - 1)
                turn = self.fail(record, Outcome.TIMEOUT, last)
            except ConnectionError:
                turn = self.fail(record, Outcome.CONNECTION)
            except BaseException:
                self._asked.pop(record.request_id, None)
                if self.kernel.request(record.request_id) is not None:
                    self.kernel.cancel(record.request_id)
                raise
            else:
                turn = self.finish(record, response, None)
        return turn

    def _await(self, queued: QueuedRequest) -> Turn:
        """Lets time run to where this request goes on; what others may do then is kept for them."""
        id = queued.request_id
        if id in self._again:
            return self._retry(id, self.kernel.tick(self._again[id]))
        while True:
            now = int(self.kernel.lib.ray_clock_now(self.kernel.ray))
            for other, turn in self.ready(now).items():
                self._parked[other] = turn
            if id in self._parked:
                return self._parked.pop(id)
            self.kernel.tick(self.kernel.next_due())

    # -- turns ----------------------------------------------------------------------------------
    def _retry(self, id: int, now: int) -> Turn:
        del self._again[id]
        if self.kernel.request(id) is None:
            return self._expired(id)
        return self._turn(self.exchanges.again(id, now))

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
                message = Refusal(self.kernel.reason_code(step.reason), 0, "", "")
        if isinstance(message, Refusal):
            message = self.kernel.error_response(message)
        return self._answer(id, message)

    def _record(self, step: Step) -> Turn:
        id, decision = step.request, step.decision
        assert decision is not None
        asked, flight = self._asked[id], self.kernel.request(id)
        try:
            message = self.kernel.transform_request(
                id, headers=asked.request.headers, body=asked.request.body
            )
        except RefusedError as error:  # what its admission could not see: it grew, or loses
            refusal = error.refusal
            done = self.exchanges.complete(
                id, http_status=refusal.http_status, outcome=int(Outcome.UNSENT)
            )
            return self._turn(done, refusal)
        assert flight is not None and asked.service is not None
        host, port = _endpoint(decision.instance, asked.service)
        timeout_ns = decision.timeout_ns or flight.due_ns - step.at_ns
        return DispatchRecord(
            service=asked.service, method=asked.request.method, path=asked.match.path,
            query=asked.match.query, headers=message.headers, body=message.body,
            deadline_ns=flight.due_ns, match=asked.match, request_id=id, host=host, port=port,
            instance=decision.instance, attempt=max(decision.attempt, 1), timeout_ns=timeout_ns,
            start_at_ns=step.at_ns,
        )  # fmt: skip

    def _answer(self, id: int, message: Message) -> ApiResponse:
        """To the client: what the step gave, and the fields its admission owes."""
        asked = self._asked.pop(id)
        said = {name.lower() for name, _ in message.headers}
        owed = tuple(
            (name, value) for name, value in asked.lines
            if name.lower() not in said or name.lower() not in ("retry-after", "location")
        )  # fmt: skip
        body = b"" if asked.request.method == "HEAD" else message.body
        return ApiResponse(message.status, (*message.headers, *owed), body)

    def _expired(self, id: int) -> ApiResponse:
        """Its time ran out before anybody said what came of it."""
        self._again.pop(id, None)
        late = Refusal(self.kernel.lib.RAY_REASON_DEADLINE, 504, "", "")
        return self._answer(id, self.kernel.error_response(late))

    def _known(self, record: DispatchRecord) -> int:
        if record.request_id not in self._asked:
            raise UnknownError(f"request {record.request_id} was answered already")
        return record.request_id

    def _forget(self) -> None:
        for id in [id for id in self._asked if self.kernel.request(id) is None]:
            if id not in self._parked:
                del self._asked[id]
        self._asked_max = max(ASKED_MAX, 2 * len(self._asked))


def _endpoint(instance: str, service: ServiceEndpoint) -> tuple[str, int]:
    """Where to: the instance's HOST:PORT, the service's own without a pool."""
    host, colon, port = instance.rpartition(":")
    if not colon or not port.isdigit():
        return instance or service.host, 0 if instance else service.port
    return host.strip("[]"), int(port)
