/* SPDX-License-Identifier: MIT */
/* base64: the letters of RFC 4648; who reads them decides on padding and length. */
#ifndef RAY_BASE_BASE64_H
#define RAY_BASE_BASE64_H
#include <stdint.h>
#include "ray/types.h"

/* The value of a letter, 64 outside the alphabet, whose last two letters the caller gives: + and /
 * (RFC 4648 4), - and _ (5). Constant time in the letter: no branch, and no table that a cache
 * could tell about. */
static inline uint32_t ray_base64_value(uint32_t letter, uint32_t plus, uint32_t slash)
{
    uint32_t upper = letter - 'A', lower = letter - 'a', digit = letter - '0';
    uint32_t value = 64;
    value = upper < 26 ? upper : value;
    value = lower < 26 ? lower + 26 : value;
    value = digit < 10 ? digit + 52 : value;
    value = letter == plus ? 62 : value;
    return letter == slash ? 63 : value;
}

/* Strict reading of letters alone: no padding, no length that no bytes have, no bits behind the
 * last byte (RFC 4648 3.5). Bytes written, RAY_NONE when it is none or `room` is too small. `to`
 * may be text.at. */
uint32_t ray_base64_letters(ray_view text, uint32_t plus, uint32_t slash, uint8_t *to,
                            uint64_t room);

#endif
