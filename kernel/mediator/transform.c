/* SPDX-License-Identifier: MIT */
/* transform.c - bodies from one side's format to the other's: out of the gRPC frame, through the
 * format, back into a frame; and a response with its status, headers and body together. */
#include "parts.h"

enum { FRAME_BYTES = 5 };

/* -- gRPC frames -- */
/* One uncompressed message and nothing behind it: a unary call has exactly that. */
static uint32_t frame_take(ray_view body, ray_view *message)
{
    if (body.length < FRAME_BYTES || body.at[0] != 0)
        return 0;
    uint64_t length = (uint64_t)body.at[1] << 24 | (uint64_t)body.at[2] << 16 |
                      (uint64_t)body.at[3] << 8 | body.at[4];
    if (length != body.length - FRAME_BYTES)
        return 0;
    *message = (ray_view){body.at + FRAME_BYTES, length};
    return 1;
}

static void frame_begin(ray_text *out)
{
    for (uint32_t i = 0; i < FRAME_BYTES; i++)
        ray_text_char(out, 0);
}

static void frame_end(ray_text *out, uint64_t begin)
{
    if (out->truncated != 0)
        return;
    uint64_t length = out->length - begin - FRAME_BYTES;
    for (uint32_t i = 0; i < 4; i++)
        out->at[begin + 1 + i] = (char)(uint8_t)(length >> (24 - 8 * i));
}

/* -- reports -- */
static void report_begin(ray_mediator_report *report)
{
    memset(report, 0, sizeof *report);
    report->reason = RAY_REASON_OK;
}

/* A request's fault is the client's, a response's the service's. */
static ray_status report_refuse(ray_mediator_report *report, uint32_t side, uint32_t reason)
{
    if (side == RAY_SIDE_RESPONSE && reason != RAY_REASON_BODY_GROWN)
        reason = RAY_REASON_RESPONSE_INVALID;
    report->reason = (uint16_t)reason;
    report->http_status = side == RAY_SIDE_RESPONSE ? 502 : ray_error_http(reason);
    report->outcome_status = report->http_status;
    return RAY_E_SYNTAX;
}

/* -- one body -- */
static uint32_t is_framed(const ray_transform_side *rule, uint32_t content)
{
    return (rule->flags & RAY_TRANSFORM_GRPC) != 0 && content == RAY_CONTENT_PROTOBUF;
}

/* The message of one side: out of its frame, and with what divides it. */
static ray_status message_of(const ray_transform_side *rule, uint32_t side, ray_body *body,
                             ray_mediator_report *report)
{
    ray_view whole = body->bytes, type;
    if (is_framed(rule, rule->from) && !frame_take(whole, &body->bytes))
        return report_refuse(report, side, RAY_REASON_BODY_MALFORMED);
    if (rule->from == RAY_CONTENT_MULTIPART &&
        (!ray_headers_find(body->headers, "content-type", 12, 0, &type) ||
         !ray_format_boundary(type, &body->boundary)))
        return report_refuse(report, side, RAY_REASON_MEDIA_UNSUPPORTED);
    return RAY_OK;
}

ray_status ray_mediator_validate(const ray_mediator *mediator, uint32_t transform, uint32_t side,
                                 ray_view headers, ray_view body, ray_mediator_report *report)
{
    const ray_transform_slot *slot = ray_transform_at(mediator, transform);
    ray_body message = {headers, body, {NULL, 0}};
    if (slot == NULL || side >= RAY_SIDE_MAX)
        return RAY_E_UNKNOWN;
    report_begin(report);
    const ray_transform_side *rule = &slot->spec.side[side];
    ray_status status = message_of(rule, side, &message, report);
    if (status != RAY_OK)
        return status;
    uint32_t reason = ray_body_check(mediator, rule, &message, report);
    return reason == RAY_REASON_OK ? RAY_OK : report_refuse(report, side, reason);
}

static ray_status encode(const ray_mediator *mediator, const ray_transform_side *rule,
                         uint32_t side, ray_body *body, ray_text *out,
                         ray_mediator_report *report)
{
    uint64_t begin = out->length;
    ray_status status = message_of(rule, side, body, report);
    if (status != RAY_OK)
        return status;
    if (is_framed(rule, rule->to))
        frame_begin(out);
    uint32_t reason = ray_body_convert(mediator, rule, body, out, report);
    if (reason != RAY_REASON_OK) {
        status = report_refuse(report, side, reason);
        return reason == RAY_REASON_BODY_GROWN ? RAY_E_TRUNCATED : status;   /* more room helps */
    }
    if (is_framed(rule, rule->to))
        frame_end(out, begin);
    if (out->truncated == 0)
        return RAY_OK;
    (void)report_refuse(report, side, RAY_REASON_BODY_GROWN);
    return RAY_E_TRUNCATED;
}

ray_status ray_mediator_encode_request(const ray_mediator *mediator, uint32_t transform,
                                       ray_view headers, ray_view body, ray_text *out,
                                       ray_mediator_report *report)
{
    const ray_transform_slot *slot = ray_transform_at(mediator, transform);
    if (slot == NULL)
        return RAY_E_UNKNOWN;
    report_begin(report);
    ray_body message = {headers, body, {NULL, 0}};
    return encode(mediator, &slot->spec.side[RAY_SIDE_REQUEST], RAY_SIDE_REQUEST, &message, out,
                  report);
}

/* -- the response -- */
/* What the service says by grpc-status. A stream that was cut before its trailers says nothing, and
 * nobody knows what became of the call (grpc.io, status codes): that is no success. */
static uint32_t grpc_status_of(ray_view headers)
{
    ray_view value;
    uint64_t code = RAY_GRPC_OK;
    if (!ray_headers_find(headers, "grpc-status", 11, 0, &value))
        return RAY_GRPC_UNKNOWN;
    if (!ray_view_u64(value, &code) || code >= RAY_GRPC_MAX)
        return RAY_GRPC_UNKNOWN;
    return (uint32_t)code;
}

/* Retry-After of the answer, where it is in seconds: what replaces the answer says it too. */
static uint64_t retry_after_of(ray_view headers)
{
    ray_view value;
    uint64_t seconds = 0;
    return ray_headers_find(headers, "retry-after", 11, 0, &value) &&
                   ray_view_u64(value, &seconds) && seconds < UINT32_MAX
               ? seconds * 1000000000U
               : 0;
}

/* Our own words in place of the service's; trailers for a client that speaks gRPC. */
static ray_status replaced(const ray_transform_side *rule, uint32_t reason, uint16_t http_status,
                           ray_view headers, ray_text *headers_out, ray_text *out,
                           ray_mediator_report *report)
{
    ray_error_spec error = {.reason = (uint16_t)reason, .http_status = http_status,
                            .retry_after_ns = retry_after_of(headers),
                            .content = RAY_CONTENT_ANY,
                            .grpc = is_framed(rule, rule->to) != 0};
    report->reason = (uint16_t)reason;
    report->outcome_status = http_status;
    report->http_status = ray_mediator_error(&error, headers_out, out);
    return headers_out->truncated != 0 || out->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

/* Says the call itself, by its trailer, that it failed? An HTTP error without one speaks for
 * itself. */
static uint32_t failed_by_grpc(const ray_transform_side *rule, uint32_t row, ray_view headers)
{
    ray_view value;
    return is_framed(rule, rule->from) != 0 && grpc_status_of(headers) != RAY_GRPC_OK &&
           ((row & 4) == 0 || ray_headers_find(headers, "grpc-status", 11, 0, &value) != 0);
}

/* Some statuses have no body. A gRPC message stands in a frame even when it is empty, and nothing
 * at all is a protobuf message whose members all have their defaults; in text it is no message. */
static ray_status encode_success(const ray_mediator *mediator, const ray_transform_side *rule,
                                 uint16_t http_status, ray_view headers, ray_view body,
                                 ray_text *out, ray_mediator_report *report)
{
    ray_body message = {headers, body, {NULL, 0}};
    uint32_t is_message = body.length != 0 || rule->from == RAY_CONTENT_PROTOBUF;
    if ((ray_rest_row(http_status) & 1) == 0 || is_message == 0)
        return RAY_OK;
    return encode(mediator, rule, RAY_SIDE_RESPONSE, &message, out, report);
}

ray_status ray_response_keep(const ray_mediator *mediator, uint32_t transform,
                             uint16_t http_status, ray_view headers, ray_view body, ray_text *out,
                             uint64_t *body_length)
{
    ray_mediator_report report;
    const ray_transform_side *rule =
        &ray_transform_at(mediator, transform)->spec.side[RAY_SIDE_RESPONSE];
    report_begin(&report);
    if (is_framed(rule, rule->from) && grpc_status_of(headers) != RAY_GRPC_OK)
        return RAY_E_SYNTAX;
    ray_status status =
        encode_success(mediator, rule, http_status, headers, body, out, &report);
    if (status != RAY_OK)
        return report.reason == RAY_REASON_BODY_GROWN ? RAY_E_TRUNCATED : status;
    *body_length = out->length;
    ray_forward_spec spec = {.headers = headers, .body_length = *body_length,
                             .transform = transform, .side = RAY_SIDE_RESPONSE,
                             .bodiless = (ray_rest_row(http_status) & 1) == 0};
    return ray_mediator_forward(mediator, &spec, out);
}

/* An error's body is the service's own words in whatever format: only what succeeded is
 * converted, the rest is replaced. */
ray_status ray_mediator_encode_response(const ray_mediator *mediator, uint32_t transform,
                                        uint16_t http_status, ray_view headers, ray_view body,
                                        ray_text *headers_out, ray_text *out,
                                        ray_mediator_report *report)
{
    const ray_transform_slot *slot = ray_transform_at(mediator, transform);
    if (slot == NULL)
        return RAY_E_UNKNOWN;
    const ray_transform_side *rule = &slot->spec.side[RAY_SIDE_RESPONSE];
    report_begin(report);
    report->http_status = report->outcome_status = http_status;
    uint32_t row = ray_rest_row(http_status), changed = rule->from != rule->to;
    if (!ray_headers_sound(headers) ||
        ((row & 5) == 1 && body.length != 0 && rule->from < RAY_CONTENT_BINARY &&
         ray_is_coded(headers)))
        return report_refuse(report, RAY_SIDE_RESPONSE, RAY_REASON_RESPONSE_INVALID);
    uint32_t failed = failed_by_grpc(rule, row, headers);
    if (failed != 0)
        report->outcome_status = ray_grpc_http(grpc_status_of(headers));
    if (failed != 0 && changed != 0)
        return replaced(rule, RAY_REASON_GRPC_STATUS, report->outcome_status, headers,
                        headers_out, out, report);
    if ((row & 4) != 0 && changed != 0)
        return replaced(rule, is_framed(rule, rule->to) != 0 ? RAY_REASON_GRPC_STATUS
                                                             : RAY_REASON_RESPONSE_INVALID,
                        http_status, headers, headers_out, out, report);
    uint64_t begin = out->length;
    ray_status status = RAY_OK;
    if ((row & 4) == 0 && failed == 0)
        status = encode_success(mediator, rule, http_status, headers, body, out, report);
    else if ((row & 1) != 0 && failed == 0)
        ray_text_bytes(out, (const char *)body.at, body.length);
    if (status != RAY_OK)
        return status;
    ray_forward_spec spec = {.headers = headers, .body_length = out->length - begin,
                             .transform = transform, .side = RAY_SIDE_RESPONSE,
                             .bodiless = (row & 1) == 0};
    return ray_mediator_forward(mediator, &spec, headers_out);
}
