# SPDX-License-Identifier: MIT
"""`raygate simulate`: shipped scenarios hold for any seed, a seed names one run, and the booted
image decides the same."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from host_sim.cli import main
from host_sim.report import html, terminal
from host_sim.simulation import Result, Simulation, named
from tests.image import vm

NAMES = named.names()
SMALL = "boundary-burst"


def words(text: str) -> str:
    """Lines are broken anywhere."""
    return " ".join(text.split())


@pytest.fixture(scope="module")
def first() -> dict[str, Result]:
    """Every scenario with its own seed."""
    return {name: Simulation(name).run() for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_goes_as_it_expects(name: str, first: dict[str, Result]) -> None:
    result = first[name]
    assert [one for one in result.expected if not one.holds] == []
    assert result.holds and result.lost == 0 and result.errors == result.unplaced == 0
    assert not any(result.held.values())
    numbers = result.total.numbers
    assert numbers["requests"] == numbers["ok"] + numbers["gave_up"] > 1000


@pytest.mark.parametrize("name", NAMES)
def test_it_does_for_other_seeds_and_each_is_another_run(
    name: str, first: dict[str, Result]
) -> None:
    results = [first[name], *(Simulation(name, seed=seed).run() for seed in (2, 12345))]
    assert all(one.holds for one in results), [
        one for result in results for one in result.expected if not one.holds]
    assert len({one.digests.decision for one in results}) == 3


@pytest.mark.parametrize("seed", [11, 16, 18, 22, 99])
def test_a_bound_holds_by_a_law_and_not_by_luck(seed: int) -> None:
    """Seeds under which a mean of good answers alone, without who gave up, was too much."""
    assert Simulation("impatient-clients", seed=seed).run().holds


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_names_one_run(name: str, first: dict[str, Result]) -> None:
    again = Simulation(name).run()
    assert again.digests == first[name].digests and again.counts == first[name].counts


# -- the image -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def link() -> Iterator[Any]:
    """One image for all scenarios: each begins with an empty core."""
    with vm.boot() as console:
        yield console.link
        assert console.poweroff().clean


@pytest.mark.qemu
@pytest.mark.parametrize("name", NAMES)
def test_the_image_decides_the_same(name: str, link: Any, first: dict[str, Result]) -> None:
    result = Simulation(name).run_image(link)
    assert result.machine is not None and result.machine.rows == result.rows
    assert result.machine.digests == result.digests == first[name].digests
    assert result.holds


@pytest.mark.qemu
def test_an_image_that_decides_otherwise_is_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    from host_sim.simulation import recording

    vm.built()
    real = recording.Recording.line
    monkeypatch.setattr(recording.Recording, "line",
                        lambda self, line: real(self, line.replace("pass", "fail")))
    shown = CliRunner().invoke(main, ["simulate", "instance-loss", "--engine", "image"])
    assert shown.exit_code == 3
    assert "the digests DIFFER" in shown.output and "image, state digest" in shown.output


# -- the command -----------------------------------------------------------------------------------
def test_the_command_lists_runs_and_refuses(tmp_path: pathlib.Path) -> None:
    run = CliRunner().invoke
    listed = run(main, ["simulate", "--list"])
    assert [line.split()[0] for line in listed.output.splitlines()] == NAMES
    assert set(json.loads(run(main, ["simulate", "--list", "--json"]).output)) == set(NAMES)
    page = tmp_path / "page.html"
    shown = run(main, ["simulate", SMALL, "--seed", "5", "--html", str(page)])
    assert shown.exit_code == 0 and shown.output.isascii() and "\x1b" not in shown.output
    assert "only the first: as expected." in words(shown.output) and "digest" in shown.output
    assert page.read_text("ascii").startswith("<!DOCTYPE html>")
    said = json.loads(run(main, ["simulate", SMALL, "--json"]).output)
    assert said["holds"] is True and said["total"]["numbers"]["requests"] > 1000
    assert run(main, ["simulate", "no-such"]).exit_code == 2
    assert run(main, ["simulate", str(tmp_path / "no.toml")]).exit_code == 2
    assert run(main, ["simulate", SMALL, "--seed", "-1"]).exit_code == 2


def test_a_broken_expectation_is_told_and_ends_with_1(tmp_path: pathlib.Path) -> None:
    text = (named.FOLDER / f"{SMALL}.toml").read_text()
    (tmp_path / "config").mkdir()
    (tmp_path / f"config/{SMALL}.toml").write_text(
        (named.FOLDER / f"config/{SMALL}.toml").read_text())
    broken = tmp_path / "broken.toml"
    broken.write_text(text.replace("== 2000", "== 1999"))
    shown = CliRunner().invoke(main, ["simulate", str(broken)])
    assert shown.exit_code == 1
    assert "1 of 3 expectations do NOT hold" in words(shown.output)
    assert "NOT the fixed window lets twice its limit pass" in words(shown.output)


def test_a_broken_promise_of_the_core_is_found(tmp_path: pathlib.Path) -> None:
    (tmp_path / "config").mkdir()
    for name, old, new, said in (
        ("retry-storm", "budget = { deposit = 1, cost = 5, reserve = 1, ttl = \"10s\" }",
         'budget = "none"', "with one its retries are at most 20 %"),
        ("lose-one-of-n", "ip_hash", "round_robin", "put back, it has the same keys again"),
        ("probe-never-answers", "probes = 1", "probes = 8", "while the service is down"),
        ("killed-instance", "fall = 3", "fall = 9", "within three of them it gets nothing"),
    ):
        config = (named.FOLDER / f"config/{name}.toml").read_text()
        assert config.count(old) == 1
        (tmp_path / f"config/{name}.toml").write_text(config.replace(old, new))
        text = (named.FOLDER / f"{name}.toml").read_text()
        (tmp_path / f"{name}.toml").write_text(text)
        result = Simulation(tmp_path / f"{name}.toml").run()
        assert not result.holds and result.lost == 0 and not any(result.held.values())
        assert any(said in one.says for one in result.expected if not one.holds), name


def test_the_core_counts_the_same_retries_and_expiries(first: dict[str, Result]) -> None:
    for name in ("retry-storm", "killed-instance", "probe-never-answers", "instance-loss"):
        whole, core = first[name].total.number, first[name].core
        assert (core["retried_count"], core["expired_count"]) == (
            whole("retried"), whole("expired")), name


def test_what_breakers_did_is_told_where_it_happened(first: dict[str, Result]) -> None:
    result = first["probe-never-answers"]
    happened = next(one for one in result.report().sections if one.title == "What happened")
    lines = [" ".join(line.split()) for line in happened.lines]  # type: ignore[union-attr]
    assert lines[0] == "10.0s orders answers nothing"
    assert lines[1].endswith("breaker of orders: closed > open (failures)")
    assert lines[-1].endswith("breaker of orders: half-open > closed (probes-good)")
    assert len(lines) == 2 + len(result.changes)
    assert result.as_json()["changes"][0]["after"] == "open"


def test_the_page_shows_a_scenario_that_runs(
    tmp_path: pathlib.Path, first: dict[str, Result]
) -> None:
    page = (named.FOLDER.parents[1] / "docs/simulate.md").read_text()
    assert all(f"| `{name}` |" in page for name in NAMES)
    shown = terminal.text(first["probe-never-answers"].report(), width=100)
    assert page.partition("```text\n")[2].partition("```")[0] in shown
    text = page.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "monday.toml").write_text(text)
    (tmp_path / "gateway.toml").write_text(
        'version = 1\n[tenant.acme]\n[service.api]\n[[route]]\nname = "r"\nservice = "api"\n'
        'path = { prefix = "/v1" }\n')
    result = Simulation(tmp_path / "monday.toml").run()
    assert result.total.number("requests") > 25_000 and len(result.expected) == 1


def test_a_wrong_file_is_told_line_by_line(tmp_path: pathlib.Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('version = 1\ntitel = "x"\n')
    shown = CliRunner().invoke(main, ["simulate", str(wrong)])
    assert shown.exit_code == 2
    assert f'{wrong}:2:1: unknown-key: no key "titel" here; did you mean "title"?' in shown.output


def test_the_report_has_every_part(first: dict[str, Result]) -> None:
    titles = {section.title for section in first["instance-loss"].report().sections}
    assert {"Expectations", "What became of requests", "Clients", "Upstreams",
            "What happened"} <= titles
    bill = next(one for one in first["month-end"].report().sections if one.title == "Bill")
    assert "Classes that waited" in {
        one.title for one in first["noisy-neighbour"].report().sections}
    assert len(bill.rows) == 2  # type: ignore[union-attr]
    page = html.page(first["noisy-neighbour"].report())
    assert len(page) < 1_500_000
