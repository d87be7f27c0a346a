/* SPDX-License-Identifier: MIT */
/* ask.c - a row as bytes from outside, and the question it becomes for each stage. What their
 * answers come to is judge.c's. */
#include "pipeline/journey.h"
#include "base/bytes.h"
#include "base/siphash.h"

/* -- the row as bytes from outside -- */
static uint32_t inside(uint64_t length, uint32_t at, uint32_t part)
{
    return (uint64_t)at + part <= length;
}

ray_status ray_row_check(const struct ray *ray, const ray_rows *rows, const ray_row *row)
{
    uint64_t length = rows->bytes_length;
    if (!inside(length, row->target_at, row->target_length) ||
        !inside(length, row->host_at, row->host_length) ||
        !inside(length, row->headers_at, row->headers_length) ||
        !inside(length, row->user_at, row->user_length) ||
        !inside(length, row->client_at, row->client_length))
        return RAY_E_TRUNCATED;
    if (row->tenant != RAY_NONE && row->tenant >= ray->who.tenant_count)
        return RAY_E_UNKNOWN;
    if (row->method >= RAY_METHOD_MAX)
        return RAY_E_ARGUMENT;
    if (row->priority >= RAY_CLASS_MAX && row->priority != RAY_CLASS_DEFAULT)
        return RAY_E_ARGUMENT;
    if (row->role >= RAY_ROLE_MAX || row->origin >= RAY_ORIGIN_MAX ||
        !ray_is_zero(row->reserved, sizeof row->reserved))
        return RAY_E_ARGUMENT;
    if (row->flags > (RAY_ROW_ADDRESS | RAY_ROW_REFUNDABLE | RAY_ROW_NOW | RAY_ROW_QUIET |
                      RAY_ROW_WEIGHT))
        return RAY_E_ARGUMENT;
    if (row->request_bytes > RAY_UNITS_MAX || row->response_bytes > RAY_UNITS_MAX ||
        row->compute_units > RAY_UNITS_MAX || row->custom_units > RAY_UNITS_MAX)
        return RAY_E_RANGE;
    return row->service != RAY_NONE ? ray_gateway_known(&ray->gateway, row->service) : RAY_OK;
}

static ray_view view(const ray_rows *rows, uint32_t at, uint32_t length)
{
    ray_view bytes = {rows->bytes + at, length};
    return bytes;
}

/* -- asking -- */
__attribute__((noinline)) ray_status ray_ask_gateway(const struct ray *ray, uint64_t now_ns,
                                                        const ray_rows *rows, const ray_row *row,
                                                        ray_journey *journey)
{
    ray_gateway_query query = {
        .target = view(rows, row->target_at, row->target_length),
        .host = view(rows, row->host_at, row->host_length),
        .headers = view(rows, row->headers_at, row->headers_length),
        .scratch = rows->scratch,
        .body_bytes = row->request_bytes,
        .method = row->method,
        .service = row->service,
    };
    return ray_gateway_ask(&ray->gateway, now_ns, &query, &journey->gateway);
}

void ray_policy_query_of(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                         const ray_journey *journey, ray_policy_query *query)
{
    memset(query, 0, sizeof *query);
    query->headers = view(rows, row->headers_at, row->headers_length);
    query->address = journey->client;
    query->wall_offset_ns = ray->clock.wall_offset_ns;
    query->service = journey->gateway.service;
    query->route = journey->gateway.route;
    query->method = row->method;
    query->role = row->role != 0 ? row->role : (uint32_t)RAY_NONE;
    query->tenant = row->tenant;
    query->plan = journey->plan;
    query->address_known = (row->flags & RAY_ROW_ADDRESS) != 0;
    query->headers_known = 1;
}

__attribute__((noinline)) ray_status ray_ask_policies(const struct ray *ray, uint64_t now_ns,
                                                         const ray_rows *rows, const ray_row *row,
                                                         ray_journey *journey)
{
    ray_policy_query query;
    ray_policy_query_of(ray, rows, row, journey, &query);
    return ray_policy_ask(&ray->policy, now_ns, &query, &journey->policy);
}

/* What the row says, else what its service is promised, else the default; a policy has the last
 * word. */
void ray_class_choose(const struct ray *ray, const ray_row *row, ray_journey *journey)
{
    uint32_t priority = row->priority;
    if (priority == RAY_CLASS_DEFAULT)
        priority = ray_priority_class(&ray->priority, journey->gateway.service);
    if (priority == RAY_CLASS_DEFAULT)
        priority = ray->who.settings.default_class;
    journey->priority =
        journey->policy.set_class != RAY_CLASS_DEFAULT ? journey->policy.set_class : priority;
}

/* The limits that the route names and those that policies add, each once. */
static void name_limits(const ray_journey *journey, ray_ratelimit_query *query)
{
    for (uint32_t i = 0; i < journey->gateway.limit_count; i++)
        query->named[query->named_count++] = journey->gateway.limits[i];
    for (uint32_t i = 0; i < journey->policy.limit_count; i++) {
        uint32_t twice = 0;
        for (uint32_t before = 0; before < journey->gateway.limit_count; before++)
            twice |= query->named[before] == journey->policy.limits[i];
        if (twice == 0 && query->named_count < RAY_REQUEST_LIMIT_MAX)
            query->named[query->named_count++] = journey->policy.limits[i];
    }
}

__attribute__((noinline)) ray_status ray_ask_limits(const struct ray *ray, uint64_t now_ns,
                                                       const ray_rows *rows, const ray_row *row,
                                                       ray_journey *journey)
{
    ray_ratelimit_query query = {
        .user = view(rows, row->user_at, row->user_length),
        .client = view(rows, row->client_at, row->client_length),
        .address = journey->client,
        .tokens = row->weight != 0 || (row->flags & RAY_ROW_WEIGHT) != 0
                      ? row->weight
                      : journey->gateway.weight,
        .wall_offset_ns = ray->clock.wall_offset_ns,
        .address_known = (row->flags & RAY_ROW_ADDRESS) != 0,
        .service = journey->gateway.service,
        .plan = journey->plan,
        .priority = journey->priority,
    };
    name_limits(journey, &query);
    return ray_ratelimit_ask(&ray->ratelimit, now_ns, &query, &journey->governed->limits);
}

/* What is known before the service answered, even where the row brings its outcome. */
void ray_cost_query_of(const struct ray *ray, const ray_row *row, const ray_journey *journey,
                       ray_cost_query *query)
{
    memset(query, 0, sizeof *query);
    query->units[RAY_COST_REQUESTS] = 1;
    query->units[RAY_COST_BYTES] = row->request_bytes;
    query->wall_offset_ns = ray->clock.wall_offset_ns;
    query->tenant = row->tenant;
    query->service = journey->gateway.service;
    query->plan = journey->plan;
    query->priority = journey->priority;
}

__attribute__((noinline)) ray_status ray_ask_cost(const struct ray *ray, uint64_t now_ns,
                                                     const ray_row *row, ray_journey *journey)
{
    ray_cost_query query;
    ray_cost_query_of(ray, row, journey, &query);
    return ray_cost_ask(&ray->cost, now_ns, &query, &journey->quote);
}

void ray_quota_query_of(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                        const ray_journey *journey, ray_quota_query *query)
{
    /* names behind named_count are never read */
    query->user = view(rows, row->user_at, row->user_length);
    query->units[RAY_QUOTA_REQUESTS] = 1;
    query->units[RAY_QUOTA_BYTES] = row->request_bytes;
    query->units[RAY_QUOTA_COMPUTE] = row->compute_units;
    query->units[RAY_QUOTA_CUSTOM] = row->custom_units;
    query->units[RAY_QUOTA_COST] =
        journey->priced != 0 && journey->quote.nano > 0 ? (uint64_t)journey->quote.nano : 0;
    query->wall_offset_ns = ray->clock.wall_offset_ns;
    query->tenant = row->tenant;
    query->plan = journey->plan;
    query->service = journey->gateway.service;
    query->named_count = journey->policy.quota_count;
    for (uint32_t i = 0; i < journey->policy.quota_count; i++) {
        query->named[i] = journey->policy.quotas[i];
        query->named_weight[i] = journey->policy.quota_weight[i];
    }
}

__attribute__((noinline)) ray_status ray_ask_quotas(const struct ray *ray, uint64_t now_ns,
                                                       const ray_rows *rows, const ray_row *row,
                                                       ray_journey *journey)
{
    ray_quota_query query;
    ray_quota_query_of(ray, rows, row, journey, &query);
    return ray_quota_ask(&ray->quota, now_ns, &query, &journey->governed->quotas);
}

static uint64_t flow_of(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                        const ray_journey *journey)
{
    switch (ray_priority_flow_by(&ray->priority)) {
    case RAY_FLOW_TENANT: return (uint64_t)row->tenant + 1;
    case RAY_FLOW_ADDRESS:
        return ray_siphash(ray->who.seed, journey->client.at, sizeof journey->client.at);
    default: return ray_siphash(ray->who.seed, rows->bytes + row->user_at, row->user_length);
    }
}

/* Does it have to wait for its turn? A caller that sends by itself waits out a limit's delay by
 * itself; an exchange has nobody to do that. */
ray_status ray_ask_queue(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                         const ray_row *row, ray_journey *journey, const ray_answer *answer)
{
    uint32_t counted = ray_priority_waits(&ray->priority, answer->service);
    uint32_t delayed = row->kind == RAY_ROW_EXCHANGE && answer->start_at_ns > now_ns;
    if (answer->service == RAY_NONE || (counted == 0 && delayed == 0) ||
        (row->kind == RAY_ROW_ADMIT && (row->flags & RAY_ROW_REFUNDABLE) != 0))
        return RAY_OK;
    journey->queue_asked = 1;
    journey->place = (ray_priority_query){.not_before_ns = answer->start_at_ns,
                                          .flow = flow_of(ray, rows, row, journey),
                                          .service = answer->service,
                                          .priority = journey->priority,
                                          .origin = row->origin,
                                          .width = row->width};
    return ray_priority_ask(&ray->priority, now_ns, &journey->place, &journey->queue);
}
