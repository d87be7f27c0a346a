/* SPDX-License-Identifier: MIT */
/* who.c - tenants, plans, the client's address and names: what every stage needs and no module
 * owns. */
#include "pipeline/journey.h"
#include "base/bytes.h"
#include "base/headers.h"

/* -- rules -- */
/* Gauges cost a look at a histogram: they are read only where a quota asks for them. */
void ray_rules_seen(struct ray *ray)
{
    ray_quota_spec spec;
    uint32_t id;
    ray->who.gauged = 0;
    for (uint32_t place = 0; place < RAY_QUOTA_ALLOCATION_MAX; place++)
        if (ray_quota_at(&ray->quota, place, &id) == RAY_OK &&
            ray_quota_spec_read(&ray->quota, id, &spec) == RAY_OK)
            ray->who.gauged |= spec.guard_errors_per_min != 0 || spec.guard_latency_p99_ns != 0;
}

/* -- tenants and plans -- */
uint32_t ray_tenant_count(const struct ray *ray)
{
    return ray->who.tenant_count;
}

ray_status ray_tenant_read(const struct ray *ray, uint32_t tenant, ray_tenant_spec *out)
{
    if (tenant >= ray->who.tenant_count)
        return RAY_E_UNKNOWN;
    *out = ray->who.tenant[tenant];
    return RAY_OK;
}

ray_status ray_tenant_find(const struct ray *ray, const char *name, uint64_t length,
                           uint32_t *tenant)
{
    ray_name wanted;
    if (!ray_name_set(&wanted, name, length))
        return RAY_E_UNKNOWN;
    for (uint32_t i = 0; i < ray->who.tenant_count; i++)
        if (ray_name_same(&ray->who.tenant[i].name, &wanted)) {
            *tenant = i;
            return RAY_OK;
        }
    return RAY_E_UNKNOWN;
}

uint32_t ray_plan_count(const struct ray *ray)
{
    return ray->who.plan_count;
}

ray_status ray_plan_read(const struct ray *ray, uint32_t plan, ray_name *out)
{
    if (plan >= ray->who.plan_count)
        return RAY_E_UNKNOWN;
    *out = ray->who.plan[plan];
    return RAY_OK;
}

ray_status ray_plan_find(const struct ray *ray, const char *name, uint64_t length, uint32_t *plan)
{
    ray_name wanted;
    if (!ray_name_set(&wanted, name, length))
        return RAY_E_UNKNOWN;
    for (uint32_t i = 0; i < ray->who.plan_count; i++)
        if (ray_name_same(&ray->who.plan[i], &wanted)) {
            *plan = i;
            return RAY_OK;
        }
    return RAY_E_UNKNOWN;
}

void ray_settings_read(const struct ray *ray, ray_settings_spec *out)
{
    *out = ray->who.settings;
}

/* -- the client's address -- */
static uint32_t inside_network(const ray_network *network, const ray_address *address)
{
    uint32_t whole = network->prefix / 8, rest = network->prefix % 8;
    if (!ray_same(network->address.at, address->at, whole))
        return 0;
    if (rest == 0)
        return 1;
    uint32_t mask = 0xff00U >> rest & 0xffU;
    return ((uint32_t)network->address.at[whole] & mask) == ((uint32_t)address->at[whole] & mask);
}

static uint32_t trusted(const struct ray *ray, const ray_address *address)
{
    for (uint32_t i = 0; i < ray->who.trust_count; i++)
        if (inside_network(&ray->who.trust[i], address))
            return 1;
    return 0;
}

uint32_t ray_peer_trusted(const struct ray *ray, const ray_address *peer)
{
    return ray->who.settings.client_ip != 0 && trusted(ray, peer) != 0;
}

/* The last comma-separated hop of the first *length bytes; shortens *length to what stands before
 * it. */
static ray_view last_hop(const uint8_t *at, uint64_t *length)
{
    uint64_t end = *length, from = end;
    while (from > 0 && at[from - 1] != ',')
        from--;
    *length = from > 0 ? from - 1 : 0;
    while (from < end && (at[from] == ' ' || at[from] == '\t'))
        from++;
    while (end > from && (at[end - 1] == ' ' || at[end - 1] == '\t'))
        end--;
    ray_view hop = {at + from, end - from};
    return hop;
}

/* Walks the hops from the right while they are trusted. A hop that is no address ends the walk:
 * what stands left of it was written by somebody we do not trust, so the last trusted hop is the
 * best that is known. */
void ray_client_address(const struct ray *ray, const ray_address *peer, ray_view headers,
                        ray_address *out)
{
    static const char name[] = "X-Forwarded-For";
    ray_address client = *peer;
    *out = client;
    if (ray->who.settings.client_ip == 0 || !trusted(ray, peer))
        return;
    uint32_t lines = 0;
    ray_view value;
    while (ray_headers_find(headers, name, sizeof name - 1, lines, &value))
        lines++;
    for (uint32_t line = lines; line > 0; line--) {
        ray_headers_find(headers, name, sizeof name - 1, line - 1, &value);
        for (uint64_t length = value.length; length > 0;) {
            ray_view hop = last_hop(value.at, &length);
            if (!ray_address_read((const char *)hop.at, hop.length, &client))
                return;
            *out = client;
            if (!trusted(ray, &client))
                return;
        }
    }
}

/* -- names of what binds -- */
static void limit_name(const struct ray *ray, uint32_t id, ray_name *out)
{
    uint32_t slot = id & 0xffffU;
    if (slot >= RAY_LIMIT_MAX || ray->ratelimit.config.hot[slot].used == 0 ||
        ray->ratelimit.config.hot[slot].generation != id >> 16)
        return;
    *out = ray->ratelimit.config.spec[slot].name;
}

static void alert_name(const struct ray *ray, uint32_t id, ray_name *out)
{
    ray_alert_spec spec;
    ray_alert alert;
    if (ray_governance_alert_read(&ray->governance, id, &spec, &alert) == RAY_OK)
        *out = spec.name;
}

void ray_by_name(const struct ray *ray, uint32_t by_kind, uint32_t by_id, ray_name *out)
{
    ray_service_row service;
    ray_route_row route;
    ray_quota_spec quota;
    ray_policy_row policy;
    ray_pool_spec pool;
    ray_pool_stats pool_stats;
    ray_instance_spec instance;
    ray_instance_stats instance_stats;
    ray_transform_row transform;
    ray_credential_spec credential;
    memset(out, 0, sizeof *out);
    switch ((enum ray_by_kind)by_kind) {
    case RAY_BY_NONE:
        break;
    case RAY_BY_ROUTE:
        if (ray_gateway_read_route(&ray->gateway, by_id, &route) == RAY_OK)
            *out = route.spec->name;
        break;
    case RAY_BY_SERVICE:
        if (ray_gateway_read_service(&ray->gateway, by_id, &service) == RAY_OK)
            *out = service.spec->name;
        break;
    case RAY_BY_LIMIT:
        limit_name(ray, by_id, out);
        break;
    case RAY_BY_QUOTA:
        if (ray_quota_spec_read(&ray->quota, by_id, &quota) == RAY_OK)
            *out = quota.name;
        break;
    case RAY_BY_POLICY:
        if (ray_policy_row_read(&ray->policy, by_id, &policy) == RAY_OK)
            *out = policy.spec->name;
        break;
    case RAY_BY_QUEUE:
    case RAY_BY_BREAKER:
    case RAY_BY_BULKHEAD:
        if (ray_gateway_read_service(&ray->gateway, by_id, &service) == RAY_OK)
            *out = service.spec->name;
        break;
    case RAY_BY_POOL:
        if (ray_lb_pool_read(&ray->lb, ray->clock.now_ns, by_id, &pool, &pool_stats) == RAY_OK)
            *out = pool.name;
        break;
    case RAY_BY_INSTANCE:
        if (ray_lb_instance_read(&ray->lb, ray->clock.now_ns, by_id, &instance,
                                 &instance_stats) == RAY_OK)
            *out = instance.at;
        break;
    case RAY_BY_TRANSFORM:
        if (ray_mediator_transform_read(&ray->mediator, by_id, &transform) == RAY_OK)
            *out = transform.spec.name;
        break;
    case RAY_BY_CREDENTIAL:
        if (ray_auth_credential_read(&ray->auth, by_id, &credential) == RAY_OK)
            *out = credential.name;
        break;
    case RAY_BY_ALERT:
        alert_name(ray, by_id, out);
        break;
    }
}
