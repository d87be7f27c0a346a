/* SPDX-License-Identifier: MIT */
/* simulate_source.c - who asks: when the next request comes, what it is, and what its client does
 * with the answer. */
#include <stdlib.h>
#include <string.h>
#include "simulate_parts.h"

#define SECOND_NS 1000000000ull

enum { USER_DIGITS = 20, HEARING_NS = 1000, LOG_ROWS = 256, LOG_BYTES = 524288 };

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

/* The instant of the log's next row; RAY_NEVER when there is none, or none yet. */
static uint64_t logged_at(ray_simulation *sim, uint32_t at)
{
    sim_source *source = &sim->sources[at];
    ray_reader_block *log = &source->log;
    uint64_t since_ns;

    if (source->log_next == log->row_count) {
        source->log_next = log->row_count = 0;
        log->bytes_length = 0;
        ray_reader_read(source->spec.reader, log);
        if (log->row_count == 0) {
            source->hungry = !ray_reader_done(source->spec.reader);
            sim->hungry += source->hungry;
            return RAY_NEVER;
        }
    }
    if (!source->log_begun)
        source->log_first_ns = log->rows[0].at_ns;
    source->log_begun = 1;
    since_ns = log->rows[source->log_next].at_ns;
    since_ns = since_ns > source->log_first_ns ? since_ns - source->log_first_ns : 0;
    return source->spec.from_ns
           + (uint64_t)((unsigned __int128)since_ns * source->spec.rate_ns
                        / source->spec.rate_count);
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
    else if (spec->kind == RAY_SIMULATE_LOG)
        next_ns = logged_at(sim, at);
    next_ns = next_ns > sim->now_ns ? next_ns : sim->now_ns;
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
    job->response_bytes = spec->kind == RAY_SIMULATE_LOG
                              ? source->log.rows[source->log_next].response_bytes
                              : source->paths[job->path].response_bytes;
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
    job->retry_after_ns = 0;
    sim_agenda_drop(&sim->job_agenda, at);
    sim_admit(sim, at);
}

void sim_arrive(ray_simulation *sim, uint32_t at)
{
    sim_source *source = &sim->sources[at];
    uint64_t count = source->spec.kind == RAY_SIMULATE_BURSTS ? source->spec.rate_count : 1;
    uint32_t logged = source->spec.kind == RAY_SIMULATE_LOG;

    if (!logged)
        sim_plan_source(sim, at);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t job = sim_job_take(sim);
        if (job == NOBODY)
            return;
        sim->jobs[job].source = at;
        sim_try(sim, job);
    }
    if (logged) {
        source->log_next++;               /* not before: the row was needed until now */
        sim_plan_source(sim, at);
    }
}

/* Looks again for a row where none was; the source that still has none, or NOBODY. */
uint32_t sim_hungry(ray_simulation *sim)
{
    uint32_t at = 0;

    while (!sim->sources[at].hungry)
        at++;
    sim->sources[at].hungry = 0;
    sim->hungry--;
    sim_plan_source(sim, at);
    return sim->sources[at].hungry ? at : (uint32_t)NOBODY;
}

/* -- rows -- */
static uint32_t number(uint8_t *to, uint64_t value)
{
    uint8_t digits[USER_DIGITS];
    uint32_t length = 0;

    do
        digits[length++] = (uint8_t)('0' + value % 10);
    while (value /= 10);
    for (uint32_t i = 0; i < length; i++)
        to[i] = digits[length - 1 - i];
    return length;
}

static void name_user(const sim_source *source, const sim_job *job, ray_row *row)
{
    const ray_simulate_source *spec = &source->spec;
    uint64_t carry = spec->addressed ? job->user : 0;

    if (row->user_length != 0 && spec->numbered)
        row->user_length = spec->user_prefix
                           + number(source->bytes + spec->user_at + spec->user_prefix,
                                    job->user + 1);
    for (uint32_t i = 16; i-- > 0 && carry; carry >>= 8) {
        carry += row->address.at[i];
        row->address.at[i] = (uint8_t)carry;
    }
}

/* A line of a log is a request of which the simulation alone knows how it ends. */
static ray_row logged_row(const sim_source *source)
{
    ray_row row = source->log.rows[source->log_next];

    row.kind = RAY_ROW_ADMIT;
    row.response_bytes = row.duration_ns = 0;
    row.access_count = row.hit_count = 0;
    row.http_status = 0;
    row.outcome = 0;
    return row;
}

ray_row sim_row(ray_simulation *sim, const sim_job *job, const uint8_t **bytes, uint64_t *length)
{
    const sim_source *source = &sim->sources[job->source];
    ray_row row;

    if (source->spec.kind == RAY_SIMULATE_LOG) {
        *bytes = source->log.bytes;
        *length = source->log.bytes_length;
        return logged_row(source);
    }
    row = source->paths[job->path].row;
    name_user(source, job, &row);
    *bytes = source->bytes;
    *length = source->spec.bytes_length;
    return row;
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
    if (spec->again_kind == RAY_SIMULATE_HONOUR && job->retry_after_ns > spec->longest_ns)
        return RAY_NEVER;
    if (spec->again_kind == RAY_SIMULATE_HONOUR && job->retry_after_ns != 0)
        return (job->retry_after_ns + SECOND_NS - 1) / SECOND_NS * SECOND_NS;
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
    if (spec->kind == RAY_SIMULATE_LOG) {
        source->log.rows = calloc(LOG_ROWS, sizeof *source->log.rows);
        source->log.bytes = malloc(LOG_BYTES);
        source->log.row_capacity = LOG_ROWS;
        source->log.bytes_capacity = LOG_BYTES;
        if (!source->log.rows || !source->log.bytes || !spec->reader)
            return 0;
    }
    if (spec->followed) {
        source->home = spec->user_count <= RAY_SIMULATE_FOLLOWED_MAX
                           ? calloc(spec->user_count, sizeof *source->home)
                           : NULL;
        if (!source->home)
            return 0;
    }
    set_rate(sim, source, spec->rate_count, spec->rate_ns);
    return source->share_sum != 0 || spec->kind == RAY_SIMULATE_LOG;
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
        if (one->rate_count == 0 || one->rate_ns == 0 || one->user_count == 0
            || !open_one(sim, one, &sim->sources[i]))
            return 0;
        if (one->kind != RAY_SIMULATE_CLOSED)
            sim_plan_source(sim, i);
        else if (!open_clients(sim, i))
            return 0;
    }
    return 1;
}
