/* SPDX-License-Identifier: MIT */
/* load.c - new rows for old. Balances belong to accounts, not to rows, so all of them stay; they
 * follow their tenant and service by name. */
#include "parts.h"

/* -- following names -- */
static uint32_t followed(const ray_names *before, const ray_names *after, uint32_t place)
{
    if (place >= before->count)
        return RAY_NONE;
    const uint8_t *name = before->at + place * before->stride;
    for (uint64_t i = 0; i < after->count; i++)
        if (ray_same(after->at + i * after->stride, name, RAY_NAME_BYTES) != 0)
            return (uint32_t)i;
    return RAY_NONE;
}

static uint32_t tenant_of(const ray_names *before, const ray_names *after, uint32_t place)
{
    uint32_t to = followed(before, after, place);
    return to < RAY_TENANT_MAX ? to : RAY_NONE;
}

/* A handle with a generation is of a service that no file has, and files are all there is after. */
static uint32_t service_of(const ray_names *before, const ray_names *after,
                           uint32_t service)
{
    uint32_t to = service < RAY_SERVICE_MAX ? followed(before, after, service) : RAY_NONE;
    return to < RAY_SERVICE_MAX ? to : RAY_NONE;
}

void ray_cost_tenants_move(ray_cost *cost, const ray_names *before,
                           const ray_names *after)
{
    for (uint32_t account = 0; account < RAY_COST_NOBODY; account++) {
        uint32_t owner = cost->book.tenant[account].owner;
        if (owner != 0 && tenant_of(before, after, owner - 1) == RAY_NONE)
            ray_cost_tenant_retire(cost, account);
    }
    memset(cost->book.tenant_account, 0, sizeof cost->book.tenant_account);
    for (uint32_t account = 0; account < RAY_COST_NOBODY; account++) {
        ray_cost_tenant *tenant = &cost->book.tenant[account];
        if (tenant->owner == 0)
            continue;
        uint32_t to = tenant_of(before, after, tenant->owner - 1);
        tenant->owner = to + 1;
        cost->book.tenant_account[to] = account + 1;
    }
    for (uint32_t i = 0; i < RAY_COST_EVENT_MAX; i++)
        if (cost->tally.seen[i].id != 0)
            cost->tally.seen[i].tenant = tenant_of(before, after, cost->tally.seen[i].tenant);
    ray_cost_seen_rehash(cost);
    for (uint32_t i = 0; i < RAY_COST_NOTICE_MAX; i++)
        if (cost->tally.notice[i].id != 0)
            cost->tally.notice[i].alert.tenant =
                tenant_of(before, after, cost->tally.notice[i].alert.tenant);
    for (uint32_t i = 0; i < cost->config.alert_count; i++) {
        ray_cost_alert_spec *alert = &cost->config.alert[i];
        if (alert->tenant != RAY_NONE &&
            (alert->tenant = tenant_of(before, after, alert->tenant)) == RAY_NONE)
            alert->name = (ray_name){{0}}; /* matches no row of the load */
    }
}

void ray_cost_services_move(ray_cost *cost, const ray_names *before,
                            const ray_names *after)
{
    for (uint32_t account = 0; account < RAY_COST_NOTHING; account++) {
        ray_cost_service *service = &cost->book.service[account];
        if (service->used != 0 && service_of(before, after, service->service) == RAY_NONE)
            ray_cost_service_retire(cost, account);
    }
    memset(cost->book.service_account, 0, sizeof cost->book.service_account);
    for (uint32_t account = 0; account < RAY_COST_NOTHING; account++) {
        ray_cost_service *service = &cost->book.service[account];
        if (service->used == 0)
            continue;
        service->service = service_of(before, after, service->service);
        cost->book.service_account[service->service] = account + 1;
    }
    for (uint32_t i = 0; i < RAY_COST_NOTICE_MAX; i++)
        if (cost->tally.notice[i].id != 0)
            cost->tally.notice[i].alert.service =
                service_of(before, after, cost->tally.notice[i].alert.service);
    for (uint32_t i = 0; i < cost->config.alert_count; i++) {
        ray_cost_alert_spec *alert = &cost->config.alert[i];
        if (alert->service != RAY_NONE &&
            (alert->service = service_of(before, after, alert->service)) == RAY_NONE)
            alert->name = (ray_name){{0}};
    }
}

/* -- one load (private) -- */
/* An alert found again keeps its standing: through `move`, which is zero outside a load. */
static void load_alerts(ray_cost *cost, uint64_t now_ns, const ray_cost_alert_spec *rows,
                        uint32_t count, ray_config_report *report)
{
    ray_cost_config *config = &cost->config;
    ray_cost_standing *move = cost->tally.move;
    for (uint32_t to = 0; to < count; to++) {
        move[to].spent = ray_cost_pair_spent(cost, &rows[to]);
        for (uint32_t from = 0; from < config->alert_count; from++)
            if (ray_same(&config->alert[from], &rows[to], sizeof rows[to])) {
                move[to] = cost->book.standing[from];
                report->kept_count++;
            }
    }
    memset(config->alert, 0, sizeof config->alert);
    memcpy(config->alert, rows, count * sizeof rows[0]);
    config->alert_count = count;
    memcpy(cost->book.standing, move, sizeof cost->book.standing);
    memset(move, 0, sizeof cost->tally.move);
    ray_cost_alert_arm(cost);
    ray_cost_alert_fire(cost, now_ns);
}

void ray_cost_load(ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                   const ray_cost_rows *rows, const ray_config_counts *counts,
                   ray_config_report *report)
{
    ray_cost_config *config = &cost->config;
    ray_billing_spec billing = {.grace_ns = 0};
    if (counts->billing_count != 0)
        billing = *rows->billing;
    ray_cost_schedule(cost, now_ns, wall_offset_ns, &billing);
    memset(config->price, 0, sizeof config->price);
    memset(config->factor, 0, sizeof config->factor);
    memset(config->tier, 0, sizeof config->tier);
    for (uint32_t i = 0; i < counts->cost_count; i++) {
        ray_cost_price *price = &config->price[rows->books[i].service];
        price->spec = rows->books[i];
        price->used = 1;
    }
    for (uint32_t i = 0; i < counts->cost_multiplier_count; i++) {
        ray_cost_factor_fill(&config->factor[i], &rows->multipliers[i]);
        config->factor[i].spec.book = rows->books[rows->multipliers[i].book].service;
    }
    for (uint32_t i = 0; i < counts->cost_tier_count; i++) {
        config->tier[i] = rows->tiers[i];
        config->tier[i].book = rows->books[rows->tiers[i].book].service;
    }
    config->factor_count = counts->cost_multiplier_count;
    config->tier_count = counts->cost_tier_count;
    ray_cost_index(cost);
    load_alerts(cost, now_ns, rows->alerts, counts->cost_alert_count, report);
}
