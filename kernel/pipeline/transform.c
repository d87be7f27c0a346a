/* SPDX-License-Identifier: MIT */
/* transform.c - the step with the bytes: what goes on to a service, what goes back to a client, and
 * what a client is told about a no. Its place is before a request is sent and before its COMPLETE;
 * the caller holds the bytes, the request in flight knows the rest. */
#include "pipeline/journey.h"
#include "ray/transform.h"
#include "mediator/parts.h"
#include "base/bytes.h"

/* -- the request in flight -- */
/* `place` RAY_NONE: the call names none. What waits, for its turn or to be tried again, is not at
 * its service: neither is there anything to send nor can anything have come back. */
static ray_status find(const struct ray *ray, uint64_t now_ns, const ray_transform_call *call,
                       uint32_t *place, uint32_t *transform)
{
    *place = RAY_NONE;
    *transform = call->transform;
    if (call->id == 0)
        return RAY_OK;
    *place = ray_inflight_find(ray, call->id);
    if (*place == RAY_NONE || ray->inflight.slot[*place].timed != 0 ||
        ray->inflight.due_ns[*place] <= now_ns)
        return RAY_E_UNKNOWN;
    *transform = ray->inflight.more[*place].transform;
    uint32_t phase = ray->inflight.slot[*place].phase;
    return phase == RAY_PHASE_SENT || phase == RAY_PHASE_HELD ? RAY_OK : RAY_E_STATE;
}

/* -- outputs -- */
typedef struct written {
    uint64_t headers;
    uint64_t body;
} written;

/* An error leaves nothing behind but the word that there was no room. */
static ray_status finish(ray_status status, const written *before, ray_text *headers,
                         ray_text *body)
{
    if (status == RAY_OK && (headers->truncated != 0 || body->truncated != 0))
        status = RAY_E_TRUNCATED;
    if (status != RAY_OK) {
        headers->length = before->headers;
        body->length = before->body;
    }
    return status;
}

static void report_begin(uint16_t http_status, ray_mediator_report *report)
{
    memset(report, 0, sizeof *report);
    report->reason = RAY_REASON_OK;
    report->http_status = http_status;
    report->outcome_status = http_status;
}

/* -- the request -- */
/* An empty body is a message where the method is there to send one. */
static uint32_t sends_content(const struct ray *ray, uint32_t place)
{
    return place != RAY_NONE && ray_sends_content(ray->inflight.more[place].method) != 0;
}

static ray_status encode_request(const struct ray *ray, uint32_t place, uint32_t transform,
                                 const ray_transform_call *call, ray_text *out,
                                 ray_mediator_report *report)
{
    if (transform != RAY_NONE && (call->body.length != 0 || sends_content(ray, place) != 0))
        return ray_mediator_encode_request(&ray->mediator, transform, call->headers, call->body,
                                           out, report);
    ray_text_bytes(out, (const char *)call->body.at, call->body.length);
    return RAY_OK;
}

/* The field the credential came in: it was for this gateway, and the service could use it in its
 * client's name. */
static ray_view consumed_by(const struct ray *ray, uint32_t scheme, ray_auth_spec *auth)
{
    if (scheme == RAY_SCHEME_NONE || scheme == RAY_SCHEME_VOUCHED)
        return (ray_view){NULL, 0};
    if (scheme != RAY_SCHEME_API_KEY)
        return (ray_view){(const uint8_t *)"authorization", 13};
    ray_auth_spec_read(&ray->auth, auth);
    return (ray_view){(const uint8_t *)auth->header.at, ray_name_length(&auth->header)};
}

ray_status ray_transform_request(const struct ray *ray, uint64_t now_ns,
                                 const ray_transform_call *call, ray_text *headers,
                                 ray_text *body, ray_mediator_report *report)
{
    const written before = {headers->length, body->length};
    const ray_name *own = &ray->who.settings.request_id;
    char digits[24];
    uint32_t place, transform;
    ray_auth_spec auth;
    ray_text id;
    report_begin(0, report);
    ray_status status = find(ray, now_ns, call, &place, &transform);
    if (status == RAY_OK)
        status = encode_request(ray, place, transform, call, body, report);
    if (status != RAY_OK)
        return finish(status, &before, headers, body);
    ray_forward_spec spec = {.headers = call->headers, .transform = transform,
                             .body_length = body->length - before.body,
                             .side = RAY_SIDE_REQUEST,
                             .says_length = sends_content(ray, place) != 0};
    if (place != RAY_NONE) {
        ray_text_init(&id, digits, sizeof digits);
        ray_text_u64(&id, ray->inflight.slot[place].seq);
        spec.own_name = (ray_view){(const uint8_t *)own->at, ray_name_length(own)};
        spec.own_value = (ray_view){(const uint8_t *)digits, id.length};
        spec.timeout_ns = ray->inflight.due_ns[place] - now_ns;
        spec.consumed = consumed_by(ray, ray->inflight.more[place].scheme, &auth);
    }
    return finish(ray_mediator_forward(&ray->mediator, &spec, headers), &before, headers, body);
}

/* -- the response -- */
/* A response without a body to convert: its fields alone. */
static ray_status pass_fields(const struct ray *ray, const ray_transform_call *call,
                              uint32_t transform, uint32_t is_head, uint64_t length,
                              ray_text *headers)
{
    ray_forward_spec spec = {.headers = call->headers, .transform = transform,
                             .body_length = length, .side = RAY_SIDE_RESPONSE,
                             .bodiless = is_head != 0 || (ray_rest_row(call->http_status) & 1) == 0,
                             .keeps_length = is_head != 0};
    return ray_mediator_forward(&ray->mediator, &spec, headers);
}

static ray_status answer_with(const struct ray *ray, const ray_transform_call *call,
                              uint32_t place, uint32_t transform, ray_text *headers,
                              ray_text *body, ray_mediator_report *report)
{
    uint32_t is_head = place != RAY_NONE && ray->inflight.more[place].method == RAY_METHOD_HEAD;
    if (transform != RAY_NONE && is_head == 0)
        return ray_mediator_encode_response(&ray->mediator, transform, call->http_status,
                                            call->headers, call->body, headers, body, report);
    uint64_t begin = body->length;
    if (is_head == 0 && (ray_rest_row(call->http_status) & 1) != 0)
        ray_text_bytes(body, (const char *)call->body.at, call->body.length);
    ray_status status =
        pass_fields(ray, call, transform, is_head, body->length - begin, headers);
    if (status == RAY_E_ARGUMENT) {
        report->reason = RAY_REASON_RESPONSE_INVALID;
        report->http_status = report->outcome_status = 502;
        return RAY_E_SYNTAX;
    }
    return status;
}

ray_status ray_transform_preview(const struct ray *ray, const ray_transform_call *call,
                                 ray_text *headers, ray_text *body, ray_mediator_report *report)
{
    const written before = {headers->length, body->length};
    report_begin(call->http_status, report);
    return finish(answer_with(ray, call, RAY_NONE, call->transform, headers, body, report),
                  &before, headers, body);
}

ray_status ray_transform_response(struct ray *ray, uint64_t now_ns,
                                  const ray_transform_call *call, ray_text *headers,
                                  ray_text *body, ray_mediator_report *report)
{
    const written before = {headers->length, body->length};
    uint32_t place, transform;
    report_begin(call->http_status, report);
    ray_status status = find(ray, now_ns, call, &place, &transform);
    if (status == RAY_OK)
        status = answer_with(ray, call, place, transform, headers, body, report);
    if (status == RAY_E_SYNTAX)
        ray_mediator_note_response(&ray->mediator, transform, report->reason);
    return finish(status, &before, headers, body);
}

/* -- a no -- */
uint16_t ray_refusal(const struct ray *ray, const ray_answer *answer, ray_text *headers,
                     ray_text *body)
{
    uint32_t transform = answer->transform;
    if (transform == RAY_NONE && answer->route != RAY_NONE)
        transform = ray_mediator_transform_of(&ray->mediator, answer->route);
    const ray_transform_slot *slot = ray_transform_at(&ray->mediator, transform);
    ray_error_spec spec = {.retry_after_ns = answer->retry_after_ns, .methods = answer->allow,
                           .content = slot != NULL ? slot->spec.side[RAY_SIDE_REQUEST].from
                                                   : (uint32_t)RAY_CONTENT_ANY,
                           .reason = answer->reason, .http_status = answer->http_status,
                           .grpc = ray_mediator_speaks_grpc(&ray->mediator, transform) != 0,
                           .text = ray->who.settings.problem_json == 0
                                       ? ray_reason_word(answer->reason)
                                       : NULL};
    return ray_mediator_error(&spec, headers, body);
}
