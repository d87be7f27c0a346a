# SPDX-License-Identifier: MIT
"""Kernel: the whole core as one friendly object, deterministic, batch first."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Unpack, cast

from host_sim import _raw
from host_sim.answers import Answers
from host_sim.decision import (
    NEVER,
    NONE,
    NUMBERS,
    Decision,
    Digests,
    LoadReport,
    RequestFields,
    RowFlag,
    RowKind,
    Shadow,
    ShellResult,
    Verdict,
    pack_address,
    pack_headers,
)
from host_sim.errors import (
    ArgumentError,
    BusyError,
    ChecksumError,
    TruncatedError,
    VersionError,
    check,
)

__all__ = ["NEVER", "NONE", "Decision", "Digests", "Kernel", "LoadReport", "RowFlag", "RowKind",
           "Shadow", "ShellResult", "Verdict"]

SNAPSHOT_MAGIC = b"RAYSNAP1"
SNAPSHOT_HEAD = struct.Struct("<8sIIQI4x")  # magic, state version 1, profile, bytes, CRC-32C
TEXT_BYTES = 262144
ADDRESS, WEIGHT, VOUCHED, IDEMPOTENT = (
    int(RowFlag[name]) for name in ("ADDRESS", "WEIGHT", "VOUCHED", "IDEMPOTENT"))


class Kernel(Answers):
    """The core with one flat state that this object owns.

    `profile` chooses the capacities (seed, edge, tiny), `seed` is the 16-byte hash seed, `config` a
    TOML path, a compiled blob or a host_sim.config.Config. The clock is virtual and starts at 0:
    every event brings its own `at_ns`, and time never runs backwards.
    """

    def __init__(
        self, *, profile: str = "seed", seed: bytes = bytes(16), config: Any = None
    ) -> None:
        if len(seed) != 16:
            raise ArgumentError(f"the hash seed has 16 bytes, not {len(seed)}")
        self._raw = _raw.load(profile)
        self.ffi, self.lib, self.profile = self._raw.ffi, self._raw.lib, profile
        self._bytes = int(self.lib.ray_bytes())
        self._memory = _raw.zeroed(self.ffi, self._bytes + 64)
        start = int(self.ffi.cast("uintptr_t", self._memory))
        self.ray = self.ffi.cast("struct ray *", self._memory + (-start % 64))
        self._hidden = self.ffi.new("uint8_t[]", int(self.lib.ray_secrets_bytes()) + 64)
        start = int(self.ffi.cast("uintptr_t", self._hidden))
        self.secrets = self.ffi.cast("struct ray_secrets *", self._hidden + (-start % 64))
        self._scratch = self.ffi.new("uint8_t[]", self.lib.RAY_TARGET_BYTES_MAX)
        self._row, self._blank = self.ffi.new("ray_row *"), bytes(self.ffi.sizeof("ray_row"))
        self._answer, self._name = self.ffi.new("ray_answer *"), self.ffi.new("ray_name *")
        self._words: dict[tuple[Any, int], str] = {}  # those of codes, which never change
        self._rows = self.ffi.new("ray_rows *", {
            "row": self._row, "scratch": self._scratch, "secrets": self.secrets})
        self._busy = False
        self._next_id = 1
        self.lib.ray_init(self.ray, seed)
        self.lib.ray_secrets_init(self.secrets)
        if config is not None:
            self.configure(config)

    # -- configuration --------------------------------------------------------------------------
    def configure(self, config: Any, *, now_ns: int | None = None) -> LoadReport:
        """Loads a configuration in one swap; what did not change keeps its balance.

        `config` is a path to a TOML file, a compiled blob, or a host_sim.config.Config. A refused
        one raises and leaves the running configuration untouched. The clock moves to `now_ns`
        first.
        """
        if isinstance(config, str | os.PathLike):
            from host_sim import config as compiler

            config = compiler.load(config)
        blob = bytes(config if isinstance(config, bytes | bytearray | memoryview) else config.blob)
        now = self.lib.ray_clock_now(self.ray) if now_ns is None else self.tick(now_ns)
        aligned = self.ffi.new("uint64_t[]", (len(blob) + 7) // 8)
        self.ffi.memmove(aligned, blob, len(blob))
        report = self.ffi.new("ray_config_report *")
        at = self.ffi.cast("uint8_t *", aligned)
        status = self.lib.ray_config_load(self.ray, self.secrets, now, at, len(blob), report)
        if status < 0:
            check(status, self._refusal(report))
        return LoadReport(bytes(report.hash).hex(), report.kept_count, report.reset_count)

    def _refusal(self, report: Any) -> str:
        text = self._text(256)
        self.lib.ray_config_reason_text(report, text)
        return "configuration refused: " + self._said(text)

    # -- events ---------------------------------------------------------------------------------
    def admit(
        self,
        target: str | bytes = "/",
        *,
        at_ns: int | None = None,
        id: int | None = None,
        exchange: bool = False,
        refundable: bool = False,
        **request: Unpack[RequestFields],
    ) -> Decision:
        """Admits one request at `at_ns` (None: now) and returns the decision.

        `id` names the request until its `complete`, `cancel` or `refund` (None: the next free
        number, see `last_id`). An `exchange` brings its outcome: it is sent when its queue lets it
        go and completes `duration_ns` later by itself, as a replayed log line does. `request` says
        the rest, see RequestFields. Raises a RaygateError subclass when the row is impossible.
        """
        chosen = self._next_id if id is None else id
        kind = RowKind.EXCHANGE if exchange else RowKind.ADMIT
        self._fill(kind, at_ns, chosen, RowFlag.REFUNDABLE if refundable else RowFlag(0))
        arena = self._fill_request(target, request)
        decision = self._step_one(arena, f"{request.get('method', 'GET')} {target!r}")
        self.last_id = chosen
        self._next_id += id is None
        return decision

    def dispatch(
        self, id: int = 0, *, service: str | None = None, at_ns: int | None = None
    ) -> Decision:
        """The next request to send: verdict SENT and `request`, its id; NONE when nothing that
        waits may be sent now. `service` None: of any service. With `id` that request: one whose
        last attempt was answered RETRY, from its `start_at_ns` on, or a refundable one.

        Raises UnknownError when no such request is in flight, StateError when it may not be sent
        now.
        """
        self._fill(RowKind.DISPATCH, at_ns, id, RowFlag(0))
        self._row.service = NONE if service is None else self.service_id(service)
        return self._step_one(b"", "dispatch")

    def settle(self) -> int:
        """Lets time run until nothing is in flight: what is queued is sent or dropped, exchanges
        complete, what no outcome comes for expires. Returns the time then.
        """
        self._fill(RowKind.SETTLE, None, 0, RowFlag(0))
        self._step_one(b"", "settle")
        return int(self.lib.ray_clock_now(self.ray))

    def preempt(self, entry: int, *, by_class: int = 0) -> None:
        """Takes the waiting request with this queue handle out, as if it had never been.

        Raises UnknownError or StaleError when it does not wait (any more), StateError when its
        class is not below `by_class`.
        """
        now = self.lib.ray_clock_now(self.ray)
        check(self.lib.ray_preempt(self.ray, now, entry, by_class), f"preempt {entry}")

    def complete(
        self, id: int, *, at_ns: int | None = None, http_status: int = 200, response_bytes: int = 0,
        request_bytes: int = 0, compute_units: int = 0, custom_units: int = 0,
        access_count: int = 0, hit_count: int = 0, outcome: int = 0,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (), body: bytes | None = None,
    ) -> Decision:
        """Reports the outcome of request `id`; quotas settle with what was really used.

        `outcome` is an enum ray_outcome where the status does not say it all (a timeout, no
        connection), `headers` and `body` are the answer's: Retry-After delays a retry, and an
        answer that may be stored is. Verdict RETRY: the attempt failed and another one may be made.
        Raises UnknownError when no such request is in flight (its deadline may have passed).
        """
        self._fill(RowKind.COMPLETE, at_ns, id, RowFlag(0))
        row = self._row
        row.http_status, row.response_bytes = http_status, response_bytes
        row.request_bytes = request_bytes
        row.compute_units, row.custom_units = compute_units, custom_units
        row.access_count, row.hit_count, row.outcome = access_count, hit_count, outcome
        arena = pack_headers(headers)
        row.headers_length = len(arena)
        return self._step_one(self._with_body(arena, body), f"complete {id}")

    def _with_body(self, arena: bytes, body: bytes | None) -> bytes:
        if body is None:
            return arena
        self._row.flags |= RowFlag.BODY
        self._row.body_at, self._row.body_length = len(arena), len(body)
        return arena + body

    def cancel(self, id: int, *, at_ns: int | None = None) -> Decision:
        """The client of request `id` went away; what it took is kept. Raises UnknownError."""
        self._fill(RowKind.CANCEL, at_ns, id, RowFlag(0))
        return self._step_one(b"", f"cancel {id}")

    def refund(self, id: int, *, at_ns: int | None = None) -> Decision:
        """Gives back what the refundable request `id` took, as if it had never been.

        Raises UnknownError when it is not in flight, StateError when it was not refundable.
        """
        self._fill(RowKind.REFUND, at_ns, id, RowFlag(0))
        return self._step_one(b"", f"refund {id}")

    def tick(self, at_ns: int) -> int:
        """Lets time pass: whatever is due by `at_ns` happens. Returns the time after the gate."""
        self._fill(RowKind.TICK, at_ns, 0, RowFlag(0))
        self._step_row(b"", "tick")
        return int(self.lib.ray_clock_now(self.ray))

    def step(self, rows: Any, n: int, answers: Any) -> None:
        """Applies `n` rows in order: `rows` is a cffi `ray_rows *`, `answers` a `ray_answer *`.

        Releases the GIL; a second entry meanwhile raises BusyError. A bad row has its own status in
        its answer and changes nothing else.
        """
        if self._busy:
            raise BusyError("another thread is inside this Kernel")
        self._busy = True
        try:
            check(self.lib.ray_host_step(self.ray, rows, n, answers), "batch")
        finally:
            self._busy = False

    def _fill(self, kind: RowKind, at_ns: int | None, id: int, flags: RowFlag) -> None:
        if self._busy:
            raise BusyError("another thread is inside this Kernel")
        row = self._row
        self.ffi.memmove(row, self._blank, len(self._blank))
        row.kind, row.id = kind, id
        row.tenant = row.service = NONE
        row.priority = 255
        row.flags = flags if at_ns is not None else flags | RowFlag.NOW
        row.at_ns = 0 if at_ns is None else at_ns

    def _fill_request(self, target: str | bytes, request: RequestFields) -> bytes:
        row, arena = self._row, bytearray()
        flags, headers = int(row.flags), request.get("headers")
        arena += target.encode("latin-1") if isinstance(target, str) else target
        row.target_length = len(arena)
        if headers:
            row.headers_at = len(arena)
            arena += pack_headers(headers)
            row.headers_length = len(arena) - row.headers_at
        said = cast(Mapping[str, str], request)
        for name in ("host", "user", "client"):
            if name in said:
                part = said[name].encode()
                setattr(row, f"{name}_at", len(arena))
                setattr(row, f"{name}_length", len(part))
                arena += part
        ip, tenant, service = request.get("ip"), request.get("tenant"), request.get("service")
        if ip is not None:
            self.ffi.memmove(row.address.at, pack_address(ip), 16)
            flags |= ADDRESS
        method = request.get("method", "GET").encode()
        row.method = self.lib.ray_method_of(method, len(method))
        for field in NUMBERS & request.keys():
            setattr(row, field, cast(Mapping[str, int], request)[field])
        if "weight" in request:
            flags |= WEIGHT
        if request.get("idempotent"):
            flags |= IDEMPOTENT
        named = tenant is not None or bool(request.get("user")) or bool(request.get("role"))
        row.flags = flags | VOUCHED if request.get("vouched", named) else flags
        if tenant is not None:
            row.tenant = self.tenant_id(tenant)
        if service is not None:
            row.service = self.service_id(service)
        body = request.get("body")
        if body is not None and "request_bytes" not in request:
            row.request_bytes = len(body)
        return self._with_body(bytes(arena), body)

    def _step_one(self, arena: bytes, what: str) -> Decision:
        self._step_row(arena, what)
        return self.decision(self._answer)

    # -- the state as bytes ---------------------------------------------------------------------
    def snapshot(self) -> bytes:
        """Every byte of the state, with a header and a checksum; `restore` takes it back."""
        body = bytes(self.ffi.buffer(self.ray_memory(), self._bytes))
        crc = self.lib.ray_checksum(0, body, len(body))
        head = SNAPSHOT_HEAD.pack(SNAPSHOT_MAGIC, 1, self.lib.RAY_PROFILE, len(body), crc)
        return head + body

    def restore(self, snapshot: bytes) -> None:
        """Goes back to a snapshot of the same version and profile; refuses others, unchanged."""
        if len(snapshot) < SNAPSHOT_HEAD.size:
            raise TruncatedError(f"a snapshot has at least {SNAPSHOT_HEAD.size} bytes")
        magic, version, profile, length, crc = SNAPSHOT_HEAD.unpack_from(snapshot)
        body = snapshot[SNAPSHOT_HEAD.size :]
        if magic != SNAPSHOT_MAGIC or version != 1 or profile != self.lib.RAY_PROFILE:
            raise VersionError("this is no snapshot of this version and profile")
        if length != self._bytes or len(body) != length:
            raise TruncatedError(
                f"the snapshot holds {len(body)} bytes of state, not {self._bytes}"
            )
        if self.lib.ray_checksum(0, body, len(body)) != crc:
            raise ChecksumError("the snapshot was changed since it was taken")
        before = bytes(self.ffi.buffer(self.ray_memory(), self._bytes))
        self.ffi.memmove(self.ray_memory(), body, length)
        if self.lib.ray_adopt(self.ray) < 0:
            broken = self.valid()
            self.ffi.memmove(self.ray_memory(), before, length)
            raise VersionError(f"the snapshot breaks law {broken}")
        self._next_id = int(self.stats()["seq"]) + 1  # above every number `admit` ever chose

    def fork(self) -> Kernel:
        """A second Kernel with an equal state; the two never touch each other. Keys go along, as
        both are of one owner."""
        twin = Kernel(profile=self.profile)
        self.ffi.memmove(twin.ray_memory(), self.ray_memory(), self._bytes)
        self.ffi.memmove(twin.secrets, self.secrets, self.lib.ray_secrets_bytes())
        twin._next_id = self._next_id
        return twin

    def ray_memory(self) -> Any:
        """The state as a cffi `uint8_t *` of `ray_bytes()` bytes."""
        return self.ffi.cast("uint8_t *", self.ray)

    def digest(self) -> Digests:
        """Decision, state and book digest, and the configuration hash."""
        out = self.ffi.new("ray_digests *")
        self.lib.ray_digest(self.ray, out)
        return Digests(
            *(bytes(getattr(out, n)).hex() for n in ("decision", "state", "book", "config"))
        )

    # -- reading --------------------------------------------------------------------------------
    def stats(self) -> dict[str, int]:
        """The kernel's counters by name (ray_stats in ray/ray.h), without the hash."""
        out = self.ffi.new("ray_stats *")
        self.lib.ray_read(self.ray, out)
        names = [name for name, _ in self.ffi.typeof("ray_stats").fields]
        return {
            name: int(getattr(out, name))
            for name in names
            if name not in ("config_hash", "reserved")
        }

    def valid(self) -> int:
        """0 when every invariant holds, else the number of the first that does not."""
        return int(self.lib.ray_valid(self.ray))

    def audit(self, last: int = 20) -> list[dict[str, int]]:
        """The last audit records, oldest first, as dicts of ray_audit_record's fields."""
        count, out = int(self.lib.ray_audit_count(self.ray)), []
        record = self.ffi.new("ray_audit_record *")
        names = [n for n, _ in self.ffi.typeof("ray_audit_record").fields if n != "reserved"]
        for id in range(max(1, count - last + 1), count + 1):
            if self.lib.ray_audit_read(self.ray, id, record) == 0:
                out.append({name: int(getattr(record, name)) for name in names})
        return out

    def explain(
        self, target: str | bytes = "/", *, as_json: bool = False, **request: Unpack[RequestFields]
    ) -> Any:
        """The journey of a request as it would be now, stage by stage; changes nothing. Takes what
        `admit` takes; returns text, or a dict with `as_json`.
        """
        self._fill(RowKind.EXCHANGE, None, 0, RowFlag(0))
        self._point_at(self._fill_request(target, request))
        said = self.explain_rows(self._rows, self.lib.ray_clock_now(self.ray), as_json=as_json)
        return json.loads(said) if as_json else said

    def explain_rows(self, rows: Any, now_ns: int, *, as_json: bool = False) -> str:
        """The same of the first of `rows`, a cffi `ray_rows *`: text, or JSON text."""
        text = self._text(TEXT_BYTES)
        check(self.lib.ray_explain(self.ray, now_ns, rows, int(as_json), text), "explain")
        return self._said(text)

    def shell(self, line: str, *, now_ns: int | None = None) -> ShellResult:
        """Runs one console command; the clock moves to `now_ns` first when it is given."""
        if now_ns is not None:
            self.tick(now_ns)
        text, machine = self._text(TEXT_BYTES), self.ffi.new("ray_machine *")
        words = [
            self.ffi.new("char[]", w) for w in (b"host_sim.Kernel", b"virtual", b"Kernel", b"none")
        ]
        machine.name, machine.clock, machine.config_source, machine.config_name = words
        machine.secrets = self.secrets
        raw = line.encode()
        result = self.lib.ray_shell_run(self.ray, machine, self.lib.ray_clock_now(self.ray),
                                        self.lib.RAY_WHO_HOST, raw, len(raw), text)
        return ShellResult(self._said(text), result.status, result.action)

    def drain(self) -> None:
        """Admits nothing more, ends what is in flight and returns every lease."""
        self.lib.ray_drain(self.ray, self.lib.ray_clock_now(self.ray))

    def tenant_id(self, name: str) -> int:
        """The handle of a tenant; raises UnknownError with the name."""
        return self._find(self.lib.ray_tenant_find, self.ray, name, "tenant")

    def service_id(self, name: str) -> int:
        """The handle of a service; raises UnknownError with the name."""
        gateway = self.lib.ray_gateway_of(self.ray)
        return self._find(self.lib.ray_gateway_find_service, gateway, name, "service")

    def _find(self, find: Any, owner: Any, name: str, what: str) -> int:
        out, raw = self.ffi.new("uint32_t *"), name.encode()
        check(find(owner, raw, len(raw), out), f"no {what} is called {name!r}")
        return int(out[0])

    # -- text -----------------------------------------------------------------------------------
    def _text(self, capacity: int) -> Any:
        text = self.ffi.new("ray_text *")
        buffer = self.ffi.new("char[]", capacity)
        self.lib.ray_text_init(text, buffer, capacity)
        self._buffer = buffer  # keeps it alive while the core writes into it
        return text

    def _said(self, text: Any) -> str:
        return bytes(self.ffi.buffer(text.at, text.length)).decode("ascii")
