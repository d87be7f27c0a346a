# SPDX-License-Identifier: MIT
"""raygate replay: what a person types, what it prints, and how it ends."""

import gzip
import json
import pathlib
import random
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from host_sim.cli import main
from tests.replaying import CONFIG, busy_log, config_of, log_of


@pytest.fixture
def files(tmp_path):
    (tmp_path / "c.toml").write_text(CONFIG)
    (tmp_path / "a.log").write_bytes(busy_log(300))
    return tmp_path


def run(files: pathlib.Path, *words: str, text: bytes | None = None):
    words = tuple(str(files / w) if w in ("c.toml", "a.log", "d.json") else w for w in words)
    return CliRunner().invoke(main, ["replay", *words], input=text)


def test_the_page_tells_everything(files):
    (files / "a.log").write_bytes(log_of(*[(n // 20, "10.0.0.1") for n in range(3000)]))
    got = run(files, "c.toml", "a.log")
    assert got.exit_code == 0, got.output
    for word in ("Read 3,000 lines as CSV", "3,000 requests", "denied", "limit per-client",
                 "decision digest", "state digest", "book digest", "configuration", "lines/s"):
        assert word in got.stdout


def test_json_is_one_object_with_the_same_numbers(files):
    told = json.loads(run(files, "c.toml", "a.log", "--json").stdout)
    assert (told["requests"], told["findings"]) == (300, [])
    assert told["verdicts"]["allow"] + told["verdicts"]["deny"] == 300
    assert told["config_hash"] == config_of().hash
    assert told["lines"]["line_count"] == 300


def test_a_log_may_come_through_standard_input(files):
    for text in (busy_log(300), gzip.compress(busy_log(300))):
        told = json.loads(run(files, "c.toml", "-", "--json", text=text).stdout)
        assert (told["requests"], told["log"]) == (300, "standard input")


def test_decisions_go_to_a_file_or_to_standard_output(files):
    assert run(files, "c.toml", "a.log", "--decisions", "d.json").exit_code == 0
    lines = (files / "d.json").read_text().splitlines()
    got = run(files, "c.toml", "a.log", "--decisions", "-")
    assert got.stdout.splitlines() == lines
    assert "300 requests" in got.stderr
    assert len([json.loads(line) for line in lines]) == 300


@pytest.mark.parametrize(("bad", "code"), [(3, 0), (4, 1)])
def test_more_than_one_percent_unparsable_is_a_finding(files, bad, code):
    (files / "a.log").write_bytes(busy_log(300) + b"\n" + b"nonsense\n" * bad)
    got = run(files, "c.toml", "a.log")
    assert got.exit_code == code
    assert f"{bad} lines could not be read" in got.stdout
    assert "line 302: no time that can be read: nonsense" in got.stdout


@pytest.mark.parametrize(("words", "why"), [
    (("c.toml", "missing.log"), "missing.log"),
    (("missing.toml", "a.log"), "cannot read missing.toml"),
    (("a.log", "a.log"), "cannot be used"),
    (("c.toml", "a.log", "--map", "time=nope"), "no column 'nope'"),
    (("c.toml", "a.log", "--format", "what"), "unknown format"),
    (("c.toml", "a.log", "--order", "guess"), "guess"),
    (("c.toml", "a.log", "--engine", "image", "--profile", "edge"), "profile seed"),
    (("c.toml", "a.log", "--decisions", "-", "--json"), "both want"),
    (("c.toml",), "Missing argument"),
])
def test_bad_usage_is_code_2_and_says_why(files, words, why):
    got = run(files, *words)
    assert got.exit_code == 2
    assert why in got.stderr
    assert "Traceback" not in got.output


def test_an_empty_log_and_a_senseless_one_are_refused(files):
    for text, why in ((b"", "the log is empty"), (b"hello\nworld\n", "neither a known format")):
        (files / "a.log").write_bytes(text)
        got = run(files, "c.toml", "a.log")
        assert (got.exit_code, why in got.stderr) == (2, True)


@pytest.mark.parametrize("form", [(), ("--format", "csv"), ("--map", "time=1"),
                                  ("--format", "jsonl")])
def test_what_is_no_table_is_refused_in_one_line(files, form):
    noise = [random.Random(seed).randbytes(100_000) for seed in range(8)]
    for text in (b"a,b\rc\n1,2\n", b'{"\\ud800": 1}\n', *noise):
        (files / "a.log").write_bytes(text)
        got = run(files, "c.toml", "a.log", *form)
        assert got.exit_code in (1, 2), got.exception
        assert got.exit_code == 1 or got.stderr.startswith("error: ")
        assert got.stderr.count("\n") <= 1


@pytest.mark.parametrize("rows", [3, 30_000])
def test_decisions_that_cannot_be_written_are_not_the_logs_fault(files, rows):
    (files / "a.log").write_bytes(busy_log(rows))
    got = run(files, "c.toml", "a.log", "--decisions", "/dev/full")
    assert got.exit_code == 2
    assert got.stderr == "error: /dev/full: No space left on device\n"
    got = run(files, "c.toml", "a.log", "--decisions", str(files))
    assert (got.exit_code, got.stderr) == (2, f"error: {files}: Is a directory\n")


def test_a_truncated_log_is_a_finding(files):
    (files / "a.log").write_bytes(gzip.compress(busy_log(3000))[:-1000])
    got = run(files, "c.toml", "a.log")
    assert got.exit_code == 1
    assert "ends in the middle of its gzip data: what came before it was replayed" in got.stdout


def test_ctrl_c_completes_what_is_in_flight_and_prints_what_is_known(files):
    words = [sys.executable, "-m", "host_sim", "replay", "c.toml", "-", "--order", "clamp"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, cwd=files) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write("time,ip,duration_ms\n" + "1,10.0.0.1,5000\n" * 9000)
        child.stdin.flush()
        wait_until_it_reads(child.pid)
        child.send_signal(signal.SIGINT)
        said = child.stdout.read()
        assert child.wait(30) == 1, child.stderr
    assert "9,000 requests" in said
    assert "2 requests ran for the time the log says" in said
    assert "interrupted: 0 rows already read" in said


def wait_until_it_reads(pid):
    """Sleeping in a read of standard input, with nothing left to read."""
    import time

    until = time.monotonic() + 30
    while time.monotonic() < until:
        if pathlib.Path(f"/proc/{pid}/syscall").read_text().startswith("0 0x0 "):
            return
        time.sleep(0.02)
    raise AssertionError("the replay never waited for input")


def test_a_wrong_word_names_the_nearest_command():
    got = CliRunner().invoke(main, ["repaly"])
    assert got.exit_code == 2
    assert "Did you mean 'replay'?" in got.stderr
    listed = CliRunner().invoke(main, ["--help"]).stdout
    for name in ("check", "compile", "replay"):
        assert f"\n  {name} " in listed
