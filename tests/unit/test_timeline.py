# SPDX-License-Identifier: MIT
"""What came of requests over time: buckets that widen, sums that stay, and samples of the core."""
import dataclasses

import pytest

from host_sim import _raw
from host_sim.kernel import Kernel
from host_sim.replay import timeline
from host_sim.replay.engine import Options, Replay
from host_sim.replay.source import from_bytes
from tests.replaying import CONFIG, S, busy_log, config_of, log_of

MS = 1_000_000
ALLOW, DENY, DELAY, DROPPED = 1, 2, 3, 6
QUOTAS = """
version = 1
[service.web]
[[route]]
name = "all"
service = "web"
path = { prefix = "/" }
[tenant.acme]
plan = "plain"
[[identity]]
when = {}
tenant = "acme"
user = "ip"
[[quota]]
name = "minute"
tenant = "acme"
type = "requests"
limit = 3
window = "1min"
enforcement = "hard"
"""


class Line:
    """A timeline of one's own."""

    def __init__(self, raw=None):
        self.ffi, self.lib = (raw or _raw.load("seed")).ffi, (raw or _raw.load("seed")).lib
        self.line = self.ffi.gc(self.lib.ray_timeline_open(), self.lib.ray_timeline_close)
        self.answer, self.row = self.ffi.new("ray_answer *"), self.ffi.new("ray_row *")

    def note(self, at_ns, verdict=ALLOW, *, queued=0, would=0, status=200, sent=0):
        self.answer.verdict, self.answer.queued = verdict, queued
        self.answer.would_deny_count = would
        self.row.http_status, self.row.response_bytes = status, sent
        self.lib.ray_timeline_note(self.line, at_ns, self.answer, self.row)

    def read(self):
        return timeline.read(Kernel(), self.line)


def test_a_timeline_of_nothing_is_empty():
    line = Line()
    assert line.read() == timeline.Timeline()
    line.lib.ray_timeline_sample(line.line, Kernel().ray, 5 * S)
    assert line.read() == timeline.Timeline()


def test_counts_stand_in_the_bucket_of_their_instant():
    line = Line()
    line.note(1000 * S, queued=1, sent=7)
    line.note(1000 * S + MS - 1, DENY, would=2, status=429, sent=9)
    line.note(1000 * S + 2 * MS, DELAY, sent=5)
    line.note(1000 * S + 2 * MS, DROPPED)
    read = line.read()
    assert read.width_ns == MS and read.start_ns == tuple(1000 * S + n * MS for n in range(3))
    assert dataclasses.astuple(read)[2:-1] == (
        (2, 0, 2), (1, 0, 0), (1, 0, 0), (0, 0, 1), (0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 0),
        (1, 0, 0), (7, 0, 5))


@pytest.mark.parametrize("span_ns, width_ns", [
    (511 * MS, MS), (513 * MS, 5 * MS), (3 * S, 10 * MS), (20 * S, 50 * MS), (60 * S, 500 * MS),
    (3600 * S, 10 * S), (12 * 3600 * S, 300 * S), (86_400 * S, 300 * S),
    (30 * 86_400 * S, 3 * 3600 * S), (365 * 86_400 * S, 86_400 * S),
    (3 * 365 * 86_400 * S, 4 * 86_400 * S)])
def test_buckets_are_as_wide_as_the_span_asks_on_a_ladder_people_read(span_ns, width_ns):
    line = Line()
    start = 1_000_000 * 86_400 * S // 500
    line.note(start)
    line.note(start + span_ns)
    read = line.read()
    assert read.width_ns == width_ns and sum(read.requests) == 2
    assert len(read.start_ns) <= 512 and all(at % width_ns == 0 for at in read.start_ns)
    assert (read.requests[0], read.requests[-1]) == (1, 1)


def test_all_of_time_fits():
    line = Line()
    line.note(0)
    line.note(2**64 - 1)
    line.note(2**63)
    read = line.read()
    assert sum(read.requests) == 3 and len(read.start_ns) <= 512
    assert (read.requests[0], read.requests[-1]) == (1, 1)


def test_what_is_older_than_the_first_counts_in_the_first():
    line = Line()
    line.note(5 * S)
    line.note(4 * S)
    line.note(5 * S + 3 * MS)
    assert line.read().requests == (2, 0, 0, 1)


def test_a_row_may_be_absent():
    line = Line()
    line.answer.verdict = DENY
    line.lib.ray_timeline_note(line.line, S, line.answer, line.ffi.NULL)
    assert (line.read().denied, line.read().throttled) == ((1,), (0,))


def summary(text, log, **options):
    with Replay(config_of(text), from_bytes(log), options=Options(**options)) as run:
        return run.run_host()


def test_a_replay_is_the_same_with_its_samples_and_they_see_quotas_fill_and_reset():
    log = log_of(*((60 * minute + second, "10.0.0.1") for minute in range(4)
                   for second in range(0, 60, 10)))
    s = summary(QUOTAS, log)
    assert s.verdicts["deny"] == 4 * 3
    (balance,) = s.timeline.samples.balances
    assert (balance.quota, balance.tenant, balance.kind) == ("minute", "acme", "requests")
    assert set(balance.limit) == {3} and max(balance.used) == 3
    at = dict(zip(s.timeline.samples.at_ns, balance.used, strict=True))
    by_second = {ns // S: used for ns, used in at.items()}
    assert [by_second[second] for second in (0, 10, 20, 30, 50)] == [1, 2, 3, 3, 3]
    assert by_second[60] == 1 and by_second[59 if 59 in by_second else 50] == 3


def test_samples_see_who_waits_and_for_how_long():
    log = log_of(*((1 + n // 10, "10.0.0.1", 400) for n in range(40)))
    s = summary(QUOTAS.replace("limit = 3", "limit = 1000")
                + "[queue]\nflows = 1\n[queue.service.web]\nservers = 1\n", log)
    assert s.queued > 30
    (wait,) = s.timeline.samples.waits
    (queue,) = s.governed.queues
    assert wait.priority == queue.priority == "normal" and wait.sent[-1] == queue.sent
    assert wait.wait_max_ns[-1] == queue.wait_ns_max and max(wait.waiting) > 5
    assert wait.wait_sum_ns[-1] // wait.sent[-1] == queue.wait_ns_mean
    assert list(wait.sent) == sorted(wait.sent)
    means = [mean for mean in wait.means() if mean is not None]
    assert means and max(means) <= queue.wait_ns_max


def test_only_the_quotas_used_most_are_followed():
    tenants = [f"t{n:02}" for n in range(40)]
    text = QUOTAS.partition("[tenant.acme]")[0] + "".join(
        f'[tenant.{name}]\nplan = "plain"\n' for name in tenants) + "".join(
        f'[[identity]]\nwhen = {{ ip = "10.0.0.{n}/32" }}\ntenant = "{name}"\nuser = "ip"\n'
        for n, name in enumerate(tenants)) + (
        '[[quota]]\nname = "day"\ntype = "requests"\nlimit = 1000\nwindow = "day"\n'
        'enforcement = "hard"\n')
    rows = [(1 + n / 100, f"10.0.0.{n % 40}") for n in range(400)]
    rows += [(5 + n / 100, f"10.0.0.{n % 20 + 10}") for n in range(2000)]
    balances = summary(text, log_of(*rows)).timeline.samples.balances
    assert len(balances) == 16 and all(b.quota == "day" for b in balances)
    assert all("t10" <= b.tenant <= "t29" for b in balances)
    assert all(max(used for used in b.used if used is not None) == 110 for b in balances)


def test_the_sums_of_a_replay_are_its_totals():
    s = summary(CONFIG, busy_log())
    t = s.timeline
    assert sum(t.requests) == s.requests == 3000
    assert sum(t.allowed) == s.verdicts["allow"] and sum(t.denied) == s.verdicts["deny"]
    assert sum(t.would_deny) == s.would_deny and sum(t.queued) == s.queued
    assert sum(t.response_bytes) == sum(service.response_bytes for service in s.services)
    assert t.start_ns[0] <= s.first_ns < t.start_ns[0] + t.width_ns
    assert t.start_ns[-1] <= s.last_ns
