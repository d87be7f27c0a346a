/* SPDX-License-Identifier: MIT */
/* error.c - one table of what can go wrong, in HTTP, in gRPC and in words; and the response that
 * says so. Not a byte of the service's or the client's gets into it. */
#include "parts.h"
#include "base/fixed.h"

/* -- the table -- */
typedef struct error_row {
    const char *title;
    uint16_t reason;
    uint16_t http;
    uint32_t grpc;
} error_row;

static const error_row errors[] = {
    {"Too many requests in progress", RAY_REASON_INFLIGHT_FULL, 503, RAY_GRPC_UNAVAILABLE},
    {"Shutting down", RAY_REASON_DRAINING, 503, RAY_GRPC_UNAVAILABLE},
    {"No answer in time", RAY_REASON_DEADLINE, 504, RAY_GRPC_DEADLINE_EXCEEDED},
    {"Cancelled by the client", RAY_REASON_CLIENT_CANCEL, 499, RAY_GRPC_CANCELLED},
    {"Not found", RAY_REASON_NO_ROUTE, 404, RAY_GRPC_UNIMPLEMENTED},
    {"Method not allowed", RAY_REASON_METHOD_NOT_ALLOWED, 405, RAY_GRPC_UNIMPLEMENTED},
    {"Method not implemented", RAY_REASON_METHOD_UNKNOWN, 501, RAY_GRPC_UNIMPLEMENTED},
    {"Bad path", RAY_REASON_PATH_BAD, 400, RAY_GRPC_INVALID_ARGUMENT},
    {"Request target too long", RAY_REASON_TARGET_TOO_LONG, 414, RAY_GRPC_INVALID_ARGUMENT},
    {"Header fields too large", RAY_REASON_HEADERS_TOO_LARGE, 431, RAY_GRPC_RESOURCE_EXHAUSTED},
    {"Body too large", RAY_REASON_BODY_TOO_LARGE, 413, RAY_GRPC_RESOURCE_EXHAUSTED},
    {"Bad header fields", RAY_REASON_HEADERS_BAD, 400, RAY_GRPC_INVALID_ARGUMENT},
    {"Service unavailable", RAY_REASON_SERVICE_UNHEALTHY, 503, RAY_GRPC_UNAVAILABLE},
    {"Too many requests", RAY_REASON_RATE_LIMITED, 429, RAY_GRPC_RESOURCE_EXHAUSTED},
    {"More than the limit can ever hold", RAY_REASON_RATE_NEVER, 429, RAY_GRPC_OUT_OF_RANGE},
    {"Held by an operator", RAY_REASON_RATE_HELD, 429, RAY_GRPC_UNAVAILABLE},
    {"Too many requests waiting", RAY_REASON_RATE_QUEUE_FULL, 429, RAY_GRPC_RESOURCE_EXHAUSTED},
    {"Too many clients", RAY_REASON_RATE_TABLE_FULL, 429, RAY_GRPC_RESOURCE_EXHAUSTED},
    {"Reserved for more urgent requests", RAY_REASON_RATE_RESERVED, 429,
     RAY_GRPC_RESOURCE_EXHAUSTED},
    {"No limit allows this request", RAY_REASON_LIMIT_REQUIRED, 403, RAY_GRPC_PERMISSION_DENIED},
    {"Quota used up", RAY_REASON_QUOTA_EXCEEDED, 429, RAY_GRPC_RESOURCE_EXHAUSTED},
    {"More than the quota can ever hold", RAY_REASON_QUOTA_NEVER, 429, RAY_GRPC_OUT_OF_RANGE},
    {"Quota guard", RAY_REASON_QUOTA_GUARD, 429, RAY_GRPC_RESOURCE_EXHAUSTED},
    {"Too many quotas in use", RAY_REASON_QUOTA_TABLE_FULL, 429, RAY_GRPC_RESOURCE_EXHAUSTED},
    {"Too many requests waiting", RAY_REASON_QUEUE_FULL, 503, RAY_GRPC_RESOURCE_EXHAUSTED},
    {"Displaced by a more urgent request", RAY_REASON_DISPLACED, 503, RAY_GRPC_UNAVAILABLE},
    {"Taken out of its queue", RAY_REASON_PREEMPTED, 503, RAY_GRPC_ABORTED},
    {"Service unavailable", RAY_REASON_SERVICE_GONE, 503, RAY_GRPC_UNAVAILABLE},
    {"Forbidden", RAY_REASON_POLICY_DENIED, 403, RAY_GRPC_PERMISSION_DENIED},
    {"Forbidden", RAY_REASON_POLICY_INDETERMINATE, 403, RAY_GRPC_PERMISSION_DENIED},
    {"Forbidden", RAY_REASON_POLICY_DEFAULT, 403, RAY_GRPC_PERMISSION_DENIED},
    {"Elsewhere", RAY_REASON_POLICY_REDIRECT, 307, RAY_GRPC_FAILED_PRECONDITION},
    {"Price out of range", RAY_REASON_COST_RANGE, 400, RAY_GRPC_OUT_OF_RANGE},
    {"The body breaks its schema", RAY_REASON_SCHEMA_INVALID, 400, RAY_GRPC_INVALID_ARGUMENT},
    {"The body is malformed", RAY_REASON_BODY_MALFORMED, 400, RAY_GRPC_INVALID_ARGUMENT},
    {"Unsupported media type", RAY_REASON_MEDIA_UNSUPPORTED, 415, RAY_GRPC_INVALID_ARGUMENT},
    {"Not acceptable", RAY_REASON_NOT_ACCEPTABLE, 406, RAY_GRPC_INVALID_ARGUMENT},
    {"Cannot be converted without loss", RAY_REASON_LOSSY, 400, RAY_GRPC_INVALID_ARGUMENT},
    {"The service answered with something else", RAY_REASON_RESPONSE_INVALID, 502,
     RAY_GRPC_INTERNAL},
    {"Nothing is kept of it", RAY_REASON_CACHE_ONLY, 504, RAY_GRPC_UNAVAILABLE},
    {"The service refused", RAY_REASON_GRPC_STATUS, 502, RAY_GRPC_UNKNOWN},
    {"Body too large once converted", RAY_REASON_BODY_GROWN, 413, RAY_GRPC_RESOURCE_EXHAUSTED},
};

static const error_row *row_of(uint32_t reason)
{
    for (uint32_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].reason == reason)
            return &errors[i];
    return NULL;
}

uint16_t ray_error_http(uint32_t reason)
{
    const error_row *row = row_of(reason);
    return row != NULL ? row->http : 500;
}

uint32_t ray_error_grpc(uint32_t reason)
{
    const error_row *row = row_of(reason);
    return row != NULL ? row->grpc : (uint32_t)RAY_GRPC_UNKNOWN;
}

const char *ray_error_title(uint32_t reason)
{
    const error_row *row = row_of(reason);
    return row != NULL ? row->title : "Internal error";
}

/* -- gRPC -- */
uint16_t ray_grpc_http(uint32_t code)
{
    static const uint16_t http[RAY_GRPC_MAX] = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                                                400, 409, 400, 501, 500, 503, 500, 401};
    return code < RAY_GRPC_MAX ? http[code] : 500;
}

uint32_t ray_http_grpc(uint32_t http_status)
{
    switch (http_status) {
    case 200: return RAY_GRPC_OK;
    case 400: return RAY_GRPC_INTERNAL;
    case 401: return RAY_GRPC_UNAUTHENTICATED;
    case 403: return RAY_GRPC_PERMISSION_DENIED;
    case 404: return RAY_GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504: return RAY_GRPC_UNAVAILABLE;
    default: return RAY_GRPC_UNKNOWN;
    }
}

/* -- REST -- */
enum {
    BODY = 1,
    KEPT = 2,
    ERROR = 4,
    LOCATION = 1 << 8,
    ALLOW = 2 << 8,
    RETRY_AFTER = 3 << 8,
    ACCEPT = 4 << 8
};

/* RFC 9110 15: which statuses have content, which field belongs to which. What may be kept is less
 * than 15.1 lets be: an error that is kept is a denial of service for everybody (CPDoS). */
uint32_t ray_rest_row(uint32_t http_status)
{
    static const struct {
        uint16_t status;
        uint16_t row;
    } rows[] = {
        {200, BODY | KEPT}, {201, BODY | LOCATION}, {203, BODY | KEPT}, {204, KEPT}, {205, 0},
        {300, BODY | KEPT}, {301, BODY | KEPT | LOCATION}, {302, BODY | LOCATION},
        {303, BODY | LOCATION}, {304, 0}, {307, BODY | LOCATION},
        {308, BODY | KEPT | LOCATION}, {405, BODY | ERROR | ALLOW},
        {415, BODY | ERROR | ACCEPT}, {429, BODY | ERROR | RETRY_AFTER},
        {503, BODY | ERROR | RETRY_AFTER},
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == http_status)
            return rows[i].row;
    if (http_status < 200)
        return 0;
    return http_status < 400 ? BODY : BODY | ERROR;
}

/* -- the response -- */
static void put_allow(uint32_t methods, ray_text *headers)
{
    char memory[64];
    ray_text list;
    ray_text_init(&list, memory, sizeof memory);
    for (uint32_t method = RAY_METHOD_GET; method < RAY_METHOD_MAX; method++) {
        if ((methods >> method & 1) == 0)
            continue;
        if (list.length != 0)
            ray_text_put(&list, ", ");
        ray_text_put(&list, ray_method_word(method));
    }
    ray_header_put(headers, (ray_view){(const uint8_t *)"allow", 5},
                   (ray_view){(const uint8_t *)memory, list.length});
}

static void put_field(const ray_error_spec *spec, uint32_t status, ray_text *headers)
{
    uint32_t field = ray_rest_row(status) >> 8 << 8;
    if (field == ALLOW)
        put_allow(spec->methods, headers);
    if (field == ACCEPT && ray_content_type(spec->content, 0) != NULL)
        ray_header_put_word(headers, "accept", ray_content_type(spec->content, 0));
    if (field == RETRY_AFTER && spec->retry_after_ns != 0 && spec->retry_after_ns != RAY_NEVER)
        ray_header_put_u64(headers, "retry-after", ray_seconds_up(spec->retry_after_ns));
}

/* A reason that has no words of its own says no more than its status: who fails to prove who they
 * are need not learn at which check. */
static const char *title_of(uint32_t reason, uint32_t status)
{
    static const struct {
        uint32_t status;
        const char *title;
    } plain[] = {{400, "Bad request"},         {401, "Unauthorized"}, {403, "Forbidden"},
                 {404, "Not found"},           {429, "Too many requests"},
                 {502, "Bad gateway"},         {503, "Service unavailable"},
                 {504, "No answer in time"}};
    if (row_of(reason) != NULL)
        return ray_error_title(reason);
    for (uint32_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (plain[i].status == status)
            return plain[i].title;
    return ray_error_title(reason);
}

/* A gRPC client reads trailers; a refusal has them alone ("Trailers-Only"). */
static uint16_t grpc_error(const ray_error_spec *spec, uint32_t status, ray_text *headers)
{
    uint32_t ours = row_of(spec->reason) != NULL && spec->reason != RAY_REASON_GRPC_STATUS;
    uint32_t code = ours != 0 ? ray_error_grpc(spec->reason) : ray_http_grpc(status);
    ray_header_put_word(headers, "content-type", "application/grpc");
    ray_header_put_u64(headers, "grpc-status", code);
    ray_header_put_word(headers, "grpc-message", title_of(spec->reason, status));
    if (spec->retry_after_ns != 0 && spec->retry_after_ns != RAY_NEVER &&
        (code == RAY_GRPC_UNAVAILABLE || code == RAY_GRPC_RESOURCE_EXHAUSTED))
        ray_header_put_u64(headers, "grpc-retry-pushback-ms",
                           spec->retry_after_ns / 1000000 +
                               (spec->retry_after_ns % 1000000 != 0));
    return 200;
}

/* A word says more than a number; a number nobody defined stays one. */
static void put_reason(ray_text *body, uint32_t reason)
{
    const char *word = ray_reason_word(reason);
    if (word[0] != '?')
        ray_text_put(body, word);
    else
        ray_text_u64(body, reason);
}

static void put_problem(const ray_error_spec *spec, uint32_t status, ray_text *body)
{
    ray_text_put(body, "{\"type\":\"urn:raygate:reason:");
    put_reason(body, spec->reason);
    ray_text_put(body, "\",\"title\":\"");
    ray_text_put(body, title_of(spec->reason, status));
    ray_text_put(body, "\",\"status\":");
    ray_text_u64(body, status);
    if (spec->retry_after_ns != 0 && spec->retry_after_ns != RAY_NEVER) {
        ray_text_put(body, ",\"retry_after_ns\":");
        ray_text_u64(body, spec->retry_after_ns);
    }
    ray_text_char(body, '}');
}

uint16_t ray_mediator_error(const ray_error_spec *spec, ray_text *headers, ray_text *body)
{
    uint16_t status = spec->http_status != 0 ? spec->http_status : ray_error_http(spec->reason);
    if (spec->grpc != 0)
        return grpc_error(spec, status, headers);
    uint64_t before = body->length;
    if (spec->text != NULL) {
        ray_text_put(body, spec->text);
        ray_text_char(body, '\n');
    } else {
        put_problem(spec, status, body);
    }
    ray_header_put_word(headers, "content-type",
                        spec->text != NULL ? "text/plain" : "application/problem+json");
    ray_header_put_word(headers, "cache-control", "no-store");
    put_field(spec, status, headers);
    ray_header_put_u64(headers, "content-length", body->length - before);
    return status;
}
