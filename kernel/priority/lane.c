/* SPDX-License-Identifier: MIT */
/* lane.c - who stands where in a queue, and whose turn it is.
 *
 * Between the classes: weighted round robin, weight[c] dispatches a turn, one turn after the other,
 * an empty class passed by. Take W = sum of weights dispatches of the robin, wherever they begin,
 * and a class c that has somebody who waits at each of them. Its turn is never cut short, and from
 * the end of one of its turns to the beginning of the next every other class has at most one, so
 * the others get at most W - weight[c] there. Fewer than weight[c] for c would leave the others
 * more than that, hence two stretches of them with a whole turn of c between: a contradiction.
 *
 * Critical goes out of turn while its debt is below `cap`: each such dispatch adds 100 - cap to it
 * (so it is at most 99), each dispatch of the robin takes `cap` off. Let a run of dispatches hold
 * only W - 1 of the robin's: then those out of turn are at most (99 + cap * (W - 1)) / (100 - cap),
 * and all together at most (100 * W - 1) / (100 - cap), which is less than R = ceil(100 * W /
 * (100 - cap)). So any R consecutive dispatches hold at least W of the robin's, and with them
 * weight[c] of every class that does not run empty. Nothing but the lanes' counts at a dispatch
 * went into this: arrivals, requeues and deadlines between are all the same to it. A class whose
 * last request is displaced or expires is empty, and its count begins anew.
 *
 * Between the flows of a class: start-time fair queuing by width. */
#include "hot.h"
#include "base/siphash.h"

/* -- flows -- */
/* Rendezvous: the flow whose own hash of the identity is largest, so that another number of flows
 * moves only those who must move. */
uint32_t ray_queue_flow_hash(const ray_priority *priority, uint64_t flow, uint32_t flows)
{
    uint64_t identity = ray_siphash_word(priority->config.seed, flow), most = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < flows; i++) {
        uint64_t mix = (identity ^ (i + 1) * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;
        mix = (mix ^ mix >> 31) * 0x94d049bb133111ebULL;
        mix ^= mix >> 29;
        if (i == 0 || mix > most) {
            most = mix;
            at = i;
        }
    }
    return at;
}

/* The filled flow whose next request may start first; ties go to the older request. */
uint32_t ray_queue_choose_flow(const ray_priority *priority, const ray_queue_lane *lane)
{
    uint32_t filled = lane->filled, best = 0;
    while ((filled >> best & 1) == 0)
        best++;
    for (uint32_t i = best + 1; filled >> i != 0 && i < RAY_QUEUE_FLOW_MAX; i++) {
        const ray_queue_flow *a = &lane->flow[i], *b = &lane->flow[best];
        if ((filled >> i & 1) == 0 || a->tag > b->tag)
            continue;
        if (a->tag < b->tag || priority->book.entry[a->first - 1].ticket <
                                   priority->book.entry[b->first - 1].ticket)
            best = i;
    }
    return best;
}

/* Long before 32 bits are full, virtual time begins anew. */
void ray_queue_rebase(ray_queue_lane *lane)
{
    for (uint32_t i = 0; i < RAY_QUEUE_FLOW_MAX; i++)
        lane->flow[i].tag = lane->flow[i].tag > lane->clock ? lane->flow[i].tag - lane->clock : 0;
    lane->clock = 0;
}

/* -- lists -- */
static uint32_t goes_before(const ray_priority *priority, const ray_queue_entry *a,
                            const ray_queue_entry *b)
{
    if (priority->config.rules.spec.earliest_deadline != 0 && a->deadline_ns != b->deadline_ns)
        return a->deadline_ns < b->deadline_ns;
    return a->ticket < b->ticket;
}

/* It is the only one of its flow. When its class was empty too, that has nothing to be made up for,
 * and the law counts from here. */
static void flow_begins(ray_priority *priority, ray_queue *queue, uint32_t place,
                        const ray_queue_entry *entry)
{
    ray_queue_lane *lane = &queue->lane[entry->priority];
    ray_queue_flow *flow = &lane->flow[entry->flow_at];
    ray_queue_tail *tail = &priority->tally.queue[place];
    if (flow->tag < lane->clock)
        flow->tag = lane->clock;
    lane->filled |= 1U << entry->flow_at;
    if (queue->depth[entry->priority] == 0)
        tail->served_at[entry->priority] = (uint32_t)tail->sent_count;
}

void ray_queue_join(ray_priority *priority, uint32_t slot)
{
    ray_priority_book *book = &priority->book;
    ray_queue_entry *entry = &book->entry[slot];
    uint32_t place = entry->service & RAY_QUEUE_SLOT_MASK;
    ray_queue *queue = &book->queue[place];
    ray_queue_flow *flow = &queue->lane[entry->priority].flow[entry->flow_at];
    uint32_t after = flow->last;
    while (after != 0 && goes_before(priority, entry, &book->entry[after - 1]))
        after = book->entry[after - 1].prev;
    entry->prev = after;
    entry->next = after != 0 ? book->entry[after - 1].next : flow->first;
    if (entry->prev != 0)
        book->entry[entry->prev - 1].next = slot + 1;
    else
        flow->first = slot + 1;
    if (entry->next != 0)
        book->entry[entry->next - 1].prev = slot + 1;
    else
        flow->last = slot + 1;
    entry->state = RAY_ENTRY_LANE;
    if (flow->first == flow->last)
        flow_begins(priority, queue, place, entry);
    queue->depth[entry->priority]++;
    queue->waiting++;
}

/* An empty lane remembers no flow. */
void ray_queue_flow_ends(ray_queue *queue, uint32_t class, uint32_t at)
{
    ray_queue_lane *lane = &queue->lane[class];
    lane->filled &= ~(1U << at);
    if (queue->depth[class] != 0)
        return;
    lane->clock = 0;
    for (uint32_t i = 0; i < RAY_QUEUE_FLOW_MAX; i++)
        lane->flow[i].tag = 0;
}

void ray_queue_unlink(ray_priority *priority, uint32_t slot)
{
    ray_queue_entry *entry = &priority->book.entry[slot];
    ray_queue *queue = &priority->book.queue[entry->service & RAY_QUEUE_SLOT_MASK];
    if (ray_queue_unlink_in(priority, queue, entry->priority, entry->flow_at, entry) != 0)
        ray_queue_flow_ends(queue, entry->priority, entry->flow_at);
    entry->next = 0;
    entry->prev = 0;
}

/* -- who must go -- */
static uint32_t newer(const ray_priority *priority, uint32_t a, uint32_t b)
{
    return b == RAY_NONE || priority->book.entry[a].ticket > priority->book.entry[b].ticket ? a : b;
}

static uint32_t newest_in(const ray_priority *priority, const ray_queue_lane *lane)
{
    uint32_t newest = RAY_NONE;
    for (uint32_t i = 0; lane->filled >> i != 0 && i < RAY_QUEUE_FLOW_MAX; i++)
        for (uint32_t at = lane->flow[i].last; at != 0; at = priority->book.entry[at - 1].prev) {
            newest = newer(priority, at - 1, newest);
            if (priority->config.rules.spec.earliest_deadline == 0)
                break; /* by ticket: the last is the newest */
        }
    return newest;
}

uint32_t ray_queue_victim(const ray_priority *priority, uint32_t place, uint32_t by_class)
{
    const ray_queue *queue = &priority->book.queue[place];
    for (uint32_t class = RAY_CLASS_MAX - 1; class > by_class; class--) {
        uint32_t newest = newest_in(priority, &queue->lane[class]);
        for (uint32_t at = queue->delayed_first; at != 0; at = priority->book.entry[at - 1].next)
            if (priority->book.entry[at - 1].priority == class)
                newest = newer(priority, at - 1, newest);
        if (newest != RAY_NONE)
            return newest;
    }
    return RAY_NONE;
}

/* -- other rules -- */
static void lane_relink(ray_priority *priority, uint32_t place, uint32_t class)
{
    ray_priority_book *book = &priority->book;
    ray_queue *queue = &book->queue[place];
    ray_queue_lane *lane = &queue->lane[class];
    uint32_t first[RAY_QUEUE_FLOW_MAX], count = queue->depth[class];
    uint32_t since = priority->tally.queue[place].served_at[class];
    for (uint32_t i = 0; i < RAY_QUEUE_FLOW_MAX; i++)
        first[i] = lane->flow[i].first;
    *lane = (ray_queue_lane){0};
    queue->depth[class] = 0;
    queue->waiting -= count;
    for (uint32_t left = count; left > 0; left--) {
        uint32_t best = RAY_QUEUE_FLOW_MAX;
        for (uint32_t i = 0; i < RAY_QUEUE_FLOW_MAX; i++)
            if (first[i] != 0 && (best == RAY_QUEUE_FLOW_MAX || book->entry[first[i] - 1].ticket <
                                                           book->entry[first[best] - 1].ticket))
                best = i;
        uint32_t slot = first[best] - 1;
        ray_queue_entry *entry = &book->entry[slot];
        first[best] = entry->next;
        entry->flow_at = (uint8_t)ray_queue_flow_of(
            priority, entry->flow, ray_queue_rule(priority, entry->service)->flows);
        ray_queue_join(priority, slot);
    }
    priority->tally.queue[place].served_at[class] = since;
}

/* After a change of the rules: flows and order anew, turns within the new weights. */
void ray_queue_relink(ray_priority *priority)
{
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        ray_queue *queue = &priority->book.queue[place];
        for (uint32_t at = queue->delayed_first; at != 0; at = priority->book.entry[at - 1].next) {
            ray_queue_entry *entry = &priority->book.entry[at - 1];
            entry->flow_at = (uint8_t)ray_queue_flow_of(
                priority, entry->flow, ray_queue_rule(priority, entry->service)->flows);
        }
        for (uint32_t class = 0; class < RAY_CLASS_MAX; class++)
            if (queue->depth[class] != 0)
                lane_relink(priority, place, class);
        if (queue->left > priority->config.rules.spec.weight[queue->turn])
            queue->left = priority->config.rules.spec.weight[queue->turn];
        ray_queue_ready(priority, place);
    }
}
