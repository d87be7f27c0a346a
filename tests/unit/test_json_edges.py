# SPDX-License-Identifier: MIT
"""JSON where eight bytes are looked at at once: names, strings, blanks and numbers of every length,
and each byte in each place of a word, as the reference parser and exact decimals have them."""

from __future__ import annotations

import decimal
import json

import pytest

from host_sim.formats import Formats
from tests.model import formats as model

PLAIN = Formats(None, profile="tiny")
LENGTHS = range(1, 26)


def taken(body: bytes, formats: Formats = PLAIN) -> bool:
    """Does the core let it through?"""
    return formats.validate("json", body).status == 0


def spelled(name: str, escaped: int) -> bytes:
    """The name between quotes, the letter at `escaped` as an escape; -1: none."""
    out = "".join(f"\\u{ord(c):04x}" if i == escaped else c for i, c in enumerate(name))
    return b'"' + out.encode() + b'"'


@pytest.mark.parametrize("length", LENGTHS)
def test_a_name_of_any_length_is_known_again_however_it_is_spelled(length: int) -> None:
    name = "abcdefghijklmnopqrstuvwxyz"[:length]
    spellings = [spelled(name, at) for at in range(-1, length)]
    for first in (spellings[0], spellings[-1]):
        for second in spellings:
            for blank in (b"", b" ", b"\n" + b" " * 17):
                twice = b"{%s%s:1,%s%s:2}" % (first, blank, blank, second)
                assert PLAIN.validate("json", twice).fault == "a member named twice", twice
    for at in range(length):
        other = name[:at] + "#" + name[at + 1 :]
        assert taken(b"{%s:1,%s:2}" % (spellings[0], spelled(other, -1)))
        assert taken(b"{%s:1,%s:2}" % (spellings[0], spelled(other, at)))
    assert taken(b"{%s:1,%s:2}" % (spellings[0], spelled(name + "a", -1)))


@pytest.mark.parametrize("length", range(18))
def test_every_byte_in_every_place_of_a_string_is_judged_as_the_reference_does(
    length: int,
) -> None:
    for at in range(length):
        for byte in (*range(0x23), 0x5B, 0x5C, 0x5D, 0x7F, 0x80, 0xC3, 0xFF):
            text = b"x" * at + bytes([byte]) + b"x" * (length - at - 1)
            for body in (b'"%s"' % text, b'{"%s":1}' % text, b'["%s" , "y"]' % text):
                assert taken(body) == model.accepts(body), body


def test_a_text_cut_anywhere_is_refused() -> None:
    whole = b'{"name":"abc","quantity" : [12, -3.5e2 , true,false,null],"x":{"\\u0041":""}}'
    assert taken(whole)
    for end in range(len(whole)):
        assert not taken(whole[:end]), whole[:end]


def test_members_are_found_in_any_order_and_with_any_left_out() -> None:
    names = [f"member{i}" for i in range(7)]
    schema = {"additionalProperties": False, "required": names[2:3],
              "properties": {name: {"const": i} for i, name in enumerate(names)}}
    formats = Formats(schema, profile="tiny")
    for mask in range(1 << len(names)):
        for turn in range(len(names)):
            order = [i for i in (*range(turn, 7), *range(turn)) if mask >> i & 1]
            body = json.dumps({names[i]: i for i in order}).encode()
            assert taken(body, formats) == bool(mask & 4), body
            if order:
                wrong = json.dumps({names[i]: i + (i == order[-1]) for i in order}).encode()
                assert formats.validate("json", wrong).keyword == "const"


NUMBERS = ["0", "-0", "7", "10", "-10", "99", "100", "1e2", "0.5", "-0.50", "1200", "12e2",
           "1234567890123456789", "9999999999999999999", "10000000000000000000",
           "18446744073709551615", "18446744073709550000", "1e19", "1e20", "1e-19", "1e-20",
           "-1e19", "5e-324", "123e40", "0.00000000000000000001"]  # fmt: skip


@pytest.mark.parametrize("limit", NUMBERS)
def test_numbers_and_limits_of_any_power_are_compared_exactly(limit: str) -> None:
    bound = decimal.Decimal(limit)
    least = Formats({"minimum": bound}, profile="tiny")
    above = Formats({"exclusiveMinimum": bound}, profile="tiny")
    for number in NUMBERS:
        value, body = decimal.Decimal(number), number.encode()
        assert taken(body, least) == (value >= bound), (number, limit)
        assert taken(body, above) == (value > bound), (number, limit)


@pytest.mark.parametrize("wire", ["int32", "uint32", "sint64", "uint64", "sfixed32", "fixed64"])
def test_what_an_integer_type_holds_is_taken_and_one_more_is_not(wire: str) -> None:
    bits = 32 if "32" in wire else 64
    low, high = (0, 2**bits - 1) if wire[0] in "uf" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    formats = Formats({"x-wire": wire}, profile="tiny")
    for value in (low - 1, low, -1, 0, 1, 1000, high // 10 * 10, high, high + 1, high * 10):
        assert taken(str(value).encode(), formats) == (low <= value <= high), value
