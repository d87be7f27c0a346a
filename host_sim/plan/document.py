# SPDX-License-Identifier: MIT
"""A plan as a document: one sentence, then who is hurt, by what, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from host_sim.plan import gate
from host_sim.plan.budget import money
from host_sim.plan.logs import place_of
from host_sim.plan.result import CHANGES, Group, Pair, Person, Plan, total
from host_sim.replay import trust
from host_sim.replay.summary import VERDICTS, Summary, count, share
from host_sim.report import again
from host_sim.report.model import (
    Cell,
    Chart,
    Column,
    Fact,
    Mark,
    Report,
    Section,
    Series,
    Table,
    Text,
    Unit,
)
from host_sim.report.units import duration, instant

PPM = 1_000_000
WORDS = {"allow": "allowed", "deny": "denied", "delay": "delayed", "redirect": "redirected",
         "dropped": "dropped", "error": "not taken"}
SAID = {"newly-denied": "newly denied", "newly-allowed": "newly allowed",
        "other": "decided otherwise", "same": "same"}


def report(plan: Plan) -> Report:
    """The plan's document."""
    return Report(
        title=f"plan {plan.old.config} > {plan.new.config}", headline=headline(plan),
        facts=tuple(_facts(plan)), sections=tuple(_sections(plan)), trust=tuple(_trust(plan)),
        proof=tuple(_proof(plan)))


def headline(plan: Plan) -> str:
    """What a stranger must know: what changes, in one sentence, after what was not seen."""
    if not plan.unseen:
        return _changes(plan)
    return f"Less than the whole truth: {'; '.join(plan.unseen)}. {_changes(plan)}"


def _changes(plan: Plan) -> str:
    if not plan.changed:
        same = "and nothing else changes" if not plan.changes else _besides(plan)
        return f"Of {count(plan.requests, 'request')} none would be decided otherwise, {same}."
    parts = [f"{number:,} {word}" for number, word in (
        (plan.newly_denied, "newly denied"), (plan.newly_allowed, "newly allowed"),
        (plan.other, "otherwise")) if number]
    worst = _worst(plan)
    return (f"Of {count(plan.requests, 'request')} {plan.changed:,} "
            f"({share(plan.changed, plan.requests)}) would be decided otherwise: "
            f"{', '.join(parts)}{worst}{_unsent(plan)}.")


def _unsent(plan: Plan) -> str:
    """Who was let in and never sent is hurt as well."""
    more = left_unsent(plan.new) - left_unsent(plan.old)
    if not more:
        return ""
    return f"; {abs(more):,} {'more' if more > 0 else 'fewer'} would leave their queue unsent"


def left_unsent(side: Summary) -> int:
    """Requests that were let in, waited, and were never sent; a guard's refusals, which count as
    dropped too, are verdicts."""
    return side.dropped - side.verdicts["dropped"]


def _worst(plan: Plan) -> str:
    blamed = plan.blamed("newly-denied")
    if not blamed:
        return ""
    outcome, pairs = blamed[0]
    rule = f"most by {outcome.rule} ({total(pairs):,})"
    tenant = next((row for row in plan.tenants if row.name and row.newly_denied), None)
    if tenant is not None:
        return f"; worst hit is tenant {tenant.name} ({tenant.newly_denied:,}), {rule}"
    if plan.clients_denied:
        client = plan.clients_denied[0]
        return f"; worst hit is client {client.name} ({client.newly_denied:,}), {rule}"
    return f"; {rule}"


def _besides(plan: Plan) -> str:
    parts = []
    waits = sum(pair.requests for pair in plan.pairs if pair.waits)
    if waits:
        parts.append(f"{count(waits, 'request')} would wait otherwise")
    growth = sum(bill.growth_nano for bill in plan.bills)
    if any(bill.growth_nano for bill in plan.bills):
        parts.append(f"the bill changes by {money(growth)}")
    if plan.outcomes_differ:
        parts.append("queues and outcomes differ")
    return "but " + " and ".join(parts)


def _facts(plan: Plan) -> Iterator[Fact]:
    yield Fact("requests", plan.requests, Unit.COUNT)
    yield Fact("newly denied", plan.newly_denied, Unit.COUNT, bool(plan.newly_denied))
    yield Fact("newly allowed", plan.newly_allowed, Unit.COUNT)
    if plan.other:
        yield Fact("decided otherwise", plan.other, Unit.COUNT)
    for word, side in (("refused before", plan.old), ("refused after", plan.new)):
        yield Fact(word, _ppm(_refused(side), side.requests), Unit.PPM)
    if plan.bills:
        yield Fact("bill before", sum(bill.old_nano for bill in plan.bills), Unit.MONEY)
        yield Fact("bill after", sum(bill.new_nano for bill in plan.bills), Unit.MONEY)
    if plan.budgets:
        yield gate.fact(plan)


def _refused(side: Summary) -> int:
    return side.verdicts["deny"] + side.verdicts["dropped"] + side.errors


def _ppm(part: int, whole: int) -> int:
    return (part * PPM + whole // 2) // whole if whole else 0


def _sections(plan: Plan) -> Iterator[Section]:
    if plan.budgets:
        yield gate.table(plan)
    yield _matrix(plan)
    yield from _course(plan)
    yield from _rules(plan)
    yield from _waits(plan)
    for title, rows in (("Tenants", plan.tenants), ("Services", plan.services),
                        ("Routes", plan.routes)):
        yield from _groups(title, rows, plan.top)
    yield from _people(plan)
    yield from _victims(plan)
    yield from _outcomes(plan)
    yield from _queues(plan)
    yield from _promises(plan)
    yield from _bills(plan)
    yield Text("What the files say differently", tuple(edit.text() for edit in plan.edits)
               or ("nothing",))


def _matrix(plan: Plan) -> Table:
    every = ("error", *VERDICTS)
    olds = [word for word in every if word in plan.verdicts]
    news = [word for word in every if any(word in row for row in plan.verdicts.values())]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (WORDS[old], *(plan.verdicts[old].get(new, 0) for new in news)) for old in olds)
    return Table("Verdicts, before (down) and after (across)", (
        Column("before"), *(Column(WORDS[new], Unit.COUNT) for new in news)), rows)


def _course(plan: Plan) -> Iterator[Chart]:
    course = plan.course
    if not plan.changed or len(course.requests) < 3:
        return
    xs = [course.first_ns + place * course.width_ns for place in range(len(course.requests))]
    series = [Series(SAID[word], xs, ys, Mark.STEP, bad=word == "newly-denied")
              for word, ys in (("newly-denied", course.newly_denied),
                               ("newly-allowed", course.newly_allowed), ("other", course.other))
              if any(ys)]
    yield Chart(f"Changes over time, by {duration(course.width_ns)}",
                Column("time", Unit.INSTANT), Column("requests", Unit.COUNT), tuple(series))


def _rules(plan: Plan) -> Iterator[Table]:
    titles = {"newly-denied": "Newly denied, by the new file's rule",
              "newly-allowed": "Newly allowed, by the old file's rule that denied them",
              "other": "Other verdicts, by what the new file says"}
    columns = (Column("rule"), Column("reason"), Column("requests", Unit.COUNT, bar=True),
               Column("first at", Unit.INSTANT), Column("line"))
    for change in CHANGES[1:]:
        blamed = plan.blamed(change)
        if blamed:
            rows = tuple(
                (outcome.rule, _because(change, outcome.reason, pairs), total(pairs),
                 _first(pairs).at_ns, _line(plan, _first(pairs).line)) for outcome, pairs in blamed)
            yield Table(titles[change], columns, rows[: plan.top],
                        more=max(0, len(rows) - plan.top))
    others = sorted((pair for pair in plan.pairs
                     if not pair.flips and not pair.waits and pair.old != pair.new),
                    key=lambda pair: -pair.requests)
    if others:
        same: tuple[tuple[Cell, ...], ...] = tuple(
            (pair.old.rule, pair.new.rule, WORDS[pair.new.verdict], pair.requests, pair.rewaited)
            for pair in others)
        yield Table("Same verdict by another rule", (
            Column("before"), Column("after"), Column("verdict"), Column("requests", Unit.COUNT),
            Column("told another wait", Unit.COUNT)), same[: plan.top],
            more=max(0, len(same) - plan.top))


def _because(change: str, reason: str, pairs: list[Pair]) -> str:
    if change != "other":
        return reason
    return f"{reason}, was {WORDS[pairs[0].old.verdict]}"


def _first(pairs: list[Pair]) -> Pair:
    return min(pairs, key=lambda pair: pair.position)


def _line(plan: Plan, line: int) -> str:
    """`287`, and of several logs `b.csv:287`."""
    place, number = place_of(line)
    return f"{number:,}" if len(plan.logs) == 1 else f"{plan.logs[place]}:{number:,}"


def _waits(plan: Plan) -> Iterator[Table]:
    rows = tuple((pair.old.reason, pair.new.reason, pair.requests)
                 for pair in sorted(plan.pairs, key=lambda pair: -pair.requests) if pair.waits)
    if rows:
        yield Table("Let through by both, and yet not alike", (
            Column("before"), Column("after"), Column("requests", Unit.COUNT)), rows)


def _groups(title: str, groups: Sequence[Group], top: int) -> Iterator[Table]:
    other = any(group.other for group in groups)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (group.name or "(none)", group.requests, _ppm(group.old_refused, group.requests),
         _ppm(group.new_refused, group.requests), group.newly_denied, group.newly_allowed,
         *((group.other,) if other else ()), group.first_denied_ns or None)
        for group in groups if group.changed)
    if rows and (len(groups) > 1 or title == "Tenants"):  # the only one is all there is
        yield Table(title, (
            Column(title[:-1].lower()), Column("requests", Unit.COUNT),
            Column("refused before", Unit.PPM), Column("after", Unit.PPM),
            Column("newly denied", Unit.COUNT), Column("newly allowed", Unit.COUNT),
            *((Column("other", Unit.COUNT),) if other else ()),
            Column("first denied at", Unit.INSTANT)), rows[:top],
            note=_unchanged(title, len(groups) - len(rows)), more=max(0, len(rows) - top))


def _unchanged(title: str, left: int) -> str:
    return f"{left:,} more with no request decided otherwise" if left > 0 else ""


def _people(plan: Plan) -> Iterator[Table]:
    kinds = [("Clients", plan.clients_denied, plan.clients_allowed, plan.client_count)]
    if plan.users_differ:
        kinds.append(("Users", plan.users_denied, plan.users_allowed, plan.user_count))
    for title, denied, allowed, known in kinds:
        for rows, word in ((denied, "denied"), (allowed, "allowed")):
            if rows:
                yield Table(
                    f"{title} newly {word} most", (
                        Column(title[:-1].lower()), Column("requests", Unit.COUNT),
                        Column(f"newly {word}", Unit.COUNT, bar=True),
                        Column("of its requests", Unit.PPM),
                        Column("first at", Unit.INSTANT)),
                    tuple(_person(row, word) for row in rows),
                    note=f"{count(known, title[:-1].lower())} in all with another verdict")


def _person(row: Person, word: str) -> tuple[str | int, ...]:
    number = row.newly_denied if word == "denied" else row.newly_allowed
    return row.name, row.requests, number, _ppm(number, row.requests), row.first_ns


def _victims(plan: Plan) -> Iterator[Text]:
    for victim in plan.victims:
        who = f"client {victim.client}" + (
            f", user {victim.user}" if victim.user and victim.user != victim.client else "")
        yield Text(
            f"The first {SAID[victim.change]} by {victim.rule} (of {victim.requests:,})",
            (f"line {_line(plan, victim.line)} at {instant(victim.at_ns)}, {who}",
             victim.text.replace("\t", " "), "before:",
             *(f"  {line}" for line in victim.old.rstrip().split("\n")), "after:",
             *(f"  {line}" for line in victim.new.rstrip().split("\n"))))
    if plan.victims_left_out:
        yield Text("Not explained", (
            f"{count(plan.victims_left_out, 'more rule')} that decide otherwise",))


def _outcomes(plan: Plan) -> Iterator[Table]:
    words = (("waited in a queue", "queued"), ("completed", "completed"),
             ("ran past the timeout of their service", "expired"),
             ("were in flight at once, at most", "concurrent_max"))
    found = [(word, getattr(plan.old, name), getattr(plan.new, name)) for word, name in words]
    found.insert(3, ("left their queue unsent (deadline, displaced)", left_unsent(plan.old),
                     left_unsent(plan.new)))
    rows = tuple((word, old, new, new - old) for word, old, new in found if old or new)
    if rows:
        yield Table("Outcomes", (Column("requests that"), Column("before", Unit.COUNT),
                                 Column("after", Unit.COUNT), Column("difference", Unit.COUNT)),
                    rows)


def _queues(plan: Plan) -> Iterator[Table]:
    sides = [{queue.priority: queue for queue in side.governed.queues}
             for side in (plan.old, plan.new)]
    rows = []
    for name in dict.fromkeys((*sides[0], *sides[1])):
        old, new = sides[0].get(name), sides[1].get(name)
        rows.append((
            name, old.queued if old else 0, new.queued if new else 0,
            old.wait_ns_mean if old else None, new.wait_ns_mean if new else None,
            old.wait_ns_max if old else None, new.wait_ns_max if new else None))
    if rows:
        yield Table("Queues, by class", (
            Column("class"), Column("waited before", Unit.COUNT), Column("after", Unit.COUNT),
            Column("mean wait before", Unit.DURATION), Column("after", Unit.DURATION),
            Column("longest before", Unit.DURATION), Column("after", Unit.DURATION)), tuple(rows))


def _promises(plan: Plan) -> Iterator[Table]:
    sides = [{one.service: one for one in side.governed.promises}
             for side in (plan.old, plan.new)]
    rows = []
    for name in dict.fromkeys((*sides[0], *sides[1])):
        old, new = sides[0].get(name), sides[1].get(name)
        rows.append((
            name, old.outcomes if old else None, new.outcomes if new else None,
            old.slow + old.failed if old else None, new.slow + new.failed if new else None,
            old.missed_deadlines if old else None, new.missed_deadlines if new else None,
            old.breaches if old else None, new.breaches if new else None))
    if rows:
        yield Table("Promises (SLA)", (
            Column("service"), Column("outcomes before", Unit.COUNT), Column("after", Unit.COUNT),
            Column("late or failed before", Unit.COUNT), Column("after", Unit.COUNT),
            Column("missed deadlines before", Unit.COUNT), Column("after", Unit.COUNT),
            Column("minutes that broke it before", Unit.COUNT), Column("after", Unit.COUNT)),
            tuple(rows))


def _bills(plan: Plan) -> Iterator[Table]:
    if plan.bills:
        rows = tuple((bill.tenant or "(nobody)", bill.old_nano, bill.new_nano, bill.growth_nano,
                      _ppm(bill.growth_nano, bill.old_nano) if bill.old_nano else None)
                     for bill in plan.bills)
        yield Table("Bills", (
            Column("tenant"), Column("before", Unit.MONEY), Column("after", Unit.MONEY),
            Column("difference", Unit.MONEY), Column("share", Unit.PPM)), rows[: plan.top],
            more=max(0, len(rows) - plan.top))


def _trust(plan: Plan) -> Iterator[str]:
    if plan.old.config_hash == plan.new.config_hash:
        yield "Both files are the same configuration."
    for side, number in enumerate(plan.only):
        if number and not plan.incomplete:
            which = ("old", "new")[side]
            yield (f"{count(number, 'row')} became a request by the {which} file only, the first "
                   f"on line {_line(plan, plan.only_line[side])}; they are not compared.")
    if plan.folded:
        yield (f"{count(plan.folded, 'request')} of further rules, clients or users are in the "
               "totals and in no table.")
    if plan.problem:
        yield plan.problem + "."
    said, more = ([*(f"{finding}." for finding in side.findings()), *trust.lines(side.trust)]
                  for side in (plan.old, plan.new))
    yield from said
    yield from (f"By the new file: {sentence}" for sentence in more if sentence not in said)
    yield ("The log holds what reached the old gateway: what clients would have asked had they "
           "been answered otherwise (retries, pages not loaded) is not in it.")


def _proof(plan: Plan) -> Iterator[tuple[str, str]]:
    for name, sha256 in plan.log_sha256.items():
        yield "log", f"{sha256} (SHA-256 of {name} as read)"
    for word, side in (("old", plan.old), ("new", plan.new)):
        yield f"{word} configuration", side.config_hash
        yield f"{word} decision digest", side.decision_digest
        yield f"{word} state digest", side.state_digest
        yield f"{word} book digest", side.book_digest
    yield "seed", "0" * 32  # of a Kernel nobody gave one
    yield from again.engine_rows(plan.new.engine, plan.new.profile, again.running())
