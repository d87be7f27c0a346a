# SPDX-License-Identifier: MIT
"""Under instruction count the image is deterministic to the byte, and says what the host says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shell.machine import ROOT
from tests.image import vm

pytestmark = pytest.mark.qemu
MARKER = "raygate: clean exit\n"
VIRTUAL = """\
clock virtual 2026-01-05T08:00:00Z
version
request GET /kernel/health --explain
demo 300
clock advance 90m
ratelimit status
quota status
gateway list
status
audit
digest
config show
help
nonsense
poweroff
"""
LIVE = "clock\nversion --machine\nmem\ndemo 50\nrun demo\nstatus --json\npoweroff\n"
SIM = ROOT / "build" / "raygate-sim"


@pytest.mark.parametrize(("machine", "runs"), [("microvm", 4), ("q35", 2)])
def test_transcript_is_the_same_in_every_run(machine, runs):
    said = {vm.script(LIVE, machine=machine) for _ in range(runs)}
    assert len(said) == 1
    text = said.pop()
    assert text.count("rayos> ") >= LIVE.count("\n") and text.endswith(MARKER)


def test_virtual_time_makes_every_machine_say_the_same():
    said = {vm.script(VIRTUAL, machine=machine) for machine in ("microvm", "q35", "q35-qboot")}
    assert len(said) == 1


def test_transcript_is_the_hosts(tmp_path):
    made = subprocess.run(["make", "-s", str(SIM.relative_to(ROOT))], cwd=ROOT, check=False,
                          capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    (tmp_path / "script.ray").write_text(VIRTUAL)
    host = subprocess.run(
        [SIM, "--frozen", ROOT / "build/frozen/rayos.blob", "--scripts", ROOT / "boot/frozen",
         "--script", tmp_path / "script.ray", "--seed", "00" * 16],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert vm.script(VIRTUAL).removesuffix(MARKER) == host.stdout


def test_the_console_prints_a_script_once_and_as_the_host_does(tmp_path):
    """As a person runs it: no seed is given, so both leave it to the configuration."""
    (tmp_path / "script.ray").write_text(VIRTUAL)
    image = subprocess.run(
        [sys.executable, "-m", "shell.console", "--icount", "--script", tmp_path / "script.ray"],
        cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    host = subprocess.run(
        [SIM, "--frozen", ROOT / "build/frozen/rayos.blob", "--scripts", ROOT / "boot/frozen",
         "--script", tmp_path / "script.ray"],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert image.returncode == 0, image.stderr
    assert image.stdout.removesuffix(MARKER) == host.stdout


def test_a_month_of_virtual_time_passes_in_one_line():
    said = vm.script("clock virtual 2026-01-05T08:00:00Z\nclock advance 720h\nclock\npoweroff\n")
    assert "2026-02-04T08:00:00Z" in said


def test_a_script_that_does_not_power_off_ends_at_the_prompt():
    with vm.boot(script="version\n") as console:
        text = console.transcript.replace(b"\r", b"").decode()
        assert text.startswith("rayos> version\nraygate ")
        assert text.count("try: ") == 1 and text.endswith("rayos> ")
        assert console.poweroff().clean


def test_a_fault_in_a_script_is_no_clean_end():
    with vm.boot(script="fault panic\npoweroff\n") as console:
        said, ended = vm.end(console)
    assert ended.code == vm.PANIC and MARKER not in said
