# SPDX-License-Identifier: MIT
"""One row of a replay, just before it is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_sim.config.identity import address_text

if TYPE_CHECKING:
    from host_sim.replay.engine import Replay


class Here:
    """A row that is about to be decided, see Replay.walk_to; good until the replay goes on."""

    def __init__(self, replay: Replay) -> None:
        self._replay, ffi = replay, replay.ffi
        self._rows, line = ffi.new("ray_rows *"), ffi.new("uint64_t *")
        replay.lib.ray_replay_here(replay.raw_replay, self._rows, line)
        self.line = int(line[0])  # as the reader counts; a source's number is in bits 48 to 55
        self.at_ns = int(self._rows.row.at_ns)

    def text(self, part: str) -> bytes:
        """`target`, `host`, `headers`, `user` or `client` of the row."""
        row = self._rows.row
        at, length = getattr(row, f"{part}_at"), getattr(row, f"{part}_length")
        return bytes(self._replay.ffi.buffer(self._rows.bytes + at, length))

    def client(self) -> str:
        """The client's address, or its name."""
        row = self._rows.row
        if not row.flags & self._replay.lib.RAY_ROW_ADDRESS:
            return self.text("client").decode("utf-8", "backslashreplace")
        return address_text(bytes(row.address.at))

    def explain(self, *, as_json: bool = False) -> str:
        """The row's journey stage by stage, by the state just before it; text or JSON text.

        What is due by then happens first, as it would for the row itself. Nothing is decided.
        """
        kernel = self._replay.kernel
        now = kernel.tick(max(self.at_ns, int(kernel.lib.ray_clock_now(kernel.ray))))
        return kernel.explain_rows(self._rows, now, as_json=as_json)
