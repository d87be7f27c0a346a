# SPDX-License-Identifier: MIT
"""Every command of the phase documents answers, in the image and on the host alike."""

import json
import re
import subprocess

import pytest

from host_sim.commands.shell import command_line
from host_sim.errors import UsedError
from shell.console import PROMPT, Console
from shell.link import Link
from shell.wire import FdWire

# The subcommands of the phase documents, with words that name something in examples/rayos.toml.
SEED = {
    "gateway": ["status", "list", "show kernel", "show vmm", "test GET /kernel/health", "help"],
    "ratelimit": ["status", "buckets", "reset kernel-total", "help"],
    "quota": ["status", "allocations", "usage", "help"],
    "auth": ["status", "list", "show demo", "test kernel", "help"],
    "mediator": ["status", "list", "show health", "test health {}",
                 "convert health {}", "help"],
    "lb": ["pool-add seats", "add seats 10.0.0.1:80", "status", "list", "show seats",
           "test seats", "help"],
    "resilience": ["status", "list", "show kernel", "test kernel", "help"],
    "apimon": ["status", "list", "show kernel", "test 503", "help"],
    "priority": ["queues", "sla", "stats", "help"],
    "policy": ["list", "status", "rules", "help"],
    "cost": ["status", "tenants", "services", "help"],
    "governance": ["metrics", "alerts", "export", "help"],
}


@pytest.fixture(scope="module", params=["native", pytest.param("image", marks=pytest.mark.qemu)])
def console(request):
    if request.param == "image":
        from tests.image import vm

        with vm.boot(seed=bytes(16)) as booted:
            yield booted
            assert booted.poweroff().clean
        return
    words = command_line(seed="00" * 16)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as child:
        native = Console(FdWire(child.stdout.fileno(), child.stdin.fileno()))
        native.wait_for(PROMPT, 10)
        yield native
        native.execute("poweroff")
        assert child.wait(10) == 0


def test_a_pool_stays_while_a_service_is_bound_to_it(console):
    for line in ("lb pool-add bound", "lb add bound 10.0.0.1:80", "lb bind kernel bound"):
        assert not console.run(line).startswith("error"), line
    with pytest.raises(UsedError, match='this pool serves: "kernel"; say lb bind'):
        console.run("confirm lb pool-remove bound")
    assert console.run("lb bind kernel").endswith("served by no pool\n")
    assert console.run("confirm lb pool-remove bound") == "bound: gone\n"


def test_modules_initialise(console):
    parts = [part["part"] for part in console.json("mem")["parts"]]
    assert parts[:3] == ["gateway", "ratelimit", "quota"]
    assert console.run("config check") == "every invariant of the running state holds\n"
    status = console.json("status")
    assert (status["offered"], status["seq"], status["inflight"]) == (0, 0, 0)
    assert status["broken_invariant"] == 0
    for word in parts[:3]:
        said = console.json(f"{word} status")
        counts = {key: value for key, value in said.items()
                  if re.search(r"asked|granted|denied|errors", key)}
        assert len(counts) >= 4 and set(counts.values()) == {0}, (word, said)


@pytest.mark.parametrize("word", SEED)
def test_shell_command_dispatch(console, word):
    console.run("demo 20")   # so that monitoring has seen every service
    for rest in SEED[word]:
        answer = console.execute(f"{word} {rest}")
        assert answer.status == 0, answer
        assert answer.text.strip()


def test_every_reading_command_answers_in_json(console):
    console.run("demo 200")
    for command in console.json("help")["commands"]:
        for sub in command["subcommands"]:
            if sub["reads"] and not re.sub(r"\[[^]]*\]", "", sub["usage"]).strip(" ."):
                line = f"{command['command']} {sub['word']}".strip()
                assert isinstance(console.json(line), dict | list), line


def test_wrong_words_are_named_with_the_nearest_right_one(console):
    answer = console.execute("ratelimt status")
    assert answer == (-2, 'error: no such command: "ratelimt"; did you mean "ratelimit"?\n')
    answer = console.execute("quota alocations")
    assert answer.status == -2 and 'did you mean "allocations"?' in answer.text


def test_request_shows_its_journey(console):
    text = console.run("request GET /kernel/version --user web --explain")
    for stage in ("gateway", "ratelimit", "quota", "verdict"):
        assert re.search(rf"^{stage} ", text, re.M), text
    said = json.loads(console.run("request GET /kernel/version --user web --json"))
    assert said["route"] == "kernel" and said["verdict"] in ("allow", "deny")


def test_demo_fills_the_numbers(console):
    before = console.json("status")["offered"]
    console.run("demo 1000")
    assert console.json("status")["offered"] == before + 1000
    assert console.json("ratelimit status")["asked"] > 900


def test_no_byte_but_printable_ones_and_line_feeds(console):
    for line in ("help", "gateway list", "quota export", "audit 5", "request GET /\xff\x9b"):
        text = console.execute(line).text
        assert set(text) <= {chr(c) for c in range(0x20, 0x7f)} | {"\n"}


def test_soft_reset_empties_the_counters_and_keeps_the_configuration(console):
    config = console.run("config hash")
    console.run("demo 10")
    console.soft_reset()
    assert console.json("status")["offered"] == 0
    assert console.run("config hash") == config


def test_the_consoles_own_line_can_carry_the_machine_link(console):
    assert console.execute("version").status == 0
    console.wire.write(b"link\r")
    console.wait_for(b"\x04>", 5)
    link = Link(console.wire)
    assert link.run("config hash") == (0, link.greeting.config_hash + "\n")
    link.leave()
    assert console.execute("config hash").text == link.greeting.config_hash + "\n"
