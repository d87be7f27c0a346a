# SPDX-License-Identifier: MIT
"""Numbers in their unit's words: integers in base units in, short exact text out.

All arithmetic is in integers. What is cut is cut towards zero, percentages are the nearest, and
what is not nothing is never written as nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from host_sim.printing import printable
from host_sim.report.model import Cell, Unit

NOTHING = "-"
SECOND = 1_000_000_000
LONG = ((86_400 * SECOND, "d", 3_600 * SECOND, "h"), (3_600 * SECOND, "h", 60 * SECOND, "m"),
        (60 * SECOND, "m", SECOND, "s"))
SHORT = ((SECOND, "s"), (1_000_000, "ms"), (1_000, "us"))
BINARY = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
NANO = 1_000_000_000


def duration(ns: int) -> str:
    """Nanoseconds in the largest units, two of them: 90_000_000_000 is `1m 30s`."""
    for unit, name, smaller, small_name in LONG:
        if ns >= unit:
            rest = ns % unit // smaller
            return f"{ns // unit}{name} {rest}{small_name}" if rest else f"{ns // unit}{name}"
    for unit, name in SHORT:
        if ns >= unit:
            return f"{ns // unit}.{ns % unit * 10 // unit}{name}"
    return f"{ns}ns"


def instant(unix_ns: int) -> str:
    """Unix nanoseconds as an ISO 8601 time, seconds cut."""
    try:
        moment = datetime.datetime.fromtimestamp(unix_ns // SECOND, datetime.UTC)
    except (OverflowError, ValueError):
        return f"{unix_ns} ns after 1970"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def money(nano: int, decimals: int = 2) -> str:
    """10^-9 units, exact: at least `decimals` digits after the point, more where they are not 0."""
    whole, rest = divmod(abs(nano), NANO)
    digits = f"{rest:09}".rstrip("0").ljust(decimals, "0")
    return f"{'-' if nano < 0 else ''}{whole:,}.{digits}"


def _decimals(nano: int) -> int:
    return len(f"{abs(nano) % NANO:09}".rstrip("0"))


def percent(ppm: int) -> str:
    """Parts per million: the nearest with one decimal from 1 % on, all there are below."""
    if ppm < 0:
        return f"-{percent(-ppm)}"
    if ppm == 0 or ppm >= 10_000:
        permille = (ppm + 500) // 1_000
        if permille == 1_000 and ppm < 1_000_000:  # not all is never written as all
            permille = 999
        return f"{permille // 10:,}.{permille % 10} %"
    return f"0.{f'{ppm:06}'[2:].rstrip('0')} %"


def size(count: int) -> str:
    """Bytes, in the largest binary unit with one decimal: `1.5 MiB`."""
    for unit, name in BINARY:
        if abs(count) >= unit:
            sign, number = ("-" if count < 0 else ""), abs(count)
            return f"{sign}{number // unit:,}.{number % unit * 10 // unit} {name}"
    return f"{count} B"


def rate(milli: int) -> str:
    """Thousandths of one per second: `1.5/s`."""
    digits = f"{abs(milli) % 1000:03}".rstrip("0")
    sign = "-" if milli < 0 else ""
    return f"{sign}{abs(milli) // 1000:,}{'.' + digits if digits else ''}/s"


def _number(value: int, unit: Unit) -> str:
    if unit is Unit.DURATION:
        return f"-{duration(-value)}" if value < 0 else duration(value)
    if unit is Unit.INSTANT:
        return instant(value)
    words = {Unit.PPM: percent, Unit.BYTES: size, Unit.RATE: rate, Unit.MONEY: money}
    return words[unit](value) if unit in words else f"{value:,}"


def written(value: Cell, unit: Unit) -> str:
    """One cell as it is shown. Text from outside comes out as `printable` has it."""
    if value is None:
        return NOTHING
    return printable(value) if isinstance(value, str) else _number(value, unit)


def apart(one: int, other: int, unit: Unit) -> tuple[str, str]:
    """Two numbers as they are shown, with as many more digits as tell them apart."""
    said = written(one, unit), written(other, unit)
    divisor, word = {Unit.PPM: (10_000, " %"), Unit.BYTES: (1, " B"), Unit.DURATION: next(
        (step for step in SHORT if max(abs(one), abs(other)) >= step[0]), (1, "ns"))}.get(
            unit, (1, ""))
    digits = 1
    while one != other and said[0] == said[1]:
        said = _exactly(one, divisor, digits, word), _exactly(other, divisor, digits, word)
        digits += 1
    return said


def _exactly(value: int, divisor: int, digits: int, word: str) -> str:
    """Cut after so many digits behind the point; none of a whole unit."""
    whole, rest = divmod(abs(value), divisor)
    shown = f"{whole:,}" + (f".{rest * 10**digits // divisor:0{digits}}" if divisor > 1 else "")
    return f"{'-' if value < 0 else ''}{shown}{word}"


def column(values: Sequence[Cell], unit: Unit) -> list[str]:
    """A column's cells; amounts of money get the same number of decimals, so that they align."""
    if unit is not Unit.MONEY:
        return [written(value, unit) for value in values]
    amounts = [value for value in values if isinstance(value, int)]
    most = max((_decimals(amount) for amount in amounts), default=0)
    return [money(value, max(most, 2)) if isinstance(value, int) else written(value, unit)
            for value in values]


def scale(unit: Unit, most: int) -> tuple[int, str]:
    """What an axis up to `most` is divided by, and the word for its unit ("" for plain counts)."""
    most = abs(most)
    if unit is Unit.DURATION:
        steps = [(step, {"d": "days", "h": "hours", "m": "minutes"}[name])
                 for step, name, _, _ in LONG] + list(SHORT)
        return next(((step, word) for step, word in steps if most >= 2 * step), (1, "ns"))
    if unit is Unit.BYTES:
        return next(((step, word) for step, word in BINARY if most >= step), (1, "bytes"))
    return {Unit.PPM: (10_000, "%"), Unit.MONEY: (NANO, ""), Unit.RATE: (1000, "per second"),
            }.get(unit, (1, ""))
