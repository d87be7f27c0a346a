# SPDX-License-Identifier: MIT
"""apimon: every request is counted once, every end is of one type, every percentile is a rank."""

from __future__ import annotations

import json
import random

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from host_sim import config
from host_sim.errors import ArgumentError, RangeError, StateError, UnknownError
from host_sim.kernel import Kernel
from host_sim.modules.apimon import ApiMonitor, Duration, ErrorType, LatencyBucket
from host_sim.modules.quota import QuotaDimension, QuotaManager

S = 1_000_000_000
MS = 1_000_000


@pytest.fixture
def monitor() -> ApiMonitor:
    """A monitor of its own in the default profile."""
    return ApiMonitor()


def served(monitor: ApiMonitor, service: int | None = 1, *, latency: int = MS, status: int = 200,
           now: int = 0, caller: int | None = None) -> None:  # fmt: skip
    monitor.record_request(service, now_ns=now)
    monitor.record_response(
        service, latency_ns=latency, http_status=status, caller_id=caller, now_ns=now
    )


# -- the phase document's tests -------------------------------------------------------------------
def test_metrics_collection(monitor: ApiMonitor) -> None:
    assert (monitor.lib.RAY_APIMON_SERVICE_MAX, monitor.lib.RAY_APIMON_RECENT_MAX) == (256, 1024)
    monitor.record_request(1)
    monitor.record_response(1, latency_ns=30, wait_ns=10, upstream_ns=15, request_bytes=7,
                            response_bytes=9)  # fmt: skip
    served(monitor, 2, latency=50)
    monitor.record_request(1)
    total, one = monitor.get_metrics(), monitor.get_service_metrics(1)
    assert (total.total_requests, total.successful_requests, total.failed_requests) == (3, 2, 0)
    assert (total.avg_latency, total.inflight_requests) == (40, 1)
    assert (one.service_id, one.request_count, one.error_count) == (1, 2, 0)
    assert one.latency_samples == (30,)
    assert (one.metrics.wait_ns, one.metrics.upstream_ns) == (10, 15)
    assert (one.metrics.request_bytes, one.metrics.response_bytes) == (7, 9)
    assert monitor.services() == (1, 2) and monitor.get_total_requests() == 3
    assert monitor.get_total_requests(2) == 1
    with pytest.raises(UnknownError):
        monitor.get_service_metrics(3)
    assert monitor.valid() == 0


def test_latency_percentile_calculation(monitor: ApiMonitor) -> None:
    for latency in range(100, 0, -1):
        served(monitor, latency=latency)
    figures = {which: monitor.calculate_percentile(which, 1) for which in LatencyBucket}
    assert figures == {
        LatencyBucket.P50: 50, LatencyBucket.P95: 95, LatencyBucket.P99: 99,
        LatencyBucket.MAX: 100, LatencyBucket.MIN: 1, LatencyBucket.AVG: 50,
    }  # fmt: skip
    assert (monitor.get_p95_latency(1), monitor.get_p99_latency()) == (95, 99)
    with pytest.raises(RangeError):
        monitor.calculate_percentile(1_000_001)


def test_error_rate_tracking(monitor: ApiMonitor) -> None:
    assert monitor.get_error_rate() == 0
    for status in (200, 200, 500, 404):
        served(monitor, status=status)
    assert monitor.get_error_rate(1) == 500_000
    monitor.record_request(1)
    monitor.record_error(1, ErrorType.TIMEOUT, latency_ns=30 * S)
    assert monitor.get_error_rate() == 600_000
    errors = monitor.get_metrics(1).errors
    assert errors[ErrorType.TIMEOUT] == errors[ErrorType.SERVER_ERROR] == 1
    for _ in range(5):
        monitor.record_refusal(1, reason=200, http_status=429)
    assert monitor.get_error_rate() == 600_000, "what a limit refuses is nobody's error"
    assert monitor.get_metrics().governed_requests == 5


# -- quantiles ------------------------------------------------------------------------------------
@pytest.mark.parametrize("top", [200, 10**6, 10**9, 6 * 10**10])
def test_a_percentile_is_off_by_at_most_a_128th(monitor: ApiMonitor, top: int) -> None:
    values = [random.Random(top + n).randrange(top) for n in range(500)]
    for value in values:
        served(monitor, latency=value)
    values.sort()
    for ppm in (1, 10_000, 500_000, 900_000, 950_000, 990_000, 999_000):
        exact = values[-(-ppm * 500 // 10**6) - 1]
        got = monitor.calculate_percentile(ppm)
        assert abs(got - exact) * 128 <= exact
        assert values[0] <= got <= values[-1]


def test_a_single_latency_is_every_percentile(monitor: ApiMonitor) -> None:
    served(monitor, latency=123_456_789)
    assert {monitor.calculate_percentile(ppm) for ppm in (0, 1, 500_000, 10**6)} == {123_456_789}


def test_a_reset_leaves_no_bucket_behind(monitor: ApiMonitor) -> None:
    """Only what lies between the least and the greatest is cleared: nothing else was recorded."""
    for latency in (3, 10**3, 10**9, 1 << 40):
        served(monitor, latency=latency)
    monitor.reset_metrics()
    assert monitor.valid() == 0
    served(monitor, latency=10**6)
    assert monitor.valid() == 0
    assert {monitor.calculate_percentile(ppm) for ppm in (0, 1, 500_000, 10**6)} == {10**6}


def test_late_callers_hide_no_wait(monitor: ApiMonitor) -> None:
    """Coordinated omission: the request was meant 2 s before it could be sent."""
    monitor.record_request(1)
    monitor.record_response(1, latency_ns=10, late_ns=2 * S)
    assert monitor.calculate_percentile(LatencyBucket.MAX) == 2 * S + 10
    monitor.record_request(1)
    monitor.record_response(1, latency_ns=(1 << 64) - 1, late_ns=5)
    assert monitor.calculate_percentile(LatencyBucket.MAX) == (1 << 64) - 1, "it never wraps"


# -- lost requests and types ----------------------------------------------------------------------
def test_what_has_not_begun_cannot_end(monitor: ApiMonitor) -> None:
    before = monitor.snapshot()
    with pytest.raises(StateError):
        monitor.record_response(1, latency_ns=1)
    with pytest.raises(StateError):
        monitor.record_error(1, ErrorType.SERVER_ERROR)
    with pytest.raises(RangeError):
        monitor.record_refusal(1, reason=1, http_status=600)
    assert monitor.snapshot() == before
    served(monitor)
    with pytest.raises(StateError):
        monitor.record_response(1, latency_ns=1)


def test_a_lost_request_is_in_flight_until_its_lease_ends(monitor: ApiMonitor) -> None:
    monitor.record_request(1)
    assert monitor.get_metrics().inflight_requests == 1
    monitor.record_error(1, ErrorType.TIMEOUT, latency_ns=30 * S)
    metrics = monitor.get_metrics()
    assert (metrics.inflight_requests, metrics.errors[ErrorType.TIMEOUT]) == (0, 1)


TYPES = [
    # http status, reason, type
    (200, 1, None), (302, 1, None), (404, 1, ErrorType.CLIENT_ERROR),
    (429, 1, ErrorType.CLIENT_ERROR), (500, 1, ErrorType.SERVER_ERROR),
    (503, 1, ErrorType.SERVER_ERROR), (504, 1, ErrorType.TIMEOUT), (401, 1, ErrorType.AUTH_ERROR),
    (422, 1, ErrorType.VALIDATION_ERROR), (404, 100, ErrorType.CLIENT_ERROR),
    (401, 800, ErrorType.AUTH_ERROR), (403, 805, ErrorType.AUTH_ERROR),
    (400, 900, ErrorType.VALIDATION_ERROR), (429, 200, "governed"), (429, 300, "governed"),
    (503, 401, "governed"), (403, 500, "governed"), (503, 3, "governed"), (503, 1100, "governed"),
    (504, 5, ErrorType.TIMEOUT),
]  # fmt: skip


@pytest.mark.parametrize(("status", "reason", "wanted"), TYPES)
def test_a_response_is_of_exactly_one_type(
    monitor: ApiMonitor, status: int, reason: int, wanted: ErrorType | str | None
) -> None:
    monitor.record_request(1)
    monitor.record_response(1, http_status=status, reason=reason, latency_ns=1)
    metrics = monitor.get_metrics()
    assert sum(metrics.errors.values()) == metrics.failed_requests
    assert metrics.errors == {kind: int(kind == wanted) for kind in ErrorType}
    assert metrics.governed_requests == (wanted == "governed")


def test_a_client_that_goes_away_is_a_client_error(monitor: ApiMonitor) -> None:
    monitor.record_request(1)
    monitor.record_cancel(1, latency_ns=5)
    metrics = monitor.get_metrics(1)
    assert (metrics.cancelled_requests, metrics.errors[ErrorType.CLIENT_ERROR]) == (1, 1)


@pytest.mark.parametrize("kind", list(ErrorType))
def test_record_error_counts_the_type_it_was_told(monitor: ApiMonitor, kind: ErrorType) -> None:
    monitor.record_request(1)
    monitor.record_error(1, kind)
    assert monitor.get_metrics().errors == {each: int(each == kind) for each in ErrorType}


# -- windows --------------------------------------------------------------------------------------
def test_throughput_is_what_ended_in_the_last_whole_second(monitor: ApiMonitor) -> None:
    for n in range(5):
        served(monitor, now=n * S // 5, status=500 if n == 0 else 200)
    assert monitor.get_throughput(now_ns=S - 1).rps == 0, "the running second does not count"
    rates = monitor.get_throughput(1, now_ns=S)
    assert (rates.rps, rates.second_error_count, rates.minute_count) == (5, 1, 0)
    before = monitor.snapshot()
    assert monitor.get_throughput(now_ns=2 * S).rps == 0
    rates = monitor.get_throughput(now_ns=60 * S)
    assert (rates.minute_count, rates.minute_error_count, rates.minute_p99_ns) == (5, 1, MS)
    assert monitor.get_throughput(now_ns=120 * S).minute_count == 0
    assert monitor.snapshot() == before, "reading closes no window"


def test_gauges_are_of_the_last_whole_minute(monitor: ApiMonitor) -> None:
    for _ in range(3):
        served(monitor, status=500, latency=800 * MS)
    assert monitor.gauges(1, now_ns=59 * S).errors_per_minute == 0
    at_once = monitor.gauges(1, now_ns=60 * S)
    assert (at_once.errors_per_minute, at_once.latency_p99_ns) == (3, 800 * MS)
    monitor.record_request(1, now_ns=61 * S)
    assert monitor.gauges(1) == at_once, "a write that closes the minute says the same"
    assert monitor.gauges(1, now_ns=120 * S).latency_p99_ns == 0
    assert monitor.gauges(9).errors_per_minute == 0


def test_reset_clears_windows_and_no_counter(monitor: ApiMonitor) -> None:
    for n in range(3):
        served(monitor, latency=n + 1)
    exported = monitor.export_openmetrics()
    monitor.reset_metrics()
    assert monitor.export_openmetrics() == exported
    assert monitor.get_p99_latency() == monitor.calculate_percentile(LatencyBucket.MAX) == 0
    assert monitor.get_service_metrics(1).latency_samples == monitor.recent_samples() == ()
    assert monitor.get_throughput(now_ns=60 * S).minute_count == 0
    assert monitor.get_total_requests() == 3 and monitor.stats().reset_count == 1
    assert monitor.valid() == 0


def test_samples_are_rings_that_feed_no_percentile(monitor: ApiMonitor) -> None:
    for n in range(1, 1101):
        served(monitor, n % 2, latency=n, now=n)
    row = monitor.get_service_metrics(1)
    assert row.latency_samples == tuple(range(1099 - 2 * 127, 1100, 2))
    recent = monitor.recent_samples()
    assert [x.latency_ns for x in recent] == list(range(77, 1101)) and recent[0].at_ns == 77
    assert monitor.calculate_percentile(LatencyBucket.MIN) == 1, "older than any sample"


# -- tables that are full -------------------------------------------------------------------------
def test_a_full_table_folds_and_sums_stay_exact(monitor: ApiMonitor) -> None:
    """O1: ten thousand names, 256 rows; nothing is lost."""
    for n in range(10_000):
        served(monitor, n, status=500 if n % 10 == 0 else 200, latency=n, caller=n)
    stats = monitor.stats()
    assert (stats.service_count, stats.edge_count, stats.inflight_count) == (256, 256, 0)
    assert (stats.folded_count, stats.edge_folded_count) == (2 * 9_744, 9_744)
    rows = [monitor.get_metrics(id) for id in (*monitor.services(), "other")]
    assert sum(row.total_requests for row in rows) == monitor.get_total_requests() == 10_000
    failed = sum(row.failed_requests for row in rows)
    assert failed == monitor.get_metrics().failed_requests == 1_000
    edges = monitor.dependencies()
    assert sum(edge.ended_count for edge in edges) == 10_000
    assert edges[0].other and edges[0].ended_count == 9_744
    families = text_string_to_metric_families(monitor.export_openmetrics())
    requests = next(x for x in families if x.name == "raygate_api_requests")
    assert len(requests.samples) == 257 and sum(x.value for x in requests.samples) == 10_000
    assert monitor.valid() == 0


def test_dependencies_know_callers(monitor: ApiMonitor) -> None:
    served(monitor, 1, caller=7, latency=5)
    served(monitor, 1, caller=7, status=500, latency=6)
    served(monitor, 2, caller=None)
    cells = {(x.caller_id, x.service_id): (x.ended_count, x.error_count, x.latency_ns)
             for x in monitor.dependencies() if not x.other}  # fmt: skip
    assert cells == {(7, 1): (2, 1, 11), (None, 2): (1, 0, MS)}


def test_a_new_generation_begins_anew(monitor: ApiMonitor) -> None:
    served(monitor, 3)
    served(monitor, 3 | 1 << 16)
    served(monitor, 3)
    assert monitor.services() == (3 | 1 << 16,)
    assert monitor.get_total_requests("other") == 2 and monitor.valid() == 0


def test_counts_follow_the_names_of_services(monitor: ApiMonitor) -> None:
    for service, times in ((0, 1), (1, 2), (2, 3)):
        for _ in range(times):
            served(monitor, service, caller=service)
    monitor.record_request(1)
    monitor.move_services(["a", "b", "c"], ["c", "a"])
    monitor.move_callers(["x", "y", "z"], ["z"])
    assert {id: monitor.get_total_requests(id) for id in monitor.services()} == {0: 3, 1: 1}
    other = monitor.get_metrics("other")
    assert (other.total_requests, other.inflight_requests) == (3, 1)
    cells = {(x.caller_id, x.service_id) for x in monitor.dependencies() if not x.other}
    assert cells == {(0, 0)} and monitor.valid() == 0
    monitor.record_response(1, latency_ns=1)
    assert monitor.get_metrics("other").inflight_requests == 0, "its start was there"


# -- exports --------------------------------------------------------------------------------------
def test_the_export_is_one_valid_exposition(monitor: ApiMonitor) -> None:
    for latency in (1, 64, 65, 10**9, 10**12):
        served(monitor, latency=latency)
    text = monitor.export_openmetrics(services={1: "api"})
    assert text == monitor.export_openmetrics(services={1: "api"}) and text.endswith("\n# EOF\n")
    heads = [line for line in text.splitlines() if line.startswith("#") and line != "# EOF"]
    assert len(heads) == len(set(heads))
    families = {x.name: x for x in text_string_to_metric_families(text)}
    samples = families["raygate_api_latency_seconds"].samples
    mine = [x for x in samples if x.labels["service"] == "api"]
    buckets = [x for x in mine if x.name.endswith("_bucket")]
    counts = [x.value for x in buckets]
    assert len(buckets) == 32 and counts == sorted(counts) and counts[-1] == 5
    assert buckets[-1].labels["le"] == "+Inf"
    assert (buckets[0].labels["le"], buckets[0].value) == ("0.000000064", 2)
    assert next(x.value for x in mine if x.name.endswith("_count")) == 5
    assert next(x.value for x in mine if x.name.endswith("_sum")) == pytest.approx(1001.00000013)
    assert '_sum{service="api"} 1001.000000130\n' in text
    histogram = monitor.get_latency_histogram(1)
    assert [x.count for x in histogram] == counts and histogram[-1].le_ns is None
    assert monitor.get_latency_histogram(1, duration=Duration.WAIT)[0].count == 5


@pytest.mark.parametrize("name", [b'a"b', b"a\\b", b"a\nb", b"\xff\xfe", b"\x1b[31m", b"x" * 47])
def test_a_hostile_label_is_escaped(monitor: ApiMonitor, name: bytes) -> None:
    """O2: quotes, backslashes, line feeds, bytes that are no text."""
    served(monitor, 0, caller=0)
    text = monitor.export_openmetrics(services={0: name}, callers={0: name})
    assert all(0x20 <= ord(c) <= 0x7E or c == "\n" for c in text)
    families = {x.name: x for x in text_string_to_metric_families(text)}
    label = families["raygate_api_requests"].samples[0].labels["service"]
    plain = "".join(chr(c) if 0x20 <= c < 0x7F or c == 10 else f"\\x{c:02x}" for c in name)
    assert label == plain
    with pytest.raises(ArgumentError):
        monitor.export_openmetrics(services={0: b"y" * 10_000})


def test_json_holds_every_sample(monitor: ApiMonitor) -> None:
    served(monitor, 0, latency=5, caller=1)
    served(monitor, 0, latency=6, status=500, caller=1)
    told = json.loads(monitor.export_json(services={0: "api"}))
    assert [row["row"] for row in told["rows"]] == ["all", "other", "service"]
    row = told["rows"][2]
    assert (row["service"], row["latency_samples"], row["server"]) == ("api", [5, 6], 1)
    assert [x["latency_ns"] for x in told["recent"]] == [5, 6]
    assert told["edges"][1]["ended"] == 2 and told["edges"][0]["other"] is True


def test_a_monitor_of_a_kernel_reads_its_state() -> None:
    kernel = Kernel(profile="tiny")
    monitor = ApiMonitor(kernel=kernel)
    served(monitor)
    assert json.loads(kernel.shell("apimon status --json").text)["requests"] == 1
    assert "# EOF" in kernel.shell("apimon export").text and monitor.valid() == 0


def test_a_file_sets_guards_on_what_is_monitored() -> None:
    kernel = Kernel(profile="tiny")
    compiled = config.loads(
        'version = 1\n[service.api]\n[tenant.acme]\n'
        '[[quota]]\nname = "day"\nservice = "api"\nlimit = 10\nwindow = "day"\n'
        'guards = { errors = "5/s", latency_p99 = "800ms" }\n',
        profile="tiny",
    )
    kernel.configure(compiled)
    quota = QuotaManager(kernel=kernel)
    assert quota.get_allocation(quota.find_quota("day")).guards == {
        QuotaDimension.ERRORS_PER_MIN: 300,
        QuotaDimension.LATENCY_P99: 800 * MS,
    }
    monitor = ApiMonitor(kernel=kernel)
    for _ in range(300):
        served(monitor, 0, status=500)
    now = 60 * S
    for at, granted in ((now - 1, True), (now, False), (2 * now, True)):
        seen = monitor.gauges(0, now_ns=at)
        quota.observe(
            errors_per_minute=seen.errors_per_minute, latency_p99_ns=seen.latency_p99_ns
        )
        answer = quota.check_quota(None, tenant_id=0, service_id=0, now_ns=at)
        assert answer.granted == granted, at


def test_an_exchange_is_its_start_and_its_end() -> None:
    def event(monitor: ApiMonitor, kind: str, **more: int) -> object:
        kind_of = getattr(monitor.lib, f"RAY_APIMON_{kind}")
        return monitor.ffi.new("ray_apimon_event *", {"kind": kind_of, "request_bytes": 7, **more})

    once, twice = ApiMonitor(profile="tiny"), ApiMonitor(profile="tiny")
    dice = random.Random(4)
    most = once.lib.RAY_APIMON_SERVICE_MAX + 3  # rows run out: the rest is one row
    for at in range(0, 90 * S, S // 4):
        end = dict(service=dice.randrange(most) | dice.randrange(2) << 16, caller=dice.randrange(9),
                   http_status=dice.choice((200, 404, 429, 500, 503)), response_bytes=at % 100)
        once.lib.ray_apimon_exchange(once._state, at, event(once, "FINISHED", **end))
        start = event(twice, "STARTED", service=end["service"], caller=end["caller"])
        twice.lib.ray_apimon_note(twice._state, at, start)
        twice.lib.ray_apimon_note(twice._state, at, event(twice, "FINISHED", **end))
    size = once.lib.ray_apimon_bytes()
    assert bytes(once.ffi.buffer(once._state, size)) == bytes(twice.ffi.buffer(twice._state, size))
    assert once.valid() == twice.valid() == 0
    assert once.get_total_requests() == 360
