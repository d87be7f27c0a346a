/* SPDX-License-Identifier: MIT */
/* discover.c - discovery's whole answer for a pool takes the place of the last one, or nothing
 * changes. */
#include "parts.h"

/* -- discovery -- */
static uint32_t among(const ray_instance_spec *rows, uint32_t count, const ray_name *at)
{
    for (uint32_t i = 0; i < count; i++)
        if (ray_name_same(&rows[i].at, at) != 0)
            return i;
    return RAY_NONE;
}

/* Whether `count` instances' ring fits beside the others whatever their weights: no digest more
 * than 40 each, of four points, now or while they come one by one. */
static uint32_t ring_holds(const ray_lb *lb, uint32_t pool, uint32_t count)
{
    uint32_t points = count * 160;
    if (lb->config.pool[pool].spec.strategy != RAY_BALANCE_KETAMA)
        return 1;
    for (uint32_t other = 0; other < RAY_POOL_MAX; other++)
        points += other != pool ? ray_lb_ring_points(lb, other) : 0;
    return points <= RAY_RING_MAX;
}

/* Places the new ones need, once those that go without connections have gone. */
static ray_status discover_check(const ray_lb *lb, uint32_t pool, const ray_instance_spec *rows,
                                 uint32_t count)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    uint32_t field, news = 0, go = 0;
    for (uint32_t i = 0; i < count; i++) {
        ray_status status = ray_lb_instance_check(&rows[i], &field);
        if (status != RAY_OK)
            return status;
        if (among(rows, i, &rows[i].at) != RAY_NONE)
            return RAY_E_EXISTS;
        news += ray_lb_instance_named(lb, pool, &rows[i].at) == RAY_NONE;
    }
    for (uint32_t i = row->first; i < (uint32_t)row->first + row->count; i++) {
        uint32_t slot = lb->config.order[i];
        go += lb->book.instance[slot].active == 0 &&
              among(rows, count, &lb->config.instance[slot].spec.at) == RAY_NONE;
    }
    if (lb->config.instance_count - go + news > RAY_INSTANCE_MAX)
        return RAY_E_FULL;
    return ring_holds(lb, pool, row->count - go + news) != 0 ? RAY_OK : RAY_E_FULL;
}

ray_status ray_lb_discover(ray_lb *lb, uint64_t now_ns, uint32_t pool,
                           const ray_instance_spec *rows, uint32_t count)
{
    uint32_t slot, id;
    ray_status status = ray_lb_pool_slot(lb, pool, &slot);
    if (status != RAY_OK)
        return status;
    if (count == 0) {
        lb->tally.discovery_kept_count++;
        return RAY_E_ARGUMENT;
    }
    status = discover_check(lb, slot, rows, count);
    if (status != RAY_OK)
        return status;
    for (uint32_t i = 0; i < RAY_INSTANCE_MAX; i++) {
        const ray_instance_row *row = &lb->config.instance[i];
        if (row->used == 0 || (row->spec.pool & LB_SLOT_MASK) != slot ||
            among(rows, count, &row->spec.at) != RAY_NONE)
            continue;
        ray_lb_remove_instance(lb, now_ns, ray_lb_instance_handle(lb, i), 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        ray_instance_spec spec = rows[i];
        uint32_t known = ray_lb_instance_named(lb, slot, &spec.at);
        spec.pool = pool;
        if (known != RAY_NONE) {
            lb->config.instance[known].spec.weight = spec.weight;
            if (lb->book.instance[known].draining == 2)
                lb->book.instance[known].draining = 0;
        } else if (ray_lb_add_instance(lb, now_ns, &spec, &id) == RAY_OK)
            lb->config.instance[id & LB_SLOT_MASK].discovered = 1;
    }
    lb->tally.discovered_count++;
    ray_lb_arrange(lb);
    return RAY_OK;
}
