# SPDX-License-Identifier: MIT
"""policy, obviously correct: every rule against every request, one after the other, no tables.

Speaks in the dataclasses of host_sim.modules.policy; slow on purpose.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from host_sim.modules.policy import (
    Action,
    Combine,
    Condition,
    HeaderHow,
    HeaderMatch,
    PolicyContext,
    PolicyDefault,
    PolicyMode,
    PolicyRule,
    PolicyType,
    Truth,
)

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LIMITS, QUOTAS = 4, 2


# -- conditions ------------------------------------------------------------------------------------
def listed(wanted, others, value):
    """Value in `wanted` if stated, and in none of `others`."""
    if not wanted and not others:
        return Truth.TRUE
    if value is None:
        return Truth.UNKNOWN
    return Truth.TRUE if (not wanted or value in wanted) and value not in others else Truth.FALSE


def plan_truth(condition: Condition, context: PolicyContext) -> Truth:
    """A known tenant without a plan has none; without a tenant the plan is unknown."""
    plan, tenant = context.user.plan_id, context.user.tenant_id
    if plan is None and tenant is not None:
        plan = "none"
    return listed(condition.plan_id, condition.plan_not, plan)


def in_window(text: str, offset_minutes: int, unix_ns: int) -> bool:
    """Minute by minute: "Mon-Fri 22:00-06:00" starts on its day and may run into the next."""
    minute_of_week = (unix_ns // 60_000_000_000 + offset_minutes + 3 * 1440) % 10_080
    for piece in text.split(","):
        words = piece.split()
        days, clock = (words[0], words[-1]) if ":" not in words[0] else ("Mon-Sun", words[0])
        clock = clock if ":" in clock else "00:00-24:00"
        first, _, last = days.partition("-")
        start, end = (int(h) * 60 + int(m) for h, m in (x.split(":") for x in clock.split("-")))
        length = (end - start) if end > start else end - start + 1440
        day = DAYS.index(first)
        while True:
            if (minute_of_week - day * 1440 - start) % 10_080 < length:
                return True
            if DAYS[day] == (last or first):
                break
            day = (day + 1) % 7
    return False


def address_truth(condition: Condition, text: str | None) -> Truth:
    """IPv4 is compared as ::ffff:a.b.c.d, so both spellings are one address."""
    if not condition.source_ip and not condition.source_ip_not:
        return Truth.TRUE
    if text is None:
        return Truth.UNKNOWN

    def six(network: str) -> ipaddress.IPv6Network:
        known = ipaddress.ip_network(network)
        if known.version == 6:
            return known
        return ipaddress.IPv6Network(f"::ffff:{known.network_address}/{96 + known.prefixlen}")

    address = six(text).network_address
    wanted = not condition.source_ip or any(address in six(n) for n in condition.source_ip)
    others = any(address in six(n) for n in condition.source_ip_not)
    return Truth.TRUE if wanted and not others else Truth.FALSE


def fits(match: HeaderMatch, value: str) -> bool:
    """One value against one condition."""
    return {
        HeaderHow.EXACT: value == match.value,
        HeaderHow.PREFIX: value.startswith(match.value),
        HeaderHow.CONTAINS: match.value in value,
    }[match.how]


def header_truth(match: HeaderMatch, headers, action: Action) -> Truth:
    """An allowing rule asks every value to fit; any other rule one, members of lists included."""
    if headers is None:
        return Truth.UNKNOWN
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    values = [v.strip(" \t") for name, v in pairs if name.lower() == match.name.lower()]
    if match.how == HeaderHow.PRESENT:
        return Truth.TRUE if values else Truth.FALSE
    if match.how == HeaderHow.ABSENT:
        return Truth.FALSE if values else Truth.TRUE
    if action == Action.ALLOW:
        return Truth.TRUE if values and all(fits(match, v) for v in values) else Truth.FALSE
    members = [part.strip(" \t") for value in values for part in value.split(",")]
    return Truth.TRUE if any(fits(match, v) for v in (*values, *members)) else Truth.FALSE


def conditions(rule: PolicyRule, context: PolicyContext, unix_ns: int) -> list[tuple[str, Truth]]:
    """Every condition by field, in the core's order."""
    c, service, user = rule.condition, context.service, context.user
    window = in_window(c.time_window, c.utc_offset_minutes, unix_ns) if c.time_window else True
    out = [
        ("service", listed(c.service_id, c.service_not, service.service_id)),
        ("route", listed(c.route_id, c.route_not, service.route_id)),
        ("method", listed(c.method, c.method_not, context.request.method)),
        ("role", listed(c.user_role, c.user_role_not, user.role)),
        ("tenant", listed(c.tenant_id, c.tenant_not, user.tenant_id)),
        ("plan", plan_truth(c, context)),
        ("time", Truth.TRUE if window else Truth.FALSE),
        ("ip", address_truth(c, context.request.source_ip)),
    ]
    return out + [
        (f"header {match.name}", header_truth(match, context.request.headers, rule.action))
        for match in c.header_match
    ]


def matches(rule: PolicyRule, context: PolicyContext, unix_ns: int) -> tuple[Truth, bool]:
    """(all conditions together, whether that counts as a match)."""
    truth = min(truth for _, truth in conditions(rule, context, unix_ns))
    return truth, truth == Truth.TRUE or (truth == Truth.UNKNOWN and rule.action == Action.DENY)


# -- rules together --------------------------------------------------------------------------------
@dataclass(frozen=True)
class Verdict:
    """What a set of rules says."""

    outcome: str
    reason: str
    by: int | None
    http_status: int


@dataclass
class Reference:
    """Rules by id, kept in the order of their places."""

    rules: dict[int, PolicyRule] = field(default_factory=dict)
    combine: Combine = Combine.DENY_OVERRIDES
    defaults: dict[PolicyType, PolicyDefault] = field(default_factory=dict)

    def _order(self, ids):
        return sorted(ids, key=lambda i: (self.rules[i].priority, i & 0xFFFF))

    def _hits(self, context, unix_ns, modes):
        return [
            i
            for i in self._order(self.rules)
            if self.rules[i].enabled
            and self.rules[i].mode in modes
            and matches(self.rules[i], context, unix_ns)[1]
        ]

    def _asked(self, kind, modes):
        return any(
            rule.policy_type == kind and rule.enabled and rule.mode in modes
            for rule in self.rules.values()
        )

    def verdict(self, context: PolicyContext, unix_ns: int, modes=(PolicyMode.ENFORCE,)) -> Verdict:
        """Types in their order; every one that is evaluated must allow."""
        hits = self._hits(context, unix_ns, modes)
        by = None
        for kind in PolicyType:
            stated = self.defaults.get(kind, PolicyDefault.UNSTATED)
            if not self._asked(kind, modes) and stated != PolicyDefault.DENY:
                continue
            own = [i for i in hits if self.rules[i].policy_type == kind]
            deny = [i for i in own if self.rules[i].action == Action.DENY]
            allow = [i for i in own if self.rules[i].action == Action.ALLOW]
            if self.combine == Combine.FIRST_MATCH:
                first = self._order(deny + allow)[:1]
                deny, allow = [i for i in first if i in deny], [i for i in first if i in allow]
            if deny:
                rule = self.rules[deny[0]]
                known = matches(rule, context, unix_ns)[0] == Truth.TRUE
                reason = "policy-denied" if known else "policy-indeterminate"
                return Verdict("deny", reason, deny[0], rule.http_status)
            if not allow:
                closed = kind in (PolicyType.AUTHENTICATION, PolicyType.AUTHORIZATION)
                if stated == PolicyDefault.DENY or (stated == PolicyDefault.UNSTATED and closed):
                    status = 401 if kind == PolicyType.AUTHENTICATION else 403
                    return Verdict("deny", "policy-default", None, status)
            by = by if by is not None or not allow else allow[0]
        for i in hits:
            if self.rules[i].action == Action.REDIRECT:
                return Verdict("redirect", "policy-redirect", i, self.rules[i].http_status)
        names = {"limit_id": LIMITS, "quota_id": QUOTAS}
        if PolicyMode.SHADOW not in modes:
            full = []
            for key, most in names.items():
                seen: list[int] = []
                for i in sorted(hits, key=lambda i: i & 0xFFFF):
                    name = getattr(self.rules[i], key)
                    if name is not None and name not in seen:
                        full += [i] if len(seen) == most else []
                        seen += [name] if len(seen) < most else []
            if full:
                return Verdict("deny", "policy-indeterminate", self._order(full)[0], 403)
        return Verdict("allow", "ok", by, 200)

    def matched(self, context, unix_ns, mode=PolicyMode.ENFORCE) -> set[int]:
        """Ids of the rules of a mode that match."""
        return set(self._hits(context, unix_ns, (mode,)))

    def would(self, context: PolicyContext, unix_ns: int) -> Verdict | None:
        """The verdict with the shadow rules enforced, when it is another one."""
        now = self.verdict(context, unix_ns)
        if (
            now.reason == "policy-indeterminate"
            and now.by is not None
            and (self.rules[now.by].action != Action.DENY)
        ):
            now = replace(now, outcome="allow")  # names had no place: no rule decided that
        then = self.verdict(context, unix_ns, (PolicyMode.ENFORCE, PolicyMode.SHADOW))
        return then if then.outcome != now.outcome else None

    def obligations(self, context: PolicyContext, unix_ns: int) -> dict[str, object]:
        """What every matching rule adds."""
        hits = self._hits(context, unix_ns, (PolicyMode.ENFORCE,))
        rules = [self.rules[i] for i in hits]
        allowed = self.verdict(context, unix_ns).outcome == "allow"
        quotas: dict[int, int] = {}
        for rule in rules if allowed else []:
            if rule.quota_id is not None:
                quotas[rule.quota_id] = min(
                    65_535, quotas.get(rule.quota_id, 0) + rule.quota_weight
                )
        return {
            "limits": {r.limit_id for r in rules if r.limit_id is not None} if allowed else set(),
            "quotas": quotas,
            "set_priority": next(
                (r.set_priority for r in rules if r.set_priority is not None), None
            ),
            "set_header": next((r.set_header for r in rules if r.set_header is not None), None),
            "alerts": sum(r.alert or r.action == Action.ALERT for r in rules),
            "audits": sum(r.audit_log or r.action == Action.LOG for r in rules),
        }
