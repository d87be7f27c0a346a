# SPDX-License-Identifier: MIT
"""simulation: random small scenarios decide as the obviously correct loop over the same core."""

from __future__ import annotations

import pathlib
import random

import pytest

from host_sim.simulation import Simulation, loads
from tests.model.simulation import Model

CONFIG = """version = 1
[service.a]
timeout = "{timeout}ms"
[service.b]
timeout = "400ms"
[[route]]
name = "a"
service = "a"
path = {{ prefix = "/a" }}
[[route]]
name = "b"
service = "b"
path = {{ prefix = "/b" }}
[tenant.one]
[tenant.two]
[[limit]]
name = "users"
scope = "user"
rate = "{rate}/s"
[queue]
flows = 4
flow_by = "tenant"
[queue.service.a]
servers = {servers}
depth = {depth}
[sla.a]
p95_latency = "200ms"
deadline = "{deadline}ms"
[resilience.b]
timeout = "150ms"
breaker = {{ failures = 4, open = "500ms", probes = 2 }}
bulkhead = {{ concurrent = 5, waiting = 6 }}
retry = {{ attempts = 3, base = "10ms", max = "80ms", on = ["5xx", "connection", "timeout"] }}
"""
SCENARIO = """version = 1
title = "random"
what = "random"
config = "config.toml"
duration = "4s"
[[client]]
name = "open"
tenant = "one"
user = "u-{{n}}"
users = {users}
paths = [{{ path = "/a", share = 3 }}, {{ path = "/b", bytes = 100 }}]
arrivals = {{ poisson = "{rate}/s" }}
again = {{ how = "{how}", tries = {tries}, delay = "{delay}ms", longest = "300ms" }}
{patience}
[[client]]
name = "closed"
tenant = "two"
user = "c-{{n}}"
users = 9
class = "{class_}"
paths = [{{ path = "/b" }}, {{ path = "/a" }}, {{ path = "/nowhere" }}]
arrivals = {{ clients = {{ count = 9, think = {{ {think} }} }} }}
again = {{ how = "back-off", tries = 3, delay = "20ms" }}
[[upstream]]
service = "a"
time = {{ {a} }}
concurrent = {concurrent}
queue = {queue}
errors = "{errors}%"
status = 502
[[upstream]]
service = "b"
time = {{ {b} }}
concurrent = 4
refuse = "3%"
"""
EVENTS = """[[event]]
at = "{at}ms"
instance = "{instance}"
does = "{does}"
factor = 3
"""
TIMES = ('exponential = "30ms"', 'lognormal = "20ms", sigma = "80%"', 'uniform = ["5ms", "90ms"]')


def scenario(number: int, folder: pathlib.Path) -> str:
    """Two services, two groups and a few troubles, drawn from `number`."""
    dice = random.Random(number)
    (folder / "config.toml").write_text(CONFIG.format(
        timeout=dice.choice([60, 250, 900]), rate=dice.choice([3, 20, 200]),
        servers=dice.choice([2, 5, 20]), depth=dice.choice([3, 30]),
        deadline=dice.choice([40, 150, 600])))
    text = SCENARIO.format(
        users=dice.choice([1, 7, 40]), rate=dice.choice([30, 90, 150]),
        how=dice.choice(["honour", "fixed", "back-off"]), tries=dice.choice([1, 2, 4]),
        delay=dice.choice([7, 60]), think=dice.choice(TIMES), a=dice.choice(TIMES),
        b=dice.choice(TIMES), concurrent=dice.choice([1, 3, 12]), queue=dice.choice([0, 5, 500]),
        errors=dice.choice([0, 10]), class_=dice.choice(["critical", "normal", "batch"]),
        patience=dice.choice(["", 'patience = "80ms"']))
    for _ in range(dice.randrange(4)):
        at = dice.randrange(100, 2000)
        does, instance = dice.choice(["fail", "refuse", "hang", "slow"]), dice.choice("ab")
        text += EVENTS.format(at=at, instance=instance, does=does)
        text += EVENTS.format(at=at + dice.randrange(100, 1500), instance=instance,
                              does="recover")
    return text


@pytest.mark.parametrize("number", range(24))
def test_the_loop_decides_as_the_model_does(number: int, tmp_path: pathlib.Path) -> None:
    made = loads(scenario(number, tmp_path), name=str(tmp_path / "random.toml"))
    real = Simulation(made, seed=number).run()
    model = Model(made, number).run()
    for name, expected in model.count.items():
        assert real.total.number(name) == expected, name
    assert real.digests.decision == model.kernel.digest().decision
    assert real.digests.book == model.kernel.digest().book
    assert real.errors == real.lost == sum(real.held.values()) == 0
    assert real.total.number("requests") == (
        real.total.number("ok") + real.total.number("gave_up"))
