# SPDX-License-Identifier: MIT
"""What a Kernel does with the bytes of a request that it does not keep: the transform step of the
pipeline, kept answers, and what a client is told about a no (ray/transform.h has every rule).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from host_sim.arguments import Guarded
from host_sim.decision import NONE, Decision, RequestFields, RowFlag, RowKind, pack_headers
from host_sim.errors import ArgumentError, TruncatedError, check
from host_sim.modules.mediator_bodies import judged, unpacked
from host_sim.modules.mediator_types import Refusal

Fields = Mapping[str, str] | Sequence[tuple[str, str]]
HEADER_BYTES = 1 << 16
BODY_BYTES_MAX = 1 << 26


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """A request or response as it goes on. `status` is the client's (0 of a request),
    `outcome_status` what `Kernel.complete` is to be told: the two differ where a gRPC trailer
    speaks. `lossy` is the JSON pointer to what a conversion left out first, else None."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    outcome_status: int = 0
    lossy: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class InFlight:
    """A request between admission and outcome. `stage` is held, sent, waits (in its service's
    queue) or again (failed, and may be dispatched from `again_at_ns` on); at `due_ns` it expires
    or is dropped. `decision` is the number of its admission, which the audit calls seq."""

    stage: str
    due_ns: int
    again_at_ns: int
    decision: int


class Transforms(Guarded):
    """The part of Kernel that holds bytes; see host_sim.kernel."""

    ffi: Any
    lib: Any
    ray: Any
    last_id: int
    _row: Any
    _rows: Any
    _answer: Any
    _next_id: int
    _words: dict[tuple[Any, int], str]

    if TYPE_CHECKING:

        def tick(self, at_ns: int) -> int:
            """Kernel's."""

        def decision(self, answer: Any) -> Decision:
            """Kernel's."""

        def _fill(self, kind: RowKind, at_ns: int | None, id: int, flags: RowFlag) -> None: ...
        def _fill_request(self, target: str | bytes, request: RequestFields) -> bytes: ...
        def _text(self, capacity: int) -> Any: ...

    def _point_at(self, arena: bytes) -> None:
        """The one row, and the bytes it speaks of, which live until the next."""
        self._arena = self.ffi.from_buffer("uint8_t[]", arena)
        rows = self._rows
        rows.row, rows.bytes, rows.bytes_length = self._row, self._arena, len(arena)

    def _step_row(self, arena: bytes, what: str) -> None:
        """Applies the row; what became of it lies in `_answer`."""
        self._point_at(arena)
        check(self.lib.ray_step_batch(self.ray, self._rows, 1, self._answer), what)
        check(self._answer.status, what)

    # -- the transform step ---------------------------------------------------------------------
    def transform_request(
        self, id: int, *, headers: Fields = (), body: bytes = b"",
    ) -> Message:  # fmt: skip
        """Request `id` as its service gets it: body in its format, headers edited, without the
        credential that was looked at and without what is about the connection.

        Raises RefusedError for a body that breaks its schema, ArgumentError for headers no server
        should believe, StateError for a request that was not dispatched, UnknownError."""
        return _stepped(self, self.lib.ray_transform_request, id, 0, headers, body)

    def transform_response(
        self, id: int, status: int, *, headers: Fields = (), body: bytes = b"",
        transform: int = NONE,
    ) -> Message:  # fmt: skip
        """What came back for request `id` as its client gets it. `complete` is then told the
        message's `outcome_status` and the response as it came.

        Raises RefusedError, counted, for a response that breaks its schema or does not parse: its
        client gets `error_response` with that refusal. StateError, UnknownError as above. With the
        id 0 it is of no request in flight, and goes through the `transform` of that handle."""
        step = self.lib.ray_transform_response
        return _stepped(self, step, id, status, headers, body, transform)

    # -- admission with what its response owes --------------------------------------------------
    def admit_telling(
        self, target: str | bytes = "/", *, at_ns: int | None = None,
        id: int | None = None, **request: Unpack[RequestFields],
    ) -> tuple[Decision, tuple[tuple[str, str], ...]]:  # fmt: skip
        """`admit`, and the header fields that the response owes its client, whatever it will be:
        RateLimit, Retry-After, WWW-Authenticate, Location, the request id, a policy's own."""
        if at_ns is not None:
            self.tick(at_ns)
        chosen = self._next_id if id is None else id
        self._fill(RowKind.ADMIT, None, chosen, RowFlag(0))
        self._point_at(self._fill_request(target, request))
        text, what = self._text(HEADER_BYTES), f"{request.get('method', 'GET')} {target!r}"
        check(self.lib.ray_step_headers(self.ray, self._rows, self._answer, text), what)
        check(self._answer.status, what)
        self.last_id = chosen
        self._next_id += id is None
        said = bytes(self.ffi.buffer(text.at, text.length)).decode("latin-1")
        pairs = (line.split(": ", 1) for line in said.split("\r\n") if line)
        return self.decision(self._answer), tuple((name, value) for name, value in pairs)

    def request(self, id: int) -> InFlight | None:
        """Where request `id` stands, None when it is not in flight: refused, ended or dropped."""
        row = self.ffi.new("ray_request_row *")
        if self.lib.ray_request_read(self.ray, id, row) < 0:
            return None
        return InFlight(("", "held", "sent", "waits", "again")[row.stage], int(row.due_ns),
                        int(row.again_at_ns), int(row.decision))  # fmt: skip

    def next_due(self) -> int:
        """The first instant at which something falls due, NEVER when nothing does."""
        return int(self.lib.ray_next_due(self.ray))

    # -- what a client gets without its service -------------------------------------------------
    def cached_response(self, handle: int) -> Message:
        """The kept answer that `Decision.cached` names, with its Age (RFC 9111 5.1). Raises
        StaleError when it is gone or past its time."""
        status, views = self.ffi.new("uint16_t *"), self.ffi.new("ray_view[2]")
        mediator, now = self.lib.ray_mediator_of(self.ray), self.lib.ray_clock_now(self.ray)
        check(self.lib.ray_mediator_cached(mediator, now, handle, status, views, views + 1),
              f"kept answer {handle}")  # fmt: skip
        head, body = (bytes(self.ffi.buffer(view.at, view.length)) for view in views)
        age = ("age", str(int(self.lib.ray_mediator_age(mediator, now, handle))))
        kept = tuple(pair for pair in unpacked(head) if pair[0].lower() != "age")
        return Message(int(status[0]), (*kept, age), body, int(status[0]))

    def error_response(self, decision: Decision | Refusal, *, transform: str = "") -> Message:
        """The response about a no: a decision's, or a refused body's. Its body is an RFC 9457
        problem where the configuration says headers.problem_json, else the reason in one line.
        `transform` names what the request went through, where the decision does not say it: a
        client that speaks gRPC gets trailers."""
        answer = self.ffi.new("ray_answer *")
        answer.route, answer.transform = NONE, self.transform_handle(transform)
        answer.http_status = decision.http_status
        if isinstance(decision, Refusal):
            answer.reason = decision.reason
        else:
            answer.reason, answer.allow = decision.reason_code, decision.allow
            answer.retry_after_ns = decision.retry_after_ns
            answer.route = _found(self, self.lib.ray_gateway_find_route,
                                  self.lib.ray_gateway_of(self.ray), decision.route)  # fmt: skip
        head, body = _room(self, HEADER_BYTES), _room(self, HEADER_BYTES)
        status = int(self.lib.ray_refusal(self.ray, answer, head[0], body[0]))
        return Message(status, unpacked(_said(self, head)), _said(self, body), status)

    # -- words ----------------------------------------------------------------------------------
    def transform_handle(self, name: str) -> int:
        """Where the running configuration has the transform called `name`, NONE where it has none:
        a request in flight keeps the handle it was admitted with."""
        owner = self.lib.ray_mediator_of(self.ray)
        return _found(self, self.lib.ray_mediator_find, owner, name)

    def _word(self, word: Any) -> str:
        return bytes(self.ffi.string(word)).decode()

    def _coded(self, word_of: Any, code: int) -> str:
        word = self._words.get((word_of, code))
        if word is None:
            word = self._words[word_of, code] = self._word(word_of(code))
        return word

    def reason_word(self, code: int) -> str:
        """The word of a reason's number, as in `Decision.reason`; "?" for one nobody defined."""
        return self._coded(self.lib.ray_reason_word, code)

    def reason_code(self, word: str) -> int:
        """The number of a reason's word (ray/reason.h). Raises ArgumentError."""
        for code in self.ffi.typeof("enum ray_reason").elements:
            if self.reason_word(code) == word:
                return int(code)
        raise ArgumentError(f"no reason is called {word!r}")

    def _location(self, rule: int) -> str:
        if rule == NONE:
            return ""
        view = self.ffi.new("ray_view *")
        self.lib.ray_policy_location(self.lib.ray_policy_of(self.ray), rule, view)
        return bytes(self.ffi.buffer(view.at, view.length)).decode("latin-1")

    def _tenant(self, handle: int) -> str | None:
        if handle == NONE:
            return None
        spec = self.ffi.new("ray_tenant_spec *")
        if self.lib.ray_tenant_read(self.ray, handle, spec) < 0:
            return None
        return bytes(self.ffi.string(spec.name.at)).decode()


def _found(kernel: Transforms, find: Any, owner: Any, name: str) -> int:
    if not name:
        return NONE
    out, raw = kernel.ffi.new("uint32_t *"), name.encode()
    return int(out[0]) if find(owner, raw, len(raw), out) == 0 else NONE


def _room(kernel: Transforms, size: int) -> tuple[Any, Any]:
    text, memory = kernel.ffi.new("ray_text *"), kernel.ffi.new("char[]", size)
    kernel.lib.ray_text_init(text, memory, size)
    return text, memory


def _said(kernel: Transforms, room: tuple[Any, Any]) -> bytes:
    return bytes(kernel.ffi.buffer(room[1], room[0].length))


def _stepped(
    kernel: Transforms, step: Any, id: int, status: int, headers: Fields, body: bytes,
    transform: int = NONE,
) -> Message:
    """One of the two transform calls, with as much room as what it writes needs."""
    ffi, now = kernel.ffi, kernel.lib.ray_clock_now(kernel.ray)
    call, report = ffi.new("ray_transform_call *"), ffi.new("ray_mediator_report *")
    block = pack_headers(headers)
    held = [ffi.from_buffer("uint8_t[]", block), ffi.from_buffer("uint8_t[]", body)]
    call.id, call.transform, call.http_status = id, transform, status
    call.headers.at, call.headers.length = held[0], len(block)
    call.body.at, call.body.length = held[1], len(body)
    size = HEADER_BYTES + 4 * len(body)
    while True:
        head, out = _room(kernel, HEADER_BYTES + 2 * len(block)), _room(kernel, size)
        done = step(kernel.ray, now, call, head[0], out[0], report)
        if done != TruncatedError.status or size >= BODY_BYTES_MAX:
            break
        size *= 4
    judged(ffi, done, report, f"transform of request {id}")
    lossy = ffi.string(report.pointer).decode("utf-8", "replace") if report.lossy else None
    return Message(int(report.http_status), unpacked(_said(kernel, head)), _said(kernel, out),
                   int(report.outcome_status), lossy)  # fmt: skip
