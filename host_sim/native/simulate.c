/* SPDX-License-Identifier: MIT */
/* simulate.c - one loop: the earliest of what was planned happens. Read happen() for what there
 * is. */
#include <stdlib.h>
#include <string.h>
#include "simulate_parts.h"

enum { EVENTS_PER_CALL = 65536 };

/* -- life -- */
void ray_simulate_close(ray_simulation *sim)
{
    if (!sim)
        return;
    for (uint32_t i = 0; i < sim->source_count && sim->sources; i++) {
        free(sim->sources[i].bytes);
        free(sim->sources[i].paths);
        free(sim->sources[i].log.rows);
        free(sim->sources[i].log.bytes);
        free(sim->sources[i].home);
    }
    sim_agenda *agendas[] = { &sim->source_agenda, &sim->job_agenda, &sim->work_agenda };
    for (uint32_t i = 0; i < 3; i++) {
        free(agendas[i]->entry);
        free(agendas[i]->place);
    }
    void *parts[] = { sim->sources, sim->upstreams, sim->events, sim->service_timeout_ns,
                      sim->by_instance, sim->by_service, sim->waiting, sim->jobs, sim->works,
                      sim->chain, sim->counts, sim->histograms, sim->buckets, sim->changes,
                      sim->scratch, sim->record_bytes, sim->record_rows };
    for (uint32_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
    free(sim);
}

static void fill(uint32_t *at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        at[i] = NOBODY;
}

static uint32_t open_tables(ray_simulation *sim)
{
    sim->sources = calloc(sim->source_count + 1, sizeof *sim->sources);
    sim->upstreams = calloc(sim->upstream_count + 1, sizeof *sim->upstreams);
    sim->events = calloc(sim->event_count + 1, sizeof *sim->events);
    sim->service_timeout_ns = calloc(sim->service_count + 1, 8);
    sim->by_instance = calloc(RAY_INSTANCE_MAX, 4);
    sim->by_service = calloc(sim->service_count + 1, 4);
    sim->waiting = calloc(sim->service_count + 1, 4);
    sim->chain = calloc(2 * RAY_INFLIGHT_MAX, 4);
    sim->scratch = malloc(RAY_TARGET_BYTES_MAX);
    if (!sim->sources || !sim->upstreams || !sim->events || !sim->service_timeout_ns
        || !sim->by_instance || !sim->by_service || !sim->waiting || !sim->chain || !sim->scratch)
        return 0;
    fill(sim->by_instance, RAY_INSTANCE_MAX);
    fill(sim->by_service, sim->service_count);
    fill(sim->chain, 2 * RAY_INFLIGHT_MAX);
    sim->told_first = NOBODY;
    sim->job_pool.free = NOBODY;
    sim->work_pool.free = NOBODY;
    return sim_tally_open(sim) && sim_agenda_room(&sim->source_agenda, sim->source_count + 1);
}

static void open_upstreams(ray_simulation *sim, const ray_simulate_spec *spec)
{
    for (uint32_t i = 0; i < spec->upstream_count; i++) {
        sim_upstream *up = &sim->upstreams[i];
        up->spec = spec->upstreams[i];
        up->first = NOBODY;
        up->last = NOBODY;
        up->hung = NOBODY;
        up->trouble = RAY_SIMULATE_RECOVER;
        up->tally = sim->count_count - sim->upstream_count + i;
        ray_simulate_bind(sim, i, up->spec.instance, up->spec.service);
    }
}

ray_simulation *ray_simulate_open(const ray_simulate_spec *spec)
{
    ray_simulation *sim = calloc(1, sizeof *sim);

    if (!sim)
        return NULL;
    sim->begin_ns = sim->now_ns = spec->begin_ns;
    sim->end_ns = spec->end_ns;
    sim->source_count = spec->source_count;
    sim->upstream_count = spec->upstream_count;
    sim->event_count = spec->event_count;
    sim->service_count = spec->service_count;
    sim->default_class = spec->default_class;
    sim->record = spec->record;
    sim->columns = spec->columns;
    sim->silent = spec->silent;
    sim->breakers = spec->breakers;
    sim->wave = spec->wave;
    sim->exponential = spec->exponential;
    sim->row.tenant = RAY_NONE;
    sim->row.service = RAY_NONE;
    sim->row.priority = RAY_CLASS_DEFAULT;
    if (spec->end_ns <= spec->begin_ns || spec->source_count > RAY_SIMULATE_SOURCE_MAX
        || spec->upstream_count > RAY_SIMULATE_UPSTREAM_MAX || spec->default_class >= RAY_CLASS_MAX
        || !open_tables(sim) || !sim_sources_open(sim, spec)) {
        ray_simulate_close(sim);
        return NULL;
    }
    open_upstreams(sim, spec);
    memcpy(sim->events, spec->events, spec->event_count * sizeof *spec->events);
    memcpy(sim->service_timeout_ns, spec->service_timeout_ns, spec->service_count * 8ull);
    return sim;
}

void ray_simulate_bind(ray_simulation *sim, uint32_t at, uint32_t instance, uint32_t service)
{
    sim_upstream *up = &sim->upstreams[at];

    if (up->spec.instance != RAY_NONE && sim->by_instance[up->spec.instance & SLOT_MASK] == at)
        sim->by_instance[up->spec.instance & SLOT_MASK] = NOBODY;
    up->spec.instance = instance;
    up->spec.service = service;
    if (instance != RAY_NONE && (instance & SLOT_MASK) < RAY_INSTANCE_MAX)
        sim->by_instance[instance & SLOT_MASK] = at;
    else if (service < sim->service_count)
        sim->by_service[service] = at;
}

void ray_simulate_end(ray_simulation *sim)
{
    sim->end_ns = sim->now_ns;
    sim->hungry = 0;
    sim->event_next = sim->event_count;
    for (uint32_t i = 0; i < sim->source_count; i++)
        sim_agenda_drop(&sim->source_agenda, i);
    for (uint32_t i = 0; i < sim->job_pool.used; i++) {
        uint32_t phase = sim->jobs[i].phase;
        if (phase == SIM_THINKS)
            sim_job_free(sim, i);
        else if (phase == SIM_AGAIN) {
            SIM_COUNT(sim, &sim->jobs[i], gave_up_count);
            sim_job_free(sim, i);
        }
    }
}

/* -- what happens -- */
static void job_happens(ray_simulation *sim, uint32_t at)
{
    sim_job *job = &sim->jobs[at];
    uint32_t leaves = job->leave_ns <= sim->now_ns;

    switch ((enum sim_phase)job->phase) {
    case SIM_FREE: break;
    case SIM_THINKS:
    case SIM_AGAIN: sim_try(sim, at); break;
    case SIM_QUEUED:
    case SIM_LOST:
        if (leaves)
            sim_cancel(sim, at);
        else
            sim_look(sim, at);
        break;
    case SIM_STARTS:
        if (leaves)
            sim_cancel(sim, at);
        else
            sim_start(sim, at);
        break;
    case SIM_SENT:
        if (leaves && job->leave_ns < job->give_up_ns)
            sim_cancel(sim, at);
        else
            sim_give_up(sim, at);
        break;
    case SIM_RETRIES:
        if (leaves)
            sim_cancel(sim, at);
        else
            sim_again(sim, at);
        break;
    case SIM_TOLD: sim_hear(sim, at); break;
    case SIM_ANSWERED:
        sim_complete(sim, at, job->http_status,
                     job->http_status == 0 ? RAY_OUTCOME_CONNECTION : 0);
        break;
    }
}

/* 1: the caller is asked. */
static uint32_t event_happens(ray_simulation *sim)
{
    const ray_simulate_event *event = &sim->events[sim->event_next++];

    switch ((enum ray_simulate_event_kind)event->kind) {
    case RAY_SIMULATE_STOP:
        sim_tick(sim);
        sim->stats.stop = sim->event_next - 1;
        return 1;
    case RAY_SIMULATE_RATE: sim_rate(sim, event); break;
    case RAY_SIMULATE_CLOCK: sim->skew_ns += event->argument; break;
    case RAY_SIMULATE_RECOVER:
    case RAY_SIMULATE_FAIL:
    case RAY_SIMULATE_REFUSE:
    case RAY_SIMULATE_HANG:
    case RAY_SIMULATE_SLOW: sim_trouble(sim, event); break;
    }
    return 0;
}

static const sim_entry *first_of(const sim_agenda *a, const sim_entry *best)
{
    const sim_entry *first = a->count ? &a->entry[0] : NULL;

    if (!first || (best && (best->at_ns != first->at_ns ? best->at_ns < first->at_ns
                                                        : best->turn < first->turn)))
        return best;
    return first;
}

static void pass(ray_simulation *sim, uint64_t at_ns)
{
    sim->now_ns = at_ns;
    sim->stats.event_count++;
    if (at_ns >= sim->bucket_end_ns)
        sim_bucket_at(sim, at_ns);
}

/* The next thing: a state to return, or NOBODY to go on. */
static uint32_t happen(ray_simulation *sim)
{
    const sim_entry *next = first_of(&sim->source_agenda, NULL);
    uint32_t who = sim_told(sim);

    if (who != NOBODY) {
        job_happens(sim, who);
        return sim->failed ? RAY_SIMULATE_MEMORY : (uint32_t)NOBODY;
    }
    if (sim->hungry != 0) {
        sim->stats.stop = sim_hungry(sim);
        return sim->stats.stop != NOBODY ? RAY_SIMULATE_INPUT : (uint32_t)NOBODY;
    }
    next = first_of(&sim->job_agenda, next);
    next = first_of(&sim->work_agenda, next);
    if (sim->event_next < sim->event_count
        && (!next || sim->events[sim->event_next].at_ns <= next->at_ns)) {
        pass(sim, sim->events[sim->event_next].at_ns);
        return event_happens(sim) ? RAY_SIMULATE_STOPPED : (uint32_t)NOBODY;
    }
    if (!next) {
        if (sim->settled)
            return RAY_SIMULATE_DONE;
        sim->settled = 1;
        sim_settle(sim);
        return NOBODY;                    /* whoever that ended hears of it */
    }
    who = next->who;
    pass(sim, next->at_ns);
    if (next == sim->source_agenda.entry) {
        sim_arrive(sim, who);
    } else if (next == sim->job_agenda.entry) {
        sim_agenda_drop(&sim->job_agenda, who);
        job_happens(sim, who);
    } else {
        sim_finish(sim, who);
    }
    return sim->failed ? RAY_SIMULATE_MEMORY : (uint32_t)NOBODY;
}

uint32_t ray_simulate_run(ray_simulation *sim, struct ray *ray)
{
    uint32_t left = EVENTS_PER_CALL;

    sim->ray = ray;
    if (sim->failed)
        return RAY_SIMULATE_MEMORY;
    while (left--) {
        uint32_t state = happen(sim);
        if (state != NOBODY)
            return state;
        if (sim->record_count > RAY_SIMULATE_RECORD_ROWS)
            return RAY_SIMULATE_RECORD;
    }
    return RAY_SIMULATE_MORE;
}
