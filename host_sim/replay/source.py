# SPDX-License-Identifier: MIT
"""The bytes of a log: a file or standard input, plain, gzip or zstd, a chunk at a time."""

from __future__ import annotations

import hashlib
import io
import os
import pathlib
import sys
import zlib
from typing import Any, BinaryIO, Protocol

from host_sim.replay.program import FormatError, Program

CHUNK = 1 << 20
FIRST = 1 << 16             # of a log that waits until it is its turn no more is held
MAGIC_BYTES = 4
ZSTD_SLICE = 512            # packed bytes at a time: they unpack to at most 16 MiB
ZSTD_WINDOW_MAX = 1 << 27   # what zstd itself unpacks without being asked


class Unpacker(Protocol):
    """One member of a packed log after the other."""

    kind: str

    @property
    def ended(self) -> bool:
        """True between two members."""

    def take(self, packed: bytes, size: int) -> tuple[bytes, bytes]:
        """(what came out, what was not read yet); raises ValueError for damaged data."""


class _Gzip:
    kind = "gzip"

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    @property
    def ended(self) -> bool:
        return self._member.eof

    def take(self, packed: bytes, size: int) -> tuple[bytes, bytes]:
        if self.ended:                      # members may follow one another, with zeros between
            packed = packed.lstrip(b"\0")
            if not packed:
                return b"", b""
            self._member = zlib.decompressobj(wbits=31)
        try:
            data = self._member.decompress(packed, size)
        except zlib.error as error:
            raise ValueError(error) from error
        return data, self._member.unconsumed_tail or self._member.unused_data


class _Zstd:
    kind = "zstd"

    def __init__(self) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise FormatError("the log is packed with zstd: `pip install 'raygate[zstd]'`, or "
                              "unpack it with zstd -dc LOG | raygate replay CONFIG -") from error
        self._module = zstandard
        self._member: Any = self._open()

    def _open(self) -> Any:
        return self._module.ZstdDecompressor(max_window_size=ZSTD_WINDOW_MAX).decompressobj()

    @property
    def ended(self) -> bool:
        return bool(self._member.eof)

    def take(self, packed: bytes, size: int) -> tuple[bytes, bytes]:
        if self.ended:
            self._member = self._open()
        out: list[bytes] = []
        length = at = 0
        while at < len(packed) and length < size and not self._member.eof:
            try:
                data = self._member.decompress(packed[at : at + ZSTD_SLICE])
            except self._module.ZstdError as error:
                raise ValueError(error) from error
            at = min(at + ZSTD_SLICE, len(packed)) - len(self._member.unused_data)
            out.append(data)
            length += len(data)
        return b"".join(out), packed[at:]


def _unpacker(first: bytes) -> Unpacker | None:
    if first[:2] == b"\x1f\x8b":
        return _Gzip()
    skippable = first[1:4] == b"\x2a\x4d\x18" and 0x50 <= first[0] <= 0x5F
    return _Zstd() if first[:4] == b"\x28\xb5\x2f\xfd" or skippable else None


class Source:
    """Reads a log and, where it is gzip or zstd (told by its first bytes), unpacks it.

    Memory is one chunk. A packed log that ends too early or is damaged gives what came before;
    `problem` then says so in a sentence. With `digest` the bytes of the file are hashed as they are
    read.
    """

    program: Program | None = None          # of a source that knows what its lines look like
    _hash: Any = None

    def __init__(
        self, path: str | pathlib.Path, file: BinaryIO | None = None, *, digest: bool = False
    ) -> None:
        self.name = str(path)
        self.problem = ""
        self.raw_count = 0
        self.raw_total = 0
        self._file: BinaryIO
        if file is not None:
            self._file = file
        elif self.name == "-":
            self.name = "standard input"
            self._file = sys.stdin.buffer
        else:
            self._file = open(path, "rb", buffering=0)
            self.raw_total = os.fstat(self._file.fileno()).st_size
        # What has arrived, at most so much: a live pipe is not waited on until a chunk is full.
        self._arrived = getattr(self._file, "read1", self._file.read)
        if digest:
            self._hash = hashlib.sha256()
        self._ahead = b""  # unpacked, not handed out yet
        self._packed = b""  # read, not unpacked yet
        first = self._read_raw(FIRST)
        self._unpack = _unpacker(first)
        self.packing = self._unpack.kind if self._unpack else ""
        self._packed, self._ahead = (first, b"") if self._unpack else (b"", first)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; standard input is left open."""
        if self._file is not sys.stdin.buffer:
            self._file.close()

    def sha256(self) -> str:
        """Of what was read so far, as `sha256sum` has it of the whole file; "" without digest."""
        return self._hash.hexdigest() if self._hash else ""

    def _take(self, size: int) -> bytes:
        data: bytes = self._arrived(size) or b""
        if self._hash:
            self._hash.update(data)
        return data

    def _read_raw(self, size: int = CHUNK) -> bytes:
        data = self._take(size)
        while data and len(data) < MAGIC_BYTES:           # a pipe may bring one byte
            more = self._take(CHUNK)
            if not more:
                break
            data += more
        self.raw_count += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """The next bytes, at most `size`, without taking them; of a live log the first lines."""
        while len(self._ahead) < size and self._ahead.count(b"\n") < 2:
            more = self._next(CHUNK)
            if not more:
                break
            self._ahead += more
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """The next bytes, 1 to `size`; empty at the end."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._next(size)

    def _next(self, size: int) -> bytes:
        if not self._unpack:
            data = self._take(min(size, CHUNK))
            self.raw_count += len(data)
            return data
        while not self.problem:
            if not self._packed:
                self._packed = self._read_raw()
                if not self._packed:
                    if not self._unpack.ended:
                        self.problem = f"{self.name} ends in the middle of its " \
                                       f"{self._unpack.kind} data"
                    return b""
            try:
                data, self._packed = self._unpack.take(self._packed, size)
            except ValueError as error:
                self.problem = f"{self.name} has damaged {self._unpack.kind} data ({error})"
                return b""
            if data:
                return data
        return b""


def opened(path: str, maps: Any = None, *, digest: bool = False) -> Source:
    """The source of a log by its name: `-` is standard input, a Parquet file is told by its first
    bytes and read by `maps`, anything else is bytes. With `digest` it knows its SHA-256."""
    if path != "-":
        with open(path, "rb") as file:
            if file.read(MAGIC_BYTES) == b"PAR1":
                from host_sim.replay.parquet import ParquetSource

                source = ParquetSource(path, maps)
                if digest:  # its columns are not read from end to end
                    file.seek(0)
                    source._hash = hashlib.file_digest(file, "sha256")
                return source
    return Source(path, digest=digest)


def from_bytes(data: bytes, name: str = "bytes") -> Source:
    """A source over bytes in memory, for tests and small logs."""
    return Source(name, io.BytesIO(data))
