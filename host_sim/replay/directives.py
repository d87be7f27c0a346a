# SPDX-License-Identifier: MIT
"""A log's format out of the web server's configuration: nginx's log_format, Apache's LogFormat.

What an access_log or CustomLog says the log is written in is what it is read by.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import pathlib
import re
from collections.abc import Iterator

from host_sim.replay.formats import NAMED, compile_apache, compile_nginx
from host_sim.replay.program import FormatError, Program

FILES_MAX = 256
BYTES_MAX = 1 << 24
ESCAPES = {"default": "backslash", "json": "json", "none": "plain"}
_NGINX_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<mark>[;{}])|'(?P<single>(?:[^'\\]|\\.)*)'"""
    r"""|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<word>(?:\$\{\w+\}|\\.|[^\s;{}'"\\])+)""", re.DOTALL)
_APACHE_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ROTATED = re.compile(r"(?:[-._]?\d+)*(?:\.(?:gz|zst))?$")


@dataclasses.dataclass
class _Found:
    """Formats by name as (text, escape), and which log is written in which."""

    formats: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    logs: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    kind: str = "nginx"


def split_form(form: str) -> tuple[pathlib.Path, str] | None:
    """The file and the format's name of `nginx.conf:NAME`; None when it names no file."""
    for path, name in ((form, ""), form.rpartition(":")[::2]):
        if path and os.path.isfile(path):
            return pathlib.Path(path), name
    return None


def program_of(path: pathlib.Path, name: str = "", log: str = "") -> Program:
    """The program of the format called `name`, or of the one that writes the log called `log`, or
    of the only one there is. Raises FormatError that names those that are there."""
    found = _Found()
    text = _text(path)
    if re.search(r"^\s*(?:LogFormat|CustomLog|TransferLog)\b", text, re.MULTILINE | re.IGNORECASE):
        found.kind = "Apache"
        _read_apache(text, found)
    else:
        _read_nginx(path, text, found, {path.resolve()})
    chosen = name or _chosen(path, found, log)
    if chosen in found.formats:
        body, escape = found.formats[chosen]
    elif chosen in NAMED:
        return dataclasses.replace(compile_apache(NAMED[chosen], chosen),
                                   time_is_end=found.kind == "nginx")
    elif "%" in chosen and found.kind == "Apache":
        body, escape = chosen, ""       # CustomLog with the format itself
    else:
        raise FormatError(f"{path} has no log format {chosen!r}; it has {_names(found)}")
    label = f"{chosen} of {path.name}" if chosen in found.formats else f"CustomLog of {path.name}"
    if found.kind == "nginx":
        return compile_nginx(body, label, escape)
    return compile_apache(body, label)


def _names(found: _Found) -> str:
    return ", ".join(found.formats) or "none"


def _chosen(path: pathlib.Path, found: _Found, log: str) -> str:
    """The format of the log with that name, of all logs when they share one, or the only one."""
    wanted = _ROTATED.sub("", pathlib.PurePath(log).name)
    named = {form for written, form in found.logs if pathlib.PurePath(written).name == wanted}
    used = named or {form for _, form in found.logs} or set(found.formats)
    if len(used) == 1:
        return used.pop()
    if not used:
        raise FormatError(f"{path} has no log format in it: nginx says log_format, Apache "
                          "LogFormat")
    raise FormatError(f"{path} has several log formats in use: say which with --format "
                      f"{path}:NAME, one of {', '.join(sorted(used))}")


def _text(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return file.read(BYTES_MAX).decode("utf-8", "replace")


# -- nginx --------------------------------------------------------------------------------------


def _unquoted(text: str) -> str:
    known = {"t": "\t", "r": "\r", "n": "\n"}
    return re.sub(r"\\([\"'\\trn])", lambda m: known.get(m[1], m[1]), text)


def _statements(text: str, path: pathlib.Path) -> Iterator[list[str]]:
    """The words of each statement; a block's head counts as one."""
    words: list[str] = []
    at = 0
    while at < len(text):
        match = _NGINX_TOKEN.match(text, at)
        if match is None:
            line = text.count("\n", 0, at) + 1
            raise FormatError(f"{path} line {line} is no nginx configuration: {text[at:at+20]!r}")
        at = match.end()
        if match["mark"]:
            if words:
                yield words
            words = []
        elif match["single"] is not None or match["double"] is not None:
            words.append(_unquoted(match["single"] if match["single"] is not None
                                   else match["double"]))
        elif match["word"]:
            words.append(match["word"])


def _read_nginx(
    path: pathlib.Path, text: str, found: _Found, seen: set[pathlib.Path]
) -> None:
    for words in _statements(text, path):
        if words[0] == "log_format" and len(words) > 2:
            escape, rest = "default", words[2:]
            if rest[0].startswith("escape="):
                escape, rest = rest[0].removeprefix("escape="), rest[1:]
            if escape not in ESCAPES:
                raise FormatError(f"{path}: log_format {words[1]} has escape={escape}, which is "
                                  f"none of {', '.join(ESCAPES)}")
            found.formats[words[1]] = "".join(rest), ESCAPES[escape]
        elif words[0] == "access_log" and len(words) > 1 and words[1] != "off":
            named = [w for w in words[2:] if "=" not in w and w not in ("gzip",)]
            found.logs.append((words[1], named[0] if named else "combined"))
        elif words[0] == "include" and len(words) == 2:
            for name in sorted(glob.glob(str(path.parent / words[1]))):
                inner = pathlib.Path(name).resolve()
                if inner not in seen and inner.is_file() and len(seen) < FILES_MAX:
                    seen.add(inner)
                    _read_nginx(path.parent / inner.name if inner.parent == path.parent else inner,
                                _text(inner), found, seen)


# -- Apache -------------------------------------------------------------------------------------


def _read_apache(text: str, found: _Found) -> None:
    for line in re.sub(r"\\\r?\n", "", text).splitlines():
        words = [re.sub(r"\\([\"\\])", r"\1", m[1]) if m[1] is not None else m[2]
                 for m in _APACHE_WORD.finditer(line.strip())]
        directive = words[0].lower() if words else ""
        if directive == "logformat" and len(words) == 3:
            found.formats[words[2]] = words[1], ""
        elif directive == "customlog" and len(words) >= 3:
            found.logs.append((words[1], words[2]))
