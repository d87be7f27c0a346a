/* SPDX-License-Identifier: MIT */
/* simulate_tally.c - what came of it, counted as it happens and never kept one by one: counters and
 * log-linear histograms of each group, class, service and instance, and a timeline. */
#include <stdlib.h>
#include "simulate_parts.h"

_Static_assert(sizeof(ray_simulate_count) % 8 == 0, "counters are 64-bit words");

/* -- histograms -- */
static uint32_t bucket_of(uint64_t value)
{
    uint32_t shift =
        63u - (uint32_t)__builtin_clzll(value | 1ull << RAY_SIMULATE_FINE_BITS)
        - RAY_SIMULATE_FINE_BITS;
    uint64_t bucket = ((uint64_t)shift << RAY_SIMULATE_FINE_BITS) + (value >> shift);

    return bucket < RAY_SIMULATE_FINE ? (uint32_t)bucket : RAY_SIMULATE_FINE - 1;
}

uint64_t ray_simulate_bucket_low(uint32_t bucket)
{
    uint32_t shift = bucket >> RAY_SIMULATE_FINE_BITS > 1 ? (bucket >> RAY_SIMULATE_FINE_BITS) - 1
                                                          : 0;

    return (uint64_t)(bucket - (shift << RAY_SIMULATE_FINE_BITS)) << shift;
}

static void add(ray_simulation *sim, uint32_t at, uint32_t waits, uint64_t ns)
{
    sim->histograms[((uint64_t)at * 2 + waits) * RAY_SIMULATE_FINE + bucket_of(ns)]++;
}

const uint64_t *ray_simulate_histogram(const ray_simulation *sim, uint32_t at, uint32_t waits)
{
    return &sim->histograms[((uint64_t)at * 2 + waits) * RAY_SIMULATE_FINE];
}

/* -- counters -- */
void sim_tally_job(const ray_simulation *sim, sim_job *job, uint32_t priority)
{
    job->tally[0] = job->source;
    job->tally[1] = sim->source_count
                    + (priority < RAY_CLASS_MAX ? priority : sim->default_class);
    job->tally[2] = sim->source_count + RAY_CLASS_MAX + job->service;
}

ray_simulate_count *sim_group(ray_simulation *sim, const sim_job *job)
{
    return &sim->counts[job->source];
}

static void took(ray_simulate_count *count, uint64_t ns)
{
    count->latency_ns_sum += ns;
    if (ns > count->latency_ns_max)
        count->latency_ns_max = ns;
}

void sim_note_latency(ray_simulation *sim, const sim_job *job, uint64_t ns)
{
    const uint32_t *at = job->tally;

    for (uint32_t i = 0; i < 3; i++) {
        took(&sim->counts[at[i]], ns);
        add(sim, at[i], 0, ns);
    }
}

void sim_note_wait(ray_simulation *sim, const sim_job *job, uint64_t ns)
{
    const uint32_t *at = job->tally;

    for (uint32_t i = 0; i < 3; i++) {
        ray_simulate_count *count = &sim->counts[at[i]];
        count->wait_count++;
        count->wait_ns_sum += ns;
        if (ns > count->wait_ns_max)
            count->wait_ns_max = ns;
        add(sim, at[i], 1, ns);
    }
}

void sim_note_instance(ray_simulation *sim, uint32_t tally, uint64_t ns)
{
    took(&sim->counts[tally], ns);
    add(sim, tally, 0, ns);
}

void sim_note_charge(ray_simulation *sim, const sim_job *job, const ray_answer *answer,
                     uint64_t bytes)
{
    const uint32_t *at = job->tally;

    for (uint32_t i = 0; i < 3; i++) {
        sim->counts[at[i]].cost_nano += answer->cost_nano;
        sim->counts[at[i]].response_bytes += bytes;
    }
}

/* A no: its reason, and the rule that said it. */
void sim_note_no(ray_simulation *sim, uint32_t reason, const ray_answer *answer)
{
    ray_simulate_stats *stats = &sim->stats;
    ray_simulate_rule *rule = stats->rule;

    if (reason < RAY_SIMULATE_REASON_MAX)
        stats->reason_count[reason]++;
    if (!answer || answer->by_id == RAY_NONE)
        return;
    while (rule < stats->rule + stats->rule_count
           && (rule->by_kind != answer->by_kind || rule->by_id != answer->by_id))
        rule++;
    if (rule == stats->rule + RAY_SIMULATE_RULE_MAX)
        return;
    if (rule == stats->rule + stats->rule_count)
        stats->rule_count++;
    rule->by_kind = answer->by_kind;
    rule->by_id = answer->by_id;
    rule->denied_count++;
    if (answer->retry_after_ns != RAY_NEVER && answer->retry_after_ns > rule->retry_after_ns_max)
        rule->retry_after_ns_max = answer->retry_after_ns;
}

static void note_change(ray_simulation *sim, const ray_breaker_event *said)
{
    uint32_t place = said->service & SLOT_MASK;

    if (place < sim->service_count) {
        ray_simulate_count *count = &sim->counts[sim->source_count + RAY_CLASS_MAX + place];
        count->opened_count += said->to == RAY_BREAKER_OPEN && said->from == RAY_BREAKER_CLOSED;
        count->reopened_count +=
            said->to == RAY_BREAKER_OPEN && said->from == RAY_BREAKER_HALF_OPEN;
        count->closed_count += said->to == RAY_BREAKER_CLOSED;
    }
    if (sim->change_count < RAY_SIMULATE_CHANGE_MAX)
        sim->changes[sim->change_count++] = (ray_simulate_change){
            .at_ns = said->at_ns - sim->skew_ns, .service = said->service, .from = said->from,
            .to = said->to, .cause = said->cause };
}

/* One row may change more than one breaker. */
void sim_hear_breakers(ray_simulation *sim)
{
    const ray_resilience *guards = ray_resilience_of(sim->ray);
    ray_breaker_event said;
    ray_status status;

    while ((status = ray_resilience_event_read(guards, sim->change_seen + 1, &said))
           != RAY_E_UNKNOWN) {
        sim->change_seen++;
        if (status == RAY_OK)
            note_change(sim, &said);
    }
}

/* -- the timeline -- */
void sim_bucket_at(ray_simulation *sim, uint64_t now_ns)
{
    uint64_t at = (now_ns - sim->begin_ns) / sim->stats.bucket_ns;

    if (at > RAY_SIMULATE_BUCKET_MAX)
        at = RAY_SIMULATE_BUCKET_MAX;     /* what ends after the end is not shown */
    sim->bucket = &sim->buckets[at];
    sim->bucket_end_ns = at == RAY_SIMULATE_BUCKET_MAX
                             ? UINT64_MAX
                             : sim->begin_ns + (at + 1) * sim->stats.bucket_ns;
}

uint32_t sim_tally_open(ray_simulation *sim)
{
    sim->count_count = sim->source_count + RAY_CLASS_MAX + sim->service_count + 1
                       + sim->upstream_count;
    sim->counts = calloc(sim->count_count, sizeof *sim->counts);
    sim->histograms = calloc((size_t)sim->count_count * 2 * RAY_SIMULATE_FINE, 8);
    sim->buckets = calloc(RAY_SIMULATE_BUCKET_MAX + 1, sizeof *sim->buckets);
    sim->stats.bucket_ns =
        (sim->end_ns - sim->begin_ns + RAY_SIMULATE_BUCKET_MAX - 1) / RAY_SIMULATE_BUCKET_MAX;
    sim->changes = calloc(RAY_SIMULATE_CHANGE_MAX, sizeof *sim->changes);
    if (!sim->counts || !sim->histograms || !sim->buckets || !sim->changes)
        return 0;
    sim_bucket_at(sim, sim->begin_ns);
    return 1;
}

const ray_simulate_count *ray_simulate_counts(const ray_simulation *sim, uint32_t *count)
{
    *count = sim->count_count;
    return sim->counts;
}

const ray_simulate_bucket *ray_simulate_buckets(const ray_simulation *sim)
{
    return sim->buckets;
}

const ray_simulate_change *ray_simulate_changes(const ray_simulation *sim, uint32_t *count)
{
    *count = sim->change_count;
    return sim->changes;
}

void ray_simulate_read(const ray_simulation *sim, ray_simulate_stats *out)
{
    *out = sim->stats;
    out->now_ns = sim->now_ns;
    out->job_count = sim->job_pool.count;
    out->work_count = sim->work_pool.count;
}
