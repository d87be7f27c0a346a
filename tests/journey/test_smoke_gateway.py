# SPDX-License-Identifier: MIT
"""The phase document's smoke test: register a service, add a route, dispatch a request."""

from __future__ import annotations

import json

from host_sim.kernel import Kernel
from host_sim.modules.gateway import (
    ApiGateway,
    ApiRequest,
    ApiResponse,
    DispatchRecord,
    RoutePattern,
)

SERVICES = ("kernel", "vmm", "storage", "container", "scheduling")


def upstream(record: DispatchRecord) -> ApiResponse:
    """Answers with what it was asked, as a service would."""
    said = f"{record.service.name} {record.method} {record.path.decode()}"
    return ApiResponse(200, (("Content-Type", "text/plain"),), said.encode())


def test_smoke_gateway_e2e() -> None:
    kernel = Kernel()
    gateway = ApiGateway(kernel=kernel)
    for number, name in enumerate(SERVICES):
        service = gateway.register_service(name, host=f"10.0.0.{number + 1}", port=8080)
        gateway.add_route(f"/{name}", service_id=service, name=name)
    gateway.add_route(
        "/vmm/machines/*/disks/**",
        service_id=gateway.find_service("storage"),
        kind=RoutePattern.WILDCARD,
        name="disks",
        priority=-1,
    )

    for at, (path, said) in enumerate(
        (
            ("/kernel/tasks", "kernel GET /kernel/tasks"),
            ("//vmm/./machines/7", "vmm GET /vmm/machines/7"),
            ("/vmm/machines/7/disks/a/b", "storage GET /vmm/machines/7/disks/a/b"),
            ("/scheduling/", "scheduling GET /scheduling/"),
        ),
        1,
    ):
        response = gateway.dispatch_request(ApiRequest("GET", path), transport=upstream, now_ns=at)
        assert (response.status, response.body.decode()) == (200, said)
    for path, status in (("/nobody", 404), ("/kernel%2f", 400), ("/kernelx", 404)):
        assert (
            gateway.dispatch_request(ApiRequest("GET", path), transport=upstream).status == status
        )

    stats = kernel.stats()
    assert (stats["asked_count"], stats["granted_count"], stats["denied_count"]) == (7, 4, 3)
    assert (stats["completed_count"], stats["inflight_count"], kernel.valid()) == (4, 0, 0)
    shown = kernel.shell("gateway show disks --json").json()["route"]
    assert (shown["service"], shown["asked"], shown["rank"]) == ("storage", 1, 0)
    listed = kernel.shell("gateway list --json").json()
    assert [row["name"] for row in listed["services"]] == list(SERVICES)
    assert listed == json.loads(gateway.export())

    assert kernel.shell("gateway health storage down").status == 0
    refused = gateway.dispatch_request(ApiRequest("GET", "/storage"), transport=upstream)
    assert (refused.status, refused.body) == (503, b"service-unhealthy\n")
    assert not gateway.is_service_healthy("storage")
