# SPDX-License-Identifier: MIT
"""cost: amounts of money as text and back, and the one division every charge makes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from host_sim import _raw
from host_sim.modules.cost_types import GRAINS, Money

MOST = (2**63 - 1) * GRAINS + GRAINS - 1
grains = st.one_of(
    st.integers(-MOST, MOST),
    st.integers(-(2**40), 2**40),
    st.builds(lambda n, d: n * GRAINS + d, st.integers(-(2**62), 2**62), st.integers(-2, 2)),
)


def raw() -> Any:
    return _raw.load("tiny")


def money_of(ffi: Any, value: int) -> Any:
    return ffi.new("ray_money *", [value & (2**64 - 1), value >> 64])


def written(value: int, digits: int) -> str:
    ffi, lib = raw().ffi, raw().lib
    text, memory = ffi.new("ray_text *"), ffi.new("char[]", 64)
    lib.ray_text_init(text, memory, 64)
    lib.ray_money_put(text, money_of(ffi, value), digits)
    return bytes(ffi.buffer(memory, text.length)).decode()


@given(grains)
@example(0)
@example(GRAINS - 1)
@example(-1)
@example(MOST)
@example(-MOST)
def test_whole_units_and_the_carried_rest_are_those_of_a_big_integer(value: int) -> None:
    ffi, lib = raw().ffi, raw().lib
    pico = ffi.new("uint32_t *")
    nano = lib.ray_money_nano(money_of(ffi, value), pico)
    assert (nano, pico[0]) == (value // GRAINS, value % GRAINS // (GRAINS // 1000))
    assert (Money(value).nano, Money(value).pico) == (nano, nano * 1000 + pico[0])


@given(grains, st.integers(0, 12))
def test_decimals_are_rounded_down(value: int, digits: int) -> None:
    exact = Fraction(value, GRAINS * 10**9)
    assert Fraction(written(value, digits)) == Fraction(exact * 10**digits // 1, 10**digits)
    assert len(written(value, digits).partition(".")[2]) == digits


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, 12))
def test_what_is_written_is_read_back(value: int, decimals: int) -> None:
    ffi, lib = raw().ffi, raw().lib
    out = ffi.new("int64_t *")
    sign, digits = "-" if value < 0 else "", str(abs(value)).rjust(decimals + 1, "0")
    text = sign + digits[: len(digits) - decimals]
    text += "." + digits[len(digits) - decimals :] if decimals else ""
    assert lib.ray_money_parse(text.encode(), len(text), decimals, out) == 1 and out[0] == value


@pytest.mark.parametrize(
    "text",
    ["", "-", ".", ".5", "5.", "--1", "+1", "1e3", "1_000", " 1", "1 ", "0x1", "1.2345", "1,5",
     "9223372036854775808", "99999999999999999999999", "nan", "\0", "1\0"],
)
def test_what_is_no_amount_is_refused_and_nothing_written(text: str) -> None:
    ffi, lib = raw().ffi, raw().lib
    out = ffi.new("int64_t *", 42)
    assert lib.ray_money_parse(text.encode(), len(text), 3, out) == 0 and out[0] == 42


def test_digits_past_the_last_may_be_zero() -> None:
    ffi, lib = raw().ffi, raw().lib
    out = ffi.new("int64_t *")
    assert lib.ray_money_parse(b"-0.5000000", 10, 3, out) == 1 and out[0] == -500
