# SPDX-License-Identifier: MIT
"""A report's charts as Bokeh models: one document, ids that do not depend on what ran before.

Charts over the same kind of x share one range, so zooming one zooms all. Numbers are divided to
the unit the axis is in, never by code in the page: the page may forbid `eval`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from host_sim.errors import RaygateError
from host_sim.printing import printable
from host_sim.report import units
from host_sim.report.model import Chart, Mark, Series, Unit

HARM = ("#d1493f", "#b2508a", "#d9667f")
CALM = ("#4a7fb5", "#3d8f86", "#b07d2b", "#8a6fb0", "#7d848e", "#5f8f4e")
INK = "#7d848e"         # of axes; the page's script sets the theme's
MILLISECOND = 1_000_000
HEIGHT, BRIEF = 240, 150
FLAT = 4                # a level may be so much higher than what is drawn
INT_MAX = 1 << 53
DECIMALS = {Unit.PPM: 4, Unit.MONEY: 9}  # under the pointer, where not 3


def colors(chart: Chart) -> list[str]:
    """A colour for each series: harm has its own, reds that can be told apart."""
    calm, harm = itertools.cycle(CALM), itertools.cycle(HARM)
    return [next(harm if series.bad else calm) for series in chart.series]


def thinned(series: Series, most: int) -> Series:
    """At most `most` points: of each group the first x and the highest y."""
    if len(series.xs) <= most:
        return series
    step = -(-len(series.xs) // most)
    groups = [series.ys[at : at + step] for at in range(0, len(series.ys), step)]
    ys = [max((y for y in group if y is not None), default=None) for group in groups]
    return dataclasses.replace(series, xs=tuple(series.xs[::step]), ys=tuple(ys))


def require() -> None:
    """RaygateError names the extra when Bokeh is absent."""
    try:
        import bokeh.document  # noqa: F401
    except ImportError as error:
        raise RaygateError("charts on a page need Bokeh: pip install 'raygate[report]'") from error


def documents(charts: Sequence[Chart], most: int) -> tuple[dict[str, Any], list[str]]:
    """One Bokeh document as plain data, and the id of each chart's root; a series has at most
    `most` points."""
    require()
    from bokeh.document import Document

    document, ranges = Document(title="raygate"), _Ranges(charts)
    for chart in charts:
        document.add_root(_figure(chart, most, ranges))
    told = _plain(document.to_json(deferred=False))
    names = _Names()
    made: dict[str, Any] = names.renamed(told)
    return made, [root["id"] for root in made["roots"]]


class _Names:
    """Bokeh counts its models through the life of a process; here they count from 1 in the order
    they are told."""

    def __init__(self) -> None:
        self._made: dict[str, str] = {}

    def renamed(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._id(part) if key == "id" and isinstance(part, str)
                    else self.renamed(part) for key, part in value.items()}
        return [self.renamed(part) for part in value] if isinstance(value, list) else value

    def _id(self, name: str) -> str:
        return self._made.setdefault(name, f"p{len(self._made) + 1}")


def _plain(value: Any) -> Any:
    """Bokeh's tree with its buffers as base64, as a script in a page can read them."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.to_base64() if hasattr(value, "to_base64") else value


class _Ranges:
    """One range for all charts over the same kind of x."""

    def __init__(self, charts: Sequence[Chart]) -> None:
        self._ends: dict[Unit, list[int]] = {}
        for chart in charts:
            ends = self._ends.setdefault(chart.x.unit, [])
            ends += [line.at for line in chart.lines if line.vertical]
            for series in chart.series:
                ends += [*series.xs[:1], *series.xs[-1:]]
        self._made: dict[Unit, Any] = {}

    def scale(self, unit: Unit) -> tuple[int, str]:
        """What x is divided by, and the word for it; instants are in milliseconds."""
        if unit is Unit.INSTANT:
            return MILLISECOND, "UTC"
        return units.scale(unit, max(map(abs, self._ends[unit]), default=0))

    def of(self, unit: Unit) -> Any:
        from bokeh.models import Range1d

        if unit not in self._made:
            ends, divisor = self._ends[unit] or [0], self.scale(unit)[0]
            first, last = min(ends), max(ends)
            last = last if last > first else first + divisor
            self._made[unit] = Range1d(
                start=first / divisor, end=last / divisor,
                bounds=(first / divisor, last / divisor))
        return self._made[unit]


def _numbers(values: Sequence[int | None], divisor: int) -> Any:
    """A column: integers as they are, which is shorter; else doubles, NaN for a gap."""
    import numpy

    whole = [value for value in values if value is not None and value % divisor == 0]
    if len(whole) == len(values) and all(abs(value) < INT_MAX for value in whole):
        return [value // divisor for value in whole]
    gap = float("nan")
    return numpy.array([gap if value is None else value / divisor for value in values],
                       dtype="<f8")


def y_ends(chart: Chart) -> tuple[int, int]:
    """Where y begins and ends: 0 is in it unless the chart leaves it out, stacks stand on one
    another, and a level is in it unless it would press what is drawn flat; then the key alone says
    it."""
    stacks: dict[int, int] = {}
    seen = [0] if chart.from_zero else []
    for series in chart.series:
        for x, y in zip(series.xs, series.ys, strict=True):
            if series.mark is Mark.STACK:
                stacks[x] = stacks.get(x, 0) + (y or 0)
            else:
                seen.append(y or 0)
    low, high = min(seen, default=0), max([*seen, *stacks.values()], default=0)
    levels = [line.at for line in chart.lines if not line.vertical]
    high = max([high, *(at for at in levels if at <= FLAT * high or high == low)])
    low = min([low, *(at for at in levels if at >= FLAT * low and at < 0)])
    high = high if high > low else low + 1
    margin = (high - low) * 8 // 100
    return low if chart.from_zero else low - margin, high + margin


def y_scale(chart: Chart) -> tuple[int, str]:
    """What y is divided by, and the word for it."""
    return units.scale(chart.y.unit, max(map(abs, y_ends(chart))))


def _figure(chart: Chart, most: int, ranges: _Ranges) -> Any:
    from bokeh.models import Range1d
    from bokeh.models.annotations import Span
    from bokeh.plotting import figure

    timed = chart.x.unit is Unit.INSTANT
    divisor = y_scale(chart)[0]
    x_divisor = ranges.scale(chart.x.unit)[0]
    low, high = y_ends(chart)
    made = figure(
        x_axis_type="datetime" if timed else "linear", height=BRIEF if chart.brief else HEIGHT,
        sizing_mode="stretch_width",
        x_range=ranges.of(chart.x.unit), y_range=Range1d(start=low / divisor, end=high / divisor),
        tools="xpan,xbox_zoom,reset", active_drag="xbox_zoom", toolbar_location="above",
        output_backend="canvas", min_border_left=60, min_border_right=12)
    if not timed:
        made.xaxis.axis_label = printable(chart.x.title)
    made.toolbar.logo, made.toolbar.autohide, made.toolbar_inner = None, True, True
    _dress(made)
    for source, group in _sources(chart, most, x_divisor, divisor):
        _draw(made, source, group)
        _hover(made, source, group, chart, divisor)
    for line in chart.lines:
        at = line.at / (x_divisor if line.vertical else divisor)
        made.add_layout(Span(location=at, dimension="height" if line.vertical else "width",
                             line_color=INK, line_dash="dashed", line_width=1.5))
    return made


def _dress(made: Any) -> None:
    """Calm: no frame, a light grid of y only, labels in the page's own font."""
    from bokeh.models import NumeralTickFormatter

    made.background_fill_alpha = made.border_fill_alpha = 0
    made.outline_line_color = None
    made.xgrid.grid_line_color = None
    made.ygrid.grid_line_color, made.ygrid.grid_line_alpha = INK, 0.22
    made.yaxis.formatter = NumeralTickFormatter(format="0,0[.]0[0000]")
    for axis in (*made.xaxis, *made.yaxis):
        axis.axis_line_color = axis.major_tick_line_color = INK
        axis.axis_line_alpha = 0.5
        axis.minor_tick_line_color = None
        axis.major_label_text_color = axis.axis_label_text_color = INK
        axis.major_label_text_font = "system-ui, sans-serif"
        axis.major_label_text_font_size = "12px"
    made.yaxis.axis_line_color = made.yaxis.major_tick_line_color = None
    made.yaxis.ticker.desired_num_ticks = 3 if made.height == BRIEF else 4


Group = list[tuple[str, Series, str]]  # column, series, colour


def _sources(chart: Chart, most: int, x_divisor: int, divisor: int) -> Iterator[tuple[Any, Group]]:
    """A source for the series that share their xs, so that one hover tells all of them."""
    from bokeh.models import ColumnDataSource

    groups: dict[tuple[int, ...], list[tuple[Series, str]]] = {}
    for series, color in zip(chart.series, colors(chart), strict=True):
        thin = thinned(series, most)
        groups.setdefault(tuple(thin.xs), []).append((thin, color))
    for xs, group in groups.items():
        columns = {"x": _numbers(xs, x_divisor)}
        named: Group = []
        for place, (series, color) in enumerate(group):
            columns[f"y{place}"] = _numbers(series.ys, divisor)
            named.append((f"y{place}", series, color))
        ys = group[-1][0].ys
        if None in ys:  # the pointer finds x by this one, which must not have gaps
            ys = [max((y for s, _ in group if (y := s.ys[at]) is not None), default=0)
                  for at in range(len(xs))]
            columns["at"] = _numbers(ys, divisor)
        yield ColumnDataSource(columns), named


def _draw(made: Any, source: Any, group: Group) -> None:
    stacked = [(name, color) for name, series, color in group if series.mark is Mark.STACK]
    _stack(made, source, stacked)
    width = _width(source.data["x"])
    for name, series, color in group:
        if series.mark is Mark.BAR:
            made.vbar(x="x", top=name, width=width, source=source, fill_color=color,
                      line_color=None, fill_alpha=0.85)
        elif series.mark is Mark.POINT:
            made.scatter(x="x", y=name, source=source, color=color, size=6, alpha=0.85)
        elif series.mark is Mark.STEP:
            made.step(x="x", y=name, mode="after", source=source, color=color, line_width=1.75)
        elif series.mark is Mark.LINE:
            made.line(x="x", y=name, source=source, color=color, line_width=1.75)


def _stack(made: Any, source: Any, stacked: list[tuple[str, str]]) -> None:
    """Areas in steps: what a point counts holds until the next."""
    from bokeh.core.properties import expr
    from bokeh.models import Stack

    below: list[str] = []
    for name, color in stacked:
        low, high = Stack(fields=list(below)), Stack(fields=[*below, name])
        made.varea_step(x="x", y1=expr(low), y2=expr(high), step_mode="after", source=source,
                        fill_color=color, fill_alpha=0.85)
        below.append(name)


def _width(xs: Any) -> float:
    steps = [float(b) - float(a) for a, b in itertools.pairwise(xs) if b > a]
    return 0.8 * min(steps, default=1.0)


def _hover(made: Any, source: Any, group: Group, chart: Chart, divisor: int) -> None:
    """What stands at the pointer's x. Names are told as text, numbers by fixed formats."""
    from bokeh.models import HoverTool

    word = y_scale(chart)[1]
    digits = "0,0" if divisor == 1 else f"0,0.[{'0' * DECIMALS.get(chart.y.unit, 3)}]"
    timed = chart.x.unit is Unit.INSTANT
    x = "@x{%F %T}" if timed else "@x{0,0.[000]}"
    tips = [(printable(chart.x.title), x)]
    tips += [(printable(series.name), f"@{name}{{{digits}}} {word}".rstrip())
             for name, series, _ in group]
    level = "at" if "at" in source.data else group[-1][0]
    target = made.line(x="x", y=level, source=source, line_alpha=0, line_width=1)
    made.add_tools(HoverTool(
        renderers=[target], mode="vline", line_policy="none", tooltips=tips,
        attachment="horizontal",
        formatters={"@x": "datetime"} if timed else {}, visible=False))
