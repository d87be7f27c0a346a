/* SPDX-License-Identifier: MIT */
/* utf8: Unicode text from outside, by the letter of RFC 3629: shortest forms only, no surrogates,
 * nothing above U+10FFFF. */
#ifndef RAY_BASE_UTF8_H
#define RAY_BASE_UTF8_H
#include <stdint.h>
#include "ray/types.h"
#include "base/eight.h"

/* Length of the character at `at`, 1 to 4; 0 when the bytes are none. *value is its number. */
uint32_t ray_utf8_next(const uint8_t *at, uint64_t length, uint32_t *value);
/* Writes the character's bytes, 1 to 4, and returns how many; `value` is a scalar value. */
uint32_t ray_utf8_put(uint32_t value, uint8_t out[4]);
/* Bytes up to the first that is no character: `length` when the whole is text. */
uint64_t ray_utf8_valid(ray_view text);
/* Characters of valid text. */
uint64_t ray_utf8_count(ray_view text);

#endif
