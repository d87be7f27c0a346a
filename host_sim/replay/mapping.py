# SPDX-License-Identifier: MIT
"""Which column or key of a table or JSON log is what: by --map, else by its name."""

from __future__ import annotations

import dataclasses
import re

from host_sim.replay.program import TARGETS, TIMED, UNITS, Field, FormatError

# Names seen in real logs, best first, in lower case with _ for anything between words. A unit at
# the end (start_ns, latency_ms) is taken off before a name is looked up.
ALIASES: dict[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "ts", "datetime", "date_time", "date", "start", "start_time",
             "time_local", "time_iso8601", "msec", "eventtime", "event_time", "arrival",
             "received_at", "epoch", "t"),
    "ip": ("ip", "client_ip", "clientip", "remote_addr", "remote_ip", "source_ip",
           "sourceipaddress", "src_ip", "c_ip", "client_address", "client_addr", "clientipaddress",
           "request_remote_ip", "request_client_ip", "client", "address", "remote_host", "host"),
    "user": ("user", "user_id", "userid", "username", "user_name", "remote_user", "cs_username",
             "principal", "auth_user", "subject"),
    "request": ("request", "request_line"),
    "method": ("method", "request_method", "http_method", "cs_method", "verb",
               "http_request_method"),
    "path": ("path", "url", "uri", "request_uri", "target", "request_path", "request_url",
             "cs_uri_stem", "url_path", "http_target"),
    "query": ("query", "query_string", "args", "cs_uri_query"),
    "status": ("status", "status_code", "response", "response_code", "http_status", "sc_status",
               "code", "response_status"),
    "bytes": ("bytes", "response_bytes", "body_bytes_sent", "bytes_sent", "sc_bytes", "size",
              "response_size", "bytes_out", "resp_size"),
    "request_bytes": ("request_bytes", "request_length", "cs_bytes", "bytes_in", "request_size",
                      "bytes_received", "bytes_read"),
    "duration": ("duration", "request_time", "elapsed", "latency", "time_taken", "response_time",
                 "took"),
    "weight": ("weight", "tokens"),
    "tenant": ("tenant", "tenant_id", "tenant_name"),
    "service": ("service", "service_name"),
    "host": ("vhost", "server_name", "http_host", "request_host", "x_host_header", "cs_host",
             "authority", "virtual_host", "host"),
    "priority": ("priority", "class"),
    "error": ("error", "error_code", "errorcode", "exception"),
}
HEADER_ALIASES = {"referer": "Referer", "referrer": "Referer", "useragent": "User-Agent",
                  "user_agent": "User-Agent", "http_user_agent": "User-Agent",
                  "http_referer": "Referer", "x_forwarded_for": "X-Forwarded-For",
                  "http_x_forwarded_for": "X-Forwarded-For"}
# request.headers.User-Agent of Caddy, cs(User-Agent) of W3C logs: a header by its own name.
_HEADER_KEYS = re.compile(r"(?:^|\.)headers\.([^.]+)$|^cs\(([^)]+)\)$")
_UNIT_WORDS = {"ns": "ns", "nanos": "ns", "us": "us", "micros": "us", "ms": "ms", "millis": "ms",
               "s": "s", "sec": "s", "secs": "s", "seconds": "s"}


@dataclasses.dataclass(frozen=True)
class Mapping:
    """What --map said: the column or key of each target, and how its numbers are meant."""

    target: str
    column: str
    unit: str = ""
    header: str = ""


@dataclasses.dataclass(frozen=True)
class Maps:
    """All of --map."""

    maps: tuple[Mapping, ...] = ()
    time_is_end: bool = False

    def __bool__(self) -> bool:
        return bool(self.maps)


def parse_maps(texts: tuple[str, ...]) -> Maps:
    """`time=start_ns:ns,ip=host,header:X-User=who`; may be given several times.

    A unit s, ms, us or ns follows a time or a duration, `end` says that the time is when the
    answer left. Raises FormatError naming the word that is wrong.
    """
    maps: list[Mapping] = []
    time_is_end = False
    for item in (part for text in texts for part in text.split(",") if part.strip()):
        word, equals, column = item.strip().partition("=")
        target, _, header = word.partition(":")
        if not equals or not column:
            raise FormatError(f"--map {item.strip()!r}: write FIELD=COLUMN")
        if target not in TARGETS or target == "skip" or (target == "header") != bool(header):
            known = ", ".join(t for t in TARGETS if t not in ("skip", "header"))
            raise FormatError(f"--map {word!r} is no field: use {known} or header:NAME")
        unit = ""
        while target in TIMED and ":" in column:
            head, _, tail = column.rpartition(":")
            if tail == "end" and target == "time":
                time_is_end = True
            elif tail in UNITS and tail not in ("", "port"):
                unit = tail
            else:
                break
            column = head
        if any((m.target, m.header) == (target, header) for m in maps):
            raise FormatError(f"--map {word!r} is given twice")
        maps.append(Mapping(target, column, unit, header))
    return Maps(tuple(maps), time_is_end)


def plain(name: str) -> str:
    """A column's name without case and punctuation: `@Start-Time` is start_time."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def header_of(name: str) -> str:
    """The request header a column or key holds, by its name; empty when it holds none."""
    found = _HEADER_KEYS.search(name)
    return HEADER_ALIASES.get(plain(name), "") or (found[1] or found[2] if found else "")


def _with_unit(name: str) -> tuple[str, str]:
    base, _, last = plain(name).rpartition("_")
    return (base, _UNIT_WORDS[last]) if base and last in _UNIT_WORDS else (plain(name), "")


def guess(names: list[str]) -> dict[str, tuple[str, str]]:
    """Target -> (column, unit) from the columns' names; the first alias that occurs wins, and a
    column is used once. `host` is the client's where nothing better names one."""
    plain_names = {plain(name): name for name in reversed(names)}
    based = {_with_unit(name)[0]: (name, _with_unit(name)[1]) for name in reversed(names)}
    found: dict[str, tuple[str, str]] = {}
    used: set[str] = set()
    for target, aliases in ALIASES.items():
        for alias in aliases:
            name, unit = plain_names.get(alias, ""), ""
            if not name and target in TIMED:
                name, unit = based.get(alias, ("", ""))
            if name and name not in used:
                found[target] = (name, unit)
                used.add(name)
                break
    return found


def fields_for(names: list[str], maps: Maps) -> tuple[Field, ...]:
    """One field per column of a table, in order, by `maps` or by name.

    What --map names is taken from there, the rest still goes by name. Numbers count columns
    from 1. Raises FormatError for a column that does not exist.
    """
    chosen = guess(names)
    headers = {header: name for name in reversed(names) if (header := header_of(name))}
    wanted: dict[str, list[Mapping]] = {name: [] for name in names}
    taken = {m.target for m in maps.maps if m.target != "header"}
    given = {_column(names, m.column): None for m in maps.maps}
    for m in maps.maps:
        wanted[_column(names, m.column)].append(m)
    for target, (name, unit) in chosen.items():
        if target not in taken and name not in given:
            wanted[name].append(Mapping(target, name, unit))
    for header, name in headers.items():
        if not wanted[name] and not any(m.header == header for m in maps.maps):
            wanted[name].append(Mapping("header", name, header=header))
    return tuple(_field(name, wanted[name]) for name in names)


def _field(name: str, maps: list[Mapping]) -> Field:
    if len(maps) > 2:
        raise FormatError(f"--map: {name!r} is used more than twice")
    if not maps:
        return Field("skip", name=name)
    first, second = maps[0], maps[1] if len(maps) > 1 else None
    if second and second.target == "header":
        first, second = second, first
    if second and second.target == "header":
        raise FormatError(f"--map: {name!r} is used for two headers")
    unit = first.unit or (second.unit if second else "") or _default_unit(first, name)
    return Field(first.target, name=name, unit=unit, header=first.header,
                 also=second.target if second else "")


def _default_unit(mapping: Mapping, name: str) -> str:
    """A mapped column's own name may still tell its unit."""
    return _with_unit(name)[1] if mapping.target in TIMED else ""


def _column(names: list[str], wanted: str) -> str:
    if wanted in names:
        return wanted
    if wanted.isdigit() and 1 <= int(wanted) <= len(names):
        return names[int(wanted) - 1]
    raise FormatError(f"--map: the log has no column {wanted!r}; it has {', '.join(names[:40])}")
