/* SPDX-License-Identifier: MIT */
#ifndef RAY_CURVE_H
#define RAY_CURVE_H
#include <stdint.h>
#include "ray/ratelimit.h"
#include "trace.h"

/* curve: many candidate limits side by side over one pass of a trace, each judged by the core's own
 * limiter (ray_ratelimit_try and try_key on a state of its own), never by a formula.
 *
 * A candidate says nothing about the others: each has its own buckets. Memory is that one state
 * and a buffer of events, whatever the trace's length.
 */
typedef struct ray_curve ray_curve;

enum ray_curve_constant {
    RAY_CURVE_KEYED_MAX = RAY_LIMIT_USER_MAX,  /* candidates with a bucket per key */
    RAY_CURVE_PLAIN_MAX = RAY_LIMIT_SERVICE_MAX, /* with one bucket */
    RAY_CURVE_HURT_MAX = 1048576 /* (candidate, key) pairs that are told apart */
};

enum ray_curve_state {
    RAY_CURVE_MORE = 0, /* call again; a moment for signals and progress */
    RAY_CURVE_DONE = 1,
    RAY_CURVE_FAILED = 2 /* the trace cannot be read */
};

/* One limit that is tried; the counts are written by ray_curve_run. */
typedef struct ray_curve_candidate {
    uint64_t rate_tokens;    /* per period; for windows the limit per window */
    uint64_t rate_period_ns;
    uint64_t capacity;       /* of a bucket; windows: 0 */
    uint64_t asked_count;
    uint64_t denied_count;
    uint64_t matched_count;  /* of both, in each match_ns the smaller number */
    uint64_t first_denied_ns;
    uint64_t hurt_count;     /* keys that were denied at least once */
    uint32_t group;          /* whose requests; RAY_NONE: all */
    uint32_t algorithm;      /* enum ray_limit_algorithm */
    int32_t status;          /* enum ray_status; not RAY_OK: the core takes no such limit */
    uint32_t hurt_more;      /* 1: there are more such keys than RAY_CURVE_HURT_MAX over all */
} ray_curve_candidate;

typedef struct ray_curve_spec {
    ray_curve_candidate *candidates; /* borrowed until close */
    uint64_t match_ns;               /* how fine recorded and own denials are compared */
    uint32_t count;
    uint32_t keyed;                  /* 1: a bucket per key of the trace, 0: one bucket */
    uint32_t drop_throttled;         /* 1: what the log says was throttled is not asked */
    uint32_t fd;                     /* the trace, read from its beginning */
} ray_curve_spec;

/* NULL when memory is out or there are too many candidates. */
ray_curve *ray_curve_open(const ray_curve_spec *spec);
void ray_curve_close(ray_curve *curve);
/* The next part of the pass. */
uint32_t ray_curve_run(ray_curve *curve);
/* Events of this pass so far. */
uint64_t ray_curve_event_count(const ray_curve *curve);
/* Answers of a key table that was full: they came from a shared bucket. Fewer candidates help. */
uint64_t ray_curve_overflow_count(const ray_curve *curve);

#endif
