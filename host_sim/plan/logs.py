# SPDX-License-Identifier: MIT
"""A log that is read more than once, and hashed the first time."""

from __future__ import annotations

import hashlib
import os
import pathlib
import sys
import tempfile
from typing import Any, BinaryIO

from host_sim.replay.engine import StopReading
from host_sim.replay.source import CHUNK, Source

LINE_SHOWN = 4096


class _Hashing:
    """A file whose bytes are hashed on their way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.sha = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.sha.update(data)
        return data

    def close(self) -> None:
        self._file.close()


class Log:
    """A log by its path; "-" is standard input, which is kept in a temporary file meanwhile.

    `waiting` is true while standard input is waited for: a signal handler may raise StopReading
    then, and the log ends there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.name = "standard input" if self.path == "-" else self.path
        self.problem = ""
        self.waiting = False
        self._kept: str | None = None
        self._hashing: _Hashing | None = None

    def __enter__(self) -> Log:
        if self.path == "-":
            self._keep()
        return self

    def __exit__(self, *_: object) -> None:
        if self._kept is not None:
            pathlib.Path(self._kept).unlink(missing_ok=True)

    def _keep(self) -> None:
        take = getattr(sys.stdin.buffer, "read1", sys.stdin.buffer.read)
        with tempfile.NamedTemporaryFile(prefix="raygate-", delete=False) as file:
            self._kept = file.name
            try:
                self.waiting = True
                while data := take(CHUNK):
                    file.write(data)
            except StopReading:
                self.problem = "interrupted: the rest of standard input was not read"
            finally:
                self.waiting = False

    def open(self, *, hashing: bool = False) -> Source:
        """The log from its beginning; `sha256` is that of the last one that was opened so."""
        path = self._kept or self.path
        file: Any = open(path, "rb", buffering=0)
        size = os.fstat(file.fileno()).st_size
        if hashing:
            file = self._hashing = _Hashing(file)
        source = Source(self.name, file)
        source.raw_total = size
        return source

    @property
    def sha256(self) -> str:
        """Of the bytes read so far by the source that was opened hashing; "" before. A gzip file is
        hashed as it is stored, so `sha256sum` says the same."""
        return self._hashing.sha.hexdigest() if self._hashing else ""

    def line(self, number: int) -> bytes:
        """A line by its number from 1, without its end; at most 4096 bytes of it."""
        with self.open() as source:
            seen, rest = 0, b""
            while data := source.read(CHUNK):
                feeds = data.count(b"\n")
                if seen + feeds < number - 1:
                    seen, rest = seen + feeds, b""
                    continue
                rest += data
                lines = rest.split(b"\n")
                if len(lines) > number - seen:
                    return lines[number - seen - 1].rstrip(b"\r")[:LINE_SHOWN]
            lines = rest.split(b"\n")
            place = number - seen - 1
            return lines[place].rstrip(b"\r")[:LINE_SHOWN] if 0 <= place < len(lines) else b""
