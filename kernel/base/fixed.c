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

uint64_t ray_seconds_up(uint64_t ns)
{
    return ns / 1000000000 + (ns % 1000000000 != 0);
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

uint64_t ray_minus_log2(uint64_t u)
{
    uint64_t x = u | 1U, whole = (uint64_t)__builtin_clzll(x), part = 0;
    x <<= whole;
    for (uint32_t i = 0; i < 32; i++) {
        wide square = (wide)x * x;
        uint64_t past = (uint64_t)(square >> 127);   /* 2 or more: the next bit of the logarithm */
        part = part << 1 | past;
        x = (uint64_t)(square >> (63 + past));
    }
    return ((whole + 1) << 32) - part;
}

/* log2(1 + f) is at least f, and at most f + 0.08608 and 1 - 0.72134 (1 - f), its tangent at 1. */
void ray_minus_log2_bounds(uint64_t u, uint64_t *least, uint64_t *most)
{
    uint64_t x = u | 1U, whole = (uint64_t)__builtin_clzll(x);
    uint64_t rest = (1ULL << 32) - (x << whole << 1 >> 32);   /* 1 - f, rounded up */
    uint64_t tangent = (rest - 1) * 0xb8aaU >> 16;
    uint64_t line = rest > 0x16100001U ? rest - 0x16100001U : 0;
    *most = (whole << 32) + rest;
    *least = (whole << 32) + (line > tangent ? line : tangent);
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
