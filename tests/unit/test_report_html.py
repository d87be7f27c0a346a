# SPDX-License-Identifier: MIT
"""A report as a page: one file, offline, escaped, bounded, the same bytes each time; and drawn."""
import base64
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser

import pytest

from host_sim.report import html, plots
from host_sim.report.model import Chart, Column, Mark, Report, Series, Table, Text, Unit
from tests.reports import EVIL, hostile, large, small

pytest.importorskip("bokeh", reason="pip install 'raygate[report]'")
ROOT = pathlib.Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TAGS = set("""a body br button dd details div dl dt figure h1 h2 head header html li link main meta
    nav noscript p pre script section span style summary table tbody td th thead title tr ul
    wbr""".split())


class Elements(HTMLParser):
    """Every element of a page, and its text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.said, self.inside = [], [], [], ""
        self.scripts = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attr) for attr in attrs]
        self.inside = tag

    def handle_data(self, data):
        (self.scripts if self.inside in ("script", "style") else self.said).append(data)


def told(page):
    return json.loads(re.search(r'id="charts">(.*?)</script>', page, re.S)[1])


def objects(value, name):
    """Every Bokeh model of that name in a document."""
    if isinstance(value, dict) and value.get("name") == name:
        yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from objects(part, name)


def test_a_page_is_one_ascii_file_of_at_most_a_megabyte_and_a_half():
    page = html.page(small())
    assert page.isascii() and len(page) <= html.SIZE_MAX
    assert "thinned" not in page and "kept below" not in page


def test_nothing_is_asked_of_the_outside():
    page = html.page(small())
    parts = Elements(page)
    links = [value for _, name, value in parts.attributes if name in ("href", "src", "srcset")]
    assert links and all(link.startswith("#") or link == "data:," for link in links)
    assert "url(" not in (ROOT / "host_sim/report/page.css").read_text()
    assert "@import" not in page
    policy = next(value for tag, name, value in parts.attributes
                  if tag == "meta" and name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'") and "unsafe-eval" not in policy
    allowed = re.search(r"script-src ([^;]*);", policy)[1].split()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert allowed == ["'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest())
                       .decode() + "'" for script in scripts] and len(scripts) == 2


def test_what_comes_from_outside_is_text_and_nothing_else():
    page, calm = html.page(hostile()), html.page(small())
    parts = Elements(page)
    assert set(parts.tags) <= TAGS and "img" not in parts.tags
    assert not any(name.startswith("on") for _, name, _ in parts.attributes)
    assert page.count("<script") == calm.count("<script") == 3
    assert page.count("</script") == calm.count("</script")
    assert "\u2028" not in page and "\x1b" not in page
    said = "".join(parts.said)
    shown = EVIL.replace("\u2028", "\\u2028").replace("\x1b", "\\x1b")
    assert said.count(shown) >= 15
    tips = [tool["attributes"]["tooltips"] for tool in objects(told(page), "HoverTool")]
    assert tips and shown in json.dumps(tips).replace('\\"', '"').replace("\\\\", "\\")


def test_the_same_report_is_the_same_bytes_in_any_process():
    first = html.page(small())
    html.page(hostile())
    assert html.page(small()) == first
    code = ("import sys; from tests.reports import small; from host_sim.report import html; "
            "sys.stdout.write(html.page(small()))")
    for seed in ("1", "2"):
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True,
                              capture_output=True, text=True,
                              env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."})
        assert done.stdout == first


def test_a_page_that_would_be_too_large_is_thinned_and_says_so():
    page = html.page(large(50_000, 3, 40_000))
    assert len(page) <= html.SIZE_MAX
    assert "kept below 1,500,000 bytes" in page and page.count("and 39,") == 2


def test_a_thinned_series_keeps_its_peaks():
    ys = tuple(1000 if x == 77 else None if x % 7 else 3 for x in range(1000))
    thin = plots.thinned(Series("s", tuple(range(1000)), ys), 100)
    assert len(thin.xs) == len(thin.ys) <= 100 and max(y for y in thin.ys if y) == 1000
    assert thin.xs[7] == 70 and thin.ys[7] == 1000
    assert plots.thinned(thin, 100) is thin


def test_every_chart_has_a_table_and_a_description():
    page = html.page(small())
    parts = Elements(page)
    assert parts.tags.count("details") == 2 == parts.tags.count("figure")
    labels = [value for tag, name, value in parts.attributes if name == "aria-label"]
    assert any("denied: from 0 to 9, which is at 1995-08-01T06:06:00Z." in label
               for label in labels)
    said = "".join(parts.said)
    assert "70.0ms" in said and "bound: 100.0ms" in said and "wait, ms" in said
    heads = [level for level in parts.tags if re.fullmatch("h[1-6]", level)]
    assert heads == ["h1"] + ["h2"] * 6


def test_charts_over_time_share_one_range():
    document = told(html.page(small()))["document"]
    ranges = [root["attributes"]["x_range"]["id"] for root in document["roots"]]
    assert len(ranges) == 2 and len(set(ranges)) == 1


def test_a_report_without_charts_needs_no_script():
    page = html.page(Report("t", "h", (), (Table("b", (Column("a"),), (("x",),)),)))
    assert "<script" not in page and len(page) < 10_000
    empty = Report("t", "h", (), (Chart("c", Column("x"), Column("y"), (Series("s", (), ()),)),))
    assert "nothing" in html.page(empty)


def test_a_missing_bokeh_names_the_extra(monkeypatch):
    from host_sim.errors import RaygateError
    monkeypatch.setitem(sys.modules, "bokeh.document", None)
    with pytest.raises(RaygateError, match=r"raygate\[report\]"):
        html.page(small())


def test_axes_hold_what_is_drawn_and_leave_out_a_level_that_would_flatten_it():
    def chart(level, *marks):
        from host_sim.report.model import Line
        return Chart("c", Column("x"), Column("y", Unit.COUNT),
                     tuple(Series("s", (0, 1), (10, 20), mark) for mark in marks),
                     (Line("bound", level),))
    assert plots.y_ends(chart(30, Mark.LINE)) == (0, 32)
    assert plots.y_ends(chart(1000, Mark.LINE)) == (0, 21)
    assert plots.y_ends(chart(0, Mark.STACK, Mark.STACK)) == (0, 43)
    assert plots.y_ends(chart(-10, Mark.LINE)) == (0, 21)


def luminance(color):
    """Of a colour #rrggbb, as WCAG 2 has it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
              for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_and_charts_have_the_contrast_wcag_asks_for():
    css = (ROOT / "host_sim/report/page.css").read_text()
    themes = re.findall(r":root \{(.*?)\}", css, re.S)[:2]
    assert len(themes) == 2
    for theme in themes:
        color = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", theme))
        for ink in ("ink", "soft", "harm", "link"):
            assert contrast(color[ink], color["paper"]) >= 4.5, ink
        assert contrast(color["ink"], color["raised"]) >= 4.5
        for drawn in (*plots.HARM, *plots.CALM):
            assert contrast(drawn, color["paper"]) >= 3, drawn


# Moves the pointer over every chart and writes down what the tooltips hold; they live in shadow
# roots, which a dumped document leaves out.
HOVER = """<script>
(function () {
  function all(root, found) {
    root.querySelectorAll("*").forEach(function (one) {
      found.push(one);
      if (one.shadowRoot) { all(one.shadowRoot, found); }
    });
    return found;
  }
  function over(surface) {
    var box = surface.getBoundingClientRect();
    ["pointerover", "pointermove"].forEach(function (kind) {
      surface.dispatchEvent(new PointerEvent(kind, {
        bubbles: true, composed: true, pointerType: "mouse", pointerId: 1, isPrimary: true,
        clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }));
    });
  }
  setTimeout(function () {
    all(document, []).filter(function (one) {
      return one.classList.contains("bk-events");
    }).forEach(over);
    setTimeout(function () {
      var found = all(document, []);
      var tips = found.filter(function (one) { return one.classList.contains("bk-tooltip-row-value")
        || one.classList.contains("bk-tooltip-row-label"); });
      var charts = document.querySelectorAll(".chart");
      var ends = function () {
        return Bokeh.documents[0].roots().map(function (one) {
          return one.x_range.end - one.x_range.start;
        });
      };
      var before = ends();
      charts[0].dispatchEvent(new KeyboardEvent("keydown", { key: "+" }));
      document.querySelector("[data-how=right]").click();
      var zoomed = ends().map(function (span, place) { return span / before[place]; });
      document.querySelector("[data-how=all]").click();
      zoomed = zoomed.concat(ends().map(function (span, place) { return span / before[place]; }));
      var note = document.createElement("output");
      note.id = "hovered";
      note.textContent = JSON.stringify({
        images: found.filter(function (one) { return one.tagName === "IMG"; }).length,
        canvases: found.filter(function (one) { return one.tagName === "CANVAS"; }).length,
        tips: tips.map(function (one) { return one.textContent; }),
        zoomed: zoomed });
      document.body.appendChild(note);
    }, 1000);
  }, 2000);
})();
</script></body>"""


def seen(folder, page, width=800):
    """The document as Chromium has it after its scripts ran; its console said nothing."""
    file = folder / "page.html"
    file.write_text(page, "ascii")
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         f"--user-data-dir={folder / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
         "--virtual-time-budget=6000", f"--window-size={width},900", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert [line for line in console if "setting log level" not in line] == []
    return done.stdout


def test_two_harms_of_a_chart_have_colours_of_their_own():
    series = [Series(name, (1,), (1,), bad=name != "asked")
              for name in ("asked", "denied", "dropped", "failed")]
    colors = plots.colors(Chart("c", Column("x"), Column("y"), tuple(series)))
    assert len(set(colors)) == 4 and set(colors[1:]) == set(plots.HARM)
    assert not set(plots.HARM) & set(plots.CALM)


WIDE = """<script>setTimeout(function () {
  var note = document.createElement("output");
  note.id = "wide";
  note.textContent = JSON.stringify([innerWidth, document.documentElement.scrollWidth].concat(
    Bokeh.documents[0].roots().map(function (one) {
      return one.below[0].ticker.desired_num_ticks;
    })));
  document.body.appendChild(note);
}, 3000);</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the page with")
@pytest.mark.parametrize("width, ticks", [(500, 3), (1200, 6)])
def test_nothing_runs_off_a_telephone_and_labels_have_room(tmp_path, width, ticks):
    """A browser's window is 500 wide at least; the links are longer than that."""
    made = small()
    long = [Text(f"The first newly denied by {'x' * 30} {place} " + "of a long name " * 4, ("a",))
            for place in range(3)]
    page = html.page(dataclasses.replace(made, sections=(*made.sections, *long)))
    policy = re.search(r"script-src [^;]*;", page)[0]
    watched = page.replace(policy, "script-src 'unsafe-inline';").replace("</body>", WIDE)
    said = re.search(r'<output id="wide">(.*?)</output>', seen(tmp_path, watched, width), re.S)[1]
    inner, needed, *desired = json.loads(said)
    assert needed <= inner and desired == [ticks] * 2


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the page with")
@pytest.mark.parametrize("make, charts", [(small, 2), (hostile, 1)])
def test_a_browser_draws_the_charts_without_an_error(tmp_path, make, charts):
    page = html.page(make())
    drawn = seen(tmp_path, page)
    assert f'data-charts="{charts}"' in drawn
    assert drawn.count('class="bk-Figure"') == charts
    # A script of the test's own needs another policy.
    policy = re.search(r"script-src [^;]*;", page)[0]
    watched = page.replace(policy, "script-src 'unsafe-inline';").replace("</body>", HOVER)
    said = re.search(r'<output id="hovered">(.*?)</output>', seen(tmp_path, watched), re.S)[1]
    hovered = json.loads(unescape(said))
    assert hovered["canvases"] >= charts and hovered["images"] == 0
    assert hovered["tips"], "no tooltip came up"
    assert hovered["zoomed"] == [0.5] * charts + [1] * charts
    if make is small:
        assert {"allowed", "denied", "normal"} <= {tip.rstrip(": ") for tip in hovered["tips"]}
    else:
        assert any("</script><img src=x onerror=alert(1)>" in tip for tip in hovered["tips"])
