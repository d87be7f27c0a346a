# SPDX-License-Identifier: MIT
"""shell: words as numbers, durations, rates, sizes, instants and addresses, exact or refused."""

import ipaddress

import pytest

from host_sim import _raw

ffi, lib, _ = _raw.load("tiny")
S, M, H, D = 10**9, 60 * 10**9, 3600 * 10**9, 86400 * 10**9
SYNTAX, RANGE = -13, -7


def parse(name, text, kind="uint64_t"):
    out = ffi.new(f"{kind} *")
    raw = text.encode("latin-1")
    status = getattr(lib, f"ray_parse_{name}")(raw, len(raw), out)
    return out[0] if status == 0 else status


@pytest.mark.parametrize(("text", "value"), [
    ("0", 0), ("42", 42), ("1_000_000", 10**6), ("18446744073709551615", 2**64 - 1),
    ("18446744073709551616", RANGE), ("", SYNTAX), ("-1", SYNTAX), ("+1", SYNTAX), ("1_", SYNTAX),
    ("_1", SYNTAX), ("1__0", SYNTAX), ("0x10", SYNTAX), ("1e3", SYNTAX), ("1 ", SYNTAX)])
def test_numbers(text, value):
    assert parse("u64", text) == value


@pytest.mark.parametrize(("text", "ns"), [
    ("1ns", 1), ("500ms", 500 * 10**6), ("2s", 2 * S), ("1.5ms", 1_500_000), ("1h30m", H + 30 * M),
    ("1d", D), ("1w", 7 * D), ("90min", 90 * M), ("0s", 0), ("0.000000001s", 1),
    ("0.0000000001s", RANGE), ("1.50s", 1_500_000_000), ("1", SYNTAX), ("s", SYNTAX), ("", SYNTAX),
    ("1y", SYNTAX), ("1.s", SYNTAX), ("-1s", SYNTAX), ("99999999999999999999s", RANGE),
    ("300000w", RANGE), ("1s 2s", SYNTAX)])
def test_durations(text, ns):
    assert parse("duration", text) == ns


@pytest.mark.parametrize(("text", "tokens", "period"), [
    ("1000/s", 1000, S), ("20/min", 20, M), ("1/10s", 1, 10 * S), ("5/1h30m", 5, H + 30 * M),
    ("1/d", 1, D), ("1000000/3d", 10**6, 3 * D)])
def test_rates(text, tokens, period):
    out, ns = ffi.new("uint64_t *"), ffi.new("uint64_t *")
    assert lib.ray_parse_rate(text.encode(), len(text), out, ns) == 0
    assert (out[0], ns[0]) == (tokens, period)


@pytest.mark.parametrize("text", ["", "5", "/s", "5/", "5/0s", "a/s", "5/s/s", "5/x"])
def test_what_is_no_rate(text):
    out = ffi.new("uint64_t *")
    assert lib.ray_parse_rate(text.encode(), len(text), out, out) in (SYNTAX, RANGE)


@pytest.mark.parametrize(("text", "size"), [
    ("7", 7), ("8KiB", 8192), ("50GiB", 50 * 2**30), ("10MB", 10**7), ("1.5KiB", RANGE),
    ("1.5KB", 1500), ("3B", 3), ("8kib", SYNTAX), ("B", SYNTAX), ("", SYNTAX),
    ("99999999999TiB", RANGE)])
def test_sizes(text, size):
    assert parse("bytes", text) == size


@pytest.mark.parametrize(("text", "seconds"), [
    ("1970-01-01", 0), ("2026-01-05T23:00:00Z", 1767654000), ("2026-01-05", 1767571200),
    ("2000-02-29", 951782400), ("2024-12-31T23:59:59Z", 1735689599),
    ("2026-01-05T23:00:00+02:00", 1767646800), ("2026-01-05T23:00:00-01:30", 1767659400),
    ("2100-03-01T00:00:00Z", 4107542400)])
def test_instants(text, seconds):
    assert parse("time", text) == seconds * S


def test_instants_with_decimals_and_bare_nanoseconds():
    assert parse("time", "2026-01-05T23:00:00.25Z") == 1767654000 * S + 250_000_000
    assert parse("time", "1767654000000000001") == 1767654000 * S + 1


@pytest.mark.parametrize("text", [
    "", "2026-13-01", "2026-02-29", "2100-02-29", "1969-12-31", "2026-01-05T24:00:00Z",
    "2026-01-05T23:00:60Z", "2026-01-05T23:00:00", "2026-01-05 23:00:00Z", "2026-1-5",
    "2026-01-05T23:00:00.Z", "1970-01-01T00:00:00+00:01", "2026-01-05T23:00:00Zx"])
def test_what_is_no_instant(text):
    assert parse("time", text) in (SYNTAX, RANGE)


@pytest.mark.parametrize("text", [
    "192.0.2.7", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8",
    "::ffff:192.0.2.1", "64:ff9b::192.0.2.33", "fe80::1:2"])
def test_addresses_are_those_of_the_library(text):
    out = ffi.new("ray_address *")
    assert lib.ray_parse_address(text.encode(), len(text), out) == 0
    address = ipaddress.ip_address(text)
    packed = address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
    assert bytes(out.at) == packed


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", ":::",
                                  "1::2::3", "12345::", "1:2:3:4:5:6:7", "g::", "1.2.3.4 "])
def test_what_is_no_address(text):
    out = ffi.new("ray_address *")
    assert lib.ray_parse_address(text.encode(), len(text), out) == SYNTAX


@pytest.mark.parametrize(("text", "bp"), [
    ("10%", 1000), ("0.5%", 50), ("100%", 10000), ("0%", 0), ("0.01%", 1), ("0.001%", RANGE),
    ("10", SYNTAX), ("%", SYNTAX), ("10001%", RANGE), ("5%%", SYNTAX)])
def test_percentages(text, bp):
    assert parse("percent_bp", text, "uint32_t") == bp
