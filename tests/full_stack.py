# SPDX-License-Identifier: MIT
"""One configuration that uses all twelve modules, and traffic for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pathlib
import random
from typing import Any

from host_sim.config import Config, load
from host_sim.decision import pack_headers
from host_sim.kernel import Kernel

S = 10**9
KEY = b"thirty-two bytes that are no secret"
TEXT = """version = 1
[tenant.acme]
plan = "gold"
[tenant.guest]
plan = "free"
[service.orders]
pool = "orders"
timeout = "2s"
[service.status]
[[route]]
name = "status"
service = "status"
path = { exact = "/status" }
auth = "none"
[[route]]
name = "orders"
service = "orders"
path = { prefix = "/orders" }
transform = "orders"
[[jwt]]
name = "idp"
alg = "HS256"
issuer = "https://idp.example"
audience = "shop"
key = { file = "idp.key" }
claims = { tenant = "org", user = "sub", role = "role" }
[[limit]]
name = "per-user"
scope = "user"
algorithm = "token_bucket"
rate = "50/s"
burst = 100
[[quota]]
name = "acme-day"
tenant = "acme"
type = "requests"
limit = 150
window = "day"
[queue.service.orders]
servers = 3
depth = 8
[sla.orders]
priority = "high"
p95_latency = "100ms"
deadline = "1s"
[[policy]]
name = "guests-read"
type = "authorization"
when = { role = ["guest"], method = ["POST", "DELETE"] }
action = "deny"
[policies]
default = { authorization = "allow" }
[pool.orders]
strategy = "weighted_round_robin"
eject = { after = 3, for = "2s", percent = 50 }
instances = [{ at = "10.0.1.1:80", weight = 3 }, { at = "10.0.1.2:80" }, { at = "10.0.1.3:80" }]
[resilience.orders]
timeout = "1s"
breaker = { failures = 4, successes = 2, open = "3s", probes = 1 }
bulkhead = { concurrent = 4, waiting = 8 }
retry = { attempts = 3, base = "50ms", max = "1s", on = ["503", "timeout"], methods = ["GET"] }
[schema.order]
sku = { type = "string", field = 1, required = true }
qty = { type = "int64", field = 2, minimum = 1, maximum = 99 }
[transform.orders]
request = { from = "json", to = "protobuf", schema = "order" }
response = { from = "protobuf", to = "json", schema = "order", remove_headers = ["Server"] }
cache = { ttl = "2s" }
[cost.orders]
base = "0.0004"
per_kilobyte = "0.000012"
per_hit = "-0.0001"
[[alert]]
name = "spent"
metric = "cost"
tenant = "acme"
thresholds = ["50%"]
of = "0.05"
"""


def config_in(folder: pathlib.Path) -> Config:
    """The configuration, its key in a file beside it."""
    (folder / "idp.key").write_bytes(KEY)
    path = folder / "full.toml"
    path.write_text(TEXT)
    return load(path)


def token_of(user: str, role: str, org: str, **more: Any) -> str:
    """A token as the issuer would sign it, made without the core."""
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    head = part(b'{"alg":"HS256","typ":"JWT"}')
    body = part(json.dumps({"iss": "https://idp.example", "aud": "shop", "sub": user, "role": role,
                            "org": org, "iat": 1, "exp": 7200, **more}).encode())
    tag = hmac.digest(KEY, f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{part(tag)}"


def rows_of(kernel: Kernel, count: int, seed: int) -> tuple[bytes, bytes, int]:
    """(rows, their bytes, how many): requests with good, bad and no credentials, good and bad
    bodies, cache misses and hits, outcomes of every kind, retries, time. Each seed has a minute of
    its own, in order."""
    ffi, lib, dice = kernel.ffi, kernel.lib, random.Random(seed)
    tokens = [token_of("ann", "user", "acme"), token_of("bob", "guest", "guest"),
              token_of("eve", "user", "acme", exp=2), token_of("ann", "user", "acme")[:-3] + "AAA"]
    rows, data, now = ffi.new("ray_row[]", count), bytearray(), (60 * seed + 1) * S
    asked, failed = [1], 1
    for i in range(count):
        row = rows[i]
        now += dice.choice([0, 0, 1_000_000, 20_000_000, 100_000_000])
        row.at_ns, row.id = now, seed * count + i + 1
        row.tenant = row.service = 0xFFFFFFFF
        row.priority, row.address.at[15] = 255, dice.randrange(1, 5)
        kind = dice.choice(["ask"] * 5 + ["exchange"] * 3 + ["end"] * 6 + ["again"] * 3
                           + ["next", "tick"])
        past = dice.choice(asked[-3:])
        if kind == "ask":
            asked.append(row.id)
        if kind in ("ask", "exchange"):
            row.kind = lib.RAY_ROW_ADMIT if kind == "ask" else lib.RAY_ROW_EXCHANGE
            row.flags, write = lib.RAY_ROW_ADDRESS, dice.random() < 0.4
            row.method = 3 if write else 1
            row.http_status = dice.choice([200, 200, 503])
            row.duration_ns = dice.choice([0, 30_000_000])
            headers = [("Content-Type", "application/json"), ("Accept", "application/json")]
            if dice.random() < 0.9:
                headers.append(("Authorization", f"Bearer {dice.choice(tokens[:2] * 4 + tokens)}"))
            target = dice.choice(["/status", "/orders/1", "/orders/2", "/orders?x=1"]).encode()
            row.target_at, row.target_length = len(data), len(target)
            data += target
            packed = pack_headers(headers)
            row.headers_at, row.headers_length = len(data), len(packed)
            data += packed
            if write:
                body = dice.choice([b'{"sku":"a","qty":"3"}', b'{"sku":"a","qty":0}', b"{", b"{}"])
                row.flags |= lib.RAY_ROW_BODY
                row.body_at, row.body_length, row.request_bytes = len(data), len(body), len(body)
                data += body
        elif kind == "end":
            row.kind, row.id = lib.RAY_ROW_COMPLETE, past
            row.flags = lib.RAY_ROW_QUIET | lib.RAY_ROW_BODY
            row.http_status = dice.choice([200, 200, 200, 404, 429, 503])
            row.outcome = dice.choice([0, 0, 0, 0, 2, 3])
            failed = past if row.http_status == 503 else failed
            packed, body = pack_headers([("Cache-Control", "max-age=60, public")]), b"\x0a\x01a"
            row.headers_at, row.headers_length = len(data), len(packed)
            row.body_at, row.body_length = len(data) + len(packed), len(body)
            row.response_bytes = len(body)
            data += packed + body
        elif kind in ("again", "next"):
            row.kind, row.id = lib.RAY_ROW_DISPATCH, failed if kind == "again" else 0
        else:
            row.kind = lib.RAY_ROW_TICK
    return bytes(ffi.buffer(rows)), bytes(data), count


def step(kernel: Kernel, rows: bytes, data: bytes, count: int) -> bytes:
    """The answers to such rows, as bytes."""
    ffi = kernel.ffi
    answers = ffi.new("ray_answer[]", count)
    kernel.step(ffi.new("ray_rows *", {
        "row": ffi.from_buffer("ray_row[]", rows), "bytes": ffi.from_buffer("uint8_t[]", data),
        "bytes_length": len(data), "scratch": kernel._scratch, "secrets": kernel.secrets,
    }), count, answers)
    return bytes(ffi.buffer(answers))
