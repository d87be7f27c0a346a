# SPDX-License-Identifier: MIT
"""Runs a scenario: its clients and upstreams around a core in this process, and, where asked, the
same rows through the booted image.

    from host_sim.simulation import Simulation
    result = Simulation("retry-storm").run()
    print(result.holds, result.total.number("gave_up_ppm"))
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from host_sim import _raw
from host_sim.decision import NONE
from host_sim.errors import RaygateError, check
from host_sim.kernel import TEXT_BYTES, Digests, Kernel
from host_sim.replay.engine import _entered
from host_sim.report.again import running
from host_sim.simulation import named, tables
from host_sim.simulation.counts import Count, Counters, total
from host_sim.simulation.logged import Logged
from host_sim.simulation.plan import Act, instants, moments, plan
from host_sim.simulation.recording import Recording
from host_sim.simulation.result import (
    Change,
    Expected,
    Machine,
    Result,
    Rule,
    Second,
    Window,
    identity,
    outcome,
)
from host_sim.simulation.rules import CLASSES
from host_sim.simulation.scenario import Scenario
from host_sim.simulation.spec import Spec
from host_sim.tables import Columns, Decisions

PAYLOAD = 65_536
ROWS_MAX = 400
PLACE = 0xFFFF  # of a handle
SEED_MAX = 2**63 - 1
Progress = Callable[[int, int, int], None]  # ns done, ns in all, rows


class Simulation:
    """One run of one scenario: a Scenario, a path to one, or the name of one that is shipped.

    With `gather` the result has every decision as columns, which takes about 80 bytes each.
    `stopping` is asked now and then: once it is true nothing new arrives, what is in flight ends,
    and the result tells what is known. Raises ConfigError with every finding of the file, OSError
    when it cannot be read.
    """

    waiting = False  # it never waits for input (host_sim.commands_support.Work)

    def __init__(
        self, scenario: Scenario | str | os.PathLike[str], *, seed: int | None = None,
        progress: Progress | None = None, stopping: Callable[[], bool] | None = None,
        gather: bool = False,
    ) -> None:
        made = scenario if isinstance(scenario, Scenario) else named.find(scenario)
        self.scenario: Scenario = made
        self.seed = self.scenario.head.seed if seed is None else seed
        if not 0 <= self.seed <= SEED_MAX:
            raise ValueError(f"a seed is 0 to {SEED_MAX}, not {self.seed}")
        self._progress, self._stopping = progress, stopping or (lambda: False)
        self._gather = gather
        head = self.scenario.head
        self._raw = _raw.load(head.profile)
        self.ffi, self.lib = self._raw.ffi, self._raw.lib
        self.kernel = self._new_kernel()
        self._planned = plan(self.scenario)
        self._marks: dict[int, list[Count]] = {}
        self._stopped = False
        self._recording: Recording | None = None
        self._stats = self.ffi.new("ray_simulate_stats *")

    def _new_kernel(self) -> Kernel:
        return Kernel(profile=self.scenario.head.profile, seed=tables.seed_bytes(self.seed),
                      config=self.scenario.config)

    # -- running --------------------------------------------------------------------------------
    def run(self) -> Result:
        """Steps the core in this process, with the GIL released. A simulation may run again: it
        begins anew each time."""
        return self._run(None)

    def run_image(self, link: Any) -> Result:
        """The same, and every row and console line once more at the other end of a machine link
        (shell.Link); `result.machine` has its digests."""
        if link.greeting.profile != self.lib.RAY_PROFILE:
            raise RaygateError("the image has another capacity profile than the scenario")
        with Recording() as recording:
            result = self._run(recording)
            link.reset(tables.seed_bytes(self.seed))
            check(link.config(self.scenario.config.blob).status,
                  "the image refused the configuration")
            fed = recording.feed(link, self.ffi.sizeof("ray_row"))
            got = link.digest()
        return result.with_machine(Machine(
            fed, Digests(got.decision, got.state, got.book, got.config)))

    def _run(self, recording: Recording | None) -> Result:
        if self.kernel.stats()["now_ns"]:
            self.kernel = self._new_kernel()
        with contextlib.ExitStack() as opened:
            logs = {
                one.name: opened.enter_context(
                    Logged(self._raw, self.scenario, one, self.kernel))
                for one in self.scenario.clients if one.arrivals.log is not None}
            return self._run_with(recording, logs)

    def _run_with(self, recording: Recording | None, logs: dict[str, Logged]) -> Result:
        columns = Columns(self._raw) if self._gather else None
        spec = Spec(self._raw, self.kernel, self.scenario, self.seed, self._planned,
                    columns=columns, logs={name: one.reader for name, one in logs.items()},
                    record=recording is not None)
        self._logs = logs
        self._recording, self._marks, self._stopped = recording, {}, False
        started = time.perf_counter_ns()
        simulation = self.lib.ray_simulate_open(spec.spec)
        if simulation == self.ffi.NULL:
            raise MemoryError("no memory for a simulation")
        try:
            counters = Counters(self._raw, simulation, spec.counter_names())
            with _entered(self.kernel):
                while self._serve(simulation, counters, spec):
                    pass
            self._take(simulation)
            return self._result(simulation, counters, columns, time.perf_counter_ns() - started)
        finally:
            self.lib.ray_simulate_close(simulation)

    def _serve(self, simulation: Any, counters: Counters, spec: Spec) -> bool:
        """One stretch of the loop, and what it asks for; False at the end."""
        lib = self.lib
        state = lib.ray_host_simulate(simulation, self.kernel.ray)
        if state == lib.RAY_SIMULATE_DONE:
            return False
        if state == lib.RAY_SIMULATE_MEMORY:
            raise MemoryError("memory ran out: too many requests wait at once")
        self._take(simulation)
        if state == lib.RAY_SIMULATE_INPUT:
            lib.ray_simulate_read(simulation, self._stats)
            self._logs[self.scenario.clients[self._stats.stop].name].feed()
            return True
        if state == lib.RAY_SIMULATE_STOPPED:
            lib.ray_simulate_read(simulation, self._stats)
            self._act(simulation, counters, spec, self._planned[self._stats.stop].act)
        elif self._progress is not None:
            lib.ray_simulate_read(simulation, self._stats)
            begin = self.scenario.head.start
            self._progress(int(self._stats.now_ns) - begin, self.scenario.head.duration,
                           int(self._stats.row_count))
        if self._stopping() and not self._stopped:
            self._stopped = True
            lib.ray_simulate_end(simulation)
        return True

    def _take(self, simulation: Any) -> None:
        if self._recording is None:
            return
        payload = self.ffi.new("uint8_t[]", PAYLOAD)
        while length := self.lib.ray_simulate_take(simulation, payload, PAYLOAD, ROWS_MAX):
            self._recording.rows(bytes(self.ffi.buffer(payload, length)))

    def _act(self, simulation: Any, counters: Counters, spec: Spec, act: Act) -> None:
        for line in act.lines:
            self._line(line)
        if act.joins:
            self.lib.ray_simulate_bind(simulation, spec.place(act.joins),
                                       spec.handle(act.joins), NONE)
        if act.mark is not None:
            self._marks[act.mark] = counters.read()

    def _line(self, line: str) -> None:
        """A console line as the machine link runs it. Raises RaygateError when it fails."""
        ffi, lib, kernel = self.ffi, self.lib, self.kernel
        if self._recording is not None:
            self._recording.line(line)
        text, buffer = ffi.new("ray_text *"), ffi.new("char[]", TEXT_BYTES)
        lib.ray_text_init(text, buffer, TEXT_BYTES)
        machine = ffi.new("ray_machine *")
        words = [ffi.new("char[]", word) for word in (b"simulation", b"virtual", b"file", b"none")]
        machine.name, machine.clock, machine.config_source, machine.config_name = words
        machine.secrets = kernel.secrets
        raw = line.encode()
        done = lib.ray_shell_run(kernel.ray, machine, lib.ray_clock_now(kernel.ray),
                                 lib.RAY_WHO_LINK, raw, len(raw), text)
        if done.status < 0:
            said = bytes(ffi.buffer(text.at, text.length)).decode("ascii", "replace").strip()
            raise RaygateError(f'the console line "{line}" failed: {said}')

    # -- the end --------------------------------------------------------------------------------
    def _result(self, simulation: Any, counters: Counters, columns: Columns | None,
                elapsed_ns: int) -> Result:
        lib, kernel, scenario = self.lib, self.kernel, self.scenario
        lib.ray_simulate_read(simulation, self._stats)
        stats, counts = self._stats, counters.read()
        groups = [one for one in counts if one.kind == "group"]
        buckets = lib.ray_simulate_buckets(simulation)
        logs = tuple(one.read() for one in self._logs.values())
        made = Result(
            name=Path(scenario.name).stem, title=scenario.head.title, what=scenario.head.what,
            seed=self.seed, start_ns=scenario.head.start, duration_ns=scenario.head.duration,
            end_ns=int(stats.now_ns), config=scenario.head.config, moments=moments(scenario),
            changes=tuple(self._changes(simulation)), marks=self._marks,
            gathered=None if columns is None else Decisions(columns, kernel, scenario.config),
            scenario_hash=identity(scenario.source, logs), logs=logs,
            profile=scenario.head.profile, command=running(),
            total=total(groups), counts=tuple(one for one in counts if one.numbers["offered"]
                                              or one.numbers["sent"]
                                              or one.kind in ("group", "instance")),
            timeline=tuple(Second.of(buckets[i], int(stats.bucket_ns), i)
                           for i in range(self._bucket_count(int(stats.bucket_ns)))),
            rules=self._rules(), reasons=self._reasons(), rows=int(stats.row_count),
            errors=int(stats.error_count), unplaced=int(stats.unplaced_count),
            held_max=int(stats.job_count_max), elapsed_ns=elapsed_ns,
            interrupted=self._stopped, classes=CLASSES, **outcome(kernel))
        expected = tuple(
            Expected.of(row.says, row.check, check, Window(made, row.during))
            for row, check in zip(scenario.expects, scenario.checks, strict=True)
            if instants(row, check) <= self._marks.keys())
        return made.with_expected(expected)

    def _changes(self, simulation: Any) -> Iterator[Change]:
        lib, count = self.lib, self.ffi.new("uint32_t *")
        rows = lib.ray_simulate_changes(simulation, count)
        for one in rows[0 : count[0]]:
            words = (lib.ray_resilience_state_word(getattr(one, "from")),
                     lib.ray_resilience_state_word(one.to),
                     lib.ray_resilience_cause_word(one.cause))
            before, after, cause = (bytes(self.ffi.string(word)).decode() for word in words)
            yield Change(int(one.at_ns) - self.scenario.head.start,
                         self.scenario.config.services[one.service & PLACE], before, after, cause)

    def _bucket_count(self, bucket_ns: int) -> int:
        whole = -(-self.scenario.head.duration // bucket_ns)
        ran = (int(self._stats.now_ns) - self.scenario.head.start) // bucket_ns + 1
        return min(whole, ran if self._stopped else whole,
                   int(self.lib.RAY_SIMULATE_BUCKET_MAX))

    def _rules(self) -> tuple[Rule, ...]:
        lib, ffi, name = self.lib, self.ffi, self.ffi.new("ray_name *")
        found = []
        for one in self._stats.rule[0 : self._stats.rule_count]:
            lib.ray_by_name(self.kernel.ray, one.by_kind, one.by_id, name)
            kind = bytes(ffi.string(lib.ray_by_word(one.by_kind))).decode()
            found.append(Rule(kind, bytes(ffi.string(name.at)).decode(), int(one.denied_count),
                              int(one.retry_after_ns_max)))
        return tuple(sorted(found, key=lambda rule: (-rule.denied, rule.kind, rule.name)))

    def _reasons(self) -> dict[str, int]:
        word = self.lib.ray_reason_word
        found = {bytes(self.ffi.string(word(code))).decode(): int(number)
                 for code, number in enumerate(self._stats.reason_count) if number}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
