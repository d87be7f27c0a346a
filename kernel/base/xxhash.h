/* SPDX-License-Identifier: MIT */
/* xxhash: XXH32 and XXH64 (Collet, specification 0.1.1): what spreads instances over tables. */
#ifndef RAY_BASE_XXHASH_H
#define RAY_BASE_XXHASH_H
#include <stdint.h>

uint32_t ray_xxh32(const uint8_t *at, uint64_t length, uint32_t seed);
uint64_t ray_xxh64(const uint8_t *at, uint64_t length, uint64_t seed);

#endif
