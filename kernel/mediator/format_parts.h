/* SPDX-License-Identifier: MIT */
/* format_parts: the stream of events between formats; for the files of this folder alone. */
#ifndef RAY_MEDIATOR_FORMAT_PARTS_H
#define RAY_MEDIATOR_FORMAT_PARTS_H
#include <stdint.h>
#include "ray/format.h"
#include "base/bytes.h"
#include "base/json.h"

/* How the bytes of a text are written where they stand. */
enum ray_encoding {
    RAY_ENCODING_PLAIN = 0,
    RAY_ENCODING_JSON = 1,                /* backslashes */
    RAY_ENCODING_XML = 2,                 /* references, CDATA, comments, line ends */
    RAY_ENCODING_FORM = 3,                /* + and %XX */
    RAY_ENCODING_ATTRIBUTE = 4,           /* references; blanks are spaces */
    RAY_ENCODING_QUOTED = 5,              /* a backslash before a quote or a backslash */
    RAY_ENCODING_BASE64 = 6,              /* the bytes that base64 in lines means */
    RAY_ENCODING_BASE64_LINES = 7,        /* base64, less its line ends */
    RAY_ENCODING_PRINTABLE = 8,           /* the bytes that quoted-printable means */
    RAY_ENCODING_PRINTABLE_BYTES = 9      /* their base64 */
};

#define RAY_FORMAT_WORDS (RAY_FORMAT_MEMBER_MAX / 64)
#define RAY_FORMAT_ITEM 0xfffffffdU       /* as a property: an array's item, or the root */

/* Kinds are those of enum ray_json_kind. After the walk `node` and `property` say what it is. */
typedef struct ray_format_event {
    ray_json_item item;
    const ray_format_node *of;            /* what `node` stands for */
    uint32_t encoding;
    uint32_t untyped;                     /* a text that stands for whatever the schema says */
    uint32_t raw;                         /* text is the bytes themselves, not base64 */
    uint32_t whole;                       /* item.number is an integer without its text */
    uint32_t node;
    uint32_t property;
    uint32_t skip;                        /* leave the member out */
    uint32_t value;                       /* of an enum: its row, RAY_NONE */
} ray_format_event;

typedef struct ray_format_frame {
    const ray_format_node *of;            /* what `node` stands for */
    uint32_t node;
    uint32_t property;                    /* of the member being read; RAY_FORMAT_ITEM in arrays */
    uint32_t count;
    uint32_t is_array;
} ray_format_frame;

/* Where the reading is in the schema. */
typedef struct ray_format_walk {
    const ray_format_schema *schema;
    ray_format_report *report;
    uint64_t (*seen)[RAY_FORMAT_WORDS];   /* per frame: properties that were there */
    ray_view name;                        /* of the last member */
    uint32_t name_encoding;
    uint32_t flags;
    uint32_t depth;
    uint32_t from;                        /* formats */
    uint32_t to;
    uint32_t reserved;
    ray_format_frame frames[RAY_FORMAT_DEPTH_MAX];
} ray_format_walk;

/* -- format_schema.c: where a table is unsound -- */
enum ray_schema_table {
    RAY_SCHEMA_ITSELF = 0,
    RAY_SCHEMA_NODES = 1,
    RAY_SCHEMA_PROPERTIES = 2,
    RAY_SCHEMA_VALUES = 3
};
typedef struct ray_schema_place {
    uint32_t table;                       /* enum ray_schema_table */
    uint32_t row;
    uint32_t field;                       /* its offset in the row */
} ray_schema_place;
uint32_t ray_schema_fault(const ray_format_schema *schema, ray_schema_place *where);

/* -- event.c: texts -- */
/* The next bytes a text means, at most four; 0 at its end. */
uint32_t ray_format_piece(ray_view text, uint32_t encoding, uint64_t *i, uint8_t out[4]);
uint32_t ray_format_text_is(ray_view text, uint32_t encoding, const uint8_t *at, uint64_t length);
uint64_t ray_format_count(ray_view text, uint32_t encoding);       /* characters */
uint32_t ray_format_utf8(ray_view text, uint32_t encoding);        /* 1 when it means text */
/* Copies what the text means; 0 when it needs more than `capacity`. */
uint32_t ray_format_copy(ray_view text, uint32_t encoding, uint8_t *out, uint64_t capacity,
                         uint64_t *length);
int32_t ray_format_compare(const ray_format_decimal *a, const ray_format_decimal *b);
/* Base64: each byte it means, one by one; -1 at the end, -2 when it is none. */
typedef struct ray_base64 {
    ray_view text;
    uint64_t i;
    uint32_t encoding, bits, have, padded, count, reserved;
    uint32_t piece_at, piece_length;
    uint8_t piece[4];
    uint32_t pad;
} ray_base64;
void ray_base64_init(ray_base64 *b, ray_view text, uint32_t encoding);
int32_t ray_base64_next(ray_base64 *b);
void ray_base64_put(ray_text *out, const uint8_t *at, uint64_t length);

/* -- mime.c: what stands in a part of a multipart body -- */
/* As ray_format_piece, which sends its last five encodings here. */
uint32_t ray_mime_piece(ray_view text, uint32_t encoding, uint64_t *i, uint8_t out[4]);
/* Where the content ceases to be one of the encoding: its length when it is one. */
uint64_t ray_mime_fault(ray_view text, uint32_t encoding);

/* -- walk.c: the schema's word on each event -- */
ray_status ray_format_fail(ray_format_walk *walk, uint32_t fault, uint32_t keyword);
ray_status ray_format_step(ray_format_walk *walk, ray_format_event *event);
ray_status ray_format_lose(ray_format_walk *walk);                 /* notes it; strict denies */
/* A member the schema of `of` does not name and the reader passes over: may it be there? Without
 * a name (`at` NULL) it is said of the member being read. */
ray_status ray_format_pass_over(ray_format_walk *walk, const ray_format_node *of, ray_view name,
                                uint32_t encoding);
const ray_format_node *ray_format_node_of(const ray_format_walk *walk, uint32_t node);
/* 1: the member is an array that was told with its first value, all of it. */
uint32_t ray_format_is_told(const ray_format_walk *walk, const ray_format_node *of,
                            uint32_t property);
uint32_t ray_format_find(const ray_format_walk *walk, uint32_t node, ray_view name,
                         uint32_t encoding, uint32_t guess, uint32_t xml);
uint32_t ray_format_next_node(const ray_format_walk *walk);        /* the value's that comes */
ray_status ray_format_scalar(ray_format_walk *walk, ray_format_event *event);

/* -- protobuf_read.c -- */
typedef struct ray_protobuf_piece {
    uint32_t at, end;
} ray_protobuf_piece;
/* Of a message, or of an array that gathers its items over the pieces of its message. */
typedef struct ray_protobuf_frame {
    uint32_t place, end;                  /* in the piece that is read */
    uint32_t packed_end;                  /* of the packed entry it is in */
    uint8_t first_piece;                  /* behind the one it began with */
    uint8_t piece_count;
    uint8_t piece;                        /* the next of them */
    uint8_t packed;                       /* 1: in a packed entry */
} ray_protobuf_frame;
typedef struct ray_protobuf {
    const uint8_t *at;
    uint32_t length, state;
    uint32_t pending_at, reserved;        /* a member whose name was given: its entry */
    ray_protobuf_frame frames[RAY_FORMAT_DEPTH_MAX];
    ray_protobuf_piece pieces[RAY_FORMAT_PIECE_MAX];   /* of open messages, innermost last */
} ray_protobuf;
ray_status ray_protobuf_init(ray_protobuf *p, ray_view body);
ray_status ray_protobuf_next(ray_protobuf *p, ray_format_walk *walk, ray_format_event *event);

/* -- xml_check.c, xml_read.c -- */
ray_status ray_xml_check(ray_view body, ray_format_report *report);
typedef struct ray_xml_frame {
    uint32_t place;                       /* behind the start tag's name; an array's: unused */
    uint32_t inside;                      /* 1: attributes are done */
} ray_xml_frame;
typedef struct ray_xml {
    ray_view body;
    uint32_t place, state;
    uint32_t tag, tag_end;                /* name of the element to come */
    uint32_t text, text_end;              /* attribute's value to come */
    ray_xml_frame frames[RAY_FORMAT_DEPTH_MAX];
} ray_xml;
ray_status ray_xml_init(ray_xml *x, ray_format_walk *walk, ray_view body);
ray_status ray_xml_next(ray_xml *x, ray_format_walk *walk, ray_format_event *event);
/* Place behind a comment, CDATA section or processing instruction that begins at i; i itself when
 * none does. For checked documents. */
uint64_t ray_xml_skip_special(ray_view body, uint64_t i);

/* -- form.c -- */
typedef struct ray_form {
    ray_view body;
    uint64_t place;                       /* of the next pair */
    ray_view name, value;
    uint64_t resume;
    uint32_t state, reserved;
} ray_form;
ray_status ray_form_check(ray_view body, ray_format_report *report);
ray_status ray_form_next(ray_form *f, ray_format_walk *walk, ray_format_event *event);

/* -- multipart.c: the parts; multipart_read.c: their events -- */
typedef struct ray_multipart_part {
    uint32_t head;                        /* where its header begins */
    uint32_t content, end;
} ray_multipart_part;
typedef struct ray_multipart {
    ray_view body;
    uint32_t count, place;                /* parts, and the next to tell */
    uint32_t current;                     /* the one whose name was told */
    uint32_t resume;                      /* behind an array: the next one */
    uint32_t state;
    uint32_t member;                      /* inside a file told as an object: 1 + what comes */
    ray_multipart_part parts[RAY_FORMAT_FORM_MAX];
} ray_multipart;
ray_status ray_multipart_init(ray_multipart *m, const ray_format_source *source,
                              ray_format_report *report);
ray_status ray_multipart_next(ray_multipart *m, ray_format_walk *walk, ray_format_event *event);
ray_status ray_multipart_check(const ray_format_source *source, ray_format_report *report);

/* -- writers -- */
typedef struct ray_format_writer {
    ray_text *out;
    uint64_t begin;                       /* out->length before */
    uint32_t starts[RAY_FORMAT_DEPTH_MAX + 1];
    uint32_t opened;                      /* XML: a start tag that still takes attributes */
    uint32_t fresh;                       /* JSON: no comma is due */
    uint32_t depth;                       /* protobuf: messages open */
} ray_format_writer;
ray_status ray_json_write(ray_format_writer *w, ray_format_walk *walk, const ray_format_event *e);
ray_status ray_protobuf_write(ray_format_writer *w, ray_format_walk *walk,
                              const ray_format_event *e);
ray_status ray_xml_write(ray_format_writer *w, ray_format_walk *walk, const ray_format_event *e);
ray_status ray_form_write(ray_format_writer *w, ray_format_walk *walk, const ray_format_event *e);
/* A scalar as plain text (XML, forms); `put` escapes each byte. */
ray_status ray_format_plain(const ray_format_walk *walk, const ray_format_event *e, ray_text *out,
                            void (*put)(ray_text *, uint8_t));

#endif
