/* SPDX-License-Identifier: MIT */
/* ask.c - where a request would stand, and how long it would wait. */
#include "hot.h"

/* -- what the rules say -- */
uint32_t ray_priority_class(const ray_priority *priority, uint32_t service)
{
    const ray_sla_spec *sla = ray_queue_known(service) ? ray_sla_rule(priority, service) : 0;
    return sla != 0 ? sla->priority : (uint32_t)RAY_CLASS_DEFAULT;
}

uint32_t ray_priority_waits(const ray_priority *priority, uint32_t service)
{
    return ray_queue_known(service) && ray_queue_rule(priority, service)->servers != 0;
}

uint32_t ray_priority_promised(const ray_priority *priority, uint32_t service)
{
    return ray_queue_known(service) && ray_sla_rule(priority, service) != 0;
}

uint32_t ray_priority_flow_by(const ray_priority *priority)
{
    return priority->config.rules.spec.flow_by;
}

/* -- request -- */
static inline uint64_t deadline_of(const ray_priority *priority, uint64_t now_ns,
                                   const ray_priority_query *query)
{
    const ray_sla_spec *sla = ray_sla_rule(priority, query->service);
    uint64_t deadline_ns = query->deadline_ns != 0 ? query->deadline_ns : RAY_NEVER;
    if (sla == 0)
        return deadline_ns;
    uint64_t span_ns = sla->deadline_ns != 0 ? sla->deadline_ns : sla->p95_latency_ns;
    uint64_t own_ns = span_ns < RAY_NEVER - now_ns ? now_ns + span_ns : RAY_NEVER;
    return own_ns < deadline_ns ? own_ns : deadline_ns;
}

/* Its own class is served after all that stand in it; meanwhile another class gets as many
 * dispatches as the weights give it, or as it has. */
static inline uint32_t ahead_of(const ray_priority *priority, const ray_queue *queue,
                                uint32_t class)
{
    const uint32_t *ratio = *(priority->config.rules.ratio + class);
    uint64_t own = queue->depth[class], ahead = 0;
    if (own == queue->waiting)
        return (uint32_t)own;
#pragma GCC unroll 8 /* the end of so short a loop is guessed wrong */
    for (uint32_t other = 0; other < RAY_CLASS_MAX; other++) {
        uint64_t count = queue->depth[other]; /* its own: at least 1 for each ahead of it */
        uint64_t most = ((own + 1) * ratio[other] + 0xffff) >> 16;
        ahead += count < most ? count : most;
    }
    return (uint32_t)ahead;
}

static inline uint64_t delay_of(const ray_priority_query *query, uint64_t now_ns)
{
    return query->not_before_ns > now_ns ? query->not_before_ns - now_ns : 0;
}

/* It stands behind its class, where there is room or `victim` makes it. */
static inline ray_status answer_queued(const ray_priority *priority, uint64_t now_ns,
                                       const ray_priority_query *query, uint32_t victim,
                                       ray_priority_answer *out)
{
    uint32_t place = query->service & RAY_QUEUE_SLOT_MASK;
    uint32_t servers = ray_queue_rule(priority, query->service)->servers;
    uint32_t ahead = ahead_of(priority, priority->book.queue + place, query->priority);
    uint64_t wait_ns = 0, delay_ns = delay_of(query, now_ns);
    if (servers != 0)
        wait_ns = ahead * (priority->tally.queue + place)->service_ns / servers;
    *out = (ray_priority_answer){
        .deadline_ns = deadline_of(priority, now_ns, query),
        .wait_ns = wait_ns < delay_ns ? delay_ns : wait_ns,
        .ahead = ahead,
        .victim = victim,
        .reason = RAY_REASON_QUEUED,
        .granted = 1,
        .queued = 1,
    };
    return RAY_OK;
}

/* Seldom, and out of the way of the others: somebody must go, or it is turned away. */
static __attribute__((noinline)) ray_status answer_full(const ray_priority *priority,
                                                        uint64_t now_ns,
                                                        const ray_priority_query *query,
                                                        ray_priority_answer *out)
{
    uint32_t place = query->service & RAY_QUEUE_SLOT_MASK, victim = RAY_NONE;
    const ray_queue *queue = priority->book.queue + place;
    const ray_queue_row *rule = ray_queue_rule(priority, query->service);
    if (priority->config.rules.spec.displace != 0 &&
        queue->waiting + queue->delayed <= rule->depth)
        victim = ray_queue_victim(priority, place, query->priority);
    if (victim != RAY_NONE)
        return answer_queued(priority, now_ns, query, ray_queue_handle(priority, victim), out);
    *out = (ray_priority_answer){
        .deadline_ns = deadline_of(priority, now_ns, query),
        .victim = RAY_NONE,
        .reason = RAY_REASON_QUEUE_FULL,
    };
    return RAY_OK;
}

static inline ray_status answer_waiting(const ray_priority *priority, uint64_t now_ns,
                                        const ray_priority_query *query, ray_priority_answer *out)
{
    const ray_queue *queue = priority->book.queue + (query->service & RAY_QUEUE_SLOT_MASK);
    uint32_t depth = ray_queue_rule(priority, query->service)->depth;
    if (queue->waiting + queue->delayed < depth && ray_queue_has_room(priority))
        return answer_queued(priority, now_ns, query, RAY_NONE, out);
    return answer_full(priority, now_ns, query, out);
}

/* One that starts now where there is a server for it, and nobody waits. */
static __attribute__((noinline)) ray_status answer_at_once(const ray_priority *priority,
                                                           uint64_t now_ns,
                                                           const ray_priority_query *query,
                                                           ray_priority_answer *out)
{
    const ray_queue *queue = priority->book.queue + (query->service & RAY_QUEUE_SLOT_MASK);
    uint32_t servers = ray_queue_rule(priority, query->service)->servers;
    uint32_t busy = queue->service == query->service ? queue->busy : 0;
    if (servers != 0 && (queue->waiting != 0 ||
                         !ray_queue_fits(servers, busy, ray_queue_width(query->width))))
        return answer_waiting(priority, now_ns, query, out);
    *out = (ray_priority_answer){
        .deadline_ns = deadline_of(priority, now_ns, query),
        .victim = RAY_NONE,
        .reason = RAY_REASON_OK,
        .granted = 1,
    };
    return RAY_OK;
}

ray_status ray_priority_ask(const ray_priority *priority, uint64_t now_ns,
                            const ray_priority_query *query, ray_priority_answer *out)
{
    if (!ray_queue_known(query->service))
        return RAY_E_UNKNOWN;
    if (query->priority >= RAY_CLASS_MAX || query->origin >= RAY_ORIGIN_MAX || query->hold > 1)
        return RAY_E_ARGUMENT;
    if (query->width > RAY_QUEUE_SERVERS_MAX || now_ns == RAY_NEVER ||
        query->not_before_ns == RAY_NEVER)
        return RAY_E_RANGE;
    if (query->hold == 0 && query->not_before_ns <= now_ns)
        return answer_at_once(priority, now_ns, query, out);
    return answer_waiting(priority, now_ns, query, out);
}

void ray_priority_note(ray_priority *priority, uint64_t now_ns, const ray_priority_query *query,
                       const ray_priority_answer *answer, uint32_t granted)
{
    ray_priority_tally *tally = &priority->tally;
    uint32_t denied = answer->granted == 0;
    (void)now_ns;
    tally->asked_count++;
    tally->granted_count += !denied;
    tally->denied_count += denied;
    tally->unspent_count += !denied && granted == 0;
    tally->by_class[query->priority].denied_count += denied;
    tally->queue[query->service & RAY_QUEUE_SLOT_MASK].denied_count += denied;
}
