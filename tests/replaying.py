# SPDX-License-Identifier: MIT
"""What the replay's tests share: a text read into rows, a configuration in a few lines."""

from __future__ import annotations

import dataclasses
import ipaddress

from host_sim import _raw
from host_sim.config import Config, loads
from host_sim.replay import detect
from host_sim.replay.mapping import parse_maps
from host_sim.replay.program import Program
from host_sim.replay.reader import Reader, ReaderStats

S = 1_000_000_000
NONE = 0xFFFFFFFF

CONFIG = """
version = 1
[service.web]
[[route]]
name = "all"
service = "web"
path = { prefix = "/" }
[[limit]]
name = "per-client"
scope = "ip"
algorithm = "token_bucket"
rate = "1/s"
burst = 2
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """A row with its texts taken out."""

    at_ns: int
    target: bytes
    host: bytes
    headers: bytes
    user: bytes
    client: bytes
    address: str
    method: int
    status: int
    response_bytes: int
    request_bytes: int
    duration_ns: int
    weight: int
    tenant: int
    service: int
    kind: int
    priority: int


def config_of(text: str = CONFIG) -> Config:
    """A configuration from TOML text."""
    return loads(text)


def rows_of(
    text: bytes, program: Program, config: Config | None = None, *, core: object = None,
    block_rows: int = 64,
) -> tuple[list[Row], ReaderStats]:
    """Every row of a log by a program, and the reader's counts."""
    found: list[Row] = []
    with Reader(_raw.load("seed"), program, config=config, core=core) as reader:
        for block in reader.blocks(text, rows=block_rows):
            for row in block.rows[0 : block.row_count]:
                parts = {p: reader.row_text(block, row, p)
                         for p in ("target", "host", "headers", "user", "client")}
                ip = ipaddress.IPv6Address(bytes(row.address.at))
                found.append(Row(
                    at_ns=row.at_ns, **parts, address=str(ip.ipv4_mapped or ip) if row.flags & 1
                    else "", method=row.method, status=row.http_status,
                    response_bytes=row.response_bytes, request_bytes=row.request_bytes,
                    duration_ns=row.duration_ns, weight=row.weight, tenant=row.tenant,
                    service=row.service, kind=row.kind, priority=row.priority))
        return found, reader.stats()


def read(
    text: bytes, form: str = "auto", maps: str = "", config: Config | None = None
) -> tuple[list[Row], ReaderStats]:
    """A log read as `raygate replay --format FORM --map MAPS` would."""
    program = detect.program_for(_raw.load("seed"), text[: detect.SAMPLE], form=form,
                                 maps=parse_maps((maps,) if maps else ()))
    return rows_of(text, program, config)


HEAD = "time,ip,path,duration_ms\n"


def log_of(*rows: tuple[object, ...]) -> bytes:
    """A log of (second, address) or (second, address, milliseconds)."""
    lines = (f"{at},{ip},/a,{rest[0] if rest else ''}" for at, ip, *rest in rows)
    return (HEAD + "\n".join(lines)).encode()


def busy_log(count: int = 3000) -> bytes:
    """Many clients, rows out of order, every request with a duration."""
    rows = [(1000 + n * 7919 % 977 / 8, f"10.0.{n % 11}.{n % 3}", n * 31 % 5000)
            for n in range(count)]
    return log_of(*rows)
