# SPDX-License-Identifier: MIT
"""The bytes of a log: a file or standard input, plain or gzip, a chunk at a time."""

from __future__ import annotations

import hashlib
import io
import os
import pathlib
import sys
import zlib
from typing import BinaryIO

CHUNK = 1 << 20


class Source:
    """Reads a log and, where it is gzip (told by its first bytes), unpacks it.

    Memory is one chunk. A gzip log that ends too early or is damaged gives what came before;
    `problem` then says so in a sentence. With `digest` the bytes of the file are hashed as they are
    read.
    """

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
        self._hash = hashlib.sha256() if digest else None
        self._ahead = b""  # unpacked, not handed out yet
        self._packed = b""  # read, not unpacked yet
        first = self._read_raw()
        self.gzip = first[:2] == b"\x1f\x8b"
        self._unpack = zlib.decompressobj(wbits=31) if self.gzip else None
        self._packed, self._ahead = (first, b"") if self.gzip else (b"", first)

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

    def _read_raw(self) -> bytes:
        data = self._take(CHUNK)
        while data and len(data) < 2:           # a pipe may bring one byte
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
                    if not self._unpack.eof:
                        self.problem = f"{self.name} ends in the middle of its gzip data"
                    return b""
            if self._unpack.eof:                # members may follow one another
                self._packed = self._packed.lstrip(b"\0")
                if not self._packed:
                    continue
                self._unpack = zlib.decompressobj(wbits=31)
            try:
                data = self._unpack.decompress(self._packed, size)
            except zlib.error as error:
                self.problem = f"{self.name} has damaged gzip data ({error})"
                return b""
            self._packed = self._unpack.unconsumed_tail or self._unpack.unused_data
            if data:
                return data
        return b""


def from_bytes(data: bytes, name: str = "bytes") -> Source:
    """A source over bytes in memory, for tests and small logs."""
    return Source(name, io.BytesIO(data))
