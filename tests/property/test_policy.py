# SPDX-License-Identifier: MIT
"""policy: the tables of bits agree with the plain evaluator on every request, and the laws PO1 to
PO7 of any set of rules hold."""

from __future__ import annotations

import dataclasses
import hashlib

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from host_sim.errors import ExistsError, FullError, StaleError
from host_sim.modules.policy import (
    Action,
    Combine,
    Environment,
    PolicyDefault,
    PolicyEngine,
    PolicyMode,
    PolicyType,
    Truth,
)
from tests.model import policy as model
from tests.property.policy_terms import DEFAULTS, WEEK_START, canonical, contexts, rules


def twin(profile="seed"):
    engine = PolicyEngine(profile=profile, wall_offset_ns=WEEK_START)
    return engine, model.Reference()


def filled(drawn, combine=Combine.DENY_OVERRIDES, defaults=None, profile="seed"):
    """An engine and its reference with the same rules, as many as there is room for."""
    engine, reference = twin(profile)
    engine.set_combining(combine, defaults=defaults or {})
    reference.combine, reference.defaults = combine, defaults or {}
    for one in drawn:
        try:
            policy_id = engine.add_policy(one)
        except FullError:
            continue
        name = engine.get_policy(policy_id).name
        reference.rules[policy_id] = dataclasses.replace(one, name=name)
    return engine, reference


def agree(engine, reference, context):
    """PO1: the decision, who made it, what matched, and what it obliges to."""
    unix_ns = context.environment.now_ns + WEEK_START
    before = engine.snapshot()
    decision = engine.ask(context)
    assert engine.snapshot() == before
    said = reference.verdict(context, unix_ns)
    outcome = "allow" if decision.allowed else "redirect" if decision.location else "deny"
    got = model.Verdict(outcome, decision.reason, decision.policy_id, decision.http_status)
    assert got == said
    assert set(decision.matched) == reference.matched(context, unix_ns)
    assert set(decision.shadow_matched) == reference.matched(context, unix_ns, PolicyMode.SHADOW)
    wanted = reference.obligations(context, unix_ns)
    assert {
        "limits": set(decision.limits),
        "quotas": dict(decision.quotas),
        "set_priority": decision.set_priority,
        "set_header": decision.set_header,
        "alerts": decision.alerts,
        "audits": decision.audits,
    } == wanted
    would = reference.would(context, unix_ns)
    assert decision.would_reason == (would.reason if would else None)
    if would is not None and decision.would_policy_id is not None:
        assert reference.rules[decision.would_policy_id].mode == PolicyMode.SHADOW
    return decision


SETS = st.lists(rules(), max_size=8)


@given(SETS, st.sampled_from(list(Combine)), DEFAULTS, st.lists(contexts(), min_size=1, max_size=5))
def test_po1_the_tables_say_what_the_reference_says(drawn, combine, defaults, asked):
    engine, reference = filled(drawn, combine, defaults)
    assert engine.valid() == 0
    for context in asked:
        agree(engine, reference, dataclasses.replace(context))


@given(SETS, st.lists(contexts(), min_size=1, max_size=4))
def test_explain_names_the_first_condition_that_is_not_true(drawn, asked):
    engine, reference = filled(drawn)
    for context in asked:
        unix_ns = context.environment.now_ns + WEEK_START
        for match in engine.explain(context):
            rule = reference.rules[match.policy_id]
            truths = model.conditions(rule, context, unix_ns)
            worst = min(truth for _, truth in truths)
            assert (match.truth, match.matched) == model.matches(rule, context, unix_ns)
            word = match.field and match.field + (f" {match.header}" if match.header else "")
            assert word == next((w for w, t in truths if t == worst and t < Truth.TRUE), None)


@given(SETS, st.data())
def test_po2_order_of_insertion_decides_nothing(drawn, data):
    named = [dataclasses.replace(one, name=f"n{i}", priority=i) for i, one in enumerate(drawn)]
    first, _ = filled(named)
    second, _ = filled(data.draw(st.permutations(named)))
    for context in data.draw(st.lists(contexts(), min_size=1, max_size=4)):
        a, b = first.ask(context), second.ask(context)
        for field in dataclasses.fields(a):
            one, other = getattr(a, field.name), getattr(b, field.name)
            if field.name in ("policy_id", "would_policy_id"):
                one = None if one is None else first.get_policy(one).name
                other = None if other is None else second.get_policy(other).name
            if field.name in ("matched", "shadow_matched"):
                one = {first.get_policy(i).name for i in one}
                other = {second.get_policy(i).name for i in other}
            if field.name in ("limits", "quotas"):
                one, other = set(one), set(other)
            if field.name not in ("would_policy_id",):
                assert one == other, field.name


@given(SETS, rules(), st.lists(contexts(), min_size=1, max_size=4))
def test_po3_a_rule_that_denies_never_lets_anything_through(drawn, more, asked):
    engine, _ = filled(drawn)
    more = dataclasses.replace(
        more, action=Action.DENY, http_status=403, location="", limit_id=None, quota_id=None,
        quota_weight=1, mode=PolicyMode.ENFORCE, enabled=True,
    )  # fmt: skip
    before = [engine.ask(context).allowed for context in asked]
    engine.add_policy(more)
    after = [engine.ask(context).allowed for context in asked]
    assert all(was or not now for was, now in zip(before, after, strict=True))


@given(SETS, st.lists(contexts(), min_size=1, max_size=4), st.data())
def test_po3_removing_a_rule_that_allows_lets_nothing_through(drawn, asked, data):
    engine, reference = filled(drawn, defaults=dict.fromkeys(PolicyType, PolicyDefault.DENY))
    allows = [i for i, one in reference.rules.items() if one.action == Action.ALLOW]
    if not allows:
        return
    before = [engine.ask(context).allowed for context in asked]
    engine.remove_policy(data.draw(st.sampled_from(allows)))
    after = [engine.ask(context).allowed for context in asked]
    assert all(was or not now for was, now in zip(before, after, strict=True))


@given(SETS, st.lists(contexts(), min_size=1, max_size=4))
def test_po4_a_disabled_rule_is_as_if_it_were_absent(drawn, asked):
    engine, _ = filled([dataclasses.replace(one, enabled=True) for one in drawn])
    without, _ = filled([])
    for policy_id, one in engine.list_policies(active_only=False).items():
        if policy_id & 1:
            engine.disable_policy(policy_id)
        else:
            without.add_policy(one)
    for context in asked:
        a, b = engine.ask(context), without.ask(context)
        assert (a.allowed, a.reason, a.http_status, a.alerts, a.set_priority) == (
            b.allowed, b.reason, b.http_status, b.alerts, b.set_priority,
        )  # fmt: skip


@given(st.lists(rules(), max_size=4), st.sampled_from(list(PolicyType)), contexts())
def test_po5_a_type_without_rule_and_default_is_not_evaluated(drawn, kind, context):
    others = [one for one in drawn if one.policy_type != kind]
    engine, _ = filled(others)
    plain = engine.ask(context)
    engine.set_combining(defaults={kind: PolicyDefault.ALLOW})
    assert engine.ask(context) == dataclasses.replace(plain, asked=engine.ask(context).asked)
    engine.set_combining(defaults={kind: PolicyDefault.DENY})
    assert not engine.ask(context).allowed


@given(SETS, st.lists(st.tuples(contexts(), st.booleans()), max_size=12))
def test_po7_the_audit_log_has_no_gap_and_every_record_seals_the_one_before(drawn, asked):
    engine, _ = filled([dataclasses.replace(one, enabled=True) for one in drawn], profile="tiny")
    kept, before, seen = [], bytes(32), 0
    for context, passed in asked:
        decision = engine.evaluate_request(context, passed=passed)
        assert (decision.audit_id is not None) == (decision.audits > 0)
        if decision.audit_id is None:
            continue
        assert decision.audit_id == seen + 1
        seen = decision.audit_id
        record = engine.get_audit(seen)
        assert record.hash == hashlib.sha256(before + record.body).digest()
        before = record.hash
        kept.append(record)
    stats = engine.get_policy_stats()
    most = engine.lib.RAY_POLICY_AUDIT_MAX
    assert engine.list_audit() == kept[-most:] and engine.audit_broken() == 0
    assert stats.audit_overwritten_count == max(0, seen - most)
    assert engine.valid() == 0


class Policies(RuleBasedStateMachine):
    """The tiny profile (8 rules, 16 terms, 4 headers, 4 audit records) against the reference."""

    @initialize(combine=st.sampled_from(list(Combine)), defaults=DEFAULTS)
    def begin(self, combine, defaults):
        self.engine, self.reference = twin("tiny")
        self.engine.set_combining(combine, defaults=defaults)
        self.reference.combine, self.reference.defaults = combine, defaults
        self.gone: list[int] = []
        self.now = 0
        self.asked = self.granted = 0

    @rule(one=rules(), number=st.integers(0, 9))
    def add(self, one, number):
        named = dataclasses.replace(one, name=f"n{number}")
        before = self.engine.snapshot()
        taken = any(rule.name == named.name for rule in self.reference.rules.values())
        try:
            policy_id = self.engine.add_policy(named)
        except (ExistsError, FullError) as error:
            assert self.engine.snapshot() == before
            assert isinstance(error, ExistsError) == taken
            return
        assert not taken and policy_id not in self.reference.rules and policy_id not in self.gone
        self.reference.rules[policy_id] = named
        assert self.engine.get_hits(policy_id).matched_count == 0

    @precondition(lambda self: self.reference.rules)
    @rule(one=rules(), data=st.data())
    def update(self, one, data):
        policy_id = data.draw(st.sampled_from(sorted(self.reference.rules)))
        named = dataclasses.replace(one, name=self.reference.rules[policy_id].name)
        hits, before = self.engine.get_hits(policy_id), self.engine.snapshot()
        try:
            self.engine.update_policy(policy_id, named)
        except FullError:
            assert self.engine.snapshot() == before
            return
        assert self.engine.get_hits(policy_id) == hits
        self.reference.rules[policy_id] = named

    @precondition(lambda self: self.reference.rules)
    @rule(data=st.data())
    def remove(self, data):
        policy_id = data.draw(st.sampled_from(sorted(self.reference.rules)))
        self.engine.remove_policy(policy_id)
        del self.reference.rules[policy_id]
        self.gone.append(policy_id)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def a_handle_that_is_gone_is_stale(self, data):
        policy_id, before = data.draw(st.sampled_from(self.gone)), self.engine.snapshot()
        try:
            self.engine.remove_policy(policy_id)
        except StaleError:
            assert self.engine.snapshot() == before
            return
        raise AssertionError("a stale handle was taken")

    @precondition(lambda self: self.reference.rules)
    @rule(data=st.data(), enabled=st.booleans(), mode=st.sampled_from(list(PolicyMode)))
    def switch(self, data, enabled, mode):
        policy_id = data.draw(st.sampled_from(sorted(self.reference.rules)))
        (self.engine.enable_policy if enabled else self.engine.disable_policy)(policy_id)
        self.engine.set_mode(policy_id, mode)
        self.reference.rules[policy_id] = dataclasses.replace(
            self.reference.rules[policy_id], enabled=enabled, mode=mode
        )

    @rule(context=contexts(), passed=st.booleans())
    def ask(self, context, passed):
        self.now = max(self.now, context.environment.now_ns)
        context = dataclasses.replace(context, environment=Environment(self.now))
        said = agree(self.engine, self.reference, context)
        before = {i: self.engine.get_hits(i).matched_count for i in self.reference.rules}
        decision = self.engine.evaluate_request(context, passed=passed)
        assert dataclasses.replace(decision, audit_id=None) == said
        after = {i: self.engine.get_hits(i).matched_count for i in self.reference.rules}
        assert {i for i in after if after[i] != before[i]} == set(decision.matched)
        self.asked, self.granted = self.asked + 1, self.granted + decision.allowed

    @invariant()
    def every_law_holds(self):
        assert self.engine.valid() == 0
        assert self.engine.list_policies(active_only=False) == {
            i: canonical(self.reference.rules[i])
            for i in sorted(self.reference.rules, key=lambda i: i & 0xFFFF)
        }
        stats = self.engine.get_policy_stats()
        assert (stats.asked_count, stats.granted_count) == (self.asked, self.granted)
        assert stats.asked_count == stats.granted_count + stats.denied_count
        assert self.engine.lib.ray_policy_reindex(self.engine._state) == 1


TestPolicies = Policies.TestCase
