# SPDX-License-Identifier: MIT
"""Reading a scenario: every error of the file at once, with its place, as for a configuration."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path as FilePath
from typing import cast

from host_sim import config
from host_sim.config import Config, ConfigError
from host_sim.config.positions import read
from host_sim.simulation import expect, rules
from host_sim.simulation.ground import NOTHING, Ground
from host_sim.simulation.model import Client, Event, Expect, Head, Upstream


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A scenario that holds together: every name in it is one of its configuration's."""

    name: str
    head: Head
    clients: tuple[Client, ...]
    upstreams: tuple[Upstream, ...]
    events: tuple[Event, ...]
    expects: tuple[Expect, ...]
    checks: tuple[expect.Check, ...]
    config: Config
    source: bytes = dataclasses.field(repr=False)

    def beside(self, path: str) -> FilePath:
        """A path that counts from the scenario's own folder."""
        return FilePath(self.name).parent / path

    def files(self) -> list[str]:
        """Every file it is read from: itself, its configuration, its logs."""
        logs = (client.arrivals.log for client in self.clients)
        return [self.name, self.config.path,
                *(os.fspath(self.beside(log.file)) for log in logs if log is not None)]

    def pools(self) -> dict[str, list[str]]:
        """The instances of each pool that the configuration names, `host:port`."""
        return {name: [f"{one.at[0]}:{one.at[1]}" for one in pool.instances]
                for name, pool in self.config.file.pool.items()}

    def pool_of(self, instance: str) -> str:
        """The pool an instance is, or will be, in; "" of a service without one."""
        for one in self.upstreams:
            if one.pool is not None and one.instance == instance:
                return one.pool
        return next((name for name, ones in self.pools().items() if instance in ones), "")

    def instances(self) -> list[tuple[Upstream, str]]:
        """Everything that works: its description and its name, a pool's in the file's order; one
        that is described by itself is not described by its pool."""
        alone = {(one.pool, one.instance) for one in self.upstreams if one.instance is not None}
        found: list[tuple[Upstream, str]] = []
        for one in self.upstreams:
            if one.service is not None:
                found.append((one, one.service))
            elif one.instance is not None:
                found.append((one, one.instance))
            else:
                found += [(one, at) for at in self.pools()[one.pool or ""]
                          if (one.pool, at) not in alone]
        return found


def load(path: str | os.PathLike[str]) -> Scenario:
    """A scenario's file and its configuration. ConfigError holds every finding, OSError when one
    of the two cannot be read."""
    return loads(FilePath(path).read_bytes(), name=os.fspath(path))


def loads(source: bytes | str, *, name: str = "<text>") -> Scenario:
    """The same of text; the configuration's path counts from `name`'s folder."""
    data = source.encode() if isinstance(source, str) else source
    raw, positions, findings = read(data)
    if raw is None:
        raise ConfigError(name, findings)
    ground = Ground(raw, positions)
    rules.alone(ground)
    loaded = _config(ground, name)
    made = Scenario(name, ground.head, (), (), (), (), rules.checks(ground),
                    loaded or cast("Config", NOTHING), data)
    rules.together(ground, made)
    if ground.findings:
        raise ConfigError(name, sorted(set(ground.findings)))
    return ground.seen(made)


def _config(ground: Ground, name: str) -> Config | None:
    path, profile = ground.raw.get("config"), ground.raw.get("profile")
    if not isinstance(path, str):
        return None
    beside = FilePath(name).parent / path
    try:
        return config.load(beside, profile="edge" if profile == "edge" else "seed")
    except OSError as error:
        ground.say(("config",), "unknown-reference", f"cannot read {beside}: {error.strerror}")
    except ConfigError as error:
        first, more = error.diagnostics[0].text(str(beside)), len(error.diagnostics) - 1
        ground.say(("config",), "conflict", f"the configuration cannot be used: {first}"
                   + (f", and {more} more" if more else ""))
    return None
