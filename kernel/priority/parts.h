/* SPDX-License-Identifier: MIT */
/* parts - what the files of this folder offer one another. */
#ifndef RAY_PRIORITY_PARTS_H
#define RAY_PRIORITY_PARTS_H
#include "priority_state.h"
#include "base/bytes.h"
#include "base/fixed.h"

enum { RAY_QUEUE_SLOT_MASK = 0xffff };

/* pool.c: handles, and entries that may not start yet */
ray_status ray_queue_slot(const ray_priority *priority, uint32_t handle, uint32_t *slot);
/* Delayed entries: in the heap by not_before and in their queue's list. */
void ray_queue_delay(ray_priority *priority, uint32_t slot, uint64_t not_before_ns);
void ray_queue_undelay(ray_priority *priority, uint32_t slot);

/* lane.c: who stands where; what every request does is in hot.h */
uint32_t ray_queue_flow_hash(const ray_priority *priority, uint64_t flow, uint32_t flows);
static inline uint32_t ray_queue_flow_of(const ray_priority *priority, uint64_t flow,
                                         uint32_t flows)
{
    return flows <= 1 ? 0 : ray_queue_flow_hash(priority, flow, flows);
}
uint32_t ray_queue_choose_flow(const ray_priority *priority, const ray_queue_lane *lane);
void ray_queue_rebase(ray_queue_lane *lane);
void ray_queue_flow_ends(ray_queue *queue, uint32_t class, uint32_t at);
void ray_queue_join(ray_priority *priority, uint32_t slot);
void ray_queue_unlink(ray_priority *priority, uint32_t slot);
/* The newest of the lowest class below `by_class` in this queue, delayed ones too; RAY_NONE. */
uint32_t ray_queue_victim(const ray_priority *priority, uint32_t place, uint32_t by_class);
void ray_queue_relink(ray_priority *priority);

/* config.c: rules in numbers */
void ray_priority_derive(ray_queue_rules *rules);
void ray_queue_spec_default(ray_queue_spec *spec);
/* Takes rules that passed the check; the law's count begins anew where its bound changed. */
void ray_priority_apply(ray_priority *priority, const ray_queue_spec *spec);
/* What a service says itself, or [queue]. */
static inline const ray_queue_row *ray_queue_rule(const ray_priority *priority, uint32_t service)
{
    const ray_queue_row *row = &priority->config.row[service & RAY_QUEUE_SLOT_MASK];
    return row->own == service + 1 ? row : &priority->config.rules.any;
}
/* The SLA of this service, or NULL. */
static inline const ray_sla_spec *ray_sla_rule(const ray_priority *priority, uint32_t service)
{
    const ray_sla_row *row = &priority->config.sla[service & RAY_QUEUE_SLOT_MASK];
    return row->used != 0 && row->spec.service == service ? &row->spec : 0;
}
static inline uint32_t ray_queue_known(uint32_t service)
{
    return (service & RAY_QUEUE_SLOT_MASK) < RAY_SERVICE_MAX;
}
static inline uint32_t ray_queue_width(uint32_t width)
{
    return width != 0 ? width : 1;
}
/* A wide request that no machine has servers for goes when it would be alone. */
static inline uint32_t ray_queue_fits(uint32_t servers, uint32_t busy, uint32_t width)
{
    return servers == 0 || busy == 0 || (uint64_t)busy + width <= servers;
}
void ray_queue_ready(ray_priority *priority, uint32_t place);

/* check.c */
ray_status ray_queue_spec_check(const ray_queue_spec *spec, uint32_t *field);
ray_status ray_service_queue_check(const ray_service_queue_spec *spec, uint32_t *field);
ray_status ray_sla_spec_check(const ray_sla_spec *spec, uint32_t *field);

/* sla.c: minutes */
void ray_sla_outcome(ray_priority *priority, uint64_t now_ns, uint32_t service, uint64_t latency_ns,
                     uint32_t failed, uint32_t missed);
/* Closes the minute that ended; returns what it broke (enum ray_sla_breach). */
uint32_t ray_sla_view(const ray_sla_spec *spec, uint64_t now_ns, ray_sla_stats *sla);

/* priority.c */
void ray_queue_let_go(ray_priority *priority, uint64_t now_ns, uint32_t slot, uint32_t why);

#endif
