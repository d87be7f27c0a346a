# SPDX-License-Identifier: MIT
"""policy: rules, conditions and requests as Hypothesis draws them, small enough to meet often."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from host_sim.config.units import parse_network
from host_sim.config.week import parse_week, week_text
from host_sim.modules.policy import (
    Action,
    Condition,
    Environment,
    HeaderHow,
    HeaderMatch,
    PolicyContext,
    PolicyDefault,
    PolicyMode,
    PolicyRule,
    PolicyType,
    RequestInfo,
    Role,
    ServiceInfo,
    UserInfo,
)
from host_sim.modules.policy_rows import network_text

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
        set_header=("X-Seen", draw(st.sampled_from("ab")))
        if sets and draw(st.booleans())
        else None,
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
