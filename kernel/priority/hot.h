/* SPDX-License-Identifier: MIT */
/* hot - what every request does, inline: its entry, its place at the end of a lane, its turn. What
 * happens rarely is in pool.c and lane.c. */
#ifndef RAY_PRIORITY_HOT_H
#define RAY_PRIORITY_HOT_H
#include "parts.h"

enum { RAY_QUEUE_GENERATION_LAST = 65534 }; /* so that no handle is ever RAY_NONE */

#define RAY_QUEUE_TAG_HIGH 0x80000000U

/* Places are reached by pointer arithmetic, once: of &queue[place].debt gcc would keep no pointer
 * but multiply anew for every field. */

/* -- entries -- */
static inline uint32_t ray_queue_handle(const ray_priority *priority, uint32_t slot)
{
    const ray_queue_entry *entry = priority->book.entry + slot;
    return slot | (uint32_t)entry->generation << 16;
}

static inline uint32_t ray_queue_has_room(const ray_priority *priority)
{
    return priority->book.entry_count < RAY_QUEUE_ENTRY_MAX;
}

/* The slot of a handle whose entry stands in a lane; there is no other to be sent. */
static inline uint32_t ray_queue_standing(const ray_priority *priority, uint32_t handle)
{
    uint32_t slot = handle & RAY_QUEUE_SLOT_MASK;
    const ray_queue_entry *entry = priority->book.entry + slot;
    ray_assert(slot < RAY_QUEUE_ENTRY_MAX && entry->generation == handle >> 16 &&
               entry->state == RAY_ENTRY_LANE);
    return slot;
}

static inline uint32_t ray_queue_entry_new(ray_priority *priority)
{
    ray_priority_book *book = &priority->book;
    uint32_t number = book->entry_free;
    book->entry_count++;
    if (number == 0)
        return book->entry_top++;
    ray_queue_entry *entry = book->entry + (number - 1);
    book->entry_free = entry->next;
    entry->next = 0;
    return number - 1;
}

/* Field by field: a block of zeros is written slower without vectors. */
static inline void ray_queue_entry_free(ray_priority *priority, uint32_t slot)
{
    ray_priority_book *book = &priority->book;
    ray_queue_entry *entry = book->entry + slot;
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

/* Seldom anything to change: most queues go on serving. */
static inline void ray_queue_mark(ray_priority *priority, const ray_queue *queue, uint32_t place,
                                  uint32_t servers)
{
    uint64_t *word = priority->book.ready + place / 64;
    uint32_t marked = *word >> place % 64 & 1;
    if (ray_queue_serves(queue, servers) != marked)
        *word ^= 1ULL << place % 64;
}

/* -- lanes -- */
/* Behind somebody in flow 0, where all are that have no flows: it is the youngest. */
static inline void ray_queue_append(ray_priority *priority, ray_queue *queue, uint32_t class,
                                    uint32_t slot)
{
    ray_queue_entry *entry = priority->book.entry + slot;
    ray_queue_flow *flow = (queue->lane + class)->flow;
    uint32_t last = flow->last;
    entry->prev = last;
    entry->state = RAY_ENTRY_LANE;
    (priority->book.entry + (last - 1))->next = slot + 1;
    flow->last = slot + 1;
    queue->depth[class]++;
    queue->waiting++;
}

/* Out of its list and the counts; its own links stay as they were. 1: nobody is left in its flow,
 * and ray_queue_flow_ends must follow. */
static inline uint32_t ray_queue_unlink_in(ray_priority *priority, ray_queue *queue,
                                           uint32_t class, uint32_t flow_at,
                                           const ray_queue_entry *entry)
{
    ray_queue_flow *flow = (queue->lane + class)->flow + flow_at;
    uint32_t next = entry->next, prev = entry->prev;
    if (prev != 0)
        (priority->book.entry + (prev - 1))->next = next;
    else
        flow->first = next;
    if (next != 0)
        (priority->book.entry + (next - 1))->prev = prev;
    else
        flow->last = prev;
    queue->waiting--;
    queue->depth[class]--;
    return (next | prev) == 0;
}

/* -- turns -- */
static inline uint32_t ray_queue_out_of_turn(const ray_queue_spec *spec, const ray_queue *queue)
{
    return queue->depth[RAY_CLASS_CRITICAL] != 0 && queue->debt < spec->critical_cap;
}

static inline uint32_t ray_queue_class(const ray_queue_spec *spec, const ray_queue *queue)
{
    uint32_t class = queue->turn;
    if (ray_queue_out_of_turn(spec, queue))
        return RAY_CLASS_CRITICAL;
    if (queue->left != 0 && queue->depth[class] != 0)
        return class;
    do
        class = class + 1 < RAY_CLASS_MAX ? class + 1 : 0;
    while (queue->depth[class] == 0);
    return class;
}

/* The lane to be served next; somebody waits. */
static inline const ray_queue_lane *ray_queue_next_lane(const ray_priority *priority,
                                                        const ray_queue *queue)
{
    return queue->lane + ray_queue_class(&priority->config.rules.spec, queue);
}

/* Books the dispatch of an entry of that class: turn and debt. */
static inline void ray_queue_charge(const ray_queue_spec *spec, ray_queue *queue, uint32_t class)
{
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

/* Between several flows also virtual time, as long as the entry stands in its lane. */
static inline void ray_queue_advance(ray_queue_lane *lane, const ray_queue_entry *entry)
{
    ray_queue_flow *flow = lane->flow + entry->flow_at;
    lane->clock = flow->tag;
    flow->tag += entry->width;
    if (lane->clock >= RAY_QUEUE_TAG_HIGH)
        ray_queue_rebase(lane);
}

#endif
