/* SPDX-License-Identifier: MIT */
/* breaker.c - closed, open, half-open. Every change of state begins a new generation, and an
 * outcome of an older one teaches nothing: a late answer can neither close nor trip anything. */
#include "parts.h"

/* -- what is a failure -- */
uint32_t ray_outcome_in(const ray_outcome_set *set, uint32_t outcome, uint32_t http_status)
{
    if ((set->kinds >> outcome & 1U) != 0)
        return 1;
    if (outcome != RAY_OUTCOME_FAIL_5XX && outcome != RAY_OUTCOME_CLIENT_4XX &&
        outcome != RAY_OUTCOME_LIMITED_429)
        return 0;
    for (uint32_t i = 0; i < set->status_count; i++)
        if (set->status[i] == http_status)
            return 1;
    return 0;
}

/* -- the window (private) -- */
/* Counts of half-open, and without a window of closed too, are since the state began. */
static uint64_t window_of(const ray_breaker_spec *spec, const ray_breaker *breaker)
{
    return breaker->state == RAY_BREAKER_CLOSED ? spec->window_ns : 0;
}

static void window_pass(const ray_breaker_spec *spec, ray_breaker *breaker, uint64_t now_ns)
{
    ray_ring *ring = &breaker->ring;
    uint64_t window_ns = window_of(spec, breaker);
    if (window_ns == 0)
        return;
    if (spec->fixed_window == 0) {
        ray_ring_pass(ring, now_ns, ray_ring_sub(window_ns));
        return;
    }
    if (now_ns < ring->end_ns)
        return;
    uint64_t into_ns = now_ns > breaker->since_ns ? (now_ns - breaker->since_ns) % window_ns : 0;
    ring->sum[0] = 0;
    ring->sum[1] = 0;
    ring->end_ns = ray_add_capped(now_ns - into_ns, window_ns);
}

static void window_add(const ray_breaker_spec *spec, ray_breaker *breaker, uint32_t failed)
{
    if (window_of(spec, breaker) != 0 && spec->fixed_window == 0)
        ray_ring_add(&breaker->ring, failed, 1);
    else
        breaker->ring.sum[failed]++;
}

/* -- reading -- */
uint32_t ray_breaker_state_at(const ray_resilience *resilience, uint32_t place, uint64_t now_ns)
{
    const ray_breaker *breaker = &resilience->book.guard[place].breaker;
    if (breaker->state == RAY_BREAKER_OPEN && now_ns >= resilience->book.open_until_ns[place])
        return RAY_BREAKER_HALF_OPEN;
    return breaker->state;
}

void ray_breaker_sums(const ray_resilience *resilience, uint32_t place, uint64_t now_ns,
                      uint64_t sum[2])
{
    const ray_breaker_spec *spec = &resilience->config.guard[place].spec.breaker;
    const ray_breaker *breaker = &resilience->book.guard[place].breaker;
    uint64_t window_ns = window_of(spec, breaker);
    uint32_t over = window_ns != 0 && now_ns >= breaker->ring.end_ns;
    sum[0] = breaker->ring.sum[0];
    sum[1] = breaker->ring.sum[1];
    if (over != 0 && spec->fixed_window == 0)
        ray_ring_view(&breaker->ring, now_ns, ray_ring_sub(window_ns), sum);
    else if (over != 0 || ray_breaker_state_at(resilience, place, now_ns) != breaker->state)
        sum[0] = sum[1] = 0;
}

/* -- changes -- */
/* min(max, open * 2^reopened), and up to `jitter` of it more, the same for the same seed. */
static uint64_t open_time(const ray_resilience *resilience, uint32_t place)
{
    const ray_breaker_spec *spec = &resilience->config.guard[place].spec.breaker;
    const ray_breaker *breaker = &resilience->book.guard[place].breaker;
    uint32_t shift = breaker->reopened < 63 ? breaker->reopened : 63;
    uint64_t open_ns = spec->open_ns > spec->open_max_ns >> shift ? spec->open_max_ns
                                                                  : spec->open_ns << shift;
    uint64_t spread_ns = ray_mul_div_floor(open_ns, spec->jitter_ppm, 1000000);
    if (spread_ns == 0)
        return open_ns;
    uint64_t draw = ray_siphash_words(resilience->config.seed, place, breaker->generation);
    return open_ns + draw % (spread_ns + 1);
}

static void remember(ray_resilience *resilience, uint32_t place, uint64_t now_ns, uint32_t from,
                     uint32_t cause)
{
    ray_resilience_tally *tally = &resilience->tally;
    const ray_breaker *breaker = &resilience->book.guard[place].breaker;
    ray_breaker_event *event = &tally->event[tally->event_count % RAY_BREAKER_EVENT_MAX];
    memset(event, 0, sizeof *event);
    event->id = ++tally->event_count;
    event->at_ns = now_ns;
    event->service = resilience->config.guard[place].spec.service;
    event->generation = breaker->generation;
    event->from = (uint8_t)from;
    event->to = breaker->state;
    event->cause = (uint8_t)cause;
    ray_guard_tally *counts = &tally->guard[place];
    counts->opened_count += breaker->state == RAY_BREAKER_OPEN;
    counts->half_opened_count += breaker->state == RAY_BREAKER_HALF_OPEN;
    counts->closed_count += breaker->state == RAY_BREAKER_CLOSED;
}

void ray_breaker_restart(ray_resilience *resilience, uint32_t place)
{
    ray_breaker *breaker = &resilience->book.guard[place].breaker;
    breaker->generation++;
    breaker->probing = 0;
    breaker->row_successes = 0;
    breaker->row_failures = 0;
    memset(&breaker->ring, 0, sizeof breaker->ring);
}

void ray_breaker_change(ray_resilience *resilience, uint32_t place, uint64_t now_ns, uint32_t to,
                        uint32_t cause)
{
    ray_breaker *breaker = &resilience->book.guard[place].breaker;
    uint64_t *until_ns = &resilience->book.open_until_ns[place];
    ray_heap heap = ray_open_heap(resilience);
    uint32_t from = breaker->state;
    ray_breaker_restart(resilience, place);
    breaker->state = (uint8_t)to;
    breaker->since_ns = now_ns;
    if (from == RAY_BREAKER_OPEN) {
        ray_heap_remove(&heap, place);
        *until_ns = 0;
    }
    if (to == RAY_BREAKER_CLOSED)
        breaker->reopened = 0;
    if (to == RAY_BREAKER_OPEN) {
        breaker->reopened += from == RAY_BREAKER_HALF_OPEN && breaker->reopened < 63;
        *until_ns = ray_add_capped(now_ns, open_time(resilience, place));
        ray_heap_add(&heap, place);
    }
    remember(resilience, place, now_ns, from, cause);
}

void ray_breaker_settle(ray_resilience *resilience, uint32_t place, uint64_t now_ns)
{
    uint64_t until_ns = resilience->book.open_until_ns[place];
    if (ray_breaker_state_at(resilience, place, now_ns) == RAY_BREAKER_HALF_OPEN &&
        resilience->book.guard[place].breaker.state == RAY_BREAKER_OPEN)
        ray_breaker_change(resilience, place, until_ns, RAY_BREAKER_HALF_OPEN, RAY_CAUSE_TIME);
}

/* -- learning -- */
/* Why the closed breaker trips now; 0: it does not. */
static uint32_t trips(const ray_breaker_spec *spec, const ray_breaker *breaker)
{
    uint64_t failed = breaker->ring.sum[1], all = failed + breaker->ring.sum[0];
    if (spec->failures != 0 && breaker->row_failures >= spec->failures)
        return RAY_CAUSE_FAILURES;
    if (spec->rate_ppm != 0 && all >= spec->volume &&
        ray_mul_compare(failed, 1000000, spec->rate_ppm, all) >= 0)
        return RAY_CAUSE_RATE;
    return 0;
}

static void count(const ray_breaker_spec *spec, ray_breaker *breaker, uint64_t now_ns,
                  uint32_t failed)
{
    window_pass(spec, breaker, now_ns);
    window_add(spec, breaker, failed);
    if (failed != 0) {
        breaker->row_failures += breaker->row_failures != RAY_NONE;
        breaker->row_successes = 0;
    } else {
        breaker->row_successes += breaker->row_successes != RAY_NONE;
        breaker->row_failures = 0;
    }
}

void ray_breaker_learn(ray_resilience *resilience, uint32_t place, uint64_t now_ns,
                       const ray_permit *permit, const ray_outcome_report *report)
{
    const ray_breaker_spec *spec = &resilience->config.guard[place].spec.breaker;
    ray_breaker *breaker = &resilience->book.guard[place].breaker;
    ray_breaker_settle(resilience, place, now_ns);
    if (permit->generation != breaker->generation) {
        resilience->tally.late_count++;
        resilience->tally.guard[place].late_count++;
        return;
    }
    breaker->probing -= permit->probe != 0 && breaker->probing != 0;
    if (report->outcome == RAY_OUTCOME_CANCELLED || report->outcome == RAY_OUTCOME_UNSENT ||
        breaker->state == RAY_BREAKER_OPEN)
        return;
    uint32_t failed = ray_outcome_in(&spec->counts, report->outcome, report->http_status);
    count(spec, breaker, now_ns, failed);
    if (breaker->forced == RAY_FORCE_CLOSED)
        return;
    if (breaker->state == RAY_BREAKER_CLOSED) {
        uint32_t cause = failed != 0 ? trips(spec, breaker) : 0;
        if (cause != 0)
            ray_breaker_change(resilience, place, now_ns, RAY_BREAKER_OPEN, cause);
    } else if (failed != 0) {
        ray_breaker_change(resilience, place, now_ns, RAY_BREAKER_OPEN, RAY_CAUSE_PROBE_FAILED);
    } else if (breaker->ring.sum[0] >= spec->successes) {
        ray_breaker_change(resilience, place, now_ns, RAY_BREAKER_CLOSED, RAY_CAUSE_PROBES_GOOD);
    }
}
