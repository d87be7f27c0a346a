# SPDX-License-Identifier: MIT
"""[[alert]]: from text to the core, every wrong key with its place, and what a reload keeps."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from host_sim.config import layout
from host_sim.errors import ArgumentError, ExistsError, RangeError, RaygateError
from host_sim.kernel import Kernel
from host_sim.modules.governance import (
    AlertMetric,
    AlertState,
    EventKind,
    GovernanceCollector,
    GovernanceEvent,
)
from tests.configs import HEAD, alert, codes, compiled, found, rows_of, sealed

S = 1_000_000_000


def configured(text: str, **more: Any) -> tuple[Kernel, GovernanceCollector]:
    """A Kernel of the tiny profile with a file, and its collector."""
    kernel = Kernel(profile="tiny", config=compiled(HEAD + text, profile="tiny", **more))
    return kernel, GovernanceCollector(kernel=kernel)


@pytest.mark.parametrize(
    ("keys", "above", "clear"),
    [
        ({}, 5, 6),
        ({"clear_below": 2}, 5, 2),
        ({"metric": "denied_ratio", "above": "5%"}, 50_000, 50_001),
        ({"metric": "error_ratio", "above": "0.5%", "clear_below": "0.1%"}, 5_000, 1_000),
        ({"metric": "latency_p95", "above": "250ms"}, 250_000_000, 250_000_001),
        ({"metric": "wait", "above": "1s", "service": "b"}, S, S + 1),
        ({"metric": "bytes", "above": "1KiB", "tenant": "acme"}, 1_024, 1_025),
    ],
)
def test_a_line_is_in_the_unit_of_its_metric(keys: dict[str, Any], above: int, clear: int) -> None:
    _, governance = configured(alert(**{"for": "5m", "window": "1min", **keys}))
    (row,) = governance.alerts()
    assert (row.name, row.threshold, row.condition.clear_below) == ("n", above, clear)
    assert (row.condition.for_ns, row.condition.window_ns) == (300 * S, 60 * S)
    assert row.condition.metric.name.lower() == keys.get("metric", "denied")
    assert row.condition.service_id == (1 if "service" in keys else None)
    assert row.condition.tenant_id == (0 if "tenant" in keys else None)


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"above": None}, "missing-key"),
        ({"metric": "denid"}, "bad-choice"),
        ({"metric": "wait"}, "bad-duration"),
        ({"metric": "denied_ratio"}, "bad-percent"),
        ({"above": "5%"}, "bad-choice"),
        ({"above": -1}, "bad-size"),
        ({"above": 2**63}, "out-of-range"),
        ({"clear_below": 7}, "out-of-range"),
        ({"clear_below": 0}, "out-of-range"),
        ({"window": "90m"}, "out-of-range"),
        ({"window": "1500ms"}, "out-of-range"),
        ({"window": "0s"}, "out-of-range"),
        ({"metric": "latency_p95", "above": "1s", "window": "2s"}, "out-of-range"),
        ({"metric": "latency_p95", "above": "1s", "tenant": "acme"}, "conflict"),
        ({"metric": "queued", "tenant": "acme", "service": "a"}, "conflict"),
        ({"thresholds": ["50%"]}, "conflict"),
        ({"of": "5.00"}, "conflict"),
        ({"tenant": "nobody"}, "unknown-reference"),
        ({"service": "nothing"}, "unknown-reference"),
        ({"fore": "1s"}, "unknown-key"),
    ],
)
def test_a_wrong_key_is_found_where_it_stands(keys: dict[str, Any], code: str) -> None:
    assert codes(HEAD + alert(**keys)) == [code]


def test_a_word_of_python_is_a_key_like_any_other() -> None:
    ((line, column, code),) = found(HEAD + alert(**{"for": "5x"}))
    assert (line, column, code) == (10, 7, "bad-duration")
    assert codes(HEAD + alert() + alert()) == ["duplicate-name"]


def test_the_profile_has_room_for_so_many() -> None:
    from host_sim.config.capacities import TINY

    text = HEAD + "".join(alert(name=f"a{i}") for i in range(3))
    assert codes(text, room=TINY) == ["too-many-rows"] and codes(text) == []


# -- the blob -------------------------------------------------------------------------------------
FIELDS = [
    ("name", b"\0", ArgumentError), ("name", b"a b", ArgumentError),
    ("above", struct.pack("<Q", 1 << 63), RangeError), ("clear_below", bytes(8), RangeError),
    ("clear_below", struct.pack("<Q", 7), RangeError),
    ("for_ns", struct.pack("<Q", (1 << 61) + 1), RangeError), ("window_ns", bytes(8), RangeError),
    ("window_ns", struct.pack("<Q", S + 1), RangeError),
    ("window_ns", struct.pack("<Q", 3_601 * S), RangeError),
    ("service", struct.pack("<I", 2), ArgumentError),
    ("tenant", struct.pack("<I", 1), ArgumentError), ("metric", b"\x0c", ArgumentError),
    ("reserved", b"\1", ArgumentError),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "kind"), FIELDS)
def test_a_hostile_row_is_refused_by_field(
    field: str, value: bytes, kind: type[RaygateError]
) -> None:
    blob = compiled(HEAD + alert(), profile="tiny")
    kernel = Kernel(profile="tiny", config=blob)
    start = rows_of(blob)[layout.ALERT][0]
    ffi = GovernanceCollector(profile="tiny").ffi
    at = start + ffi.offsetof("ray_alert_spec", field)
    before = kernel.snapshot()
    with pytest.raises(kind) as caught:
        kernel.configure(sealed(blob[:at] + value + blob[at + len(value) :]))
    assert f"alert, row 0, {field}" in caught.value.what
    assert kernel.snapshot() == before


def test_two_rows_of_one_name_are_refused() -> None:
    blob = compiled(HEAD + alert(name="n1") + alert(name="n2"), profile="tiny")
    start = rows_of(blob)[layout.ALERT][0]
    with pytest.raises(ExistsError):
        Kernel(profile="tiny", config=sealed(blob[: start + 97] + b"1" + blob[start + 98 :]))


# -- reload ---------------------------------------------------------------------------------------
def deny(governance: GovernanceCollector, service: int, tenant: int, now_ns: int) -> None:
    event = GovernanceEvent(EventKind.ADMIT, service, tenant, verdict=2, reason=200)
    governance.note(event, now_ns=now_ns)


def test_what_was_counted_follows_its_name() -> None:
    """Services and tenants change places and one goes: rows, windows and totals stay true."""
    first = "version = 1\n[tenant.t0]\n[tenant.t1]\n[service.a]\n[service.b]\n[service.c]\n"
    second = "version = 1\n[tenant.t1]\n[tenant.t0]\n[service.c]\n[service.b]\n"
    kernel = Kernel(profile="seed", config=compiled(first))
    governance = GovernanceCollector(kernel=kernel)
    for service in range(3):
        for tenant in range(2):
            for _ in range(1 + service + 10 * tenant):
                deny(governance, service, tenant, S)
    kernel.configure(compiled(second))
    assert governance.valid() == 0 and kernel.valid() == 0
    rows = governance.rows("service")
    assert {key: row.denied_count for key, row in rows.items()} == {0: 16, 1: 14}
    assert governance.other("service").denied_count == 12
    tenants = governance.rows("tenant")
    assert {key: row.denied_count for key, row in tenants.items()} == {0: 36, 1: 6}
    assert governance.get_timeline(now_ns=S)[-1].count == 42
    assert governance.get_timeline(service_id=0, tenant_id=0, now_ns=S)[-1].count == 13


def test_an_alert_that_watches_the_same_goes_on() -> None:
    kernel, governance = configured(
        alert(name="one", above=0, window="1s", service="b")
        + alert(name="two", above=0, window="1s")
    )
    for place in range(2):
        deny(governance, place, 0, 0)
    governance.tick(S)
    assert {one.name: one.state for one in governance.alerts()} == {
        "one": AlertState.FIRING, "two": AlertState.FIRING,
    }  # fmt: skip
    text = alert(name="two", above=3, window="1s") + alert(name="one", above=0, window="2s")
    report = kernel.configure(compiled(HEAD + text, profile="tiny"))
    assert (report.kept_count, report.reset_count) == (3, 1)  # with two services
    states = [(one.name, one.threshold, one.state) for one in governance.alerts()]
    assert states == [("two", 3, AlertState.FIRING), ("one", 0, AlertState.INACTIVE)]
    names = {note.alert_id for note in governance.notifications()}
    assert names == {0, 1} and governance.valid() == 0
    live = governance.set_alert_threshold("two", AlertMetric.ERRORS, 1)
    assert live == 0
    kernel.configure(compiled(HEAD, profile="tiny"))
    assert governance.alerts() == () and governance.valid() == 0
    assert {note.alert_id for note in governance.notifications()} == {None}
