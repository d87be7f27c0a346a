/* SPDX-License-Identifier: MIT */
/* money.c - exact amounts: whole 10^-9 units and grains; added without rounding, rounded only for an
 * invoice. */
#include "parts.h"

#define GRAINS_A_PICO (COST_GRAINS / 1000)

enum { NANO_DIGITS = 9, PICO_DIGITS = 12 };

/* -- sums -- */
ray_money ray_money_of(int64_t nano)
{
    return (ray_money){nano, 0};
}

ray_money ray_money_sum(ray_money a, ray_money b)
{
    uint64_t grain = a.grain + b.grain; /* two grains fit 64 bits */
    uint32_t carry = grain >= COST_GRAINS;
    return (ray_money){a.nano + b.nano + carry, grain - (carry != 0 ? COST_GRAINS : 0)};
}

ray_money ray_money_less(ray_money a, ray_money b)
{
    uint32_t borrow = a.grain < b.grain;
    return (ray_money){a.nano - b.nano - borrow,
                       a.grain + (borrow != 0 ? COST_GRAINS : 0) - b.grain};
}

uint32_t ray_money_zero(const ray_money *money)
{
    return money->nano == 0 && money->grain == 0;
}

int32_t ray_money_compare(const ray_money *a, const ray_money *b)
{
    if (a->nano != b->nano)
        return a->nano < b->nano ? -1 : 1;
    return a->grain < b->grain ? -1 : a->grain > b->grain;
}

uint32_t ray_money_grow(ray_money *sum, const ray_money *add)
{
    uint64_t grain = sum->grain + add->grain;
    int64_t carry = grain >= COST_GRAINS;
    if (add->nano > COST_NANO_MAX - sum->nano ||
        (carry != 0 && add->nano + sum->nano == COST_NANO_MAX))
        return 0;
    sum->nano += add->nano + carry;
    sum->grain = grain - (carry != 0 ? COST_GRAINS : 0);
    return 1;
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
    int64_t down = ray_floor_div(money->nano, unit), rest = ray_floor_mod(money->nano, unit);
    int32_t side; /* of the half: -1 below, 0 on it, 1 above */
    if (unit == 1)
        side = money->grain < COST_GRAINS / 2 ? -1 : money->grain > COST_GRAINS / 2;
    else if (rest != unit / 2)
        side = rest < unit / 2 ? -1 : 1;
    else
        side = money->grain != 0;
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
    int64_t whole = ray_floor_div(money->nano, unit);
    uint64_t pico = (uint64_t)ray_floor_mod(money->nano, unit) * 1000 + money->grain / GRAINS_A_PICO;
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
