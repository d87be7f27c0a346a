# SPDX-License-Identifier: MIT
"""What a line of an access log costs: taken apart only, and through everything.

The logs are recorded ones, repeated with their times moved on until there are a million lines:
half a day of a web server as a table, four days of another in the combined format. Under two
configurations: examples/web.toml has five limits and four quotas; simple.toml, beside this file,
what most people start with, one route and a token bucket for each address.
"""

from __future__ import annotations

import functools
import gzip
import io
import os
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

from host_sim import _raw, config
from host_sim.replay import detect
from host_sim.replay.engine import Options, Replay
from host_sim.replay.reader import Reader
from host_sim.replay.source import CHUNK, Source

from .measure import ROOT, WORK, Result, timed

LINES = 1_000_000
SWEEP = (30_000, 100_000, 300_000, 1_000_000)
LINES_PER_S_MIN = 3_000_000
REFERENCE_NS = 1.16             # of the machine the requirement was set on: 333 ns are 287 xR
MOST_XR = round(1e9 / LINES_PER_S_MIN / REFERENCE_NS)


def logs() -> pathlib.Path:
    """Where the recorded logs are."""
    return pathlib.Path(os.environ.get("RAYGATE_DATA", ROOT.parent / "shared/data"), "access-logs")


def table(lines: int) -> pathlib.Path:
    """The web server's half day, again and again, each time as much later as it is long."""
    path = WORK / f"web-{lines}.tsv"
    if path.exists():
        return path
    head, *rows = gzip.decompress((logs() / "web_day_1995.tsv.gz").read_bytes()).splitlines()
    cells = [row.split(b"\t") for row in rows]
    first, last = int(cells[0][2]), int(cells[-1][2])
    with open(path, "wb") as file:
        file.write(head + b"\n")
        for n in range(lines):
            row = cells[n % len(cells)]
            at = int(row[2]) + n // len(cells) * (last - first + 1)
            file.write(b"\t".join((*row[:2], b"%d" % at, *row[3:])) + b"\n")
    return path


def combined(lines: int) -> pathlib.Path:
    """The other server's four days, its years counted on so that no time is like another."""
    path = WORK / f"combined-{lines}.log"
    if path.exists():
        return path
    rows = gzip.decompress((logs() / "web_combined_2015.log.gz").read_bytes()).splitlines()
    with open(path, "wb") as file:
        for n in range(lines):
            year = b"/May/%d:" % (2015 + n // len(rows))
            file.write(re.sub(rb"/May/2015:", year, rows[n % len(rows)], count=1) + b"\n")
    return path


def parse(path: pathlib.Path) -> Any:
    """Takes a log apart into rows and forgets them."""
    raw = _raw.load("seed")
    with Source(path) as source:
        program = detect.program_for(raw, source.peek(detect.SAMPLE))
        with Reader(raw, program) as reader:
            capacity = 1024 * 512 + int(raw.lib.RAY_READER_ROW_BYTES)
            rows, text = raw.ffi.new("ray_row[]", 1024), raw.ffi.new("uint8_t[]", capacity)
            block = raw.ffi.new("ray_reader_block *", {
                "rows": rows, "bytes": text, "bytes_capacity": capacity, "row_capacity": 1024})
            while data := source.read(CHUNK):
                while data:
                    data = data[reader.feed(data) :]
                    while raw.lib.ray_reader_read(reader.reader, block):
                        block.row_count = block.bytes_length = 0
                    block.row_count = block.bytes_length = 0
            return reader.stats()


def through(
    rules: config.Config, path: pathlib.Path, order: str = "sort", *, decisions: bool = False
) -> Any:
    """A whole replay: read, unpacked, taken apart, put in order, decided, counted."""
    sink = io.BytesIO() if decisions else None
    with (
        Source(path) as source,
        Replay(rules, source, options=Options(order), decisions=sink) as run,
    ):
        return run.run_host()


def result(name: str, run: Any, lines: int, most_xr: float | None = None) -> Result:
    """One line of the table, with what it means in lines a second."""
    ns = timed(run, lines, 3)
    return Result(name, ns, "line", most_xr, f"{1000 / ns:.2f} M lines/s")


def results() -> Iterator[Result]:
    """Parsing, then whole replays by size, order and output."""
    if not logs().exists():
        print(f"no recorded logs in {logs()}: nothing to replay", file=sys.stderr)
        return
    rules = config.load(ROOT / "examples" / "web.toml")
    simple = config.load(pathlib.Path(__file__).with_name("simple.toml"))
    web, other = table(LINES), combined(LINES)
    assert parse(web).row_count == LINES
    assert parse(other).unparsable_count == LINES // 10_000
    yield result("replay, parse only, table", lambda: parse(web), LINES)
    yield result("replay, parse only, combined", lambda: parse(other), LINES)
    for lines in SWEEP:
        run = functools.partial(through, rules, table(lines))
        yield result(f"replay, table at {lines}", run, lines, MOST_XR)
    yield result("replay, table, one limit", lambda: through(simple, web), LINES, MOST_XR)
    yield result("replay, combined, one limit", lambda: through(simple, other), LINES, MOST_XR)
    yield result("replay, table, clamp", lambda: through(rules, web, "clamp"), LINES, MOST_XR)
    yield result("replay, combined, unsorted", lambda: through(rules, other), LINES, MOST_XR)
    yield result("replay, table, with decisions", lambda: through(rules, web, decisions=True),
                 LINES)
    packed = WORK / "web.tsv.gz"
    if not packed.exists():
        packed.write_bytes(gzip.compress(web.read_bytes(), 6))
    yield result("replay, table, gzip", lambda: through(rules, packed), LINES)

