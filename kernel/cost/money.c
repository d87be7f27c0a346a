/* SPDX-License-Identifier: MIT */
/* money.c - exact amounts in grains: compared, shown in whole ones, and rounded only for an
 * invoice. */
#include "parts.h"

#define GRAINS_A_PICO (COST_GRAINS / 1000)

enum { NANO_DIGITS = 9, PICO_DIGITS = 12 };

/* -- sums -- */
ray_money ray_money_of(int64_t nano)
{
    ray_money out;
    ray_grains_from(nano, &out.low, &out.high);
    return out;
}

int32_t ray_money_compare(const ray_money *a, const ray_money *b)
{
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return a->low < b->low ? -1 : a->low > b->low;
}

int64_t ray_money_nano(const ray_money *money, uint32_t *pico)
{
    uint64_t rest;
    int64_t nano = ray_grains_nano(money->low, money->high, &rest);
    if (pico != 0)
        *pico = (uint32_t)(rest / GRAINS_A_PICO);
    return nano;
}

/* -- rounding -- */
static int64_t ten_to(uint32_t power)
{
    int64_t value = 1;
    while (power-- > 0)
        value *= 10;
    return value;
}

int64_t ray_money_round(const ray_money *money, uint32_t digits)
{
    int64_t unit = ten_to(NANO_DIGITS - digits);
    uint64_t grain;
    int64_t nano = ray_grains_nano(money->low, money->high, &grain);
    int64_t down = ray_floor_div(nano, unit), rest = ray_floor_mod(nano, unit);
    int32_t side; /* of the half: -1 below, 0 on it, 1 above */
    if (unit == 1)
        side = grain < COST_GRAINS / 2 ? -1 : grain > COST_GRAINS / 2;
    else if (rest != unit / 2)
        side = rest < unit / 2 ? -1 : 1;
    else
        side = grain != 0;
    uint32_t up = side > 0 || (side == 0 && ray_floor_mod(down, 2) != 0);
    /* The largest balances of all have no unit above them. */
    if (up != 0 && down >= COST_NANO_MAX / unit)
        up = 0;
    if (down < -(COST_NANO_MAX / unit))
        up = 1;
    return (down + up) * unit;
}

/* -- text -- */
static void put_decimals(ray_text *text, uint64_t pico, uint32_t digits)
{
    char at[PICO_DIGITS];
    for (uint32_t i = PICO_DIGITS; i > 0; i--) {
        at[i - 1] = (char)('0' + pico % 10);
        pico /= 10;
    }
    ray_text_bytes(text, at, digits);
}

void ray_money_put(ray_text *text, const ray_money *money, uint32_t digits)
{
    uint32_t kept = digits > PICO_DIGITS ? PICO_DIGITS : digits;
    const int64_t unit = 1000000000;
    uint32_t rest;
    int64_t nano = ray_money_nano(money, &rest);
    int64_t whole = ray_floor_div(nano, unit);
    uint64_t pico = (uint64_t)ray_floor_mod(nano, unit) * 1000 + rest;
    uint64_t step = kept == PICO_DIGITS ? 1 : (uint64_t)ten_to(PICO_DIGITS - kept);
    pico -= pico % step;
    uint64_t units = (uint64_t)whole;
    if (whole < 0) { /* -1 and 0.75 is -0.25 */
        ray_text_char(text, '-');
        units = 0 - (uint64_t)whole - (pico != 0);
        pico = pico != 0 ? 1000000000000ULL - pico : 0;
    }
    ray_text_u64(text, units);
    if (kept == 0)
        return;
    ray_text_char(text, '.');
    put_decimals(text, pico, kept);
}

static uint32_t is_digit(char c)
{
    return c >= '0' && c <= '9';
}

uint32_t ray_money_parse(const char *at, uint64_t length, uint32_t decimals, int64_t *out)
{
    uint64_t i = 0, value = 0, whole = 0;
    uint32_t negative = length > 0 && at[0] == '-', seen = 0;
    for (i = negative; i < length && is_digit(at[i]); i++, whole++)
        if ((value = ray_add_capped(ray_mul_capped(value, 10), (uint64_t)(at[i] - '0'))) >
            (uint64_t)COST_NANO_MAX)
            return 0;
    uint32_t point = i < length && at[i] == '.';
    for (i += point; i < length && is_digit(at[i]); i++) {
        if (seen == decimals && at[i] != '0')
            return 0;
        if (seen == decimals)
            continue;
        seen++;
        if ((value = ray_add_capped(ray_mul_capped(value, 10), (uint64_t)(at[i] - '0'))) >
            (uint64_t)COST_NANO_MAX)
            return 0;
    }
    if (i != length || whole == 0 || (point != 0 && at[length - 1] == '.'))
        return 0;
    for (; seen < decimals; seen++)
        if ((value = ray_mul_capped(value, 10)) > (uint64_t)COST_NANO_MAX)
            return 0;
    *out = negative != 0 ? -(int64_t)value : (int64_t)value;
    return 1;
}
