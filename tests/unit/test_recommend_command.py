# SPDX-License-Identifier: MIT
"""`raygate recommend`: its page, its JSON, and what it says to wrong words and broken logs."""

import gzip
import hashlib
import json
import pathlib

import pytest
from click.testing import CliRunner

from host_sim.cli import main
from host_sim.config import load
from host_sim.recommend.engine import Wanted, recommend
from host_sim.recommend.propose import check_shape
from host_sim.recommend.trace import Shape
from host_sim.replay.program import FormatError
from host_sim.report.model import Report
from tests.recommending import BASE, BURST, log_file


def run(*words):
    return CliRunner().invoke(main, ["recommend", *words])


def test_the_page_says_it_all(tmp_path):
    log, target = log_file(tmp_path, BURST), tmp_path / "new.toml"
    said = run("--log", log, "--deny-at-most", "50000", "--write", str(target))
    assert said.exit_code == 0, said.output
    assert "would have denied" in said.output and "[[limit]]" in said.output
    assert "denied if one smaller" in said.output and "How far to trust this" in said.output
    assert load(target).limits == ("per-client",)
    assert run("--log", log, "--deny-at-most", "0", "--write", str(target)).exit_code == 2


def test_json_is_the_same(tmp_path):
    said = run("--log", log_file(tmp_path, BURST), "--deny-at-most", "0", "--for", "all", "--json")
    told = json.loads(said.output)
    assert told["limits"][0]["best"]["denied"] == 0 < told["limits"][0]["below"]["denied"]
    assert told["proof"]["requests"] == 60 and told["findings"] == []


@pytest.mark.parametrize(("words", "what"), [
    (["--deny-at-most", "2000000"], "0<=x<=1000000"),
    (["--deny-at-most", "1", "--burst", "0"], "at least one token"),
    (["--deny-at-most", "1", "--burst", "9" * 20], "at most 1,099,511,627,776 tokens"),
    (["--deny-at-most", "1", "--burst", "5", "--algorithm", "fixed_window"], "has no burst"),
    (["--deny-at-most", "1", "--burst", "10x"], "number of tokens"),
    (["--deny-at-most", "1", "--each", "planet"], "use service, operation"),
    (["--deny-at-most", "1", "--each", "route"], "give it with --config"),
    (["--deny-at-most", "1", "--each", "service,service"], "two different ones"),
    (["--deny-at-most", "1", "--each", "path", "--for", "user"], "cannot be configured"),
])
def test_wrong_words_are_explained(tmp_path, words, what):
    said = run("--log", log_file(tmp_path, BURST), *words)
    assert said.exit_code == 2 and what in " ".join(said.output.split())


def test_standard_input_is_kept_for_the_proof(tmp_path):
    rows = [(*row[:5], 429 if n > 50 else 200) for n, row in enumerate(BURST)]
    log = log_file(tmp_path, rows)
    text = pathlib.Path(log).read_bytes()
    words = ["recommend", "--deny-at-most", "0", "--json", "--log"]
    piped, told = (json.loads(CliRunner().invoke(main, [*words, name], input=text).output)
                   for name in ("-", log))
    assert piped["logs"] == ["standard input"] and told["inferred"]
    for name in ("limits", "inferred", "fragment"):
        assert piped[name] == told[name]
    assert piped["proof"]["decision_digest"] == told["proof"]["decision_digest"]
    assert run("--log", "-", "--log", "-", "--deny-at-most", "0").exit_code == 2


def test_a_log_that_is_cut_off_is_a_finding(tmp_path):
    log = tmp_path / "cut.gz"
    log.write_bytes(gzip.compress(pathlib.Path(log_file(tmp_path, BURST)).read_bytes())[:-9])
    said = run("--log", str(log), "--deny-at-most", "0")
    assert said.exit_code == 1
    assert "ends in the middle of its gzip data" in " ".join(said.output.split())


def test_the_proof_says_what_makes_it_again(tmp_path):
    log, base = log_file(tmp_path, BURST), tmp_path / "base.toml"
    base.write_text(BASE)
    said = run("--log", log, "--deny-at-most", "0", "--config", str(base), "--for", "all").output
    for word in (load(base).hash, hashlib.sha256(pathlib.Path(log).read_bytes()).hexdigest(),
                 "made by", "raygate recommend --log", "host, profile edge"):
        assert word in said


def test_what_cannot_be_read_is_named(tmp_path):
    said = run("--log", str(tmp_path / "none.log"), "--deny-at-most", "1")
    assert said.exit_code == 2 and "none.log" in said.output
    with pytest.raises(FormatError, match="cannot be configured"):
        check_shape(Shape(("operation",), "user"))


def test_a_report_is_one(tmp_path):
    made = recommend([log_file(tmp_path, BURST)], Wanted(50_000))
    report = made.report()
    assert isinstance(report, Report) and report.proof[0][0] == "log (SHA-256)"
    for section in report.sections:
        for row in getattr(section, "rows", ()):
            assert len(row) == len(section.columns)
