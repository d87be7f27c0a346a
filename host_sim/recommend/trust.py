# SPDX-License-Identifier: MIT
"""How far a recommendation can be believed, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_sim.recommend.infer import per_second
from host_sim.replay.summary import UNPARSABLE_FINDING_PPM, count, share
from host_sim.report.units import duration

if TYPE_CHECKING:
    from host_sim.recommend.result import Recommendation

PPM = 1_000_000
SECOND_NS = 1_000_000_000


def findings(r: Recommendation) -> list[str]:
    """What makes the answer less than what was asked for."""
    facts, found = r.facts, list(r.problems)
    if not facts.events:
        found.append("no request of the log reaches a limit")
    for answer in r.answers:
        if answer.found.done and answer.found.tried and answer.found.best is None:
            least = min(tried.denied for tried in answer.found.tried)
            found.append(
                f"{answer.name}: no rate denies at most "
                f"{count(answer.found.task.allowed, 'request')}; with this burst at least "
                f"{least:,} are denied at one instant: use a larger one")
        if not answer.found.monotone:
            found.append(
                f"{answer.name}: denials do not fall with every larger limit (requests take "
                "different numbers of tokens); a smaller rate than this may do as well")
    if facts.unparsable * PPM > facts.lines * UNPARSABLE_FINDING_PPM:
        found.append(f"{count(facts.unparsable, 'line')} of {facts.lines:,} could not be read")
    if facts.late:
        found.append(f"{count(facts.late, 'row')} came too late for the sorting window")
    if r.overflow:
        found.append(f"key tables were full {count(r.overflow, 'time')}: those requests shared a "
                     "bucket")
    if r.interrupted:
        found.append("interrupted: this is what was known by then")
    found += _proven(r)
    return found


def _proven(r: Recommendation) -> list[str]:
    """Where the replay says otherwise than the search."""
    if r.proof is None:
        return []
    said = []
    for answer in r.answers:
        if answer.proposal is None or answer.found.best is None:
            continue
        denied = r.proof.denied.get(answer.proposal.name, 0)
        if denied > answer.found.task.allowed and not r.dropped_throttled:
            said.append(f"{answer.proposal.name}: the replay denies {denied:,}, more than asked "
                        "for: other rules of the configuration interfere")
    return said


def said(r: Recommendation) -> list[str]:
    """What a reader must know of the log and of how it was judged."""
    facts, lines = r.facts, []
    if facts.finest_ns == SECOND_NS and facts.events:
        lines.append("The log's times are whole seconds: requests of one second are judged at its "
                     "beginning, all at once, so a burst is counted as its worst case.")
    if r.spread != "none":
        lines.append(f"Requests that share a second were spread over it (--spread {r.spread}): the "
                     "log does not say when in it they came.")
    if facts.throttled:
        kept = "left out" if r.dropped_throttled else "kept as traffic"
        lines.append(
            f"{count(facts.throttled, 'request')} ({share(facts.throttled, facts.events)}) were "
            f"throttled when the log was written; they are {kept} (--throttled). Clients that were "
            "throttled ask again, so such a log shows more requests than an unlimited one would.")
    if r.dropped_throttled and facts.throttled:
        lines.append("The replay that proves the limits holds the throttled requests too.")
    if facts.stepped_back:
        lines.append(f"{count(facts.stepped_back, 'row')} stepped back in time and were put in "
                     "order.")
    if facts.refused:
        lines.append(f"{count(facts.refused, 'request')} are denied by the configuration itself "
                     "and are not asked of a new limit.")
    if r.proof is not None and r.proof.refused:
        lines.append(f"{count(sum(r.proof.refused.values()), 'request')} no gateway takes: "
                     f"{', '.join(r.proof.refused)}. They are not among the denied.")
    if facts.unparsable:
        lines.append(f"{count(facts.unparsable, 'line')} of {facts.lines:,} could not be read.")
    lines += _inference(r)
    span = facts.last_ns - facts.first_ns
    lines.append(f"A limit that hurt nobody in {duration(span)} of traffic may hurt somebody in "
                 "the next; try it with mode = \"shadow\" first.")
    lines.append(f"{count(r.candidates, 'limit')} tried in {r.passes:,} passes, each decided by "
                 "the core's own limiter.")
    return lines


def inferred_note(r: Recommendation) -> str:
    """What the inference can know."""
    throttled = sum(one.group.throttled for one in r.inferred)
    matched = sum(one.matched for one in r.inferred)
    denied = sum(one.denied for one in r.inferred)
    shared = "" if r.common is None else (
        f"One size for each of them, {per_second(r.common.best.rate)} and "
        f"{r.common.best.burst} at once, would deny {r.common.denied:,}, "
        f"{r.common.matched:,} in those seconds. ")
    return (f"Together these buckets deny {denied:,}, {matched:,} in the seconds of the "
            f"{throttled:,} recorded. {shared}Rates and bursts as good: this log cannot tell them "
            "from the best. Precision: of a bucket's denials, those in a second that recorded "
            "one; recall: of the recorded ones, those it denies. As many: the smallest rate with "
            "that burst that denies no more than were throttled.")


def _inference(r: Recommendation) -> list[str]:
    """What it cannot know."""
    if not r.inferred:
        return []
    said = ["What throttled the log was no single token bucket where the agreement is low: several "
            "servers that share their counts late, for example, are matched by none."]
    if r.facts.finest_ns == SECOND_NS:
        said.append("With times of whole seconds the order within a second is lost, and a burst is "
                    "uncertain by what the rate brings in one.")
    return said
