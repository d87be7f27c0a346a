/* SPDX-License-Identifier: MIT */
/* secrets_state - struct ray_secrets: what must never leave the machine. Read by kernel/auth
 * alone. */
#ifndef RAY_AUTH_SECRETS_STATE_H
#define RAY_AUTH_SECRETS_STATE_H
#include "ray/auth.h"
#include "base/crypto.h"

enum {
    RAY_SECRETS_SEED_BYTES = 16,
    RAY_SECRETS_ENTROPY_MAX = 64,
    RAY_SECRETS_SCRATCH_BYTES = RAY_AUTH_TOKEN_BYTES_MAX / 4 * 3 /* the longest part of a token */
};

struct ray_secrets {
    ray_drbg random;
    uint8_t cache_key[16];
    uint32_t source;             /* enum ray_secrets_source */
    uint32_t key_count;
    ray_secret_spec key[RAY_JWT_KEY_MAX];
    uint8_t scratch[RAY_SECRETS_SCRATCH_BYTES]; /* what a token says, while it is read */
};

#endif
