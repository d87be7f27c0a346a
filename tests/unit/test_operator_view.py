# SPDX-License-Identifier: MIT
"""what an operator asks of a route, a service, a credential and a transform, in words."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from host_sim import config
from host_sim.kernel import Kernel

S = 10**9
FILE = """version = 1
[tenant.acme]
[service.orders]
pool = "shop"
[service.plain]
at = "10.0.0.9:81"
[[route]]
name = "items"
service = "orders"
path = { regex = "/items/\\\\d+" }
methods = ["GET", "POST", "PUT", "DELETE"]
auth = "required"
role = "user"
permission = "write"
transform = "t"
[[route]]
name = "pub"
service = "plain"
path = { prefix = "/pub" }
auth = "none"
[pool.shop]
instances = [{ at = "10.0.0.1:80" }]
[[api_key]]
name = "ann"
sha256 = "cc0b1c2c66f3bb9fd1a081c626ba1bef62f6f96441a43be15268523776ac26a1"
role = "user"
permissions = ["read"]
expires = "1970-01-01T00:00:05Z"
[schema.item]
sku = { type = "string", field = 1, required = true }
[transform.t]
request = { from = "json", to = "protobuf", schema = "item", unknown = "drop", strict = true }
response = { from = "protobuf", to = "json", schema = "item" }
"""


@pytest.fixture
def kernel() -> Kernel:
    kernel = Kernel(config=config.loads(FILE))
    kernel.tick(S)
    return kernel


def said(kernel: Kernel, line: str) -> str:
    answer = kernel.shell(line)
    assert answer.status == 0, answer.text
    return str(answer.text)


def told(kernel: Kernel, line: str) -> Any:
    return kernel.shell(f"{line} --json").json()


def test_a_route_says_who_may_come_and_what_becomes_of_the_body(kernel: Kernel) -> None:
    for line in ("gateway show items", "gateway test GET /items/5"):
        text = said(kernel, line)
        assert "auth          required, role user, permission write\n" in text
        assert "transform     t\n" in text
    assert "auth          none\n" in said(kernel, "gateway show pub")
    shown, tried = told(kernel, "gateway show items"), told(kernel, "gateway test GET /items/5")
    words = ("required", "user", "write")
    for row in (shown["route"], tried):
        assert (row["auth"], row["role"], row["permission"]) == words
    assert shown["transform"] == tried["transform"] == "t" and tried["pool"] == "shop"
    open_route = told(kernel, "gateway show pub")
    assert open_route["transform"] is None and open_route["route"]["auth"] == "none"
    assert told(kernel, "gateway test GET /nowhere")["transform"] is None


def test_a_service_says_its_pool(kernel: Kernel) -> None:
    rows = said(kernel, "gateway list").splitlines()
    assert [line[32:57].strip() for line in rows[1:3]] == ["pool shop", "10.0.0.9:81"]
    assert "pool          shop\n" in said(kernel, "gateway show orders")
    assert told(kernel, "gateway show orders")["pool"] == "shop"
    assert told(kernel, "gateway show plain")["pool"] is None
    said(kernel, "lb bind orders")
    assert "pool          none\n" in said(kernel, "gateway show orders")


def test_a_pattern_is_shown_as_it_is_written_and_methods_break_no_column(kernel: Kernel) -> None:
    rows = said(kernel, "gateway list").splitlines()
    items = next(line for line in rows if "items" in line)
    assert "/items/\\d+ " in items and "\\\\d" not in items
    head = next(line for line in rows if line.startswith("rank"))
    assert items[head.index("methods"):] == "GET,POST,PUT,DELETE"
    assert items[head.index("auth"):].startswith("required ")


def test_an_export_of_routes_has_words(kernel: Kernel) -> None:
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(said(kernel, "gateway export")))}
    assert rows["items"]["methods"] == "GET POST PUT DELETE" and rows["pub"]["methods"] == "any"
    found = [rows["items"][name] for name in ("auth", "role", "permission")]
    assert found == ["required", "user", "write"]
    assert rows["pub"]["permission"] == "by-method" and rows["pub"]["asked"] == "0"


def test_a_credential_says_when_it_ends_and_that_it_did(kernel: Kernel) -> None:
    assert " enabled   1970-01-01T00:00:0" in said(kernel, "auth list")
    text = said(kernel, "auth show ann")
    assert "state                   enabled\n" in text and "last good               never\n" in text
    assert "at most                 read\n" in text and "expires                 1970-" in text
    kernel.tick(10 * S)
    assert " expired   " in said(kernel, "auth list")
    assert "state                   expired\n" in said(kernel, "auth show ann")
    assert told(kernel, "auth show ann")["state"] == "expired"
    said(kernel, "auth key-add bob --role=user")
    assert "at most                 what its role may\n" in said(kernel, "auth show bob")
    rows = list(csv.DictReader(io.StringIO(said(kernel, "auth export"))))
    assert [row["permissions"] for row in rows] == ["1", "0"] and rows[0]["last_ns"] == "0"


def test_a_transform_says_schema_unknown_and_strict(kernel: Kernel) -> None:
    text = said(kernel, "mediator show t")
    assert "request               schema item, unknown drop, strict\n" in text
    assert "response              schema item, unknown reject\n" in text
