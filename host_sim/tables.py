# SPDX-License-Identifier: MIT
"""Batches as NumPy and Arrow see them, in the memory where the core works: nothing is copied.

    rows = rows_of(kernel, 1000)            # a structured array, one field per field of ray_row
    rows["at_ns"] = numpy.arange(1000) * 10**6
    answers = step(kernel, rows, b"/orders")
    print((answers["verdict"] == Verdict.DENY).sum())

NumPy and Arrow come with `pip install raygate[arrow]`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from host_sim import _raw
from host_sim.errors import ArgumentError
from host_sim.kernel import NONE, RowKind

if TYPE_CHECKING:
    import numpy
    import pyarrow

    from host_sim.config import Config
    from host_sim.kernel import Kernel

EXTRA = "pip install 'raygate[arrow]'"
WIDTHS = {1: "u1", 2: "u2", 4: "u4", 8: "u8"}
TEXTS = ("user", "client")
# Columns whose numbers stand for words, and those that are instants.
CODED = ("verdict", "reason", "by", "service", "route", "tenant", "priority")
INSTANTS = ("at_ns",)


def module(name: str) -> Any:
    """numpy or pyarrow; ImportError says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is not here: {EXTRA}") from error


# -- batches in and out ---------------------------------------------------------------------------
def dtype(kernel: Kernel, struct: str) -> Any:
    """The NumPy dtype of a C struct (ray_row, ray_answer), with its offsets and size."""
    return module("numpy").dtype(_layout(kernel.ffi, kernel.ffi.typeof(struct)))


def _layout(ffi: Any, kind: Any) -> dict[str, Any]:
    names, formats, offsets = [], [], []
    for name, field in kind.fields:
        names.append(name)
        formats.append(_format(ffi, field.type))
        offsets.append(field.offset)
    return {"names": names, "formats": formats, "offsets": offsets, "itemsize": ffi.sizeof(kind)}


def _format(ffi: Any, kind: Any) -> Any:
    if kind.kind == "struct":
        return _layout(ffi, kind)
    if kind.kind == "array":
        return (_format(ffi, kind.item), (kind.length,))
    signed = kind.kind == "primitive" and int(ffi.cast(kind, -1)) < 0
    return f"{'i' if signed else 'u'}{ffi.sizeof(kind)}"


def rows_of(kernel: Kernel, count: int, *, kind: RowKind = RowKind.EXCHANGE) -> Any:
    """`count` rows as a structured array: GETs with ids from 1, nobody's, of the default class,
    routed by their path. Texts are offsets into the bytes that `step` is given (ray/ray.h)."""
    numpy = module("numpy")
    rows = numpy.zeros(count, dtype(kernel, "ray_row"))
    rows["kind"], rows["priority"] = int(kind), 255
    rows["method"] = kernel.lib.ray_method_of(b"GET", 3)
    rows["tenant"] = rows["service"] = NONE
    rows["id"] = numpy.arange(1, count + 1, dtype="u8")
    return rows


def step(kernel: Kernel, rows: Any, text: bytes = b"", answers: Any = None) -> Any:
    """Applies a structured array of rows in order and returns the array of answers, which may be
    given to be used again. The GIL is released meanwhile.

    Each row whose target has no length asks for all of `text`. A bad row has a negative `status`
    in its answer and changes nothing else. Raises ArgumentError for arrays of another shape.
    """
    numpy = module("numpy")
    want, given = dtype(kernel, "ray_row"), dtype(kernel, "ray_answer")
    if rows.dtype != want or rows.ndim != 1 or not rows.flags["C_CONTIGUOUS"]:
        raise ArgumentError("rows is no array of rows_of(): one dimension, one piece, its dtype")
    if answers is None:
        answers = numpy.empty(len(rows), given)
    if answers.dtype != given or len(answers) < len(rows) or not answers.flags["C_CONTIGUOUS"]:
        raise ArgumentError(f"answers has {len(rows)} places or more, of ray_answer's dtype")
    ffi = kernel.ffi
    batch = ffi.new("ray_rows *", {
        "row": ffi.cast("ray_row *", rows.ctypes.data), "bytes": ffi.from_buffer(text),
        "bytes_length": len(text), "scratch": kernel._scratch, "secrets": kernel.secrets})
    if text:
        rows["target_length"][rows["target_length"] == 0] = len(text)
    kernel.step(batch, len(rows), ffi.cast("ray_answer *", answers.ctypes.data))
    return answers[: len(rows)]


# -- decisions as columns -------------------------------------------------------------------------
class Columns:
    """The C object that gathers decisions; closed when nothing looks at it any more."""

    def __init__(self, raw: _raw.Raw) -> None:
        self.ffi, self.lib = raw.ffi, raw.lib
        made = self.lib.ray_columns_open()
        if made == self.ffi.NULL:
            raise MemoryError("no memory for the decisions' columns")
        self.columns = self.ffi.gc(made, self.lib.ray_columns_close)

    def __len__(self) -> int:
        return int(self.lib.ray_columns_count(self.columns))

    def block(self, name: str) -> tuple[int, int, int]:
        """A column's address, elements and bytes of each."""
        length, width = self.ffi.new("uint64_t *"), self.ffi.new("uint32_t *")
        which = int(getattr(self.lib, f"RAY_COLUMN_{name.upper()}"))
        at = self.lib.ray_columns_at(self.columns, which, length, width)
        return int(self.ffi.cast("uintptr_t", at)), int(length[0]), int(width[0])

    def rules(self) -> list[tuple[int, int]]:
        """(kind, id) of what bound, by index."""
        found: list[tuple[int, int]] = []
        row = self.ffi.new("ray_columns_rule *")
        while self.lib.ray_columns_by(self.columns, len(found), row):
            found.append((int(row.by_kind), int(row.by_id)))
        return found


class _View:
    """What NumPy asks of memory it does not own; keeps its owner alive."""

    def __init__(self, owner: Any, at: int, length: int, kind: str) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "version": 3, "shape": (length,), "typestr": f"<{kind}" if kind != "u1" else "|u1",
            "data": (at, True)}


class Decisions:
    """Every decision of a replay or a simulation, a column each: `seq`, `row`, `at_ns`, `verdict`,
    `reason`, `by`, `retry_after_ns`, `status`, `log_status`, `service`, `route`, `tenant`, `user`,
    `client`, `priority`, `queued`, `would_deny`, `response_bytes`.

    `numpy(NAME)` is a read-only array over the core's own memory, `arrow()` a table over it. Codes
    (verdict, reason, by, service, route, tenant, priority) are numbers in NumPy, whose words
    `words(NAME)` lists; in Arrow they are dictionaries.
    """

    names = ("seq", "row", "at_ns", "verdict", "reason", "by", "retry_after_ns", "status",
             "log_status", "service", "route", "tenant", "user", "client", "priority", "queued",
             "would_deny", "response_bytes")

    def __init__(self, columns: Columns, kernel: Kernel, config: Config) -> None:
        self._columns = columns
        self._words = {name: _words(columns, kernel, config, name) for name in CODED}

    def __len__(self) -> int:
        return len(self._columns)

    def words(self, name: str) -> Sequence[str | None]:
        """What a code's number stands for, by number; None where it stands for none."""
        if name not in self._words:
            raise ArgumentError(f"{name!r} has no words; these have: {', '.join(CODED)}")
        return self._words[name]

    def numpy(self, name: str) -> numpy.ndarray[Any, Any]:
        """One column as a read-only array that copies nothing; at_ns as datetime64[ns].

        Raises ArgumentError for a name that is no column, or is one of texts (those are Arrow's).
        """
        if name not in self.names or name in TEXTS:
            known = ", ".join(n for n in self.names if n not in TEXTS)
            raise ArgumentError(f"no column {name!r} of numbers: there are {known}")
        at, length, width = self._columns.block(name)
        kind = "M8[ns]" if name in INSTANTS else WIDTHS[width]
        array: numpy.ndarray[Any, Any] = module("numpy").asarray(
            _View(self._columns, at, length, kind))
        return array

    def arrow(self) -> pyarrow.Table:
        """All columns as a table over the same memory. `user` and `client` are text where all of
        it is UTF-8, else binary."""
        pa = module("pyarrow")
        return pa.table({name: self._arrow(pa, name) for name in self.names})

    def _buffer(self, pa: Any, name: str) -> tuple[Any, int, int]:
        at, length, width = self._columns.block(name)
        return pa.foreign_buffer(at, length * width, base=self._columns), length, width

    def _arrow(self, pa: Any, name: str) -> Any:
        if name in TEXTS:
            return self._texts(pa, name)
        buffer, length, width = self._buffer(pa, name)
        kind = pa.timestamp("ns") if name in INSTANTS else getattr(pa, f"uint{8 * width}")()
        array = pa.Array.from_buffers(kind, length, [None, buffer])
        if name == "queued":
            return array
        if name in self._words:
            return pa.DictionaryArray.from_arrays(array, pa.array(self._words[name], pa.string()))
        return array

    def _texts(self, pa: Any, name: str) -> Any:
        ends, _, _ = self._buffer(pa, f"{name}_end")
        texts, _, _ = self._buffer(pa, name)
        count = len(self)
        array = pa.Array.from_buffers(pa.large_string(), count, [None, ends, texts])
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            return pa.Array.from_buffers(pa.large_binary(), count, [None, ends, texts])
        return array

    def _repr_html_(self) -> str:
        return (f"<p>{len(self):,} decisions: <code>{', '.join(self.names)}</code>; "
                "<code>.arrow()</code> or <code>.numpy(name)</code></p>")


def _words(columns: Columns, kernel: Kernel, config: Config, name: str) -> list[str | None]:
    lib, ffi = kernel.lib, kernel.ffi

    def word(at: Any) -> str:
        return bytes(ffi.string(at)).decode()

    if name in ("service", "route", "tenant"):
        return [None, *getattr(config, f"{name}s")]
    if name == "verdict":
        return ["error", *(word(lib.ray_verdict_word(code)) for code in range(1, 12))]
    if name == "reason":
        return [word(lib.ray_reason_word(code)) for code in range(int(lib.RAY_REPLAY_REASON_MAX))]
    if name == "priority":
        return [word(lib.ray_class_word(code)) for code in range(5)]
    row = ffi.new("ray_name *")
    names: list[str | None] = [None]
    for kind, place in columns.rules():
        lib.ray_by_name(kernel.ray, kind, place, row)
        names.append(f"{word(lib.ray_by_word(kind))} {word(row.at)}")
    return names


__all__ = ["Columns", "Decisions", "dtype", "rows_of", "step"]
