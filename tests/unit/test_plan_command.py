# SPDX-License-Identifier: MIT
"""raygate plan and raygate explain: what a person types, what is printed, and how they end."""

import gzip
import hashlib
import json
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from host_sim.cli import main
from tests.data import ROOT
from tests.planning import MAPS, NEW, OLD, log_of

SHOP, TIGHTER = (str(ROOT / "examples" / name) for name in ("shop.toml", "shop-tighter.toml"))
CSV = str(ROOT / "examples" / "shop.csv")
ROWS = [(1, "10.0.0.1", "/a", 0, "ann")] * 3 + [(9, "8.8.8.8", "/api/x", 20, "ben")]


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.toml").write_text(OLD)
    (tmp_path / "new.toml").write_text(NEW)
    (tmp_path / "bad.toml").write_text(OLD.replace('rate = "1/s"', 'rate = "fast"'))
    (tmp_path / "a.csv").write_bytes(log_of(ROWS))
    (tmp_path / "none.csv").write_bytes(log_of([]))
    (tmp_path / "empty.csv").write_bytes(b"")
    return tmp_path


def run(*words, text=None):
    return CliRunner().invoke(main, [*words], input=text)


def plan(*words, log="a.csv", text=None):
    return run("plan", *words, "--log", log, "--map", *MAPS, text=text)


def test_a_stranger_reads_one_sentence_first(files):
    got = run("plan", SHOP, TIGHTER, "--log", CSV)
    assert got.exit_code == 1, got.output
    assert got.stdout.splitlines()[0] == f"plan {SHOP} > {TIGHTER}"
    assert " ".join(got.stdout.splitlines()[1:3]) == (
        "Of 358 requests 13 (3.6 %) would be decided otherwise: 12 newly denied, 1 newly allowed; "
        "worst hit is tenant acme (12), most by quota acme-budget (12); 27 more would leave their "
        "queue unsent.")
    assert got.stdout.isascii()
    for word in ("The first newly denied by quota acme-budget", "left their queue unsent",
                 'quota acme-budget: limit "500.00" -> "250.00"', "SHA-256",
                 "policy no-night-deletes: removed", "queue: service.orders.servers 4 -> 3"):
        assert word in got.stdout


def test_the_log_is_named_by_the_hash_of_its_bytes(files):
    packed = gzip.compress((files / "a.csv").read_bytes())
    (files / "a.csv.gz").write_bytes(packed)
    for log, raw in (("a.csv", (files / "a.csv").read_bytes()), ("a.csv.gz", packed)):
        told = json.loads(plan("old.toml", "new.toml", "--json", log=log).stdout)
        assert told["log_sha256"] == {log: hashlib.sha256(raw).hexdigest()}
        assert (told["requests"], told["newly_denied"], told["exit_code"]) == (4, 1, 1)


def test_standard_input_is_planned_too_and_its_victims_explained(files):
    got = plan("old.toml", "new.toml", "--json", log="-", text=(files / "a.csv").read_bytes())
    told = json.loads(got.stdout)
    assert (told["logs"], told["requests"], len(told["victims"])) == (["standard input"], 4, 1)
    assert told["victims"][0]["text"] == "1,10.0.0.1,/a,0,ann"


def test_flips_go_to_a_file_or_to_standard_output(files):
    assert plan("old.toml", "new.toml", "--flips", "f.ndjson").exit_code == 1
    text = (files / "f.ndjson").read_text()
    got = plan("old.toml", "new.toml", "--flips", "-")
    assert got.stdout == text
    assert "Of 4 requests 1" in got.stderr
    assert [json.loads(line)["line"] for line in text.splitlines()] == [3]


@pytest.mark.parametrize(("words", "code"), [
    (("old.toml", "old.toml"), 0),
    (("old.toml", "new.toml"), 1),
    (("old.toml", "new.toml", "--budget", "newly-denied<=25%"), 0),
    (("old.toml", "new.toml", "--budget", "newly-denied<=24.9%"), 1),
    (("old.toml", "new.toml", "--budget", "newly-denied<=9", "--budget", "changed<=0"), 1),
])
def test_the_exit_code_is_a_gate(files, words, code):
    got = plan(*words)
    assert got.exit_code == code, got.output
    assert ("EXCEEDED" in got.stdout) == (code == 1 and "--budget" in words)


@pytest.mark.parametrize(("log", "why"), [
    ("garbage.log", "200 lines of 3,200 could not be read: more than 1 %"),
    ("cut.gz", "cut.gz ends in the middle of its gzip data"),
])
def test_a_gate_says_no_to_what_it_could_not_see(files, log, why):
    good = b"".join(b"10.0.0.%d - - [01/Jan/2026:00:%02d:%02d +0000] \"GET /%d HTTP/1.1\" 200 9\n"
                    % (i % 200, i // 60, i % 60, i * i) for i in range(3000))
    (files / "garbage.log").write_bytes(good + b"no line of a log\n" * 200)
    (files / "cut.gz").write_bytes(gzip.compress(good)[:-2000])
    for words in ((), ("--budget", "newly-denied<=0")):
        got = run("plan", "old.toml", "old.toml", "--log", log, *words)
        assert got.exit_code == 1, got.output
        first = " ".join(got.stdout.split("\n\n")[0].split())
        assert f"Less than the whole truth: {why}" in first
        assert "all 1 kept" not in got.stdout
        assert ("kept in part" in got.stdout) == bool(words)
        told = json.loads(run("plan", "old.toml", "old.toml", "--log", log, "--json",
                              *words).stdout)
        assert (told["exit_code"], len(told["unseen"])) == (1, 1)


@pytest.mark.parametrize(("words", "why"), [
    (("none.toml", "new.toml"), "cannot read none.toml"),
    (("bad.toml", "new.toml"), "bad.toml cannot be used; it is the old side"),
    (("old.toml", "bad.toml"), "bad.toml cannot be used; it is the new side"),
    (("old.toml", "new.toml", "--budget", "tenant:nere bill<=0"), "did you mean 'near'"),
    (("old.toml", "new.toml", "--budget", "less"), "is not [SUBJECT ]MEASURE<=BOUND"),
    (("old.toml", "new.toml", "--flips", "/nowhere/f"), "/nowhere/f"),
    (("old.toml", "new.toml", "--flips", "-", "--json"), "both want"),
    (("old.toml", "new.toml", "--map", "status=nope"), "no column 'nope'"),
])
def test_what_cannot_be_planned_says_why(files, words, why):
    got = plan(*words)
    assert got.exit_code == 2, got.output
    assert why in got.stderr


@pytest.mark.parametrize("log", ["empty.csv", "none.csv", "missing.csv"])
def test_a_log_without_requests_is_never_no_change(files, log):
    got = plan("old.toml", "old.toml", log=log)
    assert got.exit_code == 2, got.output
    assert log in got.stderr


def test_a_log_whose_clock_steps_back_is_put_in_order_and_says_so(files):
    rows = [(9, "10.0.0.1", "/a", 0, "ann"), *ROWS]
    (files / "a.csv").write_bytes(log_of(rows))
    told = json.loads(plan("old.toml", "new.toml", "--json").stdout)
    assert (told["old"]["stepped_back"], told["requests"]) == (1, 5)
    got = plan("old.toml", "old.toml", "--order", "reject")
    assert "were left out (--order reject)" in got.stdout


def test_ctrl_c_while_standard_input_is_waited_for_plans_what_has_come(files):
    words = [sys.executable, "-m", "host_sim", "plan", SHOP, TIGHTER, "--log", "-"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
                          stderr=subprocess.PIPE) as child:
        with open(CSV, "rb") as log:
            lines = log.read().splitlines(keepends=True)
        # more than a pipe holds: once all is written the child is reading
        child.stdin.write(b"".join(lines[:200]) + b"\n" * 400_000)
        child.stdin.flush()
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        child.stdin.write(b"".join(lines[200:]))
        out, err = child.communicate(timeout=60)
    assert child.returncode == 1, err
    assert b"Of 199 requests" in out
    first = b" ".join(out.split(b"\n\n")[0].split())
    assert (b"truth: interrupted: the rest of standard input was not read. Of 199 requests"
            in first)


# -- explain --------------------------------------------------------------------------------------
def test_a_decision_is_explained_with_its_line(files):
    got = run("explain", "new.toml", "a.csv", "--seq", "2", "--map", *MAPS)
    assert got.exit_code == 0, got.output
    first, second, third, *rest = got.stdout.splitlines()
    assert first == ("a.csv through new.toml, decision 2: deny, rate-limited, by per-client")
    assert second == "line 3 at 1970-01-01T00:00:01Z, client 10.0.0.1, user ann"
    assert third == "  1,10.0.0.1,/a,0,ann"
    assert any("NO  per-client: 0 left before" in line for line in rest)


def test_json_has_the_decision_and_the_journey(files):
    by_line = json.loads(run("explain", "new.toml", "-", "--line", "3", "--json", "--map", *MAPS,
                             text=(files / "a.csv").read_bytes()).stdout)
    assert by_line["decision"]["seq"] == 2
    assert by_line["journey"]["ratelimit"][0]["granted"] is False
    assert (by_line["log"], by_line["text"]) == ("standard input", "1,10.0.0.1,/a,0,ann")


@pytest.mark.parametrize(("words", "why"), [
    (("--seq", "999"), "decision 999 is past the end: the last request's is 4, of line 5"),
    (("--seq", "1"), "decision 1 is of no request"),
    (("--line", "1"), "line 1 became no request"),
    (("--line", "6"), "the log has no line 6: it has 5"),
    ((), "say which decision"),
    (("--seq", "1", "--line", "2"), "say which decision"),
])
def test_a_decision_that_is_not_there_says_which_are(files, words, why):
    got = run("explain", "new.toml", "a.csv", *words, "--map", *MAPS)
    assert got.exit_code == 2, got.output
    assert why in got.stderr


def test_a_line_of_one_of_several_logs_is_explained(files):
    (files / "b.csv").write_bytes(log_of([(1, "10.0.0.1", "/b", 0, "ben")] * 2))
    got = run("explain", "new.toml", "a.csv", "b.csv", "--line", "1:3", "--map", *MAPS)
    assert got.exit_code == 0, got.output
    assert "line 3 of log 1 at" in got.stdout
    assert "  1,10.0.0.1,/b,0,ben" in got.stdout
    got = run("explain", "new.toml", "a.csv", "b.csv", "--line", "1:4", "--map", *MAPS)
    assert (got.exit_code, "no line 4: it has 3" in got.stderr) == (2, True)
    got = run("explain", "new.toml", "a.csv", "b.csv", "--line", "x:4", "--map", *MAPS)
    assert (got.exit_code, "is no line's number" in got.stderr) == (2, True)


@pytest.mark.parametrize(("logs", "line", "why"), [
    (["a.csv"], "5:1", "there is no log 5: 1 was given, which is log 0"),
    (["a.csv", "a.csv"], "2:1", "there is no log 2: 2 were given, log 0 to 1"),
])
def test_a_line_of_a_log_that_was_not_given_says_which_were(files, logs, line, why):
    got = run("explain", "old.toml", *logs, "--line", line, "--map", *MAPS)
    assert (got.exit_code, why in got.stderr) == (2, True), got.output


def test_the_page_is_written_as_one_file(files):
    assert plan("old.toml", "new.toml", "--html", "p.html").exit_code == 1
    page = (files / "p.html").read_text()
    assert "1 (25.0 %) would be decided otherwise" in page
    assert len(page) < 1_500_000
    got = plan("old.toml", "new.toml", "--html", "/nowhere/p.html")
    assert (got.exit_code, "/nowhere/p.html" in got.stderr) == (2, True)


# -- the page -------------------------------------------------------------------------------------
PAGE = (ROOT / "docs/plan.md").read_text()


@pytest.mark.parametrize("block", re.findall(r"^```console\n\$ (.*?)^```", PAGE, re.S | re.M))
def test_the_pages_examples_are_what_is_printed(block, monkeypatch):
    """In their order; how lines are broken and columns spaced is the terminal's."""
    monkeypatch.chdir(ROOT)
    typed, *lines = block.splitlines()
    got = run(*shlex.split(typed)[1:])
    rest = " ".join(got.stdout.split())
    for line in lines:
        if line != "...":
            assert " ".join(line.split()) in rest
            rest = rest.partition(" ".join(line.split()))[2]


def test_the_page_shows_a_flip_as_it_is_written(monkeypatch):
    monkeypatch.chdir(ROOT)
    shown = re.search(r"^```\n(\{.*?)^```", PAGE, re.S | re.M)[1]
    got = run("plan", SHOP, TIGHTER, "--log", CSV, "--flips", "-")
    assert json.loads(shown) in [json.loads(line) for line in got.stdout.splitlines()]
