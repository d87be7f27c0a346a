# SPDX-License-Identifier: MIT
"""Builds the core as Python extensions, one per capacity profile: host_sim._ext._seed, _edge,
_tiny.

The public headers are the only truth: dropping their preprocessor lines yields the cffi
declarations.
`python -m host_sim._build` compiles what changed, in place; setuptools uses the builders `seed`,
`edge` and `tiny` of this file for a wheel.
"""

import concurrent.futures
import contextlib
import fcntl
import functools
import os
import pathlib
import shlex
import subprocess
import sys
import sysconfig

import cffi

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROFILES = ("seed", "edge", "tiny")
HEADERS = (
    "status",
    "reason",
    "types",
    "text",
    "verdict",
    "crypto",
    "format",
    "gateway",
    "ratelimit",
    "quota",
    "priority",
    "policy",
    "cost",
    "governance",
    "auth",
    "mediator",
    "lb",
    "resilience",
    "apimon",
    "config",
    "ray",
    "transform",
)
# the native shell's, not the extension's
PORT_ONLY = {"rayconfigport.h", "hal.h", "sim.c", "hal.c"}

# The part of BearSSL the core is built on: fetched, pinned, never copied into the repository.
BEARSSL = ROOT / "build/third_party/bearssl"
BEARSSL_FLAGS = (ROOT / "tools/bearssl.flags").read_text().split()

CORE_FLAGS = ["-std=c11", "-ffreestanding", "-mgeneral-regs-only"]
GLUE_FLAGS = ["-std=gnu11", f"-I{sysconfig.get_path('include')}"]
FLAGS = ["-O2", "-g", "-fPIC", "-fvisibility=hidden", "-fno-semantic-interposition"]

# What is shipped is optimised as one program: a fifth fewer instructions a request. The tiny
# profile is rebuilt often and runs only in tests. RAYGATE_QUICK=1 leaves it out everywhere.
WHOLE_PROGRAM = () if os.environ.get("RAYGATE_QUICK") else ("seed", "edge")

# Scalar calls keep the GIL: releasing it costs more than a decision. The batch glue releases it by
# hand, once; the Kernel's busy flag keeps a second thread out meanwhile (DESIGN.md section 5).
PREAMBLE = r"""
#include <stdio.h>
#include <stdlib.h>
#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS {
#define Py_END_ALLOW_THREADS }
#undef _cffi_restore_errno
#undef _cffi_save_errno
#define _cffi_restore_errno() ((void)0)
#define _cffi_save_errno() ((void)0)

void ray_panic(const char *what)
{
    fprintf(stderr, "raygate: a broken invariant, please report it: %s\n", what);
    abort();
}

static ray_status ray_host_step(struct ray *ray, const ray_rows *rows, uint32_t n,
                                ray_answer *answers)
{
    PyThreadState *thread = PyEval_SaveThread();
    ray_status status = ray_step_batch(ray, rows, n, answers);
    PyEval_RestoreThread(thread);
    return status;
}

static uint32_t ray_host_replay(ray_replay *replay, struct ray *ray)
{
    PyThreadState *thread = PyEval_SaveThread();
    uint32_t state = ray_replay_run(replay, ray);
    PyEval_RestoreThread(thread);
    return state;
}

static uint32_t ray_host_simulate(ray_simulation *simulation, struct ray *ray)
{
    PyThreadState *thread = PyEval_SaveThread();
    uint32_t state = ray_simulate_run(simulation, ray);
    PyEval_RestoreThread(thread);
    return state;
}
"""
HOST_DECLARATIONS = """
/* ray_step_batch with the GIL released. */
ray_status ray_host_step(struct ray *ray, const ray_rows *rows, uint32_t n,
                         ray_answer *answers);
/* ray_replay_run with the GIL released. */
uint32_t ray_host_replay(ray_replay *replay, struct ray *ray);
/* ray_simulate_run with the GIL released. */
uint32_t ray_host_simulate(ray_simulation *simulation, struct ray *ray);
"""


def headers_of(profile: str) -> list[pathlib.Path]:
    """Every header whose declarations the extension offers, in an order that defines before use.

    Headers of host_sim/native that end in _parts.h are private to their folder.
    """
    public = [ROOT / "kernel/include/ray" / f"{name}.h" for name in HEADERS]
    native = sorted(p for p in (ROOT / "host_sim/native").glob("*.h")
                    if p.name not in PORT_ONLY and not p.name.endswith("_parts.h"))
    return [
        ROOT / f"kernel/profiles/{profile}/ray/limits.h",
        *public,
        ROOT / "shell/shell.h",
        *native,
    ]


def declarations(profile: str) -> str:
    """The cffi declarations: the headers without their preprocessor lines."""
    lines = []
    for header in headers_of(profile):
        lines += [line for line in header.read_text().splitlines() if not line.startswith("#")]
    return "\n".join(lines) + HOST_DECLARATIONS


def sources() -> list[pathlib.Path]:
    """Every C file of the core, the shell and the host glue, in a fixed order."""
    found = [*ROOT.glob("kernel/*.c"), *ROOT.glob("kernel/*/*.c"), *ROOT.glob("shell/*.c")]
    found += [p for p in ROOT.glob("host_sim/native/*.c") if p.name not in PORT_ONLY]
    return sorted(found)


def bearssl_sources() -> list[pathlib.Path]:
    """The files of BearSSL that the core needs; fetches them the first time."""
    step = [sys.executable, str(ROOT / "tools/setup.py"), "crypto"]
    if subprocess.run(step, cwd=ROOT).returncode != 0:
        raise SystemExit("BearSSL is missing")
    return [BEARSSL / name for name in (ROOT / "tools/bearssl.files").read_text().split()]


def include_dirs(profile: str) -> list[str]:
    """Where headers are looked for; the profile is nothing but a directory in this list."""
    ours = ["kernel/include", f"kernel/profiles/{profile}", "kernel", "shell", "host_sim/native"]
    return [*ours, "build/third_party/bearssl/inc", "build/third_party/bearssl/src"]


def builder(profile: str) -> cffi.FFI:
    """The cffi builder of one profile's extension."""
    includes = "".join(f'#include "{h.name if h.parent.name != "ray" else "ray/" + h.name}"\n'
                       for h in headers_of(profile))
    ffi = cffi.FFI()
    ffi.cdef(declarations(profile))
    ffi.set_source(
        f"host_sim._ext._{profile}",
        includes + PREAMBLE,
        sources=[str(path.relative_to(ROOT)) for path in (*sources(), *bearssl_sources())],
        include_dirs=include_dirs(profile),
        extra_compile_args=["-O3", "-flto", "-fvisibility=hidden", *BEARSSL_FLAGS],
        extra_link_args=["-O3", "-flto"],
    )
    return ffi


def compiler() -> list[str]:
    """The C compiler of this Python, without its own flags."""
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "gcc")[:1]


@functools.cache
def aligned_jumps() -> tuple[str, ...]:
    """What makes the assembler keep jumps off the ends of 32-byte lines, where it can: on an x86
    with Intel's JCC erratum a short loop is up to a third slower otherwise."""
    flag = "-Wa,-mbranches-within-32B-boundaries"
    probe = [*compiler(), flag, "-x", "assembler", "-c", "-", "-o", os.devnull]
    done = subprocess.run(probe, input=b"", capture_output=True)
    return (flag,) if done.returncode == 0 else ()


def stale(target: pathlib.Path, source: pathlib.Path) -> bool:
    """True when `target` must be made anew: it or one of the files it was made from changed."""
    depends = target.with_suffix(".d")
    if not target.exists() or not depends.exists():
        return True
    made = target.stat().st_mtime
    names = depends.read_text().replace("\\\n", " ").partition(":")[2].split()
    files = [source, pathlib.Path(__file__), *(ROOT / name for name in names)]
    return any(not path.exists() or path.stat().st_mtime > made for path in files)


def compile_one(profile: str, source: pathlib.Path, target: pathlib.Path, flags: list[str]) -> None:
    """Compiles one file; raises with the compiler's own words when it does not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    includes = [f"-I{path}" for path in include_dirs(profile)]
    # What takes the same time for every secret is not optimised with what knows the secrets.
    whole = (["-O3", "-flto"] if profile in WHOLE_PROGRAM and BEARSSL not in source.parents
             else [])
    command = [*compiler(), *flags, *FLAGS, *aligned_jumps(), *whole, *includes, "-MMD", "-MF",
               str(target.with_suffix(".d")), "-c", str(source), "-o", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        raise SystemExit(f"{source}:\n{done.stderr}")


def write_if_changed(path: pathlib.Path, text: str) -> None:
    """Leaves the file alone when it says this already, so that nothing is compiled for nothing."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def build(profile: str) -> pathlib.Path:
    """Compiles what changed and links host_sim/_ext/_<profile>.abi3.so; returns its path."""
    work = ROOT / "build/ext" / profile
    glue = work / f"_{profile}.c"
    fresh = work / "fresh.c"
    work.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr):  # cffi talks; piped sessions stay clean
        builder(profile).emit_c_code(str(fresh))
    write_if_changed(glue, fresh.read_text())
    python = [*GLUE_FLAGS, "-w"]
    jobs = [(glue, work / f"_{profile}.o", python)]
    for path in sources():
        flags = GLUE_FLAGS if "native" in path.parts else CORE_FLAGS
        jobs.append((path, (work / path.relative_to(ROOT)).with_suffix(".o"), flags))
    for path in bearssl_sources():
        target = (work / "bearssl" / path.relative_to(BEARSSL)).with_suffix(".o")
        jobs.append((path, target, [*CORE_FLAGS, *BEARSSL_FLAGS, "-w"]))
    wanted = [(source, target, flags) for source, target, flags in jobs if stale(target, source)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        list(pool.map(lambda job: compile_one(profile, *job), wanted))
    library = ROOT / "host_sim/_ext" / f"_{profile}.abi3.so"
    objects = [str(target) for _, target, _ in jobs]
    listed = work / "objects.txt"
    if (
        wanted
        or not library.exists()
        or (listed.exists() and listed.read_text() != "\n".join(objects))
    ):
        library.parent.mkdir(exist_ok=True)
        made = library.with_suffix(".new")
        whole = ["-O3", f"-flto={os.cpu_count() or 2}"] if profile in WHOLE_PROGRAM else []
        whole += aligned_jumps()
        link = [*compiler(), "-shared", *whole, "-o", str(made), *objects]
        check_defined(objects)
        subprocess.run(link, cwd=ROOT, check=True)
        made.rename(library)
    write_if_changed(listed, "\n".join(objects))
    return library


def check_defined(objects: list[str]) -> None:
    """Every ray_ symbol that is used must be defined: the loader would only say so at import."""
    said = subprocess.run(
        ["nm", *objects], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    used: set[str] = set()
    defined: set[str] = set()
    for line in said.splitlines():
        words = line.split()
        if len(words) >= 2 and words[-1].startswith("ray_"):
            (used if words[-2] == "U" else defined).add(words[-1])
    if used - defined:
        raise SystemExit("undefined: " + ", ".join(sorted(used - defined)))


def main(arguments: list[str]) -> int:
    """Builds the named profiles, all of them by default."""
    unknown = [name for name in arguments if name not in PROFILES]
    if unknown:
        print(f"unknown profile {unknown[0]!r}: choose from {', '.join(PROFILES)}", file=sys.stderr)
        return 2
    lock = ROOT / "build/ext.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:  # two builders at once would write the same objects
        fcntl.flock(held, fcntl.LOCK_EX)
        for profile in arguments or PROFILES:
            print(build(profile).relative_to(ROOT))
    return 0


def __getattr__(name: str) -> cffi.FFI:
    if name in PROFILES:
        return builder(name)
    raise AttributeError(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
