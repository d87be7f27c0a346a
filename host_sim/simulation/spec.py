# SPDX-License-Identifier: MIT
"""A scenario as the structs of native/simulate.h."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host_sim._raw import Raw
from host_sim.decision import NONE
from host_sim.errors import check
from host_sim.kernel import Kernel
from host_sim.replay.reader import Reader
from host_sim.simulation import tables
from host_sim.simulation.model import Again, Client, Takes, Upstream
from host_sim.simulation.plan import Planned
from host_sim.simulation.rules import CLASSES, mhz
from host_sim.simulation.scenario import Scenario
from host_sim.tables import Columns

CONSTANT, UNIFORM, TABLED = 0, 1, 2
ARRIVALS = {"poisson": 0, "uniform": 1, "bursts": 2, "diurnal": 3, "clients": 4, "log": 5}
AGAIN = {"honour": 1, "fixed": 2, "back-off": 3}
ADDRESS, VOUCHED = 1, 32
EVER = 2**62
ADMIT = 1


class Spec:
    """`spec` is a cffi `ray_simulate_spec *`; everything it points to lives as long as this."""

    def __init__(
        self, raw: Raw, kernel: Kernel, scenario: Scenario, seed: int, planned: list[Planned], *,
        columns: Columns | None, logs: Mapping[str, Reader], record: bool,
    ) -> None:
        self.ffi, self.lib, self.kernel = raw.ffi, raw.lib, kernel
        self.scenario, self.seed, self._logs = scenario, seed, logs
        self._kept: list[Any] = []
        self._tables: dict[int, Any] = {}
        self._places = {name: at for at, (_, name) in enumerate(scenario.instances())}
        begin = scenario.head.start
        self.spec = self.ffi.new("ray_simulate_spec *", {
            "sources": self._array("ray_simulate_source",
                                   [self._source(one) for one in scenario.clients]),
            "upstreams": self._array("ray_simulate_upstream",
                                     [self._upstream(*one) for one in scenario.instances()]),
            "events": self._array("ray_simulate_event", [
                {"at_ns": begin + one.at_ns, "kind": one.kind, "target": one.target,
                 "argument": one.argument, "other": one.other} for one in planned]),
            "service_timeout_ns": self._array(
                "uint64_t", [one.timeout for one in scenario.config.file.service.values()]),
            "exponential": self._table(0, tables.exponential()),
            "wave": self._array("uint32_t", tables.wave()),
            "begin_ns": begin, "end_ns": begin + scenario.head.duration,
            "source_count": len(scenario.clients), "upstream_count": len(self._places),
            "event_count": len(planned), "service_count": len(scenario.config.services),
            "default_class": self._default_class(), "record": record,
            "silent": not scenario.head.reports_timeouts,
            "columns": self.ffi.NULL if columns is None else columns.columns,
            "breakers": bool(scenario.config.file.resilience) or any(
                one.line for one in scenario.events)})

    def _keep(self, value: Any) -> Any:
        self._kept.append(value)
        return value

    def _array(self, type_: str, values: Any) -> Any:
        return self._keep(self.ffi.new(f"{type_}[]", list(values) or 1))

    def _table(self, key: int, values: tuple[int, ...]) -> Any:
        if key not in self._tables:
            self._tables[key] = self._array("uint64_t", values)
        return self._tables[key]

    def _default_class(self) -> int:
        settings = self.ffi.new("ray_settings_spec *")
        self.lib.ray_settings_read(self.kernel.ray, settings)
        return int(settings.default_class)

    def _stream(self, *words: str) -> dict[str, Any]:
        return {"word": tables.stream(self.seed, "/".join(words))}

    def _time(self, takes: Takes) -> dict[str, Any]:
        if takes.uniform is not None:
            return {"kind": UNIFORM, "low_ns": takes.uniform[0], "high_ns": takes.uniform[1]}
        if takes.exponential is not None:
            return {"kind": TABLED, "low_ns": takes.exponential,
                    "table": self._table(0, tables.exponential())}
        if takes.lognormal is not None:
            return {"kind": TABLED, "low_ns": takes.lognormal,
                    "table": self._table(takes.sigma, tables.lognormal(takes.sigma))
                    if takes.sigma else self._table(-1, (tables.ONE,) * 2 * tables.HALF)}
        return {"kind": CONSTANT, "low_ns": takes.constant or 0}

    # -- who asks -------------------------------------------------------------------------------
    def _source(self, client: Client) -> dict[str, Any]:
        arena, rows = bytearray(), []
        for path in client.paths:
            row = self._row(client)
            for field, text in (("target", path.path), ("host", path.host or "")):
                row[f"{field}_at"], row[f"{field}_length"] = len(arena), len(text)
                arena += text.encode()
            method = path.method.encode()
            row |= {"method": self.lib.ray_method_of(method, len(method)),
                    "request_bytes": path.request_bytes}
            rows.append((row, path.share, path.bytes))
        prefix = (client.user or "").removesuffix("{n}").encode()
        for row, _, _ in rows:
            row["user_at"] = len(arena)
            row["user_length"] = len(prefix) if client.user else 0
        user_at = len(arena)
        arena += prefix
        paths = [{"row": row, "share": share, "response_bytes": size} for row, share, size in rows]
        return self._arrivals(client) | self._again(client.again) | {
            "paths": self._array("ray_simulate_path", paths),
            "bytes": self._keep(self.ffi.new("uint8_t[]", bytes(arena) or b"\0")),
            "bytes_length": len(arena), "path_count": len(paths),
            "user_at": user_at, "user_prefix": len(prefix),
            "numbered": client.user is not None and client.user.endswith("{n}"),
            "addressed": client.ip is not None,
            "followed": any(term.metric == "moved" for check in self.scenario.checks
                            for term in check.metrics()),
            "user_count": client.users, "patience_ns": client.patience or 0}

    def _row(self, client: Client) -> dict[str, Any]:
        kernel, flags = self.kernel, 0
        row: dict[str, Any] = {
            "kind": ADMIT, "service": NONE, "priority": 255,
            "tenant": NONE if client.tenant is None else kernel.tenant_id(client.tenant)}
        if client.class_ is not None:
            row["priority"] = CLASSES.index(client.class_)
        if client.role is not None:
            word = client.role.encode()
            row["role"] = self.lib.ray_role_of(word, len(word))
        if client.tenant or client.user or client.role:
            flags |= VOUCHED
        if client.ip is not None:
            flags |= ADDRESS
            row["address"] = {"at": client.ip.address}
        return row | {"flags": flags}

    def _arrivals(self, client: Client) -> dict[str, Any]:
        arrivals, begin = client.arrivals, self.scenario.head.start
        kind = next(key for key in ARRIVALS if getattr(arrivals, key) is not None)
        until = EVER if client.until is None else begin + client.until
        spec: dict[str, Any] = {
            "kind": ARRIVALS[kind], "rate_count": 1, "rate_ns": 1,
            "from_ns": begin + client.from_, "until_ns": until} | {
            field: self._stream("client", client.name, field)
            for field in ("arrivals", "mix", "again")}
        rate = arrivals.poisson or arrivals.uniform
        if rate is not None:
            spec |= {"rate_count": rate.count, "rate_ns": rate.period_ns}
        elif arrivals.bursts is not None:
            spec |= {"rate_count": arrivals.bursts.size, "rate_ns": arrivals.bursts.every}
        elif arrivals.diurnal is not None:
            spec |= {"rate_ns": arrivals.diurnal.period, "low_mhz": mhz(arrivals.diurnal.low),
                     "high_mhz": mhz(arrivals.diurnal.high)}
        elif arrivals.log is not None:
            spec |= {"rate_count": arrivals.log.speed, "reader": self._logs[client.name].reader}
        elif arrivals.clients is not None:
            spec |= {"rate_count": arrivals.clients.count,
                     "think": self._time(arrivals.clients.think)}
        return spec

    def _again(self, again: Again | None) -> dict[str, Any]:
        if again is None:
            return {"tries": 1}
        return {"again_kind": AGAIN[again.how], "tries": again.tries, "delay_ns": again.delay,
                "longest_ns": again.longest}

    # -- who serves -----------------------------------------------------------------------------
    def _upstream(self, one: Upstream, name: str) -> dict[str, Any]:
        there = one.service is not None
        return {
            "time": self._time(one.time), "times": self._stream("upstream", name, "times"),
            "faults": self._stream("upstream", name, "faults"),
            "instance": NONE if there else self.handle(name, missing=NONE),
            "service": self.kernel.service_id(name) if there else NONE,
            "concurrent": one.concurrent, "queue": one.queue, "error_ppm": one.errors,
            "refuse_ppm": one.refuse, "error_status": one.status}

    def place(self, instance: str) -> int:
        """Of an instance, or a service without a pool, among the upstreams."""
        return self._places[instance]

    def handle(self, instance: str, *, missing: int | None = None) -> int:
        """The balancer's handle of an instance; `missing` (else UnknownError) when there is none
        now."""
        lib, out = self.lib, self.ffi.new("uint32_t *")
        lb, pool = lib.ray_lb_of(self.kernel.ray), self.scenario.pool_of(instance).encode()
        check(lib.ray_lb_find_pool(lb, pool, len(pool), out), f"pool {pool!r}")
        raw = instance.encode()
        status = lib.ray_lb_find_instance(lb, out[0], raw, len(raw), out)
        if status < 0 and missing is not None:
            return missing
        check(status, f"instance {instance!r}")
        return int(out[0])

    def counter_names(self) -> list[tuple[str, str]]:
        """Whose counters ray_simulate_counts has, in its order; the last service is none."""
        return [
            *(("group", one.name) for one in self.scenario.clients),
            *(("class", word) for word in CLASSES),
            *(("service", name) for name in self.scenario.config.services), ("service", ""),
            *(("instance", name) for _, name in self.scenario.instances())]
