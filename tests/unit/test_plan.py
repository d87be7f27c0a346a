# SPDX-License-Identifier: MIT
"""plan: rows are paired or counted, budgets are exact, files are compared by name, and what is told
is what happened."""

import io
import json

import pytest

from host_sim.config import loads
from host_sim.plan import plan, structure
from host_sim.plan.budget import BudgetError, money, parse
from host_sim.plan.document import headline
from host_sim.plan.logs import Logs
from host_sim.plan.run import Runner
from host_sim.replay.engine import Options
from host_sim.replay.mapping import parse_maps
from host_sim.replay.program import FormatError
from tests.data import ROOT, data
from tests.planning import LONG, MAPS, NEW, OLD, both, log_of, separate_flips, written_flips

S = 1_000_000_000
OPTIONS = Options(maps=parse_maps(MAPS))


def planned(tmp_path, rows, old=OLD, new=NEW, **named):
    """A plan of rows, and its flips as objects."""
    (tmp_path / "a.csv").write_bytes(log_of(rows))
    sink = io.BytesIO()
    sides = [loads(side, profile="tiny") for side in (old, new)]
    told = plan(*sides, tmp_path / "a.csv", profile="tiny", options=OPTIONS, flips=sink, **named)
    return told, [json.loads(line) for line in sink.getvalue().splitlines()]


# -- pairing --------------------------------------------------------------------------------------
def test_a_row_of_one_side_only_is_counted_and_never_paired_with_another(tmp_path):
    rows = [(1, "10.0.0.1", "/a", 0, LONG), (2, "10.0.0.2", "/a", 0, "ben"),
            (2, "10.0.0.2", "/a", 0, LONG), (2, "10.0.0.2", "/a", 0, "ben")]
    told, flips = planned(tmp_path, rows)
    assert (told.requests, told.only, told.only_line) == (2, (2, 0), (2, 0))
    assert [(flip["line"], flip["change"]) for flip in flips] == []  # old denies line 5 too
    assert "2 rows became a request by the old file only, the first on line 2" in " ".join(
        told.report().trust)


def test_the_third_of_an_instant_is_denied_by_both_and_the_second_by_the_new_one(tmp_path):
    told, flips = planned(tmp_path, [(1, "10.0.0.1", "/a", 0, "ann")] * 3)
    assert (told.newly_denied, told.newly_allowed, told.other) == (1, 0, 0)
    assert flips == [{
        "line": 3, "t_ns": S, "change": "newly-denied", "tenant": "near", "service": "web",
        "route": "all", "client": "10.0.0.1", "user": "10.0.0.1",
        "old": {"seq": 2, "verdict": "allow", "reason": "ok", "by": None, "retry_after_ns": None},
        "new": {"seq": 2, "verdict": "deny", "reason": "rate-limited", "by": "per-client",
                "retry_after_ns": S}}]
    assert told.verdicts == {"allow": {"allow": 1, "deny": 1}, "deny": {"deny": 1}}


def test_who_is_hurt_is_told_with_shares_of_their_own_requests(tmp_path):
    rows = [(n, "10.0.0.1", "/a", 0, "ann") for n in range(4)]
    rows += [(4, "8.8.8.8", "/api/x", 0, "ben")] * 2
    told, _ = planned(tmp_path, rows)
    groups = {(group.name, group.requests, group.newly_denied) for group in told.tenants}
    assert groups == {("far", 2, 1), ("near", 4, 0)}
    assert [(one.name, one.requests, one.newly_denied, one.first_ns)
            for one in told.clients_denied] == [("8.8.8.8", 2, 1, 4 * S)]
    assert headline(told) == (
        "Of 6 requests 1 (16.7 %) would be decided otherwise: 1 newly denied; worst hit is tenant "
        "far (1), most by limit per-client (1).")


def test_the_first_victim_is_explained_by_the_state_just_before_it(tmp_path):
    rows = [(1, "10.0.0.1", "/a", 0, "ann"), (5, "10.0.0.1", "/a", 0, "ann"),
            (5, "10.0.0.1", "/b", 0, "ann"), (5, "10.0.0.1", "/c", 0, "ann")]
    told, _ = planned(tmp_path, rows)
    victim, = told.victims
    assert (victim.line, victim.at_ns, victim.client, victim.rule) == (
        4, 5 * S, "10.0.0.1", "limit per-client")
    assert victim.text == "5,10.0.0.1,/b,0,ann"
    assert "per-client: 1 left before, 0 after" in victim.old
    assert "NO  per-client: 0 left before" in victim.new
    assert victim.old.rstrip().endswith("verdict     allow (200), ok")


def test_two_threads_and_one_say_the_same(tmp_path):
    rows = [(n * 7 % 400 / 4, f"10.0.0.{n % 7}", "/api" if n % 3 else "/a", n % 90, "ann")
            for n in range(3000)]
    (tmp_path / "a.csv").write_bytes(log_of(rows))
    told = []
    for threads in (1, 2):
        with Logs(tmp_path / "a.csv") as log:
            told.append(Runner(*both(), log, OPTIONS, "tiny", threads=threads).run())
    first, second = (one.as_json() for one in told)
    for one in (first, second):
        for side in ("old", "new"):
            del one[side]["elapsed_ns"]
    assert first == second
    assert first["changed"] > 0


def test_both_sides_stop_behind_the_same_row(tmp_path):
    rows = [(n // 3, f"10.0.{n % 5}.{n % 7}", "/a", 5, "ann") for n in range(60_000)]
    (tmp_path / "a.csv").write_bytes(log_of(rows))
    asked = iter([False] * 6)
    with Logs(tmp_path / "a.csv") as log:
        told = Runner(*both(), log, OPTIONS, "tiny", stopping=lambda: next(asked, True)).run()
    assert 0 < told.requests < 60_000
    assert told.old.requests == told.new.requests == told.requests
    assert (told.incomplete, told.exit_code) == (True, 1)
    assert told.old.not_replayed > 0


def test_nothing_to_compare_is_an_error(tmp_path):
    with pytest.raises(FormatError, match="nothing to compare"):
        planned(tmp_path, [])
    with pytest.raises(FormatError, match="nothing to compare"):
        planned(tmp_path, [(1, "10.0.0.1", "/a", 0, LONG)])


def test_a_price_alone_is_a_change_and_a_renamed_limit_is_none(tmp_path):
    rows = [(1, "10.0.0.1", "/a", 0, "ann")] * 4
    told, _ = planned(tmp_path, rows, new=OLD.replace('"0.10"', '"0.15"'))
    assert (told.changed, told.changes, told.exit_code) == (0, True, 1)
    assert [(bill.tenant, bill.old_nano, bill.new_nano) for bill in told.bills] == [
        ("near", 200_000_000, 300_000_000)]
    assert headline(told) == ("Of 4 requests none would be decided otherwise, "
                              "but the bill changes by +0.10.")
    told, _ = planned(tmp_path, rows, new=OLD.replace('"per-client"', '"per-address"'))
    assert (told.changed, told.changes, told.exit_code) == (0, False, 0)
    tables = {section.title: section for section in told.report().sections}
    assert tables["Same verdict by another rule"].rows == (
        ("limit per-client", "limit per-address", "denied", 2, 0),)


def test_a_longer_queue_is_an_outcome(tmp_path):
    rows = [(1, f"10.0.0.{n}", "/api/x", 500, "ann") for n in range(8)]
    told, _ = planned(tmp_path, rows, new=OLD.replace("depth = 3", "depth = 8"))
    tables = {section.title: section for section in told.report().sections}
    assert told.newly_allowed == 4
    assert ("waited in a queue", 3, 7, 4) in tables["Outcomes"].rows
    assert [row[:3] for row in tables["Queues, by class"].rows] == [("normal", 3, 7)]


@pytest.mark.parametrize(("files", "log", "maps"), [
    (("web-small.toml", "web.toml"), "web_day_1995.tsv.gz", ()),
    (("cloud.toml", None), "cloud_api_calls_2023.jsonl.gz", (
        "time=time,ip=source_ip,user=principal,service=service,bytes=response_bytes",)),
])
def test_on_real_logs_the_flips_are_those_of_two_separate_replays(files, log, maps):
    path, sink = str(data("access-logs", log)), io.BytesIO()
    options = Options(maps=parse_maps(maps))
    texts = [(ROOT / "examples" / (name or files[0])).read_text() for name in files]
    if files[1] is None:
        texts[1] = texts[1].replace('rate = "4/s"', 'rate = "2/s"').replace("= 250", "= 400")
    old, new = map(loads, texts)
    told = plan(old, new, path, options=options, flips=sink)
    expected = separate_flips(old, new, path, options, "seed")
    assert written_flips(sink.getvalue()) == expected
    assert told.changed == len(expected) > 100
    assert told.only == (0, 0)


def test_several_logs_are_one_traffic(tmp_path):
    rows = [(n // 4, f"10.0.0.{n % 3}", "/a" if n % 2 else "/api", n % 50, "ann")
            for n in range(400)]
    paths = [str(tmp_path / name) for name in ("a.csv", "b.csv", "c.csv")]
    for place, path in enumerate(paths):
        (tmp_path / path).write_bytes(log_of(rows[place::3]))
    sink = io.BytesIO()
    told = plan(*both(), *paths, profile="tiny", options=OPTIONS, flips=sink)
    flips = written_flips(sink.getvalue())
    assert flips == separate_flips(*both(), paths, OPTIONS)
    assert {source for source, _ in flips} == {0, 1, 2}
    assert (told.requests, told.only, list(told.log_sha256)) == (400, (0, 0), paths)
    texts = {tuple(map(str, row)) for row in rows}
    assert all(tuple(victim.text.split(",")) in texts for victim in told.victims)
    shown = [row[-1] for section in told.report().sections for row in getattr(section, "rows", ())
             if section.title.startswith("Newly denied")]
    assert all(str(line).rpartition(":")[0] in paths for line in shown)


# -- budgets --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("text", "found", "whole", "kept"), [
    ("newly-denied<=100", 100, 1000, True),
    ("newly-denied<=100", 101, 1000, False),
    ("newly-denied<=0", 0, 0, True),
    ("newly-denied<=0.1%", 1, 1000, True),
    ("newly-denied<=0.1%", 1, 999, False),
    ("newly-denied<=0.1%", 2, 2000, True),
    ("newly-denied<=0.1%", 2, 1999, False),
    ("newly-denied<=33.333333333%", 1, 3, False),
    ("newly-denied<=33.333333334%", 1, 3, True),
    ("tenant:acme newly-allowed <= 5", 5, 9, True),
    ("bill<=+5%", 50, 1000, True),
    ("bill<=+5%", 51, 1000, False),
    ("bill<=+5%", 1, 0, False),
    ("bill<=-5%", -50, 1000, True),
    ("bill<=-5%", -49, 1000, False),
    ("tenant:acme bill<=+10.00", 10 * S, 0, True),
    ("tenant:acme bill<=10.00", 10 * S + 1, 0, False),
    ("bill<=0.000000001", 1, 0, True),
    ("bill<=0.000000001", 2, 0, False),
])
def test_budgets_are_exact(text, found, whole, kept):
    assert parse(text).keeps(found, whole) is kept


@pytest.mark.parametrize(("text", "why"), [
    ("newly-denied", "is not [SUBJECT ]MEASURE<=BOUND"),
    ("newly-denied<=", "is not [SUBJECT ]MEASURE<=BOUND"),
    ("newly-denied<=0.1 percent", "is not [SUBJECT ]MEASURE<=BOUND"),
    ("newly-denied>=5", "is not [SUBJECT ]MEASURE<=BOUND"),
    ("newly-denid<=5", "did you mean 'newly-denied'?"),
    ("tenat:acme newly-denied<=5", "did you mean 'tenant'?"),
    ("service:web bill<=+5%", "a bill is a tenant's"),
    ("newly-denied<=-5", "a whole number or a percentage"),
    ("newly-denied<=1.5", "a whole number or a percentage"),
    ("bill<=0.0000000001", "is not"),
])
def test_a_budget_that_cannot_be_meant_says_what_one_looks_like(text, why):
    with pytest.raises(BudgetError) as caught:
        parse(text)
    assert why in str(caught.value)


def test_budgets_are_of_their_subject(tmp_path):
    rows = [(1, "10.0.0.1", "/a", 0, "ann")] * 2 + [(1, "8.8.8.8", "/api/x", 0, "ben")]
    told, _ = planned(tmp_path, rows, budgets=[
        "newly-denied<=0", "tenant:near newly-denied<=50%", "tenant:near newly-denied<=49.9%",
        "plan:gold newly-denied<=1", "plan:free newly-denied<=0", "service:api changed<=0",
        "route:all changed<=0", "tenant:far bill<=0", "tenant:near bill<=-0.079"])
    assert [verdict.kept for verdict in told.budgets] == [
        False, True, False, True, True, True, False, True, True]
    assert [(v.found, v.whole) for v in told.budgets[:2]] == [(1, 3), (1, 2)]
    assert told.exit_code == 1
    told, _ = planned(tmp_path, rows, budgets=["newly-denied<=1"])
    assert (told.changes, told.exit_code) == (True, 0)


def test_a_budget_that_cannot_be_judged_is_not_kept(tmp_path):
    far = [(1, "8.8.8.8", "/a", 0, "ben")]
    asked = ["tenant:near newly-denied<=50%", "plan:gold changed<=9", "tenant:near bill<=+5%",
             "service:api changed<=0", "plan:free changed<=0", "bill<=+50%"]
    told, _ = planned(tmp_path, far, budgets=asked)
    assert [one.lack for one in told.budgets] == ["no traffic"] * 4 + ["", ""]
    assert [one.kept for one in told.budgets] == [False] * 4 + [True] * 2
    assert told.exit_code == 1
    assert not any(one.exceeded for one in told.budgets)
    free = [text.split("[cost.web]")[0] for text in (OLD, NEW)]
    told, _ = planned(tmp_path, far, *free, budgets=["bill<=+5%", "changed<=0"])
    assert [one.lack for one in told.budgets] == ["no price", ""]
    assert told.exit_code == 1
    assert [fact.value for fact in told.report().facts if fact.label == "budgets"] == [
        "1 kept, 1 no price"]


def test_a_budget_about_nobody_is_an_error_that_names_the_nearest(tmp_path):
    with pytest.raises(BudgetError, match="neither file has a tenant 'nera'; did you mean 'near'"):
        planned(tmp_path, [(1, "10.0.0.1", "/a", 0, "ann")], budgets=["tenant:nera changed<=0"])


@pytest.mark.parametrize(("nano", "text"), [
    (0, "+0.00"), (1_250_000_000, "+1.25"), (-40_000, "-0.00004"), (-S, "-1.00"),
    (1_234_567 * S + 1, "+1,234,567.000000001"),
])
def test_money_has_a_sign_and_no_zeros_at_its_end(nano, text):
    assert money(nano) == text


# -- files ----------------------------------------------------------------------------------------
def edits(old, new):
    return [edit.text() for edit in structure.compare(old.encode(), new.encode())]


@pytest.mark.parametrize(("old", "new", "told"), [
    ("version = 1\n", "version = 1\n# a comment\n", []),
    ('timezone = "+00:00"\n', "", ['timezone: "+00:00" -> (not said)']),
    ("[queue]\non_full = \"deny\"\n[queue.weights]\nhigh = 8\n",
     "[queue]\non_full = \"deny\"\n[queue.weights]\nhigh = 9\nlow = 1\n",
     ["queue: weights.high 8 -> 9", "queue: weights.low (not said) -> 1"]),
    ("[queue.service.a]\nservers = 1\n", "", ["queue: service.a.servers 1 -> (not said)"]),
    ("[service.a]\n[service.b]\n", "[service.b]\n[service.c]\n",
     ["service a: removed", "service c: added"]),
    ('[[limit]]\nname = "x"\nrate = "1/s"\nplan = { gold = { rate = "5/s" } }\n',
     '[[limit]]\nname = "x"\nplan = { gold = { rate = "9/s" } }\nrate = "1/s"\n',
     ['limit x: plan.gold.rate "5/s" -> "9/s"']),
    ('[[route]]\nname = "a"\n[[route]]\nname = "b"\n[[route]]\nname = "c"\n',
     '[[route]]\nname = "b"\n[[route]]\nname = "a"\n[[route]]\nname = "c"\n',
     ["route: another order, a, b -> b, a"]),
    ('[[identity]]\nwhen = { ip = "10.0.0.0/8" }\ntenant = "a"\n[[identity]]\nwhen = {}\n',
     '[[identity]]\nwhen = { ip = "10.0.0.0/8" }\ntenant = "b"\n[[identity]]\nwhen = {}\n',
     ['identity when { ip = "10.0.0.0/8" }: tenant "a" -> "b"']),
    ('[[policy]]\nname = "p"\nwhen = { method = ["GET", "PUT"] }\n',
     '[[policy]]\nname = "p"\nwhen = { method = ["GET"] }\n',
     ['policy p: when.method ["GET", "PUT"] -> ["GET"]']),
    ('[[test]]\nname = "t"\n', "", []),
    ("[[limit]]\nname = \"x\"\nmode = \"shadow\"\nexact = true\n",
     "[[limit]]\nname = \"x\"\nexact = false\n",
     ['limit x: mode "shadow" -> (not said)', "limit x: exact true -> false"]),
])
def test_files_are_compared_by_name(old, new, told):
    assert edits(old, new) == told


def test_what_was_removed_stands_where_it_was():
    assert structure.merged(["a", "b", "c", "d"], ["x", "a", "d", "y"]) == [
        "x", "a", "b", "c", "d", "y"]


# -- logs -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("text", "number", "line"), [
    (b"a\nb\r\nc", 1, b"a"), (b"a\nb\r\nc", 2, b"b"), (b"a\nb\r\nc", 3, b"c"), (b"a\n", 2, b""),
    (b"a\nb", 9, b""), (b"", 1, b""),
    (b"x\n" * 700_000 + b"here\n" + b"y\n" * 700_000, 700_001, b"here"),
])
def test_a_line_is_found_by_its_number(tmp_path, text, number, line):
    (tmp_path / "a.log").write_bytes(text)
    with Logs(tmp_path / "a.log") as log:
        assert log.line(number) == line.decode()


def test_whom_the_old_file_does_not_know_the_new_one_names(tmp_path):
    nobody = OLD[: OLD.index("[[identity]]")] + OLD[OLD.index("[[limit]]") :]
    told, flips = planned(tmp_path, [(1, "10.0.0.1", "/a", 0, "ann")] * 2, old=nobody,
                          budgets=["tenant:near newly-denied<=0"])
    assert [(group.name, group.requests, group.newly_denied) for group in told.tenants] == [
        ("near", 2, 1)]
    assert [(flip["tenant"], flip["user"]) for flip in flips] == [("near", "ann")]
    assert [(one.name, one.newly_denied) for one in told.users_denied] == [("ann", 1)]
    assert not told.budgets[0].kept
