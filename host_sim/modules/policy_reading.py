# SPDX-License-Identifier: MIT
"""policy: everything that looks and changes nothing; the base of PolicyEngine."""

from __future__ import annotations

from typing import Any

from host_sim.errors import RaygateSyntaxError, StaleError, UnknownError, check
from host_sim.modules.base import Module, row_of
from host_sim.modules.policy_rows import FIELDS, id_or_none, query_of, rule_of
from host_sim.modules.policy_types import (
    Action,
    AuditRecord,
    Combine,
    ConditionMatch,
    PolicyContext,
    PolicyDecision,
    PolicyDefault,
    PolicyHits,
    PolicyRule,
    PolicyStats,
    PolicyType,
    Truth,
)


class PolicyReader(Module):
    """Rules, decisions without a trace, counters and the audit ring."""

    _word = "policy"

    # -- rules ----------------------------------------------------------------------------------
    def _row(self, policy_id: int) -> Any:
        row = self.ffi.new("ray_policy_row *")
        check(self.lib.ray_policy_row_read(self._state, policy_id, row), f"policy {policy_id}")
        return row

    def find_policy(self, name: str) -> int:
        """The id of the rule of this name. Raises UnknownError."""
        return self._find(self.lib.ray_policy_find, name, "policy")

    def get_policy(self, policy_id: int) -> PolicyRule:
        """One rule. Raises UnknownError, StaleError for one that was removed."""
        return rule_of(self.ffi, self._row(policy_id))

    def list_policies(self, *, active_only: bool = True) -> dict[int, PolicyRule]:
        """Rules by id, in the order of their places; without the disabled and the off ones unless
        `active_only` is False."""
        out = self.ffi.new("uint32_t *")
        found = {}
        for place in range(self.lib.RAY_POLICY_MAX):
            if self.lib.ray_policy_at(self._state, place, out) == 0:
                rule = self.get_policy(out[0])
                if not active_only or (rule.enabled and rule.mode != self.lib.RAY_MODE_OFF):
                    found[int(out[0])] = rule
        return found

    def get_hits(self, policy_id: int) -> PolicyHits:
        """One rule's counters. Raises UnknownError, StaleError."""
        return row_of(PolicyHits, self._row(policy_id).hits)

    def get_policy_stats(self) -> PolicyStats:
        """The module's counters: asked = granted + denied."""
        return self._counters(PolicyStats)

    def get_combining(self) -> tuple[Combine, dict[PolicyType, PolicyDefault]]:
        """How rules combine and what each type says by default."""
        out = self.ffi.new("ray_policy_set_spec *")
        self.lib.ray_policy_set_read(self._state, out)
        defaults = {kind: PolicyDefault(out.default_of[kind]) for kind in PolicyType}
        return Combine(out.combine), defaults

    # -- asking ---------------------------------------------------------------------------------
    def _query(self, context: PolicyContext) -> tuple[Any, Any]:
        query, keep = query_of(self.ffi, context, self.wall_offset_ns)
        if not self.lib.ray_policy_headers_sound(query.headers):
            raise RaygateSyntaxError(
                "a header block no gateway would believe: bad names or bytes, "
                "or a single field twice"
            )
        return query, keep

    def _ask(self, context: PolicyContext, now: int) -> Any:
        query, _keep = self._query(context)
        answer = self.ffi.new("ray_policy_answer *")
        check(self.lib.ray_policy_ask(self._state, now, query, answer), "evaluate request")
        return answer

    def ask(self, context: PolicyContext) -> PolicyDecision:
        """The decision `evaluate_request` would give; counts nothing and changes no byte."""
        return self._decision(self._ask(context, self._at(context.environment.now_ns)), None)

    def match_policy(self, policy_id: int, context: PolicyContext) -> ConditionMatch:
        """One rule against one request, without any table: the first condition that is not true.
        Raises UnknownError, StaleError, RaygateSyntaxError for headers nobody may believe."""
        query, _keep = self._query(context)
        trace = self.ffi.new("ray_policy_trace *")
        now = self._at(context.environment.now_ns)
        status = self.lib.ray_policy_explain_rule(self._state, now, query, policy_id, trace)
        check(status, f"policy {policy_id}")
        known = trace.field < len(FIELDS)
        header = None
        if known and FIELDS[trace.field] == "header":
            row = self._row(policy_id).header[trace.header]
            header = bytes(self.ffi.buffer(row.name, row.name_length)).decode()
        return ConditionMatch(
            policy_id,
            Truth(trace.truth),
            bool(trace.matched),
            FIELDS[trace.field] if known else None,
            header,
        )

    def explain(self, context: PolicyContext) -> tuple[ConditionMatch, ...]:
        """Every rule against one request, in the order of their places."""
        return tuple(
            self.match_policy(policy_id, context)
            for policy_id in self.list_policies(active_only=False)
        )

    def _slots(self, bits: Any) -> tuple[int, ...]:
        out = self.ffi.new("uint32_t *")
        found = []
        for word, value in enumerate(bits):
            for bit in range(64):
                if value >> bit & 1:
                    check(self.lib.ray_policy_at(self._state, 64 * word + bit, out), "matched")
                    found.append(int(out[0]))
        return tuple(found)

    def _views(self, read: Any, *views: Any) -> tuple[str, ...]:
        read(*views)
        return tuple(bytes(self.ffi.buffer(v.at, v.length)).decode() for v in views)

    def _location(self, rule: int) -> str:
        view = self.ffi.new("ray_view *")
        self.lib.ray_policy_location(self._state, rule, view)
        return bytes(self.ffi.buffer(view.at, view.length)).decode()

    def _set_header(self, rule: int) -> tuple[str, str]:
        name, value = self.ffi.new("ray_view *"), self.ffi.new("ray_view *")
        self.lib.ray_policy_header(self._state, rule, name, value)
        return (
            bytes(self.ffi.buffer(name.at, name.length)).decode(),
            bytes(self.ffi.buffer(value.at, value.length)).decode(),
        )

    def _word_of(self, reason: int) -> str:
        return str(self.ffi.string(self.lib.ray_reason_word(reason)).decode())

    def _decision(self, answer: Any, audit_id: int | None) -> PolicyDecision:
        limits = tuple(int(answer.limits[at]) for at in range(answer.limit_count))
        action = Action.ALLOW if not limits else Action.THROTTLE
        if not answer.granted:
            action = Action.REDIRECT if answer.redirects else Action.DENY
        return PolicyDecision(
            allowed=bool(answer.granted),
            reason=self._word_of(answer.reason),
            enforcement_action=action,
            audit_id=audit_id,
            policy_id=id_or_none(answer.by),
            http_status=int(answer.http_status),
            location=self._location(answer.redirect) if answer.redirects else None,
            limits=limits,
            quotas=tuple(
                (int(answer.quotas[at]), int(answer.quota_weight[at]))
                for at in range(answer.quota_count)
            ),
            set_priority=None
            if answer.set_class == self.lib.RAY_CLASS_DEFAULT
            else int(answer.set_class),
            set_header=None
            if id_or_none(answer.header_rule) is None
            else self._set_header(answer.header_rule),
            matched=self._slots(answer.matched),
            shadow_matched=self._slots(answer.shadow_matched),
            alerts=int(answer.alerts),
            audits=int(answer.audits),
            would_reason=self._word_of(answer.would_reason) if answer.would_reason else None,
            would_policy_id=id_or_none(answer.would_by),
            asked=bool(answer.asked),
        )

    # -- audit ----------------------------------------------------------------------------------
    def get_audit(self, audit_id: int) -> AuditRecord:
        """One audit record. Raises UnknownError before it is written, StaleError once it is
        overwritten."""
        out = self.ffi.new("ray_policy_record *")
        check(self.lib.ray_policy_audit_read(self._state, audit_id, out), f"audit {audit_id}")
        body = bytes(self.ffi.buffer(out))
        return AuditRecord(
            audit_id=int(out.id),
            at_ns=int(out.at_ns),
            unix_ns=int(out.unix_ns),
            sequence=int(out.seq),
            policy=self._text(out.name),
            reason=self._word_of(out.reason),
            http_status=int(out.http_status),
            allowed=bool(out.granted),
            passed=bool(out.passed),
            alerts=int(out.alerts),
            audits=int(out.audits),
            hash=bytes(out.hash),
            body=body[:-32],
        )

    def list_audit(self) -> list[AuditRecord]:
        """The records that are kept, oldest first."""
        stats = self.get_policy_stats()
        first, last = stats.audit_overwritten_count + 1, stats.audit_count
        return [self.get_audit(audit_id) for audit_id in range(first, last + 1)]

    def audit_broken(self) -> int:
        """0 when every kept record carries the hash of the one before it, else the first that does
        not."""
        return int(self.lib.ray_policy_audit_broken(self._state))

    # -- exports --------------------------------------------------------------------------------
    def export_policies(self, fmt: str = "csv") -> str:
        """Rules with their counters as "csv" or "json": fixed columns, by place; equal states give
        equal bytes. Raises UnknownError for another format."""
        writers = {"csv": self.lib.ray_policy_export_csv, "json": self.lib.ray_policy_export_json}
        if fmt not in writers:
            raise UnknownError(f"{fmt!r} is no format; use csv or json")
        return self._written(lambda text: writers[fmt](self._state, text), "export policies")

    def export_audit(self, fmt: str = "csv") -> str:
        """The kept audit records as "csv" or "json", oldest first. Raises UnknownError."""
        if fmt not in ("csv", "json"):
            raise UnknownError(f"{fmt!r} is no format; use csv or json")
        return self._written(
            lambda text: self.lib.ray_policy_export_audit(self._state, fmt == "json", text),
            "export audit",
        )


__all__ = ["PolicyReader", "StaleError"]
