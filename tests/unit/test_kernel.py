# SPDX-License-Identifier: MIT
"""Kernel: one state, rows in, decisions out; snapshots, forks, the clock gate, leases, audit."""
import threading

import pytest

from host_sim import config as compiler
from host_sim.errors import (
    ArgumentError,
    BusyError,
    ChecksumError,
    ExistsError,
    RangeError,
    StateError,
    TruncatedError,
    UnknownError,
    VersionError,
)
from host_sim.kernel import NEVER, Kernel, RowKind, Verdict
from host_sim.modules.quota import QuotaManager
from tests.kernels import TEXT, S


@pytest.fixture
def kernel():
    return Kernel(config=compiler.loads(TEXT))


def reconfigured(kernel, **changes):
    text = TEXT
    for old, new in changes.items():
        text = text.replace(old, new)
    return kernel.configure(compiler.loads(text))


def test_an_empty_kernel_is_valid_and_knows_no_route():
    kernel = Kernel(profile="tiny")
    assert kernel.valid() == 0
    assert kernel.admit("/", at_ns=5).reason == "no-route"
    assert kernel.stats()["denied_count"] == 1


def test_init_leaves_nothing_of_what_was_there_before():
    kernel = Kernel(profile="tiny")
    fresh = kernel.snapshot()
    kernel.ffi.memmove(kernel.ray_memory(), b"\xa5" * kernel._bytes, kernel._bytes)
    kernel.lib.ray_init(kernel.ray, bytes(16))
    assert kernel.snapshot() == fresh


def test_limit_and_quota_decide_together_or_not_at_all(kernel):
    """The limit allows two at once, the quota four a month: a denial by one spends nothing of the
    other.
    """
    first = [
        kernel.admit("/x", at_ns=S, ip="192.0.2.9", tenant="acme", exchange=True) for _ in range(4)
    ]
    assert [d.verdict for d in first] == [Verdict.ALLOW] * 2 + [Verdict.DENY] * 2
    assert [(d.by, d.retry_after_ns) for d in first[2:]] == [("per-address", S)] * 2
    said = kernel.explain("/x", ip="192.0.2.1", tenant="acme", as_json=True)
    assert said["quota"][0]["left_units"] == 2
    for _ in range(2):
        assert kernel.admit("/x", at_ns=9 * S, ip="192.0.2.9", tenant="acme", exchange=True).allowed
    over = kernel.admit("/x", at_ns=20 * S, ip="192.0.2.9", tenant="acme", exchange=True)
    assert (over.by, over.reason, over.http_status) == ("month", "quota-exceeded", 429)
    assert over.retry_after_ns == 31 * 86400 * S - 20 * S           # until 1970-02-01
    left = kernel.explain("/x", ip="192.0.2.9", as_json=True)["ratelimit"][0]["left_tokens"]
    # the limit was asked but not taken
    assert left == 2


def test_the_largest_retry_binds_when_limit_and_quota_both_deny(kernel):
    for _ in range(2):
        kernel.admit("/x", at_ns=S, ip="192.0.2.9", tenant="acme", exchange=True)
    for i in range(2):
        kernel.admit("/x", at_ns=S, ip=f"192.0.2.{i}", tenant="acme", exchange=True)
    both = kernel.admit("/x", at_ns=S, ip="192.0.2.9", tenant="acme", exchange=True)
    assert (both.by_kind, both.by) == ("quota", "month")


def test_exchange_equals_admit_followed_by_complete_in_everything_that_is_booked(kernel):
    twin = kernel.fork()
    a = kernel.admit("/x", at_ns=S, ip="192.0.2.9", tenant="acme", exchange=True, response_bytes=7)
    b = twin.admit("/x", at_ns=S, ip="192.0.2.9", tenant="acme", response_bytes=7)
    twin.complete(twin.last_id, at_ns=S, response_bytes=7)
    assert a == b
    assert kernel.digest().decision == twin.digest().decision
    highest = {"inflight_count_max": 1}         # what takes no time needs no place
    assert kernel.stats() | highest == twin.stats()


def test_an_id_in_flight_cannot_be_used_twice_and_is_free_again_after(kernel):
    kernel.admit("/x", at_ns=S, id=7)
    before = kernel.snapshot()
    with pytest.raises(ExistsError):
        kernel.admit("/x", at_ns=S, id=7)
    assert kernel.stats()["error_count"] == 1
    assert len(before) == len(kernel.snapshot())
    assert kernel.complete(7, at_ns=2 * S).verdict == Verdict.COMPLETE
    with pytest.raises(UnknownError):
        kernel.complete(7, at_ns=2 * S)
    assert kernel.admit("/x", at_ns=5 * S, id=7).allowed


def test_a_bad_row_changes_the_error_count_and_nothing_else(kernel):
    for bad in ({"tenant": "nobody"}, {"service": "nothing"}):
        before = kernel.snapshot()
        with pytest.raises(UnknownError):
            kernel.admit("/x", at_ns=S, **bad)
        assert kernel.snapshot() == before
    for bad, error in (({"request_bytes": 2**60}, RangeError), ({"priority": 9}, ArgumentError)):
        twin = kernel.fork()
        with pytest.raises(error):
            kernel.admit("/x", at_ns=99 * S, **bad)
        a, b = kernel.stats(), twin.stats()
        assert a.pop("error_count") == b.pop("error_count") + 1
        assert a == b
        assert kernel.digest().book == twin.digest().book


def test_a_row_that_names_no_service_does_not_even_move_the_clock(kernel):
    twin = kernel.fork()
    kernel._fill(RowKind.EXCHANGE, 50 * S, 1, 0)
    kernel._row.service = 77
    with pytest.raises(UnknownError):
        kernel._step_one(b"", "row")
    assert kernel.stats()["now_ns"] == twin.stats()["now_ns"]
    assert kernel.digest().book == twin.digest().book


def test_offsets_outside_the_arena_are_refused(kernel):
    kernel._fill(RowKind.EXCHANGE, S, 1, 0)
    kernel._row.target_at, kernel._row.target_length = 3, 0xFFFFFFFF
    with pytest.raises(TruncatedError):
        kernel._step_one(b"/abc", "row")
    kernel._row.target_at, kernel._row.target_length = 0xFFFFFFFF, 4
    with pytest.raises(TruncatedError):
        kernel._step_one(b"/abc", "row")


def test_no_outcome_by_the_deadline_returns_everything(kernel):
    sent = kernel.admit("/x", at_ns=S, tenant="acme", ip="192.0.2.1")
    held = kernel.admit("/x", at_ns=S, tenant="acme", ip="192.0.2.2", refundable=True)
    assert sent.allowed and held.allowed
    assert kernel.stats()["queued_count"] == 1
    kernel.tick(3 * S - 1)
    assert kernel.stats()["inflight_count"] == 2
    kernel.tick(3 * S)
    stats = kernel.stats()
    assert (stats["inflight_count"], stats["expired_count"], stats["queued_count"]) == (0, 2, 0)
    assert (stats["dropped_count"], stats["refunded_count"]) == (1, 1)
    said = kernel.explain("/x", tenant="acme", ip="192.0.2.2", as_json=True)
    # the sent one is kept, the held one was given back
    assert said["quota"][0]["left_units"] == 3
    assert said["ratelimit"][0]["left_tokens"] == 2


@pytest.mark.parametrize("ticked", [False, True])
def test_an_outcome_after_the_deadline_is_refused_whether_or_not_a_tick_came_first(kernel, ticked):
    kernel.admit("/x", at_ns=S, id=1)
    if ticked:
        kernel.tick(3 * S)
    with pytest.raises(UnknownError):
        kernel.complete(1, at_ns=3 * S)
    assert kernel.stats()["now_ns"] == (3 * S if ticked else S)      # a refused row moves no clock
    kernel.admit("/x", at_ns=3 * S, id=2)
    assert kernel.stats()["expired_count"] == 1


def test_a_stated_weight_of_zero_takes_nothing_and_an_unstated_one_is_the_routes(kernel):
    for said, left in (({"weight": 0}, 2), ({}, 1), ({"weight": 1}, 0), ({"weight": 0}, 0)):
        assert kernel.admit("/x", at_ns=S, ip="192.0.2.1", exchange=True, **said).allowed
        explained = kernel.explain("/x", ip="192.0.2.1", weight=0, as_json=True)
        assert explained["ratelimit"][0]["left_tokens"] == left


def test_a_delay_names_the_limit_whose_queue_it_waits_in():
    text = TEXT.split("[[limit]]")[0] + """[[limit]]
name = "queue"
scope = "service"
algorithm = "leaky_bucket"
queue = true
rate = "1/s"
capacity = 3
max_delay = "5s"
"""
    kernel = Kernel(config=compiler.loads(text))
    said = [kernel.admit("/x", at_ns=S, exchange=True) for _ in range(2)]
    assert [d.verdict for d in said] == [Verdict.ALLOW, Verdict.DELAY]
    assert (said[1].by_kind, said[1].by, said[1].start_at_ns) == ("limit", "queue", 2 * S)


def test_refund_is_only_for_what_was_held_back(kernel):
    kernel.admit("/x", at_ns=S, tenant="acme", ip="192.0.2.1", id=1)
    with pytest.raises(StateError):
        kernel.refund(1, at_ns=S)
    kernel.admit("/x", at_ns=S, tenant="acme", ip="192.0.2.3", id=2, refundable=True)
    assert kernel.refund(2, at_ns=S).reason == "refunded"
    with pytest.raises(UnknownError):
        kernel.refund(2, at_ns=S)
    said = kernel.explain("/x", tenant="acme", ip="192.0.2.3", as_json=True)
    assert (said["ratelimit"][0]["left_tokens"], said["quota"][0]["left_units"]) == (2, 3)


def test_in_flight_table_refuses_one_more_than_it_holds():
    text = TEXT.split("[[limit]]")[0]
    kernel = Kernel(profile="tiny", config=compiler.loads(text, profile="tiny"))
    most = kernel.lib.RAY_INFLIGHT_MAX
    for _ in range(most):
        assert kernel.admit("/x", at_ns=S).allowed
    full = kernel.admit("/x", at_ns=S)
    assert (full.verdict, full.reason, full.http_status) == (Verdict.DENY, "inflight-full", 503)
    kernel.complete(1, at_ns=S)
    assert kernel.admit("/x", at_ns=S).allowed
    assert kernel.valid() == 0


def test_drain_refuses_new_requests_and_returns_every_lease(kernel):
    for i in range(3):
        kernel.admit("/x", at_ns=S, ip=f"192.0.2.{i}", tenant="acme", refundable=i == 0)
    kernel.drain()
    stats = kernel.stats()
    assert (stats["inflight_count"], stats["queued_count"], stats["expired_count"]) == (0, 0, 3)
    assert kernel.admit("/x", at_ns=S).reason == "draining"
    assert kernel.valid() == 0


def test_drain_ends_reservations_now_and_rolls_no_period(kernel):
    """A reservation that would hold for a year ends at the drain's instant, in its own month."""
    quotas = QuotaManager(kernel=kernel)
    month, acme = quotas.find_quota("month"), kernel.tenant_id("acme")
    quotas.reserve_quota(month, 2, ttl_ns=366 * 86400 * S, tenant_id=acme, now_ns=S)
    before = quotas.get_quota_status(month, tenant_id=acme).usage
    assert before.reserved == 2
    kernel.drain()
    after = quotas.get_quota_status(month, tenant_id=acme).usage
    assert (after.reserved, after.window_start_time) == (0, before.window_start_time)
    assert kernel.explain("/x", tenant="acme", as_json=True)["quota"][0]["left_units"] == 4


# -- bytes
def test_snapshot_fork_and_restore_are_byte_operations(kernel):
    kernel.admit("/x", at_ns=S, ip="192.0.2.9")
    kept, twin = kernel.snapshot(), kernel.fork()
    a = kernel.admit("/x", at_ns=2 * S, ip="192.0.2.9")
    assert kernel.snapshot() != kept
    assert twin.snapshot() == kept
    kernel.restore(kept)
    assert kernel.admit("/x", at_ns=2 * S, ip="192.0.2.9") == a


def test_a_fresh_kernel_goes_on_where_a_snapshot_was_taken(kernel):
    for i in range(3):
        assert kernel.admit("/x", at_ns=S, ip=f"192.0.2.{i}", refundable=True).allowed
    other = Kernel(config=compiler.loads(TEXT))
    other.restore(kernel.snapshot())
    assert all(other.admit("/x", at_ns=S, ip=f"192.0.2.{i}").allowed for i in range(3))
    assert other.stats()["error_count"] == 0


def test_a_damaged_or_foreign_snapshot_is_refused_and_nothing_changes(kernel):
    kept = kernel.snapshot()
    for bad, error in (
        (kept[:10], TruncatedError),
        (b"x" + kept[1:], VersionError),
        (kept[:-1], TruncatedError),
        (kept[:-1] + bytes([kept[-1] ^ 1]), ChecksumError),
        (Kernel(profile="tiny").snapshot(), VersionError),
    ):
        with pytest.raises(error):
            kernel.restore(bad)
        assert kernel.snapshot() == kept


def test_a_second_thread_is_refused_while_a_batch_runs(kernel):
    kernel._fill(RowKind.EXCHANGE, S, 1, 0)
    n = 200_000
    rows = kernel.ffi.new("ray_row[]", n)
    for i in range(n):
        rows[i] = kernel._row[0]
    answers = kernel.ffi.new("ray_answer[]", n)
    view = kernel.ffi.new("ray_rows *", {"row": rows, "scratch": kernel._scratch})
    refused = []

    def intrude():
        while not kernel._busy and worker.is_alive():
            pass
        try:
            kernel.tick(5)
        except BusyError as error:
            refused.append(error)

    worker = threading.Thread(target=kernel.step, args=(view, n, answers))
    worker.start()
    intrude()
    worker.join()
    assert refused
    assert kernel.stats()["asked_count"] == n


# -- the clock
def test_live_clock_counts_steps_back_and_clamps_jumps():
    kernel = Kernel(profile="tiny")
    lib, ray, day = kernel.lib, kernel.ray, 86400 * S
    lib.ray_clock_live(ray, 1000)
    moments = [
        (1500, 500),
        (1400, 500),
        (1600, 700),
        (1600 + 2 * day, 700 + day),
        (0, 700 + day),
        (10, 710 + day),
        (2**64 - 1, 710 + 2 * day),
        (2**64 - 1, 710 + 2 * day),
    ]
    for raw, gated in moments:
        assert lib.ray_clock_gate(ray, raw) == gated
    stats = kernel.stats()
    assert (stats["clock_back_count"], stats["clock_clamp_count"]) == (2, 2)


def test_virtual_time_is_never_clamped_and_never_goes_back(kernel):
    assert kernel.tick(10**18) == 10**18
    assert kernel.tick(5) == 10**18
    assert kernel.tick(NEVER) == NEVER - 1
    assert kernel.stats()["clock_back_count"] == 1
    # a port's raw clock does not count
    assert kernel.lib.ray_clock_gate(kernel.ray, 12345) == NEVER - 1


# -- configuration
def test_reload_keeps_balances_and_raises_the_epoch(kernel):
    for _ in range(2):
        kernel.admit("/x", at_ns=S, ip="192.0.2.9", tenant="acme", exchange=True)
    epoch, digest = kernel.stats()["epoch"], kernel.digest().config
    report = reconfigured(kernel, **{'"2s"': '"3s"'})
    assert (report.kept_count, report.reset_count) == (3, 1)    # the service itself changed
    assert kernel.stats()["epoch"] == epoch + 1
    assert kernel.digest().config == report.hash != digest
    denied = kernel.admit("/x", at_ns=S, ip="192.0.2.9", tenant="acme", exchange=True)
    assert (denied.by, denied.epoch) == ("per-address", epoch + 1)
    assert kernel.valid() == 0


def test_a_refused_configuration_changes_no_byte(kernel):
    kernel.admit("/x", at_ns=S, ip="192.0.2.9", tenant="acme")
    before = kernel.snapshot()
    blob = bytearray(compiler.loads(TEXT).blob)
    blob[100] ^= 4
    with pytest.raises(ChecksumError, match="configuration refused"):
        kernel.configure(bytes(blob))
    assert kernel.snapshot() == before


# -- audit
def test_the_audit_ring_has_no_gap_and_counts_what_it_overwrote(kernel):
    most = kernel.lib.RAY_AUDIT_MAX
    for _ in range(most + 5):
        kernel.admit("/x", at_ns=S, method="BREW", exchange=True)
    records = kernel.audit(last=most * 2)
    ids = [r["id"] for r in records]
    assert len(ids) == most
    assert ids == list(range(ids[0], ids[0] + most))
    assert kernel.lib.ray_audit_overwritten_count(kernel.ray) == ids[0] - 1
    assert records[-1]["seq"] == kernel.stats()["seq"] - 1
