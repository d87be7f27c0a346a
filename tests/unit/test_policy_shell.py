# SPDX-License-Identifier: MIT
"""policy at the console: what it says, what it changes, and how it answers a wrong word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host_sim import config
from host_sim.kernel import Kernel

S = 1_000_000_000
FILE = (Path(__file__).parent.parent / "policies.toml").read_text()


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(config=config.loads(FILE))


def said(kernel, line):
    """The text of a command that succeeds."""
    answer = kernel.shell(line)
    assert answer.status == 0, answer.text
    return answer.text


def told(kernel, line):
    """The JSON of a reading command, which changes no byte."""
    before = kernel.digest()
    answer = kernel.shell(f"{line} --json")
    assert answer.status == 0 and kernel.digest() == before, answer.text
    return json.loads(answer.text)


def refused(kernel, line):
    """The text of a command that fails and changes no byte."""
    before = kernel.digest()
    answer = kernel.shell(line)
    assert answer.status < 0 and kernel.digest() == before, answer.text
    return answer.text


def test_every_reading_command_answers_in_text_and_json(kernel):
    assert [row["name"] for row in told(kernel, "policy list")["policies"]] == [
        "users-may-read", "no-night-deletes", "slow-bots",
    ]  # fmt: skip
    assert "slow-bots" in said(kernel, "policy list")
    status = told(kernel, "policy status")
    assert (status["policies"], status["combine"]) == (3, "deny-overrides")
    assert status["authorization"] == "deny"
    rules = said(kernel, "policy rules")
    assert "role=user|guest" in rules and "ip!=10.0.0.0/8" in rules and "method=GET" in rules
    assert "Mon 22:00-Tue 06:00 +00:00" in rules and 'header User-Agent contains "bot"' in rules
    assert told(kernel, "policy show slow-bots")["action"] == "throttle"
    assert "bot-pool" in said(kernel, "policy show slow-bots")
    assert told(kernel, "policy audit") == []
    assert "whole" in said(kernel, "policy audit")
    assert said(kernel, "policy export").splitlines()[0].startswith("id,name,type,priority")
    assert len(json.loads(said(kernel, "policy export json"))) == 3
    assert "rules" in said(kernel, "policy help")


def test_test_says_what_would_happen_and_why_the_others_do_not_apply(kernel):
    text = said(kernel, "policy test --route orders --method GET --role user --ip 192.0.2.1")
    assert text.startswith("yes, ok by users-may-read")
    assert "no-night-deletes" in text and "method does not hold" in text
    late = "policy test --route orders --method DELETE --role user --ip 192.0.2.1 --at "
    answer = told(kernel, late + "2026-01-05T23:00:00Z")
    assert (answer["granted"], answer["reason"], answer["by"]) == (
        False, "policy-denied", "no-night-deletes",
    )  # fmt: skip
    assert told(kernel, late + "2026-01-05T12:00:00Z")["reason"] == "policy-default"
    unknown = told(kernel, late.replace(" --ip 192.0.2.1", "") + "2026-01-05T23:00:00Z")
    assert unknown["reason"] == "policy-indeterminate"
    bots = said(
        kernel, 'policy test --route orders --method GET --role user --header "User-Agent: bot"'
    )
    assert "asks limit" in bots and "bot-pool" in bots and "batch" in bots


def test_rules_come_change_and_go(kernel):
    assert said(kernel, "policy add no-puts deny --method PUT --role guest --ip 10.0.0.0/8") == (
        "policy no-puts added\n"
    )
    assert "method=PUT" in said(kernel, "policy show no-puts")
    put = "policy test --route orders --method PUT --role guest --ip 10.1.2.3"
    assert said(kernel, put).startswith("no, policy-denied by no-puts")
    assert said(kernel, "policy disable no-puts") == "policy no-puts disabled\n"
    assert said(kernel, put).startswith("no, policy-default")
    assert "no-puts" not in said(kernel, "policy list")
    assert "no-puts" in said(kernel, "policy list --all")
    said(kernel, "policy enable no-puts")
    assert said(kernel, "policy mode no-puts shadow") == "policy no-puts is shadow\n"
    said(kernel, "policy add moved redirect --location /new --service orders --header X-Old")
    said(kernel, "policy add slow throttle --limit bot-pool --tenant acme --alert --audit")
    assert "confirm" in refused(kernel, "policy remove slow")
    assert said(kernel, "confirm policy remove slow") == "policy slow removed\n"
    assert "confirm" in refused(kernel, "policy reset")
    assert "are 0" in said(kernel, "confirm policy reset")
    assert kernel.valid() == 0


def test_removing_the_last_rule_of_a_type_says_what_that_means():
    open_file = FILE.replace('default = { authorization = "deny" }\n', "")
    kernel = Kernel(config=config.loads(open_file))
    assert "evaluated" not in said(kernel, "confirm policy remove users-may-read")
    assert "not evaluated any more" in said(kernel, "confirm policy remove no-night-deletes")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("policy show slow-bot", "slow-bots"),
        ("policy enable users-may-rea", "users-may-read"),
        ("policy lis", "list"),
        ("policy add x forbid", "allow deny throttle"),
        ("policy add x throttle", "--limit"),
        ("policy add x deny --status 200", "400 to 599"),
        ("policy add slow-bots deny", "there is a policy named"),
        ("policy add a/b deny", "a name is"),
        ("policy add x deny --service order", "orders"),
        ("policy add x deny --role root", "guest"),
        ("policy add x deny --ip 10.0.0.1/33", "10.0.0.0/8"),
        ("policy mode slow-bots on", "enforce shadow off"),
        ("policy test --tenant acm", "acme"),
        ("policy test --ip 300.1.1.1", "address"),
        ("policy test --at noon", "2026"),
        ('policy test --header "X_Y: 1"', "believe"),
        ("policy audit many", "COUNT is a number of records"),
        ("policy export xml", "csv or json"),
    ],
)
def test_a_wrong_word_is_named_and_changes_nothing(kernel, line, words):
    assert words in refused(kernel, line)
