/* SPDX-License-Identifier: MIT */
/* governance_state - the bytes behind ray/governance.h; seen only by this folder and
 * kernel_state.h.
 *
 * Everything here is counted, nothing is spent: the book holds no more than how often windows were
 * reset. Series, pairs and rows stand without gaps from place 0; what leaves is filled by the last.
 * Zero is the valid empty state everywhere.
 */
#ifndef RAY_GOVERNANCE_STATE_H
#define RAY_GOVERNANCE_STATE_H
#include "ray/governance.h"
#include "base/histogram.h"

enum ray_governance_private {
    /* one more than may be configured: of nobody */
    RAY_GOV_SERVICE_ROWS = RAY_SERVICE_MAX + 1,
    RAY_GOV_TENANT_ROWS = RAY_TENANT_MAX + 1,
    RAY_GOV_WINDOWS = RAY_SERIES_SECOND_MAX + RAY_SERIES_MINUTE_MAX + RAY_SERIES_HOUR_MAX,
    RAY_GOV_MINUTE_FIRST = RAY_SERIES_SECOND_MAX,
    RAY_GOV_HOUR_FIRST = RAY_SERIES_SECOND_MAX + RAY_SERIES_MINUTE_MAX,
    RAY_GOV_PAIR_MAX = RAY_SERIES_MAX - RAY_SERIES_METRIC_MAX,
    RAY_GOV_PAIR_BUCKETS = 2 * RAY_SERIES_MAX,
    RAY_GOV_WATCH_WORDS = (RAY_ALERT_RULE_MAX + 63) / 64,
    RAY_GOV_GRAINS = 3,
    RAY_GOV_SLOT_MASK = 0xffff
};

/* What is counted of one key since it got its row; `error` is what it may have had before, when it
 * or another lost a row: a true value lies in [counted, counted + error]. */
typedef struct ray_governance_row {
    ray_governance_counts counts;
    uint64_t error[RAY_TOP_MAX];
    uint32_t key;
    uint32_t next; /* 1 + place: hash chain */
} ray_governance_row;

typedef struct ray_governance_table {
    ray_governance_counts other; /* of keys that have no row any more */
    uint64_t floor[RAY_TOP_MAX]; /* no key without a row ever had more */
    uint64_t evicted_count;
    uint32_t count;
    uint32_t reserved;
} ray_governance_table;

typedef struct ray_window {
    uint64_t count;
    uint64_t amount;
} ray_window;

/* The window of `second` is open; it is in no minute yet. The open minute is in no hour yet. */
typedef struct ray_series {
    uint64_t second; /* since 0 on the core's clock, of its latest event */
    uint32_t pair;   /* RAY_NONE: of `other` */
    uint16_t metric;
    uint16_t place; /* of the open window: second mod RAY_SERIES_SECOND_MAX */
    ray_window window[RAY_GOV_WINDOWS];
} ray_series;

/* A (service, tenant) that has series, and which alerts watch it. */
typedef struct ray_pair {
    uint64_t watched[RAY_GOV_WATCH_WORDS];
    uint32_t service;
    uint32_t tenant;
    uint32_t next; /* 1 + place: hash chain */
    uint32_t service_row; /* where its rows were when last looked at */
    uint32_t tenant_row;
    uint32_t waits; /* 1 + place of the service's histograms; 0: it has none */
    uint32_t series[RAY_SERIES_METRIC_MAX]; /* 1 + place; 0: none yet */
} ray_pair;

/* Latencies of the window a grain is in, and of the ones before only the 95th percentile. */
typedef struct ray_latency_window {
    ray_histogram head;
    uint32_t bucket[RAY_HISTOGRAM_BUCKETS(RAY_HISTOGRAM_WINDOW_BITS)];
} ray_latency_window;

/* Of one service; the first is of everything. */
typedef struct ray_waits {
    uint64_t second; /* of its latest outcome */
    uint32_t service;
    uint32_t used;
    ray_histogram head;
    uint32_t bucket[RAY_HISTOGRAM_BUCKETS(RAY_HISTOGRAM_SUB_BITS)];
    ray_histogram_coarse coarse; /* never reset */
    ray_latency_window latency[RAY_GOV_GRAINS];
    uint64_t p95_ns[RAY_GOV_WINDOWS]; /* of closed windows */
} ray_waits;

/* An alert's open window: a value is sum, or sum over `of`. */
typedef struct ray_alert_slot {
    uint64_t sum;
    uint64_t of;
    uint64_t value;
    uint64_t since_ns;
    uint64_t pending_ns; /* end of the window it first held at */
    uint64_t fired_count;
    uint32_t service_row; /* RAY_ALERT_QUEUED: as in a pair */
    uint8_t state;
    uint8_t acknowledged;
    uint8_t reserved[2];
} ray_alert_slot;

typedef struct ray_reason_count {
    uint64_t count;
    uint32_t reason; /* 0: free */
    uint32_t reserved;
} ray_reason_count;

/* Of the rule whose handle is `rule`; a later one of the same place begins anew. */
typedef struct ray_gov_policy_row {
    ray_governance_policy_counts counts;
    uint32_t rule;
    uint32_t used;
} ray_gov_policy_row;

typedef struct ray_governance_config {
    uint64_t multiplier; /* of table positions, from the seed */
    uint64_t alert_end;  /* no place from here on is used */
    ray_alert_spec alert[RAY_ALERT_RULE_MAX];
    uint32_t generation[RAY_ALERT_RULE_MAX]; /* 0 for rows of a file */
    uint32_t issued[RAY_ALERT_RULE_MAX]; /* the last a live row of the place was given */
} ray_governance_config;

typedef struct ray_governance_book {
    uint64_t reset_count;
} ray_governance_book;

typedef struct ray_governance_tally {
    ray_governance_counts total;
    uint64_t second;          /* of the latest event */
    uint64_t second_start_ns;
    ray_governance_table services;
    ray_governance_table tenants;
    ray_governance_row service[RAY_GOV_SERVICE_ROWS];
    ray_governance_row tenant[RAY_GOV_TENANT_ROWS];
    uint32_t service_bucket[RAY_SERVICE_MAX];
    uint32_t tenant_bucket[RAY_TENANT_MAX];
    uint32_t pair_bucket[RAY_GOV_PAIR_BUCKETS];
    ray_pair pair[RAY_GOV_PAIR_MAX];
    ray_series series[RAY_SERIES_MAX]; /* the first of each metric is `other` */
    ray_waits waits[RAY_WAIT_HISTOGRAM_MAX];
    ray_histogram enforcement;
    uint32_t enforcement_bucket[RAY_HISTOGRAM_BUCKETS(RAY_HISTOGRAM_SUB_BITS)];
    ray_alert_slot alert[RAY_ALERT_RULE_MAX];
    uint64_t alert_due_ns[RAY_ALERT_RULE_MAX];
    uint32_t alert_order[RAY_ALERT_RULE_MAX];
    uint32_t alert_place[RAY_ALERT_RULE_MAX];
    ray_alert_event event[RAY_ALERT_EVENT_MAX];
    ray_reason_count reason[RAY_GOVERNANCE_REASON_MAX];
    ray_gov_policy_row policy[RAY_POLICY_MAX];
    ray_governance_quota_counts quota[RAY_GOV_QUOTA_TYPE_MAX];
    int64_t cost_nano[RAY_GOV_COST_TYPE_MAX];
    uint64_t reason_other_count;
    uint64_t error_count;
    uint64_t folded_count;
    uint64_t untracked_count;
    ray_governance_policy_counts policy_other; /* of rules that are gone or have no place */
    uint64_t event_count;        /* event n is at (n - 1) mod RAY_ALERT_EVENT_MAX */
    uint32_t alert_heap_count;
    uint32_t series_count; /* places used behind the `other` ones */
    uint32_t pair_count;
    uint32_t reserved;
} ray_governance_tally;

struct ray_governance {
    ray_governance_config config;
    ray_governance_book book;
    ray_governance_tally tally;
};

_Static_assert(sizeof(ray_alert_spec) == 96, "the blob's alert row is 96 bytes");
_Static_assert(sizeof(ray_window) == 16, "a window has 16 bytes (DESIGN.md section 4)");
_Static_assert(sizeof(ray_pair) % 8 == 0 && sizeof(ray_waits) % 8 == 0 &&
                   sizeof(ray_governance_row) % 8 == 0,
               "rows keep their alignment");
_Static_assert(sizeof(ray_governance_config) % 8 == 0 && sizeof(ray_governance_tally) % 8 == 0,
               "the digest hashes whole words");
_Static_assert((RAY_SERVICE_MAX & (RAY_SERVICE_MAX - 1)) == 0 &&
                   (RAY_TENANT_MAX & (RAY_TENANT_MAX - 1)) == 0,
               "hash buckets are masked");
_Static_assert((RAY_GOVERNANCE_REASON_MAX & (RAY_GOVERNANCE_REASON_MAX - 1)) == 0,
               "reasons are found by mask");
_Static_assert((int)RAY_SERIES_MAX > (int)RAY_SERIES_METRIC_MAX,
               "each metric has its `other`, and more");
_Static_assert((int)RAY_SERIES_SECOND_MAX <= (int)RAY_GOV_WINDOW_MAX &&
                   (int)RAY_SERIES_MINUTE_MAX <= (int)RAY_GOV_WINDOW_MAX &&
                   (int)RAY_SERIES_HOUR_MAX <= (int)RAY_GOV_WINDOW_MAX,
               "a timeline fits its answer");

#endif
