# SPDX-License-Identifier: MIT
"""What the booted image needs for one governed request, beside the same rows through the host's C.

Rows go over the machine link twice: as exchanges, and as ticks of the same bytes. A tick is
carried, checked, copied and stamped like an exchange and decides nothing, so the difference of the
two runs is what the request itself costs. Counted is the CPU time of the machine's own process.
"""

from __future__ import annotations

import pathlib
import struct
from collections.abc import Iterator
from typing import Any

from host_sim import _raw
from host_sim.kernel import Kernel
from shell.console import Console

from .core_side import blob, checked, rows
from .measure import ROUNDS, Result, in_c, ratio
from .workload import Traffic, everything

BATCH = 256
TRAFFIC = Traffic(count=16384)
MOST_XR = ratio(1000)


class Rows:
    """The prepared rows in batches of the link, each round later than the one before."""

    def __init__(self, raw: Any, path: pathlib.Path) -> None:
        content = path.read_bytes()
        self.count, _ = struct.unpack_from("<QQ", content)
        self.ffi = raw.ffi
        self.size = self.ffi.sizeof("ray_row")
        split = 16 + self.count * self.size
        self.pool = content[split:]
        self.memory = bytearray(content[16:split])
        self.row = self.ffi.cast("ray_row *", self.ffi.from_buffer(self.memory))
        self.span = self.row[self.count - 1].at_ns - self.row[0].at_ns + 1
        self.exchange = self.row[0].kind
        self.pieces = []
        for first in range(0, self.count, BATCH):
            last = self.row[first + BATCH - 1]
            base = self.row[first].target_at
            for k in range(first, first + BATCH):
                self.row[k].target_at -= base
                self.row[k].user_at -= base
            self.pieces.append(self.pool[base : base + last.user_at + last.user_length])

    def later(self, kind: int) -> None:
        """All rows of this kind, and after everything before."""
        for k in range(self.count):
            self.row[k].kind = kind
            self.row[k].at_ns += self.span

    def batches(self) -> Iterator[tuple[bytes, bytes]]:
        """What the link sends: packed rows, and their text."""
        for n, piece in enumerate(self.pieces):
            at = n * BATCH * self.size
            yield bytes(self.memory[at : at + BATCH * self.size]), piece


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process so far."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


def run(link: Any, pid: int, sent: Rows, kind: int) -> int:
    """CPU nanoseconds the machine spends on all rows as this kind."""
    sent.later(kind)
    began = cpu_ns(pid)
    answered, errors = link.rows_brief(sent.batches())
    took = cpu_ns(pid) - began
    if (answered, errors) != (sent.count, 0):
        raise RuntimeError(f"image: {answered} of {sent.count} rows answered, {errors} refused")
    return took


def host_digest(raw: Any, sent: Rows, blob_bytes: bytes, kinds: list[int]) -> str:
    """The decisions of the same rounds on the host."""
    kernel = Kernel(config=blob_bytes)
    answers = raw.ffi.new("ray_answer[]", BATCH)
    scratch = raw.ffi.new("uint8_t[]", raw.lib.RAY_TARGET_BYTES_MAX)
    for kind in kinds:
        sent.later(kind)
        for packed, piece in sent.batches():
            row = raw.ffi.from_buffer("ray_row[]", packed)
            work = raw.ffi.new("ray_rows *", {"row": row, "bytes": raw.ffi.from_buffer(piece),
                                              "bytes_length": len(piece), "scratch": scratch})
            kernel.step(work, BATCH, answers)
    return kernel.digest().decision


def images() -> Iterator[Result]:
    """One governed request of the image under TCG, least of the rounds."""
    raw = _raw.load("seed")
    setup, traffic = blob("everything", everything()), rows("image", TRAFFIC)
    host_ns, granted = in_c("seed", "step", setup, traffic, BATCH)
    checked(granted, TRAFFIC.count - BATCH, "image")
    tick = next(number for number, name in raw.ffi.typeof("enum ray_row_kind").elements.items()
                if name == "RAY_ROW_TICK")
    sent, again = Rows(raw, traffic), Rows(raw, traffic)
    kinds = [tick, sent.exchange] * ROUNDS
    best = {tick: 1 << 62, sent.exchange: 1 << 62}
    with Console.boot() as console:
        link, machine = console.link, console.machine
        assert machine is not None
        link.reset(bytes(16))
        link.config(setup.read_bytes())
        for kind in kinds:
            best[kind] = min(best[kind], run(link, machine.process.pid, sent, kind))
        there = link.digest().decision
        if there != host_digest(raw, again, setup.read_bytes(), kinds):
            raise RuntimeError("image and host decided differently: nothing is measured")
        console.poweroff()
    ns = (best[sent.exchange] - best[tick]) / TRAFFIC.count
    carried = best[tick] / TRAFFIC.count
    yield Result(f"image, whole request, batch of {BATCH}", ns, "request", MOST_XR,
                 f"{ns / host_ns:.2f} of the host's C")
    yield Result("image, a row carried over the link", carried, "row")
