/* SPDX-License-Identifier: MIT */
/* control.c - guards begun, changed and ended while attempts are under way. */
#include "parts.h"

/* -- one guard's rules (private) -- */
static uint32_t bulkhead_count(const ray_resilience *resilience, uint32_t but)
{
    uint32_t count = 0;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        const ray_guard_row *row = &resilience->config.guard[place];
        count += place != but && row->used != 0 && ray_guard_has(&row->spec, RAY_GUARD_BULKHEAD);
    }
    return count;
}

/* A breaker that is no more, or not yet: closed, but its generation goes on. */
static void forget_breaker(ray_resilience *resilience, uint32_t place)
{
    ray_breaker *breaker = &resilience->book.guard[place].breaker;
    ray_heap heap = ray_open_heap(resilience);
    uint32_t generation = breaker->generation + 1;
    ray_heap_remove(&heap, place);
    resilience->book.open_until_ns[place] = 0;
    memset(breaker, 0, sizeof *breaker);
    breaker->generation = generation;
}

/* Permits still out are not asked back: nobody new gets one until they are fewer. */
static void set_ceiling(ray_bulkhead *bulkhead, uint32_t concurrent)
{
    bulkhead->ceiling = bulkhead->in_use > concurrent ? bulkhead->in_use : concurrent;
}

static void forget_bulkhead(ray_resilience *resilience, uint32_t place)
{
    ray_bulkhead *bulkhead = &resilience->book.guard[place].bulkhead;
    resilience->tally.guard[place].released_count += bulkhead->in_use;
    bulkhead->in_use = 0;
    bulkhead->ceiling = 0;
    bulkhead->generation++;
}

static void apply_breaker(ray_resilience *resilience, uint64_t now_ns, uint32_t place,
                          const ray_guard_spec *old, const ray_guard_spec *spec)
{
    uint32_t had = ray_guard_has(old, RAY_GUARD_BREAKER);
    uint32_t has = ray_guard_has(spec, RAY_GUARD_BREAKER);
    if (had != has) {
        forget_breaker(resilience, place);
        resilience->book.guard[place].breaker.since_ns = has != 0 ? now_ns : 0;
    } else if (has != 0 && memcmp(&old->breaker, &spec->breaker, sizeof spec->breaker) != 0) {
        ray_breaker_restart(resilience, place);
    }
}

static void apply_bulkhead(ray_resilience *resilience, uint32_t place, const ray_guard_spec *old,
                           const ray_guard_spec *spec)
{
    if (!ray_guard_has(spec, RAY_GUARD_BULKHEAD)) {
        if (ray_guard_has(old, RAY_GUARD_BULKHEAD))
            forget_bulkhead(resilience, place);
        return;
    }
    set_ceiling(&resilience->book.guard[place].bulkhead, spec->bulkhead.concurrent);
}

uint32_t ray_guard_apply(ray_resilience *resilience, uint64_t now_ns, const ray_guard_spec *spec)
{
    uint32_t place = ray_guard_place(spec->service);
    ray_guard_row *row = &resilience->config.guard[place];
    if (row->used != 0 && row->spec.service != spec->service)
        ray_guard_clear(resilience, place);
    ray_guard_spec old = row->spec;
    uint32_t keeps = row->used != 0 && memcmp(&old, spec, sizeof old) == 0;
    row->spec = *spec;
    row->used = 1;
    apply_breaker(resilience, now_ns, place, &old, spec);
    apply_bulkhead(resilience, place, &old, spec);
    if (memcmp(&old.retry, &spec->retry, sizeof old.retry) != 0)
        ray_budget_begin(resilience, place);
    return keeps;
}

/* Attempts under way no longer belong to anything; who waits goes on waiting, for nothing: it is
 * the next to go. */
void ray_guard_clear(ray_resilience *resilience, uint32_t place)
{
    ray_guard_book *book = &resilience->book.guard[place];
    forget_breaker(resilience, place);
    forget_bulkhead(resilience, place);
    book->generation++;
    book->running = 0;
    memset(&book->budget, 0, sizeof book->budget);
    memset(&resilience->config.guard[place], 0, sizeof resilience->config.guard[place]);
    memset(&resilience->tally.guard[place], 0, sizeof resilience->tally.guard[place]);
    resilience->tally.guard[place].queued_count = book->bulkhead.waiting;
}

/* -- control -- */
ray_status ray_resilience_set(ray_resilience *resilience, uint64_t now_ns,
                              const ray_guard_spec *spec)
{
    uint32_t field;
    if (!ray_guard_known(spec->service))
        return RAY_E_UNKNOWN;
    ray_status status = ray_guard_spec_check(spec, &field);
    if (status != RAY_OK)
        return status;
    if (ray_guard_has(spec, RAY_GUARD_BULKHEAD) &&
        bulkhead_count(resilience, ray_guard_place(spec->service)) >= RAY_BULKHEAD_MAX)
        return RAY_E_FULL;
    (void)ray_guard_apply(resilience, now_ns, spec);
    ray_call_pump(resilience, now_ns, spec->service);
    return RAY_OK;
}

ray_status ray_resilience_unset(ray_resilience *resilience, uint64_t now_ns, uint32_t service)
{
    if (!ray_guard_known(service) || ray_guard_rule(resilience, service) == 0)
        return RAY_E_UNKNOWN;
    ray_guard_clear(resilience, ray_guard_place(service));
    ray_call_pump(resilience, now_ns, service);
    return RAY_OK;
}

static ray_status breaker_of(const ray_resilience *resilience, uint32_t service, uint32_t *place)
{
    const ray_guard_spec *spec =
        ray_guard_known(service) ? ray_guard_rule(resilience, service) : 0;
    *place = ray_guard_place(service);
    return spec != 0 && ray_guard_has(spec, RAY_GUARD_BREAKER) ? RAY_OK : RAY_E_UNKNOWN;
}

ray_status ray_resilience_force(ray_resilience *resilience, uint64_t now_ns, uint32_t service,
                                uint32_t force)
{
    uint32_t place;
    ray_status status = breaker_of(resilience, service, &place);
    if (status != RAY_OK)
        return status;
    if (force > RAY_FORCE_CLOSED)
        return RAY_E_ARGUMENT;
    ray_breaker_settle(resilience, place, now_ns);
    resilience->book.guard[place].breaker.forced = (uint8_t)force;
    return RAY_OK;
}

ray_status ray_resilience_half_open(ray_resilience *resilience, uint64_t now_ns, uint32_t service)
{
    uint32_t place;
    ray_status status = breaker_of(resilience, service, &place);
    if (status != RAY_OK)
        return status;
    if (ray_breaker_state_at(resilience, place, now_ns) != RAY_BREAKER_OPEN)
        return RAY_E_STATE;
    ray_breaker_change(resilience, place, now_ns, RAY_BREAKER_HALF_OPEN, RAY_CAUSE_OPERATOR);
    return RAY_OK;
}

/* By way of half-open, as every breaker closes. */
ray_status ray_resilience_reset(ray_resilience *resilience, uint64_t now_ns, uint32_t service)
{
    uint32_t place;
    if (!ray_guard_known(service) || ray_guard_rule(resilience, service) == 0)
        return RAY_E_UNKNOWN;
    if (breaker_of(resilience, service, &place) == RAY_OK) {
        ray_breaker *breaker = &resilience->book.guard[place].breaker;
        ray_breaker_settle(resilience, place, now_ns);
        breaker->forced = RAY_FORCE_NONE;
        if (breaker->state == RAY_BREAKER_OPEN)
            ray_breaker_change(resilience, place, now_ns, RAY_BREAKER_HALF_OPEN,
                               RAY_CAUSE_OPERATOR);
        if (breaker->state == RAY_BREAKER_HALF_OPEN)
            ray_breaker_change(resilience, place, now_ns, RAY_BREAKER_CLOSED, RAY_CAUSE_OPERATOR);
        else
            ray_breaker_restart(resilience, place);
    }
    ray_budget_begin(resilience, place);
    return RAY_OK;
}
