# SPDX-License-Identifier: MIT
"""One progress over all the work of a recommendation: reading, passes of the trace, replays."""

from __future__ import annotations

from host_sim.replay.engine import Progress

MILLION = 1_000_000

# What a request costs in each part, in ns, about: only their ratios matter.
READ = 250
PROOF = 300
PASS = 10           # and for each limit that is tried
KEYED = 25
PLAIN = 8


class Course:
    """Weighs the parts that are done, the one under way and those expected, and tells `progress`
    millionths of the whole that never go back, with the requests of all parts together.

    It is itself the progress of the part under way.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._done = self._part = 0.0
        self._ahead: dict[str, float] = {}
        self._count = self._counted = self._shown = 0

    def expect(self, stage: str, weight: float) -> None:
        """What is still to come of a stage, as far as one can tell; 0 when it is under way."""
        self._ahead[stage] = weight

    def part(self, weight: float) -> Course:
        """The part before is done and one of this weight begins."""
        self._done += self._part
        self._part, self._count, self._counted = weight, self._count + self._counted, 0
        return self

    def __call__(self, done: int, total: int, count: int) -> None:
        """So much of the part under way."""
        self._counted = max(self._counted, count)
        if self._progress is None:
            return
        at = self._done + (self._part * min(1.0, done / total) if total else 0.0)
        whole = self._done + self._part + sum(self._ahead.values())
        if whole > 0:
            self._shown = max(self._shown, min(MILLION, int(at * MILLION / whole)))
        self._progress(self._shown, MILLION, self._count + self._counted)
