/* SPDX-License-Identifier: MIT */
/* fixed: integer arithmetic that says which way it rounds; the only file with 128-bit products. */
#ifndef RAY_BASE_FIXED_H
#define RAY_BASE_FIXED_H
#include <stdint.h>

uint64_t ray_gcd(uint64_t a, uint64_t b);
/* a + b and a * b, RAY_NEVER (2^64-1) when they do not fit. */
static inline uint64_t ray_add_capped(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? 0xffffffffffffffffU : sum;
}
static inline uint64_t ray_mul_capped(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? 0xffffffffffffffffU : product;
}
/* floor(a * b / c) and ceil(a * b / c) with a 128-bit product; 2^64-1 when it does not fit. c is
 * not 0. */
uint64_t ray_mul_div_floor(uint64_t a, uint64_t b, uint64_t c);
uint64_t ray_mul_div_ceil(uint64_t a, uint64_t b, uint64_t c);
/* Whole seconds, up: whoever comes back at that second is not early. */
uint64_t ray_seconds_up(uint64_t ns);
/* Sign of a * b - c * d in 128 bits: -1, 0, 1. */
int32_t ray_mul_compare(uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* Sign of (a * b + c * d) - e * f, every product in 128 bits, the sum too (at most one bit of
 * headroom is needed). */
int32_t ray_mul_add_compare(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
/* -log2(u / 2^64) in 1/2^32, at least 1, bit by bit; 0 counts as 1. */
uint64_t ray_minus_log2(uint64_t u);
/* One number not above it and one not below, by lines: 8.7 % of a bit apart, and 28 % of it where
 * u is near 2^64. */
void ray_minus_log2_bounds(uint64_t u, uint64_t *least, uint64_t *most);
/* Pearson's correlation of n pairs times 1000, towards zero, exact while each column spans less
 * than 2^56 (of wider ones the low bits are left out); n at most 64. 0 when it is not defined:
 * fewer than 3 pairs, or a column that never changes; then *milli is 0. */
uint32_t ray_correlation_milli(const int64_t *x, const int64_t *y, uint32_t n, int32_t *milli);
/* floor(a / b) and a - b * floor(a / b) for any sign of a; b > 0. */
int64_t ray_floor_div(int64_t a, int64_t b);
int64_t ray_floor_mod(int64_t a, int64_t b);

/* Amounts of money are signed 128-bit numbers of grains, RAY_GRAINS to 10^-9 units (ray/cost.h). */
#define RAY_GRAINS 8000000000000000000ULL
/* a * b * c grains; 0 and nothing written when it is 2^63 times RAY_GRAINS or more. */
uint32_t ray_grains_of(uint64_t a, uint64_t b, uint64_t c, uint64_t *low, uint64_t *high);
/* The whole 10^-9 units, rounded down, of grains whose magnitude is below 2^63 * RAY_GRAINS; *rest
 * is what is left. A multiplication by a reciprocal, no division: every charge comes here. */
int64_t ray_grains_nano(uint64_t low, int64_t high, uint64_t *rest);
/* The other way. */
void ray_grains_from(int64_t nano, uint64_t *low, int64_t *high);
/* a * b / c towards zero for any sign of a, in 128 bits; 0 when it does not fit. c > 0. */
uint32_t ray_mul_div_signed(int64_t a, uint64_t b, uint64_t c, int64_t *out);
/* Least squares through (0, y[0]) ... (n - 1, y[n - 1]), 2 <= n <= 64: the slope, towards zero; 0
 * when it does not fit. */
uint32_t ray_slope(const int64_t *y, uint32_t n, int64_t *out);

#endif
