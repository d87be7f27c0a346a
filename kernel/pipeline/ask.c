/* SPDX-License-Identifier: MIT */
/* ask.c - a row as bytes from outside, and the question it becomes for each stage. What their
 * answers come to is judge.c's. */
#include "pipeline/journey.h"
#include "mediator/forward.h"
#include "base/bytes.h"
#include "base/headers.h"
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
        !inside(length, row->client_at, row->client_length) ||
        ((row->flags & RAY_ROW_BODY) != 0 && !inside(length, row->body_at, row->body_length)))
        return RAY_E_TRUNCATED;
    if (row->tenant != RAY_NONE && row->tenant >= ray->who.tenant_count)
        return RAY_E_UNKNOWN;
    if (row->method >= RAY_METHOD_MAX)
        return RAY_E_ARGUMENT;
    if (row->priority >= RAY_CLASS_MAX && row->priority != RAY_CLASS_DEFAULT)
        return RAY_E_ARGUMENT;
    if (row->role >= RAY_ROLE_MAX || row->origin >= RAY_ORIGIN_MAX ||
        row->outcome >= RAY_OUTCOME_MAX ||
        !ray_is_zero(row->reserved, sizeof row->reserved))
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
/* RFC 9110 section 9.2.1. */
static uint32_t is_safe(uint32_t method)
{
    return method == RAY_METHOD_GET || method == RAY_METHOD_HEAD || method == RAY_METHOD_OPTIONS;
}

/* What reads needs to read, everything else to write. */
static uint32_t permission_of(uint32_t method)
{
    return is_safe(method) != 0 ? RAY_PERMISSION_READ : RAY_PERMISSION_WRITE;
}

/* Credentials, or the caller's word; from then on the request is from whom they name. */
__attribute__((noinline)) ray_status ray_ask_auth(const struct ray *ray, uint64_t now_ns,
                                                  const ray_rows *rows, const ray_row *row,
                                                  ray_journey *journey)
{
    ray_auth_query *query = &journey->identified->query;
    ray_auth_answer *answer = &journey->identified->answer;
    uint32_t own = journey->gateway.permission;
    memset(query, 0, sizeof *query);
    query->headers = view(rows, row->headers_at, row->headers_length);
    query->address = journey->client;
    query->wall_offset_ns = ray->clock.wall_offset_ns;
    query->service = journey->gateway.service;
    query->need = journey->gateway.auth;
    query->permission = own != 0 ? own : permission_of(row->method);
    query->address_known = (row->flags & RAY_ROW_ADDRESS) != 0;
    query->role = journey->gateway.role;
    query->trusted = query->address_known != 0 && ray_peer_trusted(ray, &row->address) != 0;
    query->vouched = (row->flags & RAY_ROW_VOUCHED) != 0;
    query->user = journey->user;
    query->tenant = journey->tenant;
    query->own_role = journey->role;
    /* A log that names no role tells nothing of the rights that methods need. */
    if (query->vouched != 0 && row->role == RAY_ROLE_NONE)
        query->permission = own;
    journey->auth_asked = 1;
    ray_status status = ray_auth_ask(&ray->auth, now_ns, query, rows->secrets, answer);
    if (status != RAY_OK || answer->known == 0 || query->vouched != 0)
        return status;
    journey->user = (ray_view){answer->user, answer->user_length};
    journey->tenant = answer->tenant;
    journey->role = answer->role;
    journey->plan =
        answer->tenant < ray->who.tenant_count ? ray->who.tenant[answer->tenant].plan
                                               : (uint32_t)RAY_NONE;
    return RAY_OK;
}

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
    query->role = journey->role != 0 ? journey->role : (uint32_t)RAY_NONE;
    query->tenant = journey->tenant;
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

/* All fields but the names, whose number is 0: what is left out would be cleared, which is slow. */
static inline void limit_query_of(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                                  const ray_journey *journey, ray_ratelimit_query *query)
{
    query->user = journey->user;
    query->client = view(rows, row->client_at, row->client_length);
    query->address = journey->client;
    query->tokens = row->weight != 0 || (row->flags & RAY_ROW_WEIGHT) != 0
                        ? row->weight
                        : journey->gateway.weight;
    query->wall_offset_ns = ray->clock.wall_offset_ns;
    query->address_known = (row->flags & RAY_ROW_ADDRESS) != 0;
    query->service = journey->gateway.service;
    query->plan = journey->plan;
    query->priority = journey->priority;
    query->named_count = 0;
    query->reserved = 0;
}

__attribute__((noinline)) ray_status ray_ask_address(const struct ray *ray, uint64_t now_ns,
                                                     const ray_rows *rows, const ray_row *row,
                                                     ray_journey *journey)
{
    ray_ratelimit_query query;
    ray_governed *governed = journey->governed;
    limit_query_of(ray, rows, row, journey, &query);
    ray_status status =
        ray_ratelimit_ask_address(&ray->ratelimit, now_ns, &query, &governed->limits);
    if (status != RAY_OK || governed->limits.granted != 0)
        return status;
    journey->asked = RAY_ASKED_ADDRESS;
    governed->quotas.count = 0;
    return RAY_OK;
}

__attribute__((noinline)) ray_status ray_ask_limits(const struct ray *ray, uint64_t now_ns,
                                                       const ray_rows *rows, const ray_row *row,
                                                       ray_journey *journey)
{
    ray_ratelimit_query query;
    limit_query_of(ray, rows, row, journey, &query);
    if (RAY_RARELY((journey->gateway.limit_count | journey->policy.limit_count) != 0))
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
    query->tenant = journey->tenant;
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

void ray_quota_query_of(const struct ray *ray, uint64_t now_ns, const ray_row *row,
                        const ray_journey *journey, ray_quota_query *query)
{
    /* names behind named_count are never read */
    query->user = journey->user;
    query->units[RAY_QUOTA_REQUESTS] = 1;
    query->units[RAY_QUOTA_BYTES] = row->request_bytes;
    query->units[RAY_QUOTA_COMPUTE] = row->compute_units;
    query->units[RAY_QUOTA_CUSTOM] = row->custom_units;
    query->units[RAY_QUOTA_COST] =
        journey->priced != 0 && journey->quote.nano > 0 ? (uint64_t)journey->quote.nano : 0;
    query->errors_per_minute = 0;
    query->latency_p99_ns = 0;
    if (RAY_RARELY(ray->who.gauged != 0))
        ray_apimon_gauges(&ray->apimon, now_ns, journey->gateway.service,
                          &query->errors_per_minute, &query->latency_p99_ns);
    query->wall_offset_ns = ray->clock.wall_offset_ns;
    query->tenant = journey->tenant;
    query->plan = journey->plan;
    query->service = journey->gateway.service;
    query->named_count = journey->policy.quota_count;
    for (uint32_t i = 0; i < journey->policy.quota_count; i++) {
        query->named[i] = journey->policy.quotas[i];
        query->named_weight[i] = journey->policy.quota_weight[i];
    }
}

__attribute__((noinline)) ray_status ray_ask_quotas(const struct ray *ray, uint64_t now_ns,
                                                       const ray_row *row, ray_journey *journey)
{
    ray_quota_query query;
    ray_quota_query_of(ray, now_ns, row, journey, &query);
    return ray_quota_ask(&ray->quota, now_ns, &query, &journey->governed->quotas);
}

/* Body against schema, and a look into the cache; only where the route has a transform. */
__attribute__((noinline)) ray_status ray_ask_mediator(const struct ray *ray, uint64_t now_ns,
                                                      const ray_rows *rows, const ray_row *row,
                                                      ray_journey *journey)
{
    ray_mediator_query *query = &journey->identified->mediation;
    uint32_t known = (row->flags & RAY_ROW_BODY) != 0;
    memset(query, 0, sizeof *query);
    query->path = journey->gateway.path;
    query->query = journey->gateway.query;
    query->host = view(rows, row->host_at, row->host_length);
    query->headers = view(rows, row->headers_at, row->headers_length);
    query->body = view(rows, known != 0 ? row->body_at : 0, known != 0 ? row->body_length : 0);
    query->route = journey->gateway.route;
    query->transform = journey->transform;
    query->tenant = journey->tenant;
    query->method = row->method;
    query->body_known = known;
    /* Whoever it is from, by a credential or by word of its caller: the answer is theirs. */
    query->authorized = journey->user.length != 0 || journey->tenant != RAY_NONE ||
                        journey->role != 0;
    journey->mediated = 1;
    uint64_t waits_ns =
        ray_mediator_caller_timeout(&ray->mediator, journey->transform, query->headers);
    if (waits_ns < ray_timeout_of(journey))   /* no longer than whoever asked */
        journey->gateway.timeout_ns = waits_ns != 0 ? waits_ns : 1;
    return ray_mediator_ask(&ray->mediator, now_ns, query, &journey->identified->mediated);
}

/* Its route may have no transform where another one, of GET, keeps answers of the same target. */
uint64_t ray_target_of(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                       const ray_journey *journey)
{
    if (is_safe(row->method) != 0)
        return 0;
    ray_mediator_query query = {.path = journey->gateway.path,
                                .query = journey->gateway.query,
                                .host = view(rows, row->host_at, row->host_length),
                                .tenant = journey->tenant};
    return ray_mediator_target(&ray->mediator, &query);
}

/* The value of one cookie of the request, empty when it has none (RFC 6265 section 5.4). */
static ray_view cookie_of(ray_view headers, ray_view name)
{
    ray_view line, none = {headers.at, 0};
    for (uint32_t nth = 0; ray_headers_find(headers, "cookie", 6, nth, &line) != 0; nth++)
        for (uint64_t at = 0; at < line.length;) {
            uint64_t end = at;
            while (end < line.length && line.at[end] != ';')
                end++;
            if (end - at > name.length && line.at[at + name.length] == '=' &&
                ray_same(line.at + at, name.at, name.length) != 0)
                return (ray_view){line.at + at + name.length + 1, end - at - name.length - 1};
            at = end + 1;
            while (at < line.length && line.at[at] == ' ')
                at++;
        }
    return none;
}

uint64_t ray_balance_key(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                         const ray_journey *journey)
{
    ray_view name = {NULL, 0}, value, headers = view(rows, row->headers_at, row->headers_length);
    uint32_t pool = ray_lb_pool_of(&ray->lb, journey->gateway.service);
    if (RAY_MOSTLY(pool == RAY_NONE))
        return 0;
    uint32_t kind = ray_lb_key_kind(&ray->lb, pool, &name);
    value = (ray_view){journey->client.at, sizeof journey->client.at};
    if (kind == RAY_LB_KEY_COOKIE)
        value = cookie_of(headers, name);
    else if (kind == RAY_LB_KEY_HEADER &&
             ray_headers_find(headers, (const char *)name.at, name.length, 0, &value) == 0)
        value.length = 0;
    if (kind == RAY_LB_KEY_NONE || value.length == 0 ||
        (kind == RAY_LB_KEY_ADDRESS && (row->flags & RAY_ROW_ADDRESS) == 0))
        return 0;
    if (kind == RAY_LB_KEY_NGINX)
        return (row->flags & RAY_ROW_ADDRESS) != 0 ? ray_lb_nginx_hash(&journey->client) + 1U : 0;
    return ray_siphash(ray->who.seed, value.at, value.length) | 1U;   /* 0 says nobody */
}

static uint64_t flow_of(const struct ray *ray, const ray_journey *journey)
{
    switch (ray_priority_flow_by(&ray->priority)) {
    case RAY_FLOW_TENANT: return (uint64_t)journey->tenant + 1;
    case RAY_FLOW_ADDRESS:
        return ray_siphash(ray->who.seed, journey->client.at, sizeof journey->client.at);
    default: return ray_siphash(ray->who.seed, journey->user.at, journey->user.length);
    }
}

/* Does it have to wait for its turn? A caller that sends by itself waits out a limit's delay by
 * itself; an exchange has nobody to do that. */
ray_status ray_ask_queue(const struct ray *ray, uint64_t now_ns, const ray_row *row,
                         ray_journey *journey, const ray_answer *answer)
{
    uint32_t counted = ray_priority_waits(&ray->priority, answer->service);
    uint32_t delayed = row->kind == RAY_ROW_EXCHANGE && answer->start_at_ns > now_ns;
    if (answer->service == RAY_NONE || RAY_MOSTLY(counted == 0 && delayed == 0) ||
        (row->kind == RAY_ROW_ADMIT && (row->flags & RAY_ROW_REFUNDABLE) != 0))
        return RAY_OK;
    journey->queue_asked = 1;
    journey->place = (ray_priority_query){.not_before_ns = answer->start_at_ns,
                                          .flow = flow_of(ray, journey),
                                          .service = answer->service,
                                          .priority = journey->priority,
                                          .origin = row->origin,
                                          .width = row->width};
    return ray_priority_ask(&ray->priority, now_ns, &journey->place, &journey->queue);
}
