# SPDX-License-Identifier: MIT
"""shell: what every command says of words it cannot take, as text and as JSON."""

from __future__ import annotations

import json
import re

import pytest

from tests.shell_rig import Rig, rayos_blob

# Stop the machine, or run for as long as somebody types.
NOT_TRIED = {"reboot", "poweroff", "fault", "run", "link", "demo"}
WRONG = ["nosuch", "-1", "99999999999999999999", "x" * 300, '"a b"', '""', "'a\\x00'"]


@pytest.fixture
def rig():
    return Rig(config=rayos_blob())


def subcommands(rig):
    for command in json.loads(rig.ok("help --json"))["commands"]:
        if command["command"] not in NOT_TRIED:
            for sub in command["subcommands"]:
                yield f"{command['command']} {sub['word']}".strip(), sub["usage"], sub["reads"]


def lines(head, usage):
    """The command bare, with wrong words in each place, with wrong and doubled options."""
    plain = re.sub(r"\[?--[^\]\s]+( [A-Z][^\]\s]*)?\]?(\.\.\.)?", "", usage).split()
    yield head
    for place in range(len(plain) + 1):
        for word in WRONG:
            yield " ".join([head, *["x"] * place, word])
    for option in sorted(set(re.findall(r"--[a-z0-9-]+", usage))):
        for word in WRONG:
            yield " ".join([head, *["x"] * len(plain), f"{option}={word}"])
        yield " ".join([head, *["x"] * len(plain), option])
    yield f"{head} --nosuch"


def test_every_error_is_one_sentence_that_shows_the_word(rig):
    tried = refused = 0
    for head, usage, _ in list(subcommands(rig)):
        for line in lines(head, usage):
            said = rig.run(line)
            tried += 1
            if said.status >= 0:
                continue
            refused += 1
            text = said.text
            assert text.startswith("error: ") and text.endswith("\n"), line
            assert text.count("\n") == 1, (line, text)
            assert not re.search(r'::[ "]|: ;|: not "|, not\n| \n|  ', text), (line, text)
            assert not text.startswith("error: this the "), text
    assert refused > 1000 and refused > tried // 2


def test_json_is_json_whatever_comes_of_it(rig):
    errors = 0
    for head, usage, reads in list(subcommands(rig)):
        if not reads:
            continue
        for line in lines(head, usage):
            said, text = rig.run(f"{line} --json"), rig.run(line)
            told = json.loads(said.text)
            assert (said.status < 0) == (text.status < 0) or "json" in line, line
            if said.status < 0 and "error" in told and "message" in told:
                errors += 1
                assert told["status"] == said.status
                assert told["message"] in text.text[len("error: "):], line
                assert set(told) == {"error", "status", "message"}
    assert errors > 500


def test_json_of_an_unknown_command_and_of_one_that_does_not_read(rig):
    assert json.loads(rig.run("nosuch --json").text) == {
        "error": "unknown", "status": -2, "message": 'no such command: "nosuch"; try: help'}
    assert rig.run("poweroff --json").text == (
        "error: --json is for commands that read; leave it out\n")


@pytest.mark.parametrize(("line", "text"), [
    ('status ""', 'error: status has no ""; try: help status\n'),
    ("status extra", 'error: status has no "extra"; try: help status\n'),
    ("gateway status extra", 'error: one word too many: "extra"; usage: gateway status\n'),
    ("gateway test", "error: METHOD is missing; usage: gateway test METHOD PATH [options]; see: "
     "help gateway\n"),
    ("request GET / --tenant=nobody", 'error: no such tenant: "nobody"'),
    ("request GET / --ip=", 'error: --ip is an address such as 192.0.2.7 or 2001:db8::7, not ""\n'),
    ("request GET / --priority=hgh", 'error: --priority is critical, high, normal, low or batch, '
     'not "hgh"; did you mean "high"?\n'),
    ("request GET / --weight=4294967296", 'error: --weight is at most 4294967294, not '
     '"4294967296"\n'),
    ("apimon test 99", 'error: a status is 100 to 599, not "99"\n'),
    ("auth show nosuch", 'error: no credential is called: "nosuch"; see: auth list\n'),
])  # fmt: skip
def test_the_sentence_says_what_to_do(rig, line, text):
    said = rig.run(line)
    assert said.status < 0 and said.text.startswith(text)


def test_a_confirmation_is_a_sentence_and_its_line_can_be_typed(rig):
    said = rig.run("auth key-remove demo")
    assert said.text == ("error: whoever uses this credential is refused; to do it, type: confirm "
                         "auth key-remove demo\n")
    for word in ('"a b"', '""', "'c\"d'"):
        said = rig.run(f"auth revoke {word}")
        again = said.text.split("type: ")[1].strip()
        assert not rig.run(again).text.startswith("error: a quote"), again
        quoted = again.removeprefix("confirm auth revoke ")
        assert quoted[0] == quoted[-1] == '"', again


def test_others_are_told_of_only_when_there_are_some():
    rig = Rig(config=rayos_blob())
    rig.ok("request GET /kernel/health")
    assert "(other)" not in rig.ok("apimon export") and "(other)" not in rig.ok("apimon edges")
    assert len(json.loads(rig.ok("apimon edges --json"))["edges"]) == 1
    rig.run("request GET /to/no/service")
    assert "(other)" in rig.ok("apimon export")
