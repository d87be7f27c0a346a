# SPDX-License-Identifier: MIT
"""Regular expressions of routes, compiled to DFA tables of a bounded size.

The core has no regular expression engine: it runs tables, one load a byte (ray/gateway.h has the
format). This module reads the dialect of docs/regex.md, builds the automaton (Thompson 1968, subset
construction), minimises it (Hopcroft 1971) and numbers states breadth-first by byte, so that equal
languages give equal bytes on every machine and hash seed. What is too large is refused, never cut.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from host_sim.regex_parse import Node, RegexError, parse

__all__ = ["MAGIC", "TABLE_BYTES", "Dfa", "RegexError", "compile_dfa", "compile_table"]

MAGIC = 0x31414644
TABLE_BYTES = 65_536
"""Bytes one table may take in the profiles seed and edge."""

STATE_MAX = 16_384
"""States looked at while building; minimising can only make fewer of them."""

NFA_MAX = 65_536
"""States of the intermediate automaton, which counted repetitions multiply."""

STEP_MAX = 4_000_000
"""Moves looked at while building, so that no expression takes more than a few seconds."""

_HEADER = struct.Struct("<IIHHI")


@dataclass(frozen=True)
class Dfa:
    """A minimal automaton over bytes. State 0 is dead, state 1 starts."""

    class_of: bytes
    """Byte to class, 256 entries."""
    accepting: tuple[bool, ...]
    """By state."""
    next: tuple[tuple[int, ...], ...]
    """Next state, by state and class."""

    def matches(self, text: bytes) -> bool:
        """Whether the automaton accepts exactly `text`; the reference for ray_gateway_run_table."""
        state = 1
        for byte in text:
            state = self.next[state][self.class_of[byte]]
        return self.accepting[state]

    def table(self) -> bytes:
        """The table as ray/gateway.h lays it out, little-endian, a multiple of 8 bytes."""
        states, classes = len(self.next), len(self.next[0])
        bits = bytearray((states + 63) // 64 * 8)
        for state, accepts in enumerate(self.accepting):
            bits[state // 8] |= accepts << state % 8
        cells = b"".join(struct.pack(f"<{classes}H", *row) for row in self.next)
        cells += bytes(-len(cells) % 8)
        length = _HEADER.size + 256 + len(bits) + len(cells)
        header = _HEADER.pack(MAGIC, length, states, classes, 0)
        return header + self.class_of + bytes(bits) + cells

    def table_bytes(self) -> int:
        """How long `table` is."""
        states, classes = len(self.next), len(self.next[0])
        return _HEADER.size + 256 + (states + 63) // 64 * 8 + (2 * states * classes + 7) // 8 * 8


def compile_table(pattern: str, *, table_bytes: int = TABLE_BYTES) -> bytes:
    """The table of `pattern`, anchored at both ends, at most `table_bytes` long.

    RegexError (a ValueError) says what is wrong and where, or how large the table would be.
    """
    dfa = compile_dfa(pattern)
    if dfa.table_bytes() > table_bytes or len(dfa.next) > 65_535:
        raise RegexError(
            f"its table takes {dfa.table_bytes()} bytes, at most {table_bytes} are allowed; "
            "use fewer counted repetitions or a wildcard"
        )
    return dfa.table()


def compile_dfa(pattern: str) -> Dfa:
    """The minimal automaton of `pattern`; RegexError when it does not parse or grows too large."""
    nfa = _Nfa()
    nfa.build(parse(pattern))
    class_of, samples = _byte_classes(nfa.sets)
    rows, accepting = _determinise(nfa, samples)
    return _numbered(class_of, *_minimise(rows, accepting))


# -- Thompson's construction --
_BEGIN, _END = "begin", "end"


class _Nfa:
    """States are numbers. From each: at most one set of bytes, or free moves, some only at an end
    of the text."""

    def __init__(self) -> None:
        self.sets: list[frozenset[int]] = []
        self._set_numbers: dict[frozenset[int], int] = {}
        self.move: list[tuple[int, int] | None] = []
        self.free: list[list[tuple[int, str]]] = []
        self.start = self.final = 0
        self.steps = 0

    def build(self, node: Node) -> None:
        """Adds the automaton of `node` between `start` and `final`."""
        self.start, self.final = self._state(), self._state()
        self._add(node, self.start, self.final)

    def _state(self) -> int:
        if len(self.move) >= NFA_MAX:
            raise RegexError("it is too large: its counted repetitions multiply")
        self.move.append(None)
        self.free.append([])
        return len(self.move) - 1

    def _set_number(self, members: frozenset[int]) -> int:
        number = self._set_numbers.setdefault(members, len(self.sets))
        if number == len(self.sets):
            self.sets.append(members)
        return number

    def _add(self, node: Node, start: int, end: int) -> None:
        if node.kind == "set":
            here = self._state()
            self.free[start].append((here, ""))
            self.move[here] = (self._set_number(node.members), end)
        elif node.kind in (_BEGIN, _END):
            self.free[start].append((end, node.kind))
        elif node.kind == "sequence":
            for part in node.parts[:-1]:
                middle = self._state()
                self._add(part, start, middle)
                start = middle
            if node.parts:
                self._add(node.parts[-1], start, end)
            else:
                self.free[start].append((end, ""))
        elif node.kind == "choice":
            for part in node.parts:
                self._add(part, start, end)
        else:
            self._add_repeat(node, start, end)

    def _add_repeat(self, node: Node, start: int, end: int) -> None:
        (part,) = node.parts
        for _ in range(node.least):
            middle = self._state()
            self._add(part, start, middle)
            start = middle
        if node.most is None:
            loop = self._state()
            self.free[start].append((loop, ""))
            again = self._state()
            self._add(part, loop, again)
            self.free[again].append((loop, ""))
            self.free[loop].append((end, ""))
            return
        self.free[start].append((end, ""))
        for _ in range(node.most - node.least):
            middle = self._state()
            self._add(part, start, middle)
            self.free[middle].append((end, ""))
            start = middle

    def closure(self, states: Iterable[int], *, allowed: frozenset[str]) -> frozenset[int]:
        """Every state reached from `states` by free moves whose condition is among `allowed`."""
        seen = set(states)
        todo = list(seen)
        while todo:
            self.steps += 1
            for target, condition in self.free[todo.pop()]:
                if condition in allowed and target not in seen:
                    seen.add(target)
                    todo.append(target)
        return frozenset(seen)


def _byte_classes(sets: list[frozenset[int]]) -> tuple[bytes, list[int]]:
    """Bytes that no set tells apart share a class; classes are numbered by their first byte, which
    is returned as its sample."""
    numbers: dict[tuple[bool, ...], int] = {}
    samples: list[int] = []
    class_of = bytearray(256)
    for byte in range(256):
        number = numbers.setdefault(tuple(byte in members for members in sets), len(numbers))
        if number == len(samples):
            samples.append(byte)
        class_of[byte] = number
    return bytes(class_of), samples


# -- subset construction --
_FREE = frozenset({""})


def _determinise(nfa: _Nfa, samples: list[int]) -> tuple[list[list[int]], list[bool]]:
    """Rows of next states by class, and which states accept. State 0 is empty, 1 the start."""
    steps = [
        (frozenset(k for k, members in enumerate(nfa.sets) if sample in members))
        for sample in samples
    ]
    start = nfa.closure([nfa.start], allowed=_FREE | {_BEGIN})
    numbers: dict[frozenset[int], int] = {frozenset(): 0}
    order: list[frozenset[int]] = [frozenset(), start]
    at_end = _FREE | {_END}
    accepting = [False, nfa.final in nfa.closure(start, allowed=at_end | {_BEGIN})]
    # A text's first state may have passed a '^'; it is left for good with the first byte.
    rows: list[list[int]] = [[0] * len(samples)]
    for here in range(1, STATE_MAX + 1):
        if here == len(order):
            return rows, accepting
        if nfa.steps + here * len(samples) > STEP_MAX:
            raise RegexError("it takes too long to build; use fewer counted repetitions")
        moves = [move for state in sorted(order[here]) if (move := nfa.move[state]) is not None]
        row = []
        for step in steps:
            reached = nfa.closure((to for number, to in moves if number in step), allowed=_FREE)
            place = numbers.setdefault(reached, len(order))
            if place == len(order):
                order.append(reached)
                accepting.append(nfa.final in nfa.closure(reached, allowed=at_end))
            row.append(place)
        rows.append(row)
    raise RegexError(f"its automaton has more than {STATE_MAX} states; simplify it")


# -- Hopcroft's minimisation --
def _minimise(rows: list[list[int]], accepting: list[bool]) -> tuple[list[list[int]], list[bool]]:
    """States that no text tells apart become one; 0 stays dead and 1 stays the start. A start that
    accepts nothing at all keeps a state of its own, because 0 and 1 are different by format."""
    block_of = _blocks(rows, accepting)
    if block_of[1] == block_of[0]:
        width = len(rows[0])
        return [[0] * width, [0] * width], [False, False]
    number: dict[int, int] = {}
    first: list[int] = []
    for state, block in enumerate(block_of):
        if block not in number:
            number[block] = len(first)
            first.append(state)
    place = [number[block] for block in block_of]
    return [[place[to] for to in rows[state]] for state in first], [
        accepting[state] for state in first
    ]


def _blocks(rows: list[list[int]], accepting: list[bool]) -> list[int]:
    """By state, which block of the coarsest partition it is in (Hopcroft 1971). The partition is
    unique, so the order in which splitters are taken shows nowhere but in the blocks' numbers."""
    into: list[dict[int, list[int]]] = [{} for _ in rows[0]]
    for state, row in enumerate(rows):
        for column, to in enumerate(row):
            into[column].setdefault(to, []).append(state)
    block_of = [int(accepts) for accepts in accepting]
    blocks = [{s for s, block in enumerate(block_of) if block == b} for b in (0, 1)]
    waiting = [1 if len(blocks[1]) <= len(blocks[0]) else 0]
    queued = set(waiting)
    while waiting:
        taken = waiting.pop()
        queued.discard(taken)
        splitter = tuple(blocks[taken])
        for by_target in into:
            touched: dict[int, set[int]] = {}
            for to in splitter:
                for state in by_target.get(to, ()):
                    touched.setdefault(block_of[state], set()).add(state)
            for block, inside in touched.items():
                if len(inside) == len(blocks[block]):
                    continue
                fresh = len(blocks)
                blocks[block] -= inside
                blocks.append(inside)
                for state in inside:
                    block_of[state] = fresh
                smaller = fresh if len(inside) <= len(blocks[block]) else block
                add = fresh if block in queued else smaller
                waiting.append(add)
                queued.add(add)
    return block_of


def _numbered(class_of: bytes, rows: list[list[int]], accepting: list[bool]) -> Dfa:
    """States breadth-first by byte, classes merged and numbered by their first byte."""
    number = {0: 0, 1: 1}
    order = [0, 1]
    at = 1
    while at < len(order):
        for byte in range(256):
            target = rows[order[at]][class_of[byte]]
            if target not in number:
                number[target] = len(number)
                order.append(target)
        at += 1
    columns: dict[tuple[int, ...], int] = {}
    merged = bytearray(256)
    for byte in range(256):
        column = tuple(number[rows[state][class_of[byte]]] for state in order)
        merged[byte] = columns.setdefault(column, len(columns))
    states = tuple(zip(*columns, strict=True))
    return Dfa(bytes(merged), tuple(accepting[state] for state in order), states)
