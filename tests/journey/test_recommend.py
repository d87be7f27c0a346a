# SPDX-License-Identifier: MIT
"""From a recorded log to a safe limit: what recommend and sweep say of real traffic, checked by
replays and against what the provider of that traffic really throttled."""

from __future__ import annotations

import collections
import gzip
import io
import json

from host_sim.config import loads
from host_sim.recommend.curve import Candidate
from host_sim.recommend.engine import Wanted, recommend
from host_sim.recommend.infer import PERIOD_NS
from host_sim.recommend.propose import Proposal, whole
from host_sim.recommend.search import Burst
from host_sim.recommend.trace import Shape
from host_sim.replay.engine import Options, Replay
from host_sim.replay.mapping import parse_maps
from host_sim.replay.source import Source
from host_sim.sweep.engine import Sweep
from host_sim.sweep.grid import parse_vary
from tests.data import ROOT, data

THROTTLED = {"DescribeParameters": 39, "DeleteParameter": 38, "PutParameter": 25}


def web():
    return str(data("access-logs", "web_day_1995.tsv.gz"))


def cloud():
    return str(data("access-logs", "cloud_api_calls_2023.jsonl.gz"))


def test_a_limit_per_client_that_hurts_nobody():
    made = recommend([web()], Wanted(0, Shape(key="client")))
    assert made.answers[0].proposal.candidate.rate == 18
    assert made.proof.denied == {} and made.proof.hurt == ()
    assert sum(made.proof_below.denied.values()) == 4
    assert "none of 30,969 requests" in made.report().headline


def test_one_in_a_thousand_and_who_it_is():
    made = recommend([web()], Wanted(1000, Shape(key="client")))
    assert sum(made.proof.denied.values()) == 17 <= 30_969 * 1000 // 10**6
    assert sum(made.proof_below.denied.values()) == 33 > 30
    assert [(key.name, key.denied) for key in made.proof.hurt[:2]] == [
        ("alta.atk.com", 5), ("163.205.156.16", 4)]
    assert len(made.proof.hurt) == 6 and made.proof.keys == 2365
    rates = [found.best.candidate.rate for found in made.trade]
    assert rates == sorted(rates, reverse=True) and len(rates) == 5


def inferred():
    """By operation."""
    made = recommend([cloud()], Wanted(10_000, Shape(("service",))))
    return {one.group.parts: one for one in made.inferred}


def test_one_size_of_bucket_would_have_done_for_all_three():
    shared = recommend([cloud()], Wanted(10_000, Shape(("service",)))).common
    assert 120 <= shared.best.rate <= 150 and 16 <= shared.best.burst <= 20
    assert shared.throttled == 102 and 90 <= shared.denied <= 105
    assert shared.matched * 100 >= 73 * 102 and shared.matched * 100 >= 80 * shared.denied


def test_the_limits_that_throttled_the_cloud_log_are_found_again():
    """102 calls were throttled by limits nobody told. The buckets that agree best deny about as
    many, four of five in the very seconds; and the limit that is recommended for the share that
    was really denied is one of those that agree nearly as well."""
    found = inferred()
    assert {parts: one.group.throttled for parts, one in found.items()} == {
        ("ssm", operation): number for operation, number in THROTTLED.items()}
    matched = sum(one.matched for one in found.values())
    denied = sum(one.denied for one in found.values())
    assert matched * 100 >= 77 * 102 and matched * 100 >= 84 * denied
    for one in found.values():
        assert one.precision_ppm >= 840_000 and one.recall_ppm >= 700_000
        assert 14 <= one.best.burst <= 20 and 60 <= one.best.rate <= 160     # 1.0/s to 2.7/s
        assert one.rate_low <= one.at_as_many <= one.rate_high
        ppm = one.group.throttled * 10**6 // one.group.requests
        again = recommend([cloud()], Wanted(
            ppm, Shape(("service", "operation")),
            burst=Burst(str(one.best.burst), tokens=one.best.burst)))
        answer = next(a for a in again.answers if a.found.task.group.parts == one.group.parts)
        assert one.rate_low <= answer.found.best.candidate.rate <= one.rate_high
        assert answer.found.below.denied > answer.found.task.allowed


def test_the_inferred_buckets_agree_in_a_replay_of_the_whole_core_too():
    """Second by second, from the raw log on one side and the decisions of a replay on the other."""
    found = inferred()
    shape = Shape(("service", "operation"))
    config = loads(whole(shape, [
        Proposal(one.group.parts[1], Candidate(one.best.rate, PERIOD_NS, one.best.burst), one.group)
        for one in found.values()], None, "inferred"), profile="edge")
    sink = io.BytesIO()
    with Source(cloud()) as source, Replay(
            config, source, profile="edge", decisions=sink, options=Options(
                maps=parse_maps(("header:X-Operation=operation",)))) as replay:
        replay.run_host()
    said = collections.Counter()
    for line in sink.getvalue().splitlines():
        row = json.loads(line)
        if row["verdict"] == "deny":
            said[row["by"], row["t_ns"] // 10**9] += 1
    recorded = collections.Counter()
    with gzip.open(cloud(), "rt") as file:
        for row in map(json.loads, file):
            if row["error"] == "ThrottlingException":
                hour, minute, second = map(int, row["time"][11:19].split(":"))
                recorded[row["operation"], (hour * 60 + minute) * 60 + second] += 1
    assert sum(recorded.values()) == 102
    day = collections.Counter({(by, at % 86400): n for (by, at), n in said.items()})
    for parts, one in found.items():
        assert sum(n for (by, _), n in day.items() if by == parts[1]) == one.denied
    assert sum((day & recorded).values()) == sum(one.matched for one in found.values())


def test_a_sweep_shows_where_more_pays_little():
    swept = Sweep(ROOT / "examples/web-small.toml", [web()],
                  [parse_vary("limit.per-address.rate=4/min,6/min,12/min,20/min,60/min")]).run()
    assert swept.findings() == []
    assert [point.requests for point in swept.points] == [30_969] * 5
    losses = [point.lost for point in swept.points]
    assert losses == sorted(losses, reverse=True) and losses[0] == 2 * losses[-1] > 0
    assert [point.current for point in swept.points] == [False, False, True, False, False]
