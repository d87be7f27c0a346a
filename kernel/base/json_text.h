/* SPDX-License-Identifier: MIT */
/* json_text: what a name or string means, for readers of JSON. */
#ifndef RAY_BASE_JSON_TEXT_H
#define RAY_BASE_JSON_TEXT_H
#include <stdint.h>
#include "ray/types.h"

/* Four hexadecimal digits, or 0x10000 when they are none. */
uint32_t ray_json_unit(const uint8_t *at, uint64_t length);
/* A digest of what a name means: its first and last eight bytes and its length. Names that share
 * one are compared in full, so a bad guess costs time, and that at most the members there are. */
uint32_t ray_json_digest(ray_view text, uint32_t escaped);
/* 1 when two names mean the same. */
uint32_t ray_json_same(ray_view a, uint32_t a_escaped, ray_view b, uint32_t b_escaped);

#endif
