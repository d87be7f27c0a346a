// SPDX-License-Identifier: MIT
// Draws the charts of a page, gives them the theme's ink, and lets the keyboard zoom them.
(function () {
  "use strict";
  var told = JSON.parse(document.getElementById("charts").textContent);
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var TICK = 120;
  var zoom = document.getElementById("zoom");

  function ink() {
    return getComputedStyle(document.documentElement).getPropertyValue("--soft").trim();
  }

  function dress(figure, color) {
    figure.below.concat(figure.left).forEach(function (axis) {
      axis.major_label_text_color = color;
      if (figure.below.indexOf(axis) >= 0) {
        axis.axis_line_color = color;
        axis.major_tick_line_color = color;
      }
    });
    figure.center.forEach(function (part) {
      if (part.type === "Grid" && part.grid_line_color) { part.grid_line_color = color; }
      if (part.type === "Span") { part.line_color = color; }
    });
  }

  function dressAll() {
    var color = ink();
    Bokeh.documents.forEach(function (made) {
      made.roots().forEach(function (figure) { dress(figure, color); });
    });
  }

  // As many labels as have room: an instant with its seconds takes half of TICK.
  function spread() {
    Bokeh.documents.forEach(function (made) {
      made.roots().forEach(function (figure) {
        var chart = document.getElementById(told.roots[figure.id]);
        var most = Math.floor(chart.clientWidth / TICK);
        figure.below.forEach(function (axis) {
          axis.ticker.desired_num_ticks = Math.max(2, Math.min(6, most));
        });
      });
    });
  }

  function ranges() {
    var found = [];
    Bokeh.documents.forEach(function (made) {
      made.roots().forEach(function (figure) {
        if (found.indexOf(figure.x_range) < 0) { found.push(figure.x_range); }
      });
    });
    return found;
  }

  // How: "in" and "out" halve and double, "left" and "right" move by a quarter, "all" is the whole.
  function move(range, how) {
    var low = range.bounds[0], high = range.bounds[1];
    var start = range.start, span = range.end - range.start;
    if (how === "all") { start = low; span = high - low; }
    if (how === "in") { start += span / 4; span /= 2; }
    if (how === "out") { start -= span / 2; span *= 2; }
    if (how === "left") { start -= span / 4; }
    if (how === "right") { start += span / 4; }
    span = Math.min(span, high - low);
    start = Math.min(Math.max(start, low), high - span);
    range.setv({ start: start, end: start + span });
  }

  function keys(event) {
    var how = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right",
      "0": "all" }[event.key];
    if (!how || event.ctrlKey || event.metaKey || event.altKey) { return; }
    ranges().forEach(function (range) { move(range, how); });
    event.preventDefault();
  }

  Bokeh.set_log_level("error");
  Bokeh.embed.embed_items({ page: told.document }, [
    { docid: "page", root_ids: told.root_ids, roots: told.roots }
  ]).then(function () {
    dressAll();
    spread();
    window.addEventListener("resize", spread);
    dark.addEventListener("change", dressAll);
    document.querySelectorAll(".chart").forEach(function (chart) {
      chart.addEventListener("keydown", keys);
    });
    zoom.hidden = false;
    zoom.addEventListener("click", function (event) {
      var how = event.target.getAttribute("data-how");
      if (how) { ranges().forEach(function (range) { move(range, how); }); }
    });
    document.documentElement.setAttribute("data-charts", String(told.root_ids.length));
  });
})();
