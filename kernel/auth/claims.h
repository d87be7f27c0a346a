/* SPDX-License-Identifier: MIT */
/* claims - the two JSON objects of a token, decoded into the scratch of the secrets block and read
 * there by base/json: what a token says is nothing a frame, a snapshot or a digest may hold. */
#ifndef RAY_AUTH_CLAIMS_H
#define RAY_AUTH_CLAIMS_H
#include "parts.h"

enum { RAY_CLAIM_MAX = 64 };

/* An outermost member; offsets into the decoded bytes. */
typedef struct ray_claim {
    uint16_t name_at;
    uint16_t name_length;
    uint16_t value_at;         /* of a string: behind its quote */
    uint16_t value_length;     /* of a string: without its quotes */
    uint16_t kind;             /* enum ray_json_kind */
    uint16_t escaped;          /* 1: a string with a backslash */
} ray_claim;

typedef struct ray_claims {
    const uint8_t *at;         /* the decoded bytes: until the next read into the same scratch */
    uint32_t count;
    uint32_t reserved;
    ray_claim claim[RAY_CLAIM_MAX];
} ray_claims;

/* Strict: base64url in its one spelling, one object and nothing behind it, as base/json has it; no
 * name with an escape at any depth; at most RAY_CLAIM_MAX names outermost, and of open objects.
 * 1 when it is that. */
uint32_t ray_claims_read(ray_view base64url, uint8_t scratch[RAY_SECRETS_SCRATCH_BYTES],
                         ray_claims *out);
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
