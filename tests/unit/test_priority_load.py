# SPDX-License-Identifier: MIT
"""priority: [queue] and [sla.NAME] from the file to the core; no hostile row gets past the check;
who waits goes on waiting when the rules or the services' places change."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim import config
from host_sim.config import layout
from host_sim.kernel import Kernel
from host_sim.modules.priority import FlowBy, Leave, PriorityScheduler, RequestPriority
from tests.configs import rows_of, sealed

MS, S = 10**6, 10**9
OK, ARGUMENT, UNKNOWN, FULL, EXISTS, RANGE = 0, -1, -2, -4, -5, -7
CRITICAL, HIGH, NORMAL, LOW, BATCH = RequestPriority

FILE = """version = 1
[service.orders]
[service.search]
[sla.search]
p95_latency = "20ms"
[sla.orders]
priority = "critical"
p95_latency = "150ms"
deadline = "1s"
error_rate = "0.5%"
[queue]
weights = { critical = 5, batch = 3 }
critical_cap = "20%"
servers = 7
flows = 2
flow_by = "tenant"
on_full = "reject"
order = "deadline"
[queue.service.search]
servers = 4
"""


# -- the file -------------------------------------------------------------------------------------
def test_every_key_of_the_file_reaches_the_core() -> None:
    kernel = Kernel(config=config.loads(FILE).blob)
    queue = PriorityScheduler(kernel=kernel)
    rules = queue.get_rules()
    assert rules.weights == (5, 8, 4, 2, 3) and rules.critical_cap == 20
    assert (rules.servers, rules.depth, rules.flows) == (7, 256, 2)
    assert rules.flow_by is FlowBy.TENANT and not rules.displace and rules.earliest_deadline
    assert rules.bound == -(-22 * 100 // 80)
    search = queue.get_queue(1)
    assert (search.servers, search.depth, search.flows, search.own) == (4, 256, 2, True)
    orders = queue.get_sla(0)
    assert (orders.p95_latency_ns, orders.deadline_ns) == (150 * MS, S)
    assert (orders.error_rate_threshold, orders.priority_level) == (50, CRITICAL)
    assert queue.get_sla(1).deadline_ns == 20 * MS and queue.get_sla(1).priority_level is None
    assert [sla.service_id for sla in queue.slas()] == [0, 1]
    assert kernel.valid() == 0


def test_a_file_without_a_queue_has_the_defaults_and_not_a_byte_of_it() -> None:
    bare = "version = 1\n[service.a]\n"
    assert config.loads(bare).blob == config.loads(bare + "[queue]\ndepth = 256\n").blob
    kernel = Kernel(config=config.loads(FILE).blob)
    kernel.configure(config.loads(bare).blob)
    rules = PriorityScheduler(kernel=kernel).get_rules()
    assert rules.bound == 78 and rules.servers == 0
    assert PriorityScheduler(kernel=kernel).slas() == ()


BAD = [
    ("[sla.order]\np95_latency = '1s'", "unknown-reference", 'no service "order"'),
    ("[sla.orders]\np95_latency = '0s'", "out-of-range", "longer than 0"),
    ("[sla.orders]\npriority = 'high'", "missing-key", "p95_latency"),
    ("[sla.orders]\np95_latency = '1s'\nerror_rate = '0.005%'", "out-of-range", "0.01%"),
    ("[sla.orders]\np95_latency = '1s'\npriority = 'hgh'", "bad-choice", '"high"'),
    ("[queue]\ncritical_cap = '91%'", "out-of-range", "0% to 90%"),
    ("[queue]\ncritical_cap = '1.5%'", "out-of-range", "whole percentage"),
    ("[queue]\nweights = { high = 0 }", "out-of-range", "at least 1"),
    ("[queue]\nweights = { high = 1001 }", "out-of-range", "at most 1000"),
    ("[queue]\nweights = { hgh = 1 }", "unknown-key", '"high"'),
    ("[queue]\nflows = 9", "out-of-range", "at most 8"),
    ("[queue]\ndepth = 0", "out-of-range", "at least 1"),
    ("[queue]\non_full = 'drop'", "bad-choice", "displace"),
    ("[queue]\nservers = 65537", "out-of-range", "65536"),
    ("[queue.service.serch]\nservers = 1", "unknown-reference", 'no service "serch"'),
    ("[queue.service.orders]", "conflict", "says nothing"),
    ("[queue.service.orders]\nflows = 9", "out-of-range", "at most 8"),
]


@pytest.mark.parametrize(("text", "code", "words"), BAD)
def test_what_is_wrong_is_named_where_it_stands(text: str, code: str, words: str) -> None:
    found = config.examine(f"version = 1\n[service.orders]\n{text}\n".encode()).findings
    assert [one.code for one in found] == [code]
    assert words in found[0].message and found[0].line >= 3


def test_a_queue_in_which_nothing_waits_is_pointed_out() -> None:
    def notes(text: str) -> list[str]:
        found = config.examine(f"version = 1\n[service.a]\n{text}\n".encode())
        assert found.findings == []
        return [one.code for one in found.notes if one.code == "note-no-wait"]

    assert notes("[queue]\ndepth = 3") == ["note-no-wait"]
    assert notes("[queue]\nservers = 3") == notes("[queue.service.a]\nservers = 1") == []
    assert notes("") == []


# -- hostile rows ---------------------------------------------------------------------------------
QUEUE: dict[str, Any] = dict(
    weight=[1, 1, 1, 1, 1], critical_cap=0, servers=0, depth=1, flows=1, displace=0,
    earliest_deadline=0, flow_by=0,
)  # fmt: skip
SERVICE = dict(service=0, servers=0, depth=1, flows=1)
SLA = dict(p95_latency_ns=1, deadline_ns=0, service=0, error_rate_bp=0, priority=0)
HOSTILE = [
    *((layout.QUEUE, {"weight": [*[1] * i, bad, *[1] * (4 - i)]}, RANGE, "weight")
      for i in range(5) for bad in (0, 1001, 2**32 - 1)),
    (layout.QUEUE, {"critical_cap": 91}, RANGE, "critical_cap"),
    (layout.QUEUE, {"critical_cap": 100}, RANGE, "critical_cap"),
    (layout.QUEUE, {"critical_cap": 2**32 - 1}, RANGE, "critical_cap"),
    (layout.QUEUE, {"servers": 65_537}, RANGE, "servers"),
    (layout.QUEUE, {"depth": 0}, RANGE, "depth"),
    (layout.QUEUE, {"depth": 65_537}, RANGE, "depth"),
    (layout.QUEUE, {"flows": 0}, RANGE, "flows"),
    (layout.QUEUE, {"flows": 9}, RANGE, "flows"),
    (layout.QUEUE, {"displace": 2}, ARGUMENT, "displace"),
    (layout.QUEUE, {"earliest_deadline": 2}, ARGUMENT, "earliest_deadline"),
    (layout.QUEUE, {"flow_by": 3}, ARGUMENT, "flow_by"),
    (layout.SERVICE_QUEUE, {"service": 2}, UNKNOWN, "service"),
    (layout.SERVICE_QUEUE, {"service": 2**32 - 1}, UNKNOWN, "service"),
    (layout.SERVICE_QUEUE, {"service": 65_536}, UNKNOWN, "service"),
    (layout.SERVICE_QUEUE, {"servers": 65_537}, RANGE, "servers"),
    (layout.SERVICE_QUEUE, {"depth": 0}, RANGE, "depth"),
    (layout.SERVICE_QUEUE, {"flows": 0}, RANGE, "flows"),
    (layout.SLA, {"service": 2}, UNKNOWN, "service"),
    (layout.SLA, {"p95_latency_ns": 0}, RANGE, "p95_latency_ns"),
    (layout.SLA, {"p95_latency_ns": 2**63}, RANGE, "p95_latency_ns"),
    (layout.SLA, {"deadline_ns": 2**63}, RANGE, "deadline_ns"),
    (layout.SLA, {"error_rate_bp": 10_001}, RANGE, "error_rate_bp"),
    (layout.SLA, {"priority": 5}, ARGUMENT, "priority"),
    (layout.SLA, {"priority": 254}, ARGUMENT, "priority"),
]  # fmt: skip
GOOD = {layout.QUEUE: QUEUE, layout.SERVICE_QUEUE: SERVICE, layout.SLA: SLA}


def blob_of(kind: int, *rows: dict[str, Any]) -> bytes:
    """A sealed configuration with two services and these rows."""
    text = "version = 1\n[service.a]\n[service.b]\n"
    text += {
        layout.QUEUE: "[queue]\ndepth = 9\n",
        layout.SERVICE_QUEUE: "[queue.service.a]\nservers = 1\n[queue.service.b]\nservers = 1\n",
        layout.SLA: "[sla.a]\np95_latency = '1s'\n[sla.b]\np95_latency = '1s'\n",
    }[kind]
    blob = bytearray(config.loads(text).blob)
    count = int.from_bytes(blob[16:20], "little")
    for at in range(24, 24 + 16 * count, 16):
        section = layout.Section.parse(bytes(blob[at : at + 16]))
        if section.kind == kind:
            built = b"".join(layout.ROWS[kind].build(row) for row in rows)
            blob[section.offset : section.offset + len(built)] = built
    return sealed(bytes(blob))


@pytest.mark.parametrize("at", range(len(HOSTILE)))
def test_a_hostile_field_is_refused_by_name_and_changes_no_byte(at: int) -> None:
    kind, change, status, field = HOSTILE[at]
    kernel = Kernel(config=config.loads(FILE).blob)
    before = kernel.snapshot()
    first = {**GOOD[kind], "service": 1} if kind != layout.QUEUE else {}
    rows = [{**GOOD[kind], **change}] if kind == layout.QUEUE else [
        first, {**GOOD[kind], **change}]  # fmt: skip
    with pytest.raises(Exception) as caught:
        kernel.configure(blob_of(kind, *rows))
    assert getattr(caught.value, "status", None) == status
    assert f"{field}:" in str(caught.value)
    assert kernel.snapshot() == before


@pytest.mark.parametrize("kind", [layout.SERVICE_QUEUE, layout.SLA])
def test_a_service_stands_once(kind: int) -> None:
    kernel = Kernel()
    with pytest.raises(Exception, match="row 1, service: stands there twice"):
        kernel.configure(blob_of(kind, GOOD[kind], GOOD[kind]))


@pytest.mark.parametrize("kind", [layout.QUEUE, layout.SERVICE_QUEUE, layout.SLA])
def test_reserved_bytes_are_zero(kind: int) -> None:
    """Byte by byte: whatever is changed in the reserved places is refused."""
    held = {layout.QUEUE: range(39, 40), layout.SERVICE_QUEUE: range(0),
            layout.SLA: range(28, 32)}[kind]  # fmt: skip
    blob = blob_of(kind, GOOD[kind], *([] if kind == layout.QUEUE else [
        {**GOOD[kind], "service": 1}]))  # fmt: skip
    place = rows_of(blob)[kind][0]
    Kernel().configure(blob)
    for at in held:
        with pytest.raises(Exception, match="reserved"):
            Kernel().configure(sealed(blob[: place + at] + b"\1" + blob[place + at + 1 :]))


# -- reloads --------------------------------------------------------------------------------------
class Loader:
    """A queue state, configured like the pipeline does it."""

    def __init__(self, services: list[str]) -> None:
        self.queue = PriorityScheduler()
        self.services = services

    def load(self, services: list[str], *, slas: dict[str, int] | None = None,
             own: dict[str, int] | None = None) -> tuple[int, int]:  # fmt: skip
        """Services by name at their places, p95 by service, servers by service."""
        ffi, lib, state = self.queue.ffi, self.queue.lib, self.queue._state

        def names(words: list[str]) -> tuple[Any, Any]:
            at = ffi.new("ray_name[]", max(1, len(words)))
            for name, word in zip(at, words, strict=False):
                name.at = word.encode()
            view = {"at": ffi.cast("uint8_t *", at), "stride": 48, "count": len(words)}
            return ffi.new("ray_names *", view), at

        (old, _keep), (new, _too) = names(self.services), names(services)
        lib.ray_priority_services_move(state, self.queue._now_ns, old, new)
        rows = [
            {"p95_latency_ns": p95, "service": services.index(name), "error_rate_bp": 100,
             "priority": 255}
            for name, p95 in (slas or {}).items()
        ]  # fmt: skip
        overs = [
            {"service": services.index(name), "servers": servers, "depth": 9, "flows": 1}
            for name, servers in (own or {}).items()
        ]
        slas_at = ffi.new("ray_sla_spec[]", rows or 1)
        own_at = ffi.new("ray_service_queue_spec[]", overs or 1)
        all_rows = ffi.new("ray_priority_rows *", {"services": own_at, "slas": slas_at})
        counts = ffi.new("ray_config_counts *", {
            "service_count": len(services), "sla_count": len(rows),
            "service_queue_count": len(overs)})  # fmt: skip
        report = ffi.new("ray_config_report *")
        assert lib.ray_priority_check(all_rows, counts, report) == OK
        lib.ray_priority_load(state, self.queue._now_ns, all_rows, counts, report)
        self.services = services
        assert self.queue.valid() == 0
        return int(report.kept_count), int(report.reset_count)


def test_queues_follow_their_service_to_its_new_place() -> None:
    loader = Loader(["a", "b", "c"])
    queue = loader.queue
    for id in range(9):
        queue.enqueue_request(id, id % 3, RequestPriority(id % 5))
    queue.enqueue_request(90, 2, not_before_ns=50)
    busy = queue.dequeue_next(0)
    assert busy is not None
    loader.load(["c", "x", "a", "b"])
    assert [queue.get_queue(at).busy for at in range(4)] == [0, 0, 1, 0]
    by_service = {at: [r.request_id for r in queue.queued(at)] for at in range(4)}
    assert by_service == {0: [2, 5, 8, 90], 1: [], 2: [3, 6], 3: [1, 4, 7]}
    queue._pass(50)
    assert queue.valid() == 0 and queue.get_queue(0).delayed == 0


def test_entries_of_a_service_that_is_gone_leave() -> None:
    loader = Loader(["a", "b"])
    queue = loader.queue
    for id in range(6):
        queue.enqueue_request(id, id % 2)
    queue.enqueue_request(6, 0, not_before_ns=99)
    out = queue.ffi.new("uint32_t *")
    assert queue.lib.ray_priority_first_of(queue._state, 0, out) == OK
    loader.load(["b"])
    assert queue.stats().left[Leave.GONE] == 4
    assert [one.service_id for one in queue.queued()] == [0, 0, 0]
    assert queue.get_queue(1).lanes == (0, 0, 0, 0, 0)


def test_a_promise_keeps_its_counts_while_it_is_the_same() -> None:
    loader = Loader(["a", "b", "c"])
    queue = loader.queue
    loader.load(["a", "b", "c"], slas={"a": 10, "b": 20})
    for service in (0, 1):
        queue.enqueue_request(1, service)
        got = queue.dequeue_next(service)
        assert got is not None
        queue.complete_request(got, failed=True)
    assert loader.load(["b", "c", "a"], slas={"a": 10, "b": 21, "c": 5}) == (1, 1)
    assert [queue.get_sla_report(at).outcome_count for at in (0, 1, 2)] == [0, 0, 1]
    queue._pass(60 * S)
    queue.enqueue_request(2, 2)
    got = queue.dequeue_next(2)
    assert got is not None
    queue.complete_request(got)
    assert [alert.service_id for alert in queue.get_sla_alerts()] == [2]
    loader.load(["a"], slas={"a": 10})
    assert queue.get_sla_alerts()[0].service_id == 0
    loader.load(["z"])
    assert queue.get_sla_alerts()[0].service_id is None


def test_fewer_servers_hold_back_and_more_let_go() -> None:
    loader = Loader(["a"])
    queue = loader.queue
    loader.load(["a"], own={"a": 2})
    for id in range(4):
        queue.enqueue_request(id, 0)
    assert queue.dequeue_next() is not None and queue.dequeue_next() is not None
    loader.load(["a"], own={"a": 1})
    assert queue.dequeue_next() is None
    loader.load(["a"], own={"a": 3})
    assert queue.dequeue_next() is not None and queue.dequeue_next() is None
    loader.load(["a"])
    assert queue.dequeue_next() is not None


def test_a_live_service_in_an_old_place_begins_anew() -> None:
    """Handles carry a generation: servers occupied for the one before do not count."""
    queue = PriorityScheduler()
    queue.set_service(0, servers=1)
    assert not queue.enqueue_request(1, 0, at_once=True).queued
    later = 1 << 16
    queue.set_service(later, servers=1)
    assert queue.get_queue(later).busy == 0 and not queue.get_queue(0).own
    assert not queue.enqueue_request(2, later, at_once=True).queued
    assert queue.get_queue(later).busy == 1 and queue.valid() == 0


def test_who_stands_in_a_flow_is_sent_from_it_when_another_service_has_none() -> None:
    """The place went to a service of one flow; those that wait for the one before keep theirs."""
    queue = PriorityScheduler()
    queue.set_service(0, servers=0, depth=64, flows=8)
    for id in range(1, 9):
        queue.enqueue_request(id, 0, flow=id)
    assert len({one.flow for one in queue.queued()}) > 2
    queue.enqueue_request(9, 1 << 16)
    order = [queue.dequeue_next(1 << 16) for _ in range(9)]
    assert sorted(got.request_id for got in order if got) == list(range(1, 10))
    assert queue.valid() == 0 and queue.get_queue(0).lanes == (0, 0, 0, 0, 0)


def test_the_kernel_counts_the_queue_among_its_parts_laws_and_book() -> None:
    kernel = Kernel(config=config.loads(FILE).blob)
    queue = PriorityScheduler(kernel=kernel)
    before = kernel.digest()
    queue.configure(servers=3)
    after = kernel.digest()
    assert before.book == after.book and before.state != after.state
    parts = {}
    part = queue.ffi.new("ray_part *")
    index = 0
    while queue.lib.ray_part_read(kernel.ray, index, part) == OK:
        parts[queue.ffi.string(part.name.at)] = int(part.capacity)
        index += 1
    assert parts[b"priority"] == 4096 and len(parts) >= 7
    with pytest.raises(Exception, match="rows"):
        queue.enqueue_request(1, 0)
