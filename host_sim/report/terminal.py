# SPDX-License-Identifier: MIT
"""A report on the terminal: rich tables, and sparklines in place of charts.

What is written is ASCII without control sequences unless the caller says that the other side takes
more, so it can be piped, compared and kept.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text as Words

from host_sim.printing import printable
from host_sim.report import units
from host_sim.report.model import Chart, Column, Fact, Mark, Report, Series, Table, Text, Unit

HARM, MUTED, STRONG = "red", "dim", "bold"
ASCII_LEVELS, BLOCK_LEVELS = " .:-=+*#", " ▁▂▃▄▅▆▇█"
BAR_COLUMNS, AREA_ROWS, BRIEF_ROWS, FACT_COLUMNS = 12, 4, 2, 32
WIDTH_MIN, SPARK_MAX, UNBROKEN, TEXT_MIN = 40, 120, 24, 12
HASH_COLUMNS = 64
COLUMNS_DIGITS = 4  # more of them are no width
HEAD = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def text(report: Report, *, width: int = 100, color: bool = False, blocks: bool = False) -> str:
    """The report in lines of at most `width` columns, at least 40.

    `color` allows ANSI sequences, `blocks` the eight block characters beyond ASCII. The same
    report and arguments give the same text.
    """
    width = max(width, WIDTH_MIN)
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, no_color=not color, highlight=False,
        markup=False, emoji=False, legacy_windows=False, soft_wrap=False,
        color_system="standard" if color else None, _environ={})
    _Page(console, width, blocks).report(report)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def show(report: Report, stream: TextIO) -> None:
    """Writes the report as `stream` can take it: colour and its width on a terminal, block
    characters where its encoding has them. NO_COLOR is obeyed, and where it is no terminal
    COLUMNS."""
    terminal = stream.isatty()
    told = os.environ.get("COLUMNS", "")
    width = int(told) if told.isdecimal() and len(told) <= COLUMNS_DIGITS else 100
    if terminal:
        width = os.get_terminal_size(stream.fileno()).columns
    try:
        BLOCK_LEVELS.encode(stream.encoding or "ascii")
        blocks = terminal
    except (LookupError, UnicodeEncodeError):
        blocks = False
    color = terminal and not os.environ.get("NO_COLOR")
    stream.write(text(report, width=width or 100, color=color, blocks=blocks))


def extent(values: Iterable[int | None], *, from_zero: bool = True) -> tuple[int, int]:
    """The lowest and the highest value, 0 among them unless it is left out."""
    numbers = [*[0] * from_zero, *(value for value in values if value is not None)] or [0]
    return min(numbers), max(numbers)


def spark(values: Sequence[int | None], *, blocks: bool = False, rows: int = 1,
          within: tuple[int, int] | None = None) -> list[str]:
    """Lines from the top down, a column each value, as high as `within` or the values' own extent
    says. What is not the lowest shows as something."""
    levels = BLOCK_LEVELS if blocks else ASCII_LEVELS
    steps = len(levels) - 1
    low, most = extent(values) if within is None else within
    most -= low
    heights = [0 if v is None or v == low or not most else
               max(1, (v - low) * steps * rows // most) for v in values]
    return ["".join(levels[min(steps, max(0, height - row * steps))] for height in heights)
            for row in range(rows - 1, -1, -1)]


def columned(series: Series, first: int, last: int, columns: int) -> list[int | None]:
    """The series in `columns` equal spans of x: the highest value of each, None where it has none.
    A series that holds its value goes on to where it changes."""
    out: list[int | None] = [None] * columns
    span = max(last - first, 1)
    for x, y in zip(series.xs, series.ys, strict=True):
        place = min(columns - 1, max(0, (x - first) * columns // span))
        seen = out[place]
        if y is not None and (seen is None or y > seen):
            out[place] = y
    held: int | None = None
    for place, y in enumerate(out):
        if y is None and len(series.xs) < columns:
            out[place] = held
        held = y if y is not None else held
    return out


def _unbroken(column: Column, said: Sequence[str]) -> bool:
    """Numbers and instants are not broken over lines, where they are of a size one can read."""
    return column.unit is not Unit.TEXT and max(map(len, said)) <= UNBROKEN


def _needed(column: Column, said: Sequence[str]) -> int:
    """Columns that must be there: all of a number, a few of a text, which can be folded, and the
    longest word of the title."""
    longest = max(map(len, said))
    title = max(map(len, printable(column.title).split()), default=0)
    return max(longest if _unbroken(column, said) else min(longest, TEXT_MIN), title)


def _parts(needed: Sequence[int], width: int) -> list[list[int]]:
    """Places of columns that fit beside one another; the first stands in every part."""
    parts, room = [[0]], width - needed[0]
    for place in range(1, len(needed)):
        if room < needed[place] + 2 and len(parts[-1]) > 1:
            parts.append([0])
            room = width - needed[0]
        parts[-1].append(place)
        room -= needed[place] + 2
    return parts


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]], needed: Sequence[int],
            width: int) -> tuple[list[int], int]:
    """How wide each column is, and what is left: first what it needs, then its cells in as few
    lines as fit, then its title."""
    widths = [min(least, width) for least in needed]
    room = width - sum(widths) - 2 * (len(widths) - 1)
    wanted = [[max(map(len, said)) for said in cells],
              [len(printable(column.title)) for column in columns]]
    for want in wanted:
        while room > 0:     # each character to the column that is folded into the most lines
            folded = [-(-most // max(had, 1)) for most, had in zip(want, widths, strict=True)]
            place = folded.index(max(folded))
            if folded[place] <= 1:
                break
            widths[place] += 1
            room -= 1
    return widths, room


def _head(line: str, most: int) -> int:
    """Characters of a line that its continuation leaves free: the spaces it begins with, and a
    first column with two spaces or more behind it."""
    found = re.match(r" *(?:\S+(?: \S+)*? {2,})?", line[:most + 2])
    end = found.end() if found else 0
    return end if end <= most else min(len(line) - len(line.lstrip(" ")), most)


class _Page:
    def __init__(self, console: Console, width: int, blocks: bool) -> None:
        self.console, self.width, self.blocks = console, width, blocks

    def say(self, words: str = "", style: str = "", *, indent: int = 0) -> None:
        self.console.print(Padding(Words(words, style=style, overflow="fold"), (0, 0, 0, indent)))

    def report(self, report: Report) -> None:
        self.say(printable(report.title), MUTED)
        self.say(printable(report.headline), STRONG)
        if report.facts:
            self.say()
            self.facts(report.facts)
        for section in report.sections:
            self.say()
            self.say(printable(section.title), STRONG)
            if isinstance(section, Table):
                self.table(section)
            elif isinstance(section, Chart):
                self.chart(section)
            else:
                self.lines(section)
            if section.note:
                self.say(printable(section.note), MUTED, indent=2)
        self.sentences("How far to trust this", report.trust)
        self.proof(report.proof)

    # -- parts ----------------------------------------------------------------------------------
    def facts(self, facts: Sequence[Fact]) -> None:
        across = max(1, self.width // FACT_COLUMNS)
        down = -(-len(facts) // across)
        grid = Grid.grid(padding=(0, 2, 0, 0))
        for _ in range(across):
            grid.add_column(style=MUTED, overflow="fold")
            grid.add_column(justify="right", overflow="fold")
            grid.add_column(width=1)
        for row in range(down):
            cells = []
            for fact in facts[row::down]:
                value = units.written(fact.value, fact.unit)
                cells += [Words(printable(fact.label)),
                          Words(value, style=HARM if fact.bad else STRONG), Words("")]
            grid.add_row(*cells)
        self.console.print(Padding(grid, (0, 0, 0, 2)))

    def table(self, table: Table) -> None:
        if not table.rows:
            self.say("nothing", MUTED, indent=2)
            return
        cells = [units.column([row[place] for row in table.rows], column.unit)
                 for place, column in enumerate(table.columns)]
        needed = list(map(_needed, table.columns, cells))
        for number, places in enumerate(_parts(needed, self.width - 2)):
            if number:
                self.say()
            self.part(table, cells, needed, places)
        if table.more:
            self.say(f"and {table.more:,} more", MUTED, indent=2)

    def part(self, table: Table, cells: list[list[str]], needed: list[int],
             places: list[int]) -> None:
        """Some columns of a table: what is too wide is shown in parts, each with the first."""
        grid = Grid(box=HEAD, show_edge=False, pad_edge=False, header_style=MUTED,
                    border_style=MUTED, padding=(0, 1, 0, 0))
        columns = [table.columns[place] for place in places]
        widths, room = _widths(columns, [cells[place] for place in places],
                               [needed[place] for place in places], self.width - 2)
        drawn: list[list[str]] = []
        for place, column, width in zip(places, columns, widths, strict=True):
            right = column.unit not in (Unit.TEXT, Unit.INSTANT)
            grid.add_column(Words(printable(column.title), overflow="fold"), overflow="fold",
                            justify="right" if right else "left", width=width)
            drawn.append(cells[place])
            if column.bar and room >= BAR_COLUMNS + 2:
                room -= BAR_COLUMNS + 2
                grid.add_column("", no_wrap=True, overflow="crop",
                                style=HARM if column.bad else "cyan")
                drawn.append(self.bars([row[place] for row in table.rows]))
        for row in zip(*drawn, strict=True):
            grid.add_row(*(Words(cell, overflow="fold") for cell in row))
        self.console.print(Padding(grid, (0, 0, 0, 2)))

    def bars(self, values: Iterable[str | int | None]) -> list[str]:
        numbers = [value if isinstance(value, int) and value > 0 else 0 for value in values]
        most = max(numbers, default=0)
        full = BLOCK_LEVELS[-1] if self.blocks else "#"
        return [full * (max(1, number * BAR_COLUMNS // most) if number else 0)
                for number in numbers]

    def lines(self, section: Text) -> None:
        for line in map(printable, section.lines):
            head = _head(line, self.width // 3)
            rest = Words(line[head:]).wrap(self.console, self.width - 2 - head, overflow="fold")
            for place, part in enumerate(rest or [Words()]):
                part.rstrip()
                begin = line[:head] if place == 0 else " " * head
                self.console.print(Padding(Words(begin) + part, (0, 0, 0, 2)), no_wrap=True,
                                   overflow="ignore")

    def chart(self, chart: Chart) -> None:
        xs = [x for series in chart.series for x in series.xs]
        if not xs:
            self.say("nothing", MUTED, indent=2)
            return
        first, last = min(xs), max(xs)
        names = [printable(series.name) for series in chart.series]
        most = [self.most(series, chart.y) for series in chart.series]
        name_columns = min(max(map(len, names)), 24)
        rest = self.width - 6 - name_columns - max(map(len, most))
        columns = max(8, min(rest, SPARK_MAX))
        rows = 1 if len(chart.series) > 1 else BRIEF_ROWS if chart.brief else AREA_ROWS
        within = None if self.apart(chart) else extent(
            (y for s in chart.series for y in s.ys), from_zero=chart.from_zero)
        for series, name, said in zip(chart.series, names, most, strict=True):
            drawn = spark(columned(series, first, last, columns), blocks=self.blocks, rows=rows,
                          within=within)
            for place, line in enumerate(drawn):
                label = name[:name_columns] if place == rows - 1 else ""
                words = Words()
                words.append(f"{label:{name_columns}}  ", style=MUTED)
                words.append(f"{line:{columns}}", style=HARM if series.bad else "cyan")
                words.append(f"  {said if place == 0 else ''}", style=MUTED)
                self.console.print(Padding(words, (0, 0, 0, 2)), no_wrap=True,
                                   overflow="crop")
        self.span(chart, first, last, name_columns, columns)

    def apart(self, chart: Chart) -> bool:
        """Whether each series has its own height: parts of a whole do, or the small ones, which
        are often the harm, would not be seen."""
        return len(chart.series) > 1 and any(s.mark is Mark.STACK for s in chart.series)

    def most(self, series: Series, column: Column) -> str:
        values = [y for y in series.ys if y is not None]
        return f"most {units.written(max(values), column.unit)}" if values else "nothing"

    def span(self, chart: Chart, first: int, last: int, indent: int, columns: int) -> None:
        left, right = (units.written(x, chart.x.unit) for x in (first, last))
        what = printable(chart.y.title)
        if self.apart(chart):
            what += ", each to its own height"
        if not chart.from_zero:
            low, _ = extent((y for s in chart.series for y in s.ys), from_zero=False)
            what += f", drawn from {units.written(low, chart.y.unit)} on"
        if chart.x.unit is not Unit.INSTANT:
            what += f", against {printable(chart.x.title)}"
        gap = max(1, columns - len(left) - len(right))
        self.say(f"{left}{' ' * gap}{right}", MUTED, indent=indent + 4)
        self.say(what, MUTED, indent=2)
        for line in chart.lines:
            unit = chart.x.unit if line.vertical else chart.y.unit
            self.say(f"{printable(line.name)}: {units.written(line.at, unit)}", MUTED, indent=2)

    def sentences(self, title: str, sentences: Sequence[str]) -> None:
        if sentences:
            self.say()
            self.say(title, STRONG)
        for sentence in sentences:
            self.say(printable(sentence), indent=2)

    def proof(self, proof: Sequence[tuple[str, str]]) -> None:
        if not proof:
            return
        self.say()
        self.say("Proof", STRONG)
        grid = Grid.grid(padding=(0, 1))
        longest = max(len(printable(name)) for name, _ in proof)
        whole = longest <= UNBROKEN
        indent = max(0, min(2, self.width - longest - 1 - HASH_COLUMNS))  # a hash on one line
        grid.add_column(style=MUTED, no_wrap=whole, overflow="fold")
        grid.add_column(overflow="fold")
        for name, value in proof:
            grid.add_row(Words(printable(name)), Words(printable(value), overflow="fold"))
        self.console.print(Padding(grid, (0, 0, 0, indent)))
