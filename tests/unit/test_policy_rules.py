# SPDX-License-Identifier: MIT
"""policy in the file: every mistake at its place, rules compared as sets of requests, and the bytes
the core loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from host_sim import config
from host_sim.config.policy_sets import Unsure, left_over, most_together
from host_sim.kernel import Kernel
from host_sim.modules.policy import (
    NONE,
    Combine,
    PolicyContext,
    PolicyDefault,
    PolicyEngine,
    PolicyType,
    RequestInfo,
    Role,
    ServiceInfo,
    UserInfo,
)
from tests.configs import codes, found

HEAD = """version = 1
[tenant.acme]
plan = "gold"
[tenant.guest]
[service.a]
[service.b]
[[route]]
name = "r"
service = "a"
path = { prefix = "/" }
[[limit]]
name = "pool"
scope = "named"
rate = "1/s"
[[limit]]
name = "own"
scope = "service"
rate = "1/s"
[[quota]]
name = "extra"
named = true
limit = 10
[[quota]]
name = "plain"
limit = 10
"""


def policy(when="{}", action="deny", **keys):
    """A rule; names itself p, q, r ... by what is given."""
    lines = ["[[policy]]", f'name = "{keys.pop("name", "p")}"', f"when = {when}"]
    lines += [f'action = "{action}"'] if action else []
    lines += [
        f"{k} = {v if not isinstance(v, str) or v[:1] in '{[' else repr(v)}"
        for k, v in keys.items()
    ]
    return "\n".join(lines).replace("True", "true").replace("False", "false") + "\n"


def notes(text):
    """(code, message) of every note, those about the head left out."""
    said = config.examine((HEAD + text).encode())
    assert said.findings == []
    return [(one.code, one.message) for one in said.notes if one.line > HEAD.count("\n")]


GOOD = [
    policy('{ service = "a", route = ["r"], method = ["GET"], role = "user", tenant = ["acme"] }'),
    policy('{ plan = "gold", time = "Mon-Fri 22:00-06:00", ip = "10.0.0.0/8" }', timezone="+02:00"),
    policy('{ header = { X-A = "absent", X-B = { prefix = "x" }, X-C = "v" } }', alert=True),
    policy(action="throttle", type="ratelimit", limit="pool", set_priority="batch"),
    policy(action="redirect", location="/x", status=307),
    policy(action="allow", type="quota", quota="extra", weight=3),
    policy(action="log", type="transformation", set_header='{ X-Seen = "1" }'),
    policy(enabled=False, mode="shadow", audit=True, priority=0),
    '[policies]\ncombine = "first-match"\ndefault = { quota = "deny" }\n',
]


@pytest.mark.parametrize("text", GOOD)
def test_a_rule_that_is_fine_is_accepted_by_the_core_too(text):
    assert codes(HEAD + text) == []
    assert Kernel(config=config.loads(HEAD + text)).valid() == 0


BAD = [
    (policy(action=None), "missing-key"),
    (policy(action="forbid"), "bad-choice"),
    (policy(type="authz"), "bad-choice"),
    (policy('{ servic = "a" }'), "unknown-key"),
    (policy('{ service = "c" }'), "unknown-reference"),
    (policy('{ service_not = ["c"] }'), "unknown-reference"),
    (policy('{ route = "q" }'), "unknown-reference"),
    (policy('{ role = "root" }'), "unknown-reference"),
    (policy('{ tenant = ["acme", "x"] }'), "unknown-reference"),
    (policy('{ plan = "silver" }'), "unknown-reference"),
    (policy('{ method = ["FETCH"] }'), "bad-choice"),
    (policy("{ method = [] }"), "conflict"),
    (policy('{ service = ["a", "a"] }'), "conflict"),
    (policy('{ service = "a", service_not = "a" }'), "conflict"),
    (policy('{ time = "Mon 25:00-26:00" }'), "bad-time"),
    (policy('{ ip = "10.0.0.1/8" }'), "bad-network"),
    (policy('{ ip = [] }'), "bad-network"),
    (policy('{ header = { X_A = "x" } }'), "bad-header"),
    (policy('{ header = { X-A = " x" } }'), "bad-header"),
    (policy('{ header = { X-A = { prefix = "x", exact = "y" } } }'), "conflict"),
    (policy('{ header = { X-A = { contains = "" } } }'), "conflict"),
    (policy('{ header = { X-A = "x", x-a = "y" } }'), "conflict"),
    (policy(status=200), "out-of-range"),
    (policy(status="403"), "wrong-type"),
    (policy(action="allow", status=403), "conflict"),
    (policy(action="throttle", type="ratelimit"), "conflict"),
    (policy(action="throttle", limit="pool"), "conflict"),
    (policy(action="throttle", type="ratelimit", limit="own"), "conflict"),
    (policy(action="throttle", type="ratelimit", limit="none"), "unknown-reference"),
    (policy(limit="pool"), "conflict"),
    (policy(action="redirect"), "conflict"),
    (policy(action="redirect", location="a b"), "bad-header"),
    (policy(action="redirect", location="/", status=304), "bad-choice"),
    (policy(action="allow", quota="extra"), "conflict"),
    (policy(action="allow", type="quota", quota="plain"), "conflict"),
    (policy(action="allow", type="quota", weight=2), "conflict"),
    (policy(action="allow", type="quota", quota="extra", weight=0), "out-of-range"),
    (policy(set_header='{ X = "1" }'), "conflict"),
    (policy(timezone="+01:00"), "conflict"),
    (policy(priority=-1), "out-of-range"),
    (policy() + policy(), "duplicate-name"),
    ('[policies]\ncombine = "last"\n', "bad-choice"),
    ('[policies]\ndefault = { authz = "deny" }\n', "unknown-key"),
    # rules that can never match, and rules that contradict one another
    (policy('{ service = "b", route = "r" }'), "conflict"),
    (policy('{ tenant = "guest", plan = "gold" }', action="allow"), "conflict"),
    (policy('{ ip = "10.0.0.0/8", ip_not = "0.0.0.0/0" }', action="allow"), "conflict"),
    (policy('{ method = ["GET"] }', action="allow", name="x")
     + policy('{ method = ["GET"] }', name="y"), "conflict"),
    ("".join(policy(action="throttle", type="ratelimit", limit=f"l{i}", name=f"n{i}")
             for i in range(5))
     + "".join(f'[[limit]]\nname = "l{i}"\nscope = "named"\nrate = "1/s"\n' for i in range(5)),
     "too-many-limits"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), BAD)
def test_a_mistake_is_named_at_its_place(text, code):
    said = found(HEAD + text)
    assert {one[2] for one in said} == {code}, said
    assert all(line > HEAD.count("\n") and column > 0 for line, column, _ in said)


SHADOWED = [
    # an allow all of whose requests others deny, by one rule or by several together
    (policy('{ method = ["GET"] }', action="allow", name="x")
     + policy('{ method = ["GET", "PUT"] }', name="y"), "x"),
    (policy('{ ip = "10.0.0.0/8" }', action="allow", name="x")
     + policy('{ ip = "10.0.0.0/9" }', name="y")
     + policy('{ ip = "10.128.0.0/9" }', name="z"), "x"),
    (policy('{ time = "Mon 10:00-12:00" }', action="allow", name="x")
     + policy('{ time = "Mon 09:00-11:00" }', name="y")
     + policy('{ time = "Mon 12:00-14:00", }'.replace(", }", " }"), name="z", timezone="+01:00"),
     "x"),
    # a denial that an earlier one makes already
    (policy('{ role = ["user", "guest"] }', name="x", priority=1)
     + policy('{ role = "user", method = ["PUT"] }', name="y", priority=2), "y"),
    # headers: what begins with "admin" holds "min"
    (policy('{ header = { X-A = { prefix = "admin" } } }', action="allow", name="x")
     + policy('{ header = { X-A = { contains = "min" } } }', name="y"), "x"),
]  # fmt: skip
CLEAR = [
    policy('{ method = ["GET"] }', action="allow", name="x")
    + policy('{ method = ["GET"], role = "guest" }', name="y"),
    policy('{ ip = "10.0.0.0/8" }', action="allow", name="x")
    + policy('{ ip = "10.0.0.0/9" }', name="y")
    + policy('{ ip = "10.128.0.0/10" }', name="z"),
    policy('{ header = { X-A = { contains = "min" } } }', action="allow", name="x")
    + policy('{ header = { X-A = { prefix = "admin" } } }', name="y"),
    policy('{ role = "user" }', name="x", priority=1)
    + policy('{ role = "user", method = ["PUT"] }', name="y", alert=True),
]


@pytest.mark.parametrize(("text", "name"), SHADOWED)
def test_a_rule_that_never_decides_is_noted(text, name):
    said = [message for code, message in notes(text) if code == "note-shadowed"]
    assert len(said) == 1 and f'policy "{name}" never decides' in said[0]


@pytest.mark.parametrize("text", CLEAR)
def test_a_rule_that_decides_something_is_not(text):
    assert [code for code, _ in notes(text)] == []


def test_first_match_is_shadowed_by_what_stands_before():
    rules = policy('{ method = ["GET"] }', action="allow", name="x", priority=2) + policy(
        name="y", priority=1
    )
    first = '[policies]\ncombine = "first-match"\n' + rules
    assert ["x"] == [m.split('"')[1] for c, m in notes(first) if c == "note-shadowed"]
    later = first.replace("priority = 1", "priority = 3")
    assert [c for c, _ in notes(later) if c == "note-shadowed"] == []


def test_holes_are_noted_with_an_example():
    opened = '[policies]\ndefault = { authorization = "allow" }\n' + policy('{ method = ["PUT"] }')
    [(code, message)] = notes(opened)
    assert code == "note-hole" and "method GET" in message
    [(code, _)] = notes('[policies]\ndefault = { authorization = "allow" }\n' + policy())
    assert code == "note-everything"           # no hole: it holds for every request, and says so
    off = notes(policy(enabled=False))
    assert [code for code, _ in off] == ["note-hole"] and "not evaluated" in off[0][1]


def test_names_nobody_uses_are_noted():
    said = [one.message for one in config.examine(HEAD.encode()).notes if one.code == "note-unused"]
    assert any('quota "extra"' in text for text in said)
    assert any('limit "pool"' in text for text in said)
    used = policy(action="throttle", type="ratelimit", limit="pool")
    said = [m.message for m in config.examine((HEAD + used).encode()).notes]
    assert not any('limit "pool"' in text for text in said)


def test_boxes_are_subtracted_exactly_and_give_up_in_time():
    whole = (frozenset(range(4)), frozenset(range(4)))
    quarters = [(frozenset({a, a + 1}), frozenset({b, b + 1})) for a in (0, 2) for b in (0, 2)]
    assert left_over(whole, quarters) is None
    assert left_over(whole, quarters[:3]) == quarters[3]
    with pytest.raises(Unsure):
        left_over(whole, quarters, [2])
    groups = [(str(n), [(frozenset({n, n + 1}), frozenset({0}))]) for n in range(6)]
    assert most_together(groups, 1) == ["0", "1"] and most_together(groups, 2) is None


def test_table_sizes_hold_at_the_limit_and_refuse_one_more():
    many = "".join(policy(name=f"n{i}", alert=True) for i in range(8))
    assert (
        codes(HEAD.replace('rate = "1/s"', 'rate = "1/s"') + many, room=config.PROFILES["tiny"])
        == []
    )
    more = found(HEAD + many + policy(name="last"), room=config.PROFILES["tiny"])
    assert [code for _, _, code in more] == ["too-many-rows"]


def test_the_worked_examples_policies_decide_as_they_read():
    text = (Path(__file__).parent.parent / "policies.toml").read_text()
    kernel = Kernel(config=config.loads(text))
    engine = PolicyEngine(kernel=kernel)
    assert engine.get_combining()[0] == Combine.DENY_OVERRIDES
    assert engine.get_combining()[1][PolicyType.AUTHORIZATION] == PolicyDefault.DENY

    def ask(method, role, **more):
        return engine.ask(
            PolicyContext(
                RequestInfo(method, more.get("headers", ()), more.get("ip")),
                UserInfo(role),
                ServiceInfo(0, 0),
            )
        )

    assert ask("GET", Role.USER, ip="192.0.2.1").allowed
    assert ask("POST", Role.USER, ip="192.0.2.1").reason == "policy-default"
    slowed = ask("GET", Role.GUEST, ip="192.0.2.1", headers=(("User-Agent", "googlebot"),))
    assert slowed.allowed and slowed.limits == (0,) and slowed.set_priority == 4
    assert engine.get_policy(engine.find_policy("slow-bots")).limit_id == 0 != NONE
