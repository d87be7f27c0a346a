# SPDX-License-Identifier: MIT
"""Laws of the compiled core: what the compiler and the linker must find, and must not."""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from .law import PROFILES, Path, Place, law, make_variable, relative, run, text_of, written

PORT_SYMBOLS = {"memcpy", "memmove", "memset", "memcmp", "ray_panic", "__stack_chk_fail"}
STRICT = {
    "-ffreestanding", "-mgeneral-regs-only", "-Wall", "-Wextra", "-Wconversion", "-Wshadow",
    "-Wcast-qual", "-Wvla", "-Wstrict-prototypes", "-Wmissing-prototypes",
    "-Wframe-larger-than=1024",
}
COMPILING = threading.Lock()  # laws run side by side and share the objects
SAID = re.compile(
    r"^(?P<path>[^:\n]+):(?P<line>\d+):\d+: (?:warning|error|fatal error): (?P<text>.*)"
)


def places(said: str) -> Iterator[Place]:
    """The compiler's complaints as places."""
    for line in said.splitlines():
        match = SAID.match(line)
        if match:
            yield match["path"], int(match["line"]), match["text"]


def is_fresh(made: Path, recipe: str, root: Path) -> bool:
    """Whether an object is newer than all it was made from, by the same recipe."""
    notes, needs = made.with_suffix(".cmd"), made.with_suffix(".d")
    if not (made.exists() and notes.exists() and needs.exists() and notes.read_text() == recipe):
        return False
    names = shlex.split(needs.read_text().replace("\\\n", " ").partition(":")[2])
    try:
        then = made.stat().st_mtime_ns
        return all((root / name).stat().st_mtime_ns <= then for name in names)
    except FileNotFoundError:
        return False


def compiled(root: Path, source: Path, flags: Sequence[str], folder: str) -> tuple[Path, str]:
    """Compiles one file unless that was done before; the object and what the compiler said."""
    name = relative(root, source)
    made = root / "build" / "tidy" / folder / (name.replace("/", "-") + ".o")
    said = made.with_suffix(".said")
    recipe = shlex.join(["gcc", *flags, "-c", name])
    if is_fresh(made, recipe, root) and said.exists():
        return made, said.read_text()
    made.parent.mkdir(parents=True, exist_ok=True)
    new = made.with_suffix(f".{os.getpid()}.o")  # another run may be compiling the same file
    needs = made.with_suffix(".d")
    done = run(root, "gcc", *flags, "-MMD", "-MF", str(needs), "-c", name, "-o", str(new))
    if done.returncode:
        made.unlink(missing_ok=True)
        return made, done.stderr
    new.replace(made)
    said.write_text(done.stderr)
    made.with_suffix(".cmd").write_text(recipe)
    return made, done.stderr


def sources(root: Path, *tops: str) -> list[Path]:
    """C files of the core's parts."""
    return list(written(root, ".c", under=tops))


def shipped(root: Path, profile: str) -> list[str]:
    """The flags of the image, with the include path of a profile; warnings stay warnings here."""
    speed = make_variable(root, "IMAGE_CORE_OPT") if profile == PROFILES[0] else ["-O0"]
    flags = [*make_variable(root, "IMAGE_FLAGS"), *speed]
    # Without -flto: the laws look into every object, and one for the linker holds no code yet.
    left_out = ("-I", "-ffile-prefix-map", "-flto")
    own = [f for f in flags if f != "-Werror" and not f.startswith(left_out)]
    return [*own, *make_variable(root, "CORE_INCLUDES", profile)]


def compile_core(root: Path, tops: Sequence[str], profile: str) -> list[tuple[Path, str]]:
    """Every object of the parts on the shipped flags, and what was said about it."""
    flags = shipped(root, profile)
    with COMPILING, ThreadPoolExecutor(2) as pool:
        return list(
            pool.map(lambda source: compiled(root, source, flags, profile), sources(root, *tops))
        )


def compile_bearssl(root: Path) -> list[tuple[Path, Path]]:
    """Source and object of each file of BearSSL the core is linked with, as the image has it."""
    flags = [*shipped(root, "seed"), *make_variable(root, "BEARSSL_FLAGS")]
    files = [root / name for name in make_variable(root, "BEARSSL_FILES")]
    with COMPILING, ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda path: compiled(root, path, flags, "bearssl")[0], files))
    return list(zip(files, made, strict=True))


@law("strict", "kernel/ and shell/ compile without floats, without a warning, with small frames")
def strict(root: Path) -> Iterator[Place]:
    """The shipped flags are the strict ones, and nothing is said about any file in any profile."""
    for variable, name in (("CORE_CFLAGS", "Makefile"), ("IMAGE_FLAGS", "boot/boot.mk")):
        for flag in sorted(STRICT - set(make_variable(root, variable))):
            yield name, 0, f"{variable} lacks {flag}"
    said: set[Place] = set()
    for _, text in compile_core(root, ("kernel", "shell"), "seed"):
        said |= set(places(text))
    # Other capacities make other constants, so other conversions; quickly, as frames were judged.
    for profile in PROFILES[1:]:
        for _, text in compile_core(root, ("kernel",), profile):
            said |= {place for place in places(text) if "frame size" not in place[2]}
    yield from sorted(said)


def linked(root: Path, name: str, tops: Sequence[str]) -> tuple[Path | None, str]:
    """The parts as one object, as a port links them."""
    objects = [made for made, _ in compile_core(root, tops, "seed")]
    objects += [made for _, made in compile_bearssl(root)]
    if not objects or not all(made.exists() for made in objects):
        return None, "does not compile"
    out = root / "build" / "tidy" / f"{name}.o"
    done = run(root, "ld", "-r", "-o", str(out), *map(str, objects))
    return (None, done.stderr.strip()) if done.returncode else (out, "")


@law("symbols", "the core needs the six port symbols and nothing else: no libc, no libgcc")
def symbols(root: Path) -> Iterator[Place]:
    """Undefined symbols of the linked core, and which object asks for them."""
    for name, tops in (("kernel", ("kernel",)), ("shell", ("kernel", "shell"))):
        whole, problem = linked(root, name, tops)
        if whole is None:
            yield f"{name}/", 0, f"cannot be linked: {problem.splitlines()[0] if problem else ''}"
            continue
        undefined = run(root, "nm", "-u", str(whole)).stdout.splitlines()
        wanted = {line.split()[-1] for line in undefined}
        strangers = sorted(wanted - PORT_SYMBOLS)
        users = users_of(root, tops) if strangers else {}
        for symbol in strangers:
            yield users.get(symbol, f"{name}/"), 0, f"asks for {symbol}, no port symbol"


def users_of(root: Path, tops: Sequence[str]) -> dict[str, str]:
    """For each undefined symbol a source that asks for it."""
    made = {
        str(made): relative(root, source)
        for source, (made, _) in zip(
            sources(root, *tops), compile_core(root, tops, "seed"), strict=True
        )
    }
    found: dict[str, str] = {}
    for line in run(root, "nm", "-A", "-u", *made).stdout.splitlines():
        path, _, rest = line.partition(": ")
        found.setdefault(rest.split()[-1], made[path.rstrip(":")])
    return found


@law("globals", "the core has no writable data: .data and .bss are empty")
def no_globals(root: Path) -> Iterator[Place]:
    """Objects with bytes in a writable section."""
    own = zip(
        sources(root, "kernel", "shell"),
        (made for made, _ in compile_core(root, ("kernel", "shell"), "seed")), strict=True,
    )
    for source, made in (*own, *compile_bearssl(root)):
        if not made.exists():
            continue
        for line in run(root, "size", "-A", str(made)).stdout.splitlines():
            words = line.split()
            if len(words) < 2 or not words[1].isdigit() or int(words[1]) == 0:
                continue
            if re.fullmatch(r"\.(data|bss|tdata|tbss)(\..*)?", words[0]):
                yield relative(root, source), 0, f"{words[1]} bytes of {words[0]}"


def state_headers(root: Path) -> list[str]:
    """Every header of kernel/ and the shell's, as the core includes them."""
    public = [f"ray/{p.name}" for p in sorted((root / "kernel/include/ray").glob("*.h"))]
    inner = [
        relative(root / "kernel", p) for p in written(root, ".h", under=("kernel",))
        if "include" not in p.parts and "profiles" not in p.parts
    ]
    shell = [p.name for p in sorted((root / "shell").glob("*.h"))]
    return ["ray/limits.h", *public, *inner, *shell]


@law("padding", "no struct of the state or the ABI has a hidden byte (-Wpadded over every header)")
def padding(root: Path) -> Iterator[Place]:
    """One unit that includes every header, in each profile."""
    unit = "".join(f'#include "{name}"\n' for name in state_headers(root))
    found: set[Place] = set()
    for profile in PROFILES:
        includes = make_variable(root, "CORE_INCLUDES", profile)
        done = run(
            root, "gcc", "-std=c11", "-ffreestanding", "-fsyntax-only", "-Wpadded", *includes,
            "-x", "c", "-", text=unit,
        )
        found |= set(places(done.stderr))
    yield from sorted(found)


PURE = re.compile(
    r"^ray_(?!text_)(\w+_)?"
    r"((ask|quote|read|export|valid|find|explain|digest|due|bytes)(_\w+)?|count)$"
)
PROTOTYPE = re.compile(r"\b(ray_\w+)\s*\(([^;{}]*)\)\s*;", re.S)


@law("const", "asking, reading and exporting take a const state, so they cannot change a byte")
def pure_is_const(root: Path) -> Iterator[Place]:
    """The first parameter of every pure verb in a public header."""
    for path in sorted((root / "kernel/include/ray").glob("*.h")):
        text = text_of(path)
        bare = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)
        for match in PROTOTYPE.finditer(bare):
            first = match[2].split(",")[0].strip()
            if PURE.search(match[1]) and "*" in first and not first.startswith("const "):
                line = bare.count("\n", 0, match.start()) + 1
                yield relative(root, path), line, f"{match[1]} takes `{first}`, not const"
