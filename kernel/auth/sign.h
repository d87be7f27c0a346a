/* SPDX-License-Identifier: MIT */
/* sign - tags of tokens. */
#ifndef RAY_AUTH_SIGN_H
#define RAY_AUTH_SIGN_H
#include "parts.h"

enum { RAY_JWT_TAG_MAX = 512 };

/* 1 when `tag` is the key's over `signed_part`; compares in constant time. */
uint32_t ray_jwt_tag_good(uint32_t alg, const ray_secret_spec *key, ray_view signed_part,
                          ray_view tag);
/* Writes the tag, at most RAY_JWT_TAG_MAX bytes; its length, 0 when the key cannot sign. */
uint32_t ray_jwt_tag_make(uint32_t alg, const ray_secret_spec *key, ray_view signed_part,
                          uint8_t tag[RAY_JWT_TAG_MAX]);

#endif
