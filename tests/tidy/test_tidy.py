# SPDX-License-Identifier: MIT
"""Every law can fail: each is broken once on a copy of the tree, and the break is found."""

from __future__ import annotations

import functools
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.tidy import abi, core, layers, mirror, pages, python, size, text  # noqa: F401
from tests.tidy.law import LAWS, MADE, Finding

ROOT = pathlib.Path(__file__).resolve().parents[2]
Break = Callable[[pathlib.Path], None]


def append(name: str, added: str) -> Break:
    """Adds text at the end of a file, before the last #endif of a header."""

    def edit(root: pathlib.Path) -> None:
        path = root / name
        old = path.read_text() if path.exists() else ""
        at = old.rfind("#endif") if name.endswith(".h") else len(old)
        path.write_text(old[:at] + added + "\n" + old[at:])

    return edit


def insert(name: str, added: str, after: str) -> Break:
    """Adds text behind the first place where `after` stands."""

    def edit(root: pathlib.Path) -> None:
        old = (root / name).read_text()
        assert after in old, f"{name} has no {after!r}"
        (root / name).write_text(old.replace(after, after + added, 1))

    return edit


def swap(name: str, old: str, new: str) -> Break:
    """Replaces the first `old` by `new`."""

    def edit(root: pathlib.Path) -> None:
        said = (root / name).read_text()
        assert old in said, f"{name} has no {old!r}"
        (root / name).write_text(said.replace(old, new, 1))

    return edit


def remove(name: str) -> Break:
    """Deletes a file."""
    return lambda root: (root / name).unlink()


def folder(name: str) -> Break:
    """Makes a folder."""
    return lambda root: (root / name).mkdir()


def then(*edits: Break) -> Break:
    """Several edits, one after the other."""

    def edit(root: pathlib.Path) -> None:
        for one in edits:
            one(root)

    return edit


def write_pages(root: pathlib.Path) -> None:
    """Brings the generated pages up to date, so that only what follows makes them stale."""
    subprocess.run([sys.executable, "tools/docs.py"], cwd=root, check=True, capture_output=True)


FIXED = "kernel/base/fixed.c"
QUOTA_H = "kernel/include/ray/quota.h"
MARK = "TO" + "DO"
LONG = "static int f(int a)\n{\n" + "    a += 1;\n" * 70 + "    return a;\n}\n"

# law, the break, what the finding says
BREAKS: dict[str, tuple[str, Break, str]] = {
    "a float": (
        "strict", append(FIXED, "double ray_b(double a);\ndouble ray_b(double a) { return a; }"),
        FIXED,
    ),
    "a narrowing": (
        "strict", append(FIXED, "uint8_t ray_b(int a);\nuint8_t ray_b(int a) { return a; }"),
        "conversion",
    ),
    "an array of variable length": (
        "strict",
        append(FIXED, "int ray_b(int n);\nint ray_b(int n) { char a[n]; a[0] = 1; return a[0]; }"),
        "variable length",
    ),
    "a large frame": (
        "strict",
        append(FIXED, "int ray_b(int n);\n"
               "int ray_b(int n) { volatile char a[2000]; a[n] = 1; return a[0]; }"),
        "frame size",
    ),
    "const cast away": (
        "strict",
        append(FIXED, "int *ray_b(const int *a);\nint *ray_b(const int *a) { return (int *)a; }"),
        "const",
    ),
    "a flag dropped": ("strict", swap("Makefile", "-Wcast-qual ", ""), "lacks -Wcast-qual"),
    "a libc call": (
        "symbols",
        append(FIXED, "int puts(const char *);\nint ray_b(void);\n"
               'int ray_b(void) { return puts("x"); }'),
        "puts",
    ),
    "a 128-bit division": (
        "symbols",
        append(FIXED, "unsigned __int128 ray_b(unsigned __int128 a, uint64_t b);\n"
               "unsigned __int128 ray_b(unsigned __int128 a, uint64_t b) { return a / b; }"),
        "__udivti3",
    ),
    "a counter": (
        "globals",
        append(FIXED, "uint32_t ray_b(void);\nstatic uint32_t n;\n"
               "uint32_t ray_b(void) { return ++n; }"),
        ".bss",
    ),
    "a set variable": (
        "globals",
        append(FIXED, "uint32_t ray_b(void);\nstatic uint32_t n = 7;\n"
               "uint32_t ray_b(void) { return ++n; }"),
        ".data",
    ),
    "a hidden byte": (
        "padding",
        append(QUOTA_H, "typedef struct ray_b { uint8_t a; uint32_t b; } ray_b;"),
        "padding",
    ),
    "a read that could write": (
        "const", append(QUOTA_H, "uint32_t ray_quota_read_b(ray_quota *quota);"),
        "ray_quota_read_b",
    ),
    "a module that knows another": (
        "layers", insert("kernel/quota/quota.c", '#include "ray/ratelimit.h"\n', "*/\n"),
        "ray/ratelimit.h",
    ),
    "a module that knows the shell": (
        "layers", insert("kernel/quota/quota.c", '#include "shell.h"\n', "*/\n"), "shell.h",
    ),
    "a shell that knows the state": (
        "layers", insert("shell/cmd_quota.c", '#include "kernel_state.h"\n', "*/\n"),
        "kernel_state.h",
    ),
    "a core that knows libc": (
        "layers", insert(FIXED, "#include <stdio.h>\n", "*/\n"), "<stdio.h>",
    ),
    "a circle of headers": (
        "cycles", insert("kernel/include/ray/status.h", '#include "ray/types.h"\n', "_H\n"),
        "kernel/include/ray/status.h > kernel/include/ray/types.h",
    ),
    "a lost model": ("mirror", remove("tests/model/quota.py"), "its reference model"),
    "a folder with no word": ("mirror", folder("kernel/extra"), "no module's word"),
    "a layout cffi cannot see": (
        "cdef",
        append(QUOTA_H, "#pragma pack(1)\n"
               "typedef struct ray_b { uint8_t a; uint32_t b; } ray_b;\n#pragma pack()"),
        "offsetof(ray_b, b)",
    ),
    "a macro in a declaration": (
        "cdef", append(QUOTA_H, "#define N 4\ntypedef struct ray_b { int a[N]; } ray_b;"),
        "cffi cannot read",
    ),
    "a capacity changed": (
        "limits", swap("kernel/profiles/tiny/ray/limits.h", "RAY_AUDIT_MAX = 8",
                       "RAY_AUDIT_MAX = 9"),
        "tests/limits.txt",
    ),
    "a state over its budget": (
        "limits", swap("kernel/profiles/tiny/ray/limits.h", "RAY_STATE_BYTES_MAX = 131072",
                       "RAY_STATE_BYTES_MAX = 4096"),
        "its budget is 4096",
    ),
    "a long function": ("size", append(FIXED, LONG), "f has 74 lines"),
    "a long file": ("size", append(FIXED, "\n" * 500), "the file has"),
    "a stale ratchet": (
        "size", append("tests/tidy/ratchet.txt", "  999 kernel/base/fixed.c"), "drop the row",
    ),
    "no licence": ("spdx", append("kernel/base/new.c", "int x;"), "kernel/base/new.c:1:"),
    "a long line": ("columns", append(FIXED, "/* " + "x" * 100 + " */"), "106 columns"),
    "a tab": ("columns", append(FIXED, "\tint x;"), "a tab"),
    "work left": ("unfinished", append(FIXED, f"/* {MARK}: later */"), f"says {MARK}"),
    "somebody's own path": (
        "private", append("tests/data.py", "# see /ho" "me/me/notes"), "a machine's own path",
    ),
    "a link to nothing": ("links", append("README.md", "[x](docs/nowhere.md)"), "docs/nowhere.md"),
    "a header the page lacks": (
        "docs", then(write_pages, append(QUOTA_H, "uint32_t ray_quota_b(void);")),
        "docs/api.md:0: docs: stale",
    ),
    "an unused import": (
        "ruff", append("host_sim/new.py", '"""New."""\nimport os'), "F401",
    ),
    "an untyped function": (
        "mypy", append("host_sim/new.py", '"""New."""\n\n\ndef f(a):\n    return a'),
        "host_sim/new.py:4",
    ),
}


# What a law leaves in build/ and finds again; the others need nothing copied.
KEPT = {"strict": "tidy", "symbols": "tidy", "globals": "tidy", "mypy": "mypy"}


def copied(to: pathlib.Path, law: str) -> pathlib.Path:
    """The tree without what is made, but with what the law made, so that little is made again."""
    shutil.copytree(
        ROOT, to, symlinks=True, ignore=lambda _, names: {n for n in names if n in MADE}
    )
    made = pathlib.Path("build", KEPT.get(law, "nothing"))
    for part in (made, pathlib.Path("build", "third_party")):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, to / part)
    return to


@functools.cache
def before(law: str) -> set[str]:
    """What a law finds in the tree as it is (nothing, when `make tidy` is green)."""
    return {said(finding) for finding in LAWS[law].findings(ROOT)}


def said(finding: Finding) -> str:
    """A finding without its line, which an edit above it moves."""
    return f"{finding.path}: {finding.text}"


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_law_is_found(what: str, tmp_path: pathlib.Path) -> None:
    name, edit, expected = BREAKS[what]
    root = copied(tmp_path / "tree", name)
    edit(root)
    known = before(name) if name != "docs" else set()
    new = [str(f) for f in LAWS[name].findings(root) if said(f) not in known]
    assert any(expected in line for line in new), new or f"{name} found nothing new"


def test_every_law_is_broken_once() -> None:
    assert {name for name, _, _ in BREAKS.values()} == set(LAWS)


def test_every_law_stands_in_the_architecture_page() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    assert [name for name in LAWS if f"| `{name}` |" not in page] == []


def test_functions_of_c_are_measured_by_their_outermost_braces() -> None:
    found = list(size.c_functions(
        "struct s { int a; };\n"
        "static const int t[] = { 1, 2 };\n"
        "/* int no(void) { */\n"
        "int one(int a)\n{\n    if (a) {\n        a = '}';\n    }\n    return a;\n}\n"
        "#define M(x) { \\\n    x }\n"
        "static uint64_t two(const char *s,\n                    int n) { return (uint64_t)n; }\n"
    ))
    assert found == [("one", 4, 7), ("two", 13, 2)]
