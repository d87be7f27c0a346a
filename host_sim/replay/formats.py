# SPDX-License-Identifier: MIT
"""Format strings compiled to a reader program: Apache's LogFormat, nginx's log_format, Envoy's
access log format, HAProxy's log-format, as text or as a JSON object.

Sources: the documentation of mod_log_config, of ngx_http_log_module, of Envoy's access logging and
of HAProxy's custom log format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

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
# What stands for the same as one variable, whose parts have nothing between them.
_NGINX_WHOLE = re.compile(
    r"(?:\$scheme://\$(?:http_)?host)?\$(?:uri\$is_args\$(?:args|query_string)|request_uri)")
_NGINX_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")

Parts = list[str | Field]
Found = Callable[["re.Match[str]"], Parts]


def _apache_time(argument: str | None) -> Parts:
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


def _apache_field(argument: str | None, letter: str) -> Parts:
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


def split(text: str, pattern: re.Pattern[str], found: Found) -> Parts:
    """A format's text and fields in turn."""
    parts: Parts = []
    at = 0
    for match in pattern.finditer(text):
        parts.append(text[at:match.start()])
        parts.extend(found(match))
        at = match.end()
    parts.append(text[at:])
    return parts


def assemble(parts: Parts, escape: str = "backslash") -> tuple[Field, ...]:
    """Literals and fields in turn; the last field is the literal that ends the line.

    `escape` is how the product writes bytes it cannot write as they are.
    """
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
        quoted = before.endswith('"') and behind.startswith('"') and escape in ("backslash", "json")
        fields.append(_once(field, before, seen, escape=escape, quoted=quoted))
    return tuple(fields)


def _once(
    field: Field, name: str, seen: set[tuple[str, str]], *, escape: str, quoted: bool = False
) -> Field:
    """The field at its place; what a format names twice is read the first time."""
    target, also = field.target, field.also
    if (target, field.header) in seen:
        target, also = also or "skip", ""
    if (also, "") in seen:
        also = ""
    seen.update({(target, field.header), (also, "")} - {("skip", ""), ("", "")})
    return Field(target, name=name, unit=field.unit, header=field.header if target == "header"
                 else "", quoted=quoted, also=also, escape=escape)


# -- formats that are JSON objects ----------------------------------------------------------------


def is_object(text: str) -> bool:
    """True when a format writes one JSON object a line."""
    return text.lstrip().startswith("{") and not text.lstrip().startswith("{%")


def _marked(text: str, pattern: re.Pattern[str]) -> tuple[str, dict[str, re.Match[str]]]:
    """The text with a marker for each field, in quotes where it stood outside of them."""
    marks: dict[str, re.Match[str]] = {}
    out: list[str] = []
    at, inside = 0, False
    while at < len(text):
        match = pattern.match(text, at)
        if match and match.end() > at:
            mark = f"\ue000{len(marks)}\ue001"
            marks[mark] = match
            out.append(mark if inside else f'"{mark}"')
            at = match.end()
            continue
        if text[at] == '"':
            inside = not inside
        step = 2 if inside and text[at] == "\\" else 1
        out.append(text[at : at + step])
        at += step
    return "".join(out), marks


def json_fields(text: str, pattern: re.Pattern[str], found: Found) -> tuple[Field, ...]:
    """The fields of a format that is a JSON object: those keys whose value is one of its fields."""
    marked, marks = _marked(text, pattern)
    try:
        value = json.loads(marked)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the format begins like a JSON object and is none: {error}") from error
    fields: list[Field] = []
    seen: set[tuple[str, str]] = set()

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else key)
        elif isinstance(value, str) and value in marks and len(path.encode()) <= 64:
            known = [part for part in found(marks[value]) if isinstance(part, Field)]
            if len(known) == 1 and known[0].target != "skip":
                fields.append(_once(known[0], path, seen, escape="plain"))

    walk(value, "")
    return tuple(field for field in fields if field.target != "skip")


# -- the products -------------------------------------------------------------------------------


def compile_apache(text: str, label: str = "LogFormat") -> Program:
    """A LogFormat string, with or without the configuration file's backslashes before quotes.

    %t is when the request came. Raises FormatError for what cannot be read.
    """
    text = text.replace('\\"', '"').replace("\\t", "\t")
    stripped = _APACHE_DIRECTIVE.sub("", text)
    if "%" in stripped:
        raise FormatError(f"a % that begins no directive: {stripped[stripped.index('%'):][:12]!r}")
    return compiled(text, _APACHE_DIRECTIVE, lambda m: _apache_field(m[1], m[2]), label,
                    hint="%t for Apache")


def _nginx_field(name: str) -> Parts:
    if name in _NGINX:
        return [_NGINX[name]]
    if name.startswith("http_"):
        header = "-".join(w.capitalize() for w in name[5:].split("_"))
        return [Field("header", header=header)]
    return [Field("skip")]


def compile_nginx(text: str, label: str = "log_format", escape: str = "backslash") -> Program:
    """An nginx log_format string; `escape` is backslash (nginx calls it default), json or plain
    (none).

    nginx writes a line when the answer has left: where there is a $request_time it is taken off
    $time_local, $time_iso8601 or $msec.
    """
    return compiled(_NGINX_WHOLE.sub("$request_uri", text), _NGINX_VARIABLE,
                    lambda m: _nginx_field(m[1] or m[2]), label, escape=escape, time_is_end=True,
                    hint="$time_local for nginx")


def compiled(
    text: str, pattern: re.Pattern[str], found: Found, label: str, *, escape: str = "backslash",
    time_is_end: bool = False, hint: str = "",
) -> Program:
    """A program from a format's text: a line of text, or a JSON object."""
    if is_object(text):
        fields = json_fields(text, pattern, found) or (Field("skip"),)
        program = Program("JSON", fields, f"{label} (JSON)", time_is_end=time_is_end,
                          needs_path=any(f.target in ("path", "request") for f in fields))
    else:
        fields = assemble(split(text, pattern, found), escape)
        program = Program("FORMAT", fields, label, time_is_end=time_is_end)
    if not program.has("time"):
        raise FormatError(f"the format has no time in it, and a replay needs one: {hint}")
    return program


def compile_format(text: str) -> Program:
    """A named format, or the format string of a product, told by how its fields look."""
    from host_sim.replay import proxies

    if text in NAMED:
        return compile_apache(NAMED[text], label=text)
    if text in proxies.NAMED:
        return proxies.NAMED[text]()[0]
    if proxies.ENVOY_OPERATOR.search(text):
        return proxies.compile_envoy(text)
    if proxies.HAPROXY_HINT.search(text):
        return proxies.compile_haproxy(text)
    if "%" in text:
        return compile_apache(text)
    if "$" in text:
        return compile_nginx(text)
    names = ", ".join((*sorted(NAMED), *sorted(proxies.NAMED)))
    raise FormatError(
        f"unknown format {text!r}: use {names}, w3c, csv, tsv, jsonl, a format string of Apache, "
        "Envoy or HAProxy with %, one of nginx with $, or the path of an nginx.conf or httpd.conf")
