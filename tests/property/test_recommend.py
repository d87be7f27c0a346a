# SPDX-License-Identifier: MIT
"""recommend: what it finds is the smallest, by the obvious limiter and by a replay."""

import pathlib
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim.recommend.curve import Curve
from host_sim.recommend.engine import Wanted, recommend
from host_sim.recommend.search import Burst, Task, search
from host_sim.recommend.trace import Shape, Trace
from tests.recommending import MIN, S, denied_by_bucket, denied_by_window, log_file

ROWS = st.lists(st.tuples(st.integers(0, 300), st.sampled_from(["10.0.0.1", "10.0.0.2", "axe"])),
                min_size=1, max_size=60)
PPM = st.sampled_from([0, 1, 20_000, 100_000, 333_333, 999_999, 1_000_000])


def found_in(rows, shape, algorithm, burst, ppm):
    """The search's answer, and the events it was found in."""
    with tempfile.TemporaryDirectory() as folder:
        with Trace([log_file(pathlib.Path(folder), rows)], shape) as trace:
            facts = trace.gather()
            task = Task(None, algorithm, MIN, burst, len(rows) * ppm // 10**6, len(rows))
            return search(Curve(trace), facts, [task])[0]


def events(rows, key):
    return [(at * S, ip if key == "client" else "") for at, ip in sorted(rows, key=lambda r: r[0])]


@settings(max_examples=60)
@given(ROWS, PPM, st.sampled_from(["all", "client"]),
       st.sampled_from([Burst("", tokens=1), Burst("", tokens=7), Burst("", span_ns=10 * S),
                        Burst("", span_ns=MIN)]))
def test_no_smaller_bucket_would_do(rows, ppm, key, burst):
    found = found_in(rows, Shape(key=key), "token_bucket", burst, ppm)
    allowed = found.task.allowed
    assert found.monotone

    def denied(rate):
        return denied_by_bucket(events(rows, key), rate, MIN, burst.capacity(rate, MIN))

    if found.best is None:      # even a bucket that is full every second denies too much
        assert denied(burst.tokens * 60) > allowed and burst.tokens
        return
    best = found.best.candidate.rate
    assert found.best.denied == denied(best) <= allowed
    for rate in range(max(1, best - 50), best):
        assert denied(rate) > allowed
    assert best == 1 or found.below.denied == denied(best - 1)


@settings(max_examples=40)
@given(ROWS, PPM, st.sampled_from(["all", "client"]))
def test_no_smaller_window_would_do(rows, ppm, key):
    found = found_in(rows, Shape(key=key), "fixed_window", Burst(""), ppm)
    best = found.best.candidate.rate
    assert found.best.denied == denied_by_window(events(rows, key), best, MIN)
    assert found.best.denied <= found.task.allowed
    for rate in range(1, best):
        assert denied_by_window(events(rows, key), rate, MIN) > found.task.allowed


@settings(max_examples=12, deadline=None)
@given(ROWS, PPM, st.sampled_from(["all", "client"]),
       st.sampled_from(["token_bucket", "leaky_bucket", "fixed_window", "sliding_window"]))
def test_the_whole_core_agrees(rows, ppm, key, algorithm):
    with tempfile.TemporaryDirectory() as folder:
        log = log_file(pathlib.Path(folder), rows)
        made = recommend([log], Wanted(ppm, Shape(key=key), algorithm))
    answer = made.answers[0]
    denied = made.proof.denied.get(answer.proposal.name, 0)
    assert denied == answer.found.best.denied
    assert denied * 10**6 <= ppm * len(rows)
    if answer.proposal.candidate.rate > 1:
        below = made.proof_below.denied.get(answer.proposal.name, 0)
        assert below == answer.found.below.denied
        assert below > answer.found.task.allowed
