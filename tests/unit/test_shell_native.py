# SPDX-License-Identifier: MIT
"""The native port: pipes, terminals, scripts, signals, and what it says about bad usage."""

import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest
from click.testing import CliRunner

from host_sim.commands.shell import command, command_line, program
from tests.shell_rig import ROOT, rayos_blob

PROMPT = "rayos> "


def run(words, typed="", **options):
    done = subprocess.run(words, input=typed.encode(), capture_output=True, timeout=60, **options)
    return done.returncode, done.stdout.decode("ascii").replace("\r", ""), done.stderr.decode()


@pytest.fixture(scope="module")
def words():
    return command_line(seed="00" * 16)


def test_piped_lines_are_a_session(words):
    code, said, _ = run(words, "config hash\nfoo\npoweroff\n")
    assert code == 0
    assert said.count(PROMPT) == 3
    assert 'no such command: "foo"' in said
    assert "drained: nothing is admitted any more" in said


def test_a_piped_line_is_echoed_once_however_long(words):
    line = "request GET /kernel/health --user " + "a" * 80
    code, said, _ = run(words, f"{line}\nversion --machine\npoweroff\n")
    assert code == 0 and said.count(PROMPT) == 3
    assert f"{PROMPT}{line}\nallow (200), ok\n" in said
    assert re.search(r"^entropy +given: the hash seed was an input", said, re.M)


def test_the_end_of_input_drains_too(words):
    code, said, _ = run(words, "request GET /kernel/x\n")
    assert code == 0 and re.search(r"^in flight +0$", said, re.M)
    assert re.search(r"^granted +1$", said, re.M)


def test_a_script_prints_prompt_line_and_answer_and_ends_with_the_worst(words, tmp_path):
    script = tmp_path / "a.ray"
    script.write_text("# nothing\n\nclock virtual 2026-01-01\nconfig hash\n")
    code, said, _ = run([*words, "--script", script])
    assert code == 0
    assert said.startswith(
        "rayos> clock virtual 2026-01-01\nvirtual clock at 2026-01-01T00:00:00Z\n"
        "rayos> config hash\n"
    )
    script.write_text("nonsense\nconfig hash")
    code, said, _ = run([*words, "--script", script])
    assert (code, said.count(PROMPT)) == (1, 2)


def test_scripts_say_the_same_in_every_run(words, tmp_path):
    script = tmp_path / "a.ray"
    script.write_text("clock virtual 2026-01-01\ndemo 500\nstatus\ndigest\naudit 50\npoweroff\n")
    said = {run([*words, "--script", script])[1] for _ in range(5)}
    assert len(said) == 1 and "state digest" in said.pop()


@pytest.mark.parametrize(("more", "says"), [
    (["--bogus"], "usage: raygate-sim"), (["--seed"], "usage: raygate-sim"),
    (["--seed", "xyz"], "32 hexadecimal digits"), (["--config", "/nowhere"], "/nowhere: No such"),
    (["--script", "/nowhere"], "/nowhere: No such"),
])
def test_bad_usage_is_two_and_said(more, says):
    code, said, complaint = run([str(program()), *more])
    assert (code, said) == (2, "")
    assert says in complaint


def test_a_configuration_with_a_flipped_bit_is_refused(tmp_path):
    blob = bytearray(rayos_blob())
    blob[len(blob) // 2] ^= 4
    (tmp_path / "bad.blob").write_bytes(blob)
    code, _, complaint = run([str(program()), "--config", str(tmp_path / "bad.blob")])
    assert code == 2 and "is refused: checksum" in complaint


def test_no_configuration_is_an_empty_machine():
    code, said, _ = run([str(program())], "request GET /\npoweroff\n")
    assert code == 0 and "deny (404), no-route" in said


def test_a_file_that_does_not_hold_is_named_by_line(tmp_path):
    (tmp_path / "bad.toml").write_text("version = 1\n[servce.x]\n")
    done = CliRunner().invoke(command, [str(tmp_path / "bad.toml")])
    assert done.exit_code == 2
    assert "bad.toml:2:" in done.output


def test_termination_drains(words):
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline().startswith(b"raygate ")
        child.send_signal(signal.SIGTERM)
        said = child.communicate(timeout=10)[0]
        assert child.returncode == 0 and b"drained" in said


class Terminal:
    """A pseudo-terminal with the shell behind it."""

    def __init__(self, words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execv(words[0], words)
        self.said = ""
        self.wait_for(PROMPT)

    def wait_for(self, what, seconds=10):
        until, seen = time.monotonic() + seconds, len(self.said)
        while what not in self.said[seen:]:
            assert time.monotonic() < until, self.said[-500:]
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.said += os.read(self.fd, 65536).decode("ascii")
                except OSError:
                    self.said += "<end>"
        return self.said[seen:]

    def type(self, keys, what=PROMPT):
        os.write(self.fd, keys)
        return self.wait_for(what)


def test_a_terminal_gets_history_completion_and_its_own_interrupt_key(words):
    terminal = Terminal(words)
    first = terminal.type(b"config ha\t\r", "\r\n" + PROMPT)
    assert re.search(r"\r\n[0-9a-f]{64}\r\n", first)
    assert "config hash" in terminal.type(b"\x1b[A\r", "\r\n" + PROMPT)
    assert "^C" in terminal.type(b"half a li\x03", "\r\n" + PROMPT)
    assert "drained" in terminal.type(b"poweroff\r", "<end>")
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == 0
