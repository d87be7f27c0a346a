# SPDX-License-Identifier: MIT
"""The C reader from Python: a program and a configuration's names in, blocks of rows out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from host_sim.replay.program import ESCAPES, TARGETS, UNITS, Field, FormatError, Program

if TYPE_CHECKING:
    from host_sim._raw import Raw
    from host_sim.config import Config

FAULTS = {
    1: "does not fit the format",
    2: "no time that can be read",
    3: "a number that cannot be read",
    4: "no request in it",
    5: "longer than a line or a name may be",
}


@dataclasses.dataclass(frozen=True)
class Unparsable:
    """A line that was left out: its number from 1, why, its first bytes, and of several logs the
    one it is in."""

    line: int
    why: str
    text: bytes
    log: str = ""


@dataclasses.dataclass(frozen=True)
class ReaderStats:
    """What was read: counts of bytes, lines and rows, and the first few unparsable lines."""

    byte_count: int
    line_count: int
    blank_count: int
    row_count: int
    unparsable_count: int
    unparsable_by: dict[str, int]
    named_client_count: int
    unknown_service_count: int
    unknown_tenant_count: int
    duration_count: int
    throttled_count: int
    failed_count: int
    comment_count: int
    resolution_ns: int
    unknown_services: tuple[str, ...]
    unknown_tenants: tuple[str, ...]
    samples: tuple[Unparsable, ...]


def headers_wanted(config: Config | None) -> tuple[str, ...]:
    """The headers a configuration looks at: its identities, routes, policies and trust."""
    if config is None:
        return ()
    names = [rule.user_header for rule in config.identity.rules if rule.user_from == "header"]
    for route in config.file.route:
        names += list(getattr(route, "headers", None) or {})
    for policy in config.file.policy:
        names += list(policy.when.header)
    if config.file.trust is not None and config.file.trust.client_ip == "x-forwarded-for":
        names.append("X-Forwarded-For")
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.lower(), name)
    return tuple(found.values())


class Reader:
    """One log being read. `config` gives services, tenants and identities; `core` is a configured
    `struct ray *` that says who trusted proxies are, `source` tells several logs' rows apart. Close
    it, or use it in a with statement."""

    def __init__(
        self, raw: Raw, program: Program, *, config: Config | None = None, core: Any = None,
        source: int = 0, headers: tuple[str, ...] = (),
    ) -> None:
        self.ffi, self.lib = raw.ffi, raw.lib
        self.program = program
        self._keep: list[Any] = []
        self._more = headers  # packed besides those the configuration looks at
        spec = self._spec(program, config, core)
        spec.source = source
        self.reader = self.lib.ray_reader_open(spec)
        self._keep.clear()
        if self.reader == self.ffi.NULL:
            raise FormatError("the log's fields are more than a reader takes, or memory is out")
        self._capacity = self.ffi.new("uint64_t *")

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees the reader."""
        self.lib.ray_reader_close(self.reader)
        self.reader = self.ffi.NULL

    # -- what C is told -------------------------------------------------------------------------
    def _spec(self, program: Program, config: Config | None, core: Any) -> Any:
        ffi, lib = self.ffi, self.lib
        headers = (*headers_wanted(config), *self._more)
        if len(headers) > lib.RAY_READER_HEADER_MAX:
            raise FormatError(f"a replay looks at {lib.RAY_READER_HEADER_MAX} headers at most; "
                              f"the configuration names {', '.join(headers)}")
        if len(program.fields) > lib.RAY_READER_FIELD_MAX:
            raise FormatError(f"a line has {lib.RAY_READER_FIELD_MAX} fields at most, "
                              f"this log {len(program.fields)}")
        places = {name.lower(): place for place, name in enumerate(headers)}
        fields = self._new("ray_reader_field[]", len(program.fields))
        for out, field in zip(fields, program.fields, strict=True):
            self._field(out, field, places)
        spec = ffi.new("ray_reader_spec *")
        spec.fields, spec.field_count = fields, len(program.fields)
        spec.headers, spec.header_count = self._names(headers), len(headers)
        if config is not None:
            spec.services, spec.service_count = self._names(config.services), len(config.services)
            spec.tenants, spec.tenant_count = self._names(config.tenants), len(config.tenants)
            self._identities(spec, config, places)
        if core is not None and "x-forwarded-for" in places:
            spec.trust = core
        spec.shape = getattr(lib, f"RAY_READER_{program.shape}")
        spec.skip_lines = program.skip_lines
        spec.delimiter = ord(program.delimiter or "\0")
        spec.quotes, spec.time_is_end = program.quotes, program.time_is_end
        spec.comment, spec.needs_path = ord(program.comment or "\0"), program.needs_path
        return spec

    def _new(self, kind: str, count: int) -> Any:
        made = self.ffi.new(kind, count)
        self._keep.append(made)
        return made

    def _names(self, names: tuple[str, ...]) -> Any:
        rows = self._new("ray_name[]", len(names))
        for row, name in zip(rows, names, strict=True):
            raw = name.encode()
            if len(raw) >= self.lib.RAY_NAME_BYTES:
                raise FormatError(f"the name {name!r} is longer than 47 bytes")
            self.ffi.memmove(row.at, raw, len(raw))
        return rows

    def _field(self, out: Any, field: Field, places: dict[str, int]) -> None:
        name = field.name.encode() if self.program.shape != "TABLE" else b""
        if len(name) > self.lib.RAY_READER_NAME_BYTES:
            raise FormatError(f"{field.name!r} is longer than 64 bytes")
        self.ffi.memmove(out.name, name, len(name))
        out.name_length = len(name)
        out.target = self._target(field.target, field.header, places)
        out.also = self._target(field.also, "", places) if field.also else 0
        if out.also and not out.target:
            out.target, out.also = out.also, 0
        out.unit = getattr(self.lib, f"RAY_READER_{UNITS[field.unit]}")
        out.escape = getattr(self.lib, f"RAY_READER_{ESCAPES[field.escape]}")
        out.quoted, out.last = field.quoted, field.last

    def _target(self, target: str, header: str, places: dict[str, int]) -> int:
        number = int(getattr(self.lib, f"RAY_READER_{TARGETS[target]}"))
        if target != "header":
            return number
        return number + places[header.lower()] if header.lower() in places else 0

    def _identities(self, spec: Any, config: Config, places: dict[str, int]) -> None:
        rules = [rule for rule in config.identity.rules if rule.networks != ()]
        networks = [network for rule in rules for network in rule.networks or ()]
        rows = self._new("ray_reader_identity[]", len(rows_of := rules))
        blocks = self._new("ray_network[]", len(networks))
        for out, network in zip(blocks, networks, strict=True):
            self.ffi.memmove(out.address.at, network.address, 16)
            out.prefix = network.prefix
        first = 0
        sources = {"log_user": "LOG", "ip": "ADDRESS", "header": "HEADER",
                   "path_segment": "SEGMENT"}
        for out, rule in zip(rows, rows_of, strict=True):
            out.network_first, out.network_count = first, len(rule.networks or ())
            first += out.network_count
            out.tenant, out.role = rule.tenant, rule.role
            out.user_from = getattr(self.lib, f"RAY_READER_USER_{sources[rule.user_from]}")
            if rule.user_from == "header":
                out.argument = places[rule.user_header.lower()]
            elif rule.user_from == "path_segment":
                out.argument = rule.user_segment
        spec.identities, spec.identity_count = rows, len(rules)
        spec.networks, spec.network_count = blocks, len(networks)

    # -- bytes in, rows out ---------------------------------------------------------------------
    def feed(self, data: bytes) -> int:
        """Gives the reader the next bytes; returns how many it took, less than all when full."""
        space = self.lib.ray_reader_space(self.reader, self._capacity)
        length = min(len(data), int(self._capacity[0]))
        self.ffi.memmove(space, data, length)
        self.lib.ray_reader_feed(self.reader, length)
        return length

    def end(self) -> None:
        """No more bytes will come."""
        self.lib.ray_reader_end(self.reader)

    def blocks(self, data: bytes, *, rows: int = 1024) -> Iterator[Any]:
        """Reads all of `data` as a whole log, a block at a time. A block is valid until the next;
        `row_text` takes text out of it. For tests and tools: a replay reads in C."""
        ffi, lib = self.ffi, self.lib
        store = ffi.new("ray_row[]", rows)
        bytes_capacity = rows * 512 + int(lib.RAY_READER_ROW_BYTES)
        arena = ffi.new("uint8_t[]", bytes_capacity)
        block = ffi.new("ray_reader_block *", {
            "rows": store, "bytes": arena, "bytes_capacity": bytes_capacity, "row_capacity": rows})
        at = 0
        while True:
            full = lib.ray_reader_read(self.reader, block)
            if block.row_count:
                yield block
                block.row_count, block.bytes_length = 0, 0
            if full:
                continue
            if at < len(data):
                at += self.feed(data[at : at + (1 << 20)])
            elif lib.ray_reader_done(self.reader):
                return
            else:
                self.end()

    def row_text(self, block: Any, row: Any, part: str) -> bytes:
        """`target`, `host`, `headers`, `user` or `client` of a row."""
        at, length = getattr(row, f"{part}_at"), getattr(row, f"{part}_length")
        return bytes(self.ffi.buffer(block.bytes + at, length))

    def stats(self) -> ReaderStats:
        """What was read so far."""
        out = self.ffi.new("ray_reader_stats *")
        self.lib.ray_reader_stats_read(self.reader, out)
        faults = {why: int(out.fault_count[n]) for n, why in FAULTS.items() if out.fault_count[n]}
        samples = tuple(
            Unparsable(int(s.line), FAULTS[s.fault], bytes(self.ffi.buffer(s.text, s.length)))
            for s in out.sample[0 : out.sample_count])
        return ReaderStats(
            byte_count=int(out.byte_count), line_count=int(out.line_count),
            blank_count=int(out.blank_count), row_count=int(out.row_count),
            unparsable_count=sum(faults.values()), unparsable_by=faults,
            named_client_count=int(out.named_client_count),
            unknown_service_count=int(out.unknown_service_count),
            unknown_tenant_count=int(out.unknown_tenant_count),
            duration_count=int(out.duration_count), throttled_count=int(out.throttled_count),
            failed_count=int(out.failed_count), comment_count=int(out.comment_count),
            resolution_ns=_resolution(out),
            unknown_services=self._kept(out.unknown_service, out.unknown_service_names),
            unknown_tenants=self._kept(out.unknown_tenant, out.unknown_tenant_names),
            samples=samples)

    def _kept(self, names: Any, number: int) -> tuple[str, ...]:
        return tuple(bytes(self.ffi.string(name.at, 47)).decode("utf-8", "backslashreplace")
                     for name in names[0:number])


S_NS = 1_000_000_000
INSTANTS_MIN = 16  # fewer different times than this may be whole minutes by chance


def _resolution(out: Any) -> int:
    found = int(out.resolution_ns)
    return min(found, S_NS) if out.instant_count < INSTANTS_MIN else found


def together(stats: list[ReaderStats]) -> ReaderStats:
    """The counts of several logs as those of one; the resolution is the coarsest of them."""
    if len(stats) == 1:
        return stats[0]
    sums = {field.name: sum(getattr(s, field.name) for s in stats)
            for field in dataclasses.fields(ReaderStats) if field.type == "int"}
    faults = {why: number for why in FAULTS.values()
              if (number := sum(s.unparsable_by.get(why, 0) for s in stats))}
    return ReaderStats(**{
        **sums, "unparsable_by": faults,
        "resolution_ns": max((s.resolution_ns for s in stats), default=0),
        "unknown_services": tuple(dict.fromkeys(n for s in stats for n in s.unknown_services)),
        "unknown_tenants": tuple(dict.fromkeys(n for s in stats for n in s.unknown_tenants)),
        "samples": tuple(sample for s in stats for sample in s.samples)[:5]})
