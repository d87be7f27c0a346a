# SPDX-License-Identifier: MIT
"""gateway: the half of ApiGateway that only reads: questions, rows, counters, exports."""

from __future__ import annotations

import functools
from typing import Any

from host_sim.decision import NONE, pack_headers
from host_sim.errors import ArgumentError, UnknownError, check
from host_sim.modules.base import Module
from host_sim.modules.gateway_types import (
    ApiRequest,
    ExportFormat,
    HttpMethod,
    Match,
    MatchHow,
    Route,
    RouteMatch,
    RoutePattern,
    ServiceEndpoint,
    ServiceMode,
)


class GatewayReader(Module):
    """Reading a gateway state; see ApiGateway."""

    _word = "gateway"

    @functools.cached_property
    def _scratch(self) -> Any:
        """Where the core writes a path that it had to normalise."""
        return self.ffi.new("uint8_t[]", self.lib.RAY_TARGET_BYTES_MAX)

    def _pass(self, now_ns: int | None) -> int:
        """As every module's, but a Kernel is told, and counts, an instant that steps back."""
        if self.kernel is not None and now_ns is not None:
            return self.kernel.tick(now_ns)
        return super()._pass(now_ns)

    # -- asking ---------------------------------------------------------------------------------
    def _id(self, id: int) -> int:
        if not 0 <= id < NONE:
            raise UnknownError(f"no row has the id {id}")
        return id

    def _method(self, method: str) -> int:
        raw = method.encode("latin-1", "replace")
        number = int(self.lib.ray_method_of(raw, len(raw)))
        if number == HttpMethod.OTHER:
            raise ArgumentError(f"a route cannot ask for the method {method!r}")
        return number

    def _view(self, data: bytes) -> tuple[Any, Any]:
        """A ray_view of `data`, and what keeps its bytes alive."""
        keep = self.ffi.from_buffer("uint8_t[]", data)
        view = self.ffi.new("ray_view *")
        view.at, view.length = keep, len(data)
        return view, keep

    def _ask(self, request: ApiRequest, now: int, answer: Any) -> int:
        target = request.path
        raw = target.encode("latin-1") if isinstance(target, str) else target
        method = request.method.encode("latin-1", "replace")
        query = self.ffi.new("ray_gateway_query *")
        query.scratch = self._scratch
        parts = (
            ("target", raw),
            ("host", request.host.encode("latin-1")),
            ("headers", pack_headers(request.headers)),
        )
        self._kept = []
        for field, data in parts:
            keep = self.ffi.from_buffer("uint8_t[]", data)
            self._kept.append(keep)
            view = getattr(query, field)
            view.at, view.length = keep, len(data)
        query.body_bytes = len(request.body)
        query.method = self.lib.ray_method_of(method, len(method))
        query.service = NONE if request.service_id is None else self._id(request.service_id)
        return int(self.lib.ray_gateway_ask(self._state, now, query, answer))

    def _bytes_of(self, view: Any) -> bytes:
        return bytes(self.ffi.buffer(view.at, view.length)) if view.length else b""

    def _match(self, answer: Any) -> RouteMatch:
        path = self._bytes_of(answer.path)
        captures = (
            path[answer.capture_at[i] : answer.capture_at[i] + answer.capture_length[i]]
            for i in range(answer.capture_count)
        )
        return RouteMatch(
            granted=bool(answer.granted),
            status=answer.http_status,
            reason=self._reason(answer.reason),
            path=path,
            query=self._bytes_of(answer.query),
            route_id=None if answer.route == NONE else answer.route,
            service_id=None if answer.service == NONE else answer.service,
            weight=answer.weight,
            limits=tuple(answer.limits[0 : answer.limit_count]),
            allow=_methods(answer.allow),
            captures=tuple(captures),
            rewritten=bool(answer.rewritten),
            service_off=bool(answer.service_off),
            timeout_ns=answer.timeout_ns,
        )

    # -- rows -----------------------------------------------------------------------------------
    def get_service(self, service: int | str) -> ServiceEndpoint:
        """A service by id or name; raises UnknownError, or StaleError for a removed one's id."""
        row = self.ffi.new("ray_service_row *")
        id = self.find_service(service) if isinstance(service, str) else self._id(service)
        check(self.lib.ray_gateway_read_service(self._state, id, row), f"service {service!r}")
        spec = row.spec
        return ServiceEndpoint(
            name=self._text_of(spec.name.at, len(spec.name.at)),
            host=self._text_of(spec.host, len(spec.host)),
            port=spec.port,
            health_status=bool(spec.healthy),
            id=row.id,
            timeout_ns=spec.timeout_ns,
            body_bytes_max=spec.body_bytes_max,
            mode=ServiceMode(spec.mode),
            route_count=row.route_count,
            asked_count=row.count.asked_count,
            granted_count=row.count.granted_count,
            denied_count=row.count.denied_count,
        )

    def get_route(self, route: int | str) -> Route:
        """A route by id or name; raises UnknownError, or StaleError for a removed one's id."""
        row = self.ffi.new("ray_route_row *")
        id = self.find_route(route) if isinstance(route, str) else self._id(route)
        check(self.lib.ray_gateway_read_route(self._state, id, row), f"route {route!r}")
        spec = row.spec
        return Route(
            id=row.id,
            name=self._text_of(spec.name.at, len(spec.name.at)),
            service_id=spec.service,
            kind=RoutePattern(spec.kind),
            pattern=self._text_of(spec.pattern, spec.pattern_length),
            host=self._text_of(spec.host, spec.host_length),
            methods=_methods(spec.methods),
            headers=self._matches(spec.headers, spec.header_count),
            queries=self._matches(spec.queries, spec.query_count),
            priority=spec.priority,
            weight=spec.weight,
            limits=tuple(spec.limits[0 : spec.limit_count]),
            allow_escapes=bool(spec.allow_escapes),
            rank=row.rank,
            dfa_states=row.dfa_states,
            asked_count=row.count.asked_count,
            granted_count=row.count.granted_count,
            denied_count=row.count.denied_count,
        )

    def _matches(self, rows: Any, count: int) -> tuple[Match, ...]:
        return tuple(
            Match(
                self._text_of(row.name, row.name_length),
                self._text_of(row.value, row.value_length),
                MatchHow(row.how),
            )
            for row in rows[0:count]
        )

    def services(self) -> list[ServiceEndpoint]:
        """Every service, in table order."""
        out, id = [], self.lib.ray_gateway_next_service(self._state, NONE)
        while id != NONE:
            out.append(self.get_service(id))
            id = self.lib.ray_gateway_next_service(self._state, id)
        return out

    def routes(self) -> list[Route]:
        """Every route, in the order in which they are tried."""
        count = self.get_route_count()
        ranked = (self.lib.ray_gateway_ranked_route(self._state, rank) for rank in range(count))
        return [self.get_route(id) for id in ranked]

    def find_service(self, name: str) -> int:
        """The id of the service with this name; raises UnknownError."""
        return self._find(self.lib.ray_gateway_find_service, name, "no service is called")

    def find_route(self, name: str) -> int:
        """The id of the route with this name; raises UnknownError."""
        return self._find(self.lib.ray_gateway_find_route, name, "no route is called")

    def is_service_healthy(self, service: int | str) -> bool:
        """Whether a service, by id or name, is marked up. Raises UnknownError or StaleError."""
        return self.get_service(service).health_status

    def get_service_count(self) -> int:
        """How many services are registered."""
        return self.stats()["service_count"]

    def get_route_count(self) -> int:
        """How many routes there are."""
        return self.stats()["route_count"]

    # -- counters, exports ----------------------------------------------------------------------
    def stats(self) -> dict[str, int]:
        """The counters of ray_gateway_stats by name; asked = granted + denied."""
        out = self.ffi.new("ray_gateway_stats *")
        self.lib.ray_gateway_read(self._state, out)
        return {name: int(getattr(out, name)) for name, _ in self.ffi.typeof(out[0]).fields}

    def export(self, format: ExportFormat = ExportFormat.JSON) -> str:
        """Rows and counters as text, byte for byte equal where the states are."""
        return self._written(
            lambda text: self.lib.ray_gateway_export(self._state, format, text),
            f"export {format!r}",
        )

    # -- texts ----------------------------------------------------------------------------------
    def _text_of(self, at: Any, length: int) -> str:
        return bytes(self.ffi.buffer(at, length)).rstrip(b"\0").decode("latin-1")

    def _reason(self, reason: int) -> str:
        return bytes(self.ffi.string(self.lib.ray_reason_word(reason))).decode()


def _methods(bits: int) -> tuple[HttpMethod, ...]:
    return tuple(method for method in HttpMethod if method and bits >> method & 1)
