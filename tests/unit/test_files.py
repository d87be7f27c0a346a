# SPDX-License-Identifier: MIT
"""Files of the host: keys are read with a bound, kept for their owner, a full disk is said."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from host_sim.config.files import read_bounded, write_blob
from host_sim.config.keys import FILE_MAX, BadKey, read
from host_sim.config.model_auth import KeyFrom
from tests.data import ROOT

EXAMPLE = ROOT / "examples" / "web.toml"


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_compiled_configuration_is_for_its_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        write_blob(tmp_path / "new.blob", b"abc")
        (tmp_path / "old.blob").write_bytes(b"was readable by all, and longer")
        write_blob(tmp_path / "old.blob", b"abc")
    finally:
        os.umask(before)
    for path in tmp_path.iterdir():
        assert (path.read_bytes(), mode_of(path)) == (b"abc", 0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.blob", "old.blob"]


def test_what_cannot_be_written_leaves_the_old_bytes_and_nothing_else(tmp_path):
    with pytest.raises(OSError):
        write_blob(tmp_path / "no" / "such.blob", b"abc")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_blob(tmp_path / "folder", b"abc")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_key_file_is_regular_and_bounded(tmp_path):
    (tmp_path / "key").write_bytes(b"k" * 32 + b"\n")
    assert read(KeyFrom(file="key"), tmp_path) == b"k" * 32
    (tmp_path / "large").write_bytes(bytes(FILE_MAX + 1))
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("large", "it has more than 65536 bytes"), ("pipe", "it is no regular file"),
                      ("/dev/zero", "it is no regular file"), ("none", "No such file")):
        with pytest.raises(BadKey, match=f"^cannot read {name}: {why}"):
            read(KeyFrom(file=name), tmp_path)
    assert len(read_bounded(tmp_path / "large", FILE_MAX + 1)) == FILE_MAX + 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("words", [["--help"], ["check", str(EXAMPLE)],
                                   ["simulate", "lose-one-of-n"]])
def test_a_full_disk_is_an_error_in_one_line(words):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "host_sim", *words], cwd=ROOT, stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "Error: cannot write the output: No space left on device\n"


@pytest.mark.parametrize(("words", "said"), [([], True), (["-s"], False), (["-s", "-j2"], False),
                                             (["-j2", "V=s"], False)])
def test_make_says_what_it_builds_unless_told_not_to(words, said):
    done = subprocess.run(["make", "-n", "-B", *words, "build/raygate-sim"], cwd=ROOT, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0
    assert ("printf '  %-7s %s" in done.stdout) is said
