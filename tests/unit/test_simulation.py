# SPDX-License-Identifier: MIT
"""simulation: its numbers are those of their distributions, its arrivals come when they should,
and what it says of a queue is what queueing theory says."""

from __future__ import annotations

import decimal
import math
import pathlib
import statistics

import pytest

from host_sim import _raw
from host_sim.errors import RaygateError, UnknownError
from host_sim.simulation import Result, Simulation, loads, tables
from host_sim.simulation.counts import Count, quantile
from tests.model.simulation import Stream

S, MS = 10**9, 10**6
CONFIG = """version = 1
[service.s]
timeout = "60s"
[[route]]
name = "r"
service = "s"
path = { prefix = "/" }
"""
QUEUE = "[queue]\nservers = {servers}\ndepth = 4096\n"
HEAD = 'version = 1\ntitle = "t"\nwhat = "w"\nconfig = "c.toml"\nduration = "{duration}"\n'
CLIENT = """[[client]]
name = "{name}"
paths = [{{ path = "/" }}]
arrivals = {{ {arrivals} }}
{more}
"""
UPSTREAM = '[[upstream]]\nservice = "s"\ntime = {{ {time} }}\nconcurrent = {concurrent}\n{more}\n'
FAST = UPSTREAM.format(time='constant = "1ms"', concurrent=100_000, more="")


def run(folder: pathlib.Path, body: str, *, duration: str = "100s", seed: int = 1,
        config: str = CONFIG) -> Result:
    (folder / "c.toml").write_text(config)
    made = loads(HEAD.format(duration=duration) + body, name=str(folder / "s.toml"))
    return Simulation(made, seed=seed).run()


def client(arrivals: str, name: str = "a", more: str = "") -> str:
    return CLIENT.format(name=name, arrivals=arrivals, more=more)


# -- what is drawn --------------------------------------------------------------------------------
def test_tables_hold_the_quantiles_of_their_distributions() -> None:
    normal, exponential = statistics.NormalDist(), tables.exponential()
    lognormal = tables.lognormal(500_000)
    for i in range(0, tables.HALF, 61):
        p = float(tables.place(i))
        low, high = exponential[i] / tables.ONE, exponential[tables.HALF + i] / tables.ONE
        assert low == pytest.approx(-math.log1p(-p), abs=1e-9)
        assert high == pytest.approx(-math.log(p), abs=1e-9)
        z = normal.inv_cdf(p)
        assert lognormal[i] / tables.ONE == pytest.approx(math.exp(z / 2), rel=1e-6, abs=1e-9)
        assert lognormal[tables.HALF + i] / tables.ONE == pytest.approx(math.exp(-z / 2), rel=1e-8)
    with decimal.localcontext(tables.CONTEXT):
        assert tables.normal_quantile(decimal.Decimal("0.5")) == 0


def test_a_day_is_a_sine() -> None:
    for i, point in enumerate(tables.wave()):
        assert point / tables.ONE == pytest.approx((1 - math.cos(math.tau * i / 1024)) / 2,
                                                   abs=1e-9)


def test_the_loop_draws_what_the_reference_draws() -> None:
    ffi, lib, _ = _raw.load("tiny")
    table = ffi.new("uint64_t[]", tables.lognormal(800_000))
    time = ffi.new("ray_simulate_time *", {"table": table, "kind": 2, "low_ns": 20 * MS})
    stream = ffi.new("ray_simulate_stream *", {"word": tables.stream(7, "x")})
    reference = Stream(7, "x")
    for number in (0, 1, 2**63 - 1, 2**63, 2**64 - 1, 2**31, 2**62 + 12345):
        assert lib.ray_simulate_time_at(time, number) == (
            20 * MS * tables.quantile(tables.lognormal(800_000), number) >> 32)
    for _ in range(2000):
        number = reference.draw()
        assert lib.ray_simulate_draw(stream) == number
        assert lib.ray_simulate_time_at(time, number) == (
            20 * MS * tables.quantile(tables.lognormal(800_000), number) >> 32)


@pytest.mark.parametrize(("word", "mean", "deviation"), [
    ('constant = "20ms"', 20, 0), ('uniform = ["10ms", "30ms"]', 20, 20 / math.sqrt(12)),
    ('exponential = "20ms"', 20, 20),
    ('lognormal = "20ms", sigma = "50%"', 20 * math.exp(0.125), 13),
])
def test_service_times_have_their_mean(
    word: str, mean: float, deviation: float, tmp_path: pathlib.Path
) -> None:
    result = run(tmp_path, client('poisson = "200/s"')
                 + UPSTREAM.format(time=word, concurrent=100_000, more=""))
    n, found = result.total.number("ok"), result.total.number("mean_latency") / MS
    assert abs(found - mean) <= 5 * deviation / math.sqrt(n) + 0.001


# -- when requests come ----------------------------------------------------------------------------
@pytest.mark.parametrize(("arrivals", "expected", "spread"), [
    ('poisson = "50/s"', 5000, 5 * math.sqrt(5000)), ('uniform = "50/s"', 4999, 0),
    ('bursts = { size = 40, every = "10s" }', 400, 0),
    ('diurnal = { low = "10/s", high = "90/s", period = "20s" }', 5000, 5 * math.sqrt(5000)),
    ('diurnal = { low = "5/s", high = "5/s" }', 500, 5 * math.sqrt(500)),
])
def test_arrivals_are_as_many_as_they_say(
    arrivals: str, expected: int, spread: float, tmp_path: pathlib.Path
) -> None:
    result = run(tmp_path, client(arrivals) + FAST)
    assert abs(result.total.number("requests") - expected) <= spread


def test_a_day_has_a_quiet_and_a_busy_half(tmp_path: pathlib.Path) -> None:
    result = run(tmp_path, client('diurnal = { low = "10/s", high = "190/s", period = "100s" }')
                 + FAST)
    offered = [one.offered for one in result.timeline]
    quarter = len(offered) // 4
    busy = sum(offered[quarter : 3 * quarter])
    # (1/2 + 1/pi) of what is above the lowest rate comes in the middle half
    expected = 500 + 9000 * (0.5 + 1 / math.pi)
    assert abs(busy - expected) < 5 * math.sqrt(expected)


def test_a_closed_loop_has_one_request_of_each_client_at_a_time(tmp_path: pathlib.Path) -> None:
    loop = 'clients = { count = 10, think = { constant = "90ms" } }'
    result = run(tmp_path, client(loop) + UPSTREAM.format(
        time='constant = "10ms"', concurrent=100, more=""))
    assert result.total.number("requests") == pytest.approx(10 * 100 * 10, abs=20)
    assert result.held_max == 10


def test_another_rate_of_one_group_does_not_move_the_others(tmp_path: pathlib.Path) -> None:
    def offered(rate: str) -> Count:
        body = client('poisson = "20/s"') + client(f'poisson = "{rate}"', "b")
        result = run(tmp_path, body + FAST)
        return next(one for one in result.counts if (one.kind, one.name) == ("group", "a"))

    few, many = offered("5/s"), offered("300/s")
    assert few.numbers["requests"] == many.numbers["requests"] > 1000


def test_a_rate_changes_when_the_file_says(tmp_path: pathlib.Path) -> None:
    result = run(tmp_path, client('uniform = "10/s"') + FAST
                 + '[[event]]\nat = "50s"\nclient = "a"\nrate = "100/s"\n')
    assert result.total.number("requests") == pytest.approx(500 + 5000, abs=2)


# -- what clients do with a no ---------------------------------------------------------------------
LIMIT = CONFIG + '[[limit]]\nname = "l"\nscope = "service"\nservice = "s"\nrate = "1/10s"\n'


@pytest.mark.parametrize(("again", "tries", "served"), [
    ("", 3, 1),
    ('again = { how = "honour", tries = 3, longest = "1min" }', 5, 3),
    ('again = { how = "honour", tries = 9, longest = "5s" }', 3, 1),
    ('again = { how = "fixed", tries = 5, delay = "1s" }', 11, 1),
])
def test_a_client_waits_asks_again_or_gives_up(
    again: str, tries: int, served: int, tmp_path: pathlib.Path
) -> None:
    """Three ask at once of a limit of one in 10 s. Told 10 s, two wait so long; one is let in, one
    is told another 10 s."""
    body = client('bursts = { size = 3, every = "90s" }', more=f'{again}\nuntil = "50s"')
    result = run(tmp_path, body + FAST, config=LIMIT)
    numbers = result.total.numbers
    assert (numbers["offered"], numbers["ok"]) == (tries + (served == 3), served)
    assert numbers["requests"] == numbers["ok"] + numbers["gave_up"] == 3
    assert numbers["again"] == numbers["offered"] - 3


def test_impatient_clients_go_away(tmp_path: pathlib.Path) -> None:
    result = run(tmp_path, client('uniform = "1/s"', more='patience = "100ms"') + UPSTREAM.format(
        time='constant = "200ms"', concurrent=10, more=""))
    assert result.total.number("cancelled") == result.total.number("gave_up") == 99
    assert result.total.number("ok") == 0 and result.held == dict.fromkeys(result.held, 0)


# -- queueing theory -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("servers", "rate", "bound_ms"), [(1, 50, 2.0), (1, 80, 10.0), (4, 320, 2.0)])
def test_the_mean_wait_is_that_of_m_m_c(
    servers: int, rate: int, bound_ms: float, tmp_path: pathlib.Path
) -> None:
    """Service of 10 ms in the mean behind the gateway's own queue; Erlang's C formula. The bound
    is more than four deviations of the mean over 2000 s."""
    result = run(
        tmp_path, client(f'poisson = "{rate}/s"') + UPSTREAM.format(
            time='exponential = "10ms"', concurrent=servers, more=""),
        duration="2000s", config=CONFIG + QUEUE.format(servers=servers))
    load = rate / 100
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    waits = last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)
    expected_ms = waits / (servers * 100 - rate) * 1000
    found_ms = result.total.numbers["wait_ns_sum"] / result.total.number("requests") / MS
    assert abs(found_ms - expected_ms) < bound_ms * 0.4, (found_ms, expected_ms)
    share = result.total.number("queued") / result.total.number("requests")
    assert abs(share - waits) < 0.03


def test_the_instances_own_line_waits_as_long_as_the_gateways(tmp_path: pathlib.Path) -> None:
    result = run(tmp_path, client('poisson = "50/s"') + UPSTREAM.format(
        time='exponential = "10ms"', concurrent=1, more=""), duration="2000s")
    assert abs(result.total.number("mean_latency") / MS - 20) < 1.5  # 1 / (100 - 50)


# -- numbers ---------------------------------------------------------------------------------------
def test_quantiles_are_of_the_nearest_rank() -> None:
    assert quantile({}, 500_000) == 0
    assert quantile({1: 1, 2: 1, 3: 1}, 500_000) == 2
    assert quantile({1: 99, 50: 1}, 990_000) == 1
    assert quantile({1: 98, 50: 2}, 990_000) == 50
    ffi, lib, _ = _raw.load("tiny")
    lows = [lib.ray_simulate_bucket_low(i) for i in range(lib.RAY_SIMULATE_FINE)]
    assert lows == sorted(set(lows)) and lows[:64] == list(range(64))


def test_a_run_is_its_file_and_its_seed(tmp_path: pathlib.Path) -> None:
    body = client('poisson = "100/s"') + UPSTREAM.format(
        time='exponential = "30ms"', concurrent=4, more='errors = "5%"')
    first, again, other = (run(tmp_path, body, seed=seed) for seed in (3, 3, 4))
    assert first.digests == again.digests and first.counts == again.counts
    assert first.digests.decision != other.digests.decision


def test_it_runs_again_and_says_the_same(tmp_path: pathlib.Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG)
    made = Simulation(loads(HEAD.format(duration="10s") + client('poisson = "50/s"') + FAST,
                            name=str(tmp_path / "s.toml")))
    assert made.run().digests == made.run().digests


def test_a_year_without_requests_costs_nothing(tmp_path: pathlib.Path) -> None:
    result = run(tmp_path, client('uniform = "1/30d"') + FAST, duration="3650d")
    assert result.total.number("ok") == 121 and result.rows < 250


# -- the end ---------------------------------------------------------------------------------------
def test_stopping_ends_in_order(tmp_path: pathlib.Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG)
    made = loads(HEAD.format(duration="10000s") + client(
        'poisson = "100/s"', more='again = { how = "fixed", delay = "1h", tries = 9 }')
        + UPSTREAM.format(time='exponential = "30ms"', concurrent=4, more='errors = "5%"'),
        name=str(tmp_path / "s.toml"))
    asked = iter([False, False, True])
    result = Simulation(made, stopping=lambda: next(asked, True)).run()
    assert result.interrupted and not result.holds
    assert 0 < result.total.number("requests") < 500_000
    assert result.lost == 0 and not any(result.held.values())
    assert result.total.number("requests") == (
        result.total.number("ok") + result.total.number("gave_up"))


def test_a_console_line_that_fails_is_named(tmp_path: pathlib.Path) -> None:
    body = client('poisson = "1/s"') + FAST + '[[event]]\nat = "1s"\nline = "quota reset none"\n'
    with pytest.raises(RaygateError, match='"quota reset none" failed'):
        run(tmp_path, body)


def test_a_word_that_is_no_scenario_is_told_so() -> None:
    with pytest.raises(UnknownError, match='did you mean "retry-storm"'):
        Simulation("retry-strom")
    with pytest.raises(ValueError, match="a seed is"):
        Simulation("boundary-burst", seed=-1)


# -- a log's requests ------------------------------------------------------------------------------
def test_a_log_asks_at_its_own_times(tmp_path: pathlib.Path) -> None:
    lines = [f"{1_000_000 + i * i % 97 + i * 3}.5\t10.0.0.{i % 9}\tGET /x/{i} HTTP/1.1\t200\t{i}\n"
             for i in range(3000)]
    (tmp_path / "a.tsv").write_text("time\tip\trequest\tstatus\tbytes\n" + "".join(sorted(lines)))
    log = '[[client]]\nname = "l"\narrivals = {{ log = {{ file = "a.tsv", speed = {} }} }}\n'
    one = run(tmp_path, log.format(1) + FAST, duration="3h")
    assert one.total.number("requests") == one.total.number("ok") == 3000
    assert one.total.number("response_bytes") == sum(range(3000))
    span = sorted(int(line.partition(".")[0]) for line in lines)
    assert one.end_ns - one.start_ns == (span[-1] - span[0]) * S + MS
    ten = run(tmp_path, log.format(10) + FAST, duration="3h")
    assert ten.end_ns - ten.start_ns == (span[-1] - span[0]) * S // 10 + MS
    half = run(tmp_path, log.format(1) + FAST, duration="1000s")
    assert half.total.number("requests") == sum(at - span[0] < 1000 for at in span)


def test_two_logs_and_a_group_ask_together(tmp_path: pathlib.Path) -> None:
    for name, count in (("a", 500), ("b", 700)):
        rows = "".join(f"{1_000_000 + i}\t10.0.0.1\tGET / HTTP/1.1\t200\t5\n" for i in range(count))
        (tmp_path / f"{name}.tsv").write_text("time\tip\trequest\tstatus\tbytes\n" + rows)
    log = '[[client]]\nname = "{0}"\narrivals = {{ log = {{ file = "{0}.tsv" }} }}\n'
    result = run(tmp_path, log.format("a") + log.format("b") + client('uniform = "1/s"', "c")
                 + FAST, duration="1000s")
    assert [one.numbers["ok"] for one in result.counts if one.kind == "group"] == [500, 700, 999]
