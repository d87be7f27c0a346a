# SPDX-License-Identifier: MIT
"""The size ratchet: what is larger than the limits is written down, and may only shrink."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .law import CODE, Path, Place, law, relative, text_of, written

FILE_MAX = 400
HEADER_MAX = 300
FUNCTION_MAX = 60
RATCHET = "tests/tidy/ratchet.txt"
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blanked(match: re.Match[str]) -> str:
    """A comment or literal as nothing but its line ends."""
    return re.sub(r"[^\n]", " ", match[0])


def c_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, first line and length of each function of a C file, by its outermost braces."""
    bare = NOISE.sub(blanked, text)
    bare = re.sub(r"^[ \t]*#(?:.*\\\n)*.*", blanked, bare, flags=re.M)
    depth, head = 0, 0
    for match in re.finditer(r"[{};]", bare):
        if match[0] == "{":
            if depth == 0:
                opened, before = match.start(), bare[head:match.start()]
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                name = re.search(r"\b(\w+)\s*\(.*\)\s*$", before, re.S)
                names = re.findall(r"\b(\w+)\s*\(", before)
                if name and names and "=" not in before:
                    first = bare.count("\n", 0, opened - len(before.lstrip())) + 1
                    yield names[0], first, bare.count("\n", 0, match.start()) + 2 - first
                head = match.end()
        elif depth == 0:
            head = match.end()


def python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, first line and length of each function of a Python file."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.lineno, node.end_lineno + 1 - node.lineno


def excess(root: Path) -> Iterator[tuple[str, int, int, int]]:
    """What is over its limit: name, line, size, limit."""
    for path in written(root, *CODE):
        name, text = relative(root, path), text_of(path)
        most = HEADER_MAX if path.suffix == ".h" else FILE_MAX
        size = text.count("\n")
        if size > most:
            yield name, 0, size, most
        functions = {".c": c_functions, ".h": c_functions, ".py": python_functions}.get(path.suffix)
        for function, line, length in functions(text) if functions else ():
            if length > FUNCTION_MAX:
                yield f"{name}:{function}", line, length, FUNCTION_MAX


def recorded(root: Path) -> dict[str, int]:
    """The excess that is known."""
    path = root / RATCHET
    rows = text_of(path).splitlines() if path.exists() else []
    pairs = [row.split() for row in rows if row and not row.startswith("#")]
    return {name: int(size) for size, name in pairs}


def write_ratchet(root: Path) -> None:
    """Writes down today's excess."""
    rows = [f"{size:5} {name}" for name, _, size, _ in sorted(excess(root))]
    (root / RATCHET).write_text(
        "# Files and functions over their limit (files 400 lines, headers 300, functions 60).\n"
        "# They may only shrink; `python -m tests.tidy --write` takes the new numbers.\n"
        + "".join(f"{row}\n" for row in rows)
    )


@law("size", "files, headers and functions stay within 400, 300 and 60 lines; old excess shrinks")
def size(root: Path) -> Iterator[Place]:
    """What is too large, and rows of the ratchet that no longer say the truth."""
    known, seen = recorded(root), set()
    for name, line, lines, most in excess(root):
        seen.add(name)
        if lines > known.get(name, most):
            yield name.partition(":")[0], line, (
                f"{name.partition(':')[2] or 'the file'} has {lines} lines, "
                f"at most {known.get(name, most)}"
            )
        elif lines < known[name]:
            yield RATCHET, 0, f"{name} shrank to {lines}; write that down"
    for name in sorted(set(known) - seen):
        yield RATCHET, 0, f"{name} is within its limit now; drop the row"
