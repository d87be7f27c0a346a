# SPDX-License-Identifier: MIT
"""gateway: the bytes that are matched are the bytes that are forwarded; everything else is refused.

Rows named P, H, I and O are those of RELIABILITY.md section 2.
"""

from __future__ import annotations

import pytest

from host_sim.decision import pack_headers
from host_sim.modules.gateway import (
    ApiGateway,
    Match,
    MatchHow,
    RoutePattern,
)
from tests.gateways import ask


@pytest.fixture
def gateway() -> ApiGateway:
    """A gateway with one service and a route for every path."""
    made = ApiGateway()
    made.register_service("one")
    made.add_route("/", service_id=0, name="all")
    return made


# -- the canonical path --
@pytest.mark.parametrize(
    "target, path, query",
    [
        ("/", "/", ""),
        ("", "/", ""),
        ("?a=b", "/", "a=b"),
        ("/a", "/a", ""),
        ("/a/", "/a/", ""),
        ("//", "/", ""),
        ("///a//b///", "/a/b/", ""),
        ("/./a", "/a", ""),
        ("/a/.", "/a/", ""),
        ("/a/./b", "/a/b", ""),
        ("/a/..", "/", ""),
        ("/a/b/..", "/a/", ""),
        ("/a/../b", "/b", ""),
        ("/../../a", "/a", ""),
        ("/..", "/", ""),
        ("/a//../b", "/b", ""),
        ("/a/...", "/a/...", ""),
        ("/.well-known/x", "/.well-known/x", ""),
        ("/a../b", "/a../b", ""),
        ("/..a", "/..a", ""),
        ("/%61%5A%30%2d%2E%5f%7e", "/aZ0-._~", ""),
        ("/%2e%2e/a", "/a", ""),
        ("/a/%2E", "/a/", ""),
        ("/%20", "/%20", ""),
        ("/%2b%3d", "/%2B%3D", ""),
        ("/%c3%A9", "/%C3%A9", ""),
        ("/%f0%9f%98%80", "/%F0%9F%98%80", ""),
        ('/a\\b|c^d`e{f}"<>[]', '/a\\b|c^d`e{f}"<>[]', ""),
        ("/a;b=c,d", "/a;b=c,d", ""),
        ("/a?b?c/../%2f", "/a", "b?c/../%2f"),
        ("/a/..?b", "/", "b"),
        ("/.?x", "/", "x"),
        ("/aaaaaaa/", "/aaaaaaa/", ""),
        ("/aaaaaa//", "/aaaaaa/", ""),
        ("/aaaaaaa/./b", "/aaaaaaa/b", ""),
        ("/aaaaaa/../b", "/b", ""),
        ("/!$&'()*+,", "/!$&'()*+,", ""),
    ],
)
def test_canonical_paths(gateway: ApiGateway, target: str, path: str, query: str) -> None:
    got = ask(gateway, target)
    assert (got.status, got.path.decode(), got.query.decode()) == (200, path, query)
    assert ask(gateway, got.path).path == got.path  # GW1
    assert got.rewritten == (got.path.decode() != target.partition("?")[0] or "%" in path)


@pytest.mark.parametrize(
    "target",
    [
        "/a b",
        "/a\x00",
        "/a\x1f",
        "/\x7f",
        "/\x80",
        b"/\xff\xfe",
        "/a\r\nX: y",
        "/%",
        "/%4",
        "/%zz",
        "/%-1",
        "/%u002f",
        "/%00",
        "/%0a",
        "/%1F",
        "/%7f",
        "/%25",
        "/%252F",
        "/%2525",
        "/%23",
        "/%3f",
        "/%3B",
        "/a#b",
        "/a?b#c",
        "/a?b c",
        "/a?\x00",
        b"/a?\xc3\xa9",
        "/%c0%af",
        "/%e0%80%af",
        "/%ff",
        "/%c3",
        "/%c3%41",
        "/%c3a%a9",
        "/%ed%a0%80",
        "/%f4%90%80%80",
        "/%a9",
        "a",
        "a/b",
        ".",
        "..",
        "*",
        "localhost:80",
        "http:",
        "http:/",
        "http://",
        "http:///a",
        "http://a@b/",
        "ftp://a/b",
        "#",
        "\\a",
    ],
)
def test_refused_targets(gateway: ApiGateway, target: str | bytes) -> None:
    before = gateway.snapshot()
    got = ask(gateway, target)
    assert (got.status, got.reason, got.route_id) == (400, "path-bad", None)
    assert gateway.snapshot() == before


@pytest.mark.parametrize(
    "escape, path", [("%2F", b"/a%2Fb"), ("%2f", b"/a%2Fb"), ("%5c", b"/a%5Cb")]
)
def test_escaped_slashes_pass_where_the_route_says_so(
    gateway: ApiGateway, escape: str, path: bytes
) -> None:
    got = ask(gateway, f"/a{escape}b")
    assert (got.status, got.reason) == (400, "path-bad")
    gateway.add_route("/", service_id=0, name="open", allow_escapes=True, priority=-1)
    got = ask(gateway, f"/a{escape}b")
    assert (got.status, got.path) == (200, path)
    assert ask(gateway, path).path == path
    gateway.add_route(
        "/a%2Fb",
        service_id=0,
        kind=RoutePattern.EXACT,
        allow_escapes=True,
        name="written",
        priority=-2,
    )
    assert ask(gateway, path).granted
    for bad in ("/%00", "/%25", "/%23", "/%3B"):
        assert ask(gateway, bad).status == 400  # never, whatever the route says


def test_a_better_route_that_does_not_opt_in_refuses_alone(gateway: ApiGateway) -> None:
    gateway.add_route("/in", service_id=0, name="strict")
    gateway.add_route("/", service_id=0, name="open", allow_escapes=True, priority=0)
    assert ask(gateway, "/in/%2F").status == 400


def test_p1_every_spelling_meets_the_rule(gateway: ApiGateway) -> None:
    gateway.add_route("/internal/", service_id=0, name="internal")
    for path in (
        "//internal/",
        "/./internal",
        "/a/../internal",
        "/internal",
        "/%69nternal/x",
        "/a/%2e%2e/internal//x",
    ):
        got = ask(gateway, path)
        assert gateway.get_route(got.route_id or 0).name == "internal"
        assert got.path.startswith(b"/internal")
    assert ask(gateway, "/internal%2f").status == 400


@pytest.mark.parametrize(
    "escape", ["%2F", "%5C", "%00", "%23", "%3B", "%252F", "%c0%af", "%u002f", "%"]
)
def test_p2_dangerous_escapes_have_one_answer(gateway: ApiGateway, escape: str) -> None:
    for path in (f"/a{escape}b", f"/{escape}", f"/a/{escape}/../b"):
        assert (ask(gateway, path).status, ask(gateway, path).reason) == (400, "path-bad")


def test_p3_a_dot_in_a_prefix_is_no_way_out(gateway: ApiGateway) -> None:
    gateway.add_route("/api", service_id=0, name="api")
    for path in ("/api../admin", "/api%2e%2e/admin"):
        got = ask(gateway, path)
        assert (got.path, gateway.get_route(got.route_id or 0).name) == (b"/api../admin", "all")


def test_p4_two_slashes_are_no_authority(gateway: ApiGateway) -> None:
    assert ask(gateway, "//admin/x").path == ask(gateway, "/admin/x").path == b"/admin/x"


def test_p5_forms_of_a_target(gateway: ApiGateway) -> None:
    gateway.add_route("/", service_id=0, name="h", host="h.io")
    for target, path in (
        ("http://h.io", b"/"),
        ("HTTPS://H.IO:8080/a//b?c", b"/a/b"),
        ("http://h.io?x", b"/"),
    ):
        got = ask(gateway, target, host="other")  # RFC 9112 3.2.2: the target's wins
        assert (got.path, gateway.get_route(got.route_id or 0).name) == (path, "h")
    assert ask(gateway, "h.io:443", "CONNECT").status == 501
    assert ask(gateway, "*", "OPTIONS").status == 400
    assert ask(gateway, "/a#b").status == 400
    assert ask(gateway, "").path == b"/"


@pytest.mark.parametrize("length, status", [(8191, 200), (8192, 200), (8193, 414), (65_537, 414)])
def test_p5_a_target_of_8192_bytes_is_the_longest(
    gateway: ApiGateway, length: int, status: int
) -> None:
    for target in (
        "/" + "a" * (length - 1),
        "/" + "%2e" * ((length - 1) // 3),
        "/" * length,
        "/?" + "q" * (length - 2),
    ):
        if len(target) == length:
            assert ask(gateway, target).status == status


# -- sizes and header blocks --
@pytest.mark.parametrize(
    "size, status",
    [(0, 200), (8192, 200), (8193, 413), (65_535, 413), (65_536, 413), (99_000, 413)],
)
def test_h11_body_sizes_are_never_narrowed(gateway: ApiGateway, size: int, status: int) -> None:
    assert ask(gateway, "/", "POST", body=b"x" * size).status == status


def test_h11_a_body_past_32_bits_is_refused(gateway: ApiGateway) -> None:
    query = gateway.ffi.new("ray_gateway_query *")
    answer = gateway.ffi.new("ray_gateway_answer *")
    query.scratch, query.method, query.service = gateway._scratch, 3, 0xFFFFFFFF
    for body, status in ((8192, 200), (2**32, 413), (2**32 + 8192, 413), (2**64 - 1, 413)):
        query.body_bytes = body
        assert gateway.lib.ray_gateway_ask(gateway._state, 0, query, answer) == 0
        assert answer.http_status == status


@pytest.mark.parametrize("extra, status", [(0, 200), (1, 431), (50_000, 431)])
def test_a_header_block_of_8192_bytes_is_the_largest(
    gateway: ApiGateway, extra: int, status: int
) -> None:
    fields = {"a": "x" * (8192 - 5 + extra)}
    assert len(pack_headers(fields)) == 8192 + extra
    assert ask(gateway, "/", headers=fields).status == status


@pytest.mark.parametrize(
    "fields",
    [
        [("", "x")],
        [("a b", "x")],
        [("a:", "x")],
        [("a\0", "x")],
        [("a\x7f", "")],
        [("\xe9", "")],
        [("a", "b\0c")],
        [("a", "b\rc")],
        [("a", "b\nc")],
        [("a", "\x01")],
        [("a", "\x7f")],
        [("Host", "a"), ("host", "a")],
    ],
)
def test_h8_a_control_or_no_name_in_a_header_is_refused(
    gateway: ApiGateway, fields: list[tuple[str, str]]
) -> None:
    for block in (fields, [("ok", "1"), *fields], [*fields, ("ok", "1")]):
        got = ask(gateway, "/", headers=block)
        assert (got.status, got.reason) == (400, "headers-bad")
    assert ask(gateway, "/", headers=[("a", "b\tc \xe9"), ("Host", "x")]).status == 200


@pytest.mark.parametrize("host", ["a b", "a\0", "a/b", "a@b", "a\\b", "x" * 256, "a?b", "\xe9"])
def test_a_host_no_name_could_have_is_refused(gateway: ApiGateway, host: str) -> None:
    assert (ask(gateway, "/", host=host).status, ask(gateway, "/", host=host).reason) == (
        400,
        "headers-bad",
    )


def test_i1_forwarding_headers_choose_no_route(gateway: ApiGateway) -> None:
    for n in range(100):
        spoofed = {
            "X-Forwarded-For": f"10.0.{n}.1",
            "X-Real-IP": f"10.1.{n}.1",
            "Forwarded": f"for=10.2.{n}.1",
            "X-Forwarded-Host": "admin.internal",
        }
        assert ask(gateway, "/", headers=spoofed).route_id == 0


def test_i2_every_line_of_a_header_is_found_and_a_broken_one_hides_none_before_it(
    gateway: ApiGateway,
) -> None:
    lines = [("X-Forwarded-For", "1.1.1.1, evil"), ("other", ""), ("x-forwarded-for", "2.2.2.2")]
    gateway.add_route(
        "/", service_id=0, name="second", priority=-1, headers=[Match("X-Forwarded-For", "2.2.2.2")]
    )
    assert ask(gateway, "/", headers=lines).route_id == 1
    hops = [("X-Forwarded-For", ", ".join(["1.1.1.1"] * 300) + ", 2.2.2.2")]
    assert ask(gateway, "/", headers=hops).route_id == 0  # a value is compared whole


@pytest.mark.parametrize("name", ["X_Forwarded_For", "x_real_ip", "Content_Length", "a_"])
def test_i3_an_underscore_in_a_name_is_refused(gateway: ApiGateway, name: str) -> None:
    got = ask(gateway, "/", headers=[("X-Forwarded-For", "1.1.1.1"), (name, "2.2.2.2")])
    assert (got.status, got.reason) == (400, "headers-bad")


@pytest.mark.parametrize(
    "value, status",
    [
        ("close", 200),
        ("keep-alive, Upgrade", 200),
        ("", 200),
        (",,", 200),
        ("x-custom", 200),
        ("close, X-Forwarded-For", 400),
        ("AUTHORIZATION", 400),
        ("a,host ,b", 400),
        ("forwarded", 400),
        ("content-length", 400),
        ("x-forwarded-for-me", 200),
    ],
)
def test_i4_connection_cannot_name_what_the_gateway_acts_on(
    gateway: ApiGateway, value: str, status: int
) -> None:
    assert ask(gateway, "/", headers=[("Connection", value)]).status == status


def test_matches_that_could_run_long_are_linear(gateway: ApiGateway) -> None:
    """80 bytes of the worst kind for a naive search, in 8 KB: answered, and answered right."""
    gateway.add_route(
        "/",
        service_id=0,
        name="needle",
        priority=-1,
        queries=[Match("q", "a" * 79 + "b", MatchHow.CONTAINS)],
    )
    assert ask(gateway, "/?q=" + "a" * 8000).route_id == 0
    assert ask(gateway, "/?q=" + "a" * 8000 + "b").route_id == 1
