/* SPDX-License-Identifier: MIT */
/* priority_state - the bytes behind ray/priority.h; seen only by this folder and kernel_state.h.
 *
 * A queue per service slot, five lanes each, one pool of entries. An entry stands in one flow of
 * one lane (a doubly linked list by ticket, or by deadline), or is delayed: then it is in the heap
 * and in its queue's delayed list. Freed entries are zero but for their generation and the link of
 * the free list. Zero is the valid empty state everywhere.
 */
#ifndef RAY_PRIORITY_STATE_H
#define RAY_PRIORITY_STATE_H
#include "ray/priority.h"

enum ray_priority_private {
    RAY_QUEUE_READY_WORDS = (RAY_SERVICE_MAX + 63) / 64,
    RAY_QUEUE_DEBT_MAX = 99 /* below 100: what the starvation law rests on, see lane.c */
};

/* What one service says itself. */
typedef struct ray_queue_row {
    uint32_t own; /* 1 + handle of the service; 0: [queue] holds for it */
    uint32_t servers;
    uint32_t depth;
    uint32_t flows;
} ray_queue_row;

typedef struct ray_sla_row {
    ray_sla_spec spec;
    uint32_t used;
    uint32_t reserved;
} ray_sla_row;

/* [queue] and what is derived from it. */
typedef struct ray_queue_rules {
    ray_queue_spec spec;
    ray_queue_row any; /* what `spec` says, as a row */
    uint32_t bound;
    /* Dispatches of another class per dispatch of this one, in 1/65536, rounded up. Critical counts
     * with the weight its cap adds. */
    uint32_t ratio[RAY_CLASS_MAX][RAY_CLASS_MAX];
} ray_queue_rules;

typedef struct ray_priority_config {
    uint8_t seed[16];
    ray_queue_rules rules;
    ray_queue_row row[RAY_SERVICE_MAX];
    ray_sla_row sla[RAY_SERVICE_MAX];
} ray_priority_config;

enum ray_entry_state { RAY_ENTRY_FREE = 0, RAY_ENTRY_LANE = 1, RAY_ENTRY_DELAYED = 2 };

/* One request that waits: a cache line. */
typedef struct ray_queue_entry {
    uint64_t arrival_ns;
    uint64_t deadline_ns;
    uint64_t ticket;
    uint64_t flow; /* identity, for when the number of flows changes */
    uint32_t next; /* 1 + slot; free entries: the next free one */
    uint32_t prev;
    uint32_t service;
    uint32_t request;
    uint32_t width;
    uint16_t generation;
    uint8_t state;
    uint8_t priority;
    uint8_t origin;
    uint8_t flow_at; /* sub-queue */
    uint8_t reserved[6];
} ray_queue_entry;

typedef struct ray_queue_flow {
    uint32_t first; /* 1 + slot */
    uint32_t last;
    uint32_t tag; /* virtual time at which its next request may start */
} ray_queue_flow;

typedef struct ray_queue_lane {
    uint32_t filled; /* bit per flow that is not empty */
    uint32_t clock;  /* virtual time: the start of the last request sent */
    ray_queue_flow flow[RAY_QUEUE_FLOW_MAX];
} ray_queue_lane;

typedef struct ray_queue {
    uint32_t service; /* handle of whose queue it is: the last that took */
    uint32_t busy;    /* servers occupied */
    uint32_t waiting; /* entries in lanes */
    uint32_t delayed; /* entries whose not_before has not come */
    uint32_t delayed_first; /* 1 + slot */
    uint32_t turn;    /* class whose turn it is */
    uint32_t left;    /* of its quantum */
    uint32_t debt;    /* of Critical for what it was sent out of turn: see lane.c */
    uint32_t depth[RAY_CLASS_MAX]; /* entries in each lane, beside the turn: one line says both */
    ray_queue_lane lane[RAY_CLASS_MAX];
} ray_queue;

typedef struct ray_priority_book {
    uint64_t ticket; /* the last given */
    uint64_t due_ns[RAY_QUEUE_ENTRY_MAX]; /* not_before of delayed entries */
    uint64_t ready[RAY_QUEUE_READY_WORDS]; /* bit per queue with work and a free server */
    ray_queue_entry entry[RAY_QUEUE_ENTRY_MAX];
    uint32_t heap_order[RAY_QUEUE_ENTRY_MAX];
    uint32_t heap_place[RAY_QUEUE_ENTRY_MAX];
    uint32_t heap_count;
    uint32_t entry_top; /* entries ever used */
    uint32_t entry_free; /* 1 + slot */
    uint32_t entry_count;
    uint32_t turn; /* service slot sent last */
    uint32_t reserved;
    ray_queue queue[RAY_SERVICE_MAX];
} ray_priority_book;

typedef struct ray_class_tail {
    uint64_t queued_count;
    uint64_t sent_count;
    uint64_t denied_count;
    uint64_t wait_sum_ns;
    uint64_t wait_max_ns;
} ray_class_tail;

typedef struct ray_queue_tail {
    uint64_t queued_count;
    uint64_t sent_count;
    uint64_t denied_count;
    uint64_t wait_sum_ns;
    uint64_t service_ns;
    uint32_t served_at[RAY_CLASS_MAX]; /* sent_count when last served or last empty, mod 2^32 */
    uint32_t reserved;
} ray_queue_tail;

typedef struct ray_priority_tally {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;
    uint64_t direct_count;
    uint64_t left_count[RAY_LEAVE_MAX];
    uint64_t requeued_count;
    uint64_t finished_count;
    uint64_t origin_count[RAY_ORIGIN_MAX];
    uint64_t alert_count;
    ray_class_tail by_class[RAY_CLASS_MAX];
    ray_queue_tail queue[RAY_SERVICE_MAX];
    ray_sla_stats sla[RAY_SERVICE_MAX];
    ray_sla_alert alert[RAY_SLA_ALERT_MAX];
    uint32_t gap_max[RAY_CLASS_MAX];
    uint32_t reserved;
} ray_priority_tally;

struct ray_priority {
    ray_priority_config config;
    ray_priority_book book;
    ray_priority_tally tally;
};

_Static_assert(sizeof(ray_queue_entry) == 64, "an entry is one cache line");
_Static_assert(sizeof(ray_priority_config) % 8 == 0, "the book starts on 8 bytes");
_Static_assert(sizeof(ray_priority_book) % 8 == 0, "the book is digested in 64-bit words");
_Static_assert(RAY_QUEUE_ENTRY_MAX <= 65536, "an entry's slot fits the low half of its handle");
_Static_assert(RAY_QUEUE_FLOW_MAX >= 1 && RAY_QUEUE_FLOW_MAX <= 32, "flows fit a word of bits");

#endif
