# SPDX-License-Identifier: MIT
"""quota: the C core and the plain model agree on every answer and every balance."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from host_sim.errors import (
    ArgumentError,
    ExistsError,
    FullError,
    RangeError,
    StaleError,
    UnknownError,
)
from host_sim.modules.quota import (
    DepletionKind,
    EnforcementMode,
    QuotaManager,
    QuotaMode,
    QuotaType,
)
from tests.model import quota as model
from tests.property.quota_terms import (
    DAY,
    START,
    TYPES,
    USERS,
    S,
    amounts,
    row_of,
    steps,
    terms,
    units,
)


class Quotas(RuleBasedStateMachine):
    """The tiny profile (4 allocations, 8 instances, 8 leases, 8 event ids) against the model."""

    @initialize(
        wall_offset=st.sampled_from([0, START, -3 * S]), seed=st.binary(min_size=16, max_size=16)
    )
    def begin(self, wall_offset: int, seed: bytes) -> None:
        self.now = START if wall_offset == 0 else 100 * S
        self.offset = wall_offset
        self.real, self.twin = (
            QuotaManager(profile="tiny", seed=seed, now_ns=self.now, wall_offset_ns=wall_offset)
            for _ in range(2)
        )
        lib = self.real.lib
        self.model = model.QuotaModel(
            active_max=lib.RAY_QUOTA_ACTIVE_MAX,
            lease_max=lib.RAY_QUOTA_RESERVATION_MAX,
            event_max=lib.RAY_QUOTA_EVENT_MAX,
        )
        self.model.offset = wall_offset
        self.handles: list[int] = []
        self.users: dict[int, bytes] = {}
        self.gone: list[int] = []
        self.evicted = False

    @property
    def wall(self) -> int:
        return self.now + self.offset

    def query(
        self, tenant: int, plan: int | None, user: bytes, amounts: list[int]
    ) -> dict[str, Any]:
        return {"tenant": tenant, "plan": plan, "user": user, "units": amounts}

    def asked(self, query: dict[str, Any]) -> dict[str, Any]:
        return {
            "units": dict(zip(TYPES, query["units"], strict=True)),
            "tenant_id": query["tenant"],
            "plan_id": query["plan"],
            "user": query["user"],
        }

    def same(self, real: Any, wanted: dict[str, Any]) -> None:
        assert (real.granted, real.by, real.reason, real.retry_after_ns) == (
            wanted["granted"],
            wanted["by"],
            wanted["reason"],
            wanted["retry"],
        )
        assert (real.left, real.count, real.over, real.shadow_denied_count) == (
            wanted["left"],
            wanted["count"],
            wanted["over"],
            wanted["shadow_denied"],
        )

    def both(self, call: str, *args: Any, **said: Any) -> Any:
        """The same event on the core and on a twin that is looked at and ticked more often."""
        self.twin.tick(self.now)
        self.twin.export_usage("csv", now_ns=self.now)
        real = getattr(self.real, call)(*args, now_ns=self.now, **said)
        assert real == getattr(self.twin, call)(*args, now_ns=self.now, **said)
        assert self.real.snapshot() == self.twin.snapshot(), "ticks and reads change nothing"
        return real

    def refused(
        self,
        error: type[Exception] | tuple[type[Exception], ...],
        call: str,
        *args: Any,
        **said: Any,
    ) -> None:
        """An error changes no byte (a refused event is counted, and nothing else)."""
        self.both("tick_now")
        before, errors = self.real.snapshot(), self.real.stats().error_count
        for manager in (self.real, self.twin):
            with pytest.raises(error):
                getattr(manager, call)(*args, now_ns=self.now, **said)
        if self.real.stats().error_count == errors:
            assert self.real.snapshot() == before

    # -- time ---------------------------------------------------------------------------------
    @rule(step=steps, between=st.integers(0, 3))
    def pass_time(self, step: int, between: int) -> None:
        # The model closes periods one by one: so many of the shortest are enough.
        shortest = min(
            (
                row.step if row.reset == model.ROLLING else row.period
                for row in self.model.rows.values()
                if row.period
            ),
            default=DAY,
        )
        step = step if step < 1_000 * shortest else step % (1_000 * shortest)
        for n in range(1, between + 1):
            self.twin.tick(self.now + step * n // (between + 1))
        self.now += step

    @rule(errors=st.integers(0, 2), p99=st.integers(0, 2))
    def observe(self, errors: int, p99: int) -> None:
        for manager in (self.real, self.twin):
            manager.observe(errors_per_minute=errors, latency_p99_ns=p99)
        self.model.observed = (errors, p99)

    # -- control ------------------------------------------------------------------------------
    @rule(said=terms(), tenant=st.sampled_from([None, 0, 1]))
    def allocate(self, said: dict[str, Any], tenant: int | None) -> None:
        if len(self.model.rows) == 4:
            self.refused(FullError, "allocate_quota", tenant, **said)
            return
        quota_id = self.both("allocate_quota", tenant, **said)
        assert quota_id not in self.model.rows and quota_id not in self.gone
        self.model.tick(self.wall, self.now)
        self.model.rows[quota_id] = row_of(quota_id, tenant, said, self.wall)

    def chosen(self, data: st.DataObject) -> model.Row:
        return data.draw(st.sampled_from(sorted(self.model.rows.values(), key=lambda row: row.id)))

    has_rows = precondition(lambda self: getattr(self, "model", None) and self.model.rows)

    @has_rows
    @rule(data=st.data(), limit=st.sampled_from([0, 3, 10, 50, 1 << 63]))
    def update_limit(self, data: st.DataObject, limit: int) -> None:
        row = self.chosen(data)
        self.both("update_limit", row.id, limit)
        self.model.tick(self.wall, self.now)
        self.model.change(row, self.wall, self.now, limit=limit)

    @has_rows
    @rule(data=st.data(), bp=st.sampled_from([0, 100, 1000]))
    def rollover(self, data: st.DataObject, bp: int) -> None:
        row = self.chosen(data)
        if bp and row.reset in (model.NEVER, model.ROLLING):
            self.refused(ArgumentError, "rollover_unused", row.id, rollover_bp=bp)
            return
        self.both("rollover_unused", row.id, rollover_bp=bp)
        self.model.tick(self.wall, self.now)
        self.model.change(row, self.wall, self.now, bp=bp)

    @has_rows
    @rule(data=st.data(), soft=st.booleans(), mode=st.sampled_from(list(QuotaMode)))
    def toggle(self, data: st.DataObject, soft: bool, mode: QuotaMode) -> None:
        row = self.chosen(data)
        self.both("set_enforcement_mode", row.id, EnforcementMode(soft))
        self.both("set_mode", row.id, mode)
        self.model.tick(self.wall, self.now)
        row.soft, row.mode = soft, int(mode)

    @has_rows
    @rule(data=st.data())
    def reset(self, data: st.DataObject) -> None:
        row = self.chosen(data)
        self.both("reset_quota", row.id)
        self.model.tick(self.wall, self.now)
        self.model.reset(row, self.wall)

    @has_rows
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        row = self.chosen(data)
        self.both("remove_quota", row.id)
        self.model.tick(self.wall, self.now)
        self.model.remove(row)
        self.gone.append(row.id)
        self.refused(StaleError, "update_limit", row.id, 1)

    @rule(said=terms(), tenant=st.sampled_from([None, 0]))
    def errors_change_nothing(self, said: dict[str, Any], tenant: int | None) -> None:
        self.refused((UnknownError, StaleError), "consume_quota", 3 | 77 << 16)
        self.refused(
            RangeError, "consume_quota", None, {QuotaType.REQUEST_COUNT: 1 << 63}, tenant_id=0
        )
        self.refused(UnknownError, "consume_quota", None, {}, tenant_id=4)
        self.refused(RangeError, "reserve_quota", None, {}, tenant_id=0, ttl_ns=0)
        self.refused(RangeError, "allocate_quota", tenant, **{**said, "limit": (1 << 63) + 1})
        self.refused(RangeError, "allocate_quota", tenant, **{**said, "utc_offset_minutes": 1440})
        self.refused(UnknownError, "settle_reservation", 12345 | 9 << 32, 1)
        if self.model.rows:
            name = self.real.allocations()[0].name
            self.refused(ExistsError, "allocate_quota", tenant, **{**said, "name": name})

    # -- events -------------------------------------------------------------------------------
    @rule(
        tenant=st.integers(0, 1),
        plan=st.sampled_from([None, 0]),
        user=st.sampled_from(USERS),
        amounts=units,
        event=st.sampled_from([0, 0, 0, *range(1, 12)]),
    )
    def consume(
        self, tenant: int, plan: int | None, user: bytes, amounts: list[int], event: int
    ) -> None:
        query = self.query(tenant, plan, user, amounts)
        before = self.real.snapshot()
        checked = self.real.check_quota(None, now_ns=self.now, **self.asked(query))
        assert self.real.snapshot() == before, "asking changes nothing"
        real = self.both("consume_quota", None, event_id=event, **self.asked(query))
        wanted = self.model.consume(query, self.wall, self.now, event=event)
        assert real.duplicate == wanted["duplicate"]
        self.same(real, wanted)
        if not real.duplicate and not self.model.leases:
            assert checked == real
        self.follow_evictions()

    @has_rows
    @rule(data=st.data(), tenant=st.integers(0, 1), user=st.sampled_from(USERS), amount=amounts)
    def consume_one(self, data: st.DataObject, tenant: int, user: bytes, amount: int) -> None:
        row = self.chosen(data)
        amounts = [amount if kind == row.type else 0 for kind in TYPES]
        query = self.query(tenant if row.tenant is None else row.tenant, row.plan, user, amounts)
        real = self.both("consume_quota", row.id, amount, tenant_id=tenant, user=user)
        self.same(real, self.model.consume(query, self.wall, self.now, only=row.id))
        self.follow_evictions()

    @rule(
        tenant=st.integers(0, 1),
        plan=st.sampled_from([None, 0]),
        user=st.sampled_from(USERS),
        amounts=units,
        ttl=st.sampled_from([1, S, 30 * S, 40 * DAY]),
    )
    def reserve(
        self, tenant: int, plan: int | None, user: bytes, amounts: list[int], ttl: int
    ) -> None:
        self.model.tick(self.wall, self.now)
        query = self.query(tenant, plan, user, amounts)
        if len(self.model.leases) == self.model.lease_max:
            self.refused(FullError, "reserve_quota", None, ttl_ns=ttl, **self.asked(query))
            return
        real = self.both("reserve_quota", None, ttl_ns=ttl, **self.asked(query))
        assert (real.handle != 0) == real.granted and real.handle not in self.handles
        self.same(real, self.model.reserve(query, self.wall, self.now, ttl, real.handle))
        if real.granted:
            self.handles.append(real.handle)
        self.follow_evictions()

    @precondition(lambda self: getattr(self, "handles", None))
    @rule(data=st.data(), amounts=units, release=st.booleans())
    def end_lease(self, data: st.DataObject, amounts: list[int], release: bool) -> None:
        handle = data.draw(st.sampled_from(self.handles))
        for turn in range(2):
            if release:
                real = self.both("release_reservation", handle)
            else:
                real = self.both(
                    "settle_reservation", handle, dict(zip(TYPES, amounts, strict=True))
                )
            wanted = self.model.end_lease(handle, None if release else amounts, self.wall, self.now)
            assert real == wanted and (turn == 0 or not real), "each ends exactly once"

    def follow_evictions(self) -> None:
        """What the core evicted must have been idle in the model; then it goes there too."""
        kept = {
            (quota_id, usage.tenant_id, usage.user_key)
            for quota_id, usage in self.real.active_quotas(now_ns=self.now)
        }
        for key, instance in list(self.model.instances.items()):
            quota_id, tenant, user = key
            user_key = self.real.get_quota_status(
                quota_id, tenant_id=tenant, user=user, now_ns=self.now
            ).usage.user_key
            if (quota_id, tenant, user_key) not in kept:
                instance.roll(self.model.rows[quota_id], self.wall)
                assert instance.idle(self.wall) and not instance.reserved
                self.model.instances.pop(key).gone = True
                self.evicted = True
        assert len(kept) == len(self.model.instances)

    # -- laws ---------------------------------------------------------------------------------
    @invariant()
    def every_law_holds(self) -> None:
        if hasattr(self, "real"):
            assert self.real.valid() == 0 and self.twin.valid() == 0

    @invariant()
    def every_balance_is_the_models(self) -> None:
        if not hasattr(self, "real"):
            return
        self.both("tick_now")
        self.model.tick(self.wall, self.now)
        for (quota_id, tenant, user), instance in self.model.instances.items():
            row = self.model.rows[quota_id]
            instance.roll(row, self.wall)
            usage = self.real.get_quota_status(
                quota_id, tenant_id=tenant, user=user, now_ns=self.now
            ).usage
            assert (usage.current_usage, usage.reserved, usage.carry, usage.requests_count) == (
                instance.used,
                instance.reserved,
                instance.carry,
                instance.admitted,
            )
            assert usage.available == max(  # Q1
                0, row.limit + instance.carry - instance.used - instance.reserved
            )
            assert usage.overage == max(0, instance.used - row.limit)
            assert usage.peak_usage == instance.peak
            if not self.evicted:
                assert (usage.peak_ever, usage.closed_usage, usage.denied_count) == (
                    instance.peak_ever,
                    instance.closed,
                    instance.denied,
                )
            self.same_depletion(row, instance, tenant, user)

    def same_depletion(
        self, row: model.Row, instance: model.Instance, tenant: int, user: bytes
    ) -> None:
        real = self.real.estimate_depletion(row.id, tenant_id=tenant, user=user, now_ns=self.now)
        if instance.used == 0:
            assert real.kind is DepletionKind.NEVER
            return
        since = row.period if row.reset == model.ROLLING else self.wall - instance.start
        ahead = (
            row.period
            if row.reset == model.ROLLING
            else (model.INFINITE if instance.end is None else instance.end - self.wall)
        )
        lasts = instance.left(row) * since // instance.used
        if lasts > ahead or lasts >= model.INFINITE:
            assert real.kind is DepletionKind.NOT_BEFORE_RESET and real.in_ns is None
        else:
            assert (real.kind, real.in_ns) == (DepletionKind.AT, lasts)

    @invariant()
    def every_alert_fired_once_and_in_order(self) -> None:
        if not hasattr(self, "real"):
            return
        kept = self.real.get_quota_alerts(overage=True)
        assert self.real.stats().alert_count == len(self.model.alerts)
        told = [(a.at_ns, a.percent, a.used, a.limit) for a in kept]
        wanted = [(at, percent, used, limit) for at, _, percent, used, limit in self.model.alerts]
        assert not Counter(told) - Counter(wanted)
        assert [alert[0] for alert in told] == sorted(alert[0] for alert in told)
        # A changed limit alerts many instances at one instant, in the order of their places; the
        # oldest instant that is kept may have lost some.
        first = told[0][0] if told else 0
        assert sorted(a for a in told if a[0] > first) == sorted(a for a in wanted if a[0] > first)

    @invariant()
    def every_event_is_counted(self) -> None:
        if not hasattr(self, "real"):
            return
        stats = self.real.stats()
        assert stats.asked_count == stats.granted_count + stats.denied_count
        assert stats.reservation_count == len(self.model.leases)
        assert stats.late_count == self.model.late
        assert stats.stale_hold_count == self.model.stale
        assert stats.closed_refund_count == self.model.closed_refunds


QuotaManager.tick_now = lambda self, *, now_ns: self.tick(now_ns)  # type: ignore[attr-defined]
TestQuotas = Quotas.TestCase
