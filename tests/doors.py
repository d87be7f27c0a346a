# SPDX-License-Identifier: MIT
"""A gateway on a Kernel for the tests of the door: one configuration, callers and services."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from host_sim.config import loads
from host_sim.kernel import Kernel
from host_sim.modules.gateway import ApiGateway, ApiRequest, ApiResponse, DispatchRecord

S = 10**9
SECRET = "s3cret"
KEY = ("X-API-Key", f"k1.{SECRET}")
JSON = ("Content-Type", "application/json")
FILE = f"""version = 1
[headers]
request_id = "X-Request-ID"
ratelimit = "draft-10"
[tenant.acme]
plan = "gold"
[service.shop]
pool = "shop"
timeout = "2s"
[service.page]
at = "10.0.0.9:8080"
[service.call]
at = "10.0.0.8:50051"
[[route]]
name = "items"
service = "shop"
path = {{ prefix = "/items" }}
transform = "items"
[[route]]
name = "page"
service = "page"
path = {{ prefix = "/page" }}
auth = "none"
transform = "page"
[[route]]
name = "slow"
service = "page"
path = {{ prefix = "/slow" }}
auth = "none"
limits = ["slow"]
[[route]]
name = "call"
service = "call"
path = {{ prefix = "/call" }}
methods = ["POST"]
auth = "none"
transform = "call"
[auth]
lockout = {{ failures = 3, per = "1m" }}
[[api_key]]
name = "k1"
tenant = "acme"
user = "alice"
role = "service-account"
sha256 = "{hashlib.sha256(SECRET.encode()).hexdigest()}"
[[limit]]
name = "per-user"
scope = "user"
rate = "100/s"
burst = 100
[[limit]]
name = "slow"
scope = "named"
algorithm = "leaky_bucket"
rate = "1/s"
burst = 10
queue = true
max_delay = "10s"
[queue.service.shop]
servers = 2
depth = 4
[pool.shop]
strategy = "round_robin"
instances = [{{ at = "10.0.0.1:81" }}, {{ at = "10.0.0.2:82" }}]
[resilience.shop]
timeout = "500ms"
retry = {{ attempts = 3, base = "10ms", max = "1s", on = ["503", "timeout", "connection"] }}
[schema.item]
sku = {{ type = "string", field = 1, required = true }}
qty = {{ type = "int64", field = 2, minimum = 1, maximum = 99 }}
[transform.items]
request = {{ from = "json", to = "protobuf", schema = "item", set_headers = {{ X-Tier = "gold" }} }}
response = {{ from = "protobuf", to = "json", schema = "item", remove_headers = ["Server"] }}
[transform.page]
cache = {{ ttl = "30s" }}
[transform.call]
request = {{ from = "json", to = "protobuf", schema = "item", grpc = true }}
response = {{ from = "protobuf", to = "json", schema = "item", grpc = true }}
"""
ITEM = b"\x0a\x03abc\x10\x03"  # sku abc, qty 3
FRAMED = b"\0\0\0\0\x07" + ITEM


class Service:
    """Answers with what it was told to, the last for ever, and remembers what it got."""

    def __init__(self, *answers: ApiResponse | BaseException) -> None:
        self.answers, self.got = list(answers), list[DispatchRecord]()

    def __call__(self, record: DispatchRecord) -> ApiResponse:
        """One request."""
        self.got.append(record)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def answered(
    body: bytes = ITEM, status: int = 200, headers: Sequence[tuple[str, str]] = ()
) -> ApiResponse:
    """What a service says."""
    return ApiResponse(status, tuple(headers), body)


def opened(text: str = FILE) -> tuple[ApiGateway, Kernel]:
    """A gateway on a Kernel that runs `text`, a second after the epoch."""
    kernel = Kernel(config=loads(text, profile="tiny"), profile="tiny")
    kernel.tick(S)
    return ApiGateway(kernel=kernel), kernel


def item(body: bytes = b'{"sku":"abc","qty":3}', **more: object) -> ApiRequest:
    """A POST of one item by whoever has the key; `more` are fields of ApiRequest."""
    said = {"headers": (KEY, JSON), "ip": "192.0.2.1", **more}
    return ApiRequest("POST", "/items/7", body=body, **said)  # type: ignore[arg-type]
