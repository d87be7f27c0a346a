/* SPDX-License-Identifier: MIT */
/* histogram.c - a value's bucket is its exponent and its next `bits` bits; nothing divides. */
#include "base/histogram.h"
#include "base/bytes.h"
#include "base/fixed.h"

enum { MILLION = 1000000, BLOCK = 16 };
#define FULL 0xffffffffU

/* -- buckets -- */
static uint32_t shift_of(uint32_t bits, uint32_t index)
{
    return index >> bits > 1 ? (index >> bits) - 1 : 0;
}

uint64_t ray_histogram_low(uint32_t bits, uint32_t index)
{
    uint32_t shift = shift_of(bits, index);
    return (uint64_t)(index - (shift << bits)) << shift;
}

uint64_t ray_histogram_high(uint32_t bits, uint32_t index)
{
    if (index >= RAY_HISTOGRAM_BUCKETS(bits) - 2)
        return RAY_NEVER;
    return ray_histogram_low(bits, index) + (1ULL << shift_of(bits, index)) - 1;
}

uint64_t ray_histogram_middle(uint32_t bits, uint32_t index)
{
    return ray_histogram_low(bits, index) + (1ULL << shift_of(bits, index)) / 2;
}

/* -- recording -- */
void ray_histogram_halve(ray_histogram *head, uint32_t *bucket, uint32_t bits)
{
    head->count = 0;
    head->sum /= 2;
    for (uint32_t i = 0; i < RAY_HISTOGRAM_BUCKETS(bits); i++) {
        bucket[i] /= 2;
        head->count += bucket[i];
    }
}

void ray_histogram_widen(ray_histogram *head, uint64_t value)
{
    if (head->count == 0 || value < head->min)
        head->min = value;
    if (value > head->max)
        head->max = value;
}

void ray_histogram_add(ray_histogram *head, uint32_t *bucket, uint32_t bits, uint64_t value,
                       uint32_t times)
{
    uint32_t index = ray_histogram_index(bits, value);
    if (times == 0)
        return;
    if (times == 1) {
        ray_histogram_record(head, bucket, bits, value);
        return;
    }
    while (bucket[index] > FULL - times)
        ray_histogram_halve(head, bucket, bits);
    if (head->count == 0 || value < head->min)
        head->min = value;
    if (value > head->max)
        head->max = value;
    bucket[index] += times;
    head->count += times;
    head->sum += value * times;
}

void ray_histogram_merge(ray_histogram *to, uint32_t *to_bucket, uint32_t bits,
                         const ray_histogram *from, const uint32_t *from_bucket)
{
    if (from->count == 0)
        return;
    uint32_t last = ray_histogram_index(bits, from->max);
    for (uint32_t i = ray_histogram_index(bits, from->min); i <= last; i++) {
        while (to_bucket[i] > FULL - from_bucket[i])
            ray_histogram_halve(to, to_bucket, bits);
        to_bucket[i] += from_bucket[i];
        to->count += from_bucket[i];
    }
    if (to->count == from->count || from->min < to->min)
        to->min = from->min;
    if (from->max > to->max)
        to->max = from->max;
    to->sum += from->sum;
}

/* Outside [min, max] nothing was recorded: of a second with one latency one bucket is cleared. */
void ray_histogram_clear(ray_histogram *head, uint32_t *bucket, uint32_t bits)
{
    uint32_t first = ray_histogram_index(bits, head->min);
    uint32_t end = ray_histogram_index(bits, head->max) + 1;
    if (head->count != 0)
        memset(bucket + first, 0, (end - first) * sizeof *bucket);
    memset(head, 0, sizeof *head);
}

uint32_t ray_histogram_valid(const ray_histogram *head, const uint32_t *bucket, uint32_t bits)
{
    uint32_t first = ray_histogram_index(bits, head->min);
    uint32_t last = ray_histogram_index(bits, head->max);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < RAY_HISTOGRAM_BUCKETS(bits); i++) {
        if (bucket[i] != 0 && (i < first || i > last))
            return 0;
        sum += bucket[i];
    }
    return sum == head->count && head->min <= head->max &&
           (sum != 0 || (head->max == 0 && head->sum == 0));
}

/* -- quantiles -- */
static uint64_t within(const ray_histogram *head, uint64_t value)
{
    return value < head->min ? head->min : value > head->max ? head->max : value;
}

/* Four sums that do not wait for one another. */
static uint64_t block_of(const uint32_t *bucket)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (uint32_t i = 0; i < BLOCK; i += 4) {
        a += bucket[i];
        b += bucket[i + 1];
        c += bucket[i + 2];
        d += bucket[i + 3];
    }
    return (a + b) + (c + d);
}

void ray_histogram_quantiles(const ray_histogram *head, const uint32_t *bucket, uint32_t bits,
                             const uint32_t *ppm, uint32_t n, uint64_t *out)
{
    uint32_t first = ray_histogram_index(bits, head->min);
    uint32_t at = first, last = ray_histogram_index(bits, head->max);
    uint64_t before = 0;   /* values in buckets before `at` */
    for (uint32_t i = 0; i < n; i++) {
        uint64_t rank = ray_mul_div_ceil(head->count, ppm[i], MILLION);
        if (rank <= before) {
            at = first;
            before = 0;
        }
        for (; at + BLOCK <= last; at += BLOCK) {
            uint64_t block = block_of(&bucket[at]);
            if (before + block >= rank)
                break;
            before += block;
        }
        while (at < last && before + bucket[at] < rank)
            before += bucket[at++];
        /* above the top nothing is known but the largest */
        uint32_t over = at == RAY_HISTOGRAM_BUCKETS(bits) - 2;
        out[i] = over ? head->max : within(head, ray_histogram_middle(bits, at));
    }
}

/* -- the exported form -- */
uint64_t ray_histogram_coarse_high(uint32_t index)
{
    return index < RAY_HISTOGRAM_COARSE - 1 ? 1ULL << (RAY_HISTOGRAM_COARSE_LOW + index)
                                            : (uint64_t)RAY_NEVER;
}
