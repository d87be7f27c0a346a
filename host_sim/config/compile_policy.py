# SPDX-License-Identifier: MIT
"""[policies] and [[policy]] to the four sections of ray/policy.h: rules, and by rule their terms
and headers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from host_sim.config import layout
from host_sim.config.fields import match_of
from host_sim.config.model_policy import ACTIONS, POLICY_TYPES, ROLES, Policy

if TYPE_CHECKING:
    from host_sim.config.compiler import Names
    from host_sim.config.model import File

FIELDS = ("service", "route", "method", "role", "tenant", "plan", "time", "ip")
METHODS = ("OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
MODES = ("enforce", "shadow", "off")
CLASSES = ("critical", "high", "normal", "low", "batch")
COMBINE = ("deny-overrides", "first-match")
DEFAULTS = (None, "allow", "deny")
HEADER_SET, HEADER_LOCATION = 5, 6
CLASS_DEFAULT = 255


def status_of(policy: Policy) -> int:
    """The HTTP status a rule answers with: as stated, else what its type means; 0 for none."""
    if policy.action == "deny":
        return policy.status or (401 if policy.type == "authentication" else 403)
    return (policy.status or 302) if policy.action == "redirect" else 0


def terms_of(policy: Policy, names: Names, utc_offset_minutes: int) -> list[dict[str, Any]]:
    """The rule's terms in the order of their fields, alternatives before what is excluded."""
    known: dict[str, Sequence[str]] = {
        "service": names.services,
        "route": names.routes,
        "method": METHODS,
        "role": ROLES,
        "tenant": names.tenants,
        "plan": names.plans,
    }
    when, out = policy.when, []
    for field, words in known.items():
        for negated, key in enumerate((field, f"{field}_not")):
            for word in getattr(when, key) or ():
                out.append(_term(field, negated, value=list(words).index(word)))
    for start, end in when.time or ():
        out.append(_term("time", 0, value=start, until=end, utc_offset_minutes=utc_offset_minutes))
    for negated, networks in enumerate((when.ip, when.ip_not)):
        for network in networks or ():
            out.append(_term("ip", negated, address=network.address, until=network.prefix))
    return out


def _term(field: str, negated: int, **keys: Any) -> dict[str, Any]:
    return {
        "address": bytes(16),
        "value": 0,
        "until": 0,
        "utc_offset_minutes": 0,
        "field": FIELDS.index(field),
        "negated": negated,
        **keys,
    }


def headers_of(policy: Policy) -> list[dict[str, Any]]:
    """Conditions on headers, then the response header, then the location."""
    out = []
    for name, value in policy.when.header.items():
        how, text = match_of(value)
        out.append(_header(name, text, how))
    for name, text in policy.set_header.items():
        out.append(_header(name, text, HEADER_SET))
    if policy.location is not None:
        out.append(_header("", policy.location, HEADER_LOCATION))
    return out


def _header(name: str, value: str, how: int) -> dict[str, Any]:
    return dict(name=name, value=value, name_length=len(name), value_length=len(value), how=how)


def policy_rows(file: File, names: Names) -> dict[int, list[dict[str, Any]]]:
    """Rows by section; a file that says nothing about policies has none."""
    rules: list[dict[str, Any]] = []
    terms: list[dict[str, Any]] = []
    headers: list[dict[str, Any]] = []
    for policy in file.policy:
        offset = file.timezone if policy.timezone is None else policy.timezone
        own_terms, own_headers = terms_of(policy, names, offset), headers_of(policy)
        rules.append(
            dict(
                name=policy.name,
                priority=policy.priority,
                limit=layout.NONE if policy.limit is None else names.limits.index(policy.limit),
                quota=layout.NONE if policy.quota is None else names.quotas.index(policy.quota),
                quota_weight=0 if policy.quota is None else policy.weight or 1,
                term_count=len(own_terms),
                header_count=len(own_headers),
                http_status=status_of(policy),
                type=POLICY_TYPES.index(policy.type),
                action=ACTIONS.index(policy.action),
                mode=MODES.index(policy.mode or file.mode),
                enabled=int(policy.enabled),
                set_class=CLASS_DEFAULT
                if policy.set_priority is None
                else CLASSES.index(policy.set_priority),
                alert=int(policy.alert),
                audit=int(policy.audit),
            )
        )
        terms += own_terms
        headers += own_headers
    stated = [DEFAULTS.index(getattr(file.policies.default, word)) for word in POLICY_TYPES]
    combine = COMBINE.index(file.policies.combine)
    out: dict[int, list[dict[str, Any]]] = {
        layout.POLICY: rules,
        layout.POLICY_TERM: terms,
        layout.POLICY_HEADER: headers,
    }
    if combine or any(stated):
        out[layout.POLICY_SET] = [dict(combine=combine, default_of=stated)]
    return out
