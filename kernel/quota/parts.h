/* SPDX-License-Identifier: MIT */
/* parts - what the files of this folder offer one another. */
#ifndef RAY_QUOTA_PARTS_H
#define RAY_QUOTA_PARTS_H
#include "quota_state.h"
#include "base/bytes.h"
#include "base/fixed.h"

/* window.c: calendars and rolling; pure functions of a spec, an instance and a wall-clock instant
 */
int64_t ray_quota_wall(uint64_t now_ns, int64_t wall_offset_ns);
void ray_quota_open(const ray_quota_row *row, int64_t wall_ns, ray_quota_active *active);
void ray_quota_roll(const ray_quota_spec *spec, int64_t wall_ns, ray_quota_active *active);
/* The instance as it is at wall_ns: itself, or *scratch when periods ended since. */
const ray_quota_active *ray_quota_view(const ray_quota_spec *spec, int64_t wall_ns,
                                       const ray_quota_active *active, ray_quota_active *scratch);
/* From wall_ns until `units` fit, with no other traffic; `active` is a view at wall_ns. */
uint64_t ray_quota_wait(const ray_quota_spec *spec, int64_t wall_ns, const ray_quota_active *active,
                        uint64_t units);
uint64_t ray_quota_carry_max(const ray_quota_spec *spec);
/* Puts units into the step they belong to; 0 when the step has left the window. */
uint32_t ray_quota_cell_add(ray_quota_active *active, int64_t step, uint64_t units);
/* 1 while a rolling window's span, to which its alerts and peak belong, is still the one of `step`.
 */
uint32_t ray_quota_same_span(const ray_quota_active *active, int64_t step);
/* The oldest instant whose units count. */
int64_t ray_quota_counts_from(const ray_quota_spec *spec, const ray_quota_active *active);

/* guard.c: requests and bytes over the last full second */
static inline uint32_t ray_quota_guarded(const ray_quota_spec *spec)
{
    return (spec->guard_requests_per_s | spec->guard_bytes_per_s) != 0;
}
uint64_t ray_quota_guard_wait(const ray_quota_spec *spec, int64_t wall_ns,
                              const ray_quota_active *active);
/* The same of what monitoring says in the query. */
uint64_t ray_quota_gauge_wait(const ray_quota_spec *spec, uint64_t now_ns,
                              const ray_quota_query *query);
/* Of an instance that is guarded. */
void ray_quota_guard_count(int64_t wall_ns, ray_quota_active *active, uint64_t requests,
                           uint64_t bytes);
uint32_t ray_quota_guard_idle(int64_t wall_ns, const ray_quota_active *active);

/* table.c: allocations by handle and list, instances by hash, slots for new ones */
uint32_t ray_quota_handle(const ray_quota *quota, uint32_t slot);
ray_status ray_quota_slot(const ray_quota *quota, uint32_t handle, uint32_t *slot);
void ray_quota_list_all(ray_quota *quota);
uint64_t ray_quota_user_key(const ray_quota *quota, const ray_quota_spec *spec, ray_view user);
/* Identity of an instance, hashed once for the answer and for the table. */
uint64_t ray_quota_key_of(const ray_quota *quota, uint32_t slot, uint32_t tenant,
                          uint64_t user_key);
uint32_t ray_quota_active_find(const ray_quota *quota, uint32_t slot, uint32_t tenant,
                               uint64_t user_key, uint64_t key);
/* The same by tenant and user: RAY_NONE when nothing was used yet. */
uint32_t ray_quota_active_of(const ray_quota *quota, uint32_t slot, uint32_t tenant,
                             uint64_t user_key);
void ray_quota_active_free(ray_quota *quota, uint32_t place);
void ray_quota_rehash(ray_quota *quota);

/* Where the instances a request still needs would go. Ask and take walk it alike. */
typedef struct ray_quota_places {
    uint32_t free_count;
    uint32_t hand;
    uint32_t looked_count; /* slots, so that none is chosen twice */
} ray_quota_places;
void ray_quota_places_begin(const ray_quota *quota, ray_quota_places *places);
/* 1 and the slot to empty (RAY_NONE: a free one), 0 when there is none. */
uint32_t ray_quota_place_next(const ray_quota *quota, int64_t wall_ns,
                              const ray_quota_answers *answers, ray_quota_places *places,
                              uint32_t *victim);
uint32_t ray_quota_active_add(ray_quota *quota, int64_t wall_ns, uint32_t victim,
                              const ray_quota_active *of);

/* quota.c */
ray_status ray_quota_ask_only(const ray_quota *quota, uint64_t now_ns, const ray_quota_query *query,
                              uint32_t only, ray_quota_answers *out);

/* alert.c */
void ray_quota_alert_check(ray_quota *quota, uint64_t now_ns, uint32_t place);
void ray_quota_alert_anew(ray_quota *quota, uint64_t now_ns, uint32_t slot);

/* check.c */
typedef struct ray_quota_rows {
    const uint8_t *at; /* ray_quota_spec first in each */
    uint64_t stride;
    uint32_t count;
    uint32_t reserved;
    const ray_quota_spec *extra; /* one more, or NULL */
} ray_quota_rows;
ray_status ray_quota_spec_check(const ray_quota_spec *spec, const ray_config_counts *counts,
                                uint32_t *field);
uint32_t ray_quota_meet_max(const ray_quota_rows *rows, uint32_t *row);

/* control.c */
void ray_quota_drop(ray_quota *quota, uint32_t slot);

/* read.c */
void ray_quota_usage_of(const ray_quota *quota, int64_t wall_ns, uint32_t slot, uint32_t place,
                        ray_quota_usage *out);

/* event.c */
/* Tenants have other numbers now: the chains of remembered events are hung anew. */
void ray_quota_seen_rehash(ray_quota *quota);
typedef struct ray_quota_charge {
    ray_quota_query query;
    ray_quota_answers answers;
    uint32_t only;
    uint32_t reserved;
} ray_quota_charge;
/* Completes the event's query from the one allocation it names, if it names one, and asks. */
ray_status ray_quota_charge_ask(const ray_quota *quota, uint64_t now_ns,
                                const ray_quota_event *event, ray_quota_charge *charge,
                                ray_quota_outcome *out);

#endif
