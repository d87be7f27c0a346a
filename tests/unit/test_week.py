# SPDX-License-Identifier: MIT
"""week: times of the week as text and as ranges of minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.config.units import UnitError
from host_sim.config.week import WEEK_MINUTES, parse_week, shift, week_text

MON, TUE, WED, THU, FRI, SAT, SUN = (1440 * day for day in range(7))
MINUTES = st.integers(0, WEEK_MINUTES - 1)


def holds(ranges, minute):
    """The definition, minute by minute."""
    return any(
        start <= minute < end if start < end else minute >= start or minute < end
        for start, end in ranges
    )


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("Mon 00:00-24:00", [(MON, TUE)]),
        ("Mon", [(MON, TUE)]),
        ("Sat-Sun", [(SAT, WEEK_MINUTES)]),
        ("Mon-Sun", [(0, WEEK_MINUTES)]),
        ("00:00-24:00", [(0, WEEK_MINUTES)]),
        ("Sun-Mon", [(SUN, TUE)]),
        ("08:00-18:00", [(day + 480, day + 1080) for day in (MON, TUE, WED, THU, FRI, SAT, SUN)]),
        ("Mon-Fri 22:00-06:00", [(d + 1320, d + 1800) for d in (MON, TUE, WED, THU, FRI)]),
        ("Sun 22:00-06:00", [(SUN + 1320, 360)]),
        ("Fri 18:00-Mon 06:00", [(FRI + 1080, 360)]),
        ("Sun 12:00-Mon 00:00", [(SUN + 720, WEEK_MINUTES)]),
        ("mon 08:00-09:00,MON 09:00-10:00", [(480, 600)]),
        ("Mon 10:00-12:00, Mon 11:00-13:00, Wed", [(600, 780), (WED, THU)]),
        ("Sat-Sun, Mon 00:00-06:00", [(SAT, 360)]),
        ("22:00-00:00", [(day + 1320, day + 1440) for day in (MON, TUE, WED, THU, FRI, SAT, SUN)]),
    ],
)
def test_each_days_range_starts_that_day_and_may_run_into_the_next(text, ranges):
    assert parse_week(text) == ranges


@pytest.mark.parametrize(
    "text",
    ["", ",", "Mon,", "Mo", "Mon-", "-Fri", "Funday 08:00-09:00", "8:00-18:00", "08:00",
     "25:00-26:00",
     "08:60-09:00", "24:01-24:02", "08:00-08:00", "Mon 24:00-06:00", "Mon 08:00 - 18:00",
     "Mon 08:00-18:00 +01:00", "Mon08:00-18:00", "Fri 18:00-Fri 18:00", "Mon Tue",
     "08:00-18:00 Mon",
     "0x:00-01:00", "١٢:00-13:00"],
)  # fmt: skip
def test_what_is_no_time_of_the_week_is_refused(text):
    with pytest.raises(UnitError) as said:
        parse_week(text)
    assert said.value.code == "bad-time" and f'"{text.split(",")[-1].strip()}"' in str(said.value)


@given(st.lists(st.tuples(MINUTES, MINUTES).filter(lambda r: r[0] != r[1]), max_size=6), MINUTES)
def test_merging_keeps_every_minute_and_text_reads_back(ranges, minute):
    if not ranges:
        return
    merged = shift(ranges, 0)
    assert holds(merged, minute) == holds(ranges, minute)
    assert parse_week(week_text(merged)) == merged
    flat = [edge for pair in merged for edge in pair]
    assert all(a < b for a, b in zip(flat, flat[1:-1], strict=False))


@given(
    st.lists(st.tuples(MINUTES, MINUTES).filter(lambda r: r[0] != r[1]), min_size=1, max_size=4),
    MINUTES,
    st.integers(-720, 840),
)
def test_a_shift_moves_every_minute(ranges, minute, by):
    assert holds(shift(ranges, by), (minute + by) % WEEK_MINUTES) == holds(ranges, minute)
