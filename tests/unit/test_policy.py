# SPDX-License-Identifier: MIT
"""policy: rules decide as SEMANTICS.md says, three-valued, and bring their obligations."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from host_sim.errors import (
    ArgumentError,
    ExistsError,
    FullError,
    RangeError,
    RaygateSyntaxError,
    StaleError,
    UnknownError,
)
from host_sim.kernel import Kernel
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

S = 1_000_000_000
MONDAY, HOUR = 1_767_571_200 * S, 3600 * S  # 2026-01-05T00:00:00Z


@pytest.fixture
def engine():
    return PolicyEngine(wall_offset_ns=MONDAY)


def asked(*, method=None, headers=(), ip=None, role=None, tenant=None, plan=None, service=None,
          route=None, at=0):  # fmt: skip
    """A request of which this much is known."""
    return PolicyContext(
        RequestInfo(method, headers, ip),
        UserInfo(role, tenant, plan),
        ServiceInfo(service, route),
        Environment(at),
    )


def allow(condition=None, **more):
    return PolicyRule(condition or Condition(), Action.ALLOW, **more)


def deny(condition=None, **more):
    return PolicyRule(condition or Condition(), Action.DENY, **more)


# -- the phase document's tests --------------------------------------------------------------------
def test_policy_creation(engine):
    assert engine.list_policies() == {} and engine.ask(asked()).allowed
    rule = allow(
        Condition(
            service_id=(1, 2), user_role=(Role.USER,), time_window="Mon 08:00-Mon 18:00",
            source_ip=("10.0.0.0/8",), header_match=(HeaderMatch("X-Key", HeaderHow.PRESENT),),
            method_not=("DELETE",), utc_offset_minutes=60,
        ),
        name="day-shift", priority=7, audit_log=True, set_priority=1,
    )  # fmt: skip
    policy_id = engine.add_policy(rule)
    assert engine.get_policy(policy_id) == rule and engine.find_policy("day-shift") == policy_id
    assert engine.list_policies() == {policy_id: rule}
    before = engine.snapshot()
    with pytest.raises(ExistsError):
        engine.add_policy(rule)
    assert engine.snapshot() == before and engine.valid() == 0
    others = [engine.add_policy(deny()) for _ in range(127)]
    assert len(set(others)) == 127 and engine.get_policy(others[0]).name == "policy-1"
    before = engine.snapshot()
    with pytest.raises(FullError):
        engine.add_policy(deny(name="one-too-many"))
    assert engine.snapshot() == before and engine.get_policy_stats().rule_count == 128


@pytest.mark.parametrize(
    ("condition", "holds", "fails", "unknown"),
    [
        (Condition(service_id=(3,)), asked(service=3), asked(service=4), asked()),
        (Condition(service_not=(3,)), asked(service=4), asked(service=3), asked()),
        (Condition(route_id=(5, 6)), asked(route=6), asked(route=7), asked()),
        (Condition(method=("GET", "HEAD")), asked(method="HEAD"), asked(method="PUT"), asked()),
        (Condition(user_role=(Role.USER,)), asked(role=Role.USER), asked(role=Role.NONE), asked()),
        (Condition(tenant_id=(1,)), asked(tenant=1), asked(tenant=2), asked()),
        (Condition(plan_id=(0,)), asked(tenant=1, plan=0), asked(tenant=1, plan=1), asked()),
        (Condition(plan_id=(0,)), asked(plan=0), asked(tenant=1), asked()),
        (Condition(source_ip=("10.0.0.0/8",)), asked(ip="10.9.9.9"), asked(ip="11.0.0.0"), asked()),
        (Condition(source_ip=("10.0.0.0/8",)), asked(ip="::ffff:10.0.0.1"), asked(ip="::10.0.0.1"),
         asked()),
        (Condition(source_ip_not=("10.0.0.0/8",)), asked(ip="2001:db8::1"), asked(ip="10.0.0.1"),
         asked()),
        (Condition(source_ip=("2001:db8::/32",)), asked(ip="2001:db8:ffff::"),
         asked(ip="2001:db9::"), asked()),
        (Condition(time_window="Mon 22:00-06:00"), asked(at=22 * HOUR), asked(at=22 * HOUR - 1),
         None),
        (Condition(time_window="Mon 22:00-06:00"), asked(at=30 * HOUR - 1), asked(at=30 * HOUR),
         None),
        (Condition(time_window="Mon 22:00-24:00", utc_offset_minutes=120), asked(at=20 * HOUR),
         asked(at=22 * HOUR), None),
        (Condition(time_window="Sun 23:00-01:00"), asked(at=HOUR - 1), asked(at=HOUR), None),
    ],
)  # fmt: skip
def test_condition_matching(engine, condition, holds, fails, unknown):
    for action in (Action.ALLOW, Action.DENY):
        yes, no = (engine.match_condition(condition, c, action=action) for c in (holds, fails))
        assert (yes.truth, yes.matched, yes.field) == (Truth.TRUE, True, None)
        assert (no.truth, no.matched) == (Truth.FALSE, False) and no.field is not None
        if unknown is not None:
            nobody = engine.match_condition(condition, unknown, action=action)
            assert nobody.truth == Truth.UNKNOWN
            assert nobody.matched == (action == Action.DENY)
    policy_id = engine.add_policy(deny(condition))
    assert not engine.ask(holds).allowed and engine.ask(fails).reason == "policy-default"
    assert engine.match_condition(policy_id, holds).matched
    if unknown is not None:
        assert engine.ask(unknown).reason == "policy-indeterminate"


def test_action_enforcement(engine):
    kinds = {
        Action.DENY: deny(Condition(method=("DELETE",)), http_status=451),
        Action.THROTTLE: PolicyRule(Condition(method=("POST",)), Action.THROTTLE, limit_id=4,
                                    policy_type=PolicyType.RATE_LIMIT, set_priority=4),
        Action.LOG: PolicyRule(Condition(method=("PUT",)), Action.LOG,
                               policy_type=PolicyType.QUOTA, quota_id=2, quota_weight=3),
        Action.ALERT: PolicyRule(Condition(method=("PATCH",)), Action.ALERT,
                                 policy_type=PolicyType.TRANSFORMATION, set_header=("X-Seen", "1")),
        Action.REDIRECT: PolicyRule(Condition(method=("HEAD",)), Action.REDIRECT,
                                    location="https://example.org/", http_status=308),
    }  # fmt: skip
    ids = {action: engine.add_policy(rule) for action, rule in kinds.items()}
    engine.add_policy(allow())
    denied = engine.evaluate_request(asked(method="DELETE"))
    assert (denied.allowed, denied.reason, denied.http_status) == (False, "policy-denied", 451)
    assert denied.enforcement_action == Action.DENY and denied.policy_id == ids[Action.DENY]
    slowed = engine.evaluate_request(asked(method="POST"))
    assert slowed.allowed and slowed.enforcement_action == Action.THROTTLE
    assert (slowed.limits, slowed.set_priority) == ((4,), 4)
    logged = engine.evaluate_request(asked(method="PUT"))
    assert logged.allowed and logged.quotas == ((2, 3),) and logged.audit_id == 1
    alerted = engine.evaluate_request(asked(method="PATCH"))
    assert (alerted.alerts, alerted.set_header) == (1, ("X-Seen", "1"))
    sent = engine.evaluate_request(asked(method="HEAD"))
    assert (sent.allowed, sent.location, sent.http_status) == (False, "https://example.org/", 308)
    assert (sent.reason, sent.enforcement_action) == ("policy-redirect", Action.REDIRECT)
    stats = engine.get_policy_stats()
    assert (stats.asked_count, stats.granted_count, stats.denied_count) == (5, 3, 2)
    assert (stats.redirected_count, stats.alert_count) == (1, 1)
    for action, policy_id in ids.items():
        assert engine.get_hits(policy_id).matched_count == 1
        said = engine.apply_action(policy_id, asked(method=kinds[action].condition.method[0]))
        assert said.applies and said.action == action
        assert not engine.apply_action(policy_id, asked(method="GET")).applies


# -- combining -------------------------------------------------------------------------------------
def test_rule_priority_decides_the_order(engine):
    late = engine.add_policy(deny(priority=20, http_status=450))
    early = engine.add_policy(deny(priority=10, http_status=451))
    assert engine.ask(asked()).policy_id == early
    engine.update_policy(late, priority=1)
    assert engine.ask(asked()).policy_id == late and engine.get_policy(late).http_status == 450


def test_deny_overrides_whatever_the_order_and_first_match_follows_it(engine):
    engine.add_policy(allow(priority=1))
    engine.add_policy(deny(priority=2))
    assert not engine.ask(asked()).allowed
    engine.set_combining(Combine.FIRST_MATCH)
    assert engine.ask(asked()).allowed and engine.get_combining()[0] == Combine.FIRST_MATCH


def test_types_are_anded_and_have_their_defaults(engine):
    engine.add_policy(allow())
    assert engine.ask(asked()).allowed
    only = engine.add_policy(
        allow(Condition(method=("GET",)), policy_type=PolicyType.AUTHENTICATION)
    )
    said = engine.ask(asked(method="PUT"))
    assert (said.allowed, said.reason, said.http_status) == (False, "policy-default", 401)
    assert engine.ask(asked(method="GET")).allowed
    engine.remove_policy(only)
    assert engine.ask(asked(method="PUT")).allowed  # nothing evaluates authentication any more
    engine.set_combining(defaults={PolicyType.QUOTA: PolicyDefault.DENY})
    assert engine.ask(asked()).http_status == 403 and not engine.ask(asked()).allowed


def test_redirect_applies_only_if_not_denied_lowest_number_wins(engine):
    engine.add_policy(allow())
    far = PolicyRule(action=Action.REDIRECT, priority=9, location="/far")
    engine.add_policy(far)
    near = engine.add_policy(dataclasses.replace(far, priority=3, location="/near"))
    assert engine.ask(asked()).location == "/near"
    engine.disable_policy(near)
    assert engine.ask(asked()).location == "/far"
    engine.enable_policy(near)
    engine.add_policy(deny())
    assert engine.ask(asked()).location is None


def test_a_shadow_rule_records_and_never_decides(engine):
    engine.add_policy(allow())
    watch = engine.add_policy(deny(Condition(method=("GET",)), mode=PolicyMode.SHADOW))
    said = engine.evaluate_request(asked(method="GET"))
    assert said.allowed and (said.would_reason, said.would_policy_id) == ("policy-denied", watch)
    assert engine.evaluate_request(asked(method="PUT")).would_reason is None
    hits = engine.get_hits(watch)
    assert (hits.shadow_count, hits.would_count, hits.matched_count) == (1, 1, 0)
    engine.set_mode(watch, PolicyMode.ENFORCE)
    assert not engine.ask(asked(method="GET")).allowed


def test_names_past_their_places_deny(engine):
    for limit in range(5):
        engine.add_policy(
            PolicyRule(action=Action.THROTTLE, policy_type=PolicyType.RATE_LIMIT, limit_id=limit)
        )
    said = engine.ask(asked())
    assert (said.allowed, said.reason, said.limits) == (False, "policy-indeterminate", ())
    assert engine.get_policy(said.policy_id).limit_id == 4
    engine.remove_policy(said.policy_id)
    assert engine.ask(asked()).limits == (0, 1, 2, 3)


# -- headers ---------------------------------------------------------------------------------------
BOT = HeaderMatch("User-Agent", HeaderHow.CONTAINS, "bot")
ADMIN = HeaderMatch("x-role", HeaderHow.EXACT, "admin")


@pytest.mark.parametrize(
    ("match", "headers", "denies", "allows"),
    [
        (ADMIN, (("X-Role", "admin"),), True, True),
        (ADMIN, (("X-ROLE", " admin\t"),), True, True),
        (ADMIN, (("X-Role", "Admin"),), False, False),
        (ADMIN, (("X-Role", "user"), ("X-Role", "admin")), True, False),  # RELIABILITY I5
        (ADMIN, (("X-Role", "admin"), ("X-Role", "user")), True, False),
        (ADMIN, (("X-Role", "admin"), ("x-role", "admin")), True, True),
        (ADMIN, (("X-Role", "user,admin"),), True, False),
        (ADMIN, (("X-Role", "user, admin ,x"),), True, False),
        (ADMIN, (), False, False),
        (ADMIN, (("X-Role", ""),), False, False),
        (HeaderMatch("X-Role", HeaderHow.EXACT, ""), (("X-Role", ""),), True, True),
        (HeaderMatch("X-Role", HeaderHow.EXACT, ""), (), False, False),  # missing is not empty
        (HeaderMatch("X-Role", HeaderHow.ABSENT), (), True, True),
        (HeaderMatch("X-Role", HeaderHow.ABSENT), (("x-role", ""),), False, False),
        (HeaderMatch("X-Role", HeaderHow.PRESENT), (("x-role", ""),), True, True),
        (HeaderMatch("X-Role", HeaderHow.PREFIX, "ad"), (("X-Role", "admin"),), True, True),
        (HeaderMatch("X-Role", HeaderHow.PREFIX, "ad"), (("X-Role", "x, admin"),), True, False),
        (BOT, (("User-Agent", "a robot"),), True, True),
        (BOT, (("User-Agent", "bo t"),), False, False),
        (HeaderMatch("X", HeaderHow.CONTAINS, "aab"), (("X", "a" * 1000 + "b"),), True, True),
    ],
)  # fmt: skip
def test_a_header_rule_sees_every_value(engine, match, headers, denies, allows):
    condition = Condition(header_match=(match,))
    for action, wanted in ((Action.DENY, denies), (Action.ALLOW, allows)):
        said = engine.match_condition(condition, asked(headers=headers), action=action)
        assert said.matched == wanted
        assert said.truth == (Truth.TRUE if wanted else Truth.FALSE)
        assert wanted or (said.field, said.header) == ("header", match.name)
    nobody = engine.match_condition(condition, asked(headers=None))
    assert (nobody.truth, nobody.matched) == (Truth.UNKNOWN, True)


@pytest.mark.parametrize(
    "headers",
    [(("Host", "a"), ("host", "a")), (("X", "a\nb"),), (("X Y", "1"),), (("X_Y", "1"),),
     (("", "1"),)],
)  # fmt: skip
def test_headers_nobody_may_believe_are_refused_and_counted(engine, headers):
    engine.add_policy(deny(Condition(header_match=(HeaderMatch("Host"),))))
    with pytest.raises(RaygateSyntaxError):
        engine.evaluate_request(asked(headers=headers))
    assert engine.get_policy_stats().error_count == 1


def test_a_search_in_a_header_takes_steps_in_line_with_its_length(engine):
    # RELIABILITY O5: no backtracking; a value that almost fits everywhere is found or not at once.
    wanted = "a" * 127 + "b"
    match = Condition(header_match=(HeaderMatch("X", HeaderHow.CONTAINS, wanted),))
    near = asked(headers=(("X", ("a" * 126 + "c") * 60),))
    assert not engine.match_condition(match, near).matched
    assert engine.match_condition(match, asked(headers=(("X", "a" * 8000 + "b"),))).matched


# -- life of a rule --------------------------------------------------------------------------------
def test_an_id_is_never_given_out_again_and_removing_is_not_disabling(engine):
    first = engine.add_policy(deny(name="a"))
    engine.disable_policy(first)
    assert engine.ask(asked()).allowed and engine.list_policies() == {}
    engine.remove_policy(first)
    second = engine.add_policy(deny(name="a"))
    assert second != first
    before = engine.snapshot()
    for call in (engine.get_policy, engine.remove_policy, engine.enable_policy):
        with pytest.raises(StaleError):
            call(first)
    with pytest.raises(UnknownError):
        engine.get_policy(99)
    assert engine.snapshot() == before


def test_counters_follow_a_rule_and_reset_clears_only_them(engine):
    policy_id = engine.add_policy(deny(name="a", audit_log=True))
    engine.evaluate_request(asked())
    engine.update_policy(policy_id, priority=3)
    assert engine.get_hits(policy_id).denied_count == 1
    engine.reset_counters()
    assert engine.get_hits(policy_id).denied_count == 0
    stats = engine.get_policy_stats()
    assert (stats.denied_count, stats.audit_count) == (1, 1)


@pytest.mark.parametrize(
    "rule",
    [
        deny(name="no name"), deny(name="x" * 48), deny(http_status=200), deny(limit_id=1),
        deny(priority=2_000_000), allow(http_status=403), allow(set_header=("X", "1")),
        allow(location="/"), PolicyRule(action=Action.THROTTLE),
        PolicyRule(action=Action.THROTTLE, limit_id=1),
        PolicyRule(action=Action.REDIRECT), PolicyRule(action=Action.REDIRECT, location="a b"),
        PolicyRule(action=Action.REDIRECT, location="/", http_status=304),
        deny(policy_type=PolicyType.QUOTA, quota_id=1), allow(quota_id=1),
        allow(policy_type=PolicyType.QUOTA, quota_id=1, quota_weight=0),
        allow(Condition(service_id=(256,))), allow(Condition(tenant_id=(256,))),
        allow(Condition(time_window="nonsense")), allow(Condition(source_ip=("10.0.0.1/8",))),
        allow(Condition(method=("FETCH",))),
        allow(Condition(time_window="Mon", utc_offset_minutes=900)),
        allow(Condition(header_match=(HeaderMatch("X_Y"),))),
        allow(Condition(header_match=(HeaderMatch("X", HeaderHow.EXACT, "a\nb"),))),
        allow(Condition(header_match=(HeaderMatch("X", HeaderHow.PREFIX, ""),))),
        allow(Condition(header_match=(HeaderMatch("X", HeaderHow.EXACT, "x" * 129),))),
        allow(set_priority=5),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_changes_nothing(engine, rule):
    before = engine.snapshot()
    with pytest.raises((ArgumentError, RangeError, UnknownError)):
        engine.add_policy(rule)
    assert engine.snapshot() == before


def test_audit_records_have_no_gap_and_are_chained(engine):
    engine.add_policy(allow())
    watched = engine.add_policy(deny(Condition(method=("PUT",)), name="watched", audit_log=True))
    assert engine.evaluate_request(asked(method="GET")).audit_id is None
    first = engine.evaluate_request(asked(method="PUT", at=5 * S))
    record = engine.get_audit(first.audit_id)
    assert (record.policy, record.allowed, record.at_ns) == ("watched", False, 5 * S)
    assert record.unix_ns == MONDAY + 5 * S
    assert record.hash == hashlib.sha256(bytes(32) + record.body).digest()
    second = engine.audit_decision(asked(method="GET"), passed=False)
    assert (second.audit_id, second.allowed, second.passed) == (2, True, False)
    assert second.hash == hashlib.sha256(record.hash + second.body).digest()
    engine.remove_policy(watched)
    assert engine.get_audit(1).policy == "watched"  # readable when the rule is long gone
    with pytest.raises(UnknownError):
        engine.get_audit(3)
    assert engine.export_audit("json").count('"hash"') == 2 and engine.audit_broken() == 0


def test_exports_are_the_same_bytes_for_the_same_state(engine):
    other = PolicyEngine(wall_offset_ns=MONDAY)
    for one in (engine, other):
        one.add_policy(deny(Condition(source_ip=("10.0.0.0/8",)), name="x"))
        one.evaluate_request(asked(ip="10.0.0.1"))
    assert engine.snapshot() == other.snapshot()
    for fmt in ("csv", "json"):
        assert engine.export_policies(fmt) == other.export_policies(fmt)
    with pytest.raises(UnknownError):
        engine.export_policies("xml")


def test_a_kernels_policies_are_audited_where_they_change():
    kernel = Kernel()
    engine = PolicyEngine(kernel=kernel)
    epoch = kernel.stats()["epoch"]
    policy_id = engine.add_policy(deny())
    engine.disable_policy(policy_id)
    assert kernel.stats()["epoch"] == epoch + 2 and kernel.valid() == 0
