# SPDX-License-Identifier: MIT
"""A log as a limiter sees it, read once and gone through as often as a search wants.

Each request is 24 bytes in a temporary file: when, how many tokens, which limit it would meet (its
group) and which bucket of that limit (its key). native/trace.h has the layout.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from host_sim import _raw
from host_sim.errors import RaygateError
from host_sim.kernel import Kernel
from host_sim.plan.logs import Logs, close
from host_sim.replay import detect
from host_sim.replay.engine import ORDERS, SPREADS, Options, Progress, StopReading
from host_sim.replay.inputs import Inputs
from host_sim.replay.mapping import Mapping, Maps
from host_sim.replay.program import FormatError, Program
from host_sim.replay.source import Source

if TYPE_CHECKING:
    from host_sim.config import Config

KEYS = ("all", "user", "client")
EACH = ("service", "operation", "tenant", "route", "path")
PROFILE = "edge"  # a search has a bucket for each key of each candidate
OPERATIONS = ("operation", "event_name", "eventName", "action", "rpc_method", "method_name")
HEADERS = {"service": "X-Service", "operation": "X-Operation", "tenant": "X-Tenant"}
PARTS = {"service": "SERVICE", "tenant": "TENANT", "route": "ROUTE"}


@dataclasses.dataclass(frozen=True)
class Shape:
    """Which limit a request meets and which bucket of it: `each` names what has a limit of its own
    (nothing: one limit), `key` what has a bucket of its own within a limit; `depth` is how many
    segments of a path count."""

    each: tuple[str, ...] = ()
    key: str = "all"
    depth: int = 1


@dataclasses.dataclass(frozen=True)
class Group:
    """What one limit would meet: its place in the trace, its name by parts, its requests, those the
    log says were throttled, and the most in one second of the clock."""

    place: int
    parts: tuple[str, ...]
    requests: int
    throttled: int
    first_ns: int
    last_ns: int
    busiest: int

    @property
    def name(self) -> str:
        """The parts in one word, `all` where there is one limit."""
        return " ".join(part or "(none)" for part in self.parts) or "all"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the log is like. `finest_ns` is the largest power of ten, at most a second, that divides
    every time in it."""

    requests: int
    events: int
    refused: int
    throttled: int
    weighted: int
    tokens: int
    lines: int
    unparsable: int
    stepped_back: int
    late: int
    folded: int
    first_ns: int
    last_ns: int
    finest_ns: int


class Trace:
    """One log, or several merged by time, as events in a temporary file.

    Without a configuration the log's own columns name services and tenants; with one each request
    goes through it first, and what it denies by itself is left out. Use it in a with statement.
    """

    def __init__(
        self, logs: Sequence[str] | Logs, shape: Shape, *, config: Config | None = None,
        options: Options | None = None, progress: Progress | None = None,
        stopping: Callable[[], bool] | None = None,
    ) -> None:
        self.options, self.shape, self.config = options or Options(), shape, config
        self._opened = contextlib.ExitStack()
        self.logs = logs if isinstance(logs, Logs) else Logs(*logs, maps=self.options.maps)
        self._own = self.logs is not logs
        self.hashes: dict[str, str] = {}
        self.problem = ""
        self.labels: list[str] = []
        self.has_user = False
        self.maps = self.options.maps
        self.waiting = self.stopped = False
        self._progress, self._stopping = progress, stopping or (lambda: False)
        self._raw = _raw.load(PROFILE)
        self.ffi, self.lib = self._raw.ffi, self._raw.lib
        self.file = tempfile.TemporaryFile(prefix="raygate-trace-")
        self._trace = self.ffi.NULL
        self._lines = self._unparsable = 0
        _known(shape, config)

    def __enter__(self) -> Trace:
        if self._own:
            self._opened.enter_context(self.logs)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the trace and its file."""
        self.lib.ray_trace_close(self._trace)
        self._trace = self.ffi.NULL
        self.file.close()
        self._opened.close()

    # -- reading --------------------------------------------------------------------------------
    def gather(self) -> Facts:
        """Reads every log. FormatError for one that is not a log, or without what the shape needs;
        OSError for one that cannot be read."""
        kernel = Kernel(profile=PROFILE, config=self.config) if self.config else None
        with contextlib.ExitStack() as stack:
            sources = self.logs.open(hashing=True)
            stack.callback(close, sources)
            for source in sources:
                source.program = self._program(source)
            inputs = Inputs(self._raw, sources, self.config, kernel.ray if kernel else None,
                            form=self.options.form, maps=self.maps, headers=self._headers())
            stack.callback(inputs.close)
            self._read(inputs, kernel.ray if kernel else self.ffi.NULL)
            read = inputs.stats()
            self._lines, self._unparsable = read.line_count, read.unparsable_count
            self.problem, self.hashes = inputs.problem(), self.logs.hashes()
        return self.facts()

    def _read(self, inputs: Inputs, core: Any) -> None:
        self._trace = self.lib.ray_trace_open(self._spec(inputs))
        if self._trace == self.ffi.NULL:
            raise MemoryError("no memory for a trace")
        lib = self.lib
        while (state := lib.ray_trace_run(self._trace, core)) != lib.RAY_REPLAY_DONE:
            if state == lib.RAY_REPLAY_MEMORY:
                raise MemoryError("memory ran out; a smaller --window needs less")
            if state == lib.RAY_REPLAY_REFUSED:
                raise RaygateError("the temporary file takes no more: is the disk full?")
            if self._stopping() and not self.stopped:
                self.stopped = True
                lib.ray_trace_stop(self._trace)
            if state == lib.RAY_REPLAY_INPUT and not self.stopped:
                self._feed(inputs)
            if self._progress is not None:
                self._progress(*inputs.progress(), self.facts().requests)

    def _feed(self, inputs: Inputs) -> None:
        place = self.lib.ray_trace_wants(self._trace)
        try:
            self.waiting = True
            data = inputs.read(place)
        except StopReading:
            return
        finally:
            self.waiting = False
        inputs.feed(place, data)

    # -- what C is told -------------------------------------------------------------------------
    def _headers(self) -> tuple[str, ...]:
        return tuple(HEADERS[part] for part in self.shape.each if self._by_header(part))

    def _by_header(self, part: str) -> bool:
        return part == "operation" or (self.config is None and part in ("service", "tenant"))

    def _spec(self, inputs: Inputs) -> Any:
        headers = self._headers()
        names = self.ffi.new("ray_name[]", max(len(headers), 1))
        for row, name in zip(names, headers, strict=False):
            self.ffi.memmove(row.at, name.encode(), len(name))
        weights = [route.weight for route in self.config.file.route] if self.config else []
        rows = inputs.rows(self.options.spread != "none")
        replay = self.ffi.new("ray_replay_spec *", {
            "inputs": rows, "input_count": len(rows), "order": ORDERS.index(self.options.order),
            "window_rows": self.options.window, "spread": SPREADS.index(self.options.spread),
            "spread_seed": self.options.spread_seed})
        self._keep = (names, self.ffi.new("uint32_t[]", weights or [1]), rows, replay)
        spec = self.ffi.new("ray_trace_spec *", {
            "headers": names, "header_count": len(headers), "route_weight": self._keep[1],
            "hash_key": int.from_bytes(os.urandom(8), "little"),
            "route_count": len(weights), "replay": replay,
            "part_count": len(self.shape.each), "key": KEYS.index(self.shape.key),
            "prefix_v4": 32, "prefix_v6": 64, "fd": self.file.fileno()})
        for place, part in enumerate(self.shape.each):
            kind = "HEADER" if self._by_header(part) else PARTS.get(part, "PATH")
            spec.part[place] = getattr(self.lib, f"RAY_TRACE_PART_{kind}")
            spec.argument[place] = (headers.index(HEADERS[part]) if kind == "HEADER"
                                    else self.shape.depth)
        return spec

    def _program(self, source: Source) -> Program:
        """What a log's lines are, with the columns that name classes kept beside the rest."""
        sample = source.peek(detect.SAMPLE)
        maps = self.options.maps
        if "operation" in self.shape.each and not any(m.header == "X-Operation" for m in maps.maps):
            column = next((name for name in OPERATIONS if _names(sample, name)), None)
            if column is None:
                raise FormatError("no column is known as the operation; say which with "
                                  "--map header:X-Operation=COLUMN")
            maps = Maps((*maps.maps, Mapping("header", column, header="X-Operation")),
                        maps.time_is_end)
        self.maps = maps
        program = detect.program_of(self._raw, source, form=self.options.form, maps=maps)
        self.labels.append(program.label)
        self.has_user = program.has("user")
        if self.shape.key == "user" and not self.has_user and not self.config:
            raise FormatError("no column is known as the user; say which with --map user=COLUMN")
        fields = program.fields
        for part in self.shape.each:
            if part in ("service", "tenant") and self._by_header(part):
                if not program.has(part):
                    raise FormatError(f"no column is known as the {part}; say which with "
                                      f"--map {part}=COLUMN, or leave --each {part} out")
                fields = tuple(
                    dataclasses.replace(field, target="header", header=HEADERS[part], also=part)
                    if field.target == part else field for field in fields)
        return dataclasses.replace(program, fields=fields)

    # -- what there is --------------------------------------------------------------------------
    def facts(self) -> Facts:
        """What was read so far."""
        out = self.ffi.new("ray_trace_stats *")
        self.lib.ray_trace_read(self._trace, out)
        return Facts(
            int(out.request_count), int(out.event_count), int(out.refused_count),
            int(out.throttled_count), int(out.weighted_count),
            int(out.token_count), self._lines, self._unparsable,
            int(out.stepped_back_count), int(out.late_count), int(out.folded_count),
            int(out.first_ns), int(out.last_ns), int(out.finest_ns))

    def groups(self) -> list[Group]:
        """Every group, in the order of first appearance."""
        row = self.ffi.new("ray_trace_group *")
        found: list[Group] = []
        while self.lib.ray_trace_group_read(self._trace, len(found), row):
            label = bytes(self.ffi.buffer(row.label, row.length))
            found.append(Group(
                len(found), self._parts(label), int(row.request_count), int(row.throttled_count),
                int(row.first_ns), int(row.last_ns), int(row.busiest_count)))
        return found

    def _parts(self, label: bytes) -> tuple[str, ...]:
        if not self.shape.each:
            return ()
        texts = label.decode("utf-8", "backslashreplace").split("\t")
        texts += [""] * (len(self.shape.each) - len(texts))
        return tuple(text if self.config is None or part not in PARTS else self._named(part, text)
                     for part, text in zip(self.shape.each, texts, strict=False))

    def _named(self, part: str, place: str) -> str:
        names = getattr(self.config, f"{part}s")
        return str(names[int(place)]) if place.isdigit() and int(place) < len(names) else ""


def _names(sample: bytes, column: str) -> bool:
    """Does the first line name this column or key?"""
    line = sample.partition(b"\n")[0]
    if line.lstrip().startswith(b"{"):
        return b'"' + column.encode() + b'"' in line
    return any(cell.strip(' "') == column
               for mark in "\t,;|" for cell in line.decode("utf-8", "replace").split(mark))


def _known(shape: Shape, config: Config | None) -> None:
    if shape.key not in KEYS:
        raise FormatError(f"unknown key {shape.key!r}: use {', '.join(KEYS)}")
    for part in shape.each:
        if part not in EACH:
            raise FormatError(f"unknown class {part!r}: use {', '.join(EACH)}")
    if "route" in shape.each and config is None:
        raise FormatError("routes are a configuration's: give it with --config, or use --each path")
    if "path" in shape.each and config is not None:
        raise FormatError("with --config its routes say what a path is: use --each route")
