# SPDX-License-Identifier: MIT
"""What a law is: a name, a sentence, and a function from a source tree to findings."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence

Path = pathlib.Path

# Directories that hold nothing anybody wrote.
MADE = {
    ".git", ".venv", "build", "dist", "_ext", "__pycache__", ".hypothesis", ".pytest_cache",
    ".mypy_cache", ".ruff_cache",
}
PROFILES = ("seed", "edge", "tiny")
CODE = {".c", ".h", ".S", ".py"}


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """One place where a law is broken."""

    path: str
    line: int
    law: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.law}: {self.text}"


Place = tuple[str, int, str]  # path, line (0: the whole file), what is wrong there
Check = Callable[[Path], Iterable[Place]]


@dataclasses.dataclass(frozen=True)
class Law:
    """A named check."""

    name: str
    sentence: str
    check: Check

    def findings(self, root: Path) -> list[Finding]:
        """Everything the law finds in the tree, sorted."""
        try:
            places = list(self.check(root))
        except Exception as error:  # a tree that cannot be judged breaks the law, it does not pass
            places = [("tests/tidy/", 0, f"cannot judge: {type(error).__name__}: {error}")]
        return sorted(Finding(path, line, self.name, text) for path, line, text in places)


LAWS: dict[str, Law] = {}


def law(name: str, sentence: str) -> Callable[[Check], Check]:
    """Registers a check under a name."""

    def register(check: Check) -> Check:
        LAWS[name] = Law(name, sentence, check)
        return check

    return register


def written(root: Path, *suffixes: str, under: Sequence[str] = ("",)) -> Iterator[Path]:
    """Files somebody wrote, in a fixed order; all of them when no suffix is given."""
    for top in under:
        for folder, inner, names in os.walk(root / top):
            inner[:] = sorted(d for d in inner if d not in MADE and not d.endswith(".egg-info"))
            for name in sorted(names):
                path = Path(folder, name)
                if not path.is_symlink() and (not suffixes or path.suffix in suffixes):
                    yield path


def relative(root: Path, path: Path) -> str:
    """The name a finding prints."""
    return path.relative_to(root).as_posix()


def text_of(path: Path) -> str:
    """A file's text; bytes that are no UTF-8 stay visible as replacements."""
    return path.read_text(encoding="utf-8", errors="replace")


def run(root: Path, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a tool at the tree's root."""
    return subprocess.run(
        command, cwd=root, input=text, capture_output=True, text=True, check=False
    )


VARIABLES = (
    "CORE_CFLAGS", "CORE_INCLUDES", "IMAGE_FLAGS", "IMAGE_CORE_OPT", "BEARSSL_FILES",
    "BEARSSL_FLAGS",
)


@functools.cache
def made_variables(root: Path, profile: str, makefiles: str) -> dict[str, list[str]]:
    """VARIABLES as make expands them; `makefiles` is their text, so that an edit asks again."""
    goals = [f"print-{name}" for name in VARIABLES]
    done = run(root, "make", "-s", f"PROFILE={profile}", *goals)
    if done.returncode:
        raise RuntimeError(f"make {' '.join(goals)}: {done.stderr.strip()}")
    return {
        name: line.split()
        for name, line in zip(VARIABLES, done.stdout.splitlines(), strict=True)
    }


def make_variable(root: Path, name: str, profile: str = "seed") -> list[str]:
    """A variable of the Makefile, so that laws judge what is shipped."""
    text = "".join(text_of(root / file) for file in ("Makefile", "boot/boot.mk"))
    return made_variables(root, profile, text)[name]
