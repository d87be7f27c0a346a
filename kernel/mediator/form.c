/* SPDX-License-Identifier: MIT */
/* form.c - application/x-www-form-urlencoded (WHATWG URL): pairs in any order; those of one name
 * are an array. */
#include "format_parts.h"

enum state { STATE_ROOT = 0, STATE_PAIRS = 1, STATE_VALUE = 2, STATE_DONE = 3 };

/* The pair at *place; 0 when none is left. Empty pieces are no pairs. */
static uint32_t pair(ray_view body, uint64_t *place, ray_view *name, ray_view *value)
{
    while (*place < body.length && body.at[*place] == '&')
        *place += 1;
    if (*place >= body.length)
        return 0;
    uint64_t begin = *place, end = begin, equals;
    while (end < body.length && body.at[end] != '&')
        end++;
    for (equals = begin; equals < end && body.at[equals] != '=';)
        equals++;
    name->at = body.at + begin;
    name->length = equals - begin;
    value->at = body.at + (equals < end ? equals + 1 : end);
    value->length = equals < end ? end - equals - 1 : 0;
    *place = end;
    return 1;
}

ray_status ray_form_check(ray_view body, ray_format_report *report)
{
    uint64_t place = 0, count = 0;
    ray_view name, value;
    while (pair(body, &place, &name, &value)) {
        report->place = (uint64_t)(name.at - body.at);
        report->fault = ++count > RAY_FORMAT_FORM_MAX ? RAY_FORMAT_TOO_MANY
                        : !ray_format_utf8(name, RAY_ENCODING_FORM) ||
                          !ray_format_utf8(value, RAY_ENCODING_FORM) ? RAY_FORMAT_NOT_UTF8
                        : RAY_FORMAT_FINE;
        if (report->fault != RAY_FORMAT_FINE)
            return RAY_E_SYNTAX;
    }
    return RAY_OK;
}

/* The next value of the property, from f->place on. */
static uint32_t next_of(ray_form *f, const ray_format_walk *walk, uint32_t property)
{
    const ray_format_property *p = &walk->schema->properties[property];
    while (pair(f->body, &f->place, &f->name, &f->value))
        if (ray_format_text_is(f->name, RAY_ENCODING_FORM, walk->schema->text + p->name_at,
                               p->name_length))
            return 1;
    return 0;
}

static void scalar(const ray_form *f, ray_format_event *event)
{
    event->item.kind = RAY_JSON_STRING;
    event->item.text = f->value;
    event->encoding = RAY_ENCODING_FORM;
    event->untyped = 1;
}

/* A pair whose name was not told yet, or the end. */
static ray_status member(ray_form *f, ray_format_walk *walk, ray_format_event *event)
{
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    const ray_format_node *of = ray_format_node_of(walk, top->node);
    while (pair(f->body, &f->place, &f->name, &f->value)) {
        uint32_t found = ray_format_find(walk, top->node, f->name, RAY_ENCODING_FORM,
                                         top->property + 1, RAY_NONE);
        event->item.kind = RAY_JSON_NAME;
        event->item.text = f->name;
        event->encoding = RAY_ENCODING_FORM;
        event->property = found;
        if (found == RAY_NONE) {          /* has no type; the walk says whether that is allowed */
            ray_status status = ray_format_pass_over(walk, of, f->name, RAY_ENCODING_FORM);
            if (status != RAY_OK)
                return status;
            continue;
        }
        if (ray_format_is_told(walk, of, found) != 0)
            continue;
        f->state = STATE_VALUE;
        return RAY_OK;
    }
    event->item.kind = RAY_JSON_OBJECT_END;
    f->state = STATE_DONE;
    return RAY_OK;
}

ray_status ray_form_next(ray_form *f, ray_format_walk *walk, ray_format_event *event)
{
    memset(event, 0, sizeof *event);
    event->property = RAY_NONE;
    if (f->state == STATE_ROOT) {
        event->item.kind = RAY_JSON_OBJECT;
        f->state = STATE_PAIRS;
        return RAY_OK;
    }
    if (f->state == STATE_DONE) {
        event->item.kind = RAY_JSON_END;
        return RAY_OK;
    }
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    if (f->state == STATE_VALUE) {
        uint32_t node = walk->schema->properties[top->property].node;
        f->state = STATE_PAIRS;
        if (ray_format_node_of(walk, node)->types & RAY_FORMAT_ARRAY) {
            event->item.kind = RAY_JSON_ARRAY;
            f->resume = f->place;
            f->place = (uint64_t)(f->name.at - f->body.at);
        } else {
            scalar(f, event);
        }
        return RAY_OK;
    }
    if (!top->is_array)
        return member(f, walk, event);
    if (next_of(f, walk, walk->frames[walk->depth - 2].property)) {
        scalar(f, event);
        return RAY_OK;
    }
    f->place = f->resume;
    event->item.kind = RAY_JSON_ARRAY_END;
    return RAY_OK;
}

/* -- writing -- */
static void put(ray_text *out, uint8_t c)
{
    static const char hex[] = "0123456789ABCDEF";
    uint32_t letter = (c | 0x20U) - 'a', digit = (uint32_t)c - '0';
    if (letter < 26 || digit < 10 || c == '*' || c == '-' || c == '.' || c == '_') {
        ray_text_char(out, (char)c);
    } else if (c == ' ') {
        ray_text_char(out, '+');
    } else {
        char three[3] = {'%', hex[c >> 4], hex[c & 15]};
        ray_text_bytes(out, three, 3);
    }
}

ray_status ray_form_write(ray_format_writer *w, ray_format_walk *walk, const ray_format_event *e)
{
    uint32_t kind = e->item.kind;
    if (kind == RAY_JSON_NAME || kind == RAY_JSON_OBJECT_END || kind == RAY_JSON_ARRAY_END)
        return RAY_OK;
    if (kind == RAY_JSON_OBJECT || kind == RAY_JSON_ARRAY)
        return walk->depth == (kind == RAY_JSON_OBJECT ? 1U : 2U) ? RAY_OK
               : ray_format_fail(walk, RAY_FORMAT_UNSUPPORTED, RAY_KEYWORD_NONE);
    uint32_t property = walk->depth > 0 ? walk->frames[0].property : RAY_NONE;
    if (property >= walk->schema->property_count)
        return ray_format_fail(walk, RAY_FORMAT_UNSUPPORTED, RAY_KEYWORD_NONE);
    if (kind == RAY_JSON_NULL)
        return ray_format_lose(walk);
    const ray_format_property *p = &walk->schema->properties[property];
    if (w->out->length > w->begin)
        ray_text_char(w->out, '&');
    for (uint32_t i = 0; i < p->name_length; i++)
        put(w->out, walk->schema->text[p->name_at + i]);
    ray_text_char(w->out, '=');
    return ray_format_plain(walk, e, w->out, put);
}
