/* SPDX-License-Identifier: MIT */
/* json_number.c - decimal numbers, exact or said not to be; nothing is ever rounded. */
#include "base/json.h"
#include "base/json_text.h"

#define EXPONENT_MAX 999999999

typedef struct digits {
    uint64_t mantissa;            /* without the zeros at its end */
    uint32_t zeros;               /* that were left out since; more may follow */
    uint32_t lost;                /* 1 when the mantissa does not fit */
} digits;

/* One more digit. Zeros wait until a digit behind them needs them, so that 1000...0 stays exact. */
static void take(digits *d, uint32_t digit)
{
    if (digit == 0) {
        d->zeros += d->mantissa != 0 && d->zeros < EXPONENT_MAX;
        return;
    }
    for (; d->zeros > 0 && !d->lost; d->zeros--) {
        d->lost |= d->mantissa > UINT64_MAX / 10;
        d->mantissa *= 10;
    }
    d->zeros = 0;
    d->lost |= d->mantissa > (UINT64_MAX - digit) / 10;
    d->mantissa = d->mantissa * 10 + digit;
}

static uint32_t is_digit(const uint8_t *at, uint64_t length, uint64_t i)
{
    return i < length && at[i] >= '0' && at[i] <= '9';
}

/* The exponent behind 'e', capped just above what is exact; 0 bytes when there is none. */
static uint64_t exponent_at(const uint8_t *at, uint64_t length, int64_t *out)
{
    uint64_t i = 1;
    int64_t value = 0;
    uint32_t negative = 0;
    if (i < length && (at[i] == '+' || at[i] == '-'))
        negative = at[i++] == '-';
    if (!is_digit(at, length, i))
        return 0;
    for (; is_digit(at, length, i); i++)
        value = value > EXPONENT_MAX ? value : value * 10 + (at[i] - '0');
    *out = negative ? -value : value;
    return i;
}

static __attribute__((noinline)) uint64_t decimal(const uint8_t *at, uint64_t length,
                                                  ray_json_number *out)
{
    digits d = {0, 0, 0};
    uint64_t i = 0;
    int64_t exponent = 0;
    uint32_t negative = length > 0 && at[0] == '-';
    i += negative;
    if (!is_digit(at, length, i))
        return 0;
    if (at[i] == '0' && is_digit(at, length, i + 1))
        return 0;
    for (; is_digit(at, length, i); i++)
        take(&d, (uint32_t)at[i] - '0');
    if (i < length && at[i] == '.') {
        uint64_t point = ++i;
        for (; is_digit(at, length, i); i++)
            take(&d, (uint32_t)at[i] - '0');
        if (i == point)
            return 0;
        exponent -= (int64_t)(i - point);
    }
    if (i < length && (at[i] == 'e' || at[i] == 'E')) {
        int64_t more = 0;
        uint64_t taken = exponent_at(at + i, length - i, &more);
        if (taken == 0)
            return 0;
        i += taken;
        exponent += more;
    }
    exponent += d.zeros;
    if (d.mantissa == 0)
        exponent = 0;
    uint32_t fits = exponent >= -EXPONENT_MAX && exponent <= EXPONENT_MAX;
    out->mantissa = d.mantissa;
    out->exponent = fits ? (int32_t)exponent : 0;
    out->negative = (uint16_t)negative;
    out->exact = (uint16_t)(fits && !d.lost);
    return i;
}

uint64_t ray_json_number_read(const uint8_t *at, uint64_t length, ray_json_number *out)
{
    uint64_t taken = ray_json_integer_read(at, length, out);
    return taken != 0 ? taken : decimal(at, length, out);
}

uint32_t ray_json_scale(uint64_t *value, uint32_t power)
{
    static const uint64_t powers[20] = {
        1U, 10U, 100U, 1000U, 10000U, 100000U, 1000000U, 10000000U, 100000000U, 1000000000U,
        10000000000U, 100000000000U, 1000000000000U, 10000000000000U, 100000000000000U,
        1000000000000000U, 10000000000000000U, 100000000000000000U, 1000000000000000000U,
        10000000000000000000U};
    uint64_t all = 0;
    if (__builtin_mul_overflow(*value, powers[power], &all))
        return 0;
    *value = all;
    return 1;
}

/* The magnitude as an integer; 0 when it is none or does not fit. */
static uint32_t whole(const ray_json_item *item, uint64_t *value)
{
    uint64_t all = item->number.mantissa;
    if (item->kind != RAY_JSON_NUMBER || !item->number.exact ||
        (uint32_t)item->number.exponent > 19)
        return 0;
    if (item->number.exponent != 0 && !ray_json_scale(&all, (uint32_t)item->number.exponent))
        return 0;
    *value = all;
    return 1;
}

uint32_t ray_json_u64(const ray_json_item *item, uint64_t *value)
{
    uint64_t all = 0;
    if (!whole(item, &all) || (item->number.negative && all != 0))
        return 0;
    *value = all;
    return 1;
}

uint32_t ray_json_i64(const ray_json_item *item, int64_t *value)
{
    uint64_t all = 0;
    if (!whole(item, &all) || all > (uint64_t)INT64_MAX + item->number.negative)
        return 0;
    *value = item->number.negative ? (int64_t)(~all + 1) : (int64_t)all;
    return 1;
}
