# SPDX-License-Identifier: MIT
"""gateway: services by handle, requests to where they belong, everything counted and exported."""

from __future__ import annotations

import json

import pytest

from host_sim import errors
from host_sim.modules.gateway import (
    ApiGateway,
    ApiRequest,
    ApiResponse,
    DispatchRecord,
    ExportFormat,
    HttpMethod,
    Match,
    MatchHow,
    RouteExpectation,
    RoutePattern,
    ServiceMode,
)
from tests.gateways import ask, name_of, one_service

EXACT, PREFIX, WILDCARD, REGEX = RoutePattern
gateway = pytest.fixture(one_service)


# -- services --
def test_service_registration_and_lookup() -> None:
    gateway = ApiGateway()
    ids = [
        gateway.register_service(name, host=f"10.0.0.{n}", port=8000 + n)
        for n, name in enumerate(["kernel", "vmm", "storage", "container", "scheduling"])
    ]
    assert (ids, gateway.get_service_count()) == ([0, 1, 2, 3, 4], 5)
    storage = gateway.get_service("storage")
    assert (storage.id, storage.name, storage.host, storage.port) == (
        2,
        "storage",
        "10.0.0.2",
        8002,
    )
    assert gateway.get_service(2) == storage
    assert storage.health_status and gateway.is_service_healthy("storage")
    gateway.set_health(2, False)
    assert not gateway.is_service_healthy(2)
    with pytest.raises(errors.ExistsError):
        gateway.register_service("vmm")
    for missing in ("nobody", 5, 99_999, 0xFFFFFFFF):
        with pytest.raises(errors.UnknownError):
            gateway.get_service(missing)
    assert [service.name for service in gateway.services()] == [
        "kernel",
        "vmm",
        "storage",
        "container",
        "scheduling",
    ]


def test_a_removed_service_leaves_a_stale_handle(gateway: ApiGateway) -> None:
    gateway.remove_service(0)
    fresh = gateway.register_service("two")
    assert (fresh & 0xFFFF, fresh >> 16) == (0, 1)
    with pytest.raises(errors.StaleError):
        gateway.get_service(0)
    with pytest.raises(errors.StaleError):
        gateway.add_route("/", service_id=0)
    with pytest.raises(errors.StaleError):
        gateway.route_request(ApiRequest(service_id=0))
    assert gateway.get_service(fresh).name == "two"


def test_removing_a_used_service_fails_or_cascades(gateway: ApiGateway) -> None:
    two = gateway.register_service("two")
    gateway.add_route("/a", service_id=0)
    gateway.add_route("/b.*", service_id=0, kind=REGEX)
    gateway.add_route("/c", service_id=two, name="kept")
    before = gateway.snapshot()
    with pytest.raises(errors.UsedError):
        gateway.remove_service(0)
    assert gateway.snapshot() == before
    gateway.remove_service(0, cascade=True)
    assert [route.name for route in gateway.routes()] == ["kept"]
    assert (gateway.stats()["dfa_bytes"], gateway.valid()) == (0, 0)


@pytest.mark.parametrize("profile_name, services, routes", [("seed", 256, 512), ("tiny", 4, 8)])
def test_the_tables_hold_their_capacity_and_not_one_more(
    profile_name: str, services: int, routes: int
) -> None:
    gateway = ApiGateway(profile=profile_name)
    for n in range(services):
        gateway.register_service(f"s{n}")
    for n in range(routes):
        gateway.add_route(f"/{n}/*", service_id=n % services, kind=WILDCARD, name=f"r{n}")
    before = gateway.snapshot()
    with pytest.raises(errors.FullError):
        gateway.register_service("more")
    with pytest.raises(errors.FullError):
        gateway.add_route("/more", service_id=0)
    assert gateway.snapshot() == before
    assert name_of(gateway, f"/{routes - 1}/x") == f"r{routes - 1}"
    assert gateway.valid() == 0


def test_the_pool_of_tables_is_bounded_and_closed_up() -> None:
    gateway = ApiGateway(profile="tiny")
    gateway.register_service("one")
    first = gateway.add_route("/a+", service_id=0, kind=REGEX, name="a")
    gateway.add_route("/b+", service_id=0, kind=REGEX, name="b")
    with pytest.raises(errors.FullError):
        gateway.add_route("/c+", service_id=0, kind=REGEX, name="c")
    with pytest.raises(errors.RaygateSyntaxError, match="its table takes"):
        gateway.add_route("/(a|b)*a(a|b){9}", service_id=0, kind=REGEX, name="large")
    gateway.remove_route(first)
    gateway.add_route("/c+", service_id=0, kind=REGEX, name="c")
    assert [name_of(gateway, p) for p in ("/aa", "/bb", "/cc")] == ["404", "b", "c"]
    assert (gateway.stats()["dfa_count"], gateway.valid()) == (2, 0)


# -- requests --
def test_request_dispatching(gateway: ApiGateway) -> None:
    gateway.add_route("/orders", service_id=0, methods=["GET", "POST"], weight=3)
    sent: list[DispatchRecord] = []

    def transport(record: DispatchRecord) -> ApiResponse:
        sent.append(record)
        return ApiResponse(201, (("Location", "/orders/8"),), b"made")

    request = ApiRequest("POST", "//orders/./7?x=%31", {"X-A": "1"}, b"{}")
    response = gateway.dispatch_request(request, transport=transport, now_ns=1_000)
    assert (response.status, response.body) == (201, b"made")
    (record,) = sent
    assert (record.path, record.query, record.body) == (b"/orders/7", b"x=%31", b"{}")
    assert (record.service.name, record.service.host, record.service.port) == (
        "one",
        "10.0.0.1",
        80,
    )
    assert (record.match.weight, record.deadline_ns) == (3, 1_000 + 30 * 10**9)
    refused = gateway.dispatch_request(ApiRequest("DELETE", "/orders"), transport=transport)
    assert (refused.status, dict(refused.headers)["Allow"]) == (405, "GET, HEAD, POST")
    assert len(sent) == 1
    later = gateway.dispatch_request(ApiRequest("GET", "/orders"))
    assert isinstance(later, DispatchRecord) and later.request_id == 0
    stats = gateway.stats()
    assert (stats["asked_count"], stats["granted_count"], stats["denied_count"]) == (3, 2, 1)
    assert (gateway.get_service(0).asked_count, gateway.get_route("route-0").granted_count) == (
        2,
        2,
    )


def test_dispatching_on_a_kernel_is_governed_audited_and_completed() -> None:
    from host_sim.kernel import Kernel

    kernel = Kernel()
    gateway = ApiGateway(kernel=kernel)
    service = gateway.register_service("one")
    gateway.add_route("/", service_id=service)
    answer = gateway.dispatch_request(
        ApiRequest("GET", "/a"), transport=lambda record: ApiResponse(200, (), b"hi"), now_ns=5
    )
    assert answer.status == 200
    stats = kernel.stats()
    assert (stats["asked_count"], stats["completed_count"], stats["inflight_count"]) == (1, 1, 0)
    assert [record["what"] for record in kernel.audit()][:2] == [kernel.lib.RAY_AUDIT_ADD] * 2
    record = gateway.dispatch_request(ApiRequest("GET", "/a"))
    assert isinstance(record, DispatchRecord)
    assert kernel.stats()["inflight_count"] == 1
    kernel.complete(record.request_id)

    def broken(record: DispatchRecord) -> ApiResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        gateway.dispatch_request(ApiRequest("GET", "/a"), transport=broken)
    assert (kernel.stats()["inflight_count"], kernel.stats()["cancelled_count"]) == (0, 1)
    assert kernel.valid() == 0


def test_an_unhealthy_service_answers_503(gateway: ApiGateway) -> None:
    gateway.add_route("/", service_id=0)
    gateway.set_health(0, False)
    assert (ask(gateway, "/").status, ask(gateway, "/").reason) == (503, "service-unhealthy")
    gateway.set_health(0, True)
    assert ask(gateway, "/").granted


def test_a_service_that_is_off_passes_marked(gateway: ApiGateway) -> None:
    gateway.add_route("/", service_id=0)
    assert not ask(gateway, "/").service_off
    gateway.set_mode(0, ServiceMode.OFF)
    assert ask(gateway, "/").service_off and ask(gateway, "/").granted
    assert gateway.get_service(0).mode is ServiceMode.OFF
    status = gateway.lib.ray_gateway_set_mode(gateway._state, 0, 0, gateway.lib.RAY_MODE_SHADOW)
    assert status == errors.RangeError.status  # shadow is for limits and quotas


def test_a_given_service_skips_routing(gateway: ApiGateway) -> None:
    got = ask(gateway, "//x", service_id=0)
    assert (got.granted, got.route_id, got.service_id, got.path) == (True, None, 0, b"/x")
    for path, status in (("/a%2Fb", 400), ("/a b", 400), ("/" + "a" * 8192, 414)):
        assert ask(gateway, path, service_id=0).status == status
    with pytest.raises(errors.UnknownError):
        ask(gateway, "/", service_id=7)


# -- counters, exports, tests of routes --
def test_every_refusal_is_counted_under_its_reason(gateway: ApiGateway) -> None:
    gateway.add_route("/", service_id=0, methods=["GET", "POST"], host="h")
    send = gateway.dispatch_request
    at = {"host": "h"}
    for request in (
        ApiRequest("GET", "/"),
        ApiRequest("PUT", "/", **at),
        ApiRequest("BREW", "/", **at),
        ApiRequest("GET", "/%00", **at),
        ApiRequest("GET", "/" + "a" * 8192, **at),
        ApiRequest("GET", "/", {"a": "b" * 8190}, **at),
        ApiRequest("GET", "/", {"a b": ""}, **at),
        ApiRequest("POST", "/", body=b"x" * 8193, **at),
        ApiRequest("GET", "//", **at),
    ):
        send(request)
    stats = gateway.stats()
    names = (
        "no_route",
        "method_denied",
        "method_unknown",
        "path_bad",
        "target_long",
        "headers_large",
        "headers_bad",
        "body_large",
        "rewritten",
    )
    assert [stats[f"{name}_count"] for name in names] == [1] * 9
    assert stats["asked_count"] == stats["granted_count"] + stats["denied_count"] == 9
    with pytest.raises(errors.UnknownError):
        send(ApiRequest(service_id=9))
    assert (gateway.stats()["error_count"], gateway.stats()["asked_count"]) == (1, 9)
    assert gateway.valid() == 0


def test_exports_are_equal_where_states_are(gateway: ApiGateway) -> None:
    twin = ApiGateway()
    twin.register_service("one", host="10.0.0.1", port=80)
    for each in (gateway, twin):
        each.add_route("/a", service_id=0, headers=[Match("k", '"x"', MatchHow.PREFIX)], name="a")
    for format in ExportFormat:
        assert gateway.export(format) == twin.export(format)
    rows = json.loads(gateway.export())
    assert [row["name"] for row in rows["services"]] == ["one"]
    assert rows["routes"][0]["headers"] == [{"name": "k", "how": "prefix", "value": '"x"'}]
    lines = gateway.export(ExportFormat.ROUTES_CSV).splitlines()
    assert (
        lines[0].startswith("id,name,service,kind,pattern")
        and lines[1] == "0,a,one,prefix,/a,,any,0,0,1,none,none,by-method,0,0,0"
    )


def test_a_full_table_exports_whole() -> None:
    gateway = ApiGateway()
    gateway.register_service("one")
    for n in range(512):
        gateway.add_route(f"/{n:03}" + "x" * 200, service_id=0, name=f"r{n}")
    assert len(json.loads(gateway.export())["routes"]) == 512


def test_expectations_name_failures_and_routes_nobody_tests(gateway: ApiGateway) -> None:
    gateway.add_route("/a", service_id=0, name="a")
    gateway.add_route("/b", service_id=0, name="b")
    report = gateway.run_expectations(
        [
            RouteExpectation(ApiRequest("GET", "/a/1"), route="a", service="one"),
            RouteExpectation(ApiRequest("GET", "/c"), status=404),
            RouteExpectation(ApiRequest("GET", "/ax"), route="a"),
        ]
    )
    assert (report.run_count, report.covered, report.uncovered) == (3, ("a",), ("b",))
    assert report.failures == ("GET /ax: route '', not 'a' (no-route)",)
    assert gateway.stats()["asked_count"] == 0


def test_methods_have_the_core_s_numbers(gateway: ApiGateway) -> None:
    for method in HttpMethod:
        name = method.name.encode()
        assert gateway.lib.ray_method_of(name, len(name)) == method
