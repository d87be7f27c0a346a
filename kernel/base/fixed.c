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

/* -- correlation -- */
/* A number of up to 320 bits, least significant word first. */
enum { BIG_WORDS = 5, CORRELATED_MAX = 64, SPAN_BITS = 56 };
typedef struct big {
    uint64_t word[BIG_WORDS];
} big;

static void big_multiply(big *number, uint64_t by)
{
    wide carry = 0;
    for (uint32_t i = 0; i < BIG_WORDS; i++) {
        carry += (wide)number->word[i] * by;
        number->word[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

static big big_product(wide a, wide b, uint64_t c)
{
    big low = {{(uint64_t)a, (uint64_t)(a >> 64)}}, high = low, sum;
    wide carry = 0;
    big_multiply(&low, (uint64_t)b);
    big_multiply(&high, (uint64_t)(b >> 64));
    for (uint32_t i = 0; i < BIG_WORDS; i++) {
        carry += (wide)low.word[i] + (i > 0 ? high.word[i - 1] : 0);
        sum.word[i] = (uint64_t)carry;
        carry >>= 64;
    }
    big_multiply(&sum, c);
    return sum;
}

static int32_t big_compare(const big *a, const big *b)
{
    for (uint32_t i = BIG_WORDS; i-- > 0;)
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

/* How far to shift what a column spans so that no sum below passes 128 bits; *least is its least
 * value. */
static uint32_t span_of(const int64_t *x, uint32_t n, int64_t *least)
{
    int64_t most = x[0];
    *least = x[0];
    for (uint32_t i = 1; i < n; i++) {
        most = x[i] > most ? x[i] : most;
        *least = x[i] < *least ? x[i] : *least;
    }
    uint64_t span = (uint64_t)most - (uint64_t)*least;
    uint32_t shift = 0;
    while (span >> shift >> SPAN_BITS != 0)
        shift++;
    return shift;
}

/* r = (n Sxy - Sx Sy) / sqrt((n Sxx - Sx^2) (n Syy - Sy^2)); the largest q with
 * q^2 (..)(..) <= (1000 (n Sxy - Sx Sy))^2 is found by halving. */
uint32_t ray_correlation_milli(const int64_t *x, const int64_t *y, uint32_t n, int32_t *milli)
{
    int64_t x_least, y_least;
    wide sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
    *milli = 0;
    if (n < 3 || n > CORRELATED_MAX)
        return 0;
    uint32_t x_shift = span_of(x, n, &x_least), y_shift = span_of(y, n, &y_least);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t a = ((uint64_t)x[i] - (uint64_t)x_least) >> x_shift;
        uint64_t b = ((uint64_t)y[i] - (uint64_t)y_least) >> y_shift;
        sx += a;
        sy += b;
        sxx += (wide)a * a;
        syy += (wide)b * b;
        sxy += (wide)a * b;
    }
    wide vx = n * sxx - sx * sx, vy = n * syy - sy * sy;
    uint32_t negative = n * sxy < sx * sy;
    wide both = negative ? sx * sy - n * sxy : n * sxy - sx * sy;
    if (vx == 0 || vy == 0)
        return 0;
    big right = big_product(both, both, 1000000);
    uint32_t low = 0, high = 1000;
    while (low < high) {
        uint32_t middle = (low + high + 1) / 2;
        big left = big_product(vx, vy, (uint64_t)middle * middle);
        if (big_compare(&left, &right) <= 0)
            low = middle;
        else
            high = middle - 1;
    }
    *milli = negative ? -(int32_t)low : (int32_t)low;
    return 1;
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
