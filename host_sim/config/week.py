# SPDX-License-Identifier: MIT
"""Times of the week: "Mon-Fri 22:00-06:00" as half-open ranges of minutes.

Minute 0 is Monday 00:00, as in kernel/base/week.h. A range that ends before it begins wraps over
Sunday midnight; the whole week is (0, 10080).
"""

from __future__ import annotations

import re

from host_sim.config.units import UnitError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MINUTES = 1_440
WEEK_MINUTES = 7 * DAY_MINUTES
_CLOCK = r"([0-9]{2}):([0-9]{2})"
_DAY = r"([A-Za-z]+)"
_DAYS_AT = re.compile(rf"(?:{_DAY}(?:-{_DAY})?)?(?:(?:^| +){_CLOCK}-{_CLOCK})?")
_FROM_TO = re.compile(rf"{_DAY} +{_CLOCK}-{_DAY} +{_CLOCK}")
_SAY = 'write for example "Mon-Fri 22:00-06:00", "Sat-Sun", "08:00-18:00" or "Fri 18:00-Mon 06:00"'


def _day(word: str, text: str) -> int:
    """0 Monday to 6 Sunday; three letters, any case."""
    for number, name in enumerate(DAYS):
        if word.lower() == name.lower():
            return number
    raise UnitError("bad-time", f'"{text}": "{word}" is no day; the days are {" ".join(DAYS)}')


def _clock(hour: str, minute: str, text: str) -> int:
    """Minutes since midnight; 24:00 is the end of a day."""
    if int(minute) > 59 or int(hour) * 60 + int(minute) > DAY_MINUTES:
        raise UnitError("bad-time", f'"{text}": {hour}:{minute} is no time of day; 24:00 is last')
    return int(hour) * 60 + int(minute)


def _days(first: str | None, last: str | None, text: str) -> list[int]:
    """The days of "Mon", "Mon-Fri", "Fri-Mon"; all of them when none is named."""
    if first is None:
        return list(range(7))
    start = _day(first, text)
    return [(start + n) % 7 for n in range((_day(last or first, text) - start) % 7 + 1)]


def _piece(text: str) -> list[tuple[int, int]]:
    """(start, minutes) of every range one piece means."""
    spans = _FROM_TO.fullmatch(text)
    if spans is not None:
        day, hour, minute, end_day, end_hour, end_minute = spans.groups()
        start = _day(day, text) * DAY_MINUTES + _clock(hour, minute, text)
        end = _day(end_day, text) * DAY_MINUTES + _clock(end_hour, end_minute, text)
        if start % WEEK_MINUTES == end % WEEK_MINUTES:
            raise UnitError("bad-time", f'"{text}" ends where it begins; the whole week is Mon-Sun')
        return [(start % WEEK_MINUTES, (end - start) % WEEK_MINUTES)]
    found = _DAYS_AT.fullmatch(text)
    if found is None or not text:
        raise UnitError("bad-time", f'"{text}" is no time of the week; {_SAY}')
    first, last, *clock = found.groups()
    begin, end = 0, DAY_MINUTES
    if clock[0] is not None:
        begin, end = _clock(clock[0], clock[1], text), _clock(clock[2], clock[3], text)
        if begin == DAY_MINUTES:
            raise UnitError("bad-time", f'"{text}" begins at 24:00; write 00:00 of the next day')
        if begin == end:
            raise UnitError(
                "bad-time", f'"{text}" ends where it begins; the whole day is 00:00-24:00'
            )
    length = end - begin if end > begin else end - begin + DAY_MINUTES
    return [(day * DAY_MINUTES + begin, length) for day in _days(first, last, text)]


def merge(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same minutes as (from, to) ranges that neither meet nor overlap, in order.

    At most the last wraps over Sunday midnight, and then to < from.
    """
    cut: list[tuple[int, int]] = []
    for start, length in spans:
        end = start + length
        cut.append((start, min(end, WEEK_MINUTES)))
        if end > WEEK_MINUTES:
            cut.append((0, end - WEEK_MINUTES))
    out: list[tuple[int, int]] = []
    for start, end in sorted(cut):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    if len(out) > 1 and out[0][0] == 0 and out[-1][1] == WEEK_MINUTES:
        out = [*out[1:-1], (out[-1][0], out[0][1])]
    return out


def shift(ranges: list[tuple[int, int]], minutes: int) -> list[tuple[int, int]]:
    """The ranges moved by so many minutes: from a local clock to UTC by minus its offset."""
    return merge([((start + minutes) % WEEK_MINUTES, span(start, end)) for start, end in ranges])


def span(start: int, end: int) -> int:
    """Minutes of one range."""
    return end - start if end > start else end - start + WEEK_MINUTES


def parse_week(text: str) -> list[tuple[int, int]]:
    """Ranges (from, to) of "Mon-Fri 22:00-06:00, Sat-Sun"; half-open, merged, in order.

    Every named day's range starts on that day and may run into the next: "Mon-Fri 22:00-06:00" ends
    on Saturday at 06:00. Several by comma. Raises UnitError "bad-time".
    """
    spans: list[tuple[int, int]] = []
    for piece in text.split(","):
        spans += _piece(piece.strip())
    return merge(spans)


def _moment(minute: int) -> str:
    day, rest = divmod(minute, DAY_MINUTES)
    return f"{DAYS[day % 7]} {rest // 60:02d}:{rest % 60:02d}"


def week_text(ranges: list[tuple[int, int]]) -> str:
    """Text that parse_week reads back as `ranges`."""
    return ", ".join(
        "Mon-Sun"
        if span(start, end) == WEEK_MINUTES
        else f"{_moment(start)}-{_moment(end % WEEK_MINUTES)}"
        for start, end in ranges
    )
