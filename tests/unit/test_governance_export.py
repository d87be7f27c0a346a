# SPDX-License-Identifier: MIT
"""governance: exports read back to the same numbers, whatever a name may be."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from host_sim import _raw
from host_sim.errors import ArgumentError
from host_sim.modules.governance import (
    AlertMetric,
    CostMetric,
    EventKind,
    GovernanceCollector,
    GovernanceEvent,
    PolicyMetric,
    RateLimitMetric,
)
from tests.data import data
from tests.expositions import LABEL, samples, unescaped

S = 1_000_000_000
COLUMNS = (
    "offered", "denied", "dropped", "preempted", "dispatched", "queued", "violations", "done",
    "failed", "tokens", "bytes", "wait_ns", "cost_nano",
)  # fmt: skip
HOSTILE = [
    b'quo"te', b"back\\slash", b"line\nfeed", b"\xff\xfe", b"\x1b[31m", b"\x9b\x07", b"=cmd|x",
    b"+1", b"-1", b"@x", b"\tt", b"a,b", b"\r", "g\u00fcl".encode(),
]  # fmt: skip


@pytest.fixture
def governance() -> GovernanceCollector:
    """A collector that has seen a little of everything."""
    collector = GovernanceCollector()
    for service in range(3):
        collector.record_rate_limit(RateLimitMetric(service, 0, 2, 1, 5, 40 + service, service))
        collector.record_cost_event(CostMetric(service, service, 1_500_000_000 - service, 0))
    collector.record_cost_event(CostMetric(None, 2, -7_000_000_001, 4))
    collector.note(GovernanceEvent(EventKind.DROPPED, 1, 1))
    collector.record_policy_event(PolicyMetric(3, 4, 2, 1))
    collector.set_alert_threshold("loud", AlertMetric.DENIED, 0, window_ns=S)
    collector.record_rate_limit(RateLimitMetric(1, S, 0, 3, 0, 0))
    collector.tick(3 * S)
    return collector


# -- formats --------------------------------------------------------------------------------------
def test_csv_and_json_hold_the_same_numbers(governance: GovernanceCollector) -> None:
    rows = list(csv.DictReader(io.StringIO(governance.export_metrics("csv"))))
    document = json.loads(governance.export_metrics("json"))
    assert tuple(rows[0])[3:] == COLUMNS
    scopes = [row["scope"] for row in rows]
    assert scopes == (
        ["total"] + ["service"] * 4 + ["service_other"] + ["tenant"] * 4 + ["tenant_other"]
    )
    wanted = [document["total"], *document["services"], *document["tenants"]]
    for row, other in zip(rows, wanted, strict=True):
        assert {name: int(row[name]) for name in COLUMNS} == {n: other[n] for n in COLUMNS}
    counts = governance.counts()
    assert int(rows[0]["offered"]) == counts.offered_count == 12
    assert int(rows[0]["cost_nano"]) == counts.cost_nano == -2_500_000_004
    assert document["reasons"] == [{"reason": 200, "denied": 6}]
    assert document["policies"][0]["matches"] == 4 and document["alerts"][0]["fired"] == 1
    assert governance.export_metrics("json") == governance.export_metrics("json")
    with pytest.raises(ArgumentError):
        governance.export_metrics("xml")  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["prometheus", "openmetrics"])
def test_an_exposition_reads_back(governance: GovernanceCollector, format: Any) -> None:
    text = governance.export_metrics(format, services={0: "orders", 1: "search"})
    found = samples(text)
    assert found["raygate_requests_total", ()] == "12"
    assert found["raygate_service_requests_total", (("service", "orders"),)] == "3"
    assert found["raygate_service_requests_total", (("service", "(2)"),)] == "3"
    assert found["raygate_service_requests_total", (("service", "(other)"),)] == "0"
    assert found["raygate_tenant_cost_units", (("tenant", "(2)"),)] == "-5.500000003"
    assert found["raygate_denied_by_reason_total", (("reason", "rate-limited"),)] == "6"
    assert found["raygate_alert_fired_total", (("alert", "loud"),)] == "1"
    buckets = [
        (float(dict(labels)["le"]), int(value))
        for (name, labels), value in found.items()
        if name == "raygate_wait_seconds_bucket"
    ]
    assert buckets == sorted(buckets) and len(buckets) == 32
    assert buckets[0] == (64e-9, 6) and buckets[-1] == (float("inf"), 6)
    assert found["raygate_wait_seconds_count", ()] == "6"
    assert found["raygate_wait_seconds_sum", ()] == "0.000000246"
    assert text.endswith("# EOF\n") == (format == "openmetrics")
    assert ("# TYPE raygate_requests counter" in text) == (format == "openmetrics")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_from_outside_stays_one_value(governance: GovernanceCollector, name: bytes) -> None:
    """O2 and O4: escaped, nothing but printable bytes and line feeds."""
    exports = {
        format: governance.export_metrics(format, services={1: name})  # type: ignore[arg-type]
        for format in ("json", "prometheus", "openmetrics")
    }
    for text in exports.values():
        assert re.fullmatch(r"[\x20-\x7e\n]*", text)
    labels = {
        dict(labels)["service"]
        for (found, labels) in samples(exports["openmetrics"])
        if found == "raygate_service_requests_total"
    }
    shown = "".join(
        chr(byte) if 0x20 <= byte <= 0x7E or byte == 0x0A else f"\\x{byte:02x}" for byte in name
    )
    assert labels == {"(0)", shown, "(2)", "(none)", "(other)"}
    document = json.loads(exports["json"])
    assert document["services"][1]["name"] == name.decode(errors="replace")


def test_a_cell_cannot_become_a_formula(governance: GovernanceCollector) -> None:
    for name in (b"=cmd|x", b"+1", b"-1", b"@x", b"\tx", b"a,b", b'"'):
        text = governance.export_metrics("csv", tenants={1: name})
        cell = list(csv.reader(io.StringIO(text)))[8][2]
        assert cell[:1] not in ("=", "+", "-", "@", "\t")
        assert cell.removeprefix("'") == name.decode()


def test_a_label_of_ten_thousand_bytes_is_one_label() -> None:
    raw = _raw.load("tiny")
    memory, text = raw.ffi.new("char[]", 60_000), raw.ffi.new("ray_text *")
    value = bytes(range(256)) * 40
    raw.lib.ray_text_init(text, memory, 60_000)
    raw.lib.ray_text_label(text, value, len(value))
    said = bytes(raw.ffi.buffer(memory, text.length)).decode()
    assert re.fullmatch(r"(?:[\x20-\x7e])*", said)
    found = LABEL.fullmatch(f'a="{said}"')
    assert found and len(unescaped(found[2])) == 40 * (95 + 1 + 160 * 4)


# -- other people's parsers -----------------------------------------------------------------------
def test_the_openmetrics_suite_and_our_exposition_pass_the_same_parser(
    governance: GovernanceCollector,
) -> None:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    cases = json.loads(data("openmetrics", "cases.json").read_text())
    cases = cases["cases"] if isinstance(cases, dict) else cases
    wrong = []
    for case in cases:
        try:
            list(parser.text_string_to_metric_families(case["text"]))
            parses = True
        except Exception:  # whatever it raises, it does not parse
            parses = False
        if parses != case["should_parse"]:
            wrong.append(case["name"])
    assert len(cases) == 211 and wrong == []
    ours = governance.export_metrics("openmetrics", services=dict(enumerate(HOSTILE)))
    families = {one.name: one for one in parser.text_string_to_metric_families(ours)}
    total = families["raygate_requests"].samples[0]
    assert (total.name, total.value) == ("raygate_requests_total", 12.0)
    assert families["raygate_wait_seconds"].type == "histogram"


def test_promtool_finds_nothing(governance: GovernanceCollector) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    text = governance.export_metrics("prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
