/* SPDX-License-Identifier: MIT */
/* eight: eight bytes of text looked at in one word, without a branch for any of them. */
#ifndef RAY_BASE_EIGHT_H
#define RAY_BASE_EIGHT_H
#include <stdint.h>

#define RAY_EACH_BYTE 0x0101010101010101U
#define RAY_EACH_TOP 0x8080808080808080U

/* Eight bytes as a little-endian number; compilers make one load of it. */
static inline __attribute__((always_inline)) uint64_t ray_load_8(const uint8_t *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
           (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 |
           (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

/* The top bit of every byte that is from `first` to `last`, both below 127: no byte of 128 or more
 * is. */
static inline uint64_t ray_between_8(uint64_t eight, uint32_t first, uint32_t last)
{
    uint64_t high = eight | RAY_EACH_TOP; /* so that no byte borrows from the next */
    return (high - RAY_EACH_BYTE * first) & ~(high - RAY_EACH_BYTE * (last + 1)) & ~eight &
           RAY_EACH_TOP;
}

#endif
