# SPDX-License-Identifier: MIT
"""shell: commands that act go through the real pipeline, are audited, and leave nothing leased."""

import csv
import io
import json
import re

import pytest

from host_sim.config import loads
from tests.shell_rig import Rig, rayos_blob

UNKNOWN, STATE = -2, -9
ONE_QUOTA = b"""
version = 1
[headers]
ratelimit = "draft-10"
[service.web]
at = "127.0.0.1:80"
[[route]]
name = "all"
service = "web"
path = { prefix = "/" }
[tenant.acme]
[[limit]]
name = "slow"
scope = "service"
service = "web"
algorithm = "token_bucket"
rate = "2/h"
burst = 2
[[quota]]
name = "one"
tenant = "acme"
type = "requests"
limit = 1
window = "day"
"""
ONE_ROUTE = b"""
version = 1
[service.web]
at = "127.0.0.1:80"
[[route]]
name = "health"
service = "web"
path = { exact = "/health" }
methods = ["GET", "POST"]
"""


@pytest.fixture
def rig():
    rig = Rig(config=rayos_blob(), scripts={"hello": b"# greets\nversion\n\nclock\n",
                                            "again": b"run again\n", "wrong": b"foo\nversion\n"})
    rig.ok("clock virtual 2026-01-01T00:00:00Z")
    return rig


def test_request_goes_through_the_pipeline(rig):
    before = rig.stats()
    said = rig.json("request GET /kernel/version --user me --ip 192.0.2.7")
    after = rig.stats()
    assert (said["verdict"], said["route"], said["service"]) == ("allow", "kernel", "kernel")
    assert after.asked_count == before.asked_count + 1
    assert after.granted_count == before.granted_count + 1
    assert after.seq == before.seq + 2  # its admission and its completion


def test_request_denied_says_by_what_and_until_when(rig):
    answers = [rig.json("request GET /kernel/version --user me") for _ in range(400)]
    denied = next(a for a in answers if a["verdict"] == "deny")
    assert denied["http_status"] == 429 and denied["by_kind"] == "limit"
    assert 0 < denied["retry_after_ns"] < 60 * 10**9
    text = rig.ok("request GET /kernel/version --user me")
    assert text.startswith(f"deny (429), {denied['reason']}, by limit {denied['by']}, retry after ")


def test_request_prints_the_header_lines_its_response_owes(rig):
    first, second = (rig.json("request GET /kernel/version --user me")["headers"] for _ in "12")
    assert [line.split(":")[0] for line in first] == [
        "RateLimit-Policy", "RateLimit", "X-Request-ID"]
    left = [int(re.search(r'"per-user";r=(\d+)', lines[1])[1]) for lines in (first, second)]
    assert left[0] == left[1] + 1
    denied = rig.json("request GET /kernel/version --user me --weight 20")
    assert denied["verdict"] == "deny"
    seconds = -(-denied["retry_after_ns"] // 10**9)
    assert denied["headers"][2] == f"Retry-After: {seconds}"
    lost = rig.json("request GET /nowhere")
    assert lost["headers"] == [f"X-Request-ID: {lost['seq']}"]
    said = rig.ok("request GET /kernel/version --user me")
    assert re.search(r"^  header      RateLimit: ", said, re.M)


def test_request_prints_the_body_that_tells_a_client_why(rig):
    lost = rig.json("request GET /nowhere")
    assert json.loads(lost["body"]) == {
        "type": "urn:raygate:reason:no-route", "title": "Not found", "status": 404}
    assert f"  body        {lost['body']}\n" in rig.ok("request GET /nowhere")
    assert rig.json("request GET /kernel/version --user me")["body"] is None
    text = ONE_QUOTA.replace(b"[headers]\n", b"[headers]\nproblem_json = false\n")
    quiet = Rig(config=loads(text).blob).json("request BREW /")
    assert (quiet["http_status"], quiet["body"], quiet["headers"]) == (501, None, [])


def test_retry_after_is_the_whole_verdicts():
    """A request that a quota denied spent no token, and waits for the quota."""
    rig = Rig(config=loads(ONE_QUOTA).blob)
    rig.ok("clock virtual 2026-01-01T23:59:00Z")
    allowed, denied = (rig.json("request GET / --tenant acme") for _ in "12")
    assert (allowed["verdict"], denied["by_kind"]) == ("allow", "quota")
    assert [line for line in denied["headers"] if "Retry" in line] == ["Retry-After: 60"]
    assert '"slow";r=1;' in allowed["headers"][1] and '"slow";r=1;' in denied["headers"][1]


def test_dry_run_and_explain_only_ask(rig):
    before = rig.state()
    asked = rig.ok("request GET /kernel/x --user me --dry-run")
    assert asked == rig.ok("explain GET /kernel/x --user me")
    assert rig.state() == before
    done = rig.ok("request GET /kernel/x --user me --explain")
    assert done.startswith(asked) and "decision" in done[len(asked):]
    assert rig.state() != before


def test_request_carries_every_field_of_the_row(rig):
    said = rig.ok("request POST /vmm/7/snapshot --user u --tenant acme --weight 3 --body 1KiB "
                  "--response-bytes 5 --status 201 --duration 20ms --priority high --compute 4 "
                  "--custom 1 --header X-A:b --header 'X-B: c' --host a.example --explain")
    assert "asks 3 tokens" in said and "route vm-snapshot" in said
    assert rig.json("request GET /x --service storage")["service"] == "storage"


def test_a_method_the_path_does_not_know_lists_those_it_knows():
    rig = Rig(config=loads(ONE_ROUTE).blob)
    said = rig.ok("request DELETE /health")
    assert said.startswith("deny (405), method-not-allowed")
    assert re.search(r"^  allow +GET, HEAD, POST$", said, re.M)


def test_demo_is_the_same_for_the_same_seed():
    def play(line):
        rig = Rig(config=rayos_blob())
        return rig.ok(line), rig.digests()

    assert play("demo 500 --seed 3") == play("demo 500 --seed 3")
    assert play("demo 500 --seed 3") != play("demo 500 --seed 4")


def test_demo_fails_as_many_as_it_is_told_and_breakers_open(rig):
    said = json.loads(rig.ok("demo 2000 --fail 60 --json"))
    assert sum(k["count"] for k in said["kinds"] if k["reason"] == "breaker-open") > 100
    assert "open" in rig.ok("resilience list")
    calm = Rig(config=rayos_blob())
    calm.ok("clock virtual 2026-01-01T00:00:00Z")
    kinds = json.loads(calm.ok("demo 2000 --fail 0 --json"))["kinds"]
    assert not any(k["reason"] == "breaker-open" for k in kinds)


def test_demo_reaches_every_route_and_most_requests_pass(rig):
    assert rig.json("demo 2000")["allow"] > 1000
    rows = csv.DictReader(io.StringIO(rig.ok("gateway export csv")))
    assert not [row["name"] for row in rows if int(row["asked"]) == 0]


@pytest.mark.parametrize(("known", "says"), [
    (0, "no: without a random source the hash seed is guessable"),
    (1, "yes: the hash seed came from a random source"), (2, "given: the hash seed was an input"),
])
def test_version_says_where_the_seed_came_from(rig, known, says):
    rig.machine.entropy_known = known
    assert re.search(f"^entropy +{says}", rig.ok("version --machine"), re.M)
    assert rig.json("version --machine")["entropy"] is (known != 0)


def test_demo_counts_what_the_pipeline_counts(rig):
    said = rig.json("demo 1000 --rate 500")
    stats = rig.stats()
    assert said["allow"] + said["delay"] + said["deny"] == said["requests"] == 1000
    assert stats.asked_count == 1000
    assert (said["deny"], said["errors"]) == (stats.denied_count, 0)
    assert sum(kind["count"] for kind in said["kinds"]) == 1000
    assert stats.now_ns == 1767225600 * 10**9 + 999 * 2_000_000


def test_audit_shows_the_last_records_newest_last(rig):
    for n in range(5):
        rig.ok(f"request GET /nowhere/{n}")
    said = rig.json("audit 3")
    ids = [record["id"] for record in said["records"]]
    assert ids == [said["written"] - 2, said["written"] - 1, said["written"]]
    assert all(r["verdict"] == "deny" and r["reason"] == "no-route" for r in said["records"])
    assert rig.ok("audit 3").count("no-route") == 3


def test_virtual_time_moves_by_command_only(rig):
    rig.raw_ns = 10**15
    assert "2026-01-01T00:00:00Z" in rig.ok("clock")
    assert rig.ok("clock advance 1h30m") == "virtual clock at 2026-01-01T01:30:00Z\n"
    rig.raw_ns += 5 * 10**9
    assert "2026-01-01T01:30:00Z" in rig.ok("clock")
    rig.ok("clock live")
    assert rig.run("clock advance 1s").status == STATE
    rig.raw_ns += 5 * 10**9
    assert "2026-01-01T01:30:05Z" in rig.ok("clock")


def test_the_wall_clock_can_be_set_and_is_audited(rig):
    rig.ok("clock live")
    assert rig.ok("clock wall 2027-03-04T05:06:07Z") == "live clock at 2027-03-04T05:06:07Z\n"
    assert rig.json("audit 1")["records"][0]["what"] == "clock"


def test_poweroff_drains_and_says_what_came_of_it(rig):
    rig.ok("demo 200")
    said = rig.run("poweroff")
    assert (said.status, said.action) == (0, 2)
    for lease in ("in flight", "queued", "quota reservations"):
        assert re.search(rf"^{lease} +0$", said.text, re.M)
    for name, digest in zip(("decision", "state", "book"), rig.digests(), strict=True):
        assert re.search(rf"^{name} digest +{digest}$", said.text, re.M)
    assert rig.json("request GET /kernel/x")["reason"] == "draining"


def test_poweroff_returns_every_lease(rig):
    row = rig.ffi.new("ray_row *", {"kind": 1, "id": 9, "method": 1, "tenant": 0, "service": 0,
                                    "priority": 255, "flags": 4 | 2})
    rows = rig.ffi.new("ray_rows *", {"row": row, "bytes": rig.aligned(8), "bytes_length": 0,
                                      "scratch": rig.aligned(8192)})
    answer = rig.ffi.new("ray_answer *")
    assert rig.lib.ray_step_batch(rig.ray, rows, 1, answer) == 0 and answer.status == 0
    assert (rig.stats().inflight_count, rig.stats().queued_count) == (1, 1)
    rig.ok("poweroff")
    assert (rig.stats().inflight_count, rig.stats().queued_count) == (0, 0)
    assert rig.valid()


def test_reboot_and_fault_ask_the_port(rig):
    assert rig.run("reboot").action == 1
    rig.machine.faults_allowed = 1
    said = rig.run("fault stack")
    assert (said.action, said.argument) == (3, 5)
    assert rig.run("fault 8").argument == 8


def test_run_prints_prompt_line_and_answer(rig):
    said = rig.ok("run hello")
    assert said == f"rayos> version\n{rig.ok('version')}rayos> clock\n{rig.ok('clock')}"
    assert rig.json("run list") == {"scripts": [{"script": "hello", "bytes": 24},
                                                {"script": "again", "bytes": 10},
                                                {"script": "wrong", "bytes": 12}]}


def test_a_script_goes_on_after_a_failed_line_and_reports_the_worst(rig):
    said = rig.run("run wrong")
    assert said.status == UNKNOWN and "raygate" in said.text


def test_scripts_that_run_themselves_end(rig):
    said = rig.run("run again")
    assert said.status == STATE and "four deep" in said.text


def test_a_loaded_configuration_keeps_balances_and_asks_before_it_drops_edits(rig):
    assert rig.ok("config check frozen").startswith("sound, hash ")
    assert rig.ok("config load frozen").startswith("loaded: ")
    rig.ok("clock wall 2027-01-01")
    said = rig.run("config load frozen")
    assert said.status == STATE and "confirm config load frozen" in said.text
    assert rig.ok("confirm config load frozen").startswith("loaded: ")
    assert rig.ok("config source").startswith("configuration         frozen")


@pytest.mark.parametrize(("text", "live"), [
    (b"clock virtual 2026-01-01\n", 0), (b"\n# first\nclock virtual 0\n", 0),
    (b"version\nclock virtual 2026-01-01\n", 1), (b"", 1), (None, 1)])
def test_a_script_that_begins_with_virtual_time_starts_a_clock_that_stands(text, live):
    states = []
    for raw_ns in (10**9, 77 * 10**9):
        rig = Rig(config=rayos_blob())
        script = rig.ffi.NULL
        if text is not None:
            script = rig.ffi.new("ray_script *", {"text": rig.word(text), "length": len(text)})
        rig.lib.ray_start_clock(rig.ray, raw_ns, 5 * 10**9, script)
        states.append(rig.state())
        assert rig.stats().clock_virtual == 1 - live
        assert rig.stats().wall_offset_ns == 5 * 10**9 * live
    assert (states[0] == states[1]) == (not live)


def test_a_no_says_when_to_come_back_whoever_says_it():
    breaker = b'[resilience.web]\nbreaker = { failures = 2, open = "9s" }\n'
    rig = Rig(config=loads(ONE_ROUTE + breaker).blob)
    rig.ok("clock virtual 2026-01-01T00:00:00Z")
    for _ in range(2):
        assert "Retry-After" not in rig.ok("request GET /health --status 503")
    said = rig.ok("request GET /health")
    assert said.startswith("dropped (503), breaker-open")
    assert re.search(r"^  header +Retry-After: 9$", said, re.M)
    quota = Rig(config=loads(ONE_QUOTA).blob)
    quota.ok("request GET / --tenant acme")
    assert quota.ok("request GET / --tenant acme").count("Retry-After: ") == 1
