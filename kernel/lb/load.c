/* SPDX-License-Identifier: MIT */
/* load.c - a configuration's pools take the place of the running ones: by name, by key. */
#include "parts.h"

enum { SECTION_POOL = 100, SECTION_INSTANCE = 101, SECTION_SERVICE_POOL = 102, GONE = 0xffff };

/* -- the hostile check -- */
static ray_status refuse(ray_config_report *report, ray_status status, uint32_t section,
                         uint32_t row, uint32_t field)
{
    report->status = status;
    report->section = section;
    report->row = row;
    report->field = field;
    return status;
}

static ray_status check_pools(const ray_lb_rows *rows, const ray_config_counts *counts,
                              ray_config_report *report)
{
    uint32_t maglevs = 0, field;
    for (uint32_t i = 0; i < counts->pool_count; i++) {
        ray_status status = ray_lb_pool_check(&rows->pools[i], &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_POOL, i, field);
        for (uint32_t before = 0; before < i; before++)
            if (ray_name_same(&rows->pools[before].name, &rows->pools[i].name) != 0)
                return refuse(report, RAY_E_EXISTS, SECTION_POOL, i, 0);
        maglevs += rows->pools[i].strategy == RAY_BALANCE_MAGLEV;
        if (maglevs > RAY_MAGLEV_MAX)
            return refuse(report, RAY_E_FULL, SECTION_POOL, i, offsetof(ray_pool_spec, strategy));
    }
    return RAY_OK;
}

/* Points that the file's ketama pools need together: never more than this bound. */
static uint32_t points_needed(const ray_lb_rows *rows, const ray_config_counts *counts)
{
    uint32_t points = 0;
    for (uint32_t i = 0; i < counts->instance_count; i++)
        if (rows->pools[rows->instances[i].pool].strategy == RAY_BALANCE_KETAMA)
            points += 160;
    return points;
}

static ray_status check_instances(const ray_lb_rows *rows, const ray_config_counts *counts,
                                  ray_config_report *report)
{
    uint32_t field;
    for (uint32_t i = 0; i < counts->instance_count; i++) {
        const ray_instance_spec *row = &rows->instances[i];
        ray_status status = ray_lb_instance_check(row, &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_INSTANCE, i, field);
        if (row->pool >= counts->pool_count)
            return refuse(report, RAY_E_UNKNOWN, SECTION_INSTANCE, i,
                          offsetof(ray_instance_spec, pool));
        for (uint32_t before = 0; before < i; before++)
            if (rows->instances[before].pool == row->pool &&
                ray_name_same(&rows->instances[before].at, &row->at) != 0)
                return refuse(report, RAY_E_EXISTS, SECTION_INSTANCE, i, 0);
    }
    if (points_needed(rows, counts) > RAY_RING_MAX)
        return refuse(report, RAY_E_FULL, SECTION_INSTANCE, counts->instance_count - 1, 0);
    return RAY_OK;
}

ray_status ray_lb_check(const ray_lb_rows *rows, const ray_config_counts *counts,
                        ray_config_report *report)
{
    ray_status status = check_pools(rows, counts, report);
    if (status == RAY_OK)
        status = check_instances(rows, counts, report);
    for (uint32_t i = 0; status == RAY_OK && i < counts->service_pool_count; i++) {
        const ray_service_pool_spec *row = &rows->services[i];
        if (row->service >= counts->service_count)
            return refuse(report, RAY_E_UNKNOWN, SECTION_SERVICE_POOL, i,
                          offsetof(ray_service_pool_spec, service));
        if (row->pool >= counts->pool_count)
            return refuse(report, RAY_E_UNKNOWN, SECTION_SERVICE_POOL, i,
                          offsetof(ray_service_pool_spec, pool));
        for (uint32_t before = 0; before < i; before++)
            if (rows->services[before].service == row->service)
                return refuse(report, RAY_E_EXISTS, SECTION_SERVICE_POOL, i, 0);
    }
    return status;
}

/* -- the load -- */
static const ray_instance_spec *row_of(const ray_lb_rows *rows, const ray_config_counts *counts,
                                       const ray_name *pool, const ray_name *at)
{
    for (uint32_t i = 0; i < counts->instance_count; i++)
        if (ray_name_same(&rows->instances[i].at, at) != 0 &&
            ray_name_same(&rows->pools[rows->instances[i].pool].name, pool) != 0)
            return &rows->instances[i];
    return NULL;
}

static uint32_t pool_row_of(const ray_lb_rows *rows, const ray_config_counts *counts,
                            const ray_name *name)
{
    for (uint32_t i = 0; i < counts->pool_count; i++)
        if (ray_name_same(&rows->pools[i].name, name) != 0)
            return i;
    return GONE;
}

static void swap_pools(ray_lb *lb, uint32_t a, uint32_t b)
{
    ray_pool_row row = lb->config.pool[a];
    lb->config.pool[a] = lb->config.pool[b];
    lb->config.pool[b] = row;
    ray_pool_book book = lb->book.pool[a];
    lb->book.pool[a] = lb->book.pool[b];
    lb->book.pool[b] = book;
    ray_pool_tally tally = lb->tally.pool[a];
    lb->tally.pool[a] = lb->tally.pool[b];
    lb->tally.pool[b] = tally;
    for (uint32_t i = 0; i < RAY_INSTANCE_MAX; i++) {
        uint32_t pool = lb->config.instance[i].spec.pool & LB_SLOT_MASK;
        if (lb->config.instance[i].used != 0 && (pool == a || pool == b))
            lb->config.instance[i].spec.pool = pool == a ? b : a;
    }
}

/* Pools that stay stand at their row's place, with generation 0; every other one is gone, with its
 * instances. */
static void place_pools(ray_lb *lb, uint64_t now_ns, const ray_lb_rows *rows,
                        const ray_config_counts *counts)
{
    for (uint32_t slot = 0; slot < RAY_POOL_MAX; slot++)
        if (lb->config.pool[slot].used != 0 &&
            pool_row_of(rows, counts, &lb->config.pool[slot].spec.name) == GONE)
            ray_lb_remove_pool(lb, now_ns, ray_lb_pool_handle(lb, slot), 1);
    for (uint32_t i = 0; i < counts->pool_count; i++) {
        uint32_t slot = ray_lb_pool_named(lb, &rows->pools[i].name);
        if (slot != RAY_NONE && slot != i)
            swap_pools(lb, slot, i);
    }
    for (uint32_t slot = 0; slot < RAY_POOL_MAX; slot++) {
        lb->config.pool[slot].generation = 0;
        if (slot >= counts->pool_count)
            continue;
        lb->config.pool_count += lb->config.pool[slot].used == 0;
        lb->config.pool[slot].used = 1;
        lb->config.pool[slot].spec = rows->pools[slot];
    }
    for (uint32_t i = 0; i < RAY_INSTANCE_MAX; i++)
        if (lb->config.instance[i].used != 0)
            lb->config.instance[i].spec.pool &= LB_SLOT_MASK;
    ray_lb_arrange(lb);
}

/* Instances the file no longer has go, unless discovery brought them and still may. */
static void place_instances(ray_lb *lb, uint64_t now_ns, const ray_lb_rows *rows,
                            const ray_config_counts *counts, ray_config_report *report)
{
    for (uint32_t slot = 0; slot < RAY_INSTANCE_MAX; slot++) {
        ray_instance_row *row = &lb->config.instance[slot];
        if (row->used == 0)
            continue;
        const ray_pool_spec *pool = &lb->config.pool[row->spec.pool].spec;
        const ray_instance_spec *stays = row_of(rows, counts, &pool->name, &row->spec.at);
        if (stays != NULL) {
            report->kept_count += stays->weight == row->spec.weight;
            report->reset_count += stays->weight != row->spec.weight;
            row->spec.weight = stays->weight;
            row->discovered = 0;
            if (lb->book.instance[slot].draining == 2)
                lb->book.instance[slot].draining = 0;
        } else if (row->discovered == 0 || pool->discovered == 0)
            ray_lb_remove_instance(lb, now_ns, ray_lb_instance_handle(lb, slot), 1);
    }
    for (uint32_t i = 0; i < counts->instance_count; i++) {
        uint32_t id;
        if (ray_lb_instance_named(lb, rows->instances[i].pool, &rows->instances[i].at) != RAY_NONE)
            continue;
        if (lb->config.instance_count == RAY_INSTANCE_MAX)
            ray_lb_hurry(lb, now_ns);
        ray_lb_add_instance(lb, now_ns, &rows->instances[i], &id);
    }
}

void ray_lb_load(ray_lb *lb, uint64_t now_ns, const ray_lb_rows *rows,
                 const ray_config_counts *counts, ray_config_report *report)
{
    place_pools(lb, now_ns, rows, counts);
    place_instances(lb, now_ns, rows, counts, report);
    memset(lb->config.service, 0, sizeof lb->config.service);
    for (uint32_t i = 0; i < counts->service_pool_count; i++)
        lb->config.service[rows->services[i].service] = rows->services[i].pool + 1;
    ray_lb_arrange(lb);
    for (uint32_t pool = 0; pool < counts->pool_count; pool++)
        ray_lb_idle_trim(lb, now_ns, pool);
}

/* The load names every service anew; between it and here nothing may lead to another's pool. */
void ray_lb_services_move(ray_lb *lb, const ray_names *before, const ray_names *after)
{
    (void)before;
    (void)after;
    memset(lb->config.service, 0, sizeof lb->config.service);
}
