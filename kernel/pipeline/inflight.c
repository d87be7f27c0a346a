/* SPDX-License-Identifier: MIT */
/* inflight.c - requests between admission and outcome: slots, a table from the caller's id to its
 * slot (linear probing, deletion by shifting back, so there are no tombstones), and a heap of
 * deadlines. */
#include "pipeline/journey.h"
#include "ray/transform.h"
#include "base/bytes.h"
#include "base/heap.h"

static ray_heap heap_of(ray_inflight *flight)
{
    ray_heap heap = {flight->heap_order, flight->heap_place, flight->due_ns, &flight->heap_count};
    return heap;
}

uint32_t ray_unsent(const ray_inflight_slot *slot)
{
    return slot->phase != RAY_PHASE_SENT && slot->phase != RAY_PHASE_RETRY;
}

static uint32_t home(const struct ray *ray, uint64_t id)
{
    return (uint32_t)(ray_siphash_words(ray->who.seed, id, 0) % RAY_INFLIGHT_TABLE);
}

static uint32_t next(uint32_t at)
{
    return at + 1 == RAY_INFLIGHT_TABLE ? 0 : at + 1;
}

/* Where the id stands in the table, or the free place where it would. */
static uint32_t place_of(const struct ray *ray, uint64_t id)
{
    const ray_inflight *flight = &ray->inflight;
    uint32_t at = home(ray, id);
    while (flight->table[at] != 0 && flight->slot[flight->table[at] - 1].id != id)
        at = next(at);
    return at;
}

uint32_t ray_inflight_find(const struct ray *ray, uint64_t id)
{
    uint32_t slot = ray->inflight.table[place_of(ray, id)];
    return slot != 0 ? slot - 1 : (uint32_t)RAY_NONE;
}

uint32_t ray_inflight_add(struct ray *ray, uint64_t id, uint64_t due_ns)
{
    ray_inflight *flight = &ray->inflight;
    uint32_t slot;
    if (flight->count == RAY_INFLIGHT_MAX)
        return RAY_NONE;
    if (flight->first_free != 0) {
        slot = flight->first_free - 1;
        flight->first_free = flight->slot[slot].next_free;
        flight->slot[slot].next_free = 0;
    } else {
        slot = flight->used++;
    }
    flight->count++;
    flight->slot[slot].id = id;
    flight->due_ns[slot] = due_ns;
    flight->table[place_of(ray, id)] = slot + 1;
    if (flight->count > ray->tally.inflight_count_max)
        ray->tally.inflight_count_max = flight->count;
    ray_heap heap = heap_of(flight);
    ray_heap_add(&heap, slot);
    return slot;
}

void ray_inflight_set_due(struct ray *ray, uint32_t slot, uint64_t due_ns)
{
    ray_heap heap = heap_of(&ray->inflight);
    ray_heap_remove(&heap, slot);
    ray->inflight.due_ns[slot] = due_ns;
    ray_heap_add(&heap, slot);
}

/* Moves later entries of the run back over the hole, unless that would put one before its home. */
static void table_remove(struct ray *ray, uint32_t hole)
{
    ray_inflight *flight = &ray->inflight;
    uint32_t at = next(hole);
    while (flight->table[at] != 0) {
        uint32_t from = home(ray, flight->slot[flight->table[at] - 1].id);
        uint32_t to_hole = (hole + RAY_INFLIGHT_TABLE - from) % RAY_INFLIGHT_TABLE;
        uint32_t to_at = (at + RAY_INFLIGHT_TABLE - from) % RAY_INFLIGHT_TABLE;
        if (to_hole <= to_at) {
            flight->table[hole] = flight->table[at];
            hole = at;
        }
        at = next(at);
    }
    flight->table[hole] = 0;
}

void ray_inflight_free(struct ray *ray, uint32_t slot)
{
    ray_inflight *flight = &ray->inflight;
    ray_heap heap = heap_of(flight);
    ray_heap_remove(&heap, slot);
    table_remove(ray, place_of(ray, flight->slot[slot].id));
    memset(&flight->slot[slot], 0, sizeof flight->slot[slot]);
    memset(&flight->more[slot], 0, sizeof flight->more[slot]);
    flight->due_ns[slot] = 0;
    flight->slot[slot].next_free = flight->first_free;
    flight->first_free = slot + 1;
    flight->count--;
}

ray_status ray_request_read(const struct ray *ray, uint64_t id, ray_request_row *out)
{
    static const uint8_t stages[] = {
        [RAY_PHASE_HELD] = RAY_REQUEST_HELD, [RAY_PHASE_SENT] = RAY_REQUEST_SENT,
        [RAY_PHASE_QUEUED] = RAY_REQUEST_WAITS, [RAY_PHASE_READY] = RAY_REQUEST_WAITS,
        [RAY_PHASE_RETRY] = RAY_REQUEST_AGAIN};
    uint32_t place = ray_inflight_find(ray, id);
    if (place == RAY_NONE || ray->inflight.slot[place].timed != 0)
        return RAY_E_UNKNOWN;
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    *out = (ray_request_row){.due_ns = ray->inflight.due_ns[place],
                             .again_at_ns = ray->inflight.more[place].retry_at_ns,
                             .decision = slot->seq,
                             .service = slot->service,
                             .stage = stages[slot->phase]};
    return RAY_OK;
}

uint32_t ray_inflight_due(const struct ray *ray)
{
    return ray->inflight.heap_count > 0 ? ray->inflight.heap_order[0] : (uint32_t)RAY_NONE;
}

/* Bounds first, so that bytes of a restored snapshot cannot lead a later walk astray. */
static uint32_t bounds_broken(const ray_inflight *flight)
{
    uint32_t filled = 0;
    if (flight->used > RAY_INFLIGHT_MAX || flight->count > flight->used ||
        flight->first_free > flight->used)
        return 1;
    for (uint32_t i = 0; i < RAY_INFLIGHT_TABLE; i++) {
        if (flight->table[i] > flight->used)
            return 2;
        filled += flight->table[i] != 0;
    }
    if (filled != flight->count || flight->heap_count != flight->count)
        return 3;
    for (uint32_t i = 0; i < flight->heap_count; i++)
        if (flight->heap_order[i] >= flight->used ||
            flight->heap_place[flight->heap_order[i]] != i + 1)
            return 4;
    for (uint32_t i = 0; i < flight->used; i++)
        if (flight->slot[i].next_free > flight->used)
            return 5;
    return 0;
}

uint32_t ray_inflight_valid(const struct ray *ray)
{
    const ray_inflight *flight = &ray->inflight;
    uint32_t busy = 0, held = 0, chained = 0, broken = bounds_broken(flight);
    if (broken != 0)
        return broken;
    for (uint32_t i = 0; i < flight->used; i++) {
        const ray_inflight_slot *slot = &flight->slot[i];
        if (slot->phase == RAY_PHASE_FREE)
            continue;
        busy++;
        held += ray_unsent(slot);
        if (flight->heap_place[i] == 0 || ray_inflight_find(ray, slot->id) != i)
            return 6;
        if (slot->limit_count > RAY_REQUEST_LIMIT_MAX || slot->quota_count > RAY_REQUEST_QUOTA_MAX)
            return 7;
    }
    for (uint32_t at = flight->first_free; at != 0 && chained <= flight->used; chained++)
        at = flight->slot[at - 1].next_free;
    return busy != flight->count || held != flight->held_count || busy + chained != flight->used
               ? 8
               : 0;
}
