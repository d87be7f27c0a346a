# SPDX-License-Identifier: MIT
"""The README's examples do what it says they do."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest

from host_sim.config import loads
from host_sim.kernel import Kernel

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.S | re.M)


@pytest.mark.parametrize("example", blocks("python"))
def test_python_examples_print_what_their_comments_say(example: str) -> None:
    expected = re.findall(r"^# (.*)$", example, re.M)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("example", blocks("toml"))
def test_configuration_examples_load_and_decide(example: str) -> None:
    kernel = Kernel(config=loads(example))
    answer = kernel.admit("/orders/7", method="GET", user="ann", tenant="acme", at_ns=10**9)
    assert (answer.verdict.name, answer.service, answer.route) == ("ALLOW", "orders", "orders")
    assert kernel.admit("/nowhere", at_ns=10**9).reason == "no-route"


def test_console_sessions_name_the_running_default_configuration() -> None:
    loaded = loads((ROOT / "examples/rayos.toml").read_bytes())
    assert f"configuration rayos, hash {loaded.hash}" in README


def test_every_command_line_tool_named_is_there() -> None:
    for command in sorted(set(re.findall(r"\bmake ([a-z]+)\b", README))):
        done = subprocess.run(
            ["make", "-n", command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"make {command}: {done.stderr}"
    named = set(re.findall(r"\braygate (check|replay|compile|shell|remote)\b", README))
    help_text = subprocess.run(
        [sys.executable, "-m", "host_sim.cli", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout
    assert all(name in help_text for name in named)
