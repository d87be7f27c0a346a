# SPDX-License-Identifier: MIT
"""Ctrl-C before anything is known: one sentence and one exit code, whichever command it is."""

import contextlib
import pkgutil
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from host_sim import commands
from host_sim.cli import main
from host_sim.commands_support import Interrupt
from tests.data import ROOT
from tests.unit.test_replay_command import wait_until_it_reads

CONFIG, TIGHTER, LOG = (str(ROOT / "examples" / name)
                        for name in ("shop.toml", "shop-tighter.toml", "shop.csv"))
SAID = "error: interrupted before anything was known\n"
EVERY = [
    ("replay", CONFIG, LOG),
    ("plan", CONFIG, TIGHTER, "--log", LOG),
    ("explain", CONFIG, LOG, "--line", "287"),
    ("explain", CONFIG, LOG, "--seq", "9"),
    ("recommend", "--log", LOG, "--deny-at-most", "1000"),
    ("sweep", CONFIG, "--log", LOG, "--vary", "queue.service.orders.servers=1,2"),
    ("simulate", "retry-storm"),
]


@pytest.mark.parametrize("words", EVERY, ids=lambda words: words[0])
def test_at_the_first_step(words, monkeypatch):
    armed = Interrupt.armed

    @contextlib.contextmanager
    def pressed(self, work=None):
        with armed(self, work):
            self._handle()
            yield

    monkeypatch.setattr(Interrupt, "armed", pressed)
    got = CliRunner().invoke(main, [*words])
    assert (got.exit_code, got.stdout, got.stderr) == (130, "", SAID)


@pytest.mark.parametrize("name", [found.name for found in pkgutil.iter_modules(commands.__path__)])
def test_while_a_command_is_loaded(name, monkeypatch):
    def loading(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("host_sim.cli.importlib.import_module", loading)
    got = CliRunner().invoke(main, [name])
    assert (got.exit_code, got.stdout, got.stderr) == (130, "", SAID)


@pytest.mark.parametrize("words", [
    ("replay", CONFIG, "-"), ("plan", CONFIG, TIGHTER, "--log", "-"),
    ("explain", CONFIG, "-", "--line", "1"),
], ids=lambda words: words[0])
def test_while_standard_input_is_waited_for(words):
    with subprocess.Popen([sys.executable, "-m", "host_sim", *words], cwd=ROOT, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as child:
        wait_until_it_reads(child.pid)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (130, "", SAID)
