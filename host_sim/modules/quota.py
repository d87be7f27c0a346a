# SPDX-License-Identifier: MIT
"""quota: how much a tenant may use per period, and how much it has used.

An allocation is a plan row; an active quota is one instance of it (allocation, tenant, user), made
on first use. Amounts are whole units, instants whole nanoseconds, ratios basis points: no floats.
Rules: SEMANTICS.md, "quota"; the C core behind it: ray/quota.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from host_sim.decision import NEVER, NONE
from host_sim.errors import RangeError, check
from host_sim.modules.base import text_bytes, u64
from host_sim.modules.quota_reading import QuotaReader, outcome_of
from host_sim.modules.quota_spec import Units, User, spec_fields
from host_sim.modules.quota_types import (
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
    QuotaTerms,
    QuotaType,
    QuotaUsage,
    QuotaWho,
    ResetPolicy,
)

__all__ = [
    "NEVER", "Depletion", "DepletionKind", "EnforcementMode", "QuotaAlert", "QuotaAllocation",
    "QuotaBucket", "QuotaCounts", "QuotaDimension", "QuotaManager", "QuotaMode", "QuotaOutcome",
    "QuotaStats", "QuotaTerms", "QuotaType", "QuotaUsage", "QuotaWho", "ResetPolicy",
]  # fmt: skip


class QuotaManager(QuotaReader):
    """256 allocations and 512 active quotas (profile seed), enforced by the C core.

    Alone it owns a state of its own, seeded by 16 bytes; with `kernel` it works on that Kernel's,
    and every control call is audited there. Time is `now_ns`, nanoseconds that never run backwards
    (an earlier one counts as the latest seen; None is the latest seen); the wall clock is now +
    `wall_offset_ns`.
    """

    # -- control --------------------------------------------------------------------------------
    def allocate_quota(
        self,
        tenant_id: int | None,
        *,
        limit: int,
        quota_type: QuotaType = QuotaType.REQUEST_COUNT,
        window_size_sec: int = 0,
        reset_policy: ResetPolicy | None = None,
        now_ns: int | None = None,
        **terms: Unpack[QuotaTerms],
    ) -> int:
        """Creates a quota of `limit` units per period for a tenant and returns its id.

        `tenant_id` None gives every tenant (of `plan_id`, if stated) an instance of its own.
        `reset_policy` defaults to FIXED with a window size and to NEVER without one; `terms` say
        the rest, see QuotaTerms. Raises ArgumentError or RangeError for what no rule allows,
        ExistsError for a taken name, FullError when the table is full or more than
        RAY_REQUEST_QUOTA_MAX quotas would meet in one request. Source: SEMANTICS.md, quota."""
        spec = self.ffi.new("ray_quota_spec *")
        name = terms.get("name")
        if name is None:
            name = self._next_name(self.lib.ray_quota_find, "quota")
        self._set_name(spec.name, name, "name")
        self._set_name(spec.custom, terms.get("custom", ""), "custom")
        if reset_policy is None:
            sized = window_size_sec != 0 or terms.get("period_ns", 0) != 0
            reset_policy = ResetPolicy.FIXED if sized else ResetPolicy.NEVER
        self._fill(spec, spec_fields(terms, reset_policy, window_size_sec, self.lib))
        self._fill(
            spec,
            {
                "limit_units": u64(limit, "limit"),
                "type": int(quota_type),
                "tenant": NONE if tenant_id is None else tenant_id,
            },
        )
        now = self._pass(now_ns)
        out = self.ffi.new("uint32_t *")
        check(
            self.lib.ray_quota_allocate(self._state, now, self.wall_offset_ns, spec, out),
            f"allocate quota {terms.get('name') or ''} limit {limit}",
        )
        self._edited("ADD", "QUOTA", out[0], 0, limit)
        return int(out[0])

    _errors_per_minute = _latency_p99_ns = 0

    def observe(self, *, errors_per_minute: int = 0, latency_p99_ns: int = 0) -> None:
        """What monitoring says of the service, for the guards of what is asked from now on: errors
        and 99th percentile of the last whole minute, 0 for none or unknown
        (`ApiMonitor.gauges`). Raises ArgumentError, RangeError."""
        self._errors_per_minute = u64(errors_per_minute, "errors_per_minute")
        self._latency_p99_ns = u64(latency_p99_ns, "latency_p99_ns")

    def update_limit(self, quota_id: int, limit: int, *, now_ns: int | None = None) -> None:
        """Changes the limit to `limit` units. Usage is never edited: a limit below it leaves
        nothing until the reset. Alerts are armed again. Raises RangeError above 2^63, Unknown,
        StaleError."""
        before = self.get_allocation(quota_id).limit
        now = self._pass(now_ns)
        check(
            self.lib.ray_quota_set_limit(
                self._state, now, self.wall_offset_ns, quota_id, u64(limit, "limit")
            ),
            f"quota {quota_id}: limit {limit}",
        )
        self._edited("SET", "QUOTA", quota_id, before, limit)

    def set_enforcement_mode(
        self, quota_id: int, enforcement_mode: EnforcementMode, *, now_ns: int | None = None
    ) -> None:
        """Toggles hard and soft. Raises ArgumentError, UnknownError, StaleError."""
        before = self.get_allocation(quota_id).enforcement_mode
        self._pass(now_ns)
        check(
            self.lib.ray_quota_set_enforcement(self._state, quota_id, enforcement_mode),
            f"quota {quota_id}: enforcement {enforcement_mode}",
        )
        self._edited("SET", "QUOTA", quota_id, int(before), int(enforcement_mode))

    def set_mode(self, quota_id: int, mode: QuotaMode, *, now_ns: int | None = None) -> None:
        """Enforce, shadow or off. Raises ArgumentError, UnknownError, StaleError."""
        before = self.get_allocation(quota_id).mode
        self._pass(now_ns)
        check(
            self.lib.ray_quota_set_mode(self._state, quota_id, mode),
            f"quota {quota_id}: mode {mode}",
        )
        self._edited("SET", "QUOTA", quota_id, int(before), int(mode))

    def rollover_unused(
        self, quota_id: int, *, rollover_bp: int, now_ns: int | None = None
    ) -> None:
        """Sets the share of the limit that may be carried unused into the next period: 0 to 1000
        basis points (10 %). Old carry is spent first, expires at the reset and never compounds.
        Raises RangeError above 1000, ArgumentError for a quota that does not reset."""
        before = self.get_allocation(quota_id).rollover_bp
        now = self._pass(now_ns)
        if not 0 <= rollover_bp < 1 << 32:
            raise RangeError(f"rollover_bp is 0 to 1000, not {rollover_bp}")
        check(
            self.lib.ray_quota_rollover(
                self._state, now, self.wall_offset_ns, quota_id, rollover_bp
            ),
            f"quota {quota_id}: rollover {rollover_bp} bp",
        )
        self._edited("SET", "QUOTA", quota_id, before, rollover_bp)

    def reset_quota(
        self,
        quota_id: int,
        *,
        tenant_id: int | None = None,
        user: User | None = None,
        now_ns: int | None = None,
    ) -> None:
        """Usage and carry to 0, alerts armed; period start, reservations and peaks stay.

        Every instance of the allocation, or the one of `tenant_id` and `user`. Raises UnknownError,
        StaleError."""
        now = self._pass(now_ns)
        key = self.ffi.NULL
        if tenant_id is not None or user is not None:
            key, _keep = self._key(tenant_id, user or b"")
        check(
            self.lib.ray_quota_reset(self._state, now, self.wall_offset_ns, quota_id, key),
            f"reset quota {quota_id}",
        )
        self._edited("RESET", "QUOTA", quota_id, 0, 0)

    def remove_quota(self, quota_id: int, *, now_ns: int | None = None) -> None:
        """Removes the allocation and its balances; its id is stale from then on."""
        self._pass(now_ns)
        check(self.lib.ray_quota_remove(self._state, quota_id), f"remove quota {quota_id}")
        self._edited("REMOVE", "QUOTA", quota_id, 0, 0)

    # -- consuming ------------------------------------------------------------------------------
    def _units(self, units: Units, quota_type: QuotaType) -> list[int]:
        amounts = [0] * len(QuotaType)
        for kind, amount in units.items() if isinstance(units, Mapping) else [(quota_type, units)]:
            amounts[kind] = u64(amount, f"units of {kind.name}")
        return amounts

    def _event(
        self,
        quota_id: int | None,
        units: Units,
        *,
        tenant_id: int | None = None,
        plan_id: int | None = None,
        service_id: int | None = None,
        user: User = b"",
        event_id: int,
        event_unix_ns: int,
    ) -> tuple[Any, Any]:
        kind = (
            QuotaType.REQUEST_COUNT
            if quota_id is None
            else self.get_allocation(quota_id).quota_type
        )
        event = self.ffi.new("ray_quota_event *")
        keep = self.ffi.from_buffer("uint8_t[]", text_bytes(user))
        query = event.query
        query.user.at, query.user.length = keep, len(keep)
        self._fill(
            query,
            {
                "units": self._units(units, kind),
                "errors_per_minute": self._errors_per_minute,
                "latency_p99_ns": self._latency_p99_ns,
                "wall_offset_ns": self.wall_offset_ns,
                "tenant": NONE if tenant_id is None else tenant_id,
                "plan": NONE if plan_id is None else plan_id,
                "service": NONE if service_id is None else service_id,
            },
        )
        self._fill(
            event,
            {
                "id": u64(event_id, "event_id"),
                "unix_ns": u64(event_unix_ns, "event_unix_ns"),
                "only": NONE if quota_id is None else quota_id,
            },
        )
        return event, keep

    def consume_quota(
        self,
        quota_id: int | None,
        units: Units = 1,
        *,
        event_id: int = 0,
        event_unix_ns: int = 0,
        now_ns: int | None = None,
        **who: Unpack[QuotaWho],
    ) -> QuotaOutcome:
        """Deducts units, all dimensions at once or none.

        `quota_id` names the one quota to charge; None charges every quota that applies to the
        tenant, its plan and the service of `who` (see QuotaWho), with `units` by type. A denial is
        an outcome, not an exception, and changes no balance. An `event_id` other than 0 is counted
        once: a duplicate answers the first outcome. `event_unix_ns` before the period flags the
        charge late. Raises RangeError for 2^63 units and more (counted, nothing else changes),
        UnknownError, StaleError, ArgumentError."""
        event, _keep = self._event(
            quota_id, units, event_id=event_id, event_unix_ns=event_unix_ns, **who
        )
        out = self.ffi.new("ray_quota_outcome *")
        check(
            self.lib.ray_quota_consume(self._state, self._pass(now_ns), event, out),
            f"consume {units} of quota {quota_id}",
        )
        return outcome_of(out, self.lib)

    def check_quota(
        self,
        quota_id: int | None,
        units: Units = 1,
        *,
        now_ns: int | None = None,
        **who: Unpack[QuotaWho],
    ) -> QuotaOutcome:
        """The answer `consume_quota` would give, consuming nothing and changing no byte."""
        event, _keep = self._event(quota_id, units, event_id=0, event_unix_ns=0, **who)
        out = self.ffi.new("ray_quota_outcome *")
        check(
            self.lib.ray_quota_test(self._state, self._at(now_ns), event, out),
            f"check {units} of quota {quota_id}",
        )
        return outcome_of(out, self.lib)

    def reserve_quota(
        self,
        quota_id: int | None,
        units: Units = 1,
        *,
        ttl_ns: int,
        now_ns: int | None = None,
        **who: Unpack[QuotaWho],
    ) -> QuotaOutcome:
        """Reserves an estimate for at most `ttl_ns`; `handle` of the outcome names the lease.

        It ends in exactly one of settle, release and expiry. Raises FullError when no lease is
        free, RangeError for a ttl of 0, and as `consume_quota`."""
        event, _keep = self._event(quota_id, units, event_id=0, event_unix_ns=0, **who)
        out = self.ffi.new("ray_quota_outcome *")
        check(
            self.lib.ray_quota_reserve(
                self._state, self._pass(now_ns), event, u64(ttl_ns, "ttl_ns"), out
            ),
            f"reserve {units} of quota {quota_id}",
        )
        return outcome_of(out, self.lib)

    def settle_reservation(
        self,
        handle: int,
        units: Units,
        *,
        quota_type: QuotaType = QuotaType.REQUEST_COUNT,
        now_ns: int | None = None,
    ) -> bool:
        """Books what was really used in place of the estimate; may overrun, never denies.

        A plain number counts as `quota_type`. False when the reservation had ended before: then
        nothing changes. Raises UnknownError for a handle never given out.
        """
        ended = self.ffi.new("uint32_t *")
        amounts = self._units(units, quota_type)
        now = self._pass(now_ns)
        check(
            self.lib.ray_quota_reservation_settle(
                self._state, now, self.wall_offset_ns, u64(handle, "handle"), amounts, ended
            ),
            f"settle {handle}",
        )
        return bool(ended[0])

    def release_reservation(self, handle: int, *, now_ns: int | None = None) -> bool:
        """Gives the estimate back as if it had never been; False when it had ended before."""
        ended = self.ffi.new("uint32_t *")
        now = self._pass(now_ns)
        check(
            self.lib.ray_quota_reservation_release(
                self._state, now, self.wall_offset_ns, u64(handle, "handle"), ended
            ),
            f"release {handle}",
        )
        return bool(ended[0])
