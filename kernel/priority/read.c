/* SPDX-License-Identifier: MIT */
/* read.c - what stands where, as numbers; and the max-min division. */
#include "hot.h"

/* -- counters -- */
void ray_priority_read(const ray_priority *priority, ray_priority_stats *out)
{
    const ray_priority_tally *tally = &priority->tally;
    memset(out, 0, sizeof *out);
    out->asked_count = tally->asked_count;
    out->granted_count = tally->granted_count;
    out->denied_count = tally->denied_count;
    out->error_count = tally->error_count;
    out->unspent_count = tally->unspent_count;
    out->direct_count = tally->direct_count;
    memcpy(out->left_count, tally->left_count, sizeof out->left_count);
    out->requeued_count = tally->requeued_count;
    out->finished_count = tally->finished_count;
    memcpy(out->origin_count, tally->origin_count, sizeof out->origin_count);
    out->breach_count = tally->alert_count;
    out->breach_overwritten_count =
        tally->alert_count > RAY_SLA_ALERT_MAX ? tally->alert_count - RAY_SLA_ALERT_MAX : 0;
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++) {
        out->queued_count += tally->by_class[class].queued_count;
        out->sent_count += tally->by_class[class].sent_count;
    }
    out->waiting_count = priority->book.entry_count;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        const ray_queue *queue = &priority->book.queue[place];
        out->delayed_count += queue->delayed;
        out->busy_count += queue->busy;
        out->queue_count += queue->waiting + queue->delayed != 0;
        out->sla_count += priority->config.sla[place].used;
    }
    out->bound = priority->config.rules.bound;
}

uint32_t ray_priority_bound(const ray_priority *priority)
{
    return priority->config.rules.bound;
}

void ray_priority_spec_read(const ray_priority *priority, ray_queue_spec *out)
{
    *out = priority->config.rules.spec;
}

/* The longest run that passed the class by, the one that is running included. */
static uint32_t gap_of(const ray_priority *priority, uint32_t class)
{
    uint32_t most = priority->tally.gap_max[class];
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        const ray_queue_tail *tail = &priority->tally.queue[place];
        uint32_t gap = (uint32_t)tail->sent_count - tail->served_at[class];
        if (priority->book.queue[place].depth[class] != 0 && gap > most)
            most = gap;
    }
    return most;
}

uint32_t ray_priority_fairness(const ray_priority *priority)
{
    const ray_queue_rules *rules = &priority->config.rules;
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++)
        if (gap_of(priority, class) > rules->bound - rules->spec.weight[class])
            return class + 1;
    return 0;
}

ray_status ray_priority_class_read(const ray_priority *priority, uint32_t priority_class,
                                   ray_class_stats *out)
{
    if (priority_class >= RAY_CLASS_MAX)
        return RAY_E_ARGUMENT;
    const ray_class_tail *tail = &priority->tally.by_class[priority_class];
    uint32_t weight = priority->config.rules.spec.weight[priority_class];
    *out = (ray_class_stats){
        .queued_count = tail->queued_count,
        .sent_count = tail->sent_count,
        .denied_count = tail->denied_count,
        .wait_sum_ns = tail->wait_sum_ns,
        .wait_max_ns = tail->wait_max_ns,
        .gap_max = gap_of(priority, priority_class),
        .gap_bound = priority->config.rules.bound - weight,
        .weight = weight,
        .share_ppm = priority->config.rules.bound != 0
                         ? (uint32_t)((uint64_t)weight * 1000000 / priority->config.rules.bound)
                         : 0,
    };
    for (uint32_t slot = 0; slot < priority->book.entry_top; slot++)
        out->waiting_count += priority->book.entry[slot].state != RAY_ENTRY_FREE &&
                              priority->book.entry[slot].priority == priority_class;
    return RAY_OK;
}

/* -- queues and entries -- */
static uint64_t oldest_of(const ray_priority *priority, const ray_queue *queue)
{
    const ray_queue_entry *entries = priority->book.entry;
    uint64_t oldest_ns = RAY_NEVER;
    for (uint32_t at = queue->delayed_first; at != 0; at = entries[at - 1].next)
        if (entries[at - 1].arrival_ns < oldest_ns)
            oldest_ns = entries[at - 1].arrival_ns;
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++)
        for (uint32_t i = 0; i < RAY_QUEUE_FLOW_MAX; i++)
            for (uint32_t at = queue->lane[class].flow[i].first; at != 0;
                 at = entries[at - 1].next)
                if (entries[at - 1].arrival_ns < oldest_ns)
                    oldest_ns = entries[at - 1].arrival_ns;
    return oldest_ns;
}

ray_status ray_priority_queue_read(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                                   ray_queue_stats *out)
{
    if (!ray_queue_known(service))
        return RAY_E_UNKNOWN;
    uint32_t place = service & RAY_QUEUE_SLOT_MASK;
    const ray_queue *queue = &priority->book.queue[place];
    const ray_queue_tail *tail = &priority->tally.queue[place];
    const ray_queue_row *rule = ray_queue_rule(priority, service);
    uint64_t oldest_ns = oldest_of(priority, queue);
    *out = (ray_queue_stats){
        .oldest_ns = oldest_ns < now_ns ? now_ns - oldest_ns : 0,
        .queued_count = tail->queued_count,
        .sent_count = tail->sent_count,
        .denied_count = tail->denied_count,
        .wait_sum_ns = tail->wait_sum_ns,
        .service_ns = tail->service_ns,
        .delayed_count = queue->delayed,
        .waiting_count = queue->waiting + queue->delayed,
        .busy_count = queue->service == service ? queue->busy : 0,
        .servers = rule->servers,
        .depth_max = rule->depth,
        .flows = rule->flows,
        .own = rule->own != 0,
        .service = service,
    };
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++)
        out->depth[class] = queue->depth[class];
    return RAY_OK;
}

ray_status ray_priority_entry_read(const ray_priority *priority, uint32_t entry, ray_queued *out)
{
    uint32_t slot;
    ray_status status = ray_queue_slot(priority, entry, &slot);
    if (status != RAY_OK)
        return status;
    const ray_queue_entry *at = &priority->book.entry[slot];
    *out = (ray_queued){
        .arrival_ns = at->arrival_ns,
        .deadline_ns = at->deadline_ns,
        .not_before_ns = priority->book.due_ns[slot],
        .ticket = at->ticket,
        .entry = entry,
        .request = at->request,
        .service = at->service,
        .priority = at->priority,
        .origin = at->origin,
        .width = at->width,
        .flow = at->flow_at,
        .delayed = at->state == RAY_ENTRY_DELAYED,
    };
    return RAY_OK;
}

ray_status ray_priority_at(const ray_priority *priority, uint32_t place, uint32_t *entry)
{
    if (place >= RAY_QUEUE_ENTRY_MAX)
        return RAY_E_RANGE;
    if (priority->book.entry[place].state == RAY_ENTRY_FREE)
        return RAY_E_UNKNOWN;
    *entry = ray_queue_handle(priority, place);
    return RAY_OK;
}

ray_status ray_priority_first_of(const ray_priority *priority, uint32_t service, uint32_t *entry)
{
    if (!ray_queue_known(service))
        return RAY_E_UNKNOWN;
    const ray_queue *queue = &priority->book.queue[service & RAY_QUEUE_SLOT_MASK];
    if (queue->waiting + queue->delayed == 0)
        return RAY_E_UNKNOWN;
    uint32_t first = queue->delayed_first;
    if (first == 0) {
        const ray_queue_lane *lane = ray_queue_next_lane(priority, queue);
        first = lane->flow[ray_queue_choose_flow(priority, lane)].first;
    }
    *entry = ray_queue_handle(priority, first - 1);
    return RAY_OK;
}

ray_status ray_priority_overdue(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                                uint32_t *entry)
{
    for (uint32_t slot = 0; slot < priority->book.entry_top; slot++) {
        const ray_queue_entry *at = &priority->book.entry[slot];
        if (at->state == RAY_ENTRY_FREE || at->deadline_ns > now_ns ||
            (service != RAY_NONE && at->service != service))
            continue;
        *entry = ray_queue_handle(priority, slot);
        return RAY_OK;
    }
    return RAY_E_UNKNOWN;
}

/* -- SLAs -- */
ray_status ray_priority_sla_spec_read(const ray_priority *priority, uint32_t service,
                                      ray_sla_spec *out)
{
    const ray_sla_spec *spec = ray_queue_known(service) ? ray_sla_rule(priority, service) : 0;
    if (spec == 0)
        return RAY_E_UNKNOWN;
    *out = *spec;
    return RAY_OK;
}

ray_status ray_priority_sla_read(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                                 ray_sla_stats *out)
{
    const ray_sla_spec *spec = ray_queue_known(service) ? ray_sla_rule(priority, service) : 0;
    if (spec == 0)
        return RAY_E_UNKNOWN;
    *out = priority->tally.sla[service & RAY_QUEUE_SLOT_MASK];
    (void)ray_sla_view(spec, now_ns, out);
    return RAY_OK;
}

/* -- max-min -- */
/* Raises the level all share until the capacity is spent: in each round the smallest wish that is
 * still open, or an even part of what is left. */
void ray_priority_divide(const uint64_t *demand, uint32_t count, uint64_t capacity, uint64_t *share)
{
    uint64_t left = capacity, level = 0;
    for (uint32_t i = 0; i < count; i++)
        share[i] = 0;
    for (;;) {
        uint64_t open = 0, step = RAY_NEVER;
        for (uint32_t i = 0; i < count; i++) {
            if (demand[i] <= level)
                continue;
            open++;
            if (demand[i] - level < step)
                step = demand[i] - level;
        }
        if (open == 0)
            return;
        if (left / open < step)
            step = left / open;
        if (step == 0)
            break;
        for (uint32_t i = 0; i < count; i++)
            share[i] += demand[i] > level ? step : 0;
        left -= step * open;
        level += step;
    }
    for (uint32_t i = 0; i < count && left > 0; i++)
        if (demand[i] > share[i]) {
            share[i]++;
            left--;
        }
}
