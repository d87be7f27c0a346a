# SPDX-License-Identifier: MIT
"""Numbers are written in their unit's words, exactly, and never as nothing when they are something.
"""
import pytest

from host_sim.report import units
from host_sim.report.model import Unit

S = 1_000_000_000


@pytest.mark.parametrize("value, unit, said", [
    (None, Unit.COUNT, "-"),
    ("a\x1b[31m\u2028", Unit.TEXT, "a\\x1b[31m\\u2028"),
    (0, Unit.COUNT, "0"),
    (1_234_567, Unit.COUNT, "1,234,567"),
    (-1_234, Unit.COUNT, "-1,234"),
    (0, Unit.PPM, "0.0 %"),
    (1, Unit.PPM, "0.0001 %"),
    (120, Unit.PPM, "0.012 %"),
    (9_999, Unit.PPM, "0.9999 %"),
    (10_000, Unit.PPM, "1.0 %"),
    (165_300, Unit.PPM, "16.5 %"),
    (153_631, Unit.PPM, "15.4 %"),
    (999_969, Unit.PPM, "99.9 %"),
    (1_234_000, Unit.PPM, "123.4 %"),
    (1_000_000, Unit.PPM, "100.0 %"),
    (-165_300, Unit.PPM, "-16.5 %"),
    (0, Unit.DURATION, "0ns"),
    (999, Unit.DURATION, "999ns"),
    (640_000_000, Unit.DURATION, "640.0ms"),
    (90 * S, Unit.DURATION, "1m 30s"),
    (-90 * S, Unit.DURATION, "-1m 30s"),
    (49 * 3600 * S, Unit.DURATION, "2d 1h"),
    (807256800 * S + 999, Unit.INSTANT, "1995-08-01T06:00:00Z"),
    (1 << 64, Unit.INSTANT, "2554-07-21T23:34:33Z"),
    (1 << 80, Unit.INSTANT, "1208925819614629174706176 ns after 1970"),
    (0, Unit.MONEY, "0.00"),
    (400_000, Unit.MONEY, "0.0004"),
    (-1_234_500_000_000, Unit.MONEY, "-1,234.50"),
    (1, Unit.MONEY, "0.000000001"),
    (0, Unit.BYTES, "0 B"),
    (1023, Unit.BYTES, "1023 B"),
    (1536, Unit.BYTES, "1.5 KiB"),
    (482_000_467, Unit.BYTES, "459.6 MiB"),
    (-1536, Unit.BYTES, "-1.5 KiB"),
    (1500, Unit.RATE, "1.5/s"),
    (16, Unit.RATE, "0.016/s"),
    (2_000_000, Unit.RATE, "2,000/s"),
])
def test_a_number_is_written_in_its_units_words(value, unit, said):
    assert units.written(value, unit) == said


@pytest.mark.parametrize("one, other, unit, said", [
    (2 * S, 3 * S, Unit.DURATION, ("2.0s", "3.0s")),
    (2 * S, 2 * S, Unit.DURATION, ("2.0s", "2.0s")),
    (2_945_557_205, 2_939_961_518, Unit.DURATION, ("2.94s", "2.93s")),
    (250_000_001, 250_000_000, Unit.DURATION, ("250.000001ms", "250.000000ms")),
    (18_009 * S + 1, 18_010 * S, Unit.DURATION, ("18,009.0s", "18,010.0s")),
    (-90 * S, -90 * S - 1, Unit.DURATION, ("-90.000000000s", "-90.000000001s")),
    (899_600, 900_000, Unit.PPM, ("89.9 %", "90.0 %")),
    (1537, 1536, Unit.BYTES, ("1,537 B", "1,536 B")),
    (1, 2, Unit.MONEY, ("0.000000001", "0.000000002")),
])
def test_two_numbers_that_differ_never_look_equal(one, other, unit, said):
    assert units.apart(one, other, unit) == said
    assert units.apart(other, one, unit) == said[::-1]


def test_a_column_of_money_has_one_number_of_decimals():
    assert units.column([1_500_000_000, None, 2_005_000_000, 0], Unit.MONEY) == [
        "1.500", "-", "2.005", "0.000"]


@pytest.mark.parametrize("unit, most, scale", [
    (Unit.COUNT, 10**9, (1, "")),
    (Unit.DURATION, 0, (1, "ns")),
    (Unit.DURATION, 100_000_000, (1_000_000, "ms")),
    (Unit.DURATION, 90 * S, (S, "s")),
    (Unit.DURATION, 3 * 3600 * S, (3600 * S, "hours")),
    (Unit.BYTES, 5 << 20, (1 << 20, "MiB")),
    (Unit.PPM, 20, (10_000, "%")),
    (Unit.MONEY, 20, (S, "")),
])
def test_an_axis_is_in_a_unit_a_person_reads(unit, most, scale):
    assert units.scale(unit, most) == scale
