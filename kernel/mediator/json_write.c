/* SPDX-License-Identifier: MIT */
/* json_write.c - events as JSON in one line (ProtoJSON for what protobuf holds). */
#include "format_parts.h"
#include "base/json_text.h"
#include "base/utf8.h"

static void put_byte(ray_text *out, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    char six[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    if (c == '"' || c == '\\') {
        char two[2] = {'\\', (char)c};
        ray_text_bytes(out, two, 2);
    } else if (c == '\n') {
        ray_text_bytes(out, "\\n", 2);
    } else if (c < 0x20) {
        ray_text_bytes(out, six, 6);
    } else {
        ray_text_char(out, (char)c);
    }
}

/* 1 when the bytes stand for themselves between quotes. */
static uint32_t is_clean(ray_view text)
{
    uint64_t i = 0, found = 0;
    for (; text.length - i >= 8; i += 8) {
        uint64_t x = ray_load_8(text.at + i);
        found |= ray_json_marks(x) & ~x;
    }
    if ((found & RAY_EACH_TOP) != 0)
        return 0;
    for (; i < text.length; i++)
        if (text.at[i] < 0x20 || text.at[i] == '"' || text.at[i] == '\\')
            return 0;
    return 1;
}

static void put_string(ray_text *out, ray_view text, uint32_t encoding)
{
    uint64_t i = 0;
    uint8_t piece[4];
    uint32_t step;
    ray_text_char(out, '"');
    if (encoding == RAY_ENCODING_PLAIN && is_clean(text)) {
        ray_text_bytes(out, (const char *)text.at, text.length);
    } else {
        while (!out->truncated && (step = ray_format_piece(text, encoding, &i, piece)) != 0)
            for (uint32_t k = 0; k < step; k++)
                put_byte(out, piece[k]);
    }
    ray_text_char(out, '"');
}

/* What comes before a value: the comma, and in an object the name. */
static void prefix(ray_format_writer *w, const ray_format_walk *walk, uint32_t depth,
                   uint32_t property)
{
    if (depth == 0)
        return;
    if (!w->fresh)
        ray_text_char(w->out, ',');
    if (walk->frames[depth - 1].is_array)
        return;
    if (property < walk->schema->property_count) {
        const ray_format_property *p = &walk->schema->properties[property];
        ray_view name = {walk->schema->text + p->name_at, p->name_length};
        put_string(w->out, name, RAY_ENCODING_PLAIN);
    } else {
        put_string(w->out, walk->name, walk->name_encoding);
    }
    ray_text_char(w->out, ':');
}

/* An integer as 20 digits at most, with its zeros. */
static void put_integer(ray_text *out, const ray_json_item *item)
{
    uint64_t u = 0;
    int64_t s = 0;
    if (ray_json_u64(item, &u))
        ray_text_u64(out, u);
    else if (ray_json_i64(item, &s))
        ray_text_i64(out, s);
}

static void put_plain(ray_text *out, const ray_format_event *e)
{
    uint64_t i = 0;
    uint8_t piece[4];
    uint32_t step;
    while ((step = ray_format_piece(e->item.text, e->encoding, &i, piece)) != 0)
        ray_text_bytes(out, (const char *)piece, step);
}

/* Base64 of any spelling becomes the standard one. */
static void put_base64_json(ray_text *out, const ray_format_event *e)
{
    ray_base64 b;
    uint8_t three[3];
    uint32_t n = 0;
    int32_t byte;
    if (e->raw) {
        ray_base64_put(out, e->item.text.at, e->item.text.length);
        return;
    }
    ray_base64_init(&b, e->item.text, e->encoding);
    while ((byte = ray_base64_next(&b)) >= 0) {
        three[n++] = (uint8_t)byte;
        if (n == 3)
            ray_base64_put(out, three, 3);
        n %= 3;
    }
    ray_base64_put(out, three, n);
}

/* The same, each letter by `put`: a form has its own meaning for '+'. */
static void put_base64(ray_text *out, const ray_format_event *e, void (*put)(ray_text *, uint8_t))
{
    ray_base64 b;
    uint8_t three[3];
    char letters[4];
    uint64_t i = 0;
    uint32_t n = 0;
    int32_t byte = 0;
    ray_base64_init(&b, e->item.text, e->encoding);
    while (byte >= 0 && !out->truncated) {
        byte = !e->raw ? ray_base64_next(&b)
               : i < e->item.text.length ? (int32_t)e->item.text.at[i++] : -1;
        if (byte >= 0)
            three[n++] = (uint8_t)byte;
        if (n == 3 || byte < 0) {
            ray_text four;
            ray_text_init(&four, letters, sizeof letters);
            ray_base64_put(&four, three, n);
            for (uint64_t k = 0; k < four.length; k++)
                put(out, (uint8_t)letters[k]);
            n = 0;
        }
    }
}

ray_status ray_format_plain(const ray_format_walk *walk, const ray_format_event *e, ray_text *out,
                            void (*put)(ray_text *, uint8_t))
{
    const ray_format_node *of = ray_format_node_of(walk, e->node);
    uint64_t i = 0;
    uint8_t piece[4];
    uint32_t step;
    if (of->wire == RAY_WIRE_ENUM && e->value != RAY_NONE) {
        const ray_format_value *v = &walk->schema->values[e->value];
        for (uint32_t k = 0; k < v->text_length; k++)
            put(out, walk->schema->text[v->text_at + k]);
    } else if (of->wire == RAY_WIRE_BYTES) {
        put_base64(out, e, put);
    } else if (e->item.kind == RAY_JSON_TRUE || e->item.kind == RAY_JSON_FALSE) {
        ray_text_put(out, e->item.kind == RAY_JSON_TRUE ? "true" : "false");
    } else if (e->item.kind == RAY_JSON_NUMBER && of->wire != RAY_WIRE_NONE) {
        put_integer(out, &e->item);
    } else {
        while (!out->truncated &&
               (step = ray_format_piece(e->item.text, e->encoding, &i, piece)) != 0)
            for (uint32_t k = 0; k < step; k++)
                put(out, piece[k]);
    }
    return RAY_OK;
}

static uint32_t is_quoted(uint32_t wire)
{
    return wire == RAY_WIRE_INT64 || wire == RAY_WIRE_UINT64 || wire == RAY_WIRE_SINT64 ||
           wire == RAY_WIRE_FIXED64 || wire == RAY_WIRE_SFIXED64;
}

static void scalar(ray_text *out, const ray_format_walk *walk, const ray_format_event *e)
{
    uint32_t wire = ray_format_node_of(walk, e->node)->wire;
    switch (e->item.kind) {
    case RAY_JSON_TRUE: ray_text_put(out, "true"); return;
    case RAY_JSON_FALSE: ray_text_put(out, "false"); return;
    case RAY_JSON_NULL: ray_text_put(out, "null"); return;
    default: break;
    }
    if (wire == RAY_WIRE_ENUM && e->value != RAY_NONE) {
        const ray_format_value *v = &walk->schema->values[e->value];
        ray_view name = {walk->schema->text + v->text_at, v->text_length};
        put_string(out, name, RAY_ENCODING_PLAIN);
    } else if (e->item.kind == RAY_JSON_NUMBER) {
        if (wire == RAY_WIRE_NONE) {
            put_plain(out, e);
            return;
        }
        if (is_quoted(wire))
            ray_text_char(out, '"');
        put_integer(out, &e->item);
        if (is_quoted(wire))
            ray_text_char(out, '"');
    } else if (wire == RAY_WIRE_BYTES) {
        ray_text_char(out, '"');
        put_base64_json(out, e);
        ray_text_char(out, '"');
    } else {
        put_string(out, e->item.text, e->encoding);
    }
}

ray_status ray_json_write(ray_format_writer *w, ray_format_walk *walk, const ray_format_event *e)
{
    uint32_t kind = e->item.kind;
    if (kind == RAY_JSON_OBJECT_END || kind == RAY_JSON_ARRAY_END) {
        ray_text_char(w->out, kind == RAY_JSON_OBJECT_END ? '}' : ']');
    } else if (kind == RAY_JSON_OBJECT || kind == RAY_JSON_ARRAY) {
        prefix(w, walk, walk->depth - 1, e->property);
        ray_text_char(w->out, kind == RAY_JSON_OBJECT ? '{' : '[');
        w->fresh = 1;
        return RAY_OK;
    } else {
        prefix(w, walk, walk->depth, e->property);
        scalar(w->out, walk, e);
    }
    w->fresh = 0;
    return RAY_OK;
}
