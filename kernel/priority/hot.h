/* SPDX-License-Identifier: MIT */
/* hot - what every request does, inline: its entry, its place at the end of a lane, its turn. What
 * happens rarely is in pool.c and lane.c. */
#ifndef RAY_PRIORITY_HOT_H
#define RAY_PRIORITY_HOT_H
#include "parts.h"

enum { RAY_QUEUE_GENERATION_LAST = 65534 }; /* so that no handle is ever RAY_NONE */

#define RAY_QUEUE_TAG_HIGH 0x80000000U

/* -- entries -- */
static inline uint32_t ray_queue_handle(const ray_priority *priority, uint32_t slot)
{
    return slot | (uint32_t)priority->book.entry[slot].generation << 16;
}

static inline uint32_t ray_queue_has_room(const ray_priority *priority)
{
    return priority->book.entry_count < RAY_QUEUE_ENTRY_MAX;
}

/* The slot of a handle that is in use, or RAY_NONE. */
static inline uint32_t ray_queue_live(const ray_priority *priority, uint32_t handle)
{
    uint32_t slot = handle & RAY_QUEUE_SLOT_MASK;
    if (slot >= RAY_QUEUE_ENTRY_MAX || priority->book.entry[slot].generation != handle >> 16 ||
        priority->book.entry[slot].state == RAY_ENTRY_FREE)
        return RAY_NONE;
    return slot;
}

static inline uint32_t ray_queue_entry_new(ray_priority *priority)
{
    ray_priority_book *book = &priority->book;
    uint32_t slot = book->entry_free;
    book->entry_count++;
    if (slot == 0)
        return book->entry_top++;
    book->entry_free = book->entry[slot - 1].next;
    book->entry[slot - 1].next = 0;
    return slot - 1;
}

/* Field by field: a block of zeros is written slower without vectors. */
static inline void ray_queue_entry_free(ray_priority *priority, uint32_t slot)
{
    ray_priority_book *book = &priority->book;
    ray_queue_entry *entry = &book->entry[slot];
    entry->arrival_ns = 0;
    entry->deadline_ns = 0;
    entry->ticket = 0;
    entry->flow = 0;
    entry->next = book->entry_free;
    entry->prev = 0;
    entry->service = 0;
    entry->request = 0;
    entry->width = 0;
    entry->generation =
        (uint16_t)(entry->generation == RAY_QUEUE_GENERATION_LAST ? 0 : entry->generation + 1);
    entry->state = RAY_ENTRY_FREE;
    entry->priority = 0;
    entry->origin = 0;
    entry->flow_at = 0;
    book->entry_free = slot + 1;
    book->entry_count--;
}

/* -- rules -- */
static inline uint32_t ray_queue_serves(const ray_queue *queue, uint32_t servers)
{
    return queue->waiting != 0 && (servers == 0 || queue->busy < servers);
}

static inline void ray_queue_mark(ray_priority *priority, uint32_t place, uint32_t servers)
{
    uint64_t *word = &priority->book.ready[place / 64];
    uint64_t bit = ray_queue_serves(&priority->book.queue[place], servers);
    *word = (*word & ~(1ULL << place % 64)) | bit << place % 64;
}

/* -- lanes -- */
/* Its class was empty: it has nothing to be made up for, and the law counts from here. */
static inline void ray_queue_lane_begins(ray_priority *priority, uint32_t place, uint32_t class)
{
    ray_queue_tail *tail = &priority->tally.queue[place];
    tail->served_at[class] = (uint32_t)tail->sent_count;
}

static inline void ray_queue_flow_begins(ray_queue_lane *lane, uint32_t at)
{
    if ((lane->filled >> at & 1) == 0 && lane->flow[at].tag < lane->clock)
        lane->flow[at].tag = lane->clock;
    lane->filled |= 1U << at;
}

/* Behind everybody of its flow: it is the youngest. */
static inline void ray_queue_append(ray_priority *priority, ray_queue *queue, uint32_t place,
                                    uint32_t slot)
{
    ray_queue_entry *entry = &priority->book.entry[slot];
    ray_queue_lane *lane = &queue->lane[entry->priority];
    ray_queue_flow *flow = &lane->flow[entry->flow_at];
    uint32_t last = flow->last;
    entry->prev = last;
    entry->state = RAY_ENTRY_LANE;
    flow->last = slot + 1;
    if (last != 0)
        priority->book.entry[last - 1].next = slot + 1;
    else
        flow->first = slot + 1;
    if (lane->count++ == 0)
        ray_queue_lane_begins(priority, place, entry->priority);
    ray_queue_flow_begins(lane, entry->flow_at);
    queue->waiting++;
}

static inline void ray_queue_unlink_in(ray_priority *priority, ray_queue *queue, uint32_t slot)
{
    ray_priority_book *book = &priority->book;
    ray_queue_entry *entry = &book->entry[slot];
    ray_queue_lane *lane = &queue->lane[entry->priority];
    ray_queue_flow *flow = &lane->flow[entry->flow_at];
    uint32_t next = entry->next, prev = entry->prev;
    if (prev != 0)
        book->entry[prev - 1].next = next;
    else
        flow->first = next;
    if (next != 0)
        book->entry[next - 1].prev = prev;
    else
        flow->last = prev;
    entry->next = 0;
    entry->prev = 0;
    queue->waiting--;
    lane->count--;
    if (flow->first != 0)
        return;
    lane->filled &= ~(1U << entry->flow_at);
    if (lane->count != 0)
        return;
    lane->clock = 0;
    for (uint32_t i = 0; i < RAY_QUEUE_FLOW_MAX; i++)
        lane->flow[i].tag = 0;
}

/* -- turns -- */
static inline uint32_t ray_queue_out_of_turn(const ray_queue_spec *spec, const ray_queue *queue)
{
    return queue->lane[RAY_CLASS_CRITICAL].count != 0 && queue->debt < spec->critical_cap;
}

static inline uint32_t ray_queue_class(const ray_queue_spec *spec, const ray_queue *queue)
{
    uint32_t class = queue->turn;
    if (ray_queue_out_of_turn(spec, queue))
        return RAY_CLASS_CRITICAL;
    if (queue->left != 0 && queue->lane[class].count != 0)
        return class;
    do
        class = class + 1 < RAY_CLASS_MAX ? class + 1 : 0;
    while (queue->lane[class].count == 0);
    return class;
}

/* The entry to be sent next; somebody waits. */
static inline uint32_t ray_queue_choose(const ray_priority *priority, const ray_queue *queue)
{
    uint32_t class = ray_queue_class(&priority->config.rules.spec, queue);
    const ray_queue_lane *lane = &queue->lane[class];
    uint32_t at = lane->filled == 1 ? 0 : ray_queue_choose_flow(priority, lane);
    return lane->flow[at].first - 1;
}

/* Books the dispatch of an entry that still stands in its lane: turn, debt, virtual time. */
static inline void ray_queue_charge(const ray_queue_spec *spec, ray_queue *queue,
                                    const ray_queue_entry *entry, uint32_t flows)
{
    uint32_t class = entry->priority;
    ray_queue_lane *lane = &queue->lane[class];
    if (flows > 1) {
        lane->clock = lane->flow[entry->flow_at].tag;
        lane->flow[entry->flow_at].tag += entry->width;
        if (lane->clock >= RAY_QUEUE_TAG_HIGH)
            ray_queue_rebase(lane);
    }
    if (class == RAY_CLASS_CRITICAL && ray_queue_out_of_turn(spec, queue)) {
        queue->debt += 100 - spec->critical_cap;
        return;
    }
    if (class != queue->turn || queue->left == 0) {
        queue->turn = class;
        queue->left = spec->weight[class];
    }
    queue->left -= queue->left != 0;
    queue->debt -= queue->debt < spec->critical_cap ? queue->debt : spec->critical_cap;
}

#endif
