/* SPDX-License-Identifier: MIT */
/* cmd_mediator_convert.c - mediator convert: what becomes of one message on its way through a
 * transform, by the same step that requests go through. It only looks: nothing is counted. */
#include "parts.h"
#include "ray/transform.h"

enum convert_size { CONVERT_HEADERS = 4096, CONVERT_BODY = 16384 };

/* Work memory of one message. */
typedef struct message {
    ray_transform_call call;
    ray_mediator_report report;
    ray_text headers;
    ray_text body;
    uint8_t packed[4 * RAY_SHELL_LINE_MAX];
    uint8_t bytes[RAY_SHELL_LINE_MAX];
    char headers_out[CONVERT_HEADERS];
    char body_out[CONVERT_BODY];
} message;

/* -- the message as it was typed -- */
/* BODY as it stands, or with --hex two digits a byte: protobuf is not typed otherwise. */
static ray_status fill_body(ray_call *call, message *m)
{
    const char *at = call->word[3];
    uint32_t length = call->length[3];
    m->call.body = (ray_view){(const uint8_t *)at, length};
    if (!ray_call_flag(call, "--hex"))
        return RAY_OK;
    for (uint32_t i = 0; i + 1 < length; i += 2) {
        uint32_t high = ray_parse_digit(at[i]), low = ray_parse_digit(at[i + 1]);
        if (high > 15 || low > 15)
            return ray_call_error(call, RAY_E_SYNTAX, "not hexadecimal digits", 3, 0);
        m->bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    if (length % 2 != 0)
        return ray_call_error(call, RAY_E_SYNTAX, "a byte is two hexadecimal digits", 3, 0);
    m->call.body = (ray_view){m->bytes, length / 2};
    return RAY_OK;
}

static ray_status fill(ray_call *call, message *m)
{
    uint64_t http_status = 200;
    uint32_t used = 0;
    ray_status status = ray_call_headers(call, m->packed, &used);
    if (status == RAY_OK)
        status = ray_option_u64(call, "--status", &http_status);
    if (status == RAY_OK && (http_status < 200 || http_status > 599))
        status = ray_call_error(call, RAY_E_RANGE, "a status is 200 to 599", RAY_NONE, 0);
    m->call.headers = (ray_view){m->packed, used};
    m->call.http_status = (uint16_t)http_status;
    ray_text_init(&m->headers, m->headers_out, sizeof m->headers_out);
    ray_text_init(&m->body, m->body_out, sizeof m->body_out);
    return status == RAY_OK ? fill_body(call, m) : status;
}

/* -- what came of it -- */
static uint32_t next_field(const message *m, uint64_t *at, ray_view *name, ray_view *value)
{
    const uint8_t *block = (const uint8_t *)m->headers.at;
    if (*at + 4 > m->headers.length)
        return 0;
    name->at = block + *at + 4;
    name->length = block[*at] | (uint64_t)block[*at + 1] << 8;
    value->at = name->at + name->length;
    value->length = block[*at + 2] | (uint64_t)block[*at + 3] << 8;
    *at += 4 + name->length + value->length;
    return 1;
}

static void put_text(ray_call *call, const message *m, uint32_t accepted)
{
    ray_text *out = call->out;
    ray_view name, value;
    if (accepted == 0) {
        ray_text_put(out, "refused (");
        ray_text_u64(out, m->report.http_status);
        ray_text_put(out, "): ");
        ray_text_put(out, ray_reason_word(m->report.reason));
        ray_text_put(out, " at \"");
        ray_text_escaped(out, m->report.pointer, ray_word_length(m->report.pointer));
        ray_text_put(out, "\" ");
        ray_text_put(out, m->report.keyword);
        ray_text_char(out, '\n');
        return;
    }
    if (ray_call_flag(call, "--response")) {
        ray_text_put(out, "  status      ");
        ray_text_u64(out, m->report.http_status);
        ray_text_char(out, '\n');
    }
    for (uint64_t at = 0; next_field(m, &at, &name, &value) != 0;) {
        ray_text_put(out, "  header      ");
        ray_text_escaped(out, (const char *)name.at, name.length);
        ray_text_put(out, ": ");
        ray_text_escaped(out, (const char *)value.at, value.length);
        ray_text_char(out, '\n');
    }
    ray_text_put(out, "  body        ");
    ray_text_escaped(out, m->body.at, m->body.length);
    ray_text_char(out, '\n');
    if (m->report.lossy != 0) {
        ray_text_put(out, "  lost        ");
        ray_text_escaped(out, m->report.pointer, ray_word_length(m->report.pointer));
        ray_text_char(out, '\n');
    }
}

static void put_json(ray_call *call, const message *m, uint32_t accepted)
{
    ray_text *out = call->out;
    ray_view name, value;
    ray_text_json_open(out, 0, '{');
    ray_text_json_bool(out, "accepted", accepted);
    ray_text_json_literal(out, "reason", ray_reason_word(m->report.reason));
    ray_text_json_u64(out, "status", m->report.http_status);
    ray_text_json_u64(out, "outcome", m->report.outcome_status);
    ray_text_json_literal(out, "pointer", m->report.pointer);
    ray_text_json_literal(out, "keyword", m->report.keyword);
    ray_text_json_bool(out, "lossy", m->report.lossy);
    ray_text_json_open(out, "headers", '[');
    for (uint64_t at = 0; next_field(m, &at, &name, &value) != 0;) {
        ray_text_json_open(out, 0, '[');
        ray_text_json_string(out, 0, (const char *)name.at, name.length);
        ray_text_json_string(out, 0, (const char *)value.at, value.length);
        ray_text_json_close(out, ']');
    }
    ray_text_json_close(out, ']');
    ray_text_json_hex(out, "body_hex", (const uint8_t *)m->body.at, m->body.length);
    ray_json_end(out);
}

/* -- the command -- */
ray_status ray_mediator_convert(ray_call *call, uint32_t transform)
{
    message *m = ray_call_memory(call, sizeof *m);
    if (m == 0)
        return RAY_E_TRUNCATED;
    ray_status status = fill(call, m);
    if (status != RAY_OK)
        return status;
    m->call.transform = transform;
    if (ray_call_flag(call, "--response"))
        status = ray_transform_preview(call->ray, &m->call, &m->headers, &m->body, &m->report);
    else
        status = ray_transform_request(call->ray, call->now_ns, &m->call, &m->headers, &m->body,
                                       &m->report);
    if (status == RAY_E_ARGUMENT)
        return ray_call_error(call, status, "no server should believe these headers", RAY_NONE,
                              0);
    if (status != RAY_OK && m->report.reason == RAY_REASON_OK)
        return ray_call_error(call, status, "it does not fit into the console's buffers",
                              RAY_NONE, 0);
    if (call->json != 0)
        put_json(call, m, status == RAY_OK);
    else
        put_text(call, m, status == RAY_OK);
    return RAY_OK;
}
