/* SPDX-License-Identifier: MIT */
/* alert.c - thresholds on what is spent in the open period: each fires once a period, when it is
 * reached. Every account keeps the smallest threshold that has not fired, so that a charge compares
 * one number; only an alert on one tenant's one service is looked for.
 */
#include "parts.h"

/* -- which account (private) -- */
static uint32_t is_pair(const ray_cost_alert_spec *spec)
{
    return spec->tenant != RAY_NONE && spec->service != RAY_NONE;
}

static uint32_t of_tenant(const ray_cost *cost, const ray_cost_alert_spec *spec, uint32_t account)
{
    return spec->tenant != RAY_NONE && ray_cost_tenant_find(cost, spec->tenant) == account;
}

static uint32_t of_service(const ray_cost *cost, const ray_cost_alert_spec *spec, uint32_t account)
{
    return spec->service != RAY_NONE && ray_cost_service_find(cost, spec->service) == account;
}

ray_money ray_cost_pair_spent(const ray_cost *cost, const ray_cost_alert_spec *spec)
{
    ray_money sum = ray_money_none();
    for (uint32_t place = 0; is_pair(spec) != 0 && place < cost->book.cell_top; place++) {
        const ray_cost_cell *cell = &cost->book.cell[place];
        if (cell->tenant != 0 && of_tenant(cost, spec, cell->tenant - 1) != 0 &&
            of_service(cost, spec, cell->service) != 0)
            sum = ray_money_sum(sum, cell->open);
    }
    return sum;
}

ray_money ray_cost_alert_spent(const ray_cost *cost, uint32_t place)
{
    const ray_cost_alert_spec *spec = &cost->config.alert[place];
    if (is_pair(spec))
        return cost->book.standing[place].spent;
    uint32_t account;
    if (spec->tenant != RAY_NONE) {
        account = ray_cost_tenant_find(cost, spec->tenant);
        return account != RAY_NONE ? cost->book.tenant[account].total : ray_money_none();
    }
    if (spec->service != RAY_NONE) {
        account = ray_cost_service_find(cost, spec->service);
        return account != RAY_NONE ? cost->book.service[account].total : ray_money_none();
    }
    return cost->book.open;
}

/* -- watches -- */
static void lower(int64_t *watch_nano, const ray_cost *cost, uint32_t place)
{
    const ray_cost_alert_spec *spec = &cost->config.alert[place];
    if (cost->book.standing[place].fired == 0 && spec->threshold_nano < *watch_nano)
        *watch_nano = spec->threshold_nano;
}

void ray_cost_alert_watch_tenant(ray_cost *cost, uint32_t account)
{
    ray_cost_tenant *tenant = &cost->book.tenant[account];
    tenant->watch_nano = COST_NANO_MAX;
    tenant->alert_pairs = 0;
    for (uint32_t place = 0; place < cost->config.alert_count; place++) {
        const ray_cost_alert_spec *spec = &cost->config.alert[place];
        if (of_tenant(cost, spec, account) == 0)
            continue;
        if (is_pair(spec))
            tenant->alert_pairs++;
        else
            lower(&tenant->watch_nano, cost, place);
    }
}

void ray_cost_alert_watch_service(ray_cost *cost, uint32_t account)
{
    ray_cost_service *service = &cost->book.service[account];
    service->watch_nano = COST_NANO_MAX;
    for (uint32_t place = 0; place < cost->config.alert_count; place++) {
        const ray_cost_alert_spec *spec = &cost->config.alert[place];
        if (is_pair(spec) == 0 && of_service(cost, spec, account) != 0)
            lower(&service->watch_nano, cost, place);
    }
}

static void watch_all(ray_cost *cost)
{
    cost->book.watch_nano = COST_NANO_MAX;
    for (uint32_t place = 0; place < cost->config.alert_count; place++)
        if (cost->config.alert[place].tenant == RAY_NONE &&
            cost->config.alert[place].service == RAY_NONE)
            lower(&cost->book.watch_nano, cost, place);
}

void ray_cost_alert_arm(ray_cost *cost)
{
    for (uint32_t account = 0; account < RAY_COST_TENANTS; account++)
        if (cost->book.tenant[account].owner != 0)
            ray_cost_alert_watch_tenant(cost, account);
    for (uint32_t account = 0; account < RAY_COST_SERVICES; account++)
        if (cost->book.service[account].used != 0)
            ray_cost_alert_watch_service(cost, account);
    watch_all(cost);
}

/* -- firing -- */
static void fire(ray_cost *cost, uint64_t now_ns, uint32_t place, const ray_money *spent)
{
    ray_cost_tally *tally = &cost->tally;
    ray_cost_notice *notice = &tally->notice[tally->notice_count % RAY_COST_NOTICE_MAX];
    cost->book.standing[place].fired = 1;
    *notice = (ray_cost_notice){.id = ++tally->notice_count,
                                .at_ns = now_ns,
                                .spent_nano = ray_money_nano(spent, 0),
                                .period_unix_ns = cost->book.start_ns,
                                .alert = cost->config.alert[place]};
}

/* The order of firing: ascending thresholds, then places. */
static uint32_t next_reached(const ray_cost *cost)
{
    uint32_t best = RAY_NONE;
    for (uint32_t place = 0; place < cost->config.alert_count; place++) {
        ray_money spent = ray_cost_alert_spent(cost, place);
        int64_t threshold_nano = cost->config.alert[place].threshold_nano;
        if (cost->book.standing[place].fired == 0 && ray_money_nano(&spent, 0) >= threshold_nano &&
            (best == RAY_NONE || threshold_nano < cost->config.alert[best].threshold_nano))
            best = place;
    }
    return best;
}

void ray_cost_alert_fire(ray_cost *cost, uint64_t now_ns)
{
    uint32_t fired = 0;
    for (uint32_t place; (place = next_reached(cost)) != RAY_NONE; fired++) {
        ray_money spent = ray_cost_alert_spent(cost, place);
        fire(cost, now_ns, place, &spent);
    }
    if (fired != 0)
        ray_cost_alert_arm(cost);
}

static uint32_t reaches(const ray_money *spent, int64_t watch_nano)
{
    return watch_nano != COST_NANO_MAX && ray_money_nano(spent, 0) >= watch_nano;
}

/* 1 when a pair's alert may have been reached. */
static uint32_t pairs_grow(ray_cost *cost, uint32_t tenant, uint32_t service,
                           const ray_money *amount)
{
    uint32_t reached = 0;
    for (uint32_t place = 0; place < cost->config.alert_count; place++) {
        const ray_cost_alert_spec *spec = &cost->config.alert[place];
        ray_cost_standing *standing = &cost->book.standing[place];
        if (is_pair(spec) == 0 || of_tenant(cost, spec, tenant) == 0 ||
            of_service(cost, spec, service) == 0)
            continue;
        standing->spent = ray_money_sum(standing->spent, *amount);
        reached |= standing->fired == 0 &&
                   ray_money_nano(&standing->spent, 0) >= spec->threshold_nano;
    }
    return reached;
}

void ray_cost_alert_check(ray_cost *cost, uint64_t now_ns, uint32_t tenant, uint32_t service,
                          const ray_money *amount)
{
    const ray_cost_tenant *payer = &cost->book.tenant[tenant];
    const ray_cost_service *used = &cost->book.service[service];
    uint32_t reached = payer->total_nano >= payer->watch_nano ||
                       reaches(&used->total, used->watch_nano) ||
                       reaches(&cost->book.open, cost->book.watch_nano);
    if (payer->alert_pairs != 0)
        reached |= pairs_grow(cost, tenant, service, amount);
    if (reached != 0)
        ray_cost_alert_fire(cost, now_ns);
}

/* -- notices -- */
ray_status ray_cost_notice_read(const ray_cost *cost, uint64_t id, ray_cost_notice *out)
{
    const ray_cost_tally *tally = &cost->tally;
    if (id == 0 || id > tally->notice_count)
        return RAY_E_UNKNOWN;
    if (tally->notice_count - id >= RAY_COST_NOTICE_MAX)
        return RAY_E_STALE;
    *out = tally->notice[(id - 1) % RAY_COST_NOTICE_MAX];
    return RAY_OK;
}

ray_status ray_cost_notice_acknowledge(ray_cost *cost, uint64_t id)
{
    ray_cost_notice notice;
    ray_status status = ray_cost_notice_read(cost, id, &notice);
    if (status == RAY_OK)
        cost->tally.notice[(id - 1) % RAY_COST_NOTICE_MAX].acknowledged = 1;
    return status;
}
