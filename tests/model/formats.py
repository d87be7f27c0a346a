# SPDX-License-Identifier: MIT
"""JSON as the reference parser reads it, with the strictness of the core on top; and what two
protobuf messages one behind the other mean."""
import json
import re
from typing import Any

DEPTH_MAX = 32
Part = tuple[str, str | None, str | None, bytes]  # name, filename, content type, content


def no_constant(word: str) -> Any:
    raise ValueError(word)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a member twice")
    return made


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


def accepts(body: bytes) -> bool:
    """Is it one JSON text that the core lets through?"""
    try:
        text = body.decode()
        if text.startswith("\ufeff"):
            return False
        value = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant,
                           parse_int=str, parse_float=str)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be told
    except (ValueError, RecursionError):
        return False
    return depth_of(value) <= DEPTH_MAX and not re.search(r"^\s*$", text)


def merged(one: Any, two: Any) -> Any:
    """Two encodings one behind the other: of a scalar the last counts, items are appended,
    messages merge (protobuf, "Encoding": Last One Wins)."""
    if isinstance(one, dict) and isinstance(two, dict):
        both = {name: merged(one[name], two[name]) for name in one if name in two}
        return {**one, **two, **both}
    return [*one, *two] if isinstance(one, list) and isinstance(two, list) else two


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def multipart(parts: list[Part], boundary: bytes) -> bytes:
    """A multipart/form-data body (RFC 7578)."""
    out = b""
    for name, filename, kind, content in parts:
        head = f"Content-Disposition: form-data; name={quoted(name)}"
        head += f"; filename={quoted(filename)}" if filename is not None else ""
        head += f"\r\nContent-Type: {kind}" if kind is not None else ""
        out += b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, head.encode(), content)
    return out + b"--%s--\r\n" % boundary


TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
VALUE = TOKEN + rb'|"(?:[^"\\]|\\.)*"'
PARAMETER = re.compile(rb"[ \t]*;[ \t]*(?:(%b)=(%b))?" % (TOKEN, VALUE), re.DOTALL)
PART = re.compile(rb"[ \t]*\r\n((?:%b:[\t -~\x80-\xff]*\r\n)*)\r\n(.*)" % TOKEN, re.DOTALL)
CLOSE = re.compile(rb"--[ \t]*(?:\r\n.*)?", re.DOTALL)


def parameters(value: bytes) -> tuple[bytes, list[tuple[bytes, bytes]] | None]:
    """The word before the parameters, and them; None when one is malformed."""
    word, at = re.match(rb"[^;]*", value, re.DOTALL)[0], 0  # type: ignore[index]
    at, found = len(word), []
    while at < len(value):
        one = PARAMETER.match(value, at)
        if one is None:
            return word.strip(b" \t"), None if value[at:].strip(b" \t") else found
        at = one.end()
        if one[1] is not None:
            found.append((one[1].lower(), one[2]))
    return word.strip(b" \t"), found


def is_part(piece: bytes) -> bool:
    """Is what stands between two delimiters one part of a form?"""
    found = PART.fullmatch(piece)
    if found is None or len(found[1]) > 4094:
        return False
    fields: dict[bytes, bytes] = {}
    for line in found[1].split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        if name.lower() in fields and name.lower().startswith(b"content-"):
            return False
        fields.setdefault(name.lower(), value.strip(b" \t"))
    word, said = parameters(fields.get(b"content-disposition", b""))
    names = [name for name, _ in said or []]
    try:
        found[1].decode()
    except UnicodeDecodeError:
        return False
    return (word.lower() == b"form-data" and said is not None and names.count(b"name") == 1
            and names.count(b"filename") <= 1 and not any(b"*" in name for name in names)
            and not fields.get(b"content-type", b"").lower().startswith(b"multipart/"))


def divides(body: bytes, boundary: bytes) -> bool:
    """Does the boundary divide the body into parts of a form, all of it, in one way only?
    Content-Transfer-Encoding and _charset_ are not looked at."""
    while body.startswith(b"\r\n"):
        body = body[2:]
    first, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if first or not pieces or len(pieces) > 65 or CLOSE.fullmatch(pieces[-1]) is None:
        return False
    return all(is_part(piece) for piece in pieces[:-1])
