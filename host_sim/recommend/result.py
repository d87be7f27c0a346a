# SPDX-License-Identifier: MIT
"""What was recommended, as numbers (`as_json`) and as a document (`report`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from host_sim.recommend import trust
from host_sim.recommend.curve import BUCKETS, Candidate, Tried
from host_sim.recommend.infer import PERIOD_NS, Common, Inferred, per_second
from host_sim.recommend.proof import Proof
from host_sim.recommend.propose import Proposal, rate_text
from host_sim.recommend.search import Found
from host_sim.recommend.trace import PROFILE, Facts, Shape
from host_sim.replay.summary import count
from host_sim.report.again import engine_rows, log_rows
from host_sim.report.model import (
    Cell,
    Chart,
    Column,
    Fact,
    Line,
    Mark,
    Report,
    Section,
    Series,
    Table,
    Text,
    Unit,
)
from host_sim.report.units import instant

PPM = 1_000_000
HURT_MAX = 10
LIMITS_MAX = 30      # rows of a table of limits
PASTE_MAX = 60       # lines of the fragment on a page
CURVE_MAX = 16
DRAWN = 6            # times the denials asked for that a curve is drawn up to


@dataclasses.dataclass(frozen=True)
class Answer:
    """One limit: its search, and what it is called in the proposed file (None: no rate denies so
    little)."""

    found: Found
    proposal: Proposal | None

    @property
    def name(self) -> str:
        """The group's name; `all` where one limit is for everything."""
        return self.found.task.group.name if self.found.task.group else "all"


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """Everything a recommendation tells. `proof` is a replay with the limits, `proof_below` one
    with each of them a step smaller; `toml` is a whole file, `fragment` what was added."""

    logs: tuple[str, ...]
    log_sha256: dict[str, str]      # by the log's name, of what was read
    problems: tuple[str, ...]       # what of the logs is not there, in sentences without an end
    config: str
    config_hash: str
    wanted_ppm: int
    shape: Shape
    dropped_throttled: bool
    facts: Facts
    answers: tuple[Answer, ...]
    trade: tuple[Found, ...]
    left_out: tuple[tuple[str, int, str], ...]
    proof: Proof | None
    proof_below: Proof | None
    fragment: str
    toml: str
    passes: int
    candidates: int
    overflow: int
    inferred: tuple[Inferred, ...] = ()
    common: Common | None = None
    spread: str = "none"
    interrupted: bool = False
    command: str = ""
    elapsed_ns: int = 0

    def findings(self) -> list[str]:
        """What makes the answer less than what was asked for, a sentence each."""
        return trust.findings(self)

    def as_json(self) -> dict[str, Any]:
        """Plain data; rates are tokens per `period_ns`, shares are parts per million."""
        return {
            "logs": list(self.logs), "log_sha256": self.log_sha256, "config": self.config,
            "config_hash": self.config_hash, "command": self.command,
            "deny_at_most_ppm": self.wanted_ppm, "each": list(self.shape.each),
            "key": self.shape.key, "dropped_throttled": self.dropped_throttled,
            "log": dataclasses.asdict(self.facts),
            "limits": [_limit_json(self, answer) for answer in self.answers],
            "trade": [_found_json(found) for found in self.trade],
            "left_out": [{"name": name, "requests": requests, "why": why}
                         for name, requests, why in self.left_out],
            "proof": self.proof and dataclasses.asdict(self.proof),
            "inferred": [_inferred_json(one) for one in self.inferred],
            "inferred_common": self.common and dataclasses.asdict(self.common),
            "fragment": self.fragment, "toml": self.toml,
            "passes": self.passes, "candidates": self.candidates,
            "interrupted": self.interrupted, "elapsed_ns": self.elapsed_ns,
            "findings": self.findings(),
        }

    def report(self) -> Report:
        """The document that the terminal and a page show."""
        sections: list[Section] = []
        for made in (_limits(self), _curve(self), _drawn(self), _trade(self), _hurt(self),
                     _inferred(self), _left_out(self), _fragment(self)):
            if made is not None:
                sections.append(made)
        return Report(title=f"recommend {' '.join(self.logs)}", headline=headline(self),
                      facts=_facts(self), sections=tuple(sections),
                      trust=(*self.findings(), *trust.said(self)), proof=tuple(_proof(self)))


def _proof(r: Recommendation) -> Iterator[tuple[str, str]]:
    if r.config_hash:
        yield "base configuration", r.config_hash
    yield from log_rows(list(r.log_sha256.items()))
    if r.proof is not None:
        yield "configuration", r.proof.config_hash
        yield "decision digest", r.proof.decision_digest
    yield from engine_rows("host", PROFILE, r.command)


def limit_text(candidate: Candidate) -> str:
    """`15/min, burst 15`."""
    rate = rate_text(candidate.rate, candidate.period_ns)
    return f"{rate}, burst {candidate.capacity:,}" if candidate.algorithm in BUCKETS else (
        f"{rate}, {candidate.algorithm.replace('_', ' ')}")


def headline(r: Recommendation) -> str:
    """The answer in one sentence."""
    good = [answer for answer in r.answers if answer.proposal]
    if not r.facts.events:
        return "the log has no request a limit would be asked about"
    if r.proof is None and r.interrupted:
        return _so_far(good)
    if not good:
        return f"no limit of this kind denies at most {r.wanted_ppm:,} ppm of the requests"
    denied = sum(map(_denied, [r] * len(good), good))
    asked = sum(answer.found.task.asked for answer in good)
    hurt = "" if r.proof is None or not r.proof.hurt else (
        f", {_hurt_count(r.proof)} of {count(r.proof.keys, r.proof.who)}")
    first = min((a.found.best.first_denied_ns for a in good
                 if a.found.best and a.found.best.denied), default=0)
    when = f", the first at {instant(first)}" if denied and first else ""
    ppm = denied * PPM // asked if asked else 0
    if len(good) == 1 and good[0].proposal:
        what = f"{good[0].proposal.name} {limit_text(good[0].proposal.candidate)}"
    else:
        what = f"{len(good):,} limits"
    if not denied:
        return f"{what} would have denied none of {count(asked, 'request')}"
    return (f"{what} would have denied {denied:,} of {count(asked, 'request')} ({ppm:,} ppm)"
            f"{when}{hurt}")


def _so_far(good: Sequence[Answer]) -> str:
    """What is known when the search, or the replay that proves it, was interrupted."""
    if not good:
        return "interrupted before any limit was found that denies so little"
    known = [f"{a.proposal.name} {limit_text(a.proposal.candidate)}" for a in good if a.proposal]
    what = known[0] if len(known) == 1 else f"{len(known):,} limits"
    if all(answer.found.done for answer in good):
        return f"interrupted; so far {what}, not proven by a replay"
    return f"interrupted; so far {what}; a smaller one may do"


def _hurt_count(proof: Proof) -> str:
    return f"{len(proof.hurt):,}" + (" or more" if len(proof.hurt) >= 1000 else "")


def _denied(r: Recommendation, answer: Answer) -> int:
    """By the replay where there is one, else by the search."""
    if r.proof is not None and answer.proposal is not None:
        return r.proof.denied.get(answer.proposal.name, 0)
    return answer.found.best.denied if answer.found.best else 0


def _below(r: Recommendation, answer: Answer) -> int | None:
    if answer.proposal is None or answer.proposal.candidate.rate == 1:
        return None
    if r.proof_below is not None:
        return r.proof_below.denied.get(answer.proposal.name, 0)
    return None if answer.found.below is None else answer.found.below.denied


def _facts(r: Recommendation) -> tuple[Fact, ...]:
    facts = [Fact("requests in the log", r.facts.requests, Unit.COUNT),
             Fact("denied at most, asked for", r.wanted_ppm, Unit.PPM)]
    if r.facts.throttled:
        facts.append(Fact("already throttled in the log", r.facts.throttled, Unit.COUNT, bad=True))
    if r.facts.refused:
        facts.append(Fact("denied by the configuration itself", r.facts.refused, Unit.COUNT))
    return tuple(facts)


def _limits(r: Recommendation) -> Table | None:
    rows: list[tuple[Cell, ...]] = []
    for answer in r.answers:
        task, proposal = answer.found.task, answer.proposal
        if proposal is None and not answer.found.done:
            rows.append((answer.name, "not known yet", task.asked, None, None, None))
            continue
        if proposal is None:
            worst = min((tried.denied for tried in answer.found.tried), default=0)
            rows.append((answer.name, "none", task.asked, worst, _ppm(worst, task.asked), None))
            continue
        denied = _denied(r, answer)
        so_far = "" if answer.found.done else " so far"
        rows.append((proposal.name, limit_text(proposal.candidate) + so_far, task.asked, denied,
                     _ppm(denied, task.asked), _below(r, answer)))
    if not rows:
        return None
    by = "" if r.shape.key == "all" else f" (every {r.shape.key} has a bucket of its own)"
    return Table(
        f"The smallest limits that deny at most {r.wanted_ppm:,} ppm{by}",
        (Column("limit"), Column("rate"), Column("requests", Unit.COUNT),
         Column("denied", Unit.COUNT), Column("share", Unit.PPM),
         Column("denied if one smaller", Unit.COUNT)), tuple(rows[:LIMITS_MAX]),
        more=max(0, len(rows) - LIMITS_MAX),
        note="" if r.proof is None else "Denials are those of a replay through the whole core"
        + (", of requests that the configuration allows without the limit." if r.config else "."))


def _ppm(part: int, whole: int) -> int:
    return part * PPM // whole if whole else 0


def _single(r: Recommendation) -> Answer | None:
    return r.answers[0] if len(r.answers) == 1 and r.answers[0].found.best else None


def _shown(found: Found) -> list[Tried]:
    """The points about the answer, the answer among them, thinned to what can be read."""
    assert found.best is not None
    rate = found.best.candidate.rate
    near = [t for t in found.tried if rate <= 4 * t.candidate.rate and t.candidate.rate <= 2 * rate]
    while len(near) > CURVE_MAX:
        kept = {rate - 1, rate, rate + 1}
        thinned = [t for n, t in enumerate(near) if n % 2 == 0 or t.candidate.rate in kept]
        if len(thinned) == len(near):
            break
        near = thinned
    return near


def _curve(r: Recommendation) -> Table | None:
    answer = _single(r)
    if answer is None or answer.found.best is None:
        return None
    best = answer.found.best.candidate
    mark = "<- smallest" if answer.found.done else "<- smallest so far"
    rows = tuple((rate_text(t.candidate.rate, t.candidate.period_ns),
                  t.candidate.capacity or None, t.denied, _ppm(t.denied, t.asked), t.hurt,
                  mark if t.candidate == best else "") for t in _shown(answer.found))
    whom = {"all": "buckets hurt", "user": "users hurt", "client": "clients hurt"}[r.shape.key]
    return Table("Denied against the limit",
                 (Column("rate"), Column("burst", Unit.COUNT), Column("denied", Unit.COUNT),
                  Column("share", Unit.PPM, bar=True), Column(whom, Unit.COUNT), Column("")), rows)


def _drawn(r: Recommendation) -> Chart | None:
    """The curve where it is decided: up to a few times the denials that may be, or that one smaller
    has. The whole curve is so much higher that what was asked for would lie on its axis."""
    answer = _single(r)
    if answer is None or answer.found.best is None:
        return None
    best = answer.found.best.candidate
    allowed, below = answer.found.task.allowed, answer.found.below
    most = DRAWN * max(allowed, below.denied if below else 0, 1)
    tried = [t for t in answer.found.tried
             if t.denied <= most and t.candidate.rate <= 2 * best.rate]
    unit = rate_text(1, best.period_ns)[1:]        # /min
    return Chart(
        "Denied requests about the answer", Column(f"rate in requests{unit}", Unit.COUNT),
        Column("denied requests", Unit.COUNT),
        (Series("denied", [t.candidate.rate for t in tried], [t.denied for t in tried],
                Mark.LINE, bad=True),),
        (Line("denied at most, asked for", allowed),
         Line("recommended", best.rate, vertical=True)))


def _trade(r: Recommendation) -> Table | None:
    rows: list[tuple[Cell, ...]] = []
    for found in r.trade:
        best = found.best
        rows.append((found.task.burst.text, "none", None, None) if best is None else (
            found.task.burst.text,
            rate_text(best.candidate.rate, best.candidate.period_ns), best.candidate.capacity,
            best.denied))
    if not rows:
        return None
    return Table("What a larger burst saves in rate",
                 (Column("burst, the rate of"), Column("smallest rate"),
                  Column("tokens", Unit.COUNT), Column("denied", Unit.COUNT)), tuple(rows))


def _hurt(r: Recommendation) -> Table | None:
    if r.proof is None or not r.proof.hurt:
        return None
    rows = tuple((key.name or "(anonymous)", key.requests, key.denied,
                  _ppm(key.denied, key.requests)) for key in r.proof.hurt[:HURT_MAX])
    return Table(f"Who would be hurt: {_hurt_count(r.proof)} of {count(r.proof.keys, r.proof.who)}",
                 (Column(r.proof.who), Column("requests", Unit.COUNT),
                  Column("denied", Unit.COUNT), Column("share", Unit.PPM, bar=True)), rows,
                 more=max(0, len(r.proof.hurt) - HURT_MAX))


def _inferred(r: Recommendation) -> Table | None:
    if not r.inferred:
        return None
    rows = tuple((
        one.group.name, f"{one.group.throttled:,} of {one.group.requests:,}",
        f"{per_second(one.best.rate)}, {one.best.burst}",
        f"{per_second(one.rate_low)} to {per_second(one.rate_high)}",
        f"{one.burst_low} to {one.burst_high}", one.precision_ppm, one.recall_ppm,
        per_second(one.at_as_many) if one.at_as_many else "none") for one in r.inferred)
    return Table(
        "What throttled it: the token bucket that agrees best with the recorded throttling",
        (Column("requests of"), Column("throttled"), Column("rate, burst"),
         Column("rates as good"), Column("bursts"), Column("precision", Unit.PPM),
         Column("recall", Unit.PPM), Column("as many")), rows, note=trust.inferred_note(r))


def _left_out(r: Recommendation) -> Table | None:
    if not r.left_out:
        return None
    return Table("Without a limit of their own",
                 (Column("class"), Column("requests", Unit.COUNT), Column("why")),
                 r.left_out[:HURT_MAX], more=max(0, len(r.left_out) - HURT_MAX))


def _fragment(r: Recommendation) -> Text | None:
    lines = tuple(r.fragment.rstrip().split("\n")) if r.fragment else ()
    if not lines:
        return None
    more = len(lines) - PASTE_MAX
    note = f"... and {more:,} lines more; --write FILE writes them all" if more > 0 else ""
    return Text("To paste", lines[:PASTE_MAX], note)


# -- plain data ------------------------------------------------------------------------------------
def _tried_json(tried: Tried | None) -> dict[str, Any] | None:
    return None if tried is None else {
        "rate": tried.candidate.rate, "period_ns": tried.candidate.period_ns,
        "capacity": tried.candidate.capacity, "asked": tried.asked, "denied": tried.denied,
        "denied_ppm": _ppm(tried.denied, tried.asked), "first_denied_ns": tried.first_denied_ns}


def _found_json(found: Found) -> dict[str, Any]:
    return {"burst": found.task.burst.text, "algorithm": found.task.algorithm,
            "best": _tried_json(found.best), "below": _tried_json(found.below),
            "monotone": found.monotone, "done": found.done}


def _limit_json(r: Recommendation, answer: Answer) -> dict[str, Any]:
    return {"class": answer.name, "name": answer.proposal.name if answer.proposal else None,
            "denied": _denied(r, answer), "allowed": answer.found.task.allowed,
            "rate": answer.proposal.candidate.rate if answer.proposal else None,
            **_found_json(answer.found), "curve": [_tried_json(t) for t in answer.found.tried]}


def _inferred_json(one: Inferred) -> dict[str, Any]:
    return {**dataclasses.asdict(one), "period_ns": PERIOD_NS, "name": one.group.name,
            "precision_ppm": one.precision_ppm, "recall_ppm": one.recall_ppm}
