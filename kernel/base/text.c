/* SPDX-License-Identifier: MIT */
/* text.c - numbers, names and moments as text. What does not fit is left out whole, and `truncated`
 * says so. */
#include "ray/text.h"
#include "base/bytes.h"
#include "base/civil.h"
#include "base/fixed.h"

#define SECOND 1000000000U

/* -- the writer -- */
void ray_text_init(ray_text *text, char *at, uint64_t capacity)
{
    text->at = at;
    text->capacity = capacity;
    text->length = 0;
    text->truncated = 0;
    text->reserved = 0;
}

void ray_text_bytes(ray_text *text, const char *at, uint64_t length)
{
    if (text->truncated != 0 || length > text->capacity - text->length) {
        text->truncated = 1;
        return;
    }
    memcpy(text->at + text->length, at, length);
    text->length += length;
}

void ray_text_put(ray_text *text, const char *literal)
{
    ray_text_bytes(text, literal, ray_length_of(literal));
}

void ray_text_char(ray_text *text, char c)
{
    if (text->truncated != 0 || text->length >= text->capacity) {
        text->truncated = 1;
        return;
    }
    text->at[text->length++] = c;
}

/* -- numbers -- */
/* Writes the decimal digits of `value` so that they end at digits[20]; returns where they start. */
static unsigned decimal(uint64_t value, char digits[20])
{
    unsigned at = 20;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return at;
}

void ray_text_u64(ray_text *text, uint64_t value)
{
    char digits[20];
    unsigned at = decimal(value, digits);
    ray_text_bytes(text, digits + at, 20 - at);
}

void ray_text_i64(ray_text *text, int64_t value)
{
    if (value < 0)
        ray_text_char(text, '-');
    ray_text_u64(text, value < 0 ? ~(uint64_t)value + 1 : (uint64_t)value);
}

void ray_text_u64_right(ray_text *text, uint64_t value, uint32_t width)
{
    char digits[20];
    unsigned at = decimal(value, digits);
    for (uint32_t have = 20 - at; have < width; have++)
        ray_text_char(text, ' ');
    ray_text_bytes(text, digits + at, 20 - at);
}

/* The last `digits` decimal digits of value, with leading zeros. */
static void padded(ray_text *text, uint64_t value, uint32_t digits)
{
    char all[20];
    unsigned at = decimal(value, all);
    for (uint32_t have = 20 - at; have < digits; have++)
        ray_text_char(text, '0');
    ray_text_bytes(text, all + at, 20 - at);
}

static uint64_t power_of_ten(uint32_t digits)
{
    uint64_t power = 1;
    for (uint32_t i = 0; i < digits && i < 19; i++)
        power *= 10;
    return power;
}

void ray_text_fixed(ray_text *text, int64_t value, uint32_t digits)
{
    uint64_t size = value < 0 ? ~(uint64_t)value + 1 : (uint64_t)value;
    uint64_t unit = power_of_ten(digits);
    if (value < 0)
        ray_text_char(text, '-');
    ray_text_u64(text, size / unit);
    if (digits > 0) {
        ray_text_char(text, '.');
        padded(text, size % unit, digits);
    }
}

void ray_text_hex(ray_text *text, uint64_t value, uint32_t digits)
{
    for (uint32_t i = digits; i > 0; i--)
        ray_text_char(text, "0123456789abcdef"[(value >> (4 * (i - 1))) & 15U]);
}

void ray_text_hex_bytes(ray_text *text, const uint8_t *at, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        ray_text_hex(text, at[i], 2);
}

/* -- text from outside -- */
static int printable(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

void ray_text_escaped(ray_text *text, const char *at, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++) {
        if (at[i] == '\\')
            ray_text_put(text, "\\\\");
        else if (printable(at[i]))
            ray_text_char(text, at[i]);
        else {
            ray_text_put(text, "\\x");
            ray_text_hex(text, (uint8_t)at[i], 2);
        }
    }
}

void ray_text_label(ray_text *text, const char *at, uint64_t length)
{
    uint64_t plain = 0; /* from here on nothing needed an escape */
    for (uint64_t i = 0; i < length; i++) {
        if (printable(at[i]) && at[i] != '"' && at[i] != '\\')
            continue;
        ray_text_bytes(text, at + plain, i - plain);
        plain = i + 1;
        if (at[i] == '\n')
            ray_text_put(text, "\\n");
        else if (printable(at[i])) {
            ray_text_char(text, '\\');
            ray_text_char(text, at[i]);
        } else {
            ray_text_put(text, "\\\\x");
            ray_text_hex(text, (uint8_t)at[i], 2);
        }
    }
    ray_text_bytes(text, at + plain, length - plain);
}

void ray_text_name(ray_text *text, const ray_name *name, uint32_t width)
{
    uint64_t from = text->length;
    ray_text_escaped(text, name->at, ray_name_length(name));
    while (text->length - from < width && text->truncated == 0)
        ray_text_char(text, ' ');
}

void ray_text_column(ray_text *text, uint32_t column)
{
    uint64_t start = text->length;
    while (start > 0 && text->at[start - 1] != '\n')
        start--;
    do
        ray_text_char(text, ' ');
    while (text->length - start < column && text->truncated == 0);
}

/* -- time -- */
static void fraction(ray_text *text, uint64_t part, uint32_t digits)
{
    if (part == 0)
        return;
    while (part % 10 == 0) {
        part /= 10;
        digits--;
    }
    ray_text_char(text, '.');
    padded(text, part, digits);
}

void ray_text_duration(ray_text *text, uint64_t ns)
{
    static const struct { uint64_t ns; const char *word;
    } unit[4] = {{86400U * (uint64_t)SECOND, "d"},
                 {3600U * (uint64_t)SECOND, "h"},
                 {60U * (uint64_t)SECOND, "m"},
                 {0, ""}};
    if (ns == RAY_NEVER) {
        ray_text_put(text, "never");
        return;
    }
    if (ns < SECOND) {
        uint32_t digits = ns >= 1000000 ? 6 : ns >= 1000 ? 3 : 0;
        uint64_t whole = power_of_ten(digits);
        ray_text_u64(text, ns / whole);
        fraction(text, ns % whole, digits);
        ray_text_put(text, ns == 0 ? "s" : digits == 6 ? "ms" : digits == 3 ? "us" : "ns");
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (ns >= unit[i].ns) {
            ray_text_u64(text, ns / unit[i].ns);
            ray_text_put(text, unit[i].word);
            ns %= unit[i].ns;
        }
    }
    if (ns > 0) {
        ray_text_u64(text, ns / SECOND);
        fraction(text, ns % SECOND, 9);
        ray_text_char(text, 's');
    }
}

void ray_text_time(ray_text *text, uint64_t unix_ns)
{
    uint64_t seconds = unix_ns / SECOND;
    ray_date date = ray_date_of((int64_t)(seconds / 86400));
    uint64_t of_day = seconds % 86400;
    padded(text, (uint64_t)date.year, 4);
    ray_text_char(text, '-');
    padded(text, date.month, 2);
    ray_text_char(text, '-');
    padded(text, date.day, 2);
    ray_text_char(text, 'T');
    padded(text, of_day / 3600, 2);
    ray_text_char(text, ':');
    padded(text, of_day / 60 % 60, 2);
    ray_text_char(text, ':');
    padded(text, of_day % 60, 2);
    fraction(text, unix_ns % SECOND, 9);
    ray_text_char(text, 'Z');
}

/* -- addresses -- */
static uint32_t group_of(const ray_address *address, uint32_t i)
{
    return (uint32_t)address->at[2 * i] << 8 | address->at[2 * i + 1];
}

static void hex_group(ray_text *text, uint32_t group)
{
    ray_text_hex(text, group, group > 0xfff ? 4 : group > 0xff ? 3 : group > 0xf ? 2 : 1);
}

/* Written in one piece: a replay writes one for every request of a bare address. */
static void address_4(ray_text *text, const uint8_t at[4])
{
    char digits[16];
    unsigned length = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned value = at[i], hundreds = value / 100, tens = value / 10;
        if (hundreds != 0)
            digits[length++] = (char)('0' + hundreds);
        if (tens != 0)
            digits[length++] = (char)('0' + tens - hundreds * 10);
        digits[length++] = (char)('0' + value - tens * 10);
        digits[length++] = '.';
    }
    ray_text_bytes(text, digits, length - 1);
}

void ray_text_address(ray_text *text, const ray_address *address)
{
    if (ray_is_zero(address->at, 10) && group_of(address, 5) == 0xffff) {
        address_4(text, address->at + 12);
        return;
    }
    /* RFC 5952: the first longest run of at least two zero groups */
    uint32_t best = 8, best_length = 1;
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t length = 0;
        while (i + length < 8 && group_of(address, i + length) == 0)
            length++;
        if (length > best_length) {
            best = i;
            best_length = length;
        }
    }
    for (uint32_t i = 0; i < 8; i++) {
        if (i == best) {
            ray_text_put(text, "::");
            i += best_length - 1;
            continue;
        }
        if (i > 0 && i != best + best_length)
            ray_text_char(text, ':');
        hex_group(text, group_of(address, i));
    }
}
