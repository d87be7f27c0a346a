/* SPDX-License-Identifier: MIT */
#ifndef RAY_GOVERNANCE_H
#define RAY_GOVERNANCE_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* governance: what was decided, counted by service, tenant, reason and moment; and what to say when
 * a number crosses a line.
 *
 * Law: offered = denied + dropped + preempted + dispatched + queued now, in total and in every row;
 * the rows of a table and its `other` add up to the total; an hour is the sum of its minutes and a
 * minute of its seconds. Cost: note is O(1) and touches the windows of one (service, tenant).
 * Source: SEMANTICS.md, governance; Metwally et al. 2005 (Space-Saving) for what outgrows a table.
 */
typedef struct ray_governance ray_governance; /* state; size and layout are private */

enum ray_governance_kind {
    RAY_GOV_ADMIT = 1,     /* one per admission; verdict and reason say what */
    RAY_GOV_SENT = 2,      /* left a queue towards its service, or was sent at once */
    RAY_GOV_DROPPED = 3,   /* left its queue without being sent: deadline, displaced, cancelled */
    RAY_GOV_PREEMPTED = 4, /* taken out of its queue by an operator */
    RAY_GOV_DONE = 5       /* its outcome is known */
};

/* One step of a request. What a kind does not use is 0. */
typedef struct ray_governance_event {
    uint64_t tokens;     /* ADMIT: tokens taken */
    uint64_t wait_ns;    /* SENT: queue wait; ADMIT denied: retry_after */
    uint64_t bytes;      /* DONE */
    uint64_t latency_ns; /* DONE: arrival to outcome */
    int64_t cost_nano;   /* DONE: charged */
    int64_t wall_offset_ns;
    uint32_t service; /* handle; RAY_NONE: no route was found */
    uint32_t tenant;  /* RAY_NONE: nobody in particular */
    uint32_t by_id;
    uint16_t reason;
    uint16_t http_status;
    uint8_t kind;    /* enum ray_governance_kind */
    uint8_t verdict; /* enum ray_verdict: a redirect counts as denied */
    uint8_t by_kind;
    uint8_t priority;
    uint8_t queued; /* ADMIT: admitted but waits; SENT, DROPPED, PREEMPTED: had waited */
    uint8_t reserved[3];
} ray_governance_event;

/* A series is (metric, service, tenant); a window of it holds two numbers. */
enum ray_series_metric {
    RAY_SERIES_REQUESTS = 0, /* offered; tokens taken */
    RAY_SERIES_DENIED = 1,   /* denied or redirected; of them by a limit, quota, queue or policy */
    RAY_SERIES_SENT = 2,     /* dispatched; nanoseconds they waited together */
    RAY_SERIES_FAILED = 3,   /* outcomes 5xx or expired; dropped and preempted */
    RAY_SERIES_DONE = 4,     /* outcomes; bytes */
    RAY_SERIES_COST = 5,     /* charges; nano-units, signed: two's complement */
    RAY_SERIES_METRIC_MAX = 6
};

enum ray_grain { RAY_GRAIN_SECOND = 0, RAY_GRAIN_MINUTE = 1, RAY_GRAIN_HOUR = 2 };

enum ray_governance_constant {
    RAY_GOV_VALUE_MAX_BITS = 48, /* a record's numbers stay below 2^48 */
    RAY_GOV_QUOTA_TYPE_MAX = 5,  /* requests, bytes, compute, custom, cost */
    RAY_GOV_COST_TYPE_MAX = 5,   /* requests, bytes, compute, storage, cache */
    RAY_GOV_WINDOW_MAX = 64,     /* no ring is longer */
    RAY_GOV_QUANTILE_MAX = 8
};

uint64_t ray_governance_bytes(void);
void ray_governance_init(ray_governance *governance, const uint8_t seed[16]);

/* Books one step. What is due before now_ns happens first. A SENT, DROPPED or PREEMPTED of a
 * request that was never admitted is an error: counted as one, booked nowhere. */
void ray_governance_note(ray_governance *governance, uint64_t now_ns,
                         const ray_governance_event *event);
/* The ADMIT, SENT and DONE of a granted request that took no time; its waits are taken for 0. */
void ray_governance_exchange(ray_governance *governance, uint64_t now_ns,
                             const ray_governance_event *event);
/* A rule of the policies matched; `denied` and `alert` are 0 or 1. */
void ray_governance_policy(ray_governance *governance, uint64_t now_ns, uint32_t rule,
                           uint32_t denied, uint32_t alert);

/* -- time: alerts are judged where their windows end -- */
/* The next end of a window of an alert that may change by it; RAY_NEVER when there is none. */
uint64_t ray_governance_due(const ray_governance *governance);
/* Judges every alert whose window ended at or before now_ns, each at its own instant, in order of
 * (instant, place). */
void ray_governance_tick(ray_governance *governance, uint64_t now_ns);

/* -- standalone use: records of many decisions at once. RAY_E_RANGE for a number of 2^48 and more
 * (more than 2^31 decisions), RAY_E_ARGUMENT for a type nobody defined: counted as an error,
 * nothing else changes. -- */
typedef struct ray_rate_limit_measure {
    uint64_t allowed;
    uint64_t denied;
    uint64_t tokens_used;
    uint64_t wait_ns; /* of each that was allowed */
    uint32_t service;
    uint32_t tenant;
} ray_rate_limit_measure;
typedef struct ray_quota_measure {
    uint64_t usage;
    uint64_t limit; /* usage above it is a violation of the tenant's */
    uint32_t tenant;
    uint32_t quota_type;
} ray_quota_measure;
typedef struct ray_policy_measure {
    uint64_t matches;
    uint64_t denials;
    uint64_t alerts;
    uint64_t enforcement_ns; /* of one evaluation; RAY_NEVER: not measured */
    uint32_t policy;
    uint32_t reserved;
} ray_policy_measure;
typedef struct ray_cost_measure {
    int64_t cost_nano;
    uint32_t service;
    uint32_t tenant;
    uint32_t metric_type;
    uint32_t reserved;
} ray_cost_measure;

ray_status ray_governance_record_rate_limit(ray_governance *governance, uint64_t now_ns,
                                            const ray_rate_limit_measure *record);
ray_status ray_governance_record_quota(ray_governance *governance, uint64_t now_ns,
                                       const ray_quota_measure *record);
ray_status ray_governance_record_policy(ray_governance *governance, uint64_t now_ns,
                                        const ray_policy_measure *record);
ray_status ray_governance_record_cost(ray_governance *governance, uint64_t now_ns,
                                      const ray_cost_measure *record);

/* -- alerts -- */
enum ray_alert_metric {
    RAY_ALERT_REQUESTS = 0, /* offered in the window */
    RAY_ALERT_DENIED = 1,
    RAY_ALERT_VIOLATIONS = 2, /* denied by a limit, quota, queue or policy */
    RAY_ALERT_DROPPED = 3,    /* and preempted */
    RAY_ALERT_ERRORS = 4,     /* outcomes 5xx or expired */
    RAY_ALERT_TOKENS = 5,
    RAY_ALERT_BYTES = 6,
    RAY_ALERT_DENIED_RATIO = 7, /* of what was offered, parts per million */
    RAY_ALERT_ERROR_RATIO = 8,  /* of the outcomes, parts per million */
    RAY_ALERT_WAIT = 9,         /* mean queue wait of what was sent, ns */
    RAY_ALERT_LATENCY_P95 = 10, /* ns; window 1 s, 1 min or 1 h, no tenant */
    RAY_ALERT_QUEUED = 11,      /* at the window's end; of a service or a tenant, not of both */
    RAY_ALERT_METRIC_MAX = 12
};

enum ray_alert_state {
    RAY_ALERT_INACTIVE = 0,
    RAY_ALERT_PENDING = 1, /* above for less than for_ns */
    RAY_ALERT_FIRING = 2,
    RAY_ALERT_RESOLVED = 3 /* was firing; as inactive otherwise */
};

/* One alert; also the row of the blob's alert section. */
typedef struct ray_alert_spec {
    ray_name name;
    uint64_t above;       /* holds where the value is greater */
    uint64_t clear_below; /* a firing one resolves where the value is less; at most above + 1 */
    uint64_t for_ns;      /* fires at the first window's end this long after the first that held */
    uint64_t window_ns;   /* whole seconds up to 1 h; windows begin at multiples of it */
    uint32_t service;     /* RAY_NONE: any */
    uint32_t tenant;      /* RAY_NONE: any */
    uint8_t metric;       /* enum ray_alert_metric */
    uint8_t reserved[7];
} ray_alert_spec;

typedef struct ray_alert {
    uint64_t value;    /* at the last window's end it was judged at */
    uint64_t since_ns; /* when it entered its state */
    uint64_t fired_count;
    uint32_t alert; /* handle */
    uint8_t state;
    uint8_t acknowledged; /* 1 until it fires anew */
    uint8_t reserved[2];
} ray_alert;

/* A notification: it fired or it resolved. */
typedef struct ray_alert_event {
    uint64_t id; /* 1, 2, 3 ... without a gap */
    uint64_t at_ns;
    uint64_t value;
    uint32_t alert; /* handle; RAY_NONE: removed since */
    uint8_t state;  /* RAY_ALERT_FIRING or RAY_ALERT_RESOLVED */
    uint8_t acknowledged;
    uint8_t reserved[2];
} ray_alert_event;

/* Adds an alert, or replaces the one of that name, which then begins anew. RAY_E_FULL,
 * RAY_E_ARGUMENT, RAY_E_RANGE as in check. */
ray_status ray_governance_alert_set(ray_governance *governance, uint64_t now_ns,
                                    const ray_alert_spec *spec, uint32_t *alert);
ray_status ray_governance_alert_remove(ray_governance *governance, uint32_t alert);
/* RAY_E_STATE for one that does not fire. Its notifications count as seen, too. */
ray_status ray_governance_alert_acknowledge(ray_governance *governance, uint32_t alert);
/* RAY_E_UNKNOWN for one not sent yet, RAY_E_STALE for one overwritten. */
ray_status ray_governance_event_acknowledge(ray_governance *governance, uint64_t id);
ray_status ray_governance_event_read(const ray_governance *governance, uint64_t id,
                                     ray_alert_event *out);
ray_status ray_governance_alert_find(const ray_governance *governance, const char *name,
                                     uint64_t length, uint32_t *alert);
/* Alerts by place from 0: RAY_E_UNKNOWN for a free one, RAY_E_RANGE past the last. */
ray_status ray_governance_alert_at(const ray_governance *governance, uint32_t place,
                                   uint32_t *alert);
ray_status ray_governance_alert_read(const ray_governance *governance, uint32_t alert,
                                     ray_alert_spec *spec, ray_alert *out);
const char *ray_alert_metric_word(uint32_t metric);
const char *ray_alert_state_word(uint32_t state);
const char *ray_series_metric_word(uint32_t metric);

/* Clears windows, percentiles and what alerts have counted in their open window. Counters, queues
 * and the alerts' states stay. */
void ray_governance_reset(ray_governance *governance, uint64_t now_ns);

/* -- configuration -- */
ray_status ray_governance_check(const ray_alert_spec *rows, const ray_config_counts *counts,
                                ray_config_report *report);
/* Replaces the alerts by rows that passed the check; cannot fail. One found again by name keeps its
 * state when what it watches is unchanged. */
void ray_governance_load(ray_governance *governance, uint64_t now_ns, const ray_alert_spec *rows,
                         const ray_config_counts *counts, ray_config_report *report);
/* To be called before load when the rows may have other places than before: what was counted
 * follows its name; of a name that is gone it goes to `other`. */
void ray_governance_services_move(ray_governance *governance, const ray_names *before,
                                  const ray_names *after);
void ray_governance_tenants_move(ray_governance *governance, const ray_names *before,
                                 const ray_names *after);
void ray_governance_policies_move(ray_governance *governance, const ray_names *before,
                                  const ray_names *after);

/* -- reading: periods that ended are closed in the answer, not in the state -- */
typedef struct ray_governance_stats {
    uint64_t asked_count; /* offered */
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;     /* events of requests never admitted, records out of range */
    uint64_t folded_count;    /* events whose series is `other` */
    uint64_t evicted_count;   /* services and tenants that lost their row */
    uint64_t untracked_count; /* waits and latencies of services without a histogram of their own */
    uint64_t policy_count;    /* matches */
    uint64_t quota_event_count;
    uint64_t quota_violation_count;
    uint64_t notification_count;
    uint64_t notification_overwritten_count;
    uint64_t reset_count;
    uint32_t series_count;
    uint32_t service_count; /* rows */
    uint32_t tenant_count;
    uint32_t alert_count;
    uint32_t pending_count;
    uint32_t firing_count;
    uint32_t unacknowledged_count; /* notifications */
    uint32_t reserved;
} ray_governance_stats;

/* What was counted of one service or tenant. u64, never reset. */
typedef struct ray_governance_counts {
    uint64_t offered_count;
    uint64_t denied_count;
    uint64_t dropped_count;
    uint64_t preempted_count;
    uint64_t dispatched_count;
    uint64_t queued_count; /* now */
    uint64_t violation_count;
    uint64_t done_count;
    uint64_t failed_count;
    uint64_t tokens;
    uint64_t bytes;
    uint64_t wait_ns;
    int64_t cost_nano;
} ray_governance_counts;

enum ray_dimension { RAY_DIMENSION_SERVICE = 0, RAY_DIMENSION_TENANT = 1, RAY_DIMENSION_MAX = 2 };
enum ray_top_by {
    RAY_TOP_REQUESTS = 0,
    RAY_TOP_COST = 1,
    RAY_TOP_VIOLATIONS = 2,
    RAY_TOP_MAX = 3
};

/* A place of a ranking: the true value is at most `value` and at least `value - error`; error is 0
 * while no key ever lost its row. Costs below 0 rank as 0. */
typedef struct ray_top {
    uint64_t value;
    uint64_t error;
    uint32_t id;
    uint32_t reserved;
} ray_top;

typedef struct ray_series_window {
    uint64_t start_ns; /* on the core's clock */
    uint64_t count;
    uint64_t amount;
} ray_series_window;

/* Which windows. RAY_NONE: of every service or tenant, `other` included only when both are. */
typedef struct ray_series_query {
    uint32_t metric;
    uint32_t service;
    uint32_t tenant;
    uint32_t grain;
} ray_series_query;

enum ray_correlate_column {
    RAY_CORRELATE_DENIED = 0,
    RAY_CORRELATE_COST = 1,
    RAY_CORRELATE_P95 = 2,
    RAY_CORRELATE_ERRORS = 3,
    RAY_CORRELATE_MAX = 4
};

enum ray_correlate_pairs { RAY_CORRELATE_PAIR_MAX = 6 };

/* Closed windows in which anything happened, oldest first, and how their columns move together:
 * Pearson's coefficient times 1000, towards zero. Pairs in order (0,1) (0,2) (0,3) (1,2) (1,3)
 * (2,3). Undefined with fewer than 3 windows or a column that never changes. */
typedef struct ray_correlation {
    int64_t column[RAY_CORRELATE_MAX][RAY_GOV_WINDOW_MAX];
    uint64_t start_ns[RAY_GOV_WINDOW_MAX];
    int32_t milli[RAY_CORRELATE_PAIR_MAX];
    uint8_t defined[RAY_CORRELATE_PAIR_MAX];
    uint8_t reserved[2];
    uint32_t count;
    uint32_t reserved_2;
} ray_correlation;

typedef struct ray_governance_policy_counts {
    uint64_t match_count;
    uint64_t denial_count;
    uint64_t alert_count;
    uint64_t enforcement_ns; /* of all that were measured */
} ray_governance_policy_counts;

typedef struct ray_governance_quota_counts {
    uint64_t event_count;
    uint64_t violation_count;
    uint64_t utilization_bp_max; /* RAY_NEVER: usage of a limit of 0 */
} ray_governance_quota_counts;

enum ray_quantile_of {
    RAY_QUANTILE_WAIT = 0,       /* since the last reset */
    RAY_QUANTILE_ENFORCEMENT = 1, /* of policies; since the last reset */
    RAY_QUANTILE_MAX = 2
};

void ray_governance_read(const ray_governance *governance, ray_governance_stats *out);
/* The total, and the row of one service or tenant. RAY_E_UNKNOWN for a key that has none; place
 * `count` of the table is `other`. */
void ray_governance_total(const ray_governance *governance, ray_governance_counts *out);
ray_status ray_governance_counts_read(const ray_governance *governance, uint32_t dimension,
                                      uint32_t id, ray_governance_counts *out);
void ray_governance_other(const ray_governance *governance, uint32_t dimension,
                          ray_governance_counts *out);
/* The next id above `*id` that has a row, ascending, RAY_NONE last; begin with *begun = 0. */
uint32_t ray_governance_next(const ray_governance *governance, uint32_t dimension, uint32_t *id,
                             uint32_t *begun);
/* The `most` largest by value, ties by id; returns how many. */
uint32_t ray_governance_top(const ray_governance *governance, uint32_t dimension, uint32_t by,
                            ray_top *out, uint32_t most);
uint32_t ray_governance_grain_length(uint32_t grain);
/* The last windows of a grain up to the one now_ns lies in, oldest first; returns how many. `out`
 * has RAY_GOV_WINDOW_MAX places. */
uint32_t ray_governance_timeline(const ray_governance *governance, uint64_t now_ns,
                                 const ray_series_query *query, ray_series_window *out);
/* 95th percentile of the latencies of a window of a service (RAY_NONE: all) that lies in the ring;
 * 0 of one without outcomes. RAY_E_UNKNOWN for a service without a histogram of its own. */
ray_status ray_governance_window_p95(const ray_governance *governance, uint64_t now_ns,
                                     uint32_t service, uint32_t grain, uint64_t start_ns,
                                     uint64_t *p95_ns);
/* `n` quantiles, in parts per million, and the number of values. RAY_E_UNKNOWN for a service
 * without a histogram of its own. */
ray_status ray_governance_quantiles(const ray_governance *governance, uint32_t of,
                                    uint32_t service, const uint32_t *ppm, uint32_t n,
                                    uint64_t *out, uint64_t *count);
void ray_governance_correlate(const ray_governance *governance, uint64_t now_ns, uint32_t service,
                              uint32_t grain, ray_correlation *out);
ray_status ray_governance_policy_read(const ray_governance *governance, uint32_t policy,
                                      ray_governance_policy_counts *out);
ray_status ray_governance_quota_read(const ray_governance *governance, uint32_t quota_type,
                                     ray_governance_quota_counts *out);
ray_status ray_governance_cost_read(const ray_governance *governance, uint32_t metric_type,
                                    int64_t *cost_nano);
/* Denials by reason, by place from 0: RAY_E_UNKNOWN past the last. Reason 0: all that found no
 * place. */
ray_status ray_governance_reason_read(const ray_governance *governance, uint32_t place,
                                      uint32_t *reason, uint64_t *count);

/* Names for exports, by place of the handle; a name that is empty or absent shows as its id. */
typedef struct ray_governance_labels {
    ray_names service;
    ray_names tenant;
    ray_names policy;
} ray_governance_labels;

/* Every counter, by scope and id, in fixed columns. RAY_E_TRUNCATED when `text` was too small. */
ray_status ray_governance_export_csv(const ray_governance *governance,
                                     const ray_governance_labels *labels, ray_text *text);
ray_status ray_governance_export_json(const ray_governance *governance,
                                      const ray_governance_labels *labels, ray_text *text);
/* An exposition; `form` is of enum ray_exposition. */
ray_status ray_governance_export_metrics(const ray_governance *governance,
                                         const ray_governance_labels *labels, uint32_t form,
                                         ray_text *text);

/* 0 when every invariant holds, else the number of the first that does not; valid.c lists them. */
uint32_t ray_governance_valid(const ray_governance *governance);

#endif
