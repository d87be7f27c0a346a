# SPDX-License-Identifier: MIT
"""metrics of auth, lb, resilience and mediator: an exposition says what the module counts."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from host_sim.kernel import Kernel
from host_sim.modules.apimon import ApiMonitor
from host_sim.modules.auth import AuthenticationManager
from host_sim.modules.lb import LoadBalancer
from host_sim.modules.mediator import RequestMediator
from host_sim.modules.resilience import ResilienceManager
from tests.expositions import samples
from tests.full_stack import config_in, rows_of, step

ROWS = 400
HOSTILE = [b'quo"te', b"back\\slash", b"line\nfeed", b"\xff\xfe", b"\x1b[31m"]


@pytest.fixture
def kernel(tmp_path: pathlib.Path) -> Kernel:
    """A little of everything has happened: refusals, ejections, retries, answers from the cache."""
    kernel = Kernel(config=config_in(tmp_path))
    for seed in range(3):
        step(kernel, *rows_of(kernel, ROWS, seed))
    assert kernel.valid() == 0
    return kernel


def of(text: str, name: str, **labels: str) -> int:
    value = samples(text)[name, tuple(labels.items())]
    return int(value)


def struct_of(kernel: Kernel, module: str) -> Any:
    """The module's statistics, as the core counts them."""
    out = kernel.ffi.new(f"ray_{module}_stats *")
    state = getattr(kernel.lib, f"ray_{module}_of")(kernel.ray)
    getattr(kernel.lib, f"ray_{module}_read")(state, out)
    return out


# A field of the statistics, its sample.
FIELDS = {
    "auth": {
        "asked_count": "auth_asked_total", "denied_count": "auth_denied_total",
        "cache_hit_count": "auth_cache_hits_total", "cache_fill_count": "auth_cache_fills_total",
        "penalty_count": "auth_penalties_total", "anonymous_count": "auth_anonymous_total",
        "jwt_count": "auth_issuers",
    },
    "lb": {
        "granted_count": "lb_granted_total", "ejected_count": "lb_ejections_total",
        "failed_count": "lb_failures_total", "connection_count": "lb_connections",
        "instance_count": "lb_instances", "reused_count": "lb_connections_reused_total",
    },
    "resilience": {
        "asked_count": "resilience_asked_total", "denied_count": "resilience_denied_total",
        "event_count": "resilience_breaker_changes_total", "open_count": "resilience_breakers_open",
        "late_count": "resilience_late_outcomes_total",
    },
    "mediator": {
        "denied_count": "mediator_denied_total", "hit_count": "cache_hits_total",
        "miss_count": "cache_misses_total", "busy_count": "cache_busy_total",
        "stored_count": "cache_stored_total", "expired_count": "cache_expired_total",
        "kept_bytes": "cache_bytes",
    },
}  # fmt: skip
NOT_ZERO = {
    "auth_cache_hits_total", "auth_denied_total", "lb_ejections_total", "lb_failures_total",
    "resilience_denied_total", "resilience_breaker_changes_total", "mediator_denied_total",
    "cache_hits_total", "cache_misses_total", "cache_stored_total",
}  # fmt: skip


@pytest.mark.parametrize("module", FIELDS)
@pytest.mark.parametrize("form", ["prometheus", "openmetrics"])
def test_a_sample_is_what_the_module_counts(kernel: Kernel, module: str, form: str) -> None:
    before = kernel.digest()
    said = kernel.shell(f"{module} export {form}")
    assert said.status == 0 and kernel.digest() == before
    found, stats = samples(said.text), struct_of(kernel, module)
    for field, name in FIELDS[module].items():
        assert found[f"raygate_{name}", ()] == str(getattr(stats, field)), name
        assert name not in NOT_ZERO or found[f"raygate_{name}", ()] != "0", name
    assert said.text.endswith("# EOF\n") == (form == "openmetrics")
    name = f"raygate_{module}_denied"
    total = "" if form == "openmetrics" else "_total"
    assert said.text.count(f"# TYPE {name}{total} counter\n") == 1


def test_refusals_of_auth_have_their_reason(kernel: Kernel) -> None:
    auth = AuthenticationManager(kernel=kernel)
    text, stats = auth.export_openmetrics(), auth.stats()
    found = {
        dict(labels)["reason"]: int(value)
        for (name, labels), value in samples(text).items()
        if name == "raygate_auth_denied_by_reason_total"
    }
    assert {word: number for word, number in found.items() if number} == stats.reasons
    assert stats.reasons["auth-signature"] > 0 and found["auth-locked"] == 0
    assert sum(found.values()) == stats.denied_count and "?" not in found
    assert of(text, "raygate_auth_granted_by_scheme_total", scheme="jwt") == stats.schemes["jwt"]


def test_pools_and_instances_have_samples_of_their_own(kernel: Kernel) -> None:
    lb = LoadBalancer(kernel=kernel)
    text, pool = lb.export_openmetrics(), lb.get_pool(0)
    picked = 0
    for id in pool.instances:
        one = lb.get_instance(id)
        who = {"pool": "orders", "instance": one.at}
        assert of(text, "raygate_instance_picked_total", **who) == one.picked_count
        assert of(text, "raygate_instance_failures_total", **who) == one.failed_count
        assert of(text, "raygate_instance_connections", **who) == one.connections
        assert of(text, "raygate_instance_fit", **who) == one.fit
        assert of(text, "raygate_instance_ejected", **who) == (one.ejected_until_ns > 0)
        picked += one.picked_count
    assert of(text, "raygate_pool_picked_total", pool="orders") == picked > 0
    assert of(text, "raygate_pool_fit_instances", pool="orders") == pool.fit_count


def test_a_drained_and_unhealthy_instance_shows(kernel: Kernel) -> None:
    assert kernel.shell("lb drain orders 10.0.1.1:80").status == 0
    assert kernel.shell("lb health orders 10.0.1.2:80 unhealthy").status == 0
    text = kernel.shell("lb export openmetrics").text
    first, second = ({"pool": "orders", "instance": f"10.0.1.{n}:80"} for n in (1, 2))
    assert of(text, "raygate_instance_draining", **first) == 1
    assert of(text, "raygate_instance_health", **second) == 1
    assert of(text, "raygate_instance_fit", **second) == 0


def test_a_guard_shows_breaker_bulkhead_and_retries(kernel: Kernel) -> None:
    manager = ResilienceManager(kernel=kernel)
    text, guard = manager.export_openmetrics(), manager.get_guard_metrics(0)
    breaker = manager.get_breaker(0)
    orders = {"service": "orders"}
    assert of(text, "raygate_breaker_state", **orders) == int(breaker.state)
    assert of(text, "raygate_breaker_opened_total", **orders) == guard.opened_count > 0
    assert of(text, "raygate_guard_attempts_total", **orders) == guard.call_count
    assert of(text, "raygate_retry_booked_total", **orders) == guard.retry_count > 0
    for word, number in (
        ("retry-attempts", guard.retry_attempts_count), ("retry-budget", guard.retry_budget_count),
        ("retry-method", guard.retry_method_count),
    ):  # fmt: skip
        assert of(text, "raygate_retry_refused_total", **orders, reason=word) == number
    assert of(text, "raygate_bulkhead_used", **orders) == guard.in_use_count
    assert of(text, "raygate_bulkhead_waiting", **orders) == guard.waiting_count
    assert of(text, "raygate_bulkhead_limit", **orders) == 4
    ended = [
        int(value)
        for (name, _), value in samples(text).items()
        if name == "raygate_guard_outcomes_total"
    ]
    assert sum(ended) == sum(guard.ended.values()) > 0
    assert kernel.shell("confirm resilience force orders open").status == 0
    assert of(manager.export_openmetrics(), "raygate_breaker_forced", **orders) == 1


def test_a_guard_without_a_part_has_no_samples_of_it() -> None:
    manager = ResilienceManager(profile="tiny")
    manager.create_bulkhead(1, 2)
    names = {name for name, _ in samples(manager.export_prometheus(services={1: "orders"}))}
    assert "raygate_bulkhead_limit" in names
    assert not names & {"raygate_breaker_state", "raygate_retry_booked_total"}


def test_a_transform_shows_hits_and_refusals(kernel: Kernel) -> None:
    text = RequestMediator(kernel=kernel).export_openmetrics()
    stats = struct_of(kernel, "mediator")
    who = {"transform": "orders"}
    assert of(text, "raygate_transform_cache_hits_total", **who) == stats.hit_count > 0
    assert of(text, "raygate_transform_denied_total", **who) == stats.denied_count > 0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_from_outside_stays_one_label(name: bytes) -> None:
    manager = ResilienceManager(profile="tiny")
    manager.create_bulkhead(1, 2)
    shown = "".join(
        chr(byte) if 0x20 <= byte <= 0x7E or byte == 0x0A else f"\\x{byte:02x}" for byte in name
    )
    text = manager.export_openmetrics(services={1: name})
    assert of(text, "raygate_bulkhead_limit", service=shown) == 2


@pytest.mark.parametrize("form", ["prometheus", "openmetrics"])
def test_one_exposition_holds_every_module_s(kernel: Kernel, form: str) -> None:
    modules = ("auth", "mediator", "lb", "resilience", "apimon", "governance")
    whole = samples(kernel.shell(f"export metrics {form}").text)
    parts = [samples(kernel.shell(f"{word} export {form}").text) for word in modules]
    assert whole == {name: value for part in parts for name, value in part.items()}
    assert len(whole) == sum(map(len, parts))


def test_other_people_s_parser_takes_it(kernel: Kernel) -> None:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    text = kernel.shell("export metrics").text
    assert text.count("# EOF\n") == 1
    families = {one.name: one for one in parser.text_string_to_metric_families(text)}
    assert families["raygate_breaker_state"].samples[0].labels == {"service": "orders"}
    assert families["raygate_bulkhead_wait_seconds"].type == "counter"
    classic = pytest.importorskip("prometheus_client.parser")
    monitor = ApiMonitor(kernel=kernel)
    for said in (kernel.shell("export metrics prometheus").text, monitor.export_prometheus()):
        found = {one.name: one for one in classic.text_string_to_metric_families(said)}
        assert found["raygate_api_requests"].type == "counter" and "# EOF" not in said


def test_a_form_nobody_has_is_refused(kernel: Kernel) -> None:
    said = kernel.shell("export metrics csv")
    assert said.status == -1 and "prometheus or openmetrics" in said.text
    assert kernel.shell("mediator export csv").status == -1
