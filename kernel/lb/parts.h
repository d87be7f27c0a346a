/* SPDX-License-Identifier: MIT */
/* parts.h - what the files of this folder ask of one another. */
#ifndef RAY_LB_PARTS_H
#define RAY_LB_PARTS_H
#include "lb_state.h"
#include "base/bytes.h"
#include "base/heap.h"

enum { LB_SLOT_MASK = 0xffff };

/* Who of a pool may be picked now. */
typedef struct ray_lb_view {
    uint32_t first;      /* in order */
    uint32_t total;
    uint32_t fit;        /* of the best tier there is */
    uint32_t tier;       /* 1 Healthy or Degraded, 2 Unknown, 3 whoever is not draining */
    uint32_t avoid;      /* slot, RAY_NONE */
    uint32_t load_max;   /* connections one may have after the pick, 0: any */
    uint32_t panic;
    uint32_t calm;       /* 1: everyone but `avoid` may, by all its weight */
} ray_lb_view;

ray_status ray_lb_pool_slot(const ray_lb *lb, uint32_t handle, uint32_t *slot);
ray_status ray_lb_instance_slot(const ray_lb *lb, uint32_t handle, uint32_t *slot);
uint32_t ray_lb_pool_handle(const ray_lb *lb, uint32_t slot);
uint32_t ray_lb_instance_handle(const ray_lb *lb, uint32_t slot);

/* pick.c */
void ray_lb_see(const ray_lb *lb, uint64_t now_ns, uint32_t pool, uint32_t avoid, ray_lb_view *out);
/* 1 Healthy or Degraded, 2 Unknown, 0 not to be picked. */
uint32_t ray_lb_tier(const ray_lb *lb, uint64_t now_ns, uint32_t slot);
/* Weight that counts now, in 1/200: halves and ramps are whole. */
uint64_t ray_lb_weight(const ray_lb *lb, uint64_t now_ns, uint32_t slot);
/* The slot picked, RAY_NONE when nobody may be. */
uint32_t ray_lb_pick(const ray_lb *lb, uint64_t now_ns, const ray_lb_query *query, uint32_t pool,
                     const ray_lb_view *view);
/* Moves what the next pick depends on. */
void ray_lb_picked(ray_lb *lb, uint64_t now_ns, uint32_t pool, const ray_lb_view *view,
                   uint32_t slot);

/* calm.c: what is known of a pool as a whole, anew; after each change of who may be picked. */
void ray_lb_calm(ray_lb *lb, uint32_t pool);
uint32_t ray_lb_calm_holds(const ray_lb *lb, uint32_t pool);

/* table.c: order, rings and maglev tables anew from the rows. */
void ray_lb_arrange(ray_lb *lb);
/* Points the pool's ring would have; 0 when its strategy has none. */
uint32_t ray_lb_ring_points(const ray_lb *lb, uint32_t pool);
uint32_t ray_lb_at_place(const ray_lb *lb, uint32_t pool, uint32_t hash);  /* of its ring */

/* idle.c */
/* The newest idle connection of an instance that is not too old: 1 + entry, 0. */
uint32_t ray_lb_idle_of(const ray_lb *lb, uint64_t now_ns, uint32_t slot);
void ray_lb_idle_drop(ray_lb *lb, uint32_t entry);
/* Closes what is too old, and one more when the pool has as many as it may. */
void ray_lb_idle_trim(ray_lb *lb, uint64_t now_ns, uint32_t pool);
void ray_lb_idle_keep(ray_lb *lb, uint64_t now_ns, uint32_t slot);
void ray_lb_idle_clear(ray_lb *lb, uint32_t slot);   /* all of one instance */

/* control.c */
/* Makes room: an instance that only waits for its last connection goes now. */
void ray_lb_hurry(ray_lb *lb, uint64_t now_ns);
void ray_lb_forget(ray_lb *lb, uint32_t slot);       /* an instance without connections */
void ray_lb_health_begin(ray_lb *lb, uint32_t slot); /* as its pool's health says */
uint32_t ray_lb_pool_named(const ray_lb *lb, const ray_name *name);
uint32_t ray_lb_instance_named(const ray_lb *lb, uint32_t pool, const ray_name *at);

/* spec.c */
/* 0 when the spec is right, else the status and the field's offset. */
ray_status ray_lb_pool_check(const ray_pool_spec *spec, uint32_t *field);
ray_status ray_lb_instance_check(const ray_instance_spec *spec, uint32_t *field);

#endif
