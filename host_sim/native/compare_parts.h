/* SPDX-License-Identifier: MIT */
/* compare_parts: what the comparison's own files share; nobody else includes it. */
#ifndef RAY_COMPARE_PARTS_H
#define RAY_COMPARE_PARTS_H
#include "compare.h"
#include "replay_parts.h"

/* A row that waits for its partner; `who` is its client and user. */
typedef struct ray_compare_orphan {
    ray_replay_note note; /* line 0: free */
    uint8_t *who;
} ray_compare_orphan;

/* One request as both sides answered it; the bytes hold client and user of each. */
typedef struct ray_compare_twin {
    const ray_replay_note *note[2];
    const uint8_t *who[2];
    uint32_t refused[2];
    uint32_t change; /* enum ray_compare_change */
    uint32_t reserved;
} ray_compare_twin;

typedef struct ray_compare_groups {
    ray_compare_group *at;
    uint32_t *place[2]; /* by side and slot + 1 (0: none): 1 + place in at */
    uint32_t count;
    uint32_t capacity;
} ray_compare_groups;

/* Clients or users: names in `keys`, and by their places what happened to them. */
typedef struct ray_compare_change_counts {
    uint64_t count[4];
    uint64_t first_ns[4];
} ray_compare_change_counts;

typedef struct ray_compare_people {
    ray_replay_keys keys;
    ray_compare_change_counts *at;
    uint64_t capacity;
} ray_compare_people;

/* Whatever the log's length there are as many buckets: when time runs past the last, two become
 * one. */
typedef struct ray_compare_time {
    ray_compare_bucket at[RAY_COMPARE_BUCKET_MAX];
    uint64_t width_ns; /* 0: nothing yet */
    uint64_t first;    /* of the first bucket, in widths */
    uint32_t count;
    uint32_t reserved;
} ray_compare_time;

typedef struct ray_compare_counts {
    ray_compare_stats stats;
    ray_compare_time time;
    ray_compare_groups groups[RAY_COMPARE_KIND_MAX];
    ray_compare_people people[2]; /* clients, users */
    ray_compare_pair *pairs;
    uint32_t *pair_place; /* open addressing: 1 + place in pairs */
    const struct ray *names[2];
    uint64_t hash_key;
    uint32_t pair_count;
    uint32_t pair_capacity; /* pair_place has twice as many places */
} ray_compare_counts;

struct ray_compare {
    ray_compare_counts counts;
    ray_compare_orphan *orphans[2]; /* by line, RAY_COMPARE_APART places */
    uint64_t orphan_count;          /* of both; in almost every log there is never one */
    uint8_t *text;
    uint64_t text_length;
    uint64_t text_capacity;
    uint32_t flips;
    uint32_t reserved;
};

uint32_t ray_compare_counts_open(ray_compare_counts *counts, const ray_compare_spec *spec);
void ray_compare_counts_close(ray_compare_counts *counts);
/* Counts a request at its time. */
void ray_compare_time_count(ray_compare_time *time, uint64_t at_ns, uint32_t change);
/* Counts a request; 0 when memory is out. */
uint32_t ray_compare_count(ray_compare_counts *counts, const ray_compare_twin *twin);
void ray_compare_tenant_name(const struct ray *names, uint32_t tenant, ray_name *out);
/* The side whose tenant, service or route a request counts for, and which. */
uint32_t ray_compare_whose(const ray_compare_twin *twin, uint32_t kind, uint32_t *id);
/* The same of its user. */
const uint8_t *ray_compare_user(const ray_compare_twin *twin, uint32_t *length);

#endif
