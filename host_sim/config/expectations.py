# SPDX-License-Identifier: MIT
"""[[test]] rows run through the real core, each on a fresh copy of the loaded configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from host_sim.config import Config, Request
from host_sim.config.expected import Expectation, ExpectedRequest
from host_sim.config.identity import ROLES, address_of
from host_sim.config.model import CLASSES
from host_sim.errors import RaygateError
from host_sim.kernel import NONE, Decision, Kernel


@dataclass(frozen=True)
class Outcome:
    """One expectation: `differences` is empty when it holds."""

    name: str
    differences: tuple[str, ...]
    route: str
    by: tuple[str, ...]  # what held it back, or would have in shadow

    @property
    def passed(self) -> bool:
        """True when everything came out as expected."""
        return not self.differences


@dataclass(frozen=True)
class Coverage:
    """Rows no expectation touched: routes nothing reached, limits and quotas that held nothing."""

    routes: tuple[str, ...]
    limits: tuple[str, ...]
    quotas: tuple[str, ...]


def core_refusal(blob: bytes, profile: str) -> str | None:
    """What the core's own check says against the bytes, None when it accepts them."""
    try:
        Kernel(profile=profile, config=blob)
    except RaygateError as error:
        return error.what
    return None


def run(config: Config, *, profile: str = "seed") -> list[Outcome]:
    """Every expectation of the file, in order."""
    loaded = Kernel(profile=profile, config=config)
    return [
        _run_one(config, loaded.fork(), test, f"test {index + 1}")
        for index, test in enumerate(config.tests)
    ]


def coverage(config: Config, outcomes: list[Outcome]) -> Coverage:
    """What the expectations leave out."""
    routes = {outcome.route for outcome in outcomes}
    met = {name for outcome in outcomes for name in outcome.by}
    return Coverage(
        tuple(name for name in config.routes if name not in routes),
        tuple(name for name in config.limits if name not in met),
        tuple(name for name in config.quotas if name not in met),
    )


def _run_one(config: Config, kernel: Kernel, test: Expectation, fallback: str) -> Outcome:
    name = test.name or f"{fallback}: {test.request.method} {test.request.path}"
    at_ns = test.at or 0
    fields = fields_of(config, test.request)
    try:
        for _ in range(test.repeat):
            decision = kernel.admit(test.request.path, at_ns=at_ns, exchange=True, **fields)
    except (RaygateError, UnicodeEncodeError) as error:
        return Outcome(name, (f"the core refused the request: {error}",), "", ())
    met = (decision.by, *(shadow.by for shadow in decision.shadow))
    return Outcome(name, tuple(_differences(test, decision)), decision.route, met)


def fields_of(config: Config, request: ExpectedRequest) -> dict[str, Any]:
    """The request as `Kernel.admit` takes it: who it is from is said by [[identity]], as in a
    replay."""
    stated = request.user is not None or request.tenant is not None or request.role is not None
    credentials = {"authorization", config.file.auth.header.lower()}
    shows = credentials & {name.lower() for name in request.headers}
    client = request.client or ""
    tenant, user, role = config.identity.resolve(
        Request(client, request.user or "", request.path, request.headers)
    )
    if request.tenant is not None:
        tenant = config.tenants.index(request.tenant)
    if request.role is not None:
        role = ROLES.index(request.role) + 1
    is_address = address_of(client) is not None
    more: dict[str, Any] = {}
    if request.weight is not None:
        more["weight"] = request.weight    # 0 would take nothing
    if shows and not stated:
        more["vouched"] = False            # a credential that is shown says more than an address
    return more | {
        "method": request.method,
        "host": request.host or "",
        "headers": request.headers,
        "ip": client if is_address else None,
        "client": "" if is_address else client,
        "user": user,
        "role": role,
        "tenant": None if tenant == NONE else config.tenants[tenant],
        "service": request.service,
        "priority": CLASSES.index(request.priority) if request.priority else 255,
        "request_bytes": request.body,
        "response_bytes": request.response,
        "duration_ns": request.duration,
    }


def _differences(test: Expectation, decision: Decision) -> list[str]:
    expect = test.expect
    shadow = sorted(item.by for item in decision.shadow)
    rows = (
        ("verdict", expect.verdict, decision.verdict.name.lower()),
        ("by", expect.by, decision.by),
        ("reason", expect.reason, decision.reason),
        ("status", expect.status, decision.http_status),
        ("route", expect.route, decision.route),
        ("service", expect.service, decision.service),
        ("queued", expect.queued, decision.queued),
        ("location", expect.location, decision.location),
        ("retry_after", expect.retry_after, decision.retry_after_ns),
        ("shadow", None if expect.shadow is None else sorted(expect.shadow), shadow),
    )
    return [
        f"{what}: expected {_shown(what, wanted)}, got {_shown(what, got)}"
        for what, wanted, got in rows
        if wanted is not None and wanted != got
    ]


def _shown(what: str, value: Any) -> str:
    if what == "retry_after":
        from host_sim.config.units import duration_text

        return duration_text(value) if value < 2**63 else "never"
    return ", ".join(value) or "none" if isinstance(value, list) else str(value) or "none"
