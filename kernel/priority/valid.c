/* SPDX-License-Identifier: MIT */
/* valid.c - every law of the state, numbered. A number once given keeps its meaning. Bytes of a
 * restored snapshot come here first: every walk is bounded.
 *
 *  1 the rules pass their checks (or were never given), what is derived from them is true
 *  2 a service's own row and its SLA stand at the service's place and pass their checks
 *  3 used + free entries are all there are; freed ones are zero but for generation and link
 *  4 an entry in a lane is in exactly that list, in order; the lane's counts and bits are true
 *  5 a delayed entry is in the heap and in its queue's list; the heap is ordered
 *  6 a queue is ready exactly when somebody waits and a server is free
 *  7 turn, quantum and debt are within the rules; an empty lane remembers no flow
 *  8 what was queued was sent, has left, or waits now
 *  9 the ring of alerts has no gap
 * 10 asked = granted + denied
 * 11 no class was passed by more often than the law of starvation allows
 * 12 a service without an SLA has no minutes
 */
#include "hot.h"
#include "base/heap.h"

/* -- 1, 2, 12 -- */
static uint32_t rules_hold(const ray_queue_rules *rules)
{
    ray_queue_rules derived;
    uint32_t field;
    if (ray_is_zero(rules, sizeof *rules) != 0)
        return 1;
    if (ray_queue_spec_check(&rules->spec, &field) != RAY_OK)
        return 0;
    memset(&derived, 0, sizeof derived);
    derived.spec = rules->spec;
    ray_priority_derive(&derived);
    return memcmp(&derived, rules, sizeof derived) == 0;
}

static uint32_t row_holds(const ray_priority *priority, uint32_t place)
{
    const ray_queue_row *row = &priority->config.row[place];
    const ray_sla_row *sla = &priority->config.sla[place];
    ray_service_queue_spec spec = {row->own - 1, row->servers, row->depth, row->flows};
    uint32_t field;
    if (row->own == 0 ? ray_is_zero(row, sizeof *row) == 0
                      : (spec.service & RAY_QUEUE_SLOT_MASK) != place ||
                            ray_service_queue_check(&spec, &field) != RAY_OK)
        return 0;
    if (sla->used == 0)
        return ray_is_zero(sla, sizeof *sla);
    return sla->used == 1 && sla->reserved == 0 &&
           (sla->spec.service & RAY_QUEUE_SLOT_MASK) == place &&
           ray_sla_spec_check(&sla->spec, &field) == RAY_OK;
}

static uint32_t rows_fault(const ray_priority *priority)
{
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        if (!row_holds(priority, place))
            return 2;
        if (priority->config.sla[place].used == 0 &&
            ray_is_zero(&priority->tally.sla[place], sizeof priority->tally.sla[place]) == 0)
            return 12;
    }
    return 0;
}

/* -- 3 -- */
static uint32_t entry_holds(const ray_queue_entry *entry)
{
    ray_queue_entry copy = *entry;
    copy.generation = 0;
    copy.next = 0;
    if (entry->state == RAY_ENTRY_FREE)
        return ray_is_zero(&copy, sizeof copy);
    return entry->state <= RAY_ENTRY_DELAYED && entry->priority < RAY_CLASS_MAX &&
           entry->origin < RAY_ORIGIN_MAX && entry->flow_at < RAY_QUEUE_FLOW_MAX &&
           entry->width >= 1 && entry->width <= RAY_QUEUE_SERVERS_MAX &&
           ray_queue_known(entry->service) && entry->ticket != 0 &&
           ray_is_zero(entry->reserved, sizeof entry->reserved) != 0;
}

static uint32_t pool_holds(const ray_priority *priority)
{
    const ray_priority_book *book = &priority->book;
    uint32_t live = 0, chained = 0;
    if (book->entry_top > RAY_QUEUE_ENTRY_MAX || book->entry_count > book->entry_top ||
        book->entry_free > book->entry_top || book->turn >= RAY_SERVICE_MAX || book->reserved != 0)
        return 0;
    for (uint32_t slot = 0; slot < RAY_QUEUE_ENTRY_MAX; slot++) {
        const ray_queue_entry *entry = &book->entry[slot];
        if (slot >= book->entry_top && ray_is_zero(entry, sizeof *entry) == 0)
            return 0;
        if (!entry_holds(entry) || entry->next > book->entry_top || entry->prev > book->entry_top ||
            entry->ticket > book->ticket)
            return 0;
        live += entry->state != RAY_ENTRY_FREE;
    }
    for (uint32_t at = book->entry_free; at != 0; at = book->entry[at - 1].next)
        if (book->entry[at - 1].state != RAY_ENTRY_FREE || ++chained > book->entry_top)
            return 0;
    return live == book->entry_count && live + chained == book->entry_top;
}

/* -- 4, 7 -- */
static uint32_t in_order(const ray_priority *priority, const ray_queue_entry *a,
                         const ray_queue_entry *b)
{
    if (priority->config.rules.spec.earliest_deadline != 0 && a->deadline_ns != b->deadline_ns)
        return a->deadline_ns < b->deadline_ns;
    return a->ticket < b->ticket;
}

/* How many stand in this flow, more than the pool has when the list is broken. */
static uint32_t flow_length(const ray_priority *priority, uint32_t place, uint32_t class,
                            uint32_t at)
{
    const ray_priority_book *book = &priority->book;
    const ray_queue_flow *flow = &book->queue[place].lane[class].flow[at];
    uint32_t length = 0, before = 0;
    if (flow->first > book->entry_top || flow->last > book->entry_top)
        return RAY_QUEUE_ENTRY_MAX + 1;
    for (uint32_t slot = flow->first; slot != 0; slot = book->entry[slot - 1].next) {
        const ray_queue_entry *entry = &book->entry[slot - 1];
        if (++length > book->entry_top || entry->state != RAY_ENTRY_LANE ||
            (entry->service & RAY_QUEUE_SLOT_MASK) != place || entry->priority != class ||
            entry->flow_at != at || entry->prev != before ||
            (before != 0 && !in_order(priority, &book->entry[before - 1], entry)))
            return RAY_QUEUE_ENTRY_MAX + 1;
        before = slot;
    }
    return flow->last == before ? length : RAY_QUEUE_ENTRY_MAX + 1U;
}

static uint32_t lane_fault(const ray_priority *priority, uint32_t place, uint32_t class)
{
    const ray_queue *queue = &priority->book.queue[place];
    const ray_queue_lane *lane = &queue->lane[class];
    uint32_t count = 0;
    if (queue->depth[class] == 0)
        return ray_is_zero(lane, sizeof *lane) != 0 ? 0 : 7;
    for (uint32_t at = 0; at < RAY_QUEUE_FLOW_MAX; at++) {
        uint32_t length = flow_length(priority, place, class, at);
        if (length > RAY_QUEUE_ENTRY_MAX || (length != 0) != (lane->filled >> at & 1))
            return 4;
        if (length != 0 && lane->flow[at].tag < lane->clock)
            return 7;
        count += length;
    }
    if (count != queue->depth[class] || (uint64_t)lane->filled >> RAY_QUEUE_FLOW_MAX != 0)
        return 4;
    return 0;
}

static uint32_t queue_fault(const ray_priority *priority, uint32_t place)
{
    const ray_queue_spec *spec = &priority->config.rules.spec;
    const ray_queue *queue = &priority->book.queue[place];
    uint32_t waiting = 0;
    if (queue->turn >= RAY_CLASS_MAX || queue->left > spec->weight[queue->turn] ||
        queue->debt > RAY_QUEUE_DEBT_MAX || !ray_queue_known(queue->service))
        return 7;
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++) {
        uint32_t fault = lane_fault(priority, place, class);
        if (fault != 0)
            return fault;
        waiting += queue->depth[class];
    }
    return waiting == queue->waiting ? 0 : 4;
}

/* -- 5 -- */
static uint32_t delayed_of(const ray_priority *priority, uint32_t place)
{
    const ray_priority_book *book = &priority->book;
    uint32_t count = 0, before = 0, at = book->queue[place].delayed_first;
    for (; at != 0 && at <= book->entry_top; at = book->entry[at - 1].next) {
        const ray_queue_entry *entry = &book->entry[at - 1];
        if (++count > book->entry_top || entry->state != RAY_ENTRY_DELAYED ||
            entry->prev != before || (entry->service & RAY_QUEUE_SLOT_MASK) != place)
            return RAY_QUEUE_ENTRY_MAX + 1;
        before = at;
    }
    return at == 0 ? count : RAY_QUEUE_ENTRY_MAX + 1U;
}

static uint32_t delays_hold(const ray_priority *priority)
{
    const ray_priority_book *book = &priority->book;
    uint32_t delayed = 0, listed = 0;
    if (book->heap_count > RAY_QUEUE_ENTRY_MAX)
        return 0;
    for (uint32_t slot = 0; slot < RAY_QUEUE_ENTRY_MAX; slot++) {
        uint32_t in = book->entry[slot].state == RAY_ENTRY_DELAYED, at = book->heap_place[slot];
        if (in == 0 ? at != 0 || book->due_ns[slot] != 0
                    : at == 0 || at > book->heap_count || book->heap_order[at - 1] != slot)
            return 0;
        delayed += in;
    }
    for (uint32_t i = 0; i < book->heap_count; i++)
        if (book->heap_order[i] >= RAY_QUEUE_ENTRY_MAX)
            return 0;
    for (uint32_t i = book->heap_count; i < RAY_QUEUE_ENTRY_MAX; i++)
        if (book->heap_order[i] != 0)
            return 0;
    if (ray_heap_in_order(book->heap_order, book->due_ns, book->heap_count) == 0)
        return 0;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        uint32_t count = delayed_of(priority, place);
        if (count != book->queue[place].delayed)
            return 0;
        listed += count;
    }
    return delayed == book->heap_count && listed == delayed;
}

/* -- 6, 8, 9 -- */
static uint32_t ready_holds(const ray_priority *priority)
{
    for (uint32_t place = 0; place < RAY_QUEUE_READY_WORDS * 64; place++) {
        uint32_t bit = priority->book.ready[place / 64] >> place % 64 & 1, wanted = 0;
        if (place < RAY_SERVICE_MAX) {
            const ray_queue *queue = &priority->book.queue[place];
            wanted = ray_queue_serves(queue, ray_queue_rule(priority, queue->service)->servers);
        }
        if (bit != wanted)
            return 0;
    }
    return 1;
}

static uint32_t conserved(const ray_priority *priority)
{
    ray_priority_stats stats;
    ray_priority_read(priority, &stats);
    uint64_t left = 0;
    for (uint32_t why = 0; why < RAY_LEAVE_MAX; why++)
        left += stats.left_count[why];
    return stats.queued_count == stats.sent_count + left + priority->book.entry_count;
}

static uint32_t alerts_hold(const ray_priority *priority)
{
    uint64_t written = priority->tally.alert_count;
    for (uint64_t place = 0; place < RAY_SLA_ALERT_MAX; place++)
        if (priority->tally.alert[place].id !=
            (written <= place ? 0 : written - (written - 1 - place) % RAY_SLA_ALERT_MAX))
            return 0;
    return 1;
}

uint32_t ray_priority_valid(const ray_priority *priority)
{
    uint32_t fault;
    if (!rules_hold(&priority->config.rules))
        return 1;
    if ((fault = rows_fault(priority)) != 0)
        return fault;
    if (!pool_holds(priority))
        return 3;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
        if ((fault = queue_fault(priority, place)) != 0)
            return fault;
    if (!delays_hold(priority))
        return 5;
    if (!ready_holds(priority))
        return 6;
    if (!conserved(priority))
        return 8;
    if (!alerts_hold(priority))
        return 9;
    if (priority->tally.asked_count != priority->tally.granted_count + priority->tally.denied_count)
        return 10;
    return ray_priority_fairness(priority) == 0 ? 0 : 11;
}
