# SPDX-License-Identifier: MIT
"""The kinds of value a key may hold: names, durations, rates, sizes, networks, times, as pydantic
types that parse text exactly and describe themselves in the JSON Schema."""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from host_sim.config import units
from host_sim.config.capacities import NAME_BYTES
from host_sim.config.week import parse_week

NAME = re.compile(f"[A-Za-z0-9._:-]{{1,{NAME_BYTES - 1}}}")


def fail(code: str, message: str) -> PydanticCustomError:
    """A finding of ours inside pydantic, under our own code."""
    return PydanticCustomError(code, message)


def _quoted(example: str) -> str:
    return f'write text in quotes, for example "{example}"'


def _text(parse: Callable[[str], Any], example: str) -> Callable[[Any], Any]:
    """A validator that takes text only and turns UnitError into a coded finding."""

    def validate(value: Any) -> Any:
        if not isinstance(value, str):
            raise fail("wrong-type", _quoted(example))
        try:
            return parse(value)
        except units.UnitError as error:
            raise fail(error.code, error.message) from None

    return validate


def _quantity(
    kind: str, parse: Callable[[str], Any], example: str, pattern: str | None = None
) -> Any:
    schema: dict[str, Any] = {"type": "string", "examples": [example], "x-kind": kind}
    if pattern:
        schema["pattern"] = pattern
    return (PlainValidator(_text(parse, example)), WithJsonSchema(schema))


def _parse_size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise fail("wrong-type", 'write a whole number of bytes or text, for example "8KiB"')
    try:
        return units.parse_size(value)
    except units.UnitError as error:
        raise fail(error.code, error.message) from None


def _parse_quota_limit(value: Any, info: ValidationInfo) -> int:
    """Units; of money, decimal text in 10^-9 units. The type stands before it in the model."""
    if info.data.get("type") != "cost":
        return _parse_size(value)
    if not isinstance(value, str):
        raise fail("wrong-type", _quoted("500.00"))
    try:
        return units.parse_money(value, units.NANO)
    except units.UnitError as error:
        raise fail(error.code, error.message) from None


def _parse_name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise units.UnitError(
            "bad-name", f'"{text}" is no name; use 1 to {NAME_BYTES - 1} of A-Z a-z 0-9 . _ : -'
        )
    return text


def _parse_host(text: str) -> str:
    body = text[2:] if text.startswith("*.") else text
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    if len(text) > 79 or not re.fullmatch(rf"{label}(\.{label})*", body):
        raise units.UnitError(
            "bad-host",
            f'"{text}" is no host; write "example.org" or "*.example.org", at most 79 bytes',
        )
    return text.lower()


def _parse_load(text: str) -> int:
    """125% to 200% in whole percent, as that number."""
    if not re.fullmatch(r"[0-9]{1,9}%", text):
        raise units.UnitError(
            "bad-percent", f'"{text}" is no whole percentage; write for example "150%"'
        )
    if not 125 <= int(text[:-1]) <= 200:
        raise units.UnitError("out-of-range", f'"{text}" is not from 125% to 200%')
    return int(text[:-1])


def _parse_endpoint(text: str) -> tuple[str, int]:
    """host:port, [v6]:port."""
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65_535:
        raise units.UnitError(
            "bad-host", f'"{text}" needs a port from 1 to 65535, for example "10.0.0.1:8080"'
        )
    if host.startswith("[") and host.endswith("]"):
        try:
            if "%" in host:
                raise ValueError("a zone means something on one machine alone")
            return f"[{ipaddress.IPv6Address(host[1:-1])}]", int(port)
        except ValueError:
            raise units.UnitError(
                "bad-host", f'"{host}" is no IPv6 address; write for example "[2001:db8::1]:80"'
            ) from None
    if host.startswith("*"):
        raise units.UnitError("bad-host", f'"{text}": a service is one host, without "*"')
    return _parse_host(host), int(port)


def _parse_networks(value: Any) -> tuple[units.Network, ...]:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise fail(
            "bad-network", 'an empty list matches nobody; leave the key out or write "0.0.0.0/0"'
        )
    out = []
    for item in items:
        if not isinstance(item, str):
            raise fail("wrong-type", _quoted("10.0.0.0/8"))
        try:
            out.append(units.parse_network(item))
        except units.UnitError as error:
            raise fail(error.code, error.message) from None
    return tuple(out)


def _parse_words(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise fail("conflict", "an empty list matches nothing; remove the key for any")
    if not all(isinstance(item, str) for item in items):
        raise fail("wrong-type", 'write text or a list of texts, for example ["user", "guest"]')
    return tuple(items)


def _parse_time(value: Any) -> int:
    if not isinstance(value, (str, datetime.datetime)):
        raise fail("wrong-type", _quoted("2026-01-05T23:00:00Z"))
    try:
        return units.parse_time(value)
    except units.UnitError as error:
        raise fail(error.code, error.message) from None


Name = Annotated[str, *_quantity("name", _parse_name, "orders", r"^[A-Za-z0-9._:-]{1,47}$")]
Duration = Annotated[
    int,
    *_quantity(
        "duration",
        units.parse_duration,
        "1h30m",
        r"^([0-9]+(\.[0-9]+)?(w|d|h|min|m|s|ms|us|ns))+$",
    ),
]
RateText = Annotated[units.Rate, *_quantity("rate", units.parse_rate, "100/s", r"^[0-9_]+/.+$")]
ByteRateText = Annotated[
    units.Rate,
    *_quantity("byte rate", units.parse_byte_rate, "10MiB/s", r"^[0-9_.]+[A-Za-z]*/.+$"),
]
Percent = Annotated[int, *_quantity("percentage", units.parse_ppm, "20%", r"^[0-9]+(\.[0-9]+)?%$")]
LoadPercent = Annotated[
    int,
    *_quantity("percentage", _parse_load, "150%", r"^[0-9]{3}%$"),
]
Offset = Annotated[
    int,
    *_quantity("UTC offset", units.parse_offset, "+00:00", r"^(Z|[+-][0-9]{2}:[0-9]{2})$"),
]
Host = Annotated[str, *_quantity("host", _parse_host, "*.example.org")]
Endpoint = Annotated[tuple[str, int], *_quantity("host:port", _parse_endpoint, "10.0.0.1:8080")]
Size = Annotated[
    int,
    PlainValidator(_parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9_]+(\.[0-9]+)?[A-Za-z]*$"},
                {"type": "integer", "minimum": 0},
            ],
            "examples": ["8KiB"],
            "x-kind": "size",
        }
    ),
]
QuotaLimit = Annotated[
    int,
    PlainValidator(_parse_quota_limit),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9_]+(\.[0-9]+)?[A-Za-z]*$"},
                {"type": "integer", "minimum": 0},
            ],
            "examples": ["50GiB"],
            "x-kind": "size or money",
        }
    ),
]
_PRICE_PATTERN = r"^-?[0-9]+(\.[0-9]+)?$"
Price = Annotated[
    int, *_quantity("price", lambda text: units.parse_money(text, units.PICO, negative=True),
                    "0.000400", _PRICE_PATTERN)
]
Money = Annotated[
    int, *_quantity("money", lambda text: units.parse_money(text, units.NANO), "500.00",
                    r"^[0-9]+(\.[0-9]+)?$")
]
Factor = Annotated[
    int, *_quantity("factor", units.parse_factor, "0.80", r"^[0-9]+(\.[0-9]+)?$")
]
NetworkText = Annotated[units.Network, *_quantity("network", units.parse_network, "10.0.0.0/8")]
Networks = Annotated[
    tuple[units.Network, ...],
    PlainValidator(_parse_networks),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
            "examples": ["192.0.2.0/24"],
            "x-kind": "network or list",
        }
    ),
]
Words = Annotated[
    tuple[str, ...],
    PlainValidator(_parse_words),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
            "x-kind": "text or list",
        }
    ),
]
WeekTime = Annotated[
    tuple[tuple[int, int], ...],
    *_quantity("time of the week", lambda text: tuple(parse_week(text)), "Mon-Fri 22:00-06:00"),
]
Time = Annotated[
    int,
    PlainValidator(_parse_time),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "examples": ["2026-01-05T23:00:00Z"],
            "x-kind": "time",
        }
    ),
]


ClassWord = Literal["critical", "high", "normal", "low", "batch"]


class Model(BaseModel):
    """Strict: a count in quotes is an error, an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


def _shape(value: Any) -> str:
    return "<table>" if isinstance(value, (dict, BaseModel)) else "<text>"


# Tags show up in pydantic's paths; validate.py takes them out again.
BY_SHAPE = Discriminator(_shape)

Mode = Literal["enforce", "shadow", "off"]
MethodWord = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


class Match(Model):
    """How a header or parameter is compared; exactly one key."""

    exact: str | None = Field(None, description="Equal, byte for byte.")
    prefix: str | None = Field(None, description="Starts with.")
    contains: str | None = Field(None, description="Holds somewhere.")


MatchValue = Annotated[Annotated[Match, Tag("<table>")] | Annotated[str, Tag("<text>")], BY_SHAPE]


MATCH_EXACT, MATCH_PREFIX, MATCH_CONTAINS, MATCH_PRESENT, MATCH_ABSENT = range(5)


def match_of(value: Match | str) -> tuple[int, str]:
    """How a header or parameter is compared, and with what."""
    if isinstance(value, str):
        return {"present": (MATCH_PRESENT, ""), "absent": (MATCH_ABSENT, "")}.get(
            value, (MATCH_EXACT, value)
        )
    if value.exact is not None:
        return MATCH_EXACT, value.exact
    if value.prefix is not None:
        return MATCH_PREFIX, value.prefix
    return MATCH_CONTAINS, value.contains or ""
