/* SPDX-License-Identifier: MIT */
/* priority.c - a request asks for its place, waits, is sent or leaves, and ends. */
#include "hot.h"

/* A longer service time counts as this (19 hours): products with it stay within 64 bits. */
#define SERVICE_NS_MAX (1ULL << 46)

uint64_t ray_priority_bytes(void)
{
    return sizeof(ray_priority);
}

/* -- places (private) -- */
void ray_queue_ready(ray_priority *priority, uint32_t place)
{
    const ray_queue *queue = priority->book.queue + place;
    ray_queue_mark(priority, queue, place, ray_queue_rule(priority, queue->service)->servers);
}

/* Where nothing is ever finished, the count of busy servers stays at its end. */
static void occupy(ray_queue *queue, uint32_t width)
{
    queue->busy = queue->busy > UINT32_MAX - width ? UINT32_MAX : queue->busy + width;
}

/* The queue of this service; one that belonged to another in the same place begins anew. */
static ray_queue *queue_for(ray_priority *priority, uint32_t service)
{
    uint32_t place = service & RAY_QUEUE_SLOT_MASK;
    ray_queue *queue = priority->book.queue + place;
    if (queue->service != service) {
        queue->service = service;
        queue->busy = 0;
        priority->tally.queue[place].service_ns = 0;
    }
    return queue;
}

/* -- init -- */
void ray_priority_init(ray_priority *priority, const uint8_t seed[16])
{
    memset(priority, 0, sizeof *priority);
    memcpy(priority->config.seed, seed, sizeof priority->config.seed);
    ray_queue_spec_default(&priority->config.rules.spec);
    ray_priority_derive(&priority->config.rules);
}

/* -- request -- */
static inline uint32_t entered(ray_priority *priority, uint64_t now_ns,
                               const ray_priority_query *query, uint64_t deadline_ns,
                               uint32_t request)
{
    ray_assert(ray_queue_has_room(priority)); /* the victim has left */
    uint32_t slot = ray_queue_entry_new(priority);
    ray_queue_entry *entry = priority->book.entry + slot;
    entry->arrival_ns = now_ns;
    entry->deadline_ns = deadline_ns;
    entry->request = request;
    entry->ticket = ++priority->book.ticket;
    entry->flow = query->flow;
    entry->width = ray_queue_width(query->width);
    entry->origin = (uint8_t)query->origin;
    priority->tally.origin_count[query->origin]++;
    entry->priority = (uint8_t)query->priority;
    (priority->tally.by_class + query->priority)->queued_count++;
    entry->service = query->service;
    (priority->tally.queue + (query->service & RAY_QUEUE_SLOT_MASK))->queued_count++;
    return slot;
}

/* All that is not simply one more behind its class. */
static __attribute__((noinline)) uint32_t take_otherwise(ray_priority *priority, uint64_t now_ns,
                                                         const ray_priority_query *query,
                                                         const ray_priority_answer *answer,
                                                         uint32_t request)
{
    uint32_t place = query->service & RAY_QUEUE_SLOT_MASK;
    ray_queue *queue = queue_for(priority, query->service);
    if (answer->queued == 0) {
        priority->tally.origin_count[query->origin]++;
        priority->tally.direct_count++;
        occupy(queue, ray_queue_width(query->width));
        ray_queue_ready(priority, place);
        return RAY_NONE;
    }
    uint32_t slot = entered(priority, now_ns, query, answer->deadline_ns, request);
    ray_queue_entry *entry = priority->book.entry + slot;
    entry->flow_at = (uint8_t)ray_queue_flow_of(
        priority, query->flow, ray_queue_rule(priority, query->service)->flows);
    if (query->not_before_ns > now_ns)
        ray_queue_delay(priority, slot, query->not_before_ns);
    else
        ray_queue_join(priority, slot);
    ray_queue_ready(priority, place);
    return ray_queue_handle(priority, slot);
}

/* Apart, so that what is tested before does not take its registers. */
static __attribute__((noinline)) uint32_t take_behind(ray_priority *priority, uint64_t now_ns,
                                                      const ray_priority_query *query,
                                                      uint64_t deadline_ns, uint32_t request)
{
    uint32_t slot = entered(priority, now_ns, query, deadline_ns, request);
    ray_queue *queue = priority->book.queue + (query->service & RAY_QUEUE_SLOT_MASK);
    ray_queue_append(priority, queue, query->priority, slot);
    return ray_queue_handle(priority, slot);
}

uint32_t ray_priority_take(ray_priority *priority, uint64_t now_ns,
                           const ray_priority_query *query, const ray_priority_answer *answer,
                           uint32_t request)
{
    const ray_queue *queue = priority->book.queue + (query->service & RAY_QUEUE_SLOT_MASK);
    const ray_queue_flow *flow = (queue->lane + query->priority)->flow;
    if (answer->queued == 0 || flow->last == 0 || query->not_before_ns > now_ns ||
        queue->service != query->service || priority->config.rules.spec.earliest_deadline != 0 ||
        ray_queue_rule(priority, query->service)->flows > 1)
        return take_otherwise(priority, now_ns, query, answer, request);
    return take_behind(priority, now_ns, query, answer->deadline_ns, request);
}

/* -- dispatch -- */
static inline ray_status first_of(const ray_priority *priority, uint64_t now_ns,
                                  const ray_queue *queue, const ray_queue_flow *flow,
                                  ray_priority_pick *out)
{
    uint32_t slot = flow->first - 1;
    const ray_queue_entry *entry = priority->book.entry + slot;
    uint32_t servers = ray_queue_rule(priority, queue->service)->servers;
    if (!ray_queue_fits(servers, queue->busy, entry->width))
        return RAY_E_UNKNOWN;
    *out = (ray_priority_pick){
        .arrival_ns = entry->arrival_ns,
        .wait_ns = now_ns > entry->arrival_ns ? now_ns - entry->arrival_ns : 0,
        .entry = ray_queue_handle(priority, slot),
        .request = entry->request,
        .service = entry->service,
        .priority = entry->priority,
        .origin = entry->origin,
        .width = entry->width,
    };
    return RAY_OK;
}

static __attribute__((noinline)) ray_status
first_of_flows(const ray_priority *priority, uint64_t now_ns, const ray_queue *queue,
               const ray_queue_lane *lane, ray_priority_pick *out)
{
    return first_of(priority, now_ns, queue,
                    lane->flow + ray_queue_choose_flow(priority, lane), out);
}

/* In line, because this is a third of what a dispatch costs. */
static inline __attribute__((always_inline)) ray_status
next_of(const ray_priority *priority, uint64_t now_ns, uint32_t place, ray_priority_pick *out)
{
    const ray_queue *queue = priority->book.queue + place;
    if (queue->waiting == 0)
        return RAY_E_UNKNOWN;
    const ray_queue_lane *lane = ray_queue_next_lane(priority, queue);
    return lane->filled == 1 ? first_of(priority, now_ns, queue, lane->flow, out)
                             : first_of_flows(priority, now_ns, queue, lane, out);
}

/* Round robin over the queues that have work and a free server. */
static __attribute__((noinline)) ray_status
next_of_any(const ray_priority *priority, uint64_t now_ns, ray_priority_pick *out)
{
    uint32_t place = priority->book.turn;
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++) {
        place = place + 1 < RAY_SERVICE_MAX ? place + 1 : 0;
        uint64_t ready = priority->book.ready[place / 64];
        if (ready == 0) { /* none of these 64 */
            uint32_t skip = 63 - place % 64;
            skip = skip < RAY_SERVICE_MAX - 1 - place ? skip : RAY_SERVICE_MAX - 1 - place;
            place += skip;
            i += skip;
            continue;
        }
        if ((ready >> place % 64 & 1) != 0 && next_of(priority, now_ns, place, out) == RAY_OK)
            return RAY_OK;
    }
    return RAY_E_UNKNOWN;
}

ray_status ray_priority_next(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                             ray_priority_pick *out)
{
    if (service == RAY_NONE)
        return next_of_any(priority, now_ns, out);
    if (!ray_queue_known(service))
        return RAY_E_UNKNOWN;
    return next_of(priority, now_ns, service & RAY_QUEUE_SLOT_MASK, out);
}

/* What the law of starvation is read from: dispatches of this queue that passed the class by. */
static inline void count_sent(ray_priority *priority, uint32_t place, uint32_t class,
                              uint64_t wait_ns)
{
    ray_priority_tally *tally = &priority->tally;
    ray_queue_tail *tail = tally->queue + place;
    ray_class_tail *by_class = tally->by_class + class;
    uint32_t gap = (uint32_t)tail->sent_count - tail->served_at[class];
    if (gap > tally->gap_max[class])
        tally->gap_max[class] = gap;
    tail->sent_count++;
    tail->served_at[class] = (uint32_t)tail->sent_count;
    tail->wait_sum_ns += wait_ns;
    by_class->sent_count++;
    by_class->wait_sum_ns += wait_ns;
    if (wait_ns > by_class->wait_max_ns)
        by_class->wait_max_ns = wait_ns;
}

static inline __attribute__((always_inline)) void
send_in(ray_priority *priority, const ray_priority_pick *pick, uint32_t slot, uint32_t flow_at,
        uint32_t servers)
{
    const ray_queue_entry *entry = priority->book.entry + slot;
    uint32_t place = entry->service & RAY_QUEUE_SLOT_MASK;
    uint32_t class = entry->priority;
    ray_queue *queue = priority->book.queue + place;
    count_sent(priority, place, class, pick->wait_ns);
    ray_queue_charge(&priority->config.rules.spec, queue, class);
    occupy(queue, entry->width);
    uint32_t ends = ray_queue_unlink_in(priority, queue, class, flow_at, entry);
    ray_queue_entry_free(priority, slot);
    if (servers != 0 || queue->waiting == 0)
        ray_queue_mark(priority, queue, place, servers);
    priority->book.turn = place;
    if (ends != 0)
        ray_queue_flow_ends(queue, class, flow_at);
}

/* One of several flows, or still in the flow it had under other rules. */
static __attribute__((noinline)) void send_of_flows(ray_priority *priority,
                                                    const ray_priority_pick *pick, uint32_t slot,
                                                    const ray_queue_row *rule)
{
    const ray_queue_entry *entry = priority->book.entry + slot;
    ray_queue *queue = priority->book.queue + (entry->service & RAY_QUEUE_SLOT_MASK);
    if (rule->flows > 1)
        ray_queue_advance(queue->lane + entry->priority, entry);
    send_in(priority, pick, slot, entry->flow_at, rule->servers);
}

void ray_priority_send(ray_priority *priority, uint64_t now_ns, const ray_priority_pick *pick)
{
    uint32_t slot = ray_queue_standing(priority, pick->entry);
    const ray_queue_entry *entry = priority->book.entry + slot;
    const ray_queue *queue = priority->book.queue + (entry->service & RAY_QUEUE_SLOT_MASK);
    const ray_queue_row *rule = ray_queue_rule(priority, queue->service);
    (void)now_ns;
    if (__builtin_expect(rule->flows > 1 || entry->flow_at != 0, 0))
        send_of_flows(priority, pick, slot, rule);
    else
        send_in(priority, pick, slot, 0, rule->servers);
}

/* -- leaving -- */
void ray_queue_let_go(ray_priority *priority, uint64_t now_ns, uint32_t slot, uint32_t why)
{
    const ray_queue_entry *entry = priority->book.entry + slot;
    uint32_t place = entry->service & RAY_QUEUE_SLOT_MASK;
    if (why == RAY_LEAVE_DEADLINE)
        ray_sla_outcome(priority, now_ns, entry->service,
                        now_ns > entry->arrival_ns ? now_ns - entry->arrival_ns : 0, 1, 1);
    if (entry->state == RAY_ENTRY_DELAYED)
        ray_queue_undelay(priority, slot);
    else
        ray_queue_unlink(priority, slot);
    ray_queue_entry_free(priority, slot);
    ray_queue_ready(priority, place);
    priority->tally.left_count[why]++;
}

ray_status ray_priority_leave(ray_priority *priority, uint64_t now_ns, uint32_t entry, uint32_t why)
{
    uint32_t slot;
    ray_status status = ray_queue_slot(priority, entry, &slot);
    if (status != RAY_OK)
        return status;
    if (why >= RAY_LEAVE_MAX)
        return RAY_E_ARGUMENT;
    ray_queue_let_go(priority, now_ns, slot, why);
    return RAY_OK;
}

ray_status ray_priority_request_of(const ray_priority *priority, uint32_t entry, uint32_t *request)
{
    uint32_t slot;
    ray_status status = ray_queue_slot(priority, entry, &slot);
    if (status == RAY_OK)
        *request = priority->book.entry[slot].request;
    return status;
}

ray_status ray_priority_requeue(ray_priority *priority, uint64_t now_ns, uint32_t entry,
                                uint32_t priority_class)
{
    uint32_t slot;
    ray_status status = ray_queue_slot(priority, entry, &slot);
    (void)now_ns;
    if (status != RAY_OK)
        return status;
    if (priority_class >= RAY_CLASS_MAX)
        return RAY_E_ARGUMENT;
    ray_queue_entry *at = priority->book.entry + slot;
    if (at->priority == priority_class)
        return RAY_OK;
    if (at->state == RAY_ENTRY_DELAYED) {
        at->priority = (uint8_t)priority_class;
    } else {
        ray_queue_unlink(priority, slot);
        at->priority = (uint8_t)priority_class;
        ray_queue_join(priority, slot);
    }
    priority->tally.requeued_count++;
    return RAY_OK;
}

ray_status ray_priority_preempt_check(const ray_priority *priority, uint32_t entry,
                                      uint32_t by_class)
{
    uint32_t slot;
    ray_status status = ray_queue_slot(priority, entry, &slot);
    if (status != RAY_OK)
        return status;
    if (by_class >= RAY_CLASS_MAX)
        return RAY_E_ARGUMENT;
    return priority->book.entry[slot].priority > by_class ? RAY_OK : RAY_E_STATE;
}

ray_status ray_priority_lowest(const ray_priority *priority, uint32_t service, uint32_t by_class,
                               uint32_t *entry)
{
    if (!ray_queue_known(service))
        return RAY_E_UNKNOWN;
    if (by_class >= RAY_CLASS_MAX)
        return RAY_E_ARGUMENT;
    uint32_t slot = ray_queue_victim(priority, service & RAY_QUEUE_SLOT_MASK, by_class);
    if (slot == RAY_NONE)
        return RAY_E_UNKNOWN;
    *entry = ray_queue_handle(priority, slot);
    return RAY_OK;
}

/* -- ending -- */
static uint64_t since(uint64_t now_ns, uint64_t then_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* One eighth of the way to the new time; the first one is believed. */
static void learn(ray_queue_tail *tail, uint64_t took_ns)
{
    uint64_t known_ns = tail->service_ns;
    if (took_ns > SERVICE_NS_MAX)
        took_ns = SERVICE_NS_MAX;
    if (known_ns == 0)
        tail->service_ns = took_ns;
    else if (took_ns >= known_ns)
        tail->service_ns += (took_ns - known_ns) / 8;
    else
        tail->service_ns -= (known_ns - took_ns) / 8;
}

void ray_priority_finish(ray_priority *priority, uint64_t now_ns, const ray_priority_done *done)
{
    if (!ray_queue_known(done->service))
        return;
    uint32_t place = done->service & RAY_QUEUE_SLOT_MASK;
    ray_queue *queue = priority->book.queue + place;
    priority->tally.finished_count++;
    if (queue->service == done->service) {
        queue->busy -= done->width < queue->busy ? done->width : queue->busy;
        ray_queue_ready(priority, place);
    }
    if (queue->service == done->service || done->width == 0)
        learn(&priority->tally.queue[place], since(now_ns, done->sent_ns));
    ray_sla_outcome(priority, now_ns, done->service, since(now_ns, done->arrival_ns), done->failed,
                    0);
}
