/* SPDX-License-Identifier: MIT */
/* lb.c - asking who gets the next request, opening its connection, and how it ended. */
#include "parts.h"
#include "base/fixed.h"

/* -- handles (private) -- */
ray_status ray_lb_pool_slot(const ray_lb *lb, uint32_t handle, uint32_t *slot)
{
    uint32_t at = handle & LB_SLOT_MASK;
    if (at >= RAY_POOL_MAX)
        return RAY_E_UNKNOWN;
    if (lb->config.pool[at].generation != handle >> 16)
        return RAY_E_STALE;
    *slot = at;
    return lb->config.pool[at].used != 0 ? RAY_OK : RAY_E_UNKNOWN;
}

ray_status ray_lb_instance_slot(const ray_lb *lb, uint32_t handle, uint32_t *slot)
{
    uint32_t at = handle & LB_SLOT_MASK;
    if (at >= RAY_INSTANCE_MAX)
        return RAY_E_UNKNOWN;
    if (lb->config.instance[at].generation != handle >> 16)
        return RAY_E_STALE;
    *slot = at;
    return lb->config.instance[at].used != 0 ? RAY_OK : RAY_E_UNKNOWN;
}

uint32_t ray_lb_pool_handle(const ray_lb *lb, uint32_t slot)
{
    return slot | (uint32_t)lb->config.pool[slot].generation << 16;
}

uint32_t ray_lb_instance_handle(const ray_lb *lb, uint32_t slot)
{
    return slot | (uint32_t)lb->config.instance[slot].generation << 16;
}

static ray_heap heap_of(ray_lb *lb)
{
    ray_heap heap = {lb->book.heap_order, lb->book.heap_place, lb->book.due_ns,
                     &lb->book.heap_count};
    return heap;
}

/* -- init -- */
uint64_t ray_lb_bytes(void)
{
    return sizeof(struct ray_lb);
}

void ray_lb_init(ray_lb *lb, const uint8_t seed[16])
{
    memset(lb, 0, sizeof *lb);
    memcpy(lb->config.seed, seed, sizeof lb->config.seed);
}

/* -- request -- */
uint32_t ray_lb_pool_of(const ray_lb *lb, uint32_t service)
{
    uint32_t slot = service & LB_SLOT_MASK;
    return lb->config.pool_count != 0 && slot < RAY_SERVICE_MAX && lb->config.service[slot] != 0
               ? lb->config.service[slot] - 1 : (uint32_t)RAY_NONE;
}

uint32_t ray_lb_key_kind(const ray_lb *lb, uint32_t pool, ray_view *name)
{
    uint32_t slot;
    if (ray_lb_pool_slot(lb, pool, &slot) != RAY_OK)
        return RAY_LB_KEY_NONE;
    const ray_pool_spec *spec = &lb->config.pool[slot].spec;
    *name = (ray_view){(const uint8_t *)spec->key_name.at, ray_name_length(&spec->key_name)};
    if (spec->sticky != RAY_LB_KEY_NONE)
        return spec->sticky;
    if (spec->strategy == RAY_BALANCE_NGINX_IP_HASH)
        return RAY_LB_KEY_NGINX;
    return spec->strategy >= RAY_BALANCE_IP_HASH ? RAY_LB_KEY_ADDRESS : RAY_LB_KEY_NONE;
}

/* When the first ejected one comes back; 0 when none is. */
static uint64_t returns_in(const ray_lb *lb, uint64_t now_ns, uint32_t pool)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    uint64_t first = RAY_NEVER;
    for (uint32_t i = row->first; i < (uint32_t)row->first + row->count; i++) {
        uint64_t until_ns = lb->book.instance[lb->config.order[i]].ejected_until_ns;
        if (until_ns > now_ns && until_ns < first)
            first = until_ns;
    }
    return first != RAY_NEVER ? first - now_ns : 0;
}

static void refuse(ray_lb_answer *out, uint32_t reason)
{
    out->reason = (uint16_t)reason;
    out->http_status = 503;
}

ray_status ray_lb_ask(const ray_lb *lb, uint64_t now_ns, const ray_lb_query *query,
                      ray_lb_answer *out)
{
    ray_lb_view view;
    uint32_t pool, avoid = RAY_NONE, slot;
    ray_status status = ray_lb_pool_slot(lb, query->pool, &pool);
    if (status != RAY_OK)
        return status;
    const ray_pool_spec *spec = &lb->config.pool[pool].spec;
    *out = (ray_lb_answer){.instance = RAY_NONE, .pool = query->pool};
    if (spec->connections_max != 0 && lb->book.pool[pool].active >= spec->connections_max) {
        refuse(out, RAY_REASON_POOL_FULL);
        return RAY_OK;
    }
    if (query->avoid != RAY_NONE && ray_lb_instance_slot(lb, query->avoid, &slot) == RAY_OK)
        avoid = slot;
    ray_lb_see(lb, now_ns, pool, avoid, &view);
    slot = ray_lb_pick(lb, now_ns, query, pool, &view);
    if (slot == RAY_NONE && view.avoid != RAY_NONE) {
        view.avoid = RAY_NONE;   /* rather the one that failed than none */
        slot = ray_lb_pick(lb, now_ns, query, pool, &view);
    }
    if (slot == RAY_NONE) {
        refuse(out, RAY_REASON_NO_INSTANCE);
        out->retry_after_ns = returns_in(lb, now_ns, pool);
        return RAY_OK;
    }
    out->instance = ray_lb_instance_handle(lb, slot);
    out->reason = RAY_REASON_OK;
    out->http_status = 200;
    out->granted = 1;
    out->panic = (uint8_t)view.panic;
    out->reused = ray_lb_idle_of(lb, now_ns, slot) != 0;
    return RAY_OK;
}

static void open(ray_lb *lb, uint64_t now_ns, uint32_t slot)
{
    uint32_t pool = lb->config.instance[slot].spec.pool & LB_SLOT_MASK;
    uint32_t idle = ray_lb_idle_of(lb, now_ns, slot);
    if (idle != 0) {
        ray_lb_idle_drop(lb, idle);
        lb->tally.reused_count++;
        lb->tally.pool[pool].reused_count++;
    }
    lb->book.instance[slot].active++;
    lb->book.pool[pool].active++;
    lb->tally.opened_count++;
    lb->tally.instance[slot].picked_count++;
    lb->tally.pool[pool].picked_count++;
    ray_lb_idle_trim(lb, now_ns, pool);
}

static void close(ray_lb *lb, uint64_t now_ns, uint32_t slot, uint32_t keep)
{
    uint32_t pool = lb->config.instance[slot].spec.pool & LB_SLOT_MASK;
    lb->book.instance[slot].active--;
    lb->book.pool[pool].active--;
    lb->tally.closed_count++;
    if (keep != 0 && lb->book.instance[slot].draining == 0)
        ray_lb_idle_keep(lb, now_ns, slot);
    if (lb->book.instance[slot].draining == 2 && lb->book.instance[slot].active == 0)
        ray_lb_forget(lb, slot);
}

static uint32_t lease_of(ray_lb *lb)
{
    uint32_t at = lb->book.lease_free;
    if (at == 0)
        return lb->book.lease_top < RAY_LEASE_MAX ? lb->book.lease_top++ : (uint32_t)RAY_NONE;
    lb->book.lease_free = lb->book.lease[at - 1].next_free;
    return at - 1;
}

uint32_t ray_lb_take(ray_lb *lb, uint64_t now_ns, const ray_lb_query *query,
                     const ray_lb_answer *answer)
{
    uint32_t pool, slot, avoid = RAY_NONE;
    ray_lb_view view;
    if (ray_lb_pool_slot(lb, query->pool, &pool) != RAY_OK ||
        ray_lb_instance_slot(lb, answer->instance, &slot) != RAY_OK)
        return RAY_NONE;
    uint32_t at = lease_of(lb);
    if (at == RAY_NONE)
        return RAY_NONE;
    if (query->avoid != RAY_NONE)
        ray_lb_instance_slot(lb, query->avoid, &avoid);
    ray_lb_see(lb, now_ns, pool, avoid != slot ? avoid : (uint32_t)RAY_NONE, &view);
    ray_lb_picked(lb, now_ns, pool, &view, slot);
    open(lb, now_ns, slot);
    ray_lb_lease *lease = &lb->book.lease[at];
    lease->until_ns = query->until_ns;
    lease->instance = (uint16_t)slot;
    lease->used = 1;
    lease->next_free = 0;
    lb->book.lease_count++;
    if (query->until_ns != RAY_NEVER) {
        ray_heap heap = heap_of(lb);
        lb->book.due_ns[at] = query->until_ns;
        ray_heap_add(&heap, at);
    }
    return at | (uint32_t)lease->generation << 16;
}

void ray_lb_note(ray_lb *lb, uint64_t now_ns, const ray_lb_query *query,
                 const ray_lb_answer *answer, uint32_t granted)
{
    uint32_t pool;
    (void)now_ns;
    lb->tally.asked_count++;
    lb->tally.granted_count += answer->granted;
    lb->tally.denied_count += answer->granted == 0;
    lb->tally.unspent_count += answer->granted != 0 && granted == 0;
    lb->tally.panic_count += answer->panic;
    lb->tally.full_count += answer->reason == RAY_REASON_POOL_FULL;
    if (answer->granted == 0 && ray_lb_pool_slot(lb, query->pool, &pool) == RAY_OK)
        lb->tally.pool[pool].denied_count++;
}

/* (ejected + 1) * 100 <= percent * total, and one always stays. */
static uint32_t may_eject(const ray_lb *lb, uint64_t now_ns, uint32_t pool)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    uint32_t ejected = 0;
    for (uint32_t i = row->first; i < (uint32_t)row->first + row->count; i++)
        ejected += lb->book.instance[lb->config.order[i]].ejected_until_ns > now_ns;
    return (ejected + 1) * 100 <= row->spec.eject_percent * row->count && ejected + 1 < row->count;
}

/* Failures in a row eject for eject_ns, then twice, three times as long; a success forgives. */
static void judge(ray_lb *lb, uint64_t now_ns, uint32_t slot, uint32_t failed)
{
    ray_instance_book *book = &lb->book.instance[slot];
    uint32_t pool = lb->config.instance[slot].spec.pool & LB_SLOT_MASK;
    const ray_pool_spec *spec = &lb->config.pool[pool].spec;
    if (failed == 0) {
        book->failed = 0;
        if (book->ejected_until_ns <= now_ns)
            book->ejections = 0;
        return;
    }
    lb->tally.failed_count++;
    lb->tally.instance[slot].failed_count++;
    book->failed += book->failed < RAY_LB_STREAK_MAX;
    if (spec->eject_after == 0 || book->failed < spec->eject_after ||
        book->ejected_until_ns > now_ns || may_eject(lb, now_ns, pool) == 0)
        return;
    if (book->ejections < RAY_LB_EJECT_GROWTH_MAX)
        book->ejections++;
    uint64_t lasts_ns = ray_mul_capped(spec->eject_ns, book->ejections);
    book->ejected_until_ns = ray_add_capped(now_ns, lasts_ns);
    book->since_ns = spec->slow_start_ns != 0 ? book->ejected_until_ns : 0;
    book->failed = 0;
    ray_lb_calm(lb, pool);
    lb->tally.ejected_count++;
    ray_lb_idle_clear(lb, slot);
}

static void end(ray_lb *lb, uint64_t now_ns, uint32_t at, const ray_lb_outcome *outcome)
{
    ray_lb_lease *lease = &lb->book.lease[at];
    ray_heap heap = heap_of(lb);
    uint32_t slot = lease->instance, generation = lease->generation + 1U;
    ray_heap_remove(&heap, at);
    lb->book.due_ns[at] = 0;
    memset(lease, 0, sizeof *lease);
    lease->generation = (uint16_t)(generation & LB_SLOT_MASK);
    lease->next_free = lb->book.lease_free;
    lb->book.lease_free = at + 1;
    lb->book.lease_count--;
    lb->tally.instance[slot].latency_sum_ns += outcome->latency_ns;
    judge(lb, now_ns, slot, outcome->failed);
    close(lb, now_ns, slot, outcome->failed == 0 && outcome->closed == 0);
}

ray_status ray_lb_done(ray_lb *lb, uint64_t now_ns, uint32_t lease, const ray_lb_outcome *outcome)
{
    uint32_t at = lease & LB_SLOT_MASK;
    if (at >= RAY_LEASE_MAX || at >= lb->book.lease_top)
        return RAY_E_UNKNOWN;
    if (lb->book.lease[at].used == 0 || lb->book.lease[at].generation != lease >> 16)
        return RAY_E_STALE;
    end(lb, now_ns, at, outcome);
    return RAY_OK;
}

ray_status ray_lb_open(ray_lb *lb, uint64_t now_ns, uint32_t instance)
{
    uint32_t slot;
    ray_status status = ray_lb_instance_slot(lb, instance, &slot);
    if (status == RAY_OK && lb->book.instance[slot].active == RAY_LEASE_MAX)
        status = RAY_E_FULL;
    if (status == RAY_OK)
        open(lb, now_ns, slot);
    return status;
}

/* Connections under a lease are ended by their lease alone. */
ray_status ray_lb_close(ray_lb *lb, uint64_t now_ns, uint32_t instance)
{
    uint32_t slot, leased = 0;
    ray_status status = ray_lb_instance_slot(lb, instance, &slot);
    if (status != RAY_OK)
        return status;
    for (uint32_t at = 0; at < lb->book.lease_top; at++)
        leased += lb->book.lease[at].used != 0 && lb->book.lease[at].instance == slot;
    if (lb->book.instance[slot].active <= leased)
        return RAY_E_STATE;
    close(lb, now_ns, slot, 1);
    return RAY_OK;
}

/* -- time -- */
uint64_t ray_lb_due(const ray_lb *lb)
{
    return lb->book.heap_count != 0 ? lb->book.due_ns[lb->book.heap_order[0]]
                                    : (uint64_t)RAY_NEVER;
}

/* Nobody said how it ended: no connection that can be trusted with another request. */
void ray_lb_tick(ray_lb *lb, uint64_t now_ns)
{
    ray_lb_outcome lost = {.failed = 1, .closed = 1};
    while (ray_lb_due(lb) <= now_ns) {
        uint32_t at = lb->book.heap_order[0];
        lb->tally.lapsed_count++;
        end(lb, lb->book.due_ns[at], at, &lost);
    }
}
