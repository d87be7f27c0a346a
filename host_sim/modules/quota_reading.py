# SPDX-License-Identifier: MIT
"""quota: the half of QuotaManager that only reads."""

from __future__ import annotations

from typing import Any, Literal

from host_sim.decision import NEVER, NONE
from host_sim.errors import ArgumentError, check
from host_sim.modules.base import Module, row_of, text_bytes, u64
from host_sim.modules.quota_spec import User
from host_sim.modules.quota_types import (
    FOREVER_NS,
    SECOND_NS,
    Depletion,
    DepletionKind,
    EnforcementMode,
    QuotaAlert,
    QuotaAllocation,
    QuotaBucket,
    QuotaCounts,
    QuotaDimension,
    QuotaMode,
    QuotaOutcome,
    QuotaStats,
    QuotaType,
    QuotaUsage,
    ResetPolicy,
)


class QuotaReader(Module):
    """Reading a quota state; see QuotaManager."""

    _word = "quota"

    # -- time -----------------------------------------------------------------------------------
    def _expire(self, now: int) -> None:
        self.lib.ray_quota_tick(self._state, now, self._wall_offset_ns)

    def tick(self, now_ns: int) -> int:
        """Expires every reservation that is due by `now_ns` and nothing else; returns the
        instant."""
        return self._pass(now_ns)

    # -- reading --------------------------------------------------------------------------------
    def find_quota(self, name: str) -> int:
        """The id of the quota called `name`. Raises UnknownError."""
        return self._find(self.lib.ray_quota_find, name, "no quota")

    def get_allocation(self, quota_id: int) -> QuotaAllocation:
        """The plan row of a quota. Raises UnknownError, StaleError."""
        spec = self.ffi.new("ray_quota_spec *")
        check(self.lib.ray_quota_spec_read(self._state, quota_id, spec), f"no quota {quota_id}")
        guards = {
            QuotaDimension.REQUESTS_PER_SEC: spec.guard_requests_per_s,
            QuotaDimension.BYTES_PER_SEC: spec.guard_bytes_per_s,
            QuotaDimension.ERRORS_PER_MIN: spec.guard_errors_per_min,
            QuotaDimension.LATENCY_P99: spec.guard_latency_p99_ns,
        }
        return QuotaAllocation(
            quota_id=quota_id,
            tenant_id=_none(spec.tenant),
            limit=spec.limit_units,
            window_size_sec=spec.period_ns // SECOND_NS,
            reset_policy=ResetPolicy(spec.reset),
            name=self._text(spec.name),
            quota_type=QuotaType(spec.type),
            custom=self._text(spec.custom),
            plan_id=_none(spec.plan),
            service_id=_none(spec.service),
            period_ns=spec.period_ns,
            anchor_ns=spec.anchor_ns,
            anchor_day=spec.anchor_day,
            utc_offset_minutes=spec.utc_offset_minutes,
            rollover_bp=spec.rollover_bp,
            enforcement_mode=EnforcementMode(spec.enforcement),
            mode=QuotaMode(spec.mode),
            per_user=bool(spec.per_user),
            carry_overage=bool(spec.carry_overage),
            named=bool(spec.named),
            alerts=tuple(percent for percent in spec.alert_percent if percent),
            guards={guard: value for guard, value in guards.items() if value},
        )

    def allocations(self) -> tuple[QuotaAllocation, ...]:
        """Every allocation by place."""
        out = self.ffi.new("uint32_t *")
        places = range(self.lib.RAY_QUOTA_ALLOCATION_MAX)
        return tuple(
            self.get_allocation(out[0])
            for place in places
            if self.lib.ray_quota_at(self._state, place, out) == 0
        )

    def _key(self, tenant_id: int | None, user: User) -> tuple[Any, Any]:
        keep = self.ffi.from_buffer("uint8_t[]", text_bytes(user))
        key = self.ffi.new("ray_quota_key *")
        self._fill(key, {"tenant": NONE if tenant_id is None else tenant_id})
        key.user.at, key.user.length = keep, len(keep)
        return key, keep

    def _usage(self, quota_id: int, tenant_id: int | None, user: User, now_ns: int | None) -> Any:
        out = self.ffi.new("ray_quota_usage *")
        key, _keep = self._key(tenant_id, user)
        check(
            self.lib.ray_quota_usage_read(
                self._state, self._at(now_ns), self.wall_offset_ns, quota_id, key, out
            ),
            f"no quota {quota_id}",
        )
        return out

    def get_quota_status(
        self,
        quota_id: int,
        *,
        tenant_id: int | None = None,
        user: User = b"",
        now_ns: int | None = None,
    ) -> QuotaBucket:
        """Allocation and usage as of `now_ns`; periods that ended are closed in the answer only.

        `tenant_id` and `user` choose the instance where the allocation has several; one that was
        never used reads as empty. Raises UnknownError, StaleError."""
        allocation = self.get_allocation(quota_id)
        return QuotaBucket(
            allocation=allocation,
            enforcement_mode=allocation.enforcement_mode,
            usage=_usage_of(self._usage(quota_id, tenant_id, user, now_ns)),
        )

    def active_quotas(self, *, now_ns: int | None = None) -> tuple[tuple[int, QuotaUsage], ...]:
        """Every instance in use: (quota id, usage)."""
        out, now = self.ffi.new("ray_quota_usage *"), self._at(now_ns)
        found = []
        for place in range(self.lib.RAY_QUOTA_ACTIVE_MAX):
            if (
                self.lib.ray_quota_active_read(self._state, now, self.wall_offset_ns, place, out)
                == 0
            ):
                found.append((int(out.allocation), _usage_of(out)))
        return tuple(found)

    def quota_counts(self, quota_id: int) -> QuotaCounts:
        """The counters of an allocation over all its instances. Raises UnknownError, StaleError."""
        out = self.ffi.new("ray_quota_counts *")
        check(self.lib.ray_quota_counts_read(self._state, quota_id, out), f"no quota {quota_id}")
        return row_of(QuotaCounts, out)

    def get_peak_usage(
        self,
        quota_id: int,
        *,
        tenant_id: int | None = None,
        user: User = b"",
        now_ns: int | None = None,
    ) -> int:
        """The largest usage of any period so far, in units; the running period's own is
        `get_quota_status(...).usage.peak_usage`."""
        return int(self._usage(quota_id, tenant_id, user, now_ns).peak_ever_units)

    def get_quota_utilization(
        self,
        quota_id: int,
        *,
        tenant_id: int | None = None,
        user: User = b"",
        now_ns: int | None = None,
    ) -> int:
        """Used of the limit in basis points, rounded down, not clamped: 300 of 100 is 30 000.

        NEVER (2^64 - 1) when something was used of a limit of 0."""
        return int(self._usage(quota_id, tenant_id, user, now_ns).utilization_bp)

    def estimate_depletion(
        self,
        quota_id: int,
        *,
        tenant_id: int | None = None,
        user: User = b"",
        now_ns: int | None = None,
    ) -> Depletion:
        """When it runs out at the rate since the period began: available * elapsed / used, in 128
        bits, rounded down. NOT_BEFORE_RESET when the period ends first, NEVER when nothing is
        used."""
        usage = self._usage(quota_id, tenant_id, user, now_ns)
        kind = DepletionKind(usage.depletion)
        return Depletion(kind, int(usage.depletion_ns) if kind is DepletionKind.AT else None)

    def get_quota_alerts(
        self,
        quota_id: int | None = None,
        *,
        unacknowledged: bool = False,
        overage: bool = False,
    ) -> tuple[QuotaAlert, ...]:
        """The thresholds crossed, oldest first, as far back as the ring goes; of one quota or all.

        With `overage` also the reports that usage passed limit and carry (percent 0), one per
        period.
        """
        stats, out, found = self.stats(), self.ffi.new("ray_quota_alert *"), []
        for alert_id in range(stats.alert_overwritten_count + 1, stats.alert_count + 1):
            check(self.lib.ray_quota_alert_read(self._state, alert_id, out), f"alert {alert_id}")
            alert = QuotaAlert(
                id=out.id,
                at_ns=out.at_ns,
                quota_id=_none(out.allocation),
                tenant_id=out.tenant,
                user_key=out.user_key,
                percent=out.percent,
                used=out.used_units,
                limit=out.limit_units,
                period_start_time=out.period_unix_ns,
                acknowledged=bool(out.acknowledged),
            )
            wanted = quota_id in (None, alert.quota_id) and (overage or alert.percent > 0)
            if wanted and not (unacknowledged and alert.acknowledged):
                found.append(alert)
        return tuple(found)

    def acknowledge_alert(self, alert_id: int) -> None:
        """Marks an alert as seen. Raises UnknownError for one not raised, StaleError for one
        gone."""
        check(
            self.lib.ray_quota_alert_acknowledge(self._state, u64(alert_id, "alert")),
            f"alert {alert_id}",
        )

    def export_usage(
        self, format: Literal["csv", "json"] = "csv", *, now_ns: int | None = None
    ) -> str:
        """Every instance, sorted by (place, tenant, user), in fixed columns of whole numbers; the
        same state gives the same bytes. An allocation that was never used has one row."""
        if format not in ("csv", "json"):
            raise ArgumentError(f"the formats are csv and json, not {format!r}")
        write = self.lib.ray_quota_export_csv if format == "csv" else self.lib.ray_quota_export_json
        now, wall = self._at(now_ns), self.wall_offset_ns
        return self._written(lambda text: write(self._state, now, wall, text), "export")

    def stats(self) -> QuotaStats:
        """The module's counters; asked = granted + denied."""
        return self._counters(QuotaStats)


def outcome_of(out: Any, lib: Any) -> QuotaOutcome:
    """A ray_quota_outcome as a frozen dataclass."""
    flags = int(out.flags)
    return QuotaOutcome(
        granted=bool(out.granted),
        reason=out.reason,
        left=None if out.left_units == NEVER else out.left_units,
        retry_after_ns=out.retry_after_ns,
        by=None if out.by == NONE else out.by,
        count=out.count,
        shadow_denied_count=out.shadow_denied_count,
        over=bool(flags & lib.RAY_QUOTA_OVER),
        late=bool(flags & lib.RAY_QUOTA_LATE),
        duplicate=bool(flags & lib.RAY_QUOTA_DUPLICATE),
        handle=out.handle,
    )


def _none(value: int) -> int | None:
    return None if value == NONE else int(value)


def _usage_of(out: Any) -> QuotaUsage:
    return QuotaUsage(
        current_usage=int(out.used_units),
        peak_usage=int(out.peak_units),
        window_start_time=int(out.start_unix_ns),
        requests_count=int(out.admitted_count),
        window_end_time=None if out.end_unix_ns == FOREVER_NS else int(out.end_unix_ns),
        reserved=int(out.reserved_units),
        carry=int(out.carry_units),
        available=int(out.left_units),
        overage=int(out.over_units),
        peak_ever=int(out.peak_ever_units),
        closed_usage=int(out.closed_units),
        denied_count=int(out.denied_count),
        utilization_bp=int(out.utilization_bp),
        tenant_id=_none(out.tenant),
        user_key=int(out.user_key),
        active=bool(out.active),
    )
