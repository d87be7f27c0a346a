/* SPDX-License-Identifier: MIT */
/* quota_state - the bytes behind ray/quota.h; seen only by this folder and kernel_state.h.
 *
 * An allocation is a plan row; an active instance is (allocation, tenant, user), made on first use
 * and found by a seeded hash chain. Freed slots are zero except their stamp or generation. Zero is
 * the valid empty state everywhere.
 */
#ifndef RAY_QUOTA_STATE_H
#define RAY_QUOTA_STATE_H
#include "ray/quota.h"

enum ray_quota_private {
    RAY_QUOTA_CELLS = RAY_QUOTA_ROLLING_PARTS + 1, /* the running step and the ones before it */
    RAY_QUOTA_FIRED_OVER = 0x80000000              /* bit of `fired` beside one bit per threshold */
};

/* One allocation; free when its name is zero. */
typedef struct ray_quota_row {
    ray_quota_spec spec;
    int64_t born_ns; /* wall clock; a `never` period starts here */
    uint32_t next;   /* 1 + slot: the list of its tenant, its plan, or of everybody, ascending */
    uint32_t generation; /* 0 for rows of a file */
} ray_quota_row;

typedef struct ray_quota_config {
    uint8_t seed[16];
    ray_quota_row row[RAY_QUOTA_ALLOCATION_MAX];
    uint32_t tenant_first[RAY_TENANT_MAX]; /* 1 + slot */
    uint32_t plan_first[RAY_PLAN_MAX];
    uint32_t
        issued[RAY_QUOTA_ALLOCATION_MAX]; /* the last generation a live row of the slot was given */
    uint32_t all_first;
    uint32_t count;
} ray_quota_config;

typedef struct ray_quota_active {
    uint64_t user_key;
    uint64_t used_units; /* commits of this period (rolling: of the cells) */
    uint64_t reserved_units;
    uint64_t carry_units;
    uint64_t peak_units;
    uint64_t peak_ever_units;
    uint64_t closed_units;
    uint64_t admitted_count;
    int64_t period;   /* index of the period, or of the step of a rolling window */
    int64_t start_ns; /* wall clock, half-open */
    int64_t end_ns;
    int64_t guard_second;
    uint64_t guard_requests; /* in guard_second */
    uint64_t guard_bytes;
    uint64_t guard_requests_last; /* in the second before */
    uint64_t guard_bytes_last;
    uint64_t cell[RAY_QUOTA_CELLS]; /* rolling: commits by step, at period mod cells */
    uint32_t allocation;            /* 1 + slot; 0: free */
    uint32_t tenant;
    uint32_t next;  /* 1 + slot: hash chain */
    uint32_t stamp; /* raised when the slot is freed */
    uint32_t fired; /* thresholds of this period that have alerted */
    uint32_t reserved;
} ray_quota_active;

typedef struct ray_quota_lease {
    ray_quota_hold hold[RAY_REQUEST_QUOTA_MAX];
    uint32_t count;      /* of holds */
    uint32_t generation; /* of the handle; stays when freed */
    uint32_t live;
    uint32_t reserved;
} ray_quota_lease;

typedef struct ray_quota_book {
    ray_quota_active active[RAY_QUOTA_ACTIVE_MAX];
    uint32_t bucket[RAY_QUOTA_ACTIVE_MAX];      /* 1 + slot: head of a hash chain */
    uint32_t active_free[RAY_QUOTA_ACTIVE_MAX]; /* stack of freed slots */
    ray_quota_lease lease[RAY_QUOTA_RESERVATION_MAX];
    uint64_t lease_due_ns[RAY_QUOTA_RESERVATION_MAX];
    uint32_t lease_order[RAY_QUOTA_RESERVATION_MAX];
    uint32_t lease_place[RAY_QUOTA_RESERVATION_MAX];
    uint32_t lease_free[RAY_QUOTA_RESERVATION_MAX];
    uint32_t active_top; /* slots ever used */
    uint32_t active_free_count;
    uint32_t lease_top;
    uint32_t lease_free_count;
    uint32_t lease_count; /* in the heap */
    uint32_t reserved;
} ray_quota_book;

/* One remembered event id. */
typedef struct ray_quota_seen {
    uint64_t id;
    ray_quota_outcome outcome;
    uint32_t tenant;
    uint32_t next; /* 1 + place: hash chain */
} ray_quota_seen;

/* What an allocation carries through a reload, with its counters. */
typedef struct ray_quota_tail {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t peak_evicted_units;
} ray_quota_tail;

/* Work of one load, zero outside it. */
typedef struct ray_quota_move {
    ray_quota_tail tail;
    int64_t born_ns;
    uint32_t to;    /* 1 + new slot of the old one; 0: it goes */
    uint32_t armed; /* 1: its limit or thresholds changed */
} ray_quota_move;

typedef struct ray_quota_tally {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;
    uint64_t shadow_denied_count;
    uint64_t table_full_count;
    uint64_t evicted_count;
    uint64_t late_count;
    uint64_t closed_refund_count;
    uint64_t stale_hold_count;
    uint64_t duplicate_count;
    uint64_t expired_count;
    uint64_t event_count; /* event n is at (n - 1) mod RAY_QUOTA_EVENT_MAX */
    uint64_t alert_count; /* alert n is at (n - 1) mod RAY_QUOTA_ALERT_MAX */
    uint32_t hand;        /* where the next search for an idle slot begins */
    uint32_t reserved;
    ray_quota_tail row[RAY_QUOTA_ALLOCATION_MAX];
    uint64_t active_denied_count[RAY_QUOTA_ACTIVE_MAX];
    ray_quota_alert alert[RAY_QUOTA_ALERT_MAX];
    ray_quota_seen seen[RAY_QUOTA_EVENT_MAX];
    uint32_t seen_bucket[RAY_QUOTA_EVENT_MAX]; /* 1 + place */
    ray_quota_move move[RAY_QUOTA_ALLOCATION_MAX];
} ray_quota_tally;

struct ray_quota {
    ray_quota_config config;
    ray_quota_book book;
    ray_quota_tally tally;
};

_Static_assert(sizeof(ray_quota_spec) == 192, "the blob's quota row is 192 bytes");
_Static_assert(sizeof(ray_quota_row) % 8 == 0 && sizeof(ray_quota_active) % 8 == 0,
               "rows keep 8-byte alignment");
_Static_assert(sizeof(ray_quota_config) % 8 == 0 && sizeof(ray_quota_book) % 8 == 0 &&
                   sizeof(ray_quota_tally) % 8 == 0,
               "the digest hashes whole words");
_Static_assert((RAY_QUOTA_ACTIVE_MAX & (RAY_QUOTA_ACTIVE_MAX - 1)) == 0, "hash buckets are masked");
_Static_assert((RAY_QUOTA_EVENT_MAX & (RAY_QUOTA_EVENT_MAX - 1)) == 0, "hash buckets are masked");
_Static_assert(RAY_QUOTA_ALLOCATION_MAX <= 65536, "a handle holds a 16-bit slot");
_Static_assert(RAY_QUOTA_ACTIVE_MAX <= 65536, "a hold keeps a 16-bit place");
_Static_assert(RAY_REQUEST_QUOTA_MAX <= RAY_QUOTA_ACTIVE_MAX,
               "one request's instances fit the table");

/* For the pipeline's drain: every reservation ends now, whatever its time. */
void ray_quota_drain(struct ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns);

#endif
