# SPDX-License-Identifier: MIT
"""The serial console: editing, history, completion, noise; and the programs that drive it."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading

import pexpect
import pytest

from shell.machine import EXIT_CLEAN, ROOT, Machine
from shell.wire import DROP, PROMPT
from tests.image import vm

pytestmark = pytest.mark.qemu
UP, LEFT, HOME, DELETE, TAB = b"\x1b[A", b"\x1b[D", b"\x1b[H", b"\x1b[3~", b"\t"


@pytest.fixture
def console():
    """A machine at its prompt, nothing typed yet."""
    with vm.boot() as machine:
        yield machine
        if machine.machine.process.poll() is None:
            assert machine.poweroff().clean


def typed(console, keys):
    """What the console says from these keys to the next prompt of its own line."""
    console.wire.write(keys)
    said = console.wait_for(b"\n" + PROMPT, 10.0)
    return said.replace(b"\r", b"").decode("ascii")


def test_a_typed_line_is_echoed_and_answered(console):
    said = typed(console, b"version\r")
    assert said.startswith("version\nraygate ")


def test_a_line_can_be_edited(console):
    assert "raygate " in typed(console, b"verzion\x7f\x7f\x7f\x7fsion\r")
    assert "raygate " in typed(console, b"ersion" + HOME + b"v\r")
    assert "raygate " in typed(console, b"verXsion" + LEFT * 5 + DELETE + b"\r")
    assert "raygate " in typed(console, b"nonsense\x15version\r")


def test_history_brings_a_line_back(console):
    typed(console, b"version\r")
    typed(console, b"digest\r")
    assert "raygate " in typed(console, UP + UP + b"\r")


def test_tab_completes_commands_and_live_names(console):
    assert "decision digest" in typed(console, b"dig" + TAB + b"\r")
    service = console.json("gateway list")["services"][0]["name"]
    console.leave_raw()
    shown = typed(console, b"gateway show " + service[:3].encode() + TAB + b"\r")
    assert service in shown


def test_ctrl_c_drops_the_line(console):
    console.wire.write(b"poweroff" + DROP)
    console.wait_for(PROMPT, 5.0)
    assert "raygate " in typed(console, b"version\r")


def test_a_burst_longer_than_the_fifo_loses_nothing(console):
    lines = 40
    console.wire.write(b"version\r" * lines)
    for _ in range(lines):
        assert b"raygate " in console.wait_for(b"\n" + PROMPT, 10.0)


def test_what_is_typed_too_early_does_not_deafen_the_machine():
    vm.built()
    console = vm.Console((machine := Machine(vm.Boot())).serial, machine)
    with console:
        for _ in range(100):
            console.wire.write(b"x")        # long before the prompt, and until it is there
            if b"rayos> " in console.transcript:
                break
            console.receive(0.02)
        console.wait_for(PROMPT, 20.0)
        console.wire.write(DROP)
        console.wait_for(PROMPT, 5.0)
        assert "raygate " in typed(console, b"version\r")
        assert console.poweroff().clean


def test_a_line_without_end_is_refused_and_forgotten(console):
    console.wire.write(b"x" * 20000)
    said = typed(console, b"\r")
    assert "longer than 1024 bytes" in said
    assert "raygate " in typed(console, b"version\r")


def test_noise_changes_nothing_and_the_prompt_comes_back(console):
    before = console.run("digest")
    console.leave_raw()
    dice = random.Random(3)
    # Without Ctrl-A: raw mode and then Ctrl-D would be a reset that was asked for.
    noise = bytes(byte for byte in (dice.randrange(256) for _ in range(6000)) if byte != 1)
    console.wire.write(noise + b"\x1b\x1b" + DROP + DROP + b"version\r")
    console.wait_for(b"version\r\n", 30.0)
    assert b"raygate " in console.wait_for(b"\n" + PROMPT, 10.0)
    after = console.run("digest")
    assert before.split()[-3:] == after.split()[-3:]            # decision records, epoch
    assert [line for line in before.splitlines() if line.startswith("book")] == [
        line for line in after.splitlines() if line.startswith("book")]


def test_a_break_is_no_byte(console):
    console.wire.write(b"ver")
    console.wait_for(b"ver", 5.0)
    console.machine.monitor.execute("chardev-send-break", id="serial0")
    assert "raygate " in typed(console, b"sion\r")


def test_no_byte_from_outside_reaches_the_terminal(console):
    said = console.execute('request GET "/\\x1b[31m\\x07\\x9b" --user "a\\x00b"').text
    assert all(byte == "\n" or " " <= byte <= "~" for byte in said)


def run_console(keys, *options):
    """`python -m shell.console` with piped input."""
    return subprocess.run([sys.executable, "-m", "shell.console", *options], cwd=ROOT, input=keys,
                          capture_output=True, text=True, timeout=60, check=False)


def test_piped_input_runs_and_ends_with_zero():
    vm.built()
    done = run_console("version\n\n# a remark\nratelimit status\npoweroff\n")
    assert done.returncode == 0, done.stderr
    assert "rayos> version\nraygate " in done.stdout and "\r" not in done.stdout
    assert "rayos> ratelimit status\n" in done.stdout
    assert done.stdout.endswith("raygate: clean exit\n")


def test_piped_input_that_just_ends_powers_off():
    done = run_console("version\n")
    assert done.returncode == 0 and done.stdout.endswith("raygate: clean exit\n")


@pytest.mark.parametrize("keys", ["fault page\n", "fault panic\nversion\n"])
def test_a_machine_that_dies_gives_three(keys):
    done = run_console(keys)
    assert done.returncode == 3
    assert "raygate: stopped by a" in done.stdout + done.stderr


def test_reboot_in_piped_input_goes_on(console):
    done = run_console("demo 5\nreboot\nstatus\npoweroff\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("try: ") == 2


@pytest.fixture
def port(console):
    """The machine's serial line as a pyserial URL."""
    server = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def relay():
        peer, _ = server.accept()
        peer.settimeout(0.01)
        while not stop.is_set():
            try:
                data = peer.recv(4096)
                if not data:
                    break
                console.wire.write(data)
            except TimeoutError:
                pass
            peer.sendall(console.wire.read(0.0))
        peer.close()

    thread = threading.Thread(target=relay)
    thread.start()
    yield f"socket://127.0.0.1:{server.getsockname()[1]}"
    stop.set()
    thread.join()
    server.close()


def remote(port, *words, given=""):
    """`raygate remote PORT ...` as a process."""
    return subprocess.run([sys.executable, "-m", "host_sim", "remote", port, *words], cwd=ROOT,
                          input=given, capture_output=True, text=True, timeout=60, check=False)


def test_remote_exec_prints_the_answer(port):
    done = remote(port, "exec", "version")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("raygate ")


def test_remote_exec_of_a_refused_command_is_two(port):
    done = remote(port, "exec", "nonsense")
    assert done.returncode == 2 and done.stdout.startswith("error: ")


def test_remote_exec_leaves_the_commands_options_alone(port):
    done = remote(port, "exec", "status", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    done = remote(port, "exec", "request", "GET", "/kernel/version", "--user", "web", "--help")
    assert "Usage: raygate" not in done.stdout


def test_remote_exec_of_a_line_that_cannot_be_typed_is_two(port):
    done = remote(port, "exec", "version\x1b[31m")
    assert done.returncode == 2 and done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("exec", "poweroff"), ("run", "-")])
def test_remote_poweroff_is_a_clean_end_with_totals(console, port, words):
    done = remote(port, *words, given="poweroff\nversion\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "drained: nothing is admitted any more\noffered " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("configuration ")
    assert console.machine.wait(10.0) == EXIT_CLEAN


def test_remote_run_prints_a_transcript(port):
    done = remote(port, "run", "-", given="# two commands\nversion\ndigest\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("rayos> version\nraygate ")
    assert "rayos> digest\ndecision digest" in done.stdout


def test_remote_put_config_loads_over_the_console_line(port):
    done = remote(port, "put-config", "examples/web.toml")
    assert done.returncode == 0, done.stderr
    from host_sim.config import load

    assert load(ROOT / "examples/web.toml").hash in done.stdout


def test_remote_put_config_refuses_a_bad_file(port, tmp_path):
    (tmp_path / "bad.toml").write_text("[nonsense]\n")
    done = remote(port, "put-config", str(tmp_path / "bad.toml"))
    assert done.returncode == 2 and "nonsense" in done.stderr


def test_remote_reset_begins_anew(port):
    done = remote(port, "reset")
    assert done.returncode == 0 and "soft reset" in done.stdout


def test_remote_without_a_machine_is_three():
    assert remote("socket://127.0.0.1:1", "exec", "version").returncode == 3


@pytest.mark.parametrize(("keys", "code"), [(b"poweroff\r", 0), (b"\x1d", 0), (b"fault page\r", 3)])
def test_a_terminal_is_the_console_and_says_how_it_ended(keys, code):
    """On a pseudo terminal: raw keys in, the machine's bytes out; Ctrl-] leaves in good order."""
    vm.built()
    child = pexpect.spawn(sys.executable, ["-m", "shell.console"], cwd=str(ROOT), timeout=30)
    child.delaybeforesend = None
    child.expect_exact("rayos> ")
    child.send(b"dig\t\r")
    child.expect_exact("decision digest")
    child.expect_exact("rayos> ")
    child.send(b"\x03")                     # reaches the machine, does not end the program
    child.expect_exact("^C")
    child.expect_exact("rayos> ")
    child.send(keys)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code, child.before
