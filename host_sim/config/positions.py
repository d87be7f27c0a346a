# SPDX-License-Identifier: MIT
"""Where every key and value of a TOML file stands, by tree-sitter; values themselves come from
tomllib."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

import tree_sitter
import tree_sitter_toml

from host_sim.config.diagnostics import Diagnostic

Path = tuple[str | int, ...]
Place = tuple[int, int]
_VALUES = {
    "string",
    "integer",
    "float",
    "boolean",
    "offset_date_time",
    "local_date_time",
    "local_date",
    "local_time",
    "array",
    "inline_table",
}


@dataclass
class Positions:
    """Line and column of keys and values by their path, for example ("limit", 2, "rate")."""

    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)

    def of_key(self, path: Path) -> Place:
        """Where the key is written; of the nearest table that holds it when it is absent."""
        return self._climb(self.keys, self.values, path)

    def of_value(self, path: Path) -> Place:
        """Where the value is written; of the nearest table that holds it when it is absent."""
        return self._climb(self.values, self.keys, path)

    @staticmethod
    def _climb(first: dict[Path, Place], second: dict[Path, Place], path: Path) -> Place:
        for length in range(len(path), 0, -1):
            place = first.get(path[:length]) or second.get(path[:length])
            if place is not None:
                return place
        return (1, 1)


Reading = tuple[dict[str, Any] | None, Positions, list[Diagnostic]]


class _Walker:
    """One pass over the syntax tree: positions, duplicate keys, and pieces that do not parse."""

    def __init__(self, source: bytes) -> None:
        self.lines = source.split(b"\n")
        self.positions = Positions()
        self.findings: list[Diagnostic] = []
        self.lengths: dict[Path, int] = {}
        self.tables: set[Path] = set()

    def place(self, node: tree_sitter.Node) -> Place:
        """tree-sitter counts bytes; an editor shows characters."""
        row, column = node.start_point
        return row + 1, len(self.lines[row][:column].decode("utf-8", "replace")) + 1

    def words(self, node: tree_sitter.Node) -> list[tuple[str, Place]]:
        """The parts of a key, quotes resolved."""
        if node.type == "dotted_key":
            return [word for child in node.named_children for word in self.words(child)]
        text = (node.text or b"").decode("utf-8", "replace")
        if node.type == "quoted_key":
            try:
                text = str(tomllib.loads(f"x={text}")["x"])
            except tomllib.TOMLDecodeError:
                text = text.strip("\"'")
        return [(text, self.place(node))]

    def resolve(self, parts: list[str]) -> Path:
        """The path a header means: below an array of tables, its last element."""
        path: Path = ()
        for part in parts:
            path = (*path, part)
            if path in self.lengths:
                path = (*path, self.lengths[path] - 1)
        return path

    def key(self, base: Path, words: list[tuple[str, Place]]) -> Path:
        path = base
        for word, place in words:
            path = (*path, word)
            self.positions.keys.setdefault(path, place)
        return path

    def pair(self, node: tree_sitter.Node, base: Path) -> None:
        children = [child for child in node.named_children if not child.is_error]
        if not children or children[0].type not in ("bare_key", "quoted_key", "dotted_key"):
            return
        words = self.words(children[0])
        path = base + tuple(word for word, _ in words)
        if path in self.positions.values:
            line, column = words[0][1]
            first = self.positions.values[path][0]
            self.findings.append(
                Diagnostic(
                    line,
                    column,
                    "duplicate-key",
                    f'"{path[-1]}" is written twice, first in line {first}; remove one',
                )
            )
        self.key(base, words)
        if len(children) > 1 and children[1].type in _VALUES:
            self.value(children[1], path)

    def value(self, node: tree_sitter.Node, path: Path) -> None:
        self.positions.values.setdefault(path, self.place(node))
        if node.type == "inline_table":
            for child in node.named_children:
                if child.type == "pair":
                    self.pair(child, path)
        elif node.type == "array":
            items = [child for child in node.named_children if child.type in _VALUES]
            for index, child in enumerate(items):
                self.value(child, (*path, index))

    def table(self, node: tree_sitter.Node) -> None:
        header = next(
            (
                child
                for child in node.named_children
                if child.type in ("bare_key", "quoted_key", "dotted_key")
            ),
            None,
        )
        if header is None:
            return
        words = self.words(header)
        names = [word for word, _ in words]
        path = (*self.resolve(names[:-1]), names[-1])
        place = self.place(header)
        if node.type == "table_array_element":
            index = self.lengths.get(path, 0)
            self.lengths[path] = index + 1
            self.positions.keys.setdefault(path, place)
            path = (*path, index)
        elif path in self.tables:
            self.findings.append(
                Diagnostic(
                    *place,
                    "duplicate-key",
                    f"table [{'.'.join(names)}] is written twice; join the two",
                )
            )
        self.tables.add(path)
        self.positions.keys.setdefault(path, place)
        for length in range(1, len(path)):
            self.positions.keys.setdefault(path[:length], place)
        for child in node.named_children:
            if child.type == "pair":
                self.pair(child, path)

    def broken(self, root: tree_sitter.Node) -> None:
        """Every place tree-sitter could not read; deep trees are walked without recursion."""
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if node.is_missing or node.is_error:
                line, column = self.place(node)
                text = (node.text or b"").decode("utf-8", "replace").split("\n")[0][:40]
                what = (
                    f"{node.type} is missing here" if node.is_missing else f"cannot read {text!r}"
                )
                self.findings.append(
                    Diagnostic(line, column, "syntax", f"{what}; correct the TOML")
                )
            elif node.has_error:
                waiting.extend(node.children)


def _parse_error(error: tomllib.TOMLDecodeError, text: str) -> Diagnostic:
    found = re.fullmatch(
        r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL
    )
    message = found.group(1) if found else str(error)
    if found and found.group(2):
        line, column = int(found.group(2)), int(found.group(3))
    else:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    return Diagnostic(line, column, "syntax", f"{message}; correct the TOML")


def _refused(line: int, column: int, message: str) -> Reading:
    return None, Positions(), [Diagnostic(line, column, "syntax", message)]


def read(source: bytes) -> Reading:
    """Values, positions and every syntax finding of a file; values are None when it is no TOML."""
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        column = error.start - source[: error.start].rfind(b"\n")
        return _refused(line, column, "not UTF-8; save the file as UTF-8")
    if text.startswith("\ufeff"):
        return _refused(1, 1, "the file starts with a byte order mark; save it without")
    try:
        return _read_text(source, text)
    except RecursionError:
        return _refused(1, 1, "nested too deep; nothing raygate knows is deeper than six levels")


def _read_text(source: bytes, text: str) -> Reading:
    walker = _Walker(source)
    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language())).parse(source)
    values: dict[str, Any] | None = None
    findings: list[Diagnostic] = []
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        findings.append(_parse_error(error, text))
    for node in tree.root_node.named_children:
        if node.type == "pair":
            walker.pair(node, ())
        elif node.type in ("table", "table_array_element"):
            walker.table(node)
    if values is not None:
        return values, walker.positions, []
    walker.broken(tree.root_node)
    lines = {found.line for found in walker.findings}
    findings = [found for found in findings if found.line not in lines] + walker.findings
    return None, walker.positions, sorted(set(findings))
