# SPDX-License-Identifier: MIT
"""Rows that nothing refers to: they are checked, compiled, and change nothing."""

from __future__ import annotations

from collections.abc import Mapping

from host_sim.config.rules import Ground


def note_unused(ground: Ground) -> None:
    """Pools no service names, transforms no route names, schemas nothing that is used names. Limits
    and quotas are looked at where policies are."""
    file = ground.file
    pools = {service.pool for service in file.service.values()}
    _note(ground, "pool", file.pool, pools, 'no service is served by it; add pool = "{0}" to one')
    transforms = {route.transform for route in file.route if route is not None}
    _note(ground, "transform", file.transform, transforms,
          'no route names it; add transform = "{0}" to one')
    _note(ground, "schema", file.schema_, _schemas(ground),
          'no transform reads it; add schema = "{0}" to its request or response')


def _schemas(ground: Ground) -> set[str | None]:
    """Those of transforms, and what is inside those."""
    schemas = ground.file.schema_
    used = {side.schema_ for transform in ground.file.transform.values()
            for side in (transform.request, transform.response) if side is not None}
    open_ones = sorted(name for name in used if name in schemas)
    while open_ones:
        inside = {field.schema_ for field in schemas[open_ones.pop()].values()} - used
        used |= inside
        open_ones += sorted(name for name in inside if name in schemas)
    return set(used)


def _note(
    ground: Ground, section: str, rows: Mapping[str, object], used: set[str | None], why: str
) -> None:
    for name in rows:
        if name not in used:
            ground.note((section, name), "note-unused",
                        f'{section} "{name}": {why.format(name)}, or remove it')
