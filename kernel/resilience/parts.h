/* SPDX-License-Identifier: MIT */
/* parts - what the files of this folder offer one another. */
#ifndef RAY_RESILIENCE_PARTS_H
#define RAY_RESILIENCE_PARTS_H
#include <stddef.h>
#include "resilience_state.h"
#include "base/bytes.h"
#include "base/fixed.h"
#include "base/heap.h"
#include "base/siphash.h"

enum { RAY_GUARD_SLOT_MASK = 0xffff };

static inline uint32_t ray_guard_known(uint32_t service)
{
    return (service & RAY_GUARD_SLOT_MASK) < RAY_SERVICE_MAX;
}

static inline uint32_t ray_guard_place(uint32_t service)
{
    return service & RAY_GUARD_SLOT_MASK;
}

/* The rules that stand before this service, or NULL. */
static inline const ray_guard_spec *ray_guard_rule(const ray_resilience *resilience,
                                                   uint32_t service)
{
    const ray_guard_row *row = &resilience->config.guard[ray_guard_place(service)];
    return row->used != 0 && row->spec.service == service ? &row->spec : 0;
}

static inline uint32_t ray_guard_has(const ray_guard_spec *spec, uint32_t part)
{
    return (spec->parts & part) != 0;
}

static inline ray_heap ray_open_heap(ray_resilience *resilience)
{
    ray_resilience_book *book = &resilience->book;
    ray_heap heap = {book->open_order, book->open_place, book->open_until_ns, &book->open_count};
    return heap;
}

/* ring.c: sums over sub-windows */
/* Lets time pass: sub-windows that ended are forgotten. */
void ray_ring_pass(ray_ring *ring, uint64_t now_ns, uint64_t sub_ns);
void ray_ring_add(ray_ring *ring, uint32_t which, uint64_t n);
/* Both sums as they are at now_ns. */
void ray_ring_view(const ray_ring *ring, uint64_t now_ns, uint64_t sub_ns, uint64_t sum[2]);
uint32_t ray_ring_valid(const ray_ring *ring, uint32_t has_cells);
/* The length of one of the sub-windows that together cover at least `window_ns`. */
uint64_t ray_ring_sub(uint64_t window_ns);

/* breaker.c */
uint32_t ray_outcome_in(const ray_outcome_set *set, uint32_t outcome, uint32_t http_status);
/* Its state at now_ns: one whose open time is over is half-open, whether or not that happened. */
uint32_t ray_breaker_state_at(const ray_resilience *resilience, uint32_t place, uint64_t now_ns);
void ray_breaker_sums(const ray_resilience *resilience, uint32_t place, uint64_t now_ns,
                      uint64_t sum[2]);
void ray_breaker_change(ray_resilience *resilience, uint32_t place, uint64_t now_ns, uint32_t to,
                        uint32_t cause);
/* Lets an open time that is over end. */
void ray_breaker_settle(ray_resilience *resilience, uint32_t place, uint64_t now_ns);
void ray_breaker_learn(ray_resilience *resilience, uint32_t place, uint64_t now_ns,
                       const ray_permit *permit, const ray_outcome_report *report);
/* Nothing is counted and outcomes under way say nothing, without a change of state. */
void ray_breaker_restart(ray_resilience *resilience, uint32_t place);

/* bulkhead.c: permits and who waits for one */
uint32_t ray_bulkhead_free(const ray_resilience *resilience, const ray_guard_spec *spec);
void ray_bulkhead_release(ray_resilience *resilience, uint32_t place, const ray_permit *permit);
void ray_waiter_add(ray_resilience *resilience, uint64_t now_ns, uint32_t service, uint32_t ticket);
void ray_waiter_remove(ray_resilience *resilience, uint32_t ticket);

/* retry.c */
void ray_budget_deposit(ray_resilience *resilience, uint32_t place, uint64_t now_ns);
void ray_budget_begin(ray_resilience *resilience, uint32_t place);
uint64_t ray_budget_left(const ray_resilience *resilience, uint32_t place, uint64_t now_ns);
void ray_retry_judge(ray_resilience *resilience, uint64_t now_ns, const ray_guard_spec *spec,
                     const ray_outcome_report *report, ray_resilience_verdict *verdict);

/* call.c */
void ray_call_lapse(ray_resilience *resilience, uint64_t now_ns, uint32_t place);
void ray_call_free(ray_resilience *resilience, uint32_t place);
/* Calls that wait for a permit of this service get what is free. */
void ray_call_pump(ray_resilience *resilience, uint64_t now_ns, uint32_t service);

/* check.c */
ray_status ray_guard_spec_check(const ray_guard_spec *spec, uint32_t *field);

/* control.c */
/* Takes rules that passed the check; what did not change keeps what it knows. 1 when all of it. */
uint32_t ray_guard_apply(ray_resilience *resilience, uint64_t now_ns, const ray_guard_spec *spec);
void ray_guard_clear(ray_resilience *resilience, uint32_t place);

#endif
