/* SPDX-License-Identifier: MIT */
#ifndef RAY_FORMAT_H
#define RAY_FORMAT_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* format: bodies read, checked against a schema and written in another format.
 *
 * Law: a body passes only when it is well formed to the last byte and its schema allows it; what is
 * written parses back to the same values, or the report says `lossy` and where. Every format is one
 * reader into, and one writer out of, the same stream of events, checked in between; multipart has
 * no writer.
 * A part of a multipart body (RFC 7578) is what the schema says of its name: text, which has to be
 * UTF-8; bytes; or an object of filename, content_type and content. Parts of one name are an array.
 * A filename or type without a place is `lossy`; a file for text is refused. What readers differ
 * about is refused: docs/formats.md lists it.
 * Pieces of a protobuf message are merged: of a scalar the last counts, items are appended.
 * Cost: linear in the bytes, times at most RAY_FORMAT_MEMBER_MAX; depth RAY_FORMAT_DEPTH_MAX; no
 * recursion, no memory but the stack (about 4 KiB) and the caller's output.
 * Not in it: binary floating point. A schema whose wire type is float or double is refused when it
 * is loaded: decimals stay decimal here, or travel as fixed32 and fixed64 bits.
 */
enum ray_format_constant {
    RAY_FORMAT_DEPTH_MAX = 32,
    RAY_FORMAT_MEMBER_MAX = 192,          /* properties a node declares */
    RAY_FORMAT_OPEN_MAX = 120,            /* members of JSON objects that are open at once */
    RAY_FORMAT_FORM_MAX = 64,             /* fields of a form, parts of a multipart body */
    RAY_FORMAT_HEAD_MAX = 4096,           /* bytes of one part's header */
    RAY_FORMAT_BOUNDARY_MAX = 70,
    RAY_FORMAT_PIECE_MAX = 32,            /* further pieces of protobuf messages open at once */
    RAY_FORMAT_POINTER_BYTES = 96,
    RAY_FORMAT_ANY = 0xffffffff,          /* as a node: everything is allowed */
    RAY_FORMAT_NOTHING = 0xfffffffe       /* as a node: nothing is */
};

enum ray_format_kind {
    RAY_FORMAT_RAW = 0,                   /* any bytes; passed on as they are */
    RAY_FORMAT_JSON = 1,
    RAY_FORMAT_PROTOBUF = 2,
    RAY_FORMAT_XML = 3,
    RAY_FORMAT_FORM = 4,                  /* application/x-www-form-urlencoded */
    RAY_FORMAT_MULTIPART = 5,             /* multipart/form-data; has a reader and no writer */
    RAY_FORMAT_MAX = 6
};

/* Bits of a node's `types`. A number without a fraction (1.0 too) is INTEGER and NUMBER. */
enum ray_format_type {
    RAY_FORMAT_NULL = 1,
    RAY_FORMAT_BOOL = 2,
    RAY_FORMAT_INTEGER = 4,
    RAY_FORMAT_NUMBER = 8,
    RAY_FORMAT_STRING = 16,
    RAY_FORMAT_ARRAY = 32,
    RAY_FORMAT_OBJECT = 64,
    RAY_FORMAT_ALL = 127
};

/* How protobuf holds a value; NONE: it has no such form. 64-bit integers, bytes and enums are
 * strings in JSON (ProtoJSON), and all of them are also read as numbers where that means one. */
enum ray_format_wire {
    RAY_WIRE_NONE = 0,
    RAY_WIRE_INT32 = 1,
    RAY_WIRE_INT64 = 2,
    RAY_WIRE_UINT32 = 3,
    RAY_WIRE_UINT64 = 4,
    RAY_WIRE_SINT32 = 5,
    RAY_WIRE_SINT64 = 6,
    RAY_WIRE_FIXED32 = 7,
    RAY_WIRE_FIXED64 = 8,
    RAY_WIRE_SFIXED32 = 9,
    RAY_WIRE_SFIXED64 = 10,
    RAY_WIRE_BOOL = 11,
    RAY_WIRE_ENUM = 12,
    RAY_WIRE_STRING = 13,
    RAY_WIRE_BYTES = 14,
    RAY_WIRE_MESSAGE = 15,
    RAY_WIRE_MAX = 16,
    RAY_WIRE_FLOAT = 16,                  /* refused at load, by name */
    RAY_WIRE_DOUBLE = 17
};

enum ray_format_flag {
    RAY_FORMAT_STRICT = 1,                /* what would be lost is denied */
    RAY_FORMAT_DROP = 2,                  /* unknown members are left out instead of refused */
    RAY_FORMAT_KEEP = 4,                  /* the same, but from JSON to JSON they go along */
    RAY_FORMAT_AS_IS = 8                  /* what passes goes on byte for byte: refuse what another
                                           * reader may read otherwise */
};

/* Bits of a node's `bounds`: which of its limits hold. */
enum ray_format_bound {
    RAY_BOUND_MINIMUM = 1,
    RAY_BOUND_MAXIMUM = 2,
    RAY_BOUND_EXCLUSIVE_MINIMUM = 4,
    RAY_BOUND_EXCLUSIVE_MAXIMUM = 8,
    RAY_BOUND_ENUM = 16,
    RAY_BOUND_CONST = 32                  /* an enum of one that is called const in reports */
};

/* Bits of a property's `flags`. In XML a property is an element of its name unless said
 * otherwise. */
enum ray_format_property_flag {
    RAY_PROPERTY_REQUIRED = 1,
    RAY_PROPERTY_ATTRIBUTE = 2,           /* @name */
    RAY_PROPERTY_TEXT = 4,                /* #text: the characters of the element itself */
    RAY_PROPERTY_UNPACKED = 8             /* a repeated number written one by one */
};

/* A decimal: (-1)^negative * mantissa * 10^exponent; the mantissa ends in no 0, 0 is 0 * 10^0. */
typedef struct ray_format_decimal {
    uint64_t mantissa;
    int32_t exponent;
    uint32_t negative;
} ray_format_decimal;

/* The shape of a value. Numbers of rows point into the schema's tables; limits that are not set
 * are 0 and UINT32_MAX. */
typedef struct ray_format_node {
    ray_format_decimal minimum;
    ray_format_decimal maximum;
    ray_format_decimal above;             /* exclusive minimum */
    ray_format_decimal below;             /* exclusive maximum */
    uint32_t types;                       /* bits of enum ray_format_type */
    uint32_t wire;                        /* enum ray_format_wire */
    uint32_t bounds;                      /* bits of enum ray_format_bound */
    uint32_t min_length;                  /* characters */
    uint32_t max_length;
    uint32_t min_items;
    uint32_t max_items;
    uint32_t min_properties;
    uint32_t max_properties;
    uint32_t first_property;
    uint32_t property_count;              /* at most RAY_FORMAT_MEMBER_MAX */
    uint32_t additional;                  /* node of other members, ANY or NOTHING */
    uint32_t items;                       /* node of an array's items, ANY or NOTHING */
    uint32_t first_value;
    uint32_t value_count;                 /* of enum or const */
    uint32_t reserved;
} ray_format_node;

/* A member an object may have. Names are unique in their object, and so are numbers that are not
 * 0. */
typedef struct ray_format_property {
    uint32_t name_at;                     /* in the schema's text */
    uint32_t name_length;
    uint32_t node;
    uint32_t number;                      /* protobuf field, 1 to 2^29 - 1; 0 none */
    uint32_t flags;                       /* bits of enum ray_format_property_flag */
    uint32_t reserved;
} ray_format_property;

/* One value of an enum: its plain bytes for a string, RAY_FORMAT_NUMBER with its decimal, BOOL with
 * `decimal.mantissa` 0 or 1, NULL. For protobuf enums a STRING with its number in `decimal`. */
typedef struct ray_format_value {
    ray_format_decimal decimal;
    uint32_t type;                        /* one bit of enum ray_format_type */
    uint32_t text_at;
    uint32_t text_length;
    uint32_t reserved;
} ray_format_value;

/* Borrowed tables; node 0 is the root. Only one that passed ray_format_check_schema may be given to
 * the other functions. `name_*` is the name of the root element in XML. */
typedef struct ray_format_schema {
    const ray_format_node *nodes;
    const ray_format_property *properties;
    const ray_format_value *values;
    const uint8_t *text;
    uint32_t node_count;
    uint32_t property_count;
    uint32_t value_count;
    uint32_t text_length;
    uint32_t name_at;
    uint32_t name_length;
} ray_format_schema;

/* Why a body (or a schema) was refused. Numbers are never reused. */
enum ray_format_fault {
    RAY_FORMAT_FINE = 0,
    RAY_FORMAT_SYNTAX = 1,                /* not well formed; 400 */
    RAY_FORMAT_CUT = 2,                   /* ends before it should */
    RAY_FORMAT_TOO_DEEP = 3,
    RAY_FORMAT_NOT_UTF8 = 4,
    RAY_FORMAT_DUPLICATE = 5,             /* a member twice */
    RAY_FORMAT_TOO_MANY = 6,              /* members */
    RAY_FORMAT_DTD = 7,                   /* XML with a document type */
    RAY_FORMAT_ENTITY = 8,                /* XML with any entity but the five */
    RAY_FORMAT_INVALID = 9,               /* the schema says no: see keyword; 422 */
    RAY_FORMAT_UNKNOWN_MEMBER = 10,
    RAY_FORMAT_LOSSY = 11,                /* strict, and something would be lost */
    RAY_FORMAT_TOO_LARGE = 12,            /* does not fit the caller's output */
    RAY_FORMAT_UNSUPPORTED = 13,          /* this pair of formats, or the shape in this format */
    RAY_FORMAT_SCATTERED = 14,            /* messages in more than RAY_FORMAT_PIECE_MAX pieces */
    RAY_FORMAT_FLOAT = 15,                /* schema: binary floating point */
    RAY_FORMAT_CYCLE = 16,                /* schema: a node inside itself */
    RAY_FORMAT_ROW = 17,                  /* schema: a row no rule allows; `place` is its number */
    RAY_FORMAT_HEAD = 18,                 /* a part's header is longer than RAY_FORMAT_HEAD_MAX */
    RAY_FORMAT_FAULT_MAX = 19
};

enum ray_format_keyword {
    RAY_KEYWORD_NONE = 0,
    RAY_KEYWORD_TYPE = 1,
    RAY_KEYWORD_REQUIRED = 2,
    RAY_KEYWORD_ADDITIONAL_PROPERTIES = 3,
    RAY_KEYWORD_ENUM = 4,
    RAY_KEYWORD_CONST = 5,
    RAY_KEYWORD_MINIMUM = 6,
    RAY_KEYWORD_MAXIMUM = 7,
    RAY_KEYWORD_EXCLUSIVE_MINIMUM = 8,
    RAY_KEYWORD_EXCLUSIVE_MAXIMUM = 9,
    RAY_KEYWORD_MIN_LENGTH = 10,
    RAY_KEYWORD_MAX_LENGTH = 11,
    RAY_KEYWORD_MIN_ITEMS = 12,
    RAY_KEYWORD_MAX_ITEMS = 13,
    RAY_KEYWORD_MIN_PROPERTIES = 14,
    RAY_KEYWORD_MAX_PROPERTIES = 15,
    RAY_KEYWORD_ITEMS = 16,
    RAY_KEYWORD_MAX = 17
};

typedef struct ray_format_report {
    uint64_t place;                       /* byte of the body the fault is at or behind */
    uint32_t fault;                       /* enum ray_format_fault */
    uint32_t keyword;                     /* enum ray_format_keyword */
    uint32_t lossy;                       /* 1: something was left out, first at `pointer` */
    uint32_t pointer_length;
    char pointer[RAY_FORMAT_POINTER_BYTES]; /* RFC 6901, cut at the end when longer */
} ray_format_report;

/* A body, and how to read it. `boundary` is what divides a multipart one, and empty for others. */
typedef struct ray_format_source {
    ray_view body;
    ray_view boundary;
    uint32_t format;                      /* enum ray_format_kind */
    uint32_t flags;                       /* bits of enum ray_format_flag */
} ray_format_source;

/* The boundary of a multipart/form-data Content-Type. 0 for every other one, and when there is not
 * exactly one boundary, of 1 to 70 characters that RFC 2046 allows. */
uint32_t ray_format_boundary(ray_view content_type, ray_view *boundary);

/* Is the table sound: every number in range, no cycle, no float? Any bytes may be given. */
ray_status ray_format_check_schema(const ray_format_schema *schema, ray_format_report *report);

/* Is the body one of its format that the schema allows? `schema` may be NULL: then only the grammar
 * is checked, and protobuf is refused. RAY_E_SYNTAX when not; the report says why and where. With
 * DROP or KEEP an unknown member is no fault (STRICT and DROP make it one: it
 * would be lost), and all the others are checked as ever. */
ray_status ray_format_validate(const ray_format_schema *schema, const ray_format_source *source,
                               ray_format_report *report);

/* Checks as validate does and writes the same values as `to` behind what `out` holds. On any error
 * out->length is what it was. */
ray_status ray_format_convert(const ray_format_schema *schema, const ray_format_source *source,
                              uint32_t to, ray_text *out, ray_format_report *report);

/* The keyword as JSON Schema spells it; "" for NONE. The fault in a few plain words. */
const char *ray_format_keyword_text(uint32_t keyword);
const char *ray_format_fault_text(uint32_t fault);

/* gRPC's frame: a flag byte, which must be 0 (not compressed), and a big-endian length of four.
 * take: the one whole message of a unary body; RAY_E_SYNTAX for a flag, RAY_E_TRUNCATED when bytes
 * are missing or left over. put: the five bytes; RAY_E_TRUNCATED when they do not fit. */
ray_status ray_format_grpc_take(ray_view body, ray_view *message);
ray_status ray_format_grpc_put(uint64_t length, ray_text *out);

#endif
