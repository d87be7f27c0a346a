# SPDX-License-Identifier: MIT
"""What governed a replay besides limits and quotas: queues, policies, prices, alerts; read from the
core that decided, be it here or a snapshot of the image's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from host_sim.decision import NONE
from host_sim.kernel import Kernel
from host_sim.modules.cost_reading import money_of
from host_sim.printing import printable

COST_ALL = 0xFFFF_FFFE  # enum ray_cost_choice


@dataclasses.dataclass(frozen=True)
class Queue:
    """One class over all queues: how many waited, how long, and how close to the bound.

    `passed_by` counts the most dispatches in a row that went to others while it waited; the
    starvation law keeps it at or below `passed_by_bound`.
    """

    priority: str
    queued: int
    sent: int
    denied: int
    wait_ns_mean: int
    wait_ns_max: int
    passed_by: int
    passed_by_bound: int


@dataclasses.dataclass(frozen=True)
class Policy:
    """One rule: requests it matched, decided and refused; `would` counts what a shadow rule would
    have decided otherwise."""

    name: str
    matched: int
    decided: int
    denied: int
    would: int


@dataclasses.dataclass(frozen=True)
class Bill:
    """What a tenant was charged; exact, in 10^-9 units rounded down and a carried rest not shown.
    `tenant` is empty for requests of nobody in particular."""

    tenant: str
    nano: int

    def amount(self) -> str:
        """A decimal number."""
        whole, rest = divmod(abs(self.nano), 10**9)
        return f"{'-' if self.nano < 0 else ''}{whole}.{rest:09}"


@dataclasses.dataclass(frozen=True)
class Earned:
    """What a service's requests were charged; `service` is empty for those of none."""

    service: str
    nano: int


@dataclasses.dataclass(frozen=True)
class Promise:
    """One service's SLA: outcomes, those that failed or came late, minutes that broke it."""

    service: str
    outcomes: int
    failed: int
    slow: int
    missed_deadlines: int
    minutes: int
    breaches: int
    p95_latency_ns: int = 0     # what was promised; 0 where nothing was
    deadline_ns: int = 0
    error_rate_bp: int = 0


@dataclasses.dataclass(frozen=True)
class Notice:
    """An alert that fired or resolved. `at_ns` is the core's clock, in a replay Unix time."""

    at_ns: int
    alert: str
    state: str
    value: str


@dataclasses.dataclass(frozen=True)
class Governed:
    """Everything of this page; each part empty where nothing was configured or happened."""

    queues: tuple[Queue, ...] = ()
    promises: tuple[Promise, ...] = ()
    policies: tuple[Policy, ...] = ()
    bills: tuple[Bill, ...] = ()
    earned: tuple[Earned, ...] = ()
    charged_nano: int = 0  # in all; the bills are rounded down each
    alerts: tuple[Notice, ...] = ()


def read(kernel: Kernel) -> Governed:
    """What the core's modules say now."""
    return Governed(
        tuple(_queues(kernel)),
        tuple(_promises(kernel)),
        tuple(_policies(kernel)),
        tuple(_bills(kernel)),
        tuple(_earned(kernel)),
        _charged(kernel, COST_ALL, COST_ALL),
        tuple(_alerts(kernel)),
    )


def _said(kernel: Kernel, command: str, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = kernel.shell(f"{command} --json").json()[key]
    return rows


def _queues(kernel: Kernel) -> Iterator[Queue]:
    for row in _said(kernel, "priority classes", "classes"):
        if row["queued"] or row["denied"]:
            yield Queue(row["class"], row["queued"], row["sent"], row["denied"],
                        row["avg_wait_ns"], row["max_wait_ns"], row["passed_by"],
                        row["passed_by_bound"])


def _promises(kernel: Kernel) -> Iterator[Promise]:
    for row in _said(kernel, "priority sla", "slas"):
        if row["outcomes"]:
            yield Promise(row["service"], row["outcomes"], row["failed"], row["slow"],
                          row["missed_deadlines"], row["minutes"], row["breaches"],
                          row["p95_latency_ns"], row["deadline_ns"], row["error_rate_bp"])


def _policies(kernel: Kernel) -> Iterator[Policy]:
    for row in _said(kernel, "policy list --all", "policies"):
        yield Policy(row["name"], row["matched_count"], row["decided_count"],
                     row["denied_count"], row["would_count"])


def _charged(kernel: Kernel, tenant: int, service: int) -> int:
    """Everything ever charged to a tenant or a service, in 10^-9 units."""
    lib, ffi = kernel.lib, kernel.ffi
    money = ffi.new("ray_money *")
    which = ffi.new("ray_cost_which *", {"tenant": tenant, "service": service,
                                         "metric": COST_ALL, "back": COST_ALL})
    now = lib.ray_clock_now(kernel.ray)
    if lib.ray_cost_sum(lib.ray_cost_of(kernel.ray), now, 0, which, money) != 0:
        return 0
    return int(money_of(money).nano)


def _bills(kernel: Kernel) -> Iterator[Bill]:
    for tenant in (NONE, *range(kernel.lib.ray_tenant_count(kernel.ray))):
        if nano := _charged(kernel, tenant, COST_ALL):
            yield Bill(tenant_name(kernel, tenant), nano)


def _earned(kernel: Kernel) -> Iterator[Earned]:
    for name, service in [("", NONE), *_services(kernel)]:
        if nano := _charged(kernel, COST_ALL, service):
            yield Earned(name, nano)


def _services(kernel: Kernel) -> Iterator[tuple[str, int]]:
    lib, ffi = kernel.lib, kernel.ffi
    name = ffi.new("ray_name *")
    for service in range(lib.RAY_SERVICE_MAX):
        lib.ray_by_name(kernel.ray, lib.RAY_BY_SERVICE, service, name)
        if said := bytes(ffi.string(name.at)).decode():
            yield said, service


def tenant_name(kernel: Kernel, tenant: int) -> str:
    """A tenant's name by its handle, "" for NONE."""
    if tenant == NONE:
        return ""
    row = kernel.ffi.new("ray_tenant_spec *")
    kernel.lib.ray_tenant_read(kernel.ray, tenant, row)
    return bytes(kernel.ffi.string(row.name.at)).decode()


def _alerts(kernel: Kernel) -> Iterator[Notice]:
    found = [Notice(row["at_ns"], row["alert"], row["state"], str(row["value"]))
             for row in _said(kernel, "governance alerts --all", "notifications")]
    lib, ffi = kernel.lib, kernel.ffi
    cost, notice = lib.ray_cost_of(kernel.ray), ffi.new("ray_cost_notice *")
    stats = ffi.new("ray_cost_stats *")
    lib.ray_cost_read(cost, stats)
    for id in range(1, int(stats.notice_count) + 1):
        if lib.ray_cost_notice_read(cost, id, notice) == 0:
            name = bytes(ffi.string(notice.alert.name.at)).decode()
            spent = Bill("", int(notice.spent_nano)).amount()
            found.append(Notice(int(notice.at_ns), name, "spent", spent))
    yield from sorted(found, key=lambda one: one.at_ns)


# -- the page --------------------------------------------------------------------------------------
def lines(governed: Governed, duration: Any, instant: Any) -> Iterator[str]:
    """The page's part about it; `duration` and `instant` print nanoseconds."""
    if governed.queues:
        yield ""
        yield (f"{'Classes that waited':20} {'waited':>10} {'sent':>10} {'refused':>9} "
               f"{'mean wait':>12} {'longest':>12}  passed by, at most")
        for q in governed.queues:
            yield (f"  {q.priority:18} {q.queued:>10,} {q.sent:>10,} {q.denied:>9,} "
                   f"{duration(q.wait_ns_mean):>12} {duration(q.wait_ns_max):>12}  "
                   f"{q.passed_by:,} of {q.passed_by_bound:,}")
    if governed.promises:
        yield ""
        yield (f"{'Promises':20} {'outcomes':>10} {'failed':>10} {'late':>9} "
               f"{'missed':>12}  minutes that broke it")
        for p in governed.promises:
            yield (f"  {printable(p.service):18} {p.outcomes:>10,} {p.failed:>10,} {p.slow:>9,} "
                   f"{p.missed_deadlines:>12,}  {p.breaches:,} of {p.minutes:,}")
    if governed.policies:
        yield ""
        yield f"{'Policies':32} {'matched':>12} {'decided':>12} {'refused':>12} {'would':>10}"
        for r in governed.policies:
            yield (f"  {printable(r.name):30} {r.matched:>12,} {r.decided:>12,} {r.denied:>12,} "
                   f"{r.would:>10,}")
    if governed.bills:
        yield ""
        yield f"{'Bill':32} {'charged':>24}"
        for b in governed.bills:
            yield f"  {printable(b.tenant) or '(nobody)':30} {b.amount():>24}"
    if governed.alerts:
        yield ""
        yield "Alerts"
        for a in governed.alerts[-20:]:
            yield f"  {instant(a.at_ns):30} {printable(a.alert):30} {a.state} at {a.value}"
