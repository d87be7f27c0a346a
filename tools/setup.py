# SPDX-License-Identifier: MIT
"""Makes a fresh machine ready: system packages, the virtual environment, the package itself.

    python3 tools/setup.py python|crypto|qemu|iso|bench ...

Needs nothing but Python's standard library. What it runs goes to build/setup.log; the terminal
gets one line per step on standard error, so that piped sessions stay clean. Packages are installed
only where that needs no password; elsewhere one line says what to install.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable, Iterator, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
VENV = ROOT / ".venv"
STAMP = VENV / "raygate.stamp"
LOG = BUILD / "setup.log"

# BearSSL is built from its own source package and never copied into the repository. Two pins: of
# the package's archive, and of the files that are compiled, wherever they come from.
BEARSSL = BUILD / "third_party" / "bearssl"
BEARSSL_ARCHIVE = "bearssl_0.6+dfsg.1.orig.tar.xz"
BEARSSL_ARCHIVE_SHA256 = "102a625bd8f6155260867a50c508df8d8c3f796985dd744df1a68e5cd1a79004"
BEARSSL_FILES_SHA256 = "a92125bd4d652399b797e7d04ff941ec687a91da09001a179dca2afcbcd97875"
BEARSSL_HEADERS = ("", "_aead", "_block", "_ec", "_hash", "_hmac", "_kdf", "_pem", "_prf", "_rand",
                   "_rsa", "_ssl", "_x509")


class Unready(Exception):
    """The machine lacks something that cannot be installed from here; the text says what."""


def have_program(*names: str) -> Callable[[], bool]:
    """A check that any of the programs is on the path."""
    return lambda: any(shutil.which(name) for name in names)


def have_file(*paths: str) -> Callable[[], bool]:
    """A check that any of the files exists."""
    return lambda: any(pathlib.Path(path).exists() for path in paths)


def have_python_headers() -> bool:
    """Whether extensions can be compiled for this Python."""
    return pathlib.Path(sysconfig.get_paths()["include"], "Python.h").exists()


def have_ensurepip() -> bool:
    """Whether this Python can make a virtual environment (Debian splits that part off)."""
    return importlib.util.find_spec("ensurepip") is not None


# group -> Debian package -> whether what it brings is here already
NEEDS: dict[str, dict[str, Callable[[], bool]]] = {
    "python": {
        "gcc": have_program("gcc", "cc"),
        "libc6-dev": have_file("/usr/include/stdio.h"),
        "python3-dev": have_python_headers,
        "python3-venv": have_ensurepip,
    },
    "crypto": {},
    "qemu": {
        "qemu-system-x86": have_program("qemu-system-x86_64"),
        "qemu-system-data": have_file("/usr/share/qemu/qboot.rom"),
    },
    "iso": {
        "grub-common": have_program("grub-mkrescue"),
        "grub-pc-bin": have_file("/usr/lib/grub/i386-pc/multiboot2.mod"),
        "grub-efi-amd64-bin": have_file("/usr/lib/grub/x86_64-efi/multiboot2.mod"),
        "mtools": have_program("mformat"),
        "xorriso": have_program("xorriso"),
        "ovmf": have_file("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd"),
    },
    "bench": {},
}


def say(text: str) -> None:
    """One line for the person who waits."""
    print(f"raygate: {text}", file=sys.stderr, flush=True)


def run(
    command: Sequence[str], why: str, folder: pathlib.Path = ROOT, **environment: str
) -> None:
    """Runs a step with its output in the log; a failure shows the log's end."""
    with LOG.open("a") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        log.flush()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **environment},
            check=False,
        )
    if done.returncode:
        tail = LOG.read_text(errors="replace").splitlines()[-15:]
        raise Unready(f"{why} failed; the end of {LOG.relative_to(ROOT)}:\n" + "\n".join(tail))


def missing(groups: Sequence[str]) -> Iterator[str]:
    """Debian packages of the groups whose contents are not here."""
    for group in groups:
        for package, present in NEEDS[group].items():
            if not present():
                yield package


def become_root() -> list[str] | None:
    """What to put before a command that needs root: nothing, sudo, or None when impossible."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
        if asked.returncode == 0:
            return ["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive"]
    return None


def install_packages(groups: Sequence[str]) -> None:
    """Installs what the groups lack, through apt."""
    packages = list(missing(groups))
    if not packages:
        return
    root = become_root()
    wanted = "sudo apt-get install -y --no-install-recommends " + " ".join(packages)
    if root is None or not shutil.which("apt-get"):
        raise Unready(f"something is missing here; please install it first: {wanted}")
    say(f"installing {' '.join(packages)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    # apt waits for another apt (a machine's first boot runs one by itself).
    apt = [*root, "apt-get", "-o", "DPkg::Lock::Timeout=300", "-y"]
    run([*apt, "update"], "apt-get update", **quiet)
    run([*apt, "install", "--no-install-recommends", *packages], "apt-get install", **quiet)
    left = list(missing(groups))
    # A Python that does not come from Debian brings its own headers, or none at all.
    if left:
        raise Unready(f"still missing after installing: {' '.join(left)}")


def fingerprint() -> str:
    """What the virtual environment was made from."""
    text = hashlib.sha256(sys.version.encode())
    for name in ("pyproject.toml", "setup.py"):
        path = ROOT / name
        text.update(path.read_bytes() if path.exists() else b"")
    return text.hexdigest()


def make_environment() -> None:
    """Creates .venv and installs the package with what its tests need; instant when up to date."""
    want = fingerprint()
    if STAMP.exists() and STAMP.read_text() == want:
        STAMP.touch()
        return
    python = VENV / "bin" / "python"
    if not python.exists():
        say(f"creating .venv (progress in {LOG.relative_to(ROOT)})")
        run([sys.executable, "-m", "venv", str(VENV)], "creating .venv")
    say("installing Python packages")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "setuptools>=65.5,<90", "wheel", "cffi>=1.17,<3"], "installing build tools")
    # The extensions are built by `python -m host_sim._build`, incrementally, not by pip.
    run(
        [*pip, "--no-build-isolation", "-e", ".[test,report,arrow,zstd]"],
        "installing raygate",
        RAYGATE_WITHOUT_EXTENSIONS="1",
    )
    STAMP.write_text(want)


def install_peers() -> None:
    """What the benchmark compares with; a peer that cannot be had is left out of the table."""
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    with_bench = [*pip, "--quiet", "--no-build-isolation", "-e", ".[bench]"]
    try:
        run(with_bench, "installing peers", RAYGATE_WITHOUT_EXTENSIONS="1")
    except Unready:
        say("some peers cannot be installed; the table leaves them out")


def bearssl_names() -> list[str]:
    """The files of BearSSL that are compiled or included, and its licence."""
    listed = (ROOT / "tools" / "bearssl.files").read_text().split()
    headers = [f"inc/bearssl{part}.h" for part in BEARSSL_HEADERS]
    return sorted(["LICENSE.txt", "src/config.h", "src/inner.h", *headers, *listed])


def bearssl_digest(held: dict[str, bytes]) -> str:
    """One digest of all names and contents."""
    text = hashlib.sha256()
    for name in sorted(held):
        text.update(f"{name} {len(held[name])}\n".encode() + held[name])
    return text.hexdigest()


def bearssl_read(path: pathlib.Path) -> dict[str, bytes]:
    """The needed files out of a tarball or an unpacked tree; nothing else of it is unpacked."""
    names = bearssl_names()
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in names if (path / name).is_file()}
    held: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.removeprefix("./").partition("/")[2]
            content = archive.extractfile(member) if member.isfile() and name in names else None
            if content is not None:
                held[name] = content.read()
    return held


def source_entries() -> str:
    """The system's own package sources as one-line and deb822 entries for source packages."""
    lines = []
    for path in [pathlib.Path("/etc/apt/sources.list"),
                 *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*.list"))]:
        if path.is_file():
            words = (line.split(None, 1) for line in path.read_text().splitlines())
            lines += [f"deb-src {line[1]}" for line in words if len(line) > 1 and line[0] == "deb"]
    return "\n".join(lines) + "\n"


def source_stanzas() -> str:
    """The same of the deb822 files (Debian 12 has them): only the types change."""
    stanzas = []
    for path in sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*.sources")):
        lines = path.read_text().splitlines()
        stanzas.append("\n".join("Types: deb-src" if line.lower().startswith("types:") else line
                                 for line in lines))
    return "\n\n".join(stanzas) + "\n"


def download_bearssl() -> pathlib.Path:
    """The source package's archive through apt, with lists of its own: the system's stay as they
    are, and no root is needed."""
    if not shutil.which("apt-get"):
        raise Unready("there is no apt-get to fetch BearSSL 0.6 with; please set RAYGATE_BEARSSL "
                      "to its unpacked tree or its tarball")
    work = BUILD / "apt"
    for folder in ("parts", "lists/partial", "cache/archives/partial", "get"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "parts" / "own.list").write_text(source_entries())
    (work / "parts" / "own.sources").write_text(source_stanzas())
    options = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": str(work / "parts"),
        "Dir::State::lists": str(work / "lists"),
        "Dir::Cache": str(work / "cache"),
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(word for key, value in options.items()
                              for word in ("-o", f"{key}={value}"))]
    say("fetching the source of BearSSL")
    try:
        run([*apt, "update"], "apt-get update")
    except Unready:
        say("not every package source answered; going on with those that did")
    archive = work / "get" / BEARSSL_ARCHIVE
    try:
        run([*apt, "source", "--download-only", "--tar-only", "bearssl"],
            "apt-get source bearssl", folder=archive.parent)
    except Unready as problem:
        raise Unready(f"{problem}\nplease set RAYGATE_BEARSSL to BearSSL 0.6, its unpacked tree "
                      "or its tarball") from None
    if not archive.exists():
        raise Unready(f"this system's BearSSL is not {BEARSSL_ARCHIVE}; please set RAYGATE_BEARSSL "
                      "to the unpacked tree or the tarball of version 0.6")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != BEARSSL_ARCHIVE_SHA256:
        raise Unready(f"{archive.relative_to(ROOT)} is not the archive it should be (SHA-256)")
    return archive


def make_bearssl() -> None:
    """Puts BearSSL's needed files into build/third_party; instant when they are there."""
    if BEARSSL.is_dir() and bearssl_digest(bearssl_read(BEARSSL)) == BEARSSL_FILES_SHA256:
        return
    given = os.environ.get("RAYGATE_BEARSSL")
    origin = pathlib.Path(given) if given else download_bearssl()
    try:
        held = bearssl_read(origin)
    except (OSError, tarfile.TarError) as problem:
        raise Unready(f"cannot read BearSSL from {origin}: {problem}") from None
    if bearssl_digest(held) != BEARSSL_FILES_SHA256:
        raise Unready(f"{origin} is not BearSSL 0.6, or was changed; RAYGATE_BEARSSL is its "
                      "unpacked tree or its tarball")
    for name, content in held.items():
        (BEARSSL / name).parent.mkdir(parents=True, exist_ok=True)
        (BEARSSL / name).write_bytes(content)


def main(groups: Sequence[str]) -> int:
    """Prepares the named groups; 0 when the machine is ready."""
    unknown = [group for group in groups if group not in NEEDS]
    if unknown or not groups:
        print(__doc__, file=sys.stderr)
        return 2
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel makes prepare once
        try:
            install_packages(groups)
            if "python" in groups:
                make_environment()
            if "crypto" in groups:
                make_bearssl()
            if "bench" in groups:
                install_peers()
        except Unready as problem:
            say(str(problem))
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
