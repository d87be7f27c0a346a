# SPDX-License-Identifier: MIT
"""A replay's summary as a report: the headline, the figures beside it, trust and proof."""

from __future__ import annotations

from collections.abc import Iterator

from host_sim.replay import sections, trust
from host_sim.replay.summary import Key, Summary, count, order_said, share
from host_sim.report.again import engine_rows, log_rows
from host_sim.report.model import Fact, Report, Section, Unit
from host_sim.report.units import duration, instant


def report(s: Summary) -> Report:
    """The document; the same summary gives the same."""
    return Report(
        title=f"replay {s.config} {s.log}", headline=headline(s), facts=tuple(_facts(s)),
        sections=tuple(_sections(s)), trust=tuple(_trust(s)), proof=tuple(_proof(s)))


def refused(s: Summary) -> int:
    """Requests that were told no: denied, or dropped by a guard before they were sent."""
    return s.verdicts.get("deny", 0) + s.verdicts.get("dropped", 0)


def headline(s: Summary) -> str:
    """One sentence a stranger understands."""
    if not s.requests:
        return "Nothing was replayed."
    no = refused(s)
    if no:
        said = (f"{count(no, 'request')} of {s.requests:,} ({share(no, s.requests)}) would have "
                f"been denied{_blamed(s)}{_hurt(s)}")
    else:
        said = f"All {count(s.requests, 'request')} would have been allowed"
    if s.queued:
        said += f"; {count(s.queued, 'request')} would have waited, {_longest(s)}"
    elif s.would_deny and not no:
        said += f"; shadow rules would have denied {count(s.would_deny, 'request')}"
    return f"{said}."


def _blamed(s: Summary) -> str:
    if not s.rules or not s.rules[0].denied:
        return ""
    most = s.rules[0]
    by = f"{most.kind} {most.name}"
    if most.denied == refused(s):
        return f", all by {by}"
    return f", {share(most.denied, refused(s))} of them by {by}"


Hurt = tuple[str, tuple[Key, ...], tuple[Key, ...], int, int]


def hurt(s: Summary) -> list[Hurt]:
    """Who: the word, those denied first, those denied most, how many were, how many there are.
    Users too where they differ from clients; they go first where they know the first denial."""
    clients: Hurt = "client", s.hurt_clients, s.clients, s.hurt_client_count, s.client_count
    users: Hurt = "user", s.hurt_users, s.users, s.hurt_user_count, s.user_count
    if not s.users_differ:
        return [clients]
    if s.hurt_users and (not s.hurt_clients or s.hurt_users[0].first == s.hurt_clients[0].first):
        return [users, clients]
    return [clients, users]


def _hurt(s: Summary) -> str:
    what, first, most, _, _ = hurt(s)[0]
    if not first or not most or not most[0].denied:
        return ""
    if first[0].name == most[0].name:
        return f"; {what} {first[0].name} was hurt first and most"
    return f"; {what} {first[0].name} was hurt first, {most[0].name} most"


def _longest(s: Summary) -> str:
    longest = max((queue.wait_ns_max for queue in s.governed.queues), default=0)
    return f"at most {duration(longest)}" if longest else "none of them for long"


def _facts(s: Summary) -> Iterator[Fact]:
    yield Fact("requests", s.requests, Unit.COUNT)
    if not s.requests:
        return
    no = refused(s)
    yield Fact("denied", no, Unit.COUNT, bad=no > 0)
    yield Fact("denied share", no * 1_000_000 // s.requests, Unit.PPM, bad=no > 0)
    what, _, _, hurt_count, all_count = hurt(s)[0]
    if all_count:
        yield Fact(f"{what}s denied, of {all_count:,}", hurt_count, Unit.COUNT, bad=hurt_count > 0)
    if s.would_deny:
        yield Fact("denied by shadow rules", s.would_deny, Unit.COUNT)
    if s.queued:
        yield Fact("waited", s.queued, Unit.COUNT)
        longest = max((queue.wait_ns_max for queue in s.governed.queues), default=0)
        yield Fact("longest wait", longest, Unit.DURATION)
    if s.lines.duration_count:
        yield Fact("at once, at most", s.concurrent_max, Unit.COUNT)
    if s.governed.bills:
        yield Fact("charged", s.governed.charged_nano, Unit.MONEY)
    if sum(s.timeline.throttled):
        yield Fact("throttled in the log", sum(s.timeline.throttled), Unit.COUNT)
    yield Fact("span", s.last_ns - s.first_ns, Unit.DURATION)


def _sections(s: Summary) -> Iterator[Section]:
    if not s.requests:
        return
    yield from sections.over_time(s.timeline)
    for who in hurt(s):
        yield from sections.hurt(*who)
    yield from sections.rules(s.rules)
    yield from sections.reasons(s.reasons, s.requests)
    yield from sections.tenants(s.tenants)
    yield from sections.quotas(s.timeline.samples, s.rules)
    yield from sections.queues(s.timeline.samples, s.governed.queues)
    yield from sections.promises(s.governed.promises)
    yield from sections.bills(s.timeline.samples, s.governed)
    yield from sections.alerts(s.governed.alerts)
    yield from sections.policies(s.governed.policies)
    yield from sections.services(s.services)


def _trust(s: Summary) -> Iterator[str]:
    lines = s.lines
    read = lines.line_count - lines.unparsable_count - lines.blank_count
    yield (f"{read:,} of {count(lines.line_count, 'line')} were read as {s.form}"
           + ("" if not lines.unparsable_count else ": "
              + ", ".join(f"{number:,} {why}" for why, number in lines.unparsable_by.items()))
           + ".")
    yield f"{order_said(s)}."
    if s.requests:
        yield ("The log is taken as it was: who is denied in a replay neither gives up nor tries "
               "again, and the requests that a limit of that day turned away may be missing.")
    yield from (f"{said.strip()[0].upper()}{said.strip()[1:]}." for said in trust.lines(s.trust))
    if s.timeline.requests and not s.timeline.samples.at_ns:
        yield ("Quotas, waits and money over time are not shown: they are read from the core as it "
               "runs, and this one ran in the image. Their totals are.")
    if s.folded_totals:
        yield f"{count(s.folded_totals, 'request')} of further clients or users are not told apart."
    if s.folded_keys:
        yield (f"Key tables were full {count(s.folded_keys, 'time')}: those requests shared a "
               "bucket, or were denied where the rule says so.")
    yield from (f"{finding[0].upper()}{finding[1:]}." for finding in s.findings())


def _proof(s: Summary) -> Iterator[tuple[str, str]]:
    yield "configuration", s.config_hash
    yield from log_rows([(log.name, log.sha256 or "not asked") for log in s.logs])
    yield "log bytes", f"{sum(log.bytes for log in s.logs):,}"
    if s.requests:
        yield "log time", f"{instant(s.first_ns)} to {instant(s.last_ns)}"
    yield "seed", "0" * 32  # of a Kernel nobody gave one, and of the image's reset
    yield "decision digest", s.decision_digest
    yield "state digest", s.state_digest
    yield "book digest", s.book_digest
    yield from engine_rows(s.engine, s.profile, s.command)
