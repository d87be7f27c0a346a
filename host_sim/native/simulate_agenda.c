/* SPDX-License-Identifier: MIT */
/* simulate_agenda.c - what happens when: a heap of four children with each member's place known, so
 * that what is planned anew moves instead of leaving a dead entry behind; and the pools its members
 * live in. */
#include <stdlib.h>
#include <string.h>
#include "simulate_parts.h"

enum { CHILDREN = 4, POOL_FIRST = 1024 };

/* -- the heap -- */
uint32_t sim_agenda_room(sim_agenda *agenda, uint32_t capacity)
{
    sim_entry *entry;
    uint32_t *place;

    if (capacity <= agenda->capacity)
        return 1;
    entry = realloc(agenda->entry, capacity * sizeof *entry);
    if (!entry)
        return 0;
    agenda->entry = entry;
    place = realloc(agenda->place, capacity * sizeof *place);
    if (!place)
        return 0;
    agenda->place = place;
    memset(place + agenda->capacity, 0, (capacity - agenda->capacity) * sizeof *place);
    agenda->capacity = capacity;
    return 1;
}

static uint32_t before(const sim_entry *a, const sim_entry *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->turn < b->turn;
}

static void put(sim_agenda *agenda, uint32_t at, const sim_entry *entry)
{
    agenda->entry[at] = *entry;
    agenda->place[entry->who] = at + 1;
}

static void rise(sim_agenda *agenda, uint32_t at, sim_entry entry)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / CHILDREN;
        if (!before(&entry, &agenda->entry[parent]))
            break;
        put(agenda, at, &agenda->entry[parent]);
        at = parent;
    }
    put(agenda, at, &entry);
}

static void sink(sim_agenda *agenda, uint32_t at, sim_entry entry)
{
    for (;;) {
        uint32_t first = at * CHILDREN + 1;
        uint32_t last = first + CHILDREN;
        uint32_t least = first;
        if (first >= agenda->count)
            break;
        if (last > agenda->count)
            last = agenda->count;
        for (uint32_t child = first + 1; child < last; child++)
            if (before(&agenda->entry[child], &agenda->entry[least]))
                least = child;
        if (!before(&agenda->entry[least], &entry))
            break;
        put(agenda, at, &agenda->entry[least]);
        at = least;
    }
    put(agenda, at, &entry);
}

void sim_agenda_set(sim_agenda *agenda, uint32_t who, uint64_t at_ns, uint64_t turn)
{
    sim_entry entry = { at_ns, turn, who, 0 };
    uint32_t at = agenda->place[who];

    if (at == 0) {
        rise(agenda, agenda->count++, entry);
        return;
    }
    if (before(&entry, &agenda->entry[at - 1]))
        rise(agenda, at - 1, entry);
    else
        sink(agenda, at - 1, entry);
}

void sim_agenda_drop(sim_agenda *agenda, uint32_t who)
{
    uint32_t at = agenda->place[who];
    sim_entry moved;

    if (at == 0)
        return;
    agenda->place[who] = 0;
    moved = agenda->entry[--agenda->count];
    if (at - 1 == agenda->count)
        return;
    if (at > 1 && before(&moved, &agenda->entry[(at - 2) / CHILDREN]))
        rise(agenda, at - 1, moved);
    else
        sink(agenda, at - 1, moved);
}

/* -- the pools -- */
/* Makes place for one more: its number, or NOBODY. */
static uint32_t grown(sim_pool *pool, void **rows, size_t size, sim_agenda *agenda, uint32_t most)
{
    if (pool->used == pool->capacity) {
        uint32_t capacity = pool->capacity ? pool->capacity * 2 : POOL_FIRST;
        void *made;
        if (pool->capacity >= most)
            return NOBODY;
        made = realloc(*rows, capacity * size);
        if (!made)
            return NOBODY;
        *rows = made;
        if (!sim_agenda_room(agenda, capacity))
            return NOBODY;
        pool->capacity = capacity;
    }
    return pool->used++;
}

uint32_t sim_job_take(ray_simulation *sim)
{
    sim_pool *pool = &sim->job_pool;
    uint32_t at = pool->free;

    if (at != NOBODY) {
        pool->free = sim->jobs[at].next;
    } else {
        void *rows = sim->jobs;
        at = grown(pool, &rows, sizeof *sim->jobs, &sim->job_agenda, RAY_SIMULATE_JOB_MAX);
        sim->jobs = rows;
        if (at == NOBODY) {
            sim->failed = 1;
            return NOBODY;
        }
    }
    memset(&sim->jobs[at], 0, sizeof sim->jobs[at]);
    pool->count++;
    if (pool->count > sim->stats.job_count_max)
        sim->stats.job_count_max = pool->count;
    return at;
}

void sim_job_free(ray_simulation *sim, uint32_t job)
{
    sim_agenda_drop(&sim->job_agenda, job);
    sim->jobs[job].phase = SIM_FREE;
    sim->jobs[job].id = 0;
    sim->jobs[job].next = sim->job_pool.free;
    sim->job_pool.free = job;
    sim->job_pool.count--;
}

uint32_t sim_work_take(ray_simulation *sim)
{
    sim_pool *pool = &sim->work_pool;
    uint32_t at = pool->free;

    if (at != NOBODY) {
        pool->free = sim->works[at].next;
    } else {
        void *rows = sim->works;
        at = grown(pool, &rows, sizeof *sim->works, &sim->work_agenda, RAY_SIMULATE_JOB_MAX);
        sim->works = rows;
        if (at == NOBODY) {
            sim->failed = 1;
            return NOBODY;
        }
    }
    pool->count++;
    return at;
}

void sim_work_free(ray_simulation *sim, uint32_t work)
{
    sim_agenda_drop(&sim->work_agenda, work);
    sim->works[work].job_id = 0;
    sim->works[work].next = sim->work_pool.free;
    sim->work_pool.free = work;
    sim->work_pool.count--;
}

void sim_plan_job(ray_simulation *sim, uint32_t job, uint64_t at_ns)
{
    sim_agenda_set(&sim->job_agenda, job, at_ns > sim->now_ns ? at_ns : sim->now_ns, ++sim->turn);
}

void sim_tell(ray_simulation *sim, uint32_t at)
{
    sim_agenda_drop(&sim->job_agenda, at);
    if (sim->jobs[at].listed)
        return;                           /* something else of it comes to pass */
    sim->jobs[at].listed = 1;
    sim->jobs[at].told = NOBODY;
    if (sim->told_first == NOBODY)
        sim->told_first = at;
    else
        sim->jobs[sim->told_last].told = at;
    sim->told_last = at;
}

uint32_t sim_told(ray_simulation *sim)
{
    uint32_t at = sim->told_first;

    if (at != NOBODY) {
        sim->told_first = sim->jobs[at].told;
        sim->jobs[at].listed = 0;
    }
    return at;
}
