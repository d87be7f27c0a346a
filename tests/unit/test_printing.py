# SPDX-License-Identifier: MIT
"""No byte from a file, a log, a name or a machine reaches a terminal but 0x20 to 0x7e."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest
from click.testing import CliRunner

from host_sim.cli import main
from host_sim.config import ConfigError, loads
from host_sim.printing import json_text, printable, printable_lines
from tests.configs import HEAD, route
from tests.replaying import busy_log

EVIL = "\x1b]52;c;eA==\x07\x9b31m\u202e\x7f"
SHOWN = r"\x1b]52;c;eA==\x07\x9b31m\u202e\x7f"
TOML = json.dumps(EVIL).replace("\x7f", "\\u007f")
TEST = (f'[[test]]\nname = {TOML}\nrequest = {{ path = "/b" }}\n'
        'expect = { verdict = "deny", by = "a" }\n')
BAD = [
    f"version = 1\ntimezone = {TOML}\n",
    f"version = 1\n{TOML} = 1\n",
    f"version = 1\n[{TOML}]\n",
    f"version = 1\n[service.{TOML}]\n",
    f"version = 1\n[service.a]\n{TOML} = 1\n",
    HEAD + f'[[limit]]\nname = "x"\nscope = "user"\nrate = {TOML}\n',
    HEAD + f'[[limit]]\nname = "x"\nscope = {TOML}\nrate = "1/s"\n',
    HEAD + f'[[route]]\nname = "r"\nservice = {TOML}\npath = {{ prefix = "/" }}\n',
]


def is_plain(text: str) -> bool:
    return all(" " <= char <= "~" or char == "\n" for char in text)


def test_everything_but_0x20_to_0x7e_is_spelled_out():
    assert printable(EVIL) == SHOWN
    assert printable("a\nb\tc") == r"a\x0ab\x09c"
    assert printable("a ~\u00e9\u20ac\U0001f600") == r"a ~\xe9\u20ac\U0001f600"
    assert printable(os.fsdecode(b"\x9b31m")) == r"\x9b31m"
    assert printable_lines("\x1b\n\x9b\n") == "\\x1b\n\\x9b\n"
    assert is_plain(json_text(EVIL)) and json.loads(json_text(EVIL)) == EVIL


@pytest.fixture
def raygate(tmp_path, monkeypatch):
    """`raygate ...` in an empty folder: exit code and everything it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, list(words), color=True)
        return done.exit_code, done.output

    return run


@pytest.mark.parametrize("text", BAD)
def test_findings_spell_out_what_a_file_holds(raygate, tmp_path, text):
    (tmp_path / "c.toml").write_text(text)
    (tmp_path / "a.log").write_bytes(busy_log(3))
    for words in (("check", "c.toml"), ("compile", "c.toml", "-o", "out"),
                  ("replay", "c.toml", "a.log"), ("check", "c.toml", "--json")):
        code, said = raygate(*words)
        assert code == 2 and is_plain(said), ascii(said)
        if "--json" not in words:
            assert "x1b]52;c;eA==" in said
    with pytest.raises(ConfigError) as error:      # what remote put-config and the console print
        loads(text)
    assert is_plain(str(error.value))


def test_names_of_expectations_and_files_are_spelled_out(raygate, tmp_path):
    name = EVIL + ".toml"
    (tmp_path / name).write_text(HEAD + route(path='{ exact = "/a" }') + TEST)
    code, said = raygate("check", name, "--tests")
    assert code == 1 and is_plain(said), ascii(said)
    assert f"FAIL  {SHOWN}\n" in said and f"{SHOWN}.toml: fine" in said
    code, said = raygate("compile", name, "-o", EVIL)
    assert code == 0 and said.startswith(f"{SHOWN}: ") and is_plain(said)
    (tmp_path / "a.log").write_bytes(busy_log(3))
    (tmp_path / EVIL / "x").parent.unlink()
    code, said = raygate("replay", name, "a.log")
    assert code == 0 and is_plain(said) and f"{SHOWN}.toml" in said


@pytest.mark.parametrize("words", [
    ("check", EVIL), ("compile", EVIL, "-o", "x"), ("replay", EVIL, "a"), (EVIL,),
    ("--" + EVIL,), ("check", "--" + EVIL), ("check", "x", "--profile", EVIL),
    ("replay", "c.toml", "a", "--format", EVIL), ("replay", "c.toml", EVIL),
    ("replay", "c.toml", "a", "--map", EVIL),
])
def test_words_that_are_refused_are_spelled_out(raygate, tmp_path, words):
    (tmp_path / "c.toml").write_text(HEAD)
    (tmp_path / "a").write_text("nothing")
    code, said = raygate(*words)
    assert code == 2 and is_plain(said), ascii(said)
    assert "x1b]52" in said


def test_a_terminal_and_a_pipe_are_shown_the_same(tmp_path):
    (tmp_path / "c.toml").write_text(BAD[0])
    words = [sys.executable, "-m", "host_sim", "check", "c.toml"]
    piped = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).stdout
    terminal, end = pty.openpty()
    with subprocess.Popen(words, cwd=tmp_path, stdout=end, stderr=end) as child:
        os.close(end)
        seen = b""
        while part := _some(terminal):
            seen += part
        assert child.wait() == 2
    os.close(terminal)
    assert seen.replace(b"\r\n", b"\n") == piped
    assert SHOWN.encode() in piped


def _some(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:                                # how a terminal whose other end closed ends
        return b""
