/* SPDX-License-Identifier: MIT */
/* reader_time.c - instants and durations as logs write them, in exact integers: CLF, ISO 8601,
 * epoch numbers. */
#include <string.h>
#include "reader_parts.h"

enum { DAY_S = 86400, YEAR_FIRST = 1970, YEAR_LAST = 2553 };

static const uint64_t NS_PER_S = 1000000000u;

/* Days from 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level
 * date algorithms"). The year is 1970 or later. */
static uint64_t days_of(uint32_t year, uint32_t month, uint32_t day)
{
    uint32_t y = month <= 2 ? year - 1 : year;
    uint32_t era = y / 400;
    uint32_t year_of_era = y - era * 400;
    uint32_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    uint32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return (uint64_t)era * 146097 + day_of_era - 719468;
}

static uint32_t month_days(uint32_t year, uint32_t month)
{
    static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    uint32_t leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29u : days[month - 1];
}

/* `count` digits at `at` as a number; 0xffffffff when one of them is none. */
static uint32_t digits(const uint8_t *at, uint32_t count)
{
    uint32_t value = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t digit = (uint32_t)at[i] - '0';
        if (digit > 9)
            return RAY_NONE;
        value = value * 10 + digit;
    }
    return value;
}

/* hh:mm:ss at `at` as seconds of the day; second 60, the leap second, is the next one's first. */
static uint32_t clock_of(const uint8_t *at)
{
    uint32_t hour = digits(at, 2);
    uint32_t minute = digits(at + 3, 2);
    uint32_t second = digits(at + 6, 2);

    if (at[2] != ':' || at[5] != ':' || hour > 23 || minute > 59 || second > 60)
        return RAY_NONE;
    return hour * 3600 + minute * 60 + second;
}

/* A zone: nothing or Z is UTC, else +hhmm, +hh:mm or +hh. Seconds east; 1 when it parses. */
static uint32_t zone_of(const uint8_t *at, uint64_t length, int64_t *east_s)
{
    uint32_t hour;
    uint32_t minute = 0;

    *east_s = 0;
    if (length == 0 || (length == 1 && (at[0] == 'Z' || at[0] == 'z')))
        return 1;
    if ((at[0] != '+' && at[0] != '-') || length < 3)
        return 0;
    hour = digits(at + 1, 2);
    if (length == 5)
        minute = digits(at + 3, 2);
    else if (length == 6 && at[3] == ':')
        minute = digits(at + 4, 2);
    else if (length != 3)
        return 0;
    if (hour > 23 || minute > 59)
        return 0;
    *east_s = (int64_t)(hour * 3600 + minute * 60);
    if (at[0] == '-')
        *east_s = -*east_s;
    return 1;
}

/* A fraction behind '.' or ',' at *at, nine digits of which count; moves *at behind it. 1 when
 * there is none or it parses. */
static uint32_t fraction_of(const uint8_t **at, const uint8_t *end, uint32_t *ns)
{
    const uint8_t *p = *at;
    uint32_t unit = 100000000;

    *ns = 0;
    if (p == end || (*p != '.' && *p != ','))
        return 1;
    p++;
    if (p == end || (uint32_t)(*p - '0') > 9)
        return 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        *ns += (uint32_t)(*p - '0') * unit;
        unit /= 10;
    }
    *at = p;
    return 1;
}

static uint32_t instant(uint64_t day_s, uint64_t second, uint32_t ns, int64_t east_s,
                        uint64_t *unix_ns)
{
    uint64_t local_s = day_s + second;

    if (east_s > 0 && local_s < (uint64_t)east_s)
        return 0;
    *unix_ns = (local_s - (uint64_t)east_s) * NS_PER_S + ns;
    return 1;
}

static uint32_t month_of(const uint8_t *at)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (uint32_t i = 0; i < 12; i++)
        if ((at[0] | 32) == names[3 * i] && (at[1] | 32) == names[3 * i + 1]
            && (at[2] | 32) == names[3 * i + 2])
            return i + 1;
    return 0;
}

uint32_t ray_reader_clf(ray_reader_day *day, const uint8_t *at, uint64_t length, uint64_t *unix_ns)
{
    const uint8_t *end = at + length;
    const uint8_t *p;
    uint64_t zone_length;
    uint32_t second;
    uint32_t ns;

    if (length >= 2 && at[0] == '[' && end[-1] == ']')
        return ray_reader_clf(day, at + 1, length - 2, unix_ns);
    if (length < 20 || at[2] != '/' || at[6] != '/' || at[11] != ':')
        return 0;
    if (!(day->known & 1) || memcmp(at, day->date, 11) != 0) {
        uint32_t year = digits(at + 7, 4);
        uint32_t month = month_of(at + 3);
        uint32_t date = digits(at, 2);
        if (year < YEAR_FIRST || year > YEAR_LAST || month == 0 || date < 1
            || date > month_days(year, month))
            return 0;
        memcpy(day->date, at, 11);
        day->day_s = days_of(year, month, date) * DAY_S;
        day->known |= 1;
    }
    second = clock_of(at + 12);
    p = at + 20;
    if (second == RAY_NONE || !fraction_of(&p, end, &ns))
        return 0;
    if (p < end && *p == ' ')
        p++;
    zone_length = (uint64_t)(end - p);
    if (zone_length != 5 || !(day->known & 2) || memcmp(p, day->zone, 5) != 0) {
        if (!zone_of(p, zone_length, &day->zone_s))
            return 0;
        if (zone_length == 5)
            memcpy(day->zone, p, 5);
        day->known = zone_length == 5 ? 3u : 1u;
    }
    return instant(day->day_s, second, ns, day->zone_s, unix_ns);
}

/* yyyy-mm-dd, then T or a space, hh:mm:ss, a fraction, a zone; the time of day may be left out, or
 * its seconds. */
static uint32_t iso(const uint8_t *at, uint64_t length, uint64_t *unix_ns)
{
    const uint8_t *end = at + length;
    const uint8_t *p = at + 10;
    uint32_t year = digits(at, 4);
    uint32_t month = digits(at + 5, 2);
    uint32_t date = digits(at + 8, 2);
    uint32_t second = 0;
    uint32_t ns = 0;
    int64_t east_s;

    if (at[7] != at[4] || year < YEAR_FIRST || year > YEAR_LAST || month < 1 || month > 12
        || date < 1 || date > month_days(year, month))
        return 0;
    if (p < end) {
        if ((*p != 'T' && *p != 't' && *p != ' ') || end - p < 6)
            return 0;
        p++;
        if (end - p >= 8 && p[5] == ':') {
            second = clock_of(p);
            p += 8;
        } else {
            uint8_t padded[8] = { p[0], p[1], p[2], p[3], p[4], ':', '0', '0' };
            second = clock_of(padded);
            p += 5;
        }
        if (second == RAY_NONE || !fraction_of(&p, end, &ns))
            return 0;
        if (p < end && *p == ' ')
            p++;
    }
    if (!zone_of(p, (uint64_t)(end - p), &east_s))
        return 0;
    return instant(days_of(year, month, date) * DAY_S, second, ns, east_s, unix_ns);
}

/* What a decimal is made of: digits before and behind the point, and the exponent. 1 when it is
 * one. */
static uint32_t decimal_parts(const uint8_t *at, const uint8_t *end, const uint8_t **point,
                              const uint8_t **mantissa_end, int32_t *exponent)
{
    const uint8_t *p = at;
    int32_t sign = 1;

    *exponent = 0;
    *point = NULL;
    for (; p < end && ((*p >= '0' && *p <= '9') || (*p == '.' && !*point)); p++)
        if (*p == '.')
            *point = p;
    *mantissa_end = p;
    if (p == at || (p == at + 1 && *point))
        return 0;
    if (!*point)
        *point = p;
    if (p == end)
        return 1;
    if ((*p != 'e' && *p != 'E') || ++p == end)
        return 0;
    if (*p == '+' || *p == '-') {
        sign = *p == '-' ? -1 : 1;
        p++;
    }
    if (p == end || end - p > 4)
        return 0;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return 0;
        *exponent = *exponent * 10 + (*p - '0');
    }
    *exponent *= sign;
    return 1;
}

uint32_t ray_reader_decimal(const uint8_t *at, uint64_t length, uint32_t power, uint64_t *out)
{
    const uint8_t *point;
    const uint8_t *mantissa_end;
    const uint8_t *p = at;
    uint64_t value = 0;
    int64_t places; /* digits that stay in front of the point once multiplied */
    int32_t exponent;

    if (length > 1 && *at == '+') { /* HAProxy: at least so much, it was not over when logged */
        p = ++at;
        length--;
    }
    if (length == 0 || length > 64
        || !decimal_parts(at, at + length, &point, &mantissa_end, &exponent))
        return 0;
    places = (point - at) + (int64_t)power + exponent;
    for (int64_t i = 0; i < places; i++) {
        uint32_t digit = 0;
        if (p == point)
            p++;
        if (p < mantissa_end)
            digit = (uint32_t)(*p++ - '0');
        else if (value == 0)
            break;
        if (value > (UINT64_MAX - digit) / 10)
            return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return 1;
}

/* Powers of ten from a unit to nanoseconds, by enum ray_reader_unit. */
static const uint32_t unit_power[5] = { 9, 9, 6, 3, 0 };

/* Seconds stay below 10^11 until the year 5138; finer units pass it in 1973. */
static uint32_t unit_by_size(const uint8_t *at, uint64_t length)
{
    uint64_t whole = 0;

    while (whole < length && at[whole] >= '0' && at[whole] <= '9')
        whole++;
    return whole <= 11   ? RAY_READER_SECONDS
           : whole <= 14 ? RAY_READER_MILLISECONDS
           : whole <= 17 ? RAY_READER_MICROSECONDS
                         : RAY_READER_NANOSECONDS;
}

uint32_t ray_reader_parse_time(const uint8_t *at, uint64_t length, uint32_t unit, uint64_t *unix_ns)
{
    ray_reader_day day = { 0 };

    if (unit > RAY_READER_NANOSECONDS)
        return 0;
    if (unit == RAY_READER_AUTO && length >= 10 && at[4] == at[7] && (at[4] == '-' || at[4] == '/'))
        return iso(at, length, unix_ns);
    if (unit == RAY_READER_AUTO && length >= 20 && (at[2] == '/' || at[0] == '['))
        return ray_reader_clf(&day, at, length, unix_ns);
    if (unit == RAY_READER_AUTO)
        unit = unit_by_size(at, length);
    return ray_reader_decimal(at, length, unit_power[unit], unix_ns);
}

uint32_t ray_reader_parse_duration(const uint8_t *at, uint64_t length, uint32_t unit, uint64_t *ns)
{
    if (unit > RAY_READER_NANOSECONDS)
        return 0;
    return ray_reader_decimal(at, length, unit_power[unit], ns);
}
