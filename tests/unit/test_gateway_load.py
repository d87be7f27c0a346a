# SPDX-License-Identifier: MIT
"""gateway: rows of a file are hostile until checked, and a load keeps what kept its name."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim import _raw
from host_sim.modules.gateway import ApiGateway, ApiRequest
from host_sim.regex import compile_table

NONE = 0xFFFFFFFF
SERVICE, ROUTE, DFA = 10, 11, 12  # RAY_SECTION_*


class Rows:
    """The three sections as a configuration would bring them."""

    def __init__(self, services: list[str], routes: list[tuple[str, int, str, int]]) -> None:
        raw = _raw.load("seed")
        self.ffi, self.lib = raw.ffi, raw.lib
        self.services = self.ffi.new("ray_service_spec[]", max(1, len(services)))
        self.routes = self.ffi.new("ray_route_spec[]", max(1, len(routes)))
        self.counts = self.ffi.new("ray_config_counts *")
        self.counts.service_count, self.counts.route_count = len(services), len(routes)
        self.counts.limit_count = 2
        self.report = self.ffi.new("ray_config_report *")
        self.tables = b""
        for row, name in zip(self.services, services, strict=False):
            row.name.at, row.healthy, row.body_bytes_max = name.encode(), 1, 8192
        for row, (name, kind, pattern, service) in zip(self.routes, routes, strict=False):
            row.name.at, row.kind, row.service, row.weight = name.encode(), kind, service, 1
            self.ffi.memmove(row.pattern, pattern.encode(), len(pattern))
            row.pattern_length, row.dfa = len(pattern), NONE

    def _view(self) -> Any:
        self._keep = self.ffi.new("uint8_t[]", self.tables or b"\0")
        view = self.ffi.new("ray_view *")
        view.at, view.length = self._keep, len(self.tables)
        return view[0]

    def check(self) -> tuple[int, int, int]:
        """Status, section and row."""
        status = self.lib.ray_gateway_check(
            self.services, self.routes, self._view(), self.counts, self.report
        )
        return status, self.report.section, self.report.row

    def load(self, gateway: ApiGateway) -> tuple[int, int]:
        """Kept and reset."""
        assert self.check()[0] == 0
        self.report.kept_count = self.report.reset_count = 0
        self.lib.ray_gateway_load(
            gateway._state, 0, 0, self.services, self.routes, self._view(), self.counts, self.report
        )
        assert gateway.valid() == 0
        return self.report.kept_count, self.report.reset_count


def rows() -> Rows:
    made = Rows(["one", "two"], [("a", 0, "/a", 0), ("b", 1, "/b", 1), ("c", 3, "/c+", 1)])
    made.tables = compile_table("/c+")
    made.routes[2].dfa = 0
    return made


def test_a_loaded_table_routes() -> None:
    gateway = ApiGateway()
    assert rows().load(gateway) == (0, 5)
    names = [
        gateway.get_route(gateway.route_request(ApiRequest("GET", path)).route_id or 0).name
        for path in ("/a", "/b/x", "/ccc")
    ]
    assert (names, gateway.get_service_count()) == (["a", "b", "c"], 2)
    assert [route.id for route in gateway.routes()] == [0, 1, 2]


def test_loading_again_keeps_counters_by_name_and_counts_what_changed() -> None:
    gateway = ApiGateway()
    rows().load(gateway)
    for path in ("/a", "/b", "/b/2", "/ccc", "/x"):
        gateway.dispatch_request(ApiRequest("GET", path))
    assert rows().load(gateway) == (5, 0)
    moved = Rows(
        ["two", "three", "one"], [("b", 1, "/b", 0), ("d", 0, "/d", 1), ("a", 0, "/a2", 2)]
    )
    assert moved.load(gateway) == (3, 3)  # two, one, b kept; three, d new, a changed
    counts = {route.name: route.asked_count for route in gateway.routes()}
    assert counts == {"b": 2, "d": 0, "a": 1}
    assert {s.name: s.asked_count for s in gateway.services()} == {"two": 3, "three": 0, "one": 1}
    assert gateway.stats()["asked_count"] == 5
    assert gateway.route_request(ApiRequest("GET", "/ccc")).status == 404


def test_a_load_over_live_edits_starts_from_the_file() -> None:
    gateway = ApiGateway()
    rows().load(gateway)
    gateway.remove_route(0)
    fresh = gateway.add_route("/z", service_id=0, name="z")
    assert fresh == 1 << 16
    rows().load(gateway)
    assert [(route.name, route.id) for route in gateway.routes()] == [("a", 0), ("b", 1), ("c", 2)]
    twin = ApiGateway()
    rows().load(twin)
    assert twin.export() == gateway.export()


def test_an_empty_file_empties_the_gateway() -> None:
    gateway = ApiGateway()
    rows().load(gateway)
    assert Rows([], []).load(gateway) == (0, 0)
    assert gateway.snapshot() == ApiGateway().snapshot()


def spoil(made: Rows, where: str, value: Any) -> None:
    """Sets one field: "r1.weight" is route 1's weight, "s0.mode" service 0's mode."""
    table = made.routes if where[0] == "r" else made.services
    place, _, path = where[1:].partition(".")
    target: Any = table[int(place)]
    *way, last = path.split(".")
    for word in way:
        target = target[int(word)] if word.isdigit() else getattr(target, word)
    if last.isdigit():
        target[int(last)] = value
    else:
        setattr(target, last, value)


@pytest.mark.parametrize(
    "where, value, section, row",
    [
        ("s1.name.at", b"one", SERVICE, 1),
        ("s0.name.at", b"", SERVICE, 0),
        ("s0.name.at", b"a b", SERVICE, 0),
        ("s0.name.at.47", b"x", SERVICE, 0),
        ("s1.mode", 1, SERVICE, 1),
        ("s1.mode", 3, SERVICE, 1),
        ("s0.healthy", 2, SERVICE, 0),
        ("s0.host", b"a b", SERVICE, 0),
        ("s0.host.79", b"x", SERVICE, 0),
        ("r1.name.at", b"a", ROUTE, 1),
        ("r0.name.at", b"\n", ROUTE, 0),
        ("r0.kind", 4, ROUTE, 0),
        ("r0.service", 2, ROUTE, 0),
        ("r0.service", NONE, ROUTE, 0),
        ("r0.weight", 0, ROUTE, 0),
        ("r0.methods", 1, ROUTE, 0),
        ("r0.methods", 256, ROUTE, 0),
        ("r0.limit_count", 5, ROUTE, 0),
        ("r0.auth", 3, ROUTE, 0),
        ("r0.allow_escapes", 2, ROUTE, 0),
        ("r0.permission", 3, ROUTE, 0),
        ("r0.pattern_length", 0, ROUTE, 0),
        ("r0.pattern_length", 3, ROUTE, 0),
        ("r0.pattern_length", 257, ROUTE, 0),
        ("r0.pattern_length", 1, ROUTE, 0),
        ("r0.pattern", b"b", ROUTE, 0),
        ("r0.pattern.200", b"x", ROUTE, 0),
        ("r0.host_length", 81, ROUTE, 0),
        ("r0.host", b"x", ROUTE, 0),
        ("r0.header_count", 1, ROUTE, 0),
        ("r0.header_count", 5, ROUTE, 0),
        ("r0.query_count", 200, ROUTE, 0),
        ("r0.headers.3.name.0", b"x", ROUTE, 0),
        ("r0.queries.0.how", 1, ROUTE, 0),
        ("r0.dfa", 0, ROUTE, 0),
        ("r2.dfa", 1, ROUTE, 2),
        ("r2.dfa", NONE, ROUTE, 2),
    ],
)
def test_a_row_no_rule_allows_is_refused_and_named(
    where: str, value: Any, section: int, row: int
) -> None:
    made = rows()
    spoil(made, where, value)
    status, bad_section, bad_row = made.check()
    assert status < 0 and (bad_section, bad_row) == (section, row)


def test_a_limit_that_is_not_there_is_refused() -> None:
    made = rows()
    made.routes[0].limit_count, made.routes[0].limits[0] = 1, 1
    assert made.check()[0] == 0
    made.routes[0].limits[0] = 2
    assert made.check() == (-2, ROUTE, 0)


@pytest.mark.parametrize("cut", [1, 8, 16, 271, 272, 300])
def test_a_damaged_table_section_is_refused(cut: int) -> None:
    made = rows()
    made.tables = compile_table("/c+")[:-cut] if cut < 300 else compile_table("/c+") + bytes(8)
    assert made.check()[:2] in ((-10, DFA), (-13, DFA))


def test_more_rows_than_the_tables_hold_are_refused() -> None:
    services = Rows([f"s{n}" for n in range(257)], [])
    assert services.check() == (-4, SERVICE, 256)
    routes = Rows(["one"], [(f"r{n}", 0, f"/{n}", 0) for n in range(513)])
    assert routes.check() == (-4, ROUTE, 512)
    routes.counts.route_count = 512
    assert routes.load(ApiGateway()) == (0, 513)


def test_every_single_bit_of_a_route_row_is_checked_or_harmless() -> None:
    """A flipped bit is refused, or it makes another legal row; the core never trips over it."""
    made = rows()
    size = made.ffi.sizeof("ray_route_spec")
    data = made.ffi.buffer(made.routes)
    refused = 0
    for bit in range(0, 8 * size, 7):
        data[bit // 8] = bytes([data[bit // 8][0] ^ 1 << bit % 8])
        if made.check()[0] < 0:
            refused += 1
        else:
            made.load(ApiGateway())
        data[bit // 8] = bytes([data[bit // 8][0] ^ 1 << bit % 8])
    assert made.check()[0] == 0
    assert refused > 0.9 * (8 * size / 7)
