/* SPDX-License-Identifier: MIT */
/* reader_fast_parts: what every line goes through, inlined. Bytes of the input may be read up to
 * RAY_READER_SLACK past what they end at, and bytes of a block may be written as far. */
#ifndef RAY_READER_FAST_PARTS_H
#define RAY_READER_FAST_PARTS_H
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "reader_parts.h"

#ifdef __SSE2__
/* Which of the 16 bytes at `at` are `byte`: bit i for the i-th. */
static inline uint32_t ray_reader_where(const uint8_t *at, uint8_t byte)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);

    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)byte)));
}
#else
static inline uint32_t ray_reader_where(const uint8_t *at, uint8_t byte)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < 16; i++)
        found |= (uint32_t)(at[i] == byte) << i;
    return found;
}
#endif

/* The same of 64 bytes, of which the last 63 may lie behind the end of the input. */
static inline uint64_t ray_reader_where_64(const uint8_t *at, uint8_t byte)
{
    uint64_t low = ray_reader_where(at, byte) | ray_reader_where(at + 16, byte) << 16;
    uint64_t high = ray_reader_where(at + 32, byte) | ray_reader_where(at + 48, byte) << 16;

    return low | high << 32;
}

/* The first `byte` in [at, end), NULL when there is none. */
static inline const uint8_t *ray_reader_seek(const uint8_t *at, const uint8_t *end, uint8_t byte)
{
    for (; at < end; at += 16) {
        uint32_t found = ray_reader_where(at, byte);
        if (found) {
            at += __builtin_ctz(found);
            return at < end ? at : NULL;
        }
    }
    return NULL;
}

/* Copies by 16 bytes, as far as slack allows. */
static inline void ray_reader_paste(uint8_t *to, const uint8_t *from, uint32_t length)
{
    memcpy(to, from, 16);
    memcpy(to + 16, from + 16, 16);   /* nobody could foresee how many are enough */
    memcpy(to + 32, from + 32, 16);
    for (uint32_t i = 48; i < length; i += 16)
        memcpy(to + i, from + i, 16);
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* The same of 1 to 8 digits, all at once: zeros before them, then pairs, fours and eights. */
static inline uint32_t ray_reader_digits_8(const uint8_t *at, uint32_t length, uint64_t *out)
{
    const uint64_t zeros = 0x3030303030303030u;
    uint32_t bits = 8 * length;
    uint64_t word;

    memcpy(&word, at, 8);
    word = word << (64 - bits) | zeros >> (bits / 2) >> (bits / 2);
    if (((word & 0xf0f0f0f0f0f0f0f0u) ^ zeros)
        | ((word + 0x0606060606060606u) & 0x4040404040404040u))
        return 0;
    word = (word - zeros) * (10u << 8 | 1) >> 8;
    word = (word & 0x00ff00ff00ff00ffu) * (100u << 16 | 1) >> 16;
    *out = (word & 0x0000ffff0000ffffu) * (10000ull << 32 | 1) >> 32;
    return 1;
}
#endif

/* Clears a row. Compilers make one string instruction of it, which takes longer to begin than this
 * takes. */
static inline void ray_reader_blank(ray_row *row)
{
#ifdef __SSE2__
    uint8_t *at = (uint8_t *)row;
    uint32_t i = 0;

    for (; i + 16 <= sizeof *row; i += 16)
        _mm_storeu_si128((__m128i *)(void *)(at + i), _mm_setzero_si128());
    memset(at + sizeof *row - 8, 0, 8);
#else
    memset(row, 0, sizeof *row);
#endif
}

/* 1 to 18 digits and nothing else, as a number. */
static inline uint32_t ray_reader_digits(const uint8_t *at, uint32_t length, uint64_t *out)
{
    uint64_t value = 0;

    if (length - 1 > 17)
        return 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (length <= 8)
        return ray_reader_digits_8(at, length, out);
    if (length <= 16) {
        uint64_t high;
        if (!ray_reader_digits_8(at, length - 8, &high)
            || !ray_reader_digits_8(at + length - 8, 8, &value))
            return 0;
        *out = high * 100000000u + value;
        return 1;
    }
#endif
    for (uint32_t i = 0; i < length; i++) {
        uint32_t digit = (uint32_t)at[i] - '0';
        if (digit > 9)
            return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return 1;
}

/* A cell that a line does not have, or that says "-". */
static inline uint32_t ray_reader_absent(const ray_reader_cell *cell)
{
    return !cell->at || cell->length == 0 || (cell->length == 1 && *cell->at == '-');
}

/* A number that a log does not have: "-", nothing, or -1. */
static inline uint32_t ray_reader_unknown(const ray_reader_cell *cell)
{
    return ray_reader_absent(cell)
           || (cell->length == 2 && cell->at[0] == '-' && cell->at[1] == '1');
}

/* An unsigned number; an absent one is 0. */
static inline uint32_t ray_reader_number(const ray_reader_cell *cell, uint64_t most, uint64_t *out)
{
    *out = 0;
    return ray_reader_absent(cell) || ray_reader_digits(cell->at, cell->length, out)
               ? *out <= most
               : ray_reader_decimal(cell->at, cell->length, 0, out) && *out <= most;
}

/* Stores a field's text as the cell of its target, and of the second one. */
static inline void ray_reader_put(ray_reader_cell *cells, const ray_reader_field *field,
                                  const uint8_t *at, uint64_t length, uint32_t escape)
{
    ray_reader_cell cell = { at, (uint32_t)length, (uint8_t)escape, field->unit, { 0, 0 } };

    cells[field->target] = cell;
    if (field->also)
        cells[field->also] = cell;
}

/* The same, written down as the field says. */
static inline void ray_reader_put_plain(ray_reader_cell *cells, const ray_reader_field *field,
                                        const uint8_t *at, uint64_t length)
{
    ray_reader_cell cell = { at, (uint32_t)length, 0, 0, { 0, 0 } };

    memcpy(&cell.escape, &field->escape, 2); /* and the unit: one load */
    cells[field->target] = cell;
    if (field->also)
        cells[field->also] = cell;
}

#endif
