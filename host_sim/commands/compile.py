# SPDX-License-Identifier: MIT
"""`raygate compile`: a configuration as the bytes that the host and the image load."""

from __future__ import annotations

import sys

import click

from host_sim import config as compiler
from host_sim.commands_support import spare_inputs
from host_sim.config.capacities import PROFILES
from host_sim.config.files import write_blob
from host_sim.printing import json_text, printable


def _seed(_context: click.Context, _option: click.Parameter, value: str | None) -> bytes | None:
    if value is None:
        return None
    try:
        seed = bytes.fromhex(value)
    except ValueError:
        seed = b""
    if len(seed) != 16:
        raise click.BadParameter("the hash seed is 32 hexadecimal digits")
    return seed


@click.command("compile", short_help="Compile a configuration to the bytes the core loads.")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, allow_dash=True),
    help="Where the bytes go; - is standard output.",
)  # fmt: skip
@click.option("--seed", callback=_seed, help="16-byte hash seed in hexadecimal.")
@click.option("--json", "as_json", is_flag=True, help="Say hash and size as one JSON object.")
@click.option(
    "--profile", type=click.Choice(sorted(PROFILES)), default="seed", show_default=True,
    help="Capacity profile whose tables the file must fit.",
)  # fmt: skip
def command(file: str, output: str, seed: bytes | None, as_json: bool, profile: str) -> None:
    """Compiles FILE. The same file gives the same bytes everywhere; errors are those of check."""
    spare_inputs((file,), output=output)
    try:
        config = compiler.load(file, profile=profile, seed=seed)
    except compiler.ConfigError as error:
        click.echo(error, err=True)
        sys.exit(2)
    except OSError as error:
        raise click.UsageError(f"cannot read {printable(file)}: {error.strerror}") from error
    if output == "-":
        sys.stdout.buffer.write(config.blob)
        return
    try:
        write_blob(output, config.blob)
    except OSError as error:
        raise click.UsageError(f"cannot write {printable(output)}: {error.strerror}") from error
    if as_json:
        click.echo(json_text({"file": output, "hash": config.hash, "bytes": len(config.blob)}))
    else:
        click.echo(f"{printable(output)}: {len(config.blob)} bytes, hash {config.hash}")
