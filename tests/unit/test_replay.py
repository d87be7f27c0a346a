# SPDX-License-Identifier: MIT
"""replay: one stream of rows, whatever the order rule, the batches or the engine; nothing is lost
without being counted."""

import gzip
import io
import json
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim import _raw
from host_sim.config import loads
from host_sim.kernel import Kernel
from host_sim.replay import replay as replay_file
from host_sim.replay.engine import Options, Replay
from host_sim.replay.mapping import parse_maps
from host_sim.replay.source import from_bytes
from host_sim.replay.summary import shares
from tests.data import data
from tests.replaying import CONFIG, S, busy_log, config_of, log_of

QUEUED = CONFIG.replace('"token_bucket"', '"leaky_bucket"').replace(
    "burst = 2", 'capacity = 2\nqueue = true\nmax_delay = "3s"')
SHADOW = CONFIG + """
[[limit]]
name = "total"
scope = "service"
service = "web"
algorithm = "fixed_window"
rate = "1/h"
mode = "shadow"
"""


def replay(text, config=CONFIG, **options):
    """A summary, the decisions as objects, and the kernel's counters."""
    sink = io.BytesIO()
    with Replay(loads(config), from_bytes(text), options=Options(**options),
                decisions=sink) as run:
        summary = run.run_host()
        assert run.kernel.valid() == 0
        stats = run.kernel.stats()
    assert stats["inflight_count"] == 0
    return summary, [json.loads(line) for line in sink.getvalue().splitlines()], stats


# -- order --------------------------------------------------------------------------------------

JUMBLED = log_of((5, "10.0.0.1"), (3, "10.0.0.2"), (4, "10.0.0.3"), (3, "10.0.0.4"),
                 (9, "10.0.0.5"))


def test_sort_puts_rows_in_order_and_keeps_ties_as_they_were():
    summary, decisions, stats = replay(JUMBLED)
    assert [d["t_ns"] for d in decisions] == [3 * S, 3 * S, 4 * S, 5 * S, 9 * S]
    assert (summary.stepped_back, summary.late, stats["clock_back_count"]) == (2, 0, 0)
    assert "put them in order within a window" in summary.text()


def test_clamp_lets_a_late_row_happen_now():
    summary, decisions, stats = replay(JUMBLED, order="clamp")
    assert [d["t_ns"] for d in decisions] == [5 * S] * 4 + [9 * S]
    assert (summary.stepped_back, summary.moved, stats["clock_back_count"]) == (2, 3, 0)


def test_reject_leaves_late_rows_out_and_that_is_a_finding():
    summary, decisions, _ = replay(JUMBLED, order="reject")
    assert [d["t_ns"] for d in decisions] == [5 * S, 9 * S]
    assert (summary.rejected, summary.requests) == (3, 2)
    assert "3 rows stepped back in time and were left out" in summary.findings()[0]


@pytest.mark.parametrize("window", [1, 2, 3, 7, 64, 0])
def test_a_row_may_come_one_window_late(window):
    times = [10 * (n - n % max(window, 1)) + 9 - n % max(window, 1) for n in range(100)]
    rows = [(1000 + at, f"10.0.{n % 7}.1") for n, at in enumerate(times)]
    summary, decisions, _ = replay(log_of(*rows), window=window)
    assert [d["t_ns"] // S for d in decisions] == sorted(1000 + at for at in times)
    assert summary.late == 0


def test_a_row_later_than_the_window_is_moved_and_counted():
    rows = [(100 + n, "10.0.0.1") for n in range(20)] + [(0, "10.0.0.2")]
    summary, decisions, _ = replay(log_of(*rows), window=4)
    assert [d["t_ns"] for d in decisions] == sorted(d["t_ns"] for d in decisions)
    assert (summary.late, len(decisions)) == (1, 21)
    assert "too late for the sorting window" in summary.findings()[0]
    whole, _, _ = replay(log_of(*rows), window=0)
    assert (whole.late, whole.first_ns) == (0, 0)


def test_sorting_a_log_in_order_changes_nothing():
    rows = [(100 + n // 3, f"10.0.0.{n % 5}") for n in range(500)]
    digests = {replay(log_of(*rows), order=order, window=window)[0].state_digest
               for order, window in [("sort", 1), ("sort", 17), ("sort", 0), ("clamp", 1)]}
    assert len(digests) == 1


# -- durations ----------------------------------------------------------------------------------


def test_a_request_with_a_duration_is_in_flight_until_it_ends():
    rows = [(1, "10.0.0.1", 2500), (2, "10.0.0.2", 10), (3, "10.0.0.3", 500), (3, "10.0.0.4")]
    summary, decisions, stats = replay(log_of(*rows))
    assert summary.concurrent_max == 2
    assert (summary.completed, stats["completed_count"], stats["error_count"]) == (4, 4, 0)
    assert [d["t_ns"] for d in decisions] == [S, 2 * S, 3 * S, 3 * S]
    assert summary.last_ns == 3_500_000_000
    assert [d["seq"] for d in decisions] == sorted(d["seq"] for d in decisions)


def test_an_outcome_comes_before_an_arrival_at_the_same_instant():
    text = log_of((1, "10.0.0.1", 1000), (2, "10.0.0.2", 1000), (3, "10.0.0.3", 0))
    summary, decisions, _ = replay(text)
    assert summary.concurrent_max == 1
    assert [d["seq"] for d in decisions] == [0, 2, 4]


def test_a_denied_request_has_no_outcome():
    rows = [(1, "10.0.0.1", 20_000)] * 5
    summary, decisions, stats = replay(log_of(*rows))
    assert [d["verdict"] for d in decisions] == ["allow", "allow", "deny", "deny", "deny"]
    assert (summary.completed, summary.expired, stats["error_count"]) == (2, 0, 0)


def test_a_request_past_its_services_timeout_expires_by_itself():
    config = CONFIG.replace("[service.web]", '[service.web]\ntimeout = "1s"')
    summary, _, stats = replay(log_of((1, "10.0.0.1", 5000), (2, "10.0.0.2", 10)), config)
    assert (summary.completed, summary.expired, stats["error_count"]) == (1, 1, 0)
    assert "1 request ran past the timeout" in summary.text()


# -- decisions ----------------------------------------------------------------------------------


def test_decisions_have_one_shape():
    _, decisions, _ = replay(log_of(*[(1, "10.0.0.1")] * 3), SHADOW)
    would = {"by": "total", "reason": "rate-limited", "retry_after_ns": 3599 * S}
    assert decisions == [
        {"seq": 0, "t_ns": S, "verdict": "allow", "reason": "ok", "by": None,
         "retry_after_ns": None, "shadow": [], "line": 2},
        {"seq": 2, "t_ns": S, "verdict": "allow", "reason": "ok", "by": None,
         "retry_after_ns": None, "shadow": [would], "line": 3},
        {"seq": 4, "t_ns": S, "verdict": "deny", "reason": "rate-limited", "by": "per-client",
         "retry_after_ns": S, "shadow": [would], "line": 4},
    ]


def test_a_wait_that_never_helps_is_called_never():
    text = b"time,ip,weight\n1,10.0.0.1,3\n"
    summary, decisions, _ = replay(text)
    assert (decisions[0]["reason"], decisions[0]["retry_after_ns"]) == ("rate-never", "never")
    assert (summary.rules[0].never, summary.rules[0].retry_after_ns_max) == (1, 0)
    assert "1 time for ever" in summary.text()


def test_what_a_breaker_drops_is_told_by_its_reason():
    config = CONFIG + '\n[resilience.web]\nbreaker = { failures = 2, open = "600s" }\n'
    rows = "".join(f"{20 * n},10.0.0.{n},503,10\n" for n in range(1, 6))
    text = f"time,ip,status,duration\n{rows}".encode()
    summary, decisions, stats = replay(text, config)
    assert summary.verdicts["dropped"] == stats["dropped_count"] == 3
    assert summary.reasons == {"breaker-open": 3, "ok": 2}
    assert [(r.kind, r.name, r.denied) for r in summary.rules] == [("breaker", "web", 3)]
    assert (summary.services[0].allowed, summary.services[0].denied) == (2, 3)
    assert sum(key.denied for key in summary.clients) == 3
    assert "dropped" in summary.text() and "?" not in summary.text()
    assert [d["verdict"] for d in decisions] == ["allow"] * 2 + ["dropped"] * 3


def test_a_delay_tells_how_long():
    summary, decisions, _ = replay(log_of(*[(1, "10.0.0.1")] * 2), QUEUED)
    assert [(d["verdict"], d["retry_after_ns"]) for d in decisions] == [
        ("allow", None), ("delay", S)]
    assert summary.verdicts["delay"] == summary.services[0].delayed == 1


def test_totals_by_verdict_rule_service_and_client():
    rows = [(1, "10.0.0.1")] * 4 + [(1, "10.0.0.2")] * 3 + [(1, "triton")] * 2 + [(1, "-")]
    summary, decisions, stats = replay(log_of(*rows), SHADOW)
    assert summary.verdicts == {
        "allow": 7, "deny": 3, "delay": 0, "redirect": 0, "dropped": 0}
    assert (summary.requests, summary.would_deny) == (10, 9)
    assert [(r.kind, r.name, r.denied, r.would_deny) for r in summary.rules] == [
        ("limit", "per-client", 3, 0), ("limit", "total", 0, 9)]
    assert [(s.name, s.requests, s.denied) for s in summary.services] == [("web", 10, 3)]
    assert [(k.name, k.requests, k.denied) for k in summary.clients] == [
        ("10.0.0.1", 4, 2), ("10.0.0.2", 3, 1), ("triton", 2, 0)]
    assert summary.client_count == 3
    assert (stats["asked_count"], stats["denied_count"]) == (10, 3)
    assert summary.reasons == {"ok": 7, "rate-limited": 3}
    assert len(decisions) == 10


def test_users_are_counted_apart_from_clients():
    summary, _, _ = replay(b"time,ip,user\n1,10.0.0.1,ada\n1,10.0.0.2,ada\n1,10.0.0.1,\n")
    assert [(k.name, k.requests) for k in summary.users] == [("ada", 2)]
    assert "Busiest users, of 1" in summary.text()
    same, _, _ = replay(b"time,ip,user\n1,triton,triton\n")
    assert "users, of" not in same.text()


def test_users_are_listed_only_where_they_are_not_the_clients():
    """Addresses rank by their bytes and names by their letters: neither order tells them apart."""
    names = [f"10.0.0.{n}" for n in range(1, 40)]
    rows = "".join(f"1,/,{name},{name}\n" for name in names)
    same, _, _ = replay(b"time,path,ip,user\n" + rows.encode())
    assert "users, of" not in same.text()
    assert [key.name for key in same.clients] == sorted(names)[:10]
    assert same.clients == same.users
    other, _, _ = replay(b"time,path,ip,user\n" + rows.replace(",10.0.0.9\n", ",ada\n").encode())
    assert "Busiest users, of 39" in other.text()


def test_the_first_user_keeps_its_name_where_nothing_else_is_text():
    summary, _, _ = replay(b"time,ip,user\n1,10.0.0.1,ada\n1,10.0.0.2,bob\n1,10.0.0.3,eve\n")
    assert [(k.name, k.requests) for k in summary.users] == [("ada", 1), ("bob", 1), ("eve", 1)]


@pytest.mark.parametrize(("parts", "shown"), [
    ((27801, 3168), ["89.8 %", "10.2 %"]),
    ((1, 1, 1), ["33.4 %", "33.3 %", "33.3 %"]),
    ((2, 1), ["66.7 %", "33.3 %"]),
    ((1, 99_999), ["< 0.1 %", "> 99.9 %"]),
    ((5, 0), ["100.0 %", "0.0 %"]),
    ((0, 0), ["0 %", "0 %"]),
])
def test_percentages_are_the_nearest_that_add_up(parts, shown):
    assert shares(parts) == shown


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=5))
def test_percentages_add_up_to_a_hundred(parts):
    shown = shares(parts)
    if not any(sign in text for text in shown for sign in "<>"):
        assert sum(int(text[:-2].replace(".", "")) for text in shown) == 1000


def test_text_from_a_log_reaches_no_terminal():
    summary, _, _ = replay(b"time,ip,path\n1,\x1b[31mred,/a\nx\x1b[2J,y,/b\n")
    assert "\x1b" not in summary.text()
    assert "\\x1b[31mred" in summary.text()


# -- the same whatever the way ------------------------------------------------------------------


class HostLink:
    """What run_image needs of a machine link, over a Kernel in this process."""

    def __init__(self, row_max):
        self.kernel = Kernel()
        self.ffi, self.lib = self.kernel.ffi, self.kernel.lib
        self.greeting = types.SimpleNamespace(
            profile=self.lib.RAY_PROFILE, row_bytes=self.ffi.sizeof("ray_row"),
            answer_bytes=self.ffi.sizeof("ray_answer"), row_max=row_max)

    def reset(self, seed):
        self.lib.ray_init(self.kernel.ray, seed)

    def config(self, blob):
        self.kernel.configure(blob)
        return types.SimpleNamespace(status=0)

    def rows_stream(self, batches):
        waiting, more = [], True
        while more or waiting:
            while more and len(waiting) < 8:
                batch = next(batches, None)
                more = batch is not None
                if more:
                    waiting.append(self.step(*batch))
            if waiting:
                yield waiting.pop(0)

    def step(self, rows, text):
        count = len(rows) // self.greeting.row_bytes
        assert 8 + len(rows) + len(text) <= 65536
        answers = self.ffi.new("ray_answer[]", count)
        self.kernel.step(self.ffi.new("ray_rows *", {
            "row": self.ffi.from_buffer("ray_row[]", rows),
            "bytes": self.ffi.from_buffer("uint8_t[]", text), "bytes_length": len(text),
            "scratch": self.ffi.new("uint8_t[]", self.lib.RAY_TARGET_BYTES_MAX)}), count, answers)
        return bytes(self.ffi.buffer(answers))

    def digest(self):
        return self.kernel.digest()

    def snapshot(self):
        return bytes(self.ffi.buffer(self.kernel.ray_memory(), int(self.lib.ray_bytes())))


@pytest.mark.parametrize("order", ["sort", "clamp", "reject"])
@pytest.mark.parametrize("row_max", [1, 3, 256])
def test_a_link_gives_the_same_bits(order, row_max):
    text, found = busy_log(), []
    for link in (None, HostLink(row_max)):
        sink = io.BytesIO()
        with Replay(config_of(SHADOW), from_bytes(text), options=Options(order, window=50),
                    decisions=sink) as run:
            summary = run.run_host() if link is None else run.run_image(link)
        got = summary.as_json()
        for different in ("engine", "elapsed_ns"):
            got.pop(different)
        # the state is seen only where the core runs in this process
        assert bool(got["timeline"].pop("samples")["at_ns"]) == (link is None)
        found.append((got, sink.getvalue()))
    assert found[0] == found[1]
    assert found[0][0]["requests"] == (3000 if order != "reject" else 3000 - summary.rejected)
    assert order == "reject" or summary.verdicts["deny"] > 100


def test_a_replay_decides_what_the_kernel_decides_row_by_row():
    lines = gzip.decompress(data("access-logs", "web_day_1995.tsv.gz").read_bytes()).splitlines()
    head, lines = lines[0], lines[1:3001]
    with Replay(config_of(), from_bytes(b"\n".join([head, *lines]))) as run:
        summary = run.run_host()
    kernel = Kernel(config=config_of())
    for line in lines:
        host, _, at, method, url, status, sent, *_ = line.decode("latin-1").split("\t")
        who = {"ip": host} if host.replace(".", "").isdigit() else {"client": host}
        kernel.admit(url, at_ns=int(at) * S, method=method, exchange=True,
                     http_status=int(status) if status.isdigit() else 0,
                     response_bytes=int(sent) if sent.isdigit() else 0, **who)
    assert kernel.stats()["denied_count"] == summary.verdicts["deny"] > 0
    assert kernel.digest().decision == summary.decision_digest
    assert kernel.digest().book == summary.book_digest
    assert kernel.digest().state == summary.state_digest


def test_stopping_completes_what_is_in_flight():
    stop = iter([False, False, True] + [True] * 1000)
    text = log_of(*[(n, "10.0.0.1", 60_000) for n in range(200_000)])
    with Replay(config_of(), from_bytes(text), options=Options(order="clamp"),
                stopping=lambda: next(stop)) as run:
        summary = run.run_host()
        assert run.kernel.stats()["inflight_count"] == 0
        assert run.kernel.valid() == 0
    assert 0 < summary.requests < 200_000
    assert summary.interrupted
    assert summary.findings()[-1].startswith("interrupted")


def test_a_replay_of_a_file_is_one_call(tmp_path):
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(busy_log(100)))
    summary = replay_file(config_of(), path)
    assert (summary.requests, summary.findings()) == (100, [])


def test_a_full_key_table_is_told():
    raw = _raw.load("seed")
    rows = [(1, f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}")
            for n in range(2 * raw.lib.RAY_LIMIT_IP_KEY_MAX)]
    slow = CONFIG.replace("1/s", "1/d")
    summary, _, _ = replay(log_of(*rows), slow)
    assert summary.folded_keys > 0
    assert "Key tables were full" in summary.text()


def test_maps_compare_by_value():
    assert parse_maps(("time=a:ms:end",)).time_is_end
    assert parse_maps(("time=a:ms:end",)).maps[0].unit == "ms"
