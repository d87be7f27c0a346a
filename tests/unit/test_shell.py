# SPDX-License-Identifier: MIT
"""shell: a line in, text out; what is wrong is named, and reading changes nothing."""

import json
import re

import pytest

from tests.shell_rig import Rig, rayos_blob

ARGUMENT, UNKNOWN, RANGE, STATE, TRUNCATED, SYNTAX = -1, -2, -7, -9, -10, -13


@pytest.fixture
def rig():
    rig = Rig(config=rayos_blob(), scripts={"hello": b"# greets\nversion\n\nclock\n",
                                            "again": b"run again\n", "wrong": b"foo\nversion\n"})
    rig.ok("clock virtual 2026-01-01T00:00:00Z")
    return rig


def commands(rig):
    return rig.json("help")["commands"]


def reading_lines(rig):
    """Every reading command that can be called without knowing a name."""
    lines = []
    for command in commands(rig):
        for sub in command["subcommands"]:
            needs = re.sub(r"\[[^]]*\]", "", sub["usage"]).strip(" .")
            if sub["reads"] and not needs:
                lines.append(f"{command['command']} {sub['word']}".strip())
    return lines


# -- help --

def test_help_names_every_command_under_its_phase(rig):
    text = rig.ok("help")
    p19, p20, system = (text.index(t) for t in ("Phase 19", "Phase 20", "System"))
    for command in commands(rig):
        start, end = {19: (p19, p20), 20: (p20, system), 0: (system, len(text))}[command["phase"]]
        assert re.search(rf"^ +{command['command']}\b", text[start:end], re.M), command["command"]


def test_every_module_of_the_phase_documents_is_built(rig):
    assert all(c["built"] for c in commands(rig))


def test_help_stays_within_a_hundred_columns(rig):
    for line in rig.ok("help").splitlines():
        assert len(line) <= 100, line
    for command in commands(rig):
        for line in rig.ok(f"help {command['command']}").splitlines():
            assert len(line) <= 120, line


def test_every_command_has_help_of_its_own(rig):
    for command in commands(rig):
        if command["built"]:
            said = rig.run(f"{command['command']} help")
            assert said.status == 0, said
            assert said.text == rig.ok(f"help {command['command']}")
            for sub in command["subcommands"]:
                assert sub["help"] in said.text


def test_the_command_page_is_what_the_shell_prints(rig):
    page = rig.ok("help --markdown")
    for command in commands(rig):
        assert f"\n### {command['command']}" in page
        for sub in command["subcommands"]:
            form = f"{command['command']} {sub['word']}".strip()
            assert f"| `{form}" in page


# -- wrong input --

@pytest.mark.parametrize(("line", "status", "word", "near"), [
    ("ratelmit status", UNKNOWN, "ratelmit", "ratelimit"),
    ("Help", UNKNOWN, "Help", "help"),
    ("quota staus", UNKNOWN, "staus", "status"),
    ("gateway lst", UNKNOWN, "lst", "list"),
    ("clock virtul 2026-01-01", UNKNOWN, "virtul", "virtual"),
    ("request GET / --usr x", ARGUMENT, "--usr", "--user"),
    ("version --machin", ARGUMENT, "--machin", "--machine"),
    ("request GET / --priority hgh", UNKNOWN, "hgh", "high"),
    ("request GET / --tenant acm", UNKNOWN, "acm", "acme"),
    ("request GET / --service kernal", UNKNOWN, "kernal", "kernel"),
    ("run helo", UNKNOWN, "helo", "hello"),
    ("fault pge", UNKNOWN, "pge", "page"),
    ("help qouta", UNKNOWN, "qouta", "quota"),
])
def test_wrong_input_names_the_word_and_the_nearest_right_one(rig, line, status, word, near):
    before = rig.state()
    said = rig.run(line)
    assert said.status == status
    assert said.text.startswith("error: ") and said.text.count("\n") == 1
    assert f'"{word}"' in said.text
    assert f'did you mean "{near}"?' in said.text
    assert rig.state() == before


@pytest.mark.parametrize(("line", "status", "says"), [
    ("zzzzzz", UNKNOWN, "no such command"),
    ("request", ARGUMENT, "METHOD is missing; usage: request METHOD TARGET"),
    ("request GET", ARGUMENT, "TARGET is missing"),
    ("request GET / extra", ARGUMENT, 'one word too many: "extra"'),
    ("request GET / --user", ARGUMENT, 'needs a value: "--user"'),
    ("request GET / --user a --user b", ARGUMENT, "given twice"),
    ("version --machine=1", ARGUMENT, "takes no value"),
    ("request GET / --header novalue", SYNTAX, "a header is NAME:VALUE"),
    ("request GET / --body 1ZB", SYNTAX, '"1ZB"'),
    ("request GET / --weight 99999999999", RANGE, "at most"),
    ("request GET / --ip 1.2.3", SYNTAX, "--ip is an address such as"),
    ("clock virtual yesterday", SYNTAX, "a time is such as"),
    ("clock virtual 1999-01-01", RANGE, "time does not run backwards"),
    ("clock advance fast", SYNTAX, "a duration is such as"),
    ("audit some", SYNTAX, "COUNT is a number of records"),
    ("demo 1000001", RANGE, "0 to 1000000"),
    ("demo 1 --rate 0", SYNTAX, "at least 1"),
    ("demo 1 --fail 101", SYNTAX, "0 to 100"),
    ("fault 9", RANGE, "1 to 8"),
    ("fault page", STATE, "does not allow faults"),
    ("config load nowhere", UNKNOWN, "carries no such configuration"),
    ("poweroff --json", ARGUMENT, "--json is for commands that read"),
    ("confirm", ARGUMENT, "COMMAND is missing"),
    ('version "', SYNTAX, "a quote is not closed"),
    ("x " * 33, SYNTAX, "more than 32 words"),
    ("x" * 1025, SYNTAX, "longer than 1024 bytes"),
])
def test_what_cannot_be_is_refused_in_one_line_and_changes_nothing(rig, line, status, says):
    before = rig.state()
    said = rig.run(line)
    assert (said.status, said.action) == (status, 0), said
    assert said.text.startswith("error: ") and said.text.count("\n") == 1
    assert says in said.text
    assert rig.state() == before


@pytest.mark.parametrize("line", ["", "   ", "\t", "# a comment", "  # one too"])
def test_nothing_typed_is_nothing_done(rig, line):
    before = rig.state()
    assert rig.run(line) == (0, "", 0, 0)
    assert rig.state() == before


def test_words_may_be_quoted_and_carry_bytes(rig):
    assert "path /kernel/ab, route kernel" in rig.ok("explain GET '/kernel/a'\"b\"")
    assert "path-bad" in rig.ok('explain GET "/kernel/\\x07"')
    assert 'no such tenant: "a b"' in rig.run('request GET / --tenant "a b"').text
    assert rig.ok("request GET /kernel --user=web").startswith("allow")


def test_text_from_outside_reaches_the_terminal_escaped(rig):
    said = rig.run(b"request GET / --tenant \x1b[31mred\x07\x9b\xff")
    assert '"\\x1b[31mred\\x07\\x9b\\xff"' in said.text
    said = rig.run(b"\x1b]52;c;Zm9v\x07")
    assert "\\x1b]52;c;Zm9v\\x07" in said.text


# -- reading --

def test_every_reading_command_leaves_the_state_equal(rig):
    rig.ok("demo 300")
    lines = reading_lines(rig)
    assert {"status", "mem", "digest", "audit", "config show", "ratelimit status", "quota status",
            "gateway status", "clock", "version", "run list"} <= set(lines)
    before = rig.state()
    for line in [*lines, "explain GET /kernel/x --user me", "request GET /vmm/1 --dry-run"]:
        assert rig.run(line).status == 0, line
        assert rig.state() == before, line
        assert rig.run(f"{line} --json").status == 0, line
        assert rig.state() == before, line


def numbers(value):
    """Every number in parsed JSON, booleans aside."""
    if isinstance(value, dict):
        return [n for part in value.values() for n in numbers(part)]
    if isinstance(value, list):
        return [n for part in value for n in numbers(part)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


def test_every_json_answer_is_one_value_on_one_line(rig):
    rig.ok("demo 300")
    for line in [*reading_lines(rig), "explain GET /kernel/x", "request GET /kernel/x",
                 "request GET /kernel/x --explain", "demo 5"]:
        text = rig.ok(f"{line} --json")
        assert isinstance(json.loads(text), dict | list), line
        assert text.endswith(("}\n", "]\n")) and text.count("\n") == 1, line


@pytest.mark.parametrize("line", ["status", "mem", "digest", "clock", "audit 3", "config show",
                                  "gateway status", "ratelimit status", "quota status"])
def test_numbers_of_json_are_the_numbers_of_the_text(rig, line):
    rig.ok("demo 300")
    said = set(re.findall(r"\d+", rig.ok(line)))
    wanted = numbers(rig.json(line))
    if line == "audit 3":  # moments are written as dates there
        wanted = [record["id"] for record in rig.json(line)["records"]]
    missing = [n for n in wanted if str(n) not in said and n not in (0, 1)]
    unnamed = {"clock": 1, "config show": 6}.get(line, 0)  # dates, and rows that text leaves out
    assert len(missing) <= unnamed, missing


def test_mem_adds_up_to_the_whole_state(rig):
    mem = rig.json("mem")
    parts = sum(part["bytes"] for part in mem["parts"])
    assert parts < mem["state_bytes"] == rig.lib.ray_bytes() <= mem["budget_bytes"]
    rest = int(re.search(r"^the rest +(\d+) ", rig.ok("mem"), re.M)[1])
    assert parts + rest == mem["state_bytes"]
    tables = {table["part"]: table["bytes"] for table in mem["tables"]}
    whole = {part["part"]: part["bytes"] for part in mem["parts"]}
    limits = sum(size for name, size in tables.items() if name.startswith("ratelimit."))
    assert 0 < limits <= whole["ratelimit"]
    assert 0 < sum(tables.values()) - limits <= whole["gateway"]


def test_digests_are_those_of_the_core(rig):
    said = rig.json("digest")
    assert (said["decision"], said["state"], said["book"]) == rig.digests()
    assert said["config"] == rig.ok("config hash").strip()


# -- the caller's buffer --

@pytest.mark.parametrize("size", [0, 1, 64, 700, 5000, 20000])
def test_a_small_buffer_is_never_overrun(size):
    rig = Rig(config=rayos_blob(), out_bytes=max(size, 1))
    rig.out_bytes = size
    for line in ("help", "request GET /kernel/x --explain", "demo 20", "mem --json", "audit"):
        said = rig.run(line)
        assert len(said.text) <= size
        assert said.status in (0, TRUNCATED)
    assert rig.valid()


def test_a_new_machine_is_empty_and_valid():
    rig = Rig("tiny")
    assert rig.valid()
    assert rig.json("status")["offered"] == 0
    assert rig.ok("config check") == "every invariant of the running state holds\n"
    assert rig.json("request GET /")["reason"] == "no-route"
