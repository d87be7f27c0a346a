# SPDX-License-Identifier: MIT
"""plan: its flips are those of two separate replays, whatever the log; a configuration against
itself changes nothing; and exchanging the sides transposes everything."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim.plan import plan
from host_sim.plan.explain import explain
from host_sim.plan.logs import Logs
from host_sim.replay.engine import Options
from host_sim.replay.mapping import parse_maps
from tests.planning import LONG, MAPS, both, decisions, log_of, separate_flips, written_flips

OLD, NEW = both()
ROW = st.tuples(st.sampled_from([*range(9), 300, 90_000]),
                st.sampled_from(["10.0.0.1", "10.0.0.2", "8.8.8.8"]),
                st.sampled_from(["/a", "/api/b", "/api/c", "/d"]), st.sampled_from([0, 40, 900]),
                st.sampled_from(["ann", "ben", "", LONG]))
ROWS = st.lists(ROW, min_size=1, max_size=60)
ORDER = st.sampled_from(["sort", "clamp", "reject"])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tmp_path_factory.mktemp("plan") / "a.csv")


def written(path, rows):
    rows = [(0, "10.0.0.1", "/a", 0, "ann"), *rows]  # so that there is something to compare
    with open(path, "wb") as file:
        file.write(log_of(rows))
    return rows


def options_of(order, window):
    return Options(order, window, maps=parse_maps(MAPS), top=100)


def over_time(course, flips):
    """The series as the flips say it."""
    found = {word: [0] * len(course.requests) for word in (
        "newly-denied", "newly-allowed", "other")}
    for row in map(json.loads, flips.splitlines()):
        place = (row["t_ns"] - course.first_ns) // course.width_ns
        found[row["change"]][max(place, 0)] += 1
    return tuple(map(tuple, found.values()))


@settings(max_examples=40)
@given(rows=ROWS, order=ORDER, window=st.integers(0, 9))
def test_the_flips_are_those_of_two_separate_replays(path, rows, order, window):
    written(path, rows)
    options, sink = options_of(order, window), io.BytesIO()
    told = plan(OLD, NEW, path, profile="tiny", options=options, flips=sink)
    flips = written_flips(sink.getvalue())
    assert flips == separate_flips(OLD, NEW, path, options)
    assert told.changed == len(flips)
    assert over_time(told.course, sink.getvalue()) == (
        told.course.newly_denied, told.course.newly_allowed, told.course.other)
    assert sum(told.course.requests) == told.requests
    sides = [decisions(config, path, options) for config in (OLD, NEW)]
    assert told.requests == len(sides[0].keys() & sides[1].keys())
    assert told.only == tuple(len(a.keys() - b.keys()) for a, b in (sides, sides[::-1]))
    lonely = [sorted(a.keys() - b.keys()) for a, b in (sides, sides[::-1])]
    assert told.only_line == tuple(keys[0][1] if keys else 0 for keys in lonely)


@settings(max_examples=20)
@given(rows=ROWS, order=ORDER)
def test_exchanging_the_sides_transposes_everything(path, rows, order):
    written(path, rows)
    there, back = (plan(*sides, path, profile="tiny", options=options_of(order, 0))
                   for sides in ((OLD, NEW), (NEW, OLD)))
    assert (there.newly_denied, there.newly_allowed, there.other) == (
        back.newly_allowed, back.newly_denied, back.other)
    assert {(old, new): number for old, row in there.verdicts.items()
            for new, number in row.items()} == {
        (old, new): number for new, row in back.verdicts.items() for old, number in row.items()}
    assert {(p.old, p.new): (p.requests, p.rewaited) for p in there.pairs} == {
        (p.new, p.old): (p.requests, p.rewaited) for p in back.pairs}
    assert there.only == back.only[::-1]
    assert {bill.tenant: bill.growth_nano for bill in there.bills} == {
        bill.tenant: -bill.growth_nano for bill in back.bills}
    assert sorted((g.name, g.requests, g.newly_denied, g.old_refused) for g in there.services) == (
        sorted((g.name, g.requests, g.newly_allowed, g.new_refused) for g in back.services))
    assert there.exit_code == back.exit_code


@settings(max_examples=20)
@given(rows=ROWS, order=ORDER, which=st.integers(0, 1))
def test_a_configuration_against_itself_changes_nothing(path, rows, order, which):
    written(path, rows)
    sink, side = io.BytesIO(), (OLD, NEW)[which]
    told = plan(side, side, path, profile="tiny", options=options_of(order, 0), flips=sink)
    assert (told.changed, told.changes, told.only) == (0, False, (0, 0))
    assert told.exit_code == bool(told.unseen)      # lines left out were not seen
    assert told.unseen == tuple(told.old.findings())
    assert sink.getvalue() == b""
    assert told.old.decision_digest == told.new.decision_digest
    assert told.victims == ()


@settings(max_examples=20)
@given(rows=ROWS, pick=st.integers(0, 1000))
def test_an_explanation_ends_in_the_decision(path, rows, pick):
    """What the core says of a row just before it is what it then decides."""
    written(path, rows)
    options = options_of("sort", 0)
    told = decisions(NEW, path, options)
    row = sorted(told.values(), key=lambda one: one["seq"])[pick % len(told)]
    with Logs(path) as log:
        by_seq = explain(NEW, log, seq=row["seq"], options=options, profile="tiny")
        by_line = explain(NEW, log, line=row["line"], options=options, profile="tiny")
    assert by_seq == by_line
    assert by_seq.decision == row
    journey = by_seq.journey
    assert (journey["verdict"], journey["reason"]) == (row["verdict"], row["reason"])
    assert (journey["by"] or None) == row["by"]
