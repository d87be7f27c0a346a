# SPDX-License-Identifier: MIT
"""What came of a replay: the numbers as one object, and as a page a stranger understands."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from host_sim.printing import printable
from host_sim.replay import governed, trust
from host_sim.replay.inputs import LogRead
from host_sim.replay.reader import ReaderStats
from host_sim.replay.timeline import Timeline
from host_sim.report.model import Report
from host_sim.report.units import duration, instant

UNPARSABLE_FINDING_PPM = 10_000  # more than 1 % of the lines is a finding
LOGS_SHOWN = 12
VERDICTS = ("allow", "deny", "delay", "redirect", "dropped")


@dataclasses.dataclass(frozen=True)
class First:
    """A first denial: when (Unix nanoseconds), its decision's number, and the rule that made it
    ("limit per-address"), its reason where none is named ("auth-permission")."""

    at_ns: int
    seq: int
    by: str


@dataclasses.dataclass(frozen=True)
class Rule:
    """A limit, quota or route that said no, or would have: how often and for how long."""

    kind: str
    name: str
    denied: int
    would_deny: int
    retry_after_ns_max: int
    never: int
    first: First | None = None
    first_would: First | None = None  # the first it would have made in shadow mode


@dataclasses.dataclass(frozen=True)
class Service:
    """One service's requests; `name` is empty where none was found for them."""

    name: str
    requests: int
    allowed: int
    denied: int
    delayed: int
    response_bytes: int


@dataclasses.dataclass(frozen=True)
class Key:
    """One client or user: its requests and what became of them."""

    name: str
    requests: int
    denied: int
    delayed: int
    would_deny: int
    first: First | None = None


@dataclasses.dataclass(frozen=True)
class Tenant:
    """One tenant's requests; `name` is empty for those of nobody in particular."""

    name: str
    requests: int
    allowed: int
    denied: int
    delayed: int
    would_deny: int
    first: First | None = None


@dataclasses.dataclass(frozen=True)
class Summary:
    """Everything a replay tells. Times are Unix nanoseconds, digests lower-case hexadecimal."""

    log: str
    config: str
    engine: str
    profile: str
    form: str
    columns: str
    order: str
    window: int
    lines: ReaderStats
    requests: int
    verdicts: dict[str, int]
    reasons: dict[str, int]
    would_deny: int
    queued: int
    completed: int
    expired: int
    dropped: int
    errors: int
    stepped_back: int
    moved: int
    rejected: int
    late: int
    not_replayed: int
    concurrent_max: int
    first_ns: int
    last_ns: int
    rules: tuple[Rule, ...]
    services: tuple[Service, ...]
    clients: tuple[Key, ...]
    client_count: int
    users: tuple[Key, ...]
    user_count: int
    users_differ: bool  # false where each client is its own user
    folded_totals: int
    folded_keys: int
    config_hash: str
    decision_digest: str
    state_digest: str
    book_digest: str
    elapsed_ns: int
    governed: governed.Governed = governed.Governed()
    tenants: tuple[Tenant, ...] = ()
    hurt_clients: tuple[Key, ...] = ()  # denied first, in that order
    hurt_client_count: int = 0
    hurt_users: tuple[Key, ...] = ()
    hurt_user_count: int = 0
    timeline: Timeline = Timeline()
    command: str = ""                   # the line that makes this again
    trust: trust.Trust = trust.Trust()
    logs: tuple[LogRead, ...] = ()
    problem: str = ""
    interrupted: bool = False

    def findings(self) -> list[str]:
        """What makes the numbers less than the whole truth, a sentence each."""
        lines, found = self.lines, []
        if lines.unparsable_count * 1_000_000 > lines.line_count * UNPARSABLE_FINDING_PPM:
            found.append(f"{count(lines.unparsable_count, 'line')} of {lines.line_count:,} "
                         "could not be read: more than 1 %")
        if not self.requests:
            found.append("nothing was replayed")
        if self.rejected:
            found.append(f"{count(self.rejected, 'row')} stepped back in time and "
                         "were left out (--order reject)")
        if self.late:
            found.append(f"{count(self.late, 'row')} came too late for the sorting window and "
                         "happened later than the log says: use a larger --window, or 0")
        if self.errors:
            found.append(f"the core refused {count(self.errors, 'row')}")
        if self.interrupted:
            found.append(f"interrupted: {count(self.not_replayed, 'row')} already read and the "
                         "rest of the log were not replayed")
        if self.problem:
            found.append(f"{self.problem}: what came before it was replayed")
        return found

    def as_json(self) -> dict[str, Any]:
        """The same content as one JSON object."""
        out = dataclasses.asdict(self)
        for sample in out["lines"]["samples"]:
            sample["text"] = sample["text"].decode("utf-8", "backslashreplace")
        out["findings"] = self.findings()
        return out

    def report(self) -> Report:
        """The same as a document: charts over time, who was hurt, the bill, trust and proof."""
        from host_sim.replay.report import report

        return report(self)

    def text(self) -> str:
        """A page for a person."""
        return "\n".join(_page(self)) + "\n"


def count(number: int, what: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def shares(parts: Sequence[int]) -> list[str]:
    """Percentages of the parts' sum with one decimal, which add up to 100.0 %.

    Each is the nearest below or above: the parts that lose most by cutting take what cutting left.
    Some is never shown as 0.0 %, and not all never as 100.0 %.
    """
    whole = sum(parts)
    if not whole:
        return ["0 %"] * len(parts)
    permille = [part * 1000 // whole for part in parts]
    losses = sorted(range(len(parts)), key=lambda place: -(parts[place] * 1000 % whole))
    for place in losses[: 1000 - sum(permille)]:
        permille[place] += 1
    return [_percent(number, part, whole) for number, part in zip(permille, parts, strict=True)]


def _percent(permille: int, part: int, whole: int) -> str:
    if part and not permille:
        return "< 0.1 %"
    if part < whole and permille == 1000:
        return "> 99.9 %"
    return f"{permille // 10}.{permille % 10} %"


def share(part: int, whole: int) -> str:
    """The nearest percentage of one part with one decimal."""
    return shares((part, whole - part))[0]


def _page(s: Summary) -> Iterator[str]:
    yield (f"{printable(s.log)} through {printable(s.config)}, "
           f"{s.engine} engine, profile {s.profile}")
    yield from _lines(s)
    yield ""
    yield from _verdicts(s)
    yield from _rules(s)
    yield from _services(s)
    yield from governed.lines(s.governed, duration, instant)
    yield from _keys("client", s.clients, s.client_count)
    if s.users_differ:
        yield from _keys("user", s.users, s.user_count)
    yield ""
    yield from _proof(s)
    findings = s.findings()
    if findings:
        yield ""
        yield "Findings"
        yield from (f"  {printable(finding)}" for finding in findings)


def _lines(s: Summary) -> Iterator[str]:
    lines = s.lines
    yield (f"Read {count(lines.line_count, 'line')} as {s.form}"
           + (f" ({printable(s.columns)})" if "=" in s.columns else ""))
    for log in s.logs[:LOGS_SHOWN] if len(s.logs) > 1 else ():
        yield f"  {log.lines:>13,}  {printable(log.name)}, {log.form}"
    if len(s.logs) > LOGS_SHOWN:
        rest = s.logs[LOGS_SHOWN:]
        yield f"  {sum(log.lines for log in rest):>13,}  in {len(rest):,} more logs"
    if lines.unparsable_count:
        yield f"  {count(lines.unparsable_count, 'line')} could not be read and count for nothing:"
        for sample in lines.samples:
            text = printable(sample.text.decode("latin-1"))
            where = f"{printable(sample.log)} " if sample.log else ""
            yield f"    {where}line {sample.line}: {sample.why}: {text[:76]}"
    if lines.blank_count:
        yield f"  {count(lines.blank_count, 'line')} blank"
    if lines.unknown_service_count:
        yield (f"  {count(lines.unknown_service_count, 'line')} name a service the configuration "
               f"does not have{trust.some(lines.unknown_services)}; they are routed by path")
    if lines.unknown_tenant_count:
        yield (f"  {count(lines.unknown_tenant_count, 'line')} name a tenant the configuration "
               f"does not have{trust.some(lines.unknown_tenants)}")
    yield f"  {order_said(s)}"
    yield from (f"  {statement}" for statement in trust.lines(s.trust))


def order_said(s: Summary) -> str:
    """What was done with rows out of time order, a sentence without its stop."""
    if not s.stepped_back:
        return f"The log is in time order (rule: {s.order})"
    back = f"{count(s.stepped_back, 'row')} stepped back in time"
    if s.order == "sort":
        span = "the whole log" if not s.window else f"a window of {count(s.window, 'row')}"
        return f"{back}; rule sort put them in order within {span}"
    if s.order == "clamp":
        return f"{back}; rule clamp raised the time of {count(s.moved, 'row')} to the row's before"
    return f"{back}; rule reject left {count(s.rejected, 'row')} out"


def _verdicts(s: Summary) -> Iterator[str]:
    span = f" from {instant(s.first_ns)} to {instant(s.last_ns)}" if s.requests else ""
    yield f"{count(s.requests, 'request')}{span}"
    words = {"allow": "allowed", "deny": "denied", "delay": "delayed", "redirect": "redirected",
             "dropped": "dropped"}
    numbers = [s.verdicts.get(verdict, 0) for verdict in VERDICTS]
    others = s.requests - sum(numbers)  # rows the core refused are requests too
    for verdict, number, part in zip(VERDICTS, numbers, shares([*numbers, others]), strict=False):
        if number or verdict in ("allow", "deny"):
            yield f"  {words[verdict]:10} {number:>13,}  {part:>8}"
    for reason, number in s.reasons.items():
        if reason not in ("ok", "none", "queued"):  # who waited was allowed, and stands below
            yield f"    {reason:24} {number:>13,}"
    if s.would_deny:
        yield (f"  {count(s.would_deny, 'request')} would have been denied by rules in shadow mode "
               f"({share(s.would_deny, s.requests)})")
    if s.lines.duration_count:
        yield (f"  {count(s.completed, 'request')} ran for the time the log says, at most "
               f"{s.concurrent_max:,} at once")
    if s.expired:
        yield f"  {count(s.expired, 'request')} ran past the timeout of their service"
    if s.queued:
        yield (f"  {count(s.queued, 'request')} waited in a queue, "
               f"{s.dropped:,} of them left it unsent")


def _rules(s: Summary) -> Iterator[str]:
    if not s.rules:
        return
    yield ""
    yield f"{'Rules that said no':32} {'denied':>12} {'would deny':>12}  longest wait"
    for rule in s.rules:
        wait = duration(rule.retry_after_ns_max) if rule.retry_after_ns_max else "-"
        never = f", {count(rule.never, 'time')} for ever" if rule.never else ""
        yield (f"  {rule.kind + ' ' + printable(rule.name):30} {rule.denied:>12,} "
               f"{rule.would_deny:>12,}  {wait}{never}")


def _services(s: Summary) -> Iterator[str]:
    if not s.services:
        return
    yield ""
    yield f"{'Services':32} {'requests':>12} {'allowed':>12} {'denied':>12} {'delayed':>12}"
    for row in s.services:
        yield (f"  {printable(row.name) or '(none)':30} {row.requests:>12,} {row.allowed:>12,} "
               f"{row.denied:>12,} {row.delayed:>12,}")


def _keys(what: str, keys: tuple[Key, ...], total: int) -> Iterator[str]:
    if not keys:
        return
    hurt = any(key.denied or key.would_deny for key in keys)
    yield ""
    title = f"{what.capitalize()}s denied most" if hurt else f"Busiest {what}s"
    yield f"{f'{title}, of {total:,}':32} {'requests':>12} {'denied':>12} {'would deny':>12}"
    for key in keys:
        yield (f"  {printable(key.name)[:30]:30} {key.requests:>12,} {key.denied:>12,} "
               f"{key.would_deny:>12,}")


def _proof(s: Summary) -> Iterator[str]:
    if s.folded_keys:
        yield (f"Key tables were full {count(s.folded_keys, 'time')}: those requests shared a "
               "bucket, or were denied where the rule says so")
    if s.folded_totals:
        yield f"{count(s.folded_totals, 'request')} of further clients or users are not told apart"
    yield f"configuration    {s.config_hash}"
    yield f"decision digest  {s.decision_digest}"
    yield f"state digest     {s.state_digest}"
    yield f"book digest      {s.book_digest}"
    if s.elapsed_ns:
        yield (f"{s.lines.line_count * 1_000_000_000 // s.elapsed_ns:,} lines/s, "
               f"{duration(s.elapsed_ns)} in all")
