# SPDX-License-Identifier: MIT
"""Laws of the ABI: the headers are the cffi declarations; every capacity and size is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import cffi

from .core import places
from .law import PROFILES, Path, Place, law, make_variable, relative, run, text_of
from .mirror import built

GOLDEN = "tests/limits.txt"
INCLUDED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def headers(root: Path, profile: str) -> list[Path]:
    """The public headers in an order in which each comes after what it includes."""
    tops = (root / "kernel/include", root / f"kernel/profiles/{profile}", root / "shell")
    order: list[Path] = []

    def take(name: str) -> None:
        path = next((top / name for top in tops if (top / name).is_file()), None)
        if path is None or path in order:
            return
        for inner in INCLUDED.findall(text_of(path)):
            take(inner)
        order.append(path)

    for path in sorted((root / "kernel/include/ray").glob("*.h")):
        take(f"ray/{path.name}")
    take("shell.h")
    return order


def declarations(root: Path, profile: str) -> str:
    """The headers without their preprocessor lines: what cffi is given."""
    lines = (line for path in headers(root, profile) for line in text_of(path).splitlines())
    return "\n".join(line for line in lines if not line.lstrip().startswith("#")) + "\n"


@cache
def parsed(text: str) -> cffi.FFI:
    """The declarations as cffi understands them."""
    ffi = cffi.FFI()
    ffi.cdef(text)
    return ffi


def layout(ffi: cffi.FFI) -> dict[str, int]:
    """Every size, offset and enum constant by the C expression that gives it."""
    found: dict[str, int] = {}
    typedefs, structs, _ = ffi.list_types()
    for name in [*typedefs, *(f"struct {s}" for s in structs)]:
        kind = ffi.typeof(name)
        if kind.kind == "struct" and kind.fields is not None:
            found[f"sizeof({name})"] = ffi.sizeof(kind)
            for field, detail in kind.fields:
                found[f"offsetof({name}, {field})"] = detail.offset
                found[f"sizeof((({name} *)0)->{field})"] = ffi.sizeof(detail.type)
        elif kind.kind == "enum":
            found |= kind.relements
    return found


def measured(
    root: Path, profile: str, includes: list[str], words: list[str]
) -> dict[str, int] | str:
    """What the C compiler says the expressions are; its complaint when it refuses."""
    folder = root / "build" / "tidy"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / f"probe-{profile}-{len(words)}"
    rows = "".join(f'    printf("%lld\\n", (long long)({word}));\n' for word in words)
    unit = "#include <stddef.h>\n#include <stdio.h>\n"
    unit += "".join(f'#include "{name}"\n' for name in includes)
    unit += f"int main(void)\n{{\n{rows}    return 0;\n}}\n"
    flags = make_variable(root, "CORE_INCLUDES", profile)
    done = run(root, "gcc", "-std=c11", *flags, "-x", "c", "-", "-o", str(program), text=unit)
    if done.returncode:
        found = list(places(done.stderr)) or [("", 0, done.stderr.strip()[:200])]
        return f"{found[0][0]}:{found[0][1]}: {found[0][2]}"
    numbers = run(root, str(program)).stdout.split()
    return dict(zip(words, map(int, numbers), strict=True))


@law("cdef", "the headers without preprocessor lines are the cffi declarations, to the last offset")
def headers_are_the_cdef(root: Path) -> Iterator[Place]:
    """Differences between cffi's reading of the headers and the C compiler's."""
    for profile in PROFILES:
        try:
            expected = layout(parsed(declarations(root, profile)))
        except Exception as error:  # cffi has several; each means the headers are not a cdef
            yield "kernel/include/ray/", 0, f"cffi cannot read them: {str(error).splitlines()[0]}"
            return
        names = ["ray/ray.h", "shell.h"]
        names += [f"ray/{p.name}" for p in sorted((root / "kernel/include/ray").glob("*.h"))]
        actual = measured(root, profile, names, list(expected))
        if isinstance(actual, str):
            yield "kernel/include/ray/", 0, f"{profile}: {actual}"
            continue
        for word, number in expected.items():
            # Enum constants above the int range have the type of the compiler's choice.
            if actual[word] % 2**64 != number % 2**64:
                yield "kernel/include/ray/", 0, (
                    f"{profile}: {word} is {actual[word]} in C, {number} for cffi"
                )


def inner_words(root: Path) -> list[str]:
    """The parts of the private state, as C expressions."""
    words = ["sizeof(struct ray)"]
    for word in built(root):
        if (root / f"kernel/{word}/{word}_state.h").exists():
            words.append(f"sizeof(struct ray_{word})")
            words += [
                f"sizeof(((struct ray_{word} *)0)->{part})" for part in ("config", "book", "tally")
            ]
    return words


def golden(root: Path, profile: str) -> dict[str, int] | str:
    """Every capacity, public size and part of the state in a profile."""
    public = layout(parsed(declarations(root, profile)))
    words = sorted(parsed(declarations(root, profile)).typeof("enum ray_limits").relements)
    words += sorted(word for word in public if re.fullmatch(r"sizeof\(\w+\)", word))
    inner = inner_words(root)
    names = [f"ray/{path.name}" for path in sorted((root / "kernel/include/ray").glob("*.h"))]
    return measured(root, profile, [*names, "shell.h", "kernel_state.h"], [*words, *inner])


def plain(word: str) -> str:
    """A C expression as the golden file says it."""
    part = re.fullmatch(r"sizeof\(\(\(struct (\w+) \*\)0\)->(\w+)\)", word)
    whole = re.fullmatch(r"sizeof\((?:struct )?(\w+)\)", word)
    return f"bytes of {part[1]}.{part[2]}" if part else f"bytes of {whole[1]}" if whole else word


def golden_lines(root: Path) -> tuple[list[str], list[str]]:
    """The golden file's lines, and what kept a profile from being measured."""
    columns, problems = [], []
    for profile in PROFILES:
        found = golden(root, profile)
        if isinstance(found, str):
            problems.append(f"{profile}: {found}")
        else:
            columns.append({plain(word): number for word, number in found.items()})
    if problems:
        return [], problems
    header = f"{'':40}" + "".join(f"{name:>12}" for name in PROFILES)
    rows = [
        f"{name:40}" + "".join(f"{column.get(name, 0):12}" for column in columns)
        for name in columns[0]
    ]
    return [header, *rows], []


def write_limits(root: Path) -> None:
    """Takes today's capacities and sizes as the golden ones."""
    lines, problems = golden_lines(root)
    if not problems:
        (root / GOLDEN).write_text("\n".join(lines) + "\n")


@law("limits", "every capacity and size is as in tests/limits.txt, and the state fits its budget")
def limits(root: Path) -> Iterator[Place]:
    """Capacities and sizes that changed unnoticed, and states larger than their budget."""
    lines, problems = golden_lines(root)
    for problem in problems:
        yield "kernel/kernel_state.h", 0, problem
    if problems:
        return
    path = root / GOLDEN
    kept = text_of(path).splitlines() if path.exists() else []
    for number, (new, old) in enumerate(zip(lines, kept, strict=False), 1):
        if new != old:
            yield GOLDEN, number, f"is now: {' '.join(new.split())}"
            break
    if len(lines) != len(kept):
        yield GOLDEN, 0, f"{len(kept)} rows where there are {len(lines)} now"
    table = {" ".join(row[:-3]): row[-3:] for row in (line.split() for line in lines[1:])}
    for place, profile in enumerate(PROFILES):
        size, most = (int(table[name][place]) for name in ("bytes of ray", "RAY_STATE_BYTES_MAX"))
        if size > most:
            yield relative(root, root / f"kernel/profiles/{profile}/ray/limits.h"), 0, (
                f"struct ray has {size} bytes, its budget is {most}"
            )
