/* SPDX-License-Identifier: MIT */
/* parts - what the files of this folder offer one another. */
#ifndef RAY_APIMON_PARTS_H
#define RAY_APIMON_PARTS_H
#include "apimon_state.h"
#include "base/bytes.h"
#include "base/fixed.h"

#define SECOND_NS 1000000000ULL
#define MINUTE_NS 60000000000ULL

/* rows.c */
/* The place of a service's row, RAY_NONE when it has none. */
uint32_t ray_apimon_row_find(const ray_apimon *apimon, uint32_t service);
/* The same; made when there is room, else RAY_APIMON_OTHER. */
uint32_t ray_apimon_row_take(ray_apimon *apimon, uint32_t service);
uint32_t ray_apimon_row_bucket(const ray_apimon *apimon, uint32_t service);

/* windows.c */
void ray_apimon_roll(ray_apimon_slot *row, uint64_t now_ns);
void ray_apimon_rates_of(const ray_apimon_slot *row, uint64_t now_ns, ray_apimon_rates *out);
/* Adds what `from` holds to `to`, but for its samples. */
void ray_apimon_fold(ray_apimon_slot *to, ray_apimon_slot *from);

/* edges.c */
void ray_apimon_edge_add(ray_apimon *apimon, const ray_apimon_edge *more);
uint32_t ray_apimon_edge_bucket(const ray_apimon *apimon, uint32_t caller, uint32_t service);

static inline uint64_t ray_apimon_inflight(const ray_apimon_counts *counts)
{
    return counts->started_count - counts->finished_count - counts->errored_count;
}

#endif
