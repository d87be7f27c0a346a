# SPDX-License-Identifier: MIT
"""The whole pipeline under random traffic and random configurations: the laws that hold after every
step.
"""
import functools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim import config as compiler
from host_sim.errors import RaygateError, StaleError, StateError, UnknownError
from host_sim.kernel import NEVER, NONE, Kernel, Verdict
from tests.siphash import siphash

S = 10**9
RECORD = struct.Struct("<QQQQIHBBII")

# -- configurations
# ---------------------------------------------------------------------------------
HEAD = """version = 1
[tenant.acme]
plan = "gold"
[tenant.guest]
plan = "free"
[service.a]
timeout = "2s"
[service.b]
timeout = "3s"
[[route]]
name = "a"
service = "a"
path = { prefix = "/a" }
[[route]]
name = "b"
service = "b"
path = { wildcard = "/b/*" }
methods = ["GET", "POST"]
weight = 2
"""
LIMITS = (
    'scope = "service"\nservice = "a"\nalgorithm = "token_bucket"\nrate = "2/s"\nburst = 3',
    'scope = "user"\nalgorithm = "sliding_window"\nrate = "4/5s"',
    'scope = "ip"\nalgorithm = "fixed_window"\nrate = "3/2s"',
    'scope = "service"\nalgorithm = "leaky_bucket"\nrate = "1/s"\ncapacity = 4',
    "scope = \"service\"\nservice = \"b\"\nalgorithm = \"leaky_bucket\"\nqueue = true\n"
    "rate = \"1/s\"\nmax_delay = \"3s\"\ncapacity = 4",
    'scope = "user"\nalgorithm = "token_bucket"\nrate = "1/3s"\nburst = 2\nmode = "shadow"',
    'scope = "user"\nalgorithm = "sliding_window"\nexact = true\nrate = "3/4s"',
)
QUOTAS = (
    'tenant = "acme"\ntype = "requests"\nlimit = 5\nwindow = "10s"',
    'tenant = "acme"\ntype = "bytes"\nlimit = 900\nwindow = "7s"\nenforcement = "hard"',
    'tenant = "guest"\ntype = "requests"\nlimit = 3\nwindow = "day"\nenforcement = "soft"',
    'type = "compute"\nlimit = 20\nwindow = "never"\nmode = "shadow"',
)
QUEUES = (
    "",
    "[queue]\nservers = 1\ndepth = 3\n",
    "[queue]\non_full = \"reject\"\ncritical_cap = \"50%\"\n"
    "[queue.service.a]\nservers = 1\ndepth = 2\nflows = 2\n"
    "[sla.a]\npriority = \"high\"\np95_latency = \"2s\"\nerror_rate = \"1%\"\n",
    "[queue.service.b]\nservers = 2\ndepth = 2\n"
    "[sla.b]\npriority = \"low\"\np95_latency = \"500ms\"\ndeadline = \"3s\"\n",
)
POLICIES = (
    'type = "authorization"\nwhen = { method = ["POST"] }\naction = "deny"\nstatus = 403',
    'type = "authorization"\nwhen = { role = ["user"] }\naction = "allow"\npriority = 5',
    'type = "transformation"\nwhen = { service = ["b"] }\naction = "redirect"\n'
    'location = "https://example.org/"\nstatus = 302',
    'type = "ratelimit"\nwhen = { tenant = ["guest"] }\naction = "log"\n'
    'set_priority = "batch"\nalert = true',
    'type = "authorization"\nwhen = { ip = ["192.0.2.0/24"] }\naction = "deny"\n'
    'mode = "shadow"',
)
PRICES = (
    "",
    '[cost.a]\nbase = "0.25"\nper_kilobyte = "0.001"\n[cost.b]\nper_second = "0.1"\n'
    '[billing]\nevery = "day"\n',
    '[cost.a]\nbase = "0.000001"\nmultipliers = [{ when = { plan = "gold" }, by = "0.80" }]\n'
    '[[quota]]\nname = "budget"\ntenant = "acme"\ntype = "cost"\nlimit = "0.000002"\n'
    'window = "10s"\n',
)
GUARDS = (
    "",
    '[resilience.a]\ntimeout = "1s"\nbreaker = { failures = 2, open = "3s", probes = 1 }\n'
    'retry = { attempts = 3, base = "300ms", max = "1s", on = ["503", "timeout"], '
    'methods = ["GET"] }\n',
    '[resilience.a]\nbulkhead = { concurrent = 1, waiting = 2 }\n'
    '[resilience.b]\ntimeout = "2s"\nbulkhead = { concurrent = 2, waiting = 0 }\n'
    'breaker = { rate = "50%", volume = 2, window = "5s", open = "1s", probes = 2 }\n',
)


@functools.cache
def compiled(limits: tuple[int, ...], quotas: tuple[int, ...], queue: int = 0,
             policies: tuple[int, ...] = (), price: int = 0, guard: int = 0):
    text = HEAD + QUEUES[queue] + PRICES[price] + GUARDS[guard]
    for i in limits:
        text += f'[[limit]]\nname = "limit{i}"\n{LIMITS[i]}\n'
    for i in quotas:
        text += f'[[quota]]\nname = "quota{i}"\n{QUOTAS[i]}\n'
    for i in policies:
        text += f'[[policy]]\nname = "policy{i}"\n{POLICIES[i]}\n'
    return compiler.loads(text, profile="tiny")


def some(n: int, most: int):
    return st.sets(st.integers(0, n - 1), max_size=most).map(lambda s: tuple(sorted(s)))


# nothing waits, so that every record has an answer
PLAIN = st.builds(compiled, some(4, 4), some(len(QUOTAS), 3))
CONFIGS = st.builds(compiled, some(len(LIMITS), 4), some(len(QUOTAS), 3),
                    st.integers(0, len(QUEUES) - 1), some(len(POLICIES), 3),
                    st.integers(0, len(PRICES) - 1), st.integers(0, len(GUARDS) - 1))


def often(common, *rare):
    """One of the common values three times out of four, so that most requests get to the limits."""
    return st.one_of(*[st.sampled_from(common)] * 3, st.sampled_from(rare))


REQUEST = st.fixed_dictionaries({
    "target": often(["/a", "/a/x?q=1", "/b/1", "/b/2"], "/ab", "/b/1/2", "//a/../a", "/%zz"),
    "method": often(["GET"], "POST", "DELETE", "BREW"),
    "user": often(["ann"], "", "bob"),
    "tenant": often(["acme", "guest"], None),
    "ip": often(["192.0.2.1"], "2001:db8::1", "2001:db8::2"),
    "weight": st.sampled_from([0, 0, 0, 1, 3]),
    "request_bytes": st.sampled_from([0, 10, 400]),
    "response_bytes": st.sampled_from([0, 100]),
    "compute_units": st.sampled_from([0, 7]),
    "priority": st.sampled_from([255, 0, 4]),
    "role": st.sampled_from([0, 3]),
    "duration_ns": st.sampled_from([0, 0, S // 2, 5 * S]),
    "hit_count": st.sampled_from([0, 1]),
    "http_status": often([200], 503, 404),
})
STEP = st.one_of(
    st.tuples(st.just("exchange"), REQUEST), st.tuples(st.just("admit"), REQUEST),
    st.tuples(st.just("hold"), REQUEST), st.tuples(st.just("hold"), REQUEST),
    st.tuples(st.sampled_from(["complete", "fail", "fail", "cancel", "refund", "refund"]),
              st.integers(0, 3)),
    st.tuples(st.just("again"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["dispatch", "preempt"]), st.integers(0, 8)),
    st.tuples(st.sampled_from(["tick", "tick", "settle"]), st.none()))
WAIT = st.sampled_from([0, 0, 0, 1, S // 3, S, 4 * S])
# a step is often repeated: limits are there to be hit
STEPS = st.lists(st.tuples(st.integers(1, 5), WAIT, STEP), min_size=3, max_size=12).map(
    lambda runs: [(wait, step) for times, wait, step in runs for _ in range(times)])


class Driver:
    """Applies steps to a Kernel and remembers which requests were admitted."""

    def __init__(self, config, profile="tiny"):
        self.kernel, self.now, self.ids = Kernel(profile=profile, config=config), S, []

    def apply(self, wait, step):
        """One step; the decision, or None when the row was refused or only time passed."""
        kind, what = step
        self.now += wait
        try:
            if kind == "tick":
                self.kernel.tick(self.now)
                return None
            if kind == "settle":
                self.now = max(self.now, self.kernel.settle())
                return None
            if kind == "dispatch":
                sent = self.kernel.dispatch(at_ns=self.now)
                return sent if sent.verdict == Verdict.SENT else None
            if kind == "preempt":
                self.kernel.tick(self.now)
                self.kernel.preempt(what, by_class=0)
                return None
            if kind in ("exchange", "admit", "hold"):
                request = dict(what)
                decision = self.kernel.admit(
                    request.pop("target"),
                    at_ns=self.now,
                    exchange=kind == "exchange",
                    refundable=kind == "hold",
                    **request,
                )
                if decision.allowed and kind != "exchange":
                    self.ids.append(self.kernel.last_id)
                return decision
            id = self.ids.pop(what % len(self.ids)) if self.ids else 999
            if kind == "again":
                return self.sent_again(id)
            if kind == "fail":
                failed = self.kernel.complete(id, at_ns=self.now, http_status=503)
                if failed.verdict == Verdict.RETRY:
                    self.ids.append(id)
                return failed
            if kind == "complete":
                return self.kernel.complete(id, at_ns=self.now, response_bytes=50, compute_units=3)
            return getattr(self.kernel, kind)(id, at_ns=self.now)
        except (UnknownError, StateError, StaleError):
            return None


    def sent_again(self, id):
        """A request by name: one to be tried again, or a refundable one."""
        self.ids.append(id)
        sent = self.kernel.dispatch(id, at_ns=self.now)
        if sent.verdict in (Verdict.COMPLETE, Verdict.DROPPED):
            self.ids.remove(id)
        return sent if sent.verdict != Verdict.NONE else None


def conserved(kernel):
    s = kernel.stats()
    assert s["asked_count"] == s["granted_count"] + s["denied_count"]
    assert s["asked_count"] == (s["denied_count"] + s["dropped_count"] + s["preempted_count"]
                                + s["dispatched_count"] + s["queued_count"])
    assert kernel.valid() == 0


@settings(max_examples=60, deadline=None)
@given(CONFIGS, STEPS)
def test_laws_hold_after_every_step(config, steps):
    driver = Driver(config)
    for wait, step in steps:
        driver.apply(wait, step)
        conserved(driver.kernel)


@settings(max_examples=60, deadline=None)
@given(CONFIGS, STEPS)
def test_a_denied_request_leaves_the_book_as_its_twin_without_it(config, steps):
    driver = Driver(config)
    for wait, step in steps:
        twin = driver.kernel.fork()
        decision = driver.apply(wait, step)
        if decision is not None and decision.verdict in (Verdict.DENY, Verdict.REDIRECT):
            twin.tick(driver.now)
            assert driver.kernel.digest().book == twin.digest().book


@settings(max_examples=40, deadline=None)
@given(CONFIGS, STEPS, REQUEST)
def test_a_refused_row_and_an_explanation_change_nothing(config, steps, request_):
    driver = Driver(config)
    for wait, step in steps:
        driver.apply(wait, step)
    kernel, request = driver.kernel, dict(request_)
    before = kernel.snapshot()
    target = request.pop("target")
    said = kernel.explain(target, as_json=True, **request)
    assert kernel.snapshot() == before
    with pytest.raises(UnknownError):
        kernel.complete(12345, at_ns=driver.now + 100 * S)
    assert kernel.stats()["now_ns"] <= driver.now         # not even the clock moved
    decision = kernel.admit(target, exchange=True, **request)
    if decision.verdict == Verdict.DROPPED:     # admitted, but its guards let it go nowhere
        guarded = said["resilience"]
        assert not guarded["granted"] and guarded["reason"] in (decision.reason, "bulkhead-waits")
        return
    assert (said["verdict"], said["reason"], said["by"] or "") == (
        decision.verdict.name.lower(),
        decision.reason,
        decision.by if decision.by_kind != "none" else "",
    )
    retry = NEVER if said["retry_after_ns"] == "never" else said["retry_after_ns"]
    assert (retry, said["start_at_ns"]) == (decision.retry_after_ns, decision.start_at_ns)


@settings(max_examples=40, deadline=None)
@given(CONFIGS, STEPS, st.lists(st.integers(0, 4 * S), min_size=1, max_size=5))
def test_ticks_between_events_change_nothing_that_follows(config, steps, ticks):
    plain, ticked = Driver(config), Driver(config)
    for wait, step in steps:
        for at in sorted(ticks):
            if at < wait:
                ticked.kernel.tick(ticked.now + at)
        assert plain.apply(wait, step) == ticked.apply(wait, step)
        if step[0] != "tick" and plain.kernel.stats()["now_ns"] == plain.now:
            assert plain.kernel.snapshot() == ticked.kernel.snapshot()


@settings(max_examples=40, deadline=None)
@given(CONFIGS, STEPS, REQUEST)
def test_a_refund_gives_back_at_most_what_it_took(config, steps, extra):
    """A twin that never saw the request has at least as much left, for every limit and quota asked.
    """
    seen, twin = Driver(config), Driver(config)
    for wait, step in steps[: len(steps) // 2]:
        seen.apply(wait, step)
        twin.apply(wait, step)
    decision = seen.apply(0, ("hold", extra))
    if decision is None or not decision.allowed:
        return
    id = seen.kernel.last_id
    twin.kernel._next_id = seen.kernel._next_id
    try:
        seen.kernel.refund(id, at_ns=seen.now + S // 7)
    except RaygateError:
        return
    twin.kernel.tick(twin.now + S // 7)
    request = dict(extra)
    target = request.pop("target")
    with_refund = seen.kernel.explain(target, as_json=True, **request)
    without = twin.kernel.explain(target, as_json=True, **request)
    for stage, left in (("ratelimit", "left_tokens"), ("quota", "left_units")):
        for a, b in zip(with_refund[stage], without[stage], strict=True):
            assert a[left] <= b[left]
    conserved(seen.kernel)


@settings(max_examples=40, deadline=None)
@given(CONFIGS, STEPS, st.sampled_from(["preempt", "refund", "settle"]), REQUEST)
def test_what_left_its_queue_unsent_leaves_the_balances_of_its_twin(config, steps, way, extra):
    """Preempted, refunded or dropped at its deadline: nothing below what it took, nothing above."""
    seen, twin = Driver(config), Driver(config)
    for wait, step in steps[: len(steps) // 2]:
        seen.apply(wait, step)
        twin.apply(wait, step)
    before = seen.kernel.stats()
    decision = seen.apply(0, ("admit", extra))
    if decision is None or not decision.queued:
        return
    after = seen.kernel.stats()
    if after["dropped_count"] != before["dropped_count"]:
        return  # it displaced another: two requests are not one
    if way == "preempt":
        if decision.priority == 0:
            return  # nobody is above critical
        seen.kernel.preempt(decision.entry)
    elif way == "refund":
        assert seen.kernel.refund(seen.kernel.last_id).verdict == Verdict.DROPPED
    else:
        seen.kernel.settle()
        twin.kernel.settle()
        twin.kernel.tick(seen.kernel.stats()["now_ns"])
        seen.kernel.tick(twin.kernel.stats()["now_ns"])
    request = dict(extra)
    target = request.pop("target")
    with_it = seen.kernel.explain(target, as_json=True, **request)
    without = twin.kernel.explain(target, as_json=True, **request)
    for stage, left in (("ratelimit", "left_tokens"), ("quota", "left_units")):
        for a, b in zip(with_it.get(stage, []), without.get(stage, []), strict=True):
            assert a[left] <= b[left]
    conserved(seen.kernel)


@settings(max_examples=30, deadline=None)
@given(PLAIN, STEPS)
def test_the_decision_digest_is_the_hash_of_the_records_anybody_can_write_down(config, steps):
    driver, records = Driver(config, profile="seed"), {}

    def record(seq, now, retry, start, by, reason, kind, verdict, would, epoch):
        assert seq not in records
        records[seq] = RECORD.pack(seq, now, retry, start, by, reason, kind, verdict, would, epoch)

    codes = {word: code for code, word in reason_words(driver.kernel).items()}
    kinds = {"none": 0, "route": 1, "service": 2, "limit": 3, "quota": 4}
    for wait, (kind, what) in steps:
        step = (kind, {**what, "duration_ns": 0} if isinstance(what, dict) else what)
        d = driver.apply(wait, step)
        if d is None:
            continue
        record(
            d.id,
            d.at_ns,
            d.retry_after_ns,
            d.start_at_ns,
            d.by_id,
            codes[d.reason],
            kinds[d.by_kind],
            int(d.verdict),
            d.would_deny_count,
            d.epoch,
        )
        if step[0] == "exchange" and d.allowed:
            record(d.id + 1, d.at_ns, 0, 0, NONE, codes["ok"], 0, int(Verdict.COMPLETE), 0, d.epoch)
    for entry in driver.kernel.audit(last=1000):
        if entry["verdict"] == Verdict.EXPIRED:
            record(
                entry["seq"],
                entry["at_ns"],
                0,
                0,
                NONE,
                entry["reason"],
                0,
                entry["verdict"],
                0,
                entry["epoch"],
            )
    assert sorted(records) == list(range(driver.kernel.stats()["seq"]))
    stream = b"".join(records[seq] for seq in sorted(records))
    assert driver.kernel.digest().decision == siphash(b"raygate-decision", stream, bits=128).hex()


def reason_words(kernel):
    lib, ffi = kernel.lib, kernel.ffi
    codes = ffi.typeof("enum ray_reason").elements
    return {code: ffi.string(lib.ray_reason_word(code)).decode() for code in codes}


@settings(max_examples=30, deadline=None)
@given(CONFIGS, st.lists(st.tuples(st.integers(0, 2 * S), REQUEST), max_size=20), st.integers(1, 7))
def test_batch_boundaries_change_no_answer(config, requests, size):
    one, many = Kernel(profile="tiny", config=config), Kernel(profile="tiny", config=config)
    rows, arena, now = [], bytearray(), S
    for wait, what in requests:
        now += wait
        request = dict(what)
        one._fill(6, now, 0, 0)
        part = one._fill_request(request.pop("target"), request)
        row = one.ffi.new("ray_row *", one._row[0])
        for name in ("target", "host", "headers", "user", "client"):
            setattr(row, f"{name}_at", getattr(row, f"{name}_at") + len(arena))
        arena += part
        rows.append(row[0])
    data = one.ffi.from_buffer("uint8_t[]", bytes(arena))
    array = one.ffi.new("ray_row[]", len(rows) or 1)
    for i, row in enumerate(rows):
        array[i] = row
    answers = [one.ffi.new("ray_answer[]", len(rows) or 1) for _ in range(2)]
    for kernel, step, out in ((one, 1, answers[0]), (many, size, answers[1])):
        view = kernel.ffi.new(
            "ray_rows *", {"bytes": data, "bytes_length": len(arena), "scratch": kernel._scratch}
        )
        for at in range(0, len(rows), step):
            view.row = array + at
            kernel.step(view, min(step, len(rows) - at), out + at)
    for a, b in zip(answers[0], answers[1], strict=True):
        assert one.decision(a) == one.decision(b)
    assert one.snapshot() == many.snapshot()
