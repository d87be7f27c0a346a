# SPDX-License-Identifier: MIT
"""policy: words and records PolicyEngine speaks in; import them from host_sim.modules.policy."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from host_sim.decision import NEVER, NONE


class PolicyType(enum.IntEnum):
    """Rules of one type decide together; the types that are evaluated must all allow."""

    AUTHENTICATION = 0
    AUTHORIZATION = 1
    RATE_LIMIT = 2
    QUOTA = 3
    TRANSFORMATION = 4


class Action(enum.IntEnum):
    """Only allow and deny decide; the others are obligations (ray/policy.h)."""

    ALLOW = 0
    DENY = 1
    THROTTLE = 2
    LOG = 3
    ALERT = 4
    REDIRECT = 5


class Role(enum.IntEnum):
    """Who a request acts as; NONE is known to have no role."""

    NONE = 0
    ADMIN = 1
    SERVICE_ACCOUNT = 2
    USER = 3
    GUEST = 4


class PolicyMode(enum.IntEnum):
    """Enforce decides, shadow records what it would have decided, off is not asked."""

    ENFORCE = 0
    SHADOW = 1
    OFF = 2


class Combine(enum.IntEnum):
    """One rule that denies is enough; or, by type, the first by priority and place decides."""

    DENY_OVERRIDES = 0
    FIRST_MATCH = 1


class PolicyDefault(enum.IntEnum):
    """What a type says when none of its rules decides. Unstated: without a rule the type is not
    evaluated; with one, authentication and authorization deny, the others allow."""

    UNSTATED = 0
    ALLOW = 1
    DENY = 2


class HeaderHow(enum.IntEnum):
    """How a header is compared."""

    EXACT = 0
    PREFIX = 1
    CONTAINS = 2
    PRESENT = 3
    ABSENT = 4


class Truth(enum.IntEnum):
    """Kleene's three values: an attribute nobody knows makes a condition on it unknown."""

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """One condition on a header: the name compares without case, the value byte for byte."""

    name: str
    how: HeaderHow = HeaderHow.PRESENT
    value: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """Which requests a rule is for; what is empty is not asked, everything else must hold.

    Ids and words of one field are alternatives, `*_not` excludes them. `time_window` is text as
    "Mon-Fri 22:00-06:00" on a clock `utc_offset_minutes` east of UTC, `source_ip` networks as
    "10.0.0.0/8".
    """

    service_id: tuple[int, ...] = ()
    user_role: tuple[Role, ...] = ()
    time_window: str = ""
    source_ip: tuple[str, ...] = ()
    header_match: tuple[HeaderMatch, ...] = ()
    route_id: tuple[int, ...] = ()
    method: tuple[str, ...] = ()
    tenant_id: tuple[int, ...] = ()
    plan_id: tuple[int, ...] = ()
    service_not: tuple[int, ...] = ()
    user_role_not: tuple[Role, ...] = ()
    source_ip_not: tuple[str, ...] = ()
    route_not: tuple[int, ...] = ()
    method_not: tuple[str, ...] = ()
    tenant_not: tuple[int, ...] = ()
    plan_not: tuple[int, ...] = ()
    utc_offset_minutes: int = 0


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule. `priority` lower first; `audit_log` writes an audit record whenever it matches.

    `http_status` of a denial (401 or 403 when 0) or a redirect (302 when 0), `limit_id` a named
    limit a THROTTLE asks, `quota_id` a named quota a rule of type QUOTA charges `quota_weight`
    times, `location` where a REDIRECT leads, `set_header` name and value a TRANSFORMATION adds to
    the response, `set_priority` the class 0 critical to 4 batch. `name` is "policy-1" and so on
    when empty.
    """

    condition: Condition = field(default_factory=Condition)
    action: Action = Action.ALLOW
    priority: int = 100
    enabled: bool = True
    audit_log: bool = False
    name: str = ""
    policy_type: PolicyType = PolicyType.AUTHORIZATION
    mode: PolicyMode = PolicyMode.ENFORCE
    http_status: int = 0
    limit_id: int | None = None
    quota_id: int | None = None
    quota_weight: int = 1
    location: str = ""
    set_header: tuple[str, str] | None = None
    set_priority: int | None = None
    alert: bool = False


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What is known of a request: its method, its header fields in order (None: nobody knows, which
    is not the same as none), its client's address."""

    method: str | None = None
    headers: Mapping[str, str] | tuple[tuple[str, str], ...] | None = ()
    source_ip: str | None = None


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Who it is from; None is unknown. A tenant without a plan has none."""

    role: Role | None = None
    tenant_id: int | None = None
    plan_id: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """Whom it is for; None is unknown."""

    service_id: int | None = None
    route_id: int | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """When: `now_ns` None is the latest instant seen. `sequence` names the decision in the audit
    ring."""

    now_ns: int | None = None
    sequence: int = NEVER


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """Everything a rule may ask about: request, user, service and environment."""

    request: RequestInfo = field(default_factory=RequestInfo)
    user: UserInfo = field(default_factory=UserInfo)
    service: ServiceInfo = field(default_factory=ServiceInfo)
    environment: Environment = field(default_factory=Environment)


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """What the rules say. `reason` is a stable word (ray/reason.h); `enforcement_action` is ALLOW,
    DENY or REDIRECT, or THROTTLE where an allowed request must pass named limits first.

    `policy_id` is the rule that decided, None when a default did or nothing had to; `audit_id` the
    record this decision wrote, None when no rule asked for one. `limits` and `quotas` (id, weight)
    are to be asked and charged too. `would_reason` is None unless shadow rules would have decided
    otherwise, by `would_policy_id`.
    """

    allowed: bool
    reason: str
    enforcement_action: Action
    audit_id: int | None
    policy_id: int | None
    http_status: int
    location: str | None
    limits: tuple[int, ...]
    quotas: tuple[tuple[int, int], ...]
    set_priority: int | None
    set_header: tuple[str, str] | None
    matched: tuple[int, ...]
    shadow_matched: tuple[int, ...]
    alerts: int
    audits: int
    would_reason: str | None
    would_policy_id: int | None
    asked: bool


@dataclass(frozen=True, slots=True)
class ConditionMatch:
    """One rule against one request: all conditions together, and the first that is not true.

    `matched` counts an unknown as a match for a rule that denies. `header` is the name of the
    header when `field` is "header"."""

    policy_id: int | None
    truth: Truth
    matched: bool
    field: str | None
    header: str | None


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What one rule's action does to one request; `applies` False: it does not match, or is not
    enforced."""

    applies: bool
    action: Action
    http_status: int
    location: str | None
    limit_id: int | None
    quota: tuple[int, int] | None
    set_header: tuple[str, str] | None
    set_priority: int | None
    alert: bool
    audit: bool


@dataclass(frozen=True, slots=True)
class PolicyHits:
    """One rule's counters since it was added or the last reset."""

    matched_count: int
    decided_count: int
    denied_count: int
    shadow_count: int
    would_count: int


@dataclass(frozen=True, slots=True)
class PolicyStats:
    """The module's counters; asked = granted + denied."""

    asked_count: int
    granted_count: int
    denied_count: int
    error_count: int
    unspent_count: int
    redirected_count: int
    default_count: int
    indeterminate_count: int
    alert_count: int
    would_count: int
    audit_count: int
    audit_overwritten_count: int
    generation: int
    rule_count: int
    enabled_count: int
    shadow_count: int
    term_count: int
    header_count: int


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One audited decision. `audit_id` grows by one without a gap; `hash` is SHA-256 over the
    record before it and this one without its hash."""

    audit_id: int
    at_ns: int
    unix_ns: int
    sequence: int
    policy: str
    reason: str
    http_status: int
    allowed: bool
    passed: bool
    alerts: int
    audits: int
    hash: bytes
    body: bytes = field(repr=False)


__all__ = ["NEVER", "NONE", "Action", "AuditRecord", "Combine", "Condition", "ConditionMatch",
           "Enforcement", "Environment", "HeaderHow", "HeaderMatch", "PolicyContext",
           "PolicyDecision", "PolicyDefault", "PolicyHits", "PolicyMode", "PolicyRule",
           "PolicyStats", "PolicyType", "RequestInfo", "Role", "ServiceInfo", "Truth", "UserInfo",
           ]  # fmt: skip
