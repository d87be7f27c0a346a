# SPDX-License-Identifier: MIT
"""A group of clients that is an access log: its bytes and the reader that takes them apart."""

from __future__ import annotations

import hashlib

from host_sim._raw import Raw
from host_sim.kernel import Kernel
from host_sim.replay import detect
from host_sim.replay.inputs import LogRead
from host_sim.replay.mapping import parse_maps
from host_sim.replay.reader import Reader
from host_sim.replay.source import CHUNK, Source
from host_sim.simulation.model import Client
from host_sim.simulation.scenario import Scenario


class Logged:
    """Opens the log of a client group. Raises OSError when it cannot be read, FormatError when
    its lines make no sense."""

    def __init__(self, raw: Raw, scenario: Scenario, client: Client, kernel: Kernel) -> None:
        log = client.arrivals.log
        assert log is not None
        self._source = Source(scenario.beside(log.file))
        with scenario.beside(log.file).open("rb") as file:  # a run may end before the log does
            self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self._name = log.file
        self._program = detect.program_for(raw, self._source.peek(detect.SAMPLE),
                                           form=log.format, maps=parse_maps(tuple(log.map)))
        self.reader = Reader(raw, self._program, config=scenario.config, core=kernel.ray)

    def feed(self) -> None:
        """The next bytes, or the end of them."""
        data = self._source.read(CHUNK)
        if not data:
            self.reader.end()
        while data:
            data = data[self.reader.feed(data) :]

    def read(self) -> LogRead:
        """What was read of it so far; the hash is of the whole file."""
        stats, source = self.reader.stats(), self._source
        return LogRead(self._name, self._program.label, self._program.said(), stats.line_count,
                       stats.row_count, stats.unparsable_count, stats.resolution_ns,
                       source.problem, source.raw_total, self._sha256)

    def __enter__(self) -> Logged:
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        self._source.close()
