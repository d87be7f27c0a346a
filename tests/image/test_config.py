# SPDX-License-Identifier: MIT
"""What is handed over at start is used when it is good, and said aloud when it is not."""

from __future__ import annotations

import pytest

from host_sim.config import load
from shell.machine import ROOT
from tests.image import vm

pytestmark = pytest.mark.qemu
RAYOS, OTHER = ROOT / "examples" / "rayos.toml", ROOT / "examples" / "web.toml"


@pytest.fixture(scope="module")
def blob(tmp_path_factory):
    """A compiled configuration that is not the frozen one."""
    path = tmp_path_factory.mktemp("blob") / "other.blob"
    path.write_bytes(load(OTHER).blob)
    return path


def started(**options):
    """Transcript up to the prompt and what the machine says of its configuration."""
    with vm.boot(**options) as console:
        said = console.json("version --machine")
        assert console.poweroff().clean
        return console.transcript.replace(b"\r", b"").decode(), said


@pytest.mark.parametrize("machine", ["microvm", "q35-qboot"])
def test_fw_cfg_configuration_decides(blob, machine):
    text, said = started(machine=machine, config=blob)
    assert said["config_hash"] == load(OTHER).hash
    assert said["config_source"] == "fw_cfg opt/raygate/config" and said["config_name"] == "other"
    assert "ALARM" not in text


@pytest.mark.parametrize("machine", ["microvm", "q35"])
def test_boot_module_decides_where_there_is_no_fw_cfg_item(blob, machine):
    _, said = started(machine=machine, module=blob.read_bytes())
    assert said["config_hash"] == load(OTHER).hash
    assert said["config_source"] == "boot module"


@pytest.mark.parametrize("bit", [0, 33, 100, 8 * 24 + 1, 8 * 2000 + 3])
def test_one_flipped_bit_is_refused_and_the_frozen_configuration_decides(blob, bit):
    text, said = started(config=vm.scratch_blob(blob, flip_bit=bit))
    assert "ALARM: configuration refused (fw_cfg opt/raygate/config): " in text
    assert said["config_hash"] == load(RAYOS).hash and said["config_source"] == "frozen"


@pytest.mark.parametrize("bad", [b"", b"RAYG", b"RAYG" + bytes(5000), b"\xff" * 70000])
def test_bytes_that_are_no_configuration_are_refused(bad):
    with vm.boot(config=bad) as console:
        assert console.json("version --machine")["config_source"] == "frozen"
        assert b"ALARM" in console.transcript
        assert console.poweroff().clean


def test_a_bad_item_leaves_the_word_to_the_module(blob):
    text, said = started(config=vm.scratch_blob(blob, flip_bit=500), module=blob.read_bytes())
    assert "ALARM" in text and said["config_source"] == "boot module"


def test_seed_and_wall_clock_are_taken_from_fw_cfg():
    with vm.boot(seed=bytes(range(16)), wall_ns=vm.WALL_NS) as console:
        said = console.json("clock")
        assert 0 <= said["unix_ns"] - vm.WALL_NS < 60_000_000_000
        assert console.json("version --machine")["entropy"] is True


def test_wall_clock_comes_from_the_rtc_otherwise():
    with vm.boot(extra=("-rtc", "base=2031-02-03T04:05:06")) as console:
        assert "2031-02-03T04:0" in console.run("clock")


def new_key(console):
    """A new API key as `auth key-add` shows it, and where its randomness came from."""
    text = console.run("auth key-add guest9 --role=user")
    console.run("confirm auth key-remove guest9")
    return next(word for word in text.split() if word.startswith("guest9."))


def test_keys_are_guessable_by_nobody_where_the_host_gives_entropy():
    host = bytes(range(48))
    with vm.boot(entropy=host, reboots=True) as console:
        assert console.json("auth status")["random"] == "machine"
        assert "random source" in console.run("version --machine")
        first = new_key(console)
        console.reboot()
        again = new_key(console)
    with vm.boot(entropy=host[::-1]) as console:
        other = new_key(console)
    assert len({first, again, other}) == 3


def test_a_given_seed_repeats_the_keys_too():
    keys = set()
    for _ in range(2):
        with vm.boot(seed=bytes(16), entropy=bytes(48)) as console:
            assert console.json("auth status")["random"] == "configuration"
            keys.add(new_key(console))
    assert len(keys) == 1
