# SPDX-License-Identifier: MIT
"""Logs that are read more than once, and hashed the first time."""

from __future__ import annotations

import copy
import hashlib
import os
import pathlib
import sys
import tempfile
from typing import Any, BinaryIO

from host_sim.replay.engine import StopReading
from host_sim.replay.mapping import Maps
from host_sim.replay.source import CHUNK, Source, opened

LINE_SHOWN = 4096
LINE_BITS = 48  # of a row's line; above them the number of its log


def place_of(line: int) -> tuple[int, int]:
    """(number of the log from 0, line in it from 1) of a row's line as the core counts."""
    return line >> LINE_BITS, line & (1 << LINE_BITS) - 1


class _Hashing:
    """A file whose bytes are hashed on their way."""

    def __init__(self, file: BinaryIO, sha: Any) -> None:
        self._file, self._sha = file, sha

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._sha.update(data)
        return data

    def close(self) -> None:
        self._file.close()


class Logs:
    """One log by its path, or several that are merged by time; "-" is standard input, which is kept
    in a temporary file meanwhile. `maps` says what a Parquet file's columns are.

    `waiting` is true while standard input is waited for: a signal handler may raise StopReading
    then, and the log ends there.
    """

    def __init__(self, *paths: str | os.PathLike[str], maps: Maps | None = None) -> None:
        self.paths = [os.fspath(path) for path in paths]
        self.names = tuple("standard input" if path == "-" else path for path in self.paths)
        self.name = ", ".join(self.names)
        self.problem = ""
        self.waiting = False
        self._maps = maps
        self._kept: str | None = None
        self._hashes: list[Any] = []

    def __enter__(self) -> Logs:
        if "-" in self.paths:
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

    @property
    def files(self) -> tuple[str, ...]:
        """The path each is read from, as often as wanted: standard input's is the kept file's."""
        return tuple(str(self._kept) if path == "-" else path for path in self.paths)

    def read_by(self, maps: Maps) -> Logs:
        """The same logs with other columns, while these are open; what is kept stays theirs."""
        other = copy.copy(self)
        other._maps, other._hashes = maps, []
        return other

    def open(self, *, hashing: bool = False) -> list[Source]:
        """The logs from their beginning; `hashes` are of those that were opened hashing."""
        if hashing:
            self._hashes = [hashlib.sha256() for _ in self.paths]
        sources: list[Source] = []
        try:
            for place in range(len(self.paths)):
                sources.append(self._open(place, self._hashes[place] if hashing else None))
        except BaseException:
            close(sources)
            raise
        return sources

    def _open(self, place: int, sha: Any) -> Source:
        path = self.files[place]
        source = opened(path, self._maps)
        if sha is not None and source.packing == "parquet":  # it is not read from front to end
            with open(path, "rb") as file:
                while data := file.read(CHUNK):
                    sha.update(data)
        elif sha is not None:
            total = source.raw_total
            source.close()
            hashing: Any = _Hashing(open(path, "rb", buffering=0), sha)
            source = Source(path, hashing)
            source.raw_total = total
        source.name = self.names[place]
        return source

    def hashes(self) -> dict[str, str]:
        """SHA-256 by the log's name, of the bytes read so far by those that were opened hashing. A
        packed file is hashed as it is stored, so `sha256sum` says the same."""
        return {name: sha.hexdigest() for name, sha in zip(self.names, self._hashes, strict=True)}

    def line(self, line: int) -> str:
        """The text of a row's line without its end; at most 4096 bytes of it."""
        place, number = place_of(line)
        with self._open(place, None) as source:
            return _line(source, number)[:LINE_SHOWN].decode("utf-8", "backslashreplace")


def close(sources: list[Source]) -> None:
    """Closes them all."""
    for source in sources:
        source.close()


def _line(source: Source, number: int) -> bytes:
    seen, rest = 0, b""
    while data := source.read(CHUNK):
        feeds = data.count(b"\n")
        if seen + feeds < number - 1:
            seen, rest = seen + feeds, b""
            continue
        rest += data
        lines = rest.split(b"\n")
        if len(lines) > number - seen:
            return lines[number - seen - 1].rstrip(b"\r")
    lines = rest.split(b"\n")
    place = number - seen - 1
    return lines[place].rstrip(b"\r") if 0 <= place < len(lines) else b""
