/* SPDX-License-Identifier: MIT */
/* reader_split.c - one line into cells: literals between fields, or cells between delimiters. */
#include "reader_fast_parts.h"

/* The first quote in [at, end) that no backslash takes away; NULL when there is none. */
static const uint8_t *closing_quote(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *from = at;

    for (;;) {
        const uint8_t *quote = ray_reader_seek(from, end, '"');
        const uint8_t *slash = quote;
        if (!quote)
            return NULL;
        while (slash > at && slash[-1] == '\\')
            slash--;
        if (((quote - slash) & 1) == 0)
            return quote;
        from = quote + 1;
    }
}

/* Does the literal of field `i` stand at `at`? It may be compared past the end of the line. */
static uint32_t is_here(const ray_reader *reader, uint32_t i, const uint8_t *at, const uint8_t *end)
{
    uint32_t length = reader->fields[i].name_length;
    uint64_t word;

    memcpy(&word, at, 8);
    return (word & reader->literals[i].mask) == reader->literals[i].word
           && (uint64_t)(end - at) >= length
           && (length <= 8 || memcmp(at + 8, reader->fields[i].name + 8, length - 8) == 0);
}

/* Where the literal of field `i` begins at or behind `at`; the end of the line for an empty one;
 * NULL when it is not there. */
static const uint8_t *find_literal(const ray_reader *reader, uint32_t i, const uint8_t *at,
                                   const uint8_t *end)
{
    uint8_t first = (uint8_t)reader->fields[i].name[0];

    if (reader->fields[i].name_length == 0)
        return end;
    for (;; at++) {
        at = ray_reader_seek(at, end, first);
        if (!at || is_here(reader, i, at, end))
            return at;
    }
}

uint32_t ray_reader_split_format(const ray_reader *reader, const uint8_t *line, const uint8_t *end,
                                 ray_reader_cell *cells)
{
    const uint8_t *p = line;

    for (uint32_t i = 0; i < reader->field_count; i++) {
        const ray_reader_field *field = &reader->fields[i];
        const uint8_t *stop;
        if (!is_here(reader, i, p, end))
            return 0;
        p += field->name_length;
        if (field->last)
            return p == end;
        stop = field->quoted ? closing_quote(p, end) : find_literal(reader, i + 1, p, end);
        if (!stop)
            return 0;
        if (field->target)
            ray_reader_put_plain(cells, field, p, (uint64_t)(stop - p));
        p = stop;
    }
    return 1;
}

/* A quoted cell (RFC 4180): *at is behind the opening quote, and ends behind the closing one. */
static uint32_t quoted_cell(const uint8_t **at, const uint8_t *end, uint32_t *escape)
{
    const uint8_t *p = *at;

    *escape = RAY_READER_PLAIN;
    for (;;) {
        p = ray_reader_seek(p, end, '"');
        if (!p)
            return 0;
        if (p + 1 == end || p[1] != '"')
            break;
        *escape = RAY_READER_DOUBLED;
        p += 2;
    }
    *at = p + 1;
    return 1;
}

static uint32_t split_quoted(const ray_reader *reader, const uint8_t *line, const uint8_t *end,
                             ray_reader_cell *cells)
{
    const uint8_t *p = line;

    for (uint32_t i = 0; i < reader->field_count; i++) {
        const uint8_t *from = p;
        const uint8_t *stop;
        uint32_t escape = reader->fields[i].escape;
        if (reader->quotes && p < end && *p == '"') {
            from = ++p;
            if (!quoted_cell(&p, end, &escape))
                return 0;
            stop = p - 1;
            if (p < end && *p != reader->delimiter)
                return 0;
        } else {
            stop = ray_reader_seek(p, end, reader->delimiter);
            if (!stop)
                stop = end;
            p = stop;
        }
        if (reader->fields[i].target)
            ray_reader_put(cells, &reader->fields[i], from, (uint64_t)(stop - from), escape);
        if (p == end)
            return 1;
        p++;
    }
    return 0;
}

/* A line may have fewer cells than the header, never more: then its delimiters are not what they
 * seem. */
uint32_t ray_reader_split_table(const ray_reader *reader, const uint8_t *line, const uint8_t *end,
                                ray_reader_cell *cells)
{
    const ray_reader_field *field = reader->fields;
    const ray_reader_field *last = field + reader->field_count - 1;
    const uint8_t *from = line;
    const uint8_t *at = line;

    if (reader->quotes && ray_reader_seek(line, end, '"'))
        return split_quoted(reader, line, end, cells);
    /* Field by field, not piece of the line by piece: how many delimiters a piece holds nobody
     * could foresee, how many a line has is mostly the same. */
    for (uint64_t found = ray_reader_where_64(line, reader->delimiter);;) {
        const uint8_t *stop;
        while (!found && (at += 64) < end)
            found = ray_reader_where_64(at, reader->delimiter);
        if (!found)
            break;
        stop = at + __builtin_ctzll(found);
        if (stop >= end)
            break;
        found &= found - 1;
        if (field->target)
            ray_reader_put_plain(cells, field, from, (uint64_t)(stop - from));
        from = stop + 1;
        if (field++ == last)
            return 0;
    }
    if (field->target)
        ray_reader_put_plain(cells, field, from, (uint64_t)(end - from));
    return 1;
}
