/* SPDX-License-Identifier: MIT */
/* answer.c - what came of a request, as text and as JSON. */
#include "parts.h"

/* -- text -- */
static void put_by(ray_call *call, uint32_t by_kind, uint32_t by_id)
{
    ray_name name;
    ray_by_name(call->ray, by_kind, by_id, &name);
    ray_text_put(call->out, ray_by_word(by_kind));
    ray_text_put(call->out, " ");
    ray_text_name(call->out, &name, 0);
}

void ray_answer_put_verdict(ray_call *call, const ray_answer *answer)
{
    ray_text *out = call->out;
    ray_text_put(out, ray_verdict_word(answer->verdict));
    ray_text_put(out, " (");
    ray_text_u64(out, answer->http_status);
    ray_text_put(out, "), ");
    ray_text_put(out, ray_reason_word(answer->reason));
    if (answer->by_kind != RAY_BY_NONE) {
        ray_text_put(out, ", by ");
        put_by(call, answer->by_kind, answer->by_id);
    }
    if (answer->retry_after_ns != 0) {
        ray_text_put(out, ", retry after ");
        ray_text_duration(out, answer->retry_after_ns);
    }
    ray_text_char(out, '\n');
}

static void put_named(ray_call *call, const char *what, uint32_t by_kind, uint32_t by_id)
{
    ray_name name;
    if (by_id == RAY_NONE)
        return;
    ray_by_name(call->ray, by_kind, by_id, &name);
    ray_text_put(call->out, "  ");
    ray_text_put(call->out, what);
    ray_text_column(call->out, 14);
    ray_text_name(call->out, &name, 0);
    ray_text_char(call->out, '\n');
}

static void put_methods(ray_text *out, uint32_t allow)
{
    uint32_t said = 0;
    if (allow == 0)
        return;
    ray_text_put(out, "  allow       ");
    for (uint32_t i = 1; i < RAY_METHOD_MAX; i++)
        if ((allow >> i & 1U) != 0) {
            ray_text_put(out, said++ == 0 ? "" : ", ");
            ray_text_put(out, ray_method_word(i));
        }
    ray_text_char(out, '\n');
}

/* Header lines with CR LF, one row each. */
static void put_headers(ray_text *out, const ray_text *headers)
{
    for (uint64_t start = 0; start < headers->length;) {
        uint64_t end = start;
        while (end < headers->length && headers->at[end] != '\r')
            end++;
        ray_text_put(out, "  header      ");
        ray_text_escaped(out, headers->at + start, end - start);
        ray_text_char(out, '\n');
        start = end + 2;
    }
}

void ray_answer_put(ray_call *call, const ray_answer *answer, const ray_text *headers)
{
    ray_text *out = call->out;
    ray_stats stats;
    ray_read(call->ray, &stats);
    put_named(call, "route", RAY_BY_ROUTE, answer->route);
    put_named(call, "service", RAY_BY_SERVICE, answer->service);
    put_methods(out, answer->reason == RAY_REASON_METHOD_NOT_ALLOWED ? answer->allow : 0);
    ray_text_put(out, "  decision    ");
    ray_text_u64(out, answer->id);
    ray_text_put(out, " at ");
    ray_text_time(out, answer->at_ns + (uint64_t)stats.wall_offset_ns);
    ray_text_put(out, ", epoch ");
    ray_text_u64(out, answer->epoch);
    if (answer->audit_id != 0) {
        ray_text_put(out, ", audit ");
        ray_text_u64(out, answer->audit_id);
    }
    ray_text_char(out, '\n');
    if (answer->queued != 0) {
        ray_text_put(out, "  queued      ");
        ray_text_put(out, ray_class_word(answer->priority));
        ray_text_put(out, ", about ");
        ray_text_duration(out, answer->wait_ns);
        ray_text_put(out, " to wait\n");
    }
    if (answer->cost_nano != 0) {
        ray_text_put(out, "  cost        ");
        ray_text_fixed(out, answer->cost_nano, 9);
        ray_text_char(out, '\n');
    }
    if (answer->start_at_ns != 0) {
        ray_text_put(out, "  may start   ");
        ray_text_time(out, answer->start_at_ns + (uint64_t)stats.wall_offset_ns);
        ray_text_char(out, '\n');
    }
    for (uint32_t i = 0; i < answer->shadow_count; i++) {
        ray_text_put(out, "  shadow      ");
        put_by(call, answer->shadow[i].by_kind, answer->shadow[i].by_id);
        ray_text_put(out, " would deny: ");
        ray_text_put(out, ray_reason_word(answer->shadow[i].reason));
        ray_text_put(out, ", retry after ");
        ray_text_duration(out, answer->shadow[i].retry_after_ns);
        ray_text_char(out, '\n');
    }
    put_headers(out, headers);
}

/* -- JSON -- */

static void json_retry(ray_text *out, uint64_t retry_after_ns)
{
    if (retry_after_ns == RAY_NEVER)
        ray_text_json_literal(out, "retry_after_ns", "never");
    else
        ray_text_json_u64(out, "retry_after_ns", retry_after_ns);
}

void ray_json_named(ray_call *call, const char *key, uint32_t by_kind, uint32_t by_id)
{
    ray_name name;
    if (by_kind == RAY_BY_NONE || by_id == RAY_NONE) {
        ray_text_json_null(call->out, key);
        return;
    }
    ray_by_name(call->ray, by_kind, by_id, &name);
    ray_text_json_name(call->out, key, &name);
}

static void json_headers(ray_text *out, const ray_text *headers)
{
    ray_text_json_open(out, "headers", '[');
    for (uint64_t start = 0; start < headers->length;) {
        uint64_t end = start;
        while (end < headers->length && headers->at[end] != '\r')
            end++;
        ray_text_json_string(out, 0, headers->at + start, end - start);
        start = end + 2;
    }
    ray_text_json_close(out, ']');
}

void ray_answer_json(ray_call *call, const ray_answer *answer, const ray_text *headers)
{
    ray_text *out = call->out;
    ray_text_json_literal(out, "verdict", ray_verdict_word(answer->verdict));
    ray_text_json_u64(out, "http_status", answer->http_status);
    ray_text_json_literal(out, "reason", ray_reason_word(answer->reason));
    ray_text_json_literal(out, "by_kind", ray_by_word(answer->by_kind));
    ray_json_named(call, "by", answer->by_kind, answer->by_id);
    json_retry(out, answer->retry_after_ns);
    ray_text_json_u64(out, "start_at_ns", answer->start_at_ns);
    ray_text_json_bool(out, "queued", answer->queued);
    ray_text_json_literal(out, "class", ray_class_word(answer->priority));
    ray_text_json_u64(out, "wait_ns", answer->wait_ns);
    ray_text_json_i64(out, "cost_nano", answer->cost_nano);
    ray_json_named(call, "route", RAY_BY_ROUTE, answer->route);
    ray_json_named(call, "service", RAY_BY_SERVICE, answer->service);
    ray_text_json_u64(out, "seq", answer->id);
    ray_text_json_u64(out, "at_ns", answer->at_ns);
    ray_text_json_u64(out, "epoch", answer->epoch);
    ray_text_json_u64(out, "audit_id", answer->audit_id);
    ray_text_json_u64(out, "would_deny", answer->would_deny_count);
    ray_text_json_open(out, "shadow", '[');
    for (uint32_t i = 0; i < answer->shadow_count; i++) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_literal(out, "by_kind", ray_by_word(answer->shadow[i].by_kind));
        ray_json_named(call, "by", answer->shadow[i].by_kind, answer->shadow[i].by_id);
        ray_text_json_literal(out, "reason", ray_reason_word(answer->shadow[i].reason));
        json_retry(out, answer->shadow[i].retry_after_ns);
        ray_text_json_close(out, '}');
    }
    ray_text_json_close(out, ']');
    json_headers(out, headers);
}
