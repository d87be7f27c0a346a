# SPDX-License-Identifier: MIT
"""Limits that were found as a configuration: the fragment to paste, and a whole file to replay."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence

from host_sim.config.fields import NAME
from host_sim.config.units import duration_text
from host_sim.recommend.curve import BUCKETS, Candidate
from host_sim.recommend.trace import HEADERS, Group, Shape
from host_sim.replay.program import FormatError

SCOPES = {"all": "service", "user": "user", "client": "ip"}
UNITS = {1_000_000_000: "s", 60_000_000_000: "min", 3_600_000_000_000: "h",
         86_400_000_000_000: "d"}
OTHER = "other"      # the service of what none of the file's services is for
NAMED_MAX = 100      # limits that a policy each adds
SERVICE_MAX = 200


@dataclasses.dataclass(frozen=True)
class Proposal:
    """A limit with its name in the file; `group` is None where it is for all requests."""

    name: str
    candidate: Candidate
    group: Group | None


def check_shape(shape: Shape) -> None:
    """FormatError for a class no configuration can give a limit of its own."""
    if shape.each and shape.each != ("service",) and shape.key != "all":
        raise FormatError(
            f"a limit per {shape.key} of each {' and '.join(shape.each)} cannot be configured: "
            "only a service has limits per user and per client; leave --for out, or use "
            "--each service")


def rate_text(rate: int, period_ns: int) -> str:
    """`40/min`, as a configuration writes it."""
    return f"{rate}/{UNITS.get(period_ns) or duration_text(period_ns)}"


def most_of(shape: Shape) -> int:
    """How many limits of this shape one file takes."""
    return 1 if not shape.each else SERVICE_MAX if shape.each == ("service",) else NAMED_MAX


def name_of(shape: Shape, group: Group | None, taken: Sequence[str]) -> str:
    """A name no other limit has, in the letters a name may have."""
    words = list(group.parts) if group else []
    words += ["total"] if shape.key == "all" and (not words or shape.each == ("service",)) else []
    words += [f"per-{shape.key}"] if shape.key != "all" else []
    text = re.sub(r"[^A-Za-z0-9._:-]+", "-", "-".join(words)).strip("-")[:40] or "none"
    name, number = text, 2
    while name in taken:
        name, number = f"{text}-{number}", number + 1
    return name


def fragment(shape: Shape, proposals: Sequence[Proposal], mode: str = "enforce") -> str:
    """The limits, and what makes requests meet them, as TOML to paste at the end of a file whose
    own mode is `mode`; they are enforced whatever it is."""
    enforced = "" if mode == "enforce" else 'mode = "enforce"'
    return "\n".join(_limit(shape, proposal, enforced) for proposal in proposals)


def whole(
    shape: Shape, proposals: Sequence[Proposal], base: str | None, why: str, mode: str = "enforce",
) -> str:
    """A configuration that can be replayed: the base with the fragment behind it, else the least
    that a file needs."""
    if base is not None:
        return f"{base.rstrip()}\n\n# {why}\n{fragment(shape, proposals, mode)}"
    services = sorted({_service(shape, proposal.group) for proposal in proposals} - {""})
    lines = [f"# {why}", "version = 1", ""]
    lines += [f"[service.{_quoted(name)}]" for name in (*services, OTHER)]
    tenants = sorted({_part(shape, proposal.group, "tenant") for proposal in proposals} - {""})
    lines += [f"[tenant.{_quoted(name)}]" for name in tenants]
    lines += ["", "[[route]]", 'name = "everything"', f'service = "{OTHER}"',
              'path = { prefix = "/" }', ""]
    for proposal in proposals if "path" in shape.each else ():
        lines += ["[[route]]", f'name = "{proposal.name}"', f'service = "{OTHER}"',
                  f"path = {{ prefix = {json.dumps(_part(shape, proposal.group, 'path'))} }}",
                  f'limits = ["{proposal.name}"]', ""]
    return "\n".join(lines) + "\n" + fragment(shape, proposals)


def _limit(shape: Shape, proposal: Proposal, enforced: str) -> str:
    named = bool(shape.each) and shape.each != ("service",)
    candidate, service = proposal.candidate, _service(shape, proposal.group)
    lines = ["[[limit]]", f'name = "{proposal.name}"',
             f'scope = "{"named" if named else SCOPES[shape.key]}"']
    if service and not named:
        lines.append(f'service = "{service}"')
    lines += [f'algorithm = "{candidate.algorithm}"',
              f'rate = "{rate_text(candidate.rate, candidate.period_ns)}"']
    if candidate.algorithm in BUCKETS:
        lines.append(f"burst = {candidate.capacity}")
    lines += [enforced] if enforced else []
    if named and "path" not in shape.each:
        lines += ["", "[[policy]]", f'name = "{proposal.name}"', 'type = "ratelimit"',
                  f"when = {{ {_when(shape, proposal.group)} }}", 'action = "throttle"',
                  f'limit = "{proposal.name}"']
        lines += [enforced] if enforced else []
    return "\n".join(lines) + "\n"


def _when(shape: Shape, group: Group | None) -> str:
    """The condition of a policy for one group."""
    words = []
    for part in shape.each:
        value = json.dumps(_part(shape, group, part))
        words.append(f"header = {{ {HEADERS[part]} = {value} }}" if part == "operation"
                     else f"{part} = [{value}]")
    return ", ".join(words)


def _part(shape: Shape, group: Group | None, part: str) -> str:
    return group.parts[shape.each.index(part)] if group and part in shape.each else ""


def _service(shape: Shape, group: Group | None) -> str:
    return _part(shape, group, "service")


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def can_stand(shape: Shape, group: Group) -> str:
    """Why this group can have no limit of its own; empty where it can."""
    for part, value in zip(shape.each, group.parts, strict=True):
        if not value:
            return f"no {part}"
        if part == "path" and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
            return "no path prefix of plain letters"
        if part == "operation" and not re.fullmatch(r"[!-~]{1,64}", value):
            return "no operation of plain letters"
        if part in ("service", "tenant", "route") and not NAME.fullmatch(value):
            return f"no {part} with a name that a file can use"
    return ""
