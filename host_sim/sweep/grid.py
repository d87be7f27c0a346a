# SPDX-License-Identifier: MIT
"""The values that are tried: `50..500/min`, `10,20,50`, and the product of several of them."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

STEPS = 10
STEPS_MAX = 1000
POINTS_MAX = 10_000
DECIMALS = 6
GEOMETRIC_FROM = 10     # a range this wide is walked in equal ratios

Value = int | str | bool

_NUMBER = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?)(.*)", re.DOTALL)


class GridError(ValueError):
    """A --vary that cannot be understood; says what to write."""


@dataclasses.dataclass(frozen=True)
class Vary:
    """One value of the configuration and what it becomes, as TOML values in the order tried."""

    path: str
    values: tuple[Value, ...]


def spread(low: int, high: int, count: int) -> list[int]:
    """At most `count` integers from low to high, both among them, in equal ratios while they are
    far apart and in equal steps otherwise. Decimal arithmetic: the same on every host."""
    if high - low < count:
        return list(range(low, high + 1))
    geometric = high > 4 * low and low > 0
    return sorted({round(number) for number in _walk(Fraction(low), Fraction(high), count,
                                                     geometric)})


def _walk(low: Fraction, high: Fraction, count: int, geometric: bool) -> list[Fraction]:
    if count < 2:
        return [low]
    if not geometric:
        return [low + (high - low) * n / (count - 1) for n in range(count)]
    with localcontext() as context:
        context.prec = 40
        start = Decimal(low.numerator) / Decimal(low.denominator)
        whole = Decimal(high.numerator) / Decimal(high.denominator) / start
        inner = [Fraction(start * whole ** (Decimal(n) / Decimal(count - 1)))
                 for n in range(1, count - 1)]
    return [low, *inner, high]


def parse_vary(text: str, steps: int = STEPS, scale: str = "auto") -> Vary:
    """`limit.api.rate=50..500/min` or `queue.servers=2,4,8`. `scale` is linear, geometric, or auto:
    geometric where the range is wide. Raises GridError."""
    path, equals, said = text.partition("=")
    path, said = path.strip(), said.strip()
    if not equals or not path or not said:
        raise GridError(f"{text!r}: write PATH=LOW..HIGH or PATH=A,B,C, for example "
                        "limit.api.rate=50..500/min")
    if ".." in said:
        return _range(path, said, steps, scale)
    words = [word.strip() for word in said.split(",")]
    if not all(words):
        raise GridError(f"{text!r}: a value between two commas is missing")
    return Vary(path, tuple(dict.fromkeys(_value(word) for word in words)))


def _range(path: str, said: str, steps: int, scale: str) -> Vary:
    if not 2 <= steps <= STEPS_MAX:
        raise GridError(f"a range has 2 to {STEPS_MAX:,} steps, not {steps:,}")
    low, high = (_NUMBER.fullmatch(end.strip()) for end in said.split("..", 1))
    if low is None or high is None:
        raise GridError(f"{path}={said}: write a range as 50..500/min, two numbers and a unit")
    unit = high.group(2)
    if low.group(2) not in ("", unit):
        raise GridError(f"{path}={said}: both ends of a range have one unit")
    first, last = (Fraction(end.group(1).replace("_", "")) for end in (low, high))
    if first >= last:
        raise GridError(f"{path}={said}: a range goes up")
    geometric = scale == "geometric" or (scale == "auto" and last >= GEOMETRIC_FROM * first > 0)
    if geometric and first == 0:
        raise GridError(f"{path}={said}: equal ratios do not start at 0; use --scale linear")
    whole = first.denominator == last.denominator == 1
    numbers = dict.fromkeys(
        Fraction(round(number)) if whole else Fraction(round(number, DECIMALS))
        for number in _walk(first, last, steps, geometric))
    if not unit and not whole:
        raise GridError(f"{path}={said}: a number without a unit is a whole one")
    return Vary(path, tuple(int(n) if not unit else f"{_decimal(n)}{unit}" for n in numbers))


def _decimal(number: Fraction) -> str:
    """An exact number of at most DECIMALS decimals, as people write it."""
    if number.denominator == 1:
        return str(number.numerator)
    scaled = round(number * 10**DECIMALS)
    return f"{scaled // 10**DECIMALS}.{scaled % 10**DECIMALS:0{DECIMALS}}".rstrip("0")


def _value(word: str) -> Value:
    if re.fullmatch(r"[0-9][0-9_]*", word):
        return int(word.replace("_", ""))
    if word in ("true", "false"):
        return word == "true"
    return word


def product(varies: Sequence[Vary]) -> list[tuple[Value, ...]]:
    """Every combination, the last --vary fastest. GridError for too many."""
    if len({vary.path for vary in varies}) != len(varies):
        raise GridError("a value is varied once")
    total = 1
    for vary in varies:
        total *= len(vary.values)
    if total > POINTS_MAX:
        raise GridError(f"{total:,} points are more than {POINTS_MAX:,}: use fewer --steps")
    return list(itertools.product(*(vary.values for vary in varies)))
