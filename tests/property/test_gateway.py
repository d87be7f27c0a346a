# SPDX-License-Identifier: MIT
"""gateway: whatever the routes and requests, the index says what a look at every route says."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.errors import RaygateError
from host_sim.modules.gateway import (
    ApiGateway,
    ApiRequest,
    Match,
    MatchHow,
    RoutePattern,
)
from tests.model import gateway as model

KIND = {kind: RoutePattern[kind.upper()] for kind in model.KINDS}
segment = st.sampled_from(["a", "a", "b", "ab", "abcdefg", "abcdefgh", "x" * 9, ".a", "%20"])
plain = st.lists(segment, max_size=4).map(lambda parts: "/" + "/".join(parts))
slashed = st.tuples(plain, st.sampled_from(["", "/"])).map(
    lambda pair: pair[0] + (pair[1] if pair[0] != "/" else "")
)
starred = st.tuples(
    st.lists(st.one_of(segment, st.just("*")), min_size=1, max_size=4), st.sampled_from(["", "/**"])
).map(lambda pair: "/" + "/".join(pair[0]) + pair[1])
regexes = st.sampled_from(["/a/.*", "/[ab]+", "/(a|ab)/?b*", ".*", "/ab/[0-9]{1,2}", "/a/b", "/a*"])
hosts = st.sampled_from(["", "", "", "h.io", "*.h.io", "*.a.h.io", "A.h.io"])
methods = st.frozensets(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]), max_size=2)
how = st.sampled_from(["exact", "prefix", "contains", "present", "absent"])


@st.composite
def matches(draw: st.DrawFn) -> tuple[tuple[str, str, str], ...]:
    out = []
    for name in draw(st.sampled_from([(), ("k",), ("k", "v")])):
        kind = draw(how)
        value = (
            "" if kind in ("present", "absent") else draw(st.sampled_from(["", "1", "11", "a b"]))
        )
        out.append((name, kind, value))
    return tuple(out)


@st.composite
def rules(draw: st.DrawFn) -> list[model.Rule]:
    out = []
    for number in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(model.KINDS))
        patterns = {"exact": slashed, "prefix": slashed, "wildcard": starred, "regex": regexes}
        out.append(
            model.Rule(
                name=f"r{number}",
                kind=kind,
                pattern=draw(patterns[kind]),
                host=draw(hosts),
                methods=draw(methods),
                headers=draw(matches()) if draw(st.booleans()) else (),
                queries=draw(matches()) if draw(st.booleans()) else (),
                priority=draw(st.sampled_from([0, 0, 0, -1, 5])),
                allow_escapes=draw(st.booleans()),
            )
        )
    return out


odd = st.one_of(
    slashed,
    st.text(alphabet="/ab.%2eEfF5cC?=\\ *;#\x01~", max_size=14).map(lambda text: "/" + text),
    st.sampled_from(
        ["", "?k=1", "//a//b", "/a/../b", "/a/./b/", "/..", "/a%2Fb", "/%c3%a9", "/%C0%AF"]
    ),
)
tail = st.sampled_from(["", "", "", "/", "/a", "/a/b", "x", "/%2e", "//"])
query = st.sampled_from(["", "", "?k=1", "?k=11&k=2&v=a+b", "?k", "?v=%61+b", "?k=1#"])


@st.composite
def near(draw: st.DrawFn, rows: list[model.Rule]) -> str:
    """A target that some route was made for, or one that was made for none."""
    if not rows or draw(st.integers(0, 3)) == 0:
        return draw(odd) + draw(query)
    row = draw(st.sampled_from(rows))
    path = draw(slashed) if row.kind == "regex" else row.pattern.replace("/**", "/a/b")
    while "*" in path:
        path = path.replace("*", draw(segment), 1)
    return path + draw(tail) + draw(query)


header_list = st.lists(
    st.tuples(st.sampled_from(["k", "K", "v"]), st.sampled_from(["1", "11", "", "a b", "2"])),
    max_size=3,
)


def request(rows: list[model.Rule]) -> st.SearchStrategy[Any]:
    return st.tuples(
        st.sampled_from(["GET", "GET", "HEAD", "POST", "OPTIONS", "PUT"]),
        near(rows),
        st.sampled_from(["", "", "h.io", "a.h.io", "A.H.IO:80", "b.a.h.io.", "io", "xh.io"]),
        header_list,
    )


def tables(least: int = 0) -> st.SearchStrategy[Any]:
    """Routes, and requests that mostly come near one of them."""
    return rules().flatmap(
        lambda rows: st.tuples(st.just(rows), st.lists(request(rows), min_size=least, max_size=8))
    )


def filled(gateway: ApiGateway, rows: list[model.Rule]) -> list[int]:
    service = gateway.register_service("one")
    return [add(gateway, service, row) for row in rows]


def add(gateway: ApiGateway, service: int, row: model.Rule) -> int:
    def asked(what: tuple[tuple[str, str, str], ...]) -> list[Match]:
        return [Match(name, value, MatchHow[kind.upper()]) for name, kind, value in what]

    return gateway.add_route(
        row.pattern,
        service_id=service,
        kind=KIND[row.kind],
        name=row.name,
        methods=sorted(row.methods),
        host=row.host,
        headers=asked(row.headers),
        queries=asked(row.queries),
        priority=row.priority,
        allow_escapes=row.allow_escapes,
    )


def compare(gateway: ApiGateway, rows: list[model.Rule], asked: tuple[Any, ...]) -> None:
    method, path, host, headers = asked
    bare = host.split(":")[0].rstrip(".")
    wanted = model.route(rows, method, path, host=bare, headers=headers)
    got = gateway.route_request(ApiRequest(method, path, headers, host=host))
    name = "" if got.route_id is None else gateway.get_route(got.route_id).name
    assert (got.status, name if got.granted else "") == (wanted.status, wanted.route)
    assert {m.name for m in got.allow} == wanted.allow
    if got.granted:
        assert tuple(c.decode() for c in got.captures) == wanted.captures


@pytest.mark.parametrize("profile_name", ["seed", "tiny"])
@given(table=tables(least=4))
def test_the_index_answers_as_a_look_at_every_route_does(
    profile_name: str, table: tuple[list[model.Rule], list[Any]]
) -> None:
    rows, asked = table
    if profile_name == "tiny":
        rows = [row for row in rows if row.kind != "regex"]
    gateway = ApiGateway(profile=profile_name)
    filled(gateway, rows)
    assert gateway.valid() == 0
    for each in asked:
        compare(gateway, rows, each)


def crowded(random: Random) -> list[model.Rule]:
    """Many routes on few patterns, so that nearly every request is decided by precedence."""
    bases = random.sample(["/", "/a", "/a/b", "/ab", "/a/b/", "/abcdefgh/a"], 2)
    stars = random.sample(["/*", "/a/*", "/a/**", "/*/b", "/**", "/*/*/**", "/a/*/b"], 2)
    found = []
    for number in range(random.randrange(1, 14)):
        kind = random.choice(model.KINDS[: 4 if random.random() < 0.3 else 3])
        patterns = {"wildcard": stars, "regex": ["/a/.*", "/[ab]+", ".*", "/a/b"]}
        row = model.Rule(
            name=f"r{number}",
            kind=kind,
            pattern=random.choice(patterns.get(kind, bases)),
            host=random.choice([""] * 9 + ["h.io", "*.h.io", "*.a.h.io", "b.a.h.io"]),
            methods=frozenset(random.sample(["GET", "HEAD", "POST"], random.choice([0, 0, 1, 2]))),
            headers=some_matches(random),
            queries=some_matches(random),
            priority=random.choice([0, 0, 0, 0, -1, 1]),
        )
        found.append(row)
    return found


def some_matches(random: Random) -> tuple[tuple[str, str, str], ...]:
    hows = ["exact", "exact", "prefix", "contains", "present", "absent"]
    names = random.sample(["k", "v"], random.choice([0, 0, 0, 1, 2]))
    kinds = [(name, random.choice(hows)) for name in names]
    return tuple((name, how, "" if how in ("present", "absent") else "1") for name, how in kinds)


def crowded_request(random: Random) -> tuple[Any, ...]:
    words = ["a", "b", "a", "ab", "abcdefgh", "..", ".", "", "%61", "a%2Fb"]
    parts = [random.choice(words) for _ in range(random.randrange(4))]
    path = "/" + "/".join(parts) + random.choice(["", "", "/"])
    query = random.choice(["", "?k=1", "?k=1&v=11", "?v=2", "?%6b=%31&v"])
    headers = [
        (random.choice("kKv"), random.choice(["1", "11", "2"])) for _ in range(random.randrange(3))
    ]
    host = random.choice(["", "h.io", "a.h.io", "b.a.h.io:80", "B.A.H.IO", "xh.io"])
    return random.choice(["GET", "HEAD", "HEAD", "POST", "PUT"]), path + query, host, headers


@pytest.mark.parametrize("seed", range(6))
def test_precedence_decides_between_many_routes_on_few_patterns(seed: int) -> None:
    """Dense where Hypothesis is broad: 60 tables of up to 13 routes, 40 requests each."""
    random = Random(seed)
    gateway = ApiGateway(profile="seed")
    service = gateway.register_service("one")
    for _ in range(60):
        rows = crowded(random)
        ids = [add(gateway, service, row) for row in rows]
        assert gateway.valid() == 0
        for _ in range(40):
            compare(gateway, rows, crowded_request(random))
        for id in ids:
            gateway.remove_route(id)


@given(table=tables(least=1))
def test_asking_changes_no_byte(table: tuple[list[model.Rule], list[Any]]) -> None:
    rows, asked = table
    gateway = ApiGateway(profile="tiny")
    filled(gateway, [row for row in rows if row.kind != "regex"])
    before = gateway.snapshot()
    for method, path, host, headers in asked:
        gateway.route_request(ApiRequest(method, path, headers, host=host))
    assert gateway.snapshot() == before


@given(table=tables(), picks=st.lists(st.integers(0, 7), max_size=8))
def test_removing_and_adding_leaves_what_a_fresh_table_would_be(
    table: tuple[list[model.Rule], list[Any]], picks: list[int]
) -> None:
    rows, asked = table
    gateway = ApiGateway()
    ids = dict(zip([row.name for row in rows], filled(gateway, rows), strict=True))
    live = list(rows)
    service = gateway.find_service("one")
    for pick in picks:
        if not live:
            break
        row = live[pick % len(live)]
        gateway.remove_route(ids.pop(row.name))
        live.remove(row)
        if pick % 2:
            row = dataclasses.replace(row, name=f"{row.name}x")
            ids[row.name] = add(gateway, service, row)
            live.append(row)
        assert gateway.valid() == 0
    assert {route.name for route in gateway.routes()} == {row.name for row in live}
    for each in asked:
        compare(gateway, live, each)


@given(rows=rules(), row=rules().filter(bool))
def test_removing_what_was_just_added_restores_every_route(
    rows: list[model.Rule], row: list[model.Rule]
) -> None:
    gateway = ApiGateway()
    filled(gateway, rows)
    before = gateway.export()
    fresh = dataclasses.replace(row[0], name="fresh")
    gateway.remove_route(add(gateway, gateway.find_service("one"), fresh))
    assert gateway.export() == before


@given(path=odd)
def test_normalising_twice_changes_nothing(path: str) -> None:
    gateway = ApiGateway()
    service = gateway.register_service("one")
    gateway.add_route("/", service_id=service, allow_escapes=True)
    once = gateway.route_request(ApiRequest("GET", path))
    if once.status == 400:
        return
    again = gateway.route_request(ApiRequest("GET", once.path))
    assert (again.path, again.status) == (once.path, once.status)
    assert not again.rewritten or b"%" in once.path


@given(
    data=st.binary(max_size=400),
    flips=st.lists(st.tuples(st.integers(0, 4095), st.integers(1, 255))),
)
def test_no_hostile_table_is_run(data: bytes, flips: list[tuple[int, int]]) -> None:
    """A damaged table is refused or is another sound one; running it stays inside it either way."""
    from host_sim.regex import compile_table

    gateway = ApiGateway()
    table = bytearray(compile_table("/a[0-9]+/(b|c)*"))
    for place, change in flips:
        table[place % len(table)] ^= change
    for candidate in (data, bytes(table), bytes(table[: len(data)])):
        view, keep = gateway._view(candidate)
        text, kept = gateway._view(data)
        if gateway.lib.ray_gateway_check_table(view[0]) == 0:
            assert gateway.lib.ray_gateway_run_table(view[0], text[0]) in (0, 1)
        else:
            assert candidate != compile_table("/a[0-9]+/(b|c)*")
        del keep, kept


@given(block=st.binary(max_size=120))
def test_a_header_block_is_read_whole_or_refused(block: bytes) -> None:
    gateway = ApiGateway()
    service = gateway.register_service("one")
    gateway.add_route(
        "/", service_id=service, headers=[Match("a", how=MatchHow.ABSENT)], name="without"
    )
    fields, sound = parsed(block)
    answer = gateway.ffi.new("ray_gateway_answer *")
    query = gateway.ffi.new("ray_gateway_query *")
    keep = gateway.ffi.from_buffer("uint8_t[]", block)
    query.headers.at, query.headers.length = keep, len(block)
    query.scratch, query.method, query.service = gateway._scratch, 1, 0xFFFFFFFF
    assert gateway.lib.ray_gateway_ask(gateway._state, 0, query, answer) == 0
    has_a = any(name.lower() == b"a" for name, _ in fields)
    assert answer.http_status == (400 if not sound else 404 if has_a else 200)


def parsed(block: bytes) -> tuple[list[tuple[bytes, bytes]], bool]:
    """The fields of a packed block, and whether every rule of base/headers.h holds."""
    token = b"!#$%&'*+-.^`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    fields, at = [], 0
    while len(block) - at >= 4:
        name, value = (int.from_bytes(block[at + i : at + i + 2], "little") for i in (0, 2))
        if len(block) - at - 4 < name + value:
            return fields, False
        start = at + 4
        fields.append((block[start : start + name], block[start + name : start + name + value]))
        at = start + name + value
    sound = at == len(block) and all(
        name
        and all(byte in token for byte in name)
        and all(byte >= 0x20 and byte != 0x7F or byte == 9 for byte in value)
        for name, value in fields
    )
    hosts_seen = sum(name.lower() == b"host" for name, _ in fields)
    return fields, sound and hosts_seen < 2


@given(text=st.text(max_size=60), most=st.integers(0, 3))
def test_a_refused_control_call_changes_no_byte(text: str, most: int) -> None:
    gateway = ApiGateway(profile="tiny")
    service = gateway.register_service("one")
    gateway.add_route("/a", service_id=service, name="a")
    before = gateway.snapshot()
    calls = (
        lambda: gateway.register_service(text, host="\n"),
        lambda: gateway.add_route(text, service_id=service + 1),
        lambda: gateway.add_route("/a", service_id=service, name="a"),
        lambda: gateway.remove_service(service),
    )
    with pytest.raises(RaygateError):
        calls[most]()
    assert gateway.snapshot() == before
