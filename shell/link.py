# SPDX-License-Identifier: MIT
"""link: the machine link's host side: framed, checked, resumable.

Frame, little-endian: magic `RG`, version, type, u32 seq, u32 length, payload, CRC-32C over all
before it (shell/shell.h). A request without an answer is sent again with its seq; the machine
answers a repeated seq from its last eight replies, so nothing is ever done twice.
"""

from __future__ import annotations

import dataclasses
import enum
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import construct

from host_sim import _raw
from host_sim.errors import check
from shell.wire import ImageError, Wire

MAGIC = b"RG"
VERSION = 1
PAYLOAD_MAX = 65536
OUTSTANDING_MAX = 8
HEAD_BYTES = 12
REPLY = 64
ERROR = 128
SNAPSHOT_PART = 32768

HEAD = construct.Struct(
    "magic" / construct.Const(MAGIC),
    "version" / construct.Const(VERSION, construct.Int8ul),
    "type" / construct.Int8ul,
    "seq" / construct.Int32ul,
    "length" / construct.Int32ul,
)
HELLO = construct.Struct(
    "state_bytes" / construct.Int64ul,
    "profile" / construct.Int32ul,
    "row_bytes" / construct.Int32ul,
    "answer_bytes" / construct.Int32ul,
    "payload_max" / construct.Int32ul,
    "outstanding_max" / construct.Int32ul,
    "row_max" / construct.Int32ul,
    "config_hash" / construct.Bytes(32),
    "version" / construct.PaddedString(48, "ascii"),
)
REPORT = construct.Struct(
    "status" / construct.Int32sl,
    "section" / construct.Int32ul,
    "row" / construct.Int32ul,
    "field" / construct.Int32ul,
    "kept_count" / construct.Int32ul,
    "reset_count" / construct.Int32ul,
    "hash" / construct.Bytes(32),
)


class Kind(enum.IntEnum):
    """Request types of shell/shell.h."""

    HELLO = 1
    CONFIG = 2
    ROWS = 3
    DIGEST = 4
    STATS = 5
    RUN = 6
    CLOCK = 7
    RESET = 8
    SNAPSHOT = 9
    RESTORE = 10
    ROWS_BRIEF = 11
    LEAVE = 12


@dataclasses.dataclass(frozen=True)
class Hello:
    """What the machine at the other end is."""

    state_bytes: int
    profile: int
    row_bytes: int
    answer_bytes: int
    payload_max: int
    outstanding_max: int
    row_max: int
    config_hash: str
    version: str


@dataclasses.dataclass(frozen=True)
class Report:
    """What loading a configuration did, or where and why it was refused."""

    status: int
    section: int
    row: int
    field: int
    kept_count: int
    reset_count: int
    hash: str


@dataclasses.dataclass(frozen=True)
class Digests:
    """DESIGN.md section 9, lower-case hexadecimal."""

    decision: str
    state: str
    book: str
    config: str


def crc32c(data: bytes) -> int:
    """CRC-32C by the core itself: a Python loop would be slower than the machine."""
    return int(_raw.load("seed").lib.ray_checksum(0, data, len(data)))


def frame(kind: int, seq: int, payload: bytes) -> bytes:
    """One frame, ready to send."""
    body: bytes = HEAD.build({"type": kind, "seq": seq, "length": len(payload)}) + payload
    return body + struct.pack("<I", crc32c(body))


class Frames:
    """Finds whole frames in a stream that may begin anywhere and hold anything."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.skipped_count = 0

    def feed(self, data: bytes) -> None:
        """Appends what was received."""
        self._bytes += data

    def __iter__(self) -> Iterator[tuple[int, int, bytes]]:
        """Type, seq and payload of each whole frame there is."""
        while True:
            at = self._bytes.find(MAGIC)
            keep = len(self._bytes) - (1 if self._bytes.endswith(MAGIC[:1]) else 0)
            start = keep if at < 0 else at
            self.skipped_count += start
            del self._bytes[:start]
            if len(self._bytes) < HEAD_BYTES:
                return
            kind, seq, length = struct.unpack_from("<BII", self._bytes, 3)
            end = HEAD_BYTES + length
            if self._bytes[2] != VERSION or length > PAYLOAD_MAX:
                self._skip()
                continue
            if len(self._bytes) < end + 4:
                return
            body = bytes(self._bytes[:end])
            if crc32c(body) != struct.unpack_from("<I", self._bytes, end)[0]:
                self._skip()
                continue
            del self._bytes[: end + 4]
            yield kind, seq, body[HEAD_BYTES:]

    def _skip(self) -> None:
        """What looked like a frame was none: look again one byte later."""
        self.skipped_count += 1
        del self._bytes[:1]


class Link:
    """Requests and answers over one wire. Construction says HELLO, which begins a session."""

    def __init__(self, wire: Wire, *, timeout_s: float = 5.0, tries: int = 4) -> None:
        self.wire = wire
        self._timeout_s, self._tries = timeout_s, tries
        self._seq = int(time.time() * 1000) & 0x7FFFFFFF
        self._frames = Frames()
        self.resent_count = 0
        self.greeting = self.hello()

    # -- one request, one answer --

    def request(self, kind: int, payload: bytes = b"") -> bytes:
        """The reply's payload. Raises what an error reply names, ImageError on silence."""
        return next(self._stream(kind, iter([payload])))

    def _stream(self, kind: int, payloads: Iterator[bytes]) -> Iterator[bytes]:
        """Replies in order of the requests, with up to eight on their way at once."""
        waiting: deque[tuple[int, bytes]] = deque()
        answers: dict[int, bytes] = {}
        tries, more = 0, True
        while True:
            while more and len(waiting) < OUTSTANDING_MAX:
                payload = next(payloads, None)
                if payload is None:
                    more = False
                    break
                self._seq = (self._seq + 1) & 0xFFFFFFFF
                waiting.append((self._seq, frame(kind, self._seq, payload)))
                self.wire.write(waiting[-1][1])
            if not waiting:
                return
            if self._receive(kind, {seq for seq, _ in waiting}, answers):
                tries = 0
            else:
                tries += 1
                if tries >= self._tries or self.wire.closed:
                    raise ImageError(f"no answer to a {Kind(kind).name} frame")
                for seq, data in waiting:
                    if seq not in answers:
                        self.resent_count += 1
                        self.wire.write(data)
            while waiting and waiting[0][0] in answers:
                yield answers.pop(waiting.popleft()[0])

    def _receive(self, kind: int, wanted: set[int], answers: dict[int, bytes]) -> bool:
        """Waits for at least one wanted reply; False when the time is up."""
        until = time.monotonic() + self._timeout_s
        while True:
            found = False
            for type_, seq, payload in self._frames:
                if seq not in wanted or seq in answers:
                    continue
                if type_ & ERROR:
                    status = struct.unpack_from("<i", payload)[0] if len(payload) >= 4 else -1
                    check(status, payload[4:].decode("ascii", "replace").strip())
                    raise ImageError("an error reply without a status")
                if type_ == kind + REPLY:
                    answers[seq] = payload
                    found = True
            if found:
                return True
            left = until - time.monotonic()
            if left <= 0 or self.wire.closed:
                return False
            self._frames.feed(self.wire.read(left))

    # -- what can be asked --

    def hello(self) -> Hello:
        """Begins a session: the machine forgets kept replies and unfinished transfers."""
        got = HELLO.parse(self.request(Kind.HELLO))
        return Hello(got.state_bytes, got.profile, got.row_bytes, got.answer_bytes, got.payload_max,
                     got.outstanding_max, got.row_max, got.config_hash.hex(), got.version)

    def config(self, blob: bytes) -> Report:
        """Loads a compiled configuration, whole or not at all."""
        part = PAYLOAD_MAX - 8
        answer = b""
        for at in range(0, max(len(blob), 1), part):
            head = struct.pack("<II", len(blob), at)
            answer = self.request(Kind.CONFIG, head + blob[at:at + part])
        got = REPORT.parse(answer)
        return Report(got.status, got.section, got.row, got.field, got.kept_count, got.reset_count,
                      got.hash.hex())

    def rows(self, rows: bytes, data: bytes = b"") -> bytes:
        """Applies packed ray_row structs, their text in `data`; packed ray_answer structs back."""
        return next(self.rows_stream([(rows, data)]))

    def rows_stream(self, batches: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
        """As `rows` for many batches, eight on their way at a time, answers in order."""
        return self._stream(Kind.ROWS, (self._rows_payload(*batch) for batch in batches))

    def rows_brief(self, batches: Iterable[tuple[bytes, bytes]]) -> tuple[int, int]:
        """Applies batches; counts rows answered and refused. For runs that compare digests."""
        answered = errors = 0
        for reply in self._stream(Kind.ROWS_BRIEF,
                                  (self._rows_payload(*batch) for batch in batches)):
            done, bad = struct.unpack("<II", reply)
            answered, errors = answered + done, errors + bad
        return answered, errors

    def _rows_payload(self, rows: bytes, data: bytes) -> bytes:
        count, rest = divmod(len(rows), self.greeting.row_bytes)
        if rest:
            raise ValueError(f"rows have {self.greeting.row_bytes} bytes each")
        return struct.pack("<II", count, len(data)) + rows + data

    def digest(self) -> Digests:
        """The four digests as the machine computes them."""
        got = self.request(Kind.DIGEST)
        return Digests(got[:16].hex(), got[16:32].hex(), got[32:48].hex(), got[48:80].hex())

    def stats(self) -> dict[str, Any]:
        """The counters of `struct ray_stats` by name; config_hash as hexadecimal."""
        ffi = _raw.load("seed").ffi
        got = ffi.new("ray_stats *")
        payload = self.request(Kind.STATS)
        if len(payload) != ffi.sizeof("ray_stats"):
            raise ImageError("the machine's statistics have another layout: not the same version")
        ffi.memmove(got, payload, len(payload))
        stats = {name: getattr(got, name) for name, _ in ffi.typeof("ray_stats").fields}
        stats["config_hash"] = bytes(got.config_hash).hex()
        return stats

    def run(self, line: str) -> tuple[int, str]:
        """One console command: its status (0 or negative) and its text."""
        got = self.request(Kind.RUN, line.encode())
        return struct.unpack_from("<i", got)[0], got[4:].decode("ascii", "replace")

    def clock(self, now_ns: int, *, virtual: bool) -> int:
        """Makes time an input from `now_ns` on, or lets it pass by itself; the gated time back."""
        got = self.request(Kind.CLOCK, struct.pack("<QII", now_ns, int(virtual), 0))
        return int(struct.unpack("<Q", got)[0])

    def reset(self, seed: bytes) -> None:
        """Empties the core with a 16-byte seed; no configuration, virtual time 0."""
        self.request(Kind.RESET, seed)

    def snapshot(self) -> bytes:
        """Every byte of the core's state."""
        parts, size = [], self.greeting.state_bytes
        heads = (struct.pack("<QII", at, min(SNAPSHOT_PART, size - at), 0)
                 for at in range(0, size, SNAPSHOT_PART))
        parts = list(self._stream(Kind.SNAPSHOT, heads))
        return b"".join(parts)

    def restore(self, state: bytes) -> None:
        """Puts a snapshot back, whole or not at all."""
        part = SNAPSHOT_PART
        payloads = (struct.pack("<QQ", len(state), at) + state[at:at + part]
                    for at in range(0, len(state), part))
        for _ in self._stream(Kind.RESTORE, payloads):
            pass

    def leave(self) -> None:
        """Makes a lent console line a console again."""
        self.request(Kind.LEAVE)
