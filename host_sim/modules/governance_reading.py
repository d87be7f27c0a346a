# SPDX-License-Identifier: MIT
"""governance: the half of GovernanceCollector that only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from host_sim.decision import NEVER, NONE
from host_sim.errors import ArgumentError, RangeError, check
from host_sim.modules.base import row_of, u64
from host_sim.modules.exposition import Named, Names
from host_sim.modules.governance_types import (
    AlertCondition,
    AlertMetric,
    AlertNotification,
    AlertState,
    Correlation,
    CostStats,
    GovernanceAlerts,
    GovernanceCounts,
    GovernanceStats,
    Grain,
    PolicyStats,
    QuantileOf,
    QuotaEventStats,
    RateLimitStats,
    SeriesMetric,
    TimelineWindow,
    TopBy,
    TopEntry,
)

SERVICE, TENANT = 0, 1
PERCENTILES = (500_000, 950_000, 990_000)
COLUMNS = ("denied", "cost", "p95", "errors")
Format = Literal["csv", "json", "prometheus", "openmetrics"]


class GovernanceReader(Named):
    """Reading a governance state; see GovernanceCollector."""

    _word = "governance"

    # -- time -----------------------------------------------------------------------------------
    def _pass(self, now_ns: int | None) -> int:
        """As every module's, and judges the alerts that are due."""
        now = super()._pass(now_ns)
        self.lib.ray_governance_tick(self._state, now)
        return now

    def tick(self, now_ns: int) -> int:
        """Judges every alert whose window ended by `now_ns`; returns the instant."""
        return self._pass(now_ns)

    def due_ns(self) -> int | None:
        """The next instant an alert may change by itself, None when there is none."""
        due = int(self.lib.ray_governance_due(self._state))
        return None if due == NEVER else due

    # -- counters -------------------------------------------------------------------------------
    def stats(self) -> GovernanceStats:
        """The module's counters."""
        return self._counters(GovernanceStats)

    def counts(
        self, *, service_id: int | None = None, tenant_id: int | None = None
    ) -> GovernanceCounts:
        """What was counted in total, or of one service, or of one tenant; 0 of one that was never
        seen or lost its row. Raises ArgumentError for both."""
        if service_id is not None and tenant_id is not None:
            raise ArgumentError("name a service or a tenant, not both: windows know both")
        out = self.ffi.new("ray_governance_counts *")
        if service_id is None and tenant_id is None:
            self.lib.ray_governance_total(self._state, out)
        else:
            which = SERVICE if service_id is not None else TENANT
            key = service_id if service_id is not None else tenant_id
            self.lib.ray_governance_counts_read(self._state, which, handle(key), out)
        return row_of(GovernanceCounts, out)

    def rows(self, dimension: Literal["service", "tenant"]) -> dict[int | None, GovernanceCounts]:
        """Every row by id, None last: of what has no service, or no tenant."""
        which = {"service": SERVICE, "tenant": TENANT}[dimension]
        key, begun = self.ffi.new("uint32_t *"), self.ffi.new("uint32_t *")
        out, found = self.ffi.new("ray_governance_counts *"), {}
        while self.lib.ray_governance_next(self._state, which, key, begun):
            self.lib.ray_governance_counts_read(self._state, which, key[0], out)
            found[none(key[0])] = row_of(GovernanceCounts, out)
        return found

    def other(self, dimension: Literal["service", "tenant"]) -> GovernanceCounts:
        """What was counted of keys that have no row any more."""
        out = self.ffi.new("ray_governance_counts *")
        which = {"service": SERVICE, "tenant": TENANT}[dimension]
        self.lib.ray_governance_other(self._state, which, out)
        return row_of(GovernanceCounts, out)

    def reasons(self) -> dict[int, int]:
        """Denials by reason code, ascending; 0: those that found no place in the table."""
        reason, count = self.ffi.new("uint32_t *"), self.ffi.new("uint64_t *")
        found: dict[int, int] = {}
        while self.lib.ray_governance_reason_read(self._state, len(found), reason, count) == 0:
            found[int(reason[0])] = int(count[0])
        return found

    def get_rate_limit_stats(
        self, *, service_id: int | None = None, tenant_id: int | None = None
    ) -> RateLimitStats:
        """Decisions in total, of a service, or of a tenant; allowed are dispatched and waiting.
        Percentiles are of the service's waits, of everything's where it has no histogram."""
        counts = self.counts(service_id=service_id, tenant_id=tenant_id)
        return RateLimitStats(
            allowed=counts.offered_count - counts.denied_count,
            denied=counts.denied_count,
            tokens_used=counts.tokens,
            wait_time=counts.wait_ns,
            percentiles=self.get_metric_percentiles(service_id=service_id),
        )

    def get_quota_stats(self, quota_type: int | None = None) -> QuotaEventStats:
        """Looks at quotas of one type, or of all. Raises RangeError for a type nobody defined."""
        types = range(self.lib.RAY_GOV_QUOTA_TYPE_MAX) if quota_type is None else [quota_type]
        out, rows = self.ffi.new("ray_governance_quota_counts *"), []
        for kind in types:
            check(self.lib.ray_governance_quota_read(self._state, kind, out), f"type {kind}")
            rows.append((out.event_count, out.violation_count, out.utilization_bp_max))
        most = max(row[2] for row in rows)
        return QuotaEventStats(
            events=sum(row[0] for row in rows),
            violations=sum(row[1] for row in rows),
            utilization_bp_max=None if most == NEVER else most,
        )

    def get_policy_stats(self, policy_id: int | None = None) -> PolicyStats:
        """Matches of one rule, or of all; 0 of one that never matched."""
        places = range(self.lib.RAY_POLICY_MAX) if policy_id is None else ()
        out, total = self.ffi.new("ray_governance_policy_counts *"), [0, 0, 0, 0]
        for rule in [NONE, *places] if policy_id is None else [handle(policy_id)]:
            if self.lib.ray_governance_policy_read(self._state, rule, out) == 0:
                row = (out.match_count, out.denial_count, out.alert_count, out.enforcement_ns)
                total = [a + b for a, b in zip(total, row, strict=True)]
        return PolicyStats(*total)

    def get_cost_stats(
        self, *, service_id: int | None = None, tenant_id: int | None = None
    ) -> CostStats:
        """Nano-units charged in total, of a service, or of a tenant."""
        out, by_type = self.ffi.new("int64_t *"), []
        for kind in range(self.lib.RAY_GOV_COST_TYPE_MAX):
            check(self.lib.ray_governance_cost_read(self._state, kind, out), f"type {kind}")
            by_type.append(int(out[0]))
        counts = self.counts(service_id=service_id, tenant_id=tenant_id)
        return CostStats(counts.cost_nano, tuple(by_type))

    # -- rankings -------------------------------------------------------------------------------
    def _top(self, dimension: int, by: TopBy | str, count: int) -> tuple[TopEntry, ...]:
        order = TopBy[by.upper()] if isinstance(by, str) else by
        count = min(u64(count, "count"), self.lib.RAY_SERVICE_MAX + self.lib.RAY_TENANT_MAX)
        out = self.ffi.new("ray_top[]", max(count, 1))
        found = self.lib.ray_governance_top(self._state, dimension, order, out, count)
        return tuple(TopEntry(none(row.id), int(row.value), int(row.error)) for row in out[0:found])

    def get_top_services(
        self, by: TopBy | str = TopBy.REQUESTS, count: int = 10
    ) -> tuple[TopEntry, ...]:
        """The `count` services with the most requests, cost or violations, ties by id. Exact while
        no service lost its row; else each place says its error (Space-Saving)."""
        return self._top(SERVICE, by, count)

    def get_top_tenants(
        self, by: TopBy | str = TopBy.USAGE, count: int = 10
    ) -> tuple[TopEntry, ...]:
        """The `count` tenants with the most usage (requests), cost or violations, ties by id."""
        return self._top(TENANT, by, count)

    # -- windows --------------------------------------------------------------------------------
    def get_timeline(
        self,
        metric: SeriesMetric = SeriesMetric.REQUESTS,
        *,
        service_id: int | None = None,
        tenant_id: int | None = None,
        grain: Grain = Grain.SECOND,
        now_ns: int | None = None,
    ) -> tuple[TimelineWindow, ...]:
        """The last windows up to the one `now_ns` lies in, oldest first: 60 of a second or a
        minute, 48 of an hour. Windows that ended are closed in the answer only."""
        query = self.ffi.new("ray_series_query *")
        query.metric, query.grain = metric, grain
        query.service, query.tenant = handle(service_id), handle(tenant_id)
        out = self.ffi.new("ray_series_window[]", self.lib.RAY_GOV_WINDOW_MAX)
        found = self.lib.ray_governance_timeline(self._state, self._at(now_ns), query, out)
        rows = [(int(row.start_ns), int(row.count), int(row.amount)) for row in out[0:found]]
        if metric == SeriesMetric.COST:
            rows = [(start, count, signed(amount)) for start, count, amount in rows]
        return tuple(TimelineWindow(*row) for row in rows)

    def get_metric_percentiles(
        self,
        of: QuantileOf = QuantileOf.WAIT,
        *,
        service_id: int | None = None,
        ppm: Sequence[int] = PERCENTILES,
    ) -> dict[int, int]:
        """Nearest-rank percentiles in ns by parts per million (default P50, P95, P99) of waits or
        of enforcement; off by at most 2^-7, never above the largest or below the least. Of a
        service without a histogram of its own: those of everything."""
        wanted, count = self.ffi.new("uint32_t[]", list(ppm)), self.ffi.new("uint64_t *")
        out = self.ffi.new("uint64_t[]", len(wanted))
        if len(wanted) > self.lib.RAY_GOV_QUANTILE_MAX:
            raise RangeError(f"at most {self.lib.RAY_GOV_QUANTILE_MAX} quantiles at once")
        for service in (handle(service_id), NONE):
            status = self.lib.ray_governance_quantiles(
                self._state, of, service, wanted, len(wanted), out, count
            )
            if status != self.lib.RAY_E_UNKNOWN:
                break
        check(status, "percentiles of enforcement are of everything")
        return dict(zip(ppm, map(int, out), strict=True))

    def correlate_metrics(
        self,
        *,
        service_id: int | None = None,
        grain: Grain = Grain.SECOND,
        now_ns: int | None = None,
    ) -> Correlation:
        """Links what was denied to cost and quality, window by window."""
        out = self.ffi.new("ray_correlation *")
        self.lib.ray_governance_correlate(
            self._state, self._at(now_ns), handle(service_id), grain, out
        )
        n = int(out.count)
        pairs = [(a, b) for i, a in enumerate(COLUMNS) for b in COLUMNS[i + 1 :]]
        milli = {
            pair: int(out.milli[i]) if out.defined[i] else None for i, pair in enumerate(pairs)
        }
        denied, cost, p95, errors = (tuple(map(int, column[0:n])) for column in out.column)
        starts = tuple(map(int, out.start_ns[0:n]))
        return Correlation(starts, denied, cost, p95, errors, milli)

    # -- alerts ---------------------------------------------------------------------------------
    def find_alert(self, name: str) -> int:
        """The id of the alert called `name`. Raises UnknownError."""
        return self._find(self.lib.ray_governance_alert_find, name, "no alert")

    def get_alert(self, alert_id: int) -> GovernanceAlerts:
        """One alert. Raises UnknownError, StaleError."""
        spec, row = self.ffi.new("ray_alert_spec *"), self.ffi.new("ray_alert *")
        check(
            self.lib.ray_governance_alert_read(self._state, alert_id, spec, row),
            f"no alert {alert_id}",
        )
        notes = [note for note in self.notifications() if note.alert_id == alert_id]
        return GovernanceAlerts(
            id=alert_id,
            name=self._text(spec.name),
            threshold=int(spec.above),
            condition=AlertCondition(
                metric=AlertMetric(spec.metric),
                service_id=none(spec.service),
                tenant_id=none(spec.tenant),
                window_ns=int(spec.window_ns),
                for_ns=int(spec.for_ns),
                clear_below=int(spec.clear_below),
            ),
            notification=notes[-1] if notes else None,
            state=AlertState(row.state),
            value=int(row.value),
            since_ns=int(row.since_ns),
            fired_count=int(row.fired_count),
            acknowledged=bool(row.acknowledged),
        )

    def alerts(self) -> tuple[GovernanceAlerts, ...]:
        """Every alert by place."""
        out = self.ffi.new("uint32_t *")
        return tuple(
            self.get_alert(out[0])
            for place in range(self.lib.RAY_ALERT_RULE_MAX)
            if self.lib.ray_governance_alert_at(self._state, place, out) == 0
        )

    def get_pending_alerts(self) -> tuple[GovernanceAlerts, ...]:
        """Alerts that are pending or firing, by place."""
        active = (AlertState.PENDING, AlertState.FIRING)
        return tuple(alert for alert in self.alerts() if alert.state in active)

    def notifications(self, *, unacknowledged: bool = False) -> tuple[AlertNotification, ...]:
        """What fired and resolved, oldest first, as far back as the ring goes."""
        stats, out, found = self.stats(), self.ffi.new("ray_alert_event *"), []
        first = stats.notification_overwritten_count + 1
        for id in range(first, stats.notification_count + 1):
            check(self.lib.ray_governance_event_read(self._state, id, out), f"notification {id}")
            note = AlertNotification(
                id=int(out.id),
                at_ns=int(out.at_ns),
                value=int(out.value),
                alert_id=none(out.alert),
                state=AlertState(out.state),
                acknowledged=bool(out.acknowledged),
            )
            if not (unacknowledged and note.acknowledged):
                found.append(note)
        return tuple(found)

    # -- exports --------------------------------------------------------------------------------
    def _labels(self, names: Mapping[str, Names]) -> tuple[Any, list[Any]]:
        """A ray_governance_labels, and the memory it points into."""
        labels, keep = self.ffi.new("ray_governance_labels *"), []
        for kind, rows in names.items():
            if rows:
                slot, memory = self._rows(rows)
                setattr(labels, kind, slot[0])
                keep.append(memory)
        return labels, keep

    def _policy_names(self) -> dict[int, bytes]:
        """The names of a Kernel's policies by place."""
        found: dict[int, bytes] = {}
        if self.kernel is None:
            return found
        engine = self.lib.ray_policy_of(self.kernel.ray)
        rule, hit = self.ffi.new("uint32_t *"), self.ffi.new("ray_policy_row *")
        for place in range(self.lib.RAY_POLICY_MAX):
            if self.lib.ray_policy_at(engine, place, rule) == 0:
                check(self.lib.ray_policy_row_read(engine, rule[0], hit), f"policy {place}")
                found[place] = self.ffi.string(hit.spec.name.at)
        return found

    def export_metrics(
        self,
        format: Format = "csv",
        *,
        services: Names | None = None,
        tenants: Names | None = None,
        policies: Names | None = None,
    ) -> str:
        """Every counter as CSV, JSON, Prometheus text or OpenMetrics text; equal states give equal
        bytes. Names by id are a Kernel's own, or those given here. Raises ArgumentError for
        another format or a name above 47 bytes."""
        names: dict[str, Names] = {
            "service": self._service_names(),
            "tenant": self._tenant_names(),
            "policy": self._policy_names(),
        }
        given = {"service": services, "tenant": tenants, "policy": policies}
        names |= {kind: rows for kind, rows in given.items() if rows is not None}
        labels, _keep = self._labels(names)
        lib, state = self.lib, self._state
        writers = {
            "csv": lambda text: lib.ray_governance_export_csv(state, labels, text),
            "json": lambda text: lib.ray_governance_export_json(state, labels, text),
            "prometheus": lambda text: lib.ray_governance_export_metrics(
                state, labels, lib.RAY_EXPOSITION_PROMETHEUS, text
            ),
            "openmetrics": lambda text: lib.ray_governance_export_metrics(
                state, labels, lib.RAY_EXPOSITION_OPENMETRICS, text
            ),
        }
        if format not in writers:
            raise ArgumentError(f"the formats are {', '.join(writers)}, not {format!r}")
        return self._written(writers[format], "export")


def handle(id: int | None) -> int:
    """An id as the core takes it: None is RAY_NONE. Raises RangeError past 32 bits."""
    if id is None:
        return NONE
    if u64(id, "id") > NONE:
        raise RangeError(f"an id fits 32 bits, not {id}")
    return id


def none(id: int) -> int | None:
    """An id as Python says it."""
    return None if id == NONE else int(id)


def signed(value: int) -> int:
    """The number a 64-bit two's complement stands for."""
    return value - (1 << 64) if value >> 63 else value
