# SPDX-License-Identifier: MIT
"""The image starts on every machine, says what it is, and ends in exactly one way."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from host_sim.config import load
from shell.machine import EXIT_CLEAN, IMAGE, ISO, ROOT, UEFI, UEFI_CODE
from shell.wire import ImageError
from tests.image import vm

pytestmark = pytest.mark.qemu
NAMES = {"microvm": "QEMU microvm, TCG", "q35": "QEMU q35, TCG", "q35-qboot": "QEMU q35, TCG"}
FROZEN = ROOT / "examples" / "rayos.toml"


@pytest.mark.parametrize("machine", list(NAMES))
def test_reaches_the_prompt_and_powers_off_cleanly(machine):
    with vm.boot(machine=machine) as console:
        said = console.json("version --machine")
        assert said["machine"] == NAMES[machine]
        assert said["config_hash"] == load(FROZEN).hash
        assert said["config_source"] == "frozen"
        assert said["memory_bytes"] <= 48 << 20
        assert console.poweroff().clean


def test_banner_names_version_configuration_machine_and_commands_to_try():
    with vm.boot() as console:
        banner = console.transcript.decode()
        assert console.json("version")["version"] in banner
        assert load(FROZEN).hash[:16] in banner and "microvm" in banner
        assert banner.count("|") >= 2 and banner.endswith("rayos> ")


@pytest.mark.parametrize("machine", ["iso-bios", "iso-uefi"])
def test_iso_boots_to_the_frozen_configuration(machine):
    if shutil.which("grub-mkrescue") is None:
        pytest.skip("grub-mkrescue is not installed (apt-get install grub-common xorriso mtools)")
    if machine == "iso-uefi" and not any(Path(p).exists() for p in UEFI + UEFI_CODE):
        pytest.skip("no UEFI firmware is installed (apt-get install ovmf)")
    vm.built("iso")
    assert ISO.stat().st_size <= 6 << 20
    with vm.boot(machine=machine, timeout_s=90.0) as console:
        said = console.json("version --machine")
        assert said["config_hash"] == load(FROZEN).hash
        assert console.run("demo 100")
        assert console.poweroff(20.0).clean


def test_iso_can_carry_a_configuration_as_a_module(tmp_path):
    if shutil.which("grub-mkrescue") is None:
        pytest.skip("grub-mkrescue is not installed (apt-get install grub-common xorriso mtools)")
    vm.built()
    other = load(ROOT / "examples" / "web.toml")
    (tmp_path / "web.blob").write_bytes(other.blob)
    made = ["sh", "boot/mkiso.sh", IMAGE, tmp_path / "web.iso", tmp_path / "web.blob"]
    subprocess.run(made, cwd=ROOT, check=True)
    with vm.boot(machine="iso-bios", iso=tmp_path / "web.iso", timeout_s=90.0) as console:
        said = console.json("version --machine")
        assert said["config_hash"] == other.hash and said["config_source"] == "boot module"
        assert console.poweroff(20.0).clean


def test_fits_its_budget_and_carries_no_symbols():
    vm.built()
    assert IMAGE.stat().st_size <= 384 << 10
    listed = subprocess.run(["nm", IMAGE], capture_output=True, text=True, check=False)
    assert listed.stdout == ""


def test_builds_bit_for_bit_the_same_in_another_place(tmp_path):
    vm.built()
    command = ["make", "-s", "-f", "boot/boot.mk", "image", f"BUILD={tmp_path}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    again = (tmp_path / "raygate.elf").read_bytes()
    assert hashlib.sha256(again).digest() == hashlib.sha256(IMAGE.read_bytes()).digest()


def test_runs_the_demo_in_48_mib():
    with vm.boot(memory_mib=48) as console:
        console.run("demo 1000")
        assert console.json("status")["offered"] >= 1000
        assert console.poweroff().clean


def test_too_little_memory_is_a_panic_that_says_so():
    with vm.boot(memory_mib=48) as console:
        console.poweroff()
    with pytest.raises(ImageError, match="not enough RAM"):
        vm.boot(memory_mib=16)


@pytest.mark.parametrize("machine", ["microvm", "q35"])
def test_powers_off_by_acpi_where_there_is_no_debug_exit(machine):
    with vm.boot(machine=machine, debug_exit=False) as console:
        ended = console.poweroff()
    assert ended.marker and ended.code == 0
    assert not ended.clean                  # code 0 is also what a triple fault gives


@pytest.mark.parametrize("machine", ["microvm", "q35"])
def test_reboot_comes_back_with_an_empty_core(machine):
    with vm.boot(machine=machine, reboots=True) as console:
        console.run("demo 10")
        assert console.json("status")["offered"] >= 10
        assert "restarting" in console.reboot()
        assert console.json("status")["offered"] == 0
        assert console.poweroff().clean


def test_a_reset_nobody_asked_for_is_not_a_clean_end():
    with vm.boot() as console:
        with pytest.raises(ImageError):
            console.reboot()                # -no-reboot: QEMU ends instead, with code 0
        assert not console.ended().clean
    assert EXIT_CLEAN == 33


def test_an_idle_machine_halts():
    with vm.boot() as console:
        console.run("version")
        asked = (console.machine.monitor.execute(
            "human-monitor-command", **{"command-line": "info registers"}) for _ in range(50))
        assert any("HLT=1" in said for said in asked)
        assert console.poweroff().clean


@pytest.mark.parametrize("clock", ["hpet", "pit"])
def test_other_clocks_measure_the_same_rate(clock):
    """Where no hypervisor is known the HPET or the PIT is the reference."""
    with vm.boot(machine="q35") as console:
        reference = console.json("version --machine")["clock_hz"]
    with vm.boot(machine="q35", command_line=f"clock={clock}") as console:
        said = console.json("version --machine")
    assert said["clock"].lower() == clock
    assert abs(said["clock_hz"] - reference) * 100 < reference
