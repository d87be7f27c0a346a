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
