# SPDX-License-Identifier: MIT
"""reader: times and durations are exact integers, whatever a log writes them as."""

import datetime

import pytest

from host_sim import _raw

UNITS = {"": 0, "s": 1, "ms": 2, "us": 3, "ns": 4}


def parse(text: str, unit: str = "", *, duration: bool = False) -> int | None:
    raw = _raw.load("seed")
    out, data = raw.ffi.new("uint64_t *"), text.encode("latin-1")
    call = raw.lib.ray_reader_parse_duration if duration else raw.lib.ray_reader_parse_time
    return int(out[0]) if call(data, len(data), UNITS[unit], out) else None


S = 1_000_000_000
DAY = 86400

TIMES = [
    # CLF
    ("17/May/2015:10:05:03 +0000", 1431857103 * S),
    ("[17/May/2015:10:05:03 +0000]", 1431857103 * S),
    ("17/may/2015:10:05:03 +0000", 1431857103 * S),
    ("10/Oct/2000:13:55:36 -0700", 971211336 * S),
    ("10/Oct/2000:13:55:36 +0530", (971211336 - 7 * 3600 - 19800) * S),
    ("10/Oct/2000:13:55:36.123456789 -0700", 971211336 * S + 123456789),
    ("29/Feb/2000:00:00:00 +0000", 951782400 * S),
    ("30/Jun/2015:23:59:60 +0000", 1435708800 * S),  # the leap second is the next one
    # ISO 8601
    ("2023-07-10T11:42:18Z", 1688989338 * S),
    ("2023-07-10t11:42:18z", 1688989338 * S),
    ("2023-11-16 18:17:03.9799600", 1700158623 * S + 979960000),
    ("2023-11-16T18:17:03,979", 1700158623 * S + 979000000),
    ("2023-11-16T18:17:03.123456789Z", 1700158623 * S + 123456789),
    ("2023-11-16T18:17:03.1234567899Z", 1700158623 * S + 123456789),  # finer than ns is dropped
    ("2023-11-16T18:17:03+02:00", (1700158623 - 7200) * S),
    ("2023-11-16T18:17:03-0330", (1700158623 + 12600) * S),
    ("2023-11-16T18:17:03+02", (1700158623 - 7200) * S),
    ("2023-11-16 18:17", 1700158620 * S),
    ("2023-11-16", 1700092800 * S),
    ("2023/11/16 18:17:03", 1700158623 * S),
    ("1970-01-01T00:00:00Z", 0),
    # epoch numbers: the size tells the unit
    ("0", 0),
    ("807256800", 807256800 * S),
    ("1700158623.97996", 1700158623 * S + 979960000),
    ("1700158623.123456789", 1700158623 * S + 123456789),
    ("1700158623979", 1700158623 * S + 979000000),
    ("1700158623979.5", 1700158623 * S + 979500000),
    ("1700158623979960", 1700158623 * S + 979960000),
    ("1700158623979960123", 1700158623 * S + 979960123),
    ("1.700158623979960123e18", 1_700_158_623 * S),  # one whole digit: seconds
]


@pytest.mark.parametrize(("text", "ns"), TIMES)
def test_a_time_is_read_to_the_nanosecond(text, ns):
    if "e18" in text:
        assert parse(text, "ns") == 1_700_158_623_979_960_123
    else:
        assert parse(text) == ns


@pytest.mark.parametrize("text", [
    "", "-", "x", "32/May/2015:10:05:03 +0000", "31/Apr/2015:10:05:03 +0000",
    "29/Feb/2015:10:05:03 +0000", "29/Feb/1900:10:05:03 +0000", "17/Mai/2015:10:05:03 +0000",
    "17/May/2015:24:05:03 +0000", "17/May/2015:10:60:03 +0000", "17/May/2015:10:05:61 +0000",
    "17/May/2015:10:05:03 +0", "17/May/2015:10:05:03 +2500", "17/May/2015:10:05:03 GMT+1",
    "17/May/1969:10:05:03 +0000", "17/May/9999:10:05:03 +0000", "01/Jan/1970:00:00:00 +0100",
    "2023-13-10T11:42:18Z", "2023-00-10T11:42:18Z", "2023-02-29T11:42:18Z", "2023-07-10T",
    "2023-07-10T11:4", "2023-07-10T11:42:18.Z", "2023-07-10T11:42:18+2", "2023-07/10",
    "2023-07-10T11:42:18 UTC", "-1", "1e", "1e99999", "1e400", ".", "1..2", "1,5", "0x10",
    "99999999999999999999", "1700158623979960123000", "NaN", "1 2",
])
def test_what_is_no_time_is_refused(text):
    assert parse(text) is None


@pytest.mark.parametrize(("text", "unit", "ns"), [
    ("0.123", "s", 123_000_000),
    ("0.000929675", "s", 929_675),
    ("2.9e-05", "s", 29_000),
    ("5E-9", "s", 5),
    ("5e-10", "s", 0),
    ("1.5e3", "s", 1500 * S),
    ("12", "ms", 12_000_000),
    ("12.0625", "ms", 12_062_500),
    ("12", "us", 12_000),
    ("12.9999", "us", 12_999),
    ("58694436", "ns", 58_694_436),
    ("7.9", "ns", 7),
    ("3", "", 3 * S),
    (".5", "s", 500_000_000),
    ("5.", "s", 5 * S),
    ("18446744073.709551615", "s", 2**64 - 1),
    ("18446744073.709551616", "s", None),
    ("18446744073709551615", "ns", 2**64 - 1),
    ("18446744073709551616", "ns", None),
    ("-0.001", "s", None),
    ("", "s", None),
])
def test_a_duration_is_exact_in_its_unit(text, unit, ns):
    assert parse(text, unit, duration=True) == ns


def test_every_day_from_1970_to_2553_agrees_with_the_calendar():
    day = datetime.date(1970, 1, 1)
    epoch = day.toordinal()
    last = datetime.date(2553, 12, 31).toordinal()
    for ordinal in range(epoch, last + 1, 17):
        day = datetime.date.fromordinal(ordinal)
        assert parse(f"{day.isoformat()}T00:00:01Z") == ((ordinal - epoch) * DAY + 1) * S


@pytest.mark.parametrize(("text", "address"), [
    ("10.248.16.43", "::ffff:10.248.16.43"),
    ("0.0.0.0", "::ffff:0.0.0.0"),
    ("255.255.255.255", "::ffff:255.255.255.255"),
    ("1.2.3.4:5678", "::ffff:1.2.3.4"),
    ("::", "::"),
    ("::1", "::1"),
    ("2001:db8::8:800:200c:417a", "2001:db8::8:800:200c:417a"),
    ("2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
    ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("[2001:db8::1]:443", "2001:db8::1"),
])
def test_an_address_is_read_in_every_spelling(text, address):
    import ipaddress

    raw = _raw.load("seed")
    out = raw.ffi.new("ray_address *")
    assert raw.lib.ray_reader_parse_address(text.encode(), len(text), out) == 1
    assert bytes(out.at) == ipaddress.IPv6Address(address).packed


@pytest.mark.parametrize("text", [
    "", "triton", "pppa006.compuserve.com", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4",
    "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:99999", "1.2.3.4 ", ":", ":::", "1:2:3:4:5:6:7:8:9",
    "1::2::3", "12345::", "::1.2.3", "[::1", "[::1]x", "1:2:3:4:5:6:7", "g::", "1:2:3:4:5:6:7:8::",
    "::1.2.3.4.5", "1:2:3:4:5:6:7:1.2.3.4",
])
def test_a_name_is_no_address(text):
    raw = _raw.load("seed")
    out = raw.ffi.new("ray_address *")
    assert raw.lib.ray_reader_parse_address(text.encode(), len(text), out) == 0
