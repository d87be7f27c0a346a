# SPDX-License-Identifier: MIT
"""policy: the tables of bits agree with the plain evaluator on every request, and the laws PO1 to
PO7 of any set of rules hold."""

from __future__ import annotations

import dataclasses
import hashlib

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from host_sim.config.units import parse_network
from host_sim.config.week import parse_week, week_text
from host_sim.errors import ExistsError, FullError, StaleError
from host_sim.modules.policy import (
    Action,
    Combine,
    Condition,
    Environment,
    HeaderHow,
    HeaderMatch,
    PolicyContext,
    PolicyDefault,
    PolicyEngine,
    PolicyMode,
    PolicyRule,
    PolicyType,
    RequestInfo,
    Role,
    ServiceInfo,
    Truth,
    UserInfo,
)
from host_sim.modules.policy_rows import network_text
from tests.model import policy as model

S = 1_000_000_000
METHODS = ["GET", "POST", "DELETE"]
NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32", "2001:db8::/32", "::ffff:10.2.0.0/112",
            "0.0.0.0/0", "::/0", "ffff::/16"]  # fmt: skip
ADDRESSES = [None, "10.0.0.1", "10.1.2.3", "10.2.0.9", "11.0.0.0", "192.0.2.7", "::ffff:192.0.2.7",
             "2001:db8::1", "ffff::1", "::"]  # fmt: skip
WINDOWS = ["", "", "Mon-Fri 22:00-06:00", "Sat-Sun", "08:00-18:00", "Sun 23:30-00:30",
           "Thu 00:00-00:01, Mon 12:00-13:00"]  # fmt: skip
NAMES = ["X-Role", "x-role", "User-Agent"]
VALUES = ["", "admin", "user", "user, admin", "a bot", "bot", "adminx", " admin "]


def several(of, most=2):
    return st.lists(of, max_size=most, unique=True).map(tuple)


def maybe(of):
    return st.one_of(st.none(), of)


@st.composite
def headers(draw):
    how = draw(st.sampled_from(list(HeaderHow)))
    valued = how in (HeaderHow.EXACT, HeaderHow.PREFIX, HeaderHow.CONTAINS)
    value = draw(st.sampled_from(["admin", "bot", "user", "user, admin"])) if valued else ""
    return HeaderMatch(draw(st.sampled_from(NAMES)), how, value)


@st.composite
def conditions(draw):
    ids, roles = st.integers(0, 2), st.sampled_from(list(Role))
    return Condition(
        service_id=draw(several(ids)),
        service_not=draw(several(ids, 1)),
        user_role=draw(several(roles)),
        user_role_not=draw(several(roles, 1)),
        time_window=draw(st.sampled_from(WINDOWS)),
        utc_offset_minutes=draw(st.sampled_from([0, 330, -720, 840])),
        source_ip=draw(several(st.sampled_from(NETWORKS), 1)),
        source_ip_not=draw(several(st.sampled_from(NETWORKS), 1)),
        header_match=draw(several(headers(), 1)),
        route_id=draw(several(ids, 1)),
        method=draw(several(st.sampled_from(METHODS))),
        method_not=draw(several(st.sampled_from(METHODS), 1)),
        tenant_id=draw(several(ids, 1)),
        plan_id=draw(several(st.integers(0, 1), 1)),
        plan_not=draw(several(st.integers(0, 1), 1)),
    )


# Most conditions that are drawn whole match nothing; these match often.
LOOSE = st.one_of(
    st.just(Condition()),
    st.builds(Condition, method=several(st.sampled_from(METHODS))),
    st.builds(Condition, user_role_not=several(st.sampled_from(list(Role)), 1)),
    st.builds(Condition, source_ip_not=several(st.sampled_from(NETWORKS), 2)),
    st.builds(Condition, time_window=st.sampled_from(WINDOWS)),
    st.builds(Condition, header_match=several(headers(), 2)),
    st.builds(Condition, plan_id=several(st.integers(0, 1), 1)),
)


@st.composite
def rules(draw, name=""):
    kind = draw(st.sampled_from([*PolicyType, PolicyType.AUTHORIZATION]))
    actions = [Action.ALLOW, Action.DENY, Action.LOG, Action.ALERT, Action.REDIRECT]
    actions += [Action.THROTTLE] * (kind == PolicyType.RATE_LIMIT)
    action = draw(st.sampled_from([*actions, Action.ALLOW, Action.DENY]))
    charges = kind == PolicyType.QUOTA and action not in (Action.DENY, Action.REDIRECT)
    sets = kind == PolicyType.TRANSFORMATION
    return PolicyRule(
        condition=draw(st.one_of(LOOSE, conditions())),
        action=action,
        priority=draw(st.integers(0, 3)),
        enabled=draw(st.sampled_from([True, True, True, False])),
        audit_log=draw(st.booleans()),
        name=name,
        policy_type=kind,
        mode=draw(st.sampled_from([PolicyMode.ENFORCE] * 3 + [PolicyMode.SHADOW, PolicyMode.OFF])),
        http_status={Action.DENY: draw(st.sampled_from([403, 451])), Action.REDIRECT: 302}.get(
            action, 0
        ),
        limit_id=draw(st.integers(0, 5)) if action == Action.THROTTLE else None,
        quota_id=draw(maybe(st.integers(0, 3))) if charges else None,
        quota_weight=draw(st.integers(1, 40_000)) if charges else 1,
        location="/elsewhere" if action == Action.REDIRECT else "",
        set_header=("X-Seen", draw(st.sampled_from("ab"))) if sets and draw(st.booleans()) else None,
        set_priority=draw(maybe(st.integers(0, 4))),
        alert=draw(st.booleans()),
    )


@st.composite
def contexts(draw):
    fields = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=3)
    tenant = draw(maybe(st.integers(0, 2)))
    return PolicyContext(
        RequestInfo(
            draw(maybe(st.sampled_from(METHODS))),
            draw(maybe(fields.map(tuple))),
            draw(st.sampled_from(ADDRESSES)),
        ),
        UserInfo(draw(maybe(st.sampled_from(list(Role)))), tenant, draw(maybe(st.integers(0, 1)))),
        ServiceInfo(draw(maybe(st.integers(0, 3))), draw(maybe(st.integers(0, 3)))),
        Environment(now_ns=draw(st.integers(0, 8 * 86_400)) * S, sequence=draw(st.integers(0, 9))),
    )


def canonical(one):
    """The rule as the core says it back: times merged, addresses in one spelling."""
    c = one.condition

    def spelled(networks):
        known = [parse_network(text) for text in networks]
        return tuple(network_text(network.address, network.prefix) for network in known)

    return dataclasses.replace(
        one,
        condition=dataclasses.replace(
            c,
            time_window=week_text(parse_week(c.time_window)) if c.time_window else "",
            utc_offset_minutes=c.utc_offset_minutes if c.time_window else 0,
            source_ip=spelled(c.source_ip),
            source_ip_not=spelled(c.source_ip_not),
        ),
        quota_weight=one.quota_weight if one.quota_id is not None else 1,
    )


WEEK_START = 4 * 86_400 * S  # 1970-01-05 was a Monday
DEFAULTS = st.dictionaries(st.sampled_from(list(PolicyType)), st.sampled_from(list(PolicyDefault)))


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
    named = [
        dataclasses.replace(one, name=f"n{i}", priority=i) for i, one in enumerate(drawn)
    ]
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
