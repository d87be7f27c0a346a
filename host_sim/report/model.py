# SPDX-License-Identifier: MIT
"""What a report says, apart from how it is shown: a headline, figures, tables and charts.

A replay, a plan, a simulation, a recommendation and a sweep each make one `Report`; the terminal
and the HTML page show the same one. Numbers stay integers in base units (ns, ppm, 10^-9 of money)
until they are shown: a cell's column says its unit.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence


class Unit(enum.Enum):
    """What a number is, and so how it is written."""

    TEXT = "text"
    COUNT = "count"          # 1,234
    PPM = "ppm"              # parts per million, shown as a percentage
    DURATION = "duration"    # nanoseconds
    INSTANT = "instant"      # Unix nanoseconds, shown as ISO 8601 UTC
    MONEY = "money"          # signed, 10^-9 units
    BYTES = "bytes"
    RATE = "rate"            # per second, times 1000


Cell = str | int | None     # None: nothing to say, shown as -


@dataclasses.dataclass(frozen=True)
class Column:
    """A table's column; numbers go to the right. `bar` draws a bar as long as the number, in the
    colour of harm where `bad`."""

    title: str
    unit: Unit = Unit.TEXT
    bar: bool = False
    bad: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells under columns. `note` says below it what a reader must know."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    more: int = 0            # rows that exist and are left out


class Mark(enum.Enum):
    """How a series is drawn."""

    LINE = "line"
    STEP = "step"            # holds its value until the next
    STACK = "stack"          # areas on top of one another, in the order given
    BAR = "bar"
    POINT = "point"


@dataclasses.dataclass(frozen=True)
class Series:
    """One named line of a chart: y where x is; None is a gap."""

    name: str
    xs: Sequence[int]
    ys: Sequence[int | None]
    mark: Mark = Mark.LINE
    bad: bool = False        # drawn in the colour of harm


@dataclasses.dataclass(frozen=True)
class Line:
    """A level to compare with: a bound, a limit, a promise."""

    name: str
    at: int
    vertical: bool = False   # at an x: an instant, a chosen value


@dataclasses.dataclass(frozen=True)
class Chart:
    """Series over one x. `note` says below it what a reader must know; `brief` draws it lower.
    Without `from_zero` y begins at the lowest value, where differences matter and not sizes."""

    title: str
    x: Column
    y: Column
    series: tuple[Series, ...]
    lines: tuple[Line, ...] = ()
    note: str = ""
    brief: bool = False
    from_zero: bool = True


@dataclasses.dataclass(frozen=True)
class Text:
    """Preformatted lines: an explanation, a part of a file, an error."""

    title: str
    lines: tuple[str, ...]
    note: str = ""


Section = Table | Chart | Text


@dataclasses.dataclass(frozen=True)
class Fact:
    """One figure beside the headline. `bad` marks harm."""

    label: str
    value: Cell
    unit: Unit = Unit.TEXT
    bad: bool = False


@dataclasses.dataclass(frozen=True)
class Report:
    """One document. `trust` says in sentences how far it can be believed; `proof` names the
    hashes, the seed and the digests every number can be traced to."""

    title: str               # "plan old.toml > new.toml"
    headline: str            # one sentence a stranger understands
    facts: tuple[Fact, ...] = ()
    sections: tuple[Section, ...] = ()
    trust: tuple[str, ...] = ()
    proof: tuple[tuple[str, str], ...] = ()
