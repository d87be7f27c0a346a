# SPDX-License-Identifier: MIT
"""Runs a replay: source, reader, order and tally around a core, here or in the booted image.

Both engines see the same rows in the same order from an empty core with the same configuration and
seed, so decision, state and book digest are equal (DESIGN.md section 9).
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from host_sim import _raw
from host_sim.errors import BusyError, RaygateError, check
from host_sim.kernel import Digests, Kernel
from host_sim.replay import detect, governed, timeline
from host_sim.replay.mapping import Maps
from host_sim.replay.program import FormatError, Program
from host_sim.replay.reader import Reader
from host_sim.replay.source import CHUNK, Source
from host_sim.replay.summary import VERDICTS, First, Key, Rule, Service, Summary, Tenant

if TYPE_CHECKING:
    from host_sim.config import Config

ORDERS = ("sort", "clamp", "reject")
WINDOW = 262_144
HOST_BATCH = 512
LINK_PAYLOAD = 65_536
TOP = 10
RANKED = 4096  # clients and users that are ranked; at most 1000 of them are shown

Progress = Callable[[int, int, int], None]  # bytes read, bytes in all (0 unknown), requests


class Sink(Protocol):
    """Where the decision lines go."""

    def write(self, data: bytes, /) -> object:
        """Takes all of `data` or raises."""


class StopReading(Exception):
    """Ends a wait for input that may never come; raised by a signal handler."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How to replay. `window` is how many rows late one may come with order sort, 0 any."""

    order: str = "sort"
    window: int = WINDOW
    form: str = "auto"
    maps: Maps = Maps()
    top: int = TOP


class Replay:
    """One replay of one log. Make it, run it on one engine, read the summary; then close it.

    `stopping` is asked between steps: once it is true no more is read, what is in flight completes,
    and the summary tells what is known.
    """

    def __init__(
        self, config: Config, source: Source, *, profile: str = "seed",
        options: Options | None = None, decisions: Sink | None = None,
        progress: Progress | None = None, stopping: Callable[[], bool] | None = None,
    ) -> None:
        self.config, self.source, self.profile = config, source, profile
        self.options = options or Options()
        if self.options.order not in ORDERS:
            raise FormatError(f"unknown order {self.options.order!r}: use {', '.join(ORDERS)}")
        self._decisions, self._progress = decisions, progress
        self._stopping = stopping or (lambda: False)
        self._raw = _raw.load(profile)
        self.ffi, self.lib = self._raw.ffi, self._raw.lib
        self.kernel = Kernel(profile=profile, config=config)
        self.program: Program = detect.program_for(
            self._raw, source.peek(detect.SAMPLE), form=self.options.form, maps=self.options.maps)
        self.reader = Reader(self._raw, self.program, config=config, core=self.kernel.ray)
        self._replay = self.ffi.NULL
        self._stopped = False
        self.waiting = False  # for input: a signal handler may raise StopReading meanwhile
        self._read_stats = self.ffi.new("ray_replay_stats *")

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the reader and the replay; the kernel stays."""
        self.lib.ray_replay_close(self._replay)
        self._replay = self.ffi.NULL
        self.reader.close()

    def _open(self, batch_rows: int, batch_bytes: int) -> None:
        if self._replay != self.ffi.NULL:
            raise RaygateError("a replay runs once")
        self._replay = self.lib.ray_replay_open(self.ffi.new("ray_replay_spec *", {
            "reader": self.reader.reader, "names": self.kernel.ray,
            "hash_key": int.from_bytes(os.urandom(8), "little"),
            "order": ORDERS.index(self.options.order), "window_rows": self.options.window,
            "batch_rows": batch_rows, "batch_bytes": batch_bytes,
            "decisions": self._decisions is not None}))
        if self._replay == self.ffi.NULL:
            raise MemoryError("no memory for a replay")

    # -- what a state asks for ------------------------------------------------------------------
    def _feed(self) -> None:
        try:
            self.waiting = True
            data = self.source.read(CHUNK)
        except StopReading:
            return
        finally:
            self.waiting = False
        if not data:
            self.reader.end()
            return
        while data:
            data = data[self.reader.feed(data) :]

    def _flush(self) -> None:
        if self._decisions is None:
            return
        length = self.ffi.new("uint64_t *")
        at = self.lib.ray_replay_text(self._replay, length)
        if length[0]:
            self._decisions.write(self.ffi.buffer(at, length[0]))
            self.lib.ray_replay_text_clear(self._replay)

    def _serve(self, state: int) -> bool:
        """Does what `state` asks for; False when the replay is over."""
        lib = self.lib
        if self._stopping() and not self._stopped:
            self._stopped = True
            lib.ray_replay_stop(self._replay)
        if state == lib.RAY_REPLAY_DONE:
            return False
        self._report()
        if state == lib.RAY_REPLAY_INPUT and not self._stopped:
            self._feed()
        elif state == lib.RAY_REPLAY_OUTPUT:
            self._flush()
        elif state == lib.RAY_REPLAY_MEMORY:
            raise MemoryError("memory ran out; a smaller --window needs less")
        elif state == lib.RAY_REPLAY_REFUSED:
            raise RaygateError("the core refused a batch: it is of another version")
        return True

    def _report(self) -> None:
        if self._progress is not None:
            self.lib.ray_replay_read(self._replay, self._read_stats)
            self._progress(self.source.raw_count, self.source.raw_total,
                           int(self._read_stats.request_count))

    # -- the two engines ------------------------------------------------------------------------
    def run_host(self) -> Summary:
        """Steps the core in this process, with the GIL released."""
        self._open(HOST_BATCH, HOST_BATCH * 1024)
        kernel, started = self.kernel, time.perf_counter_ns()
        with _entered(kernel):
            while self._serve(self.lib.ray_host_replay(self._replay, kernel.ray)):
                pass
        self._flush()
        elapsed = time.perf_counter_ns() - started
        return self._summary("host", kernel.digest(), elapsed)

    def run_image(self, link: Any) -> Summary:
        """Steps the core at the other end of a machine link (shell.Link): empties it, loads the
        configuration, sends the rows with up to eight batches on their way, asks for digests."""
        if link.greeting.profile != self.lib.RAY_PROFILE:
            raise RaygateError("the image has another capacity profile than --profile")
        if (link.greeting.row_bytes, link.greeting.answer_bytes) != (
                self.ffi.sizeof("ray_row"), self.ffi.sizeof("ray_answer")):
            raise RaygateError("the image is of another version")
        self._open(min(link.greeting.row_max, 1024), LINK_PAYLOAD)
        started = time.perf_counter_ns()
        link.reset(bytes(16))
        report = link.config(self.config.blob)
        check(report.status, "the image refused the configuration")
        size = self.ffi.sizeof("ray_answer")
        for answers in link.rows_stream(self._batches()):
            data = self.ffi.from_buffer("ray_answer[]", answers)
            check(self.lib.ray_replay_take(self._replay, data, len(answers) // size),
                  "the image answered another number of rows than were sent")
            self._flush()
        self._flush()
        elapsed = time.perf_counter_ns() - started
        got = link.digest()
        state = link.snapshot()
        self.ffi.memmove(self.kernel.ray_memory(), state, len(state))
        return self._summary("image", Digests(got.decision, got.state, got.book, got.config),
                             elapsed)

    def _batches(self) -> Iterator[tuple[bytes, bytes]]:
        ffi, lib = self.ffi, self.lib
        payload, length = ffi.new("uint8_t **"), ffi.new("uint64_t *")
        row_bytes = ffi.sizeof("ray_row")
        while True:
            state = lib.ray_replay_next(self._replay, payload, length)
            if state == lib.RAY_REPLAY_BATCH:
                data = bytes(ffi.buffer(payload[0], length[0]))
                split = 8 + int.from_bytes(data[:4], "little") * row_bytes
                self._serve(state)
                yield data[8:split], data[split:]
            elif not self._serve(state):
                return

    # -- the end --------------------------------------------------------------------------------
    def _summary(self, engine: str, digests: Digests, elapsed_ns: int) -> Summary:
        lib, out = self.lib, self._read_stats
        lib.ray_replay_read(self._replay, out)
        verdicts = {word: int(out.verdict_count[getattr(lib, f"RAY_VERDICT_{word.upper()}")])
                    for word in VERDICTS}
        limits = self.ffi.new("ray_ratelimit_stats *")
        lib.ray_ratelimit_read(lib.ray_ratelimit_of(self.kernel.ray), limits)
        ended = self.kernel.stats()
        clients, users = self._keys(0), self._keys(1)
        return Summary(
            log=self.source.name, config=self.config.path, engine=engine, profile=self.profile,
            form=self.program.label, columns=self.program.said(), order=self.options.order,
            window=self.options.window, lines=self.reader.stats(),
            requests=int(out.request_count), verdicts=verdicts, reasons=self._reasons(out),
            would_deny=int(out.would_deny_count), queued=int(out.queued_count),
            completed=ended["completed_count"], expired=ended["expired_count"],
            dropped=ended["dropped_count"],
            errors=int(out.error_count), stepped_back=int(out.stepped_back_count),
            moved=int(out.moved_count), rejected=int(out.rejected_count), late=int(out.late_count),
            not_replayed=int(out.dropped_count),
            concurrent_max=ended["inflight_count_max"],
            first_ns=int(out.first_ns), last_ns=int(out.last_ns),
            rules=tuple(self._rules()), services=tuple(self._services()),
            clients=clients[: self.options.top], client_count=int(out.client_count),
            users=users[: self.options.top], user_count=int(out.user_count),
            users_differ=out.client_count != out.user_count
            or _firm(clients, out.client_count) != _firm(users, out.user_count),
            folded_totals=int(out.folded_client_count + out.folded_user_count),
            folded_keys=int(limits.overflow_count),
            config_hash=digests.config, decision_digest=digests.decision,
            state_digest=digests.state, book_digest=digests.book, elapsed_ns=elapsed_ns,
            governed=governed.read(self.kernel), tenants=tuple(self._tenants()),
            hurt_clients=self._hurt(0), hurt_client_count=int(out.hurt_client_count),
            hurt_users=self._hurt(1), hurt_user_count=int(out.hurt_user_count),
            timeline=timeline.read(self.kernel, lib.ray_replay_timeline(self._replay)),
            log_sha256=self.source.sha256(), log_bytes=self.source.raw_count,
            problem=self.source.problem, interrupted=self._stopped)

    def _word(self, word: Any) -> str:
        return bytes(self.ffi.string(word)).decode()

    def _reasons(self, out: Any) -> dict[str, int]:
        found = {self._word(self.lib.ray_reason_word(code)): int(number)
                 for code, number in enumerate(out.reason_count) if number}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def _rules(self) -> list[Rule]:
        row = self.ffi.new("ray_replay_rule *")
        rules: list[Rule] = []
        while self.lib.ray_replay_rule_read(self._replay, len(rules), row):
            rules.append(Rule(
                self._word(self.lib.ray_by_word(row.by_kind)), self._word(row.name.at),
                int(row.denied_count), int(row.would_deny_count), int(row.retry_after_ns_max),
                int(row.never_count), self._first(row.first), self._first(row.first_would)))
        return sorted(rules, key=lambda r: (-r.denied, -r.would_deny, r.kind, r.name))

    def _services(self) -> list[Service]:
        row = self.ffi.new("ray_replay_service *")
        services: list[Service] = []
        while self.lib.ray_replay_service_read(self._replay, len(services), row):
            services.append(Service(
                self._word(row.name.at), int(row.request_count), int(row.allowed_count),
                int(row.denied_count), int(row.delayed_count), int(row.response_bytes)))
        return sorted(services, key=lambda s: (-s.requests, s.name))

    def _keys(self, users: int) -> tuple[Key, ...]:
        """The first RANKED keys, ties by name as it is printed (the core's are by its bytes)."""
        rows = self.ffi.new("ray_replay_key[]", RANKED)
        count = self.lib.ray_replay_top(self._replay, users, RANKED, rows)
        keys = (self._key(row) for row in rows[0:count])
        return tuple(sorted(keys, key=lambda key: (*_rank(key), key.name)))

    def _hurt(self, users: int) -> tuple[Key, ...]:
        rows = self.ffi.new("ray_replay_key[]", self.options.top)
        count = self.lib.ray_replay_hurt(self._replay, users, self.options.top, rows)
        return tuple(self._key(row) for row in rows[0:count])

    def _key(self, row: Any) -> Key:
        return Key(self._key_name(row), int(row.request_count), int(row.denied_count),
                   int(row.delayed_count), int(row.would_deny_count), self._first(row.first))

    def _first(self, row: Any) -> First | None:
        if not row.at_ns:
            return None
        by, name = self._word(self.lib.ray_reason_word(row.reason)), self.ffi.new("ray_name *")
        if row.by_kind != self.lib.RAY_BY_NONE:
            self.lib.ray_by_name(self.kernel.ray, row.by_kind, row.by_id, name)
            by = f"{self._word(self.lib.ray_by_word(row.by_kind))} {self._word(name.at)}"
        return First(int(row.at_ns), int(row.seq), by)

    def _tenants(self) -> Iterator[Tenant]:
        row, place = self.ffi.new("ray_replay_tenant *"), 0
        while self.lib.ray_replay_tenant_read(self._replay, place, row):
            place += 1
            if row.request_count:
                yield Tenant(governed.tenant_name(self.kernel, row.tenant),
                             int(row.request_count), int(row.allowed_count),
                             int(row.denied_count), int(row.delayed_count),
                             int(row.would_deny_count), self._first(row.first))

    def _key_name(self, row: Any) -> str:
        raw = bytes(self.ffi.buffer(row.name, row.length))
        if not row.address:
            return raw.decode("utf-8", "backslashreplace")
        ip = ipaddress.IPv6Address(raw)
        return str(ip.ipv4_mapped or ip)


def _rank(key: Key) -> tuple[int, int, int]:
    return -key.denied, -key.would_deny, -key.requests


def _firm(keys: tuple[Key, ...], total: int) -> tuple[Key, ...]:
    """The keys whose place a cut did not choose: of a tie that goes on past the end it took any."""
    if len(keys) == total or _rank(keys[0]) == _rank(keys[-1]):
        return keys
    return tuple(key for key in keys if _rank(key) != _rank(keys[-1]))


@contextlib.contextmanager
def _entered(kernel: Kernel) -> Iterator[None]:
    """Holds the kernel's busy flag: another thread's call meanwhile raises BusyError."""
    if kernel._busy:
        raise BusyError("another thread is inside this Kernel")
    kernel._busy = True
    try:
        yield
    finally:
        kernel._busy = False
