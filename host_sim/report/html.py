# SPDX-License-Identifier: MIT
"""A report as one HTML file that opens offline: style, script, Bokeh and data inside it.

The page asks for nothing: its content policy forbids every request, and every script but the two
it brings. All text is what `printable` makes of it and is escaped, so a name in a log cannot become
markup. The same report and the same
Bokeh give the same bytes.
"""

from __future__ import annotations

import base64
import errno
import functools
import hashlib
import importlib.resources
import json
import os
import pathlib
from collections.abc import Iterator, Sequence
from html import escape

from host_sim.printing import printable
from host_sim.report import plots, units
from host_sim.report.model import Cell, Chart, Column, Fact, Report, Section, Series, Table, Unit

SIZE_MAX = 1_500_000    # bytes of the whole page
POINTS_MAX = 1024       # of a series
POINTS_MIN = 16
ROWS_MAX = 1000         # of a table
ROWS_MIN = 10
SHOWN_POINTS = 24       # rows of the table that stands for a chart
NAVIGATED = 5           # sections from which on a list of them stands at the top
LONG_FIGURE = 12        # characters from which on a figure is written smaller
SHORT_TEXT = 28         # characters up to which a column's texts are not broken over lines
POLICY = ("default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src data:; "
          "base-uri 'none'; form-action 'none'")


def page(report: Report) -> str:
    """The whole document, ASCII, at most 1.5 MB: beyond that series and tables are thinned, and
    the page says so. RaygateError when the report has charts and Bokeh is absent."""
    points, rows = POINTS_MAX, ROWS_MAX
    while True:
        made = _Page(report, points, rows).text()
        if len(made) <= SIZE_MAX or (points == POINTS_MIN and rows == ROWS_MIN):
            return made
        points, rows = max(points // 2, POINTS_MIN), max(rows // 2, ROWS_MIN)


def check(path: str) -> None:
    """To be called before long work whose page goes to `path`: RaygateError or OSError says now
    what would be wrong in the end."""
    plots.require()
    target = pathlib.Path(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        why = errno.EACCES if target.parent.is_dir() else errno.ENOENT
        raise OSError(why, os.strerror(why), path)


def write(report: Report, path: str) -> None:
    """Writes the page to a file; OSError names it."""
    pathlib.Path(path).write_text(page(report), "ascii", newline="\n")


def _said(text: str) -> str:
    return escape(printable(text), quote=True)


def _part(name: str) -> str:
    return importlib.resources.files("host_sim.report").joinpath(name).read_text("ascii")


def _source(script: str) -> str:
    """A script as a content policy names it."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@functools.cache
def _bokeh() -> str:
    script = importlib.resources.files("bokeh").joinpath("server/static/js/bokeh.min.js")
    # Escapes keep it ASCII and of one meaning in any encoding; the sequence would end the element.
    text = script.read_text("utf-8").replace("</script", "<\\/script")
    return "".join(char if char < "\x7f" else _unit_escapes(char) for char in text)


def _unit_escapes(char: str) -> str:
    raw = char.encode("utf-16-be")
    return "".join(f"\\u{raw[at]:02x}{raw[at + 1]:02x}" for at in range(0, len(raw), 2))


def _json(value: object) -> str:
    """JSON that may stand in a script element."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class _Page:
    def __init__(self, report: Report, points: int, rows: int) -> None:
        self.report, self.points, self.rows = report, points, rows
        self.charts = [section for section in report.sections
                       if isinstance(section, Chart) and _drawable(section)]
        self.thinned = False

    def text(self) -> str:
        body = "\n".join(self.body())
        scripts = [_bokeh(), f"\n{_part('page.js')}"] if self.charts else []
        policy = POLICY.format(" ".join(map(_source, scripts)) or "'none'")
        title = _said(f"{self.report.title} - raygate")
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f'<link rel="icon" href="data:,">\n<title>{title}</title>\n'
            f"<style>\n{_part('page.css')}</style>\n</head>\n<body>\n{body}\n"
            f"{self.data()}{''.join(f'<script>{script}</script>' for script in scripts)}"
            "</body>\n</html>\n")

    def data(self) -> str:
        if not self.charts:
            return ""
        document, roots = plots.documents(self.charts, self.points)
        data = {"document": document, "root_ids": roots,
                "roots": {root: f"chart-{place}" for place, root in enumerate(roots, 1)}}
        return f'<script type="application/json" id="charts">{_json(data)}</script>\n'

    # -- body -----------------------------------------------------------------------------------
    def body(self) -> Iterator[str]:
        report = self.report
        yield '<a class="skip" href="#content">To the content</a>'
        yield f'<main id="content">\n<header>\n<p class="what">{_said(report.title)}</p>'
        yield f"<h1>{_said(report.headline)}</h1>"
        if report.facts:
            yield '<dl class="facts">'
            yield from map(_fact, report.facts)
            yield "</dl>"
        yield from self.navigation()
        yield "</header>"
        if self.charts:
            yield _ZOOM
        drawn = 0
        for place, section in enumerate(report.sections, 1):
            drawn += isinstance(section, Chart) and _drawable(section)
            yield (f'<section aria-labelledby="s{place}">\n'
                   f'<h2 id="s{place}">{_said(section.title)}</h2>')
            yield from self.section(section, drawn)
            if section.note:
                yield f'<p class="note">{_said(section.note)}</p>'
            yield "</section>"
        yield from self.end()
        yield "</main>"

    def navigation(self) -> Iterator[str]:
        if len(self.report.sections) < NAVIGATED:
            return
        links = [(f"s{place}", section.title)
                 for place, section in enumerate(self.report.sections, 1)]
        links += [("trust", "Trust")] * bool(self.report.trust)
        links += [("proof", "Proof")] * bool(self.report.proof)
        yield '<nav aria-label="Sections">'
        yield from (f'<a href="#{anchor}">{_said(title)}</a>' for anchor, title in links)
        yield "</nav>"

    def section(self, section: Section, drawn: int) -> Iterator[str]:
        if isinstance(section, Table):
            yield from self.table(section)
        elif isinstance(section, Chart):
            yield from self.chart(section, drawn)
        else:
            shown = section.lines[: self.rows]
            self.thinned |= len(shown) < len(section.lines)
            lines = "\n".join(_said(line) for line in shown)
            yield f'<pre tabindex="0">{lines}</pre>'
            yield from _more(len(section.lines) - len(shown))

    def end(self) -> Iterator[str]:
        report = self.report
        trust = [*report.trust]
        if self.thinned:
            trust.append(f"This page is kept below {SIZE_MAX:,} bytes: where a series has more "
                         f"than {self.points:,} points each point shows the highest of its group, "
                         f"and tables and texts end after {self.rows:,} rows. --json has "
                         "everything.")
        if trust:
            yield ('<section aria-labelledby="trust">\n<h2 id="trust">How far to trust this</h2>'
                   '\n<ul class="trust">')
            yield from (f"<li>{_said(sentence)}</li>" for sentence in trust)
            yield "</ul>\n</section>"
        if report.proof:
            yield ('<section aria-labelledby="proof">\n<h2 id="proof">Proof</h2>'
                   '\n<dl class="proof">')
            yield from (f"<div><dt>{_said(name)}</dt><dd>{_said(value)}</dd></div>"
                        for name, value in report.proof)
            yield "</dl>\n</section>"

    # -- tables ---------------------------------------------------------------------------------
    def table(self, table: Table) -> Iterator[str]:
        shown = table.rows[: self.rows]
        self.thinned |= len(shown) < len(table.rows)
        if not shown:
            yield '<p class="note">nothing</p>'
            return
        yield from _grid(table.title, table.columns, shown)
        yield from _more(table.more + len(table.rows) - len(shown))

    # -- charts ---------------------------------------------------------------------------------
    def chart(self, chart: Chart, drawn: int) -> Iterator[str]:
        if not _drawable(chart):
            yield '<p class="note">nothing</p>'
            return
        self.thinned |= any(len(series.xs) > self.points for series in chart.series)
        word = plots.y_scale(chart)[1]
        axis = chart.y.title + (f", {word}" if word else "")
        yield f'<figure>\n<ul class="key">\n<li class="axis">{_said(axis)}</li>'
        for series, color in zip(chart.series, plots.colors(chart), strict=True):
            yield (f'<li><span class="swatch" style="--c:{color}"></span>{_said(series.name)}</li>')
        for line in chart.lines:
            at = units.written(line.at, chart.x.unit if line.vertical else chart.y.unit)
            yield (f'<li><span class="swatch level"></span>{_said(line.name)}: {escape(at)}</li>')
        yield "</ul>"
        label = _said(f"Chart: {chart.title}. " + " ".join(_told(chart, s) for s in chart.series)
                      + " Keys: plus and minus zoom, arrows move, 0 shows all.")
        brief = " brief" if chart.brief else ""
        yield (f'<div class="chart{brief}" id="chart-{drawn}" tabindex="0" role="group" '
               f'aria-label="{label}"></div>')
        yield from _numbers_of(chart)
        yield "</figure>"


_ZOOM = """<div class="zoom" id="zoom" hidden role="group" aria-label="Zoom all charts">
<span>Charts move together:</span>
<button type="button" data-how="in" aria-label="Zoom in">+</button>
<button type="button" data-how="out" aria-label="Zoom out">&minus;</button>
<button type="button" data-how="left" aria-label="Earlier">&larr;</button>
<button type="button" data-how="right" aria-label="Later">&rarr;</button>
<button type="button" data-how="all">All</button>
</div>
<noscript><p class="note">The charts need a script; every number also stands in the tables.</p>
</noscript>"""


def _more(left: int) -> Iterator[str]:
    if left:
        yield f'<p class="note">and {left:,} more</p>'


def _drawable(chart: Chart) -> bool:
    return any(series.xs for series in chart.series)


def _fact(fact: Fact) -> str:
    value = units.written(fact.value, fact.unit)
    style = " ".join(word for word, wanted in (
        ("bad", fact.bad), ("long", len(value) > LONG_FIGURE)) if wanted)
    attribute = f' class="{style}"' if style else ""
    return f"<div><dt>{_said(fact.label)}</dt><dd{attribute}>{_breakable(escape(value))}</dd></div>"


def _breakable(value: str) -> str:
    """A long figure, an instant say, may break before its time of day."""
    return value.replace("T", "<wbr>T", 1) if len(value) > LONG_FIGURE else value


def _style(unit: Unit) -> str:
    return {Unit.TEXT: "text", Unit.INSTANT: "at"}.get(unit, "n")


def _grid(title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    yield (f'<div class="scroll" role="region" tabindex="0" aria-label="{_said(title)}">'
           "\n<table>\n<thead><tr>")
    for column in columns:
        style = "n" if _style(column.unit) == "n" else "text"
        yield f'<th scope="col" class="{style}">{_said(column.title)}</th>'
    yield "</tr></thead>\n<tbody>"
    cells = [list(_cells(column, [row[place] for row in rows]))
             for place, column in enumerate(columns)]
    yield from (f"<tr>{''.join(row)}</tr>" for row in zip(*cells, strict=True))
    yield "</tbody>\n</table>\n</div>"


def _cells(column: Column, values: Sequence[Cell]) -> Iterator[str]:
    said = units.column(values, column.unit)
    style = _style(column.unit)
    if style == "text" and max(map(len, said), default=0) <= SHORT_TEXT:
        style = "at"
    most = max((value for value in values if isinstance(value, int)), default=0)
    for value, shown in zip(values, said, strict=True):
        if column.bar and isinstance(value, int) and most > 0:
            permille = max(0, value) * 1000 // most
            harm = " harm" if column.bad else ""
            yield (f'<td class="{style} bar{harm}" style="--w:{permille // 10}.{permille % 10}%">'
                   f"{escape(shown)}</td>")
        else:
            yield f'<td class="{style}">{escape(shown)}</td>'


def _told(chart: Chart, series: Series) -> str:
    """A series in a sentence, for who cannot see it."""
    known = [(y, x) for x, y in zip(series.xs, series.ys, strict=True) if y is not None]
    if not known:
        return f"{series.name}: nothing."
    low, high = min(y for y, _ in known), max(y for y, _ in known)
    at = next(x for y, x in known if y == high)
    low_said, high_said = (units.written(y, chart.y.unit) for y in (low, high))
    where = units.written(at, chart.x.unit)
    return f"{series.name}: from {low_said} to {high_said}, which is at {where}."


def _numbers_of(chart: Chart) -> Iterator[str]:
    """The chart as a table: some of its points, and which."""
    xs = sorted({x for series in chart.series for x in series.xs})
    step = -(-len(xs) // SHOWN_POINTS)
    at = [dict(zip(series.xs, series.ys, strict=True)) for series in chart.series]
    rows = [(x, *(column.get(x) for column in at)) for x in xs[::step]]
    columns = (chart.x, *(Column(series.name, chart.y.unit) for series in chart.series))
    said = "as a table" if step == 1 else f"as a table: {len(rows)} of {len(xs):,} points"
    yield f"<details>\n<summary>{_said(chart.title)} {said}</summary>"
    yield from _grid(f"{chart.title} {said}", columns, rows)
    yield "</details>"
