# SPDX-License-Identifier: MIT
"""What a report of `plan` and `simulate` ends in makes it again, and names every input by its
hash."""

from __future__ import annotations

import gzip
import hashlib
import json
import pathlib
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from host_sim import Simulation
from host_sim.cli import main
from host_sim.report import again
from host_sim.simulation.report import found
from host_sim.simulation.result import Expected

CONFIG = """version = 1
[service.s]
[[route]]
name = "r"
service = "s"
path = { prefix = "/" }
"""
SCENARIO = """version = 1
title = "t"
what = "w"
config = "c.toml"
duration = "10s"
[[client]]
name = "l"
arrivals = { log = { file = "a.log" } }
[[upstream]]
service = "s"
time = { constant = "1ms" }
"""
LINE = '192.0.2.1 - - [05/Jan/2026:14:00:{:02} +0000] "GET /a HTTP/1.1" 200 2 "-" "a"\n'
LINES = "".join(map(LINE.format, range(60)))


@pytest.fixture
def scenario(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "c.toml").write_text(CONFIG)
    (tmp_path / "a.log").write_text(LINES)
    (tmp_path / "s.toml").write_text(SCENARIO)
    return tmp_path / "s.toml"


def test_the_scenario_is_its_file_and_its_logs(scenario: pathlib.Path) -> None:
    """The log goes on after the end of the run: its hash is of all of it all the same."""
    log = scenario.parent / "a.log"
    before = Simulation(scenario).run()
    assert before.logs[0].sha256 == hashlib.sha256(LINES.encode()).hexdigest()
    assert before.scenario_hash == hashlib.sha256(
        SCENARIO.encode() + before.logs[0].sha256.encode()).hexdigest()
    log.write_text(LINES.replace(":59 +", ":58 +"))
    after = Simulation(scenario).run()
    assert after.digests == before.digests and after.scenario_hash != before.scenario_hash


def test_lines_that_cannot_be_read_are_a_finding(scenario: pathlib.Path) -> None:
    log = scenario.parent / "a.log"
    assert Simulation(scenario).run().holds
    log.write_text("".join(map(LINE.format, range(5))) + "rubbish\n" * 45)
    result = Simulation(scenario).run()
    assert not result.holds and result.as_json()["findings"]
    done = CliRunner().invoke(main, ["simulate", str(scenario)])
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert "45 lines of 50 of a.log could not be read" in said.split("How far")[0]
    assert "45 (90.0 %) could not be read" in said
    log.write_text(LINES * 4 + "rubbish\n")
    assert Simulation(scenario).run().holds    # one in 241 is none


def test_a_log_that_is_cut_is_a_finding(scenario: pathlib.Path) -> None:
    log = scenario.parent / "a.log"
    log.write_bytes(gzip.compress(LINES.encode())[:-8])
    scenario.write_text(SCENARIO.replace('"10s"', '"2min"'))
    result = Simulation(scenario).run()
    assert "ends in the middle" in result.findings[0] and not result.holds


def test_a_simulation_ends_in_what_makes_it_again(scenario: pathlib.Path) -> None:
    asked = ["simulate", str(scenario), "--seed", "7"]
    done = CliRunner().invoke(main, asked)
    said = " ".join(done.output.split("\nProof\n")[1].split())
    log = hashlib.sha256(LINES.encode()).hexdigest()
    assert f"log (SHA-256) {log}" in said and " seed 7 " in said
    assert f"engine host, profile seed raygate {version('raygate')} made by raygate" in said
    assert "".join(f"made by raygate {' '.join(asked)}".split()) in "".join(said.split())
    assert json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)["command"].endswith(
        "--seed 7 --json")


def test_a_plan_ends_in_what_makes_it_again(scenario: pathlib.Path) -> None:
    config, log = (str(scenario.parent / name) for name in ("c.toml", "a.log"))
    done = CliRunner().invoke(main, ["plan", config, config, "--log", log, "--top", "3"])
    said = "".join(done.output.split("\nProof\n")[1].split())
    assert f"seed{'0' * 32}enginehost,profileseedraygate{version('raygate')}madeby" in said
    assert said.endswith(f"raygateplan{config}{config}--log{log}--top3")


def test_outside_of_a_command_nothing_is_said_to_make_it() -> None:
    assert again.running() == ""
    assert dict(again.engine_rows("host", "edge", again.running())) == {
        "engine": "host, profile edge", "raygate": version("raygate")}


@pytest.mark.parametrize(("check", "left", "right", "said"), [
    ("p99_wait <= 250ms", 250_040_000, 250_000_000, "p99_wait = 250.04ms, <= 250ms"),
    ("mean_wait <= max_wait", 29 * 10**8 + 5, 29 * 10**8, "= 2.900000005s, <= 2.900000000s"),
    ("ok_ppm >= 90%", 899_600, 900_000, "ok_ppm = 89.9 %, >= 90%"),
])
def test_a_bound_that_is_broken_never_looks_equal(
    check: str, left: int, right: int, said: str
) -> None:
    assert said in found(Expected("s", check, False, left, right))
