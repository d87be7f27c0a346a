# SPDX-License-Identifier: MIT
"""governance: what was decided, counted by service, tenant, reason and moment, and alerts on it.

Counters are whole numbers that never fall; windows are rings of seconds, minutes and hours whose
parents are the sum of their children; percentiles are nearest rank, off by at most 2^-7. Rules:
SEMANTICS.md, "governance"; the C core behind it: ray/governance.h.
"""

from __future__ import annotations

from host_sim.decision import NEVER
from host_sim.errors import check
from host_sim.modules.base import u64
from host_sim.modules.governance_reading import GovernanceReader, handle
from host_sim.modules.governance_types import (
    AlertCondition,
    AlertMetric,
    AlertNotification,
    AlertState,
    Correlation,
    CostMetric,
    CostStats,
    EventKind,
    GovernanceAlerts,
    GovernanceCounts,
    GovernanceEvent,
    GovernanceMetric,
    GovernanceStats,
    Grain,
    PolicyMetric,
    PolicyStats,
    QuantileOf,
    QuotaEventStats,
    QuotaMetric,
    RateLimitMetric,
    RateLimitStats,
    SeriesMetric,
    TimelineWindow,
    TopBy,
    TopEntry,
)

__all__ = [
    "AlertCondition", "AlertMetric", "AlertNotification", "AlertState", "Correlation",
    "CostMetric", "CostStats", "EventKind", "GovernanceAlerts", "GovernanceCollector",
    "GovernanceCounts", "GovernanceEvent", "GovernanceMetric", "GovernanceStats", "Grain",
    "PolicyMetric", "PolicyStats", "QuantileOf", "QuotaEventStats", "QuotaMetric",
    "RateLimitMetric", "RateLimitStats", "SeriesMetric", "TimelineWindow", "TopBy", "TopEntry",
]  # fmt: skip


class GovernanceCollector(GovernanceReader):
    """1024 windowed series (profile seed), a row per service and tenant, alerts; by the C core.

    Alone it owns a state of its own; with `kernel` it reads what the Kernel's requests left there.
    Time is `now_ns`, nanoseconds that never run backwards (an earlier one counts as the latest
    seen; None is the latest seen); alerts that are due by then are judged first, each at the end
    of its own window.
    """

    # -- recording ------------------------------------------------------------------------------
    def note(self, event: GovernanceEvent, *, now_ns: int | None = None) -> None:
        """Books one step of a request. SENT, DROPPED and PREEMPTED of a request that was never
        admitted count as an error. Raises RangeError for numbers C cannot hold."""
        row = self.ffi.new("ray_governance_event *")
        self._fill(
            row,
            {
                "tokens": event.tokens,
                "wait_ns": event.wait_ns,
                "bytes": event.bytes,
                "latency_ns": event.latency_ns,
                "cost_nano": event.cost_nano,
                "wall_offset_ns": self.wall_offset_ns,
                "service": handle(event.service_id),
                "tenant": handle(event.tenant_id),
                "by_id": handle(None),
                "reason": event.reason,
                "http_status": event.http_status,
                "kind": int(event.kind),
                "verdict": event.verdict,
                "queued": int(event.queued),
            },
        )
        self.lib.ray_governance_note(self._state, self._pass(now_ns), row)

    def record_rate_limit(self, metric: RateLimitMetric) -> None:
        """Logs decisions of a limiter at `metric.timestamp`. Raises RangeError for 2^31 decisions
        or a number of 2^48 and more: counted as an error, nothing else changes."""
        row = self.ffi.new("ray_rate_limit_measure *")
        self._fill(
            row,
            {
                "allowed": metric.allowed,
                "denied": metric.denied,
                "tokens_used": metric.tokens_used,
                "wait_ns": metric.wait_time,
                "service": handle(metric.service_id),
                "tenant": handle(metric.tenant_id),
            },
        )
        now = self._pass(metric.timestamp)
        check(self.lib.ray_governance_record_rate_limit(self._state, now, row), f"{metric}")

    def record_quota_event(self, metric: QuotaMetric, *, now_ns: int | None = None) -> None:
        """Logs a look at a quota: a violation when usage passed the limit. Raises ArgumentError for
        a type nobody defined, RangeError from 2^48 on."""
        row = self.ffi.new("ray_quota_measure *")
        self._fill(
            row,
            {
                "usage": metric.usage,
                "limit": metric.limit,
                "tenant": handle(metric.tenant_id),
                "quota_type": metric.quota_type,
            },
        )
        now = self._pass(now_ns)
        check(self.lib.ray_governance_record_quota(self._state, now, row), f"{metric}")

    def record_policy_event(self, metric: PolicyMetric, *, now_ns: int | None = None) -> None:
        """Logs matches of a rule, and how long one evaluation took. Raises RangeError for 2^31
        matches or a time of 2^48 ns and more."""
        row = self.ffi.new("ray_policy_measure *")
        time = metric.enforcement_time
        self._fill(
            row,
            {
                "matches": metric.matches,
                "denials": metric.denials,
                "alerts": metric.alerts,
                "enforcement_ns": NEVER if time is None else time,
                "policy": handle(metric.policy_id),
            },
        )
        now = self._pass(now_ns)
        check(self.lib.ray_governance_record_policy(self._state, now, row), f"{metric}")

    def record_cost_event(self, metric: CostMetric, *, now_ns: int | None = None) -> None:
        """Logs a charge in nano-units, below 0 a credit. Raises ArgumentError for a type nobody
        defined, RangeError past 64 bits."""
        row = self.ffi.new("ray_cost_measure *")
        self._fill(
            row,
            {
                "cost_nano": metric.cost_amount,
                "service": handle(metric.service_id),
                "tenant": handle(metric.tenant_id),
                "metric_type": metric.metric_type,
            },
        )
        now = self._pass(now_ns)
        check(self.lib.ray_governance_record_cost(self._state, now, row), f"{metric}")

    # -- alerts ---------------------------------------------------------------------------------
    def set_alert_threshold(
        self,
        name: str,
        metric: AlertMetric,
        threshold: int,
        *,
        service_id: int | None = None,
        tenant_id: int | None = None,
        window_ns: int = 60_000_000_000,
        for_ns: int = 0,
        clear_below: int | None = None,
        now_ns: int | None = None,
    ) -> int:
        """Adds an alert, or replaces the one of that name, and returns its id.

        It holds where `metric` is above `threshold` in a window of whole seconds up to an hour;
        fires at the first window's end at least `for_ns` after the first one that held; resolves
        where the value is less than `clear_below` (default: not above the threshold). Raises
        ArgumentError, RangeError, FullError."""
        spec, metric = self.ffi.new("ray_alert_spec *"), AlertMetric(metric)
        self._set_name(spec.name, name, "an alert's name")
        self._fill(
            spec,
            {
                "above": u64(threshold, "threshold"),
                "clear_below": min(threshold + 1, (1 << 64) - 1)
                if clear_below is None
                else u64(clear_below, "clear_below"),
                "for_ns": u64(for_ns, "for_ns"),
                "window_ns": u64(window_ns, "window_ns"),
                "service": handle(service_id),
                "tenant": handle(tenant_id),
                "metric": int(metric),
            },
        )
        now, out = self._pass(now_ns), self.ffi.new("uint32_t *")
        status = self.lib.ray_governance_alert_set(self._state, now, spec, out)
        check(status, f"alert {name!r}: {metric.name} above {threshold}")
        self._edited("ADD", "ALERT", out[0], 0, threshold)
        return int(out[0])

    def remove_alert(self, alert_id: int, *, now_ns: int | None = None) -> None:
        """Removes an alert; its id is stale from then on. Raises UnknownError, StaleError."""
        self._pass(now_ns)
        check(
            self.lib.ray_governance_alert_remove(self._state, alert_id), f"remove alert {alert_id}"
        )
        self._edited("REMOVE", "ALERT", alert_id, 0, 0)

    def acknowledge_alert(self, alert_id: int) -> None:
        """Marks a firing alert and its notifications as seen, until it fires anew. Raises
        StateError for one that does not fire, UnknownError, StaleError."""
        check(self.lib.ray_governance_alert_acknowledge(self._state, alert_id), f"alert {alert_id}")

    def acknowledge_notification(self, id: int) -> None:
        """Marks a notification as seen. Raises UnknownError for one not sent yet, StaleError for
        one that was overwritten."""
        check(
            self.lib.ray_governance_event_acknowledge(self._state, u64(id, "notification")),
            f"notification {id}",
        )

    # -- windows --------------------------------------------------------------------------------
    def reset_windows(self, *, now_ns: int | None = None) -> None:
        """Clears windows, percentiles and what alerts counted in their open window; counters,
        queues and the alerts' states stay."""
        now = self._pass(now_ns)
        before = self.stats().series_count
        self.lib.ray_governance_reset(self._state, now)
        self._edited("RESET", "NONE", handle(None), before, 0)
