# SPDX-License-Identifier: MIT
"""The promise: a real log through the host and through the booted image, and the same bits.

Decision, state and book digest are compared, and every decision, for logs of every kind: host
names, addresses, rows out of order, durations with requests in flight, weights.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from host_sim.config import Config, load, loads
from host_sim.replay.engine import Options, Replay
from host_sim.replay.mapping import parse_maps
from host_sim.replay.source import Source
from tests.data import ROOT, data
from tests.image import vm

pytestmark = pytest.mark.qemu

SPANS = """
version = 1
[service.frontend]
timeout = "40ms"
[service.cartservice]
[service.currencyservice]
[tenant.shop]
[[identity]]
when = {}
tenant = "shop"
[[limit]]
name = "frontend"
scope = "service"
service = "frontend"
algorithm = "sliding_window"
rate = "20/s"
exact = true
[[limit]]
name = "currency"
scope = "service"
service = "currencyservice"
algorithm = "leaky_bucket"
rate = "40/s"
capacity = 20
queue = true
max_delay = "300ms"
[[quota]]
name = "minute"
tenant = "shop"
type = "requests"
limit = 12000
window = "1min"
enforcement = "hard"
"""

TOKENS = """
version = 1
[service.llm]
[[route]]
name = "all"
service = "llm"
path = { prefix = "/" }
[[limit]]
name = "tokens"
scope = "service"
service = "llm"
algorithm = "token_bucket"
rate = "300000/min"
burst = 100000
[[limit]]
name = "tighter"
scope = "service"
service = "llm"
algorithm = "token_bucket"
rate = "200000/min"
burst = 50000
mode = "shadow"
"""

JOURNEYS = {
    "web": ("web.toml", "web_day_1995.tsv.gz", Options()),
    "web-clamped": ("web.toml", "web_combined_2015.log.gz", Options(order="clamp")),
    "web-sorted": ("web.toml", "web_combined_2015.log.gz", Options(window=500)),
    "cloud": ("cloud.toml", "cloud_api_calls_2023.jsonl.gz", Options()),
    "spans": (SPANS, "microservice_spans_2022.csv.gz", Options()),
    "tokens": (TOKENS, "llm_tokens_2023.csv.gz",
               Options(maps=parse_maps(("weight=ContextTokens",)))),
}


@pytest.fixture(scope="module")
def link():
    """One image for all journeys: every replay begins with an empty core."""
    with vm.boot() as console:
        yield console.link
        assert console.poweroff().clean


def config_of(name: str) -> Config:
    return loads(name) if "\n" in name else load(ROOT / "examples" / name)


def summary_of(config: Config, log: str, options: Options, link=None):
    """What a replay tells but for its engine and its time, and every decision."""
    sink = io.BytesIO()
    with (
        Source(data("access-logs", log)) as source,
        Replay(config, source, options=options, decisions=sink) as run,
    ):
        summary = run.run_host() if link is None else run.run_image(link)
    told = summary.as_json()
    del told["engine"], told["elapsed_ns"], told["timeline"]["samples"]
    return told, sink.getvalue()


@pytest.mark.parametrize("journey", JOURNEYS)
def test_a_recorded_log_has_the_same_bits_on_both_machines(journey, link):
    name, log, options = JOURNEYS[journey]
    config = config_of(name)
    here, decisions_here = summary_of(config, log, options)
    there, decisions_there = summary_of(config, log, options, link)
    for digest in ("decision_digest", "state_digest", "book_digest", "config_hash"):
        assert here[digest] == there[digest], digest
    assert here == there
    assert decisions_here == decisions_there
    assert here["verdicts"]["deny"] > 0, "a journey on which nothing is refused proves little"
    assert len(decisions_here.splitlines()) == here["requests"]


def test_the_command_prints_the_same_digests_for_both_engines():
    vm.built()
    log, found = data("access-logs", "web_day_1995.tsv.gz"), []
    for engine in ("host", "image"):
        done = subprocess.run(
            [sys.executable, "-m", "host_sim", "replay", ROOT / "examples" / "web.toml", log,
             "--engine", engine], capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        found.append([line for line in done.stdout.splitlines() if " digest " in line
                      or line.startswith("configuration ")])
    assert found[0] == found[1]
    assert len(found[0]) == 4


def test_an_image_that_dies_is_code_3(tmp_path):
    """A replay of an image that ends in the middle says so and never passes by accident."""
    vm.built()
    script = (
        "import sys; from host_sim.commands import replay; from shell.console import Console\n"
        "boot = Console.boot.__func__\n"
        "def dying(cls, **options):\n"
        "    console = boot(cls, **options); link = console.link; real = link.rows_stream\n"
        "    def stream(batches):\n"
        "        for n, answers in enumerate(real(batches)):\n"
        "            if n == 3: console.machine.process.kill()\n"
        "            yield answers\n"
        "    link.rows_stream = stream\n"
        "    return console\n"
        "Console.boot = classmethod(dying)\n"
        "replay.command(sys.argv[1:])\n")
    done = subprocess.run(
        [sys.executable, "-c", script, ROOT / "examples" / "web.toml",
         data("access-logs", "web_day_1995.tsv.gz"), "--engine", "image"],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "the image failed" in done.stderr


def test_ctrl_c_ends_an_images_replay_in_order():
    """The terminal's SIGINT reaches QEMU too; it must not die of it."""
    vm.built()
    words = [sys.executable, "-m", "host_sim", "replay", ROOT / "examples" / "web.toml", "-",
             "--engine", "image", "--order", "clamp", "--json"]
    log = gzip.decompress(data("access-logs", "web_day_1995.tsv.gz").read_bytes())
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
                          stderr=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(log[: 1 << 20])
        child.stdin.flush()
        until = time.monotonic() + 60
        calls = pathlib.Path(f"/proc/{child.pid}/syscall")
        while not calls.read_text().startswith("0 0x0 ") and time.monotonic() < until:
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGINT)
        told = json.loads(child.stdout.read())
        assert child.wait(60) == 1, child.stderr
    assert told["interrupted"]
    assert told["requests"] > 1000
    assert len(told["decision_digest"]) == 32
