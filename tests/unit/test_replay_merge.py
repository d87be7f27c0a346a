# SPDX-License-Identifier: MIT
"""replay: several logs are one by time, coarse clocks may be spread, and what cannot be believed is
said."""

import gzip
import io
import json

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim.commands.replay import command
from host_sim.replay.engine import Options, Replay
from host_sim.replay.program import FormatError
from host_sim.replay.source import from_bytes
from tests.data import data
from tests.products import GOLDEN
from tests.replaying import CONFIG, S, config_of, log_of

RULES = config_of()


def replayed(*texts, config=RULES, **options):
    """The summary of logs replayed together, and their decisions."""
    sink = io.BytesIO()
    sources = [from_bytes(text, f"log {n}") for n, text in enumerate(texts)]
    with Replay(config, sources, options=Options(**options), decisions=sink) as run:
        summary = run.run_host()
        assert run.kernel.valid() == 0
    return summary, [json.loads(line) for line in sink.getvalue().splitlines()]


def digests(summary):
    return summary.decision_digest, summary.state_digest, summary.book_digest


# -- several logs ----------------------------------------------------------------------------------

LOGS = st.lists(st.lists(st.tuples(
    st.integers(0, 40), st.sampled_from(["10.0.0.1", "10.0.0.2", "x"])), max_size=25),
    min_size=1, max_size=6)


@settings(max_examples=30, deadline=None)
@given(LOGS, st.sampled_from(["sort", "clamp"]))
def test_logs_together_are_one_log_in_time_order(logs, order):
    logs = [[(0, "first"), *rows] for rows in logs]
    if order == "clamp":                    # each is put in order on its own, before the merge
        for rows in logs:
            highest = 0
            for place, (at, ip) in enumerate(rows):
                highest = max(highest, at)
                rows[place] = (highest, ip)
    whole = [(at, source, place, ip) for source, rows in enumerate(logs)
             for place, (at, ip) in enumerate(rows)]
    together, _ = replayed(*(log_of(*rows) for rows in logs), order=order)
    alone, _ = replayed(log_of(*((at, ip) for at, _, _, ip in sorted(whole))))
    assert digests(together) == digests(alone)
    assert together.lines.line_count == len(whole)


def test_each_log_has_its_own_format_and_may_be_packed():
    combined = b'10.0.0.7 - - [17/May/2015:10:05:04 +0000] "GET /a HTTP/1.1" 200 5 "-" "-"\n'
    table = b"time,ip\n1431857103,10.0.0.7\n1431857105,10.0.0.7\n"
    summary, decisions = replayed(gzip.compress(combined), table)
    assert [d["t_ns"] for d in decisions] == [1431857103 * S + n * S for n in range(3)]
    assert (summary.form, summary.log) == ("combined, CSV", "log 0, log 1")
    assert summary.lines.line_count == 3


def test_a_rotated_set_in_any_order_is_the_log_it_was():
    rows = [(1000 + n // 3, f"10.0.0.{n % 5}") for n in range(900)]
    whole, _ = replayed(log_of(*rows))
    parts = [log_of(*rows[at : at + 300]) for at in (0, 300, 600)]
    for order in ((0, 1, 2), (2, 0, 1)):
        assert digests(replayed(*(parts[n] for n in order))[0]) == digests(whole)


def test_logs_share_the_window():
    """9000 rows late fits a window of 16384, but not the 4096 of it that each of four logs has."""
    late = [(5000 + n, "10.0.0.1") for n in range(9000)] + [(1, "10.0.0.2")]
    alone, _ = replayed(log_of(*late), window=16384)
    together, _ = replayed(log_of(*late), *[log_of((1, "x"))] * 3, window=16384)
    assert (alone.late, together.late) == (0, 1)


def test_an_empty_or_unknown_log_among_others_is_named():
    with pytest.raises(FormatError, match="^log 1: the log is empty"):
        replayed(log_of((1, "x")), b"")
    with pytest.raises(FormatError, match="1 to 256 logs, not 257"):
        replayed(*[log_of((1, "x"))] * 257)


def test_each_log_is_told_apart_on_the_page():
    summary, _ = replayed(log_of((1, "x"), (2, "y")), b"time,ip\n1,x\nnever,y\n")
    page = summary.text()
    for said in ("Read 4 lines as CSV", "              2  log 0, CSV\n",
                 "    log 1 line 3: no time that can be read: never,y"):
        assert said in page, page
    assert [(log.lines, log.rows, log.unparsable) for log in summary.logs] == [(2, 2, 0), (2, 1, 1)]


def test_many_logs_at_once():
    logs = [log_of(*((n + 200 * k, f"10.0.0.{n % 9}") for k in range(20))) for n in range(200)]
    rows = sorted((n + 200 * k, n, f"10.0.0.{n % 9}") for k in range(20) for n in range(200))
    assert digests(replayed(*logs)[0]) == digests(
        replayed(log_of(*((at, ip) for at, _, ip in rows)))[0])


@pytest.mark.parametrize("steps", [1, 4])
def test_stopping_counts_what_every_log_had_read(steps):
    asked = iter(range(100))
    logs = [from_bytes(log_of(*((n, "x") for n in range(3000)))) for _ in range(3)]
    with Replay(RULES, logs, stopping=lambda: next(asked) >= steps) as run:
        summary = run.run_host()
    assert summary.interrupted
    assert summary.requests + summary.not_replayed == summary.lines.row_count


# -- spread ----------------------------------------------------------------------------------------

SECONDS = st.lists(st.integers(1000, 1030), min_size=1, max_size=80)


@settings(max_examples=30, deadline=None)
@given(SECONDS, st.sampled_from(["even", "poisson"]), st.integers(0, 2**64 - 1))
def test_a_spread_keeps_the_second_and_the_order(seconds, spread, seed):
    log = log_of(*((at, f"10.0.0.{n % 250}") for n, at in enumerate(seconds)))
    _, before = replayed(log)
    summary, after = replayed(log, spread=spread, spread_seed=seed)
    times = [d["t_ns"] for d in after]
    assert times == sorted(times)
    assert [t // S for t in times] == [d["t_ns"] // S for d in before]
    assert (summary.trust.spread, summary.trust.spread_rows) == (spread, len(seconds))
    again, _ = replayed(log, spread=spread, spread_seed=seed)
    assert digests(again) == digests(summary)
    if spread == "even":
        for second in set(seconds):
            n = seconds.count(second)
            assert [t - second * S for t in times if t // S == second] == [
                k * S // n for k in range(n)]


def test_poisson_times_are_uniform_and_of_their_seed():
    log = log_of(*((1000 + n // 500, "10.0.0.1") for n in range(50_000)))
    times = {}
    for seed in (0, 1):
        _, decisions = replayed(log, spread="poisson", spread_seed=seed)
        times[seed] = [d["t_ns"] % S for d in decisions]
        tenths = [sum(k * S // 10 <= t < (k + 1) * S // 10 for t in times[seed]) for k in range(10)]
        # 5000 expected in each tenth; six standard deviations of a binomial are 402.
        assert all(4_598 < count < 5_402 for count in tenths), tenths
    assert times[0] != times[1]


def test_a_spread_leaves_a_finer_clock_alone():
    log = b"time,ip\n" + b"".join(b"%d.%03d,10.0.0.1\n" % (1000 + n, n % 9) for n in range(300))
    plain, before = replayed(log)
    summary, after = replayed(log, spread="even")
    assert digests(plain) == digests(summary)
    assert [d["t_ns"] for d in before] == [d["t_ns"] for d in after]


def test_more_rows_in_a_second_than_are_held_are_spread_in_parts():
    log = b"time\n" + b"1000\n" * 300_000
    summary, _ = replayed(log, spread="even")
    assert (summary.trust.spread_rows, summary.requests) == (300_000, 300_000)
    assert (summary.first_ns // S, summary.last_ns // S) == (1000, 1000)
    assert (summary.trust.shared, summary.trust.instant_max) == (300_000, 300_000)


def test_each_log_is_spread_by_its_own_clock():
    coarse, fine = log_of((1000, "a"), (1000, "b")), b"time,ip\n1000.25,c\n1000.251,d\n"
    _, decisions = replayed(coarse, fine, spread="even")
    assert [d["t_ns"] - 1000 * S for d in decisions] == [0, S // 4, 251 * S // 1000, S // 2]


# -- trust -----------------------------------------------------------------------------------------

LOOKS = CONFIG + """
[tenant.acme]
[[policy]]
name = "gold"
when = { header = { X-Plan = "gold" } }
action = "allow"
[[limit]]
name = "per-user"
scope = "user"
algorithm = "token_bucket"
rate = "9/s"
[[quota]]
name = "bytes"
tenant = "acme"
type = "bytes"
limit = "1GB"
window = "1d"
"""


def test_what_the_configuration_looks_at_and_the_log_lacks_is_said():
    config = config_of(LOOKS)
    summary, _ = replayed(b"time,tenant,service\n1000,nobody,web\n1000,acme,shop\n1000,,\n",
                          config=config)
    trust = summary.trust
    assert trust.missing == ("header X-Plan", "ip", "user", "bytes", "duration")
    assert (trust.shared, trust.instant_max, trust.resolution_ns) == (3, 3, S)
    assert (trust.unknown_services, trust.unknown_tenants) == (("shop",), ("nobody",))
    page = summary.text()
    for said in ("Times are whole seconds: 3 rows (100.0 %) share theirs, at most 3 at once",
                 "see --spread", "the header X-Plan: rules see it absent",
                 "does not have durations", "a service the configuration does not have (shop)",
                 "a tenant the configuration does not have (nobody)"):
        assert said in page, page
    assert summary.as_json()["trust"]["missing"] == trust.missing
    full = b"time,ip,user,bytes,duration,X-Plan,path\n1000.5,10.0.0.1,ada,1,1,gold,/\n"
    assert replayed(full, config=config, maps=_maps("header:X-Plan=X-Plan"))[0].trust.missing == ()


def _maps(text):
    from host_sim.replay.mapping import parse_maps

    return parse_maps((text,))


def test_what_was_throttled_then_is_said_now():
    summary, _ = replayed(b"time,ip,status,duration\n1,10.0.0.1,429,1\n2,db,503,\n3,10.0.0.1,200,1")
    assert (summary.trust.throttled, summary.trust.failed, summary.trust.durations) == (1, 1, 2)
    page = summary.text()
    for said in ("1 request (33.3 %) throttled when the log was written",
                 "1 request (33.3 %) failed (5xx)", "1 row has no duration",
                 "1 row gives its client by name, not by address"):
        assert said in page, page


def test_the_calls_a_cloud_throttled_are_counted():
    path = data("access-logs", "cloud_api_calls_2023.jsonl.gz")
    summary, _ = replayed(path.read_bytes())
    assert (summary.trust.throttled, summary.trust.instant_max) == (102, 110)


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """Calls `raygate replay` with a configuration and files of these contents."""
    (tmp_path / "c.toml").write_text(CONFIG)

    def call(*arguments, **files):
        paths = []
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
            paths.append(str(tmp_path / name))
        return CliRunner().invoke(command, [str(tmp_path / "c.toml"), *paths, *arguments])

    return call


def test_the_command_merges_logs_and_spreads(run):
    done = run("--json", "--spread", "poisson", "--spread-seed", "7",
               a=log_of((3, "x"), (3, "y")), b=log_of((1, "x"), (4, "y")))
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["requests"], told["trust"]["spread"], told["trust"]["spread_seed"]) == (
        4, "poisson", 7)
    assert told["log"].endswith("b") and told["first_ns"] // S == 1


@pytest.mark.parametrize("name", GOLDEN)
def test_every_products_log_is_replayed_without_a_flag(run, name):
    head, line, label, _ = GOLDEN[name]
    done = run("--top", "0", log=head + line + b"\n")
    assert done.exit_code == 0, done.output
    assert f"Read 1 line as {label}" in done.output
    assert "1 request ran for the time the log says" in done.output


@pytest.mark.parametrize(("arguments", "why"), [
    (("-", "-"), "standard input can be read once"), (("--spread", "odd"), "odd"),
    ((), "Missing argument 'LOG...'"), (("/no/such.log",), "/no/such.log: No such file"),
])
def test_wrong_usage_says_so(run, arguments, why):
    done = run(*arguments)
    assert done.exit_code == 2
    assert why in done.output
