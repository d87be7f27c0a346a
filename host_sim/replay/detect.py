# SPDX-License-Identifier: MIT
"""What kind of log this is, worked out from its first lines."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from host_sim.replay.formats import NAMED, compile_apache, compile_format
from host_sim.replay.mapping import Maps, fields_for, guess
from host_sim.replay.program import Field, FormatError, Program
from host_sim.replay.reader import Reader

if TYPE_CHECKING:
    from host_sim._raw import Raw

SAMPLE = 1 << 16
DELIMITERS = {"\t": "TSV", ",": "CSV", ";": "CSV with semicolons", "|": "CSV with bars"}
TABLES = {"csv": ",", "tsv": "\t"}
JSON_NAMES = ("json", "jsonl", "ndjson")


def program_for(
    raw: Raw, sample: bytes, *, form: str = "auto", maps: Maps | None = None
) -> Program:
    """The program for a log that begins with `sample`.

    `form` is auto, a named format, csv, tsv, jsonl, a LogFormat or a log_format. Raises FormatError
    that says what was seen and what to give.
    """
    maps = maps or Maps()
    lines = _whole_lines(sample)
    if form in TABLES:
        return _table(lines, (TABLES[form],), maps)
    if form in JSON_NAMES:
        return _json(lines, maps)
    if form != "auto":
        if maps:
            raise FormatError("--map is for tables and JSON; a format string names its fields")
        return compile_format(form)
    if not lines:
        raise FormatError("the log is empty")
    if lines[0].lstrip().startswith(b"{"):
        return _json(lines, maps)
    best = None if maps else _best_format(raw, lines)
    return best or _table(lines, tuple(DELIMITERS), maps)


def _whole_lines(sample: bytes) -> list[bytes]:
    """Lines of the sample without the cut one at its end; a byte order mark is dropped."""
    sample = sample.removeprefix(b"\xef\xbb\xbf")
    lines = sample.split(b"\n")
    if len(lines) > 1 and len(sample) >= SAMPLE:
        lines.pop()
    return [line.rstrip(b"\r") for line in lines if line.strip()]


def _best_format(raw: Raw, lines: list[bytes]) -> Program | None:
    """The named format most of the lines fit, if any does. A tie is the richer one's."""
    text = b"\n".join(lines[:200])
    best: tuple[int, int] = (0, 0)
    found: Program | None = None
    for name, form in NAMED.items():
        program = compile_apache(form, label=name)
        with Reader(raw, program) as reader:
            for _ in reader.blocks(text):
                pass
            score = (reader.stats().row_count, len(program.fields))
        if score[0] and score > best:
            best, found = score, program
    return found


# -- tables -------------------------------------------------------------------------------------


def _cells(line: bytes, delimiter: str) -> list[str]:
    text = line.decode("utf-8", "replace")
    if delimiter == "\t":
        return text.split("\t")
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:  # a carriage return inside, for one: no header of a table
        return []


def _table(lines: list[bytes], delimiters: tuple[str, ...], maps: Maps) -> Program:
    if not lines:
        raise FormatError("the log is empty")
    numbered = bool(maps) and all(m.column.isdigit() for m in maps.maps)
    wanted = {m.column for m in maps.maps}
    best: tuple[int, str, list[str]] = (0, delimiters[0], [])
    for delimiter in delimiters:
        cells = _cells(lines[0], delimiter)
        known = len(set(cells) & wanted) + len(guess(cells)) + (len(cells) > 1 if numbered else 0)
        if known > best[0]:
            best = (known, delimiter, cells)
    score, delimiter, cells = best
    if not score:
        raise FormatError(
            "the log is neither a known format, nor JSON lines, nor a table whose header names a "
            f"time; its first line is {lines[0][:80]!r}. Say what it is with --format, or which "
            "columns are what with --map"
        )
    header = not numbered or bool(guess(cells).get("time"))
    names = cells if header else [str(place + 1) for place in range(len(cells))]
    if len(set(names)) != len(names):
        names = [name if names.index(name) == place else f"{name}#{place + 1}"
                 for place, name in enumerate(names)]
    fields = fields_for(names, maps)
    if not any("time" in (field.target, field.also) for field in fields):
        raise FormatError("no column is known as the time; say which with --map time=COLUMN. "
                          f"The columns are: {', '.join(names[:40])}")
    return Program("TABLE", fields, DELIMITERS.get(delimiter, "table"), delimiter=delimiter,
                   quotes=delimiter != "\t", skip_lines=1 if header else 0,
                   time_is_end=maps.time_is_end)


# -- JSON lines ---------------------------------------------------------------------------------


def _keys(value: Any, prefix: str, out: dict[str, None], depth: int = 0) -> None:
    """Dotted keys of scalars; a list stands for its first element."""
    while isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict) and depth < 16:
        for key, inner in value.items():
            _keys(inner, f"{prefix}.{key}" if prefix else key, out, depth + 1)
    elif prefix:
        out[prefix] = None


def _json(lines: list[bytes], maps: Maps) -> Program:
    names: dict[str, None] = {}
    for line in lines[:100]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            _keys(value, "", names)
    for mapping in maps.maps:
        names.setdefault(mapping.column, None)
    known = [name for name in names if len(name.encode("utf-8", "surrogatepass")) <= 64]
    fields = tuple(f for f in fields_for(known, maps) if f.target != "skip") or (Field("skip"),)
    if not any("time" in (field.target, field.also) for field in fields):
        raise FormatError("no key is known as the time; say which with --map time=KEY. "
                          f"The keys are: {', '.join(known[:40]) or 'none'}")
    return Program("JSON", fields, "JSON lines", time_is_end=maps.time_is_end)
