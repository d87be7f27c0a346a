# SPDX-License-Identifier: MIT
"""config: quantities are parsed exactly, in integers, or refused with a code and a sentence."""

import pytest

from host_sim.config import units
from host_sim.config.paths import PathError, canonical

S = 10**9

DURATIONS = [
    ("1s", S), ("500ms", S // 2), ("1h30m", 5400 * S), ("1h30min", 5400 * S), ("0.1s", S // 10),
    ("1d", 86400 * S), ("2w", 14 * 86400 * S), ("1us", 1000), ("7ns", 7), ("0s", 0),
    ("1m1ms", 60 * S + 10**6), ("292y"[:3] + "w", 292 * 7 * 86400 * S),
]  # fmt: skip


@pytest.mark.parametrize(("text", "ns"), DURATIONS)
def test_a_duration_is_exact(text, ns):
    assert units.parse_duration(text) == ns


@pytest.mark.parametrize("ns", [0, 1, 999, 10**6 + 1, 5400 * S, 90_061 * S + 1_001_001, 2**63 - 1])
def test_duration_text_reads_back(ns):
    assert units.parse_duration(units.duration_text(ns)) == ns


BAD = [
    (units.parse_duration, "", "bad-duration"),
    (units.parse_duration, "5", "bad-duration"),
    (units.parse_duration, "1.5ns", "bad-duration"),
    (units.parse_duration, "30m1h", "bad-duration"),
    (units.parse_duration, "1s1s", "bad-duration"),
    (units.parse_duration, "1 s", "bad-duration"),
    (units.parse_duration, "-1s", "bad-duration"),
    (units.parse_duration, "1e3s", "bad-duration"),
    (units.parse_duration, "nans", "bad-duration"),
    (units.parse_duration, "9999999w", "out-of-range"),
    (units.parse_rate, "100", "bad-rate"),
    (units.parse_rate, "/s", "bad-rate"),
    (units.parse_rate, "100/", "bad-rate"),
    (units.parse_rate, "1.5/s", "bad-rate"),
    (units.parse_rate, "NaN/s", "bad-rate"),
    (units.parse_rate, "-1/s", "bad-rate"),
    (units.parse_rate, "5/0s", "bad-rate"),
    (units.parse_rate, "0/s", "bad-rate"),
    (units.parse_rate, "1__0/s", "bad-rate"),
    (units.parse_rate, f"{2**63}/s", "out-of-range"),
    (units.parse_size, "5 KiB", "bad-size"),
    (units.parse_size, "KiB", "bad-size"),
    (units.parse_size, "1.5B", "bad-size"),
    (units.parse_size, "1e3", "bad-size"),
    (units.parse_size, -1, "bad-size"),
    (units.parse_size, "99999PiB", "out-of-range"),
    (units.parse_ppm, "20", "bad-percent"),
    (units.parse_ppm, "0.00001%", "bad-percent"),
    (units.parse_ppm, "100.1%", "out-of-range"),
    (units.parse_network, "10.0.0.1/8", "bad-network"),
    (units.parse_network, "10.0.0.0/33", "bad-network"),
    (units.parse_network, "fe80::%eth0/64", "bad-network"),
    (units.parse_network, "example.org", "bad-network"),
    (units.parse_offset, "CET", "bad-offset"),
    (units.parse_offset, "+1:00", "bad-offset"),
    (units.parse_offset, "+00:60", "bad-offset"),
    (units.parse_offset, "+15:00", "out-of-range"),
    (units.parse_time, "2026-01-05T23:00:00", "bad-time"),
    (units.parse_time, "2026-02-30T00:00:00Z", "bad-time"),
    (units.parse_time, "1969-12-31T23:59:59Z", "out-of-range"),
    (units.parse_time_of_day, "24:00", "bad-time"),
    (units.parse_time_of_day, "6", "bad-time"),
]


@pytest.mark.parametrize(("parse", "text", "code"), BAD)
def test_what_is_no_quantity_is_refused_by_code(parse, text, code):
    with pytest.raises(units.UnitError) as caught:
        parse(text)
    assert caught.value.code == code
    assert caught.value.message


@pytest.mark.parametrize(
    ("text", "count", "period_ns"),
    [("1000/s", 1000, S), ("20/min", 20, 60 * S), ("1/10s", 1, 10 * S), ("5/1h30m", 5, 5400 * S),
     ("1_000_000/3d", 1_000_000, 3 * 86400 * S)],
)  # fmt: skip
def test_a_rate_is_kept_as_it_is_written(text, count, period_ns):
    rate = units.parse_rate(text)
    assert (rate.count, rate.period_ns, rate.text) == (count, period_ns, text)


@pytest.mark.parametrize(
    ("value", "size"),
    [(512, 512), ("512", 512), ("512B", 512), ("8KiB", 8192), ("1.5MiB", 3 * 2**19),
     ("50GiB", 50 * 2**30), ("10MB", 10**7), ("1kB", 1000), ("1_000", 1000)],
)  # fmt: skip
def test_a_size_is_whole_bytes(value, size):
    assert units.parse_size(value) == size


def test_percentages_networks_offsets_and_times_are_exact():
    assert units.parse_ppm("0.5%") == 5000
    assert units.parse_network("10.0.0.0/8").prefix == 104
    assert units.parse_network("10.0.0.0/8").address == bytes(10) + b"\xff\xff\x0a\0\0\0"
    assert units.parse_network("2001:db8::/32").prefix == 32
    assert units.parse_network("192.0.2.7").prefix == 128
    assert units.parse_network("10.0.0.0/8").holds(bytes(10) + b"\xff\xff\x0a\x01\x02\x03")
    assert not units.parse_network("10.0.0.0/8").holds(bytes(10) + b"\xff\xff\x0b\0\0\0")
    assert [units.parse_offset(text) for text in ("Z", "+05:30", "-12:00")] == [0, 330, -720]
    assert units.parse_time("1970-01-01T01:00:00.000000001+01:00") == 1
    assert units.parse_time("1995-08-01T06:00:00Z") == 807_256_800 * S
    assert units.parse_time_of_day("06:30:15") == (6 * 3600 + 30 * 60 + 15) * S
    assert units.per_second(units.parse_rate("30000/min")) == 500
    with pytest.raises(units.UnitError, match='nearest is "1/s"'):
        units.per_second(units.parse_rate("1/3s"))


PATHS = [
    ("/", "/"), ("/a/b", "/a/b"), ("//a///b/", "/a/b/"), ("/a/./b/../c", "/a/c"), ("/a/..", "/"),
    ("/%7euser", "/~user"), ("/%c3%a4", "/%C3%A4"), ("/a/.", "/a/"), ("/../a", "/a"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "form"), PATHS)
def test_a_pattern_has_the_form_of_a_normalised_path(path, form):
    assert canonical(path) == form
    assert canonical(form) == form


@pytest.mark.parametrize(
    "path", ["", "a", "/a b", "/a?x=1", "/a#b", "/%2Fa", "/%00", "/%zz", "/%c3", "/\u00e4", "/%25"]
)
def test_a_path_no_request_can_have_is_refused(path):
    with pytest.raises(PathError):
        canonical(path)


def test_escaped_slashes_may_be_let_through():
    assert canonical("/a%2fb", allow_escapes=True) == "/a%2Fb"
