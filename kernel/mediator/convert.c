/* SPDX-License-Identifier: MIT */
/* convert.c - reader, walk and writer side by side. What they remember lies in four frames of the
 * stack, since none may be large. */
#include "format_parts.h"

typedef union reader {
    ray_json json;
    ray_protobuf protobuf;
    ray_xml xml;
    ray_form form;
    ray_multipart multipart;
} reader;

_Static_assert((uint32_t)RAY_ENCODING_PLAIN == 0 && (uint32_t)RAY_ENCODING_JSON == 1,
               "whether a text is escaped is its encoding");

static inline ray_status json_next(ray_json *json, ray_format_walk *walk, ray_format_event *event)
{
    static const uint8_t faults[] = {RAY_FORMAT_FINE, RAY_FORMAT_SYNTAX, RAY_FORMAT_CUT,
                                     RAY_FORMAT_TOO_DEEP, RAY_FORMAT_NOT_UTF8,
                                     RAY_FORMAT_NOT_UTF8, RAY_FORMAT_DUPLICATE,
                                     RAY_FORMAT_TOO_MANY, RAY_FORMAT_TOO_LARGE};
    uint32_t kind = ray_json_next(json, &event->item);
    event->property = RAY_NONE;
    event->encoding = event->item.escaped;
    if (kind != RAY_JSON_ERROR)
        return RAY_OK;
    walk->report->place = json->place;
    return ray_format_fail(walk, faults[json->fault], RAY_KEYWORD_NONE);
}

/* The other readers are longer, and would take the loop's registers if they stood in it. */
static __attribute__((noinline)) ray_status other_next(reader *r, ray_format_walk *walk,
                                                       ray_format_event *event)
{
    switch (walk->from) {
    case RAY_FORMAT_PROTOBUF: return ray_protobuf_next(&r->protobuf, walk, event);
    case RAY_FORMAT_XML: return ray_xml_next(&r->xml, walk, event);
    case RAY_FORMAT_FORM: return ray_form_next(&r->form, walk, event);
    default: return ray_multipart_next(&r->multipart, walk, event);
    }
}

static inline ray_status next(reader *r, ray_format_walk *walk, ray_format_event *event)
{
    return walk->from == RAY_FORMAT_JSON ? json_next(&r->json, walk, event)
                                         : other_next(r, walk, event);
}

/* Only JSON has members whose value is read after they are known to be left out. */
static ray_status skip(reader *r, ray_format_walk *walk, ray_format_event *event)
{
    ray_status status = json_next(&r->json, walk, event);
    if (status != RAY_OK || ray_json_skip(&r->json, &event->item))
        return status;
    return json_next(&r->json, walk, event);
}

static __attribute__((noinline)) ray_status other_write(ray_format_writer *w,
                                                        ray_format_walk *walk,
                                                        const ray_format_event *event)
{
    switch (walk->to) {
    case RAY_FORMAT_JSON: return ray_json_write(w, walk, event);
    case RAY_FORMAT_XML: return ray_xml_write(w, walk, event);
    default: return ray_form_write(w, walk, event);
    }
}

/* A name goes with its value. */
static inline ray_status write(ray_format_writer *w, ray_format_walk *walk,
                               const ray_format_event *event)
{
    if (event->item.kind == RAY_JSON_NAME)
        return RAY_OK;
    ray_status status = walk->to == RAY_FORMAT_PROTOBUF ? ray_protobuf_write(w, walk, event)
                                                        : other_write(w, walk, event);
    if (status == RAY_OK && w->out->truncated)
        return ray_format_fail(walk, RAY_FORMAT_TOO_LARGE, RAY_KEYWORD_NONE);
    return status;
}

static __attribute__((noinline)) ray_status run(reader *r, ray_format_walk *walk, ray_text *out)
{
    ray_format_event event;
    ray_format_writer w;
    memset(&event, 0, sizeof event);
    memset(&w, 0, sizeof w);
    w.out = out;
    w.begin = out != NULL ? out->length : 0;
    w.fresh = 1;
    for (;;) {
        ray_status status = next(r, walk, &event);
        if (status != RAY_OK)
            return status;
        if (event.item.kind == RAY_JSON_END)
            return RAY_OK;
        status = ray_format_step(walk, &event);
        if (status != RAY_OK)
            return status;
        if (event.skip) {
            if (event.item.kind == RAY_JSON_NAME && walk->from == RAY_FORMAT_JSON)
                status = skip(r, walk, &event);
        } else if (out != NULL) {
            status = write(&w, walk, &event);
        }
        if (status != RAY_OK)
            return status;
    }
}

static __attribute__((noinline)) ray_status with_reader(ray_format_walk *walk,
                                                        const ray_format_source *source,
                                                        ray_json_member *members, ray_text *out)
{
    reader r;
    ray_view body = source->body;
    ray_status status = RAY_OK;
    if (walk->from == RAY_FORMAT_JSON) {
        ray_json_init(&r.json, body, members, RAY_FORMAT_OPEN_MAX);
    } else if (walk->from == RAY_FORMAT_PROTOBUF) {
        status = ray_protobuf_init(&r.protobuf, body);
    } else if (walk->from == RAY_FORMAT_XML) {
        status = ray_xml_init(&r.xml, walk, body);
    } else if (walk->from == RAY_FORMAT_FORM) {
        memset(&r.form, 0, sizeof r.form);
        r.form.body = body;
        status = ray_form_check(body, walk->report);
    } else {
        status = ray_multipart_init(&r.multipart, source, walk->report);
    }
    return status == RAY_OK ? run(&r, walk, out) : status;
}

static __attribute__((noinline)) ray_status with_members(ray_format_walk *walk,
                                                         const ray_format_source *source,
                                                         ray_text *out)
{
    ray_json_member members[RAY_FORMAT_OPEN_MAX];
    return with_reader(walk, source, members, out);
}

static __attribute__((noinline)) ray_status with_seen(ray_format_walk *walk,
                                                      const ray_format_source *source,
                                                      ray_text *out)
{
    uint64_t seen[RAY_FORMAT_DEPTH_MAX][RAY_FORMAT_WORDS];
    walk->seen = seen;
    return with_members(walk, source, out);
}

/* Which formats can stand where: a form is one object of scalars and their arrays, and all but
 * JSON need to be told what they hold. */
static uint32_t is_possible(const ray_format_schema *schema, uint32_t format)
{
    if (format == RAY_FORMAT_JSON)
        return 1;
    return format < RAY_FORMAT_MAX && schema != NULL && schema->node_count > 0 &&
           (schema->nodes[0].types & RAY_FORMAT_OBJECT) != 0;
}

static ray_status drive(const ray_format_schema *schema, const ray_format_source *source,
                        uint32_t to, ray_text *out, ray_format_report *report)
{
    static const ray_format_schema none = {0};
    ray_format_walk walk;
    memset(&walk, 0, sizeof walk);
    walk.schema = schema != NULL ? schema : &none;
    walk.report = report;
    walk.flags = source->flags;
    walk.from = source->format;
    walk.to = to;
    return with_seen(&walk, source, out);
}

static ray_status unsupported(ray_format_report *report)
{
    report->fault = RAY_FORMAT_UNSUPPORTED;
    return RAY_E_SYNTAX;
}

ray_status ray_format_validate(const ray_format_schema *schema, const ray_format_source *source,
                               ray_format_report *report)
{
    uint32_t format = source->format;
    memset(report, 0, sizeof *report);
    if (format == RAY_FORMAT_RAW)
        return RAY_OK;
    if (schema == NULL && format == RAY_FORMAT_XML)
        return ray_xml_check(source->body, report);
    if (schema == NULL && format == RAY_FORMAT_FORM)
        return ray_form_check(source->body, report);
    if (schema == NULL && format == RAY_FORMAT_MULTIPART)
        return ray_multipart_check(source, report);
    if (!is_possible(schema, format))
        return unsupported(report);
    return drive(schema, source, RAY_FORMAT_MAX, NULL, report);
}

ray_status ray_format_convert(const ray_format_schema *schema, const ray_format_source *source,
                              uint32_t to, ray_text *out, ray_format_report *report)
{
    uint32_t from = source->format;
    uint64_t length = out->length;
    uint32_t truncated = out->truncated;
    memset(report, 0, sizeof *report);
    if (from == RAY_FORMAT_RAW && to == RAY_FORMAT_RAW) {
        ray_text_bytes(out, (const char *)source->body.at, source->body.length);
        if (!out->truncated)
            return RAY_OK;
        out->truncated = truncated;
        report->fault = RAY_FORMAT_TOO_LARGE;
        return RAY_E_TRUNCATED;
    }
    if (from == RAY_FORMAT_RAW || to == RAY_FORMAT_RAW || to == RAY_FORMAT_MULTIPART ||
        !is_possible(schema, from) || !is_possible(schema, to))
        return unsupported(report);
    ray_status status = drive(schema, source, to, out, report);
    if (status != RAY_OK) {
        out->length = length;
        out->truncated = truncated;
    }
    return status;
}

/* -- gRPC's frame -- */
ray_status ray_format_grpc_take(ray_view body, ray_view *message)
{
    if (body.length < 5)
        return RAY_E_TRUNCATED;
    uint64_t length = (uint64_t)body.at[1] << 24 | (uint64_t)body.at[2] << 16 |
                      (uint64_t)body.at[3] << 8 | body.at[4];
    if (body.at[0] != 0)
        return RAY_E_SYNTAX;
    if (length != body.length - 5)
        return RAY_E_TRUNCATED;
    message->at = body.at + 5;
    message->length = length;
    return RAY_OK;
}

ray_status ray_format_grpc_put(uint64_t length, ray_text *out)
{
    if (length > UINT32_MAX || out->truncated || out->capacity - out->length < 5)
        return RAY_E_TRUNCATED;
    char five[5] = {0, (char)(length >> 24), (char)(length >> 16), (char)(length >> 8),
                    (char)length};
    ray_text_bytes(out, five, 5);
    return RAY_OK;
}
