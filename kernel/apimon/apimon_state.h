/* SPDX-License-Identifier: MIT */
/* apimon_state - the bytes behind ray/apimon.h; seen only by this folder and kernel_state.h.
 *
 * The first row is of everything, the second of what has no row; the others stand without gaps and
 * each slot of a service's handle has at most one, of its latest generation. Zero is the valid
 * empty state.
 */
#ifndef RAY_APIMON_STATE_H
#define RAY_APIMON_STATE_H
#include "ray/apimon.h"
#include "base/histogram.h"

enum ray_apimon_private {
    RAY_APIMON_ROWS = RAY_APIMON_SERVICE_MAX + RAY_APIMON_FIRST,
    RAY_APIMON_EDGES = RAY_APIMON_EDGE_MAX + 1,
    RAY_APIMON_SLOT_MASK = 0xffff,
    RAY_APIMON_BUCKETS = RAY_HISTOGRAM_BUCKETS(RAY_HISTOGRAM_SUB_BITS),
    RAY_APIMON_MINUTE_BUCKETS = RAY_HISTOGRAM_BUCKETS(RAY_HISTOGRAM_WINDOW_BITS)
};

/* What ended in period `index` so far, and in the one before. */
typedef struct ray_apimon_window {
    uint64_t index;
    uint64_t count;
    uint64_t error_count;
    uint64_t last_count;
    uint64_t last_error_count;
} ray_apimon_window;

typedef struct ray_apimon_slot {
    ray_apimon_counts counts; /* never reset */
    ray_histogram_coarse coarse[RAY_APIMON_DURATION_MAX]; /* never reset */
    ray_apimon_window second;
    ray_apimon_window minute;
    uint64_t last_p99_ns; /* of the minute before the open one */
    uint64_t sample_count; /* sample n is at (n - 1) mod RAY_APIMON_SAMPLE_EACH */
    uint64_t sample[RAY_APIMON_SAMPLE_EACH];
    ray_histogram head;
    ray_histogram minute_head;
    uint32_t bucket[RAY_APIMON_BUCKETS];
    uint32_t minute_bucket[RAY_APIMON_MINUTE_BUCKETS];
    uint32_t service;
    uint32_t next; /* 1 + place: hash chain */
} ray_apimon_slot;

typedef struct ray_apimon_cell {
    ray_apimon_edge edge;
    uint32_t next; /* 1 + place: hash chain */
    uint32_t reserved;
} ray_apimon_cell;

typedef struct ray_apimon_config {
    uint64_t multiplier; /* of table positions, from the seed */
} ray_apimon_config;

typedef struct ray_apimon_book {
    uint64_t reset_count;
} ray_apimon_book;

typedef struct ray_apimon_tally {
    uint64_t error_count;
    uint64_t folded_count;
    uint64_t edge_folded_count;
    uint64_t recent_count; /* sample n is at (n - 1) mod RAY_APIMON_RECENT_MAX */
    uint32_t row_count;  /* of services */
    uint32_t edge_count; /* without `other`, which is the first cell */
    uint32_t row_bucket[RAY_APIMON_SERVICE_MAX];
    uint32_t edge_bucket[RAY_APIMON_EDGE_MAX];
    ray_apimon_sample recent[RAY_APIMON_RECENT_MAX];
    ray_apimon_cell edge[RAY_APIMON_EDGES];
    ray_apimon_slot row[RAY_APIMON_ROWS];
} ray_apimon_tally;

struct ray_apimon {
    ray_apimon_config config;
    ray_apimon_book book;
    ray_apimon_tally tally;
};

_Static_assert(sizeof(ray_apimon_slot) % 8 == 0 && sizeof(ray_apimon_cell) % 8 == 0,
               "rows keep their alignment");
_Static_assert((RAY_APIMON_SERVICE_MAX & (RAY_APIMON_SERVICE_MAX - 1)) == 0 &&
                   (RAY_APIMON_EDGE_MAX & (RAY_APIMON_EDGE_MAX - 1)) == 0,
               "hash buckets are masked");
_Static_assert(sizeof(struct ray_apimon) % 8 == 0, "the digest hashes whole words");

#endif
