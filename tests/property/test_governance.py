# SPDX-License-Identifier: MIT
"""governance: real against model, step by step; M1 to M8 of the invariants; the state's laws."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from host_sim import _raw
from host_sim.errors import RaygateError
from host_sim.modules.governance import (
    AlertMetric,
    AlertState,
    EventKind,
    GovernanceCollector,
    GovernanceEvent,
    Grain,
    QuantileOf,
    RateLimitMetric,
    SeriesMetric,
    TopBy,
)
from tests.model.governance import FIELDS, NONE, SECOND, Alert, Governance, Sizes, correlation
from tests.model.governance import quantile as true_quantile

REAL_FIELDS = (
    "offered_count", "denied_count", "dropped_count", "preempted_count", "dispatched_count",
    "queued_count", "violation_count", "done_count", "failed_count", "tokens", "bytes", "wait_ns",
    "cost_nano",
)  # fmt: skip
IDS = st.sampled_from([None, 0, 1, 2, 3, 4, 5, 0x10001])
STEPS = st.sampled_from([0, 0, 1, 999_999_999, SECOND, 61 * SECOND, 3_600 * SECOND])
SIZES_OF = st.integers(0, 200_000)


def sizes_of(profile: str) -> Sizes:
    """A profile's capacities, as the core was built."""
    lib = _raw.load(profile).lib
    return Sizes(
        services=lib.RAY_SERVICE_MAX + 1,
        tenants=lib.RAY_TENANT_MAX + 1,
        series=lib.RAY_SERIES_MAX,
        rings=(lib.RAY_SERIES_SECOND_MAX, lib.RAY_SERIES_MINUTE_MAX, lib.RAY_SERIES_HOUR_MAX),
        bits=lib.RAY_HISTOGRAM_SUB_BITS,
        window_bits=lib.RAY_HISTOGRAM_WINDOW_BITS,
        top_bits=lib.RAY_HISTOGRAM_TOP_BITS,
        waits=lib.RAY_WAIT_HISTOGRAM_MAX,
        events=lib.RAY_ALERT_EVENT_MAX,
    )


def number(id: int | None) -> int:
    """An id as the core and the model say it."""
    return NONE if id is None else id


class GovernanceMachine(RuleBasedStateMachine):
    """Random steps of random requests; everything that can be read is compared."""

    profile = "tiny"

    def __init__(self) -> None:
        super().__init__()
        self.real = GovernanceCollector(profile=self.profile, seed=bytes(range(16)))
        self.sizes = sizes_of(self.profile)
        self.model = Governance(self.sizes)
        self.ids: dict[int, int] = {}  # alert id by place
        self.highest = [0] * len(FIELDS)

    def pass_time(self, step: int) -> int:
        """The next instant."""
        return self.model.now + step

    @rule(
        step=STEPS,
        service=IDS,
        tenant=IDS,
        verdict=st.sampled_from([1, 1, 2, 3, 4]),
        reason=st.sampled_from([1, 100, 200, 201, 300, 401, 500, 503]),
        tokens=st.integers(0, 9),
    )
    def admit(self, **of: Any) -> None:
        """A request arrives."""
        self._note(EventKind.ADMIT, of.pop("step"), of.pop("service"), of.pop("tenant"), **of)

    @rule(
        step=STEPS,
        service=IDS,
        tenant=IDS,
        kind=st.sampled_from([EventKind.SENT, EventKind.DROPPED, EventKind.PREEMPTED]),
        wait=SIZES_OF,
    )
    def leave(self, step: int, service: Any, tenant: Any, kind: EventKind, wait: int) -> None:
        """One leaves a queue, its own or another's."""
        self._note(kind, step, service, tenant, wait=wait)

    @rule(
        step=STEPS,
        service=IDS,
        tenant=IDS,
        latency=SIZES_OF,
        http_status=st.sampled_from([200, 429, 500, 503]),
        verdict=st.sampled_from([8, 8, 9, 10]),
        cost=st.sampled_from([0, 5, 1_000_000_007, -3]),
        bytes=st.integers(0, 3_000),
    )
    def done(self, **of: Any) -> None:
        """An outcome."""
        self._note(EventKind.DONE, of.pop("step"), of.pop("service"), of.pop("tenant"), **of)

    def _note(
        self, kind: EventKind, step: int, service: int | None, tenant: int | None, **of: Any
    ) -> None:
        now = self.pass_time(step)
        self.model.note(now, kind, number(service), number(tenant), **of)
        self.real.note(
            GovernanceEvent(
                kind=kind,
                service_id=service,
                tenant_id=tenant,
                verdict=of.get("verdict", 0),
                reason=of.get("reason", 0),
                tokens=of.get("tokens", 0),
                wait_ns=of.get("wait", 0),
                bytes=of.get("bytes", 0),
                latency_ns=of.get("latency", 0),
                cost_nano=of.get("cost", 0),
                http_status=of.get("http_status", 0),
            ),
            now_ns=now,
        )

    @rule(step=STEPS)
    def tick(self, step: int) -> None:
        """Nothing but time: only alerts may change."""
        now = self.pass_time(step)
        self.model.step(now)
        self.real.tick(now)

    @rule(step=STEPS)
    def reset(self, step: int) -> None:
        """Windows go, counters stay."""
        now = self.pass_time(step)
        self.model.step(now)
        self.model.clear()
        self.real.reset_windows(now_ns=now)

    @rule(
        place=st.integers(0, 1),
        metric=st.sampled_from(list(AlertMetric)),
        above=st.sampled_from([0, 1, 3, 200_000]),
        gap=st.integers(0, 2),
        for_ns=st.sampled_from([0, SECOND, 3 * SECOND]),
        window_ns=st.sampled_from([SECOND, 2 * SECOND, 60 * SECOND]),
        service=st.sampled_from([None, 0, 1]),
        tenant=st.sampled_from([None, 0]),
    )
    def set_alert(self, place: int, metric: AlertMetric, gap: int, **of: Any) -> None:
        """An alert is set; one that no rule allows changes no byte."""
        above, service, tenant = of["above"], of["service"], of["tenant"]
        clear = max(above + 1 - gap, 1)
        wrong = (
            metric == AlertMetric.LATENCY_P95
            and (tenant is not None or of["window_ns"] == 2 * SECOND)
        ) or (metric == AlertMetric.QUEUED and None not in (service, tenant))
        before = self.real.snapshot()
        try:
            id = self.real.set_alert_threshold(
                f"alert-{place}",
                metric,
                above,
                service_id=service,
                tenant_id=tenant,
                window_ns=of["window_ns"],
                for_ns=of["for_ns"],
                clear_below=clear,
            )
        except RaygateError:
            assert wrong and self.real.snapshot() == before
            return
        assert not wrong
        assert id & 0xFFFF == self.ids.get(place, id) & 0xFFFF
        self.ids[place] = id
        self.model.alerts[id & 0xFFFF] = Alert(
            metric, above, clear, of["for_ns"], of["window_ns"], number(service), number(tenant)
        )
        if metric == AlertMetric.LATENCY_P95 and service is not None:
            if len(self.model.histograms) < self.sizes.waits - 1:
                self.model.histograms.setdefault(service, [])

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def acknowledge(self, data: Any) -> None:
        """Only what fires can be acknowledged."""
        place = data.draw(st.sampled_from(sorted(self.ids)))
        before, state = self.real.snapshot(), self.real.get_alert(self.ids[place]).state
        try:
            self.real.acknowledge_alert(self.ids[place])
        except RaygateError:
            assert state != AlertState.FIRING and self.real.snapshot() == before
            return
        assert state == AlertState.FIRING and self.real.get_alert(self.ids[place]).acknowledged

    @rule(wait=st.integers(1 << 48, 1 << 50))
    def refuse(self, wait: int) -> None:
        """A record out of range is an error and nothing else."""
        before = self.real.stats()
        with pytest.raises(RaygateError):
            self.real.record_rate_limit(RateLimitMetric(0, 0, 1, 0, 1, wait))
        self.model.errors += 1
        assert self.real.stats().error_count == before.error_count + 1
        assert self.real.stats().asked_count == before.asked_count

    # -- invariants -----------------------------------------------------------------------------
    @invariant()
    def laws_hold(self) -> None:
        """valid() is 0."""
        assert self.real.valid() == 0

    @invariant()
    def decisions_add_up(self) -> None:
        """M1: allowed and denied by reason are all decisions."""
        stats = self.real.stats()
        assert stats.granted_count + sum(self.real.reasons().values()) == stats.asked_count
        assert self.real.reasons() == _folded(self.model.reasons, self.real.reasons())
        assert (stats.error_count, stats.folded_count) == (self.model.errors, self.model.folded)

    @invariant()
    def counters_never_fall(self) -> None:
        """M2, but for what waits now and what is credited."""
        total = [getattr(self.real.counts(), name) for name in REAL_FIELDS]
        for place, name in enumerate(REAL_FIELDS):
            if name not in ("queued_count", "cost_nano"):
                assert total[place] >= self.highest[place]
        self.highest = total

    @invariant()
    def percentiles_are_nearest_ranks(self) -> None:
        """M3: within the width of a bucket of the true one, ordered, within least and most."""
        ppm = (0, 500_000, 950_000, 990_000, 1_000_000)
        found = list(self.real.get_metric_percentiles(QuantileOf.WAIT, ppm=ppm).values())
        wanted = [
            true_quantile(self.model.waits, p, self.sizes.bits, self.sizes.top_bits) for p in ppm
        ]
        assert found == wanted and found == sorted(found)

    @invariant()
    def rows_add_up(self) -> None:
        """M4 of rows: every row as the model's; rows and `other` are the total."""
        assert _row(self.real.counts()) == self.model.total
        for dimension, table in (
            ("service", self.model.services),
            ("tenant", self.model.tenants),
        ):
            rows = self.real.rows(dimension)  # type: ignore[arg-type]
            assert {number(key): _row(row) for key, row in rows.items()} == table.rows
            assert _row(self.real.other(dimension)) == table.other  # type: ignore[arg-type]
        evicted = self.model.services.evicted + self.model.tenants.evicted
        assert self.real.stats().evicted_count == evicted

    @invariant()
    def windows_add_up(self) -> None:
        """M4 of windows, and rollup: every window of every grain is the sum of its seconds."""
        now = self.model.now
        pairs = [(None, None), (0, None), (None, 1), (1, 1)]
        for grain in Grain:
            starts = self.model.windows(grain, now)
            seconds = (1, 60, 3600)[grain]
            for metric in SeriesMetric:
                for service, tenant in pairs:
                    found = self.real.get_timeline(
                        metric, service_id=service, tenant_id=tenant, grain=grain, now_ns=now
                    )
                    assert [row.start_ns for row in found] == [s * SECOND for s in starts]
                    wanted = [
                        self.model.window(metric, number(service), number(tenant), s, seconds)
                        for s in starts
                    ]
                    assert [(row.count, row.amount) for row in found] == wanted
        assert self.real.stats().series_count == len(self.model.series)

    @invariant()
    def rankings_are_sorted(self) -> None:
        """M7: by value descending, id ascending; a true value lies between its bounds."""
        for by in TopBy:
            for real, table in (
                (self.real.get_top_services(by, 3), self.model.services),
                (self.real.get_top_tenants(by, 3), self.model.tenants),
            ):
                found = [(number(entry.id), entry.value, entry.error) for entry in real]
                assert found == table.top(by, 3)

    @invariant()
    def alerts_are_judged(self) -> None:
        """M8: states, and every notification, as if judged at every end of a window."""
        for alert in self.real.alerts():
            model = self.model.alerts[alert.id & 0xFFFF]
            assert (alert.state, alert.since_ns, alert.fired_count) == (
                model.state,
                model.since,
                model.fired,
            )
        kept = self.model.notifications[-self.sizes.events :]
        found = [
            (note.at_ns, number(note.alert_id) & 0xFFFF, note.state, note.value)
            for note in self.real.notifications()
        ]
        assert found == kept
        assert self.real.stats().notification_count == len(self.model.notifications)

    @invariant()
    def correlations_agree(self) -> None:
        """The tuples, and the coefficients of every pair of columns."""
        now, seconds = self.model.now, 60
        found = self.real.correlate_metrics(grain=Grain.MINUTE, now_ns=now)
        columns: list[tuple[int, ...]] = []
        for start in self.model.windows(Grain.MINUTE, now)[:-1]:
            here = [self.model.window(m, NONE, NONE, start, seconds) for m in SeriesMetric]
            if not (here[0][0] or here[4][0] or here[5][0]):
                continue
            p95 = self.model.p95(NONE, start, start + seconds) or 0
            columns.append((start * SECOND, here[1][0], here[5][1], p95, here[3][0]))
        wanted = [list(column) for column in zip(*columns, strict=True)] or [[]] * 5
        assert [list(found.start_ns), list(found.denied), list(found.cost)] == wanted[:3]
        assert [list(found.p95), list(found.errors)] == wanted[3:]
        pairs = [(a, b) for a in range(1, 5) for b in range(a + 1, 5)]
        assert list(found.milli.values()) == [correlation(wanted[a], wanted[b]) for a, b in pairs]


def _row(counts: Any) -> dict[str, int]:
    return dict(zip(FIELDS, (getattr(counts, name) for name in REAL_FIELDS), strict=True))


def _folded(wanted: dict[int, int], found: dict[int, int]) -> dict[int, int]:
    """The model's reasons; those the core had no place for stand under 0."""
    kept = {reason: count for reason, count in wanted.items() if reason in found}
    rest = sum(wanted.values()) - sum(kept.values())
    return {0: rest, **kept} if rest else kept


class SeedMachine(GovernanceMachine):
    """The same where nothing is ever full."""

    profile = "seed"


TestGovernanceTiny = GovernanceMachine.TestCase
TestGovernanceSeed = SeedMachine.TestCase
