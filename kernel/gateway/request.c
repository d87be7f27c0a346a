/* SPDX-License-Identifier: MIT */
/* request.c - one request: its sizes, its bytes, its route. Read ray_gateway_ask top to bottom. */
#include "gateway_state.h"
#include "base/headers.h"

static void refuse(ray_gateway_answer *out, uint32_t reason, uint32_t http_status)
{
    out->granted = 0;
    out->reason = (uint16_t)reason;
    out->http_status = (uint16_t)http_status;
}

/* What can be refused without looking at a path: one reason, the status that belongs to it. */
static uint32_t refuse_head(const ray_gateway_query *query, ray_gateway_answer *out)
{
    if (query->target.length > RAY_TARGET_BYTES_MAX)
        refuse(out, RAY_REASON_TARGET_TOO_LONG, 414);
    else if (query->headers.length > RAY_HEADER_BYTES_MAX)
        refuse(out, RAY_REASON_HEADERS_TOO_LARGE, 431);
    else if (query->method == RAY_METHOD_OTHER)
        refuse(out, RAY_REASON_METHOD_UNKNOWN, 501);
    else if (query->headers.length > 0 && !ray_headers_sound(query->headers))
        refuse(out, RAY_REASON_HEADERS_BAD, 400);
    else
        return 0;
    return 1;
}

/* Places of limits and captures past their counts keep what they held: nobody may read them. */
static void begin(const ray_gateway_query *query, ray_gateway_answer *out)
{
    out->path.at = NULL;
    out->path.length = 0;
    out->query.at = NULL;
    out->query.length = 0;
    out->timeout_ns = 0;
    out->route = RAY_NONE;
    out->service = query->service;
    out->weight = 1;
    out->allow = 0;
    out->limit_count = 0;
    out->service_off = 0;
    out->capture_count = 0;
    out->rewritten = 0;
    out->auth = 0;
    out->permission = 0;
    out->role = 0;
    memset(out->reserved, 0, sizeof out->reserved);
}

/* The path is known: RFC 9110 15.5.6 wants the methods it does take. HEAD goes with GET. */
static void refuse_method(ray_gateway_answer *out, uint32_t methods)
{
    uint32_t head = (methods & 1U << RAY_METHOD_GET) != 0 ? 1U << RAY_METHOD_HEAD : 0U;
    out->allow = methods | head;
    refuse(out, RAY_REASON_METHOD_NOT_ALLOWED, 405);
}

static uint32_t serving(uint32_t method)
{
    uint32_t bit = 1U << method;
    return method == RAY_METHOD_HEAD ? bit | 1U << RAY_METHOD_GET : bit;
}

/* Fills the answer from the best route; 0 and the refusal when there is none. */
static uint32_t route(const ray_gateway *gateway, const ray_gateway_query *query,
                      const ray_gateway_path *path, ray_view host, ray_gateway_answer *out)
{
    const ray_gateway_config *config = &gateway->config;
    ray_gateway_search search;
    search.config = config;
    search.path = path->path;
    search.query = path->query;
    search.headers = query->headers;
    search.ends = path->ends;
    search.method = 1U << query->method;
    search.accepted = serving(query->method);
    ray_gateway_search_run(&search, host);
    if (RAY_RARELY(search.best == RAY_NONE)) {
        if (path->escaped != 0)
            refuse(out, RAY_REASON_PATH_BAD, 400);
        else if (search.allow == 0)
            refuse(out, RAY_REASON_NO_ROUTE, 404);
        else
            refuse_method(out, search.allow);
        return 0;
    }
    const ray_route_spec *found = &config->route[search.slot];
    out->route = search.slot | (uint32_t)config->route_generation[search.slot] << 16;
    if (RAY_RARELY(path->escaped != 0 && found->allow_escapes == 0)) {
        refuse(out, RAY_REASON_PATH_BAD, 400);
        return 0;
    }
    out->service = found->service;
    out->weight = found->weight;
    out->auth = found->auth;
    out->permission = found->permission;
    out->role = found->role;
    out->limit_count = found->limit_count;
    for (uint32_t i = 0; i < found->limit_count; i++)
        out->limits[i] = found->limits[i];
    if (found->kind == RAY_ROUTE_WILDCARD)
        ray_gateway_captures(found, path->path, out);
    return 1;
}

ray_status ray_gateway_known(const ray_gateway *gateway, uint32_t id)
{
    const ray_gateway_config *config = &gateway->config;
    uint32_t slot = id & 0xffff;
    if (slot >= RAY_SERVICE_MAX)
        return RAY_E_UNKNOWN;
    if (id >> 16 != config->service_generation[slot])
        return RAY_E_STALE;
    return config->service[slot].name.at[0] != '\0' ? RAY_OK : RAY_E_UNKNOWN;
}

/* -- request -- */
ray_status ray_gateway_ask(const ray_gateway *gateway, uint64_t now_ns,
                           const ray_gateway_query *query, ray_gateway_answer *out)
{
    const ray_gateway_config *config = &gateway->config;
    ray_status status = RAY_OK;
    (void)now_ns;
    if (query->method >= RAY_METHOD_MAX)
        return RAY_E_ARGUMENT;
    if (query->service != RAY_NONE)
        status = ray_gateway_known(gateway, query->service);
    if (status != RAY_OK)
        return status;
    begin(query, out);
    if (RAY_RARELY(refuse_head(query, out)))
        return RAY_OK;
    ray_gateway_path path;
    ray_view host = {NULL, 0};
    ray_gateway_path_read(query->target, query->scratch, &path);
    if (RAY_RARELY(path.reason != RAY_REASON_OK)) {
        refuse(out, path.reason, 400);
        return RAY_OK;
    }
    out->path = path.path;
    out->query = path.query;
    out->rewritten = path.path.at == query->scratch;
    if (!ray_gateway_host_read(path.authority.length > 0 ? path.authority : query->host, &host)) {
        refuse(out, RAY_REASON_HEADERS_BAD, 400);
        return RAY_OK;
    }
    if (RAY_RARELY(query->service != RAY_NONE && path.escaped != 0)) {
        refuse(out, RAY_REASON_PATH_BAD, 400);
        return RAY_OK;
    }
    if (query->service == RAY_NONE && !route(gateway, query, &path, host, out))
        return RAY_OK;
    const ray_service_spec *service = &config->service[out->service & 0xffff];
    out->timeout_ns = service->timeout_ns;
    out->service_off = service->mode == RAY_MODE_OFF;
    out->granted = 1;
    out->reason = RAY_REASON_OK;
    out->http_status = 200;
    if (RAY_RARELY(query->body_bytes > service->body_bytes_max))
        refuse(out, RAY_REASON_BODY_TOO_LARGE, 413);
    else if (RAY_RARELY(service->healthy == 0))
        refuse(out, RAY_REASON_SERVICE_UNHEALTHY, 503);
    return RAY_OK;
}

static void count(ray_gateway_count *counts, uint32_t granted)
{
    counts->asked_count++;
    counts->granted_count += granted != 0;
    counts->denied_count += granted == 0;
}

void ray_gateway_note(ray_gateway *gateway, uint64_t now_ns, const ray_gateway_answer *answer,
                      uint32_t granted)
{
    ray_gateway_tally *tally = &gateway->tally;
    (void)now_ns;
    if (answer == NULL) {
        tally->error_count++;
        return;
    }
    tally->asked_count++;
    tally->granted_count += answer->granted != 0;
    tally->denied_count += answer->granted == 0;
    tally->forwarded_count += granted != 0;
    tally->rewritten_count += answer->rewritten != 0;
    tally->given_count += answer->route == RAY_NONE && answer->service != RAY_NONE;
    if (answer->granted == 0)
        tally->reason_count[(answer->reason - RAY_REASON_NO_ROUTE) & 15]++;
    if (answer->service != RAY_NONE)
        count(&tally->service[answer->service & 0xffff], granted);
    if (answer->route != RAY_NONE)
        count(&tally->route[answer->route & 0xffff], granted);
}
