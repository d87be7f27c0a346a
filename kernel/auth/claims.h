/* SPDX-License-Identifier: MIT */
/* claims - the two JSON objects of a token, read where they stand: base64url is undone byte by
 * byte, so that no token needs memory of its own. */
#ifndef RAY_AUTH_CLAIMS_H
#define RAY_AUTH_CLAIMS_H
#include "parts.h"

enum { RAY_CLAIM_MAX = 64, RAY_CLAIM_DEPTH_MAX = 32 };

/* base64url text that was found sound, and how many bytes it stands for. */
typedef struct ray_encoded {
    const uint8_t *at;
    uint32_t length;
    uint32_t reserved;
} ray_encoded;

/* A member of any object inside; offsets into the decoded bytes. */
typedef struct ray_claim {
    uint16_t name_at;
    uint16_t name_length;
    uint16_t value_at;         /* of a string: behind its quote */
    uint16_t value_length;
    uint16_t object;           /* which one, 1 is the outermost */
    uint8_t kind;              /* first byte of the value; '0' of any number */
    uint8_t reserved;
} ray_claim;

typedef struct ray_claims {
    ray_encoded text;
    uint32_t count;
    uint32_t reserved;
    ray_claim claim[RAY_CLAIM_MAX];
} ray_claims;

/* Strict: one object, UTF-8, every name once and without escapes, at most RAY_CLAIM_MAX names, at
 * most RAY_CLAIM_DEPTH_MAX deep, nothing behind it. 1 when it is that. */
uint32_t ray_claims_read(ray_view base64url, ray_claims *out);
/* The outermost member of this name, NULL. */
const ray_claim *ray_claims_find(const ray_claims *claims, const char *name, uint64_t length);
/* A string without its escapes; its length, RAY_NONE when it is no string or does not fit. */
uint32_t ray_claims_text(const ray_claims *claims, const ray_claim *claim, uint8_t *to,
                         uint32_t room);
/* A whole number from 0 to 10^16 - 1, without sign, fraction and exponent; 0: it is none. */
uint32_t ray_claims_number(const ray_claims *claims, const ray_claim *claim, uint64_t *out);
/* 1 when the value is this text, or an array of strings that holds it. */
uint32_t ray_claims_holds(const ray_claims *claims, const ray_claim *claim, const uint8_t *text,
                          uint32_t length);

#endif
