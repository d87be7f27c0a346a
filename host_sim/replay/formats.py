# SPDX-License-Identifier: MIT
"""Log format strings: Apache's LogFormat and nginx's log_format compiled to a reader program.

Sources: the documentation of mod_log_config and of ngx_http_log_module.
"""

from __future__ import annotations

import re

from host_sim.replay.program import Field, FormatError, Program

NAMED = {
    "common": '%h %l %u %t "%r" %>s %b',
    "combined": '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
    "vhost_combined": '%v:%p %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
}

_APACHE = {
    "h": Field("ip"), "a": Field("ip"), "u": Field("user"), "r": Field("request"),
    "m": Field("method"), "U": Field("path"), "q": Field("query"), "s": Field("status"),
    "b": Field("bytes"), "B": Field("bytes"), "O": Field("bytes"), "I": Field("request_bytes"),
    "D": Field("duration", unit="us"), "T": Field("duration", unit="s"), "v": Field("host"),
    "V": Field("host"),
}
_APACHE_SKIPPED = set("AHlpPRXkLfCeno^S")
_APACHE_DIRECTIVE = re.compile(r"%[<>]?(?:!?\d{3}(?:,\d{3})*)?(?:\{([^}]*)\})?(\^?[A-Za-z%])")

_NGINX = {
    "remote_addr": Field("ip"), "realip_remote_addr": Field("ip"), "remote_user": Field("user"),
    "time_local": Field("time"), "time_iso8601": Field("time"), "msec": Field("time", unit="s"),
    "request": Field("request"), "request_method": Field("method"),
    "request_uri": Field("path"), "uri": Field("path"), "args": Field("query"),
    "query_string": Field("query"), "status": Field("status"),
    "body_bytes_sent": Field("bytes"), "bytes_sent": Field("bytes"),
    "request_length": Field("request_bytes"), "request_time": Field("duration", unit="s"),
    "host": Field("host"), "http_host": Field("host"), "server_name": Field("host"),
}
_NGINX_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")

_Parts = list[str | Field]


def _apache_time(argument: str | None) -> _Parts:
    if argument is None:
        return ["[", Field("time"), "]"]
    kind = argument.removeprefix("begin:").removeprefix("end:")
    units = {"sec": "s", "msec": "ms", "usec": "us"}
    if kind in units:
        return [Field("time", unit=units[kind])]
    if kind in ("", "%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S"):
        return [Field("time")]
    raise FormatError(
        f"%{{{argument}}}t is not read: use %t, %{{sec}}t, %{{msec}}t, %{{usec}}t or ISO 8601"
    )


def _apache_field(argument: str | None, letter: str) -> _Parts:
    if letter == "%":
        return ["%"]
    if letter == "t":
        return _apache_time(argument)
    if letter == "T" and argument is not None:
        if argument not in ("s", "ms", "us"):
            raise FormatError(f"%{{{argument}}}T is not read: use s, ms or us")
        return [Field("duration", unit=argument)]
    if letter == "i" and argument:
        if argument.lower() == "host":
            return [Field("host")]
        return [Field("header", header=argument)]
    if argument is not None and letter not in "ap":
        return [Field("skip")]
    if letter in _APACHE:
        return [_APACHE[letter]]
    if letter.strip("^") and letter.strip("^") in _APACHE_SKIPPED or letter.startswith("^"):
        return [Field("skip")]
    raise FormatError(f"%{letter} is no directive of LogFormat")


def _parts(text: str, pattern: re.Pattern[str], found: object) -> _Parts:
    parts: _Parts = []
    at = 0
    for match in pattern.finditer(text):
        parts.append(text[at:match.start()])
        parts.extend(found(match))  # type: ignore[operator]
        at = match.end()
    parts.append(text[at:])
    return parts


def _assemble(parts: _Parts) -> tuple[Field, ...]:
    """Literals and fields in turn; the last field is the literal that ends the line."""
    pairs: list[tuple[str, Field | None]] = []
    literal = ""
    for part in parts:
        if isinstance(part, str):
            literal += part
        elif part.target == "query" and not literal and pairs and pairs[-1][1] == Field("path"):
            continue  # %U%q: the path with its query, as it was asked for
        else:
            pairs.append((literal, part))
            literal = ""
    pairs.append((literal, None))
    fields: list[Field] = []
    seen: set[tuple[str, str]] = set()
    for (before, field), (behind, follower) in zip(pairs, [*pairs[1:], ("", None)], strict=True):
        if len(before.encode()) > 64:
            raise FormatError(f"more than 64 bytes of text between two fields: {before[:20]!r}...")
        if field is None:
            fields.append(Field("skip", name=before, last=True))
            break
        if not behind and follower is not None:
            raise FormatError("two fields with nothing between them cannot be told apart")
        key = (field.target, field.header)
        target = "skip" if key in seen else field.target
        seen.add(key)
        fields.append(Field(target, name=before, unit=field.unit, header=field.header,
                            quoted=before.endswith('"') and behind.startswith('"')))
    return tuple(fields)


def compile_apache(text: str, label: str = "LogFormat") -> Program:
    """A LogFormat string, with or without the configuration file's backslashes before quotes.

    %t is when the request came. Raises FormatError for what cannot be read.
    """
    text = text.replace('\\"', '"').replace("\\t", "\t")
    stripped = _APACHE_DIRECTIVE.sub("", text)
    if "%" in stripped:
        raise FormatError(f"a % that begins no directive: {stripped[stripped.index('%'):][:12]!r}")
    parts = _parts(text, _APACHE_DIRECTIVE, lambda m: _apache_field(m.group(1), m.group(2)))
    return _checked(Program("FORMAT", _assemble(parts), label))


def _nginx_field(name: str) -> _Parts:
    if name in _NGINX:
        return [_NGINX[name]]
    if name.startswith("http_"):
        return [Field("header", header="-".join(w.capitalize() for w in name[5:].split("_")))]
    return [Field("skip")]


def compile_nginx(text: str, label: str = "log_format") -> Program:
    """An nginx log_format string. nginx writes a line when the answer has left: where there is a
    $request_time it is taken off $time_local, $time_iso8601 or $msec."""
    parts = _parts(text, _NGINX_VARIABLE, lambda m: _nginx_field(m.group(1) or m.group(2)))
    return _checked(Program("FORMAT", _assemble(parts), label, time_is_end=True))


def _checked(program: Program) -> Program:
    if not program.has("time"):
        raise FormatError("the format has no time in it, and a replay needs one: "
                          "%t for Apache, $time_local for nginx")
    return program


def compile_format(text: str) -> Program:
    """A named format (common, combined, vhost_combined), a LogFormat or a log_format string."""
    if text in NAMED:
        return compile_apache(NAMED[text], label=text)
    if "%" in text:
        return compile_apache(text)
    if "$" in text:
        return compile_nginx(text)
    raise FormatError(f"unknown format {text!r}: use {', '.join(sorted(NAMED))}, csv, tsv, jsonl, "
                      "an Apache LogFormat with %, or an nginx log_format with $")
