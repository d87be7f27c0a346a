/* SPDX-License-Identifier: MIT */
#ifndef RAY_TIMELINE_H
#define RAY_TIMELINE_H
#include <stdint.h>
#include "ray/ray.h"

/* timeline: what came of requests over time, in at most RAY_TIMELINE_BUCKET_MAX buckets whatever
 * the span.
 *
 * A bucket is 1 ms wide at first; when a request comes past the last one, neighbours merge into the
 * next width of a ladder people read (5 ms, 10 ms, ... 1 s, 5 s, ... 1 h, 3 h, ... 1 day, then
 * twofold). Buckets begin at whole multiples of their width, so what a bucket holds does not depend
 * on when the merges came. Law: the sums over all buckets are what was noted.
 * Cost: a note is O(1), amortised; a sample reads at most RAY_TIMELINE_LOOKED_AT quota instances,
 * the classes and one sum of money.
 */
typedef struct ray_timeline ray_timeline;

enum ray_timeline_constant {
    RAY_TIMELINE_BUCKET_MAX = 512,
    RAY_TIMELINE_QUOTA_MAX = 16,   /* quota instances followed: those used most */
    RAY_TIMELINE_LOOKED_AT = 48,   /* instances one sample looks at */
    RAY_TIMELINE_WIDTH_MIN = 1000000
};

/* Counts of requests. `verdict_count` is by enum ray_verdict (DROPPED is 6). */
typedef struct ray_timeline_bucket {
    uint64_t request_count;
    uint64_t verdict_count[8];
    uint64_t queued_count;
    uint64_t would_deny_count;
    uint64_t throttled_count; /* the log says 429 */
    uint64_t response_bytes;  /* of allowed and delayed requests, as the log says */
} ray_timeline_bucket;

/* A class over all queues, since the beginning but for waiting_count. */
typedef struct ray_timeline_class {
    uint64_t sent_count;
    uint64_t wait_sum_ns;
    uint64_t wait_max_ns;
    uint64_t waiting_count; /* now */
} ray_timeline_class;

/* The state at an instant. at_ns 0: none was taken in this bucket. */
typedef struct ray_timeline_sample_row {
    uint64_t at_ns;
    ray_money money;                        /* charged so far */
    ray_timeline_class by_class[RAY_CLASS_MAX];
    uint64_t used[RAY_TIMELINE_QUOTA_MAX];  /* with what is reserved; RAY_NEVER: not known */
    uint64_t limit[RAY_TIMELINE_QUOTA_MAX]; /* with what was carried over */
} ray_timeline_sample_row;

/* A quota instance that is followed. `peak_bp`: the most of its limit that was used, in 10^-4. */
typedef struct ray_timeline_quota {
    uint64_t user_key; /* 0: of no user */
    uint64_t peak_bp;
    uint32_t allocation; /* handle */
    uint32_t tenant;
    uint32_t place; /* among the active ones; RAY_NONE: gone since */
    uint32_t used;  /* 1: this row is one */
} ray_timeline_quota;

typedef struct ray_timeline_shape {
    uint64_t start_ns; /* of the first bucket, a multiple of width_ns */
    uint64_t width_ns;
    uint32_t bucket_count; /* to the last one that holds something */
    uint32_t quota_count;
} ray_timeline_shape;

/* NULL when memory is out. About 280 KB. */
ray_timeline *ray_timeline_open(void);
void ray_timeline_close(ray_timeline *timeline);

/* Counts one request: its decision's answer, and its row, which may be NULL. What is older than the
 * first note counts in the first bucket. */
void ray_timeline_note(ray_timeline *timeline, uint64_t at_ns, const ray_answer *answer,
                       const ray_row *row);

/* Writes down the state of `ray` as it is at at_ns, in that instant's bucket or else the last one,
 * in place of what was there; nothing before the first note. Changes nothing in `ray`, and no
 * bucket: what they are does not depend on samples. */
void ray_timeline_sample(ray_timeline *timeline, struct ray *ray, uint64_t at_ns);

/* How many of `count` rows in time order may be stepped, and noted, before the next sample is due,
 * at least 1; takes the one that is due before the first. A SETTLE may stand at the end. */
uint32_t ray_timeline_span(ray_timeline *timeline, struct ray *ray, const ray_row *rows,
                           uint32_t count);

void ray_timeline_read(const ray_timeline *timeline, ray_timeline_shape *out);
/* By place from 0; 0 past the last. */
uint32_t ray_timeline_bucket_read(const ray_timeline *timeline, uint32_t place,
                                  ray_timeline_bucket *out);
uint32_t ray_timeline_sample_read(const ray_timeline *timeline, uint32_t place,
                                  ray_timeline_sample_row *out);
uint32_t ray_timeline_quota_read(const ray_timeline *timeline, uint32_t place,
                                 ray_timeline_quota *out);

#endif
