/* SPDX-License-Identifier: MIT */
/* fixed.c - 128-bit products are the compiler's, 128-bit division is by hand: libgcc is not
 * there. */
#include "base/fixed.h"

#define ALL_ONES 0xffffffffffffffffU

__extension__ typedef unsigned __int128 wide;

uint64_t ray_gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

uint64_t ray_add_capped(uint64_t a, uint64_t b)
{
    return a > ALL_ONES - b ? ALL_ONES : a + b;
}

uint64_t ray_mul_capped(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)(product >> 64) != 0 ? ALL_ONES : (uint64_t)product;
}

/* Schoolbook, one bit at a time: high < c, so the quotient fits 64 bits. Only configuration and
 * hints come here. */
static uint64_t divide(uint64_t high, uint64_t low, uint64_t c, uint64_t *rest)
{
    if (high == 0) {
        *rest = low % c;
        return low / c;
    }
    uint64_t quotient = 0;
    for (unsigned i = 0; i < 64; i++) {
        uint64_t carry = high >> 63;
        high = (high << 1) | (low >> 63);
        low <<= 1;
        quotient <<= 1;
        if (carry != 0 || high >= c) {
            high -= c;
            quotient |= 1;
        }
    }
    *rest = high;
    return quotient;
}

uint64_t ray_mul_div_floor(uint64_t a, uint64_t b, uint64_t c)
{
    wide product = (wide)a * b;
    uint64_t high = (uint64_t)(product >> 64), rest;
    if (high >= c)
        return ALL_ONES;
    return divide(high, (uint64_t)product, c, &rest);
}

uint64_t ray_mul_div_ceil(uint64_t a, uint64_t b, uint64_t c)
{
    wide product = (wide)a * b;
    uint64_t high = (uint64_t)(product >> 64), rest;
    if (high >= c)
        return ALL_ONES;
    uint64_t quotient = divide(high, (uint64_t)product, c, &rest);
    return rest != 0 && quotient != ALL_ONES ? quotient + 1 : quotient;
}

static int32_t sign_of(wide left, wide right)
{
    return left < right ? -1 : left > right ? 1 : 0;
}

int32_t ray_mul_compare(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return sign_of((wide)a * b, (wide)c * d);
}

int32_t ray_mul_add_compare(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    wide first = (wide)a * b, second = (wide)c * d;
    if (second > ~first)
        return 1;   /* the sum passes 2^128, the right side cannot */
    return sign_of(first + second, (wide)e * f);
}

/* Moeller and Granlund, "Improved division by invariant integers" (2011), algorithm 4: the divisor
 * shifted until its top bit is set, and floor((2^128 - 1) / it) - 2^64. */
#define GRAINS_SHIFTED    (RAY_GRAINS << 1)
#define GRAINS_RECIPROCAL 0x2725dd1d243aba0eULL

static uint64_t divide_by_grains(uint64_t high, uint64_t low, uint64_t *rest)
{
    uint64_t top = high << 1 | low >> 63, bottom = low << 1;
    wide guess = (wide)GRAINS_RECIPROCAL * top + ((wide)top << 64 | bottom);
    uint64_t quotient = (uint64_t)(guess >> 64) + 1;
    uint64_t left = bottom - quotient * GRAINS_SHIFTED;
    if (left > (uint64_t)guess) {
        quotient--;
        left += GRAINS_SHIFTED;
    }
    if (left >= GRAINS_SHIFTED) {
        quotient++;
        left -= GRAINS_SHIFTED;
    }
    *rest = left >> 1;
    return quotient;
}

static uint32_t grains_of_large(wide first, uint64_t c, uint64_t *low, uint64_t *high)
{
    wide bottom = (wide)(uint64_t)first * c, top = (wide)(uint64_t)(first >> 64) * c;
    if (top >> 63 != 0 || (top << 64) + bottom < bottom)
        return 0;
    wide product = (top << 64) + bottom;
    if ((uint64_t)(product >> 64) >= RAY_GRAINS / 2)
        return 0;
    *low = (uint64_t)product;
    *high = (uint64_t)(product >> 64);
    return 1;
}

uint32_t ray_grains_of(uint64_t a, uint64_t b, uint64_t c, uint64_t *low, uint64_t *high)
{
    wide first = (wide)a * b;
    wide product = (wide)(uint64_t)first * c;
    if ((uint64_t)(first >> 64) != 0 || (uint64_t)(product >> 64) >= RAY_GRAINS / 2)
        return grains_of_large(first, c, low, high);
    *low = (uint64_t)product;
    *high = (uint64_t)(product >> 64);
    return 1;
}

int64_t ray_grains_nano(uint64_t low, int64_t high, uint64_t *rest)
{
    if (high >= 0)
        return (int64_t)divide_by_grains((uint64_t)high, low, rest);
    wide magnitude = 0 - ((wide)(uint64_t)high << 64 | low);
    uint64_t nano = divide_by_grains((uint64_t)(magnitude >> 64), (uint64_t)magnitude, rest);
    if (*rest != 0) {
        *rest = RAY_GRAINS - *rest;
        nano++;
    }
    return (int64_t)(0 - nano);
}

void ray_grains_from(int64_t nano, uint64_t *low, int64_t *high)
{
    uint64_t magnitude = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano;
    wide grains = (wide)magnitude * RAY_GRAINS;
    if (nano < 0)
        grains = 0 - grains;
    *low = (uint64_t)grains;
    *high = (int64_t)(uint64_t)(grains >> 64);
}

static uint32_t with_sign(uint64_t magnitude, uint32_t negative, int64_t *out)
{
    if (magnitude > ALL_ONES >> 1)
        return 0;
    *out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return 1;
}

uint32_t ray_mul_div_signed(int64_t a, uint64_t b, uint64_t c, int64_t *out)
{
    uint64_t magnitude = a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
    return with_sign(ray_mul_div_floor(magnitude, b, c), a < 0, out);
}

/* (n * sum(x * y) - sum(x) * sum(y)) / (n * sum(x * x) - sum(x)^2), with x = 0 ... n - 1. The
 * numerator is at most 2^63 * 64^3. */
uint32_t ray_slope(const int64_t *y, uint32_t n, int64_t *out)
{
    __extension__ typedef __int128 wide_signed;
    wide_signed sum = 0, weighted = 0;
    for (uint32_t x = 0; x < n; x++) {
        sum += y[x];
        weighted += (wide_signed)y[x] * x;
    }
    uint64_t count = n, below = count * count * (count * count - 1) / 12;
    wide_signed above = weighted * n - sum * (int64_t)(count * (count - 1) / 2);
    wide magnitude = above < 0 ? 0 - (wide)above : (wide)above;
    uint64_t rest, high = (uint64_t)(magnitude >> 64);
    if (high >= below)
        return 0;
    return with_sign(divide(high, (uint64_t)magnitude, below, &rest), above < 0, out);
}

int64_t ray_floor_div(int64_t a, int64_t b)
{
    int64_t quotient = a / b;
    return a % b < 0 ? quotient - 1 : quotient;
}

int64_t ray_floor_mod(int64_t a, int64_t b)
{
    int64_t rest = a % b;
    return rest < 0 ? rest + b : rest;
}
