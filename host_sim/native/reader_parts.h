/* SPDX-License-Identifier: MIT */
/* reader_parts: what the reader's own files share; nobody else includes it. */
#ifndef RAY_READER_PARTS_H
#define RAY_READER_PARTS_H
#include <stddef.h>
#include "reader.h"

enum ray_reader_slack {
    RAY_READER_SLACK = 64 /* bytes that may be touched behind the input and a block's end */
};

/* The value of a hexadecimal digit of either case, 16 of any other byte. */
static inline uint32_t ray_reader_hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0');
    c |= 32;
    return c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : 16;
}

typedef struct ray_reader_cell {
    const uint8_t *at; /* NULL: the line does not have it */
    uint32_t length;
    uint8_t escape; /* enum ray_reader_escape; this and unit as in ray_reader_field */
    uint8_t unit;
    uint8_t reserved[2];
} ray_reader_cell;

/* Names to ids, open addressing; at most half full. */
typedef struct ray_reader_names {
    ray_name *names;
    uint32_t *place; /* 1 + id, 0 free */
    uint32_t mask;
    uint32_t count;
} ray_reader_names;

/* The last date and zone a CLF time had: neighbours in a log share them. */
typedef struct ray_reader_day {
    uint8_t date[12];
    uint8_t zone[12];
    uint64_t day_s; /* of its midnight, UTC */
    uint64_t known;
    int64_t zone_s;
} ray_reader_day;

/* The first eight bytes of a field's literal, for one comparison. */
typedef struct ray_reader_literal {
    uint64_t word;
    uint64_t mask;
} ray_reader_literal;

struct ray_reader {
    ray_reader_field fields[RAY_READER_FIELD_MAX];
    ray_reader_literal literals[RAY_READER_FIELD_MAX];
    ray_name headers[RAY_READER_HEADER_MAX];
    uint32_t header_length[RAY_READER_HEADER_MAX];
    ray_reader_names services;
    ray_reader_names tenants;
    ray_network *networks;
    ray_reader_identity *identities;
    const struct ray *trust;
    uint8_t *input; /* unread bytes are [read_at, input_length) */
    uint64_t read_at;
    uint64_t input_length;
    uint64_t searched; /* of the unread bytes, how many hold no line feed */
    uint64_t line_number;
    uint64_t id_base;      /* the source, in bits 48 to 55 */
    uint64_t last_time_ns; /* of the row before, as the log has it */
    uint64_t fields_hash;  /* of the first #Fields line, 0: none yet */
    ray_reader_stats stats;
    ray_reader_cell cells[RAY_READER_TARGET_MAX]; /* of the line at hand, by target */
    uint8_t used[RAY_READER_TARGET_MAX];          /* the targets any field has */
    uint32_t used_count;
    ray_reader_day day;
    uint32_t field_count;
    uint32_t header_count;
    uint32_t identity_count;
    uint32_t shape;     /* 0 below a #Fields line that is not the first one's */
    uint32_t own_shape; /* as it was opened */
    uint32_t skip_lines;
    uint32_t ended;
    uint32_t overlong; /* inside a line that is being skipped */
    uint32_t comment;  /* the byte, 256: none */
    uint32_t step;     /* of the resolution */
    uint8_t delimiter;
    uint8_t quotes;
    uint8_t time_is_end;
    uint8_t needs_path;
};

/* Each takes one line apart into cells (by target); 0 when the line does not fit the shape. */
uint32_t ray_reader_split_format(const ray_reader *reader, const uint8_t *line, const uint8_t *end,
                                 ray_reader_cell *cells);
uint32_t ray_reader_split_table(const ray_reader *reader, const uint8_t *line, const uint8_t *end,
                                ray_reader_cell *cells);
uint32_t ray_reader_split_json(const ray_reader *reader, const uint8_t *line, const uint8_t *end,
                               ray_reader_cell *cells);

/* Makes the row; returns enum ray_reader_fault. block->bytes has RAY_READER_ROW_BYTES to spare. */
uint32_t ray_reader_row(ray_reader *reader, const ray_reader_cell *cells, ray_reader_block *block);

/* The time a line came and what it took; returns a fault. */
uint32_t ray_reader_when(ray_reader *reader, const ray_reader_cell *cells, ray_row *row);
/* The status of a row whose log has an error column. */
uint32_t ray_reader_error_status(const ray_reader_cell *error, uint32_t status);
/* A line that begins with the comment byte. */
void ray_reader_directive(ray_reader *reader, const uint8_t *line, uint64_t length);

/* The client, the tenant and the user, once the row's target and headers are in the block. Returns
 * a fault. */
uint32_t ray_reader_who(ray_reader *reader, const ray_reader_cell *cells, ray_reader_block *block,
                        ray_row *row);

/* Unescapes a cell to `to`, at most `most` bytes; *whole is 0 when there was more. Returns the
 * length. */
uint32_t ray_reader_copy(const ray_reader_cell *cell, uint8_t *to, uint32_t most, uint32_t *whole);

/* A CLF time (dd/Mon/yyyy:hh:mm:ss zone) using and refreshing `day`; 1 when it parses. */
uint32_t ray_reader_clf(ray_reader_day *day, const uint8_t *at, uint64_t length, uint64_t *unix_ns);
/* A decimal number with optional fraction and exponent, times 10^power, floored; 1 when it fits 64
 * bits. */
uint32_t ray_reader_decimal(const uint8_t *at, uint64_t length, uint32_t power, uint64_t *out);

/* Bytes of a name before its zeros. */
uint32_t ray_reader_name_length(const ray_name *name);
uint32_t ray_reader_names_fill(ray_reader_names *names, const ray_name *from, uint32_t count);
uint32_t ray_reader_names_find(const ray_reader_names *names, const uint8_t *at, uint64_t length);
void ray_reader_names_free(ray_reader_names *names);

#endif
