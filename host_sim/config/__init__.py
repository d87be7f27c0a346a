# SPDX-License-Identifier: MIT
"""The configuration: one TOML file, checked whole, compiled to the bytes the core loads.

    config = load("examples/rayos.toml")     # ConfigError holds every finding
    kernel = Kernel(config=config)

Needs pydantic, construct and tree-sitter-toml only: an image is built before there is a compiled
extension.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from host_sim.config.blob import compile_file
from host_sim.config.capacities import PROFILES, SEED, Capacities
from host_sim.config.compiler import Names
from host_sim.config.diagnostics import CODES, NOTES, Diagnostic
from host_sim.config.expected import Expectation
from host_sim.config.identity import Identity, Request
from host_sim.config.keys import Material
from host_sim.config.model import File
from host_sim.config.positions import Path, read
from host_sim.config.rules import Ground, check_common
from host_sim.config.rules_auth import check_auth
from host_sim.config.rules_cost import check_costs
from host_sim.config.rules_governance import check_alerts
from host_sim.config.rules_limit import check_limits
from host_sim.config.rules_mediator import check_mediator
from host_sim.config.rules_policy import check_policies
from host_sim.config.rules_pool import check_pools
from host_sim.config.rules_priority import check_priority
from host_sim.config.rules_quota import check_quotas
from host_sim.config.rules_resilience import check_resilience
from host_sim.config.rules_route import check_routes
from host_sim.config.rules_unused import note_unused
from host_sim.config.validate import check_file
from host_sim.errors import ArgumentError, RaygateSyntaxError

__all__ = [
    "CODES",
    "NOTES",
    "Config",
    "ConfigError",
    "Diagnostic",
    "Examination",
    "Identity",
    "Request",
    "examine",
    "load",
    "loads",
]


class ConfigError(RaygateSyntaxError):
    """A file that cannot be loaded; `diagnostics` holds every finding in order of position."""

    def __init__(self, name: str, diagnostics: list[Diagnostic]) -> None:
        self.name = name
        self.diagnostics = diagnostics
        super().__init__("\n".join(finding.text(name) for finding in diagnostics))


@dataclass(frozen=True)
class Config:
    """A checked and compiled file. A name's place in its tuple is its id in the core."""

    path: str
    blob: bytes = field(repr=False)
    hash: str  # SHA-256 of the blob without its secrets, hexadecimal
    seed: bytes = field(repr=False)  # 16-byte hash seed
    tenants: tuple[str, ...]
    plans: tuple[str, ...]
    services: tuple[str, ...]
    routes: tuple[str, ...]
    limits: tuple[str, ...]
    quotas: tuple[str, ...]
    policies: tuple[str, ...]
    identity: Identity = field(repr=False)
    tests: tuple[Expectation, ...] = field(repr=False)
    notes: tuple[Diagnostic, ...]
    file: File = field(repr=False)


@dataclass(frozen=True)
class Examination:
    """Everything one look at a file found: `file` is None when it is not even TOML."""

    file: File | None
    findings: list[Diagnostic]
    notes: list[Diagnostic]
    material: dict[Path, Material] = field(default_factory=dict, repr=False)  # keys by place


def examine(
    source: bytes, *, room: Capacities = SEED, folder: FilePath = FilePath(),
    now_ns: int | None = None,
) -> Examination:
    """Every error of the file, sorted by position; never raises for what the file says. A file that
    is not TOML has no others yet. `now_ns` is Unix time: what has lapsed by then is noted."""
    raw, positions, findings = read(source)
    if raw is None:
        return Examination(None, findings, [])
    file = check_file(raw, positions, findings)
    ground = Ground(file, raw, positions, room, findings, folder=folder, now_ns=now_ns)
    check_common(ground)
    check_routes(ground)
    check_limits(ground)
    check_quotas(ground)
    check_policies(ground)
    check_priority(ground)
    check_pools(ground)
    check_resilience(ground)
    check_alerts(ground)
    check_costs(ground)
    check_mediator(ground)
    check_auth(ground)
    note_unused(ground)
    return Examination(file, sorted(set(findings)), sorted(set(ground.notes)), ground.material)


def loads(
    source: bytes | str, *, name: str = "<text>", profile: str = "seed", seed: bytes | None = None
) -> Config:
    """Checks and compiles TOML text for a capacity profile. `seed`: 16 bytes, else taken from the
    hash.

    Raises ConfigError with every finding.
    """
    if profile not in PROFILES:
        raise ArgumentError(f"unknown profile {profile!r}: choose from {', '.join(PROFILES)}")
    if seed is not None and len(seed) != 16:
        raise ArgumentError(f"the hash seed has 16 bytes, not {len(seed)}")
    found = examine(source.encode() if isinstance(source, str) else source, room=PROFILES[profile],
                    folder=FilePath(name).parent)
    if found.findings or found.file is None:
        raise ConfigError(name, found.findings)
    file, names = found.file, Names.of(found.file)
    blob, digest = compile_file(file, seed, found.material)
    return Config(
        path=name,
        blob=blob,
        hash=digest.hex(),
        seed=seed or digest[:16],
        tenants=names.tenants,
        plans=names.plans,
        services=names.services,
        routes=names.routes,
        limits=names.limits,
        quotas=names.quotas,
        policies=names.policies,
        identity=Identity.of(file.identity, names.tenants),
        tests=tuple(file.test),
        notes=tuple(found.notes),
        file=file,
    )


def load(
    path: str | os.PathLike[str], *, profile: str = "seed", seed: bytes | None = None
) -> Config:
    """Reads, checks and compiles one file; OSError when it cannot be read, ConfigError with every
    finding."""
    return loads(FilePath(path).read_bytes(), name=os.fspath(path), profile=profile, seed=seed)
