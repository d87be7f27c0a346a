/* SPDX-License-Identifier: MIT */
/* config_load.c - a checked configuration takes the place of the running one, in one swap that
 * keeps balances: rows follow their names. */
#include "pipeline/config_blob.h"
#include "base/bytes.h"

/* Where `name` stands among `count` names `stride` bytes apart; the place it had before is tried
 * first, because most reloads move nothing. */
static uint32_t place_of(const ray_name *name, const void *names, uint64_t stride, uint32_t count,
                         uint32_t before)
{
    const uint8_t *at = names;
    if (before < count && ray_same(at + before * stride, name, sizeof *name))
        return before;
    for (uint32_t i = 0; i < count; i++)
        if (ray_same(at + i * stride, name, sizeof *name))
            return i;
    return RAY_NONE;
}

/* Requests in flight keep their names while tenants, services and routes change places. */
static void move_slot(const struct ray *ray, const ray_config_blob *blob, ray_inflight_slot *slot)
{
    const ray_gateway_config *old = &ray->gateway.config;
    const ray_config_counts *counts = &blob->counts;
    uint32_t service = slot->service & 0xffffU, route = slot->route & 0xffffU;
    uint32_t service_lives = slot->service != RAY_NONE && service < RAY_SERVICE_MAX &&
                             old->service_generation[service] == slot->service >> 16;
    uint32_t route_lives = slot->route != RAY_NONE && route < RAY_ROUTE_MAX &&
                           old->route_generation[route] == slot->route >> 16;
    if (slot->tenant < ray->who.tenant_count)
        slot->tenant = place_of(&ray->who.tenant[slot->tenant].name, blob->tenants,
                                sizeof *blob->tenants, counts->tenant_count, slot->tenant);
    slot->service = RAY_NONE;
    if (service_lives)
        slot->service = place_of(&old->service[service].name, blob->services,
                                 sizeof *blob->services, counts->service_count, service);
    slot->route = RAY_NONE;
    if (route_lives)
        slot->route = place_of(&old->route[route].name, blob->routes, sizeof *blob->routes,
                               counts->route_count, route);
}

static void move_in_flight(struct ray *ray, const ray_config_blob *blob)
{
    for (uint32_t i = 0; i < ray->inflight.used; i++) {
        uint32_t tenant = ray->inflight.slot[i].tenant;
        if (ray->inflight.slot[i].phase == RAY_PHASE_FREE)
            continue;
        move_slot(ray, blob, &ray->inflight.slot[i]);
        if (tenant != ray->inflight.slot[i].tenant && ray->inflight.more[i].target != 0)
            ray->inflight.more[i].target = RAY_NEVER;   /* hashed with its old place */
    }
}

/* The seed of a state nobody has used yet comes with its first configuration, unless its owner
 * brought one. */
static void take_seed(struct ray *ray, const ray_config_blob *blob)
{
    if (ray->who.epoch != 0 || ray->seq != 0 || ray->inflight.count != 0 ||
        !ray_is_zero(ray->who.seed, sizeof ray->who.seed))
        return;
    memcpy(ray->who.seed, blob->seed, sizeof ray->who.seed);
    ray_gateway_init(&ray->gateway, blob->seed);
    ray_ratelimit_init(&ray->ratelimit, blob->seed);
    ray_quota_init(&ray->quota, blob->seed);
    ray_priority_init(&ray->priority, blob->seed);
    ray_policy_init(&ray->policy, blob->seed);
    ray_cost_init(&ray->cost, blob->seed);
    ray_governance_init(&ray->governance, blob->seed);
    ray_lb_init(&ray->lb, blob->seed);
    ray_resilience_init(&ray->resilience, blob->seed);
    ray_apimon_init(&ray->apimon, blob->seed);
    ray_mediator_init(&ray->mediator, blob->seed);
    ray_auth_init(&ray->auth, blob->seed);
}

static void load_who(struct ray *ray, const ray_config_blob *blob, const ray_config_report *report)
{
    ray_who *who = &ray->who;
    const ray_config_counts *counts = &blob->counts;
    memset(who->tenant, 0, sizeof who->tenant);
    memset(who->plan, 0, sizeof who->plan);
    memset(who->trust, 0, sizeof who->trust);
    memcpy(who->tenant, blob->tenants, counts->tenant_count * sizeof *blob->tenants);
    memcpy(who->plan, blob->plans, counts->plan_count * sizeof *blob->plans);
    memcpy(who->trust, blob->networks, blob->network_count * sizeof *blob->networks);
    who->tenant_count = counts->tenant_count;
    who->plan_count = counts->plan_count;
    who->trust_count = blob->network_count;
    who->settings = *blob->settings;
    ray->clock.max_step_ns = blob->settings->max_step_ns;
    memcpy(who->config_hash, report->hash, sizeof who->config_hash);
    who->epoch++;
    who->edit_count = 0;
}

/* The names rows had and have: what a module keeps follows them. */
typedef struct names_moved {
    ray_names services[2];     /* before, after */
    ray_names tenants[2];
    ray_names plans[2];
    ray_names rules[2];
    ray_names routes[2];
} names_moved;

static ray_names names_at(const void *at, uint64_t stride, uint32_t count)
{
    ray_names names = {at, stride, count};
    return names;
}

static void find_names(const struct ray *ray, const ray_config_blob *blob, names_moved *moved)
{
    const ray_config_counts *counts = &blob->counts;
    const ray_gateway_config *old = &ray->gateway.config;
    const ray_policy_slot *rule = ray->policy.config.slot;
    const ray_who *who = &ray->who;
    moved->services[0] = names_at(old->service, sizeof old->service[0], RAY_SERVICE_MAX);
    moved->services[1] = names_at(blob->services, sizeof *blob->services, counts->service_count);
    moved->tenants[0] = names_at(who->tenant, sizeof who->tenant[0], who->tenant_count);
    moved->tenants[1] = names_at(blob->tenants, sizeof *blob->tenants, counts->tenant_count);
    moved->plans[0] = names_at(who->plan, sizeof who->plan[0], who->plan_count);
    moved->plans[1] = names_at(blob->plans, sizeof *blob->plans, counts->plan_count);
    moved->routes[0] = names_at(old->route, sizeof old->route[0], RAY_ROUTE_MAX);
    moved->routes[1] = names_at(blob->routes, sizeof *blob->routes, counts->route_count);
    moved->rules[0] = names_at(&rule->spec.name, sizeof *rule, RAY_POLICY_MAX);
    moved->rules[1] = names_at(blob->policies.rule, sizeof *blob->policies.rule,
                               counts->policy_count);
}

/* Before who, gateway and policies load: their rows are still the old ones. */
static __attribute__((noinline)) void move_names(struct ray *ray, uint64_t now_ns,
                                                 const names_moved *moved)
{
    ray_quota_tenants_move(&ray->quota, &moved->tenants[0], &moved->tenants[1]);
    ray_quota_plans_move(&ray->quota, &moved->plans[0], &moved->plans[1]);
    ray_priority_services_move(&ray->priority, now_ns, &moved->services[0], &moved->services[1]);
    ray_resilience_services_move(&ray->resilience, now_ns, &moved->services[0],
                                 &moved->services[1]);
    ray_cost_tenants_move(&ray->cost, &moved->tenants[0], &moved->tenants[1]);
    ray_cost_services_move(&ray->cost, &moved->services[0], &moved->services[1]);
    ray_governance_services_move(&ray->governance, &moved->services[0], &moved->services[1]);
    ray_lb_services_move(&ray->lb, &moved->services[0], &moved->services[1]);
    ray_governance_tenants_move(&ray->governance, &moved->tenants[0], &moved->tenants[1]);
    ray_auth_tenants_move(&ray->auth, &moved->tenants[0], &moved->tenants[1]);
    ray_auth_services_move(&ray->auth, &moved->services[0], &moved->services[1]);
    ray_governance_policies_move(&ray->governance, &moved->rules[0], &moved->rules[1]);
    ray_apimon_services_move(&ray->apimon, &moved->services[0], &moved->services[1]);
    ray_apimon_tenants_move(&ray->apimon, &moved->tenants[0], &moved->tenants[1]);
    ray_mediator_names_move(&ray->mediator, &moved->tenants[0], &moved->tenants[1]);
    ray_mediator_names_move(&ray->mediator, &moved->routes[0], &moved->routes[1]);
}

static __attribute__((noinline)) void load_modules(struct ray *ray, uint64_t now_ns,
                                                   const ray_config_blob *blob,
                                                   const names_moved *moved,
                                                   ray_config_report *report)
{
    const ray_config_counts *counts = &blob->counts;
    int64_t wall_ns = ray->clock.wall_offset_ns;
    ray_ratelimit_load(&ray->ratelimit, now_ns, wall_ns, blob->limits, blob->rates, counts, report);
    ray_quota_load(&ray->quota, now_ns, wall_ns, blob->quotas, counts, report);
    ray_priority_load(&ray->priority, now_ns, &blob->queues, counts, report);
    ray_cost_load(&ray->cost, now_ns, wall_ns, &blob->cost, counts, report);
    ray_governance_load(&ray->governance, now_ns, blob->alerts, counts, report);
    ray_resilience_load(&ray->resilience, now_ns, blob->guards, counts, report);
    ray_lb_load(&ray->lb, now_ns, &blob->pools, counts, report);
    ray_mediator_load(&ray->mediator, now_ns, &blob->mediation, counts, report);
    ray_auth_load(&ray->auth, &blob->auth, &moved->tenants[1], counts, report);
    ray_policy_load(&ray->policy, now_ns, wall_ns, &blob->policies, counts, report);
    ray_gateway_load(&ray->gateway, now_ns, wall_ns, blob->services, blob->routes, blob->tables,
                     counts, report);
}

/* What is kept came from the services as they were: another route or service row, another
 * answer. */
static void drop_cached(struct ray *ray, const ray_config_blob *blob)
{
    const ray_gateway_config *old = &ray->gateway.config;
    const ray_config_counts *counts = &blob->counts;
    if (!ray_same(old->service, blob->services, counts->service_count * sizeof *blob->services) ||
        !ray_same(old->route, blob->routes, counts->route_count * sizeof *blob->routes))
        (void)ray_mediator_purge(&ray->mediator, RAY_NONE);
}

ray_status ray_config_load(struct ray *ray, struct ray_secrets *secrets, uint64_t now_ns,
                           const uint8_t *blob, uint64_t length, ray_config_report *report)
{
    ray_config_blob parts;
    names_moved moved;
    ray_status status = ray_config_blob_check(blob, length, &parts, report);
    if (status != RAY_OK)
        return status;
    if (ray->state_version != RAY_STATE_VERSION || ray->profile != RAY_PROFILE) {
        report->status = RAY_E_VERSION;
        return RAY_E_VERSION;
    }
    take_seed(ray, &parts);
    ray_queue_drop_gone(ray, now_ns, parts.services, sizeof *parts.services,
                        parts.counts.service_count);
    move_in_flight(ray, &parts);
    find_names(ray, &parts, &moved);
    drop_cached(ray, &parts);
    move_names(ray, now_ns, &moved);
    load_modules(ray, now_ns, &parts, &moved, report);
    load_who(ray, &parts, report);
    ray_rules_seen(ray);
    if (secrets != NULL)
        ray_secrets_load(secrets, parts.seed, parts.seed_count);
    ray_audit_record record = {.at_ns = now_ns, .seq = RAY_NEVER, .before = report->kept_count,
                               .after = report->reset_count, .by_id = RAY_NONE,
                               .what = RAY_AUDIT_LOAD, .who = RAY_WHO_CONFIG};
    ray_audit_add(ray, &record);
    ray_queue_pump_all(ray, now_ns);
    return RAY_OK;
}
