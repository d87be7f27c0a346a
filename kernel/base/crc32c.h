/* SPDX-License-Identifier: MIT */
/* crc32c: Castagnoli, reflected, as in RFC 3720 appendix B.4. Finds every single-bit and every
 * burst error up to 32. */
#ifndef RAY_BASE_CRC32C_H
#define RAY_BASE_CRC32C_H
#include <stdint.h>

/* The checksum of `at`, continued from `before` (0 to begin). */
uint32_t ray_crc32c(uint32_t before, const uint8_t *at, uint64_t length);

#endif
