# SPDX-License-Identifier: MIT
"""The obviously correct gateway: look at every route, keep those that fit, take the first in order.

No index, no hashing, no table: Python's own string operations, and `re` for expressions. Written
from SEMANTICS.md, not from the core.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

UNRESERVED = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
FORBIDDEN = set("%#?;")


class PathError(Exception):
    """The gateway answers 400."""


@dataclass(frozen=True)
class Rule:
    """A route: kind exact, prefix, wildcard or regex; headers and queries as (name, how, value)."""

    name: str
    kind: str
    pattern: str
    host: str = ""
    methods: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str, str], ...] = ()
    queries: tuple[tuple[str, str, str], ...] = ()
    priority: int = 0
    allow_escapes: bool = False


@dataclass(frozen=True)
class Answer:
    """A route's name and 200, or "" and why not."""

    status: int
    route: str = ""
    allow: frozenset[str] = frozenset()
    captures: tuple[str, ...] = ()


# -- paths --
def escapes(path: str) -> tuple[str, bool]:
    """The path with its escapes decoded or in upper case; whether %2F or %5C is among them."""
    out, slash = "", False
    pending = b""
    while path:
        if path[0] != "%":
            piece, path = path[0], path[1:]
            if not "!" <= piece <= "~" or piece == "#":
                raise PathError(piece)
            byte = None
        else:
            if not re.match("%[0-9A-Fa-f]{2}", path):
                raise PathError(path[:3])
            byte, piece, path = int(path[1:3], 16), path[:3].upper(), path[3:]
        if byte is None or byte < 0x80:
            pending.decode("utf-8")
            pending = b""
        else:
            pending += bytes([byte])
        if byte is not None and byte < 0x80:
            letter = chr(byte)
            if byte < 0x20 or byte == 0x7F or letter in FORBIDDEN:
                raise PathError(piece)
            piece = letter if letter in UNRESERVED else piece
            slash = slash or letter in "/\\"
        out += piece
    pending.decode("utf-8")
    return out, slash


def canonical(target: str) -> tuple[str, str, bool]:
    """Path, query, and whether an escaped slash was kept. Raises PathError."""
    path, _, query = target.partition("?")
    if any(not "!" <= letter <= "~" or letter == "#" for letter in query):
        raise PathError(query)
    if path == "":
        return "/", query, False
    if not path.startswith("/"):
        raise PathError(path)
    try:
        path, slash = escapes(path)
    except UnicodeDecodeError:
        raise PathError(path) from None
    parts = re.sub("/+", "/", path)[1:].split("/")
    kept: list[str] = []
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "..":
            kept = kept[:-1]
        if part not in (".", ".."):
            kept.append(part)
        elif last:
            kept.append("")
    return "/" + "/".join(kept), query, slash


# -- one route --
def path_fits(rule: Rule, path: str) -> bool:
    """Does the pattern match the whole path?"""
    if rule.kind == "exact":
        return path == rule.pattern
    if rule.kind == "prefix":
        prefix = rule.pattern.rstrip("/")
        return path == prefix or path.startswith(prefix + "/")
    return pattern_of(rule).fullmatch(path) is not None


def pattern_of(rule: Rule) -> re.Pattern[str]:
    """A wildcard as an expression: * is one segment, a last ** the rest."""
    if rule.kind == "regex":
        return re.compile(rule.pattern)
    out = ""
    for segment in rule.pattern.split("/")[1:]:
        out += {"*": "/([^/]+)", "**": "(?:/(.*))?"}.get(segment, "/" + re.escape(segment))
    return re.compile(out, re.S)


def host_fits(rule: Rule, host: str) -> bool:
    """Exact without case, or "*." and at least one label more."""
    pattern, host = rule.host.lower(), host.lower()
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return pattern in ("", host)


def match_fits(values: list[str], how: str, wanted: str) -> bool:
    """Does one of the values fit? Absent wants none at all."""
    if how == "absent":
        return not values
    tests = {
        "exact": lambda value: value == wanted,
        "prefix": lambda value: value.startswith(wanted),
        "contains": lambda value: wanted in value,
        "present": lambda value: True,
    }
    return any(tests[how](value) for value in values)


def fits_but_for_method(
    rule: Rule, path: str, query: str, host: str, headers: list[tuple[str, str]]
) -> bool:
    """Everything a route asks for except the method."""
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    return (
        path_fits(rule, path)
        and host_fits(rule, host)
        and all(
            match_fits([v for n, v in headers if n.lower() == name.lower()], how, value)
            for name, how, value in rule.headers
        )
        and all(
            match_fits([v for n, v in pairs if n == name], how, value)
            for name, how, value in rule.queries
        )
    )


# -- all routes --
KINDS = ("exact", "prefix", "wildcard", "regex")


def rank(rule: Rule) -> tuple[int, ...]:
    """Lower goes first; equal ranks go in the order of the list."""
    length = len(rule.pattern.rstrip("/")) if rule.kind == "prefix" else 0
    host = 0 if not rule.host else len(rule.host) if rule.host.startswith("*") else 1000
    return (
        rule.priority,
        KINDS.index(rule.kind),
        -length,
        -host,
        -int(bool(rule.methods)),
        -len(rule.headers),
        -len(rule.queries),
    )


def serves(rule: Rule, method: str) -> bool:
    """HEAD is served by what serves GET."""
    return (
        not rule.methods or method in rule.methods or (method == "HEAD" and "GET" in rule.methods)
    )


def route(
    rules: list[Rule],
    method: str,
    target: str,
    *,
    host: str = "",
    headers: list[tuple[str, str]] | None = None,
) -> Answer:
    """The answer to one request."""
    try:
        path, query, slash = canonical(target)
    except PathError:
        return Answer(400)
    known = [r for r in rules if fits_but_for_method(r, path, query, host, headers or [])]
    able = [rule for rule in known if serves(rule, method)]
    if not able:
        if slash:
            return Answer(400)
        allow = frozenset().union(*(rule.methods for rule in known))
        allow |= {"HEAD"} if "GET" in allow else set()
        return Answer(405 if allow else 404, allow=frozenset(allow))
    best = min(able, key=rank)
    if method == "HEAD" and best.methods and "HEAD" not in best.methods:
        same = [r for r in able if rank(r) == rank(best) and twin(r, best) and "HEAD" in r.methods]
        best = same[0] if same else best
    if slash and not best.allow_escapes:
        return Answer(400)
    captures = (
        tuple(found or "" for found in pattern_of(best).fullmatch(path).groups())
        if best.kind == "wildcard"
        else ()
    )
    return Answer(200, best.name, captures=captures)


def twin(a: Rule, b: Rule) -> bool:
    """The same pattern, so that nothing but the method and the matches can tell them apart."""
    strip = str.rstrip if a.kind == "prefix" else (lambda text, _: text)
    return a.host.lower() == b.host.lower() and strip(a.pattern, "/") == strip(b.pattern, "/")
