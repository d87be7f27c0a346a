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
    uint32_t service = priority->book.queue[place].service;
    ray_queue_mark(priority, place, ray_queue_rule(priority, service)->servers);
}

static uint32_t width_of(uint32_t width)
{
    return width != 0 ? width : 1;
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
    ray_queue *queue = &priority->book.queue[place];
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

static uint64_t deadline_of(const ray_priority *priority, uint64_t now_ns,
                            const ray_priority_query *query)
{
    const ray_sla_spec *sla = ray_sla_rule(priority, query->service);
    uint64_t deadline_ns = query->deadline_ns != 0 ? query->deadline_ns : RAY_NEVER;
    if (sla == 0)
        return deadline_ns;
    uint64_t own_ns =
        ray_add_capped(now_ns, sla->deadline_ns != 0 ? sla->deadline_ns : sla->p95_latency_ns);
    return own_ns < deadline_ns ? own_ns : deadline_ns;
}

/* Its own class is served after all that stand in it; meanwhile another class gets as many
 * dispatches as the weights give it, or as it has. */
static uint32_t ahead_of(const ray_priority *priority, const ray_queue *queue, uint32_t class)
{
    const uint32_t *ratio = priority->config.rules.ratio[class];
    uint64_t own = queue->lane[class].count, ahead = 0;
    if (own == queue->waiting)
        return (uint32_t)own;
    for (uint32_t other = 0; other < RAY_CLASS_MAX; other++) {
        uint64_t count = queue->lane[other].count; /* its own: at least 1 for each ahead of it */
        uint64_t most = ((own + 1) * ratio[other] + 0xffff) >> 16;
        ahead += count < most ? count : most;
    }
    return (uint32_t)ahead;
}

/* Room, or somebody who must make it. */
static void find_place(const ray_priority *priority, const ray_queue *queue, uint32_t depth,
                       const ray_priority_query *query, ray_priority_answer *out)
{
    out->queued = 1;
    out->reason = RAY_REASON_QUEUED;
    if (queue->waiting + queue->delayed < depth && ray_queue_has_room(priority))
        return;
    uint32_t victim = RAY_NONE;
    if (priority->config.rules.spec.displace != 0 && queue->waiting + queue->delayed <= depth)
        victim = ray_queue_victim(priority, query->service & RAY_QUEUE_SLOT_MASK, query->priority);
    if (victim != RAY_NONE) {
        out->victim = ray_queue_handle(priority, victim);
        return;
    }
    out->queued = 0;
    out->granted = 0;
    out->reason = RAY_REASON_QUEUE_FULL;
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
    uint32_t place = query->service & RAY_QUEUE_SLOT_MASK;
    const ray_queue *queue = &priority->book.queue[place];
    const ray_queue_row *rule = ray_queue_rule(priority, query->service);
    uint32_t busy = queue->service == query->service ? queue->busy : 0;
    uint64_t delay_ns = query->not_before_ns > now_ns ? query->not_before_ns - now_ns : 0;
    *out = (ray_priority_answer){
        .deadline_ns = deadline_of(priority, now_ns, query),
        .victim = RAY_NONE,
        .reason = RAY_REASON_OK,
        .granted = 1,
    };
    uint32_t free = rule->servers == 0 ||
                    (queue->waiting == 0 &&
                     ray_queue_fits(rule->servers, busy, width_of(query->width)));
    if (delay_ns == 0 && free && query->hold == 0)
        return RAY_OK;
    find_place(priority, queue, rule->depth, query, out);
    if (out->granted == 0)
        return RAY_OK;
    out->ahead = ahead_of(priority, queue, query->priority);
    if (rule->servers != 0)
        out->wait_ns = out->ahead * priority->tally.queue[place].service_ns / rule->servers;
    if (out->wait_ns < delay_ns)
        out->wait_ns = delay_ns;
    return RAY_OK;
}

uint32_t ray_priority_take(ray_priority *priority, uint64_t now_ns,
                           const ray_priority_query *query, const ray_priority_answer *answer,
                           uint32_t request)
{
    ray_priority_tally *tally = &priority->tally;
    uint32_t place = query->service & RAY_QUEUE_SLOT_MASK;
    ray_queue *queue = queue_for(priority, query->service);
    const ray_queue_row *rule = ray_queue_rule(priority, query->service);
    tally->origin_count[query->origin]++;
    if (answer->queued == 0) {
        tally->direct_count++;
        occupy(queue, width_of(query->width));
        ray_queue_mark(priority, place, rule->servers);
        return RAY_NONE;
    }
    ray_assert(ray_queue_has_room(priority)); /* the victim has left */
    uint32_t slot = ray_queue_entry_new(priority);
    ray_queue_entry *entry = &priority->book.entry[slot];
    entry->arrival_ns = now_ns;
    entry->deadline_ns = answer->deadline_ns;
    entry->ticket = ++priority->book.ticket;
    entry->flow = query->flow;
    entry->service = query->service;
    entry->request = request;
    entry->width = width_of(query->width);
    entry->priority = (uint8_t)query->priority;
    entry->origin = (uint8_t)query->origin;
    entry->flow_at = (uint8_t)ray_queue_flow_of(priority, query->flow, rule->flows);
    if (query->not_before_ns > now_ns)
        ray_queue_delay(priority, slot, query->not_before_ns);
    else if (priority->config.rules.spec.earliest_deadline == 0)
        ray_queue_append(priority, queue, place, slot);
    else
        ray_queue_join(priority, slot);
    ray_queue_mark(priority, place, rule->servers);
    tally->by_class[query->priority].queued_count++;
    tally->queue[place].queued_count++;
    return ray_queue_handle(priority, slot);
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

/* -- dispatch -- */
static ray_status next_of(const ray_priority *priority, uint64_t now_ns, uint32_t place,
                          ray_priority_pick *out)
{
    const ray_queue *queue = &priority->book.queue[place];
    if ((priority->book.ready[place / 64] >> place % 64 & 1) == 0)
        return RAY_E_UNKNOWN;
    uint32_t slot = ray_queue_choose(priority, queue);
    const ray_queue_entry *entry = &priority->book.entry[slot];
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

ray_status ray_priority_next(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                             ray_priority_pick *out)
{
    if (service != RAY_NONE)
        return ray_queue_known(service)
                   ? next_of(priority, now_ns, service & RAY_QUEUE_SLOT_MASK, out)
                   : RAY_E_UNKNOWN;
    uint32_t place = priority->book.turn;
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++) {
        place = place + 1 < RAY_SERVICE_MAX ? place + 1 : 0;
        if (priority->book.ready[place / 64] == 0) { /* none of these 64 */
            uint32_t skip = 63 - place % 64;
            skip = skip < RAY_SERVICE_MAX - 1 - place ? skip : RAY_SERVICE_MAX - 1 - place;
            place += skip;
            i += skip;
            continue;
        }
        if (next_of(priority, now_ns, place, out) == RAY_OK)
            return RAY_OK;
    }
    return RAY_E_UNKNOWN;
}

/* What the law of starvation is read from: dispatches of this queue that passed the class by. */
static void count_sent(ray_priority *priority, uint32_t place, uint32_t class, uint64_t wait_ns)
{
    ray_priority_tally *tally = &priority->tally;
    ray_queue_tail *tail = &tally->queue[place];
    ray_class_tail *by_class = &tally->by_class[class];
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

void ray_priority_send(ray_priority *priority, uint64_t now_ns, const ray_priority_pick *pick)
{
    uint32_t slot = ray_queue_live(priority, pick->entry);
    ray_assert(slot != RAY_NONE && priority->book.entry[slot].state == RAY_ENTRY_LANE);
    const ray_queue_entry *entry = &priority->book.entry[slot];
    uint32_t place = entry->service & RAY_QUEUE_SLOT_MASK;
    ray_queue *queue = &priority->book.queue[place];
    (void)now_ns;
    const ray_queue_row *rule = ray_queue_rule(priority, queue->service);
    ray_queue_charge(&priority->config.rules.spec, queue, entry, rule->flows);
    count_sent(priority, place, entry->priority, pick->wait_ns);
    occupy(queue, entry->width);
    ray_queue_unlink_in(priority, queue, slot);
    ray_queue_entry_free(priority, slot);
    ray_queue_mark(priority, place, rule->servers);
    priority->book.turn = place;
}

/* -- leaving -- */
void ray_queue_let_go(ray_priority *priority, uint64_t now_ns, uint32_t slot, uint32_t why)
{
    const ray_queue_entry *entry = &priority->book.entry[slot];
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
    ray_queue_entry *at = &priority->book.entry[slot];
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
    ray_queue *queue = &priority->book.queue[place];
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

/* -- time -- */
uint64_t ray_priority_due(const ray_priority *priority)
{
    uint32_t slot = ray_queue_first_delayed(priority);
    return slot != RAY_NONE ? priority->book.due_ns[slot] : RAY_NEVER;
}

uint32_t ray_priority_tick(ray_priority *priority, uint64_t now_ns)
{
    uint32_t slot = ray_queue_first_delayed(priority);
    if (slot == RAY_NONE || priority->book.due_ns[slot] > now_ns)
        return RAY_NONE;
    uint32_t service = priority->book.entry[slot].service;
    ray_queue_undelay(priority, slot);
    ray_queue_join(priority, slot);
    ray_queue_ready(priority, service & RAY_QUEUE_SLOT_MASK);
    return service;
}
