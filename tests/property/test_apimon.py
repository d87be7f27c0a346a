# SPDX-License-Identifier: MIT
"""apimon: the core against the model, event by event; laws M3 to M6."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from host_sim.errors import RaygateError, StateError
from host_sim.modules.apimon import ApiMonitor, ErrorType, Service
from tests.model.apimon import CANCELLED, FINISHED, GOVERNED, REFUSED, Model, Row, type_of

ROWS, EDGES, EACH, RECENT = 2, 2, 4, 4
TOP = 1 << 16
S = 10**9
SERVICE = st.sampled_from([0, 0, 0, 1, 2, 3, 0x10000, None])
CALLER = st.sampled_from([0, 0, 1, 2, None])
LATENCY = st.integers(0, TOP - 1) | st.sampled_from([0, 1, TOP, 10**12])
STATUS = st.sampled_from([200, 302, 400, 401, 404, 408, 422, 429, 500, 503, 504])
REASON = st.sampled_from([0, 1, 3, 4, 100, 200, 203, 302, 400, 401, 500, 600, 800, 900, 1000])
NAMES = ["a", "b", "c", "d"]


class MonitorAgainstModel(RuleBasedStateMachine):
    """Every call on both; two rows and two cells, so that they fold at once."""

    def __init__(self) -> None:
        super().__init__()
        self.real, self.model = ApiMonitor(profile="tiny"), Model(ROWS, EDGES)
        self.now = 0

    @rule(step=st.sampled_from([1, S // 3, S, 2 * S, 30 * S, 60 * S, 200 * S]))
    def later(self, step: int) -> None:
        """Time passes."""
        self.now += step

    @rule(service=SERVICE)
    def start(self, service: int | None) -> None:
        """A request begins."""
        self.real.record_request(service, now_ns=self.now)
        self.model.start(service)

    @rule(service=SERVICE, caller=CALLER, status=STATUS, reason=REASON, latency=LATENCY,
          late=st.sampled_from([0, 0, 7]))  # fmt: skip
    def respond(self, service: int | None, caller: int | None, status: int, reason: int,
                latency: int, late: int) -> None:  # fmt: skip
        """A response, also of what never began."""
        row = self.model.open(service)
        said: dict[str, Any] = {
            "http_status": status, "reason": reason, "latency_ns": latency, "late_ns": late,
            "caller_id": caller, "now_ns": self.now,
        }  # fmt: skip
        if row is None:
            before = self.real.snapshot()
            with pytest.raises(StateError):
                self.real.record_response(service, **said)
            assert self.real.snapshot() == before
            return
        self.real.record_response(service, **said)
        self.model.end(row, self.now, FINISHED, service, caller, status, reason, latency + late)

    @rule(service=SERVICE)
    def cancel(self, service: int | None) -> None:
        """The client goes away."""
        row = self.model.open(service)
        if row is not None:
            self.real.record_cancel(service, latency_ns=5, now_ns=self.now)
            self.model.end(row, self.now, CANCELLED, service, None, 0, 0, 5)

    @rule(service=SERVICE, caller=CALLER, status=STATUS, reason=REASON)
    def refuse(self, service: int | None, caller: int | None, status: int, reason: int) -> None:
        """No at the gate."""
        self.real.record_refusal(
            service, reason=reason, http_status=status, caller_id=caller, now_ns=self.now
        )
        row = self.model.take(service)
        for each in (row, self.model.all):
            each.started += 1
        self.model.end(row, self.now, REFUSED, service, caller, status, reason, 0)

    @rule(status=st.sampled_from([1, 99, 600, 65535]))
    def impossible(self, status: int) -> None:
        """An error changes no byte."""
        before = self.real.snapshot()
        with pytest.raises(RaygateError):
            self.real.record_refusal(0, reason=1, http_status=status)
        assert self.real.snapshot() == before

    @rule()
    def reset(self) -> None:
        """Windows begin anew."""
        self.real.reset_metrics()
        self.model.reset()

    @rule(after=st.permutations(NAMES), count=st.integers(1, 4), of_service=st.booleans())
    def move(self, after: list[str], count: int, of_service: bool) -> None:
        """Another configuration."""
        move = self.real.move_services if of_service else self.real.move_callers
        move(NAMES, after[:count])
        self.model.move(NAMES, after[:count], of_service)

    # -- laws -----------------------------------------------------------------------------------
    def same_row(self, key: Service, row: Row) -> None:
        """A row of the core against its events (M3, M6)."""
        metrics = self.real.get_metrics(key)
        types = [end.type for end in row.ends]
        assert metrics.total_requests == row.started
        assert metrics.inflight_requests == row.inflight >= 0
        assert metrics.governed_requests == types.count(GOVERNED)
        assert metrics.failed_requests == sum(kind < GOVERNED for kind in types)
        assert metrics.errors == {kind: types.count(int(kind)) for kind in ErrorType}
        timed = [end.latency for end in row.ends if end.latency is not None]
        for bucket in self.real.get_latency_histogram(key):
            most = bucket.le_ns
            assert bucket.count == sum(most is None or ns <= most for ns in timed)
        rates = self.real.get_throughput(key, now_ns=self.now)
        assert (rates.second_count, rates.second_error_count) == row.window(self.now, S)
        assert (rates.minute_count, rates.minute_error_count) == row.window(self.now, 60 * S)
        figures = [self.real.calculate_percentile(q, key) for q in (0, 500_000, 950_000, 10**6)]
        assert figures == sorted(figures)
        for ppm in (1, 500_000, 950_000, 990_000):
            exact, got = row.quantile(ppm), self.real.calculate_percentile(ppm, key)
            assert got >= TOP if exact >= TOP else abs(got - exact) * 4 <= exact
        lows = row.latencies() or [0]
        assert (figures[0], figures[-1]) == (lows[0], lows[-1])

    @invariant()
    def equal(self) -> None:
        """Everything that can be read (M4)."""
        assert self.real.valid() == 0
        self.same_row(None, self.model.all)
        self.same_row("other", self.model.other)
        assert set(self.real.services()) == set(self.model.rows)
        for service, row in self.model.rows.items():
            self.same_row(service, row)
            samples = self.real.get_service_metrics(service).latency_samples
            assert samples == tuple(row.samples[-EACH:])
        recent = [(x.at_ns, x.latency_ns, x.service_id, x.http_status)
                  for x in self.real.recent_samples()]  # fmt: skip
        assert recent == self.model.recent[-RECENT:]
        other, *cells = self.real.dependencies()
        got = {(x.caller_id, x.service_id): [x.ended_count, x.error_count, x.latency_ns]
               for x in cells}  # fmt: skip
        assert got == self.model.edges
        assert [other.ended_count, other.error_count, other.latency_ns] == self.model.edge_other

    def teardown(self) -> None:
        """M5: what is exported parses back to the same numbers."""
        text = self.real.export_openmetrics()
        families = {x.name: x for x in text_string_to_metric_families(text)}
        total = {"requests": self.model.all.started,
                 "finished": sum(end.type >= GOVERNED for end in self.model.all.ends),
                 "errors": sum(end.failed for end in self.model.all.ends),
                 "calls": len(self.model.all.ends)}  # fmt: skip
        for name, wanted in total.items():
            assert sum(sample.value for sample in families[f"raygate_api_{name}"].samples) == wanted


TestMonitor = MonitorAgainstModel.TestCase


def test_the_model_knows_a_type_for_every_end() -> None:
    real = ApiMonitor(profile="tiny")
    event = real.ffi.new("ray_apimon_event *")
    for kind in range(1, 6):
        for status in (0, *range(100, 600)):
            for reason in (*range(0, 9), 100, 108, 200, 203, 302, 400, 402, 500, 600, 800, 900,
                           1000, 1100):  # fmt: skip
                event.kind, event.http_status, event.reason = kind, status, reason
                assert real.lib.ray_apimon_type(event) == type_of(kind, status, reason)
