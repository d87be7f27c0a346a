# SPDX-License-Identifier: MIT
"""A report in a notebook's cell: the terminal's lines, which need no script and no style."""

from __future__ import annotations

import html

from host_sim.report import terminal
from host_sim.report.model import Report

WIDTH = 110


def cell(report: Report) -> str:
    """HTML for `_repr_html_`."""
    shown = html.escape(terminal.text(report, width=WIDTH, blocks=True))
    return f'<pre style="line-height: 1.2">{shown}</pre>'
