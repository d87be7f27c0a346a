# SPDX-License-Identifier: MIT
"""The machine link: the same answers and digests as the host, once each, whatever the wire does."""

from __future__ import annotations

import random
import struct

import pytest

from host_sim.config import load
from host_sim.kernel import Kernel
from shell.link import Kind, Link, frame
from shell.machine import ROOT
from tests.image import vm

pytestmark = pytest.mark.qemu
LINES = [("microvm", "ctl"), ("q35", "ctl"), ("q35-qboot", "ctl"), ("q35-qboot", "com2")]
TARGETS = ["/kernel/health", "/vmm/7", "/storage/a/b", "/nowhere", "/container/1?x=1", "/%zz"]


@pytest.fixture(scope="module")
def blob():
    """The frozen configuration."""
    return load(ROOT / "examples" / "rayos.toml").blob


@pytest.fixture
def link(request):
    """A link to a machine of the kind the test asks for; microvm when it does not."""
    machine, line = getattr(request, "param", LINES[0])
    with vm.boot(machine=machine, link=line) as console:
        yield console.link
        assert console.poweroff().clean


def batch(kernel, count, start_ns, seed=1):
    """Packed rows and their bytes: seeded traffic of every kind of row that needs no state."""
    ffi, lib, dice = kernel.ffi, kernel.lib, random.Random(seed)
    rows, data = ffi.new("ray_row[]", count), bytearray()
    for i in range(count):
        row = rows[i]
        target, user = dice.choice(TARGETS).encode(), f"u{dice.randrange(40)}".encode()
        row.at_ns, row.id = start_ns + i * dice.randrange(3_000_000), i + 1
        row.kind = dice.choice([lib.RAY_ROW_EXCHANGE] * 9 + [lib.RAY_ROW_TICK, 99])
        row.tenant = row.service = 0xFFFFFFFF
        row.method, row.priority, row.flags = dice.choice([1, 1, 3]), 255, lib.RAY_ROW_ADDRESS
        row.address.at[15] = dice.randrange(8)
        row.target_at, row.target_length = len(data), len(target)
        row.user_at, row.user_length = len(data) + len(target), len(user)
        data += target + user
    return bytes(ffi.buffer(rows)), bytes(data)


def on_host(kernel, rows, data):
    """The same rows through a core in this process."""
    ffi, lib = kernel.ffi, kernel.lib
    count = len(rows) // ffi.sizeof("ray_row")
    keep_rows = ffi.from_buffer("ray_row[]", rows)
    keep_data = ffi.from_buffer("uint8_t[]", data)
    scratch = ffi.new("uint8_t[]", lib.RAY_TARGET_BYTES_MAX)
    given = ffi.new("ray_rows *", {"row": keep_rows, "bytes": keep_data,
                                   "bytes_length": len(data), "scratch": scratch})
    answers = ffi.new("ray_answer[]", count)
    assert lib.ray_step_batch(kernel.ray, given, count, answers) == 0
    return bytes(ffi.buffer(answers))


@pytest.mark.parametrize("link", LINES, indirect=True, ids="-".join)
def test_rows_get_the_hosts_answers_and_digests(link, blob):
    kernel = Kernel(config=blob)
    link.reset(bytes(16))
    assert link.config(blob).status == 0
    for part in range(3):
        rows, data = batch(kernel, 100, 10**9 * (part + 1), seed=part)
        assert link.rows(rows, data) == on_host(kernel, rows, data)
    ours, theirs = kernel.digest(), link.digest()
    assert (ours.decision, ours.state, ours.book, ours.config) == (
        theirs.decision, theirs.state, theirs.book, theirs.config)
    stats = link.stats()
    assert stats["asked_count"] == kernel.stats()["asked_count"] > 200
    assert stats["error_count"] > 0


def test_snapshot_comes_back_byte_for_byte(link, blob):
    link.reset(bytes(16))
    link.config(blob)
    before = link.digest()
    state = link.snapshot()
    rows, data = batch(Kernel(), 50, 10**9)
    link.rows(rows, data)
    assert link.digest().decision != before.decision
    link.restore(state)
    assert link.digest() == before


def test_a_repeated_frame_is_answered_again_and_done_once(link, blob):
    link.reset(bytes(16))
    link.config(blob)
    rows, data = batch(Kernel(), 20, 10**9)
    first = link.rows(rows, data)
    asked = link.stats()["asked_count"]
    payload = struct.pack("<II", 20, len(data)) + rows + data
    link.wire.write(frame(Kind.ROWS, link._seq - 1, payload))       # the seq of the rows
    link._frames.feed(b"")
    replies = []
    while not replies:
        link._frames.feed(link.wire.read(5.0))
        replies = list(link._frames)
    assert replies[0][2] == first
    assert link.stats()["asked_count"] == asked


class Lossy:
    """A wire that loses every third reply and damages every fifth request."""

    def __init__(self, wire):
        self.wire, self.reads, self.writes = wire, 0, 0

    @property
    def closed(self):
        return self.wire.closed

    def read(self, timeout_s):
        data = self.wire.read(timeout_s)
        self.reads += bool(data)
        return b"" if data and self.reads % 3 == 0 else data

    def write(self, data):
        self.writes += 1
        bad = bytearray(data)
        if self.writes % 5 == 0:
            bad[len(bad) // 2] ^= 0x10
        self.wire.write(bytes(bad))

    def close(self):
        self.wire.close()


def test_a_lossy_wire_costs_time_and_nothing_else(link, blob):
    lossy = Link(Lossy(link.wire), timeout_s=1.3, tries=8)      # a cut frame is dropped after 1 s
    kernel = Kernel(config=blob)
    lossy.reset(bytes(16))
    assert lossy.config(blob).status == 0
    for part in range(6):
        rows, data = batch(kernel, 30, 10**9 * (part + 1), seed=part)
        assert lossy.rows(rows, data) == on_host(kernel, rows, data)
    assert lossy.resent_count > 0
    assert lossy.digest().decision == kernel.digest().decision


def test_noise_before_a_frame_is_skipped(link):
    dice = random.Random(7)
    link.wire.write(bytes(dice.randrange(256) for _ in range(5000)) + b"RG\x01\x03")
    again = Link(link.wire, timeout_s=2.0)
    assert again.run("version")[0] == 0


def test_a_refused_request_says_why(link):
    from host_sim.errors import RaygateError

    with pytest.raises(RaygateError):
        link.reset(b"short")
    with pytest.raises(RaygateError):
        link.request(Kind.ROWS, struct.pack("<II", 5, 0))
    assert link.run("version")[0] == 0


def test_time_can_be_an_input(link):
    assert link.clock(vm.WALL_NS, virtual=True) == vm.WALL_NS
    assert link.stats()["clock_virtual"] == 1
    assert link.clock(0, virtual=False) >= vm.WALL_NS
    assert link.stats()["clock_virtual"] == 0


def test_the_console_line_can_be_lent_and_comes_back():
    with vm.boot(link="none") as console:
        state = console.link.digest()
        assert console.link.run("version")[0] == 0
        console.leave_link()
        assert console.json("digest")["book"] == state.book
        assert console.poweroff().clean


def test_console_and_link_work_side_by_side():
    with vm.boot() as console:
        for _ in range(5):
            assert console.link.run("version")[1] == console.run("version")
        assert console.poweroff().clean
