# SPDX-License-Identifier: MIT
"""[policies] and [[policy]] as pydantic models; see model.py."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from host_sim.config.fields import (
    ClassWord,
    MatchValue,
    MethodWord,
    Mode,
    Model,
    Name,
    Networks,
    Offset,
    WeekTime,
    Words,
)

PolicyTypeWord = Literal["authentication", "authorization", "ratelimit", "quota", "transformation"]
ActionWord = Literal["allow", "deny", "throttle", "log", "alert", "redirect"]
DefaultWord = Literal["allow", "deny"]
POLICY_TYPES: tuple[str, ...] = (
    "authentication",
    "authorization",
    "ratelimit",
    "quota",
    "transformation",
)
ACTIONS: tuple[str, ...] = ("allow", "deny", "throttle", "log", "alert", "redirect")
ROLES: tuple[str, ...] = ("none", "admin", "service-account", "user", "guest")


class PolicyDefaults(Model):
    """What a type says when none of its rules decides.

    A type that states nothing here and has no rule is not evaluated; with a rule, authentication
    and authorization deny, the others allow."""

    authentication: DefaultWord | None = Field(None, description="Of authentication rules.")
    authorization: DefaultWord | None = Field(None, description="Of authorization rules.")
    ratelimit: DefaultWord | None = Field(None, description="Of ratelimit rules.")
    quota: DefaultWord | None = Field(None, description="Of quota rules.")
    transformation: DefaultWord | None = Field(None, description="Of transformation rules.")


class Policies(Model):
    """How rules combine. Types are judged one by one and must all allow."""

    combine: Literal["deny-overrides", "first-match"] = Field(
        "deny-overrides",
        description="One rule that denies is enough; or, by type, the first by priority decides.",
    )
    default: PolicyDefaults = Field(
        default_factory=PolicyDefaults.model_construct,
        description='By type: `{ authorization = "deny" }`.',
    )


class PolicyWhen(Model):
    """Which requests; all keys must hold, `{}` is always.

    What is not known of a request makes a condition unknown: a rule that denies then matches, every
    other one does not."""

    service: Words | None = Field(None, description="One of these services.")
    service_not: Words | None = Field(None, description="None of these services.")
    route: Words | None = Field(None, description="One of these routes.")
    route_not: Words | None = Field(None, description="None of these routes.")
    method: list[MethodWord] | None = Field(None, description="One of these methods.")
    method_not: list[MethodWord] | None = Field(None, description="None of these methods.")
    role: Words | None = Field(None, description="One of these roles.")
    role_not: Words | None = Field(None, description="None of these roles.")
    tenant: Words | None = Field(None, description="One of these tenants.")
    tenant_not: Words | None = Field(None, description="None of these tenants.")
    plan: Words | None = Field(None, description="A tenant of one of these plans.")
    plan_not: Words | None = Field(None, description="A tenant of another plan, or of none.")
    time: WeekTime | None = Field(
        None, description="Days and hours; a day's range starts that day, several by comma."
    )
    ip: Networks | None = Field(None, description="Client address in one of these networks.")
    ip_not: Networks | None = Field(None, description="Client address in none of these networks.")
    header: dict[str, MatchValue] = Field(
        default_factory=dict,
        description="A value, `present`, `absent`, or { exact | prefix | contains }; of several "
        "values an allowing rule asks all, any other rule one.",
    )


class Policy(Model):
    """One rule. Only allow and deny decide; every rule that matches adds what it obliges to."""

    name: Name = Field(description="Unique among policies.")
    type: PolicyTypeWord = Field("authorization", description="Which rules it decides with.")
    priority: int = Field(
        100, ge=0, le=1_000_000, description="Lower first, then place in the file."
    )
    when: PolicyWhen = Field(
        default_factory=PolicyWhen.model_construct, description="Which requests; `{}` is all."
    )
    action: ActionWord = Field(description="What happens to a request that matches.")
    status: int | None = Field(
        None,
        description="deny: 400 to 599, 401 for authentication and 403 when absent. redirect: 301, "
        "302, 303, 307 or 308, 302 when absent.",
    )
    limit: Name | None = Field(None, description='throttle: a limit of scope "named".')
    quota: Name | None = Field(None, description="Type quota: a quota with `named = true`.")
    weight: int | None = Field(
        None, ge=1, le=65_535, description="Times what the named quota is charged; 1 when absent."
    )
    location: str | None = Field(None, description="redirect: where to.")
    set_header: dict[str, str] = Field(
        default_factory=dict,
        description="Type transformation: one response header, name and value.",
    )
    set_priority: ClassWord | None = Field(None, description="The request's class.")
    alert: bool = Field(False, description="Counts an alert.")
    audit: bool = Field(False, description="Writes a record to the audit ring.")
    enabled: bool = Field(True, description="false: as if it were not there.")
    mode: Mode | None = Field(
        None, description="The file's mode when absent; `shadow` records what it would decide."
    )
    timezone: Offset | None = Field(None, description="Of `time`; the file's when absent.")
