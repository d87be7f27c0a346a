# SPDX-License-Identifier: MIT
"""A report on the terminal: golden text, ASCII without control sequences, within its width."""
import dataclasses
import io

import pytest

from host_sim.report import plots, terminal
from host_sim.report.model import Chart, Column, Mark, Report, Series, Table, Unit
from tests.reports import S, hostile, small

GOLDEN = """\
replay web.toml access.log
29 of 99 requests would have been denied, most by limit per-address.

  requests      99     billed  1.50
  denied    29.3 %

Requests over time
  allowed  ###########******++++++------------------======######  most 9
  denied              ............------******######::::::.....   most 9
           1995-08-01T06:00:00Z             1995-08-01T06:09:00Z
  requests a minute, each to its own height
  A point is a minute.

Longest wait
                                     #####======             most 70.0ms
                                     ###########
                               ++++++###########
  normal            ::::::-----#################-----
          1995-08-01T06:00:00Z         1995-08-01T06:09:00Z
  wait
  bound: 100.0ms

Hurt most
  who       first denied          denied                charged
  -------------------------------------------------------------
  10.0.0.7  1995-08-01T06:02:00Z      20  ############    1.500
  mallory   -                          9  #####           0.005
  and 3 more
  Of all clients.

One decision
  ratelimit   yes per-address: 4 left

How far to trust this
  99 of 99 lines were read.

Proof
configuration ababababababababababababababababababababababababababababab
              ababab
seed          00000000000000000000000000000000
"""


def test_a_small_report_is_this_text():
    assert terminal.text(small(), width=72) == GOLDEN


@pytest.mark.parametrize("width", [1, 40, 80, 140])
@pytest.mark.parametrize("report", [small(), hostile()])
def test_lines_keep_to_the_width_and_hold_nothing_a_terminal_obeys(report, width):
    text = terminal.text(report, width=width)
    assert all(len(line) <= max(width, terminal.WIDTH_MIN) for line in text.splitlines())
    assert all(" " <= char <= "~" for char in text.replace("\n", ""))
    assert text == terminal.text(report, width=width)


def test_a_table_that_is_too_wide_stands_in_parts_and_loses_nothing():
    columns = tuple(Column(f"column {place}", Unit.COUNT) for place in range(12))
    table = Table("wide", (Column("who"), *columns), (("alice", *range(10**6, 10**6 + 12)),))
    for width in (40, 60, 200):
        text = terminal.text(Report("t", "h", (), (table,)), width=width)
        words = text.split()
        assert all(f"1,000,0{place:02}" in words for place in range(12))
        assert words.count("alice") == {40: 4, 60: 3, 200: 1}[width]


def test_color_colours_harm_and_nothing_else_changes():
    import re
    plain, colored = terminal.text(small()), terminal.text(small(), color=True)
    assert "\x1b[31m" in colored and "\x1b" not in plain
    bare = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


def test_names_do_not_become_markup_or_sequences():
    text = terminal.text(hostile(), width=140, color=True)
    assert "[red]x[/red]" in text and "\\u2028\\x1b[31m" in text and "\u2028" not in text


def test_a_spark_shows_what_is_little_as_something():
    assert terminal.spark([0, 1, 1000, None]) == [" .# "]
    assert terminal.spark([0, 1, 1000, None], blocks=True) == [" ▁█ "]
    assert terminal.spark([5, 5]) == ["##"]
    assert terminal.spark([-4, 0, 4]) == [" -#"]
    assert terminal.spark([0, 8, 16], blocks=True, rows=2) == ["  █", " ██"]


def test_columns_show_the_highest_of_their_span_and_hold_a_step():
    series = Series("s", (0, 10, 11, 99), (1, 5, 9, 2), Mark.STEP)
    assert terminal.columned(series, 0, 99, 2) == [9, 2]
    assert terminal.columned(series, 0, 99, 10) == [1, 9, 9, 9, 9, 9, 9, 9, 9, 2]


def test_series_of_one_scale_share_a_height_and_parts_of_a_whole_do_not():
    def drawn(mark):
        chart = Chart("c", Column("x", Unit.COUNT), Column("y", Unit.COUNT),
                      (Series("big", (0, 1), (80, 80), mark),
                       Series("small", (0, 1), (1, 1), mark)))
        return terminal.text(Report("t", "h", (), (chart,)), width=40)
    assert "each to its own height" in drawn(Mark.STACK) and drawn(Mark.STACK).count("#") > 30
    assert "." in drawn(Mark.STEP).split("small")[1].splitlines()[0]


def test_a_report_without_anything_in_it_is_two_lines():
    empty = Report("t", "Nothing happened.", (), (
        Table("rows", (Column("a"),), ()),
        Chart("chart", Column("x"), Column("y"), (Series("s", (), ()),))))
    assert terminal.text(Report("t", "h")) == "t\nh\n"
    assert terminal.text(empty).count("  nothing\n") == 2


def test_a_line_goes_on_under_its_own_start():
    from host_sim.report.model import Text

    lines = ("before:", "  ratelimit   yes " + "per-address " * 6, "    16.1s  breaker of orders: "
             "half-open > open (probe-failed), again", "  " + "y" * 60, "a  b", "")
    text = terminal.text(Report("t", "h", (), (Text("One", lines),)), width=50)
    assert text.splitlines()[4:] == [
        "  before:",
        "    ratelimit   yes per-address per-address",
        "                per-address per-address",
        "                per-address per-address",
        "      16.1s  breaker of orders: half-open > open",
        "             (probe-failed), again",
        "    " + "y" * 46, "    " + "y" * 14, "  a  b", ""]


@pytest.mark.parametrize("told, width", [("80", 80), ("", 100), ("0", 100), ("wide", 100),
                                         ("-1", 100), ("99999999999", 100), ("20", 40)])
def test_a_pipe_is_as_wide_as_columns_says(monkeypatch, told, width):
    monkeypatch.setenv("COLUMNS", told)
    out = io.StringIO()
    terminal.show(small(), out)
    assert out.getvalue() == terminal.text(small(), width=width)


def test_a_pipe_gets_ascii_and_a_terminal_what_it_takes(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return False
    raw = io.BytesIO()
    stream = Terminal(raw, encoding="utf-8")
    terminal.show(small(), stream)
    stream.flush()
    assert raw.getvalue().decode("ascii") == terminal.text(small())


def test_instants_and_money_stand_in_columns():
    text = terminal.text(Report("t", "h", (), (Table("b", (
        Column("who"), Column("charged", Unit.MONEY), Column("wait", Unit.DURATION)), (
        ("a", 1_500_000_000, 90 * S), ("b", 12_000_000_001, 5))),)))
    assert text.splitlines()[-2:] == ["  a     1.500000000  1m 30s", "  b    12.000000001     5ns"]


def test_a_chart_that_leaves_zero_out_says_where_it_begins():
    chart = Chart("Bill", Column("limit.a.rate (per second)", Unit.COUNT),
                  Column("bill", Unit.COUNT), (Series("all", (1, 2, 3), (1000, 1010, 1020)),),
                  from_zero=False)
    said = terminal.text(Report("t", "h", sections=(chart,)))
    assert "bill, drawn from 1,000 on, against limit.a.rate (per second)" in said
    rows = [line for line in said.splitlines() if "####" in line]
    assert rows and all(line.index("#") > 30 for line in rows)     # the lowest is at the bottom
    flat = terminal.text(Report("t", "h", sections=(dataclasses.replace(chart, from_zero=True),)))
    assert any(line.split()[0] == "all" and "#" * 60 in line for line in flat.splitlines()
               if line.strip())
    low, high = plots.y_ends(chart)
    assert 990 < low < 1000 and 1020 < high < 1030
    assert plots.y_ends(dataclasses.replace(chart, from_zero=True))[0] == 0
