# SPDX-License-Identifier: MIT
"""Durations, rates, sizes, percentages, networks, offsets and times, all in exact integers.

Every parser takes text and returns integers, or raises UnitError with a code of diagnostics.CODES
and a sentence. Nothing here goes through a float: "0.1s" is exactly 100 000 000 ns, and "1.5ns" is
refused.
"""

from __future__ import annotations

import datetime
import ipaddress
import math
import re
from dataclasses import dataclass
from fractions import Fraction

NS_PER_S = 1_000_000_000
NANO = 1_000_000_000
PICO = 1_000_000_000_000
U64_MAX = 2**64 - 1
I64_MAX = 2**63 - 1
DURATION_UNITS = {
    "w": 604_800 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
    "min": 60 * NS_PER_S,
    "m": 60 * NS_PER_S,
    "s": NS_PER_S,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
SIZE_UNITS = {
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "PiB": 2**50,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "PB": 10**15,
}
_PIECE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(w|d|h|min|ms|m|us|s|ns)(?![a-z])")
_COUNT = re.compile(r"[0-9]+(?:_[0-9]+)*")


class UnitError(ValueError):
    """Text that is not a quantity of the kind asked for."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Rate:
    """`count` things per `period_ns`, kept as written: "1000/s" and "60000/min" are different
    rates."""

    count: int
    period_ns: int
    text: str


@dataclass(frozen=True)
class Network:
    """A network of 128-bit addresses; IPv4 a.b.c.d/n is ::ffff:a.b.c.d/(96+n)."""

    address: bytes
    prefix: int
    text: str

    def holds(self, address: bytes) -> bool:
        """True when the 16-byte `address` lies inside."""
        shift = 128 - self.prefix
        return (
            int.from_bytes(address, "big") >> shift == int.from_bytes(self.address, "big") >> shift
        )


def duration_text(ns: int) -> str:
    """The shortest exact text that parse_duration reads back as `ns`."""
    if ns == 0:
        return "0s"
    out = ""
    for unit in ("d", "h", "m", "s", "ms", "us", "ns"):
        amount, ns = divmod(ns, DURATION_UNITS[unit])
        out += f"{amount}{unit}" if amount else ""
    return out


def parse_duration(text: str) -> int:
    """Nanoseconds of "1h30m", "500ms", "1.5s": units largest first, each at most once."""
    position, total, last = 0, Fraction(0), math.inf
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            break
        size = DURATION_UNITS[piece.group(2)]
        if size >= last:
            raise UnitError(
                "bad-duration", f'"{text}": write the largest unit first, each unit once: "1h30m"'
            )
        total, last, position = total + Fraction(piece.group(1)) * size, size, piece.end()
    if position != len(text) or not text:
        hint = f', for example "{text}s"' if re.fullmatch(r"[0-9]+", text) else ""
        raise UnitError(
            "bad-duration",
            f'"{text}" is no duration; write whole amounts with units ns us ms s m h d w'
            + (hint or ', for example "1h30m" or "500ms"'),
        )
    if total.denominator != 1:
        raise UnitError(
            "bad-duration", f'"{text}" is finer than a nanosecond; write a whole number of ns'
        )
    if total > I64_MAX:
        raise UnitError(
            "out-of-range",
            f'"{text}" is longer than 292 years; use "never" or leave it out where allowed',
        )
    return int(total)


def parse_count(text: str) -> int:
    """A whole number, underscores allowed between digits."""
    if not _COUNT.fullmatch(text):
        raise UnitError(
            "bad-rate", f'"{text}" is no whole number; write digits, for example 1000 or 1_000'
        )
    return int(text)


def _period(text: str, whole: str) -> int:
    """The duration after a rate's slash: a bare unit means one of it."""
    period = DURATION_UNITS[text] if text in DURATION_UNITS else parse_duration(text)
    if period == 0:
        raise UnitError(
            "bad-rate", f'"{whole}": the period must be longer than 0, for example "100/s"'
        )
    return period


def parse_rate(text: str) -> Rate:
    """ "1000/s", "20/min", "1/10s", "5/1h30m"."""
    count, slash, period = text.partition("/")
    if not slash or not count or not period:
        raise UnitError(
            "bad-rate",
            f'"{text}" is no rate; write a count per duration, for example "100/s" or "5/1h30m"',
        )
    try:
        rate = Rate(parse_count(count), _period(period, text), text)
    except UnitError as error:
        raise UnitError(
            error.code if error.code == "out-of-range" else "bad-rate",
            f'rate "{text}": {error.message}',
        ) from None
    if rate.count == 0:
        raise UnitError(
            "bad-rate",
            f'"{text}" grants nothing, ever; to stop traffic use a quota or remove the route',
        )
    if rate.count > I64_MAX:
        raise UnitError("out-of-range", f'"{text}": the count must be at most {I64_MAX}')
    return rate


def parse_size(value: str | int) -> int:
    """Bytes of 512, "512B", "8KiB", "1.5MiB", "10MB"; KiB is 1024, kB is 1000."""
    if isinstance(value, int):
        if value < 0:
            raise UnitError("bad-size", f"{value} is negative; a size is 0 or more bytes")
        return value
    found = re.fullmatch(r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)([A-Za-z]*)", value)
    unit = found.group(2) if found else ""
    if found is None or (unit and unit not in SIZE_UNITS):
        raise UnitError(
            "bad-size",
            f'"{value}" is no size; write a whole number with B KiB MiB GiB TiB kB MB GB TB, '
            'for example "8KiB"',
        )
    size = Fraction(found.group(1).replace("_", "")) * SIZE_UNITS.get(unit, 1)
    if size.denominator != 1:
        raise UnitError("bad-size", f'"{value}" is no whole number of bytes')
    if size > U64_MAX:
        raise UnitError("out-of-range", f'"{value}" does not fit 64 bits')
    return int(size)


def parse_money(text: str, per_unit: int, *, negative: bool = False) -> int:
    """Whole 1/`per_unit` of a decimal number such as "0.000400"; exact or refused."""
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        raise UnitError(
            "bad-money", f'"{text}" is no amount; write a decimal in quotes, for example "0.0004"'
        )
    if text.startswith("-") and not negative:
        raise UnitError("bad-money", f'"{text}" is negative; only per_hit may be')
    value = Fraction(text) * per_unit
    if value.denominator != 1:
        raise UnitError(
            "bad-money", f'"{text}" is finer than {len(str(per_unit)) - 1} decimals can say'
        )
    if abs(value) > I64_MAX:
        raise UnitError("out-of-range", f'"{text}" is more than 64 bits hold')
    return int(value)


def parse_factor(text: str) -> int:
    """Basis points of a factor such as "0.80" or "1.25": 0 to 100, at most four decimals."""
    value = parse_money(text, 10_000)
    if value > 1_000_000:
        raise UnitError("out-of-range", f'"{text}": a factor is at most 100')
    return value


def parse_byte_rate(text: str) -> Rate:
    """ "10MiB/s": a size per duration."""
    size, slash, period = text.partition("/")
    if not slash or not period:
        raise UnitError(
            "bad-rate",
            f'"{text}" is no byte rate; write a size per duration, for example "10MiB/s"',
        )
    return Rate(parse_size(size), _period(period, text), text)


def per_minute(rate: Rate) -> int:
    """The whole number per minute, for guards; refused when it is not whole."""
    value = Fraction(rate.count * 60 * NS_PER_S, rate.period_ns)
    if value.denominator != 1 or value == 0:
        near = max(1, round(value))
        raise UnitError(
            "rate-not-exact",
            f'"{rate.text}": a guard counts whole errors per minute; the nearest is "{near}/min"',
        )
    return int(value)


def per_second(rate: Rate) -> int:
    """The whole number per second, for guards; refused when it is not whole."""
    value = Fraction(rate.count * NS_PER_S, rate.period_ns)
    if value.denominator != 1 or value == 0:
        near = max(1, round(value))
        raise UnitError(
            "rate-not-exact",
            f'"{rate.text}": a guard counts whole units per second; the nearest is "{near}/s"',
        )
    return int(value)


def parse_ppm(text: str) -> int:
    """Parts per million of "20%" or "0.5%", at most 100%."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%", text)
    if found is None:
        raise UnitError(
            "bad-percent", f'"{text}" is no percentage; write a number and %, for example "20%"'
        )
    value = Fraction(found.group(1)) * 10_000
    if value.denominator != 1:
        raise UnitError("bad-percent", f'"{text}" is finer than 0.0001%; write fewer decimals')
    if value > 1_000_000:
        raise UnitError("out-of-range", f'"{text}" is above 100%')
    return int(value)


def parse_network(text: str) -> Network:
    """A network in CIDR form; a lone address is a network of one."""
    try:
        network = ipaddress.ip_network(text, strict=True)
    except ValueError:
        try:
            loose = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise UnitError(
                "bad-network",
                f'"{text}" is no network; write for example "10.0.0.0/8" or "2001:db8::/32"',
            ) from None
        raise UnitError(
            "bad-network", f'"{text}" has bits past its prefix; did you mean "{loose}"?'
        ) from None
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.scope_id:
        raise UnitError(
            "bad-network",
            f'"{text}": a network has no zone; remove "%{network.network_address.scope_id}"',
        )
    if isinstance(network, ipaddress.IPv4Network):
        return Network(mapped(network.network_address), 96 + network.prefixlen, text)
    return Network(mapped(network.network_address), network.prefixlen, text)


def mapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    """16 bytes, most significant first; IPv4 as ::ffff:a.b.c.d."""
    if isinstance(address, ipaddress.IPv4Address):
        return bytes(10) + b"\xff\xff" + address.packed
    return address.packed


def parse_address(text: str) -> bytes:
    """The 16 bytes of one IPv4 or IPv6 address."""
    try:
        return mapped(ipaddress.ip_address(text))
    except ValueError:
        raise UnitError(
            "bad-address", f'"{text}" is no address; write for example "192.0.2.7" or "2001:db8::7"'
        ) from None


def parse_offset(text: str) -> int:
    """Minutes east of UTC of "+00:00", "-05:30" or "Z"."""
    if text == "Z":
        return 0
    found = re.fullmatch(r"([+-])([0-9]{2}):([0-9]{2})", text)
    if found is None or int(found.group(3)) > 59:
        raise UnitError(
            "bad-offset",
            f'"{text}" is no UTC offset; write +hh:mm or -hh:mm, for example "+05:30". '
            "Named zones change their rules, so a fixed offset is all a reproducible file can say",
        )
    minutes = int(found.group(2)) * 60 + int(found.group(3))
    minutes = -minutes if found.group(1) == "-" else minutes
    if not -12 * 60 <= minutes <= 14 * 60:
        raise UnitError("out-of-range", f'"{text}": offsets go from -12:00 to +14:00')
    return minutes


def parse_time(value: str | datetime.datetime) -> int:
    """Unix nanoseconds of "2026-01-05T23:00:00Z" (up to nine decimals) or of a TOML date-time with
    an offset."""
    text = value if isinstance(value, str) else value.isoformat()
    found = re.fullmatch(
        r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", text
    )
    if found is None:
        raise UnitError(
            "bad-time",
            f'"{text}" is no time; write for example "2026-01-05T23:00:00Z" (the offset is needed)',
        )
    try:
        moment = datetime.datetime.fromisoformat(f"{found.group(1)}T{found.group(2)}+00:00")
    except ValueError as error:
        raise UnitError("bad-time", f'"{text}" is no time: {error}') from None
    offset = parse_offset(found.group(4).upper())
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    seconds = since.days * 86_400 + since.seconds - offset * 60
    ns = seconds * NS_PER_S + int((found.group(3) or "0").ljust(9, "0"))
    if not 0 <= ns <= I64_MAX:
        raise UnitError("out-of-range", f'"{text}": times go from 1970 to 2262')
    return ns


def parse_time_of_day(text: str) -> int:
    """Nanoseconds since midnight of "06:30" or "06:30:15"."""
    found = re.fullmatch(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?", text)
    if found is None:
        raise UnitError("bad-time", f'"{text}" is no time of day; write hh:mm, for example "06:00"')
    hour, minute, second = int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise UnitError(
            "bad-time", f'"{text}" is no time of day; hours go to 23, minutes and seconds to 59'
        )
    return (hour * 3600 + minute * 60 + second) * NS_PER_S
