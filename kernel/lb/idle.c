/* SPDX-License-Identifier: MIT */
/* idle.c - connections that wait to be used again: a list per pool, oldest first. What is too old
 * counts as closed at once and leaves the list when the pool is next used: ticks change nothing. */
#include "parts.h"

static uint32_t too_old(const ray_lb *lb, uint64_t now_ns, const ray_idle_entry *entry)
{
    uint32_t pool = lb->config.instance[entry->instance - 1].spec.pool & LB_SLOT_MASK;
    return now_ns - entry->since_ns >= lb->config.pool[pool].spec.idle_ttl_ns;
}

uint32_t ray_lb_idle_of(const ray_lb *lb, uint64_t now_ns, uint32_t slot)
{
    uint32_t pool = lb->config.instance[slot].spec.pool & LB_SLOT_MASK;
    uint32_t at = lb->book.instance[slot].idle != 0 ? lb->book.pool[pool].idle_last : 0;
    while (at != 0 && lb->book.idle[at - 1].instance != slot + 1)
        at = lb->book.idle[at - 1].prev;
    return at != 0 && too_old(lb, now_ns, &lb->book.idle[at - 1]) == 0 ? at : 0;
}

void ray_lb_idle_drop(ray_lb *lb, uint32_t entry)
{
    ray_idle_entry *idle = &lb->book.idle[entry - 1];
    uint32_t slot = idle->instance - 1;
    ray_pool_book *pool = &lb->book.pool[lb->config.instance[slot].spec.pool & LB_SLOT_MASK];
    if (idle->prev != 0)
        lb->book.idle[idle->prev - 1].next = idle->next;
    else
        pool->idle_first = idle->next;
    if (idle->next != 0)
        lb->book.idle[idle->next - 1].prev = idle->prev;
    else
        pool->idle_last = idle->prev;
    pool->idle--;
    lb->book.instance[slot].idle--;
    memset(idle, 0, sizeof *idle);
    idle->next = lb->book.idle_free;
    lb->book.idle_free = entry;
}

void ray_lb_idle_trim(ray_lb *lb, uint64_t now_ns, uint32_t pool)
{
    ray_pool_book *book = &lb->book.pool[pool];
    const ray_pool_spec *spec = &lb->config.pool[pool].spec;
    while (book->idle_first != 0 &&
           too_old(lb, now_ns, &lb->book.idle[book->idle_first - 1]) != 0)
        ray_lb_idle_drop(lb, book->idle_first);
    while (book->idle > spec->idle_max)
        ray_lb_idle_drop(lb, book->idle_first);
    while (spec->connections_max != 0 && book->idle != 0 &&
           book->active + book->idle > spec->connections_max)
        ray_lb_idle_drop(lb, book->idle_first);
}

void ray_lb_idle_keep(ray_lb *lb, uint64_t now_ns, uint32_t slot)
{
    uint32_t pool = lb->config.instance[slot].spec.pool & LB_SLOT_MASK;
    ray_pool_book *book = &lb->book.pool[pool];
    uint32_t entry = lb->book.idle_free;
    if (lb->config.pool[pool].spec.idle_max == 0 || lb->config.pool[pool].spec.idle_ttl_ns == 0)
        return;
    if (entry != 0)
        lb->book.idle_free = lb->book.idle[entry - 1].next;
    else if (lb->book.idle_top < RAY_IDLE_MAX)
        entry = ++lb->book.idle_top;
    else
        return;   /* no place: closed */
    lb->book.idle[entry - 1] = (ray_idle_entry){.since_ns = now_ns, .instance = slot + 1,
                                                .prev = book->idle_last};
    if (book->idle_last != 0)
        lb->book.idle[book->idle_last - 1].next = entry;
    else
        book->idle_first = entry;
    book->idle_last = entry;
    book->idle++;
    lb->book.instance[slot].idle++;
    ray_lb_idle_trim(lb, now_ns, pool);
}

void ray_lb_idle_clear(ray_lb *lb, uint32_t slot)
{
    for (uint32_t entry = 1; entry <= lb->book.idle_top; entry++)
        if (lb->book.idle[entry - 1].instance == slot + 1)
            ray_lb_idle_drop(lb, entry);
}
