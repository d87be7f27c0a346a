/* SPDX-License-Identifier: MIT */
/* cost_state - the bytes behind ray/cost.h; seen only by this folder and kernel_state.h.
 *
 * A tenant and a service have an account each, made with their first charge and kept apart from
 * their place in the file. A cell is what one tenant spent on one metric of one service; a full
 * table only loses that detail, because whatever has no cell is an account less its cells. Zero is
 * the valid empty state everywhere; freed slots are zero but for the free list.
 */
#ifndef RAY_COST_STATE_H
#define RAY_COST_STATE_H
#include "ray/cost.h"

enum ray_cost_private {
    RAY_COST_NOBODY = RAY_TENANT_MAX,   /* no tenant, and those that are gone */
    RAY_COST_NOTHING = RAY_SERVICE_MAX, /* no service, and those that are gone */
    RAY_COST_TENANTS = RAY_TENANT_MAX + 1,
    RAY_COST_SERVICES = RAY_SERVICE_MAX + 1,
    RAY_COST_KIND_MAX = 2 * RAY_COST_METRIC_MAX /* a metric's use, and adjustments of it */
};

/* A service's price book; stands at the service's slot. */
typedef struct ray_cost_price {
    ray_cost_spec spec;
    uint32_t used;
    uint32_t measured; /* bit per metric that has a price, a tier or is measured anyhow */
    uint32_t tiered;   /* bit per metric that has tiers */
    uint32_t factor_first;
    uint32_t factor_count;
    uint32_t tier_first;
    uint32_t tier_count;
    uint32_t reserved;
} ray_cost_price;

/* A multiplier as number / (2^two * 5^five). */
typedef struct ray_cost_factor {
    ray_cost_multiplier_spec spec; /* `book` is the slot of the service */
    uint32_t number;
    uint8_t two;
    uint8_t five;
    uint8_t reserved[2];
} ray_cost_factor;

typedef struct ray_cost_config {
    ray_billing_spec billing;
    ray_cost_price price[RAY_SERVICE_MAX];
    ray_cost_factor factor[RAY_COST_MULTIPLIER_MAX]; /* by book */
    ray_cost_tier_spec tier[RAY_COST_TIER_MAX];      /* by book, metric, ascending */
    ray_cost_alert_spec alert[RAY_COST_ALERT_MAX];
    uint32_t book_count;
    uint32_t factor_count;
    uint32_t tier_count;
    uint32_t alert_count;
} ray_cost_config;

typedef struct ray_cost_cell {
    ray_money open;
    ray_money last; /* in the period that closed last */
    uint64_t open_units;
    uint64_t last_units;
    uint32_t tenant; /* 1 + account; 0: free */
    uint32_t service; /* account */
    uint32_t kind;
    uint32_t next; /* 1 + cell: the next kind of the pair, or the next free one */
} ray_cost_cell;

typedef struct ray_cost_tenant {
    ray_money metric[RAY_COST_METRIC_MAX]; /* of the open period, adjustments too */
    ray_money total;                       /* their sum */
    int64_t total_nano;                    /* its whole part */
    ray_money residue; /* what rounding the last closed invoice left */
    ray_money folded;  /* closed periods no longer kept one by one */
    int64_t watch_nano; /* the smallest threshold that has not fired */
    uint32_t owner;     /* 1 + place; 0: free */
    uint32_t alert_pairs; /* alerts on one service of this tenant */
} ray_cost_tenant;

/* A tenant's closed period. */
typedef struct ray_cost_closed {
    ray_money metric[RAY_COST_METRIC_MAX];
    int64_t billed_nano;
} ray_cost_closed;

typedef struct ray_cost_service {
    ray_money metric[RAY_COST_METRIC_MAX];
    ray_money total;
    ray_money last;   /* of the period that closed last */
    ray_money closed; /* of every closed period */
    int64_t watch_nano;
    uint32_t service; /* handle */
    uint32_t used;
} ray_cost_service;

typedef struct ray_cost_span {
    int64_t start_ns;
    int64_t end_ns;
    int64_t ready_ns;
    uint32_t digits;
    uint32_t reserved;
} ray_cost_span;

/* An alert's standing in the open period; `spent` only where it is on one tenant's one service. */
typedef struct ray_cost_standing {
    ray_money spent;
    uint32_t fired;
    uint32_t reserved;
} ray_cost_standing;

typedef struct ray_cost_book {
    ray_cost_cell cell[RAY_COST_CELL_MAX];
    ray_cost_tenant tenant[RAY_COST_TENANTS];
    ray_cost_closed closed[RAY_COST_TENANTS][RAY_COST_PERIOD_MAX];
    ray_cost_service service[RAY_COST_SERVICES];
    ray_cost_span period[RAY_COST_PERIOD_MAX]; /* period n is at (n - 1) mod PERIOD_MAX */
    ray_cost_standing standing[RAY_COST_ALERT_MAX];
    uint32_t tenant_account[RAY_TENANT_MAX];   /* 1 + account, by place */
    uint32_t service_account[RAY_SERVICE_MAX]; /* 1 + account, by slot */
    ray_money metric[RAY_COST_METRIC_MAX];        /* of the open period */
    ray_money metric_closed[RAY_COST_METRIC_MAX]; /* of every closed one */
    ray_money open;
    ray_money closed_sum;
    ray_money gross;
    uint64_t closed_count;
    int64_t start_ns; /* of the open period, wall clock, half-open */
    int64_t end_ns;
    int64_t watch_nano;
    uint32_t placed; /* 0: nothing was charged yet, the open period has no place in time */
    uint32_t idle;   /* empty periods closed in a row; past PERIOD_MAX one more changes nothing */
    uint32_t cell_top; /* cells ever used */
    uint32_t cell_free; /* 1 + cell */
    uint32_t cell_count;
    uint32_t reserved;
    /* 1 + cell: first of a tenant's and a service's cells, which stand by kind. */
    uint16_t pair[RAY_COST_TENANTS][RAY_COST_SERVICES];
    uint16_t reserved_2[4 - RAY_COST_TENANTS * RAY_COST_SERVICES % 4];
} ray_cost_book;

typedef struct ray_cost_seen {
    uint64_t id;
    ray_cost_outcome outcome;
    uint32_t tenant; /* place; RAY_NONE */
    uint32_t next;   /* 1 + place in the ring: hash chain */
} ray_cost_seen;

typedef struct ray_cost_tally {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t unpriced_count;
    uint64_t adjusted_count;
    uint64_t late_count;
    uint64_t folded_count;
    uint64_t duplicate_count;
    uint64_t event_count;  /* event n is at (n - 1) mod RAY_COST_EVENT_MAX */
    uint64_t notice_count; /* notice n is at (n - 1) mod RAY_COST_NOTICE_MAX */
    uint8_t seed[16];
    ray_cost_seen seen[RAY_COST_EVENT_MAX];
    uint32_t seen_bucket[RAY_COST_EVENT_MAX]; /* 1 + place */
    ray_cost_notice notice[RAY_COST_NOTICE_MAX];
    ray_cost_standing move[RAY_COST_ALERT_MAX]; /* work of a load, zero outside it */
} ray_cost_tally;

struct ray_cost {
    ray_cost_config config;
    ray_cost_book book;
    ray_cost_tally tally;
};

_Static_assert(sizeof(ray_cost_spec) == 48 && sizeof(ray_cost_multiplier_spec) == 80 &&
                   sizeof(ray_cost_tier_spec) == 24 && sizeof(ray_billing_spec) == 80 &&
                   sizeof(ray_cost_alert_spec) == 80,
               "the blob's rows of the five cost sections");
_Static_assert(sizeof(ray_cost_config) % 8 == 0 && sizeof(ray_cost_book) % 8 == 0 &&
                   sizeof(ray_cost_tally) % 8 == 0,
               "the digest hashes whole words");
_Static_assert(RAY_COST_CELL_MAX < 65536, "a pair knows its first cell by 16 bits");
_Static_assert((RAY_COST_EVENT_MAX & (RAY_COST_EVENT_MAX - 1)) == 0, "hash buckets are masked");
_Static_assert(RAY_SERVICE_MAX <= 65536, "a handle holds a 16-bit slot");

#endif
