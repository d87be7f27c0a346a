# SPDX-License-Identifier: MIT
"""What kind of log this is, worked out from its first lines."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import functools
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from host_sim.replay import directives, proxies, w3c
from host_sim.replay.formats import NAMED, compile_apache, compile_format
from host_sim.replay.mapping import Mapping, Maps, fields_for, guess, plain
from host_sim.replay.program import Field, FormatError, Program
from host_sim.replay.reader import Reader, ReaderStats

if TYPE_CHECKING:
    from host_sim._raw import Raw
    from host_sim.replay.source import Source

SAMPLE = 1 << 16
DELIMITERS = {"\t": "TSV", ",": "CSV", ";": "CSV with semicolons", "|": "CSV with bars"}
TABLES = {"csv": ",", "tsv": "\t"}
JSON_NAMES = ("json", "jsonl", "ndjson")


@contextlib.contextmanager
def named(source: Source) -> Iterator[None]:
    """A FormatError that is raised meanwhile says which log it is about."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{source.name}: {error}") from error


def program_of(
    raw: Raw, source: Source, *, form: str = "auto", maps: Maps | None = None,
    headers: tuple[str, ...] = (),
) -> Program:
    """The program of a log's own lines. FormatError names the log, and says where nothing came of
    its bytes why."""
    sample = source.peek(SAMPLE)
    if source.problem and not sample:
        raise FormatError(f"{source.problem}: nothing came before it")
    with named(source):
        return source.program or program_for(raw, sample, form=form, maps=maps, headers=headers,
                                             log=source.name)


def program_for(
    raw: Raw, sample: bytes, *, form: str = "auto", maps: Maps | None = None,
    headers: tuple[str, ...] = (), log: str = "",
) -> Program:
    """The program for a log that begins with `sample` and is called `log`.

    `form` is auto, a named format, csv, tsv, jsonl, w3c, a format string, or the path of a server's
    configuration; `headers` are those a configuration looks at. Raises FormatError that says what
    was seen and what to give.
    """
    maps = maps or Maps()
    lines = _whole_lines(sample)
    if form in TABLES:
        return _table(lines, (TABLES[form],), maps)
    if form in JSON_NAMES:
        return _json(lines, maps, headers)
    if form == "w3c" and lines:
        return w3c.w3c(lines, maps)
    if form != "auto":
        if maps:
            raise FormatError("--map is for tables and JSON; a format string names its fields")
        return _given(raw, lines, form, log)
    if not lines:
        raise FormatError("the log is empty")
    if lines[0].lstrip().startswith(b"{"):
        return _json(lines, maps, headers)
    if w3c.is_w3c(lines):
        return w3c.w3c(lines, maps)
    best = None if maps else _best(raw, lines, _known())
    return best or _table(lines, tuple(DELIMITERS), maps)


def _given(raw: Raw, lines: list[bytes], form: str, log: str) -> Program:
    """The program of --format; of several ways a line may look, the one the first lines have."""
    configuration = directives.split_form(form)
    if configuration and form not in NAMED:
        return directives.program_of(*configuration, log=log)
    programs = proxies.candidates(form)
    return _best(raw, lines, programs) or (programs[0] if programs else compile_format(form))


@functools.cache
def _known() -> tuple[Program, ...]:
    return (*(compile_apache(form, label=name) for name, form in NAMED.items()),
            *(program for name in proxies.NAMED for program in proxies.candidates(name)))


def _whole_lines(sample: bytes) -> list[bytes]:
    """Lines of the sample without the cut one at its end; a byte order mark is dropped."""
    sample = sample.removeprefix(b"\xef\xbb\xbf")
    lines = sample.split(b"\n")
    if len(lines) > 1 and len(sample) >= SAMPLE:
        lines.pop()
    return [line.rstrip(b"\r") for line in lines if line.strip()]


def _best(raw: Raw, lines: list[bytes], programs: tuple[Program, ...]) -> Program | None:
    """The format most of the lines fit, if any does. A tie is the richer one's."""
    text = b"\n".join(lines[:200])
    best: tuple[int, int] = (0, 0)
    found: Program | None = None
    for program in programs:
        score = (look(raw, program, text).row_count, len(program.fields))
        if score[0] and score > best:
            best, found = score, program
    return found


def look(raw: Raw, program: Program, sample: bytes) -> ReaderStats:
    """What a program makes of the first lines of a log."""
    with Reader(raw, program) as reader:
        for _ in reader.blocks(sample):
            pass
        return reader.stats()


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
    if header and len(lines) > 1:
        maps = _with_date(names, _cells(lines[1], delimiter), maps)
    fields = fields_for(names, maps)
    if not any("time" in (field.target, field.also) for field in fields):
        raise FormatError("no column is known as the time; say which with --map time=COLUMN. "
                          f"The columns are: {', '.join(names[:40])}")
    return Program("TABLE", fields, DELIMITERS.get(delimiter, "table"), delimiter=delimiter,
                   quotes=delimiter != "\t", skip_lines=1 if header else 0,
                   time_is_end=maps.time_is_end)


def _with_date(names: list[str], cells: list[str], maps: Maps) -> Maps:
    """A table whose first row has the day in one column and the time of day in another."""
    row = {plain(name): (name, cell) for name, cell in zip(names, cells, strict=False)}
    (day, date), (clock, time) = row.get("date", ("", "")), row.get("time", ("", ""))
    if (any(m.target in ("time", "date") for m in maps.maps)
            or not re.fullmatch(r"\d{4}[-/]\d\d[-/]\d\d", date)
            or not re.fullmatch(r"\d\d:\d\d(:\d\d([.,]\d+)?)?", time)):
        return maps
    both = (Mapping("date", day), Mapping("time", clock))
    return dataclasses.replace(maps, maps=(*maps.maps, *both))


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


def _json(lines: list[bytes], maps: Maps, headers: tuple[str, ...]) -> Program:
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
    product = _product(known)
    if product == "Caddy":  # a header only some requests carry need not be in the first lines
        known = list(dict.fromkeys([*known, *(f"request.headers.{name}" for name in headers)]))
    maps = dataclasses.replace(maps, maps=(*maps.maps, *_of_product(product, known, maps)))
    fields = tuple(f for f in fields_for(known, maps) if f.target != "skip") or (Field("skip"),)
    if not any("time" in (field.target, field.also) for field in fields):
        raise FormatError("no key is known as the time; say which with --map time=KEY. "
                          f"The keys are: {', '.join(known[:40]) or 'none'}")
    return Program("JSON", fields, f"{product} JSON lines".strip(),
                   time_is_end=maps.time_is_end or product == "Caddy", needs_path=bool(product))


def _product(names: list[str]) -> str:
    """Whose JSON that is, by keys that no other has together."""
    plains = {plain(name) for name in names}
    if {"ts", "request.uri", "request.method", "duration"} <= set(names):
        return "Caddy"
    if {"start_time", "response_code", "duration"} <= plains and "path" in plains:
        return "Envoy"
    return ""


# Keys whose meaning is the product's: Caddy counts durations in seconds, Envoy in milliseconds.
_MEANT = {
    "Caddy": {"ip": ("request_client_ip", "request_remote_ip"), "duration": ("duration",)},
    "Envoy": {"ip": ("downstream_remote_address_without_port", "downstream_remote_address",
                     "x_forwarded_for", "downstream_direct_remote_address"),
              "time": ("start_time",), "duration": ("duration",)},
}
_UNITS = {"Caddy": "s", "Envoy": "ms"}


def _of_product(product: str, names: list[str], maps: Maps) -> list[Mapping]:
    found = []
    for target, words in _MEANT.get(product, {}).items():
        name = next((n for word in words for n in names if plain(n) == word), "")
        if name and not any(m.target == target for m in maps.maps):
            found.append(Mapping(target, name, _UNITS[product] if target == "duration" else ""))
            if plain(name) == "x_forwarded_for":
                found.append(Mapping("header", name, header="X-Forwarded-For"))
    return found
