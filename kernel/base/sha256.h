/* SPDX-License-Identifier: MIT */
/* sha256: FIPS 180-4, for the configuration hash and the audit chain only. */
#ifndef RAY_BASE_SHA256_H
#define RAY_BASE_SHA256_H
#include <stdint.h>

typedef struct ray_sha256 {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
} ray_sha256;

void ray_sha256_init(ray_sha256 *hash);
void ray_sha256_add(ray_sha256 *hash, const uint8_t *at, uint64_t length);
void ray_sha256_end(ray_sha256 *hash, uint8_t digest[32]);

#endif
