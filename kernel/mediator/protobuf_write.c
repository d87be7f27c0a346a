/* SPDX-License-Identifier: MIT */
/* protobuf_write.c - events as protobuf. A message's length stands before it and is known after it,
 * so one byte is kept free and, where that is too little, the message moves. */
#include "format_parts.h"

static inline uint64_t varint(char *to, uint64_t value)
{
    uint64_t n = 0;
    for (; value >= 0x80; value >>= 7)
        to[n++] = (char)(value | 0x80);
    to[n++] = (char)value;
    return n;
}

static __attribute__((noinline)) void put_slowly(ray_text *out, uint64_t value)
{
    char bytes[10];
    ray_text_bytes(out, bytes, varint(bytes, value));
}

static inline void put_varint(ray_text *out, uint64_t value)
{
    if (out->truncated == 0 && out->capacity - out->length >= 10)
        out->length += varint(out->at + out->length, value);
    else
        put_slowly(out, value);
}

/* A tag, and the number behind it: of most fields both are a byte or two. */
static inline void put_pair(ray_text *out, uint64_t tag, uint64_t value)
{
    if (out->truncated == 0 && out->capacity - out->length >= 20) {
        char *to = out->at + out->length;
        uint64_t n = varint(to, tag);
        out->length += n + varint(to + n, value);
    } else {
        put_slowly(out, tag);
        put_slowly(out, value);
    }
}

static uint64_t tag_of(const ray_format_property *p, uint32_t type)
{
    return (uint64_t)p->number << 3 | type;
}

static void begin(ray_format_writer *w)
{
    w->starts[w->depth++] = (uint32_t)(w->out->length - w->begin);
    ray_text_char(w->out, 0);
}

static void end(ray_format_writer *w)
{
    ray_text *out = w->out;
    uint64_t start = w->begin + w->starts[--w->depth], extra = 0;
    if (out->truncated)
        return;
    uint64_t length = out->length - start - 1;
    if (length < 0x80) {
        out->at[start] = (char)length;
        return;
    }
    for (uint64_t rest = length >> 7; rest != 0; rest >>= 7)
        extra++;
    if (extra > out->capacity - out->length) {
        out->truncated = 1;
        return;
    }
    memmove(out->at + start + 1 + extra, out->at + start + 1, length);
    out->length = start;
    put_varint(out, length);
    out->length = start + 1 + extra + length;
}

static uint32_t type_of(uint32_t wire)
{
    switch (wire) {
    case RAY_WIRE_FIXED32: case RAY_WIRE_SFIXED32: return 5;
    case RAY_WIRE_FIXED64: case RAY_WIRE_SFIXED64: return 1;
    case RAY_WIRE_STRING: case RAY_WIRE_BYTES: case RAY_WIRE_MESSAGE: return 2;
    default: return 0;
    }
}

/* The number as protobuf's 64 bits. */
static uint64_t bits_of(const ray_format_walk *walk, uint32_t wire, const ray_format_event *e)
{
    uint64_t u = 0;
    int64_t s = 0;
    if (wire == RAY_WIRE_BOOL)
        return e->item.kind == RAY_JSON_TRUE;
    if (wire == RAY_WIRE_ENUM && e->value != RAY_NONE) {
        const ray_format_decimal *d = &walk->schema->values[e->value].decimal;
        ray_json_item item = {.kind = RAY_JSON_NUMBER,
            .number = {d->mantissa, d->exponent, (uint16_t)d->negative, 1}};
        ray_json_i64(&item, &s);
        return (uint64_t)s;
    }
    if (!ray_json_u64(&e->item, &u)) {
        ray_json_i64(&e->item, &s);
        u = (uint64_t)s;
    }
    if (wire == RAY_WIRE_SINT32 || wire == RAY_WIRE_SINT64)
        u = u << 1 ^ (0 - (u >> 63));
    return u;
}

static void put_fixed(ray_text *out, uint32_t type, uint64_t bits)
{
    uint8_t bytes[8];
    for (uint32_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(bits >> 8 * i);
    ray_text_bytes(out, (const char *)bytes, type == 1 ? 8 : 4);
}

/* A text that is not as it stands: its length is known behind it. */
static __attribute__((noinline)) void put_decoded(ray_format_writer *w, uint32_t wire,
                                                  const ray_format_event *e)
{
    uint64_t i = 0;
    uint8_t piece[4];
    uint32_t step;
    begin(w);
    if (wire == RAY_WIRE_BYTES) {
        ray_base64 b;
        int32_t byte;
        ray_base64_init(&b, e->item.text, e->encoding);
        while ((byte = ray_base64_next(&b)) >= 0)
            ray_text_char(w->out, (char)byte);
    } else {
        while ((step = ray_format_piece(e->item.text, e->encoding, &i, piece)) != 0)
            ray_text_bytes(w->out, (const char *)piece, step);
    }
    end(w);
}

static void put_text(ray_format_writer *w, uint64_t tag, uint32_t wire, const ray_format_event *e)
{
    if (e->raw || (wire == RAY_WIRE_STRING && e->encoding == RAY_ENCODING_PLAIN)) {
        put_pair(w->out, tag, e->item.text.length);
        ray_text_bytes(w->out, (const char *)e->item.text.at, e->item.text.length);
    } else {
        put_varint(w->out, tag);
        put_decoded(w, wire, e);
    }
}

/* The property a value belongs to: its own, or the array's it is in. */
static inline const ray_format_property *property_of(const ray_format_walk *walk,
                                                     uint32_t property, uint32_t depth)
{
    uint32_t i = depth;
    if (property < walk->schema->property_count)
        return &walk->schema->properties[property];
    while (i > 0 && walk->frames[i - 1].is_array)
        i--;
    if (i == 0 || depth - i > 1 ||
        walk->frames[i - 1].property >= walk->schema->property_count)
        return NULL;
    return &walk->schema->properties[walk->frames[i - 1].property];
}

static uint32_t is_packed(const ray_format_walk *walk, uint32_t array,
                          const ray_format_property *p)
{
    uint32_t items = ray_format_node_of(walk, array)->items;
    uint32_t wire = ray_format_node_of(walk, items)->wire;
    return !(p->flags & RAY_PROPERTY_UNPACKED) && type_of(wire) != 2;
}

static ray_status scalar(ray_format_writer *w, ray_format_walk *walk, const ray_format_event *e)
{
    const ray_format_property *p = property_of(walk, e->property, walk->depth);
    uint32_t wire = e->of->wire;
    if (e->item.kind == RAY_JSON_NULL)
        return ray_format_lose(walk);
    if (p == NULL || p->number == 0 || wire == RAY_WIRE_NONE || wire == RAY_WIRE_MESSAGE)
        return ray_format_fail(walk, RAY_FORMAT_UNSUPPORTED, RAY_KEYWORD_NONE);
    uint32_t type = type_of(wire);
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    if (type == 2) {
        put_text(w, tag_of(p, type), wire, e);
        return RAY_OK;
    }
    uint64_t bits = bits_of(walk, wire, e);
    if (!top->is_array || !is_packed(walk, top->node, p)) {
        if (type == 0) {
            put_pair(w->out, tag_of(p, type), bits);
            return RAY_OK;
        }
        put_varint(w->out, tag_of(p, type));
    } else if (!w->opened) {              /* the first of a packed array */
        put_varint(w->out, tag_of(p, 2));
        begin(w);
        w->opened = 1;
    }
    if (type == 0)
        put_varint(w->out, bits);
    else
        put_fixed(w->out, type, bits);
    return RAY_OK;
}

ray_status ray_protobuf_write(ray_format_writer *w, ray_format_walk *walk,
                              const ray_format_event *e)
{
    uint32_t kind = e->item.kind;
    uint32_t opens = kind == RAY_JSON_OBJECT || kind == RAY_JSON_ARRAY;
    if (!opens && kind != RAY_JSON_OBJECT_END && kind != RAY_JSON_ARRAY_END)
        return scalar(w, walk, e);
    uint32_t outside = opens ? walk->depth - 1 : walk->depth;
    if (outside == 0 && (kind == RAY_JSON_OBJECT || kind == RAY_JSON_OBJECT_END))
        return RAY_OK;                    /* the root has neither tag nor length */
    const ray_format_property *p = property_of(walk, e->property, outside);
    if (p == NULL || p->number == 0)
        return ray_format_fail(walk, RAY_FORMAT_UNSUPPORTED, RAY_KEYWORD_NONE);
    uint32_t is_array = kind == RAY_JSON_ARRAY || kind == RAY_JSON_ARRAY_END;
    if (is_array && !is_packed(walk, e->node, p))
        return RAY_OK;
    if (is_array) {                       /* the tag comes with the first item, if there is one */
        if (!opens && w->opened)
            end(w);
        w->opened = 0;
        return RAY_OK;
    }
    if (!opens) {
        end(w);
        return RAY_OK;
    }
    put_varint(w->out, tag_of(p, 2));
    begin(w);
    return RAY_OK;
}
