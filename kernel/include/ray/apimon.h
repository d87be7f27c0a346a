/* SPDX-License-Identifier: MIT */
#ifndef RAY_APIMON_H
#define RAY_APIMON_H
#include <stdint.h>
#include "ray/status.h"
#include "ray/types.h"
#include "ray/text.h"
#include "ray/limits.h"

/* apimon: what came, how it ended and how long it took, in all and by service.
 *
 * Law: started = finished + errored + in flight, errored is the sum of its types, and the rows of
 * all services with `other` sum to the total, whatever names are sent.
 * A response is of one type or of none. What raygate itself answers with 429 or 503, and what a
 * limit, quota, queue, policy or price refuses, is governance: finished, and no error.
 * Cost: note is O(1) but for the first event of a minute, which reads one small histogram.
 */
typedef struct ray_apimon ray_apimon; /* state; size and layout are private */

uint64_t ray_apimon_bytes(void);
void ray_apimon_init(ray_apimon *apimon, const uint8_t seed[16]);

enum ray_apimon_kind {
    RAY_APIMON_STARTED = 0,
    RAY_APIMON_FINISHED = 1,  /* a response with a status */
    RAY_APIMON_ERRORED = 2,   /* it ended without an answer from its service */
    RAY_APIMON_TIMEOUT = 3,   /* its lease or deadline ran out */
    RAY_APIMON_CANCELLED = 4, /* its client went away */
    RAY_APIMON_REFUSED = 5,   /* at the gate: started and ended at once, not timed */
    RAY_APIMON_KIND_MAX = 6
};

enum ray_error_type {
    RAY_ERROR_CLIENT = 0,
    RAY_ERROR_SERVER = 1,
    RAY_ERROR_TIMEOUT = 2,
    RAY_ERROR_AUTH = 3,
    RAY_ERROR_VALIDATION = 4,
    RAY_ERROR_TYPE_MAX = 5,
    RAY_ERROR_GOVERNED = 5, /* refused by governance: no error */
    RAY_ERROR_NONE = 6      /* a success */
};

typedef struct ray_apimon_event {
    uint64_t latency_ns;  /* arrival to end */
    uint64_t wait_ns;     /* of it, in queues */
    uint64_t upstream_ns; /* of it, at the service */
    uint64_t late_ns;     /* intended start to arrival: added to the latency, so that a caller who
                             was held up hides no wait (coordinated omission) */
    uint64_t request_bytes;
    uint64_t response_bytes;
    int64_t wall_offset_ns;
    uint32_t service; /* handle; RAY_NONE: none was found, counted as `other` */
    uint32_t caller;  /* tenant, or RAY_NONE */
    uint16_t reason;  /* enum ray_reason */
    uint16_t http_status; /* 0, or 100 to 599; a finished one has one */
    uint8_t kind;
    uint8_t verdict;
    uint8_t reserved[2];
} ray_apimon_event;

/* What a way to end counts as: enum ray_error_type, GOVERNED or NONE. By kind, reason, status. */
uint32_t ray_apimon_type(const ray_apimon_event *event);
/* RAY_E_ARGUMENT, RAY_E_RANGE for an event that cannot be; RAY_E_STATE for the end of what has not
 * been started. */
ray_status ray_apimon_fits(const ray_apimon *apimon, const ray_apimon_event *event);
/* Counts an event. One that does not fit only adds to error_count. */
void ray_apimon_note(ray_apimon *apimon, uint64_t now_ns, const ray_apimon_event *event);
/* The STARTED and the FINISHED of one request that took no time, in one step. `event` is the
 * FINISHED, and one that fits once its start is open. */
void ray_apimon_exchange(ray_apimon *apimon, uint64_t now_ns, const ray_apimon_event *event);

/* For guards of quotas: errors of the last whole minute, minutes begin at multiples of 60 s of
 * now_ns, and the 99th percentile of its latencies; 0 where there were none or the service has no
 * row. */
void ray_apimon_gauges(const ray_apimon *apimon, uint64_t now_ns, uint32_t service,
                       uint64_t *errors_per_minute, uint64_t *latency_p99_ns);

/* Clears windows, percentiles and samples. What is exported as counter or histogram stays. */
void ray_apimon_reset(ray_apimon *apimon);

/* -- configuration: nothing of its own; called when rows may have other places than before. What
 * was counted follows its name, of a name that is gone it goes to `other`. */
void ray_apimon_services_move(ray_apimon *apimon, const ray_names *before, const ray_names *after);
void ray_apimon_tenants_move(ray_apimon *apimon, const ray_names *before, const ray_names *after);

/* -- reading: windows that ended are closed in the answer, not in the state -- */
typedef struct ray_apimon_stats {
    uint64_t asked_count;   /* started */
    uint64_t granted_count; /* finished, not refused */
    uint64_t denied_count;  /* governed */
    uint64_t error_count;   /* events that did not fit */
    uint64_t errored_count;
    uint64_t inflight_count;
    uint64_t folded_count;  /* events counted as `other` */
    uint64_t edge_folded_count;
    uint64_t sample_count;  /* ever; the last RAY_APIMON_RECENT_MAX are kept */
    uint64_t reset_count;
    uint32_t service_count; /* rows */
    uint32_t edge_count;
} ray_apimon_stats;

/* u64, never reset. Sums of times are modulo 2^64. */
typedef struct ray_apimon_counts {
    uint64_t started_count;
    uint64_t finished_count;
    uint64_t errored_count;
    uint64_t governed_count;  /* of the finished */
    uint64_t cancelled_count; /* of the client's errors */
    uint64_t refused_count;   /* at the gate */
    uint64_t timed_count;     /* latencies */
    uint64_t error_count[RAY_ERROR_TYPE_MAX];
    uint64_t request_bytes;
    uint64_t response_bytes;
    uint64_t latency_ns;
    uint64_t wait_ns;
    uint64_t upstream_ns;
} ray_apimon_counts;

/* Of the last whole second and minute. */
typedef struct ray_apimon_rates {
    uint64_t second_count; /* ended */
    uint64_t minute_count;
    uint64_t second_error_count;
    uint64_t minute_error_count;
    uint64_t minute_p99_ns;
} ray_apimon_rates;

typedef struct ray_apimon_sample {
    uint64_t at_ns;
    uint64_t latency_ns;
    uint32_t service; /* RAY_NONE: gone or none */
    uint16_t http_status;
    uint8_t type; /* enum ray_error_type */
    uint8_t reserved;
} ray_apimon_sample;

typedef struct ray_apimon_edge {
    uint64_t ended_count;
    uint64_t error_count;
    uint64_t latency_ns;
    uint32_t caller;  /* RAY_NONE: nobody known */
    uint32_t service; /* RAY_NONE: none */
} ray_apimon_edge;

enum ray_apimon_duration {
    RAY_APIMON_TOTAL = 0,
    RAY_APIMON_WAIT = 1,
    RAY_APIMON_UPSTREAM = 2,
    RAY_APIMON_DURATION_MAX = 3
};

/* Which row of a service's: these two, and from RAY_APIMON_FIRST on one per service. */
enum ray_apimon_place { RAY_APIMON_ALL = 0, RAY_APIMON_OTHER = 1, RAY_APIMON_FIRST = 2 };

void ray_apimon_read(const ray_apimon *apimon, ray_apimon_stats *out);
/* The place of a service's row; RAY_E_UNKNOWN when it has none. */
ray_status ray_apimon_find(const ray_apimon *apimon, uint32_t service, uint32_t *place);
/* Rows by place: RAY_E_RANGE past the last. `service` is RAY_NONE for the first two. */
ray_status ray_apimon_row(const ray_apimon *apimon, uint32_t place, uint32_t *service,
                          ray_apimon_counts *out);
ray_status ray_apimon_rates_read(const ray_apimon *apimon, uint64_t now_ns, uint32_t place,
                                 ray_apimon_rates *out);
/* Nearest rank, ceil(ppm * n / 10^6), since the last reset; off by at most 2^-7 of itself on the
 * profiles seed and edge, never above max or below min; 0 of none. ppm 0 is the least. */
ray_status ray_apimon_quantiles(const ray_apimon *apimon, uint32_t place, const uint32_t *ppm,
                                uint32_t n, uint64_t *out, uint64_t *count);
/* Cumulative bucket `index` of 32 and its upper bound, RAY_NEVER of the last. */
ray_status ray_apimon_bucket(const ray_apimon *apimon, uint32_t place, uint32_t duration,
                             uint32_t index, uint64_t *high_ns, uint64_t *count);
/* The last latencies of a row, oldest first; returns how many. `out` has RAY_APIMON_SAMPLE_EACH
 * places. */
uint32_t ray_apimon_samples(const ray_apimon *apimon, uint32_t place, uint64_t *out);
/* Recent samples of all, 0 the oldest kept; RAY_E_RANGE past the last. */
ray_status ray_apimon_recent(const ray_apimon *apimon, uint32_t index, ray_apimon_sample *out);
/* Who called what; the first is `other`. RAY_E_RANGE past the last. */
ray_status ray_apimon_edge_read(const ray_apimon *apimon, uint32_t index, ray_apimon_edge *out);
const char *ray_error_type_word(uint32_t type);

/* Names for exports, by place of the handle; a name that is empty or absent shows as its id. */
typedef struct ray_apimon_labels {
    ray_names service;
    ray_names tenant;
} ray_apimon_labels;

/* An exposition; `form` is of enum ray_exposition. RAY_E_TRUNCATED when `text` was too small. */
ray_status ray_apimon_export_metrics(const ray_apimon *apimon, const ray_apimon_labels *labels,
                                     uint32_t form, ray_text *text);
/* Counters, percentiles and samples of every row, edges and recent samples. */
ray_status ray_apimon_export_json(const ray_apimon *apimon, const ray_apimon_labels *labels,
                                  ray_text *text);

/* 0 when every invariant holds, else the number of the first that does not; valid.c lists them. */
uint32_t ray_apimon_valid(const ray_apimon *apimon);

#endif
