/* SPDX-License-Identifier: MIT */
/* load.c - new rules for old, and guards that follow their service to its new place. */
#include "parts.h"

enum { GONE = 0xffff, SWAP_BYTES = 64 };

/* -- following names (private) -- */
static uint16_t place_of(const ray_names *names, const void *name)
{
    for (uint64_t i = 0; i < names->count && i < RAY_SERVICE_MAX; i++)
        if (ray_same(names->at + i * names->stride, name, sizeof(ray_name)) != 0)
            return (uint16_t)i;
    return GONE;
}

static void swap(void *a, void *b, uint64_t length)
{
    uint8_t kept[SWAP_BYTES], *at_a = a, *at_b = b;
    for (uint64_t done = 0; done < length; done += SWAP_BYTES) {
        uint64_t part = length - done < SWAP_BYTES ? length - done : SWAP_BYTES;
        memcpy(kept, at_a + done, part);
        memcpy(at_a + done, at_b + done, part);
        memcpy(at_b + done, kept, part);
    }
}

static void swap_places(ray_resilience *resilience, uint32_t a, uint32_t b)
{
    ray_resilience_book *book = &resilience->book;
    swap(&resilience->config.guard[a], &resilience->config.guard[b],
         sizeof resilience->config.guard[a]);
    swap(&book->guard[a], &book->guard[b], sizeof book->guard[a]);
    swap(&book->open_until_ns[a], &book->open_until_ns[b], sizeof book->open_until_ns[a]);
    swap(&resilience->tally.guard[a], &resilience->tally.guard[b],
         sizeof resilience->tally.guard[a]);
}

/* Who waits or runs for a service that is gone does so for nobody. */
static void let_go(ray_resilience *resilience, const uint16_t *to)
{
    ray_resilience_book *book = &resilience->book;
    for (uint32_t ticket = 0; ticket < RAY_WAITER_MAX && book->waiting_count != 0; ticket++)
        if (book->waiter[ticket].own != 0 &&
            to[ray_guard_place(book->waiter[ticket].own - 1)] == GONE)
            ray_waiter_remove(resilience, ticket);
    for (uint32_t place = 0; place < book->call_top; place++)
        if (book->call[place].state != RAY_CALL_FREE &&
            to[ray_guard_place(book->call[place].service)] == GONE)
            ray_call_free(resilience, place);
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
        if (to[place] == GONE && resilience->config.guard[place].used != 0)
            ray_guard_clear(resilience, place);
}

/* Waiters, calls, rules and events name services by number. */
static void renumber(ray_resilience *resilience, const uint16_t *to)
{
    ray_resilience_book *book = &resilience->book;
    for (uint32_t ticket = 0; ticket < RAY_WAITER_MAX && book->waiting_count != 0; ticket++)
        if (book->waiter[ticket].own != 0)
            book->waiter[ticket].own = to[ray_guard_place(book->waiter[ticket].own - 1)] + 1U;
    for (uint32_t place = 0; place < book->call_top; place++)
        if (book->call[place].state != RAY_CALL_FREE)
            book->call[place].service = to[ray_guard_place(book->call[place].service)];
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
        if (resilience->config.guard[place].used != 0)
            resilience->config.guard[place].spec.service = to[place];
    for (uint32_t i = 0; i < RAY_BREAKER_EVENT_MAX; i++) {
        ray_breaker_event *event = &resilience->tally.event[i];
        if (event->id == 0 || event->service == RAY_NONE)
            continue;
        uint32_t place = to[ray_guard_place(event->service)];
        event->service = place != GONE ? place : (uint32_t)RAY_NONE;
    }
}

static void heap_again(ray_resilience *resilience)
{
    ray_resilience_book *book = &resilience->book;
    ray_heap heap = ray_open_heap(resilience);
    memset(book->open_order, 0, sizeof book->open_order);
    memset(book->open_place, 0, sizeof book->open_place);
    book->open_count = 0;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
        if (book->guard[place].breaker.state == RAY_BREAKER_OPEN)
            ray_heap_add(&heap, place);
}

void ray_resilience_services_move(ray_resilience *resilience, uint64_t now_ns,
                                  const ray_names *before, const ray_names *after)
{
    uint16_t to[RAY_SERVICE_MAX];
    (void)now_ns;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        const uint8_t *name = before->at + place * before->stride;
        to[place] = place < before->count && name[0] != 0 ? place_of(after, name) : GONE;
    }
    let_go(resilience, to);
    renumber(resilience, to);
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
        while (to[place] != GONE && to[place] != place) {
            uint16_t target = to[place];
            swap_places(resilience, place, target);
            to[place] = to[target];
            to[target] = target;
        }
    heap_again(resilience);
}

/* -- one load -- */
void ray_resilience_load(ray_resilience *resilience, uint64_t now_ns, const ray_guard_spec *rows,
                         const ray_config_counts *counts, ray_config_report *report)
{
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        const ray_guard_row *row = &resilience->config.guard[place];
        const ray_guard_spec *found = 0;
        for (uint32_t i = 0; i < counts->guard_count && found == 0; i++)
            found = rows[i].service == place ? &rows[i] : 0;
        uint32_t had = row->used != 0 && row->spec.service == place;
        if (found == 0) {
            if (row->used != 0)
                ray_guard_clear(resilience, place);
            continue;
        }
        uint32_t keeps = ray_guard_apply(resilience, now_ns, found);
        report->kept_count += keeps;
        report->reset_count += had != 0 && keeps == 0;
    }
}
