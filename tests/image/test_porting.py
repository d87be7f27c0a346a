# SPDX-License-Identifier: MIT
"""The third port: small, built from its own file list, and a whole console."""

from __future__ import annotations

import subprocess

import pytest

from host_sim.config import load
from shell.machine import ROOT

PORT = ROOT / "examples" / "port-minimal"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The built port."""
    out = tmp_path_factory.mktemp("port") / "port-minimal"
    done = subprocess.run(["make", "-s", "-C", PORT, f"OUT={out}"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""                # no warnings
    return out


def test_port_is_under_a_hundred_lines():
    files = [path for path in PORT.iterdir() if path.is_file()]
    assert sum(len(path.read_text().splitlines()) for path in files) < 100


def test_port_runs_the_shell(program, tmp_path):
    config = load(ROOT / "examples" / "rayos.toml")
    (tmp_path / "rayos.blob").write_bytes(config.blob)
    done = subprocess.run([program, tmp_path / "rayos.blob"], input=b"version\rpoweroff\r",
                          capture_output=True, check=False, timeout=30)
    assert done.returncode == 0
    assert config.hash.encode() in done.stdout and b"drained" in done.stdout


def test_port_refuses_what_is_no_configuration(program, tmp_path):
    (tmp_path / "bad").write_bytes(b"RAYG" + bytes(100))
    done = subprocess.run([program, tmp_path / "bad"], capture_output=True, check=False, timeout=30)
    assert done.returncode == 2
