# SPDX-License-Identifier: MIT
"""What the core answers as a Decision: names in place of ids, words in place of codes."""

from __future__ import annotations

from typing import Any

from host_sim.decision import NONE, Decision, Shadow, Verdict
from host_sim.transforms import Transforms

VERDICTS = {int(verdict): verdict for verdict in Verdict}


class Answers(Transforms):
    """The reading half of a Kernel's step."""

    _name: Any

    def decision(self, answer: Any) -> Decision:
        """A cffi `ray_answer` as a frozen dataclass, with names in place of ids."""
        lib = self.lib
        shadow = tuple(
            Shadow(self._by(s.by_kind, s.by_id), self._coded(lib.ray_by_word, s.by_kind),
                   self._coded(lib.ray_reason_word, s.reason), s.retry_after_ns)
            for s in answer.shadow[0 : answer.shadow_count])
        return Decision(
            id=answer.id, at_ns=answer.at_ns, verdict=VERDICTS[answer.verdict],
            reason=self._coded(lib.ray_reason_word, answer.reason),
            by=self._by(answer.by_kind, answer.by_id),
            by_kind=self._coded(lib.ray_by_word, answer.by_kind), by_id=answer.by_id,
            retry_after_ns=answer.retry_after_ns, start_at_ns=answer.start_at_ns,
            http_status=answer.http_status, service=self._by(lib.RAY_BY_SERVICE, answer.service),
            route=self._by(lib.RAY_BY_ROUTE, answer.route), epoch=answer.epoch,
            audit_id=answer.audit_id, would_deny_count=answer.would_deny_count, shadow=shadow,
            request=answer.request, entry=answer.entry, queued=bool(answer.queued),
            priority=answer.priority, wait_ns=answer.wait_ns, cost_nano=answer.cost_nano,
            location=self._location(answer.redirect), tenant=self._tenant(answer.tenant),
            role=self._coded(lib.ray_role_word, answer.role) if answer.role else None,
            allow=answer.allow, reason_code=answer.reason,
            instance=self._by(lib.RAY_BY_INSTANCE, answer.instance), attempt=answer.attempt,
            timeout_ns=answer.timeout_ns, busy=bool(answer.busy),
            cached=None if answer.cached == NONE else answer.cached,
            transform=self._by(lib.RAY_BY_TRANSFORM, answer.transform))

    def _by(self, by_kind: int, by_id: int) -> str:
        if by_id == NONE:
            return ""
        self.lib.ray_by_name(self.ray, by_kind, by_id, self._name)
        return bytes(self.ffi.string(self._name.at)).decode()
