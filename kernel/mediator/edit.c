/* SPDX-License-Identifier: MIT */
/* edit.c - header fields on their way through: what is about one connection stays behind, edits
 * are done in their order, and the fields about the body say what the body now is. */
#include "parts.h"

/* -- packed blocks -- */
static void put_length(ray_text *out, uint64_t length)
{
    ray_text_char(out, (char)(uint8_t)(length & 0xff));
    ray_text_char(out, (char)(uint8_t)(length >> 8));
}

/* A field that a packed block cannot say is as if there were no room. */
void ray_header_put(ray_text *out, ray_view name, ray_view value)
{
    if (name.length > UINT16_MAX || value.length > UINT16_MAX ||
        out->capacity - out->length < 4 + name.length + value.length) {
        out->truncated = 1;
        return;
    }
    put_length(out, name.length);
    put_length(out, value.length);
    ray_text_bytes(out, (const char *)name.at, name.length);
    ray_text_bytes(out, (const char *)value.at, value.length);
}

void ray_header_put_word(ray_text *out, const char *name, const char *value)
{
    ray_header_put(out, (ray_view){(const uint8_t *)name, ray_length_of(name)},
                   (ray_view){(const uint8_t *)value, ray_length_of(value)});
}

void ray_header_put_u64(ray_text *out, const char *name, uint64_t value)
{
    char digits[24];
    ray_text text;
    ray_text_init(&text, digits, sizeof digits);
    ray_text_u64(&text, value);
    ray_header_put(out, (ray_view){(const uint8_t *)name, ray_length_of(name)},
                   (ray_view){(const uint8_t *)digits, text.length});
}

/* -- edits -- */
/* 1 when Connection names the field: then it is about the connection too. */
static uint32_t is_named_by_connection(ray_view headers, ray_view name)
{
    ray_view value;
    for (uint32_t nth = 0; ray_headers_find(headers, "connection", 10, nth, &value); nth++) {
        ray_member member = {0};
        while (ray_member_next(value, &member))
            if (member.name.length == name.length &&
                ray_same_ignoring_case((const char *)member.name.at, (const char *)name.at,
                                       name.length))
                return 1;
    }
    return 0;
}

static uint32_t names(const ray_header_edit_spec *edit, ray_view name)
{
    return ray_name_length(&edit->name) == name.length &&
           ray_same_ignoring_case(edit->name.at, (const char *)name.at, name.length);
}

typedef struct edit_run {
    const ray_mediator *mediator;
    uint32_t place;
    uint32_t side;
} edit_run;

static const ray_header_edit_spec *edit_at(const edit_run *run, uint32_t i)
{
    const ray_header_edit_spec *edit = &run->mediator->config.edit[i];
    return edit->transform == run->place && edit->side == run->side ? edit : NULL;
}

/* A field that came: gone when any edit sets or removes its name. */
static uint32_t is_replaced(const edit_run *run, ray_view name)
{
    for (uint32_t i = 0; i < run->mediator->config.edit_count; i++) {
        const ray_header_edit_spec *edit = edit_at(run, i);
        if (edit != NULL && edit->how != RAY_EDIT_ADD && names(edit, name))
            return 1;
    }
    return 0;
}

/* An edit's own field stands unless a later edit sets or removes the name. */
static uint32_t is_undone(const edit_run *run, uint32_t i)
{
    const ray_header_edit_spec *edit = edit_at(run, i);
    ray_view name = {(const uint8_t *)edit->name.at, ray_name_length(&edit->name)};
    for (uint32_t later = i + 1; later < run->mediator->config.edit_count; later++) {
        const ray_header_edit_spec *other = edit_at(run, later);
        if (other != NULL && other->how != RAY_EDIT_ADD && names(other, name))
            return 1;
    }
    return 0;
}

static void put_edits(const edit_run *run, ray_text *out)
{
    for (uint32_t i = 0; i < run->mediator->config.edit_count; i++) {
        const ray_header_edit_spec *edit = edit_at(run, i);
        if (edit == NULL || edit->how == RAY_EDIT_REMOVE || is_undone(run, i))
            continue;
        ray_header_put(out,
                       (ray_view){(const uint8_t *)edit->name.at, ray_name_length(&edit->name)},
                       (ray_view){(const uint8_t *)edit->value, edit->value_length});
    }
}

/* Fields about the body as it came: false as soon as it is another body. */
static uint32_t is_about_body(ray_view name)
{
    return ray_view_is(name, "content-length") || ray_view_is(name, "content-type") ||
           ray_view_is(name, "content-md5") || ray_view_is(name, "content-digest") ||
           ray_view_is(name, "etag") || ray_view_is(name, "grpc-status") ||
           ray_view_is(name, "grpc-message") || ray_view_is(name, "grpc-encoding");
}

ray_status ray_mediator_edit(const ray_mediator *mediator, uint32_t transform, uint32_t side,
                             ray_view headers, uint64_t body_length, ray_text *out)
{
    const ray_transform_slot *slot = ray_transform_at(mediator, transform);
    if (slot == NULL)
        return RAY_E_UNKNOWN;
    if (side >= RAY_SIDE_MAX || !ray_headers_sound(headers))
        return RAY_E_ARGUMENT;
    const ray_transform_side *rule = &slot->spec.side[side];
    uint32_t changed = rule->from != rule->to || (rule->flags & RAY_TRANSFORM_GRPC) != 0;
    edit_run run = {mediator, transform & RAY_TRANSFORM_SLOT_MASK, side};
    ray_header_walk walk = {0};
    while (ray_headers_next(headers, &walk)) {
        if (ray_is_hop_by_hop(walk.name) || is_named_by_connection(headers, walk.name) ||
            ray_view_is(walk.name, "content-length") ||
            (changed != 0 && is_about_body(walk.name)) || is_replaced(&run, walk.name))
            continue;
        ray_header_put(out, walk.name, walk.value);
    }
    if (changed != 0 && body_length != 0 && ray_content_type(rule->to, rule->flags) != NULL)
        ray_header_put_word(out, "content-type", ray_content_type(rule->to, rule->flags));
    put_edits(&run, out);
    if (side == RAY_SIDE_RESPONSE || body_length != 0)
        ray_header_put_u64(out, "content-length", body_length);
    return out->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
