# SPDX-License-Identifier: MIT
"""What two configuration files say differently: items by name, keys with both values."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Tables that are one thing each; every other table of tables is a collection of named items.
SINGLE = ("trust", "headers", "defaults", "queue", "policies", "billing")

Item = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Edit:
    """One difference. `what` is "added", "removed", "changed" or "order".

    `item` names the thing (`limit per-address`, `timezone`); `key` is dotted and empty where the
    whole item came or went. A value is written as in TOML and None where that file has none.
    """

    what: str
    item: str
    key: str = ""
    old: str | None = None
    new: str | None = None

    def text(self) -> str:
        """One line: `limit per-address: rate "12/min" -> "6/min"`."""
        if self.what in ("added", "removed") and not self.key:
            return f"{self.item}: {self.what}"
        if self.what == "order":
            return f"{self.item}: another order, {self.old} -> {self.new}"
        key = f"{self.key} " if self.key else ""
        return f"{self.item}: {key}{self.old or '(not said)'} -> {self.new or '(not said)'}"


def compare(old: bytes, new: bytes) -> tuple[Edit, ...]:
    """Every difference of two TOML texts that are known to be valid, in the order of the new file;
    what was removed stands where it was."""
    before, after = tomllib.loads(old.decode()), tomllib.loads(new.decode())
    edits: list[Edit] = []
    for section in merged(list(before), list(after)):
        if section == "test":
            continue  # expectations decide nothing
        edits += _section(section, before.get(section), after.get(section))
    return tuple(edits)


def merged(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """The names of both: the new ones in their order, each removed one behind the one it was
    behind."""
    out = list(new)
    for place, name in enumerate(old):
        if name not in new:
            before = next((one for one in reversed(old[:place]) if one in out), None)
            out.insert(0 if before is None else out.index(before) + 1, name)
    return out


def _section(name: str, old: Any, new: Any) -> Iterator[Edit]:
    sides = [side for side in (old, new) if side is not None]
    if all(_is_rows(side) for side in sides):
        yield from _items(name, _named(old or []), _named(new or []))
    elif name not in SINGLE and all(_is_tables(side) for side in sides):
        yield from _items(name, old or {}, new or {})
    else:
        tables = [side if isinstance(side, dict) else {} if side is None else {"": side}
                  for side in (old, new)]
        yield from _keys(name, tables[0], tables[1])


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _is_tables(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(row, dict) for row in value.values())


def _named(rows: Sequence[Item]) -> dict[str, Item]:
    """Rows by their name; those without one by what they say, a repeated one with its number."""
    out: dict[str, Item] = {}
    for row in rows:
        name = str(row.get("name") or f"when {written(row.get('when', row))}")
        number, free = 1, name
        while free in out:
            number += 1
            free = f"{name} #{number}"
        out[free] = row
    return out


def _items(section: str, old: Mapping[str, Item], new: Mapping[str, Item]) -> Iterator[Edit]:
    for name in merged(list(old), list(new)):
        label = f"{section} {name}"
        if name not in old:
            yield Edit("added", label, new=written(new[name]))
        elif name not in new:
            yield Edit("removed", label, old=written(old[name]))
        else:
            yield from _keys(label, old[name], new[name])
    kept = [[name for name in side if name in old and name in new] for side in (old, new)]
    if kept[0] != kept[1]:
        moved = [[n for n, m in zip(side, other, strict=True) if n != m]
                 for side, other in (kept, reversed(kept))]
        yield Edit("order", section, old=", ".join(moved[0]), new=", ".join(moved[1]))


def _keys(item: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Edit]:
    before, after = dict(_flat(old)), dict(_flat(new))
    for key in merged(list(before), list(after)):
        one, other = before.get(key), after.get(key)
        if one != other:
            yield Edit("changed", item, key, one, other)


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, written(value)


def written(value: Any) -> str:
    """A value on one line, as TOML has it."""
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {written(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
