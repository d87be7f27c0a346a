/* SPDX-License-Identifier: MIT */
/* valid.c - every law of the state, bounds first, so that bytes from elsewhere lead no walk astray:
 * 1 pools, 2 instances, 3 order, 4 services, 5 rings and tables, 6 leases, 7 the heap of leases, 8
 * connections, 9 idle connections, 10 counters. */
#include "parts.h"

static uint32_t rows_broken(const ray_lb *lb)
{
    uint32_t pools = 0, instances = 0, field;
    for (uint32_t i = 0; i < RAY_POOL_MAX; i++) {
        const ray_pool_row *row = &lb->config.pool[i];
        pools += row->used != 0;
        if (row->used > 1 || (row->used != 0 && ray_lb_pool_check(&row->spec, &field) != RAY_OK))
            return 1;
        if (row->used == 0 && (!ray_is_zero(&row->spec, sizeof row->spec) || row->count != 0))
            return 1;
    }
    for (uint32_t i = 0; i < RAY_INSTANCE_MAX; i++) {
        const ray_instance_row *row = &lb->config.instance[i];
        uint32_t pool = row->spec.pool & LB_SLOT_MASK;
        instances += row->used != 0;
        if (row->used > 1)
            return 2;
        if (row->used != 0 && (ray_lb_instance_check(&row->spec, &field) != RAY_OK ||
                               pool >= RAY_POOL_MAX || lb->config.pool[pool].used == 0))
            return 2;
        if (row->used == 0 && !ray_is_zero(&row->spec, sizeof row->spec))
            return 2;
    }
    return pools != lb->config.pool_count ? 1 : instances != lb->config.instance_count ? 2 : 0;
}

static uint32_t index_broken(const ray_lb *lb)
{
    uint32_t at = 0;
    for (uint32_t pool = 0; pool < RAY_POOL_MAX; pool++) {
        const ray_pool_row *row = &lb->config.pool[pool];
        if (row->used == 0)
            continue;
        if (row->first != at || (uint32_t)row->first + row->count > RAY_INSTANCE_MAX)
            return 3;
        at += row->count;
        for (uint32_t i = row->first; i < at; i++) {
            uint32_t slot = lb->config.order[i];
            if (slot >= RAY_INSTANCE_MAX || lb->config.instance[slot].used == 0 ||
                (lb->config.instance[slot].spec.pool & LB_SLOT_MASK) != pool)
                return 3;
        }
        if (row->ring_first > RAY_RING_MAX || row->ring_count > RAY_RING_MAX - row->ring_first ||
            row->maglev > RAY_MAGLEV_MAX)
            return 5;
        for (uint32_t i = 0; i < row->ring_count; i++)
            if (lb->config.ring[row->ring_first + i].slot >= RAY_INSTANCE_MAX)
                return 5;
    }
    if (at != lb->config.instance_count || lb->config.ring_count > RAY_RING_MAX)
        return 3;
    for (uint32_t table = 0; table < RAY_MAGLEV_MAX; table++)
        for (uint32_t i = 0; i < RAY_MAGLEV_SIZE; i++)
            if (lb->config.maglev[table][i] > RAY_INSTANCE_MAX)
                return 5;
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++)
        if (lb->config.service[i] != 0 &&
            ((lb->config.service[i] - 1) & LB_SLOT_MASK) >= RAY_POOL_MAX)
            return 4;
    return 0;
}

static uint32_t leases_broken(const ray_lb *lb)
{
    uint32_t used = 0, timed = 0, chained = 0;
    const ray_lb_book *book = &lb->book;
    if (book->lease_top > RAY_LEASE_MAX || book->lease_free > book->lease_top ||
        book->heap_count > RAY_LEASE_MAX)
        return 6;
    for (uint32_t i = 0; i < RAY_LEASE_MAX; i++) {
        const ray_lb_lease *lease = &book->lease[i];
        if (lease->used > 1 || lease->next_free > book->lease_top ||
            (lease->used != 0 &&
             (i >= book->lease_top || lease->instance >= RAY_INSTANCE_MAX ||
              lb->config.instance[lease->instance].used == 0 || lease->next_free != 0)))
            return 6;
        used += lease->used;
        timed += lease->used != 0 && lease->until_ns != RAY_NEVER;
    }
    for (uint32_t at = book->lease_free; at != 0 && chained <= book->lease_top; chained++)
        at = book->lease[at - 1].next_free;
    if (used != book->lease_count || used + chained != book->lease_top)
        return 6;
    if (timed != book->heap_count)
        return 7;
    for (uint32_t i = 0; i < book->heap_count; i++)
        if (book->heap_order[i] >= book->lease_top ||
            book->heap_place[book->heap_order[i]] != i + 1 ||
            book->lease[book->heap_order[i]].used == 0)
            return 7;
    return 0;
}

static uint32_t connections_broken(const ray_lb *lb)
{
    uint32_t active[RAY_POOL_MAX];
    memset(active, 0, sizeof active);
    for (uint32_t slot = 0; slot < RAY_INSTANCE_MAX; slot++) {
        const ray_instance_book *book = &lb->book.instance[slot];
        if (lb->config.instance[slot].used == 0) {
            if (!ray_is_zero(book, sizeof *book))
                return 8;
            continue;
        }
        if (book->health >= RAY_HEALTH_MAX || book->draining > 2 || book->streak_passed > 1 ||
            book->active > RAY_LEASE_MAX || book->ejections > RAY_LB_EJECT_GROWTH_MAX)
            return 8;
        active[lb->config.instance[slot].spec.pool & LB_SLOT_MASK] += book->active;
    }
    for (uint32_t pool = 0; pool < RAY_POOL_MAX; pool++)
        if (active[pool] != lb->book.pool[pool].active ||
            lb->book.pool[pool].cursor > lb->config.pool[pool].count ||
            ray_lb_calm_holds(lb, pool) == 0)
            return 8;
    return 0;
}

/* A pool's list holds exactly its idle connections, oldest first. */
static uint32_t idle_broken(const ray_lb *lb)
{
    uint32_t seen = 0, used = 0;
    if (lb->book.idle_top > RAY_IDLE_MAX || lb->book.idle_free > lb->book.idle_top)
        return 9;
    for (uint32_t i = 0; i < RAY_IDLE_MAX; i++) {
        const ray_idle_entry *idle = &lb->book.idle[i];
        used += idle->instance != 0;
        if (idle->instance > RAY_INSTANCE_MAX || idle->next > lb->book.idle_top ||
            idle->prev > lb->book.idle_top ||
            (idle->instance != 0 && lb->config.instance[idle->instance - 1].used == 0))
            return 9;
    }
    for (uint32_t pool = 0; pool < RAY_POOL_MAX; pool++) {
        uint32_t last = 0, count = 0, at = lb->book.pool[pool].idle_first;
        if (at > lb->book.idle_top)
            return 9;
        for (; at != 0 && count <= lb->book.idle_top; count++) {
            const ray_idle_entry *idle = &lb->book.idle[at - 1];
            if (idle->instance == 0 || idle->prev != last ||
                (lb->config.instance[idle->instance - 1].spec.pool & LB_SLOT_MASK) != pool)
                return 9;
            last = at;
            at = idle->next;
        }
        if (count != lb->book.pool[pool].idle || last != lb->book.pool[pool].idle_last)
            return 9;
        seen += count;
    }
    return seen != used ? 9 : 0;
}

uint32_t ray_lb_valid(const ray_lb *lb)
{
    uint32_t broken = rows_broken(lb), active = 0;
    if (broken == 0)
        broken = index_broken(lb);
    if (broken == 0)
        broken = leases_broken(lb);
    if (broken == 0)
        broken = connections_broken(lb);
    if (broken == 0)
        broken = idle_broken(lb);
    if (broken != 0)
        return broken;
    for (uint32_t pool = 0; pool < RAY_POOL_MAX; pool++)
        active += lb->book.pool[pool].active;
    return lb->tally.asked_count != lb->tally.granted_count + lb->tally.denied_count ||
                   lb->tally.opened_count != lb->tally.closed_count + active
               ? 10
               : 0;
}
