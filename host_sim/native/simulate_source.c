/* SPDX-License-Identifier: MIT */
/* simulate_source.c - who asks: when the next request comes, what it is, and what its client does
 * with the answer. */
#include <stdlib.h>
#include <string.h>
#include "simulate_parts.h"

enum { USER_DIGITS = 20, HEARING_NS = 1000 };

/* -- rates -- */
static void set_rate(ray_simulation *sim, sim_source *source, uint64_t count, uint64_t period_ns)
{
    unsigned __int128 gap = ((unsigned __int128)period_ns << 16) / count;

    source->spec.rate_count = count;
    source->spec.rate_ns = period_ns;
    source->gap_q16 = gap > INT64_MAX ? INT64_MAX : (uint64_t)gap;
    source->begun_ns = sim->now_ns > source->spec.from_ns ? sim->now_ns : source->spec.from_ns;
    source->made = 0;
}

static uint64_t poisson_ns(ray_simulation *sim, sim_source *source, uint64_t gap_q16)
{
    uint64_t ones = sim_quantile(sim->exponential, ray_simulate_draw(&source->spec.arrivals));

    return sim_mul_shift(gap_q16, ones, 48);
}

/* Arrivals at the highest rate, of which the hour keeps its share (thinning; Lewis and Shedler,
 * 1979). */
static uint64_t diurnal_at(ray_simulation *sim, sim_source *source, uint64_t from_ns)
{
    const ray_simulate_source *spec = &source->spec;
    uint64_t gap_q16 = (uint64_t)(((unsigned __int128)1000000000000u << 16) / spec->high_mhz);
    uint64_t at_ns = from_ns;

    while (at_ns < spec->until_ns) {
        uint64_t point;
        uint64_t level;
        at_ns += poisson_ns(sim, source, gap_q16);
        point = (uint64_t)((unsigned __int128)((at_ns - spec->from_ns) % spec->rate_ns)
                           * RAY_SIMULATE_WAVE / spec->rate_ns);
        level = (spec->low_mhz << 32) + (spec->high_mhz - spec->low_mhz) * sim->wave[point];
        if ((ray_simulate_draw(&source->spec.arrivals) >> 32) * spec->high_mhz < level)
            break;
    }
    return at_ns;
}

void sim_plan_source(ray_simulation *sim, uint32_t at)
{
    sim_source *source = &sim->sources[at];
    const ray_simulate_source *spec = &source->spec;
    uint64_t from_ns = sim->now_ns > spec->from_ns ? sim->now_ns : spec->from_ns;
    uint64_t next_ns = spec->until_ns;

    if (spec->kind == RAY_SIMULATE_POISSON)
        next_ns = from_ns + poisson_ns(sim, source, source->gap_q16);
    else if (spec->kind == RAY_SIMULATE_EVEN)
        next_ns = source->begun_ns
                  + (uint64_t)((unsigned __int128)++source->made * spec->rate_ns
                               / spec->rate_count);
    else if (spec->kind == RAY_SIMULATE_BURSTS)
        next_ns = source->begun_ns + source->made++ * spec->rate_ns;
    else if (spec->kind == RAY_SIMULATE_DIURNAL)
        next_ns = diurnal_at(sim, source, from_ns);
    if (next_ns < spec->until_ns && next_ns < sim->end_ns)
        sim_agenda_set(&sim->source_agenda, at, next_ns, ++sim->turn);
    else
        sim_agenda_drop(&sim->source_agenda, at);
}

void sim_rate(ray_simulation *sim, const ray_simulate_event *event)
{
    sim_source *source = &sim->sources[event->target];

    set_rate(sim, source, event->argument, event->other);
    if (source->spec.kind == RAY_SIMULATE_BURSTS)
        source->made = 1;
    sim_plan_source(sim, event->target);
}

/* -- requests -- */
static void begin(ray_simulation *sim, uint32_t at)
{
    sim_job *job = &sim->jobs[at];
    sim_source *source = &sim->sources[job->source];
    const ray_simulate_source *spec = &source->spec;

    job->path = 0;
    if (spec->path_count > 1) {
        uint64_t share = sim_below(&source->spec.mix, source->share_sum);
        while (share >= source->paths[job->path].share)
            share -= source->paths[job->path++].share;
    }
    if (!job->client)
        job->user = spec->user_count > 1 ? sim_below(&source->spec.mix, spec->user_count) : 0;
    job->first_ns = sim->now_ns;
    job->tries = 0;
    sim_group(sim, job)->request_count++;
}

void sim_try(ray_simulation *sim, uint32_t at)
{
    sim_job *job = &sim->jobs[at];
    const ray_simulate_source *spec = &sim->sources[job->source].spec;

    if (job->phase != SIM_AGAIN)
        begin(sim, at);
    if (job->tries++ > 0)
        sim_group(sim, job)->again_count++;
    job->leave_ns = spec->patience_ns ? sim->now_ns + spec->patience_ns : UINT64_MAX / 2;
    job->waited = 0;
    job->retry_after_ns = 0;
    sim_agenda_drop(&sim->job_agenda, at);
    sim_admit(sim, at);
}

void sim_arrive(ray_simulation *sim, uint32_t at)
{
    sim_source *source = &sim->sources[at];
    uint64_t count = source->spec.kind == RAY_SIMULATE_BURSTS ? source->spec.rate_count : 1;

    sim_plan_source(sim, at);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t job = sim_job_take(sim);
        if (job == NOBODY)
            return;
        sim->jobs[job].source = at;
        sim_try(sim, job);
    }
}

/* -- answers -- */
static uint32_t may_help(const sim_job *job)
{
    return job->ended != SIM_END_CANCELLED
           && (job->http_status == 429 || job->http_status >= 500 || job->http_status == 0);
}

/* How long until the next try, RAY_NEVER: there is none. */
static uint64_t wait_of(ray_simulation *sim, const sim_job *job)
{
    sim_source *source = &sim->sources[job->source];
    const ray_simulate_source *spec = &source->spec;
    uint64_t most_ns;

    if (spec->again_kind == RAY_SIMULATE_GIVE_UP || job->tries >= spec->tries || !may_help(job))
        return RAY_NEVER;
    if (spec->again_kind == RAY_SIMULATE_HONOUR && job->retry_after_ns != 0)
        return job->retry_after_ns <= spec->longest_ns ? job->retry_after_ns : (uint64_t)RAY_NEVER;
    if (spec->again_kind != RAY_SIMULATE_BACK_OFF)
        return spec->delay_ns;
    most_ns = job->tries < 40 && spec->delay_ns < spec->longest_ns >> (job->tries - 1)
                  ? spec->delay_ns << (job->tries - 1)
                  : spec->longest_ns;
    return sim_below(&source->spec.again, most_ns) + 1;
}

static void think(ray_simulation *sim, uint32_t at)
{
    sim_job *job = &sim->jobs[at];
    sim_source *source = &sim->sources[job->source];
    uint64_t think_ns =
        ray_simulate_time_at(&source->spec.think, ray_simulate_draw(&source->spec.arrivals));
    uint64_t next_ns = sim->now_ns + (think_ns > HEARING_NS ? think_ns : HEARING_NS);

    job->phase = SIM_THINKS;
    job->id = 0;
    if (next_ns < source->spec.until_ns && next_ns < sim->end_ns)
        sim_plan_job(sim, at, next_ns);
    else
        sim_job_free(sim, at);
}

void sim_hear(ray_simulation *sim, uint32_t at)
{
    sim_job *job = &sim->jobs[at];
    uint64_t wait_ns;

    if (job->ended == SIM_END_OK) {
        SIM_COUNT(sim, job, ok_count);
        sim->bucket->ok_count++;
        sim_note_latency(sim, job, sim->now_ns - job->first_ns);
    } else {
        if (job->ended == SIM_END_FAILED || job->ended == SIM_END_EXPIRED)
            sim->bucket->failed_count++;
        wait_ns = wait_of(sim, job);
        if (wait_ns != RAY_NEVER) {
            job->phase = SIM_AGAIN;
            job->id = 0;
            sim_plan_job(sim, at, sim->now_ns + wait_ns);
            return;
        }
        SIM_COUNT(sim, job, gave_up_count);
    }
    if (job->client)
        think(sim, at);
    else
        sim_job_free(sim, at);
}

/* -- the beginning -- */
static uint32_t open_one(ray_simulation *sim, const ray_simulate_source *spec, sim_source *source)
{
    source->spec = *spec;
    source->bytes = calloc(1, (size_t)spec->bytes_length + USER_DIGITS);
    source->paths = calloc(spec->path_count, sizeof *source->paths);
    if (!source->bytes || !source->paths)
        return 0;
    memcpy(source->bytes, spec->bytes, spec->bytes_length);
    source->spec.bytes_length += USER_DIGITS;
    memcpy(source->paths, spec->paths, spec->path_count * sizeof *source->paths);
    for (uint32_t i = 0; i < spec->path_count; i++)
        source->share_sum += spec->paths[i].share;
    set_rate(sim, source, spec->rate_count, spec->rate_ns);
    return source->share_sum != 0;
}

/* The clients of a closed loop, each with its first thought. */
static uint32_t open_clients(ray_simulation *sim, uint32_t at)
{
    sim_source *source = &sim->sources[at];

    for (uint64_t i = 0; i < source->spec.rate_count; i++) {
        uint32_t job = sim_job_take(sim);
        uint64_t first_ns;
        if (job == NOBODY)
            return 0;
        sim->jobs[job].source = at;
        sim->jobs[job].client = 1;
        sim->jobs[job].user = i % source->spec.user_count;
        sim->jobs[job].phase = SIM_THINKS;
        first_ns = source->begun_ns
                   + ray_simulate_time_at(&source->spec.think,
                                          ray_simulate_draw(&source->spec.arrivals));
        if (first_ns < sim->end_ns && first_ns < source->spec.until_ns)
            sim_plan_job(sim, job, first_ns);
        else
            sim_job_free(sim, job);
    }
    return 1;
}

uint32_t sim_sources_open(ray_simulation *sim, const ray_simulate_spec *spec)
{
    for (uint32_t i = 0; i < spec->source_count; i++) {
        const ray_simulate_source *one = &spec->sources[i];
        if (one->path_count == 0 || one->rate_count == 0 || one->rate_ns == 0
            || one->user_count == 0 || !open_one(sim, one, &sim->sources[i]))
            return 0;
        if (one->kind != RAY_SIMULATE_CLOSED)
            sim_plan_source(sim, i);
        else if (!open_clients(sim, i))
            return 0;
    }
    return 1;
}
