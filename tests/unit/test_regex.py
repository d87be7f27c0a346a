# SPDX-License-Identifier: MIT
"""regex: the dialect of docs/regex.md as tables, and tables as bytes nobody need trust.

Row O5 is that of RELIABILITY.md section 2.
"""

from __future__ import annotations

import re

import pytest

from host_sim import errors
from host_sim.modules.gateway import (
    ApiGateway,
    ApiRequest,
    RouteMatch,
    RoutePattern,
)
from host_sim.regex import compile_dfa, compile_table


@pytest.fixture
def gateway() -> ApiGateway:
    """A gateway with one service and a route for every path."""
    made = ApiGateway()
    made.register_service("one")
    made.add_route("/", service_id=0, name="all")
    return made


def ask(gateway: ApiGateway, path: str | bytes, method: str = "GET", **more: object) -> RouteMatch:
    return gateway.route_request(ApiRequest(method, path, **more))  # type: ignore[arg-type]


def test_o5_steps_are_at_most_the_bytes_of_the_text() -> None:
    gateway = ApiGateway()
    gateway.register_service("one")
    gateway.add_route("/(a*)*b", service_id=0, kind=RoutePattern.REGEX)
    assert gateway.get_route(0).dfa_states == 4  # dead, start, after the slash, b
    view, keep = gateway._view(compile_table("(a*)*b"))
    for text, accepted in (
        (b"a" * 100_000, 0),
        (b"a" * 100_000 + b"b", 1),
        (b"a" * 99_999 + b"c", 0),
    ):
        data, kept = gateway._view(text)
        assert gateway.lib.ray_gateway_run_table(view[0], data[0]) == accepted
        del kept
    for n in (1, 100, 8000):
        assert ask(gateway, "/" + "a" * n).status == 404
        assert ask(gateway, "/" + "a" * n + "b").status == 200
    del keep


def test_equal_languages_have_equal_tables() -> None:
    for one, other in (
        ("a|b", "[ab]"),
        ("(a*)*", "a*"),
        ("aa*", "a+"),
        ("(?i)a", "[aA]"),
        ("a{2,3}", "aa|aaa"),
        (".|\\n", "[\\x00-\\xff]"),
        ("(^)a($)", "a"),
    ):
        assert compile_table(one) == compile_table(other)


def test_tables_are_numbered_breadth_first_by_byte() -> None:
    dfa = compile_dfa("/(b|c)(x|yz)")
    seen = [0, 1]
    at = 1
    while at < len(seen):
        for byte in range(256):
            target = dfa.next[seen[at]][dfa.class_of[byte]]
            if target not in seen:
                seen.append(target)
        at += 1
    assert seen == sorted(seen) == list(range(len(dfa.next)))


@pytest.mark.parametrize(
    "pattern, reason",
    [
        ("(?=a)", "looking around"),
        ("a**", "cannot be repeated"),
        (r"\1", "dialect"),
        ("(", "closed"),
        ("[a", "closed"),
        ("a{2,1}", "backwards"),
        (r"\b", "dialect"),
        ("*a", "repeats nothing"),
        ("a{1001}", "at most"),
        ("(?P<n>a)", "groups"),
        ("é", "cannot stand"),
        ("x)", "closes nothing"),
        ("[z-a]", "backwards"),
        ("(a|b)*a(a|b){15}", "states"),
        ("(a{0,1000}){16}", "too long"),
        ("(a{0,1000}){99}", "too large"),
        ("(a{1000}){16}", "takes 66288 bytes"),
        ("(" * 101 + "a" + ")" * 101, "nest"),
        ("[[:nope:]]", "no class"),
        ("[a-\\d]", "range"),
    ],
)
def test_what_is_outside_the_dialect_is_refused_with_a_reason(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_table(pattern)


def test_tables_accept_what_re_accepts() -> None:
    texts = ["", "a", "b", "ab", "ba", "aab", "abab", "A", "/", "a/b", "1", "a1", "\n", "_"]
    for pattern in (
        r"a|b",
        r"(ab)*",
        r"a+b?",
        r"[^a]",
        r".",
        r"\w+",
        r"\W",
        r"\d",
        r"a{2}b",
        r"(?i:A)b",
        r"(a|ab)(b|)",
        r"x*",
        r"^a$",
        r"[a-]",
        r"[]a]",
        r"(?s).",
        r"a{1,2}?b",
        r"\x61",
    ):
        expression = re.compile(pattern)
        dfa = compile_dfa(pattern)
        for text in texts:
            assert dfa.matches(text.encode()) == bool(expression.fullmatch(text)), (pattern, text)


def test_a_table_that_says_it_is_longer_or_shorter_is_refused(gateway: ApiGateway) -> None:
    table = compile_table("/a[0-9]+")
    cases = {
        "short": table[:-8],
        "long": table + bytes(8),
        "empty": b"",
        "head": table[:12],
        "magic": b"XXXX" + table[4:],
        "states": table[:8] + b"\xff\xff" + table[10:],
        "no states": table[:8] + b"\0\0" + table[10:],
        "classes": table[:10] + b"\x01\x01" + table[12:],
        "reserved": table[:12] + b"\x01" + table[13:],
        "class": table[:16] + b"\xff" + table[17:],
        "dead accepts": table[:272] + bytes([table[272] | 1]) + table[273:],
        "past the end": table[:279] + b"\x80" + table[280:],
        "next": table[:-8] + b"\xff" * 8,
    }
    for what, bad in cases.items():
        view, keep = gateway._view(bad)
        assert gateway.lib.ray_gateway_check_table(view[0]) < 0, what
        del keep
    with pytest.raises(errors.RangeError):
        view, keep = gateway._view(bytes(65_544))
        errors.check(gateway.lib.ray_gateway_check_table(view[0]))
