# SPDX-License-Identifier: MIT
"""A replay's report: who was hurt first, what its numbers are, and the page the command writes."""
import dataclasses
import hashlib
import io
import json
import re

import pytest
from click.testing import CliRunner

from host_sim import config
from host_sim.cli import main
from host_sim.replay.engine import Options, Replay
from host_sim.replay.report import headline, report
from host_sim.replay.source import from_bytes
from host_sim.report import terminal
from host_sim.report.model import Chart, Table, Unit
from tests.data import ROOT
from tests.replaying import CONFIG, busy_log, config_of, log_of

pytest.importorskip("bokeh", reason="pip install 'raygate[report]'")
SHADOW = CONFIG + """
[[limit]]
name = "total"
scope = "service"
service = "web"
algorithm = "token_bucket"
rate = "1/min"
burst = 40
mode = "shadow"
[tenant.odd]
plan = "plain"
[[identity]]
when = { ip = "10.0.0.1/32" }
tenant = "odd"
user = "ip"
"""


def replayed(text, log, **options):
    sink = io.BytesIO()
    with Replay(config_of(text), from_bytes(log), options=Options(**options),
                decisions=sink) as run:
        summary = run.run_host()
    return summary, [json.loads(line) for line in sink.getvalue().splitlines()]


def found(document, title):
    return next(section for section in document.sections if section.title == title)


def test_first_denials_are_those_of_the_decisions():
    rows = [(1000 + n / 50, f"10.0.0.{n * n % 13}") for n in range(400)]
    who = {int(at * 1000) * 1_000_000: ip for at, ip in rows}
    s, decisions = replayed(SHADOW, log_of(*rows), top=1000)
    clients, rules, would, tenants = {}, {}, {}, {}
    for one in decisions:
        first = (one["t_ns"], one["seq"])
        if one["verdict"] == "deny":
            ip = who[one["t_ns"]]
            clients.setdefault(ip, (*first, f"limit {one['by']}"))
            rules.setdefault(one["by"], first)
            tenants.setdefault("odd" if ip == "10.0.0.1" else "", first)
        for shadow in one["shadow"]:
            would.setdefault(shadow["by"], first)
    assert len(clients) > 3 and rules and would and len(tenants) == 2
    told = {key.name: (key.first.at_ns, key.first.seq, key.first.by) for key in s.hurt_clients}
    assert list(told.items()) == sorted(clients.items(), key=lambda one: one[1])
    assert s.hurt_client_count == len(clients)
    for key in s.clients:
        assert (key.first is None) == (key.denied == 0)
        assert key.first is None or told[key.name][1] == key.first.seq
    assert {r.name: (r.first.at_ns, r.first.seq) for r in s.rules if r.first} == rules
    assert {r.name: (r.first_would.at_ns, r.first_would.seq)
            for r in s.rules if r.first_would} == would
    assert {t.name: (t.first.at_ns, t.first.seq) for t in s.tenants} == tenants
    assert sum(t.requests for t in s.tenants) == s.requests
    assert sum(t.denied for t in s.tenants) == s.verdicts["deny"]


def test_only_so_many_are_named_as_hurt_first_and_the_rest_is_counted():
    rows = [(1000 + n / 50, f"10.0.0.{n * n % 13}") for n in range(400)]
    every = replayed(SHADOW, log_of(*rows), top=1000)[0]
    few = replayed(SHADOW, log_of(*rows), top=2)[0]
    assert few.hurt_clients == every.hurt_clients[:2]
    assert few.hurt_client_count == every.hurt_client_count
    table = found(report(few), "Clients hurt first")
    assert table.more == every.hurt_client_count - 2
    assert replayed(SHADOW, log_of(*rows), top=0)[0].hurt_clients == ()


def test_a_headline_is_a_sentence_a_stranger_understands():
    denied, _ = replayed(CONFIG, log_of(*[(n // 20, "10.0.0.1") for n in range(100)]))
    assert headline(denied) == ("94 requests of 100 (94.0 %) would have been denied, all by limit "
                                "per-client; client 10.0.0.1 was hurt first and most.")
    calm, _ = replayed(CONFIG, log_of((1, "10.0.0.1"), (90, "10.0.0.2")))
    assert headline(calm) == "All 2 requests would have been allowed."
    assert headline(replayed(CONFIG, b"time,ip,path\n")[0]) == "Nothing was replayed."
    shadowed, _ = replayed(SHADOW.replace('"1/s"', '"100/s"').replace("burst = 2\n",
                                                                      "burst = 500\n"),
                           log_of(*[(5, "10.0.0.1")] * 50))
    assert headline(shadowed) == ("All 50 requests would have been allowed; "
                                  "shadow rules would have denied 10 requests.")


def test_the_reports_numbers_are_the_summarys():
    s, _ = replayed(SHADOW, busy_log())
    document = report(s)
    chart = found(document, "Requests over time")
    assert isinstance(chart, Chart)
    sums = {series.name: sum(series.ys) for series in chart.series}
    assert sums == {"allowed": s.verdicts["allow"], "denied": s.verdicts["deny"]}
    assert [series.bad for series in chart.series] == [False, True]
    facts = {fact.label: fact.value for fact in document.facts}
    assert facts["requests"] == 3000 and facts["denied"] == s.verdicts["deny"]
    rules = found(document, "Rules that said no")
    assert isinstance(rules, Table) and [row[:2] for row in rules.rows] == [
        (f"{rule.kind} {rule.name}", rule.denied) for rule in s.rules]
    proof = dict(document.proof)
    assert (proof["configuration"], proof["decision digest"], proof["state digest"]) == (
        s.config_hash, s.decision_digest, s.state_digest)
    assert document == report(s)


def test_every_row_has_as_many_cells_as_columns_and_every_series_as_many_ys_as_xs():
    with Replay(config.load(ROOT / "examples/shop.toml"),
                from_bytes((ROOT / "examples/shop.csv").read_bytes())) as run:
        s = run.run_host()
    document = s.report()
    titles = [section.title for section in document.sections]
    for title in ("Requests over time", "Users hurt first", "Tenants", "Quota acme-budget",
                  "Quotas", "Waits by class", "Classes that waited", "Promises", "Charged so far",
                  "Bill by tenant", "Bill by service", "Alerts", "Policies", "Services"):
        assert title in titles
    for section in document.sections:
        if isinstance(section, Table):
            assert all(len(row) == len(section.columns) for row in section.rows)
        if isinstance(section, Chart):
            assert all(len(one.xs) == len(one.ys) for one in section.series)
    bill = {row[0]: row[1] for row in found(document, "Bill by tenant").rows}
    assert bill == {"acme": 281_965_462_021, "guest": 8_706_355}
    assert s.governed.charged_nano == found(document, "Charged so far").series[0].ys[-1]
    assert 0 <= s.governed.charged_nano - sum(bill.values()) < len(bill)
    kept = found(document, "Promises").columns[-1]
    assert kept.unit is Unit.PPM
    assert "auth-permission" in terminal.text(document, width=120)


def test_what_makes_the_result_less_than_true_is_said():
    s, _ = replayed(CONFIG, log_of((1, "10.0.0.1"), (2, "10.0.0.1")) + b"\nrubbish,,\n")
    said = " ".join(report(s).trust)
    assert "2 of 3 lines were read as CSV: 1 " in said and "more than 1 %" in said
    image = dataclasses.replace(s, engine="image", timeline=dataclasses.replace(
        s.timeline, samples=type(s.timeline.samples)()))
    assert "ran in the image" in " ".join(report(image).trust)
    throttled = "time,ip,path,status\n1,10.0.0.1,/a,429\n2,10.0.0.1,/a,200\n"
    told = report(replayed(CONFIG, throttled.encode())[0])
    assert any("throttled when the log was written" in line for line in told.trust)
    assert {fact.label: fact.value for fact in told.facts}["throttled in the log"] == 1


def test_the_pages_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/report.md").read_text(), re.S)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    known = {}
    exec(example, known)
    assert "would have been denied" in capsys.readouterr().out
    assert (tmp_path / "report.html").stat().st_size > 1_000_000
    assert known["first"].first.seq == 32 and sum(known["over_time"].requests) == 358


# -- the command -----------------------------------------------------------------------------------
@pytest.fixture
def files(tmp_path):
    (tmp_path / "c.toml").write_text(CONFIG)
    (tmp_path / "a.log").write_bytes(busy_log(300))
    return tmp_path


def run(files, *words):
    known = ("c.toml", "a.log", "page.html")
    words = [str(files / word) if word in known else word for word in words]
    return CliRunner().invoke(main, ["replay", *words])


def test_the_command_writes_the_page_and_prints_what_it_prints_without(files):
    plain = run(files, "c.toml", "a.log")
    got = run(files, "c.toml", "a.log", "--top", "3", "--html", "page.html")
    assert (plain.exit_code, got.exit_code) == (0, 0)
    page = (files / "page.html").read_text("ascii")
    assert hashlib.sha256(busy_log(300)).hexdigest() in page
    assert config_of().hash in page
    assert f"raygate replay {files / 'c.toml'} {files / 'a.log'} --top 3 --html" in page
    assert run(files, "c.toml", "a.log", "--top", "3", "--html", "page.html").exit_code == 0
    assert (files / "page.html").read_text("ascii") == page
    again = run(files, "c.toml", "a.log", "--html", "page.html").stdout
    assert again.splitlines()[:-1] == plain.stdout.splitlines()[:-1]


def test_the_report_may_stand_on_the_terminal(files):
    got = run(files, "c.toml", "a.log", "--report")
    assert got.exit_code == 0 and "How far to trust this" in got.stdout
    assert f"raygatereplay{files / 'c.toml'}{files / 'a.log'}--report" in "".join(
        got.stdout.split())
    assert run(files, "c.toml", "a.log", "--report", "--json").exit_code == 2


def test_a_page_that_cannot_be_written_is_said_before_the_work(files):
    for where, why in ((files / "nowhere" / "page.html", "No such file"), (files, "directory")):
        got = run(files, "c.toml", "a.log", "--html", str(where))
        assert got.exit_code == 2 and why in got.stderr and str(where) in got.stderr
        assert got.stdout == ""


def test_a_log_is_hashed_as_the_file_it_is(files):
    import gzip

    packed = gzip.compress(busy_log(300))
    (files / "a.log").write_bytes(packed)
    told = json.loads(run(files, "c.toml", "a.log", "--json").stdout)
    assert told["logs"][0]["sha256"] == hashlib.sha256(packed).hexdigest()
    assert told["logs"][0]["bytes"] == len(packed)
    assert sum(told["timeline"]["requests"]) == told["requests"] == 300
    assert all((client["first"] is None) == (client["denied"] == 0) for client in told["clients"])
