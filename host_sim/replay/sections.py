# SPDX-License-Identifier: MIT
"""The parts of a replay's report: charts over time and tables, each absent where it has nothing to
say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from host_sim.replay.governed import Governed, Notice, Policy, Promise, Queue
from host_sim.replay.summary import First, Key, Rule, Service, Tenant
from host_sim.replay.timeline import Balance, Samples, Timeline
from host_sim.report.model import (
    Cell,
    Chart,
    Column,
    Line,
    Mark,
    Section,
    Series,
    Table,
    Unit,
)
from host_sim.report.units import duration

TIME = Column("time", Unit.INSTANT)
NOBODY = "(nobody)"
NONE = "(none)"
ALERTS_SHOWN = 100
QUOTAS_DRAWN = 6
PPM = 1_000_000


def _share(part: int, whole: int) -> int | None:
    return part * PPM // whole if whole else None


def _seq(first: First | None) -> Cell:
    return None if first is None else f"{first.seq}"


def _at(first: First | None) -> Cell:
    return None if first is None else first.at_ns


# -- over time -------------------------------------------------------------------------------------
def over_time(t: Timeline) -> Iterator[Section]:
    """What became of requests, and what was said beside it."""
    if not t.requests:
        return
    # The last bucket is drawn as wide as the others.
    xs = (*t.start_ns, t.start_ns[-1] + t.width_ns)
    y = Column(f"requests in {duration(t.width_ns)}", Unit.COUNT)

    def series(name: str, ys: Sequence[int], *, bad: bool = False,
               mark: Mark = Mark.STACK) -> Series:
        return Series(name, xs, (*ys, 0), mark, bad)

    at_once = [all_ - waited for all_, waited in zip(t.allowed, t.queued, strict=True)]
    no = [a + b for a, b in zip(t.denied, t.dropped, strict=True)]
    stacked = [series("allowed", at_once)]
    for name, ys in (("allowed after a wait", t.queued), ("delayed", t.delayed),
                     ("redirected", t.redirected)):
        if any(ys):
            stacked.append(series(name, ys))
    stacked.append(series("denied", no, bad=True))
    dropped = sum(t.dropped)
    yield Chart("Requests over time", TIME, y, tuple(stacked), note=(
        f"Denied holds {dropped:,} that a guard dropped before they were sent." if dropped else ""))
    beside = [series(name, ys, mark=Mark.STEP)
              for name, ys in (("would have been denied", t.would_deny),
                               ("throttled in the log", t.throttled)) if any(ys)]
    if beside:
        yield Chart("Shadow rules" if not any(t.throttled) else "Throttled in the log"
                    if not any(t.would_deny) else "Shadow rules, and throttled in the log", TIME,
                    y, tuple(beside), note="This changed no decision.")


# -- who -------------------------------------------------------------------------------------------
def hurt(what: str, first: tuple[Key, ...], most: tuple[Key, ...], hurt_count: int,
         all_count: int) -> Iterator[Section]:
    """Who was denied first and who most; the busiest where nobody was."""
    if first:
        yield Table(
            f"{what.capitalize()}s hurt first",
            (Column(what), Column("first denied", Unit.INSTANT), Column("decision", Unit.TEXT),
             Column("by"), Column("denied in all", Unit.COUNT), Column("of", Unit.COUNT)),
            tuple((k.name, _at(k.first), _seq(k.first), k.first.by if k.first else None, k.denied,
                   k.requests) for k in first),
            more=max(0, hurt_count - len(first)),
            note="raygate explain tells a decision's whole story by its number (--seq).")
    denied = any(k.denied or k.would_deny for k in most)
    if most:
        yield Table(
            f"{what.capitalize()}s hurt most" if denied else f"Busiest {what}s",
            (Column(what), Column("requests", Unit.COUNT, bar=not denied),
             Column("denied", Unit.COUNT, bar=denied, bad=True), Column("share", Unit.PPM),
             Column("shadow rules", Unit.COUNT), Column("first denied", Unit.INSTANT)),
            tuple((k.name, k.requests, k.denied, _share(k.denied, k.requests), k.would_deny,
                   _at(k.first)) for k in most),
            more=max(0, all_count - len(most)))


def tenants(rows: tuple[Tenant, ...]) -> Iterator[Section]:
    """Each tenant's requests, those denied most first."""
    if not any(t.name for t in rows):
        return
    rows = tuple(sorted(rows, key=lambda t: (-t.denied, -t.requests, t.name)))
    yield Table(
        "Tenants",
        (Column("tenant"), Column("requests", Unit.COUNT), Column("allowed", Unit.COUNT),
         Column("denied", Unit.COUNT, bar=True, bad=True), Column("share", Unit.PPM),
         Column("shadow rules", Unit.COUNT), Column("first denied", Unit.INSTANT)),
        tuple((t.name or NOBODY, t.requests, t.allowed, t.denied, _share(t.denied, t.requests),
               t.would_deny, _at(t.first)) for t in rows))


# -- why -------------------------------------------------------------------------------------------
def rules(found: tuple[Rule, ...]) -> Iterator[Section]:
    """Limits, quotas, routes, policies and guards that said no, or would have."""
    if not found:
        return
    yield Table(
        "Rules that said no",
        (Column("rule"), Column("denied", Unit.COUNT, bar=True, bad=True),
         Column("would have", Unit.COUNT), Column("first", Unit.INSTANT), Column("decision"),
         Column("longest wait", Unit.DURATION), Column("for ever", Unit.COUNT)),
        tuple((f"{r.kind} {r.name}", r.denied, r.would_deny or None,
               _at(r.first or r.first_would), _seq(r.first or r.first_would),
               r.retry_after_ns_max or None, r.never or None) for r in found),
        note="The longest wait is the longest Retry-After a denied request was given.")


def reasons(found: dict[str, int], requests: int) -> Iterator[Section]:
    """Why requests were not simply allowed."""
    rows = tuple((reason, number, _share(number, requests)) for reason, number in found.items()
                 if reason not in ("ok", "none"))
    if rows:
        yield Table("Why", (Column("reason"), Column("requests", Unit.COUNT, bar=True),
                            Column("of all", Unit.PPM)), rows,
                    note="queued is a reason of allowed requests."
                    if "queued" in found else "")


# -- quotas ----------------------------------------------------------------------------------------
QUOTA_UNITS = {"bytes": Unit.BYTES, "cost": Unit.MONEY}


def _owner(balance: Balance) -> str:
    who = balance.tenant or NOBODY
    return f"{who} (one user)" if balance.per_user else who


def _known(ys: Sequence[int | None]) -> list[int]:
    return [y for y in ys if y is not None]


def _peak(balance: Balance) -> int:
    """The most that was used of a limit, in parts per million."""
    return max((used * PPM // limit for used, limit in zip(balance.used, balance.limit, strict=True)
                if used is not None and limit), default=0)


def quotas(samples: Samples, found: tuple[Rule, ...]) -> Iterator[Section]:
    """How each quota burnt down over time, when it was reset and when it ran out; the ones used
    most first."""
    peaks: dict[str, int] = {}
    for balance in samples.balances:
        peaks[balance.quota] = max(peaks.get(balance.quota, 0), _peak(balance))
    names = sorted(peaks, key=lambda name: (-peaks[name], name))
    ran_out = {r.name: r.first for r in found if r.kind == "quota" and r.first}
    for name in names[:QUOTAS_DRAWN]:
        yield _burn_down(samples, [b for b in samples.balances if b.quota == name],
                         ran_out.get(name))
    for unit, title in ((Unit.COUNT, "Quotas"), (Unit.BYTES, "Quotas of bytes"),
                        (Unit.MONEY, "Budgets")):
        rows = [b for name in names for b in samples.balances
                if b.quota == name and QUOTA_UNITS.get(b.kind, Unit.COUNT) is unit]
        if rows:
            yield _quota_table(title, unit, rows, ran_out)


def _burn_down(samples: Samples, owners: list[Balance], ran_out: First | None) -> Section:
    kind = owners[0].kind
    drawn = [Series(_owner(b), samples.at_ns, b.used, Mark.STEP) for b in owners]
    limits = {limit for b in owners for limit in _known(b.limit)}
    lines = [Line("limit", limits.pop())] if len(limits) == 1 else []
    if not lines:
        drawn += [Series(f"limit of {_owner(b)}", samples.at_ns, b.limit, Mark.STEP)
                  for b in owners]
    if ran_out is not None:
        lines.append(Line("first denial", ran_out.at_ns, vertical=True))
    return Chart(f"Quota {owners[0].quota}", TIME,
                 Column(f"{kind} used", QUOTA_UNITS.get(kind, Unit.COUNT)), tuple(drawn),
                 tuple(lines), brief=True)


def _quota_table(title: str, unit: Unit, rows: list[Balance],
                 ran_out: dict[str, First]) -> Section:
    return Table(
        title,
        (Column("quota"), Column("of"), Column("counts"), Column("most used", unit),
         Column("limit", unit), Column("at most", Unit.PPM, bar=True),
         Column("first denial", Unit.INSTANT)),
        tuple((b.quota, _owner(b), b.kind, max(_known(b.used), default=None),
               max(_known(b.limit), default=None), _peak(b), _at(ran_out.get(b.quota)))
              for b in rows),
        note="Use is read at the ends of the charts' intervals. The first denial is exact, and is "
             "of whichever owner's request came first.")


# -- queues and promises ---------------------------------------------------------------------------
def queues(samples: Samples, found: tuple[Queue, ...]) -> Iterator[Section]:
    """How long each class waited, and how close it came to the bound of the starvation law."""
    if not found:
        return
    drawn = tuple(Series(wait.priority, samples.at_ns, wait.means(), Mark.POINT)
                  for wait in samples.waits if any(wait.sent))
    if drawn:
        yield Chart("Waits by class", TIME, Column("mean wait", Unit.DURATION), drawn,
                    note="A point is the mean of those sent since the point before; who did not "
                         "wait is not in it.")
    waiting = tuple(Series(wait.priority, samples.at_ns, wait.waiting, Mark.STACK)
                    for wait in samples.waits if any(wait.waiting))
    if waiting:
        yield Chart("Waiting in queues", TIME, Column("requests", Unit.COUNT), waiting)
    yield Table(
        "Classes that waited",
        (Column("class"), Column("waited", Unit.COUNT), Column("sent", Unit.COUNT),
         Column("refused", Unit.COUNT), Column("mean wait", Unit.DURATION),
         Column("longest", Unit.DURATION, bar=True), Column("passed by", Unit.COUNT),
         Column("bound", Unit.COUNT)),
        tuple((q.priority, q.queued, q.sent, q.denied, q.wait_ns_mean, q.wait_ns_max, q.passed_by,
               q.passed_by_bound) for q in found),
        note="Passed by is how many dispatches in a row went to others while the class waited; the "
             "bound is the most there can ever be with these weights.")


def promises(found: tuple[Promise, ...]) -> Iterator[Section]:
    """How well each service kept its promise."""
    if not found:
        return
    yield Table(
        "Promises",
        (Column("service"), Column("p95 below", Unit.DURATION), Column("deadline", Unit.DURATION),
         Column("errors below", Unit.PPM), Column("outcomes", Unit.COUNT),
         Column("failed", Unit.PPM), Column("late", Unit.PPM),
         Column("missed", Unit.COUNT), Column("minutes", Unit.COUNT),
         Column("kept", Unit.PPM, bar=True)),
        tuple((p.service, p.p95_latency_ns or None, p.deadline_ns or None,
               p.error_rate_bp * 100 or None, p.outcomes, _share(p.failed, p.outcomes),
               _share(p.slow, p.outcomes), p.missed_deadlines, p.minutes,
               _share(p.minutes - p.breaches, p.minutes)) for p in found),
        note="Late is later than the latency promised; kept is the share of closed minutes that "
             "broke nothing.")


# -- money -----------------------------------------------------------------------------------------
def bills(samples: Samples, g: Governed) -> Iterator[Section]:
    """What was charged: over time, to whom, for which service."""
    if not g.bills and not g.earned:
        return
    if any(samples.nano):
        yield Chart("Charged so far", TIME, Column("money", Unit.MONEY),
                    (Series("charged", samples.at_ns, samples.nano, Mark.STEP),))
    charged = Column("charged", Unit.MONEY, bar=True)
    whole = g.charged_nano
    share = Column("share", Unit.PPM)
    if g.bills:
        by_most = sorted(g.bills, key=lambda b: (-b.nano, b.tenant))
        yield Table("Bill by tenant", (Column("tenant"), charged, share), tuple(
            (b.tenant or NOBODY, b.nano, _share(b.nano, whole)) for b in by_most))
    if g.earned:
        by_most_earned = sorted(g.earned, key=lambda e: (-e.nano, e.service))
        yield Table("Bill by service", (Column("service"), charged, share), tuple(
            (e.service or NONE, e.nano, _share(e.nano, whole)) for e in by_most_earned))


# -- the rest --------------------------------------------------------------------------------------
def alerts(found: tuple[Notice, ...]) -> Iterator[Section]:
    """What was raised, in order."""
    if found:
        yield Table("Alerts", (Column("at", Unit.INSTANT), Column("alert"), Column("state"),
                               Column("value")),
                    tuple((a.at_ns, a.alert, a.state, a.value) for a in found[:ALERTS_SHOWN]),
                    more=max(0, len(found) - ALERTS_SHOWN))


def policies(found: tuple[Policy, ...]) -> Iterator[Section]:
    """What the rules of [[policy]] matched and decided."""
    if found:
        yield Table("Policies", (
            Column("policy"), Column("matched", Unit.COUNT, bar=True),
            Column("decided", Unit.COUNT), Column("refused", Unit.COUNT),
            Column("shadow rules", Unit.COUNT)),
            tuple((p.name, p.matched, p.decided, p.denied, p.would) for p in found))


def services(found: tuple[Service, ...]) -> Iterator[Section]:
    """Each service's requests."""
    if found:
        yield Table("Services", (
            Column("service"), Column("requests", Unit.COUNT, bar=True),
            Column("allowed", Unit.COUNT), Column("denied", Unit.COUNT),
            Column("share", Unit.PPM), Column("delayed", Unit.COUNT),
            Column("answered", Unit.BYTES)),
            tuple((s.name or NONE, s.requests, s.allowed, s.denied, _share(s.denied, s.requests),
                   s.delayed, s.response_bytes) for s in found))
