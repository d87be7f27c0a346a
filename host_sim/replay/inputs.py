# SPDX-License-Identifier: MIT
"""The logs of one replay: each with its own program and reader, fed as the merge asks for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from host_sim.replay import detect
from host_sim.replay.mapping import Maps
from host_sim.replay.program import FormatError, Program
from host_sim.replay.reader import Reader, ReaderStats, headers_wanted, together
from host_sim.replay.source import CHUNK, Source

if TYPE_CHECKING:
    from host_sim._raw import Raw
    from host_sim.config import Config

CHUNK_MIN = 1 << 16
NAMES_MAX = 4


@dataclasses.dataclass(frozen=True)
class LogRead:
    """One log: what it was read as, how much of it, and what was wrong with its bytes. `sha256` is
    of the file, packed or not, and empty where it was not asked for."""

    name: str
    form: str
    columns: str
    lines: int
    rows: int
    unparsable: int
    resolution_ns: int
    problem: str = ""
    bytes: int = 0
    sha256: str = ""


class Inputs:
    """Opens a reader for each source; logs of one program are told as one."""

    def __init__(
        self, raw: Raw, sources: Sequence[Source], config: Config | None, core: Any, *,
        form: str = "auto", maps: Maps | None = None, headers: tuple[str, ...] = (),
    ) -> None:
        self.ffi, self.sources = raw.ffi, sources
        most = int(raw.lib.RAY_REPLAY_SOURCE_MAX)
        if not 0 < len(sources) <= most:
            raise FormatError(f"a replay reads 1 to {most} logs, not {len(sources)}")
        self.programs: list[Program] = []
        self.readers: list[Reader] = []
        self._raw, self._chunk = raw, max(CHUNK_MIN, CHUNK // len(sources))
        wanted = (*headers_wanted(config), *headers)
        for place, source in enumerate(sources):
            try:
                program = detect.program_of(raw, source, form=form, maps=maps, headers=wanted)
                with detect.named(source):
                    self.readers.append(Reader(raw, program, config=config, core=core,
                                               source=place, headers=headers))
            except FormatError:
                self.close()
                raise
            self.programs.append(program)

    def close(self) -> None:
        """Frees the readers."""
        for reader in self.readers:
            reader.close()

    def rows(self, spread: bool) -> Any:
        """`ray_replay_input` of each; with `spread` the unit of its clock, by its first lines."""
        rows = self.ffi.new("ray_replay_input[]", len(self.readers))
        for row, reader, source, program in zip(
                rows, self.readers, self.sources, self.programs, strict=True):
            row.reader = reader.reader
            if spread:
                sample = source.peek(detect.SAMPLE)
                row.unit_ns = detect.look(self._raw, program, sample).resolution_ns
        return rows

    def read(self, place: int) -> bytes:
        """The next bytes of one source; may wait for them."""
        return self.sources[place].read(self._chunk)

    def feed(self, place: int, data: bytes) -> None:
        """Gives the reader of one source what was read, or says that there is no more."""
        reader = self.readers[place]
        if not data:
            reader.end()
        while data:
            data = data[reader.feed(data) :]

    # -- what is told about them ----------------------------------------------------------------
    def names(self) -> str:
        """The logs' names; of many the first ones and how many more there are."""
        names = [source.name for source in self.sources]
        more = len(names) - NAMES_MAX
        return ", ".join(names[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")

    def label(self) -> str:
        """What the logs are read as."""
        return ", ".join(dict.fromkeys(program.label for program in self.programs))

    def said(self) -> str:
        """Which column is read as what, where all logs agree."""
        said = dict.fromkeys(program.said() for program in self.programs)
        return next(iter(said)) if len(said) == 1 else ""

    def stats(self) -> ReaderStats:
        """The counts of all."""
        found = [reader.stats() for reader in self.readers]
        if len(found) > 1:
            found = [dataclasses.replace(stats, samples=tuple(
                dataclasses.replace(sample, log=source.name) for sample in stats.samples))
                for stats, source in zip(found, self.sources, strict=True)]
        return together(found)

    def each(self) -> tuple[LogRead, ...]:
        """What was read of each log."""
        return tuple(
            LogRead(source.name, program.label, program.said(), stats.line_count, stats.row_count,
                    stats.unparsable_count, stats.resolution_ns, source.problem,
                    source.raw_count, source.sha256())
            for source, program, stats in zip(
                self.sources, self.programs, (r.stats() for r in self.readers), strict=True))

    def problem(self) -> str:
        """What was wrong with the sources' bytes."""
        return "; ".join(source.problem for source in self.sources if source.problem)

    def progress(self) -> tuple[int, int]:
        """Bytes read and bytes in all; the latter is 0 when one source cannot tell."""
        totals = [source.raw_total for source in self.sources]
        return sum(s.raw_count for s in self.sources), sum(totals) if all(totals) else 0
