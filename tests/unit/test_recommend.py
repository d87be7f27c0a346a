# SPDX-License-Identifier: MIT
"""recommend: classes, curves, proofs, what was throttled, and what is said of it all."""

import itertools
import json

import pytest

from host_sim.config import load, loads
from host_sim.recommend.curve import Candidate, Curve, Interrupted
from host_sim.recommend.engine import Wanted, recommend
from host_sim.recommend.infer import infer
from host_sim.recommend.search import Burst, Task, search
from host_sim.recommend.trace import Shape, Trace
from host_sim.replay.engine import Options
from host_sim.replay.program import FormatError
from host_sim.report.model import Chart
from tests.recommending import BASE, BURST, MIN, S, denied_by_bucket, log_file


def groups(log, shape, config=None):
    """Requests by group name, and the facts."""
    with Trace([log], shape, config=config) as trace:
        facts = trace.gather()
        return {group.name: group.requests for group in trace.groups()}, facts


# -- the trace -------------------------------------------------------------------------------------
def test_each_class_is_counted(tmp_path):
    log = log_file(tmp_path, BURST)
    assert groups(log, Shape(("service",)))[0] == {"b": 12, "a": 48}
    assert groups(log, Shape(("path",), depth=2))[0] == {"/x/0": 30, "/x/1": 30}
    assert groups(log, Shape(("service", "path")))[0] == {"b /x": 12, "a /x": 48}
    assert groups(log, Shape())[0] == {"all": 60}


def test_a_query_and_a_last_slash_are_no_part_of_a_path(tmp_path):
    log = log_file(tmp_path, [(0, "-", "-", "-", path) for path in ("/a?b=/c", "/a/", "/a", "/")])
    assert groups(log, Shape(("path",), depth=3))[0] == {"/a": 3, "/": 1}


def test_operations_come_from_their_column(tmp_path):
    log = tmp_path / "calls.jsonl"
    log.write_text("".join(json.dumps({"time": n, "operation": f"op{n % 2}"}) + "\n"
                           for n in range(6)))
    assert groups(str(log), Shape(("operation",)))[0] == {"op0": 3, "op1": 3}
    with pytest.raises(FormatError, match="no column is known as the operation"):
        groups(log_file(tmp_path, BURST), Shape(("operation",)))


def test_a_configuration_names_classes_and_leaves_out_what_it_denies(tmp_path):
    log = log_file(tmp_path, BURST)
    found, facts = groups(log, Shape(("service",)), loads(BASE, profile="edge"))
    assert found == {"a": 48}
    assert (facts.requests, facts.events, facts.refused) == (60, 48, 12)
    routed = log_file(tmp_path, [(0, "-", "-", "-", "/x"), (1, "-", "-", "-", "/y")], "r.csv")
    found, facts = groups(routed, Shape(("route",)), loads(BASE, profile="edge"))
    assert found == {"xs": 1} and facts.refused == 1     # /y has no route: 404
    assert (facts.weighted, facts.tokens) == (1, 2)      # a request of the route takes two


def test_many_groups_share_the_last(tmp_path):
    log = log_file(tmp_path, [(0, "-", "-", f"s{n}") for n in range(1500)])
    found, facts = groups(log, Shape(("service",)))
    assert len(found) == 1024 and facts.folded == 1500 - 1023
    assert sum(found.values()) == 1500


def test_an_error_that_throttles_is_429(tmp_path):
    log = tmp_path / "calls.jsonl"
    errors = ["ThrottlingException", "TooManyRequests", "SlowDown", "AccessDenied", None,
              "Client.RequestLimitExceeded", "rate EXCEEDED"]
    log.write_text("".join(json.dumps({"time": n, "error": e}) + "\n"
                           for n, e in enumerate(errors)))
    assert groups(str(log), Shape())[1].throttled == 5


def test_logs_are_merged_by_time(tmp_path):
    halves = [log_file(tmp_path, BURST[half::2], f"{half}.csv") for half in (0, 1)]
    whole = recommend([log_file(tmp_path, BURST)], Wanted(50_000))
    parts = recommend(halves[::-1], Wanted(50_000))
    assert parts.facts.events == parts.proof.requests == 60 and not parts.findings()
    assert parts.answers[0].found == whole.answers[0].found


def test_seconds_can_be_spread(tmp_path):
    log = log_file(tmp_path, [(n // 10, "a") for n in range(600)])
    burst = Burst("1", tokens=1)
    at_once = recommend([log], Wanted(0, burst=burst))
    spread = recommend([log], Wanted(0, burst=burst), options=Options(spread="even"))
    assert at_once.answers[0].proposal is None
    assert spread.answers[0].proposal.candidate.rate == 600     # ten a second, evenly
    assert any("spread" in sentence for sentence in spread.report().trust)


# -- candidates ------------------------------------------------------------------------------------
def test_candidates_know_nothing_of_each_other(tmp_path):
    log = log_file(tmp_path, BURST)
    many = [Candidate(rate, MIN, 1 + rate % 7) for rate in range(1, 300)]
    with Trace([log], Shape(key="client")) as trace:
        trace.gather()
        curve = Curve(trace)
        together = curve.run(many)
        assert curve.passes == 1
        for candidate in many[::37]:
            assert curve.run([candidate])[0] == together[many.index(candidate)]


def test_what_no_core_takes_is_said(tmp_path):
    with Trace([log_file(tmp_path, BURST)], Shape()) as trace:
        trace.gather()
        tried = Curve(trace).run([Candidate(0, MIN, 1), Candidate(1, MIN, 1)])
    assert [one.refused for one in tried] == ["RangeError", ""]


def test_throttled_requests_can_be_left_out(tmp_path):
    log = log_file(tmp_path, [(n // 2, "a", "-", "-", "/", 429 if n % 2 else 200)
                              for n in range(40)])
    kept = recommend([log], Wanted(0, Shape(), burst=Burst("1", tokens=1)))
    dropped = recommend([log], Wanted(0, Shape(), burst=Burst("1", tokens=1),
                                      drop_throttled=True))
    assert kept.answers[0].found.best is None      # two at one instant, and one token
    assert dropped.answers[0].found.best.candidate.rate == 60
    assert "use a larger one" in kept.findings()[0]


# -- answers ---------------------------------------------------------------------------------------
def test_each_service_has_its_own_answer_and_its_own_proof(tmp_path):
    made = recommend([log_file(tmp_path, BURST)], Wanted(100_000, Shape(("service",))))
    assert [answer.name for answer in made.answers] == ["a", "b"]
    for answer in made.answers:
        task, name = answer.found.task, answer.proposal.name
        assert made.proof.denied.get(name, 0) == answer.found.best.denied <= task.allowed
        assert made.proof_below.denied[name] > task.allowed
    assert loads(made.toml).limits == ("a-total", "b-total")


@pytest.mark.parametrize("period", [S, MIN, 60 * MIN, 1440 * MIN])
@pytest.mark.parametrize("algorithm", ["token_bucket", "sliding_window"])
def test_every_unit_of_a_rate_is_one_a_file_knows(tmp_path, period, algorithm):
    made = recommend([log_file(tmp_path, BURST)], Wanted(
        100_000, algorithm=algorithm, period_ns=period))
    rate = loads(made.toml).file.limit[0].rate
    assert (rate.count, rate.period_ns) == (made.answers[0].found.best.candidate.rate, period)


def test_named_limits_are_met_through_policies(tmp_path):
    log = tmp_path / "calls.jsonl"
    log.write_text("".join(
        json.dumps({"time": n // 3, "service": "db", "operation": f"Op{n % 2}"}) + "\n"
        for n in range(60)))
    made = recommend([str(log)], Wanted(200_000, Shape(("service", "operation"))))
    for answer in made.answers:
        assert made.proof.denied[answer.proposal.name] == answer.found.best.denied > 0


def test_paths_are_met_through_routes(tmp_path):
    rows = [(n // 3, "-", "-", "-", f"/{'ab'[n % 2]}/{n}") for n in range(60)]
    made = recommend([log_file(tmp_path, rows)], Wanted(200_000, Shape(("path",))))
    for answer in made.answers:
        assert made.proof.denied[answer.proposal.name] == answer.found.best.denied > 0


def test_a_base_keeps_what_it_has(tmp_path):
    base = tmp_path / "base.toml"
    base.write_text(BASE)
    log = log_file(tmp_path, BURST)
    made = recommend([log], Wanted(100_000, Shape(("service",), "client")),
                     config=load(base, profile="edge"))
    assert made.toml.startswith(BASE.rstrip())
    assert "a-per-client" in loads(made.toml).limits
    assert made.proof.denied.get("a-per-client", 0) <= 4 < made.proof_below.denied["a-per-client"]
    assert "12 requests are denied by the configuration itself" in " ".join(made.report().trust)


def test_what_a_base_denies_anyway_is_nobodys_fault(tmp_path):
    """Its own limit turns a client away for good; the new one is not blamed for him."""
    base = tmp_path / "base.toml"
    base.write_text(BASE + '''
[[limit]]
name = "pinned"
scope = "user"
user = "bad"
rate = "1/d"
''')
    rows = [(n, "10.0.0.9", "bad", "-", "/x") for n in range(50)]
    rows += [(n // 4, f"10.0.0.{n % 3}", "good", "-", "/x") for n in range(60)]
    made = recommend([log_file(tmp_path, rows)], Wanted(100_000, Shape(key="client")),
                     config=load(base, profile="edge"))
    assert made.proof.keys == 4
    assert made.facts.refused == 50     # its first takes two tokens of one: never
    assert {key.name for key in made.proof.hurt} == {"10.0.0.0", "10.0.0.1", "10.0.0.2"}
    assert made.proof.denied["per-client"] == made.answers[0].found.best.denied


def test_what_both_deny_is_not_newly_denied(tmp_path):
    """The longest wait is named: the replay blames the new limit for some that the base denies."""
    base = tmp_path / "base.toml"
    base.write_text(BASE + '''
[[limit]]
name = "fast"
scope = "ip"
rate = "2/s"
burst = 2
''')
    log = log_file(tmp_path, [(n // 5, "10.0.0.9", "-", "-", "/x") for n in range(100)])
    made = recommend([log], Wanted(200_000, Shape(key="client")),
                     config=load(base, profile="edge"))
    assert made.facts.refused == 80     # one of five a second takes the two tokens there are
    denied = made.proof.denied["per-client"]
    assert 0 < denied * 5 <= 20
    assert sum(key.denied for key in made.proof.hurt) == denied


@pytest.mark.parametrize("each", [("service",), ("route",)])
def test_a_base_in_shadow_mode_does_not_hide_what_a_limit_denies(tmp_path, each):
    base = tmp_path / "base.toml"
    base.write_text(BASE.replace("version = 1", 'version = 1\nmode = "shadow"'))
    log = log_file(tmp_path, [(n // 4, "10.0.0.1", "-", "-", "/x") for n in range(60)])
    made = recommend([log], Wanted(200_000, Shape(each)), config=load(base, profile="edge"))
    answer = made.answers[0]
    assert made.proof.denied[answer.proposal.name] == answer.found.best.denied > 0


def test_who_is_hurt_is_named(tmp_path):
    rows = [(n, "10.0.0.1") for n in range(100)] + [(50, "10.0.0.2")] * 9
    made = recommend([log_file(tmp_path, rows)], Wanted(30_000, Shape(key="client")))
    assert made.proof.who == "client" and made.proof.keys == 2
    assert {key.name for key in made.proof.hurt} <= {"10.0.0.1", "10.0.0.2"}
    assert sum(key.denied for key in made.proof.hurt) == sum(made.proof.denied.values()) > 0


def test_the_curve_counts_who_is_hurt_as_a_replay_does(tmp_path):
    rows = [(n // k, f"10.0.0.{k}") for k in range(1, 9) for n in range(40)]
    made = recommend([log_file(tmp_path, rows)], Wanted(300_000, Shape(key="client")))
    found = made.answers[0].found
    assert found.best.hurt == len({key.name for key in made.proof.hurt if key.denied}) > 1
    assert {tried.hurt == 0 for tried in found.tried if tried.denied == 0} <= {True}
    assert len({tried.hurt for tried in found.tried}) > 3
    assert all(one.hurt >= other.hurt for one, other in itertools.pairwise(
        sorted(found.tried, key=lambda tried: tried.candidate.rate)))


def test_weights_that_are_not_monotone_are_said(tmp_path):
    """In a bucket of three the rate decides whether a request of three finds it full: a faster one
    grants it and denies the two small ones behind it, a slower one denies it alone."""
    rows = [(0, "-", "-", "-", "/", 200, 3), (3, "-", "-", "-", "/", 200, 3),
            (3, "-", "-", "-", "/", 200, 1), (3, "-", "-", "-", "/", 200, 1)]
    made = recommend([log_file(tmp_path, rows)],
                     Wanted(250_000, Shape(), burst=Burst("3", tokens=3)))
    assert not made.answers[0].found.monotone
    assert made.answers[0].found.best.candidate.rate == 40
    assert any("do not fall" in finding for finding in made.findings())


@pytest.mark.parametrize("asked", [1, 2, 4, 6, 8])
def test_an_interrupted_search_tells_what_it_knows(tmp_path, asked):
    """Whenever Ctrl-C comes, there is an answer, and it says that it is not the whole one."""
    left = [asked]

    def stopping():
        left[0] -= 1
        return left[0] < 0

    made = recommend([log_file(tmp_path, BURST)], Wanted(50_000), stopping=stopping)
    assert made.interrupted and made.findings()[-1].startswith("interrupted")
    assert (made.proof is None) or made.proof.requests == 60
    assert made.report().headline and json.dumps(made.as_json())


# -- what throttled it -----------------------------------------------------------------------------
@pytest.mark.parametrize(("rate", "burst"), [(120, 10), (45, 25), (300, 4)])
def test_a_bucket_that_throttled_is_found_again(tmp_path, rate, burst):
    """A log with a known bucket's denials in it, its times cut to seconds."""
    times = sorted((n * 7919 % 90_000) * 10**6 // (1 + n % 3) for n in range(600))
    rows, seen = [], []
    for at in times:
        seen.append((at, ""))
        said = 429 if denied_by_bucket(seen, rate, MIN, burst) > sum(r[5] == 429 for r in rows) \
            else 200
        rows.append((at // S, "-", "-", "-", "/", said))
    with Trace([log_file(tmp_path, rows)], Shape()) as trace:
        found = infer(trace, trace.gather(), Curve(trace))[0]
    assert found.precision_ppm > 900_000 and found.recall_ppm > 900_000
    assert found.rate_low * 0.9 <= rate <= found.rate_high * 1.1
    assert abs(found.best.rate - rate) <= rate * 0.15
    assert found.burst_low - 3 <= burst <= found.burst_high + 3     # a second brings some tokens


def test_the_chart_is_of_where_it_is_decided(tmp_path):
    rows = [(n // 9, f"10.0.{n % 7}.1") for n in range(6000)]
    made = recommend([log_file(tmp_path, rows)], Wanted(1000, Shape(key="client")))
    chart = next(part for part in made.report().sections if isinstance(part, Chart))
    (series,), best = chart.series, made.answers[0].found.best
    assert chart.x.title == "rate in requests/min" and best.candidate.rate in series.xs
    allowed = made.answers[0].found.task.allowed
    assert 0 < allowed < max(series.ys) <= 6 * max(allowed, made.answers[0].found.below.denied)
    assert chart.lines[0].at == allowed


@pytest.mark.parametrize(("ppm", "hurt"), [(0, {}), (100_000, {"10.0.0.0", "10.0.0.1"})])
def test_only_what_the_limit_denies_hurts(tmp_path, ppm, hurt):
    """Paths with % at their end are refused by any gateway, whatever the limit."""
    rows = [(n // 8, f"10.0.0.{n % 2}", "-", "-", "/x") for n in range(60)]
    rows += [(9, "10.0.0.9", "-", "-", "/x%")] * 3
    made = recommend([log_file(tmp_path, rows)], Wanted(ppm, Shape(key="client")))
    assert {key.name for key in made.proof.hurt} == set(hurt)
    assert sum(key.denied for key in made.proof.hurt) == sum(made.proof.denied.values())
    assert made.proof.refused == {"path-bad": 3}
    assert any("3 requests no gateway takes: path-bad" in line for line in made.report().trust)


def test_progress_is_one_over_all_the_work(tmp_path):
    rows = [(n // 9, f"10.0.{n % 7}.1", "-", "-", "-", 429 if n % 50 == 0 else 200)
            for n in range(6000)]
    told = []
    made = recommend([log_file(tmp_path, rows)], Wanted(1000, Shape(key="client")),
                     progress=lambda *at: told.append(at))
    shown, counts = [at[0] for at in told], [at[2] for at in told]
    assert shown == sorted(shown) and {at[1] for at in told} == {1_000_000}
    assert counts == sorted(counts) and counts[-1] >= 6000 * made.passes
    assert made.inferred and len(set(shown)) > made.passes // 2 and shown[-1] <= 1_000_000


def test_a_search_tries_few_limits(tmp_path):
    """Each costs a pass's worth: halving asks for as many as the answer has bits, not for grids."""
    rows = [(n // 9, f"10.0.{n % 7}.1") for n in range(6000)]
    with Trace([log_file(tmp_path, rows)], Shape(key="client")) as trace:
        facts, curve = trace.gather(), Curve(trace)
        task = Task(None, "token_bucket", MIN, Burst("1m", span_ns=MIN), 60, facts.events)
        found = search(curve, facts, [task])[0]
    assert found.done and found.best.denied <= 60 < found.below.denied
    assert curve.tried <= 16 and curve.passes <= 16


@pytest.mark.parametrize(("passes", "said"), [
    (0, "interrupted before any limit was found"), (1, "interrupted; so far per-client "),
    (-1, "would have denied")])        # the last pass is of what a larger burst saves
def test_ctrl_c_says_what_is_known(tmp_path, monkeypatch, passes, said):
    asked, whole = [], Curve._pass
    rows = [(n // 9, f"10.0.{n % 7}.1") for n in range(6000)]
    log, wanted = log_file(tmp_path, rows), Wanted(1000, Shape(key="client"))
    proven = passes < 0
    passes = passes if passes >= 0 else recommend([log], wanted).passes - 1

    def interrupted(curve, candidates):
        asked.append(0)
        if len(asked) > passes:
            raise Interrupted
        return whole(curve, candidates)

    monkeypatch.setattr(Curve, "_pass", interrupted)
    made = recommend([log], wanted, stopping=lambda: len(asked) > passes)
    assert len(asked) > passes and made.interrupted
    report = made.report()
    assert said in report.headline and "no limit" not in report.headline
    assert not any("no rate denies" in finding for finding in made.findings())
    assert bool(made.proof) == bool(made.toml) == proven
