/* SPDX-License-Identifier: MIT */
/* cmd_mediator.c - mediator: transforms, what is kept of their answers, and what errors look
 * like. */
#include "parts.h"

enum { COLUMN = 22, TYPE_BYTES = 200 };

/* -- words (private) -- */
static ray_status find(ray_call *call, uint32_t word, uint32_t *handle)
{
    ray_near near;
    const ray_mediator *mediator = ray_mediator_of(call->ray);
    ray_transform_row row;
    if (ray_mediator_find(mediator, call->word[word], call->length[word], handle) == RAY_OK)
        return RAY_OK;
    ray_near_begin(&near, call->word[word], call->length[word]);
    for (uint32_t id = ray_mediator_next(mediator, RAY_NONE); id != RAY_NONE;
         id = ray_mediator_next(mediator, id))
        if (ray_mediator_transform_read(mediator, id, &row) == RAY_OK)
            ray_near_offer(&near, row.spec.name.at, ray_word_length(row.spec.name.at));
    return ray_call_error(call, RAY_E_UNKNOWN,
                          "no transform of that name; see: mediator list", word,
                          ray_near_word(&near));
}

/* -- status, list, show -- */
static ray_status run_status(ray_call *call)
{
    ray_mediator_stats s;
    ray_mediator_read(ray_mediator_of(call->ray), &s);
    const ray_counter rows[] = {
        {"transforms", 0, s.transform_count, RAY_TRANSFORM_MAX},
        {"schemas", 0, s.schema_count, RAY_SCHEMA_MAX},
        {"asked", 0, s.asked_count, 0}, {"granted", 0, s.granted_count, 0},
        {"denied", 0, s.denied_count, 0}, {"hits", 0, s.hit_count, 0},
        {"misses", 0, s.miss_count, 0}, {"busy", 0, s.busy_count, 0},
        {"kept", 0, s.kept_count, RAY_CACHE_ENTRY_MAX}, {"kept bytes", "kept_bytes",
        s.kept_bytes, 0}, {"filling", 0, s.filling_count, 0}, {"stored", 0, s.stored_count, 0},
        {"not kept", "unkept", s.unkept_count, 0}, {"too large", "large", s.large_count, 0},
        {"released", 0, s.released_count, 0}, {"lapsed", 0, s.lapsed_count, 0},
        {"evicted", 0, s.evicted_count, 0}, {"expired", 0, s.expired_count, 0},
        {"dropped", 0, s.dropped_count, 0}, {"invalidated", 0, s.invalidated_count, 0},
        {"no place", "full", s.full_count, 0},
        {"answers refused", "refused", s.refused_count, 0},
    };
    const ray_counters all = {rows, sizeof rows / sizeof *rows, COLUMN, 0, 0};
    if (call->json != 0)
        ray_text_json_open(call->out, 0, '{');
    ray_counters_put(call, &all);
    if (call->json != 0)
        ray_json_end(call->out);
    return RAY_OK;
}

static void put_side(ray_text *out, const ray_transform_side *side)
{
    ray_text_put(out, ray_content_word(side->from));
    if (side->from != side->to) {
        ray_text_put(out, " > ");
        ray_text_put(out, ray_content_word(side->to));
    }
}

static ray_status run_list(ray_call *call)
{
    const ray_mediator *mediator = ray_mediator_of(call->ray);
    ray_transform_row row;
    ray_text *out = call->out;
    if (call->json != 0) {
        ray_status status = ray_mediator_export_json(mediator, call->now_ns, out);
        ray_text_char(out, '\n');
        return status;
    }
    ray_text_put(out, "transform             request             response            keeps       "
                      "hits      misses\n");
    for (uint32_t id = ray_mediator_next(mediator, RAY_NONE); id != RAY_NONE;
         id = ray_mediator_next(mediator, id)) {
        if (ray_mediator_transform_read(mediator, id, &row) != RAY_OK)
            continue;
        ray_text_name(out, &row.spec.name, 0);
        ray_text_column(out, COLUMN);
        put_side(out, &row.spec.side[RAY_SIDE_REQUEST]);
        ray_text_column(out, COLUMN + 20);
        put_side(out, &row.spec.side[RAY_SIDE_RESPONSE]);
        ray_text_column(out, COLUMN + 40);
        ray_text_duration(out, row.spec.cache_ttl_ns);
        ray_text_column(out, COLUMN + 52);
        ray_text_u64(out, row.hit_count);
        ray_text_column(out, COLUMN + 62);
        ray_text_u64(out, row.miss_count);
        ray_text_char(out, '\n');
    }
    return RAY_OK;
}

static ray_status run_export(ray_call *call)
{
    const ray_mediator *mediator = ray_mediator_of(call->ray);
    uint32_t form = RAY_EXPORT_OPENMETRICS;
    ray_status status =
        ray_export_form(call, RAY_EXPORT_TEXTS | 1U << RAY_EXPORT_JSON, &form);
    if (status != RAY_OK)
        return status;
    if (form != RAY_EXPORT_JSON)
        return ray_mediator_export_metrics(mediator, ray_export_exposition(form), call->out);
    status = ray_mediator_export_json(mediator, call->now_ns, call->out);
    ray_text_char(call->out, '\n');
    return status;
}

/* What a side asks of a body beside its format; nothing when it asks nothing. */
static void put_rules(ray_call *call, const char *side_word, const ray_transform_side *side)
{
    static const char unknown[3][8] = {"reject", "drop", "keep"};
    ray_schema_spec schema;
    ray_text *out = call->out;
    ray_line_begin(out, COLUMN, side_word);
    if (side->schema != RAY_NONE &&
        ray_mediator_schema_read(ray_mediator_of(call->ray), side->schema, &schema) == RAY_OK) {
        ray_text_put(out, "schema ");
        ray_text_name(out, &schema.name, 0);
        ray_text_put(out, ", unknown ");
        ray_text_put(out, unknown[side->unknown % 3]);
    } else {
        ray_text_put(out, "no schema");
    }
    if ((side->flags & RAY_TRANSFORM_STRICT) != 0)
        ray_text_put(out, ", strict");
    if ((side->flags & RAY_TRANSFORM_GRPC) != 0)
        ray_text_put(out, ", grpc");
    ray_text_char(out, '\n');
}

static ray_status run_show(ray_call *call)
{
    static const char *const how[RAY_EDIT_MAX] = {"  add ", "  set ", "  remove "};
    const ray_mediator *mediator = ray_mediator_of(call->ray);
    ray_transform_row row;
    ray_header_edit_spec edit;
    uint32_t handle;
    ray_text *out = call->out;
    ray_status status = find(call, 2, &handle);
    if (status != RAY_OK || ray_mediator_transform_read(mediator, handle, &row) != RAY_OK)
        return status;
    const ray_counter rows[] = {
        {"asked", 0, row.asked_count, 0},   {"denied", 0, row.denied_count, 0},
        {"hits", 0, row.hit_count, 0},      {"misses", 0, row.miss_count, 0},
        {"kept", 0, row.kept_count, 0},     {"routes", 0, row.route_count, 0},
        {"answers refused", "refused", row.refused_count, 0},
        {"edits", 0, row.edit_count, 0},
    };
    const ray_counters all = {rows, sizeof rows / sizeof *rows, COLUMN, 0, 0};
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_name(out, "name", &row.spec.name);
        ray_counters_put(call, &all);
        ray_text_json_u64(out, "cache_ttl_ns", row.spec.cache_ttl_ns);
        ray_json_end(out);
        return RAY_OK;
    }
    ray_text_name(out, &row.spec.name, 0);
    ray_text_put(out, ": ");
    put_side(out, &row.spec.side[RAY_SIDE_REQUEST]);
    ray_text_put(out, ", back ");
    put_side(out, &row.spec.side[RAY_SIDE_RESPONSE]);
    ray_text_char(out, '\n');
    put_rules(call, "request", &row.spec.side[RAY_SIDE_REQUEST]);
    put_rules(call, "response", &row.spec.side[RAY_SIDE_RESPONSE]);
    ray_counters_put(call, &all);
    ray_line_begin(out, COLUMN, "answers kept for");
    ray_text_duration(out, row.spec.cache_ttl_ns);
    ray_text_char(out, '\n');
    for (uint32_t nth = 0; ray_mediator_edit_read(mediator, handle, nth, &edit) == RAY_OK; nth++) {
        ray_text_put(out, edit.side == RAY_SIDE_REQUEST ? "request" : "response");
        ray_text_put(out, how[edit.how]);
        ray_text_name(out, &edit.name, 0);
        ray_text_char(out, ' ');
        ray_text_escaped(out, edit.value, edit.value_length);
        ray_text_char(out, '\n');
    }
    return RAY_OK;
}

/* -- test -- */
/* --type as a packed Content-Type; one that does not fit is none. */
static ray_view type_of(const ray_call *call, ray_text *packed)
{
    static const char name[] = "content-type";
    const char *at;
    uint32_t length;
    if (ray_call_option(call, "--type", &at, &length) != 0 && length <= TYPE_BYTES) {
        ray_u16_put(packed, sizeof name - 1);
        ray_u16_put(packed, length);
        ray_text_bytes(packed, name, sizeof name - 1);
        ray_text_bytes(packed, at, length);
    }
    return (ray_view){(const uint8_t *)packed->at, packed->length};
}

/* A body against a transform's request schema, or its response's with --response. */
static ray_status run_test(ray_call *call)
{
    char memory[TYPE_BYTES + 20];
    ray_text packed;
    ray_mediator_report report = {.reason = RAY_REASON_OK};
    uint32_t handle, side = ray_call_flag(call, "--response") ? RAY_SIDE_RESPONSE
                                                              : RAY_SIDE_REQUEST;
    ray_text *out = call->out;
    ray_status status = find(call, 2, &handle);
    if (status != RAY_OK)
        return status;
    ray_text_init(&packed, memory, sizeof memory);
    ray_view body = {(const uint8_t *)call->word[3], call->length[3]};
    (void)ray_mediator_validate(ray_mediator_of(call->ray), handle, side, type_of(call, &packed),
                                body, &report);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_bool(out, "accepted", report.reason == RAY_REASON_OK);
        ray_text_json_literal(out, "reason", ray_reason_word(report.reason));
        ray_text_json_u64(out, "status", report.http_status);
        ray_text_json_literal(out, "pointer", report.pointer);
        ray_text_json_literal(out, "keyword", report.keyword);
        ray_json_end(out);
        return RAY_OK;
    }
    ray_text_put(out, report.reason == RAY_REASON_OK ? "accepted" : "refused: ");
    if (report.reason != RAY_REASON_OK) {
        ray_text_put(out, ray_reason_word(report.reason));
        ray_text_put(out, " at \"");
        ray_text_escaped(out, report.pointer, ray_word_length(report.pointer));
        ray_text_put(out, "\" ");
        ray_text_put(out, report.keyword);
    }
    ray_text_char(out, '\n');
    return RAY_OK;
}

static ray_status run_convert(ray_call *call)
{
    uint32_t handle;
    ray_status status = find(call, 2, &handle);
    return status == RAY_OK ? ray_mediator_convert(call, handle) : status;
}

/* -- cache -- */
static ray_status run_cache(ray_call *call)
{
    const ray_mediator *mediator = ray_mediator_of(call->ray);
    ray_cached_row row;
    ray_name name;
    ray_text *out = call->out;
    if (call->json != 0)
        ray_json_list_open(out, "kept");
    else
        ray_text_put(out, "place   transform           status    bytes     hits      due in\n");
    for (uint32_t place = 0; place < RAY_CACHE_ENTRY_MAX; place++) {
        if (ray_mediator_cached_read(mediator, place, &row) != RAY_OK)
            continue;
        ray_by_name(call->ray, RAY_BY_TRANSFORM, row.transform, &name);
        uint64_t left_ns = row.due_ns > call->now_ns ? row.due_ns - call->now_ns : 0;
        if (call->json != 0) {
            ray_text_json_open(out, 0, '{');
            ray_text_json_u64(out, "place", place);
            ray_text_json_name(out, "transform", &name);
            ray_text_json_bool(out, "filling", row.filling);
            ray_text_json_u64(out, "status", row.status);
            ray_text_json_u64(out, "bytes", (uint64_t)row.header_bytes + row.body_bytes);
            ray_text_json_u64(out, "hits", row.hit_count);
            ray_text_json_u64(out, "due_in_ns", left_ns);
            ray_text_json_close(out, '}');
            continue;
        }
        ray_text_u64(out, place);
        ray_text_column(out, 8);
        ray_text_name(out, &name, 0);
        ray_text_column(out, 28);
        if (row.filling != 0)
            ray_text_put(out, "filling");
        else
            ray_text_u64(out, row.status);
        ray_text_column(out, 38);
        ray_text_u64(out, (uint64_t)row.header_bytes + row.body_bytes);
        ray_text_column(out, 48);
        ray_text_u64(out, row.hit_count);
        ray_text_column(out, 58);
        ray_text_duration(out, left_ns);
        ray_text_char(out, '\n');
    }
    if (call->json != 0)
        ray_json_list_end(out);
    return RAY_OK;
}

/* -- changing -- */
static ray_status run_purge(ray_call *call)
{
    uint32_t handle = RAY_NONE;
    if (call->plain_count > 2) {
        ray_status status = find(call, 2, &handle);
        if (status != RAY_OK)
            return status;
    }
    if (ray_call_confirmed(call, "this lets go what is kept, and services are asked again") == 0)
        return RAY_E_STATE;
    uint32_t count = ray_mediator_purge(ray_mediator_of(call->ray), handle);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_TRANSFORM, handle, count, 0);
    ray_text_u64(call->out, count);
    ray_text_put(call->out, " let go\n");
    return RAY_OK;
}

static ray_status run_ttl(ray_call *call)
{
    ray_mediator *mediator = ray_mediator_of(call->ray);
    ray_transform_row row;
    uint64_t ttl_ns;
    uint32_t handle;
    ray_status status = find(call, 2, &handle);
    if (status != RAY_OK || ray_mediator_transform_read(mediator, handle, &row) != RAY_OK)
        return status;
    status = ray_parse_duration(call->word[3], call->length[3], &ttl_ns);
    if (status == RAY_OK)
        status = ray_mediator_ttl_set(mediator, call->now_ns, handle, ttl_ns);
    if (status != RAY_OK)
        return ray_call_error(call, status, "a time is a duration such as 30s, not", 3, 0);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_TRANSFORM, handle, row.spec.cache_ttl_ns, ttl_ns);
    ray_text_put(call->out, "answers are kept at most ");
    ray_text_duration(call->out, ttl_ns);
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

static ray_status run_remove(ray_call *call)
{
    uint32_t handle;
    ray_status status = find(call, 2, &handle);
    if (status != RAY_OK)
        return status;
    if (ray_call_confirmed(call, "this removes the transform and what is kept of it") == 0)
        return RAY_E_STATE;
    status = ray_mediator_transform_remove(ray_mediator_of(call->ray), handle);
    if (status != RAY_OK)
        return ray_call_error(call, status, "a route uses it; take it from the route first", 2, 0);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_TRANSFORM, handle, 0, 0);
    ray_text_put(call->out, "removed\n");
    return RAY_OK;
}

/* -- the table -- */
static const ray_subcommand subs[] = {
    {"status", "", "transforms, hits and what became of answers", run_status, 1, 0},
    {"list", "", "every transform: formats, how long it keeps, hits", run_list, 1, 0},
    {"show", "NAME", "one transform, its counters and header edits", run_show, 1, 0},
    {"test", "NAME BODY [--response] [--type TYPE]", "a body against a transform's schema",
     run_test, 1, 0},
    {"convert", "NAME BODY [--response] [--hex] [--status N] [--header N:V]...",
     "what goes on of a message: its body and headers", run_convert, 1, 0},
    {"export", "[json|prometheus|openmetrics]",
     "metrics, openmetrics unless told; json is every transform", run_export, 1, 0},
    {"cache", "", "what is kept, and what is being filled", run_cache, 1, 0},
    {"ttl", "NAME DURATION", "how long answers are kept at most; 0s: none is", run_ttl, 0, 0},
    {"purge", "[NAME]", "lets go what is kept (confirm)", run_purge, 0, 0},
    {"remove", "NAME", "removes a transform no route uses (confirm)", run_remove, 0, 0},
};

const ray_command ray_command_mediator = {"mediator", "validation, transformation, cache", subs,
                                          sizeof subs / sizeof subs[0], 19, 1, 0};
