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
            if (ray_view_same(member.name, name))
                return 1;
    }
    return 0;
}

static ray_view name_of(const ray_header_edit_spec *edit)
{
    return (ray_view){(const uint8_t *)edit->name.at, ray_name_length(&edit->name)};
}

typedef struct edit_run {
    const ray_mediator *mediator;
    uint32_t place;
    uint32_t side;
    uint32_t count;              /* of all edits; 0 where nothing is edited */
} edit_run;

static const ray_header_edit_spec *edit_at(const edit_run *run, uint32_t i)
{
    const ray_header_edit_spec *edit = &run->mediator->config.edit[i];
    return edit->transform == run->place && edit->side == run->side ? edit : NULL;
}

/* 1: an edit from place `from` on sets or removes the name. A field that came is gone then, by any
 * of them; an edit's own by a later one. */
static uint32_t is_replaced(const edit_run *run, uint32_t from, ray_view name)
{
    for (uint32_t i = from; i < run->count; i++) {
        const ray_header_edit_spec *edit = edit_at(run, i);
        if (edit != NULL && edit->how != RAY_EDIT_ADD && ray_view_same(name_of(edit), name))
            return 1;
    }
    return 0;
}

static void put_edits(const edit_run *run, ray_text *out)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const ray_header_edit_spec *edit = edit_at(run, i);
        if (edit == NULL || edit->how == RAY_EDIT_REMOVE || is_replaced(run, i + 1, name_of(edit)))
            continue;
        ray_header_put(out, name_of(edit),
                       (ray_view){(const uint8_t *)edit->value, edit->value_length});
    }
}

/* -- on their way -- */
/* What is decided once for all fields of a block. */
typedef struct passage {
    const ray_forward_spec *spec;
    edit_run run;
    uint32_t converted;          /* 1: the body is of another format than it came in */
    uint32_t rewritten;          /* 1: or has other members */
    uint32_t asks_other;         /* request: its answer is converted, so ask for what is read */
    uint32_t reads_answer;       /* request: its answer is looked at */
    uint32_t framed_out;         /* the message goes on in a gRPC frame */
    uint32_t connects;           /* there is a Connection, which may name others */
} passage;

/* What was said about other bytes than those that go on. */
static uint32_t is_untrue(const passage *p, ray_view name)
{
    static const char *const format[] = {"content-type", "grpc-status", "grpc-message",
                                         "grpc-encoding", "grpc-status-details-bin"};
    static const char *const bytes[] = {"content-md5", "content-digest", "etag", "digest"};
    return (p->converted != 0 && ray_is_one_of(name, format, sizeof format / sizeof *format)) ||
           (p->rewritten != 0 && ray_is_one_of(name, bytes, sizeof bytes / sizeof *bytes));
}

/* An answer that is looked at has to come whole and as it is, in the format that is read. */
static uint32_t asks_in_vain(const passage *p, ray_view name)
{
    static const char *const whole[] = {"accept-encoding", "range", "if-range"};
    return (p->reads_answer != 0 && ray_is_one_of(name, whole, sizeof whole / sizeof *whole)) ||
           (p->asks_other != 0 && ray_view_is(name, "accept")) ||
           (p->spec->timeout_ns != 0 && p->framed_out != 0 && ray_view_is(name, "grpc-timeout"));
}

static uint32_t stays_behind(const passage *p, ray_view name)
{
    const ray_forward_spec *spec = p->spec;
    return ray_is_hop_by_hop(name) ||
           (p->connects != 0 && is_named_by_connection(spec->headers, name)) ||
           (ray_view_is(name, "content-length") &&
            (spec->keeps_length == 0 || p->rewritten != 0)) ||
           ray_view_same(name, spec->consumed) || ray_view_same(name, spec->own_name) ||
           is_untrue(p, name) || is_replaced(&p->run, 0, name) || asks_in_vain(p, name);
}

/* grpc-timeout: at most eight digits of the finest unit that says it, never more than is left. */
static void put_timeout(ray_text *out, uint64_t left_ns)
{
    static const char units[] = {'n', 'u', 'm', 'S'};
    char memory[24];
    ray_text value;
    uint32_t unit = 0;
    while (left_ns > 99999999 && unit + 1 < sizeof units) {
        left_ns /= 1000;
        unit++;
    }
    ray_text_init(&value, memory, sizeof memory);
    ray_text_u64(&value, left_ns <= 99999999 ? left_ns : 99999999);
    ray_text_char(&value, units[unit]);
    ray_header_put(out, (ray_view){(const uint8_t *)"grpc-timeout", 12},
                   (ray_view){(const uint8_t *)memory, value.length});
}

uint32_t ray_mediator_speaks_grpc(const ray_mediator *mediator, uint32_t transform)
{
    const ray_transform_slot *slot = ray_transform_at(mediator, transform);
    return slot != NULL && slot->spec.side[RAY_SIDE_REQUEST].from == RAY_CONTENT_PROTOBUF &&
           (slot->spec.side[RAY_SIDE_REQUEST].flags & RAY_TRANSFORM_GRPC) != 0;
}

uint64_t ray_mediator_caller_timeout(const ray_mediator *mediator, uint32_t transform,
                                     ray_view headers)
{
    static const char letters[] = {'n', 'u', 'm', 'S', 'M', 'H'};
    static const uint64_t units_ns[] = {1, 1000, 1000000, 1000000000, 60000000000ULL,
                                        3600000000000ULL};
    ray_view value;
    uint64_t count;
    if (ray_mediator_speaks_grpc(mediator, transform) == 0 ||
        !ray_headers_find(headers, "grpc-timeout", 12, 0, &value) || value.length < 2 ||
        value.length > 9 || !ray_view_u64((ray_view){value.at, value.length - 1}, &count))
        return RAY_NEVER;
    for (uint32_t i = 0; i < sizeof letters; i++)
        if (value.at[value.length - 1] == letters[i])
            return count < RAY_NEVER / units_ns[i] ? count * units_ns[i] : RAY_NEVER;
    return RAY_NEVER;
}

/* What the next server has to know about the body, and about the answer it may give. */
static void put_body_fields(const passage *p, const ray_transform_side *rule,
                            const ray_transform_side *back, ray_text *out)
{
    const char *type = ray_content_type(rule->to, rule->flags);
    if (p->converted != 0 && type != NULL && p->spec->body_length != 0)
        ray_header_put_word(out, "content-type", type);
    if (p->spec->side == RAY_SIDE_RESPONSE) {
        if (p->converted != 0 && p->framed_out != 0)
            ray_header_put_u64(out, "grpc-status", RAY_GRPC_OK);
        return;
    }
    if (p->asks_other != 0)
        ray_header_put_word(out, "accept", ray_content_type(back->from, back->flags));
    if (p->reads_answer != 0)
        ray_header_put_word(out, "accept-encoding", "identity");
    if (p->framed_out != 0)
        ray_header_put_word(out, "te", "trailers");
    if (p->framed_out != 0 && p->spec->timeout_ns != 0)
        put_timeout(out, p->spec->timeout_ns);
}

static void passage_begin(const ray_mediator *mediator, const ray_forward_spec *spec,
                          const ray_transform_side *rule, const ray_transform_side *back,
                          passage *p)
{
    uint32_t framed = (rule->flags & RAY_TRANSFORM_GRPC) != 0;
    ray_view value;
    p->spec = spec;
    p->run = (edit_run){mediator, spec->transform & RAY_TRANSFORM_SLOT_MASK, spec->side,
                        spec->transform != RAY_NONE ? mediator->config.edit_count : 0};
    p->connects = ray_headers_find(spec->headers, "connection", 10, 0, &value);
    p->framed_out = framed != 0 && rule->to == RAY_CONTENT_PROTOBUF;
    p->converted = rule->from != rule->to;
    p->rewritten = p->converted != 0 || rule->unknown == RAY_UNKNOWN_DROP;
    p->reads_answer = spec->side == RAY_SIDE_REQUEST && back->from < RAY_CONTENT_BINARY;
    p->asks_other = spec->side == RAY_SIDE_REQUEST && back->from != back->to;
}

ray_status ray_mediator_forward(const ray_mediator *mediator, const ray_forward_spec *spec,
                                ray_text *out)
{
    static const ray_transform_side any = {
        .schema = RAY_NONE, .from = RAY_CONTENT_ANY, .to = RAY_CONTENT_ANY};
    const ray_transform_slot *slot = ray_transform_at(mediator, spec->transform);
    if (slot == NULL && spec->transform != RAY_NONE)
        return RAY_E_UNKNOWN;
    if (spec->side >= RAY_SIDE_MAX || !ray_headers_sound(spec->headers))
        return RAY_E_ARGUMENT;
    const ray_transform_side *rule = slot != NULL ? &slot->spec.side[spec->side] : &any;
    const ray_transform_side *back = slot != NULL ? &slot->spec.side[RAY_SIDE_RESPONSE] : &any;
    ray_header_walk walk = {0};
    passage p;
    passage_begin(mediator, spec, rule, back, &p);
    while (ray_headers_next(spec->headers, &walk))
        if (!stays_behind(&p, walk.name))
            ray_header_put(out, walk.name, walk.value);
    put_body_fields(&p, rule, back, out);
    put_edits(&p.run, out);
    if (spec->own_name.length != 0)
        ray_header_put(out, spec->own_name, spec->own_value);
    if (spec->bodiless == 0 && (spec->side == RAY_SIDE_RESPONSE || spec->body_length != 0 ||
                                spec->says_length != 0))
        ray_header_put_u64(out, "content-length", spec->body_length);
    return out->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

ray_status ray_mediator_edit(const ray_mediator *mediator, uint32_t transform, uint32_t side,
                             ray_view headers, uint64_t body_length, ray_text *out)
{
    if (ray_transform_at(mediator, transform) == NULL)
        return RAY_E_UNKNOWN;
    if (side >= RAY_SIDE_MAX)
        return RAY_E_ARGUMENT;
    ray_forward_spec spec = {.headers = headers, .body_length = body_length,
                             .transform = transform, .side = (uint8_t)side};
    return ray_mediator_forward(mediator, &spec, out);
}
