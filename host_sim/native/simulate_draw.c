/* SPDX-License-Identifier: MIT */
/* simulate_draw.c - numbers from a seed: xoshiro256** (Blackman and Vigna, 2018) and inverse
 * tables. No float anywhere, so that a seed means the same run on every host. */
#include "simulate_parts.h"

static uint64_t turned(uint64_t word, uint32_t bits)
{
    return word << bits | word >> (64 - bits);
}

uint64_t ray_simulate_draw(ray_simulate_stream *stream)
{
    uint64_t *word = stream->word;
    uint64_t drawn = turned(word[1] * 5, 7) * 9;
    uint64_t moved = word[1] << 17;

    word[2] ^= word[0];
    word[3] ^= word[1];
    word[1] ^= word[2];
    word[0] ^= word[3];
    word[2] ^= moved;
    word[3] = turned(word[3], 45);
    return drawn;
}

uint64_t sim_mul_shift(uint64_t a, uint64_t b, uint32_t shift)
{
    unsigned __int128 product = (unsigned __int128)a * b >> shift;

    return product > INT64_MAX ? INT64_MAX : (uint64_t)product;
}

uint64_t sim_below(ray_simulate_stream *stream, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)ray_simulate_draw(stream) * bound >> 64);
}

/* The top bit chooses the half; in it the leading zeros choose an octave of p, the next bits an
 * interval of it, and the rest lies between its ends. */
uint64_t sim_quantile(const uint64_t *table, uint64_t number)
{
    enum { SUB = 1 << RAY_SIMULATE_SUB_BITS, HALF = RAY_SIMULATE_TABLE / 2 };
    uint64_t p = number << 1;
    uint32_t octave = p ? (uint32_t)__builtin_clzll(p) : 64;
    const uint64_t *at = table + (number >> 63 ? HALF : 0);
    uint64_t within;
    uint32_t part;

    if (octave >= RAY_SIMULATE_OCTAVE_MAX)
        return at[0];
    p = p << octave << 1;            /* what follows the leading one */
    part = (RAY_SIMULATE_OCTAVE_MAX - 1 - octave) * SUB
           + (uint32_t)(p >> (64 - RAY_SIMULATE_SUB_BITS));
    within = p << RAY_SIMULATE_SUB_BITS >> 32;
    at += part;
    return at[1] >= at[0] ? at[0] + sim_mul_shift(at[1] - at[0], within, 32)
                          : at[0] - sim_mul_shift(at[0] - at[1], within, 32);
}

uint64_t ray_simulate_time_at(const ray_simulate_time *time, uint64_t number)
{
    if (time->kind == RAY_SIMULATE_TABLED)
        return sim_mul_shift(time->low_ns, sim_quantile(time->table, number), 32);
    if (time->kind == RAY_SIMULATE_UNIFORM)
        return time->low_ns + sim_mul_shift(time->high_ns - time->low_ns + 1, number >> 1, 63);
    return time->low_ns;
}
