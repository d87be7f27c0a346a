# SPDX-License-Identifier: MIT
"""gateway: which route a request meets: precedence, patterns, methods, headers, queries, hosts."""

from __future__ import annotations

import pytest

from host_sim import errors
from host_sim.modules.gateway import (
    ApiGateway,
    Match,
    MatchHow,
    RoutePattern,
)
from tests.gateways import ask, name_of, one_service

EXACT, PREFIX, WILDCARD, REGEX = RoutePattern
gateway = pytest.fixture(one_service)


# -- matching --
def test_route_matching(gateway: ApiGateway) -> None:
    gateway.add_route("/orders/health", service_id=0, kind=EXACT, name="health")
    gateway.add_route("/orders", service_id=0, kind=PREFIX, name="orders")
    gateway.add_route("/users/*/items/**", service_id=0, kind=WILDCARD, name="items")
    gateway.add_route(r"/s/[a-z]{2}/\d+", service_id=0, kind=REGEX, name="search")
    rows = [
        ("/orders/health", "health"),
        ("/orders/healthy", "orders"),
        ("/orders", "orders"),
        ("/orders/", "orders"),
        ("/ordersx", "404"),
        ("/users/7/items/a/b", "items"),
        ("/users/7/items", "items"),
        ("/users/items", "404"),
        ("/s/de/12", "search"),
        ("/s/DE/12", "404"),
        ("/s/de/12/", "404"),
        ("/", "404"),
    ]
    assert [(path, name_of(gateway, path)) for path, _ in rows] == rows
    assert gateway.get_route_count() == 4


def test_kinds_go_exact_longest_prefix_wildcard_regex(gateway: ApiGateway) -> None:
    for kind, pattern, name in (
        (REGEX, "/a/b/c", "regex"),
        (WILDCARD, "/a/b/*", "wildcard"),
        (PREFIX, "/a", "short"),
        (PREFIX, "/a/b", "long"),
        (EXACT, "/a/b/c", "exact"),
    ):
        gateway.add_route(pattern, service_id=0, kind=kind, name=name)
    order = []
    while gateway.get_route_count():
        order.append(name_of(gateway, "/a/b/c"))
        gateway.remove_route(gateway.find_route(order[-1]))
    assert order == ["exact", "long", "short", "wildcard", "regex"]


def test_an_explicit_priority_goes_before_every_kind(gateway: ApiGateway) -> None:
    gateway.add_route("/a", service_id=0, kind=EXACT, name="exact")
    gateway.add_route("/.*", service_id=0, kind=REGEX, name="first", priority=-1)
    gateway.add_route("/**", service_id=0, kind=WILDCARD, name="last", priority=1)
    assert [route.name for route in gateway.routes()] == ["first", "exact", "last"]
    assert name_of(gateway, "/a") == "first"


def test_inside_a_kind_host_method_headers_queries_and_order_decide(gateway: ApiGateway) -> None:
    def add(name: str, **more: object) -> None:
        gateway.add_route("/a", service_id=0, kind=PREFIX, name=name, **more)

    add("plain")
    add("later")
    add("query", queries=[Match("q", "1")])
    add("header", headers=[Match("X-A", "1")])
    add("headers", headers=[Match("X-A", "1"), Match("X-B", how=MatchHow.PRESENT)])
    add("method", methods=["GET"])
    add("suffix", host="*.example.org")
    add("longer", host="*.api.example.org")
    add("host", host="v1.api.example.org")
    everything = {"host": "v1.api.example.org", "headers": {"x-a": "1", "x-b": ""}}
    order = []
    while (name := name_of(gateway, "/a?q=1", **everything)) != "404":
        order.append(name)
        gateway.remove_route(gateway.find_route(name))
    assert order == [
        "host",
        "longer",
        "suffix",
        "method",
        "headers",
        "header",
        "query",
        "plain",
        "later",
    ]


def test_wildcard_captures_are_the_segments_and_the_rest(gateway: ApiGateway) -> None:
    gateway.add_route("/a/*/b/*/**", service_id=0, kind=WILDCARD)
    for path, captures in (
        ("/a/x/b/y/1/2", (b"x", b"y", b"1/2")),
        ("/a/x/b/y", (b"x", b"y", b"")),
        ("/a/x/b/y/", (b"x", b"y", b"")),
        ("/a/%20/b/%c3%a9/z", (b"%20", b"%C3%A9", b"z")),
    ):
        assert ask(gateway, path).captures == captures
    assert ask(gateway, "/a//b/y").status == 404  # merged: there is no empty segment


def test_a_star_is_exactly_one_segment_that_is_not_empty(gateway: ApiGateway) -> None:
    gateway.add_route("/a/*", service_id=0, kind=WILDCARD, name="star")
    assert [name_of(gateway, p) for p in ("/a/x", "/a", "/a/", "/a/x/y")] == [
        "star",
        "404",
        "404",
        "404",
    ]


def test_a_seventy_byte_pattern_is_stored_whole(gateway: ApiGateway) -> None:
    pattern = "/" + "a" * 34 + "/" + "b" * 34
    assert len(pattern) == 70
    id = gateway.add_route(pattern, service_id=0, kind=EXACT)
    assert gateway.get_route(id).pattern == pattern
    assert ask(gateway, pattern).route_id == id
    assert ask(gateway, pattern[:64]).status == 404


def test_a_pattern_of_256_bytes_is_stored_and_of_257_refused(gateway: ApiGateway) -> None:
    longest = "/" + "x" * 255
    id = gateway.add_route(longest, service_id=0, kind=EXACT)
    assert ask(gateway, longest).route_id == id
    assert ask(gateway, longest[:-1]).status == 404
    before = gateway.snapshot()
    with pytest.raises(errors.RangeError, match="at most 256 bytes"):
        gateway.add_route(longest + "x", service_id=0)
    assert gateway.snapshot() == before


@pytest.mark.parametrize(
    "kind, pattern",
    [
        (EXACT, "a"),
        (EXACT, ""),
        (PREFIX, "/a//b"),
        (PREFIX, "/a/../b"),
        (EXACT, "/%61"),
        (EXACT, "/%c3%a9"),
        (EXACT, "/a%2Fb"),
        (EXACT, "/a?b"),
        (EXACT, "/a#b"),
        (PREFIX, "/a b"),
        (WILDCARD, "/a*"),
        (WILDCARD, "/**/a"),
        (WILDCARD, "/a/***"),
        (WILDCARD, "/*a/b"),
        (REGEX, "/(a"),
        (REGEX, "/(?=a)"),
        (REGEX, "/[z-a]"),
    ],
)
def test_a_pattern_no_path_could_match_is_refused(
    gateway: ApiGateway, kind: RoutePattern, pattern: str
) -> None:
    before = gateway.snapshot()
    with pytest.raises((errors.RaygateSyntaxError, errors.RangeError)):
        gateway.add_route(pattern, service_id=0, kind=kind)
    assert gateway.snapshot() == before


def test_nine_stars_are_refused_and_eight_captured(gateway: ApiGateway) -> None:
    with pytest.raises(errors.RangeError):
        gateway.add_route("/*" * 9, service_id=0, kind=WILDCARD)
    gateway.add_route("/*" * 8, service_id=0, kind=WILDCARD)
    assert ask(gateway, "/1/2/3/4/5/6/7/8").captures == tuple(b"%d" % n for n in range(1, 9))


def test_wildcards_that_nest_in_every_way_find_their_path(gateway: ApiGateway) -> None:
    patterns = [
        "/" + "/".join("*" if bits >> i & 1 else "a" for i in range(8)) for bits in range(256)
    ]
    for number, pattern in enumerate(patterns):
        gateway.add_route(pattern, service_id=0, kind=WILDCARD, name=f"r{number}", priority=-number)
    assert name_of(gateway, "/a" * 8) == "r255"
    for number in (0, 1, 37, 128, 200, 254):
        path = "/" + "/".join("b" if number >> i & 1 else "a" for i in range(8))
        assert name_of(gateway, path) == "r255"
        gateway.remove_route(gateway.find_route("r255"))
        second = max(other for other in range(255) if other & number == number)
        assert name_of(gateway, path) == f"r{second}"
        gateway.add_route(patterns[255], service_id=0, kind=WILDCARD, name="r255", priority=-255)


def test_regexes_are_anchored_and_lie_behind_their_literal_beginning(gateway: ApiGateway) -> None:
    gateway.add_route("/s/(a|b)+/end", service_id=0, kind=REGEX, name="one")
    gateway.add_route(".*", service_id=0, kind=REGEX, name="all", priority=1)
    gateway.add_route("/sx.", service_id=0, kind=REGEX, name="two")
    rows = [
        ("/s/ab/end", "one"),
        ("/s/ab/end/", "all"),
        ("/s/", "all"),
        ("/sxy", "two"),
        ("/x", "all"),
    ]
    assert [(path, name_of(gateway, path)) for path, _ in rows] == rows
    assert gateway.get_route(gateway.find_route("one")).dfa_states > 5


# -- methods --
def test_a_known_path_with_another_method_is_405_with_allow(gateway: ApiGateway) -> None:
    gateway.add_route("/a", service_id=0, kind=EXACT, methods=["GET"])
    gateway.add_route("/a", service_id=0, kind=PREFIX, methods=["PUT"])
    gateway.add_route("/a", service_id=0, kind=EXACT, methods=["DELETE"], headers=[Match("k", "v")])
    got = ask(gateway, "/a", "POST")
    assert (got.status, got.reason) == (405, "method-not-allowed")
    assert [method.name for method in got.allow] == ["GET", "HEAD", "PUT"]
    assert ask(gateway, "/b", "POST").status == 404


def test_head_is_served_by_get_unless_a_route_names_it(gateway: ApiGateway) -> None:
    gateway.add_route("/a", service_id=0, kind=EXACT, methods=["GET"], name="get")
    assert name_of(gateway, "/a", "HEAD") == "get"
    gateway.add_route("/a", service_id=0, kind=EXACT, methods=["HEAD"], name="head")
    assert name_of(gateway, "/a", "HEAD") == "head"
    assert name_of(gateway, "/a", "GET") == "get"
    gateway.add_route("/", service_id=0, name="any")
    gateway.remove_route(gateway.find_route("head"))
    assert name_of(gateway, "/a", "HEAD") == "get"  # and not the wider prefix


def test_options_is_known_and_others_are_501(gateway: ApiGateway) -> None:
    gateway.add_route("/", service_id=0, name="any")
    assert name_of(gateway, "/", "OPTIONS") == "any"
    for method in ("CONNECT", "TRACE", "PROPFIND", "get", "", "G\0T"):
        got = ask(gateway, "/", method)
        assert (got.status, got.reason) == (501, "method-unknown")
    with pytest.raises(errors.ArgumentError):
        gateway.add_route("/x", service_id=0, methods=["TRACE"])


# -- headers, queries, hosts --
@pytest.mark.parametrize(
    "how, value, headers, fits",
    [
        (MatchHow.EXACT, "one", [("X-K", "one")], True),
        (MatchHow.EXACT, "one", [("x-k", " one\t")], True),
        (MatchHow.EXACT, "one", [("X-K", "One")], False),
        (MatchHow.EXACT, "one", [("X-K", "two"), ("X-K", "one")], True),
        (MatchHow.EXACT, "", [("X-K", "")], True),
        (MatchHow.EXACT, "", [], False),
        (MatchHow.PREFIX, "on", [("X-K", "one")], True),
        (MatchHow.PREFIX, "ne", [("X-K", "one")], False),
        (MatchHow.CONTAINS, "aab", [("X-K", "aaab")], True),
        (MatchHow.CONTAINS, "aab", [("X-K", "aaba"), ("X-K", "")], True),
        (MatchHow.CONTAINS, "abab", [("X-K", "abaab")], False),
        (MatchHow.PRESENT, "", [("X-K", "")], True),
        (MatchHow.PRESENT, "", [("X-Kk", "")], False),
        (MatchHow.ABSENT, "", [], True),
        (MatchHow.ABSENT, "", [("X-K", "")], False),
    ],
)
def test_header_matches(
    gateway: ApiGateway, how: MatchHow, value: str, headers: list[tuple[str, str]], fits: bool
) -> None:
    gateway.add_route("/", service_id=0, headers=[Match("x-K", value, how)])
    assert ask(gateway, "/", headers=headers).granted == fits


@pytest.mark.parametrize(
    "how, value, query, fits",
    [
        (MatchHow.EXACT, "1", "k=1", True),
        (MatchHow.EXACT, "1", "a=2&k=2&k=1", True),
        (MatchHow.EXACT, "1", "K=1", False),
        (MatchHow.EXACT, "a b", "k=a+b", True),
        (MatchHow.EXACT, "a b", "%6b=a%20b", True),
        (MatchHow.EXACT, "%zz", "k=%zz", True),
        (MatchHow.EXACT, "", "k", True),
        (MatchHow.EXACT, "", "k=", True),
        (MatchHow.EXACT, "", "", False),
        (MatchHow.EXACT, "a=b", "k=a=b", True),
        (MatchHow.PREFIX, "ab", "k=abc", True),
        (MatchHow.CONTAINS, "bc", "k=abcd", True),
        (MatchHow.PRESENT, "", "kk=1&k", True),
        (MatchHow.ABSENT, "", "kk=1&xk", True),
        (MatchHow.ABSENT, "", "&&k", False),
    ],
)
def test_query_matches(
    gateway: ApiGateway, how: MatchHow, value: str, query: str, fits: bool
) -> None:
    gateway.add_route("/", service_id=0, queries=[Match("k", value, how)])
    got = ask(gateway, "/?" + query)
    assert got.granted == fits
    assert got.query == query.encode()  # untouched


@pytest.mark.parametrize(
    "host, route",
    [
        ("example.org", "exact"),
        ("EXAMPLE.org:8080", "exact"),
        ("example.org.", "exact"),
        ("a.example.org", "suffix"),
        ("a.b.Example.org:1", "suffix"),
        ("xexample.org", "404"),
        ("org", "404"),
        ("", "404"),
        ("[::1]:80", "v6"),
        ("example.org.evil", "404"),
    ],
)
def test_hosts(gateway: ApiGateway, host: str, route: str) -> None:
    gateway.add_route("/", service_id=0, host="example.org", name="exact")
    gateway.add_route("/", service_id=0, host="*.example.org", name="suffix")
    gateway.add_route("/", service_id=0, host="[::1]", name="v6")
    assert name_of(gateway, "/", host=host) == route


@pytest.mark.parametrize("host", ["*", "*.", "*.*.a", "a..b", ".a", "a.", "a b", "a:80", "é"])
def test_a_host_pattern_no_host_could_match_is_refused(gateway: ApiGateway, host: str) -> None:
    with pytest.raises((errors.RaygateSyntaxError, errors.RangeError)):
        gateway.add_route("/", service_id=0, host=host)
