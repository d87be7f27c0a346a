/* SPDX-License-Identifier: MIT */
/* reader_json.c - one JSON object a line: finds the wanted keys in one pass, without recursion and
 * without a tree. */
#include "reader_fast_parts.h"

enum { DEPTH_MAX = 64, PATH_BYTES = 256 };

/* Where the scan is. `path` holds the dotted keys that lead here; past its end nothing can be
 * wanted. */
typedef struct scan {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t depth;
    uint32_t path_length;
    uint32_t skip_depth; /* of the array whose first element, which stands for the key, is past; 0:
                            none */
    uint8_t bracket[DEPTH_MAX];
    uint16_t parent_length[DEPTH_MAX];
    uint8_t path[PATH_BYTES];
} scan;

static void skip_space(scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

/* A string from behind its opening quote; *at and *length are what is between the quotes. */
static uint32_t take_string(scan *s, const uint8_t **at, uint32_t *length)
{
    const uint8_t *p = s->at;

    *at = p;
    for (;;) {
        const uint8_t *quote = ray_reader_seek(p, s->end, '"');
        const uint8_t *slash = quote;
        if (!quote)
            return 0;
        while (slash > *at && slash[-1] == '\\')
            slash--;
        if (((quote - slash) & 1) == 0) {
            *length = (uint32_t)(quote - *at);
            s->at = quote + 1;
            return 1;
        }
        p = quote + 1;
    }
}

/* A number or a word, up to what may follow one. */
static uint32_t take_bare(scan *s, const uint8_t **at, uint32_t *length)
{
    const uint8_t *p = s->at;

    *at = p;
    while (p < s->end && *p != ',' && *p != '}' && *p != ']' && *p != ' ' && *p != '\t'
           && *p != '\r')
        p++;
    *length = (uint32_t)(p - *at);
    s->at = p;
    if (*length == 0)
        return 0;
    if (**at == '-' || (**at >= '0' && **at <= '9'))
        return 1;
    return (*length == 4 && (memcmp(*at, "true", 4) == 0 || memcmp(*at, "null", 4) == 0))
           || (*length == 5 && memcmp(*at, "false", 5) == 0);
}

static const ray_reader_field *wanted(const ray_reader *reader, const scan *s)
{
    if (s->skip_depth)
        return NULL;
    for (uint32_t i = 0; i < reader->field_count; i++) {
        const ray_reader_field *field = &reader->fields[i];
        if (field->name_length == s->path_length && field->name[0] == (char)s->path[0]
            && memcmp(field->name, s->path, s->path_length) == 0)
            return field;
    }
    return NULL;
}

static void put(const ray_reader *reader, const scan *s, const uint8_t *at, uint32_t length,
                uint32_t escape, ray_reader_cell *cells)
{
    const ray_reader_field *field = wanted(reader, s);

    if (!field || (escape == RAY_READER_PLAIN && *at == 'n'))
        return;
    ray_reader_put(cells, field, at, length, escape);
}

/* Adds a key to the path; a path too long to be wanted is kept at a length no field has. */
static void enter_key(scan *s, const uint8_t *key, uint32_t length)
{
    uint32_t base = s->parent_length[s->depth - 1];
    uint32_t need = base + (base ? 1u : 0u) + length;

    if (need > RAY_READER_NAME_BYTES) {
        s->path_length = RAY_READER_NAME_BYTES + 1;
        return;
    }
    if (base)
        s->path[base++] = '.';
    memcpy(s->path + base, key, length);
    s->path_length = need;
}

static uint32_t open_bracket(scan *s, uint8_t bracket)
{
    if (s->depth == DEPTH_MAX)
        return 0;
    s->bracket[s->depth] = bracket;
    s->parent_length[s->depth] = (uint16_t)s->path_length;
    s->depth++;
    return 1;
}

static void close_bracket(scan *s)
{
    s->depth--;
    s->path_length = s->parent_length[s->depth];
    if (s->skip_depth > s->depth)
        s->skip_depth = 0;
}

/* A key and its colon, inside an object. */
static uint32_t take_key(scan *s)
{
    const uint8_t *key;
    uint32_t length;

    skip_space(s);
    if (s->at == s->end || *s->at++ != '"' || !take_string(s, &key, &length))
        return 0;
    skip_space(s);
    if (s->at == s->end || *s->at++ != ':')
        return 0;
    enter_key(s, key, length);
    return 1;
}

/* One value. Returns 0 malformed, 1 a whole value was read, 2 a bracket was opened. */
static uint32_t take_value(const ray_reader *reader, scan *s, ray_reader_cell *cells)
{
    const uint8_t *at;
    uint32_t length;

    skip_space(s);
    if (s->at == s->end)
        return 0;
    if (*s->at == '"') {
        s->at++;
        if (!take_string(s, &at, &length))
            return 0;
        put(reader, s, at, length, RAY_READER_JSON_TEXT, cells);
        return 1;
    }
    if (*s->at == '{' || *s->at == '[') {
        uint8_t closing = *s->at == '{' ? '}' : ']';
        if (!open_bracket(s, *s->at++))
            return 0;
        skip_space(s);
        if (s->at < s->end && *s->at == closing) {
            s->at++;
            close_bracket(s);
            return 1;
        }
        return 2;
    }
    if (!take_bare(s, &at, &length))
        return 0;
    put(reader, s, at, length, RAY_READER_PLAIN, cells);
    return 1;
}

/* Behind a value: closes brackets, steps over a comma. 0 malformed, 1 another value follows, 2 the
 * object is over. */
static uint32_t after_value(scan *s)
{
    while (s->depth) {
        uint8_t open = s->bracket[s->depth - 1];
        skip_space(s);
        if (s->at == s->end)
            return 0;
        if (*s->at == ',') {
            s->at++;
            s->path_length = s->parent_length[s->depth - 1];
            if (open == '[' && !s->skip_depth)
                s->skip_depth = s->depth;
            return 1;
        }
        if (*s->at != (open == '{' ? '}' : ']'))
            return 0;
        s->at++;
        close_bracket(s);
    }
    return 2;
}

uint32_t ray_reader_split_json(const ray_reader *reader, const uint8_t *line, const uint8_t *end,
                               ray_reader_cell *cells)
{
    scan s;
    uint32_t state;

    s.at = line;
    s.end = end;
    s.depth = 0;
    s.path_length = 0;
    s.skip_depth = 0;
    skip_space(&s);
    if (s.at == end || *s.at != '{')
        return 0;
    state = take_value(reader, &s, cells);
    while (s.depth) {
        if (s.bracket[s.depth - 1] == '{' && !take_key(&s))
            return 0;
        state = take_value(reader, &s, cells);
        if (state == 0)
            return 0;
        if (state == 1 && after_value(&s) == 0)
            return 0;
    }
    skip_space(&s);
    return state != 0 && s.at == end;
}
