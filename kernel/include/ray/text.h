/* SPDX-License-Identifier: MIT */
#ifndef RAY_TEXT_H
#define RAY_TEXT_H
#include <stdint.h>
#include "ray/types.h"

/* text: a writer into the caller's buffer. It never writes past `capacity`, remembers that it had
 * to stop, and prints nothing but 0x20-0x7e and line feeds unless told a raw literal: bytes from
 * outside go through `_escaped` or `_json`.
 */
typedef struct ray_text {
    char *at;
    uint64_t capacity;
    uint64_t length;
    uint32_t truncated;   /* 1 when something did not fit; then length is what did */
    uint32_t reserved;
} ray_text;

void ray_text_init(ray_text *text, char *at, uint64_t capacity);

/* A literal of our own, as it is; zero-terminated. */
void ray_text_put(ray_text *text, const char *literal);
void ray_text_bytes(ray_text *text, const char *at, uint64_t length);
void ray_text_char(ray_text *text, char c);
void ray_text_u64(ray_text *text, uint64_t value);
void ray_text_i64(ray_text *text, int64_t value);
/* Right-aligned in `width` columns, with thousands separated by nothing. */
void ray_text_u64_right(ray_text *text, uint64_t value, uint32_t width);
/* Fixed point: value / 10^digits, for example 12345 with 2 digits is 123.45. */
void ray_text_fixed(ray_text *text, int64_t value, uint32_t digits);
/* Lower-case hexadecimal, exactly `digits` digits. */
void ray_text_hex(ray_text *text, uint64_t value, uint32_t digits);
void ray_text_hex_bytes(ray_text *text, const uint8_t *at, uint64_t length);
/* Bytes from outside: 0x20-0x7e as they are (a backslash doubled), everything else as \xNN. */
void ray_text_escaped(ray_text *text, const char *at, uint64_t length);
/* A name, escaped, left-aligned and filled with spaces to `width`. */
void ray_text_name(ray_text *text, const ray_name *name, uint32_t width);
/* Spaces until the current line is `column` wide; at least one. */
void ray_text_column(ray_text *text, uint32_t column);
/* "90s" as 1m30s, 1500000 ns as 1.5ms; RAY_NEVER as never. Exact: no digit is rounded away. */
void ray_text_duration(ray_text *text, uint64_t ns);
/* Unix nanoseconds as 2026-01-05T23:00:00Z, with as many decimals as are not zero (at most
 * nine). */
void ray_text_time(ray_text *text, uint64_t unix_ns);
/* a.b.c.d for v4-mapped addresses, RFC 5952 otherwise. */
void ray_text_address(ray_text *text, const ray_address *address);

/* The other way: dotted IPv4 (as ::ffff:a.b.c.d) or IPv6 text, strictly. 0 and *out untouched when
 * it is neither. */
uint32_t ray_address_read(const char *at, uint64_t length, ray_address *out);

/* JSON, written strictly left to right. Keys are our own literals; commas are placed by the writer,
 * which looks at the last byte written: after '{', '[' or ':' none is needed. */
/* key may be NULL inside arrays */
void ray_text_json_open(ray_text *text, const char *key, char bracket);
void ray_text_json_close(ray_text *text, char bracket);
void ray_text_json_u64(ray_text *text, const char *key, uint64_t value);
void ray_text_json_i64(ray_text *text, const char *key, int64_t value);
void ray_text_json_bool(ray_text *text, const char *key, uint32_t value);
void ray_text_json_null(ray_text *text, const char *key);
void ray_text_json_literal(ray_text *text, const char *key, const char *value);
/* Bytes from outside as a JSON string: valid UTF-8 is kept as \uXXXX where above 0x7e, invalid
 * bytes become \ufffd. */
void ray_text_json_string(ray_text *text, const char *key, const char *at, uint64_t length);
void ray_text_json_name(ray_text *text, const char *key, const ray_name *name);
void ray_text_json_hex(ray_text *text, const char *key, const uint8_t *at, uint64_t length);

/* A label's value between the quotes of an exposition (Prometheus, OpenMetrics): quotes,
 * backslashes and line feeds escaped; bytes outside 0x20-0x7e become an escaped \xNN. */
void ray_text_label(ray_text *text, const char *at, uint64_t length);

/* The forms of an exposition of metrics: Prometheus text format 0.0.4, whose counters are families
 * named X_total; OpenMetrics 1.0, where the family is X and # EOF ends the text; and a part of such
 * a text, which another follows. */
enum ray_exposition {
    RAY_EXPOSITION_PROMETHEUS = 0,
    RAY_EXPOSITION_OPENMETRICS = 1,
    RAY_EXPOSITION_PART = 2
};

/* A CSV cell: quoted when needed (RFC 4180), prefixed with ' when it starts with = + - @ TAB CR
 * (CWE-1236). */
void ray_text_csv(ray_text *text, const char *at, uint64_t length);

#endif
