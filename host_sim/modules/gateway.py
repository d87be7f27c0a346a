# SPDX-License-Identifier: MIT
"""gateway: which service a request is for, and whether it may be forwarded as it stands.

ApiGateway has the phase document's methods over the C core (ray/gateway.h has every rule). Integers
only; nothing is cut: a text that does not fit is refused, and a refusal has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

from host_sim.decision import NONE
from host_sim.errors import ArgumentError, RangeError, RaygateSyntaxError, StateError, check
from host_sim.modules.gateway_door import Door, Transport
from host_sim.modules.gateway_reading import GatewayReader
from host_sim.modules.gateway_types import (
    ApiRequest,
    ApiResponse,
    DispatchRecord,
    ExportFormat,
    Headers,
    HttpMethod,
    Match,
    MatchHow,
    QueuedRequest,
    Route,
    RouteExpectation,
    RouteMatch,
    RoutePattern,
    RouteTestReport,
    ServiceEndpoint,
    ServiceMode,
)
from host_sim.modules.resilience_types import Outcome
from host_sim.regex import compile_table

__all__ = [
    "ApiGateway",
    "ApiRequest",
    "ApiResponse",
    "DispatchRecord",
    "ExportFormat",
    "Headers",
    "HttpMethod",
    "Match",
    "MatchHow",
    "Outcome",
    "QueuedRequest",
    "Route",
    "RouteExpectation",
    "RouteMatch",
    "RoutePattern",
    "RouteTestReport",
    "ServiceEndpoint",
    "ServiceMode",
]

SECOND_NS = 1_000_000_000


class ApiGateway(GatewayReader):
    """256 services and 512 routes (profile seed), looked up in time that grows with the path only.

    Alone it owns a state of its own; with `kernel` it works on that Kernel's, where limits and
    quotas govern what it dispatches and control calls are audited. `now_ns` never runs backwards:
    an earlier instant counts as the latest seen.
    """

    _door: Door | None = None

    # -- control --------------------------------------------------------------------------------
    def register_service(
        self,
        name: str,
        *,
        host: str = "",
        port: int = 0,
        healthy: bool = True,
        timeout_ns: int = 30 * SECOND_NS,
        body_bytes_max: int = 8192,
        mode: ServiceMode = ServiceMode.ENFORCE,
        now_ns: int | None = None,
    ) -> int:
        """Registers a service and returns its id. `timeout_ns` is the deadline of its requests,
        `body_bytes_max` the largest body, 413 above.

        Raises ExistsError for a taken name, FullError past the last of RAY_SERVICE_MAX, RangeError
        or RaygateSyntaxError for a value no rule allows (SEMANTICS.md, gateway)."""
        spec = self.ffi.new("ray_service_spec *")
        self._put(spec.name.at, name, "a service name", terminated=True)
        self._put(spec.host, host, "a service's host", terminated=True)
        spec.port = _within(port, 0, 65_535, "port")
        spec.healthy = int(healthy)
        spec.timeout_ns = _within(timeout_ns, 0, 2**64 - 1, "timeout_ns")
        spec.body_bytes_max = _within(body_bytes_max, 0, 2**32 - 1, "body_bytes_max")
        spec.mode = mode
        id = self.ffi.new("uint32_t *")
        now = self._pass(now_ns)
        check(self.lib.ray_gateway_add_service(self._state, now, spec, id), f"service {name!r}")
        self._edited("ADD", "SERVICE", id[0], 0, 1)
        return int(id[0])

    def remove_service(
        self, service_id: int, *, cascade: bool = False, now_ns: int | None = None
    ) -> None:
        """Forgets a service; with `cascade` its routes too.

        Raises UsedError while routes lead to it, StaleError or UnknownError for a wrong id."""
        now = self._pass(now_ns)
        status = self.lib.ray_gateway_remove_service(
            self._state, now, self._id(service_id), cascade
        )
        check(status, f"service {service_id}")
        self._edited("REMOVE", "SERVICE", service_id, 1, 0)

    def set_health(self, service_id: int, healthy: bool, *, now_ns: int | None = None) -> None:
        """Marks a service up or down; a service that is down answers 503.

        Raises StaleError or UnknownError for a wrong id."""
        now, before = self._pass(now_ns), self.get_service(service_id).health_status
        check(
            self.lib.ray_gateway_set_health(self._state, now, service_id, int(healthy)),
            f"service {service_id}",
        )
        self._edited("SET", "SERVICE", service_id, int(before), int(healthy))

    def set_mode(self, service_id: int, mode: ServiceMode, *, now_ns: int | None = None) -> None:
        """OFF lets a service's traffic pass ungoverned. Raises StaleError, UnknownError."""
        now, before = self._pass(now_ns), self.get_service(service_id).mode
        check(
            self.lib.ray_gateway_set_mode(self._state, now, service_id, mode),
            f"service {service_id}",
        )
        self._edited("SET", "SERVICE", service_id, before, mode)

    def add_route(
        self,
        pattern: str,
        *,
        service_id: int,
        kind: RoutePattern = RoutePattern.PREFIX,
        name: str | None = None,
        methods: Sequence[str] = (),
        host: str = "",
        headers: Sequence[Match] = (),
        queries: Sequence[Match] = (),
        priority: int = 0,
        weight: int = 1,
        limits: Sequence[int] = (),
        allow_escapes: bool = False,
        now_ns: int | None = None,
    ) -> int:
        """Adds a rule behind all others of its precedence and returns its id. A regex
        (docs/regex.md) is compiled here. `weight` is tokens a request takes, `limits` are ids of
        named limits, `name` defaults to the next free route-N.

        Raises RaygateSyntaxError for a pattern that is not canonical or does not compile,
        RangeError for a text or number that does not fit, ExistsError, FullError, UnknownError and
        StaleError (the service). Precedence: SEMANTICS.md, gateway."""
        spec = self.ffi.new("ray_route_spec *")
        label = name if name is not None else self._free_name()
        self._put(spec.name.at, label, "a route name", terminated=True)
        spec.pattern_length = self._put(spec.pattern, pattern, "a pattern")
        spec.host_length = self._put(spec.host, host, "a host")
        spec.kind, spec.service, spec.dfa = kind, self._id(service_id), NONE
        spec.priority = _within(priority, -(2**31), 2**31 - 1, "priority")
        spec.weight = _within(weight, 1, 2**32 - 1, "weight")
        for method in methods:
            spec.methods |= 1 << self._method(method)
        spec.header_count = self._put_matches(spec.headers, headers, "headers")
        spec.query_count = self._put_matches(spec.queries, queries, "queries")
        spec.limit_count = _within(len(limits), 0, len(spec.limits), "the number of limits")
        for place, limit in enumerate(limits):
            spec.limits[place] = limit
        spec.allow_escapes = int(allow_escapes)
        id = self.ffi.new("uint32_t *")
        now = self._pass(now_ns)
        table = self._table(pattern) if kind == RoutePattern.REGEX else b""
        view, keep = self._view(table)
        status = self.lib.ray_gateway_add_route(self._state, now, spec, view[0], id)
        del keep
        check(status, f"route {label!r} with pattern {pattern!r}")
        self._edited("ADD", "ROUTE", id[0], 0, 1)
        return int(id[0])

    def remove_route(self, route_id: int, *, now_ns: int | None = None) -> None:
        """Forgets a rule; the others keep their order. Raises StaleError or UnknownError."""
        now = self._pass(now_ns)
        check(
            self.lib.ray_gateway_remove_route(self._state, now, self._id(route_id)),
            f"route {route_id}",
        )
        self._edited("REMOVE", "ROUTE", route_id, 1, 0)

    # -- requests -------------------------------------------------------------------------------
    def route_request(self, request: ApiRequest, *, now_ns: int | None = None) -> RouteMatch:
        """Finds the route of a request; only asks, changes nothing.

        A request that is refused has `granted` False, a reason and a status; a given service that
        is not registered raises UnknownError or StaleError. Rules: SEMANTICS.md, gateway."""
        answer = self.ffi.new("ray_gateway_answer *")
        check(self._ask(request, self._at(now_ns), answer), f"{request.method} {request.path!r}")
        return self._match(answer)

    @overload
    def dispatch_request(
        self, request: ApiRequest, *, transport: Transport, now_ns: int | None = None
    ) -> ApiResponse: ...

    @overload
    def dispatch_request(
        self, request: ApiRequest, *, transport: None = None, now_ns: int | None = None
    ) -> ApiResponse | DispatchRecord | QueuedRequest: ...

    def dispatch_request(
        self,
        request: ApiRequest,
        *,
        transport: Transport | None = None,
        now_ns: int | None = None,
    ) -> ApiResponse | DispatchRecord | QueuedRequest:
        """Routes, counts and sends a request: `transport` gets the dispatch record and returns the
        service's response; this returns what its client gets. A refusal is an ApiResponse too.

        On a Kernel it goes through every stage with its body, address and headers, is transformed
        on both ways, answered from what is kept, and tried again where the rules say so. With a
        transport, time runs on where it has to wait for its turn, a limit's delay or a retry;
        TimeoutError and ConnectionError of the transport are outcomes. So is a response that is no
        final one of HTTP's (a status outside 200 to 599, a field that is no Latin-1): 502 to the
        core and, unless a rule says to try again, to the client. Any other exception cancels the
        request and is passed on; so does what is no ApiResponse at all, ArgumentError. Without a
        transport nothing waits: the record goes to `complete_request`, a QueuedRequest comes back
        from `dispatch_queued`."""
        now = self._pass(now_ns)
        answer = self.ffi.new("ray_gateway_answer *")
        status = self._ask(request, now, answer)
        if status < 0 and self.kernel is None:
            self.lib.ray_gateway_note(self._state, now, self.ffi.NULL, 0)
        check(status, f"{request.method} {request.path!r}")
        match = self._match(answer)
        service = None if match.service_id is None else self.get_service(match.service_id)
        if self.kernel is not None:
            door = self._through()
            turn = door.admit(request, match, service, now)
            return turn if transport is None else door.carry(turn, transport)
        self.lib.ray_gateway_note(self._state, now, answer, int(match.granted))
        if not match.granted:
            return _refusal(match.status, match.reason, match)
        assert service is not None
        record = DispatchRecord(
            service=service, method=request.method, path=match.path, query=match.query,
            headers=request.headers, body=request.body, deadline_ns=now + match.timeout_ns,
            match=match, host=service.host, port=service.port, timeout_ns=match.timeout_ns,
            start_at_ns=now,
        )  # fmt: skip
        return record if transport is None else transport(record)

    def complete_request(
        self, record: DispatchRecord, response: ApiResponse | Outcome, *, now_ns: int | None = None
    ) -> ApiResponse | DispatchRecord | QueuedRequest:
        """Reports what came of a dispatch record: the service's response, or an Outcome where none
        came (TIMEOUT, CONNECTION). Returns what the client gets, or how it goes on: to be tried
        again. A response whose transform a reload took away is 502 for the client.

        Raises StateError without a Kernel, UnknownError for a request that was answered, and
        ArgumentError, with the request still in flight, for an Outcome that only a response has or
        for what is no ApiResponse."""
        if isinstance(response, Outcome):
            return self._through().fail(record, response, now_ns)
        return self._through().finish(record, response, now_ns)

    def dispatch_queued(
        self, *, now_ns: int | None = None
    ) -> dict[int, ApiResponse | DispatchRecord | QueuedRequest]:
        """By request id: every QueuedRequest that goes on by now, as its dispatch record, or that
        was dropped meanwhile, as what its client gets; of every ApiGateway on this Kernel, because
        what may go now is said once. Raises StateError without a Kernel."""
        return self._through().ready(self._at(now_ns))

    def _through(self) -> Door:
        if self.kernel is None:
            raise StateError("without a Kernel nothing waits and nothing is completed")
        if self._door is None:
            self._door = Door(self.kernel)
        return self._door

    # -- route tests ----------------------------------------------------------------------------
    def run_expectations(self, expectations: Iterable[RouteExpectation]) -> RouteTestReport:
        """Asks where each request would go and compares; changes nothing.

        The report names every expectation that failed, and the routes that no request reached: a
        route without a test is a route nobody watches."""
        failures: list[str] = []
        reached: set[str] = set()
        todo = list(expectations)
        for expected in todo:
            got = self.route_request(expected.request)
            route = "" if got.route_id is None else self.get_route(got.route_id).name
            service = "" if got.service_id is None else self.get_service(got.service_id).name
            reached.add(route)
            for what, wanted, have in (
                ("route", expected.route, route),
                ("service", expected.service, service),
                ("status", expected.status, got.status),
            ):
                if wanted is not None and wanted != have:
                    failures.append(
                        f"{expected.request.method} {expected.request.path!s}: {what} {have!r}, "
                        f"not {wanted!r} ({got.reason})"
                    )
        names = [route.name for route in self.routes()]
        return RouteTestReport(
            run_count=len(todo),
            failures=tuple(failures),
            covered=tuple(name for name in names if name in reached),
            uncovered=tuple(name for name in names if name not in reached),
        )

    # -- filling rows ---------------------------------------------------------------------------
    def _put(self, to: Any, text: str, what: str, *, terminated: bool = False) -> int:
        """Copies a text whole or refuses it; a terminated one needs a zero behind it."""
        try:
            raw = text.encode("ascii")
        except UnicodeEncodeError:
            raise RaygateSyntaxError(f"{what} is ASCII, {text!r} is not") from None
        most = len(to) - int(terminated)
        if len(raw) > most:
            raise RangeError(f"{what} has at most {most} bytes, {text[:32]!r}... has {len(raw)}")
        self.ffi.memmove(to, raw, len(raw))
        return len(raw)

    def _put_matches(self, to: Any, matches: Sequence[Match], what: str) -> int:
        if len(matches) > len(to):
            raise RangeError(f"a route asks for at most {len(to)} {what}")
        for row, match in zip(to, matches, strict=False):
            row.name_length = self._put(row.name, match.name, "a match's name")
            row.value_length = self._put(row.value, match.value, "a match's value")
            row.how = match.how
        return len(matches)

    def _table(self, pattern: str) -> bytes:
        try:
            return compile_table(pattern, table_bytes=int(self.lib.RAY_DFA_TABLE_BYTES))
        except ValueError as error:
            raise RaygateSyntaxError(str(error)) from error

    def _free_name(self) -> str:
        names = {route.name for route in self.routes()}
        return next(name for n in range(len(names) + 1) if (name := f"route-{n}") not in names)


def _within(value: int, least: int, most: int, what: str) -> int:
    if not isinstance(value, int):
        raise ArgumentError(f"{what} is an integer, not {value!r}")
    if not least <= value <= most:
        raise RangeError(f"{what} is {least} to {most}, not {value}")
    return value


def _refusal(status: int, reason: str, match: RouteMatch) -> ApiResponse:
    headers = [("Content-Type", "text/plain")]
    if match.allow:
        headers.append(("Allow", ", ".join(method.name for method in match.allow)))
    return ApiResponse(status, tuple(headers), f"{reason}\n".encode())
