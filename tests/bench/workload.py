# SPDX-License-Identifier: MIT
"""What is measured: configurations and rows, the same ones on every run."""

from __future__ import annotations

import dataclasses
import pathlib
import random
import struct
from typing import Any

SEED = 20190706
S = 10**9
NONE = 0xFFFFFFFF


def services(count: int) -> str:
    """Service sections."""
    return "".join(f"[service.svc{i}]\n" for i in range(count))


def routes(count: int, services_count: int) -> str:
    """Routes of all kinds: one in two exact, then prefixes, wildcards, and one in sixteen regex."""
    rows = []
    for i in range(count):
        if i % 16 == 15:
            path = f"{{ regex = '/r{i}/[a-z]{{2}}/\\d+' }}"
        elif i % 4 == 3:
            path = f'{{ wildcard = "/w{i}/*/items" }}'
        elif i % 2:
            path = f'{{ prefix = "/p{i}" }}'
        else:
            path = f'{{ exact = "/e{i}/status" }}'
        rows.append(
            f'[[route]]\nname = "route{i}"\nservice = "svc{i % services_count}"\npath = {path}\n'
        )
    return "".join(rows)


def target(route: int, number: int) -> str:
    """A path that `route` of routes() takes."""
    if route % 16 == 15:
        return f"/r{route}/ab/{number % 1000}"
    if route % 4 == 3:
        return f"/w{route}/x{number % 1000}/items"
    if route % 2:
        return f"/p{route}/orders/{number % 1000}?page=2"
    return f"/e{route}/status"


def everything(route_count: int = 512, tenants: int = 64) -> str:
    """Routes, limits of every algorithm and scope, and quotas, all of which let traffic pass."""
    parts = ["version = 1\n", services(64)]
    parts += [f'[tenant.t{i}]\nplan = "{"gold" if i % 2 else "free"}"\n' for i in range(tenants)]
    parts.append(routes(route_count, 64))
    algorithms = ("token_bucket", "fixed_window", "sliding_window", "leaky_bucket")
    for i in range(64):
        algorithm = algorithms[i % 4]
        room = "burst" if algorithm == "token_bucket" else "capacity"
        extra = f"{room} = 100000000\n" if room == "burst" or algorithm == "leaky_bucket" else ""
        parts.append(
            f'[[limit]]\nname = "service{i}"\nscope = "service"\nservice = "svc{i}"\n'
            f'algorithm = "{algorithm}"\nrate = "100000000/s"\n{extra}'
        )
    parts.append(
        '[[limit]]\nname = "per-user"\nscope = "user"\nalgorithm = "token_bucket"\n'
        'rate = "1000000/s"\nburst = 1000000\nplan = { gold = "2000000/s" }\n'
        '[[limit]]\nname = "per-address"\nscope = "ip"\nalgorithm = "token_bucket"\n'
        'rate = "1000000/s"\nburst = 1000000\nprefix = { v4 = 32, v6 = 64 }\n'
    )
    for i in range(tenants):
        parts.append(
            f'[[quota]]\nname = "requests{i}"\ntenant = "t{i}"\ntype = "requests"\n'
            'limit = 1000000000000\nwindow = "day"\n'
            f'[[quota]]\nname = "bytes{i}"\ntenant = "t{i}"\ntype = "bytes"\n'
            'limit = "900TiB"\nwindow = "month"\n'
        )
    return "".join(parts)


def routed(count: int) -> str:
    """Routes of all kinds and nothing else."""
    return "version = 1\n" + services(64) + routes(count, 64)


def keyed() -> str:
    """One keyed token bucket and one for all traffic, no route, no quota."""
    return (
        'version = 1\n[service.one]\n'
        '[[limit]]\nname = "per-user"\nscope = "user"\nalgorithm = "token_bucket"\n'
        'rate = "1000/s"\nburst = 1000000\n'
    )


def indexed(count: int = 64) -> str:
    """Service limits and nothing else, decided by their handles."""
    rows = [
        f'[[limit]]\nname = "all{i}"\nscope = "service"\nservice = "svc{i}"\n'
        'algorithm = "token_bucket"\nrate = "1000000000/s"\nburst = 1000000000\n'
        for i in range(count)
    ]
    return "version = 1\n" + services(count) + "".join(rows)


@dataclasses.dataclass(frozen=True)
class Traffic:
    """How many of what the rows are about; no routes: service 0; no tenants: none."""

    count: int = 65536
    users: int = 400
    routes: int = 512
    tenants: int = 64


def rows_file(ffi: Any, path: pathlib.Path, traffic: Traffic) -> None:
    """Prepared rows for core.c: whole exchanges over random routes, users and addresses."""
    dice = random.Random(SEED)
    rows = ffi.new("ray_row[]", traffic.count)
    pool = bytearray()

    def place(text: str) -> tuple[int, int]:
        at = len(pool)
        pool.extend(text.encode())
        return at, len(text)

    for i in range(traffic.count):
        row, number = rows[i], dice.randrange(traffic.users)
        row.at_ns, row.id, row.method = S + i * 1000, i + 1, 1
        row.kind = ffi_number(ffi, "EXCHANGE")
        row.flags, row.priority, row.weight, row.http_status = 1, 255, 0, 200
        row.request_bytes, row.response_bytes = 300, dice.randrange(20000)
        row.tenant = dice.randrange(traffic.tenants) if traffic.tenants else NONE
        row.service = NONE if traffic.routes else 0
        path_text = target(dice.randrange(traffic.routes), number) if traffic.routes else "/"
        row.target_at, row.target_length = place(path_text)
        row.user_at, row.user_length = place(f"user-{number}")
        address = b"\0" * 10 + b"\xff\xff" + (0x0A000000 + number).to_bytes(4, "big")
        for k, byte in enumerate(address):
            row.address.at[k] = byte
    with path.open("wb") as file:
        file.write(struct.pack("<QQ", traffic.count, len(pool)))
        file.write(ffi.buffer(rows))
        file.write(pool)


def ffi_number(ffi: Any, kind: str) -> int:
    """A row kind by its word."""
    elements: dict[int, str] = ffi.typeof("enum ray_row_kind").elements
    return next(number for number, name in elements.items() if name == f"RAY_ROW_{kind}")
