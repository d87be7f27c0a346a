# SPDX-License-Identifier: MIT
"""link: framed requests, each done once, and no length that can hurt."""

import struct

import pytest

from tests.shell_rig import Rig, rayos_blob

(HELLO, CONFIG, ROWS, DIGEST, STATS, RUN, CLOCK, RESET, SNAPSHOT, RESTORE, BRIEF,
 LEAVE) = range(1, 13)
REPLY, ERROR = 64, 128
S = 10**9


@pytest.fixture
def rig():
    return Rig(config=rayos_blob())


def status_of(frame):
    assert frame.type == ERROR
    return struct.unpack_from("<i", frame.payload)[0]


def row(rig, at_ns, target=b"/kernel/x", base=0, **fields):
    """One EXCHANGE as bytes; its target lies at `base` of the batch's bytes."""
    made = rig.ffi.new("ray_row *", {"at_ns": at_ns, "kind": 6, "method": 1, "tenant": 0xffffffff,
                                     "service": 0xffffffff, "priority": 255, "http_status": 200,
                                     "target_at": base, "target_length": len(target)})
    for name, value in fields.items():
        setattr(made, name, value)
    return bytes(rig.ffi.buffer(made))


def batch(rows, text):
    return struct.pack("<II", len(rows), len(text)) + b"".join(rows) + text


def exchanges(rig, count, at_ns=0, target=b"/kernel/x"):
    return batch([row(rig, at_ns + n * 10**6, target) for n in range(count)], target)


def config_parts(blob, size=16384):
    return [struct.pack("<II", len(blob), at) + blob[at:at + size]
            for at in range(0, len(blob), size)]


def test_hello_says_how_the_other_side_is_laid_out(rig):
    frame = rig.ask(HELLO)
    hello = rig.ffi.from_buffer("ray_link_hello *", bytearray(frame.payload))
    assert (frame.type, frame.seq) == (HELLO + REPLY, 1)
    assert hello.state_bytes == rig.lib.ray_bytes()
    assert hello.row_bytes == rig.ffi.sizeof("ray_row") == 152
    assert hello.answer_bytes == rig.ffi.sizeof("ray_answer")
    assert hello.row_max * hello.answer_bytes <= hello.payload_max == 65536
    assert bytes(hello.config_hash) == bytes(rig.stats().config_hash)
    assert rig.ffi.string(hello.version.at).decode() == rig.json("version")["version"]


def test_rows_are_answered_as_the_core_answers_them(rig):
    twin = Rig(config=rayos_blob())
    target = b"/kernel/x"
    rows = [row(rig, n * 10**6, target) for n in range(200)]
    rows[7] = row(rig, 7 * 10**6, target, kind=9)                 # a bad row has its own status
    frame = rig.ask(ROWS, batch(rows, target))
    size = rig.ffi.sizeof("ray_answer")
    assert (frame.type, len(frame.payload)) == (ROWS + REPLY, 200 * size)
    answers = rig.ffi.from_buffer("ray_answer[]", bytearray(frame.payload))
    memory = twin.aligned(200 * 152)
    twin.ffi.memmove(memory, b"".join(rows), 200 * 152)
    given = twin.ffi.new("ray_rows *", {"row": twin.ffi.cast("ray_row *", memory),
                                        "bytes": twin.word(target), "bytes_length": len(target),
                                        "scratch": twin.aligned(8192)})
    wanted = twin.ffi.new("ray_answer[]", 200)
    assert twin.lib.ray_step_batch(twin.ray, given, 200, wanted) == 0
    for mine, theirs in zip(answers, wanted, strict=True):
        for field in ("id", "at_ns", "retry_after_ns", "by_id", "status", "reason", "verdict"):
            assert getattr(mine, field) == getattr(theirs, field)
    assert answers[7].status < 0
    assert rig.digests() == twin.digests()


def test_brief_rows_are_the_same_rows(rig):
    twin = Rig(config=rayos_blob())
    assert rig.ask(BRIEF, exchanges(rig, 300)).payload == struct.pack("<II", 300, 0)
    twin.ask(ROWS, exchanges(twin, 200), seq=1)
    twin.ask(ROWS, exchanges(twin, 100, at_ns=200 * 10**6), seq=2)
    assert rig.digests() == twin.digests()


def test_a_repeated_seq_is_answered_and_not_done_again(rig):
    first = rig.ask(ROWS, exchanges(rig, 5), seq=9)
    seq, digests = rig.stats().seq, rig.digests()
    for _ in range(3):
        assert rig.ask(ROWS, exchanges(rig, 5), seq=9) == first
    assert (rig.stats().seq, rig.digests()) == (seq, digests)


def test_eight_replies_are_kept_and_the_ninth_takes_the_oldest_place(rig):
    for seq in range(1, 9):
        rig.ask(ROWS, exchanges(rig, 1), seq=seq)
    done = rig.stats().seq
    for seq in range(1, 9):
        rig.ask(ROWS, exchanges(rig, 1), seq=seq)
    assert rig.stats().seq == done
    rig.ask(DIGEST, seq=99)
    rig.ask(ROWS, exchanges(rig, 1), seq=1)                       # forgotten by now: done again
    assert rig.stats().seq > done


def test_a_seq_used_for_something_else_is_refused(rig):
    rig.ask(ROWS, exchanges(rig, 1), seq=4)
    done = rig.stats().seq
    assert status_of(rig.ask(ROWS, exchanges(rig, 2), seq=4)) == -9
    assert rig.stats().seq == done


def test_hello_begins_a_session_with_no_memory_of_the_last(rig):
    rig.ask(ROWS, exchanges(rig, 1), seq=1)
    done = rig.stats().seq
    rig.ask(HELLO, seq=1)
    rig.ask(ROWS, exchanges(rig, 1), seq=1 + 1)
    assert rig.stats().seq > done


def test_any_flipped_bit_is_noticed(rig):
    frame = rig.frame(CLOCK, struct.pack("<QII", 5 * S, 1, 0), 3)
    for bit in range(len(frame) * 8):
        broken = bytearray(frame)
        broken[bit // 8] ^= 1 << bit % 8
        fresh_before = rig.stats().now_ns
        assert rig.feed(bytes(broken)) == []
        assert rig.stats().now_ns == fresh_before == 0
        rig.raw_ns += 2 * S                                       # whatever is left is dropped
    assert rig.ask(CLOCK, struct.pack("<QII", 5 * S, 1, 0), 4).payload == struct.pack("<Q", 5 * S)


def test_an_unfinished_frame_is_dropped_after_a_second(rig):
    frame = rig.frame(DIGEST)
    assert rig.feed(frame[:10]) == []
    rig.raw_ns += S
    assert len(rig.feed(frame[10:])) == 1                         # just in time
    assert rig.feed(frame[:10]) == []
    rig.raw_ns += S + 1
    assert rig.feed(frame[10:]) == []
    assert len(rig.feed(rig.frame(DIGEST, seq=2))) == 1


@pytest.mark.parametrize("chunk", [1, 3, 13, 4096, None])
def test_frames_may_come_in_any_pieces(rig, chunk):
    data = b"".join(rig.frame(STATS, seq=seq) for seq in range(5))
    frames = rig.feed(b"noise RG\x02 R" + data, chunk)
    assert [f.seq for f in frames] == list(range(5))


def test_a_frame_that_claims_too_much_does_not_swallow_the_next(rig):
    head = struct.pack("<2sBBII", b"RG", 1, ROWS, 1, 0xffffffff)
    assert [f.seq for f in rig.feed(head + rig.frame(DIGEST, seq=7))] == [7]


@pytest.mark.parametrize(("type", "payload", "status"), [
    (0, b"", -1), (13, b"", -1), (REPLY, b"", -1), (255, b"", -1),
    (CONFIG, b"", -10), (CONFIG, b"1234567", -10),
    (CONFIG, struct.pack("<II", 100, 5) + b"x", -9),
    (CONFIG, struct.pack("<II", 0xffffffff, 0) + b"x", -7),
    (CONFIG, struct.pack("<II", 4, 0) + b"12345", -7),
    (CONFIG, struct.pack("<II", 4, 0), -7),
    (ROWS, b"", -10), (ROWS, struct.pack("<II", 1, 0), -10),
    (ROWS, struct.pack("<II", 0xffffffff, 0xffffffff), -7),
    (ROWS, struct.pack("<II", 0, 1), -10),
    (BRIEF, struct.pack("<II", 482, 0), -7),
    (CLOCK, b"", -10), (CLOCK, struct.pack("<QII", 1, 2, 0), -1),
    (CLOCK, struct.pack("<QII", 1, 1, 1), -1),
    (RESET, b"x" * 15, -10),
    (SNAPSHOT, b"", -10), (SNAPSHOT, struct.pack("<QII", 2**64 - 1, 1, 0), -7),
    (SNAPSHOT, struct.pack("<QII", 0, 65537, 0), -7), (SNAPSHOT, struct.pack("<QII", 0, 1, 1), -1),
    (RESTORE, b"x" * 15, -10), (RESTORE, struct.pack("<QQ", 5, 0) + b"x", -12),
    (RESTORE, struct.pack("<QQ", 2**64 - 1, 0) + b"x", -12),
])
def test_hostile_requests_are_refused_and_change_nothing(rig, type, payload, status):
    before = rig.state()
    assert status_of(rig.ask(type, payload)) == status
    assert rig.state() == before
    assert rig.ask(DIGEST, seq=2).type == DIGEST + REPLY


def test_no_rows_are_no_answers(rig):
    assert rig.ask(ROWS, struct.pack("<II", 0, 0)).payload == b""


def test_offsets_of_a_row_cannot_reach_outside_the_batch(rig):
    wild = row(rig, 0, target_at=0xfffffff0, target_length=0x20)
    frame = rig.ask(ROWS, batch([wild], b"/kernel"))
    answer = rig.ffi.from_buffer("ray_answer *", bytearray(frame.payload))
    assert answer.status == -10


def test_a_configuration_comes_in_parts_and_is_loaded_by_the_last():
    rig, blob = Rig(), rayos_blob()
    parts = config_parts(blob)
    for seq, part in enumerate(parts[:-1]):
        assert rig.ask(CONFIG, part, seq).payload == b""
    frame = rig.ask(CONFIG, parts[-1], 100)
    report = rig.ffi.from_buffer("ray_config_report *", bytearray(frame.payload))
    assert report.status == 0
    assert bytes(report.hash) == bytes(rig.stats().config_hash) != bytes(32)
    assert rig.json("request GET /kernel/x")["verdict"] == "allow"


def test_a_broken_configuration_is_reported_and_the_old_one_decides_on(rig):
    blob = bytearray(rayos_blob())
    blob[-1] ^= 1
    before = rig.digests()
    for seq, part in enumerate(config_parts(bytes(blob))):
        frame = rig.ask(CONFIG, part, seq)
    report = rig.ffi.from_buffer("ray_config_report *", bytearray(frame.payload))
    assert report.status == rig.result.status == -11
    assert rig.digests() == before


def test_parts_out_of_order_or_of_another_whole_are_refused(rig):
    parts = config_parts(rayos_blob(), 4096)
    rig.ask(CONFIG, parts[0], 1)
    assert status_of(rig.ask(CONFIG, parts[2], 2)) == -9
    other = struct.pack("<II", len(rayos_blob()) - 1, 4096) + b"x"
    assert status_of(rig.ask(CONFIG, other, 3)) == -9


def test_run_answers_status_and_text(rig):
    frame = rig.ask(RUN, b"config hash")
    assert frame.payload == struct.pack("<i", 0) + rig.ok("config hash").encode()
    frame = rig.ask(RUN, b"nonsense", seq=2)
    assert struct.unpack_from("<i", frame.payload)[0] == -2 and b"error: " in frame.payload
    assert rig.ask(RUN, b"poweroff", seq=3).type == RUN + REPLY and rig.result.action == 2


def test_what_the_link_changes_is_audited_as_the_links(rig):
    rig.ask(RUN, b"clock wall 2030-01-01")
    assert rig.json("audit 1")["records"][0]["who"] == "link"


def test_the_clock_becomes_an_input_and_live_again(rig):
    rig.ok("clock live")
    rig.raw_ns = 3 * S
    assert rig.ask(CLOCK, struct.pack("<QII", 9 * S, 1, 0)).payload == struct.pack("<Q", 9 * S)
    rig.raw_ns = 20 * S
    assert rig.ask(CLOCK, struct.pack("<QII", 0, 0, 0), 2).payload == struct.pack("<Q", 9 * S)
    rig.raw_ns = 21 * S
    assert rig.json("clock")["now_ns"] == 10 * S


def test_reset_empties_everything(rig):
    rig.ask(ROWS, exchanges(rig, 5))
    assert rig.ask(RESET, bytes(range(16)), 2).payload == b""
    assert rig.digests() == Rig(seed=bytes(range(16))).digests()


def take_snapshot(rig):
    total = rig.lib.ray_bytes()
    wanted = [(at, min(65536, total - at)) for at in range(0, total, 65536)]
    return b"".join(rig.ask(SNAPSHOT, struct.pack("<QII", at, size, 0), 1000 + at // 65536).payload
                    for at, size in wanted)


def put_snapshot(rig, state, seq=5000):
    for at in range(0, len(state), 65520):
        head = struct.pack("<QQ", len(state), at)
        frame = rig.ask(RESTORE, head + state[at:at + 65520], seq + at // 65520)
    return frame


def test_a_snapshot_is_the_state_and_restores_it_elsewhere(rig):
    rig.ask(ROWS, exchanges(rig, 50))
    state = take_snapshot(rig)
    assert state == rig.state()
    twin = Rig()
    assert put_snapshot(twin, state).type == RESTORE + REPLY
    assert twin.digests() == rig.digests()
    more = exchanges(rig, 50, at_ns=S)
    assert rig.ask(ROWS, more, 7).payload == twin.ask(ROWS, more, 7).payload


def test_a_snapshot_that_breaks_a_law_is_refused_whole(rig):
    rig.ask(ROWS, exchanges(rig, 50))
    before = rig.state()
    assert status_of(put_snapshot(rig, bytes(len(before)))) == -1
    assert rig.state() == before


def test_leave_gives_the_line_back(rig):
    assert rig.ask(LEAVE).payload == b"" and rig.result.action == 5
