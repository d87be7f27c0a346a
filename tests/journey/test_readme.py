# SPDX-License-Identifier: MIT
"""The README's examples do what it says they do."""

from __future__ import annotations

import gzip
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from host_sim.config import loads
from host_sim.kernel import Kernel

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


PAGES = sorted((ROOT / "docs").glob("*.md"))


def blocks(language: str, text: str = README) -> list[str]:
    """A page's code blocks of a language, the README's unless another text is given."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


@pytest.mark.parametrize("example", blocks("python"))
def test_python_examples_print_what_their_comments_say(example: str) -> None:
    expected = re.findall(r"^# (.*)$", example, re.M)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("example", [block for page in PAGES
                                     for block in blocks("python", page.read_text())])
def test_python_examples_of_the_pages_run(folder: pathlib.Path, example: str) -> None:
    log = "time,ip,path\n" + "".join(f"{n},10.0.0.{n % 5},/\n" for n in range(50))
    (folder / "access.log.gz").write_bytes(gzip.compress(log.encode()))
    done = subprocess.run([sys.executable, "-c", example], cwd=folder, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout or "print(" not in example


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


def test_the_four_words_and_the_digest_of_both_machines_are_shown() -> None:
    """A replay with queues, policies and a bill; and the image's digest of it is the host's."""
    shown = "\n".join(blocks("console"))
    for part in ("Classes that waited", "Promises", "Policies", "Bill", "cost alerts", "\npolicy ",
                 "\npriority ", "\ncost "):
        assert part in shown, part
    replayed = next(block for block in blocks("console") if "raygate replay examples/shop" in block)
    digest = re.search(r"^decision digest  ([0-9a-f]{32})$", replayed, re.M)
    assert digest and f"decision digest       {digest[1]}" in shown


# -- console sessions: what is typed, and what comes of it -----------------------------------------

WALL = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
IMAGE_ONLY = re.compile(r"raygate \S+ on |raygate: clean exit")
HAS_QEMU = shutil.which("qemu-system-x86_64") is not None


def typed_and_said(block: str) -> list[tuple[str, list[str]]]:
    """Each `$ command` of a block with the lines under it; a block without one is a session."""
    if not block.startswith("$ "):
        typed = [line.removeprefix("rayos> ") for line in block.splitlines()
                 if line.startswith("rayos> ")]
        return [(f"printf '%s\\n' {shlex.join(typed)} | make -s run", block.splitlines())]
    rows: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            rows.append((line[2:], []))
        else:
            rows[-1][1].append(line)
    return rows


def timeless(line: str) -> str:
    """A line without its wall time: of a decision, and how long a replay took."""
    if line.startswith("  decision "):
        return WALL.sub("WHEN", line)
    return re.sub(r"^[\d,]+ lines/s, .* in all$", "N lines/s, T in all", line)


def pattern_of(lines: list[str]) -> str:
    """A regex of the lines: `...` is anything in its line, and as a line of its own any lines."""
    out = ""
    for line in lines:
        if line == "...":
            out += r"(?:.*\n)*?"
        else:
            out += ".*".join(re.escape(part) for part in timeless(line).split("...")) + r"\n"
    return out


def first_difference(lines: list[str], said: str) -> str:
    """The first line of the README that did not come, and what was printed."""
    held = 0
    while held < len(lines) and re.match(pattern_of(lines[: held + 1]), said):
        held += 1
    wrong = lines[held] if held < len(lines) else "(more lines than the README has)"
    return f"README: {wrong!r}\nprinted:\n{said}"


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A place where the README's paths are: the repository's, and the shared access logs."""
    for path in ROOT.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def sections(text: str = README) -> list[list[str]]:
    """The console blocks of each part of a page, in order: one reader types them one by one, and
    what a command wrote is there for the next."""
    found = [blocks("console", part) for part in re.split(r"^## ", text, flags=re.M)]
    return [part for part in found if part]


@pytest.mark.parametrize("part", sections(), ids=lambda part: part[0].splitlines()[0][:60])
def test_console_examples_print_what_the_readme_shows(
    folder: pathlib.Path, part: list[str]
) -> None:
    for command, lines in [row for block in part for row in typed_and_said(block)]:
        check_example(folder, command, lines)


def check_example(folder: pathlib.Path, command: str, lines: list[str]) -> None:
    """Types one command in `folder` and compares what it prints."""
    where = folder
    if "make -s run" in command:
        where = ROOT
        if not HAS_QEMU and " LOG=" in command:
            pytest.skip("the native shell replays no log before its prompt: this needs QEMU")
        if not HAS_QEMU:
            command = command.replace("make -s run", "make -s sim")
            lines = [line for line in lines if not IMAGE_ONLY.match(line)]
    done = subprocess.run(["bash", "-c", command], cwd=where, capture_output=True, text=True,
                          timeout=600, check=False, env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == 0, done.stderr
    printed = [timeless(line) for line in done.stdout.splitlines()
               if HAS_QEMU or not IMAGE_ONLY.match(line)]
    if lines and lines[0].startswith("rayos> ") and lines[0] in printed:
        printed = printed[printed.index(lines[0]):]         # a session begins at its prompt
    said = "".join(f"{line}\n" for line in printed)
    assert re.fullmatch(pattern_of(lines), said), first_difference(lines, said)


def test_a_console_example_that_is_not_so_is_found() -> None:
    said = "one\ntwo 2\nthree\nlast\n"
    assert re.fullmatch(pattern_of(["one", "two ...", "...", "last"]), said)
    assert re.fullmatch(pattern_of(["one", "...", "last", "..."]), said)
    for lines in (["one", "three", "..."], ["one", "..", "last"], ["one", "...", "two 2"],
                  ["one", "two ...", "last"], ["one", "two 2", "three"]):
        assert not re.fullmatch(pattern_of(lines), said)
    assert "'three'" in first_difference(["one", "three", "..."], said)
    assert timeless("  decision    0 at 2026-01-01T00:00:00.5Z, epoch 1") == (
        "  decision    0 at WHEN, epoch 1")
    assert timeless("  header 2026-01-01T00:00:00Z") == "  header 2026-01-01T00:00:00Z"
