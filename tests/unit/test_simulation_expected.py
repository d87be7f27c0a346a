# SPDX-License-Identifier: MIT
"""How many requests a scenario is to make is known before it is run, and many are announced."""

from __future__ import annotations

import pathlib

import pytest

from host_sim.commands import simulate
from host_sim.simulation import Scenario, Simulation, loads, named
from host_sim.simulation.plan import arrivals_expected
from tests.unit.test_simulation_foot import CONFIG, SCENARIO

ARRIVALS = 'arrivals = { log = { file = "a.log" } }'


def made(folder: pathlib.Path, arrivals: str) -> Scenario:
    (folder / "c.toml").write_text(CONFIG)
    text = SCENARIO.replace(ARRIVALS, f'paths = [{{ path = "/" }}]\n{arrivals}')
    return loads(text, name=str(folder / "s.toml"))


@pytest.mark.parametrize(("arrivals", "number"), [
    ('arrivals = { uniform = "30/s" }', 300),
    ('arrivals = { uniform = "30/s" }\nfrom = "1s"\nuntil = "3s"', 60),
    ('arrivals = { bursts = { size = 7, every = "3s" } }', 28),
    ('arrivals = { diurnal = { low = "10/s", high = "50/s", period = "1s" } }', 300),
    ('arrivals = { poisson = "90/s" }\nuntil = "1h"\n[[event]]\nat = "4s"\nclient = "l"\n'
     'rate = "10/s"', 420),
    ('arrivals = { clients = { count = 9, think = { constant = "1s" } } }', None),
])
def test_what_is_expected_is_about_what_comes(
    tmp_path: pathlib.Path, arrivals: str, number: int | None
) -> None:
    scenario = made(tmp_path, arrivals)
    assert arrivals_expected(scenario).get("l") == number
    if number is not None:
        came = Simulation(scenario).run().total.number("requests")
        assert abs(came - number) <= 5 * number**0.5


def test_a_long_run_is_announced_before_it_begins(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulate._announced(made(tmp_path, 'arrivals = { uniform = "999999999999/s" }'))
    said = capsys.readouterr().err
    assert "about 9,999,999,999,990 requests are to come" in said and "from l" in said
    for name in named.names():
        simulate._announced(named.find(name))
    assert capsys.readouterr().err == ""
