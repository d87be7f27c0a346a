# SPDX-License-Identifier: MIT
"""sweep: the grid, one value changed in a whole file, processes that die, and what it all says."""

import gzip
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import tomllib

import pytest
from click.testing import CliRunner

from host_sim.cli import main
from host_sim.config import load, loads
from host_sim.replay import replay
from host_sim.sweep import GridError, PatchError, Sweep, parse_vary
from host_sim.sweep.grid import product, spread
from host_sim.sweep.patch import dumped, patched, value_at
from host_sim.sweep.pool import Pool
from host_sim.sweep.result import Point, Swept, Waited
from tests.data import ROOT
from tests.recommending import log_file
from tests.replaying import CONFIG

EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
BURST = [(n // 4, f"10.0.0.{n % 3}") for n in range(60)]


# -- the grid --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("text", "values"), [
    ("a.b=50..80/min", ("50/min", "60/min", "70/min", "80/min")),
    ("a.b=50/min..80/min", ("50/min", "60/min", "70/min", "80/min")),
    ("a.b=1..4", (1, 2, 3, 4)),
    ("a.b=1..2", (1, 2)),                               # no more whole numbers than there are
    ("a.b=1..1000/s", ("1/s", "10/s", "100/s", "1000/s")),       # wide: equal ratios
    ("a.b=0.5..2s", ("0.5s", "1s", "1.5s", "2s")),
    ("a.b=7,x,true,7", (7, "x", True)),
    ("a.b=10/s,2/min", ("10/s", "2/min")),
])
def test_values_are_these(text, values):
    assert parse_vary(text, 4).values == values


@pytest.mark.parametrize(("text", "what"), [
    ("a.b", "write PATH="), ("=1..2", "write PATH="), ("a.b=", "write PATH="),
    ("a.b=1..", "two numbers"), ("a.b=x..2", "two numbers"), ("a.b=5..5", "goes up"),
    ("a.b=9..2/s", "goes up"), ("a.b=1/s..2/min", "one unit"), ("a.b=1,,2", "missing"),
    ("a.b=0.5..2", "whole one"), ("a.b=1...2", "two numbers"),
])
def test_a_range_that_is_none_says_what_to_write(text, what):
    with pytest.raises(GridError, match=what):
        parse_vary(text)


def test_scales_and_bounds():
    assert parse_vary("a=1..100", 3, "linear").values == (1, 50, 100)
    assert parse_vary("a=1..9", 3, "geometric").values == (1, 3, 9)
    with pytest.raises(GridError, match="do not start at 0"):
        parse_vary("a=0..9", 3, "geometric")
    with pytest.raises(GridError, match="more than 10,000"):
        product([parse_vary("a=1..1000", 200), parse_vary("b=1..1000", 200)])
    with pytest.raises(GridError, match="varied once"):
        product([parse_vary("a=1,2"), parse_vary("a=3,4")])
    assert product([parse_vary("a=1,2"), parse_vary("b=x,y")]) == [
        (1, "x"), (1, "y"), (2, "x"), (2, "y")]


@pytest.mark.parametrize(("low", "high", "count"), [(1, 9, 20), (1, 10**12, 24), (90, 100, 5),
                                                    (7, 7, 3), (1000, 1999, 50)])
def test_a_spread_has_both_ends_and_rises(low, high, count):
    found = spread(low, high, count)
    assert (found[0], found[-1]) == (low, high) and len(found) <= max(count, 1)
    assert found == sorted(set(found))


# -- one value of a file ---------------------------------------------------------------------------
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_a_file_written_again_is_the_same_configuration(path):
    document = tomllib.loads(path.read_text())
    assert tomllib.loads(dumped(document)) == document
    assert loads(dumped(document), name=str(path), profile="edge").hash == load(
        path, profile="edge").hash


def test_text_that_is_odd_survives():
    document = {"a b": {"q\"": ["\x7f\x01\t\\", {"é": "\U0001f600"}, [], {}, 1, True, -2.5]}}
    assert tomllib.loads(dumped(document)) == document


def test_paths_find_tables_rows_and_names_with_dots():
    document = tomllib.loads("""
        version = 1
        [service."v1.orders"]
        timeout = "1s"
        [[limit]]
        name = "a.b"
        rate = "1/s"
        [[limit]]
        name = "a"
        rate = "2/s"
        [queue.service."v1.orders"]
        servers = 4""")
    assert value_at(document, "version") == 1
    assert value_at(document, "limit.a.b.rate") == "1/s"
    assert value_at(document, "limit.a.rate") == "2/s"
    assert value_at(document, "queue.service.v1.orders.servers") == 4
    assert value_at(document, "limit.a.burst") is None
    changed = patched(document, [("limit.a.b.rate", "9/s"), ("limit.a.burst", 3)])
    assert changed["limit"] == [{"name": "a.b", "rate": "9/s"},
                                {"name": "a", "rate": "2/s", "burst": 3}]
    assert document["limit"][0]["rate"] == "1/s"


@pytest.mark.parametrize(("path", "what"), [
    ("limit.per-cliant.rate", 'did you mean "per-client"'),
    ("limits.x.rate", 'did you mean "limit"'),
    ("limit.per-client", "write limit.per-client. and one of .*rate"),
    ("limit", "write limit. and one of per-client"), ("service.web", "no single value"),
    ("limit.per-client.rate.x", "limit.per-client.rate is a value, nothing is in it"),
    ("limit.per-client.name", "a name decides nothing; vary one of .*rate"),
])
def test_a_path_into_nothing_says_what_there_is(path, what):
    with pytest.raises(PatchError, match=what):
        value_at(tomllib.loads(CONFIG), path)


# -- a sweep ---------------------------------------------------------------------------------------
@pytest.fixture
def config(tmp_path):
    path = tmp_path / "base.toml"
    path.write_text(CONFIG)
    return path


def test_each_point_is_that_replay(tmp_path, config):
    log = log_file(tmp_path, BURST)
    swept = Sweep(config, [log], [parse_vary("limit.per-client.burst=1,2,5"),
                                  parse_vary("limit.per-client.rate=1/s,3/s")],
                  processes=2).run()
    assert [point.values for point in swept.points] == [
        (burst, rate) for burst in (1, 2, 5) for rate in ("1/s", "3/s")]
    assert [point.current for point in swept.points].index(True) == 2
    for point in swept.points:
        burst, rate = point.values
        alone = replay(loads(CONFIG.replace("burst = 2", f"burst = {burst}")
                             .replace("1/s", rate)), log)
        assert (point.denied, point.decision_digest, point.config_hash) == (
            alone.verdicts["deny"], alone.decision_digest, alone.config_hash)
    assert swept.findings() == []


def test_the_files_own_value_is_a_point_among_its_neighbours(tmp_path, config):
    swept = Sweep(config, [log_file(tmp_path, BURST)],
                  [parse_vary("limit.per-client.rate=30/min,2/s")], processes=1).run()
    assert [point.values[0] for point in swept.points] == ["30/min", "1/s", "2/s"]
    assert [point.current for point in swept.points] == [False, True, False]


def test_one_failed_point_costs_no_other(tmp_path, config):
    swept = Sweep(config, [log_file(tmp_path, BURST)],
                  [parse_vary("limit.per-client.rate=1/s,1/parsec,2/s")], processes=2).run()
    assert [bool(point.error) for point in swept.points] == [False, True, False]
    assert "parsec" in swept.points[1].error
    assert swept.findings() == ["1 point of 3 could not be replayed"]


def test_a_process_that_dies_costs_its_piece_alone(tmp_path):
    """A piece that is no JSON the worker knows ends it; the next gets a new one."""
    answers = {}
    pieces = [{"toml": "version = 1", "name": "x"}, {"unknown": 1}, {"toml": "x = ", "name": "x"}]
    pieces = [{"logs": ["/nowhere"], "names": ["/nowhere"], "maps": [], "form": "auto",
               "order": "sort", "window": 0, "spread": "none", "spread_seed": 0,
               "profile": "seed", **piece} for piece in pieces]
    assert Pool("host_sim.sweep.worker", 1).run(
        pieces, answers.__setitem__, lambda: False)
    assert "/nowhere" in answers[0]["error"]
    assert "ended without an answer (exit code 1)" in answers[1]["error"]
    assert answers[2]["error"] and "ended" not in answers[2]["error"]


def test_stopping_keeps_what_is_finished(tmp_path, config):
    stop = threading.Event()
    sweep = Sweep(config, [log_file(tmp_path, BURST)],
                  [parse_vary("limit.per-client.burst=1..30", 30)], processes=1)
    swept = sweep.run(progress=lambda done, *_: stop.set() if done == 3 else None,
                      stopping=stop.is_set)
    assert swept.interrupted and 3 <= len(swept.points) < 30
    assert all(point.requests == 60 for point in swept.points)
    assert "were finished" in swept.findings()[0]
    assert swept.report().headline.startswith("interrupted; so far ")
    swept = sweep.run(stopping=lambda: True)
    report = swept.report()
    assert report.headline == f"interrupted: none of {len(sweep.grid)} points was finished"
    assert "requests in each" not in [fact.label for fact in report.facts]


def point(value, lost, wait=0, current=False):
    waits = (Waited("normal", 10, wait, 2 * wait),) if wait else ()
    return Point((value,), current, requests=1000, denied=lost, waits=waits)


def swept_of(*points):
    return Swept("c", ("l",), ("p",), (None,), len(points), points, False, 1, 0)


def test_the_headline_says_which_values(tmp_path, config):
    def said(*varies):
        return Sweep(config, [log_file(tmp_path, BURST)], list(map(parse_vary, varies)),
                     processes=1).run().report().headline

    rate, burst = "limit.per-client.rate=1/s,3/s", "limit.per-client.burst=1,5"
    assert "lost at rate 3/s with burst 5, " in said(rate, burst)
    assert " at rate 1/s with burst 1; " in said(rate, burst)
    one = said("limit.per-client.rate=1/s,1/parsec")
    assert one.startswith("1 point: ") and one.endswith("requests lost at 1/s")


def test_the_knee_is_where_more_pays_little():
    swept = swept_of(*(point(x, lost) for x, lost in
                       ((1, 900), (2, 400), (3, 100), (4, 90), (5, 80), (10, 70))))
    assert swept.knee().values == (3,)
    assert swept_of(*(point(x, 5) for x in (1, 2, 3))).knee() is None
    assert swept_of(*(point(x, 30 - x) for x in (1, 2, 3))).knee() is None      # a straight line


def test_a_headline_of_equal_losses_tells_the_waits():
    said = swept_of(*(point(x, 5, wait * 10**6) for x, wait in ((1, 90), (2, 20), (3, 10))))
    assert said.report().headline.startswith(
        "3 points: 0.5 % of 1,000 requests lost at each of them; a mean wait of 10.0ms at 3, "
        "90.0ms at 1")


def test_unbeaten_points_lose_less_or_wait_less():
    swept = swept_of(point(1, 10, 5), point(2, 5, 9), point(3, 10, 9), point(4, 5, 20),
                     point(5, 11, 5))
    assert [p.values[0] for p in swept.pareto()] == [1, 2]
    assert swept_of(point(1, 10), point(2, 5)).pareto() == ()


# -- the command -----------------------------------------------------------------------------------
def run(*words):
    return CliRunner().invoke(main, ["sweep", *map(str, words)])


def test_the_page_and_the_json(tmp_path, config):
    log = log_file(tmp_path, BURST)
    words = (config, "--log", log, "--vary", "limit.per-client.rate=1..4/s", "--steps", 4)
    said = run(*words)
    assert said.exit_code == 0, said.output
    assert "now" in said.output and "2/s" in said.output and "lost" in said.output
    page = tmp_path / "page.html"
    told = json.loads(run(*words, "--json", "--html", page).output)
    assert page.read_text().lower().startswith("<!doctype html>")
    assert [point["values"] for point in told["points"]] == [["1/s"], ["2/s"], ["3/s"], ["4/s"]]
    assert told["points"][0]["denied"] > told["points"][3]["denied"] == 0


@pytest.mark.parametrize(("vary", "what"), [
    ("limit.per-client.rate=5..1/s", "goes up"), ("limit.nobody.rate=1..5/s", "per-client"),
    ("limit=1..5", "no single value"), ("limit.per-client.name=a,b", "a name decides nothing"),
])
def test_wrong_words_are_explained(tmp_path, config, vary, what):
    said = run(config, "--log", log_file(tmp_path, BURST), "--vary", vary)
    assert said.exit_code == 2 and what in said.output


def test_standard_input_is_kept_for_every_point(tmp_path, config):
    log = log_file(tmp_path, BURST)
    text = pathlib.Path(log).read_bytes()
    words = ["sweep", str(config), "--vary", "limit.per-client.rate=1/s,2/s", "--json", "--log"]
    piped = json.loads(CliRunner().invoke(main, [*words, "-"], input=text).output)
    told = json.loads(CliRunner().invoke(main, [*words, log]).output)
    assert piped["logs"] == ["standard input"] and piped["points"] == told["points"]
    assert piped["log_sha256"] == {"standard input": hashlib.sha256(text).hexdigest()}
    packed = CliRunner().invoke(main, [*words, "-"], input=gzip.compress(text)[:-9])
    assert packed.exit_code == 1 and "standard input ends in the middle" in packed.output
    twice = CliRunner().invoke(main, [*words, "-", "--log", "-"])
    assert twice.exit_code == 2 and "read once" in twice.output


def test_the_proof_says_what_makes_it_again(tmp_path, config):
    log = log_file(tmp_path, BURST)
    vary = "limit.per-client.rate=1/s,2/s"
    told = json.loads(run(config, "--log", log, "--vary", vary, "--json").output)
    alone = replay(load(config), log)
    assert told["base_hash"] == alone.config_hash
    assert told["command"] == f"raygate sweep {config} --log {log} --vary {vary} --json"
    now = told["points"][0]
    assert (now["decision_digest"], now["state_digest"], now["book_digest"]) == (
        alone.decision_digest, alone.state_digest, alone.book_digest)
    said = run(config, "--log", log, "--vary", vary).output
    for word in (alone.config_hash, alone.state_digest, "raygate sweep",
                 hashlib.sha256(pathlib.Path(log).read_bytes()).hexdigest()):
        assert word in said


def test_a_missing_log_is_named(tmp_path, config):
    said = run(config, "--log", tmp_path / "none", "--vary", "limit.per-client.rate=1..5/s")
    assert said.exit_code == 2 and "none" in said.output


def read_by_children(pid):
    """Bytes; a point reads the log once, and what a worker loads at its start is a few MB."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    read = [pathlib.Path(f"/proc/{child}/io").read_text().split()[1]
            for task in tasks for child in task.read_text().split()]
    return sum(map(int, read))


def test_ctrl_c_ends_it_in_order(tmp_path, config):
    log = log_file(tmp_path, [(n // 9, f"10.{n % 99}.0.1") for n in range(60_000)])
    with subprocess.Popen(
            [sys.executable, "-m", "host_sim", "sweep", str(config), "--log", log, "--vary",
             "limit.per-client.burst=1..4000", "--steps", "900", "--json", "--processes", "1"],
            stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        until = time.monotonic() + 60
        while read_by_children(process.pid) < 30 * os.path.getsize(log):  # points are finished
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        told = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 1 and told["interrupted"]
    assert len(told["points"]) < told["planned"]
    assert "were finished" in told["findings"][0]


def test_a_value_that_never_binds_is_said_to_decide_nothing(tmp_path):
    config = tmp_path / "calm.toml"
    config.write_text(CONFIG)
    log = log_file(tmp_path, [(n, "10.0.0.1") for n in range(5)])
    vary = parse_vary("limit.per-client.rate=1000/s,2000/s,4000/s")
    swept = Sweep(str(config), [log], [vary]).run()
    assert swept.flat() and not swept.pareto()
    assert "all 4 points decide every request alike" in swept.report().headline
    vary = parse_vary("limit.per-client.rate=1/h,10/s")
    assert not Sweep(str(config), [log], [vary]).run().flat()
