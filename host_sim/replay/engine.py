# SPDX-License-Identifier: MIT
"""Runs a replay: source, reader, order and tally around a core, here or in the booted image.

Both engines see the same rows in the same order from an empty core with the same configuration and
seed, so decision, state and book digest are equal (DESIGN.md section 9).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from host_sim import _raw
from host_sim.errors import BusyError, RaygateError, check
from host_sim.kernel import Digests, Kernel
from host_sim.replay import governed, timeline, trust
from host_sim.replay.here import Here
from host_sim.replay.inputs import Inputs
from host_sim.replay.mapping import Maps
from host_sim.replay.program import FormatError
from host_sim.replay.source import Source
from host_sim.replay.summary import VERDICTS, Summary
from host_sim.replay.tally import Tally, firm

if TYPE_CHECKING:
    from host_sim.config import Config
    from host_sim.tables import Columns

ORDERS = ("sort", "clamp", "reject")
SPREADS = ("none", "even", "poisson")
WINDOW = 262_144
HOST_BATCH = 512
LINK_PAYLOAD = 65_536
TOP = 10

Progress = Callable[[int, int, int], None]  # bytes read, bytes in all (0 unknown), requests


class Sink(Protocol):
    """Where the decision lines go."""

    def write(self, data: bytes, /) -> object:
        """Takes all of `data` or raises."""


class StopReading(Exception):
    """Ends a wait for input that may never come; raised by a signal handler."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How to replay. `window` is how many rows late one may come with order sort, 0 any; several
    logs share it. `spread` is what becomes of rows that share a unit of their log's clock."""

    order: str = "sort"
    window: int = WINDOW
    form: str = "auto"
    maps: Maps = Maps()
    top: int = TOP
    spread: str = "none"
    spread_seed: int = 0


class Replay:
    """One replay of one log, or of several merged by time. Make it, run it on one engine, read the
    summary; then close it.

    `stopping` is asked between steps: once it is true no more is read, what is in flight completes,
    and the summary tells what is known. `columns` gathers every decision.
    """

    def __init__(
        self, config: Config, source: Source | Sequence[Source], *, profile: str = "seed",
        options: Options | None = None, decisions: Sink | None = None,
        progress: Progress | None = None, stopping: Callable[[], bool] | None = None,
        columns: Columns | None = None, notes: bool = False,
    ) -> None:
        self.columns = columns
        self.config, self.profile = config, profile
        self.sources = (source,) if isinstance(source, Source) else tuple(source)
        self.options = options or Options()
        if self.options.order not in ORDERS:
            raise FormatError(f"unknown order {self.options.order!r}: use {', '.join(ORDERS)}")
        if self.options.spread not in SPREADS:
            raise FormatError(f"unknown spread {self.options.spread!r}: use {', '.join(SPREADS)}")
        self._decisions, self._progress, self._notes = decisions, progress, notes
        self._stopping = stopping or (lambda: False)
        self._raw = _raw.load(profile)
        self.ffi, self.lib = self._raw.ffi, self._raw.lib
        self.kernel = Kernel(profile=profile, config=config)
        self.inputs = Inputs(self._raw, self.sources, config, self.kernel.ray,
                             form=self.options.form, maps=self.options.maps)
        self._replay = self.ffi.NULL
        self._stopped = False
        self.waiting = False  # for input: a signal handler may raise StopReading meanwhile
        self.fed_count = 0  # bytes of the log, unpacked, that were given to the reader
        self._read_stats = self.ffi.new("ray_replay_stats *")

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the readers and the replay; the kernel stays."""
        self.lib.ray_replay_close(self._replay)
        self._replay = self.ffi.NULL
        self.inputs.close()

    @property
    def raw_replay(self) -> Any:
        """The `ray_replay *`, for what works on it in C."""
        return self._replay

    def _open(self, batch_rows: int, batch_bytes: int) -> None:
        if self._replay != self.ffi.NULL:
            raise RaygateError("a replay runs once")
        inputs = self.inputs.rows(self.options.spread != "none")
        self._replay = self.lib.ray_replay_open(self.ffi.new("ray_replay_spec *", {
            "inputs": inputs, "input_count": len(inputs),
            "spread": SPREADS.index(self.options.spread),
            "spread_seed": self.options.spread_seed, "names": self.kernel.ray,
            "hash_key": int.from_bytes(os.urandom(8), "little"),
            "order": ORDERS.index(self.options.order), "window_rows": self.options.window,
            "batch_rows": batch_rows, "batch_bytes": batch_bytes,
            "decisions": self._decisions is not None, "notes": self._notes,
            "columns": self.ffi.NULL if self.columns is None else self.columns.columns}))
        if self._replay == self.ffi.NULL:
            raise MemoryError("no memory for a replay")

    # -- what a state asks for ------------------------------------------------------------------
    def _feed(self) -> None:
        place = self.lib.ray_replay_wants(self._replay)
        try:
            self.waiting = True
            data = self.inputs.read(place)
        except StopReading:
            return
        finally:
            self.waiting = False
        self.fed_count += len(data)
        self.inputs.feed(place, data)

    def flush(self) -> None:
        """Hands on the decision lines that have gathered."""
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
            self.stop()
        if state == lib.RAY_REPLAY_DONE:
            return False
        self._report()
        if state == lib.RAY_REPLAY_INPUT and not self._stopped:
            self._feed()
        elif state == lib.RAY_REPLAY_OUTPUT:
            self.flush()
        elif state == lib.RAY_REPLAY_MEMORY:
            raise MemoryError("memory ran out; a smaller --window needs less")
        elif state == lib.RAY_REPLAY_REFUSED:
            raise RaygateError("the core refused a batch: it is of another version")
        return True

    def _report(self) -> None:
        if self._progress is not None:
            self.lib.ray_replay_read(self._replay, self._read_stats)
            self._progress(*self.inputs.progress(), int(self._read_stats.request_count))

    # -- the two engines ------------------------------------------------------------------------
    def run_host(self) -> Summary:
        """Steps the core in this process, with the GIL released."""
        self.begin()
        while self.advance():
            pass
        return self.end()

    def begin(self) -> None:
        """Gets ready to be run on the host a step at a time: begin, advance until it is False,
        end. What is decided does not depend on the steps."""
        self._open(HOST_BATCH, HOST_BATCH * 1024)
        self._started_ns = time.perf_counter_ns()

    def advance(self) -> bool:
        """One step: some rows through the core, or some bytes to the reader. False at the end."""
        with _entered(self.kernel):
            state = self.lib.ray_host_replay(self._replay, self.kernel.ray)
        return self._serve(state)

    def stop(self) -> None:
        """Reads no more: what is in flight completes with the next steps."""
        self._stopped = True
        self.lib.ray_replay_stop(self._replay)

    @property
    def stopped(self) -> bool:
        """Was it told to read no more?"""
        return self._stopped

    def end(self) -> Summary:
        """What came of it, after advance was False."""
        self.flush()
        elapsed = time.perf_counter_ns() - self._started_ns
        return self._summary("host", self.kernel.digest(), elapsed)

    def walk_to(
        self, position: int, giving_up: Callable[[], bool] = lambda: False
    ) -> Here | None:
        """Goes on until just before the row with this running number (from 1) is decided; None
        when the log ends before it, or `giving_up` is true. After `begin`, only ever forwards."""
        self.lib.ray_replay_watch(self._replay, position)
        while True:
            with _entered(self.kernel):
                state = self.lib.ray_host_replay(self._replay, self.kernel.ray)
            if state == self.lib.RAY_REPLAY_HERE:
                self.flush()
                return Here(self)
            if giving_up() or not self._serve(state):
                self.flush()
                return None

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
            self.flush()
        self.flush()
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
        tally = Tally(self.kernel, self._replay, self.options.top)
        clients, users = tally.keys(0), tally.keys(1)
        return Summary(
            log=self.inputs.names(), config=self.config.path, engine=engine, profile=self.profile,
            form=self.inputs.label(), columns=self.inputs.said(), order=self.options.order,
            window=self.options.window, lines=self.inputs.stats(),
            requests=int(out.request_count), verdicts=verdicts, reasons=tally.reasons(out),
            would_deny=int(out.would_deny_count), queued=int(out.queued_count),
            completed=ended["completed_count"], expired=ended["expired_count"],
            dropped=ended["dropped_count"],
            errors=int(out.error_count), stepped_back=int(out.stepped_back_count),
            moved=int(out.moved_count), rejected=int(out.rejected_count), late=int(out.late_count),
            not_replayed=int(out.dropped_count),
            concurrent_max=ended["inflight_count_max"],
            first_ns=int(out.first_ns), last_ns=int(out.last_ns),
            rules=tuple(tally.rules()), services=tuple(tally.services()),
            clients=clients[: self.options.top], client_count=int(out.client_count),
            users=users[: self.options.top], user_count=int(out.user_count),
            users_differ=out.client_count != out.user_count
            or firm(clients, out.client_count) != firm(users, out.user_count),
            folded_totals=int(out.folded_client_count + out.folded_user_count),
            folded_keys=int(limits.overflow_count),
            config_hash=digests.config, decision_digest=digests.decision,
            state_digest=digests.state, book_digest=digests.book, elapsed_ns=elapsed_ns,
            governed=governed.read(self.kernel), tenants=tuple(tally.tenants()),
            hurt_clients=tally.hurt(0), hurt_client_count=int(out.hurt_client_count),
            hurt_users=tally.hurt(1), hurt_user_count=int(out.hurt_user_count),
            timeline=timeline.read(self.kernel, lib.ray_replay_timeline(self._replay)),
            trust=self._trust(out), logs=self.inputs.each(), problem=self.inputs.problem(),
            interrupted=self._stopped)

    def _trust(self, out: Any) -> trust.Trust:
        return trust.of(
            self.inputs.stats(), trust.missing(self.config, self.inputs.programs),
            shared=int(out.shared_count), instant_max=int(out.instant_rows_max),
            spread=self.options.spread, spread_seed=self.options.spread_seed,
            spread_rows=int(out.spread_count))



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
