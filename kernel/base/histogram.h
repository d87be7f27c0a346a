/* SPDX-License-Identifier: MIT */
/* histogram: how long things took, in integers. A fine one is log-linear: 2^bits buckets an octave,
 * every value below 2^(bits+1) its own bucket, up to 2^RAY_HISTOGRAM_TOP_BITS; a bucket reports its
 * midpoint, so a quantile is off by at most 2^-(bits+1) of itself (HdrHistogram's layout). A coarse
 * one has a bucket per power of two: what is exported. Buckets of fine ones are the caller's:
 * RAY_HISTOGRAM_BUCKETS(bits) of them, all-zero is empty.
 */
#ifndef RAY_BASE_HISTOGRAM_H
#define RAY_BASE_HISTOGRAM_H
#include <stdint.h>
#include "ray/limits.h"

/* One more for what is above the top, and one that stays 0 so that the number is even. */
#define RAY_HISTOGRAM_BUCKETS(bits) (((RAY_HISTOGRAM_TOP_BITS + 1U - (bits)) << (bits)) + 2U)

enum ray_histogram_constant {
    RAY_HISTOGRAM_COARSE = 32,
    RAY_HISTOGRAM_COARSE_LOW = 6 /* coarse bucket i holds values up to 2^(6 + i), the last all */
};

typedef struct ray_histogram {
    uint64_t count; /* sum of the buckets */
    uint64_t min;
    uint64_t max;
    uint64_t sum; /* modulo 2^64 */
} ray_histogram;

typedef struct ray_histogram_coarse {
    uint64_t bucket[RAY_HISTOGRAM_COARSE];
    uint64_t sum; /* modulo 2^64 */
} ray_histogram_coarse;

static inline uint32_t ray_histogram_index(uint32_t bits, uint64_t value)
{
    uint32_t shift = 63U - (uint32_t)__builtin_clzll(value | 1ULL << bits) - bits;
    return __builtin_expect(value >> RAY_HISTOGRAM_TOP_BITS != 0, 0)
               ? RAY_HISTOGRAM_BUCKETS(bits) - 2
               : (shift << bits) + (uint32_t)(value >> shift);
}

/* Smallest and largest value of a bucket, and the one it reports. */
uint64_t ray_histogram_low(uint32_t bits, uint32_t index);
uint64_t ray_histogram_high(uint32_t bits, uint32_t index);
uint64_t ray_histogram_middle(uint32_t bits, uint32_t index);

/* Every bucket's count to its half. */
void ray_histogram_halve(ray_histogram *head, uint32_t *bucket, uint32_t bits);
/* Makes [min, max] reach to `value`, which is outside, or begin with it. */
void ray_histogram_widen(ray_histogram *head, uint64_t value);
/* A bucket that is full (2^32 - 1) halves them all first: quantiles stay, old values weigh less.
 * `index` is the value's. */
static inline void ray_histogram_record_at(ray_histogram *head, uint32_t *bucket, uint32_t bits,
                                           uint32_t index, uint64_t value)
{
    uint32_t *at = &bucket[index];
    if (__builtin_expect(*at == 0xffffffffU, 0))
        ray_histogram_halve(head, bucket, bits);
    *at += 1;
    if (__builtin_expect(value - head->min > head->max - head->min, 0))
        ray_histogram_widen(head, value);   /* an empty one holds [0, 0] */
    head->count++;
    head->sum += value;
}

static inline void ray_histogram_record(ray_histogram *head, uint32_t *bucket, uint32_t bits,
                                        uint64_t value)
{
    ray_histogram_record_at(head, bucket, bits, ray_histogram_index(bits, value), value);
}

/* The value 0, which stands in the first bucket whatever the bits. */
static inline void ray_histogram_record_zero(ray_histogram *head, uint32_t *bucket, uint32_t bits)
{
    if (__builtin_expect(bucket[0] == 0xffffffffU, 0))
        ray_histogram_halve(head, bucket, bits);
    bucket[0] += 1;
    if (__builtin_expect(head->min != 0, 0))
        ray_histogram_widen(head, 0);
    head->count++;
}

/* The same `times` times at once, at most 2^31. */
void ray_histogram_add(ray_histogram *head, uint32_t *bucket, uint32_t bits, uint64_t value,
                       uint32_t times);
/* Adds `from` to `to`, of the same bits. */
void ray_histogram_merge(ray_histogram *to, uint32_t *to_bucket, uint32_t bits,
                         const ray_histogram *from, const uint32_t *from_bucket);
void ray_histogram_clear(ray_histogram *head, uint32_t *bucket, uint32_t bits);
/* 1 when the buckets add up to the count and none lies outside [min, max]: what clearing needs. */
uint32_t ray_histogram_valid(const ray_histogram *head, const uint32_t *bucket, uint32_t bits);
/* Nearest rank, ceil(ppm * count / 10^6), of each of `n` quantiles in parts per million; never
 * above max or below min, 0 of an empty one. Ascending ones cost one pass together. */
void ray_histogram_quantiles(const ray_histogram *head, const uint32_t *bucket, uint32_t bits,
                             const uint32_t *ppm, uint32_t n, uint64_t *out);

static inline uint32_t ray_histogram_coarse_index(uint64_t value)
{
    uint32_t low = RAY_HISTOGRAM_COARSE_LOW, last = RAY_HISTOGRAM_COARSE - 1;
    uint32_t length = value <= 1 ? 0 : 64U - (uint32_t)__builtin_clzll(value - 1);
    uint32_t index = length <= low ? 0 : length - low;
    return index < last ? index : last;
}

static inline void ray_histogram_coarse_add(ray_histogram_coarse *coarse, uint64_t value,
                                            uint64_t times)
{
    coarse->bucket[ray_histogram_coarse_index(value)] += times;
    coarse->sum += value * times;
}

/* The largest value bucket `index` holds; RAY_NEVER (2^64-1) of the last. */
uint64_t ray_histogram_coarse_high(uint32_t index);

#endif
