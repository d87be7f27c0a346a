# SPDX-License-Identifier: MIT
"""`raygate shell [CONFIG]`: the image's shell as a native program, with the same prompt."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from host_sim.config import ConfigError, load
from host_sim.config.files import write_blob
from host_sim.printing import printable_lines

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/raygate-sim"
DEFAULT = ROOT / "examples/rayos.toml"
SCRIPTS = ROOT / "boot/frozen"
BLOBS = ROOT / "build/sim"
USAGE = 2


class BuildError(Exception):
    """The native program is absent and cannot be built here; the text says what is missing."""


def program() -> Path:
    """The native shell, built when a source is newer. Raises BuildError."""
    if not (ROOT / "Makefile").exists():
        raise BuildError("the native shell is built in a checkout: there is no Makefile here")
    make = shutil.which("make")
    if make is None and not PROGRAM.exists():
        raise BuildError("make is not installed, and build/raygate-sim is not there")
    if make is not None:
        done = subprocess.run([make, "-s", str(PROGRAM.relative_to(ROOT))], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(f"build/raygate-sim cannot be built:\n{done.stderr[-2000:]}")
    return PROGRAM


def blob_of(config: Path) -> Path:
    """The compiled form of `config`, a TOML file or already a blob. Raises ConfigError, OSError."""
    with config.open("rb") as file:
        if file.read(4) == b"RAYG":
            return config
    blob = load(config).blob
    BLOBS.mkdir(parents=True, exist_ok=True)
    path = BLOBS / f"{config.stem}.blob"
    if not path.exists() or path.read_bytes() != blob:
        write_blob(path, blob)
    return path


def command_line(config: Path | None = None, *, script: Path | None = None,
                 seed: str | None = None) -> list[str]:
    """The words that start the native shell. Raises BuildError, ConfigError, OSError."""
    words = [str(program()), "--name", (config or DEFAULT).stem]
    if DEFAULT.exists():
        words += ["--frozen", str(blob_of(DEFAULT))]
    if config is not None:
        words += ["--config", str(blob_of(config))]
    if SCRIPTS.is_dir():
        words += ["--scripts", str(SCRIPTS)]
    if script is not None:
        words += ["--script", str(script)]
    if seed is not None:
        words += ["--seed", seed]
    return words


@click.command("shell")
@click.argument("config", required=False,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--script", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Runs the lines of FILE instead of a prompt; 1 when one of them failed.")
@click.option("--seed", metavar="HEX", help="32 digits: the hash seed, else from the system.")
def command(config: Path | None, script: Path | None, seed: str | None) -> None:
    """The shell of the image as a native program, on CONFIG (TOML or blob; default: RayOS)."""
    try:
        words = command_line(config, script=script, seed=seed)
    except (BuildError, ConfigError, OSError) as error:
        click.echo(printable_lines(str(error)), err=True)
        sys.exit(USAGE)
    sys.stdout.flush()
    os.execv(words[0], words)
