/* SPDX-License-Identifier: MIT */
/* resilience_state - the bytes behind ray/resilience.h; seen only by this folder and
 * kernel_state.h.
 *
 * One guard per service slot: rules in the configuration, breaker, bulkhead and retry budget in the
 * book. Who waits stands in a doubly linked list by tickets, which are the caller's numbers and
 * index the table: no search. Calls are leases of a module used alone. Zero is the valid empty
 * state everywhere; a freed row is zero but for its generation.
 */
#ifndef RAY_RESILIENCE_STATE_H
#define RAY_RESILIENCE_STATE_H
#include "ray/resilience.h"

typedef struct ray_guard_row {
    ray_guard_spec spec;
    uint32_t used;
    uint32_t reserved;
} ray_guard_row;

typedef struct ray_resilience_config {
    uint8_t seed[16];
    ray_guard_row guard[RAY_SERVICE_MAX];
} ray_resilience_config;

/* Two sums over the last sub-windows; without sub-windows the cells stay zero. */
typedef struct ray_ring {
    uint64_t end_ns; /* of the newest sub-window; 0: nothing was counted yet */
    uint64_t sum[2];
    uint64_t cell[RAY_RESILIENCE_RING][2];
    uint32_t at;     /* the newest cell */
    uint32_t reserved;
} ray_ring;

typedef struct ray_breaker {
    uint64_t since_ns;
    ray_ring ring;   /* successes and failures */
    uint32_t generation;
    uint32_t row_successes;
    uint32_t row_failures;
    uint32_t probing;
    uint32_t reopened;
    uint8_t state;
    uint8_t forced;
    uint8_t reserved[2];
} ray_breaker;

typedef struct ray_bulkhead {
    uint32_t in_use;
    uint32_t ceiling; /* permits, or those still out above a number that was lowered */
    uint32_t waiting;
    uint32_t first;   /* 1 + ticket */
    uint32_t last;
    uint16_t generation;
    uint8_t reserved[2];
} ray_bulkhead;

typedef struct ray_budget {
    ray_ring ring;    /* deposits and withdrawals */
    uint64_t bank;
    uint64_t draws;   /* random numbers drawn */
} ray_budget;

typedef struct ray_guard_book {
    ray_breaker breaker;
    ray_budget budget;
    ray_bulkhead bulkhead;
    uint32_t running;
    uint16_t generation;
    uint8_t reserved[2];
} ray_guard_book;

/* One who waits, at the place of its ticket. */
typedef struct ray_waiter {
    uint64_t since_ns;
    uint32_t own;     /* 1 + handle of the service; 0: nobody */
    uint32_t next;    /* 1 + ticket */
    uint32_t prev;
    uint32_t leased;  /* 1: the ticket is a call's place */
} ray_waiter;

typedef struct ray_held_call {
    uint64_t began_ns;
    uint64_t deadline_ns;
    uint64_t timeout_ns; /* of its route */
    ray_permit permit;
    uint32_t service;
    uint32_t attempt;
    uint32_t method;
    uint32_t next;       /* free calls: 1 + the next free one */
    uint16_t generation;
    uint8_t state;
    uint8_t reserved[5];
} ray_held_call;

typedef struct ray_resilience_book {
    uint64_t open_until_ns[RAY_SERVICE_MAX]; /* 0 unless open */
    uint64_t lapses_ns[RAY_CALL_MAX];
    uint32_t open_order[RAY_SERVICE_MAX];
    uint32_t open_place[RAY_SERVICE_MAX];
    uint32_t call_order[RAY_CALL_MAX];
    uint32_t call_place[RAY_CALL_MAX];
    uint32_t open_count;
    uint32_t call_due_count;
    uint32_t call_top;   /* calls ever used */
    uint32_t call_free;  /* 1 + place */
    uint32_t call_count;
    uint32_t waiting_count;
    ray_guard_book guard[RAY_SERVICE_MAX];
    ray_waiter waiter[RAY_WAITER_MAX];
    ray_held_call call[RAY_CALL_MAX];
} ray_resilience_book;

typedef struct ray_resilience_tally {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;
    uint64_t would_deny_count;
    uint64_t late_count;
    uint64_t event_count;
    ray_guard_tally guard[RAY_SERVICE_MAX];
    ray_breaker_event event[RAY_BREAKER_EVENT_MAX];
} ray_resilience_tally;

struct ray_resilience {
    ray_resilience_config config;
    ray_resilience_book book;
    ray_resilience_tally tally;
};

_Static_assert(sizeof(ray_permit) == 16, "a permit fits its place in an in-flight slot");
_Static_assert(sizeof(ray_resilience_config) % 8 == 0, "the book starts on 8 bytes");
_Static_assert(sizeof(ray_resilience_book) % 8 == 0, "the book is digested in 64-bit words");
_Static_assert(RAY_CALL_MAX <= RAY_WAITER_MAX, "a call waits under its own place");
_Static_assert(RAY_CALL_MAX <= 65536, "a call's place fits the low half of its handle");
_Static_assert(RAY_RESILIENCE_RING >= 2, "a ring of one would forget all at once");
_Static_assert(RAY_BULKHEAD_MAX <= RAY_SERVICE_MAX, "a service has one bulkhead");

#endif
