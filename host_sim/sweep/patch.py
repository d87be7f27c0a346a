# SPDX-License-Identifier: MIT
"""One value of a configuration by its dotted path: found, changed, written as TOML again.

A path names tables by their keys and the rows of a list by their `name`: `limit.api.rate`,
`quota.daily.limit`, `queue.service.orders.servers`, `defaults.no_route`.
"""

from __future__ import annotations

import copy
import datetime
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from host_sim.config.diagnostics import did_you_mean, some
from host_sim.sweep.grid import Value

Place = tuple[Any, str]


class PatchError(ValueError):
    """A path that leads nowhere; says what there is."""


def value_at(document: Mapping[str, Any], path: str) -> Value | None:
    """What stands there now; None where the key is absent. PatchError for a path into nothing, to
    a table, or to a row's name, which decides nothing."""
    holder, key = _place(document, path)
    if key == "name" and isinstance(holder.get(key), str):
        raise PatchError(f"{path}: a name decides nothing; vary one of {_inside(holder)}")
    found = holder.get(key)
    if isinstance(found, dict | list):
        raise PatchError(_too_short(path, found))
    return found if found is None or isinstance(found, bool | int | str) else str(found)


def patched(document: Mapping[str, Any], changes: Iterable[tuple[str, Value]]) -> dict[str, Any]:
    """A copy with these values; the document stays."""
    made = copy.deepcopy(dict(document))
    for path, value in changes:
        holder, key = _place(made, path)
        holder[key] = value
    return made


def _place(document: Any, path: str) -> Place:
    """The table that holds the last word, and that word. Names may have dots in them: the longest
    that there is wins."""
    words, node, done = path.split("."), document, 0
    while True:
        left = words[done:]
        if isinstance(node, dict) and (len(left) == 1 or ".".join(left) in node):
            return node, ".".join(left)
        for length in range(len(left) - 1, 0, -1):
            inner = _child(node, ".".join(left[:length]))
            if inner is not None:
                node, done = inner, done + length
                break
        else:
            where = ".".join(words[:done]) or "the file"
            if left[0] in _known(node):
                raise PatchError(
                    _too_short(path, inner) if (inner := _child(node, left[0])) else
                    f"{path}: {'.'.join(words[:done + 1])} is a value, nothing is in it")
            raise PatchError(f"{path}: {where} has no {left[0]!r}; "
                             f"{did_you_mean(left[0], _known(node), what='such thing')}")


def _too_short(path: str, node: Any) -> str:
    return f"{path} is no single value: write {path}. and one of {_inside(node)}"


def _inside(node: Any) -> str:
    return some([name for name in _known(node) if name != "name"])


def _child(node: Any, name: str) -> Any:
    if isinstance(node, dict):
        inner = node.get(name)
        return inner if isinstance(inner, dict | list) else None
    rows = [row for row in node if isinstance(row, dict) and row.get("name") == name]
    return rows[0] if rows else None


def _known(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [str(key) for key in node]
    return [str(row["name"]) for row in node if isinstance(row, dict) and "name" in row]


# -- TOML again ------------------------------------------------------------------------------------
def dumped(document: Mapping[str, Any]) -> str:
    """The document as TOML that reads as the same: a line a table, everything inside in line."""
    return "".join(f"{_key(key)} = {_text(value)}\n" for key, value in document.items())


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(key)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_text(inner)}" for key, inner in value.items()) + (
            " }" if value else "}")
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return repr(value)
