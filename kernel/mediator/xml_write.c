/* SPDX-License-Identifier: MIT */
/* xml_write.c - events as XML. Attributes and text belong before the elements, whenever they come:
 * they are written at the end and then turned into their place. */
#include "format_parts.h"

static void put(ray_text *out, uint8_t c)
{
    switch (c) {
    case '<': ray_text_bytes(out, "&lt;", 4); break;
    case '>': ray_text_bytes(out, "&gt;", 4); break;
    case '&': ray_text_bytes(out, "&amp;", 5); break;
    case '"': ray_text_bytes(out, "&quot;", 6); break;
    case '\r': ray_text_bytes(out, "&#13;", 5); break;
    case '\n': ray_text_bytes(out, "&#10;", 5); break;
    case '\t': ray_text_bytes(out, "&#9;", 4); break;
    default: ray_text_char(out, (char)c); break;
    }
}

static void reverse(char *at, uint64_t length)
{
    for (uint64_t i = 0, k = length; i + 1 < k; i++) {
        char c = at[i];
        at[i] = at[--k];
        at[k] = c;
    }
}

/* What was written since `from` goes to `place`; what stood there follows it. */
static void turn(ray_text *out, uint64_t place, uint64_t from)
{
    reverse(out->at + place, from - place);
    reverse(out->at + from, out->length - from);
    reverse(out->at + place, out->length - place);
}

/* 1 when XML can say it: no control bytes but blanks, no U+FFFE and U+FFFF. */
static uint32_t is_sayable(ray_view text, uint32_t encoding)
{
    uint64_t i = 0;
    uint8_t piece[4];
    uint32_t step, last = 0;
    while ((step = ray_format_piece(text, encoding, &i, piece)) != 0)
        for (uint32_t k = 0; k < step; k++) {
            uint8_t c = piece[k];
            last = (last << 8 | c) & 0xffffff;
            if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || last == 0xefbfbe ||
                last == 0xefbfbf)
                return 0;
        }
    return 1;
}

static uint32_t is_name(const uint8_t *at, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        uint32_t c = at[i], fine = (c | 0x20) - 'a' < 26 || c == '_' || c >= 0xc0;
        fine |= i > 0 && (c - '0' < 10 || c == '-' || c == '.' || c >= 0x80);
        if (!fine)
            return 0;
    }
    return length > 0;
}

/* The name of the element a value is in: of its property, or the array's, or the root's. */
static ray_status name_of(ray_format_walk *walk, uint32_t depth, ray_view *name, uint32_t *flags)
{
    const ray_format_schema *s = walk->schema;
    *flags = 0;
    if (depth == 0) {
        name->at = s->text + s->name_at;
        name->length = s->name_length;
    } else {
        const ray_format_frame *top = &walk->frames[depth - 1];
        uint32_t nested = top->is_array;
        if (nested)
            top = &walk->frames[depth - 2];
        if (top->is_array || top->property >= s->property_count)
            return ray_format_fail(walk, RAY_FORMAT_UNSUPPORTED, RAY_KEYWORD_NONE);
        const ray_format_property *p = &s->properties[top->property];
        *flags = p->flags & (RAY_PROPERTY_ATTRIBUTE | RAY_PROPERTY_TEXT);
        if (nested && *flags != 0)
            return ray_format_fail(walk, RAY_FORMAT_UNSUPPORTED, RAY_KEYWORD_NONE);
        name->at = s->text + p->name_at;
        name->length = p->name_length;
    }
    if (!(*flags & RAY_PROPERTY_TEXT) && !is_name(name->at, (uint32_t)name->length))
        return ray_format_fail(walk, RAY_FORMAT_UNSUPPORTED, RAY_KEYWORD_NONE);
    return RAY_OK;
}

static void tag(ray_text *out, const char *before, ray_view name)
{
    ray_text_put(out, before);
    ray_text_bytes(out, (const char *)name.at, name.length);
    ray_text_char(out, '>');
}

static ray_status scalar(ray_format_writer *w, ray_format_walk *walk, const ray_format_event *e)
{
    ray_view name;
    uint32_t flags = 0;
    uint64_t from = w->out->length;
    if (e->item.kind == RAY_JSON_NULL)
        return ray_format_lose(walk);
    ray_status status = name_of(walk, walk->depth, &name, &flags);
    if (status != RAY_OK)
        return status;
    if (e->item.kind == RAY_JSON_STRING && !e->raw && !is_sayable(e->item.text, e->encoding))
        return ray_format_fail(walk, RAY_FORMAT_UNSUPPORTED, RAY_KEYWORD_NONE);
    if (flags == 0) {
        tag(w->out, "<", name);
        ray_format_plain(walk, e, w->out, put);
        tag(w->out, "</", name);
        return RAY_OK;
    }
    uint64_t place = w->begin + w->starts[walk->depth - 1];   /* of the tag's '>' */
    if (flags & RAY_PROPERTY_ATTRIBUTE) {
        ray_text_char(w->out, ' ');
        ray_text_bytes(w->out, (const char *)name.at, name.length);
        ray_text_put(w->out, "=\"");
        ray_format_plain(walk, e, w->out, put);
        ray_text_char(w->out, '"');
    } else {
        ray_format_plain(walk, e, w->out, put);
        place++;
    }
    if (w->out->truncated)
        return RAY_OK;
    turn(w->out, place, from);
    if (flags & RAY_PROPERTY_ATTRIBUTE)
        w->starts[walk->depth - 1] += (uint32_t)(w->out->length - from);
    return RAY_OK;
}

ray_status ray_xml_write(ray_format_writer *w, ray_format_walk *walk, const ray_format_event *e)
{
    uint32_t kind = e->item.kind, flags = 0;
    ray_view name;
    ray_status status = RAY_OK;
    if (kind == RAY_JSON_ARRAY)
        return RAY_OK;
    if (kind == RAY_JSON_ARRAY_END)       /* no element says that there are none */
        return walk->frames[walk->depth].count == 0 ? ray_format_lose(walk) : RAY_OK;
    if (kind != RAY_JSON_OBJECT && kind != RAY_JSON_OBJECT_END)
        return scalar(w, walk, e);
    uint32_t outside = kind == RAY_JSON_OBJECT ? walk->depth - 1 : walk->depth;
    status = name_of(walk, outside, &name, &flags);
    if (status == RAY_OK && flags != 0)
        return ray_format_fail(walk, RAY_FORMAT_UNSUPPORTED, RAY_KEYWORD_NONE);
    if (status != RAY_OK)
        return status;
    tag(w->out, kind == RAY_JSON_OBJECT ? "<" : "</", name);
    if (kind == RAY_JSON_OBJECT)
        w->starts[outside] = (uint32_t)(w->out->length - w->begin - 1);
    return RAY_OK;
}
