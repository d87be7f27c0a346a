# SPDX-License-Identifier: MIT
"""The form every request path has by the time a route is looked up (ray/gateway.h, rules), for
patterns.

A pattern that is not in that form could never match, so it is refused with the form that can.
"""

from __future__ import annotations

import re

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_REFUSED = {ord("%"): "%25", ord("#"): "%23", ord("?"): "%3F", ord(";"): "%3B"}
_ESCAPED_SLASH = {ord("/"): "%2F", ord("\\"): "%5C"}


class PathError(ValueError):
    """A path no request can have, with the reason."""


def canonical(path: str, *, allow_escapes: bool = False) -> str:
    """The path as requests are matched: escapes decoded or in upper case, slashes merged, dot
    segments removed."""
    if not path.startswith("/"):
        raise PathError('it must start with "/"')
    for letter in path:
        if not "!" <= letter <= "~" or letter in "#?":
            raise PathError(
                f"{letter!r} cannot stand in a path; escape it as %XX"
                if letter not in "#?"
                else f'"{letter}" ends a path; use queries = {{ ... }} for parameters'
            )
    return _without_dots(re.sub("/{2,}", "/", _unescaped(path, allow_escapes)))


def _unescaped(path: str, allow_escapes: bool) -> str:
    out, decoded, index = "", bytearray(), 0
    while index < len(path):
        if path[index] != "%":
            out, index = out + path[index], index + 1
            decoded += b"."
            continue
        digits = path[index + 1 : index + 3]
        if not re.fullmatch("[0-9A-Fa-f]{2}", digits):
            raise PathError(f'"%{digits}" is no escape; write % and two hexadecimal digits')
        byte, index = int(digits, 16), index + 3
        if (
            byte < 0x20
            or byte == 0x7F
            or byte in _REFUSED
            or (byte in _ESCAPED_SLASH and not allow_escapes)
        ):
            raise PathError(
                f'requests with "%{digits.upper()}" are refused before any route is looked at'
                + ("; set allow_escapes = true to let it pass" if byte in _ESCAPED_SLASH else "")
            )
        decoded.append(byte if byte >= 0x80 else ord("."))
        out += chr(byte) if byte in _UNRESERVED else f"%{byte:02X}"
    try:
        decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise PathError("its escapes are not UTF-8") from None
    return out


def _without_dots(path: str) -> str:
    segments: list[str] = []
    parts = path.split("/")[1:]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part in (".", ".."):
            if part == ".." and segments:
                segments.pop()
            if last:
                segments.append("")
        else:
            segments.append(part)
    return "/" + "/".join(segments)
