# SPDX-License-Identifier: MIT
"""A Parquet file, or a table in memory, as a log: a batch of rows at a time, of the columns that are
read only.

Batches become lines of a table, which the C reader takes apart: one copy, made by Arrow. Memory is
one batch, whatever the row groups' size.
"""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Callable, Iterator
from typing import Any

from host_sim.replay.mapping import Maps, fields_for
from host_sim.replay.program import TIMED, Field, FormatError, Program
from host_sim.replay.source import CHUNK, Source

BATCH_ROWS = 8_192
UNITS = ("s", "ms", "us", "ns")


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError as error:
        raise FormatError("Parquet and Arrow need `pip install 'raygate[arrow]'`") from error
    return pyarrow


class TableSource(Source):
    """Record batches read as lines of CSV. `program` says what their columns are, by `maps` or by
    their names; a column inside another is written with dots.

    `batches` gives those of the named columns, `rows` is how many rows come in all, 0 where nobody
    knows, and `total` the size that progress is told against.
    """

    def __init__(
        self, name: str, packing: str, schema: Any,
        batches: Callable[[list[str]], Iterator[Any]], *, rows: int, total: int,
        maps: Maps | None = None,
    ) -> None:
        self.name, self.problem, self.packing = name, "", packing
        self.raw_count, self.raw_total = 0, total
        self._arrow = _arrow()
        self._ahead = b""
        self._schema, self._rows = schema, rows
        self.program = self._program(maps or Maps())
        names = [field.name for field in self.program.fields]
        self._lines = self._written(batches(names), names)

    def _program(self, maps: Maps) -> Program:
        columns = dict(_leaves(self._arrow, self._schema))
        if not columns:
            raise FormatError("the table has no column that could be read")
        fields = tuple(self._with_unit(field, columns[field.name])
                       for field in fields_for(list(columns), maps) if field.target != "skip")
        if not any("time" in (field.target, field.also) for field in fields):
            raise FormatError("no column is known as the time; say which with --map time=COLUMN. "
                              f"The columns are: {', '.join(list(columns)[:40])}")
        return Program("TABLE", fields, self.packing.capitalize(), delimiter=",", quotes=True,
                       time_is_end=maps.time_is_end)

    def _with_unit(self, field: Field, kind: Any) -> Field:
        """An instant or a duration of Arrow has its own unit, whatever its name says."""
        types = self._arrow.types
        if types.is_timestamp(kind) or types.is_duration(kind):
            return dataclasses.replace(field, unit=kind.unit)
        if {field.target, field.also} & set(TIMED) and types.is_date(kind):
            raise FormatError(f"{field.name!r} is only a day: --map time= a column with the time")
        return field

    # -- batches as lines -----------------------------------------------------------------------
    def _written(self, batches: Iterator[Any], names: list[str]) -> Iterator[bytes]:
        arrow = self._arrow
        done = 0
        options = arrow.csv.WriteOptions(include_header=False, delimiter=",")
        for batch in batches:
            table = _flat(arrow.Table.from_batches([batch]))
            columns = [self._plain(table.column(name)) for name in names]
            out = io.BytesIO()
            arrow.csv.write_csv(arrow.table(columns, names=names), out, options)
            done += batch.num_rows
            self.raw_count = self.raw_total * done // self._rows if self._rows else 0
            yield out.getvalue()

    def _plain(self, column: Any) -> Any:
        """A column as whole numbers or as text without line feeds."""
        arrow, types = self._arrow, self._arrow.types
        kind = column.type
        if types.is_dictionary(kind):
            kind = kind.value_type
            column = column.cast(kind)
        if types.is_timestamp(kind) or types.is_duration(kind):
            return column.cast(arrow.int64())
        if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
            column = arrow.compute.cast(column, options=arrow.compute.CastOptions(
                arrow.large_string(), allow_invalid_utf8=True))
            kind = column.type
        if types.is_string(kind) or types.is_large_string(kind):
            # A line feed would end the line: it becomes what a client would have had to send.
            return arrow.compute.replace_substring(column, "\n", "%0A")
        return column

    # -- as a source ----------------------------------------------------------------------------
    def close(self) -> None:
        """There is no file."""

    def peek(self, size: int) -> bytes:
        """The first lines."""
        if not self._ahead:
            self._ahead = self._next(size)
        return self._ahead[:size]

    def _next(self, size: int) -> bytes:
        """The next batch; its size is Arrow's, not `size`."""
        try:
            return next(self._lines, b"")
        except (self._arrow.ArrowException, OSError) as error:
            self.problem = f"{self.name} has damaged {self.packing.capitalize()} data ({error})"
            return b""


class ParquetSource(TableSource):
    """A Parquet file, read by row groups."""

    def __init__(self, path: str, maps: Maps | None = None) -> None:
        arrow = _arrow()
        try:
            self._parquet = arrow.parquet.ParquetFile(
                path, buffer_size=CHUNK, page_checksum_verification=True)
        except (arrow.ArrowInvalid, OSError) as error:
            raise FormatError(f"it begins like a Parquet file and is none: {error}") from error
        super().__init__(
            str(path), "parquet", self._parquet.schema_arrow, self._batches,
            rows=self._parquet.metadata.num_rows, total=os.stat(path).st_size, maps=maps)

    def _batches(self, names: list[str]) -> Iterator[Any]:
        batches: Iterator[Any] = self._parquet.iter_batches(
            batch_size=BATCH_ROWS, columns=names, use_threads=False)
        return batches

    def close(self) -> None:
        """Closes the file."""
        self._parquet.close()


def from_table(table: Any, maps: Maps | None = None) -> TableSource:
    """A source over requests in memory: an Arrow table, a reader of record batches, a data frame,
    or a dict of columns (NumPy arrays, lists). Raises FormatError for what is none of these."""
    arrow = _arrow()
    if isinstance(table, arrow.RecordBatchReader):
        return TableSource("record batches", "arrow", table.schema, lambda _: iter(table),
                           rows=0, total=0, maps=maps)
    try:
        made = table if isinstance(table, arrow.Table) else arrow.table(table)
    except (TypeError, ValueError, arrow.ArrowException) as error:
        raise FormatError(f"a log is a path, an Arrow table, a data frame or a dict of columns, "
                          f"not {type(table).__name__}: {error}") from error
    return TableSource("table", "arrow", made.schema,
                       lambda _: iter(made.to_batches(max_chunksize=BATCH_ROWS)),
                       rows=made.num_rows, total=made.nbytes, maps=maps)


def _flat(table: Any) -> Any:
    while any(str(field.type).startswith("struct<") for field in table.schema):
        table = table.flatten()
    return table


def _leaves(arrow: Any, schema: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names of the columns that hold one value a row."""
    for field in schema:
        name = f"{prefix}{field.name}"
        if arrow.types.is_struct(field.type):
            yield from _leaves(arrow, field.type, f"{name}.")
        elif not arrow.types.is_nested(field.type):
            yield name, field.type
