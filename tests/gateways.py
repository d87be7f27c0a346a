# SPDX-License-Identifier: MIT
"""What the gateway's tests share: a gateway with one service, and questions to it."""

from __future__ import annotations

from host_sim.modules.gateway import ApiGateway, ApiRequest, RouteMatch


def one_service() -> ApiGateway:
    """A gateway of its own with one service, number 0."""
    made = ApiGateway()
    made.register_service("one", host="10.0.0.1", port=80)
    return made


def ask(gateway: ApiGateway, path: str | bytes, method: str = "GET", **more: object) -> RouteMatch:
    """Where the request would go; `more` are fields of ApiRequest."""
    return gateway.route_request(ApiRequest(method, path, **more))  # type: ignore[arg-type]


def name_of(gateway: ApiGateway, path: str, method: str = "GET", **more: object) -> str:
    """The route's name, or the status as text."""
    got = ask(gateway, path, method, **more)
    return gateway.get_route(got.route_id).name if got.granted else str(got.status)
