# SPDX-License-Identifier: MIT
"""Scenarios of breakers and retries: a probe that never answers, and a storm of retries."""

from __future__ import annotations

from host_sim.kernel import Kernel
from host_sim.modules.resilience import CircuitState, ResilienceManager
from host_sim.scenarios.gateway import KernelGateway
from host_sim.scenarios.run import (
    SERVICE,
    Expectation,
    Result,
    columns,
    conserved,
    kernel_of,
    returned,
    seed_bytes,
    sparkline,
)
from host_sim.simulate import Report, Simulation, arrivals
from host_sim.upstream import Instance, Latency, S, Trouble, Upstream

MS = 10**6
ONLY = "10.0.0.1:80"


def _column(report: Report, name: str, seconds: int) -> list[int]:
    return [report.between(second, second + 1, name) for second in range(seconds)]


def _plot(report: Report, names: tuple[str, ...], seconds: int) -> str:
    most = max(max(_column(report, name, seconds)) for name in names)
    lines = [f"{name:<9}|{sparkline(_column(report, name, seconds), most)}|" for name in names]
    return "\n".join(lines) + f"\n{'':<9} one character a second, @ is {most}\n"


# -- a probe that never answers -------------------------------------------------------------------
PROBE_SECONDS, HANG_BEGINS, HANG_ENDS = 60, 10, 30
PROBE_RULES = """timeout = "1s"
breaker = { failures = 5, successes = 2, open = "4s", open_max = "4s", probes = 1 }
"""


def probe_never_answers(seed: int) -> Result:
    """The service answers nothing for 20 s and the gateway's caller reports nothing either."""
    trouble = Trouble("hang", HANG_BEGINS * S, HANG_ENDS * S)
    latency = Latency("lognormal", 20 * MS)
    upstream = Upstream({ONLY: Instance(latency, 64, troubles=(trouble,))}, seed=seed_bytes(seed))
    kernel = kernel_of(seed, PROBE_RULES, timeout_s=1)
    gateway = KernelGateway(kernel, timeout_ns=S, tells=False, only=ONLY)
    report = Simulation(gateway, upstream).run(
        arrivals(20, PROBE_SECONDS, seed=seed_bytes(seed))
    )
    guards, service = ResilienceManager(kernel=kernel), kernel.service_id(SERVICE)
    changes = guards.get_transitions(service)
    rows: list[tuple[object, ...]] = [("change", "at_ms", "why")]
    rows += [
        (f"{one.before.name} > {one.after.name}".lower().replace("_", "-"),
         one.at // MS, one.cause.name.lower())
        for one in changes
    ]  # fmt: skip
    reopened = sum(
        (one.before, one.after) == (CircuitState.HALF_OPEN, CircuitState.OPEN) for one in changes
    )
    closed_ns = changes[-1].at if changes else 0
    by_itself = HANG_ENDS * S <= closed_ns <= (HANG_ENDS + 4 + 1 + 1) * S
    stats = kernel.stats()
    after = HANG_ENDS + 6
    expectations = (
        Expectation(f"{reopened} probes were lost, and each opened it again", reopened >= 3),
        Expectation(
            f"it closes by itself {(closed_ns - HANG_ENDS * S) // MS} ms after the service is back,"
            " within open + timeout + 1 s",
            by_itself and guards.get_breaker(service).state is CircuitState.CLOSED,
        ),
        Expectation(
            f"while it is down {report.between(HANG_BEGINS + 2, HANG_ENDS, 'attempts')} of "
            f"{report.between(HANG_BEGINS + 2, HANG_ENDS, 'offered')} requests reach it",
            report.between(HANG_BEGINS + 2, HANG_ENDS, "attempts") <= 4,
        ),
        Expectation(
            f"from second {after} on all "
            f"{report.between(after, PROBE_SECONDS, 'offered')} are sent",
            report.between(after, PROBE_SECONDS, "offered")
            == report.between(after, PROBE_SECONDS, "attempts") > 0,
        ),
        Expectation(
            f"{stats['expired_count']} attempts expired, and nobody reported one",
            stats["expired_count"] == report.total("given_up") > 0,
        ),
        conserved(kernel),
        returned(kernel),
    )
    text = _plot(report, ("attempts", "ok", "refused"), PROBE_SECONDS) + "\n" + columns(rows)
    numbers = {name: report.total(name) for name in ("offered", "attempts", "ok", "refused")}
    return Result("probe-never-answers", seed, text, expectations,
                  numbers | {"reopened": reopened, "closed_at_ms": closed_ns // MS},
                  {"run": kernel.digest().decision})  # fmt: skip


# -- a storm of retries ---------------------------------------------------------------------------
STORM_SECONDS, DOWN_BEGINS, DOWN_ENDS = 40, 10, 30
SHARE_PERCENT, RESERVE, TTL_S, ATTEMPTS = 20, 1, 10, 4
STORM_RULES = """timeout = "2s"
retry = {{ attempts = 4, base = "100ms", max = "400ms", on = ["5xx"], budget = {budget} }}
"""
BUDGET = f'{{ deposit = 1, cost = {100 // SHARE_PERCENT}, reserve = {RESERVE}, ttl = "{TTL_S}s" }}'


def _storm(seed: int, budget: str) -> tuple[Report, Kernel]:
    trouble = Trouble("error", DOWN_BEGINS * S, DOWN_ENDS * S, status=503)
    instance = Instance(Latency("exponential", 20 * MS), 64, troubles=(trouble,))
    upstream = Upstream({ONLY: instance}, seed=seed_bytes(seed))
    kernel = kernel_of(seed, STORM_RULES.format(budget=budget))
    gateway = KernelGateway(kernel, timeout_ns=10 * S, only=ONLY)
    report = Simulation(gateway, upstream).run(
        arrivals(50, STORM_SECONDS, seed=seed_bytes(seed))
    )
    return report, kernel


def retry_storm(seed: int) -> Result:
    """Every request fails for 20 s; the same arrivals with a budget for retries and without."""
    kept, kernel = _storm(seed, BUDGET)
    loose, unkept = _storm(seed, '"none"')
    names = ("offered", "attempts", "retries", "ok", "failed")
    rows: list[tuple[object, ...]] = [("while it is down", "budget 20%", "no budget")]
    rows += [
        (name, *(report.between(DOWN_BEGINS, DOWN_ENDS, name) for report in (kept, loose)))
        for name in names
    ]
    # Deposits last for the ttl: only requests of that long before the trouble, and of the trouble,
    # pay for a retry. The reserve is counted over the ttl, and the failures touch so many of them.
    paying = kept.between(DOWN_BEGINS - TTL_S, DOWN_ENDS, "offered")
    reserve = RESERVE * TTL_S * (-(-(DOWN_ENDS - DOWN_BEGINS + 2) // TTL_S))
    bound = paying * SHARE_PERCENT // 100 + reserve
    down = loose.between(DOWN_BEGINS, DOWN_ENDS, "offered")
    sent = loose.between(DOWN_BEGINS, DOWN_ENDS, "attempts")
    expectations = (
        Expectation(
            f"with a budget {kept.total('retries')} retries <= {bound} = {SHARE_PERCENT}% of "
            f"{paying} requests that pay for them + reserve {reserve}",
            0 < kept.total("retries") <= bound,
        ),
        Expectation(
            f"without one {sent} attempts for {down} requests while it is down: "
            f"{ATTEMPTS} times as many, less those under way at either end",
            down * (ATTEMPTS - 1) < sent <= (down + 50) * ATTEMPTS,
        ),
        Expectation(
            f"{kernel.stats()['retried_count']} and {unkept.stats()['retried_count']} retries by "
            "the core's own count",
            (kernel.stats()["retried_count"], unkept.stats()["retried_count"])
            == (kept.total("retries"), loose.total("retries")),
        ),
        conserved(kernel),
        conserved(unkept),
        returned(kernel),
        returned(unkept),
    )
    most = max(_column(loose, "attempts", STORM_SECONDS))
    plot = "".join(
        f"{label:<12}|{sparkline(_column(report, 'attempts', STORM_SECONDS), most)}|\n"
        for label, report in (("budget 20%", kept), ("no budget", loose))
    )
    text = f"{plot}{'':<12} attempts, one character a second, @ is {most}\n\n{columns(rows)}"
    numbers = {f"budget_{name}": kept.total(name) for name in names}
    numbers |= {f"no_budget_{name}": loose.total(name) for name in names} | {"bound": bound}
    digests = {"budget": kernel.digest().decision, "no_budget": unkept.digest().decision}
    return Result("retry-storm", seed, text, expectations, numbers, digests)
