# SPDX-License-Identifier: MIT
"""quota at the console: what it says, what it changes, and how it answers a wrong word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim import config
from host_sim.kernel import Kernel

S = 1_000_000_000
START = 1_767_225_600 * S  # 2026-01-01
FILE = """version = 1
[tenant.acme]
plan = "gold"
[tenant.blue]
plan = "free"
[service.shop]
[[route]]
name = "shop"
service = "shop"
path = { prefix = "/" }
[[quota]]
name = "acme-day"
tenant = "acme"
limit = 3
window = "day"
alerts = ["80%", "100%"]
[[quota]]
name = "each-bytes"
type = "bytes"
limit = "1KiB"
window = "1h"
enforcement = "soft"
per_user = true
"""


@pytest.fixture
def kernel() -> Kernel:
    kernel = Kernel(config=config.loads(FILE))
    kernel.tick(START + S)
    return kernel


def said(kernel: Kernel, line: str) -> str:
    """The text of a command that succeeds."""
    answer = kernel.shell(line)
    assert answer.status == 0, answer.text
    return answer.text


def told(kernel: Kernel, line: str) -> Any:
    """The JSON of a reading command, which changes no byte."""
    before = kernel.digest()
    answer = kernel.shell(f"{line} --json")
    assert answer.status == 0 and kernel.digest() == before, answer.text
    return answer.json()


def spend(kernel: Kernel, n: int) -> None:
    for _ in range(n):
        kernel.admit("/a", exchange=True, tenant="acme", user="ada", response_bytes=500)


def test_reading_commands_say_the_same_in_text_and_json(kernel: Kernel) -> None:
    spend(kernel, 4)
    status = told(kernel, "quota status")
    assert (status["asked"], status["granted"], status["denied"], status["active"]) == (4, 3, 1, 2)
    assert "denied                             1\n" in said(kernel, "quota status")
    rows = told(kernel, "quota allocations")["allocations"]
    assert [(row["name"], row["limit_units"], row["window"]) for row in rows] == [
        ("acme-day", 3, "day"),
        ("each-bytes", 1024, "fixed"),
    ]
    usage = {row["name"]: row for row in told(kernel, "quota usage")["usage"]}
    assert (usage["acme-day"]["used_units"], usage["acme-day"]["left_units"]) == (3, 0)
    assert (usage["each-bytes"]["utilization_bp"], usage["each-bytes"]["over_units"]) == (
        14_648,
        476,
    )
    text = said(kernel, "quota usage")
    assert "146.48%" in text and "acme/" + usage["each-bytes"]["user_key"][:8] in text
    assert len(said(kernel, "quota usage acme-day").splitlines()) == 2
    shown = said(kernel, "quota show each-bytes --tenant=acme --user=ada")
    assert (
        "used            1500\n" in shown
        and "2026-01-01T00:00:00Z to 2026-01-01T01:00:00Z" in shown
    )
    assert told(kernel, "quota show each-bytes --tenant acme --user ada")["used_units"] == 1_500
    assert told(kernel, "quota show each-bytes --tenant blue --user ada")["used_units"] == 0


def test_alerts_are_listed_and_acknowledged(kernel: Kernel) -> None:
    assert said(kernel, "quota alerts") == "no alert waits\n"
    spend(kernel, 3)
    alerts = told(kernel, "quota alerts")["alerts"]
    assert [(alert["quota"], alert["percent"]) for alert in alerts] == [
        ("acme-day", 80),
        ("acme-day", 100),
        ("each-bytes", 0),
    ]
    assert "acme-day acme: 3 of 3, passed 100%" in said(kernel, "quota alerts")
    assert said(kernel, "quota ack 2") == "1 acknowledged\n"
    assert [alert["id"] for alert in told(kernel, "quota alerts")["alerts"]] == [1, 3]
    assert len(told(kernel, "quota alerts --all")["alerts"]) == 3
    said(kernel, "quota ack all")
    assert told(kernel, "quota alerts")["alerts"] == []
    assert kernel.shell("quota ack 99").status < 0


def test_test_asks_only_and_consume_charges_once_per_event(kernel: Kernel) -> None:
    assert told(kernel, "quota test acme-day 3")["granted"] is True
    assert told(kernel, "quota test acme-day 4")["reason"] == "quota-never"
    assert "acme-day: yes" in said(kernel, "quota consume acme-day 2 --event=9")
    assert "already counted" in said(kernel, "quota consume acme-day 2 --event=9")
    answer = told(kernel, "quota test acme-day 2")
    assert (answer["granted"], answer["left_units"]) == (False, 1)
    assert answer["retry_after_ns"] == 86_399 * S
    assert "retry after 23h59m59s" in said(kernel, "quota test acme-day 2")
    assert "over the limit" in said(kernel, "quota test each-bytes 2KiB --tenant=acme --user=ada")
    assert "--tenant is missing" in kernel.shell("quota test each-bytes").text


def test_allocate_set_reset_and_remove_work_and_are_audited(kernel: Kernel) -> None:
    said(
        kernel,
        "quota allocate bo 10 --tenant=blue --window=rolling:1h --rollover=0% --alerts=50%,90%",
    )
    said(kernel, "quota add sized 5MiB --type=bytes --plan=gold --anchor=31 --soft --per-user")
    said(
        kernel,
        "quota add daily 7 --window=day --anchor=9h --rollover=10% --shadow --guard-requests=5",
    )
    said(
        kernel,
        "quota add events 7 --type=custom:clicks --service=shop --window=60s --carry-overage",
    )
    rows = {row["name"]: row for row in told(kernel, "quota allocations")["allocations"]}
    assert (rows["bo"]["window"], rows["bo"]["period_ns"], rows["bo"]["alerts"]) == (
        "rolling",
        3_600 * S,
        [50, 90],
    )
    assert (rows["sized"]["limit_units"], rows["sized"]["anchor_day"]) == (5 << 20, 31)
    assert (rows["sized"]["enforcement"], rows["sized"]["per_user"]) == ("soft", True)
    assert (rows["daily"]["mode"], rows["daily"]["rollover_bp"]) == ("shadow", 1_000)
    assert (rows["daily"]["anchor_ns"], rows["daily"]["guard_requests_per_s"]) == (9 * 3_600 * S, 5)
    assert (rows["events"]["custom"], rows["events"]["carry_overage"]) == ("clicks", True)
    epoch = kernel.stats()["epoch"]
    for line in (
        "set bo limit 12",
        "set bo enforcement soft",
        "set bo mode shadow",
        "set daily rollover 5%",
    ):
        said(kernel, f"quota {line}")
    spend(kernel, 1)
    said(kernel, "quota reset acme-day")
    assert told(kernel, "quota show acme-day")["used_units"] == 0
    refused = kernel.shell("quota remove bo")
    assert refused.status < 0 and "confirm quota remove bo" in refused.text
    said(kernel, "confirm quota remove bo")
    assert kernel.shell("quota show bo").status < 0
    assert kernel.stats()["epoch"] == epoch + 6
    rows = {row["name"]: row for row in told(kernel, "quota allocations")["allocations"]}
    assert rows["daily"]["rollover_bp"] == 500
    audit = told(kernel, "audit 6")["records"]
    assert [(record["what"], record["before"], record["after"]) for record in audit] == [
        ("set", 10, 12),
        ("set", 0, 1),
        ("set", 0, 1),
        ("set", 1_000, 500),
        ("reset", 1, 0),
        ("remove", 12, 0),
    ]
    assert kernel.valid() == 0


def test_list_export_and_help_are_where_they_are_looked_for(kernel: Kernel) -> None:
    assert said(kernel, "quota list") == said(kernel, "quota allocations")
    assert said(kernel, "ratelimit list") == said(kernel, "ratelimit limits")
    assert said(kernel, "ratelimit export") == said(kernel, "ratelimit limits --csv")
    assert json.loads(said(kernel, "ratelimit export json")) == told(kernel, "ratelimit list")
    assert said(kernel, "gateway export csv") == said(kernel, "gateway export routes")
    words = said(kernel, "help quota allocate")
    assert words.startswith("  quota allocate NAME LIMIT [--tenant=T]")
    assert "quota set" not in words
    said(kernel, "ratelimit add web 5/s")
    head, row = said(kernel, "ratelimit show web").splitlines()[:2]
    assert head.startswith("name  ") and row.startswith("web  ")


def test_show_lists_the_instances_when_none_was_named(kernel: Kernel) -> None:
    spend(kernel, 1)
    text = said(kernel, "quota show each-bytes")
    assert text == said(kernel, "quota usage each-bytes") and "acme/" in text
    rows = said(kernel, "quota export").splitlines()
    said(kernel, "quota allocate unused 5")
    assert said(kernel, "quota export").splitlines()[-1].split(",")[1:3] == ["unused", ""]
    assert len(rows) == 3 and json.loads(said(kernel, "quota export json"))[-1]["tenant"] is None


def test_consume_and_the_clock_leave_audit_records_and_no_epoch(kernel: Kernel) -> None:
    epoch = kernel.stats()["epoch"]
    said(kernel, "quota consume acme-day 2")
    said(kernel, "quota consume acme-day 0")
    assert told(kernel, "quota show acme-day")["admitted"] == 1, "nothing asked for is a look"
    said(kernel, "clock virtual 2026-01-02")
    said(kernel, "clock live")
    at = START + 86_400 * S
    assert kernel.stats()["epoch"] == epoch
    audit = told(kernel, "audit 3")["records"]
    assert [(record["what"], record["before"], record["after"]) for record in audit] == [
        ("consume", 0, 2),
        ("clock", 0, at),
        ("clock", at, 0),
    ]


def test_a_limit_under_the_use_alerts_at_once(kernel: Kernel) -> None:
    spend(kernel, 2)
    assert told(kernel, "quota alerts")["alerts"] == []
    said(kernel, "quota set acme-day limit 1")
    alerts = [a for a in told(kernel, "quota alerts")["alerts"] if a["quota"] == "acme-day"]
    assert [(a["percent"], a["used_units"], a["limit_units"]) for a in alerts] == [
        (80, 2, 1),
        (100, 2, 1),
        (0, 2, 1),
    ]


def test_a_request_of_nobody_says_why_no_quota_applies(kernel: Kernel) -> None:
    assert "no tenant given: no quota applies" in said(kernel, "explain GET /a")
    said(kernel, "confirm quota remove each-bytes")
    assert "quota       no quota applies" in said(kernel, "explain GET /a --tenant blue")


def test_exports_at_the_console_are_the_modules_own(kernel: Kernel) -> None:
    spend(kernel, 2)
    csv = said(kernel, "quota export")
    assert csv == said(kernel, "quota export csv") and csv.startswith("id,name,tenant,")
    rows = json.loads(said(kernel, "quota export json"))
    assert rows == told(kernel, "quota export") and len(rows) == len(csv.splitlines()) - 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("quota statsu", ['"statsu"', '"status"']),
        ("quota show acme-dya", ['no quota of that name: "acme-dya"', '"acme-day"']),
        ("quota set acme-day limt 3", ['enforcement, mode or rollover, not "limt"', '"limit"']),
        ("quota set acme-day limit 3KiB", ['an amount is a number of units, not "3KiB"']),
        ("quota set acme-day limit 9223372036854775809", ["a limit is at most 92233"]),
        ("quota set acme-day enforcement firm", ['hard or soft, not "firm"']),
        ("quota set acme-day mode of", ["enforce, shadow or off"]),
        ("quota set acme-day rollover 11%", ["0% to 10%"]),
        ("quota allocate acme-day 5", ["exists"]),
        ("quota allocate x", ["LIMIT is missing"]),
        ("quota allocate x 5 --window=soon", ["--window is never"]),
        ("quota allocate x 5 --tenant=acm", ["--tenant", '"acm"', '"acme"']),
        ("quota allocate x 5 --plan=tin", ["--plan"]),
        ("quota allocate x 5 --service=shp", ["--service", '"shp"', '"shop"']),
        ("quota allocate x 5 --type=reqs", ["--type is requests"]),
        ("quota allocate x 5 --type=custom:", ["--type is requests"]),
        ("quota allocate x 5 --alerts=80%,0%", ["--alerts"]),
        ("quota allocate x 5 --alerts=1,2,3,4,5", ["--alerts"]),
        ("quota allocate x 5 --window=never --anchor=1", ["--anchor"]),
        ("quota allocate x 5 --window=month --anchor=32", ["--anchor"]),
        ("quota allocate x 5 --rollover=ten", ["--rollover"]),
        ("quota allocate x 5 --window=1h --rollover=11%", ["--rollover is 0% to 10%"]),
        ("quota allocate 'x y' 5", ["a name is 1 to 47", '"x y"']),
        ("quota allocate x 5 --window=0s", ["--window is longer than 0s"]),
        ("quota allocate x 18446744073709551615", ["at most 9223372036854775808"]),
        ("quota show nobody", ['"nobody"', "there is: acme-day, each-bytes"]),
        ("quota show each-bytes --tenant=acm", ['"acm"', '"acme"']),
        ("ratelimit add z 0/s", ["at least 1 token"]),
        ("ratelimit add z 5/s --burst 0", ["--burst is at least 1"]),
        ("ratelimit add z 999/s --algorithm sliding_window --exact", ["--exact remembers"]),
        ("ratelimit add 'a b' 5/s", ["a name is 1 to 47", '"a b"']),
        ("ratelimit add z 5/s --scope usr", ["service, user, ip or named", '"user"']),
        ("ratelimit add z 5/s --algorithm foo", ["token_bucket, leaky_bucket", '"foo"']),
        ("ratelimit show nope", ['"nope"', "there is none"]),
        ("run nope", ['"nope"', "there is"]),
        ("gateway add-service s --at nonsense", ["HOST:PORT"]),
        ("quota allocate x 5 --windw=day", ["--windw", "--window"]),
        ("quota export xml", ["csv or json"]),
        ("quota ack none", ["no such alert"]),
        ("quota reset each-bytes --tenant=acme --user=nobody", ["used nothing"]),
        ("quota consume acme-day 3 --event=x", ["--event"]),
        ("quota consume acme-day 9223372036854775808", ["no such amount"]),
    ],
)
def test_a_wrong_word_is_named_and_changes_nothing(
    kernel: Kernel, line: str, words: list[str]
) -> None:
    before = kernel.digest()
    answer = kernel.shell(line)
    assert answer.status < 0 and answer.text.startswith("error: ") and answer.text.count("\n") == 1
    for word in words:
        assert word in answer.text
    after = kernel.digest()
    assert (after.book, after.decision) == (before.book, before.decision)
    if "9223372036854775808" not in line:  # a refused event is counted
        assert after.state == before.state
