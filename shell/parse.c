/* SPDX-License-Identifier: MIT */
/* parse.c - what a word may say: numbers, durations, rates, sizes, instants, addresses. Exact or
 * refused. */
#include "parts.h"

#define SECOND 1000000000ULL
#define DAY (86400ULL * SECOND)

/* -- words (private) -- */
static uint32_t is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* -- numbers -- */
static ray_status grow(uint64_t *value, uint64_t digit)
{
    if (*value > (0xffffffffffffffffULL - digit) / 10)
        return RAY_E_RANGE;
    *value = *value * 10 + digit;
    return RAY_OK;
}

ray_status ray_parse_u64(const char *at, uint64_t length, uint64_t *out)
{
    uint64_t value = 0;
    if (length == 0 || !is_digit(at[0]) || !is_digit(at[length - 1]))
        return RAY_E_SYNTAX;
    for (uint64_t i = 0; i < length; i++) {
        if (at[i] == '_' && is_digit(at[i - 1]))
            continue;
        if (!is_digit(at[i]))
            return RAY_E_SYNTAX;
        if (grow(&value, (uint64_t)(at[i] - '0')) != RAY_OK)
            return RAY_E_RANGE;
    }
    *out = value;
    return RAY_OK;
}

/* Reads digits[.digits] at *i and multiplies by nothing yet: value and how many digits stood behind
 * the point. */
static ray_status decimal(const char *at, uint64_t length, uint64_t *i, uint64_t *value,
                          uint32_t *places)
{
    uint64_t start = *i;
    *value = 0;
    *places = 0;
    for (; *i < length && is_digit(at[*i]); (*i)++)
        if (grow(value, (uint64_t)(at[*i] - '0')) != RAY_OK)
            return RAY_E_RANGE;
    if (*i == start)
        return RAY_E_SYNTAX;
    if (*i == length || at[*i] != '.')
        return RAY_OK;
    start = ++*i;
    for (; *i < length && is_digit(at[*i]); (*i)++, (*places)++)
        if (grow(value, (uint64_t)(at[*i] - '0')) != RAY_OK)
            return RAY_E_RANGE;
    return *i == start ? RAY_E_SYNTAX : RAY_OK;
}

/* value / 10^places * unit, refused where it is no whole number or too large. */
static ray_status scale(uint64_t value, uint32_t places, uint64_t unit, uint64_t *out)
{
    while (places > 0 && value % 10 == 0) {
        value /= 10;
        places--;
    }
    for (; places > 0; places--) {
        if (unit % 10 != 0)
            return RAY_E_RANGE;
        unit /= 10;
    }
    if (value != 0 && unit > 0xffffffffffffffffULL / value)
        return RAY_E_RANGE;
    *out = value * unit;
    return RAY_OK;
}

typedef struct unit {
    const char *word;
    uint64_t size;
} unit;

static const unit durations[] = {
    {"ns", 1},          {"us", 1000},         {"ms", 1000000},      {"s", SECOND}, {"sec", SECOND},
    {"m", 60 * SECOND}, {"min", 60 * SECOND}, {"h", 3600 * SECOND}, {"d", DAY},    {"w", 7 * DAY}};
static const unit sizes[] = {{"B", 1},           {"KB", 1000},          {"MB", 1000000},
                             {"GB", 1000000000}, {"TB", 1000000000000}, {"KiB", 1024},
                             {"MiB", 1048576},   {"GiB", 1073741824},   {"TiB", 1099511627776}};

static uint64_t unit_size(const unit *units, uint32_t count, const char *at, uint64_t length)
{
    for (uint32_t i = 0; i < count; i++)
        if (ray_word_is(at, length, units[i].word))
            return units[i].size;
    return 0;
}

static uint64_t letters(const char *at, uint64_t length)
{
    uint64_t n = 0;
    while (n < length && ((at[n] >= 'a' && at[n] <= 'z') || (at[n] >= 'A' && at[n] <= 'Z')))
        n++;
    return n;
}

ray_status ray_parse_duration(const char *at, uint64_t length, uint64_t *ns)
{
    uint64_t sum = 0;
    uint64_t i = 0;
    if (length == 0)
        return RAY_E_SYNTAX;
    while (i < length) {
        uint64_t value, part;
        uint32_t places;
        ray_status status = decimal(at, length, &i, &value, &places);
        if (status != RAY_OK)
            return status;
        uint64_t word = letters(at + i, length - i);
        uint64_t size = unit_size(durations, sizeof durations / sizeof durations[0], at + i, word);
        if (size == 0)
            return RAY_E_SYNTAX;
        i += word;
        status = scale(value, places, size, &part);
        if (status != RAY_OK || part > RAY_NEVER - 1 - sum)
            return RAY_E_RANGE;
        sum += part;
    }
    *ns = sum;
    return RAY_OK;
}

ray_status ray_parse_rate(const char *at, uint64_t length, uint64_t *tokens, uint64_t *period_ns)
{
    uint64_t slash = 0;
    uint64_t count, period;
    while (slash < length && at[slash] != '/')
        slash++;
    if (slash + 1 >= length)
        return RAY_E_SYNTAX;
    ray_status status = ray_parse_u64(at, slash, &count);
    if (status != RAY_OK)
        return status;
    const char *rest = at + slash + 1;
    uint64_t rest_length = length - slash - 1;
    period = unit_size(durations, sizeof durations / sizeof durations[0], rest, rest_length);
    if (period == 0) {
        status = ray_parse_duration(rest, rest_length, &period);
        if (status != RAY_OK)
            return status;
    }
    if (period == 0)
        return RAY_E_RANGE;
    *tokens = count;
    *period_ns = period;
    return RAY_OK;
}

ray_status ray_parse_bytes(const char *at, uint64_t length, uint64_t *bytes)
{
    uint64_t i = 0;
    uint64_t value;
    uint32_t places;
    if (ray_parse_u64(at, length, bytes) == RAY_OK)
        return RAY_OK;
    ray_status status = decimal(at, length, &i, &value, &places);
    if (status != RAY_OK)
        return status;
    uint64_t size = unit_size(sizes, sizeof sizes / sizeof sizes[0], at + i, length - i);
    if (size == 0)
        return RAY_E_SYNTAX;
    return scale(value, places, size, bytes);
}

ray_status ray_parse_percent_bp(const char *at, uint64_t length, uint32_t *bp)
{
    uint64_t i = 0;
    uint64_t value;
    uint32_t places;
    ray_status status = decimal(at, length, &i, &value, &places);
    if (status != RAY_OK)
        return status;
    if (i + 1 != length || at[i] != '%')
        return RAY_E_SYNTAX;
    status = scale(value, places, 100, &value);
    if (status != RAY_OK || value > 1000000)
        return RAY_E_RANGE;
    *bp = (uint32_t)value;
    return RAY_OK;
}

/* -- instants -- */
/* `count` digits at *i, moved past; 0 when one is no digit. */
static uint32_t fixed_digits(const char *at, uint64_t length, uint64_t *i, uint32_t count,
                             uint64_t *out)
{
    uint64_t value = 0;
    for (uint32_t n = 0; n < count; n++, (*i)++) {
        if (*i >= length || !is_digit(at[*i]))
            return 0;
        value = value * 10 + (uint64_t)(at[*i] - '0');
    }
    *out = value;
    return 1;
}

static uint32_t one_of(const char *at, uint64_t length, uint64_t *i, char c)
{
    if (*i >= length || at[*i] != c)
        return 0;
    (*i)++;
    return 1;
}

static uint32_t leap(uint64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days since 1970-01-01 of a date from 1970 on; RAY_NEVER when there is no such day. */
static uint64_t days_of(uint64_t year, uint64_t month, uint64_t day)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    if (year < 1970 || year > 2500 || month < 1 || month > 12 || day < 1)
        return RAY_NEVER;
    uint64_t long_month = month == 2 && leap(year);
    if (day > (uint64_t)before[month] - before[month - 1] + long_month)
        return RAY_NEVER;
    uint64_t past = year - 1;
    uint64_t days = past * 365 + past / 4 - past / 100 + past / 400 - 719162;
    return days + before[month - 1] + (month > 2 && leap(year)) + day - 1;
}

/* "Z" or "+hh:mm" or "-hh:mm" at *i, the last thing in the word; minutes east. */
static uint32_t zone(const char *at, uint64_t length, uint64_t *i, int64_t *minutes)
{
    uint64_t h, m;
    *minutes = 0;
    if (one_of(at, length, i, 'Z'))
        return *i == length;
    if (*i >= length || (at[*i] != '+' && at[*i] != '-'))
        return 0;
    int64_t sign = at[(*i)++] == '-' ? -1 : 1;
    if (!fixed_digits(at, length, i, 2, &h) || !one_of(at, length, i, ':') ||
        !fixed_digits(at, length, i, 2, &m) || h > 23 || m > 59)
        return 0;
    *minutes = sign * (int64_t)(h * 60 + m);
    return *i == length;
}

ray_status ray_parse_time(const char *at, uint64_t length, uint64_t *unix_ns)
{
    uint64_t i = 0;
    uint64_t year, month, day, hour, minute, second, part = 0;
    int64_t east;
    if (ray_parse_u64(at, length, unix_ns) == RAY_OK)
        return RAY_OK;
    if (!fixed_digits(at, length, &i, 4, &year) || !one_of(at, length, &i, '-') ||
        !fixed_digits(at, length, &i, 2, &month) || !one_of(at, length, &i, '-') ||
        !fixed_digits(at, length, &i, 2, &day))
        return RAY_E_SYNTAX;
    uint64_t days = days_of(year, month, day);
    if (days == RAY_NEVER)
        return RAY_E_RANGE;
    if (i == length) {
        *unix_ns = days * DAY;
        return RAY_OK;
    }
    if (!one_of(at, length, &i, 'T') || !fixed_digits(at, length, &i, 2, &hour) ||
        !one_of(at, length, &i, ':') || !fixed_digits(at, length, &i, 2, &minute) ||
        !one_of(at, length, &i, ':') || !fixed_digits(at, length, &i, 2, &second))
        return RAY_E_SYNTAX;
    if (one_of(at, length, &i, '.')) {
        uint32_t places = 0;
        for (; i < length && is_digit(at[i]) && places < 9; i++, places++)
            part = part * 10 + (uint64_t)(at[i] - '0');
        if (places == 0)
            return RAY_E_SYNTAX;
        for (; places < 9; places++)
            part *= 10;
    }
    if (!zone(at, length, &i, &east))
        return RAY_E_SYNTAX;
    if (hour > 23 || minute > 59 || second > 59)
        return RAY_E_RANGE;
    int64_t seconds = (int64_t)(days * 86400 + hour * 3600 + minute * 60 + second) - east * 60;
    if (seconds < 0)
        return RAY_E_RANGE;
    *unix_ns = (uint64_t)seconds * SECOND + part;
    return RAY_OK;
}

/* -- addresses -- */
ray_status ray_parse_address(const char *at, uint64_t length, ray_address *out)
{
    return ray_address_read(at, length, out) != 0 ? RAY_OK : RAY_E_SYNTAX;
}

/* -- hexadecimal -- */
uint32_t ray_parse_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0');
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10 : 16;
}
