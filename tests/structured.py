# SPDX-License-Identifier: MIT
"""A strict reader of RFC 9651 lists whose items are strings and integers with parameters: what the
core writes into RateLimit fields, and the one way to write such a list. Anything else is a
ValueError."""

from __future__ import annotations

import re

Item = str | int
Member = tuple[Item, tuple[tuple[str, Item | bool], ...]]
KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
INTEGER = re.compile(r"-?[0-9]{1,15}(?![0-9.])")
STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')


def _item(text: str, at: int) -> tuple[Item, int]:
    if (found := STRING.match(text, at)) is not None:
        return re.sub(r"\\(.)", r"\1", found[1]), found.end()
    if (found := INTEGER.match(text, at)) is not None:
        return int(found[0]), found.end()
    raise ValueError(f"no string or integer at {at}: {text!r}")


def _member(text: str, at: int) -> tuple[Member, int]:
    value, at = _item(text, at)
    parameters: dict[str, Item | bool] = {}
    while text[at : at + 1] == ";":
        at += 1
        while text[at : at + 1] == " ":
            at += 1
        if (key := KEY.match(text, at)) is None:
            raise ValueError(f"no key at {at}: {text!r}")
        at = key.end()
        said: Item | bool = True
        if text[at : at + 1] == "=":
            said, at = _item(text, at + 1)
        parameters.pop(key[0], None)
        parameters[key[0]] = said
    return (value, tuple(parameters.items())), at


def read_list(text: str) -> list[Member]:
    """The members of a field's value. Raises ValueError."""
    text, out, at = text.strip(" "), [], 0
    while at < len(text):
        member, at = _member(text, at)
        out.append(member)
        if at == len(text):
            return out
        comma = re.compile(r"[ \t]*,[ \t]*").match(text, at)
        if comma is None or comma.end() == len(text):
            raise ValueError(f"no comma, or a last one, at {at}: {text!r}")
        at = comma.end()
    return out


def write_item(item: Item) -> str:
    """A string or an integer (RFC 9651 4.1.4, 4.1.6)."""
    if isinstance(item, str):
        if re.search(r"[^ -~]", item):
            raise ValueError(f"a string is printable ASCII: {item!r}")
        return '"' + re.sub(r'(["\\])', r"\\\1", item) + '"'
    if isinstance(item, bool) or not isinstance(item, int) or abs(item) >= 10**15:
        raise ValueError(f"an integer has 15 digits at most: {item!r}")
    return str(item)


def write_list(members: list[Member]) -> str:
    """The canonical form of a list (RFC 9651 4.1.1)."""
    return ", ".join(
        write_item(value) + "".join(
            f";{key}" if said is True else f";{key}={write_item(said)}" for key, said in more
        ) for value, more in members
    )  # fmt: skip
