/* SPDX-License-Identifier: MIT */
/* lb_state - the bytes behind ray/lb.h; seen only by this folder and kernel_state.h.
 *
 * A pool's instances stand side by side in `order`, so a pick walks nothing else. Rings and maglev
 * tables are made from the rows whenever they change. Free rows are zero but for their generation;
 * zero is the valid empty state everywhere.
 */
#ifndef RAY_LB_STATE_H
#define RAY_LB_STATE_H
#include "ray/lb.h"

typedef struct ray_pool_row {
    ray_pool_spec spec;
    uint16_t generation;
    uint16_t first;              /* of its instances in `order` */
    uint16_t count;
    uint8_t used;
    uint8_t maglev;              /* 1 + its table, 0: none */
    uint32_t ring_first;
    uint32_t ring_count;
    uint32_t weight_sum;
    uint32_t weight;             /* of each of its instances; 0: they differ */
} ray_pool_row;

typedef struct ray_instance_row {
    ray_instance_spec spec;
    uint64_t hash;               /* of its key */
    uint16_t generation;
    uint8_t used;
    uint8_t discovered;          /* 1: discovery brought it */
    uint32_t reserved;
} ray_instance_row;

typedef struct ray_ring_point {
    uint32_t point;
    uint16_t slot;
    uint16_t reserved;
} ray_ring_point;

typedef struct ray_lb_config {
    uint8_t seed[16];
    ray_pool_row pool[RAY_POOL_MAX];
    ray_instance_row instance[RAY_INSTANCE_MAX];
    uint32_t service[RAY_SERVICE_MAX];        /* 1 + handle of the pool; 0: none */
    uint16_t order[RAY_INSTANCE_MAX];         /* slots by pool, then by age */
    uint32_t pool_count;
    uint32_t instance_count;
    uint32_t ring_count;
    uint32_t reserved;
    ray_ring_point ring[RAY_RING_MAX];
    uint16_t maglev[RAY_MAGLEV_MAX][RAY_MAGLEV_SIZE + 1]; /* 1 + slot; the last is padding */
    uint16_t pad[(4U - (RAY_MAGLEV_MAX * (RAY_MAGLEV_SIZE + 1U) + RAY_INSTANCE_MAX) % 4U) % 4U +
                 4U];
} ray_lb_config;

typedef struct ray_instance_book {
    int64_t current;             /* smooth weighted round robin */
    uint64_t ejected_until_ns;
    uint64_t since_ns;           /* slow start began, 0: none */
    uint32_t active;             /* connections */
    uint32_t idle;
    uint32_t streak;             /* probes in a row */
    uint32_t failed;             /* requests in a row that failed */
    uint8_t health;
    uint8_t streak_passed;
    uint8_t draining;            /* 2: leaves with its last connection */
    uint8_t ejections;           /* in a row */
    uint32_t reserved;
} ray_instance_book;

/* In a calm pool nobody is looked at to know who may be picked: everyone, by all its weight. */
typedef struct ray_pool_book {
    uint64_t calm_ns;            /* from then on nobody is ejected or warms up */
    uint32_t cursor;             /* place in its order picked last, counted from 1 */
    uint32_t active;
    uint32_t idle;
    uint32_t idle_first;         /* 1 + entry, the oldest */
    uint32_t idle_last;
    uint32_t odd;                /* instances that drain or are not Healthy */
} ray_pool_book;

typedef struct ray_lb_lease {
    uint64_t until_ns;
    uint32_t next_free;          /* 1 + slot, while free */
    uint16_t instance;           /* slot */
    uint16_t generation;
    uint8_t used;
    uint8_t reserved[7];
} ray_lb_lease;

typedef struct ray_idle_entry {
    uint64_t since_ns;
    uint32_t instance;           /* 1 + slot, 0: free */
    uint32_t next;               /* 1 + entry; of a free one the next free */
    uint32_t prev;
    uint32_t reserved;
} ray_idle_entry;

typedef struct ray_lb_book {
    ray_instance_book instance[RAY_INSTANCE_MAX];
    ray_pool_book pool[RAY_POOL_MAX];
    ray_lb_lease lease[RAY_LEASE_MAX];
    uint64_t due_ns[RAY_LEASE_MAX];
    uint32_t heap_order[RAY_LEASE_MAX];
    uint32_t heap_place[RAY_LEASE_MAX];
    ray_idle_entry idle[RAY_IDLE_MAX];
    uint32_t heap_count;
    uint32_t lease_top;          /* leases ever used */
    uint32_t lease_free;         /* 1 + slot */
    uint32_t lease_count;
    uint32_t idle_top;
    uint32_t idle_free;
} ray_lb_book;

typedef struct ray_instance_tally {
    uint64_t picked_count;
    uint64_t failed_count;
    uint64_t latency_sum_ns;
} ray_instance_tally;

typedef struct ray_pool_tally {
    uint64_t picked_count;
    uint64_t denied_count;
    uint64_t reused_count;
} ray_pool_tally;

typedef struct ray_lb_tally {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;
    uint64_t opened_count;
    uint64_t closed_count;
    uint64_t lapsed_count;
    uint64_t failed_count;
    uint64_t ejected_count;
    uint64_t panic_count;
    uint64_t full_count;
    uint64_t reused_count;
    uint64_t discovered_count;
    uint64_t discovery_kept_count;
    ray_instance_tally instance[RAY_INSTANCE_MAX];
    ray_pool_tally pool[RAY_POOL_MAX];
} ray_lb_tally;

struct ray_lb {
    ray_lb_config config;
    ray_lb_book book;
    ray_lb_tally tally;
};

_Static_assert(sizeof(ray_pool_spec) == 176, "the blob's pool row has no padding");
_Static_assert(sizeof(ray_lb_config) % 8 == 0, "the book starts on 8 bytes");
_Static_assert(sizeof(ray_lb_book) % 8 == 0, "the book is digested in 64-bit words");
_Static_assert(RAY_INSTANCE_MAX < 65536 && RAY_LEASE_MAX <= 65536 && RAY_POOL_MAX <= 65536,
               "a slot fits the low half of its handle");
_Static_assert(RAY_MAGLEV_MAX < 256, "a table's number fits its byte");

#endif
