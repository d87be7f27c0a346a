# SPDX-License-Identifier: MIT
"""The requests that two configurations decide otherwise, as an Arrow table."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from host_sim.tables import module

if TYPE_CHECKING:
    import pyarrow

TEXTS = ("change", "tenant", "service", "route", "client", "user")
BLOCK_BYTES = 1 << 22  # far above the longest line


def _schema(pa: Any) -> Any:
    side = pa.struct([("seq", pa.uint64()), ("verdict", pa.string()), ("reason", pa.string()),
                      ("by", pa.string()), ("retry_after_ns", pa.uint64())])
    return pa.schema([("source", pa.uint32()), ("line", pa.uint64()), ("t_ns", pa.timestamp("ns")),
                      *((name, pa.string()) for name in TEXTS), ("old", side), ("new", side)])


def table(lines: bytes) -> pyarrow.Table:
    """A row for each line of `raygate plan --flips`; `old.verdict`, `new.by` and the like are
    columns of their own, `source` counts from 0, null is nothing."""
    pa = module("pyarrow")
    schema = _schema(pa)
    plain = schema.set(2, pa.field("t_ns", pa.int64()))  # JSON has no instants
    if not lines:
        return schema.empty_table().flatten()
    json = module("pyarrow.json")
    read = json.read_json(
        io.BytesIO(lines), read_options=json.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=json.ParseOptions(explicit_schema=plain, unexpected_field_behavior="error"))
    return read.select(schema.names).cast(schema).flatten()
