# SPDX-License-Identifier: MIT
"""simulation: instances in trouble behind breakers, retries and bulkheads; whatever fails at once,
nothing is lost, nothing is kept, and every law holds on the way."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from host_sim.kernel import Kernel
from host_sim.modules.resilience import ResilienceManager
from host_sim.simulation import Result, Simulation, loads
from tests.image import vm

S, MS = 10**9, 10**6
NAMES = ("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
CONFIG = """version = 1
[service.orders]
timeout = "{timeout}"
{pool}
[[route]]
name = "orders"
service = "orders"
path = {{ prefix = "/" }}
[resilience.orders]
timeout = "1s"
{rules}
"""
BREAKER = ('breaker = { failures = 5, successes = 2, open = "2s", open_max = "2s", probes = 1, '
           'jitter = "0%" }\n')
RETRY = ('retry = { attempts = 3, base = "25ms", max = "100ms", '
         'on = ["5xx", "connection", "timeout"], budget = { deposit = 1, cost = 5, reserve = 0, '
         'ttl = "10s" } }\n')
HEAD = """version = 1
title = "t"
what = "w"
config = "c.toml"
duration = "{duration}"
{head}
[[client]]
name = "a"
paths = [{{ path = "/" }}]
arrivals = {{ {arrivals} }}
"""
ONE = """[[upstream]]
service = "orders"
time = {{ exponential = "20ms" }}
concurrent = 64
status = 503
{more}
"""
TROUBLE = """[[event]]
at = "10s"
instance = "orders"
does = "{does}"
factor = 20
[[event]]
at = "40s"
instance = "orders"
does = "recover"
"""
# Numbers of stretches are counted where an expectation asks for them.
STRETCHES = "".join(f'[[expect]]\nsays = "s"\ncheck = "sent from {a}s to {b}s >= 0"\n'
                    for a, b in ((15, 40), (45, 60)))


def run(
    folder: pathlib.Path, body: str, rules: str, *, pool: str = "", seconds: int = 60,
    arrivals: str = 'poisson = "40/s"', timeout: str = "5s", seed: int = 1, head: str = "",
    kind: type[Simulation] = Simulation,
) -> Result:
    """A service and its rules; nothing is lost, and nothing is held at the end."""
    (folder / "c.toml").write_text(CONFIG.format(rules=rules, pool=pool, timeout=timeout))
    text = HEAD.format(duration=f"{seconds}s", head=head, arrivals=arrivals) + body
    made = kind(loads(text, name=str(folder / "s.toml")), seed=seed)
    result: Result = made.run()
    assert result.lost == 0 and not any(result.held.values()), result.held
    assert result.errors == result.unplaced == 0 and made.kernel.valid() == 0
    whole = result.total.number
    assert whole("offered") == whole("requests") == whole("ok") + whole("gave_up")
    assert result.core["retried_count"] <= whole("retried")
    return result


def between(result: Result, first: int, last: int, metric: str) -> int:
    counts = result.between((first * S, last * S))
    return next(one for one in counts if one.kind == "group").number(metric)


@pytest.mark.parametrize("does", ["fail", "refuse", "hang"])
def test_a_breaker_spares_an_upstream_in_trouble_and_closes_when_it_recovers(
    tmp_path: pathlib.Path, does: str
) -> None:
    body = ONE.format(more="") + TROUBLE.format(does=does) + STRETCHES
    guarded = run(tmp_path, body, BREAKER + RETRY)
    bare = run(tmp_path, body, RETRY)
    assert between(guarded, 15, 40, "sent") * 10 < between(bare, 15, 40, "sent")
    assert between(guarded, 15, 40, "ok") <= 1               # a probe that the recovery let go
    assert between(guarded, 15, 40, "dropped") > 900
    assert between(guarded, 45, 60, "ok") > 500
    assert between(guarded, 45, 60, "failed") + between(guarded, 45, 60, "dropped") == 0
    changes = [(one.before, one.after) for one in guarded.changes]
    assert changes[0] == ("closed", "open") and changes[-1] == ("half-open", "closed")
    reopened = changes.count(("half-open", "open"))
    assert reopened >= 8                                     # a probe every 2 s
    service = next(one for one in guarded.counts if one.kind == "service")
    assert [service.number(name) for name in ("opened", "reopened", "closed")] == [1, reopened, 1]
    assert [one.cause for one in guarded.changes[:2]] == ["failures", "time"]
    assert all(one.at_ns >= 10 * S for one in guarded.changes) and not bare.changes


def test_retries_stay_a_fifth_of_the_requests_when_everything_fails(tmp_path: pathlib.Path) -> None:
    whole = run(tmp_path, ONE.format(more='errors = "100%"'), RETRY).total.number
    assert whole("offered") // 6 < whole("retried") <= whole("offered") // 5
    assert whole("sent") == whole("offered") + whole("retried")


def test_a_share_of_errors_is_hidden_by_retries(tmp_path: pathlib.Path) -> None:
    whole = run(tmp_path, ONE.format(more='errors = "5%"'), BREAKER + RETRY).total.number
    assert whole("retried") > 60
    assert whole("failed") + whole("dropped") < whole("retried") // 4


def test_a_bulkhead_bounds_what_a_slow_upstream_holds(tmp_path: pathlib.Path) -> None:
    rules = 'bulkhead = { concurrent = 4, waiting = 10, max_wait = "200ms" }\n'
    result = run(tmp_path, ONE.format(more="") + TROUBLE.format(does="slow") + STRETCHES,
                 BREAKER + RETRY + rules, arrivals='poisson = "60/s"')
    assert 0 < result.total.numbers["wait_ns_max"] <= 200 * MS
    assert between(result, 15, 40, "dropped") > 100
    assert between(result, 45, 60, "ok") > 700
    assert between(result, 45, 60, "failed") + between(result, 45, 60, "dropped") == 0


def test_a_waiter_of_a_bulkhead_is_sent_or_dropped_and_counted_once(tmp_path: pathlib.Path) -> None:
    body = ONE.replace('exponential = "20ms"', 'constant = "700ms"').format(more="")
    result = run(tmp_path, body, 'bulkhead = { concurrent = 1, waiting = 2 }\n', timeout="1s",
                 arrivals='bursts = { size = 4, every = "60s" }', seconds=50)
    # The first runs, the second follows it, the third waits too long, the fourth finds no place.
    assert [result.total.number(name) for name in ("ok", "dropped", "queued")] == [2, 2, 2]
    assert result.reasons == {"bulkhead-full": 1, "deadline": 1}
    assert result.core["dropped_count"] == 2


def test_an_instance_works_on_so_many_and_the_others_stand_in_its_line(
    tmp_path: pathlib.Path
) -> None:
    body = ONE.replace("concurrent = 64", "concurrent = 2\nqueue = 3").replace(
        'exponential = "20ms"', 'constant = "10ms"')
    result = run(tmp_path, body.format(more=""), "", seconds=50,
                 arrivals='bursts = { size = 6, every = "60s" }')
    assert [result.total.number(name) for name in ("ok", "failed")] == [5, 1]
    one = next(count for count in result.counts if count.kind == "instance")
    assert one.numbers["latency_ns_sum"] == (10 + 10 + 20 + 20 + 30) * MS


def test_what_hangs_holds_its_place_until_the_instance_recovers(tmp_path: pathlib.Path) -> None:
    body = ONE.replace("concurrent = 64", "concurrent = 1").format(more="") + TROUBLE.format(
        does="hang")
    result = run(tmp_path, body, "", arrivals='bursts = { size = 1, every = "5s" }')
    # Those of the 10 s to 35 s are given up after their second; the one in hand at 40 s is let go.
    assert [result.total.number(name) for name in ("ok", "timeouts")] == [6, 6]


# -- a gateway that says nothing -------------------------------------------------------------------
def test_what_nobody_reports_the_core_ends_by_itself(tmp_path: pathlib.Path) -> None:
    body = ONE.format(more="") + TROUBLE.format(does="hang") + STRETCHES
    told = run(tmp_path, body, BREAKER)
    result = run(tmp_path, body, BREAKER, head="reports_timeouts = false")
    assert told.total.number("expired") == 0 < told.total.number("timeouts")
    assert result.total.number("expired") == result.total.number("timeouts") > 10
    assert result.total.number("failed") == 0                # nobody said so
    assert result.core["expired_count"] == result.total.number("expired")
    assert between(result, 45, 60, "ok") > 500


def clock(at: str, jump: str) -> str:
    return f'[[event]]\nat = "{at}"\nclock = "{jump}"\n'


def test_breakers_change_at_the_simulation_s_instants_whatever_the_clock_says(
    tmp_path: pathlib.Path
) -> None:
    result = run(tmp_path, ONE.format(more="") + clock("5s", "+1h") + TROUBLE.format(does="fail"),
                 BREAKER)
    assert 10 * S <= result.changes[0].at_ns < 11 * S
    assert 40 * S <= result.changes[-1].at_ns < 43 * S
    assert result.changes[-1].after == "closed"


def test_what_nobody_reports_ends_once_a_clock_that_was_put_back_has_caught_up(
    tmp_path: pathlib.Path
) -> None:
    body = ONE.format(more="") + TROUBLE.format(does="hang") + clock("10500ms", "-5s")
    result = run(tmp_path, body, "", head="reports_timeouts = false",
                 arrivals='bursts = { size = 1, every = "10s" }')
    # The one of 10 s is given up at 11 s; the gateway's clock says so only at 16 s.
    assert [result.total.number(name) for name in ("ok", "expired", "timeouts")] == [3, 3, 3]
    assert result.held_max == 1


# -- everything at once ----------------------------------------------------------------------------
EVERYTHING = """breaker = { failures = 8, successes = 2, open = "1s", probes = 2 }
bulkhead = { concurrent = 6, waiting = 4 }
retry = { attempts = 3, base = "20ms", max = "200ms", on = ["5xx", "connection", "timeout"] }
"""
POOL = """pool = "orders"
[pool.orders]
strategy = "least_connections"
instances = [{ at = "10.0.0.1:80" }, { at = "10.0.0.2:80" }, { at = "10.0.0.3:80" }]
eject = { after = 3, for = "1s" }
"""
ALL = """[[upstream]]
pool = "orders"
time = { exponential = "60ms" }
concurrent = 4
status = 503
""" + "".join(
    f'[[event]]\nat = "{at}s"\ninstance = "{name}"\ndoes = "{does}"\n'
    for name, does, begins, ends in zip(NAMES, ("fail", "hang", "refuse"), (4, 6, 8), (9, 11, 14),
                                        strict=True)
    for at, does in ((begins, does), (ends, "recover"))
)
LOOKS = "".join(f'[[event]]\nat = "{at}ms"\nline = "status"\n' for at in range(50, 20_000, 50))


def held(kernel: Kernel) -> tuple[int, int]:
    """Permits and connections that are out."""
    out: Any = kernel.ffi.new("ray_lb_stats *")
    kernel.lib.ray_lb_read(kernel.lib.ray_lb_of(kernel.ray), out)
    return ResilienceManager(kernel=kernel).get_metrics().in_use_count, int(out.connection_count)


def conserved(kernel: Kernel) -> bool:
    """Whatever was offered is somewhere, exactly once."""
    stats = kernel.stats()
    ways = ("denied", "dropped", "preempted", "dispatched", "queued")
    return stats["asked_count"] == sum(stats[f"{way}_count"] for way in ways)


class Watched(Simulation):
    """Looks at what must add up each 50 ms, and at every law at each sixteenth of these."""

    looked = 0  # of all of them

    def _line(self, line: str) -> None:
        super()._line(line)
        Watched.looked += 1
        assert conserved(self.kernel)
        assert Watched.looked % 16 or self.kernel.valid() == 0
        permits, connections = held(self.kernel)
        assert permits == connections <= 6


@pytest.mark.parametrize(("seed", "head"), [(1, ""), (2, "reports_timeouts = false")])
def test_nothing_is_lost_or_kept_when_everything_fails_at_once(
    tmp_path: pathlib.Path, seed: int, head: str
) -> None:
    before = Watched.looked
    result = run(tmp_path, ALL + LOOKS, EVERYTHING, pool=POOL, seconds=20, timeout="2s", seed=seed,
                 head=head, arrivals='poisson = "60/s"', kind=Watched)
    assert Watched.looked == before + 399
    whole = result.total.number
    assert whole("retried") > 0 and whole("timeouts") > 0
    assert whole("offered") == result.core["asked_count"]
    assert result.reasons.get("breaker-open", 0) + result.reasons.get("bulkhead-full", 0) > 0
    assert result.reasons.get("bulkhead-waits", 0) == 0


@pytest.mark.qemu
def test_the_image_decides_the_same_when_everything_fails_at_once(
    tmp_path: pathlib.Path
) -> None:
    with vm.boot() as console:
        class Imaged(Simulation):
            """Every row and line goes through the image as well."""

            def run(self) -> Result:
                return self.run_image(console.link)

        result = run(tmp_path, ALL, EVERYTHING, pool=POOL, seconds=20, timeout="2s",
                     arrivals='poisson = "60/s"', kind=Imaged)
        assert console.poweroff().clean
    assert result.machine is not None and result.same_bits
    assert result.reasons["bulkhead-full"] > 0


def kernel_of(folder: pathlib.Path, rules: str, pool: str = "") -> Kernel:
    from host_sim.config import load

    (folder / "c.toml").write_text(CONFIG.format(rules=rules, pool=pool, timeout="2s"))
    return Kernel(config=load(folder / "c.toml"))


def test_draining_in_the_middle_gives_every_lease_back(tmp_path: pathlib.Path) -> None:
    kernel = kernel_of(tmp_path, EVERYTHING, POOL)
    for number in range(10):
        kernel.admit("/", at_ns=S + number)
    assert held(kernel) == (6, 6) and kernel.stats()["queued_count"] == 4
    kernel.drain()
    assert held(kernel) == (0, 0)
    assert (kernel.stats()["inflight_count"], kernel.stats()["queued_count"]) == (0, 0)
    assert conserved(kernel) and kernel.valid() == 0


def test_who_waits_for_a_permit_leaves_after_max_wait(tmp_path: pathlib.Path) -> None:
    kernel = kernel_of(tmp_path, 'bulkhead = { concurrent = 1, waiting = 2, max_wait = "100ms" }\n')
    kernel.admit("/", at_ns=S)
    assert kernel.admit("/", at_ns=S).queued
    kernel.tick(S + 101 * MS)
    assert kernel.stats()["queued_count"] == 0
    assert kernel.stats()["dropped_count"] == 1
