# SPDX-License-Identifier: MIT
"""A report on a plain terminal, until host_sim.report has its own renderer."""

from __future__ import annotations

import textwrap

from host_sim.printing import printable
from host_sim.replay.summary import duration, instant
from host_sim.report.model import Cell, Column, Report, Table, Text, Unit


def cell(value: Cell, unit: Unit) -> str:
    """A cell in its unit."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return printable(value)
    if unit is Unit.PPM:
        text = f"{value / 10_000:.4f}".rstrip("0")
        return f"{text}0 %" if text.endswith(".") else f"{text} %"
    if unit is Unit.DURATION:
        return duration(value)
    if unit is Unit.INSTANT:
        return instant(value)
    if unit is Unit.MONEY:
        return f"{value / 1e9:,.6f}"
    return f"{value:,}"


def _table(table: Table) -> list[str]:
    rows = [[column.title for column in table.columns],
            *([cell(value, column.unit) for value, column in zip(row, table.columns, strict=True)]
              for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: list[str]) -> str:
        return "  " + "  ".join(_justified(text, width, column) for text, width, column in zip(
            row, widths, table.columns, strict=True)).rstrip()

    more = [f"  ... and {table.more:,} more"] if table.more else []
    return [table.title, *map(line, rows), *more, *_wrapped(table.note)]


def _justified(text: str, width: int, column: Column) -> str:
    return text.ljust(width) if column.unit is Unit.TEXT else text.rjust(width)


def _wrapped(note: str) -> list[str]:
    return textwrap.wrap(printable(note), 96, initial_indent="  ", subsequent_indent="  ")


def text(report: Report) -> str:
    """The report as lines of printable ASCII."""
    lines = [printable(report.title), *textwrap.wrap(printable(report.headline), 98), ""]
    lines += [f"  {fact.label:34} {cell(fact.value, fact.unit):>14}" for fact in report.facts]
    for section in report.sections:
        if isinstance(section, Table):
            lines += ["", *_table(section)]
        elif isinstance(section, Text):
            lines += ["", section.title, *(f"  {printable(line)}" for line in section.lines),
                      *_wrapped(section.note)]
    if report.trust:
        lines += ["", "How far to trust it"]
        for sentence in report.trust:
            lines += textwrap.wrap(printable(sentence), 94, initial_indent="  - ",
                                   subsequent_indent="    ")
    lines += ["", *(f"{name:16} {value}" for name, value in report.proof)]
    return "\n".join(lines).rstrip() + "\n"
