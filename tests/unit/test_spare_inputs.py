# SPDX-License-Identifier: MIT
"""No command writes over what it reads, however the file is called."""

import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from host_sim.cli import main
from tests.data import ROOT

LIMITS = ("--deny-at-most", "1000")
SCENARIO = """
version = 1
title = "A log"
what = "It comes as it came."
config = "c.toml"
duration = "1s"
[[client]]
name = "web"
arrivals = { log = { file = "l.log" } }
[[upstream]]
service = "web"
time = { constant = "10ms" }
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples" / "web-small.toml", "c.toml")
    lines = (ROOT / "examples" / "access.log").read_bytes().splitlines(keepends=True)
    (tmp_path / "l.log").write_bytes(b"".join(lines[:50]))
    (tmp_path / "nginx.conf").write_text("log_format main '$remote_addr';\n")
    (tmp_path / "s.toml").write_text(SCENARIO)
    os.link("l.log", "hard.log")
    os.symlink("l.log", "soft.log")
    (tmp_path / "sub").mkdir()
    return tmp_path


@pytest.mark.parametrize(("words", "option", "output", "victim"), [
    (("replay", "c.toml", "l.log"), "--decisions", "l.log", "l.log"),
    (("replay", "c.toml", "l.log"), "--decisions", "sub/../l.log", "l.log"),
    (("replay", "c.toml", "l.log"), "--decisions", "hard.log", "l.log"),
    (("replay", "c.toml", "soft.log"), "--decisions", "l.log", "soft.log"),
    (("replay", "c.toml", "l.log"), "--html", "c.toml", "c.toml"),
    (("replay", "c.toml", "l.log", "--format", "nginx.conf:main"), "--html", "nginx.conf",
     "nginx.conf"),
    (("replay", "c.toml", "l.log", "--decisions", "new"), "--html", "./new", "new"),
    (("replay", "c.toml", "none.log"), "--decisions", "none.log", "none.log"),
    (("plan", "c.toml", "c.toml", "--log", "l.log"), "--flips", "l.log", "l.log"),
    (("plan", "c.toml", "c.toml", "--log", "l.log"), "--html", "l.log", "l.log"),
    (("recommend", "--log", "l.log", *LIMITS), "--html", "l.log", "l.log"),
    (("recommend", "--log", "l.log", "--config", "c.toml", *LIMITS), "--html", "c.toml", "c.toml"),
    (("sweep", "c.toml", "--log", "l.log", "--vary", "limit.x.rate=1..2/s"), "--html", "l.log",
     "l.log"),
    (("simulate", "s.toml"), "--html", "l.log", "l.log"),
    (("simulate", "s.toml"), "--html", "s.toml", "s.toml"),
    (("compile", "c.toml"), "--output", "c.toml", "c.toml"),
])
def test_an_output_that_is_an_input_is_refused(files, words, option, output, victim):
    before = {path.name: path.read_bytes() for path in files.iterdir() if path.is_file()}
    got = CliRunner().invoke(main, [*words, option, output])
    assert got.exit_code == 2, got.output
    assert f"{option} {output} would write over {victim}:" in got.stderr
    assert {path.name: path.read_bytes() for path in files.iterdir() if path.is_file()} == before


def test_what_standard_input_comes_from_is_not_written_over(files):
    words = [sys.executable, "-m", "host_sim", "replay", "c.toml", "-", "--decisions", "l.log"]
    before = (files / "l.log").read_bytes()
    with open("l.log", "rb") as log:
        got = subprocess.run(words, stdin=log, capture_output=True, text=True, timeout=60,
                             check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert got.returncode == 2
    assert "--decisions l.log would write over what standard input comes from:" in got.stderr
    assert (files / "l.log").read_bytes() == before


def test_what_is_no_file_may_be_named_twice(files):
    words = ["replay", "c.toml", "l.log", "--decisions", "/dev/null", "--top", "0"]
    assert CliRunner().invoke(main, [*words]).exit_code == 0
    with open(os.devnull, "rb") as nothing:
        got = subprocess.run([sys.executable, "-m", "host_sim", "replay", "c.toml", "-",
                              "--decisions", "/dev/null"], stdin=nothing, capture_output=True,
                             text=True, timeout=60, check=False,
                             env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert "the log is empty" in got.stderr
