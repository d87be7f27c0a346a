# SPDX-License-Identifier: MIT
"""scenarios: what guards and balancer promise holds in the whole core, whatever the seed."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from click.testing import CliRunner

from host_sim.cli import main
from host_sim.kernel import Kernel
from host_sim.modules.resilience import ResilienceManager
from host_sim.scenarios import SCENARIOS
from host_sim.scenarios.gateway import KernelGateway
from host_sim.scenarios.pools import Pools, connection_count
from host_sim.scenarios.run import conserved, kernel_of, returned, seed_bytes, sparkline
from host_sim.simulate import Report, Request, Simulation, arrivals
from host_sim.upstream import Instance, Latency, S, Trouble, Upstream

MS = 10**6
NAMES = ("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")


@pytest.mark.parametrize("seed", [1, 2, 7])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_goes_as_expected(name: str, seed: int) -> None:
    result = SCENARIOS[name](seed)
    assert [one.says for one in result.expectations if not one.holds] == []
    assert len(result.expectations) >= 5 and result.text.isascii()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_seed_names_one_run_and_another_seed_another(name: str) -> None:
    first, again, other = (SCENARIOS[name](seed) for seed in (3, 3, 4))
    assert first == again
    assert all(first.digests[run] != other.digests[run] for run in first.digests)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_page_shows_what_the_command_prints(name: str) -> None:
    page = pathlib.Path(__file__).parents[2] / "docs/scenarios.md"
    printed = CliRunner().invoke(main, ["scenario", name]).output
    assert f"```\n{printed}```\n" in page.read_text()


# -- everything at once ---------------------------------------------------------------------------
EVERYTHING = """timeout = "500ms"
breaker = { failures = 8, successes = 2, open = "1s", probes = 2 }
bulkhead = { concurrent = 6, waiting = 4 }
retry = { attempts = 3, base = "20ms", max = "200ms", on = ["5xx", "connection", "timeout"] }
"""


class Watched(KernelGateway):
    """Looks at what must add up after every event, and at every law after each sixteenth."""

    seen = 0

    def ready(self, now_ns: int) -> list[tuple[int, Any]]:
        moves = super().ready(now_ns)
        self.seen += 1
        assert self.seen % 16 or self.kernel.valid() == 0
        law = conserved(self.kernel)
        assert law.holds, law.says
        in_use = ResilienceManager(kernel=self.kernel).get_metrics().in_use_count
        assert in_use == connection_count(self.kernel) <= 6
        return moves


def everything(seed: int, tells: bool = True) -> tuple[Report, Kernel, KernelGateway]:
    """Three instances, each with a trouble of its own, behind everything there is."""
    troubles = (
        Trouble("error", 4 * S, 9 * S, 700_000, 503),
        Trouble("hang", 6 * S, 11 * S, 400_000),
        Trouble("refuse", 8 * S, 14 * S),
    )
    latency = Latency("exponential", 60 * MS)
    upstream = Upstream(
        {name: Instance(latency, 4, troubles=(one,))
         for name, one in zip(NAMES, troubles, strict=True)},
        seed=seed_bytes(seed),
    )  # fmt: skip
    kernel = kernel_of(seed, EVERYTHING, timeout_s=2)
    Pools(kernel, "orders", NAMES, strategy="LEAST_CONNECTIONS", eject_after=3, eject_ns=S)
    gateway = Watched(kernel, timeout_ns=2 * S, tells=tells)
    report = Simulation(gateway, upstream).run(arrivals(60, 20, seed=seed_bytes(seed)))
    return report, kernel, gateway


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_or_kept_when_everything_fails_at_once(seed: int, tells: bool) -> None:
    report, kernel, gateway = everything(seed, tells)
    ended = report.total("ok") + report.total("failed") + report.total("refused")
    assert report.total("offered") == ended == kernel.stats()["asked_count"]
    assert report.total("retries") > 0 and report.total("given_up") > 0
    assert gateway.refusals.get("breaker-open", 0) + gateway.refusals.get("bulkhead-full", 0) > 0
    assert kernel.stats()["retried_count"] <= report.total("retries")
    last = returned(kernel)
    assert last.holds, last.says


def test_draining_in_the_middle_gives_every_lease_back() -> None:
    kernel = kernel_of(1, EVERYTHING, timeout_s=2)
    Pools(kernel, "orders", NAMES)
    for number in range(10):
        kernel.admit("/", at_ns=S + number)
    assert connection_count(kernel) == 6 and kernel.stats()["queued_count"] == 4
    kernel.drain()
    assert connection_count(kernel) == 0
    assert ResilienceManager(kernel=kernel).get_metrics().in_use_count == 0
    assert (kernel.stats()["inflight_count"], kernel.stats()["queued_count"]) == (0, 0)
    assert conserved(kernel).holds and kernel.valid() == 0


def test_a_waiter_of_a_bulkhead_is_sent_or_dropped_and_counted_once() -> None:
    kernel = kernel_of(1, 'bulkhead = { concurrent = 1, waiting = 2 }\n', timeout_s=1)
    upstream = Upstream({"a": Instance(Latency("fixed", 700 * MS), 1)})
    gateway = KernelGateway(kernel, timeout_ns=S, only="a")
    requests = [Request(number + 1, S + number) for number in range(4)]
    report = Simulation(gateway, upstream).run(requests)
    # The first runs, the second follows it, the third waits too long, the fourth finds no place.
    assert (report.total("ok"), report.total("refused")) == (2, 2)
    assert gateway.refusals == {"bulkhead-full": 1, "deadline": 1}
    assert kernel.stats()["dropped_count"] == 2 and returned(kernel).holds


def test_who_waits_for_a_permit_leaves_after_max_wait() -> None:
    kernel = kernel_of(1, 'bulkhead = { concurrent = 1, waiting = 2, max_wait = "100ms" }\n')
    kernel.admit("/", at_ns=S)
    assert kernel.admit("/", at_ns=S).queued
    kernel.tick(S + 101 * MS)
    assert kernel.stats()["queued_count"] == 0
    assert kernel.stats()["dropped_count"] == 1


# -- the command ----------------------------------------------------------------------------------
def test_the_command_lists_runs_and_refuses() -> None:
    run = CliRunner().invoke
    listed = run(main, ["scenario"])
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.output.splitlines()] == list(SCENARIOS)
    shown = run(main, ["scenario", "lose-one-of-n", "--seed", "5"])
    assert shown.exit_code == 0 and shown.output.isascii() and "\x1b" not in shown.output
    assert shown.output.startswith("lose-one-of-n, seed 5: ") and "ok    " in shown.output
    said = json.loads(run(main, ["scenario", "lose-one-of-n", "--seed", "5", "--json"]).output)
    assert said["holds"] is True and said["numbers"]["moved"] == said["numbers"]["had"] > 0
    assert run(main, ["scenario", "no-such"]).exit_code == 2
    assert run(main, ["scenario", "retry-storm", "--seed", "-1"]).exit_code == 2


def test_a_broken_expectation_is_told_and_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    from host_sim.scenarios import guards

    monkeypatch.setattr(guards, "BUDGET", '"none"')
    shown = CliRunner().invoke(main, ["scenario", "retry-storm"])
    assert shown.exit_code == 1 and "FAIL  with a budget" in shown.output


def test_a_sparkline_has_a_character_for_each_value() -> None:
    assert sparkline([0, 1, 5, 10]) == " .+@"
    assert sparkline([0, 0]) == "  " and sparkline([5], 10) == "+"
