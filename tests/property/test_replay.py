# SPDX-License-Identifier: MIT
"""replay: sorting is sorting, nothing is lost uncounted, and batches change nothing."""

import io
import re

from hypothesis import given
from hypothesis import strategies as st

from host_sim.replay.engine import Options, Replay
from host_sim.replay.source import from_bytes
from tests.replaying import CONFIG, config_of, log_of

RULES = config_of(CONFIG.replace("[service.web]", '[service.web]\ntimeout = "9s"'))
ROWS = st.lists(st.tuples(
    st.integers(0, 60), st.sampled_from(["10.0.0.1", "10.0.0.2", "triton", "-"]),
    st.one_of(st.just(""), st.integers(0, 12_000))), max_size=60)


def told(rows, **options):
    """Everything a replay tells that is about time and decisions, and the kernel's counters."""
    sink = io.BytesIO()
    with Replay(RULES, from_bytes(log_of(*rows) + b"\n"), options=Options(**options),
                decisions=sink) as run:
        summary = run.run_host()
        assert run.kernel.valid() == 0
        stats = run.kernel.stats()
    return summary, sink.getvalue(), stats


PLACE = re.compile(rb',"line":([0-9]+)')


def places(lines):
    """Which line of the log each decision is of."""
    return [int(line) for line in PLACE.findall(lines)]


@given(ROWS)
def test_a_jumbled_log_is_the_log_sorted(rows):
    rows = [(0, "-", ""), *rows]
    jumbled, lines, _ = told(rows)
    ordered, same, _ = told(sorted(rows, key=lambda row: row[0]), order="clamp")
    assert sorted(places(lines)) == places(same) == list(range(2, len(rows) + 2))
    assert PLACE.sub(b"", lines) == PLACE.sub(b"", same)
    for digest in ("decision_digest", "state_digest", "book_digest"):
        assert getattr(jumbled, digest) == getattr(ordered, digest)


@given(ROWS, st.sampled_from(["sort", "clamp", "reject"]), st.integers(0, 9))
def test_every_row_is_decided_or_counted(rows, order, window):
    rows = [(0, "-", ""), *rows]
    summary, lines, stats = told(rows, order=order, window=window)
    assert summary.requests + summary.rejected == len(rows)
    assert len(lines.splitlines()) == summary.requests == stats["asked_count"]
    assert sum(summary.verdicts.values()) == summary.requests
    assert stats["error_count"] == summary.errors == stats["inflight_count"] == 0
    steps = sum(b[0] < a[0] for a, b in zip(rows, rows[1:], strict=False))
    assert summary.stepped_back == steps
    late = summary.late + summary.moved + summary.rejected
    assert late == 0 if order == "sort" and window == 0 else late >= 0


@given(ROWS, st.integers(1, 7), st.integers(1, 9))
def test_batches_change_nothing(rows, batch_rows, window):
    rows = [(0, "-", ""), *rows]
    found = []
    for size in (512, batch_rows):
        sink = io.BytesIO()
        with Replay(RULES, from_bytes(log_of(*rows)), options=Options(window=window),
                    decisions=sink) as run:
            run._open(size, 65536)
            while run._serve(run.lib.ray_host_replay(run._replay, run.kernel.ray)):
                pass
            run.flush()
            found.append((run.kernel.digest(), sink.getvalue()))
    assert found[0] == found[1]
