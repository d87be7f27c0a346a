/* SPDX-License-Identifier: MIT */
/* bulkhead.c - permits of one service, and a line of those who wait for one: first come, first
 * served. */
#include "parts.h"

/* -- permits -- */
uint32_t ray_bulkhead_free(const ray_resilience *resilience, const ray_guard_spec *spec)
{
    const ray_guard_book *book = &resilience->book.guard[ray_guard_place(spec->service)];
    return book->bulkhead.in_use < spec->bulkhead.concurrent;
}

void ray_bulkhead_release(ray_resilience *resilience, uint32_t place, const ray_permit *permit)
{
    const ray_guard_spec *spec = &resilience->config.guard[place].spec;
    ray_bulkhead *bulkhead = &resilience->book.guard[place].bulkhead;
    if (permit->bulkhead != bulkhead->generation || bulkhead->in_use == 0)
        return; /* of a bulkhead that is gone: its permits went back with it */
    bulkhead->in_use--;
    resilience->tally.guard[place].released_count++;
    if (bulkhead->ceiling > spec->bulkhead.concurrent)
        bulkhead->ceiling = bulkhead->in_use > spec->bulkhead.concurrent
                                ? bulkhead->in_use
                                : spec->bulkhead.concurrent;
}

/* -- the line -- */
void ray_waiter_add(ray_resilience *resilience, uint64_t now_ns, uint32_t service, uint32_t ticket)
{
    ray_resilience_book *book = &resilience->book;
    ray_bulkhead *bulkhead = &book->guard[ray_guard_place(service)].bulkhead;
    ray_assert(ticket < RAY_WAITER_MAX);
    ray_waiter *waiter = &book->waiter[ticket];
    ray_assert(waiter->own == 0);
    waiter->since_ns = now_ns;
    waiter->own = service + 1;
    waiter->next = 0;
    waiter->prev = bulkhead->last;
    waiter->leased = 0;
    if (bulkhead->last != 0)
        book->waiter[bulkhead->last - 1].next = ticket + 1;
    else
        bulkhead->first = ticket + 1;
    bulkhead->last = ticket + 1;
    bulkhead->waiting++;
    book->waiting_count++;
    resilience->tally.guard[ray_guard_place(service)].queued_count++;
}

void ray_waiter_remove(ray_resilience *resilience, uint32_t ticket)
{
    ray_resilience_book *book = &resilience->book;
    ray_waiter *waiter = &book->waiter[ticket];
    ray_bulkhead *bulkhead = &book->guard[ray_guard_place(waiter->own - 1)].bulkhead;
    if (waiter->prev != 0)
        book->waiter[waiter->prev - 1].next = waiter->next;
    else
        bulkhead->first = waiter->next;
    if (waiter->next != 0)
        book->waiter[waiter->next - 1].prev = waiter->prev;
    else
        bulkhead->last = waiter->prev;
    bulkhead->waiting--;
    book->waiting_count--;
    memset(waiter, 0, sizeof *waiter);
}

ray_status ray_resilience_next(ray_resilience *resilience, uint64_t now_ns, uint32_t service,
                               uint32_t *ticket)
{
    if (!ray_guard_known(service))
        return RAY_E_UNKNOWN;
    uint32_t place = ray_guard_place(service);
    uint32_t first = resilience->book.guard[place].bulkhead.first;
    const ray_guard_spec *spec = ray_guard_rule(resilience, service);
    if (first == 0 || resilience->book.waiter[first - 1].own != service + 1)
        return RAY_E_UNKNOWN;
    if (spec != 0 && ray_guard_has(spec, RAY_GUARD_BULKHEAD) &&
        spec->mode == RAY_MODE_ENFORCE && !ray_bulkhead_free(resilience, spec))
        return RAY_E_UNKNOWN;
    ray_guard_tally *counts = &resilience->tally.guard[place];
    uint64_t since_ns = resilience->book.waiter[first - 1].since_ns;
    uint64_t wait_ns = now_ns > since_ns ? now_ns - since_ns : 0;
    counts->called_count++;
    counts->wait_sum_ns += wait_ns;
    if (wait_ns > counts->wait_max_ns)
        counts->wait_max_ns = wait_ns;
    *ticket = first - 1;
    ray_waiter_remove(resilience, first - 1);
    return RAY_OK;
}

ray_status ray_resilience_leave(ray_resilience *resilience, uint64_t now_ns, uint32_t service,
                                uint32_t ticket)
{
    (void)now_ns;
    if (ticket >= RAY_WAITER_MAX || !ray_guard_known(service) ||
        resilience->book.waiter[ticket].own != service + 1)
        return RAY_E_UNKNOWN;
    resilience->tally.guard[ray_guard_place(service)].left_count++;
    ray_waiter_remove(resilience, ticket);
    return RAY_OK;
}
