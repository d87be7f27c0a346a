/* SPDX-License-Identifier: MIT */
/* json_text: what a name or string means, and what most numbers are, for readers of JSON. */
#ifndef RAY_BASE_JSON_TEXT_H
#define RAY_BASE_JSON_TEXT_H
#include <stdint.h>
#include "base/eight.h"
#include "base/json.h"

/* The bytes of eight that a string may not simply contain: control, quote and backslash. The high
 * bit of each says so, exactly up to the first one; those of bytes from 0x80 on say nothing. With
 * bit 1 turned a quote stands right behind the control bytes, and one comparison finds both. */
static inline uint64_t ray_json_marks(uint64_t x)
{
    const uint64_t ones = RAY_EACH_BYTE;
    return ((x ^ (ones * 2)) - ones * 0x21) | ((x ^ (ones * '\\')) - ones);
}
/* Four hexadecimal digits, or 0x10000 when they are none. */
uint32_t ray_json_unit(const uint8_t *at, uint64_t length);
/* A digest of what a name means: its first and last eight bytes and its length. Names that share
 * one are compared in full, so a bad guess costs time, and that at most the members there are. */
uint32_t ray_json_digest(ray_view text, uint32_t escaped);
/* The same of its parts: the first eight bytes, zeros behind what there is, and the last eight, of
 * a name that has as many. */
static inline uint32_t ray_json_digest_of(uint64_t head, uint64_t tail, uint64_t length)
{
    uint64_t mixed = (head ^ length) * 0x9e3779b97f4a7c15U;
    return (uint32_t)((length < 8 ? mixed : mixed ^ tail * 0xd6e8feb86659fd93U) >> 32);
}
/* A number of at most 19 digits and nothing else, which 64 bits always hold: bytes it has, 0 when
 * it is of another kind. */
static inline uint64_t ray_json_integer_read(const uint8_t *at, uint64_t length,
                                             ray_json_number *out)
{
    uint64_t negative = length > 0 && at[0] == '-', i = negative, mantissa = 0;
    uint64_t end = length - i > 19 ? i + 19 : length;
    int32_t exponent = 0;
    for (; i < end && (uint8_t)(at[i] - '0') <= 9; i++)
        mantissa = mantissa * 10 + (uint8_t)(at[i] - '0');
    uint64_t taken = i - negative;
    if (taken == 0 || (at[negative] == '0' && taken > 1))
        return 0;
    if (i < length && ((uint8_t)(at[i] - '0') <= 9 || at[i] == '.' || (at[i] | 0x20) == 'e'))
        return 0;
    if (mantissa != 0 && at[i - 1] == '0')
        for (; mantissa % 10 == 0; mantissa /= 10)
            exponent++;
    out->mantissa = mantissa;
    out->exponent = exponent;
    out->negative = (uint16_t)negative;
    out->exact = 1;
    return i;
}
/* 1 when two names mean the same. */
uint32_t ray_json_same(ray_view a, uint32_t a_escaped, ray_view b, uint32_t b_escaped);

#endif
