/* SPDX-License-Identifier: MIT */
/* control.c - pools, instances and health, as an operator or a prober changes them. Every error is
 * found before anything changes. */
#include "parts.h"
#include "base/siphash.h"

/* -- rows by name (private) -- */
uint32_t ray_lb_pool_named(const ray_lb *lb, const ray_name *name)
{
    for (uint32_t slot = 0; slot < RAY_POOL_MAX; slot++)
        if (lb->config.pool[slot].used != 0 &&
            ray_name_same(&lb->config.pool[slot].spec.name, name) != 0)
            return slot;
    return RAY_NONE;
}

uint32_t ray_lb_instance_named(const ray_lb *lb, uint32_t pool, const ray_name *at)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    for (uint32_t i = row->first; i < (uint32_t)row->first + row->count; i++)
        if (ray_name_same(&lb->config.instance[lb->config.order[i]].spec.at, at) != 0)
            return lb->config.order[i];
    return RAY_NONE;
}

/* Whether the pool's ring would fit beside the others if its instances were as they are now. */
static uint32_t rings_fit(ray_lb *lb)
{
    uint32_t points = 0, tables = 0;
    for (uint32_t pool = 0; pool < RAY_POOL_MAX; pool++) {
        points += ray_lb_ring_points(lb, pool);
        tables += lb->config.pool[pool].used != 0 &&
                  lb->config.pool[pool].spec.strategy == RAY_BALANCE_MAGLEV;
    }
    return points <= RAY_RING_MAX && tables <= RAY_MAGLEV_MAX;
}

/* -- pools -- */
ray_status ray_lb_add_pool(ray_lb *lb, uint64_t now_ns, const ray_pool_spec *spec, uint32_t *id)
{
    uint32_t field, slot = 0;
    ray_status status = ray_lb_pool_check(spec, &field);
    (void)now_ns;
    if (status != RAY_OK)
        return status;
    if (ray_lb_pool_named(lb, &spec->name) != RAY_NONE)
        return RAY_E_EXISTS;
    while (slot < RAY_POOL_MAX && lb->config.pool[slot].used != 0)
        slot++;
    if (slot == RAY_POOL_MAX)
        return RAY_E_FULL;
    ray_pool_row *row = &lb->config.pool[slot];
    row->spec = *spec;
    row->used = 1;
    if (rings_fit(lb) == 0) {
        row->used = 0;
        memset(&row->spec, 0, sizeof row->spec);
        return RAY_E_FULL;
    }
    lb->config.pool_count++;
    ray_lb_arrange(lb);
    *id = ray_lb_pool_handle(lb, slot);
    return RAY_OK;
}

static uint32_t pool_used(const ray_lb *lb, uint32_t slot)
{
    uint32_t used = lb->config.pool[slot].count;
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++)
        used += lb->config.service[i] == ray_lb_pool_handle(lb, slot) + 1;
    return used;
}

void ray_lb_hurry(ray_lb *lb, uint64_t now_ns)
{
    ray_lb_outcome closed = {.closed = 1};
    for (uint32_t slot = 0; slot < RAY_INSTANCE_MAX; slot++) {
        uint16_t generation = lb->config.instance[slot].generation;
        if (lb->config.instance[slot].used == 0 || lb->book.instance[slot].draining != 2)
            continue;
        for (uint32_t at = 0; at < lb->book.lease_top; at++)
            if (lb->book.lease[at].used != 0 && lb->book.lease[at].instance == slot)
                ray_lb_done(lb, now_ns, at | (uint32_t)lb->book.lease[at].generation << 16,
                            &closed);
        if (lb->config.instance[slot].generation == generation)
            ray_lb_forget(lb, slot);   /* its other connections had no lease */
        return;
    }
}

/* Leases of a pool that goes: their connections are gone with it. */
static void drop_leases(ray_lb *lb, uint64_t now_ns, uint32_t pool)
{
    ray_lb_outcome closed = {.closed = 1};
    for (uint32_t at = 0; at < lb->book.lease_top; at++) {
        const ray_lb_lease *lease = &lb->book.lease[at];
        if (lease->used != 0 &&
            (lb->config.instance[lease->instance].spec.pool & LB_SLOT_MASK) == pool)
            ray_lb_done(lb, now_ns, at | (uint32_t)lease->generation << 16, &closed);
    }
}

ray_status ray_lb_remove_pool(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t cascade)
{
    uint32_t slot;
    ray_status status = ray_lb_pool_slot(lb, id, &slot);
    if (status != RAY_OK)
        return status;
    if (cascade == 0 && pool_used(lb, slot) != 0)
        return RAY_E_USED;
    drop_leases(lb, now_ns, slot);
    for (uint32_t i = 0; i < RAY_INSTANCE_MAX; i++)
        if (lb->config.instance[i].used != 0 &&
            (lb->config.instance[i].spec.pool & LB_SLOT_MASK) == slot)
            ray_lb_forget(lb, i);
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++)
        if (lb->config.service[i] == id + 1)
            lb->config.service[i] = 0;
    uint32_t generation = lb->config.pool[slot].generation + 1U;
    memset(&lb->config.pool[slot], 0, sizeof lb->config.pool[slot]);
    memset(&lb->book.pool[slot], 0, sizeof lb->book.pool[slot]);
    memset(&lb->tally.pool[slot], 0, sizeof lb->tally.pool[slot]);
    lb->config.pool[slot].generation = (uint16_t)(generation & LB_SLOT_MASK);
    lb->config.pool_count--;
    ray_lb_arrange(lb);
    return RAY_OK;
}

ray_status ray_lb_set_pool(ray_lb *lb, uint64_t now_ns, uint32_t id, const ray_pool_spec *spec)
{
    uint32_t slot, field;
    ray_status status = ray_lb_pool_slot(lb, id, &slot);
    if (status == RAY_OK)
        status = ray_lb_pool_check(spec, &field);
    if (status != RAY_OK)
        return status;
    uint32_t named = ray_lb_pool_named(lb, &spec->name);
    if (named != RAY_NONE && named != slot)
        return RAY_E_EXISTS;
    ray_pool_spec before = lb->config.pool[slot].spec;
    lb->config.pool[slot].spec = *spec;
    if (rings_fit(lb) == 0) {
        lb->config.pool[slot].spec = before;
        return RAY_E_FULL;
    }
    ray_lb_arrange(lb);
    ray_lb_idle_trim(lb, now_ns, slot);
    return RAY_OK;
}

ray_status ray_lb_reset(ray_lb *lb, uint64_t now_ns, uint32_t pool)
{
    uint32_t slot;
    ray_status status = ray_lb_pool_slot(lb, pool, &slot);
    (void)now_ns;
    if (status != RAY_OK)
        return status;
    lb->book.pool[slot].cursor = 0;
    for (uint32_t i = 0; i < RAY_INSTANCE_MAX; i++)
        if (lb->config.instance[i].used != 0 &&
            (lb->config.instance[i].spec.pool & LB_SLOT_MASK) == slot)
            lb->book.instance[i].current = 0;
    return RAY_OK;
}

ray_status ray_lb_bind(ray_lb *lb, uint32_t service, uint32_t pool)
{
    uint32_t at = service & LB_SLOT_MASK, slot;
    if (at >= RAY_SERVICE_MAX)
        return RAY_E_UNKNOWN;
    ray_status status = pool != RAY_NONE ? ray_lb_pool_slot(lb, pool, &slot) : RAY_OK;
    if (status == RAY_OK)
        lb->config.service[at] = pool != RAY_NONE ? pool + 1 : 0;
    return status;
}

/* -- instances -- */
void ray_lb_health_begin(ray_lb *lb, uint32_t slot)
{
    uint32_t pool = lb->config.instance[slot].spec.pool & LB_SLOT_MASK;
    lb->book.instance[slot].health =
        lb->config.pool[pool].spec.health_every_ns != 0 ? RAY_HEALTH_UNKNOWN : RAY_HEALTH_HEALTHY;
}

void ray_lb_forget(ray_lb *lb, uint32_t slot)
{
    ray_instance_row *row = &lb->config.instance[slot];
    uint32_t generation = row->generation + 1U;
    uint32_t pool = row->spec.pool & LB_SLOT_MASK;
    ray_lb_idle_clear(lb, slot);
    lb->book.pool[pool].active -= lb->book.instance[slot].active;
    lb->tally.closed_count += lb->book.instance[slot].active;
    memset(row, 0, sizeof *row);
    row->generation = (uint16_t)(generation & LB_SLOT_MASK);
    memset(&lb->book.instance[slot], 0, sizeof lb->book.instance[slot]);
    memset(&lb->tally.instance[slot], 0, sizeof lb->tally.instance[slot]);
    lb->config.instance_count--;
    ray_lb_arrange(lb);
}

ray_status ray_lb_add_instance(ray_lb *lb, uint64_t now_ns, const ray_instance_spec *spec,
                               uint32_t *id)
{
    uint32_t field, pool, slot = 0;
    ray_status status = ray_lb_instance_check(spec, &field);
    if (status == RAY_OK)
        status = ray_lb_pool_slot(lb, spec->pool, &pool);
    if (status != RAY_OK)
        return status;
    if (ray_lb_instance_named(lb, pool, &spec->at) != RAY_NONE)
        return RAY_E_EXISTS;
    while (slot < RAY_INSTANCE_MAX && lb->config.instance[slot].used != 0)
        slot++;
    if (slot == RAY_INSTANCE_MAX)
        return RAY_E_FULL;
    ray_instance_row *row = &lb->config.instance[slot];
    uint32_t first = lb->config.pool[pool].count == 0;
    row->spec = *spec;
    row->used = 1;
    row->hash = ray_siphash(lb->config.seed, (const uint8_t *)spec->at.at,
                            ray_name_length(&spec->at));
    lb->config.instance_count++;
    ray_lb_health_begin(lb, slot);
    /* One that joins a pool at work warms up; nothing does when all begin together. */
    if (first == 0 && lb->config.pool[pool].spec.slow_start_ns != 0 &&
        lb->tally.pool[pool].picked_count != 0)
        lb->book.instance[slot].since_ns = now_ns != 0 ? now_ns : 1;
    ray_lb_arrange(lb);
    if (rings_fit(lb) == 0) {
        ray_lb_forget(lb, slot);
        return RAY_E_FULL;
    }
    *id = ray_lb_instance_handle(lb, slot);
    return RAY_OK;
}

ray_status ray_lb_remove_instance(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t cascade)
{
    uint32_t slot;
    ray_status status = ray_lb_instance_slot(lb, id, &slot);
    (void)now_ns;
    if (status != RAY_OK)
        return status;
    if (lb->book.instance[slot].active == 0) {
        ray_lb_forget(lb, slot);
        return RAY_OK;
    }
    if (cascade == 0)
        return RAY_E_USED;
    lb->book.instance[slot].draining = 2;
    ray_lb_calm(lb, lb->config.instance[slot].spec.pool & LB_SLOT_MASK);
    ray_lb_idle_clear(lb, slot);
    return RAY_OK;
}

ray_status ray_lb_set_weight(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t weight)
{
    uint32_t slot;
    ray_status status = ray_lb_instance_slot(lb, id, &slot);
    (void)now_ns;
    if (status == RAY_OK && (weight < 1 || weight > RAY_LB_WEIGHT_MAX))
        status = RAY_E_RANGE;
    if (status != RAY_OK)
        return status;
    uint32_t before = lb->config.instance[slot].spec.weight;
    lb->config.instance[slot].spec.weight = weight;
    if (rings_fit(lb) == 0) {
        lb->config.instance[slot].spec.weight = before;
        return RAY_E_FULL;
    }
    ray_lb_arrange(lb);
    return RAY_OK;
}

ray_status ray_lb_drain(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t draining)
{
    uint32_t slot;
    ray_status status = ray_lb_instance_slot(lb, id, &slot);
    if (status != RAY_OK)
        return status;
    ray_instance_book *book = &lb->book.instance[slot];
    uint32_t pool = lb->config.instance[slot].spec.pool & LB_SLOT_MASK;
    if (draining == 0 && book->draining != 0 && lb->config.pool[pool].spec.slow_start_ns != 0)
        book->since_ns = now_ns != 0 ? now_ns : 1;
    book->draining = draining != 0;
    ray_lb_calm(lb, pool);
    if (draining != 0)
        ray_lb_idle_clear(lb, slot);
    return RAY_OK;
}

/* -- health -- */
static void become(ray_lb *lb, uint64_t now_ns, uint32_t slot, uint32_t health)
{
    ray_instance_book *book = &lb->book.instance[slot];
    uint32_t pool = lb->config.instance[slot].spec.pool & LB_SLOT_MASK;
    if (book->health == RAY_HEALTH_UNHEALTHY && health != RAY_HEALTH_UNHEALTHY &&
        lb->config.pool[pool].spec.slow_start_ns != 0)
        book->since_ns = now_ns != 0 ? now_ns : 1;
    if (health == RAY_HEALTH_UNHEALTHY)
        ray_lb_idle_clear(lb, slot);
    book->health = (uint8_t)health;
    ray_lb_calm(lb, pool);
}

ray_status ray_lb_set_health(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t health)
{
    uint32_t slot;
    ray_status status = ray_lb_instance_slot(lb, id, &slot);
    if (status == RAY_OK && health >= RAY_HEALTH_MAX)
        status = RAY_E_ARGUMENT;
    if (status != RAY_OK)
        return status;
    lb->book.instance[slot].streak = 0;
    lb->book.instance[slot].failed = 0;
    lb->book.instance[slot].ejections = 0;
    lb->book.instance[slot].ejected_until_ns = 0;
    become(lb, now_ns, slot, health);
    return RAY_OK;
}

ray_status ray_lb_probe(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t passed)
{
    uint32_t slot;
    ray_status status = ray_lb_instance_slot(lb, id, &slot);
    if (status == RAY_OK && passed > 1)
        status = RAY_E_ARGUMENT;
    if (status != RAY_OK)
        return status;
    ray_instance_book *book = &lb->book.instance[slot];
    const ray_pool_spec *pool =
        &lb->config.pool[lb->config.instance[slot].spec.pool & LB_SLOT_MASK].spec;
    book->streak = book->streak_passed == passed ? book->streak + (book->streak < 0xffffU) : 1;
    book->streak_passed = (uint8_t)passed;
    if (passed != 0 && book->streak >= pool->rise && book->health != RAY_HEALTH_HEALTHY)
        become(lb, now_ns, slot, RAY_HEALTH_HEALTHY);
    if (passed == 0 && book->streak >= pool->fall && book->health != RAY_HEALTH_UNHEALTHY)
        become(lb, now_ns, slot, RAY_HEALTH_UNHEALTHY);
    return RAY_OK;
}
