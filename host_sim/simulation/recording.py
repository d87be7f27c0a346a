# SPDX-License-Identifier: MIT
"""The rows of a run and the console lines between them, in order, in a file of their own; and the
same fed to another machine through its link."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from typing import IO, Any, cast

from host_sim.errors import RaygateError

ROWS, LINE = b"R", b"L"
HEAD = struct.Struct("<cI")


class Recording:
    """Written as the simulation goes, read once."""

    def __init__(self) -> None:
        self._file = cast("IO[bytes]", tempfile.TemporaryFile())
        self.row_count = 0

    def rows(self, payload: bytes) -> None:
        """A payload of the link: u32 rows, u32 bytes, rows, bytes."""
        self._put(ROWS, payload)
        self.row_count += int.from_bytes(payload[:4], "little")

    def line(self, line: str) -> None:
        """A console line, after the rows before it."""
        self._put(LINE, line.encode())

    def _put(self, kind: bytes, data: bytes) -> None:
        self._file.write(HEAD.pack(kind, len(data)))
        self._file.write(data)

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _parts(self) -> Iterator[tuple[bytes, bytes]]:
        self._file.seek(0)
        while head := self._file.read(HEAD.size):
            kind, length = HEAD.unpack(head)
            yield kind, self._file.read(length)

    def feed(self, link: Any, row_bytes: int) -> int:
        """Steps everything at the other end of a link (shell.Link), in order; rows stepped.

        Raises RaygateError when a console line fails there that did not fail here.
        """
        parts, fed = self._parts(), 0
        line: list[str] = []

        def batches() -> Iterator[tuple[bytes, bytes]]:
            for kind, data in parts:
                if kind == LINE:
                    line.append(data.decode())
                    return
                split = 8 + int.from_bytes(data[:4], "little") * row_bytes
                yield data[8:split], data[split:]

        while True:
            fed += int(link.rows_brief(batches())[0])
            if not line:
                return fed
            said = line.pop()
            status, text = link.run(said)
            if status < 0:
                raise RaygateError(f"{said}: {text.strip()}")
