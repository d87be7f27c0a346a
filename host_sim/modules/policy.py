# SPDX-License-Identifier: MIT
"""policy: rules that allow or deny a request, and what else must happen when they match.

Deny overrides, an attribute nobody knows makes a condition unknown, and a rule that denies matches
then. Rules: SEMANTICS.md, "policy"; the C core behind it: ray/policy.h.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from host_sim.errors import RaygateError, check
from host_sim.modules.policy_reading import PolicyReader
from host_sim.modules.policy_rows import default_status, rows_of
from host_sim.modules.policy_types import (
    NEVER,
    NONE,
    Action,
    AuditRecord,
    Combine,
    Condition,
    ConditionMatch,
    Enforcement,
    Environment,
    HeaderHow,
    HeaderMatch,
    PolicyContext,
    PolicyDecision,
    PolicyDefault,
    PolicyHits,
    PolicyMode,
    PolicyRule,
    PolicyStats,
    PolicyType,
    RequestInfo,
    Role,
    ServiceInfo,
    Truth,
    UserInfo,
)

__all__ = [
    "NEVER", "NONE", "Action", "AuditRecord", "Combine", "Condition", "ConditionMatch",
    "Enforcement", "Environment", "HeaderHow", "HeaderMatch", "PolicyContext", "PolicyDecision",
    "PolicyDefault", "PolicyEngine", "PolicyHits", "PolicyMode", "PolicyRule", "PolicyStats",
    "PolicyType", "RequestInfo", "Role", "ServiceInfo", "Truth", "UserInfo",
]  # fmt: skip


class PolicyEngine(PolicyReader):
    """128 policies (profile seed), evaluated by the C core at a cost that does not grow with the
    rules that do not match.

    Alone it owns a state of its own; with `kernel` it works on that Kernel's, and every control
    call is audited there. Time is `now_ns`, nanoseconds that never run backwards (an earlier one
    counts as the latest seen; None is the latest seen); time windows follow the wall clock, which
    is now + `wall_offset_ns`.
    """

    # -- control --------------------------------------------------------------------------------
    def add_policy(self, rule: PolicyRule, *, now_ns: int | None = None) -> int:
        """Registers a rule behind all others of its priority and returns its id.

        Raises ExistsError for a taken name, FullError past 128 rules or the pools of conditions,
        ArgumentError or RangeError for what no rule may say."""
        name = rule.name or self._next_name(self.lib.ray_policy_find, "policy")
        rows, _keep = rows_of(self.ffi, self.lib, rule, name)
        now, out = self._pass(now_ns), self.ffi.new("uint32_t *")
        check(self.lib.ray_policy_add(self._state, now, rows, out), f"add policy {name!r}")
        self._edited("ADD", "POLICY", out[0], 0, rule.priority)
        return int(out[0])

    def update_policy(
        self, policy_id: int, rule: PolicyRule | None = None, *, now_ns: int | None = None,
        **changes: Any,
    ) -> None:  # fmt: skip
        """Puts `rule` in the place of one that is there, or changes single fields of it:
        `update_policy(id, priority=5)`. Id and counters stay. Raises as `add_policy`, UnknownError,
        StaleError, TypeError for a field there is none of."""
        before = self.get_policy(policy_id)
        wanted = dataclasses.replace(before if rule is None else rule, **changes)
        rows, _keep = rows_of(self.ffi, self.lib, wanted, wanted.name or before.name)
        now = self._pass(now_ns)
        check(self.lib.ray_policy_update(self._state, now, rows, policy_id), f"policy {policy_id}")
        self._edited("SET", "POLICY", policy_id, before.priority, wanted.priority)

    def remove_policy(self, policy_id: int, *, now_ns: int | None = None) -> None:
        """Deletes a rule; its id is stale from then on and never given out again. Raises
        UnknownError, StaleError."""
        now = self._pass(now_ns)
        check(self.lib.ray_policy_remove(self._state, now, policy_id), f"policy {policy_id}")
        self._edited("REMOVE", "POLICY", policy_id, 0, 0)

    def _switch(self, policy_id: int, enabled: bool, now_ns: int | None) -> None:
        before, now = self.get_policy(policy_id).enabled, self._pass(now_ns)
        check(
            self.lib.ray_policy_enable(self._state, now, policy_id, enabled), f"policy {policy_id}"
        )
        self._edited("SET", "POLICY", policy_id, int(before), int(enabled))

    def enable_policy(self, policy_id: int, *, now_ns: int | None = None) -> None:
        """Activates a disabled rule. Raises UnknownError, StaleError."""
        self._switch(policy_id, True, now_ns)

    def disable_policy(self, policy_id: int, *, now_ns: int | None = None) -> None:
        """Deactivates a rule, as if it were not there; its counters stay. Raises UnknownError,
        StaleError."""
        self._switch(policy_id, False, now_ns)

    def set_mode(self, policy_id: int, mode: PolicyMode, *, now_ns: int | None = None) -> None:
        """Enforce, shadow or off. Raises UnknownError, StaleError, ArgumentError."""
        before, now = self.get_policy(policy_id).mode, self._pass(now_ns)
        check(
            self.lib.ray_policy_set_mode(self._state, now, policy_id, mode), f"policy {policy_id}"
        )
        self._edited("SET", "POLICY", policy_id, int(before), int(mode))

    def set_combining(
        self,
        combine: Combine = Combine.DENY_OVERRIDES,
        *,
        defaults: Mapping[PolicyType, PolicyDefault] | None = None,
        now_ns: int | None = None,
    ) -> None:
        """How rules combine, and what each type says when none of its rules decides; a type that
        `defaults` leaves out is unstated."""
        before, now = self.get_combining()[0], self._pass(now_ns)
        spec = self.ffi.new("ray_policy_set_spec *")
        spec.combine = int(combine)
        for kind, stated in (defaults or {}).items():
            spec.default_of[kind] = int(stated)
        check(self.lib.ray_policy_set(self._state, now, spec), "set combining")
        self._edited("SET", "POLICY", NONE, int(before), int(combine))

    def reset_counters(self, *, now_ns: int | None = None) -> None:
        """Every rule's counters to 0; the module's own and the audit ring stay."""
        self.lib.ray_policy_reset(self._state, self._pass(now_ns))
        self._edited("RESET", "POLICY", NONE, 0, 0)

    # -- evaluating -----------------------------------------------------------------------------
    def evaluate_request(self, context: PolicyContext, *, passed: bool = True) -> PolicyDecision:
        """Runs a request through the rules, counts it, and writes the audit record they ask for.

        `passed` says whether every other stage let it through. A denial is a decision, not an
        exception. Raises ArgumentError for ids and words that cannot be, RaygateSyntaxError for
        header fields nobody may believe (a single field twice, bytes that end lines); both are
        counted."""
        now = self._pass(context.environment.now_ns)
        try:
            answer = self._ask(context, now)
        except RaygateError:
            self.lib.ray_policy_note_error(self._state)
            raise
        before = self.get_policy_stats().audit_count
        self.lib.ray_policy_note(
            self._state, now, self.wall_offset_ns, context.environment.sequence, answer,
            answer.granted and passed,
        )  # fmt: skip
        after = self.get_policy_stats().audit_count
        return self._decision(answer, after if after != before else None)

    def match_condition(
        self, condition: Condition | int, context: PolicyContext, *, action: Action = Action.DENY
    ) -> ConditionMatch:
        """Does a request match a condition, or the conditions of the rule with this id?

        A condition of its own is tried as a rule with `action` would (one that allows asks all
        values of a header to fit; one that denies matches what is unknown). Changes nothing. Raises
        as `add_policy` and `evaluate_request`."""
        if isinstance(condition, int):
            return self.match_policy(condition, context)
        alone = PolicyEngine(
            profile=self.profile,
            now_ns=self._at(context.environment.now_ns),
            wall_offset_ns=self.wall_offset_ns,
        )
        rule = alone.add_policy(
            PolicyRule(
                condition=condition,
                action=action,
                location="/" if action == Action.REDIRECT else "",
                policy_type=PolicyType.RATE_LIMIT,
                limit_id=0 if action == Action.THROTTLE else None,
            )
        )
        return dataclasses.replace(alone.match_policy(rule, context), policy_id=None)

    def apply_action(self, policy_id: int, context: PolicyContext) -> Enforcement:
        """What one rule's action does to a request: the engine says it, the pipeline carries it
        out. Changes nothing. Raises UnknownError, StaleError."""
        rule = self.get_policy(policy_id)
        enforced = rule.enabled and rule.mode == PolicyMode.ENFORCE
        return Enforcement(
            applies=enforced and self.match_policy(policy_id, context).matched,
            action=rule.action,
            http_status=default_status(rule),
            location=rule.location or None,
            limit_id=rule.limit_id,
            quota=None if rule.quota_id is None else (rule.quota_id, rule.quota_weight),
            set_header=rule.set_header,
            set_priority=rule.set_priority,
            alert=rule.alert or rule.action == Action.ALERT,
            audit=rule.audit_log or rule.action == Action.LOG,
        )

    def audit_decision(self, context: PolicyContext, *, passed: bool = True) -> AuditRecord:
        """Decides about a request and writes an audit record of it, whatever its rules ask for;
        counts nothing else. Raises as `evaluate_request`."""
        now = self._pass(context.environment.now_ns)
        answer = self._ask(context, now)
        audit_id = self.lib.ray_policy_audit(
            self._state, now, self.wall_offset_ns, context.environment.sequence, answer,
            answer.granted and passed,
        )  # fmt: skip
        return self.get_audit(int(audit_id))
