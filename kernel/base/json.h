/* SPDX-License-Identifier: MIT */
/* json: a strict pull reader (RFC 8259) over bytes of the caller's, one item a call, no copy.
 *
 * Law: what it lets through is one JSON text, whole: UTF-8 in its shortest forms, no byte order
 * mark, no lone surrogate, no control byte in a string, at most RAY_JSON_DEPTH_MAX containers
 * inside each other, no member named twice in an object (names are compared by what they mean:
 * "a" and "\u0061" are one). The first fault ends it: every later call says the same.
 * Cost: linear in the bytes, times the members of one object; no recursion, no memory but the
 * caller's.
 */
#ifndef RAY_BASE_JSON_H
#define RAY_BASE_JSON_H
#include <stdint.h>
#include "ray/types.h"

enum ray_json_limits {
    RAY_JSON_DEPTH_MAX = 32,
    RAY_JSON_BYTES_MAX = 0x7fffffff
};

enum ray_json_kind {
    RAY_JSON_END = 0,             /* the whole text was read and is right */
    RAY_JSON_ERROR = 1,           /* see `fault` and `place` of the reader */
    RAY_JSON_OBJECT = 2,
    RAY_JSON_OBJECT_END = 3,
    RAY_JSON_ARRAY = 4,
    RAY_JSON_ARRAY_END = 5,
    RAY_JSON_NAME = 6,            /* of a member; its value comes next */
    RAY_JSON_STRING = 7,
    RAY_JSON_NUMBER = 8,
    RAY_JSON_TRUE = 9,
    RAY_JSON_FALSE = 10,
    RAY_JSON_NULL = 11
};

enum ray_json_fault {
    RAY_JSON_FAULT_NONE = 0,
    RAY_JSON_FAULT_SYNTAX = 1,
    RAY_JSON_FAULT_TRUNCATED = 2, /* ends before it should */
    RAY_JSON_FAULT_DEPTH = 3,
    RAY_JSON_FAULT_UTF8 = 4,
    RAY_JSON_FAULT_SURROGATE = 5, /* half a pair as an escape */
    RAY_JSON_FAULT_DUPLICATE = 6, /* a member named twice */
    RAY_JSON_FAULT_MEMBERS = 7,   /* more members of open objects than there is memory for */
    RAY_JSON_FAULT_LENGTH = 8     /* longer than RAY_JSON_BYTES_MAX */
};

/* One member of an object that is not closed yet: where its name is, and a digest of what it
 * means. */
typedef struct ray_json_member {
    uint32_t at;                  /* of the byte behind the opening quote; top bit: has escapes */
    uint32_t digest;
} ray_json_member;

/* A number is (-1)^negative * mantissa * 10^exponent, exactly, and in one way only: the mantissa
 * ends in no 0, and zero is 0 * 10^0. `exact` is 0 when more than 64 bits or an exponent beyond
 * nine digits are needed; the text is always there. */
typedef struct ray_json_number {
    uint64_t mantissa;
    int32_t exponent;
    uint16_t negative;            /* also of -0 */
    uint16_t exact;
} ray_json_number;

typedef struct ray_json_item {
    ray_view text;                /* of a name or string: between the quotes, as it came; of a
                                   * number: all of it */
    ray_json_number number;
    uint32_t kind;                /* enum ray_json_kind */
    uint32_t escaped;             /* 1: the text has a backslash, ask ray_json_decode; else 0 */
} ray_json_item;

typedef struct ray_json {
    const uint8_t *at;
    uint64_t length;
    uint64_t place;               /* of the next byte; after a fault: of the fault */
    ray_json_member *members;
    uint32_t member_max;
    uint32_t member_count;        /* of all objects that are open, outermost first */
    uint32_t objects;             /* a bit per open container, innermost lowest: 1 an object */
    uint32_t depth;
    uint32_t expects;             /* private: what may come next */
    uint32_t fault;               /* enum ray_json_fault */
    uint32_t first[RAY_JSON_DEPTH_MAX];   /* member_count when the object was opened */
} ray_json;

/* Begins. `members` has room for `member_max` members of objects that are open at once, and is the
 * reader's until the end; when it is NULL duplicates are not looked for, which no caller that acts
 * on what it reads may do. */
void ray_json_init(ray_json *json, ray_view text, ray_json_member *members, uint32_t member_max);

/* The next item; returns item->kind. */
uint32_t ray_json_next(ray_json *json, ray_json_item *item);

/* Reads the rest of the value that begins with `item`, which ray_json_next just gave. Returns 1, or
 * 0 when there is a fault in it. */
uint32_t ray_json_skip(ray_json *json, const ray_json_item *item);

/* The text of a name or string without its escapes. Returns 0, and leaves *length untouched, when
 * it does not fit; it never needs more than text.length bytes. */
uint32_t ray_json_decode(const ray_json_item *item, uint8_t *out, uint64_t capacity,
                         uint64_t *length);

/* 1 when the name or string means exactly these bytes; escapes are looked through. */
uint32_t ray_json_is(const ray_json_item *item, const char *at, uint64_t length);

/* The number as an integer, when it is one and fits: 1.0 and 1e2 do, 1.5 and 1e30 do not. */
uint32_t ray_json_u64(const ray_json_item *item, uint64_t *value);
uint32_t ray_json_i64(const ray_json_item *item, int64_t *value);

/* The reader of numbers alone: bytes the longest number at `at` has, 0 when there is none. */
uint64_t ray_json_number_read(const uint8_t *at, uint64_t length, ray_json_number *out);
/* Multiplies by 10^power, `power` at most 19; 0, and *value untouched, when 64 bits are too few. */
uint32_t ray_json_scale(uint64_t *value, uint32_t power);
/* The character of an escape that the reader let through, after its backslash. Returns the bytes
 * it took. */
uint64_t ray_json_escape(const uint8_t *at, uint32_t *value);

#endif
