# SPDX-License-Identifier: MIT
"""Shows a report until host_sim.report.terminal and .html are merged, which replace this file."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from host_sim.printing import printable
from host_sim.replay.governed import Bill
from host_sim.report.model import Cell, Chart, Report, Table, Unit
from host_sim.report.units import duration, instant


def _cell(value: Cell, unit: Unit) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return printable(value)
    if unit is Unit.PPM:
        return f"{value // 10_000}.{value // 100 % 100:02} %"
    if unit is Unit.DURATION:
        return duration(value)
    if unit is Unit.INSTANT:
        return instant(value)
    return Bill("", value).amount() if unit is Unit.MONEY else f"{value:,}"


def _table(table: Table) -> Iterator[str]:
    rows = [[_cell(value, column.unit) for value, column in zip(row, table.columns, strict=True)]
            for row in table.rows]
    widths = [max(len(text) for text in column) for column in
              zip([column.title for column in table.columns], *rows, strict=True)]
    for row in ([column.title for column in table.columns], *rows):
        yield "  " + "  ".join(
            text.ljust(width) if column.unit is Unit.TEXT else text.rjust(width)
            for text, width, column in zip(row, widths, table.columns, strict=True)).rstrip()
    if table.more:
        yield f"  and {table.more:,} more"
    if table.note:
        yield f"  {table.note}"


def text(report: Report, *, width: int = 100) -> str:
    """The report in plain lines."""
    lines = [printable(report.headline), ""]
    for section in report.sections:
        if isinstance(section, Chart):
            continue
        lines.append(printable(section.title))
        lines += _table(section) if isinstance(section, Table) else [
            f"  {printable(line)}" for line in section.lines]
        lines.append("")
    lines += [printable(line) for line in report.trust]
    lines += [f"{name:22} {printable(value)}" for name, value in report.proof]
    return "\n".join(lines) + "\n"


def page(report: Report) -> str:
    """The report as HTML, where that part is there."""
    made: str = importlib.import_module("host_sim.report.html").page(report)
    return made
