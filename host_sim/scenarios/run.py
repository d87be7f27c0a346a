# SPDX-License-Identifier: MIT
"""What every scenario is made of: a Kernel with rules, runs through it, and what must hold then."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from host_sim.kernel import Kernel
from host_sim.modules.resilience import ResilienceManager
from host_sim.scenarios.pools import connection_count
from host_sim.upstream import S

SERVICE = "orders"
FILE = """version = 1
[service.orders]
timeout = "{timeout_s}s"
[[route]]
name = "orders"
service = "orders"
path = {{ prefix = "/" }}
"""
RAMP = " .:-=+*#%@"
WIDTH = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Expectation:
    """A sentence about a run, and whether the run bears it out."""

    says: str
    holds: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """A scenario that has run: what is shown, what was expected, and what it comes to."""

    name: str
    seed: int
    text: str
    expectations: tuple[Expectation, ...]
    numbers: dict[str, int]
    digests: dict[str, str]  # decision digest of each of its runs

    @property
    def holds(self) -> bool:
        """Whether it went as expected."""
        return all(one.holds for one in self.expectations)


# -- kernels --------------------------------------------------------------------------------------
def seed_bytes(seed: int) -> bytes:
    """A scenario's number as the 16 bytes that everything random in it is drawn from."""
    return seed.to_bytes(16, "little")


def kernel_of(seed: int, rules: str = "", *, timeout_s: int = 10, profile: str = "seed") -> Kernel:
    """A Kernel with the service `orders` behind these `[resilience.orders]` lines."""
    from host_sim import config

    text = FILE.format(timeout_s=timeout_s) + (f"[resilience.orders]\n{rules}" if rules else "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scenario.toml"
        path.write_text(text)
        loaded = config.load(path, profile=profile)
    return Kernel(profile=profile, seed=seed_bytes(seed), config=loaded)


def conserved(kernel: Kernel) -> Expectation:
    """Whatever was offered is somewhere, exactly once; to be asked at any instant."""
    stats = kernel.stats()
    ways = ("denied", "dropped", "preempted", "dispatched", "queued")
    parts = [stats[f"{way}_count"] for way in ways]
    said = " + ".join(f"{part} {way}" for part, way in zip(parts, ways, strict=True))
    return Expectation(f"{stats['asked_count']} offered = {said}",
                       stats["asked_count"] == sum(parts))  # fmt: skip


def returned(kernel: Kernel) -> Expectation:
    """Lets time run out and looks for anything that is still held."""
    kernel.settle()
    guards = ResilienceManager(kernel=kernel).get_metrics()
    held = {
        "in flight": kernel.stats()["inflight_count"],
        "queued": kernel.stats()["queued_count"],
        "permits": guards.in_use_count,
        "attempts": guards.running_count,
        "connections": connection_count(kernel),
    }
    said = ", ".join(f"{count} {what}" for what, count in held.items())
    return Expectation(f"at the end nothing is held: {said}",
                       not any(held.values()) and kernel.valid() == 0)  # fmt: skip


# -- text -----------------------------------------------------------------------------------------
def sparkline(values: Sequence[int], most: int | None = None) -> str:
    """A character each, from blank for 0 to @ for the greatest (or `most`)."""
    top = max([*values, 1]) if most is None else max(most, 1)
    last = len(RAMP) - 1
    return "".join(RAMP[min(-(-value * last // top), last)] for value in values)


def per_second(picks: Sequence[tuple[int, str]], instance: str, seconds: int) -> list[int]:
    """How many sendings of each second went to an instance."""
    counts = [0] * seconds
    for at_ns, picked in picks:
        if picked == instance and at_ns < seconds * S:
            counts[at_ns // S] += 1
    return counts


def columns(rows: Sequence[Sequence[object]]) -> str:
    """Rows as columns: the first to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = []
    for row in cells:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([first, *rest]))
    return "\n".join(lines) + "\n"


Scenario = Callable[[int], Result]
