/* SPDX-License-Identifier: MIT */
/* words - eight bytes of a path at a time, in a general register. */
#ifndef RAY_GATEWAY_WORDS_H
#define RAY_GATEWAY_WORDS_H
#include <stdint.h>
#include "base/bytes.h"
#include "base/eight.h"

/* Up to eight bytes from `from`, the first lowest, zero behind the last at `end`. Reads nothing
 * outside [at, at + end). */
static inline uint64_t ray_word_load(const uint8_t *at, uint64_t from, uint64_t end)
{
    uint64_t word = 0;
    if (end - from >= 8) {
        memcpy(&word, at + from, 8);
    } else if (end >= 8) {
        memcpy(&word, at + end - 8, 8);
        word >>= 8 * (8 - (end - from));
    } else {
        for (uint64_t i = from; i < end; i++)
            word |= (uint64_t)at[i] << 8 * (i - from);
    }
    return word;
}

/* The high bit of every byte of `word` that equals `c`; exact where all bytes are below 0x80. */
static inline uint64_t ray_word_equal(uint64_t word, uint8_t c)
{
    return ~((word ^ c * RAY_EACH_BYTE) + (RAY_EACH_TOP - RAY_EACH_BYTE)) & RAY_EACH_TOP;
}

/* One bit for each byte whose high bit is set in `highs`, the first byte's lowest. */
static inline uint64_t ray_word_bits(uint64_t highs)
{
    return (highs >> 7) * 0x0102040810204080U >> 56;
}

static inline uint32_t ray_word_same(const uint8_t *a, const uint8_t *b, uint64_t length)
{
    if (length < 8)
        return ray_word_load(a, 0, length) == ray_word_load(b, 0, length);
    for (uint64_t at = 0; at + 8 < length; at += 8)
        if (ray_load_8(a + at) != ray_load_8(b + at))
            return 0;
    return ray_load_8(a + length - 8) == ray_load_8(b + length - 8);
}

#endif
