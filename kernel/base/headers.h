/* SPDX-License-Identifier: MIT */
/* headers: a packed header block (u16 name length, u16 value length, little-endian, then the
 * bytes; one after the other) read as bytes from outside: every length is checked, none trusted. */
#ifndef RAY_BASE_HEADERS_H
#define RAY_BASE_HEADERS_H
#include <stdint.h>
#include "ray/types.h"

/* Where a walk over a block stands; all-zero begins. */
typedef struct ray_header_walk {
    uint64_t at;          /* offset of the next field */
    ray_view name;
    ray_view value;       /* without the blanks around it */
} ray_header_walk;

/* The next field; 0 at the end, and at the first field that does not fit into the block. */
uint32_t ray_headers_next(ray_view headers, ray_header_walk *walk);

/* The value of the nth field (from 0) with this name, compared without case; 0 when there are not
 * so many. Of a block that does not parse, what stands before the fault. */
uint32_t ray_headers_find(ray_view headers, const char *name, uint64_t length, uint32_t nth,
                          ray_view *value);

/* 1 when the block parses to its last byte and may be believed: names are tokens (RFC 9110 5.6.2)
 * without '_', which other servers read as '-'; values have no control but a tab; Host,
 * Content-Length, Transfer-Encoding, Authorization and Content-Type stand once at most, the second
 * and third not together; and Connection names no field that this gateway acts on. */
uint32_t ray_headers_sound(ray_view headers);

/* What fields are made of (RFC 9110 5.5, 5.6): bytes of tokens and of values; blanks; a view
 * without the blanks around it; 1 when it is the word, whatever its case. */
uint32_t ray_is_token_byte(uint8_t c);
uint32_t ray_is_value_byte(uint8_t c);
uint32_t ray_is_blank(uint8_t c);
ray_view ray_trimmed(ray_view view);
uint32_t ray_view_is(ray_view view, const char *word);
uint32_t ray_view_same(ray_view a, ray_view b);     /* whatever its case; nothing is no name */

/* 1 for a method that is there to send content (RFC 9110 9.3), so that none is an empty one. */
uint32_t ray_sends_content(uint32_t method);

#endif
